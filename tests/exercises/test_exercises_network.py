"""The PixelCNN a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils import distributions, models
from course_utils.exercises import n03_network

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. It sees what comes before each pixel, and nothing else."


class Conv(nn.Conv2d):
    """A convolution whose mask is given: 1 where live(row, column) holds, counted from the centre."""

    def __init__(self, live, i, o, k=3):
        super().__init__(i, o, k, padding=k // 2)
        rows = range(-(k // 2), k // 2 + 1)
        self.register_buffer("mask", torch.tensor([[float(live(row, column)) for column in rows] for row in rows]))

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


def a(row, column):
    return (row, column) < (0, 0)


def b(row, column):
    return (row, column) <= (0, 0)


def stack(first, others, n=2, width=16, between=nn.ReLU):
    layers = [Conv(first, 1, width, 5)]
    for _ in range(n):
        layers += [between(), Conv(others, width, width)]
    return nn.Sequential(*layers, between(), nn.Conv2d(width, 17, 1))


class Shifted(nn.Module):
    """No masks: the image is moved down and to the right, and sums run over what has been read."""

    def __init__(self):
        super().__init__()
        self.above, self.left = nn.Conv2d(1, 16, (3, 5), padding=(2, 2)), nn.Conv2d(1, 16, (1, 3), padding=(0, 2))
        self.out = nn.Sequential(nn.ELU(), nn.Conv2d(16, 16, 1), nn.ELU(), nn.Conv2d(16, 17, 1))

    def forward(self, x):
        above = F.pad(self.above(x), (0, 0, 1, 0))[:, :, :8]  # rows up to the one before
        left = F.pad(self.left(x), (1, 0))[..., :8]
        return self.out(above + left)


class Looked(nn.Module):
    """A causal transformer whose input is looked up in a table: no derivative by the image exists."""

    def __init__(self):
        super().__init__()
        self.value, self.place = nn.Embedding(18, 32), nn.Parameter(torch.randn(64, 32))
        self.layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
        self.out = nn.Linear(32, 17)

    def forward(self, x):
        tokens = F.pad((x.flatten(1) * 16).round().long()[:, :-1], (1, 0), value=17)  # moved by one place
        mask = nn.Transformer.generate_square_subsequent_mask(64)
        h = self.layer(self.value(tokens) + self.place, src_mask=mask, is_causal=True)
        return self.out(h).movedim(-1, 1).unflatten(2, (8, 8))


class OfThePackage(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = models.PixelCNN((1, 8, 8), channels=8, layers=2, distribution=distributions.categorical(17))

    def forward(self, x):
        return self.net.conditionals(x).logits.squeeze(1).movedim(-1, 1)


RIGHT = {
    "stack": lambda: stack(a, b),
    "shifted": Shifted,
    "looked up": Looked,
    "package": OfThePackage,
    "in evaluation": lambda: stack(a, b).eval(),
    "log-probabilities": lambda: nn.Sequential(stack(a, b), nn.LogSoftmax(1)),
    "dropout": lambda: stack(a, b, between=lambda: nn.Sequential(nn.ReLU(), nn.Dropout2d(0.2))),
}


@pytest.mark.parametrize("right", RIGHT)
@pytest.mark.filterwarnings("ignore:.*nested_tensor")
def test_a_right_network_is_correct_and_stays_as_it_is(right, said):
    torch.manual_seed(0)
    net = RIGHT[right]()
    training, before = net.training, {name: value.clone() for name, value in net.state_dict().items()}
    expected = torch.random.get_rng_state()
    assert said("build_pixel_cnn", net) == MORAL
    assert net.training == training and torch.equal(torch.random.get_rng_state(), expected)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


class OnceMasked(Conv):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.weight.data *= self.mask

    def forward(self, x):
        return nn.Conv2d.forward(self, x)


class Then(nn.Module):
    """A right network, and something more that is done with its input or its output."""

    def __init__(self, after=lambda y: y, before=lambda x: x):
        super().__init__()
        self.net, self.after, self.before = stack(a, b), after, before

    def forward(self, x):
        return self.after(self.net(self.before(x)))


class PlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = list(stack(a, b))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = stack(a, b)


class Kept(Then):
    def forward(self, x):
        self.kept = self.net(x)
        return self.kept


def reversed_order(row, column):
    return (row, column) > (0, 0)


WRONG = [
    (stack(b, b), "a pixel sees itself"),
    (stack(lambda row, column: True, lambda row, column: True), "all around it"),
    (stack(a, lambda row, column: True), "which comes later"),
    (nn.Sequential(nn.Conv2d(1, 17, 3, padding=1), nn.ReLU(), nn.Conv2d(17, 17, 1)), "all around it"),
    (stack(lambda r, c: r < 0 or r == 0 and c, lambda r, c: r <= 0), "to the right of it in its row"),
    (stack(lambda r, c: (c, r) < (0, 0), lambda r, c: (c, r) <= (0, 0)), "transposed"),
    (stack(reversed_order, lambda r, c: (r, c) >= (0, 0)), "turned round"),
    (stack(a, a), "mask A is for the first layer only"),
    (stack(lambda r, c: r < 0, lambda r, c: r < 0 or (r, c) == (0, 0)), "nothing of its own row"),
    (stack(lambda r, c: r == 0 and c < 0, lambda r, c: r == 0 and c <= 0), "the one above it"),
    (stack(a, b, between=nn.Identity), "it is linear"),
    (nn.Sequential(OnceMasked(a, 1, 16, 5), nn.ReLU(), OnceMasked(b, 16, 17)), "with other weights"),
    (stack(a, b, between=lambda: nn.Sequential(nn.BatchNorm2d(16), nn.ReLU())), "batch norm"),
    (Then(lambda y: y.movedim(1, -1)), "movedim(-1, 1)"),
    (Then(lambda y: y[:, :1]), "one number a pixel"),
    (Then(lambda y: y[:, :16]), "17 of them"),
    (Then(lambda y: y.unsqueeze(1)), "one axis too many"),
    (Then(lambda y: y[..., :7]), "should have shape (B, 17, 8, 8)"),
    (Then(lambda y: y.softmax(1)), "probabilities already"),
    (Then(lambda y: y / 0), "not finite"),
    (Then(lambda y: y + torch.rand(1)), "two calls"),
    (Then(lambda y: y.tolist()), "a tensor of logits"),
    (Then(before=torch.zeros_like), "do not depend on the image"),
    (Then(before=lambda x: x.expand(-1, 17, -1, -1)), "expected input"),
    (nn.Sequential(nn.Conv2d(17, 17, 1)), "in_channels = 1"),
    (Then(before=lambda x: x + torch.zeros(7)), "8 x 8"),
    (PlainList(), "nn.ModuleList"),
    (NoForward(), "forward is missing"),
    (Then, "not its class"),
    (lambda x: x, "an nn.Module is asked for"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[word for _, word in WRONG])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    line = said("build_pixel_cnn", wrong)
    assert line.startswith("not yet: ") and word in line, line


def test_what_is_kept_from_a_call_gets_its_hint(said):
    net = Kept()
    net(torch.zeros(1, 1, 8, 8))
    assert "kept in the network" in said("build_pixel_cnn", net)


class Template(nn.Module):
    def __init__(self): ...

    def forward(self, x): ...


class Begun(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x): ...


@pytest.mark.parametrize("empty", [None, ..., Template(), Begun()])
def test_no_answer_yet(empty, said):
    assert said("build_pixel_cnn", empty) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    for answer in (JUNK[junk], Then(lambda y: JUNK[junk])):
        line = said("build_pixel_cnn", answer)
        assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("error", [NameError("bits"), SystemExit(), StopIteration()], ids=repr)
def test_an_error_is_named(error, said):
    def fail(x):
        raise error

    assert type(error).__name__ in said("build_pixel_cnn", Then(before=fail))


@pytest.mark.parametrize("width, layers", [(32, 2), (16, 1)])
def test_a_network_that_learns_is_told_so(width, layers, said, capsys):
    torch.manual_seed(0)
    n03_network.build_pixel_cnn(stack(a, b, layers, width), train=True)
    assert capsys.readouterr().out == f"{MORAL} After 150 steps it needs less than 120 nats a digit.\n"


def test_a_network_that_learns_nothing_is_told_so(capsys):
    torch.manual_seed(0)
    n03_network.build_pixel_cnn(Then(lambda y: y.detach() + 0 * y), train=True)
    assert "nats a digit, and 120 is the limit" in capsys.readouterr().out
