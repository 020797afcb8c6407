"""Masked convolution, whole and one pixel at a time: what PixelCNN and its successors are made of.

van den Oord et al., "Pixel recurrent neural networks", arXiv 1601.06759, section 3.4. Mask A (first layer) lets a pixel
see the pixels before it, mask B (later layers) also its own features, which mask A kept from seeing the pixel itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.models.base import Derived


class MaskedConv2d(Derived, nn.Conv2d):
    """Convolution of odd kernel size that sees only pixels before (mask A) or up to (mask B) its own, in raster order.

    With several image channels the features fall into as many groups, in order (first R, then G, then B): at its own
    pixel group i sees groups before i (mask A) or up to i (mask B).

    Args:
        mask: "A" or "B".
        in_channels, out_channels: numbers of features.
        kernel_size: odd, one number or (rows, columns); (1, k) looks to the left only.
        image_channels: number of image channels C.
        gates: the outputs are that many sets of features, one after the other, each in groups: 2 for a gated unit, 4
            for an LSTM.

    Raises:
        ValueError: another mask, an even kernel size, or fewer features than image channels.
    """

    live: tuple[int, int]
    form: tuple[str, int, int, tuple[int, int], int, int]
    mask: Tensor
    bias: nn.Parameter

    def __init__(
        self,
        mask: str,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        image_channels: int = 1,
        gates: int = 1,
    ):
        if mask not in ("A", "B"):
            raise ValueError(f"mask must be 'A' or 'B', got {_check.describe(mask)}")
        pair = kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
        size = _check.sizes("kernel_size", pair, length=2, want="odd, one number or two, above 0")
        if not all(side % 2 for side in size):
            raise ValueError(f"kernel_size must be odd, so that it has a centre, got {kernel_size}")
        in_channels, out_channels = _check.whole("in_channels", in_channels), _check.whole("out_channels", out_channels)
        image_channels, gates = _check.whole("image_channels", image_channels), _check.whole("gates", gates)
        if out_channels % gates:
            raise ValueError(f"out_channels must be a multiple of the {gates} gates, got {out_channels}")
        if min(in_channels, out_channels // gates) < image_channels:
            got = f"{in_channels} and {out_channels // gates}"
            raise ValueError(f"channels must be at least the image's {image_channels}, got {got}")
        super().__init__(in_channels, out_channels, size)
        # rows below the centre are never live, nor what lies right of it where the centre's row is the only one
        self.live = size[0] // 2 + 1, size[1] if size[0] > 1 else size[1] // 2 + 1
        self.form = mask, in_channels, out_channels, size, image_channels, gates
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        return {"mask": causal_mask(*self.form).to(self.weight.dtype)}

    def live_weight(self) -> Tensor:
        """The masked weights without the rows and columns that are all zero: (out, in, *live)."""
        rows, columns = self.live
        return self.weight[:, :, :rows, :columns] * self.mask[:, :, :rows, :columns]

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.live
        left = self.kernel_size[1] // 2
        if rows > 1 or columns > 1:  # nothing dead is seen, so nothing need be padded or multiplied there
            x = F.pad(x, (left, columns - 1 - left, rows - 1, 0))
        return F.conv2d(x, self.live_weight(), self.bias)


def causal_mask(
    mask: str,
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    image_channels: int = 1,
    gates: int = 1,
) -> Tensor:
    """Mask (out, in, rows, columns) of ones where a weight may be used."""
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    each = out_channels // gates
    group_in = torch.arange(in_channels) * image_channels // in_channels
    group_out = (torch.arange(each) * image_channels // each).repeat(gates)
    allowed = torch.zeros(out_channels, in_channels, height, width)
    allowed[:, :, : height // 2] = 1
    allowed[:, :, height // 2, : width // 2] = 1
    if mask == "A":
        allowed[:, :, height // 2, width // 2] = (group_out[:, None] > group_in[None, :]).float()
    else:
        allowed[:, :, height // 2, width // 2] = (group_out[:, None] >= group_in[None, :]).float()
    return allowed


class IncrementalConv:
    """A causal convolution evaluated at some pixels at a time, remembering the features it was shown.

    One gather of the live taps and one matrix product. Features are columns: those of n pixels of B images are a matrix
    (features, n * B). Memory lies so that the gathered taps are such a matrix without another copy.

    Args:
        weight: (out, in, rows, columns), what it sees; the lowest row is the pixel's own.
        bias: (out,).
        taps: bool (rows, columns), taps that some output uses.
        centre: column of the pixel itself.
        batch, height, width: sizes of the images.
    """

    weight: Tensor
    bias: Tensor
    left: int
    above: int
    padded: int
    memory: Tensor
    taps: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, taps: Tensor, centre: int, batch: int, height: int, width: int):
        above = weight.shape[2] - 1
        live = taps.nonzero()  # (T, 2): row and column of the live taps
        self.weight = weight[:, :, live[:, 0], live[:, 1]].flatten(1)  # (out, in * T)
        self.bias = bias[:, None]
        # zeros at both sides and above stand for the convolution's padding
        self.left, self.above = centre, above
        self.padded = width + weight.shape[3] - 1
        self.memory = weight.new_zeros(weight.shape[1], (height + above) * self.padded, batch)
        self.taps = (live[:, 0] * self.padded + live[:, 1])[:, None]  # (T, 1), from the top left tap

    @classmethod
    def of(cls, conv: MaskedConv2d, batch: int, height: int, width: int) -> "IncrementalConv":
        """The incremental form of a masked convolution."""
        rows, columns = conv.live
        taps = conv.mask[:, :, :rows, :columns].flatten(0, 1).any(0)
        return cls(conv.live_weight(), conv.bias, taps, conv.kernel_size[1] // 2, batch, height, width)

    def places(self, h: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Where in memory the taps of pixels at rows h (n,) and columns w (n,) lie, (T * n,), and the pixels, (n,).

        The same for all convolutions of one kernel and image size, which can share them.
        """
        corner = h * self.padded + w
        return (self.taps + corner).flatten(), corner + (self.above * self.padded + self.left)

    def remember(self, place: Tensor, features: Tensor) -> None:
        """Write the features (in, n * B) of pixels to their places (n,)."""
        self.memory.index_copy_(1, place, features.view(len(features), len(place), -1))

    def gather(self, taps: Tensor) -> Tensor:
        """What the taps at these places see, (in * T, n * B)."""
        return self.memory.index_select(1, taps).view(self.weight.shape[1], -1)

    def product(self, seen: Tensor) -> Tensor:
        """The convolution's output (out, n * B) from what its taps see."""
        return torch.addmm(self.bias, self.weight, seen)

    def write(self, h: Tensor, w: Tensor, features: Tensor) -> None:
        """Remember the features (in, n * B) of the pixels at rows h (n,) and columns w (n,)."""
        self.remember(self.places(h, w)[1], features)

    def read(self, h: Tensor, w: Tensor) -> Tensor:
        """The convolution's output (out, n * B) at these pixels."""
        return self.product(self.gather(self.places(h, w)[0]))


