"""The MADE a reader builds in 01: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils import models

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. It sees the pixels before each one; its 512 probabilities sum to 1, whatever its weights."


class Masked(nn.Linear):
    def __init__(self, mask):
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float())

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class Made(nn.Module):
    """Ranks from 0 to 8, the two comparisons as given."""

    def __init__(self, hidden=40, unit=torch.ge, pixel=torch.gt, layer=Masked, before=None, after=None, between=F.relu):
        super().__init__()
        rank, degree = torch.arange(9), torch.arange(hidden) % 8
        self.first = layer(unit(degree[:, None], rank[None, :]))
        self.last = layer(pixel(rank[:, None], degree[None, :]))
        self.before, self.after, self.between = before, after, between

    def forward(self, x):
        x = x if self.before is None else self.before(x)
        y = self.last(self.between(self.first(2 * x.flatten(1) - 1)))
        return y if self.after is None else self.after(y)


class NinePerceptrons(nn.Module):
    """No masks: a little network for each pixel, which is handed the pixels before it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.zeros(1))
        self.nets = nn.ModuleList(nn.Sequential(nn.Linear(i, 16), nn.Tanh(), nn.Linear(16, 1)) for i in range(1, 9))

    def forward(self, x):
        x = x.flatten(1)
        rest = [net(x[:, :i]) for i, net in enumerate(self.nets, 1)]
        return torch.cat([self.first.expand(len(x), 1), *rest], 1)


class Deep(nn.Module):
    """Three layers, degrees drawn at random, with dropout, and the picture's shape kept."""

    def __init__(self):
        super().__init__()
        rank, a, b = torch.arange(1, 10), torch.arange(64) % 8 + 1, torch.arange(64).flip(0) % 8 + 1
        self.net = nn.Sequential(
            nn.Flatten(), Masked(a[:, None] >= rank), nn.SiLU(), nn.Dropout(0.2),
            Masked(b[:, None] >= a), nn.SiLU(), Masked(rank[:, None] > b),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x).view_as(x)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.GRU(1, 12, batch_first=True), nn.Linear(12, 1)

    def forward(self, x):
        moved = F.pad(x.flatten(1)[:, :-1], (1, 0))[..., None]
        return self.out(self.cell(moved)[0]).squeeze(2)


class OfThePackage(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = models.MADE((1, 3, 3), hidden=(30,))

    def forward(self, x):
        return self.net.conditionals(x).logits.flatten(1)


RIGHT = (Made, NinePerceptrons, Deep, Recurrent, OfThePackage)


@pytest.mark.parametrize("right", RIGHT)
def test_a_right_network_is_correct_and_stays_as_it_is(right, said):
    torch.manual_seed(0)
    net = right()
    before, state = {name: value.clone() for name, value in net.state_dict().items()}, torch.random.get_rng_state()
    assert said("build_made", net) == MORAL
    assert net.training and torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


class OnceMasked(Masked):
    def __init__(self, mask):
        super().__init__(mask)
        self.weight.data *= self.mask

    def forward(self, x):
        return nn.Linear.forward(self, x)


class LearnedMask(Masked):
    def __init__(self, mask):
        super().__init__(mask)
        del self.mask
        self.mask = nn.Parameter(mask.float())


class Transposed(Masked):
    def forward(self, x):
        return F.linear(x, self.weight * self.mask.T, self.bias)


class PlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.nets = [Made()]

    def forward(self, x):
        return self.nets[0](x)


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(9, 9)


class Normed(Made):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(40)
        self.between = lambda h: F.relu(self.norm(h))


class Kept(Made):
    def forward(self, x):
        self.kept = super().forward(x)
        return self.kept


def unmasked(mask):
    return nn.Linear(mask.shape[1], mask.shape[0])


WRONG = [
    (lambda: Made(pixel=torch.ge), "a pixel sees itself"),
    (lambda: Made(unit=torch.gt), "no pixel sees the one just before it"),
    (lambda: Made(unit=torch.le, pixel=torch.lt), "turned round"),
    (lambda: Made(layer=unmasked), "sees the whole picture"),
    (lambda: Made(unit=torch.le), "which comes later"),
    (lambda: Made(layer=OnceMasked), "not once in __init__"),
    (lambda: Made(layer=LearnedMask), "register_buffer"),
    (lambda: Made(layer=Transposed), "shape of its weights"),
    (lambda: Made(hidden=5), "no hidden unit passes it on"),
    (lambda: Made(between=lambda h: h), "it is linear"),
    (lambda: Masked(torch.ones(9, 9).tril(-1)), "flatten(1)"),
    (lambda: Made(after=torch.sigmoid), "probabilities already"),
    (lambda: Made(after=F.logsigmoid), "log-probabilities"),
    (lambda: Made(after=lambda y: y.sum(1)), "each of its 9 pixels"),
    (lambda: Made(after=lambda y: torch.stack([y, -y], 2)), "one logit is enough"),
    (lambda: Made(after=lambda y: y[:, :8]), "should have shape (B, 9)"),
    (lambda: Made(after=lambda y: y / 0), "not finite"),
    (lambda: Made(after=lambda y: y + torch.rand(1)), "two calls"),
    (lambda: Made(after=lambda y: y.tolist()), "a tensor of logits"),
    (lambda: Made(before=torch.zeros_like), "do not depend on the picture"),
    (lambda: Made(after=lambda y: y.roll(1, 1)), "which comes later"),
    (Normed, "no batch norm"),
    (PlainList, "nn.ModuleList"),
    (NoForward, "forward is missing"),
    (lambda: Made, "not its class"),
    (lambda: lambda x: x, "an nn.Module is asked for"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[word for _, word in WRONG])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    torch.manual_seed(0)
    line = said("build_made", wrong())
    assert line.startswith("not yet: ") and word in line, line


def test_a_shift_by_one_that_hides_the_neighbour_gets_its_hint(said):
    line = said("build_made", Made(after=lambda y: F.pad(y[:, :-1], (1, 0))))
    assert "no pixel sees the one just before it" in line


def test_what_is_kept_from_a_call_gets_its_hint(said):
    net = Kept()
    net(torch.zeros(1, 1, 3, 3))
    assert "kept in the network" in said("build_made", net)


class Template(nn.Module):
    def __init__(self): ...

    def forward(self, x): ...


class Begun(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x): ...


@pytest.mark.parametrize("empty", [None, ..., Template(), Begun()])
def test_no_answer_yet(empty, said):
    assert said("build_made", empty) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    for answer in (JUNK[junk], Made(after=lambda y: JUNK[junk])):
        line = said("build_made", answer)
        assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("error", [NameError("bits"), SystemExit(), StopIteration()], ids=repr)
def test_an_error_is_named(error, said):
    def fail(x):
        raise error

    assert type(error).__name__ in said("build_made", Made(before=fail))
