"""How the work and the time of sampling grow with the number of pixels, with and without repeating work.

    python benchmarks/sampling_sizes.py [--threads 1]

Untrained models sample four binary pictures of 8 x 8 to 32 x 32 pixels. Work is counted: floating-point operations of
products and convolutions, as `torch.utils.flop_counter` counts them, with attention as plain products. That figure is
the same on every machine. Time is the least processor time of several runs. The naive loop evaluates the whole network
once a pixel; one evaluation is counted and timed, and multiplied by the number of pixels. Writes
results/sampling_sizes_cpu.json.
"""

import time
from collections.abc import Callable

import torch
from _common import machine, read_options, store
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_utils import models

SIDES, BATCH = (8, 12, 16, 20, 24, 28, 32), 4
MODELS = {
    "PixelCNN": lambda shape: models.PixelCNN(shape, channels=16, layers=3),
    "Gated PixelCNN": lambda shape: models.GatedPixelCNN(shape, channels=16, layers=3),
    "Row LSTM": lambda shape: models.RowLSTM(shape, channels=16, layers=2),
    "Diagonal BiLSTM": lambda shape: models.DiagonalBiLSTM(shape, channels=16, layers=2),
    "ImageGPT": lambda shape: models.ImageGPT(shape, channels=32, layers=2),
}


@torch.no_grad()
def operations(work: Callable) -> int:
    """Floating-point operations of products and convolutions, two for a multiplication with its addition."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@torch.no_grad()
def seconds(work: Callable, times: int = 3) -> float:
    """The least processor time of several runs."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def measure(name: str, side: int) -> dict[str, float]:
    """Work and seconds for four pictures, both ways."""
    torch.manual_seed(0)
    model, pixels = MODELS[name]((1, side, side)).eval(), side * side
    blank = torch.zeros(BATCH, 1, side, side)
    model.sample(1)  # first calls load and choose kernels
    return {
        "side": side,
        "steps": len(model.schedule()),
        "naive_work": pixels * operations(lambda: model.conditionals(blank)),
        "work": operations(lambda: model.sample(BATCH)),
        "naive_seconds": pixels * seconds(lambda: model.conditionals(blank)),
        "seconds": seconds(lambda: model.sample(BATCH)),
    }


def main() -> None:
    read_options(__doc__)
    rows = {}
    for name in MODELS:
        rows[name] = [measure(name, side) for side in SIDES]
        path = store("sampling_sizes_cpu", {"machine": machine(), "rows": rows})
        print(name, rows[name][-1], flush=True)
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
