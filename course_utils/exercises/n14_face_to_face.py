"""Checkers of the exercises of 14_face_to_face."""

import math
import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.exercises.judge import judge


def surprise_bound(answer: Callable) -> None:
    """Exercise 14.1: -log P <= -log p(y) + D log L in nats, for y = (k + u) / L in D pixels of L levels."""

    def bound(cells: Callable, sign: int = -1) -> Callable:
        return lambda log_p, D, L: sign * log_p + cells(D, L)

    right = bound(lambda D, L: D * math.log(L))
    wrong = [
        (bound(lambda D, L: -D * math.log(L)), "the sign: a cell is smaller than 1, so its surprise is larger"),
        (bound(lambda D, L: 0), "that is the surprise of a density; a level is a cell, and a cell has a volume"),
        (bound(lambda D, L: math.log(L)), "L is the number of cells of one pixel; there are D pixels"),
        (bound(lambda D, L: D * math.log(L - 1)), "L levels share [0, 1): a level's bin is 1 / L wide"),
        (bound(lambda D, L: D * math.log2(L)), "nats: the natural logarithm"),
        (bound(lambda D, L: L * math.log(D)), "D pixels of L levels: D log L"),
        (bound(lambda D, L: D * L), "the logarithm of L is missing"),
        (bound(lambda D, L: -D * math.log(L), 1), "that is log P; its negative is asked for"),
        (bound(lambda D, L: D * math.log(L), 1), "the sign of log_p: surprise is -log p"),
        (lambda log_p, D, L: (-log_p + D * math.log(L)) / D, "nats of the whole picture, not of a pixel"),
        (lambda log_p, D, L: (-log_p + D * math.log(L)) / math.log(2), "those are bits; nats are asked for"),
        (
            lambda log_p, D, L: (-log_p + D * math.log(L)) / (D * math.log(2)),
            "nats of the whole picture, not bits of a pixel: no division",
        ),
        (lambda log_p, D, L: -log_p * float(L) ** D, "log_p is a logarithm: a volume is added, as a logarithm"),
        (lambda log_p, D, L: -log_p * float(L) ** -D, "log_p is a logarithm: a volume is added, as a logarithm"),
        (lambda log_p, D, L: -math.exp(log_p) + D * math.log(L), "log_p is a logarithm already"),
    ]
    raised = [("must be Tensor", "D and L are Python numbers: use math.log")]
    cases = [(80.0, 64, 17), (-3.0, 1, 4), (5.0, 2, 256)]
    judge(answer, right, cases, wrong, "A density above 1 is no miracle: the cells are small.", raised)


def ahead(answer: Callable) -> None:
    """Exercise 14.2: which of two rows is surely ahead, 1 or 2, else 0; a row is its nats and whether they are a bound.

    A bound says that -log P is at most so much. So a row is surely ahead if its number is the smaller one and the other
    row's is exact.
    """

    def right(a: tuple[float, bool], b: tuple[float, bool]) -> int:
        if a[0] < b[0] and not b[1]:
            return 1
        return 2 if b[0] < a[0] and not a[1] else 0

    def smaller(a, b) -> int:
        return 1 if a[0] < b[0] else 2 if b[0] < a[0] else 0

    def swapped(a, b) -> int:  # as if a bound that is ahead proved nothing
        if a[0] < b[0] and not a[1]:
            return 1
        return 2 if b[0] < a[0] and not b[1] else 0

    behind = "a bound that is behind proves nothing: its row may be better than its number"
    ahead_ = "a bound that is ahead of an exact number is ahead: its row can only be better than its number"
    wrong = [
        (smaller, behind),
        (swapped, f"the other way round: {ahead_}"),
        (lambda a, b: smaller(a, b) if not (a[1] or b[1]) else 0, ahead_),
        (lambda a, b: smaller(a, b) if not (a[1] and b[1]) else 0, behind),
        (lambda a, b: 0 if right(a, b) == 0 else 3 - right(a, b), "fewer nats are better"),
        (lambda a, b: smaller((-a[0],), (-b[0],)), "fewer nats are better, and a bound that is behind proves nothing"),
        (lambda a, b: 0, "some pairs can be decided: two exact numbers, or a bound ahead of an exact one"),
        (
            lambda a, b: 1 if a[0] <= b[0] and not b[1] else 2 if b[0] <= a[0] and not a[1] else 0,
            "equal numbers: neither row is surely ahead",
        ),
        (lambda a, b: right(a, b) == 1, "return 1, 2 or 0"),
    ]
    exact, bound = False, True
    cases = [
        ((78.0, exact), (81.0, exact)),
        ((83.0, exact), (81.0, exact)),
        ((78.0, exact), (81.0, bound)),
        ((81.0, bound), (78.0, exact)),
        ((81.0, bound), (83.0, exact)),
        ((83.0, exact), (81.0, bound)),
        ((85.0, bound), (90.0, bound)),
        ((90.0, bound), (85.0, bound)),
        ((80.0, exact), (80.0, exact)),
        ((80.0, bound), (80.0, exact)),
        ((80.0, exact), (80.0, bound)),
    ]
    pairs = "a and b are pairs: a[0] are the nats, a[1] says whether they are a bound"
    raised = [("subscriptable", pairs), ("instances of 'tuple'", pairs)]
    judge(answer, right, cases, wrong, "Only an exact number can be beaten for sure.", raised)


