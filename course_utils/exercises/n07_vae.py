"""Checkers of the exercises of 07_vae."""

from collections.abc import Callable, Sequence

import torch
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
