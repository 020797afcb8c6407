"""Flow matching: a velocity field that carries noise to pictures, learnt without ever following it.

    x_t = (1 - t) z + t x,    z ~ N(0, I),    t in [0, 1]
    loss = E |v(x_t, t) - (x - z)|^2,    whose minimum is v(x, t) = E[x - z | x_t = x]
    dx_t / dt = v(x_t, t),    log p(x) = log N(x_0 | 0, I) - integral_0^1 trace(dv / dx)(x_t, t) dt

Lipman et al., arXiv 2210.02747, with straight paths; the likelihood by the change of variables in continuous time: Chen
et al., arXiv 1806.07366. At the size of the course's pictures the trace is computed; for larger ones it can be
estimated: Grathwohl et al., arXiv 1810.01367. Read first: ``matching_loss``, ``sample`` and ``log_density``.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelFamily, categorical, draw, gaussian, may_look
from course_utils.models.base import (
    DensityModel,
    at_least_float32,
    dimensions,
    evaluating,
    need_numbers_from,
    need_type,
    need_values,
    portion,
)
from course_utils.models.dequantise import dequantise, dequantised_log_prob, quantise
from course_utils.models.fields import make_field
from course_utils.models.vae import log_normal

# Values of pictures, or of tangents, whose slopes are held at a time: a processor's cache takes them, and they fill an
# accelerator.
MOST_NUMBERS = {"cpu": 2**18, "accelerator": 2**25}
# Runge-Kutta methods whose every stage starts from the one before: how far along, and the weights of the slopes.
METHODS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "euler": ((), (1.0,)),
    "heun": ((1.0,), (1 / 2, 1 / 2)),
    "rk4": ((1 / 2, 1 / 2, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


class FlowMatching(DensityModel):
    """Continuous flow along straight paths, its sampler and its likelihood, both by solving one equation.

    Pictures in [0, 1] are shifted to [-1, 1]; points in space stay as they are and should have a spread of about 1.

    Args:
        shape: shape of one image, or (D,) for points.
        hidden: units of the dense layers.
        channels: feature maps of a U-Net around them at each size, each half of the one before; none by default.
        levels: number of grey levels L of pictures that hold k / (L - 1). They are spread over their bins by noise, and
            ``log_prob`` is a bound on a probability. By default values are real numbers.

    Raises:
        ValueError: a size is not positive, there are convolutions and no image, or levels are below 2 or no picture's.
    """

    field: nn.Module
    shape: tuple[int, ...]
    levels: int | None
    pixels: PixelFamily

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int] = (256, 256),
        channels: Sequence[int] = (),
        *,
        levels: int | None = None,
    ):
        super().__init__()
        self.field = make_field(shape, hidden, channels)
        self.shape = _check.sizes("shape", shape)
        self.levels = None if levels is None else _check.whole("levels", levels, least=2)
        self.pixels = gaussian() if levels is None else categorical(levels)
        if levels is not None and len(self.shape) != 3:
            raise ValueError(f"levels must be None for points, got {self.levels}")

    def velocity(self, x_t: Tensor, t: Tensor) -> Tensor:
        """v(x_t, t), where x_t (B, *shape) is heading at times t (B,) in [0, 1]; on the scale of [-1, 1] for pictures.

        Raises:
            ValueError: x_t is not a float batch (B, *shape) of the type of the parameters (or float32), or t is not a
                float tensor (B,) in [0, 1].
        """
        if not isinstance(x_t, Tensor) or not x_t.is_floating_point() or tuple(x_t.shape[1:]) != self.shape:
            want = ", ".join(map(str, self.shape))
            raise ValueError(f"x_t must be a float tensor of shape (B, {want}), got {_check.describe(x_t)}")
        if not isinstance(t, Tensor) or not t.is_floating_point() or t.shape != x_t.shape[:1]:
            raise ValueError(f"t must be a float tensor of shape ({len(x_t)},), got {_check.describe(t)}")
        need_type("x_t", x_t, self, wider=True)
        slack = 1e-6  # what a solver's rounding may add
        if len(t) and may_look(t) and not (-slack <= t.min() and t.max() <= 1 + slack):
            raise ValueError(f"t must be in [0, 1], got {t.min().item():.4g} ... {t.max().item():.4g}")
        return self.field(x_t, t)

    def matching_loss(self, x: Tensor) -> Tensor:
        """|v(x_t, t) - (x - z)|^2 at one random t and z for each picture, shape (B,): summed over the pixels.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        need_values(x, self)
        x = self._scale(x if self.levels is None else dequantise(x, self.levels))
        z, t = torch.randn_like(x), _even_times(x)
        along = t.view(-1, *[1] * len(self.shape))
        error = self.velocity((1 - along) * z + along * x, t) - (x - z)
        return error.square().flatten(1).sum(1)

    def divergence(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """v(x_t, t) (B, *shape), and the trace of its Jacobian (B,), exactly.

            trace(dv / dx) = sum_i e_i . (dv / dx) e_i

        One directional derivative for each of the D values; all of them share one pass through the network.

        Raises:
            ValueError: as for ``velocity``.
        """

        def along(direction: Tensor, part: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
            # pyright counts an auxiliary result that is not asked for
            v, slope = torch.func.jvp(  # pyright: ignore[reportAssignmentType]
                lambda x: self.velocity(x, times), (part,), (direction.expand_as(part),)
            )
            return v, (slope * direction).flatten(1).sum(1)

        size = dimensions(self.shape)
        axes = torch.eye(size, dtype=x_t.dtype, device=x_t.device).view(size, *self.shape)
        portion = _portion(x_t, size**2)
        parts = []
        for part, times in zip(x_t.split(portion), t.split(portion), strict=True):
            both = torch.func.vmap(along, (0, None, None), (None, 0))  # pyright: ignore[reportArgumentType]  # None: one v
            v, slopes = both(axes, part, times)
            parts.append((v, slopes.sum(0)))
        v, trace = zip(*parts, strict=True)
        return torch.cat(v), torch.cat(trace)

    def estimated_divergence(self, x_t: Tensor, t: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """v(x_t, t) (B, *shape), and Hutchinson's estimate of the trace of its Jacobian (B,), from K probes e.

            trace(dv / dx) = E[e . (dv / dx) e]  for any e with E[e_i e_j] = 1 if i = j, else 0

        One pass back through the network for each probe, whatever D is. The estimate is the mean over the probes.

        Args:
            x_t, t: as for ``velocity``.
            probes: float (K, B, *shape); of signs +-1 the estimates spread least, for they square to 1 exactly.

        Raises:
            ValueError: as for ``velocity``, or probes have another shape.
        """
        if not isinstance(probes, Tensor) or probes.shape[1:] != x_t.shape or not len(probes):
            want = ", ".join(map(str, x_t.shape))
            raise ValueError(f"probes must be a float tensor of shape (K, {want}), got {_check.describe(probes)}")
        portion = _portion(x_t, dimensions(self.shape))
        parts = []
        for part, times, signs in zip(x_t.split(portion), t.split(portion), probes.split(portion, 1), strict=True):
            v, back = torch.func.vjp(  # pyright: ignore[reportAssignmentType]
                lambda x, times=times: self.velocity(x, times), part
            )
            traces = [(e * back(e.to(v.dtype))[0]).flatten(1).sum(1) for e in signs]
            parts.append((v, torch.stack(traces).mean(0)))
        v, trace = zip(*parts, strict=True)
        return torch.cat(v), torch.cat(trace)

    def log_density(
        self,
        x: Tensor,
        steps: int = 20,
        method: str = "rk4",
        *,
        probes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log p(x) of real-valued x (B, *shape), shape (B,), in nats: the equation solved backwards from t = 1 to 0.

        For pictures it is the density of x in [0, 1]. By default exact but for the steps; with too few it is a bound on
        nothing. On the plane 20 steps of rk4 can be off by 0.023 nats at single points.

        With ``probes`` the trace is estimated (arXiv 1810.01367), which for pictures of 28 x 28 costs hundreds of times
        less:

            log p(x) = log N(x_0 | 0, I) - 1/K sum_k integral_0^1 e_k . (dv / dx)(x_t, t) e_k dt,    e_k in {-1, 1}^D

        The path does not depend on the probes, and each e_k stays the same along all of it. So this is unbiased: its
        expectation is what the same solver gives with the exact trace (that of its exp is more than the density). Its
        standard deviation is sqrt(2 / K sum_{i != j} S_ij^2), where S is the symmetric part of the integral of dv / dx:
        none if no value acts on another. In the mean of a batch it falls as 1 / sqrt(B), since each x has probes of
        its own.

        Args:
            x: finite floats (B, *shape).
            steps: steps of the solver. Each is 1 (euler), 2 (heun) or 4 (rk4) evaluations of field and trace.
            method: "euler", "heun" or "rk4".
            probes: number K of probes for each x; by default the trace is exact, for D passes through the network.
            generator: source of the probes; torch's global one by default.

        Raises:
            ValueError: x is not finite or not (B, *shape), steps or probes is not a positive whole number, or no such
                method.
        """
        gaussian().check(x, self.shape)
        steps, method = _check.whole("steps", steps), _need_method(method)
        divergence, x = self.divergence, self._scale(x)
        if probes is not None:
            like = x.new_empty(_check.whole("probes", probes), *x.shape)
            signs = torch.where(draw(torch.rand, like, generator) < 0.5, -1.0, 1.0).to(x.dtype)
            divergence = partial(self.estimated_divergence, probes=signs)

        def slopes(state: Tensor, t: Tensor) -> Tensor:
            v, trace = divergence(state[:, :-1].reshape(x.shape), t)
            return torch.cat([v.flatten(1), trace[:, None]], 1)

        state = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)  # (B, D + 1), the integral in the last place
        state = solve(slopes, state, 1.0, 0.0, steps, method)
        stretch = dimensions(self.shape) * math.log(2) if self._pictures else 0.0
        # the integral was taken from 1 to 0, so its sign is turned already
        return log_normal(state[:, :-1]).sum(1) + state[:, -1] + stretch

    def log_prob(
        self,
        x: Tensor,
        steps: int = 20,
        samples: int = 1,
        *,
        probes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log p(x), shape (B,), in nats: ``log_density``, or with levels the bound on log P(x) by dequantisation.

            log P(x) >= E_u log p((x (L - 1) + u) / L) - D log L,    u uniform in [0, 1)^D

        Args:
            x: float (B, *shape), real values, or k / (L - 1).
            steps: steps of the solver, rk4.
            samples: draws of the noise u, as in ``dequantised_log_prob``; without levels there is none.
            probes: number of probes that estimate the trace, as in ``log_density``; exact by default.
            generator: source of noise and probes; torch's global one by default.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values, steps, samples or probes is not
                positive, or the trace is estimated and there are several samples: averaging exp(log p) with the
                estimate's noise in it would push the result up, beyond a bound.
        """
        need_values(x, self)
        samples = _check.whole("samples", samples)
        if probes is not None and samples > 1 and self.levels is not None:
            raise ValueError(f"samples must be 1 where probes estimate the trace, for a bound on log P, got {samples}")
        if self.levels is None:
            return self.log_density(x, steps, probes=probes, generator=generator)

        def log_density(y: Tensor) -> Tensor:
            return self.log_density(y, steps, probes=probes, generator=generator)

        return dequantised_log_prob(log_density, x, self.levels, samples, generator=generator)

    @torch.no_grad()
    def sample(
        self, n: int, steps: int = 20, method: str = "heun", *, generator: torch.Generator | None = None
    ) -> Tensor:
        """n draws, shape (n, *shape): noise, carried from t = 0 to 1; with levels rounded down to the level's bin.

        Args:
            n: number of pictures.
            steps: steps of the solver, evenly spaced.
            method: "euler", "heun" or "rk4".
            generator: source of the noise; torch's global one by default.

        Raises:
            ValueError: n or steps is not a positive whole number, there is no such method, or the network answers NaN.
        """
        n, steps, method = _check.whole("n", n), _check.whole("steps", steps), _need_method(method)
        like = next(self.parameters()).new_empty(n, *self.shape)
        z = draw(torch.randn, like, generator).to(at_least_float32(like.dtype))
        with evaluating(self):
            parts = [solve(self.velocity, part, 0.0, 1.0, steps, method) for part in z.split(portion(z))]
        x = torch.cat(parts)
        need_numbers_from(self, x.isnan().any())
        x = (x + 1) / 2 if self._pictures else x
        return (x if self.levels is None else quantise(x, self.levels)).to(like.dtype)

    @property
    def _pictures(self) -> bool:
        return len(self.shape) == 3

    def _scale(self, x: Tensor) -> Tensor:
        x = x.to(at_least_float32(x.dtype))  # only the network works in half precision
        return 2 * x - 1 if self._pictures else x


def solve(
    slope: Callable[[Tensor, Tensor], Tensor], state: Tensor, start: float, end: float, steps: int, method: str = "heun"
) -> Tensor:
    """The state (B, ...) at ``end`` of ds/dt = slope(s, t (B,)), from the state at ``start``, in equal steps."""
    along, weights = METHODS[method]
    h = (end - start) / steps
    for i in range(steps):
        k = slope(state, state.new_full((len(state),), start + i * h))
        total = weights[0] * k
        for share, weight in zip(along, weights[1:], strict=True):
            k = slope(state + share * h * k, state.new_full((len(state),), start + (i + share) * h))
            total = total + weight * k
        state = state + h * total
    return state


def _portion(x: Tensor, each: int) -> int:
    """How many pictures to work on at a time, if each of them takes so many numbers."""
    return max(1, MOST_NUMBERS["cpu" if x.device.type == "cpu" else "accelerator"] // each)


def _need_method(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {_check.describe(method)}")
    return method


def _even_times(x: Tensor) -> Tensor:
    """Times t (B,), each uniform in [0, 1), spread evenly over the batch in a random order."""
    n = max(1, len(x))
    order = torch.randperm(n, device=x.device)[: len(x)]
    return ((torch.rand((), dtype=x.dtype, device=x.device) + order / n) % 1).to(x.dtype)
