"""Checks of arguments shared by the data sets: bad input raises at the door and is named there."""

import math

import torch
from torch import Tensor


def whole(name: str, value: int, least: int = 1) -> int:
    """Return `value` if it is a whole number of at least `least`, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, but was {value!r}")
    return value


def positive(name: str, value: float) -> float:
    """Return `value` as a float if it is a finite number above 0, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, but was {value!r}")
    return float(value)


def image_shape(name: str, shape: tuple[int, int, int], channels: int) -> tuple[int, int, int]:
    """Return `shape` as (channels, H, W) if it has that many channels and positive sides, else raise ValueError."""
    sides = tuple(shape) if isinstance(shape, tuple | list | torch.Size) else ()
    if len(sides) != 3 or sides[0] != channels or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"{name} must be ({channels}, height, width) in whole numbers above 0, but was {shape!r}")
    return sides


def images(name: str, x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return `x` if it is a floating-point tensor (B, *shape), else raise ValueError."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or tuple(x.shape[1:]) != tuple(shape):
        sides = ", ".join(map(str, shape))
        raise ValueError(f"{name} must be a floating-point tensor of shape (B, {sides}), but was {describe(x)}")
    return x


def describe(x: object) -> str:
    """Say in a few words what `x` is, without printing a whole tensor into an error message."""
    return f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)[:80]
