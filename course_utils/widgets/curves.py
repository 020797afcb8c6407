"""The three curves behind the KL of a Gaussian, step by step, with sliders for its mean and log-variance.

    KL(N(m, e^s) || N(0, 1)) = 1/2 [e^s - (1 + s) + m^2],  s = log-variance

The numbers are those of `kl_parts`; the browser's part, curves.js beside this file, computes the same formula, so that
the sliders need no answer from the kernel.
"""

import math
from typing import Any, NamedTuple

import anywidget
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils import _check
from course_utils.widgets import _browser

S_RANGE, M_RANGE = (-3.0, 2.0), (-2.0, 2.0)
# The colours of `plots.COLOURS`: autoregressive, baseline, vae, gan. Importing that module would set a style.
BLUE, GREY, ORANGE, GREEN = "#0072B2", "#7F7F7F", "#E69F00", "#009E73"

# Title and sentence of each step; the browser shows them too.
STEPS = (
    ("exp(s) makes a variance", "s = log σ² may be any number; σ² = exp(s) is above 0 all the same. At s = 0 it is 1."),
    ("1 + s is the tangent at s = 0", "The line touches exp(s) at s = 0 and lies below it everywhere else."),
    (
        "The gap between them",
        "exp(s) − (1 + s) is never below 0: what is shaded is the price of a variance that is not 1.",
    ),
    (
        "The gap is lowest at s = 0",
        "Its minimum is 0, at variance 1. To the left it grows like a straight line, to the right like exp(s).",
    ),
    (
        "m² lifts the curve",
        "Half its height is KL(N(m, eˢ) ‖ N(0, 1)). However high m² lifts it, it stays lowest at s = 0.",
    ),
)


class KLParts(NamedTuple):
    """The parts of the KL of N(m, e^s) from N(0, 1), each of the broadcast shape of m and s; see `kl_parts`."""

    variance: Tensor
    line: Tensor
    difference: Tensor
    square: Tensor
    kl: Tensor


def kl_parts(m: Tensor | float, s: Tensor | float) -> KLParts:
    """Return the parts that the KL of a Gaussian from the standard one is made of, elementwise.

        KL(N(m, e^s) || N(0, 1)) = 1/2 [e^s - (1 + s) + m^2]

    Kingma and Welling, arXiv 1312.6114, appendix B.

    Args:
        m: mean.
        s: log-variance.

    Returns:
        variance e^s, line 1 + s, difference e^s - (1 + s), square m^2, and kl, in nats. Numbers become float64.

    Raises:
        ValueError: m or s is not finite.
    """
    m, s = _finite("m", m), _finite("s", s)
    difference = s.expm1() - s  # exp(s) - (1 + s) would lose all digits near its minimum
    return KLParts(s.exp(), 1 + s, difference, m**2, 0.5 * (difference + m**2))


def curves_picture(m: float = 1.0, s: float = -2.0) -> Figure:
    """Draw all steps as a still picture: five panels of curves with a point at s, and the two Gaussians.

    Args:
        m: mean, from -2 to 2.
        s: log-variance, from -3 to 2.

    Raises:
        ValueError: m or s is not a number of its range.
    """
    m, s = _within("m", m, *M_RANGE), _within("s", s, *S_RANGE)
    figure = Figure(figsize=(10, 6.2), layout="constrained", facecolor="white")
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(w_pad=0.1, h_pad=0.1)
    axes = figure.subplots(2, 3).flatten()
    for step, ax in enumerate(axes[:5], 1):
        _draw_step(ax, step, m, s)
    _draw_gaussians(axes[5], m, s)
    return figure


def kl_curves(m: float = 1.0, s: float = -2.0, step: int = 1) -> "KLCurves":
    """Return a widget that builds the KL of N(m, e^s) from N(0, 1) out of three curves, one step at a time.

    Args:
        m: mean at first, from -2 to 2.
        s: log-variance at first, from -3 to 2.
        step: step at first: 1 shows exp(s); 2 the line 1 + s; 3 the gap between them; 4 the gap as a curve; 5 the
            curve lifted by m^2, and the two Gaussians.

    Raises:
        ValueError: m, s or step is not a number of its range.
    """
    return KLCurves(m, s, step)