def leaderboard(answer: Callable) -> None:
    """Exercise 14.3: distances of several sets of samples to *unseen* pictures, from equal numbers of samples."""

    def board(real: Callable, number: Callable) -> Callable:
        def of(distance, train, test, samples):
            n = number(samples, test)
            return [distance(real(train, test), x[:n]) for x in samples]

        return of

    def fewest(samples, test) -> int:
        return min(len(x) for x in samples)

    def unseen(train, test) -> Tensor:
        return test

    def seen(train, test) -> Tensor:
        return train

    right = board(unseen, fewest)
    train_again = "equal numbers now, but compared with the training pictures: there a copier wins"
    wrong = [
        (board(seen, lambda samples, test: None), "two bugs: think of a copier, and of a model that drew more samples"),
        (board(seen, fewest), train_again),
        (board(seen, lambda samples, test: len(test)), train_again),
        (
            board(unseen, lambda samples, test: None),
            "unseen pictures now, but unequal numbers: who drew more looks better",
        ),
        (board(unseen, lambda samples, test: len(test)), "not every set has as many samples as there are test ones"),
        (board(unseen, lambda samples, test: len(samples[0])), "right only where the first set is the smallest"),
        (board(unseen, lambda samples, test: len(samples[-1])), "right only where the last set is the smallest"),
        (board(unseen, lambda samples, test: len(samples)), "len(samples) is the number of models"),
        (
            board(unseen, lambda samples, test: fewest(samples, test) // 2),
            "fair, and wasteful: take as many as all sets have",
        ),
        (
            lambda distance, train, test, samples: [
                distance(torch.cat([train, test]), x[: fewest(samples, test)]) for x in samples
            ],
            "no training pictures among the real ones: a copier would still gain",
        ),
        (
            lambda distance, train, test, samples: [distance(x[: fewest(samples, test)], test) for x in samples],
            "distance(real, fake): the real ones come first",
        ),
        (lambda *arguments: sorted(right(*arguments)), "in the order of the samples, not sorted"),
        (lambda *arguments: min(right(*arguments)), "all distances, not the smallest"),
        (
            lambda *arguments: right(*arguments).index(min(right(*arguments))),
            "all distances, not which model is the best",
        ),
    ]

    def distance(real: Tensor, fake: Tensor) -> float:  # which samples are taken does not matter, how many does
        return abs(real.mean().item() - fake.mean().item()) + 10 / len(fake)  # cutting real as well is fair, too

    def pictures(n: int, value: float) -> Tensor:
        return torch.full((n, 2), value)

    train, test = pictures(60, 1.0), pictures(30, 0.0)
    few = [pictures(20, 1.0), pictures(9, 1.5), pictures(40, 0.25)]
    many = [pictures(70, -2.0), pictures(50, 3.0), pictures(40, 1.0), pictures(45, 0.5)]
    moral = "Unseen pictures, and as many samples of each: now a copier gains nothing."
    raised = [
        ("'list' object has no attribute", "samples is a list, one set for each model: go through it"),
        ("division by zero", "no sample is left of some model"),
    ]
    judge(answer, right, [(distance, train, test, few), (distance, train, test, many)], wrong, moral, raised)


HALF_AND_FULL = [  # of one row: what its seeds got with half of the steps, and with all of them
    ([90.0, 91.0, 92.0], [80.0, 81.0, 82.0]),  # a fall moves
    ([0.2, 0.3, 0.4], [0.7, 0.8, 0.9]),  # a rise moves
    ([4.0, 6.0, 8.0], [6.0, 5.0, 7.0]),  # seeds cross
    ([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]),  # by as much as they lie apart: not by more
    ([1.0, 5.0, 9.0], [3.5, 4.5, 3.0]),
    ([5.0, 5.1, 5.2], [3.0, 6.0, 4.5]),
    ([7.0, 7.5], [7.1, 7.2]),
    ([2.0, 4.0], [1.0, 3.0]),
    ([3.0], [3.0]),  # nobody knows how far runs lie apart
    ([3.0], [9.0]),
    ([10.0, 11.0, 12.0, 13.0], [12.0, 13.0, 14.0, 15.0]),
    ([10.0, 11.0, 12.0, 13.0], [8.9, 9.9, 10.9, 11.9]),
    ([6.0, 6.0, 6.0], [6.0, 8.0, 4.0]),
    ([5.0, 5.0, 20.0], [5.0, 5.5, 5.0]),  # the mean moves, the median does not
    ([0.0, 1.0, 2.0], [0.9, 1.9, 2.9]),
    ([0.0, 1.0, 2.0, 3.0], [2.8, 3.8, 4.8, 5.8]),
    ([0.0, 0.0, 0.0], [0.2, 0.6, 0.4]),
    ([100.0, 102.0, 104.0], [97.0, 99.0, 101.0]),
]


def build_mark(answer: Callable) -> None:
    """Exercise 14.4: whether the last doubling of the steps moved the mean by more than the runs lie apart at the end.

    ``answer(half, full)`` takes two lists of numbers, one for each seed, and returns True or False.
    """
    mean, std, population = statistics.mean, statistics.stdev, statistics.pstdev

    def rule(moved: Callable, apart: Callable, alone: bool = True) -> Callable:
        return lambda half, full: moved(half, full) > apart(half, full) if len(full) > 1 else alone

    def each(half, full) -> list[float]:
        return [b - a for a, b in zip(half, full, strict=True)]

    def size(half, full) -> float:
        return abs(mean(each(half, full)))

    def at_the_end(half, full) -> float:
        return std(full)

    right = rule(size, at_the_end)
    wrong = [
        (rule(size, at_the_end, False), "of a single run nobody knows how far runs lie apart: it still moves"),
        (
            rule(lambda half, full: mean(each(half, full)), at_the_end),
            "a fall moves, too: nats and distances fall when a model gets better",
        ),
        (
            rule(lambda half, full: -mean(each(half, full)), at_the_end),
            "a rise moves, too: precision and recall rise when a model gets better",
        ),
        (
            rule(lambda half, full: mean(abs(d) for d in each(half, full)), at_the_end),
            "the mean first, then its size: seeds that go up and down by chance do not move the mean",
        ),
        (rule(size, lambda half, full: population(full)), "of the runs as a sample: divide by their number - 1"),
        (rule(size, lambda half, full: std(half)), "how far the runs lie apart *at the end*: those with all steps"),
        (
            rule(size, lambda half, full: std(each(half, full))),
            "the spread of the runs themselves, at the end, not that of the differences",
        ),
        (
            rule(size, lambda half, full: std(full) / len(full) ** 0.5),
            "the standard deviation of the runs, not the standard error of their mean",
        ),
        (rule(size, lambda half, full: std(full) ** 2), "that is the variance: take its root"),
        (rule(size, lambda half, full: max(full) - min(full)), "the standard deviation, not the range"),
        (rule(size, lambda half, full: 2 * std(full)), "one standard deviation, not two"),
        (
            rule(lambda half, full: max(abs(d) for d in each(half, full)), at_the_end),
            "it is the mean that must move, not some seed",
        ),
        (
            rule(lambda half, full: min(abs(d) for d in each(half, full)), at_the_end),
            "it is the mean that must move, not every seed",
        ),
        (
            rule(lambda half, full: abs(statistics.median(full) - statistics.median(half)), at_the_end),
            "means are compared, not medians",
        ),
        (rule(lambda half, full: abs(full[0] - half[0]), at_the_end), "all seeds count, not only the first"),
        (
            rule(lambda half, full: size(half, full) / abs(mean(full)), lambda half, full: 0.05),
            "compare with how far the runs lie apart, not with the size of the numbers",
        ),
        (
            lambda half, full: not right(half, full),
            "True says that the row still moves, False that it is settled",
        ),
        (
            lambda half, full: len(full) < 2 or size(half, full) >= std(full),
            "by *more* than the standard deviation; as much is not more",
        ),
        (lambda half, full: size(half, full), "return True or False"),
    ]
    wrong += [  # of a single run torch's standard deviation is NaN, and nothing is larger than NaN
        (lambda half, full, mistake=mistake: len(full) > 1 and mistake(half, full), why) for mistake, why in wrong[1:-3]
    ]
    raised = [
        ("for -: 'list' and 'list'", "half and full are lists: make tensors of them, or go through the seeds"),
        ("at least two data points", "a single run has no standard deviation: say first what holds of it"),
        ("float division by zero", "a single run has no standard deviation: say first what holds of it"),
    ]
    moral = "A number that still moves is no last word."
    judge(answer, right, HALF_AND_FULL, wrong, moral, raised)
