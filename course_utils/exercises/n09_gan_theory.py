"""Checkers of the exercises of 09_gan_theory."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from course_utils.exercises.judge import judge


def best_discriminator(answer: Callable) -> None:
    """Exercise 09.1: the optimal D for batches with a share of real ones, share p / (share p + (1 - share) q)."""
    wrong = [
        (
            lambda p, q, share: p / (p + q),
            "that is for equal shares: real samples now weigh `share`, generated ones the rest",
        ),
        (lambda p, q, share: (1 - share) * p / ((1 - share) * p + share * q), "`share` is that of the real ones"),
        (
            lambda p, q, share: (1 - share) * q / (share * p + (1 - share) * q),
            "that is the probability of *generated*: 1 - D",
        ),
        (lambda p, q, share: share * p / (p + q), "the shares belong into both terms of the denominator"),
        (lambda p, q, share: share * p / (share * p + q), "the generated ones have a share, too: 1 - share"),
        (lambda p, q, share: p / (p + (1 - share) * q), "the real ones have a share, too"),
        (lambda p, q, share: p / (share * p + (1 - share) * q), "a = share * p: in the numerator, too"),
        (lambda p, q, share: share * p / ((1 - share) * q), "that is a / b, the odds; D is a / (a + b)"),
        (
            lambda p, q, share: torch.log(share * p / ((1 - share) * q)),
            "that is the logit; D is its sigmoid",
        ),
        (lambda p, q, share: torch.log(p / q).sigmoid(), "the logit is shifted by log(share / (1 - share))"),
    ]
    right = lambda p, q, share: share * p / (share * p + (1 - share) * q)  # noqa: E731
    g = torch.Generator().manual_seed(0)
    cases = [(*(0.1 + torch.rand(2, 5, generator=g)), share) for share in (0.25, 0.9, 0.5)]
    moral = "Its logit is log p - log q + log(share / (1 - share)): subtract the last to get the density ratio."
    judge(answer, right, cases, wrong, moral)


def jsd_by_draws(answer: Callable) -> None:
    """Exercise 09.2: the JSD from draws x of p and y of q and the two log-densities; m is the mean of the densities."""

    def estimate(log_m: Callable, weight: float = 0.5) -> Callable:
        def jsd(x, y, log_p, log_q):
            at_x, at_y = log_m(log_p(x), log_q(x)), log_m(log_p(y), log_q(y))
            return weight * (log_p(x) - at_x).mean() + weight * (log_q(y) - at_y).mean()

        return jsd

    def middle(a, b):
        return torch.logaddexp(a, b) - math.log(2)

    wrong = [
        (
            estimate(lambda a, b: (a + b) / 2),
            "m is the mean of the two densities; the mean of their logs is the log of something smaller",
        ),
        (estimate(torch.logaddexp), "m is half of the sum: log 2 is missing"),
        (
            estimate(lambda a, b: torch.logaddexp(a, b) / 2),
            "half of a sum under a logarithm: subtract log 2, do not divide the logarithm by 2",
        ),
        (estimate(lambda a, b: a + b), "the log of a sum is not the sum of the logs: torch.logaddexp"),
        (estimate(middle, 1.0), "the mean of the two KL divergences, not their sum"),
        (
            estimate(lambda a, b: (a.exp() / 2 + b.exp() / 2).log()),
            "far away both densities are 0 in floating point, and so is m: torch.logaddexp never leaves the logs",
        ),
        (
            lambda x, y, log_p, log_q: (log_p(x) - middle(log_p(x), log_q(x))).mean(),
            "only one of the two KL divergences",
        ),
        (
            lambda x, y, log_p, log_q: 0.5 * (log_p(x) - log_q(x)).mean() + 0.5 * (log_q(y) - log_p(y)).mean(),
            "KL to the middle m, not to each other",
        ),
        (
            lambda x, y, log_p, log_q: 0.5 * (log_p(x) + log_q(x) - 2 * middle(log_p(x), log_q(x))).mean(),
            "log q belongs to draws of q",
        ),
        (
            lambda x, y, log_p, log_q: (
                0.5 * (log_p(x) - middle(log_p(x), log_q(x))).sum()
                + 0.5 * (log_q(y) - middle(log_p(y), log_q(y))).sum()
            ),
            "an average over the draws, not a sum",
        ),
    ]
    g = torch.Generator().manual_seed(0)

    def bell(mu: float) -> Callable:
        return lambda t: -0.5 * (t - mu) ** 2 - 0.5 * math.log(2 * math.pi)

    def case(mu: float, n: int, k: int) -> tuple:
        x, y = (torch.randn(size, generator=g, dtype=torch.float64) for size in (n, k))
        return x, y + mu, bell(0.0), bell(mu)

    far = (torch.tensor([0.0, 45.0]).double(), torch.tensor([90.0, 50.0]).double(), bell(0.0), bell(90.0))
    cases = [case(1.0, 30, 30), case(3.0, 40, 20), far]
    judge(answer, estimate(middle), cases, wrong, "It is never above log 2, whatever the distance.")


def jsd_bound(answer: Callable) -> None:
    """Exercise 09.3: (V + log 4) / 2 from a discriminator's logits, stable for large ones."""

    def V(real, fake):
        return -F.softplus(-real).mean() - F.softplus(fake).mean()

    def pooled(real, fake):
        return math.log(2) - torch.cat([F.softplus(-real), F.softplus(fake)]).mean()

    def unstable(real, fake):
        return 0.5 * (real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean() + math.log(4))

    wrong = [
        (unstable, "D rounds to 0 or 1 at large logits, and its log is infinite: softplus is stable"),
        (
            pooled,
            "one mean over all samples weighs the larger group more: a mean for each group",
        ),
        (
            lambda r, f: 0.5 * (math.log(4) - torch.cat([F.softplus(-r), F.softplus(f)]).mean()),
            "one mean over all samples is no sum of two means: the mean of each group, then the sum",
        ),
        (lambda r, f: V(r, f) + math.log(4), "V = -log 4 + 2 JSD: divide by 2"),
        (
            lambda r, f: (0.5 * (V(r, f) + math.log(4))).clamp(min=0),
            "a valid bound, too, but leave it negative: it says how badly D does",
        ),
        (lambda r, f: 0.5 * (V(r, f) - math.log(4)), "the sign of log 4: bring it to the other side"),
        (lambda r, f: 0.5 * (math.log(4) - V(r, f)), "the sign of V: a better discriminator has a larger one"),
        (lambda r, f: 0.5 * V(r, f), "log 4 is missing: D = 1/2 must prove nothing"),
        (lambda r, f: V(r, f), "that is V; the JSD is (V + log 4) / 2"),
        (lambda r, f: -V(r, f), "that is what D minimises; the JSD is (log 4 - loss) / 2"),
        (lambda r, f: 0.5 * V(r, f) + math.log(4), "log 4 is divided by 2, too"),
        (
            lambda r, f: 0.5 * (V(-r, -f) + math.log(4)),
            "real and fake are exchanged: -log D is softplus(-logit), -log(1 - D) is softplus(logit)",
        ),
        (lambda r, f: 0.5 * (V(r, -f) + math.log(4)), "for generated samples it is log(1 - D)"),
        (lambda r, f: 0.5 * (r.mean() - f.mean()), "that is half the difference of a critic's means"),
        (
            lambda r, f: 0.5 * (r.log().mean() + (1 - f).log().mean() + math.log(4)),
            "these are logits, not probabilities: log D is -softplus(-logit)",
        ),
        (
            lambda r, f: 0.5 * (V(r, f) / math.log(2) + 2),
            "nats use the natural logarithm",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(a, generator=g) + 1, torch.randn(b, generator=g) - 1) for a, b in ((6, 6), (8, 3))]
    cases.append((torch.tensor([200.0, -200.0, 3.0]), torch.tensor([-200.0, 200.0])))
    right = lambda real_logits, fake_logits: 0.5 * (V(real_logits, fake_logits) + math.log(4))  # noqa: E731
    raised = [("must match the size", "there are not as many real logits as fake ones: take the mean of each alone")]
    judge(answer, right, cases, wrong, "It holds up to chance; a negative one says nothing.", raised)
