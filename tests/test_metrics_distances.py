"""Distances of distributions: closed forms, another way to compute them, and what they must not depend on."""

import math
import warnings

import pytest
import scipy.linalg
import torch

from course_utils.metrics import (
    KernelDistance,
    energy_distance,
    frechet_distance,
    kernel_distance,
    parzen_log_likelihood,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sample_with(mean, covariance, n, seed):
    """n points whose own mean and covariance are these, to rounding."""
    x = normal(n, len(mean), seed=seed)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T.cov()), x.T, upper=False).T
    return white @ torch.linalg.cholesky(covariance).T + mean


def covariance(dims, seed):
    a = normal(dims, 2 * dims, seed=seed)
    return a @ a.T / dims


# ---- Fréchet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_the_frechet_distance_of_two_gaussians_is_the_closed_form(offset):
    means, covariances = normal(2, 5) + offset, (covariance(5, 1), covariance(5, 2))
    real, fake = (sample_with(m, c, n, n) for m, c, n in zip(means, covariances, (300, 200), strict=True))
    root = scipy.linalg.sqrtm((covariances[0] @ covariances[1]).numpy()).real
    expected = (means[0] - means[1]).square().sum() + sum(c.trace() for c in covariances) - 2 * root.trace()
    assert frechet_distance(real, fake) == pytest.approx(expected.item(), abs=1e-6)
    assert frechet_distance(fake, real) == pytest.approx(expected.item(), abs=1e-6)


def test_the_frechet_distance_in_one_dimension_is_that_of_means_and_standard_deviations():
    x = normal(50, 1)
    x = (x - x.mean()) / x.std()
    assert frechet_distance(2 * x + 1, 5 * x - 3) == pytest.approx((1 + 3) ** 2 + (2 - 5) ** 2)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


def test_only_mean_and_covariance_count():
    mean, matrix = normal(4), covariance(4, 3)
    bells = sample_with(mean, matrix, 400, 0)
    corners = normal(400, 4, seed=1).sign() + 0.01 * normal(400, 4, seed=2)  # a cube's corners, made to fit
    fitted = (corners - corners.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(corners.T.cov())).T
    assert frechet_distance(bells, fitted @ torch.linalg.cholesky(matrix).T + mean) == pytest.approx(0, abs=1e-6)


def test_few_samples_of_one_distribution_are_far_apart_and_singular_ones_give_a_number():
    distances = [frechet_distance(normal(n, 20, seed=n), normal(n, 20, seed=n + 1)) for n in (10, 40, 160, 2_560)]
    assert distances == sorted(distances, reverse=True)
    assert 10 < distances[0] < 40 and distances[-1] < 0.3  # 10 samples of 20 features: a singular covariance
    assert frechet_distance(normal(9, 20), normal(9, 20)) == pytest.approx(0, abs=1e-5)


def test_the_measures_return_plain_numbers_for_float32_and_leave_its_digits():
    x, y = normal(60, 3).float() + 1_000, normal(60, 3, seed=1).float() + 1_000
    found = frechet_distance(x, y)
    assert type(found) is float and found == pytest.approx(frechet_distance(x.double(), y.double()), rel=1e-9)
    assert x.requires_grad_() is x and frechet_distance(x, y) == found


# ---- kernel ---------------------------------------------------------------------------------------------------------


def test_the_kernel_distance_of_whole_sets_agrees_with_a_loop():
    x, y = normal(12, 3), normal(12, 3, seed=1) + 0.5

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / 3 + 1) ** 3

    pairs = [(i, j) for i in range(12) for j in range(12)]
    own = sum(kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs if i != j) / (12 * 11)
    expected = own - 2 * sum(kernel(x[i], y[j]) for i, j in pairs) / 144
    found = kernel_distance(x, y, subsets=2, subset_size=12)
    assert found.mean == pytest.approx(expected) and found.std == pytest.approx(0, abs=1e-9)


