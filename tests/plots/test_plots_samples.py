"""Figures of images: which pixel stands where, in which row, and what is refused."""

import pytest
import torch

from course_utils import plots


def seen(ax):
    """What the picture on the axes holds, as a tensor."""
    return torch.as_tensor(ax.images[0].get_array().data)


def shades(n, side=2):
    """n pictures of side x side, each of one grey value of its own."""
    return ((torch.arange(n) + 1) / (n + 1)).view(n, 1, 1, 1).expand(n, 1, side, side)


@pytest.mark.filterwarnings("error")  # tensors handed to imshow make NumPy warn, in every notebook
@pytest.mark.parametrize("grad", [False, True])
def test_tensors_become_pictures_without_a_warning(ax, grad):
    x = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_(grad)
    plots.images(x, "title", columns=2, ax=ax)
    shown = seen(ax)
    for k, (row, column) in enumerate([(1, 1), (1, 4), (4, 1)]):  # a frame of one pixel in front of each
        assert torch.equal(shown[row : row + 2, column : column + 2], x[k, 0].detach()[..., None].expand(2, 2, 3))
    assert (shown[4:6, 4:6] == 1).all() and (shown[::3] == 0.5).all() and ax.get_title(loc="left") == "title"


def test_each_label_begins_a_row_and_stands_beside_the_middle_of_its_rows(ax):
    rows = {"five": shades(5), "two": shades(2)}
    plots.samples(rows, "title", columns=3, ax=ax)
    shown = seen(ax)[1::3, 1::3, 0]  # the upper left pixel of each picture
    five, two = shades(5)[:, 0, 0, 0], shades(2)[:, 0, 0, 0]
    white = torch.ones(1)
    assert torch.equal(shown, torch.cat([five, white, two, white]).view(3, 3))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["five", "two"]
    assert ax.get_yticks().tolist() == [3.0, 7.5]  # rows 0 and 1, row 2: three pixels each
    assert ax.get_title(loc="left") == "title"


def test_a_tensor_is_rows_without_labels_and_grey_beside_colour_is_grey(ax):
    plots.samples(shades(4), columns=2, ax=ax)
    assert seen(ax).shape == (7, 7, 3) and not list(ax.get_yticks())
    ax.clear()
    colour = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    plots.samples({"grey": shades(1), "colour": colour}, ax=ax)
    assert seen(ax)[1, 1].tolist() == [0.5] * 3 and seen(ax)[4, 1].tolist() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("draw", [plots.tile, plots.images, plots.samples])
@pytest.mark.parametrize(
    "x, said",
    [
        (255 * shades(3), "got values from 63.75 to 191.2"),
        (2 * shades(3) - 1, "got values from -0.5 to 0.5"),
        (shades(1) * torch.nan, "got values from nan to nan"),
        (shades(3)[:, 0], r"shape \(N, 1 or 3, H, W\) with N > 0, got torch.float32 of shape \(3, 2, 2\)"),
        (shades(3)[:0], "N > 0, got torch.float32 of shape"),
        (torch.zeros(1, 2, 4, 4), "1 or 3"),
        (None, "got None"),
    ],
)
def test_what_is_no_picture_in_0_to_1_is_refused(draw, x, said):
    with pytest.raises(ValueError, match=said):
        draw(x)


@pytest.mark.parametrize("draw", [plots.tile, plots.images, plots.samples])
def test_no_columns_are_refused(draw):
    for columns in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="columns must be a whole number of at least 1"):
            draw(shades(3), columns=columns)


def test_rounding_is_forgiven_and_clamp_draws_what_lies_beyond():
    x = shades(3).clone()
    x[0], x[1] = -9e-4, 1 + 9e-4
    assert torch.equal(plots.tile(x), plots.tile(x.clamp(0, 1)))
    x[0], x[1] = -3, 5
    assert torch.equal(plots.tile(x, clamp=True), plots.tile(x.clamp(0, 1)))


def test_samples_refuse_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="columns must be at most 24"):
        plots.samples(shades(30), columns=25)
    with pytest.raises(ValueError, match=r"one size, got \(2, 2\) and 'b' with \(3, 3\)"):
        plots.samples({"a": shades(1), "b": shades(1, 3)})
    with pytest.raises(ValueError, match="rows must have at least one entry"):
        plots.samples({})
    with pytest.raises(ValueError, match=r"rows\['b'\] must be images in \[0, 1\]"):
        plots.samples({"a": shades(1), "b": 2 * shades(3)})


def test_pictures_are_as_large_as_the_page_allows_but_not_larger_than_an_inch_and_a_half(notebook):
    for columns in (3, 12, 24):
        plots.samples(shades(columns, 8), "title", columns=columns)
        figure, _ = notebook[-1]
        figure.draw_without_rendering()
        inches = figure.axes[0].get_window_extent().width / figure.dpi / columns
        assert 0.9 * min(9 / columns, 1.5) < inches < min(9 / columns, 2)


def test_alt_texts_tell_what_is_in_the_rows(notebook):
    plots.samples({"data": shades(5), "VAE": shades(1)}, "Which is real?")
    plots.images(shades(4), "Four greys", labels=["all"])
    assert [alt for _, alt in notebook] == [
        "Which is real? Rows of 5, each image 2 × 2 pixels: data: 5 images; VAE: 1 image.",
        "Four greys. 4 images of 2 × 2 pixels. The rows: all.",
    ]
