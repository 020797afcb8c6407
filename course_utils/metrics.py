"""What can be measured of a set of pictures. Every function says its unit, and whether more is better."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import _check
from course_utils.data import nearest_moon

_DIFFERENCES = "donot_use_mm_for_euclid_dist"  # torch.cdist's word for: exact, by differences
_ROWS = 1_024
MOON_LIMIT = 0.07  # a black picture is 0.075 from the nearest moon, a new one: what is called a moon must be nearer


def saturation(x: Tensor) -> Tensor:
    """Mean HSV saturation of each image: 0 where all is grey, 1 where every pixel is a pure hue, however dark.

        S = (max(R, G, B) - min(R, G, B)) / max(R, G, B), and 0 for black

    (A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978.)

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].

    Returns:
        (B,), in [0, 1].

    Raises:
        ValueError: x is not of that form, or holds other values.
    """
    _need_colours(x)
    largest, smallest = x.amax(1), x.amin(1)  # (B, H, W)
    return ((largest - smallest) / largest.clamp(min=torch.finfo(x.dtype).tiny)).mean((1, 2))


def chroma(x: Tensor) -> Tensor:
    """Mean chroma of each image: saturation times brightness, so that dark pixels count for little.

        C = max(R, G, B) - min(R, G, B)

    (G. H. Joblove and D. Greenberg, "Color spaces for computer graphics", SIGGRAPH 1978.)

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].

    Returns:
        (B,), in [0, 1].

    Raises:
        ValueError: x is not of that form, or holds other values.
    """
    _need_colours(x)
    return (x.amax(1) - x.amin(1)).mean((1, 2))


def colourfulness(x: Tensor) -> Tensor:
    """Colourfulness of each image after Hasler and Süsstrunk, fitted to the ratings of people; 0 for all greys.

        rg = R - G,  yb = (R + G) / 2 - B,  M = sqrt(std(rg)² + std(yb)²) + 0.3 sqrt(mean(rg)² + mean(yb)²)

    with R, G, B from 0 to 255, and std and mean over the pixels. In the paper's scale 0 is "not colourful",
    59 "quite", 109 "extremely colourful". (D. Hasler and S. Süsstrunk, "Measuring colourfulness in natural images",
    Human Vision and Electronic Imaging 2003, the metric that the paper calls M(3).)

    Args:
        x: floating point (B, 3, H, W), values in [0, 1].

    Returns:
        (B,), at least 0.

    Raises:
        ValueError: x is not of that form, or holds other values.
    """
    _need_colours(x)
    red, green, blue = (255 * x).flatten(2).unbind(1)  # (B, H * W) each
    opponents = torch.stack([red - green, (red + green) / 2 - blue])  # (2, B, H * W): red-green, yellow-blue
    spread = opponents.var(-1, correction=0).sum(0).sqrt()  # (B,)
    return spread + 0.3 * opponents.mean(-1).square().sum(0).sqrt()


def _need_colours(x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3 or not x.numel():
        raise ValueError(f"x must be a floating-point tensor of shape (B, 3, H, W), got {_check.describe(x)}")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must hold values in [0, 1], got some from {x.min().item():.4g} to {x.max().item():.4g}")


# --- moons -----------------------------------------------------------------------------------------------------------


def is_moon(x: Tensor, limit: float = MOON_LIMIT) -> Tensor:
    """Whether each picture is a moon at all: whether the nearest of ``data.nearest_moon``'s 9,600 moons is near enough.

        min over moons m of sqrt(mean over pixels of (x - m)^2) < limit

    The limit is as generous as it can be without calling a black picture a moon: black is 0.0749 from a new moon,
    which has only its earthshine. It is strict for bright moons and lenient for dark ones: any even disk of a grey
    from 0.02 to 0.23 passes for a new moon. Held-out moons of ``moon_phases`` are 0.04 away on average (the catalogue
    has gaps), two phases 1/32 of a period apart 0.10 on average, and the average of full and half moon 0.18.

    Args:
        x: floating point (B, 1, 16, 16); not clamped, so that values outside [0, 1] count as the errors they are.
        limit: in grey values of 0 ... 1.

    Returns:
        bool (B,).

    Raises:
        ValueError: x is not (B, 1, 16, 16), or limit is not above 0.
    """
    limit = _check.positive("limit", limit)
    with torch.no_grad():
        return nearest_moon(x)[0] < limit


def phases_found(x: Tensor, limit: float = MOON_LIMIT, least: float = 0.01) -> int:
    """How many of the moon's eight named phases (new, crescent, first quarter, ...) occur among the pictures, 0 to 8.

    A phase is found if at least the share ``least`` of *all* pictures are moons nearer to it than to the other seven.
    To be read beside the share of moons, which a decoder that can draw a single moon brings to 100 %.

    Args:
        x: floating point (B, 1, 16, 16).
        limit: as for ``is_moon``.
        least: share of the pictures, from 0 up to 1; of even phases an eighth falls to each.

    Raises:
        ValueError: x is not (B, 1, 16, 16) with B > 0, limit is not above 0, or least is not a share.
    """
    return moon_scores(x, limit, least)[1]


def moon_scores(x: Tensor, limit: float = MOON_LIMIT, least: float = 0.01) -> tuple[float, int]:
    """Share of pictures that are a moon, 0 to 1, and ``phases_found`` among them, from a single search.

    Args:
        x, limit, least: as for ``phases_found``.

    Raises:
        ValueError: as for ``phases_found``.
    """
    least = _check.share("least", least)
    limit = _check.positive("limit", limit)
    with torch.no_grad():
        distance, phase = nearest_moon(x)
    if not len(x):
        raise ValueError(f"x must hold at least one picture, got {_check.describe(x)}")
    near = distance < limit
    named = (8 * phase[near] + 0.5).floor().long() % 8  # round() goes to even numbers: some names would get more
    counts = torch.bincount(named, minlength=8)
    return near.float().mean().item(), int(((counts > 0) & (counts >= least * len(x))).sum())


def phase_distance(a: Tensor | float, b: Tensor | float) -> Tensor:
    """How far two phases are apart, the short way round, in periods: from 0 to 1/2.

        | (a - b + 1/2) mod 1 - 1/2 |

    Raises:
        ValueError: a phase is not finite.
    """
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError(f"a and b must be finite phases, got {_check.describe(a)} and {_check.describe(b)}")
    return (torch.remainder(a - b + 0.5, 1) - 0.5).abs()


class Walk(NamedTuple):
    """What lies on P ways between codes, at S places each, ends included; from ``moon_walk``."""

    pictures: Tensor  # (P, S, 1, 16, 16)
    distance: Tensor  # (P, S) to the nearest moon of any phase, root mean square, in grey values
    phase: Tensor  # (P, S) of that moon, in [0, 1)
    phase_error: Tensor  # (P, S) distance from the true in-between phase, in periods


def moon_walk(decode: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, phases: Tensor, steps: int = 9) -> Walk:
    """Decode the straight lines between pairs of codes, and compare what lies there with the moons in between.

        z_t = (1 - t) start + t end,    true phase_t = phase_0 + t (phase_1 - phase_0),    t = 0 ... 1

    with the difference taken the short way round the circle. The phase of a decoded picture is not known: it is *read*
    from the picture, as the phase of the nearest of ``data.nearest_moon``'s moons (steps of 1/128). It is worth
    something only where the distance is small. What counts as right is the phase that moves evenly with t: a decoder
    that draws true moons at another pace is charged for the pace.

    Args:
        decode: codes (N, Z) to pictures (N, 1, 16, 16): ``model.decode`` of an autoencoder, for a VAE
            ``lambda z: model.decode(z).mean``, and for a cross-fade of pixels a view of the pixels themselves.
        start: codes (P, Z).
        end: codes (P, Z).
        phases: (P, 2), the true phases of start and end, in periods, less than half a period apart.
        steps: places S on each way, ends included, equally spaced.

    Raises:
        ValueError: start and end are not (P, Z), phases is not (P, 2) or leaves the short way open, steps < 2, or
            decode does not return pictures (N, 1, 16, 16).
    """
    _need_pairs(start, end, phases)
    t = torch.linspace(0, 1, _check.whole("steps", steps, least=2), dtype=start.dtype, device=start.device)
    z = torch.lerp(start[:, None], end[:, None], t[None, :, None])  # (P, S, Z)
    with torch.no_grad():
        x = _check.images("decode(z)", decode(z.flatten(0, 1)), (1, 16, 16))
        distance, phase = (value.view(z.shape[:2]) for value in nearest_moon(x))
    first, last = phases.to(start).unsqueeze(1).unbind(2)  # (P, 1) each
    true_phase = first + t * (torch.remainder(last - first + 0.5, 1) - 0.5)  # (P, S)
    return Walk(x.unflatten(0, z.shape[:2]), distance, phase, phase_distance(phase, true_phase))


def _need_pairs(start: Tensor, end: Tensor, phases: Tensor) -> None:
    for name, z in (("start", start), ("end", end)):
        if not isinstance(z, Tensor) or not z.is_floating_point() or z.ndim != 2 or not z.numel():
            raise ValueError(f"{name} must be a floating-point tensor of shape (P, Z), got {_check.describe(z)}")
    if start.shape != end.shape:
        raise ValueError(f"end must have the shape of start, {tuple(start.shape)}, got {_check.describe(end)}")
    if not isinstance(phases, Tensor) or phases.shape != (len(start), 2):
        raise ValueError(f"phases must have shape ({len(start)}, 2), got {_check.describe(phases)}")
    apart = phase_distance(*phases.unbind(1))
    if not (apart < 0.5 - 1e-6).all():
        raise ValueError(f"phases must be less than half a period apart, got {apart.max().item():.4g}")


# --- latent codes ----------------------------------------------------------------------------------------------------


def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """Number of latents that say something about the picture, from the posterior means of many pictures.

        A_j = Var_x( E_{q(z|x)}[z_j] ) > threshold

    A latent that has collapsed has the same posterior, the prior, for every picture: its mean does not move. The rule
    and the threshold: Burda et al., arXiv 1509.00519.

    Args:
        mu: posterior means (N, Z) of N > 1 pictures.
        threshold: of the variance, in units of the prior's, at least 0.

    Raises:
        ValueError: mu is not a finite float tensor (N, Z) with N > 1, or threshold is negative or not finite.
    """
    if not isinstance(mu, Tensor) or not mu.is_floating_point() or mu.ndim != 2 or len(mu) < 2 or not mu.shape[1]:
        raise ValueError(f"mu must be a floating-point tensor of shape (N, Z) with N > 1, got {_check.describe(mu)}")
    if not mu.isfinite().all():
        raise ValueError("mu must be finite, got NaN or infinity")
    if not isinstance(threshold, int | float) or not 0 <= threshold < math.inf:
        raise ValueError(f"threshold must be a finite number of at least 0, got {threshold!r}")
    return int((mu.var(0) > threshold).sum())


# --- sharpness -------------------------------------------------------------------------------------------------------


def high_frequency_power(x: Tensor, cut: float = 0.25) -> Tensor:
    """Power of each picture in its fine detail: edges and grain have it, blurred pictures have lost it.

        P = 1/(H W)^2 sum over frequencies f with |f| >= cut of |FFT(x)_f|^2,    |f| = sqrt(f_y^2 + f_x^2)

    By Parseval's theorem the sum over *all* frequencies is the mean square of the pixels, so P is the part of it that
    frequencies from ``cut`` on carry. A dimmed picture has less of it, too: for sharpness divide by the variance over
    the pixels, and compare two sets of pictures by the ratio: 1 as sharp as the other set, below 1 blurred; above 1
    noise, which this measure does not tell from detail. An edge of the picture counts as if the picture went on with
    its other side.

    Args:
        x: floating point (B, C, H, W); channels are averaged.
        cut: in cycles per pixel; 0.25 is a wave of 4 pixels, and 0.5 the finest along a row.

    Returns:
        (B,), in squared grey values.

    Raises:
        ValueError: x is not a float batch (B, C, H, W), or cut is not above 0 and at most 0.5.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or not x.numel():
        raise ValueError(f"x must be a floating-point tensor of shape (B, C, H, W), got {_check.describe(x)}")
    if isinstance(cut, bool) or not isinstance(cut, int | float) or not 0 < cut <= 0.5:
        raise ValueError(f"cut must be above 0 and at most 0.5 cycles per pixel, got {cut!r}")
    height, width = x.shape[2:]
    rows, columns = torch.fft.fftfreq(height, device=x.device), torch.fft.fftfreq(width, device=x.device)
    fine = (rows[:, None] ** 2 + columns[None, :] ** 2).sqrt() >= cut - 1e-6  # fftfreq rounds
    power = torch.fft.fft2(x, norm="forward").abs().square()  # (B, C, H, W); norm "forward" divides by H W
    return (power * fine).sum((2, 3)).mean(1)


