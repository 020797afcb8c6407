"""Figures of a contest between losses: what each makes, how its score grows, and where all of its runs end."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.lines import Line2D
from torch import Tensor

from course_utils import _check
from course_utils.plots.curves import ORDER, _scale
from course_utils.plots.style import COLOURS, WIDTH, sentence, short, show, wrap_title


def clouds(panels: Mapping[str, Tensor], title: str = "", *, limit: float = 1.6, columns: int = 5) -> None:
    """Sets of points in the plane as small squares, up to thirty of them, row by row.

    Args:
        panels: name, which may have several lines, to points (N, 2). Points that are not finite are left out, and a
            panel says so if none lies in its square.
        limit: half the side of the squares.
        columns: panels in a row.

    Raises:
        ValueError: panels is not a dictionary of one to thirty sets of points (N, 2), or limit is not above 0.
    """
    limit, columns = _check.positive("limit", limit), _check.whole("columns", columns)
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 30:
        raise ValueError(f"panels must be a dictionary of one to thirty sets of points, got {_check.describe(panels)}")
    for name, points in panels.items():
        if not isinstance(points, Tensor) or points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"panels[{name!r}] must be points (N, 2), got {_check.describe(points)}")
    rows, lines = math.ceil(len(panels) / columns), max(name.count("\n") + 1 for name in panels)
    columns = math.ceil(len(panels) / rows)  # as many in each row
    side = min(WIDTH / columns, 3.0, 5.3 / rows - 0.2 * lines)  # not taller than a slide
    size = (side * columns, (side + 0.2 * lines) * rows + 0.3)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, points) in zip(axes.flat, panels.items(), strict=False):
        points = points.detach().float().cpu()
        colour = COLOURS.get(name, COLOURS["data"] if name.startswith("real") else COLOURS["gan"])
        if not (points.abs() <= limit).all(1).any():  # a NaN is not in it either
            ax.text(0.5, 0.5, "all points\noutside", transform=ax.transAxes, ha="center", va="center", fontsize=9)
        ax.plot(*points[points.isfinite().all(1)].T.numpy(), ".", color=colour, markersize=2, alpha=0.7)
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
        ax.set_axis_on()
        ax.spines[:].set(visible=True, color="#BBBBBB")
        ax.set_title(name, fontsize=10.5, fontweight="normal", loc="center")
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    named = ", ".join(" ".join(name.split()) for name in panels)
    show(figure, sentence(title, f"Points in the plane, panel by panel: {named}"))


KINDS = {"": ("bare", "gan", -0.2), "R1": ("with R1", "autoregressive", 0.06)}
OTHER = ("with a gradient penalty", "vae", 0.32)


def runs(panels: Mapping[str, Sequence[Mapping[str, Any]]], title: str = "", *, xlabel: str = "score") -> None:
    """Every run of a contest as a dot, between the null 0 and the ceiling 1: a panel a data set, a line a loss.

    Args:
        panels: title to rows, each with "loss", "penalty" ("", "R1" or another), "scores" (a list, one a run), "median"
            (a bar), and "converged"; if that is false, the dots are hollow.

    Raises:
        ValueError: there are not one to three panels, one has no rows, or a row lacks one of these.
    """
    keys = {"loss", "penalty", "scores", "median", "converged"}
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 3:
        raise ValueError(f"panels must be a dictionary of one to three, got {_check.describe(panels)}")
    for name, rows in panels.items():
        if not rows or not all(isinstance(row, Mapping) and keys <= set(row) for row in rows):
            raise ValueError(f"panels[{name!r}] must hold rows with loss, penalty, scores, median and converged")
    losses = list(dict.fromkeys(row["loss"] for rows in panels.values() for row in rows))
    height = 1.7 + 0.46 * len(losses)
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, height), sharey=True, squeeze=False)
    words, used = [], {}
    for ax, (heading, rows) in zip(axes[0], panels.items(), strict=True):
        said = []
        for row in rows:
            label, family, shift = KINDS.get(row["penalty"], OTHER)
            colour, y = COLOURS[family], losses.index(row["loss"]) + shift
            used[label] = colour
            ax.plot(row["median"], y, "|", color=colour, markersize=12, markeredgewidth=3)
            fill = "full" if row["converged"] else "none"
            heights = y + torch.linspace(-0.08, 0.08, len(row["scores"]))  # equal runs are seen side by side
            ax.plot(row["scores"], heights, "o", color=colour, markersize=4.5, fillstyle=fill)
            still = "" if row["converged"] else " (still moving)"
            said.append(f"{row['loss']} {label} {short(row['median'])}{still}")
        words.append(f"{heading}: {', '.join(said)}")
        for x, name, line in ((0, "null", ":"), (1, "ceiling", "-.")):
            ax.axvline(x, color=COLOURS["baseline"], linestyle=line, linewidth=1.5, zorder=0)
            place = ((x, 1), (0, 3))
            ax.annotate(
                name, *place, xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", fontsize=9
            )
        ax.set(xlabel=xlabel, ylim=(len(losses) - 0.4, -0.6))
        ax.set_title(heading, fontsize=12, pad=16, loc="center")
        ax.tick_params(axis="y", length=0)
        for line in range(len(losses) - 1):
            ax.axhline(line + 0.56, color="#EEEEEE", linewidth=0.8, zorder=0)
    axes[0, 0].set_yticks(range(len(losses)), losses)
    marker = {"linestyle": "", "marker": "o", "markersize": 6}
    key = [Line2D([], [], color=colour, label=name, **marker) for name, colour in used.items()]
    if not all(row["converged"] for rows in panels.values() for row in rows):
        key.append(Line2D([], [], color="#666666", label="hollow: still moves", fillstyle="none", **marker))
    figure.legend(handles=key, loc="outside lower center", ncols=4)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, f"Medians of the {xlabel}. {'; '.join(words)}"))


def growth(panels: Mapping[str, Mapping[str, tuple[Any, ...]]], title: str = "", *, ylabel: str = "score") -> None:
    """Scores against steps, doubled from mark to mark: the median of all runs, one panel beside the other.

    Args:
        panels: title to a dictionary from name to (steps (M,), scores (runs, M), converged); a row that has not
            converged is drawn with broken lines. A name has one colour in all panels. What lies far below the null, 0,
            is cut off.

    Raises:
        ValueError: there are not one to three panels, or steps and scores do not fit.
    """
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 3:
        raise ValueError(f"panels must be a dictionary of one to three, got {_check.describe(panels)}")
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    colours = dict(zip(names, ORDER * len(names), strict=False))
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 4.4), sharey=True, squeeze=False)
    words, moving = [], False
    axes[0, 0].set_ylabel(ylabel)
    for ax, (heading, panel) in zip(axes[0], panels.items(), strict=True):
        for name, (steps, scores, converged) in panel.items():
            steps, scores = (torch.as_tensor(v, dtype=torch.float64) for v in (steps, scores))
            if scores.ndim != 2 or scores.shape[1:] != steps.shape:
                raise ValueError(f"{name!r} must have scores (runs, {len(steps)}), got {_check.describe(scores)}")
            middle, moving = scores.quantile(0.5, dim=0), moving or not converged
            ax.plot(steps, middle, "o-" if converged else "o--", color=colours[name], markersize=5)
            words.append(f"{heading}, {name}: {' '.join(short(v) for v in middle)}")
        ax.set(xlabel="steps")
        ax.set_title(heading, fontsize=12)
        _scale(ax, "x")
        # every second mark, the last for sure
        marks = sorted({x for line in ax.lines for x in line.get_xdata()})[::-2][::-1]
        ax.set_xticks(marks, [f"{x:,.0f}" for x in marks], fontsize=10)
        ax.minorticks_off()
    key = [Line2D([], [], color=colours[name], marker="o", markersize=5, label=name) for name in names]
    if moving:
        key.append(Line2D([], [], color="#666666", linestyle="--", label="broken: still moves"))
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(max(low, -0.15), high)  # far below the null nothing is to be seen
    figure.legend(handles=key, loc="outside lower center", ncols=4, fontsize=10)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, f"Median {ylabel} at each mark of the steps. " + "; ".join(words)))


def endings(
    x: Tensor,
    data: Tensor,
    panels: Mapping[str, Mapping[str, Tensor]],
    title: str = "",
    *,
    start: Tensor | None = None,
) -> None:
    """Where several losses end: the data as a grey hill, theory as a thick line, runs as thin ones, a panel a loss.

    Args:
        x, data: places (N,) and the density of the data there (N,).
        panels: name of a loss to {"theory": density (N,), "practice": densities (runs, N)}; either may be missing.
        start: the density (N,) that all losses start from, as a dotted line.

    Raises:
        ValueError: there are not one to eight panels, or a density has another shape.
    """
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 8:
        raise ValueError(f"panels must be a dictionary of one to eight, got {_check.describe(panels)}")
    rows = math.ceil(len(panels) / 4)
    columns = math.ceil(len(panels) / rows)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, 2.0 * rows + 0.9), sharex=True, sharey=True, squeeze=False
    )
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, panel) in zip(axes.flat, panels.items(), strict=False):
        theory, practice = panel.get("theory"), panel.get("practice", x.new_empty(0, len(x)))
        if (theory is not None and theory.shape != x.shape) or practice.shape[1:] != x.shape or data.shape != x.shape:
            raise ValueError(f"panels[{name!r}] must hold densities over x, of {len(x)} values")
        ax.fill_between(x, data, color="#CCCCCC")
        if theory is not None:
            ax.plot(x, theory, color=COLOURS["vae"], linewidth=4)
        for run in practice:
            ax.plot(x, run, color=COLOURS["autoregressive"], linewidth=1.2)
        if start is not None:
            ax.plot(x, start, ":", color=COLOURS["baseline"], linewidth=1.5)
        ax.set_title(name, fontsize=12)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    seen = x[data > 0.004 * data.max()]
    room = 0.2 * (seen.max() - seen.min()).item()
    axes[0, 0].set(xlim=(seen.min().item() - room, seen.max().item() + room))
    axes[0, 0].set_ylim(bottom=0)  # both are shared by all panels
    drawn: dict[str, tuple[str, float]] = {"the data": ("#CCCCCC", 9)}
    if any("theory" in panel for panel in panels.values()):
        drawn["theory"] = (COLOURS["vae"], 4)
    if any("practice" in panel for panel in panels.values()):
        drawn["runs"] = (COLOURS["autoregressive"], 1.2)
    key = [Line2D([], [], color=colour, linewidth=width, label=name) for name, (colour, width) in drawn.items()]
    if start is not None:
        key.append(Line2D([], [], color=COLOURS["baseline"], linestyle=":", linewidth=1.5, label="the start"))
    figure.legend(handles=key, loc="outside lower center", ncols=4)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, f"Densities where each loss ends: {', '.join(panels)}"))
