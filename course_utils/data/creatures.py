"""Pixel-art creatures, drawn by a small programme: colour, without shipping anybody's artwork.

A creature is drawn as palette tokens on the right half of a 16×16 canvas, part over part (ears, limbs, body, belly,
face), from a handful of random numbers; the left half is its mirror image, and a dark outline is put around the whole.
What makes the colours predictable is what makes a creature: one hue for the body with its own shade, a second hue for
the extras, the same on both sides.

Sixteen colours are few. Under a lamp (`lit=True`), each creature under its own, they become many hundreds.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from course_utils import _check
from course_utils.data.images import Images, from_tokens, split_images, split_sizes

LEVELS = 16  # four bits a channel, as on the computers that such creatures come from

_HEX = (
    "124",  # 0 background, night blue
    "001",  # 1 outline and pupils
    "fff",  # 2 eyes and teeth
    "f8a",  # 3 cheeks and tongues
    "f43", "a12",  # 4, 5 red and its shade
    "f92", "b51",  # 6, 7 orange
    "fe3", "c91",  # 8, 9 yellow
    "5d4", "273",  # 10, 11 green
    "4cf", "17b",  # 12, 13 blue
    "c5f", "72a",  # 14, 15 purple
)  # fmt: skip
# float32 (16, 3); what is drawn lies on the CPU, whatever torch's default device and type are
PALETTE = torch.tensor([[int(c, 16) for c in colour] for colour in _HEX], dtype=torch.float32, device="cpu")
PALETTE /= LEVELS - 1
BACKGROUND, OUTLINE, WHITE, PINK, FIRST_HUE = range(5)
HUES = 6
_ORANGE, _YELLOW = 6, 8

KINDS = ("cat", "rabbit", "bear", "beetle", "dragon", "ghost", "octopus", "bird")
_CAT, _RABBIT, _BEAR, _BEETLE, _DRAGON, _GHOST, _OCTOPUS, _BIRD = range(len(KINDS))


def creatures(n: int = 2_000, seed: int = 0, *, lit: bool = False) -> Images:
    """Draw n mirror-symmetric creatures of eight kinds in 16 colours, split 80 / 10 / 10.

    Args:
        n: images in all.
        seed: decides all of them; torch's global random state is neither used nor changed.
        lit: put each creature under a lamp of its own: the same creatures, in many hundreds of colours instead of 16.
            Shape and parts stay mirror-symmetric, the light need not be.

    Returns:
        float32 (N, 3, 16, 16), every channel in 16 levels k/15; every pixel one of the 16 colours in `palette` (16, 3),
        or, where the creatures are lit, any colour, and `palette` is None. The labels are the kind, int64 in the order
        of `KINDS`.

    Raises:
        ValueError: n < 10, or seed is not a whole number.
    """
    n, sizes = _check.whole("n", n), split_sizes(n)
    generator = torch.Generator().manual_seed(_check.whole("seed", seed, least=0))
    tokens, kind = draw_tokens(n, generator)
    x = from_tokens(tokens, PALETTE)
    if not lit:
        return split_images("creatures", x, kind, sizes, levels=LEVELS, palette=PALETTE)
    with torch.device("cpu"):
        x = torch.where((tokens > OUTLINE)[:, None], _under_a_lamp(x, generator), x)
    return split_images("lit creatures", x, kind, sizes, levels=LEVELS)


def draw_tokens(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw n creatures as palette tokens: int64 (n, 16, 16) in 0 … 15, and their kinds (n,)."""
    with torch.device("cpu"):
        traits = _Traits.draw(n, generator)
        half = torch.zeros(n, 16, 8, dtype=torch.int64)
        for part in (_extras, _limbs, _body, _belly, _eyes, _mouth):
            part(half, traits)
    whole = torch.cat([half.flip(2), half], dim=2)  # mirror axis between columns 7 and 8
    return _outlined(whole), traits.kind