class PointwiseConv:
    """A 1x1 ``MaskedConv2d`` at some pixels: a matrix product, which has nothing to remember."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: MaskedConv2d):
        self.weight, self.bias = conv.live_weight()[:, :, 0, 0], conv.bias[:, None]

    def __call__(self, features: Tensor) -> Tensor:
        """Features (in, n * B) to (out, n * B)."""
        return torch.addmm(self.bias, self.weight, features)


def wavefront(
    shape: tuple[int, int, int], reach: int, device: torch.device | None = None, every: bool = False
) -> list[tuple[int, Tensor, Tensor]]:
    """Pixels that can be drawn together, group by group, for a model that sees ``reach`` columns ahead in rows above.

    A pixel needs those before it in its row, and in the row above no more than ``reach`` columns further right. So row
    h + 1 can follow row h at a distance of ``reach`` + 1 columns: W + (reach + 1)(H - 1) steps instead of H * W.

    Args:
        every: also give the times at which no pixel is due, so that the place in the list is the time.

    Returns:
        (channel, rows (n,), columns (n,)) of each group.
    """
    channels, height, width = shape
    groups = []
    for time in range(width + (reach + 1) * (height - 1)):
        first = max(0, -(-(time - width + 1) // (reach + 1)))  # rows whose column time - (reach + 1) h is in the image
        last = min(height - 1, time // (reach + 1))
        if first <= last or every:
            h = torch.arange(first, last + 1, device=device)
            groups += [(c, h, time - (reach + 1) * h) for c in range(channels)]
    return groups
