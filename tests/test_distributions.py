import itertools
import math

import mpmath
import pytest
import torch
import torch.nn.functional as F

from course_utils.distributions import (
    Bernoulli,
    Categorical,
    DiscretizedLogisticMixture,
    Gaussian,
    PaletteCategorical,
    bernoulli,
    bits_per_dim,
    categorical,
    discretized_logistic_mixture,
    gaussian,
    palette,
    within,
)

LARGEST_UNIFORM = 1 - 2.0**-24  # of torch.rand in float32


def mixture(shape, components, levels, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    logits, means, log_scales = torch.randn(3, *shape, components, generator=g, dtype=dtype)
    return DiscretizedLogisticMixture(logits, 1.5 * means, 1.5 * log_scales - 2, levels)


def distributions(dtype=torch.float64):
    g = torch.Generator().manual_seed(1)
    return {
        "bernoulli": Bernoulli(3 * torch.randn(4, 3, generator=g, dtype=dtype)),
        "categorical": Categorical(2 * torch.randn(4, 3, 5, generator=g, dtype=dtype)),
        "mixture": mixture((4, 3), 2, 7, dtype=dtype),
        "mixture of 2 levels": mixture((4, 3), 3, 2, dtype=dtype),
    }


every = pytest.mark.parametrize("name", list(distributions()))


def levels_of(d, dtype=torch.float64):
    return [torch.full((4, 3), k / (d.levels - 1), dtype=dtype) for k in range(d.levels)]


# All distributions over levels


@every
def test_probabilities_of_all_levels_sum_to_one(name):
    d = distributions()[name]
    p = torch.stack([d.log_prob(value).exp() for value in levels_of(d)])
    assert p.shape == (d.levels, 4, 3)
    torch.testing.assert_close(p.sum(0), torch.ones(4, 3, dtype=torch.float64), rtol=0, atol=1e-12)


@every
def test_level_log_probs_are_the_log_probs_of_the_levels(name):
    d = distributions()[name]
    torch.testing.assert_close(d.level_log_probs(), torch.stack([d.log_prob(v) for v in levels_of(d)], -1))


@every
def test_mean_mode_and_entropy_equal_sums_over_the_levels(name):
    d = distributions()[name]
    mean, entropy, best = 0.0, 0.0, None
    for value in levels_of(d):
        p = d.log_prob(value).exp()
        mean, entropy = mean + p * value, entropy - p * p.log()
        best = (p, value) if best is None else (p.maximum(best[0]), torch.where(p > best[0], value, best[1]))
    torch.testing.assert_close(d.mean, mean)
    torch.testing.assert_close(d.entropy(), entropy)
    torch.testing.assert_close(d.mode, best[1])


@every
def test_icdf_inverts_the_distribution_function(name):
    d = distributions()[name]
    below = torch.zeros(4, 3, dtype=torch.float64)
    for value in levels_of(d):
        p = d.log_prob(value).exp()
        for share in (1e-3, 0.5, 1 - 1e-3):  # a uniform between F(previous level) and F(level) gives this level
            drawn = d.icdf(below + share * p)
            torch.testing.assert_close(drawn[p > 1e-10], value[p > 1e-10])
        below = below + p


@every
def test_icdf_at_the_ends(name):
    d = distributions(torch.float32)[name]
    assert torch.equal(d.icdf(torch.zeros(4, 3)), torch.zeros(4, 3))
    assert torch.equal(d.icdf(torch.full((4, 3), LARGEST_UNIFORM)), torch.ones(4, 3))


@every
def test_icdf_never_gives_an_impossible_level(name):
    g = torch.Generator().manual_seed(0)
    first_and_last_impossible = 3 * torch.randn(2_000, 256, generator=g)
    first_and_last_impossible[:, [0, -1]] = -200.0
    sharp = torch.full((2_000, 1), 40.0)
    narrow = torch.linspace(-0.9, 0.9, 2_000)[:, None]
    d = {
        "bernoulli": Bernoulli(torch.cat([sharp, -sharp], -1)),
        "categorical": Categorical(first_and_last_impossible),
        "mixture": DiscretizedLogisticMixture(torch.zeros(2_000, 1), narrow, torch.full((2_000, 1), -7.0), 256),
        "mixture of 2 levels": DiscretizedLogisticMixture(sharp, narrow.sign(), torch.full((2_000, 1), -7.0), 2),
    }[name]
    shape = d.level_log_probs().shape[:-1]
    for u in (2.0**-24, LARGEST_UNIFORM):  # less than exp(-16) away from 0 and 1
        assert d.log_prob(d.icdf(torch.full(shape, u))).min() > -25


@every
def test_sample_has_the_frequencies_of_log_prob(name):
    d = distributions()[name]
    flat, n = d[0], 20_000
    x = d[torch.zeros(n, dtype=torch.long)].sample(torch.Generator().manual_seed(0))  # n copies of the first row
    assert x.shape == (n, 3) and x.dtype == torch.float64
    for k in range(d.levels):
        value = k / (d.levels - 1)
        p = flat.log_prob(torch.full((3,), value, dtype=torch.float64)).exp()
        frequency = ((x - value).abs() < 1e-9).double().mean(0)
        assert ((frequency - p).abs() <= 4.5 * (p * (1 - p) / n).sqrt() + 1e-12).all()


@every
def test_indexing_takes_a_part_of_the_batch(name):
    d = distributions()[name]
    x = d.sample(torch.Generator().manual_seed(3))
    # A part of a batch may go through the scalar loop where the whole goes through the vectorised one: a few ulp apart.
    torch.testing.assert_close(d[:, 1].log_prob(x[:, 1]), d.log_prob(x)[:, 1], rtol=1e-15, atol=1e-15)
    rows, columns = torch.tensor([0, 2]), torch.tensor([1, 0])
    torch.testing.assert_close(d[rows, columns].log_prob(x[rows, columns]), d.log_prob(x)[rows, columns])


@every
def test_gradients_agree_with_finite_differences(name):
    d = distributions()[name][:2]
    x = d.sample(torch.Generator().manual_seed(3))
    params = [d.logits] if name in ("bernoulli", "categorical") else [d.logits, d.means, d.log_scales]
    params = [p.clone().requires_grad_() for p in params]
    rest = () if len(params) == 1 else (d.levels,)
    assert torch.autograd.gradcheck(lambda *p: type(d)(*p, *rest).log_prob(x), params)


# One by one


def test_bernoulli_and_categorical_agree_with_torch():
    d = distributions()
    x = d["bernoulli"].sample()
    reference = torch.distributions.Bernoulli(logits=d["bernoulli"].logits)
    torch.testing.assert_close(d["bernoulli"].log_prob(x), reference.log_prob(x))
    torch.testing.assert_close(d["bernoulli"].entropy(), reference.entropy())
    torch.testing.assert_close(d["bernoulli"].probs, reference.probs)
    torch.testing.assert_close(d["bernoulli"].mean, reference.mean)
    x = d["categorical"].sample()
    reference = torch.distributions.Categorical(logits=d["categorical"].logits)
    torch.testing.assert_close(d["categorical"].log_prob(x), reference.log_prob((x * 4).round().long()))
    torch.testing.assert_close(d["categorical"].entropy(), reference.entropy())
    torch.testing.assert_close(d["categorical"].probs, reference.probs)


def test_two_categories_are_a_bernoulli():
    logits = torch.randn(50, generator=torch.Generator().manual_seed(0))
    two, one = Categorical(torch.stack([torch.zeros(50), logits], -1)), Bernoulli(logits)
    u = torch.rand(50, generator=torch.Generator().manual_seed(1))
    assert torch.equal(two.icdf(u), one.icdf(u))
    torch.testing.assert_close(two.log_prob(two.icdf(u)), one.log_prob(one.icdf(u)))


@pytest.mark.parametrize("levels", [3, 17, 50, 256])
def test_values_a_rounding_error_off_a_level_are_that_level(levels):
    k = torch.arange(levels)
    exact, off = k / (levels - 1), [k * (1 / (levels - 1)), (k / (levels - 1)).nextafter(torch.tensor(-1.0))]
    for d in (Categorical(torch.randn(levels, levels)), mixture((levels,), 2, levels, dtype=torch.float32)):
        for x in (exact, *off):
            torch.testing.assert_close(d.log_prob(x), d.level_log_probs().diagonal())


def test_bernoulli_is_accurate_for_large_logits():
    d = Bernoulli(torch.tensor([100.0, -100.0]))
    assert d.log_prob(torch.tensor([0.0, 1.0])).tolist() == [-100.0, -100.0]
    assert d.entropy().tolist() == pytest.approx([0, 0], abs=1e-30)


def exact_log_bin(mu, log_s, k, levels):
    """log of a logistic's mass in bin k, the plain difference of sigmoids with 60 digits."""
    with mpmath.workdps(60):
        half = mpmath.mpf(1) / (levels - 1)
        s, centre = mpmath.exp(log_s), 2 * half * int(k) - 1
        hi, lo = (centre + half - mu) / s, (centre - half - mu) / s
        if lo > 0:  # by symmetry; here both sigmoids are nearly 1, and no number of digits would do
            hi, lo, k = -lo, -hi, levels - 1 - k
        upper = 1 if k == levels - 1 else 1 / (1 + mpmath.exp(-hi))
        lower = 0 if k == 0 else 1 / (1 + mpmath.exp(-lo))
        return float(mpmath.log(upper - lower))


def tail_cases(levels=256):
    means, scales = (-3.0, -1.0, -0.25, 0.0, 0.5, 3.0), (-7.0, -5.5, -3.0, -1.0, 0.5, 2.0)
    bins = (0, 1, 17, 127, 200, levels - 2, levels - 1)
    return torch.tensor(list(itertools.product(means, scales, bins)), dtype=torch.float64)


@pytest.fixture(scope="module")
def reference():
    return torch.tensor([exact_log_bin(*case, 256) for case in tail_cases().tolist()], dtype=torch.float64)


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [(torch.float64, 1e-9, 1e-9), (torch.float32, 2e-6, 5e-4)])
def test_logistic_bins_equal_a_reference_of_many_digits(reference, dtype, rtol, atol):
    mu, log_s, k = tail_cases().to(dtype).unbind(-1)
    d = DiscretizedLogisticMixture(torch.zeros(len(k), 1, dtype=dtype), mu[:, None], log_s[:, None], 256)
    assert reference.isfinite().all()
    assert reference.min() < -2_000  # the cases do reach into the tails
    torch.testing.assert_close(d.log_prob(k / 255).double(), reference, rtol=rtol, atol=atol)


