"""Figures of points, densities, matrices and codes: what is drawn where, and what is refused."""

import math

import pytest
import torch
from matplotlib.colors import to_rgb

from course_utils import plots


def tiles(ax, side):
    """Grey value in the middle of each tile of an atlas of 3 x 3 pictures, (side, side), rows from the top down."""
    picture = torch.as_tensor(ax.images[0].get_array()[..., 0])
    middles = 2 + 4 * torch.arange(side)  # a frame of one pixel in front of each
    return picture[middles][:, middles]


def decode_first(z):
    return torch.special.ndtr(z[:, :1]).view(-1, 1, 1, 1).expand(-1, 1, 3, 3)


def decode_second(z):
    return decode_first(z[:, 1:])


def test_an_atlas_runs_to_the_right_and_upwards_at_equal_steps_of_probability(ax):
    steps = (torch.arange(4) + 0.5) / 4
    plots.atlas(ax, decode_first, "first", side=4)
    assert torch.allclose(tiles(ax, 4), steps.expand(4, 4), atol=1e-6)
    ax.clear()
    plots.atlas(ax, decode_second, "second", side=4)
    assert torch.allclose(tiles(ax, 4), steps.flip(0)[:, None].expand(4, 4), atol=1e-6)


def test_an_atlas_with_a_limit_is_equally_spaced_and_its_ticks_say_so(ax):
    plots.atlas(ax, lambda z: (z[:, :1] / 4 + 0.5).view(-1, 1, 1, 1).expand(-1, 1, 3, 3), "plain", side=5, limit=2.0)
    assert torch.allclose(tiles(ax, 5)[0], torch.linspace(0, 1, 5), atol=1e-6)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["-2.0", "-1.0", "0.0", "1.0", "2.0"]
    high, low = (ax.get_yticks()[[-1, 0]]).tolist()
    assert high < low and ax.get_yticklabels()[-1].get_text() == "2.0"  # picture rows count downwards


def test_codes_are_where_they_are_with_a_colour_for_each_value(ax):
    z = torch.tensor([[0.5, -1.0], [2.0, 3.0]], requires_grad=True)
    dots = plots.codes(ax, z, torch.tensor([0.25, 0.75]), "codes", cyclic=True)
    assert torch.as_tensor(dots.get_offsets().data).tolist() == z.tolist()
    assert dots.get_array().tolist() == [0.25, 0.75] and dots.get_clim() == (0, 1)
    first, last = (torch.tensor(dots.cmap(end)) for end in (0.0, 1.0))
    assert (first - last).abs().max() < 0.05  # phases 0 and 1 are one colour
    assert sorted(circle.get_radius() for circle in ax.patches) == [1, 2]
    inside = 100 * (1 - math.exp(-1 / 2))
    assert round(inside) == 39 and "39 %" in plots.codes.__doc__


def test_labels_are_written_where_the_mean_of_their_codes_is(ax):
    z = torch.tensor([[0.0, 1.0], [2.0, 1.0], [-1.0, -1.0]])
    dots = plots.codes(ax, z, torch.tensor([7, 7, 0]), "digits")
    assert {text.get_text(): text.get_position() for text in ax.texts} == {"7": (1.0, 1.0), "0": (-1.0, -1.0)}
    first, second, third = dots.get_facecolors().tolist()
    assert first == second != third
    assert ax.texts[1].get_color() == plots.LABELS[7] and first[:3] == list(to_rgb(plots.LABELS[7]))


def test_numbers_that_are_no_labels_get_a_scale_and_no_names(ax):
    dots = plots.codes(ax, torch.zeros(3, 2), torch.tensor([0.0, 1.0, 4.0]), "numbers")
    assert dots.get_clim() == (0, 4) and not ax.texts


def test_codes_and_atlases_refuse_other_shapes(ax):
    with pytest.raises(ValueError, match=r"z must have shape \(N, 2\)"):
        plots.codes(ax, torch.zeros(4, 3), torch.zeros(4), "")
    with pytest.raises(ValueError, match=r"values must have shape \(4,\)"):
        plots.codes(ax, torch.zeros(4, 2), torch.zeros(3), "")
    with pytest.raises(ValueError, match=r"values must be labels from 0 to 9, got 3 to 10"):
        plots.codes(ax, torch.zeros(2, 2), torch.tensor([3, 10]), "")
    with pytest.raises(ValueError, match="side"):
        plots.atlas(ax, decode_first, "", side=1)
    with pytest.raises(ValueError, match="limit"):
        plots.atlas(ax, decode_first, "", limit=0.0)
    with pytest.raises(ValueError, match="x must have shape"):
        plots.atlas(ax, lambda z: z, "")


def seen(ax):
    """What the picture on the axes holds, as a tensor."""
    return torch.as_tensor(ax.images[0].get_array().data)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("grad", [False, True])
def test_a_matrix_is_its_absolute_values_with_rows_from_the_top(ax, grad):
    plots.matrix(ax, torch.tensor([[1.0, -2.0], [0.0, 3.0]]).requires_grad_(grad), "m", "x", "y")
    assert seen(ax).tolist() == [[1, 2], [0, 3]]


def test_an_atlas_refuses_pictures_beyond_0_and_1_unless_it_may_clamp_them(ax):
    with pytest.raises(ValueError, match=r"x must be images in \[0, 1\], got values from"):
        plots.atlas(ax, lambda z: 2 * decode_first(z), "", side=3)
    plots.atlas(ax, lambda z: 2 * decode_first(z), "", side=3, clamp=True)
    assert torch.allclose(tiles(ax, 3), torch.tensor([1 / 3, 1.0, 1.0]).expand(3, 3), atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_density_lies_under_its_points_with_y_upwards(ax):
    plots.plane(ax, torch.zeros(1, 2), "", "#000000", lambda z: z[:, 0] + 2 * z[:, 1], limit=1.0)
    shown, side = seen(ax), torch.linspace(-1, 1, 120)
    assert torch.allclose(shown.log(), side[None] + 2 * side[:, None], atol=1e-5)  # rows are y
    assert ax.images[0].origin == "lower" and ax.images[0].get_extent() == [-1, 1, -1, 1]


def test_planes_are_sets_of_points_in_the_colours_of_their_families(notebook):
    points = {"data": torch.zeros(3, 2), "gan": torch.tensor([[0.5, -1.0]]), "other": torch.ones(2, 2)}
    plots.planes(points, "title", limit=2.0)
    (figure, alt) = notebook[0]
    for ax, (name, expected) in zip(figure.axes, points.items(), strict=True):
        assert torch.as_tensor(ax.lines[0].get_xydata()).tolist() == expected.tolist() and ax.get_xlim() == (-2, 2)
        assert ax.lines[0].get_color() == plots.COLOURS.get(name, plots.COLOURS["data"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["data", "GAN", "other"]
    assert alt == "title. Points in the plane: data (3), GAN (1), other (2)."


def test_planes_refuse_what_is_no_set_of_points():
    for wrong in ({}, torch.zeros(3, 2), {str(k): torch.zeros(3, 2) for k in range(6)}):
        with pytest.raises(ValueError, match="panels must be a dictionary of one to five sets of points"):
            plots.planes(wrong)
    with pytest.raises(
        ValueError, match=r"panels\['a'\] must have shape \(N, 2\), got torch.float32 of shape \(3, 3\)"
    ):
        plots.planes({"a": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match="limit must be a finite number above 0, got 0"):
        plots.planes({"a": torch.zeros(3, 2)}, limit=0)
