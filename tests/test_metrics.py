"""Measures of colour against known answers, the formulas written out another way, and symmetries they must have."""

import colorsys
import math
import statistics

import pytest
import torch

from course_utils.metrics import chroma, colourfulness, saturation

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
