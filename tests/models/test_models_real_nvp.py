import math

import pytest
import torch
from torch.distributions import Normal

from course_utils.data import two_moons
from course_utils.models import RealNVP
from course_utils.models.dequantise import dequantised_log_prob
from course_utils.models.real_nvp import mask

MODELS = {
    "2": lambda: RealNVP((2,), 6, (24,)),
    "5, two hidden layers": lambda: RealNVP((5,), 5, (16, 12)),
    "1": lambda: RealNVP((1,), 2, (4,)),
    "picture": lambda: RealNVP((1, 3, 4), 4, (20,)),
    "picture with convolutions": lambda: RealNVP((1, 4, 3), 4, channels=(6, 5, 6)),
    "colours with convolutions": lambda: RealNVP((2, 3, 3), 3, channels=(6,)),
    "picture of one pixel": lambda: RealNVP((3, 1, 1), 4, (8,)),
}
each_model = pytest.mark.parametrize("name", MODELS)


def enlarge(model, size=1.0, seed=0):
    """All parameters random and so large that the flow is far from the identity, but no network runs away."""
    g = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 and "place" not in name else 1
        parameter.data = size * torch.randn(parameter.shape, generator=g).to(parameter) / fan_in**0.5
    return model


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def trained(steps=150):
    """A few seconds of training on two moons, in float64."""
    torch.manual_seed(0)
    model, data = RealNVP((2,), 6, (24,)).double(), two_moons()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(steps):
        loss = -model.log_prob(data.sample(200).double()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def boundary(model, radius):
    """Corners of a box around all points whose z is within the radius: f is continuous, so the circle's image suffices.

    What lies outside has the probability exp(-radius^2 / 2).
    """
    angle = torch.arange(4_000, dtype=torch.float64) * (2 * math.pi / 4_000)
    around = model.decode(radius * torch.stack([angle.cos(), angle.sin()], 1).view(-1, *model.shape)).flatten(1)
    return around.amin(0), around.amax(0)


@torch.no_grad()
def density_on_a_grid(model, cells, radius=4.5):
    """Density times area in the cells of that box, (cells, cells), and the edges of the cells along each axis."""
    low, high = boundary(model, radius)
    step = (high - low) / cells
    edges = [low[i] + step[i] * torch.arange(cells + 1, dtype=torch.float64) for i in (0, 1)]
    axes = [each[:-1] + size / 2 for each, size in zip(edges, step, strict=True)]
    points = torch.cartesian_prod(*axes)
    log_p = torch.cat([model.log_density(part) for part in points.split(50_000)])
    return log_p.exp().view(cells, cells) * step.prod(), edges


FLOWS = {"random": lambda: enlarge(MODELS["2"]().double(), 1.2, seed=3), "trained": trained}


@pytest.mark.parametrize("flow", FLOWS)
def test_the_density_integrates_to_one_and_samples_follow_it(flow):
    model = FLOWS[flow]()
    p, edges = density_on_a_grid(model, 400)
    assert p.sum().item() == pytest.approx(1, abs=1e-3)  # outside the box lies at most exp(-4.5^2 / 2) = 4e-5
    # far from a Gaussian, for which less would have to be shown
    _, log_det = model.encode(model.sample(1_000, generator=torch.Generator().manual_seed(1)))
    assert log_det.std() > 0.4
    n, coarse = 20_000, 20
    x = model.sample(n, generator=torch.Generator().manual_seed(0))
    expected = p.view(coarse, 20, coarse, 20).sum((1, 3))
    counts = torch.histogramdd(x, [each[::20].contiguous() for each in edges])[0]
    error = (n * expected).clamp(min=1).sqrt()
    assert ((counts - n * expected).abs() < 4.5 * error + 1e-3 * n * expected + 3).all()
    assert (expected > 0.003).sum() > 20
    assert counts.sum() > 0.999 * n


@each_model
def test_the_flow_and_its_inverse_undo_each_other(name):
    model = enlarge(MODELS[name](), 0.8)
    x = normal(50, *model.shape)
    z, _ = model.encode(x)
    assert (z - x).abs().mean() > 0.3
    torch.testing.assert_close(model.decode(z), x, rtol=0, atol=1e-5)
    back, _ = model.encode(model.decode(x))
    torch.testing.assert_close(back, x, rtol=0, atol=1e-5)


def test_the_trained_flow_inverts_in_single_precision():
    model, x = trained().float(), two_moons().sample(500, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.decode(model.encode(x)[0]), x, rtol=0, atol=1e-5)
    z = normal(500, 2)
    torch.testing.assert_close(model.encode(model.decode(z))[0], z, rtol=0, atol=1e-5)


@each_model
def test_log_det_is_that_of_the_autograd_jacobian(name):
    model = enlarge(MODELS[name]().double())
    x = normal(4, *model.shape, dtype=torch.float64)
    z, log_det = model.encode(x)
    for i in range(len(x)):
        jacobian = torch.autograd.functional.jacobian(lambda one: model.encode(one[None])[0][0], x[i])
        size = math.prod(model.shape)
        exact = torch.linalg.slogdet(jacobian.view(size, size)).logabsdet
        assert log_det[i].item() == pytest.approx(exact.item(), abs=1e-8)
    assert log_det.std() > 0.01 or size == 1
    expected = Normal(0.0, 1.0).log_prob(z).flatten(1).sum(1) + log_det
    torch.testing.assert_close(model.log_density(x), expected)
    torch.testing.assert_close(model.log_prob(x), expected)
    torch.testing.assert_close(model(x), expected)  # forward


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 3, 4), (2, 3, 3)])
@pytest.mark.parametrize("channels", [(), (4,)])
@pytest.mark.parametrize("turn", [0, 1])
def test_a_coupling_is_triangular_with_its_scales_on_the_diagonal(shape, channels, turn):
    if channels and len(shape) == 1:
        channels = ()
    model = enlarge(RealNVP(shape, turn + 1, (8,), channels).double())
    x, size = normal(1, *shape, dtype=torch.float64), math.prod(shape)
    halves, coupling = model.split(x), model.couplings[turn]

    def one(x):
        halves = model.split(x)
        halves[turn] = coupling(halves[1 - turn], halves[turn])[0]
        return model.join(halves)

    jacobian = torch.autograd.functional.jacobian(one, x).view(size, size)
    passes = mask(shape).flatten() != turn
    assert torch.equal(jacobian[passes][:, passes], torch.eye(int(passes.sum()), dtype=torch.float64))
    assert not jacobian[passes][:, ~passes].any()
    changed = jacobian[~passes][:, ~passes]
    s = coupling(halves[1 - turn], halves[turn])[1].flatten()
    if channels:  # a picture, whose other half has s = 0
        assert not s[passes].any()
        s = s[~passes]
    torch.testing.assert_close(changed, s.exp().diag())
    assert s.abs().min() > 1e-3
    if not channels:  # of a convolution a value sees its neighbours only
        assert (jacobian[~passes][:, passes] != 0).all()


