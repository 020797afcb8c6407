"""The causal attention a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import math

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"


def masked(query, key, value):
    T = query.shape[1]
    scores = query @ key.transpose(1, 2) / query.shape[2] ** 0.5
    return scores.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf).softmax(2) @ value


def loop(query, key, value):
    rows = []
    for i in range(query.shape[1]):
        scores = (query[:, i : i + 1] * key[:, : i + 1]).sum(2) / math.sqrt(query.shape[2])
        weights = scores.softmax(1)
        rows.append((weights[:, :, None] * value[:, : i + 1]).sum(1))
    return torch.stack(rows, 1)


def by_torch(query, key, value):
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def large_number(query, key, value):
    later = torch.triu(torch.ones(query.shape[1], query.shape[1]), diagonal=1)
    scores = torch.einsum("bid,bjd->bij", query, key) / query.size(-1) ** 0.5 - 1e9 * later
    return torch.einsum("bij,bjd->bid", torch.softmax(scores, -1), value)


def renormalised(query, key, value):
    weights = (query @ key.mT / query.shape[-1] ** 0.5).exp().tril()
    return weights / weights.sum(-1, keepdim=True) @ value


def with_weights(query, key, value):
    later = torch.ones(query.shape[1], query.shape[1]).triu(1).bool()
    weights = (query @ key.mT / query.shape[-1] ** 0.5).masked_fill(later, -math.inf).softmax(-1)
    return weights @ value, weights


@pytest.mark.parametrize("right", [masked, loop, by_torch, large_number, renormalised, with_weights])
def test_right_answers_are_accepted(right, said):
    assert said("build_attention", right).startswith("correct. ")


def variant(mask=lambda T: torch.ones(T, T).triu(1).bool(), fill=-math.inf, root=0.5, dim=2, last=lambda w, v: w @ v):
    def attention(query, key, value):
        scores = query @ key.transpose(1, 2) / query.shape[2] ** root
        return last(scores.masked_fill(mask(query.shape[1]), fill).softmax(dim), value)

    return attention


def nothing_hidden(T):
    return torch.zeros(T, T).bool()


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (variant(mask=nothing_hidden), "sees what comes later"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), "sees what comes later"),
        (variant(mask=nothing_hidden, root=0), "the root of d"),
        (variant(root=0), "not divided by the root of d"),
        (variant(root=1), "divides by d"),
        (variant(root=-0.5), "multiplies by the root"),
        (variant(mask=lambda T: torch.ones(T, T).triu(0).bool()), "may look at itself"),
        (variant(mask=lambda T: torch.ones(T, T).tril(-1).bool()), "turned round"),
        (variant(mask=lambda T: torch.ones(T, T).tril().bool()), "turned round"),
        (variant(fill=0.0), "exp(0) = 1"),
        (variant(mask=nothing_hidden, last=lambda w, v: w.tril() @ v), "no longer sum to 1"),
        (variant(dim=1), "over the queries"),
        (variant(last=lambda w, v: w), "those are the weights"),
        (lambda q, k, v: masked(k, q, v), "exchanged"),
        (lambda q, k, v: masked(q, k, k), "keys are averaged"),
        (lambda q, k, v: masked(q, v, v), "compare queries with *keys*"),
        (lambda q, k, v: (q @ k.mT / q.shape[2] ** 0.5).tril() @ v, "softmax is missing"),
        (lambda q, k, v: (q @ k.mT / q.shape[2] ** 0.5).exp().tril() @ v, "half of a softmax"),
        (lambda q, k, v: masked(0 * q, k, v), "weigh the same"),
        (lambda q, k, v: masked(q, k, v)[:, -1], "last position alone"),
        (lambda q, k, v: q + masked(q, k, v), "adds the query"),
        (lambda q, k, v: masked(q, k, v).numpy(), "correct."),
    ],
)
def test_usual_mistakes_get_their_hint(wrong, word, said):
    assert word in said("build_attention", wrong)


@pytest.mark.parametrize("broken", [
    lambda q, k, v: q @ k @ v,
    lambda q, k, v: (q @ k.mT).masked_fill(torch.ones(q.shape[1], q.shape[1]).triu(1), -math.inf).softmax(2) @ v,
    lambda q, k, v: (q @ k.mT).masked_fill(torch.ones(q.shape[2], q.shape[2]).triu(1).bool(), -math.inf) @ v,
    lambda q, k: q,
])  # fmt: skip
def test_what_raises_is_told_so(broken, said):
    assert said("build_attention", broken).startswith("not yet: ")


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_no_answer_and_never_raises(junk, said):
    assert said("build_attention", junk).startswith("not yet: ")


def test_the_empty_exercise_says_so(said):
    assert said("build_attention", lambda query, key, value: ...) == NOT_WRITTEN
