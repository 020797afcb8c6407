import itertools

import pytest
import torch

from course_utils.models.fields import Block, UNet, make_field, time_features

FIELDS = {  # shape, hidden, channels
    "points": ((2,), (16, 16), ()),
    "linear": ((1, 3, 2), (), ()),
    "dense": ((2, 4, 3), (16,), ()),
    "U-Net": ((1, 8, 8), (), (8, 16)),
    "U-Net with dense layers": ((1, 6, 6), (12,), (8, 8)),
    "U-Net of odd sides": ((3, 5, 7), (), (4, 6, 8)),
    "one size": ((1, 4, 4), (), (6,)),
}
each_field = pytest.mark.parametrize("name", FIELDS)


def scrambled(name, seed=0):
    """The field with all parameters moved: the last layer starts at zero, and nothing would be seen."""
    torch.manual_seed(seed)
    field = make_field(*FIELDS[name])
    for parameter in field.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return field


def inputs(name, n=5):
    g = torch.Generator().manual_seed(1)
    return torch.randn(n, *FIELDS[name][0], generator=g), torch.rand(n, generator=g)


@each_field
def test_the_answer_has_the_shape_of_the_picture_and_starts_at_zero(name):
    x, t = inputs(name)
    field = make_field(*FIELDS[name])
    assert field(x, t).shape == x.shape
    assert not field(x, t).any()
    assert scrambled(name)(x, t).abs().min() > 0


@each_field
def test_each_picture_is_answered_by_itself(name):
    (x, t), field = inputs(name), scrambled(name)
    alone = torch.cat([field(x[i : i + 1], t[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(field(x, t), alone, rtol=1e-4, atol=1e-5)


@each_field
def test_time_and_every_value_are_seen_and_every_parameter_learns(name):
    (x, t), field = inputs(name, 1), scrambled(name)
    jacobian = torch.autograd.functional.jacobian(lambda x: field(x, t)[0], x)  # (*shape, 1, *shape)
    dims = len(FIELDS[name][0])
    assert (jacobian.abs().amax(tuple(range(dims))) > 0).all()
    # Convolutions alone do not reach from every pixel to every other, so a far one may be out of sight
    assert (jacobian.abs().amax(tuple(range(dims, 2 * dims + 1))) > 0).all()
    assert (field(x, t) - field(x, t + 0.01)).abs().max() > 1e-4
    field(x, t).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in field.parameters())
    for layer in field.modules():  # each map of a block is scaled and shifted by time: no row of these weights is dead
        if isinstance(layer, Block):
            assert (layer.time.weight.grad != 0).any(1).all() and (layer.time.bias.grad != 0).all()


@pytest.mark.parametrize("hidden", [(), (12,), (12, 5)])
def test_dense_layers_stand_at_the_bottom_of_a_unet_if_they_have_units(hidden):
    field = make_field((1, 6, 6), hidden, (8, 4))
    linear = [layer for layer in field.dense or () if isinstance(layer, torch.nn.Linear)]
    size = 4 * 3 * 3  # the last maps, at half the sides
    assert (field.dense is None) == (hidden == ())
    sizes = [size, *hidden, size] if hidden else []
    assert [(layer.in_features, layer.out_features) for layer in linear] == list(itertools.pairwise(sizes))


def test_scales_and_shifts_of_a_block_start_from_the_norm_itself():
    torch.manual_seed(0)
    block = Block(4, 6)
    x, time = torch.randn(2, 4, 3, 3), torch.randn(2, 6)
    normal = block.norm(block.first(x))
    for part, change in (("scale", lambda h: h * 1.5), ("shift", lambda h: h + 0.5)):
        block.time.weight.data.zero_()
        block.time.bias.data.zero_()
        torch.testing.assert_close(block(x, time), x + block.second(normal))
        block.time.bias.data[slice(0, 4) if part == "scale" else slice(4, 8)] = 0.5
        torch.testing.assert_close(block(x, time), x + block.second(change(normal)))


def test_waves_of_time_tell_near_times_apart():
    t = torch.linspace(0, 1, 251, dtype=torch.float64)  # the steps of a diffusion
    features = time_features(t)
    assert features.shape == (251, 14)
    assert torch.cdist(features, features)[~torch.eye(251, dtype=torch.bool)].min() > 0.1
    torch.testing.assert_close(features[:, :7] ** 2 + features[:, 7:] ** 2, torch.ones(251, 7, dtype=torch.float64))


def test_a_unet_sees_more_than_its_convolutions_reach_at_full_size():
    field = scrambled("U-Net")
    assert isinstance(field, UNet)
    x, t = torch.randn(1, 1, 8, 8), torch.rand(1)
    seen = torch.autograd.functional.jacobian(lambda x: field(x, t)[0, 0, 0, 0], x)[0, 0]
    assert (seen != 0).all()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (((0, 2, 2),), "shape"),
        (((2,), (8,), (4,)), "shape"),  # convolutions need a picture
        (((1, 4, 4), (0,)), "hidden"),
        (((1, 4, 4), (), (4, -1)), "channels"),
    ],
)
def test_bad_sizes_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        make_field(*arguments)
