import math

import pytest
import torch
from probes import positive, scrambled, sees

from course_utils.distributions import categorical, discretized_logistic_mixture, palette
from course_utils.models import GatedPixelCNN
from course_utils.models.gated_pixel_cnn import GatedLayer, gate, shift_down


def receptive_field(layers):
    """Offsets (rows down, columns right) that a pixel sees, found by walking through both stacks tap by tap."""
    above = {(-i, j) for i in range(1, 5) for j in range(-3, 4)}  # first vertical layer: rows strictly above
    left = {(0, -j) for j in range(1, 4)} | above  # first horizontal layer, and what it is given
    for _ in range(layers - 1):
        above = {(i + a, j + b) for i, j in above for a in (-1, 0) for b in (-1, 0, 1)}
        left = {(i, j + b) for i, j in left for b in (-1, 0)} | above
    return left


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_pixel_sees_exactly_what_both_stacks_let_through(layers):
    height, width = 6, 15
    model = positive(GatedPixelCNN((1, height, width), channels=2, layers=layers), 0.1)
    seen = sees(model).view(height, width, height, width)
    field = receptive_field(layers)
    for i, j, k, l in torch.cartesian_prod(*map(torch.arange, (height, width, height, width))).tolist():
        assert seen[i, j, k, l] == ((k - i, l - j) in field)


@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 5, 5)])
def test_there_is_no_blind_spot_and_no_look_ahead(shape):
    channels, height, width = shape
    model = positive(GatedPixelCNN(shape, channels=6, layers=4), 0.1)
    seen = sees(model).permute(1, 2, 0, 4, 5, 3).reshape(math.prod(shape), -1)
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))  # rows, columns, channels: the model's order


def test_the_field_is_a_rectangle_and_the_pixels_to_the_left():
    rows, columns = 4 + 3, 3 + 3
    field = receptive_field(4)
    assert field == {(-i, j) for i in range(1, rows + 1) for j in range(-columns, columns + 1)} | {
        (0, -j) for j in range(1, columns + 1)
    }


@pytest.mark.parametrize("shape", [(1, 6, 20), (1, 9, 5), (2, 4, 9), (1, 3, 1)])
def test_no_pixel_of_a_group_depends_on_another_in_it_or_later(shape):
    model = positive(GatedPixelCNN(shape, channels=3, layers=3), 0.1)
    depends = sees(model)
    time = torch.full(shape, -1)
    for step, (c, h, w) in enumerate(model.schedule()):
        assert (time[c, h, w] == -1).all()
        time[c, h, w] = step
    assert (time >= 0).all()
    earlier = time[None, None, None] < time[..., None, None, None]
    assert not (depends & ~earlier).any()


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("size", [(7, 20), (9, 4), (1, 8), (8, 1)])
@pytest.mark.parametrize("family", [categorical(5), discretized_logistic_mixture(), palette(6)], ids=lambda f: f.name)
def test_incremental_conditionals_equal_the_whole_networks(layers, size, family):
    """More than equal samples: every parameter of every pixel, also where the stack that runs ahead meets an edge."""
    channels = 1 if family.tokens else 2
    shape = (channels, *size)
    model = scrambled(GatedPixelCNN(shape, channels=6, layers=layers, distribution=family))
    x = torch.randint(family.levels, (3, *shape), generator=torch.Generator().manual_seed(0))
    x = x if family.tokens else x / (family.levels - 1)
    with torch.no_grad():
        whole, step = model.conditionals(x).level_log_probs(), model.incremental(x)
        for c, h, w in model.schedule():
            torch.testing.assert_close(step(c, h, w).level_log_probs(), whole[:, c, h, w], rtol=1e-4, atol=1e-4)


def test_gate_is_tanh_times_sigmoid():
    f, g = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(gate(torch.cat([f, g], 1)), f.tanh() / (1 + (-g).exp()))


def test_shift_down_moves_every_row():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(shift_down(x)[:, :, 1:], x[:, :, :-1]) and (shift_down(x)[:, :, 0] == 0).all()


def test_dropout_is_for_training_only():
    torch.manual_seed(0)
    model = GatedPixelCNN((1, 5, 5), 16, 2, dropout=0.5)  # of 4 maps all may be dropped, twice in a row
    x = torch.ones(2, 1, 5, 5)
    assert not torch.equal(model.log_prob(x), model.log_prob(x))
    model.eval()
    assert torch.equal(model.log_prob(x), model.log_prob(x))


def test_dropout_drops_whole_maps_in_both_stacks():
    layer = GatedLayer("B", 40, 40, 3, 1, dropout=0.5)
    for conv in (layer.v_conv, layer.h_conv):  # gated features of about 0.76 * 0.73 everywhere
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.ones_(conv.bias)
    torch.nn.init.zeros_(layer.v_to_h.weight)
    torch.nn.init.zeros_(layer.v_to_h.bias)
    layer.h_out.weight.data = torch.eye(40)[:, :, None, None]
    torch.nn.init.zeros_(layer.h_out.bias)
    torch.manual_seed(0)
    v, h = layer(torch.zeros(1, 40, 4, 5), torch.zeros(1, 40, 4, 5))
    for features in (v, h):
        zero = (features[0] == 0).flatten(1)
        assert torch.equal(zero.any(1), zero.all(1))  # a map is dropped as a whole or not at all
        assert 8 < zero.all(1).sum() < 32
    layer.eval()
    v, h = layer(torch.zeros(1, 40, 4, 5), torch.zeros(1, 40, 4, 5))
    assert (v > 0).all() and (h > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of at least 1, got 0"),
        ({"channels": 1.5}, "channels must be a whole number of at least 1, got 1.5"),
        ({"channels": 2}, "channels must be at least the image's 3, got .* 2"),
        ({"dropout": 1.0}, r"dropout must be a number from 0 up to, not including, 1, got 1.0"),
        ({"dropout": -0.1}, r"dropout must be a number from 0 .*, got -0.1"),
        ({"dropout": None}, r"dropout must be a number from 0 .*, got None"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GatedPixelCNN((3, 4, 4), **arguments)
