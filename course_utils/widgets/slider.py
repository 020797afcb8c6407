"""Rows of pictures, one a label, on a slider: what a setting does is seen by dragging through its values.

The browser's part, slider.js beside this file, gets all rows at once, so that dragging needs no answer from the kernel.
"""

import base64
import io
import math
import textwrap
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import anywidget
import matplotlib.image
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from course_utils import _check
from course_utils.widgets import _browser

Label = str | float

FEWEST, MOST = 2, 12  # labels
MOST_PICTURES = 24  # of a label
# Those of `plots.samples`, so that the still picture looks like its figures.
COLUMNS, WIDTH, LARGEST = 12, 9.0, 1.5  # pictures in a line; inches of the figure, and at most of one picture
ROUNDING = 1e-3  # how far beyond 0 or 1 rounding may carry a pixel
SCREEN, SIDE = 760, 120  # pixels on the screen: at most of a row's width and of a picture's longer side


def slider_picture(pictures: Mapping[Label, Tensor], title: str = "", label: str = "") -> Figure:
    """Draw the pictures of all labels in labelled rows, as a still picture 9 inches wide.

    Args and errors are those of `picture_slider`.
    """
    return _picture(_need_rows(pictures, title, label))


def picture_slider(pictures: Mapping[Label, Tensor], title: str = "", label: str = "") -> "PictureSlider":
    """Return a widget that shows the pictures of the label at which its slider stands.

    Args:
        pictures: 2 to 12 labels, in the order of the slider, each with pictures (N, 1 or 3, H, W) in [0, 1], 24 at
            most and of one shape for all labels. A label is a text or a number.
        title: what the pictures are, written above them.
        label: what the labels are values of: with "β", the label 10 is shown as "β = 10". It is the slider's name.

    Raises:
        ValueError: an argument is not of that form, or two labels look the same.
    """
    return PictureSlider(pictures, title, label)


class PictureSlider(anywidget.AnyWidget):
    """What `picture_slider` returns. A cell that ends in it shows it.

    Attributes:
        at: the number of the label that is shown now, from 0.
    """

    _esm, _css = _browser.script("slider"), _browser.style("slider")
    scene = traitlets.Dict().tag(sync=True)  # what never changes: words, pictures, and their width on the screen
    at = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, pictures: Mapping[Label, Tensor], title: str, label: str):
        self._rows = _need_rows(pictures, title, label)
        super().__init__()
        self.scene = _for_browser(self._rows)

    def __repr__(self) -> str:
        words = self._rows.words
        return " ".join(f"PictureSlider({len(words)} rows, {words[0]} to {words[-1]})".split())

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)  # None only where there is nothing to show
        data, metadata = bundle
        alt = {"image/png": {"alt": _in_words(self._rows)}}
        return {**data, **_browser.still(_picture(self._rows))}, {**metadata, **alt}


class Rows(NamedTuple):
    """Pictures with the words beside them, checked."""

    title: str
    label: str
    words: list[str]  # one text a label, as it is shown
    pictures: list[Tensor]  # (N, C, H, W) in [0, 1], float32 on the CPU, one a label


