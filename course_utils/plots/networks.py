"""Diagrams of boxes and arrows: units, cells, encoders and decoders, games, families."""

from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, show, wrap_title

INK, GREY = "#222222", COLOURS["baseline"]
BLUE, ORANGE, GREEN = (COLOURS[k] for k in ("autoregressive", "vae", "gan"))
VIOLET = "#5B5BD6"  # the discriminator: no family's colour, and far from the generator's
PALE = "#C4C4C4"  # what plays no part


def gated_unit(title: str = "") -> None:
    """The gated unit y = tanh(W_f * x) ⊙ σ(W_g * x): one convolution says what, the other how much of it."""
    figure, ax = _board(3.1)
    x, y = _box(ax, 0.7, 1.45, "$x$", w=0.9), _box(ax, 8.2, 1.45, "$y$", w=0.9)
    times = _circle(ax, 6.9, 1.45, "⊙")
    for height, weights, squash, said, above in (
        (2.2, "$W_f * x$", "tanh", "what: between −1 and 1", True),
        (0.7, "$W_g * x$", "σ", "how much: between 0 and 1", False),
    ):
        conv = _box(ax, 2.7, height, weights, BLUE, w=1.5)
        unit = _box(ax, 5.0, height, squash, BLUE, w=1.3)
        _arrow(ax, x.right, conv.left)
        _arrow(ax, conv.right, unit.left)
        _arrow(ax, unit.right, times.towards(unit.right))
        ax.text(5.0, height + (0.52 if above else -0.52), said, ha="center", va="center", color=INK)
    _arrow(ax, times.right, y.left)
    _finish(
        figure,
        ax,
        title,
        "A diagram: x goes into two convolutions, W_f and W_g. The first passes through tanh and says what, between "
        "−1 and 1; the second through a sigmoid and says how much, between 0 and 1. Their product, element by element, "
        "is y.",
    )


def gated_layer(title: str = "") -> None:
    """One layer of the Gated PixelCNN: both stacks, what passes from one to the other, and the residual connection."""
    figure, ax = _board(3.7)
    top, low = 2.75, 0.85
    v, h = _box(ax, 0.75, top, "vertical", w=1.15), _box(ax, 0.75, low, "horizontal", w=1.25)
    up = _box(ax, 2.55, top, "rows above", BLUE, w=1.4)
    left = _box(ax, 2.55, low, "left of it", BLUE, w=1.4)
    across = _box(ax, 4.25, (top + low) / 2, "1 × 1", BLUE, w=0.9, h=0.6)
    plus, residual = _circle(ax, 4.25, low, "+"), _circle(ax, 7.2, low, "+")
    gate_v = _box(ax, 5.4, top, "gate", ORANGE, w=0.9)
    gate_h = _box(ax, 5.25, low, "gate", ORANGE, w=0.8)
    out = _box(ax, 6.3, low, "1 × 1", BLUE, w=0.75)
    new_v, new_h = _box(ax, 8.3, top, "vertical", w=1.15), _box(ax, 8.3, low, "horizontal", w=1.25)
    for start, end in (
        (v.right, up.left),
        (up.right, gate_v.left),
        (gate_v.right, new_v.left),
        (h.right, left.left),
        (left.right, plus.left),
        (plus.right, gate_h.left),
        (gate_h.right, out.left),
        (out.right, residual.left),
        (residual.right, new_h.left),
        ((across.x, top), across.top),
        (across.bottom, plus.top),
    ):
        _arrow(ax, start, end)
    below = 0.2  # the residual connection runs under everything
    ax.plot([h.x, h.x, residual.x], [h.bottom[1], below, below], color=INK, linewidth=1.8)
    _arrow(ax, (residual.x, below), residual.bottom)
    _finish(
        figure,
        ax,
        title,
        "A diagram of one gated layer. The vertical stack passes a convolution over the rows above and a gate. Its "
        "convolution also goes through a 1 by 1 convolution and is added to that of the horizontal stack, which looks "
        "to the left; the sum passes a gate and a 1 by 1 convolution and is added to the horizontal stack.",
    )


