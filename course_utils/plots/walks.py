"""Straight walks on a map of two-dimensional codes, and the pictures decoded on them."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from torch import Tensor

from course_utils import _check
from course_utils.plots.samples import images
from course_utils.plots.style import CYCLE, WIDTH, sentence, show, wrap_title


def walks(codes: Tensor, phases: Tensor, lines: Mapping[str, tuple[Tensor, Tensor]], title: str = "") -> None:
    """A map of codes, coloured by phase, with straight walks on it; at the right what is decoded at their dots.

    Args:
        codes: (N, 2), of the training pictures.
        phases: (N,) in [0, 1): 0 and 1 get one colour.
        lines: from the name of a walk, at most three, to its codes (S, 2) and their pictures (S, 1 or 3, H, W).

    Raises:
        ValueError: codes is not (N, 2), phases is not (N,), or a walk has another form.
    """
    if not isinstance(codes, Tensor) or codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"codes must have shape (N, 2), got {_check.describe(codes)}")
    if not isinstance(phases, Tensor) or phases.shape != codes.shape[:1]:
        raise ValueError(f"phases must have shape ({len(codes)},), got {_check.describe(phases)}")
    if not isinstance(lines, Mapping) or not 1 <= len(lines) <= 3:
        raise ValueError(f"lines must be a dictionary of one to three walks, got {type(lines).__name__}")
    for name, (line, pictures) in lines.items():
        if line.ndim != 2 or line.shape[1] != 2 or len(line) != len(pictures):
            raise ValueError(f"lines[{name!r}] must be codes (S, 2) and S pictures, got {_check.describe(line)}")
    figure = plt.figure(figsize=(WIDTH, 4), layout="constrained")
    grid = figure.add_gridspec(len(lines) + 1, 2, width_ratios=(1, 1.45), height_ratios=len(lines) * [1] + [0.1])
    plane = figure.add_subplot(grid[:, 0])
    dots = plane.scatter(*codes.detach().cpu().T, c=phases.cpu(), cmap=CYCLE, vmin=0, vmax=1, s=5)
    plane.set(xlabel="z₁", ylabel="z₂")
    plane.set_aspect("equal", adjustable="datalim")
    key = figure.add_subplot(grid[-1, 1])
    figure.colorbar(dots, cax=key, orientation="horizontal", ticks=[0, 0.25, 0.5, 0.75, 1])
    key.set_xticklabels(["new", "half", "full", "half", "new"])
    for row, (name, (line, pictures)) in enumerate(lines.items()):
        line, marker = line.detach().cpu(), "osD"[row]
        plane.plot(*line.T, color="#222222", marker=marker, markersize=5, linewidth=1.5)
        end = tuple(line[-1].tolist())
        plane.annotate(f"{row + 1}", end, xytext=(8, -4), textcoords="offset points", fontweight="bold")
        ax = figure.add_subplot(grid[row, 1])
        images(pictures.detach().cpu(), columns=len(pictures), ax=ax)
        ax.set_title(f"{row + 1}: {name}", fontsize=13)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    named = ", ".join(lines)
    show(figure, sentence(title, f"A map of {len(codes):,} codes, coloured by phase, with straight walks: {named}"))
