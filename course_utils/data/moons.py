"""Phases of the moon, drawn: one known number, the phase, decides what a picture shows.

At phase φ (0 new, 1/4 first quarter, 1/2 full, 3/4 last quarter) the terminator, the edge of the lit part, is half an
ellipse with the semi-axis r·cos(2πφ), and the lit part of the disk is (1 - cos 2πφ) / 2. What lies between two
phases is therefore known exactly, and what a model puts there can be compared with it.
"""

import math
from functools import cache

import torch
from torch import Tensor

from course_utils import _check
from course_utils.data.images import Images, split_images, split_sizes

EARTHSHINE = 2 / 16  # the night side: not black, so that a new moon is still a picture
LEVELS = 17  # as many grey levels as the digits have, so that the same models serve both

_ROWS_IN_PIXEL = 8  # an edge is integrated exactly along x, and on this many lines a pixel along y


def moon(
    phase: Tensor | float,
    centre: Tensor | tuple[float, float] | None = None,
    radius: Tensor | float | None = None,
    size: int = 16,
) -> Tensor:
    """Draw the moon at the given phases, antialiased, on a black sky.

    A point (u, v) of the unit disk, u to the right, is lit for a waxing moon (φ < 1/2) where u > cos(2πφ)·√(1 - v²);
    a waning moon is the mirror image of phase 1 - φ. A pixel is the area that is lit, plus 1/8 of the area that is not.

    Args:
        phase: number or (B,), of a period: 0 new, 0.25 right half lit, 0.5 full, 0.75 left half lit; read modulo 1.
        centre: (2,) or (B, 2), x and y in pixels from the upper left corner; None is the middle.
        radius: number or (B,), in pixels; None is 3/8 of the size.
        size: height and width in pixels.

    Returns:
        float32 (B, 1, size, size) in [0, 1]; differentiable in all three.

    Raises:
        ValueError: a phase, centre or radius is not finite or of another shape, or a radius is not above 0.
    """
    size = _check.whole("size", size)
    phase = _check.tensor("phase", phase, torch.float32)
    if phase.ndim > 1 or not phase.isfinite().all():
        raise ValueError(f"phase must be a finite number or of shape (B,), got {_check.describe(phase)}")
    phase = phase.reshape(-1)
    centre = _nuisance("centre", (size / 2, size / 2) if centre is None else centre, (len(phase), 2), phase)
    radius = _nuisance("radius", 3 / 8 * size if radius is None else radius, (len(phase),), phase)
    if not (radius > 0).all():
        raise ValueError(f"radius must be above 0, got {radius.min().item()}")

    lines = torch.arange(size * _ROWS_IN_PIXEL, dtype=phase.dtype, device=phase.device)  # (R,)
    y = (lines + 0.5) / _ROWS_IN_PIXEL  # in pixels
    v = (y - centre[:, 1:]) / radius[:, None]  # (B, R)
    # Where a line misses the disk its chord has length 0; clamping before the root keeps the gradient finite.
    half = radius[:, None] * torch.where(v.abs() < 1, (1 - v**2).clamp(min=1e-12).sqrt(), 0)  # (B, R) half chord
    turn = torch.cos(2 * math.pi * phase)[:, None]
    waxing = (torch.remainder(phase, 1) < 0.5)[:, None]
    x = centre[:, :1]
    day_from = torch.where(waxing, x + turn * half, x - half)
    day_to = torch.where(waxing, x + half, x - turn * half)
    disk = _covered(x - half, x + half, size)
    day = _covered(day_from, day_to, size)
    return (EARTHSHINE * disk + (1 - EARTHSHINE) * day)[:, None].clamp(0, 1)


def _covered(start: Tensor, end: Tensor, size: int) -> Tensor:
    """How much of each pixel lies between start and end: lines (B, R) give areas (B, size, size)."""
    left = torch.arange(size, device=start.device)  # (W,)
    overlap = torch.minimum(end[..., None], left + 1) - torch.maximum(start[..., None], left)  # (B, R, W)
    return overlap.clamp(0, 1).unflatten(1, (size, _ROWS_IN_PIXEL)).mean(2)


