"""Properties that every autoregressive model must have. A new one joins by a line in MODELS."""

import dataclasses
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.distributions import (
    Bernoulli,
    bernoulli,
    categorical,
    discretized_logistic_mixture,
    gaussian,
    palette,
)
from course_utils.models import (
    FVSBN,
    MADE,
    AutoregressiveModel,
    DensityModel,
    DiagonalBiLSTM,
    GatedPixelCNN,
    ImageGPT,
    PixelCNN,
    RowLSTM,
)
from course_utils.models.base import evaluating, join_features, split_params

MODELS = {
    "FVSBN": FVSBN,
    "FVSBN, permuted": lambda shape, distribution=None: FVSBN(shape, distribution, order=permutation(shape)),
    "MADE": lambda shape, distribution=None: MADE(shape, (40,), distribution),
    "MADE, deep": lambda shape, distribution=None: MADE(shape, (24, 33), distribution),
    "MADE, permuted": lambda shape, distribution=None: MADE(shape, (40, 30), distribution, permutation(shape)),
    "PixelCNN": lambda shape, distribution=None: PixelCNN(shape, 12, 2, distribution),
    "RowLSTM": lambda shape, distribution=None: RowLSTM(shape, 12, 2, distribution),
    "DiagonalBiLSTM": lambda shape, distribution=None: DiagonalBiLSTM(shape, 16, 2, distribution),
    "ImageGPT": lambda shape, distribution=None: ImageGPT(shape, 16, 2, 2, distribution),
    "GatedPixelCNN": lambda shape, distribution=None: GatedPixelCNN(shape, 15, 3, distribution),
}
MIXTURE = discretized_logistic_mixture(5, 2)
FAMILIES = {
    "bernoulli": bernoulli(),
    "categorical": categorical(3),
    "categorical without one-hot codes": categorical(4, one_hot=False),
    "mixture": MIXTURE,
    "wide mixture": discretized_logistic_mixture(256, 2),
    "palette": palette(4),
}
COLOUR_FAMILIES = {name: family for name, family in FAMILIES.items() if not family.tokens}  # of several channels
# A pixel depends on all pixels before it, but for these models, whose view grows with their depth: what each of them
# sees is asserted place by place in its own file.
SEE_A_PART = {"PixelCNN", "GatedPixelCNN", "RowLSTM"}
each_model = pytest.mark.parametrize("name", MODELS)
each_family = pytest.mark.parametrize("family", COLOUR_FAMILIES.values(), ids=COLOUR_FAMILIES.keys())


def permutation(shape):
    """A permutation that is not its own inverse, where there is one."""
    return torch.randperm(math.prod(shape), generator=torch.Generator().manual_seed(4))


def scrambled(name, shape, distribution=None, seed=0):
    """The model with all parameters random, biases included, and large enough to make pixels depend on each other."""
    model = MODELS[name](shape, distribution)
    g = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        size = 0.5 if parameter.ndim == 1 else min(1.0, 1.4 / parameter[0].numel() ** 0.5)
        parameter.data = size * torch.randn(parameter.shape, generator=g)
    return model


def all_images(shape, levels=2):
    values = [k / (levels - 1) for k in range(levels)]
    return torch.tensor(list(itertools.product(values, repeat=math.prod(shape)))).view(-1, *shape)


def random_images(model, n, seed=0):
    k = torch.randint(model.pixels.levels, (n, *model.shape), generator=torch.Generator().manual_seed(seed))
    return k / (model.pixels.levels - 1)


def flat_order(model):
    channels, height, width = model.shape
    return [(c * height + h) * width + w for c, h, w in model.order()]


def parameters_of_conditionals(model):
    """x to the raw numbers (B, D, P) that describe each pixel."""
    model.pixels = dataclasses.replace(model.pixels, make=lambda params: params)
    return lambda x: model.conditionals(x).flatten(1, 3)


def index_of(images, levels):
    """The row of each image in ``all_images``."""
    digits = (images.flatten(1) * (levels - 1)).round().long()
    return (digits * levels ** torch.arange(digits.shape[1] - 1, -1, -1)).sum(1)


def assert_frequencies(drawn, p):
    """``drawn`` indices have probabilities ``p``: each within 4.5 standard errors, what is impossible never."""
    frequency = torch.bincount(drawn, minlength=len(p)).double() / len(drawn)
    p = p.detach().double()
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    assert (frequency[p < 1e-12] == 0).all()
    assert ((frequency - p).abs() <= 4.5 * (p * (1 - p) / len(drawn)).sqrt() + 1 / len(drawn)).all()


