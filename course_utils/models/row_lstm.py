"""Row LSTM: an LSTM whose time is the row, so that a pixel remembers rows of any distance above it.

van den Oord et al., "Pixel recurrent neural networks", arXiv 1601.06759, sections 3.1 and 3.3. With * for a convolution
along the row, x_i for row i of a layer's input, h_i and c_i for its state, sigma for the logistic function:

    (o, f, i, g) = K_is * x_i + K_ss * h_{i-1} + b        gates: output, forget, input, content
    c_i = sigma(f) c_{i-1} + sigma(i) tanh(g)
    h_i = sigma(o) tanh(c_i)

K_is (input-to-state) is masked: in its own row a pixel sees what lies to its left. K_ss (state-to-state) is not: all of
the row above is known. Read first: ``RowLSTMLayer.forward``. With each row a state sees k // 2 columns further, so that
a pixel sees a triangle above it, and not all that came before it; the Diagonal BiLSTM does.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, Group, ModuleList, Step, join_features, split_params
from course_utils.models.masked import IncrementalConv, MaskedConv2d, PointwiseConv, wavefront


class RowLSTM(AutoregressiveModel):
    """7x7 mask A, then residual Row LSTM layers, then two 1x1 layers.

    Args:
        shape: (C, H, W).
        channels: h; a layer's state has h features, the residual stream 2h.
        layers: number of LSTM layers.
        distribution: family of the pixels, Bernoulli by default.
        kernel: k, columns that both convolutions of a layer see, odd and at least 3.

    Raises:
        ValueError: ``shape`` is not of that form, or another argument too small, or ``kernel`` even.
    """

    input: MaskedConv2d
    layers: "ModuleList[RowLSTMLayer]"
    hidden: MaskedConv2d
    output: MaskedConv2d

    def __init__(
        self,
        shape: Sequence[int],
        channels: int = 32,
        layers: int = 2,
        distribution: PixelFamily | None = None,
        kernel: int = 3,
    ):
        super().__init__(shape, distribution)
        channels, layers = _check.whole("channels", channels), _check.whole("layers", layers)
        kernel = _check.whole("kernel", kernel, least=3)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that it has a centre, got {kernel}")
        c = self.shape[0]
        self.input = MaskedConv2d("A", c * self.pixels.n_features, 2 * channels, 7, c)
        self.layers = ModuleList(RowLSTMLayer(channels, c, kernel) for _ in range(layers))
        self.hidden = MaskedConv2d("B", 2 * channels, channels, 1, c)
        self.output = MaskedConv2d("B", channels, c * self.pixels.n_params, 1, c)

    def conditionals(self, x: Tensor) -> PixelDistribution:
        features = self.input(join_features(self.encode(x)))  # (B, 2h, H, W)
        for layer in self.layers:
            features = features + layer(features)
        params = self.output(F.relu(self.hidden(F.relu(features))))  # (B, C * P, H, W)
        return self.pixels(split_params(params, self.shape[0]))

    def schedule(self) -> list[Group]:
        """Groups of pixels that do not see each other: the row above is seen to 3 columns ahead, or to k // 2."""
        reach = max(3, self.layers[0].state_to_state.kernel_size[0] // 2)
        return wavefront(self.shape, reach, device=self.input.weight.device)

    def incremental(self, x: Tensor) -> Step:
        """One column of the network a pixel: a layer remembers what went into earlier pixels, and their states."""
        channels, height, width = self.shape
        sizes = len(x), height, width
        first, layers = IncrementalConv.of(self.input, *sizes), [RowLSTMCache(layer, *sizes) for layer in self.layers]
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
            for layer in layers:
                features = features + layer(h, w, features)
            params = output(hidden(features.relu()).relu())  # (C * P, n * B)
            return self.pixels(params.view(channels, -1, len(h), len(x))[c].permute(2, 1, 0))

        return step


class RowLSTMLayer(nn.Module):
    """Features (B, 2h, H, W) to the layer's contribution (B, 2h, H, W); the sum with its input is left to the caller.

    With several image channels the features and each gate fall into groups, and at its own pixel a group sees groups up
    to its own. State-to-state need not be masked for that: what it brings comes from the row above, which is known.
    """

    input_to_state: MaskedConv2d
    state_to_state: nn.Conv1d
    expand: MaskedConv2d

    def __init__(self, channels: int, image_channels: int, kernel: int):
        super().__init__()
        self.input_to_state = MaskedConv2d("B", 2 * channels, 4 * channels, (1, kernel), image_channels, gates=4)
        self.state_to_state = nn.Conv1d(channels, 4 * channels, kernel, padding=kernel // 2, bias=False)
        self.expand = MaskedConv2d("B", channels, 2 * channels, 1, image_channels)

    def forward(self, features: Tensor) -> Tensor:
        gates = self.input_to_state(features)  # (B, 4h, H, W), of all rows at once
        batch, _, _, width = gates.shape
        hidden = cell = self.state_to_state.weight.new_zeros(batch, gates.shape[1] // 4, width)
        rows = []
        for row in gates.unbind(2):  # (B, 4h, W)
            hidden, cell = lstm_cell(row + self.state_to_state(hidden), cell)
            rows.append(hidden)
        return self.expand(torch.stack(rows, 2))


def lstm_cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """c' = sigma(f) c + sigma(i) tanh(g) and h' = sigma(o) tanh(c').

    Args:
        gates: (..., 4h, N), h features each for o, f, i and g.
        cell: c, (..., h, N).

    Returns:
        h' and c', (..., h, N).
    """
    size = cell.shape[-2]
    gates, content = gates.split([3 * size, size], -2)
    output, forget, input = gates.sigmoid().chunk(3, -2)
    cell = forget * cell + input * content.tanh()
    return output * cell.tanh(), cell


class RowLSTMCache:
    """A Row LSTM layer at some pixels at a time, remembering the input and the state of each pixel it was shown."""

    inputs: IncrementalConv
    states: IncrementalConv
    cells: Tensor
    expand: PointwiseConv

    def __init__(self, layer: RowLSTMLayer, batch: int, height: int, width: int):
        self.inputs = IncrementalConv.of(layer.input_to_state, batch, height, width)
        # as a convolution over two rows (4h, h, 2, k), of which the lower, the pixel's own, is never looked at
        weight = F.pad(layer.state_to_state.weight.unsqueeze(2), (0, 0, 0, 1))
        taps = torch.zeros(weight.shape[2:], dtype=torch.bool, device=weight.device)
        taps[0] = True
        bias = weight.new_zeros(len(weight))
        self.states = IncrementalConv(weight, bias, taps, weight.shape[3] // 2, batch, height, width)
        self.cells = weight.new_zeros(weight.shape[1], height + 1, width, batch)  # with a row of zeros above
        self.expand = PointwiseConv(layer.expand)

    def __call__(self, h: Tensor, w: Tensor, features: Tensor) -> Tensor:
        """Features (2h, n * B) of the pixels at rows h (n,) and columns w (n,) to the layer's contribution there."""
        self.inputs.write(h, w, features)
        gates = self.inputs.read(h, w) + self.states.read(h, w)  # (4h, n * B)
        hidden, cell = lstm_cell(gates, self.cells[:, h, w].flatten(1))
        self.states.write(h, w, hidden)
        self.cells[:, h + 1, w] = cell.view(len(cell), len(h), -1)
        return self.expand(hidden)
