"""Which latents are in use."""

import math

from torch import Tensor

from course_utils import _check


def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """Number of latents that say something about the picture, from the posterior means of many pictures.

        A_j = Var_x( E_{q(z|x)}[z_j] ) > threshold

    A latent that has collapsed has the same posterior, the prior, for every picture: its mean does not move. The rule
    and the threshold: Burda et al., arXiv 1509.00519.

    Args:
        mu: posterior means (N, Z) of N > 1 pictures.
        threshold: of the variance, in units of the prior's, at least 0.

    Raises:
        ValueError: mu is not a finite float tensor (N, Z) with N > 1, or threshold is negative or not finite.
    """
    if not isinstance(mu, Tensor) or not mu.is_floating_point() or mu.ndim != 2 or len(mu) < 2 or not mu.shape[1]:
        raise ValueError(f"mu must be a floating-point tensor of shape (N, Z) with N > 1, got {_check.describe(mu)}")
    if not mu.isfinite().all():
        raise ValueError("mu must be finite, got NaN or infinity")
    if not 0 <= _check.number(threshold) < math.inf:
        raise ValueError(f"threshold must be a finite number of at least 0, got {_check.describe(threshold)}")
    return int((mu.var(0) > _check.number(threshold)).sum())
