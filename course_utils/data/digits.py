"""Real handwriting that comes inside a dependency, and so needs no network."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import _check
from course_utils.data.images import Images, split_images

LEVELS = 17
SPLIT = (1000, 350, 447)  # in stored order, which is not shuffled: as published results split it


def digits() -> Images:
    """Return scikit-learn's handwritten digits, 8×8, in the split 1000 / 350 / 447 of published results.

    Returns:
        float32 (N, 1, 8, 8) in 17 levels k/16; the labels are the digits, int64. The stored order is kept: other hands
        wrote the later digits, so that valid and test differ from train.

    Source: Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI 1998; split as in Tomczak, Deep Generative
    Modeling, 2022.
    """
    from sklearn.datasets import load_digits  # imported late: it costs a second that most callers need not wait

    stored = load_digits()
    images, target = stored.images, stored.target  # pyright: ignore[reportAttributeAccessIssue]  # no (x, y) was asked for
    x = torch.from_numpy(images).float().unsqueeze(1) / (LEVELS - 1)
    return split_images("digits", x, torch.from_numpy(target).long(), SPLIT, levels=LEVELS)


def redraw_digits(x: Tensor, share: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Draw digits anew, the way the set was made: turned and stretched a little, with another pen.

    Each value of the set counts the ink in a block of 4×4 of a bitmap of 32×32. So: enlarge four times, turn, stretch
    and move (each number of the affine map by N(0, 0.12²)), sharpen to a stroke of another width, count the ink.

    Args:
        x: floating point (B, 1, 8, 8) in 17 levels.
        share: probability that a picture is drawn anew; 1 - i / steps, falling to zero, ends on real pictures.
        generator: source of the randomness; torch's global one by default.

    Returns:
        (B, 1, 8, 8) in 17 levels.

    Raises:
        ValueError: x is not (B, 1, 8, 8), or share is not in [0, 1].

    Source of the making of the set: Alpaydin, Kaynak, UCI 1998.
    """
    _check.images("x", x, (1, 8, 8))
    if not 0 <= _check.number(share) <= 1:
        raise ValueError(f"share must be a number from 0 to 1, got {_check.describe(share)}")
    # Drawn as float32 on the generator's device: the same pictures wherever x lies, whatever torch's defaults are.
    of = {"dtype": torch.float32, "device": generator.device if generator is not None else "cpu"}
    turn = torch.eye(2, 3, **of) + 0.12 * torch.randn(len(x), 2, 3, generator=generator, **of)
    grid = F.affine_grid(turn.to(x), [len(x), 1, 32, 32], align_corners=False)
    ink = F.grid_sample(x, grid, mode="bicubic", align_corners=False)
    pen = 0.1 * torch.randn(len(x), 1, 1, 1, generator=generator, **of).to(x)  # thicker or thinner
    ink = (2.5 * (ink - 0.5 + pen) + 0.5).clamp(0, 1)
    again = (F.avg_pool2d(ink, 4) * (LEVELS - 1)).round() / (LEVELS - 1)
    chosen = torch.rand(len(x), 1, 1, 1, generator=generator, **of).to(x) < _check.number(share)
    return torch.where(chosen, again, x)
