"""Figures that compare: which dot stands where, between which ends, beside which lines."""

import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plots

ROWS = [
    {"model": "PixelCNN", "family": "autoregressive", "nats": torch.tensor(20.0), "low": 19.0, "high": 22.0},
    {"model": "VAE", "nats": 24.0, "low": None, "high": None},
    {"model": "GAN", "nats": torch.nan},
]


def dots_of(ax):
    """(x, y, colour) of the dots."""
    lines = [line for line in ax.lines if line.get_marker() == "o"]
    return [(line.get_xdata()[0], line.get_ydata()[0], to_hex(line.get_color()).upper()) for line in lines]


def test_dots_stand_in_the_order_of_the_rows_with_their_brackets(ax):
    plots.dots(ROWS, "nats", low="low", high="high", title="title", ax=ax)
    blue, orange = (plots.COLOURS[k] for k in ("autoregressive", "vae"))
    assert dots_of(ax) == [(20, 0, blue), (24, 1, orange)]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["PixelCNN", "VAE", "GAN"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1] and ax.get_xlabel() == "nats"  # the first row is on top
    (bracket,) = [c for c in ax.collections if c.get_segments()]
    assert bracket.get_segments()[0].tolist() == [[19, 0], [22, 0]]
    assert [text.get_position()[1] for text in ax.texts if text.get_text() == "no value"] == [2]


def test_references_are_lines_with_flags_that_no_other_pole_crosses(notebook):
    references = {"a published result": 21.0, "another one": 21.2, "far": 28.0}
    plots.dots(ROWS, "nats", references=references, null=30.0, ceiling=19.5)
    (figure, alt) = notebook[0]
    ax = figure.axes[0]
    figure.draw_without_rendering()
    lines = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() != "-" and len(line.get_xdata()) == 2}
    every = {**references, "null": 30.0, "ceiling": 19.5}
    assert lines == set(every.values())
    flags = {t.get_text(): t for t in ax.texts if t.get_text() in every}
    assert {name: t.xy[0] for name, t in flags.items()} == every
    pixels = {name: ax.transData.transform((x, 0))[0] for name, x in every.items()}
    for name, flag in flags.items():
        box = flag.get_window_extent()
        assert 0 < box.x0 - pixels[name] < 15 and box.y0 > ax.bbox.y1
        for other, pole in flags.items():
            if other != name and pole.get_window_extent().y0 > box.y0 - 1:  # its pole goes up past this flag
                assert not box.x0 - 2 < pixels[other] < box.x1 + 2, (name, other)
    assert "Lines at a published result 21, another one 21.2, far 28, null 30, ceiling 19.5." in alt
    low, high = ax.get_xlim()
    assert low < 19.5 and high > 30


def test_dots_tell_their_numbers(notebook):
    plots.dots(ROWS, "nats", low="low", high="high", title="Title", xlabel="test nats")
    assert notebook[0][1] == "Title. test nats. PixelCNN: 20 (19 to 22); VAE: 24; GAN: no value."


def test_a_hollow_dot_beside_each(notebook, ax):
    rows = [{"model": "VAE", "ours": 2.0, "published": 3.0}, {"model": "GAN", "ours": 1.0, "published": None}]
    plots.dots(rows, "ours", beside="published", ax=ax)
    orange, red = (plots.COLOURS[k] for k in ("vae", "gan"))
    assert dots_of(ax) == [(2, 0, orange), (3, 0, orange), (1, 1, red)]
    hollow = [line.get_xdata()[0] for line in ax.lines if line.get_markerfacecolor() == "white"]
    joined = [list(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert hollow == [3] and joined == [[2, 3]]
    plots.dots(rows, "ours", beside="published", title="Title", xlabel="nats")
    assert notebook[-1][1] == "Title. nats. VAE: 2, published 3; GAN: 1."


@pytest.mark.parametrize(
    "rows, arguments, said",
    [
        ([], {}, "rows must be a list of at least one dictionary, got"),
        ({"model": "a"}, {}, "rows must be a list"),
        ([{"name": "a", "nats": 1}], {}, r"rows\[0\] must be a dictionary with 'model'"),
        ([{"model": "a"}], {}, "rows must have a column 'nats', got 'model'"),
        ([{"model": "a", "nats": "1"}], {}, r"rows\[0\]\['nats'\] must be a finite number, got '1'"),
        ([{"model": "a", "nats": float("inf")}], {}, "must be a finite number, got inf"),
        (ROWS, {"low": "low"}, "low and high must be given together, got 'low' and None"),
        (ROWS, {"low": "high", "high": "low"}, r"rows\[0\] must have 'high' <= 'nats' <= 'low', got 22.0, 20.0, 19.0"),
        (ROWS, {"references": {"a": None}}, r"references\['a'\] must be a finite number, got None"),
        (ROWS, {"beside": "paper"}, "rows must have a column 'paper'"),
        ([{"model": "a", "nats": 1, "old": "2"}], {"beside": "old"}, r"rows\[0\]\['old'\] must be a finite number"),
        (ROWS, {"null": "0"}, "null must be a finite number"),
        (ROWS, {"ceiling": float("inf")}, "ceiling must be a finite number"),
    ],
)
def test_dots_refuse_what_they_cannot_draw(ax, rows, arguments, said):
    with pytest.raises(ValueError, match=said):
        plots.dots(rows, "nats", ax=ax, **arguments)
    assert not ax.has_data()  # refused before anything was drawn
