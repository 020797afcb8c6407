"""The latent explorer without a browser: its pure functions, and messages in, state out."""

import base64
import io
import json
import math
import re

import matplotlib.image
import pytest
import torch

from course_utils import widgets
from course_utils.widgets import explorer

CODES = torch.tensor([[0.0, 0.0], [2.0, 1.0], [-1.0, 0.5], [1.0, -1.0]])


def decode(z):
    """Pictures of 2×3 pixels that tell their code: red and green are its two numbers, from -4 to 4, blue is 1."""
    shown = torch.cat([z / 8 + 0.5, torch.ones(len(z), 1).to(z)], 1)
    return shown[:, :, None, None].expand(-1, -1, 2, 3)


def told(image):
    """The code that a picture (3, ...) of `decode` tells."""
    return [8 * (image[k].flatten()[0].item() - 0.5) for k in range(2)]


# ---- decoding --------------------------------------------------------------------------------------------------------


def test_points_become_colour_pictures_in_their_order():
    pictures = widgets.explore(decode, CODES)
    assert pictures.shape == (4, 3, 2, 3) and pictures.dtype == torch.float32
    for image, code in zip(pictures, CODES.tolist(), strict=True):
        assert told(image) == pytest.approx(code)


def test_grey_pictures_are_spread_and_values_beyond_are_clamped():
    pictures = widgets.explore(lambda z: z.sum(1).view(-1, 1, 1, 1).double(), CODES)
    assert torch.equal(pictures, torch.tensor([0.0, 1.0, 0.0, 0.0]).view(4, 1, 1, 1).expand(4, 3, 1, 1))


def test_no_gradient_is_recorded():
    layer = torch.nn.Linear(2, 4)
    seen = []
    widgets.explore(lambda z: seen.append(layer(z)) or seen[0].view(-1, 1, 2, 2), CODES)
    assert not seen[0].requires_grad


@pytest.mark.parametrize(
    "function, points, message",
    [
        (None, CODES, "decode must be a function .* got NoneType"),
        (decode, CODES[0], "points must be finite floating point"),
        (decode, CODES.long(), "points must be finite floating point"),
        (decode, CODES[:0], "points must be finite floating point"),
        (decode, CODES * torch.nan, "points must be finite floating point"),
        (decode, CODES.tolist(), "points must be finite floating point"),
        (lambda z: None, CODES, "decode must return floating-point pictures .* got None"),
        (lambda z: decode(z)[:3], CODES, r"decode must return .*\(4, 1 or 3, H, W\) for 4 codes"),
        (lambda z: decode(z)[:, :2], CODES, "decode must return floating-point"),
        (lambda z: decode(z)[..., :0], CODES, "decode must return floating-point"),
        (lambda z: decode(z)[:, 0], CODES, "decode must return floating-point"),
        (lambda z: decode(z).long(), CODES, "decode must return floating-point"),
        (lambda z: decode(z) * torch.inf, CODES, "decode must return finite pictures"),
    ],
)
def test_what_cannot_be_decoded_is_refused(function, points, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        widgets.explore(function, points)


# ---- the still picture -----------------------------------------------------------------------------------------------


def crosses_and_ring(figure):
    plane = figure.axes[0]
    return [line.get_xydata() for line in plane.lines]


@pytest.mark.parametrize("limit", [None, 3.5])
def test_the_atlas_shows_what_the_crosses_decode_to_each_at_its_place(limit):
    figure = widgets.explorer_picture(decode, CODES, point=(0.25, -0.5), limit=limit)
    figure.savefig(io.BytesIO())
    crosses, ring = crosses_and_ring(figure)
    _, one, atlas = figure.axes
    assert ring.tolist() == [[0.25, -0.5]]
    assert told(torch.tensor(one.images[0].get_array().data).movedim(-1, 0)) == pytest.approx([0.25, -0.5], abs=1e-5)
    picture = torch.tensor(atlas.images[0].get_array().data).movedim(-1, 0)
    assert picture.shape == (3, 5 * 3 - 1, 5 * 4 - 1)  # tiles of 2×3 with lines between them
    columns, rows = sorted({round(x, 9) for x, _ in crosses}), sorted({round(y, 9) for _, y in crosses}, reverse=True)
    assert len(columns) == len(rows) == 5 and len(crosses) == 25
    for i, y in enumerate(rows):  # the highest row of crosses is the uppermost row of tiles
        for j, x in enumerate(columns):
            tile = picture[:, 3 * i : 3 * i + 2, 4 * j : 4 * j + 3]
            assert told(tile) == pytest.approx([x, y], abs=1e-5) and tile.flatten(1).std(1).max() == 0


def test_the_plane_holds_all_codes_in_a_square():
    ax = widgets.explorer_picture(decode, CODES + 10).axes[0]
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert right - left == pytest.approx(high - low) and 3 < right - left < 3.5
    assert (left, low) < (9, 9) and left < 9 and right > 12 and low < 9 and high > 11
    dots = torch.tensor(ax.collections[0].get_offsets().data)
    torch.testing.assert_close(dots, CODES.double() + 10)


def test_without_codes_the_plane_is_the_priors():
    ax = widgets.explorer_picture(decode).axes[0]
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-3, 3, -3, 3) and not ax.collections
    assert widgets.explorer_picture(decode, limit=2).axes[0].get_xlim() == (-2, 2)


