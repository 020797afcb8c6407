"""Figures of the contest of losses: every sample, every run, every mark, and what is refused."""

import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plots

ROWS = [
    {"loss": "hinge", "penalty": "", "scores": [0.1, 0.3, 0.2], "median": 0.2, "converged": False},
    {"loss": "hinge", "penalty": "R1", "scores": [0.7, 0.8, 0.9], "median": 0.8, "converged": True},
    {"loss": "Wasserstein", "penalty": "gradient penalty", "scores": [0.5], "median": 0.5, "converged": True},
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


def test_a_cloud_says_so_if_no_point_is_in_its_square(notebook):
    plots.clouds({"far": torch.full((3, 2), 5.0), "lost": torch.full((3, 2), torch.nan), "here": torch.zeros(1, 2)})
    notes = [[text.get_text() for text in ax.texts] for ax in notebook[0][0].axes]
    assert notes == [["all points\noutside"], ["all points\noutside"], []]


def test_runs_show_each_run_and_hollow_dots_where_the_game_still_moves(notebook):
    plots.runs({"grid": ROWS, "moons": ROWS[1:2]}, "title", xlabel="points")
    (figure, alt) = notebook[0]
    ax, other = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.1, 0.2, 0.3], [0.7, 0.8, 0.9], [0.5]]
    assert [line.get_fillstyle() for line in dots] == ["none", "full", "full"]
    assert len({to_hex(line.get_color()) for line in dots}) == 3
    heights = [sum(line.get_ydata()) / len(line.get_ydata()) for line in dots]
    assert -0.5 < heights[0] < heights[1] < 0.5 < heights[2] < 1.5  # one line a loss
    bars = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"]
    assert bars == [0.2, 0.8, 0.5] and [text.get_text() for text in ax.texts] == ["null", "ceiling"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["hinge", "Wasserstein"]
    assert [ax.get_title(), other.get_title()] == ["grid", "moons"]
    names = ["bare", "with R1", "with a gradient penalty", "hollow: still moves"]
    assert [text.get_text() for text in figure.legends[0].texts] == names
    assert "grid: hinge bare 0.2 (still moving), hinge with R1 0.8, " in alt
    assert alt.endswith("moons: hinge with R1 0.8.")


def test_runs_refuse_rows_without_what_they_need():
    for wrong in ({}, ROWS, None, dict.fromkeys("abcd", ROWS)):
        with pytest.raises(ValueError, match="^panels must be a dictionary of one to three"):
            plots.runs(wrong)
    with pytest.raises(ValueError, match=r"^panels\['a'\] must hold rows"):
        plots.runs({"a": []})
    for key in ROWS[1]:
        with pytest.raises(ValueError, match=r"^panels\['a'\] must hold rows with loss, penalty"):
            plots.runs({"a": [ROWS[0], {k: v for k, v in ROWS[1].items() if k != key}]})


def test_growth_draws_medians_at_the_marks_and_broken_lines_where_a_row_still_moves(notebook):
    steps, scores = [100, 200, 400], torch.tensor([[0.0, 0.2, 0.1], [0.1, 0.3, 0.6], [0.8, 0.4, 0.9]])
    plots.growth(
        {"bare": {"a": (steps, scores, True), "b": (steps, scores / 2, False)}, "R1": {"b": (steps, scores, True)}}
    )
    (figure, alt) = notebook[0]
    left, right = figure.axes
    assert [list(line.get_xdata()) for line in left.lines[:2]] == [steps, steps]
    assert torch.allclose(torch.tensor(left.lines[0].get_ydata()), torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64))
    assert [line.get_linestyle() for line in left.lines[:2]] == ["-", "--"]
    assert left.lines[1].get_color() == right.lines[0].get_color() != left.lines[0].get_color()
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["100", "400"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["a", "b", "broken: still moves"]
    assert "bare, a: 0.1 0.3 0.6" in alt


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
    plots.endings(X, X.abs(), {"c": {"practice": X[None]}}, start=X / 2)
    assert [text.get_text() for text in notebook[1][0].legends[0].texts] == ["the data", "runs", "the start"]
    assert notebook[1][0].axes[0].lines[-1].get_ydata().tolist() == (X / 2).tolist()


def test_endings_refuse_other_shapes():
    with pytest.raises(ValueError, match="^panels must be a dictionary of one to eight"):
        plots.endings(X, X, {})
    for panel in ({"theory": X[:3]}, {"practice": X}, {"practice": torch.rand(2, 3)}):
        with pytest.raises(ValueError, match=r"^panels\['a'\] must hold densities over x, of 5 values"):
            plots.endings(X, X, {"a": panel})
