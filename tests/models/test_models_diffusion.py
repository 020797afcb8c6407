import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from course_utils.distributions import Gaussian
from course_utils.models import Diffusion
from course_utils.models.diffusion import log_bin

MEAN = torch.tensor([0.5, -0.3], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)
EXACT = MultivariateNormal(MEAN, COVARIANCE)


class ExactDenoiser(Diffusion):
    """eps_hat = E[eps | x_t] of data that are Gaussian: sigma (alpha^2 S + sigma^2 I)^-1 (x_t - alpha mean)."""

    def predict_noise(self, x_t, t):
        alpha, sigma = self._at(self.alpha, t), self._at(self.sigma, t)
        noisy = alpha[..., None] ** 2 * COVARIANCE + sigma[..., None] ** 2 * torch.eye(2)
        return sigma * torch.linalg.solve(noisy, (x_t - alpha * MEAN).unsqueeze(-1)).squeeze(-1)


def exact_denoiser(steps):
    return ExactDenoiser((2,), steps).double()


def tiny(levels=None, steps=6, seed=0):
    """A small model of 1x2x2 pictures whose answers are not zero."""
    torch.manual_seed(seed)
    model = Diffusion((1, 2, 2), steps, (16,), levels=levels).double()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def grey(n, levels=5, shape=(1, 2, 2), seed=0):
    k = torch.randint(levels, (n, *shape), generator=torch.Generator().manual_seed(seed))
    return k.double() / (levels - 1)


# The noise


@pytest.mark.parametrize("steps", [2, 7, 250])
def test_noise_in_one_go_is_the_chain_of_single_steps(steps):
    """x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps, step by step, has the mean and variance of q(x_t | x_0)."""
    model = Diffusion((1,), steps)
    alpha, sigma = model.alpha.double(), model.sigma.double()
    mean, variance = 1.0, 0.0
    for t in range(1, steps + 1):
        beta = 1 - (alpha[t] / alpha[t - 1]).item() ** 2
        assert 0 < beta < 1
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        x0, one = torch.ones(1, 1), torch.tensor([t])
        assert model.add_noise(x0, one, torch.zeros(1, 1)).item() == pytest.approx(mean, abs=1e-6)
        spread = model.add_noise(x0, one, torch.ones(1, 1)) - model.add_noise(x0, one, torch.zeros(1, 1))
        assert spread.item() ** 2 == pytest.approx(variance, abs=1e-6)
    assert alpha[0] == 1 and sigma[0] == 0
    assert alpha[-1] < 0.01  # next to nothing is left of x_0


def test_a_thousand_steps_have_the_noise_of_the_paper():
    """beta from 1e-4 to 0.02 in equal steps (Ho et al., section 4)."""
    alpha2 = Diffusion((1,), 1000).alpha.double() ** 2
    beta = 1 - alpha2[1:] / alpha2[:-1]
    torch.testing.assert_close(beta, torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), rtol=0.02, atol=2e-5)


# The bound


def bayes_on_a_grid(model, t, x0, x_t, grid):
    """log q(x_{t-1} | x_t, x_0) on a grid by Bayes' rule from single steps: q(x_t | x_{t-1}) q(x_{t-1} | x_0) / Z."""
    alpha, sigma = model.alpha.double(), model.sigma.double()
    keep = alpha[t] / alpha[t - 1]
    forward = torch.distributions.Normal(keep * grid, (1 - keep**2).sqrt()).log_prob(x_t)
    before = torch.distributions.Normal(alpha[t - 1] * x0, sigma[t - 1]).log_prob(grid)
    return (forward + before) - (forward + before).logsumexp(0) - (grid[1] - grid[0]).log()


