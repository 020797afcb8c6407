"""Gated PixelCNN: two stacks of convolutions, and no blind spot.

van den Oord et al., "Conditional image generation with PixelCNN decoders", arXiv 1606.05328, section 2 and figure 2.
The vertical stack sees all rows above a pixel, the horizontal stack its own row to the left, and what the vertical
stack has seen. Each layer ends in a gated unit

    y = tanh(W_f * x) . sigmoid(W_g * x),

* a convolution and . a product element by element. Read first: ``GatedLayer.forward``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, Group, ModuleList, Step, join_features, split_params
from course_utils.models.masked import IncrementalConv, MaskedConv2d, PointwiseConv, wavefront


class GatedPixelCNN(AutoregressiveModel):
    """A first layer of 7x7, then layers of 3x3, then two 1x1 layers.

    Args:
        shape: (C, H, W).
        channels: p, features of each stack.
        layers: number of layers, the first included.
        distribution: family of the pixels, Bernoulli by default.
        dropout: share of each layer's features that are dropped while training, in both stacks.

    Raises:
        ValueError: ``shape`` is not of that form, ``channels`` or ``layers`` too small, ``dropout`` not in [0, 1).
    """

    layers: "ModuleList[GatedLayer]"
    hidden: MaskedConv2d
    output: MaskedConv2d

    def __init__(
        self,
        shape: Sequence[int],
        channels: int = 32,
        layers: int = 5,
        distribution: PixelFamily | None = None,
        dropout: float = 0.0,
    ):
        super().__init__(shape, distribution)
        channels, layers = _check.whole("channels", channels), _check.whole("layers", layers)
        dropout = _check.share("dropout", dropout)
        c = self.shape[0]
        self.layers = ModuleList([GatedLayer("A", c * self.pixels.n_features, channels, 7, c, dropout)])
        self.layers.extend(GatedLayer("B", channels, channels, 3, c, dropout) for _ in range(layers - 1))
        self.hidden = MaskedConv2d("B", channels, channels, 1, c)
        self.output = MaskedConv2d("B", channels, c * self.pixels.n_params, 1, c)

    def conditionals(self, x: Tensor) -> PixelDistribution:
        features = join_features(self.encode(x))  # (B, C * E, H, W)
        v_stack, h_stack = shift_down(features), features
        for layer in self.layers:
            v_stack, h_stack = layer(v_stack, h_stack)  # (B, p, H, W) each
        params = self.output(F.relu(self.hidden(F.relu(h_stack))))  # (B, C * P, H, W)
        return self.pixels(split_params(params, self.shape[0]))

    @property
    def reach(self) -> int:
        """How many columns to the right the vertical stack looks."""
        return sum(layer.kernel_size // 2 for layer in self.layers)

    def schedule(self) -> list[Group]:
        """Groups of pixels that do not see each other."""
        return wavefront(self.shape, self.reach, self.output.weight.device)

    def incremental(self, x: Tensor) -> Step:
        """One column of both stacks a pixel.

        The vertical stack runs ahead of the pixel that is drawn: each layer by as many columns as the layers above it
        will look to the right. So it never waits, and no feature is computed twice.
        """
        channels, height, width = self.shape
        down = VerticalStack(self.layers, len(x), height, width)
        left = [IncrementalConv.of(layer.h_conv, len(x), height, width) for layer in self.layers]
        expand = [PointwiseConv(layer.h_out) for layer in self.layers]
        hidden, output = PointwiseConv(self.hidden), PointwiseConv(self.output)
        # the pixels whose values were drawn last; the network has not seen them yet
        newest: tuple[Tensor, Tensor] | None = None

        def step(c: int, h: Tensor, w: Tensor) -> PixelDistribution:
            nonlocal newest
            if newest is not None:
                values = self.encode(x[:, :, newest[0], newest[1]])  # (B, C, n, E)
                values = values.permute(1, 3, 2, 0).flatten(0, 1).flatten(1)  # (C * E, n * B)
                left[0].write(*newest, values)
                down.write(*newest, values)
            newest = h, w
            if c == 0:
                down.advance()
            features = expand[0](gate(left[0].read(h, w) + down.given[0], 0))  # (p, n * B)
            taps, place = left[-1].places(h, w)  # the same in all layers but the first
            for conv, out, given in zip(left[1:], expand[1:], down.given[1:], strict=True):
                conv.remember(place, features)
                features = features + out(gate(conv.product(conv.gather(taps)) + given, 0))
            params = output(hidden(features.relu()).relu_())  # (C * P, n * B)
            return self.pixels(params.view(channels, -1, len(h), len(x))[c].permute(2, 1, 0))

        return step


class GatedLayer(nn.Module):
    """One layer of both stacks: figure 2 of the paper.

    Args:
        mask: "A" for the first layer, whose horizontal stack must not see the pixel itself and has no residual, or "B".
        in_channels: features that enter each stack.
        channels: p, features that leave each stack.
        kernel_size: odd.
        image_channels: number of image channels C.
        dropout: share of gated features dropped while training.
    """

    kernel_size: int
    residual: bool
    v_conv: nn.Conv2d
    v_to_h: nn.Conv2d
    h_conv: MaskedConv2d
    h_out: MaskedConv2d
    dropout: nn.Dropout2d

    def __init__(
        self, mask: str, in_channels: int, channels: int, kernel_size: int, image_channels: int, dropout: float
    ):
        super().__init__()
        self.kernel_size, self.residual = kernel_size, mask == "B"
        above = kernel_size // 2 + 1  # rows that a kernel of this size would see under a mask
        self.v_conv = nn.Conv2d(in_channels, 2 * channels, (above, kernel_size))
        self.v_to_h = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.h_conv = MaskedConv2d(mask, in_channels, 2 * channels, (1, kernel_size), image_channels, gates=2)
        self.h_out = MaskedConv2d("B", channels, channels, 1, image_channels)
        self.dropout = nn.Dropout2d(dropout)  # whole maps: a single place could be guessed from those around it

    def forward(self, v_stack: Tensor, h_stack: Tensor) -> tuple[Tensor, Tensor]:
        half = self.kernel_size // 2
        v = self.v_conv(F.pad(v_stack, (half, half, half, 0)))  # (B, 2p, H, W), up to this row of v_stack
        h = self.h_conv(h_stack).add_(self.v_to_h(v))  # in place: a third of a training step is memory traffic
        update = self.h_out(self.dropout(gate(h)))
        return self.dropout(gate(v)), h_stack + update if self.residual else update


def gate(features: Tensor, dim: int = 1) -> Tensor:
    """tanh of the first half of the features times the sigmoid of the second half."""
    f, g = features.chunk(2, dim)
    return (2 * torch.sigmoid(2 * f) - 1) * torch.sigmoid(g)  # tanh f, by the one of the two that is fast on a CPU


def shift_down(features: Tensor) -> Tensor:
    """Row h holds what was in row h - 1, the first row zeros: (B, F, H, W), of the same shape."""
    return F.pad(features, (0, 0, 1, -1))


class VerticalStack:
    """The vertical stack of a network, a column at a time, and what it gives to the horizontal stack.

    Pixels are drawn group by group. When group t is due, layer l computes its features for group t + ahead[l]: that is
    ``ahead[l]`` columns further right in the same rows. The layer after it looks ``ahead[l] - ahead[l + 1]`` columns to
    the right of its own place, and the first one at pixels of the row above, which are drawn by then.

    Attributes:
        given: for each layer what it gives to the group that is due, (2p, n * B).
    """

    groups: list[tuple[Tensor, Tensor]]
    due: Iterator[int]
    time: int
    ahead: list[int]
    convs: list[IncrementalConv]
    places: list[tuple[Tensor, Tensor]]
    computed: list[dict[int, Tensor]]
    given: list[Tensor]

    def __init__(self, layers: "ModuleList[GatedLayer]", batch: int, height: int, width: int):
        weight = layers[0].v_conv.weight
        reach = sum(layer.kernel_size // 2 for layer in layers)
        self.groups = [(h, w) for _, h, w in wavefront((1, height, width), reach, weight.device, every=True)]
        self.due = (time for time, (h, _) in enumerate(self.groups) if len(h))
        self.time, self.ahead, self.convs = -reach, [], []
        for layer in layers:
            reach -= layer.kernel_size // 2
            self.ahead.append(reach)
            link = layer.v_to_h.weight[:, :, 0, 0]
            taps = torch.ones(layer.v_conv.kernel_size, dtype=torch.bool, device=weight.device)
            # what goes on in this stack, and what goes to the other: a product after a product is one product
            both = torch.cat([layer.v_conv.weight, torch.einsum("oi,i...->o...", link, layer.v_conv.weight)])
            v_bias: Any = layer.v_conv.bias
            h_bias: Any = layer.v_to_h.bias
            bias = torch.cat([v_bias, torch.addmv(h_bias, link, v_bias)])
            sizes = batch, height + 1, width  # one row more: the input is written a row lower than it stands
            self.convs.append(IncrementalConv(both, bias, taps, layer.kernel_size // 2, *sizes))
        self.places = [self.convs[-1].places(h, w) for h, w in self.groups]  # the same in all layers but the first
        self.computed = [{} for _ in layers]  # by group, until it is due
        self.given = []

    def write(self, h: Tensor, w: Tensor, values: Tensor) -> None:
        """Remember the encoded pixels (in, n * B) at rows h (n,) and columns w (n,)."""
        self.convs[0].write(h + 1, w, values)

    def advance(self) -> None:
        """Go on to the next group, with all that is to be computed before it."""
        until = next(self.due)
        while self.time <= until:
            for i, ahead in enumerate(self.ahead):
                group = self.time + ahead
                if 0 <= group < len(self.groups) and len(self.groups[group][0]):
                    self.computed[i][group] = self._compute(i, group)
            self.time += 1
        self.given = [computed.pop(until) for computed in self.computed]

    def _compute(self, i: int, group: int) -> Tensor:
        """Layer i for a group; returns what it gives to the horizontal stack."""
        conv = self.convs[i]
        taps = self.places[group][0] if i else conv.places(*self.groups[group])[0]
        v, given = conv.product(conv.gather(taps)).chunk(2)  # (2p, n * B) each
        if i + 1 < len(self.convs):
            self.convs[i + 1].remember(self.places[group][1], gate(v, 0))
        return given
