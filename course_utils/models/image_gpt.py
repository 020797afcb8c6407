"""ImageGPT: the transformer decoder of language models, on pixels.

Chen et al., "Generative pretraining from pixels", ICML 2020; attention: Vaswani et al., arXiv 1706.03762. The picture
is a sequence of D values, row by row, channels innermost. At place i enters value i - 1 (a start vector at place 0),
and

    attention(q_i) = sum_{j <= i} softmax_j(q_i . k_j / sqrt(d)) v_j

looks at all places up to its own: everything before the value that is predicted. Read first: ``conditionals``.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily
from course_utils.models.base import AutoregressiveModel, ModuleList, Position, Step, dimensions


class ImageGPT(AutoregressiveModel):
    """Transformer decoder with learned positions, layer norm before each sublayer, and GELU.

    Args:
        shape: (C, H, W); the sequence has D = C * H * W places, and attention costs D^2.
        channels: width of the network, a multiple of ``heads``.
        layers: number of blocks.
        heads: attention heads.
        distribution: family of the pixels, Bernoulli by default; ``palette(K)`` for colour tokens, as in the paper.
        dropout: share of each sublayer's outputs dropped while training.

    Raises:
        ValueError: ``shape`` is not of that form, a number is too small, ``channels`` is no multiple of ``heads``, or
            ``dropout`` is not in [0, 1).
    """

    embed: nn.Linear
    start: nn.Parameter
    position: nn.Parameter
    blocks: "ModuleList[Block]"
    norm: nn.LayerNorm
    output: nn.Linear

    def __init__(
        self,
        shape: Sequence[int],
        channels: int = 64,
        layers: int = 4,
        heads: int = 4,
        distribution: PixelFamily | None = None,
        dropout: float = 0.0,
    ):
        super().__init__(shape, distribution)
        channels, layers = _check.whole("channels", channels), _check.whole("layers", layers)
        dropout = _check.share("dropout", dropout)
        heads = _check.whole("heads", heads)
        if channels % heads:
            raise ValueError(f"channels must be a multiple of the {heads} heads, got {channels}")
        self.embed = nn.Linear(self.pixels.n_features, channels)
        self.start = nn.Parameter(0.02 * torch.randn(channels))
        self.position = nn.Parameter(0.02 * torch.randn(dimensions(self.shape), channels))
        self.blocks = ModuleList(Block(channels, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, self.pixels.n_params)

    def conditionals(self, x: Tensor) -> PixelDistribution:
        channels, height, width = self.shape
        values = self.encode(x).permute(0, 2, 3, 1, 4).flatten(1, 3)  # (B, D, E), in the order of the sequence
        start = self.start.expand(len(x), 1, -1)
        features = torch.cat([start, self.embed(values[:, :-1])], 1) + self.position  # (B, D, F), one place late
        for block in self.blocks:
            features = block(features)
        params = self.output(self.norm(features))  # (B, D, P)
        return self.pixels(params.view(len(x), height, width, channels, self.pixels.n_params).movedim(3, 1))

    def incremental(self, x: Tensor) -> Step:
        """One place a step, with the keys and values of all places before it kept (a KV cache).

        Without it each step would compute them anew: D times as much.
        """
        caches = [block.cache(len(x), len(self.position)) for block in self.blocks]
        before: Position | None
        before, i = None, -1

        def step(c: int, h: int, w: int) -> PixelDistribution:
            nonlocal before, i
            i += 1
            if before is None:
                features = self.start.expand(len(x), -1)
            else:
                features = self.embed(self.encode(x[(slice(None), *before)]))  # (B, F)
            before = c, h, w
            features = (features + self.position[i])[:, None]  # (B, 1, F)
            for block, cache in zip(self.blocks, caches, strict=True):
                features = block(features, cache, i)
            return self.pixels(self.output(self.norm(features))[:, 0])

        return step


class Block(nn.Module):
    """x + attention(norm(x)), then x + perceptron(norm(x)).

    Args:
        channels: F.
        heads: attention heads of F / heads features each.
        dropout: share of each sublayer's outputs dropped while training.
    """

    heads: int
    norm_1: nn.LayerNorm
    norm_2: nn.LayerNorm
    qkv: nn.Linear
    project: nn.Linear
    perceptron: nn.Sequential
    dropout: nn.Dropout

    def __init__(self, channels: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.perceptron = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.dropout = nn.Dropout(dropout)

    def cache(self, batch: int, length: int) -> tuple[Tensor, Tensor]:
        """Room for the keys and values of ``length`` places, (B, heads, length, F / heads) each."""
        weight = self.project.weight
        keys = weight.new_zeros(batch, self.heads, length, len(weight) // self.heads)
        return keys, torch.zeros_like(keys)

    def forward(self, x: Tensor, cache: tuple[Tensor, Tensor] | None = None, place: int = 0) -> Tensor:
        """The whole sequence x (B, D, F); or with a cache one ``place`` of it, x (B, 1, F)."""
        batch, length, channels = x.shape
        qkv = self.qkv(self.norm_1(x)).view(batch, length, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, D, F / heads) each
        if cache is not None:
            for memory, new in zip(cache, (k, v), strict=True):
                memory[:, :, place] = new[:, :, 0]
            k, v = (memory[:, :, : place + 1] for memory in cache)  # what comes before, so nothing need be masked
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None)
        x = x + self.dropout(self.project(seen.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.perceptron(self.norm_2(x)))
