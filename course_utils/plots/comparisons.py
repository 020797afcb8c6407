"""Figures that compare: a dot for each model, brackets over its seeds, lines for what is known."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from course_utils import _check
from course_utils.plots.style import COLOURS, LINE, WIDTH, colour_of, sentence, short, show, wrap_title


def dots(
    rows: Sequence[Mapping[str, Any]],
    value: str,
    *,
    name: str = "model",
    low: str | None = None,
    high: str | None = None,
    beside: str | None = None,
    title: str = "",
    xlabel: str = "",
    references: Mapping[str, float] | None = None,
    null: float | None = None,
    ceiling: float | None = None,
    ax: Axes | None = None,
) -> None:
    """One dot a row, the first row on top, with a bracket from the lowest to the highest seed.

    Args:
        rows: dictionaries from column to value. One whose name, or whose column "family", is a key of ``COLOURS`` gets
            that colour.
        value: the column that is drawn; a row in which it is missing is left out of the plot, but named.
        name: the column with the names of the rows.
        low, high: the columns with the ends of the brackets; both or none.
        beside: a column that is drawn as a hollow circle in the same line, a published result for example.
        references: from label to a number that is marked by a line, a published result for example.
        null: what a model without any knowledge gets.
        ceiling: the best that is possible.
        ax: axes to draw on; without it a figure is made and shown.

    Raises:
        ValueError: there are no rows, one has no such name, no row has the column ``value``, something that should be a
            number is none, or a bracket does not hold its dot.
    """
    if isinstance(rows, str | Mapping) or not isinstance(rows, Sequence) or not len(rows):
        raise ValueError(f"rows must be a list of at least one dictionary, got {_check.describe(rows)}")
    if (low is None) != (high is None):
        raise ValueError(f"low and high must be given together, got {low!r} and {high!r}")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or name not in row:
            raise ValueError(f"rows[{number}] must be a dictionary with {name!r}, got {_check.describe(row)}")
    for column in (value, low, high, beside):
        if column is not None and not any(row.get(column) is not None for row in rows):
            raise ValueError(f"rows must have a column {column!r}, got {', '.join(map(repr, rows[0]))}")
    lines = {label: _number(f"references[{label!r}]", x) for label, x in (references or {}).items()}
    if null is not None:
        lines["null"] = _number("null", null)
    if ceiling is not None:
        lines["ceiling"] = _number("ceiling", ceiling)
    found = [_dot(f"rows[{k}]", row, value, low, high) for k, row in enumerate(rows)]
    others = [_dot(f"rows[{k}]", row, beside, None, None)[0] for k, row in enumerate(rows)]
    own = ax is None
    if own:
        figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.4 * len(rows)))
    words = []
    for k, (row, (middle, least, most)) in enumerate(zip(rows, found, strict=True)):
        colour = colour_of(row.get("family")) or colour_of(row[name]) or COLOURS["data"]
        if middle is None:
            at = {"transform": ax.get_yaxis_transform(), "va": "center", "color": COLOURS["baseline"]}
            ax.text(0.015, k, "no value", bbox={"facecolor": "white", "edgecolor": "none", "pad": 2}, **at)
            words.append(f"{row[name]}: no value")
            continue
        if least is not None:
            ax.errorbar(middle, k, xerr=[[middle - least], [most - middle]], color=colour, capsize=5, capthick=2)
        ax.plot(middle, k, "o", color=colour, markersize=10)
        said = f"{row[name]}: {short(middle)}"
        if least is not None:
            said += f" ({short(least)} to {short(most)})"
        if (other := others[k]) is not None:
            ax.plot([middle, other], [k, k], color=colour, linewidth=1.5, zorder=1.5)
            ax.plot(other, k, "o", color=colour, markerfacecolor="white", markeredgewidth=2, markersize=10)
            said += f", {beside} {short(other)}"
        words.append(said)
    ax.set_yticks(range(len(rows)), [str(row[name]) for row in rows])
    ax.set(xlabel=xlabel or value.replace("_", " "), ylim=(len(rows) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.margins(x=0.06)
    levels = _mark(ax, lines, own)
    names = max(len(str(row[name])) for row in rows) * 0.09  # inches that they take
    heading = wrap_title(title, WIDTH - names - 0.2) if own else title
    ax.set_title(heading, pad=6 + 72 * LINE * levels)
    if own:
        figure.set_size_inches(WIDTH, 0.9 + 0.4 * len(rows) + LINE * (levels + len(heading.split("\n"))))
        marks = f"Lines at {', '.join(f'{label} {short(x)}' for label, x in lines.items())}" if lines else ""
        show(figure, sentence(title, f"{xlabel or value.replace('_', ' ')}. " + "; ".join(words), marks))


def _mark(ax: Axes, lines: Mapping[str, float], own: bool) -> int:
    """Vertical lines with their names like flags above the axes, on as many levels as needed; returns that number."""
    if not lines:
        return 0
    ax.autoscale_view()
    left, right = min([ax.get_xlim()[0], *lines.values()]), max([ax.get_xlim()[1], *lines.values()])
    margin = 0.02 * (right - left)
    ax.set_xlim(left - margin, right + margin)
    size = ax.figure.get_size_inches()[0]  # pyright: ignore[reportAttributeAccessIssue]
    names = max(len(text.get_text()) for text in ax.get_yticklabels())
    wide = max(size - 0.09 * names - 0.3, 1.0) if own else ax.get_position().width * size
    levels: list[float] = []  # where the leftmost name on each level begins
    # From right to left: a line that goes up to a higher level has all names of the lower ones at its right.
    for label, x in sorted(lines.items(), key=lambda item: -item[1]):
        style = {"null": ":", "ceiling": "-."}.get(label, "--")
        ax.axvline(x, color=COLOURS["baseline"], linestyle=style, linewidth=1.5, zorder=1)
        at = (x - left) / (right - left) * wide
        level = next((k for k, begin in enumerate(levels) if at + 0.1 * len(label) + 0.1 < begin), len(levels))
        levels[level : level + 1] = [at]
        high = 72 * LINE * level
        flag = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
        pole = {"arrowstyle": "-", "color": COLOURS["baseline"], "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (x, 1.0), (0, high + 14), arrowprops=pole, **flag)
        ax.annotate(label, (x, 1.0), (4, high + 2), ha="left", va="bottom", color="#4F4F4F", **flag)
    return len(levels)


def _number(name: str, value) -> float:
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {_check.describe(value)}")
    return float(value)


def _missing(value) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _dot(argument: str, row: Mapping, value: str | None, low: str | None, high: str | None) -> tuple:
    """The value of a row and the ends of its bracket, each None where it is missing."""
    if _missing(row.get(value)):
        return None, None, None
    middle = _number(f"{argument}[{value!r}]", row[value])
    if low is None or _missing(row.get(low)) or _missing(row.get(high)):
        return middle, None, None
    least, most = _number(f"{argument}[{low!r}]", row[low]), _number(f"{argument}[{high!r}]", row[high])
    if not least <= middle <= most:
        raise ValueError(f"{argument} must have {low!r} <= {value!r} <= {high!r}, got {least}, {middle}, {most}")
    return middle, least, most
