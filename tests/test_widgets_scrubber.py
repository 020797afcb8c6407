"""The scrubber without a browser: what it watches, the still picture, the film. See test_widgets_players.py too."""

import base64
import copy
import io
import json
import math
import re
import struct

import matplotlib.image
import pytest
import torch
from torch import nn

from course_utils import plots, widgets
from course_utils.models import Discriminator, Generator
from course_utils.objectives import OBJECTIVES
from course_utils.widgets import scrubber

W, B = torch.tensor([2.0, -1.0]), 0.5  # a discriminator whose logit is a plane


def linear(x):
    return x @ W + B


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


NOISE = torch.randn(40, 3, generator=seeded())
REAL = torch.randn(40, 2, generator=seeded(1))


def steep(x):
    return 1e3 * linear(x)


def spread(z):
    return 0.7 * z[:, :2]


def look(step=0, **changes):
    arguments = {"noise": NOISE, "limit": 2.0, "side": 5, **changes}
    return widgets.watch(spread, linear, step, **arguments)


def players(seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Generator((2,), 3, (8,)), Discriminator((2,), (8,), **options)


# ---- watching --------------------------------------------------------------------------------------------------------


def test_a_frame_has_the_samples_and_the_logits_of_the_plane_from_its_top_left():
    frame = look(step=7)
    assert frame.step == 7 and frame.limit == 2 and torch.equal(frame.samples, spread(NOISE))
    for row, y in enumerate([2.0, 1.0, 0.0, -1.0, -2.0]):
        for column, x in enumerate([-2.0, -1.0, 0.0, 1.0, 2.0]):
            assert frame.field[row, column] == 2 * x - y + 0.5


@pytest.mark.parametrize(
    "name, slope",
    [
        ("minimax", lambda f: f.sigmoid()),
        ("non_saturating", lambda f: (-f).sigmoid()),
        ("maximum_likelihood", lambda f: f.exp()),
        ("least_squares", lambda f: -f),
        ("wasserstein", torch.ones_like),
        ("hinge", torch.ones_like),
    ],
)
def test_arrows_are_minus_the_gradient_of_each_samples_own_cost(name, slope):
    frame = look(objective=OBJECTIVES[name])
    expected = slope(linear(frame.samples))[:, None] * W
    torch.testing.assert_close(frame.arrows, expected)
    few = look(noise=NOISE[:3], objective=OBJECTIVES[name])  # of the sum: others do not make a push smaller
    torch.testing.assert_close(few.arrows, expected[:3])


def test_arrows_of_the_relativistic_game_look_at_the_real_points():
    frame = look(objective=OBJECTIVES["relativistic"], real=REAL)
    expected = (linear(REAL) - linear(frame.samples)).sigmoid()[:, None] * W
    torch.testing.assert_close(frame.arrows, expected)
    assert torch.equal(look(real=REAL).arrows, look().arrows)  # non-saturating does not look
    with pytest.raises(ValueError, match="^real must be real points for an objective whose generator looks at them"):
        look(objective=OBJECTIVES["relativistic"])


def test_the_default_is_the_non_saturating_game_and_a_small_step_along_the_arrows_lowers_its_cost():
    g, d = players()
    frame = widgets.watch(g, d, 0, noise=NOISE, limit=2.0)
    assert frame.field.shape == (40, 40)
    with torch.no_grad():
        before, after = (-d(x).sigmoid().log() for x in (frame.samples, frame.samples + 1e-3 * frame.arrows))
    torch.testing.assert_close(before - after, 1e-3 * frame.arrows.square().sum(1), atol=2e-6, rtol=0.02)
    assert (after < before).all()


def test_watching_changes_nothing():
    g, d = players(spectral=True)
    g.train(), d.train()
    d.net[0].eval()  # a part that is held still stays so
    before = copy.deepcopy([g.state_dict(), d.state_dict()])
    modes = [module.training for module in (*g.modules(), *d.modules())]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = (widgets.watch(g, d, 0, noise=NOISE, limit=2.0) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in (*g.modules(), *d.modules())] == modes
    for old, new in zip(before, [g.state_dict(), d.state_dict()], strict=True):
        assert old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)
    assert all(p.grad is None and p.requires_grad for p in (*g.parameters(), *d.parameters()))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    assert not any(x.requires_grad for x in first[1:4])


