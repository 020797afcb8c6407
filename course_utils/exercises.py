"""A checker for every exercise: it says whether an answer is right and, if not, what is likely wrong. It never raises.

Each checker compares the reader's function with the right one on a few inputs, and then with the usual wrong ones; an
answer that agrees with a wrong one everywhere gets the hint that belongs to it.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Wrong = Sequence[tuple[Callable, str]]  # functions that make a usual mistake, and what to say of it


# --- 00_start_here ---------------------------------------------------------------------------------------------------


def log_density(answer: Callable) -> None:
    """Exercise 00.1: log-density in a cell of side w in d dimensions, log_P - d log w."""
    wrong = [
        (lambda log_P, w, d: log_P + d * math.log(w), "the sign: dividing by a small volume makes a density *larger*"),
        (lambda log_P, w, d: log_P - math.log(w), "w is a side; a cell in d dimensions has another volume"),
        (lambda log_P, w, d: log_P / w**d, "log_P is already a logarithm: dividing P means subtracting from log P"),
        (lambda log_P, w, d: math.exp(log_P) / w**d, "that is the density; its logarithm is asked for"),
        (lambda log_P, w, d: log_P - d * math.log2(w), "nats use the natural logarithm"),
    ]
    right = lambda log_P, w, d: log_P - d * math.log(w)  # noqa: E731
    cases = [(-3.0, 0.05, 2), (-1.5, 0.5, 1), (-10.0, 0.1, 5)]
    _judge(answer, right, cases, wrong, "A density may be larger than 1, its log positive.")


def ring_centres(answer: Callable) -> None:
    """Exercise 00.2: k evenly spread centres on the unit circle, angle 2 pi i / k."""

    def at(angle: Tensor) -> Tensor:
        return torch.stack([angle.cos(), angle.sin()], -1)

    wrong = [
        (
            lambda k: at(torch.linspace(0, 2 * math.pi, k)),
            "the first and the last centre are the same point: linspace includes its end",
        ),
        (lambda k: at(torch.arange(k) / k), "the angles run from 0 to 1: a whole turn is 2 pi"),
        (lambda k: at(360 * torch.arange(k) / k), "cos and sin take radians, not degrees"),
        (lambda k: at(2 * math.pi * torch.arange(k) / k).T, "one centre a row is asked for: shape (k, 2)"),
    ]

    def in_any_order(points):  # where the first spot is, and which way round, is a matter of taste
        points = torch.as_tensor(points)
        if points.ndim != 2 or points.shape[-1] != 2 or not points.is_floating_point():
            return points
        distances = torch.cdist(points, points).sort().values.sort(0).values
        return torch.cat([distances, points.norm(dim=-1, keepdim=True)], 1)

    _judge(
        answer,
        lambda k: at(2 * math.pi * torch.arange(k) / k),
        [(8,), (5,), (3,)],
        wrong,
        "Eight distinct ones, each as far from its neighbours as any other.",
        view=in_any_order,
    )


def log_normal(answer: Callable) -> None:
    """Exercise 00.3: log N(x | mu, s^2 I) in D dimensions, shape (N,)."""

    def terms(x, mu, s):
        return -0.5 * ((x - mu) / s) ** 2, torch.as_tensor(-math.log(s)), -0.5 * math.log(2 * math.pi), x.shape[-1]

    def right(x, mu, s):
        square, log_s, constant, D = terms(x, mu, s)
        return square.sum(-1) + D * (log_s + constant)

    def constant_squared(x, mu, s):
        square, log_s, constant, D = terms(x, mu, s)
        return square.sum(-1) + D * (log_s + D * constant)

    def constant_once(x, mu, s):
        square, log_s, constant, D = terms(x, mu, s)
        return square.sum(-1) + D * log_s + constant

    def scale_once(x, mu, s):
        square, log_s, constant, D = terms(x, mu, s)
        return square.sum(-1) + log_s + D * constant

    wrong = [
        (constant_squared, "log 2 pi is counted D times in each dimension, and the sum counts it D times again"),
        (constant_once, "now log 2 pi is counted once in all; each dimension has its own factor 1 / sqrt(2 pi)"),
        (scale_once, "log s is counted once in all; each dimension has its own factor 1 / s"),
        (lambda x, mu, s: right(x, mu, s) / x.shape[-1], "a mean over the dimensions; log-probabilities add up"),
        (lambda x, mu, s: right(x, mu, s).sum(), "one number for all points; one for each is asked for, shape (N,)"),
        (lambda x, mu, s: right(x, mu, s**0.5), "s is the standard deviation, not the variance"),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((1, 0.5), (2, 1.0), (16, 0.3))
    cases = [(torch.randn(5, D, generator=g), torch.randn(D, generator=g), s) for D, s in sizes]
    _judge(answer, right, cases, wrong, "At D = 16 and s = 1 the mistake makes -14.7 nats at the mean into -235.2.")


# --- 01_chain_rule ---------------------------------------------------------------------------------------------------


def bits_per_dim(answer: Callable) -> None:
    """Exercise 01.1: nats an image of shape (C, H, W) to bits a dimension."""

    def size(shape):
        return math.prod(shape)

    wrong = [
        (lambda nats, shape: nats / size(shape), "that is nats a dimension; one bit is log 2 = 0.693 nats"),
        (lambda nats, shape: nats / math.log(2), "that is bits an image; divide by the number of dimensions too"),
        (lambda nats, shape: nats * math.log(2) / size(shape), "the wrong way: there are *more* bits than nats"),
        (lambda nats, shape: nats / (shape[1] * shape[2] * math.log(2)), "a colour image has C * H * W dimensions"),
        (lambda nats, shape: math.log2(nats) / size(shape), "nats are logarithms already; only their base changes"),
    ]
    cases = [(64 * math.log(2), (1, 8, 8)), (181.3, (1, 8, 8)), (6395.0, (3, 32, 32))]
    right = lambda nats, shape: nats / (size(shape) * math.log(2))  # noqa: E731
    _judge(answer, right, cases, wrong, "A fair coin for each pixel costs exactly one bit a dimension.")


def made_masks(answer: Callable) -> None:
    """Exercise 01.2: MADE's input mask (H, D) and output mask (D, H) from ranks (D,) and degrees (H,)."""

    def right(rank, degree):
        return degree[:, None] >= rank[None, :], rank[:, None] > degree[None, :]

    wrong = [
        (
            lambda rank, degree: (degree[:, None] >= rank[None, :], rank[:, None] >= degree[None, :]),
            "a pixel sees itself: at the output the comparison must be strict",
        ),
        (
            lambda rank, degree: (degree[:, None] > rank[None, :], rank[:, None] > degree[None, :]),
            "both comparisons are strict: no leak, but a pixel no longer sees its direct predecessor",
        ),
        (
            lambda rank, degree: tuple(mask.T for mask in right(rank, degree)),
            "transposed: nn.Linear's weights have shape (outputs, inputs)",
        ),
        (lambda rank, degree: tuple(~mask for mask in right(rank, degree)), "turned round: True should mean 'may see'"),
        (
            lambda rank, degree: (
                degree[:, None] >= torch.arange(len(rank)),
                torch.arange(len(rank))[:, None] > degree[None, :],
            ),
            "right for row-by-row order only: compare with the pixels' ranks, not with their positions",
        ),
    ]
    cases = [
        (torch.arange(4), torch.tensor([0, 0, 1, 2, 2])),
        (torch.tensor([2, 0, 3, 1]), torch.tensor([0, 1, 2])),
    ]
    _judge(answer, right, cases, wrong, "No path through both masks leads from a pixel to itself or to an earlier one.")