@dataclass(frozen=True)
class _Traits:
    """The random numbers behind n creatures; all (n, 1, 1), to be compared with the (16, 8) canvas, but kind (n,)."""

    kind: Tensor
    hue: Tensor  # token of the body colour; its shade is the next token
    accent: Tensor  # token of a second colour
    width: Tensor  # half width and half height of the body, in pixels
    height: Tensor
    middle: Tensor  # line of the body's middle
    belly: Tensor  # 0 plain, 1 patch, 2 stripes, 3 spots
    eyes: Tensor  # 0 round, 1 tall, 2 one large eye
    mouth: Tensor  # 0 smile, 1 open, 2 teeth, 3 small
    pose: Tensor  # 0 arms down, 1 arms up
    ears: Tensor  # 0 … 2, length of ears, horns, feelers
    cheeks: Tensor  # 0 or 1

    @staticmethod
    def draw(n: int, generator: torch.Generator) -> "_Traits":
        def one_of(*weights: float) -> Tensor:
            weight = torch.tensor(weights, dtype=torch.float32)
            return torch.multinomial(weight, n, replacement=True, generator=generator).view(n, 1, 1)

        kind = torch.randint(len(KINDS), (n,), generator=generator)
        hue = torch.randint(HUES, (n, 1, 1), generator=generator)
        accent = (hue + 1 + torch.randint(HUES - 1, (n, 1, 1), generator=generator)) % HUES  # never the body's hue
        return _Traits(
            kind=kind,
            hue=FIRST_HUE + 2 * hue,
            accent=FIRST_HUE + 2 * accent,
            width=4 + 0.5 * one_of(1, 2, 2, 1).float(),
            height=3.6 + 0.5 * one_of(1, 2, 1).float(),
            middle=torch.full((n, 1, 1), 9.0, dtype=torch.float32),
            belly=one_of(2, 3, 1.5, 1.5),
            eyes=one_of(4, 3, 1),
            mouth=one_of(3, 2, 2, 1),
            pose=one_of(1, 1),
            ears=one_of(1, 1, 1),
            cheeks=one_of(1, 1),
        )

    def is_a(self, *kinds: int) -> Tensor:
        """Which of the creatures are of one of these kinds: bool (n, 1, 1)."""
        return torch.isin(self.kind, torch.tensor(kinds)).view(-1, 1, 1)


# Positions on the right half: X is the distance from the mirror axis and Y the distance from the top, in pixels.
_X = torch.arange(8, dtype=torch.float32, device="cpu").view(1, 1, 8) + 0.5
_Y = torch.arange(16, dtype=torch.float32, device="cpu").view(1, 16, 1) + 0.5


def _paint(half: Tensor, where: Tensor, token: Tensor | int) -> None:
    half.copy_(torch.where(where, token, half))


def _beak_colour(t: _Traits) -> Tensor:
    """Beak and feet are orange, but yellow on an orange bird, where they would not be seen."""
    return torch.where(t.hue == _ORANGE, _YELLOW, _ORANGE)


def _box(x0, x1, y0, y1) -> Tensor:
    return (_X > x0) & (_X < x1) & (_Y > y0) & (_Y < y1)


def _ellipse(x, y, rx, ry) -> Tensor:
    return ((_X - x) / rx) ** 2 + ((_Y - y) / ry) ** 2 < 1


