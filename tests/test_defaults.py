"""torch's default type and device are their user's: data is float32 on the CPU all the same, metrics follow inputs."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from course_utils import data, metrics

# What the data sets make, by name; also run in a process of its own, whose defaults are others from before the import.
MAKE_DATA = """
import torch
from course_utils import data

def seeded():
    return torch.Generator().manual_seed(0)

def of_images(images):
    return {name: value for name, value in vars(images).items() if torch.is_tensor(value)}

def make():
    digits, zoo = data.digits(), data.creatures(60)
    rows = [[0.25, 0.5], [0.75, 0.5]]
    made = {
        "digits": of_images(digits), "creatures": of_images(zoo), "lit": of_images(data.creatures(60, lit=True)),
        "moons": of_images(data.moon_phases(30)), "PALETTE": data.PALETTE,
        "redrawn": data.redraw_digits(digits.train[:9], generator=seeded()),
        "moon": data.moon(0.3, (7.5, 8.5), 5.5), "moon parameters": data.moon_parameters(9),
        "nearest moon": data.nearest_moon(data.moon(0.3)),
        "palette": data.learn_palette(zoo.train, 5), "cells": data.cell_log_probs(zoo.train, zoo.palette, 16),
        "mixture": data.GaussianMixture2D(rows, 0.1).centres,
        "batches": list(data.batches(zoo.train, 20, generator=seeded())),
    }
    for shape in (data.ring(), data.grid(), data.spiral(), data.two_moons()):
        made[repr(shape)] = shape.centres, shape.log_prob(shape.centres)
    mesh = data.mesh((1, 5, 5))
    x = mesh.sample(7, seeded())
    made["mesh"] = x, mesh.log_prob(x), mesh.conditional_probs(x)
    made["mesh table"] = data.mesh((1, 2, 2), [0.5] * 16).sample(3, seeded())
    torch.manual_seed(0)  # the global generator of the CPU
    made["global"] = data.mesh().sample(3), data.redraw_digits(digits.train[:3])
    return made, mesh.entropy()
"""


def tensors(value) -> list[Tensor]:
    """All tensors in nested dictionaries, lists and tuples."""
    if isinstance(value, Tensor):
        return [value]
    return [t for part in (value.values() if isinstance(value, dict) else value) for t in tensors(part)]


@contextmanager
def other_defaults(device="meta"):
    """Tensors that nobody placed are float64 and without numbers: to use one shows."""
    torch.set_default_dtype(torch.float64)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def test_points_of_the_plane_have_the_default_type_as_a_networks_weights_do():
    with other_defaults(device="cpu"):
        assert data.ring().sample(3).dtype == torch.float64
    with other_defaults():
        assert data.ring().sample(3).device.type == "cpu"
    assert data.ring().sample(3).dtype == torch.float32


def test_data_is_float32_on_the_cpu_whatever_torchs_defaults_are(tmp_path):
    here: dict = {}
    exec(MAKE_DATA, here)
    expected, entropy = here["make"]()
    program = f"""
import torch
torch.set_default_dtype(torch.float64)
torch.set_default_device("meta")
{MAKE_DATA}
torch.save(make(), {str(tmp_path / "made.pt")!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(data.__file__).parents[2])
    got, again = torch.load(tmp_path / "made.pt", weights_only=True)
    assert again == pytest.approx(entropy, rel=1e-12)
    for name in expected:
        for one, other in zip(tensors(expected[name]), tensors(got[name]), strict=True):
            assert one.dtype in (torch.float32, torch.int64) and one.device.type == "cpu", name
            assert other.dtype == one.dtype and other.device.type == "cpu", name
            torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")


def points(n, d=4, seed=0):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float32, device="cpu")


def pictures(n, *shape, seed=0):
    return points(n, shape[0] * shape[1] * shape[2], seed).view(n, *shape)


MEASURES = {
    "saturation": lambda to: metrics.saturation(to(pictures(3, 3, 4, 4))),
    "chroma": lambda to: metrics.chroma(to(pictures(3, 3, 4, 4))),
    "colourfulness": lambda to: metrics.colourfulness(to(pictures(3, 3, 4, 4))),
    "high_frequency_power": lambda to: metrics.high_frequency_power(to(pictures(3, 1, 8, 8))),
    "sharpness": lambda to: metrics.sharpness(to(pictures(3, 1, 8, 8)), to(pictures(3, 1, 8, 8, seed=1))),
    "active_units": lambda to: metrics.active_units(to(points(9))),
    "nearest": lambda to: metrics.nearest(to(points(5)), to(points(9, seed=1))),
    "told_apart": lambda to: metrics.told_apart(to(points(9)), to(points(9, seed=1))),
    "precision_recall": lambda to: metrics.precision_recall(to(points(9)), to(points(9, seed=1))),
    "coverage": lambda to: metrics.coverage(to(points(9)), to(points(9, seed=1))),
    "memorisation": lambda to: metrics.memorisation(to(points(9)), to(points(9, seed=1)), to(points(5, seed=2)), 20),
    "frechet_distance": lambda to: metrics.frechet_distance(to(points(99)), to(points(99, seed=1))),
    "kernel_distance": lambda to: metrics.kernel_distance(to(points(20)), to(points(20, seed=1)), 5, 10),
    "mode_coverage": lambda to: metrics.mode_coverage(to(points(20)), to(points(3, seed=1)), 0.1),
    "parzen": lambda to: metrics.parzen_log_likelihood(to(points(5)), to(points(9, seed=1)), 0.2),
    "is_moon": lambda to: metrics.is_moon(to(pictures(3, 1, 16, 16))),
    "moon_scores": lambda to: metrics.moon_scores(to(data.moon(torch.tensor([0.1, 0.6], device="cpu")))),
    "moon_walk": lambda to: metrics.moon_walk(
        lambda z: data.moon(z[:, 0]).to(z), to(points(2, 1)), to(points(2, 1, seed=1)), to(points(2, 2) / 2), steps=3
    ),
    "phase_distance": lambda to: metrics.phase_distance(to(points(4)[0]), 0.25),
    "phase_distance, turned": lambda to: metrics.phase_distance(0.25, to(points(4)[0])),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_follows_its_input_and_not_torchs_defaults(name, dtype):
    def to(x):
        return x.to(dtype)

    expected = MEASURES[name](to)
    with other_defaults():
        got = MEASURES[name](to)
    for one, other in zip(flat(expected), flat(got), strict=True):
        if isinstance(one, Tensor):
            assert other.dtype == one.dtype and other.device.type == "cpu"
            assert one.dtype in (dtype, torch.bool, torch.int64) or name == "parzen"  # which says that it is float64
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)


def flat(value) -> list:
    return [part for v in value for part in flat(v)] if isinstance(value, tuple) else [value]
