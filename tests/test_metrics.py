"""Measures against known answers, the formulas written out another way, and symmetries they must have."""

import colorsys
import math
import statistics

import pytest
import torch

from course_utils.data import grid, moon, moon_phases, nearest_moon, ring
from course_utils.metrics import (
    MOON_LIMIT,
    active_units,
    chroma,
    colourfulness,
    high_frequency_power,
    is_moon,
    mode_coverage,
    moon_scores,
    moon_walk,
    nearest,
    phase_distance,
    phases_found,
    saturation,
    sharpness,
)

MEASURES = [saturation, chroma, colourfulness]
each_measure = pytest.mark.parametrize("measure", MEASURES)


def picture(*colours):
    """One picture with a pixel of each colour: (1, 3, 1, N)."""
    return torch.tensor(colours).T.reshape(1, 3, 1, -1)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@each_measure
def test_greys_have_no_colour(measure):
    greys = torch.linspace(0, 1, 12).view(1, 1, 3, 4).expand(2, 3, 3, 4)
    assert measure(greys).tolist() == pytest.approx([0, 0], abs=1e-4)


@pytest.mark.parametrize("pure", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)])
def test_pure_hues_are_saturated(pure):
    x = picture([float(c) for c in pure])
    assert saturation(x).item() == 1 and chroma(x).item() == 1
    assert saturation(0.1 * x).item() == 1 and chroma(0.1 * x).item() == pytest.approx(0.1)


def test_saturation_agrees_with_the_standard_library():
    x = noise(4, 3, 5, 6)
    x[0, :, 0, 0] = 0
    pixels = x.movedim(1, -1).reshape(4, -1, 3).double().tolist()
    expected = [statistics.mean(colorsys.rgb_to_hsv(*pixel)[1] for pixel in image) for image in pixels]
    assert saturation(x).tolist() == pytest.approx(expected, abs=1e-6)
    by_value = [statistics.mean(math.prod(colorsys.rgb_to_hsv(*p)[1:]) for p in image) for image in pixels]
    assert chroma(x).tolist() == pytest.approx(by_value, abs=1e-6)


def test_colourfulness_agrees_with_the_formula_in_plain_python():
    x = noise(3, 3, 4, 7)
    for image, got in zip(x.double() * 255, colourfulness(x).tolist(), strict=True):
        red, green, blue = image.flatten(1).tolist()
        rg = [r - g for r, g in zip(red, green, strict=True)]
        yb = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
        spread = math.hypot(statistics.pstdev(rg), statistics.pstdev(yb))
        assert got == pytest.approx(spread + 0.3 * math.hypot(statistics.mean(rg), statistics.mean(yb)), rel=1e-5)


def test_colourfulness_of_one_colour_is_its_distance_from_grey_alone():
    assert colourfulness(picture((1.0, 0.0, 0.0), (1.0, 0.0, 0.0))).item() == pytest.approx(
        0.3 * math.hypot(255, 127.5), rel=1e-5
    )
    assert colourfulness(picture((0.0, 0.0, 1.0))).item() == pytest.approx(0.3 * 255, rel=1e-5)


@each_measure
def test_each_image_is_measured_alone_and_wherever_its_pixels_lie(measure):
    x = noise(4, 3, 6, 5)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    shuffled = x.flatten(2)[:, :, order].view(4, 3, 5, 6)
    torch.testing.assert_close(measure(shuffled), measure(x))
    torch.testing.assert_close(measure(x[2:3]), measure(x)[2:3])
    assert measure(x.double()).dtype == torch.float64 and measure(x).shape == (4,)


@each_measure
def test_towards_grey_every_measure_falls(measure):
    x = noise(2, 3, 8, 8)
    grey = x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    steps = torch.stack([measure(torch.lerp(x, grey, t)) for t in (0.0, 0.25, 0.5, 0.75, 1.0)])  # (5, 2)
    assert (steps[1:] < steps[:-1]).all()


@each_measure
@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(2, 1, 4, 4), r"\(2, 1, 4, 4\)"),
        (torch.zeros(3, 4, 4), r"\(3, 4, 4\)"),
        (torch.zeros(0, 3, 4, 4), r"\(0, 3, 4, 4\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "uint8"),
        ("red", "red"),
        (torch.full((1, 3, 2, 2), 255.0), "255"),
        (torch.full((1, 3, 2, 2), -0.1), "-0.1"),
        (torch.full((1, 3, 2, 2), math.nan), "nan"),
    ],
)
def test_what_is_no_colour_picture_is_refused(measure, x, got):
    with pytest.raises(ValueError, match=f"^x must .*{got}"):
        measure(x)


