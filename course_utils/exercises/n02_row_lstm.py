"""Checker of the Row LSTM layer that 02_pixel_rnn asks for: judged by what it sees and what it remembers."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.exercises.judge import report, short, unanswered
from course_utils.exercises.networks import initialised, scrambled

CHANNELS = (4, 3)  # layers of two sizes, so that none is written for one size only
HEIGHT, WIDTH = 7, 13
ROW, COLUMN = 5, 6  # from here the triangle meets the left edge in row 1 and the right one in row 0
NOTHING = 1e-12  # of the largest derivative, in double precision: what rounding may leave of a zero


def field(right: Callable) -> Tensor:
    """The positions (H, W) where right(rows up, columns to the right) holds, as seen from (ROW, COLUMN)."""
    up, across = ROW - torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)[None, :] - COLUMN
    return torch.tensor([[bool(right(int(u), int(a))) for a in across[0]] for u in up[:, 0]])


RIGHT_FIELD = field(lambda up, across: up >= 0 and -up - 1 <= across <= up)
WRONG_FIELDS = (
    (
        field(lambda up, across: up >= 0 and -up - 1 <= across <= up + 1),
        "in its own row a position sees what is to the right of it: input-to-state needs mask B",
    ),
    (
        field(lambda up, across: up >= 0 and (-up - 1 <= across < up or across == -1)),
        "a position does not see its own features: mask A is for the network's first layer, here it is mask B",
    ),
    (
        field(lambda up, across: up >= 0 and -up <= across <= up),
        "input-to-state does not see the left neighbour: its kernel covers it and the position itself",
    ),
    (
        field(lambda up, across: up >= 0 and -up - 1 <= across <= 0),
        "state-to-state is masked: the row above is known, and its right side may be seen",
    ),
    (
        field(lambda up, across: up >= 0 and -1 <= across <= up),
        "state-to-state never looks to the left in the row above: three columns, padding 1 on both sides",
    ),
    (
        field(lambda up, across: up >= 0 and -2 * up - 1 <= across <= 0),
        "state-to-state looks left only: pad 1 on both sides, not 2 on one",
    ),
    (
        field(lambda up, across: up >= 0 and across in (-1, 0)),
        "only columns of the picture are remembered: state-to-state sees three columns of the row above, kernel 3",
    ),
    (
        field(lambda up, across: up >= 0 and -2 * up - 1 <= across <= 2 * up),
        "state-to-state sees five columns of the row above, and three are asked for: kernel 3, padding 1",
    ),
    (
        field(lambda up, across: up == 0 and across in (-1, 0)),
        "nothing comes from the rows above: set h and c to zero once, before the loop, and carry both from row to row",
    ),
    (
        field(lambda up, across: up in (0, 1) and -up - 1 <= across <= up),
        "it remembers one row only: the new h and c must be those that the next row starts from",
    ),
    (
        field(lambda up, across: up <= 0 and up - 1 <= across <= -up),
        "it walks from the last row to the first, so it sees what comes later",
    ),
)


def build_row_lstm_layer(answer: Callable) -> None:
    """Exercise 02: a class ``RowLSTM(channels)``, an nn.Module from (B, 2 channels, H, W) to what is added to it.

    A position must see, in its own row, itself and its left neighbour, and in row r above it the columns from r + 1 to
    the left to r to the right; the memory c must pass from row to row under a forget gate, and its content be squashed.
    """

    def hint() -> str | None:
        if unanswered(answer) or (isinstance(answer, type) and _has_no_init(answer)):
            return None
        if isinstance(answer, nn.Module):
            return "hand over the class itself, not a layer made with it"
        for channels in CHANNELS:
            layer = answer(channels)
            if unanswered(layer) or (isinstance(layer, nn.Module) and not initialised(layer)):
                return None
            if not isinstance(layer, nn.Module):
                return f"an nn.Module is asked for, and it was {short(layer)}"
            x = torch.randn(3, 2 * channels, HEIGHT, WIDTH)
            y = layer(x)
            if unanswered(y):
                return None
            if why := _wrong_form(layer, x, y) or _wrong_field(layer, x) or _wrong_memory(layer, channels):
                return why
        return ""

    channels = "the input has 2 * channels features, the state channels, and the four sums together 4 * channels"
    raised = [
        ("before Module.__init__() call", "call super().__init__() first"),
        ('required "forward" function', "forward is missing, or has another name"),
        ("positional argument", "the class takes one argument, channels, and forward one, the features"),
        ("object has no attribute 'unbind'", "do you walk over the rows of a tensor? features.unbind(2)"),
        ("not enough values to unpack", "four parts, o, f, i, g, along the channels: chunk(4, dim=1)"),
        ("too many values to unpack", "four parts, o, f, i, g, along the channels: chunk(4, dim=1)"),
        ("expected input", f"do the sizes fit? {channels}"),
        ("must match the size of tensor", f"do the sizes fit? {channels}; pad so that a row keeps its width"),
        ("Expected 2D (unbatched) or 3D (batched) input", "a row is (B, channels, W): take nn.Conv1d for it"),
        ("Expected 3D (unbatched) or 4D (batched) input", "all rows together are (B, channels, H, W): nn.Conv2d"),
        ("deepcopy protocol", "a tensor with a history is kept in the layer: begin each picture with zeros in forward"),
        ("backward through the graph a second time", "begin each picture with zeros: make h and c in forward"),
    ]
    moral = "A triangle above, nothing ahead, and a memory that is carried, forgotten and squashed."
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, moral, raised)


def _has_no_init(answer: type) -> bool:
    """Whether the class has no __init__ of its own but torch's."""
    return next(c for c in answer.__mro__ if "__init__" in vars(c)).__module__.startswith("torch.")


