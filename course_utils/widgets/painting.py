"""The painter: a learner gives some pixels of a picture and asks a model for the others.

What it shows is computed by `finish` (the model's part), `to_rgb` and `picture` (the still picture); the browser's part
is painting.js beside this file.
"""

import math
from typing import Any

import anywidget
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from torch import Tensor

from course_utils import _check
from course_utils.data.images import from_tokens
from course_utils.models.base import AutoregressiveModel, evaluating, need_values
from course_utils.widgets import _browser

MOST_GREYS = 17  # swatches; a model may have 256 levels, and nobody picks one of 256
GREY = "#767c85"  # frames and hatching: seen on white and on black
UNKNOWN, AS_GIVEN = -1, 0  # codes of a pixel between browser and kernel; k > 0 is swatch k - 1


def to_rgb(x: Tensor, palette: Tensor | None = None) -> Tensor:
    """Return pictures as colours, float32 (B, 3, H, W) in [0, 1], on the CPU.

    Args:
        x: grey or colour pictures, floating point (B, 1 or 3, H, W), or palette tokens, int64 (B, H, W).
        palette: the tokens' colours, floating point (K, 3) in [0, 1].

    Raises:
        ValueError: x is neither of both, or is tokens without a palette or beyond it.
    """
    if isinstance(x, Tensor) and x.dtype == torch.int64:
        colours = _need_palette(palette)
        return from_tokens(x.cpu(), colours)
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"x must be floating point (B, 1 or 3, H, W) or int64 (B, H, W), got {_check.describe(x)}")
    return x.detach().float().cpu().clamp(0, 1).expand(-1, 3, -1, -1)


