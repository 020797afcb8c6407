"""Training of a generator on points of the plane, as frames to play: samples, the discriminator's field, the push.

A training loop takes frames with `watch`; the browser's part, scrubber.js beside this file, gets all of them at once,
so that playing them needs no answer from the kernel.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import anywidget
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor, nn

from course_utils import _check
from course_utils.objectives import OBJECTIVES, Objective
from course_utils.widgets import _browser

Network = Callable[[Tensor], Tensor]

# So that all frames together stay below half a megabyte.
MOST_FRAMES, MOST_DOTS, MOST_SIDE = 60, 300, 64
ON_STILL = 6  # frames
SHOWS = ("probability", "height")
# The colours of `plots.COLOURS` for data, a GAN and the baseline.
BLACK, GREEN, GREY = "#000000", "#009E73", "#7F7F7F"
# From "fake" over "cannot tell" to "real". Pale, so that points and arrows stand out; no red beside green.
FIELD = LinearSegmentedColormap.from_list("field", ["#a99bd1", "#f7f7f7", "#f2bb6b"])
# Bands of the still picture, where smooth colours would make a large file; an odd number, so that 1/2 lies in one.
BANDS = 11
LONGEST = 0.14  # of the plane's side: the longest arrow
ARROWS = 60  # more of them only make a thicket


class Frame(NamedTuple):
    """One moment of training, on the CPU; see `watch`.

    Attributes:
        step: how many steps of training came before it.
        samples: (N, 2), what the generator made of the noise.
        field: (S, S), the discriminator's logits on a grid of the plane; row 0 is the top, at y = limit.
        arrows: (N, 2), minus the gradient of the generator's cost of each sample: where the sample is pushed.
        limit: the plane is the square [-limit, limit]^2.
    """

    step: int
    samples: Tensor
    field: Tensor
    arrows: Tensor
    limit: float


def watch(
    generator_network: Network,
    discriminator: Network,
    step: int,
    *,
    noise: Tensor,
    limit: float,
    side: int = 40,
    objective: Objective = OBJECTIVES["non_saturating"],
    real: Tensor | None = None,
) -> Frame:
    """Look at both players in the middle of their training, and change nothing about them.

        arrow_i = -d cost_i / d x_i,  x_i = G(z_i),  cost the sum that the objective takes the mean of

    Args:
        generator_network: noise (N, Z) to points (N, 2).
        discriminator: points (B, 2) to logits, or a critic's values, (B,).
        step: the number of this step, 0 before the first one.
        noise: (N, Z), the same for all frames, so that each sample can be followed; 200 or 300 are enough.
        limit: the plane is the square [-limit, limit]^2.
        side: points on a side of the field's grid, from 2 to 64.
        objective: whose generator's cost pushes the samples; not a method of the game, only the arrows.
        real: real points (N, 2), for an objective whose generator looks at them, as the relativistic one.

    Raises:
        ValueError: an argument is not of that form, a network returns another shape or what is not finite, or the
            objective looks at real points and there are none.
    """
    step, side = _check.whole("step", step, least=0), _check.whole("side", side, least=2)
    limit = _check.positive("limit", limit)
    if side > MOST_SIDE:
        raise ValueError(f"side must be a whole number from 2 to {MOST_SIDE}, got {side}")
    _need_rows("noise", noise)
    if real is not None and _need_rows("real", real).shape != (len(noise), 2):
        raise ValueError(f"real must have shape ({len(noise)}, 2), one point a sample, got {tuple(real.shape)}")
    with _evaluating(generator_network, discriminator), torch.no_grad():
        samples = _need_output("generator_network", generator_network(noise), (len(noise), 2))
        field = _need_output("discriminator", discriminator(plane(limit, side).to(samples)), (side * side,))
        arrows = _arrows(discriminator, samples, objective, real)
    return Frame(step, _kept(samples), _kept(field).view(side, side), _kept(arrows), limit)


def plane(limit: float, side: int) -> Tensor:
    """The points of the field's grid, (side * side, 2), row by row from the upper left to the lower right."""
    along = torch.linspace(-limit, limit, side)
    return torch.cartesian_prod(along.flip(0), along).flip(1)


def scrubber_picture(frames: Sequence[Frame], real: Tensor, show: str = "probability") -> Figure:
    """Draw six of the frames, from the first to the last, as a still picture.

    Args and errors are those of `training_scrubber`.
    """
    return _picture(_need_film(frames, real, show))


def training_scrubber(frames: Sequence[Frame], real: Tensor, show: str = "probability") -> "TrainingScrubber":
    """Return a widget that plays frames of training, or shows the one that a slider stands at.

    Args:
        frames: of `watch`, two at least, in the order of their steps; of more than 60 it shows 60, and of more than
            300 samples 300, evenly chosen.
        real: points of the data (M, 2), drawn in grey, 300 of them if there are more.
        show: "probability", where colours tell D from 0 to 1; or "height", for a critic, where they run from the
            lowest to the highest value of each frame.

    Raises:
        ValueError: an argument is not of that form, or the frames do not belong together: other limits, other numbers
            of samples, other grids, or steps that do not rise.
    """
    return TrainingScrubber(frames, real, show)


