"""Figures of numbers: curves, training runs, dots with brackets; several runs as a band."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.patheffects import withStroke
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, show, wrap_title

# The order in which series that are no family get their colours; baseline and data come last.
ORDER = [COLOURS[k] for k in ("autoregressive", "vae", "gan", "wrong", "flow", "diffusion", "baseline", "data")]
LOGS = ("", "x", "y", "xy")
TALL = 3.8  # inches: height of a figure of curves
LINE = 1.35 * 12 / 72  # inches from one line of text to the next


def band(ax: plt.Axes, x, runs: Tensor, label: str, colour: str, line: str = "o-") -> None:
    """The mean of several runs (R, N) over x (N,), and a band from the smallest to the largest of them."""
    ax.plot(x, runs.mean(0), line, color=colour, label=label)
    ax.fill_between(x, runs.min(0).values, runs.max(0).values, alpha=0.2, color=colour)


def curves(
    series: Mapping[str, Tensor | tuple],
    title: str = "",
    *,
    x: Tensor | None = None,
    xlabel: str = "",
    ylabel: str = "",
    log: str = "",
    smooth: int = 0,
    points: bool = False,
    ax: plt.Axes | None = None,
) -> None:
    """Curves with their names beside them; several runs of one thing are their mean and a band from least to most.

    Args:
        series: from name to values (N,), to runs (R, N), or to a pair (x, values) with its own x (N,). A name that is a
            key of ``COLOURS`` gets that colour.
        x: x (N,) of all series without their own; by default they are counted 1, 2, 3, …
        log: the axes that are logarithmic: "", "x", "y" or "xy".
        smooth: above 1, values are averaged over a window of so many; what they were before is drawn faintly.
        points: mark the values on the curves.
        ax: axes to draw on; without it a figure is made and shown.

    Raises:
        ValueError: there are no series, one has another shape, x and values differ in number, ``log`` is something
            else, or a logarithmic axis would hold a value that is not above 0.
    """
    if log not in LOGS:
        raise ValueError(f'log must be "", "x", "y" or "xy", got {log!r}')
    smooth = _check.whole("smooth", smooth, least=0)
    parsed = {name: _series(name, values, x, log) for name, values in _named("series", series).items()}
    own = ax is None
    if own:
        figure, ax = plt.subplots(figsize=(WIDTH, TALL))
    colours, ends = _colours(parsed), []
    for (name, (places, runs)), colour in zip(parsed.items(), colours, strict=True):
        if smooth > 1:
            ax.plot(places, runs.mean(0), color=colour, alpha=0.25, linewidth=1)
            runs = moving_average(runs, smooth)
        middle = runs.mean(0)
        ax.plot(places, middle, "o-" if points else "-", color=colour, label=name)
        if len(runs) > 1:
            ax.fill_between(places, runs.min(0).values, runs.max(0).values, alpha=0.2, color=colour, linewidth=0)
        ends.append((name, places[-1].item(), middle[-1].item(), colour))
    _scale(ax, log)
    ax.margins(x=0.02)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(wrap_title(title, WIDTH - 0.8) if own else title)
    if len(parsed) > 1 or "" not in parsed:
        _name_the_ends(ax, ends)
    if own:
        show(figure, sentence(title, _in_words(xlabel, ylabel, log, parsed)))


def training(
    train: Tensor,
    valid: Tensor | None = None,
    title: str = "",
    *,
    every: int = 1,
    ylabel: str = "nats",
    ax: plt.Axes | None = None,
) -> None:
    """A training run: the loss of each step, faintly, its moving average, and the validation with its lowest point.

    Args:
        train: loss (N,) of steps 1 to N.
        valid: values (M,) on held-out data, measured after steps ``every``, 2 ``every``, …; with one value more than
            fit, the first was measured before step 1.
        ax: axes to draw on; without it a figure is made and shown.

    Raises:
        ValueError: ``train`` is not (N,), ``valid`` is not (M,), or M measurements do not fit into N steps.
    """
    train = _numbers("train", train, 1)
    every, steps = _check.whole("every", every), torch.arange(1, len(train) + 1)
    if valid is not None:
        valid = _numbers("valid", valid, 1)
        fit = len(train) // every
        if len(valid) > fit + 1:
            raise ValueError(
                f"valid must hold at most {fit + 1} values for {len(train)} steps, one every {every}, got {len(valid)}"
            )
        at = every * torch.arange(0 if len(valid) == fit + 1 else 1, len(valid) + (0 if len(valid) == fit + 1 else 1))
    own = ax is None
    if own:
        figure, ax = plt.subplots(figsize=(WIDTH, TALL))
    grey, black = COLOURS["baseline"], COLOURS["data"]
    smooth = moving_average(train[None], max(1, len(train) // 40))[0]
    ax.plot(steps, train, color=grey, alpha=0.3, linewidth=1)
    ax.plot(steps, smooth, color=grey, label="training")
    ends = [("training", len(train), smooth[-1].item(), "#5F5F5F")]
    seen = [smooth[len(train) // 20 :]]  # the first steps would flatten all that follows
    words = [f"Training loss of {len(train):,} steps, from {_short(train[0])} to {_short(smooth[-1])} {ylabel}"]
    if valid is not None:
        ax.plot(at, valid, "o-", color=black, markersize=5, label="validation")
        k = valid.argmin().item()
        ring = {"markersize": 15, "markerfacecolor": "none", "markeredgewidth": 2.5, "clip_on": False}
        ax.plot(at[k], valid[k], "o", color=COLOURS["wrong"], **ring)
        lowest = f"lowest: {_short(valid[k])} at step {at[k]:,}"
        seen.append(valid[at > 0])
        words.append(f"Validation, every {every} steps, {lowest}, last {_short(valid[-1])}")
        ends.append(("validation", at[-1].item(), valid[-1].item(), black))
    seen = torch.cat(seen)
    low, high = min(seen.min(), train[len(train) // 20 :].quantile(0.01)).item(), seen.max().item()
    margin = 0.1 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + (2.5 if valid is not None else 1) * margin)  # room for the words at the top
    if valid is not None:
        ax.plot([at[k], at[k]], [valid[k].item(), ax.get_ylim()[1]], ":", color=COLOURS["wrong"], linewidth=1.5)
        right = at[k] > len(train) / 2
        where = ax.get_xaxis_transform()
        side = {"ha": "right" if right else "left", "va": "top", "color": COLOURS["wrong"], "fontweight": "bold"}
        name = ax.text(at[k] + (-0.01 if right else 0.01) * len(train), 0.99, lowest, transform=where, **side)
        name.set_path_effects([withStroke(linewidth=4, foreground="white")])
    ax.set(xlabel="step", ylabel=ylabel, xlim=(0, len(train) * 1.01))
    ax.set_title(wrap_title(title, WIDTH - 0.8) if own else title)
    _name_the_ends(ax, ends)
    if own:
        show(figure, sentence(title, *words))


def dots(
    rows: Sequence[Mapping],
    value: str,
    *,
    name: str = "model",
    low: str | None = None,
    high: str | None = None,
    title: str = "",
    xlabel: str = "",
    references: Mapping[str, float] | None = None,
    null: float | None = None,
    ceiling: float | None = None,
    ax: plt.Axes | None = None,
) -> None:
    """One dot a row, the first row on top, with a bracket from the lowest to the highest seed.

    Args:
        rows: dictionaries from column to value. One whose name, or whose column "family", is a key of ``COLOURS`` gets
            that colour.
        value: the column that is drawn; a row in which it is missing is left out of the plot, but named.
        name: the column with the names of the rows.
        low, high: the columns with the ends of the brackets; both or none.
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
    for column in (value, low, high):
        if column is not None and not any(row.get(column) is not None for row in rows):
            raise ValueError(f"rows must have a column {column!r}, got {', '.join(map(repr, rows[0]))}")
    lines = {label: _number(f"references[{label!r}]", x) for label, x in (references or {}).items()}
    if null is not None:
        lines["null"] = _number("null", null)
    if ceiling is not None:
        lines["ceiling"] = _number("ceiling", ceiling)
    own = ax is None
    if own:
        figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.4 * len(rows)))
    words = []
    for k, row in enumerate(rows):
        colour = COLOURS.get(row.get("family"), COLOURS.get(row[name], COLOURS["data"]))
        if row.get(value) is None:
            at = {"transform": ax.get_yaxis_transform(), "va": "center", "color": COLOURS["baseline"]}
            ax.text(0.015, k, "no value", bbox={"facecolor": "white", "edgecolor": "none", "pad": 2}, **at)
            words.append(f"{row[name]}: no value")
            continue
        middle, said = _number(f"rows[{k}][{value!r}]", row[value]), ""
        if low is not None and row.get(low) is not None and row.get(high) is not None:
            ends = _number(f"rows[{k}][{low!r}]", row[low]), _number(f"rows[{k}][{high!r}]", row[high])
            if not ends[0] <= middle <= ends[1]:
                raise ValueError(
                    f"rows[{k}] must have {low!r} <= {value!r} <= {high!r}, got {ends[0]}, {middle}, {ends[1]}"
                )
            ax.errorbar(middle, k, xerr=[[middle - ends[0]], [ends[1] - middle]], color=colour, capsize=5, capthick=2)
            said = f" ({_short(ends[0])} to {_short(ends[1])})"
        ax.plot(middle, k, "o", color=colour, markersize=10)
        words.append(f"{row[name]}: {_short(middle)}{said}")
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
        marks = f"Lines at {', '.join(f'{label} {_short(x)}' for label, x in lines.items())}" if lines else ""
        show(figure, sentence(title, f"{xlabel or value.replace('_', ' ')}. " + "; ".join(words), marks))


