"""What a long run needs beside its loop: an optimiser, an average, a rate, an order of the pictures, random numbers.

Used by published.py, where the loop stands.
"""

import math

import torch
from torch import Tensor

WARM_UP, AVERAGE = 500, 0.999


class Muon(torch.optim.Optimizer):
    """Momentum whose update of a kernel is made a matrix with singular values of about 1: no direction is left behind.

        M <- 0.95 M + G,    W <- (1 - 0.05 rate) W - rate sqrt(max(1, out / in)) orthogonalised(G + 0.95 M)

    The small shrinking matters: without it noise alone makes W grow from step to step, until the gates saturate.
    A kernel (out, in, height, width) is the matrix (out, in * height * width). Jordan et al., "Muon: an optimizer for
    hidden layers in neural networks", 2024; torch's own (`torch.optim.Muon`) takes matrices only, in bfloat16.
    """

    def __init__(self, parameters, lr: float):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for weight in (weight for weight in group["params"] if weight.grad is not None):
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.mul_(0.95).add_(weight.grad)
                update = orthogonalised((weight.grad + 0.95 * momentum).flatten(1))
                size = max(1, update.shape[0] / update.shape[1]) ** 0.5
                weight.mul_(1 - 0.05 * group["lr"]).sub_(group["lr"] * size * update.view(weight.shape))


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix whose singular values are 1, roughly (0.7 to 1.2), by Newton and Schulz's iteration."""
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def is_large(name: str, weight: Tensor) -> bool:
    """Whether Muon takes it: a large kernel, but not that of the output, whose lengths are the predictions'."""
    return name.endswith("weight") and not name.startswith("output") and weight.ndim > 1 and min(weight.shape[:2]) >= 16


class Average:
    """Running average of parameters, avg <- decay avg + (1 - decay) w, with a decay that grows in the first steps."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.values = [parameter.detach().clone() for parameter in self.parameters]

    def update(self, step: int) -> None:
        decay = min(AVERAGE, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the average and the parameters: before evaluating, and after it."""
        for parameter, value in zip(self.parameters, self.values, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)


def match_strides(optimizer: torch.optim.Optimizer) -> None:
    """Lay each moment out in memory as its parameter is.

    A file has no channels-last tensors, and fused Adam on a CPU walks through parameter and moments side by side,
    without looking at their strides: it would take the moments of other weights, and say nothing.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def generators(device: torch.device) -> Tensor:
    """The state of this process's random numbers, bytes in one tensor on its device."""
    parts = [torch.get_rng_state()]
    if device.type == "cuda":
        parts.append(torch.cuda.get_rng_state(device))
    return torch.cat(parts).to(device)


def set_generators(state: Tensor, device: torch.device) -> None:
    """Go on from such a state. torch takes a part of a larger tensor for another state or crashes, hence the copies."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size].cpu().clone())
    if device.type == "cuda" and len(state) > size:
        torch.cuda.set_rng_state(state[size:].cpu().clone(), device)


def rate_at(step: int, steps: int, highest: float) -> float:
    """A straight line up to the highest rate, then half a cosine down to zero."""
    warm = min(WARM_UP, steps // 10)
    if step < warm:
        return highest * (step + 1) / warm
    return 0.5 * highest * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def order_of(epoch: int, pictures: int, seed: int) -> Tensor:
    """The order of the pictures in an epoch, the same in every process."""
    return torch.randperm(pictures, generator=torch.Generator().manual_seed(1_000_003 * seed + epoch))


def some(pictures: Tensor, limit: int | None) -> Tensor:
    """All pictures, or as many of them; drawn, because some sets are sorted by class."""
    return pictures if limit is None else pictures[order_of(0, len(pictures), 0)[:limit]]


def share(rows: Tensor, fabric) -> Tensor:
    """Every how-many-th row is this process's."""
    return rows[fabric.global_rank :: fabric.world_size]
