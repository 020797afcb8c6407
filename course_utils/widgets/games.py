"""The three games of a generator: what each costs, and how hard it pushes, against the discriminator's logit.

    minimax                log(1 - D)       gradient  -D
    non-saturating         -log D           gradient  -(1 - D)
    maximum likelihood     -D / (1 - D)     gradient  -D / (1 - D),     D = sigmoid(logit) of D(G(z))

Goodfellow, arXiv 1701.00160, section 3.2, whose costs have a factor 1/2 that these have not. All numbers come from
`course_utils.objectives`; the browser's part, games.js beside this file, gets a table of them and has no formula.
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
from course_utils.objectives import OBJECTIVES
from course_utils.widgets import _browser

REACH = 6.0  # logits from -6 to 6: D from 0.0025 to 0.9975
NOTCHES = 240  # of the point between both ends; the curves are drawn through the same places
COSTS = (-10.0, 7.0)  # of the axis; maximum likelihood leaves it at D = 0.91 and goes on to -403
PUSHES = (1e-3, 1e3)  # of the axis of gradients
AXES = {"logit": "logit of D(G(z))", "probability": "D(G(z))"}
GREY = "#7F7F7F"

# What each game is called, its colour, as `plots.curves` gives them in this order, and its line.
GAME_STYLES = {
    "minimax": ("minimax", "#0072B2", "--"),
    "non_saturating": ("non-saturating", "#E69F00", "-"),
    "maximum_likelihood": ("maximum likelihood", "#009E73", "-."),
}


class GameValue(NamedTuple):
    """What the generator pays in one game, and the derivative by the logit; see `game_values`."""

    cost: Tensor
    gradient: Tensor


def game_values(logits: Tensor | float) -> dict[str, GameValue]:
    """Return each game's cost of one sample and its derivative by the discriminator's logit, elementwise.

    Cost and gradient are those of ``OBJECTIVES[name].generator``, the gradient by automatic differentiation.

    Args:
        logits: the discriminator's logits of generated samples, of any shape; a number becomes float64.

    Returns:
        "minimax", "non_saturating" and "maximum_likelihood", each with cost and gradient of the shape of logits.

    Raises:
        ValueError: logits are not finite.
    """
    logits = _finite(logits)
    return {name: _game(name, logits) for name in GAME_STYLES}


def games_picture(logit: float = -4.0, axis: str = "logit") -> Figure:
    """Draw both panels as a still picture: costs and gradients of the three games, with a point at ``logit``.

    Args and errors are those of `game_curves`.
    """
    logit, axis = _need_logit(logit), _need_axis(axis)
    figure = Figure(figsize=(10, 4.6), layout="constrained", facecolor="white")
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(w_pad=0.1, h_pad=0.06)
    costs, gradients = figure.subplots(1, 2)
    _draw_costs(costs, logit, axis)
    _draw_gradients(gradients, logit, axis)
    return figure


def game_curves(logit: float = -4.0, axis: str = "logit") -> "GameCurves":
    """Return a widget with cost and gradient of the three games, and a point to drag along the curves.

    Args:
        logit: where the point stands at first, from -6 to 6; it moves in steps of 0.05.
        axis: "logit" or "probability": what both panels are drawn against at first.

    Raises:
        ValueError: logit is not a number of its range, or axis is none of the two.
    """
    return GameCurves(logit, axis)


class GameCurves(anywidget.AnyWidget):
    """What `game_curves` returns. A cell that ends in it shows it.

    Attributes:
        logit: where the point stands now.
        axis: "logit" or "probability", what the panels are drawn against now.
    """

    _esm, _css = _browser.script("games"), _browser.style("games")
    scene = traitlets.Dict().tag(sync=True)  # what never changes: the table of the curves, names and colours
    logit = traitlets.Float(min=-REACH, max=REACH).tag(sync=True)
    axis = traitlets.Enum(list(AXES)).tag(sync=True)

    def __init__(self, logit: float, axis: str):
        super().__init__(logit=_need_logit(logit), axis=_need_axis(axis))
        self.scene = _scene()

    def __repr__(self) -> str:
        return f"GameCurves(logit={self.logit:g}, against the {self.axis})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)  # None only where there is nothing to show
        data, metadata = bundle
        return {**data, **_browser.still(games_picture(self.logit, self.axis))}, metadata


def _game(name: str, logits: Tensor) -> GameValue:
    def cost(logit: Tensor) -> Tensor:
        return OBJECTIVES[name].generator(logit, logit)  # none of the three looks at its real logits

    gradients, costs = torch.func.vmap(torch.func.grad_and_value(cost))(logits.flatten())
    return GameValue(costs.view(logits.shape), gradients.view(logits.shape))


def _scene() -> dict:
    """The table in JSON: at each notch the logit, D, and each game's cost and gradient."""
    at, games = _table()
    return {
        "logits": at.tolist(),
        "probabilities": at.sigmoid().tolist(),
        "costs": COSTS,
        "pushes": PUSHES,
        "axes": AXES,
        "games": [
            {
                "name": name,
                "words": words,
                "colour": colour,
                "cost": games[name].cost.tolist(),
                "gradient": games[name].gradient.tolist(),
            }
            for name, (words, colour, _) in GAME_STYLES.items()
        ],
    }


