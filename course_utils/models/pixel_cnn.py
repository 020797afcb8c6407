"""PixelCNN: the conditionals of all pixels by masked convolutions.

van den Oord et al., "Pixel recurrent neural networks", arXiv 1601.06759, section 3.5 and table 1. Read first:
``conditionals``. The stack of 3x3 masks has a blind spot to the right above each pixel; the Gated PixelCNN repairs it.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, Group, ModuleList, Step, join_features, split_params
from course_utils.models.masked import IncrementalConv, MaskedConv2d, PointwiseConv, wavefront


class PixelCNN(AutoregressiveModel):
    """7x7 mask A, then residual blocks of 3x3 mask B, then two 1x1 layers.

    Args:
        shape: (C, H, W).
        channels: h; a block works on h features, the residual stream has 2h.
        layers: number of residual blocks.
        distribution: family of the pixels, Bernoulli by default.

    Raises:
        ValueError: ``shape`` is not of that form, or ``channels`` or ``layers`` too small.
    """

    input: MaskedConv2d
    blocks: "ModuleList[ResidualBlock]"
    hidden: MaskedConv2d
    output: MaskedConv2d

    def __init__(
        self, shape: Sequence[int], channels: int = 32, layers: int = 5, distribution: PixelFamily | None = None
    ):
        super().__init__(shape, distribution)
        channels, layers = _check.whole("channels", channels), _check.whole("layers", layers)
        c = self.shape[0]
        self.input = MaskedConv2d("A", c * self.pixels.n_features, 2 * channels, 7, c)
        self.blocks = ModuleList(ResidualBlock(channels, c) for _ in range(layers))
        self.hidden = MaskedConv2d("B", 2 * channels, channels, 1, c)
        self.output = MaskedConv2d("B", channels, c * self.pixels.n_params, 1, c)

    def conditionals(self, x: Tensor) -> PixelDistribution:
        features = self.input(join_features(self.encode(x)))  # (B, 2h, H, W)
        for block in self.blocks:
            features = features + block(features)
        params = self.output(F.relu(self.hidden(F.relu(features))))  # (B, C * P, H, W)
        return self.pixels(split_params(params, self.shape[0]))

    def schedule(self) -> list[Group]:
        """Groups of pixels that do not see each other: the 7x7 layer looks 3 columns ahead in the row above."""
        return wavefront(self.shape, reach=3, device=self.input.weight.device)

    def incremental(self, x: Tensor) -> Step:
        """One column of the network a pixel: each layer remembers its inputs, so that nothing is computed twice."""
        channels, height, width = self.shape
        sizes = len(x), height, width
        first = IncrementalConv.of(self.input, *sizes)
        blocks = [(PointwiseConv(a), IncrementalConv.of(b, *sizes), PointwiseConv(c)) for a, b, c in self.blocks]
        hidden, output = PointwiseConv(self.hidden), PointwiseConv(self.output)
        # the pixels whose values were drawn last; the network has not seen them yet
        newest: tuple[Tensor, Tensor] | None = None

        def step(c: int, h: Tensor, w: Tensor) -> PixelDistribution:
            nonlocal newest
            if newest is not None:
                values = self.encode(x[:, :, newest[0], newest[1]])  # (B, C, n, E)
                first.write(*newest, values.permute(1, 3, 2, 0).flatten(0, 1).flatten(1))
            newest = h, w
            features = first.read(h, w)  # (2h, n * B)
            taps, place = blocks[0][1].places(h, w)  # the same in all blocks
            for reduce, see, expand in blocks:
                see.remember(place, reduce(features.relu()).relu_())
                features += expand(see.product(see.gather(taps)).relu_())
            params = output(hidden(features.relu_()).relu_())  # (C * P, n * B)
            return self.pixels(params.view(channels, -1, len(h), len(x))[c].permute(2, 1, 0))

        return step


class ResidualBlock(nn.Sequential):
    """1x1 from 2h to h, 3x3 mask B, 1x1 back to 2h, each after a ReLU; the sum with the input is left to the caller."""

    def __init__(self, channels: int, image_channels: int):
        super().__init__(
            MaskedConv2d("B", 2 * channels, channels, 1, image_channels),
            MaskedConv2d("B", channels, channels, 3, image_channels),
            MaskedConv2d("B", channels, 2 * channels, 1, image_channels),
        )

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[MaskedConv2d]: ...

    def forward(self, features: Tensor) -> Tensor:
        reduce, see, expand = self
        hidden = F.relu(reduce(F.relu(features)), inplace=True)  # nobody else reads what these two work on
        return expand(F.relu(see(hidden), inplace=True))
