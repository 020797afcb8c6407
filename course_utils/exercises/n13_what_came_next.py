"""Checkers of the exercises of 13_what_came_next."""

import math
from collections.abc import Callable

import torch

from course_utils.exercises.judge import judge


def coupling_log_det(answer: Callable) -> None:
    """Exercise 13.1: log |det| of z = b x + (1 - b)(x exp(s) + t), (B,), from s (B, D) and the mask b (D,)."""

    def total(f: Callable) -> Callable:
        return lambda s, b: f((1 - b) * s)

    wrong = [
        (lambda s, b: s.sum(1), "values that pass are not stretched: their s does not count"),
        (lambda s, b: (b * s).sum(1), "the wrong half: b is 1 where a value passes as it is"),
        (total(lambda s: -s.sum(1)), "the sign: z = x exp(s) stretches by exp(s), whose logarithm is s"),
        (total(lambda s: s.exp().sum(1)), "the logarithm of exp(s) is s: add up s itself"),
        (lambda s, b: ((1 - b) * s.exp()).sum(1), "the logarithm of exp(s) is s: add up s itself"),
        (total(lambda s: s.exp().prod(1)), "that is the determinant; its logarithm is asked for"),
        (total(lambda s: s.abs().sum(1)), "the absolute value belongs to the determinant, not to its logarithm"),
        (total(lambda s: s.mean(1)), "a determinant is a product over all values: the sum of s, not the mean"),
        (lambda s, b: ((1 - b) * s).sum(1) / (1 - b).sum(), "the sum over the changed values, not their mean"),
        (total(lambda s: s.sum()), "one number for each point: do not add up the batch"),
        (total(lambda s: s.sum(0)), "sum over the values of a point, not over the batch"),
        (total(lambda s: s.prod(1)), "the logarithm of a product is a sum"),
        (total(lambda s: s), "add up over the values: one number for each point"),
        (lambda s, b: s.chunk(2, 1)[1].sum(1), "the mask decides which values change, not the half"),
        (lambda s, b: ((1 - b) * s.exp()).prod(1).log(), "a value that passes has the factor 1, not 0"),
        (lambda s, b: ((1 - b) * s.exp()).sum(1).log(), "a determinant is a product of the diagonal, not its sum"),
        (lambda s, b: (b + (1 - b) * s.exp()).sum(1).log(), "a determinant is a product of the diagonal, not its sum"),
        (lambda s, b: s.sum(), "one number for each point; and only the changed values count"),
    ]
    g = torch.Generator().manual_seed(0)
    masks = (torch.tensor([1.0, 0, 1, 0]), torch.tensor([0.0, 1, 1, 0, 0]))
    cases = [(torch.randn(3, len(b), generator=g), b) for b in masks]
    raised = [("shape of the mask", "b belongs to the columns of s: s[:, b == 0]")]
    judge(answer, total(lambda s: s.sum(1)), cases, wrong, "No determinant was computed.", raised)


