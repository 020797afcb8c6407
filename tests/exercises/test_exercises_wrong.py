"""Each usual wrong answer gets its own hint, and any other one hears where it first differs."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from answers import WRONG, function, ring


@pytest.mark.parametrize(("name", "body", "word"), [(name, *pair) for name, pairs in WRONG.items() for pair in pairs])
def test_a_usual_mistake_gets_its_hint(name, body, word, said):
    line = said(name, function(name, body))
    assert line.startswith("not yet: ") and word in line, line


def test_the_bugs_of_the_tasks_get_their_hints(said):
    def mean_nll(batches):
        total = 0
        for i, nll in enumerate(batches):  # noqa: B007
            total += nll.mean()
        return total / i

    def by_images(batches):
        total = 0
        for i, nll in enumerate(batches):  # noqa: B007
            total += nll.sum().item()
        return total / i

    def copied(layer, mask, x):
        layer = copy.deepcopy(layer)
        layer.weight.data *= mask
        return layer(x)

    def restored(layer, mask, x):
        before = layer.weight.data.clone()
        layer.weight.data *= mask
        y = layer(x)
        layer.weight.data = before
        return y

    assert "two bugs" in said("mean_nll", mean_nll)
    assert "divided by the number of batches" in said("mean_nll", by_images)
    assert "the gradient reaches a copy, not the layer" in said("masked_linear", copied)
    assert "masked weights still receive a gradient" in said("masked_linear", restored)


def test_without_a_hint_the_first_entry_that_differs_is_named(said):
    def one_flipped(rank, degree):
        output = rank[:, None] > degree
        output[1, 0] = False
        return degree[:, None] >= rank, output

    line = said("made_masks", one_flipped)
    assert line == (
        "not yet: for rank = [0, 1, 2, 3], degree = [0, 0, 1, 2, 2] "
        "entry [1, 0] of the second should be True, and was False"
    )
    line = said("ring_centres", lambda k: 2 * ring(2 * math.pi * torch.arange(k) / k))
    assert line == "not yet: for k = 8 entry [0, 0] should be 1, and was 2"
    line = said("ring_centres", lambda k: torch.zeros(k, 3))
    assert line == "not yet: for k = 8 it should be a tensor of shape (8, 2), and was a tensor of shape (8, 3)"
    line = said("made_masks", lambda rank, degree: (degree[:, None] >= rank, degree > 0))
    assert "the second should be a tensor of shape (4, 5), and was [0, 0, 1, 2, 2]" not in line
    assert "the second should be a tensor of shape (4, 5), and was [False, False, True, True, True]" in line
    line = said("log_density", lambda log_P, w, d: 3)
    assert line == "not yet: for log_P = -3, w = 0.05, d = 2 it should be 2.9915, and was 3"


def test_a_discriminators_loss_is_judged_by_its_arguments(said):
    def of_logits(real_logits, fake_logits):
        return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()

    def of_networks(G, D, x, z):  # noqa: N803
        return of_logits(D(x), D(G(z).detach()))

    assert said("discriminator_loss", of_logits) == said("loss_from_logits", of_logits)
    assert said("discriminator_loss", of_networks) == said("detached_loss", of_networks)
    assert "is not callable" in said("discriminator_loss", 3.0)
    assert "your code raised TypeError" in said("discriminator_loss", lambda logits: 0.0)
    assert said("discriminator_loss", lambda real_logits, fake_logits: ...).startswith("not yet: write your answer")


def test_an_error_of_many_lines_is_told_in_one(said):
    line = said("log_density", lambda log_P, w, d: torch.zeros("a"))
    assert "your code raised TypeError: zeros()" in line
