"""The masked convolution a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

from course_utils import models

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"


def mask_of(kind, k):
    mask = torch.zeros(k, k)
    mask.view(-1)[: k * k // 2 + (kind == "B")] = 1
    return mask


class Inherits(nn.Conv2d):
    """A subclass of nn.Conv2d; tests change a part of it."""

    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.register_buffer("mask", self.make(kind, kernel_size))

    def make(self, kind, k):
        return mask_of(kind, k)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Owns(nn.Module):
    """Owns a convolution without a bias; its weights are overwritten in forward."""

    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding="same", bias=False)
        self.register_buffer("mask", mask_of(kind, kernel_size).expand_as(self.conv.weight).bool())

    def forward(self, x):
        self.conv.weight.data *= self.mask
        return self.conv(x)


class Attribute(Inherits):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(kind, in_channels, out_channels, kernel_size)
        del self.mask
        self.mask = mask_of(kind, kernel_size)


class Stacks(nn.Module):
    """No mask at all: rows above and pixels to the left have convolutions of their own, moved into place by padding."""

    def __init__(self, kind, in_channels, out_channels, k):
        super().__init__()
        self.k, self.own = k, kind == "B"
        self.above = nn.Conv2d(in_channels, out_channels, (k // 2, k)) if k > 1 else None
        self.left = nn.Conv2d(in_channels, out_channels, (1, k // 2 + self.own))

    def forward(self, x):
        half, own = self.k // 2, self.own
        left = self.left(F.pad(x, (half, 0 if own else -1)))
        return left if self.above is None else left + self.above(F.pad(x, (half, half, half, -1)))


class Unfolds(nn.Module):
    """A list of shifted images, each times its own matrix."""

    def __init__(self, kind, in_channels, out_channels, k):
        super().__init__()
        self.k, self.places = k, mask_of(kind, k).nonzero().tolist()
        self.matrices = nn.ParameterList(torch.randn(out_channels, in_channels) for _ in self.places)

    def forward(self, x):
        h, w = x.shape[2:]
        x = F.pad(x, [self.k // 2] * 4)
        shifted = [x[:, :, a : a + h, b : b + w] for a, b in self.places]
        return sum(torch.einsum("oi,bihw->bohw", m, s) for m, s in zip(self.matrices, shifted, strict=True))


class Times(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight * self.mask


def parametrised(kind, in_channels, out_channels, kernel_size):
    """A function in place of a class."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    nn.utils.parametrize.register_parametrization(conv, "weight", Times(mask_of(kind, kernel_size)))
    return conv


@pytest.mark.parametrize(
    "right", [Inherits, Stacks, Unfolds, parametrised, models.masked.MaskedConv2d], ids=lambda answer: answer.__name__
)
def test_a_right_convolution_is_correct(right, said):
    line = said("build_masked_conv", right)
    assert line == "correct. Only the pixels before it, and whatever the optimiser does it stays so."


def test_what_is_right_but_could_be_better_is_said(said):
    line = said("build_masked_conv", Owns)
    assert line.startswith("correct. ") and "writes into the weights" in line and "attribute" not in line
    line = said("build_masked_conv", Attribute)
    assert line.startswith("correct. ") and "register_buffer" in line and "writes" not in line


