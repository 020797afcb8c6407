"""Checkers of the exercises of 05_autoencoder."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.exercises.judge import as_tensor, judge, same
from course_utils.models import AutoEncoder


def code_size(answer: Callable) -> None:
    """Exercise 05.1: the smallest linear code whose error, the sum of the discarded eigenvalues, is at most a limit."""

    nothing = -1

    def first(enough: Callable, none: int | None = None) -> Callable:
        """The smallest Z that is enough, by a function of eigenvalues, Z and limit; if none is, ``none`` or D + 1."""
        return lambda v, limit: next(
            (Z for Z in range(len(v) + 1) if enough(v, Z, limit)), len(v) + 1 if none is None else none
        )

    def given(eigenvalues: Tensor, limit: float):
        """The answer; ``nothing`` where a loop ends without one, so that it is not taken for an empty cell."""
        Z = answer(eigenvalues, limit)
        return nothing if Z is None and answer(torch.ones(2), 1.0) is not None else Z

    right = first(lambda eigenvalues, Z, limit: eigenvalues[Z:].sum() <= limit)
    wrong = [
        (first(lambda v, Z, limit: v[:Z].sum() >= limit), "that adds up what the code *keeps*; the error is the rest"),
        (
            first(lambda v, Z, limit: v[:Z].sum() >= limit, nothing),
            "that adds up what the code *keeps*; the error is the rest",
        ),
        (first(lambda v, Z, limit: v[:Z].sum() <= limit), "that adds up what the code *keeps*; the error is the rest"),
        (
            first(lambda v, Z, limit: v[:Z].sum() > limit, nothing),
            "that adds up what the code *keeps*; the error is the rest",
        ),
        (
            first(lambda v, Z, limit: v[Z + 1 :].sum() <= limit),
            "with Z numbers the first Z eigenvalues are kept, v[0] to v[Z - 1]: v[Z] is left out, too",
        ),
        (
            first(lambda v, Z, limit: Z > 0 and v[Z + 1 :].sum() <= limit),
            "v[Z] is left out, too: what is left out begins with it; and an empty code, Z = 0, is allowed",
        ),
        (
            first(lambda v, Z, limit: Z > 0 and v[Z - 1 :].sum() <= limit, nothing),
            "with Z numbers v[Z - 1] is kept: what is left out begins with v[Z]",
        ),
        (first(lambda v, Z, limit: v[Z:].sum() < limit), "at most: an error equal to the limit is allowed, so <="),
        (
            first(lambda v, Z, limit: v[Z:].sum() < limit, nothing),
            "at most: an error equal to the limit is allowed, so <=",
        ),
        (
            first(lambda v, Z, limit: Z > 0 and v[Z:].sum() < limit),
            "at most: an error equal to the limit is allowed, so <=; and an empty code, Z = 0, too",
        ),
        (
            first(lambda v, Z, limit: Z > 0 and v[Z:].sum() < limit, nothing),
            "at most: an error equal to the limit is allowed, so <=; and an empty code, Z = 0, too",
        ),
        (
            first(lambda v, Z, limit: Z > 0 and v[Z + 1 :].sum() < limit),
            "v[Z] is left out, too: what is left out begins with it; and at most means <=",
        ),
        (
            first(lambda v, Z, limit: Z > 0 and v[Z + 1 :].sum() < limit, nothing),
            "v[Z] is left out, too: what is left out begins with it; and at most means <=",
        ),
        (lambda v, limit: right(v, limit) + 1, "one too many: with Z numbers the first Z eigenvalues are kept"),
        (lambda v, limit: right(v, limit) - 1, "one too few: with Z numbers the first Z eigenvalues are kept"),
        (first(lambda v, Z, limit: v[Z:].sum() <= limit * v.sum()), "limit is an error, not a share of the variance"),
        (lambda v, limit: int((v > limit).sum()), "the discarded eigenvalues add up: each alone may be small enough"),
        (
            first(lambda v, Z, limit: Z == len(v) or v[Z:].mean() <= limit),
            "their sum, not their mean: squared error is summed over the directions",
        ),
        (first(lambda v, Z, limit: Z > 0 and v[Z:].sum() <= limit), "an empty code, Z = 0, is allowed"),
        (
            first(lambda v, Z, limit: 0 < Z < len(v) and v[Z:].sum() <= limit, nothing),
            "Z may be anything from 0, an empty code, to D: range(len(eigenvalues) + 1)",
        ),
        (
            lambda v, limit: right(v, limit) if right(v, limit) < len(v) else nothing,
            "nothing was returned for limit 0: Z may be as large as D",
        ),
    ]
    steps, halves = torch.tensor([4.0, 2.0, 1.0, 1.0]), torch.tensor([3.0, 0.5, 0.5, 0.5, 0.25])
    cases = [(steps, 2.0), (steps, 1.0), (steps, 0.0), (halves, 1.0), (halves, 9.0), (halves, 1.5)]
    moral = "No linear code of that size does better, however it is trained."
    judge(given, lambda eigenvalues, limit: right(eigenvalues, limit), cases, wrong, moral)


def pca_error(answer: Callable) -> None:
    """Exercise 05.2: squared error of test points after PCA fitted to training points, shape (M,)."""

    def through(fit: Callable, away: Callable, back: Callable) -> Callable:
        """Axes of train less fit(train); the code of test less away(train, test); then back(train, test) is added."""

        def answer(train, test, Z):
            axes = torch.linalg.svd(train - fit(train), full_matrices=False).Vh[:Z]
            return (((test - away(train, test)) @ axes.T @ axes + back(train, test) - test) ** 2).sum(1)

        return answer

    def of_train(train: Tensor, test: Tensor | None = None) -> Tensor:
        return train.mean(0)

    def of_test(train: Tensor, test: Tensor) -> Tensor:
        return test.mean(0)

    def zero(*_) -> Tensor:
        return torch.zeros(())

    def one_number(train: Tensor, test: Tensor | None = None) -> Tensor:
        return train.mean()

    def of_rows(train: Tensor, test: Tensor | None = None) -> Tensor:
        return (train if test is None else test).mean(1, keepdim=True)

    columns = "the mean of each column is asked for, shape (D,)"
    right = through(of_train, of_train, of_train)
    wrong = [
        (through(zero, zero, zero), "the axes must run through the mean of the data, not through 0: subtract it first"),
        (
            through(of_train, of_test, of_test),
            "the test points' own mean was subtracted; a code is learned from training points only",
        ),
        (
            through(of_train, zero, zero),
            "the axes are centred, the test points are not: subtract the mean from them too",
        ),
        (through(of_train, of_train, zero), "the mean was subtracted and never added again"),
        (through(of_train, zero, of_train), "the mean is added at the end; subtract it before the code is computed"),
        (through(zero, of_train, of_train), "centre the training points, too, before their axes are sought"),
        (lambda train, test, Z: right(train, test, Z).mean(), "one error for each test point is asked for, shape (M,)"),
        (
            lambda train, test, Z: right(train, test, Z).sum(),
            "one number for each test point is asked for, shape (M,): sum over the values only, .sum(1)",
        ),
        (lambda train, test, Z: right(train, test, Z) / train.shape[1], "summed over the values, never a mean"),
        (lambda train, test, Z: right(train, test, Z).sqrt(), "the squared error, without the root"),
        (through(one_number, one_number, one_number), f"the mean is one number there; {columns}"),
        (through(of_rows, of_rows, of_rows), f"the mean of each row is subtracted; {columns}"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = []
    for Z in (1, 2, 4):
        train = torch.randn(30, 6, generator=g) * torch.tensor([3.0, 2.0, 1.5, 1.0, 0.5, 0.2]) + 4
        cases.append((train, torch.randn(5, 6, generator=g) + 3, Z))
    moral = "Through 0, the first axis is spent on the mean, which every picture shares."
    raised = [("must match the size of tensor", f"do the shapes fit? If that is the mean: {columns}")]
    judge(answer, lambda train, test, Z: right(train, test, Z), cases, wrong, moral, raised)


def denoising_loss(answer: Callable) -> None:
    """Exercise 05.3: loss of a denoising autoencoder, |model(x + noise) - x|^2, shape (B,)."""

    def error(given: Callable, wanted: Callable) -> Callable:
        return lambda model, x, noise: ((model(given(x, noise)) - wanted(x, noise)) ** 2).sum((1, 2, 3))

    def clean(x: Tensor, noise: Tensor) -> Tensor:
        return x

    def noisy(x: Tensor, noise: Tensor) -> Tensor:
        return x + noise

    own = torch.tensor(-1.0)

    def given(model: Callable, x: Tensor, noise: Tensor):
        """The answer; ``own`` where a second call with the same arguments gives something else."""
        values = []
        for seed in (0, 1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                values.append(answer(model, x.clone(), noise.clone()))
        tensors = [as_tensor(value) for value in values]
        return own if None not in tensors and not same(tensors[0], tensors[1]) else values[0]

    right = error(noisy, clean)
    wrong = [
        (lambda model, x, noise: own, "two calls with the same input differ: use the noise that is handed over"),
        (error(noisy, noisy), "it is asked to return the noise as well: compare with the clean picture"),
        (error(clean, clean), "the noise is nowhere: that is a plain autoencoder"),
        (error(clean, noisy), "turned round: the *noisy* picture goes in, and the clean one is wanted"),
        (
            lambda model, x, noise: ((model(x) + noise - x) ** 2).sum((1, 2, 3)),
            "the noise belongs to the input, not to the output",
        ),
        (error(noisy, lambda x, noise: noise), "the clean picture is wanted, not the noise"),
        (lambda model, x, noise: right(model, x, noise).mean(), "one number for each picture is asked for, shape (B,)"),
        (lambda model, x, noise: right(model, x, noise).sum(), "one number for each picture is asked for, shape (B,)"),
        (
            lambda model, x, noise: right(model, x, noise) / x[0].numel(),
            "summed over the pixels, never a mean",
        ),
        (lambda model, x, noise: right(model, x, noise).sqrt(), "the squared error, without the root"),
        (
            lambda model, x, noise: (model(x + noise) - x).abs().sum((1, 2, 3)),
            "the squared error is asked for, not the absolute one",
        ),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cases = [
            (AutoEncoder((1, 4, 4), 2, hidden), torch.rand(3, 1, 4, 4), torch.randn(3, 1, 4, 4))
            for hidden in ((), (8,))
        ]
    moral = "With the noisy picture as target, nothing but the bottleneck removes noise."
    judge(given, lambda model, x, noise: right(model, x, noise), cases, wrong, moral)


def phase_between(answer: Callable) -> None:
    """Exercise 05.4: the phase at t of the way from a to b, the short way round, in [0, 1)."""

    def turn(a: Tensor, b: Tensor) -> Tensor:
        return torch.remainder(b - a + 0.5, 1) - 0.5

    def chord(a: Tensor, b: Tensor, t: float) -> Tensor:
        ends = [torch.polar(torch.ones_like(phase), 2 * math.pi * phase) for phase in (a, b)]
        return torch.remainder(torch.lerp(ends[0], ends[1], t).angle() / (2 * math.pi), 1)

    right = lambda a, b, t: torch.remainder(a + t * turn(a, b), 1)  # noqa: E731
    wrong = [
        (
            lambda a, b, t: torch.lerp(a, b, t),
            "from 0.9 to 0.1 that goes by 0.5, the full moon; the short way goes by 0, the new one",
        ),
        (lambda a, b, t: a + t * turn(a, b), "read the result modulo 1: phases lie in [0, 1)"),
        (lambda a, b, t: right(b, a, t), "at t = 0 it should be a, and at t = 1 it should be b"),
        (
            lambda a, b, t: torch.remainder(a + t * torch.remainder(b - a, 1), 1),
            "always forwards: where b lies a little behind a, that is the long way round",
        ),
        (
            lambda a, b, t: torch.remainder(a + t * turn(a, b).abs(), 1),
            "the difference has lost its sign: from 0.3 to 0.2 it is -0.1",
        ),
        (
            lambda a, b, t: torch.remainder(torch.lerp(torch.where(b - a > 0.5, a + 1, a), b, t), 1),
            "b - a above 1/2 is settled; and when b - a is below -1/2?",
        ),
        (
            lambda a, b, t: torch.remainder(torch.lerp(a, torch.where(b - a < -0.5, b + 1, b), t), 1),
            "b - a below -1/2 is settled; and when b - a is above 1/2?",
        ),
        (chord, "the straight line between two points of the circle: its middle is right, but it is not passed evenly"),
    ]
    a, b = torch.tensor([0.9, 0.1, 0.5, 0.3]), torch.tensor([0.2, 0.85, 0.25, 0.55])  # no result near 0, or 1
    moral = "The middle of 0.9 and 0.1 is a new moon, and their average a full one."
    raised = [("ambiguous", "a and b are tensors of several phases: use % or torch.where in place of if")]
    judge(answer, right, [(a, b, 0.3), (a, b, 0.5), (a, b, 1.0)], wrong, moral, raised)
