"""Figures of what a measure sees: balls around points, and a table of faults against measures."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, Patch, Rectangle
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, LINE, WIDTH, sentence, show, wrap_title

WORSE, BETTER = "#F6C9A8", "#A9D1EC"  # tints of orange and blue that black text can be read on


def balls(real: Tensor, fake: Tensor, k: int = 3, title: str = "") -> None:
    """Precision and recall as one sees them: balls around the points of one set, and which of the other lie in one.

    A ball reaches to the k-th nearest other point of its own set. Left the balls are those of real points and the
    generated ones are marked, right the other way round: a dot inside, a cross outside.

    Args:
        real, fake: points (N, 2) and (M, 2) in the plane, more than k each.

    Raises:
        ValueError: real or fake is something else, or k is below 1.
    """
    k = _check.whole("k", k)
    for name, x in (("real", real), ("fake", fake)):
        if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != 2 or len(x) <= k:
            raise ValueError(f"{name} must be points (N, 2) with N > {k}, got {_check.describe(x)}")
    real, fake = (x.detach().cpu().double() for x in (real, fake))
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, WIDTH / 2), sharex=True, sharey=True)
    halves = (("precision", "real", real, "generated", fake), ("recall", "generated", fake, "real", real))
    words = []
    for ax, (measure, own, centres, other, points) in zip(axes, halves, strict=True):
        radii = (centres[:, None] - centres).norm(dim=2).kthvalue(k + 1, dim=1).values
        inside = ((points[:, None] - centres).norm(dim=2) <= radii).any(1)
        for centre, radius in zip(centres.tolist(), radii.tolist(), strict=True):
            ax.add_patch(Circle(centre, radius, color=COLOURS["baseline"], alpha=0.18, linewidth=0))
        ax.plot(*centres.T, ".", color=COLOURS["baseline"], markersize=5)
        ax.plot(*points[inside].T, "o", color=COLOURS["gan"], markersize=5)
        ax.plot(*points[~inside].T, "X", color=COLOURS["wrong"], markersize=8)
        found = f"{measure} {inside.sum()}/{len(points)} = {inside.double().mean():.2f}"
        ax.set(aspect="equal", xticks=[], yticks=[])
        ax.set_title(f"{found}\nballs: {own}; marks: {other}", fontsize=12, fontweight="normal")
        words.append(f"Balls around {own} points hold {inside.sum()} of {len(points)} {other} ones: {found}")
    width, height = ax.dataLim.width, ax.dataLim.height
    figure.set_size_inches(WIDTH, min(WIDTH / 2 * height / width, 4.2) + 0.6 + 2 * LINE)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, *words))


def sees(
    found: Mapping[str, Sequence[Mapping[str, float]]], perfect: str, better: Mapping[str, str], title: str = ""
) -> None:
    """Which measure sees which fault: means over several runs, white where a set looks like the perfect one.

    A cell has a colour where in three quarters of the runs or more its value lies outside the range that the other runs
    of ``perfect`` have: blue where it is better than all of them, orange elsewhere. The last row is that range.

    Args:
        found: from the name of a set to its rows, one a run, each from a measure to its value.
        perfect: the name of the set that is the ceiling.
        better: "more" or "less" for a measure that has a best end; for all others any departure is a fault.

    Raises:
        ValueError: perfect is no set of ``found``, has fewer than two runs, or a set has other measures or runs.
    """
    if not isinstance(found, Mapping) or perfect not in found or len(found[perfect]) < 2:
        raise ValueError(f"found must have at least two runs of {perfect!r}")
    runs, measures = len(found[perfect]), list(found[perfect][0])
    for name, rows in found.items():
        if len(rows) != runs or any(list(row) != measures for row in rows):
            raise ValueError(f"found[{name!r}] must have {runs} rows of {', '.join(measures)}")
    figure, ax = plt.subplots(figsize=(WIDTH, 1.8 + 0.45 * len(found)))
    words = []
    for j, measure in enumerate(measures):
        good = [row[measure] for row in found[perfect]]
        ax.text(
            j + 0.5, len(found) + 0.5, f"{_two(min(good))}\nto {_two(max(good))}", ha="center", va="center", size=10
        )
        for i, (name, rows) in enumerate(found.items()):
            others = [good[:run] + good[run + 1 :] if name == perfect else good for run in range(runs)]
            above = sum(row[measure] > max(o) for row, o in zip(rows, others, strict=True)) / runs
            below = sum(row[measure] < min(o) for row, o in zip(rows, others, strict=True)) / runs
            praised = {"more": above, "less": below}.get(better.get(measure, ""), 0) >= 0.75
            colour = BETTER if praised else WORSE if above + below >= 0.75 else "white"
            ax.add_patch(Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="#BBBBBB"))
            text = _two(sum(row[measure] for row in rows) / runs)
            ax.text(j + 0.5, i + 0.5, text, ha="center", va="center")
            if colour != "white":
                words.append(f"{name}, {measure}: {text}{' (too good)' * praised}")
    ax.set(xlim=(0, len(measures)), ylim=(len(found) + 1, 0))
    ax.set_xticks([j + 0.5 for j in range(len(measures))], [m.replace(" ", "\n", 1) for m in measures])
    ax.set_yticks([i + 0.5 for i in range(len(found) + 1)], [*found, "ceiling"])
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    key = {"as for perfect samples": "white", "seen": WORSE, "better than perfect": BETTER}
    handles = [Patch(facecolor=colour, edgecolor="#BBBBBB", label=label) for label, colour in key.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, "Outside the range of perfect samples are: " + "; ".join(words)))


def _two(value: float) -> str:
    """A number with two decimals."""
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")
