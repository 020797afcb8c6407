"""The latent explorer: drag a point on the plane of two-dimensional codes, and see what it decodes to.

What it shows is computed by `explore` (the decoder's part) and `explorer_picture` (the still picture); the browser's
part is explorer.js beside this file. It asks for the next point only when the last one was answered, so that no queue
builds up in front of a slow decoder.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import anywidget
import torch
import traitlets
from matplotlib import color_sequences
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from course_utils import _check
from course_utils.widgets import _browser
from course_utils.widgets.painting import to_rgb

MOST_DOTS = 800  # more of them only make a cloud
ATLAS = 5  # points on a side of the atlas
GREY, INK = "#7F7F7F", "#000000"
# Ten colours that colour-blind readers can tell apart (Petroff, arXiv 2107.02270), and no more: the names on the plane
# say the rest. The cycle's colours differ in lightness too, and none fades into a white or a black page.
LABELS = color_sequences["petroff10"]
CYCLE = LinearSegmentedColormap.from_list("cycle", ["#5b5bd6", "#d1551c", "#e9b000", "#2ba6a6", "#5b5bd6"])
BINS = 24  # colours of the cycle in the browser

Decoder = Callable[[Tensor], Tensor]


@torch.no_grad()
def explore(decode: Decoder, points: Tensor) -> Tensor:
    """Decode points of the plane to pictures, float32 (N, 3, H, W) in [0, 1], on the CPU.

    Args:
        decode: maps codes (N, 2) to pictures, floating point (N, 1 or 3, H, W) in [0, 1]. Values beyond are clamped,
            as a screen would.
        points: floating point (N, 2), finite.

    Raises:
        ValueError: decode is not callable, points are not of that form, or what decode returns is not.
    """
    if not callable(decode):
        raise ValueError(f"decode must be a function from codes (N, 2) to pictures, got {type(decode).__name__}")
    _need_codes("points", points)
    x = decode(points)
    sound = isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 4 and x.shape[1] in (1, 3)
    if not sound or len(x) != len(points) or not x.numel():
        want = f"floating-point pictures ({len(points)}, 1 or 3, H, W) for {len(points)} codes"
        raise ValueError(f"decode must return {want}, got {_check.describe(x)}")
    if not x.isfinite().all():
        raise ValueError("decode must return finite pictures, got NaN or infinity among their values")
    return to_rgb(x)


def explorer_picture(
    decode: Decoder,
    codes: Tensor | None = None,
    colours: Tensor | None = None,
    point: tuple[float, float] | None = None,
    limit: float | None = None,
) -> Figure:
    """Draw what the explorer shows as a still picture: the plane, the point's picture, and an atlas of 5 by 5 others.

    Args and errors are those of `latent_explorer`.
    """
    scene = _need_scene(codes, colours, limit)
    return _picture(decode, scene, _need_point(point, scene))


def latent_explorer(
    decode: Decoder,
    codes: Tensor | None = None,
    colours: Tensor | None = None,
    point: tuple[float, float] | None = None,
    limit: float | None = None,
) -> "LatentExplorer":
    """Return a widget in which one drags a point on the plane of two-dimensional codes and sees it decoded.

    Args:
        decode: maps codes (N, 2), of the type and on the device of ``codes`` (float32 on the CPU without), to
            pictures, floating point (N, 1 or 3, H, W) in [0, 1]; see `explore`.
        codes: codes of the data, floating point (M, 2), drawn as dots, 800 of them if there are more.
        colours: what colours the dots, (M,): int64 labels, ten kinds at most, or floating-point phases, in periods.
        point: where to begin; the middle of the plane by default.
        limit: the plane is the square [-limit, limit]²; by default the square that holds all codes, and [-3, 3]²
            where there are none.

    Raises:
        ValueError: an argument is not of that form, point is not on the plane, or decode returns no pictures.
    """
    return LatentExplorer(decode, codes, colours, point, limit)


class LatentExplorer(anywidget.AnyWidget):
    """What `latent_explorer` returns. A cell that ends in it shows it.

    Attributes:
        point: the point that was decoded last, two numbers.
        image: its picture, float32 (3, H, W) in [0, 1].
    """

    _esm, _css = _browser.script("explorer"), _browser.style("explorer")
    scene = traitlets.Dict().tag(sync=True)  # what never changes: the plane, its dots and their colours
    point = traitlets.List(traitlets.Float()).tag(sync=True)
    sides = traitlets.List(traitlets.Int()).tag(sync=True)  # of the picture: height and width
    picture = traitlets.Bytes().tag(sync=True)  # RGB, H * W * 3 bytes
    error = traitlets.Unicode().tag(sync=True)
    answers = traitlets.Int().tag(sync=True)  # tells the browser that it may ask again, also after the same picture

    image: Tensor

    def __init__(
        self,
        decode: Decoder,
        codes: Tensor | None,
        colours: Tensor | None,
        point: tuple[float, float] | None,
        limit: float | None,
    ):
        self._decode, self._scene = decode, _need_scene(codes, colours, limit)
        at = _need_point(point, self._scene)
        super().__init__()
        self.scene = _for_browser(self._scene)
        self._show(at)
        self.on_msg(self._receive)

    def _show(self, point: list[float]) -> None:
        (self.image,) = explore(self._decode, self._scene.like.new_tensor([point]))
        rgb = (255 * self.image).round().to(torch.uint8)
        self.picture, self.sides = rgb.movedim(0, -1).contiguous().numpy().tobytes(), list(rgb.shape[1:])
        self.point = point

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        with self.hold_sync():
            self.error = ""
            try:
                if not isinstance(content, dict) or content.get("do") != "decode":
                    raise ValueError(f"the message must be a wish to decode, got {content!r:.60}")
                self._show(_need_pair(content.get("point")))
            except (Exception, KeyboardInterrupt) as error:  # whatever it is, who moved the point must see it
                self.error = f"{type(error).__name__}: {error}"
            self.answers += 1

    def __repr__(self) -> str:
        height, width = self.sides
        dots = f"{len(self._scene.codes):,} codes" if len(self._scene.codes) else "no codes"
        return f"LatentExplorer({height}×{width} pixels, {dots})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)  # None only where there is nothing to show
        data, metadata = bundle
        return {**data, **_browser.still(_picture(self._decode, self._scene, self.point))}, metadata


class Scene(NamedTuple):
    """The plane and its dots, on the CPU, but for `like`."""

    centre: tuple[float, ...]  # two numbers
    half: float  # of the plane's side
    codes: Tensor  # (M, 2) float64, none or at most MOST_DOTS
    colours: Tensor | None  # (M,) int64 labels or float64 phases in [0, 1)
    like: Tensor  # has the type and device that decode expects

    @property
    def phases(self) -> bool:
        return self.colours is not None and self.colours.is_floating_point()

    @property
    def kinds(self) -> list[int]:
        """The labels that there are, in order; none where dots have phases or no colours."""
        return [] if self.colours is None or self.phases else self.colours.unique().tolist()


def _need_scene(codes: Any, colours: Any, limit: Any) -> Scene:
    if limit is not None:
        limit = _check.positive("limit", limit)
    if codes is None:
        if colours is not None:
            raise ValueError(f"colours must be None where there are no codes, got {_check.describe(colours)}")
        return Scene((0.0, 0.0), limit or 3.0, torch.empty(0, 2), None, torch.empty(0))
    like = _need_codes("codes", codes).detach()
    if colours is not None:
        colours = _need_colours(colours, len(codes))
    codes = like.double().cpu()
    low, high = codes.min(0).values, codes.max(0).values
    centre = (0.0, 0.0) if limit else tuple(((low + high) / 2).tolist())
    half = limit or 1.06 * (high - low).max().item() / 2 or 1.0  # all codes in one place: any square around it
    few = torch.linspace(0, len(codes) - 1, min(len(codes), MOST_DOTS)).long()
    return Scene(centre, half, codes[few], None if colours is None else colours[few], like)


def _need_codes(name: str, codes: Any) -> Tensor:
    sound = isinstance(codes, Tensor) and codes.is_floating_point() and codes.ndim == 2 and codes.shape[1] == 2
    if not sound or not len(codes) or not codes.isfinite().all():
        raise ValueError(f"{name} must be finite floating point (N, 2) with N > 0, got {_check.describe(codes)}")
    return codes


def _need_colours(colours: Any, n: int) -> Tensor:
    sound = isinstance(colours, Tensor) and (colours.dtype == torch.int64 or colours.is_floating_point())
    if not sound or tuple(colours.shape) != (n,):
        want = f"int64 labels or floating-point phases of shape ({n},), one a code"
        raise ValueError(f"colours must be {want}, got {_check.describe(colours)}")
    colours = colours.detach().cpu()
    if colours.is_floating_point():
        if not colours.isfinite().all():
            raise ValueError("colours must be finite phases, got NaN or infinity among them")
        return torch.remainder(colours.double(), 1)
    if len(colours.unique()) > len(LABELS):
        raise ValueError(f"colours must be at most {len(LABELS)} kinds of labels, got {len(colours.unique())}")
    return colours


def _need_pair(point: Any) -> list[float]:
    try:
        x, y = point.tolist() if isinstance(point, Tensor) else point
        if not isinstance(x, bool | str) and not isinstance(y, bool | str) and math.isfinite(x) and math.isfinite(y):
            return [float(x), float(y)]
    except (TypeError, ValueError, OverflowError):
        pass
    got = _check.describe(point)
    raise ValueError(f"point must be two finite numbers, got {got}")


def _need_point(point: Any, scene: Scene) -> list[float]:
    if point is None:
        return list(scene.centre)
    point = _need_pair(point)
    if any(abs(value - middle) > scene.half for value, middle in zip(point, scene.centre, strict=True)):
        (x, y), half = scene.centre, scene.half
        square = f"[{x - half:.3g}, {x + half:.3g}] × [{y - half:.3g}, {y + half:.3g}]"
        raise ValueError(f"point must lie on the plane {square}, got {tuple(point)}")
    return point


def _for_browser(scene: Scene) -> dict:
    """The scene in JSON: dots as [x, y, group], groups as their colours, and what to call each dot."""
    colours: Any = scene.colours  # a tensor where there are kinds or phases
    groups, names = [GREY], [""] * len(scene.codes)
    group = torch.zeros(len(scene.codes), dtype=torch.int64)
    labels = []
    if scene.kinds:
        group = torch.searchsorted(torch.tensor(scene.kinds), colours)
        groups = [to_hex(colour) for colour in LABELS[: len(scene.kinds)]]
        names = [f"label {k}" for k in colours.tolist()]
        labels = [{"name": name, "at": at} for name, at in _names(scene)]
    elif scene.phases:
        group = (colours * BINS).round().long() % BINS
        groups = [to_hex(CYCLE(k / BINS)) for k in range(BINS)]
        names = [f"phase {phase:.2f}" for phase in colours.tolist()]
    places = [[float(f"{value:.5g}") for value in place] for place in scene.codes.tolist()]
    return {
        "centre": scene.centre,
        "half": scene.half,
        "dots": [[*place, k] for place, k in zip(places, group.tolist(), strict=True)],
        "names": names,
        "groups": groups,
        "labels": labels,
        "phases": scene.phases,
    }


def _names(scene: Scene) -> list[tuple[str, list[float]]]:
    """Each label and the dot where to write it: of its own dots the one nearest to their medians."""
    found = []
    for kind in scene.kinds:
        own = scene.codes[scene.colours == kind]
        middle = own.quantile(0.5, dim=0)
        found.append((str(kind), own[((own - middle) ** 2).sum(1).argmin()].tolist()))
    return found


def _picture(decode: Decoder, scene: Scene, point: list[float]) -> Figure:
    side = torch.linspace(-0.8, 0.8, ATLAS, dtype=torch.float64) * scene.half
    across = torch.stack([side.repeat(ATLAS), side.flip(0).repeat_interleave(ATLAS)], 1)  # from the upper left
    crosses = across + torch.tensor(scene.centre, dtype=torch.float64)
    pictures = explore(decode, torch.cat([crosses, torch.tensor([point])]).to(scene.like))
    figure = Figure(figsize=(9.6, 4.3), layout="constrained", facecolor="white")
    layout: Any = figure.get_layout_engine()  # the constrained one
    layout.set(h_pad=0.1)
    plane, one, atlas = figure.subplots(1, 3, width_ratios=[4, 1.7, 4])
    _draw_plane(plane, scene)
    plane.plot(*crosses.T, "+", color=INK, markersize=9, markeredgewidth=1.5)
    plane.plot(*point, "o", color=INK, markersize=13, markerfacecolor="none", markeredgewidth=2.5)
    _draw_image(one, pictures[-1], f"At the marker:\n({_short(point[0], 2)}, {_short(point[1], 2)})")
    if scene.phases:
        below = one.inset_axes([0, -0.25, 1, 0.08])
        bar = figure.colorbar(ScalarMappable(cmap=CYCLE), cax=below, orientation="horizontal")
        bar.set_label("phase, in periods", fontsize=11)
        bar.set_ticks([0, 0.5, 1], labels=["0", "½", "1"])
    _draw_image(atlas, _tiled(pictures[:-1]), "Decoded at the crosses")
    return figure


def _draw_plane(ax: Axes, scene: Scene) -> None:
    colours: Any = scene.colours  # a tensor where there are kinds or phases
    colour = GREY
    if scene.kinds:
        colour = [LABELS[scene.kinds.index(k)] for k in colours.tolist()]
    elif scene.phases:
        colour = CYCLE(colours.numpy())
    if len(scene.codes):
        ax.scatter(*scene.codes.T, s=9, c=colour, linewidth=0)
    for name, at in _names(scene):
        rim = [withStroke(linewidth=3, foreground="white")]
        ax.text(at[0], at[1], name, fontsize=14, fontweight="bold", ha="center", va="center", path_effects=rim)
    (x, y), half = scene.centre, scene.half
    ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal", xlabel="z₁", ylabel="z₂")
    title = "The codes of the data" if len(scene.codes) else "The plane of codes"
    ax.set_title(title, fontsize=12, fontweight="bold", loc="left")
    ax.spines[:].set(visible=True, color=GREY)


def _tiled(pictures: Tensor) -> Tensor:
    """ATLAS² pictures (N, 3, H, W) as one (3, rows, columns), with a line of one pixel between them."""
    framed = torch.nn.functional.pad(pictures, (1, 0, 1, 0), value=0.5)
    rows = framed.view(ATLAS, ATLAS, *framed.shape[1:]).permute(2, 0, 3, 1, 4)
    return rows.reshape(3, ATLAS * framed.shape[2], -1)[:, 1:, 1:]


def _draw_image(ax: Axes, image: Tensor, title: str) -> None:
    ax.imshow(image.movedim(0, -1).numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=12, fontweight="bold", loc="left")
    ax.spines[:].set(visible=True, color=GREY)


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}".replace("-", "−")
    return text.removeprefix("−") if not float(text.replace("−", "-")) else text
