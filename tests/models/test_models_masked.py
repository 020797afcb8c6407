import itertools

import pytest
import torch
import torch.nn.functional as F

from course_utils.models.masked import IncrementalConv, MaskedConv2d, PointwiseConv, causal_mask, wavefront


def allowed_by_definition(kind, o, i, row, column, outputs, inputs, kernel, groups):
    """May output o look at input i at this tap? Compare (row, column, image channel) in raster order."""
    centre = kernel // 2
    if (row, column) != (centre, centre):
        return (row, column) < (centre, centre)
    group_out, group_in = o * groups // outputs, i * groups // inputs
    return group_in < group_out if kind == "A" else group_in <= group_out


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "groups"), [(1, 4, 7, 1), (3, 6, 3, 3), (12, 8, 5, 3), (8, 3, 1, 3), (6, 6, 3, 2)]
)
def test_mask_is_the_raster_order(kind, inputs, outputs, kernel, groups):
    mask = causal_mask(kind, inputs, outputs, kernel, groups)
    assert mask.shape == (outputs, inputs, kernel, kernel)
    for o, i, row, column in itertools.product(range(outputs), range(inputs), range(kernel), range(kernel)):
        expected = allowed_by_definition(kind, o, i, row, column, outputs, inputs, kernel, groups)
        assert mask[o, i, row, column] == expected


def test_masks_of_one_channel_as_printed_in_the_paper():
    assert causal_mask("A", 1, 1, 3)[0, 0].tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert causal_mask("B", 1, 1, 3)[0, 0].tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]


def test_every_image_channel_gets_its_share_of_features():
    for features in (3, 4, 5, 32, 64):
        at_centre = causal_mask("B", 3, features, 1, 3)[:, :, 0, 0]
        seen = at_centre.sum(1)  # 1 for R features, 2 for G, 3 for B
        assert seen.tolist() == sorted(seen.tolist()) and set(seen.tolist()) == {1, 2, 3}


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(4, 6), (1, 1), (5, 2)])
def test_forward_equals_an_ordinary_convolution_with_the_masked_weight(kind, kernel, size):
    conv = MaskedConv2d(kind, 4, 6, kernel, 2)
    x = torch.randn(3, 4, *size, generator=torch.Generator().manual_seed(0))
    expected = F.conv2d(x, conv.weight * conv.mask, conv.bias, padding=kernel // 2)
    torch.testing.assert_close(conv(x), expected)


def test_masked_weights_get_no_gradient():
    conv = MaskedConv2d("A", 2, 4, 3, 2)
    conv(torch.randn(1, 2, 5, 5)).square().sum().backward()
    assert torch.equal(conv.weight.grad != 0, conv.mask > 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("C", 1, 1, 3), "mask must be 'A' or 'B', got 'C'"),
        (("A", 1, 1, 4), "kernel_size must be odd, .* got 4"),
        (("A", 2, 6, 3, 3), "channels must be at least the image's 3, got 2 and 6"),
        (("B", 6, 2, 3, 3), "channels must be at least the image's 3, got 6 and 2"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaskedConv2d(*arguments)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("size", [(4, 6), (1, 5), (5, 1), (2, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_incremental_convolution_equals_the_whole_one(kind, kernel, size, groups):
    height, width = size
    conv = MaskedConv2d(kind, 4, 6, kernel, groups)
    x = torch.randn(3, 4, height, width, generator=torch.Generator().manual_seed(0))
    whole, step = conv(x), IncrementalConv.of(conv, 3, height, width)
    for _, h, w in wavefront((1, height, width), reach=kernel // 2):
        step.write(h, w, x[:, :, h, w].permute(1, 2, 0).flatten(1))  # (in, n * B)
        seen = step.read(h, w).view(6, len(h), 3).permute(2, 0, 1)  # (B, out, n)
        torch.testing.assert_close(seen, whole[:, :, h, w])


@torch.no_grad()
def test_pointwise_convolution_equals_the_whole_one():
    conv = MaskedConv2d("B", 4, 6, 1, 2)
    x = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(PointwiseConv(conv)(x), conv(x[None, :, :, None])[0, :, :, 0])


SHAPES = [(1, 1, 1), (1, 28, 28), (3, 4, 5), (2, 6, 1), (1, 1, 9), (1, 9, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_wavefront_visits_every_pixel_once_and_needs_few_steps(shape, reach):
    channels, height, width = shape
    groups = wavefront(shape, reach)
    visited = [(c, i, j) for c, h, w in groups for i, j in zip(h.tolist(), w.tolist(), strict=True)]
    assert sorted(visited) == list(itertools.product(*map(range, shape)))
    assert all(len(h) for _, h, _ in groups)
    assert len(groups) <= channels * min(width + (reach + 1) * (height - 1), width * height)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_wavefront_draws_what_a_pixel_sees_before_the_pixel(shape, reach):
    when = {}
    for time, (c, h, w) in enumerate(wavefront(shape, reach)):
        when |= {(c, i, j): time for i, j in zip(h.tolist(), w.tolist(), strict=True)}
    channels, height, width = shape
    for (c, i, j), time in when.items():
        needed = [(b, i, j) for b in range(c)]
        needed += [(b, i, j - 1) for b in range(channels) if j]
        needed += [(b, i - 1, min(j + reach, width - 1)) for b in range(channels) if i]
        assert all(when[earlier] < time for earlier in needed)