def lstm_step(title: str = "") -> None:
    """One step of the Row LSTM, from row r - 1 to row r: gates o, f, i, g, then the cell c and the state h."""
    figure, ax = _board(4.3)
    x, h = _box(ax, 0.75, 3.1, "$x_r$", w=0.9), _box(ax, 0.75, 1.3, "$h_{r-1}$", w=0.9)
    into = _box(ax, 2.5, 3.1, "input-to-state\n$K_{is} * x_r$, masked", BLUE, w=1.95, h=0.95)
    state = _box(ax, 2.5, 1.3, "state-to-state\n$K_{ss} * h_{r-1}$", BLUE, w=1.95, h=0.95)
    plus = _circle(ax, 4.05, 2.2, "+")
    _arrow(ax, x.right, into.left)
    _arrow(ax, h.right, state.left)
    _arrow(ax, (into.x + 0.98, into.y), plus.towards((into.x + 0.98, into.y)))
    _arrow(ax, (state.x + 0.98, state.y), plus.towards((state.x + 0.98, state.y)))
    new_h, new_c = _box(ax, 8.3, 3.55, "$h_r$", w=0.8), _box(ax, 8.3, 1.55, "$c_r$", w=0.8)
    cell = _box(ax, 6.7, 1.55, "$f\\, c_{r-1} + i\\, g$", ORANGE, w=1.7, h=0.95)
    out = _box(ax, 6.7, 3.55, "$o\\, \\tanh(c_r)$", ORANGE, w=1.7, h=0.7)
    old = _box(ax, 6.7, 0.4, "$c_{r-1}$", w=0.9)
    for height, text, goal in (
        (3.55, "$o$: σ", out.left),
        (2.5, "$f$: σ", (cell.x - 0.85, cell.y + 0.3)),
        (1.55, "$i$: σ", cell.left),
        (0.6, "$g$: tanh", (cell.x - 0.85, cell.y - 0.3)),
    ):
        gate = _box(ax, 5.05, height, text, GREY, w=0.95, h=0.6)
        _arrow(ax, plus.towards(gate.left), gate.left)
        _arrow(ax, gate.right, goal)
    _arrow(ax, old.top, cell.bottom)
    _arrow(ax, cell.right, new_c.left)
    _arrow(ax, cell.top, out.bottom)
    _arrow(ax, out.right, new_h.left)
    _finish(
        figure,
        ax,
        title,
        "A diagram of one step of the Row LSTM. Row r of the input passes a masked convolution, input-to-state, the "
        "state of the row above another one, state-to-state; their sum makes the gates o, f, i by a sigmoid and g by "
        "tanh. The new cell is f times the old cell plus i times g; the new state is o times tanh of the new cell.",
    )