def masked(pattern):
    """With another mask: 1 where pattern(kind, row, column) holds, counted from the centre."""

    def make(self, kind, k):
        rows = range(-(k // 2), k // 2 + 1)
        return torch.tensor([[float(pattern(kind, row, column)) for column in rows] for row in rows])

    return type("Masked", (Inherits,), {"make": make})


def forward(function):
    return type("Forward", (Inherits,), {"forward": function})


def padded(**settings):
    def __init__(self, kind, in_channels, out_channels, kernel_size):  # noqa: N807
        Inherits.__init__(self, kind, in_channels, out_channels, kernel_size)
        self.how = {key: eval(value, {"k": kernel_size}) for key, value in settings.items()}

    def forward(self, x):
        return F.conv2d(F.pad(x, **self.how), self.weight * self.mask, self.bias)

    return type("Padded", (Inherits,), {"__init__": __init__, "forward": forward})


class OnceMasked(Inherits):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.weight.data *= self.mask

    def forward(self, x):
        return nn.Conv2d.forward(self, x)


class LearnedMask(Inherits):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(kind, in_channels, out_channels, kernel_size)
        del self.mask
        self.mask = nn.Parameter(mask_of(kind, kernel_size))


class FirstChannelOnly(Inherits):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(kind, in_channels, out_channels, kernel_size)
        self.mask = torch.ones_like(self.weight)
        self.mask[:, 0] = mask_of(kind, kernel_size)


class OutputLost(Inherits):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(kind, in_channels, out_channels, kernel_size)
        self.mask = self.mask.expand_as(self.weight).clone()
        self.mask[0, 0, 0] = 0


class Exchanged(Inherits):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(kind, in_channels, out_channels, kernel_size)
        self.mask = self.mask.expand(in_channels, out_channels, -1, -1)


class NoInit(nn.Module):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)


class NoForward(nn.Module):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)


class OneChannel(Inherits):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__(kind, 1, out_channels, kernel_size)


class InPlace(Inherits):
    def forward(self, x):
        self.weight *= self.mask
        return nn.Conv2d.forward(self, x)


class HalfTheGradient(Inherits):
    def forward(self, x):
        weight = torch.cat([self.weight[:1], self.weight[1:].detach()]) * self.mask
        return F.conv2d(x, weight, self.bias, padding=self.padding)


class Renewed(Inherits):
    def forward(self, x):
        self.weight = nn.Parameter(self.weight * self.mask)
        return nn.Conv2d.forward(self, x)


class Frozen(Inherits):
    """A copy of the weights, made once, is what forward uses; the gradient reaches the true ones by a trick."""

    def forward(self, x):
        self.copied = getattr(self, "copied", self.weight.detach().clone())
        weight = self.copied + self.weight - self.weight.detach()
        return F.conv2d(x, weight * self.mask, self.bias.detach(), padding=self.padding)


