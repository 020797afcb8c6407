"""Figures on a grid of pixels: which cell has which colour and number, and what is refused."""

import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_rgb
from matplotlib.patches import ConnectionPatch, Rectangle

from course_utils import models, plots

BLUE, ORANGE, SKY = (plots.COLOURS[k] for k in ("autoregressive", "wrong", "diffusion"))
A = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]])


def seen(ax):
    """What the picture on the axes holds, as a tensor."""
    return torch.as_tensor(ax.images[0].get_array().data)


def painted(ax, colour):
    """bool (H, W): which cells have this colour."""
    return (seen(ax) - torch.tensor(to_rgb(colour))).abs().amax(-1) < 1e-6


def numbers(ax):
    """What is written in which cell: (row, column) to text."""
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts}


def cells(ax, hatched=False):
    """The cells with a patch of their own, as (row, column)."""
    patches = [p for p in ax.patches if isinstance(p, Rectangle) and bool(p.get_hatch()) == hatched]
    return [(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in patches]


@pytest.mark.filterwarnings("error")
def test_a_receptive_field_has_a_colour_for_seen_unseen_and_leaking(ax):
    plots.receptive_field(ax, torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]], requires_grad=True), 1, 1, "")
    blue, grey, orange = (to_rgb(c) for c in (plots.COLOURS["autoregressive"], "#BBBBBB", plots.COLOURS["wrong"]))
    expected = torch.tensor([[blue, grey, grey], [blue, (1, 1, 1), orange]])
    assert torch.allclose(seen(ax), expected)


def test_masks_show_their_numbers_in_their_colours_and_frame_the_centre(notebook):
    plots.masks({"A": A, "above": torch.ones(2, 3)}, "title")
    (figure, alt) = notebook[0]
    first, second = figure.axes
    assert numbers(first) == {(i, j): str(A[i, j].item()) for i in range(3) for j in range(3)}
    assert torch.equal(painted(first, BLUE), A == 1) and painted(second, BLUE).all()
    assert cells(first) == [(1, 1)] and cells(second) == []  # an even side has no centre
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["A", "above"]
    assert alt == "title. A, 3 × 3: 1 1 1; 1 0 0; 0 0 0. above, 2 × 3: 1 1 1; 1 1 1."


def test_masks_refuse_what_is_no_mask():
    with pytest.raises(ValueError, match=r"kernels\['A'\] must hold zeros and ones only, got \[0.0, 2.0\]"):
        plots.masks({"A": 2 * A})
    with pytest.raises(ValueError, match=r"kernels\['A'\] must be a tensor of shape \(rows, columns\)"):
        plots.masks({"A": A[None]})
    for wrong in ({}, A, {str(k): A for k in range(6)}):
        with pytest.raises(ValueError, match="kernels must be a dictionary of one to five tensors"):
            plots.masks(wrong)


