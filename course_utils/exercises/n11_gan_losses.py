"""Checkers of the exercises of 11_gan_losses."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.exercises.judge import judge


def likelihood_loss(answer: Callable) -> None:
    """Exercise 11.1: the maximum-likelihood generator loss -E D / (1 - D) from logits, -E exp(logit)."""

    def odds(D: Callable) -> Callable:
        return lambda f: -(D(f) / (1 - D(f))).mean()

    wrong = [
        (odds(torch.sigmoid), "right on paper; at a logit of 20 float32 has D = 1 and divides by 0: simplify first"),
        (odds(lambda f: f), "it is a logit, not a probability"),
        (lambda f: f.exp().mean(), "the sign: the generator minimises, and a higher logit must cost less"),
        (lambda f: -(-f).exp().mean(), "upside down: D / (1 - D), not (1 - D) / D"),
        (lambda f: (-f).exp().mean(), "upside down: D / (1 - D), not (1 - D) / D"),
        (lambda f: -f.exp().sum(), "the mean over the samples, not their sum"),
        (lambda f: -f.exp(), "one number: the mean over the samples"),
        (lambda f: -f.mean().exp(), "the mean of the exponentials, not the exponential of the mean"),
        (lambda f: -f.mean(), "that is Wasserstein's"),
        (lambda f: F.softplus(-f).mean(), "that is the non-saturating loss, -log D"),
        (lambda f: -F.softplus(f).mean(), "that is minimax, log(1 - D)"),
        (lambda f: -f.sigmoid().mean(), "1 - D is missing"),
        (lambda f: -f.exp().mean() / 2, "the tutorial's factor 1/2; here without it"),
    ]
    right = lambda logits: -logits.exp().mean()  # noqa: E731
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(6, generator=g),), (3 * torch.randn(4, generator=g),), (torch.tensor([-30.0, 0.5, 20.0]),)]
    judge(answer, right, cases, wrong, "D / (1 - D) is e to the logit: nothing to divide, and nothing to lose.")


def relativistic_loss(answer: Callable) -> None:
    """Exercise 11.2: the paired relativistic generator loss E softplus(real - fake), a scalar."""
    wrong = [
        (
            lambda real, fake: F.softplus(-fake).mean(),
            "the second line overwrites the first: real is never used, and this is the plain non-saturating loss",
        ),
        (
            lambda real, fake: (F.softplus(real - fake) + F.softplus(-fake)).mean(),
            "a sum of two losses; the relativistic one alone is asked for",
        ),
        (
            lambda real, fake: -torch.sigmoid(fake - real).log().mean(),
            "right on paper; far apart the sigmoid is 0 and its logarithm infinite: use softplus",
        ),
        (lambda real, fake: F.softplus(fake - real).mean(), "the sign: that is the discriminator's loss"),
        (lambda real, fake: F.softplus(fake).mean(), "real is not used, and the sign is turned"),
        (lambda real, fake: -F.softplus(fake - real).mean(), "that is the relativistic *minimax*: it saturates"),
        (
            lambda real, fake: F.softplus(real.mean() - fake).mean(),
            "that is the relativistic *average*; here each generated picture has a real partner",
        ),
        (
            lambda real, fake: F.softplus(real[:, None] - fake[None]).mean(),
            "all pairs; here each generated picture has one partner, the same row",
        ),
        (lambda real, fake: F.softplus(real - fake), "one number: the mean over the pairs"),
        (lambda real, fake: F.softplus(real - fake).sum(), "the mean over the pairs, not their sum"),
        (lambda real, fake: (real - fake).mean(), "without softplus that is Wasserstein's"),
        (lambda real, fake: F.softplus((real - fake).mean()), "softplus of each pair first, then the mean"),
    ]
    right = lambda real, fake: F.softplus(real - fake).mean()  # noqa: E731
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(2, n, generator=g)) for n in (5, 3)]
    cases.append((torch.tensor([60.0, -20.0, 0.0]), torch.tensor([-60.0, 30.0, 0.5])))
    judge(answer, right, cases, wrong, "Test: with other real pictures the loss must change.")


def effective_share(answer: Callable) -> None:
    """Exercise 11.3: effective sample size over n of the maximum-likelihood weights exp(logit), of any size."""

    def share(w: Tensor) -> Tensor:
        return w.sum() ** 2 / (w.square().sum() * len(w))

    wrong = [
        (
            lambda f: share(f.exp()),
            "right for small logits; exp(100) overflows float32. A common factor cancels: subtract the largest logit",
        ),
        (lambda f: share(f.sigmoid()), "those are minimax's weights, D; maximum likelihood has D / (1 - D)"),
        (lambda f: share((-f).sigmoid()), "those are the non-saturating weights, 1 - D"),
        (lambda f: share(f), "it is a logit; the weight is exp(logit)"),
        (lambda f: 1 / f.softmax(0).square().sum(), "that is the number of samples; divide by n"),
        (lambda f: f.softmax(0).square().sum(), "that is one over the number of effective samples"),
        (lambda f: f.softmax(0).square().sum() * len(f), "upside down: evenly spread weights give 1, one sample 1/n"),
        (lambda f: f.softmax(0).square().mean(), "square of the sum over n times the sum of squares"),
        (lambda f: f.softmax(0).max(), "that is the share of the largest weight"),
        (lambda f: 1 / (f.softmax(0).max() * len(f)), "all weights count, by their squares, not only the largest"),
        (
            lambda f: f.softmax(0).sort(descending=True).values[: max(1, len(f) // 20)].sum(),
            "that is the share of the top 5 %",
        ),
    ]
    right = lambda logits: share(logits.softmax(0))  # noqa: E731
    g = torch.Generator().manual_seed(0)
    scales = ((40, 1.0, 0.0), (60, 2.0, 0.0), (50, 1.0, 100.0))
    cases = [(scale * torch.randn(n, generator=g) + offset,) for n, scale, offset in scales]
    judge(answer, right, cases, wrong, "At the optimal D it is 1 / (1 + chi2): the farther from the data, the less.")