@pytest.mark.parametrize("levels", [None, 5])
@pytest.mark.parametrize("t", [2, 3, 6])
def test_each_term_is_the_divergence_from_the_posterior_of_bayes_rule(t, levels):
    """L_{t-1} = KL(q || p) by quadrature, with q by Bayes' rule and p the same with x0_hat, as wide as is stated."""
    shape, steps = (1, 1, 1), 6
    torch.manual_seed(0)
    model = Diffusion(shape, steps, (), levels=levels).double()
    x0, x0_hat = 0.5, -0.2
    model.predict_x0 = lambda x_t, t: torch.full_like(x_t, x0_hat)
    step = torch.tensor([t])
    term = model._terms_at(torch.full((1, *shape), x0, dtype=torch.float64), step).item()
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    x_t = torch.tensor(0.3, dtype=torch.float64)
    log_q = bayes_on_a_grid(model, t, x0, x_t, grid)
    like_q = bayes_on_a_grid(model, t, x0_hat, x_t, grid)
    width = grid[1] - grid[0]
    mean = (like_q.exp() * grid).sum() * width
    variance = (like_q.exp() * (grid - mean) ** 2).sum() * width
    if levels is None:  # beta_t
        variance = 1 - (model.alpha[t] / model.alpha[t - 1]) ** 2
    log_p = torch.distributions.Normal(mean, variance.sqrt()).log_prob(grid)
    by_quadrature = (log_q.exp() * (log_q - log_p)).sum() * width
    assert term == pytest.approx(by_quadrature.item(), rel=1e-4)


def test_the_last_term_is_the_divergence_from_the_prior():
    model = Diffusion((2,), 3)
    x0 = torch.tensor([[1.5, -0.5]])
    q = torch.distributions.Normal(model.alpha[-1] * x0, model.sigma[-1])
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(model._last_term(x0), expected)
    torch.testing.assert_close(model.terms(x0)[:, -1], expected)


def bound_of_a_gaussian(steps):
    """The bound's expectation for Gaussian data and their exact denoiser, from variances alone."""
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    alpha2 = torch.exp(-(0.1 * time + 0.5 * 19.9 * time**2))
    sigma2 = 1 - alpha2
    beta = 1 - alpha2[1:] / alpha2[:-1]
    spread = torch.linalg.eigvalsh(COVARIANCE)[:, None]
    error = (spread * sigma2 / (alpha2 * spread + sigma2)).sum(0)  # E |x_0 - E[x_0 | x_t]|^2
    first = 0.5 * (error[1] / sigma2[1] + 2 * (2 * math.pi * sigma2[1]).log())
    ratio = sigma2[1:-1] / sigma2[2:]  # of the posterior's variance to beta
    pull2 = alpha2[1:-1] * (beta[1:] / sigma2[2:]) ** 2
    between = (pull2 * error[2:] / (2 * beta[1:]) + ratio - 1 - ratio.log()).sum()
    last = 0.5 * (alpha2[-1] * (spread.sum() + MEAN @ MEAN) + 2 * (sigma2[-1] - 1 - sigma2[-1].log()))
    return -(first + between + last).item()


@pytest.mark.parametrize(("steps", "least", "most"), [(4, 0.1, 1.0), (10, 0.05, 0.1), (100, 0.0, 0.05)])
def test_with_the_exact_denoiser_the_bound_misses_the_density_only_by_the_steps(steps, least, most):
    torch.manual_seed(0)
    model = exact_denoiser(steps)
    n = 400_000 // steps
    x = EXACT.sample((n,))
    gap = EXACT.log_prob(x) - model.log_prob(x)
    error = gap.std().item() / math.sqrt(n)
    known = -EXACT.entropy().item() - bound_of_a_gaussian(steps)
    assert least <= known < most
    assert error < 0.025
    assert gap.mean().item() == pytest.approx(known, abs=4 * error)