def test_the_difference_of_sigmoids_fails_where_the_closed_form_holds(reference):
    mu, log_s, k = tail_cases().float().unbind(-1)
    inverse, centre = (-log_s).exp(), 2 * k / 255 - 1
    hi, lo = (centre + 1 / 255 - mu) * inverse, (centre - 1 / 255 - mu) * inverse
    naive = (hi.sigmoid() - lo.sigmoid()).log()
    inner = (k > 0) & (k < 255)
    assert naive[inner].isinf().any()  # log 0
    clamped = (hi.sigmoid() - lo.sigmoid()).clamp(min=1e-12).log()  # the usual repair
    assert (clamped - reference)[inner].abs().max() > 100


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
def test_logistic_mixture_sums_to_one_for_extreme_parameters(levels):
    mu, log_s = torch.cartesian_prod(
        torch.tensor([-1e3, -3, -1, -0.3, 0, 0.997, 1, 3, 1e3]), torch.tensor([-50.0, -7, -6, -3, 0, 2, 8, 30])
    ).T
    total = DiscretizedLogisticMixture(torch.zeros(len(mu), 1), mu[:, None], log_s[:, None], levels).level_log_probs()
    torch.testing.assert_close(total.logsumexp(-1), torch.zeros(len(mu)), rtol=0, atol=1e-4)
    mixed = DiscretizedLogisticMixture(torch.randn(2, 36), mu.view(2, 36), log_s.view(2, 36), levels).level_log_probs()
    torch.testing.assert_close(mixed.logsumexp(-1), torch.zeros(2), rtol=0, atol=1e-4)