# The density


@each_model
@pytest.mark.parametrize(
    ("shape", "family"),
    [
        ((1, 3, 3), bernoulli()),  # all 512
        ((2, 2, 2), bernoulli()),
        ((3, 1, 3), bernoulli()),
        ((1, 4, 2), bernoulli()),
        ((1, 2, 2), categorical(3)),
        ((2, 1, 2), categorical(3)),
        ((3, 1, 1), categorical(5, one_hot=False)),
        ((1, 2, 2), discretized_logistic_mixture(4, 2)),
        ((1, 1, 1), categorical(7)),
    ],
)
def test_probabilities_of_all_images_sum_to_one(name, shape, family):
    model = scrambled(name, shape, family)
    log_p = model.log_prob(all_images(shape, family.levels))
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert log_p.std() > 0.1 or math.prod(shape) == 1  # not the uniform distribution, for which nothing is shown


@each_model
@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 2, 4), (3, 2, 2), (2, 3, 1), (1, 1, 4)])
def test_jacobian_is_the_full_strictly_lower_triangle_in_the_models_order(name, shape):
    model = scrambled(name, shape)
    params = parameters_of_conditionals(model)
    jacobian = torch.zeros(math.prod(shape), math.prod(shape))
    for x in random_images(model, 12):  # several, because a ReLU may be off
        each = torch.autograd.functional.jacobian(params, x[None])  # (1, D, P, 1, C, H, W)
        jacobian += each.flatten(4).abs().sum((0, 2, 3))
    order = flat_order(model)
    dependent = jacobian[order][:, order] > 0
    assert torch.equal(dependent, torch.ones_like(dependent).tril(-1))


@each_model
def test_on_a_larger_image_a_pixel_sees_all_pixels_before_it_or_a_part_by_design(name):
    model = scrambled(name, (1, 6, 9)).double()
    params, order = parameters_of_conditionals(model), flat_order(model)
    jacobian = sum(torch.autograd.functional.jacobian(params, x[None].double()) for x in random_images(model, 3))
    dependent = jacobian.flatten(4).abs().sum((0, 2, 3))[order][:, order] > 0
    before = torch.ones_like(dependent).tril(-1)
    assert not (dependent & ~before).any()
    assert dependent.diagonal(-1).view(-1)[torch.arange(53) % 9 != 8].all()  # at least the left neighbour
    assert torch.equal(dependent, before) == (name not in SEE_A_PART)


@each_model
@each_family
def test_changing_a_pixel_changes_the_conditionals_of_later_pixels_only(name, family):
    """As above for what a derivative does not see: one-hot codes."""
    shape = (2, 2, 3)
    model = scrambled(name, shape, family).double()
    params, levels, order = parameters_of_conditionals(model), family.levels, flat_order(model)
    changed = torch.zeros(12, 12, dtype=torch.bool)
    for x in random_images(model, 6).double():
        others = x.flatten().repeat(12, 1)
        others.diagonal().copy_((x.flatten() * (levels - 1) + 1).round() % levels / (levels - 1))
        with torch.no_grad():
            differs = (params(x[None]) - params(others.view(12, *shape))).abs().amax(-1) > 1e-10
        changed |= differs.T  # [i, j]: pixel i noticed that pixel j changed
    changed = changed[order][:, order]
    assert not changed.triu().any()
    assert changed.tril(-1).sum() == 66


@each_model
@each_family
def test_log_prob_is_the_chain_rule_pixel_by_pixel(name, family):
    model = scrambled(name, (2, 2, 3), family)
    x = random_images(model, 5)
    total, seen = torch.zeros(5), torch.zeros_like(x)
    for c, h, w in model.order():
        total = total + model.conditionals(seen)[:, c, h, w].log_prob(x[:, c, h, w])  # has not seen this pixel
        seen[:, c, h, w] = x[:, c, h, w]
    assert model.log_prob(x).shape == (5,)
    torch.testing.assert_close(model.log_prob(x), total, rtol=1e-5, atol=1e-4)
    assert torch.equal(model(x), model.log_prob(x))  # forward


