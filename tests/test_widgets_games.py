"""The three games without a browser: their values, the still picture, the state. See test_widgets_players.py too."""

import base64
import io
import json
import math
import re

import matplotlib.image
import pytest
import torch

from course_utils import plots, widgets

LOGITS = torch.linspace(-20, 20, 81, dtype=torch.float64)
D = 1 / (1 + (-LOGITS).exp())
# Cost and gradient by hand, of D and 1 - D = sigmoid(-logit): the forms of the papers.
FAKE = 1 / (1 + LOGITS.exp())
BY_HAND = {
    "minimax": (FAKE.log(), -D),
    "non_saturating": (-D.log(), -FAKE),
    "maximum_likelihood": (-D / FAKE, -D / FAKE),
}

# ---- the values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_HAND)
def test_costs_and_gradients_are_the_papers(name):
    value = widgets.game_values(LOGITS)[name]
    cost, gradient = BY_HAND[name]
    torch.testing.assert_close(value.cost, cost, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(value.gradient, gradient, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("name", BY_HAND)
def test_the_gradient_is_the_slope_of_the_cost(name):
    at, h = torch.linspace(-6, 6, 25, dtype=torch.float64), 1e-5
    above, here, below = (widgets.game_values(at + shift)[name] for shift in (h, 0.0, -h))
    torch.testing.assert_close((above.cost - below.cost) / (2 * h), here.gradient, atol=1e-8, rtol=1e-7)


def test_who_is_nearly_flat_where():
    early, middle, late = (widgets.game_values(torch.tensor(d).logit().double()) for d in (0.01, 0.5, 0.99))
    gradients = [{name: round(v.gradient.item(), 3) for name, v in values.items()} for values in (early, middle, late)]
    assert gradients == [
        {"minimax": -0.01, "non_saturating": -0.99, "maximum_likelihood": -0.01},
        {"minimax": -0.5, "non_saturating": -0.5, "maximum_likelihood": -1.0},
        {"minimax": -0.99, "non_saturating": -0.01, "maximum_likelihood": pytest.approx(-99, abs=1e-3)},
    ]


def test_float32_is_stable_at_50():
    values = widgets.game_values(torch.tensor([-50.0, 50.0]))
    for (cost, gradient), ends in zip(values.values(), [(0.0, -50.0), (50.0, 0.0), (0.0, -math.exp(50))], strict=True):
        assert cost.dtype == gradient.dtype == torch.float32
        assert cost.tolist() == pytest.approx(ends, rel=1e-5, abs=1e-12)
    assert [v.gradient[0].item() for v in values.values()] == pytest.approx([-2e-22, -1.0, -2e-22], rel=0.05, abs=0)


def test_each_logit_stands_for_itself_in_any_shape():
    square = LOGITS[:80].view(4, 4, 5)
    for name, (cost, gradient) in widgets.game_values(square).items():
        flat = widgets.game_values(LOGITS)[name]
        assert torch.equal(cost.flatten(), flat.cost[:80]) and torch.equal(gradient.flatten(), flat.gradient[:80])
        assert cost.shape == square.shape
    alone = widgets.game_values(-1)["minimax"]
    assert alone.cost.dtype == torch.float64 and alone.gradient.shape == ()
    assert not widgets.game_values(torch.zeros(2, requires_grad=True))["minimax"].cost.requires_grad


NO_LOGITS = [math.nan, math.inf, "1", None, True, torch.tensor(1), torch.empty(0), torch.tensor([0.0, torch.nan])]


@pytest.mark.parametrize("bad", NO_LOGITS)
def test_values_at_what_is_no_logit_are_refused(bad):
    with pytest.raises(ValueError, match="^logits must be finite, a number or a floating-point tensor, got "):
        widgets.game_values(bad)


# ---- the still picture -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["logit", "probability"])
def test_both_panels_show_all_games_with_points_where_they_belong(axis):
    logit = -2.5
    probability = 1 / (1 + math.exp(-logit))
    figure = widgets.games_picture(logit, axis)
    figure.savefig(io.BytesIO())
    costs, gradients = figure.axes
    at = torch.linspace(-6, 6, 241, dtype=torch.float64)
    places, here = (at, logit) if axis == "logit" else (1 / (1 + (-at).exp()), probability)
    by_hand = {  # cost, and gradient turned upwards
        "minimax": (lambda s: -torch.log(1 + s.exp()), lambda s: s.exp() / (1 + s.exp())),
        "non_saturating": (lambda s: torch.log(1 + (-s).exp()), lambda s: 1 / (1 + s.exp())),
        "maximum_likelihood": (lambda s: -s.exp(), lambda s: s.exp()),
    }
    for k, ax in enumerate((costs, gradients)):
        curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
        points = [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o"]
        assert ax.get_xlim() == ((-6, 6) if axis == "logit" else (0, 1))
        assert len({curve.get_linestyle() for curve in curves}) == len({curve.get_color() for curve in curves}) == 3
        for curve, point, (name, formulas) in zip(curves, points, by_hand.items(), strict=True):
            x, y = torch.as_tensor(curve.get_xydata()).T
            torch.testing.assert_close(x, places, atol=1e-12, rtol=0)
            torch.testing.assert_close(y, formulas[k](at), atol=1e-12, rtol=1e-9)
            assert curve.get_color() == widgets.GAME_STYLES[name][1]
            expected = formulas[k](torch.tensor(logit, dtype=torch.float64)).item()
            assert point == (pytest.approx(here), pytest.approx(expected))
    low, high = gradients.get_ylim()
    assert gradients.get_yscale() == "log" and low < math.exp(-6) and high > math.exp(6)
    words = [text.get_text() for text in gradients.get_legend().get_texts()]
    assert words == ["minimax: −0.07586", "non-saturating: −0.9241", "maximum likelihood: −0.08208"]
    assert costs.get_legend().get_title().get_text() == "cost at logit −2.50, D = 0.0759"


def test_a_point_beneath_the_costs_is_shown_at_their_end():
    costs, gradients = widgets.games_picture(5.0).axes
    (beneath,) = [line for line in costs.lines if line.get_marker() == "v"]
    assert beneath.get_ydata() == [costs.get_ylim()[0]] and "−148.4" in costs.get_legend().get_texts()[2].get_text()
    assert not [line for line in gradients.lines if line.get_marker() == "v"]


def test_the_colours_are_the_courses():
    names = ["autoregressive", "vae", "gan"]  # the order of plots.curves
    assert [colour for _, colour, _ in widgets.GAME_STYLES.values()] == [plots.COLOURS[name] for name in names]


# ---- the widget ------------------------------------------------------------------------------------------------------


def receive(widget, **state):
    widget._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def test_the_browser_gets_a_table_of_all_numbers():
    scene = json.loads(json.dumps(widgets.game_curves().scene))
    assert len(scene["logits"]) == 241 and (scene["logits"][0], scene["logits"][-1]) == (-6, 6)
    assert scene["logits"][120] == 0 and scene["logits"][40] == pytest.approx(-4)
    assert [game["name"] for game in scene["games"]] == list(BY_HAND)
    for k in (0, 40, 120, 213):
        values = widgets.game_values(scene["logits"][k])
        assert scene["probabilities"][k] == pytest.approx(1 / (1 + math.exp(-scene["logits"][k])))
        for game in scene["games"]:
            value = values[game["name"]]
            assert (game["cost"][k], game["gradient"][k]) == pytest.approx((value.cost.item(), value.gradient.item()))
    gradients = [-gradient for game in scene["games"] for gradient in game["gradient"]]
    assert scene["pushes"][0] < min(gradients) and max(gradients) < scene["pushes"][1]  # no curve leaves the panel


def test_point_and_axis_reach_the_kernel_and_the_picture():
    widget = widgets.game_curves(logit=-3.0)
    before, _ = widget._repr_mimebundle_()
    assert set(before) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert before["text/plain"] == "GameCurves(logit=-3, against the logit)"  # constant: stored outputs are compared
    png = base64.b64decode(before["image/png"])
    image = matplotlib.image.imread(io.BytesIO(png))
    assert image.shape[0] > 400 and image.shape[1] > 800 and image.std() > 0.05 and len(png) < 100_000
    receive(widget, logit=1.25, axis="probability")
    assert repr(widget) == "GameCurves(logit=1.25, against the probability)"
    assert widget._repr_mimebundle_()[0]["image/png"] != before["image/png"]
    assert widgets.game_curves(-3.0)._repr_mimebundle_()[0]["image/png"] == before["image/png"]


@pytest.mark.parametrize("state", [{"logit": 6.5}, {"logit": "1"}, {"logit": None}, {"axis": "D"}, {"axis": None}])
def test_a_bad_state_from_the_browser_changes_nothing(state):
    widget = widgets.game_curves()
    receive(widget, **state)  # the error goes to the log
    assert (widget.logit, widget.axis) == (-4, "logit")


@pytest.mark.parametrize("make", [widgets.game_curves, widgets.games_picture])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"logit": 6.1}, "logit must be a number from -6 to 6, got 6.1"),
        ({"logit": math.nan}, "logit must be a number from -6 to 6, got nan"),
        ({"logit": True}, "logit must be a number from -6 to 6, got True"),
        ({"logit": "0"}, "logit must be a number from -6 to 6, got '0'"),
        ({"axis": "D"}, 'axis must be "logit" or "probability", got \'D\''),
        ({"axis": ["logit"]}, 'axis must be "logit" or "probability", got '),
    ],
)
def test_bad_arguments_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make(**arguments)
