import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_utils.distributions import categorical, discretized_logistic_mixture, gaussian
from course_utils.models import VAE
from course_utils.models.vae import log_normal

D, Z, LOG_STD = 5, 2, -0.4


def fill(linear, weight, bias):
    linear.weight.data, linear.bias.data = weight.clone(), bias.clone()


def linear_gaussian(log_var_offset=0.0, mu_offset=0.0):
    """x = W z + b + s eps with orthogonal columns of W, so that the posterior is a diagonal Gaussian, and known.

    Returns a VAE whose encoder is that posterior, but for the offsets, and log N(x | b, W W' + s^2 I) to compare with.
    """
    torch.manual_seed(0)  # of the images that the tests draw
    g = torch.Generator().manual_seed(0)
    W = torch.linalg.qr(torch.randn(D, Z, generator=g, dtype=torch.float64)).Q * torch.tensor([2.0, 0.7])
    b = torch.randn(D, generator=g, dtype=torch.float64)
    variance = math.exp(2 * LOG_STD)
    model = VAE((D,), latent=Z, hidden=(), distribution=gaussian()).double()
    decoder = torch.zeros(D, 2, Z, dtype=torch.float64)  # (D, mean and log_std, Z)
    decoder[:, 0] = W
    fill(model.decoder[0], decoder.view(2 * D, Z), torch.stack([b, torch.full_like(b, LOG_STD)], -1).flatten())
    posterior = 1 / (1 + W.square().sum(0) / variance)  # (Z,) variances
    to_mu = posterior[:, None] * W.T / variance
    encoder = torch.cat([to_mu, torch.zeros_like(to_mu)])
    fill(model.encoder[0], encoder, torch.cat([mu_offset - to_mu @ b, posterior.log() + log_var_offset]))
    exact = MultivariateNormal(b, W @ W.T + variance * torch.eye(D, dtype=torch.float64))
    return model, exact


@pytest.mark.parametrize("samples", [1, 2, 50])
def test_with_the_exact_posterior_every_importance_weight_is_the_density(samples):
    model, exact = linear_gaussian()
    x = exact.sample((7,))
    torch.testing.assert_close(model.log_prob(x, samples), exact.log_prob(x))


def test_elbo_misses_the_density_by_the_divergence_from_the_posterior():
    """log p(x) - E[ELBO] = KL(q || posterior), all in closed form but the expectation."""
    right, exact = linear_gaussian()
    wrong, _ = linear_gaussian(log_var_offset=0.8, mu_offset=0.5)
    x = exact.sample((1,))
    for model in (right, wrong):
        (mu, log_var), (post_mu, post_log_var) = model.encode(x), right.encode(x)
        gap = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(post_mu, (0.5 * post_log_var).exp())).sum()
        torch.manual_seed(0)
        draws = model.elbo(x.expand(40_000, D))
        error = draws.std().item() / 200
        assert draws.mean().item() == pytest.approx((exact.log_prob(x) - gap).item(), abs=4 * error)
        assert error < 0.02
        assert (gap > 1) == (model is wrong)


def test_importance_weighted_bound_grows_from_the_elbo_to_the_density():
    model, exact = linear_gaussian(log_var_offset=0.8, mu_offset=0.5)
    x = exact.sample((1,))
    torch.manual_seed(0)
    elbo = model.elbo(x.expand(20_000, D)).mean().item()
    bounds = [model.log_prob(x.expand(4_000, D), k).mean().item() for k in (1, 5, 50)]
    assert bounds[0] == pytest.approx(elbo, abs=0.1)
    assert elbo < bounds[1] - 0.1 and bounds[1] < bounds[2] - 0.02
    density = exact.log_prob(x).item()
    assert bounds[2] < density
    assert model.log_prob(x, 50_000).item() == pytest.approx(density, abs=0.05)


def test_samples_have_the_mean_and_the_covariance_of_the_density():
    model, exact = linear_gaussian()
    x = model.sample(100_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), exact.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(x.T.cov(), exact.covariance_matrix, rtol=0, atol=0.05)


def with_blind_decoder(shape=(1, 2, 3)):
    """The decoder ignores z and says 1/2 everywhere: what remains of the ELBO is -D log 2 - KL."""
    torch.manual_seed(0)
    model = VAE(shape, latent=4, hidden=(8,))
    for parameter in model.decoder.parameters():
        parameter.data.zero_()
    for parameter in model.encoder.parameters():
        parameter.data *= 3
    return model


def test_kl_term_equals_torch_distributions():
    model = with_blind_decoder()
    x = torch.randint(2, (6, 1, 2, 3), generator=torch.Generator().manual_seed(0)).float()
    mu, log_var = model.encode(x)
    kl = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(-1)  # (B,)
    assert kl.min() > 0.05 and mu.shape == log_var.shape == (6, 4)
    torch.testing.assert_close(model.elbo(x), -6 * math.log(2) - kl)


@pytest.mark.parametrize("shape", [(1, 2, 3), (1, 4, 3), (3, 4, 3)])
def test_bounds_are_sums_over_pixels(shape):
    model = with_blind_decoder(shape)
    for parameter in model.encoder.parameters():
        parameter.data.zero_()  # q is the prior: no divergence
    expected = torch.full((5,), -math.prod(shape) * math.log(2))
    torch.testing.assert_close(model.elbo(torch.ones(5, *shape)), expected)
    torch.testing.assert_close(model.log_prob(torch.ones(5, *shape), samples=3), expected)
    torch.testing.assert_close(model(torch.ones(5, *shape)), expected)  # forward


