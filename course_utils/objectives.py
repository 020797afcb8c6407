"""Games between a generator and a discriminator: who minimises what, and what keeps the game in bounds.

An objective is a pair of functions of logits: D(x) = sigmoid(logit) is the discriminator's probability that x is real.
With real logits r and fake logits f (a critic's values, for the Wasserstein game):

    name                 discriminator minimises                     generator minimises
    minimax              E softplus(-r) + E softplus(f)              -E softplus(f)  =  E log(1 - D)
    non_saturating       the same                                    E softplus(-f)  =  -E log D
    maximum_likelihood   the same                                    -E exp(f)       =  -E D / (1 - D)
    least_squares        E (r - b)^2 / 2 + E (f - a)^2 / 2           E (f - c)^2 / 2,  (a, b, c) = (-1, 1, 0)
    wasserstein          E f - E r                                   -E f
    hinge                E max(0, 1 - r) + E max(0, 1 + f)           -E f
    relativistic         E softplus(-(r - f))                        E softplus(-(f - r))

Goodfellow et al., arXiv 1406.2661 (minimax, non-saturating); Goodfellow, arXiv 1701.00160 (maximum likelihood); Mao et
al., arXiv 1611.04076 (least squares); Arjovsky et al., arXiv 1701.07875 (Wasserstein); Lim and Ye, arXiv 1705.02894
(hinge); Jolicoeur-Martineau, arXiv 1807.00734 (relativistic). Read first: ``OBJECTIVES``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import draw

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """What each player minimises: functions of (real_logits, fake_logits) to a scalar.

    Each gets logits (B,), one a sample. Both raise a ValueError where the two shapes differ in more than B, as (B, 1)
    and (B,) do: their difference would be a table of B × B, and its mean a number that means nothing.

    Attributes:
        discriminator: its loss.
        generator: its loss; most look only at the fake logits, and take None for the real ones.
    """

    discriminator: Loss
    generator: Loss

    def __post_init__(self) -> None:
        for player in ("discriminator", "generator"):
            object.__setattr__(self, player, _of_one_shape(getattr(self, player)))


def _of_one_shape(loss: Loss) -> Loss:
    @wraps(loss)
    def checked(real: Tensor, fake: Tensor) -> Tensor:
        if real is not None and (real.ndim != fake.ndim or real.shape[1:] != fake.shape[1:]):
            shapes = f"{tuple(real.shape)} and {tuple(fake.shape)}"
            raise ValueError(f"real and fake must be logits of one shape, got {shapes}")
        return loss(real, fake)

    return checked


def _cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(real) - E log(1 - D(fake)), of logits: log(sigmoid(r)) written as itself would be -inf at r = -120."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _lead(real: Tensor, fake: Tensor) -> Tensor:
    """By how much each real logit is above the fake one beside it; here they come in pairs, as many of both."""
    if real is None or real.shape != fake.shape:
        shapes = f"{None if real is None else tuple(real.shape)} and {tuple(fake.shape)}"
        raise ValueError(f"real and fake must be logits of one shape, one real for each fake, got {shapes}")
    return real - fake


def least_squares(a: float = -1.0, b: float = 1.0, c: float = 0.0) -> Objective:
    """Least-squares objective: the discriminator aims at ``a`` for fake and ``b`` for real, the generator at ``c``.

    If b - c = 1 and b - a = 2, as by default, the generator's cost at the optimal discriminator, taken over real and
    fake, is a Pearson divergence: E (D - c)^2 / 2 over both = chi2(p_g || m) with m = (p_data + p_g) / 2. With the
    usual codes (0, 1, 1) it is not. (Mao et al., arXiv 1611.04076, theorem 1.)
    """

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((real - b) ** 2).mean() + 0.5 * ((fake - a) ** 2).mean()

    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((fake - c) ** 2).mean()

    return Objective(discriminator, generator)


OBJECTIVES: dict[str, Objective] = {
    "minimax": Objective(_cross_entropy, lambda real, fake: -F.softplus(fake).mean()),
    "non_saturating": Objective(_cross_entropy, lambda real, fake: F.softplus(-fake).mean()),
    "maximum_likelihood": Objective(_cross_entropy, lambda real, fake: -fake.exp().mean()),
    "least_squares": least_squares(),
    "wasserstein": Objective(
        lambda real, fake: fake.mean() - real.mean(),
        lambda real, fake: -fake.mean(),
    ),
    "hinge": Objective(
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda real, fake: -fake.mean(),
    ),
    "relativistic": Objective(
        lambda real, fake: F.softplus(-_lead(real, fake)).mean(),
        lambda real, fake: F.softplus(_lead(real, fake)).mean(),
    ),
}


def gradient_penalty(
    f: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    target: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """How far the slope of f is from ``target`` between real and fake, a scalar.

        E (|grad f(x)| - target)^2,  x = t real + (1 - t) fake,  t ~ U(0, 1), one for each pair

    The norm is that of one sample's gradient over all its values (Gulrajani et al., arXiv 1704.00028).

    Args:
        f: (B, ...) to (B,), each output from its own input only; no batch norm.
        real, fake: (B, ...) of one shape.
        target: 1 for WGAN-GP.

    Raises:
        ValueError: shapes differ, or f is a module with batch norm in training: each output depends on the batch.
    """
    if real.shape != fake.shape or not len(real):
        raise ValueError(f"real and fake must have one shape, got {tuple(real.shape)} and {tuple(fake.shape)}")
    t = draw(torch.rand, real.new_empty(len(real), *[1] * (real.ndim - 1)), generator)
    slopes = _slopes(f, t * real + (1 - t) * fake)
    return ((slopes - target) ** 2).mean()


def r1_penalty(f: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """E |grad f(x)|^2 at real points, a scalar: zero-centred, so that at the end of the game nothing has to move.

    With the weight gamma / 2 of the paper this is R1; at fake points it is R2. (Mescheder et al., arXiv 1801.04406.)

    Args:
        f: (B, ...) to (B,), each output from its own input only; no batch norm.
        real: (B, ...).

    Raises:
        ValueError: f is a module with batch norm in training, or its outputs are not (B,).
    """
    return _slopes(f, real, squared=True).mean()


def clip_weights_(network: nn.Module, limit: float = 0.01) -> None:
    """Set every parameter back into [-limit, limit], in place: the first WGAN's way to a Lipschitz critic.

    Arjovsky et al., arXiv 1701.07875, whose authors call it "a clearly terrible way".

    Raises:
        ValueError: limit is not a finite number above 0.
    """
    limit = _check.positive("limit", limit)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.clamp_(-limit, limit)


def _slopes(f: Callable[[Tensor], Tensor], x: Tensor, squared: bool = False) -> Tensor:
    """|grad f(x_b)| of each sample, (B,): one gradient of the sum, since no output looks at another input."""
    if isinstance(f, nn.Module):
        mixing = [m for m in f.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
        if mixing:
            raise ValueError(f"f must treat each sample by itself, got a network with {type(mixing[0]).__name__}")

    def total(x: Tensor) -> Tensor:
        values = f(x)
        if values.shape != x.shape[:1]:
            raise ValueError(f"f must return shape ({len(x)},), got {tuple(values.shape)}")
        return values.sum()

    # not autograd.grad(create_graph=True): that cannot be compiled
    gradient = torch.func.grad(total)(x.detach())
    squares = gradient.flatten(1).square().sum(1)
    # the root's slope at 0 is infinite; a critic that is flat somewhere would get NaN for a gradient
    return squares if squared else torch.where(squares > 0, squares, 1.0).sqrt() * (squares > 0)
