"""Densities on a line: which is a hill and which a line, where the axis ends, and what is refused."""

import pytest
import torch
from torch.distributions import Normal

from course_utils import plots

X = torch.linspace(-10, 10, 401)
P, Q = Normal(-1.0, 0.5).log_prob(X).exp(), Normal(1.0, 1.0).log_prob(X).exp()


def test_the_first_is_a_hill_and_the_others_are_lines(notebook):
    plots.densities(X, {"data": P, "model": Q, "other": P}, "title")
    ((figure, alt),) = notebook
    (ax,) = figure.axes
    hill = ax.collections[0].get_paths()[0].vertices
    assert hill[:, 1].max() == pytest.approx(P.max().item())
    drawn = [torch.as_tensor(line.get_ydata()).float() for line in ax.lines]
    torch.testing.assert_close(torch.stack(drawn), torch.stack([Q, P]))
    assert ax.lines[0].get_linewidth() > ax.lines[1].get_linewidth()
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert ax.get_xlabel() == "x" and ax.get_ylabel() == "density"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["data", "model", "other"]
    assert alt == "title. data: highest 0.7979 at -1; model: highest 0.3989 at 1; other: highest 0.7979 at -1."


def test_the_axis_ends_where_there_is_nothing_more_to_be_seen(notebook):
    plots.densities(X, {"data": P, "model": Q})
    low, high = notebook[0][0].axes[0].get_xlim()
    assert -3 < low < -2.4 and 4 < high < 4.6


def test_the_third_line_is_dashed(notebook):
    plots.densities(X, {"data": P, "one": Q, "two": Q, "three": Q}, ylabel="share")
    (ax,) = notebook[0][0].axes
    assert [line.get_linestyle() for line in ax.lines] == ["-", "-", "--"] and ax.get_ylabel() == "share"


def test_panels_share_their_scales_and_their_names(notebook):
    plots.densities(X, {"one": {"data": Q, "model": P}, "two": {"data": Q, "model": 3 * P}})
    ((figure, alt),) = notebook
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one", "two"]
    assert {ax.get_ylim() for ax in figure.axes} == {figure.axes[0].get_ylim()}
    assert {ax.get_xlim() for ax in figure.axes} == {figure.axes[0].get_xlim()}
    assert figure.axes[0].get_ylim()[0] == 0 and figure.axes[0].get_ylim()[1] > 3 * P.max()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["data", "model"]
    assert "two, model: highest 2.394 at -1" in alt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[None], {"data": P}), r"x must have shape \(N,\)"),
        ((X, {}), "panels must be a dictionary"),
        ((X, [P]), "panels must be a dictionary"),
        ((X, {str(k): {"data": P} for k in range(4)}), "at most three"),
        ((X, {"data": P[1:]}), r"panels\['data'\] must have shape \(401,\)"),
        ((X, {"data": P.tolist()}), r"panels\['data'\] must have shape \(401,\)"),
    ],
)
def test_other_forms_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.densities(*arguments)
