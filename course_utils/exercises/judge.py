"""How answers are judged: compared with the right function on a few inputs, then with the usual wrong ones.

An answer that agrees with a wrong one everywhere gets the hint that belongs to it. Nothing here raises, whatever the
answer does; only an interrupt goes through.
"""

import copy
import inspect
import reprlib
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Wrong = Sequence[tuple[Callable[..., Any], str]]  # functions that make a usual mistake, and what to say of it
Raised = Sequence[tuple[str, str]]  # parts of an error's message, and what to say of it


class Remark(str):
    """What else there is to say of a right answer; ``report`` prints it behind the moral."""


def judge(
    answer: Callable,
    right: Callable,
    cases: list[tuple[Any, ...]],
    wrong: Wrong,
    moral: str,
    raised: Raised = (),
    view: Callable[[Tensor], Tensor] = lambda value: value,
) -> None:
    """Compare ``answer`` with ``right`` on all cases, then with each usual mistake; print one line."""

    def hint() -> str | None:
        given = [answer(*copy.deepcopy(case)) for case in cases]  # copies: an answer may write into its arguments
        if all(unanswered(value) for value in given):
            return None
        pairs = list(zip(given, cases, strict=True))
        nothing = next((case for value, case in pairs if unanswered(value)), None)
        if nothing is not None:
            return f"nothing was returned for {_inputs(right, nothing)}"
        differing = [(value, case) for value, case in pairs if not same(value, right(*case), view, exact=True)]
        if not differing:
            return ""
        for mistake, why in wrong:
            if all(same(value, mistake(*case), view) for value, case in pairs):
                return why
        value, case = differing[0]
        return f"for {_inputs(right, case)} {difference(value, right(*case))}"

    report(hint, moral, raised)


def _inputs(right: Callable, case: tuple) -> str:
    names = inspect.signature(right).parameters
    return ", ".join(f"{name} = {_given(argument)}" for name, argument in zip(names, case, strict=True))


def _given(argument) -> str:
    """An argument as the reader can type it, where it is small: then the result can be checked by hand."""
    if isinstance(argument, Tensor) and 0 < argument.numel() <= 6:
        return str((argument.double().round(decimals=4) if argument.is_floating_point() else argument).tolist())
    return short(argument)


def report(find_hint: Callable[[], str | None], moral: str, raised: Raised) -> None:
    """Print one line for a hint: None means no answer yet, an empty hint a right one; an exception is a hint too.

    A ``Remark`` also means a right one.
    """
    try:
        hint = find_hint()
    except (Exception, SystemExit) as error:  # whatever the reader's code raises is part of the verdict
        message = traceback.format_exception_only(error)[-1].strip()
        hint = f"your code raised {message.splitlines()[0]}"  # torch lists every overload on further lines
        hint = next((f"{why} ({hint})" for part, why in raised if part in message), hint)
    if hint is None:
        print("not yet: write your answer in place of ... and run this cell again")
    elif hint and not isinstance(hint, Remark):
        print(f"not yet: {hint}")
    else:
        print(f"correct. {moral} {hint}".rstrip())


def unanswered(value: object) -> bool:
    return value is None or value is ...


def same(a: Any, b: Any, view: Callable[[Tensor], Tensor] = lambda value: value, exact: bool = False) -> bool:
    """Equal shapes and values (1e-4 relative), if exact also both bool or neither; tuples element by element."""
    if isinstance(b, tuple):
        if not isinstance(a, tuple | list) or len(a) != len(b):
            return False
        return all(same(p, q, view, exact) for p, q in zip(a, b, strict=True))
    a, b = as_tensor(a), as_tensor(b)
    if a is None or (exact and (a.dtype == torch.bool) != (b.dtype == torch.bool)):
        return False
    a, b = view(a.double()), view(b.double())
    return a.shape == b.shape and bool(_close(a, b).all())


def _close(a: Tensor, b: Tensor) -> Tensor:
    return torch.isclose(a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


def as_tensor(value: Any) -> Tensor | None:
    """A number, an array or nested lists as a tensor on the CPU; None for what is not made of real numbers."""
    try:
        if isinstance(value, np.ndarray):
            value = value.copy()  # torch takes no reversed views
        tensor = torch.as_tensor(value).detach().cpu()
        return None if tensor.is_complex() else tensor.to_dense()
    except Exception:
        return None


def difference(value: Any, right: Any) -> str:
    """Where a value first differs from the right one, and both."""
    part = "it"
    if isinstance(right, tuple):
        if not isinstance(value, tuple | list) or len(value) != len(right):
            return f"it should be a tuple of {len(right)}, and was {short(value)}"
        i = next(i for i in range(len(right)) if not same(value[i], right[i], exact=True))
        part, value, right = f"the {('first', 'second')[i]}", value[i], right[i]
    a = as_tensor(value)
    b: Any = as_tensor(right)  # what is right is a tensor
    if a is None or a.shape != b.shape or b.ndim == 0:
        return f"{part} should be {short(right)}, and was {short(value)}"
    where = (~_close(a, b)).nonzero()[0].tolist()
    whole = "" if part == "it" else f" of {part}"
    return f"entry {where}{whole} should be {short(b[tuple(where)])}, and was {short(a[tuple(where)])}"


def short(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, Tensor):
        few_integers = value.ndim == 1 and len(value) <= 8 and not value.is_floating_point()
        shape = f"a tensor of shape {tuple(value.shape)}"
        return short(value.item()) if value.ndim == 0 else str(value.tolist()) if few_integers else shape
    if isinstance(value, list | tuple) and 0 < len(value) <= 4 and all(isinstance(v, Tensor) for v in value):
        return "(" + ", ".join(short(v) for v in value) + ")"
    if isinstance(value, float):
        return f"{value:.5g}"  # enough digits to tell apart what _close tells apart
    if isinstance(value, int | str | list | tuple):
        return reprlib.repr(value)
    return f"of type {type(value).__name__}"
