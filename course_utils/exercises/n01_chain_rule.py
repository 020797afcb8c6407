"""Checkers of the exercises of 01_chain_rule."""

import math
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises.judge import difference, judge, report, same, short, unanswered


def bits_per_dim(answer: Callable) -> None:
    """Exercise 01.1: nats per image of shape (C, H, W) to bits per dimension."""
    log_2, D = math.log(2), math.prod
    product = "the number of dimensions is a product, C * H * W"
    divide = "divide by the number of dimensions: bits per dimension are fewer than bits per image"
    wrong = [
        (lambda nats, shape: nats / D(shape), "that is nats per dimension; one bit is log 2 = 0.693 nats"),
        (lambda nats, shape: nats / log_2, "that is bits per image; divide by the number of dimensions too"),
        (lambda nats, shape: nats * log_2 / D(shape), "the wrong way: there are *more* bits than nats"),
        (lambda nats, shape: nats / (shape[1] * shape[2] * log_2), "a colour image has C * H * W dimensions"),
        (lambda nats, shape: nats / (shape[1] * shape[2]), "two things: all of C * H * W, and log 2"),
        (lambda nats, shape: math.log2(nats) / D(shape), "nats are logarithms already; only their base changes"),
        (lambda nats, shape: nats / (len(shape) * log_2), product),
        (lambda nats, shape: nats / (sum(shape) * log_2), product),
        (lambda nats, shape: nats / len(shape), product),
        (lambda nats, shape: nats / sum(shape), product),
        (lambda nats, shape: nats * D(shape) / log_2, divide),
        (lambda nats, shape: nats * D(shape), divide),
    ]
    cases = [(64 * log_2, (1, 8, 8)), (181.3, (1, 8, 8)), (6395.0, (3, 32, 32))]
    right = lambda nats, shape: nats / (D(shape) * log_2)  # noqa: E731
    raised = [("must be Tensor", "2 is a Python number: use math.log")]
    judge(answer, right, cases, wrong, "A fair coin for each pixel costs exactly one bit per dimension.", raised)


def made_masks(answer: Callable) -> None:
    """Exercise 01.2: MADE's input mask (H, D) and output mask (D, H) from ranks (D,) and degrees (H,)."""

    def masks(unit: Callable, pixel: Callable) -> Callable:
        """A hidden unit sees a pixel if unit(degree, rank), an output sees a hidden unit if pixel(rank, degree)."""
        return lambda rank, degree: (unit(degree[:, None], rank[None, :]), pixel(rank[:, None], degree[None, :]))

    right = masks(ge, gt)
    reversed_ = "a comparison is reversed: a unit may see pixels up to its degree, an output units below its rank"
    shapes = "a mask is transposed: the shapes are (H, D) and (D, H)"
    wrong = [
        (right, "the values are right, the dtype is not: bool is asked for"),
        (masks(ge, ge), "a pixel sees itself: at the output the comparison must be strict"),
        (masks(gt, gt), "both comparisons are strict: no leak, but a pixel no longer sees its direct predecessor"),
        (masks(gt, ge), "no leak, but another convention: here a unit of degree m sees ranks up to m"),
        (masks(lt, le), "turned round: True should mean 'may see'"),
        (masks(le, lt), reversed_),
        (masks(le, gt), reversed_),
        (masks(ge, lt), reversed_),
        (lambda rank, degree: right(rank, degree)[::-1], "swapped: the input mask comes first"),
        (
            lambda rank, degree: tuple(mask.T for mask in right(rank, degree)),
            "transposed: nn.Linear's weights have shape (outputs, inputs)",
        ),
        (lambda rank, degree: (right(rank, degree)[0].T, right(rank, degree)[1]), shapes),
        (lambda rank, degree: (right(rank, degree)[0], right(rank, degree)[1].T), shapes),
        (
            lambda rank, degree: right(torch.arange(1, len(rank) + 1), degree),
            "compare with the ranks that are given, not with 1, 2, 3, ...: here they begin at 0, in any order",
        ),
        (
            lambda rank, degree: right(rank.argsort(), degree),
            "use rank as it is given: rank.argsort() is the order, that is which pixel comes when",
        ),
        (
            lambda rank, degree: right(torch.arange(len(rank)), degree),
            "right for row-by-row order only: compare with the pixels' ranks, not with their positions",
        ),
    ]
    cases = [
        (torch.arange(4), torch.tensor([0, 0, 1, 2, 2])),
        (torch.tensor([2, 0, 3, 1]), torch.tensor([0, 1, 2])),
    ]
    moral = "No path through both masks leads from a pixel to itself or to an earlier one."
    judge(answer, right, cases, wrong, moral)


