"""The VAE a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils import models

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. Its loss is minus the bound, in nats an image, and both its terms teach the encoder."
Z = 4


def normal(mu, log_var):
    return torch.distributions.Normal(mu, (0.5 * log_var).exp())


class VAE(nn.Module):
    """Dense; tests change a part of it."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2 * Z))
        self.decoder = nn.Sequential(nn.Linear(Z, 32), nn.ReLU(), nn.Linear(32, 64), nn.Unflatten(1, (1, 8, 8)))

    def encode(self, x):
        return self.encoder(x).chunk(2, 1)

    def decode(self, z):
        return self.decoder(z)

    def code(self, mu, log_var):
        return mu + (0.5 * log_var).exp() * torch.randn_like(mu)

    def pixels(self, logits, x):
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3)).mean()

    def kl(self, mu, log_var):
        return 0.5 * (log_var.exp() + mu**2 - 1 - log_var).sum(1).mean()

    def loss(self, x):
        mu, log_var = self.encode(x)
        return self.pixels(self.decode(self.code(mu, log_var)), x) + self.kl(mu, log_var)


def vae(**methods):
    return type("Changed", (VAE,), methods)()


class Convolutional(nn.Module):
    """Convolutions, two heads, noise of torch.distributions, everything in one loss that calls no method of its own."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.mu, self.log_var = nn.Linear(128, 2), nn.Linear(128, 2)
        self.up = nn.Sequential(nn.Linear(2, 128), nn.Unflatten(1, (8, 4, 4)), nn.ConvTranspose2d(8, 1, 4, 2, 1))

    def encode(self, x):
        h = self.down(2 * x - 1)
        return [self.mu(h), self.log_var(h)]

    def decode(self, z):
        return self.up(z)

    def loss(self, x):
        h = self.down(2 * x - 1)
        q = normal(self.mu(h), self.log_var(h))
        p = torch.distributions.Bernoulli(logits=self.up(q.rsample()))
        kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
        return -(p.log_prob(x).flatten(1).sum(1) - kl.sum(1)).mean()


def other_noise(self, mu, log_var):  # numbers in another order, so that nothing can be compared draw by draw
    return mu + torch.exp(log_var / 2) * torch.randn(mu.shape[1], len(mu)).T


def summed(self, x):
    mu, log_var = self.encode(x)
    logits = self.decode(self.code(mu, log_var))
    cost = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="sum")
    return (cost - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())) / x.shape[0]


def monte_carlo(self, mu, log_var):
    """Right on average: the KL by draws of its own."""
    z = mu + (0.5 * log_var).exp() * torch.randn(64, *mu.shape)
    return (normal(mu, log_var).log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(-1).mean()


class OfThePackage(nn.Module):
    def __init__(self):
        super().__init__()
        self.vae = models.VAE((1, 8, 8), latent=8, hidden=(32,))

    def encode(self, x):
        return self.vae.encode(x)

    def decode(self, z):
        return self.vae.decode(z).logits

    def loss(self, x):
        return -self.vae.elbo(x).mean()


RIGHT = {
    "dense": VAE,
    "convolutional": Convolutional,
    "package": OfThePackage,
    "other noise": lambda: vae(code=other_noise),
    "summed": lambda: vae(loss=summed),
    "in evaluation": lambda: VAE().eval(),
    "rsample": lambda: vae(code=lambda self, mu, log_var: normal(mu, log_var).rsample()),
    "KL by draws": lambda: vae(kl=monte_carlo),
}


@pytest.mark.parametrize("right", RIGHT)
def test_a_right_network_is_correct_and_stays_as_it_is(right, said):
    torch.manual_seed(0)
    net = RIGHT[right]()
    training, before = net.training, {name: value.clone() for name, value in net.state_dict().items()}
    expected = torch.random.get_rng_state()
    assert said("build_vae", net) == MORAL
    assert net.training == training and torch.equal(torch.random.get_rng_state(), expected)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def each(kl):
    """Another KL, elementwise, with the right sums."""
    return lambda self, mu, log_var: kl(mu, log_var).sum(1).mean()


def elementwise(mu, s):
    return 0.5 * (s.exp() + mu**2 - 1 - s)


def minus(method):
    return lambda self, *arguments: -method(self, *arguments)


def noise(scale):
    return lambda self, mu, log_var: mu + scale(log_var) * torch.randn_like(mu)


def entropy(logits, x, reduction):
    return F.binary_cross_entropy_with_logits(logits, x, reduction=reduction)


class FixedNoise(VAE):
    def __init__(self):
        super().__init__()
        self.register_buffer("eps", torch.randn(1, Z))

    def code(self, mu, log_var):
        return mu + (0.5 * log_var).exp() * self.eps


def seeded(self, mu, log_var):
    torch.manual_seed(0)
    return VAE.code(self, mu, log_var)


def without_gradient(self, x):
    with torch.no_grad():
        return VAE.loss(self, x)


class Kept(VAE):
    def decode(self, z):
        self.kept = super().decode(z)
        return self.kept


class TwiceSigma(VAE):
    code = noise(torch.exp)
    kl = each(lambda mu, s: elementwise(mu, 2 * s))


class Positive(VAE):
    """The second output is a standard deviation, and taken for one."""

    def encode(self, x):
        mu, s = super().encode(x)
        return mu, F.softplus(s) + 0.1

    code = noise(lambda s: s)
    kl = each(lambda mu, s: elementwise(mu, 2 * s.log()))


mean_of_pixels = dict(pixels=lambda self, logits, x: entropy(logits, x, "mean"))
mean_of_latents = dict(kl=lambda self, mu, s: elementwise(mu, s).mean())
sum_of_pixels = dict(pixels=lambda self, logits, x: entropy(logits, x, "sum"))
sum_of_latents = dict(kl=lambda self, mu, s: elementwise(mu, s).sum())
WRONG = [
    # value
    (vae(code=lambda self, mu, log_var: mu), "the noise is missing: z ="),
    (vae(code=lambda self, mu, log_var: mu, **mean_of_pixels), "the noise is missing"),
    (FixedNoise(), "the same in every call"),
    (vae(code=seeded), "the same in every call"),
    (vae(code=noise(torch.exp)), "multiplied by its root"),
    (vae(code=noise(lambda s: s)), "as it is"),
    (vae(code=noise(torch.ones_like)), "no scale"),
    (vae(code=lambda self, mu, log_var: torch.randn_like(mu)), "noise from the prior"),
    (vae(code=lambda self, mu, s: mu + (s / 2).exp() * torch.randn(len(mu), 1)), "eps has the shape of mu"),
    (vae(code=lambda self, mu, s: mu + (s / 2).exp() * torch.randn(1, Z)), "all images of the batch share"),
    (TwiceSigma(), "for a log-standard deviation; it is"),
    (Positive(), "for a standard deviation"),
    (vae(**mean_of_pixels), "64 times too much"),
    (vae(**mean_of_latents), "the KL is averaged over the code"),
    (vae(**mean_of_pixels, **mean_of_latents), "are both averaged"),
    (vae(kl=minus(VAE.kl)), "the sign of the KL"),
    (vae(kl=each(lambda mu, s: 2 * elementwise(mu, s))), "the half of the KL"),
    (vae(**sum_of_latents), "the KL is summed over the batch"),
    (vae(kl=each(lambda mu, s: elementwise(mu, s) + 0.5)), "the 1 of the KL"),
    (vae(kl=each(lambda mu, s: elementwise(mu, 2 * s))), "the KL takes log_var for"),
    (vae(kl=each(lambda mu, s: elementwise(mu, s / 2))), "the KL takes the standard deviation"),
    (vae(kl=each(lambda mu, s: 0 * mu)), "the KL is missing"),
    (vae(pixels=lambda self, logits, x: 0 * logits.mean()), "the reconstruction is missing"),
    (vae(pixels=minus(VAE.pixels)), "the sign of the reconstruction"),
    (vae(loss=minus(VAE.loss)), "the loss is minus the bound"),
    (vae(**sum_of_pixels, **sum_of_latents), "a sum over the batch: a mean"),
    (vae(**sum_of_pixels), "the reconstruction is summed over the batch"),
    (vae(**sum_of_pixels, **mean_of_latents), "a sum over everything, the KL a mean"),
    (vae(pixels=lambda self, logits, x: VAE.pixels(self, logits.sigmoid(), x)), "the sigmoid is taken twice"),
    (vae(pixels=lambda self, logits, x: (x - logits.sigmoid()).square().sum((1, 2, 3)).mean()), "squared errors: for"),
    (vae(pixels=lambda self, logits, x: (x - logits).square().sum((1, 2, 3)).mean()), "squared errors of logits"),
    (vae(kl=each(lambda mu, s: 1.7 * elementwise(mu, s))), "with random weights the loss should be"),
    # the same where the noise is drawn otherwise
    (vae(code=other_noise, **mean_of_latents), ""),  # compared on average only: rejected, but the hint may be another
    (vae(code=other_noise, kl=minus(VAE.kl)), ""),
    (vae(code=lambda self, mu, s: torch.normal(0 * mu.T, 1).T * s.exp() + mu), "multiplied by its root"),
    # gradient
    (vae(code=lambda self, mu, s: torch.normal(mu, (s / 2).exp())), "torch.normal and detach"),
    (vae(code=lambda self, mu, s: normal(mu, s).sample()), "torch.normal and detach"),
    (vae(code=lambda self, mu, s: other_noise(self, mu, s).detach()), "torch.normal and detach"),
    (vae(code=lambda self, mu, s: VAE.code(self, mu, s.detach())), "reaches log_var"),
    (vae(code=lambda self, mu, s: VAE.code(self, mu.detach(), s)), "reaches mu"),
    (vae(kl=lambda self, mu, s: VAE.kl(self, mu, s).item()), "the KL has no gradient"),
    (vae(pixels=lambda self, logits, x: VAE.pixels(self, logits.detach(), x)), "the reconstruction has no gradient"),
    (vae(kl=lambda self, mu, s: VAE.kl(self, mu, s) + 1e3 * (s - s.detach()).sum()), "its gradient is not"),
    (vae(loss=without_gradient), "the loss has no gradient"),
    (vae(loss=lambda self, x: VAE.loss(self, x).item()), "the loss has no gradient"),
    # form
    (vae(encode=lambda self, x: self.encoder(x)), "chunk(2, 1)"),
    (vae(encode=lambda self, x: self.encoder(x).chunk(3, 1)), "mu and log_var, both (B, Z)"),
    (vae(encode=lambda self, x: (self.encoder(x), self.encoder(x)[:, 1:])), "both (B, Z)"),
    (vae(encode=lambda self, x: self.encoder(x).T.chunk(2)), "for B = 8 mu has shape"),
    (vae(encode=lambda self, x: self.encoder(x).log().chunk(2, 1)), "the code is not finite"),
    (vae(decode=lambda self, z: None), "decode returns nothing yet"),
    (vae(decode=lambda self, z: self.decoder(z).tolist()), "decode should return logits"),
    (vae(decode=lambda self, z: self.decoder(z).flatten(1)), "the shape (B, 1, 8, 8)"),
    (vae(decode=lambda self, z: self.decoder(z) / 0), "the logits are not finite"),
    (vae(decode=lambda self, z: self.decoder(z).sigmoid()), "decode returns probabilities"),
    (vae(loss=lambda self, x: None), "loss returns nothing yet"),
    (vae(loss=lambda self, x: "3"), "the loss should be a scalar"),
    (vae(loss=lambda self, x: self.encode(x)[0].sum(1)), "the mean over the batch, and has shape (8,)"),
    (vae(loss=lambda self, x: VAE.loss(self, x).log() * torch.inf), "the loss is not finite"),
    (vae(loss=lambda self, x: F.binary_cross_entropy(self.decode(self.encode(x)[0]), x)), "logits are not probab"),
    (vae(loss=lambda self, x: entropy(self.decode(self.encode(x)[0]).flatten(1), x, "sum")), "logits and x have"),
    (vae(encode=None), "your code raised TypeError"),
    (nn.Linear(64, 4), "the method encode is missing"),
    (vae(encode=lambda self, x: self.encoder[1](x).chunk(2, 1)), "flatten(1)"),
    (vae(code=lambda self, mu, s: mu + s.exp() * torch.randn(3)), "mu, log_var and eps are (B, Z)"),
    (VAE, "not its class"),
    (lambda x: x, "an nn.Module is asked for"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[word for _, word in WRONG])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    line = said("build_vae", wrong)
    assert line.startswith("not yet: ") and word in line, line


def test_missing_methods_and_kept_tensors_get_their_hints(said):
    part = type("Part", (nn.Module,), {"encode": VAE.encode})()
    part.encoder = VAE().encoder
    assert "the method decode is missing" in said("build_vae", part)
    part.decode, part.decoder = lambda z: VAE.decode(part, z), VAE().decoder
    assert "the method loss is missing" in said("build_vae", part)
    net = Kept()
    net.loss(torch.zeros(2, 1, 8, 8))
    assert "kept in the network" in said("build_vae", net)


class Template(nn.Module):
    def __init__(self): ...

    def encode(self, x): ...

    def decode(self, z): ...

    def loss(self, x): ...


class Begun(Template):
    def __init__(self):
        nn.Module.__init__(self)


@pytest.mark.parametrize("empty", [None, ..., Template(), Begun()])
def test_no_answer_yet(empty, said):
    assert said("build_vae", empty) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    def method(self, x):
        return JUNK[junk]

    for answer in (
        JUNK[junk],
        vae(encode=method),
        vae(decode=method),
        vae(loss=method),
        vae(code=lambda *a: JUNK[junk]),
    ):
        line = said("build_vae", answer)
        assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("error", [NameError("bits"), SystemExit(), StopIteration()], ids=repr)
def test_an_error_is_named(error, said):
    def fail(self, *arguments):
        raise error

    for name in ("encode", "decode", "loss"):
        assert type(error).__name__ in said("build_vae", vae(**{name: fail}))
