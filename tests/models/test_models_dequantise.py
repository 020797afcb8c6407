import math

import pytest
import torch
from torch.distributions import Normal

from course_utils.models import dequantise as module
from course_utils.models.dequantise import dequantise, dequantised_log_prob, quantise

MU, STD = torch.tensor([0.3, 0.62], dtype=torch.float64), torch.tensor([0.05, 0.4], dtype=torch.float64)


def log_density(y):
    """Two independent Gaussians, whose integral over a bin is a difference of distribution functions."""
    return Normal(MU, STD).log_prob(y).sum(-1)


def pictures(levels):
    """All pictures of two pixels, and the indices of their levels."""
    k = torch.cartesian_prod(*[torch.arange(levels, dtype=torch.float64)] * 2)
    return k / (levels - 1), k


def exact_log_prob(k, levels):
    low, high = (k / levels - MU) / STD, ((k + 1) / levels - MU) / STD
    low, high = torch.where(low > 0, -high, low), torch.where(low > 0, -low, high)  # the left tail keeps its digits
    above, below = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    return (above + torch.log1p(-(below - above).exp())).sum(-1)


def expected_bound(k, levels):
    """E_u[log p(y)] - D log L in closed form: E[(y - mu)^2] is that of the bin's middle, plus 1 / (12 L^2)."""
    square = ((k + 0.5) / levels - MU) ** 2 + 1 / (12 * levels**2)
    return (-0.5 * square / STD**2 - STD.log() - 0.5 * math.log(2 * math.pi)).sum(-1) - 2 * math.log(levels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 3, 17, 256])
def test_rounding_down_undoes_the_noise_at_every_level_for_every_noise(levels, dtype, monkeypatch):
    x = (torch.arange(levels, dtype=dtype) / (levels - 1))[:, None]
    for u in (0.0, 0.5, 1 - torch.finfo(dtype).eps / 2):  # the largest number below 1 would round up to the next bin
        monkeypatch.setattr(module, "draw", lambda rand, like, generator, u=u: torch.full_like(like, u))
        y = dequantise(x, levels)
        assert 0 <= y.min() and y.max() < 1 and y.dtype == dtype
        assert torch.equal(quantise(y, levels), x)
        # the ends of the noise are cut by 2 L eps, 6e-5 for 256 levels in float32
        torch.testing.assert_close(y[:, 0] * levels, torch.arange(levels, dtype=dtype) + u, rtol=0, atol=1e-4)


def test_the_noise_is_uniform_in_the_bin_and_new_in_every_pixel():
    x = torch.tensor([0.0, 0.25, 1.0]).repeat(40_000, 1)
    y = dequantise(x, 5, generator=torch.Generator().manual_seed(0))
    again = dequantise(x, 5, generator=torch.Generator().manual_seed(0))
    u = y * 5 - torch.tensor([0.0, 1.0, 4.0])
    assert torch.equal(y, again) and 0 <= u.min() and u.max() < 1
    counts = torch.stack([torch.histc(each, 20, 0, 1) for each in u.T])
    assert ((counts - 2_000).abs() < 4.5 * 2_000**0.5).all()
    assert (u.T.corrcoef() - torch.eye(3)).abs().max() < 4.5 / 200


def test_quantise_sends_what_lies_outside_to_the_ends():
    y = torch.tensor([-3.0, -1e-6, 0.0, 0.249, 0.251, 0.999, 1.0, 7.0])
    assert torch.equal(quantise(y, 4) * 3, torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 3.0, 3.0]))


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("levels", [2, 17])
def test_the_uniform_density_is_the_uniform_probability(levels, samples):
    x = torch.randint(levels, (6, 1, 2, 3), generator=torch.Generator().manual_seed(0)).float() / (levels - 1)
    log_p = dequantised_log_prob(lambda y: torch.zeros(len(y)), x, levels, samples)
    torch.testing.assert_close(log_p, torch.full((6,), -6 * math.log(levels)))


