"""benchmarks/autoencoder.py: its objectives and measures against independent computations."""

import autoencoder as a
import pytest
import torch

from course_utils import data, metrics, models

MOONS = data.moon_phases(100)
X = MOONS.train[:10]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return models.AutoEncoder(MOONS.shape, 3, (16,))


def test_without_noise_the_objective_is_the_autoencoders_loss(model):
    torch.testing.assert_close(a.objective(model, X, ""), model.loss(X).mean())


def test_noise_enters_at_the_input_or_at_the_code(model):
    torch.manual_seed(1)
    given = a.objective(model, X, "input")
    torch.manual_seed(1)
    x_hat = model.decode(model.encode(X + a.INPUT_NOISE * torch.randn_like(X)))
    torch.testing.assert_close(given, (x_hat - X).square().sum((1, 2, 3)).mean())
    torch.manual_seed(1)
    given = a.objective(model, X, "code")
    torch.manual_seed(1)
    z = model.encode(X)
    x_hat = model.decode(z + a.CODE_NOISE * torch.randn_like(z))
    torch.testing.assert_close(given, (x_hat - X).square().sum((1, 2, 3)).mean())


def test_random_codes_have_the_box_and_the_moments_of_the_given_ones():
    g = torch.Generator().manual_seed(0)
    z = 5 + torch.randn(500, 2, generator=g) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]])
    found = a.random_codes(z, 0, mixtures=True)
    assert set(found) == {"prior", "box", "fitted", "mixture_10", "mixture_40"}
    assert all(codes.shape == (a.CODES, 2) for codes in found.values())
    for name in ("fitted", "mixture_10", "mixture_40"):
        torch.testing.assert_close(found[name].mean(0), z.mean(0), atol=0.3, rtol=0)
        torch.testing.assert_close(torch.cov(found[name].T), torch.cov(z.T), atol=0.8, rtol=0)
    assert (found["box"] >= z.amin(0)).all() and (found["box"] <= z.amax(0)).all()
    assert found["prior"].mean().abs() < 0.1 and abs(found["prior"].std() - 1) < 0.1


def test_shares_are_of_clamped_pictures_and_dark_ones_fail_relative_to_their_contrast():
    real = a.shares(MOONS.train)
    assert real["moons"] > 0.9 and real["phases"] == 8 and real["relative"] > 0.7
    assert real["at_limits"] == sorted(real["at_limits"]) and real["at_limits"][1] == real["moons"]
    too_bright = a.shares(data.moon(torch.full((4,), 0.5)) * 1.3)
    assert too_bright["moons"] == 1 and too_bright["unclamped"] == 0
    disk = 0.1 * (data.moon(torch.full((4,), 0.5)) > 0.5).float()
    assert metrics.is_moon(disk).all() and a.shares(disk)["relative"] == 0


def test_a_run_is_measured_in_all_respects(model):
    setting = a.Setting(3, (16,), steps=10)
    trained, spread, _ = a.train(setting, 0, MOONS)
    again, _, _ = a.train(setting, 0, MOONS)
    assert all(torch.equal(p, q) for p, q in zip(trained.parameters(), again.parameters(), strict=True))
    row = a.measure(trained, setting, 0, MOONS)
    assert row["error"] == pytest.approx(trained.loss(MOONS.valid).mean().item(), rel=1e-5)
    assert 1 <= row["directions"] <= 3 and len(row["distance_along"]) == 9 and spread == []
    assert row["between"]["moons"] == pytest.approx(row["between_moons"])
