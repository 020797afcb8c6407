"""What every benchmark needs: its options, a name for the machine, timing in turns, and a place for results."""

import argparse
import functools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import calibrate
import torch
from safetensors.torch import load_file, save_file

RESULTS = Path(__file__).parent / "results"
OPTIONS = {  # what several benchmarks have, as `add_argument` takes it
    "only": {"default": "", "help": "one row by its name"},
    "seeds": {"type": int, "default": 3},
    "device": {"default": "cpu"},
    "again": {"action": "store_true", "help": "also what is stored already"},
}


def read_options(
    description: str, *names: str, threads: int = 1, own: dict[str, dict] | None = None
) -> argparse.Namespace:
    """Read the command line, and let torch use as many threads as it says.

    Args:
        description: the docstring of the benchmark, for ``--help``.
        names: which of OPTIONS it has; all have ``--threads``.
        threads: CPU threads where the command line does not say.
        own: the benchmark's own options, as `add_argument` takes them.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=threads, help="CPU threads")
    for name, settings in ((own or {}) | {name: OPTIONS[name] for name in names}).items():
        parser.add_argument(f"--{name}", **settings)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options


def machine() -> dict[str, str | int]:
    """What the figures of this run depend on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {
        "gpu": gpu,
        "processor": processor,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "calibration": _calibration(),
    }


@functools.cache
def _calibration() -> float:
    """Seconds of this machine for one of the reference machine's, measured once a process: see calibrate.py."""
    return calibrate.figure()


def in_turns(
    slow: Callable, fast: Callable, pairs: int, fast_runs: int = 3, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Time two ways of doing one thing in turns, so that a machine that slows down slows both.

    Each pair gives a ratio: seconds of ``slow`` over the median seconds of ``fast_runs`` runs of ``fast`` beside it.

    Args:
        slow, fast: the two ways, functions without arguments.
        pairs: how often they are compared.
        fast_runs: runs of ``fast`` in each pair.
        clock: what tells the time; ``time.process_time`` where other programs take turns on the same cores.

    Returns:
        medians of the seconds, and the ratios' minimum, median and maximum.
    """
    seconds = {"slow": [], "fast": []}
    ratios = []
    fast()  # first calls load and choose kernels
    for _ in range(pairs):
        quick = statistics.median(_seconds(fast, clock) for _ in range(fast_runs))
        long = _seconds(slow, clock)
        seconds["slow"].append(long)
        seconds["fast"].append(quick)
        ratios.append(long / quick)
    return {
        "slow_s": statistics.median(seconds["slow"]),
        "fast_s": statistics.median(seconds["fast"]),
        "ratio_min": min(ratios),
        "ratio": statistics.median(ratios),
        "ratio_max": max(ratios),
    }


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Go one step down the slope of ``loss``."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def keep(path: Path, tensors: dict[str, torch.Tensor], beside: bool = False) -> None:
    """Write a safetensors file whole or not at all, ``beside`` what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = load_file(path) if beside and path.exists() else {}
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    save_file({name: x.contiguous() for name, x in sorted((old | tensors).items())}, unfinished)
    unfinished.chmod(0o644)  # safetensors lets nobody else read what it writes
    unfinished.replace(path)


def store(name: str, result: dict) -> Path:
    """Write ``results/name.json`` whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    write_whole(path, json.dumps(result, indent=1) + "\n")
    return path


def _seconds(work: Callable, clock: Callable[[], float]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start
