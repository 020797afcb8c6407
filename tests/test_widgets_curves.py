"""The three curves without a browser: the KL's parts, the still picture, the state. See test_widgets_browser.py too."""

import base64
import io
import json
import math

import matplotlib.image
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from course_utils import plots, widgets
from course_utils.widgets import curves

M, S = torch.meshgrid(
    torch.linspace(-2, 2, 9, dtype=torch.float64), torch.linspace(-3, 2, 21, dtype=torch.float64), indexing="ij"
)

# ---- the parts -------------------------------------------------------------------------------------------------------


def test_the_kl_is_that_of_torch_distributions():
    expected = kl_divergence(Normal(M, (0.5 * S).exp()), Normal(torch.zeros_like(M), torch.ones_like(M)))
    torch.testing.assert_close(widgets.kl_parts(M, S).kl, expected, atol=1e-12, rtol=0)


def test_the_kl_is_the_expectation_that_defines_it():
    z, weight = torch.linspace(-30, 30, 20001, dtype=torch.float64), 60 / 20000
    for m, s in [(0.7, 2 * math.log(0.4)), (-2.0, 2.0), (0.0, -3.0)]:
        q, prior = Normal(m, z.new_tensor(s / 2).exp()), Normal(0.0, z.new_tensor(1.0))
        integral = (q.log_prob(z).exp() * (q.log_prob(z) - prior.log_prob(z))).sum() * weight
        assert widgets.kl_parts(m, s).kl.item() == pytest.approx(integral.item(), abs=1e-9)


def test_the_parts_are_what_they_are_called_and_make_up_the_kl():
    parts = widgets.kl_parts(M, S)
    for part, expected in [(parts.variance, S.exp()), (parts.line, 1 + S), (parts.square, M * M)]:
        torch.testing.assert_close(part, expected)
    torch.testing.assert_close(parts.difference, parts.variance - parts.line, atol=1e-12, rtol=0)
    torch.testing.assert_close(2 * parts.kl, parts.difference + parts.square)


def test_the_line_is_the_tangent_at_0_and_the_gap_has_its_minimum_there():
    s = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    parts = widgets.kl_parts(torch.tensor(1.3, dtype=torch.float64), s)
    assert parts.variance == parts.line == 1 and parts.difference == 0
    slopes = [torch.autograd.grad(part, s, retain_graph=True)[0].item() for part in (parts.variance, parts.line)]
    assert slopes == [1, 1] and torch.autograd.grad(parts.kl, s)[0] == 0
    gap = widgets.kl_parts(0.0, S).difference
    assert (gap[S != 0] > 0).all()


def test_the_gap_keeps_its_digits_near_its_minimum():
    assert widgets.kl_parts(0.0, 1e-7).difference.item() == pytest.approx(5e-15, rel=1e-2, abs=0)  # s²/2


def test_numbers_and_tensors_broadcast_and_tensors_keep_their_type():
    assert widgets.kl_parts(1, 0).kl.dtype == torch.float64
    parts = widgets.kl_parts(torch.zeros(3, 1), torch.zeros(2))
    assert parts.kl.shape == (3, 2) and parts.kl.dtype == torch.float32


@pytest.mark.parametrize("bad", [math.nan, math.inf, "1", None, torch.tensor([0.0, torch.nan]), torch.tensor(1)])
def test_parts_of_what_is_no_number_are_refused(bad):
    with pytest.raises(ValueError, match="^m must be finite, a number or a floating-point tensor, got "):
        widgets.kl_parts(bad, 0.0)
    with pytest.raises(ValueError, match="^s must be finite, a number or a floating-point tensor, got "):
        widgets.kl_parts(0.0, bad)


# ---- the still picture -----------------------------------------------------------------------------------------------


