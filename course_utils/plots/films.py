"""A film of the game in the plane: where the generator's points are, and what the discriminator says of every place."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, show, wrap_title

# From "fake" over "cannot tell" to "real"; bands are narrow around 1/2, where a game that goes well ends.
FIELD = LinearSegmentedColormap.from_list("field", ["#8f72c9", "#f7f7f7", "#eb9f2e"])
BANDS: list[float] = [0, 0.1, 0.25, 0.4, 0.46, 0.54, 0.6, 0.75, 0.9, 1]
SIDE, MOST = 60, 6


def film(
    panels: Mapping[str, tuple[Any, ...]],
    real: Tensor,
    title: str = "",
    *,
    limit: float = 1.6,
    columns: int = 3,
) -> None:
    """Moments of the game side by side: D(x) in colours, real points in grey, generated ones in green, with arrows.

    Args:
        panels: name to (points, discriminator) or (points, discriminator, arrows): generated points (N, 2); a function
            from places (M, 2) to *logits* (M,); and where each point is pushed, (N, 2). An arrow is drawn as long as
            the root of its push, the longest of all panels as an eighth of a panel's side.
        real: points of the data (M, 2), of which the first 300 are drawn.
        limit: half the side of the squares.
        columns: panels in a row.

    Raises:
        ValueError: there are not one to six panels, one is not of that form, or real is not (M, 2).
    """
    limit, columns = _check.positive("limit", limit), _check.whole("columns", columns)
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= MOST:
        raise ValueError(f"panels must be a dictionary of one to {MOST} moments, got {_check.describe(panels)}")
    moments = {name: _moment(name, value) for name, value in panels.items()}
    real = _points("real", real)[:300]
    longest = max([0.0] + [float(a.norm(dim=1).max()) for _, _, a in moments.values() if a is not None]) or 1.0
    columns = min(columns, len(panels))
    rows, side = math.ceil(len(panels) / columns), min((WIDTH - 0.9) / columns, 3.6)
    figure, axes = plt.subplots(rows, columns, figsize=(side * columns + 0.9, (side + 0.3) * rows + 0.4), squeeze=False)
    along = torch.linspace(-limit, limit, SIDE)
    for ax, (name, (points, discriminator, arrows)) in zip(axes.flat, moments.items(), strict=False):
        field = _field(name, discriminator, torch.cartesian_prod(along, along)).view(SIDE, SIDE).T  # rows are y
        norm = BoundaryNorm(BANDS, FIELD.N)
        ax.contourf(along.numpy(), along.numpy(), field.numpy(), levels=BANDS, cmap=FIELD, norm=norm)
        ax.scatter(*real.T.numpy(), s=4, color=COLOURS["baseline"], linewidth=0)
        ax.scatter(*points.T.numpy(), s=9, color=COLOURS["gan"], linewidth=0, zorder=3)  # above the arrows
        if arrows is not None:
            length = arrows.norm(dim=1, keepdim=True)
            drawn = arrows / length.clamp(min=1e-12) * (length / longest).sqrt() * limit / 4
            where = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.006}
            ax.quiver(*points.T.numpy(), *drawn.T.numpy(), **where)
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(True)
        ax.set_title(name, fontsize=12)
    for ax in axes.flat[len(moments) :]:
        ax.set_axis_off()
    bar = figure.colorbar(ScalarMappable(BoundaryNorm(BANDS, FIELD.N), FIELD), ax=axes, shrink=0.7, aspect=30, pad=0.01)
    bar.set_ticks([0, 0.5, 1], labels=["fake", "D = ½", "real"])
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    moments_said = f"Generated points over the discriminator's field, at {', '.join(moments)}"
    told = "Arrows show where each point is pushed" if any(a is not None for _, _, a in moments.values()) else ""
    show(figure, sentence(title, moments_said, told))


def _moment(name: str, value) -> tuple[Tensor, Callable, Tensor | None]:
    if not isinstance(value, tuple) or len(value) not in (2, 3) or not callable(value[1]):
        raise ValueError(f"panels[{name!r}] must be (points, discriminator) or (points, discriminator, arrows)")
    points = _points(f"the points of panels[{name!r}]", value[0])
    if len(value) == 2:
        return points, value[1], None
    arrows = _points(f"the arrows of panels[{name!r}]", value[2])
    if len(arrows) != len(points):
        raise ValueError(f"panels[{name!r}] must have an arrow a point, got {len(arrows)} for {len(points)}")
    return points, value[1], arrows


def _points(name: str, x) -> Tensor:
    if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != 2 or not len(x):
        raise ValueError(f"{name} must have shape (N, 2), got {_check.describe(x)}")
    return x.detach().float().cpu()


def _field(name: str, discriminator: Callable, places: Tensor) -> Tensor:
    """D(x) at places on the plane, on whatever device the discriminator is."""
    if isinstance(discriminator, torch.nn.Module):
        places = places.to(next(discriminator.parameters(), places))
    with torch.no_grad():
        logits = discriminator(places)
    if not isinstance(logits, Tensor) or logits.shape != (len(places),):
        raise ValueError(f"panels[{name!r}] must hold a discriminator of logits (M,), got {_check.describe(logits)}")
    return logits.detach().float().cpu().sigmoid()