@torch.no_grad()
def finish(
    model: AutoregressiveModel, x: Tensor, known: Tensor, n: int = 6, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Let the model complete one picture n times, and say what the drawn pixels cost.

        nats = - sum over the unknown pixels i of log p(x_i | x_<i)

    If all given pixels come before the unknown ones in the model's order, this is exactly -log p(unknown | known).
    Otherwise the early unknown pixels were drawn without a look at the given ones after them (see `model.complete`),
    and the sum is the cost of just that way of drawing.

    Args:
        x: a picture, (C, H, W) of the model's values or int64 tokens (H, W). What stands at unknown pixels is ignored.
        known: bool (H, W), which pixels are given.
        n: completions.
        generator: source of the uniforms; torch's global one by default.

    Returns:
        pictures (n, C, H, W) or (n, H, W), and nats (n,).

    Raises:
        ValueError: model is not autoregressive, x or known has a wrong type or shape, a given pixel is no value of the
            model, or n is not a positive whole number.
    """
    _need_model(model)
    _need_picture("x", x, model)
    known = _need_known(known, model).to(x.device)
    copies = x.expand(_check.whole("n", n), *x.shape).contiguous()
    pictures = model.complete(copies, known, generator=generator)
    with evaluating(model):
        log_probs = model.pixel_log_probs(pictures)
    return pictures, torch.where(known, 0, -log_probs).flatten(1).sum(1)


def picture(x: Tensor, known: Tensor, pictures: Tensor, nats: Tensor, palette: Tensor | None = None) -> Figure:
    """Draw what the painter shows as a still picture: x with its unknown pixels hatched, and its completions.

    Args:
        x: one picture, floating point (1 or 3, H, W), or int64 tokens (H, W).
        known: bool (H, W), which pixels are given.
        pictures: completions (n, ...), of the kind of x.
        nats: (n,), what the drawn pixels of each cost.
        palette: the tokens' colours, floating point (K, 3).

    Raises:
        ValueError: known is not bool (H, W), there is no completion, or not one number of nats for each; see also
            `to_rgb`.
    """
    given = to_rgb(x[None] if isinstance(x, Tensor) else x, palette)[0]
    known = _need_mask(known, tuple(given.shape[1:]))
    completed, nats = to_rgb(pictures, palette), torch.as_tensor(nats)
    if not len(completed) or completed.shape[1:] != given.shape or nats.shape != (len(completed),):
        got = f"{_check.describe(pictures)} and {_check.describe(nats)}"
        raise ValueError(f"pictures and nats must be completions of x and one number for each, got {got}")
    columns = len(completed) if len(completed) < 4 else min(math.ceil(len(completed) / 2), 8)
    rows = math.ceil(len(completed) / columns)
    height, width = max(rows * 1.7, 2.4) + 0.4, max(columns * 1.5, 4.4)  # inches, the width of the right part
    figure = Figure(figsize=(height + width, height), layout="constrained", facecolor="white")
    halves: Any = figure.subfigures(1, 2, width_ratios=[height, width])
    left, right = halves
    left.suptitle("Given; hatched: unknown", fontsize=12)
    ax = left.subplots()
    _draw(ax, given)
    _hatch(ax, ~known)
    right.suptitle("Completed, and what it costs in nats", fontsize=12)
    axes = right.subplots(rows, columns, squeeze=False).flatten()
    for ax, image, cost in zip(axes, completed, nats.tolist(), strict=False):
        _draw(ax, image)
        ax.set_xlabel(_nats(cost), fontsize=11)
    for ax in axes[len(completed) :]:
        ax.set_axis_off()
    return figure


def painter(
    model: AutoregressiveModel,
    start: Tensor,
    known: Tensor | None = None,
    palette: Tensor | None = None,
    n: int = 6,
    seed: int = 0,
) -> "Painter":
    """Return a widget in which one paints or erases pixels of a picture and has the model draw the unknown ones.

    Args:
        model: draws, and says what the drawn pixels cost; see `finish`.
        start: first picture, (1, H, W) of the model's grey levels, (3, H, W) of its colours, or int64 tokens (H, W).
        known: bool (H, W), which pixels are given at first; the upper half by default.
        palette: colours to paint with, floating point (K, 3): of tokens, one for each; of (3, H, W), any of the model's
            colours. Grey pictures have none: one paints with their levels, at most 17 of them.
        n: completions at a time.
        seed: decides all completions; each press of "Finish" gives others.

    Raises:
        ValueError: an argument is not of that form, or start is no picture of this model.
    """
    return Painter(model, start, known, palette, n, seed)


class Painter(anywidget.AnyWidget):
    """What `painter` returns. A cell that ends in it shows it.

    Attributes:
        x, known: the picture as it is painted now, and which of its pixels are given, bool (H, W).
        pictures, nats: the last completions and what their drawn pixels cost.
    """

    _esm, _css = _browser.script("painting"), _browser.style("painting")
    scene = traitlets.Dict().tag(sync=True)  # what never changes: sides, swatches, the first picture and its codes
    codes = traitlets.Any().tag(sync=True)  # one a pixel, row by row; from the browser, so it may be anything
    completions = traitlets.Bytes().tag(sync=True)  # RGB, n * H * W * 3 bytes
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    answers = traitlets.Int().tag(sync=True)  # tells the browser that a press was answered, also by the same picture

    pictures: Tensor
    nats: Tensor

    def __init__(
        self,
        model: AutoregressiveModel,
        start: Tensor,
        known: Tensor | None,
        palette: Tensor | None,
        n: int,
        seed: int,
    ):
        _need_model(model)
        _need_start(start, model)
        known = _upper_half(model.shape) if known is None else _need_known(known, model)
        self._model, self._n = model, _check.whole("n", n)
        self._generator = torch.Generator().manual_seed(_check.whole("seed", seed, least=0))
        self._values, self._palette = _swatches(model, start, palette)
        parameter = next(model.parameters(), start)
        self._start = start.detach().to(parameter.device)
        super().__init__()
        _, height, width = model.shape
        self.codes = torch.where(known.flatten(), AS_GIVEN, UNKNOWN).tolist()
        self.scene = {
            "height": height,
            "width": width,
            "swatches": self._named_colours(),
            "start": [_hex(colour) for colour in to_rgb(start[None], self._palette)[0].flatten(1).T],
            "codes": self.codes,
        }
        self._complete(self.codes)
        self.on_msg(self._receive)

    @property
    def x(self) -> Tensor:
        return _decode(self.codes, self._start, self._values)[0]

    @property
    def known(self) -> Tensor:
        return _decode(self.codes, self._start, self._values)[1]

    def _complete(self, codes: object) -> None:
        x, known = _decode(codes, self._start, self._values)
        self.pictures, self.nats = finish(self._model, x, known, self._n, self._generator)
        rgb = (255 * to_rgb(self.pictures, self._palette)).round().to(torch.uint8)
        self.completions = rgb.movedim(1, -1).contiguous().numpy().tobytes()
        self.captions = [_nats(cost) for cost in self.nats.tolist()]

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        """Answer the browser. It brings its pixels along: changes of a trait may be under way longer than a message."""
        with self.hold_sync():
            self.error = ""
            try:
                if not isinstance(content, dict) or content.get("do") != "finish":
                    raise ValueError(f"the message must be a wish to finish, got {content!r:.60}")
                self._complete(content.get("pixels"))
            except (Exception, KeyboardInterrupt) as error:  # whatever it is, who pressed the button must see it
                self.error = f"{type(error).__name__}: {error}"
            self.answers += 1

    def _named_colours(self) -> list[dict]:
        """Colour and name of each swatch, for the browser."""
        rgb = to_rgb(self._values[..., None, None], self._palette).flatten(1)  # each a picture of one pixel
        grey = self._palette is None
        return [
            {"colour": _hex(c), "name": f"grey {c[0]:.2f}" if grey else f"colour {k}, {_hex(c)}"}
            for k, c in enumerate(rgb)
        ]

    def __repr__(self) -> str:
        _, height, width = self._model.shape
        return f"Painter({height}×{width} pixels, {self._n} completions)"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)  # None only where there is nothing to show
        data, metadata = bundle
        figure = picture(self.x, self.known, self.pictures, self.nats, self._palette)
        return {**data, **_browser.still(figure)}, metadata


def _decode(codes: Any, start: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The browser's codes, one a pixel, as a picture of the kind of start, and which of its pixels are known (H, W).

    Raises:
        ValueError: codes is not a list of one whole number for each pixel, from -1 to the number of swatches.
    """
    height, width = start.shape[-2:]
    sound = isinstance(codes, list) and len(codes) == height * width
    if not sound or not all(type(k) is int and UNKNOWN <= k <= len(values) for k in codes):
        want = f"{height * width} whole numbers from {UNKNOWN} to {len(values)}"
        raise ValueError(f"pixels must be a list of {want}, got {codes!r:.60}")
    code = torch.tensor(codes, device=start.device).view(height, width)
    painted = values.to(start.device)[(code - 1).clamp(min=0)]  # (H, W) tokens or (H, W, C)
    painted = painted.movedim(-1, 0) if painted.ndim == 3 else painted
    return torch.where(code > 0, painted, start), code != UNKNOWN


def _swatches(model: AutoregressiveModel, start: Tensor, palette: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Values that a pixel can be painted with, (K, C) or tokens (K,), and the palette, None for grey pictures."""
    levels = model.pixels.levels
    if model.pixels.tokens:
        palette = _need_palette(palette)
        if len(palette) != levels:
            raise ValueError(f"palette must have {levels} colours, one for each token, got {len(palette)}")
        return torch.arange(len(palette)), palette
    if model.shape[0] == 1:
        if palette is not None:
            raise ValueError("palette must be None for grey pictures: one paints with their levels")
        steps = (levels or MOST_GREYS) - 1
        every = torch.linspace(0, steps, min(steps + 1, MOST_GREYS), dtype=torch.float64).round() / steps
        return every.to(start.dtype).view(-1, 1), None
    values = _need_palette(palette).to(start.dtype)
    try:
        model.pixels.check(values.view(-1, 3, 1, 1), (3, 1, 1))
    except ValueError as error:
        raise ValueError(f"palette must hold colours of the model: {error}") from None
    return values, palette


def _need_model(model: Any) -> None:
    if not isinstance(model, AutoregressiveModel) or model.shape[0] not in (1, 3):
        what = f"one of shape {model.shape}" if isinstance(model, AutoregressiveModel) else type(model).__name__
        raise ValueError(f"model must be an autoregressive model of 1 or 3 channels, got {what}")


def _need_picture(name: str, x: Any, model: AutoregressiveModel) -> None:
    tokens = model.pixels.tokens
    shape = model.shape[1:] if tokens else model.shape
    right_type = isinstance(x, Tensor) and (x.dtype == torch.int64 if tokens else x.is_floating_point())
    if not right_type or tuple(x.shape) != shape:
        want = "int64 tokens" if tokens else "a floating-point tensor"
        raise ValueError(f"{name} must be one picture of the model, {want} of shape {shape}, got {_check.describe(x)}")


def _need_start(start: Any, model: AutoregressiveModel) -> None:
    _need_picture("start", start, model)
    try:
        need_values(start.unsqueeze(0), model)
    except ValueError as error:
        raise ValueError(f"start must be a picture of the model, but {error}") from None


def _need_known(known: Any, model: AutoregressiveModel) -> Tensor:
    return _need_mask(known, model.shape[1:])


def _need_mask(known: Any, sides: tuple[int, ...]) -> Tensor:
    if not isinstance(known, Tensor) or known.dtype != torch.bool or tuple(known.shape) != sides:
        raise ValueError(f"known must be a bool tensor of shape {sides}, one a pixel, got {_check.describe(known)}")
    return known.cpu()


def _need_palette(palette: Any) -> Tensor:
    """The palette on the CPU, float32."""
    is_colours = isinstance(palette, Tensor) and palette.is_floating_point() and palette.ndim == 2
    if not is_colours or palette.shape[1] != 3 or not len(palette) or not ((palette >= 0) & (palette <= 1)).all():
        raise ValueError(f"palette must be floating point (K, 3) in [0, 1], got {_check.describe(palette)}")
    return palette.detach().float().cpu()


def _upper_half(shape: tuple[int, int, int]) -> Tensor:
    _, height, width = shape
    return (torch.arange(height) < height // 2).unsqueeze(1).expand(height, width)


def _draw(ax: Axes, image: Tensor) -> None:
    """A picture (3, H, W) in a thin frame."""
    ax.imshow(image.movedim(0, -1).numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=GREY)


def _hatch(ax: Axes, where: Tensor) -> None:
    """Hatch some pixels, bool (H, W). A pattern marks the unknown ones, for every colour may be that of a pixel."""
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    squares = [[(column + x, row + y) for x, y in corners] for row, column in where.nonzero().tolist()]
    drawn = PolyCollection(squares, facecolor="white", edgecolor=GREY, hatch="////", linewidth=0)
    ax.add_collection(drawn, autolim=False)


def _nats(cost: float) -> str:
    return f"{cost:.1f} nats"


def _hex(colour: Tensor) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour.tolist())
