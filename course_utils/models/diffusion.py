"""Diffusion: noise is added to a picture in many small steps, and a network learns to undo each of them.

    x_t = alpha_t x_0 + sigma_t eps,   eps ~ N(0, I),   alpha_t^2 + sigma_t^2 = 1,   t = 0 ... T,
    log p(x_0) >= -(L_0 + L_1 + ... + L_T),
    L_0     = -log p(x_0 | x_1)
    L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)),  t = 2 ... T
    L_T     = KL(q(x_T | x_0) || N(0, I))

q(x_{t-1} | x_t, x_0) is a Gaussian known in closed form, and p(x_{t-1} | x_t) the same with the network's guess of x_0
in place of x_0. It is a VAE with T latent pictures and an encoder without parameters. Ho et al., arXiv 2006.11239
(their alpha-bar_t is alpha_t^2 here); few steps: Song et al., arXiv 2010.02502. Read first: ``add_noise``,
``denoising_loss`` and ``terms``.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelFamily, categorical, draw, gaussian, may_look
from course_utils.models.base import (
    DensityModel,
    Derived,
    at_least_float32,
    dimensions,
    evaluating,
    need_numbers_from,
    need_type,
    need_values,
    portion,
)
from course_utils.models.fields import make_field
from course_utils.models.vae import kl_to_prior

# Values of noisy pictures that ``terms`` holds at a time: what a processor's cache takes, what fills an accelerator.
MOST_NUMBERS = {"cpu": 2**17, "accelerator": 2**24}
RATE = (0.1, 20.0)  # noise per unit of time at the start and at the end: with T = 1,000 the paper's 1e-4 ... 0.02


class Diffusion(Derived, DensityModel):
    """Denoising diffusion with the paper's noise, its bound and its sampler.

    Pictures in [0, 1] are shifted to [-1, 1]; points in space stay as they are and should have a spread of about 1.

    Args:
        shape: shape of one image, or (D,) for points.
        steps: number T of steps. The bound grows with T, and so does what it costs.
        hidden: units of the dense layers.
        channels: feature maps of a U-Net around them at each size, each half of the one before; none by default.
        levels: number of grey levels L of pictures that hold k / (L - 1); then the bound is one on a probability. By
            default pixels are real numbers and it is one on a density.

    Raises:
        ValueError: a size is not positive, there are convolutions and no image, or levels are below 2 or no picture's.
    """

    field: nn.Module
    shape: tuple[int, ...]
    steps: int
    levels: int | None
    pixels: PixelFamily
    alpha: Tensor
    sigma: Tensor
    weight: Tensor
    excess: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        steps: int = 250,
        hidden: Sequence[int] = (256, 256),
        channels: Sequence[int] = (),
        *,
        levels: int | None = None,
    ):
        super().__init__()
        self.field = make_field(shape, hidden, channels)
        self.shape = _check.sizes("shape", shape)
        self.steps = _check.whole("steps", steps, least=2)
        self.levels = None if levels is None else _check.whole("levels", levels, least=2)
        self.pixels = gaussian() if levels is None else categorical(levels)
        if levels is not None and len(self.shape) != 3:
            raise ValueError(f"levels must be None for points, got {self.levels}")
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        """The schedules: alpha_t, sigma_t, and what the bound needs. float32, whatever type the network has.

        In half precision beta would be 0 at a quarter of 1,000 steps.
        """
        # In double precision: near t = 0 it is the difference from 1 that counts.
        time = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
        log_alpha2 = -(RATE[0] * time + 0.5 * (RATE[1] - RATE[0]) * time**2)
        sigma2 = -torch.expm1(log_alpha2)
        beta = -torch.expm1(log_alpha2.diff())  # of one step, t = 1 ... T
        beta_tilde = beta * sigma2[:-1] / sigma2[1:]  # variance of q(x_{t-1} | x_t, x_0)
        # p(x_{t-1} | x_t) is as wide as that if x_0 can be told from x_t, as it can where there are levels and little
        # noise; it is wider if there is more than one x_0 to choose from. Ho et al. name both, section 3.2.
        variance = beta if self.levels is None else beta_tilde
        ratio = (beta_tilde / variance)[1:]
        pull = (0.5 * log_alpha2[:-1]).exp() * beta / sigma2[1:]  # of x_0 on the mean of q(x_{t-1} | x_t, x_0)
        schedules = {
            "alpha": (0.5 * log_alpha2).exp(),  # (T + 1,)
            "sigma": sigma2.sqrt(),  # (T + 1,)
            "weight": pull[1:].square() / (2 * variance[1:]),  # (T - 1,) of a squared error in x_0, at t = 2 ... T
            "excess": 0.5 * (ratio - 1 - ratio.log()),  # (T - 1,) what a width that differs costs each value
        }
        return {name: values.float() for name, values in schedules.items()}

    def add_noise(self, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t = alpha_t x_0 + sigma_t eps, all t steps in one, for scaled pictures x0 (B, *shape); float32 or float64.

        Args:
            x0, eps: float (B, *shape).
            t: whole steps (B,) from 0 to T.

        Raises:
            ValueError: x0 and eps are not of one such shape, or t are no such steps.
        """
        self._need_pictures("x0", x0)
        if not isinstance(eps, Tensor) or eps.shape != x0.shape:
            raise ValueError(f"eps must be a tensor of the shape of x0, {tuple(x0.shape)}, got {_check.describe(eps)}")
        self._need_steps(t, x0, 0)
        return self._at(self.alpha, t) * x0 + self._at(self.sigma, t) * eps

    def predict_noise(self, x_t: Tensor, t: Tensor) -> Tensor:
        """eps_hat(x_t, t), the network's guess of the noise in x_t (B, *shape), for whole steps t (B,) from 1 to T.

            eps_hat = sigma_t x_t + alpha_t field(x_t, t / T)

        The field is left with what is hard at each t (v, in Salimans and Ho, arXiv 2202.00512): pure noise is its own
        noise, and x_t says nearly nothing of it where there is hardly any.

        Raises:
            ValueError: x_t is not a float batch (B, *shape), or t are not B whole numbers from 1 to T.
        """
        self._need_noisy(x_t, t)
        v = self.field(x_t, t.to(x_t.dtype) / self.steps)
        return self._at(self.sigma, t) * x_t + self._at(self.alpha, t) * v

    def predict_x0(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x0_hat = (x_t - sigma_t eps_hat) / alpha_t, for pictures kept in [-1, 1], where they are; (B, *shape).

        Raises:
            ValueError: as for ``predict_noise``.
        """
        x0 = (x_t - self._at(self.sigma, t) * self.predict_noise(x_t, t)) / self._at(self.alpha, t)
        return x0.clamp(-1, 1) if self._pictures else x0

    def denoising_loss(self, x: Tensor) -> Tensor:
        """L_simple = |eps - eps_hat(x_t, t)|^2 at one random t for each picture, shape (B,): summed over the pixels.

        The bound without its weights, which would be largest where there is hardly any noise to see.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        need_values(x, self)
        t, eps = self._random_steps(x, 1), torch.randn_like(x)
        return (eps - self.predict_noise(self.add_noise(self._scale(x), t, eps), t)).square().flatten(1).sum(1)

    def elbo(self, x: Tensor) -> Tensor:
        """-(L_0 + L_1 + ... + L_T) with one of the terms L_1 ... L_{T-1}, T - 1 times, for all of them; (B,), in nats.

        Its expectation is the bound, whichever the term: which one it is is drawn at random.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        need_values(x, self)
        x0, t = self._scale(x), self._random_steps(x, 2)
        between = (self.steps - 1) * self._terms_at(x0, t)
        return -(self._first_term(x0) + between + self._last_term(x0))

    def terms(self, x: Tensor) -> Tensor:
        """L_0, L_1, ..., L_T of each picture, with fresh noise for each, shape (B, T + 1), in nats.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        need_values(x, self)
        x0 = self._scale(x)
        portion = MOST_NUMBERS["cpu" if x.device.type == "cpu" else "accelerator"] // max(1, x.numel())
        between = []
        for t in torch.arange(2, self.steps + 1, device=x.device).split(max(1, portion)):
            every = x0.repeat(len(t), *[1] * len(self.shape))  # (t B, *shape)
            between.append(self._terms_at(every, t.repeat_interleave(len(x))).view(len(t), len(x)))
        return torch.cat([self._first_term(x0)[None], *between, self._last_term(x0)[None]]).T

    def log_prob(self, x: Tensor) -> Tensor:
        """-(L_0 + ... + L_T), all terms with fresh noise: in expectation a lower bound on log p(x); (B,), in nats.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        return -self.terms(x).sum(1)

    @torch.no_grad()
    def sample(
        self, n: int, steps: int | None = None, eta: float = 1.0, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """n draws, shape (n, *shape), from noise down to a picture.

            x_s = alpha_s x0_hat + sqrt(sigma_s^2 - r^2) eps_hat + r z,    z ~ N(0, I),
            r = eta (sigma_s / sigma_t) sqrt(1 - alpha_t^2 / alpha_s^2)

        from t to the next smaller s; where there are no levels, z is given the larger spread of p(x_s | x_t). With all
        steps and eta 1 it is the model whose bound ``log_prob`` is. The last step gives the mean without noise, as in
        the paper, and rounds it to a level where there are levels. Many pictures are drawn in portions that fit into
        memory, each with its own noise.

        Args:
            n: number of pictures.
            steps: how many of the T steps are taken, evenly spaced; all by default.
            eta: share of the noise that is put back at each step; 0 puts none, and the same first noise then always
                gives the same picture (DDIM).
            generator: source of the noise; torch's global one by default.

        Raises:
            ValueError: n or steps is not a positive whole number, steps are more than T, eta is not in [0, 1], or the
                network answers NaN.
        """
        n, steps = _check.whole("n", n), self.steps if steps is None else _check.whole("steps", steps)
        if steps > self.steps:
            raise ValueError(f"steps must be at most the model's {self.steps}, got {steps}")
        if not 0 <= _check.number(eta) <= 1:
            raise ValueError(f"eta must be a number from 0 to 1, got {_check.describe(eta)}")
        eta = _check.number(eta)
        like = next(self.parameters()).new_empty(n, *self.shape)
        times = [round(self.steps * (1 - i / steps)) for i in range(steps + 1)]  # T ... 0
        drawn = []
        with evaluating(self):
            for part in like.split(portion(like)):
                x = draw(torch.randn, part, generator).to(at_least_float32(part.dtype))
                for t, s in pairwise(times):
                    x = self._step(x, t, s, eta, generator)
                drawn.append(x)
        x = torch.cat(drawn)
        need_numbers_from(self, x.isnan().any())
        return self._unscale(x).to(like.dtype)

    def _step(self, x: Tensor, t: int, s: int, eta: float, generator: torch.Generator | None) -> Tensor:
        x0 = self.predict_x0(x, torch.full((len(x),), t, device=x.device))
        eps = (x - self.alpha[t] * x0) / self.sigma[t]
        step = (1 - (self.alpha[t] / self.alpha[s]) ** 2).sqrt()  # root of beta, over all steps from s to t
        r = eta * self.sigma[s] / self.sigma[t] * step
        mean = self.alpha[s] * x0 + (self.sigma[s] ** 2 - r**2).clamp(min=0).sqrt() * eps
        if s == 0 or eta == 0:
            return mean
        spread = eta * step if self.levels is None else r
        return mean + spread * draw(torch.randn, x, generator)

    # The terms of the bound, for scaled pictures

    def _first_term(self, x0: Tensor) -> Tensor:
        """L_0 = -log N(x_0 | x0_hat(x_1), sigma_1^2), shape (B,); with levels the mass on the level's bin."""
        t = torch.ones(len(x0), dtype=torch.int64, device=x0.device)
        mean = self.predict_x0(self.add_noise(x0, t, torch.randn_like(x0)), t)
        if self.levels is not None:
            log_p = log_bin(x0, mean, self.sigma[1], self.levels)
        else:
            # for pictures the density is one of x in [0, 1], which is half as long as [-1, 1]
            stretch = math.log(2) if self._pictures else 0.0
            z = (x0 - mean) / self.sigma[1]
            log_p = -0.5 * (z.square() + math.log(2 * math.pi)) - self.sigma[1].log() + stretch
        return -log_p.flatten(1).sum(1)

    def _terms_at(self, x0: Tensor, t: Tensor) -> Tensor:
        """L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) for t (B,) from 2 to T, shape (B,).

        Two Gaussians whose means differ by a multiple of x_0 - x0_hat, and whose widths differ by a known ratio.
        """
        x0_hat = self.predict_x0(self.add_noise(x0, t, torch.randn_like(x0)), t)
        error = (x0 - x0_hat).square().flatten(1).sum(1)
        return self.weight[t - 2] * error + self.excess[t - 2] * dimensions(self.shape)

    def _last_term(self, x0: Tensor) -> Tensor:
        """L_T = KL(N(alpha_T x_0, sigma_T^2) || N(0, 1)), shape (B,): no parameter takes part."""
        return kl_to_prior(self.alpha[-1] * x0, 2 * self.sigma[-1].log()).flatten(1).sum(1)

    def _random_steps(self, x: Tensor, least: int) -> Tensor:
        """Steps t (B,) from ``least`` to T, each of them uniform, spread evenly over the batch.

        Independent ones would be as right, and noisier: a batch would have many of one kind and few of another.
        """
        n = max(1, len(x))
        u = (torch.rand((), device=x.device) + torch.randperm(n, device=x.device)[: len(x)] / n) % 1
        return (least + (u * (self.steps + 1 - least)).long()).clamp(max=self.steps)

    @property
    def _pictures(self) -> bool:
        return len(self.shape) == 3

    def _scale(self, x: Tensor) -> Tensor:
        x = x.to(at_least_float32(x.dtype))  # only the network works in half precision
        return 2 * x - 1 if self._pictures else x

    def _unscale(self, x: Tensor) -> Tensor:
        if self._pictures:
            x = (x + 1) / 2
        return x if self.levels is None else (x.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)

    def _at(self, schedule: Tensor, t: Tensor) -> Tensor:
        """Entries t (B,) of a schedule, shaped to multiply pictures (B, *shape)."""
        return schedule[t].view(-1, *[1] * len(self.shape))

    def _need_noisy(self, x_t: Tensor, t: Tensor) -> None:
        self._need_pictures("x_t", x_t)
        need_type("x_t", x_t, self, wider=True)
        self._need_steps(t, x_t, 1)

    def _need_pictures(self, name: str, x: Tensor) -> None:
        if not isinstance(x, Tensor) or not x.is_floating_point() or tuple(x.shape[1:]) != self.shape:
            want = ", ".join(map(str, self.shape))
            raise ValueError(f"{name} must be a float tensor of shape (B, {want}), got {_check.describe(x)}")

    def _need_steps(self, t: Tensor, x: Tensor, least: int) -> None:
        fits = isinstance(t, Tensor) and t.dtype == torch.int64 and t.shape == x.shape[:1]
        got = _check.describe(t)
        if fits and len(t) and may_look(t) and ((t < least) | (t > self.steps)).any():
            fits, got = False, f"{int(t.min())} ... {int(t.max())}"
        if not fits:
            raise ValueError(f"t must be {len(x)} whole steps from {least} to {self.steps}, got {got}")


def log_bin(x: Tensor, mean: Tensor, std: Tensor, levels: int) -> Tensor:
    """Log of the mass that N(mean, std^2) has on the bin of x, elementwise, in nats; the outermost bins are open.

        P(x) = Phi((x + h - mean) / std) - Phi((x - h - mean) / std),    h = 1 / (levels - 1)

    For x on levels from -1 to 1, so that the masses of all levels sum to 1. Ho et al., section 3.3; computed by
    logarithms, since a mass below 1e-38 would otherwise be 0.
    """
    h = 1 / (levels - 1)
    far = 1e6  # an open end; at infinity itself the derivative would be 0 / 0
    lower = torch.where(x < -1 + h, -far, (x - h - mean) / std)
    upper = torch.where(x > 1 - h, far, (x + h - mean) / std)
    above = x > mean  # by symmetry both edges move to the side where Phi is small and its logarithm exact
    lower, upper = torch.where(above, -upper, lower), torch.where(above, -lower, upper)
    log_upper, log_lower = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    return log_upper + torch.log1p(-(log_lower - log_upper).exp())
