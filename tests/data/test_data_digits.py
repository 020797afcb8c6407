import math

import pytest
import torch
from sklearn.datasets import load_digits

from course_utils.data import digits, redraw_digits


def test_digits_are_those_of_scikit_learn_in_stored_order():
    images = digits()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [1000, 350, 447]
    x = torch.cat([images.train, images.valid, images.test])
    labels = torch.cat([images.train_labels, images.valid_labels, images.test_labels])
    stored = load_digits()
    assert x.dtype == torch.float32 and images.shape == (1, 8, 8) and images.levels == 17
    assert torch.equal(x[:, 0] * 16, torch.from_numpy(stored.images).float())
    assert torch.equal(labels, torch.from_numpy(stored.target)) and labels.dtype == torch.int64


def test_redrawn_digits_are_of_the_set_and_near_their_models():
    x = digits().train
    g = torch.Generator().manual_seed(0)
    again = redraw_digits(x, generator=g)
    assert again.shape == x.shape and again.dtype == x.dtype
    assert torch.equal(again * 16, (again * 16).round()) and 0 <= again.min() and again.max() <= 1
    distance = (again - x).square().flatten(1).sum(1).sqrt()
    strangers = (again - x.roll(1, 0)).square().flatten(1).sum(1).sqrt()
    assert (distance < strangers).float().mean() > 0.9 and distance.min() > 0  # still that digit
    assert again.mean().item() == pytest.approx(x.mean().item(), rel=0.05)  # as much ink, on average


def test_a_blot_moves_and_turns_as_an_affine_map_says():
    """Ink in the middle stays there on average; its second moments widen by the noise of the map, isotropically."""
    x = torch.zeros(4_000, 1, 8, 8)
    x[:, :, 3:5, 3:5] = 1
    again = redraw_digits(x, generator=torch.Generator().manual_seed(0)).squeeze(1)
    places = (torch.arange(8) - 3.5) / 4  # on [-1, 1], pixels of width 1/4
    ink = again.sum((1, 2))
    across, down = (again.sum(1) @ places) / ink, (again.sum(2) @ places) / ink
    for centre in (across, down):
        assert centre.mean().abs() < 5 * 0.12 / math.sqrt(4_000)
        assert centre.std().item() == pytest.approx(0.12, rel=0.1)
    assert ink.std() > 0.2  # another pen, another size


def test_share_says_how_many_are_redrawn():
    x = digits().train
    g = torch.Generator().manual_seed(0)
    assert torch.equal(redraw_digits(x, 0.0, g), x)
    changed = (redraw_digits(x, 0.3, g) != x).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 1_000))


@pytest.mark.parametrize(
    ("x", "share", "message"),
    [
        (torch.zeros(2, 8, 8), 1.0, r"x must be a floating-point tensor of shape \(B, 1, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8), 1.1, "share must be a number from 0 to 1, got 1.1"),
        (torch.zeros(2, 1, 8, 8), math.nan, "share must be a number from 0 to 1, got nan"),
    ],
)
def test_what_cannot_be_redrawn_is_refused(x, share, message):
    with pytest.raises(ValueError, match=message):
        redraw_digits(x, share)
