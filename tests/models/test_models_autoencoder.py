import math

import pytest
import torch

from course_utils.models import AutoEncoder, DenoisingAutoEncoder


def line(slope=(3.0, 4.0), noise=0.0, n=500):
    """Points along a line in the plane, as a batch of (2,)."""
    g = torch.Generator().manual_seed(0)
    t = torch.randn(n, 1, generator=g)
    return t * torch.tensor(slope) / 5 + noise * torch.randn(n, 2, generator=g) + 1.0


def fit(model, x, steps=400, lr=0.05):
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(x).mean().backward()
        optimizer.step()
        schedule.step()
    return model


@pytest.mark.parametrize("channels", [(), (4,)])
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 7)])
def test_a_picture_goes_through_a_small_code_and_comes_back_in_its_shape(shape, channels):
    model = AutoEncoder(shape, latent=3, hidden=(8,), channels=channels)
    x = torch.rand(5, *shape)
    z = model.encode(x)
    assert z.shape == (5, 3)
    torch.testing.assert_close(model(x), model.decode(z))
    assert model(x).shape == x.shape
    grid = model.decode(torch.randn(2, 6, 3))
    assert grid.shape == (2, 6, *shape)


@pytest.mark.parametrize("channels", [(), (4,)])
def test_loss_is_the_squared_error_of_each_picture_summed_over_its_values(channels):
    torch.manual_seed(0)
    model, x = AutoEncoder((2, 4, 4), 3, (8,), channels), torch.rand(5, 2, 4, 4)
    with torch.no_grad():
        one_by_one = [sum((a - b) ** 2 for a, b in zip(model(i[None]).flatten(), i.flatten(), strict=True)) for i in x]
        torch.testing.assert_close(model.loss(x), torch.stack(one_by_one))


def test_the_linear_autoencoder_finds_the_principal_subspace():
    """Baldi and Hornik: its least loss is the sum of the discarded eigenvalues, its column space the principal one."""
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    x = torch.randn(2_000, 5, generator=g) @ torch.randn(5, 5, generator=g) + 2.0
    values, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    model = fit(AutoEncoder((5,), latent=2, hidden=()), x, steps=1_500)
    assert model.loss(x).mean().item() == pytest.approx(values[:-2].sum().item(), rel=2e-3)
    axes = model.decode(torch.eye(2)) - model.decode(torch.zeros(2))  # (2, 5), the decoder's columns
    plane = torch.linalg.qr(axes.detach().T).Q
    cosines = torch.linalg.svdvals(vectors[:, -2:].T @ plane)
    assert cosines.min() > 0.999


def test_denoising_turns_noise_at_the_input_into_shrinkage():
    """The best linear answer to x + std * eps is known, the Wiener filter: v / (v + std^2) along the line."""
    torch.manual_seed(0)
    x = line()
    along = torch.tensor([3.0, 4.0]) / 5
    variance = ((x - x.mean(0)) @ along).var(correction=0).item()
    model = fit(DenoisingAutoEncoder((2,), latent=1, hidden=(), std=0.7), x.repeat(20, 1), lr=0.03)
    shift = model(x.mean(0) + along[None]) - model(x.mean(0)[None])
    shrinkage = (shift @ along).item()
    assert shrinkage == pytest.approx(variance / (variance + 0.49), abs=0.05)
    plain = fit(AutoEncoder((2,), latent=1, hidden=()), x)
    shift = plain(x.mean(0) + along[None]) - plain(x.mean(0)[None])
    assert (shift @ along).item() == pytest.approx(1, abs=0.01)  # without noise, nothing is shrunk


def test_the_noise_of_a_denoising_autoencoder_is_gaussian_and_in_the_input_only():
    model = DenoisingAutoEncoder((1, 8, 8), 2, (8,), std=0.2)
    x = torch.rand(300, 1, 8, 8)
    noise = model.corrupt(x, torch.Generator().manual_seed(0)) - x
    assert noise.mean().abs() < 5 * 0.2 / math.sqrt(noise.numel())
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)
    assert torch.equal(noise, model.corrupt(x, torch.Generator().manual_seed(0)) - x)
    torch.testing.assert_close(model(x), model.decode(model.encode(x)))  # asked for a picture it adds none
    torch.manual_seed(3)
    loss = model.loss(x)
    torch.manual_seed(3)
    expected = (model(model.corrupt(x)) - x).square().flatten(1).sum(1)  # against the clean picture
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("model", [AutoEncoder((1, 2, 3), 2, (4,)), DenoisingAutoEncoder((1, 2, 3), 2, (4,))])
def test_an_autoencoder_says_nothing_of_densities(model):
    assert not hasattr(model, "log_prob") and not hasattr(model, "sample")


@pytest.mark.parametrize("kind", [AutoEncoder, DenoisingAutoEncoder])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 1, 3, 2), r"x must have shape \(B, 1, 2, 3\), got \(2, 1, 3, 2\)"),
        (torch.full((2, 1, 2, 3), math.nan), "x must be finite"),
        (torch.zeros(2, 1, 2, 3, dtype=torch.int64), "x must be a float tensor"),
        (torch.zeros(2, 1, 2, 3, dtype=torch.float64), "x must be torch.float32"),
    ],
)
def test_what_is_no_picture_is_refused(kind, x, message):
    model = kind((1, 2, 3), 2, (4,))
    for method in (model.encode, model.loss, model):
        with pytest.raises(ValueError, match=message):
            method(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoEncoder((1, 2, 3), latent=0), "latent must be a whole number of at least 1, got 0"),
        (lambda: AutoEncoder((0,)), "shape must be a tuple of whole numbers above 0"),
        (lambda: AutoEncoder((4,), channels=(2,)), r"shape must be \(channels, height, width\)"),
        (lambda: DenoisingAutoEncoder((4,), std=0.0), "std must be a finite number above 0, got 0.0"),
        (lambda: DenoisingAutoEncoder((4,), std=math.nan), "std must be a finite number above 0, got nan"),
        (lambda: AutoEncoder((4,), 3).decode(torch.zeros(2, 2)), r"z must be a float tensor of shape \(\.\.\., 3\)"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
