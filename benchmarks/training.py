"""How long does one image take to train PixelCNN and GatedPixelCNN, beside the usual way to write them?

    python benchmarks/training.py [--pairs 5] [--steps 10] [--device cpu] [--label avx2]

Binary 28 x 28 images, batch 16, forward, backward and Adam. The usual way: kernels of full size whose masked weights
are multiplied as well, a mask written into the weights at every step, float32, channels first, Adam as it comes. This
package: rows and columns that a mask forbids are not computed, channels last, bfloat16 where the processor multiplies
it natively (``runtime.autocast``), and Adam's update fused. Both ways have the same numbers of features and layers and
are timed in turns, once with float32 in the package and, where it is native, once with bfloat16. Writes
results/training_<device>[_label].json.

Another comparison is with figures measured elsewhere on two cores, of a widely used implementation: 2.1 ms an image for
a PixelCNN of 72,513 parameters, and 5.6 ms for a gated one of 115,361.
"""

import contextlib

import torch
import torch.nn.functional as F
from _common import in_turns, machine, read_options, store
from torch import Tensor, nn

from course_utils import runtime
from course_utils.models import GatedPixelCNN, PixelCNN
from course_utils.models.gated_pixel_cnn import shift_down

BATCH, SHAPE = 16, (1, 28, 28)
PUBLISHED_MS = {"PixelCNN": 2.1, "GatedPixelCNN": 5.6}  # with 72,513 and 115,361 parameters


class UsualConv(nn.Conv2d):
    """A masked convolution as it is usually written: a mask of the kernel's full size, multiplied into the weights."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], see_row: bool, see_pixel: bool):
        super().__init__(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))
        mask, (h, w) = torch.zeros(kernel), (kernel[0] // 2, kernel[1] // 2)
        mask[:h] = 1
        mask[h, :w] = 1
        mask[h, w] = see_pixel
        if see_row:
            mask[h] = 1
        self.register_buffer("mask", mask.expand_as(self.weight).clone())

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data *= self.mask
        return super().forward(x)


class UsualPixelCNN(nn.Module):
    """The layers of ``PixelCNN(SHAPE, channels, layers)``."""

    def __init__(self, channels: int, layers: int):
        super().__init__()

        def conv(inputs, outputs, kernel, see_pixel=True):
            return UsualConv(inputs, outputs, (kernel, kernel), False, see_pixel)

        self.input = conv(1, 2 * channels, 7, False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), conv(2 * channels, channels, 1),
                nn.ReLU(), conv(channels, channels, 3),
                nn.ReLU(), conv(channels, 2 * channels, 1),
            )
            for _ in range(layers)
        )  # fmt: skip
        self.head = nn.Sequential(nn.ReLU(), conv(2 * channels, channels, 1), nn.ReLU(), conv(channels, 1, 1))

    def log_prob(self, x: Tensor) -> Tensor:
        features = self.input(x)
        for block in self.blocks:
            features = features + block(features)
        return -F.binary_cross_entropy_with_logits(self.head(features), x, reduction="none").flatten(1).sum(1)


class UsualGated(nn.Module):
    """The layers of ``GatedPixelCNN(SHAPE, channels, layers)``."""

    def __init__(self, channels: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(layers):
            inputs, kernel = (1, 7) if i == 0 else (channels, 3)
            self.layers.append(
                nn.ModuleDict(
                    {
                        "v": UsualConv(inputs, 2 * channels, (kernel, kernel), True, True),
                        "link": nn.Conv2d(2 * channels, 2 * channels, 1),
                        "h": UsualConv(inputs, 2 * channels, (1, kernel), False, i > 0),
                        "out": nn.Conv2d(channels, channels, 1),
                    }
                )
            )
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1))

    def log_prob(self, x: Tensor) -> Tensor:
        def gate(features):
            f, g = features.chunk(2, 1)
            return torch.tanh(f) * torch.sigmoid(g)

        v_stack, h_stack = shift_down(x), x
        for i, layer in enumerate(self.layers):
            v = layer["v"](v_stack)
            update = layer["out"](gate(layer["h"](h_stack) + layer["link"](v)))
            v_stack, h_stack = gate(v), h_stack + update if i else update
        return -F.binary_cross_entropy_with_logits(self.head(h_stack), x, reduction="none").flatten(1).sum(1)


def training(model: nn.Module, x: Tensor, steps: int, fast: bool, half: bool):
    """A function that trains for ``steps`` steps."""
    if fast:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), fused=fast)

    def run() -> None:
        for _ in range(steps):
            with runtime.autocast(x.device) if half else contextlib.nullcontext():
                loss = -model.log_prob(x).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def main() -> None:
    own = {
        "pairs": {"type": int, "default": 5, "help": "how often two ways are timed in turns"},
        "label": {"default": "", "help": "added to the name of the results file"},
        "steps": {"type": int, "default": 10, "help": "training steps that are timed at once"},
    }
    options = read_options(__doc__, "device", threads=2, own=own)

    x = (torch.rand(BATCH, *SHAPE, generator=torch.Generator().manual_seed(0)) < 0.3).float().to(options.device)
    native, rows = isinstance(runtime.autocast(options.device), torch.autocast), {}
    for name, make, usual in (
        ("PixelCNN", lambda: PixelCNN(SHAPE, 32, 5), lambda: UsualPixelCNN(32, 5)),
        ("GatedPixelCNN", lambda: GatedPixelCNN(SHAPE, 34, 5), lambda: UsualGated(34, 5)),
    ):
        parameters = {
            way: sum(p.numel() for p in build().parameters()) for way, build in (("package", make), ("usual", usual))
        }
        slow = training(usual().to(options.device), x, options.steps, fast=False, half=False)
        slow()  # first calls load and choose kernels
        row = {"parameters": parameters, "published_ms": PUBLISHED_MS[name]}
        for label, half in (("float32", False), ("bfloat16", True))[: 1 + native]:
            times = in_turns(slow, training(make().to(options.device), x, options.steps, True, half), options.pairs)
            images = options.steps * BATCH
            row[label] = {
                "usual_ms": 1e3 * times["slow_s"] / images,
                "package_ms": 1e3 * times["fast_s"] / images,
                **{key: times[key] for key in ("ratio_min", "ratio", "ratio_max")},
            }
            print(
                f"{name:<14} {label:<9} usual {row[label]['usual_ms']:.2f} ms an image ({parameters['usual']:,}) · "
                f"package {row[label]['package_ms']:.2f} ms ({parameters['package']:,}) · ratio {times['ratio']:.2f} "
                f"({times['ratio_min']:.2f} to {times['ratio_max']:.2f}) · published {PUBLISHED_MS[name]} ms"
            )
        rows[name] = row
    result = {"machine": machine() | {"native_bfloat16": native}, "batch": BATCH, "rows": rows}
    name = "_".join(part for part in ("training", options.device, options.label) if part)
    print(f"stored in {store(name, result)}")


if __name__ == "__main__":
    main()
