"""Diagrams of boxes and arrows: which box is joined to which, and in which direction."""

import math

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon

from course_utils import plots

GREEN, VIOLET, GREY = plots.COLOURS["gan"], "#5B5BD6", plots.COLOURS["baseline"]


def boxes(ax):
    """From what is written in the middle of each box, circle or funnel to its patch."""
    found = {}
    for patch in ax.patches:
        if isinstance(patch, FancyBboxPatch | Circle | Polygon):
            x0, y0, x1, y1 = patch.get_path().get_extents(patch.get_patch_transform()).extents
            middle = (x0 + x1) / 2, (y0 + y1) / 2
            (text,) = [t for t in ax.texts if math.dist(t.get_position(), middle) < 1e-6]
            found[text.get_text()] = patch
    return found


def ends(arrow):
    """Where an arrow begins and ends, in inches; its path is a curve with one point between, then the head."""
    start, _, end = arrow.get_path().vertices[:3]
    return start, end


def arrows(figure):
    """The arrows as (from, to, colour): the boxes nearest to their ends."""
    (ax,) = figure.axes
    figure.draw_without_rendering()
    inches = ax.transData.inverted()
    places = {name: patch.get_window_extent().transformed(inches) for name, patch in boxes(ax).items()}

    def nearest(point):
        def gap(name):
            box = places[name]
            return max(box.x0 - point[0], point[0] - box.x1, box.y0 - point[1], point[1] - box.y1)

        name = min(places, key=gap)
        assert gap(name) < 0.1, f"an arrow ends at {point}, where there is no box"
        return name

    found = [arrow for arrow in ax.patches if isinstance(arrow, FancyArrowPatch)]
    return [(*map(nearest, ends(arrow)), to_hex(arrow.get_edgecolor()).upper()) for arrow in found]


def edges(figure):
    return {(start, end) for start, end, _ in arrows(figure)}


def drawn(notebook, draw, *arguments):
    draw(*arguments)
    return notebook[-1]


def test_a_gated_unit_multiplies_what_by_how_much(notebook):
    (figure, alt) = drawn(notebook, plots.gated_unit, "title")
    f, g, times = "$W_f * x$", "$W_g * x$", "⊙"
    into = {("$x$", f), ("$x$", g), (f, "tanh"), (g, "σ")}
    assert edges(figure) == into | {("tanh", times), ("σ", times), (times, "$y$")}
    assert "tanh" in alt and "sigmoid" in alt


def test_in_a_gated_layer_the_vertical_stack_tells_the_horizontal_one_and_hears_nothing(notebook):
    (figure, alt) = drawn(notebook, plots.gated_layer, "title")
    (ax,) = figure.axes
    words = sorted(text.get_text() for text in ax.texts)
    assert words == sorted(["vertical", "horizontal"] * 2 + ["rows above", "left of it"] + ["gate", "1 × 1", "+"] * 2)
    found = [ends(arrow) for arrow in ax.patches if isinstance(arrow, FancyArrowPatch)]
    middle = (max(y for (_, y), _ in found) + min(y for _, (_, y) in found)) / 2
    assert sum(start[1] > middle + 1e-6 and end[1] <= middle + 0.5 for start, end in found) >= 1  # downwards
    assert not [1 for start, end in found if start[1] < middle - 0.5 < middle + 0.5 < end[1]]  # never upwards
    assert len(found) == 12 and "added to the horizontal stack" in alt


def test_the_lstm_step_joins_gates_and_states_as_its_equations_do(notebook):
    (figure, _) = drawn(notebook, plots.lstm_step, "title")
    convs = "input-to-state\n$K_{is} * x_r$, masked", "state-to-state\n$K_{ss} * h_{r-1}$"
    gates = o, f, i, g = "$o$: σ", "$f$: σ", "$i$: σ", "$g$: tanh"
    cell, out = "$f\\, c_{r-1} + i\\, g$", "$o\\, \\tanh(c_r)$"
    into = {("$x_r$", convs[0]), ("$h_{r-1}$", convs[1]), (convs[0], "+"), (convs[1], "+")}
    through = {("+", gate) for gate in gates} | {(f, cell), (i, cell), (g, cell), (o, out), ("$c_{r-1}$", cell)}
    assert edges(figure) == into | through | {(cell, out), (cell, "$c_r$"), (out, "$h_r$")}