def step_mean(answer: Callable) -> None:
    """Exercise 13.2: mean of q(x_{t-1} | x_t, x_0), a number; a_before and a are alpha_{t-1} and alpha_t."""

    def parts(a_before: float, a: float) -> tuple[float, float, float, float]:
        ratio = a / a_before
        return ratio, 1 - ratio**2, 1 - a_before**2, 1 - a**2  # and beta_t, sigma_{t-1}^2, sigma_t^2

    def mean(of_noisy: Callable, of_clean: Callable) -> Callable:
        def value(x_t, x_0, a_before, a):
            known = parts(a_before, a)
            return of_noisy(a_before, *known) * x_t + of_clean(a_before, *known) * x_0

        return value

    def noisy(before, ratio, beta, var_before, var):
        return ratio * var_before / var

    def clean(before, ratio, beta, var_before, var):
        return before * beta / var

    right = mean(noisy, clean)
    roots = "these are precisions and variances: sigma squared, without roots"
    one_step = "the factor of one step, sqrt(1 - beta), is a / a_before"
    wrong = [
        (lambda x_t, x_0, a_before, a: right(x_0, x_t, a_before, a), "the two pictures are exchanged"),
        (
            mean(lambda b, r, beta, vb, v: r * beta / v, lambda b, r, beta, vb, v: b * vb / v),
            "the weights: near t = 0 x_0 decides",
        ),
        (
            mean(lambda b, r, beta, vb, v: 0, lambda b, r, beta, vb, v: b),
            "that is the mean of q(x_{t-1} | x_0): x_t says something, too",
        ),
        (mean(noisy, lambda *k: 0), "x_0 has a part in it as well"),
        (mean(lambda *k: 0, clean), "x_t has a part in it as well"),
        (
            mean(lambda b, r, beta, vb, v: vb / v, lambda b, r, beta, vb, v: beta / v),
            "the factors of the means are missing: sqrt(1 - beta) with x_t, alpha_{t-1} with x_0",
        ),
        (mean(lambda b, r, beta, vb, v: vb / v, clean), "x_t is a shrunken picture: its factor sqrt(1 - beta)"),
        (mean(noisy, lambda b, r, beta, vb, v: beta / v), "x_0 is shrunk by alpha_{t-1} on its way to t - 1"),
        (mean(noisy, lambda b, r, beta, vb, v: r * b * beta / v), "alpha_{t-1} with x_0, not alpha_t"),
        (mean(lambda b, r, beta, vb, v: r**2 * vb / v, clean), "a step multiplies by sqrt(1 - beta), not by 1 - beta"),
        (
            mean(lambda b, r, beta, vb, v: r * vb, lambda b, r, beta, vb, v: b * beta),
            "divide by sigma_t squared: the precisions add up to it",
        ),
        (mean(lambda b, r, beta, vb, v: r * (vb / v) ** 0.5, lambda b, r, beta, vb, v: b * beta / v**0.5), roots),
        (mean(lambda b, r, beta, vb, v: r * (vb / v) ** 0.5, clean), roots),
        (mean(lambda b, r, beta, vb, v: 1 / r, lambda *k: 0), "that only undoes the shrinking; the noise is still in"),
        (mean(noisy, lambda b, r, beta, vb, v: b * (1 - r) / v), "a / a_before is the root of 1 - beta: square it"),
        (
            mean(noisy, lambda b, r, beta, vb, v: b),
            "1 - a**2 is the variance of all steps up to t; beta is that of the last one, 1 - (a / a_before)**2",
        ),
        (mean(noisy, lambda b, r, beta, vb, v: b * r**2 / v), "(a / a_before)**2 is 1 - beta, not beta"),
        (mean(lambda b, r, beta, vb, v: r * b * vb / v, clean), one_step),
        (mean(lambda b, r, beta, vb, v: r * b * vb / v, lambda b, r, beta, vb, v: b), one_step),
        (mean(lambda b, r, beta, vb, v: vb / (r * v), clean), one_step),
        (mean(lambda b, r, beta, vb, v: vb / (r * v), lambda b, r, beta, vb, v: b * (1 - 1 / r**2) / v), one_step),
        (
            mean(lambda b, r, beta, vb, v: r, lambda b, r, beta, vb, v: b * beta / vb),
            "divide by sigma_t squared, the larger one",
        ),
        (
            lambda x_t, x_0, a_before, a: right(x_t, x_0, a_before**0.5, a**0.5),
            "a is alpha_t, not the paper's alpha-bar, which is its square",
        ),
        (
            mean(
                lambda b, r, beta, vb, v: (vb / v) ** 0.5,
                lambda b, r, beta, vb, v: b - (vb / v) ** 0.5 * r * b,
            ),
            "that is DDIM's step; the mean of q weighs by precisions",
        ),
    ]
    cases = [(0.7, 0.5, 0.99, 0.97), (-1.2, 0.8, 0.6, 0.5), (0.3, -1.0, 0.2, 0.1)]
    raised = [("must be Tensor", "all arguments are Python numbers: use ** 0.5")]
    judge(answer, right, cases, wrong, "The more noise there is, the more x_t is believed.", raised)


