"""Figures of games and of moving earth: pairs of points joined by lines, paths of two players, heights of a critic."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, show, wrap_title


def transport(panels: Mapping[str, tuple[Tensor, Tensor]], title: str = "", *, limit: float = 1.8) -> None:
    """Pairs of points, each real one in black and its fake partner in green, with an arrow from the fake to the real.

    Args:
        panels: from name to real and fake points, (N, 2) each; the i-th of both are partners.
        limit: half the side of the squares.

    Raises:
        ValueError: panels is not a dictionary of one to three pairs of sets (N, 2), or limit is not above 0.
    """
    limit = _check.positive("limit", limit)
    figure, axes = _squares("panels", panels)
    words = []
    for ax, (name, pair) in zip(axes, panels.items(), strict=True):
        real, fake = (_points(f"panels[{name!r}]", points) for points in pair)
        if real.shape != fake.shape:
            raise ValueError(f"panels[{name!r}] must be as many real as fake points, got {len(real)} and {len(fake)}")
        step = {"arrowstyle": "-|>", "color": COLOURS["baseline"], "linewidth": 1, "mutation_scale": 8, "shrinkB": 2}
        for start, end in zip(fake.tolist(), real.tolist(), strict=True):
            ax.annotate("", end, start, arrowprops=step)
        ax.plot(*fake.T, "s", color=COLOURS["gan"], markersize=4.5, label="fake")
        ax.plot(*real.T, "o", color=COLOURS["data"], markersize=4.5, label="real")
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
        ax.set_title(name, fontsize=12)
        words.append(f"{name}: {len(real)} pairs, {short_mean(real, fake)} apart on average")
    axes[0].legend(loc="upper left", fontsize=10, handletextpad=0.1, borderpad=0)
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    show(figure, sentence(title, *words))


def orbits(panels: Mapping[str, Tensor], title: str = "", *, limit: float = 2.0) -> None:
    """Paths of two players that are a number each, from a dot; the cross is where both would rest.

    A path that ends within a tenth of the cross is green, another one vermilion.

    Args:
        panels: from name to a path (N, 2): theta to the right, psi upwards.
        limit: half the side of the squares.

    Raises:
        ValueError: panels is not a dictionary of one to twelve paths (N, 2), or limit is not above 0.
    """
    limit = _check.positive("limit", limit)
    figure, axes = _squares("panels", panels, most=12, columns=4)
    words = []
    for ax, (name, path) in zip(axes, panels.items(), strict=False):
        path = _points(f"panels[{name!r}]", path)
        rests = bool(path[-1].norm() < 0.1)
        ax.plot(*path.T, color=COLOURS["gan" if rests else "wrong"], linewidth=1.2)
        ax.plot(*path[0], "o", color=COLOURS["data"], markersize=6)
        ax.plot(0, 0, "+", color=COLOURS["data"], markersize=12, markeredgewidth=2)
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="θ")
        ax.set_title(wrap_title(name, 2.4), fontsize=11)
        words.append(f"{name} {'comes to rest' if rests else 'does not come to rest'}")
    for ax in axes[::4]:
        ax.set_ylabel("ψ", rotation=0)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, "Paths of θ and ψ", "; ".join(words)))


def heights(
    panels: Mapping[str, Callable[[Tensor], Tensor]], points: Tensor, title: str = "", *, limit: float = 3.2
) -> None:
    """How high a critic is over the plane, below its highest place, in levels; points on top.

    Args:
        panels: from name to a function of points (M, 2) to heights (M,).
        points: (N, 2), drawn in white.
        limit: half the side of the squares.

    Raises:
        ValueError: panels is not a dictionary of one to three functions, points is not (N, 2), or limit is not above 0.
    """
    limit, points = _check.positive("limit", limit), _points("points", points)
    figure, axes = _squares("panels", panels)
    side = torch.linspace(-limit, limit, 80)
    for ax, (name, f) in zip(axes, panels.items(), strict=True):
        with torch.no_grad():
            height = f(torch.cartesian_prod(side, side)).view(80, 80).T  # rows are y
        levels = ax.contourf(side, side, (height - height.max()).numpy(), 9, cmap="cividis")
        figure.colorbar(levels, ax=ax, shrink=0.8)
        ax.plot(*points.T, ".", color="white", markersize=3)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=12)
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    show(figure, sentence(title, f"Heights over the plane: {', '.join(panels)}"))


def short_mean(a: Tensor, b: Tensor) -> str:
    return f"{(a - b).norm(dim=1).mean():.3g}"


def _points(name: str, points) -> Tensor:
    if not isinstance(points, Tensor) or points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"{name} must have shape (N, 2), got {_check.describe(points)}")
    return points.detach().cpu()


def _squares(argument: str, panels, most: int = 3, columns: int = 3):
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= most:
        raise ValueError(f"{argument} must be a dictionary of 1 to {most} panels, got {_check.describe(panels)}")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    width = min(WIDTH, 3.8 * columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width, rows * (width / columns + 0.35) + 0.4), squeeze=False)
    for ax in axes.flat:
        ax.set_aspect("equal")
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    return figure, list(axes.flat)
