"""Figures of mechanisms on a grid of pixels: masks, kernels, receptive fields, the two stacks."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch, Patch, Rectangle
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, show, wrap_title

SEEN, EARLIER, LEAK = COLOURS["autoregressive"], "#BBBBBB", COLOURS["wrong"]
BESIDE = COLOURS["diffusion"]  # the horizontal stack, beside the blue of the vertical one
MOST = 12  # rows and columns whose numbers can still be read


def masks(kernels: Mapping[str, Tensor], title: str = "") -> None:
    """Masks side by side: blue with a 1 where a pixel is seen, grey with a 0 where it is not, the centre framed.

    Args:
        kernels: from name to a mask (k, l) of zeros and ones, at most five. The centre is framed where both sides are
            odd.

    Raises:
        ValueError: there are no masks, or one is something else.
    """
    kernels = _panels("kernels", kernels)
    for name, mask in kernels.items():
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"kernels[{name!r}] must hold zeros and ones only, got {sorted(mask.unique().tolist())[:5]}"
            )
    figure, axes = _row_of_axes(kernels, title, widest=2.6)
    words = []
    for ax, (name, mask) in zip(axes, kernels.items(), strict=True):
        _grid(ax, _paint(mask.shape, (mask == 1, SEEN), (mask == 0, "#E4E4E4")))
        for (i, j), value in _entries(mask):
            ax.text(j, i, f"{value:g}", ha="center", va="center", fontsize=15, color="white" if value else "#4F4F4F")
        rows, columns = mask.shape
        if rows % 2 and columns % 2:
            _frame(ax, rows // 2, columns // 2)
        ax.set_title(name, fontsize=12)
        lines = "; ".join(" ".join(f"{value:g}" for value in row) for row in mask.tolist())
        words.append(f"{name}, {rows} × {columns}: {lines}")
    show(figure, sentence(title, *words))


def kernel(picture: Tensor, mask: Tensor, row: int, column: int, title: str = "") -> None:
    """A masked kernel lying over a picture: at the left where, at the right the products that are counted.

    Args:
        picture: grey values (H, W), at most 12 x 12; beyond the edge lie zeros.
        mask: (k, k) with k odd: zeros and ones, or the weights of a masked kernel.
        row, column: the pixel under the centre.

    Raises:
        ValueError: an argument has another form, or the pixel is not on the picture.
    """
    picture, mask = _matrix("picture", picture), _matrix("mask", mask)
    if max(picture.shape) > MOST:
        raise ValueError(
            f"picture must be at most {MOST} x {MOST}, so that its numbers can be read, got {tuple(picture.shape)}"
        )
    k = len(mask)
    if mask.shape != (k, k) or k % 2 == 0:
        raise ValueError(f"mask must be square with an odd side, got shape {tuple(mask.shape)}")
    row, column = _pixel(picture.shape, row, column)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.4), width_ratios=(1.15, 1))
    top = max(picture.max().item(), 1e-9)
    left.imshow(picture.numpy(), cmap="Greys", vmin=0, vmax=2.2 * top)  # light enough for black numbers
    half, sum_, counted = k // 2, 0.0, 0
    for (i, j), value in _entries(picture):
        left.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#DDDDDD", linewidth=0.6))
        left.text(j, i, _number(value), ha="center", va="center", fontsize=11 if max(picture.shape) <= 8 else 9)
    left.set(xticks=[], yticks=[])
    left.spines[:].set_visible(False)
    left.set(xlim=(min(-0.5, column - half - 0.6), max(picture.shape[1] - 0.5, column + half + 0.6)))
    left.set(ylim=(max(picture.shape[0] - 0.5, row + half + 0.6), min(-0.5, row - half - 0.6)))
    _grid(right, _paint(mask.shape, (mask != 0, "#CFE3F1"), (mask == 0, "#EEEEEE")))
    for (i, j), weight in _entries(mask):
        y, x = row + i - half, column + j - half
        inside = 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]
        value = picture[y, x].item() if inside else 0.0
        colour = SEEN if weight else "#8A8A8A"
        left.add_patch(
            Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=(*to_rgb(colour), 0.3), edgecolor=colour, linewidth=1.5)
        )
        if not inside:
            left.text(x, y, "0", ha="center", va="center", color="#8A8A8A", fontsize=9)
        right.text(
            j,
            i,
            f"{_number(weight)} · {_number(value)}",
            ha="center",
            va="center",
            color="black" if weight else "#8A8A8A",
            fontsize=13 if k == 3 else 9,
        )
        sum_, counted = sum_ + weight * value, counted + bool(weight)
    _frame(left, row, column)
    _frame(right, half, half)
    left.set_title("the kernel over the picture", fontsize=12)
    right.set_title(f"{counted} of {k * k} products count, sum {_number(sum_)}", fontsize=12)
    _heading(figure, title)
    show(
        figure,
        sentence(
            title,
            f"A {k} × {k} kernel lies over a picture of {picture.shape[0]} × {picture.shape[1]} pixels, its centre at "
            f"row {row}, column {column}; {counted} of its {k * k} products count and add up to {_number(sum_)}",
        ),
    )


def receptive_field(ax: Axes, seen: Tensor, row: int, column: int, title: str) -> None:
    """Which pixels a prediction sees: blue seen, grey earlier and not seen, white later; a star where it stands.

    A later pixel that is seen, its own included, is orange: a leak.

    Args:
        seen: (H, W), above 0 where the prediction at (row, column) depends on the pixel.
    """
    seen = seen.detach().cpu() > 0
    before = _earlier(seen.shape, row, column)
    _grid(ax, _paint(seen.shape, (before & ~seen, EARLIER), (before & seen, SEEN), (~before & seen, LEAK)))
    ax.plot(column, row, "k*", markersize=10)
    ax.set_title(title, fontsize=12)


def receptive_fields(
    fields: Mapping[str, Tensor], row: int, column: int, title: str = "", hatch: Tensor | None = None
) -> None:
    """Receptive fields side by side, in the colours of ``receptive_field``, with a legend.

    Args:
        fields: from name to (H, W), above 0 where the prediction at (row, column) depends on the pixel; at most five.
        row, column: the pixel that is predicted.
        hatch: bool (H, W), the pixels that are seen at no depth, the blind spot.

    Raises:
        ValueError: there are no fields, they differ in shape, the pixel is not on them, or ``hatch`` is no bool (H, W).
    """
    fields = _panels("fields", fields)
    shape = next(iter(fields.values())).shape
    for name, seen in fields.items():
        if seen.shape != shape:
            raise ValueError(f"fields must have one shape, got {tuple(shape)} and {name!r} with {tuple(seen.shape)}")
    row, column = _pixel(shape, row, column)
    if hatch is not None and (not isinstance(hatch, Tensor) or hatch.dtype != torch.bool or hatch.shape != shape):
        raise ValueError(f"hatch must be a bool tensor of shape {tuple(shape)}, got {_check.describe(hatch)}")
    figure, axes = _row_of_axes(fields, title, widest=3.2, below=0.45)
    before, leaks, words = _earlier(shape, row, column), False, []
    for ax, (name, seen) in zip(axes, fields.items(), strict=True):
        receptive_field(ax, seen, row, column, name)
        for i, j in hatch.nonzero().tolist() if hatch is not None else ():
            ax.add_patch(
                Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#333333", linewidth=0)
            )
        leak = ((seen > 0) & ~before).sum().item()
        leaks |= leak > 0
        many = f"{((seen > 0) & before).sum().item()} of {before.sum().item()} earlier pixels are seen"
        words.append(f"{name}: {many}" + (f", and {leak} that are not earlier" if leak else ""))
    entries = [Patch(color=SEEN, label="seen"), Patch(color=EARLIER, label="earlier, not seen")]
    if leaks:
        entries.append(Patch(color=LEAK, label="leak"))
    if hatch is not None:
        entries.append(Patch(facecolor=EARLIER, edgecolor="#333333", hatch="////", linewidth=0, label="blind spot"))
        words.append(f"Blind spot, seen at no depth: {hatch.sum().item()} of them")
    star = Line2D([], [], color="black", marker="*", markersize=12, linestyle="", label="predicted")
    columns = len(entries) + 1 if figure.get_size_inches()[0] > 6 else 2
    figure.legend(handles=[*entries, star], loc="outside lower center", ncols=columns, handlelength=1.2)
    show(figure, sentence(title, f"What the prediction at row {row}, column {column} sees", *words))


def two_stacks(height: int, width: int, row: int, column: int, title: str = "") -> None:
    """The two stacks of the gated PixelCNN: the rows above, the row to the left, and together all that is earlier.

    Args:
        height, width: of the picture.
        row, column: the pixel that is predicted.

    Raises:
        ValueError: a size is no whole number above 0, or the pixel is not on the picture.
    """
    shape = _check.whole("height", height), _check.whole("width", width)
    row, column = _pixel(shape, row, column)
    i, j = torch.arange(shape[0])[:, None].expand(shape), torch.arange(shape[1]).expand(shape)
    above, beside = i < row, (i == row) & (j < column)
    names = (
        "vertical stack:\nthe rows above",
        "horizontal stack:\nits row, to the left",
        "together:\nall earlier pixels",
    )
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, min(2.5 * shape[0] / shape[1], 5) + 1.1))
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(wspace=0.2)
    for ax, name, v, h in zip(
        axes, names, (above, above & False, above), (beside & False, beside, beside), strict=True
    ):
        _grid(ax, _paint(shape, (v, SEEN), (h, BESIDE)))
        ax.plot(column, row, "k*", markersize=12)
        ax.set_title(name, fontsize=12)
    for ax, other, colour in ((axes[0], axes[1], SEEN), (axes[1], axes[2], "#4F4F4F")):
        style = {"arrowstyle": "-|>", "mutation_scale": 22, "linewidth": 2.5, "color": colour}
        ends = (shape[1] - 0.3, row), (-0.7, row)
        figure.add_artist(ConnectionPatch(*ends, ax.transData, other.transData, **style))
    beyond = {"textcoords": "offset points", "ha": "center", "va": "bottom", "color": SEEN, "fontweight": "bold"}
    axes[0].annotate("1 × 1", (shape[1] - 0.5, row), (23, 9), **beyond).set_in_layout(False)
    _heading(figure, title)
    show(
        figure,
        sentence(
            title,
            f"Three grids of {height} × {width} pixels. The vertical stack sees the {row} rows above row {row}; the "
            f"horizontal stack sees the {column} pixels to the left of column {column} and gets, by an arrow, what the "
            "vertical stack has seen; together they see all earlier pixels. No arrow leads back.",
        ),
    )


def skewed(height: int, width: int, row: int, column: int, title: str = "") -> None:
    """A map and the same skewed: a pixel on its diagonal, and the two neighbours that its state follows from.

    Args:
        height, width: of the map; its pixels are counted 1, 2, 3, … in the order of reading.
        row, column: the pixel, with a neighbour above and one to the left.

    Raises:
        ValueError: a size is no whole number above 0, or the pixel is not on the map or has no such neighbours.
    """
    shape = _check.whole("height", height), _check.whole("width", width)
    row, column = _pixel(shape, row, column)
    if not row or not column:
        raise ValueError(f"row, column must be a pixel with a neighbour above and to the left, got {row}, {column}")
    sizes = {"width_ratios": (width, width + height - 1), "figsize": (WIDTH, 0.72 * height + 1.2)}
    figure, axes = plt.subplots(1, 2, **sizes)
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(wspace=0.12)
    r = torch.arange(height)[:, None]
    for ax, moves, name in zip(axes, (0, 1), ("the map", "skewed: each diagonal is a column"), strict=True):
        s = torch.arange(width + moves * (height - 1)) - moves * r  # the map's column at each place
        on_map, diagonal = (s >= 0) & (s < width), r + s == row + column
        near = ((r == row) & (s == column - 1)) | ((r == row - 1) & (s == column))
        _grid(ax, _paint(on_map.shape, (~on_map, "#F2F2F2"), (on_map & diagonal, "#CFE3F1"), (near, SEEN)))
        _frame(ax, row, column + moves * row)
        for (i, j), inside in _entries(on_map):
            number = i * width + s[i, j].item() + 1 if inside else 0
            colour = "white" if near[i, j] else "black" if inside else "#8A8A8A"
            ax.text(j, i, str(number), ha="center", va="center", fontsize=14, color=colour)
        ax.set_title(name, fontsize=12)
    _heading(figure, title)
    number = row * width + column + 1
    show(
        figure,
        sentence(
            title,
            f"A map of {height} × {width} pixels with the numbers 1 to {height * width}, and the same skewed, where "
            f"row r begins r columns further right. Pixel {number}, its left neighbour {number - 1} and its upper one "
            f"{number - width} are marked: skewed, both neighbours stand in the column before the pixel",
        ),
    )


# ---- grids -----------------------------------------------------------------------------------------------------------


def _panels(argument: str, panels) -> dict[str, Tensor]:
    """The panels of a figure as float tensors (rows, columns), one to five, else ValueError."""
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 5:
        got = f"{len(panels)} entries" if isinstance(panels, Mapping) else _check.describe(panels)
        raise ValueError(f"{argument} must be a dictionary of one to five tensors, got {got}")
    return {str(name): _matrix(f"{argument}[{name!r}]", values) for name, values in panels.items()}


def _matrix(name: str, values) -> Tensor:
    if not isinstance(values, Tensor) or values.ndim != 2 or not values.numel():
        raise ValueError(f"{name} must be a tensor of shape (rows, columns), got {_check.describe(values)}")
    return values.detach().cpu().float()


def _pixel(shape, row, column) -> tuple[int, int]:
    row, column = _check.whole("row", row, least=0), _check.whole("column", column, least=0)
    if row >= shape[0] or column >= shape[1]:
        raise ValueError(f"row, column must be a pixel of {shape[0]} x {shape[1]}, got {row}, {column}")
    return row, column


def _earlier(shape, row: int, column: int) -> Tensor:
    """The pixels before (row, column), row by row: bool (H, W)."""
    return torch.arange(shape[0] * shape[1]).view(*shape) < row * shape[1] + column


def _entries(values: Tensor):
    """((row, column), value) of a matrix."""
    for i, line in enumerate(values.tolist()):
        for j, value in enumerate(line):
            yield (i, j), value


def _paint(shape, *layers: tuple[Tensor, str]) -> Tensor:
    """A white picture (H, W, 3) with a colour where each bool (H, W) is true."""
    picture = torch.ones(*shape, 3)
    for where, colour in layers:
        picture[where] = torch.tensor(to_rgb(colour))
    return picture


def _grid(ax: Axes, picture: Tensor) -> None:
    """A small picture with lines between its pixels."""
    ax.imshow(picture.numpy())
    _lines(ax, *picture.shape[:2])


def _lines(ax: Axes, height: int, width: int) -> None:
    ax.set(xticks=[], yticks=[])  # where a major tick is, the minor one and its line would be left out
    ax.set_xticks(torch.arange(width + 1) - 0.5, minor=True)
    ax.set_yticks(torch.arange(height + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#DDDDDD", linewidth=0.6)
    ax.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    ax.spines[:].set_visible(False)


def _frame(ax: Axes, row: int, column: int) -> None:
    """A thick frame around one cell."""
    ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=LEAK, linewidth=3, zorder=3))


def _row_of_axes(panels: Mapping[str, Tensor], title: str, widest: float, below: float = 0.1):
    """A figure with axes side by side, as high as the tallest panel needs."""
    wide = min(WIDTH / len(panels), widest)
    tall = max(wide * values.shape[0] / values.shape[1] for values in panels.values())
    width = max(wide * len(panels), 6.2)
    figure, axes = plt.subplots(
        1, len(panels), figsize=(width, min(tall, 4.5) + (0.55 if title else 0.25) + below), squeeze=False
    )
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(wspace=0.05)
    _heading(figure, title, width)
    return figure, axes[0]


def _heading(figure: Figure, title: str, width: float = WIDTH) -> None:
    if title:
        figure.suptitle(wrap_title(title, width), x=0.01, ha="left")


def _number(value: float) -> str:
    """A number with at most two decimals, and none that are zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")
