"""Figures of fields: points over a density, matrices, codes, and the pictures that codes stand for."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from torch import Tensor

from course_utils import _check
from course_utils.plots.samples import tile
from course_utils.plots.style import COLOURS, CYCLE, LABELS, WIDTH, sentence, show, wrap_title

FAMILIES = {"autoregressive": "next number", "vae": "VAE", "gan": "GAN", "flow": "flow", "diffusion": "diffusion"}


def plane(
    ax: Axes,
    points: Tensor,
    title: str,
    colour: str,
    log_prob: Callable[[Tensor], Tensor] | None = None,
    limit: float = 1.6,
    darkest: float = 2.0,
) -> None:
    """Points (N, 2) in the square [-limit, limit]², over the density exp(log_prob) where there is one.

    Args:
        log_prob: function of points (M, 2) giving nats (M,), or None.
        darkest: density that is drawn black; one scale for all panels, so that their greys can be compared.
    """
    if log_prob is not None:
        side = torch.linspace(-limit, limit, 120)
        grid = torch.cartesian_prod(side, side)
        with torch.no_grad():
            density = log_prob(grid).exp().view(120, 120).T  # rows are y
        square = (-limit, limit, -limit, limit)
        ax.imshow(density.numpy(), extent=square, origin="lower", cmap="Greys", vmin=0, vmax=darkest)
    x, y = points.detach().cpu().T
    ax.plot(x, y, ".", markersize=2, color=colour, alpha=0.6)
    far = 1 if limit < 2 else int(limit / 2)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[-far, 0, far], yticks=[-far, 0, far])
    ax.set_title(title, fontsize=12)


def matrix(ax: Axes, values: Tensor, title: str, xlabel: str, ylabel: str) -> None:
    """A small matrix as a picture: 0 white, the largest absolute value black; rows from top to bottom."""
    values = values.detach().float().cpu().abs()
    ax.imshow(values.numpy(), cmap="Greys", vmin=0, vmax=max(values.max().item(), 1e-9), aspect="equal")
    if values.shape[0] == values.shape[1]:  # the diagonal, which masks are all about
        ax.plot([-0.5, len(values) - 0.5], [-0.5, len(values) - 0.5], color=COLOURS["wrong"], linewidth=1)
    ax.spines[:].set_visible(True)
    rows, columns = values.shape
    ax.set(xlabel=xlabel, ylabel=ylabel, xticks=range(0, columns, 2), yticks=range(0, rows, 2))
    ax.set_title(title, fontsize=12)


def codes(
    ax: Axes, z: Tensor, values: Tensor, title: str, *, cyclic: bool = False, limit: float = 3.5
) -> PathCollection:
    """Codes (N, 2) coloured by a value (N,); circles of radius 1 and 2 hold 39 % and 86 % of the prior N(0, I).

    Args:
        values: numbers; or labels, int64 from 0 to 9, each of which is also written where the mean of its codes is.
        cyclic: the values are phases in [0, 1), and 0 and 1 get one colour.
        limit: half the side of the square shown; codes beyond it are not seen.

    Returns:
        What ``plt.colorbar`` takes.

    Raises:
        ValueError: z is not (N, 2), values is not (N,), or there are labels beyond 0 … 9.
    """
    if not isinstance(z, Tensor) or z.ndim != 2 or z.shape[1] != 2:
        raise ValueError(f"z must have shape (N, 2), got {_check.describe(z)}")
    if not isinstance(values, Tensor) or values.shape != z.shape[:1]:
        raise ValueError(f"values must have shape ({len(z)},), got {_check.describe(values)}")
    z, values = z.detach().cpu(), values.detach().cpu()
    labels = values.dtype == torch.int64 and not cyclic
    if labels and not ((values >= 0) & (values < len(LABELS))).all():
        raise ValueError(f"values must be labels from 0 to {len(LABELS) - 1}, got {values.min()} to {values.max()}")
    span = {"vmin": 0, "vmax": 1, "cmap": CYCLE} if cyclic else {"cmap": "viridis"}
    colours = {"c": [LABELS[k] for k in values.tolist()]} if labels else {"c": values, **span}
    dots = ax.scatter(*z.T, s=6, **colours)
    for k in values.unique().tolist() if labels else ():
        x, y = z[values == k].mean(0).tolist()
        name = ax.text(x, y, str(k), ha="center", va="center", fontsize=15, fontweight="bold", color=LABELS[k])
        name.set_path_effects([withStroke(linewidth=4, foreground="white")])
    for radius in (1, 2):
        ax.add_patch(Circle((0, 0), radius, fill=False, color=COLOURS["baseline"], linewidth=1))
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="z₁", ylabel="z₂")
    ax.set_title(title, fontsize=12)
    return dots


def atlas(
    ax: Axes,
    decode: Callable[[Tensor], Tensor],
    title: str,
    side: int = 12,
    limit: float | None = None,
    *,
    clamp: bool = False,
) -> None:
    """What lies where on the plane of a 2-D code: side x side decoded pictures, z₁ to the right, z₂ upwards.

    Args:
        decode: codes (N, 2) to pictures (N, 1 or 3, H, W) in [0, 1].
        limit: codes are equally spaced on [-limit, limit]². By default they are at equal steps of the prior's
            probability along each axis instead, so that every picture stands for the same share of random codes.
        clamp: draw values below 0 as 0 and above 1 as 1, instead of refusing them.

    Raises:
        ValueError: side < 2, limit is not above 0, or decode does not return pictures in [0, 1].
    """
    side = _check.whole("side", side, least=2)
    if limit is None:
        steps = (torch.arange(side) + 0.5) / side
        places = torch.distributions.Normal(0.0, 1.0).icdf(steps)
    else:
        places = torch.linspace(-1, 1, side) * _check.positive("limit", limit)
    z = torch.stack([places.repeat(side), places.flip(0).repeat_interleave(side)], 1)  # rows from the top down
    with torch.no_grad():
        picture = tile(decode(z), side, clamp=clamp)
    ax.imshow(picture.numpy())
    where = range(0, side, max(1, (side - 1) // 4))
    step = picture.shape[1] / side
    ax.set_xticks([(i + 0.5) * step for i in where], [f"{places[i]:.1f}" for i in where])
    ax.set_yticks([(side - 0.5 - i) * step for i in where], [f"{places[i]:.1f}" for i in where])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="z₁", ylabel="z₂")
    ax.set_title(title, fontsize=12)


def planes(panels: Mapping[str, Tensor], title: str = "", *, limit: float = 1.6) -> None:
    """Sets of points side by side, each in the square [-limit, limit]² and the colour of its family.

    Args:
        panels: name to points (N, 2); a name of ``COLOURS`` has its colour, a family's its usual name as title.
        limit: half the side of the squares.

    Raises:
        ValueError: panels is not a dictionary of one to five sets of points (N, 2), or limit is not above 0.
    """
    limit = _check.positive("limit", limit)
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 5:
        raise ValueError(f"panels must be a dictionary of one to five sets of points, got {type(panels).__name__}")
    for name, points in panels.items():
        if not isinstance(points, Tensor) or points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"panels[{name!r}] must have shape (N, 2), got {_check.describe(points)}")
    width = min(WIDTH, 3.4 * len(panels))
    height = width / len(panels) + 0.7  # square panels, and room above them for both titles
    figure, axes = plt.subplots(1, len(panels), figsize=(width, height), squeeze=False)
    for ax, (name, points) in zip(axes[0], panels.items(), strict=True):
        plane(ax, points, FAMILIES.get(name, name), COLOURS.get(name, COLOURS["data"]), limit=limit)
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    shown = ", ".join(f"{FAMILIES.get(name, name)} ({len(points)})" for name, points in panels.items())
    show(figure, sentence(title, f"Points in the plane: {shown}"))
