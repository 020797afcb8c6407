"""The container that every set of images in the course comes in, and images as tokens of a palette."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from course_utils import _check


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images split into train, valid and test, each float32 (N, C, H, W) in [0, 1].

    Args:
        name: what the set is called in figures and tables.
        train, valid, test: float32 (N, C, H, W), values in [0, 1].
        train_labels, valid_labels, test_labels: (N,) classes or whatever is known of the images, or None.
        levels: grey levels of a channel; every value is k / (levels - 1) for a whole k.
        palette: float32 (K, 3), where each pixel has one of these colours, else None.

    Raises:
        ValueError: a split is not float32 (N, C, H, W), the splits differ in (C, H, W), a label count is not N, or
            levels < 2.
    """

    name: str
    train: Tensor
    valid: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    valid_labels: Tensor | None = None
    test_labels: Tensor | None = None
    levels: int = 256
    palette: Tensor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", _check.whole("levels", self.levels, least=2))
        for split in ("train", "valid", "test"):
            x, labels = getattr(self, split), getattr(self, f"{split}_labels")
            if not isinstance(x, Tensor) or x.dtype != torch.float32 or x.ndim != 4:
                raise ValueError(f"{split} must be float32 (N, C, H, W), got {_check.describe(x)}")
            if x.shape[1:] != self.train.shape[1:]:
                raise ValueError(f"{split} must be of images {self.shape}, as train is, got {_check.describe(x)}")
            if labels is not None and len(labels) != len(x):
                raise ValueError(f"{split}_labels must be {len(x)} labels, one an image, got {len(labels)}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return tuple(self.train.shape[1:])  # pyright: ignore[reportReturnType]  # train has four sizes

    def to(self, device: torch.device | str) -> "Images":
        """Return the same images with every tensor on `device`."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})

    def __repr__(self) -> str:
        splits = " + ".join(f"{len(x):,} {name}" for name, x in self._splits())
        colours = f", {len(self.palette)} colours" if self.palette is not None else ""
        return f"Images({self.name!r}: {splits}, {self.shape}, {self.levels} levels{colours})"

    def _splits(self) -> list[tuple[str, Tensor]]:
        return [("train", self.train), ("valid", self.valid), ("test", self.test)]


def to_tokens(x: Tensor, palette: Tensor) -> Tensor:
    """Return the nearest palette colour of each pixel, argmin_k |x - palette_k|².

    Args:
        x: floating point (B, C, H, W).
        palette: (K, C).

    Returns:
        int64 (B, H, W) in 0 … K - 1.

    Raises:
        ValueError: x is not (B, C, H, W) or palette not (K, C).
    """
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"x must be a floating-point tensor (B, C, H, W), got {_check.describe(x)}")
    if palette.ndim != 2 or palette.shape[1] != x.shape[1]:
        raise ValueError(f"palette must be (K, {x.shape[1]}), got {_check.describe(palette)}")
    # One colour at a time needs memory for one distance a pixel, not K.
    distance = torch.stack([((x - colour.to(x).view(1, -1, 1, 1)) ** 2).sum(1) for colour in palette])  # (K, B, H, W)
    return distance.argmin(0)


def from_tokens(tokens: Tensor, palette: Tensor) -> Tensor:
    """Return the colours of palette tokens: int64 (B, H, W) and palette (K, C) give (B, C, H, W).

    Raises:
        ValueError: tokens are not int64 (B, H, W) in 0 … K - 1.
    """
    if tokens.ndim != 3 or tokens.dtype != torch.int64:
        raise ValueError(f"tokens must be int64 (B, H, W), got {_check.describe(tokens)}")
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < len(palette):
        raise ValueError(f"tokens must be in 0 … {len(palette) - 1}, got {int(tokens.min())} … {int(tokens.max())}")
    return palette[tokens].permute(0, 3, 1, 2).contiguous()


def split_sizes(n: int) -> tuple[int, int, int]:
    """Return 80 / 10 / 10 % of n as three whole numbers that sum to n and are all above 0.

    Raises:
        ValueError: n < 10.
    """
    n = _check.whole("n", n, least=10)
    held_out = n // 10
    return n - 2 * held_out, held_out, held_out


def split_images(
    name: str, x: Tensor, labels: Tensor | None, sizes: tuple[int, int, int], levels: int, palette: Tensor | None = None
) -> Images:
    """Cut x (N, C, H, W) and its labels (N,) in stored order into train, valid and test of the given sizes."""
    parts = x.split(list(sizes))
    label_parts = (None, None, None) if labels is None else labels.split(list(sizes))
    return Images(name, *parts, *label_parts, levels=levels, palette=palette)
