"""A checker for every exercise: it says whether an answer is right and, if not, what is likely wrong. It never raises.

Each checker compares the reader's function with the right one on a few inputs, and then with the usual wrong ones; an
answer that agrees with a wrong one everywhere gets the hint that belongs to it.
"""

import copy
import inspect
import math
import reprlib
import traceback
from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models import AutoEncoder, PixelCNN

Wrong = Sequence[tuple[Callable, str]]  # functions that make a usual mistake, and what to say of it
Raised = Sequence[tuple[str, str]]  # parts of an error's message, and what to say of it


# --- 00_start_here ---------------------------------------------------------------------------------------------------


def log_density(answer: Callable) -> None:
    """Exercise 00.1: log-density in a cell of side w in d dimensions, log_P - d log w."""
    already = "log_P is already a logarithm: dividing P means subtracting from log P"
    wrong = [
        (lambda log_P, w, d: log_P + d * math.log(w), "the sign: dividing by a small volume makes a density *larger*"),
        (lambda log_P, w, d: log_P - math.log(w), "w is a side; a cell in d dimensions has another volume"),
        (lambda log_P, w, d: log_P - 2 * math.log(w), "right only for d = 2: the volume is w**d"),
        (lambda log_P, w, d: log_P / d - math.log(w), "log_P belongs to the whole cell, not to a dimension"),
        (lambda log_P, w, d: log_P / w**d, already),
        (lambda log_P, w, d: math.nan, already),  # torch's and NumPy's logarithm of a negative number
        (lambda log_P, w, d: math.exp(log_P) / w**d, "that is the density; its logarithm is asked for"),
        (lambda log_P, w, d: log_P - d * math.log2(w), "nats use the natural logarithm"),
    ]
    raised = [
        ("math domain error", already),
        ("expected a positive input", already),  # the same since Python 3.14
        ("must be Tensor", "w is a Python number: use math.log"),
    ]
    right = lambda log_P, w, d: log_P - d * math.log(w)  # noqa: E731
    cases = [(-3.0, 0.05, 2), (-1.5, 0.5, 1), (-10.0, 0.1, 5)]
    _judge(answer, right, cases, wrong, "A density may be larger than 1, its log positive.", raised)


def ring_centres(answer: Callable) -> None:
    """Exercise 00.2: k evenly spread centres on the unit circle, angle 2 pi i / k."""
    turn = 2 * math.pi

    def at(angle: Tensor) -> Tensor:
        return torch.stack([angle.cos(), angle.sin()], -1)

    last_angle = "print the last angle: it should be 2 pi - 2 pi / k"
    wrong = [
        (
            lambda k: at(torch.linspace(0, turn, k)),
            "the first and the last centre are the same point: linspace includes its end",
        ),
        (lambda k: at(torch.linspace(0, turn, k + 1)), "one too many: the last repeats the first, drop it"),
        (lambda k: at(torch.linspace(0, turn, k)[:-1]), "k - 1 points: make k + 1, then drop the last"),
        (lambda k: at(torch.arange(k) / k), "the angles run from 0 to 1: a whole turn is 2 pi"),
        (lambda k: at(360 * torch.arange(k) / k), "cos and sin take radians, not degrees"),
        (lambda k: at(torch.arange(k)), last_angle),
        (lambda k: at(math.pi * torch.arange(k) / k), last_angle),
        (lambda k: at(turn * torch.arange(k) / (k + 1)), last_angle),
        (lambda k: at(turn * torch.arange(8) / 8), "use k, not 8"),
        (lambda k: at(turn * torch.arange(k) / k).T, "one centre per row is asked for: shape (k, 2)"),
    ]

    def in_any_order(points: Tensor) -> Tensor:  # where the first spot is, and which way round, is a matter of taste
        if points.ndim != 2 or points.shape[-1] != 2:
            return points
        distances = torch.cdist(points, points).sort().values.sort(0).values
        return torch.cat([distances, points.norm(dim=-1, keepdim=True)], 1)

    right = lambda k: at(turn * torch.arange(k) / k)  # noqa: E731
    moral = "Eight distinct ones, each as far from its neighbours as any other."
    _judge(answer, right, [(8,), (5,), (3,)], wrong, moral, view=in_any_order)


def log_normal(answer: Callable) -> None:
    """Exercise 00.3: log N(x | mu, s^2 I) in D dimensions, shape (N,)."""

    def density(log_s: Callable, constant: Callable, axis: int = -1) -> Callable:
        """Counts log s and log(2 pi) / 2 so many times, given as functions of D."""

        def log_p(x, mu, s):
            square, D = -0.5 * ((x - mu) / s) ** 2, x.shape[-1]
            return square.sum(axis) - log_s(D) * math.log(s) - constant(D) * 0.5 * math.log(2 * math.pi)

        return log_p

    def each(D):
        return D

    def once(D):
        return 1

    def never(D):
        return 0

    def per_dimension(x, mu, s):
        return -0.5 * ((x - mu) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)

    right = density(each, each)
    wrong = [
        (
            density(each, lambda D: D * D),
            "log 2 pi is counted D times in each dimension, and the sum counts it D times again",
        ),
        (density(each, once), "now log 2 pi is counted once in all; each dimension has its own factor 1 / sqrt(2 pi)"),
        (density(once, each), "log s is counted once in all; each dimension has its own factor 1 / s"),
        (density(once, once), "log s and log 2 pi are counted once in all; both belong to every dimension"),
        (density(each, never), "the constant is missing: log(2 pi) / 2 for every dimension"),
        (density(never, each), "log s is missing: a wider Gaussian is lower"),
        (density(lambda D: -D, each), "the sign of log s: a wider Gaussian is lower, not higher"),
        (density(lambda D: D / 2, each), "not half of log s: s is the standard deviation, not the variance"),
        (lambda x, mu, s: -right(x, mu, s), "the sign: that is the *negative* log-density"),
        (lambda x, mu, s: right(x, mu, s) / x.shape[-1], "a mean over the dimensions; log-probabilities add up"),
        (lambda x, mu, s: right(x, mu, s).sum(), "one number for all points; one for each is asked for, shape (N,)"),
        (per_dimension, "one number per point and dimension: sum over the dimensions"),
        (
            lambda x, mu, s: per_dimension(x, mu, s).sum(0),
            "that sums over the points; the dimensions are the last axis: sum(-1)",
        ),
        (lambda x, mu, s: right(x, mu, s**0.5), "s is the standard deviation, not the variance"),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((1, 0.5), (2, 1.0), (16, 0.3))
    cases = [(torch.randn(5, D, generator=g), torch.randn(D, generator=g), s) for D, s in sizes]
    raised = [("must be Tensor", "s is a Python number: use math.log")]
    moral = "At D = 16 and s = 1 the mistake makes -14.7 nats at the mean into -235.2."
    _judge(answer, right, cases, wrong, moral, raised)


# --- 01_chain_rule ---------------------------------------------------------------------------------------------------


def bits_per_dim(answer: Callable) -> None:
    """Exercise 01.1: nats per image of shape (C, H, W) to bits per dimension."""
    log_2, D = math.log(2), math.prod
    product = "the number of dimensions is a product, C * H * W"
    divide = "divide by the number of dimensions: bits per dimension are fewer than bits per image"
    wrong = [
        (lambda nats, shape: nats / D(shape), "that is nats per dimension; one bit is log 2 = 0.693 nats"),
        (lambda nats, shape: nats / log_2, "that is bits per image; divide by the number of dimensions too"),
        (lambda nats, shape: nats * log_2 / D(shape), "the wrong way: there are *more* bits than nats"),
        (lambda nats, shape: nats / (shape[1] * shape[2] * log_2), "a colour image has C * H * W dimensions"),
        (lambda nats, shape: nats / (shape[1] * shape[2]), "two things: all of C * H * W, and log 2"),
        (lambda nats, shape: math.log2(nats) / D(shape), "nats are logarithms already; only their base changes"),
        (lambda nats, shape: nats / (len(shape) * log_2), product),
        (lambda nats, shape: nats / (sum(shape) * log_2), product),
        (lambda nats, shape: nats / len(shape), product),
        (lambda nats, shape: nats / sum(shape), product),
        (lambda nats, shape: nats * D(shape) / log_2, divide),
        (lambda nats, shape: nats * D(shape), divide),
    ]
    cases = [(64 * log_2, (1, 8, 8)), (181.3, (1, 8, 8)), (6395.0, (3, 32, 32))]
    right = lambda nats, shape: nats / (D(shape) * log_2)  # noqa: E731
    raised = [("must be Tensor", "2 is a Python number: use math.log")]
    _judge(answer, right, cases, wrong, "A fair coin for each pixel costs exactly one bit per dimension.", raised)


def made_masks(answer: Callable) -> None:
    """Exercise 01.2: MADE's input mask (H, D) and output mask (D, H) from ranks (D,) and degrees (H,)."""

    def masks(unit: Callable, pixel: Callable) -> Callable:
        """A hidden unit sees a pixel if unit(degree, rank), an output sees a hidden unit if pixel(rank, degree)."""
        return lambda rank, degree: (unit(degree[:, None], rank[None, :]), pixel(rank[:, None], degree[None, :]))

    right = masks(ge, gt)
    reversed_ = "a comparison is reversed: a unit may see pixels up to its degree, an output units below its rank"
    shapes = "a mask is transposed: the shapes are (H, D) and (D, H)"
    wrong = [
        (right, "the values are right, the dtype is not: bool is asked for"),
        (masks(ge, ge), "a pixel sees itself: at the output the comparison must be strict"),
        (masks(gt, gt), "both comparisons are strict: no leak, but a pixel no longer sees its direct predecessor"),
        (masks(gt, ge), "no leak, but another convention: here a unit of degree m sees ranks up to m"),
        (masks(lt, le), "turned round: True should mean 'may see'"),
        (masks(le, lt), reversed_),
        (masks(le, gt), reversed_),
        (masks(ge, lt), reversed_),
        (lambda rank, degree: right(rank, degree)[::-1], "swapped: the input mask comes first"),
        (
            lambda rank, degree: tuple(mask.T for mask in right(rank, degree)),
            "transposed: nn.Linear's weights have shape (outputs, inputs)",
        ),
        (lambda rank, degree: (right(rank, degree)[0].T, right(rank, degree)[1]), shapes),
        (lambda rank, degree: (right(rank, degree)[0], right(rank, degree)[1].T), shapes),
        (
            lambda rank, degree: right(torch.arange(len(rank)), degree),
            "right for row-by-row order only: compare with the pixels' ranks, not with their positions",
        ),
    ]
    cases = [
        (torch.arange(4), torch.tensor([0, 0, 1, 2, 2])),
        (torch.tensor([2, 0, 3, 1]), torch.tensor([0, 1, 2])),
    ]
    moral = "No path through both masks leads from a pixel to itself or to an earlier one."
    _judge(answer, right, cases, wrong, moral)


def masked_linear(answer: Callable) -> None:
    """Exercise 01.3: apply a linear layer under a mask without writing the mask into the weights."""
    g = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(4, 6, generator=g), torch.randn(4, generator=g)
    x = torch.randn(3, 6, generator=g)
    layer = nn.utils.skip_init(nn.Linear, 6, 4)  # leaves the global generator alone
    layer.load_state_dict({"weight": weight, "bias": bias})
    parameters = [layer.weight, layer.bias]

    def hint() -> str | None:
        for _ in range(3):
            mask = (torch.rand(4, 6, generator=g) < 0.5).float()
            got, expected = answer(layer, mask.clone(), x.clone()), F.linear(x, weight * mask, bias)
            if _unanswered(got):
                return None
            for name, now, before in zip(("weights", "bias"), (layer.weight, layer.bias), (weight, bias), strict=True):
                if not torch.equal(now, before):
                    count = f"{int((now != before).sum())} of {now.numel()}"
                    return f"the layer's {name} changed, and stay so: {count} differ after one call"
            if not isinstance(got, Tensor):
                return f"a tensor is asked for, like layer(x), and it was {_short(got)}"
            if _same(got, F.linear(x, weight, bias)):
                return "the mask is not used"
            if _same(got, F.linear(x, weight * mask)):
                return "the bias is missing"
            if not _same(got, expected):
                return f"masked weights times x plus bias: {_difference(got, expected)}"
            if not got.requires_grad:
                return "no gradient reaches the weights: .data, detach() and no_grad() cut it off"
            to_weight, to_bias = torch.autograd.grad(got.sum(), parameters, allow_unused=True)
            if to_weight is None and to_bias is None:
                return "the gradient reaches a copy, not the layer: compute with layer.weight itself"
            if to_weight is None:
                return "the gradient reaches the bias, but not the weights: .data, detach() and copies cut it off"
            if (to_weight[mask == 0] != 0).any():
                return "masked weights still receive a gradient"
        return ""

    shapes = "the mask has the weights' shape (outputs, inputs), not that of x or of layer(x)"
    raised = [
        ("must match the size of tensor", shapes),
        ("shapes cannot be multiplied", "nn.Linear multiplies by the transpose: x @ weight.T, as F.linear does"),
    ]
    _report(hint, "The masks change at every step; the weights must survive them.", raised)


def mean_nll(answer: Callable) -> None:
    """Exercise 01.4: mean negative log-likelihood per image from a list of per-image values, batch by batch."""
    means = lambda batches: sum(nll.mean() for nll in batches)  # noqa: E731
    sums = lambda batches: sum(nll.sum() for nll in batches)  # noqa: E731
    images = "a sum over images, divided by the number of batches"
    wrong = [
        (lambda batches: means(batches) / len(batches), "the short last batch counts as much as a full one"),
        (
            lambda batches: means(batches) / (len(batches) - 1),
            "two bugs: i ends one short of the number of batches, and batches differ in size",
        ),
        (lambda batches: sums(batches) / len(batches), images),
        (lambda batches: sums(batches) / (len(batches) - 1), images),
        (
            lambda batches: sums(batches) / (len(batches) * len(batches[0])),
            "the last batch is shorter: there are fewer images than len(batches) * len(batches[0])",
        ),
        (
            lambda batches: torch.cat(batches[:-1]).mean(),
            "the last, incomplete batch is dropped: those images are never looked at",
        ),
        (sums, "a sum over the data set; the mean per image is asked for"),
    ]
    g = torch.Generator().manual_seed(0)
    splits = ((100, 100, 47), (5, 1), (8, 8, 8, 2))  # several batches each, or i = 0 would end in a division by zero
    cases = [([torch.rand(n, generator=g) * 10 + 80 * (n < 100) for n in sizes],) for sizes in splits]
    raised = [("stack expects each tensor to be equal size", "the last batch is shorter: use torch.cat")]
    right = lambda batches: torch.cat(batches).mean()  # noqa: E731
    _judge(answer, right, cases, wrong, "Every image counts once, whatever batch it was in.", raised)


# --- 02_pixel_rnn ----------------------------------------------------------------------------------------------------


def skew(answer: Callable) -> None:
    """Exercise 02.1: row r of a map (H, W) moved r places to the right, (H, H + W - 1)."""

    def moved(places: Callable, width: Callable) -> Callable:
        """Row r is moved by places(r, H), in a map of width(H, W) columns."""

        def move(x):
            y = x.new_zeros(len(x), width(*x.shape))
            for r, row in enumerate(x):
                start = places(r, len(x))
                y[r, start : start + len(row)] = row
            return y

        return move

    def fits(height, width):
        return height + width - 1

    too_narrow = "the last row moves by H - 1 places, so H + W - 1 columns are needed"
    wrong = [
        (moved(lambda r, height: height - 1 - r, fits), "turned round: the first row stays, the last moves furthest"),
        (
            moved(lambda r, height: r, lambda h, w: h + w),
            "one column too many: the last row moves by H - 1 places only",
        ),
        (moved(lambda r, height: r + 1, lambda h, w: h + w), "row 0 should stay where it is"),
        (moved(lambda r, height: 0, fits), "the map is wide enough, but no row has moved"),
        (
            lambda x: torch.stack([row.roll(r) for r, row in enumerate(x)]),
            f"what is rolled out on the right comes back on the left: {too_narrow}",
        ),
        (
            lambda x: torch.stack([F.pad(row, (r, 0))[: len(row)] for r, row in enumerate(x)]),
            f"pixels are pushed out on the right: {too_narrow}",
        ),
        (
            lambda x: moved(lambda r, height: r, fits)(x.T).T,
            "columns moved down; it is the rows that move, to the right",
        ),
    ]
    cases = [(torch.arange(1, 13).view(3, 4),), (torch.arange(1.0, 11.0).view(5, 2),), (torch.ones(1, 3),)]
    raised = [("must match the existing size", too_narrow), ("equal size", "each row needs zeros on both sides")]
    right = moved(lambda r, height: r, fits)
    _judge(answer, right, cases, wrong, "Each diagonal is a column now: one step of the recurrence.", raised)


def lstm_step(answer: Callable) -> None:
    """Exercise 02.2: state and memory of an LSTM from its gates (4h, N), in the order o, f, i, g, and its memory."""

    def step(order="ofig", content=torch.tanh, shown=torch.tanh, squash=torch.sigmoid, old=False, swap=False):
        def answer(gates, c):
            parts = dict(zip(order, gates.chunk(4), strict=True))
            new = squash(parts["f"]) * c + squash(parts["i"]) * content(parts["g"])
            h = squash(parts["o"]) * shown(c if old else new)
            return (new, h) if swap else (h, new)

        return answer

    def plain(t):
        return t

    right = step()
    wrong = [
        (step(swap=True), "the values are right: the state h comes first, then the memory c"),
        (step("ifgo"), "that is the order of torch.nn.LSTM; here it is o, f, i, g"),
        (step("oifg"), "f and i are exchanged: f keeps the old memory, i lets new content in"),
        (step("fiog"), "the gates are mixed up: the first quarter is o, then come f, i and g"),
        (step(content=torch.sigmoid), "g is content, not a gate: it may be negative, so tanh"),
        (step(content=plain), "the content g is not squashed: tanh(g)"),
        (step(shown=plain), "the state shows tanh(c), not c: else it grows without bound"),
        (step(shown=torch.sigmoid), "the state shows tanh(c), not sigmoid(c)"),
        (step(old=True), "the state shows the *new* memory"),
        (step(squash=plain), "the gates come as any numbers: a sigmoid makes them shares between 0 and 1"),
        (step(squash=torch.tanh), "gates are shares between 0 and 1: sigmoid; tanh is for content"),
        (lambda gates, c: right(gates, c)[0], "only the state; the next step needs the memory too: return h, c"),
        (lambda gates, c: right(gates, c)[1], "only the memory; return h, c"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(2 * torch.randn(4 * h, n, generator=g), torch.randn(h, n, generator=g)) for h, n in ((3, 5), (1, 2))]
    raised = [("size of tensor", "gates (4h, N) fall into four parts along the *first* axis: gates.chunk(4)")]
    _judge(answer, right, cases, wrong, "Four gates, two sums: all there is to it.", raised)


def merge(answer: Callable) -> None:
    """Exercise 02.3: the sum of both directions, the second mirrored back and moved down by one row."""

    def down(x, rows=1):
        return F.pad(x, (0, 0, rows, -rows))

    def added(place: Callable) -> Callable:
        return lambda left, right: left + place(right)

    right_one = added(lambda right: down(right.flip(-1)))
    wrong = [
        (added(lambda right: right), "two things: mirror right back, and move it down by one row"),
        (
            added(lambda right: right.flip(-1)),
            "mirrored back, but not moved down: it has seen its own row to the end, the pixel itself included",
        ),
        (added(down), "moved down, but not mirrored back: no leak, but each pixel gets what its mirror image has seen"),
        (
            added(lambda right: right.flip(-1).roll(1, 2)),
            "roll brings the last row round to the first, and the last row has seen the whole picture",
        ),
        (added(lambda right: down(right.flip(-1), -1)), "moved up: now each row gets what the next one has seen"),
        (added(lambda right: down(right.flip(-1), 2)), "by two rows: the row above is no longer seen in full"),
        (added(lambda right: F.pad(right.flip(-1), (1, -1))), "moved to the right: rows are dimension 2"),
        (added(lambda right: right.flip(-1).roll(1, 3)), "rolled along the row: rows are dimension 2"),
        (added(lambda right: down(right.flip(2))), "upside down: the map was mirrored along its rows, dimension 3"),
        (added(lambda right: right.flip(2)), "upside down: the map was mirrored along its rows, dimension 3"),
        (lambda left, right: down(left + right.flip(-1)), "left must stay: it knows what is to the left in its row"),
        (lambda left, right: down(left) + right.flip(-1), "the wrong one: right has seen its own row to the end"),
        (lambda left, right: left, "right is not used: nothing above and to the right is seen"),
    ]
    g = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 4, 5), (1, 2, 2, 3))
    cases = [(torch.randn(shape, generator=g), torch.randn(shape, generator=g)) for shape in shapes]
    raised = [("size of tensor", "after the move there must be H rows again: one comes in at the top, the last goes")]
    moral = "What the second direction saw in a row belongs to the row below."
    _judge(answer, right_one, cases, wrong, moral, raised)