def moving_average(values: Tensor, window: int) -> Tensor:
    """The mean of the ``window`` values around each of (R, N), of fewer where the row begins or ends; (R, N)."""
    window = _check.whole("window", window)
    total = torch.cat([torch.zeros(len(values), 1, dtype=values.dtype), values.cumsum(1)], 1)
    places = torch.arange(values.shape[1])
    first, last = (places - window // 2).clamp(min=0), (places + (window + 1) // 2).clamp(max=values.shape[1])
    return (total[:, last] - total[:, first]) / (last - first)


def _named(argument: str, series) -> Mapping:
    if not isinstance(series, Mapping) or not series:
        raise ValueError(f"{argument} must be a dictionary from name to values, got {_check.describe(series)}")
    return series


def _numbers(name: str, values, *ndims: int) -> Tensor:
    """The values as float64 without a gradient, of one of these numbers of dimensions, else ValueError."""
    try:
        numbers = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        numbers = None
    if numbers is None or numbers.ndim not in ndims or not numbers.numel():
        shapes = " or ".join({1: "(N,)", 2: "(R, N)"}[n] for n in ndims)
        raise ValueError(f"{name} must be numbers of shape {shapes}, got {_check.describe(values)}")
    return numbers


def _number(name: str, value) -> float:
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {_check.describe(value)}")
    return float(value)


def _series(name: str, values, x, log: str) -> tuple[Tensor, Tensor]:
    """x (N,) and runs (R, N) of one series."""
    argument = f"series[{name!r}]"
    if isinstance(values, tuple) and len(values) == 2 and all(getattr(v, "__len__", None) for v in values):
        x, values = values
    runs = _numbers(argument, values, 1, 2)
    runs = runs[None] if runs.ndim == 1 else runs
    places = torch.arange(1, runs.shape[1] + 1) if x is None else _numbers(f"x of {argument}", x, 1)
    if len(places) != runs.shape[1]:
        raise ValueError(f"{argument} must have as many values as its x, got {runs.shape[1]} and {len(places)}")
    for axis, held in (("x", places), ("y", runs)):
        if axis in log and not (held > 0).all():
            raise ValueError(f"{argument} must be above 0 on a logarithmic axis, got {held.min():.4g} in {axis}")
    return places, runs


def _colours(names) -> list[str]:
    """A colour for each name: a family's own, else the next one of the order that no family has taken."""
    taken = {COLOURS[name] for name in names if name in COLOURS}
    free = [colour for colour in ORDER if colour not in taken] or ORDER
    others = [name for name in names if name not in COLOURS]
    return [COLOURS[name] if name in COLOURS else free[others.index(name) % len(free)] for name in names]


def _scale(ax: plt.Axes, log: str) -> None:
    """Logarithmic axes, with 0.1, 1, 10 in place of powers, and 2 and 5 between them where there are few of these."""
    for letter in log:
        axis = getattr(ax, f"{letter}axis")
        getattr(ax, f"set_{letter}scale")("log")
        axis.set_major_formatter(lambda value, _: f"{value:,g}" if 1e-3 < value < 1e5 else f"{value:.0e}")
        ax.autoscale_view()
        low, high = axis.get_view_interval()
        few = math.log10(high / low) < 2
        axis.set_minor_formatter(lambda value, _, few=few: f"{value:,g}" if few and f"{value:e}"[0] in "25" else "")


def _name_the_ends(ax: plt.Axes, ends: list[tuple]) -> None:
    """Write each name at the right of the axes, as high as its curve ends, but no two over each other.

    A curve that ends before the others has its name where it ends.
    """
    ax.autoscale_view()
    ax.set_xlim(ax.get_xlim())
    ax.set_ylim(ax.get_ylim())
    tall = ax.get_position().height * ax.figure.get_size_inches()[1]
    beside = []
    for name, x, y, colour in ends:
        across, up = _place(ax, x, y)
        if across > 0.9:
            beside.append((name, across, up, colour))
            continue
        text = ax.annotate(name, (x, y), (7, 0), textcoords="offset points", va="center", color=colour)
        text.set(fontweight="bold", path_effects=[withStroke(linewidth=4, foreground="white")])
    heights = spread([up for _, _, up, _ in beside], LINE / tall)
    for (name, across, up, colour), height in zip(beside, heights, strict=True):
        ax.text(1.03, height, name, transform=ax.transAxes, color=colour, va="center", fontweight="bold")
        if abs(height - up) > 0.02:  # a thin line leads from the curve to its name
            ends_of_line = [across, 1.025], [up, height]
            ax.plot(*ends_of_line, transform=ax.transAxes, color=colour, linewidth=1, clip_on=False)


def _place(ax: plt.Axes, x: float, y: float) -> tuple[float, float]:
    """Where (x, y) lies on the axes: from 0 at the left and the bottom to 1 at the right and the top, not beyond."""
    at = ax.transAxes.inverted().transform(ax.transData.transform((x, y))).tolist()
    across, up = (min(max(part, 0.0), 1.0) if math.isfinite(part) else 0.5 for part in at)
    return across, up


def spread(heights: list[float], gap: float) -> list[float]:
    """Heights in the same order and as near as can be to those given, but at least ``gap`` apart."""
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    groups = []  # of neighbours that push each other: their numbers, and the height of the lowest
    for k in order:
        groups.append([[k], heights[k]])
        while len(groups) > 1 and groups[-2][1] + gap * len(groups[-2][0]) > groups[-1][1]:
            members = groups[-2][0] + groups.pop()[0]
            groups[-1] = [members, sum(heights[m] - gap * i for i, m in enumerate(members)) / len(members)]
    put = list(heights)
    for members, lowest in groups:
        for i, k in enumerate(members):
            put[k] = lowest + gap * i
    return put


def _mark(ax: plt.Axes, lines: Mapping[str, float], own: bool) -> int:
    """Vertical lines with their names like flags above the axes, on as many levels as needed; returns that number."""
    if not lines:
        return 0
    ax.autoscale_view()
    left, right = min([ax.get_xlim()[0], *lines.values()]), max([ax.get_xlim()[1], *lines.values()])
    margin = 0.02 * (right - left)
    ax.set_xlim(left - margin, right + margin)
    size = ax.figure.get_size_inches()[0]
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


def _in_words(xlabel: str, ylabel: str, log: str, series: Mapping[str, tuple[Tensor, Tensor]]) -> str:
    """What the curves are, and from where to where each goes."""
    over = f" over {xlabel}" if xlabel else ""
    scale = {"": "", "xy": " (both axes logarithmic)"}.get(log, f" ({log} logarithmic)")
    parts = []
    for name, (places, runs) in series.items():
        middle, several = runs.mean(0), f", mean of {len(runs)} runs," if len(runs) > 1 else ""
        ends = [f"{_short(middle[k])} at {_short(places[k])}" for k in (0, -1)]
        parts.append(f"{name}{several} from {ends[0]} to {ends[1]}".strip())
    return f"Curves of {ylabel or 'values'}{over}{scale}: " + "; ".join(parts)


def _short(value) -> str:
    """A number in at most four significant digits."""
    value = float(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
