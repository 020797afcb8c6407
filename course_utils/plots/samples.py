"""Figures of images: side by side, and in labelled rows."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import WIDTH, sentence, show, wrap_title

ROUNDING = 1e-3  # how far beyond 0 or 1 rounding may carry a pixel
MOST = 24  # pictures in a row that can still be recognised


def tile(x: Tensor, columns: int = 10, *, clamp: bool = False) -> Tensor:
    """Images (N, C, H, W) in [0, 1] as one picture (rows, columns, 3), with a grey frame of one pixel around each.

    Args:
        columns: images in a row.
        clamp: draw values below 0 as 0 and above 1 as 1, instead of refusing them.

    Raises:
        ValueError: x is not (N, 1 or 3, H, W) with N > 0, has values outside [0, 1] without ``clamp``, or ``columns``
            is no whole number above 0.
    """
    columns = _check.whole("columns", columns)
    x = _pictures("x", x, clamp).expand(-1, 3, -1, -1)
    n, _, height, width = x.shape
    rows, columns = math.ceil(n / columns), min(columns, n)
    canvas = torch.full((rows * columns, 3, height + 1, width + 1), 0.5)
    canvas[:, :, 1:, 1:] = 1.0  # empty places at the end stay white
    canvas[:n, :, 1:, 1:] = x
    canvas = canvas.view(rows, columns, 3, height + 1, width + 1).permute(2, 0, 3, 1, 4)
    picture = torch.full((3, rows * (height + 1) + 1, columns * (width + 1) + 1), 0.5)
    picture[:, :-1, :-1] = canvas.reshape(3, rows * (height + 1), columns * (width + 1))
    return picture.permute(1, 2, 0)


def images(
    x: Tensor,
    title: str = "",
    columns: int = 10,
    ax: Axes | None = None,
    labels: list[str] | None = None,
    *,
    clamp: bool = False,
) -> None:
    """Show images (N, C, H, W) in [0, 1] side by side under a title, ``columns`` to a row.

    Args:
        ax: axes to draw on; without it a figure is made and shown.
        labels: names of the rows, written at their left.
        clamp: as in ``tile``.

    Raises:
        ValueError: as ``tile``.
    """
    picture = tile(x, columns, clamp=clamp)
    own = ax is None
    if own:
        rows = math.ceil(len(x) / columns)
        height = WIDTH * picture.shape[0] / picture.shape[1]
        figure, ax = plt.subplots(figsize=(WIDTH, min(height, 1.2 * rows + 4) + 0.4))
    ax.set_title(title)
    step = x.shape[2] + 1
    _draw(ax, picture, [step * (i + 0.5) for i in range(len(labels or []))], labels or [])
    if own:
        names = f"The rows: {', '.join(labels)}" if labels else ""
        show(figure, sentence(title, f"{_count(len(x))} of {x.shape[2]} × {x.shape[3]} pixels", names))


def samples(
    rows: Tensor | Mapping[str, Tensor],
    title: str = "",
    *,
    columns: int = 12,
    ax: Axes | None = None,
    clamp: bool = False,
) -> None:
    """Show images in labelled rows, large enough to be recognised.

    Args:
        rows: images (N, C, H, W) in [0, 1]; or a dictionary from label to such images, all of one height and width,
            each of which begins a row of its own and takes as many as it needs.
        columns: images in a row, at most 24.
        ax: axes to draw on; without it a figure is made and shown.
        clamp: draw values below 0 as 0 and above 1 as 1, instead of refusing them.

    Raises:
        ValueError: there is nothing to show, an entry is not (N, 1 or 3, H, W), has another height or width than the
            first or values outside [0, 1] without ``clamp``, or ``columns`` is not from 1 to 24.
    """
    if _check.whole("columns", columns) > MOST:
        raise ValueError(f"columns must be at most {MOST}, so that a picture can be recognised, got {columns}")
    if not isinstance(rows, Mapping):
        rows = {"": rows}
    if not rows:
        raise ValueError("rows must have at least one entry, got an empty dictionary")
    rows = {label: _pictures(f"rows[{label!r}]" if label else "rows", x, clamp) for label, x in rows.items()}
    first = next(iter(rows.values()))
    for label, x in rows.items():
        if x.shape[2:] != first.shape[2:]:
            raise ValueError(
                f"rows must be images of one size, got {tuple(first.shape[2:])} and {label!r} with {tuple(x.shape[2:])}"
            )
    columns = min(columns, max(map(len, rows.values())))
    height, width = first.shape[2:]
    blank = torch.ones(1, 3, height, width)
    parts, middles = [], []
    for x in rows.values():
        lines = math.ceil(len(x) / columns)
        middles.append((height + 1) * (sum(len(part) for part in parts) / columns + lines / 2))
        parts += [x.expand(-1, 3, -1, -1), blank.expand(lines * columns - len(x), -1, -1, -1)]
    picture = tile(torch.cat(parts), columns)
    own, names = ax is None, 0.0
    if ax is None:
        names = max(len(line) for label in rows for line in label.split("\n")) * 0.1  # inches that the labels take
        size = min((WIDTH - names) / columns, 1.5)  # of one image
        lines = picture.shape[0] / (height + 1)
        tall = lines * size * (height + 1) / (width + 1) + 0.4
        figure, ax = plt.subplots(figsize=(WIDTH, tall))
    ax.set_title(wrap_title(title, WIDTH - names) if own else title)
    ax.set_anchor("W")  # under the title also where a few pictures leave room
    _draw(ax, picture, middles if any(rows) else [], list(rows) if any(rows) else [])
    if own:
        what = "; ".join(f"{label}: {_count(len(x))}".removeprefix(": ") for label, x in rows.items())
        show(figure, sentence(title, f"Rows of {columns}, each image {height} × {width} pixels: {what}"))


def _pictures(name: str, x: Tensor, clamp: bool) -> Tensor:
    """Images (N, C, H, W) in [0, 1] as float32 without a gradient, else ValueError."""
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"{name} must have shape (N, 1 or 3, H, W) with N > 0, got {_check.describe(x)}")
    x = x.detach().float().cpu()
    low, high = x.min().item(), x.max().item()
    if not clamp and not (-ROUNDING <= low and high <= 1 + ROUNDING):  # also where a pixel is NaN
        raise ValueError(f"{name} must be images in [0, 1], got values from {low:.4g} to {high:.4g}")
    return x.clamp(0, 1)


def _draw(ax: Axes, picture: Tensor, places: list[float], labels: list[str]) -> None:
    """A picture without ticks, but with labels at its left."""
    ax.imshow(picture.numpy())
    ax.set_xticks([])
    ax.set_yticks(places, labels)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _count(n: int) -> str:
    return "1 image" if n == 1 else f"{n} images"
