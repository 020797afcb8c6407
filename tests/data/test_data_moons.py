import math

import pytest
import torch

from course_utils.data import moon, moon_parameters, moon_phases, nearest_moon
from course_utils.data.moons import EARTHSHINE

PHASES = torch.arange(40) / 40


def lit_area(x):
    """Area of day in pixels, if the disk has radius 6: a pixel is earthshine of the disk plus the rest of the day."""
    return (x.sum((1, 2, 3)) - EARTHSHINE * math.pi * 36) / (1 - EARTHSHINE)


def test_lit_fraction_is_that_of_the_phase():
    fraction = lit_area(moon(PHASES)) / (math.pi * 36)
    torch.testing.assert_close(fraction, (1 - torch.cos(2 * math.pi * PHASES)) / 2, atol=1e-3, rtol=0)


def test_the_picture_equals_sampling_the_definition():
    """Coverage of each pixel by 32 × 32 points that are inside the disk and on the day side."""
    phase, (cx, cy), r = 0.4, (7.6, 8.3), 5.7
    y, x = torch.meshgrid(*[(torch.arange(16 * 32) + 0.5) / 32] * 2, indexing="ij")
    u, v = (x - cx) / r, (y - cy) / r
    disk = u**2 + v**2 < 1
    day = disk & (u > math.cos(2 * math.pi * phase) * (1 - v**2).clamp(min=0).sqrt())
    fine = torch.where(day, 1.0, torch.where(disk, EARTHSHINE, 0.0))
    expected = fine.view(16, 32, 16, 32).mean((1, 3))
    torch.testing.assert_close(moon(phase, (cx, cy), r)[0, 0], expected, atol=0.03, rtol=0)


def test_first_quarter_is_lit_on_the_right_and_last_on_the_left():
    first, last = moon(torch.tensor([0.25, 0.75]))[:, 0]
    assert first[8, 12] == 1 and first[8, 3] == EARTHSHINE
    assert last[8, 3] == 1 and last[8, 12] == EARTHSHINE
    assert first[0, 0] == last[0, 0] == 0


def test_waning_mirrors_waxing_and_phases_repeat():
    torch.testing.assert_close(moon(1 - PHASES).flip(3), moon(PHASES), atol=1e-5, rtol=0)
    torch.testing.assert_close(moon(PHASES + 2), moon(PHASES), atol=1e-4, rtol=0)
    torch.testing.assert_close(moon(PHASES).flip(2), moon(PHASES), atol=1e-6, rtol=0)


def test_centre_and_radius_move_and_scale():
    x = moon(torch.tensor([0.5, 0.5]), torch.tensor([[8.0, 8.0], [9.0, 7.0]]), torch.tensor([6.0, 5.0]))
    axis = torch.arange(16) + 0.5
    mass = x.sum((1, 2, 3))
    torch.testing.assert_close(mass, math.pi * torch.tensor([36.0, 25.0]), rtol=2e-3, atol=0)
    torch.testing.assert_close((x.sum((1, 2)) * axis).sum(1) / mass, torch.tensor([8.0, 9.0]), rtol=1e-3, atol=0)
    torch.testing.assert_close((x.sum((1, 3)) * axis).sum(1) / mass, torch.tensor([8.0, 7.0]), rtol=1e-3, atol=0)


def test_the_picture_is_differentiable_in_the_phase():
    phase = torch.tensor([0.1, 0.3, 0.6, 0.9], requires_grad=True)
    (gradient,) = torch.autograd.grad(moon(phase).sum(), phase)
    # d/dφ of 7/8 · π r² (1 - cos 2πφ) / 2
    expected = (1 - EARTHSHINE) * math.pi * 36 * math.pi * torch.sin(2 * math.pi * phase.detach())
    torch.testing.assert_close(gradient, expected, rtol=0.01, atol=0.5)


def test_moon_phases_are_what_their_parameters_say():
    images = moon_phases(300, seed=5)
    phase, centre, radius = moon_parameters(300, seed=5)
    assert [len(x) for x in (images.train, images.valid, images.test)] == [240, 30, 30]
    x = torch.cat([images.train, images.valid, images.test])
    labels = torch.cat([images.train_labels, images.valid_labels, images.test_labels])
    assert torch.equal(labels, phase) and labels.dtype == torch.float32
    assert ((phase >= 0) & (phase < 1)).all() and ((centre - 8).abs() <= 1).all() and ((radius - 6).abs() <= 0.5).all()
    assert (x - moon(phase, centre, radius)).abs().max() <= 1 / 32 + 1e-6
    assert torch.equal((x * 16).round() / 16, x) and images.levels == 17 and images.shape == (1, 16, 16)
    # No moon is cut off: the outermost ring of pixels holds at most a sliver of earthshine or day.
    assert len(x.unique()) == 17 and x[:, :, 0].max() < 0.7


def test_seed_decides_and_the_global_state_is_untouched():
    before = torch.get_rng_state()
    a, b, c = moon_phases(20, seed=1), moon_phases(20, seed=1), moon_phases(20, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.train, b.train) and not torch.equal(a.train, c.train)


def test_nearest_moon_tells_moons_from_mixtures():
    images = moon_phases(500)
    distance, phase = nearest_moon(images.train)
    error = (phase - images.train_labels).abs()
    crescent = (images.train_labels - 0.5).abs() > 0.45  # near new moon one picture says little about the phase
    assert distance.mean() < 0.05 and torch.minimum(error, 1 - error)[~crescent].median() < 0.01
    exact, at = nearest_moon(moon(torch.arange(16) / 16))
    assert exact.max() < 1e-6 and torch.equal(at[1:8], torch.arange(1, 8) / 16)
    mixture, _ = nearest_moon((moon(0.25) + moon(0.75)) / 2)
    assert mixture > 4 * distance.mean()


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: moon(float("nan")), "phase"),
        (lambda: moon(torch.zeros(2, 2)), "phase"),
        (lambda: moon(torch.zeros(2), centre=(1.0, 2.0, 3.0)), "centre"),
        (lambda: moon(0.1, radius=0.0), "radius"),
        (lambda: moon(0.1, size=0), "size"),
        (lambda: moon_phases(9), "n"),
        (lambda: moon_phases(seed="a"), "seed"),
        (lambda: nearest_moon(torch.zeros(1, 1, 8, 8)), "x"),
    ],
)
def test_bad_input_is_named(call, argument):
    with pytest.raises(ValueError, match=rf"^{argument} must"):
        call()