def test_a_trained_net_agrees_with_the_density_of_a_gaussian():
    torch.manual_seed(0)
    model = Diffusion((2,), 100, (64, 64))
    steps = 1_000
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for x in EXACT.sample((steps, 256)).float():
        loss = -model.elbo(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    x = EXACT.sample((20_000,))
    with torch.no_grad():
        gap = EXACT.log_prob(x) - model.log_prob(x.float())
    error = gap.std().item() / math.sqrt(len(x))
    assert error < 0.012
    assert abs(gap.mean().item()) < 0.05
    assert gap.mean().item() > -4 * error  # a bound
    drawn = model.sample(20_000).double()
    torch.testing.assert_close(drawn.mean(0), MEAN, rtol=0, atol=0.06)
    torch.testing.assert_close(drawn.T.cov(), COVARIANCE, rtol=0, atol=0.08)


@pytest.mark.parametrize("levels", [None, 5])
def test_one_random_term_stands_for_all_in_expectation(levels):
    model = tiny(levels)
    model.alpha[-1], model.sigma[-1] = 0.8, 0.6  # so that the last term counts
    x = grey(1)
    torch.manual_seed(0)
    with torch.no_grad():
        one, every = model.elbo(x.expand(40_000, 1, 2, 2)), model.log_prob(x.expand(10_000, 1, 2, 2))
    error = math.hypot(one.std().item() / 200, every.std().item() / 100)
    assert error < 0.05
    assert one.mean().item() == pytest.approx(every.mean().item(), abs=4 * error)


def test_terms_add_up_and_do_not_depend_on_the_portions(monkeypatch):
    model, x = tiny(5), grey(3)
    torch.manual_seed(0)
    terms = model.terms(x)
    torch.manual_seed(0)
    torch.testing.assert_close(model(x), -terms.sum(1))  # forward is log_prob
    assert terms.shape == (3, 7) and (terms >= 0).all()
    monkeypatch.setattr("course_utils.models.diffusion.MOST_NUMBERS", {"cpu": 1, "accelerator": 1})
    many = x[:1].expand(20_000, 1, 2, 2)
    by_ones = model.terms(many)
    monkeypatch.undo()
    at_once = model.terms(many)
    spread = at_once.std(0) / math.sqrt(20_000) + 1e-12
    assert ((by_ones.mean(0) - at_once.mean(0)).abs() < 6.5 * spread).all()


def test_the_bound_is_a_sum_over_pixels_with_the_prior_of_pure_noise():
    """Where x0_hat is right, only the first and the last term and the widths remain: known, and D times that of one."""
    x = grey(4, shape=(3, 2, 2))
    model = Diffusion((3, 2, 2), 5, (), levels=5).double()
    model.predict_x0 = lambda x_t, t: (2 * x - 1).repeat(len(x_t) // 4, 1, 1, 1)
    terms = model.terms(x)
    assert (terms[:, 1:-1].abs() < 1e-6).all()
    half_bin = torch.distributions.Normal(0.0, 1.0).cdf(0.25 / model.sigma[1].double())
    inner = ((x > 0) & (x < 1)).flatten(1).sum(1)
    torch.testing.assert_close(terms[:, 0], -(inner * (2 * half_bin - 1).log() + (12 - inner) * half_bin.log()))


def test_density_of_pictures_is_one_of_values_from_0_to_1():
    """With the same guesses, a picture has 2^D times the density of the point on [-1, 1] that it stands for."""
    pictures, points = Diffusion((1, 1, 2), 5, ()), Diffusion((2,), 5, ())
    for model in (pictures, points):
        model.predict_x0 = lambda x_t, t: torch.full_like(x_t, 0.3)
    x = torch.rand(7, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    difference = pictures.terms(x) - points.terms((2 * x - 1).flatten(1))
    expected = torch.tensor([-2 * math.log(2), 0, 0, 0, 0, 0]).expand(7, 6)
    torch.testing.assert_close(difference, expected, rtol=0, atol=1e-3)


# The first term with levels


@pytest.mark.parametrize("levels", [2, 5, 17, 256])
@pytest.mark.parametrize("std", [0.002, 0.1, 3.0])
def test_masses_of_all_levels_sum_to_one(levels, std):
    x = torch.linspace(-1, 1, levels, dtype=torch.float64)
    mean = torch.tensor([-1.0, -0.9, -0.03, 0.0, 0.77, 1.0], dtype=torch.float64)[:, None]
    log_p = log_bin(x, mean, torch.tensor(std, dtype=torch.float64), levels)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(6, dtype=torch.float64))
    assert log_p.isfinite().all()
    single = log_bin(x.float(), mean.float(), torch.tensor(std), levels)
    torch.testing.assert_close(single, log_p.float(), rtol=2e-3, atol=2e-3)


def test_a_bins_mass_is_the_integral_of_the_gaussian_over_it():
    x, mean, std = torch.tensor(0.5, dtype=torch.float64), torch.tensor(0.3), torch.tensor(0.2, dtype=torch.float64)
    grid = torch.linspace(0.25, 0.75, 20_001, dtype=torch.float64)  # of 5 levels, 0.5 apart on [-1, 1]
    density = Gaussian(mean.double(), std.log()).log_prob(grid).exp()
    assert log_bin(x, mean, std, 5).exp().item() == pytest.approx(torch.trapezoid(density, grid).item(), rel=1e-6)


def test_gradients_of_the_masses_are_finite_far_from_the_mean():
    x = torch.linspace(-1, 1, 17)
    for value in (-1.0, 0.0, 1.0):
        mean = torch.tensor(value, requires_grad=True)
        log_bin(x, mean, torch.tensor(0.02), 17).sum().backward()
        assert mean.grad.isfinite()


# Sampling


@pytest.mark.parametrize(
    ("steps", "eta", "tolerance"), [(None, 1.0, 0.03), (200, 0.0, 0.03), (100, 0.0, 0.05), (50, 0.5, 0.05)]
)
def test_samples_of_the_exact_denoiser_have_the_mean_and_the_covariance(steps, eta, tolerance):
    model = exact_denoiser(200)
    x = model.sample(40_000, steps, eta, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), MEAN, rtol=0, atol=tolerance)
    torch.testing.assert_close(x.T.cov(), COVARIANCE, rtol=0, atol=tolerance)


def test_without_noise_the_first_noise_decides_everything():
    model = tiny(steps=20)
    torch.manual_seed(0)
    noise = torch.Generator().manual_seed(3)
    x = model.sample(4, 10, 0.0, generator=noise)
    state = noise.get_state()
    other = torch.Generator().manual_seed(3)
    torch.randn(4, 1, 2, 2, generator=other, dtype=torch.float64)
    assert torch.equal(state, other.get_state())  # nothing more was drawn
    assert torch.equal(model.sample(4, 10, 0.0, generator=torch.Generator().manual_seed(3)), x)
    assert not torch.equal(model.sample(4, 10, 1.0, generator=torch.Generator().manual_seed(3)), x)
    a = model.sample(4, generator=torch.Generator().manual_seed(3))
    assert torch.equal(a, model.sample(4, generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_few_steps_call_the_network_as_often_as_they_say(steps):
    model, calls = tiny(5, steps=20), []
    predict = model.predict_noise
    model.predict_noise = lambda x_t, t: calls.append(int(t[0])) or predict(x_t, t)
    x = model.sample(3, steps)
    assert len(calls) == steps and calls[0] == 20 and calls == sorted(set(calls), reverse=True)
    torch.testing.assert_close(x * 4, (x * 4).round())
    assert x.min() >= 0 and x.max() <= 1


def test_pictures_of_a_right_guess_are_that_guess():
    """Also checks that pictures are put back to [0, 1]."""
    target = grey(1)
    model = Diffusion((1, 2, 2), 10, (), levels=5).double()
    model.predict_x0 = lambda x_t, t: (2 * target - 1).expand_as(x_t)
    torch.testing.assert_close(model.sample(3), target.expand(3, 1, 2, 2))


# The loss, and what surrounds it


def test_the_loss_of_a_net_that_says_nothing_and_of_one_that_is_right():
    model = exact_denoiser(50)
    torch.manual_seed(0)
    x = EXACT.sample((40_000,))
    alpha2, sigma2 = model.alpha[1:] ** 2, model.sigma[1:] ** 2
    spread = torch.linalg.eigvalsh(COVARIANCE)[:, None]
    least = (alpha2 * spread / (alpha2 * spread + sigma2)).sum(0).mean()  # E |eps - E[eps | x_t]|^2
    assert model.denoising_loss(x).mean().item() == pytest.approx(least.item(), rel=0.02)
    model.predict_noise = lambda x_t, t: torch.zeros_like(x_t)
    assert model.denoising_loss(x).mean().item() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("n", [1, 3, 64])
@pytest.mark.parametrize("least", [1, 2])
def test_every_step_is_drawn_equally_often_at_every_place_of_the_batch(n, least):
    model = tiny(steps=6)
    torch.manual_seed(0)
    t = torch.stack([model._random_steps(torch.zeros(n, 1), least) for _ in range(4_000)])  # (4000, n)
    share = torch.stack([(t == k).double().mean(0) for k in range(least, 7)])  # (steps, n)
    assert share.sum(0).allclose(torch.ones(n, dtype=torch.float64))
    expected = 1 / (7 - least)
    assert ((share - expected).abs() < 5 * math.sqrt(expected / 4_000)).all()


def test_losses_reach_every_parameter():
    for method in ("denoising_loss", "elbo"):
        model = tiny(5)
        model(grey(32), method).sum().backward()
        assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


def test_nothing_to_do_for_an_empty_batch():
    model = tiny(5)
    empty = torch.empty(0, 1, 2, 2, dtype=torch.float64)
    assert model.log_prob(empty).shape == model.elbo(empty).shape == model.denoising_loss(empty).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"shape": (0,)}, "shape"),
        ({"shape": (2,), "steps": 1}, "steps"),
        ({"shape": (2,), "steps": 2.5}, "steps"),
        ({"shape": (2,), "levels": 5}, "levels"),
        ({"shape": (1, 2, 2), "levels": 1}, "levels"),
        ({"shape": (2,), "channels": (4,)}, "shape"),
        ({"shape": (2,), "hidden": (0,)}, "hidden"),
    ],
)
def test_bad_sizes_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        Diffusion(**arguments)


