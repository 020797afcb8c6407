"""Diagonal BiLSTM: two LSTMs that cross the image diagonally, so that a pixel sees all pixels before it.

van den Oord et al., "Pixel recurrent neural networks", arXiv 1601.06759, sections 3.2 and 3.3. The state of a pixel
follows from those of its left and of its upper neighbour:

    (o, f, i, g) = W x[r, s] + U_0 h[r-1, s] + U_1 h[r, s-1] + b
    c[r, s] = sigma(f) c[r, s-1] + sigma(i) tanh(g)
    h[r, s] = sigma(o) tanh(c[r, s])

All pixels of a diagonal r + s = t can be computed at once. ``skew`` shifts row r by r places, so that diagonals become
columns: both neighbours are then in the column before, and the two products with U are a convolution down that column.

A second direction is the same on the mirrored image, from the top right. At its own pixel it sees what lies to the
right, which is not known yet; so its output moves down by one row before the two are added: the row above is known.

One thing is not in the paper: here the map has one more column, right of the image. No place of a row sees the pixel at
its own position, which mask A hides, so only a place after the last pixel can take that one in; without it a pixel is
blind to the last pixel of the row above (unless that is within the reach of the first layer, 3 columns).

Read first: ``RowLSTM`` (one direction, no skew), then ``DiagonalLayer.forward``.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, ModuleList, Step, join_features, split_params
from course_utils.models.masked import IncrementalConv, MaskedConv2d, PointwiseConv
from course_utils.models.row_lstm import lstm_cell


class DiagonalBiLSTM(AutoregressiveModel):
    """7x7 mask A, then residual Diagonal BiLSTM layers, then two 1x1 layers.

    Args:
        shape: (C, H, W).
        channels: h; the state of each direction has h features, the residual stream 2h.
        layers: number of LSTM layers.
        distribution: family of the pixels, Bernoulli by default.

    Attributes:
        beyond: columns that the map has to the right of the image, 1; 0 is the paper's map.

    Raises:
        ValueError: ``shape`` is not of that form, or ``channels`` or ``layers`` too small.
    """

    beyond: int = 1

    input: MaskedConv2d
    layers: "ModuleList[DiagonalLayer]"
    hidden: MaskedConv2d
    output: MaskedConv2d

    def __init__(
        self, shape: Sequence[int], channels: int = 32, layers: int = 2, distribution: PixelFamily | None = None
    ):
        super().__init__(shape, distribution)
        channels, layers = _check.whole("channels", channels), _check.whole("layers", layers)
        c = self.shape[0]
        self.input = MaskedConv2d("A", c * self.pixels.n_features, 2 * channels, 7, c)
        self.layers = ModuleList(DiagonalLayer(channels, c) for _ in range(layers))
        self.hidden = MaskedConv2d("B", 2 * channels, channels, 1, c)
        self.output = MaskedConv2d("B", channels, c * self.pixels.n_params, 1, c)

    def conditionals(self, x: Tensor) -> PixelDistribution:
        features = self.input(F.pad(join_features(self.encode(x)), (0, self.beyond)))  # (B, 2h, H, W + 1)
        for layer in self.layers:
            features = features + layer(features)
        features = features[..., : self.shape[2]]
        params = self.output(F.relu(self.hidden(F.relu(features))))  # (B, C * P, H, W)
        return self.pixels(split_params(params, self.shape[0]))

    def incremental(self, x: Tensor) -> Step:
        """One column of the network a pixel, and when a row ends, one run of the second direction along it."""
        channels, height, width = self.shape
        first = IncrementalConv.of(self.input, len(x), height, width + self.beyond)
        layers = DiagonalCache(self.layers, len(x), width + self.beyond)
        hidden, output = PointwiseConv(self.hidden), PointwiseConv(self.output)
        index = torch.arange(max(height, width + self.beyond), device=x.device).unsqueeze(1)  # (n, 1)
        # the pixel whose values were drawn last; the network has not seen them yet
        newest: tuple[int, int] | None = None

        def step(c: int, h: int, w: int) -> PixelDistribution:
            nonlocal newest
            if newest is not None:
                values = self.encode(x[:, :, newest[0], newest[1]])  # (B, C, E)
                first.write(index[newest[0]], index[newest[1]], values.permute(1, 2, 0).flatten(0, 1))
            if newest is not None and newest[0] != h:
                for after in range(width, width + self.beyond):
                    layers.place(after, first.read(index[newest[0]], index[after]))
                layers.end_row()
            newest = h, w
            features = layers.place(w, first.read(index[h], index[w]))  # (2h, B)
            params = output(hidden(features.relu()).relu())  # (C * P, B)
            return self.pixels(params.view(channels, -1, len(x))[c].T)

        return step


class DiagonalLayer(nn.Module):
    """Features (B, 2h, H, W) to the layer's contribution (B, 2h, H, W); the sum with its input is left to the caller.

    With several image channels the features and each gate fall into groups, and at its own pixel a group sees groups up
    to its own. State-to-state need not be masked for that: in the first direction it brings what the left and the upper
    neighbour have seen, both before the pixel; in the second, moved down, what was seen from the row above it.
    """

    input_to_state: MaskedConv2d
    state_to_state: nn.Conv1d
    expand: MaskedConv2d

    def __init__(self, channels: int, image_channels: int):
        super().__init__()
        self.input_to_state = MaskedConv2d("B", 2 * channels, 8 * channels, 1, image_channels, gates=8)
        # both directions in one call: a 2x1 convolution down a column, of the upper and the same row
        self.state_to_state = nn.Conv1d(2 * channels, 8 * channels, 2, groups=2, bias=False)
        self.expand = MaskedConv2d("B", channels, 2 * channels, 1, image_channels)

    def forward(self, features: Tensor) -> Tensor:
        left, right = self.input_to_state(features).chunk(2, 1)  # (B, 4h, H, W), the gates of each direction
        gates = skew(torch.stack([left, right.flip(-1)], 1))  # (B, 2, 4h, H, H + W - 1)
        left, right = unskew(self.scan(gates), features.shape[-1]).unbind(1)  # (B, h, H, W)
        return self.expand(self.merge(left, right.flip(-1)))

    def scan(self, gates: Tensor) -> Tensor:
        """Gates (B, 2, 4h, H, T) of the skewed map to its states (B, 2, h, H, T), one column after the other.

        Places left of the image have gates 0, bias included, so that their state stays 0, as it is above the image.
        """
        batch, _, size, height, _ = gates.shape
        hidden = cell = self.state_to_state.weight.new_zeros(batch, 2, size // 4, height)
        columns = []
        for column in gates.unbind(-1):  # (B, 2, 4h, H)
            seen = self.state_to_state(F.pad(hidden.flatten(1, 2), (1, 0)))  # (B, 8h, H), of the column before
            hidden, cell = lstm_cell(column + seen.view(column.shape), cell)
            columns.append(hidden)
        return torch.stack(columns, -1)

    def merge(self, left: Tensor, right: Tensor) -> Tensor:
        """The sum of both directions (B, h, H, W), the second one row further down, so that no future pixel is seen."""
        return left + F.pad(right, (0, 0, 1, -1))


def skew(x: Tensor) -> Tensor:
    """Shift row r of a map (..., H, W) by r places to the right: (..., H, H + W - 1), zeros elsewhere.

        y[..., r, r + s] = x[..., r, s]

    Diagonals become columns. No loop: with H zeros after each row, and then read in rows that are shorter by one, each
    row begins one place later than the one above it.
    """
    height, width = x.shape[-2:]
    flat = F.pad(x, (0, height)).flatten(-2)[..., :-height]
    return flat.unflatten(-1, (height, height + width - 1))


def unskew(y: Tensor, width: int) -> Tensor:
    """The inverse of ``skew``: (..., H, H + W - 1) to (..., H, W).

    Raises:
        ValueError: y does not have H + ``width`` - 1 columns.
    """
    height = y.shape[-2]
    if y.shape[-1] != height + width - 1:
        raise ValueError(f"y must have {height + width - 1} columns for width {width}, got {tuple(y.shape)}")
    return F.pad(y.flatten(-2), (0, height)).unflatten(-1, (height, height + width))[..., :width]


class DiagonalCache:
    """All layers at one place at a time, in reading order, for B images.

    Within a row the first direction goes from place to place, layer by layer. The second direction needs the whole row
    and is needed only by the next: ``end_row`` runs it, all layers side by side, since none waits for another.
    """

    weight: Tensor
    bias: Tensor
    row_weight: Tensor
    row_bias: Tensor
    row_left: Tensor
    expand: list[PointwiseConv]
    inputs: Tensor
    second: Tensor
    above: Tensor
    states: Tensor
    cells: Tensor

    def __init__(self, layers: "ModuleList[DiagonalLayer]", batch: int, width: int):
        size = layers[0].expand.in_channels
        inputs = torch.stack([layer.input_to_state.live_weight()[:, :, 0, 0] for layer in layers])  # (L, 8h, 2h)
        bias = torch.stack([layer.input_to_state.bias for layer in layers]).unsqueeze(2)  # (L, 8h, 1)
        upper, left = torch.stack([layer.state_to_state.weight for layer in layers]).unbind(3)  # (L, 8h, h)
        first, second = slice(4 * size), slice(4 * size, None)  # the gates of each direction
        self.weight, self.bias = torch.cat([inputs, upper, left], 2)[:, first], bias[:, first]  # (L, 4h, 4h)
        self.row_weight, self.row_bias = torch.cat([inputs, upper], 2)[:, second], bias[:, second]  # (L, 4h, 3h)
        self.row_left = left[:, second]
        self.expand = [PointwiseConv(layer.expand) for layer in layers]
        self.inputs = inputs.new_zeros(len(layers), 2 * size, width, batch)  # of this row
        self.second = inputs.new_zeros(len(layers), size, width, batch)  # second direction's states in the row above
        self.above = inputs.new_zeros(len(layers), size, width + 1, batch)  # first direction's; place w is at w + 1
        self.states, self.cells = torch.zeros_like(self.above), torch.zeros_like(self.above)  # of this row

    def place(self, w: int, features: Tensor) -> Tensor:
        """The first layer's input (2h, B) at place w of this row to the last layer's output there."""
        for k, expand in enumerate(self.expand):
            self.inputs[k, :, w] = features
            seen = torch.cat([features, self.above[k, :, w + 1], self.states[k, :, w]])
            gates = torch.addmm(self.bias[k], self.weight[k], seen)
            self.states[k, :, w + 1], self.cells[k, :, w + 1] = lstm_cell(gates, self.cells[k, :, w])
            features = features + expand(self.states[k, :, w + 1] + self.second[k, :, w])
        return features

    def end_row(self) -> None:
        """Run the second direction along this row, and go to the next one."""
        layers, _, width, batch = self.inputs.shape
        seen = torch.cat([self.inputs, self.second], 1).flatten(2)  # its upper neighbours are in the row above
        gates = torch.baddbmm(self.row_bias, self.row_weight, seen).view(layers, -1, width, batch)
        hidden = cell = torch.zeros_like(self.second[:, :, 0])  # (L, h, B)
        for w in reversed(range(width)):
            hidden, cell = lstm_cell(torch.baddbmm(gates[:, :, w], self.row_left, hidden), cell)
            self.second[:, :, w] = hidden
        # nothing need be cleared: a row's places are written before they are read, and left of the image all stays 0
        self.above, self.states = self.states, self.above
