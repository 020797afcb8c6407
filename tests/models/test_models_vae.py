import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_utils.distributions import categorical, discretized_logistic_mixture, gaussian, palette
from course_utils.models import VAE, vae
from course_utils.models.vae import free_bits, kl_to_prior, log_normal

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
    fill(model.encoder[1], encoder, torch.cat([mu_offset - to_mu @ b, posterior.log() + log_var_offset]))
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


def test_kl_to_prior_agrees_with_torch_in_every_element():
    mu, log_var = 2 * torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_prior(mu, log_var), exact)
    # the published slip, a log-standard deviation taken for a log-variance: 0.403 nats instead of 0.741
    m, s = torch.tensor(0.7), torch.tensor(0.4)
    assert kl_to_prior(m, 2 * s.log()).item() == pytest.approx(0.741, abs=5e-4)
    assert kl_to_prior(m, s.log()).item() == pytest.approx(0.403, abs=5e-4)


def test_terms_add_up_to_the_bound_for_every_beta():
    torch.manual_seed(0)
    model = VAE((1, 2, 3), latent=4, hidden=(8,))
    x = torch.randint(2, (6, 1, 2, 3)).float()
    for beta in (0.0, 0.3, 1.0, 4.0, torch.tensor(2.0)):
        torch.manual_seed(1)
        log_likelihood, kl = model.terms(x)
        torch.manual_seed(1)
        torch.testing.assert_close(model.elbo(x, beta), log_likelihood - beta * (kl[:, 0] + kl[:, 1:].sum(-1)))
    assert log_likelihood.shape == (6,) and kl.shape == (6, 4) and kl.min() > 0


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


@pytest.mark.parametrize("samples", [1, 7, 50])
def test_draws_taken_in_portions_are_the_same_bound(samples, monkeypatch):
    model, exact = linear_gaussian()  # exact posterior: the bound does not depend on the draws
    x = exact.sample((4,))
    whole = model.log_prob(x, samples)
    for most in (1, 3 * 4 * D * 2, 8 * 4 * D * 2):  # one draw a portion, three, eight
        monkeypatch.setitem(vae.MOST_NUMBERS, "cpu", most)
        torch.testing.assert_close(model.log_prob(x, samples), whole)
    wrong, _ = linear_gaussian(log_var_offset=0.8, mu_offset=0.5)
    bounds = torch.cat([wrong.log_prob(x[:1].expand(500, D), 40) for _ in range(8)])
    monkeypatch.setitem(vae.MOST_NUMBERS, "cpu", 2**24)
    at_once = torch.cat([wrong.log_prob(x[:1].expand(500, D), 40) for _ in range(8)])
    error = math.hypot(bounds.std().item(), at_once.std().item()) / math.sqrt(4_000)
    assert (bounds.mean() - at_once.mean()).abs() < 4 * error < 0.1


def test_the_mean_of_log_weights_is_the_elbo_and_of_weights_the_density():
    model, exact = linear_gaussian(log_var_offset=0.8, mu_offset=0.5)
    x = exact.sample((1,))
    torch.manual_seed(0)
    log_weights = model.log_weights(x, 200_000)[:, 0].detach()
    elbo = model.elbo(x.expand(100_000, D)).detach()
    error = math.hypot(log_weights.std() / math.sqrt(200_000), elbo.std() / math.sqrt(100_000))
    assert (log_weights.mean() - elbo.mean()).abs() < 4 * error < 0.05
    ratios = (log_weights - exact.log_prob(x)).exp()
    assert (ratios.mean() - 1).abs() < 4 * ratios.std() / math.sqrt(200_000) < 0.05


