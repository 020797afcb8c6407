"""What torch's own machinery does with a model: transforms, layouts of memory, types, devices, checkpoints, compilers.

A new model joins by a line in MODELS.
"""

import copy
import math

import pytest
import torch

from course_utils.distributions import categorical, discretized_logistic_mixture, gaussian, palette
from course_utils.models import (
    FVSBN,
    MADE,
    VAE,
    AutoEncoder,
    DenoisingAutoEncoder,
    DiagonalBiLSTM,
    Diffusion,
    DigitClassifier,
    Discriminator,
    FlowMatching,
    GatedPixelCNN,
    Generator,
    ImageGPT,
    LinearGaussianVAE,
    PixelCNN,
    RealNVP,
    RowLSTM,
)
from course_utils.models import base as models_base
from course_utils.models import vae as models_vae

SHAPE = (2, 4, 4)
MODELS = {  # all with a density
    "FVSBN": lambda: FVSBN(SHAPE, categorical(3)),
    "FVSBN, permuted": lambda: FVSBN(SHAPE, categorical(3), torch.randperm(32, generator=seeded(4), device="cpu")),
    "MADE": lambda: MADE(SHAPE, (12,), gaussian()),
    "MADE, permuted": lambda: MADE(SHAPE, (9, 8), None, torch.randperm(32, generator=seeded(4), device="cpu")),
    "PixelCNN": lambda: PixelCNN(SHAPE, 6, 1, discretized_logistic_mixture(3, 2)),
    "GatedPixelCNN": lambda: GatedPixelCNN(SHAPE, 6, 2, categorical(3)),
    "RowLSTM": lambda: RowLSTM(SHAPE, 6, 1, categorical(3)),
    "DiagonalBiLSTM": lambda: DiagonalBiLSTM(SHAPE, 6, 1, categorical(3)),
    "ImageGPT": lambda: ImageGPT((1, 4, 4), 8, 1, 2, palette(3)),
    "VAE": lambda: VAE(SHAPE, 3, (8,), categorical(3)),
    "VAE with convolutions": lambda: VAE(SHAPE, 3, (8,), gaussian(), channels=(4,)),
    "LinearGaussianVAE": lambda: LinearGaussianVAE(SHAPE, 2),
    "RealNVP": lambda: RealNVP(SHAPE, 2, (8,)),
    "RealNVP with levels": lambda: RealNVP(SHAPE, 2, channels=(4, 4), levels=3),
    "Diffusion": lambda: Diffusion(SHAPE, 6, (8,)),
    "Diffusion with levels": lambda: Diffusion(SHAPE, 6, (8,), (4, 8), levels=3),
    "FlowMatching": lambda: FlowMatching(SHAPE, (8,)),
    "FlowMatching with levels": lambda: FlowMatching(SHAPE, (8,), (4, 8), levels=3),
}
OTHERS = {
    "Generator": lambda: Generator(SHAPE, 3, (8,), (4,)),
    "Discriminator": lambda: Discriminator(SHAPE, (8,), (4,)),
    "Discriminator, spectral": lambda: Discriminator(SHAPE, (8,), (4,), spectral=True),
    "AutoEncoder": lambda: AutoEncoder(SHAPE, 3, (8,), (4,)),
    "DenoisingAutoEncoder": lambda: DenoisingAutoEncoder(SHAPE, 3, (8,), (4,)),
    "DigitClassifier": lambda: DigitClassifier(SHAPE, 3),
}
NOISY = {"VAE", "VAE with convolutions", "RealNVP with levels", "FlowMatching with levels"}  # log_prob draws noise,
NOISY |= {"Diffusion", "Diffusion with levels"}
each_model = pytest.mark.parametrize("name", MODELS)
each_module = pytest.mark.parametrize("name", [*MODELS, *OTHERS])


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """A flow's density by one step of its solver, where any number will do: twenty take twenty times as long."""
    monkeypatch.setattr(FlowMatching.log_prob, "__defaults__", (1, 1))


