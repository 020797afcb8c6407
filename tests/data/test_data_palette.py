"""Palettes against exhaustive search, and likelihoods of colours that must sum to 1 over all of them."""

import itertools

import pytest
import torch

from course_utils.data import (
    PALETTE,
    cell_log_probs,
    colour_log_prob,
    creatures,
    from_tokens,
    learn_palette,
    palette_error,
    to_tokens,
)
from course_utils.data import palette as module


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def coloured(n=6, levels=4, seed=0):
    """Pictures (n, 3, 5, 4) of random colours k / (levels - 1)."""
    return torch.randint(levels, (n, 3, 5, 4), generator=generator(seed)) / (levels - 1)


def cube(levels):
    """Every colour of the cube as a picture of one pixel: (levels³, 3, 1, 1)."""
    side = torch.arange(levels) / (levels - 1)
    return torch.cartesian_prod(side, side, side)[:, :, None, None]


# ---- learn_palette


def test_all_colours_of_a_small_set_are_found():
    zoo = creatures(100, seed=3)
    palette = learn_palette(zoo.train, 16)
    assert palette.dtype == torch.float32
    assert {tuple(c) for c in palette.tolist()} == {tuple(c) for c in PALETTE.tolist()}
    assert palette_error(zoo.train, palette).tolist() == [0] * 80
    assert torch.equal(from_tokens(to_tokens(zoo.test, palette), palette), zoo.test)


def test_no_split_of_few_colours_in_two_is_better():
    colours = torch.rand(9, 3, generator=generator(1)).double()
    weights = torch.tensor([1, 5, 2, 2, 9, 1, 3, 1, 4])
    pixels = colours.repeat_interleave(weights, 0)
    best = min(
        sum(((part - part.mean(0)) ** 2).sum() for part in (pixels[group], pixels[~group]))
        for chosen in itertools.product([False, True], repeat=9)
        if any(chosen) and not all(chosen)
        for group in [torch.tensor(chosen).repeat_interleave(weights)]
    )
    x = pixels.float().T.reshape(1, 3, 4, 7)
    error = palette_error(x, learn_palette(x, 2)).double() * 3 * 28
    assert error.item() == pytest.approx(best.item(), rel=1e-5)


def test_each_colour_is_the_mean_of_its_pixels():
    x = creatures(40, seed=2, lit=True).train
    palette = learn_palette(x, 12)
    cell, pixels = to_tokens(x, palette).flatten(), x.movedim(1, -1).reshape(-1, 3)
    for k in range(12):
        torch.testing.assert_close(pixels[cell == k].mean(0), palette[k], rtol=0, atol=2e-3)


def test_sorted_from_dark_to_light_and_the_same_for_the_same_seed():
    x = creatures(60, seed=2, lit=True).train
    before = torch.get_rng_state()
    palette = learn_palette(x, 8)
    assert torch.equal(torch.get_rng_state(), before)
    light = 0.2126 * palette[:, 0] + 0.7152 * palette[:, 1] + 0.0722 * palette[:, 2]
    assert (light[1:] > light[:-1]).all()
    torch.testing.assert_close(learn_palette(x, 8), palette)
    torch.testing.assert_close(learn_palette(x[torch.randperm(len(x), generator=generator())], 8), palette)


def test_more_colours_mean_a_smaller_error():
    zoo = creatures(100, lit=True)
    errors = [palette_error(zoo.test, learn_palette(zoo.train, K)).mean() for K in (1, 2, 4, 8, 16, 32)]
    assert sorted(errors, reverse=True) == errors
    of_the_mean = ((zoo.test - zoo.train.mean((0, 2, 3)).view(1, 3, 1, 1)) ** 2).mean()
    torch.testing.assert_close(errors[0], of_the_mean, rtol=1e-4, atol=0)


def test_of_very_many_pixels_some_are_used(monkeypatch):
    monkeypatch.setattr(module, "MOST_PIXELS", 500)
    x = creatures(60, lit=True).train
    some = learn_palette(x, 4, seed=1)
    torch.testing.assert_close(learn_palette(x, 4, seed=1), some)
    assert palette_error(x, some).mean() < 1.2 * palette_error(x, learn_palette(x[:1], 4)).mean()
    assert not torch.equal(learn_palette(x, 4, seed=2), some)


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_distinct_colours_are_counted_as_rows_are(levels):
    pixels = torch.randint(levels, (500, 3), generator=generator()).double() * torch.tensor([1.0, 0.3, 1e-9])
    rows, counts = pixels.unique(dim=0, return_counts=True)
    got_rows, got_counts = module._distinct(pixels)
    assert torch.equal(got_rows, rows) and torch.equal(got_counts, counts)


def test_fewer_colours_than_asked_for_are_refused():
    x = torch.zeros(2, 3, 4, 4)
    x[0, 0, 0, 0] = 1
    assert learn_palette(x, 2).tolist() == [[0, 0, 0], [1, 0, 0]]
    with pytest.raises(ValueError, match="^colours must be at most 2, .* got 3"):
        learn_palette(x, 3)


# ---- palette_error


