"""The film of a game: points where they are, the discriminator's field the right way up, arrows along the pushes."""

import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.quiver import Quiver

from course_utils import plots

POINTS, REAL = torch.tensor([[0.5, -0.25], [-1.0, 1.0]]), torch.rand(500, 2)


def above(x):  # real above the first diagonal's horizontal axis: a large logit for y > 0
    return 50 * x[:, 1]


def clouds(ax):
    return [part for part in ax.collections if isinstance(part, PathCollection)]


def test_points_lie_where_they_are_and_the_first_300_real_ones_in_grey(notebook):
    plots.film({"step 0": (POINTS, above), "step 9": (POINTS + 1, above)}, REAL, "A film")
    (figure, alt), *rest = notebook
    assert rest == [] and "A film" in alt and "step 0, step 9" in alt and "Arrows" not in alt
    first, second = figure.axes[:2]
    assert [ax.get_title("left") or ax.get_title() for ax in (first, second)] == ["step 0", "step 9"]
    grey, green = clouds(first)[-2:]
    assert torch.allclose(torch.as_tensor(grey.get_offsets()).float(), REAL[:300])
    assert torch.allclose(torch.as_tensor(green.get_offsets()).float(), POINTS)
    assert torch.allclose(torch.as_tensor(clouds(second)[-1].get_offsets()).float(), POINTS + 1)
    assert figure.get_suptitle() == "A film"


def test_the_field_is_the_right_way_up_and_right_way_round(notebook, monkeypatch):
    seen = []
    monkeypatch.setattr("matplotlib.axes.Axes.contourf", lambda self, x, y, field, **rest: seen.append((x, y, field)))
    for axis in (0, 1):
        plots.film({"now": (POINTS, lambda x, axis=axis: 3 * x[:, axis])}, REAL, limit=2.0)
    for (x, y, field), axis in zip(seen, (0, 1), strict=True):
        assert x[0] == y[0] == -2 and x[-1] == y[-1] == 2
        field = torch.as_tensor(field)  # rows are y
        along = torch.sigmoid(3 * torch.as_tensor((x, y)[axis]))
        along = along if axis == 0 else along[:, None]
        assert torch.allclose(field, along.expand_as(field), atol=1e-5)


def test_arrows_point_along_the_pushes_as_long_as_the_root_of_them(notebook):
    pushes = torch.tensor([[4.0, 0.0], [0.0, -1.0]])
    plots.film({"now": (POINTS, above, pushes), "then": (POINTS, above, 0 * pushes)}, REAL, limit=1.6)
    figure, alt = notebook[0]
    assert "Arrows" in alt
    first, second = [next(a for a in ax.get_children() if isinstance(a, Quiver)) for ax in figure.axes[:2]]
    assert torch.allclose(torch.as_tensor(first.U).float(), torch.tensor([0.4, 0.0]), atol=1e-6)
    assert torch.allclose(torch.as_tensor(first.V).float(), torch.tensor([0.0, -0.2]), atol=1e-6)
    assert not torch.as_tensor(second.U).any()


def test_bands_are_symmetric_about_one_half_and_empty_places_have_no_axes(notebook):
    from course_utils.plots.films import BANDS

    assert all(abs(low + high - 1) < 1e-9 for low, high in zip(BANDS, BANDS[::-1], strict=True))
    plots.film({str(k): (POINTS, above) for k in range(4)}, REAL, columns=3)
    shown = [ax.axison for ax in notebook[0][0].axes[:6]]
    assert shown == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("panels", "real", "named"),
    [
        ({}, REAL, "one to 6"),
        ({str(k): (POINTS, above) for k in range(7)}, REAL, "one to 6"),
        ([(POINTS, above)], REAL, "dictionary"),
        ({"a": POINTS}, REAL, "'a'"),
        ({"a": (POINTS, torch.zeros(2))}, REAL, "'a'"),
        ({"a": (POINTS[:, :1], above)}, REAL, "(N, 2)"),
        ({"a": (POINTS, above, POINTS[:1])}, REAL, "an arrow a point"),
        ({"a": (POINTS, lambda x: x)}, REAL, "logits (M,)"),
        ({"a": (POINTS, above)}, REAL[0], "real must"),
    ],
)
def test_what_is_no_film_is_refused(panels, real, named):
    with pytest.raises(ValueError) as error:
        plots.film(panels, real)
    assert named in str(error.value)
