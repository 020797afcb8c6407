"""Checkers of two exercises of 15_scale_up: a mean over processes, and which rows a process takes.

Processes are threads here, which wait for one another in ``all_reduce`` as processes would, but not for ever.
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises.judge import as_tensor, difference, report, same, short, unanswered

SHARES = ((1, 2, 5), (4, 1))  # pictures of each process, once for three and once for two of them
SHAPES = ((3,), (2, 2))  # of the gradient
PATIENCE = 10.0  # seconds that a process waits for the others
CALLS = 100  # of all_reduce, more than anyone needs

TIMES = "all processes must call all_reduce the same number of times, or one waits for ever: no call inside an if"
ORDER = "the processes handed tensors of different shapes to one all_reduce: all must call it in the same order"
MANY = "all_reduce was called more than a hundred times: two calls are enough"
ENDLESS = f"it did not come to an end in {PATIENCE:.0f} seconds"
EQUAL = "a process with one picture counts as much as one with many: multiply by pictures before the sum is taken"
OWN = "pictures is the number of this process: divide by that of all, all_reduce(torch.tensor(pictures))"

# What process r gets from the gradients g and pictures n of all, each usual mistake.
Rule = Callable[[Sequence[Tensor], Sequence[int], int], Tensor | float]
WRONG_MEANS: tuple[tuple[Rule, str], ...] = (
    (lambda g, n, r: sum(g) / len(g), f"that is the plain mean of the means: {EQUAL}"),
    (lambda g, n, r: sum(g), f"that is the sum of the means, divided by nothing, and {EQUAL}"),
    (lambda g, n, r: sum(g) / sum(n), f"the sum is divided by all pictures, but {EQUAL}"),
    (lambda g, n, r: sum(g) * n[r] / sum(n), "multiply by pictures before all_reduce: afterwards it is too late"),
    (lambda g, n, r: sum(g) * n[r], "multiply by pictures before all_reduce, and divide by the pictures of all"),
    (lambda g, n, r: sum(g) * n[r] / len(g), "multiply by pictures before all_reduce, and divide by those of all"),
    (lambda g, n, r: sum(g) / n[r], OWN),
    (lambda g, n, r: _total(g, n), "that is the sum over all pictures: a mean divides it by their number"),
    (lambda g, n, r: _total(g, n) / n[r], OWN),
    (lambda g, n, r: _total(g, n) / n[r] / len(g), "world * pictures is the number of all only if shares are equal"),
    (
        lambda g, n, r: _total(g, n) / len(g),
        "after the multiplication by pictures it is a sum over pictures: divide by all pictures, not by world",
    ),
    (lambda g, n, r: _total(g, n) / sum(n) / len(g), "divided once too often: all pictures are enough, no world"),
    (lambda g, n, r: _total(g, n) / sum(n) * len(g), "it is world times too large: divide by all pictures alone"),
    (lambda g, n, r: g[r] * n[r] / sum(n), "that is the part of this process: all_reduce adds up the parts of all"),
    (lambda g, n, r: g[r], "each process keeps its own gradient: all_reduce(t) returns the sum, and leaves t alone"),
    (lambda g, n, r: g[r] * n[r], "that is the sum of this process alone: all_reduce adds up those of all"),
    (lambda g, n, r: sum(a / b for a, b in zip(g, n, strict=True)), "multiply by pictures: dividing weighs few more"),
    (
        lambda g, n, r: sum(a / b for a, b in zip(g, n, strict=True)) / len(g),
        "multiply by pictures: dividing makes few pictures count more, not less",
    ),
)


def _total(g: Sequence[Tensor], n: Sequence[int]) -> Tensor | int:
    return sum(a * b for a, b in zip(g, n, strict=True))


class _Apart(BaseException):
    """Ends a process that waits in vain; its message is the hint. No `except Exception` of an answer catches it."""


class _Meeting:
    """Where processes meet to add up: each waits until all have come, and gets the sum."""

    def __init__(self, world: int):
        self.sent: list[list[Tensor]] = [[] for _ in range(world)]
        self.gone = [False] * world
        self.changed = threading.Condition()

    def all_reduce(self, rank: int, t) -> Tensor | int:
        tensor = as_tensor(t)
        if tensor is None:
            raise TypeError(f"all_reduce takes a tensor, and got {short(t)}")
        with self.changed:
            self.sent[rank].append(tensor.clone())  # the answer may go on writing into its own
            n = len(self.sent[rank])
            if n > CALLS:
                raise _Apart(MANY)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._all(n) or self._in_vain(n), PATIENCE)
            if not self._all(n):
                raise _Apart(TIMES)
            parts = [sent[n - 1] for sent in self.sent]
        if any(part.shape != tensor.shape for part in parts):
            raise _Apart(ORDER)
        return sum(parts)

    def leave(self, rank: int) -> None:
        with self.changed:
            self.gone[rank] = True
            self.changed.notify_all()

    def _all(self, n: int) -> bool:
        return all(len(sent) >= n for sent in self.sent)

    def _in_vain(self, n: int) -> bool:
        return any(gone and len(sent) < n for gone, sent in zip(self.gone, self.sent, strict=True))


def _in_processes(answer: Callable, gradients: list[Tensor], shares: Sequence[int]) -> list | str:
    """What each process returns; or a hint, if they do not come together."""
    world = len(shares)
    values: list[Any]
    errors: list[Any]
    meeting, values, errors = _Meeting(world), [None] * world, [None] * world

    def process(rank: int) -> None:
        try:
            all_reduce = partial(meeting.all_reduce, rank)
            values[rank] = answer(gradients[rank].clone(), shares[rank], all_reduce, world)
        except BaseException as error:  # raised again below, in the reader's own thread
            errors[rank] = error
        finally:
            meeting.leave(rank)

    threads = [threading.Thread(target=process, args=(rank,), daemon=True) for rank in range(world)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 2 * PATIENCE  # whoever waits for an endless process has given up by then
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    raised = [error for error in errors if error is not None]
    for error in raised:
        if not isinstance(error, _Apart):
            raise error
    if any(thread.is_alive() for thread in threads):
        return ENDLESS
    return str(raised[0]) if raised else values


def averaged(answer: Callable) -> None:
    """Exercise 15.1: ``averaged(gradient, pictures, all_reduce, world)``, the gradient of the mean over all pictures.

    Each process calls it with the gradient of the mean over its own pictures and their number; ``all_reduce(t)``
    returns the sum of t over all processes. With g_r and n_r of process r: sum_r n_r g_r / sum_r n_r.
    """

    def hint() -> str | None:
        if unanswered(answer):
            return None
        if not callable(answer):
            return f"a function of gradient, pictures, all_reduce and world is asked for, and it was {short(answer)}"
        generator = torch.Generator().manual_seed(0)
        runs = []
        for shares, shape in zip(SHARES, SHAPES, strict=True):
            g = [torch.randn(shape, generator=generator) for _ in shares]
            values = _in_processes(answer, g, shares)
            if isinstance(values, str):
                return values
            runs += [(value, g, shares, rank) for rank, value in enumerate(values)]
        if all(unanswered(value) for value, *_ in runs):
            return None
        for value, g, n, r in runs:
            if unanswered(value):
                return f"nothing was returned in process {r} of {len(n)}"
            given = as_tensor(value)
            if given is None or given.shape != g[r].shape:
                return f"the gradient should come back in its shape, {tuple(g[r].shape)}, and was {short(value)}"
        differing = [run for run in runs if not same(run[0], _mean(*run[1:]), exact=True)]
        if not differing:
            return ""
        for rule, why in WRONG_MEANS:
            if all(same(value, rule(g, n, r)) for value, g, n, r in runs):
                return why
        value, g, n, r = differing[0]
        which = f"process {r} has {n[r]} of {sum(n)} pictures"
        return f"{which}, and of what it returns {difference(value, _mean(g, n, r))}"

    raised = [
        ("can't be cast to the desired output type", "the number of pictures is whole: torch.tensor(float(pictures))"),
        ("got an unexpected keyword", "all_reduce(t) takes one tensor and nothing else"),
        ("positional argument", "averaged takes gradient, pictures, all_reduce and world, and all_reduce one tensor"),
        ("Tensors must have same number of dimensions", "a gradient has the shape of its weight, whatever that is"),
        ("'int' object has no attribute", "pictures is a Python number: torch.tensor(pictures)"),
    ]
    report(hint, "Every picture counts the same, wherever its gradient is computed.", raised)


def _mean(g: Sequence[Tensor], n: Sequence[int], r: int = 0) -> Tensor | float:
    return _total(g, n) / sum(n)


# ---- whose turn it is ------------------------------------------------------------------------------------------------

ROWS, STEPS = 200, range(4)
CASES = [(step, batch, world) for world in (1, 2, 3, 5) for batch in (8, 7) for step in STEPS]


def my_rows(answer: Callable) -> None:
    """Exercise 15.3: ``my_rows(order, step, batch, rank, world)``, what process ``rank`` takes of the step's batch.

    The batch is order[step * batch : (step + 1) * batch]. Any way to deal it out passes, if no row is twice or left
    out and the shares differ by one at most.
    """

    def hint() -> str | None:
        if unanswered(answer):
            return None
        if not callable(answer):
            return f"a function of order, step, batch, rank and world is asked for, and it was {short(answer)}"
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
        given = {case: _dealt(answer, order, case) for case in CASES}
        values = [(value, rank, case) for case, row in given.items() for rank, value in enumerate(row)]
        if all(unanswered(value) for value, *_ in values):
            return None
        for value, rank, case in values:
            if why := _no_rows(value, rank, case):
                return why
        shares = {case: _numbers(row) for case, row in given.items()}
        if any(_numbers(_dealt(answer, order, case)) != shares[case] for case in CASES):
            return "the same call gives other rows a second time: nothing random, or each process has another order"
        return _mistake(order.tolist(), shares) or next(
            filter(None, (_unfair(order.tolist(), case, parts) for case, parts in shares.items())), ""
        )

    raised = [
        ("tuple index out of range", "torch.chunk may give fewer parts than asked for: torch.tensor_split"),
        ("list index out of range", "there are fewer parts than processes: deal them out with [rank::world]"),
        ("step must be", "a slice is [start:stop:step]: it starts at rank and goes in steps of world"),
        ("slice step cannot be zero", "a slice is [start:stop:step]: it starts at rank and goes in steps of world"),
        ("is invalid for input of size", "the batch need not divide by world: [rank::world] or torch.tensor_split"),
        ("modulo by zero", "rank may be 0: divide by world"),
        ("division by zero", "rank may be 0: divide by world"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, "Nobody has to ask whose turn it is: rank and world say it.", raised)


def _dealt(answer: Callable, order: Tensor, case: tuple) -> list:
    step, batch, world = case
    return [answer(order.clone(), step, batch, rank, world) for rank in range(world)]


def _no_rows(value, rank: int, case: tuple) -> str | None:
    if unanswered(value):
        return f"nothing was returned for rank {rank} of {case[2]}"
    rows = as_tensor(value)
    if rows is None or rows.ndim != 1:
        return f"a tensor of rows is asked for, with one axis, and it was {short(value)}"
    if rows.dtype == torch.bool:
        return "that is a mask: order[mask] are the rows"
    if rows.is_floating_point() and rows.numel():  # an empty list has no whole numbers either
        return "rows are whole numbers, to be used as an index"
    return None


def _numbers(row: list) -> list[list[int]]:
    """The rows of each process, in order: which comes first within a process does not matter."""
    numbers: list[Any] = [as_tensor(value) for value in row]
    return [sorted(number.long().tolist()) for number in numbers]


def _mistake(order: list[int], shares: dict[tuple, list[list[int]]]) -> str | None:
    """The hint of a mistake that explains all cases."""
    together = {case: sorted(sum(parts, [])) for case, parts in shares.items()}
    several = [case for case in CASES if case[2] > 1]

    def batch_is(part: Callable[[int, int], slice]) -> bool:
        return all(together[case] == sorted(order[part(*case[:2])]) for case in CASES)

    def each_is(rule: Callable[[list[int], int, int], list[int]]) -> bool:
        """Is it the right batch, dealt out by this rule?"""
        return all(
            part == sorted(rule(order[step * batch : (step + 1) * batch], rank, world))
            for (step, batch, world), parts in shares.items()
            for rank, part in enumerate(parts)
        )

    if all(rows == sorted(order) for rows in together.values()):
        return "all of order is shared out: step takes order[step * batch : (step + 1) * batch] of it"
    if all(parts == [sorted(order)] * world for (*_, world), parts in shares.items()):
        return "every process has all of order: neither the step, nor the batch, nor the rank is used"
    if all(parts == shares[0, batch, world] for (_, batch, world), parts in shares.items()):
        return "step is not used: every step has the same rows"
    if all(parts.count(parts[0]) == len(parts) for parts in shares.values()):
        return "rank is not used: every process has the same rows"
    if all(rows == [*range(step * batch, (step + 1) * batch)] for (step, batch, _), rows in together.items()):
        return "those are positions in order: the rows are order[positions]"
    if batch_is(lambda step, batch: slice(step, step + batch)):
        return "a step takes batch rows: its first is step * batch, not step"
    if batch_is(lambda step, batch: slice(step * batch, None)):
        return "the end is missing: a step's rows are order[step * batch : (step + 1) * batch]"
    if all(len(part) == case[1] for case in several for part in shares[case]):
        return "each process takes a whole batch: batch is what all of them take together"
    if all(len(part) == case[1] // case[2] for case in several for part in shares[case]):
        return "batch // world drops the rest: 7 rows for 2 processes are 4 and 3"
    for shift in (-1, 1):
        if each_is(lambda rows, rank, world, shift=shift: rows[rank + shift :: world]):
            return "ranks count from 0 to world - 1: a share starts at rank"
    if each_is(lambda rows, rank, world: rows[rank * world : (rank + 1) * world]):
        return "rank * world is no place in the batch: a share has about batch / world rows, not world"
    rounded = all(
        [len(part) for part in shares[case]] == [_rounded_up(case, rank) for rank in range(case[2])] for case in several
    )
    if rounded:
        return "shares are rounded up, so the last has too few or none: torch.tensor_split, not chunk; or [rank::world]"
    return None


def _rounded_up(case: tuple, rank: int) -> int:
    _, batch, world = case
    share = -(-batch // world)
    return min(share, max(0, batch - rank * share))


def _unfair(order: list[int], case: tuple, parts: list[list[int]]) -> str | None:
    """What is wrong in one case, said with its numbers."""
    step, batch, world = case
    processes = "1 process" if world == 1 else f"{world} processes"
    where = f"step {step}, batch {batch}, {processes}"
    together, wanted = sum(parts, []), order[step * batch : (step + 1) * batch]
    twice = sorted({row for row in together if together.count(row) > 1})
    if twice:
        return f"{where}: row {twice[0]} is taken twice"
    if foreign := sorted(set(together) - set(wanted)):
        return f"{where}: row {foreign[0]} is not of this step, order[{step * batch}:{(step + 1) * batch}]"
    if missing := sorted(set(wanted) - set(together)):
        return f"{where}: row {missing[0]} is left out"
    sizes = [len(part) for part in parts]
    if max(sizes) - min(sizes) > 1:
        return f"{where}: the shares have {sizes} rows, and should differ by one at most: try [rank::world]"
    return None