def encoder_decoder(noise: str | None = None, title: str = "") -> None:
    """x → encoder → code → decoder → x̂, and where noise enters: nowhere, at the input, or at the code.

    Args:
        noise: None for an autoencoder, "input" for a denoising autoencoder, "code" for a VAE.

    Raises:
        ValueError: ``noise`` is something else.
    """
    if noise not in (None, "input", "code"):
        raise ValueError(f'noise must be None, "input" or "code", got {noise!r}')
    figure, ax = _board(3.0 if noise else 2.3)
    y = 1.45
    x, x_hat = _box(ax, 0.6, y, "$x$", w=0.8), _box(ax, 8.4, y, "$\\hat{x}$", w=0.8)
    encoder = _funnel(ax, {None: 2.4, "input": 2.75, "code": 2.15}[noise], y, "encoder", narrow="right")
    decoder = _funnel(ax, 6.8, y, "decoder", narrow="left")
    before, said = x.right, ""
    if noise == "input":
        plus = _circle(ax, 1.5, y, "+")
        _arrow(ax, x.right, plus.left)
        _noise(ax, plus)
        before, said = plus.right, "Noise is added to x before the encoder"
    _arrow(ax, before, encoder.left)
    if noise == "code":
        code = _box(ax, 3.55, y, "$\\mu$\n$\\sigma$", ORANGE, w=0.65, h=1.0)
        z = _box(ax, 4.95, y, "$z = \\mu + \\sigma \\varepsilon$", ORANGE, w=1.45)
        _arrow(ax, code.right, z.left)
        _noise(ax, z)
        said = "The encoder gives μ and σ, and noise enters at the code, z = μ + σ ε"
    else:
        code = z = _box(ax, 4.8 if noise else 4.6, y, "code $z$", ORANGE, w=1.1)
    _arrow(ax, encoder.right, code.left)
    _arrow(ax, z.right, decoder.left)
    _arrow(ax, decoder.right, x_hat.left)
    clean = "loss: $\\hat{x}$ against the clean $x$"
    loss = {None: "loss: $\\hat{x}$ against $x$", "input": clean}
    text = loss.get(noise, "loss: $\\hat{x}$ against $x$, plus KL$(q(z\\,|\\,x)\\,\\|\\,p(z))$")
    ax.plot([x.x, x.x, x_hat.x, x_hat.x], [y - 0.42, 0.3, 0.3, y - 0.42], color=GREY, linestyle="--", linewidth=1.5)
    ax.text(
        4.5, 0.3, text, ha="center", va="center", color=INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 4}
    )
    _finish(
        figure,
        ax,
        title,
        "A diagram: x goes through an encoder to a code, and through a decoder to a reconstruction, compared with "
        + ("the clean x" if noise == "input" else "x"),
        said,
        "A KL term compares the distribution of the code with the prior" if noise == "code" else "",
    )


def two_noises(title: str = "") -> None:
    """Two autoencoders one below the other: noise added to the input, and noise added to the code."""
    figure, ax = _board(4.05)
    for y, place in ((3.0, "input"), (0.85, "code")):
        x, x_hat = _box(ax, 0.6, y, "$x$", w=0.8), _box(ax, 8.4, y, "$\\hat{x}$", w=0.8)
        at = {"input": 1.65, "code": 5.2}[place]
        plus = _circle(ax, at, y, "+")
        noise = _box(ax, at, y + 0.78, "noise $\\varepsilon$", GREY, w=1.1, h=0.42)
        encoder = _funnel(ax, {"input": 3.1, "code": 2.2}[place], y, "encoder", narrow="right")
        code = _box(ax, {"input": 4.95, "code": 3.95}[place], y, "code $z$", ORANGE, w=1.1)
        decoder = _funnel(ax, 6.8, y, "decoder", narrow="left")
        chain = [x, plus, encoder, code, decoder] if place == "input" else [x, encoder, code, plus, decoder]
        for box, following in zip(chain, [*chain[1:], x_hat], strict=True):
            _arrow(ax, box.right, following.left)
        _arrow(ax, noise.bottom, plus.top)
        ax.text(4.5, y - 0.72, f"noise in the {place}", ha="center", va="center", color=INK, fontweight="bold")
    _finish(
        figure,
        ax,
        title,
        "A diagram of two rows. In the first, noise is added to x before the encoder; in the second it is added to the "
        "code, between encoder and decoder",
    )