@pytest.mark.parametrize("row, column", [(2, 1), (0, 0), (4, 3)])
def test_a_kernel_shows_the_products_of_a_convolution_at_its_pixel(notebook, row, column):
    picture = torch.randint(0, 10, (5, 4), generator=torch.Generator().manual_seed(0)).float()
    weights = A * torch.tensor([[2, -1, 3], [4, 5, 6], [7, 8, 9]])
    plots.kernel(picture, weights, row, column, "title")
    (figure, alt) = notebook[0]
    left, right = figure.axes
    answer = F.conv2d(picture[None, None], weights[None, None].float(), padding=1)[0, 0, row, column]
    said = f"{answer:g}".replace("-", "−")
    assert right.get_title(loc="left") == f"4 of 9 products count, sum {said}" and f"add up to {said}." in alt
    padded = F.pad(picture, (1, 1, 1, 1))
    for (i, j), text in numbers(right).items():
        weight, value = (part.replace("−", "-") for part in text.split(" · "))
        assert float(weight) == weights[i, j] and float(value) == padded[row + i, column + j]
    window = [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    laid = [p for p in left.patches if p.get_facecolor()[3] == 0.3]
    assert [(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in laid] == window
    counted = [p.get_edgecolor()[:3] == to_rgb(BLUE) for p in laid]
    assert counted == (A == 1).flatten().tolist() and torch.equal(~painted(right, "#EEEEEE"), A == 1)
    assert {k: v for k, v in numbers(left).items() if k not in window}.items() <= {
        (i, j): f"{picture[i, j]:g}" for i in range(5) for j in range(4)
    }.items()


def test_a_kernel_refuses_what_does_not_fit():
    picture = torch.zeros(5, 4)
    with pytest.raises(ValueError, match="row, column must be a pixel of 5 x 4, got 5, 0"):
        plots.kernel(picture, A, 5, 0)
    with pytest.raises(ValueError, match="row must be a whole number of at least 0, got -1"):
        plots.kernel(picture, A, -1, 0)
    with pytest.raises(ValueError, match="mask must be square with an odd side"):
        plots.kernel(picture, torch.ones(2, 2), 0, 0)
    with pytest.raises(ValueError, match="picture must be at most 12 x 12"):
        plots.kernel(torch.zeros(13, 4), A, 0, 0)
    with pytest.raises(ValueError, match="picture must be a tensor of shape"):
        plots.kernel(picture[None], A, 0, 0)


def test_receptive_fields_share_a_legend_and_hatch_the_blind_spot(notebook):
    first = torch.tensor([[0, 1, 0], [1, 0, 0]])
    hatch = torch.tensor([[False, False, True], [False, False, False]])
    plots.receptive_fields({"one": first, "two": first + 0.5 * torch.tensor([[1, 0, 0], [0, 0, 0]])}, 1, 1, "t", hatch)
    (figure, alt) = notebook[0]
    one, two = figure.axes
    assert torch.equal(painted(one, BLUE), first > 0) and painted(two, BLUE).sum() == 3
    assert cells(one, hatched=True) == cells(two, hatched=True) == [(0, 2)]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["seen", "earlier, not seen", "blind spot", "predicted"]
    assert "one: 2 of 4 earlier pixels are seen. two: 3 of 4" in alt
    assert "Blind spot, seen at no depth: 1 of them." in alt


def test_receptive_fields_name_a_leak_only_where_there_is_one(notebook):
    plots.receptive_fields({"leak": torch.tensor([[1, 1, 1], [0, 1, 1]])}, 1, 1, "t")
    (figure, alt) = notebook[0]
    assert painted(figure.axes[0], ORANGE).nonzero().tolist() == [[1, 1], [1, 2]]
    assert [text.get_text() for text in figure.legends[0].get_texts()][2] == "leak"
    assert "leak: 3 of 4 earlier pixels are seen, and 2 that are not earlier" in alt


def test_receptive_fields_refuse_what_does_not_fit():
    field = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"fields must have one shape, got \(2, 3\) and 'b' with \(3, 3\)"):
        plots.receptive_fields({"a": field, "b": torch.zeros(3, 3)}, 0, 0)
    with pytest.raises(ValueError, match="row, column must be a pixel of 2 x 3, got 0, 3"):
        plots.receptive_fields({"a": field}, 0, 3)
    for hatch in (field, field[:1] > 0, [True]):
        with pytest.raises(ValueError, match=r"hatch must be a bool tensor of shape \(2, 3\)"):
            plots.receptive_fields({"a": field}, 0, 0, hatch=hatch)


@pytest.mark.parametrize("row, column", [(2, 1), (0, 3), (3, 0)])
def test_the_two_stacks_share_the_earlier_pixels_among_them(notebook, row, column):
    plots.two_stacks(4, 5, row, column, "title")
    (figure, alt) = notebook[0]
    vertical, horizontal, both = figure.axes
    above, beside = painted(vertical, BLUE), painted(horizontal, SKY)
    order = torch.arange(20).view(4, 5)
    assert not (above & beside).any() and torch.equal(above | beside, order < order[row, column])
    assert torch.equal(painted(both, BLUE), above) and torch.equal(painted(both, SKY), beside)
    assert above[:row].all() and not painted(horizontal, BLUE).any() and not painted(vertical, SKY).any()
    links = [a for a in figure.artists if isinstance(a, ConnectionPatch)]
    assert [(a.coords1, a.coords2) for a in links] == [
        (vertical.transData, horizontal.transData),
        (horizontal.transData, both.transData),
    ]
    assert f"sees the {row} rows above" in alt and f"sees the {column} pixels to the left" in alt


def test_a_skewed_map_has_both_neighbours_in_the_column_before(notebook):
    plots.skewed(3, 4, 1, 2, "title")
    (figure, alt) = notebook[0]
    plain, skewed = figure.axes
    assert painted(plain, BLUE).nonzero().tolist() == [[0, 2], [1, 1]] and cells(plain) == [(1, 2)]
    assert painted(skewed, BLUE).nonzero().tolist() == [[0, 2], [1, 2]] and cells(skewed) == [(1, 3)]
    for ax in figure.axes:
        near, here = painted(ax, BLUE).nonzero().tolist(), cells(ax)[0]
        assert [numbers(ax)[r, s] for r, s in near] == ["3", "6"] and numbers(ax)[here] == "7"
        assert [numbers(ax)[r, s] for r, s in painted(ax, "#CFE3F1").nonzero().tolist()] == ["4", "7", "10"]
    written = torch.zeros(3, 6)
    for place, text in numbers(skewed).items():
        written[place] = float(text)
    assert torch.equal(written, models.diagonal_bilstm.skew(torch.arange(1.0, 13.0).view(3, 4)))
    assert "Pixel 7, its left neighbour 6 and its upper one 3" in alt


def test_a_skewed_map_wants_a_pixel_with_both_neighbours():
    for row, column in ((0, 2), (1, 0)):
        with pytest.raises(ValueError, match="with a neighbour above and to the left"):
            plots.skewed(3, 4, row, column)
    with pytest.raises(ValueError, match="row, column must be a pixel of 3 x 4, got 3, 0"):
        plots.skewed(3, 4, 3, 0)


def test_two_stacks_refuse_a_pixel_beside_the_picture():
    with pytest.raises(ValueError, match="row, column must be a pixel of 4 x 5, got 4, 0"):
        plots.two_stacks(4, 5, 4, 0)
    with pytest.raises(ValueError, match="height must be a whole number of at least 1, got 0"):
        plots.two_stacks(0, 5, 0, 0)