@each_model
def test_log_prob_is_a_sum_over_pixels_for_each_image(name):
    for shape in ((1, 3, 4), (1, 6, 4), (3, 6, 4)):  # all parameters 0: each pixel is a fair coin
        model = MODELS[name](shape)
        for parameter in model.parameters():
            parameter.data.zero_()
        expected = torch.full((2,), -math.prod(shape) * math.log(2))
        torch.testing.assert_close(model.log_prob(random_images(model, 2)), expected)


@each_model
def test_each_image_has_its_own_log_prob(name):
    model = scrambled(name, (1, 3, 4))
    x = random_images(model, 6)
    one_by_one = torch.cat([model.log_prob(image[None]) for image in x])
    torch.testing.assert_close(model.log_prob(x), one_by_one)
    assert model.log_prob(x[:0]).shape == (0,)


@each_model
@pytest.mark.parametrize("family", [bernoulli(), categorical(3), MIXTURE], ids=lambda f: f.name)
def test_gradients_agree_with_finite_differences(name, family):
    model = scrambled(name, (2, 2, 2), family).double()
    x = random_images(model, 3).double()
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(model.log_prob(x).sum(), parameters)
    step = 1e-6
    for seed in range(3):  # along random directions
        g = torch.Generator().manual_seed(seed)
        direction = [torch.randn(p.shape, generator=g, dtype=p.dtype) for p in parameters]
        slope = sum((a * b).sum() for a, b in zip(gradients, direction, strict=True)).item()
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, d in zip(parameters, direction, strict=True):
                    p += sign * step * d
                values.append(model.log_prob(x).sum().item())
                for p, d in zip(parameters, direction, strict=True):
                    p -= sign * step * d
        assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-5)


@each_model
@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        (lambda x: x.long(), "torch.int64"),
        (lambda x: x[0], r"\(1, 2, 3\)"),
        (lambda x: x[:, :, :, :2], r"\(2, 1, 2, 2\)"),
        (lambda x: x * 255, "to 255"),
        (lambda x: x - 2, "from -1"),
        (lambda x: x * math.nan, "nan"),
    ],
)
def test_log_prob_and_complete_refuse_what_is_no_image(name, spoil, got):
    model = MODELS[name]((1, 2, 3))
    x = spoil(torch.ones(2, 1, 2, 3))
    with pytest.raises(ValueError, match=f"^x must .*{got}"):
        model.log_prob(x)
    with pytest.raises(ValueError, match=f"^x must .*{got}"):
        model.complete(x, torch.ones(x.shape, dtype=torch.bool))


# Sampling


@each_model
@each_family
@pytest.mark.parametrize("shape", [(1, 5, 3), (2, 2, 6), (3, 3, 2), (1, 1, 1), (3, 1, 1), (1, 1, 6), (1, 6, 1)])
def test_cached_sampling_equals_the_reference_in_every_pixel(name, family, shape):
    model = scrambled(name, shape, family)
    torch.manual_seed(3)
    cached = model.sample(4)
    torch.manual_seed(3)
    naive = model.sample(4, cached=False)
    assert cached.shape == (4, *shape) and cached.dtype == torch.float32
    assert torch.equal(cached, naive)
    family.check(cached, shape)


@each_model
def test_real_values_are_sampled_alike_with_and_without_the_cache(name):
    model = scrambled(name, (1, 2, 3), gaussian())
    for parameter in model.parameters():
        parameter.data *= 0.3  # nothing bounds real values: a wild model escapes to infinity
    cached, naive = (model.sample(3, cached=way, generator=torch.Generator().manual_seed(0)) for way in (True, False))
    torch.testing.assert_close(cached, naive, rtol=1e-3, atol=1e-4)
    assert model.log_prob(cached).isfinite().all() and len(cached.unique()) == 18


@each_model
@pytest.mark.parametrize(
    ("shape", "family"),
    [((1, 2, 2), bernoulli()), ((1, 2, 2), categorical(3)), ((3, 1, 1), discretized_logistic_mixture(4, 2))],
    ids=["bernoulli", "categorical", "mixture"],
)
def test_sample_has_the_frequencies_of_log_prob(name, shape, family):
    model = scrambled(name, shape, family)
    x = model.sample(20_000, generator=torch.Generator().manual_seed(0))
    assert_frequencies(index_of(x, family.levels), model.log_prob(all_images(shape, family.levels)).exp())