def test_logistic_mixture_has_finite_gradients_for_extreme_parameters():
    mu, log_s, k = torch.cartesian_prod(
        torch.tensor([-1e3, -3.0, 0, 1, 3, 1e3]),
        torch.tensor([-50.0, -7, -3, 0, 2, 8, 30]),
        torch.tensor([0.0, 9, 255]),
    ).T
    params = [p[:, None].clone().requires_grad_() for p in (torch.zeros_like(mu), mu, log_s)]
    DiscretizedLogisticMixture(*params, 256).log_prob(k / 255).sum().backward()
    assert all(p.grad.isfinite().all() for p in params)


def test_logistic_mixture_is_the_weighted_sum_of_its_components():
    d = mixture((5,), 3, 16)
    expected = 0
    for i, weight in enumerate(d.logits.softmax(-1).unbind(-1)):
        part = DiscretizedLogisticMixture(*(p[:, i : i + 1] for p in (d.logits, d.means, d.log_scales)), 16)
        expected = expected + weight[:, None] * part.level_log_probs().exp()
    torch.testing.assert_close(d.level_log_probs().exp(), expected)


def test_logistic_scales_stop_at_exp_minus_seven():
    d = [DiscretizedLogisticMixture(torch.zeros(1), torch.zeros(1), torch.tensor([s]), 256) for s in (-7.0, -9.0)]
    assert torch.equal(d[0].level_log_probs(), d[1].level_log_probs())


