"""Checks of arguments, shared by the whole package: bad input raises at the door and is named there."""

import math
import operator
import reprlib
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

UNIT, BYTES, SIGNED = "0 ... 1", "0 ... 255", "-1 ... 1"  # scales of grey levels
_LONGEST = 120  # characters of a value in a message
_SLACK = 1e-5  # of the unit interval: what rounding adds to a grey level


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `least`, else raise ValueError.

    NumPy's integers and integer tensors without dimensions are whole numbers too; no kind of bool is one.
    """
    number = value if type(value) is int else None  # most are, and compiled code can follow no further
    if number is None and not _is_bool(value) and not getattr(value, "ndim", 0):  # no (1,), which torch would take
        try:
            number = operator.index(value)
        except (TypeError, RuntimeError):  # RuntimeError: a tensor on the meta device has no value
            pass
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {describe(value)}")
    return number


@overload  # so that types know how many there are
def sizes(name: str, value: Any, *, length: Literal[2], want: str = "") -> tuple[int, int]: ...
@overload
def sizes(name: str, value: Any, *, length: Literal[3], want: str = "") -> tuple[int, int, int]: ...
@overload
def sizes(name: str, value: Any, *, least: int = 1, want: str = "") -> tuple[int, ...]: ...
def sizes(name: str, value: Any, *, length: int | None = None, least: int = 1, want: str = "") -> tuple[int, ...]:
    """Return `value` as a tuple of positive ints, `length` or at least `least` of them, else raise ValueError."""
    try:
        numbers = tuple(whole(name, size) for size in value)
        if len(numbers) >= least and length in (None, len(numbers)):
            return numbers
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} must be {want or 'a tuple of whole numbers above 0'}, got {describe(value)}")


def number(value: Any) -> float:
    """Return `value` as a float if it is a real number, else NaN, which no comparison lets through.

    NumPy's numbers and real tensors without dimensions are numbers too; no kind of bool is one.
    """
    numeric = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, Tensor):
        numeric = not value.is_complex() and not value.is_meta
    elif isinstance(value, np.ndarray):
        numeric = value.dtype.kind in "iuf"
    if _is_bool(value) or not numeric or getattr(value, "ndim", 0):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number beyond 1e308
        return math.nan


def positive(name: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number above 0, else raise ValueError."""
    if not 0 < number(value) < math.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {describe(value)}")
    return number(value)


def share(name: str, value: Any) -> float:
    """Return `value` as a float if it is a number from 0 up to, not including, 1, else raise ValueError."""
    if not 0 <= number(value) < 1:
        raise ValueError(f"{name} must be a number from 0 up to, not including, 1, got {describe(value)}")
    return number(value)


def image_shape(name: str, shape: Any, channels: int) -> tuple[int, int, int]:
    """Return `shape` as (channels, H, W) if it has that many channels and positive sides, else raise ValueError."""
    want = f"({channels}, height, width) in whole numbers above 0"
    sides = sizes(name, shape, length=3, want=want)
    if sides[0] != channels:
        raise ValueError(f"{name} must be {want}, got {describe(shape)}")
    return sides


def tensor(name: str, value: object, dtype: torch.dtype | None, device: torch.device | str | None = None) -> Tensor:
    """Return numbers as a tensor, else raise ValueError: a tensor where it lies, others on the CPU, unless told where.

    torch's default device is for what somebody wants there, and not for a constant.
    """
    where = device or (value.device if isinstance(value, Tensor) else "cpu")
    try:
        return torch.as_tensor(value, dtype=dtype, device=where)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(f"{name} must be numbers, got {describe(value)}") from None


def images(name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return `x` if it is a floating-point tensor (B, *shape), else raise ValueError."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or tuple(x.shape[1:]) != tuple(shape):
        sides = ", ".join(map(str, shape))
        raise ValueError(f"{name} must be a floating-point tensor of shape (B, {sides}), got {describe(x)}")
    return x


def unit(name: str, x: Tensor) -> Tensor:
    """Return `x` if all its values lie in [0, 1], up to rounding, else raise ValueError; NaN lies nowhere.

    Compiled code and functorch's transforms follow one way for all values: there `x` is taken as it is.
    """
    if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x) or not x.numel():  # pyright: ignore[reportAttributeAccessIssue]
        return x
    low, high = (bound.item() for bound in x.detach().aminmax())
    if not -_SLACK <= low <= high <= 1 + _SLACK:
        raise ValueError(f"{name} must hold values in [0, 1], got some from {low:.4g} to {high:.4g}")
    return x


def greys(name: str, x: Tensor) -> Tensor:
    """Return `x` unless it holds pictures in 0 … 255 or -1 … 1, see ``scale``, else raise ValueError.

    Single values, or all of a bad model's, may lie outside [0, 1]: they are to be measured as they are.
    """
    if scale(x) in (BYTES, SIGNED):
        low, high = (bound.item() for bound in x.detach().aminmax())
        raise ValueError(f"{name} must be pictures with values in [0, 1], got values from {low:.4g} to {high:.4g}")
    return x


def scale(x: Tensor) -> str:
    """On which of the usual scales pictures are: UNIT, BYTES (or any 0 … K), SIGNED, or none of them, "".

    A model that is not yet good draws values on both sides of [0, 1], as far out as it likes: that is no scale. Grey
    levels of 0 … K are never below 0, and those of -1 … 1 end at -1, where many of them are.
    """
    if not x.numel():
        return ""
    low, high = (bound.item() for bound in x.detach().aminmax())
    if low >= -0.01 and (x > 1.5).double().mean().item() > 0.01:
        return BYTES
    if low >= -1.1 and high <= 1.1 and (x < -0.5).double().mean().item() > 0.1:
        return SIGNED
    return UNIT if low >= -0.5 and high <= 1.5 else ""


def describe(x: object) -> str:
    """Say in a few words, and on one line, what `x` is; no message prints a whole tensor or a long list."""
    text = _SHORT.repr(x)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


class _Short(reprlib.Repr):
    """As ``repr``, but arrays by type and shape, and of everything long only the ends."""

    def __init__(self):
        super().__init__()
        self.maxlong = self.maxstring = self.maxother = 80  # characters
        self.maxtuple = self.maxlist = 8

    def repr1(self, x: object, level: int) -> str:
        if isinstance(x, Tensor) and not (x.ndim == 0 and x.device.type == "cpu"):
            return f"{x.dtype} of shape {tuple(x.shape)}"
        if isinstance(x, np.ndarray) and x.ndim:
            return f"numpy {x.dtype} of shape {x.shape}"
        return " ".join(super().repr1(x, level).split())


_SHORT = _Short()


def _is_bool(value: object) -> bool:
    return isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) in (torch.bool, np.dtype(bool))
