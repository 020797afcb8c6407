import pytest
import torch
from probes import positive, scrambled, sees

from course_utils.distributions import categorical, discretized_logistic_mixture
from course_utils.models import PixelCNN


def receptive_field(layers):
    """Offsets (rows down, columns right) that a pixel sees, propagated through the layers' masks."""
    seen = {(i, j) for i in range(-3, 1) for j in range(-3, 4) if (i, j) < (0, 0)}  # 7x7, mask A
    for _ in range(layers):
        steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0)]  # 3x3, mask B
        seen = {(i + a, j + b) for i, j in seen for a, b in steps}
    return seen


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_pixel_sees_exactly_what_the_masks_of_all_layers_let_through(layers):
    shape = (1, 7, 13)
    model = positive(PixelCNN(shape, channels=2, layers=layers))
    seen = sees(model).view(7, 13, 7, 13)
    field = receptive_field(layers)
    for i, j, k, l in torch.cartesian_prod(*map(torch.arange, (7, 13, 7, 13))).tolist():
        assert seen[i, j, k, l] == ((k - i, l - j) in field)
    assert (-1, 4) not in field  # the blind spot: before the pixel, and never seen


def test_colours_are_seen_in_the_order_red_green_blue():
    model = positive(PixelCNN((3, 3, 3), channels=7, layers=1))
    at_centre = sees(model)[:, 1, 1, :, 1, 1]
    assert at_centre.tolist() == [[False, False, False], [True, False, False], [True, True, False]]
    at_left = sees(model)[:, 1, 1, :, 1, 0]
    assert at_left.all()


@pytest.mark.parametrize("shape", [(1, 6, 12), (1, 9, 5), (2, 4, 9), (3, 3, 6)])
def test_no_pixel_of_a_group_depends_on_another_in_it_or_later(shape):
    model = positive(PixelCNN(shape, channels=3, layers=3))
    depends = sees(model)
    time = torch.full(shape, -1)
    for step, (c, h, w) in enumerate(model.schedule()):
        assert (time[c, h, w] == -1).all()
        time[c, h, w] = step
    assert (time >= 0).all()
    earlier = time[None, None, None] < time[..., None, None, None]  # [i, j]: j is drawn before i
    assert not (depends & ~earlier).any()


def test_groups_are_as_early_as_the_receptive_field_allows():
    """A wider wavefront would be correct and slow."""
    shape = (1, 4, 20)
    groups = PixelCNN(shape, channels=2, layers=1).schedule()
    assert len(groups) == 20 + 4 * 3


@pytest.mark.parametrize("family", [None, categorical(17), discretized_logistic_mixture()], ids=["2", "17", "mix"])
def test_incremental_conditionals_equal_the_whole_networks(family):
    """More than equal samples: every parameter of every pixel."""
    model = scrambled(PixelCNN((2, 4, 7), channels=6, layers=2, distribution=family))
    k = torch.randint(model.pixels.levels, (3, 2, 4, 7), generator=torch.Generator().manual_seed(0))
    x = k / (model.pixels.levels - 1)
    with torch.no_grad():
        whole, step = model.conditionals(x).level_log_probs(), model.incremental(x)
        for c, h, w in model.schedule():
            torch.testing.assert_close(step(c, h, w).level_log_probs(), whole[:, c, h, w], rtol=1e-4, atol=1e-4)


def test_layers_of_the_paper():
    model = PixelCNN((3, 8, 8), channels=32, layers=5, distribution=categorical(256))
    assert [(m.kernel_size[0], m.in_channels, m.out_channels) for m in [model.input, *model.blocks[0]]] == [
        (7, 3, 64), (1, 64, 32), (3, 32, 32), (1, 32, 64),
    ]  # fmt: skip
    assert len(model.blocks) == 5
    assert (model.output.in_channels, model.output.out_channels) == (32, 3 * 256)
    assert model.conditionals(torch.zeros(2, 3, 8, 8)).logits.shape == (2, 3, 8, 8, 256)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of at least 1, got 0"),
        ({"layers": 1.5}, "layers must be a whole number of at least 1, got 1.5"),
        ({"channels": 0}, "channels must be a whole number of at least 1, got 0"),
        ({"channels": 2}, "channels must be at least the image's 3, got .* 2"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PixelCNN((3, 4, 4), **arguments)
