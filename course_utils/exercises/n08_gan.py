"""Checkers of the exercises of 08_gan."""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises.judge import Remark, as_tensor, judge, unanswered


def generator_loss(answer: Callable) -> None:
    """Exercise 08.1: the non-saturating loss of the generator, the mean of softplus(-logit), a scalar."""
    flat = "the 1e-8 flattens it: at a logit of -30 the slope is -1e-5 in place of -1; use softplus"
    minimax = "that is the minimax cost, log(1 - D): it is flat where D is sure"
    of_fakes = "that is what the discriminator pays for fakes: the sign"
    wrong = [
        (lambda logits: -(torch.sigmoid(logits) + 1e-8).log().mean(), flat),
        (lambda logits: -(torch.sigmoid(logits) + 1e-6).log().mean(), flat),
        (lambda logits: -F.softplus(logits).mean(), minimax),
        (lambda logits: (1 - torch.sigmoid(logits)).log().mean(), minimax),
        (lambda logits: (1 - torch.sigmoid(logits) + 1e-8).log().mean(), minimax),
        (lambda logits: F.softplus(logits).mean(), of_fakes),
        (lambda logits: -(1 - torch.sigmoid(logits)).log().mean(), of_fakes),
        (lambda logits: F.binary_cross_entropy(torch.sigmoid(logits), torch.zeros_like(logits)), of_fakes),
        (lambda logits: -F.softplus(-logits).mean(), "the sign: minimised, this makes the fakes worse"),
        (lambda logits: F.softplus(-logits).sum(), "the mean over the batch is asked for, not the sum"),
        (lambda logits: F.softplus(-logits), "one number is asked for: the mean over the batch"),
        (lambda logits: -logits.mean(), "that is the Wasserstein critic's: here D is a probability, softplus(-logit)"),
        (
            lambda logits: -torch.sigmoid(logits).log().mean(),
            "right in exact arithmetic; at a logit of -120 the sigmoid is 0 (and exp(120) infinite) in single "
            "precision: use softplus or logsigmoid",
        ),
        (
            lambda logits: F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits)),
            "binary cross-entropy of a probability is clipped at 100: use the form with logits",
        ),
    ]
    right = lambda logits: F.softplus(-logits).mean()  # noqa: E731
    cases = [
        (torch.tensor([0.3, -1.2, 2.0, 0.0]),),
        (torch.tensor([-50.0, -30.0, 1.0]),),
        (torch.tensor([-120.0, 50.0]),),
    ]
    judge(answer, right, cases, wrong, "The slope at a picture that fools nobody is -1, however sure D is.")


def detached_loss(answer: Callable) -> None:
    """Exercise 08.2: the loss of the discriminator, a scalar, whose gradient does not reach the generator."""

    def loss(real_sign: int = -1, reduce: Callable = torch.mean, cut: Callable = Tensor.detach) -> Callable:
        return lambda G, D, x, z: reduce(F.softplus(real_sign * D(x))) + reduce(F.softplus(-real_sign * D(cut(G(z)))))

    def without_grad(G, D, x, z):  # noqa: N803
        with torch.no_grad():
            return loss()(G, D, x, z)

    def measured(answer: Callable) -> Callable:
        """The loss; the largest gradient that its backward leaves in G, and in D; how many parameters do not learn."""

        def of(G, D, x, z):  # noqa: N803
            players = G, D = copy.deepcopy((G, D))  # noqa: N806 -- backward writes into them
            value = answer(G, D, x, z)
            number = as_tensor(value)
            if unanswered(value) or number is None or number.ndim:
                return value
            if isinstance(value, Tensor) and value.requires_grad:
                value.backward()
            grads = [[p.grad.abs().max() for p in player.parameters() if p.grad is not None] for player in players]
            left = [float(max(found, default=0.0)) for found in grads]
            frozen = sum(not p.requires_grad for player in players for p in player.parameters())
            return torch.tensor([float(number), *left, frozen], dtype=torch.float64)

        return of

    def left_frozen(G, D, x, z):  # noqa: N803
        G.requires_grad_(False)
        return loss()(G, D, x, z)

    wrong = [
        (
            measured(loss(cut=lambda fake: fake)),
            "the number is right, but backward() leaves gradients in G: detach the fakes",
        ),
        (
            measured(lambda G, D, x, z: F.softplus(-D(x)).mean() + F.softplus(D(G(z)).detach()).mean()),
            "detach the points, not D's logits: here D learns nothing from fakes",
        ),
        (measured(without_grad), "nothing has a gradient now: D must learn, only G must not"),
        (measured(loss(real_sign=1)), "the sign: this D learns to call fakes real"),
        (measured(loss(reduce=torch.sum)), "means over the points are asked for, not sums"),
        (
            measured(lambda G, D, x, z: F.softplus(-D(x.detach())).mean()),
            "half of it: what D pays for fakes is missing",
        ),
        (
            measured(lambda G, D, x, z: loss()(G, D, x, z) / 2),
            Remark("Yours is halved, as in section 3, and so are D's gradients; Adam hardly notices."),
        ),
        (
            measured(lambda G, D, x, z: loss(cut=lambda fake: fake)(G, D, x, z) / 2),
            "backward() leaves gradients in G: detach the fakes",
        ),
        (
            measured(lambda G, D, x, z: F.softplus(-D(x)) + F.softplus(D(G(z).detach()))),
            "one number is asked for: means over the points",
        ),
        (measured(left_frozen), "G stays frozen after your function returns: its own step would fail; detach instead"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0))  # noqa: N806
        cases = [(G, D, torch.randn(5, 2), torch.randn(5, 2)), (G, D, torch.randn(4, 2), torch.randn(4, 2))]
    moral = "A loss may have the right value and the wrong gradient."
    judge(measured(answer), measured(loss()), cases, wrong, moral)