def test_the_gradient_of_the_importance_weighted_bound_favours_the_best_draws():
    """d/dt log mean w_k = sum_k softmax(log w)_k d/dt log w_k; turned round, the worst draw would weigh most."""
    torch.manual_seed(0)
    model = VAE((1, 2, 3), latent=2, hidden=(8,)).double()
    x = torch.randint(2, (1, 1, 2, 3)).double()
    parameter = model.decoder[0].weight
    torch.manual_seed(1)
    (whole,) = torch.autograd.grad(model.log_prob(x, 5).sum(), parameter)
    torch.manual_seed(1)
    log_weights = model.log_weights(x, 5)[:, 0]
    weights = log_weights.detach().exp() / log_weights.detach().exp().sum()
    each = [torch.autograd.grad(w, parameter, retain_graph=True)[0] for w in log_weights]
    torch.testing.assert_close(whole, sum(w * g for w, g in zip(weights, each, strict=True)))
    assert weights.max() - weights.min() > 0.05
    # losses of 10 and of 100 nats: the bound stays near the better one
    losses = torch.tensor([10.0, 100.0])
    assert -(torch.logsumexp(-losses, 0) - math.log(2)).item() == pytest.approx(10.69, abs=0.005)


def test_free_bits_charge_only_what_is_above_the_floor():
    kl = torch.tensor([[0.05, 2.0, 0.3], [0.15, 4.0, 0.1]], requires_grad=True)  # means 0.1, 3, 0.2
    charged = free_bits(kl, 0.5)
    assert charged.item() == pytest.approx(0.5 + 3.0 + 0.5)
    (gradient,) = torch.autograd.grad(charged, kl)
    # a latent below its floor is not pushed further down; with min instead of max it alone would be
    assert torch.equal(gradient, torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]]))
    torch.testing.assert_close(free_bits(kl, 0), kl.sum(-1).mean())  # no floor: the KL itself
    # the mean over the batch comes before the floor: 0.05 and 0.35 average to 0.2, which is charged nothing extra
    assert free_bits(torch.tensor([[0.05], [0.35]]), 0.2).item() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("kl", "floor", "message"),
    [
        (torch.zeros(3), 0.1, r"kl must have shape \(B, Z\)"),
        (torch.zeros(0, 2), 0.1, r"kl must have shape \(B, Z\) with B > 0"),
        (torch.zeros(2, 2), -0.1, "floor must be a finite number of at least 0, got -0.1"),
        (torch.zeros(2, 2), math.nan, "floor must be a finite number of at least 0, got nan"),
        (torch.zeros(2, 2), math.inf, "floor must be a finite number of at least 0, got inf"),
    ],
)
def test_free_bits_refuse_what_is_no_kl_and_no_floor(kl, floor, message):
    with pytest.raises(ValueError, match=message):
        free_bits(kl, floor)


@pytest.mark.parametrize("family", [None, categorical(5), discretized_logistic_mixture(17), gaussian(0.2), gaussian()])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
def test_convolutional_coders_keep_every_property_of_the_dense_ones(shape, family):
    torch.manual_seed(0)
    model = VAE(shape, latent=3, hidden=(8,), distribution=family, channels=(4, 6))
    x = model.sample(4)
    assert x.shape == (4, *shape)
    assert model.elbo(x).shape == model.log_prob(x, 3).shape == (4,)
    z = torch.randn(2, 5, 3)
    many, one = model.decode(z), model.decode(z[1, 4])
    torch.testing.assert_close(many.mean[1, 4], one.mean)
    mu, log_var = model.encode(x)
    torch.testing.assert_close(model.encode(x[2:3])[0], mu[2:3])  # no picture looks at another
    weights = [p for p in model.parameters() if p.ndim == 4]
    assert len(weights) == 4  # two convolutions down, two up
    model.elbo(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in weights)


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
        (lambda: VAE((4,), channels=(2,)), r"shape must be \(channels, height, width\) for convolutions"),
        (lambda: VAE((1, 2, 3), distribution=palette(4)), "distribution must be a family of float images"),
        (lambda: VAE((1, 2, 3), hidden=(0,)), "hidden must be a tuple of whole numbers above 0"),
        (lambda: VAE((1, 2, 3), latent=4).decode(torch.zeros(2, 3)), r"shape \(\.\.\., 4\), got .* \(2, 3\)"),
        (
            lambda: VAE((1, 2, 3), latent=4).decode(torch.zeros(2, 4).double()),
            "z must be torch.float32, .* got torch.float64",
        ),
    ],
)
def test_bad_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Log-variances out of all bounds