def test_all_codes_in_one_place_have_a_plane_too():
    figure = widgets.explorer_picture(decode, torch.ones(5, 2))
    assert figure.axes[0].get_xlim() == (0, 2)


def test_dots_have_the_colours_of_their_labels_and_names_stand_among_them():
    labels = torch.tensor([7, 3, 7, 3])
    ax = widgets.explorer_picture(decode, CODES, labels).axes[0]
    colours = [tuple(colour) for colour in ax.collections[0].get_facecolors().tolist()]
    assert colours[0] == colours[2] != colours[1] == colours[3]
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert set(places) == {"3", "7"}
    assert list(places["7"]) in CODES[[0, 2]].tolist() and list(places["3"]) in CODES[[1, 3]].tolist()


def test_phases_are_coloured_round_the_cycle_and_explained():
    phases = torch.tensor([0.0, 1.0, -3.0, 0.5])
    figure = widgets.explorer_picture(decode, CODES, phases)
    figure.savefig(io.BytesIO())
    colours = figure.axes[0].collections[0].get_facecolors()
    assert (colours[0] == colours[1]).all() and (colours[0] == colours[2]).all() and (colours[0] != colours[3]).any()
    (bar,) = [ax for ax in figure.axes[1].child_axes if ax.get_xlabel() == "phase, in periods"]
    assert [tick.get_text() for tick in bar.get_xticklabels()] == ["0", "½", "1"]


# ---- the widget ------------------------------------------------------------------------------------------------------


def receive(widget, content):
    message = {"method": "custom", "content": content}
    widget._handle_msg({"content": {"data": message}, "buffers": []})


def move(widget, x, y):
    receive(widget, {"do": "decode", "point": [x, y]})


def shown(widget):
    """The picture in the browser, (H, W, 3) in whole numbers from 0 to 255."""
    return torch.frombuffer(bytearray(widget.picture), dtype=torch.uint8).view(*widget.sides, 3)


def test_it_begins_in_the_middle_or_where_it_is_told_to():
    widget = widgets.latent_explorer(decode, CODES)
    assert widget.point == [0.5, 0] and told(widget.image) == pytest.approx([0.5, 0])
    widget = widgets.latent_explorer(decode, CODES, point=torch.tensor([1.0, -0.5]))
    assert widget.point == [1, -0.5] and widget.sides == [2, 3]
    assert torch.equal(shown(widget), (255 * widget.image).round().byte().movedim(0, -1))


def test_a_moved_point_is_decoded_and_answered():
    widget = widgets.latent_explorer(decode, CODES)
    before = widget.picture
    move(widget, -1.5, 1)
    assert (widget.error, widget.answers, widget.point) == ("", 1, [-1.5, 1])
    assert told(widget.image) == pytest.approx([-1.5, 1]) and widget.picture != before
    move(widget, -1.5, 1)
    assert widget.answers == 2  # the browser must hear of it, though nothing else changed