# --- what a generator covers, and what it copies ---------------------------------------------------------------------


class ModeCoverage(NamedTuple):
    """How a sample covers the modes of a mixture: modes found, share of good samples, reverse KL in nats."""

    modes: int
    good: float
    reverse_kl: float


def mode_coverage(samples: Tensor, centres: Tensor, std: float) -> ModeCoverage:
    """Modes found, share of good samples and evenness, for a mixture of K equal Gaussians, by the published protocol.

        good: |x - c| <= 3 std for the nearest centre c
        modes: the number of centres with at least one good sample
        reverse KL = sum_k q_k log(q_k K),  q_k: share of *all* samples whose nearest centre is k

    Read the three together: 100 % good samples may sit in one mode, and an even spread need not be good. Of the true
    distribution in D = 2 dimensions 1 - exp(-9 / 2) = 98.9 % are good, and n samples have a reverse KL of about
    (K - 1) / (2 n) by chance. (Srivastava et al., VEEGAN, arXiv 1705.07761; Lin et al., PacGAN, arXiv 1712.04086,
    both with n = 2,500.)

    Args:
        samples: (n, D) with n > 0.
        centres: (K, D).
        std: standard deviation of each Gaussian along each axis.

    Raises:
        ValueError: samples or centres are not finite (n, D) and (K, D) with one D, or std is not above 0.
    """
    for name, value in (("samples", samples), ("centres", centres)):
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim != 2 or not value.numel():
            raise ValueError(f"{name} must be a floating-point tensor of shape (n, D), got {_check.describe(value)}")
        if not value.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    if samples.shape[1] != centres.shape[1]:
        raise ValueError(f"centres must have as many columns as samples, {samples.shape[1]}, got {centres.shape[1]}")
    # float64 and differences, not squares: with std 0.01 the digits would be lost
    distances = torch.cdist(samples.detach().double(), centres.to(samples.device).double(), compute_mode=_DIFFERENCES)
    distance, nearest_mode = distances.min(1)
    good = distance <= 3 * _check.positive("std", std)
    shares = torch.bincount(nearest_mode, minlength=len(centres)) / len(samples)
    return ModeCoverage(
        modes=len(nearest_mode[good].unique()),
        good=good.double().mean().item(),
        reverse_kl=torch.xlogy(shares, shares * len(centres)).sum().item(),
    )


