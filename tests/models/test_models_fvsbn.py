import itertools

import pytest
import torch

from course_utils.distributions import categorical
from course_utils.models import FVSBN, MADE

ORDER = [2, 0, 3, 5, 1, 4]  # not its own inverse


def scrambled(model, seed=0):
    g = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=g)
    return model


def test_each_conditional_is_a_logistic_regression_on_the_pixels_before():
    model = scrambled(FVSBN((1, 2, 3), order=torch.tensor(ORDER)))
    x = torch.randint(2, (4, 1, 2, 3), generator=torch.Generator().manual_seed(0)).float()
    pixel = 2 * x.flatten(1) - 1
    for i, d in enumerate(ORDER):
        logit = model.bias[d] + sum(model.weight[d, e] * pixel[:, e] for e in ORDER[:i])
        torch.testing.assert_close(model.conditionals(x).logits.flatten(1)[:, d], logit.expand(4))


@pytest.mark.parametrize("make", [FVSBN, lambda shape, order: MADE(shape, order=order)], ids=["FVSBN", "MADE"])
@pytest.mark.parametrize("order", [ORDER, [5, 4, 3, 2, 1, 0]])
def test_order_lists_pixels_as_they_are_predicted(make, order):
    model = scrambled(make((1, 2, 3), order=torch.tensor(order)))
    assert [3 * h + w for _, h, w in model.order()] == order
    x = torch.eye(6).view(6, 1, 2, 3)  # one bright pixel each
    logits = model.conditionals(x).logits.flatten(1)
    assert logits[:, order[0]].std() < 1e-6  # the first sees nothing
    assert len(logits[:, order[-1]].unique()) == 6 and logits[order[-1], order[-1]] != logits[order[-2], order[-1]]
    assert torch.equal(make((1, 2, 3), order=order).rank, model.rank)  # a list will do


@pytest.mark.parametrize("make", [FVSBN, lambda shape, order=None: MADE(shape, order=order)], ids=["FVSBN", "MADE"])
def test_default_order_is_row_by_row_and_channels_innermost(make):
    raster = [(c, h, w) for h, w, c in itertools.product(range(2), range(3), range(2))]
    assert make((2, 2, 3)).order() == raster


@pytest.mark.parametrize("make", [FVSBN, lambda shape, order: MADE(shape, order=order)], ids=["FVSBN", "MADE"])
@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4], [[0, 1], [2, 3]], [0, 1, 2, 3, 4]])
def test_what_is_no_permutation_is_refused(make, order):
    with pytest.raises(ValueError, match=r"^order must be a permutation of 0 \.\.\. 3, got ") as refused:
        make((1, 2, 2), order=torch.tensor(order))
    assert str(order) in str(refused.value)


def test_one_hot_codes_give_each_level_its_own_weight():
    model = scrambled(FVSBN((1, 1, 2), categorical(4)))
    assert model.weight.shape == (2 * 4, 2 * 5)
    x = torch.tensor([0, 1 / 3, 2 / 3, 1]).view(4, 1, 1, 1).expand(4, 1, 1, 2)
    steps = model.conditionals(x).logits[:, 0, 0, 1].diff(dim=0)
    assert (steps.diff(dim=0).abs() > 0.1).any()  # not linear in the level


def test_an_untrained_model_is_a_fair_coin_and_one_step_improves_it():
    model = FVSBN((1, 3, 3))
    x = torch.ones(2, 1, 3, 3)
    before = model.log_prob(x).mean()
    assert before.item() == pytest.approx(-9 * 0.693147, abs=1e-4)
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * parameter.grad
    assert model.log_prob(x).mean() > before
    assert (model.weight.grad != 0).sum() == 36  # only the strict lower triangle learns