def test_first_bin_holds_the_lower_tail():
    d = DiscretizedLogisticMixture(torch.zeros(1), torch.tensor([-2.0]), torch.tensor([-3.0]), 8)
    assert d.mode == 0 and d.icdf(torch.tensor(0.5)) == 0 and d.mean < 0.01
    assert d.log_prob(torch.tensor(0.0)).item() == pytest.approx(exact_log_bin(-2, -3, 0, 8), abs=1e-6)


def test_gaussian_agrees_with_quadrature_and_takes_the_log_of_the_standard_deviation():
    d = Gaussian(torch.tensor([0.5, -1.0]), torch.tensor([-1.0, 1.0]))
    x = torch.linspace(-40, 40, 40_001)[:, None]
    p = d.log_prob(x).exp().double()
    assert torch.trapezoid(p, x.double(), dim=0).tolist() == pytest.approx([1, 1], abs=1e-5)
    variance = torch.trapezoid(p * (x.double() - d.mean) ** 2, x.double(), dim=0)
    assert variance.tolist() == pytest.approx([math.exp(-2), math.exp(2)], rel=1e-4)
    assert d.log_prob(torch.tensor([0.5, 0.0]))[0] > 0  # a density, not a probability


def test_gaussian_icdf_is_finite_and_inverts_the_distribution_function():
    d = Gaussian(torch.tensor(0.5), torch.tensor(-1.0))
    assert d.icdf(torch.tensor([0.0, LARGEST_UNIFORM])).isfinite().all()
    u = torch.tensor([0.01, 0.3, 0.5, 0.9])
    torch.testing.assert_close(d.cdf(d.icdf(u)), u)
    several = Gaussian(torch.arange(6.0).view(2, 3), torch.full((2, 3), -0.5))
    assert several[:, 1].mean.tolist() == [1, 4] and several[0].stddev.tolist() == pytest.approx(3 * [math.exp(-0.5)])


# Families


FAMILIES = {
    "bernoulli": bernoulli(),
    "categorical": categorical(5),
    "256 categories": categorical(256),
    "mixture": discretized_logistic_mixture(256, 3),
    "small mixture": discretized_logistic_mixture(4, 2),
    "gaussian": gaussian(),
}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


def values(family, *shape):
    g = torch.Generator().manual_seed(5)
    if family.levels is None:
        return torch.randn(*shape, generator=g)
    return torch.randint(family.levels, shape, generator=g) / (family.levels - 1)


