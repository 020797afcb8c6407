"""The Row LSTM layer a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils import models

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. A triangle above, nothing ahead, and a memory that is carried, forgotten and squashed."


class Rows(nn.Module):
    """Row by row; tests change a part of it."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels
        self.into = nn.Conv2d(2 * channels, 4 * channels, (1, 2))
        self.across = nn.Conv1d(channels, 4 * channels, 3, padding=1, bias=False)
        self.expand = nn.Conv2d(channels, 2 * channels, 1)

    def gates(self, x):
        return self.into(F.pad(x, (1, 0)))

    def above(self, h):
        return self.across(h)

    def step(self, gates, c):
        o, f, i, g = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def zeros(self, x):
        return x.new_zeros(len(x), self.channels, x.shape[3])

    def walk(self, gates, h, c):
        rows = []
        for row in gates.unbind(2):
            h, c = self.step(row + self.above(h), c)
            rows.append(h)
        return torch.stack(rows, 2)

    def forward(self, x):
        return self.expand(self.walk(self.gates(x), self.zeros(x), self.zeros(x)))


class Positions(nn.Module):
    """No convolution: one position after the other, all weights in one matrix, other gates first, a bias to forget."""

    def __init__(self, channels):
        super().__init__()
        self.gates = nn.Linear(7 * channels, 4 * channels)
        self.out = nn.Linear(channels, 2 * channels)

    def forward(self, x):
        B, twice, H, W = x.shape
        h, c = {}, {}
        nothing, none = x.new_zeros(B, twice // 2), x.new_zeros(B, twice)
        for r in range(H):
            for s in range(W):
                above = [h.get((r - 1, s + d), nothing) for d in (-1, 0, 1)]
                left = x[:, :, r, s - 1] if s else none
                i, f, g, o = self.gates(torch.cat([x[:, :, r, s], left, *above], 1)).chunk(4, 1)
                old = c.get((r - 1, s), nothing)
                c[r, s] = (f + 1).sigmoid() * old + i.sigmoid() * g.tanh()
                h[r, s] = o.sigmoid() * c[r, s].tanh()
        rows = [torch.stack([self.out(h[r, s]) for s in range(W)], 2) for r in range(H)]
        return torch.stack(rows, 2)


class Together(nn.Module):
    """Both convolutions in one, over the row and the state stacked as channels, a part of the weights masked."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(3 * channels, 4 * channels, 3, padding=1)
        mask = torch.ones(4 * channels, 3 * channels, 3)
        mask[:, : 2 * channels, 2] = 0
        self.register_buffer("mask", mask)
        self.expand = nn.Linear(channels, 2 * channels)

    def forward(self, x):
        h = c = x.new_zeros(len(x), x.shape[1] // 2, x.shape[3])
        rows = []
        for row in x.unbind(2):
            gates = F.conv1d(torch.cat([row, h], 1), self.conv.weight * self.mask, self.conv.bias, padding=1)
            shares, g = gates.split([3 * h.shape[1], h.shape[1]], 1)
            f, i, o = shares.sigmoid().chunk(3, 1)
            c = f * c + i * g.tanh()
            h = o * c.tanh()
            rows.append(self.expand(h.transpose(1, 2)).transpose(1, 2))
        return torch.stack(rows, 2)


def packages(channels):
    """A function in place of a class."""
    return models.row_lstm.RowLSTMLayer(channels, image_channels=1, kernel=3)


@pytest.mark.parametrize("right", [Rows, Positions, Together, packages], ids=lambda answer: answer.__name__)
def test_a_right_layer_is_correct(right, said):
    assert said("build_row_lstm_layer", right) == MORAL


def with_(**methods):
    return type("Wrong", (Rows,), methods)


def convolved(kind, size, pad, live=None):
    """With another convolution in place of one of the two, or some of its taps only."""

    def __init__(self, channels):  # noqa: N807
        Rows.__init__(self, channels)
        self.across = nn.Conv1d(channels, 4 * channels, size, bias=False) if kind == "above" else self.across
        self.into = nn.Conv2d(2 * channels, 4 * channels, (1, size)) if kind == "gates" else self.into

    def convolve(self, x):
        conv = self.across if kind == "above" else self.into
        weight = conv.weight if live is None else conv.weight * torch.tensor(live)
        return (F.conv1d if kind == "above" else F.conv2d)(F.pad(x, pad), weight, conv.bias)

    return with_(**{"__init__": __init__, kind: convolve})


def step(content=torch.tanh, shown=torch.tanh, squash=torch.sigmoid, memory=True, forget=True):
    def step(self, gates, c):
        o, f, i, g = gates.chunk(4, dim=1)
        kept = (squash(f) if forget else 1) * c if memory else 0
        c = kept + squash(i) * content(g)
        return squash(o) * shown(c), c

    return with_(step=step)


def plain(t):
    return t


def no_memory(self, gates, c):
    return gates[:, : self.channels].tanh(), c


def upwards(self, gates, h, c):
    return Rows.walk(self, gates.flip(2), h, c).flip(2)


def sideways(self, x):
    return Rows.forward(self, x.transpose(2, 3)).transpose(2, 3)


def forgotten(self, gates, h, c):
    return torch.stack([self.step(row + self.above(h), c)[0] for row in gates.unbind(2)], 2)


def one_row(self, gates, h, c):
    rows, nothing = [], h
    for row in gates.unbind(2):
        new, memory = self.step(row + self.above(h), c)
        rows.append(new)
        h, c = self.step(row + self.above(nothing), torch.zeros_like(c))
    return torch.stack(rows, 2)


class LeftOver(Rows):
    def forward(self, x):
        h = getattr(self, "h", self.zeros(x))
        h = h if h.shape == self.zeros(x).shape else self.zeros(x)
        states = self.walk(self.gates(x), h, self.zeros(x))
        self.h = states[:, :, -1].detach()
        return self.expand(states)


class NoInit(nn.Module):
    def __init__(self, channels):
        self.into = nn.Conv2d(2 * channels, 4 * channels, (1, 2))


class NoForward(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.into = nn.Conv2d(2 * channels, 4 * channels, (1, 2))


class OneSize(Rows):
    def zeros(self, x):
        return x.new_zeros(len(x), self.channels, 13)


class TwoFeatures(Rows):
    def __init__(self, channels):
        super().__init__(channels)
        self.into = nn.Conv2d(channels, 4 * channels, (1, 2))


class ThreeGates(Rows):
    def __init__(self, channels):
        super().__init__(channels)
        self.into = nn.Conv2d(2 * channels, 3 * channels, (1, 2))


WRONG = [
    (convolved("gates", 3, (1, 1)), "input-to-state needs mask B"),
    (convolved("gates", 3, (1, 1), [1, 0, 0]), "does not see its own features"),
    (convolved("gates", 1, (0, 0)), "does not see the left neighbour"),
    (convolved("above", 3, (1, 1), [1, 1, 0]), "state-to-state is masked"),
    (convolved("above", 3, (1, 1), [0, 1, 1]), "never looks to the left"),
    (convolved("above", 3, (2, 0)), "looks left only"),
    (convolved("above", 1, (0, 0)), "only columns of the picture are remembered"),
    (convolved("above", 5, (2, 2)), "sees five columns"),
    (convolved("above", 3, (0, 0)), "a row keeps its width"),
    (convolved("gates", 5, (4, 0)), "-2 columns across should not be seen"),
    (with_(walk=forgotten), "nothing comes from the rows above"),
    (with_(walk=one_row), "it remembers one row only"),
    (with_(walk=upwards), "from the last row to the first"),
    (with_(forward=sideways), "it walks over columns"),
    (step(memory=False), "the memory is lost"),
    (with_(step=no_memory), "the memory is lost"),
    (step(forget=False), "nothing is ever forgotten"),
    (step(content=plain), "is not squashed"),
    (step(squash=plain), "squashed by a sigmoid"),
    (step(content=torch.sigmoid), "the content is tanh(g)"),
    (step(shown=plain), "it shows tanh(c), not c"),
    (with_(forward=lambda self, x: x + Rows.forward(self, x)), "only what is to be added"),
    (with_(forward=lambda self, x: Rows.forward(self, x)[:, : self.channels]), "expands them to 2 * channels"),
    (with_(forward=lambda self, x: Rows.forward(self, x).permute(2, 0, 1, 3)), "torch.stack(rows, 2)"),
    (with_(forward=lambda self, x: Rows.forward(self, x)[:, :, 1:]), "the output should have the input's shape"),
    (with_(forward=lambda self, x: Rows.forward(self, x).tolist()), "forward should return a tensor"),
    (with_(forward=lambda self, x: Rows.forward(self, x).detach()), "no gradient reaches the weights"),
    (with_(forward=lambda self, x: Rows.forward(self, x) / 0), "not finite"),
    (with_(forward=lambda self, x: F.dropout(Rows.forward(self, x))), "two calls"),
    (with_(forward=lambda self, x: Rows.forward(self, x - x.mean(0))), "others of its batch"),
    (LeftOver, "is a state left over"),
    (OneSize, "do the sizes fit"),
    (TwoFeatures, "do the sizes fit"),
    (ThreeGates, "4 * channels"),
    (NoInit, "super().__init__()"),
    (NoForward, "forward is missing"),
    (Rows(4), "hand over the class itself"),
    (lambda channels: torch.zeros(3), "an nn.Module is asked for"),
    (lambda: Rows(4), "takes one argument"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[f"{k} {word}" for k, (_, word) in enumerate(WRONG)])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    line = said("build_row_lstm_layer", wrong)
    assert line.startswith("not yet: ") and word in line, line


class Empty(nn.Module):
    def __init__(self, channels): ...


class Begun(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, features): ...


class Named(nn.Module): ...


@pytest.mark.parametrize("empty", [None, ..., Empty, Begun, Named, lambda channels: ...])
def test_no_answer_yet(empty, said):
    assert said("build_row_lstm_layer", empty) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    for answer in (JUNK[junk], lambda channels: JUNK[junk], with_(forward=lambda self, x: JUNK[junk])):
        line = said("build_row_lstm_layer", answer)
        assert line.startswith("not yet: ") and len(line) < 400


def test_the_global_generator_is_left_alone(said):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    said("build_row_lstm_layer", Rows)
    assert torch.equal(torch.rand(1), expected)