def masked_linear(answer: Callable) -> None:
    """Exercise 01.3: apply a linear layer under a mask without writing the mask into the weights."""
    verdict = _verdict("The masks change at every step; the weights must survive them.")
    g = torch.Generator().manual_seed(0)
    layer = nn.Linear(6, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(4, 6, generator=g))
        layer.bias.copy_(torch.randn(4, generator=g))
    before, x = layer.weight.detach().clone(), torch.randn(3, 6, generator=g)
    for _ in range(3):
        mask = (torch.rand(4, 6, generator=g) < 0.5).float()
        expected = F.linear(x, before * mask, layer.bias)
        try:
            got = answer(layer, mask, x)
        except Exception as error:
            return verdict(_raised(error))
        if got is None or got is ...:
            return verdict(None)
        if not torch.equal(layer.weight, before):
            gone = int(((layer.weight == 0) & (before != 0)).sum())
            return verdict(f"the layer's weights were changed: {gone} of {before.numel()} are zero after one call")
        if not isinstance(got, Tensor) or got.shape != expected.shape:
            return verdict("a tensor (B, outputs) is asked for, like layer(x)")
        if torch.allclose(got, F.linear(x, before, layer.bias)):
            return verdict("the mask is not used")
        if torch.allclose(got, F.linear(x, before * mask)):
            return verdict("the bias is missing")
        if not torch.allclose(got, expected, atol=1e-5):
            return verdict("the values differ from masked weights times x plus bias")
        if not got.requires_grad:
            return verdict("no gradient reaches the weights: .data and detach() cut it off")
        (grad,) = torch.autograd.grad(got.sum(), layer.weight)
        if (grad[mask == 0] != 0).any():
            return verdict("masked weights still receive a gradient")
    return verdict("")