def noisy(answer: Callable) -> None:
    """Exercise 13.3: sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps for pictures (B, C, H, W), alpha_bar (B,)."""

    def mix(signal: Callable, noise: Callable) -> Callable:
        def value(x_0, eps, alpha_bar):
            a = alpha_bar.view(-1, 1, 1, 1)
            return signal(a) * x_0 + noise(a) * eps

        return value

    right = mix(lambda a: a.sqrt(), lambda a: (1 - a).sqrt())
    columns = "alpha_bar meets the columns of the pictures: give it the shape (B, 1, 1, 1)"
    wrong = [
        (
            mix(lambda a: a.sqrt(), lambda a: 1 - a),
            "1 - alpha_bar is the variance of the noise; eps is multiplied by its root",
        ),
        (mix(lambda a: a, lambda a: 1 - a), "both are squares of the factors: take roots"),
        (mix(lambda a: a, lambda a: (1 - a).sqrt()), "x_0 is multiplied by the root of alpha_bar"),
        (mix(lambda a: a, lambda a: (1 - a**2).sqrt()), "alpha_bar is a share of variance, squared already"),
        (mix(lambda a: a.sqrt(), lambda a: 1 - a.sqrt()), "the squares of the factors add up to 1, not the factors"),
        (mix(lambda a: (1 - a).sqrt(), lambda a: a.sqrt()), "the two factors are exchanged"),
        (mix(lambda a: 1, lambda a: (1 - a).sqrt()), "the picture must shrink as well, or the variance grows"),
        (mix(lambda a: a.sqrt(), lambda a: 1), "the noise needs a factor as well, or the variance is above 1"),
        (mix(lambda a: a.sqrt(), lambda a: (1 - a) ** 2), "the root of the variance, not its square"),
        (mix(lambda a: a**2, lambda a: (1 - a**2).sqrt()), "alpha_bar is squared already: take its root"),
        (mix(lambda a: a**2, lambda a: (1 - a).sqrt()), "alpha_bar is squared already: take its root"),
        (mix(lambda a: a.sqrt(), lambda a: (1 - a**2).sqrt()), "alpha_bar is a share of variance, squared already"),
        (
            lambda x_0, eps, alpha_bar: (
                alpha_bar[: x_0.shape[3]].sqrt() * x_0 + (1 - alpha_bar[: x_0.shape[3]]).sqrt() * eps
            ),
            columns,
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(*torch.randn(2, B, C, 4, 4, generator=g), torch.rand(B, generator=g)) for B, C in ((4, 1), (4, 2))]
    raised = [("must match the size", columns), ("must be broadcastable", columns)]
    judge(answer, right, cases, wrong, "Its variance stays 1 where the picture's is.", raised)


def matching_pair(answer: Callable) -> None:
    """Exercise 13.4: ((1 - t) z + t x, x - z) for z, x (B, D) and t (B,), noise at t = 0."""

    def pair(place: Callable, velocity: Callable) -> Callable:
        return lambda z, x, t: (place(z, x, t[:, None]), velocity(z, x, t[:, None]))

    def line(z, x, t):
        return (1 - t) * z + t * x

    def way(z, x, t):
        return x - z

    ends = "the ends: noise is at t = 0, data at t = 1"
    wrong = [
        (pair(line, lambda z, x, t: z - x), "the velocity's sign: from noise to data, x - z"),
        (pair(lambda z, x, t: line(x, z, t), way), ends + "; and the velocity does not belong to this line"),
        (pair(lambda z, x, t: line(x, z, t), lambda z, x, t: z - x), ends),
        (pair(line, lambda z, x, t: x), "that predicts the data point; the velocity is x - z"),
        (pair(line, lambda z, x, t: t * (x - z)), "x - z is the velocity at every time, not times t"),
        (pair(line, lambda z, x, t: (1 - t) * (x - z)), "that is the way that is left, not the velocity"),
        (pair(line, lambda z, x, t: x - line(z, x, t)), "that is the way that is left, not the velocity"),
        (pair(line, line), "the place twice: the second is the velocity"),
        (pair(lambda z, x, t: z + t * x, way), "the noise must fade: (1 - t) z"),
        (pair(way, line), "the place first, then the velocity"),
        (pair(lambda z, x, t: t**0.5 * x + (1 - t) ** 0.5 * z, way), "that is a curved path: its velocity is another"),
        (pair(line, lambda z, x, t: (x - z) / t), "x - z already: the whole way takes a unit of time"),
        (pair(lambda z, x, t: (1 - t**2) ** 0.5 * z + t * x, way), "that is a curved path: its velocity is another"),
        (lambda z, x, t: line(z, x, t[:, None]), "a pair is asked for: the place and the velocity"),
        (lambda z, x, t: x - z, "a pair is asked for: the place and the velocity"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(*torch.randn(2, B, D, generator=g), torch.rand(B, generator=g)) for B, D in ((3, 2), (2, 5))]
    raised = [("must match the size", "t has shape (B,): give it the shape (B, 1)")]
    judge(answer, pair(line, way), cases, wrong, "The velocity is the same at every time of the line.", raised)


def flow_log_prob(answer: Callable) -> None:
    """Exercise 13.5: log N(x at t = 0) less the integral of the trace, by Euler's method from t = 1 back to 0; (B,)."""

    def velocity(x, t):
        return math.cos(3 * t) * x.sin() + t**2 + 0.5

    def trace(x, t):
        return math.cos(3 * t) * x.cos().sum(1)

    def log_normal(x):
        return -0.5 * (x.square() + math.log(2 * math.pi)).sum(1)

    def ends(n):  # of the steps, where each begins when t runs back
        return [i / n for i in range(n, 0, -1)]

    def walk(times: Callable = ends, back: float = 1, size: Callable = lambda n: 1 / n) -> Callable:
        """Place after all steps, and the integral of the trace."""

        def value(x, n):
            total = torch.zeros(len(x))
            for t in times(n):
                x, total = x - back * size(n) * velocity(x, t), total + size(n) * trace(x, t)
            return x, total

        return value

    def ending(way: Callable, value: Callable) -> Callable:
        return lambda x, steps: value(x, *way(x, steps))

    def usual(x, end, total):
        return log_normal(end) - total

    def after_the_step(x, n):
        total = torch.zeros(len(x))
        for t in ends(n):
            x = x - velocity(x, t) / n
            total = total + trace(x, t) / n
        return log_normal(x) - total

    def never_moved(x, n):
        total = sum(trace(x, t) for t in ends(n)) / n
        return log_normal(x - sum(velocity(x, t) for t in ends(n)) / n) - total

    def without_constant(x, end, total):
        return -0.5 * end.square().sum(1) - total

    def forwards(n):
        return [i / n for i in range(n)]

    count = "exactly ``steps`` steps, each 1 / steps long: t = 1, 1 - 1 / steps, ... 1 / steps"
    backwards = "go backwards: from the data, at t = 1, to the noise, at t = 0"
    wrong = [
        (
            ending(walk(), lambda x, end, total: log_normal(end) + total),
            "the sign of the trace: subtract it; where points spread out, the density falls",
        ),
        (ending(walk(forwards, -1), usual), backwards),
        (ending(walk(forwards, -1), lambda x, end, total: log_normal(end) + total), backwards),
        (ending(walk(back=-1), usual), "the sign of the step: back in time, x - velocity / steps"),
        (ending(walk(forwards), usual), "the times: the first step starts at t = 1"),
        (
            ending(walk(lambda n: [(i - 1) / n for i in range(n, 0, -1)]), usual),
            "the time at the start of each step: first t = 1, last t = 1 / steps",
        ),
        (ending(walk(), lambda x, end, total: -total), "log N of the noise you arrive at is missing"),
        (ending(walk(), lambda x, end, total: log_normal(x) - total), "log N of where you arrive, not of x"),
        (ending(walk(), lambda x, end, total: log_normal(end)), "the trace is missing"),
        (
            ending(walk(), lambda x, end, total: usual(x, end, total).exp()),
            "that is the density; its logarithm, please",
        ),
        (ending(walk(), lambda x, end, total: usual(x, end, total).mean()), "one number for each point: no mean"),
        (ending(walk(), lambda x, end, total: usual(x, end, total).sum()), "one number for each point: no sum"),
        (ending(walk(), without_constant), "a Gaussian's constant, D / 2 log(2 pi), is missing"),
        (
            ending(walk(), lambda x, end, total: usual(x, end, total * steps_of(x))),
            "the trace times the step, 1 / steps",
        ),
        (after_the_step, "velocity and trace at the same place: the trace before the step is taken"),
        (never_moved, "each step starts where the last one ended, not at x"),
        (ending(walk(lambda n: [i / n for i in range(n, -1, -1)]), usual), count),
        (ending(walk(lambda n: [i / n for i in range(n, 1, -1)]), usual), count),
        (ending(walk(lambda n: torch.linspace(1, 0, n).tolist()), usual), count),
        (ending(walk(lambda n: range(n, 0, -1)), usual), "the time runs from 1 to 0: i / steps"),
        (ending(walk(size=lambda n: 1), usual), "each step is 1 / steps long"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(3, 2, generator=g), 4), (torch.randn(2, 3, generator=g), 7)]

    def steps_of(x):
        return next(n for case, n in cases if case.shape == x.shape)

    def right(x, steps):
        return usual(x, *walk()(x, steps))

    raised = [
        ("only one element tensors", "t is a Python number here"),
        ("must be real number", "t is a Python number"),
    ]
    moral = "The change of variables, step by step."
    judge(lambda x, steps: answer(velocity, trace, x, steps), right, cases, wrong, moral, raised)