def _extras(half: Tensor, t: _Traits) -> None:
    """Ears, horns, feelers, crests and wings: what tells the kinds apart from behind the body."""
    top, long = t.middle - t.height, t.ears.float()

    cat, edge = t.is_a(_CAT), t.width - 0.5
    ear_height = 3.0 + 0.5 * long
    tall = _Y - (top - ear_height + 2.0)  # a triangle that widens downwards and leans outwards
    ear = (tall > 0) & (tall < ear_height + 1) & (_X < edge) & (_X > edge - 0.8 - 0.8 * tall)
    _paint(half, cat & ear, t.hue)
    _paint(half, cat & ear & (tall > 1.2) & (_X < edge - 0.9) & (_X > edge - 2.2), t.accent)

    rabbit = t.is_a(_RABBIT)
    _paint(half, rabbit & _ellipse(2.3, top - 0.3, 1.4, 3.4 + 0.5 * long), t.hue)
    _paint(half, rabbit & _box(1.8, 3, top - 2.3 - 0.5 * long, top + 1), PINK)

    bear = t.is_a(_BEAR)
    _paint(half, bear & _ellipse(t.width - 1, top + 0.6, 1.9, 1.9), t.hue)
    _paint(half, bear & _ellipse(t.width - 1, top + 0.6, 0.9, 0.9), t.accent)

    beetle = t.is_a(_BEETLE)
    lean = (_X - 1.5 - 0.5 * (top + 1 - _Y)).abs() < 0.6
    _paint(half, beetle & lean & (_Y > top - 2 - 0.5 * long) & (_Y < top + 1), t.hue + 1)
    _paint(half, beetle & _ellipse(3 + 0.25 * long, top - 2 - 0.5 * long, 1.1, 1.1), t.accent)

    dragon = t.is_a(_DRAGON)
    horn = (_X - 2.0 - 0.9 * (top + 1 - _Y)).abs() < 0.4 + 0.3 * (_Y - top + 3 + 0.3 * long).clamp(0, 3)
    _paint(half, dragon & horn & (_Y > top - 2 - 0.5 * long) & (_Y < top + 1.5), WHITE)
    wing = (_X > t.width - 1) & (_Y > t.middle - 3.4 + 0.9 * (7 - _X)) & (_Y < t.middle + 2 - 1.0 * (_X % 2))
    _paint(half, dragon & wing & (_X < 7), t.accent)

    bird = t.is_a(_BIRD)
    _paint(half, bird & _box(0, 1, top - 1.6 - 0.5 * long, top + 1), t.accent)
    _paint(half, bird & _box(1, 2, top - 0.6, top + 1), t.accent)
    lift = torch.where(t.pose == 1, -1.6, 0.8).float()
    _paint(half, bird & _ellipse(t.width + 0.3, t.middle + lift, 1.9, 2.4), t.accent)


def _limbs(half: Tensor, t: _Traits) -> None:
    """Legs, arms, tentacles: below and beside the body, in its shade."""
    bottom = t.middle + t.height
    walks = ~t.is_a(_GHOST, _OCTOPUS, _BEETLE, _BIRD)
    _paint(half, walks & _box(1, 3.1, bottom - 1.5, 15), t.hue + 1)
    _paint(half, walks & _box(1, 4.1, 14, 15), t.hue + 1)

    armed = t.is_a(_CAT, _RABBIT, _BEAR)
    down = _ellipse(t.width + 0.4, t.middle + 1.8, 1.2, 1.8)
    up = _ellipse(t.width + 0.7, t.middle - 0.6, 1.2, 1.8)
    _paint(half, armed & torch.where(t.pose == 1, up, down), t.hue + 1)

    bird = t.is_a(_BIRD)
    feet = _box(1, 2, bottom - 1, 15) | _box(1, 3, 14, 15)
    _paint(half, bird & feet, _beak_colour(t))

    beetle = t.is_a(_BEETLE)
    for leg in (-2.6, 0.2, 2.8):
        _paint(half, beetle & ((_Y - t.middle - leg).abs() < 0.5) & (_X < t.width + 1.6), t.accent + 1)

    octopus = t.is_a(_OCTOPUS)
    arms = ((_X > 0) & (_X < 1)) | ((_X > 2) & (_X < 3)) | ((_X > 4) & (_X < 5))
    length = 15 - (_X > 3) * (1 + t.pose)
    _paint(half, octopus & arms & (_Y > t.middle) & (_Y < length), t.hue)
    _paint(half, octopus & _box(4, 6, t.middle + 2.5, 14) & (_Y > 12 - t.pose) & (_Y < 14 - t.pose), t.hue)


def _body(half: Tensor, t: _Traits) -> None:
    """A superellipse, round for most and boxy for a ghost, with its shade along the lower edge."""
    x, y = _X / t.width, (_Y - t.middle) / t.height
    round_body = x.abs() ** 2.5 + y.abs() ** 2.5 < 1
    dome = x**2 + y.clamp(max=0) ** 2 < 1
    waves = torch.where((_X.floor() % 3) == 1, 14, 15)
    ghost = dome & (_Y < waves) & (_X < t.width)
    body = torch.where(t.is_a(_GHOST), ghost, torch.where(t.is_a(_OCTOPUS), dome & (y < 0.75), round_body))
    _paint(half, body, t.hue)
    edge = ~t.is_a(_OCTOPUS) & (((_X + 0.2) / t.width) ** 2.5 + ((y + 0.35).clamp(min=0)) ** 2.5 > 1.0)
    _paint(half, body & edge & (y > 0), t.hue + 1)


