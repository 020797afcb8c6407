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
        if any(_unanswered(value) for value in given):
            return None
        pairs = list(zip(given, cases, strict=True))
        differing = [(value, case) for value, case in pairs if not _same(value, right(*case), view, exact=True)]
        if not differing:
            return ""
        for mistake, why in wrong:
            if all(_same(value, mistake(*case), view) for value, case in pairs):
                return why
        value, case = differing[0]
        names = inspect.signature(right).parameters
        inputs = ", ".join(f"{name} = {_short(argument)}" for name, argument in zip(names, case, strict=True))
        return f"for {inputs} {_difference(value, right(*case))}"

    _report(hint, moral, raised)


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