def _nuisance(name: str, value: Tensor | tuple | float, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return `value` as a finite tensor broadcast to `shape`, else raise ValueError."""
    value = _check.tensor(name, value, like.dtype, like.device)
    if value.shape not in (shape, shape[1:]) or not value.isfinite().all():
        raise ValueError(f"{name} must be finite and of shape {shape[1:]} or {shape}, got {_check.describe(value)}")
    return value.expand(shape)


def moon_parameters(n: int = 2_000, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the images of `moon_phases(n, seed)` were drawn from, in the order train, valid, test.

    Returns:
        phase (n,) uniform in [0, 1); centre (n, 2) uniform within ±1 pixel of the middle; radius (n,) uniform in
        5.5 … 6.5 pixels; all float32 and independent of each other.

    Raises:
        ValueError: n < 1, or seed is not a whole number.
    """
    n = _check.whole("n", n)
    generator = torch.Generator().manual_seed(_check.whole("seed", seed, least=0))
    phase, x, y, radius = torch.rand(4, n, generator=generator, dtype=torch.float32, device="cpu")
    return phase, 7 + 2 * torch.stack([x, y], dim=1), 5.5 + radius


def moon_phases(n: int = 2_000, seed: int = 0) -> Images:
    """Make n images of the moon at random phases, slightly moved and scaled, split 80 / 10 / 10.

    Args:
        n: images in all.
        seed: decides all of them; torch's global random state is neither used nor changed.

    Returns:
        float32 (N, 1, 16, 16) in 17 levels k/16; the labels are the phases, float32 in [0, 1).

    Raises:
        ValueError: n < 10, or seed is not a whole number.
    """
    sizes = split_sizes(n)
    phase, centre, radius = moon_parameters(n, seed)
    # In pieces, because the lines within a pixel need eight times the memory of the pictures.
    pieces = zip(phase.split(1_000), centre.split(1_000), radius.split(1_000), strict=True)
    x = torch.cat([moon(*piece) for piece in pieces])
    x = (x * (LEVELS - 1)).round() / (LEVELS - 1)
    return split_images("moon_phases", x, phase, sizes, levels=LEVELS)


def nearest_moon(x: Tensor) -> tuple[Tensor, Tensor]:
    """Find the drawn moon nearest to each picture: how far is it from being a moon, and at which phase?

    Searches 128 phases × 5 × 5 centres × 3 radii that cover what `moon_phases` draws; the distance is
    √(mean over pixels of (x - moon)²), in grey values of 0 … 1.

    Args:
        x: floating point (B, 1, 16, 16).

    Returns:
        distance (B,) and phase (B,).

    Raises:
        ValueError: x is not (B, 1, 16, 16), or drawn in 0 … 255 or -1 … 1, not in [0, 1].
    """
    _check.greys("x", _check.images("x", x, (1, 16, 16)))
    pictures, phases = _moon_catalogue()
    pictures, phases = pictures.to(x), phases.to(x)
    flat = x.flatten(1)
    # |x - m|² = |x|² - 2 x·m + |m|²: one matrix product finds the nearest, whose distance is then taken directly.
    nearest = (pictures.square().sum(1) - 2 * flat @ pictures.T).argmin(1)
    return (flat - pictures[nearest]).square().mean(1).sqrt(), phases[nearest]


@cache
def _moon_catalogue() -> tuple[Tensor, Tensor]:
    """All moons that `nearest_moon` knows: (N, 256) pictures and their (N,) phases."""
    of = {"dtype": torch.float32, "device": "cpu"}  # it stays in memory, whatever the default was at the first call
    near, radii = torch.linspace(7, 9, 5, **of), torch.tensor([5.6, 6.0, 6.4], **of)
    grid = torch.cartesian_prod(torch.arange(128, **of) / 128, near, near, radii)
    pieces = [moon(part[:, 0], part[:, 1:3], part[:, 3]) for part in grid.split(1_000)]
    return torch.cat(pieces).flatten(1), grid[:, 0]
