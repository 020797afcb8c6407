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


# ---- under a lamp ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lit():
    return creatures(1_000, seed=1, lit=True)


def hue_angle(x):
    """Hue of colours (N, 3) as a point on the circle (N, 2); the zero vector for greys."""
    red, green, blue = x.unbind(1)
    point = torch.stack([red - (green + blue) / 2, (green - blue) * 3**0.5 / 2], 1)
    return point / point.norm(dim=1, keepdim=True).clamp(min=1e-6)


def test_without_a_lamp_nothing_has_changed():
    # The pictures' fingerprint before there were lamps: the sum of all levels, each weighted by its place.
    x = (15 * creatures(50, seed=0).train).round().long().flatten()
    assert int((x * (torch.arange(len(x)) % 9_973)).sum()) == 641_929_577


def test_lit_creatures_are_the_same_creatures_in_many_colours(zoo, lit, tokens):
    assert lit.palette is None and lit.levels == 16 and lit.shape == zoo.shape
    assert torch.equal(lit.train_labels, zoo.train_labels)
    assert torch.equal((lit.train * 15).round() / 15, lit.train)
    assert lit.train.min() >= 0 and lit.train.max() <= 1
    assert len(lit.train.movedim(1, -1).reshape(-1, 3).unique(dim=0)) > 500
    dark = (tokens <= OUTLINE)[:, None].expand_as(zoo.train)
    assert torch.equal(lit.train[dark], zoo.train[dark])
    eyes = (tokens == WHITE)[:, None].expand_as(zoo.train)
    assert (lit.train[eyes] < 1).float().mean() > 0.5
    coloured = tokens >= FIRST_HUE
    before, after = (x.movedim(1, -1)[coloured] for x in (zoo.train, lit.train))
    assert (before != after).any(1).float().mean() > 0.9
    same_hue = (hue_angle(before) * hue_angle(after)).sum(1)  # the cosine of the angle between them
    assert same_hue.quantile(0.05) > 0.9 and same_hue.median() > 0.98


def test_every_creature_has_a_light_of_its_own(zoo, lit, tokens):
    def brightness(x):
        return torch.stack([image[:, cell >= WHITE].mean() for image, cell in zip(x, tokens, strict=True)])

    ratio = brightness(lit.train) / brightness(zoo.train)
    assert ratio.min() > 0.5 and ratio.max() < 1.2 and ratio.std() > 0.05


def test_the_lamp_hangs_above_or_at_a_side(zoo, lit, tokens):
    """Over all creatures the upper rows gain, and right and left alike."""
    gain = torch.where((tokens >= FIRST_HUE)[:, None], lit.train - zoo.train, 0)
    count = (tokens >= FIRST_HUE).sum((1, 2))
    upper, lower = gain[:, :, 4:8].sum((1, 2, 3)) / count, gain[:, :, 10:14].sum((1, 2, 3)) / count
    assert upper.mean() > lower.mean() + 0.02
    right_minus_left = (gain[..., 8:].sum((1, 2, 3)) - gain[..., :8].sum((1, 2, 3))) / count
    assert right_minus_left.abs().mean() > 0.02  # each picture has its side
    assert right_minus_left.mean().abs() < 4 * right_minus_left.std() / len(count) ** 0.5  # and no side is preferred


def test_seed_decides_the_light(lit):
    before = torch.get_rng_state()
    again, other = creatures(1_000, seed=1, lit=True), creatures(1_000, seed=2, lit=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.train, lit.train) and not torch.equal(other.train, lit.train)


@pytest.mark.parametrize(("arguments", "name"), [({"n": 3}, "n"), ({"n": 20.0}, "n"), ({"seed": -1}, "seed")])
def test_bad_input_is_named(arguments, name):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        creatures(**arguments)
