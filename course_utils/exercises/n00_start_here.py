"""Checkers of the exercises of 00_start_here."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.exercises.judge import judge


def log_density(answer: Callable) -> None:
    """Exercise 00.1: log-density in a cell of side w in d dimensions, log_P - d log w."""
    already = "log_P is already a logarithm: dividing P means subtracting from log P"
    wrong = [
        (lambda log_P, w, d: log_P + d * math.log(w), "the sign: dividing by a small volume makes a density *larger*"),
        (lambda log_P, w, d: log_P - math.log(w), "w is a side; a cell in d dimensions has another volume"),
        (lambda log_P, w, d: log_P - 2 * math.log(w), "right only for d = 2: the volume is w**d"),
        (lambda log_P, w, d: log_P / d - math.log(w), "log_P belongs to the whole cell, not to a dimension"),
        (lambda log_P, w, d: log_P / w**d, already),
        (lambda log_P, w, d: math.nan, already),  # torch's and NumPy's logarithm of a negative number
        (lambda log_P, w, d: math.exp(log_P) / w**d, "that is the density; its logarithm is asked for"),
        (lambda log_P, w, d: log_P - d * math.log2(w), "nats use the natural logarithm"),
    ]
    raised = [
        ("math domain error", already),
        ("expected a positive input", already),  # the same since Python 3.14
        ("must be Tensor", "w is a Python number: use math.log"),
    ]
    right = lambda log_P, w, d: log_P - d * math.log(w)  # noqa: E731
    cases = [(-3.0, 0.05, 2), (-1.5, 0.5, 1), (-10.0, 0.1, 5)]
    judge(answer, right, cases, wrong, "A density may be larger than 1, its log positive.", raised)


def ring_centres(answer: Callable) -> None:
    """Exercise 00.2: k evenly spread centres on the unit circle, angle 2 pi i / k."""
    turn = 2 * math.pi

    def at(angle: Tensor) -> Tensor:
        return torch.stack([angle.cos(), angle.sin()], -1)

    last_angle = "print the last angle: it should be 2 pi - 2 pi / k"
    wrong = [
        (
            lambda k: at(torch.linspace(0, turn, k)),
            "the first and the last centre are the same point: linspace includes its end",
        ),
        (lambda k: at(torch.linspace(0, turn, k + 1)), "one too many: the last repeats the first, drop it"),
        (lambda k: at(torch.linspace(0, turn, k)[:-1]), "k - 1 points: make k + 1, then drop the last"),
        (lambda k: at(torch.arange(k) / k), "the angles run from 0 to 1: a whole turn is 2 pi"),
        (lambda k: at(360 * torch.arange(k) / k), "cos and sin take radians, not degrees"),
        (lambda k: at(torch.arange(k)), last_angle),
        (lambda k: at(math.pi * torch.arange(k) / k), last_angle),
        (lambda k: at(turn * torch.arange(k) / (k + 1)), last_angle),
        (lambda k: at(turn * torch.arange(8) / 8), "use k, not 8"),
        (lambda k: at(turn * torch.arange(k) / k).T, "one centre per row is asked for: shape (k, 2)"),
    ]

    def in_any_order(points: Tensor) -> Tensor:  # where the first spot is, and which way round, is a matter of taste
        if points.ndim != 2 or points.shape[-1] != 2:
            return points
        distances = torch.cdist(points, points).sort().values.sort(0).values
        return torch.cat([distances, points.norm(dim=-1, keepdim=True)], 1)

    right = lambda k: at(turn * torch.arange(k) / k)  # noqa: E731
    moral = "Eight distinct ones, each as far from its neighbours as any other."
    judge(answer, right, [(8,), (5,), (3,)], wrong, moral, view=in_any_order)


def log_normal(answer: Callable) -> None:
    """Exercise 00.3: log N(x | mu, s^2 I) in D dimensions, shape (N,)."""

    def density(log_s: Callable, constant: Callable, axis: int = -1) -> Callable:
        """Counts log s and log(2 pi) / 2 so many times, given as functions of D."""

        def log_p(x, mu, s):
            square, D = -0.5 * ((x - mu) / s) ** 2, x.shape[-1]
            return square.sum(axis) - log_s(D) * math.log(s) - constant(D) * 0.5 * math.log(2 * math.pi)

        return log_p

    def each(D):
        return D

    def once(D):
        return 1

    def never(D):
        return 0

    def per_dimension(x, mu, s):
        return -0.5 * ((x - mu) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)

    right = density(each, each)
    wrong = [
        (
            density(each, lambda D: D * D),
            "log 2 pi is counted D times in each dimension, and the sum counts it D times again",
        ),
        (density(each, once), "now log 2 pi is counted once in all; each dimension has its own factor 1 / sqrt(2 pi)"),
        (density(once, each), "log s is counted once in all; each dimension has its own factor 1 / s"),
        (density(once, once), "log s and log 2 pi are counted once in all; both belong to every dimension"),
        (density(each, never), "the constant is missing: log(2 pi) / 2 for every dimension"),
        (density(never, each), "log s is missing: a wider Gaussian is lower"),
        (density(lambda D: -D, each), "the sign of log s: a wider Gaussian is lower, not higher"),
        (density(lambda D: D / 2, each), "not half of log s: s is the standard deviation, not the variance"),
        (lambda x, mu, s: -right(x, mu, s), "the sign: that is the *negative* log-density"),
        (lambda x, mu, s: right(x, mu, s) / x.shape[-1], "a mean over the dimensions; log-probabilities add up"),
        (lambda x, mu, s: right(x, mu, s).sum(), "one number for all points; one for each is asked for, shape (N,)"),
        (per_dimension, "one number per point and dimension: sum over the dimensions"),
        (
            lambda x, mu, s: per_dimension(x, mu, s).sum(0),
            "that sums over the points; the dimensions are the last axis: sum(-1)",
        ),
        (lambda x, mu, s: right(x, mu, s**0.5), "s is the standard deviation, not the variance"),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((1, 0.5), (2, 1.0), (16, 0.3))
    cases = [(torch.randn(5, D, generator=g), torch.randn(D, generator=g), s) for D, s in sizes]
    raised = [("must be Tensor", "s is a Python number: use math.log")]
    moral = "At D = 16 and s = 1 the mistake makes -14.7 nats at the mean into -235.2."
    judge(answer, right, cases, wrong, moral, raised)
