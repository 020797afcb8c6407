import itertools

import pytest
import torch
from probes import positive, scrambled, sees
from torch import nn

from course_utils import data
from course_utils.distributions import categorical, discretized_logistic_mixture, palette
from course_utils.models import DiagonalBiLSTM
from course_utils.models.diagonal_bilstm import DiagonalLayer, skew, unskew
from course_utils.models.row_lstm import lstm_cell

# Receptive fields


def receptive_field(height, width, layers, beyond, down=1):
    """Sets of places, carried through both recurrences as they stand in the paper, without any tensor."""
    image = [(r, s) for r in range(height) for s in range(width)]
    everywhere = [(r, s) for r in range(height) for s in range(width + beyond)]
    seen = {
        (r, s): {(k, l) for k, l in image if (k, l) < (r, s) and r - k <= 3 and abs(l - s) <= 3} for r, s in everywhere
    }
    for _ in range(layers):
        first, second = {}, {}
        for r, s in everywhere:
            first[r, s] = seen[r, s].union(first.get((r - 1, s), ()), first.get((r, s - 1), ()))
        for r, s in sorted(everywhere, key=lambda place: (place[0], -place[1])):
            second[r, s] = seen[r, s].union(second.get((r - 1, s), ()), second.get((r, s + 1), ()))
        seen = {(r, s): seen[r, s] | first[r, s] | second.get((r - down, s), set()) for r, s in everywhere}
    return seen


@pytest.mark.parametrize(("layers", "beyond"), [(1, 1), (2, 1), (1, 0), (2, 0)])
def test_a_pixel_sees_exactly_what_the_recurrences_carry_to_it(layers, beyond):
    height, width = 5, 11
    model = positive(DiagonalBiLSTM((1, height, width), 2, layers))
    model.beyond = beyond
    dependent, field = sees(model)[0, :, :, 0], receptive_field(height, width, layers, beyond)
    for r, s in itertools.product(range(height), range(width)):
        assert {tuple(place) for place in dependent[r, s].nonzero().tolist()} == field[r, s]


@pytest.mark.parametrize("shape", [(1, 5, 11), (1, 3, 30), (1, 30, 3), (1, 1, 9), (1, 9, 1)])
def test_one_layer_sees_everything_above_and_to_the_left_and_nothing_else(shape):
    dependent = sees(positive(DiagonalBiLSTM(shape, 2, 1)))
    size = shape[1] * shape[2]
    assert torch.equal(dependent.view(size, size), torch.ones(size, size).tril(-1).bool())


def test_without_the_column_beyond_the_image_the_last_pixel_of_the_row_above_is_not_seen():
    """The paper's map: but for the 3 columns of the 7x7 layer, and however many layers there are."""
    model = positive(DiagonalBiLSTM((1, 3, 9), 2, 3))
    model.beyond = 0
    dependent = sees(model).view(27, 27)
    missing = (torch.ones(27, 27).tril(-1).bool() & ~dependent).nonzero().tolist()
    assert missing == [[9 * r + s, 9 * r - 1] for r in (1, 2) for s in range(5)]


def test_a_second_direction_that_is_not_moved_down_sees_the_future():
    model = positive(DiagonalBiLSTM((1, 4, 6), 2, 1))
    for layer in model.layers:
        layer.merge = lambda left, right: left + right
    dependent, field = sees(model)[0, :, :, 0], receptive_field(4, 6, 1, beyond=1, down=0)
    for r, s in itertools.product(range(4), range(6)):
        assert {tuple(place) for place in dependent[r, s].nonzero().tolist()} == field[r, s]
    assert dependent[2, 3, 2].all()  # its own row to the end, itself included


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("layers", [1, 2])
def test_colours_are_seen_in_the_order_red_green_blue(beyond, layers):
    model = positive(DiagonalBiLSTM((3, 3, 4), 7, layers))
    model.beyond = beyond
    in_order = sees(model).permute(1, 2, 0, 4, 5, 3).reshape(36, 36)  # pixel by pixel, in each R, G, B
    assert torch.equal(in_order, torch.ones(36, 36).tril(-1).bool())


# The skew


