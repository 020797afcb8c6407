"""How colourful pictures are."""

import torch
from torch import Tensor

from course_utils import _check


def saturation(x: Tensor) -> Tensor:
    """Mean HSV saturation of each image: 0 where all is grey, 1 where every pixel is a pure hue, however dark.

        S = (max(R, G, B) - min(R, G, B)) / max(R, G, B), and 0 for black

    (A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978.)

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].

    Returns:
        (B,), in [0, 1].

    Raises:
        ValueError: x is not of that form, or holds other values.
    """
    _need_colours(x)
    largest, smallest = x.amax(1), x.amin(1)  # (B, H, W)
    return ((largest - smallest) / largest.clamp(min=torch.finfo(x.dtype).tiny)).mean((1, 2))


def chroma(x: Tensor) -> Tensor:
    """Mean chroma of each image: saturation times brightness, so that dark pixels count for little.

        C = max(R, G, B) - min(R, G, B)

    (G. H. Joblove and D. Greenberg, "Color spaces for computer graphics", SIGGRAPH 1978.)

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].

    Returns:
        (B,), in [0, 1].

    Raises:
        ValueError: x is not of that form, or holds other values.
    """
    _need_colours(x)
    return (x.amax(1) - x.amin(1)).mean((1, 2))


def colourfulness(x: Tensor) -> Tensor:
    """Colourfulness of each image after Hasler and Süsstrunk, fitted to the ratings of people; 0 for all greys.

        rg = R - G,  yb = (R + G) / 2 - B,  M = sqrt(std(rg)² + std(yb)²) + 0.3 sqrt(mean(rg)² + mean(yb)²)

    with R, G, B from 0 to 255, and std and mean over the pixels. In the paper's scale 0 is "not colourful",
    59 "quite", 109 "extremely colourful". (D. Hasler and S. Süsstrunk, "Measuring colourfulness in natural images",
    Human Vision and Electronic Imaging 2003, the metric that the paper calls M(3).)

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].

    Returns:
        (B,), at least 0.

    Raises:
        ValueError: x is not of that form, or holds other values.
    """
    _need_colours(x)
    red, green, blue = (255 * x).flatten(2).unbind(1)  # (B, H * W) each
    opponents = torch.stack([red - green, (red + green) / 2 - blue])  # (2, B, H * W): red-green, yellow-blue
    spread = opponents.var(-1, correction=0).sum(0).sqrt()  # (B,)
    return spread + 0.3 * opponents.mean(-1).square().sum(0).sqrt()


def _need_colours(x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3 or not x.numel():
        raise ValueError(f"x must be a floating-point tensor of shape (B, 3, H, W), got {_check.describe(x)}")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must hold values in [0, 1], got some from {x.min().item():.4g} to {x.max().item():.4g}")
