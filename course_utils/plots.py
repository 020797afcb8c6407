"""Figures of the course: one style, one colour a family, everywhere. Importing this module sets the style."""

import inspect
import math
import textwrap

import matplotlib.pyplot as plt
import torch
from matplotlib import color_sequences
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patheffects import withStroke
from torch import Tensor

from course_utils import _check

# Okabe and Ito's palette, which colour-blind readers can tell apart; a family keeps its colour in every notebook.
COLOURS = {
    "data": "#000000",
    "autoregressive": "#0072B2",
    "vae": "#E69F00",
    "gan": "#009E73",
    "flow": "#CC79A7",
    "diffusion": "#56B4E9",
    "baseline": "#7F7F7F",
    "wrong": "#D55E00",
}
# For codes, as in the latent explorer: a colour for each label (Petroff, arXiv 2107.02270), and a cycle for phases,
# none of which fades into a white or a black page.
LABELS = color_sequences["petroff10"]
CYCLE = LinearSegmentedColormap.from_list("cycle", ["#5b5bd6", "#d1551c", "#e9b000", "#2ba6a6", "#5b5bd6"])

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "font.size": 12,  # readable from the last row of a lecture hall
        "axes.titlesize": 13,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "figure.titlesize": 13,  # a suptitle is a title like any other
        "figure.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": plt.cycler(color=[COLOURS[k] for k in ("autoregressive", "vae", "gan", "wrong", "flow")]),
        "lines.linewidth": 2,
        "legend.frameon": False,
        "image.cmap": "gray",
        "image.interpolation": "nearest",
    }
)


