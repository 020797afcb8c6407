"""The variational autoencoder in which everything is known: all that training estimates has a closed form here.

    p(z) = N(0, I),    p(x|z) = N(W z + b, s^2 I),    q(z|x) = N(A x + a, diag(v))

    p(x) = N(b, W W' + s^2 I),    p(z|x) = N(M^-1 W' (x - b), s^2 M^-1),    M = W' W + s^2 I

It is probabilistic principal component analysis: Tipping and Bishop 1999, doi 10.1111/1467-9868.00196; as a VAE: Lucas
et al. 2019, arXiv 1911.02469. Read first: ``log_prob``, ``posterior`` and ``gap``.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import LOG_STDS, Gaussian, PixelFamily, draw, gaussian, has_nan, within
from course_utils.models.base import (
    DensityModel,
    at_least_float32,
    dimensions,
    need_numbers_from,
    need_type,
    need_values,
)
from course_utils.models.coders import need_codes
from course_utils.models.vae import LOG_VARS, kl_to_prior, log_normal, log_normal_of_noise


class LinearGaussianVAE(DensityModel):
    """A VAE with a linear encoder, a linear decoder, and one width for all values of x.

    Args:
        shape: shape of one image, or (D,) for points.
        latent: number of latent dimensions Z.

    Attributes:
        encoder, decoder: linear layers, x (B, D) to the mean of q(z|x) (B, Z), and z to the mean of p(x|z).
        log_var: logarithms of the variances v of q(z|x), (Z,), the same for every x.
        log_std: logarithm of s, a scalar, in units of x.

    Raises:
        ValueError: a size is not positive.
    """

    shape: tuple[int, ...]
    latent: int
    pixels: PixelFamily
    encoder: nn.Linear
    decoder: nn.Linear
    log_var: nn.Parameter
    log_std: nn.Parameter

    def __init__(self, shape: Sequence[int], latent: int = 2):
        super().__init__()
        self.shape, self.latent = _check.sizes("shape", shape), _check.whole("latent", latent)
        self.pixels = gaussian()
        size = dimensions(self.shape)
        self.encoder, self.decoder = nn.Linear(size, self.latent), nn.Linear(self.latent, size)
        self.log_var, self.log_std = nn.Parameter(torch.zeros(self.latent)), nn.Parameter(torch.zeros(()))

    @classmethod
    @torch.no_grad()
    def fit(cls, x: Tensor, latent: int = 2, correction: int = 0) -> "LinearGaussianVAE":
        """W, b and s that make x most probable, without a training step, and the encoder that makes the bound exact.

            s^2 = mean of the D - Z smallest eigenvalues of the covariance,    W = U (L - s^2 I)^(1/2)

        with the Z largest eigenvalues L and their vectors U, and b the mean. W R with any rotation R is as good; with
        R = I the columns of W are orthogonal, so the posterior is diagonal, and q(z|x) can be equal to it.
        Tipping and Bishop 1999, section 3.2.

        Args:
            x: float (N, *shape).
            latent: Z, smaller than D.
            correction: the covariance is divided by N - correction: 0 is maximum likelihood, 1 what scikit-learn does.

        Raises:
            ValueError: x is no finite float batch, Z is not below D, or x varies in no more than Z directions.
        """
        flat, shape = _need_data(x)
        latent = _check.whole("latent", latent)
        if latent >= flat.shape[1]:
            raise ValueError(f"latent must be below the {flat.shape[1]} dimensions of x, got {latent}")
        if _check.number(correction) not in (0, 1) or len(flat) <= correction:
            got = f"{_check.describe(correction)} for {len(flat)} of x"
            raise ValueError(f"correction must be 0 or 1, and below N, got {got}")
        correction = _check.whole("correction", correction, least=0)
        values, vectors = torch.linalg.eigh(torch.cov(flat.T, correction=correction).double())  # in rising order
        variance = values[:-latent].mean()
        if not variance > 1e-12 * values[-1]:
            raise ValueError(f"x must vary in more than latent = {latent} directions, got {_check.describe(x)}")
        model = cls(shape, latent).to(flat)
        W = vectors[:, -latent:].flip(1) * (values[-latent:].flip(0) - variance).clamp(min=0).sqrt()
        model.decoder.weight.copy_(W)
        model.decoder.bias.copy_(flat.mean(0))
        model.log_std.fill_(0.5 * variance.log())
        model.match_posterior()
        return model

    @torch.no_grad()
    def match_posterior(self) -> None:
        """Set the encoder to the best q(z|x) for this decoder: the posterior's mean, v_j = s^2 / M_jj.

        The best diagonal Gaussian in the sense of the bound; it is the posterior itself if M is diagonal.
        """
        W, M = self._W, self._M()
        A = torch.linalg.solve(M, W.T)
        self.encoder.weight.copy_(A)
        self.encoder.bias.copy_(-A @ self.decoder.bias)
        self.log_var.copy_(2 * self._log_std - M.diagonal().log())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B, Z) each.

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        need_values(x, self)
        mu = self.encoder(x.flatten(1))
        mu = mu.to(at_least_float32(mu.dtype))
        return mu, within(self.log_var.to(mu.dtype), *LOG_VARS).expand_as(mu)

    def decode(self, z: Tensor) -> Gaussian:
        """p(x|z) for codes (..., Z), a distribution of batch shape (..., *shape).

        Raises:
            ValueError: z is not a float tensor whose last size is Z, or not of the type of the parameters.
        """
        need_type("z", need_codes(z, self.latent), self, wider=True)
        mean = self.decoder(z.to(self.decoder.weight.dtype)).view(*z.shape[:-1], *self.shape)
        return Gaussian(mean, self._log_std.expand_as(mean))

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(x | b, W W' + s^2 I), shape (B,), in nats: exact, by determinants and inverses of Z x Z matrices only.

            log det(W W' + s^2 I) = log det M + (D - Z) log s^2
            r' (W W' + s^2 I)^-1 r = (|r|^2 - r' W M^-1 W' r) / s^2,    r = x - b

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        need_values(x, self)
        r = self._centred(x)  # (B, D)
        root = torch.linalg.cholesky(self._M())  # M = root root'
        u = torch.linalg.solve_triangular(root, (r @ self._W).T, upper=False)  # (Z, B), |u|^2 = r'WM^-1W'r
        square = (r.square().sum(1) - u.square().sum(0)) * torch.exp(-2 * self._log_std)
        log_det = 2 * root.diagonal().log().sum() + 2 * (r.shape[1] - self.latent) * self._log_std
        return -0.5 * (square + log_det + r.shape[1] * math.log(2 * math.pi))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, Z) and covariance (Z, Z) of the true p(z|x), in which no encoder takes part.

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        need_values(x, self)
        M = self._M()
        mean = torch.linalg.solve(M, (self._centred(x) @ self._W).T).T
        return mean, torch.exp(2 * self._log_std) * torch.linalg.inv(M)

    def elbo(self, x: Tensor) -> Tensor:
        """E_q [log p(x|z)] - KL(q(z|x) || p(z)), shape (B,), in nats, with the expectation in closed form.

            E_q |x - W z - b|^2 = |x - W mu - b|^2 + sum_j v_j |W_j|^2

        One draw of it is ``log_weights(x, 1)[0]``.

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        mu, log_var = self.encode(x)
        spread = (log_var.exp() * self._W.square().sum(0)).sum(1)  # (B,)
        square = (x.flatten(1) - self.decoder(mu.to(x.dtype))).square().sum(1) + spread
        constant = dimensions(self.shape) * (2 * self._log_std + math.log(2 * math.pi))
        log_likelihood = -0.5 * (square * torch.exp(-2 * self._log_std) + constant)
        return log_likelihood - kl_to_prior(mu, log_var).sum(1)

    def gap(self, x: Tensor) -> Tensor:
        """KL(q(z|x) || p(z|x)), shape (B,), in nats: what the bound misses, log p(x) = elbo(x) + gap(x).

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        (mu, log_var), (mean, covariance) = self.encode(x), self.posterior(x)
        M = self._M()  # s^2 times the inverse of the covariance
        difference = mu - mean
        square = ((difference @ M) * difference).sum(1) + (log_var.exp() * M.diagonal()).sum(1)
        return 0.5 * (square * torch.exp(-2 * self._log_std) - self.latent + torch.logdet(covariance) - log_var.sum(1))

    def log_weights(self, x: Tensor, samples: int) -> Tensor:
        """log p(x, z_k) / q(z_k | x) of draws z_k ~ q(z|x), shape (K, B), in nats, as ``VAE.log_weights``.

        Raises:
            ValueError: ``samples`` is not a positive integer, or x is not a finite float batch (B, *shape).
        """
        samples = _check.whole("samples", samples)
        mu, log_var = self.encode(x)
        eps = torch.randn(samples, *mu.shape, dtype=mu.dtype, device=mu.device)
        z = mu + (0.5 * log_var).exp() * eps  # (K, B, Z)
        log_joint = self.decode(z).log_prob(x).flatten(2).sum(2) + log_normal(z).sum(-1)  # (K, B)
        return log_joint - log_normal_of_noise(eps, log_var).sum(-1)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n draws, shape (n, *shape): z from the prior, then x from p(x|z).

        Raises:
            ValueError: n is not a positive integer, or a parameter is NaN.
        """
        like = self.log_var.new_empty(_check.whole("n", n), self.latent)
        pixels = self.decode(draw(torch.randn, like, generator))
        need_numbers_from(self, has_nan(pixels))
        return pixels.sample(generator)

    @property
    def _log_std(self) -> Tensor:
        """log s, within the bounds of ``Gaussian``, never in half precision."""
        return within(self.log_std.to(at_least_float32(self.log_std.dtype)), *LOG_STDS)

    @property
    def _W(self) -> Tensor:
        """The decoder's weights (D, Z), never in half precision, which has no linear algebra."""
        return self.decoder.weight.to(at_least_float32(self.decoder.weight.dtype))

    def _centred(self, x: Tensor) -> Tensor:
        """x - b, (B, D), in the type of ``_W``."""
        return (x.flatten(1) - self.decoder.bias).to(self._W.dtype)

    def _M(self) -> Tensor:
        """W' W + s^2 I, (Z, Z)."""
        W = self._W
        return W.T @ W + torch.exp(2 * self._log_std) * torch.eye(self.latent, dtype=W.dtype, device=W.device)


def _need_data(x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """The data as (N, D), and the shape of one of them.

    Raises:
        ValueError: x is not a finite float tensor (N, *shape) with N > 0.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2 or not x.numel():
        raise ValueError(f"x must be a float tensor of shape (N, *shape) with N > 0, got {_check.describe(x)}")
    if not x.isfinite().all():
        raise ValueError(f"x must be finite, got {int((~x.isfinite()).sum())} values that are not")
    return x.flatten(1), tuple(x.shape[1:])