class KLCurves(anywidget.AnyWidget):
    """What `kl_curves` returns. A cell that ends in it shows it.

    Attributes:
        m, s: mean and log-variance, where the sliders stand now.
        step: 1 to 5, which step is shown now.
    """

    _esm, _css = _browser.script("curves"), _browser.style("curves")
    scene = traitlets.Dict().tag(sync=True)  # what never changes: ranges, colours, the steps' sentences
    m = traitlets.Float(min=M_RANGE[0], max=M_RANGE[1]).tag(sync=True)
    s = traitlets.Float(min=S_RANGE[0], max=S_RANGE[1]).tag(sync=True)
    step = traitlets.Int(1, min=1, max=len(STEPS)).tag(sync=True)

    def __init__(self, m: float, s: float, step: int):
        m, s = _within("m", m, *M_RANGE), _within("s", s, *S_RANGE)
        step = _check.whole("step", step)
        if step > len(STEPS):
            raise ValueError(f"step must be a whole number from 1 to {len(STEPS)}, got {step}")
        super().__init__(m=m, s=s, step=step)
        self.scene = {
            "s": S_RANGE,
            "m": M_RANGE,
            "steps": [{"title": title, "text": text} for title, text in STEPS],
            "colours": {"variance": BLUE, "line": GREY, "difference": ORANGE, "lifted": GREEN},
        }

    def __repr__(self) -> str:
        return f"KLCurves(m={self.m:g}, s={self.s:g}, step {self.step} of {len(STEPS)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)  # None only where there is nothing to show
        data, metadata = bundle
        return {**data, **_browser.still(curves_picture(self.m, self.s))}, metadata


def _draw_step(ax: Axes, step: int, m: float, s: float) -> None:
    at, here = torch.linspace(*S_RANGE, 201, dtype=torch.float64), kl_parts(m, s)
    parts = kl_parts(m, at)
    if step <= 3:
        ax.plot(at, parts.variance, color=BLUE, linewidth=2, label="exp(s)")
        ax.plot(s, here.variance, "o", color=BLUE, clip_on=False)
    if step in (2, 3):
        ax.plot(at, parts.line, "--", color=GREY, linewidth=2, label="1 + s")
    if step == 3:
        ax.fill_between(at, parts.line, parts.variance, color=ORANGE, alpha=0.35, linewidth=0, label="difference")
        ax.plot([s, s], [here.line, here.variance], color=ORANGE, linewidth=3)
    if step >= 4:
        ax.plot(at, parts.difference, color=ORANGE, linewidth=2, label="exp(s) − (1 + s)")
        ax.plot(s, here.difference, "o", color=ORANGE, clip_on=False)
    if step == 5:
        ax.plot(at, parts.difference + parts.square, color=GREEN, linewidth=2, label="… + m²")
        ax.plot([s, s], [here.difference, here.difference + here.square], ":", color=GREEN, linewidth=2)
        ax.plot(s, here.difference + here.square, "o", color=GREEN, clip_on=False)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(xlim=S_RANGE, ylim=(-2.2, 8.6), xlabel="s = log σ²")
    ax.legend(loc="upper left", fontsize=10, frameon=False)
    _title(ax, f"{step} · {STEPS[step - 1][0]}")


def _draw_gaussians(ax: Axes, m: float, s: float) -> None:
    z = torch.linspace(-5, 5, 301, dtype=torch.float64)
    for mean, log_var, colour, line, label in (
        (0.0, 0.0, GREY, "--", "N(0, 1)"),
        (m, s, GREEN, "-", f"N({m:.2f}, {math.exp(s):.2f})".replace("-", "−")),
    ):
        density = torch.exp(-0.5 * (z - mean) ** 2 / math.exp(log_var)) / math.sqrt(2 * math.pi * math.exp(log_var))
        ax.plot(z, density, line, color=colour, linewidth=2, label=label)
        ax.fill_between(z, 0, density, color=colour, alpha=0.2, linewidth=0)
    top = max(0.62, 1.35 / math.sqrt(2 * math.pi * math.exp(s)))  # room for the legend above the higher of both
    ax.set(xlim=(-5, 5), ylim=(0, top), xlabel="z")
    ax.legend(loc="upper left", fontsize=10, frameon=False)
    kl = kl_parts(m, s).kl.item()
    _title(ax, f"KL = ½ · {2 * kl:.3f} = {kl:.3f} nats")


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, fontsize=11, fontweight="bold", loc="left")
    ax.spines[["top", "right"]].set_visible(False)


def _finite(name: str, value: Tensor | float) -> Tensor:
    try:
        number = value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None or not number.is_floating_point() or not number.isfinite().all():
        raise ValueError(f"{name} must be finite, a number or a floating-point tensor, got {_check.describe(value)}")
    return number


def _within(name: str, value: float, least: float, most: float) -> float:
    if not least <= _check.number(value) <= most:
        raise ValueError(f"{name} must be a number from {least:g} to {most:g}, got {_check.describe(value)}")
    return _check.number(value)
