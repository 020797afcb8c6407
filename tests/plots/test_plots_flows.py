"""Figures of flows: how a coupling is wired, what a film shows, where paths begin and end, what is refused."""

import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plots

POINTS = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])


def test_the_coupling_names_all_that_takes_part(notebook):
    plots.coupling("title")
    ((figure, alt),) = notebook
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {"$x_1$", "$x_2$", "network", "×", "+", "$m$", "$z_2$"} <= set(words)
    assert alt.startswith("title. A diagram of a coupling") and "x1 alone" in alt


def test_a_film_shows_its_moments_in_order_and_in_one_colour(notebook):
    plots.moments({"t = 9": POINTS, "t = 0": POINTS + 1}, "title", family="flow", limit=3)
    ((figure, alt),) = notebook
    assert [ax.get_title("center") for ax in figure.axes] == ["t = 9", "t = 0"]
    for ax, points in zip(figure.axes, (POINTS, POINTS + 1), strict=True):
        (line,) = ax.lines
        assert to_hex(line.get_color()).upper() == plots.COLOURS["flow"]
        torch.testing.assert_close(torch.as_tensor(line.get_xydata()).float(), points)
        assert ax.get_xlim() == (-3, 3)
    assert alt == "title. Points in the plane, from left to right: t = 9, t = 0."


def test_a_path_leads_from_a_grey_dot_to_a_black_one(notebook):
    bent = torch.stack([POINTS, POINTS + torch.tensor([1.0, 0.0]), POINTS + torch.tensor([1.0, 1.0])])
    plots.paths({"straight": bent[::2], "bent": bent}, "title")
    ((figure, alt),) = notebook
    for ax, moved in zip(figure.axes, (bent[::2], bent), strict=True):
        *lines, starts, ends = ax.lines
        assert len(lines) == 3
        for i, line in enumerate(lines):
            torch.testing.assert_close(torch.as_tensor(line.get_xydata()).float(), moved[:, i])
        torch.testing.assert_close(torch.as_tensor(starts.get_xydata()).float(), moved[0])
        torch.testing.assert_close(torch.as_tensor(ends.get_xydata()).float(), moved[-1])
        assert to_hex(ends.get_color()) == plots.COLOURS["data"] != to_hex(starts.get_color())
    assert "straight: 3 paths, at the median 1.00 times" in alt and "bent: 3 paths, at the median 1.41 times" in alt


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.moments({"a": POINTS}), "panels must be a dictionary"),
        (lambda: plots.moments(dict.fromkeys("abcdefg", POINTS)), "panels must be a dictionary"),
        (lambda: plots.moments({"a": POINTS, "b": POINTS[:, :1]}), "must be points"),
        (lambda: plots.moments({"a": POINTS, "b": POINTS}, family="cat"), "family must be one of"),
        (lambda: plots.moments({"a": POINTS, "b": POINTS}, limit=0), "limit"),
        (lambda: plots.paths({}), "panels must be a dictionary"),
        (lambda: plots.paths({"a": POINTS}), "must be paths"),
        (lambda: plots.paths({"a": POINTS[None]}, limit=0), "limit"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
