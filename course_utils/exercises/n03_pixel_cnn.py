"""Checkers of the exercises of 03_pixel_cnn."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises.judge import judge
from course_utils.models import PixelCNN


def causal_mask(answer: Callable) -> None:
    """Exercise 03.1: the mask (k, k) of a masked convolution, kind "A" or "B"."""

    def mask(right: Callable) -> Callable:
        """True at (row, column) where right(place in reading order, centre's place) holds."""
        return lambda kind, k: right(kind, torch.arange(k * k).view(k, k), k * k // 2)

    right = mask(lambda kind, place, centre: place < centre + (kind == "B"))
    wrong = [
        (right, "the values are right, the dtype is not: bool is asked for"),
        (mask(lambda kind, place, centre: place < centre + (kind == "A")), "A and B are swapped: A hides the centre"),
        (mask(lambda kind, place, centre: place < centre), "mask B sees the centre, and this one never does"),
        (mask(lambda kind, place, centre: place <= centre), "mask A must not see the centre"),
        (mask(lambda kind, place, centre: place > centre - (kind == "B")), "turned round: True should mean 'may see'"),
        (
            lambda kind, k: (torch.arange(k)[:, None] < k // 2).expand(k, k),
            "the rows above are right; the pixels to the left in the same row are missing",
        ),
        (
            lambda kind, k: (torch.arange(k)[:, None] <= k // 2).expand(k, k),
            "the whole row of the centre is open: what lies right of the pixel comes later",
        ),
        (
            lambda kind, k: torch.ones(k, k).tril(0 if kind == "B" else -1).bool(),
            "that is a triangle: reading order is row by row, so all of the rows above is open",
        ),
        (lambda kind, k: right(kind, k).T, "transposed: rows come first"),
        (
            mask(lambda kind, place, centre: place < (kind == "B")),
            "count from the centre, which is place k // 2, k // 2",
        ),
        (
            lambda kind, k: torch.outer(torch.arange(k) <= k // 2, torch.arange(k) < k // 2 + (kind == "B")),
            "in the rows above, what lies to the right has been read too",
        ),
    ]
    cases = [(kind, k) for k in (3, 5, 7, 1) for kind in "AB"]
    judge(answer, right, cases, wrong, "A for the first layer, B for all others.", view=lambda m: m)


def rightmost(answer: Callable) -> None:
    """Exercise 03.2: columns to the right that a masked stack sees in row r above, at most."""
    right = lambda r, first, kernel: first // 2 + (r - 1) * (kernel // 2)  # noqa: E731
    wrong = [
        (lambda r, first, kernel: r + 2, "right for a first layer of 7 and layers of 3; use first and kernel"),
        (
            lambda r, first, kernel: first // 2 + r - 1,
            "right for layers of 3; each row buys kernel // 2 columns",
        ),
        (lambda r, first, kernel: first // 2 + r, "r - 1 rows are left, and each allows kernel // 2 columns more"),
        (
            lambda r, first, kernel: first // 2 + (r - 1) * kernel // 2,
            "brackets: (r - 1) * (kernel // 2), half of one kernel for each row",
        ),
        (
            lambda r, first, kernel: first // 2 + r * (kernel // 2),
            "the first layer has gone up one row already: r - 1 rows are left for the others",
        ),
        (lambda r, first, kernel: r * (kernel // 2), "the first layer reaches first // 2, not kernel // 2"),
        (lambda r, first, kernel: first // 2, "the other layers look further right, too: one row up each"),
        (lambda r, first, kernel: first // 2 + kernel // 2, "it grows with r: each further row allows one more step"),
        (
            lambda r, first, kernel: first + (r - 1) * kernel,
            "a kernel of width k reaches k // 2 columns beyond its centre",
        ),
        (lambda r, first, kernel: first / 2 + (r - 1) * kernel / 2, "the reach is a whole number: k // 2"),
        (
            lambda r, first, kernel: first // 2 + (r - 1) * (first // 2),
            "the first layer is used once; the others have kernel",
        ),
    ]
    cases = [(1, 7, 3), (2, 7, 3), (5, 7, 3), (3, 3, 3), (4, 7, 7), (3, 9, 5)]
    moral = "Each row further up buys kernel // 2 columns, and no depth buys more."
    judge(answer, right, cases, wrong, moral)


def shift_down(answer: Callable) -> None:
    """Exercise 03.3: move features (B, F, H, W) down by one row, zeros at the top."""

    def cut(x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 1, -1))

    wrong = [
        (
            lambda features: features.roll(1, 2),
            "the first row holds the last one: roll wraps round, and the top of the picture sees its bottom",
        ),
        (lambda features: features.roll(1, 3), "that moves columns, and wraps round"),
        (lambda features: F.pad(features, (1, -1)), "that moves columns; rows are the third axis"),
        (lambda features: F.pad(features, (0, 0, -1, 1)), "up instead of down: row h now holds row h + 1, the future"),
        (lambda features: F.pad(features, (0, 0, 1, 0)), "one row too many: cut off the last one"),
        (lambda features: features, "nothing has moved: the vertical stack sees its own row"),
        (lambda features: features.roll(-1, 2), "up instead of down, and roll wraps round"),
        (lambda features: F.pad(features, (0, 0, 2, -2)), "two rows down: the row directly above is not seen"),
        (
            lambda features: F.pad(features[:, :, 1:], (0, 0, 1, 0)),
            "the rows stayed where they were: drop the last one, not the first",
        ),
        (
            lambda features: torch.cat([features[:, :, :1], features[:, :, :-1]], 2),
            "the first row must be zeros: here it sees itself",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(2, 3, 4, 5, generator=g),), (torch.randn(1, 2, 3, 3, generator=g),)]
    moral = "With roll it trains, too, and no error tells you: only the alarms of 01 do."
    judge(answer, cut, cases, wrong, moral)


def mixes_images(answer: Callable) -> None:
    """Exercise 03.4: does the log-probability of one image depend on the others in its batch? bool."""

    def by_gradient(model: PixelCNN, x: Tensor) -> bool:
        x = x.clone().requires_grad_()
        return bool((torch.autograd.grad(model.log_prob(x)[0], x)[0][1:] != 0).any())

    def by_value(model: PixelCNN, x: Tensor) -> bool:
        return not torch.allclose(model.log_prob(x)[0], model.log_prob(x[:1])[0])

    def of_all(model: PixelCNN, x: Tensor, others: slice) -> bool:
        x = x.clone().requires_grad_()
        return bool((torch.autograd.grad(model.log_prob(x).sum(), x)[0][others] != 0).any())

    def network(extra: nn.Module, training: bool = True) -> PixelCNN:
        model = PixelCNN((1, 4, 4), channels=6, layers=1)
        model.hidden = nn.Sequential(model.hidden, extra)  # pyright: ignore[reportAttributeAccessIssue]
        return model.train(training)

    wrong = [
        (
            lambda model, x: False,
            "batch norm mixes images while it trains: leave the model in the mode it is in, and look at all images",
        ),
        (
            lambda model, x: of_all(model, x, slice(None)),
            "every model depends on its own image: derive log_prob(x)[0] alone, by the others, x[1:]",
        ),
        (
            lambda model, x: any(isinstance(module, nn.BatchNorm2d) for module in model.modules()),
            "in evaluation batch norm uses stored statistics, and other layers mix images too: ask for a derivative",
        ),
        (
            lambda model, x: model.training,
            "most models in training mode mix nothing, batch norm is the exception: ask for a derivative",
        ),
        (by_value, "dropout changes the value from call to call without mixing images: ask for a derivative"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = (torch.rand(5, 1, 4, 4) < 0.5).float()
        modes = ((nn.Identity(), True), (nn.BatchNorm2d(6), True), (nn.Dropout(0.5), True), (nn.BatchNorm2d(6), False))
        cases = [(network(extra, training), x) for extra, training in modes]
        moral = "With batch norm in training mode the loss is not the likelihood of any distribution over images."
        judge(answer, by_gradient, cases, wrong, moral)
