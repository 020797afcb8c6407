"""Checker of the gradient penalty that 12_wasserstein asks for: judged on critics whose slope is known everywhere."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises.judge import as_tensor, report, short, unanswered

VECTOR, PICTURE = (6, 3), (4, 3, 4, 4)  # batches: a picture as wide as the batch, so that a t of shape (B,) fits it
CALLS = 200  # from which the distribution of t is read
NEAR, FAR = 2.0, 6.0  # every value of the real and of the fake example from which t is read

NO_GRADIENT = "no gradient reaches the critic's weights: autograd.grad needs create_graph=True"
CUT = "no gradient reaches the critic's weights: .item(), .data, detach() and no_grad() cut it off"

LENGTHS = (2.0, 0.5)  # of the gradient of a linear critic
# What is paid by a linear critic with the gradient g (B, ...), each usual mistake.
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda g: (g.norm() - 1).square(), "one norm of the whole batch: each sample has its own gradient, and its norm"),
    (
        lambda g: (g.norm(dim=1) - 1).square().mean(),
        "norm(dim=1) of pictures (B, C, H, W) is a norm for each pixel: flatten(1) first, all values of a sample count",
    ),
    (
        lambda g: (g.norm(dim=-1) - 1).square().mean(),
        "norm(dim=-1) of pictures is a norm for each row of pixels: flatten(1) first, all values of a sample count",
    ),
    (
        lambda g: (g.norm(dim=(-2, -1)) - 1).square().mean(),
        "a norm for each channel of a picture: flatten(1) first, all values of a sample count",
    ),
    (lambda g: (g.norm(dim=0) - 1).square().mean(), "dim=0 runs over the batch: the norm is that of one sample"),
    (lambda g: (g.abs() - 1).square().mean(), "each value of the gradient is compared with 1: take its norm first"),
    (
        lambda g: (g.flatten(1).sum(1) - 1).square().mean(),
        "the values of the gradient are summed: its length is norm(dim=1), the root of the sum of their squares",
    ),
    (
        lambda g: (_lengths(g).square() - 1).square().mean(),
        "(|g|² - 1)² is another penalty, four times as strict near 1: the root is missing, (|g| - 1)²",
    ),
    (lambda g: _lengths(g).square().mean(), "that is E |g|², which asks for slope 0: subtract 1 from the norm"),
    (lambda g: _lengths(g).mean(), "that is the mean slope: (|g| - 1)²"),
    (lambda g: (_lengths(g) - 1).mean(), "the square is missing: (|g| - 1)²"),
    (lambda g: (_lengths(g) - 1).abs().mean(), "the absolute value of |g| - 1: here it is its square"),
    (
        lambda g: (_lengths(g) - 1).clamp(min=0).square().mean(),
        "that is one-sided: slopes below 1 are to be fined as well",
    ),
    (lambda g: -(_lengths(g) - 1).square().mean(), "the sign: a penalty is above 0"),
    (lambda g: (_lengths(g) - 1).square().sum(), "a sum over the batch: the mean is asked for"),
    (lambda g: 10 * (_lengths(g) - 1).square().mean(), "the weight, 10, is no part of it: whoever calls it multiplies"),
    (
        lambda g: (_lengths(g) / len(g) - 1).square().mean(),
        "f(x).mean() divides each gradient by B: take the gradient of f(x).sum()",
    ),
)


def _lengths(g: Tensor) -> Tensor:
    return g.flatten(1).norm(dim=1)


def build_gradient_penalty(answer: Callable) -> None:
    """Exercise 12.3: ``gradient_penalty(f, real, fake)``, a scalar: E (|grad f(x)| - 1)² at random points between.

    f takes (B, ...) to (B,); x = t real + (1 - t) fake, with a new t from U(0, 1) for each sample; the norm is that of
    one sample's gradient. On linear critics the value is known; on f(x) = |x|² / 2, whose slope is |x|, it says
    where the slope was taken; and the gradient must reach the critic's weights.
    """

    def hint() -> str | None:
        if unanswered(answer):
            return None
        if not callable(answer):
            return f"a function of f, real and fake is asked for, and it was {short(answer)}"
        first = answer(*_linear(VECTOR, 2.0)[1:])
        if unanswered(first):
            return None
        return _wrong_form(first) or _wrong_value(answer) or _wrong_points(answer) or _wrong_graph(answer) or ""

    raised = [
        ("does not require grad", "call x.requires_grad_() before f(x), and keep no_grad() away"),
        ("appears to not have been used", "the gradient is that of f(x) with respect to x, the points between"),
        ("can be implicitly created only for scalar", "autograd wants one number: f(x).sum()"),
        ("grad can be implicitly created", "autograd wants one number: f(x).sum()"),
        ("tuple' object has no attribute", "autograd.grad returns a tuple: write (gradient,) = ... or [0]"),
        ("list' object has no attribute", "autograd.grad returns a tuple: write (gradient,) = ... or [0]"),
        ("must match the size of tensor", "t has one number for each sample: (B, 1) for points, (B, 1, 1, 1) pictures"),
        ("Dimension out of range", "real may be points (B, D) or pictures (B, C, H, W): flatten(1) suits both"),
        ("shape '[", "real may be points (B, D) or pictures (B, C, H, W): t needs as many axes as real"),
    ]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        report(hint, "One slope for each sample, at a random point of its own, and the critic learns from it.", raised)


def _linear(shape: tuple, length: float, samples: int = 0) -> tuple:
    """The gradient (B, ...) of a linear critic, the critic, and random pairs."""
    shape = (samples or shape[0], *shape[1:])
    direction = torch.rand(shape[1:]) + 0.5
    w = length * direction / direction.norm()
    return w.expand(shape), lambda x: (x * w).flatten(1).sum(1), torch.randn(shape), torch.randn(shape)


def _wrong_form(value) -> str | None:
    number = as_tensor(value)
    if number is None or not isinstance(value, Tensor | float):
        return f"the penalty should be a scalar, and was {short(value)}"
    if number.ndim:
        return f"the penalty should be one number, the mean over the batch, and has shape {tuple(number.shape)}"
    return None if number.isfinite() else "the penalty is not finite"


def _wrong_value(answer: Callable) -> str | None:
    """Linear critics have one slope everywhere, so what they pay does not depend on the points."""
    cases = [_linear(shape, length) for shape in (VECTOR, PICTURE) for length in LENGTHS]
    given: list[Any] = [as_tensor(answer(*case[1:])) for case in cases]
    if any(value is None or value.ndim for value in given):
        return "the penalty should be one number, also for pictures (B, C, H, W)"

    def agrees(rule: Callable, part: slice) -> bool:
        pairs = zip(given[part], cases[part], strict=True)
        return all(torch.isclose(value.double(), rule(g).double(), rtol=1e-3, atol=1e-5) for value, (g, *_) in pairs)

    def right(g):
        return (_lengths(g) - 1).square().mean()

    points, pictures = agrees(right, slice(2)), agrees(right, slice(2, 4))
    if points and pictures:
        return None
    for part in (slice(4), slice(2, 4) if points else slice(2)):
        for rule, why in WRONG:
            try:
                if agrees(rule, part):
                    return why
            except (IndexError, RuntimeError):  # a norm over axes that points do not have
                continue
    i = next(i for i, (g, *_) in enumerate(cases) if not torch.isclose(given[i].double(), right(g).double(), rtol=1e-3))
    kind, length = ("pictures" if i > 1 else "points"), LENGTHS[i % 2]
    return f"a linear critic of slope {length:g}, on {kind}, pays {(length - 1) ** 2:g}, and it was {short(given[i])}"


def _paraboloid(x: Tensor) -> Tensor:
    return x.square().flatten(1).sum(1) / 2


def _shares(answer: Callable, shape: tuple) -> Tensor:
    """The t of many calls, read from the penalty of |x|² / 2: all samples but one have slope 1 and pay nothing."""
    size = math.prod(shape[1:])
    real = torch.full(shape, size**-0.5)
    fake = real.clone()
    real[1], fake[1] = NEAR, FAR
    # each has been seen to be a number, see _wrong_form
    paid = torch.stack([as_tensor(answer(_paraboloid, real.clone(), fake.clone())).double() for _ in range(CALLS)])  # pyright: ignore[reportOptionalMemberAccess]
    slope = 1 + (shape[0] * paid).clamp(min=0).sqrt()
    return (FAR - slope / size**0.5) / (FAR - NEAR)


def _wrong_points(answer: Callable) -> str | None:
    each = "t has one number for each sample, (B, 1) for points and (B, 1, 1, 1) for pictures"
    for shape, many in ((VECTOR, (6, 300)), (PICTURE, PICTURE)):
        t, wide = _shares(answer, shape), _shares(answer, many)
        if (t - 1).abs().max() < 1e-2:
            return "the slope is taken at the real points only: take random points between real and fake"
        if t.abs().max() < 1e-2:
            return "the slope is taken at the fake points only: take random points between real and fake"
        if t.std() < 1e-3:
            middle = "the middle only" if abs(t.mean() - 0.5) < 1e-3 else "the same point in every call"
            return f"it looks at {middle}: draw t anew with torch.rand, in every call"
        if t.min() < -0.01 or t.max() > 1.01:
            return "some points are not between real and fake: t from torch.rand, between 0 and 1, not randn"
        if abs(wide.mean() - 0.5) < 0.1 and wide.std() < 0.2:
            return f"the values of one sample have different t: {each}"
        uneven = (t.sort().values - (torch.arange(CALLS) + 0.5) / CALLS).abs().max()
        if uneven > 0.18:  # a uniform t is that far off once in a hundred thousand times
            return "t is not evenly spread between 0 and 1: torch.rand"
    pairs = torch.full((200, 3), NEAR), torch.full((200, 3), FAR)
    paid = torch.stack([as_tensor(answer(_paraboloid, *pairs)).double() for _ in range(20)])  # pyright: ignore[reportOptionalMemberAccess]
    if paid.std() > 0.3 * paid.mean():
        return f"all samples of a batch share one t: {each}"
    return None


def _wrong_graph(answer: Callable) -> str | None:
    w = torch.tensor([1.2, 1.6], requires_grad=True)  # of length 2
    value = answer(lambda x: x @ w, torch.randn(5, 2), torch.randn(5, 2))
    if not isinstance(value, Tensor) or not value.requires_grad:
        return CUT if not isinstance(value, Tensor) else NO_GRADIENT
    (slope,) = torch.autograd.grad(value, w, allow_unused=True)
    if slope is None or not torch.allclose(slope, w.detach(), rtol=1e-3):  # 2 (|w| - 1) w / |w|
        return NO_GRADIENT
    return None
