"""Colours as bars: as many as there are, of these colours and heights, with these names."""

import pytest
import torch
from matplotlib.colors import to_rgb

from course_utils import plots

THREE = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.2], [0.25, 1.0, 1.0]])


def test_the_bars_have_the_colours_the_names_and_one_height(notebook):
    plots.swatches(THREE, "Three colours", labels=["orange", "night", "sky"])
    ((figure, alt),) = notebook
    (ax,) = figure.axes
    assert [to_rgb(bar.get_facecolor()) for bar in ax.patches] == [pytest.approx(tuple(c)) for c in THREE.tolist()]
    assert {bar.get_height() for bar in ax.patches} == {1}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["orange", "night", "sky"]
    assert ax.get_title("left") == "Three colours" and "orange, night, sky" in alt


def test_heights_are_drawn_and_labelled(notebook):
    plots.swatches(THREE, heights=torch.tensor([0.5, 0.2, 0.3]), ylabel="probability")
    ((figure, alt),) = notebook
    (ax,) = figure.axes
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([0.5, 0.2, 0.3])
    assert ax.get_ylabel() == "probability" and not len(ax.get_xticks()) and "0.5" in alt


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"colours": torch.rand(3)}, "colours"),
        ({"colours": torch.rand(0, 3)}, "colours"),
        ({"colours": 2 * THREE}, "colours"),
        ({"colours": THREE, "labels": ["one"]}, "labels"),
        ({"colours": THREE, "heights": torch.rand(2)}, "heights"),
        ({"colours": THREE, "heights": torch.tensor([0.1, -0.1, 0.2])}, "heights"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, word):
    with pytest.raises(ValueError, match=f"^{word} "):
        plots.swatches(**arguments)