@each_family
def test_family_makes_a_distribution_of_the_batch_shape(family):
    x = values(family, 2, 3)
    params = torch.randn(2, 3, family.n_params, generator=torch.Generator().manual_seed(0), requires_grad=True)
    log_p = family(params).log_prob(x)
    assert log_p.shape == (2, 3)
    log_p.sum().backward()
    assert (params.grad.abs().amax((0, 1)) > 0).all()  # every number means something


@each_family
def test_each_row_of_parameters_speaks_of_its_own_value_only(family):
    params = torch.randn(6, family.n_params, generator=torch.Generator().manual_seed(0))
    x = values(family, 6)
    changed = params.clone()
    changed[2] += 1.7 * torch.arange(family.n_params) + 0.3
    differs = family(params).log_prob(x) != family(changed).log_prob(x)
    assert differs.tolist() == [False, False, True, False, False, False]


@each_family
def test_half_precision_parameters_become_float32(family):
    params = torch.randn(4, family.n_params, generator=torch.Generator().manual_seed(0))
    x = values(family, 4)
    for dtype in (torch.bfloat16, torch.float16):
        rounded = params.to(dtype)
        assert family(rounded).log_prob(x).dtype == torch.float32
        torch.testing.assert_close(family(rounded).log_prob(x), family(rounded.float()).log_prob(x), rtol=0, atol=0)
    assert family(params.double()).log_prob(x.double()).dtype == torch.float64


@each_family
def test_encode_tells_all_values_apart_and_black_from_padding(family):
    x = values(family, 4, 3)
    features = family.encode(x)
    assert features.shape == (4, 3, family.n_features) and features.dtype == torch.float32
    if family.levels is None:
        assert torch.equal(features[..., 0], x)
        return
    span = family.encode(torch.tensor([0.0, 1.0]))
    assert span[:, 0].tolist() == [-1, 1]
    every_level = family.encode(torch.arange(family.levels) / (family.levels - 1))
    assert len(every_level.unique(dim=0)) == family.levels
    assert every_level.abs().amax(1).min() > 0  # no level looks like the zeros beyond the border
    if family.one_hot:
        assert torch.equal(every_level[:, 1:], torch.eye(family.levels))


@each_family
def test_encode_is_differentiable(family):
    x = values(family, 3).requires_grad_()
    family.encode(x).sum().backward()
    assert (x.grad == (1 if family.levels is None else 2)).all()


def test_one_hot_codes_only_for_few_levels_or_on_demand():
    assert [categorical(levels).n_features for levels in (2, 32, 33)] == [3, 33, 1]
    assert categorical(256, one_hot=True).n_features == 257 and categorical(4, one_hot=False).n_features == 1
    assert bernoulli().n_features == gaussian().n_features == 1


@each_family
def test_check_accepts_what_belongs_to_the_family(family):
    x = values(family, 6, 2, 3)
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        family.check(x.to(dtype), (2, 3))
    family.check(x[:0], (2, 3))
    if family.levels:
        family.check((torch.arange(family.levels) / (family.levels - 1))[:, None], (1,))


@each_family
@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        (lambda x: x.long(), "torch.int64"),
        (lambda x: x > 0, "torch.bool"),
        (lambda x: x.numpy(), "ndarray"),
        (lambda x: x[:, 0], r"\(B, 1, 2, 3\), got \(4, 2, 3\)"),
        (lambda x: x[0], r"\(B, 1, 2, 3\), got \(1, 2, 3\)"),
        (lambda x: x.mT, r"\(B, 1, 2, 3\), got \(4, 1, 3, 2\)"),
        (lambda x: x.index_fill(3, torch.tensor(1), math.nan), "[Nn]a[Nn]"),
        (lambda x: x.index_fill(3, torch.tensor(1), math.inf), "inf"),
    ],
)
def test_check_refuses_wrong_type_shape_and_not_a_number(family, spoil, got):
    with pytest.raises(ValueError, match=f"^x must .*{got}"):
        family.check(spoil(values(family, 4, 1, 2, 3)), (1, 2, 3))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "gaussian"])
