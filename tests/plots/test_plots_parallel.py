"""The diagram of two processes: what is in each, where they meet, and which way the arrows go."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from course_utils import plots

WORDS = ("share", "model", "gradient", "same step")


@pytest.fixture
def drawn(notebook):
    plots.data_parallel("title")
    ((figure, alt),) = notebook
    figure.draw_without_rendering()
    return figure.axes[0], alt


def extent(ax, patch):
    return patch.get_window_extent().transformed(ax.transData.inverted())


def boxes(ax):
    """By word and process the extent of each box, in inches, and its colour; batch and mean belong to no process."""
    frames = bands(ax)
    found = {}
    for patch in ax.patches:
        if isinstance(patch, FancyBboxPatch) and patch not in frames:
            box = extent(ax, patch)
            (word,) = [t.get_text() for t in ax.texts if box.contains(*t.get_position())]
            inside = [i for i, band in enumerate(frames) if contains(extent(ax, band), box)]
            found[(word, *inside)] = box, to_hex(patch.get_edgecolor()).upper()
    return found


def bands(ax):
    """What belongs to process 0 and to process 1: two wide boxes, from the top."""
    wide = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_width() > 5]
    return sorted(wide, key=lambda patch: -patch.get_y())


def contains(outer, inner):
    return outer.x0 < inner.x0 and inner.x1 < outer.x1 and outer.y0 < inner.y0 and inner.y1 < outer.y1


def test_each_process_has_a_share_the_model_a_gradient_and_the_same_step_and_they_meet_at_the_mean(drawn):
    ax, _ = drawn
    found = boxes(ax)
    assert set(found) == {("batch",), ("mean",)} | {(word, i) for word in WORDS for i in (0, 1)}

    def box_at(point):
        (name,) = [
            name
            for name, (box, _) in found.items()
            if box.x0 - 0.1 < point[0] < box.x1 + 0.1 and box.y0 - 0.1 < point[1] < box.y1 + 0.1
        ]
        return name

    arrows = [a.get_path().vertices[:3] for a in ax.patches if isinstance(a, FancyArrowPatch)]
    joined = {(box_at(start), box_at(end)) for start, _, end in arrows}
    expected = set()
    for i in (0, 1):
        way = [("batch",), ("share", i), ("model", i), ("gradient", i), ("mean",), ("same step", i)]
        expected |= set(zip(way, way[1:], strict=False))
    assert joined == expected and len(arrows) == len(expected)
    assert all(start[0] < end[0] for start, _, end in arrows)


def test_what_is_alike_has_one_colour_and_the_weights_are_said_to_be_the_same(drawn):
    ax, alt = drawn
    colours = {name: colour for name, (_, colour) in boxes(ax).items()}
    assert {colours[word, i] for word in ("model", "same step") for i in (0, 1)} == {plots.COLOURS["autoregressive"]}
    assert colours["gradient", 0] == colours["gradient", 1] == colours["mean",] == plots.COLOURS["vae"]
    words = {text.get_text(): text.get_position() for text in ax.texts}
    assert "all-reduce" in words
    models = [boxes(ax)["model", i][0] for i in (0, 1)]
    assert models[1].y1 < words["the same weights"][1] < models[0].y0
    for i, band in enumerate(bands(ax)):
        box, (_, y) = extent(ax, band), words[f"process {i}"]
        assert min(abs(y - box.y1), abs(y - box.y0)) < 0.3
    assert alt.startswith("title. A diagram: a batch is divided into two shares") and "the same step" in alt


def test_words_stay_in_their_boxes_and_nothing_runs_through_them_or_off_the_board(drawn):
    ax, _ = drawn
    inches = ax.transData.inverted()
    texts = [(t.get_text(), t.get_window_extent().transformed(inches)) for t in ax.texts]
    for name, (box, _) in boxes(ax).items():
        assert sum(word == name[0] and contains(box, text) for word, text in texts) == 1, name
    for word, text in texts:
        assert 0 < text.x0 and text.x1 < 9 and 0 <= text.y0 and text.y1 <= ax.get_ylim()[1], word
    for arrow in ax.patches:
        if isinstance(arrow, FancyArrowPatch):
            start, _, end = arrow.get_path().vertices[:3]
            for i in range(101):
                point = start + (end - start) * i / 100
                assert not any(text.contains(*point) for _, text in texts)
