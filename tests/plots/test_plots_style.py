"""The door through which figures are shown, and what holds for all of them: width, alt text, no words over words."""

import inspect
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch

from course_utils import plots
from course_utils.plots import style

STEPS = torch.arange(1, 401)
LOSS = 20 + 40 * torch.exp(-STEPS / 50) + torch.sin(7.0 * STEPS)
ROWS = [
    {"model": "PixelCNN", "family": "autoregressive", "nats": 20.1, "low": 19.8, "high": 20.5},
    {"model": "a VAE with a long name", "nats": 24.1, "low": 23.2, "high": 25},
    {"model": "GAN", "nats": None},
]
MASK = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]])
FIELD = (torch.arange(64).view(8, 8) < 28).float()
PICTURES = torch.linspace(0, 1, 24).view(24, 1, 1, 1).expand(24, 1, 8, 8)
NEAR = {name: LOSS + 0.1 * k for k, name in enumerate(["vae", "gan", "something", "and another one"])}
FIGURES = {
    "curves": lambda t: plots.curves(NEAR, t, xlabel="step", ylabel="nats", smooth=20),
    "curves, logarithmic": lambda t: plots.curves({"a": STEPS, "b": (STEPS[:9], STEPS[:9])}, t, log="xy", points=True),
    "training": lambda t: plots.training(LOSS, LOSS[49::50] + 2, t, every=50),
    "training alone": lambda t: plots.training(LOSS, title=t),
    "dots": lambda t: plots.dots(
        ROWS, "nats", low="low", high="high", title=t, references={"one": 21.3, "another": 21.9}, null=45, ceiling=18
    ),
    "samples": lambda t: plots.samples({"data": PICTURES, "two lines\nof a label": PICTURES[:5]}, t),
    "images": lambda t: plots.images(PICTURES, t, labels=["one", "two", "three"]),
    "masks": lambda t: plots.masks({"mask A": MASK, "mask B": MASK, "above": torch.ones(1, 3)}, t),
    "kernel": lambda t: plots.kernel(torch.rand(8, 8), MASK, 3, 4, t),
    "kernel of 5 x 5 at a corner": lambda t: plots.kernel(torch.rand(8, 8), torch.ones(5, 5), 0, 7, t),
    "receptive_fields": lambda t: plots.receptive_fields({f"{k} layers": FIELD for k in range(4)}, 3, 4, t, FIELD > 0),
    "one receptive field": lambda t: plots.receptive_fields({"a leak": FIELD + 1}, 3, 4, t),
    "two_stacks": lambda t: plots.two_stacks(7, 7, 3, 3, t),
    "film": lambda t: plots.film({"now": (torch.zeros(2, 2), lambda x: x[:, 0])}, torch.zeros(3, 2), t),
    "skewed": lambda t: plots.skewed(3, 4, 1, 2, t),
    "planes": lambda t: plots.planes({name: torch.zeros(3, 2) for name in ("data", "vae", "gan")}, t),
    "gated_unit": plots.gated_unit,
    "gated_layer": plots.gated_layer,
    "masked_network": lambda t: plots.masked_network([1, 2], 3, 3, t),
    "lstm_step": plots.lstm_step,
    "attention_step": plots.attention_step,
    "swatches": lambda t: plots.swatches(torch.rand(4, 3), t, labels=["red", "green", "blue", "a mixture"]),
    "autoencoder": lambda t: plots.encoder_decoder(None, t),
    "denoising": lambda t: plots.encoder_decoder("input", t),
    "vae": lambda t: plots.encoder_decoder("code", t),
    "discriminator": lambda t: plots.gan_step("discriminator", t),
    "generator": lambda t: plots.gan_step("generator", t),
    "families": plots.families,
    "two noises": plots.two_noises,
    "walks": lambda t: plots.walks(
        torch.rand(20, 2), torch.arange(20) / 20, {"from full to half": (torch.rand(5, 2), torch.rand(5, 1, 8, 8))}, t
    ),
}


def words(figure):
    """The texts that are seen on a figure, with the boxes (pixels) that they take."""
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(plt.Text) if t.get_visible() and t.get_text().strip()]
    for ax in figure.axes:  # ticks beyond the axes, and those of diagrams, are there but not drawn
        for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not ax.axison or not low <= tick.get_loc() <= high:
                    texts = [t for t in texts if t not in (tick.label1, tick.label2)]
    return [(t, t.get_window_extent()) for t in texts]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_its_page_and_no_word_lies_over_another(notebook, name):
    title = "A title that says in about seventy letters what is to be seen below it"
    assert FIGURES[name](title) is None
    (figure, alt) = notebook[0]
    assert alt.startswith(f"{title}. ") and len(alt) > len(title) + 20 and alt.endswith(".") and "\n" not in alt
    assert figure.get_size_inches()[0] <= 9
    found = words(figure)
    page = figure.bbox
    for k, (text, box) in enumerate(found):
        assert text.get_fontsize() >= 9, text.get_text()
        inside = box.x0 > -2 and box.y0 > -2 and box.x1 < page.x1 + 2 and box.y1 < page.y1 + 2
        assert inside, f"{text.get_text()!r} leaves the figure"
        for other, its in found[k + 1 :]:
            apart = box.x1 <= its.x0 + 1 or its.x1 <= box.x0 + 1 or box.y1 <= its.y0 + 2 or its.y1 <= box.y0 + 2
            assert apart, f"{text.get_text()!r} lies over {other.get_text()!r}"


def test_a_notebook_shows_a_figure_once_with_its_alt_text(notebook):
    figure, _ = plt.subplots()
    style.show(figure, "A picture\n  of nothing.")
    assert notebook == [(figure, "A picture of nothing.")]
    assert figure.number not in plt.get_fignums()  # else the kernel shows it again when the cell ends


@pytest.mark.parametrize("shell", [None, SimpleNamespace()])  # plain Python; IPython in a terminal
def test_elsewhere_a_figure_goes_to_the_window(monkeypatch, shell):
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: shown.append(plt.gcf()))
    plots.gated_unit("title")
    assert [figure.axes[0].get_title(loc="left") for figure in shown] == ["title"]
    plt.close("all")


def test_what_is_drawn_on_given_axes_is_not_shown(notebook):
    figure, axes = plt.subplots(1, 4)
    plots.curves({"a": [1.0, 2.0]}, ax=axes[0])
    plots.training([1.0, 2.0], ax=axes[1])
    plots.dots(ROWS, "nats", ax=axes[2])
    plots.samples(PICTURES, ax=axes[3])
    assert notebook == [] and all(ax.has_data() for ax in axes) and plt.fignum_exists(figure.number)
    plt.close(figure)


def test_source_is_shown_from_its_first_column(monkeypatch):
    codes = []
    monkeypatch.setattr("IPython.display.display", codes.append)
    plots.show_source(plots.tile)
    assert codes[0].data == inspect.getsource(plots.tile) and codes[0].language == "python"


def test_a_title_is_broken_into_lines_that_fit():
    title = "one two three four five six seven eight nine ten eleven twelve"
    lines = style.wrap_title(title, width=3).split("\n")
    assert " ".join(lines) == title and max(map(len, lines)) <= 27 and style.wrap_title("two\nlines") == "two\nlines"


def test_sentences_end_once():
    assert style.sentence("A question?", "", "Two words", "Done.") == "A question? Two words. Done."


def test_the_package_has_every_figure_under_its_name():
    assert all(callable(getattr(plots, name)) for name in plots.__all__ if name.islower())
    assert plots.COLOURS is style.COLOURS
