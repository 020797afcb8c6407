"""Figures of numbers: which values are drawn where, in which colour, under which name."""

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from sklearn.isotonic import isotonic_regression

from course_utils import plots
from course_utils.plots.curves import moving_average, spread
from course_utils.plots.style import LINE

RUNS = torch.tensor([[1.0, 2.0, 4.0], [3.0, 2.0, 8.0]])


def named(ax):
    """The curves that have a name of their own: name to (x, y)."""
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in lines}


def colours(ax):
    return {line.get_label(): to_hex(line.get_color()).upper() for line in ax.lines}


def test_series_come_as_values_runs_and_pairs(ax):
    series = {"values": torch.tensor([5.0, 6.0], requires_grad=True), "runs": RUNS, "pair": ([0, 10], [1, 2])}
    plots.curves(series, "title", xlabel="x", ylabel="y", ax=ax)
    assert named(ax) == {"values": ([1, 2], [5, 6]), "runs": ([1, 2, 3], [2, 2, 6]), "pair": ([0, 10], [1, 2])}
    band = ax.collections[0].get_paths()[0].vertices.tolist()
    assert {(x, y) for x, y in band} == {(k + 1.0, y) for k in range(3) for y in RUNS[:, k].tolist()}
    assert len(ax.collections) == 1  # one run has no band
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("title", "x", "y")


def test_one_x_serves_all_series_without_their_own(ax):
    plots.curves({"a": RUNS, "b": ([7, 8], [1, 1])}, x=[10, 20, 30], points=True, ax=ax)
    assert named(ax)["a"][0] == [10, 20, 30] and named(ax)["b"][0] == [7, 8]
    assert all(line.get_marker() == "o" for line in ax.lines if line.get_label() in "ab")


def test_a_family_keeps_its_colour_and_nobody_else_gets_it(ax):
    names = ["first", "autoregressive", "second", "gan", "third"]
    plots.curves({name: [1.0, 2.0] for name in names}, ax=ax)
    own = colours(ax)
    assert own["autoregressive"] == plots.COLOURS["autoregressive"] and own["gan"] == plots.COLOURS["gan"]
    assert len({own[name] for name in names}) == 5
    ax.clear()
    plots.curves({"VAE": [1.0, 2.0]}, ax=ax)
    assert colours(ax)["VAE"] == plots.COLOURS["vae"]


def test_a_series_gets_the_colour_that_it_is_like(ax):
    plots.curves({"a": RUNS[0], "b": RUNS[1]}, like={"b": "baseline"}, ax=ax)
    assert colours(ax) == {"a": plots.COLOURS["autoregressive"], "b": plots.COLOURS["baseline"]}


def test_each_name_stands_at_the_end_of_its_curve_in_its_colour(ax):
    plots.curves({"up": [0.0, 1.0], "down": [1.0, 0.0], "short": ([1.0, 1.1], [0.4, 0.5])}, ax=ax)
    texts = {text.get_text(): text for text in ax.texts}
    to_axes = ax.transData + ax.transAxes.inverted()
    for name, y in (("up", 1.0), ("down", 0.0)):
        assert texts[name].get_position()[0] > 1  # beside the axes, over no data
        assert texts[name].get_position()[1] == pytest.approx(to_axes.transform((2.0, y))[1])
    assert texts["short"].xy == (1.1, 0.5)
    assert {name: to_hex(text.get_color()).upper() for name, text in texts.items()}.items() <= colours(ax).items()


def test_names_of_curves_that_end_together_are_a_line_apart_and_led_to(ax):
    plots.curves({"a": [0.0, 1.0], "b": [1.0, 1.001], "c": [0.5, 0.999]}, ax=ax)
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    inches = ax.get_position().height * ax.figure.get_size_inches()[1]
    assert heights["b"] - heights["a"] == pytest.approx(LINE / inches) == heights["a"] - heights["c"]
    leaders = [line for line in ax.lines if line.get_transform() == ax.transAxes]
    assert {round(line.get_ydata()[1], 6) for line in leaders} == {round(heights[name], 6) for name in "bc"}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.3))