# ---- moons ----------------------------------------------------------------------------------------------------------

QUARTERS = torch.tensor([[0.5, 0.25], [0.25, 0.0], [0.0, 0.75], [0.75, 0.5]])


def rms(a, b):
    return (a - b).square().mean((-3, -2, -1)).sqrt()


def pixels(z):
    return z.view(-1, 1, 16, 16)


def test_real_moons_are_moons_and_what_is_none_is_none():
    moons = moon_phases()
    assert is_moon(torch.cat([moons.valid, moons.test])).float().mean() > 0.95
    assert is_moon(moon(torch.linspace(0, 0.99, 12))).all()
    full, half = moon(torch.tensor([0.5, 0.25]))
    no_moons = [torch.zeros_like(full), torch.ones_like(full), noise(1, 16, 16), (full + half) / 2, moons.train.mean(0)]
    assert not is_moon(torch.stack(no_moons)).any()
    assert not is_moon(torch.roll(moon(0.5), 4, -1)).any()  # no moon of the data stands so far from the middle


def test_the_limit_is_just_tight_enough_to_refuse_black():
    black = rms(torch.zeros(1, 1, 16, 16), moon(0.0, radius=5.6)).item()  # the faintest moon there is
    assert MOON_LIMIT == 0.07 < black < 1.1 * MOON_LIMIT  # two notebooks were written with 0.07
    x = moon(0.4) + 0.06  # a moon, and 0.06 of haze on every pixel
    assert is_moon(x).all() and not is_moon(x, limit=0.05).any()
    assert not is_moon(moon(0.4) + 0.08).any()


def test_values_outside_the_unit_interval_count_as_errors():
    x = moon(0.5)
    x[:, :, 0] = -0.5  # a row of sky darker than black would be forgiven by a clamp
    assert not is_moon(x).any() and is_moon(x.clamp(0, 1)).all()


def test_named_phases_are_counted_once_and_only_where_there_is_a_moon():
    eighths = moon(torch.arange(8) / 8)
    assert phases_found(eighths) == 8
    assert phases_found(moon(torch.tensor([0.96, 0.99, 0.0, 0.04]))) == 1  # all are nearest to a new moon
    assert phases_found(moon(torch.tensor([0.04, 0.08]))) == 2
    assert phases_found(torch.cat([eighths[:3], noise(5, 1, 16, 16)])) == 3
    assert phases_found(torch.zeros(4, 1, 16, 16)) == phases_found(torch.zeros(4, 1, 16, 16), least=0.0) == 0


def test_each_named_phase_has_an_equal_share_of_the_circle():
    everywhere = moon(torch.arange(128) / 128)
    assert phases_found(everywhere, least=16 / 128) == 8 and phases_found(everywhere, least=17 / 128) == 0


def test_both_scores_of_one_search_are_those_of_two():
    x = torch.cat([moon(torch.tensor([0.0, 0.01, 0.3, 0.5])) + 0.06, noise(3, 1, 16, 16)])
    for limit, least in ((MOON_LIMIT, 0.01), (MOON_LIMIT, 0.2), (0.05, 0.01)):
        share, phases = moon_scores(x, limit, least)
        assert share == pytest.approx(is_moon(x, limit).float().mean().item())
        assert phases == phases_found(x, limit, least)
    assert moon_scores(x) == (pytest.approx(4 / 7), 3)


def test_a_phase_that_is_too_rare_is_not_found():
    x = torch.cat([moon(0.5).expand(99, -1, -1, -1), moon(0.25)])
    assert phases_found(x, least=0.01) == 2 and phases_found(x, least=0.011) == 1
    assert phases_found(torch.cat([x, torch.zeros(1, 1, 16, 16)])) == 1  # the share is one of all pictures


def test_phases_of_nothing_are_refused():
    with pytest.raises(ValueError, match="^x must hold at least one picture"):
        phases_found(torch.zeros(0, 1, 16, 16))
    with pytest.raises(ValueError, match="^least must"):
        phases_found(moon(0.5), least=1.0)


