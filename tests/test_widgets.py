"""The painter without a browser: its pure functions, and messages in, state out. See also test_widgets_browser.py."""

import base64
import io
import itertools
import re

import matplotlib.image
import pytest
import torch
from matplotlib.collections import PolyCollection

from course_utils import data, widgets
from course_utils.distributions import (
    Categorical,
    bernoulli,
    categorical,
    discretized_logistic_mixture,
    gaussian,
    palette,
)
from course_utils.models import MADE, AutoregressiveModel, PixelCNN

COLOURS = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.2, 0.4, 1.0]])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(shape, distribution, seed=0):
    """A model with random weights, far from the uniform distribution."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MADE(shape, (20,), distribution)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def values(family):
    if family.tokens:
        return torch.arange(family.levels)
    return torch.arange(family.levels) / (family.levels - 1)


def every_picture(model):
    shape = model.shape[1:] if model.pixels.tokens else model.shape
    pixels = itertools.product(values(model.pixels).tolist(), repeat=torch.Size(shape).numel())
    dtype = torch.int64 if model.pixels.tokens else torch.float32
    return torch.tensor(list(pixels), dtype=dtype).view(-1, *shape)


def mask(*rows):
    return torch.tensor([[letter == "x" for letter in row] for row in rows])


# ---- colours ---------------------------------------------------------------------------------------------------------


def test_grey_colour_and_tokens_become_colours():
    grey = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3)
    assert torch.equal(widgets.to_rgb(grey), torch.tensor([0.0, 0.5, 1.0]).expand(1, 3, 1, 3))
    colour = torch.rand(2, 3, 4, 5, generator=seeded())
    assert torch.equal(widgets.to_rgb(colour), colour)
    tokens = torch.tensor([[[2, 0]]])
    assert widgets.to_rgb(tokens, COLOURS)[0, :, 0].T.tolist() == COLOURS[[2, 0]].tolist()
    assert widgets.to_rgb(torch.tensor([[[[-3.0, 7.0]]]], dtype=torch.float64)).flatten().tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    "x, colours, message",
    [
        (torch.zeros(1, 2, 4, 4), None, "x must be floating point"),
        (torch.zeros(4, 4), None, "x must be floating point"),
        ([[0.0]], None, "x must be floating point"),
        (torch.zeros(1, 4, 4, dtype=torch.int64), None, "palette must be floating point"),
        (torch.full((1, 4, 4), 3), COLOURS, "tokens must be in 0 … 2"),
        (torch.zeros(1, 4, 4, dtype=torch.int64), COLOURS * 255, "palette must be floating point"),
        (torch.zeros(1, 4, 4, dtype=torch.int64), COLOURS[:, :2], "palette must be floating point"),
    ],
)
def test_what_has_no_colours_is_refused(x, colours, message):
    with pytest.raises(ValueError, match=message):
        widgets.to_rgb(x, colours)


# ---- completing ------------------------------------------------------------------------------------------------------

TINY = {
    "bernoulli": made((1, 2, 3), bernoulli()),
    "three greys": made((1, 2, 2), categorical(3)),
    "tokens": made((1, 2, 2), palette(3)),
    "colours": made((3, 1, 2), bernoulli()),
}
tiny = pytest.mark.parametrize("model", TINY.values(), ids=TINY.keys())


def log_total(model, pictures, agree_with, where):
    """log of the summed probability of all pictures that agree with one in some places: by enumeration."""
    agrees = ((pictures == agree_with) | ~where).flatten(1).all(1)
    return model.log_prob(pictures)[agrees].double().logsumexp(0)


@tiny
def test_nats_of_a_lower_half_are_minus_log_p_of_it_given_the_upper_half(model):
    height, width = model.shape[1:]
    known = torch.zeros(height, width, dtype=torch.bool)
    known.view(-1)[: height * width // 2] = True  # the first pixels in the order of the model
    every = every_picture(model)
    x = every[len(every) // 3]
    pictures, nats = widgets.finish(model, x, known, 5, seeded())
    assert torch.equal(pictures == x, (pictures == x) | known)  # given pixels keep their values
    given = log_total(model, every, x, known.expand(x.shape))
    torch.testing.assert_close(nats.double(), given - model.log_prob(pictures).double(), atol=1e-5, rtol=0)


@tiny
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nats_of_any_unknown_pixels_are_the_sum_of_their_conditionals(model, seed):
    known = torch.rand(model.shape[1:], generator=seeded(seed)) < 0.5
    every = every_picture(model)
    pictures, nats = widgets.finish(model, every[-1], known, 3, seeded(seed))
    for image, cost in zip(pictures, nats, strict=True):
        expected, before = 0.0, torch.zeros_like(image, dtype=torch.bool)
        for c, h, w in model.order():
            place = (h, w) if model.pixels.tokens else (c, h, w)
            so_far = log_total(model, every, image, before)
            before[place] = True
            if not known[h, w]:
                expected += (so_far - log_total(model, every, image, before)).item()  # - log p(x_i | x_<i)
        assert cost.item() == pytest.approx(expected, abs=1e-4)


def test_completions_follow_the_conditional_distribution():
    model = TINY["tokens"]
    x, known = torch.tensor([[2, 1], [0, 0]]), mask("xx", "..")
    pictures, nats = widgets.finish(model, x, known, 4000, seeded())
    for last in itertools.product(range(3), repeat=2):
        same = (pictures[:, 1] == torch.tensor(last)).all(1)
        if same.any():
            p = (-nats[same][0]).exp().item()
            assert same.float().mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / 4000) ** 0.5 + 1e-9)


def test_finish_depends_on_its_generator_alone_and_leaves_the_model_as_it_was():
    model = PixelCNN((1, 4, 4), 8, 1, distribution=categorical(5))
    x, known = torch.zeros(1, 4, 4), torch.zeros(4, 4, dtype=torch.bool)
    first, cost = widgets.finish(model, x, known, 4, seeded(3))
    torch.manual_seed(99)
    assert torch.equal(first, widgets.finish(model, x, known, 4, seeded(3))[0])
    assert not torch.equal(first, widgets.finish(model, x, known, 4, seeded(4))[0])
    assert len({tuple(image.flatten().tolist()) for image in first}) == 4
    assert all(module.training for module in model.modules()) and not cost.requires_grad


def test_a_view_of_a_picture_is_as_good_as_the_picture():
    model, known = TINY["colours"], mask("x.")
    x = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]]).movedim(-1, 0)  # (3, 1, 2), as painted colours lie in memory
    assert not x.is_contiguous()
    for seen, expected in zip(
        widgets.finish(model, x, known, 3, seeded()),
        widgets.finish(model, x.contiguous(), known, 3, seeded()),
        strict=True,
    ):
        assert torch.equal(seen, expected)


class Certain(AutoregressiveModel):
    """Black is certain: a white pixel has probability 0."""

    def conditionals(self, x):
        logits = torch.tensor([0.0, -torch.inf]).expand(*x.shape, 2)
        return Categorical(logits)


def test_an_impossible_given_pixel_costs_nothing_for_it_was_not_drawn():
    model = Certain((1, 2, 2), categorical(2))
    _, nats = widgets.finish(model, torch.ones(1, 2, 2), mask("x.", ".."), 2, seeded())
    assert nats.tolist() == [0, 0]


def test_what_stands_at_unknown_pixels_is_not_looked_at():
    model, known = TINY["three greys"], mask("x.", "..")
    x = torch.tensor([[[1.0, torch.nan], [-5.0, 0.123]]])
    assert torch.equal(
        widgets.finish(model, x, known, 2, seeded())[0], widgets.finish(model, x.nan_to_num(0), known, 2, seeded())[0]
    )
    with pytest.raises(ValueError, match="x must hold"):
        widgets.finish(model, x, ~known, 2)


# ---- the still picture -----------------------------------------------------------------------------------------------


def hatched(figure):
    """Row and column of every hatched square."""
    collections = [c for ax in figure.axes for c in ax.collections if isinstance(c, PolyCollection)]
    assert [bool(c.get_hatch()) for c in collections] == [True]
    return {tuple(path.vertices[:4].mean(0)[::-1]) for path in collections[0].get_paths()}


@pytest.mark.parametrize("n", [1, 3, 5, 6, 30])
def test_the_still_picture_shows_given_unknown_and_drawn_pixels(n):
    model, x, known = TINY["tokens"], torch.tensor([[0, 1], [2, 0]]), mask("xx", ".x")
    pictures, nats = widgets.finish(model, x, known, n, seeded())
    figure = widgets.picture(x, known, pictures, nats, COLOURS)
    figure.savefig(io.BytesIO())
    assert hatched(figure) == {(1, 0)}
    given, *completed = [ax for ax in figure.axes if ax.axison]
    assert torch.as_tensor(given.images[0].get_array().data).tolist() == COLOURS[x].tolist()
    assert len(completed) == n
    for ax, image, cost in zip(completed, pictures, nats, strict=True):
        assert torch.as_tensor(ax.images[0].get_array().data).tolist() == COLOURS[image].tolist()
        assert ax.get_xlabel() == f"{cost:.1f} nats"


def test_what_cannot_be_drawn_is_refused():
    x, known = torch.zeros(1, 2, 2), mask("xx", "..")
    for bad in [
        (None, known, x[None], torch.zeros(1)),
        (x, known.float(), x[None], torch.zeros(1)),
        (x, known[:1], x[None], torch.zeros(1)),
        (x, known, x[None][:0], torch.zeros(0)),
        (x, known, torch.zeros(1, 1, 3, 2), torch.zeros(1)),
        (x, known, x[None], torch.zeros(2)),
    ]:
        with pytest.raises(ValueError, match="^(x|known|pictures and nats) must be"):
            widgets.picture(*bad)


# ---- the widget ------------------------------------------------------------------------------------------------------


def press(widget, pixels=None, **message):
    """What the browser sends at a press of "Finish"."""
    message = message or {"do": "finish", "pixels": widget.codes if pixels is None else pixels}
    receive(widget, method="custom", content=message)


def receive(widget, **content):
    widget._handle_msg({"content": {"data": content}, "buffers": []})


def shown(widget):
    """The pictures in the browser, (n, H, W, 3) in whole numbers from 0 to 255."""
    rgb = torch.frombuffer(bytearray(widget.completions), dtype=torch.uint8)
    return rgb.view(-1, widget.scene["height"], widget.scene["width"], 3)


def grey_painter(**more):
    return widgets.painter(made((1, 4, 3), categorical(3)), torch.ones(1, 4, 3), **more)


def test_it_begins_with_the_upper_half_given_and_completed():
    widget = grey_painter(n=4)
    assert widget.known.tolist() == [[True] * 3] * 2 + [[False] * 3] * 2
    assert torch.equal(widget.x, torch.ones(1, 4, 3))
    assert widget.scene["start"] == ["#ffffff"] * 12 and (widget.scene["height"], widget.scene["width"]) == (4, 3)
    assert shown(widget).shape == (4, 4, 3, 3) and (shown(widget)[:, :2] == 255).all()
    assert widget.captions == [f"{cost:.1f} nats" for cost in widget.nats]
    expected, nats = widgets.finish(widget._model, widget.x, widget.known, 4, seeded())
    assert torch.equal(widget.pictures, expected) and torch.equal(widget.nats, nats)


def test_what_is_shown_is_what_was_drawn():
    colours = torch.rand(3, 3, generator=seeded())
    widget = widgets.painter(made((1, 4, 3), palette(3)), torch.zeros(4, 3, dtype=torch.int64), palette=colours)
    assert torch.equal(shown(widget), (255 * colours[widget.pictures]).round().to(torch.uint8))
    assert len(widget.pictures.unique()) == 3


def test_another_press_gives_others_and_the_seed_decides_them_all():
    widget, twin, other = grey_painter(), grey_painter(), grey_painter(seed=1)
    drawn = [widget.completions]
    for _ in range(2):
        press(widget)
        press(twin)
        drawn.append(widget.completions)
    assert len(set(drawn)) == 3
    assert drawn[2] == twin.completions
    assert other.completions != drawn[0]
    assert widget.answers == 2


def test_painted_and_erased_pixels_reach_the_model():
    widget = grey_painter()
    pixels = [1, 2, 3, 0] + [-1] * 8  # black, grey, white, the first picture's own
    receive(widget, method="update", state={"codes": pixels})
    assert widget.known.flatten().tolist() == [True] * 4 + [False] * 8
    assert widget.x.flatten()[:4].tolist() == [0, 0.5, 1, 1]
    press(widget, pixels)
    assert widget.pictures.flatten(1)[:, :4].tolist() == [[0, 0.5, 1, 1]] * 6
    assert len(widget.pictures.flatten(1)[:, 4:].unique(dim=0)) > 1
    # The message counts, for a change of the trait may still be under way.
    press(widget, [3] * 12)
    assert widget.pictures.flatten().tolist() == [1] * 72 and widget.captions == ["0.0 nats"] * 6


@pytest.mark.parametrize(
    "family, colours, count",
    [
        (bernoulli(), None, 2),
        (categorical(17), None, 17),
        (discretized_logistic_mixture(256), None, 17),
        (gaussian(), None, 17),
        (palette(3), COLOURS, 3),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_swatch_paints_a_value_of_the_model_in_its_own_colour(family, colours, count):
    model = made((1, 2, 3), family)
    start = torch.zeros(2, 3, dtype=torch.int64) if family.tokens else torch.zeros(1, 2, 3)
    widget = widgets.painter(model, start, palette=colours, n=1)
    assert len(widget.scene["swatches"]) == count
    seen = set()
    for k, swatch in enumerate(widget.scene["swatches"], 1):
        press(widget, [k] * 6)
        assert widget.error == ""
        (colour,) = {"#" + bytes(pixel.tolist()).hex() for pixel in shown(widget).view(-1, 3)}
        assert colour == swatch["colour"] and swatch["name"]
        seen.add(colour)
    assert len(seen) == count
    if colours is None:
        assert {"#000000", "#ffffff"} <= seen


def test_colour_pictures_are_painted_with_a_palette_of_the_models_colours():
    creatures = data.creatures(10)
    model, start = PixelCNN(creatures.shape, 6, 1, categorical(16)), creatures.train[0]
    widget = widgets.painter(model, start, palette=creatures.palette, n=2)
    press(widget, [k % 16 + 1 for k in range(256)])
    expected = creatures.palette[torch.arange(256) % 16].T.view(3, 16, 16)
    assert widget.error == "" and torch.equal(widget.pictures, expected.expand(2, -1, -1, -1))
    with pytest.raises(ValueError, match="palette must hold colours of the model"):
        widgets.painter(model, start, palette=creatures.palette * 0.9)
    with pytest.raises(ValueError, match="palette must be floating point"):
        widgets.painter(model, start)


GOOD = [-1] * 12


@pytest.mark.parametrize(
    "message",
    [
        {"do": "finish"},
        {"do": "finish", "pixels": "all"},
        {"do": "finish", "pixels": GOOD[1:]},
        {"do": "finish", "pixels": [*GOOD[1:], 4]},  # three swatches
        {"do": "finish", "pixels": [*GOOD[1:], -2]},
        {"do": "finish", "pixels": [*GOOD[1:], 1.0]},
        {"do": "finish", "pixels": [*GOOD[1:], True]},
        {"do": "finish", "pixels": [*GOOD[1:], None]},
        {"do": "finish", "pixels": [10**30] * 12},
        {"do": "finish", "pixels": {"0": 1}},
        {"do": "explode"},
        ["finish"],
        "finish",
        None,
    ],
)
def test_a_bad_message_is_answered_with_its_error_and_does_no_harm(message):
    widget, twin = grey_painter(), grey_painter()
    before = widget.completions, widget.captions
    receive(widget, method="custom", content=message)
    assert re.match(r"ValueError: (pixels|the message) must be .*, got ", widget.error) and len(widget.error) < 200
    assert (widget.completions, widget.captions) == before and widget.answers == 1
    press(widget, GOOD)
    press(twin, GOOD)
    assert widget.error == "" and widget.completions == twin.completions and widget.answers == 2


def test_a_bad_state_from_the_browser_is_harmless_until_used():
    widget = grey_painter()
    receive(widget, method="update", state={"codes": {"evil": [1]}})
    with pytest.raises(ValueError, match="pixels must be a list of 12 whole numbers from -1 to 3"):
        _ = widget.x
    receive(widget, method="update", state={"scene": {}, "captions": [], "answers": 40})
    press(widget, GOOD)
    assert widget.error == "" and widget.answers == 41 and len(widget.captions) == 6


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_error_of_the_model_is_shown(kind, monkeypatch):
    widget = grey_painter()

    def complete(*_, **__):
        raise kind("no luck")

    monkeypatch.setattr(widget._model, "complete", complete)
    press(widget)
    assert widget.error == f"{kind.__name__}: no luck" and widget.answers == 1


def test_an_answer_is_one_message(monkeypatch):
    widget, sent = grey_painter(), []
    monkeypatch.setattr(widget, "_send", lambda message, buffers=None: sent.append((message, buffers)))
    press(widget, GOOD)
    ((message, buffers),) = sent  # else the browser would show pictures beside the captions of others
    assert {"captions", "answers"} <= set(message["state"]) and message["buffer_paths"] == [["completions"]]
    assert bytes(buffers[0]) == widget.completions


def test_a_cell_holds_the_widget_and_the_picture_of_its_state():
    widget = grey_painter()
    bundle, _ = widget._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert bundle["text/plain"] == "Painter(4×3 pixels, 6 completions)"  # constant: stored outputs are compared
    picture = matplotlib.image.imread(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.shape[0] > 200 and picture.shape[1] > 400 and picture.std() > 0.1
    assert grey_painter()._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]
    receive(widget, method="update", state={"codes": [1] * 12})
    assert widget._repr_mimebundle_()[0]["image/png"] != bundle["image/png"]


EVERY = [getattr(widgets, name) for name in widgets.__all__ if hasattr(getattr(widgets, name), "_esm")]


@pytest.mark.parametrize("widget", EVERY)
def test_the_browser_needs_nothing_but_what_it_is_given(widget):
    script = widget._esm.replace("http://www.w3.org/2000/svg", "")  # the name of SVG's elements, not an address
    assert len(EVERY) == 6 and "export default { render }" in script and ".course-" in widget._css
    text = script + widget._css
    assert not re.search(r"https?:|//[a-z]|\b(import|fetch|require|eval|Function|innerHTML)\b|@import|url\(", text)


@pytest.mark.parametrize("widget", EVERY)
def test_a_script_and_a_style_are_the_common_one_and_the_widgets_own(widget):
    script, style = widget._esm, widget._css
    assert script.index("function make(") < script.index("function render(")
    assert script.count("export default") == 1
    names = re.findall(r"^(?:const|let|class|function) (\w+)", script, re.MULTILINE)
    assert len(names) == len(set(names)) > 10  # a name that is declared twice would be the end of the script
    declared, used = (set(re.findall(pattern, style)) for pattern in (r"(--\w+-\w+):", r"var\((--course-\w+)"))
    assert used and used <= declared


# ---- bad input -------------------------------------------------------------------------------------------------------

GREY, TOKENS = made((1, 4, 3), categorical(3)), made((1, 4, 3), palette(3))
START, START_TOKENS = torch.ones(1, 4, 3), torch.ones(4, 3, dtype=torch.int64)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"model": torch.nn.Linear(1, 1)}, "model must be an autoregressive model .* got Linear"),
        ({"model": made((2, 4, 3), bernoulli())}, "model must be .* 1 or 3 channels"),
        ({"start": START[0]}, "start must be one picture"),
        ({"start": START[None]}, "start must be one picture"),
        ({"start": START_TOKENS}, "start must be one picture"),
        ({"start": START.long()}, "start must be one picture"),
        ({"start": START.tolist()}, "start must be one picture"),
        ({"start": START * 0.9}, "start must be a picture of the model, but x must hold"),
        ({"start": START.double()}, "start must be a picture of the model, but x must be torch.float32"),
        ({"model": TOKENS, "palette": COLOURS}, "start must be one picture"),
        ({"model": TOKENS, "start": START_TOKENS * 3, "palette": COLOURS}, "start must be .* tokens 0 ... 2"),
        ({"model": TOKENS, "start": START_TOKENS}, "palette must be floating point"),
        ({"model": TOKENS, "start": START_TOKENS, "palette": COLOURS[:2]}, "palette must have 3 colours"),
        ({"model": TOKENS, "start": START_TOKENS, "palette": COLOURS.long()}, "palette must be floating point"),
        ({"palette": COLOURS}, "palette must be None for grey pictures"),
        ({"known": torch.ones(1, 4, 3, dtype=torch.bool)}, "known must be a bool tensor of shape"),
        ({"known": torch.ones(4, 3)}, "known must be a bool tensor of shape"),
        ({"known": torch.ones(3, 4, dtype=torch.bool)}, "known must be a bool tensor of shape"),
        ({"n": 0}, "n must be a whole number of at least 1"),
        ({"n": 2.0}, "n must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_bad_input_is_refused_at_the_door(arguments, message):
    with pytest.raises(ValueError, match=message):
        widgets.painter(**{"model": GREY, "start": START, **arguments})


@pytest.mark.parametrize("change", [{"model": None}, {"x": START[0]}, {"known": START}, {"n": 0}])
def test_finish_refuses_bad_input_too(change):
    good = {"model": GREY, "x": START, "known": torch.ones(4, 3, dtype=torch.bool), "n": 1}
    with pytest.raises(ValueError, match=f"^{next(iter(change))} must be"):
        widgets.finish(**{**good, **change})
