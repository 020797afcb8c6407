"""Checks of arguments, shared by the whole package: bad input raises at the door and is named there."""

import math
import operator

from torch import Tensor


def whole(name: str, value: int, least: int = 1) -> int:
    """Return `value` as an int if it is a whole number (NumPy's too, no bool) of at least `least`, else ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def sizes(name: str, value: object, *, length: int | None = None, least: int = 1, want: str = "") -> tuple[int, ...]:
    """Return `value` as a tuple of positive ints, `length` or at least `least` of them, else raise ValueError."""
    try:
        numbers = tuple(whole(name, size) for size in value)
        if len(numbers) >= least and length in (None, len(numbers)):
            return numbers
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} must be {want or 'a tuple of whole numbers above 0'}, got {value!r}")


def positive(name: str, value: float) -> float:
    """Return `value` as a float if it is a finite number above 0, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)


def share(name: str, value: float) -> float:
    """Return `value` as a float if it is a number from 0 up to, not including, 1, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"{name} must be a number from 0 up to, not including, 1, got {value!r}")
    return float(value)


def image_shape(name: str, shape: tuple[int, int, int], channels: int) -> tuple[int, int, int]:
    """Return `shape` as (channels, H, W) if it has that many channels and positive sides, else raise ValueError."""
    want = f"({channels}, height, width) in whole numbers above 0"
    sides = sizes(name, shape, length=3, want=want)
    if sides[0] != channels:
        raise ValueError(f"{name} must be {want}, got {shape!r}")
    return sides


def images(name: str, x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return `x` if it is a floating-point tensor (B, *shape), else raise ValueError."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or tuple(x.shape[1:]) != tuple(shape):
        sides = ", ".join(map(str, shape))
        raise ValueError(f"{name} must be a floating-point tensor of shape (B, {sides}), got {describe(x)}")
    return x


def describe(x: object) -> str:
    """Say in a few words what `x` is, without printing a whole tensor into an error message."""
    return f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)[:80]