def test_phase_distance_goes_the_short_way_round():
    a, b = torch.tensor([0.1, 0.9, 0.25, 0.0, 0.3]), torch.tensor([0.9, 0.1, 0.75, 1.0, 0.3])
    assert phase_distance(a, b).tolist() == pytest.approx([0.2, 0.2, 0.5, 0.0, 0.0], abs=1e-6)
    a, b = noise(2, 500, seed=3)
    around = torch.polar(torch.ones(500), 2 * math.pi * (a - b)).angle().abs() / (2 * math.pi)  # by complex numbers
    torch.testing.assert_close(phase_distance(a, b), around, atol=1e-5, rtol=0)


def test_a_walk_among_true_moons_has_no_error():
    """A decoder that is the moon itself: the code is the phase. Its only error is the catalogue's step of 1/128."""
    start, end = QUARTERS[:, :1], torch.tensor([[0.25], [0.0], [-0.25], [0.5]])
    walk = moon_walk(lambda z: moon(z[:, 0]), start, end, QUARTERS, steps=5)
    assert walk.pictures.shape == (4, 5, 1, 16, 16) and walk.distance.shape == (4, 5)
    assert walk.phase_error.max() <= 1 / 256 + 1e-6 and walk.distance.max() < 0.02
    torch.testing.assert_close(walk.pictures[2, 1], moon(-0.0625)[0])
    torch.testing.assert_close(walk.phase[2], torch.tensor([1.0, 0.9375, 0.875, 0.8125, 0.75]) % 1)


def test_a_walk_the_wrong_way_round_is_wrong_by_its_way():
    """From last quarter to first by the full moon, where the truth lies by the new one."""
    start, end, phases = torch.tensor([[0.74]]), torch.tensor([[0.26]]), torch.tensor([[0.74, 0.26]])
    walk = moon_walk(lambda z: moon(z[:, 0]), start, end, phases, steps=9)
    assert walk.phase_error.max() < 0.01  # 0.48 apart, so that by 0.5 is the short way
    walk = moon_walk(lambda z: moon(0.5 - z[:, 0]), start, end, phases, steps=9)
    assert walk.phase_error[0, 4] == pytest.approx(0.5, abs=0.01) and walk.distance.max() < 0.02


def test_the_fade_of_pixels_leaves_the_moons():
    ends = [moon(QUARTERS[:, i]).flatten(1) for i in (0, 1)]
    walk = moon_walk(pixels, *ends, QUARTERS)
    torch.testing.assert_close(walk.pictures[:, 4].flatten(1), (ends[0] + ends[1]) / 2)
    assert (walk.distance[:, [0, -1]] < 0.02).all() and (walk.distance[:, 4] > 2 * MOON_LIMIT).all()
    assert (walk.distance[:, 4] < rms(*map(pixels, ends)) / 2 + 1e-6).all()  # never further than from an end
    assert (walk.phase_error[:, 4] > 0.1).all()  # its nearest moon is near an end


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": torch.zeros(2)}, "^start must"),
        ({"start": torch.zeros(0, 256)}, "^start must"),
        ({"end": torch.zeros(2, 3)}, "^end must have the shape of start"),
        ({"end": torch.zeros(2, 256, dtype=torch.int64)}, "^end must be a floating-point"),
        ({"phases": torch.zeros(2)}, r"^phases must have shape \(2, 2\)"),
        ({"phases": torch.tensor([[0.0, 0.5], [0.0, 0.1]])}, "^phases must be less than half a period apart, got 0.5"),
        ({"phases": torch.full((2, 2), math.nan)}, "^a and b must be finite"),
        ({"steps": 1}, "^steps must be a whole number of at least 2"),
        ({"decode": lambda z: z}, r"^decode\(z\) must"),
    ],
)
def test_bad_walks_are_refused(change, message):
    arguments = dict(decode=pixels, start=torch.zeros(2, 256), end=torch.ones(2, 256), phases=QUARTERS[:2], steps=3)
    moon_walk(**arguments)
    with pytest.raises(ValueError, match=message):
        moon_walk(**arguments | change)


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, math.inf, "0.1"])
def test_a_limit_that_is_none_is_refused(limit):
    for measure in (is_moon, moon_scores, phases_found):
        with pytest.raises(ValueError, match="^limit must be a finite number above 0"):
            measure(moon(0.5), limit)


