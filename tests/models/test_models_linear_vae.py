import itertools
import math

import pytest
import torch
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal, kl_divergence

from course_utils.data import digits
from course_utils.models import VAE, LinearGaussianVAE

SIZES = [(5, 2), (3, 1), (2, 2), (2, 4)]  # also as many latents as dimensions, and more
each_size = pytest.mark.parametrize(("D", "Z"), SIZES)


def scrambled(D=5, Z=2, shape=None):
    """All parameters arbitrary: W is not orthogonal, the encoder has nothing to do with the posterior."""
    model = LinearGaussianVAE(shape or (D,), Z).double()
    g = torch.Generator().manual_seed(D + 10 * Z)
    for parameter in model.parameters():
        parameter.data = 0.6 * torch.randn(parameter.shape, generator=g, dtype=torch.float64)
    return model


def joint(model):
    """p(z, x) as one Gaussian of Z + D dimensions, written down without any of the model's formulas.

    (z, x) is linear in independent standard normals: z = e1, x = W e1 + b + s e2.
    """
    W, b, s = model.decoder.weight.detach(), model.decoder.bias.detach(), model.log_std.detach().exp()
    D, Z = W.shape
    eye = torch.eye(D + Z, dtype=torch.float64)
    map = torch.cat([eye[:Z], torch.cat([W, s * eye[:D, :D]], 1)])  # (Z + D, Z + D)
    return torch.cat([torch.zeros(Z, dtype=torch.float64), b]), map @ map.T


def marginal(model):
    mean, covariance = joint(model)
    Z = model.latent
    return MultivariateNormal(mean[Z:], covariance[Z:, Z:])


def conditional(model, x):
    """p(z|x) by the usual rule for blocks of a covariance."""
    (mean, covariance), Z = joint(model), model.latent
    gain = covariance[:Z, Z:] @ torch.linalg.inv(covariance[Z:, Z:])
    return mean[:Z] + (x - mean[Z:]) @ gain.T, covariance[:Z, :Z] - gain @ covariance[Z:, :Z]


def posterior_of_encoder(model, x):
    mu, log_var = model.encode(x)
    return MultivariateNormal(mu, torch.diag_embed(log_var.exp()))


@each_size
def test_log_prob_is_that_of_the_marginal_gaussian(D, Z):
    model = scrambled(D, Z)
    x = 2 * torch.randn(20, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.log_prob(x), marginal(model).log_prob(x), rtol=0, atol=1e-9)
    torch.testing.assert_close(model(x), model.log_prob(x))


