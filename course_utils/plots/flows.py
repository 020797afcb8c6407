"""Figures of flows: how a coupling is wired, and the paths on which noise becomes data."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from course_utils import _check
from course_utils.plots.networks import _arrow, _board, _box, _circle, _finish
from course_utils.plots.style import COLOURS, WIDTH, sentence, show, wrap_title
from course_utils.plots.transport import _squares


def coupling(title: str = "") -> None:
    """An affine coupling: x1 goes through as it is, and tells a network how x2 is stretched and shifted."""
    figure, ax = _board(2.75)
    x1, x2 = _box(ax, 0.8, 2.3, "$x_1$"), _box(ax, 0.8, 0.45, "$x_2$")
    net = _box(ax, 5.0, 1.5, "network", COLOURS["flow"], w=2.6, h=0.6)
    times, plus = _circle(ax, 4.2, 0.45, "×"), _circle(ax, 5.8, 0.45, "+")
    z1, z2 = _box(ax, 8.0, 2.3, "$z_1 = x_1$", w=1.5), _box(ax, 8.0, 0.45, "$z_2$", w=1.5)
    for start, end in ((x1.right, z1.left), (x2.right, times.left), (times.right, plus.left), (plus.right, z2.left)):
        _arrow(ax, start, end)
    _arrow(ax, (net.x, x1.y), net.top, COLOURS["flow"])
    for circle, name in ((times, "$e^{\\,s}$"), (plus, "$m$")):
        _arrow(ax, (circle.x, net.bottom[1]), circle.top, COLOURS["flow"])
        ax.text(circle.x + 0.12, 0.97, name, ha="left", va="center", fontsize=14)
    _finish(
        figure,
        ax,
        title,
        "A diagram of a coupling: x1 goes straight to z1; a network that sees x1 alone gives s and m; x2 is multiplied "
        "by exp(s), m is added, and the result is z2",
    )


def paths(panels: Mapping[str, Tensor], title: str = "", *, limit: float = 2.2) -> None:
    """Paths of points through the plane, from a grey dot (noise) to a black one (data).

    Args:
        panels: from name to paths (T, N, 2): N points at T times.
        limit: half the side of the squares.

    Raises:
        ValueError: panels is not a dictionary of one to three sets of paths (T, N, 2), or limit is not above 0.
    """
    limit = _check.positive("limit", limit)
    figure, axes = _squares("panels", panels)
    words = []
    for ax, (name, moved) in zip(axes, panels.items(), strict=True):
        if not isinstance(moved, Tensor) or moved.ndim != 3 or moved.shape[2] != 2 or not moved.numel():
            raise ValueError(f"panels[{name!r}] must be paths (T, N, 2), got {_check.describe(moved)}")
        moved = moved.detach().float().cpu()
        ax.plot(*moved.permute(2, 0, 1), color=COLOURS["flow"], linewidth=0.9)
        ax.plot(*moved[0].T, ".", color=COLOURS["baseline"], markersize=6)
        ax.plot(*moved[-1].T, ".", color=COLOURS["data"], markersize=6)
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="#BBBBBB")
        ax.set_title(name, fontsize=12)
        length = moved.diff(dim=0).norm(dim=2).sum(0) / (moved[-1] - moved[0]).norm(dim=1).clamp(min=1e-9)
        words.append(
            f"{name}: {moved.shape[1]} paths, at the median {torch.median(length):.2f} times the straight line"
        )
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    show(figure, sentence(title, *words))


def moments(panels: Mapping[str, Tensor], title: str = "", *, family: str = "diffusion", limit: float = 2.2) -> None:
    """A film of points in one row of squares, in the colour of their family.

    Args:
        panels: from name to points (N, 2), two to six of them; points outside the square are not drawn.
        family: a key of ``COLOURS``.
        limit: half the side of the squares.

    Raises:
        ValueError: panels is not a dictionary of two to six sets of points (N, 2), there is no such family, or limit is
            not above 0.
    """
    limit = _check.positive("limit", limit)
    if not isinstance(panels, Mapping) or not 2 <= len(panels) <= 6:
        raise ValueError(f"panels must be a dictionary of two to six moments, got {_check.describe(panels)}")
    if family not in COLOURS:
        raise ValueError(f"family must be one of {', '.join(COLOURS)}, got {family!r}")
    side = WIDTH / len(panels)
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, side + 0.65))
    for ax, (name, points) in zip(axes, panels.items(), strict=True):
        if not isinstance(points, Tensor) or points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"panels[{name!r}] must be points (N, 2), got {_check.describe(points)}")
        ax.plot(*points.detach().cpu().T, ".", markersize=2, alpha=0.6, color=COLOURS[family])
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="#BBBBBB")
        ax.set_title(name, fontsize=12, fontweight="normal", loc="center")
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, f"Points in the plane, from left to right: {', '.join(panels)}"))
