"""Figures of the contest of losses: every sample, every run, every mark, and what is refused."""

import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plots

ROWS = [
    {"name": "hinge", "scores": [0.1, 0.3, 0.2], "median": 0.2, "interval": (0.1, 0.3), "converged": False},
    {"name": "hinge, R1", "scores": [0.7, 0.8, 0.9], "median": 0.8, "interval": [0.7, 0.9]},
]
X = torch.linspace(-1, 1, 5)


def test_clouds_draw_every_finite_point_of_every_panel(notebook):
    broken = torch.tensor([[0.0, 1.0], [torch.nan, 0.0], [2.0, -1.0]])
    plots.clouds({f"loss {k}\n0.{k}": torch.rand(7, 2) for k in range(6)} | {"broken": broken}, "title", limit=3)
    (figure, alt) = notebook[0]
    drawn = [ax for ax in figure.axes if ax.lines]
    assert [len(ax.lines[0].get_xdata()) for ax in drawn] == [7] * 6 + [2]
    assert [ax.get_title() for ax in drawn][-2:] == ["loss 5\n0.5", "broken"]
    assert drawn[0].get_xlim() == drawn[0].get_ylim() == (-3, 3)
    assert alt.startswith("title. ") and "loss 0 0.0, " in alt and figure.get_size_inches()[1] < 6.5


@pytest.mark.parametrize("wrong", [{}, None, {"a": torch.rand(3)}, {"a": [1.0]}, {str(k): X for k in range(31)}])
def test_clouds_refuse_what_are_no_points(wrong):
    with pytest.raises(ValueError, match="^panels"):
        plots.clouds(wrong)


def test_runs_show_each_run_and_hollow_dots_where_the_game_still_moves(notebook):
    plots.runs(ROWS, "title", xlabel="points")
    (figure, alt) = notebook[0]
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.1, 0.2, 0.3], [0.7, 0.8, 0.9]]
    assert [line.get_fillstyle() for line in dots] == ["none", "full"]
    assert to_hex(dots[0].get_color()) != to_hex(dots[1].get_color())
    at = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert {0, 1, 0.2, 0.8} <= set(at) and [text.get_text() for text in ax.texts] == ["null", "ceiling"]
    assert [list(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 7] == [[0.1, 0.3], [0.7, 0.9]]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["hinge", "hinge, R1"]
    assert "hinge 0.2 (still moving), hinge, R1 0.8." in alt


def test_runs_refuse_rows_without_what_they_need():
    for wrong in ([], {}, "rows", None):
        with pytest.raises(ValueError, match="^rows must be a list"):
            plots.runs(wrong)
    for key in ("name", "scores", "median", "interval"):
        with pytest.raises(ValueError, match=r"^rows\[1\] must have name, scores, median and interval"):
            plots.runs([ROWS[0], {k: v for k, v in ROWS[1].items() if k != key}])


def test_growth_draws_means_at_the_marks_and_broken_lines_where_a_row_still_moves(notebook):
    steps, scores = [100, 200, 400], torch.tensor([[0.0, 0.2, 0.4], [0.2, 0.4, 0.8]])
    plots.growth(
        {"bare": {"a": (steps, scores, True), "b": (steps, scores / 2, False)}, "R1": {"b": (steps, scores, True)}}
    )
    (figure, alt) = notebook[0]
    left, right = figure.axes
    assert [list(line.get_xdata()) for line in left.lines[:2]] == [steps, steps]
    assert torch.allclose(torch.tensor(left.lines[0].get_ydata()), torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64))
    assert [line.get_linestyle() for line in left.lines[:2]] == ["-", "--"]
    assert left.lines[1].get_color() == right.lines[0].get_color() != left.lines[0].get_color()
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["100", "200", "400"]
    assert {text.get_text() for text in left.texts} == {"a", "b"} and "bare, a: 0.1 0.3 0.6" in alt


def test_growth_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="^panels"):
        plots.growth({})
    with pytest.raises(ValueError, match=r"^'a' must have scores \(runs, 2\)"):
        plots.growth({"bare": {"a": ([1, 2], torch.rand(3, 3), True)}})


def test_endings_draw_theory_and_every_run(notebook):
    panels = {
        "a": {"theory": X**2, "practice": torch.stack([X, X + 1])},
        "b": {"theory": 2 * X},
        "c": {"practice": X[None]},
    }
    plots.endings(X, X.abs(), panels, "title")
    (figure, alt) = notebook[0]
    a, b, c = [ax for ax in figure.axes if ax.axison]
    assert [line.get_ydata().tolist() for line in a.lines] == [(X**2).tolist(), X.tolist(), (X + 1).tolist()]
    assert len(b.lines) == len(c.lines) == 1 and b.lines[0].get_linewidth() > 2 * c.lines[0].get_linewidth()
    assert [text.get_text() for text in figure.legends[0].texts] == ["the data", "theory", "runs"]
    assert alt == "title. Densities where each loss ends: a, b, c."
    plots.endings(X, X.abs(), {"c": {"practice": X[None]}})
    assert [text.get_text() for text in notebook[1][0].legends[0].texts] == ["the data", "runs"]


def test_endings_refuse_other_shapes():
    with pytest.raises(ValueError, match="^panels must be a dictionary of one to eight"):
        plots.endings(X, X, {})
    for panel in ({"theory": X[:3]}, {"practice": X}, {"practice": torch.rand(2, 3)}):
        with pytest.raises(ValueError, match=r"^panels\['a'\] must hold densities over x, of 5 values"):
            plots.endings(X, X, {"a": panel})
