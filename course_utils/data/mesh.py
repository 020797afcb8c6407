"""Binary images whose probability and entropy are known exactly: a causal Markov mesh.

    p(x) = Π_i p(x_i | left, upper left, upper, upper right)          (raster order, outside the image = 0)

The four neighbours pick one of 16 entries of a table, so every conditional is known. The entropy is then a finite sum
that dynamic programming computes. No model can have a lower expected negative log-likelihood than the entropy: one
that seems to is reading pixels that it has yet to predict.

Source: Abend, Harley, Kanal, Classification of binary random patterns, IEEE Trans. Inf. Theory 11(4), 1965.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from course_utils import _check
from course_utils.distributions import draw

# p(pixel = 1) for the neighbours read as a binary number: 8·left + 4·upper left + 2·upper + upper right. It draws paths
# that go on, turn and branch but seldom fill: a pixel is likely after its left *or* its upper neighbour, and unlikely
# after both with the corner between them. No sum of one weight a neighbour can say that, so a logistic model of these
# pixels stays 4 nats above the entropy, and a model that combines them does not have to.
DEFAULT_TABLE = (
    0.10, 0.08, 0.88, 0.25,  # left 0, upper left 0
    0.15, 0.08, 0.80, 0.20,  # left 0, upper left 1
    0.85, 0.30, 0.93, 0.70,  # left 1, upper left 0
    0.30, 0.15, 0.05, 0.08,  # left 1, upper left 1
)  # fmt: skip

# The entropy needs 2^(W+1) numbers; W = 16 takes a third of a second and a megabyte, each column more doubles both.
WIDEST = 16


@dataclass(frozen=True, eq=False)
class Mesh:
    """A causal Markov mesh over binary images: p(x) = Π_i p(x_i | left, upper left, upper, upper right).

    Args:
        shape: (1, H, W) of the images.
        table: float64 (16,) on the CPU, p(pixel = 1) by 8·left + 4·upper left + 2·upper + upper right; outside = 0.

    Raises:
        ValueError: shape is not (1, H, W), or table is not 16 probabilities strictly between 0 and 1.
    """

    shape: tuple[int, int, int]
    table: Tensor

    def __post_init__(self) -> None:
        table = _check.tensor("table", self.table, torch.float64, "cpu")  # not every device has float64
        if table.shape != (16,) or not ((table > 0) & (table < 1)).all():
            got = _check.describe(self.table)
            raise ValueError(f"table must be 16 probabilities strictly between 0 and 1, got {got}")
        object.__setattr__(self, "shape", _check.image_shape("shape", self.shape, channels=1))
        object.__setattr__(self, "table", table)

    def __repr__(self) -> str:
        return f"Mesh(shape={self.shape})"

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n images, float32 (n, 1, H, W) of 0 and 1, on the CPU (without a generator: by torch's global seed)."""
        n = _check.whole("n", n, least=0)
        _, height, width = self.shape
        uniform = draw(torch.rand, torch.empty(height, width, n, dtype=torch.float64, device="cpu"), generator)
        # A frame of zeros stands for "outside"; images last, so that each step works on n neighbouring numbers.
        x = torch.zeros(height + 1, width + 2, n, dtype=torch.int64, device="cpu")
        for i in range(height):
            for j in range(width):
                left, upper_left, upper, upper_right = x[i + 1, j], x[i, j], x[i, j + 1], x[i, j + 2]
                context = 8 * left + 4 * upper_left + 2 * upper + upper_right
                x[i + 1, j + 1] = uniform[i, j] < self.table[context]
        return x[1:, 1:-1].permute(2, 0, 1)[:, None].float().contiguous()

    def contexts(self, x: Tensor) -> Tensor:
        """Return the neighbours of each pixel as an index into `table`: x (B, 1, H, W) gives int64 (B, 1, H, W)."""
        _check.images("x", x, self.shape)
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("x must hold nothing but 0 and 1, but has other values")
        framed = pad(x.long(), (1, 1, 1, 0))  # (B, 1, H + 1, W + 2)
        left, upper_left = framed[..., 1:, :-2], framed[..., :-1, :-2]
        upper, upper_right = framed[..., :-1, 1:-1], framed[..., :-1, 2:]
        return 8 * left + 4 * upper_left + 2 * upper + upper_right

    def conditional_probs(self, x: Tensor) -> Tensor:
        """Return p(pixel = 1 | the pixels before it): x (B, 1, H, W) of 0 and 1 gives (B, 1, H, W) of x's type."""
        return self.table[self.contexts(x).cpu()].to(x.dtype).to(x.device)  # not every device has float64

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats per image: x (B, 1, H, W) of 0 and 1 gives (B,) of x's type."""
        p = self.table[self.contexts(x).cpu()]  # not every device has float64
        return torch.where(x.cpu() == 1, p, 1 - p).log().sum((1, 2, 3)).to(x.dtype).to(x.device)

    def entropy(self) -> float:
        """Return the exact entropy of an image in nats.

        H = Σ_i Σ_s p(the last W + 1 pixels before i are s) · h(table[neighbours of i in s]),
        h(p) = -p log p - (1 - p) log(1 - p). The four neighbours lie within the last W + 1 pixels, and so these are all
        that has to be remembered on the way through the image.

        Raises:
            ValueError: the image is wider than 16, where the 2^(W+1) states become too many.
        """
        _, height, width = self.shape
        if width > WIDEST:
            raise ValueError(
                f"shape must be at most {WIDEST} wide for an exact entropy (2^(W+1) states), got {self.shape}"
            )
        h = -self.table * self.table.log() - (1 - self.table) * (1 - self.table).log()
        belief = torch.zeros(2 ** (width + 1), dtype=torch.float64, device="cpu")
        belief[0] = 1
        contexts = cache(self._contexts_of_states)  # six kinds of place in an image, whatever its size
        total = 0.0
        for i in range(height):
            for j in range(width):
                context = contexts(i > 0, j > 0, j < width - 1)
                total += (belief * h[context]).sum().item()
                belief = _advance(belief, self.table[context])
        return total

    def _contexts_of_states(self, above: bool, before: bool, after: bool) -> Tensor:
        """Read the four neighbours of a pixel out of each state of the last W + 1 pixels: (2^(W+1),).

        `above`, `before` and `after` say whether the image has a row above the pixel and a column on either side; a
        neighbour outside is 0.
        """
        width = self.shape[2]
        state = torch.arange(2 ** (width + 1), device="cpu")  # bit b: the pixel b + 1 places back

        def pixel(back: int, inside: bool) -> Tensor:
            return (state >> (back - 1)) & 1 if inside else torch.zeros_like(state)

        left, upper_left = pixel(1, inside=before), pixel(width + 1, inside=above and before)
        upper, upper_right = pixel(width, inside=above), pixel(width - 1, inside=above and after)
        return 8 * left + 4 * upper_left + 2 * upper + upper_right


def _advance(belief: Tensor, p: Tensor) -> Tensor:
    """Append one pixel to the state and forget the oldest: probabilities of the states before give those after."""
    # Dropping the top bit adds two halves; appending a pixel at the bottom makes it the fastest index.
    zero, one = (belief * (1 - p)).view(2, -1).sum(0), (belief * p).view(2, -1).sum(0)
    return torch.stack([zero, one], dim=1).flatten()


def mesh(shape: tuple[int, int, int] = (1, 8, 8), table: Tensor | None = None) -> Mesh:
    """Make a causal Markov mesh over binary images, p(x) = Π_i p(x_i | left, upper left, upper, upper right).

    Args:
        shape: (1, H, W).
        table: 16 probabilities of a 1, indexed by 8·left + 4·upper left + 2·upper + upper right; None is the course's.

    Raises:
        ValueError: shape is not (1, H, W), or table is not 16 probabilities strictly between 0 and 1.

    Source: Abend, Harley, Kanal 1965.
    """
    default: Any = DEFAULT_TABLE  # Mesh makes a tensor of it
    return Mesh(shape, default if table is None else table)