def test_modes_come_back_also_after_an_error():
    g, _ = players()
    d = Discriminator((3,), (8,)).train()
    with pytest.raises(ValueError, match="x must be a float tensor"):
        widgets.watch(g, d, 0, noise=NOISE, limit=2.0)
    assert d.training and g.training


def test_one_can_watch_frozen_players_without_a_graph_in_double_precision():
    g, d = (network.double() for network in players())
    d.requires_grad_(False)
    with torch.no_grad():
        frame = widgets.watch(g, d, 0, noise=NOISE.double(), limit=2.0, side=3)
    assert frame.arrows.norm(dim=1).min() > 0
    assert {x.dtype for x in (frame.samples, frame.field, frame.arrows)} == {torch.float32}


def test_a_frame_does_not_change_with_what_comes_after_it():
    noise = NOISE[:, :2].clone()
    frame = widgets.watch(nn.Identity(), linear, 0, noise=noise, limit=2.0)
    noise.zero_()
    assert torch.equal(frame.samples, NOISE[:, :2])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"step": -1}, "step must be a whole number of at least 0, got -1"),
        ({"step": 1.5}, "step must be a whole number"),
        ({"limit": 0}, "limit must be a finite number above 0"),
        ({"limit": math.inf}, "limit must be a finite number above 0"),
        ({"side": 1}, "side must be a whole number of at least 2"),
        ({"side": 65}, "side must be a whole number from 2 to 64, got 65"),
        ({"noise": NOISE[0]}, "noise must be finite floating point (N, D)"),
        ({"noise": NOISE[:0]}, "noise must be finite floating point (N, D)"),
        ({"noise": NOISE.tolist()}, "noise must be finite floating point (N, D)"),
        ({"noise": NOISE * torch.nan}, "noise must be finite floating point (N, D)"),
        ({"real": REAL[:3]}, "real must have shape (40, 2), one point a sample, got (3, 2)"),
        ({"real": REAL.long()}, "real must be finite floating point"),
        ({"generator_network": lambda z: z}, "generator_network must return finite floating point of shape (40, 2)"),
        ({"generator_network": lambda z: None}, "generator_network must return finite floating point"),
        ({"generator_network": lambda z: spread(z) / 0}, "generator_network must return finite floating point"),
        ({"discriminator": lambda x: x}, "discriminator must return finite floating point of shape (25,)"),
        ({"discriminator": lambda x: linear(x) / 0}, "discriminator must return finite floating point"),
        (
            {"discriminator": steep, "objective": OBJECTIVES["maximum_likelihood"]},
            "objective must have finite gradients",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused(changes, message):
    arguments = {"generator_network": spread, "discriminator": linear, "step": 0, "noise": NOISE, "limit": 2.0}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        widgets.watch(**{**arguments, "side": 5, **changes})


# ---- the still picture -----------------------------------------------------------------------------------------------


def film(count=8, n=40, **changes):
    """Frames in which the samples move to the right."""
    noise = torch.randn(n, 3, generator=seeded())
    return [
        widgets.watch(lambda z, k=k: spread(z) + k / 10, linear, 100 * k, **{"noise": noise, "limit": 2.0} | changes)
        for k in range(count)
    ]


def test_six_frames_from_the_first_to_the_last():
    frames = film(11)
    figure = widgets.scrubber_picture(frames, REAL)
    figure.savefig(io.BytesIO())
    panels = figure.axes[:6]
    assert [ax.get_title(loc="left") for ax in panels] == [f"step {k:,}" for k in (0, 200, 400, 600, 800, 1000)]
    for ax, frame in zip(panels, frames[::2], strict=True):
        offsets = [torch.as_tensor(c.get_offsets()).float() for c in ax.collections if len(c.get_offsets()) == 40]
        real, arrows, samples = offsets
        assert torch.equal(real, REAL) and torch.equal(samples, frame.samples) and torch.equal(arrows, samples)
        assert ax.get_xlim() == ax.get_ylim() == (-2, 2)


def test_few_frames_leave_panels_empty():
    figure = widgets.scrubber_picture(film(2), REAL)
    assert [bool(ax.collections) for ax in figure.axes[:6]] == [True, True, False, False, False, False]


def test_the_fields_top_is_at_the_top():
    figure = widgets.scrubber_picture(film(2, side=21), REAL)  # the logit rises to the right and falls upwards
    figure.savefig(canvas := io.BytesIO(), dpi=100)
    image = torch.tensor(matplotlib.image.imread(io.BytesIO(canvas.getvalue())))
    box = figure.axes[0].get_window_extent()
    height = image.shape[0]
    top, bottom = (image[round(height - y), round(box.x0) + 4, :3] for y in (box.y1 - 4, box.y0 + 4))
    left_below, right_below = bottom, image[round(height - box.y0 - 4), round(box.x1) - 4, :3]
    assert top[2] > top[0]  # D = 0 at (-2, 2): violet
    assert left_below[2] > left_below[0] and right_below[0] > right_below[2]  # D > 1/2 at (2, -2): orange
    assert left_below.sum() > top.sum()  # the logit is -1.5 there, and -5.5 at the top: nearer to the pale middle


# ---- the film in the browser -----------------------------------------------------------------------------------------


def unpacked(widget):
    """The film as the browser reads it, by other means: samples, arrows and colours of each frame."""
    scene, frames, at = widget.scene, [], 0
    for _ in scene["steps"]:
        counts = (2 * scene["dots"], 2 * len(scene["arrowed"]))
        parts = []
        for count in counts:
            values = struct.unpack_from(f"<{count}h", widget.film, at)
            parts.append(torch.tensor(values).view(-1, 2) / 8192 * scene["limit"])
            at += 2 * count
        size = scene["side"] ** 2
        parts.append(torch.tensor(list(widget.film[at : at + size])).view(scene["side"], -1) / 255)
        at += size
        frames.append(parts)
    assert at == len(widget.film)
    return frames


def test_the_browser_gets_every_frame_at_once():
    frames = film(4, side=7)
    widget = widgets.training_scrubber(frames, REAL)
    scene = json.loads(json.dumps(widget.scene))
    assert scene["steps"] == [0, 100, 200, 300] and scene["arrowed"] == list(range(40))
    assert torch.tensor(scene["real"]) * 2 == pytest.approx(REAL, abs=2e-4)
    for frame, (samples, arrows, colours) in zip(frames, unpacked(widget), strict=True):
        torch.testing.assert_close(samples, frame.samples, atol=2.0 / 8192, rtol=0)
        torch.testing.assert_close(colours, frame.field.sigmoid(), atol=0.51 / 255, rtol=0)
        directions = torch.nn.functional.cosine_similarity(arrows, frame.arrows)
        assert directions.min() > 0.999
    assert scene["pushes"] == [pytest.approx(f.arrows.norm(dim=1).quantile(0.5).item()) for f in frames]
    assert scene["spans"] == [[-5.5, 6.5]] * 4
    assert widget.frame == 0


def test_the_length_of_an_arrow_is_the_root_of_the_push_by_one_measure_for_all_frames():
    frames = film(4, objective=OBJECTIVES["maximum_likelihood"])
    pushes = torch.stack([frame.arrows.norm(dim=1) for frame in frames])
    drawn = torch.stack([arrows.norm(dim=1) for _, arrows, _ in unpacked(widgets.training_scrubber(frames, REAL))])
    assert drawn.max() == pytest.approx(scrubber.LONGEST * 4, rel=1e-3)  # a share of the plane's side
    short = pushes < pushes.quantile(0.85)
    ratio = drawn[short] / pushes[short].sqrt()
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), atol=0.0, rtol=0.02)
    nothing = [frame._replace(arrows=torch.zeros(40, 2)) for frame in frames]
    assert all((arrows == 0).all() for _, arrows, _ in unpacked(widgets.training_scrubber(nothing, REAL)))