def test_noise_enters_nowhere_at_the_input_or_at_the_code(notebook):
    noise, code, z = "noise $\\varepsilon$", "code $z$", "$z = \\mu + \\sigma \\varepsilon$"
    tail = {("decoder", "$\\hat{x}$")}
    (figure, _) = drawn(notebook, plots.encoder_decoder, None)
    assert edges(figure) == tail | {("$x$", "encoder"), ("encoder", code), (code, "decoder")}
    (figure, alt) = drawn(notebook, plots.encoder_decoder, "input")
    into = {("$x$", "+"), (noise, "+"), ("+", "encoder")}
    assert edges(figure) == tail | into | {("encoder", code), (code, "decoder")}
    assert "compared with the clean x" in alt
    (figure, alt) = drawn(notebook, plots.encoder_decoder, "code")
    both = "$\\mu$\n$\\sigma$"
    into = {("$x$", "encoder"), ("encoder", both), (both, z), (noise, z)}
    assert edges(figure) == tail | into | {(z, "decoder")} and "KL" in alt


def test_noise_is_added_before_the_encoder_in_one_row_and_behind_it_in_the_other(notebook):
    plots.two_noises("title")
    ((figure, alt),) = notebook
    (ax,) = figure.axes
    middles = [(text.get_position(), text.get_text()) for text in ax.texts]
    upper, lower = ([word for (_, y), word in sorted(middles) if abs(y - height) < 1e-6] for height in (3.0, 0.85))
    assert upper == ["$x$", "+", "encoder", "code $z$", "decoder", "$\\hat{x}$"]
    assert lower == ["$x$", "encoder", "code $z$", "+", "decoder", "$\\hat{x}$"]
    found = [ends(arrow) for arrow in ax.patches if isinstance(arrow, FancyArrowPatch)]
    assert len(found) == 12 and sum(abs(a[0] - b[0]) < 1e-6 and a[1] > b[1] for a, b in found) == 2
    assert all(a[0] < b[0] for a, b in found if abs(a[1] - b[1]) < 1e-6)
    assert "before the encoder" in alt and "added to the code" in alt


def test_a_funnel_narrows_towards_the_code(notebook):
    (figure, _) = drawn(notebook, plots.encoder_decoder)
    for name, side in (("encoder", 1), ("decoder", -1)):
        corners = torch.as_tensor(boxes(figure.axes[0])[name].get_xy())
        left, right = corners[corners[:, 0].argsort()].chunk(2)
        heights = [part[:, 1].max() - part[:, 1].min() for part in (left, right)]
        assert (heights[0] - heights[1]) * side > 0


def test_the_discriminators_gradient_stops_before_the_generator(notebook):
    (figure, alt) = drawn(notebook, plots.gan_step, "discriminator", "title")
    found = arrows(figure)
    forward = {("$z$", "G"), ("G", "$G(z)$"), ("$G(z)$", "D"), ("$x$", "D"), ("D", "loss of D")}
    assert {(a, b) for a, b, colour in found if colour != VIOLET} == forward
    assert [(a, b) for a, b, colour in found if colour == VIOLET] == [("loss of D", "D")]
    assert_states(figure.axes[0], updated="D", still="G", colour=VIOLET)
    assert "detach" in [text.get_text() for text in figure.axes[0].texts] and "stops before G" in alt


def test_the_generators_gradient_goes_through_the_discriminator(notebook):
    (figure, alt) = drawn(notebook, plots.gan_step, "generator", "title")
    found = arrows(figure)
    back = {("loss of G", "D"), ("D", "$G(z)$"), ("$G(z)$", "G")}
    assert {(a, b) for a, b, colour in found if colour == GREEN} == back
    assert_states(figure.axes[0], updated="G", still="D", colour=GREEN)
    (pale,) = [colour for a, b, colour in found if a == "$x$"]
    assert pale == "#C4C4C4" and "x plays no part" in alt
    assert "detach" not in [text.get_text() for text in figure.axes[0].texts]


def assert_states(ax, updated, still, colour):
    found = boxes(ax)
    assert to_hex(found[updated].get_edgecolor()).upper() == colour
    assert to_hex(found[still].get_edgecolor()).upper() == GREY
    for word, name in (("updated", updated), ("not updated", still)):
        (text,) = [t for t in ax.texts if t.get_text() == word]
        patch = found[name]
        assert text.get_position()[0] == pytest.approx(patch.get_x() + patch.get_width() / 2)
        assert text.get_position()[1] < patch.get_y()


def test_each_family_has_a_row_in_its_colour_from_what_goes_in_to_how_it_samples(notebook):
    (figure, alt) = drawn(notebook, plots.families, "title")
    (ax,) = figure.axes
    for name, key in (("Autoregressive", "autoregressive"), ("VAE", "vae"), ("GAN", "gan")):
        (label,) = [t for t in ax.texts if t.get_text() == name]
        row = [
            p
            for p in ax.patches
            if isinstance(p, FancyBboxPatch) and p.get_y() < label.get_position()[1] < p.get_y() + p.get_height()
        ]
        assert len(row) == 3 and {to_hex(p.get_edgecolor()).upper() for p in row} == {plots.COLOURS[key]}
        assert f"{name}: " in alt
    joins = [a for a in ax.patches if isinstance(a, FancyArrowPatch)]
    assert len(joins) == 6