def gan_step(player: str = "discriminator", title: str = "") -> None:
    """One step of the game, and whose gradient flows where: coloured arrows run backwards; who is not updated is grey.

    Args:
        player: who is updated, "discriminator" or "generator".

    Raises:
        ValueError: ``player`` is something else.
    """
    if player not in ("discriminator", "generator"):
        raise ValueError(f'player must be "discriminator" or "generator", got {player!r}')
    judge = player == "discriminator"
    colour = VIOLET if judge else GREEN
    figure, ax = _board(3.3)
    top, low = 2.35, 0.95
    z, g = _box(ax, 0.6, top, "$z$", w=0.7), _box(ax, 2.1, top, "G", GREY if judge else GREEN, w=1.1, h=0.9)
    fake = _box(ax, 3.95, top, "$G(z)$", w=1.0)
    real = _box(ax, 3.95, low, "$x$", INK if judge else PALE, w=1.0)
    d = _box(ax, 5.85, (top + low) / 2, "D", VIOLET if judge else GREY, w=1.1, h=2.3)
    loss = _box(ax, 8.1, (top + low) / 2, f"loss of {'D' if judge else 'G'}", w=1.4)
    _arrow(ax, z.right, g.left)
    _arrow(ax, g.right, fake.left)
    _arrow(ax, fake.right, (d.x - 0.55, top))
    _arrow(ax, real.right, (d.x - 0.55, low), INK if judge else PALE)
    _arrow(ax, d.right, loss.left)
    drop = 0.28  # the way back runs under the way there
    back = [((loss.x - 0.7, loss.y - drop), (d.x + 0.55, d.y - drop))]
    if not judge:
        back += [
            ((d.x - 0.55, top - drop), (fake.x + 0.5, top - drop)),
            ((fake.x - 0.5, top - drop), (g.x + 0.55, top - drop)),
        ]
    for start, end in back:
        _arrow(ax, start, end, colour, width=3.5)
    _state(ax, g, not judge, GREEN)
    _state(ax, d, judge, VIOLET)
    if judge:
        at = (fake.x + 0.5 + d.x - 0.55) / 2
        ax.plot([at, at], [top - 0.3, top + 0.3], color=VIOLET, linewidth=3)
        ax.text(at, top + 0.38, "detach", ha="center", va="bottom", color=VIOLET, fontweight="bold")
    ax.text(
        (d.x + 0.55 + loss.x - 0.7) / 2,
        loss.y - drop - 0.15,
        "gradient",
        ha="center",
        va="top",
        color=colour,
        fontweight="bold",
    )
    told = (
        "The gradient flows from the loss into D, which is updated; it stops before G, which is not updated"
        if judge
        else "The gradient flows from the loss through D, which is not updated, to G, which is updated; x plays no part"
    )
    _finish(
        figure,
        ax,
        title,
        f"A diagram of the {player}'s step: noise z becomes G(z); D sees G(z) and x, and gives a loss",
        told,
    )


def families(title: str = "") -> None:
    """Three rows of boxes: what goes into an autoregressive model, a VAE and a GAN, what is learned, how it samples."""
    figure, ax = _board(4.15)
    columns = ((2.6, 1.6, "what goes in"), (4.95, 2.2, "what is learned"), (7.7, 2.4, "how a sample is drawn"))
    rows = (
        (
            "Autoregressive",
            BLUE,
            "an image $x$",
            "$p(x_i\\,|\\,$earlier pixels$)$\nfor each pixel",
            "pixel by pixel,\neach given those before",
        ),
        ("VAE", ORANGE, "an image $x$", "encoder $q(z\\,|\\,x)$,\ndecoder $p(x\\,|\\,z)$", "draw $z$,\ndecode it"),
        (
            "GAN",
            GREEN,
            "noise $z$,\nreal images $x$",
            "generator $G(z)$,\ndiscriminator $D(x)$",
            "draw $z$,\none pass through $G$",
        ),
    )
    for x, _, text in columns:
        ax.text(x, 3.95, text, ha="center", va="center", color=INK, fontweight="bold")
    for y, (name, colour, *texts) in zip((3.2, 2.0, 0.8), rows, strict=True):
        ax.text(0.05, y, name, ha="left", va="center", color=colour, fontweight="bold", fontsize=13)
        boxes = [_box(ax, x, y, text, colour, w=w, h=0.95) for (x, w, _), text in zip(columns, texts, strict=True)]
        for box, after in zip(boxes, boxes[1:], strict=False):
            _arrow(ax, box.right, after.left)
    _finish(
        figure,
        ax,
        title,
        "Three rows of boxes",
        "Autoregressive: an image goes in, each pixel's distribution given the earlier ones is learned, a sample is "
        "drawn pixel by pixel",
        "VAE: an image goes in, an encoder and a decoder are learned, a sample is a decoded draw of z",
        "GAN: noise and real images go in; a generator and a discriminator are learned, a sample is one "
        "pass of z through the generator",
    )


