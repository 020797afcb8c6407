"""Distances between two distributions, estimated from samples: of features by torchmetrics, of points by their own.

With features of a network trained on photographs they are known as FID and KID. The course's come from its own
``models.DigitClassifier``: their values can be compared with one another, with nothing else.
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.metrics._sets import _ROWS, distances, need_set, need_sets


class KernelDistance(NamedTuple):
    """Mean and standard deviation over random subsets of an unbiased estimate of the squared distance."""

    mean: float
    std: float


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Squared Fréchet distance between the Gaussians that have the means and covariances of two sets; 0 is best.

        d^2 = |m_r - m_f|^2 + tr(C_r + C_f - 2 (C_r C_f)^(1/2))

    Only means and covariances count: sets that agree in both have distance 0, whatever their shapes. Two samples of
    *one* distribution have a distance above 0, the more so the fewer they are and the more features there are; compare
    only values from equal numbers of samples. With no more samples than features the covariances are singular: the
    formula still gives a number, in which that bias is much of it.

    Args:
        real: features (N, D) of real pictures, N > 1.
        fake: features (M, D) of generated ones, M > 1.

    Raises:
        ValueError: real or fake is not a finite float tensor (N, D) with N > 1 and one D.

    Source: Dowson and Landau, J. Multivariate Analysis 12, 1982; as a measure of generators Heusel et al., arXiv
    1706.08500. Computed by torchmetrics' ``FrechetInceptionDistance``, here without the Inception network.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # imported late: it costs seconds

    real, fake = _need_features(real, fake)
    centre = real.mean(0)  # moves nothing; means far from 0 would cost the covariances their digits
    with real.device:  # and not where torch's default device is
        distance = FrechetInceptionDistance(_Features(real.shape[1])).to(real.device)
        distance.update(real - centre, real=True)
        distance.update(fake - centre, real=False)
        return max(0.0, distance.compute().item())  # rounding may end just below 0


def kernel_distance(
    real: Tensor, fake: Tensor, subsets: int = 100, subset_size: int = 100, seed: int = 0
) -> KernelDistance:
    """Squared maximum mean discrepancy with a cubic kernel: 0 on average for two samples of one distribution.

        k(x, y) = (x·y / D + 1)^3
        d^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

    Unbiased, so that it may fall below 0, and its mean does not depend on how many samples there are. It sees the first
    three moments. The mean over random subsets is the estimate; their standard deviation says how much one subset
    scatters. It is not the standard error of the mean: the subsets overlap.

    Args:
        real: features (N, D) of real pictures.
        fake: features (M, D) of generated ones.
        subsets: how many pairs of subsets are drawn.
        subset_size: samples in each, from 2 to the smaller of N and M.
        seed: of the subsets; torch's global generator is left alone.

    Raises:
        ValueError: real or fake is not a finite float tensor (N, D) with one D, or has fewer than subset_size samples;
            subsets or subset_size is too small.

    Source: Bińkowski et al., arXiv 1801.01401. Computed by torchmetrics' ``KernelInceptionDistance``, here without the
    Inception network.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    subsets, subset_size = _check.whole("subsets", subsets), _check.whole("subset_size", subset_size, least=2)
    seed = _check.whole("seed", seed, least=0)
    real, fake = _need_features(real, fake, subset_size)
    # on the CPU, whatever torch's default device is: there a seed means the same subsets everywhere
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.device("cpu"):
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save")  # it is meant to
        torch.manual_seed(seed)
        distance = KernelInceptionDistance(_Features(real.shape[1]), subsets=subsets, subset_size=subset_size)
        distance.update(real.cpu(), real=True)
        distance.update(fake.cpu(), real=False)
        return KernelDistance(*(value.item() for value in distance.compute()))


def energy_distance(x: Tensor, y: Tensor) -> float:
    """Energy distance of two distributions, from a sample of each: 0 on average for two samples of one distribution.

        d = 2 mean_{i, j} |x_i - y_j| - mean_{i != j} |x_i - x_j| - mean_{i != j} |y_i - y_j|

    Unbiased, so that it may fall below 0, and its mean does not depend on how many samples there are. The distance of
    the distributions themselves is 0 only if they are equal; in one dimension it is 2 times the integral of
    (F - G)^2 over the line, with F and G the two distribution functions. It has the unit of x.

    Args:
        x: floating point (N, ...), points, pictures or features, N > 1.
        y: floating point (M, ...) of the same shape, M > 1.

    Raises:
        ValueError: x or y is not a finite float tensor with more than one sample, or of another shape; or only one of
            them holds pictures in [0, 1].

    Source: Székely and Rizzo, "Testing for equal distributions in high dimension", InterStat 2004.
    """
    x, y = need_sets(2, x=x, y=y)
    return 2 * _mean_distance(x, y) - _mean_distance(x, x, same=True) - _mean_distance(y, y, same=True)


def _mean_distance(a: Tensor, b: Tensor, same: bool = False) -> float:
    """Mean of |a_i - b_j|, over i != j where a and b are the same set; a few rows at a time spare the memory."""
    total = sum(distances(part, b).sum().item() for part in a.split(_ROWS))
    return total / (len(a) * (len(b) - same))


class _Features(nn.Module):
    """A network whose features are what it is given: torchmetrics wants one."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x


def _need_features(real: Tensor, fake: Tensor, least: int = 2) -> list[Tensor]:
    for name, x in (("real", real), ("fake", fake)):
        need_set(name, x, least)
        if x.ndim != 2:
            raise ValueError(f"{name} must be features of shape (N, D), got {_check.describe(x)}")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"fake must have as many features as real, {real.shape[1]}, got {fake.shape[1]}")
    return [x.detach().double() for x in (real, fake)]