def test_heights_run_from_the_lowest_to_the_highest_of_each_frame():
    frames = film(3, side=5)
    frames[1] = frames[1]._replace(field=frames[1].field * 30 - 700)
    frames[2] = frames[2]._replace(field=torch.full((5, 5), 3.0))
    first, second, flat = (colours for _, _, colours in unpacked(widgets.training_scrubber(frames, REAL, "height")))
    assert first.min() == 0 and first.max() == 1 and torch.equal(first, second) and flat.unique().numel() == 1
    torch.testing.assert_close(first, (frames[0].field + 5.5) / 12, atol=0.51 / 255, rtol=0)


def test_of_many_frames_samples_and_real_points_some_are_shown_and_all_fits():
    frames = film(101, n=500, side=64)
    widget = widgets.training_scrubber(frames, torch.randn(5000, 2))
    steps = widget.scene["steps"]
    assert (len(steps), steps[0], steps[-1]) == (60, 0, 10_000)
    assert set(b - a for a, b in zip(steps, steps[1:], strict=False)) == {100, 200}
    assert widget.scene["dots"] == 300 and len(widget.scene["real"]) == 300
    assert len(widget.film) + len(json.dumps(widget.scene)) < 500_000
    samples = unpacked(widget)[-1][0]
    assert samples[-1] == pytest.approx(frames[-1].samples[-1].clamp(max=8), abs=1e-3)
    far = [frame._replace(samples=frame.samples * 1e6) for frame in frames[:2]]  # beyond what two bytes can say
    assert unpacked(widgets.training_scrubber(far, REAL))[0][0].abs().max() <= 8