def masked_network(degrees: Iterable[int], pixels: int, prediction: int, title: str = "") -> None:
    """MADE with one hidden layer: who may see whom, and in blue all that leads to one prediction.

    Args:
        degrees: of the hidden units, (K,): a unit of degree m sees the first m pixels, and only predictions of later
            pixels use it.
        pixels: how many there are, D.
        prediction: the pixel whose prediction is coloured, from 1 to D.

    Raises:
        ValueError: there are no units, a degree is not from 1 to D - 1, or the prediction is not from 1 to D.
    """
    pixels, degrees = _check.whole("pixels", pixels, least=2), [int(m) for m in degrees]
    if not degrees or min(degrees) < 1 or max(degrees) >= pixels:
        raise ValueError(f"degrees must be one or more numbers from 1 to {pixels - 1}, got {degrees}")
    if not 1 <= _check.whole("prediction", prediction) <= pixels:
        raise ValueError(f"prediction must be from 1 to {pixels}, got {prediction}")
    high = 0.68 * max(pixels, len(degrees))
    figure, ax = _board(high + 0.45)

    def column(x, texts):
        return [_circle(ax, x, high * (1 - (i + 0.5) / len(texts)), text) for i, text in enumerate(texts)]

    inputs = column(1.6, [f"$x_{j}$" for j in range(1, pixels + 1)])
    units, outputs = column(4.2, [str(m) for m in degrees]), column(6.8, [f"{i}" for i in range(1, pixels + 1)])
    for m, unit in zip(degrees, units, strict=True):
        used = m < prediction
        lines = [(box, unit, used) for box in inputs[:m]] + [
            (unit, box, used and i == prediction) for i, box in enumerate(outputs, 1) if i > m
        ]
        for a, b, blue in lines:
            style = {"color": BLUE, "linewidth": 2.2, "zorder": 0.5} if blue else {"color": PALE, "zorder": 0}
            ax.plot([a.x, b.x], [a.y, b.y], **style)
    for i, box in enumerate(outputs, 1):
        given = r"\mid " + ", ".join(f"x_{j}" for j in range(1, i)) if i > 1 else ""
        ax.text(box.x + 0.35, box.y, f"$p(x_{i}{given})$", va="center", fontsize=13)
    for x, text in ((1.6, "pixels"), (4.2, "hidden units, by degree"), (6.8, "predictions")):
        ax.text(x, high + 0.2, text, ha="center", va="center", color=INK, fontweight="bold")
    seen = [j for j in range(1, pixels + 1) if any(j <= m < prediction for m in degrees)]
    said = f"Paths lead to prediction {prediction} from pixels {', '.join(map(str, seen)) or 'none'}"
    _finish(figure, ax, title, f"{pixels} pixels, hidden units of degrees {', '.join(map(str, degrees))}", said)


# ---- boxes and arrows ------------------------------------------------------------------------------------------------


def attention_step(title: str = "") -> None:
    """Attention at the fourth of four positions: its query meets every key up to its own, the values are averaged."""
    figure, ax = _board(3.5)
    low, middle, top = 0.4, 1.65, 3.0
    gather = _box(ax, 3.8, top, "softmax of query · keys / √d,   then the average of the values", BLUE, w=6.9)
    new = _box(ax, 8.25, top, "new\nfeatures 4", w=1.3)
    _arrow(ax, gather.right, new.left)
    for i in range(1, 5):
        x = 1.75 * i - 0.75
        feature = _box(ax, x, low, f"features {i}", w=1.3, h=0.6)
        pair = _box(ax, x, middle, f"key {i}\nvalue {i}", ORANGE, w=1.2, h=0.85)
        _arrow(ax, feature.top, pair.bottom)
        _arrow(ax, pair.top, (x, top - 0.35))
    query = _box(ax, 7.75, middle, "query 4", GREEN, w=1.1, h=0.85)
    _arrow(ax, (feature.right[0], low + 0.1), (query.x - 0.2, middle - 0.42))
    _arrow(ax, (query.x - 0.2, middle + 0.42), (gather.right[0] - 0.25, top - 0.35))
    _finish(
        figure,
        ax,
        title,
        "A diagram: four positions, whose features each give a key and a value. The fourth also gives "
        "a query. The softmax of the query times each key, divided by the root of d, weighs the values; their average "
        "makes the new features of the fourth.",
    )