def test_the_decoder_gets_codes_of_the_type_of_the_datas():
    for codes, dtype in [(None, torch.float32), (CODES, torch.float32), (CODES.double(), torch.float64)]:
        seen = []
        widget = widgets.latent_explorer(lambda z, seen=seen: seen.append(z) or decode(z), codes)
        move(widget, 0.1, 0.2)
        widget._repr_mimebundle_()
        assert {z.dtype for z in seen} == {dtype} and [len(z) for z in seen] == [1, 1, 26]


def test_the_decoder_may_change_the_size_of_its_pictures():
    widget = widgets.latent_explorer(lambda z: decode(z)[..., : 2 + int(z[0, 0] > 0)], CODES, point=(0, 0))
    assert widget.sides == [2, 2]
    move(widget, 1, 0)
    assert widget.sides == [2, 3] and shown(widget).shape == (2, 3, 3)


@pytest.mark.parametrize(
    "message",
    [
        {"do": "decode"},
        {"do": "decode", "point": [1.0]},
        {"do": "decode", "point": [1.0, 2.0, 3.0]},
        {"do": "decode", "point": [1.0, None]},
        {"do": "decode", "point": [1.0, "2"]},
        {"do": "decode", "point": [math.inf, 0.0]},
        {"do": "decode", "point": [True, 0.0]},
        {"do": "decode", "point": [10**400, 0.0]},
        {"do": "decode", "point": "ab"},
        {"do": "decode", "point": {"a": 1, "b": 2}},
        {"do": "explode"},
        ["decode"],
        None,
    ],
)
def test_a_bad_message_is_answered_with_its_error_and_does_no_harm(message):
    widget = widgets.latent_explorer(decode, CODES)
    before = widget.picture, widget.point
    receive(widget, message)
    assert re.match(r"ValueError: (point|the message) must be .*, got ", widget.error) and len(widget.error) < 200
    assert (widget.picture, widget.point, widget.answers) == (*before, 1)
    move(widget, 1, 1)
    assert (widget.error, widget.answers, widget.point) == ("", 2, [1, 1])


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_error_of_the_decoder_is_shown(kind):
    def picky(z):
        if z[0, 0] > 1:
            raise kind("no luck")
        return decode(z)

    widget = widgets.latent_explorer(picky, CODES)
    move(widget, 1.5, 0)
    assert (widget.error, widget.answers, widget.point) == (f"{kind.__name__}: no luck", 1, [0.5, 0])


def test_an_answer_is_one_message(monkeypatch):
    widget, sent = widgets.latent_explorer(decode, CODES), []
    monkeypatch.setattr(widget, "_send", lambda message, buffers=None: sent.append((message, buffers)))
    move(widget, 1, 1)
    ((message, buffers),) = sent  # else the browser would show a picture beside the point of another
    assert {"point", "answers"} <= set(message["state"]) and message["buffer_paths"] == [["picture"]]
    assert bytes(buffers[0]) == widget.picture


def test_the_scene_has_a_colour_and_a_name_for_every_dot():
    scene = widgets.latent_explorer(decode, CODES, torch.tensor([7, 3, 7, 0])).scene
    json.dumps(scene)
    assert [dot[:2] for dot in scene["dots"]] == CODES.tolist()
    assert [dot[2] for dot in scene["dots"]] == [2, 1, 2, 0] and len(set(scene["groups"])) == 3
    assert scene["names"] == ["label 7", "label 3", "label 7", "label 0"] and not scene["phases"]
    assert {label["name"]: label["at"] for label in scene["labels"]}["3"] == [2, 1]

    scene = widgets.latent_explorer(decode, CODES, torch.tensor([0.0, 0.99, 0.5, -0.75])).scene
    json.dumps(scene)
    first, last, middle, quarter = [dot[2] for dot in scene["dots"]]
    assert first == last and middle == explorer.BINS / 2 and quarter == explorer.BINS / 4
    assert len(set(scene["groups"])) == explorer.BINS and scene["phases"] and not scene["labels"]
    assert scene["names"] == ["phase 0.00", "phase 0.99", "phase 0.50", "phase 0.25"]

    scene = widgets.latent_explorer(decode, CODES).scene
    assert [dot[2] for dot in scene["dots"]] == [0] * 4 and len(scene["groups"]) == 1 and scene["names"] == [""] * 4


