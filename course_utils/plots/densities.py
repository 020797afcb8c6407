"""Figures of densities on a line: what there is as a grey hill, what is compared with it as lines."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, short, show, wrap_title

LINES = [COLOURS[k] for k in ("gan", "autoregressive", "wrong", "vae")]  # the generator, and what else is drawn
VISIBLE = 0.004  # of the largest value: below it there is nothing to be seen


def densities(x: Tensor, panels: Mapping, title: str = "", *, xlabel: str = "x") -> None:
    """Densities over x (N,), one panel or several: the first of each as a grey hill, the others as lines.

    Lines get thinner from one to the next, so that two that coincide are both seen. Each panel ends where everything in
    it has fallen to almost nothing.

    Args:
        panels: from name to values (N,), for one panel; or from the title of a panel, at most three, to such a
            dictionary. The names stand below the figure, once each: a name has the same place in every panel.

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
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.8), sharey=True, squeeze=False)
    words, named = [], {}
    for ax, (name, panel) in zip(axes[0], panels.items(), strict=True):
        values = {key: _values(f"panels[{key!r}]", value, len(x)) for key, value in panel.items()}
        for i, (key, value) in enumerate(values.items()):
            if i == 0:
                artist = ax.fill_between(x, value, color="#CCCCCC")
            else:
                width = 2 + 2 * (len(values) - 1 - i)
                (artist,) = ax.plot(x, value, color=LINES[(i - 1) % len(LINES)], linewidth=width)
            named.setdefault(key, artist)
            words.append(
                f"{f'{name}, ' if name else ''}{key}: highest {short(value.max())} at {short(x[value.argmax()])}"
            )
        seen = torch.stack([value > VISIBLE * value.max() for value in values.values()]).any(0)
        ax.set(xlim=(x[seen].min().item(), x[seen].max().item()), xlabel=xlabel)
        ax.set_title(name, fontsize=12)
    axes[0, 0].set_ylim(bottom=0)  # shared by all panels
    figure.legend(named.values(), named, loc="outside lower center", ncols=len(named), fontsize=12)
    figure.suptitle(wrap_title(title), x=0.01, ha="left")
    show(figure, sentence(title, "; ".join(words)))


def _values(name: str, value, n: int) -> Tensor:
    if not isinstance(value, Tensor) or value.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {_check.describe(value)}")
    return value.detach().double().cpu()
