"""Figures of what a measure sees: balls around points, and a table of faults against measures."""

from collections.abc import Mapping

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
    values: Mapping[str, Mapping[str, float]],
    ceiling: Mapping[str, tuple[float, float]],
    better: Mapping[str, int],
    title: str = "",
) -> None:
    """Which measure sees which fault: white where a value lies in the range of perfect samples, orange where it does
    not, blue where it is better than theirs.

    Args:
        values: from the name of a set to its value of each measure.
        ceiling: from a measure to the lowest and the highest value of perfect samples.
        better: from a measure to 1 (more is better), -1 (less is better) or 0 (any departure is a fault).

    Raises:
        ValueError: values is empty, or a row lacks a measure of ``ceiling`` or ``better``.
    """
    if not isinstance(values, Mapping) or not values or set(ceiling) != set(better):
        raise ValueError("values must have at least one row, and ceiling and better the same measures")
    for name, row in values.items():
        if not set(ceiling) <= set(row):
            raise ValueError(f"values[{name!r}] must have {', '.join(ceiling)}, got {', '.join(row)}")
    figure, ax = plt.subplots(figsize=(WIDTH, 1.35 + 0.45 * len(values)))
    words = []
    for i, (name, row) in enumerate(values.items()):
        for j, (measure, (low, high)) in enumerate(ceiling.items()):
            value = row[measure]
            good = (value > high and better[measure] > 0) or (value < low and better[measure] < 0)
            colour = "white" if low <= value <= high else BETTER if good else WORSE
            ax.add_patch(Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="#BBBBBB"))
            text = f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")
            ax.text(j + 0.5, i + 0.5, text, ha="center", va="center")
            if colour != "white":
                words.append(f"{name}, {measure}: {text}{' (too good)' * good}")
    ax.set(xlim=(0, len(ceiling)), ylim=(len(values), 0))
    ax.set_xticks([j + 0.5 for j in range(len(ceiling))], [m.replace(" ", "\n", 1) for m in ceiling])
    ax.set_yticks([i + 0.5 for i in range(len(values))], list(values))
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    key = {"as for perfect samples": "white", "another value: seen": WORSE, "better than perfect": BETTER}
    handles = [Patch(facecolor=colour, edgecolor="#BBBBBB", label=label) for label, colour in key.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, "Outside the range of perfect samples are: " + "; ".join(words)))
