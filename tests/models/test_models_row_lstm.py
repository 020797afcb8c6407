import math

import pytest
import torch
from probes import positive, scrambled, sees
from torch import nn

from course_utils.distributions import categorical, discretized_logistic_mixture, palette
from course_utils.models import RowLSTM
from course_utils.models.row_lstm import RowLSTMLayer, lstm_cell


def first_layer(height, width):
    """What features of a 7x7 mask A see: for each place, a set of places."""
    places = [(r, s) for r in range(height) for s in range(width)]
    return {
        (r, s): {(k, l) for k, l in places if (k, l) < (r, s) and r - k <= 3 and abs(l - s) <= 3} for r, s in places
    }


def receptive_field(height, width, layers, kernel):
    """Sets of places, carried through the recurrence as it stands in the paper, without any tensor."""
    half, seen = kernel // 2, first_layer(height, width)
    for _ in range(layers):
        state = {}
        for r, s in seen:
            inputs = [seen.get((r, s - d), set()) for d in range(half + 1)]
            above = [state.get((r - 1, s + d), set()) for d in range(-half, half + 1)]
            state[r, s] = set().union(*inputs, *above)
        seen = {place: seen[place] | state[place] for place in seen}
    return seen


@pytest.mark.parametrize(("layers", "kernel"), [(1, 3), (2, 3), (3, 3), (1, 5), (2, 7)])
def test_a_pixel_sees_exactly_what_the_recurrence_carries_to_it(layers, kernel):
    height, width = 7, 21
    model = positive(RowLSTM((1, height, width), 2, layers, kernel=kernel))
    dependent = sees(model)[0, :, :, 0]
    field = receptive_field(height, width, layers, kernel)
    for r, s in field:
        assert {tuple(place) for place in dependent[r, s].nonzero().tolist()} == field[r, s]


def test_the_field_is_a_triangle_and_misses_pixels_before_its_own():
    """One layer, k = 3: in the row d above, d columns further on both sides than what a feature and its input see."""
    field = receptive_field(7, 21, layers=1, kernel=3)[6, 10]
    assert sorted(l for k, l in field if k == 6) == [6, 7, 8, 9]  # 3 of the 7x7 layer, and 1 of the masked convolution
    for d in range(1, 7):
        assert sorted(l for k, l in field if k == 6 - d) == [*range(max(6 - d, 0), 13 + d)]


def test_colours_are_seen_in_the_order_red_green_blue():
    model = positive(RowLSTM((3, 3, 4), 7, 2))
    dependent = sees(model)
    assert dependent[:, 1, 1, :, 1, 1].tolist() == [[False] * 3, [True, False, False], [True, True, False]]
    for r, s in ((1, 0), (0, 0), (0, 2), (0, 3)):  # of pixels before, all colours
        assert dependent[:, 1, 1, :, r, s].all()
    for r, s in ((1, 2), (1, 3), (2, 0), (2, 1)):
        assert not dependent[:, 1, 1, :, r, s].any()


@pytest.mark.parametrize("shape", [(1, 6, 12), (1, 9, 5), (2, 4, 9), (3, 3, 6)])
@pytest.mark.parametrize("kernel", [3, 9])
def test_no_pixel_of_a_group_depends_on_another_in_it_or_later(shape, kernel):
    model = positive(RowLSTM(shape, 3, 2, kernel=kernel))
    time = torch.full(shape, -1)
    for step, (c, h, w) in enumerate(model.schedule()):
        assert (time[c, h, w] == -1).all()
        time[c, h, w] = step
    assert (time >= 0).all()
    earlier = time[None, None, None] < time[..., None, None, None]  # [i, j]: j is drawn before i
    assert not (sees(model) & ~earlier).any()


def test_groups_are_as_early_as_the_view_to_the_right_allows():
    assert len(RowLSTM((1, 4, 20), 2, 1).schedule()) == 20 + 4 * 3
    assert len(RowLSTM((1, 4, 20), 2, 1, kernel=9).schedule()) == 20 + 5 * 3


