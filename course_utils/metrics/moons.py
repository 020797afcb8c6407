"""Whether a picture is a moon, of which phase, and what lies between two codes of moons."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import _check
from course_utils.data import nearest_moon

MOON_LIMIT = 0.07  # a black picture is 0.075 from the nearest moon, a new one: what is called a moon must be nearer


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
    where = next((phase.device for phase in (a, b) if isinstance(phase, Tensor)), None)
    a, b = _check.tensor("a", a, None, where), _check.tensor("b", b, None, where)
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
