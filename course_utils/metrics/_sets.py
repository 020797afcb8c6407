"""What two sets of pictures, or of their features, must be before they can be compared."""

import torch
from torch import Tensor

from course_utils import _check

_DIFFERENCES = "donot_use_mm_for_euclid_dist"  # torch.cdist's word for: exact, by differences
_ROWS = 1_024


def need_set(name: str, x: Tensor, least: int = 1) -> Tensor:
    """Return x as float64 (N, D), its pictures flattened: copies must be at distance 0, and sums keep their digits.

    No gradient flows back to x.

    Raises:
        ValueError: x is not a finite float tensor (N, ...) with N of at least ``least``.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2 or not x[:1].numel() or len(x) < least:
        want = f"a floating-point tensor (N, ...) with N of at least {least}"
        raise ValueError(f"{name} must be {want}, got {_check.describe(x)}")
    if not x.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return x.detach().flatten(1).double()


def need_sets(least: int = 1, /, **sets: Tensor) -> list[Tensor]:
    """``need_set`` of each, and all of them of one shape and scale.

    Raises:
        ValueError: see ``need_set``; or the shapes of one picture differ; or see ``need_one_scale``.
    """
    flat = [need_set(name, x, least) for name, x in sets.items()]
    (first, x), *others = sets.items()
    for name, other in others:
        if other.shape[1:] != x.shape[1:]:
            shapes = f"{tuple(x.shape[1:])}, got {tuple(other.shape[1:])}"
            raise ValueError(f"{name} must have the shape of {first} after the first dimension, {shapes}")
    need_one_scale(**sets)
    return flat


def need_one_scale(**sets: Tensor) -> None:
    """Refuse pictures (N, C, H, W) in [0, 1] beside pictures in 0 ... 255 or -1 ... 1: nothing else would be measured.

    On whatever scale all of them are, distances say the same of them.

    Raises:
        ValueError: one set is in [0, 1] and another one on one of the other two scales.
    """
    (first, x), *others = sets.items()
    if x.ndim != 4:  # features
        return
    for name, other in others:
        scales = _check.scale(x), _check.scale(other)
        if _check.UNIT in scales and not {_check.BYTES, _check.SIGNED}.isdisjoint(scales):
            (low, high), (lowest, highest) = ([v.item() for v in s.aminmax()] for s in (x, other))
            spans = f"{low:.4g} to {high:.4g}, got {lowest:.4g} to {highest:.4g}"
            raise ValueError(f"{name} must be pictures on the scale of {first}, whose values go from {spans}")


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (A, B) by differences: a matrix of squares would put a copy at 1e-8, not at 0."""
    return torch.cat([torch.cdist(part, b, compute_mode=_DIFFERENCES) for part in a.split(_ROWS)])