def _belly(half: Tensor, t: _Traits) -> None:
    """A patch, stripes or spots on the lower body; a seam and spots on every beetle."""
    on_body = (half == t.hue) & (_Y > t.middle + 0.8)
    patch = _ellipse(0, t.middle + t.height - 0.6, t.width * 0.55, 2.2)
    stripes = (_Y.floor() % 2 == 0) & (_X > 0.42 * t.width)
    spots = (_X.floor() + 2 * _Y.floor()) % 4 == 0
    pattern = ((t.belly == 1) & patch & ~t.is_a(_OCTOPUS)) | ((t.belly == 3) & spots)
    _paint(half, ~t.is_a(_BEETLE) & on_body & pattern, t.accent)
    _paint(half, ~t.is_a(_BEETLE) & on_body & (t.belly == 2) & stripes, t.hue + 1)
    _paint(half, t.is_a(_BEETLE) & on_body & (_X < 1), OUTLINE)
    _paint(half, t.is_a(_BEETLE) & on_body & _ellipse(2.5, t.middle + 2.2, 1.0, 1.0), t.accent)


def _eyes(half: Tensor, t: _Traits) -> None:
    """Two round or tall eyes, or a single large one; always in the upper half of the body."""
    line = (t.middle - 1).floor()
    one = (t.eyes == 2) & ~t.is_a(_BIRD)
    _paint(half, ~one & _box(1, 3, line - 1, line + 1), WHITE)
    _paint(half, ~one & (t.eyes == 1) & _box(1, 3, line - 2, line + 1), WHITE)
    _paint(half, ~one & _box(1, 2, line - 1, line + 1) & ((t.eyes == 1) | (_Y > line)), OUTLINE)
    _paint(half, one & (_box(0, 2, line - 2, line + 2) | _box(0, 3, line - 1, line + 1)), WHITE)
    _paint(half, one & _box(0, 1, line - 1, line + 1), OUTLINE)


def _mouth(half: Tensor, t: _Traits) -> None:
    """A smile, an open mouth, teeth or a small line; a beak for a bird; sometimes cheeks."""
    line = (t.middle - 1).floor() + 2
    bird = t.is_a(_BIRD)
    beak = _beak_colour(t)
    _paint(half, bird & _box(0, 1, line - 2, line + 1), beak)
    _paint(half, bird & _box(0, 1, line, line + 1), beak + 1)
    middle, corner = _box(0, 1, line, line + 1), _box(1, 2, line, line + 1)
    smile, opened, teeth, small = (~bird & (t.mouth == shape) for shape in range(4))
    _paint(half, (smile | teeth | small) & middle, OUTLINE)
    _paint(half, smile & _box(1, 2, line - 1, line), OUTLINE)
    _paint(half, opened & _box(0, 1, line, line + 2), PINK)
    _paint(half, teeth & corner, WHITE)
    _paint(half, (t.cheeks == 1) & (half == t.hue) & _box(3, 4, line - 1, line), PINK)


def _outlined(tokens: Tensor) -> Tensor:
    """Put the outline colour on every background pixel that touches a creature along an edge: (N, 16, 16)."""
    solid = (tokens != BACKGROUND).float()[:, None]
    near = torch.maximum(max_pool2d(solid, (3, 1), 1, (1, 0)), max_pool2d(solid, (1, 3), 1, (0, 1)))[:, 0] > 0
    return torch.where((tokens == BACKGROUND) & near, OUTLINE, tokens)


def _under_a_lamp(x: Tensor, generator: torch.Generator) -> Tensor:
    """Every picture (N, 3, 16, 16) times a light of its own, in whole levels: brightness, tint, and a soft shade.

    The light falls from straight above or from a side, and fades linearly over the picture.
    """

    def between(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(len(x), channels, 1, 1, generator=generator, dtype=x.dtype)

    side = torch.linspace(-1, 1, 16, dtype=x.dtype)
    brightness, tint = between(0.7, 1.05), between(0.88, 1.12, channels=3)
    angle, fade = between(-math.pi / 2, math.pi / 2), between(0, 0.35)
    shade = 1 + fade * (angle.sin() * side.view(1, 1, 1, 16) - angle.cos() * side.view(1, 1, 16, 1))
    return ((LEVELS - 1) * (x * brightness * tint * shade).clamp(0, 1)).round() / (LEVELS - 1)
