"""Fully visible sigmoid belief network: every conditional is a logistic regression on the pixels before it.

    p(x_i = 1 | x_<i) = sigmoid(b_i + sum_{j < i} W_ij (2 x_j - 1))

Neal, "Connectionist learning of belief networks", 1992; the baseline called FVSBN in the NADE papers. Read first:
``conditionals``. All D regressions are one masked matrix product.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, Derived, Position, Step, dimensions


class FVSBN(Derived, AutoregressiveModel):
    """One logistic (softmax) regression a pixel; ``logits = b + (W * mask) f``, the mask strictly lower triangular.

    Of a pixel with few levels f holds the value on [-1, 1] and a one-hot code, of a binary one only the value.

    Args:
        shape: (C, H, W).
        distribution: family of the pixels, Bernoulli by default.
        order: a permutation of the D = C * H * W flat indices; pixel ``order[i]`` is predicted i-th. Row by row,
            channels innermost, by default.

    Raises:
        ValueError: ``shape`` or ``order`` is not of that form.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    rank: Tensor
    mask: Tensor

    def __init__(self, shape: Sequence[int], distribution: PixelFamily | None = None, order: Tensor | None = None):
        super().__init__(shape, distribution)
        rank = ranks(self.shape, order)
        rows, columns = len(rank) * self.pixels.n_params, len(rank) * self.pixels.n_features
        self.weight = nn.Parameter(torch.zeros(rows, columns))  # (D * P, D * E)
        self.bias = nn.Parameter(torch.zeros(rows))
        self.register_buffer("rank", rank.to(self.bias.device))  # rank[d]: when flat pixel d is predicted
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        return {"mask": (self.rank[:, None] > self.rank[None, :]).to(self.weight.dtype)}  # (D, D): may d look at e?

    def order(self) -> list[Position]:
        return positions(self.shape, self.rank)

    def conditionals(self, x: Tensor) -> PixelDistribution:
        features = self.encode(x).flatten(1)  # (B, D * E)
        params = F.linear(features, masked(self.weight, self.mask), self.bias)  # (B, D * P)
        return self.pixels(params.view(*x.shape, self.pixels.n_params))

    def incremental(self, x: Tensor) -> Step:
        """Keep the weighted sum of all pixels so far; each new pixel adds one column: O(D) a pixel, not O(D^2)."""
        weight = masked(self.weight, self.mask).view(-1, dimensions(self.shape), self.pixels.n_features)
        total = self.bias.repeat(len(x), 1)  # (B, D * P)
        before: int | None
        flat, before = x.view(len(x), -1), None

        def step(c: int, h: int, w: int) -> PixelDistribution:
            nonlocal before, total
            if before is not None:
                total += self.encode(flat[:, before]) @ weight[:, before].T
            before = flat_index(self.shape, c, h, w)
            return self.pixels(total.view(len(x), -1, self.pixels.n_params)[:, before])

        return step


def ranks(shape: tuple[int, int, int], order: Tensor | None) -> Tensor:
    """When each flat pixel is predicted, shape (D,), on the CPU: the inverse of the permutation ``order``.

    Raises:
        ValueError: ``order`` is not a permutation of 0 ... D - 1.
    """
    size = dimensions(shape)
    places = torch.arange(size, device="cpu")  # also where the default device is one that holds no values
    order = places.view(shape).permute(1, 2, 0).flatten() if order is None else torch.as_tensor(order, device="cpu")
    if order.shape != (size,) or not torch.equal(order.sort().values, places):
        got = order.tolist() if size <= 16 and order.numel() <= 16 else f"shape {tuple(order.shape)}"
        raise ValueError(f"order must be a permutation of 0 ... {size - 1}, got {got}")
    return order.argsort()


def positions(shape: tuple[int, int, int], rank: Tensor) -> list[Position]:
    """(channel, row, column) of each pixel, sorted by rank."""
    _, height, width = shape
    return [(d // (height * width), d // width % height, d % width) for d in rank.argsort().tolist()]


def flat_index(shape: tuple[int, int, int], c: int, h: int, w: int) -> int:
    """Index of a position in the flattened image."""
    return (c * shape[1] + h) * shape[2] + w


def masked(weight: Tensor, mask: Tensor) -> Tensor:
    """Weights (R * P, C * E) of R outputs and C inputs, P and E numbers each, under a mask (R, C) of 0 and 1 between.

    A new tensor: a mask that is written into the weights would stay there when the order changes.
    """
    outputs, inputs = mask.shape
    blocks = weight.view(outputs, -1, inputs, weight.shape[1] // inputs)  # (R, P, C, E)
    return (blocks * mask[:, None, :, None]).view_as(weight)
