"""benchmarks/moon_walk.py and vae_parts.py: objectives and measures against independent computations."""

import math

import moon_walk as w
import pytest
import torch
import vae_parts as v
from torch.distributions import MultivariateNormal, kl_divergence

from course_utils import data, metrics, models
from course_utils.distributions import gaussian

MOONS = data.moon_phases(100)
X = MOONS.train[:10]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return models.VAE(MOONS.shape, w.LATENT, (16,), w.LEVELS)


def seeded(function):
    torch.manual_seed(1)
    return function()


def test_with_all_three_parts_the_objective_is_the_elbo(model):
    full = w.Setting("levels", True, True, 1)
    expected = seeded(lambda: -model.elbo(X).mean())
    torch.testing.assert_close(seeded(lambda: w.objective(model, X, full)), expected)
    without = seeded(lambda: w.objective(model, X, full._replace(kl=False)))
    torch.testing.assert_close(without, seeded(lambda: -model.elbo(X, beta=0.0).mean()))
    assert expected > without + 1e-3


def test_without_noise_the_code_is_the_mean(model):
    quiet = w.Setting("levels", False, False, 1)
    by_hand = -model.decode(model.encode(X)[0]).log_prob(X).sum((1, 2, 3)).mean()
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.testing.assert_close(w.objective(model, X, quiet), by_hand)


def test_squared_error_is_the_autoencoders_loss_and_half_a_constant_away_from_a_gaussian():
    setting = w.Setting("squared error", False, False, 1)
    torch.manual_seed(0)
    model = w.make(setting, MOONS.shape)
    assert isinstance(model, models.AutoEncoder)
    by_hand = (model(X) - X).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(w.objective(model, X, setting), by_hand)
    noisy = setting._replace(noise=True)
    vae = w.make(noisy, MOONS.shape)
    loss = seeded(lambda: w.objective(vae, X, noisy))
    mu, log_var = vae.encode(X)
    z = seeded(lambda: mu + (0.5 * log_var).exp() * torch.randn_like(mu))
    square = (vae.decode(z).mean - X).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(loss, square + 128 * math.log(math.pi))


@pytest.mark.parametrize("closed", ["moon_walk", "vae_parts"])
def test_the_learned_width_is_the_one_that_is_best(closed):
    torch.manual_seed(0)
    model = models.VAE(MOONS.shape, w.LATENT, (16,), w.SQUARE)
    if closed == "moon_walk":
        loss = seeded(lambda: w.objective(model, X, w.Setting("learned width", True, True, 1)))
    else:
        loss = seeded(lambda: v.closed_form(model, X))[0]
    sigma = seeded(lambda: v.closed_form(model, X))[1].sqrt().item()
    at = {}
    for factor in (0.9, 1.0, 1.1):
        model.pixels = gaussian(std=factor * sigma)
        at[factor] = seeded(lambda: -model.elbo(X).mean())
    torch.testing.assert_close(loss, at[1.0])
    assert at[1.0] < min(at[0.9], at[1.1])


def test_decoded_pictures_are_clamped():
    torch.manual_seed(0)
    model = models.AutoEncoder(MOONS.shape, w.LATENT, (16,))
    z = 100 * torch.randn(20, w.LATENT)
    assert model.decode(z).min() < 0 and model.decode(z).max() > 1
    assert w.decode(model, z).min() == 0 and w.decode(model, z).max() == 1


def test_moons_are_walked_between_a_quarter_of_a_period_apart():
    first, last, phases = w.ends()
    assert first.shape == last.shape == (32, 1, 16, 16)
    torch.testing.assert_close(metrics.phase_distance(phases[:, 0], phases[:, 1]), torch.full((32,), 0.25))
    for x in (first, last):
        torch.testing.assert_close((16 * x).round() / 16, x)
    distance, phase = data.nearest_moon(first)
    assert distance.max() < 0.07
    assert metrics.phase_distance(phase, phases[:, 0]).max() < 0.09  # near full moon a phase is hard to read


def test_the_phase_error_of_moons_leaves_out_what_is_no_moon_and_the_ends():
    limit = metrics.MOON_LIMIT
    distance = torch.tensor([[9.0, 0.5 * limit, 2 * limit, 0.1 * limit, 9.0]])
    error = torch.tensor([[7.0, 0.1, 0.4, 0.2, 7.0]])
    got = w.interpolation(metrics.Walk(torch.zeros(1, 5, 1, 16, 16), distance, error, error))
    assert got["between_moons"] == pytest.approx(2 / 3)
    assert got["between_phase_error"] == pytest.approx(0.15)
    assert got["between_phase_error_of_all"] == pytest.approx(0.7 / 3)
    assert got["between_distance"] == pytest.approx(2.6 * limit / 3)