# ---- pictures on another scale --------------------------------------------------------------------------------------

SCALES = {"0 to 255": lambda x: 255 * x, "-1 to 1": lambda x: 2 * x - 1, "levels 0 to 16": lambda x: 16 * x}
each_scale = pytest.mark.parametrize("change", SCALES.values(), ids=SCALES)


@each_scale
def test_moons_on_another_scale_are_refused(change):
    x = change(moon(torch.arange(8) / 8))
    walk = dict(start=x.flatten(1)[:2], end=x.flatten(1)[:2], phases=QUARTERS[:2])
    for call in (nearest_moon, is_moon, moon_scores, phases_found, lambda x: moon_walk(pixels, **walk)):
        with pytest.raises(ValueError, match=r"^x must be pictures with values in \[0, 1\]"):
            call(x)


@each_scale
def test_sharpness_does_not_depend_on_the_scale(change):
    x, reference = noise(4, 1, 8, 8), noise(4, 1, 8, 8, seed=1) ** 3
    assert sharpness(change(x), change(reference)) == pytest.approx(sharpness(x, reference), rel=1e-5)
    assert sharpness(change(x), reference) == pytest.approx(sharpness(x, reference), rel=1e-5)


# ---- latent codes ---------------------------------------------------------------------------------------------------


def test_a_latent_is_active_if_its_mean_moves_between_pictures():
    steps = torch.linspace(-1, 1, 50)
    silent = torch.full((50,), 3.0)  # far from 0, but the same for every picture
    mu = torch.stack([steps, 0.1 * steps, silent, 0 * steps, 0.5 * steps + 7], 1)  # variances 0.35, 0.0035, 0, 0, 0.09
    assert active_units(mu) == 2
    assert active_units(mu, threshold=0.1) == 1
    assert active_units(mu, threshold=0.001) == 3
    assert active_units(mu, threshold=0) == 3


def test_the_threshold_is_one_of_the_variance():
    at = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]) * math.sqrt(0.02 / 2)  # sample variance of +-a is 2 a^2
    assert active_units(at, threshold=0.019) == 1 and active_units(at, threshold=0.021) == 0


@pytest.mark.parametrize("mu", [torch.zeros(3), torch.zeros(1, 4), torch.zeros(3, 0), torch.zeros(3, 2).long(), None])
def test_codes_of_another_form_are_refused(mu):
    with pytest.raises(ValueError, match="mu must be a floating-point tensor of shape"):
        active_units(mu)


def test_codes_that_are_not_numbers_and_bad_thresholds_are_refused():
    with pytest.raises(ValueError, match="mu must be finite"):
        active_units(torch.full((3, 2), math.nan))
    for threshold in (-0.1, math.nan, math.inf, "0.01"):
        with pytest.raises(ValueError, match="threshold must be"):
            active_units(torch.zeros(3, 2), threshold)


# ---- sharpness ------------------------------------------------------------------------------------------------------


