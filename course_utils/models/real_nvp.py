"""RealNVP: a density by a change of variables that can be undone, made of steps whose Jacobian is a triangle.

    z = f(x),    log p(x) = log N(z | 0, I) + log |det df/dx|

The values of x are split into two halves, the colours of a checkerboard. A coupling keeps one half, which says how the
other is stretched and shifted:

    z_changed = x_changed exp(s) + t,    s, t functions of x_kept only,    log |det dz/dx| = sum of s

Undoing it needs no inverse of the networks: the kept half is still there, so that s and t are known, and x_changed =
(z_changed - t) exp(-s). The next coupling keeps what this one has changed. Dinh et al., arXiv 1605.08803. Read first:
``Coupling`` and ``RealNVP.encode``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelFamily, categorical, draw, gaussian
from course_utils.models.base import (
    DensityModel,
    Derived,
    ModuleList,
    at_least_float32,
    dimensions,
    need_numbers_from,
    need_values,
    perceptron,
    portion,
)
from course_utils.models.coders import need_sizes
from course_utils.models.dequantise import dequantised_log_prob, quantise
from course_utils.models.vae import log_normal


class RealNVP(Derived, DensityModel):
    """Affine couplings on points, or on pictures, whose levels are made real numbers by noise.

    For dense networks a half is the row of its values (B, D / 2), so that no weight is spent on values that a network
    may not see or whose answer nobody uses. For convolutions it is a picture, with zeros in place of the other half.

    Args:
        shape: shape of one image, or (D,) for points.
        layers: number of couplings.
        hidden: units of the dense layers of each coupling's network.
        channels: feature maps of convolutions instead of the dense layers: the first, then a residual block for each
            further one, all of the same number; none by default.
        levels: number of grey levels L of pictures that hold k / (L - 1). By default values are real numbers.

    Raises:
        ValueError: a size is not positive, there are convolutions and no image, or levels are below 2.
    """

    shape: tuple[int, ...]
    levels: int | None
    pixels: PixelFamily
    convolutions: bool
    sizes: list[int]
    turns: list[int]
    couplings: "ModuleList[Coupling]"
    board: Tensor
    order: Tensor
    back: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        layers: int = 8,
        hidden: Sequence[int] = (128,),
        channels: Sequence[int] = (),
        *,
        levels: int | None = None,
    ):
        super().__init__()
        self.shape, hidden, channels = need_sizes(shape, hidden, channels)
        layers = _check.whole("layers", layers)
        self.levels = None if levels is None else _check.whole("levels", levels, least=2)
        self.pixels = gaussian() if levels is None else categorical(levels)
        self.convolutions = bool(channels)
        self.sizes = [int((mask(self.shape) == colour).sum()) for colour in (0, 1)]
        # Which half each coupling changes. A single value has no other half.
        self.turns = [i % 2 if self.sizes[1] else 0 for i in range(layers)]
        self.couplings = ModuleList(self._coupling(colour, hidden, channels) for colour in self.turns)
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        """The checkerboard, or the order in which one colour comes after the other, and the way back from it."""
        board = mask(self.shape)
        if self.convolutions:
            return {"board": board.to(self.couplings[0].scale.dtype)}
        order = board.flatten().argsort(stable=True)
        return {"order": order, "back": order.argsort()}

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x) (B, *shape), and log |det df/dx| (B,), for real-valued x (B, *shape); never in half precision.

        Raises:
            ValueError: x is not a float batch (B, *shape) of the parameters' type.
        """
        need_real(x, self)
        halves = self.split(x.to(at_least_float32(x.dtype)))  # only the networks work in half precision
        stretches = []
        for changed, coupling in zip(self.turns, self.couplings, strict=True):
            halves[changed], s = coupling(halves[1 - changed], halves[changed])
            stretches.append(s.flatten(1))
        return self.join(halves), torch.cat(stretches, 1).sum(1)

    def decode(self, z: Tensor) -> Tensor:
        """The inverse of f: x (B, *shape) for z (B, *shape), real-valued also where the pictures have levels.

        Never in half precision, whatever the parameters are in.

        Raises:
            ValueError: z is not a float batch (B, *shape) of the parameters' type.
        """
        need_real(z, self, "z")
        halves = self.split(z.to(at_least_float32(z.dtype)))
        for changed, coupling in zip(reversed(self.turns), reversed(self.couplings), strict=True):
            halves[changed] = coupling.inverse(halves[1 - changed], halves[changed])
        return self.join(halves)

    def split(self, x: Tensor) -> list[Tensor]:
        """The two halves of x (B, *shape): values where ``mask`` is 0, and where it is 1; see the class."""
        if self.convolutions:
            return [(1 - self.board) * x, self.board * x]
        return list(x.flatten(1).index_select(1, self.order).split(self.sizes, 1))

    def join(self, halves: list[Tensor]) -> Tensor:
        """x (B, *shape) of its two halves."""
        if self.convolutions:
            return halves[0] + halves[1]
        return torch.cat(halves, 1).index_select(1, self.back).view(-1, *self.shape)

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) of real-valued x (B, *shape), exact, shape (B,), in nats: a density, which may exceed 0.

        Raises:
            ValueError: x is not a float batch (B, *shape) of the parameters' type.
        """
        z, log_det = self.encode(x)
        return log_normal(z).flatten(1).sum(1) + log_det

    def log_prob(self, x: Tensor, samples: int = 1, *, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-density of real values; with ``levels`` a lower bound on the log-probability. Shape (B,), in nats.

        The bound is that of ``dequantised_log_prob``: with one draw of the noise E_u[log p(x + noise)], in expectation;
        it grows towards log P(x) with ``samples``.

        Args:
            x: float (B, *shape), real values, or k / (L - 1).
            samples: draws of the noise; without levels there is none.
            generator: source of the noise; torch's global one by default.

        Raises:
            ValueError: ``samples`` is not a positive integer, or x is no batch of this model's values.
        """
        samples = _check.whole("samples", samples)
        need_values(x, self)
        if self.levels is None:
            return self.log_density(x)
        return dequantised_log_prob(self.log_density, x, self.levels, samples, generator=generator)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n draws, shape (n, *shape): z from N(0, I), back through the couplings, rounded down to a level if there are.

        Raises:
            ValueError: n is not a positive integer, or a network answers NaN.
        """
        like = next(self.parameters()).new_empty(_check.whole("n", n), *self.shape)
        z = draw(torch.randn, like, generator)
        x = torch.cat([self.decode(part) for part in z.split(portion(z))])
        need_numbers_from(self, x.isnan().any())
        return (x if self.levels is None else quantise(x, self.levels)).to(like.dtype)

    def _coupling(self, colour: int, hidden: tuple[int, ...], channels: tuple[int, ...]) -> "Coupling":
        """One that changes the half of this colour, with a new network."""
        if channels:
            return Coupling(ConvNet((mask(self.shape) == colour).float(), channels), (self.shape[0], 1, 1))
        kept, changed = self.sizes[1 - colour], self.sizes[colour]
        return Coupling(DenseNet(kept, hidden, changed), (changed,))


class Coupling(nn.Module):
    """z = x exp(s) + t for one half x of the values, with s = scale * tanh(...) and t from the other, the kept half.

    The last layer of the network starts at zero, and the coupling as the identity.

    Args:
        net: network from the kept half (B, ...) to s, before tanh, and t of the other, side by side along axis 1.
        scale: shape of the factor of s, which broadcasts to the half that is changed.
    """

    net: nn.Module
    scale: nn.Parameter

    def __init__(self, net: nn.Module, scale: tuple[int, ...]):
        super().__init__()
        self.net = net
        self.scale = nn.Parameter(torch.ones(scale))  # how far tanh reaches: it keeps exp(s) from running away

    def forward(self, kept: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """z in the shape of x, and s, whose sum is log |det dz/dx|."""
        s, t = self.stretch_and_shift(kept)
        return x * s.exp() + t, s

    def inverse(self, kept: Tensor, z: Tensor) -> Tensor:
        """x, from the same network: it looks only at what the coupling has not changed."""
        s, t = self.stretch_and_shift(kept)
        return (z - t) * (-s).exp()

    def stretch_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """s and t of the half that is changed."""
        s, t = self.net(kept).to(kept.dtype).chunk(2, 1)
        return self.scale * s.tanh(), t


class DenseNet(nn.Sequential):
    """Dense layers from the kept values (B, K) to two numbers for each of the others, (B, 2 N).

    Where nothing is kept, as of a single value, they see a one.
    """

    def __init__(self, kept: int, hidden: tuple[int, ...], changed: int):
        super().__init__(*perceptron(max(1, kept), *hidden, 2 * changed))
        _zero(self[-1])

    def forward(self, kept: Tensor) -> Tensor:
        seen = kept if kept.shape[1] else kept.new_ones(len(kept), 1)
        dtype: Any = self[-1].weight.dtype
        return super().forward(seen.to(dtype))


class ConvNet(Derived):
    """A convolution, residual blocks of two each, and a last convolution: pictures (B, C, H, W) to (B, 2C, H, W).

    Args:
        changed: mask (C, H, W), 1 where the answers count; elsewhere they are 0.
        channels: feature maps: of the first convolution, then of each block.
    """

    enter: nn.Conv2d
    place: nn.Parameter
    blocks: nn.ModuleList
    leave: nn.Conv2d
    changed: Tensor

    def __init__(self, changed: Tensor, channels: tuple[int, ...]):
        super().__init__()
        (maps, *sides), (first, *rest) = changed.shape, channels
        self.enter = nn.Conv2d(maps, first, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(first, *sides))  # what a convolution cannot know: where it is
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(), nn.Conv2d(first, wide, 3, padding=1), nn.SiLU(), nn.Conv2d(wide, first, 3, padding=1)
            )
            for wide in rest
        )
        self.leave = nn.Conv2d(first, 2 * maps, 3, padding=1)
        _zero(self.leave)
        self._changed = changed
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        return {"changed": torch.cat([self._changed, self._changed]).to(self.place.dtype)}  # for s and for t

    def forward(self, kept: Tensor) -> Tensor:
        h = self.enter(kept.to(self.place.dtype)) + self.place
        for block in self.blocks:
            h = h + block(h)
        return self.changed * self.leave(nn.functional.silu(h))


def mask(shape: tuple[int, ...]) -> Tensor:
    """On the CPU a checkerboard of 0 and 1 over the rows and columns of a picture, or 0, 1, 0, ... along a point.

    The channels of a picture of one pixel are a point, too.
    """
    if len(shape) == 3 and dimensions(shape[1:]) == 1:
        return mask(shape[:1]).view(shape)
    *_, height, width = (1, *shape)
    rows, columns = torch.arange(height, device="cpu"), torch.arange(width, device="cpu")
    board = (rows[:, None] + columns) % 2  # (H, W)
    return board.float().reshape(shape[-2:]).expand(shape).clone()


def _zero(layer: Any) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def need_real(x: Tensor, model: RealNVP, name: str = "x") -> None:
    """Refuse what is no float batch (B, *shape) of the type of the model's parameters; float32 beside half precision.

    Raises:
        ValueError: it is not.
    """
    want = next(model.parameters()).dtype
    if not isinstance(x, Tensor) or tuple(x.shape[1:]) != model.shape or x.dtype not in (want, at_least_float32(want)):
        sides = ", ".join(map(str, model.shape))
        raise ValueError(f"{name} must be a {want} tensor of shape (B, {sides}), got {_check.describe(x)}")