def tile(x: Tensor, columns: int = 10) -> Tensor:
    """Images (N, C, H, W) in [0, 1] as one picture (rows, columns, 3), with a grey frame of one pixel around each.

    Raises:
        ValueError: x is not (N, 1 or 3, H, W) with N > 0.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"x must have shape (N, 1 or 3, H, W) with N > 0, got {tuple(x.shape)}")
    x = x.detach().float().cpu().clamp(0, 1).expand(-1, 3, -1, -1)
    n, _, height, width = x.shape
    rows, columns = math.ceil(n / columns), min(columns, n)
    canvas = torch.full((rows * columns, 3, height + 1, width + 1), 0.5)
    canvas[:, :, 1:, 1:] = 1.0  # empty places at the end stay white
    canvas[:n, :, 1:, 1:] = x
    canvas = canvas.view(rows, columns, 3, height + 1, width + 1).permute(2, 0, 3, 1, 4)
    picture = torch.full((3, rows * (height + 1) + 1, columns * (width + 1) + 1), 0.5)
    picture[:, :-1, :-1] = canvas.reshape(3, rows * (height + 1), columns * (width + 1))
    return picture.permute(1, 2, 0)


def images(x: Tensor, title: str = "", columns: int = 10, ax: plt.Axes | None = None, labels: list[str] | None = None):
    """Show images (N, C, H, W) in [0, 1] side by side under a title, ``columns`` to a row.

    Args:
        ax: axes to draw on; without it a figure is made and shown.
        labels: names of the rows, written at their left.
    """
    picture = tile(x, columns)
    own = ax is None
    if own:
        rows = math.ceil(len(x) / columns)
        width = 9.0
        height = width * picture.shape[0] / picture.shape[1]
        _, ax = plt.subplots(figsize=(width, min(height, 1.2 * rows + 4) + 0.4))
    ax.imshow(picture.numpy())
    ax.set_title(title)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if labels:
        step = x.shape[2] + 1
        ax.set_yticks([step * (i + 0.5) for i in range(len(labels))], labels)
        ax.tick_params(length=0)
    if own:
        plt.show()


def plane(
    ax: plt.Axes, points: Tensor, title: str, colour: str, log_prob=None, limit: float = 1.6, darkest: float = 2.0
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
        ax.imshow(density.numpy(), extent=[-limit, limit] * 2, origin="lower", cmap="Greys", vmin=0, vmax=darkest)
    x, y = points.detach().cpu().T
    ax.plot(x, y, ".", markersize=2, color=colour, alpha=0.6)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    ax.set_title(title, fontsize=12)


def matrix(ax: plt.Axes, values: Tensor, title: str, xlabel: str, ylabel: str) -> None:
    """A small matrix as a picture: 0 white, the largest absolute value black; rows from top to bottom."""
    values = values.detach().float().cpu().abs()
    ax.imshow(values.numpy(), cmap="Greys", vmin=0, vmax=max(values.max().item(), 1e-9), aspect="equal")
    if values.shape[0] == values.shape[1]:  # the diagonal, which masks are all about
        ax.plot([-0.5, len(values) - 0.5], [-0.5, len(values) - 0.5], color=COLOURS["wrong"], linewidth=1)
    ax.spines[:].set_visible(True)
    rows, columns = values.shape
    ax.set(xlabel=xlabel, ylabel=ylabel, xticks=range(0, columns, 2), yticks=range(0, rows, 2))
    ax.set_title(title, fontsize=12)


def receptive_field(ax: plt.Axes, seen: Tensor, row: int, column: int, title: str) -> None:
    """Which pixels a prediction sees: blue seen, grey earlier and not seen, white later; a star where it stands.

    A later pixel that is seen, its own included, is orange: a leak.

    Args:
        seen: (H, W), above 0 where the prediction at (row, column) depends on the pixel.
    """
    height, width = seen.shape
    seen = seen.detach().cpu() > 0
    before = torch.arange(height * width).view(height, width) < row * width + column
    picture = torch.ones(height, width, 3)
    for where, colour in (
        (before & ~seen, "#BBBBBB"),
        (before & seen, COLOURS["autoregressive"]),
        (~before & seen, COLOURS["wrong"]),
    ):
        picture[where] = torch.tensor(to_rgb(colour))
    ax.imshow(picture.numpy())
    ax.plot(column, row, "k*", markersize=10)
    ax.set(xticks=[], yticks=[])  # where a major tick is, the minor one and its line would be left out
    ax.set_xticks(torch.arange(width + 1) - 0.5, minor=True)
    ax.set_yticks(torch.arange(height + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#DDDDDD", linewidth=0.6)
    ax.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=12)


def show_source(thing) -> None:
    """Show the source code of a class, function or method of this package, highlighted where a notebook can."""
    from IPython.display import Code, display

    display(Code(textwrap.dedent(inspect.getsource(thing)), language="python"))


def band(ax: plt.Axes, x, runs: Tensor, label: str, colour: str, line: str = "o-") -> None:
    """The mean of several runs (R, N) over x (N,), and a band from the smallest to the largest of them."""
    ax.plot(x, runs.mean(0), line, color=colour, label=label)
    ax.fill_between(x, runs.min(0).values, runs.max(0).values, alpha=0.2, color=colour)


def codes(ax: plt.Axes, z: Tensor, values: Tensor, title: str, *, cyclic: bool = False, limit: float = 3.5):
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
        ax.add_patch(plt.Circle((0, 0), radius, fill=False, color=COLOURS["baseline"], linewidth=1))
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="z₁", ylabel="z₂")
    ax.set_title(title, fontsize=12)
    return dots


def atlas(ax: plt.Axes, decode, title: str, side: int = 12, limit: float | None = None) -> None:
    """What lies where on the plane of a 2-D code: side x side decoded pictures, z₁ to the right, z₂ upwards.

    Args:
        decode: codes (N, 2) to pictures (N, 1 or 3, H, W) in [0, 1].
        limit: codes are equally spaced on [-limit, limit]². By default they are at equal steps of the prior's
            probability along each axis instead, so that every picture stands for the same share of random codes.

    Raises:
        ValueError: side < 2, limit is not above 0, or decode does not return pictures.
    """
    side = _check.whole("side", side, least=2)
    if limit is None:
        steps = (torch.arange(side) + 0.5) / side
        places = torch.distributions.Normal(0.0, 1.0).icdf(steps)
    else:
        places = torch.linspace(-1, 1, side) * _check.positive("limit", limit)
    z = torch.stack([places.repeat(side), places.flip(0).repeat_interleave(side)], 1)  # rows from the top down
    with torch.no_grad():
        picture = tile(decode(z), side)
    ax.imshow(picture.numpy())
    where = range(0, side, max(1, (side - 1) // 4))
    step = picture.shape[1] / side
    ax.set_xticks([(i + 0.5) * step for i in where], [f"{places[i]:.1f}" for i in where])
    ax.set_yticks([(side - 0.5 - i) * step for i in where], [f"{places[i]:.1f}" for i in where])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="z₁", ylabel="z₂")
    ax.set_title(title, fontsize=12)