def wave(fy, fx, height=16, width=16):
    """A cosine of mean square 1/2 with fy and fx cycles per pixel."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.cos(2 * math.pi * (fy * y + fx * x)).view(1, 1, height, width)


@pytest.mark.parametrize(
    ("fy", "fx", "counted"),
    [
        (0, 1 / 16, 0),
        (3 / 16, 0, 0),
        (0, 0.25, 0.5),
        (0.25, 0, 0.5),
        (3 / 16, 3 / 16, 0.5),
        (2 / 16, 3 / 16, 0),
        (0.5, 0.5, 1),
    ],
)
def test_a_wave_counts_if_it_is_fine_enough_in_any_direction(fy, fx, counted):
    assert high_frequency_power(wave(fy, fx)).item() == pytest.approx(counted, abs=1e-6)


def test_a_picture_that_is_not_square_has_its_waves_counted_along_the_right_side():
    assert high_frequency_power(wave(0, 0.25, height=6, width=16)).item() == pytest.approx(0.5, abs=1e-6)
    assert high_frequency_power(wave(1 / 6, 0, height=6, width=16)).item() == pytest.approx(0, abs=1e-6)


def test_brightness_has_no_detail_and_contrast_counts_squared():
    x = noise(3, 1, 9, 12)
    assert high_frequency_power(torch.full((1, 1, 8, 8), 0.7)).item() == pytest.approx(0, abs=1e-10)
    assert torch.allclose(high_frequency_power(x + 5), high_frequency_power(x), atol=1e-5)
    assert torch.allclose(high_frequency_power(3 * x), 9 * high_frequency_power(x))


def test_channels_are_averaged_and_pictures_kept_apart():
    x = noise(4, 3, 8, 8)
    each = torch.stack([high_frequency_power(x[:, c : c + 1]) for c in range(3)], 1)
    assert torch.allclose(high_frequency_power(x), each.mean(1))


def test_fine_and_coarse_add_up_to_the_mean_square():
    """Parseval: all frequencies carry the variance, and white noise spreads it evenly over them."""
    x = torch.randn(2_000, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    f = torch.fft.fftfreq(16)
    share = (f[:, None] ** 2 + f**2 >= 1 / 16 - 1e-9).double().mean().item()
    assert high_frequency_power(x).mean().item() == pytest.approx(share, rel=0.01)
    lowest = high_frequency_power(x, cut=0.01)  # everything but the mean
    assert torch.allclose(lowest, x.var((1, 2, 3), correction=0), rtol=1e-4)


def test_blur_lowers_it_and_noise_raises_it():
    x = moon_phases().valid
    soft = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    real = high_frequency_power(x).mean()
    assert high_frequency_power(soft).mean() < 0.2 * real
    grain = 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert high_frequency_power(x + grain).mean() > 1.5 * real


@pytest.mark.parametrize("x", [torch.zeros(3, 8, 8), torch.zeros(2, 1, 8, 8).long(), torch.zeros(0, 1, 8, 8), "x"])
def test_pictures_of_another_form_have_no_sharpness(x):
    with pytest.raises(ValueError, match="x must be a floating-point tensor of shape"):
        high_frequency_power(x)


@pytest.mark.parametrize("cut", [0, -0.1, 0.6, math.nan, True, "0.25"])
def test_a_cut_outside_the_frequencies_is_refused(cut):
    with pytest.raises(ValueError, match="cut must be above 0"):
        high_frequency_power(torch.zeros(1, 1, 8, 8), cut)


def test_sharpness_is_one_for_others_of_the_kind_and_unmoved_by_dimming():
    moons = moon_phases()
    assert sharpness(moons.valid, moons.valid) == pytest.approx(1)
    assert sharpness(moons.test, moons.valid) == pytest.approx(1, abs=0.1)
    assert sharpness(0.35 * moons.valid + 0.2, moons.valid) == pytest.approx(1, rel=1e-4)
    soft = torch.nn.functional.avg_pool2d(moons.valid, 3, 1, 1)
    assert sharpness(soft, moons.valid) < 0.5
    grain = 0.2 * torch.randn(moons.valid.shape, generator=torch.Generator().manual_seed(0))
    assert sharpness(moons.valid + grain, moons.valid) > 1.3


def test_sharpness_is_a_share_of_the_variance():
    """Waves: half the variance of one picture is fine, all of the other's, and the means are taken first."""
    fine, coarse = wave(0.5, 0), wave(0, 1 / 16)  # mean squares 1 and 1/2
    mixed = coarse + math.sqrt(0.5) * fine
    assert sharpness(mixed, fine) == pytest.approx(0.5, abs=1e-5)
    assert sharpness(torch.cat([fine, coarse]), fine) == pytest.approx(1 / 1.5, abs=1e-5)
    assert sharpness(torch.cat([mixed, fine], 1), fine.expand(-1, 2, -1, -1)) == pytest.approx(
        1.5 / 2, abs=1e-5
    )  # channels
    assert sharpness(torch.full((2, 1, 16, 16), 0.3), fine) == 0


@pytest.mark.parametrize(
    ("x", "reference", "message"),
    [
        (wave(0, 0.25), wave(0, 0.25, width=8), r"^reference must hold pictures of shape \(1, 16, 16\), got"),
        (wave(0, 0.25), torch.zeros(2, 1, 16, 16), "^reference must hold pictures with fine detail"),
        (wave(0, 0.25), wave(0, 1 / 16), "^reference must hold pictures with fine detail"),
        (wave(0, 0.25) * math.nan, wave(0, 0.25), "^x must be finite"),
        (wave(0, 0.25)[0], wave(0, 0.25), "^x must be a floating-point tensor"),
        (wave(0, 0.25), None, "^reference must be a floating-point tensor"),
    ],
)
def test_sharpness_beside_nothing_is_refused(x, reference, message):
    with pytest.raises(ValueError, match=message):
        sharpness(x, reference)