def test_bad_input_is_named():
    model = tiny(5)
    for method in (model.log_prob, model.elbo, model.denoising_loss, model.terms):
        for x in (grey(2) + 0.1, grey(2, shape=(1, 2, 3)), grey(2).float(), torch.zeros(2, 1, 2, 2).long(), None):
            with pytest.raises(ValueError, match="^x must"):
                method(x)
    x, t = grey(2), torch.tensor([1, 6])
    for wrong in (torch.tensor([0, 1]), torch.tensor([1, 7]), torch.tensor([1]), t.float(), 3):
        with pytest.raises(ValueError, match="^t must"):
            model.predict_noise(x, wrong)
    with pytest.raises(ValueError, match="^x_t must"):
        model.predict_x0(x[:, :, :1], t)
    with pytest.raises(
        ValueError, match="^x_t must be torch.float64, as the model's parameters are, got torch.float32"
    ):
        model.predict_noise(x.float(), t)
    eps = torch.randn_like(x)
    for wrong, got in [
        (torch.tensor([-1, 1]), "-1 ... 1"),  # once the last step, silently
        (torch.tensor([0, 7]), "0 ... 7"),
        (torch.tensor([1]), r"torch.int64 of shape \(1,\)"),
        (t.double(), "torch.float64"),
        (t > 1, "torch.bool"),  # once a mask of the schedule
        (3, "3"),
    ]:
        with pytest.raises(ValueError, match=f"^t must be 2 whole steps from 0 to 6, got {got}"):
            model.add_noise(x, wrong, eps)
    assert torch.equal(model.add_noise(x, torch.zeros(2, dtype=torch.int64), eps), x)
    with pytest.raises(ValueError, match="^eps must be a tensor of the shape of x0"):
        model.add_noise(x, t, eps[:1])
    with pytest.raises(ValueError, match="^x0 must be a float tensor"):
        model.add_noise(x[:, :, :1], t, eps)
    for arguments, name in [
        ((0,), "n"),
        ((2, 7), "steps"),
        ((2, 0), "steps"),
        ((2, 3, 1.1), "eta"),
        ((2, 3, -1), "eta"),
    ]:
        with pytest.raises(ValueError, match=f"^{name} must"):
            model.sample(*arguments)
