"""Where and how the course runs: device, seeds, scale and precision. Nothing here knows about models."""

import contextlib
import json
import os
import random
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from course_utils import _check

SCALES = ("laptop", "gpu")
T = TypeVar("T")


def device() -> torch.device:
    """The fastest device of this machine: CUDA, else Apple's MPS, else the CPU.

    The environment variable ``COURSE_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``, ``mps``) overrides the choice.

    Raises:
        ValueError: ``COURSE_DEVICE`` names a device that torch does not know or this machine does not have.
    """
    wanted = os.environ.get("COURSE_DEVICE")
    if wanted:
        try:
            chosen = torch.device(wanted)
            torch.empty(0, device=chosen)
        except Exception as error:  # torch raises three different types here
            raise ValueError(f"COURSE_DEVICE={wanted!r} cannot be used here; unset it or say 'cpu'") from error
        return chosen
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and torch, and return a CPU generator with the same seed.

    Raises:
        ValueError: ``seed`` is not a non-negative integer below 2**32, the range that NumPy accepts.
    """
    seed = _check.whole("seed", seed, least=0)
    if seed >= 2**32:
        raise ValueError(f"seed must be below 2**32, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- scikit-learn and old code draw from the global generator
    torch.manual_seed(seed)
    return torch.Generator("cpu").manual_seed(seed)  # also where another device is the default


def scale() -> str:
    """``'laptop'`` (the default) or ``'gpu'``, read from the environment variable ``COURSE_SCALE``.

    Raises:
        ValueError: ``COURSE_SCALE`` holds anything else.
    """
    value = os.environ.get("COURSE_SCALE", "laptop")
    if value not in SCALES:
        raise ValueError(f"COURSE_SCALE must be one of {', '.join(SCALES)}, got {value!r}")
    return value


def by_scale(*, laptop: T, gpu: T) -> T:
    """``laptop`` or ``gpu``, whichever this run asks for with ``COURSE_SCALE``.

    Both arguments are needed, so that each number that changes with the scale shows both values in one line.
    Where only one of the two should be computed, pass functions: ``by_scale(laptop=digits, gpu=mnist)()``.
    """
    return {"laptop": laptop, "gpu": gpu}[scale()]


def autocast(where: torch.device | str | None = None) -> contextlib.AbstractContextManager[Any]:
    """Context manager: bfloat16 autocast where the hardware multiplies bfloat16 natively, else nothing.

    bfloat16 keeps float32's range (8 exponent bits), so that no gradient scaler is needed. A CPU qualifies with
    AVX512-BF16, a GPU with compute capability 8.0 or more. Likelihoods are summed outside, in float32.
    """
    where = torch.device(where) if where else device()
    native = {
        "cpu": lambda: torch.cpu.get_capabilities().get("avx512_bf16", False),
        "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
    }.get(where.type, lambda: False)()
    return torch.autocast(where.type, dtype=torch.bfloat16) if native else contextlib.nullcontext()


def stored_result(name: str) -> dict[str, Any]:
    """What a benchmark has stored in ``benchmarks/results/<name>.json`` of the course's folder.

    That is the folder around the package, or, where the package is installed elsewhere, one above the working folder.

    Raises:
        ValueError: there is no such file, as where the package is installed and the course is not there.
    """
    here = Path.cwd()
    folders = [Path(__file__).resolve().parent.parent, here, *here.parents]
    paths = [folder / "benchmarks" / "results" / f"{name}.json" for folder in folders]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise ValueError(
            f"name must be a result stored by benchmarks/, got {name!r}, and there is no {paths[0]}; "
            "an installed package brings no results: run this inside the course's folder"
        )
    return json.loads(found.read_text(encoding="utf-8"))
