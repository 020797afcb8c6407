import math

import pytest
import torch
from sklearn.datasets import make_moons

from course_utils.data import GaussianMixture2D, grid, ring, spiral, two_moons

DENSITIES = {"ring": ring(), "grid": grid(), "spiral": spiral(), "one arm": spiral(arms=1), "moons": two_moons()}


def integral(density, low, high, cells):
    """Midpoint rule on a square grid, in float64."""
    axis = low + (high - low) * (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    total = sum(density.log_prob(torch.cartesian_prod(part, axis)).exp().sum().item() for part in axis.split(200))
    return total * ((high - low) / cells) ** 2


def test_ring_integrates_to_one():
    assert integral(ring(), -1.5, 1.5, cells=600) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("name", "reach", "cells"), [("grid", 5, 400), ("spiral", 4, 200), ("moons", 2.5, 200)])
def test_others_integrate_to_one(name, reach, cells):
    assert integral(DENSITIES[name], -reach, reach, cells) == pytest.approx(1, abs=1e-4)


def test_ring_has_eight_distinct_evenly_spaced_centres():
    centres = ring().centres
    distance = torch.cdist(centres, centres) + 10 * torch.eye(8)
    assert centres.shape == (8, 2)
    torch.testing.assert_close(distance.min(1).values, torch.full((8,), 2 * math.sin(math.pi / 8)))
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(8))


def test_grid_centres_are_those_of_the_published_protocol():
    centres = {tuple(c) for c in grid().centres.tolist()}
    assert centres == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert grid().std == 0.05 and ring().std == 0.01


def test_spiral_runs_from_radius_one_to_three_in_equal_steps():
    density = spiral()
    radius = density.centres.norm(dim=1)
    assert radius.min() == pytest.approx(1) and radius.max() == pytest.approx(3)
    first, second = density.centres.split(100)
    torch.testing.assert_close(first, -second)  # two arms: half a turn apart
    step = first.diff(dim=0).norm(dim=1)
    assert step.max() / step.min() < 1.01


@pytest.mark.parametrize("components", [2, 3, 50])
def test_moons_are_scikit_learns_about_the_origin(components):
    expected, label = make_moons((components, components), shuffle=False, noise=None)
    expected -= [0.5, 0.25]  # the point half a turn about which exchanges the two
    centres = two_moons(components, std=0.3).centres
    for moon, k in zip(centres.split(components), (0, 1), strict=True):
        torch.testing.assert_close(moon, torch.from_numpy(expected[label == k]).float(), rtol=0, atol=1e-6)
    assert two_moons().std == 0.1 and len(two_moons().centres) == 100


@pytest.mark.parametrize("name", DENSITIES)
def test_samples_follow_the_density(name):
    """Mean of log p over samples equals the negative entropy by quadrature; and every component has its share."""
    density = DENSITIES[name]
    x = density.sample(40_000, torch.Generator().manual_seed(1))
    assert x.dtype == torch.float32 and x.shape == (40_000, 2)
    nearest = torch.cdist(x, density.centres).argmin(1)
    if name in ("ring", "grid"):  # components that do not overlap
        count = torch.bincount(nearest, minlength=len(density.centres))
        share = 40_000 / len(density.centres)
        assert (count - share).abs().max() < 5 * math.sqrt(share)
        # Within three standard deviations lies 1 - exp(-9/2) of a Gaussian in the plane.
        good = ((x - density.centres[nearest]).norm(dim=1) < 3 * density.std).float().mean().item()
        assert good == pytest.approx(1 - math.exp(-4.5), abs=0.003)
        # Entropy of separate components: log K + log(2 pi e std^2).
        entropy = math.log(len(density.centres)) + math.log(2 * math.pi * math.e * density.std**2)
    else:
        axis = torch.linspace(-4, 4, 300, dtype=torch.float64)
        log_p = density.log_prob(torch.cartesian_prod(axis, axis))
        entropy = -(log_p.exp() * log_p).nan_to_num().sum().item() * (8 / 299) ** 2
    log_p = density.log_prob(x)
    standard_error = log_p.std().item() / math.sqrt(len(x))
    assert -log_p.mean().item() == pytest.approx(entropy, abs=5 * standard_error)


def test_log_prob_equals_torch_distributions():
    density = two_moons()
    parts = torch.distributions.MultivariateNormal(density.centres.double(), density.std**2 * torch.eye(2).double())
    weights = torch.distributions.Categorical(torch.ones(len(density.centres)).double())
    reference = torch.distributions.MixtureSameFamily(weights, parts)
    x = 3 * torch.randn(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(density.log_prob(x), reference.log_prob(x))


def test_log_prob_keeps_type_shape_and_gradient():
    x = torch.zeros(3, 4, 2, dtype=torch.float64, requires_grad=True)
    y = ring().log_prob(x)
    assert y.shape == (3, 4) and y.dtype == torch.float64
    assert ring().log_prob(torch.zeros(0, 2)).shape == (0,)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.isfinite().all()


def test_sampling_is_decided_by_the_generator_or_the_global_seed():
    before = torch.get_rng_state()
    a, b = (ring().sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    c = ring().sample(5)
    torch.manual_seed(7)
    assert torch.equal(c, ring().sample(5))


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: ring(modes=0), "modes"),
        (lambda: ring(radius=-1.0), "radius"),
        (lambda: ring(std=0.0), "std"),
        (lambda: grid(side=0), "side"),
        (lambda: grid(spacing=float("nan")), "spacing"),
        (lambda: spiral(arms=0), "arms"),
        (lambda: spiral(components=1), "components"),
        (lambda: spiral(turns=0), "turns"),
        (lambda: two_moons(components=1), "components"),
        (lambda: GaussianMixture2D(torch.zeros(3, 3), 1.0), "centres"),
        (lambda: GaussianMixture2D("centres", 1.0), "centres"),
        (lambda: ring().sample(-1), "n"),
        (lambda: ring().log_prob(torch.zeros(3, 3)), "x"),
        (lambda: ring().log_prob(torch.zeros(3, 2, dtype=torch.int64)), "x"),
    ],
)
def test_bad_input_is_named(make, argument):
    with pytest.raises(ValueError, match=rf"^{argument} must"):
        make()
