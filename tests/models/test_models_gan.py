import pytest
import torch

from course_utils.models import Discriminator, Generator


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 2, 2), (2,)])
def test_shapes_and_range(shape):
    torch.manual_seed(0)
    generator, discriminator = Generator(shape, latent=3, hidden=(16, 8)), Discriminator(shape, hidden=(16, 8))
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        parameter.data *= 6
    x = generator.sample(500)
    assert x.shape == (500, *shape) and x.dtype == torch.float32
    inside = ((x >= 0) & (x <= 1)).all()
    assert inside if len(shape) == 3 else not inside  # pictures are squashed, points are free
    logits = discriminator(x)
    assert logits.shape == (500,)
    assert not ((logits >= 0) & (logits <= 1)).all()  # logits, not probabilities


def test_a_generator_has_no_density():
    assert not hasattr(Generator((1, 2, 2)), "log_prob")


def test_sample_is_the_network_applied_to_standard_normal_noise():
    model = Generator((1, 2, 3), latent=4, hidden=(8,))
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.sample(7, generator=torch.Generator().manual_seed(0)), model(z))
    torch.manual_seed(5)
    a, b = model.sample(3), model.sample(3)
    assert not torch.equal(a, b)
    torch.manual_seed(5)
    assert torch.equal(model.sample(3), a)


def test_the_generator_learns_through_the_discriminator():
    generator, discriminator = Generator((1, 2, 2), latent=3, hidden=(8,)), Discriminator((1, 2, 2), hidden=(8,))
    discriminator(generator.sample(16)).sum().backward()
    for parameter in [*generator.parameters(), *discriminator.net.parameters()]:
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0


def test_gradients_agree_with_finite_differences():
    generator, discriminator = Generator((1, 2, 2), 3, (6,)).double(), Discriminator((1, 2, 2), (6,)).double()
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: discriminator(generator(z)), z)


def test_each_picture_is_judged_by_itself():
    discriminator = Discriminator((1, 2, 2))
    x = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(discriminator(x), torch.cat([discriminator(one[None]) for one in x]))


def test_all_pixels_are_made_and_seen():
    generator, discriminator = Generator((2, 3, 2), latent=3), Discriminator((2, 3, 2))
    z = torch.randn(3, generator=torch.Generator().manual_seed(0))
    made = torch.autograd.functional.jacobian(lambda z: generator(z[None])[0], z)  # (2, 3, 2, Z)
    assert (made.abs().amax(-1) > 0).all()
    seen = torch.autograd.functional.jacobian(lambda x: discriminator(x[None])[0], torch.rand(2, 3, 2))
    assert (seen != 0).all()


@pytest.mark.parametrize("z", [torch.randn(5, 4), torch.randn(3), torch.randn(2, 5, 3), torch.ones(5, 3).long(), [0.0]])
def test_what_is_no_batch_of_noise_is_refused(z):
    with pytest.raises(ValueError, match=r"^z must be a float tensor of shape \((n|\.\.\.), 3\), got "):
        Generator((1, 2, 2), latent=3)(z)


def test_both_players_refuse_another_type_than_their_parameters_but_for_what_autocast_casts():
    generator, discriminator = Generator((1, 2, 2), latent=3, hidden=(8,)), Discriminator((1, 2, 2), hidden=(8,))
    for call, name in ((lambda x: generator(x.flatten(1)[:, :3]), "z"), (discriminator, "x")):
        for dtype in (torch.float64, torch.bfloat16):
            with pytest.raises(
                ValueError, match=f"^{name} must be torch.float32, as the model's parameters are, got {dtype}"
            ):
                call(torch.rand(5, 1, 2, 2).to(dtype))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert len(call(torch.rand(5, 1, 2, 2).bfloat16())) == 5
            with pytest.raises(ValueError, match=f"^{name} must be torch.float32"):  # which it does not cast
                call(torch.rand(5, 1, 2, 2).double())


