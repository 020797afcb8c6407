"""The ELBO a reader builds: right estimators pass whatever is inside, each usual wrong one has its hint."""

import math

import pytest
import torch
from junk import JUNK
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. On average it is the exact ELBO, and its gradient the exact gradient."


def kl(mu, s):
    return 0.5 * (s.exp() + mu**2 - 1 - s)


def plain(x, encode, decode, width):
    mu, log_var = encode(x)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
    return Normal(decode(z), width).log_prob(x).sum(1) - kl(mu, log_var).sum(1)


def by_formula(x, encode, decode, width):
    mu, s = encode(x)
    z = torch.normal(torch.zeros_like(mu), 1.0) * torch.exp(s / 2) + mu
    squares = ((x - decode(z)) / width) ** 2 + 2 * math.log(width) + math.log(2 * math.pi)
    return -(squares.sum(-1) - torch.sum(1 + s - mu.pow(2) - s.exp(), dim=-1)) / 2


def by_weights(x, encode, decode, width):
    """The KL by the same code: log p(x|z) + log p(z) - log q(z|x)."""
    mu, s = encode(x)
    q = Independent(Normal(mu, s.exp().sqrt()), 1)
    z = q.rsample()
    prior = MultivariateNormal(torch.zeros(mu.shape[1]), torch.eye(mu.shape[1]))
    return Independent(Normal(decode(z), width), 1).log_prob(x) + prior.log_prob(z) - q.log_prob(z)


def ten_codes(x, encode, decode, width):
    mu, s = encode(x)
    z = mu + (s / 2).exp() * torch.randn(10, *mu.shape)
    fit = Normal(decode(z), width).log_prob(x).sum(-1).mean(0)
    return fit - kl_divergence(Normal(mu, (s / 2).exp()), Normal(0.0, 1.0)).sum(1)


def other_noise(x, encode, decode, width):
    mu, s = encode(x)
    z = mu + (s / 2).exp() * torch.randn(mu.shape[1], len(mu)).T
    return torch.distributions.Normal(decode(z), float(width)).log_prob(x).sum(1) - kl(mu, s).sum(1)


@pytest.mark.parametrize("right", [plain, by_formula, by_weights, ten_codes, other_noise], ids=lambda f: f.__name__)
def test_a_right_estimator_is_correct(right, said):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    assert said("build_elbo", right) == MORAL
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_written_yet(said):
    assert said("build_elbo", lambda x, encode, decode, width: ...) == NOT_WRITTEN
    assert said("build_elbo", lambda x, encode, decode, width: None) == NOT_WRITTEN


def normal(x, centre, width):
    return Normal(centre, width).log_prob(x)


def with_code(code):
    """An ELBO whose code is another function of mu, log_var and noise."""

    def elbo(x, encode, decode, width):
        mu, s = encode(x)
        return normal(x, decode(code(mu, s, torch.randn_like(mu))), width).sum(1) - kl(mu, s).sum(1)

    return elbo


def with_parts(fit=lambda x, c, w: normal(x, c, w).sum(1), price=lambda mu, s: kl(mu, s).sum(1)):
    def elbo(x, encode, decode, width):
        mu, s = encode(x)
        z = mu + (s / 2).exp() * torch.randn_like(mu)
        return fit(x, decode(z), width) - price(mu, s)

    return elbo


def cut(where):
    """The right number, a part of whose gradient is cut off."""

    def elbo(x, encode, decode, width):
        mu, s = encode(x)
        m, t = (mu.detach() if "mu" in where else mu), (s.detach() if "s" in where else s)
        z = m + (t / 2).exp() * torch.randn_like(mu)
        z = z.detach() if "z" in where else z
        price, centre = kl(mu, s).sum(1), decode(z)
        centre = centre.detach() if "decoder" in where else centre
        return normal(x, centre, width).sum(1) - (price.detach() if "kl" in where else price)

    return elbo


def by_torch_normal(x, encode, decode, width):
    mu, s = encode(x)
    return normal(x, decode(torch.normal(mu, (s / 2).exp())), width).sum(1) - kl(mu, s).sum(1)


def seeded(x, encode, decode, width):
    torch.manual_seed(0)
    return plain(x, encode, decode, width)


def unpacked(x, encode, decode, width):
    return normal(x, decode(encode(x)), width).sum(1)


