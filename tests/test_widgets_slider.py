"""The picture slider without a browser: its rows, its still picture, its state. See test_widgets_players.py too."""

import base64
import io
import json
import math
import re

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_utils import plots, widgets
from course_utils.widgets import slider

TITLE = "What β does"


def noise(n, c=1, height=4, width=5, seed=0):
    """Pictures of greys that a byte holds exactly."""
    bytes_ = torch.randint(0, 256, (n, c, height, width), generator=torch.Generator().manual_seed(seed))
    return bytes_.float() / 255


def settings(n=3, c=1, keys=(0.1, 1, 10), **size):
    return {key: noise(n, c, seed=seed, **size) for seed, key in enumerate(keys)}


def decoded(address):
    """The picture in a data address, (rows, columns, 3) in whole numbers from 0 to 255."""
    kind, text = address.split(",")
    assert kind == "data:image/png;base64"
    image = matplotlib.image.imread(io.BytesIO(base64.b64decode(text)))
    return torch.tensor(np.round(255 * image[..., :3])).long()


# ---- the rows in the browser -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("c, n", [(1, 3), (3, 3), (1, 12), (3, 15), (1, 24)])
def test_the_decoded_rows_are_the_pixels_enlarged_without_smoothing(c, n):
    pictures = settings(n, c)
    scene = widgets.picture_slider(pictures).scene
    for x, address in zip(pictures.values(), scene["rows"], strict=True):
        image = decoded(address)
        columns, lines = min(n, 12), math.ceil(n / 12)
        scale = image.shape[1] // (6 * columns + 1)
        assert image.shape == ((5 * lines + 1) * scale, (6 * columns + 1) * scale, 3)
        blocks = image.unfold(0, scale, scale).unfold(1, scale, scale)  # (rows, columns, 3, scale, scale)
        assert scale > 5 and (blocks == blocks[..., :1, :1]).all()
        for place in range(n):
            top, left = 5 * (place // 12) + 1, 6 * (place % 12) + 1
            found = blocks[top : top + 4, left : left + 5, :, 0, 0].permute(2, 0, 1)
            assert torch.equal(found, (255 * x[place]).round().long().expand(3, -1, -1)), place
        if n == 15:
            assert (blocks[6:10, 19:, :, 0, 0] == 255).view(-1)[0]  # a place without a picture is white
        assert scene["width"] == image.shape[1]


@pytest.mark.parametrize("n", [1, 5, 12, 13, 24])
def test_a_row_is_framed_as_plots_frames_it(n):
    for c in (1, 3):
        x = noise(n, c)
        assert torch.equal(slider.tile(x), plots.tile(x, columns=12))


@pytest.mark.parametrize(
    "n, height, width, scale",
    [
        (12, 8, 8, 6),  # 109 pixels, and 760 are there
        (24, 8, 8, 6),
        (4, 8, 8, 15),  # no picture of more than 120
        (12, 28, 28, 2),
        (12, 64, 64, 1),
        (2, 200, 10, 1),
        (2, 10, 200, 1),
    ],
)
def test_pixels_are_enlarged_as_far_as_there_is_room(n, height, width, scale):
    scene = widgets.picture_slider(settings(n, height=height, width=width)).scene
    assert scene["width"] == scale * (min(n, 12) * (width + 1) + 1)
    assert decoded(scene["rows"][0]).shape[1] == scene["width"]


def test_twelve_rows_of_digits_are_small():
    scene = widgets.picture_slider(settings(12, height=8, width=8, keys=range(12))).scene
    assert len(json.dumps(scene)) < 100_000


def test_words_and_names():
    pictures = settings(keys=("prior", 0.1, -2, 10.0, 1_000_000, np.float32(0.3)))
    scene = json.loads(json.dumps(widgets.picture_slider(pictures, TITLE, "β").scene))
    assert scene["words"] == ["β = prior", "β = 0.1", "β = −2", "β = 10", "β = 1000000", "β = 0.3"]
    assert (scene["title"], scene["name"], scene["count"]) == (TITLE, "β", "3 pictures")
    bare = widgets.picture_slider(pictures).scene
    assert bare["words"] == ["prior", "0.1", "−2", "10", "1000000", "0.3"]
    assert (bare["title"], bare["name"]) == ("", "Row")
    assert widgets.picture_slider(settings(1)).scene["count"] == "1 picture"


def test_the_browser_moves_the_slider():
    widget = widgets.picture_slider(settings(), TITLE, "β")
    assert widget.at == 0 and {"scene", "at"} <= set(widget.keys)
    for value, expected in [(2, 2), (-1, 2), ("1", 2), (None, 2), (0, 0)]:
        widget._handle_msg({"content": {"data": {"method": "update", "state": {"at": value}}}, "buffers": []})
        assert widget.at == expected


def test_what_is_shown_does_not_change_with_what_comes_after_it():
    pictures = settings()
    widget = widgets.picture_slider(pictures)
    before, rows = widget._repr_mimebundle_()[0]["image/png"], list(widget.scene["rows"])
    for x in pictures.values():
        x.zero_()
    assert widget._repr_mimebundle_()[0]["image/png"] == before and widget.scene["rows"] == rows


def test_gradients_double_precision_and_rounding_are_no_obstacle():
    x = noise(3).double().requires_grad_()
    with_rounding = torch.tensor([-1e-4, 1 + 1e-4]).view(1, 1, 1, 2)
    widgets.picture_slider({"a": x, "b": x})
    image = decoded(widgets.picture_slider({"a": with_rounding, "b": with_rounding}).scene["rows"][0])
    assert set(image.flatten().tolist()) == {0, 128, 255}  # 128: the frame


# ---- the still picture -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c, n", [(1, 3), (3, 12), (1, 15), (1, 24)])
def test_the_still_picture_is_what_plots_samples_would_draw(c, n):
    pictures = settings(n, c)
    figure = widgets.slider_picture(pictures, TITLE, "β")
    (ax,) = figure.axes
    expected = Figure().subplots()
    plots.samples({f"β = {key}": x for key, x in pictures.items()}, TITLE, ax=expected)
    assert np.array_equal(ax.images[0].get_array(), expected.images[0].get_array())
    assert ax.get_yticks() == pytest.approx(expected.get_yticks())
    assert [t.get_text() for t in ax.get_yticklabels()] == [t.get_text() for t in expected.get_yticklabels()]
    assert ax.get_title(loc="left") == TITLE and not len(ax.get_xticks())
    assert ax.images[0].get_interpolation() == "nearest"


@pytest.mark.parametrize("n, labels, long", [(12, 3, ""), (1, 2, ""), (24, 12, ""), (12, 4, "a long name of a row")])
def test_all_of_it_is_on_a_figure_of_at_most_nine_inches(n, labels, long):
    keys = [f"{k} {long}".strip() for k in range(labels)]
    figure = widgets.slider_picture(settings(n, keys=keys), "A title of many words, " * 6, "β")
    assert figure.get_figwidth() <= 9
    figure.savefig(io.BytesIO(), dpi=100)
    (ax,) = figure.axes
    for part in (ax.title, ax._left_title, *ax.get_yticklabels(), ax.images[0]):
        box = part.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
    area = ax.images[0].get_window_extent()
    assert area.width * area.height > 0.1 * figure.bbox.width * figure.bbox.height


def test_the_output_holds_widget_picture_and_its_description():
    widget = widgets.picture_slider(settings(), TITLE, "β")
    bundle, metadata = widget._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert bundle["text/plain"] == "PictureSlider(3 rows, β = 0.1 to β = 10)"  # constant: stored outputs are compared
    png = base64.b64decode(bundle["image/png"])
    image = matplotlib.image.imread(io.BytesIO(png))
    assert image.shape[1] == 900 and image.std() > 0.05 and len(png) < 100_000
    alt = "What β does. 3 rows of 3 pictures, each 4 × 5 pixels: β = 0.1, β = 1, β = 10."
    assert metadata == {"image/png": {"alt": alt}}
    untitled = widgets.picture_slider(settings(1))._repr_mimebundle_()[1]
    assert untitled["image/png"]["alt"] == "3 rows of 1 picture, each 4 × 5 pixels: 0.1, 1, 10."
    widget.at = 2
    assert widget._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]  # always all rows


