"""benchmarks/pixel_rnn.py: its worlds and measures against independent computations."""

import math

import pixel_rnn as w
import pytest
import torch

from course_utils import models


def test_in_the_far_world_four_pixels_are_copies_and_the_others_fair():
    x = w.far_pictures(4_000, torch.Generator().manual_seed(0))
    assert torch.equal(x[:, :, 1, :4], x[:, :, 0, 4:])
    free = torch.cat([x[:, 0, 0], x[:, 0, 1, 4:]], 1)  # (N, 12)
    assert (free.mean(0) - 0.5).abs().max() < 0.04
    assert (torch.corrcoef(free.T) - torch.eye(12)).abs().max() < 0.08


def test_the_versions_are_what_their_names_say():
    plain, paper, leaking = (
        w.make(f"Diagonal BiLSTM{rest}", (1, 4, 9), 4, 1) for rest in ("", ", paper's map", ", not moved down")
    )
    assert (plain.beyond, paper.beyond, leaking.beyond) == (1, 0, 1)
    assert isinstance(w.make("Row LSTM", (1, 4, 9), 4, 1), models.RowLSTM)
    x = torch.rand(3, 1, 4, 9, requires_grad=True)
    for model, leaks in ((plain, False), (paper, False), (leaking, True)):
        (slope,) = torch.autograd.grad(model.conditionals(x).logits[:, 0, 2, 3].sum(), x)
        assert bool((slope[:, 0, 2, 3:] != 0).any()) is leaks


def test_the_rest_and_its_cost():
    terms = -torch.arange(64.0).view(1, 1, 8, 8)
    assert [w.rest(terms, k).item() for k in (0, 62, 63, 64)] == [2016, 125, 63, 0]
    assert w.first(3).flatten().tolist() == [True] * 3 + [False] * 61


def test_argmax_takes_the_most_probable_level_and_keeps_what_is_known():
    torch.manual_seed(0)
    model = models.RowLSTM((1, 3, 3), 4, 1)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    known = torch.arange(9).view(1, 3, 3) < 2
    given = torch.ones(1, 1, 3, 3)
    x = w.argmax(model, given, known)
    assert torch.equal(x[:, known], given[:, known])
    with torch.no_grad():
        best = (model.conditionals(x).logits > 0).float()
    assert torch.equal(x[:, ~known], best[:, ~known])


def test_the_pixel_entropy_is_that_of_the_counts():
    x = torch.tensor([[0.0, 1.0], [0.0, 0.5], [0.0, 1.0], [0.0, 0.5]])
    assert w.pixel_entropy(x, levels=3) == pytest.approx(math.log(2) / 2)
    assert w.pixel_entropy(torch.zeros(5, 3)) == 0
