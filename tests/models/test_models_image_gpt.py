import math

import pytest
import torch
import torch.nn.functional as F

from course_utils.distributions import palette
from course_utils.models import ImageGPT
from course_utils.models.image_gpt import Block


def test_attention_is_the_formula_and_looks_back_only():
    """A loop over places and heads against the block."""
    torch.manual_seed(0)
    block, x = Block(12, 3, 0.0), torch.randn(2, 5, 12)
    q, k, v = block.qkv(F.layer_norm(x, (12,), block.norm_1.weight, block.norm_1.bias)).chunk(3, -1)
    seen = torch.zeros(2, 5, 12)
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        for i in range(5):
            scores = torch.stack([(q[:, i, part] * k[:, j, part]).sum(-1) / 2 for j in range(i + 1)], -1)  # sqrt(4)
            weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
            seen[:, i, part] = sum(weights[:, j, None] * v[:, j, part] for j in range(i + 1))
    y = x + F.linear(seen, block.project.weight, block.project.bias)
    expected = y + block.perceptron(F.layer_norm(y, (12,), block.norm_2.weight, block.norm_2.bias))
    torch.testing.assert_close(block(x), expected)


def test_a_place_at_a_time_equals_the_whole_sequence():
    torch.manual_seed(0)
    block, x = Block(12, 3, 0.0), torch.randn(2, 6, 12)
    cache = block.cache(2, 6)
    with torch.no_grad():
        steps = torch.cat([block(x[:, i : i + 1], cache, i) for i in range(6)], 1)
        torch.testing.assert_close(steps, block(x))


def test_incremental_conditionals_equal_the_whole_networks():
    torch.manual_seed(0)
    model = ImageGPT((1, 3, 4), 16, 2, 4, palette(5))
    for parameter in model.parameters():
        parameter.data = 0.5 * torch.randn(parameter.shape)  # untrained, places hardly depend on each other
    x = torch.randint(5, (3, 1, 3, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, step = model.conditionals(x).logits, model.incremental(x)
        for c, h, w in model.order():
            torch.testing.assert_close(step(c, h, w).logits, whole[:, c, h, w], rtol=1e-4, atol=1e-4)


def test_places_are_told_apart():
    """Without positions one layer sees a bag of values: their order would not matter to the last prediction."""
    model = ImageGPT((1, 1, 4), 16, 1, 2)
    x, swapped = torch.tensor([[[[1.0, 0, 0, 0]]]]), torch.tensor([[[[0.0, 1, 0, 0]]]])
    difference = model.conditionals(x).logits[0, 0, 0, 3] - model.conditionals(swapped).logits[0, 0, 0, 3]
    assert difference.abs() > 1e-6
    model.position.data.zero_()
    last = [model.conditionals(picture).logits[0, 0, 0, 3] for picture in (x, swapped)]
    torch.testing.assert_close(*last)


def test_untrained_predictions_are_near_uniform():
    model = ImageGPT((1, 4, 4), distribution=palette(8))
    x = torch.randint(8, (16, 4, 4), generator=torch.Generator().manual_seed(0))
    assert -model.log_prob(x).mean().item() / 16 == pytest.approx(math.log(8), rel=0.3)


def test_dropout_is_for_training_only():
    torch.manual_seed(0)
    model = ImageGPT((1, 3, 3), 8, 1, 2, dropout=0.5)
    x = torch.ones(2, 1, 3, 3)
    assert not torch.equal(model.log_prob(x), model.log_prob(x))
    model.eval()
    assert torch.equal(model.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of at least 1, got 0"),
        ({"heads": 0}, "heads must be a whole number of at least 1, got 0"),
        ({"channels": 10, "heads": 4}, "channels must be a multiple of the 4 heads, got 10"),
        ({"dropout": 2}, r"dropout must be a number from 0 .*, got 2"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageGPT((1, 4, 4), **arguments)