@pytest.mark.parametrize(
    "draw",
    [
        plots.gated_unit,
        plots.lstm_step,
        plots.attention_step,
        plots.families,
        plots.encoder_decoder,
        lambda: plots.encoder_decoder("input"),
        lambda: plots.encoder_decoder("code"),
        plots.gan_step,
        lambda: plots.gan_step("generator"),
    ],
)
def test_no_arrow_runs_through_words_and_no_words_leave_their_box(notebook, draw):
    draw()
    figure = notebook[0][0]
    figure.draw_without_rendering()
    (ax,) = figure.axes
    for arrow in ax.patches:
        if isinstance(arrow, FancyArrowPatch):
            start, end = torch.as_tensor(ax.transData.transform(ends(arrow)))
            points = torch.lerp(start, end, torch.linspace(0, 1, 200, dtype=start.dtype)[:, None])
            for text in ax.texts:
                box = text.get_window_extent()
                assert not any(box.contains(*point) for point in points.tolist()), text.get_text()
    for name, patch in boxes(ax).items() if draw is not plots.families else ():
        (text,) = [t for t in ax.texts if t.get_text() == name]
        inner, outer = text.get_window_extent(), patch.get_window_extent()
        assert outer.x0 < inner.x0 and inner.x1 < outer.x1 and outer.y0 < inner.y0 and inner.y1 < outer.y1, name


def test_players_and_noise_go_by_their_names():
    with pytest.raises(ValueError, match='player must be "discriminator" or "generator", got \'critic\''):
        plots.gan_step("critic")
    with pytest.raises(ValueError, match='noise must be None, "input" or "code", got \'output\''):
        plots.encoder_decoder("output")


# ---- MADE's connections ----------------------------------------------------------------------------------------------


def connections(figure):
    """The lines as (from, to), named by the circles at their ends, and whether a line is coloured."""
    (ax,) = figure.axes
    circles = {(round(c.center[0], 6), round(c.center[1], 6)): c for c in ax.patches if isinstance(c, Circle)}
    columns = sorted({x for x, _ in circles})
    found = {}
    for line in ax.lines:
        places = []
        for point in line.get_xydata():
            x, y = (round(float(value), 6) for value in point)
            inside = sorted((other for column, other in circles if column == x), reverse=True)
            places.append((columns.index(x), inside.index(y) + 1))
        found[tuple(places)] = to_hex(line.get_color()).upper() == plots.COLOURS["autoregressive"].upper()
    return found


def test_masked_network_draws_the_allowed_connections_and_colours_the_paths_to_one_prediction(notebook):
    degrees = [1, 3, 2]
    figure, alt = drawn(notebook, plots.masked_network, degrees, 4, 3, "A title")
    assert alt.endswith("Paths lead to prediction 3 from pixels 1, 2.")
    found = connections(figure)
    into = {((0, j), (1, k)) for k, m in enumerate(degrees, 1) for j in range(1, m + 1)}
    out = {((1, k), (2, i)) for k, m in enumerate(degrees, 1) for i in range(m + 1, 5)}
    assert set(found) == into | out
    used = {(1, 1), (1, 3)}  # the units of degrees 1 and 2
    coloured = {(a, b) for a, b in found if b in used or (a in used and b == (2, 3))}
    assert {line for line, blue in found.items() if blue} == coloured


@pytest.mark.parametrize("arguments", [([], 4, 1), ([0], 4, 1), ([4], 4, 1), ([1], 4, 0), ([1], 4, 5), ([1], 1, 1)])
def test_masked_network_refuses_what_is_no_network(arguments):
    with pytest.raises(ValueError, match="must be"):
        plots.masked_network(*arguments)


def test_attention_gathers_from_every_position_up_to_its_own_and_only_the_last_one_asks(notebook):
    (figure, alt) = drawn(notebook, plots.attention_step, "title")
    found = {(a.split("\n")[0].split(" of ")[0], b.split("\n")[0].split(" of ")[0]) for a, b, _ in arrows(figure)}
    keys = {(f"features {i}", f"key {i}") for i in range(1, 5)} | {(f"key {i}", "softmax") for i in range(1, 5)}
    assert found == keys | {("features 4", "query 4"), ("query 4", "softmax"), ("softmax", "new")}
    assert "fourth also gives a query" in alt
