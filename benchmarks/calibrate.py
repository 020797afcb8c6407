"""How slow is this machine? Prints the seconds that it takes for one second of the reference machine.

    python benchmarks/calibrate.py [--figure]

A fixed mixture, on one thread: a convolution in float32 with its gradient, a product of matrices, and a training step
so small that only the overhead of torch counts; on the ordinary processor below each takes a third of the time. What is
measured is the processor's time, and of many short repeats the shortest, so that other work on the machine hardly
disturbs it. Takes less than ten seconds. Divide seconds by this figure to compare them across machines ("calibrated
seconds"). With --figure it prints the bare number.

Where the constant comes from: the first edition of the course took 3,700 s of processor time on a processor with AVX2
and without bfloat16, and about a third of it on the reference, a server core with AVX-512. That ordinary processor is
3.0 by definition, and REFERENCE is a third of the time which it needs for the mixture when it has nothing else to do.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import nn

REFERENCE = 0.0345  # seconds of processor time of the mixture on the reference machine; see above
REPEATS = 30


def _convolution() -> Callable[[], None]:
    layer = nn.Conv2d(32, 32, 3, padding=1)
    x = torch.rand(32, 32, 16, 16)

    def work():
        for _ in range(4):
            layer.zero_grad()
            layer(x).square().mean().backward()

    return work


def _product() -> Callable[[], None]:
    a, b = torch.rand(512, 512), torch.rand(512, 512)

    def work():
        for _ in range(12):
            a @ b

    return work


def _overhead() -> Callable[[], None]:
    net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(net.parameters(), foreach=False)
    x = torch.rand(4, 2)

    def work():
        for _ in range(60):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()

    return work


PARTS = {"convolution": _convolution, "product": _product, "overhead": _overhead}


def seconds(repeats: int = REPEATS) -> dict[str, float]:
    """Processor seconds of each part, the shortest of several repeats, on one thread."""
    threads = torch.get_num_threads()
    random = torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        works = {name: part() for name, part in PARTS.items()}
        shortest = dict.fromkeys(works, float("inf"))
        for _ in range(repeats):
            for name, work in works.items():  # in turns: a slow spell of the machine does not hit one part alone
                start = time.process_time()
                work()
                shortest[name] = min(shortest[name], time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(random)
    return shortest


def figure(repeats: int = REPEATS) -> float:
    """Seconds of this machine for one second of the reference: 1.0 there, about 3 on an ordinary laptop."""
    return round(sum(seconds(repeats).values()) / REFERENCE, 2)


def main(arguments: list[str]) -> None:
    if arguments == ["--figure"]:
        print(figure())
        return
    parts = seconds()
    print(f"{sum(parts.values()) / REFERENCE:.2f} times the reference machine's seconds")
    print(" · ".join(f"{name} {value * 1000:.0f} ms" for name, value in parts.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