def test_an_arrow_belongs_to_its_sample_also_where_only_some_are_shown():
    frames = [frame._replace(arrows=frame.samples.clone()) for frame in film(2, n=500)]  # each along its own sample
    widget = widgets.training_scrubber(frames, REAL)
    for samples, arrows, _ in unpacked(widget):
        tails = samples[widget.scene["arrowed"]]
        directions = torch.nn.functional.normalize(arrows)
        torch.testing.assert_close(directions, torch.nn.functional.normalize(tails), atol=0.02, rtol=0)


def test_the_output_holds_the_picture_and_the_browser_moves_the_frame():
    frames = film(5)
    widget = widgets.training_scrubber(frames, REAL)
    bundle, _ = widget._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert bundle["text/plain"] == "TrainingScrubber(5 frames, steps 0 to 400)"  # constant: stored outputs are compared
    png = base64.b64decode(bundle["image/png"])
    image = matplotlib.image.imread(io.BytesIO(png))
    assert image.shape[0] > 400 and image.shape[1] > 700 and image.std() > 0.05 and len(png) < 110_000
    for value, expected in [(3, 3), (-1, 3), ("1", 3), (None, 3)]:
        widget._handle_msg({"content": {"data": {"method": "update", "state": {"frame": value}}}, "buffers": []})
        assert widget.frame == expected
    assert widget._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]  # always the six


def test_the_colours_are_the_courses():
    expected = [plots.COLOURS[name] for name in ("data", "gan", "baseline")]
    assert [scrubber.BLACK, scrubber.GREEN, scrubber.GREY] == expected


FRAMES = film(3)


@pytest.mark.parametrize("make", [widgets.training_scrubber, widgets.scrubber_picture])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"frames": FRAMES[:1]}, "frames must be a list of at least two frames of `watch`, got 1 of them"),
        ({"frames": None}, "frames must be a list of at least two frames of `watch`, got NoneType"),
        ({"frames": [1, 2]}, "frames must be a list of at least two frames of `watch`, got 2 of them"),
        ({"frames": FRAMES[::-1]}, "frames must have steps that rise, got [200, 100, 0]"),
        ({"frames": [FRAMES[0], FRAMES[0]]}, "frames must have steps that rise, got [0, 0]"),
        ({"frames": [FRAMES[0], *film(3, limit=3.0)[1:]]}, "frames must have one limit, number of samples and grid"),
        ({"frames": [FRAMES[0], *film(3, n=41)[1:]]}, "frames must have one limit, number of samples and grid"),
        ({"frames": [FRAMES[0], *film(3, side=9)[1:]]}, "frames must have one limit, number of samples and grid"),
        ({"real": torch.zeros(3, 3)}, "real must have shape (M, 2), got (3, 3)"),
        ({"real": torch.zeros(0, 2)}, "real must be finite floating point"),
        ({"real": [[0.0, 0.0]]}, "real must be finite floating point"),
        ({"show": "logit"}, 'show must be "probability" or "height", got \'logit\''),
    ],
)
def test_frames_that_do_not_belong_together_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make(**{"frames": FRAMES, "real": REAL, **arguments})