class Nearest(NamedTuple):
    """The nearest picture: its distance (B,), root mean square over the values, and its index (B,)."""

    distance: Tensor
    index: Tensor


def nearest(x: Tensor, among: Tensor) -> Nearest:
    """For each picture the nearest one of another set: what to lay beside a generated picture that looks too good.

        d = sqrt(mean over the values of (x - y)^2),  the least over all y in ``among``

    A distance alone says nothing: compare it with that of real pictures that the model has not seen. A copy is at 0;
    held-out pictures are as far as an honest new one would be.

    Args:
        x: floating point (B, ...).
        among: floating point (N, ...) with N > 0 and pictures of the same shape.

    Raises:
        ValueError: x or among is not of that form.
    """
    for name, value in (("x", x), ("among", among)):
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2 or not value.numel():
            raise ValueError(f"{name} must be a floating-point tensor (B, ...), got {_check.describe(value)}")
    if x.shape[1:] != among.shape[1:]:
        raise ValueError(f"among must hold pictures of shape {tuple(x.shape[1:])}, got {tuple(among.shape[1:])}")
    flat, pool = x.detach().flatten(1), among.detach().to(x).flatten(1)
    # a matrix of squares would round a copy's distance of 0 to 1e-4; a few rows at a time, it does not fill the memory
    rows = [torch.cdist(part, pool, compute_mode=_DIFFERENCES).min(1) for part in flat.split(_ROWS)]
    distance = torch.cat([row.values for row in rows]) / math.sqrt(flat.shape[1])
    return Nearest(distance, torch.cat([row.indices for row in rows]))
