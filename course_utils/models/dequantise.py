"""Dequantisation: how a density over real numbers gives probabilities of pictures that have only L levels.

A picture x holds k / (L - 1) with k = 0 ... L - 1. Its level k owns the bin [k / L, (k + 1) / L) of real values y, and

    P(x) = integral of p(y) over the D bins of x = L^-D E_u[p(y)],   y = (x (L - 1) + u) / L,   u uniform in [0, 1)^D,
    log P(x) >= E_u[log p(y)] - D log L

by Jensen's inequality. Without the noise there would be nothing to learn: a density can be as high as it likes at L
isolated values. Uria et al., arXiv 1306.0186; the bound: Theis et al., arXiv 1511.01844. Read first:
``dequantised_log_prob``.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils import _check
from course_utils.distributions import categorical, draw


def dequantise(x: Tensor, levels: int, *, generator: torch.Generator | None = None) -> Tensor:
    """A uniform draw from the bins of x: y = (x (L - 1) + u) / L, in [0, 1), shape of x.

    Args:
        x: float32 or float64 (B, ...) of values k / (L - 1). Half precision could not tell the noise from its rounding.
        levels: L, at least 2.
        generator: source of u; torch's global one by default.

    Raises:
        ValueError: ``levels`` is below 2, or x is no such batch.
    """
    _need_levels(x, levels)
    margin = 2 * levels * torch.finfo(x.dtype).eps  # so that no rounding moves y over an edge of its bin
    u = draw(torch.rand, x, generator).clamp(margin, 1 - margin)
    return ((x * (levels - 1)).round() + u) / levels


def quantise(y: Tensor, levels: int) -> Tensor:
    """The level whose bin y lies in: k / (L - 1) with k = floor(y L), shape of y; what lies outside goes to the ends.

    Rounding down, not to the nearest level: noise was added upwards. ``quantise(dequantise(x, L), L)`` is x.

    Raises:
        ValueError: ``levels`` is below 2, or y is no float tensor.
    """
    levels = _check.whole("levels", levels, least=2)
    if not isinstance(y, Tensor) or not y.is_floating_point():
        raise ValueError(f"y must be a float tensor, got {_check.describe(y)}")
    return (y * levels).floor().clamp(0, levels - 1) / (levels - 1)


def dequantised_log_prob(
    log_density: Callable[[Tensor], Tensor],
    x: Tensor,
    levels: int,
    samples: int = 1,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Lower bound on log P(x) from a density of real values, shape (B,), in nats.

        log 1/K sum_k p(y_k) - D log L,    y_k = (x (L - 1) + u_k) / L

    A bound in expectation, as the importance-weighted one of a VAE: one draw gives E_u[log p(y)] - D log L, and more
    draws tighten it towards log P(x).

    Args:
        log_density: function of y (B, ...) in [0, 1) to log p(y) (B,), in nats.
        x: float32 or float64 (B, ...) of values k / (L - 1).
        levels: L, at least 2.
        samples: number of draws K, taken one after the other.
        generator: source of the noise; torch's global one by default.

    Raises:
        ValueError: ``levels`` or ``samples`` is too small, or x is no such batch.
    """
    samples = _check.whole("samples", samples)
    _need_levels(x, levels)
    draws = [log_density(dequantise(x, levels, generator=generator)) for _ in range(samples)]
    return torch.stack(draws).logsumexp(0) - math.log(samples) - math.prod(x.shape[1:]) * math.log(levels)


def _need_levels(x: Tensor, levels: int) -> None:
    """Refuse what is no float32 or float64 batch of values k / (levels - 1).

    Raises:
        ValueError: ``levels`` is below 2, or x is no such batch.
    """
    family = categorical(levels)
    if not isinstance(x, Tensor) or x.dtype not in (torch.float32, torch.float64) or x.ndim < 2:
        raise ValueError(f"x must be a float32 or float64 tensor of shape (B, ...), got {_check.describe(x)}")
    family.check(x, x.shape[1:])