def test_the_gaussian_of_codes_is_that_of_samples_of_q_and_its_kl_is_torchs():
    torch.manual_seed(0)
    mu = torch.randn(2_000, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64) + 1
    variance = torch.rand(2_000, 3, dtype=torch.float64)
    mean, covariance = w.gaussian_of_codes(mu, variance)
    z = (mu + variance.sqrt() * torch.randn(200, 2_000, 3, dtype=torch.float64)).flatten(0, 1)
    torch.testing.assert_close(mean, z.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(covariance, torch.cov(z.T), atol=0.05, rtol=0)
    standard = MultivariateNormal(torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64))
    library = kl_divergence(MultivariateNormal(mean, covariance), standard)
    assert w.kl_to_standard(mean, covariance) == pytest.approx(library.item(), rel=1e-6)


@pytest.mark.parametrize("module", [w, v], ids=["moon_walk", "vae_parts"])
def test_dimming_changes_the_power_and_not_the_sharpness(module):
    dimmed = module.sharpness(0.5 * X, X)
    assert dimmed["power"] == pytest.approx(0.25, rel=1e-4)
    assert dimmed["contrast"] == pytest.approx(0.25, rel=1e-4)
    assert dimmed["sharpness"] == pytest.approx(1.0, rel=1e-4)


def test_a_run_measures_what_a_row_needs(monkeypatch):
    monkeypatch.setattr(w, "CODES", 20)
    setting = w.Setting("levels", True, True, 20)
    model, variance, _ = w.train(setting, 0, MOONS)
    row = w.measure(model, setting, MOONS)
    assert len(variance) == 2 and all(value > 0 for value in variance)
    assert {"rms", "returned_moons", "between_moons", "prior_phases", "fitted_moons", "sampled_detail"} <= set(row)
    again = w.measure(w.train(setting, 0, MOONS)[0], setting, MOONS)
    assert again["rms"] == pytest.approx(row["rms"], rel=1e-4)


def test_references_say_how_the_fade_and_real_moons_do():
    known = w.references(data.moon_phases())
    assert known["real moons"]["returned_moons"] > 0.9
    fade = known["cross-fade of pixels"]
    assert fade["between_moons"] < 0.4
    assert fade["between_phase_error"] < 0.7 * fade["between_phase_error_of_all"]


def test_the_price_of_each_cure():
    kl = torch.tensor([[0.1, 3.0], [0.3, 1.0]])  # means 0.2 and 2
    for kind, expected in (("nothing", 2.2), ("free bits", 2.5), ("free bits with min", 0.7)):
        assert v.price(kind, kl, 0.1).item() == pytest.approx(expected)
    for done, weight in ((0.0, 0), (0.25, 0.5), (0.5, 1), (0.9, 1)):
        assert v.price("annealing", kl, done).item() == pytest.approx(2.2 * weight)


def test_a_loss_with_a_cure_knows_how_far_it_is(model):
    loss = v.cured("annealing", 4)
    weights = []
    for _ in range(4):
        got = seeded(lambda: loss(model, X))
        plain, kl = seeded(lambda: model.terms(X))
        weights.append(((got + plain.mean()) / kl.sum(1).mean()).item())
    assert weights == pytest.approx([0, 0.5, 1, 1], abs=1e-3)


def test_the_disk_is_even_and_the_hole_is_told_from_its_rim():
    z = v.disk(20_000, 0.5)
    distance = z.norm(dim=1)
    assert distance.max() <= 0.5
    assert (distance < 0.25).float().mean() == pytest.approx(0.25, abs=0.02)

    class Ring:  # decodes full moons outside of 1 and black pictures, which are no moons, inside
        def decode(self, z):
            full = data.moon(0.5).expand(len(z), -1, -1, -1)
            mean = torch.where((z.norm(dim=1) >= 1)[:, None, None, None], full, torch.zeros(()))
            return type("Pixels", (), {"mean": mean})

    angle = torch.linspace(0, 6, 100)
    mu = 1.5 * torch.stack([angle.cos(), angle.sin()], 1)
    row = v.hole(Ring(), mu)
    assert row["codes_nearer_than_1"] == row["codes_nearer_than_half"] == row["hole_moons"] == 0
    assert row["random_moons_inside_1"] == 0 and row["random_moons_outside_1"] == 1