@pytest.mark.parametrize("n", [0, -3, 2.5, None])
def test_sample_refuses_bad_counts(n):
    with pytest.raises(ValueError, match=f"n must be a whole number of at least 1, got {n}"):
        Generator((1, 2, 2)).sample(n)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Generator(()), "shape must be a tuple of whole numbers above 0"),
        (lambda: Generator((1, 0, 2)), "shape must be a tuple of whole numbers above 0"),
        (lambda: Discriminator((1, 0, 2)), "shape must be a tuple of whole numbers above 0"),
        (lambda: Generator((1, 2, 2), latent=0), "must be a (whole number|tuple of whole numbers)"),
        (
            lambda: Discriminator((1, 2, 2), hidden=(0,)),
            "must be a (whole number|tuple of whole numbers)",
        ),
        (
            lambda: Discriminator((1, 2, 2))(torch.zeros(3, 4)),
            r"\(B, 1, 2, 2\), got torch.float32 of shape \(3, 4\)",
        ),
        (lambda: Discriminator((1, 2, 2))(torch.zeros(1, 2, 2)), r"got torch.float32 of shape \(1, 2, 2\)"),
    ],
)
def test_bad_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dense_layers_follow_the_order_from_the_input_on():
    generator = Generator((1, 4, 4), latent=3, hidden=(8, 5))
    assert [layer.in_features for layer in generator.net if hasattr(layer, "in_features")] == [3, 8, 5]
    discriminator = Discriminator((1, 4, 4), hidden=(8, 5))
    assert [layer.in_features for layer in discriminator.net if hasattr(layer, "in_features")] == [16, 8, 5]


def test_convolutions_keep_the_order_and_the_shape():
    torch.manual_seed(0)
    generator = Generator((3, 7, 9), latent=4, hidden=(10,), channels=(12, 6))
    convolutions = [layer for layer in generator.net if isinstance(layer, torch.nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [(12, 6), (6, 3)]
    x = generator.sample(5)
    assert x.shape == (5, 3, 7, 9) and ((x >= 0) & (x <= 1)).all()
    discriminator = Discriminator((3, 7, 9), hidden=(10,), channels=(6, 12))
    convolutions = [layer for layer in discriminator.net if isinstance(layer, torch.nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [(3, 6), (6, 12)]
    assert discriminator(x).shape == (5,)
    z = torch.randn(4, generator=torch.Generator().manual_seed(0))
    made = torch.autograd.functional.jacobian(lambda z: generator(z[None])[0], z)  # (3, 7, 9, Z)
    assert (made.abs().amax(-1) > 0).all()
    seen = torch.autograd.functional.jacobian(lambda x: discriminator(x[None])[0], torch.rand(3, 7, 9))
    assert (seen != 0).all()


@pytest.mark.parametrize("channels", [(), (4, 6)])
def test_spectral_normalisation_makes_the_largest_singular_value_one(channels):
    torch.manual_seed(0)
    discriminator = Discriminator((1, 8, 8), hidden=(12,), channels=channels, spectral=True)
    x = torch.rand(4, 1, 8, 8)
    for _ in range(300):  # power iterations
        discriminator(x)
    layers = [layer for layer in discriminator.net if hasattr(layer, "weight")]
    assert len(layers) == len(channels) + 2
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    plain = Discriminator((1, 8, 8), hidden=(12,), channels=channels)
    assert not torch.nn.utils.parametrize.is_parametrized(plain.net[-1])


def test_a_dense_discriminator_with_spectral_normalisation_stretches_nothing():
    torch.manual_seed(0)
    discriminator = Discriminator((2,), hidden=(64, 64), spectral=True)
    x = (5 * torch.randn(500, 2)).requires_grad_()
    for _ in range(100):
        discriminator(x)
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x)
    assert slope.norm(dim=1).max() < 1.1**2  # two SiLU, each of slope at most 1.1


def test_both_players_refuse_convolutions_on_points():
    for player in (Generator, Discriminator):
        with pytest.raises(ValueError, match="shape must be .channels, height, width. for convolutions"):
            player((2,), channels=(4,))