@each_size
def test_posterior_is_the_conditional_of_the_joint(D, Z):
    model = scrambled(D, Z)
    x = torch.randn(20, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (mean, covariance), (want_mean, want_covariance) = model.posterior(x), conditional(model, x)
    torch.testing.assert_close(mean, want_mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(covariance, want_covariance, rtol=0, atol=1e-9)


@each_size
def test_gap_is_the_divergence_from_the_posterior(D, Z):
    model = scrambled(D, Z)
    x = torch.randn(20, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    want = kl_divergence(posterior_of_encoder(model, x), MultivariateNormal(*conditional(model, x)))
    torch.testing.assert_close(model.gap(x), want, rtol=1e-9, atol=1e-9)
    assert model.gap(x).min() > 0.05


@each_size
def test_the_bound_misses_the_density_by_the_gap(D, Z):
    model = scrambled(D, Z)
    x = torch.randn(20, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.elbo(x), marginal(model).log_prob(x) - model.gap(x), rtol=0, atol=1e-6)


def test_closed_form_bound_is_the_mean_of_the_draws():
    model = scrambled()
    x = model.sample(3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    draws = model.log_weights(x, 40_000)  # (K, 3)
    error = draws.std(0) / 200
    assert ((draws.mean(0) - model.elbo(x)).abs() < 4 * error).all()
    assert (error < 0.02 * model.gap(x)).all()  # fine enough to tell the bound from the density


def test_the_mean_of_the_weights_is_the_density():
    model = scrambled()
    x = model.sample(3, generator=torch.Generator().manual_seed(0))
    model.match_posterior()
    model.log_var.data += 0.3  # wider than the best: no weight is large
    torch.manual_seed(0)
    relative = (model.log_weights(x, 40_000) - marginal(model).log_prob(x)).exp()
    assert ((relative.mean(0) - 1).abs() < 4 * relative.std(0) / 200).all()
    assert (0.05 < relative.std(0)).all() and (relative.std(0) < 5).all()


def test_match_posterior_gives_the_largest_bound_among_diagonal_encoders():
    """Where W has orthogonal columns the gap is 0; elsewhere any change of the encoder widens it."""
    model = scrambled()
    x = model.sample(50, generator=torch.Generator().manual_seed(0))
    model.match_posterior()
    best = model.gap(x)
    assert best.min() > 1e-3  # W is not orthogonal here
    encoder = [*model.encoder.parameters(), model.log_var]
    for parameter, step in itertools.product(encoder, (0.02, -0.02)):
        parameter.data += step
        assert (model.gap(x).mean() > best.mean()).item()
        parameter.data -= step
    model.decoder.weight.data = torch.linalg.qr(model.decoder.weight.data).Q * torch.tensor([3.0, 0.5])
    model.match_posterior()
    torch.testing.assert_close(model.gap(x), torch.zeros(50, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("Z", [1, 10, 40])
def test_fit_is_scikit_learns_probabilistic_pca(Z):
    """scikit-learn divides the covariance by N - 1; its score is that of the Gaussian with this covariance."""
    train, valid = digits().train.double(), digits().valid.double()
    model = LinearGaussianVAE.fit(train, Z, correction=1)
    pca = PCA(Z, svd_solver="full").fit(train.flatten(1).numpy())
    for x in (train, valid):
        assert model.log_prob(x).mean().item() == pytest.approx(pca.score(x.flatten(1).numpy()), abs=1e-6)
    assert model.log_std.exp().item() ** 2 == pytest.approx(pca.noise_variance_, rel=1e-9)
    directions = torch.nn.functional.normalize(model.decoder.weight.detach(), dim=0)
    cosines = (directions.T @ torch.from_numpy(pca.components_).T).diagonal().abs()
    torch.testing.assert_close(cosines, torch.ones(Z, dtype=torch.float64), rtol=0, atol=1e-9)
    assert model.gap(valid).abs().max() < 1e-9


def some_data(N=200, D=4):
    g = torch.Generator().manual_seed(0)
    return torch.randn(N, D, generator=g, dtype=torch.float64) @ torch.randn(D, D, generator=g, dtype=torch.float64) + 3


def test_fit_is_the_maximum_of_the_likelihood():
    """With correction 0 the gradient vanishes, and every change of W, b or s makes the data less probable."""
    x = some_data()
    model = LinearGaussianVAE.fit(x, 2)
    best = model.log_prob(x).mean()
    parameters = [*model.decoder.parameters(), model.log_std]
    for gradient in torch.autograd.grad(best, parameters):
        assert gradient.abs().max() < 1e-9
    for parameter in parameters:
        for i in range(parameter.numel()):
            for step in (0.01, -0.01):
                parameter.data.view(-1)[i] += step
                assert model.log_prob(x).mean() < best
                parameter.data.view(-1)[i] -= step
    unbiased = LinearGaussianVAE.fit(x, 2, correction=1)
    variance, larger = (m.log_std.exp().item() ** 2 for m in (model, unbiased))
    assert larger == pytest.approx(variance * 200 / 199)


def test_fit_is_a_maximum_of_the_bound_as_well():
    x = some_data()
    model = LinearGaussianVAE.fit(x, 2)
    torch.testing.assert_close(model.elbo(x), model.log_prob(x), rtol=0, atol=1e-9)
    for gradient in torch.autograd.grad(model.elbo(x).mean(), list(model.parameters())):
        assert gradient.abs().max() < 1e-9


def test_it_is_the_vae_without_hidden_layers():
    """The same bound from the course's VAE, whose network also gives the two widths, here constants."""
    model = scrambled()
    vae = VAE((5,), 2, hidden=(), distribution=model.pixels).double()
    to_mean, decoder = model.encoder, torch.zeros(5, 2, 2, dtype=torch.float64)
    decoder[:, 0] = model.decoder.weight.detach()
    vae.encoder[1].weight.data = torch.cat([to_mean.weight, torch.zeros_like(to_mean.weight)]).detach()
    vae.encoder[1].bias.data = torch.cat([to_mean.bias, model.log_var]).detach()
    vae.decoder[0].weight.data = decoder.view(10, 2)
    vae.decoder[0].bias.data = torch.stack([model.decoder.bias, model.log_std.expand(5)], -1).flatten().detach()
    x = model.sample(4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    want = vae.log_weights(x, 6)
    torch.manual_seed(0)
    torch.testing.assert_close(model.log_weights(x, 6), want)


def test_samples_have_the_mean_and_the_covariance_of_the_density():
    model = scrambled()
    a, b = (model.sample(100_000, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(a, b) and not a.requires_grad
    torch.testing.assert_close(a.mean(0), marginal(model).mean, rtol=0, atol=0.03)
    torch.testing.assert_close(a.T.cov(), marginal(model).covariance_matrix, rtol=0, atol=0.06)


def test_gradients_of_density_and_bound_agree_with_finite_differences():
    model = scrambled(3, 2)
    x = model.sample(4, generator=torch.Generator().manual_seed(0))
    parameters = dict(model.named_parameters())

    def value(method):
        return lambda *values: torch.func.functional_call(
            model, dict(zip(parameters, values, strict=True)), (x, method)
        )

    inputs = tuple(parameters.values())
    assert torch.autograd.gradcheck(value("elbo"), inputs)
    assert torch.autograd.gradcheck(value("log_prob"), inputs)
    assert torch.autograd.gradcheck(value("gap"), inputs)


def test_pictures_are_points_of_as_many_dimensions():
    points, pictures = scrambled(12, 3), scrambled(12, 3, shape=(1, 4, 3))
    x = pictures.sample(5, generator=torch.Generator().manual_seed(0))
    assert x.shape == (5, 1, 4, 3) and pictures.decode(torch.zeros(2, 7, 3).double()).mean.shape == (2, 7, 1, 4, 3)
    for method in ("log_prob", "elbo", "gap"):
        torch.testing.assert_close(pictures(x, method), points(x.flatten(1), method))
    fitted = LinearGaussianVAE.fit(pictures.sample(50), 2)
    assert fitted.shape == (1, 4, 3) and fitted.log_prob(x).shape == (5,)


def test_float32_stays_float32_and_agrees():
    x = some_data()
    model, double = LinearGaussianVAE.fit(x.float(), 2), LinearGaussianVAE.fit(x, 2)
    assert model.log_prob(x.float()).dtype == torch.float32
    torch.testing.assert_close(model.log_prob(x.float()), double.log_prob(x).float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["log_prob", "elbo", "gap", "posterior", "encode"])
@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(2, 4), r"\(2, 4\)"),
        (torch.zeros(3), r"\(3\)"),
        (torch.full((2, 3), math.nan), "NaN"),
        (torch.zeros(2, 3, dtype=torch.int64), "torch.int64"),
        (torch.zeros(2, 3, dtype=torch.float64), "torch.float64"),
        ([[0.0] * 3], "list"),
    ],
)
def test_what_is_no_batch_is_refused(method, x, got):
    with pytest.raises(ValueError, match=f"^x must .*got .*{got}"):
        getattr(LinearGaussianVAE((3,), 2), method)(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearGaussianVAE((3,), 0), "latent must be a whole number of at least 1, got 0"),
        (lambda: LinearGaussianVAE((0,), 1), "shape must be a tuple of whole numbers above 0"),
        (lambda: LinearGaussianVAE((3,), 2).decode(torch.zeros(2, 3)), r"shape \(\.\.\., 2\), got .* \(2, 3\)"),
        (lambda: LinearGaussianVAE((3,), 2).log_weights(torch.zeros(1, 3), 0), "samples must be .* got 0"),
        (lambda: LinearGaussianVAE((3,), 2).sample(0), "n must be a whole number of at least 1, got 0"),
        (lambda: LinearGaussianVAE.fit(torch.randn(9, 3), 3), "latent must be below the 3 dimensions of x, got 3"),
        (lambda: LinearGaussianVAE.fit(torch.randn(9, 3), 0), "latent must be a whole number of at least 1, got 0"),
        (lambda: LinearGaussianVAE.fit(torch.randn(9), 1), r"x must be a float tensor of shape \(N, \*shape\)"),
        (lambda: LinearGaussianVAE.fit(torch.ones(9, 3, dtype=torch.int64), 1), "x must be a float tensor"),
        (lambda: LinearGaussianVAE.fit(torch.tensor([[0.0, math.inf]]), 1), "x must be finite, got 1 values"),
        (lambda: LinearGaussianVAE.fit(torch.randn(9, 3), 1, 2), "correction must be 0 or 1, .* got 2 for 9 of x"),
        (lambda: LinearGaussianVAE.fit(torch.randn(1, 3), 1, 1), "correction must be .* got 1 for 1 of x"),
        (lambda: LinearGaussianVAE.fit(torch.zeros(9, 3), 1), "x must vary in more than latent = 1 directions"),
    ],
)
def test_bad_sizes_and_bad_data_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_out_of_all_bounds_leave_every_number_finite():
    torch.manual_seed(0)
    model, x = LinearGaussianVAE((3,), 2), torch.randn(5, 3)
    for log_std, log_var in ((-200.0, -200.0), (200.0, 200.0)):
        model.log_std.data.fill_(log_std)
        model.log_var.data.fill_(log_var)
        for numbers in (model.log_weights(x, 3), model.elbo(x), model.decode(torch.zeros(2, 2)).log_prob(x[:2])):
            assert numbers.isfinite().all()
        (slope,) = torch.autograd.grad(model.elbo(x).sum(), model.log_var)
        assert slope.isfinite().all() and ((slope < 0) == (log_var > 0)).all()  # back into the bounds