@each_model
def test_a_generator_repeats_samples_and_leaves_the_global_one_alone(name):
    model = scrambled(name, (1, 4, 4))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b, c = (model.sample(5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)


@each_model
def test_samples_can_be_fed_back_into_training(name):
    model = scrambled(name, (1, 3, 3))
    x = model.sample(3)
    assert not x.requires_grad
    model.log_prob(x).sum().backward()  # an inference tensor would raise
    assert any(p.grad.abs().sum() > 0 for p in model.parameters())


@each_model
def test_sampling_is_the_same_under_autocast(name):
    model = scrambled(name, (1, 4, 3), categorical(3))
    plain = model.sample(4, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.sample(4, generator=torch.Generator().manual_seed(0)), plain)
        log_p = model.log_prob(plain)
    assert log_p.dtype == torch.float32
    torch.testing.assert_close(log_p, model.log_prob(plain), rtol=0.05, atol=0.2)


@each_model
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_models_of_other_precision_sample_values_that_they_accept(name, dtype):
    for family in (bernoulli(), categorical(5)):
        model = scrambled(name, (2, 3, 2), family).to(dtype)
        x = model.sample(3)
        assert x.dtype == dtype and model.log_prob(x).isfinite().all()


def test_half_precision_does_not_round_uniforms_up_to_one():
    model = FVSBN((1, 4, 4)).bfloat16()
    model.bias.data.fill_(-20)  # p(1) = 2e-9, while one uniform in 500 is rounded to 1 in bfloat16
    assert model.sample(2_000, generator=torch.Generator().manual_seed(0)).sum() == 0


@each_model
@pytest.mark.parametrize("n", [0, -1, 2.0, None])
def test_sample_refuses_bad_counts(name, n):
    with pytest.raises(ValueError, match=f"n must be a whole number of at least 1, got {n}"):
        MODELS[name]((1, 2, 2)).sample(n)


# Palette tokens


def all_tokens(height, width, colours):
    return torch.tensor(list(itertools.product(range(colours), repeat=height * width))).view(-1, height, width)


@each_model
def test_probabilities_of_all_token_images_sum_to_one(name):
    model = scrambled(name, (1, 2, 3), palette(3))
    log_p = model.log_prob(all_tokens(2, 3, 3))
    assert log_p.shape == (729,) and log_p.dtype == torch.float32
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert log_p.std() > 0.1


@each_model
def test_tokens_are_the_same_model_as_levels_that_enter_one_hot_only(name):
    """Token k is level k of a categorical family whose first feature, the level's value, has no weight."""
    tokens = torch.randint(4, (5, 3, 4), generator=torch.Generator().manual_seed(0))
    model = scrambled(name, (1, 3, 4), palette(4)).double()
    values = scrambled(name, (1, 3, 4), palette(4)).double()
    values.pixels = dataclasses.replace(categorical(4), tokens=False)
    values.encode = lambda x: categorical(4).encode(x)[..., 1:]
    torch.testing.assert_close(model.log_prob(tokens), values.log_prob(tokens[:, None].double() / 3))


@each_model
@pytest.mark.parametrize("size", [(5, 3), (1, 1), (2, 7)])
def test_cached_sampling_of_tokens_equals_the_reference(name, size):
    model = scrambled(name, (1, *size), palette(5))
    cached, naive = (model.sample(4, cached=way, generator=torch.Generator().manual_seed(0)) for way in (True, False))
    assert cached.shape == (4, *size) and cached.dtype == torch.int64
    assert torch.equal(cached, naive)
    assert (len(cached.unique()) > 1 or size == (1, 1)) and 0 <= cached.min() and cached.max() < 5


@each_model
def test_tokens_are_completed_and_counted(name):
    model = scrambled(name, (1, 2, 2), palette(3))
    x, known = torch.tensor([[2, 1], [0, 0]]), torch.tensor([[True, True], [False, False]])
    if flat_order(model)[0] > 1 or flat_order(model)[1] > 1:  # the given pixels must come first to be exact
        known = torch.zeros(4, dtype=torch.bool)
        known[flat_order(model)[:2]] = True
        known = known.view(2, 2)
    drawn = model.complete(x.repeat(8_000, 1, 1), known, generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64 and torch.equal(drawn[:, known], x[known].expand(8_000, 2))
    pictures, log_p = model.completions(x, known)
    assert pictures.dtype == torch.int64 and torch.equal(pictures[:, known], x[known].expand(9, 2))
    place = (pictures[None].flatten(2) == drawn[:, None].flatten(2)).all(-1).long().argmax(1)
    assert_frequencies(place, log_p.exp())
    costs = -(model.pixel_log_probs(pictures) * ~known).flatten(1).sum(1)
    torch.testing.assert_close(costs, -log_p, rtol=1e-4, atol=1e-4)


@each_model
def test_tokens_under_autocast_and_in_double_precision(name):
    tokens = torch.randint(4, (3, 2, 3), generator=torch.Generator().manual_seed(0))
    model = scrambled(name, (1, 2, 3), palette(4))
    plain = model.log_prob(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model.log_prob(tokens), plain, rtol=0.05, atol=0.2)
    assert model.double().log_prob(tokens).dtype == torch.float64
    assert model.bfloat16().sample(2).dtype == torch.int64


@each_model
@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        (lambda x: x.float(), "got torch.float32"),
        (lambda x: x[:, None], r"\(2, 1, 2, 3\)"),
        (lambda x: x + 4, r"4 \.\.\. 6"),
        (lambda x: x - 1, r"-1 \.\.\. 1"),
        (lambda x: [0], r"got \[0\]|got list"),
    ],
)
def test_what_are_no_tokens_is_refused(name, spoil, got):
    model = MODELS[name]((1, 2, 3), palette(4))
    x = spoil(torch.tensor([[[0, 1, 2], [2, 1, 0]]] * 2))
    with pytest.raises(ValueError, match=f"^x must .*{got}"):
        model.log_prob(x)
    with pytest.raises(ValueError, match=f"^x must .*{got}"):
        model.complete(x, torch.ones(getattr(x, "shape", ()), dtype=torch.bool))


