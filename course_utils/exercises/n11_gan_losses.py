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
        *(
            (lambda f, e=e: -(f.sigmoid() / (1 - f.sigmoid() + e)).mean(), "it hides the 0: simplify first")
            for e in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
        ),
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
    """Exercise 11.2: the relativistic generator loss E softplus(real - fake) of pairs, a scalar; real may be (B, 1)."""

    def pairs(loss: Callable) -> Callable:
        return lambda real, fake: loss(real.flatten(), fake.flatten())

    square = "(B, 1) minus (B,) is (B, B): every real output meets every fake; give both one shape first"
    slips = {
        "real is not used: this is the plain non-saturating loss": lambda r, f: F.softplus(-f).mean(),
        "right on paper; far apart the sigmoid is 0 and its logarithm infinite: use softplus": (
            lambda r, f: -torch.sigmoid(f - r).log().mean()
        ),
        "the sign: that is the discriminator's loss": lambda r, f: F.softplus(f - r).mean(),
        "real is not used, and the sign is turned": lambda r, f: F.softplus(f).mean(),
        "that is the relativistic *minimax*: it saturates": lambda r, f: -F.softplus(f - r).mean(),
        "that is the relativistic *average*; here each generated picture has a real partner": (
            lambda r, f: F.softplus(r.mean() - f).mean()
        ),
        "one number: the mean over the pairs": lambda r, f: F.softplus(r - f),
        "the mean over the pairs, not their sum": lambda r, f: F.softplus(r - f).sum(),
        "without softplus that is Wasserstein's": lambda r, f: (r - f).mean(),
        "softplus of each pair first, then the mean": lambda r, f: F.softplus((r - f).mean()),
    }
    wrong = [(pairs(slip), why) for why, slip in slips.items()] + [(slip, why) for why, slip in slips.items()]
    wrong.append((lambda real, fake: F.softplus(real - fake).mean(), square))
    wrong.append((pairs(lambda real, fake: F.softplus(real[:, None] - fake).mean()), square))
    right = pairs(lambda real, fake: F.softplus(real - fake).mean())
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(2, n, generator=g)) for n in (5, 3)]
    cases.append((torch.tensor([60.0, -20.0, 0.0]), torch.tensor([-60.0, 30.0, 0.5])))
    cases.append((torch.randn(4, 1, generator=g), torch.randn(4, generator=g)))
    judge(answer, right, cases, wrong, "Look at the shape before you take a mean: a mean hides a square.")


def effective_share(answer: Callable) -> None:
    """Exercise 11.4: effective sample size over n of the maximum-likelihood weights exp(logit), of any size."""

    def share(w: Tensor) -> Tensor:
        return w.sum() ** 2 / (w.square().sum() * len(w))

    wrong = [
        (
            lambda f: share(f.exp()),
            "right for small logits; large ones overflow. A common factor cancels: subtract the largest",
        ),
        *(
            (lambda f, m=m: share(f.clamp(max=m).exp()), "clamped, large weights are equal: subtract the largest")
            for m in (10, 20, 30, 40, 50, 80, 88)
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