def suspicious(answer: Callable) -> None:
    """Exercise 08.4: share of samples nearer to the training set than all but 1 % of held-out pictures."""

    def apart(x: Tensor, among: Tensor) -> Tensor:
        return torch.cdist(x.flatten(1), among.flatten(1))

    def below(d: Callable, limit: Callable, of: Callable = lambda near: near.double().mean()) -> Callable:
        return lambda samples, train, held_out: of(d(samples, train, held_out) < limit(samples, train, held_out))

    def nearest(samples: Tensor, train: Tensor, held_out: Tensor) -> Tensor:
        return apart(samples, train).amin(1)

    def limit(samples: Tensor, train: Tensor, held_out: Tensor, q: float = 0.01) -> Tensor:
        return apart(held_out, train).amin(1).quantile(q)

    innocent = "a copier copies *training* pictures: their copies are far from the held-out ones"
    wrong = [
        (below(lambda samples, train, held_out: apart(samples, held_out).amin(1), limit), innocent),
        (
            below(nearest, lambda samples, train, held_out: apart(samples, held_out).amin(1).quantile(0.01)),
            "the limit compares held-out pictures with training pictures; no sample has a part in it",
        ),
        (
            below(nearest, lambda samples, train, held_out: apart(train, held_out).amin(1).quantile(0.01)),
            "the limit is taken over held-out pictures, compared with the training pictures, not the other way round",
        ),
        (
            below(nearest, lambda samples, train, held_out: apart(train, train).amin(1).quantile(0.01)),
            "a training picture is at distance 0 from itself: the limit comes from held-out pictures",
        ),
        (
            below(nearest, lambda samples, train, held_out: nearest(samples, train, held_out).quantile(0.01)),
            "1 % of anything is below its own 1 % quantile: the limit comes from held-out pictures",
        ),
        (below(nearest, lambda *sets: limit(*sets, q=0.99)), "the 1 % quantile is 0.01, not 0.99"),
        (below(nearest, lambda *sets: limit(*sets, q=0.5)), "below the median is half of all real pictures: 0.01"),
        (
            lambda *sets: (nearest(*sets) > limit(*sets)).double().mean(),
            "a copy is *nearer* than the limit: d < limit, not >",
        ),
        (
            lambda *sets: (nearest(*sets) <= limit(*sets)).double().mean(),
            "*below* the limit is asked for: <, not <=",
        ),
        (
            below(nearest, lambda samples, train, held_out: apart(samples, held_out).amin(1)),
            "the larger set is nearer more often, without any copy: compare with the 1 % quantile of held-out pictures",
        ),
        (below(nearest, limit, lambda near: near.sum()), "their share is asked for, not their number"),
        (below(nearest, limit, lambda near: 1 - near.double().mean()), "that is the share of those without suspicion"),
        (below(nearest, limit, lambda near: near), "one number is asked for: the mean"),
        (below(lambda *sets: apart(*sets[:2]).mean(1), limit), "the *nearest* training picture: amin, not mean"),
    ]
    g = torch.Generator().manual_seed(0)
    train, held_out, others = (torch.randn(n, 1, 3, 3, generator=g) for n in (30, 24, 10))
    copies = train[:10] + 0.01 * torch.randn(10, 1, 3, 3, generator=g)
    # Pictures of one pixel, steps of 1/128 so that all lie in [0, 1] and ties stay exact.
    row = torch.arange(1.0, 102.0).view(101, 1, 1, 1) / 128  # at 1 ... 101 steps from zero
    points = torch.tensor([0.3, 1.5, 2.5, 50.0]).view(4, 1, 1, 1) / 128
    zero, half = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.5)
    tie = half + torch.tensor([2.0, 1.0, 5.0, -2.0]).view(4, 1, 1, 1) / 128  # *below* the limit
    cases = [
        (torch.cat([copies, others]), train, held_out),
        (points, zero, row),
        (tie, half, half + 2 / 128),
    ]
    judge(answer, below(nearest, limit), cases, wrong, "A test for copies must first catch a copier.")


def smoothed_rest(answer: Callable) -> None:
    """Exercise 08.5: where a discriminator rests that is asked to say s for real points, s a / (a + b)."""
    wrong = [
        (lambda a, b, s: a / (a + b), "that is for s = 1"),
        (lambda a, b, s: s * a / (s * a + b), "real points ask for 'fake' too, with weight 1 - s: add a (1 - s) below"),
        (lambda a, b, s: (1 - s) * a / (a + b), "s is what D should say of real points, not 1 - s"),
        (lambda a, b, s: (s * a + (1 - s) * b) / (a + b), "one-sided: fakes ask for 0, not for 1 - s"),
        (lambda a, b, s: s * b / (a + b), "a is the density of the real points"),
        (lambda a, b, s: b / (a + b), "a is the density of the real points"),
        (lambda a, b, s: s * a / ((1 - s) * a + b), "that is D / (1 - D): solve for D"),
        (lambda a, b, s: math.log(s * a / ((1 - s) * a + b)), "that is the logit: its sigmoid is asked for"),
        (lambda a, b, s: s, "that is where only real points are: fakes pull D down"),
        (lambda a, b, s: s / 2, "right only where a = b"),
        (lambda a, b, s: (a + b) / (a + 2 * b), "that is section 2's mistake, not this one"),
    ]
    right = lambda a, b, s: s * a / (a + b)  # noqa: E731
    cases = [(0.3, 0.5, 0.9), (2.0, 2.0, 0.9), (1.0, 0.25, 0.7)]
    judge(answer, right, cases, wrong, "At the end of the game this D says s / 2: 0.45, not one half.")