class NoWeights(nn.Module):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__()
        self.weight = torch.randn(out_channels, in_channels, kernel_size, kernel_size) * mask_of(kind, kernel_size)

    def forward(self, x):
        return F.conv2d(x, self.weight, padding=self.weight.shape[2] // 2)


def plain(self, x, weight=None, bias=None):
    weight = self.weight * self.mask if weight is None else weight
    return F.conv2d(x, weight, self.bias if bias is None else bias, padding=self.padding)


def on_the_image(self, x):
    mask = torch.zeros_like(x)
    mask[:, :, : x.shape[2] // 2] = 1
    return nn.Conv2d.forward(self, x * mask)


WRONG = [
    (masked(lambda kind, row, column: True), "the mask is not used"),
    (forward(nn.Conv2d.forward), "the mask is not used"),
    (masked(lambda kind, row, column: (row, column) < (0, kind == "A")), "A and B are swapped"),
    (masked(lambda kind, row, column: (row, column) < (0, 0)), "mask B lets a pixel see itself"),
    (masked(lambda kind, row, column: (row, column) <= (0, 0)), "mask A hides the pixel itself"),
    (masked(lambda kind, row, column: (row, column) > (0, -(kind == "B"))), "turned round"),
    (masked(lambda kind, row, column: row < 0), "to the left in the same row are missing"),
    (masked(lambda kind, row, column: row < 0 or (row == column == 0 and kind == "B")), "same row are missing"),
    (masked(lambda kind, row, column: row <= 0), "open to its end"),
    (masked(lambda kind, row, column: row < 0 or row == 0 and (column or kind == "B")), "open to its end"),
    (masked(lambda kind, row, column: row == 0 and column < (kind == "B")), "the rows above are missing"),
    (masked(lambda kind, row, column: (column, row) < (0, kind == "B")), "transposed"),
    (masked(lambda kind, row, column: row <= 0 and column < (kind == "B")), "has been read, too"),
    (masked(lambda kind, row, column: column - row < (kind == "B")), "a triangle"),
    (masked(lambda kind, row, column: row or column or kind == "B"), "only the pixel itself is hidden"),
    (
        masked(lambda kind, row, column: (row, column) < (0, kind == "B") and row > -2),
        "-2 rows, -2 columns away should be",
    ),
    (masked(lambda kind, row, column: (row, column) < (0, kind == "B") or row == column == 2), "should not be seen"),
    (FirstChannelOnly, "not all channels have this mask"),
    (OutputLost, "not all channels have this mask"),
    (forward(lambda self, x: plain(self, x, self.weight * self.mask[:2])), "the weights' shape (out, in, k, k)"),
    (Exchanged, "weights and mask (out, in, k, k)"),
    (forward(lambda self, x: nn.Conv2d.forward(self, x * self.mask)), "multiplies the weights"),
    (forward(lambda self, x: nn.Conv2d.forward(self, x) * self.mask), "multiplies the weights"),
    (forward(on_the_image), "treats pixels differently"),
    (forward(lambda self, x: F.conv2d(x, self.weight * self.mask, self.bias)), "the image shrinks by k - 1"),
    (forward(lambda self, x: plain(self, x)[:, :1]), "the output should have shape"),
    (forward(lambda self, x: plain(self, x).tolist()), "forward should return a tensor"),
    (forward(lambda self, x: plain(self, x, self.weight.masked_fill(self.mask == 0, -torch.inf))), "not finite"),
    (forward(lambda self, x: F.relu(plain(self, x))), "is linear"),
    (forward(lambda self, x: F.dropout(plain(self, x))), "two calls"),
    (padded(pad="[k // 2] * 4", mode="'circular'"), "wrong at the border"),
    (padded(pad="[k // 2] * 4", mode="'reflect'"), "wrong at the border"),
    (padded(pad="[k // 2] * 4", mode="'replicate'"), "wrong at the border"),
    (padded(pad="[k - 1, 0, k - 1, 0]"), "pad the same on all sides"),
    (forward(lambda self, x: plain(self, x).detach()), "no gradient reaches the weights"),
    (forward(lambda self, x: plain(self, x, self.weight.data * self.mask)), "the gradient does not reach the weights"),
    (Renewed, "no new nn.Parameter"),
    (HalfTheGradient, "weights that are not masked"),
    (Frozen, "changes nothing"),
    (OnceMasked, "masked weights are back"),
    (LearnedMask, "the mask is a parameter"),
    (NoWeights, "no weights to learn"),
    (NoInit, "super().__init__()"),
    (NoForward, "forward is missing"),
    (OneChannel, "in_channels and out_channels are arguments"),
    (InPlace, "under no_grad only"),
    (lambda kind, i, o, k: Inherits(kind, o, i, k), "are exchanged"),
    (Inherits("A", 1, 4, 3), "hand over the class itself"),
    (lambda *arguments: torch.zeros(3), "an nn.Module is asked for"),
    (lambda kind: 0, "your code raised TypeError"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[word for _, word in WRONG])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    line = said("build_masked_conv", wrong)
    assert line.startswith("not yet: ") and word in line, line


class Empty(nn.Module):
    def __init__(self, kind, in_channels, out_channels, kernel_size): ...

    def forward(self, x): ...


class Begun(nn.Module):
    def __init__(self, kind, in_channels, out_channels, kernel_size):
        super().__init__()

    def forward(self, x): ...


class Named(nn.Module): ...


class NamedConv(nn.Conv2d): ...


@pytest.mark.parametrize("empty", [None, ..., Empty, Begun, Named, NamedConv, lambda *arguments: ...])
def test_no_answer_yet(empty, said):
    assert said("build_masked_conv", empty) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    for answer in (
        JUNK[junk],
        lambda *arguments: JUNK[junk],
        forward(lambda self, x: JUNK[junk]),
    ):
        line = said("build_masked_conv", answer)
        assert line.startswith("not yet: ") and len(line) < 400


def test_the_global_generator_is_left_alone(said):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    said("build_masked_conv", Inherits)
    assert torch.equal(torch.rand(1), expected)