def drawn(ax):
    """The curves of a panel by their labels, and its points: (s, height)."""
    lines = {line.get_label(): line.get_xydata() for line in ax.lines if not line.get_label().startswith("_")}
    points = [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o"]
    return {label: torch.tensor(xy) for label, xy in lines.items()}, points


def test_the_panels_show_the_curves_step_by_step_with_a_point_at_s():
    m, s = 1.5, -1.25
    figure = widgets.curves_picture(m, s)
    figure.savefig(io.BytesIO())
    gap = math.exp(s) - 1 - s
    formulas = {
        "exp(s)": lambda s: s.exp(),
        "1 + s": lambda s: 1 + s,
        "exp(s) − (1 + s)": lambda s: s.exp() - 1 - s,
        "… + m²": lambda s: s.exp() - 1 - s + m**2,
    }
    panels = [
        (["exp(s)"], [math.exp(s)]),
        (["exp(s)", "1 + s"], [math.exp(s)]),
        (["exp(s)", "1 + s"], [math.exp(s)]),
        (["exp(s) − (1 + s)"], [gap]),
        (["exp(s) − (1 + s)", "… + m²"], [gap, gap + m**2]),
    ]
    for k, (ax, (names, heights)) in enumerate(zip(figure.axes, panels, strict=False), 1):
        lines, points = drawn(ax)
        assert list(lines) == names
        for name, xy in lines.items():
            torch.testing.assert_close(xy[:, 1], formulas[name](xy[:, 0]), atol=1e-12, rtol=0)
            assert (xy[0, 0], xy[-1, 0]) == (-3, 2)
            low, high = ax.get_ylim()
            assert low <= xy[:, 1].min() and xy[:, 1].max() <= high
        assert points == [(s, pytest.approx(height)) for height in heights]
        assert len(ax.collections) == (k == 3)  # the shaded gap
    shaded = figure.axes[2].collections[0].get_paths()[0].vertices
    assert {(-3.0, -2.0), (2.0, 3.0)} <= {tuple(v) for v in shaded.tolist()}  # on the line, at both ends


@pytest.mark.parametrize("m, s", [(1.0, -2.0), (-2.0, -3.0), (0.5, 0.0)])
def test_the_last_panel_shows_both_gaussians_and_the_kl(m, s):
    ax = widgets.curves_picture(m, s).axes[5]
    lines, _ = drawn(ax)
    for (label, xy), (mean, variance) in zip(lines.items(), [(0, 1), (m, math.exp(s))], strict=True):
        z, p = xy.T
        step = z[1] - z[0]
        assert label.startswith("N(") and p.max() <= ax.get_ylim()[1]
        seen = [(p * step).sum(), (z * p * step).sum(), ((z - mean) ** 2 * p * step).sum()]
        assert [value.item() for value in seen] == pytest.approx([1, mean, variance], abs=2e-3)
    expected = kl_divergence(Normal(m, math.exp(s / 2)), Normal(0.0, 1.0)).item()
    assert ax.get_title(loc="left") == f"KL = ½ · {2 * expected:.3f} = {expected:.3f} nats"


def test_the_colours_are_the_courses():
    names = ["autoregressive", "baseline", "vae", "gan"]
    assert [curves.BLUE, curves.GREY, curves.ORANGE, curves.GREEN] == [plots.COLOURS[name] for name in names]


# ---- the widget ------------------------------------------------------------------------------------------------------


def receive(widget, **state):
    widget._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def test_the_browser_gets_all_it_shows():
    widget = widgets.kl_curves(m=0.5, s=1.0, step=3)
    scene = json.loads(json.dumps(widget.scene))
    assert scene["s"] == [-3, 2] and scene["m"] == [-2, 2] and len(scene["steps"]) == 5
    assert all(step["title"] and step["text"] for step in scene["steps"])
    assert (widget.m, widget.s, widget.step) == (0.5, 1.0, 3)


def test_sliders_and_steps_reach_the_kernel_and_the_picture():
    widget = widgets.kl_curves()
    before, _ = widget._repr_mimebundle_()
    assert set(before) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert before["text/plain"] == "KLCurves(m=1, s=-2, step 1 of 5)"  # constant: stored outputs are compared
    image = matplotlib.image.imread(io.BytesIO(base64.b64decode(before["image/png"])))
    assert image.shape[0] > 400 and image.shape[1] > 800 and image.std() > 0.05
    assert len(base64.b64decode(before["image/png"])) < 100_000
    receive(widget, m=-1, s=0.35, step=5)
    assert repr(widget) == "KLCurves(m=-1, s=0.35, step 5 of 5)"
    assert widget._repr_mimebundle_()[0]["image/png"] != before["image/png"]
    assert widgets.kl_curves()._repr_mimebundle_()[0]["image/png"] == before["image/png"]


@pytest.mark.parametrize("state", [{"m": 2.5}, {"s": -4}, {"step": 6}, {"step": 0}, {"m": "1"}, {"s": None}])
def test_a_bad_state_from_the_browser_changes_nothing(state):
    widget = widgets.kl_curves()
    receive(widget, **state)  # the error goes to the log
    assert (widget.m, widget.s, widget.step) == (1, -2, 1)


@pytest.mark.parametrize("make", [widgets.kl_curves, widgets.curves_picture])
@pytest.mark.parametrize("name, least, most", [("m", -2, 2), ("s", -3, 2)])
@pytest.mark.parametrize("value", [-3.5, 2.01, math.nan, "0", None, True, torch.zeros(2)])
def test_what_is_out_of_range_is_refused(make, name, least, most, value):
    with pytest.raises(ValueError, match=f"^{name} must be a number from {least} to {most}, got "):
        make(**{name: value})


@pytest.mark.parametrize("step", [0, 6, 1.5, "1", None])
def test_there_are_five_steps(step):
    with pytest.raises(ValueError, match="^step must be a whole number "):
        widgets.kl_curves(step=step)