@pytest.mark.parametrize("seed", [0, 1])
def test_training_finds_its_way_on_data_of_size_255(seed):
    torch.manual_seed(seed)
    x = 255 * torch.rand(64, 1, 8, 8)
    model = VAE((1, 8, 8), 16, distribution=gaussian())
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-3), []
    for _ in range(60):
        losses.append(-model.elbo(x).mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert torch.stack(losses).isfinite().all() and all(p.grad.isfinite().all() for p in model.parameters())
    assert losses[-1] < 1e-6 * losses[0] and losses[-1] < 1e7


@pytest.mark.parametrize("family", [categorical(5), gaussian()], ids=["categorical", "gaussian"])
def test_a_rate_of_one_gives_a_bad_loss_and_not_none(family):
    torch.manual_seed(0)
    x = torch.randint(5, (32, 1, 4, 4)) / 4
    model = VAE((1, 4, 4), 8, (64, 64), family)
    optimizer = torch.optim.Adam(model.parameters(), 1.0)
    for _ in range(40):
        loss = -model.elbo(x).mean()
        assert loss.isfinite()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.log_prob(x, 3).isfinite().all()


@pytest.mark.parametrize("log_var", [-20.0, -33.0, -89.0, -300.0])
def test_log_prob_of_a_narrow_posterior_is_that_of_double_precision(log_var, monkeypatch):
    """From the noise that was drawn: (z - mu) / sigma has lost it where sigma vanishes beside mu."""
    torch.manual_seed(0)
    model = VAE((1, 2, 3), 4, (8,))
    fill(model.encoder[-1], 3 * model.encoder[-1].weight, torch.tensor([3.0] * 4 + [log_var] * 4))
    x, eps = torch.randint(2, (5, 1, 2, 3)).float(), torch.randn(3, 5, 4)
    monkeypatch.setattr(torch, "randn", lambda *shape, dtype, device: eps.to(dtype))
    single, double = model.log_prob(x, 3), model.double().log_prob(x.double(), 3)
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-3)
    mu, bounded = model.encode(x.double())
    # by hand, with the noise in place of (z - mu) / sigma
    log_q = Normal(0.0, 1.0).log_prob(eps.double()) - 0.5 * bounded
    z = mu + (0.5 * bounded).exp() * eps.double()
    log_w = model.decode(z).log_prob(x.double()).flatten(2).sum(2) + (Normal(0.0, 1.0).log_prob(z) - log_q).sum(-1)
    torch.testing.assert_close(double, log_w.logsumexp(0) - math.log(3))


def test_log_variances_are_left_alone_within_bounds_and_lead_back_from_beyond():
    model = VAE((1, 2, 3), 3, (8,))
    x = torch.ones(2, 1, 2, 3)
    raw = model.encoder(model.pixels.encode(x))[:, 3:]
    assert torch.equal(model.encode(x)[1], raw)
    fill(model.encoder[-1], 0 * model.encoder[-1].weight, torch.tensor([0.0, 0.0, 0.0, -1e9, 9.5, 1e9]))
    log_var = model.encode(x)[1]
    assert torch.equal(log_var[0], torch.tensor([-60.0, 9.5, 10.0]))
    kl_to_prior(torch.zeros(2, 3), log_var).sum().backward()
    slope = model.encoder[-1].bias.grad[3:] / 2
    torch.testing.assert_close(slope, 0.5 * (log_var[0].exp() - 1))  # down from above, up from below: never 0