def with_masks(model, x):
    """The formula with a mask b, z = b x + (1 - b) (x exp(s) + t), with layers as wide as x that hold the weights.

    Of the first layer the columns of kept values, of the last the rows of changed ones; all others are zero.
    """
    size = math.prod(model.shape)
    x, board, log_det = x.flatten(1), mask(model.shape).flatten().to(x), 0
    for i, coupling in enumerate(model.couplings):
        b = board if i % 2 == 0 else 1 - board
        kept, changed = b.nonzero()[:, 0], (1 - b).nonzero()[:, 0]
        layers = [layer for layer in coupling.net if isinstance(layer, torch.nn.Linear)]
        first = torch.zeros(len(layers[0].weight), size).to(x)
        first[:, kept] = layers[0].weight
        h = (b * x) @ first.T + layers[0].bias
        for layer in layers[1:]:
            h = torch.nn.functional.silu(h) @ layer.weight.T + layer.bias
        s, t = torch.zeros(2, *x.shape).to(x)
        s[:, changed] = coupling.scale * h[:, : len(changed)].tanh()
        t[:, changed] = h[:, len(changed) :]
        x = b * x + (1 - b) * (x * s.exp() + t)
        log_det = log_det + s.sum(1)
    return x.view(-1, *model.shape), log_det