@pytest.mark.parametrize("levels", [3, 5, 17])
def test_one_draw_is_a_bound_and_its_mean_is_known(levels):
    x, k = pictures(levels)
    draws = 4_000
    torch.manual_seed(0)
    bound = dequantised_log_prob(log_density, x.repeat(draws, 1), levels).view(draws, -1)  # (draws, L^2)
    expected = expected_bound(k, levels)
    assert (expected < exact_log_prob(k, levels)).all()
    z = (bound.mean(0) - expected) / bound.std(0) * draws**0.5
    assert z.abs().max() < 4.5 and z.std() > 0.3


def test_more_draws_tighten_the_bound_up_to_the_probability():
    x, k = pictures(5)
    x, k = x[:15], k[:15]  # where the density is not nothing
    exact = exact_log_prob(k, 5)
    torch.manual_seed(0)
    bounds = [expected_bound(k, 5)]
    for samples in (2, 8, 64):
        many = dequantised_log_prob(log_density, x.repeat(2_000, 1), 5, samples).view(2_000, -1)
        assert (many.mean(0) < exact + 4.5 * many.std(0) / 2_000**0.5).all()
        bounds.append(many.mean(0))
    totals = [bound.sum().item() for bound in (*bounds, exact)]
    assert totals == sorted(totals) and len(set(totals)) == 5
    assert (exact - bounds[0]).max() > 4 and (exact - bounds[0]).min() > 0.1
    torch.testing.assert_close(dequantised_log_prob(log_density, x, 5, 5_000), exact, rtol=0, atol=0.2)


def test_probabilities_of_all_pictures_sum_to_what_the_density_has_in_the_box():
    x, _ = pictures(4)
    torch.manual_seed(0)
    total = dequantised_log_prob(log_density, x, 4, 5_000).exp().sum().item()
    inside = (Normal(MU, STD).cdf(torch.ones(2)) - Normal(MU, STD).cdf(torch.zeros(2))).prod().item()
    assert inside < 0.8
    assert total == pytest.approx(inside, rel=0.01)


def test_the_bound_repeats_with_its_generator_and_is_differentiable():
    x, _ = pictures(3)
    mu = torch.tensor(0.4, requires_grad=True)
    a, b, c = (
        dequantised_log_prob(lambda y: -((y - mu) ** 2).sum(-1), x, 3, 2, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(a, b) and not torch.equal(a, c) and a.shape == (9,)
    (gradient,) = torch.autograd.grad(a.sum(), mu)
    assert gradient.abs() > 0.01


def test_everything_stays_on_the_device_of_the_pictures():
    x = torch.zeros(3, 1, 4, 4, device="meta")  # a device without memory: mixing in a CPU tensor raises
    assert dequantise(x, 17).device.type == quantise(x, 17).device.type == "meta"
    assert dequantised_log_prob(lambda y: y.flatten(1).sum(1), x, 17, 3).device.type == "meta"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dequantise(torch.zeros(2, 3), 1), "levels must be a whole number of at least 2, got 1"),
        (lambda: dequantise(torch.zeros(3), 4), "x must be a float32 or float64 tensor of shape"),
        (lambda: dequantise(torch.zeros(2, 3).half(), 4), "x must be .* got torch.float16"),
        (lambda: dequantise(torch.zeros(2, 3).long(), 4), "x must be .* got torch.int64"),
        (lambda: dequantise([0.0], 4), "x must be .* got "),
        (lambda: dequantise(torch.full((2, 3), 0.5), 4), "x must hold k/3 for whole k from 0 to 3"),
        (lambda: quantise(torch.zeros(2), 0), "levels must be a whole number of at least 2, got 0"),
        (lambda: quantise(torch.zeros(2).long(), 4), "y must be a float tensor, got torch.int64"),
        (lambda: dequantised_log_prob(log_density, torch.zeros(2, 2), 4, 0), "samples must be .* got 0"),
        (lambda: dequantised_log_prob(log_density, torch.full((2, 2), 2.0), 4), "x must hold k/3"),
        (lambda: dequantised_log_prob(log_density, torch.zeros(2, 2), 1.0), "levels must be .* got 1.0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