def test_spread_moves_heights_as_little_as_the_gap_allows(heights, gap):
    put = torch.tensor(spread(heights, gap), dtype=torch.float64)
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    # Least squares under put[k + 1] >= put[k] + gap is isotonic regression of the heights less k gaps.
    shifts = gap * torch.arange(len(heights), dtype=torch.float64)
    best = torch.as_tensor(isotonic_regression(torch.tensor(heights, dtype=torch.float64)[order] - shifts)) + shifts
    assert torch.allclose(put[order], best, atol=1e-9)


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_axes_are_logarithmic_as_asked(ax, log):
    plots.curves({"a": [1.0, 300.0]}, log=log, ax=ax)
    assert ax.get_xscale() == ("log" if "x" in log else "linear")
    assert ax.get_yscale() == ("log" if "y" in log else "linear")


def test_a_logarithmic_axis_says_1_2_5_10(notebook):
    plots.curves({"a": [1.0, 30.0]}, log="y")
    (figure, _) = notebook[0]
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    low, high = axis.get_view_interval()
    ticks = axis.get_major_ticks() + axis.get_minor_ticks()
    said = {t.label1.get_text() for t in ticks if low <= t.get_loc() <= high} - {""}
    assert said == {"1", "2", "5", "10", "20"}


def test_smoothing_draws_the_curve_itself_faintly(ax):
    plots.curves({"a": RUNS}, smooth=3, ax=ax)
    faint, smooth = ax.lines[:2]
    assert faint.get_alpha() < 0.5 and list(faint.get_ydata()) == [2, 2, 6]
    assert list(smooth.get_ydata()) == pytest.approx([2, 10 / 3, 4])
    low, high = moving_average(RUNS, 3).aminmax(dim=0)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((low.min().item(), high.max().item()))


@pytest.mark.parametrize("window", [1, 2, 3, 8, 50])
def test_a_moving_average_is_a_mean_of_neighbours(window):
    x = torch.randn(2, 20, generator=torch.Generator().manual_seed(0)).double()
    for n in range(20):
        first = n - window // 2
        around = x[:, max(first, 0) : first + window]
        assert torch.allclose(moving_average(x, window)[:, n], around.mean(1))
    assert torch.allclose(moving_average(torch.ones(1, 20), window), torch.ones(1, 20))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (({},), "series must be a dictionary from name to values, got {}"),
        ((RUNS,), "series must be a dictionary"),
        (({"a": []},), r"series\['a'\] must be numbers of shape \(N,\) or \(R, N\), got \[\]"),
        (({"a": "words"},), r"series\['a'\] must be numbers"),
        (({"a": RUNS[None]},), r"got torch.float32 of shape \(1, 2, 3\)"),
        (({"a": ([1, 2], [1, 2, 3])},), r"series\['a'\] must have as many values as its x, got 3 and 2"),
    ],
)
def test_curves_refuse_what_is_no_series(arguments, said):
    with pytest.raises(ValueError, match=said):
        plots.curves(*arguments)


def test_curves_refuse_wrong_ways_of_drawing():
    plt.close("all")  # of tests before it
    with pytest.raises(ValueError, match='log must be "", "x", "y" or "xy", got \'z\''):
        plots.curves({"a": [1.0]}, log="z")
    with pytest.raises(ValueError, match=r"series\['a'\] must be above 0 on a logarithmic axis, got 0 in y"):
        plots.curves({"a": [1.0, 0.0]}, log="y")
    with pytest.raises(ValueError, match="got -1 in x"):
        plots.curves({"a": ([-1.0, 0.0], [1.0, 2.0])}, log="x")
    with pytest.raises(ValueError, match="smooth must be a whole number of at least 0, got 0.5"):
        plots.curves({"a": [1.0]}, smooth=0.5)
    assert not plt.get_fignums()  # refused before anything was drawn


def test_curves_tell_where_they_begin_and_end(notebook):
    plots.curves({"vae": RUNS, "": [5.0, 1234.5]}, "Title", xlabel="step", ylabel="nats", log="y")
    assert notebook[0][1] == (
        "Title. Curves of nats over step (y logarithmic): vae, mean of 2 runs, from 2 at 1 to 6 at 3; "
        "from 5 at 1 to 1,234 at 2."
    )