# ---- bad input -------------------------------------------------------------------------------------------------------


X = noise(3)


@pytest.mark.parametrize("make", [widgets.picture_slider, widgets.slider_picture])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pictures": X}, "pictures must be a dictionary with 2 to 12 labels, got torch.float32 of shape (3, 1, 4, 5)"),
        ({"pictures": [X, X]}, "pictures must be a dictionary with 2 to 12 labels"),
        ({"pictures": {}}, "pictures must be a dictionary with 2 to 12 labels, got 0 labels"),
        ({"pictures": {"a": X}}, "pictures must be a dictionary with 2 to 12 labels, got 1 labels"),
        ({"pictures": {k: X for k in range(13)}}, "pictures must be a dictionary with 2 to 12 labels, got 13 labels"),
        ({"pictures": {"a": X, "": X}}, "pictures must have texts or finite numbers as labels, got ''"),
        ({"pictures": {"a": X, None: X}}, "pictures must have texts or finite numbers as labels, got None"),
        ({"pictures": {"a": X, True: X}}, "pictures must have texts or finite numbers as labels, got True"),
        ({"pictures": {"a": X, math.nan: X}}, "pictures must have texts or finite numbers as labels, got nan"),
        ({"pictures": {1: X, "1": X}}, "pictures must have labels that look different, got 1, 1"),
        ({"pictures": {"a": X, "b": X[:2]}}, "pictures must all be of one shape, got (3, 1, 4, 5) and (2, 1, 4, 5) at"),
        ({"pictures": {"a": X, "b": noise(3, 3)}}, "pictures must all be of one shape, got (3, 1, 4, 5) and (3, 3, 4,"),
        ({"pictures": {"a": X, "b": X[..., :4]}}, "pictures must all be of one shape"),
        ({"pictures": {"a": X, "b": None}}, "pictures['b'] must be floating point (N, 1 or 3, H, W) with N from 1 to"),
        ({"pictures": {"a": X.numpy(), "b": X}}, "pictures['a'] must be floating point (N, 1 or 3, H, W)"),
        ({"pictures": {1: X[0], 2: X[0]}}, "pictures[1] must be floating point (N, 1 or 3, H, W)"),
        ({"pictures": {1: X[:0], 2: X[:0]}}, "pictures[1] must be floating point (N, 1 or 3, H, W)"),
        ({"pictures": {1: noise(3, 2), 2: noise(3, 2)}}, "pictures[1] must be floating point (N, 1 or 3, H, W)"),
        (
            {"pictures": {1: noise(25), 2: noise(25)}},
            "pictures[1] must be floating point (N, 1 or 3, H, W) with N from",
        ),
        ({"pictures": {1: X.long(), 2: X.long()}}, "pictures[1] must be floating point"),
        ({"pictures": {1: X, 2: 255 * X}}, "pictures[2] must have values in [0, 1], got some from "),
        ({"pictures": {1: X, 2: X - 0.1}}, "pictures[2] must have values in [0, 1], got some from "),
        ({"pictures": {1: X, 2: X * torch.nan}}, "pictures[2] must have values in [0, 1], got some from nan"),
        ({"title": None}, "title must be a text, got None"),
        ({"label": 3}, "label must be a text, got 3"),
    ],
)
def test_what_cannot_be_shown_is_refused(make, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make(**{"pictures": {"a": X, "b": X}, **arguments})