@each_model
def test_tokens_have_one_channel(name):
    with pytest.raises(ValueError, match=r"^shape must be \(1, height, width\) for tokens"):
        MODELS[name]((3, 2, 3), palette(4))


# Completion


def masks(shape, n):
    g = torch.Generator().manual_seed(1)
    return {
        "(C, H, W)": torch.rand(shape, generator=g) < 0.5,
        "(H, W)": torch.rand(shape[1:], generator=g) < 0.5,
        "(B, C, H, W)": torch.rand(n, *shape, generator=g) < 0.5,
    }


@each_model
@pytest.mark.parametrize("mask", masks((1, 1, 1), 1))
@pytest.mark.parametrize("family", [bernoulli(), categorical(3), MIXTURE], ids=lambda f: f.name)
def test_complete_keeps_given_pixels_and_draws_the_others(name, mask, family):
    shape, n = (3, 4, 3), 5
    model = scrambled(name, shape, family)
    x, known = random_images(model, n), masks(shape, n)[mask]
    original, everywhere = x.clone(), known.expand(n, *shape)
    results = [
        model.complete(x, known, cached=way, generator=torch.Generator().manual_seed(0)) for way in (True, False)
    ]
    assert torch.equal(*results)
    assert torch.equal(results[0][everywhere], x[everywhere])
    assert not torch.equal(results[0][~everywhere], x[~everywhere])
    assert torch.equal(x, original)  # the argument is left as it was
    hidden = torch.where(everywhere, x, math.nan)  # what is not given cannot matter
    assert torch.equal(model.complete(hidden, known, generator=torch.Generator().manual_seed(0)), results[0])
    family.check(results[0], shape)