WRONG = {
    "loss": (lambda *a: -plain(*a), "the sign is turned"),
    "added": (with_parts(price=lambda mu, s: -kl(mu, s).sum(1)), "it is subtracted"),
    "no KL": (with_parts(price=lambda mu, s: 0), "the KL term is missing"),
    "KL only": (with_parts(fit=lambda x, c, w: 0 * c.sum(1)), "the reconstruction, log p(x|z), is missing"),
    "both turned": (
        with_parts(fit=lambda x, c, w: -normal(x, c, w).sum(1)),
        "the sign of the reconstruction",
    ),
    "no noise": (with_code(lambda mu, s, eps: mu), "the noise is missing"),
    "variance": (with_code(lambda mu, s, eps: mu + s.exp() * eps), "by its root"),
    "log": (with_code(lambda mu, s, eps: mu + s * eps), "the noise as it is"),
    "unit": (with_code(lambda mu, s, eps: mu + eps), "the noise has no scale"),
    "prior": (with_code(lambda mu, s, eps: eps), "noise from the prior"),
    "one number": (with_code(lambda mu, s, eps: mu + (s / 2).exp() * eps[:, :1]), "share one random number"),
    "shared": (with_code(lambda mu, s, eps: mu + (s / 2).exp() * eps[:1]), "all x share their noise"),
    "seeded": (seeded, "set no seed"),
    "no half": (with_parts(price=lambda mu, s: 2 * kl(mu, s).sum(1)), "the half of the KL"),
    "mean KL": (with_parts(price=lambda mu, s: kl(mu, s).mean(1)), "the KL is averaged"),
    "log-std": (with_parts(price=lambda mu, s: kl(mu, 2 * s).sum(1)), "the logarithm of the variance already"),
    "std": (with_parts(price=lambda mu, s: kl(mu, s / 2).sum(1)), "the standard deviation for the variance"),
    "no 1": (with_parts(price=lambda mu, s: (kl(mu, s) + 0.5).sum(1)), "the 1 of the KL"),
    "no square": (with_parts(price=lambda mu, s: (kl(mu, s) - mu**2 / 2).sum(1)), "mu**2 is missing"),
    "mean pixels": (with_parts(lambda x, c, w: normal(x, c, w).mean(1)), "averaged over the numbers of x"),
    "no constants": (with_parts(lambda x, c, w: -0.5 * ((x - c) / w).square().sum(1)), "the constants of log p(x|z)"),
    "squares": (with_parts(lambda x, c, w: -(x - c).square().sum(1)), "that is a squared error"),
    "mse": (with_parts(lambda x, c, w: -(x - c).square().mean(1)), "for one x the mean should be"),
    "no width": (with_parts(lambda x, c, w: normal(x, c, 1.0).sum(1)), "width is not used"),
    "root": (with_parts(lambda x, c, w: normal(x, c, w**0.5).sum(1)), "the standard deviation already"),
    "square": (with_parts(lambda x, c, w: normal(x, c, w**2).sum(1)), "width itself"),
    "batch": (lambda *a: plain(*a).mean(), "one number for the whole batch"),
    "not summed": (with_parts(lambda x, c, w: normal(x, c, w), lambda mu, s: 0), "one number for each number of x"),
    "keepdim": (
        with_parts(lambda x, c, w: normal(x, c, w).sum(1, True), lambda mu, s: kl(mu, s).sum(1, True)),
        "without keepdim",
    ),
    "broadcast": (with_parts(lambda x, c, w: normal(x, c, w).sum(1, True)), "and made (B, B)"),
    "wrong axis": (
        with_parts(lambda x, c, w: normal(x, c, w).sum(0), lambda mu, s: 0),
        "summed over the batch",
    ),
    "torch.normal": (by_torch_normal, "torch.normal and detach() cut it off"),
    "z detached": (cut(["z"]), "torch.normal and detach() cut it off"),
    "KL detached": (cut(["kl"]), "the KL has no gradient"),
    "scale detached": (cut(["s"]), "the noise's scale"),
    "mean detached": (cut(["mu"]), "mu in z must not"),
    "decoder detached": (cut(["decoder"]), "reaches the decoder"),
    "no gradient": (torch.no_grad()(plain), "it has no gradient"),
    "not unpacked": (unpacked, "encode(x) returns two"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_usual_mistake_has_its_own_hint(name, said):
    wrong, word = WRONG[name]
    line = said("build_elbo", wrong)
    assert line.startswith("not yet: ") and word in line, line


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    line = said("build_elbo", lambda *arguments: JUNK[junk])
    assert line.startswith("not yet: ") and len(line) < 400
    line = said("build_elbo", JUNK[junk])
    assert line.startswith("not yet: ") and len(line) < 400
