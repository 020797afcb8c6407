"""Figures of the evidence lower bound: what it misses, and the encoder's guess beside the posterior."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from torch import Tensor

from course_utils import _check
from course_utils.plots.style import COLOURS, WIDTH, sentence, short, show, wrap_title

GUESS, POSTERIOR = COLOURS["vae"], COLOURS["data"]


def elbo_and_gap(rows: Mapping[str, tuple[float, float]], title: str = "") -> None:
    """A bar for each row, log p(x) = ELBO + gap: the ELBO in colour up to its value, the gap hatched up to log p(x).

    Args:
        rows: from name to (ELBO, gap) in nats; the first row is on top.

    Raises:
        ValueError: there are no rows, one is no pair of finite numbers, or a gap is below 0 by more than rounding.
    """
    if not isinstance(rows, Mapping) or not len(rows):
        raise ValueError(f"rows must be a dictionary of at least one pair (ELBO, gap), got {_check.describe(rows)}")
    for name, pair in rows.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"rows[{name!r}] must be a pair (ELBO, gap), got {_check.describe(pair)}")
        if not all(math.isfinite(float(value)) for value in pair) or float(pair[1]) < -1e-6:
            raise ValueError(f"rows[{name!r}] must be finite, with a gap of at least 0, got {pair}")
    pairs = {str(name): (float(elbo), max(float(gap), 0.0)) for name, (elbo, gap) in rows.items()}
    low = min(elbo for elbo, _ in pairs.values())
    high = max(elbo + gap for elbo, gap in pairs.values())
    room = 0.35 * (high - low or 1.0)
    left = low - room
    figure, ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.55 * len(pairs)))
    for place, (elbo, gap) in enumerate(pairs.values()):
        ax.barh(place, elbo - left, left=left, color=GUESS)
        ax.barh(place, gap, left=elbo, color="white", edgecolor=POSTERIOR, hatch="///")
        words = f"  {elbo:.2f} + {gap:.2f} = {elbo + gap:.2f}".replace("-", "−")
        ax.text(high, place, words, va="center", color=POSTERIOR)
        ax.plot([elbo + gap] * 2, [place - 0.5, place + 0.5], color=POSTERIOR)
    ax.set(xlim=(left, high + 1.4 * room), xlabel="nats, not from 0: ELBO in colour, gap hatched, log p(x) black")
    ax.set_xticks([tick for tick in ax.get_xticks() if left <= tick <= high])
    ax.spines["bottom"].set_bounds(left, high)
    ax.set_yticks(range(len(pairs)), list(pairs))
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set_title(wrap_title(title, WIDTH - 2.5))
    said = "; ".join(f"{name}: {elbo:.2f} + {gap:.2f} = {elbo + gap:.2f}" for name, (elbo, gap) in pairs.items())
    show(figure, sentence(title, f"Bars of the ELBO and the gap up to log p(x), in nats. {said}".replace("-", "−")))


def guesses(panels: Mapping[str, tuple[Tensor, Tensor]], posterior: tuple[Tensor, Tensor], title: str = "") -> None:
    """Gaussian guesses of a code of two numbers beside the true posterior, as ellipses of one and two widths.

    Args:
        panels: from name to mean (2,) and covariance (2, 2) of a guess, at most five.
        posterior: mean (2,) and covariance (2, 2), drawn with dashes in every panel.

    Raises:
        ValueError: there are no panels or too many, a shape is wrong, or a covariance is not positive definite.
    """
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 5:
        raise ValueError(f"panels must be a dictionary of one to five guesses, got {_check.describe(panels)}")
    truth = _gaussian("posterior", posterior)
    drawn = {str(name): _gaussian(f"panels[{name!r}]", pair) for name, pair in panels.items()}
    reach = max(2.2 * covariance.diagonal().max().sqrt() for _, covariance in (truth, *drawn.values())).item()
    reach += max((mean - truth[0]).abs().max().item() for mean, _ in drawn.values())
    figure, axes = plt.subplots(1, len(drawn), figsize=(min(WIDTH, 3.2 * len(drawn)), 3.7), squeeze=False, sharey=True)
    for ax, (name, guess) in zip(axes[0], drawn.items(), strict=True):
        for (mean, covariance), colour, line, label in (
            (truth, POSTERIOR, "--", "posterior"),
            (guess, GUESS, "-", "q"),
        ):
            _ellipses(ax, mean, covariance, colour, line, label)
        (x, y) = truth[0].tolist()
        ax.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), aspect="equal", xlabel="z₁")
        ax.set_title(name, fontsize=12)
    axes[0, 0].set_ylabel("z₂")
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(h_pad=0.1)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(wrap_title(title, figure.get_figwidth()), x=0.01, ha="left")
    words = [f"{name}: widths {_widths(c)}" for name, (_, c) in drawn.items()]
    show(figure, sentence(title, f"Ellipses; posterior: widths {_widths(truth[1])}", *words))


def _ellipses(ax: Axes, mean: Tensor, covariance: Tensor, colour: str, line: str, label: str) -> None:
    values, vectors = torch.linalg.eigh(covariance)  # in rising order
    angle = math.degrees(math.atan2(*vectors[:, 1].flip(0).tolist()))
    for k in (1, 2):
        width, height = (2 * k * values.flip(0).sqrt()).tolist()
        style = {"fill": False, "edgecolor": colour, "linestyle": line, "linewidth": 2.5 / k}
        middle = tuple(mean.tolist())
        ax.add_patch(Ellipse(middle, width, height, angle=angle, label=label if k == 1 else None, **style))
    ax.plot(*mean.tolist(), "o", color=colour, markersize=4)


def _gaussian(name: str, pair) -> tuple[Tensor, Tensor]:
    """Mean (2,) and covariance (2, 2) as float64, else ValueError."""
    shapes = [tuple(part.shape) if isinstance(part, Tensor) else None for part in pair] if len(pair) == 2 else []
    if shapes != [(2,), (2, 2)]:
        raise ValueError(f"{name} must be a mean (2,) and a covariance (2, 2), got {_check.describe(pair)}")
    mean, covariance = (part.detach().cpu().double() for part in pair)
    if not covariance.isfinite().all() or not torch.linalg.eigvalsh(covariance).min() > 0:
        raise ValueError(f"{name} must have a positive definite covariance")
    return mean, covariance


def _widths(covariance: Tensor) -> str:
    return " and ".join(short(value) for value in torch.linalg.eigvalsh(covariance).sqrt())
