"""Figures of the bound: how long the bars are, where the ellipses lie, and what is refused."""

import math

import pytest
import torch
from matplotlib.patches import Ellipse, Rectangle

from course_utils import plots


def test_bars_end_where_the_elbo_does_and_the_gap_reaches_log_p(notebook):
    plots.elbo_and_gap({"poor": (torch.tensor(-4.5), 1.5), "exact": (-3.0, -1e-9)}, "title")
    (figure, alt) = notebook[0]
    ends = [
        (bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches if isinstance(bar, Rectangle)
    ]
    (left, poor), gap, (_, exact), nothing = ends
    assert left < -4.5 and poor == pytest.approx(-4.5) and gap == pytest.approx((-4.5, -3.0))
    assert exact == pytest.approx(-3.0) and nothing == pytest.approx((-3.0, -3.0))
    assert [text.get_text().strip() for text in figure.axes[0].texts] == [
        "−4.50 + 1.50 = −3.00",
        "−3.00 + 0.00 = −3.00",
    ]
    assert figure.axes[0].yaxis_inverted()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["poor", "exact"]
    assert alt.startswith("title. Bars") and "poor: −4.50 + 1.50 = −3.00" in alt


@pytest.mark.parametrize(
    "rows", [{}, [(-1.0, 0.0)], {"a": -1.0}, {"a": (1, 2, 3)}, {"a": (-1, math.nan)}, {"a": (0, -1)}]
)
def test_bars_refuse_what_is_no_bound(rows):
    with pytest.raises(ValueError, match="rows"):
        plots.elbo_and_gap(rows)


def test_guesses_are_ellipses_of_one_and_two_widths(notebook):
    posterior = torch.tensor([1.0, -1.0]), torch.tensor([[4.0, 0.0], [0.0, 1.0]])
    guess = torch.tensor([0.0, 0.0]), torch.tensor([[1.0, 0.9], [0.9, 1.0]])
    plots.guesses({"a": guess, "b": posterior}, posterior, "title")
    (figure, alt) = notebook[0]
    first, second = figure.axes
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b"]
    found = [patch for patch in first.patches if isinstance(patch, Ellipse)]
    assert [patch.center for patch in found] == [(1.0, -1.0)] * 2 + [(0.0, 0.0)] * 2 or [
        tuple(patch.center) for patch in found
    ] == [(1.0, -1.0)] * 2 + [(0.0, 0.0)] * 2
    assert [round(patch.width, 3) for patch in found[:2]] == [4.0, 8.0]  # two and four standard deviations
    assert found[0].angle % 180 == pytest.approx(0) and found[2].angle % 180 == pytest.approx(45)
    assert found[2].width == pytest.approx(2 * 1.9**0.5, rel=1e-4) and found[2].height < found[2].width
    assert [patch.get_linestyle() for patch in found] == ["--", "--", "-", "-"]
    assert first.get_xlim() == second.get_xlim()
    assert alt.startswith("title. Ellipses") and "posterior: widths 1 and 2" in alt


def test_guesses_refuse_what_is_no_gaussian_of_two_numbers():
    good = torch.zeros(2), torch.eye(2)
    for panels in ({}, [good], {str(k): good for k in range(6)}):
        with pytest.raises(ValueError, match="panels must be a dictionary of one to five guesses"):
            plots.guesses(panels, good)
    for bad in ((torch.zeros(3), torch.eye(3)), (torch.zeros(2), torch.zeros(2, 2)), (torch.zeros(2),)):
        with pytest.raises(ValueError, match=r"panels\['a'\]"):
            plots.guesses({"a": bad}, good)
        with pytest.raises(ValueError, match="posterior"):
            plots.guesses({"a": good}, bad)