def masked_linear(answer: Callable) -> None:
    """Exercise 01.3: apply a linear layer under a mask without writing the mask into the weights."""
    g = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(4, 6, generator=g), torch.randn(4, generator=g)
    x = torch.randn(3, 6, generator=g)
    layer: Any = nn.utils.skip_init(nn.Linear, 6, 4)  # leaves the global generator alone
    layer.load_state_dict({"weight": weight, "bias": bias})
    parameters = [layer.weight, layer.bias]

    def hint() -> str | None:
        for _ in range(3):
            mask = (torch.rand(4, 6, generator=g) < 0.5).float()
            got, expected = answer(layer, mask.clone(), x.clone()), F.linear(x, weight * mask, bias)
            if unanswered(got):
                return None
            for name, now, before in zip(("weights", "bias"), (layer.weight, layer.bias), (weight, bias), strict=True):
                if not torch.equal(now, before):
                    count = f"{int((now != before).sum())} of {now.numel()}"
                    return f"the layer's {name} changed, and stay so: {count} differ after one call"
            if not isinstance(got, Tensor):
                return f"a tensor is asked for, like layer(x), and it was {short(got)}"
            if same(got, F.linear(x, weight, bias)):
                return "the mask is not used"
            if same(got, F.linear(x, weight * mask)):
                return "the bias is missing"
            if not same(got, expected):
                return f"masked weights times x plus bias: {difference(got, expected)}"
            if not got.requires_grad:
                return "no gradient reaches the weights: .data, detach() and no_grad() cut it off"
            to_weight, to_bias = torch.autograd.grad(got.sum(), parameters, allow_unused=True)
            if to_weight is None and to_bias is None:
                return "the gradient reaches a copy, not the layer: compute with layer.weight itself"
            if to_weight is None:
                return "the gradient reaches the bias, but not the weights: .data, detach() and copies cut it off"
            if (to_weight[mask == 0] != 0).any():
                return "masked weights still receive a gradient: multiply a copy of the weights by the mask"
        return ""

    shapes = "the mask has the weights' shape (outputs, inputs), not that of x or of layer(x)"
    raised = [
        ("must match the size of tensor", shapes),
        ("shapes cannot be multiplied", "nn.Linear multiplies by the transpose: x @ weight.T, as F.linear does"),
    ]
    report(hint, "The masks change at every step; the weights must survive them.", raised)


def mean_nll(answer: Callable) -> None:
    """Exercise 01.4: mean negative log-likelihood per image from a list of per-image values, batch by batch."""
    means = lambda batches: sum(nll.mean() for nll in batches)  # noqa: E731
    sums = lambda batches: sum(nll.sum() for nll in batches)  # noqa: E731
    images = "a sum over images, divided by the number of batches"
    wrong = [
        (lambda batches: means(batches) / len(batches), "the short last batch counts as much as a full one"),
        (
            lambda batches: means(batches) / (len(batches) - 1),
            "two bugs: i ends one short of the number of batches, and batches differ in size",
        ),
        (lambda batches: sums(batches) / len(batches), images),
        (lambda batches: sums(batches) / (len(batches) - 1), images),
        (
            lambda batches: sums(batches) / (len(batches) * len(batches[0])),
            "the last batch is shorter: there are fewer images than len(batches) * len(batches[0])",
        ),
        (
            lambda batches: torch.cat(batches[:-1]).mean(),
            "the last, incomplete batch is dropped: those images are never looked at",
        ),
        (sums, "a sum over the data set; the mean per image is asked for"),
    ]
    g = torch.Generator().manual_seed(0)
    splits = ((100, 100, 47), (5, 1), (8, 8, 8, 2))  # several batches each, or i = 0 would end in a division by zero
    cases = [([torch.rand(n, generator=g) * 10 + 80 * (n < 100) for n in sizes],) for sizes in splits]
    raised = [("stack expects each tensor to be equal size", "the last batch is shorter: use torch.cat")]
    right = lambda batches: torch.cat(batches).mean()  # noqa: E731
    judge(answer, right, cases, wrong, "Every image counts once, whatever batch it was in.", raised)