@pytest.mark.parametrize(
    ("value", "got"), [(-1.0, "from -1 to "), (2.0, "to 2"), (255.0, "to 255"), (0.4021, r"from .* to ")]
)
def test_check_refuses_values_that_are_no_levels_and_names_them(name, value, got):
    family = FAMILIES[name]
    x = values(family, 4, 3)
    x[1, 2] = value
    with pytest.raises(ValueError, match=f"^x must hold .*{family.name}.* got .*{got}"):
        family.check(x, (3,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: categorical(1), "levels .* got 1"),
        (lambda: categorical(2.0), "levels .* got 2.0"),
        (lambda: discretized_logistic_mixture(1), "levels .* got 1"),
        (lambda: discretized_logistic_mixture(8, 0), "components .* got 0"),
        (lambda: discretized_logistic_mixture(8, 1.5), "components .* got 1.5"),
        (lambda: bits_per_dim(1.0, 0), "dimensions .* got 0"),
    ],
)
def test_bad_numbers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_fair_coin_costs_one_bit_a_dimension():
    nats = -Bernoulli(torch.zeros(784)).log_prob(torch.ones(784)).sum()
    assert bits_per_dim(nats, 784).item() == pytest.approx(1, abs=1e-6)
    eight = -F.log_softmax(torch.zeros(256), -1)[0].item()
    assert bits_per_dim(10 * eight, 10) == pytest.approx(8, abs=1e-6)


# Palette tokens


def test_tokens_have_the_probabilities_of_their_logits():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    pixel, tokens = PaletteCategorical(logits), torch.tensor([[0, 1, 2], [4, 3, 0]])
    expected = torch.distributions.Categorical(logits=logits)
    torch.testing.assert_close(pixel.log_prob(tokens), expected.log_prob(tokens))
    torch.testing.assert_close(pixel.entropy(), expected.entropy())
    assert torch.equal(pixel.mode, logits.argmax(-1)) and pixel.mode.dtype == torch.int64
    assert torch.equal(pixel[:, 1].logits, logits[:, 1]) and type(pixel[:, 1]) is PaletteCategorical


def test_tokens_are_drawn_with_their_probabilities():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    drawn = PaletteCategorical(logits.expand(50_000, 4)).sample(torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64
    p = logits.softmax(0)
    frequency = torch.bincount(drawn, minlength=4) / 50_000
    assert ((frequency - p).abs() < 4.5 * (p * (1 - p) / 50_000).sqrt()).all()
    u = torch.tensor([0.0, p[0] - 1e-4, p[0] + 1e-4, 0.9999999])
    assert PaletteCategorical(logits.expand(4, 4)).icdf(u).tolist() == [0, 0, 1, 3]


def test_tokens_have_no_mean():
    with pytest.raises(TypeError, match="palette tokens have no mean"):
        _ = PaletteCategorical(torch.zeros(3)).mean


def test_tokens_enter_one_hot_and_only_so():
    family = palette(3)
    assert family.n_features == family.n_params == family.levels == 3
    features = family.encode(torch.tensor([[[2, 0]]]))
    assert features.tolist() == [[[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]] and features.dtype == torch.float32
    assert family.encode(torch.tensor([1]), torch.float64).dtype == torch.float64


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 4, 4), r"x must be int64 tokens of shape \(B, 4, 4\), got torch.float32 of shape \(2, 4, 4\)"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.int64), r"x must have shape \(B, 4, 4\), got \(2, 1, 4, 4\)"),
        (torch.full((2, 4, 4), 3), r"x must hold tokens 0 ... 2, got 3 ... 3"),
        (torch.full((2, 4, 4), -1), r"x must hold tokens 0 ... 2, got -1 ... -1"),
        ([[0]], r"x must be int64 tokens of shape \(B, 4, 4\), got \[\[0\]\]"),
    ],
)
def test_what_are_no_tokens_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        palette(3).check(x, (1, 4, 4))


@pytest.mark.parametrize("colours", [1, 0, 2.0, None, True])
def test_a_palette_has_two_colours_or_more(colours):
    with pytest.raises(ValueError, match="colours must be a whole number of at least 2, got"):
        palette(colours)


