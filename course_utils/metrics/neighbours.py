"""Sets of pictures, or of their features, compared by distances to nearest neighbours."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import _check
from course_utils.metrics._sets import _DIFFERENCES, _ROWS, distances, need_one_scale, need_set, need_sets


class Nearest(NamedTuple):
    """The nearest picture: its distance (B,), root mean square over the values, and its index (B,)."""

    distance: Tensor
    index: Tensor


def nearest(x: Tensor, among: Tensor) -> Nearest:
    """For each picture the nearest one of another set: what to lay beside a generated picture that looks too good.

        d = sqrt(mean over the values of (x - y)^2),  the least over all y in ``among``

    A distance alone says nothing: compare it with that of real pictures that the model has not seen. A copy is at 0;
    held-out pictures are as far as an honest new one would be.

    Args:
        x: floating point (B, ...).
        among: floating point (N, ...) with N > 0 and pictures of the same shape.

    Raises:
        ValueError: x or among is not of that form, or only one of them holds pictures (B, C, H, W) in [0, 1].
    """
    for name, value in (("x", x), ("among", among)):
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2 or not value.numel():
            raise ValueError(f"{name} must be a floating-point tensor (B, ...), got {_check.describe(value)}")
    if x.shape[1:] != among.shape[1:]:
        raise ValueError(f"among must hold pictures of shape {tuple(x.shape[1:])}, got {tuple(among.shape[1:])}")
    need_one_scale(x=x, among=among)
    flat, pool = x.detach().flatten(1), among.detach().to(x).flatten(1)
    # a matrix of squares would round a copy's distance of 0 to 1e-4; a few rows at a time, it does not fill the memory
    rows = [torch.cdist(part, pool, compute_mode=_DIFFERENCES).min(1) for part in flat.split(_ROWS)]
    distance = torch.cat([row.values for row in rows]) / math.sqrt(flat.shape[1])
    return Nearest(distance, torch.cat([row.indices for row in rows]))


def told_apart(a: Tensor, b: Tensor) -> float:
    """How often the nearest other picture is one of its own kind: 1/2 where nobody can tell two sets apart, 1 at worst.

        accuracy of the class of the nearest other one,  among n pictures of each kind,  n = min(A, B)

    Below 1/2 one set copies the other: the nearest of a picture and its copy is the other one. A rule that knows no
    more than distances: that it sees no difference does not mean that there is none.

    Args:
        a: floating point (A, ...), pictures or features.
        b: floating point (B, ...) of the same shape; of the larger set the first n count.

    Raises:
        ValueError: a or b is not a finite float tensor, or of another shape.

    Source: Lopez-Paz and Oquab, arXiv 1610.06545.
    """
    a, b = need_sets(a=a, b=b)
    n = min(len(a), len(b))
    x = torch.cat([a[:n], b[:n]])
    kind = torch.arange(2 * n, device=x.device) < n
    others = distances(x, x).fill_diagonal_(math.inf)
    return (kind[others.argmin(1)] == kind).double().mean().item()


class PrecisionRecall(NamedTuple):
    """Share of generated pictures that lie among real ones, and of real ones that lie among generated ones."""

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """How many generated pictures lie among real ones, and how many real ones among generated ones; 1 is best.

        y lies among X if |y - x| <= r_k(x) for some x in X,    r_k(x): distance from x to its k-th nearest other in X
        precision = share of fake ones that lie among the real,  recall = share of real ones that lie among the fake

    Neither reaches 1 for a perfect generator: compare with new real pictures in place of generated ones, as many. A
    single real outlier, with its large ball, can hold many bad samples; a single generated one raises the recall.

    Args:
        real: floating point (N, ...), pictures or features, N > k.
        fake: floating point (M, ...) of the same shape, M > k.
        k: which neighbour.

    Raises:
        ValueError: real or fake is not a finite float tensor with more than k pictures, or of another shape; k < 1.

    Source: Kynkäänniemi et al., arXiv 1904.06991.
    """
    k = _check.whole("k", k)
    real, fake = need_sets(k + 1, real=real, fake=fake)
    across = distances(fake, real)  # (M, N)
    precision = (across <= _radii(real, k)).any(1)
    recall = (across.T <= _radii(fake, k)).any(1)
    return PrecisionRecall(precision.double().mean().item(), recall.double().mean().item())


def coverage(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of real pictures that have a generated one among their neighbours; for equal distributions 1 - 2^-k.

        coverage = share of x in real with |y - x| <= r_k(x) for some y in fake

    with r_k(x) the distance from x to its k-th nearest other real picture. The balls are those of real pictures only,
    so that a generated outlier, which raises the recall, adds nothing. 1 - 2^-k (0.969 for k = 5) is the expected value
    for large samples of equal size; with more generated pictures it rises.

    Args:
        real: floating point (N, ...), pictures or features, N > k.
        fake: floating point (M, ...) of the same shape.
        k: which neighbour.

    Raises:
        ValueError: real or fake is not a finite float tensor, or of another shape; real has no more than k; k < 1.

    Source: Naeem et al., arXiv 2002.09797.
    """
    return _in_balls(real, fake, k).any(0).double().mean().item()


def density(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """In how many balls of real pictures a generated one lies, over k; for equal distributions 1 on average.

        density = 1 / (k M) sum over y in fake of the number of x in real with |y - x| <= r_k(x)

    with r_k(x) the distance from x to its k-th nearest other real picture. Where ``precision_recall`` asks whether a
    generated picture lies in a ball, this counts the balls, so that the one large ball of an outlier weighs little.
    It is no share: samples crowded where the real ones are dense have more than 1.

    Args:
        real: floating point (N, ...), pictures or features, N > k.
        fake: floating point (M, ...) of the same shape.
        k: which neighbour.

    Raises:
        ValueError: real or fake is not a finite float tensor, or of another shape; real has no more than k; k < 1.

    Source: Naeem et al., arXiv 2002.09797.
    """
    return _in_balls(real, fake, k).sum(1).double().mean().item() / k


def _in_balls(real: Tensor, fake: Tensor, k: int) -> Tensor:
    """Whether each generated picture lies in the ball of each real one: bool (M, N)."""
    k = _check.whole("k", k)
    real_flat, fake_flat = need_sets(real=real, fake=fake)
    need_set("real", real, k + 1)
    return distances(fake_flat, real_flat) <= _radii(real_flat, k)


def _radii(x: Tensor, k: int) -> Tensor:
    """Distance of each of x (N, D) to its k-th nearest other one."""
    return distances(x, x).fill_diagonal_(-math.inf).kthvalue(k + 1, dim=1).values  # the nearest is itself