@pytest.mark.parametrize("family", [None, categorical(3), discretized_logistic_mixture(3, 2)], ids=["2", "3", "mix"])
def test_importance_weighted_density_sums_to_one_over_all_images(family):
    torch.manual_seed(0)
    model = VAE((1, 1, 3), latent=2, hidden=(8,), distribution=family).double()
    for parameter in model.decoder.parameters():
        parameter.data *= 3
    # q wider than the prior, so that no importance weight is large
    fill(model.encoder[-1], 0.3 * model.encoder[-1].weight, torch.tensor([0.2, -0.2, 0.4, 0.4]).double())
    levels = model.pixels.levels
    images = torch.cartesian_prod(*[torch.arange(levels, dtype=torch.float64) / (levels - 1)] * 3).view(-1, 1, 1, 3)
    p = model.log_prob(images, samples=4_000).exp()
    assert p.sum().item() == pytest.approx(1, abs=0.02)
    drawn = model.sample(20_000, generator=torch.Generator().manual_seed(0))
    digits = (drawn.flatten(1) * (levels - 1)).round().long()
    index = (digits * levels ** torch.arange(2, -1, -1)).sum(1)
    frequency = torch.bincount(index, minlength=levels**3) / 20_000
    assert p.std() > 0.2 * p.mean()
    assert ((frequency - p).abs() <= 5 * (p / 20_000).sqrt() + 0.05 * p).all()


def test_each_image_is_encoded_and_bounded_by_itself():
    model, exact = linear_gaussian()  # exact posterior: the bound does not depend on the draws
    x = exact.sample((4,))
    torch.testing.assert_close(model.log_prob(x), torch.cat([model.log_prob(one[None]) for one in x]))


def test_gradient_of_the_elbo_agrees_with_finite_differences():
    torch.manual_seed(1)
    model = VAE((1, 1, 3), latent=2, hidden=(4,)).double()
    x = torch.tensor([[[[0.0, 1.0, 1.0]]]], dtype=torch.float64)

    def elbo():
        torch.manual_seed(2)  # the same eps: the gradient flows through z = mu + sigma eps
        return model.elbo(x).sum()

    for parameter in model.parameters():
        (gradient,) = torch.autograd.grad(elbo(), parameter)
        flat = parameter.data.view(-1)
        for i in range(0, len(flat), 5):
            values = []
            for step in (1e-6, -2e-6):
                flat[i] += step
                values.append(elbo().item())
            flat[i] += 1e-6
            assert gradient.view(-1)[i].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_log_normal_agrees_with_torch():
    z, mu, log_var = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_normal(z, mu, log_var), Normal(mu, (0.5 * log_var).exp()).log_prob(z))
    torch.testing.assert_close(log_normal(z), Normal(0.0, 1.0).log_prob(z))


def test_decode_takes_codes_of_any_batch_shape():
    model = VAE((3, 4, 5), latent=2, hidden=(8,), distribution=categorical(6))
    z = torch.randn(7, 2, 2, generator=torch.Generator().manual_seed(0))
    assert model.decode(z).logits.shape == (7, 2, 3, 4, 5, 6)
    torch.testing.assert_close(model.decode(z).logits[3, 1], model.decode(z[3, 1]).logits)


@pytest.mark.parametrize("family", [None, categorical(17), discretized_logistic_mixture(256), gaussian()])
def test_samples_have_the_shape_and_repeat_with_the_generator(family):
    model = VAE((3, 2, 4), latent=3, hidden=(8,), distribution=family)
    a, b, c = (model.sample(5, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert a.shape == (5, 3, 2, 4) and not a.requires_grad
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert model.elbo(a).shape == model.log_prob(a, 2).shape == (5,)


@pytest.mark.parametrize("bound", [VAE.elbo, VAE.log_prob, VAE.encode])
@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(2, 1, 3, 2), r"\(2, 1, 3, 2\)"),
        (torch.zeros(1, 2, 3), r"\(1, 2, 3\)"),
        (torch.full((2, 1, 2, 3), math.nan), "nan"),
        (torch.zeros(2, 1, 2, 3, dtype=torch.int64), "torch.int64"),
        (torch.full((2, 1, 2, 3), 3.0), "from 3 to 3"),
    ],
)
def test_what_is_no_image_is_refused(bound, x, got):
    with pytest.raises(ValueError, match=f"^x must .* got .*{got}"):
        bound(VAE((1, 2, 3), latent=2, hidden=(4,)), x)


@pytest.mark.parametrize("samples", [0, -1, 1.0])
def test_bad_numbers_of_samples_are_refused(samples):
    model = VAE((1, 2, 3), latent=2, hidden=(4,))
    with pytest.raises(ValueError, match=f"samples must be a whole number of at least 1, got {samples}"):
        model.log_prob(torch.zeros(1, 1, 2, 3), samples)
    with pytest.raises(ValueError, match=f"n must be a whole number of at least 1, got {samples}"):
        model.sample(samples)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VAE((1, 2, 3), latent=0), "latent must be a whole number of at least 1, got 0"),
        (lambda: VAE((1, 2, 3), latent=2.0), "latent must be a whole number of at least 1, got 2.0"),
        (lambda: VAE(()), "shape must be a tuple of whole numbers above 0"),
        (lambda: VAE((1, 2, 3), hidden=(0,)), "hidden must be a tuple of whole numbers above 0"),
        (lambda: VAE((1, 2, 3), latent=4).decode(torch.zeros(2, 3)), r"z must have shape \(\.\.\., 4\), got \(2, 3\)"),
    ],
)
def test_bad_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
