"""Palettes learned from pictures, and what is lost when a colour becomes one of K tokens.

The colours of a picture with L levels a channel form a cube of L³ points. A palette cuts it into cells, one a palette
colour, of the colours that are nearer to it than to the others. `learn_palette` places the colours (k-means),
`palette_error` says how far the pixels are from them, and `cell_log_probs` how probable each colour is in its cell.
"""

from typing import Any

import torch
from torch import Tensor

from course_utils import _check
from course_utils.data.images import from_tokens, to_tokens

MOST_PIXELS = 1_000_000  # k-means sees no more, so that its time and memory have a bound
LUMINANCE = (0.2126, 0.7152, 0.0722)  # weights of red, green, blue (ITU-R BT.709)


def learn_palette(x: Tensor, colours: int, seed: int = 0) -> Tensor:
    """Return the k-means centres of the pixels' colours, from dark to light.

    They minimise, locally, sum over pixels of |x - nearest colour|² (S. P. Lloyd, "Least squares quantization in PCM",
    1982). The best of four starts counts.

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].
        colours: K, the number of colours.
        seed: decides the starts, and which pixels are used where there are more than a million; torch's global random
            state is neither used nor changed.

    Returns:
        float32 (K, 3), sorted by luminance, so that the numbering does not depend on the starts.

    Raises:
        ValueError: x is not of that form, or has fewer distinct colours than K.
    """
    from sklearn.cluster import KMeans  # imported late: it costs a second that most callers need not wait

    _need_rgb(x)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must hold values in [0, 1], got some from {x.min().item():.4g} to {x.max().item():.4g}")
    colours, seed = _check.whole("colours", colours), _check.whole("seed", seed, least=0)
    generator = torch.Generator().manual_seed(seed)
    pixels = x.detach().cpu().double().movedim(1, -1).reshape(-1, 3)
    if len(pixels) > MOST_PIXELS:
        pixels = pixels[torch.randint(len(pixels), (MOST_PIXELS,), generator=generator, device="cpu")]
    distinct, counts = _distinct(pixels)  # a colour of n pixels is one point of weight n
    if len(distinct) < colours:
        raise ValueError(f"colours must be at most {len(distinct)}, the distinct colours in x, got {colours}")
    restarts: Any = 4  # without types of its own, scikit-learn is taken to want a text here
    kmeans = KMeans(colours, n_init=restarts, random_state=seed).fit(distinct.numpy(), sample_weight=counts.numpy())
    centres = torch.from_numpy(kmeans.cluster_centers_).float()
    return centres[(centres @ centres.new_tensor(LUMINANCE)).argsort()]


def _distinct(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows of (N, 3), sorted, and how often each occurs.

    As ``unique(dim=0)``, but by one number for each row, which sorts many times faster than rows do.
    """
    values, places = zip(*(channel.unique(return_inverse=True) for channel in pixels.unbind(1)), strict=True)
    sides = [len(v) for v in values]
    number, counts = ((places[0] * sides[1] + places[1]) * sides[2] + places[2]).unique(return_counts=True)
    row = torch.stack([number // (sides[1] * sides[2]), number // sides[2] % sides[1], number % sides[2]])
    return torch.stack([v[k] for v, k in zip(values, row, strict=True)], 1), counts


def palette_error(x: Tensor, palette: Tensor) -> Tensor:
    """Return the mean squared error of each image with every pixel moved to its nearest palette colour, shape (B,).

    The mean is over pixels and channels, of values in [0, 1].

    Raises:
        ValueError: x is not floating point (B, 3, H, W) or palette not (K, 3).
    """
    _need_rgb(x)
    return (from_tokens(to_tokens(x, palette), palette.to(x)) - x).square().mean((1, 2, 3))


def cell_log_probs(x: Tensor, palette: Tensor, levels: int) -> Tensor:
    """Return log p(colour | token) of every colour of the cube, estimated from the pixels of x, in nats.

        p(c | t) = (n_c + 1) / sum over the colours c' of cell t of (n_{c'} + 1)

    with n_c the number of pixels of colour c. Each cell's probabilities sum to 1. Since the token is a function of the
    colour, p(c) = p(t(c)) p(c | t(c)): this is the second factor, which makes a likelihood of tokens one of colours.

    Args:
        x: floating point (B, 3, H, W), every value k / (levels - 1); training images.
        palette: (K, 3).
        levels: L, levels of a channel.

    Returns:
        float32 (L, L, L), indexed by the levels of red, green and blue. See `colour_log_prob`.

    Raises:
        ValueError: x is not of that form, or palette not (K, 3), or levels is not from 2 to 64.
    """
    levels = _check.whole("levels", levels, least=2)
    index = _colour_index(x, levels)
    counts = torch.bincount(index.flatten(), minlength=levels**3).double() + 1
    side = torch.arange(levels, dtype=torch.float32, device=x.device) / (levels - 1)
    cube = torch.cartesian_prod(side, side, side)  # (L³, 3), in the order of _colour_index
    cell = to_tokens(cube.view(-1, 3, 1, 1), palette).flatten()  # (L³,)
    total = torch.zeros(len(palette), dtype=torch.float64, device=x.device).index_add_(0, cell, counts)
    return (counts / total[cell]).log().float().view(levels, levels, levels)


def colour_log_prob(x: Tensor, log_probs: Tensor) -> Tensor:
    """Return the sum over pixels of log p(colour | token) of each image, shape (B,), in nats.

    Args:
        x: floating point (B, 3, H, W), every value k / (L - 1).
        log_probs: (L, L, L), from `cell_log_probs`.

    Raises:
        ValueError: x is not of that form.
    """
    return log_probs.flatten()[_colour_index(x, len(log_probs))].sum((1, 2))


def _colour_index(x: Tensor, levels: int) -> Tensor:
    """The number of each pixel's colour in the cube, L² red + L green + blue: int64 (B, H, W)."""
    _need_rgb(x)
    if levels > 64:
        raise ValueError(f"levels must be at most 64, or the cube of colours gets too large, got {levels}")
    level = (x * (levels - 1)).round()
    if not ((x * (levels - 1) - level).abs() < 1e-3).all() or level.min() < 0 or level.max() > levels - 1:
        raise ValueError(f"x must hold k/{levels - 1} for whole k from 0 to {levels - 1}, got other values")
    red, green, blue = level.long().unbind(1)
    return (red * levels + green) * levels + blue


def _need_rgb(x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3 or not x.numel():
        raise ValueError(f"x must be a floating-point tensor of shape (B, 3, H, W), got {_check.describe(x)}")