def state_to_state(answer: Callable) -> None:
    """Exercise 02.4: state-to-state of a Row LSTM, an unmasked convolution along the row above."""

    def conv(live: Callable) -> Callable:
        """Tap j of k is used where live(j, k // 2)."""

        def answer(weight, hidden):
            k = weight.shape[2]
            mask = torch.tensor([live(j, k // 2) for j in range(k)])
            return F.conv1d(hidden, weight * mask, padding=k // 2)

        return answer

    right = conv(lambda j, centre: True)
    wrong = [
        (
            conv(le),
            "what lies to the right in the row above is known and still hidden: most of the right side is lost",
        ),
        (conv(lt), "the pixel above and what lies to its right are known: they need not be hidden"),
        (conv(ge), "now the left is hidden: no tap need be"),
        (conv(gt), "now the left is hidden, and the pixel above: no tap need be"),
        (conv(lambda j, centre: j != centre), "the pixel above is known, too: no tap need be hidden"),
        (lambda weight, hidden: F.conv1d(hidden, weight), "the row must keep its width: pad k // 2 on both sides"),
        (
            lambda weight, hidden: F.conv1d(F.pad(hidden, (weight.shape[2] - 1, 0)), weight),
            "all padding is on the left: the kernel then ends above the pixel and never sees the right",
        ),
        (
            lambda weight, hidden: right(weight.flip(2), hidden),
            "the kernel is mirrored: F.conv1d needs no flip",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(8, 2, k, generator=g), torch.randn(3, 2, 9, generator=g)) for k in (3, 5)]
    raised = [("Kernel size can't be greater", "weight is the second argument of F.conv1d, hidden the first")]
    moral = "A mask too few leaks, and the alarms ring; a mask too many only blinds, and none does."
    _judge(answer, right, cases, wrong, moral, raised)


def completion_nats(answer: Callable) -> None:
    """Exercise 02.5: nats of each completion, -sum of log p over the unknown pixels, shape (B,)."""
    each = (1, 2, 3)
    given = "those are the *given* pixels: nobody had to draw them"
    unit = "a mean has another unit: log-probabilities add up over pixels"
    wrong = [
        (lambda log_probs, known: -(log_probs * known).mean(each), f"two things: {given}; and {unit}"),
        (lambda log_probs, known: -(log_probs * known).sum(each), given),
        (lambda log_probs, known: -(log_probs * ~known).mean(each), f"{unit}, and this one counts the given pixels"),
        (lambda log_probs, known: -log_probs[:, ~known].mean(1), f"nats per unknown pixel: {unit}"),
        (lambda log_probs, known: -log_probs.sum(each), "that is the price of the whole picture"),
        (lambda log_probs, known: (log_probs * ~known).sum(each), "the sign: a price is not negative"),
        (lambda log_probs, known: -(log_probs * ~known).sum(), "one number for all; one for each picture is asked for"),
        (lambda log_probs, known: -(log_probs * ~known).sum(each).mean(), "one price for each picture, not their mean"),
        (lambda log_probs, known: -(log_probs * ~known), "one number a pixel: add them up for each picture"),
    ]
    g = torch.Generator().manual_seed(0)
    shapes = ((4, 1, 3, 3), (2, 3, 2, 5))
    cases = [(-3 * torch.rand(s, generator=g), torch.rand(s[1:], generator=g) < 0.4) for s in shapes]
    raised = [("Subtraction, the `-` operator, with", "a bool mask is turned round by ~known")]
    right = lambda log_probs, known: -(log_probs * ~known).sum(each)  # noqa: E731
    moral = "Given pixels are free, and prices add up: so completions of equal beginnings can be compared."
    _judge(answer, right, cases, wrong, moral, raised)


# --- 03_pixel_cnn ----------------------------------------------------------------------------------------------------


def causal_mask(answer: Callable) -> None:
    """Exercise 03.1: the mask (k, k) of a masked convolution, kind "A" or "B"."""

    def mask(right: Callable) -> Callable:
        """True at (row, column) where right(place in reading order, centre's place) holds."""
        return lambda kind, k: right(kind, torch.arange(k * k).view(k, k), k * k // 2)

    right = mask(lambda kind, place, centre: place < centre + (kind == "B"))
    wrong = [
        (right, "the values are right, the dtype is not: bool is asked for"),
        (mask(lambda kind, place, centre: place < centre + (kind == "A")), "A and B are swapped: A hides the centre"),
        (mask(lambda kind, place, centre: place < centre), "mask B sees the centre, and this one never does"),
        (mask(lambda kind, place, centre: place <= centre), "mask A must not see the centre"),
        (mask(lambda kind, place, centre: place > centre - (kind == "B")), "turned round: True should mean 'may see'"),
        (
            lambda kind, k: (torch.arange(k)[:, None] < k // 2).expand(k, k),
            "the rows above are right; the pixels to the left in the same row are missing",
        ),
        (
            lambda kind, k: (torch.arange(k)[:, None] <= k // 2).expand(k, k),
            "the whole row of the centre is open: what lies right of the pixel comes later",
        ),
        (
            lambda kind, k: torch.ones(k, k).tril(0 if kind == "B" else -1).bool(),
            "that is a triangle: reading order is row by row, so all of the rows above is open",
        ),
        (lambda kind, k: right(kind, k).T, "transposed: rows come first"),
        (
            mask(lambda kind, place, centre: place < (kind == "B")),
            "count from the centre, which is place k // 2, k // 2",
        ),
        (
            lambda kind, k: torch.outer(torch.arange(k) <= k // 2, torch.arange(k) < k // 2 + (kind == "B")),
            "in the rows above, what lies to the right has been read too",
        ),
    ]
    cases = [(kind, k) for k in (3, 5, 7, 1) for kind in "AB"]
    _judge(answer, right, cases, wrong, "A for the first layer, B for all others.", view=lambda m: m)


def rightmost(answer: Callable) -> None:
    """Exercise 03.2: columns to the right that a masked stack sees in row r above, at most."""
    right = lambda r, first, kernel: first // 2 + (r - 1) * (kernel // 2)  # noqa: E731
    wrong = [
        (lambda r, first, kernel: r + 2, "right for a first layer of 7 and layers of 3; use first and kernel"),
        (
            lambda r, first, kernel: first // 2 + r - 1,
            "right for layers of 3; each row buys kernel // 2 columns",
        ),
        (lambda r, first, kernel: first // 2 + r, "r - 1 rows are left, and each allows kernel // 2 columns more"),
        (
            lambda r, first, kernel: first // 2 + (r - 1) * kernel // 2,
            "brackets: (r - 1) * (kernel // 2), half of one kernel for each row",
        ),
        (
            lambda r, first, kernel: first // 2 + r * (kernel // 2),
            "the first layer has gone up one row already: r - 1 rows are left for the others",
        ),
        (lambda r, first, kernel: r * (kernel // 2), "the first layer reaches first // 2, not kernel // 2"),
        (lambda r, first, kernel: first // 2, "the other layers look further right, too: one row up each"),
        (lambda r, first, kernel: first // 2 + kernel // 2, "it grows with r: each further row allows one more step"),
        (
            lambda r, first, kernel: first + (r - 1) * kernel,
            "a kernel of width k reaches k // 2 columns beyond its centre",
        ),
        (lambda r, first, kernel: first / 2 + (r - 1) * kernel / 2, "the reach is a whole number: k // 2"),
        (
            lambda r, first, kernel: first // 2 + (r - 1) * (first // 2),
            "the first layer is used once; the others have kernel",
        ),
    ]
    cases = [(1, 7, 3), (2, 7, 3), (5, 7, 3), (3, 3, 3), (4, 7, 7), (3, 9, 5)]
    moral = "Each row further up buys kernel // 2 columns, and no depth buys more."
    _judge(answer, right, cases, wrong, moral)


def shift_down(answer: Callable) -> None:
    """Exercise 03.3: move features (B, F, H, W) down by one row, zeros at the top."""

    def cut(x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 1, -1))

    wrong = [
        (
            lambda features: features.roll(1, 2),
            "the first row holds the last one: roll wraps round, and the top of the picture sees its bottom",
        ),
        (lambda features: features.roll(1, 3), "that moves columns, and wraps round"),
        (lambda features: F.pad(features, (1, -1)), "that moves columns; rows are the third axis"),
        (lambda features: F.pad(features, (0, 0, -1, 1)), "up instead of down: row h now holds row h + 1, the future"),
        (lambda features: F.pad(features, (0, 0, 1, 0)), "one row too many: cut off the last one"),
        (lambda features: features, "nothing has moved: the vertical stack sees its own row"),
        (lambda features: features.roll(-1, 2), "up instead of down, and roll wraps round"),
        (lambda features: F.pad(features, (0, 0, 2, -2)), "two rows down: the row directly above is not seen"),
        (
            lambda features: F.pad(features[:, :, 1:], (0, 0, 1, 0)),
            "the rows stayed where they were: drop the last one, not the first",
        ),
        (
            lambda features: torch.cat([features[:, :, :1], features[:, :, :-1]], 2),
            "the first row must be zeros: here it sees itself",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(2, 3, 4, 5, generator=g),), (torch.randn(1, 2, 3, 3, generator=g),)]
    moral = "With roll it trains, too, and no error tells you: only the alarms of 01 do."
    _judge(answer, cut, cases, wrong, moral)


def mixes_images(answer: Callable) -> None:
    """Exercise 03.4: does the log-probability of one image depend on the others in its batch? bool."""

    def by_gradient(model: nn.Module, x: Tensor) -> bool:
        x = x.clone().requires_grad_()
        return bool((torch.autograd.grad(model.log_prob(x)[0], x)[0][1:] != 0).any())

    def by_value(model: nn.Module, x: Tensor) -> bool:
        return not torch.allclose(model.log_prob(x)[0], model.log_prob(x[:1])[0])

    def of_all(model: nn.Module, x: Tensor, others: slice) -> bool:
        x = x.clone().requires_grad_()
        return bool((torch.autograd.grad(model.log_prob(x).sum(), x)[0][others] != 0).any())

    def network(extra: nn.Module, training: bool = True) -> nn.Module:
        model = PixelCNN((1, 4, 4), channels=6, layers=1)
        model.hidden = nn.Sequential(model.hidden, extra)
        return model.train(training)

    wrong = [
        (
            lambda model, x: False,
            "batch norm mixes images while it trains: leave the model in the mode it is in, and look at all images",
        ),
        (
            lambda model, x: of_all(model, x, slice(None)),
            "every model depends on its own image: derive log_prob(x)[0] alone, by the others, x[1:]",
        ),
        (
            lambda model, x: any(isinstance(module, nn.BatchNorm2d) for module in model.modules()),
            "in evaluation batch norm uses stored statistics, and other layers mix images too: ask for a derivative",
        ),
        (by_value, "dropout changes the value from call to call without mixing images: ask for a derivative"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = (torch.rand(5, 1, 4, 4) < 0.5).float()
        modes = ((nn.Identity(), True), (nn.BatchNorm2d(6), True), (nn.Dropout(0.5), True), (nn.BatchNorm2d(6), False))
        cases = [(network(extra, training), x) for extra, training in modes]
        moral = "With batch norm in training mode the loss is not the likelihood of any distribution over images."
        _judge(answer, by_gradient, cases, wrong, moral)


# --- 04_colour -------------------------------------------------------------------------------------------------------


def to_tokens(answer: Callable) -> None:
    """Exercise 04.1: number of the nearest palette colour of each pixel, (B, 3, H, W) to (B, H, W)."""

    def difference(x: Tensor, palette: Tensor) -> Tensor:
        return x[:, None] - palette[None, :, :, None, None]  # (B, K, 3, H, W)

    def by_rows(pixels: Callable) -> Callable:
        """The right answer, if ``pixels`` gave a colour per row, in the order of the pixels."""
        return lambda x, palette: torch.cdist(pixels(x), palette).argmin(1).view(len(x), *x.shape[2:])

    right = lambda x, palette: (difference(x, palette) ** 2).sum(2).argmin(1)  # noqa: E731
    wrong = [
        (
            lambda x, palette: (difference(x, palette) ** 2).sum(2).argmax(1),
            "that is the farthest colour, not the nearest",
        ),
        (
            lambda x, palette: difference(x, palette).abs().sum(2).argmin(1),
            "square the differences; absolute ones are another distance",
        ),
        (
            lambda x, palette: difference(x, palette).abs().amax(2).argmin(1),
            "sum the squares over the channels; the largest difference is another distance",
        ),
        (
            lambda x, palette: difference(x, palette).sum(2).argmin(1),
            "signed differences cancel: a dark red and a dark blue look alike. Square them first",
        ),
        (
            lambda x, palette: difference(x, palette).sum(2).abs().argmin(1),
            "the sum comes first and lets channels cancel: square each difference, then sum",
        ),
        (
            lambda x, palette: (difference(x, palette) ** 2).sum(2).amin(1),
            "those are the distances; the number of the colour is asked for: argmin",
        ),
        (
            lambda x, palette: (x[:, None] * palette[None, :, :, None, None]).sum(2).argmax(1),
            "a product is no distance: it prefers bright colours, whatever the pixel",
        ),
        (
            by_rows(lambda x: x.reshape(-1, 3)),
            "reshape does not move the channels to the end: use movedim(1, -1) first",
        ),
        (lambda x, palette: right(x, palette).flatten(1), "one number a pixel, but as a picture: shape (B, H, W)"),
        (lambda x, palette: right(x, palette).unsqueeze(1), "tokens have no channel: shape (B, H, W)"),
        (
            lambda x, palette: palette[right(x, palette)].movedim(-1, 1),
            "those are the colours; their numbers are asked for",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((2, 4, 5, 6), (3, 2, 2, 3))  # B, H, W, K
    cases = [(torch.rand(B, 3, H, W, generator=g), torch.rand(K, 3, generator=g)) for B, H, W, K in sizes]
    raised = [
        (
            "must match the size of tensor",
            "give x a palette axis, and the palette axes for rows and columns: (B, K, 3, H, W)",
        )
    ]
    _judge(answer, right, cases, wrong, "A picture of numbers, and every model of classes can have it.", raised)


def log_p_in_cell(answer: Callable) -> None:
    """Exercise 04.2: log p(colour | token) from counts (C,) and cells (C,), each colour starting from one."""

    def totals(count: Tensor, cell: Tensor, K: int) -> Tensor:
        return torch.zeros(K).index_add(0, cell, count + 0.0)[cell]  # (C,): of the colour's own cell

    def size(count: Tensor, cell: Tensor, K: int) -> Tensor:
        return totals(torch.ones(len(count)), cell, K)

    def right(count, cell, K):
        return ((count + 1) / totals(count + 1, cell, K)).log()

    wrong = [
        (
            lambda count, cell, K: (count / totals(count, cell, K)).log(),
            "a colour never seen gets probability 0: start each count from one",
        ),
        (
            lambda count, cell, K: ((count + 1) / (count + 1).sum()).log(),
            "that is log p(colour): given the token, the colours of *its cell* sum to 1",
        ),
        (
            lambda count, cell, K: (count / count.sum()).log(),
            "that is log p(colour), without the one: the colours of each cell should sum to 1",
        ),
        (lambda count, cell, K: right(count, cell, K).exp(), "that is the probability; its logarithm is asked for"),
        (lambda count, cell, K: -right(count, cell, K), "the sign: the log of a probability is at most 0"),
        (lambda count, cell, K: -size(count, cell, K).log(), "all colours of a cell alike: use the counts"),
        (
            lambda count, cell, K: ((count + 1) / (totals(count, cell, K) + 1)).log(),
            "each *colour* gets one more, so a cell of n colours gets n more",
        ),
        (
            lambda count, cell, K: ((count + 1) / totals(count, cell, K)).log(),
            "the cell's total must count the ones, too, or the cell sums to more than 1",
        ),
        (
            lambda count, cell, K: ((count + 1) / (totals(count, cell, K) + K)).log(),
            "a cell of n colours gets n more, not K",
        ),
        (
            lambda count, cell, K: (totals(count + 1, cell, K) / (count + 1).sum()).log(),
            "that is log p(token); p(colour | token) is asked for",
        ),
        (lambda count, cell, K: ((count + 1) / totals(count + 1, cell, K)).log2(), "nats use the natural logarithm"),
        (
            lambda count, cell, K: ((count + 1) / size(count, cell, K)).log(),
            "divide by the cell's total count, not by how many colours it has",
        ),
    ]
    cases = [
        (torch.tensor([5, 0, 2, 7, 0, 1]), torch.tensor([0, 1, 0, 2, 2, 2]), 3),
        (torch.tensor([0, 0, 30, 4]), torch.tensor([1, 1, 1, 0]), 2),
    ]
    raised = [("must have the same scalar type", "count holds whole numbers: add 1.0 first")]
    moral = "Each cell sums to 1, so p(token) p(colour | token) does, too."
    _judge(answer, right, cases, wrong, moral, raised)


def log_bin(answer: Callable) -> None:
    """Exercise 04.3: log(sigmoid(hi) - sigmoid(lo)) without cancellation in either tail."""

    def right(hi, lo):
        hi, lo = hi.double(), lo.double()
        return hi + torch.log(-torch.expm1(lo - hi)) - F.softplus(hi) - F.softplus(lo)

    def naive(hi, lo):
        return torch.sigmoid(hi) - torch.sigmoid(lo)

    floor = "a small constant, added or as a floor, replaces infinity by a number that is as wrong"
    right_tail = "the right tail is wrong: both sigmoids are 1 there, and their logarithms 0"
    wrong = [
        (lambda hi, lo: naive(hi, lo).log(), "to the right both sigmoids round to 1, and the difference to 0"),
        *((lambda hi, lo, e=e: (naive(hi, lo) + e).log(), floor) for e in (1e-12, 1e-10, 1e-8)),
        *((lambda hi, lo, e=e: naive(hi, lo).clamp(min=e).log(), floor) for e in (1e-12, 1e-10, 1e-8)),
        (lambda hi, lo: naive(-lo, -hi).log(), "turned round: now the left tail cancels"),
        (
            lambda hi, lo: naive(hi.double(), lo.double()).log(),
            "64 bits move the trouble from 17 to 37; it does not go away",
        ),
        (
            lambda hi, lo: naive(hi.double(), lo.double()).log().float(),
            "64 bits move the trouble from 17 to 37; it does not go away",
        ),
        (lambda hi, lo: F.logsigmoid(hi) + torch.log1p(-torch.exp(F.logsigmoid(lo) - F.logsigmoid(hi))), right_tail),
        (lambda hi, lo: F.logsigmoid(hi) - F.logsigmoid(lo), "a difference of logarithms is the logarithm of a ratio"),
        (lambda hi, lo: right(hi, lo).exp(), "that is the probability; its logarithm is asked for"),
        (lambda hi, lo: -right(hi, lo), "the sign: the log of a probability is at most 0"),
        (
            lambda hi, lo: hi + torch.log(-torch.expm1(hi - lo)) - F.softplus(hi) - F.softplus(lo),
            "inside expm1 stands -(hi - lo)",
        ),
        (lambda hi, lo: hi - F.softplus(hi) - F.softplus(lo), "the width is missing: log(1 - exp(-(hi - lo)))"),
        (
            lambda hi, lo: (hi + lo) / 2 - 2 * F.softplus((hi + lo) / 2) + (hi - lo).log(),
            "density times width is right for narrow bins only",
        ),
    ]
    middle = torch.tensor([-60.0, -20.0, -3.0, 0.0, 0.7, 3.0, 17.0, 20.0, 60.0])
    cases = [(middle + half, middle - half) for half in (0.25, 1.5)]
    moral = "Nothing is subtracted that is nearly equal."
    _judge(answer, right, cases, wrong, moral)


def grey_log_prob(answer: Callable) -> None:
    """Exercise 04.4: log p(x) = logit * x + constant over the levels 0, 1/(L-1), ..., 1."""

    def bce(logit, x):
        return x * F.logsigmoid(logit) + (1 - x) * F.logsigmoid(-logit)

    def normalised(logit: Tensor, x: Tensor, every: Tensor) -> Tensor:
        return logit * x - torch.logsumexp(logit.unsqueeze(-1) * every, -1)

    def right(logit, x, levels):
        return normalised(logit, x, torch.linspace(0, 1, levels))

    def binomial(logit, x, levels):
        n = levels - 1
        return torch.distributions.Binomial(n, logits=logit).log_prob((n * x).round())

    def unscaled(logit, x, levels):
        return normalised(logit, x * (levels - 1), torch.arange(levels))

    sums = "the levels' probabilities do not sum to 1"
    wrong = [
        (lambda logit, x, levels: bce(logit, x), f"that is the cross-entropy again: {sums}"),
        (lambda logit, x, levels: -bce(logit, x), f"that is the cross-entropy with the other sign: {sums}"),
        (
            lambda logit, x, levels: bce(logit, x) - math.log(levels),
            f"each level has its share of L only at logit 0: {sums}",
        ),
        (lambda logit, x, levels: bce(logit, x) - math.log(levels / 2), f"right only at logit 0: elsewhere {sums}"),
        (
            lambda logit, x, levels: bce(logit, x.round()),
            "that rounds grey to black or white, and is a likelihood of other pictures",
        ),
        (
            lambda logit, x, levels: right(logit, x, levels) + math.log(levels),
            "a mean over the levels where a sum belongs",
        ),
        (
            lambda logit, x, levels: right(logit, x, levels) - math.log(levels),
            "one log L too many: the sum over levels is all that is needed",
        ),
        (lambda logit, x, levels: logit * x, "the constant is missing: minus log of the sum over all levels"),
        (lambda logit, x, levels: normalised(logit, x, torch.linspace(0, 1, levels + 1)), "L levels, not L + 1"),
        (
            lambda logit, x, levels: normalised(logit, x, torch.arange(levels) / levels),
            "the levels are k / (L - 1): the last one is 1",
        ),
        (
            lambda logit, x, levels: normalised(logit, x, torch.arange(levels)),
            "the sum must run over the values of x, 0 to 1, not over 0 to L - 1",
        ),
        (unscaled, "that is a distribution, with a slope of logit * (L - 1); let the slope in x be logit"),
        (binomial, "a binomial is a distribution, but its log-probability is not linear in x"),
        (lambda logit, x, levels: right(logit, x, levels).exp(), "that is the probability; its logarithm is asked for"),
        (
            lambda logit, x, levels: right(logit, x, levels).sum(),
            "one number for each pixel is asked for, in the shape of x",
        ),
        (lambda logit, x, levels: -right(logit, x, levels), "the sign: the log of a probability is at most 0"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = []
    for levels, shape in ((2, (5,)), (16, (4, 3)), (17, (2, 2, 2))):
        x = torch.randint(levels, shape, generator=g) / (levels - 1)
        cases.append((2 * torch.randn(shape, generator=g), x, levels))
    raised = [
        ("must match the size of tensor", "give logit an axis for the levels: logit.unsqueeze(-1) * every"),
        ("shapes cannot be multiplied", "give logit an axis for the levels: logit.unsqueeze(-1) * every"),
    ]
    moral = "Two levels give Bernoulli back; with more, the cross-entropy alone counted up to L / 2 times."
    _judge(answer, right, cases, wrong, moral, raised)


# --- 05_autoencoder --------------------------------------------------------------------------------------------------


def code_size(answer: Callable) -> None:
    """Exercise 05.1: the smallest linear code whose error, the sum of the discarded eigenvalues, is at most a limit."""

    def first(enough: Callable) -> Callable:
        """The smallest Z that is enough, by a function of eigenvalues, Z and limit; one more than D if none is."""
        return lambda v, limit: next((Z for Z in range(len(v) + 1) if enough(v, Z, limit)), len(v) + 1)

    nothing = -1

    def given(eigenvalues: Tensor, limit: float):
        """The answer; ``nothing`` where a loop ends without one, so that it is not taken for an empty cell."""
        Z = answer(eigenvalues, limit)
        return nothing if Z is None and answer(torch.ones(2), 1.0) is not None else Z

    right = first(lambda eigenvalues, Z, limit: eigenvalues[Z:].sum() <= limit)
    wrong = [
        (first(lambda v, Z, limit: v[:Z].sum() >= limit), "that adds up what the code *keeps*; the error is the rest"),
        (first(lambda v, Z, limit: v[Z:].sum() < limit), "at most: an error equal to the limit is allowed"),
        (lambda v, limit: right(v, limit) + 1, "one too many: with Z numbers the first Z eigenvalues are kept"),
        (lambda v, limit: right(v, limit) - 1, "one too few: with Z numbers the first Z eigenvalues are kept"),
        (first(lambda v, Z, limit: v[Z:].sum() <= limit * v.sum()), "limit is an error, not a share of the variance"),
        (lambda v, limit: int((v > limit).sum()), "the discarded eigenvalues add up: each alone may be small enough"),
        (
            first(lambda v, Z, limit: Z == len(v) or v[Z:].mean() <= limit),
            "their sum, not their mean: squared error is summed over the directions",
        ),
        (first(lambda v, Z, limit: Z > 0 and v[Z:].sum() <= limit), "an empty code, Z = 0, is allowed"),
        (
            lambda v, limit: right(v, limit) if right(v, limit) < len(v) else nothing,
            "nothing was returned for limit 0: Z may be as large as D",
        ),
    ]
    steps, halves = torch.tensor([4.0, 2.0, 1.0, 1.0]), torch.tensor([3.0, 0.5, 0.5, 0.5, 0.25])
    cases = [(steps, 2.0), (steps, 1.0), (steps, 0.0), (halves, 1.0), (halves, 9.0), (halves, 1.5)]
    moral = "No linear code of that size does better, however it is trained."
    _judge(given, lambda eigenvalues, limit: right(eigenvalues, limit), cases, wrong, moral)


def pca_error(answer: Callable) -> None:
    """Exercise 05.2: squared error of test points after PCA fitted to training points, shape (M,)."""

    def through(fit: Callable, away: Callable, back: Callable) -> Callable:
        """Axes of train less fit(train); the code of test less away(train, test); then back(train, test) is added."""

        def answer(train, test, Z):
            axes = torch.linalg.svd(train - fit(train), full_matrices=False).Vh[:Z]
            return (((test - away(train, test)) @ axes.T @ axes + back(train, test) - test) ** 2).sum(1)

        return answer

    def of_train(train: Tensor, test: Tensor | None = None) -> Tensor:
        return train.mean(0)

    def of_test(train: Tensor, test: Tensor) -> Tensor:
        return test.mean(0)

    def zero(*_) -> Tensor:
        return torch.zeros(())

    def one_number(train: Tensor, test: Tensor | None = None) -> Tensor:
        return train.mean()

    def of_rows(train: Tensor, test: Tensor | None = None) -> Tensor:
        return (train if test is None else test).mean(1, keepdim=True)

    columns = "the mean of each column is asked for, shape (D,)"
    right = through(of_train, of_train, of_train)
    wrong = [
        (through(zero, zero, zero), "the axes must run through the mean of the data, not through 0: subtract it first"),
        (
            through(of_train, of_test, of_test),
            "the test points' own mean was subtracted; a code is learned from training points only",
        ),
        (
            through(of_train, zero, zero),
            "the axes are centred, the test points are not: subtract the mean from them too",
        ),
        (through(of_train, of_train, zero), "the mean was subtracted and never added again"),
        (through(of_train, zero, of_train), "the mean is added at the end; subtract it before the code is computed"),
        (through(zero, of_train, of_train), "centre the training points, too, before their axes are sought"),
        (lambda train, test, Z: right(train, test, Z).mean(), "one error for each test point is asked for, shape (M,)"),
        (lambda train, test, Z: right(train, test, Z) / train.shape[1], "summed over the values, never a mean"),
        (lambda train, test, Z: right(train, test, Z).sqrt(), "the squared error, without the root"),
        (through(one_number, one_number, one_number), f"the mean is one number there; {columns}"),
        (through(of_rows, of_rows, of_rows), f"the mean of each row is subtracted; {columns}"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = []
    for Z in (1, 2, 4):
        train = torch.randn(30, 6, generator=g) * torch.tensor([3.0, 2.0, 1.5, 1.0, 0.5, 0.2]) + 4
        cases.append((train, torch.randn(5, 6, generator=g) + 3, Z))
    moral = "Through 0, the first axis is spent on the mean, which every picture shares."
    raised = [("must match the size of tensor", f"do the shapes fit? If that is the mean: {columns}")]
    _judge(answer, lambda train, test, Z: right(train, test, Z), cases, wrong, moral, raised)


def denoising_loss(answer: Callable) -> None:
    """Exercise 05.3: loss of a denoising autoencoder, |model(x + noise) - x|^2, shape (B,)."""

    def error(given: Callable, wanted: Callable) -> Callable:
        return lambda model, x, noise: ((model(given(x, noise)) - wanted(x, noise)) ** 2).sum((1, 2, 3))

    def clean(x: Tensor, noise: Tensor) -> Tensor:
        return x

    def noisy(x: Tensor, noise: Tensor) -> Tensor:
        return x + noise

    right = error(noisy, clean)
    wrong = [
        (error(noisy, noisy), "it is asked to return the noise as well: compare with the clean picture"),
        (error(clean, clean), "the noise is nowhere: that is a plain autoencoder"),
        (error(clean, noisy), "turned round: the *noisy* picture goes in, and the clean one is wanted"),
        (
            lambda model, x, noise: ((model(x) + noise - x) ** 2).sum((1, 2, 3)),
            "the noise belongs to the input, not to the output",
        ),
        (error(noisy, lambda x, noise: noise), "the clean picture is wanted, not the noise"),
        (lambda model, x, noise: right(model, x, noise).mean(), "one number for each picture is asked for, shape (B,)"),
        (lambda model, x, noise: right(model, x, noise).sum(), "one number for each picture is asked for, shape (B,)"),
        (
            lambda model, x, noise: right(model, x, noise) / x[0].numel(),
            "summed over the pixels, never a mean",
        ),
        (lambda model, x, noise: right(model, x, noise).sqrt(), "the squared error, without the root"),
        (
            lambda model, x, noise: (model(x + noise) - x).abs().sum((1, 2, 3)),
            "the squared error is asked for, not the absolute one",
        ),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cases = [
            (AutoEncoder((1, 4, 4), 2, hidden), torch.rand(3, 1, 4, 4), torch.randn(3, 1, 4, 4))
            for hidden in ((), (8,))
        ]
    moral = "With the noisy picture as target, nothing but the bottleneck removes noise."
    _judge(answer, lambda model, x, noise: right(model, x, noise), cases, wrong, moral)


def phase_between(answer: Callable) -> None:
    """Exercise 05.4: the phase at t of the way from a to b, the short way round, in [0, 1)."""

    def turn(a: Tensor, b: Tensor) -> Tensor:
        return torch.remainder(b - a + 0.5, 1) - 0.5

    def chord(a: Tensor, b: Tensor, t: float) -> Tensor:
        ends = [torch.polar(torch.ones_like(phase), 2 * math.pi * phase) for phase in (a, b)]
        return torch.remainder(torch.lerp(*ends, t).angle() / (2 * math.pi), 1)

    right = lambda a, b, t: torch.remainder(a + t * turn(a, b), 1)  # noqa: E731
    wrong = [
        (
            lambda a, b, t: torch.lerp(a, b, t),
            "from 0.9 to 0.1 that goes by 0.5, the full moon; the short way goes by 0, the new one",
        ),
        (lambda a, b, t: a + t * turn(a, b), "read the result modulo 1: phases lie in [0, 1)"),
        (lambda a, b, t: right(b, a, t), "at t = 0 it should be a, and at t = 1 it should be b"),
        (
            lambda a, b, t: torch.remainder(a + t * torch.remainder(b - a, 1), 1),
            "always forwards: where b lies a little behind a, that is the long way round",
        ),
        (
            lambda a, b, t: torch.remainder(a + t * turn(a, b).abs(), 1),
            "the difference has lost its sign: from 0.3 to 0.2 it is -0.1",
        ),
        (
            lambda a, b, t: torch.remainder(torch.lerp(torch.where(b - a > 0.5, a + 1, a), b, t), 1),
            "b - a above 1/2 is settled; and when b - a is below -1/2?",
        ),
        (
            lambda a, b, t: torch.remainder(torch.lerp(a, torch.where(b - a < -0.5, b + 1, b), t), 1),
            "b - a below -1/2 is settled; and when b - a is above 1/2?",
        ),
        (chord, "the straight line between two points of the circle: its middle is right, but it is not passed evenly"),
    ]
    a, b = torch.tensor([0.9, 0.1, 0.5, 0.3]), torch.tensor([0.2, 0.85, 0.25, 0.55])  # no result near 0, or 1
    moral = "The middle of 0.9 and 0.1 is a new moon, and their average a full one."
    _judge(answer, right, [(a, b, 0.3), (a, b, 0.5), (a, b, 1.0)], wrong, moral)


# --- 06_elbo_and_kl --------------------------------------------------------------------------------------------------


def gaussian_kl(answer: Callable) -> None:
    """Exercise 06.1: KL(N(mu, diag exp(log_var)) || N(0, I)), shape (B,)."""

    def price(mu: Tensor, log_var: Tensor) -> Tensor:
        return 0.5 * (log_var.exp() + mu**2 - 1 - log_var)

    def right(mu, log_var):
        return price(mu, log_var).sum(-1)

    wrong = [
        (price, "one number for each latent; latents are independent, so the price of a code is their sum: sum(-1)"),
        (lambda mu, s: price(mu, s).mean(-1), "a mean over the latents: that would divide the price by their number"),
        (lambda mu, s: price(mu, s).sum(), "one number for all codes; one for each is asked for, shape (B,)"),
        (lambda mu, s: price(mu, s).sum(0), "that sums over the codes; the latents are the last axis: sum(-1)"),
        (lambda mu, s: -right(mu, s), "the sign is turned: a divergence is never negative"),
        (lambda mu, s: 2 * right(mu, s), "the half is missing"),
        (lambda mu, s: right(mu, 2 * s), "log_var is the logarithm of the variance already, not of its square root"),
        (lambda mu, s: right(mu, s / 2), "that takes the standard deviation for the variance"),
        (lambda mu, s: (price(mu, s) + 0.5 * (mu - mu**2)).sum(-1), "the mean is squared"),
        (lambda mu, s: (price(mu, s) - 0.5 * mu**2).sum(-1), "the spring is missing: + mu**2"),
        (lambda mu, s: (price(mu, s) - mu**2).sum(-1), "the sign of mu**2: a mean away from 0 costs something"),
        (lambda mu, s: (price(mu, s) + 0.5).sum(-1), "the 1 is missing: exp(s) is compared with 1 + s, its tangent"),
        (lambda mu, s: (price(mu, s) + s).sum(-1), "the sign of log_var: the tangent is 1 + s, both are subtracted"),
        (
            lambda mu, s: 0.5 * ((-s).exp() * (1 + mu**2) - 1 + s).sum(-1),
            "that is KL(p || q); here the average is taken over q",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(B, Z, generator=g), torch.randn(B, Z, generator=g)) for B, Z in ((5, 3), (2, 7))]
    _judge(answer, right, cases, wrong, "Zero only for mean 0 and variance 1, in every latent.")


def kl_of_two(answer: Callable) -> None:
    """Exercise 06.2: KL(N(m1, exp(s1)) || N(m2, exp(s2))), elementwise."""

    def right(m1, s1, m2, s2):
        return 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2))

    def change(m1, s1, m2, s2, ratio=0.0, square=0.0, log=0.0):
        """The right value with a part of it counted so many times more."""
        extra = ratio * (s1 - s2).exp() + square * (m1 - m2) ** 2 * (-s2).exp() + log * (s1 - s2)
        return right(m1, s1, m2, s2) + 0.5 * extra

    wrong = [
        (
            lambda m1, s1, m2, s2: right(m2, s2, m1, s1),
            "the two are exchanged: the average is taken over the *first*, and KL is not symmetric",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 - 1 - (s1 - s2)),
            "the distance of the means counts in widths of the second: divide its square by exp(s2)",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 * (-s1).exp() - 1 - (s1 - s2)),
            "the square is divided by the first variance; log p of the second is what it comes from",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s2 - s1).exp() + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2)),
            "the ratio of the variances is upside down: exp(s1 - s2)",
        ),
        (lambda *a: right(a[0], a[1], 0 * a[2], 0 * a[3]), "that is the box: m2 and s2 are not used"),
        (lambda *a: right(a[0], a[1], 0 * a[2], a[3]), "m2 is not used"),
        (lambda *a: 2 * right(*a), "the half is missing"),
        (lambda *a: -right(*a), "the sign: a divergence is never negative"),
        (lambda *a: right(*a) + 0.5, "the 1 is missing: equal arguments must give zero"),
        (lambda *a: change(*a, log=1), "the difference of the logarithms, s1 - s2, is missing"),
        (lambda *a: change(*a, log=2), "the sign of s1 - s2: check it with the box, where s2 = 0"),
        (lambda *a: change(*a, square=-1), "the distance of the means is missing"),
        (lambda *a: change(*a, square=-2), "the sign of the square: means apart cost something"),
        (lambda *a: right(a[0], 2 * a[1], a[2], 2 * a[3]), "s1 and s2 are log-variances already"),
        (lambda *a: right(*a).sum(-1), "elementwise, without a sum"),
        (
            lambda m1, s1, m2, s2: 0.5 * (s1.exp() + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2)),
            "the first variance counts in units of the second: exp(s1 - s2)",
        ),
        (
            lambda m1, s1, m2, s2: right(m1, s1, 0 * m1, 0 * s1) - right(m2, s2, 0 * m2, 0 * s2),
            "divergences from the prior do not subtract: average log q - log p of these two",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(shape, generator=g) for _ in range(4)) for shape in ((4,), (3, 2))]
    _judge(answer, right, cases, wrong, "For m2 = s2 = 0 it is the box.")


def minus_bound(answer: Callable) -> None:
    """Exercise 06.3: -log 1/K sum_k exp(-losses_k) of losses (K, B), without overflow, shape (B,)."""

    def right(losses):
        return math.log(len(losses)) - torch.logsumexp(-losses, 0)

    worst = "the weights are turned round: a large loss must get a small weight"
    wrong = [
        (lambda losses: (losses.softmax(0) * losses).sum(0), worst),
        (lambda losses: torch.logsumexp(losses, 0) - math.log(len(losses)), worst),
        (
            lambda losses: ((-losses).softmax(0) * losses).sum(0),
            "the weights are right now, but a weighted mean of losses is not the bound (its gradient is, with the "
            "weights detached)",
        ),
        (lambda losses: -torch.logsumexp(-losses, 0), "a mean of K weights, not their sum: log K is missing"),
        (lambda losses: -torch.logsumexp(-losses, 0) - math.log(len(losses)), "the sign of log K"),
        (lambda losses: -right(losses), "the bound itself; minus the bound is asked for"),
        (lambda losses: losses.mean(0), "that is minus the ELBO: the logarithm belongs outside the mean"),
        (lambda losses: losses.amin(0), "only the best draw; the others count, too"),
        (lambda losses: losses.amax(0), "the worst draw"),
        (
            lambda losses: -(-losses).exp().mean(0).log(),
            "right for small losses; exp(-1000) is 0, so let torch.logsumexp do it",
        ),
        (
            lambda losses: math.log(losses.shape[1]) - torch.logsumexp(-losses, 1),
            "the draws are the first axis",
        ),
        (
            lambda losses: -(losses.amin(0) - losses).exp().mean(0).log(),
            "stable, but the minimum that was subtracted must be added back",
        ),
        (
            lambda losses: math.log(len(losses)) - torch.logsumexp(losses, 0),
            "the minus sign inside: logsumexp of -losses",
        ),
        (lambda losses: right(losses).mean(), "one number for all pictures; one for each is asked for, shape (B,)"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(3 * torch.randn(4, 3, generator=g),), (1_000 + torch.randn(6, 2, generator=g),)]
    cases.append((torch.tensor([[10.0], [100.0]]),))
    _judge(answer, right, cases, wrong, "Losses of 10 and 100 make 10.69: the good draw rescues the bad one.")


def code_and_price(answer: Callable) -> None:
    """Exercise 06.4: the code m + exp(s) eps and its KL from N(0, I), s a log-standard deviation."""

    def code(m, s, eps):
        return m + s.exp() * eps

    def price(m: Tensor, variance: Tensor, log_var: Tensor) -> Tensor:
        return 0.5 * (variance - 1 - log_var + m**2)

    def right(m, s, eps):
        return code(m, s, eps), price(m, (2 * s).exp(), 2 * s).sum(-1)

    wrong = [
        (
            lambda m, s, eps: (code(m, s, eps), price(m, s.exp(), s).sum(-1)),
            "the price still takes s for a log-variance; the variance of this code is exp(2 s)",
        ),
        (
            lambda m, s, eps: (code(m, 2 * s, eps), price(m, (2 * s).exp(), 2 * s).sum(-1)),
            "the price is right, but now the draw has changed, too: its standard deviation is exp(s)",
        ),
        (
            lambda m, s, eps: (code(m, s / 2, eps), price(m, s.exp(), s).sum(-1)),
            "now the two lines agree, but on the other meaning: here s is the log-standard deviation",
        ),
        (
            lambda m, s, eps: (code(m, s / 2, eps), price(m, (2 * s).exp(), 2 * s).sum(-1)),
            "the first line was right; now they disagree the other way",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), price(m, (2 * s).exp(), s).sum(-1)),
            "the variance is right now; its logarithm is 2 s",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), price(m, s.exp(), 2 * s).sum(-1)),
            "the logarithm is right now; the variance itself is exp(2 s)",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), price(m, (s / 2).exp(), s / 2).sum(-1)),
            "the other way: from a log-standard deviation to a log-variance one multiplies by 2",
        ),
        (lambda m, s, eps: (code(m, s, eps), -right(m, s, eps)[1]), "the sign: a divergence is never negative"),
        (lambda m, s, eps: (code(m, s, eps), price(m, (2 * s).exp(), 2 * s)), "sum over the latents, shape (B,)"),
        (
            lambda m, s, eps: (code(m, s, eps), price(m, (2 * s).exp(), 2 * s).mean(-1)),
            "a mean over the latents: the price of a code is their sum",
        ),
        (lambda m, s, eps: right(m, s, eps)[1], "the code belongs to the answer, too: return both"),
        (lambda m, s, eps: right(m, s, eps)[0], "the price belongs to the answer, too: return both"),
        (lambda m, s, eps: right(m, s, eps)[::-1], "the code comes first"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(B, Z, generator=g) for _ in range(3)) for B, Z in ((4, 3), (2, 5))]
    _judge(answer, right, cases, wrong, "At m = 0.7 and s = log 0.4 the slip charges 0.403 instead of 0.741 nats.")


# --- 07_vae ----------------------------------------------------------------------------------------------------------


def effective_beta(answer: Callable) -> None:
    """Exercise 07.1: the beta of the summed ELBO that a loss of two means stands for, beta D / Z."""
    both = "each mean divides by a number: the pixels' by D, the latents' by Z; multiply the whole loss by D"
    wrong = [
        (lambda beta, D, Z: beta * Z / D, "upside down: averaging the *likelihood* over D makes the KL dearer"),
        (lambda beta, D, Z: beta * D, "the KL is averaged too, over Z latents"),
        (lambda beta, D, Z: beta / Z, "the likelihood is averaged too, over D pixels"),
        (lambda beta, D, Z: beta * D * Z, "a mean over Z latents makes the KL cheaper, not dearer"),
        (lambda beta, D, Z: beta / (D * Z), both),
        (lambda beta, D, Z: beta / D, both),
        (lambda beta, D, Z: beta * Z, both),
        (lambda beta, D, Z: beta, "the two means do not divide by the same number"),
        (lambda beta, D, Z: D / Z, "beta itself is a factor"),
        (lambda beta, D, Z: beta * (D // Z), "a whole-number division: use /"),
    ]
    right = lambda beta, D, Z: beta * D / Z  # noqa: E731
    cases = [(0.1, 784, 10), (1.0, 64, 16), (4.0, 3072, 100)]
    _judge(answer, right, cases, wrong, "A loss that says 0.1 may mean 7.84.")


def active_units(answer: Callable) -> None:
    """Exercise 07.2: number of latents whose posterior mean varies over pictures by more than the threshold."""
    across = "over the pictures (the first axis), one variance for each latent"
    wrong = [
        (lambda mu, threshold: int((mu.var(1) > threshold).sum()), f"that is the variance over the latents; {across}"),
        (lambda mu, threshold: int((mu.std(0) > threshold).sum()), "the threshold is one of the variance, not of std"),
        (lambda mu, threshold: int((mu.square().mean(0) > threshold).sum()), "subtract the mean: a constant is silent"),
        (lambda mu, threshold: int((mu.abs().mean(0) > threshold).sum()), "a mean that is always the same is silent"),
        (lambda mu, threshold: int((mu.abs() > threshold).sum()), f"that counts codes, not latents; {across}"),
        (lambda mu, threshold: int((mu.mean(0).abs() > threshold).sum()), "whether it moves counts, not where it is"),
        (lambda mu, threshold: int((mu.var(0) < threshold).sum()), "those are the silent ones"),
        (lambda mu, threshold: mu.var(0) > threshold, "count them: one number is asked for"),
        (lambda mu, threshold: mu.var(0), "compare with the threshold, and count"),
        (lambda mu, threshold: (mu.var(0) > threshold).double().mean(), "their number is asked for, not their share"),
        (lambda mu, threshold: int(mu.var() > threshold), across),
    ]
    right = lambda mu, threshold: int((mu.var(0) > threshold).sum())  # noqa: E731
    g = torch.Generator().manual_seed(0)

    def means(pictures: int, scales: Sequence[float], offsets: Sequence[float]) -> Tensor:
        return torch.randn(pictures, len(scales), generator=g) * torch.tensor(scales) + torch.tensor(offsets)

    cases = [
        (means(40, [1.0, 0.05, 0.9, 0.02, 0.04], [0.0, 0.0, 2.0, 0.7, -0.4]), 0.01),
        (means(60, [0.01, 0.8, 0.03], [0.5, 0.0, 0.0]), 0.01),
        (means(30, [1.0, 0.6, 0.55, 0.1], [0.0, 3.0, -0.1, 1.0]), 0.5),
        (means(32, [1.0, 0.0, 1.0], [0.0, 2.0, 0.0]), 0.0),  # *above* the threshold
    ]
    _judge(answer, right, cases, wrong, "A latent whose mean never moves says nothing, wherever it stands.")


def free_bits(answer: Callable) -> None:
    """Exercise 07.3: the KL of a batch (B, Z) with ``floor`` nats free for each latent, a scalar."""

    def price(clamp: Callable, reduce: Callable = lambda k: k.sum()) -> Callable:
        return lambda kl, floor: reduce(clamp(kl, floor))

    def at_least(kl, floor):
        return kl.mean(0).clamp(min=floor)

    wrong = [
        (
            price(lambda kl, floor: kl.mean(0).clamp(max=floor)),
            "min charges in full below the floor and not at all above it: with max what is below costs the same",
        ),
        (
            price(lambda kl, floor: (kl.mean(0) - floor).clamp(min=0)),
            "the same gradient, but not the price: below the floor a latent costs the floor, not 0",
        ),
        (lambda kl, floor: (kl - floor).clamp(min=0).mean(0).sum(), "mean over the pictures first; and max(floor, …)"),
        (price(lambda kl, floor: kl.clamp(min=floor).mean(0)), "mean over the pictures first, then max"),
        (price(lambda kl, floor: kl.clamp(max=floor).mean(0)), "mean over the pictures first, then max; and not min"),
        (price(lambda kl, floor: kl.clamp(min=floor)), "mean over the pictures first: (Z,)"),
        (lambda kl, floor: kl.sum(1).mean().clamp(min=floor), "the floor is one for each latent, not for their sum"),
        (lambda kl, floor: kl.mean(0).sum().clamp(min=floor), "the floor is one for each latent, not for their sum"),
        (price(at_least, lambda k: k.mean()), "the sum over the latents, not a mean"),
        (at_least, "sum over the latents: one number"),
        (lambda kl, floor: kl.mean(0).sum(), "the floor is not used"),
        (price(lambda kl, floor: kl.mean(0) * (kl.mean(0) > floor)), "below the floor it costs the floor, not 0"),
        (price(lambda kl, floor: kl.mean(1).clamp(min=floor)), "the mean is one over the pictures, the first axis"),
    ]
    right = price(at_least)
    g = torch.Generator().manual_seed(0)
    cases = [
        (torch.rand(5, 4, generator=g) * torch.tensor([0.1, 0.8, 2.0, 3.0]), 0.5),
        (torch.rand(6, 3, generator=g) * torch.tensor([1.0, 0.2, 4.0]), 0.3),
        (0.1 * torch.rand(4, 3, generator=g), 0.4),
    ]
    raised = [("must be Tensor", "floor is a Python number: use clamp(min=floor), or torch.tensor(floor)")]
    _judge(answer, right, cases, wrong, "Below the floor the slope is 0: nothing is gained by saying less.", raised)


# --- 08_gan ----------------------------------------------------------------------------------------------------------


def generator_loss(answer: Callable) -> None:
    """Exercise 08.1: the non-saturating loss of the generator, the mean of softplus(-logit), a scalar."""
    flat = "the 1e-8 flattens it: at a logit of -30 the slope is -1e-5 in place of -1; use softplus"
    wrong = [
        (lambda logits: -(torch.sigmoid(logits) + 1e-8).log().mean(), flat),
        (lambda logits: -(torch.sigmoid(logits) + 1e-6).log().mean(), flat),
        (lambda logits: -F.softplus(logits).mean(), "that is the minimax cost, log(1 - D): it is flat where D is sure"),
        (lambda logits: F.softplus(logits).mean(), "that is what the discriminator pays for made pictures: the sign"),
        (lambda logits: -F.softplus(-logits).mean(), "the sign: minimised, this makes the pictures worse"),
        (lambda logits: F.softplus(-logits).sum(), "the mean over the batch is asked for, not the sum"),
        (lambda logits: F.softplus(-logits), "one number is asked for: the mean over the batch"),
        (lambda logits: -logits.mean(), "that is the Wasserstein critic's: here D is a probability, softplus(-logit)"),
        (
            lambda logits: -torch.sigmoid(logits).log().mean(),
            "right in exact arithmetic; at a logit of -120 the sigmoid is 0 (and exp(120) infinite) in single "
            "precision: use softplus or logsigmoid",
        ),
        (
            lambda logits: F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits)),
            "binary cross-entropy of a probability is clipped at 100: use the form with logits",
        ),
    ]
    right = lambda logits: F.softplus(-logits).mean()  # noqa: E731
    cases = [
        (torch.tensor([0.3, -1.2, 2.0, 0.0]),),
        (torch.tensor([-50.0, -30.0, 1.0]),),
        (torch.tensor([-120.0, 50.0]),),
    ]
    _judge(answer, right, cases, wrong, "The slope at a picture that fools nobody is -1, however sure D is.")


def discriminator_loss(answer: Callable) -> None:
    """Exercise 08.2: the loss of the discriminator, a scalar, whose gradient does not reach the generator."""

    def loss(real_sign: int = -1, reduce: Callable = torch.mean, cut: Callable = Tensor.detach) -> Callable:
        return lambda G, D, x, z: reduce(F.softplus(real_sign * D(x))) + reduce(F.softplus(-real_sign * D(cut(G(z)))))

    def without_grad(G, D, x, z):  # noqa: N803
        with torch.no_grad():
            return loss()(G, D, x, z)

    def measured(answer: Callable) -> Callable:
        """The loss; the largest gradient that its backward leaves in G, and in D; how many parameters do not learn."""

        def of(G, D, x, z):  # noqa: N803
            players = G, D = copy.deepcopy((G, D))  # noqa: N806 -- backward writes into them
            value = answer(G, D, x, z)
            number = _tensor(value)
            if _unanswered(value) or number is None or number.ndim:
                return value
            if isinstance(value, Tensor) and value.requires_grad:
                value.backward()
            grads = [[p.grad.abs().max() for p in player.parameters() if p.grad is not None] for player in players]
            left = [float(max(found, default=0.0)) for found in grads]
            frozen = sum(not p.requires_grad for player in players for p in player.parameters())
            return torch.tensor([float(number), *left, frozen], dtype=torch.float64)

        return of

    def left_frozen(G, D, x, z):  # noqa: N803
        G.requires_grad_(False)
        return loss()(G, D, x, z)

    wrong = [
        (
            measured(loss(cut=lambda fake: fake)),
            "the number is right, but backward() leaves gradients in G: detach the made points",
        ),
        (
            measured(lambda G, D, x, z: F.softplus(-D(x)).mean() + F.softplus(D(G(z)).detach()).mean()),
            "detach the points, not D's logits: here D learns nothing from made points",
        ),
        (measured(without_grad), "nothing has a gradient now: D must learn, only G must not"),
        (measured(loss(real_sign=1)), "the sign: this D learns to call made points real"),
        (measured(loss(reduce=torch.sum)), "means over the points are asked for, not sums"),
        (
            measured(lambda G, D, x, z: F.softplus(-D(x.detach())).mean()),
            "half of it: what D pays for made points is missing",
        ),
        (
            measured(lambda G, D, x, z: loss()(G, D, x, z) / 2),
            "the two means are added, not averaged",
        ),
        (
            measured(lambda G, D, x, z: F.softplus(-D(x)) + F.softplus(D(G(z).detach()))),
            "one number is asked for: means over the points",
        ),
        (measured(left_frozen), "G stays frozen after your function returns: its own step would fail; detach instead"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0))  # noqa: N806
        cases = [(G, D, torch.randn(5, 2), torch.randn(5, 2)), (G, D, torch.randn(4, 2), torch.randn(4, 2))]
    moral = "A loss may have the right value and the wrong gradient."
    _judge(measured(answer), measured(loss()), cases, wrong, moral)


def suspicious(answer: Callable) -> None:
    """Exercise 08.3: share of samples nearer to the training set than all but 1 % of held-out pictures."""

    def apart(x: Tensor, among: Tensor) -> Tensor:
        return torch.cdist(x.flatten(1), among.flatten(1))

    def below(d: Callable, limit: Callable, of: Callable = lambda near: near.double().mean()) -> Callable:
        return lambda *sets: of(d(*sets) < limit(*sets))

    def nearest(samples: Tensor, train: Tensor, held_out: Tensor) -> Tensor:
        return apart(samples, train).amin(1)

    def limit(samples: Tensor, train: Tensor, held_out: Tensor, q: float = 0.01) -> Tensor:
        return apart(held_out, train).amin(1).quantile(q)

    innocent = "a copier copies *training* pictures: their copies are far from the held-out ones"
    wrong = [
        (below(lambda samples, train, held_out: apart(samples, held_out).amin(1), limit), innocent),
        (
            below(nearest, lambda samples, train, held_out: apart(samples, held_out).amin(1).quantile(0.01)),
            "the limit compares held-out pictures with training pictures; no sample has a part in it",
        ),
        (
            below(nearest, lambda samples, train, held_out: apart(train, train).amin(1).quantile(0.01)),
            "a training picture is at distance 0 from itself: the limit comes from held-out pictures",
        ),
        (
            below(nearest, lambda samples, train, held_out: nearest(samples, train, held_out).quantile(0.01)),
            "1 % of anything is below its own 1 % quantile: the limit comes from held-out pictures",
        ),
        (below(nearest, lambda *sets: limit(*sets, 0.99)), "the 1 % quantile is 0.01, not 0.99"),
        (below(nearest, lambda *sets: limit(*sets, 0.5)), "below the median is half of all real pictures: 0.01"),
        (below(nearest, limit, lambda near: near.sum()), "their share is asked for, not their number"),
        (below(nearest, limit, lambda near: 1 - near.double().mean()), "that is the share of those without suspicion"),
        (below(nearest, limit, lambda near: near), "one number is asked for: the mean"),
        (below(lambda *sets: apart(*sets[:2]).mean(1), limit), "the *nearest* training picture: amin, not mean"),
    ]
    g = torch.Generator().manual_seed(0)
    train, held_out, others = (torch.randn(n, 1, 3, 3, generator=g) for n in (30, 24, 10))
    copies = train[:10] + 0.01 * torch.randn(10, 1, 3, 3, generator=g)
    row = torch.arange(1.0, 102.0).view(101, 1, 1, 1)  # at 1 ... 101 from zero
    points = torch.tensor([0.3, 1.5, 2.5, 50.0]).view(4, 1, 1, 1)
    tie = torch.tensor([2.0, 1.0, 5.0, -2.0]).view(4, 1, 1, 1)  # *below* the limit
    zero = torch.zeros(1, 1, 1, 1)
    cases = [
        (torch.cat([copies, others]), train, held_out),
        (points, zero, row),
        (tie, zero, torch.full((1, 1, 1, 1), 2.0)),
    ]
    _judge(answer, below(nearest, limit), cases, wrong, "A test for copies must first catch a copier.")


def smoothed_rest(answer: Callable) -> None:
    """Exercise 08.4: where a discriminator rests that is asked to say s for real points, s a / (a + b)."""
    wrong = [
        (lambda a, b, s: a / (a + b), "that is for s = 1"),
        (lambda a, b, s: s * a / (s * a + b), "real points ask for 'made' too, with weight 1 - s: add a (1 - s) below"),
        (lambda a, b, s: (1 - s) * a / (a + b), "s is what D should say of real points, not 1 - s"),
        (lambda a, b, s: (s * a + (1 - s) * b) / (a + b), "one-sided: made points ask for 0, not for 1 - s"),
        (lambda a, b, s: s * b / (a + b), "a is the density of the real points"),
        (lambda a, b, s: b / (a + b), "a is the density of the real points"),
        (lambda a, b, s: s * a / ((1 - s) * a + b), "that is D / (1 - D): solve for D"),
        (lambda a, b, s: math.log(s * a / ((1 - s) * a + b)), "that is the logit: its sigmoid is asked for"),
        (lambda a, b, s: s, "that is where only real points are: made ones pull D down"),
        (lambda a, b, s: s / 2, "right only where a = b"),
        (lambda a, b, s: (a + b) / (a + 2 * b), "that is section 2's mistake, not this one"),
    ]
    right = lambda a, b, s: s * a / (a + b)  # noqa: E731
    cases = [(0.3, 0.5, 0.9), (2.0, 2.0, 0.9), (1.0, 0.25, 0.7)]
    _judge(answer, right, cases, wrong, "At the end of the game this D says s / 2: 0.45, not one half.")


# --- 09_gan_theory ---------------------------------------------------------------------------------------------------


def best_discriminator(answer: Callable) -> None:
    """Exercise 09.1: the optimal D for batches with a share of real ones, share p / (share p + (1 - share) q)."""
    wrong = [
        (
            lambda p, q, share: p / (p + q),
            "that is for equal shares: real points now weigh `share`, made ones the rest",
        ),
        (lambda p, q, share: (1 - share) * p / ((1 - share) * p + share * q), "`share` is that of the real ones"),
        (
            lambda p, q, share: (1 - share) * q / (share * p + (1 - share) * q),
            "that is the probability of *made*: 1 - D",
        ),
        (lambda p, q, share: share * p / (p + q), "the shares belong into both terms of the denominator"),
        (lambda p, q, share: share * p / (share * p + q), "the made ones have a share, too: 1 - share"),
        (lambda p, q, share: p / (p + (1 - share) * q), "the real ones have a share, too"),
        (lambda p, q, share: p / (share * p + (1 - share) * q), "a = share * p: in the numerator, too"),
        (lambda p, q, share: share * p / ((1 - share) * q), "that is a / b, the odds; D is a / (a + b)"),
        (
            lambda p, q, share: torch.log(share * p / ((1 - share) * q)),
            "that is the logit; D is its sigmoid",
        ),
        (lambda p, q, share: torch.log(p / q).sigmoid(), "the logit is shifted by log(share / (1 - share))"),
    ]
    right = lambda p, q, share: share * p / (share * p + (1 - share) * q)  # noqa: E731
    g = torch.Generator().manual_seed(0)
    cases = [(*(0.1 + torch.rand(2, 5, generator=g)), share) for share in (0.25, 0.9, 0.5)]
    moral = "Its logit is log p - log q + log(share / (1 - share)): subtract the last to get the density ratio."
    _judge(answer, right, cases, wrong, moral)


def jsd_by_draws(answer: Callable) -> None:
    """Exercise 09.2: the JSD from draws x of p and y of q and the two log-densities; m is the mean of the densities."""

    def estimate(log_m: Callable, weight: float = 0.5) -> Callable:
        def jsd(x, y, log_p, log_q):
            at_x, at_y = log_m(log_p(x), log_q(x)), log_m(log_p(y), log_q(y))
            return weight * (log_p(x) - at_x).mean() + weight * (log_q(y) - at_y).mean()

        return jsd

    def middle(a, b):
        return torch.logaddexp(a, b) - math.log(2)

    wrong = [
        (
            estimate(lambda a, b: (a + b) / 2),
            "m is the mean of the two densities; the mean of their logs is the log of something smaller",
        ),
        (estimate(torch.logaddexp), "m is half of the sum: log 2 is missing"),
        (estimate(lambda a, b: a + b), "the log of a sum is not the sum of the logs: torch.logaddexp"),
        (estimate(middle, 1.0), "the mean of the two KL divergences, not their sum"),
        (
            estimate(lambda a, b: (a.exp() / 2 + b.exp() / 2).log()),
            "far away both densities are 0 in floating point, and so is m: torch.logaddexp never leaves the logs",
        ),
        (
            lambda x, y, log_p, log_q: (log_p(x) - middle(log_p(x), log_q(x))).mean(),
            "only one of the two KL divergences",
        ),
        (
            lambda x, y, log_p, log_q: 0.5 * (log_p(x) - log_q(x)).mean() + 0.5 * (log_q(y) - log_p(y)).mean(),
            "KL to the middle m, not to each other",
        ),
        (
            lambda x, y, log_p, log_q: 0.5 * (log_p(x) + log_q(x) - 2 * middle(log_p(x), log_q(x))).mean(),
            "log q belongs to draws of q",
        ),
        (
            lambda x, y, log_p, log_q: (
                0.5 * (log_p(x) - middle(log_p(x), log_q(x))).sum()
                + 0.5 * (log_q(y) - middle(log_p(y), log_q(y))).sum()
            ),
            "an average over the draws, not a sum",
        ),
    ]
    g = torch.Generator().manual_seed(0)

    def bell(mu: float) -> Callable:
        return lambda t: -0.5 * (t - mu) ** 2 - 0.5 * math.log(2 * math.pi)

    def case(mu: float, n: int, k: int) -> tuple:
        x, y = (torch.randn(size, generator=g, dtype=torch.float64) for size in (n, k))
        return x, y + mu, bell(0.0), bell(mu)

    far = (torch.tensor([0.0, 45.0]).double(), torch.tensor([90.0, 50.0]).double(), bell(0.0), bell(90.0))
    cases = [case(1.0, 30, 30), case(3.0, 40, 20), far]
    _judge(answer, estimate(middle), cases, wrong, "It is never above log 2, whatever the distance.")


def jsd_bound(answer: Callable) -> None:
    """Exercise 09.3: (V + log 4) / 2 from a discriminator's logits, stable for large ones."""

    def V(real, fake):
        return -F.softplus(-real).mean() - F.softplus(fake).mean()

    def pooled(real, fake):
        return math.log(2) - torch.cat([F.softplus(-real), F.softplus(fake)]).mean()

    def unstable(real, fake):
        return 0.5 * (real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean() + math.log(4))

    wrong = [
        (unstable, "D rounds to 0 or 1 at large logits, and its log is infinite: softplus is stable"),
        (
            pooled,
            "one mean over all points weighs the larger group more: a mean for each group",
        ),
        (lambda r, f: V(r, f) + math.log(4), "V = -log 4 + 2 JSD: divide by 2"),
        (
            lambda r, f: (0.5 * (V(r, f) + math.log(4))).clamp(min=0),
            "a valid bound, too, but leave it negative: it says how badly D does",
        ),
        (lambda r, f: 0.5 * (V(r, f) - math.log(4)), "the sign of log 4: bring it to the other side"),
        (lambda r, f: 0.5 * (math.log(4) - V(r, f)), "the sign of V: a better discriminator has a larger one"),
        (lambda r, f: 0.5 * V(r, f), "log 4 is missing: D = 1/2 must prove nothing"),
        (lambda r, f: V(r, f), "that is V; the JSD is (V + log 4) / 2"),
        (lambda r, f: -V(r, f), "that is what D minimises; the JSD is (log 4 - loss) / 2"),
        (lambda r, f: 0.5 * V(r, f) + math.log(4), "log 4 is divided by 2, too"),
        (
            lambda r, f: 0.5 * (V(-r, -f) + math.log(4)),
            "real and fake are exchanged: -log D is softplus(-logit), -log(1 - D) is softplus(logit)",
        ),
        (lambda r, f: 0.5 * (V(r, -f) + math.log(4)), "for made points it is log(1 - D)"),
        (lambda r, f: 0.5 * (r.mean() - f.mean()), "that is half the difference of a critic's means"),
        (
            lambda r, f: 0.5 * (V(r, f) / math.log(2) + 2),
            "nats use the natural logarithm",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(a, generator=g) + 1, torch.randn(b, generator=g) - 1) for a, b in ((6, 6), (8, 3))]
    cases.append((torch.tensor([200.0, -200.0, 3.0]), torch.tensor([-200.0, 200.0])))
    right = lambda real_logits, fake_logits: 0.5 * (V(real_logits, fake_logits) + math.log(4))  # noqa: E731
    _judge(answer, right, cases, wrong, "It holds up to the chance of the draw; a negative one says nothing.")


# --- 10_gan_losses ---------------------------------------------------------------------------------------------------


def likelihood_loss(answer: Callable) -> None:
    """Exercise 10.1: the maximum-likelihood generator loss -E D / (1 - D) from logits, -E exp(f)."""

    def odds(D: Callable) -> Callable:
        return lambda f: -(D(f) / (1 - D(f))).mean()

    wrong = [
        (odds(torch.sigmoid), "right on paper; at a logit of 20 float32 has D = 1 and divides by 0: simplify first"),
        (odds(lambda f: f), "f is a logit, not a probability"),
        (lambda f: f.exp().mean(), "the sign: the generator minimises, and a higher logit must cost less"),
        (lambda f: -(-f).exp().mean(), "upside down: D / (1 - D), not (1 - D) / D"),
        (lambda f: (-f).exp().mean(), "upside down: D / (1 - D), not (1 - D) / D"),
        (lambda f: -f.exp().sum(), "the mean over the samples, not their sum"),
        (lambda f: -f.exp(), "one number: the mean over the samples"),
        (lambda f: -f.mean().exp(), "the mean of the exponentials, not the exponential of the mean"),
        (lambda f: -f.mean(), "that is Wasserstein's"),
        (lambda f: F.softplus(-f).mean(), "that is the non-saturating loss, -log D"),
        (lambda f: -F.softplus(f).mean(), "that is minimax, log(1 - D)"),
        (lambda f: -f.sigmoid().mean(), "1 - D is missing"),
        (lambda f: -f.exp().mean() / 2, "the tutorial's factor 1/2; here without it"),
    ]
    right = lambda f: -f.exp().mean()  # noqa: E731
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(6, generator=g),), (3 * torch.randn(4, generator=g),), (torch.tensor([-30.0, 0.5, 20.0]),)]
    _judge(answer, right, cases, wrong, "D / (1 - D) is e to the logit: nothing to divide, and nothing to lose.")


def relativistic_loss(answer: Callable) -> None:
    """Exercise 10.2: the paired relativistic generator loss E softplus(real - fake), a scalar."""
    wrong = [
        (
            lambda real, fake: F.softplus(-fake).mean(),
            "the second line overwrites the first: real is never used, and this is the plain non-saturating loss",
        ),
        (
            lambda real, fake: (F.softplus(real - fake) + F.softplus(-fake)).mean(),
            "a sum of two losses; the relativistic one alone is asked for",
        ),
        (
            lambda real, fake: -torch.sigmoid(fake - real).log().mean(),
            "right on paper; far apart the sigmoid is 0 and its logarithm infinite: use softplus",
        ),
        (lambda real, fake: F.softplus(fake - real).mean(), "the sign: that is the discriminator's loss"),
        (lambda real, fake: F.softplus(fake).mean(), "real is not used, and the sign is turned"),
        (lambda real, fake: -F.softplus(fake - real).mean(), "that is the relativistic *minimax*: it saturates"),
        (
            lambda real, fake: F.softplus(real.mean() - fake).mean(),
            "that is the relativistic *average*; here each made picture has a real partner",
        ),
        (
            lambda real, fake: F.softplus(real[:, None] - fake[None]).mean(),
            "all pairs; here each made picture has one partner, the same row",
        ),
        (lambda real, fake: F.softplus(real - fake), "one number: the mean over the pairs"),
        (lambda real, fake: F.softplus(real - fake).sum(), "the mean over the pairs, not their sum"),
        (lambda real, fake: (real - fake).mean(), "without softplus that is Wasserstein's"),
        (lambda real, fake: F.softplus((real - fake).mean()), "softplus of each pair first, then the mean"),
    ]
    right = lambda real, fake: F.softplus(real - fake).mean()  # noqa: E731
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(2, n, generator=g)) for n in (5, 3)]
    cases.append((torch.tensor([60.0, -20.0, 0.0]), torch.tensor([-60.0, 30.0, 0.5])))
    _judge(answer, right, cases, wrong, "Test: with other real pictures the loss must change.")


def effective_share(answer: Callable) -> None:
    """Exercise 10.3: effective sample size over n of the maximum-likelihood weights exp(f), for any size of f."""

    def share(w: Tensor) -> Tensor:
        return w.sum() ** 2 / (w.square().sum() * len(w))

    wrong = [
        (
            lambda f: share(f.exp()),
            "right for small logits; exp(100) overflows float32. A common factor cancels: subtract the largest logit",
        ),
        (lambda f: share(f.sigmoid()), "those are minimax's weights, D; maximum likelihood has D / (1 - D)"),
        (lambda f: share((-f).sigmoid()), "those are the non-saturating weights, 1 - D"),
        (lambda f: share(f), "f is a logit; the weight is exp(f)"),
        (lambda f: 1 / f.softmax(0).square().sum(), "that is the number of samples; divide by n"),
        (lambda f: f.softmax(0).square().sum(), "that is one over the number of effective samples"),
        (lambda f: f.softmax(0).square().sum() * len(f), "upside down: evenly spread weights give 1, one sample 1/n"),
        (lambda f: f.softmax(0).square().mean(), "square of the sum over n times the sum of squares"),
        (lambda f: f.softmax(0).max(), "that is the share of the largest weight"),
        (lambda f: 1 / (f.softmax(0).max() * len(f)), "all weights count, by their squares, not only the largest"),
        (
            lambda f: f.softmax(0).sort(descending=True).values[: max(1, len(f) // 20)].sum(),
            "that is the share of the top 5 %",
        ),
    ]
    right = lambda f: share(f.softmax(0))  # noqa: E731
    g = torch.Generator().manual_seed(0)
    scales = ((40, 1.0, 0.0), (60, 2.0, 0.0), (50, 1.0, 100.0))
    cases = [(scale * torch.randn(n, generator=g) + offset,) for n, scale, offset in scales]
    _judge(answer, right, cases, wrong, "At the optimal D it is 1 / (1 + chi2): the farther from the data, the less.")


# --- 11_wasserstein --------------------------------------------------------------------------------------------------


def w1_line(answer: Callable) -> None:
    """Exercise 11.1: W1 between two samples of numbers (n,), a scalar: pair them in sorted order."""

    def pairs(reduce: Callable) -> Callable:
        return lambda a, b: reduce(a.sort().values - b.sort().values)

    wrong = [
        (lambda a, b: (a - b).abs().mean(), "that is one plan, not the cheapest: sort both first"),
        (lambda a, b: (a.sort().values - b).abs().mean(), "sort both samples"),
        (lambda a, b: (a - b.sort().values).abs().mean(), "sort both samples"),
        (
            lambda a, b: (a.sort().values - b.sort(descending=True).values).abs().mean(),
            "the smallest to the largest is the dearest plan: sort both the same way",
        ),
        (lambda a, b: (a.mean() - b.mean()).abs(), "that is only a lower bound: earth may have to go both ways"),
        (pairs(lambda d: d.mean().abs()), "the absolute value of each difference, then the mean"),
        (pairs(lambda d: d.mean()), "a way has no sign: take absolute values"),
        (pairs(lambda d: d.abs().sum()), "each point has mass 1 / n: the mean, not the sum"),
        (pairs(lambda d: d.square().mean()), "that is W2 squared: W1 takes the length of the way itself"),
        (pairs(lambda d: d.square().mean().sqrt()), "that is W2: W1 takes the length of the way itself"),
        (pairs(lambda d: d.norm()), "the mean of absolute values, not the length of the whole vector"),
        (pairs(lambda d: d.abs()), "one number: the mean over the pairs"),
        (pairs(lambda d: d.abs().max()), "the mean of the ways, not the longest"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(2, n, generator=g)) for n in (6, 9)]
    cases.append((torch.tensor([3.0, 0.0]), torch.tensor([1.0, 2.0])))
    _judge(answer, pairs(lambda d: d.abs().mean()), cases, wrong, "On a line no cheaper plan exists.")


def between(answer: Callable) -> None:
    """Exercise 11.2: a place between each real and each fake picture, (B, C, H, W), share t (B,) of the real."""

    def mixed(shape: Callable) -> Callable:
        return lambda real, fake, t: shape(t) * real + (1 - shape(t)) * fake

    right = mixed(lambda t: t.view(-1, 1, 1, 1))
    columns = "t meets the last axis here, the columns of every picture: give it the shape (B, 1, 1, 1)"
    wrong = [
        (mixed(lambda t: t if len(t) in (1, 4) else t[:4]), columns),
        (mixed(lambda t: t.view(-1, 1)), "t of shape (B, 1) meets the rows of every picture: (B, 1, 1, 1)"),
        (mixed(lambda t: t.view(-1, 1, 1)), "t of shape (B, 1, 1) meets the channels: (B, 1, 1, 1)"),
        (mixed(lambda t: t[0]), "one share for all pictures: each has its own"),
        (mixed(lambda t: t.mean()), "one share for all pictures: each has its own"),
        (lambda real, fake, t: right(fake, real, t), "t is the share of the real picture: exchange the two"),
        (lambda real, fake, t: (real + fake) / 2, "the middle only: the penalty looks at random places on the way"),
        (lambda real, fake, t: t.view(-1, 1, 1, 1) * real, "the fake picture's share, 1 - t, is missing"),
        (
            lambda real, fake, t: fake + t.view(-1, 1, 1, 1) * real,
            "the shares must sum to 1: fake + t (real - fake)",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(*torch.rand(2, B, C, 4, 4, generator=g), torch.rand(B, generator=g)) for B, C in ((4, 4), (4, 4), (3, 2))]
    raised = [("must match the size", columns), ("invalid for input of size", "use the batch size of t")]
    _judge(answer, right, cases, wrong, "Every pixel of a picture moves by the same share.", raised)


def slow_rate(answer: Callable) -> None:
    """Exercise 11.3: the largest real part of -gamma / 2 +- sqrt(gamma^2 / 4 - slope^2), a number."""

    def rate(root: Callable, sign: int = 1) -> Callable:
        return lambda gamma, slope: -gamma / 2 + sign * root(gamma**2 / 4 - slope**2)

    def real_root(inside):
        return max(inside, 0) ** 0.5

    def real(gamma, slope):
        value = answer(gamma, slope)
        if isinstance(value, complex):
            raise TypeError("a complex number was returned")
        return value

    imaginary = "below the critical weight the root is imaginary: its real part is 0"
    wrong = [
        (rate(lambda inside: inside**0.5 if inside >= 0 else math.nan), imaginary),
        (rate(lambda inside: 0), "right below the critical weight; above it the root is real and slows the game down"),
        (rate(lambda inside: abs(inside) ** 0.5), imaginary),
        (rate(real_root, -1), "that is the faster one: + the root is nearer to 0"),
        (lambda gamma, slope: gamma / 2 - real_root(gamma**2 / 4 - slope**2), "the sign: at rest the distance shrinks"),
        (lambda gamma, slope: gamma / 2 + real_root(gamma**2 / 4 - slope**2), "the sign: at rest the distance shrinks"),
        (lambda gamma, slope: -gamma / 2 + real_root(gamma**2 / 4 - slope), "f'(0) enters squared"),
        (lambda gamma, slope: -gamma / 2 + real_root(gamma**2 - slope**2), "gamma^2 / 4, not gamma^2"),
        (lambda gamma, slope: -gamma + real_root(gamma**2 / 4 - slope**2), "-gamma / 2, not -gamma"),
        (lambda gamma, slope: real_root(gamma**2 / 4 - slope**2), "-gamma / 2 is missing"),
    ]
    cases = [(0.3, 0.5), (1.0, 0.5), (4.0, 0.5), (3.0, 1.25)]
    raised = [
        ("math domain error", imaginary),
        ("expected a nonnegative input", imaginary),
        ("complex number was returned", imaginary + ": return the real part"),
        ("not supported between instances of", imaginary + "; Python gave a complex number: take its real part"),
        ("must be Tensor", "gamma and slope are Python numbers"),
    ]
    _judge(real, rate(real_root), cases, wrong, "It is fastest at the critical weight, 2 f'(0).", raised)


# --- 12_face_to_face -------------------------------------------------------------------------------------------------


def frechet_of(answer: Callable) -> None:
    """Exercise 12.1: squared Fréchet distance of N(m, C) and N(n, S), |m - n|^2 + tr(C + S - 2 (C S)^(1/2))."""

    def roots(product: Tensor) -> Tensor:
        return torch.linalg.eigvals(product).real.clamp(min=0).sqrt().sum()

    def parts(means: Callable, spreads: Callable) -> Callable:
        return lambda m, C, n, S: means(m - n) + spreads(C, S)

    def squared(difference: Tensor) -> Tensor:
        return difference.square().sum()

    def right_spreads(C: Tensor, S: Tensor) -> Tensor:
        return C.trace() + S.trace() - 2 * roots(C @ S)

    def gap(C: Tensor, S: Tensor) -> Tensor:
        return C.trace() + S.trace() - 2 * (C @ S).trace()

    no_root = "the root of the product is missing: without it two equal Gaussians are not at distance 0"
    elementwise = "the root of a matrix is not that of its entries: take the eigenvalues of C S"
    wrong = [
        (parts(squared, gap), no_root),
        (parts(squared, lambda C, S: C.trace() + S.trace() - roots(C @ S)), "twice the root: 2 (C S)^(1/2)"),
        (parts(squared, lambda C, S: C.trace() + S.trace() + 2 * roots(C @ S)), "the root is taken away, not added"),
        (parts(squared, lambda C, S: -2 * roots(C @ S)), "the traces of C and S are missing"),
        (parts(squared, lambda C, S: C.trace() + S.trace()), "the root of C S is missing"),
        (parts(squared, lambda C, S: 0), "only the means: the covariances count, too"),
        (parts(lambda d: 0, right_spreads), "the means are missing"),
        (parts(lambda d: d.norm(), right_spreads), "the distance of the means counts squared"),
        (parts(lambda d: d.square().mean(), right_spreads), "the sum over the dimensions, not the mean"),
        (parts(torch.square, right_spreads), "one number: sum the squares over the dimensions"),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * torch.linalg.eigvals(C @ S).real.sqrt()),
            "the trace is one number: sum the roots of the eigenvalues",
        ),
        (parts(squared, lambda C, S: C.trace() + S.trace() - 2 * roots(C * S)), "the matrix product, C @ S"),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * torch.linalg.eigvalsh(C @ S).sqrt().sum()),
            "C S is not symmetric: eigvals, not eigvalsh",
        ),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * (C @ S).abs().sqrt().trace()),
            elementwise,
        ),
        (parts(squared, lambda C, S: C.trace() + S.trace() - 2 * (C @ S).sqrt().trace()), elementwise),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * (C @ S).trace().sqrt()),
            "the trace of the root, not the root of the trace",
        ),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * roots(C) * roots(S)),
            "the root of the product C S, not the product of the traces of two roots",
        ),
        (
            parts(squared, lambda C, S: (C.diagonal().sqrt() - S.diagonal().sqrt()).square().sum()),
            "right for diagonal C and S only: what two features do together counts, too",
        ),
        (parts(squared, lambda C, S: (C - S).square().sum()), "that compares the entries of C and S: see the formula"),
        (
            lambda m, C, n, S: parts(squared, right_spreads)(m, C, n, S).clamp(min=0).sqrt(),
            "that is the distance; its square is asked for",
        ),
    ]
    g = torch.Generator().manual_seed(0)

    def gaussian(D: int) -> tuple[Tensor, Tensor]:
        A = torch.randn(D, D + 2, generator=g, dtype=torch.float64)
        return torch.randn(D, generator=g, dtype=torch.float64), A @ A.T / (D + 2)

    cases = [(*gaussian(D), *gaussian(D)) for D in (3, 2, 5)]
    raised = [("sqrt() not implemented for", no_root), ("cholesky", "C S is not symmetric: take its eigenvalues")]
    moral = "Zero for equal means and covariances, whatever the shapes of the two clouds."
    _judge(answer, parts(squared, right_spreads), cases, wrong, moral, raised)


