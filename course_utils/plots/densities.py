"""Figures of densities on a line: what there is as a grey hill, what is compared with it as lines."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, short, show, wrap_title

LINES = [COLOURS[k] for k in ("gan", "autoregressive", "wrong", "vae")]  # the generator, and what else is drawn
VISIBLE = 0.004  # of the largest value: below it there is nothing to be seen


def densities(x: Tensor, panels: Mapping[str, Any], title: str = "", *, ylabel: str = "density") -> None:
    """Densities over x (N,), one panel or several: the first of each as a grey hill, the others as lines.

    Lines get thinner from one to the next, and the third is dashed, so that those that coincide are all seen. All
    panels have one scale, and end where everything in them has fallen to almost nothing.

    Args:
        panels: from name to values (N,), for one panel; or from the title of a panel, at most three, to such a
            dictionary. The names stand below the figure, once each: a name has the same place in every panel.
        ylabel: what the values are.

    Raises:
        ValueError: x is not (N,), there are no panels or more than three, or values are not (N,).
    """
    if not isinstance(x, Tensor) or x.ndim != 1 or len(x) < 2:
        raise ValueError(f"x must have shape (N,), got {_check.describe(x)}")
    if not isinstance(panels, Mapping) or not panels:
        raise ValueError(f"panels must be a dictionary from name to values, got {_check.describe(panels)}")
    if not any(isinstance(panel, Mapping) for panel in panels.values()):
        panels = {"": panels}
    if len(panels) > 3:
        raise ValueError(f"panels must be at most three, got {len(panels)}")
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.8), sharex=True, sharey=True, squeeze=False)
    words, named, seen = [], {}, torch.zeros(len(x), dtype=torch.bool)
    for ax, (name, panel) in zip(axes[0], panels.items(), strict=True):
        values = {key: _values(f"panels[{key!r}]", value, len(x)) for key, value in panel.items()}
        for i, (key, value) in enumerate(values.items()):
            if i == 0:
                artist = ax.fill_between(x, value, color="#CCCCCC")
            else:
                look = {"linewidth": 2 + 2 * (len(values) - 1 - i), "linestyle": "--" if i == 3 else "-"}
                (artist,) = ax.plot(x, value, color=LINES[(i - 1) % len(LINES)], **look)
            named.setdefault(key, artist)
            words.append(
                f"{f'{name}, ' if name else ''}{key}: highest {short(value.max())} at {short(x[value.argmax()])}"
            )
            seen |= value > VISIBLE * value.max()
        ax.set(xlabel="x")
        ax.set_title(name, fontsize=12)
    axes[0, 0].set(xlim=(x[seen].min().item(), x[seen].max().item()), ylabel=ylabel)  # shared by all panels
    axes[0, 0].set_ylim(bottom=0)
    figure.legend(named.values(), named, loc="outside lower center", ncols=len(named), fontsize=12)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, "; ".join(words)))


def _values(name: str, value, n: int) -> Tensor:
    if not isinstance(value, Tensor) or value.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {_check.describe(value)}")
    return value.detach().double().cpu()