# Where probabilities vanish, widths run away, and numbers are none


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "logits",
    [[0.0, -200.0, 0.0], [3.0, -1000.0, -2.0], [0.0, -math.inf, 1.0], [1.0, 2.0, 3.0], [0.0, -1000.0, -1000.0]],
)
def test_entropy_has_its_slope_where_a_probability_is_zero(logits, dtype):
    """dH / dlogit_k = -p_k (log p_k + H), and 0 where p_k is."""
    logits = torch.tensor(logits, dtype=dtype, requires_grad=True)
    entropy = Categorical(logits).entropy()
    (slope,) = torch.autograd.grad(entropy, logits)
    p = logits.detach().double().softmax(0)
    expected_entropy = torch.special.entr(p).sum()
    torch.testing.assert_close(entropy.double(), expected_entropy, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(slope.double(), torch.special.entr(p) - p * expected_entropy, rtol=1e-5, atol=1e-6)


def test_entropy_of_every_family_has_finite_slopes_at_extremes():
    for logit in (-1000.0, 1000.0):
        logits = torch.full((2,), logit, requires_grad=True)
        Bernoulli(logits).entropy().sum().backward()
        assert torch.equal(logits.grad, torch.zeros(2))
    numbers = torch.tensor([[0.0, 0.0, 100.0, -100.0, -50.0, 50.0]], requires_grad=True)  # weights, means, log-scales
    discretized_logistic_mixture(256, 2)(numbers).entropy().sum().backward()
    assert numbers.grad.isfinite().all()


def test_a_gaussian_is_no_narrower_and_no_wider_than_its_density_is_a_number():
    for log_std in (-100.0, 100.0):
        d = Gaussian(torch.zeros(()), torch.tensor(log_std))
        assert d.stddev.log().item() == pytest.approx(math.copysign(20, log_std), rel=1e-6)
        assert d.log_prob(torch.tensor(255.0)).isfinite() and d.log_prob(torch.tensor(0.0)).isfinite()
    assert gaussian(1e-6)(torch.zeros(1, 1)).stddev.item() == pytest.approx(
        1e-6, rel=1e-4
    )  # a width that was asked for


def test_a_predicted_width_is_left_alone_within_bounds_and_leads_back_from_beyond():
    numbers = torch.tensor([[0.0, -9.5], [0.0, -1e8], [0.0, 1e8]], requires_grad=True)  # means, logarithms of widths
    d = gaussian()(numbers)
    torch.testing.assert_close(d.stddev.log(), torch.tensor([-9.5, -10.0, 20.0]))
    (-d.log_prob(torch.tensor([0.0, 1.0, 1.0]))).sum().backward()
    assert numbers.grad[1, 1] < 0 < numbers.grad[2, 1]  # a descent widens the one, and narrows the other
    assert torch.equal(within(numbers[:1], -10, 20), numbers[:1])


@pytest.mark.parametrize(
    "make",
    [bernoulli, gaussian, lambda: categorical(3), lambda: palette(3), lambda: discretized_logistic_mixture(5, 2)],
)
def test_nothing_is_drawn_from_a_parameter_that_is_no_number(make):
    family = make()
    for i in range(family.n_params):
        numbers = torch.zeros(4, 3, family.n_params)
        family(numbers).sample()
        numbers[1, 2, i] = math.nan
        with pytest.raises(ValueError, match="^the parameters of .* must be numbers to be drawn from, got NaN"):
            family(numbers).sample()


def test_codes_are_those_of_torch():
    tokens = torch.randint(5, (3, 2, 4), generator=torch.Generator().manual_seed(0))
    assert torch.equal(palette(5).encode(tokens), torch.nn.functional.one_hot(tokens, 5).float())
    codes = categorical(5).encode(tokens / 4)
    assert torch.equal(codes[..., 1:], torch.nn.functional.one_hot(tokens, 5).float()) and codes.dtype == torch.float32
    assert palette(5).encode(tokens, torch.float64).dtype == torch.float64
