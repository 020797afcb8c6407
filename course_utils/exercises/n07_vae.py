"""Checkers of the exercises of 07_vae."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.exercises.judge import judge


def effective_beta(answer: Callable) -> None:
    """Exercise 07.1: the beta of the summed ELBO that a loss of two means stands for, beta D / Z."""
    both = "each mean divides by a number: the pixels' by D, the latents' by Z; multiply the whole loss by D"
    wrong = [
        (lambda beta, D, Z: beta * Z / D, "upside down: averaging the *likelihood* over D makes the KL dearer"),
        (lambda beta, D, Z: beta * D, "the KL is averaged too, over Z latents"),
        (lambda beta, D, Z: beta / Z, "the likelihood is averaged too, over D pixels"),
        (lambda beta, D, Z: beta * D * Z, "a mean over Z latents makes the KL cheaper, not dearer"),
        (lambda beta, D, Z: beta / (D * Z), both),
        (lambda beta, D, Z: beta / D, both),
        (lambda beta, D, Z: beta * Z, both),
        (lambda beta, D, Z: beta, "the two means do not divide by the same number"),
        (lambda beta, D, Z: D / Z, "beta itself is a factor"),
        (lambda beta, D, Z: beta * (D // Z), "a whole-number division: use /"),
    ]
    right = lambda beta, D, Z: beta * D / Z  # noqa: E731
    cases = [(0.1, 784, 10), (1.0, 64, 16), (4.0, 3072, 100)]
    judge(answer, right, cases, wrong, "A loss that says 0.1 may mean 7.84.")


def active_units(answer: Callable) -> None:
    """Exercise 07.2: number of latents whose posterior mean varies over pictures by more than the threshold."""
    across = "over the pictures (the first axis), one variance for each latent"
    wrong = [
        (lambda mu, threshold: int((mu.var(1) > threshold).sum()), f"that is the variance over the latents; {across}"),
        (lambda mu, threshold: int((mu.std(0) > threshold).sum()), "the threshold is one of the variance, not of std"),
        (lambda mu, threshold: int((mu.square().mean(0) > threshold).sum()), "subtract the mean: a constant is silent"),
        (lambda mu, threshold: int((mu.abs().mean(0) > threshold).sum()), "a mean that is always the same is silent"),
        (lambda mu, threshold: int((mu.abs() > threshold).sum()), f"that counts codes, not latents; {across}"),
        (lambda mu, threshold: int((mu.mean(0).abs() > threshold).sum()), "whether it moves counts, not where it is"),
        (lambda mu, threshold: int((mu.var(0) < threshold).sum()), "those are the silent ones"),
        (lambda mu, threshold: mu.var(0) > threshold, "count them: one number is asked for"),
        (lambda mu, threshold: mu.var(0), "compare with the threshold, and count"),
        (lambda mu, threshold: (mu.var(0) > threshold).double().mean(), "their number is asked for, not their share"),
        (lambda mu, threshold: int(mu.var() > threshold), across),
    ]
    right = lambda mu, threshold: int((mu.var(0) > threshold).sum())  # noqa: E731
    g = torch.Generator().manual_seed(0)

    def means(pictures: int, scales: Sequence[float], offsets: Sequence[float]) -> Tensor:
        return torch.randn(pictures, len(scales), generator=g) * torch.tensor(scales) + torch.tensor(offsets)

    cases = [
        (means(40, [1.0, 0.05, 0.9, 0.02, 0.04], [0.0, 0.0, 2.0, 0.7, -0.4]), 0.01),
        (means(60, [0.01, 0.8, 0.03], [0.5, 0.0, 0.0]), 0.01),
        (means(30, [1.0, 0.6, 0.55, 0.1], [0.0, 3.0, -0.1, 1.0]), 0.5),
        (means(32, [1.0, 0.0, 1.0], [0.0, 2.0, 0.0]), 0.0),  # *above* the threshold
    ]
    judge(answer, right, cases, wrong, "A latent whose mean never moves says nothing, wherever it stands.")


def free_bits(answer: Callable) -> None:
    """Exercise 07.3: the KL of a batch (B, Z) with ``floor`` nats free for each latent, a scalar."""

    def price(clamp: Callable, reduce: Callable = lambda k: k.sum()) -> Callable:
        return lambda kl, floor: reduce(clamp(kl, floor))

    def at_least(kl, floor):
        return kl.mean(0).clamp(min=floor)

    wrong = [
        (
            price(lambda kl, floor: kl.mean(0).clamp(max=floor)),
            "min charges in full below the floor and not at all above it: with max what is below costs the same",
        ),
        (
            price(lambda kl, floor: (kl.mean(0) - floor).clamp(min=0)),
            "the same gradient, but not the price: below the floor a latent costs the floor, not 0",
        ),
        (lambda kl, floor: (kl - floor).clamp(min=0).mean(0).sum(), "mean over the pictures first; and max(floor, …)"),
        (price(lambda kl, floor: kl.clamp(min=floor).mean(0)), "mean over the pictures first, then max"),
        (price(lambda kl, floor: kl.clamp(max=floor).mean(0)), "mean over the pictures first, then max; and not min"),
        (price(lambda kl, floor: kl.clamp(min=floor)), "mean over the pictures first: (Z,)"),
        (lambda kl, floor: kl.sum(1).mean().clamp(min=floor), "the floor is one for each latent, not for their sum"),
        (lambda kl, floor: kl.mean(0).sum().clamp(min=floor), "the floor is one for each latent, not for their sum"),
        (price(at_least, lambda k: k.mean()), "the sum over the latents, not a mean"),
        (at_least, "sum over the latents: one number"),
        (lambda kl, floor: kl.mean(0).sum(), "the floor is not used"),
        (price(lambda kl, floor: kl.mean(0) * (kl.mean(0) > floor)), "below the floor it costs the floor, not 0"),
        (price(lambda kl, floor: kl.mean(1).clamp(min=floor)), "the mean is one over the pictures, the first axis"),
    ]
    right = price(at_least)
    g = torch.Generator().manual_seed(0)
    cases = [
        (torch.rand(5, 4, generator=g) * torch.tensor([0.1, 0.8, 2.0, 3.0]), 0.5),
        (torch.rand(6, 3, generator=g) * torch.tensor([1.0, 0.2, 4.0]), 0.3),
        (0.1 * torch.rand(4, 3, generator=g), 0.4),
    ]
    raised = [("must be Tensor", "floor is a Python number: use clamp(min=floor), or torch.tensor(floor)")]
    judge(answer, right, cases, wrong, "Below the floor the slope is 0: nothing is gained by saying less.", raised)


def find_the_bug_vae(answer: Callable) -> None:
    """Exercise 07: the loss of a VAE, from x and logits (B, 1, H, W), mu and log_var (B, Z); a scalar, in nats.

    The mean over the batch of cross-entropy summed over pixels + KL summed over latents.
    """

    def entropy(x: Tensor, logits: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1)

    def kl(mu: Tensor, log_var: Tensor) -> Tensor:
        return 0.5 * (log_var.exp() + mu**2 - 1 - log_var)

    def minus(value: Callable) -> Callable:
        return lambda *arguments: -value(*arguments)

    def pixels(x, logits):
        return entropy(x, logits).sum(1).mean()

    def latents(mu, log_var):
        return kl(mu, log_var).sum(1).mean()

    def nothing(a, b):
        return torch.zeros(())

    of_pixels = [  # a usual mistake of the reconstruction, and what to say of it
        (lambda x, l: entropy(x, l).mean(), "the pixels are averaged: sum them, and average over the batch only"),
        (lambda x, l: entropy(x, l).sum(), "the pixels are summed over the batch, too: a mean over the batch"),
        (minus(pixels), "the sign of the reconstruction: the cross-entropy is a cost"),
        (lambda x, l: pixels(x, l.sigmoid()), "the sigmoid is taken twice: ..._with_logits takes it itself"),
        (
            lambda x, l: (x - l.sigmoid()).square().flatten(1).sum(1).mean(),
            "squared errors: for black and white pixels the likelihood is the cross-entropy",
        ),
        (
            lambda x, l: (x - l).square().flatten(1).sum(1).mean(),
            "squared errors of logits: for black and white pixels the likelihood is the cross-entropy",
        ),
        (lambda x, l: pixels(1 - x, l), "x is turned round: where it is 1, the cost is -log sigmoid(logit)"),
        (nothing, "the reconstruction is missing"),
    ]
    of_latents = [
        (lambda mu, s: kl(mu, s).mean(), "the KL is averaged over the code: sum it, and average over the batch only"),
        (lambda mu, s: kl(mu, s).sum(), "the KL is summed over the batch, too: a mean over the batch"),
        (minus(latents), "the sign of the KL: it is a cost, so it is added"),
        (lambda mu, s: latents(mu, 2 * s), "the KL takes log_var for a log-standard deviation: it is a log-variance"),
        (lambda mu, s: latents(mu, s / 2), "the KL takes the standard deviation for the variance, exp(log_var)"),
        (lambda mu, s: 2 * latents(mu, s), "the half of the KL is missing"),
        (
            lambda mu, s: (kl(mu, s) + 0.5).sum(1).mean(),
            "the 1 of the KL is missing: mu^2 + exp(s) - 1 - s",
        ),
        (lambda mu, s: (kl(mu, s) + s).sum(1).mean(), "the sign of log_var in the KL: it is subtracted"),
        (lambda mu, s: (kl(mu, s) - mu**2).sum(1).mean(), "the sign of mu^2 in the KL: it is added"),
        (lambda mu, s: (kl(mu, s) - 0.5 * mu**2).sum(1).mean(), "mu^2 is missing in the KL"),
        (lambda mu, s: (kl(mu, s) + 0.5 * (mu - mu**2)).sum(1).mean(), "mu is squared in the KL"),
        (
            lambda mu, s: (kl(mu, s) + 0.5 * (s.exp() ** 2 - s.exp())).sum(1).mean(),
            "exp(log_var) is the variance already",
        ),
        (nothing, "the KL is missing"),
    ]

    def both(first: Callable, second: Callable) -> Callable:
        return lambda x, l, mu, s: first(x, l) + second(mu, s)

    right = both(pixels, latents)
    wrong = [
        (minus(right), "that is the bound; the loss is minus the bound"),
        (
            both(lambda x, l: entropy(x, l).sum(), lambda mu, s: kl(mu, s).sum()),
            "a sum over the batch: a mean is asked for",
        ),
        *((both(first, latents), why) for first, why in of_pixels),
        *((both(pixels, second), why) for second, why in of_latents),
        *((both(a, b), f"two things: {why}; and {too}") for a, why in of_pixels for b, too in of_latents),
        (
            lambda x, l, mu, s: entropy(x, l).sum(1) + kl(mu, s).sum(1),
            "one number is asked for: the mean over the batch",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = []
    for B, side, Z in ((3, 8, 2), (5, 3, 4), (2, 4, 7)):
        x = (torch.rand(B, 1, side, side, generator=g) < 0.5).float()
        code = [torch.randn(B, Z, generator=g) for _ in range(2)]
        cases.append((x, 2 * torch.randn(x.shape, generator=g), *code))
    raised = [
        ("should be between 0 and 1", "logits are not probabilities: use binary_cross_entropy_with_logits"),
        ("should be >= 0", "logits are not probabilities: use binary_cross_entropy_with_logits"),
        ("must match the size of tensor", "sum over the pixels of an image and over its latents first: (B,) each"),
    ]
    moral = "Sums over pixels and latents, a mean over the batch: nats an image."
    judge(answer, lambda x, x_hat_logits, mu, log_var: right(x, x_hat_logits, mu, log_var), cases, wrong, moral, raised)