@torch.no_grad()
@pytest.mark.parametrize("name", ["2", "5, two hidden layers", "picture", "picture of one pixel"])
def test_halves_are_what_masks_make_of_layers_as_wide_as_the_picture(name):
    model = enlarge(MODELS[name]().double())
    x = normal(7, *model.shape, dtype=torch.float64)
    z, log_det = model.encode(x)
    expected, expected_log_det = with_masks(model, x)
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(log_det, expected_log_det)


@each_model
def test_it_starts_as_the_identity(name):
    model = MODELS[name]()
    x = normal(6, *model.shape)
    z, log_det = model.encode(x)
    assert torch.equal(z, x) and torch.equal(log_det, torch.zeros(6))
    assert torch.equal(model.decode(x), x)
    torch.testing.assert_close(model.log_prob(x), Normal(0.0, 1.0).log_prob(x).flatten(1).sum(1))


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 3, 4), (3, 4, 3), (1, 1, 5), (3, 1, 1)])
@pytest.mark.parametrize("channels", [(), (4,)])
def test_the_halves_are_the_colours_of_a_checkerboard_and_take_turns(shape, channels):
    board = mask(shape)
    assert set(board.unique().tolist()) == {0.0, 1.0}
    for axis in range(max(0, len(shape) - 2), len(shape)):
        size = shape[axis]
        a, b = board.narrow(axis, 0, size - 1), board.narrow(axis, 1, size - 1)
        assert torch.equal(a + b, torch.ones_like(a))  # a neighbour is always of the other colour
    model = RealNVP(shape, 3, (4,), channels if len(shape) == 3 else ())
    x = normal(4, *shape)
    halves = model.split(x)
    for colour, half in enumerate(halves):
        if model.convolutions:
            assert torch.equal(half, torch.where(board == colour, x, 0))
        else:
            assert torch.equal(half, x[:, board == colour])
    assert torch.equal(model.join(halves), x)
    for turn, coupling in enumerate(enlarge(model).couplings):
        colour = turn % 2
        halves = model.split(x)
        halves[colour] = coupling(halves[1 - colour], halves[colour])[0]
        assert torch.equal((model.join(halves) != x).all(0), board == colour)


def test_a_single_value_is_stretched_and_shifted_by_every_coupling():
    model = enlarge(MODELS["1"](), 0.8)
    z, log_det = model.encode(torch.tensor([[0.0], [1.0], [2.0]]))
    slope = z.diff(dim=0)
    torch.testing.assert_close(slope[0], slope[1])
    torch.testing.assert_close(log_det, slope[0].log().expand(3))
    assert model.turns == [0, 0] and abs(slope[0].item() - 1) > 0.1


@each_model
def test_every_value_comes_to_depend_on_every_other(name):
    model = enlarge(MODELS[name]().double())
    x, size = normal(*model.shape, dtype=torch.float64), math.prod(model.shape)
    jacobian = torch.autograd.functional.jacobian(lambda one: model.encode(one[None])[0][0], x).view(size, size)
    assert (jacobian != 0).all()


@pytest.mark.parametrize("channels", [(), (8,)])
def test_the_scale_is_bounded_by_its_factor(channels):
    coupling = enlarge(RealNVP((2, 2, 2), 1, (8,), channels), 3).couplings[0]
    kept = 1e6 * normal(100, 4) if not channels else 1e6 * normal(100, 2, 2, 2)
    s, _ = coupling.stretch_and_shift(kept)
    assert (s.abs() <= coupling.scale.abs()).all() and s.abs().max() > 0.9 * coupling.scale.abs().max()


