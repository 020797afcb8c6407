"""Checkers of the exercises of 12_wasserstein."""

import math
from collections.abc import Callable

import torch

from course_utils.exercises.judge import judge


def w1_line(answer: Callable) -> None:
    """Exercise 12.1: W1 between two samples of numbers (n,), a scalar: pair them in sorted order."""

    def pairs(reduce: Callable) -> Callable:
        return lambda a, b: reduce(a.sort().values - b.sort().values)

    wrong = [
        (lambda a, b: (a - b).abs().mean(), "that is one plan, not the cheapest: sort both first"),
        (lambda a, b: (a.sort().values - b).abs().mean(), "sort both samples"),
        (lambda a, b: (a - b.sort().values).abs().mean(), "sort both samples"),
        (
            lambda a, b: (a.sort().values - b.sort(descending=True).values).abs().mean(),
            "the smallest to the largest is the dearest plan: sort both the same way",
        ),
        (lambda a, b: (a.mean() - b.mean()).abs(), "that is only a lower bound: earth may have to go both ways"),
        (pairs(lambda d: d.mean().abs()), "the absolute value of each difference, then the mean"),
        (pairs(lambda d: d.mean()), "a way has no sign: take absolute values"),
        (pairs(lambda d: d.abs().sum()), "each point has mass 1 / n: the mean, not the sum"),
        (pairs(lambda d: d.square().mean()), "that is W2 squared: W1 takes the length of the way itself"),
        (pairs(lambda d: d.square().mean().sqrt()), "that is W2: W1 takes the length of the way itself"),
        (pairs(lambda d: d.norm()), "the mean of absolute values, not the length of the whole vector"),
        (pairs(lambda d: d.abs()), "one number: the mean over the pairs"),
        (pairs(lambda d: d.abs().max()), "the mean of the ways, not the longest"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(2, n, generator=g)) for n in (6, 9)]
    cases.append((torch.tensor([3.0, 0.0]), torch.tensor([1.0, 2.0])))
    raised = [("return_types.sort", "a.sort() returns a pair, the sorted values and where they were: take .values")]
    judge(answer, pairs(lambda d: d.abs().mean()), cases, wrong, "On a line no cheaper plan exists.", raised)


def between(answer: Callable) -> None:
    """Exercise 12.2: a point between each real and each fake picture, (B, C, H, W), share t (B,) of the real."""

    def mixed(shape: Callable) -> Callable:
        return lambda real, fake, t: shape(t) * real + (1 - shape(t)) * fake

    right = mixed(lambda t: t.view(-1, 1, 1, 1))
    columns = "t meets the last axis here, the columns of every picture: give it the shape (B, 1, 1, 1)"
    wrong = [
        (mixed(lambda t: t if len(t) in (1, 4) else t[:4]), columns),
        (mixed(lambda t: t.view(-1, 1)), "t of shape (B, 1) meets the rows of every picture: (B, 1, 1, 1)"),
        (mixed(lambda t: t.view(-1, 1, 1)), "t of shape (B, 1, 1) meets the channels: (B, 1, 1, 1)"),
        (mixed(lambda t: t[0]), "one share for all pictures: each has its own"),
        (mixed(lambda t: t.mean()), "one share for all pictures: each has its own"),
        (lambda real, fake, t: right(fake, real, t), "t is the share of the real picture: exchange the two"),
        (lambda real, fake, t: (real + fake) / 2, "the middle only: the penalty looks at random points between them"),
        (lambda real, fake, t: t.view(-1, 1, 1, 1) * real, "the fake picture's share, 1 - t, is missing"),
        (
            lambda real, fake, t: fake + t.view(-1, 1, 1, 1) * real,
            "the shares must sum to 1: fake + t (real - fake)",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(*torch.rand(2, B, C, 4, 4, generator=g), torch.rand(B, generator=g)) for B, C in ((4, 4), (4, 4), (3, 2))]
    meets = "t meets columns, rows or channels, and not the pictures: give it the shape (B, 1, 1, 1)"
    raised = [("must match the size", meets), ("invalid for input of size", "use the batch size of t")]
    judge(answer, right, cases, wrong, "Every pixel of a picture moves by the same share.", raised)


def slow_rate(answer: Callable) -> None:
    """Exercise 12.4: the largest real part of -gamma / 2 +- sqrt(gamma^2 / 4 - slope^2), a number."""

    def rate(root: Callable, sign: int = 1) -> Callable:
        return lambda gamma, slope: -gamma / 2 + sign * root(gamma**2 / 4 - slope**2)

    def real_root(inside):
        return max(inside, 0) ** 0.5

    def real(gamma, slope):
        value = answer(gamma, slope)
        if isinstance(value, complex):
            raise TypeError("a complex number was returned")
        return value

    imaginary = "below the critical weight the root is imaginary: its real part is 0"
    wrong = [
        (rate(lambda inside: inside**0.5 if inside >= 0 else math.nan), imaginary),
        (rate(lambda inside: 0), "right below the critical weight; above it the root is real and slows the game down"),
        (rate(lambda inside: abs(inside) ** 0.5), imaginary),
        (rate(real_root, -1), "that is the faster one: + the root is nearer to 0"),
        (lambda gamma, slope: gamma / 2 - real_root(gamma**2 / 4 - slope**2), "the sign: at rest the distance shrinks"),
        (lambda gamma, slope: gamma / 2 + real_root(gamma**2 / 4 - slope**2), "the sign: at rest the distance shrinks"),
        (lambda gamma, slope: -gamma / 2 + real_root(gamma**2 / 4 - slope), "the slope enters squared"),
        (lambda gamma, slope: -gamma / 2 + real_root(gamma**2 - slope**2), "gamma^2 / 4, not gamma^2"),
        (lambda gamma, slope: -gamma + real_root(gamma**2 / 4 - slope**2), "-gamma / 2, not -gamma"),
        (lambda gamma, slope: real_root(gamma**2 / 4 - slope**2), "-gamma / 2 is missing"),
    ]
    cases = [(0.3, 0.5), (1.0, 0.5), (4.0, 0.5), (3.0, 1.25)]
    raised = [
        ("math domain error", imaginary),
        ("expected a nonnegative input", imaginary),
        ("complex number was returned", imaginary + ": return the real part"),
        ("not supported between instances of", imaginary + "; Python gave a complex number: take its real part"),
        ("must be Tensor", "gamma and slope are Python numbers"),
    ]
    judge(real, rate(real_root), cases, wrong, "It is fastest at the critical weight, gamma = 2 slope.", raised)
