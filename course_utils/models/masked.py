"""Masked convolution, whole and one pixel at a time: what PixelCNN and its successors are made of.

van den Oord et al., "Pixel recurrent neural networks", arXiv 1601.06759, section 3.4. Mask A (first layer) lets a pixel
see the pixels before it, mask B (later layers) also its own features, which mask A kept from seeing the pixel itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedConv2d(nn.Conv2d):
    """Convolution of odd kernel size that sees only pixels before (mask A) or up to (mask B) its own, in raster order.

    With several image channels the features fall into as many groups, in order (first R, then G, then B): at its own
    pixel group i sees groups before i (mask A) or up to i (mask B).

    Args:
        mask: "A" or "B".
        in_channels, out_channels: numbers of features.
        kernel_size: odd.
        image_channels: number of image channels C.

    Raises:
        ValueError: another mask, an even kernel size, or fewer features than image channels.
    """

    def __init__(self, mask: str, in_channels: int, out_channels: int, kernel_size: int, image_channels: int = 1):
        if mask not in ("A", "B"):
            raise ValueError(f"mask must be 'A' or 'B', got {mask!r}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, so that it has a centre, got {kernel_size}")
        if min(in_channels, out_channels) < image_channels:
            got = f"{in_channels} and {out_channels}"
            raise ValueError(f"channels must be at least the image's {image_channels}, got {got}")
        super().__init__(in_channels, out_channels, kernel_size)
        mask = causal_mask(mask, in_channels, out_channels, kernel_size, image_channels)
        self.register_buffer("mask", mask, persistent=False)  # follows from the arguments

    def live_weight(self) -> Tensor:
        """The masked weights without the rows below the centre, which are all zero: (out, in, k // 2 + 1, k)."""
        rows = self.kernel_size[0] // 2 + 1
        return self.weight[:, :, :rows] * self.mask[:, :, :rows]

    def forward(self, x: Tensor) -> Tensor:
        half = self.kernel_size[0] // 2
        if half:  # nothing below the centre is seen, so nothing need be padded or multiplied there
            x = F.pad(x, (half, half, half, 0))
        return F.conv2d(x, self.live_weight(), self.bias)


def causal_mask(mask: str, in_channels: int, out_channels: int, kernel_size: int, image_channels: int = 1) -> Tensor:
    """Mask (out, in, k, k) of ones where a weight may be used."""
    group_in = torch.arange(in_channels) * image_channels // in_channels
    group_out = torch.arange(out_channels) * image_channels // out_channels
    centre = kernel_size // 2
    allowed = torch.zeros(out_channels, in_channels, kernel_size, kernel_size)
    allowed[:, :, :centre] = 1
    allowed[:, :, centre, :centre] = 1
    if mask == "A":
        allowed[:, :, centre, centre] = (group_out[:, None] > group_in[None, :]).float()
    else:
        allowed[:, :, centre, centre] = (group_out[:, None] >= group_in[None, :]).float()
    return allowed


class IncrementalConv:
    """A ``MaskedConv2d`` evaluated at some pixels at a time, remembering the features it was shown.

    One gather of the live taps and one matrix product. Features are columns: those of n pixels of B images are a matrix
    (features, n * B). Memory lies so that the gathered taps are such a matrix without another copy.

    Args:
        conv: the convolution.
        batch, height, width: sizes of the images.
    """

    def __init__(self, conv: MaskedConv2d, batch: int, height: int, width: int):
        half = conv.kernel_size[0] // 2
        weight = conv.live_weight()
        live = conv.mask[:, :, : half + 1].flatten(0, 1).any(0).nonzero()  # (T, 2): row and column of the live taps
        self.weight = weight[:, :, live[:, 0], live[:, 1]].flatten(1)  # (out, in * T)
        self.bias = conv.bias[:, None]
        # zeros at both sides and above stand for the convolution's padding
        self.padded, self.half = width + 2 * half, half
        self.memory = weight.new_zeros(conv.in_channels, (height + half) * self.padded, batch)
        self.taps = (live[:, 0] * self.padded + live[:, 1])[:, None]  # (T, 1), from the top left tap

    def write(self, h: Tensor, w: Tensor, features: Tensor) -> None:
        """Remember the features (in, n * B) of the pixels at rows h (n,) and columns w (n,)."""
        cells = (h + self.half) * self.padded + w + self.half
        self.memory.index_copy_(1, cells, features.view(len(features), len(cells), -1))

    def read(self, h: Tensor, w: Tensor) -> Tensor:
        """The convolution's output (out, n * B) at these pixels."""
        cells = (self.taps + h * self.padded + w).flatten()  # (T * n,)
        seen = self.memory.index_select(1, cells)  # (in, T * n, B)
        return torch.addmm(self.bias, self.weight, seen.view(self.weight.shape[1], -1))


class PointwiseConv:
    """A 1x1 ``MaskedConv2d`` at some pixels: a matrix product, which has nothing to remember."""

    def __init__(self, conv: MaskedConv2d):
        self.weight, self.bias = conv.live_weight()[:, :, 0, 0], conv.bias[:, None]

    def __call__(self, features: Tensor) -> Tensor:
        """Features (in, n * B) to (out, n * B)."""
        return torch.addmm(self.bias, self.weight, features)


def wavefront(shape: tuple[int, int, int], reach: int, device=None) -> list[tuple[int, Tensor, Tensor]]:
    """Pixels that can be drawn together, group by group, for a model that sees ``reach`` columns ahead in rows above.

    A pixel needs those before it in its row, and in the row above no more than ``reach`` columns further right. So row
    h + 1 can follow row h at a distance of ``reach`` + 1 columns: W + (reach + 1)(H - 1) steps instead of H * W.

    Returns:
        (channel, rows (n,), columns (n,)) of each group.
    """
    channels, height, width = shape
    groups = []
    for time in range(width + (reach + 1) * (height - 1)):
        first = max(0, -(-(time - width + 1) // (reach + 1)))  # rows whose column time - (reach + 1) h is in the image
        last = min(height - 1, time // (reach + 1))
        if first <= last:
            h = torch.arange(first, last + 1, device=device)
            groups += [(c, h, time - (reach + 1) * h) for c in range(channels)]
    return groups
