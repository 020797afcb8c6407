import copy
import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from course_utils.models import FlowMatching
from course_utils.models.dequantise import dequantise
from course_utils.models.flow_matching import METHODS, solve

MEAN = torch.tensor([0.5, -0.3], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)
EXACT = MultivariateNormal(MEAN, COVARIANCE)


class ExactVelocity(FlowMatching):
    """E[x - z | x_t] of data that are Gaussian: mean + (t S - (1 - t) I) (t^2 S + (1 - t)^2 I)^-1 (x_t - t mean)."""

    def velocity(self, x_t, t):
        t = t[:, None, None]
        eye = torch.eye(2, dtype=torch.float64)
        around = torch.linalg.solve(t**2 * COVARIANCE + (1 - t) ** 2 * eye, (x_t - t[..., 0] * MEAN).unsqueeze(-1))
        return MEAN + ((t * COVARIANCE - (1 - t) * eye) @ around).squeeze(-1)


def tiny(shape=(1, 2, 2), hidden=(16,), channels=(), levels=None, seed=0):
    """A small model whose velocity is not zero."""
    torch.manual_seed(seed)
    model = FlowMatching(shape, hidden, channels, levels=levels).double()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def grey(n, levels=5, shape=(1, 2, 2), seed=0):
    k = torch.randint(levels, (n, *shape), generator=torch.Generator().manual_seed(seed))
    return k.double() / (levels - 1)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = FlowMatching((2,), (64, 64))
    steps = 1_000
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for x in EXACT.sample((steps, 256)).float():
        loss = model.matching_loss(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


# The density


@pytest.mark.parametrize(
    ("shape", "hidden", "channels"), [((3,), (16,), ()), ((2, 3, 2), (8, 8), ()), ((1, 4, 4), (), (4, 8))]
)
def test_the_trace_is_that_of_autograds_jacobian(shape, hidden, channels, monkeypatch):
    model = tiny(shape, hidden, channels)
    x, t = torch.randn(5, *shape, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.velocity(x, t).sum(0), x)  # (*shape, B, *shape)
    size = math.prod(shape)
    expected = jacobian.movedim(len(shape), 0).reshape(5, size, size).diagonal(dim1=1, dim2=2).sum(1)
    assert expected.abs().min() > 1e-3
    v, trace = model.divergence(x, t)
    torch.testing.assert_close(trace, expected)
    torch.testing.assert_close(v, model.velocity(x, t))
    monkeypatch.setattr("course_utils.models.flow_matching.MOST_NUMBERS", {"cpu": 2 * size**2, "accelerator": 1})
    torch.testing.assert_close(model.divergence(x, t)[1], expected)  # in portions of two


def every_sign(size):
    """All 2^D probes of signs, (2^D, D): their mean is an expectation, without chance."""
    return torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * size)


@pytest.mark.parametrize(
    ("shape", "hidden", "channels"), [((3,), (16,), ()), ((2, 3, 1), (8, 8), ()), ((1, 2, 4), (), (4, 8))]
)
def test_an_estimate_is_the_jacobian_between_its_probe_and_their_mean_is_the_trace(
    shape, hidden, channels, monkeypatch
):
    model, size = tiny(shape, hidden, channels), math.prod(shape)
    x, t = torch.randn(3, *shape, dtype=torch.float64), torch.rand(3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.velocity(x, t).sum(0), x)  # (*shape, B, *shape)
    jacobian = jacobian.movedim(len(shape), 0).reshape(3, size, size)
    probes = torch.randn(2, 3, *shape, dtype=torch.float64)  # of any kind
    between = torch.einsum("kbi,bij,kbj->kb", probes.flatten(2), jacobian, probes.flatten(2))
    for most in (2**18, 2 * size):  # at once, and in portions of two
        monkeypatch.setattr("course_utils.models.flow_matching.MOST_NUMBERS", {"cpu": most, "accelerator": 1})
        v, estimate = model.estimated_divergence(x, t, probes)
        torch.testing.assert_close(estimate, between.mean(0))
        torch.testing.assert_close(v, model.velocity(x, t))
    signs = every_sign(size).view(-1, 1, *shape).expand(-1, 3, *shape)
    torch.testing.assert_close(model.estimated_divergence(x, t, signs)[1], jacobian.diagonal(0, 1, 2).sum(1))
    assert (between[0] - jacobian.diagonal(0, 1, 2).sum(1)).abs().min() > 1e-3


