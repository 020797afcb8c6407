import pytest
import torch

from course_utils.data import KINDS, PALETTE, creatures, from_tokens, to_tokens
from course_utils.data.creatures import BACKGROUND, FIRST_HUE, OUTLINE, WHITE


@pytest.fixture(scope="module")
def zoo():
    return creatures(1_000, seed=1)


@pytest.fixture(scope="module")
def tokens(zoo):
    return to_tokens(zoo.train, PALETTE)


def test_container(zoo):
    assert zoo.shape == (3, 16, 16) and [len(x) for x in (zoo.train, zoo.valid, zoo.test)] == [800, 100, 100]
    assert zoo.train_labels.dtype == torch.int64 and set(zoo.train_labels.tolist()) == set(range(len(KINDS)))
    assert zoo.palette.shape == (16, 3) and len({tuple(c) for c in zoo.palette.tolist()}) == 16


def test_values_are_exactly_those_of_palette_and_levels(zoo, tokens):
    assert torch.equal(from_tokens(tokens, zoo.palette), zoo.train)
    assert torch.equal((zoo.train * (zoo.levels - 1)).round() / (zoo.levels - 1), zoo.train)
    assert torch.bincount(tokens.flatten(), minlength=16).min() > 0


def test_mirror_symmetry(zoo):
    assert torch.equal(zoo.train.flip(3), zoo.train)


def test_every_creature_is_one_outlined_body_on_a_background_with_eyes(tokens):
    assert (tokens[:, 0, [0, -1]] == BACKGROUND).all()
    assert ((tokens == WHITE).sum((1, 2)) >= 4).all()
    size = (tokens != BACKGROUND).float().mean((1, 2))
    assert size.min() > 0.2 and size.max() < 0.8
    # Colour never touches the background along an edge: the outline lies between.
    coloured, empty = tokens > OUTLINE, tokens == BACKGROUND
    assert not (coloured[:, 1:] & empty[:, :-1]).any() and not (coloured[:, :-1] & empty[:, 1:]).any()
    assert not (coloured[:, :, 1:] & empty[:, :, :-1]).any() and not (coloured[:, :, :-1] & empty[:, :, 1:]).any()


def test_a_creature_has_few_hues_and_one_prevails(tokens):
    hue = torch.where(tokens >= FIRST_HUE, (tokens - FIRST_HUE) // 2, 6)
    count = torch.stack([(hue == k).sum((1, 2)) for k in range(6)], dim=1)  # (N, 6)
    assert (count > 0).sum(1).max() <= 3
    assert (count.max(1).values / count.sum(1)).median() > 0.75


def test_creatures_differ(tokens):
    assert len(tokens.flatten(1).unique(dim=0)) > 0.97 * len(tokens)


def test_colours_are_vivid(zoo):
    hues = zoo.palette[FIRST_HUE:]
    saturation = (hues.max(1).values - hues.min(1).values) / hues.max(1).values
    assert saturation.min() > 0.6


def test_seed_decides_and_the_global_state_is_untouched(zoo):
    before = torch.get_rng_state()
    again, other = creatures(1_000, seed=1), creatures(1_000, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.train, zoo.train) and not torch.equal(other.train, zoo.train)


@pytest.mark.parametrize(("arguments", "name"), [({"n": 3}, "n"), ({"n": 20.0}, "n"), ({"seed": -1}, "seed")])
def test_bad_input_is_named(arguments, name):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        creatures(**arguments)
