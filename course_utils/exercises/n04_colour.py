"""Checkers of the exercises of 04_colour."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.exercises.judge import judge


def to_tokens(answer: Callable) -> None:
    """Exercise 04.1: number of the nearest palette colour of each pixel, (B, 3, H, W) to (B, H, W)."""

    def difference(x: Tensor, palette: Tensor) -> Tensor:
        return x[:, None] - palette[None, :, :, None, None]  # (B, K, 3, H, W)

    def by_rows(pixels: Callable) -> Callable:
        """The right answer, if ``pixels`` gave a colour per row, in the order of the pixels."""
        return lambda x, palette: torch.cdist(pixels(x), palette).argmin(1).view(len(x), *x.shape[2:])

    right = lambda x, palette: (difference(x, palette) ** 2).sum(2).argmin(1)  # noqa: E731
    wrong = [
        (
            lambda x, palette: (difference(x, palette) ** 2).sum(2).argmax(1),
            "that is the farthest colour, not the nearest",
        ),
        (
            lambda x, palette: difference(x, palette).abs().sum(2).argmin(1),
            "square the differences; absolute ones are another distance",
        ),
        (
            lambda x, palette: difference(x, palette).abs().amax(2).argmin(1),
            "sum the squares over the channels; the largest difference is another distance",
        ),
        (
            lambda x, palette: difference(x, palette).sum(2).argmin(1),
            "signed differences cancel: a dark red and a dark blue look alike. Square them first",
        ),
        (
            lambda x, palette: difference(x, palette).sum(2).abs().argmin(1),
            "the sum comes first and lets channels cancel: square each difference, then sum",
        ),
        (
            lambda x, palette: (difference(x, palette) ** 2).sum(2).amin(1),
            "those are the distances; the number of the colour is asked for: argmin",
        ),
        (
            lambda x, palette: (x[:, None] * palette[None, :, :, None, None]).sum(2).argmax(1),
            "a product is no distance: it prefers bright colours, whatever the pixel",
        ),
        (
            by_rows(lambda x: x.reshape(-1, 3)),
            "reshape does not move the channels to the end: use movedim(1, -1) first",
        ),
        (lambda x, palette: right(x, palette).flatten(1), "one number a pixel, but as a picture: shape (B, H, W)"),
        (lambda x, palette: right(x, palette).unsqueeze(1), "tokens have no channel: shape (B, H, W)"),
        (
            lambda x, palette: palette[right(x, palette)].movedim(-1, 1),
            "those are the colours; their numbers are asked for",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((2, 4, 5, 6), (3, 2, 2, 3))  # B, H, W, K
    cases = [(torch.rand(B, 3, H, W, generator=g), torch.rand(K, 3, generator=g)) for B, H, W, K in sizes]
    raised = [
        (
            "must match the size of tensor",
            "give x a palette axis, and the palette axes for rows and columns: (B, K, 3, H, W)",
        ),
        ("must have the same number of columns", "cdist compares the last axes: move the colours there first"),
    ]
    judge(answer, right, cases, wrong, "A picture of numbers, and every model of classes can have it.", raised)


def log_p_in_cell(answer: Callable) -> None:
    """Exercise 04.2: log p(colour | token) from counts (C,) and cells (C,), each colour starting from one."""

    def totals(count: Tensor, cell: Tensor, K: int) -> Tensor:
        return torch.zeros(K).index_add(0, cell, count + 0.0)[cell]  # (C,): of the colour's own cell

    def size(count: Tensor, cell: Tensor, K: int) -> Tensor:
        return totals(torch.ones(len(count)), cell, K)

    def right(count, cell, K):
        return ((count + 1) / totals(count + 1, cell, K)).log()

    wrong = [
        (
            lambda count, cell, K: (count / totals(count, cell, K)).log(),
            "a colour never seen gets probability 0: start each count from one",
        ),
        (
            lambda count, cell, K: ((count + 1) / (count + 1).sum()).log(),
            "that is log p(colour): given the token, the colours of *its cell* sum to 1",
        ),
        (
            lambda count, cell, K: (count / count.sum()).log(),
            "that is log p(colour), without the one: the colours of each cell should sum to 1",
        ),
        (lambda count, cell, K: right(count, cell, K).exp(), "that is the probability; its logarithm is asked for"),
        (lambda count, cell, K: -right(count, cell, K), "the sign: the log of a probability is at most 0"),
        (lambda count, cell, K: -size(count, cell, K).log(), "all colours of a cell alike: use the counts"),
        (
            lambda count, cell, K: ((count + 1) / (totals(count, cell, K) + 1)).log(),
            "each *colour* gets one more, so a cell of n colours gets n more",
        ),
        (
            lambda count, cell, K: ((count + 1) / totals(count, cell, K)).log(),
            "the cell's total must count the ones, too, or the cell sums to more than 1",
        ),
        (
            lambda count, cell, K: ((count + 1) / (totals(count, cell, K) + K)).log(),
            "a cell of n colours gets n more, not K",
        ),
        (
            lambda count, cell, K: (totals(count + 1, cell, K) / (count + 1).sum()).log(),
            "that is log p(token); p(colour | token) is asked for",
        ),
        (lambda count, cell, K: ((count + 1) / totals(count + 1, cell, K)).log2(), "nats use the natural logarithm"),
        (
            lambda count, cell, K: ((count + 1) / size(count, cell, K)).log(),
            "divide by the cell's total count, not by how many colours it has",
        ),
    ]
    cases = [
        (torch.tensor([5, 0, 2, 7, 0, 1]), torch.tensor([0, 1, 0, 2, 2, 2]), 3),
        (torch.tensor([0, 0, 30, 4]), torch.tensor([1, 1, 1, 0]), 2),
    ]
    raised = [("must have the same scalar type", "count holds whole numbers: add 1.0 first")]
    moral = "Each cell sums to 1, so p(token) p(colour | token) does, too."
    judge(answer, right, cases, wrong, moral, raised)


def log_bin(answer: Callable) -> None:
    """Exercise 04.3: log(sigmoid(hi) - sigmoid(lo)) without cancellation in either tail."""

    def right(hi, lo):
        hi, lo = hi.double(), lo.double()
        return hi + torch.log(-torch.expm1(lo - hi)) - F.softplus(hi) - F.softplus(lo)

    def naive(hi, lo):
        return torch.sigmoid(hi) - torch.sigmoid(lo)

    floor = "a small constant, added or as a floor, replaces infinity by a number that is as wrong"
    right_tail = "the right tail is wrong: both sigmoids are 1 there, and their logarithms 0"
    wrong = [
        (lambda hi, lo: naive(hi, lo).log(), "to the right both sigmoids round to 1, and the difference to 0"),
        *((lambda hi, lo, e=e: (naive(hi, lo) + e).log(), floor) for e in (1e-12, 1e-10, 1e-8)),
        *((lambda hi, lo, e=e: naive(hi, lo).clamp(min=e).log(), floor) for e in (1e-12, 1e-10, 1e-8)),
        (lambda hi, lo: naive(-lo, -hi).log(), "turned round: now the left tail cancels"),
        (
            lambda hi, lo: naive(hi.double(), lo.double()).log(),
            "64 bits move the trouble from 17 to 37; it does not go away",
        ),
        (
            lambda hi, lo: naive(hi.double(), lo.double()).log().float(),
            "64 bits move the trouble from 17 to 37; it does not go away",
        ),
        (lambda hi, lo: F.logsigmoid(hi) + torch.log1p(-torch.exp(F.logsigmoid(lo) - F.logsigmoid(hi))), right_tail),
        (lambda hi, lo: F.logsigmoid(hi) - F.logsigmoid(lo), "a difference of logarithms is the logarithm of a ratio"),
        (lambda hi, lo: right(hi, lo).exp(), "that is the probability; its logarithm is asked for"),
        (lambda hi, lo: -right(hi, lo), "the sign: the log of a probability is at most 0"),
        (
            lambda hi, lo: hi + torch.log(-torch.expm1(hi - lo)) - F.softplus(hi) - F.softplus(lo),
            "inside expm1 stands -(hi - lo)",
        ),
        (lambda hi, lo: hi - F.softplus(hi) - F.softplus(lo), "the width is missing: log(1 - exp(-(hi - lo)))"),
        (
            lambda hi, lo: (hi + lo) / 2 - 2 * F.softplus((hi + lo) / 2) + (hi - lo).log(),
            "density times width is right for narrow bins only",
        ),
    ]
    middle = torch.tensor([-60.0, -20.0, -3.0, 0.0, 0.7, 3.0, 17.0, 20.0, 60.0])
    cases = [(middle + half, middle - half) for half in (0.25, 1.5)]
    moral = "Nothing is subtracted that is nearly equal."
    judge(answer, right, cases, wrong, moral)


def grey_log_prob(answer: Callable) -> None:
    """Exercise 04.4: log p(x) = logit * x + constant over the levels 0, 1/(L-1), ..., 1."""

    def bce(logit, x):
        return x * F.logsigmoid(logit) + (1 - x) * F.logsigmoid(-logit)

    def normalised(logit: Tensor, x: Tensor, every: Tensor) -> Tensor:
        return logit * x - torch.logsumexp(logit.unsqueeze(-1) * every, -1)

    def right(logit, x, levels):
        return normalised(logit, x, torch.linspace(0, 1, levels))

    def binomial(logit, x, levels):
        n = levels - 1
        return torch.distributions.Binomial(n, logits=logit).log_prob((n * x).round())

    def unscaled(logit, x, levels):
        return normalised(logit, x * (levels - 1), torch.arange(levels))

    sums = "the levels' probabilities do not sum to 1"
    wrong = [
        (lambda logit, x, levels: bce(logit, x), f"that is the cross-entropy again: {sums}"),
        (lambda logit, x, levels: -bce(logit, x), f"that is the cross-entropy with the other sign: {sums}"),
        (
            lambda logit, x, levels: bce(logit, x) - math.log(levels),
            f"each level has its share of L only at logit 0: {sums}",
        ),
        (lambda logit, x, levels: bce(logit, x) - math.log(levels / 2), f"right only at logit 0: elsewhere {sums}"),
        (
            lambda logit, x, levels: bce(logit, x.round()),
            "that rounds grey to black or white, and is a likelihood of other pictures",
        ),
        (
            lambda logit, x, levels: right(logit, x, levels) + math.log(levels),
            "a mean over the levels where a sum belongs",
        ),
        (
            lambda logit, x, levels: right(logit, x, levels) - math.log(levels),
            "one log L too many: the sum over levels is all that is needed",
        ),
        (
            lambda logit, x, levels: (levels - 1) * bce(logit, x),
            "that is the cross-entropy many times over: its slope is logit * (L - 1), and the levels do not sum to 1",
        ),
        (
            lambda logit, x, levels: logit * x - math.log(levels),
            "the sum over all levels depends on the logit: only at logit 0 it is L",
        ),
        (lambda logit, x, levels: logit * x, "the constant is missing: minus log of the sum over all levels"),
        (lambda logit, x, levels: normalised(logit, x, torch.linspace(0, 1, levels + 1)), "L levels, not L + 1"),
        (
            lambda logit, x, levels: normalised(logit, x, torch.arange(levels) / levels),
            "the levels are k / (L - 1): the last one is 1",
        ),
        (
            lambda logit, x, levels: normalised(logit, x, torch.arange(levels)),
            "the sum must run over the values of x, 0 to 1, not over 0 to L - 1",
        ),
        (unscaled, "that is a distribution, with a slope of logit * (L - 1); let the slope in x be logit"),
        (binomial, "a binomial is a distribution, but its log-probability is not linear in x"),
        (lambda logit, x, levels: right(logit, x, levels).exp(), "that is the probability; its logarithm is asked for"),
        (
            lambda logit, x, levels: right(logit, x, levels).sum(),
            "one number for each pixel is asked for, in the shape of x",
        ),
        (lambda logit, x, levels: -right(logit, x, levels), "the sign: the log of a probability is at most 0"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = []
    for levels, shape in ((2, (5,)), (16, (4, 3)), (17, (2, 2, 2))):
        x = torch.randint(levels, shape, generator=g) / (levels - 1)
        cases.append((2 * torch.randn(shape, generator=g), x, levels))
    raised = [
        ("must match the size of tensor", "give logit an axis for the levels: logit.unsqueeze(-1) * every"),
        ("shapes cannot be multiplied", "give logit an axis for the levels: logit.unsqueeze(-1) * every"),
    ]
    moral = "Two levels give Bernoulli back; with more, the cross-entropy alone counted up to L / 2 times."
    judge(answer, right, cases, wrong, moral, raised)