def test_skew_by_hand():
    x = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
    expected = [[1, 2, 3, 0, 0, 0], [0, 4, 5, 6, 0, 0], [0, 0, 7, 8, 9, 0], [0, 0, 0, 10, 11, 12]]
    assert skew(x).tolist() == expected
    assert unskew(skew(x), 3).tolist() == x.tolist()


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 6), (1, 1, 5, 2), (3, 1, 1, 7), (2, 2, 7, 1), (1, 1, 1, 1), (2, 5, 2, 4, 4)]
)
def test_skew_moves_each_row_by_its_number_and_unskew_moves_it_back(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    height, width = shape[-2:]
    y = skew(x)
    assert y.shape == (*shape[:-1], height + width - 1)
    for r in range(height):
        assert torch.equal(y[..., r, r : r + width], x[..., r, :])
        assert not y[..., r, :r].any() and not y[..., r, r + width :].any()
    assert torch.equal(unskew(y, width), x)


def test_skew_makes_both_neighbours_stand_in_the_column_before():
    places = torch.arange(30).view(5, 6)
    y = skew(places)
    for r, s in itertools.product(range(1, 5), range(1, 6)):
        assert y[r, r + s - 1] == places[r, s - 1] and y[r - 1, r + s - 1] == places[r - 1, s]


@pytest.mark.parametrize("width", [0, 2, 4])
def test_unskew_refuses_a_width_that_does_not_fit(width):
    with pytest.raises(ValueError, match=f"y must have {3 + width} columns for width {width}, got "):
        unskew(torch.zeros(1, 1, 4, 6), width)


# The recurrence


def paper_to_torch(weight):
    """Gates o, f, i, g of (4h, ...) in the order i, f, g, o of torch.nn.LSTM."""
    o, f, i, g = weight.chunk(4)
    return torch.cat([i, f, g, o])


def torchs_lstm(layer, direction):
    """torch.nn.LSTM with the weights with which a direction of the layer goes along a row."""
    size = layer.expand.in_channels
    part = slice(4 * size * direction, 4 * size * (direction + 1))
    lstm = nn.LSTM(2 * size, size, batch_first=True).double()
    lstm.weight_ih_l0.data = paper_to_torch(layer.input_to_state.weight[part, :, 0, 0])
    lstm.weight_hh_l0.data = paper_to_torch(layer.state_to_state.weight[part, :, 1])
    lstm.bias_ih_l0.data = paper_to_torch(layer.input_to_state.bias[part])
    lstm.bias_hh_l0.data.zero_()
    return lambda row: lstm(row.transpose(1, 2))[0].transpose(1, 2)  # (B, 2h, W) to (B, h, W)


def test_on_an_image_of_one_row_a_layer_is_torchs_lstm():
    layer = scrambled(DiagonalLayer(5, 1)).double()
    x = torch.randn(4, 10, 1, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    states = torchs_lstm(layer, 0)(x[:, :, 0])
    assert states.abs().mean() > 0.1
    torch.testing.assert_close(layer(x), layer.expand(states[:, :, None]))


def test_the_second_direction_of_a_first_row_is_torchs_lstm_from_right_to_left():
    layer = scrambled(DiagonalLayer(5, 1)).double()
    layer.input_to_state.weight.data[:20] = 0  # the first direction is silent
    layer.input_to_state.bias.data[:20] = 0
    x = torch.randn(4, 10, 2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    states = torchs_lstm(layer, 1)(x[:, :, 0].flip(-1)).flip(-1)
    assert states.abs().mean() > 0.1
    torch.testing.assert_close(layer(x)[:, :, 1], layer.expand(states[:, :, None])[:, :, 0])
    torch.testing.assert_close(layer(x)[:, :, 0], layer.expand(torch.zeros_like(states)[:, :, None])[:, :, 0])


def test_states_follow_from_the_upper_and_the_nearer_neighbour():
    """Loops over pixels with the sums of the formula, in both directions, and no skew."""
    h, height, width = 3, 4, 5
    layer = scrambled(DiagonalLayer(h, 1)).double()
    x = torch.randn(1, 2 * h, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    total = torch.zeros(h, height, width, dtype=torch.float64)
    for direction in range(2):
        part = slice(4 * h * direction, 4 * h * (direction + 1))
        W, b = layer.input_to_state.weight[part, :, 0, 0], layer.input_to_state.bias[part]
        U_upper, U_near = layer.state_to_state.weight[part].unbind(2)
        hidden, cell, nothing = {}, {}, torch.zeros(h, dtype=torch.float64)
        for r in range(height):
            columns, back = (range(width), -1) if direction == 0 else (reversed(range(width)), 1)
            for s in columns:
                upper, near = hidden.get((r - 1, s), nothing), hidden.get((r, s + back), nothing)
                gates = W @ x[0, :, r, s] + U_upper @ upper + U_near @ near + b
                new = lstm_cell(gates[:, None], cell.get((r, s + back), nothing)[:, None])
                hidden[r, s], cell[r, s] = new[0][:, 0], new[1][:, 0]
                if r + direction < height:
                    total[:, r + direction, s] += hidden[r, s]
    torch.testing.assert_close(layer(x), layer.expand(total[None]))


# Sampling


@pytest.mark.parametrize("family", [None, categorical(17), discretized_logistic_mixture()], ids=["2", "17", "mix"])
@pytest.mark.parametrize("beyond", [0, 1])
def test_incremental_conditionals_equal_the_whole_networks(family, beyond):
    """More than equal samples: every parameter of every pixel."""
    model = scrambled(DiagonalBiLSTM((2, 4, 7), 6, 3, family)).double()
    model.beyond = beyond
    k = torch.randint(model.pixels.levels, (3, 2, 4, 7), generator=torch.Generator().manual_seed(0))
    x = k.double() / (model.pixels.levels - 1)
    with torch.no_grad():
        whole, step = model.conditionals(x).level_log_probs(), model.incremental(x)
        for c, h, w in model.schedule():
            torch.testing.assert_close(step(c, h, w).level_log_probs(), whole[:, c, h, w])


def test_incremental_conditionals_of_palette_tokens():
    model = scrambled(DiagonalBiLSTM((1, 4, 7), 6, 2, palette(5)))
    x = torch.randint(5, (3, 1, 4, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, step = model.conditionals(x).logits, model.incremental(x)
        for c, h, w in model.schedule():
            torch.testing.assert_close(step(c, h, w).logits, whole[:, c, h, w], rtol=1e-4, atol=1e-4)


def test_a_row_is_run_through_once():
    """The cost of sampling: W + 1 places and one run of the second direction a row, not one a pixel."""
    model = DiagonalBiLSTM((1, 5, 6), 4, 2)
    x, runs, places = torch.zeros(2, 1, 5, 6), [], []
    with torch.no_grad():
        step = model.incremental(x)
        cache = next(cell.cell_contents for cell in step.__closure__ if hasattr(cell.cell_contents, "end_row"))
        end_row, place = cache.end_row, cache.place
        cache.end_row = lambda: (runs.append(1), end_row())
        cache.place = lambda w, features: (places.append(w), place(w, features))[1]
        for position in model.schedule():
            step(*position)
    assert len(runs) == 4 and places == [*range(7)] * 4 + [*range(6)]


# As a model


def test_a_leak_would_beat_the_entropy_and_the_model_does_not():
    """Trained for a few steps on images of known entropy, judged on new ones."""
    mesh = data.mesh((1, 4, 4))
    images = mesh.sample(2_000, torch.Generator().manual_seed(0))
    gaps = {}
    for leaks in (False, True):
        torch.manual_seed(0)
        model = DiagonalBiLSTM(mesh.shape, 6, 1)
        if leaks:
            model.layers[0].merge = lambda left, right: left + right
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        for batch in images[:1_500].split(100) * 5:
            loss = -model.log_prob(batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            gaps[leaks] = (mesh.log_prob(images[1_500:]) - model.log_prob(images[1_500:])).mean().item()
    assert gaps[False] > 0 > gaps[True] + 1


def test_layers_of_the_paper():
    model = DiagonalBiLSTM((3, 8, 8), channels=32, layers=5, distribution=categorical(256))
    assert [(m.kernel_size, m.in_channels, m.out_channels) for m in [model.input, *model.layers[0].children()]] == [
        ((7, 7), 3, 64), ((1, 1), 64, 256), ((2,), 64, 256), ((1, 1), 32, 64),
    ]  # fmt: skip
    assert len(model.layers) == 5
    assert (model.output.in_channels, model.output.out_channels) == (32, 3 * 256)
    assert model.conditionals(torch.zeros(2, 3, 8, 8)).logits.shape == (2, 3, 8, 8, 256)
    numbers = sum(p.numel() for p in model.layers[0].parameters())
    assert numbers == 64 * 256 + 256 + 2 * (32 * 128 * 2) + 32 * 64 + 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of at least 1, got 0"),
        ({"channels": 1.5}, "channels must be a whole number of at least 1, got 1.5"),
        ({"channels": 2}, "channels must be at least the image's 3, got .* 2"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiagonalBiLSTM((3, 4, 4), **arguments)
