"""How much faster is incremental sampling than evaluating the whole network for each pixel?

    python benchmarks/sampling.py [--images 16] [--pairs 3] [--device cpu]
    MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=1000000000 python benchmarks/sampling.py --label kept

A PixelCNN of 32 channels and 5 residual layers (72,513 parameters) draws binary 28 x 28 images from the same uniforms
both ways, in turns; the images must be equal in every pixel. Writes results/sampling_<device>[_label].json.

The naive loop allocates its large activations anew for every pixel. Where the C library gives such memory back at once
and the machine is slow to hand it out again, that alone can double its time and more; the second command keeps the
memory (glibc) and so shows the ratio of the computations.
"""

import argparse
import sys

import torch
from _common import in_turns, machine, store

from course_utils.models import FVSBN, MADE, PixelCNN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=3, help="how often the two are timed in turns")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--label", default="", help="added to the name of the results file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    shape, rows = (1, 28, 28), {}
    for name, make in {
        "PixelCNN(channels=32, layers=5)": lambda: PixelCNN(shape, channels=32, layers=5),
        "MADE(hidden=(500, 500))": lambda: MADE(shape, hidden=(500, 500)),
        "FVSBN()": lambda: FVSBN(shape),
    }.items():
        torch.manual_seed(0)
        model = make().to(options.device)

        def draw(cached: bool, model=model) -> torch.Tensor:
            return model.sample(options.images, cached=cached, generator=torch.Generator().manual_seed(0))

        different = int((draw(cached=True) != draw(cached=False)).sum())
        if different and options.device == "cpu":  # elsewhere the two may add in another order, and round differently
            sys.exit(f"{name}: {different} pixels differ between the two ways, and none should")
        times = in_turns(lambda: draw(cached=False), lambda: draw(cached=True), options.pairs)  # noqa: B023
        rows[name] = times | {
            "images": options.images,
            "pixels_that_differ": different,
            "parameters": sum(p.numel() for p in model.parameters()),
        }
        print(
            f"{name:<32} naive {times['slow_s']:7.2f} s · incremental {times['fast_s']:6.3f} s · "
            f"ratio {times['ratio']:5.0f} ({times['ratio_min']:.0f} to {times['ratio_max']:.0f}) · "
            f"{different} of {options.images * 784:,} pixels differ"
        )
    name = "_".join(part for part in ("sampling", options.device, options.label) if part)
    print(f"stored in {store(name, {'machine': machine(), 'rows': rows})}")


if __name__ == "__main__":
    main()