def test_gradients_of_the_estimate_are_on_average_those_of_the_trace():
    model = tiny((2, 2, 1), (8,))
    x, t = torch.randn(2, 2, 2, 1, dtype=torch.float64), torch.tensor([0.3, 0.9]).double()
    signs = every_sign(4).view(16, 1, 2, 2, 1).expand(16, 2, 2, 2, 1)
    parameters = list(model.parameters())[:-1]  # the last bias has no part in a slope
    grads = [
        torch.autograd.grad(trace.square().sum(), parameters)
        for trace in (model.estimated_divergence(x, t, signs)[1], model.divergence(x, t)[1])
    ]
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected)
    assert all(grad.abs().max() > 0 for grad in grads[0])


@torch.no_grad()
def test_an_estimated_density_is_the_exact_one_plus_or_minus_what_the_field_mixes():
    """On the plane e . (integral of dv / dx) e = trace + 2 e_1 e_2 S_12: with one probe for all of the path two values.

    v of Gaussian data is linear, so S_12 is the same for every x, an integral over t alone.
    """
    model, x = ExactVelocity((2,)).double(), EXACT.sample((2_000,))
    t = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    at = [model.velocity(point.expand(10_001, 2), t) for point in torch.eye(3, 2, dtype=torch.float64)]
    mixed = torch.trapezoid(0.5 * ((at[0] - at[2])[:, 1] + (at[1] - at[2])[:, 0]), t).item()
    error = model.log_density(x, probes=1) - model.log_density(x)
    torch.testing.assert_close(error.abs(), torch.full_like(error, 2 * abs(mixed)), rtol=1e-3, atol=1e-5)
    assert abs(mixed) > 0.1
    # signs of its own for each x: as many above as below
    assert abs((error > 0).double().mean().item() - 0.5) < 4 * 0.5 / 2_000**0.5
    several = model.log_density(x, probes=8) - model.log_density(x)
    assert several.std().item() == pytest.approx(2 * abs(mixed) / 8**0.5, rel=0.1)
    assert abs(several.mean().item()) < 4 * several.std().item() / 2_000**0.5