def test_the_kernel_distance_of_equal_distributions_is_zero_on_average_however_few():
    values = torch.tensor(
        [kernel_distance(normal(20, 4, seed=2 * s), normal(20, 4, seed=2 * s + 1), 20, 10).mean for s in range(150)]
    )
    error = values.std().item() / math.sqrt(len(values))
    assert abs(values.mean().item()) < 3 * error and values.min() < 0  # unbiased: it falls below 0
    moved = [kernel_distance(normal(20, 4, seed=2 * s), normal(20, 4, seed=2 * s + 1) + 1, 20, 10).mean for s in (0, 1)]
    assert min(moved) > 20 * error


def test_subsets_come_from_the_seed_and_the_global_generator_is_left_alone():
    x, y = normal(80, 3), normal(80, 3, seed=1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = kernel_distance(x, y, subsets=5, subset_size=20)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert kernel_distance(x, y, subsets=5, subset_size=20) == first
    assert kernel_distance(x, y, subsets=5, subset_size=20, seed=1) != first
    assert isinstance(first, KernelDistance) and first.std > 0


def test_no_warning_reaches_the_reader():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(normal(5, 2), normal(5, 2))
        kernel_distance(normal(5, 2), normal(5, 2), 2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: frechet_distance(x[:1], x), "^real must be .* with N of at least 2"),
        (lambda x: frechet_distance(x, x[:1]), "^fake must be .* with N of at least 2"),
        (lambda x: frechet_distance(x.view(8, 1, 2, 2), x), r"^real must be features of shape \(N, D\)"),
        (lambda x: frechet_distance(x, x[:, :3]), "^fake must have as many features as real, 4, got 3"),
        (lambda x: frechet_distance(x, x * math.nan), "^fake must be finite"),
        (lambda x: frechet_distance(x.long(), x), "^real must be a floating-point tensor"),
        (lambda x: kernel_distance(x, x), "^real must be .* with N of at least 100"),
        (lambda x: kernel_distance(x, x[:3], 5, 4), "^fake must be .* with N of at least 4"),
        (lambda x: kernel_distance(x, x, 0, 4), "^subsets must"),
        (lambda x: kernel_distance(x, x, 5, 1), "^subset_size must be a whole number of at least 2"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(normal(8, 4))


# ---- energy ---------------------------------------------------------------------------------------------------------


def test_the_energy_distance_agrees_with_a_loop_and_is_symmetric():
    x, y = normal(7, 3), normal(9, 3, seed=1) + 0.5

    def mean(a, b, same=False):
        values = [(p - q).norm().item() for i, p in enumerate(a) for j, q in enumerate(b) if not (same and i == j)]
        return sum(values) / len(values)

    found = energy_distance(x, y)
    assert found == pytest.approx(2 * mean(x, y) - mean(x, x, same=True) - mean(y, y, same=True))
    assert type(found) is float and energy_distance(y, x) == pytest.approx(found)


def test_the_energy_distance_of_two_single_places_is_twice_their_distance():
    here, there = torch.tensor([[0.0, 0.0]]).repeat(5, 1), torch.tensor([[3.0, 4.0]]).repeat(8, 1)
    assert energy_distance(here, there) == pytest.approx(10) and energy_distance(here, here) == 0


def test_the_energy_distance_in_one_dimension_is_twice_the_integral_of_the_squared_difference_of_functions():
    """Of two normals: sum |x - y| has a closed form; of the distribution functions a fine sum."""
    axis = torch.linspace(-12, 12, 40_001, dtype=torch.float64)
    f, g = (torch.distributions.Normal(m, s).cdf(axis) for m, s in ((0.0, 1.0), (1.0, 2.0)))
    expected = 2 * (f - g).square().sum().item() * (axis[1] - axis[0]).item()
    halves = torch.arange(0.5, 2_000, dtype=torch.float64).div(2_000)[:, None]
    x, y = (torch.distributions.Normal(m, s).icdf(halves) for m, s in ((0.0, 1.0), (1.0, 2.0)))
    assert energy_distance(x, y) == pytest.approx(expected, abs=0.005)
    assert expected > 0.2


def test_the_energy_distance_of_equal_distributions_is_zero_on_average_however_few():
    for n in (4, 40):
        pairs = range(0, 400, 2)
        values = torch.tensor([energy_distance(normal(n, 2, seed=s), normal(n, 2, seed=s + 1)) for s in pairs])
        assert abs(values.mean().item()) < 3 * values.std().item() / math.sqrt(len(values)) and values.min() < 0


def test_the_energy_distance_scales_with_its_points_and_forgets_where_they_are_and_how_they_are_turned():
    x, y = normal(40, 2), normal(30, 2, seed=1) * 1.5
    turned = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    assert energy_distance(3 * x @ turned + 7, 3 * y @ turned + 7) == pytest.approx(3 * energy_distance(x, y))
    assert energy_distance(x.view(40, 1, 2, 1), y.view(30, 1, 2, 1)) == energy_distance(x, y)


def test_the_energy_distance_sees_shapes_that_mean_and_covariance_do_not_tell_apart():
    circle = normal(2_000, 2)
    circle = math.sqrt(2) * circle / circle.norm(dim=1, keepdim=True)
    assert frechet_distance(normal(2_000, 2, seed=1), circle) < 0.01
    assert energy_distance(normal(2_000, 2, seed=1), circle) > 0.02
    assert abs(energy_distance(normal(2_000, 2, seed=1), normal(2_000, 2, seed=2))) < 0.005


def test_many_points_are_taken_in_parts_without_a_difference():
    x, y = normal(1_500, 1), normal(1_100, 1, seed=1)
    both = torch.cat([x, y])[:, 0].sort().values  # in one dimension the sums need no matrix
    f, g = (torch.searchsorted(z[:, 0].sort().values, both, right=True) / len(z) for z in (x, y))
    biased = 2 * ((f - g).square()[:-1] * both.diff()).sum().item()
    own = [torch.cdist(z, z).mean().item() / (len(z) - 1) for z in (x, y)]
    assert energy_distance(x, y) == pytest.approx(biased - sum(own), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: energy_distance(x[:1], x), "^x must be .* with N of at least 2"),
        (lambda x: energy_distance(x, x[:1]), "^y must be .* with N of at least 2"),
        (lambda x: energy_distance(x, x[:, :3]), "^y must have the shape of x after the first dimension"),
        (lambda x: energy_distance(x, x * math.inf), "^y must be finite"),
        (lambda x: energy_distance(x[0], x), "^x must be a floating-point tensor"),
    ],
)
def test_points_that_cannot_be_compared_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(normal(8, 4))