def seeded(seed=0):
    return torch.Generator("cpu").manual_seed(seed)


def made(name, seed=0):
    """The model with all parameters moved: many start at zero, and nothing would be seen."""
    torch.manual_seed(seed)
    model = (MODELS | OTHERS)[name]()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=seeded(1))
    return model.eval()


def pictures(model, n=3):
    if getattr(model, "pixels", None) and model.pixels.tokens:
        return torch.randint(3, (n, 4, 4), generator=seeded(), device="cpu")
    levels = 2 if isinstance(model, MADE) and model.pixels.levels == 2 else 3
    return torch.randint(levels, (n, *SHAPE), generator=seeded(), device="cpu") / (levels - 1)


def log_prob(model, x):
    torch.manual_seed(0)
    return model.log_prob(x)


def samples(model, n=2):
    return model.sample(n, generator=seeded())


def answer(model, x):
    """What any of the modules says of pictures, as one tensor."""
    torch.manual_seed(0)
    if isinstance(model, Generator):
        return model(torch.randn(len(x), 3, generator=seeded(), device="cpu").to(x.device, x.dtype))
    return model.loss(x) if isinstance(model, AutoEncoder) else model(x)


# torch.func


@each_model
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_gradients_of_each_picture_by_vmap_are_those_one_by_one(name):
    model = made(name)
    x, parameters = pictures(model), dict(model.named_parameters())

    def minus_log_prob(parameters, x):
        return -torch.func.functional_call(model, parameters, (x[None],)).sum()

    each = torch.func.vmap(torch.func.grad(minus_log_prob), (None, 0), randomness="different")(parameters, x)
    for i in range(len(x)):
        loss = -log_prob(model, x[i : i + 1]).sum()
        one = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
        for (key, found), expected in zip(each.items(), one, strict=True):
            assert found[i].isfinite().all() and (found[i] != 0).any() == (expected != 0).any(), key
            if name not in NOISY:
                torch.testing.assert_close(found[i], expected, rtol=1e-3, atol=1e-4)


def test_transforms_do_not_switch_the_checks_off_elsewhere():
    model = made("MADE, permuted")
    x, parameters = pictures(model), dict(model.named_parameters())
    slopes = torch.func.grad(lambda p: torch.func.functional_call(model, p, (x,)).sum())(parameters)
    assert slopes["direct"].shape == model.direct.shape
    wrong = x + 0.3  # an ordinary tensor, whose values can be seen
    with pytest.raises(ValueError, match="^x must hold 0 or 1"):
        torch.func.grad(lambda p: torch.func.functional_call(model, p, (wrong,)).sum())(parameters)
    several = [made("MADE, permuted", seed) for seed in (0, 1)]
    stacked = torch.func.stack_module_state(several)
    each = torch.func.vmap(lambda p, b, x: torch.func.functional_call(model, (p, b), (x,)), (0, 0, None))
    torch.testing.assert_close(each(*stacked, x), torch.stack([m.log_prob(x) for m in several]))
    with pytest.raises(ValueError, match="^x must hold 0 or 1"):
        each(*stacked, wrong)


# Layouts of memory