@each_model
def test_complete_takes_pictures_that_lie_in_memory_in_another_order(name):
    model = scrambled(name, (3, 2, 4))
    x, known = random_images(model, 3), torch.rand(2, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    channels_last = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    drawn = [model.complete(p, known, generator=torch.Generator().manual_seed(0)) for p in (x, channels_last)]
    assert torch.equal(*drawn)


@each_model
def test_complete_with_all_or_nothing_given(name):
    model = scrambled(name, (1, 3, 4))
    x = random_images(model, 3)
    assert torch.equal(model.complete(x, torch.ones(1, 3, 4, dtype=torch.bool)), x)
    torch.manual_seed(0)
    drawn = model.complete(x, torch.zeros(3, 4, dtype=torch.bool))
    torch.manual_seed(0)
    assert torch.equal(drawn, model.sample(3))


@each_model
@pytest.mark.parametrize(("shape", "family"), [((1, 2, 3), bernoulli()), ((2, 1, 2), categorical(3))], ids=["2", "3"])
def test_complete_is_exact_when_the_given_pixels_come_first(name, shape, family):
    """With the cache by frequencies; without it, which takes long, picture by picture the same."""
    model, levels = scrambled(name, shape, family), family.levels
    first = flat_order(model)[:2]
    known = torch.zeros(math.prod(shape), dtype=torch.bool)
    known[first] = True
    x = torch.zeros(math.prod(shape))
    x[first] = torch.tensor([1.0, 1 / (levels - 1)])
    given = x.view(1, *shape).repeat(8_000, 1, 1, 1)
    drawn = model.complete(given, known.view(shape), generator=torch.Generator().manual_seed(0))
    both = [
        model.complete(given[:500], known.view(shape), cached=way, generator=torch.Generator().manual_seed(0))
        for way in (True, False)
    ]
    assert torch.equal(*both) and len(index_of(both[0], levels).unique()) > 1
    images = all_images(shape, levels)
    agrees = (images.flatten(1)[:, first] == x[first]).all(1)
    joint = torch.where(agrees, model.log_prob(images).exp(), 0)
    assert_frequencies(index_of(drawn, levels), joint / joint.sum())


@each_model
def test_complete_does_not_look_ahead_when_a_given_pixel_comes_last(name):
    """Then the earlier pixels follow their own distribution, as the docstring says, and not the posterior."""
    shape = (1, 2, 2)
    model = scrambled(name, shape)
    last = flat_order(model)[-1]
    known = torch.zeros(4, dtype=torch.bool)
    known[last] = True
    torch.manual_seed(0)
    drawn = model.complete(known.float().view(1, *shape).repeat(20_000, 1, 1, 1), known.view(shape))
    images = all_images(shape)
    p = model.log_prob(images).exp()
    on = images.flatten(1)[:, last] == 1
    without_last = torch.zeros(16)
    without_last[on] = p[on] + p[~on]  # in both, the earlier pixels come in the same order
    assert_frequencies(index_of(drawn, 2), without_last)
    assert (without_last[on] - p[on] / p[on].sum()).abs().max() > 0.02


@each_model
@pytest.mark.parametrize(("shape", "family"), [((1, 2, 3), bernoulli()), ((2, 1, 2), categorical(3))], ids=["2", "3"])
def test_completions_are_the_posterior_for_any_mask(name, shape, family):
    model, levels = scrambled(name, shape, family), family.levels
    images = all_images(shape, levels)
    p = model.log_prob(images).exp()
    known = torch.zeros(math.prod(shape), dtype=torch.bool)
    known[[0, -1]] = True  # one before and one after the unknown pixels
    pictures, log_p = model.completions(images[-2], known.view(shape))
    agrees = (images.flatten(1)[:, known] == images[-2].flatten()[known]).all(1)
    assert len(pictures) == agrees.sum() == len(index_of(pictures, levels).unique())
    expected = torch.where(agrees, p, 0) / p[agrees].sum()
    torch.testing.assert_close(log_p.exp(), expected[index_of(pictures, levels)], rtol=1e-4, atol=1e-6)
    assert p.requires_grad and not log_p.requires_grad  # 65,536 pictures would hold every activation


def test_completions_refuse_what_cannot_be_counted():
    known = torch.zeros(4, 4, dtype=torch.bool)
    assert len(MADE((1, 4, 4)).completions(torch.zeros(1, 4, 4), known)[0]) == 2**16
    with pytest.raises(ValueError, match="at most 65,536 completions, got 2 .. 20"):
        MADE((1, 5, 4)).completions(torch.zeros(1, 5, 4), torch.zeros(5, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="^pixels must have levels"):
        MADE((1, 4, 4), distribution=gaussian()).completions(torch.zeros(1, 4, 4), known)
    for bad in (torch.zeros(4, 4), None):
        with pytest.raises(ValueError, match="^x and known must be a picture and a bool mask"):
            MADE((1, 4, 4)).completions(torch.zeros(1, 4, 4), bad)
    with pytest.raises(ValueError, match=r"^known must broadcast to x, got \(3, 4\)"):
        MADE((1, 4, 4)).completions(torch.zeros(1, 4, 4), torch.zeros(3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="^x must have shape"):
        MADE((1, 4, 4)).completions(torch.zeros(4, 4), known)


@each_model
def test_pixel_log_probs_are_the_factors(name):
    model = scrambled(name, (2, 2, 3), categorical(3))
    x = random_images(model, 4)
    torch.testing.assert_close(model.pixel_log_probs(x), model.conditionals(x).log_prob(x))
    torch.testing.assert_close(model.pixel_log_probs(x).flatten(1).sum(1), model.log_prob(x))


@pytest.mark.parametrize(
    ("known", "got"),
    [
        (torch.ones(1, 2, 3), "torch.float32"),
        ([[True]], "list"),
        (torch.ones(1, 3, 2, dtype=torch.bool), r"\(1, 3, 2\)"),
        (torch.ones(4, 1, 2, 3, dtype=torch.bool), r"\(4, 1, 2, 3\)"),
        (torch.ones(1, 1, 1, 2, 3, dtype=torch.bool), r"\(1, 1, 1, 2, 3\)"),
    ],
)
def test_complete_refuses_bad_masks(known, got):
    with pytest.raises(ValueError, match=f"^known must .* got {got}"):
        MADE((1, 2, 3)).complete(torch.zeros(2, 1, 2, 3), known)


def test_a_mask_for_each_picture_is_not_taken_for_one_of_channels():
    """(3, H, W) for 3 pictures of 3 channels: either may be meant, and where it matters it must be said."""
    model, g = scrambled("MADE", (3, 2, 2)), torch.Generator().manual_seed(0)
    x, known = random_images(model, 3), torch.rand(3, 2, 2, generator=g) < 0.5
    with pytest.raises(
        ValueError, match=r"^known must be \(B, C, H, W\) where B = C = 3, .* known\[:, None\] is a mask"
    ):
        model.complete(x, known)
    by_channel, by_picture = (
        model.complete(x, mask, generator=torch.Generator().manual_seed(0)) for mask in (known[None], known[:, None])
    )
    assert torch.equal(by_channel[:, known], x[:, known])
    assert torch.equal(by_picture.movedim(1, 0)[:, known], x.movedim(1, 0)[:, known])
    assert not torch.equal(by_picture[:, known], x[:, known])
    for either in (known[:1].expand(3, 2, 2), torch.zeros(3, 2, 2, dtype=torch.bool)):  # the same read both ways
        kept = model.complete(x, either)
        assert torch.equal(kept[:, either], x[:, either])
    assert torch.equal(model.complete(x[:2], known)[:, known], x[:2, known])  # not as many pictures as channels
    two = x.repeat(2, 1, 1, 1)[:4]
    with pytest.raises(
        ValueError, match=r"got \(4, 2, 2\) for x \(4, 3, 2, 2\), and known\[:, None\] is a mask for each"
    ):
        model.complete(two, known.repeat(2, 1, 1)[:4])
    assert model.sample(3).shape == (3, 3, 2, 2)


def test_complete_refuses_what_is_no_tensor():
    with pytest.raises(ValueError, match="^x must be a float tensor, got list"):
        MADE((1, 2, 3)).complete([0.0], torch.ones(1, 2, 3, dtype=torch.bool))


def test_complete_refuses_given_pixels_that_are_no_levels():
    x, known = torch.full((1, 1, 2, 3), 0.3), torch.zeros(2, 3, dtype=torch.bool)
    model = MADE((1, 2, 3))
    model.complete(x, known)  # not given, not looked at
    known[0, 0] = True
    with pytest.raises(ValueError, match="x must hold 0 or 1"):
        model.complete(x, known)


# The base itself


class Copycat(AutoregressiveModel):
    """Each pixel likes to repeat the one before it; only ``conditionals`` is implemented."""

    def __init__(self, shape):
        super().__init__(shape)
        self.strength = nn.Parameter(torch.tensor(2.0))
        self.dropout = nn.Dropout(0.5)

    def conditionals(self, x):
        in_order = x.permute(0, 2, 3, 1).flatten(1)
        before = torch.cat([torch.full_like(in_order[:, :1], 0.5), in_order[:, :-1]], 1)
        logits = self.dropout(self.strength * (2 * before - 1))
        return Bernoulli(logits.view(len(x), *self.shape[1:], self.shape[0]).permute(0, 3, 1, 2))


def test_conditionals_are_all_that_a_model_must_implement():
    model = Copycat((2, 2, 1)).eval()
    assert model.log_prob(all_images((2, 2, 1))).exp().sum().item() == pytest.approx(1, abs=1e-5)
    x = model.sample(20_000, generator=torch.Generator().manual_seed(0))
    assert_frequencies(index_of(x, 2), model.log_prob(all_images((2, 2, 1))).exp())


def test_default_order_is_row_by_row_and_channels_innermost():
    assert Copycat((2, 2, 2)).order() == [
        (0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1), (0, 1, 0), (1, 1, 0), (0, 1, 1), (1, 1, 1),
    ]  # fmt: skip


def test_sampling_switches_dropout_off_and_back_on():
    model = Copycat((1, 4, 4))
    model.dropout.training = True
    drawn = [model.sample(50, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert model.training and model.dropout.training


def test_evaluating_restores_each_module_also_after_an_error():
    model = nn.Sequential(nn.Dropout(), nn.Dropout())
    model[0].eval()
    with pytest.raises(RuntimeError, match="stop"), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError("stop")
    assert [model.training, model[0].training, model[1].training] == [True, False, True]


def test_interfaces_without_an_implementation_say_so():
    for call in (lambda m: m.log_prob(torch.zeros(1)), lambda m: m(torch.zeros(1)), lambda m: m.sample(1)):
        with pytest.raises(NotImplementedError):
            call(DensityModel())
    with pytest.raises(NotImplementedError):
        AutoregressiveModel((1, 2, 2)).log_prob(torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("model", [FVSBN, MADE, PixelCNN])
@pytest.mark.parametrize("shape", [(28, 28), (1, 0, 3), (1, -2, 3), (1, 2.0, 3), 28, None, "abc", (1, 1, 2, 2)])
def test_bad_shapes_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"^shape must be .channels, height, width. in whole numbers above 0, got "):
        model(shape)


def test_shapes_may_be_lists_and_numpy_numbers_but_nothing_else():
    assert MADE([1, 2, 3]).shape == FVSBN(torch.Size([1, 2, 3])).shape == (1, 2, 3)
    assert FVSBN((np.int64(1), 2, 3)).shape == (1, 2, 3) and type(FVSBN((np.int64(1), 2, 3)).shape[0]) is int
    for bad in ((), (0, 2, 2), 3, (2, 2), (True, 2, 2), "123", None):
        with pytest.raises(ValueError, match="^shape must be .channels, height, width. in whole numbers above 0, got "):
            FVSBN(bad)


@pytest.mark.parametrize("bad", [bernoulli, "bernoulli", 17])
def test_a_distribution_that_is_no_family_is_refused(bad):
    for model in (FVSBN, MADE, PixelCNN):
        with pytest.raises(ValueError, match="^distribution must be a pixel family such as"):
            model((1, 2, 2), distribution=bad)


def test_images_of_another_type_than_the_model_are_refused():
    with pytest.raises(ValueError, match="x must be torch.float32, as the model's parameters are, got torch.float64"):
        MADE((1, 2, 2)).log_prob(torch.zeros(1, 1, 2, 2, dtype=torch.float64))


def test_a_model_without_parameters_samples_and_no_images_are_completed_to_none():
    class Coins(AutoregressiveModel):
        def conditionals(self, x):
            return Bernoulli(torch.zeros_like(x))

    assert Coins((1, 2, 2)).sample(3).shape == (3, 1, 2, 2)
    assert Coins((1, 2, 2)).complete(torch.zeros(0, 1, 2, 2), torch.ones(2, 2, dtype=torch.bool)).shape == (0, 1, 2, 2)


def test_forward_calls_another_method_by_its_name():
    model = MADE((1, 2, 2))
    x = torch.zeros(2, 1, 2, 2)
    assert torch.equal(model(x), model.log_prob(x))
    assert torch.equal(model(x, "conditionals").logits, model.conditionals(x).logits)


@pytest.mark.parametrize("family", [bernoulli(), categorical(3), discretized_logistic_mixture(5, 2)])
def test_a_model_can_be_pickled(family):
    model = MADE((1, 2, 2), distribution=family)
    again = pickle.loads(pickle.dumps(model))
    x = torch.zeros(2, 1, 2, 2)
    assert torch.equal(again.log_prob(x), model.log_prob(x))


def test_split_and_join_keep_each_channels_numbers_together():
    numbers = torch.arange(2 * 3 * 4 * 2 * 5).view(2, 3, 2, 5, 4)  # (B, C, H, W, E)
    joined = join_features(numbers)
    assert joined.shape == (2, 12, 2, 5)
    assert joined[1, 4:8, 1, 3].tolist() == numbers[1, 1, 1, 3].tolist()  # second channel: features 4 ... 7
    assert torch.equal(split_params(joined, 3), numbers)