def test_the_cell_is_the_formula():
    o, f, i, g, c = torch.randn(5, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sigma = lambda t: 1 / (1 + (-t).exp())  # noqa: E731
    hidden, cell = lstm_cell(torch.cat([o, f, i, g]), c)
    torch.testing.assert_close(cell, sigma(f) * c + sigma(i) * g.tanh())
    torch.testing.assert_close(hidden, sigma(o) * cell.tanh())


def paper_to_torch(weight):
    """Gates o, f, i, g of (4h, ...) in the order i, f, g, o of torch.nn.LSTM."""
    o, f, i, g = weight.chunk(4)
    return torch.cat([i, f, g, o])


def test_on_an_image_of_one_column_a_layer_is_torchs_lstm():
    layer = scrambled(RowLSTMLayer(5, 1, 3)).double()
    reference = nn.LSTM(10, 5, batch_first=True).double()
    conv = layer.input_to_state
    reference.weight_ih_l0.data = paper_to_torch(conv.weight[:, :, 0, 1])  # the centre; its neighbours are padding
    reference.weight_hh_l0.data = paper_to_torch(layer.state_to_state.weight[:, :, 1])
    reference.bias_ih_l0.data = paper_to_torch(conv.bias)
    reference.bias_hh_l0.data.zero_()
    x = torch.randn(4, 10, 7, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    states = reference(x[..., 0].transpose(1, 2))[0]  # (B, H, h)
    expected = layer.expand(states.transpose(1, 2)[..., None])
    torch.testing.assert_close(layer(x), expected)
    assert states.abs().mean() > 0.1


def test_a_state_follows_from_three_states_above_and_two_inputs():
    """A loop over pixels with the sums of the formula."""
    h, height, width = 3, 4, 5
    layer = scrambled(RowLSTMLayer(h, 1, 3)).double()
    x = torch.randn(1, 2 * h, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    K_is, b, K_ss = layer.input_to_state.weight[:, :, 0], layer.input_to_state.bias, layer.state_to_state.weight
    hidden = torch.zeros(h, height + 1, width + 2, dtype=torch.float64)  # framed by zeros
    cell = torch.zeros_like(hidden)
    padded = nn.functional.pad(x[0], (1, 1))
    for r in range(height):
        for s in range(width):
            gates = b + K_is[:, :, 0] @ padded[:, r, s] + K_is[:, :, 1] @ padded[:, r, s + 1]
            for k in range(3):
                gates = gates + K_ss[:, :, k] @ hidden[:, r, s + k]
            new = lstm_cell(gates[:, None], cell[:, r, s + 1, None])
            hidden[:, r + 1, s + 1], cell[:, r + 1, s + 1] = new[0][:, 0], new[1][:, 0]
    torch.testing.assert_close(layer(x), layer.expand(hidden[None, :, 1:, 1:-1]))


@pytest.mark.parametrize("family", [None, categorical(17), discretized_logistic_mixture()], ids=["2", "17", "mix"])
@pytest.mark.parametrize("kernel", [3, 9])
def test_incremental_conditionals_equal_the_whole_networks(family, kernel):
    """More than equal samples: every parameter of every pixel."""
    model = scrambled(RowLSTM((2, 4, 7), 6, 3, family, kernel)).double()
    k = torch.randint(model.pixels.levels, (3, 2, 4, 7), generator=torch.Generator().manual_seed(0))
    x = k.double() / (model.pixels.levels - 1)
    with torch.no_grad():
        whole, step = model.conditionals(x).level_log_probs(), model.incremental(x)
        for c, h, w in model.schedule():
            torch.testing.assert_close(step(c, h, w).level_log_probs(), whole[:, c, h, w])


def test_incremental_conditionals_of_palette_tokens():
    model = scrambled(RowLSTM((1, 4, 7), 6, 2, palette(5)))
    x = torch.randint(5, (3, 1, 4, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, step = model.conditionals(x).logits, model.incremental(x)
        for c, h, w in model.schedule():
            torch.testing.assert_close(step(c, h, w).logits, whole[:, c, h, w], rtol=1e-4, atol=1e-4)


def test_the_state_stays_in_full_precision_under_autocast():
    """A sum over many rows would lose its small terms in bfloat16."""
    layer = RowLSTMLayer(4, 1, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden, cell = lstm_cell(layer.input_to_state(torch.randn(2, 8, 3, 5))[:, :, 0], torch.zeros(2, 4, 5))
    assert hidden.dtype == cell.dtype == torch.float32


def test_layers_of_the_paper():
    model = RowLSTM((3, 8, 8), channels=32, layers=5, distribution=categorical(256))
    assert [(m.kernel_size, m.in_channels, m.out_channels) for m in [model.input, *model.layers[0].children()]] == [
        ((7, 7), 3, 64), ((1, 3), 64, 128), ((3,), 32, 128), ((1, 1), 32, 64),
    ]  # fmt: skip
    assert len(model.layers) == 5
    assert (model.output.in_channels, model.output.out_channels) == (32, 3 * 256)
    assert model.conditionals(torch.zeros(2, 3, 8, 8)).logits.shape == (2, 3, 8, 8, 256)
    numbers = sum(p.numel() for p in model.layers[0].parameters())
    assert numbers == 64 * 128 * 3 + 128 + 32 * 128 * 3 + 32 * 64 + 64


def test_its_own_images_cost_its_entropy():
    model = scrambled(RowLSTM((1, 3, 3), 6, 2))
    bits = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 9).view(512, 1, 3, 3)
    with torch.no_grad():
        log_p = model.log_prob(bits).double()
        drawn = -model.log_prob(model.sample(4_000, generator=torch.Generator().manual_seed(0))).double()
    entropy = -(log_p.exp() * log_p).sum()
    assert (drawn.mean() - entropy).abs() < 4 * drawn.std() / math.sqrt(4_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of at least 1, got 0"),
        ({"channels": 1.5}, "channels must be a whole number of at least 1, got 1.5"),
        ({"channels": 2}, "channels must be at least the image's 3, got .* 2"),
        ({"kernel": 4}, "kernel must be odd, so that it has a centre, got 4"),
        ({"kernel": 1}, "kernel must be a whole number of at least 3, got 1"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RowLSTM((3, 4, 4), **arguments)
