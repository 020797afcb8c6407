"""Checks that a reader can read: each compares two computations, prints one line, and raises if they disagree."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SIGMAS = 4  # a correct Monte-Carlo check fails once in 16,000 seeds


def close(a, b, name_a: str, name_b: str, *, tolerance: float = 1e-5, digits: int = 4) -> None:
    """Check that two computations of the same thing agree to within ``tolerance`` (absolute, in every element).

    Prints ``closed form 0.7413 · loop 0.7413 · equal to 1e-05``.

    Raises:
        ValueError: the two do not have the same shape.
        AssertionError: they differ by more, or one is not finite.
    """
    a, b = (torch.as_tensor(values, dtype=torch.float64).detach().cpu() for values in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"{name_a} and {name_b} must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    difference = (a - b).abs().max().item() if a.numel() else 0.0
    if not difference <= tolerance:  # also catches NaN
        raise AssertionError(f"{name_a} and {name_b} differ by {difference:.3g}, more than {tolerance:.0e}")
    where = "" if a.numel() == 1 else f", all {a.numel():,} values"
    print(f"{name_a} {_show(a, digits)} · {name_b} {_show(b, digits)} · equal to {tolerance:.0e}{where}")


def monte_carlo(exact, draws: Tensor, name: str, name_draws: str = "Monte Carlo", *, digits: int = 4) -> None:
    """Check an exact value against the mean of independent draws, with the draws' own standard error.

    Prints ``closed form 0.7413 · Monte Carlo 0.7421 ± 0.0011``, where ± is one standard error std / sqrt(S).

    Args:
        exact: value(s) of shape (...).
        draws: independent draws, shape (S, ...), whose mean estimates ``exact``.

    Raises:
        ValueError: fewer than 2 draws, or the shapes do not match.
        AssertionError: a mean is more than 4 standard errors away, or the standard error is 0 and the mean is off.
    """
    exact = torch.as_tensor(exact, dtype=torch.float64).detach().cpu()
    draws = draws.detach().double().cpu()
    if len(draws) < 2 or draws.shape[1:] != exact.shape:
        want = ", ".join(map(str, ["S", *exact.shape]))
        raise ValueError(f"draws must have shape ({want}) with S > 1, got {tuple(draws.shape)}")
    mean, error = draws.mean(0), draws.std(0) / math.sqrt(len(draws))
    if not ((mean - exact).abs() <= SIGMAS * error + 1e-12).all():
        worst = ((mean - exact).abs() / error.clamp(min=1e-12)).max().item()
        raise AssertionError(f"{name} and {name_draws} are {worst:.1f} standard errors apart, more than {SIGMAS}")
    print(f"{name} {_show(exact, digits)} · {name_draws} {_show(mean, digits)} ± {_show(error, digits)}")


def below(value, limit, name: str, name_limit: str = "limit", *, digits: int = 4) -> None:
    """Check that ``value`` is smaller than ``limit``, and say so: ``gap 0.0021 < 0.0100 (one per cent)``.

    Raises:
        AssertionError: it is not, or one of them is NaN.
    """
    value, limit = float(value), float(limit)
    if not value < limit:
        raise AssertionError(f"{name} {value:.{digits}f} is not below {name_limit} {limit:.{digits}f}")
    print(f"{name} {value:.{digits}f} < {limit:.{digits}f} {name_limit}")


def raises(kind: type[Exception], function, *arguments) -> None:
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


def _show(values: Tensor, digits: int) -> str:
    """One number as it is, a few in brackets, many by their mean."""
    flat: Sequence[float] = values.flatten().tolist()
    if len(flat) == 1:
        return f"{flat[0]:.{digits}f}"
    if len(flat) <= 4:
        return "[" + ", ".join(f"{v:.{digits}f}" for v in flat) + "]"
    return f"{values.mean().item():.{digits}f} on average"
