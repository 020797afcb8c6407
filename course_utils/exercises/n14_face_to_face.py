"""Checkers of the exercises of 14_face_to_face."""

import math
from collections.abc import Callable

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