@each_module
def test_pictures_may_lie_in_memory_in_any_order(name, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", lambda x: torch.randn(x.shape, dtype=x.dtype))  # as x lies, it would be
    model = made(name)
    x = pictures(model)
    expected = answer(model, x)
    strided = torch.stack([x, x + 1], -1)[..., 0]
    turned = x.movedim(1, -1).contiguous().movedim(-1, 1)  # channels_last, or columns first
    for other in (strided, turned):
        torch.testing.assert_close(answer(model, other), expected, rtol=1e-3, atol=1e-4)
    same = x[:1].expand_as(x)
    torch.testing.assert_close(answer(model, same), answer(model, same.contiguous()), rtol=1e-3, atol=1e-4)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    for other in (x, turned):
        torch.testing.assert_close(answer(last, other), expected, rtol=1e-3, atol=1e-4)
    answer(last, turned).sum().backward()
    if name not in OTHERS:
        assert samples(last).shape[1:] == x.shape[1:]


# Devices, types, checkpoints


@each_module
@pytest.mark.parametrize("assign", [False, True])
def test_a_model_made_without_memory_is_that_of_the_checkpoint(name, assign):
    model = made(name)
    with torch.device("meta"):
        empty = (MODELS | OTHERS)[name]().eval()
    assert all(tensor.is_meta for tensor in [*empty.parameters(), *empty.buffers()])
    if not assign:
        empty.to_empty(device="cpu")
        for parameter in empty.parameters():
            parameter.data.fill_(7)  # what lies in fresh memory
    empty.load_state_dict(model.state_dict(), assign=assign)
    x = pictures(model)
    assert torch.equal(answer(empty, x), answer(model, x))
    if name in MODELS:
        assert torch.equal(samples(empty), samples(model))


@each_model
def test_checkpoints_hold_parameters_and_orders_alone_and_earlier_ones_still_load(name):
    model, other = made(name), made(name, seed=5)
    state = model.state_dict()
    assert set(state) - {key for key, _ in model.named_parameters()} <= {"rank"}
    earlier = state | {key: buffer for key, buffer in model.named_buffers()}  # they held masks
    other.load_state_dict({key: torch.zeros_like(v) if "mask" in key else v for key, v in earlier.items()})
    x = pictures(model)
    assert torch.equal(log_prob(other, x), log_prob(model, x))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        other.load_state_dict(state | {"mask_of_another": torch.zeros(1)})


@each_module
def test_nothing_is_made_on_the_default_device_where_the_model_is_on_another(name):
    model = made(name)
    x = pictures(model)
    expected, drawn = answer(model, x), samples(model) if name in MODELS else None
    with torch.device("meta"):
        assert torch.equal(answer(model, x), expected)
        assert drawn is None or torch.equal(samples(model), drawn)


@each_module
def test_a_model_made_in_double_precision_by_default_is_that_of_double(name):
    model = made(name)
    x = pictures(model)
    x = x if x.dtype == torch.int64 else x.double()
    torch.set_default_dtype(torch.float64)
    try:
        double = (MODELS | OTHERS)[name]().eval()
        double.load_state_dict(model.state_dict())
        found = answer(double, x)
        drawn = samples(double) if name in MODELS else None
        expected = answer(model.double(), x)
        assert drawn is None or torch.equal(drawn, samples(model))
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected)