@torch.no_grad()
@pytest.mark.parametrize(
    ("shape", "hidden", "channels"), [((3,), (16,), ()), ((2, 2, 2), (8,), ()), ((1, 4, 4), (), (4, 8))]
)
def test_estimates_of_one_picture_scatter_around_its_exact_density(shape, hidden, channels):
    model, n = tiny(shape, hidden, channels), 500
    x = torch.rand(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = model.log_density(x, 3, "heun")
    found = model.log_density(x.expand(n, *shape), 3, "heun", probes=1, generator=torch.Generator().manual_seed(0))
    assert abs(found.mean() - exact) < 4 * found.std() / n**0.5
    assert found.std() > 0.01
    one, two = (model.log_prob(x, 3, probes=4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert torch.equal(one, model.log_prob(x, 3, probes=4, generator=torch.Generator().manual_seed(0))) and one != two
    torch.manual_seed(0)
    torch.testing.assert_close(model.log_prob(x, 3, probes=4), one)


class Apart(FlowMatching):
    """A field whose values do not act on one another."""

    def velocity(self, x_t, t):
        return torch.sin((1 + torch.arange(x_t[0].numel()).view(self.shape)) * x_t) * t.view(-1, *[1] * (x_t.ndim - 1))


@torch.no_grad()
def test_where_no_value_acts_on_another_signs_give_the_exact_trace():
    model = Apart((1, 2, 3)).double()
    x = torch.rand(20, 1, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(model.log_density(x, probes=1), model.log_density(x))


@torch.no_grad()
def test_with_levels_the_estimate_is_that_of_the_same_noise():
    model, x = tiny(levels=5), grey(6)
    g = torch.Generator().manual_seed(3)
    y = dequantise(x, 5, generator=g)
    expected = model.log_density(y, 3, probes=2, generator=g) - 4 * math.log(5)
    found = model.log_prob(x, 3, probes=2, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
@pytest.mark.parametrize("probes", [None, 2])
def test_layout_and_precision_of_a_net_do_not_change_its_density(probes):
    torch.manual_seed(0)
    model = FlowMatching((2, 4, 4), (8,), (4, 8))
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    x = torch.rand(3, 2, 4, 4)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    turned = x.to(memory_format=torch.channels_last)

    def density(model, x):
        return model.log_prob(x, 4, probes=probes, generator=torch.Generator().manual_seed(0))

    expected = density(model, x)
    for net, pictures in ((model, turned), (last, x), (last, turned)):
        torch.testing.assert_close(density(net, pictures), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(density(model.bfloat16(), x.bfloat16()), expected, rtol=0.1, atol=0.5)


def test_with_the_exact_velocity_the_density_is_exact():
    model, x = ExactVelocity((2,)).double(), EXACT.sample((200,))
    for steps, method, tolerance in [(10, "rk4", 1e-3), (20, "rk4", 1e-4), (80, "heun", 2e-3)]:
        error = (model.log_density(x, steps, method) - EXACT.log_prob(x)).abs().max()
        assert error < tolerance
    assert (model.log_density(x, 5, "euler") - EXACT.log_prob(x)).abs().max() > 1  # too few steps bound nothing
    torch.testing.assert_close(model.log_prob(x, 20), model.log_density(x, 20))
    torch.testing.assert_close(model(x), model.log_density(x))


@torch.no_grad()
def test_a_trained_net_agrees_with_the_density_of_a_gaussian(trained):
    x = EXACT.sample((2_000,))
    difference = trained.log_density(x.float()) - EXACT.log_prob(x)
    assert abs(difference.mean().item()) < 0.05
    assert difference.abs().mean() < 0.1
    drawn = trained.sample(20_000).double()
    torch.testing.assert_close(drawn.mean(0), MEAN, rtol=0, atol=0.06)
    torch.testing.assert_close(drawn.T.cov(), COVARIANCE, rtol=0, atol=0.08)


@torch.no_grad()
def test_a_trained_density_integrates_to_one_and_with_few_steps_it_does_not(trained):
    axis = torch.linspace(-6, 6, 81)
    grid = torch.cartesian_prod(axis, axis)
    cell = (axis[1] - axis[0]).item() ** 2
    assert trained.log_density(grid, 10).exp().sum().item() * cell == pytest.approx(1, abs=1e-3)
    assert abs(trained.log_density(grid, 2, "euler").exp().sum().item() * cell - 1) > 0.05


def test_density_of_pictures_is_one_of_values_from_0_to_1():
    """The same network: 2^D times the density of the point on [-1, 1] that the picture stands for."""
    pictures, points = tiny((1, 1, 2)), tiny((2,))
    points.load_state_dict(pictures.state_dict())
    x = torch.rand(5, 1, 1, 2, dtype=torch.float64)
    expected = points.log_density((2 * x - 1).flatten(1)) + 2 * math.log(2)
    torch.testing.assert_close(pictures.log_density(x), expected)


def test_with_levels_it_is_the_bound_by_dequantisation():
    """A field of zero leaves N(0, I) on [-1, 1]: P of a level is that Gaussian's mass on its bin, the bound below it.

    E_u log p(y) - D log L in closed form: log 2 - log L - 1/2 log 2 pi - 1/2 E[(2 y - 1)^2] for each value.
    """
    model = FlowMatching((1, 1, 2), (), levels=5).double()
    x = grey(1, shape=(1, 1, 2))
    torch.manual_seed(0)
    with torch.no_grad():
        draws = model.log_prob(x.expand(4_000, 1, 1, 2), 1)
        tight = model.log_prob(x.expand(40, 1, 1, 2), 1, samples=100)
    low = 2 * (4 * x / 5) - 1  # the bin's edges on [-1, 1]
    high = low + 2 / 5
    square = (high**3 - low**3) / 3 / (high - low)
    bound = (math.log(2) - math.log(5) - 0.5 * math.log(2 * math.pi) - 0.5 * square).sum().item()
    normal = torch.distributions.Normal(0.0, 1.0)
    exact = (normal.cdf(high) - normal.cdf(low)).log().sum().item()
    assert draws.mean().item() == pytest.approx(bound, abs=4 * draws.std().item() / 63)
    assert bound < exact - 1e-3
    assert tight.mean().item() == pytest.approx(exact, abs=4 * tight.std().item() / 6.3)


# The objective


def test_the_best_velocity_is_the_mean_of_x_minus_z_among_all_pairs_that_meet_there():
    """For three points as data, E[x - z | x_t] by Bayes' rule in closed form against pairs that pass close by."""
    points = torch.tensor([[-1.0], [0.2], [1.5]], dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    x = points[torch.randint(3, (2_000_000,), generator=g)]
    z = torch.randn(2_000_000, 1, generator=g, dtype=torch.float64)
    for t in (0.2, 0.5, 0.7):
        at = torch.tensor(0.4, dtype=torch.float64)
        near = ((1 - t) * z + t * x - at).abs().flatten() < 0.01
        pairs = (x - z)[near]
        weight = (-0.5 * ((at - t * points) / (1 - t)) ** 2).softmax(0)
        expected = (weight * (points - (at - t * points) / (1 - t))).sum()
        assert near.sum() > 5_000
        assert abs(pairs.mean() - expected) < 4 * pairs.std() / near.sum().sqrt() + 0.02


def test_the_loss_is_least_for_the_conditional_expectation():
    """With the exact velocity what remains is the variance of x - z given x_t, known for a Gaussian; any other adds."""
    right = ExactVelocity((2,)).double()
    torch.manual_seed(0)
    x = EXACT.sample((40_000,))
    t = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    spread = torch.linalg.eigvalsh(COVARIANCE)[:, None]
    # Var(x - z) - Cov(x - z, x_t)^2 / Var(x_t), in each direction
    remains = spread + 1 - (t * spread - (1 - t)) ** 2 / (t**2 * spread + (1 - t) ** 2)
    least = torch.trapezoid(remains.sum(0), t).item()
    losses = right.matching_loss(x)
    assert losses.shape == (40_000,)
    assert losses.mean().item() == pytest.approx(least, rel=0.02)
    exact = right.velocity
    right.velocity = lambda x_t, t: exact(x_t, t) + 0.5
    assert right.matching_loss(x).mean().item() == pytest.approx(least + 2 * 0.25, rel=0.02)
    right.velocity = lambda x_t, t: torch.zeros_like(x_t)
    everything = (COVARIANCE.trace() + 2 + MEAN @ MEAN).item()  # E |x - z|^2
    assert right.matching_loss(x).mean().item() == pytest.approx(everything, rel=0.02)


def test_with_levels_the_flow_is_trained_on_values_spread_over_their_bins():
    """With a field of zero the loss is E|x - z|^2, which has the noise of the bins in it."""
    model = FlowMatching((1, 2, 2), (), levels=3).double()
    torch.manual_seed(0)
    x = torch.full((40_000, 1, 2, 2), 0.5, dtype=torch.float64)  # the middle bin, -1/3 ... 1/3 on [-1, 1]
    assert model.matching_loss(x).mean().item() == pytest.approx(4 * (1 + (2 / 3) ** 2 / 12), rel=0.01)


def test_losses_reach_every_parameter():
    model = tiny(levels=5)
    model(grey(32), "matching_loss").sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


# The equation


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_methods_have_their_order(method, order):
    """ds/dt = t s from 1 at t = 0 to 1: exp(1/2). Half the step, and the error falls by 2^order."""
    one = torch.ones(1, 1, dtype=torch.float64)

    def error(steps):
        return abs(solve(lambda s, t: t[:, None] * s, one, 0.0, 1.0, steps, method).item() - math.exp(0.5))

    assert error(20) / error(40) == pytest.approx(2**order, rel=0.15)
    assert set(METHODS) == {"euler", "heun", "rk4"}


@pytest.mark.parametrize(("steps", "method"), [(200, "euler"), (30, "heun"), (8, "rk4")])
def test_the_exact_velocity_carries_noise_to_the_gaussian(steps, method):
    model = ExactVelocity((2,)).double()
    x = model.sample(40_000, steps, method, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), MEAN, rtol=0, atol=0.03)
    torch.testing.assert_close(x.T.cov(), COVARIANCE, rtol=0, atol=0.03)


def test_samples_are_where_the_equation_leads_and_back_again():
    model = tiny((2,))
    z = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # The fastest wave of time has a period of 1/32, and a field that is not trained follows it
    x = model.sample(7, 300, "rk4", generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(solve(model.velocity, x, 1.0, 0.0, 300, "rk4"), z, rtol=1e-5, atol=1e-5)
    assert (x - z).abs().max() > 0.1


def test_samples_with_levels_are_rounded_down():
    model = FlowMatching((1, 2, 2), (), levels=5).double()  # a field of zero: noise stays where it is
    x = model.sample(500, 1, generator=torch.Generator().manual_seed(0))
    z = torch.randn(500, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(x, ((z + 1) / 2 * 5).floor().clamp(0, 4) / 4)


# What surrounds it


def test_nothing_to_do_for_an_empty_batch():
    model = tiny(levels=5)
    empty = torch.empty(0, 1, 2, 2, dtype=torch.float64)
    assert model.matching_loss(empty).shape == model.log_density(empty, 2).shape == (0,)
    assert model.log_prob(empty, 2, probes=1).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"shape": (0,)}, "shape"),
        ({"shape": (2,), "levels": 5}, "levels"),
        ({"shape": (1, 2, 2), "levels": 1}, "levels"),
        ({"shape": (2,), "channels": (4,)}, "shape"),
        ({"shape": (2,), "hidden": (0,)}, "hidden"),
    ],
)
def test_bad_sizes_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        FlowMatching(**arguments)


def test_bad_input_is_named():
    model = tiny(levels=5)
    for method in (model.log_prob, model.matching_loss):
        for x in (grey(2) + 0.1, grey(2, shape=(1, 2, 3)), grey(2).float(), torch.zeros(2, 1, 2, 2).long(), None):
            with pytest.raises(ValueError, match="^x must"):
                method(x)
    for x in (grey(2) * math.nan, grey(2, shape=(2,)), None):
        with pytest.raises(ValueError, match="^x must"):
            model.log_density(x)
    x = grey(2)
    with pytest.raises(ValueError, match="^x_t must"):
        model.velocity(x[:, :, :1], torch.zeros(2).double())
    for t in (torch.zeros(3).double(), torch.tensor([0, 1]), 0.5):
        with pytest.raises(ValueError, match="^t must"):
            model.velocity(x, t)
    for t, got in ((torch.tensor([0.5, 1.5]), "0.5 ... 1.5"), (torch.tensor([-1.0, 0.0]), "-1 ... 0")):
        with pytest.raises(ValueError, match=rf"^t must be in \[0, 1\], got {got}"):
            model.velocity(x, t.double())
    assert model.velocity(x, torch.tensor([0.0, 1.0]).double()).shape == x.shape
    for call in (
        lambda: model.velocity(x.float(), torch.zeros(2)),
        lambda: model.divergence(x.float(), torch.zeros(2)),
    ):
        with pytest.raises(
            ValueError, match="^x_t must be torch.float64, as the model's parameters are, got torch.float32"
        ):
            call()
    # by velocity, which a subclass may replace by an exact field in another type
    with pytest.raises(ValueError, match="^x_t must be torch.float64"):
        model.log_density(x.float())
    for arguments, name in [((0,), "n"), ((2, 0), "steps"), ((2, 3, "midpoint"), "method")]:
        with pytest.raises(ValueError, match=f"^{name} must"):
            model.sample(*arguments)
    for arguments, name in [((x, 0), "steps"), ((x, 3, "midpoint"), "method")]:
        with pytest.raises(ValueError, match=f"^{name} must"):
            model.log_density(*arguments)
    with pytest.raises(ValueError, match="^samples must"):
        model.log_prob(x, 1, samples=0)
    for probes in (0, -1, 1.5, "exact"):
        for method in (model.log_prob, model.log_density):
            with pytest.raises(ValueError, match="^probes must be a whole number of at least 1, got"):
                method(x, 1, probes=probes)
    with pytest.raises(ValueError, match="^samples must be 1 where probes estimate the trace, .* got 4"):
        model.log_prob(x, 1, 4, probes=1)
    times = torch.zeros(2).double()
    for probes in (torch.ones_like(x), torch.ones(0, *x.shape), torch.ones(3, 1, 1, 2, 2), None):
        with pytest.raises(ValueError, match=r"^probes must be a float tensor of shape \(K, 2, 1, 2, 2\), got"):
            model.estimated_divergence(x, times, probes)