def test_of_many_codes_some_are_drawn_and_the_plane_holds_all():
    codes = torch.stack([torch.arange(5000.0), torch.zeros(5000)], 1)
    codes[1, 1] = 9000.0
    scene = widgets.latent_explorer(decode, codes, torch.arange(5000) % 3).scene
    assert len(scene["dots"]) == len(scene["names"]) == explorer.MOST_DOTS
    assert scene["centre"][1] + scene["half"] > 9000
    for (x, _, group), name in zip(scene["dots"], scene["names"], strict=True):
        assert group == x % 3 == int(name.removeprefix("label "))


def test_a_cell_holds_the_widget_and_the_picture_of_its_state():
    widget = widgets.latent_explorer(decode, CODES)
    bundle, _ = widget._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert bundle["text/plain"] == "LatentExplorer(2×3 pixels, 4 codes)"  # constant: stored outputs are compared
    assert repr(widgets.latent_explorer(decode)) == "LatentExplorer(2×3 pixels, no codes)"
    image = matplotlib.image.imread(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.shape[0] > 300 and image.shape[1] > 800 and image.std() > 0.1
    move(widget, 1, 0)
    assert widget._repr_mimebundle_()[0]["image/png"] != bundle["image/png"]


def test_a_full_plane_is_still_a_small_picture():
    generator = torch.Generator().manual_seed(0)
    codes, labels = torch.randn(3000, 2, generator=generator), torch.randint(10, (3000,), generator=generator)
    weights = torch.randn(2, 64, generator=generator)
    widget = widgets.latent_explorer(lambda z: (z @ weights).sigmoid().view(-1, 1, 8, 8), codes, labels)
    assert len(base64.b64decode(widget._repr_mimebundle_()[0]["image/png"])) < 100_000


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [widgets.latent_explorer, widgets.explorer_picture])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"decode": 3}, "decode must be a function"),
        ({"decode": lambda z: z}, "decode must return floating-point pictures"),
        ({"codes": CODES[:, :1]}, r"codes must be finite floating point \(N, 2\)"),
        ({"codes": torch.zeros(4, 3)}, "codes must be finite floating point"),
        ({"codes": CODES.long()}, "codes must be finite floating point"),
        ({"codes": CODES[:0]}, "codes must be finite floating point"),
        ({"codes": CODES / 0}, "codes must be finite floating point"),
        ({"codes": CODES.tolist()}, "codes must be finite floating point"),
        ({"codes": None, "colours": torch.zeros(4)}, "colours must be None where there are no codes"),
        ({"colours": torch.zeros(3)}, r"colours must be int64 labels or .* of shape \(4,\)"),
        ({"colours": torch.zeros(4, 1)}, "colours must be int64 labels"),
        ({"colours": torch.zeros(4, dtype=torch.bool)}, "colours must be int64 labels"),
        ({"colours": [0, 1, 2, 3]}, "colours must be int64 labels"),
        ({"colours": torch.full((4,), torch.nan)}, "colours must be finite phases"),
        ({"codes": torch.rand(11, 2), "colours": torch.arange(11)}, "colours must be at most 10 kinds .* got 11"),
        ({"point": (0, 9)}, r"point must lie on the plane \[.*\] × \[.*\], got \(0.0, 9.0\)"),
        ({"point": 1.0}, "point must be two finite numbers"),
        ({"point": (0, math.nan)}, "point must be two finite numbers"),
        ({"limit": 0}, "limit must be a finite number above 0"),
        ({"limit": "3"}, "limit must be a finite number above 0"),
    ],
)
def test_bad_input_is_refused_at_the_door(make, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make(**{"decode": decode, "codes": CODES, **arguments})