def _table() -> tuple[Tensor, dict[str, GameValue]]:
    notches = torch.arange(-NOTCHES // 2, NOTCHES // 2 + 1, dtype=torch.float64)
    at = notches / (NOTCHES / (2 * REACH))
    return at, game_values(at)


def _draw_costs(ax: Axes, logit: float, axis: str) -> None:
    costs = {name: value.cost for name, value in _table()[1].items()}
    here = {name: value.cost.item() for name, value in game_values(logit).items()}
    _draw(ax, logit, axis, costs, here)
    for line in ax.lines:
        heights: Any = line.get_ydata()
        if line.get_marker() == "o" and heights[0] < COSTS[0]:  # beneath the axis: shown at its end
            line.set(ydata=[COSTS[0]], marker="v")
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(ylim=COSTS, ylabel="cost of one sample, nats")
    ax.set_title("Cost of the generator", fontsize=12, fontweight="bold", loc="left")
    _key(ax, logit, here, "cost", "upper right" if axis == "logit" else "lower left")


def _draw_gradients(ax: Axes, logit: float, axis: str) -> None:
    pushes = {name: -value.gradient for name, value in _table()[1].items()}
    here = {name: value.gradient.item() for name, value in game_values(logit).items()}
    _draw(ax, logit, axis, pushes, {name: -gradient for name, gradient in here.items()})
    ax.set(yscale="log", ylim=PUSHES, ylabel="−d cost / d logit, log scale")
    ax.set_title("Push on the logit", fontsize=12, fontweight="bold", loc="left")
    _key(ax, logit, here, "gradient", "upper left" if axis == "logit" else "upper center")


def _draw(ax: Axes, logit: float, axis: str, curves: dict[str, Tensor], here: dict[str, float]) -> None:
    place = torch.sigmoid if axis == "probability" else torch.clone
    at, x = place(_table()[0]), place(torch.tensor(logit, dtype=torch.float64)).item()
    for k, (name, (_, colour, line)) in enumerate(GAME_STYLES.items()):
        ax.plot(at, curves[name], line, color=colour, linewidth=2.4)
        # smaller and smaller, so that no point hides another one
        ax.plot(x, here[name], "o", color=colour, markersize=12 - 3 * k, clip_on=False, zorder=3 + k)
    ax.axvline(x, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    ax.set(xlim=(0, 1) if axis == "probability" else (-REACH, REACH), xlabel=AXES[axis])
    ax.spines[["top", "right"]].set_visible(False)


def _key(ax: Axes, logit: float, here: dict[str, float], what: str, where: Any) -> None:
    """A legend whose entries tell the value of each game at the point."""
    lines = [line for line in ax.lines if len(line.get_xdata()) > 2]  # pyright: ignore[reportArgumentType]
    values = [f"{here[name]:.4g}".replace("-", "−") for name in GAME_STYLES]
    words = [f"{words}: {value}" for (words, *_), value in zip(GAME_STYLES.values(), values, strict=True)]
    probability = torch.tensor(logit, dtype=torch.float64).sigmoid().item()
    title = f"{what} at logit {logit:.2f}, D = {probability:.4f}".replace("-", "−")
    ax.legend(lines, words, title=title, title_fontsize=10.5, fontsize=10.5, loc=where, frameon=False)


def _finite(logits: Any) -> Tensor:
    if not isinstance(logits, Tensor) and math.isfinite(_check.number(logits)):
        logits = torch.tensor(_check.number(logits), dtype=torch.float64)
    sound = isinstance(logits, Tensor) and logits.is_floating_point() and logits.numel()
    if not sound or not logits.isfinite().all():
        want = "finite, a number or a floating-point tensor"
        raise ValueError(f"logits must be {want}, got {_check.describe(logits)}")
    return logits.detach()


def _need_logit(logit: float) -> float:
    if not -REACH <= _check.number(logit) <= REACH:
        got = _check.describe(logit)
        raise ValueError(f"logit must be a number from {-REACH:g} to {REACH:g}, got {got}")
    return _check.number(logit)


def _need_axis(axis: str) -> str:
    if not isinstance(axis, str) or axis not in AXES:
        raise ValueError(f'axis must be "logit" or "probability", got {_check.describe(axis)}')
    return axis
