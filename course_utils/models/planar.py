"""A generator and a discriminator for points of the plane whose modes are small and lie apart."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_utils import _check


class Waves(nn.Module):
    """x -> (x, sin(w_i x), cos(w_i x)) for fixed random directions; the frequencies |w_i| rise from 1 to ``highest``.

    A network that is fed two numbers learns coarse shapes first; with waves a generator changes quickly between modes,
    and a discriminator sees how narrow a mode is (random Fourier features: Tancik et al., arXiv 2006.10739).

    Args:
        waves: number of directions; 0 leaves x alone.
        highest: largest frequency, in radians per unit of x; above 0.

    Shape:
        x (..., 2) to (..., 2 + 2 waves).

    Raises:
        ValueError: waves is no whole number from 0 on, highest is not above 0, or x does not end in 2 coordinates.
    """

    directions: Tensor  # (2, waves)

    def __init__(self, waves: int, highest: float):
        super().__init__()
        waves, highest = _check.whole("waves", waves, least=0), _check.positive("highest", highest)
        angle, frequency = 2 * math.pi * torch.rand(waves), torch.logspace(0, math.log10(highest), waves)
        self.register_buffer("directions", torch.stack([angle.cos(), angle.sin()]) * frequency)  # (2, waves)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 1 or x.shape[-1] != 2:
            raise ValueError(f"x must be points (..., 2), got {_check.describe(x)}")
        phase = x @ self.directions
        return torch.cat([x, phase.sin(), phase.cos()], -1)


def planar_players(
    eyes_g: tuple[int, float] = (8, 3.0), eyes_d: tuple[int, float] = (32, 60.0), wide: bool = True
) -> tuple[nn.Module, nn.Module]:
    """Generator from 2 numbers to a point of the plane, (B, 2) to (B, 2), and discriminator, (B, 2) to logits (B,).

    Both have three hidden layers of 64, behind ``Waves``; the data should have a standard deviation of about 1.

    Args:
        eyes_g, eyes_d: number of waves and highest frequency of each player; no waves leave the two numbers alone.
        wide: He's initialisation (arXiv 1502.01852) of the generator spreads its points as wide as the data from the
            first step on.
    """
    sizes = [2 + 2 * eyes_g[0], 64, 64, 64]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())] + [nn.Linear(64, 2)]
    for layer in layers[::2] if wide else ():  # the linear ones
        nn.init.kaiming_normal_(layer.weight)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    generator = nn.Sequential(Waves(*eyes_g), *layers)
    sizes = [2 + 2 * eyes_d[0], 64, 64, 64]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return generator, nn.Sequential(Waves(*eyes_d), *layers, nn.Linear(64, 1), nn.Flatten(0))
