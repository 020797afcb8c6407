"""Checker of the causal attention that 04_colour asks for: any function with the right outputs passes."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises.judge import as_tensor, judge

CASES = ((2, 5, 3, 3), (1, 4, 4, 4), (3, 6, 2, 2), (2, 1, 3, 3))  # B, T, d and the width of a value


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    diagonal: int = 1,
    turned: bool = False,
    fill: float = -math.inf,
    scale: Callable[[int, int], float] = lambda d, T: math.sqrt(d),
    dim: int = 2,
    weigh: Callable[[Tensor, int], Tensor] = torch.softmax,
    kept: Callable[[Tensor], Tensor] = lambda weights: weights,
) -> Tensor:
    """The right one, and what becomes of it when one of its parts is another."""
    T, d = query.shape[1:]
    later = torch.ones(T, T).triu(diagonal).bool()
    later = later.T if turned else later
    scores = query @ key.transpose(1, 2) / scale(d, T)
    return kept(weigh(scores.masked_fill(later, fill), dim)) @ value


def _wrong(**changes) -> Callable:
    return lambda query, key, value: attention(query, key, value, **changes)


def _lower(weights: Tensor) -> Tensor:
    return weights.tril()


UNMASKED = {"diagonal": 10_000}
NO_SCALE = "the scores are not divided by the root of d: the larger d, the harder the softmax would choose"
FUTURE = "position 1 sees what comes later: set the scores of later positions to -inf before the softmax"
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_wrong(**UNMASKED), FUTURE),
    (_wrong(**UNMASKED, scale=lambda d, T: 1.0), f"{FUTURE}. And divide the scores by the root of d"),
    (_wrong(scale=lambda d, T: 1.0), NO_SCALE),
    (_wrong(scale=lambda d, T: d), "that divides by d; it is the root of d"),
    (_wrong(scale=lambda d, T: 1 / math.sqrt(d)), "that multiplies by the root of d; divide by it"),
    (_wrong(scale=lambda d, T: math.sqrt(T)), "that is the root of the number of positions; d is the width of a query"),
    (
        _wrong(diagonal=0),
        "a position may look at itself, too: only *later* ones are hidden (and the first saw nothing)",
    ),
    (
        _wrong(diagonal=0, fill=-1e9),
        "a position may look at itself, too: only *later* ones are hidden (and the first saw nothing)",
    ),
    (_wrong(turned=True), "turned round: it hides what comes before and shows what comes later. Transpose the mask"),
    (_wrong(turned=True, diagonal=0), "turned round: it hides what comes before. Transpose the mask"),
    (_wrong(fill=0.0), "a score of 0 is not a weight of 0: exp(0) = 1. Later scores must be -inf"),
    (
        _wrong(**UNMASKED, kept=_lower),
        "masked after the softmax the weights no longer sum to 1: mask the scores before it, with -inf",
    ),
    (
        _wrong(dim=1),
        "the softmax runs over the queries; each query's weights over the *keys* must sum to 1: the last axis",
    ),
    (
        _wrong(**UNMASKED, dim=1),
        "the softmax runs over the queries; each query's weights over the *keys* must sum to 1: the last axis",
    ),
    (_wrong(fill=0.0, weigh=lambda scores, dim: scores), "the softmax is missing: scores are no weights yet"),
    (
        _wrong(weigh=lambda scores, dim: scores.exp()),
        "exp is half of a softmax: divide by the sum, so that each row's weights sum to 1",
    ),
    (
        _wrong(scale=lambda d, T: math.inf),
        "all earlier positions weigh the same: the scores, query times key, are not used",
    ),
    (lambda query, key, value: attention(key, query, value), "query and key are exchanged"),
    (lambda query, key, value: attention(query, key, key), "the keys are averaged; it should be the values"),
    (lambda query, key, value: attention(query, value, value), "the scores compare queries with *keys*"),
    (lambda query, key, value: attention(query, query, value), "the scores compare queries with *keys*"),
    (
        lambda query, key, value: attention(query, key, torch.eye(key.shape[1]).expand(len(key), -1, -1)),
        "those are the weights; multiply them by the values",
    ),
    (
        lambda query, key, value: attention(query, key, value)[:, -1],
        "that is the answer of the last position alone: one for each is asked for",
    ),
    (lambda query, key, value: query + attention(query, key, value), "that adds the query; return the average alone"),
)


def build_attention(answer: Callable) -> None:
    """Exercise 04: ``attention(query, key, value)``, causal, with one head; (B, T, d) each, as is what it returns."""

    def tensor_of(query: Tensor, key: Tensor, value: Tensor):
        out = answer(query, key, value)
        if isinstance(out, tuple) and len(out) == 2:  # with the weights, as some return it
            pair = [as_tensor(part) for part in out]
            out = next((part for part in pair if part is not None and part.shape == value.shape), out)
        return out

    g = torch.Generator().manual_seed(0)
    cases = []
    for B, T, d, width in CASES:
        query, key = 2 * torch.randn(2, B, T, d, generator=g)
        cases.append((query, key, torch.randn(B, T, width, generator=g)))
    raised = [
        ("must be a square matrix", "the scores are (B, T, T): is the transpose that of the last two axes?"),
        ("Expected size for first two dimensions of batch2", "the transpose must be that of the last two axes of key"),
        ("must match the size of tensor", "the mask is (T, T), from the number of positions: query.shape[1]"),
        ("must be broadcastable", "the mask is (T, T), from the number of positions: query.shape[1]"),
        ("only supports boolean masks", "masked_fill wants a mask of True and False: mask.bool()"),
        ("expected self and mask", "masked_fill wants a mask of True and False: mask.bool()"),
        ("dimension specified as 0 but tensor has no dimensions", "math.sqrt, not a softmax, for the root of d"),
    ]
    given = tensor_of if callable(answer) else answer
    moral = "Each position averages the values up to its own, and the weights sum to 1."
    judge(given, attention_of, cases, WRONG, moral, raised)


def attention_of(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return attention(query, key, value)
