"""The case where losses must differ (benchmarks/bumps.py): its theory against independent computations."""

import bumps
import pytest
import torch

from course_utils import divergences

GRID = torch.linspace(-12, 12, 4_801, dtype=torch.float64)
STEP = GRID[1] - GRID[0]


def slope(game, theta, s):
    moving = torch.tensor([theta, s], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(bumps.cost(game, moving, bumps.exact()), moving)[0]


def slope_of(divergence, theta, s):
    moving = torch.tensor([theta, s], dtype=torch.float64, requires_grad=True)
    p, q = bumps.density(GRID) * STEP, bumps.normal(GRID, *moving) * STEP
    return torch.autograd.grad(divergence(p, q), moving)[0]


def reverse_of_mixture(p, q):
    m = (p + q) / 2
    return 2 * (m * (m / p).log()).sum()


@pytest.mark.parametrize("theta, s", [(-1.0, 0.8), (0.5, 1.5), (1.2, 0.6)])
@pytest.mark.parametrize(
    "game, divergence",
    [
        ("minimax", lambda p, q: 2 * divergences.jsd(p, q)),
        ("non_saturating", reverse_of_mixture),
        ("maximum_likelihood", divergences.kl),
        ("hinge", lambda p, q: (p - q).abs().sum()),
    ],
)
def test_each_game_follows_its_divergence(game, divergence, theta, s):
    assert torch.allclose(slope(game, theta, s), slope_of(divergence, theta, s), atol=2e-3, rtol=2e-3)


def test_wasserstein_follows_the_area_between_the_distribution_functions():
    theta, s = 0.5, 1.5

    def area(theta, s):
        f = sum(w * torch.special.ndtr((GRID - m) / bumps.STD) for w, m in zip(bumps.WEIGHTS, bumps.MEANS, strict=True))
        return (f - torch.special.ndtr((GRID - theta) / s)).abs().sum() * STEP

    h = 1e-3
    by_theta = (area(theta + h, s) - area(theta - h, s)) / (2 * h)
    by_s = (area(theta, s + h) - area(theta, s - h)) / (2 * h)
    assert torch.allclose(slope("wasserstein", theta, s), torch.stack([by_theta, by_s]), atol=5e-3)


def test_the_relativistic_logit_is_where_its_loss_has_no_slope():
    grid = torch.linspace(-8, 8, 161, dtype=torch.float64)
    f = bumps.relativistic_logit(grid, 0.2, 1.3, 0 * grid)
    p, q = (v / v.sum() for v in (bumps.density(grid), bumps.normal(grid, 0.2, 1.3)))
    push = torch.sigmoid(f[None] - f[:, None])  # of softplus(f(y) - f(x))
    left = (q * (p[:, None] * push).sum(0)) - p * (push * q).sum(1)
    assert left.abs().max() < 0.01 * (p - q).abs().max() / 2  # what it is at f = 0
    likely = p + q > 1e-4
    assert torch.corrcoef(torch.stack([f[likely], (p / q).log()[likely]]))[0, 1] > 0.9


def test_the_data_have_the_quantiles_of_their_density():
    x = bumps.data_quantiles(4_000)
    assert x.mean().item() == pytest.approx(0.3 * -2 + 0.7 * 1, abs=1e-3)
    below = (bumps.density(GRID) * STEP)[GRID < -0.5].sum().item()
    assert (x < -0.5).double().mean().item() == pytest.approx(below, abs=2e-3)


def test_covering_losses_end_wide_and_the_others_do_not():
    ends = {game: bumps.predict(game, steps=1_500)["end"] for game in ("maximum_likelihood", "least_squares")}
    x = bumps.data_quantiles(4_000)
    assert ends["maximum_likelihood"] == pytest.approx([x.mean().item(), x.std().item()], abs=0.01)
    assert ends["least_squares"][0] < -1.8 and ends["least_squares"][1] < 0.9