# --- mode coverage and nearest pictures ------------------------------------------------------------------------------


def test_a_perfect_sampler_covers_every_mode_with_98_9_percent_good_samples():
    for world in (ring(), grid()):
        x = world.sample(200_000, torch.Generator().manual_seed(0))
        found = mode_coverage(x, world.centres, world.std)
        expected = 1 - math.exp(-4.5)  # a 2-D Gaussian within 3 std
        assert found.modes == len(world.centres)
        assert found.good == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / len(x)))
        # K - 1 degrees of freedom: 2 n KL is about chi-squared
        assert 0 < found.reverse_kl < (len(world.centres) - 1) / 2 / len(x) * 3


def test_one_mode_is_all_good_and_log_k_from_even():
    centres, g = ring().centres, torch.Generator().manual_seed(0)
    x = centres[3] + 0.01 * torch.randn(1_000, 2, generator=g)
    found = mode_coverage(x, centres, 0.01)
    assert found.modes == 1 and found.good > 0.97
    assert found.reverse_kl == pytest.approx(math.log(8))


def test_coverage_counts_by_hand():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0]])
    x = torch.tensor(
        [[0.0, 2.9], [0.0, -3.1], [11.0, 0.0], [10.0, 3.0], [12.0, 4.0], [19.0, 9.0], [0.5, 0.0], [9.0, 0.0]]
    )
    found = mode_coverage(x, centres, 1.0)
    # mode 2 has a sample, but no good one: it is not captured, and yet it counts for the evenness
    assert found.modes == 2 and found.good == 5 / 8
    q = torch.tensor([3, 4, 1]) / 8
    assert found.reverse_kl == pytest.approx((q * (q * 4).log()).sum().item())


def test_coverage_keeps_its_digits_far_from_the_origin():
    far = torch.tensor([[1_000.0, 1_000.0], [1_001.0, 1_000.0]])
    x = far.repeat(50, 1) + torch.tensor([0.0, 0.025])
    assert mode_coverage(x, far, 0.01).good == 1
    assert mode_coverage(x, far, 0.008).good == 0


@pytest.mark.parametrize(
    ("samples", "centres", "std", "message"),
    [
        (torch.zeros(0, 2), torch.zeros(3, 2), 1.0, "samples must be a floating-point tensor"),
        (torch.zeros(4), torch.zeros(3, 2), 1.0, "samples must be a floating-point tensor"),
        (torch.full((4, 2), math.nan), torch.zeros(3, 2), 1.0, "samples must be finite"),
        (torch.zeros(4, 2), torch.zeros(3, 3), 1.0, "centres must have as many columns as samples, 2, got 3"),
        (torch.zeros(4, 2), torch.zeros(3, 2), 0.0, "std must be a finite number above 0"),
    ],
)
def test_coverage_refuses_what_it_cannot_count(samples, centres, std, message):
    with pytest.raises(ValueError, match=message):
        mode_coverage(samples, centres, std)


def test_nearest_agrees_with_a_loop_and_finds_copies_at_zero():
    g = torch.Generator().manual_seed(0)
    among = torch.rand(3_000, 1, 5, 4, generator=g)
    x = torch.cat([among[[17, 2_999]], torch.rand(1_500, 1, 5, 4, generator=g)])
    found = nearest(x, among)
    assert found.index[:2].tolist() == [17, 2_999] and found.distance[:2].tolist() == [0, 0]
    for i in (2, 700, 1_501):
        distances = ((among - x[i]) ** 2).mean((1, 2, 3)).sqrt()
        assert found.index[i] == distances.argmin()
        assert found.distance[i].item() == pytest.approx(distances.min().item(), rel=1e-5)


def test_nearest_refuses_pictures_of_another_shape():
    with pytest.raises(ValueError, match=r"among must hold pictures of shape \(1, 2, 2\), got \(1, 2, 3\)"):
        nearest(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 3))
    with pytest.raises(ValueError, match="among must be a floating-point tensor"):
        nearest(torch.zeros(2, 1, 2, 2), torch.zeros(0, 1, 2, 2))
