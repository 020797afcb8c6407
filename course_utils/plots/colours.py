"""Colours as bars: a palette, or how probable each of its colours is."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import WIDTH, sentence, short, show, wrap_title


def swatches(
    colours: Tensor,
    title: str = "",
    *,
    labels: Sequence[str] | None = None,
    heights: Tensor | None = None,
    ylabel: str = "",
) -> None:
    """Show colours as bars side by side, all of one height or as high as ``heights`` says.

    Args:
        colours: red, green and blue (N, 3), in [0, 1].
        labels: a name for each bar, written below it.
        heights: (N,), at least 0.
        ylabel: what the heights are.

    Raises:
        ValueError: ``colours`` is not (N, 3) in [0, 1], or there are not as many labels or heights as colours.
    """
    if not isinstance(colours, Tensor) or colours.ndim != 2 or colours.shape[1] != 3 or not len(colours):
        raise ValueError(f"colours must have shape (N, 3) with N > 0, got {_check.describe(colours)}")
    colours = colours.detach().float().cpu()
    if not ((colours >= 0) & (colours <= 1)).all():
        raise ValueError(f"colours must lie in [0, 1], got {short(colours.min())} to {short(colours.max())}")
    n = len(colours)
    tops = torch.ones(n) if heights is None else torch.as_tensor(heights).detach().float().cpu()
    if tops.shape != (n,) or not (tops >= 0).all():
        raise ValueError(f"heights must be {n} numbers, none below 0, got {_check.describe(heights)}")
    if labels is not None and len(labels) != n:
        raise ValueError(f"labels must be {n} names, got {len(labels)}")
    figure, ax = plt.subplots(figsize=(min(WIDTH, 1.0 + 1.6 * n), 1.7 if heights is None else 2.6))
    ax.bar(range(n), tops.tolist(), color=colours.tolist(), width=0.92, edgecolor="#7F7F7F", linewidth=0.8)
    ax.set_xticks(range(n) if labels else [], labels or [])
    ax.tick_params(axis="x", length=0)
    ax.set(xlim=(-0.6, n - 0.4), ylabel=ylabel)
    if heights is None:
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    ax.set_title(wrap_title(title, figure.get_size_inches()[0]))
    named = f"the bars are named {', '.join(labels)}" if labels else ""
    highest = f"the highest bar is at {short(tops.max())}" if heights is not None else ""
    show(figure, sentence(title, f"{n} colours as bars", named, highest))