@each_model
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_likelihoods_are_summed_in_single(name, dtype):
    model = made(name)
    x = pictures(model)
    expected, half = log_prob(model, x), copy.deepcopy(model).to(dtype)
    if name.startswith(("RealNVP with", "FlowMatching with")):
        with pytest.raises(ValueError, match="^x must be a float32 or float64 tensor"):  # no room for the noise
            log_prob(half, x.to(dtype))
        return
    found = log_prob(half, x if x.dtype == torch.int64 else x.to(dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.1)
    if name != "MADE":  # real numbers that are fed back run away, and beyond 65,504 in float16
        assert samples(half).isfinite().all()


@pytest.mark.parametrize(
    "move",
    [
        lambda model: model.half(),
        lambda model: model.bfloat16(),
        lambda model: model.double(),
        lambda model: model.to(torch.float16),
        lambda model: model.to("meta").to_empty(device="cpu"),
    ],
)
def test_a_schedule_stays_float32_whatever_the_model_is(move):
    plain, moved = Diffusion((2,), 1000, (4,)), move(Diffusion((2,), 1000, (4,)))
    for name in ("alpha", "sigma", "weight", "excess"):
        assert getattr(moved, name).dtype == torch.float32 and torch.equal(getattr(moved, name), getattr(plain, name))


def test_no_step_is_without_noise_in_half_precision():
    model = Diffusion((2,), 1000, (4,)).bfloat16()
    first, calls = torch.zeros(1, 2), []
    model.predict_x0 = lambda x, t: calls.append(x) or first.expand_as(x)
    model.sample(1, generator=seeded())
    steps = torch.cat(calls)
    assert len(steps) == 1000 and steps.dtype == torch.float32
    assert (steps.diff(dim=0) != 0).any(1).all()  # each step moved
    times = []
    model = Diffusion((2,), 1000, (4,)).bfloat16()
    model.field.forward = lambda x, t: times.append(t) or torch.zeros_like(x)
    model.sample(1, generator=seeded())
    assert len(torch.cat(times).unique()) == 1000  # and each was told from its neighbours


def test_masks_follow_the_parameters():
    model = made("MADE, permuted").double()
    assert model.mask_0.dtype == model.mask_direct.dtype == torch.float64 and model.rank.dtype == torch.int64
    model.to("meta")
    assert model.mask_0.is_meta


# Compiled code


@pytest.mark.parametrize("name", ["RealNVP with levels", "MADE", "VAE"])
def test_compiled_code_takes_batches_of_every_size(name):
    torch._dynamo.reset()
    model = made(name)
    compiled = torch.compile(lambda x: model.log_prob(x), backend="eager")
    for n in (3, 5, 2):
        x = pictures(model, n)
        torch.manual_seed(0)
        torch.testing.assert_close(compiled(x), log_prob(model, x), rtol=1e-4, atol=1e-4)


# Sampling


@each_model
def test_a_model_with_broken_weights_draws_no_picture(name):
    model = made(name)
    key, parameter = list(model.named_parameters())[-1]
    if "place" in key:
        key, parameter = next((k, p) for k, p in model.named_parameters() if "leave" in k and "bias" in k)
    parameter.data.view(-1)[0] = math.nan
    with pytest.raises(ValueError, match=f"finite parameters to be sampled, got NaN or infinity in {key}$"):
        samples(model, 2)


def test_a_generator_with_broken_weights_hides_nothing():
    model = made("Generator")
    model.net[0].bias.data[0] = math.nan
    assert model.sample(2).isnan().any()  # a training that has run away can be looked at


def test_finite_weights_that_overflow_are_no_pictures_either():
    model = VAE(SHAPE, 3, (8,))
    for parameter in model.decoder.parameters():
        parameter.data.fill_(3e38)
    with pytest.raises(ValueError, match="must answer numbers to be sampled, got NaN from finite parameters"):
        model.sample(2)


@each_model
def test_many_pictures_are_drawn_in_portions_and_are_the_same_pictures(name, monkeypatch):
    model = made(name)
    whole, sizes = samples(model, 5), []
    size = math.prod(model.shape)
    monkeypatch.setattr(models_base, "MOST_VALUES", {"cpu": 2 * size, "accelerator": 1})
    most = 2 * size * model.pixels.n_params
    monkeypatch.setattr(models_vae, "MOST_DRAWN", {"cpu": most, "accelerator": 1})
    for method in ("incremental", "conditionals", "decode", "velocity", "predict_x0"):
        if hasattr(model, method) and name != "LinearGaussianVAE":  # which holds no more than it returns
            real = getattr(model, method)
            monkeypatch.setattr(model, method, lambda x, *rest, real=real: sizes.append(len(x)) or real(x, *rest))
    portions = samples(model, 5)
    assert portions.shape == whole.shape
    assert name == "LinearGaussianVAE" or (max(sizes), set(sizes)) == (2, {1, 2})
    if name.startswith("Diffusion"):  # whose noise is drawn on the way
        assert len(portions.flatten(1).unique(dim=0)) == len(whole.flatten(1).unique(dim=0))
    elif not name.startswith("VAE with"):  # normal noise is drawn in blocks, which a portion cuts
        torch.testing.assert_close(portions, whole, rtol=1e-4, atol=1e-4)


def test_a_mask_that_somebody_has_changed_stays_so_when_the_model_moves():
    model = MADE((1, 3, 3), hidden=(5,))
    model.mask_direct[0, 1] = 1
    for moved in (model.cpu(), model.double(), model.float(), copy.deepcopy(model).to("cpu")):
        assert moved.mask_direct[0, 1] == 1
