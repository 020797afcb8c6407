"""MADE: masks turn an ordinary multilayer perceptron into an autoregressive model.

    hidden unit k sees pixels of rank <= m(k);   pixel of rank i is predicted by units with m(k) < i

Germain et al., "MADE: masked autoencoder for distribution estimation", arXiv 1502.03509. Read first: ``masks``, then
``conditionals``. The masks multiply the weights where they are used and are never written into them: a network whose
weights are zeroed by each new ordering erases itself.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, Derived, ModuleList, Position, Step, dimensions
from course_utils.models.fvsbn import flat_index, masked, positions, ranks


class MADE(Derived, AutoregressiveModel):
    """A masked perceptron, with the paper's direct connections from input to output (a FVSBN beside the hidden layers).

    Args:
        shape: (C, H, W).
        hidden: units of each hidden layer.
        distribution: family of the pixels, Bernoulli by default.
        order: a permutation of the D flat indices; row by row, channels innermost, by default.

    Raises:
        ValueError: ``shape``, ``hidden`` or ``order`` is not of that form.
    """

    degrees: list[Tensor]
    layers: "ModuleList[nn.Linear]"
    direct: nn.Parameter
    rank: Tensor
    mask_direct: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int] = (256,),
        distribution: PixelFamily | None = None,
        order: Tensor | None = None,
    ):
        super().__init__(shape, distribution)
        hidden = _check.sizes("hidden", hidden)
        size, params, features = dimensions(self.shape), self.pixels.n_params, self.pixels.n_features
        self.degrees = [even_degrees(units, size) for units in hidden]
        sizes = [size * features, *hidden, size * params]
        self.layers = ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        self.direct = nn.Parameter(torch.zeros(size * params, size * features))
        self.register_buffer("rank", ranks(self.shape, order).to(self.direct.device))
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        degrees = [degrees.to(self.rank.device) for degrees in self.degrees]
        every = {f"mask_{i}": mask for i, mask in enumerate(masks(self.rank, degrees))}
        every["mask_direct"] = self.rank[:, None] > self.rank[None, :]
        return {name: mask.to(self.direct.dtype) for name, mask in every.items()}

    def order(self) -> list[Position]:
        return positions(self.shape, self.rank)

    def weight(self, i: int) -> Tensor:
        """The masked weights of layer i, shape (outputs, inputs)."""
        return masked(self.layers[i].weight, getattr(self, f"mask_{i}"))

    def conditionals(self, x: Tensor) -> PixelDistribution:
        features = self.encode(x).flatten(1)  # (B, D * E)
        hidden = features
        last = len(self.layers) - 1
        for i in range(last):
            hidden = F.relu(F.linear(hidden, self.weight(i), self.layers[i].bias))
        params = F.linear(hidden, self.weight(last), self.layers[last].bias)  # (B, D * P)
        params = params + F.linear(features, masked(self.direct, self.mask_direct))
        return self.pixels(params.view(*x.shape, self.pixels.n_params))

    def incremental(self, x: Tensor) -> Step:
        """Compute each hidden unit once, as soon as the last pixel that it sees is known.

        All D steps together cost as much as one evaluation of the network.
        """
        weights = [self.weight(i) for i in range(len(self.layers))]
        direct, each, size = masked(self.direct, self.mask_direct), self.pixels.n_features, dimensions(self.shape)
        features = direct.new_zeros(len(x), size * each)  # not of x, which may hold tokens
        hidden = [direct.new_zeros(len(x), len(degrees)) for degrees in self.degrees]
        due = [[(degrees == i).nonzero().flatten().to(x.device) for i in range(size)] for degrees in self.degrees]
        before: int | None
        flat, before, i = x.view(len(x), -1), None, -1

        def step(c: int, h: int, w: int) -> PixelDistribution:
            nonlocal before, i
            if before is not None:
                features[:, before * each : (before + 1) * each] = self.encode(flat[:, before])
                for inputs, outputs, weight, layer, units in zip(
                    [features, *hidden], hidden, weights, self.layers, [d[i] for d in due], strict=False
                ):
                    outputs[:, units] = F.relu(F.linear(inputs, weight[units], layer.bias[units]))
            before, i = flat_index(self.shape, c, h, w), i + 1
            rows = slice(before * self.pixels.n_params, (before + 1) * self.pixels.n_params)
            params = F.linear(hidden[-1], weights[-1][rows], self.layers[-1].bias[rows])
            return self.pixels(params + F.linear(features, direct[rows]))

        return step


def even_degrees(units: int, size: int) -> Tensor:
    """Degrees m(k) of a layer, (units,), on the CPU: 0 ... D - 2, evenly spread (the paper draws them at random)."""
    return torch.arange(units, device="cpu") * max(size - 1, 1) // units


def masks(rank: Tensor, degrees: list[Tensor]) -> list[Tensor]:
    """The masks of all layers, each (outputs, inputs), from the pixels' ranks and the hidden units' degrees.

    First layer: m(k) >= rank. Between: m(k') >= m(k). Last: rank > m(k); the strict sign is what keeps a pixel from
    seeing itself.
    """
    first = degrees[0][:, None] >= rank[None, :]
    between = [after[:, None] >= before[None, :] for before, after in pairwise(degrees)]
    return [first, *between, rank[:, None] > degrees[-1][None, :]]
