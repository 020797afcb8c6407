"""The autoencoder a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils import models
from course_utils.exercises import n05_network

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. All it returns has passed through the code."
Z = 8


class AutoEncoder(nn.Module):
    """Dense; tests change a part of it."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, Z))
        self.decoder = nn.Sequential(nn.Linear(Z, 64), nn.ReLU(), nn.Linear(64, 256), nn.Unflatten(1, (1, 16, 16)))

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def error(self, y, x):
        return (y - x).square().sum((1, 2, 3)).mean()

    def loss(self, x):
        return self.error(self.decode(self.encode(x)), x)


def net(**methods):
    return type("Changed", (AutoEncoder,), methods)()


def with_error(error):
    return net(error=lambda self, y, x: error(y, x))


class Convolutional(nn.Module):
    """Convolutions, a sigmoid at the end, pictures from -1 to 1 inside, and a loss that calls no method of its own."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.GELU(), nn.Conv2d(8, 16, 3, 2, 1), nn.GELU(), nn.Flatten()
        )
        self.code = nn.Linear(256, 4)
        self.up = nn.Sequential(nn.Linear(4, 256), nn.GELU(), nn.Unflatten(1, (16, 4, 4)))
        self.out = nn.Sequential(
            nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.GELU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid()
        )

    def encode(self, x):
        return self.code(self.down(2 * x - 1))

    def decode(self, z):
        return self.out(self.up(z))

    def loss(self, x):
        return F.mse_loss(self.out(self.up(self.code(self.down(2 * x - 1)))), x, reduction="sum") / len(x)


class OneWeight(nn.Module):
    """Linear, with one matrix for both directions, and an einsum in place of everything else."""

    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(0.05 * torch.randn(16, 256)), nn.Parameter(torch.zeros(256))

    def encode(self, x):
        return (x.flatten(1) - self.b) @ self.w.T

    def decode(self, z):
        return (z @ self.w + self.b).reshape(len(z), 1, 16, 16)

    def loss(self, x):
        d = (self.decode(self.encode(x)) - x).flatten(1)
        return torch.einsum("bi,bi->", d, d) / len(d)


class OfThePackage(models.AutoEncoder):
    def __init__(self):
        super().__init__((1, 16, 16), 8, (64,))

    def loss(self, x):
        return super().loss(x).mean()


def with_dropout():
    answer = AutoEncoder()
    answer.encoder.insert(3, nn.Dropout(0.2))
    return answer


RIGHT = {
    "dense": AutoEncoder,
    "convolutional": Convolutional,
    "one weight": OneWeight,
    "package": OfThePackage,
    "dropout": with_dropout,
    "in evaluation": lambda: AutoEncoder().eval(),
    "sixteen times the mean": lambda: with_error(lambda y, x: 256 * F.mse_loss(y, x)),
}


@pytest.mark.parametrize("right", RIGHT)
def test_a_right_autoencoder_is_correct_and_stays_as_it_is(right, said):
    torch.manual_seed(0)
    answer = RIGHT[right]()
    training, before = answer.training, {name: value.clone() for name, value in answer.state_dict().items()}
    expected = torch.random.get_rng_state()
    assert said("build_autoencoder", answer) == MORAL
    assert answer.training == training and torch.equal(torch.random.get_rng_state(), expected)
    assert all(torch.equal(value, before[name]) for name, value in answer.state_dict().items())
    assert all(p.grad is None for p in answer.parameters())


class Skips(AutoEncoder):
    """The picture passes beside the code."""

    def encode(self, x):
        self.seen = x
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z) + self.seen


class Large(AutoEncoder):
    def __init__(self, size):
        super().__init__()
        self.encoder[3], self.decoder[0] = nn.Linear(64, size), nn.Linear(size, 64)


class PlainList(AutoEncoder):
    def __init__(self):
        super().__init__()
        self.layers = [self.encoder, self.decoder]
        del self.encoder, self.decoder

    def encode(self, x):
        return self.layers[0](x)

    def decode(self, z):
        return self.layers[1](z)


class Kept(AutoEncoder):
    def encode(self, x):
        self.z = self.encoder(x)
        return self.z


def squares(y, x):
    return (y - x).square()


WRONG = [
    (with_error(lambda y, x: F.mse_loss(y, x)), "averaged over the pixels"),
    (with_error(lambda y, x: squares(y, x).sum()), "summed over the batch, too"),
    (with_error(lambda y, x: squares(y, x).sum((1, 2, 3))), "average it over the batch"),
    (with_error(squares), "has shape (6, 1, 16, 16)"),
    (with_error(lambda y, x: (y - x).abs().sum((1, 2, 3)).mean()), "absolute errors"),
    (with_error(F.l1_loss), "averaged over the pixels: squared ones"),
    (with_error(lambda y, x: squares(y, x).sum((1, 2, 3)).sqrt().mean()), "leave it out"),
    (with_error(lambda y, x: squares(y, x).mean().sqrt()), "root of a mean"),
    (with_error(lambda y, x: (y - x).sum((1, 2, 3)).mean()), "cancel"),
    (with_error(lambda y, x: (y - x).sum((1, 2, 3)).square().mean()), "square of a sum"),
    (with_error(lambda y, x: 0.5 * squares(y, x).sum((1, 2, 3)).mean()), "half"),
    (with_error(lambda y, x: -squares(y, x).sum((1, 2, 3)).mean()), "the sign"),
    (with_error(lambda y, x: squares(x + y, x).sum((1, 2, 3)).mean()), "x cancels out"),
    (with_error(lambda y, x: squares(y, 2 * x - 1).sum((1, 2, 3)).mean()), "compared with 2 x - 1"),
    (with_error(lambda y, x: squares(y.sigmoid(), x).sum((1, 2, 3)).mean()), "put it into decode"),
    (with_error(lambda y, x: squares(y.clamp(0, 1), x).sum((1, 2, 3)).mean()), "clamps"),
    (with_error(lambda y, x: squares(y, torch.randn_like(x)).sum((1, 2, 3)).mean()), "compared with noise"),
    (with_error(lambda y, x: squares(y, torch.rand_like(x)).sum((1, 2, 3)).mean()), "compared with noise"),
    (with_error(lambda y, x: squares(y, x).sum((1, 2, 3)).mean() + y.abs().sum()), "with random weights"),
    (net(loss=lambda self, x: self.error(self.decode(self.encode(x + torch.randn_like(x))), x)), "two calls"),
    (net(decode=lambda self, z: self.decoder(z + torch.randn_like(z))), "two calls"),
    (
        net(loss=lambda self, x: self.error(self.decode(self.encode(x + self.training * torch.randn_like(x))), x)),
        "two calls",
    ),
    (net(loss=lambda self, x: self.error(self.decode(self.encode(x).detach()), x)), "no gradient reaches the encoder"),
    (net(loss=lambda self, x: self.error(self.decode(self.encode(x)), x).item()), "has no gradient"),
    (net(loss=lambda self, x: self.error(self.decode(torch.ones(6, Z)), torch.ones(6, 1, 16, 16))), "not depend on x"),
    (net(loss=lambda self, x: self.decode(self.encode(x))), "one number"),
    (net(loss=lambda self, x: None), "loss returns nothing yet"),
    (net(decode=lambda self, z: None), "decode returns nothing yet"),
    (net(decode=lambda self, z: self.decoder(z).flatten(1)), ".view(-1, 1, 16, 16)"),
    (net(decode=lambda self, z: self.decoder(torch.zeros_like(z))), "does not depend on the code"),
    (net(encode=lambda self, x: self.encoder(torch.zeros_like(x))), "does not depend on the picture"),
    (net(encode=lambda self, x: self.encoder(x).chunk(2, 1)), "encode should return codes (B, Z)"),
    (net(encode=lambda self, x: self.encoder[1:](x)), "do the layers fit?"),
    (net(encode=lambda self, x: self.encoder(x)[:, 0]), "returned the shape (6,)"),
    (Skips(), "nothing may pass beside the code"),
    (net(encode=lambda self, x: self.encoder(x) + torch.randn(1)), "two calls"),
    (Large(256), "need not learn"),
    (Large(20), "at most 16 are allowed"),
    (PlainList(), "nn.ModuleList"),
    (AutoEncoder, "not its class"),
    (lambda x: x, "an nn.Module is asked for"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[f"{i} {word}" for i, (_, word) in enumerate(WRONG)])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    line = said("build_autoencoder", wrong)
    assert line.startswith("not yet: ") and word in line, line


@pytest.mark.parametrize("name", ["encode", "decode", "loss"])
def test_a_missing_method_is_named(name, said):
    part = type("Part", (nn.Module,), {k: getattr(AutoEncoder, k) for k in ("__init__", "encode", "decode", "loss")})
    delattr(part, name)
    part.__init__ = lambda self: nn.Module.__init__(self)
    answer = part()
    whole = AutoEncoder()
    answer.encoder, answer.decoder, answer.error = whole.encoder, whole.decoder, whole.error
    assert f"the method {name} is missing" in said("build_autoencoder", answer)


def test_what_is_kept_from_a_call_gets_its_hint(said):
    answer = Kept()
    answer.encode(torch.zeros(1, 1, 16, 16))
    assert "kept in the network" in said("build_autoencoder", answer)


class Template(nn.Module):
    def __init__(self): ...

    def encode(self, x): ...


class Begun(nn.Module):
    def encode(self, x): ...

    def decode(self, z): ...

    def loss(self, x): ...


@pytest.mark.parametrize("empty", [None, ..., Template(), Begun()])
def test_no_answer_yet(empty, said):
    assert said("build_autoencoder", empty) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    answers = [JUNK[junk]]
    answers += [net(**{name: lambda self, x: JUNK[junk]}) for name in ("encode", "decode", "loss")]
    for answer in answers:
        line = said("build_autoencoder", answer)
        assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), RecursionError("deep")])
def test_whatever_is_raised_is_told(error, said):
    def fail(self, x):
        raise error

    for name in ("encode", "decode", "loss"):
        assert type(error).__name__ in said("build_autoencoder", net(**{name: fail}))


@pytest.mark.parametrize("right", ["dense", "convolutional", "one weight"])
def test_a_usual_autoencoder_learns_enough(right, capsys):
    torch.manual_seed(0)
    n05_network.build_autoencoder(RIGHT[right](), train=True)
    assert capsys.readouterr().out.startswith(f"{MORAL} After 400 steps")


def test_one_that_cannot_learn_is_told_so(capsys):
    n05_network.build_autoencoder(Large(1), train=True)
    said = capsys.readouterr().out
    assert "the limit" in said and "too few numbers in the code" in said and "unseen moons" in said


def test_layers_without_an_activation_are_told_so(capsys):
    torch.manual_seed(0)
    answer = AutoEncoder()
    answer.encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.Linear(64, 2))
    answer.decoder = nn.Sequential(nn.Linear(2, 64), nn.Linear(64, 256), nn.Unflatten(1, (1, 16, 16)))
    n05_network.build_autoencoder(answer, train=True)
    said = capsys.readouterr().out
    assert "is there an activation between the layers?" in said and "too few" not in said