class TrainingScrubber(anywidget.AnyWidget):
    """What `training_scrubber` returns. A cell that ends in it shows it.

    Attributes:
        frame: the number of the frame that is shown now, from 0.
    """

    _esm, _css = _browser.script("scrubber"), _browser.style("scrubber")
    scene = traitlets.Dict().tag(sync=True)  # what never changes: sizes, steps, colours, real points
    film = traitlets.Bytes().tag(sync=True)  # all frames; see _for_browser
    frame = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, frames: Sequence[Frame], real: Tensor, show: str):
        self._film = _need_film(frames, real, show)
        super().__init__()
        self.scene, self.film = _for_browser(self._film)

    def __repr__(self) -> str:
        steps = [frame.step for frame in self._film.frames]
        return f"TrainingScrubber({len(steps)} frames, steps {steps[0]:,} to {steps[-1]:,})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)  # None only where there is nothing to show
        data, metadata = bundle
        return {**data, **_browser.still(_picture(self._film))}, metadata


class Film(NamedTuple):
    """Frames that belong together, cut to what can be shown."""

    frames: list[Frame]
    real: Tensor  # (M, 2)
    show: str
    unit: float  # the length of a push that is drawn as the longest arrow

    @property
    def limit(self) -> float:
        return self.frames[0].limit

    def colours(self, frame: Frame) -> Tensor:
        """The field in [0, 1], from the first colour to the last one."""
        if self.show == "probability":
            return frame.field.sigmoid()
        low, high = span(frame)
        return (frame.field - low) / ((high - low) or 1.0)

    def arrows(self, frame: Frame) -> tuple[Tensor, Tensor]:
        """Which samples have an arrow, (A,), and their arrows as they are drawn, (A, 2), in the units of the plane.

        A length is as the root of the push. Pushes differ a hundredfold between the frames of one training; with
        lengths like them one would see few.
        """
        few = torch.tensor(_evenly(len(frame.arrows), ARROWS))
        pushes = frame.arrows[few].norm(dim=1, keepdim=True)
        directions = torch.nn.functional.normalize(frame.arrows[few])
        return few, directions * (pushes / self.unit).clamp(max=1).sqrt() * LONGEST * 2 * self.limit


def span(frame: Frame) -> tuple[float, float]:
    """The lowest and the highest value of a frame's field."""
    return frame.field.min().item(), frame.field.max().item()


def push(frame: Frame) -> float:
    """How hard the sample in the middle is pushed: the median of the arrows' lengths, in nats per unit of length."""
    return frame.arrows.norm(dim=1).quantile(0.5).item()


