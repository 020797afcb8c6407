"""What the doors of the package let in, and what they say of the rest."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import _check, data, metrics, models, widgets
from course_utils.distributions import bits_per_dim, categorical, discretized_logistic_mixture, palette
from course_utils.divergences import wasserstein_grid
from course_utils.objectives import clip_weights_

WHOLE = {"NumPy": np.int64, "NumPy, 8 bits": np.uint8, "array": np.array, "tensor": torch.tensor}
as_whole = pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)


@as_whole
def test_whole_numbers_of_numpy_and_torch_are_whole_numbers(make):
    got = _check.whole("n", make(3))
    assert got == 3 and type(got) is int
    sizes = _check.sizes("shape", (make(1), 2, make(3)))
    assert sizes == (1, 2, 3) and all(type(size) is int for size in sizes)
    assert _check.positive("std", make(3)) == 3.0 and _check.share("share", make(0)) == 0.0
    with pytest.raises(ValueError, match="^n must be a whole number of at least 4, got "):
        _check.whole("n", make(3), least=4)


@pytest.mark.parametrize("value", [np.float32(0.25), np.float64(0.25), np.array(0.25), torch.tensor(0.25)])
def test_real_numbers_of_numpy_and_torch_are_numbers(value):
    for check in (_check.positive, _check.share):
        got = check("x", value)
        assert got == 0.25 and type(got) is float
    with pytest.raises(ValueError, match="^n must be a whole number"):
        _check.whole("n", value)


NO_NUMBERS = [
    True, np.True_, np.array(True), torch.tensor(True),  # a bool is an int for Python and an index for torch
    torch.tensor([3]), np.array([3]), torch.tensor([[3]]), [3], "3", None, 3j, torch.tensor(3j), np.complex64(3),
    math.nan, math.inf, -1, torch.tensor(math.nan), torch.tensor(3, device="meta"),
]  # fmt: skip


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused(value):
    for check in (_check.whole, _check.positive, _check.share):
        with pytest.raises(ValueError, match="^x must be a .*number"):
            check("x", value)
    with pytest.raises(ValueError, match="^x must be a tuple of whole numbers above 0"):
        _check.sizes("x", (1, value))


def test_a_number_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match="^x must be a finite number above 0, got 1000000.*000000$"):
        _check.positive("x", 10**400)


PICTURES = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(0)).round(decimals=1)
POINTS = torch.rand(12, 2, generator=torch.Generator().manual_seed(1))
MOON_CODES = torch.zeros(1, 256), torch.ones(1, 256), torch.tensor([[0.0, 0.25]])

# name: (call with one whole number, the number)
COUNTED = {
    "batches, size": (lambda k: len(list(data.batches(POINTS, k))[-1]), 5),
    "batches, epochs": (lambda k: len(data.batches(POINTS, 5, epochs=k)), 2),
    "batches, steps": (lambda k: len(list(data.batches(POINTS, 5, steps=k))), 4),
    "creatures": (lambda k: data.creatures(k, seed=k).train, 10),
    "learn_palette": (lambda k: data.learn_palette(PICTURES, k, seed=k), 3),
    "cell_log_probs": (lambda k: data.cell_log_probs(PICTURES, PICTURES[0, :, 0].T, k), 11),
    "Images": (lambda k: repr(data.Images("x", *[PICTURES] * 3, levels=k)), 11),
    "mesh, sample": (lambda k: data.mesh((1, k, k)).sample(k, torch.Generator().manual_seed(0)), 3),
    "moon": (lambda k: data.moon(0.3, size=k), 9),
    "moon_phases": (lambda k: data.moon_phases(k, seed=k).train, 10),
    "ring": (lambda k: data.ring(k, radius=k, std=k).sample(k, torch.Generator().manual_seed(0)), 4),
    "grid": (lambda k: data.grid(k, spacing=k, std=k).centres, 3),
    "spiral": (lambda k: data.spiral(k, turns=k, components=k, std=k).centres, 3),
    "two_moons": (lambda k: data.two_moons(k, std=k).centres, 3),
    "redraw_digits": (
        lambda k: data.redraw_digits(torch.ones(2, 1, 8, 8), k, torch.Generator().manual_seed(0)), 1,
    ),
    "kernel_distance": (lambda k: metrics.kernel_distance(POINTS, POINTS[:9], k, k, seed=k), 5),
    "memorisation": (lambda k: metrics.memorisation(POINTS[:3], POINTS[3:8], POINTS[8:], k, seed=k), 5),
    "precision_recall": (lambda k: metrics.precision_recall(POINTS, POINTS[:9], k), 2),
    "coverage": (lambda k: metrics.coverage(POINTS, POINTS[:9], k), 2),
    "mode_coverage": (lambda k: metrics.mode_coverage(POINTS, POINTS[:2], k), 1),
    "parzen": (lambda k: metrics.parzen_log_likelihood(POINTS, POINTS[:2], k), 1),
    "active_units": (lambda k: metrics.active_units(POINTS, k), 0),
    "is_moon": (lambda k: metrics.is_moon(torch.zeros(2, 1, 16, 16), k), 1),
    "moon_walk": (lambda k: metrics.moon_walk(lambda z: z.view(-1, 1, 16, 16), *MOON_CODES, steps=k).distance, 3),
    "wasserstein_grid": (lambda k: wasserstein_grid(torch.eye(3)[0], torch.eye(3)[1], k), 2),
    "clip_weights_": (lambda k: clip_weights_(nn.Linear(2, 2), k), 1),
    "free_bits": (lambda k: models.vae.free_bits(POINTS, k), 1),
    "fit of a linear VAE": (
        lambda k: models.LinearGaussianVAE.fit(PICTURES[:, :1], k, correction=k).log_prob(PICTURES[:, :1]), 1,
    ),
    "FVSBN": (lambda k: models.FVSBN((1, k, k), categorical(k)).sample(k), 2),
    "MADE": (lambda k: models.MADE((1, k, k), (k,), categorical(k)).sample(k), 2),
    "RowLSTM": (lambda k: models.RowLSTM((1, k, k), k, k, discretized_logistic_mixture(k, k), kernel=k).sample(k), 3),
    "DiagonalBiLSTM": (lambda k: models.DiagonalBiLSTM((1, k, k), k, k).sample(k), 2),
    "MaskedConv2d": (lambda k: models.masked.MaskedConv2d("A", k, k, k)(PICTURES), 3),
    "PixelCNN": (lambda k: models.PixelCNN((1, k, k), k, k).sample(k), 2),
    "GatedPixelCNN": (lambda k: models.GatedPixelCNN((1, k, k), k, k).sample(k), 2),
    "ImageGPT": (lambda k: models.ImageGPT((1, k, k), k, k, k, palette(k)).sample(k), 2),
    "AutoEncoder": (lambda k: models.AutoEncoder((1, k, k), k, (k,)).encode(torch.ones(1, 1, 2, 2)), 2),
    "DenoisingAutoEncoder": (lambda k: models.DenoisingAutoEncoder((k,), std=k).corrupt(torch.ones(2, k)), 1),
    "VAE": (lambda k: models.VAE((1, k, k), k, (k,)).log_prob(torch.ones(1, 1, 2, 2), samples=k), 2),
    "Generator": (lambda k: models.Generator((1, k, k), k, (k,)).sample(k), 2),
    "Discriminator": (lambda k: models.Discriminator((1, k, k), (k,))(torch.ones(1, 1, 2, 2)), 2),
    "RealNVP": (lambda k: models.RealNVP((1, k, k), k, (k,), levels=k).sample(k), 2),
    "Diffusion": (lambda k: models.Diffusion((1, k, k), k, (k,), levels=k).sample(k, k), 2),
    "Diffusion, eta": (lambda k: models.Diffusion((2,), 3, (2,)).sample(k, k, eta=k), 1),
    "FlowMatching": (lambda k: models.FlowMatching((1, k, k), (k,), levels=k).sample(k, k), 2),
    "bits_per_dim": (lambda k: bits_per_dim(torch.ones(2), k), 3),
    "DigitClassifier": (lambda k: len(models.DigitClassifier((1, k, k), classes=k).decide[1].bias), 8),
}  # fmt: skip


@as_whole
@pytest.mark.parametrize("name", COUNTED)
def test_every_size_count_and_seed_may_come_from_numpy_or_torch(name, make):
    call, number = COUNTED[name]

    def result(k):
        torch.manual_seed(0)
        return call(k)

    expected, got = result(number), result(make(number))
    if torch.is_tensor(expected):
        assert torch.equal(got, expected) and got.dtype == expected.dtype
    else:
        assert got == expected


@pytest.mark.parametrize(
    "value",
    [
        list(range(100_000)),
        {k: k for k in range(1_000)},
        "x" * 100_000,
        np.arange(100_000),
        torch.arange(100_000),
        [torch.arange(1_000)] * 1_000,
        np.zeros((50, 50)),
        nn.Sequential(*[nn.Linear(2, 2)] * 50),
        ((tuple(range(1_000)),) * 1_000,),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_message_prints_a_whole_large_value(value):
    doors = [
        lambda: _check.whole("n", value),
        lambda: _check.sizes("n", value, length=2),
        lambda: _check.positive("n", value),
        lambda: _check.share("n", value),
        lambda: _check.image_shape("n", value, 1),
        lambda: _check.images("n", value, (1, 2, 2)),
        lambda: data.mesh(table=value),
        lambda: data.batches(POINTS, value),
        lambda: data.batches(POINTS, 2, steps=value, epochs=value),
        lambda: data.batches([torch.zeros(n + 1) for n in range(1_000)], 2),
        lambda: data.redraw_digits(torch.zeros(1, 1, 8, 8), value),
        lambda: metrics.active_units(POINTS, value),
        lambda: metrics.high_frequency_power(PICTURES, value),
    ]
    for door in doors:
        with pytest.raises(ValueError, match=" must ") as caught:
            door()
        message = str(caught.value)
        assert len(message) < 400 and "\n" not in message, message


def test_what_is_short_is_printed_as_it_is():
    for value in (3, -1.5, "a word", (1, 2, 3), [0.5], None, {"a": 1}):
        assert _check.describe(value) == repr(value)
    assert _check.describe(torch.tensor(5)) == "tensor(5)"
    assert _check.describe(torch.zeros(2, 3)) == "torch.float32 of shape (2, 3)"
    assert _check.describe(np.zeros((2, 3))) == "numpy float64 of shape (2, 3)"


def test_only_the_unit_interval_is_one():
    x = torch.tensor([0.0, 0.5, 1.0])
    assert _check.unit("x", x) is x and _check.unit("x", x[:0]).numel() == 0
    assert _check.unit("x", x + 1e-7) is not None  # rounding
    for bad in (255 * x, 2 * x - 1, x + 0.01, x - 0.01, torch.full((3,), math.nan)):
        with pytest.raises(ValueError, match=r"^x must hold values in \[0, 1\], got some from"):
            _check.unit("x", bad)


def test_bad_pictures_are_measured_and_pictures_on_another_scale_are_named():
    g = torch.Generator().manual_seed(0)
    x = torch.rand(50, 1, 8, 8, generator=g)
    noise = torch.randn(x.shape, generator=g)
    for good in (x, x[:0], (5 * x).clamp(max=1), 0.1 * x, x - 0.4, x + 0.4, x + 0.1 * noise):
        assert _check.greys("x", good) is good and _check.scale(good) == (_check.UNIT if len(good) else "")
    for wild in (noise, 10 * noise, x + noise, 10 * (x - 0.5), torch.full_like(x, -1e4)):
        assert _check.greys("x", wild) is wild and _check.scale(wild) == ""
    for change, scale in ((lambda x: 255 * x, _check.BYTES), (lambda x: 2 * x - 1, _check.SIGNED)):
        for bad in (change(x), change((x > 0.8).float()), change((3 * x - 2).clamp(min=0))):
            assert _check.scale(bad) == scale
            with pytest.raises(ValueError, match=r"^x must be pictures with values in \[0, 1\], got values from"):
                _check.greys("x", bad)
    assert _check.scale((16 * x).round()) == _check.scale(4 * x) == _check.BYTES


@pytest.mark.parametrize("make", [np.float32, np.array, torch.tensor])
def test_the_numbers_of_widgets_may_come_from_numpy_or_torch(make):
    assert widgets.games._need_logit(make(1.5)) == 1.5 and widgets.curves._within("m", make(0.5), 0, 1) == 0.5
    assert widgets.games._finite(make(0.5)).item() == 0.5
    for door in (widgets.games._need_logit, lambda value: widgets.curves._within("m", value, 0, 1)):
        with pytest.raises(ValueError, match="must be a number from"):
            door(make(1e3))
