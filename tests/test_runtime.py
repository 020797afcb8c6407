import contextlib
import random

import numpy as np
import pytest
import torch

from course_utils import runtime


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.delenv("COURSE_SCALE", raising=False)


def test_device_can_hold_a_tensor():
    assert torch.ones(2, device=runtime.device()).sum() == 2


@pytest.mark.parametrize(
    ("cuda", "mps", "best"), [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_device_prefers_cuda_then_mps_then_the_cpu(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.device() == torch.device(best)


def test_environment_overrides_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")
    monkeypatch.setenv("COURSE_DEVICE", "meta")
    assert runtime.device() == torch.device("meta")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:99", "CPU ", "cpu:x"])
def test_unusable_device_is_refused_by_name(monkeypatch, wanted):
    monkeypatch.setenv("COURSE_DEVICE", wanted)
    with pytest.raises(ValueError, match=f"COURSE_DEVICE='{wanted}'"):
        runtime.device()


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002 -- the generator under test


def test_a_seed_repeats_all_draws_and_another_changes_them_all():
    g = runtime.seed_everything(7)
    first, own = draws(), torch.rand(3, generator=g)
    g = runtime.seed_everything(7)
    assert draws() == first and torch.equal(torch.rand(3, generator=g), own)
    g = runtime.seed_everything(8)
    assert all(a != b for a, b in zip(draws(), first, strict=True))
    assert not torch.equal(torch.rand(3, generator=g), own)


def test_the_returned_generator_is_independent_of_the_global_one():
    g = runtime.seed_everything(7)
    expected = torch.rand(3, generator=g)
    g = runtime.seed_everything(7)
    torch.rand(100)
    assert torch.equal(torch.rand(3, generator=g), expected)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_extreme_seeds_are_accepted(seed):
    assert runtime.seed_everything(seed).initial_seed() == seed


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", None, True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="^seed must be .* got ") as refused:
        runtime.seed_everything(seed)
    assert repr(seed) in str(refused.value)


def test_scale_is_laptop_unless_the_environment_says_gpu(monkeypatch):
    assert runtime.scale() == "laptop" and runtime.by_scale(laptop=1, gpu=2) == 1
    monkeypatch.setenv("COURSE_SCALE", "gpu")
    assert runtime.scale() == "gpu" and runtime.by_scale(laptop=1, gpu=2) == 2


@pytest.mark.parametrize("value", ["GPU", "", "tpu"])
def test_unknown_scale_is_refused(monkeypatch, value):
    monkeypatch.setenv("COURSE_SCALE", value)
    with pytest.raises(ValueError, match=f"COURSE_SCALE must be one of laptop, gpu, got '{value}'"):
        runtime.by_scale(laptop=1, gpu=2)


def test_by_scale_needs_both_values():
    with pytest.raises(TypeError):
        runtime.by_scale(laptop=1)


@pytest.mark.parametrize("native", [True, False])
def test_autocast_follows_the_hardware(monkeypatch, native):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    with runtime.autocast(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if native else torch.float32)


@pytest.mark.parametrize("where", [None, torch.device("cpu"), torch.device("mps"), torch.device("meta")])
def test_autocast_gives_a_context_manager_everywhere(where):
    assert isinstance(runtime.autocast(where), contextlib.AbstractContextManager | torch.autocast)
    if where is None or where.type == "cpu":
        with runtime.autocast(where):
            assert torch.ones(1).dtype == torch.float32


def test_stored_results_are_read_and_missing_ones_named():
    stored = runtime.stored_result("sampling_cpu")
    assert stored["rows"]["PixelCNN(channels=32, layers=5)"]["pixels_that_differ"] == 0
    with pytest.raises(ValueError, match="name must be a result stored by benchmarks/, got 'nothing'"):
        runtime.stored_result("nothing")


def test_an_installed_package_finds_results_above_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "site-packages" / "course_utils" / "runtime.py"))
    (tmp_path / "course" / "notebooks" / "evidence").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "course" / "notebooks" / "evidence")
    with pytest.raises(ValueError, match="an installed package brings no results: run this inside the course's folder"):
        runtime.stored_result("mine")
    (tmp_path / "course" / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "course" / "benchmarks" / "results" / "mine.json").write_text('{"a": 1}')
    assert runtime.stored_result("mine") == {"a": 1}


def test_the_generator_is_on_the_cpu_whatever_the_default_device():
    with torch.device("meta"):
        generator = runtime.seed_everything(3)
    assert torch.equal(torch.rand(4, generator=generator), torch.rand(4, generator=torch.Generator().manual_seed(3)))
