"""Figures of what measures see: which ball, which mark, which colour, and what is refused."""

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, Rectangle

from course_utils import metrics, plots
from course_utils.plots.judging import BETTER, WORSE

REAL = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]])  # radii 1, 1, 2 and 4 for k = 1
FAKE = torch.tensor([[0.5, 0.0], [4.0, 0.5], [20.0, 0.0]])


def test_balls_have_the_radius_of_the_kth_neighbour_and_marks_say_what_they_hold(notebook):
    plots.balls(REAL, FAKE, k=1, title="title")
    (figure, alt) = notebook[0]
    left, right = figure.axes
    circles = [patch for patch in left.patches if isinstance(patch, Circle)]
    assert [circle.radius for circle in circles] == [1, 1, 2, 4]
    assert [list(circle.center) for circle in circles] == REAL.tolist()
    centres, inside, outside = ([list(p) for p in zip(*line.get_data(), strict=True)] for line in left.lines)
    assert centres == REAL.tolist() and inside == FAKE[:2].tolist() and outside == FAKE[2:].tolist()
    precision, recall = metrics.precision_recall(REAL, FAKE, k=1)
    assert left.get_title(loc="left").startswith(f"precision 2/3 = {precision:.2f}")
    assert right.get_title(loc="left").startswith(f"recall 4/4 = {recall:.2f}")
    assert alt.startswith("title. Balls around real points hold 2 of 3 generated ones")


@pytest.mark.parametrize("wrong", [REAL[:1], REAL[:, :1], REAL[0], None])
def test_balls_refuse_what_are_no_points(wrong):
    for pair in ((wrong, FAKE), (FAKE, wrong)):
        with pytest.raises(ValueError, match=r"must be points \(N, 2\) with N > 1"):
            plots.balls(*pair, k=1)
    with pytest.raises(ValueError, match="^k must be a whole number of at least 1"):
        plots.balls(REAL, FAKE, k=0)


def runs(**values):
    """Four runs of a set: dictionaries from measure to value."""
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


GOOD = runs(distance=[0.4, 0.5, 0.5, 0.6], share=[0.8, 0.9, 0.8, 0.9], even=[0.9, 1.1, 1.1, 0.9])


def test_a_value_outside_the_ceilings_range_has_a_colour(notebook):
    found = {
        "good": GOOD,
        "bad": runs(distance=[2.0] * 4, share=[0.1] * 4, even=[-1.234] * 4),
        "copied": runs(distance=[0.1] * 4, share=[1.0] * 4, even=[2.0] * 4),
        "now and then": runs(distance=[2.0, 2.0, 0.5, 0.5], share=[1.0, 1.0, 1.0, 0.85], even=[0.0, 0.0, 3.0, 1.0]),
    }
    plots.sees(found, "good", {"distance": "less", "share": "more"}, "title")
    (figure, alt) = notebook[0]
    (ax,) = figure.axes
    at = {(p.get_y(), p.get_x()): to_hex(p.get_facecolor()).upper() for p in ax.patches if isinstance(p, Rectangle)}
    cells = [[at[i, j] for j in range(3)] for i in range(4)]
    white = "#FFFFFF"
    assert cells == [[white] * 3, [WORSE] * 3, [BETTER, BETTER, WORSE], [white, BETTER, WORSE]]
    texts = {(round(t.get_position()[1] - 0.5), round(t.get_position()[0] - 0.5)): t.get_text() for t in ax.texts}
    assert texts[1, 2] == "−1.23" and texts[2, 1] == "1.00" and texts[4, 0] == "0.40\nto 0.60"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [*found, "ceiling"]
    assert "copied, share: 1.00 (too good)" in alt and "good, " not in alt.split(":")[1]


def test_a_set_without_a_measure_or_a_run_is_refused():
    with pytest.raises(ValueError, match=r"found\['a'\] must have 4 rows of distance, share, even"):
        plots.sees({"good": GOOD, "a": GOOD[:3]}, "good", {})
    with pytest.raises(ValueError, match=r"found\['a'\] must have 4 rows of distance"):
        plots.sees({"good": GOOD, "a": runs(x=[1.0] * 4)}, "good", {})
    for arguments in (({}, "good"), ({"a": GOOD}, "good"), ({"good": GOOD[:1]}, "good"), (None, "good")):
        with pytest.raises(ValueError, match="^found must have at least two runs of 'good'"):
            plots.sees(*arguments, {})