def _wrong_form(layer: nn.Module, x: Tensor, y) -> str | None:
    """What is wrong with the output as a whole."""
    if not isinstance(y, Tensor):
        return f"forward should return a tensor, and returned {short(y)}"
    B, twice, H, W = x.shape
    if y.shape == (B, twice // 2, H, W):
        return "the state has as many features as channels: at the end a 1 x 1 convolution expands them to 2 * channels"
    if y.shape == (H, B, twice, W):
        return "the rows are stacked in front; they belong to dimension 2: torch.stack(rows, 2)"
    if y.shape != x.shape:
        return f"the output should have the input's shape {tuple(x.shape)}, and has {tuple(y.shape)}"
    if not y.isfinite().all():
        return "the output is not finite"
    if not y.requires_grad:
        return "no gradient reaches the weights: are there any, or do .data, detach() or no_grad() cut it off?"
    if not torch.allclose(layer(x), y, rtol=1e-4, atol=1e-6):
        return "two calls with the same features differ: is a state left over? h and c begin with zeros in each forward"
    if not torch.allclose(layer(x[:1]), y[:1], rtol=1e-3, atol=1e-5):
        return "a picture depends on the others of its batch"
    if layer(x[:, :, :4, :5]).shape != (B, twice, 4, 5):
        return "it works for one size of pictures only"
    silent = copy.deepcopy(layer)
    for p in silent.parameters():
        p.data.zero_()
    if torch.allclose(silent(x), x):
        return "return only what is to be added: the network itself adds it to the features"
    return None


def _seen(layer: nn.Module, channels: int) -> Tensor:
    """The positions (H, W) on which the output at (ROW, COLUMN) depends, with a few random weights and inputs."""
    found = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    for seed in range(3):
        other = scrambled(layer, seed).double()
        x = torch.randn(4, 2 * channels, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(other(x)[:, :, ROW, COLUMN].square().sum(), x)
        slope = slope.abs().sum((0, 1))
        found |= slope > NOTHING * slope.max()
    return found


def _wrong_field(layer: nn.Module, x: Tensor) -> str | None:
    """What is wrong with the positions that are seen."""
    found = _seen(layer, x.shape[1] // 2)
    if torch.equal(found, RIGHT_FIELD):
        return None
    for mistake, why in WRONG_FIELDS:
        if torch.equal(found, mistake):
            return why
    if not found.any():
        return "the output does not depend on the features"
    if found[ROW + 1, COLUMN - 1] and not found[:, COLUMN + 1 :].any():
        return "it walks over columns: time is the row, dimension 2 of (B, channels, H, W)"
    if found[ROW + 1 :].any():
        return "it sees rows below: only the state of the row above may come in, and input-to-state sees one row"
    if found[ROW, COLUMN + 1 :].any():
        return "in its own row a position sees what is to the right of it: input-to-state needs mask B"
    if not found[ROW, COLUMN]:
        return "a position does not see its own features: mask A is for the network's first layer, here it is mask B"
    i, j = (found != RIGHT_FIELD).nonzero()[-1].tolist()
    too = "should not be" if found[i, j] else "should be"
    return f"the position {ROW - i} rows up and {j - COLUMN:+d} columns across {too} seen"


def _wrong_memory(layer: nn.Module, channels: int) -> str | None:
    """Whether the memory is carried, forgotten and squashed.

    With small weights s and no biases, what a state takes from its own row and what it takes from the memory of the row
    above both shrink as s ** 2, what comes through h alone as s ** 3: so the quotient of two slopes is the forget gate,
    one half, or nearly 0 if there is no memory, and 1 if nothing is ever forgotten. And whatever is in the first row, a
    squashed content is at most 1, so that with nothing new it fades from row to row as fast.
    """
    small = scrambled(layer, 0).double()
    for p in small.parameters():
        p.data *= 0 if p.ndim < 2 else 1e-3
    x = torch.zeros(1, 2 * channels, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    y = small(x)
    if float(y.detach().abs().max()) > 1e-12:
        return (
            "with features and biases of zero the state is not zero: h and c begin with zeros, the content is tanh(g)"
        )
    (slope,) = torch.autograd.grad(y[0, 0, ROW, COLUMN], x)
    own, above = slope[0, :, ROW, COLUMN], slope[0, :, ROW - 1, COLUMN]
    if float(own.abs().max()) == 0:
        return "near zero features nothing moves: are the gates squashed by a sigmoid, and are all four parts used?"
    kept = float((above @ own) / (own @ own))
    if kept < -0.05:
        return "the old memory comes in with the wrong sign"
    if kept < 0.05:
        return "the memory is lost: c of the row above must come in, c = sigmoid(f) * c + sigmoid(i) * tanh(g)"
    if kept > 0.98:
        return "nothing is ever forgotten: the old memory is multiplied by sigmoid(f)"
    large = scrambled(layer, 1).double()
    x = 1e4 * torch.randn(16, 2 * channels, 1, 1, dtype=torch.float64).expand(-1, -1, HEIGHT, WIDTH)
    first = torch.zeros_like(x)
    first[:, :, 0] = 1e5 * x[:, :, 0]  # nothing in the other rows
    with torch.no_grad():
        y, more, fading = (net(z)[..., COLUMN] for net, z in ((large, x), (large, 10 * x), (small, first)))
    scale, size = float(y.abs().max()), fading.abs().mean((0, 1))  # y is (16, 2 channels, H)
    if float((more - y).abs().max()) > 0.5 * scale or float(size[4] / size[2]) > kept**2 + 0.1:
        return "what comes in is not squashed: the gates go through a sigmoid, the content through tanh"
    if float((y[..., -1] - y[..., 3]).abs().max()) > 0.1 * scale:
        return "the state grows from row to row: it shows tanh(c), not c"
    return None
