"""How much faster is incremental sampling than evaluating the whole network for each pixel?

    python benchmarks/sampling.py [--images 16] [--pairs 3] [--device cpu] [--only GatedPixelCNN]
    MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=1000000000 python benchmarks/sampling.py --label kept

Every autoregressive model draws binary 28 x 28 images from the same uniforms both ways, in turns; the images must be
equal in every pixel. The slowest two, whose naive loop takes minutes, are timed once. Writes
results/sampling_<device>[_label].json, and keeps the rows of models that it did not run.

The naive loop allocates its large activations anew for every pixel. Where the C library gives such memory back at once
and the machine is slow to hand it out again, that alone can double its time and more; the second command keeps the
memory (glibc) and so shows the ratio of the computations.
"""

import json
import sys

import torch
from _common import RESULTS, in_turns, machine, read_options, store

from course_utils.models import FVSBN, MADE, DiagonalBiLSTM, GatedPixelCNN, ImageGPT, PixelCNN, RowLSTM


def main() -> None:
    own = {
        "images": {"type": int, "default": 16},
        "pairs": {"type": int, "default": 3, "help": "how often the two are timed in turns"},
        "label": {"default": "", "help": "added to the name of the results file"},
        "only": {"default": "", "help": "models whose name begins so"},
    }
    options = read_options(__doc__, "device", threads=2, own=own)

    stored = "_".join(part for part in ("sampling", options.device, options.label) if part)
    path, shape = RESULTS / f"{stored}.json", (1, 28, 28)
    rows = json.loads(path.read_text())["rows"] if path.exists() and options.only else {}
    for name, (make, pairs) in {
        "PixelCNN(channels=32, layers=5)": (lambda: PixelCNN(shape, channels=32, layers=5), options.pairs),
        "GatedPixelCNN(channels=32, layers=5)": (lambda: GatedPixelCNN(shape, channels=32, layers=5), options.pairs),
        "RowLSTM(channels=32, layers=2)": (lambda: RowLSTM(shape, channels=32, layers=2), options.pairs),
        "MADE(hidden=(500, 500))": (lambda: MADE(shape, hidden=(500, 500)), options.pairs),
        "FVSBN()": (lambda: FVSBN(shape), options.pairs),
        "DiagonalBiLSTM(channels=32, layers=2)": (lambda: DiagonalBiLSTM(shape, channels=32, layers=2), 1),
        "ImageGPT(channels=32, layers=2)": (lambda: ImageGPT(shape, channels=32, layers=2), 1),
    }.items():
        if not name.startswith(options.only):
            continue
        torch.manual_seed(0)
        model = make().to(options.device)

        def draw(cached: bool, model=model) -> torch.Tensor:
            return model.sample(options.images, cached=cached, generator=torch.Generator().manual_seed(0))

        slow = draw(cached=False)
        different = int((draw(cached=True) != slow).sum())
        if different and options.device == "cpu":  # elsewhere the two may add in another order, and round differently
            sys.exit(f"{name}: {different} pixels differ between the two ways, and none should")
        times = in_turns(lambda: draw(cached=False), lambda: draw(cached=True), pairs)  # noqa: B023
        rows[name] = times | {
            "images": options.images,
            "pixels_that_differ": different,
            "parameters": sum(p.numel() for p in model.parameters()),
        }
        print(
            f"{name:<38} naive {times['slow_s']:7.2f} s · incremental {times['fast_s']:6.3f} s · "
            f"ratio {times['ratio']:5.0f} ({times['ratio_min']:.0f} to {times['ratio_max']:.0f}) · "
            f"{different} of {options.images * 784:,} pixels differ"
        )
        store(stored, {"machine": machine(), "rows": rows})
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
