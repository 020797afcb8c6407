"""Figures of numbers over numbers: curves, training runs; several runs as a band."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, LINE, WIDTH, colour_of, sentence, short, show, wrap_title

# The order in which series that are no family get their colours; baseline and data come last.
ORDER = [COLOURS[k] for k in ("autoregressive", "vae", "gan", "wrong", "flow", "diffusion", "baseline", "data")]
LOGS = ("", "x", "y", "xy")
TALL = 3.8  # inches: height of a figure of curves


def band(ax: Axes, x: Tensor | Sequence[float], runs: Tensor, label: str, colour: str, line: str = "o-") -> None:
    """The mean of several runs (R, N) over x (N,), and a band from the smallest to the largest of them."""
    ax.plot(x, runs.mean(0), line, color=colour, label=label)
    ax.fill_between(x, runs.min(0).values, runs.max(0).values, alpha=0.2, color=colour)


def curves(
    series: Mapping[str, Tensor | tuple[Tensor, Tensor]],
    title: str = "",
    *,
    x: Tensor | None = None,
    xlabel: str = "",
    ylabel: str = "",
    log: str = "",
    smooth: int = 0,
    points: bool = False,
    like: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> None:
    """Curves with their names beside them; several runs of one thing are their mean and a band from least to most.

    Args:
        series: from name to values (N,), to runs (R, N), or to a pair (x, values) with its own x (N,). A name that is a
            key of ``COLOURS``, in small letters or capitals, gets that colour.
        x: x (N,) of all series without their own; by default they are counted 1, 2, 3, …
        log: the axes that are logarithmic: "", "x", "y" or "xy".
        smooth: above 1, values are averaged over a window of so many; what they were before is drawn faintly.
        points: mark the values on the curves.
        like: from the name of a series to a key of ``COLOURS`` whose colour it gets.
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
    colours, ends = _colours([(like or {}).get(name, name) for name in parsed]), []
    for (name, (places, runs)), colour in zip(parsed.items(), colours, strict=True):
        if smooth > 1:
            ax.plot(places, runs.mean(0), color=colour, alpha=0.25, linewidth=1)
            runs = moving_average(runs, smooth)
        middle = runs.mean(0)
        ax.plot(places, middle, "o-" if points else "-", color=colour, label=name)
        if len(runs) > 1:
            ax.fill_between(places, runs.min(0).values, runs.max(0).values, alpha=0.2, color=colour, linewidth=0)
        ends.append((name, *_end(places, middle), colour))
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
    ax: Axes | None = None,
) -> None:
    """A training run: the loss of each step, faintly, its moving average, and the validation.

    Where the validation rises again at the end, by more than a twentieth of all it has fallen, its lowest point is
    marked: there one would stop. A curve that only falls, or that chance alone moves, has no such point.

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
        at = every * (torch.arange(len(valid)) + (len(valid) <= fit))
    own = ax is None
    if own:
        figure, ax = plt.subplots(figsize=(WIDTH, TALL))
    grey, black = COLOURS["baseline"], COLOURS["data"]
    smooth = moving_average(train[None], max(1, len(train) // 40))[0]
    ax.plot(steps, train, color=grey, alpha=0.3, linewidth=1)
    ax.plot(steps, smooth, color=grey, label="training")
    ends = [("training", *_end(steps, smooth), "#5F5F5F")]
    seen = [smooth[len(train) // 20 :]]  # the first steps would flatten all that follows
    words = [f"Training loss of {len(train):,} steps, from {short(train[0])} to {short(smooth[-1])} {ylabel}"]
    if valid is not None:
        ax.plot(at, valid, "o-", color=black, markersize=5, label="validation")
        k = int(valid.nan_to_num(nan=math.inf).argmin())
        fallen = valid[valid.isfinite()].max() - valid[k] if valid.isfinite().any() else 0.0
        rises = not valid[-1] <= valid[k] + 0.05 * fallen  # also where the last value is no number
        lowest = f"lowest: {short(valid[k])} at step {at[k]:,}"
        seen.append(valid[at > 0])
        words.append(f"Validation, every {every} steps, {lowest}, last {short(valid[-1])}")
        ends.append(("validation", *_end(at, valid), black))
    seen, raw = torch.cat(seen), train[len(train) // 20 :]
    seen, raw = seen[seen.isfinite()], raw[raw.isfinite()]  # a run may diverge
    if len(seen) and len(raw):
        low, high = min(seen.min(), raw.quantile(0.01)).item(), seen.max().item()
        margin = 0.1 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + (2.5 if valid is not None else 1) * margin)  # room for the words at the top
    if valid is not None and rises:
        ring = {"markersize": 15, "markerfacecolor": "none", "markeredgewidth": 2.5, "clip_on": False}
        ax.plot(at[k], valid[k], "o", color=COLOURS["wrong"], **ring)
        ax.plot([at[k], at[k]], [valid[k].item(), ax.get_ylim()[1]], ":", color=COLOURS["wrong"], linewidth=1.5)
        right = at[k] > len(train) / 2
        where = ax.get_xaxis_transform()
        side: dict[str, Any] = {
            "ha": "right" if right else "left",
            "va": "top",
            "color": COLOURS["wrong"],
            "fontweight": "bold",
        }
        place: Any = at[k] + (-0.01 if right else 0.01) * len(train)
        name = ax.text(place, 0.99, lowest, transform=where, **side)
        name.set_path_effects([withStroke(linewidth=4, foreground="white")])
    ax.set(xlabel="step", ylabel=ylabel, xlim=(0, len(train) * 1.01))
    ax.set_title(wrap_title(title, WIDTH - 0.8) if own else title)
    _name_the_ends(ax, ends)
    if own:
        show(figure, sentence(title, *words))


def moving_average(values: Tensor, window: int) -> Tensor:
    """The mean of the ``window`` values around each of (R, N), of fewer where the row begins or ends; (R, N)."""
    window = _check.whole("window", window)
    # NaN stands for what lies beyond the ends; where a run has diverged, there is no mean either.
    padded = torch.nn.functional.pad(values, (window // 2, (window - 1) // 2), value=math.nan)
    return padded.unfold(1, window, 1).nanmean(-1)


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


def _end(places: Tensor, values: Tensor) -> tuple[float, float]:
    """Where a curve ends: its last point that is not NaN or infinite."""
    last = values.isfinite().nonzero()
    k = int(last[-1]) if len(last) else -1
    return places[k].item(), values[k].item()


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
        if axis in log and (held <= 0).any():
            raise ValueError(
                f"{argument} must be above 0 on a logarithmic axis, got {held[held <= 0].min():.4g} in {axis}"
            )
    return places, runs


def _colours(names) -> list[str]:
    """A colour for each name: a family's own, else the next one of the order that no family has taken."""
    own = [colour_of(name) for name in names]
    free = [colour for colour in ORDER if colour not in own] or ORDER
    others = itertools.cycle(free)
    return [colour or next(others) for colour in own]