@each_model
def test_each_value_is_transformed_by_itself_in_the_batch(name):
    model = enlarge(MODELS[name]())
    x = normal(4, *model.shape)
    torch.testing.assert_close(model.log_prob(x), torch.cat([model.log_prob(one[None]) for one in x]))


@each_model
def test_every_number_of_every_parameter_is_trained(name):
    """No weight belongs to a value that a network may not see, or to an answer that nobody uses."""
    model = enlarge(MODELS[name]().double(), 0.7)
    model.log_prob(normal(6, *model.shape, dtype=torch.float64)).sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad != 0).all(), name


def test_a_dense_network_is_as_wide_as_what_it_sees_and_answers():
    count = sum(p.numel() for p in RealNVP((1, 8, 8), 8, (128,)).parameters())
    assert count == 8 * (32 * 128 + 128 + 128 * 64 + 64 + 32)  # two layers, and the factor of s


# Pictures of levels


def tiny():
    """Two pixels of three levels, so that quadrature gives all nine probabilities; a third of the mass is in [0, 1]."""
    model = enlarge(RealNVP((1, 1, 2), 4, (8,), levels=3).double(), 0.8, seed=6)
    for coupling in model.couplings[-2:]:
        coupling.net[-1].bias.data = torch.tensor([1.0, -0.5]).double()  # s, then t: z is wider than x
        coupling.scale.data.fill_(1.0)
    return model


@torch.no_grad()
def probabilities(model, cells=20):
    """Of each pair of levels: inside the bins, and with those at the ends extended as ``quantise`` does, (9,) each."""
    smallest, largest = boundary(model, 4.5)
    low, high = int(3 * smallest.min() - 1), int(3 * largest.max() + 1)
    bins = torch.arange(low, high)
    axis = (torch.arange(len(bins) * cells, dtype=torch.float64) + 0.5) / cells + low
    y = torch.cartesian_prod(axis, axis).view(-1, 1, 1, 2) / 3
    p = model.log_density(y).exp().view(len(bins), cells, len(bins), cells).sum((1, 3)) / (3 * cells) ** 2
    i, j = torch.meshgrid(bins, bins, indexing="ij")
    index = 3 * i.clamp(0, 2) + j.clamp(0, 2)
    everything = torch.zeros(9).double().index_add(0, index.flatten(), p.flatten())
    return p[-low : 3 - low, -low : 3 - low].flatten(), everything


@torch.no_grad()
def test_bound_and_samples_of_pictures_against_quadrature_over_their_bins():
    model = tiny()
    x = torch.cartesian_prod(*[torch.arange(3, dtype=torch.float64) / 2] * 2).view(9, 1, 1, 2)
    inside, everything = probabilities(model)
    assert everything.sum().item() == pytest.approx(1, abs=1e-3)
    torch.manual_seed(0)
    bounds = [model.log_prob(x.repeat(1_000, 1, 1, 1), k).view(1_000, 9) for k in (1, 4)]
    error = bounds[0].std(0) / 1_000**0.5
    assert (bounds[0].mean(0) < inside.log() + 4.5 * error).all()
    assert bounds[0].mean() + 3 * error.mean() < bounds[1].mean() < inside.log().mean()
    torch.testing.assert_close(model.log_prob(x, 2_000), inside.log(), rtol=0, atol=0.05)
    drawn = model.sample(40_000, generator=torch.Generator().manual_seed(0))
    index = (drawn.flatten(1) * 2).round().long() @ torch.tensor([3, 1])
    frequency = torch.bincount(index, minlength=9) / 40_000
    assert set(drawn.unique().tolist()) == {0.0, 0.5, 1.0}
    assert ((frequency - everything).abs() < 4.5 * (everything / 40_000).sqrt() + 1e-3).all()
    assert everything.max() > 2 * everything.min() and inside.sum() < 0.9


