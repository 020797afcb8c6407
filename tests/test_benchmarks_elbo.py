"""What benchmarks/elbo.py measures with functions of its own, against known answers."""

import elbo
import pytest
import torch

from course_utils import data, models
from course_utils.distributions import Gaussian


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_quantiles_cut_the_prior_into_equal_parts():
    assert torch.allclose(torch.special.ndtr(elbo.quantiles(4)[:, 0]), torch.tensor([1, 3, 5, 7]) / 8.0)


def test_a_linear_decoder_is_the_gaussian_that_it_should_be():
    def decode(z):
        return Gaussian(torch.cat([2 * z, -z], 1), torch.tensor([0.5, 0.5]).log().expand(len(z), 2))

    x = torch.tensor([[0.3, -0.2], [2.0, 1.0], [-4.0, 2.5]])
    W = torch.tensor([[2.0], [-1.0]])
    exact = torch.distributions.MultivariateNormal(torch.zeros(2), W @ W.T + 0.25 * torch.eye(2)).log_prob(x)
    assert torch.allclose(elbo.mixture_log_prob(decode, x, 5_000), exact, atol=1e-3)


def test_the_closed_form_is_at_its_own_optimum():
    x = data.digits().train[:300].double()
    best = models.LinearGaussianVAE.fit(x, elbo.LATENT).requires_grad_(False)
    found = elbo.measure_linear(best, best, x, "elbo")
    assert found["reached"] == pytest.approx(best.log_prob(x).mean().item(), abs=1e-8)
    assert found["angle"] < 1e-3 and abs(found["gap"]) < 1e-8
    assert torch.allclose(torch.tensor(found["cosines"]), torch.eye(elbo.LATENT), atol=1e-6)


def test_one_width_is_one_number_for_all_codes():
    torch.manual_seed(0)
    scale = elbo.OneWidth().decode(torch.randn(6, 1)).scale
    assert torch.allclose(scale, torch.ones(6, 2))
    assert len(elbo.two_widths().decode(torch.randn(6, 1)).scale.unique()) == 12
