"""Two measures against each other: a dot for each model, with the spread of its runs in both."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from course_utils import _check
from course_utils.plots.curves import LOGS, _scale
from course_utils.plots.style import COLOURS, WIDTH, colour_of, sentence, short, show, wrap_title

TALL = 4.6  # inches
# Where a name may stand, the best place first: right or left of its dot, and how many lines above it.
SIDES = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 2), (1, -2))


def against(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    title: str = "",
    *,
    name: str = "model",
    xlabel: str = "",
    ylabel: str = "",
    hollow: str | None = None,
    log: str = "",
) -> None:
    """A dot for each row at the mean of its runs in two columns, with brackets from the least to the most of them.

    Args:
        rows: dictionaries from column to value. In the columns ``x`` and ``y`` stand numbers, or lists of them, one for
            each run; a row in which one of the two is missing is left out, and the alt text says so. One whose name, or
            whose column "family", is a key of ``COLOURS`` gets that colour.
        name: the column with the names of the rows, which are written beside the dots.
        hollow: a column; where it is true, the dot is hollow.
        log: the axes that are logarithmic: "", "x", "y" or "xy".

    Raises:
        ValueError: there are no rows, one has no such name, no row has both columns, a value is no finite number, or is
            not above 0 on a logarithmic axis, or ``log`` is something else.
    """
    if log not in LOGS:
        raise ValueError(f'log must be "", "x", "y" or "xy", got {log!r}')
    if isinstance(rows, str | Mapping) or not isinstance(rows, Sequence) or not len(rows):
        raise ValueError(f"rows must be a list of at least one dictionary, got {_check.describe(rows)}")
    for k, row in enumerate(rows):
        if not isinstance(row, Mapping) or name not in row:
            raise ValueError(f"rows[{k}] must be a dictionary with {name!r}, got {_check.describe(row)}")
    found = [tuple(_runs(f"rows[{k}]", row, key, axis in log) for axis, key in zip("xy", (x, y), strict=True))
             for k, row in enumerate(rows)]  # fmt: skip
    if not any(None not in pair for pair in found):
        raise ValueError(f"rows must have the columns {x!r} and {y!r}, got {', '.join(map(repr, rows[0]))}")
    figure, ax = plt.subplots(figsize=(WIDTH, TALL))
    words, dots = [], []
    for row, pair in zip(rows, found, strict=True):
        if None in pair:
            words.append(f"{row[name]}: no value")
            continue
        colour = colour_of(row.get("family")) or colour_of(row[name]) or COLOURS["data"]
        both = [runs for runs in pair if runs is not None]
        middle = [sum(runs) / len(runs) for runs in both]
        ends = [[[m - min(runs)], [max(runs) - m]] for m, runs in zip(middle, both, strict=True)]
        ax.errorbar(*middle, xerr=ends[0], yerr=ends[1], color=colour, capsize=4, capthick=1.5, linewidth=1.5)
        fill = "white" if hollow is not None and row.get(hollow) else colour
        ax.plot(*middle, "o", color=colour, markerfacecolor=fill, markeredgewidth=2, markersize=10)
        dots.append((str(row[name]), *both, colour))
        words.append(f"{row[name]}: {short(middle[0])}, {short(middle[1])}")
    _scale(ax, log)
    ax.margins(0.08)
    ax.set(xlabel=xlabel or x.replace("_", " "), ylabel=ylabel or y.replace("_", " "))
    ax.set_title(wrap_title(title, WIDTH - 0.8))
    _name(ax, dots)
    over = f"{ylabel or y} over {xlabel or x}, means of the runs"
    show(figure, sentence(title, f"Dots: {over}, given as pairs ({x}, {y}). " + "; ".join(words)))


def _runs(argument: str, row: Mapping, key: str, above_0: bool) -> list[float] | None:
    """The numbers in one column of a row as a list, None where they are missing."""
    value = row.get(key)
    if value is None:
        return None
    try:
        numbers = torch.as_tensor(value, dtype=torch.float64).detach().cpu().reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        numbers = torch.tensor([math.nan])
    if not len(numbers):
        return None
    if not numbers.isfinite().all() or (above_0 and (numbers <= 0).any()):
        above = " above 0" if above_0 else ""
        raise ValueError(f"{argument}[{key!r}] must be a finite number{above}, or some, got {_check.describe(value)}")
    return numbers.tolist()


def _name(ax: Axes, dots: list[tuple[str, list[float], list[float], str]]) -> None:
    """Write each name beside its dot: at the right, left, above or below, where it covers least."""
    # only now it is known where the axes lie
    ax.figure.draw_without_rendering()  # pyright: ignore[reportAttributeAccessIssue]
    axes, covered, points = ax.get_window_extent(), [], []
    for _, x, y, _ in dots:
        (px, py), low, high = ax.transData.transform(
            [(sum(x) / len(x), sum(y) / len(y)), (min(x), min(y)), (max(x), max(y))]
        ).tolist()
        points.append((px, py))
        covered += [(px - 8, py - 8, px + 8, py + 8), (low[0] - 1, py - 4, high[0] + 1, py + 4)]  # dot and brackets
        covered.append((px - 4, low[1] - 1, px + 4, high[1] + 1))
    for (label, x, y, colour), (px, py) in zip(dots, points, strict=True):
        place = (sum(x) / len(x), sum(y) / len(y))
        text = ax.annotate(label, place, (0, 0), textcoords="offset points", va="center", color=colour, zorder=1.5)
        text.set(fontweight="bold", path_effects=[withStroke(linewidth=4, foreground="white")])
        size = text.get_window_extent()
        choices = []
        for side, up in SIDES:
            left = px + 13 if side > 0 else px - 13 - size.width if side < 0 else px - size.width / 2
            low = py + 18 * up - size.height / 2
            box = (left, low, left + size.width, low + size.height)
            outside = max(0.0, axes.x0 - box[0]) + max(0.0, box[2] - axes.x1) + max(0.0, axes.y0 - box[1])
            choices.append((sum(_overlap(box, other) for other in covered) + 20 * outside, len(choices), box))
        _, _, box = min(choices)
        covered.append(box)
        points_per_pixel = 72 / ax.figure.dpi
        text.set_position(((box[0] - px) * points_per_pixel, (box[1] + size.height / 2 - py) * points_per_pixel))


def _overlap(a: tuple, b: tuple) -> float:
    """Area in which two boxes (left, low, right, high) cover each other."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