def test_palette_error_is_the_squared_distance_to_the_nearest_colour():
    x, palette = torch.rand(3, 3, 4, 5, generator=generator()), torch.rand(6, 3, generator=generator(1))
    distance = torch.cdist(x.movedim(1, -1).reshape(3, -1, 3).double(), palette.double()).amin(-1)
    torch.testing.assert_close(palette_error(x, palette).double(), (distance**2).mean(1) / 3, rtol=1e-4, atol=1e-7)


# ---- likelihoods of colours


@pytest.mark.parametrize(("levels", "colours"), [(2, 3), (4, 1), (4, 7), (16, 20)])
def test_each_cell_sums_to_one(levels, colours):
    palette = torch.rand(colours, 3, generator=generator(2))
    log_probs = cell_log_probs(coloured(levels=levels), palette, levels)
    assert log_probs.shape == (levels,) * 3
    cell = to_tokens(cube(levels), palette).flatten()
    total = torch.zeros(colours).index_add_(0, cell, log_probs.exp().flatten())
    torch.testing.assert_close(total[cell.unique()], torch.ones(len(cell.unique())))


def test_counts_start_from_one_within_the_cell():
    black, red, white = torch.tensor([0.0, 0, 0]), torch.tensor([1.0, 0, 0]), torch.tensor([1.0, 1, 1])
    x = torch.stack([black, black, red, white, white, white]).T.reshape(1, 3, 2, 3)
    log_probs = cell_log_probs(x, torch.stack([black, white]), 2)
    dark = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]  # nearer to black than to white
    assert log_probs.exp()[0, 0, 0].item() == pytest.approx(3 / 7)
    assert log_probs.exp()[1, 0, 0].item() == pytest.approx(2 / 7)
    assert sum(log_probs.exp()[c].item() for c in dark) == pytest.approx(1)
    assert log_probs.exp()[1, 1, 1].item() == pytest.approx(4 / 7)
    assert log_probs.exp()[0, 1, 1].item() == pytest.approx(1 / 7)
    assert colour_log_prob(x, log_probs).item() == pytest.approx(
        torch.tensor([3 / 7, 3 / 7, 2 / 7, 4 / 7, 4 / 7, 4 / 7]).log().sum().item(), rel=1e-5
    )


def test_colour_log_prob_looks_up_red_green_blue_in_this_order():
    log_probs = torch.arange(64.0).view(4, 4, 4)
    x = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1) / 3
    assert colour_log_prob(x, log_probs).tolist() == [16 * 1 + 4 * 2 + 3]


def test_tokens_and_colours_within_them_are_a_distribution_over_colours():
    palette = torch.rand(5, 3, generator=generator(4))
    within = cell_log_probs(coloured(levels=6), palette, 6)
    every = cube(6)
    cell = to_tokens(every, palette).flatten()
    p = torch.zeros(5)
    p[cell.unique()] = torch.rand(len(cell.unique()), generator=generator(5))
    p /= p.sum()
    assert (p[cell] * colour_log_prob(every, within).exp()).sum().item() == pytest.approx(1, abs=1e-5)


def test_a_lossless_palette_of_known_colours_leaves_little():
    zoo = creatures(2_000)
    within = cell_log_probs(zoo.train, PALETTE, 16)
    assert -colour_log_prob(zoo.test, within).mean() < 10  # the ones of 4,080 colours that never come
    one_cell = cell_log_probs(zoo.train, torch.zeros(1, 3), 16)
    counts = torch.bincount(to_tokens(zoo.test, PALETTE).flatten(), minlength=16)
    p = counts / counts.sum()
    entropy = -256 * torch.xlogy(p, p).sum()
    assert -colour_log_prob(zoo.test, one_cell).mean() == pytest.approx(entropy.item(), rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: learn_palette(x[:, :1], 2), "x must be .* got .*1, 5, 4"),
        (lambda x: learn_palette(x.long(), 2), "x must be .*int64"),
        (lambda x: learn_palette(x[:0], 2), "x must be"),
        (lambda x: learn_palette(255 * x, 2), r"x must hold values in \[0, 1\]"),
        (lambda x: learn_palette(x * float("nan"), 2), r"x must hold values in \[0, 1\]"),
        (lambda x: learn_palette(x, 0), "colours must .* got 0"),
        (lambda x: learn_palette(x, 2, seed=-1), "seed must .* got -1"),
        (lambda x: palette_error(x[0], PALETTE), "x must be"),
        (lambda x: palette_error(x, PALETTE[:, :2]), "palette must be"),
        (lambda x: cell_log_probs(x, PALETTE[:, :2], 4), "palette must be"),
        (lambda x: cell_log_probs(x, PALETTE, 5), "x must hold k/4"),
        (lambda x: cell_log_probs(x + 1, PALETTE, 4), "x must hold k/3 .* from 0 to 3"),
        (lambda x: cell_log_probs(-x, PALETTE, 4), "x must hold k/3"),
        (lambda x: cell_log_probs(x, PALETTE, 1), "levels must .* got 1"),
        (lambda x: cell_log_probs(x, PALETTE, 256), "levels must .* got 256"),
        (lambda x: colour_log_prob(x + 0.1, torch.zeros(4, 4, 4)), "x must hold k/3"),
        (lambda x: colour_log_prob(x[:, :2], torch.zeros(4, 4, 4)), "x must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(coloured())
