"""Networks of a picture and a time: what ``Diffusion`` and ``FlowMatching`` have in common.

    field(x, t):  (B, *shape), (B,)  ->  (B, *shape)

x and t may be float32 where the network is in half precision, in which near times could not be told apart.

The picture is noisy and the answer is a picture too: the noise in it, or the velocity with which it moves. Dense; with
``channels`` a U-Net (Ronneberger et al., arXiv 1505.04597): blocks at each size on the way down, blocks again on the
way up, which also see what the way down saw at that size. The last layer starts at zero, and so does the field. Read
first: ``UNet.forward``.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.distributions import transformed
from course_utils.models.base import dimensions, perceptron
from course_utils.models.coders import need_sizes

FREQUENCIES = 7  # waves of time with periods of 2, 1, 1/2, ... 1/32
GROUP = 8  # maps that are normalised together


def make_field(shape: Sequence[int], hidden: Sequence[int] = (256, 256), channels: Sequence[int] = ()) -> nn.Module:
    """A field for pictures or points of this shape: (x (B, *shape), t (B,)) to (B, *shape).

    Args:
        shape: shape of one image, or (D,) for points.
        hidden: units of the dense layers; with ``channels`` they stand at the bottom of the U-Net, where the picture is
            smallest, and ``()`` leaves them out.
        channels: feature maps of the U-Net at each size, each size half of the one before; none by default.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """
    shape, hidden, channels = need_sizes(shape, hidden, channels)
    return UNet(shape, hidden, channels) if channels else DenseField(shape, hidden)


def time_features(t: Tensor) -> Tensor:
    """Times (B,) in [0, 1] as waves (B, 2 * FREQUENCIES) of doubling frequency, sines then cosines.

    One number would do for a network of unlimited size. Waves let a small one tell apart times that lie close together.
    """
    angle = math.pi * t[:, None] * 2.0 ** torch.arange(FREQUENCIES, dtype=t.dtype, device=t.device)
    return torch.cat([angle.sin(), angle.cos()], 1)


class DenseField(nn.Module):
    """Dense layers on the values and the waves of time side by side."""

    net: nn.Sequential

    def __init__(self, shape: tuple[int, ...], hidden: tuple[int, ...]):
        super().__init__()
        size = dimensions(shape)
        self.net = perceptron(size + 2 * FREQUENCIES, *hidden, size)
        _zero(self.net[-1])

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        dtype: Any = self.net[0].weight.dtype
        seen = torch.cat([x.flatten(1), time_features(t)], 1).to(dtype)
        return self.net(seen).reshape(x.shape)


class UNet(nn.Module):
    """Convolutions at several sizes, with shortcuts from the way down to the way up."""

    time: nn.Sequential
    enter: nn.Conv2d
    place: nn.Parameter
    down: nn.ModuleList
    shrink: nn.ModuleList
    grow: nn.ModuleList
    up: nn.ModuleList
    before: "Block"
    after: "Block"
    dense: nn.Sequential | None
    leave: nn.Sequential

    def __init__(self, shape: tuple[int, ...], hidden: tuple[int, ...], channels: tuple[int, ...]):
        super().__init__()
        first, last = channels[0], channels[-1]
        times = 2 * max(channels)
        self.time = nn.Sequential(*perceptron(2 * FREQUENCIES, times, times), nn.SiLU())
        self.enter = nn.Conv2d(shape[0], first, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(first, *shape[1:]))  # what a convolution cannot know: where it is
        down, shrink, grow, up, sides = [], [], [], [], [shape[1:]]
        for maps, wider in pairwise(channels):
            down.append(Block(maps, times))
            shrink.append(nn.Conv2d(maps, wider, 3, stride=2, padding=1))
            grow.append(nn.Sequential(nn.Upsample(sides[-1]), nn.Conv2d(wider, maps, 3, padding=1)))
            up.append(Block(maps, times))
            sides.append(tuple((side + 1) // 2 for side in sides[-1]))
        self.down, self.shrink = nn.ModuleList(down), nn.ModuleList(shrink)
        self.grow, self.up = nn.ModuleList(grow[::-1]), nn.ModuleList(up[::-1])
        self.before, self.after = Block(last, times), Block(last, times)
        size = last * dimensions(sides[-1])
        dense = [nn.Flatten(), *perceptron(size, *hidden, size), nn.Unflatten(1, (last, *sides[-1]))] if hidden else []
        self.dense = nn.Sequential(*dense) if hidden else None
        self.leave = nn.Sequential(Norm(first), nn.SiLU(), nn.Conv2d(first, shape[0], 3, padding=1))
        _zero(self.leave[-1])

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = self.time(time_features(t).to(self.place.dtype))  # (B, E)
        h, seen = self.enter(x.to(self.place.dtype)) + self.place, []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, time)
            seen.append(h)
            h = shrink(h)
        h = self.before(h, time)
        if self.dense is not None:
            h = h + self.dense(h)
        h = self.after(h, time)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(grow(h) + seen.pop(), time)
        return self.leave(h)


class Block(nn.Module):
    """Two convolutions and a shortcut around them; between them time scales and shifts each map."""

    first: nn.Sequential
    norm: "Norm"
    time: nn.Linear
    second: nn.Sequential

    def __init__(self, maps: int, times: int):
        super().__init__()
        self.first = nn.Sequential(Norm(maps), nn.SiLU(), nn.Conv2d(maps, maps, 3, padding=1))
        self.norm = Norm(maps)
        self.time = nn.Linear(times, 2 * maps)
        self.second = nn.Sequential(nn.SiLU(), nn.Conv2d(maps, maps, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)  # (B, F, 1, 1) each
        return x + self.second(self.norm(self.first(x)) * (1 + scale) + shift)


class Norm(nn.GroupNorm):
    """Over maps of one picture: a batch norm would make each picture's answer depend on the others."""

    def __init__(self, maps: int):
        super().__init__(maps // math.gcd(maps, GROUP), maps)

    def forward(self, x: Tensor) -> Tensor:
        # torch's directional derivative of this norm refuses numbers that lie in memory as channels_last
        return super().forward(x.contiguous() if transformed(x) else x)


def _zero(layer: Any) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