@contextmanager
def _evaluating(*networks: Network) -> Iterator[None]:
    """Networks in evaluation: with spectral norm, each forward pass in training would change what it is to look at."""
    modules = [module for network in networks if isinstance(network, nn.Module) for module in network.modules()]
    before = [(module, module.training) for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _arrows(discriminator: Network, samples: Tensor, objective: Objective, real: Tensor | None) -> Tensor:
    x = samples.detach().requires_grad_()
    # Of an objective that looks at real logits, NaN makes NaN; no other one notices.
    at_real = samples.new_full((len(samples),), math.nan) if real is None else discriminator(real.to(samples))
    with torch.enable_grad():
        cost = len(x) * objective.generator(at_real, discriminator(x))
    if real is None and cost.isnan():
        raise ValueError("real must be real points for an objective whose generator looks at them, got None")
    (gradient,) = torch.autograd.grad(cost, x)
    if not gradient.isfinite().all():
        raise ValueError("objective must have finite gradients at the samples, got NaN or infinity among them")
    return -gradient


def _kept(x: Tensor) -> Tensor:
    return x.detach().float().cpu().clone()


def _need_output(name: str, x: Any, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(x, Tensor) or not x.is_floating_point() or tuple(x.shape) != shape or not x.isfinite().all():
        raise ValueError(f"{name} must return finite floating point of shape {shape}, got {_check.describe(x)}")
    return x


def _need_rows(name: str, x: Any) -> Tensor:
    sound = isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 2 and x.numel()
    if not sound or not x.isfinite().all():
        raise ValueError(f"{name} must be finite floating point (N, D) with N, D > 0, got {_check.describe(x)}")
    return x


def _need_film(frames: Any, real: Any, show: Any) -> Film:
    if not isinstance(frames, Sequence) or len(frames) < 2 or not all(isinstance(f, Frame) for f in frames):
        got = f"{len(frames)} of them" if isinstance(frames, Sequence) else type(frames).__name__
        raise ValueError(f"frames must be a list of at least two frames of `watch`, got {got}")
    if show not in SHOWS:
        raise ValueError(f'show must be "probability" or "height", got {_check.describe(show)}')
    if _need_rows("real", real).shape[1] != 2:
        raise ValueError(f"real must have shape (M, 2), got {tuple(real.shape)}")
    for frame in frames:
        if _form(frame) != _form(frames[0]):
            raise ValueError(f"frames must have one limit, number of samples and grid, got others at step {frame.step}")
    steps = [frame.step for frame in frames]
    if any(after <= before for before, after in zip(steps, steps[1:], strict=False)):
        raise ValueError(f"frames must have steps that rise, got {str(steps)[:80]}")
    few = _evenly(len(frames[0].samples), MOST_DOTS)
    cut = [frame._replace(samples=frame.samples[few], arrows=frame.arrows[few]) for frame in frames]
    cut = [cut[k] for k in _evenly(len(cut), MOST_FRAMES)]
    lengths = torch.stack([frame.arrows.norm(dim=1) for frame in cut])
    unit = lengths.flatten().quantile(0.9).item() or lengths.max().item() or 1.0
    return Film(cut, _kept(real)[_evenly(len(real), MOST_DOTS)], show, unit)


def _form(frame: Frame) -> tuple:
    return frame.limit, frame.samples.shape, frame.field.shape


def _evenly(n: int, most: int) -> list[int]:
    """At most that many of the numbers 0 … n - 1, the first and the last among them."""
    return torch.linspace(0, n - 1, min(n, most), dtype=torch.float64).round().long().tolist()


def _for_browser(film: Film) -> tuple[dict, bytes]:
    """The scene in JSON, and all frames as bytes: of each its samples, arrows (both int16) and field (uint8).

    Places and arrows are in 1/8192 of half the plane's side, y upwards; a sample more than three planes away stays
    there. Colours are numbers of the table ``colours``.
    """
    parts = []
    for frame in film.frames:
        for vectors in (frame.samples, film.arrows(frame)[1]):
            whole = (vectors / film.limit * 8192).round().clamp(-(2**15), 2**15 - 1)
            parts.append(whole.short().contiguous().numpy().astype("<i2").tobytes())
        parts.append((255 * film.colours(frame)).round().byte().contiguous().numpy().tobytes())
    scene = {
        "steps": [frame.step for frame in film.frames],
        "pushes": [push(frame) for frame in film.frames],
        "spans": [span(frame) for frame in film.frames],
        "limit": film.limit,
        "dots": len(film.frames[0].samples),
        "arrowed": film.arrows(film.frames[0])[0].tolist(),  # which dots have arrows
        "side": len(film.frames[0].field),
        "show": film.show,
        "real": [[round(value, 4) for value in point] for point in (film.real / film.limit).tolist()],
        "colours": [[round(255 * value) for value in FIELD(k)[:3]] for k in range(256)],
    }
    return scene, b"".join(parts)


def _picture(film: Film) -> Figure:
    figure = Figure(figsize=(8.2, 5.2), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 3)
    chosen = [film.frames[k] for k in _evenly(len(film.frames), ON_STILL)]
    for ax, frame in zip(axes.flatten(), chosen, strict=False):
        _draw_frame(ax, film, frame)
    for ax in axes.flatten()[len(chosen) :]:
        ax.set_axis_off()
    words = "D(x)" if film.show == "probability" else "the critic's height"
    bar = figure.colorbar(ScalarMappable(BoundaryNorm(_bands(), FIELD.N), FIELD), ax=axes, shrink=0.8, aspect=30)
    bar.set_label(words, fontsize=12)
    ends = ["0: fake", "½", "1: real"] if film.show == "probability" else ["lowest", "", "highest"]
    bar.set_ticks([0, 0.5, 1], labels=ends)
    return figure


def _bands() -> list[float]:
    return [k / BANDS for k in range(BANDS + 1)]


def _draw_frame(ax: Axes, film: Film, frame: Frame) -> None:
    along = torch.linspace(-film.limit, film.limit, len(frame.field)).numpy()
    ax.contourf(along, along[::-1], film.colours(frame).numpy(), levels=_bands(), cmap=FIELD, vmin=0, vmax=1)
    ax.scatter(*film.real.T.numpy(), s=5, c=GREY, linewidth=0)
    few, arrows = film.arrows(frame)
    tails = frame.samples[few].T.numpy()
    ax.quiver(*tails, *arrows.T.numpy(), angles="xy", scale_units="xy", scale=1, width=0.006, color=BLACK)
    ax.scatter(*frame.samples.T.numpy(), s=9, c=GREEN, linewidth=0)
    ax.set(xlim=(-film.limit, film.limit), ylim=(-film.limit, film.limit), xticks=[], yticks=[], aspect="equal")
    ax.set_title(f"step {frame.step:,}", fontsize=12, fontweight="bold", loc="left")
    ax.spines[:].set(visible=True, color=GREY)