def test_the_bound_is_that_of_the_density_under_the_same_noise():
    model = enlarge(RealNVP((1, 3, 4), 3, (8,), levels=5), 0.3)
    x = torch.randint(5, (6, 1, 3, 4), generator=torch.Generator().manual_seed(0)) / 4
    for samples in (1, 3):
        g, h = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
        expected = dequantised_log_prob(model.log_density, x, 5, samples, generator=h)
        torch.testing.assert_close(model.log_prob(x, samples, generator=g), expected)
    torch.manual_seed(2)
    one = model(x)
    torch.manual_seed(2)
    assert torch.equal(one, model.log_prob(x)) and one.shape == (6,)


def test_samples_have_shape_and_levels_and_repeat_with_the_generator():
    for model in (RealNVP((3, 4, 5), 2, (8,), levels=17), RealNVP((3, 4, 5), 2, channels=(4,), levels=17)):
        a, b, c = (model.sample(7, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
        assert a.shape == (7, 3, 4, 5) and torch.equal(a, b) and not torch.equal(a, c)
        assert not a.requires_grad and torch.isfinite(model.log_prob(a)).all()  # they are on the levels
    assert RealNVP((2,)).sample(3).shape == (3, 2)


def test_everything_stays_on_the_device_of_the_model():
    for model in (RealNVP((1, 4, 4), levels=5), RealNVP((1, 4, 4), channels=(4, 4), levels=5), RealNVP((3,))):
        model = model.to("meta")  # a device without memory: mixing in a CPU tensor raises
        x = torch.zeros(3, *model.shape, device="meta")
        assert {part.device.type for part in (*model.encode(x), model.decode(x), model.sample(2))} == {"meta"}
        assert model.log_prob(x, 2).device.type == "meta"


def test_single_precision_autocast_and_double_agree():
    model = enlarge(RealNVP((1, 4, 4), 4, (16,)), 0.7)
    x = normal(5, 1, 4, 4)
    exact = model.double().log_prob(x.double())
    model.float()
    torch.testing.assert_close(model.log_prob(x).double(), exact, rtol=1e-5, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.log_prob(x)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.double(), exact, rtol=0.05, atol=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RealNVP(()), "shape must be a tuple of whole numbers above 0"),
        (lambda: RealNVP((0,)), "shape must be a tuple of whole numbers above 0"),
        (lambda: RealNVP((2,), layers=0), "layers must be a whole number of at least 1, got 0"),
        (lambda: RealNVP((2,), hidden=(0,)), "hidden must be a tuple of whole numbers above 0"),
        (lambda: RealNVP((4,), channels=(4,)), r"shape must be \(channels, height, width\) for convolutions"),
        (lambda: RealNVP((1, 2, 2), levels=1), "levels must be a whole number of at least 2, got 1"),
        (lambda: RealNVP((1, 2, 2), levels=2.5), "levels must be a whole number of at least 2, got 2.5"),
        (lambda: RealNVP((2,)).sample(0), "n must be a whole number of at least 1, got 0"),
        (lambda: RealNVP((2,)).log_prob(torch.zeros(3, 2), 0), "samples must be a whole number of at least 1, got 0"),
        (lambda: RealNVP((2,)).log_prob(torch.full((3, 2), math.nan)), "x must be finite"),
        (lambda: RealNVP((2,)).log_prob(torch.zeros(3, 3)), r"x must have shape \(B, 2\)"),
        (lambda: RealNVP((2,), levels=5).log_prob(torch.full((3, 2), 0.3)), "x must hold k/4"),
        (lambda: RealNVP((2,)).encode(torch.zeros(2)), r"x must be a torch.float32 tensor of shape \(B, 2\)"),
        (lambda: RealNVP((2,)).encode([0.0]), "x must be a torch.float32 tensor"),
        (lambda: RealNVP((2,)).log_density(torch.zeros(3, 2).double()), "x must be a torch.float32 tensor"),
        (lambda: RealNVP((1, 2, 2)).decode(torch.zeros(3, 1, 2, 3)), r"z must be a .* \(B, 1, 2, 2\)"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
