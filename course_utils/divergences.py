"""Divergences between distributions, exact where they can be: on a grid of cells, on a line, between two samples.

On a grid p and q hold the probabilities of its cells (densities times the cells' size); sums run over the cells:

    KL(p || q) = sum p log(p / q)                          swap p and q for the reverse KL
    JSD(p, q)  = KL(p || m) / 2 + KL(q || m) / 2,          m = (p + q) / 2, between 0 and log 2
    TV(p, q)   = sum |p - q| / 2                           between 0 and 1
    chi2(p || q) = sum (p - q)^2 / q                       Pearson's

The Wasserstein distance W1 is the least mean way that earth must be carried to turn one distribution into the other. In
one dimension it is the area between the two distribution functions; between two samples of equal size the best way
is a one-to-one assignment (Birkhoff), found exactly by SciPy. Read first: ``jsd``.
"""

import torch
from torch import Tensor

from course_utils import _check


def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of probabilities (..., N), shape (...), in nats; infinite where q is 0 and p is not.

    Raises:
        ValueError: p or q is negative, does not sum to 1, or their last sizes differ.
    """
    _need_probabilities(p, q)
    return (_p_log(p, p) - _p_log(p, q)).sum(-1)


def jsd(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of probabilities (..., N), shape (...), in nats.

    Raises:
        ValueError: as for ``kl``.
    """
    _need_probabilities(p, q)
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Total variation of probabilities (..., N), shape (...): the largest difference that any event can have.

    Raises:
        ValueError: as for ``kl``.
    """
    _need_probabilities(p, q)
    return (p - q).abs().sum(-1) / 2


def pearson(p: Tensor, q: Tensor) -> Tensor:
    """Pearson's chi-squared divergence of probabilities (..., N), shape (...); infinite where q is 0 and p is not.

    The second argument divides; some papers write the two the other way round.

    Raises:
        ValueError: as for ``kl``.
    """
    _need_probabilities(p, q)
    outside = torch.where(p > 0, torch.inf, 0.0)  # a cell with q = 0 costs nothing only where p = 0, too
    cells = torch.where(q > 0, (p - q) ** 2 / torch.where(q > 0, q, 1.0), outside)
    return cells.sum(-1)


def wasserstein_grid(p: Tensor, q: Tensor, width: float) -> Tensor:
    """W1 on a line of N equal cells of the given width, for probabilities (..., N), shape (...), in units of x.

        W1 = integral |P(x) - Q(x)| dx = width * sum |cumsum(p - q)|

    Raises:
        ValueError: as for ``kl``, or width is not above 0.
    """
    _need_probabilities(p, q)
    return _check.positive("width", width) * (p - q).cumsum(-1).abs().sum(-1)


def optimal_transport(a: Tensor, b: Tensor) -> Tensor:
    """W1 between two samples of equal size (N, ...), a scalar, by linear assignment; O(N^3), so for a few thousand.

        W1 = min over permutations s of mean |a_i - b_{s(i)}|

    Raises:
        ValueError: the samples do not have one shape (N, ...) with N > 0.
    """
    from scipy.optimize import linear_sum_assignment

    if a.shape != b.shape or a.ndim < 1 or not len(a):
        raise ValueError(f"a and b must have one shape (N, ...) with N > 0, got {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = (x.detach().double().cpu().reshape(len(x), -1) for x in (a, b))  # (N,) as (N, 1)
    distances = torch.cdist(a, b)
    rows, columns = linear_sum_assignment(distances.numpy())
    return distances[rows, columns].mean()


def _p_log(p: Tensor, q: Tensor) -> Tensor:
    """p log q, and 0 where p is 0: so is its slope in whatever p was made of, while log 0 alone has none."""
    return torch.xlogy(p, torch.where(p > 0, q, 1.0))


def _need_probabilities(p: Tensor, q: Tensor) -> None:
    for name, value in (("p", p), ("q", q)):
        if not isinstance(value, Tensor) or not value.is_floating_point() or not value.ndim or value.shape[-1] == 0:
            raise ValueError(f"{name} must be a floating-point tensor (..., N), got {_check.describe(value)}")
        if not ((value >= 0).all() and ((value.sum(-1) - 1).abs() < 1e-4).all()):
            total = value.sum(-1).flatten()[0].item()
            raise ValueError(f"{name} must hold probabilities that sum to 1, got a sum of {total:.6g}")
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(f"p and q must have as many cells, got {p.shape[-1]} and {q.shape[-1]}")
