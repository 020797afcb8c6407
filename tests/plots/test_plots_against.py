"""Two measures against each other: which dot stands where, between which ends, and which name is beside it."""

import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plots

ROWS = [
    {"model": "PixelCNN", "family": "autoregressive", "nats": [78.0, 79.0, 80.0], "far": torch.tensor([3.0, 5.0])},
    {"model": "VAE", "nats": 90.0, "far": [6.0], "bound": True},
    {"model": "GAN", "nats": None, "far": [1.0, 2.0]},
]


def dots_of(ax):
    return [line for line in ax.lines if line.get_marker() == "o"]


def test_each_dot_stands_at_the_means_of_its_runs_between_their_ends(notebook):
    plots.against(ROWS, "nats", "far", "Title", hollow="bound", ylabel="distance")
    (figure, alt) = notebook[0]
    (ax,) = figure.axes
    assert [(d.get_xdata()[0], d.get_ydata()[0]) for d in dots_of(ax)] == [(79, 4), (90, 6)]
    colours = [to_hex(d.get_color()).upper() for d in dots_of(ax)]
    assert colours == [plots.COLOURS["autoregressive"], plots.COLOURS["vae"]]
    assert [d.get_markerfacecolor() == "white" for d in dots_of(ax)] == [False, True]
    ends = [c.get_segments()[0].tolist() for c in ax.collections]
    assert ends[:2] == [[[78, 4], [80, 4]], [[79, 3], [79, 5]]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("nats", "distance")
    assert alt.endswith("PixelCNN: 79, 4; VAE: 90, 6; GAN: no value.")


def test_no_name_covers_another_one_or_a_dot(notebook):
    places = ((1.0, 1.0), (1.01, 1.0), (1.3, 1.02), (3.0, 2.0), (2.99, 2.03))
    rows = [{"model": f"model number {k}", "x": x, "y": y} for k, (x, y) in enumerate(places)]
    plots.against(rows, "x", "y", log="x")
    (ax,) = notebook[0][0].axes
    notebook[0][0].draw_without_rendering()
    assert ax.get_xscale() == "log"
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 5
    for k, box in enumerate(boxes):
        assert box.x0 > ax.bbox.x0 - 2
        for other in boxes[:k]:
            assert not (box.shrunk(0.9, 0.7).overlaps(other.shrunk(0.9, 0.7)))


@pytest.mark.parametrize(
    "rows, arguments, said",
    [
        ([], {}, "rows must be a list"),
        ({"model": "a"}, {}, "rows must be a list"),
        ([{"nats": 1}], {}, r"rows\[0\] must be a dictionary with 'model'"),
        (ROWS[2:], {}, "rows must have the columns 'nats' and 'far'"),
        ([{"model": "a", "nats": "2", "far": 1}], {}, r"rows\[0\]\['nats'\] must be a finite number"),
        ([{"model": "a", "nats": [1, float("nan")], "far": 1}], {}, r"rows\[0\]\['nats'\] must be a finite number"),
        ([{"model": "a", "nats": 0, "far": 1}], {"log": "x"}, r"must be a finite number above 0"),
        (ROWS, {"log": "z"}, "log must be"),
    ],
)
def test_wrong_rows_are_refused(rows, arguments, said):
    with pytest.raises(ValueError, match=said):
        plots.against(rows, "nats", "far", **arguments)