# ---- Parzen ---------------------------------------------------------------------------------------------------------


def test_windows_make_a_density():
    samples = normal(7, 1, 2, 1)  # pictures of two pixels
    axis = torch.linspace(-8, 8, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).view(-1, 1, 2, 1)
    total = parzen_log_likelihood(grid, samples, 0.3).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-6)


def test_windows_agree_with_a_loop_over_bells():
    x, samples, std = normal(5, 3), normal(9, 3, seed=1), 0.7
    for value, point in zip(parzen_log_likelihood(x, samples, std), x, strict=True):
        bells = [math.exp(torch.distributions.Normal(s, std).log_prob(point).sum()) for s in samples]
        assert value.item() == pytest.approx(math.log(sum(bells) / 9))


def test_a_picture_far_from_all_samples_has_a_finite_log_likelihood():
    assert parzen_log_likelihood(torch.full((1, 2), 1e3), torch.zeros(3, 2), 0.1).item() == pytest.approx(
        -2e6 / 0.02 - math.log(2 * math.pi * 0.01), rel=1e-9
    )


def test_many_pictures_are_taken_in_parts_without_a_difference():
    x, samples = normal(2_500, 2), normal(30, 2, seed=1)
    whole = parzen_log_likelihood(x, samples, 0.5)
    torch.testing.assert_close(whole[[0, 1_100, 2_499]], parzen_log_likelihood(x[[0, 1_100, 2_499]], samples, 0.5))


@pytest.mark.parametrize("std", [0, -1.0, math.nan, "0.1"])
def test_windows_without_a_width_are_refused(std):
    with pytest.raises(ValueError, match="^std must be a finite number above 0"):
        parzen_log_likelihood(normal(2, 2), normal(2, 2), std)


def test_windows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"^samples must have the shape of x after the first dimension, \(2,\), got"):
        parzen_log_likelihood(normal(2, 2), normal(2, 3), 0.1)
