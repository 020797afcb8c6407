import math

import pytest
import torch

from course_utils.distributions import categorical
from course_utils.models import MADE
from course_utils.models.made import even_degrees, masks

SHAPE, ORDER = (1, 2, 4), [3, 0, 5, 7, 1, 2, 6, 4]


def scrambled(model, seed=0):
    g = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = 0.6 * torch.randn(parameter.shape, generator=g)
    return model


def paths(model):
    """Number of ways from input pixel j to output pixel i through the hidden layers, in the order of prediction."""
    product, n = torch.eye(math.prod(model.shape)), len(model.layers)
    for i in range(n):
        product = getattr(model, f"mask_{i}").float() @ product
    order = model.rank.argsort()
    return product[order][:, order]


@pytest.mark.parametrize("hidden", [(8,), (50,), (20, 30), (7, 7, 7)])
@pytest.mark.parametrize("order", [None, ORDER])
def test_paths_through_the_masks_fill_the_strictly_lower_triangle(hidden, order):
    connected = paths(MADE(SHAPE, hidden, order=order)) > 0
    assert torch.equal(connected, torch.ones(8, 8, dtype=torch.bool).tril(-1))


def test_a_narrow_hidden_layer_leaks_nothing():
    for units in range(1, 7):
        assert not (paths(MADE(SHAPE, (units, 9)))).triu().any()


def test_the_paper_s_masks_by_hand():
    # three pixels, hidden units that see one or two of them (degrees counted from 0)
    first, last = masks(torch.arange(3), [torch.tensor([0, 1])])
    assert first.tolist() == [[True, False, False], [True, True, False]]
    assert last.tolist() == [[False, False], [True, False], [True, True]]
    _, between, _ = masks(torch.arange(3), [torch.tensor([0, 1]), torch.tensor([1, 0])])
    assert between.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(("units", "size"), [(10, 4), (3, 10), (1, 5), (5, 1), (256, 784)])
def test_degrees_are_spread_evenly_below_the_last_pixel(units, size):
    degrees = even_degrees(units, size)
    assert degrees.shape == (units,) and degrees.min() == 0 and degrees.max() <= max(size - 2, 0)
    used = torch.bincount(degrees, minlength=max(size - 1, 1))
    assert used.max() - used.min() <= 1


def test_hidden_layers_alone_make_every_pixel_depend_on_all_before():
    model = scrambled(MADE(SHAPE, (40, 40), order=ORDER))
    model.direct.data.zero_()
    jacobian = torch.zeros(8, 8)
    for x in torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0)):
        jacobian += torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None]).logits, x).view(8, 8).abs()
    jacobian = jacobian[ORDER][:, ORDER]
    assert torch.equal(jacobian > 0, torch.ones(8, 8).tril(-1) > 0)


def test_equals_the_network_written_out_with_loops():
    model = scrambled(MADE(SHAPE, (11, 6), order=ORDER))
    x = torch.randint(2, SHAPE, generator=torch.Generator().manual_seed(1)).float()
    below = 2 * x.flatten() - 1
    ranks = [ORDER.index(d) for d in range(8)]
    degrees = [ranks, *(d.tolist() for d in model.degrees)]
    for layer, ins, outs in zip(model.layers, degrees, degrees[1:], strict=False):
        sums = [
            layer.bias[k] + sum(layer.weight[k, j] * below[j] for j in range(len(ins)) if ins[j] <= outs[k])
            for k in range(len(outs))
        ]
        below = torch.stack(sums).relu()
    for i in range(8):
        logit = model.layers[-1].bias[i]
        logit = logit + sum(model.layers[-1].weight[i, k] * below[k] for k in range(6) if degrees[-1][k] < ranks[i])
        logit = logit + sum(model.direct[i, j] * (2 * x.flatten()[j] - 1) for j in range(8) if ranks[j] < ranks[i])
        torch.testing.assert_close(model.conditionals(x[None]).logits.flatten()[i], logit)


def test_masks_are_never_written_into_the_weights():
    model = MADE(SHAPE, (16,), categorical(3))
    weights = [layer.weight.clone() for layer in model.layers]
    model.log_prob(torch.zeros(1, *SHAPE)).sum().backward()
    model.sample(1)
    for layer, before in zip(model.layers, weights, strict=True):
        assert torch.equal(layer.weight, before) and (layer.weight != 0).all()
    hidden_from = model.mask_0.repeat_interleave(model.pixels.n_features, 1) == 0
    assert (model.layers[0].weight.grad[hidden_from] == 0).all()


def test_masks_travel_with_the_model():
    model, other = scrambled(MADE(SHAPE, (16,), order=ORDER)), MADE(SHAPE, (16,))
    other.load_state_dict(model.state_dict())
    x = torch.ones(1, *SHAPE)
    assert torch.equal(other.log_prob(x), model.log_prob(x)) and other.order() == model.order()
    assert torch.equal(other.sample(2, generator=torch.Generator().manual_seed(0)),
                       model.sample(2, generator=torch.Generator().manual_seed(0)))  # fmt: skip


@pytest.mark.parametrize("hidden", [(), (0,), (8, -1), (8.0,)])
def test_bad_hidden_layers_are_refused(hidden):
    with pytest.raises(ValueError, match="^hidden must be a tuple of whole numbers above 0, got "):
        MADE(SHAPE, hidden)
