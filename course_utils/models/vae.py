"""Variational autoencoder: a mixture of infinitely many simple pictures, fitted through a bound.

    log p(x) >= ELBO(x) = E_{z ~ q(z|x)} [log p(x|z)] - KL(q(z|x) || p(z)),
    p(z) = N(0, I), q(z|x) = N(mu, diag(sigma^2))

Kingma and Welling, arXiv 1312.6114; the importance-weighted bound: Burda et al., arXiv 1509.00519. Read first:
``elbo``.
"""

import math

import torch
from torch import Tensor

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily, draw
from course_utils.models.base import DensityModel, dimensions, evaluating, need_family, need_values, perceptron


class VAE(DensityModel):
    """Dense encoder and decoder.

    Args:
        shape: shape of one image, or (D,) for points.
        latent: number of latent dimensions Z.
        hidden: units of the hidden layers, from the picture to the code.
        distribution: family of the pixels, Bernoulli by default.

    Raises:
        ValueError: ``shape``, ``latent`` or ``hidden`` is not positive, or the pixels are tokens.
    """

    def __init__(
        self,
        shape,
        latent: int = 16,
        hidden: tuple[int, ...] = (256, 256),
        distribution: PixelFamily | None = None,
    ):
        super().__init__()
        self.shape, hidden = _check.sizes("shape", shape), _check.sizes("hidden", hidden, least=0)
        self.latent = latent = _check.whole("latent", latent)
        self.pixels = need_family(distribution)
        if self.pixels.tokens:
            raise ValueError("distribution must be a family of float images for a VAE, got palette tokens")
        size = dimensions(self.shape)
        self.encoder = perceptron(size * self.pixels.n_features, *hidden, 2 * latent)
        self.decoder = perceptron(latent, *reversed(hidden), size * self.pixels.n_params)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B, Z) each.

        Raises:
            ValueError: x is not a float batch (B, *shape) of this model's values.
        """
        need_values(x, self)
        mu, log_var = self.encoder(self.pixels.encode(x).flatten(1)).chunk(2, -1)
        return mu, log_var

    def decode(self, z: Tensor) -> PixelDistribution:
        """p(x|z) for codes (..., Z), a distribution of batch shape (..., *shape).

        Raises:
            ValueError: the last size of z is not Z.
        """
        if z.shape[-1] != self.latent:
            raise ValueError(f"z must have shape (..., {self.latent}), got {tuple(z.shape)}")
        return self.pixels(self.decoder(z).view(*z.shape[:-1], *self.shape, self.pixels.n_params))

    def elbo(self, x: Tensor) -> Tensor:
        """The bound with one draw of z, shape (B,), in nats: summed over pixels and codes, never a mean."""
        mu, log_var = self.encode(x)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)  # (B, Z)
        reconstruction = self.decode(z).log_prob(x).flatten(1).sum(1)
        kl = 0.5 * (log_var.exp() + mu**2 - 1 - log_var).sum(-1)
        return reconstruction - kl

    def log_prob(self, x: Tensor, samples: int = 64) -> Tensor:
        """Importance-weighted lower bound on log p(x), shape (B,), in nats; it grows towards log p(x) with ``samples``.

            log 1/K sum_k p(x, z_k) / q(z_k | x),  z_k ~ q(z|x)

        Raises:
            ValueError: ``samples`` is not a positive integer.
        """
        samples = _check.whole("samples", samples)
        mu, log_var = self.encode(x)
        eps = torch.randn(samples, *mu.shape, dtype=mu.dtype, device=mu.device)
        z = mu + (0.5 * log_var).exp() * eps  # (K, B, Z)
        log_joint = self.decode(z).log_prob(x).flatten(2).sum(2) + log_normal(z).sum(-1)  # (K, B)
        log_q = log_normal(z, mu, log_var).sum(-1)
        return torch.logsumexp(log_joint - log_q, 0) - math.log(samples)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n draws, shape (n, *shape): z from the prior, then x from p(x|z).

        Raises:
            ValueError: n is not a positive integer.
        """
        like = next(self.parameters()).new_empty(_check.whole("n", n), self.latent)
        with evaluating(self):
            return self.decode(draw(torch.randn, like, generator)).sample(generator)


def log_normal(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """log N(z | mu, exp(log_var)), elementwise, in nats."""
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    return -0.5 * ((z - mu) ** 2 * torch.exp(-log_var) + log_var + math.log(2 * math.pi))
