"""Encoders and decoders, the two networks of Part II: dense layers, with convolutions around them where asked for.

An encoder takes encoded pixels (B, *shape, E) to O numbers (B, O); a decoder takes a code (B, Z) to P numbers for each
value, (B, *shape, P). Each convolution of the encoder halves the sides of the picture (rounded up), each of the decoder
doubles them again: neighbours are repeated and then convolved, which leaves no checkerboard (Odena et al. 2016,
doi 10.23915/distill.00003).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from course_utils import _check
from course_utils.models.base import dimensions, join_features, perceptron, split_params


def make_encoder(
    shape: Sequence[int], features: int, outputs: int, hidden: Sequence[int], channels: Sequence[int] = ()
) -> nn.Sequential:
    """Network from encoded pixels (B, *shape, features) to (B, outputs).

    Args:
        shape: shape of one image, or (D,) for points.
        features: numbers E for each value.
        outputs: numbers O for each image.
        hidden: units of the dense layers, from the picture to the code.
        channels: feature maps of the convolutions that come before them, none by default.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """
    shape, hidden, channels = need_sizes(shape, hidden, channels)
    layers: list[nn.Module] = [JoinFeatures()] if channels else []
    inputs = shape[0] * features
    for maps in channels:
        layers += [nn.Conv2d(inputs, maps, 3, stride=2, padding=1), nn.SiLU()]
        inputs = maps
    size = inputs * dimensions(_sides(shape, channels)[-1]) if channels else dimensions(shape) * features
    return nn.Sequential(*layers, nn.Flatten(), *perceptron(size, *hidden, outputs))


def make_decoder(
    latent: int, shape: Sequence[int], params: int, hidden: Sequence[int], channels: Sequence[int] = ()
) -> nn.Sequential:
    """Network from codes (B, latent) to parameters (B, *shape, params), the mirror image of ``make_encoder``.

    Args:
        latent: size Z of a code.
        shape: shape of one image, or (D,) for points.
        params: numbers P for each value.
        hidden, channels: as for ``make_encoder``, from the picture to the code; used from the last to the first.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """
    shape, hidden, channels = need_sizes(shape, hidden, channels)
    if not channels:
        size = dimensions(shape) * params
        return nn.Sequential(*perceptron(latent, *reversed(hidden), size), nn.Unflatten(1, (*shape, params)))
    smallest, *larger = reversed(_sides(shape, channels))
    inputs, *maps = *reversed(channels), shape[0] * params
    start = perceptron(latent, *reversed(hidden), inputs * dimensions(smallest))
    layers: list[nn.Module] = [*start, nn.Unflatten(1, (inputs, *smallest))]
    for sides, outputs in zip(larger, maps, strict=True):
        layers += [nn.SiLU(), nn.Upsample(sides), nn.Conv2d(inputs, outputs, 3, padding=1)]
        inputs = outputs
    return nn.Sequential(*layers, SplitParams(shape[0]))


def need_sizes(
    shape: Sequence[int], hidden: Sequence[int], channels: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The three as tuples of ints.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """
    shape = _check.sizes("shape", shape)
    hidden = _check.sizes("hidden", hidden, least=0)
    channels = _check.sizes("channels", channels, least=0)
    if channels and len(shape) != 3:
        raise ValueError(f"shape must be (channels, height, width) for convolutions, got {shape}")
    return shape, hidden, channels


def need_codes(z: Tensor, latent: int) -> Tensor:
    """Return z if it is a batch of codes.

    Raises:
        ValueError: z is not a float tensor (..., latent).
    """
    if not isinstance(z, Tensor) or not z.is_floating_point() or not z.ndim or z.shape[-1] != latent:
        raise ValueError(f"z must be a float tensor of shape (..., {latent}), got {_check.describe(z)}")
    return z


def _sides(shape: tuple[int, ...], channels: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Height and width of the picture, then after each convolution."""
    sides = [shape[1:]]
    for _ in channels:
        height, width = sides[-1]
        sides.append(((height + 1) // 2, (width + 1) // 2))
    return sides


class JoinFeatures(nn.Module):
    """Encoded values (B, C, H, W, E) as a convolution's input (B, C * E, H, W)."""

    def forward(self, features: Tensor) -> Tensor:
        return join_features(features)


class SplitParams(nn.Module):
    """A convolution's output (B, C * P, H, W) as parameters (B, C, H, W, P)."""

    channels: int

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, params: Tensor) -> Tensor:
        return split_params(params, self.channels)