@dataclass
class Box:
    """Where something stands on the board, in inches: its centre, width and height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def left(self) -> tuple[float, float]:
        return self.x - self.w / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y

    @property
    def top(self) -> tuple[float, float]:
        return self.x, self.y + self.h / 2

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x, self.y - self.h / 2

    def towards(self, point: tuple[float, float]) -> tuple[float, float]:
        """The point of a circle of this width that faces another point."""
        dx, dy = point[0] - self.x, point[1] - self.y
        length = (dx * dx + dy * dy) ** 0.5
        return self.x + dx / length * self.w / 2, self.y + dy / length * self.w / 2


def _board(height: float):
    """Axes whose unit is an inch, without anything on them."""
    figure, ax = plt.subplots(figsize=(WIDTH, height + 0.35))
    ax.set(xlim=(0, WIDTH), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return figure, ax


def _box(ax, x: float, y: float, text: str, colour: str = INK, w: float = 1.2, h: float = 0.7) -> Box:
    tint = "white" if colour in (INK, PALE) else _tint(colour)
    ax.add_patch(
        FancyBboxPatch(
            (x - w / 2, y - h / 2),
            w,
            h,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=tint,
            edgecolor=colour,
            linewidth=1.8,
        )
    )
    ax.text(x, y, text, ha="center", va="center", fontsize=13, color=PALE if colour == PALE else INK)
    return Box(x, y, w, h)


def _circle(ax, x: float, y: float, text: str) -> Box:
    ax.add_patch(Circle((x, y), 0.24, facecolor="white", edgecolor=INK, linewidth=1.8))
    ax.text(x, y, text, ha="center", va="center", fontsize=15, color=INK)
    return Box(x, y, 0.48, 0.48)


def _funnel(ax, x: float, y: float, text: str, narrow: str) -> Box:
    """A network whose layers become smaller to one side."""
    w, big, small = 1.45, 0.75, 0.4
    left, right = (big, small) if narrow == "right" else (small, big)
    corners = [(x - w / 2, y - left), (x - w / 2, y + left), (x + w / 2, y + right), (x + w / 2, y - right)]
    ax.add_patch(Polygon(corners, closed=True, facecolor=_tint(ORANGE), edgecolor=ORANGE, linewidth=1.8))
    ax.text(x, y, text, ha="center", va="center", fontsize=13, color=INK)
    return Box(x, y, w, 2 * small)


def _noise(ax, goal: Box) -> None:
    noise = _box(ax, goal.x, 2.65, "noise $\\varepsilon$", GREY, w=1.1, h=0.5)
    _arrow(ax, noise.bottom, goal.top)


def _state(ax, box: Box, updated: bool, colour: str) -> None:
    ax.text(
        box.x,
        box.y - box.h / 2 - 0.1,
        "updated" if updated else "not updated",
        ha="center",
        va="top",
        color=colour if updated else GREY,
        fontweight="bold",
    )


def _arrow(ax, start, end, colour: str = INK, width: float = 1.8) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=16, linewidth=width, color=colour, shrinkA=1, shrinkB=1
        )
    )


def _tint(colour: str, share: float = 0.18):
    """The colour, mixed with white."""
    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def _finish(figure, ax, title: str, *words: str) -> None:
    ax.set_title(wrap_title(title))
    show(figure, sentence(title, *words))