def precision(answer: Callable) -> None:
    """Exercise 12.2: share of fake (M, D) within the distance of a real point (N, D) to its k-th nearest other one."""

    def share(centres: Callable, points: Callable, skip: int = 1, among: Callable | None = None) -> Callable:
        def of(real, fake, k):
            balls, inside = centres(real, fake), points(real, fake)
            others = balls if among is None else among(real, fake)
            radii = torch.cdist(balls, others).sort(1).values[:, k - 1 + skip]
            return (torch.cdist(inside, balls) <= radii).any(1).double().mean()

        return of

    def real_ones(real, fake):
        return real

    def made_ones(real, fake):
        return fake

    def hits(reduce: Callable) -> Callable:
        def of(real, fake, k):
            radii = torch.cdist(real, real).sort(1).values[:, k]
            return reduce(torch.cdist(fake, real) <= radii)

        return of

    right = share(real_ones, made_ones)
    wrong = [
        (
            share(real_ones, made_ones, skip=0),
            "the nearest of all is the point itself, at distance 0: that is the distance to the (k - 1)-th other",
        ),
        (share(real_ones, made_ones, skip=2), "one too far: of all sorted distances the one at index k, from 0"),
        (share(made_ones, real_ones), "that is the recall: the balls are those round real points"),
        (share(made_ones, real_ones, skip=0), "that is the recall, and each point counts itself"),
        (share(real_ones, made_ones, 0, made_ones), "the radius is the distance to another *real* point"),
        (hits(lambda inside: inside.all(1).double().mean()), "in some ball, not in all of them: any"),
        (hits(lambda inside: inside.double().mean()), "a fake point counts once, in however many balls it lies: any"),
        (hits(lambda inside: inside.any(0).double().mean()), "that counts balls (coverage): any over the real points"),
        (hits(lambda inside: inside.any(1).double().sum()), "a share: the mean, not the sum"),
        (hits(lambda inside: inside.any(1)), "one number: the mean over the fake points"),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, k].max()).any(1).double().mean()
            ),
            "each real point has its own radius",
        ),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, k].mean()).any(1).double().mean()
            ),
            "each real point has its own radius",
        ),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) < torch.cdist(real, real).sort(1).values[:, k]).any(1).double().mean()
            ),
            "at the distance itself counts: <=",
        ),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) <= torch.cdist(real, real).topk(k).values[:, -1]).any(1).double().mean()
            ),
            "the smallest distances are asked for: largest=False",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(30, 2, generator=g), 1.5 * torch.randn(20, 2, generator=g), k) for k in (3, 1)]
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii 1, 1, 2 and 4 for k = 1
    cases.append((line, torch.tensor([[-1.0], [4.0], [11.0], [12.0], [20.0]]), 1))
    raised = [
        ("must match the size", "one radius (N,) a real point, for the columns of distances (M, N) from fake to real"),
        ("out of range", "of the sorted distances of one point there are N: the one at index k is asked for"),
    ]
    _judge(answer, right, cases, wrong, "A point is always nearest to itself; no neighbour is found there.", raised)