def _scale(ax: Axes, log: str) -> None:
    """Logarithmic axes, with 0.1, 1, 10 in place of powers, and 2 and 5 between them where there are few of these."""
    for letter in log:
        axis = getattr(ax, f"{letter}axis")
        getattr(ax, f"set_{letter}scale")("log")
        axis.set_major_formatter(lambda value, _: f"{value:,g}" if 9e-5 < value < 1e5 else f"{value:.0e}")
        ax.autoscale_view()
        low, high = axis.get_view_interval()
        few = math.log10(high / low) < 2
        axis.set_minor_formatter(lambda value, _, few=few: f"{value:,g}" if few and f"{value:e}"[0] in "25" else "")


def _name_the_ends(ax: Axes, ends: list[tuple]) -> None:
    """Write each name at the right of the axes, as high as its curve ends, but no two over each other.

    A curve that ends before the others has its name where it ends.
    """
    ax.autoscale_view()
    ax.set_xlim(ax.get_xlim())
    ax.set_ylim(ax.get_ylim())
    tall = ax.get_position().height * ax.figure.get_size_inches()[1]  # pyright: ignore[reportAttributeAccessIssue]
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


def _place(ax: Axes, x: float, y: float) -> tuple[float, float]:
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


def _in_words(xlabel: str, ylabel: str, log: str, series: Mapping[str, tuple[Tensor, Tensor]]) -> str:
    """What the curves are, and from where to where each goes."""
    over = f" over {xlabel}" if xlabel else ""
    scale = {"": "", "xy": " (both axes logarithmic)"}.get(log, f" ({log} logarithmic)")
    parts = []
    for name, (places, runs) in series.items():
        middle, several = runs.mean(0), f", mean of {len(runs)} runs," if len(runs) > 1 else ""
        ends = [f"{short(middle[k])} at {short(places[k])}" for k in (0, -1)]
        parts.append(f"{name}{several} from {ends[0]} to {ends[1]}".strip())
    return f"Curves of {ylabel or 'values'}{over}{scale}: " + "; ".join(parts)
