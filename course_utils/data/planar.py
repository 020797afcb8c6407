"""Densities in the plane whose log-probability is exact, so that a divergence can be computed and a proof checked.

    p(x) = 1/K · Σ_k N(x; c_k, std² I)

Every shape here (ring, grid, spiral, moons) is such a mixture: only the centres differ.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_utils import _check

# Rows of x handled at once: (rows × centres) differences stay in the cache, and a fine grid does not fill the memory.
_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class GaussianMixture2D:
    """A mixture of K round Gaussians of one width and equal weights: p(x) = 1/K · Σ_k N(x; c_k, std² I).

    Args:
        centres: float32 (K, 2).
        std: standard deviation of each component along each axis, in the units of the plane.

    Raises:
        ValueError: centres are not finite (K, 2) with K ≥ 1, or std is not above 0.
    """

    centres: Tensor
    std: float

    def __post_init__(self) -> None:
        centres = _check.tensor("centres", self.centres, torch.float32)
        if centres.ndim != 2 or centres.shape[1] != 2 or len(centres) == 0 or not centres.isfinite().all():
            raise ValueError(f"centres must be finite and of shape (K, 2), got {_check.describe(centres)}")
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "std", _check.positive("std", self.std))

    def __repr__(self) -> str:
        return f"GaussianMixture2D({len(self.centres)} centres, std={self.std:g})"

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n points (n, 2) on the generator's device (without one: the CPU and torch's global seed).

        Their type is torch's default one, as that of a network's weights is: a double-precision experiment stays one.
        """
        n = _check.whole("n", n, least=0)
        device = generator.device if generator is not None else "cpu"
        k = torch.randint(len(self.centres), (n,), generator=generator, device=device)
        noise = torch.randn(n, 2, generator=generator, device=device)
        return self.centres.to(device)[k] + self.std * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats: x floating point (n, 2) or (..., 2) gives (n,) or (...) of the same type."""
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.shape[-1:] != (2,):
            raise ValueError(f"x must be a floating-point tensor of shape (n, 2), got {_check.describe(x)}")
        centres = self.centres.to(x)
        # The density of a two-dimensional Gaussian has (2π std²)^(D/2) with D = 2: the factor 2π enters once.
        log_scale = math.log(len(centres)) + math.log(2 * math.pi * self.std**2)
        rows = [_log_sum_of_bells(part, centres, self.std) for part in x.reshape(-1, 2).split(_ROWS)]
        return (torch.cat(rows) - log_scale).reshape(x.shape[:-1])


def _log_sum_of_bells(x: Tensor, centres: Tensor, std: float) -> Tensor:
    """log Σ_k exp(-|x - c_k|² / 2 std²): (n, 2) and (K, 2) give (n,)."""
    # Differences first, squares second: |x|² - 2xc + |c|² would lose all digits where std is small.
    distance2 = (x[:, None, 0] - centres[:, 0]) ** 2 + (x[:, None, 1] - centres[:, 1]) ** 2  # (n, K)
    return torch.logsumexp(-distance2 / (2 * std**2), dim=1)


def ring(modes: int = 8, radius: float = 1.0, std: float = 0.01) -> GaussianMixture2D:
    """Gaussians evenly spaced on a circle: c_k = radius · (cos 2πk/modes, sin 2πk/modes).

    The defaults are the published protocol for counting lost modes.

    Raises:
        ValueError: modes < 1, radius ≤ 0 or std ≤ 0.

    Source: Lin et al., PacGAN, arXiv 1712.04086, section 4.
    """
    modes = _check.whole("modes", modes)
    # 2πk/modes for k < modes. A linspace from 0 to 2π *with* its end point would put two modes in one place.
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64, device="cpu") / modes
    return GaussianMixture2D(_check.positive("radius", radius) * torch.stack([angle.cos(), angle.sin()], dim=1), std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture2D:
    """side × side Gaussians on a square lattice about the origin; the defaults have centres {-4, -2, 0, 2, 4}².

    Raises:
        ValueError: side < 1, spacing ≤ 0 or std ≤ 0.

    Source: Lin et al., PacGAN, arXiv 1712.04086, section 4.
    """
    side = _check.whole("side", side)
    steps = torch.arange(side, dtype=torch.float32, device="cpu") - (side - 1) / 2
    axis = _check.positive("spacing", spacing) * steps
    return GaussianMixture2D(torch.cartesian_prod(axis, axis).reshape(-1, 2), std)


def spiral(arms: int = 2, turns: float = 1.0, components: int = 100, std: float = 0.08) -> GaussianMixture2D:
    """Archimedean spiral arms, r from 1 to 3 over `turns` turns, as Gaussians at equal distances along each arm.

    Args:
        arms: number of arms, turned against each other by 2π/arms.
        turns: full turns an arm makes.
        components: Gaussians in one arm.
        std: width of the arm.

    Raises:
        ValueError: arms < 1, components < 2, turns ≤ 0 or std ≤ 0.
    """
    arms, components = _check.whole("arms", arms), _check.whole("components", components, least=2)
    t = np.linspace(0, 1, 10_001)
    angle = 2 * np.pi * _check.positive("turns", turns) * t
    curve = (1 + 2 * t)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    arm = torch.from_numpy(_evenly_along(curve, components))
    return GaussianMixture2D(torch.cat([_rotate(arm, 2 * math.pi * k / arms) for k in range(arms)]), std)


def two_moons(components: int = 50, std: float = 0.1) -> GaussianMixture2D:
    """Two interleaved half circles of radius 1 about the origin, as Gaussians at equal distances along each.

    Args:
        components: Gaussians in one half circle.
        std: width of the half circle.

    Raises:
        ValueError: components < 2 or std ≤ 0.
    """
    components = _check.whole("components", components, least=2)
    angle = math.pi * torch.linspace(0, 1, components, dtype=torch.float64, device="cpu")
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    # The lower moon is the upper one turned by half a turn about the origin.
    return GaussianMixture2D(torch.cat([upper, -upper]), std)


def _evenly_along(curve: np.ndarray, points: int) -> np.ndarray:
    """Pick `points` points at equal distances along a finely sampled curve (N, 2), both ends included."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    wanted = np.linspace(0, length[-1], points)
    return np.stack([np.interp(wanted, length, curve[:, axis]) for axis in range(2)], axis=1)


def _rotate(x: Tensor, angle: float) -> Tensor:
    """Turn points (n, 2) about the origin, anticlockwise, by an angle in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    return x @ torch.tensor([[cos, sin], [-sin, cos]], dtype=x.dtype, device=x.device)
