import math

import pytest
import torch
from torch import nn

from course_utils.models.coders import make_decoder, make_encoder, need_codes

SHAPES = [(1, 8, 8), (3, 7, 5), (2, 1, 3), (1, 28, 28)]


@pytest.mark.parametrize("channels", [(), (4,), (4, 6, 5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_coders_take_pictures_to_codes_and_codes_to_pictures(shape, channels):
    encoder = make_encoder(shape, 2, 7, (9,), channels)
    decoder = make_decoder(3, shape, 5, (9,), channels)
    assert encoder(torch.randn(4, *shape, 2)).shape == (4, 7)
    assert decoder(torch.randn(4, 3)).shape == (4, *shape, 5)


def test_dense_coders_are_linear_layers_from_all_values_and_to_all_values():
    encoder, decoder = make_encoder((2, 3), 2, 4, (5, 6)), make_decoder(4, (2, 3), 7, (5, 6))
    widths = [[tuple(p.shape) for p in part.parameters() if p.ndim == 2] for part in (encoder, decoder)]
    assert widths == [[(5, 12), (6, 5), (4, 6)], [(6, 4), (5, 6), (42, 5)]]


def test_without_hidden_layers_and_convolutions_a_coder_is_one_linear_map():
    x, z = torch.randn(4, 1, 2, 3, 1), torch.randn(4, 2)
    encoder, decoder = make_encoder((1, 2, 3), 1, 2, ()), make_decoder(2, (1, 2, 3), 1, ())
    (linear,) = [m for m in encoder if isinstance(m, nn.Linear)]
    torch.testing.assert_close(encoder(x), x.flatten(1) @ linear.weight.T + linear.bias)
    (linear,) = [m for m in decoder if isinstance(m, nn.Linear)]
    torch.testing.assert_close(decoder(z), (z @ linear.weight.T + linear.bias).view(4, 1, 2, 3, 1))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_convolution_halves_the_sides_and_its_mirror_image_doubles_them(shape):
    encoder, decoder = make_encoder(shape, 1, 2, (), (4, 6)), make_decoder(2, shape, 1, (), (4, 6))
    sides, seen = shape[1:], []
    for module in encoder:
        module.register_forward_hook(lambda m, _, out: seen.append((m, tuple(out.shape[1:]))))
    encoder(torch.randn(1, *shape, 1))
    halved = [size for m, size in seen if isinstance(m, nn.Conv2d)]
    expected = []
    for maps in (4, 6):
        sides = tuple(math.ceil(side / 2) for side in sides)
        expected.append((maps, *sides))
    assert halved == expected
    back = []
    for module in decoder:
        module.register_forward_hook(lambda m, _, out: back.append((m, tuple(out.shape[1:]))))
    decoder(torch.randn(1, 2))
    grown = [size for m, size in back if isinstance(m, nn.Conv2d | nn.Unflatten)]
    assert grown == [expected[1], expected[0], shape]


def test_a_convolution_shares_weights_over_places():
    """A picture moved by a whole stride is the same feature map moved by one; dense layers know nothing of the kind."""
    torch.manual_seed(0)
    encoder = make_encoder((1, 16, 16), 1, 2, (), (5,))
    maps = nn.Sequential(*[m for m in encoder if not isinstance(m, nn.Flatten | nn.Linear)])
    x = torch.zeros(1, 1, 16, 16, 1)
    x[:, :, 6:9, 5:9] = torch.randn(3, 4, 1)
    moved = x.roll((2, 4), (2, 3))
    torch.testing.assert_close(maps(moved), maps(x).roll((1, 2), (2, 3)))
    assert maps(x).std() > 0.01


@pytest.mark.parametrize("channels", [(4,), (4, 6)])
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_every_layer_but_the_last_bends(hidden, channels):
    """What remains if each SiLU is left out is linear but for its offset: f(2x) - f(0) = 2 (f(x) - f(0))."""
    torch.manual_seed(0)
    encoder, decoder = make_encoder((1, 8, 8), 1, 2, hidden, channels), make_decoder(3, (1, 8, 8), 1, hidden, channels)
    for network, x in ((encoder, torch.randn(3, 1, 8, 8, 1)), (decoder, torch.randn(3, 3))):
        twice, once = network(2 * x) - network(0 * x), network(x) - network(0 * x)
        assert (twice - 2 * once).abs().max() > 1e-3
        layers = list(network)
        bends = sum(isinstance(m, nn.SiLU) for m in layers)
        assert bends == sum(isinstance(m, nn.Conv2d | nn.Linear) for m in layers) - 1
        assert not isinstance(layers[-1], nn.SiLU)


def test_decoders_give_parameters_of_a_channel_together():
    """(B, C * P, H, W) to (B, C, H, W, P): channel c's P numbers are the convolution's maps c * P ... c * P + P - 1."""
    torch.manual_seed(0)
    decoder = make_decoder(2, (3, 4, 4), 5, (), (6,))
    z = torch.randn(2, 2)
    maps = decoder[:-1](z)  # (2, 15, 4, 4)
    params = decoder(z)
    for c in range(3):
        for p in range(5):
            torch.testing.assert_close(params[:, c, :, :, p], maps[:, 5 * c + p])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_encoder((8,), 1, 2, (), (4,)), r"shape must be \(channels, height, width\) for convolutions"),
        (lambda: make_decoder(2, (8, 8), 1, (), (4,)), r"shape must be \(channels, height, width\) for convolutions"),
        (lambda: make_encoder((1, 8, 8), 1, 2, (), (0,)), "channels must be a tuple of whole numbers above 0"),
        (lambda: make_encoder((1, 8, 8), 1, 2, 16), "hidden must be a tuple of whole numbers above 0"),
        (lambda: make_encoder((1, 0, 8), 1, 2, ()), "shape must be a tuple of whole numbers above 0"),
        (lambda: need_codes(torch.zeros(2, 3), 4), r"z must be a float tensor of shape \(\.\.\., 4\), got .*\(2, 3\)"),
        (lambda: need_codes(torch.zeros(2, 4, dtype=torch.int64), 4), "z must be a float tensor"),
        (lambda: need_codes([0.0, 0.0], 2), "z must be a float tensor"),
        (lambda: need_codes(torch.tensor(1.0), 1), "z must be a float tensor"),
    ],
)
def test_bad_sizes_and_codes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