def fair(answer: Callable) -> None:
    """Exercise 12.3: two distances from equal numbers of samples."""

    def cut(number: Callable) -> Callable:
        def of(distance, real, a, b):
            first, second = number(len(a), len(b))
            return distance(real, a[:first]), distance(real, b[:second])

        return of

    def both_real(distance, real, a, b):
        n = min(len(a), len(b))
        return distance(real[:n], a[:n]), distance(real[:n], b[:n])

    right = cut(lambda a, b: (min(a, b),) * 2)
    wrong = [
        (cut(lambda a, b: (a, b)), "still two numbers of samples: the one with more looks better than it is"),
        (cut(lambda a, b: (b, b)), "right only where b is the shorter one"),
        (cut(lambda a, b: (a, a)), "right only where a is the shorter one"),
        (cut(lambda a, b: (min(a, b) // 2, min(a, b) // 2)), "fair, and wasteful: take as many as there are of both"),
        (both_real, "leave the real ones as they are: they are the same for both"),
        (
            lambda distance, real, a, b: (distance(real[: len(a)], a), distance(real[: len(b)], b)),
            "that makes it worse: now the real ones differ, too; cut a and b to one length",
        ),
        (
            lambda distance, real, a, b: (distance(real, a) * len(a), distance(real, b) * len(b)),
            "no factor repairs it: take equal numbers",
        ),
        (lambda *arguments: right(*arguments)[::-1], "the distance of a comes first"),
        (lambda *arguments: is_nearer(*right(*arguments)), "return the two distances, as a tuple"),
    ]

    def is_nearer(a: float, b: float) -> bool:
        return a < b

    def distance(real: Tensor, fake: Tensor) -> float:  # which samples are taken does not matter, how many does
        return abs(real.mean().item() - fake.mean().item()) + 10 / len(fake) + 1 / len(real)

    def samples(n: int, value: float) -> Tensor:
        return torch.full((n, 2), value)

    real = samples(50, 0.0)
    cases = [(distance, real, samples(40, 1.0), samples(8, 1.5)), (distance, real, samples(6, 3.0), samples(20, 2.0))]
    moral = "Now the order is that of the models, and not that of the numbers of samples."
    _judge(answer, right, cases, wrong, moral, [("division by zero", "no sample is left of one of them")])


def surprise_bound(answer: Callable) -> None:
    """Exercise 12.4: -log P <= -log p(y) + D log L in nats, for y = (k + u) / L in D pixels of L levels."""

    def bound(cells: Callable, sign: int = -1) -> Callable:
        return lambda log_p, D, L: sign * log_p + cells(D, L)

    right = bound(lambda D, L: D * math.log(L))
    wrong = [
        (bound(lambda D, L: -D * math.log(L)), "the sign: a cell is smaller than 1, so its surprise is larger"),
        (bound(lambda D, L: 0), "that is the surprise of a density; a level is a cell, and a cell has a volume"),
        (bound(lambda D, L: math.log(L)), "L is the number of cells of one pixel; there are D pixels"),
        (bound(lambda D, L: D * math.log(L - 1)), "L levels share [0, 1): a level's bin is 1 / L wide"),
        (bound(lambda D, L: D * math.log2(L)), "nats: the natural logarithm"),
        (bound(lambda D, L: L * math.log(D)), "D pixels of L levels: D log L"),
        (bound(lambda D, L: D * L), "the logarithm of L is missing"),
        (bound(lambda D, L: -D * math.log(L), 1), "that is log P; its negative is asked for"),
        (bound(lambda D, L: D * math.log(L), 1), "the sign of log_p: surprise is -log p"),
        (lambda log_p, D, L: (-log_p + D * math.log(L)) / D, "nats of the whole picture, not of a pixel"),
        (lambda log_p, D, L: (-log_p + D * math.log(L)) / math.log(2), "those are bits; nats are asked for"),
        (
            lambda log_p, D, L: (-log_p + D * math.log(L)) / (D * math.log(2)),
            "nats of the whole picture, not bits of a pixel: no division",
        ),
        (lambda log_p, D, L: -log_p * float(L) ** D, "log_p is a logarithm: a volume is added, as a logarithm"),
        (lambda log_p, D, L: -log_p * float(L) ** -D, "log_p is a logarithm: a volume is added, as a logarithm"),
        (lambda log_p, D, L: -math.exp(log_p) + D * math.log(L), "log_p is a logarithm already"),
    ]
    raised = [("must be Tensor", "D and L are Python numbers: use math.log")]
    cases = [(80.0, 64, 17), (-3.0, 1, 4), (5.0, 2, 256)]
    _judge(answer, right, cases, wrong, "A density above 1 is no miracle: the cells are small.", raised)


# --- 13_what_came_next -----------------------------------------------------------------------------------------------


def coupling_log_det(answer: Callable) -> None:
    """Exercise 13.1: log |det| of z = b x + (1 - b)(x exp(s) + t), (B,), from s (B, D) and the mask b (D,)."""

    def total(f: Callable) -> Callable:
        return lambda s, b: f((1 - b) * s)

    wrong = [
        (lambda s, b: s.sum(1), "values that pass are not stretched: their s does not count"),
        (lambda s, b: (b * s).sum(1), "the wrong half: b is 1 where a value passes as it is"),
        (total(lambda s: -s.sum(1)), "the sign: z = x exp(s) stretches by exp(s), whose logarithm is s"),
        (total(lambda s: s.exp().sum(1)), "the logarithm of exp(s) is s: add up s itself"),
        (total(lambda s: s.exp().prod(1)), "that is the determinant; its logarithm is asked for"),
        (total(lambda s: s.abs().sum(1)), "the absolute value belongs to the determinant, not to its logarithm"),
        (total(lambda s: s.mean(1)), "a determinant is a product over all values: the sum of s, not the mean"),
        (lambda s, b: ((1 - b) * s).sum(1) / (1 - b).sum(), "the sum over the changed values, not their mean"),
        (total(lambda s: s.sum()), "one number for each point: do not add up the batch"),
        (total(lambda s: s.sum(0)), "sum over the values of a point, not over the batch"),
        (total(lambda s: s.prod(1)), "the logarithm of a product is a sum"),
        (total(lambda s: s), "add up over the values: one number for each point"),
        (lambda s, b: s.chunk(2, 1)[1].sum(1), "the mask decides which values change, not the half"),
        (lambda s, b: ((1 - b) * s.exp()).prod(1).log(), "a value that passes has the factor 1, not 0"),
        (lambda s, b: ((1 - b) * s.exp()).sum(1).log(), "a determinant is a product of the diagonal, not its sum"),
        (lambda s, b: (b + (1 - b) * s.exp()).sum(1).log(), "a determinant is a product of the diagonal, not its sum"),
        (lambda s, b: s.sum(), "one number for each point; and only the changed values count"),
    ]
    g = torch.Generator().manual_seed(0)
    masks = (torch.tensor([1.0, 0, 1, 0]), torch.tensor([0.0, 1, 1, 0, 0]))
    cases = [(torch.randn(3, len(b), generator=g), b) for b in masks]
    raised = [("shape of the mask", "b belongs to the columns of s: s[:, b == 0]")]
    _judge(answer, total(lambda s: s.sum(1)), cases, wrong, "No determinant was computed.", raised)


def step_mean(answer: Callable) -> None:
    """Exercise 13.2: mean of q(x_{t-1} | x_t, x_0), a number; a_before and a are alpha_{t-1} and alpha_t."""

    def parts(a_before: float, a: float) -> tuple[float, float, float, float]:
        ratio = a / a_before
        return ratio, 1 - ratio**2, 1 - a_before**2, 1 - a**2  # and beta_t, sigma_{t-1}^2, sigma_t^2

    def mean(of_noisy: Callable, of_clean: Callable) -> Callable:
        def value(x_t, x_0, a_before, a):
            known = parts(a_before, a)
            return of_noisy(a_before, *known) * x_t + of_clean(a_before, *known) * x_0

        return value

    def noisy(before, ratio, beta, var_before, var):
        return ratio * var_before / var

    def clean(before, ratio, beta, var_before, var):
        return before * beta / var

    right = mean(noisy, clean)
    roots = "these are precisions and variances: sigma squared, without roots"
    one_step = "the factor of one step, sqrt(1 - beta), is a / a_before"
    wrong = [
        (lambda x_t, x_0, a_before, a: right(x_0, x_t, a_before, a), "the two pictures are exchanged"),
        (
            mean(lambda b, r, beta, vb, v: r * beta / v, lambda b, r, beta, vb, v: b * vb / v),
            "the weights: near t = 0 x_0 decides",
        ),
        (
            mean(lambda b, r, beta, vb, v: 0, lambda b, r, beta, vb, v: b),
            "that is the mean of q(x_{t-1} | x_0): x_t says something, too",
        ),
        (mean(noisy, lambda *k: 0), "x_0 has a part in it as well"),
        (mean(lambda *k: 0, clean), "x_t has a part in it as well"),
        (
            mean(lambda b, r, beta, vb, v: vb / v, lambda b, r, beta, vb, v: beta / v),
            "the factors of the means are missing: sqrt(1 - beta) with x_t, alpha_{t-1} with x_0",
        ),
        (mean(lambda b, r, beta, vb, v: vb / v, clean), "x_t is a shrunken picture: its factor sqrt(1 - beta)"),
        (mean(noisy, lambda b, r, beta, vb, v: beta / v), "x_0 is shrunk by alpha_{t-1} on its way to t - 1"),
        (mean(noisy, lambda b, r, beta, vb, v: r * b * beta / v), "alpha_{t-1} with x_0, not alpha_t"),
        (mean(lambda b, r, beta, vb, v: r**2 * vb / v, clean), "a step multiplies by sqrt(1 - beta), not by 1 - beta"),
        (
            mean(lambda b, r, beta, vb, v: r * vb, lambda b, r, beta, vb, v: b * beta),
            "divide by sigma_t squared: the precisions add up to it",
        ),
        (mean(lambda b, r, beta, vb, v: r * (vb / v) ** 0.5, lambda b, r, beta, vb, v: b * beta / v**0.5), roots),
        (mean(lambda b, r, beta, vb, v: r * (vb / v) ** 0.5, clean), roots),
        (mean(lambda b, r, beta, vb, v: 1 / r, lambda *k: 0), "that only undoes the shrinking; the noise is still in"),
        (mean(noisy, lambda b, r, beta, vb, v: b * (1 - r) / v), "a / a_before is the root of 1 - beta: square it"),
        (
            mean(noisy, lambda b, r, beta, vb, v: b),
            "1 - a**2 is the variance of all steps up to t; beta is that of the last one, 1 - (a / a_before)**2",
        ),
        (mean(noisy, lambda b, r, beta, vb, v: b * r**2 / v), "(a / a_before)**2 is 1 - beta, not beta"),
        (mean(lambda b, r, beta, vb, v: r * b * vb / v, clean), one_step),
        (mean(lambda b, r, beta, vb, v: r * b * vb / v, lambda b, r, beta, vb, v: b), one_step),
        (mean(lambda b, r, beta, vb, v: vb / (r * v), clean), one_step),
        (mean(lambda b, r, beta, vb, v: vb / (r * v), lambda b, r, beta, vb, v: b * (1 - 1 / r**2) / v), one_step),
        (
            mean(lambda b, r, beta, vb, v: r, lambda b, r, beta, vb, v: b * beta / vb),
            "divide by sigma_t squared, the larger one",
        ),
        (
            lambda x_t, x_0, a_before, a: right(x_t, x_0, a_before**0.5, a**0.5),
            "a is alpha_t, not the paper's alpha-bar, which is its square",
        ),
        (
            mean(
                lambda b, r, beta, vb, v: (vb / v) ** 0.5,
                lambda b, r, beta, vb, v: b - (vb / v) ** 0.5 * r * b,
            ),
            "that is DDIM's step; the mean of q weighs by precisions",
        ),
    ]
    cases = [(0.7, 0.5, 0.99, 0.97), (-1.2, 0.8, 0.6, 0.5), (0.3, -1.0, 0.2, 0.1)]
    raised = [("must be Tensor", "all arguments are Python numbers: use ** 0.5")]
    _judge(answer, right, cases, wrong, "The more noise there is, the more x_t is believed.", raised)


def noisy(answer: Callable) -> None:
    """Exercise 13.3: sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps for pictures (B, C, H, W), alpha_bar (B,)."""

    def mix(signal: Callable, noise: Callable) -> Callable:
        def value(x_0, eps, alpha_bar):
            a = alpha_bar.view(-1, 1, 1, 1)
            return signal(a) * x_0 + noise(a) * eps

        return value

    right = mix(lambda a: a.sqrt(), lambda a: (1 - a).sqrt())
    columns = "alpha_bar meets the columns of the pictures: give it the shape (B, 1, 1, 1)"
    wrong = [
        (
            mix(lambda a: a.sqrt(), lambda a: 1 - a),
            "1 - alpha_bar is the variance of the noise; eps is multiplied by its root",
        ),
        (mix(lambda a: a, lambda a: 1 - a), "both are squares of the factors: take roots"),
        (mix(lambda a: a, lambda a: (1 - a).sqrt()), "x_0 is multiplied by alpha_t, the root of alpha_bar"),
        (mix(lambda a: a, lambda a: (1 - a**2).sqrt()), "alpha_bar is alpha_t squared already"),
        (mix(lambda a: a.sqrt(), lambda a: 1 - a.sqrt()), "the squares of the factors add up to 1, not the factors"),
        (mix(lambda a: (1 - a).sqrt(), lambda a: a.sqrt()), "the two factors are exchanged"),
        (mix(lambda a: 1, lambda a: (1 - a).sqrt()), "the picture must shrink as well, or the variance grows"),
        (mix(lambda a: a.sqrt(), lambda a: 1), "the noise needs a factor as well, or the variance is above 1"),
        (mix(lambda a: a.sqrt(), lambda a: (1 - a) ** 2), "the root of the variance, not its square"),
        (mix(lambda a: a**2, lambda a: (1 - a**2).sqrt()), "alpha_bar is alpha_t squared already: its root"),
        (mix(lambda a: a**2, lambda a: (1 - a).sqrt()), "alpha_bar is alpha_t squared already: its root"),
        (mix(lambda a: a.sqrt(), lambda a: (1 - a**2).sqrt()), "alpha_bar is alpha_t squared already"),
        (
            lambda x_0, eps, alpha_bar: (
                alpha_bar[: x_0.shape[3]].sqrt() * x_0 + (1 - alpha_bar[: x_0.shape[3]]).sqrt() * eps
            ),
            columns,
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(*torch.randn(2, B, C, 4, 4, generator=g), torch.rand(B, generator=g)) for B, C in ((4, 1), (4, 2))]
    raised = [("must match the size", columns), ("must be broadcastable", columns)]
    _judge(answer, right, cases, wrong, "Its variance stays 1 where the picture's is.", raised)


def matching_pair(answer: Callable) -> None:
    """Exercise 13.4: ((1 - t) z + t x, x - z) for z, x (B, D) and t (B,), noise at t = 0."""

    def pair(place: Callable, velocity: Callable) -> Callable:
        return lambda z, x, t: (place(z, x, t[:, None]), velocity(z, x, t[:, None]))

    def line(z, x, t):
        return (1 - t) * z + t * x

    def way(z, x, t):
        return x - z

    ends = "the ends: noise is at t = 0, data at t = 1"
    wrong = [
        (pair(line, lambda z, x, t: z - x), "the velocity's sign: from noise to data, x - z"),
        (pair(lambda z, x, t: line(x, z, t), way), ends + "; and the velocity does not belong to this line"),
        (pair(lambda z, x, t: line(x, z, t), lambda z, x, t: z - x), ends),
        (pair(line, lambda z, x, t: x), "that predicts the data point; the velocity is x - z"),
        (pair(line, lambda z, x, t: t * (x - z)), "x - z is the velocity at every time, not times t"),
        (pair(line, lambda z, x, t: (1 - t) * (x - z)), "that is the way that is left, not the velocity"),
        (pair(line, lambda z, x, t: x - line(z, x, t)), "that is the way that is left, not the velocity"),
        (pair(line, line), "the place twice: the second is the velocity"),
        (pair(lambda z, x, t: z + t * x, way), "the noise must fade: (1 - t) z"),
        (pair(way, line), "the place first, then the velocity"),
        (pair(lambda z, x, t: t**0.5 * x + (1 - t) ** 0.5 * z, way), "that is a curved path: its velocity is another"),
        (pair(line, lambda z, x, t: (x - z) / t), "x - z already: the whole way takes a unit of time"),
        (pair(lambda z, x, t: (1 - t**2) ** 0.5 * z + t * x, way), "that is a curved path: its velocity is another"),
        (lambda z, x, t: line(z, x, t[:, None]), "a pair is asked for: the place and the velocity"),
        (lambda z, x, t: x - z, "a pair is asked for: the place and the velocity"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(*torch.randn(2, B, D, generator=g), torch.rand(B, generator=g)) for B, D in ((3, 2), (2, 5))]
    raised = [("must match the size", "t has shape (B,): give it the shape (B, 1)")]
    _judge(answer, pair(line, way), cases, wrong, "The velocity is the same at every time of the line.", raised)


def flow_log_prob(answer: Callable) -> None:
    """Exercise 13.5: log N(x at t = 0) less the integral of the trace, by Euler's method from t = 1 back to 0; (B,)."""

    def velocity(x, t):
        return math.cos(3 * t) * x.sin() + t**2 + 0.5

    def trace(x, t):
        return math.cos(3 * t) * x.cos().sum(1)

    def log_normal(x):
        return -0.5 * (x.square() + math.log(2 * math.pi)).sum(1)

    def ends(n):  # of the steps, where each begins when t runs back
        return [i / n for i in range(n, 0, -1)]

    def walk(times: Callable = ends, back: float = 1, size: Callable = lambda n: 1 / n) -> Callable:
        """Place after all steps, and the integral of the trace."""

        def value(x, n):
            total = torch.zeros(len(x))
            for t in times(n):
                x, total = x - back * size(n) * velocity(x, t), total + size(n) * trace(x, t)
            return x, total

        return value

    def ending(way: Callable, value: Callable) -> Callable:
        return lambda x, steps: value(x, *way(x, steps))

    def usual(x, end, total):
        return log_normal(end) - total

    def after_the_step(x, n):
        total = torch.zeros(len(x))
        for t in ends(n):
            x = x - velocity(x, t) / n
            total = total + trace(x, t) / n
        return log_normal(x) - total

    def never_moved(x, n):
        total = sum(trace(x, t) for t in ends(n)) / n
        return log_normal(x - sum(velocity(x, t) for t in ends(n)) / n) - total

    def without_constant(x, end, total):
        return -0.5 * end.square().sum(1) - total

    def forwards(n):
        return [i / n for i in range(n)]

    count = "exactly ``steps`` steps, each 1 / steps long: t = 1, 1 - 1 / steps, ... 1 / steps"
    backwards = "go backwards: from the data, at t = 1, to the noise, at t = 0"
    wrong = [
        (ending(walk(), lambda x, end, total: log_normal(end) + total), "the sign of the trace: spread out, thinner"),
        (ending(walk(forwards, -1), usual), backwards),
        (ending(walk(forwards, -1), lambda x, end, total: log_normal(end) + total), backwards),
        (ending(walk(back=-1), usual), "the sign of the step: back in time, x - velocity / steps"),
        (ending(walk(forwards), usual), "the times: the first step starts at t = 1"),
        (
            ending(walk(lambda n: [(i - 1) / n for i in range(n, 0, -1)]), usual),
            "the time at the start of each step: first t = 1, last t = 1 / steps",
        ),
        (ending(walk(), lambda x, end, total: -total), "log N of the noise you arrive at is missing"),
        (ending(walk(), lambda x, end, total: log_normal(x) - total), "log N of where you arrive, not of x"),
        (ending(walk(), lambda x, end, total: log_normal(end)), "the trace is missing"),
        (
            ending(walk(), lambda x, end, total: usual(x, end, total).exp()),
            "that is the density; its logarithm, please",
        ),
        (ending(walk(), lambda x, end, total: usual(x, end, total).mean()), "one number for each point: no mean"),
        (ending(walk(), lambda x, end, total: usual(x, end, total).sum()), "one number for each point: no sum"),
        (ending(walk(), without_constant), "a Gaussian's constant, D / 2 log(2 pi), is missing"),
        (
            ending(walk(), lambda x, end, total: usual(x, end, total * steps_of(x))),
            "the trace times the step, 1 / steps",
        ),
        (after_the_step, "velocity and trace at the same place: the trace before the step is taken"),
        (never_moved, "each step starts where the last one ended, not at x"),
        (ending(walk(lambda n: [i / n for i in range(n, -1, -1)]), usual), count),
        (ending(walk(lambda n: [i / n for i in range(n, 1, -1)]), usual), count),
        (ending(walk(lambda n: torch.linspace(1, 0, n).tolist()), usual), count),
        (ending(walk(lambda n: range(n, 0, -1)), usual), "the time runs from 1 to 0: i / steps"),
        (ending(walk(size=lambda n: 1), usual), "each step is 1 / steps long"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(3, 2, generator=g), 4), (torch.randn(2, 3, generator=g), 7)]

    def steps_of(x):
        return next(n for case, n in cases if case.shape == x.shape)

    def right(x, steps):
        return usual(x, *walk()(x, steps))

    raised = [
        ("only one element tensors", "t is a Python number here"),
        ("must be real number", "t is a Python number"),
    ]
    moral = "The change of variables, step by step."
    _judge(lambda x, steps: answer(velocity, trace, x, steps), right, cases, wrong, moral, raised)


# --- how answers are judged ------------------------------------------------------------------------------------------


def _judge(
    answer: Callable,
    right: Callable,
    cases: list[tuple],
    wrong: Wrong,
    moral: str,
    raised: Raised = (),
    view: Callable[[Tensor], Tensor] = lambda value: value,
) -> None:
    """Compare ``answer`` with ``right`` on all cases, then with each usual mistake; print one line."""

    def hint() -> str | None:
        given = [answer(*copy.deepcopy(case)) for case in cases]  # copies: an answer may write into its arguments
        if all(_unanswered(value) for value in given):
            return None
        pairs = list(zip(given, cases, strict=True))
        nothing = next((case for value, case in pairs if _unanswered(value)), None)
        if nothing is not None:
            return f"nothing was returned for {_inputs(right, nothing)}"
        differing = [(value, case) for value, case in pairs if not _same(value, right(*case), view, exact=True)]
        if not differing:
            return ""
        for mistake, why in wrong:
            if all(_same(value, mistake(*case), view) for value, case in pairs):
                return why
        value, case = differing[0]
        return f"for {_inputs(right, case)} {_difference(value, right(*case))}"

    _report(hint, moral, raised)


def _inputs(right: Callable, case: tuple) -> str:
    names = inspect.signature(right).parameters
    return ", ".join(f"{name} = {_short(argument)}" for name, argument in zip(names, case, strict=True))


def _report(find_hint: Callable[[], str | None], moral: str, raised: Raised) -> None:
    """Print one line for a hint: None means no answer yet, an empty hint a right one; an exception is a hint too."""
    try:
        hint = find_hint()
    except (Exception, SystemExit) as error:  # whatever the reader's code raises is part of the verdict
        message = traceback.format_exception_only(error)[-1].strip()
        hint = f"your code raised {message}"
        hint = next((f"{why} ({hint})" for part, why in raised if part in message), hint)
    if hint is None:
        print("not yet: write your answer in place of ... and run this cell again")
    else:
        print(f"not yet: {hint}" if hint else f"correct. {moral}")


def _unanswered(value) -> bool:
    return value is None or value is ...


def _same(a, b, view: Callable[[Tensor], Tensor] = lambda value: value, exact: bool = False) -> bool:
    """Equal shapes and values (1e-4 relative), if exact also both bool or neither; tuples element by element."""
    if isinstance(b, tuple):
        if not isinstance(a, tuple | list) or len(a) != len(b):
            return False
        return all(_same(p, q, view, exact) for p, q in zip(a, b, strict=True))
    a, b = _tensor(a), _tensor(b)
    if a is None or (exact and (a.dtype == torch.bool) != (b.dtype == torch.bool)):
        return False
    a, b = view(a.double()), view(b.double())
    return a.shape == b.shape and bool(_close(a, b).all())


def _close(a: Tensor, b: Tensor) -> Tensor:
    return torch.isclose(a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


def _tensor(value) -> Tensor | None:
    """A number, an array or nested lists as a tensor on the CPU; None for what is not made of real numbers."""
    try:
        if isinstance(value, np.ndarray):
            value = value.copy()  # torch takes no reversed views
        tensor = torch.as_tensor(value).detach().cpu()
        return None if tensor.is_complex() else tensor.to_dense()
    except Exception:
        return None


def _difference(value, right) -> str:
    """Where a value first differs from the right one, and both."""
    part = "it"
    if isinstance(right, tuple):
        if not isinstance(value, tuple | list) or len(value) != len(right):
            return f"it should be a tuple of {len(right)}, and was {_short(value)}"
        i = next(i for i in range(len(right)) if not _same(value[i], right[i], exact=True))
        part, value, right = f"the {('first', 'second')[i]}", value[i], right[i]
    a, b = _tensor(value), _tensor(right)
    if a is None or a.shape != b.shape or b.ndim == 0:
        return f"{part} should be {_short(right)}, and was {_short(value)}"
    where = (~_close(a, b)).nonzero()[0].tolist()
    whole = "" if part == "it" else f" of {part}"
    return f"entry {where}{whole} should be {_short(b[tuple(where)])}, and was {_short(a[tuple(where)])}"


def _short(value) -> str:
    """A value in few characters."""
    if isinstance(value, Tensor):
        few_integers = value.ndim == 1 and len(value) <= 8 and not value.is_floating_point()
        shape = f"a tensor of shape {tuple(value.shape)}"
        return _short(value.item()) if value.ndim == 0 else str(value.tolist()) if few_integers else shape
    if isinstance(value, list | tuple) and 0 < len(value) <= 4 and all(isinstance(v, Tensor) for v in value):
        return "(" + ", ".join(_short(v) for v in value) + ")"
    if isinstance(value, float):
        return f"{value:.5g}"  # enough digits to tell apart what _close tells apart
    if isinstance(value, int | str | list | tuple):
        return reprlib.repr(value)
    return f"of type {type(value).__name__}"
