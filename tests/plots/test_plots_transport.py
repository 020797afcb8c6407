"""Figures of moving earth and of games: which points are joined, which paths rest, what is refused."""

import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plots

REAL = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
FAKE = torch.tensor([[-1.0, 1.0], [-1.0, 0.0], [-1.5, 0.5]])


def test_an_arrow_leads_from_each_fake_point_to_its_real_one(notebook):
    plots.transport({"one": (REAL, FAKE), "two": (REAL, FAKE.flip(0))}, "title")
    ((figure, alt),) = notebook
    for ax, fake in zip(figure.axes, (FAKE, FAKE.flip(0)), strict=True):
        arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
        assert [list(arrow.xy) for arrow in arrows] == REAL.tolist()
        assert [list(arrow.xyann) for arrow in arrows] == fake.tolist()
        green, black = ax.lines
        torch.testing.assert_close(torch.as_tensor(green.get_xydata()).float(), fake)
        torch.testing.assert_close(torch.as_tensor(black.get_xydata()).float(), REAL)
    assert alt == "title. one: 3 pairs, 1.67 apart on average. two: 3 pairs, 1.72 apart on average."


def test_a_path_that_rests_is_green_and_one_that_does_not_is_not(notebook):
    turns = torch.linspace(0, 12, 200)
    circle = torch.stack([turns.cos(), turns.sin()], 1)
    plots.orbits({"goes round": circle, "rests": circle * torch.exp(-turns)[:, None]}, "title", limit=1.5)
    ((figure, alt),) = notebook
    colours = [to_hex(ax.lines[0].get_color()).upper() for ax in figure.axes]
    assert colours == [plots.COLOURS["wrong"], plots.COLOURS["gan"]]
    assert [ax.lines[1].get_xydata()[0].tolist() for ax in figure.axes] == [[1.0, 0.0]] * 2
    assert figure.axes[0].get_xlim() == (-1.5, 1.5)
    assert "goes round does not come to rest" in alt and "rests comes to rest" in alt


def test_twelve_paths_stand_in_three_rows(notebook):
    plots.orbits({str(k): REAL for k in range(12)})
    ((figure, _),) = notebook
    assert len({round(ax.get_position().y0, 2) for ax in figure.axes}) == 3


def test_a_height_is_that_of_its_place(notebook):
    plots.heights({"tilted": lambda x: x[:, 0] + 10 * x[:, 1]}, REAL, "title", limit=2.0)
    ((figure, alt),) = notebook
    levels = next(c for c in figure.axes[0].collections if hasattr(c, "levels"))
    assert levels.zmax <= 0 and levels.zmin == pytest.approx(-44, abs=1e-3)
    lowest, highest = levels.get_paths()[0].vertices, levels.get_paths()[-1].vertices
    assert lowest[:, 1].mean() < -1 and highest[:, 1].mean() > 1  # upwards is higher
    assert alt == "title. Heights over the plane: tilted."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.transport({}), "panels must be a dictionary"),
        (lambda: plots.transport({"a": (REAL, FAKE[:2])}), "as many real as fake"),
        (lambda: plots.transport({"a": (REAL, FAKE[:, :1])}), "must have shape"),
        (lambda: plots.transport({"a": (REAL, FAKE)}, limit=0), "limit"),
        (lambda: plots.orbits({str(k): REAL for k in range(13)}), "panels must be a dictionary"),
        (lambda: plots.orbits({"a": REAL[0]}), "must have shape"),
        (lambda: plots.heights({"a": lambda x: x[:, 0]}, REAL[:, :1]), "points must have shape"),
    ],
)
def test_other_forms_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