def mean_nll(answer: Callable) -> None:
    """Exercise 01.4: mean negative log-likelihood an image from a list of per-image values, batch by batch."""
    g = torch.Generator().manual_seed(0)
    splits = ((100, 100, 47), (7,), (5, 1))
    cases = [([torch.rand(n, generator=g) * 10 + 80 * (n < 100) for n in sizes],) for sizes in splits]
    wrong = [
        (
            lambda batches: sum(b.mean() for b in batches) / len(batches),
            "the short last batch counts as much as a full one",
        ),
        (
            lambda batches: sum(b.mean() for b in batches) / max(len(batches) - 1, 1),
            "the sum of the batches' means was divided by the index of the last batch, one less than their number",
        ),
        (
            lambda batches: torch.cat(batches[:-1] or batches).mean(),
            "the last, incomplete batch is dropped: those images are never looked at",
        ),
        (lambda batches: torch.cat(batches).sum(), "a sum over the data set; the mean an image is asked for"),
    ]
    right = lambda batches: torch.cat(batches).mean()  # noqa: E731
    _judge(answer, right, cases, wrong, "Every image counts once, whatever batch it was in.")


# --- how answers are judged ------------------------------------------------------------------------------------------


def _judge(
    answer: Callable, right: Callable, cases: list[tuple], wrong: Wrong, moral: str, view=lambda value: value
) -> None:
    """Compare ``answer`` with ``right`` on all cases, then with each usual mistake; print one line."""
    verdict = _verdict(moral)
    given = []
    for case in cases:
        try:
            given.append(answer(*case))
        except Exception as error:  # whatever the reader's code raises is part of the verdict
            return verdict(_raised(error))
        if given[-1] is None or given[-1] is ...:
            return verdict(None)
    pairs = list(zip(given, cases, strict=True))
    if all(_same(value, right(*case), view) for value, case in pairs):
        return verdict("")
    for mistake, hint in wrong:
        if all(_same(value, mistake(*case), view) for value, case in pairs):
            return verdict(hint)
    value, case = next((value, case) for value, case in pairs if not _same(value, right(*case), view))
    return verdict(f"for {_short(case)} it should be {_short(right(*case))}, and was {_short(value)}")


def _verdict(moral: str) -> Callable[[str | None], None]:
    """A function that prints the line for a hint: None means no answer yet, an empty hint a right one."""

    def say(hint: str | None) -> None:
        if hint is None:
            print("not yet: write your answer in place of ... and run this cell again")
        elif hint:
            print(f"not yet: {hint}")
        else:
            print(f"correct. {moral}")

    return say


def _raised(error: Exception) -> str:
    return f"your code raised {type(error).__name__}: {error}"


def _same(a, b, view) -> bool:
    """Equal shapes and values (1e-4 relative); tuples element by element. Never raises."""
    if isinstance(b, tuple):
        if not isinstance(a, tuple | list) or len(a) != len(b):
            return False
        return all(_same(p, q, view) for p, q in zip(a, b, strict=True))
    try:
        a, b = torch.as_tensor(view(a)).detach().double(), torch.as_tensor(view(b)).detach().double()
    except Exception:
        return False
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def _short(value) -> str:
    """A value in few characters."""
    if isinstance(value, tuple | list) and not all(isinstance(v, int) for v in value):
        return "(" + ", ".join(_short(v) for v in value) + ")"
    if isinstance(value, Tensor):
        return f"{value.item():.4g}" if value.numel() == 1 else f"a tensor {tuple(value.shape)}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