# ---- training --------------------------------------------------------------------------------------------------------


def test_validation_stands_after_the_steps_before_it_and_its_minimum_is_marked(ax):
    train, valid = torch.linspace(9, 3, 100), torch.tensor([7.0, 5.0, 6.0])
    plots.training(train, valid, "title", every=30, ylabel="bits", ax=ax)
    assert named(ax)["validation"] == ([30, 60, 90], [7, 5, 6])
    raw = ax.lines[0]
    assert raw.get_alpha() < 0.5 and list(raw.get_xdata()) == list(range(1, 101))
    assert torch.allclose(torch.as_tensor(raw.get_ydata()).float(), train)
    (ring,) = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert (ring.get_xdata().item(), ring.get_ydata().item()) == (60, 5)
    assert "lowest: 5 at step 60" in [text.get_text() for text in ax.texts]
    low, high = ax.get_ylim()
    assert low < 3 and high > 7 and ax.get_ylabel() == "bits" and ax.get_xlabel() == "step"


@pytest.mark.parametrize("valid", [[7.0, 6.0, 5.0], [7.0, 5.0, 5.05], [5.0]])
def test_a_validation_that_does_not_rise_again_has_no_minimum_to_mark(ax, valid):
    plots.training(torch.linspace(9, 3, 100), torch.tensor(valid), every=30, ax=ax)
    assert not [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert not [text for text in ax.texts if "lowest" in text.get_text()]


def test_one_validation_more_than_fits_was_measured_before_the_first_step(ax):
    plots.training([3.0] * 60, [5.0, 4.0, 4.5], every=30, ax=ax)
    assert named(ax)["validation"][0] == [0, 30, 60]


def test_the_drop_of_the_first_steps_does_not_flatten_the_rest(ax):
    plots.training(torch.cat([torch.full((10,), 1e4), torch.linspace(5, 4, 990)]), ax=ax)
    low, high = ax.get_ylim()
    assert low < 4 and 5 < high < 10


def test_a_run_that_diverges_is_drawn_up_to_there(ax):
    train = torch.tensor([3.0] * 60 + [torch.inf, torch.nan] + [torch.nan] * 38)
    plots.training(train, [3.0, 2.5, torch.nan, torch.nan], every=25, ax=ax)
    (ring,) = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert (ring.get_xdata().item(), ring.get_ydata().item()) == (50, 2.5)
    smooth = torch.as_tensor(ax.lines[1].get_ydata())
    assert (smooth[:59] == 3).all() and smooth[62:].isnan().all()
    assert [text.xy for text in ax.texts if text.get_text() == "validation"] == [(50, 2.5)]
    ax.clear()
    plots.curves({"a": [1.0, torch.nan]}, log="y", ax=ax)
    assert ax.get_yscale() == "log"


def test_a_run_without_validation_is_one_curve(notebook):
    plots.training([3.0, 2.0, 1.0], title="Title")
    (figure, alt) = notebook[0]
    assert list(named(figure.axes[0])) == ["training"]
    assert alt == "Title. Training loss of 3 steps, from 3 to 1 nats."


def test_training_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="valid must hold at most 4 values for 100 steps, one every 30, got 5"):
        plots.training([1.0] * 100, [1.0] * 5, every=30)
    with pytest.raises(ValueError, match=r"train must be numbers of shape \(N,\), got torch.float32 of shape \(2, 3\)"):
        plots.training(RUNS)
    with pytest.raises(ValueError, match=r"valid must be numbers of shape \(N,\)"):
        plots.training([1.0], RUNS)
    with pytest.raises(ValueError, match="every must be a whole number of at least 1"):
        plots.training([1.0], [1.0], every=0)


def test_a_band_is_from_the_least_to_the_most_of_the_runs(ax):
    plots.band(ax, [1, 2, 3], RUNS, "label", "#000000")
    assert named(ax) == {"label": ([1, 2, 3], [2, 2, 6])}
    edges = ax.collections[0].get_paths()[0].vertices
    assert (edges[:, 1].min(), edges[:, 1].max()) == (1, 8)
