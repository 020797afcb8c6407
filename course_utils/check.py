"""Checks that a reader can read: each compares two computations, prints one line, and raises if they disagree."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import Tensor

Numbers = Tensor | np.ndarray | Sequence[Any] | float  # whatever torch makes a tensor of
FALSE_ALARM = 6e-5  # chance that a correct Monte-Carlo check fails: 4 standard errors, for one value
FEWEST_DRAWS = 100  # with fewer, the estimated standard error is too uncertain for that


def close(a: Numbers, b: Numbers, name_a: str, name_b: str, *, tolerance: float = 1e-5, digits: int = 4) -> None:
    """Check that two computations of the same thing agree to within ``tolerance`` (absolute, in every element).

    Prints ``closed form 0.7413 · loop 0.7413 · within 1e-05``; with ``tolerance=0`` ``... · exactly equal``.

    Raises:
        ValueError: the two do not have the same shape.
        AssertionError: they differ by more, or one is not finite.
    """
    a, b = _float64(a), _float64(b)
    if a.shape != b.shape:
        raise ValueError(f"{name_a} and {name_b} must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if not a.numel():
        raise ValueError(f"{name_a} and {name_b} must have at least one element, got none")
    difference = (a - b).abs().max().item()
    if not difference <= tolerance:  # also catches NaN
        raise AssertionError(f"{name_a} and {name_b} differ by {difference:.3g}, more than {tolerance:.0e}")
    where = "" if a.numel() == 1 else f", all {a.numel():,} values"
    how = f"within {tolerance:.0e}" if tolerance else "exactly equal"
    print(f"{name_a} {_show(a, digits)} · {name_b} {_show(b, digits)} · {how}{where}")


def monte_carlo(exact: Numbers, draws: Tensor, name: str, name_draws: str = "Monte Carlo", *, digits: int = 4) -> None:
    """Check an exact value against the mean of independent draws, with the draws' own standard error.

    Prints ``closed form 0.7413 · Monte Carlo 0.7421 ± 0.0011``, where ± is one standard error std / sqrt(S). One value
    may be 4 standard errors away; for n values the limit grows so that the chance of a false alarm stays what it is
    (Bonferroni). That the draws are independent is the caller's promise.

    Args:
        exact: value(s) of shape (...).
        draws: independent draws, shape (S, ...), whose mean estimates ``exact``.

    Raises:
        ValueError: fewer than 100 draws, nothing to compare, or the shapes do not match.
        AssertionError: a mean is too many standard errors away, or not finite.
    """
    exact, draws = _float64(exact), _float64(draws)
    if draws.ndim < 1 or len(draws) < FEWEST_DRAWS or draws.shape[1:] != exact.shape or not exact.numel():
        want = ", ".join(map(str, ["S", *exact.shape]))
        raise ValueError(f"draws must have shape ({want}) with S >= {FEWEST_DRAWS}, got {tuple(draws.shape)}")
    mean, error = draws.mean(0), draws.std(0) / math.sqrt(len(draws))
    sigmas = -NormalDist().inv_cdf(FALSE_ALARM / 2 / exact.numel())
    rounding = 1e-6 * exact.abs() + 1e-12  # draws computed in float32 are that far off even without chance
    near = (mean - exact).abs() <= sigmas * error + rounding
    if not (near & exact.isfinite()).all():
        worst = ((mean - exact).abs() / error.clamp(min=1e-12)).max().item()
        raise AssertionError(f"{name} and {name_draws} are {worst:.1f} standard errors apart, more than {sigmas:.1f}")
    print(f"{name} {_show(exact, digits)} · {name_draws} {_show(mean, digits)} ± {_show(error, digits)}")


def below(
    value: float | Tensor, limit: float | Tensor, name: str, name_limit: str = "limit", *, digits: int = 4
) -> None:
    """Check that ``value`` is smaller than ``limit``, and say so: ``gap 0.0021 < 0.0100 (one per cent)``.

    Raises:
        AssertionError: it is not, or one of them is NaN.
    """
    value, limit = float(value), float(limit)
    if not value < limit:
        raise AssertionError(f"{name} {value:.{digits}f} is not below {name_limit} {limit:.{digits}f}")
    print(f"{name} {value:.{digits}f} < {limit:.{digits}f} {name_limit}")


def zero(values: Tensor, name: str) -> None:
    """Check that every element is exactly zero, and say so: ``forbidden derivatives: all 45 are exactly 0``.

    Raises:
        ValueError: there is no element, so that nothing would be checked.
        AssertionError: an element is not zero.
    """
    if not values.numel():
        raise ValueError(f"{name} must have at least one element, got none")
    wrong = int((values != 0).sum())
    if wrong:
        raise AssertionError(f"{name}: {wrong} of {values.numel()} are not 0, the largest is {values.abs().max():.3g}")
    print(f"{name}: all {values.numel():,} are exactly 0")


def raises(kind: type[Exception], function: Callable[..., object], *arguments: Any) -> None:
    """Check that ``function(*arguments)`` raises ``kind``, and print its message.

    Raises:
        AssertionError: it raised nothing.
    """
    try:
        function(*arguments)
    except kind as error:
        print(f"{kind.__name__}: {error}")
        return
    raise AssertionError(f"{kind.__name__} was expected, nothing was raised")


def _float64(values: Numbers) -> Tensor:
    """Values on the CPU in double precision; first to the CPU, since not every device has doubles."""
    if isinstance(values, Tensor):
        return values.detach().cpu().double()
    return torch.as_tensor(values, dtype=torch.float64)


def _show(values: Tensor, digits: int) -> str:
    """One number as it is, a few in brackets, many by their mean."""
    flat: Sequence[float] = values.flatten().tolist()
    if len(flat) == 1:
        return f"{flat[0]:.{digits}f}"
    if len(flat) <= 4:
        return "[" + ", ".join(f"{v:.{digits}f}" for v in flat) + "]"
    return f"{values.mean().item():.{digits}f} on average"
