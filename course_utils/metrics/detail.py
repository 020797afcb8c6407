"""How sharp pictures are: the power of their fine detail."""

import torch
from torch import Tensor

from course_utils import _check


def high_frequency_power(x: Tensor, cut: float = 0.25) -> Tensor:
    """Power of each picture in its fine detail: edges and grain have it, blurred pictures have lost it.

        P = 1/(H W)^2 sum over frequencies f with |f| >= cut of |FFT(x)_f|^2,    |f| = sqrt(f_y^2 + f_x^2)

    By Parseval's theorem the sum over *all* frequencies is the mean square of the pixels, so P is the part of it that
    frequencies from ``cut`` on carry. A dimmed picture has less of it, too: for sharpness divide by the variance over
    the pixels, and compare two sets of pictures by the ratio: 1 as sharp as the other set, below 1 blurred; above 1
    noise, which this measure does not tell from detail. An edge of the picture counts as if the picture went on with
    its other side.

    Args:
        x: floating point (B, C, H, W); channels are averaged.
        cut: in cycles per pixel; 0.25 is a wave of 4 pixels, and 0.5 the finest along a row.

    Returns:
        (B,), in squared grey values.

    Raises:
        ValueError: x is not a float batch (B, C, H, W), or cut is not above 0 and at most 0.5.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or not x.numel():
        raise ValueError(f"x must be a floating-point tensor of shape (B, C, H, W), got {_check.describe(x)}")
    if not 0 < _check.number(cut) <= 0.5:
        raise ValueError(f"cut must be above 0 and at most 0.5 cycles per pixel, got {_check.describe(cut)}")
    height, width = x.shape[2:]
    rows, columns = torch.fft.fftfreq(height, device=x.device), torch.fft.fftfreq(width, device=x.device)
    fine = (rows[:, None] ** 2 + columns[None, :] ** 2).sqrt() >= _check.number(cut) - 1e-6  # fftfreq rounds
    power = torch.fft.fft2(x, norm="forward").abs().square()  # (B, C, H, W); norm "forward" divides by H W
    return (power * fine).sum((2, 3)).mean(1)


def sharpness(x: Tensor, reference: Tensor) -> float:
    """How sharp pictures are beside others: 1 as sharp, below 1 blurred; above 1 grain, or strokes too hard.

        s(x) = (mean over pictures of high_frequency_power) / (mean over pictures of the variance over the pixels)
        sharpness = s(x) / s(reference)

    Divided by the contrast, so that dimming a picture does not count as blurring it; even pictures have no detail, 0.
    Noise counts as detail: read it beside a measure that bad pictures do not pass.

    Args:
        x: floating point (B, C, H, W).
        reference: floating point (N, C, H, W), real pictures, some of them with detail.

    Raises:
        ValueError: x or reference is not a finite float batch (B, C, H, W), their pictures differ in shape, or no
            reference picture has any fine detail.
    """
    fine, usual = _detail_of_contrast("x", x), _detail_of_contrast("reference", reference)
    if reference.shape[1:] != x.shape[1:]:
        got = _check.describe(reference)
        raise ValueError(f"reference must hold pictures of shape {tuple(x.shape[1:])}, got {got}")
    if usual < 1e-9:
        raise ValueError("reference must hold pictures with fine detail, got none")
    return fine / usual


def _detail_of_contrast(name: str, x: Tensor) -> float:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or not x.numel():
        raise ValueError(f"{name} must be a floating-point tensor of shape (B, C, H, W), got {_check.describe(x)}")
    if not x.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    x = x.detach().double()
    contrast = x.var((2, 3), correction=0).mean().item()  # the power is a mean over the channels, too
    return high_frequency_power(x).mean().item() / contrast if contrast > 1e-12 else 0.0
