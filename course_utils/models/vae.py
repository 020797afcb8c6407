"""Variational autoencoder: a mixture of infinitely many simple pictures, fitted through a bound.

    log p(x) >= ELBO(x) = E_{z ~ q(z|x)} [log p(x|z)] - KL(q(z|x) || p(z)),
    p(z) = N(0, I), q(z|x) = N(mu, diag(sigma^2))

Kingma and Welling, arXiv 1312.6114; the importance-weighted bound: Burda et al., arXiv 1509.00519. Read first:
``terms`` and ``elbo``.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily, draw, has_nan, within
from course_utils.models.base import (
    DensityModel,
    at_least_float32,
    dimensions,
    evaluating,
    need_family,
    need_numbers_from,
    need_type,
    need_values,
)
from course_utils.models.coders import make_decoder, make_encoder, need_codes, need_sizes

# Parameters of p(x|z) that ``log_prob`` holds at a time: what a processor's cache takes, what fills an accelerator.
MOST_NUMBERS = {"cpu": 2**20, "accelerator": 2**26}
# and those that ``sample`` does, which is called once, and should draw the same whatever n is as long as it can
MOST_DRAWN = {"cpu": 2**24, "accelerator": 2**27}
# Of q(z|x). Beyond, exp(log_var) and its gradients overflow in float32; no posterior is 150 times as wide as the prior.
LOG_VARS = -60.0, 10.0


class VAE(DensityModel):
    """Encoder q(z|x) and decoder p(x|z), dense, or with convolutions around the dense layers.

    Args:
        shape: shape of one image, or (D,) for points.
        latent: number of latent dimensions Z.
        hidden: units of the dense layers, from the picture to the code; ``()`` is the linear VAE.
        distribution: family of the pixels, Bernoulli by default.
        channels: feature maps of convolutions in front of them, each of which halves the sides; none by default.

    Raises:
        ValueError: a size is not positive, the pixels are tokens, or there are convolutions and no image.
    """

    shape: tuple[int, ...]
    latent: int
    pixels: PixelFamily
    encoder: nn.Sequential
    decoder: nn.Sequential

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 16,
        hidden: Sequence[int] = (256, 256),
        distribution: PixelFamily | None = None,
        channels: Sequence[int] = (),
    ):
        super().__init__()
        self.shape, hidden, channels = need_sizes(shape, hidden, channels)
        self.latent = _check.whole("latent", latent)
        self.pixels = need_family(distribution)
        if self.pixels.tokens:
            raise ValueError("distribution must be a family of float images for a VAE, got palette tokens")
        self.encoder = make_encoder(self.shape, self.pixels.n_features, 2 * self.latent, hidden, channels)
        self.decoder = make_decoder(self.latent, self.shape, self.pixels.n_params, hidden, channels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B, Z) each, never in half precision.

        A log-variance beyond -60 and 10 is moved there, with a slope that leads back (``distributions.within``).

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        need_values(x, self)
        numbers = self.encoder(self.pixels.encode(x))
        mu, log_var = numbers.to(at_least_float32(numbers.dtype)).chunk(2, -1)
        return mu, within(log_var, *LOG_VARS)

    def decode(self, z: Tensor) -> PixelDistribution:
        """p(x|z) for codes (..., Z), a distribution of batch shape (..., *shape).

        Raises:
            ValueError: z is not a float tensor whose last size is Z, or not of the type of the parameters.
        """
        need_type("z", need_codes(z, self.latent), self, wider=True)
        z = z.to(next(self.parameters()).dtype)
        params = self.decoder(z.reshape(-1, self.latent))  # (N, *shape, P)
        return self.pixels(params.view(*z.shape[:-1], *params.shape[1:]))

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the bound with one draw of z, in nats: log p(x|z) (B,), and the KL of each latent (B, Z).

            log p(x|z) = sum over pixels,    KL(q(z|x) || p(z)) = sum over latents

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        mu, log_var = self.encode(x)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)  # (B, Z)
        return self.decode(z).log_prob(x).flatten(1).sum(1), kl_to_prior(mu, log_var)

    def elbo(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """log p(x|z) - beta KL with one draw of z, shape (B,), in nats: summed over pixels and latents, never a mean.

        With ``beta`` 1 its expectation is a lower bound on log p(x). With another it is the objective of a beta-VAE
        (Higgins et al., ICLR 2017): more than 1 buys a code nearer to the prior, less than 1 a better reconstruction,
        and only from 1 upwards is it a bound.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        log_likelihood, kl = self.terms(x)
        return log_likelihood - beta * kl.sum(-1)

    def log_weights(self, x: Tensor, samples: int) -> Tensor:
        """log p(x, z_k) / q(z_k | x) of draws z_k ~ q(z|x), shape (K, B), in nats.

        Their mean is the ELBO; the logarithm of the mean of their exponentials is the bound of ``log_prob``.

        Raises:
            ValueError: ``samples`` is not a positive integer, or x is no batch of this model's values.
        """
        samples = _check.whole("samples", samples)
        mu, log_var = self.encode(x)
        return self._log_weights(x, mu, log_var, samples)

    def _log_weights(self, x: Tensor, mu: Tensor, log_var: Tensor, samples: int) -> Tensor:
        eps = torch.randn(samples, *mu.shape, dtype=mu.dtype, device=mu.device)
        z = mu + (0.5 * log_var).exp() * eps  # (K, B, Z)
        log_joint = self.decode(z).log_prob(x).flatten(2).sum(2) + log_normal(z).sum(-1)  # (K, B)
        return log_joint - log_normal_of_noise(eps, log_var).sum(-1)

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        """Importance-weighted lower bound on log p(x), shape (B,), in nats; it grows towards log p(x) with ``samples``.

            log 1/K sum_k p(x, z_k) / q(z_k | x),  z_k ~ q(z|x)

        A bound in expectation: E[log mean] <= log E[mean] = log p(x). Draws are taken in portions that fit into memory.

        Raises:
            ValueError: ``samples`` is not a positive integer, or x is no batch of this model's values.
        """
        samples = _check.whole("samples", samples)
        mu, log_var = self.encode(x)
        numbers = max(1, len(x) * dimensions(self.shape) * self.pixels.n_params)
        portion = max(1, MOST_NUMBERS["cpu" if x.device.type == "cpu" else "accelerator"] // numbers)
        parts = [min(portion, samples - start) for start in range(0, samples, portion)]
        sums = [self._log_weights(x, mu, log_var, part).logsumexp(0) for part in parts]
        return torch.stack(sums).logsumexp(0) - math.log(samples)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n draws, shape (n, *shape): z from the prior, then x from p(x|z).

        Many are drawn in portions that fit into memory; all z are drawn before the first.

        Raises:
            ValueError: n is not a positive integer, or the decoder answers NaN.
        """
        like = next(self.parameters()).new_empty(_check.whole("n", n), self.latent)
        z = draw(torch.randn, like, generator)
        most = MOST_DRAWN["cpu" if z.device.type == "cpu" else "accelerator"]
        portion = max(1, most // (dimensions(self.shape) * self.pixels.n_params))
        drawn = []
        with evaluating(self):
            for part in z.split(portion):
                pixels = self.decode(part)
                need_numbers_from(self, has_nan(pixels))
                drawn.append(pixels.sample(generator))
        return torch.cat(drawn)


def log_normal(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """log N(z | mu, exp(log_var)), elementwise, in nats."""
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    return -0.5 * ((z - mu) ** 2 * torch.exp(-log_var) + log_var + math.log(2 * math.pi))


def log_normal_of_noise(eps: Tensor, log_var: Tensor) -> Tensor:
    """log N(z | mu, exp(log_var)) of z = mu + exp(log_var / 2) eps, elementwise, in nats, from the noise in z.

    (z - mu) / sigma is eps only as far as rounding lets it be: a narrow sigma vanishes beside mu, and eps with it.
    """
    return log_normal(eps) - 0.5 * log_var


def kl_to_prior(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, exp(log_var)) || N(0, 1)) = (exp(log_var) + mu^2 - 1 - log_var) / 2, elementwise, in nats.

    The sum over latents belongs to the image; a mean over them would divide beta by their number.
    """
    return 0.5 * (log_var.exp() + mu**2 - 1 - log_var)


def free_bits(kl: Tensor, floor: float) -> Tensor:
    """KL of a batch in which a latent's first ``floor`` nats are free of charge, a scalar, in nats.

        sum_j max(floor, mean_b KL_bj)

    Below the floor a latent costs the same whatever it says, so there is nothing to be gained by saying less. Kingma
    et al., arXiv 1606.04934 (with min instead of max it would be fined for what it says *below* the
    floor, and free above).

    Args:
        kl: (B, Z), from ``VAE.terms``.
        floor: nats a latent, at least 0.

    Raises:
        ValueError: kl is not (B, Z), or floor is negative or not finite.
    """
    if not isinstance(kl, Tensor) or kl.ndim != 2 or not len(kl):
        raise ValueError(f"kl must have shape (B, Z) with B > 0, got {_check.describe(kl)}")
    if not 0 <= _check.number(floor) < math.inf:
        raise ValueError(f"floor must be a finite number of at least 0, got {_check.describe(floor)}")
    return kl.mean(0).clamp(min=_check.number(floor)).sum()
