"""The discriminator a reader trains: any way to p / (p + q) passes, each usual wrong one has its hint."""

import math

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils.exercises.n09_discriminator import PLACES, log_p, log_q

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. From samples alone it says what share of them is real, at every place."


def logistic(sample_p, sample_q, net=None, steps=350, rate=1e-2, loss=None, batches=(256, 256), fixed=False):
    """A small network trained with softplus costs, or another loss of the logits of p and of q."""
    net = net or nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    loss = loss or (lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean())
    optimizer = torch.optim.Adam(net.parameters(), rate)
    a, b = sample_p(batches[0]), sample_q(batches[1])
    for _ in range(steps):
        if not fixed:
            a, b = sample_p(batches[0]), sample_q(batches[1])
        value = loss(net(a), net(b))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return net


def by_network(sample_p, sample_q):
    net = logistic(sample_p, sample_q)
    return lambda x: net(x).squeeze(1).sigmoid()


def by_bce(sample_p, sample_q):
    """A class with its sigmoid inside, BCELoss, and one batch of both kinds."""

    class D(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

        def forward(self, x):
            return torch.sigmoid(self.hidden(x))[:, 0]

    d, labels = D(), torch.cat([torch.ones(256), torch.zeros(256)])
    optimizer = torch.optim.RMSprop(d.parameters(), 3e-3)
    for _ in range(400):
        optimizer.zero_grad()
        nn.BCELoss()(d(torch.cat([sample_p(256), sample_q(256)])), labels).backward()
        optimizer.step()
    return d


def by_counting(sample_p, sample_q):
    """No network at all: a histogram of each kind."""
    edges = torch.linspace(-6, 6, 61)
    counts = [torch.histogram(sample(50_000)[:, 0], edges).hist for sample in (sample_p, sample_q)]
    share = counts[0] / (counts[0] + counts[1]).clamp(min=1)
    return lambda x: share[torch.bucketize(x[:, 0], edges) - 1]


def by_least_squares(sample_p, sample_q):
    """Least squares has the same optimum."""
    net = logistic(
        sample_p, sample_q, loss=lambda a, b: (a.sigmoid() - 1).square().mean() + b.sigmoid().square().mean()
    )
    return lambda x: net(x)[:, 0].sigmoid()


@pytest.mark.parametrize("right", [by_network, by_bce, by_counting, by_least_squares], ids=lambda f: f.__name__)
def test_whatever_finds_the_ratio_is_correct(right, said):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    assert said("build_discriminator", right) == MORAL
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_written_yet(said):
    assert said("build_discriminator", lambda sample_p, sample_q: ...) == NOT_WRITTEN
    assert said("build_discriminator", lambda sample_p, sample_q: None) == NOT_WRITTEN


def exact(change):
    """A program that knows log p - log q and returns something made of it."""

    def program(sample_p, sample_q):
        sample_p(2_000), sample_q(2_000)
        return lambda x: change(log_p(x[:, 0]) - log_q(x[:, 0]))

    return program


def trained(read=lambda logits: logits[:, 0].sigmoid(), **settings):
    def train(sample_p, sample_q):
        net = logistic(sample_p, sample_q, **settings)
        return lambda x: read(net(x))

    return train


def net_itself(sample_p, sample_q):
    return logistic(sample_p, sample_q, steps=10)


def never_stepped(sample_p, sample_q):
    net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    nn.init.normal_(net[2].weight, std=0.01)
    nn.init.zeros_(net[2].bias)
    (F.softplus(-net(sample_p(99))).mean() + F.softplus(net(sample_q(99))).mean()).backward()
    return lambda x: net(x)[:, 0].sigmoid()


def detached(sample_p, sample_q):
    net = nn.Linear(1, 1)
    F.softplus(-net(sample_p(10)).detach()).mean().backward()
    return net


def few(n):
    return trained(fixed=True, batches=(n, n), steps=2_000)


MINUS = {"loss": lambda a, b: -F.softplus(-a).mean() - F.softplus(b).mean()}
WRONG = {
    "logits": (exact(lambda r: r), "those are the logits"),
    "log D": (exact(F.logsigmoid), "take exp"),
    "ratio": (exact(torch.exp), "the ratio p / q"),
    "exchanged": (exact(lambda r: (-r).sigmoid()), "real and generated are exchanged"),
    "exchanged, trained": (trained(loss=lambda a, b: F.softplus(a).mean() + F.softplus(-b).mean()), "exchanged"),
    "sign": (trained(**MINUS, steps=100), "wrong sign"),
    "network": (net_itself, "take [:, 0], and of the logits"),
    "keepdim": (trained(read=torch.sigmoid, steps=5), "(B,), so take [:, 0]"),
    "not called": (lambda sample_p, sample_q: sample_p(5), "return the function D itself"),
    "number": (exact(lambda r: r.mean()), "should have shape (B,)"),
    "list": (exact(lambda r: r.sigmoid().tolist()), "a tensor of probabilities"),
    "nothing": (exact(lambda r: None), "D(x) returned nothing"),
    "not trained": (never_stepped, "is it trained at all?"),
    "rises": (exact(lambda r: (0.5 * PLACES).sigmoid()), "not near enough to p / (p + q)"),
    "half": (exact(lambda r: torch.full_like(r, 0.5)), "one half everywhere"),
    "real only": (trained(loss=lambda a, b: F.softplus(-a).mean()), "do the generated samples count"),
    "fake only": (trained(loss=lambda a, b: F.softplus(b).mean()), "do the real samples count"),
    "line": (trained(net=nn.Linear(1, 1), steps=600), "a straight line"),
    "no activation": (
        lambda *samplers: trained(net=nn.Sequential(nn.Linear(1, 9), nn.Linear(9, 1)), steps=600)(*samplers),
        "an activation between layers",
    ),
    "weights": (exact(lambda r: (r + math.log(3)).sigmoid()), "real samples weigh too much"),
    "fewer real": (exact(lambda r: (r - math.log(3)).sigmoid()), "generated samples weigh too much"),
    "sums": (
        trained(loss=lambda a, b: (F.softplus(-a).sum() + F.softplus(b).sum()) / 256, batches=(512, 128), steps=600),
        "real samples weigh too much",
    ),
    "few": (few(40), "40 samples of a kind are soon learned by heart"),
    "few, stopped early": (trained(fixed=True, batches=(400, 400), steps=200), "400 samples of a kind are soon"),
    "short": (trained(steps=15), "more steps, or a larger rate"),
    "beyond": (exact(lambda r: r.sigmoid() + r.exp().sin().abs()), "between 0 and 1"),
    "nan": (exact(lambda r: r * math.nan), "not finite"),
    "detached": (detached, "without detach"),
    "shape": (lambda sample_p, sample_q: nn.Linear(2, 1), "x has shape (B, 1)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_usual_mistake_has_its_own_hint(name, said):
    wrong, word = WRONG[name]
    line = said("build_discriminator", wrong)
    assert line.startswith("not yet: ") and word in line, line


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    for answer in (lambda *samplers: JUNK[junk], lambda *samplers: lambda x: JUNK[junk], JUNK[junk]):
        line = said("build_discriminator", answer)
        assert line.startswith("not yet: ") and len(line) < 400


def test_the_judges_own_samples_come_from_its_densities(said):
    """The exact ratio passes, and a histogram of many samples is close to it."""
    assert said("build_discriminator", exact(torch.sigmoid)) == MORAL
    for log_density in (log_p, log_q):
        x = torch.linspace(-12, 12, 2401)
        assert (log_density(x).exp().sum() * 0.01 - 1).abs() < 1e-3
    assert PLACES[0] < -3 and PLACES[-1] > 2
