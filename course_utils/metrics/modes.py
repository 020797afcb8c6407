"""How a sample covers the modes of a mixture that is known."""

from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import _check
from course_utils.metrics._sets import _DIFFERENCES


class ModeCoverage(NamedTuple):
    """How a sample covers the modes of a mixture: modes found, share of good samples, reverse KL in nats."""

    modes: int
    good: float
    reverse_kl: float


def mode_coverage(samples: Tensor, centres: Tensor, std: float) -> ModeCoverage:
    """Modes found, share of good samples and evenness, for a mixture of K equal Gaussians, by the published protocol.

        good: |x - c| <= 3 std for the nearest centre c
        modes: the number of centres with at least one good sample
        reverse KL = sum_k q_k log(q_k K),  q_k: share of *all* samples whose nearest centre is k

    Read the three together: 100 % good samples may sit in one mode, and an even spread need not be good. Of the true
    distribution in D = 2 dimensions 1 - exp(-9 / 2) = 98.9 % are good, and n samples have a reverse KL of about
    (K - 1) / (2 n) by chance. (Srivastava et al., VEEGAN, arXiv 1705.07761; Lin et al., PacGAN, arXiv 1712.04086,
    both with n = 2,500.)

    Args:
        samples: (n, D) with n > 0.
        centres: (K, D).
        std: standard deviation of each Gaussian along each axis.

    Raises:
        ValueError: samples or centres are not finite (n, D) and (K, D) with one D, or std is not above 0.
    """
    for name, value in (("samples", samples), ("centres", centres)):
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim != 2 or not value.numel():
            raise ValueError(f"{name} must be a floating-point tensor of shape (n, D), got {_check.describe(value)}")
        if not value.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    if samples.shape[1] != centres.shape[1]:
        raise ValueError(f"centres must have as many columns as samples, {samples.shape[1]}, got {centres.shape[1]}")
    # float64 and differences, not squares: with std 0.01 the digits would be lost
    distances = torch.cdist(samples.detach().double(), centres.to(samples.device).double(), compute_mode=_DIFFERENCES)
    distance, nearest_mode = distances.min(1)
    good = distance <= 3 * _check.positive("std", std)
    shares = torch.bincount(nearest_mode, minlength=len(centres)).double() / len(samples)
    return ModeCoverage(
        modes=len(nearest_mode[good].unique()),
        good=good.double().mean().item(),
        reverse_kl=torch.xlogy(shares, shares * len(centres)).sum().item(),
    )