def tile(x: Tensor) -> Tensor:
    """Pictures (N, 1 or 3, H, W), 12 in a line, as one (rows, columns, 3), with a grey frame of one pixel around each.

    Places that remain empty in the last line are white.
    """
    n, _, height, width = x.shape
    columns = min(n, COLUMNS)
    lines = math.ceil(n / columns)
    canvas = torch.full((3, lines * (height + 1) + 1, columns * (width + 1) + 1), 0.5)
    for place in range(lines * columns):
        top, left = (place // columns) * (height + 1) + 1, (place % columns) * (width + 1) + 1
        canvas[:, top : top + height, left : left + width] = x[place] if place < n else 1.0
    return canvas.permute(1, 2, 0)


def png(picture: Tensor, scale: int = 1) -> bytes:
    """A picture (rows, columns, 3) in [0, 1] as a PNG file; each pixel becomes a square of scale × scale."""
    enlarged = picture.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    file = io.BytesIO()
    matplotlib.image.imsave(file, (255 * enlarged).round().byte().numpy(), format="png", origin="upper")
    return file.getvalue()


def _for_browser(rows: Rows) -> dict:
    """The scene in JSON: the PNG files are in it as addresses that hold their data."""
    tiles = [tile(x) for x in rows.pictures]
    width, side = tiles[0].shape[1], max(rows.pictures[0].shape[2:])
    scale = max(1, min(SCREEN // width, SIDE // side))
    files = [base64.b64encode(png(picture, scale)).decode() for picture in tiles]
    return {
        "title": rows.title,
        "name": rows.label or "Row",
        "words": rows.words,
        "rows": [f"data:image/png;base64,{file}" for file in files],
        "width": width * scale,
        "count": _count(len(rows.pictures[0])),
    }


def _picture(rows: Rows) -> Figure:
    together = torch.cat([tile(x)[:-1] for x in rows.pictures] + [tile(rows.pictures[-1])[-1:]])
    n, _, height, width = rows.pictures[0].shape
    columns, lines = min(n, COLUMNS), math.ceil(n / COLUMNS)
    names = max(len(line) for words in rows.words for line in words.split("\n")) * 0.1  # inches that the words take
    size = min((WIDTH - names) / columns, LARGEST)
    tall = len(rows.words) * lines * size * (height + 1) / (width + 1) + 0.4
    figure = Figure(figsize=(WIDTH, tall), layout="constrained", facecolor="white")
    ax = figure.subplots()
    ax.imshow(together.numpy(), interpolation="nearest")
    step = lines * (height + 1)
    ax.set_xticks([])
    ax.set_yticks([step * (k + 0.5) for k in range(len(rows.words))], rows.words, fontsize=12)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    letters = max(12, int((WIDTH - names) * 8.8))  # a bold one takes about a ninth of an inch
    title = "\n".join(textwrap.fill(line, letters) for line in rows.title.split("\n"))
    ax.set_title(title, fontsize=13, fontweight="bold", loc="left")
    ax.set_anchor("W")
    return figure


def _in_words(rows: Rows) -> str:
    """What the still picture shows, for readers who cannot see it."""
    n, _, height, width = rows.pictures[0].shape
    title = f"{rows.title.strip().rstrip('.')}. " if rows.title.strip() else ""
    what = f"{len(rows.words)} rows of {_count(n)}, each {height} × {width} pixels: {', '.join(rows.words)}."
    return " ".join(f"{title}{what}".split())


def _count(n: int) -> str:
    return "1 picture" if n == 1 else f"{n} pictures"


def _need_rows(pictures: Any, title: Any, label: Any) -> Rows:
    for name, text in (("title", title), ("label", label)):
        if not isinstance(text, str):
            raise ValueError(f"{name} must be a text, got {_check.describe(text)}")
    if not isinstance(pictures, Mapping) or not FEWEST <= len(pictures) <= MOST:
        got = f"{len(pictures)} labels" if isinstance(pictures, Mapping) else _check.describe(pictures)
        raise ValueError(f"pictures must be a dictionary with {FEWEST} to {MOST} labels, got {got}")
    words = [f"{label} = {_text(key)}" if label.strip() else _text(key) for key in pictures]
    if len(set(words)) < len(words):
        raise ValueError(f"pictures must have labels that look different, got {', '.join(words)[:80]}")
    kept = [_need_pictures(f"pictures[{key!r}]", x) for key, x in pictures.items()]
    for key, x in zip(pictures, kept, strict=True):
        if x.shape != kept[0].shape:
            shapes = f"{tuple(kept[0].shape)} and {tuple(x.shape)} at {key!r}"
            raise ValueError(f"pictures must all be of one shape, got {shapes}")
    return Rows(title, label, words, kept)


def _need_pictures(name: str, x: Any) -> Tensor:
    sound = isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 4 and x.shape[1] in (1, 3) and x.numel()
    if not sound or len(x) > MOST_PICTURES:
        want = f"floating point (N, 1 or 3, H, W) with N from 1 to {MOST_PICTURES}"
        raise ValueError(f"{name} must be {want}, got {_check.describe(x)}")
    x = x.detach().float().cpu()
    low, high = x.min().item(), x.max().item()
    if not (-ROUNDING <= low and high <= 1 + ROUNDING):  # also where a pixel is NaN
        raise ValueError(f"{name} must have values in [0, 1], got some from {low:.4g} to {high:.4g}")
    return x.clamp(0, 1)


def _text(key: object) -> str:
    """A label as it is shown, a number with a true minus."""
    if isinstance(key, str) and key.strip():
        return key
    if isinstance(key, bool) or not isinstance(key, Real) or not math.isfinite(key):
        raise ValueError(f"pictures must have texts or finite numbers as labels, got {_check.describe(key)}")
    return (f"{int(key)}" if isinstance(key, Integral) else f"{float(key):g}").replace("-", "−")
