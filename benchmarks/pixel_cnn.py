"""What evidence/03_pixel_cnn reads: wrong shifts of the vertical stack, and digits with and without redrawing.

    python benchmarks/pixel_cnn.py [--seeds 3] [--again]

*Wrong versions.* A small Gated PixelCNN of ``mesh((1, 4, 8))`` is trained with its vertical stack moved down by one row
(right), by none, by two, by one with `torch.roll` (the last row comes in at the top), and with mask B in the first
layer of the horizontal stack. Stored for each seed: the gap, that is the mean of log p(x) - log q(x) over 2,000 new
pictures in nats, its standard error, and how many of 500 sampled pictures are different.

*Redrawing.* A small PixelCNN and a small Gated PixelCNN of digits, 500 steps, with and without redrawn training
pictures; nats an image.

Everything is float32 on the CPU, so that a processor with bfloat16 takes the same steps. Writes
results/pixel_cnn_cpu.json after every row, so that a run that is interrupted goes on where it was.
"""

import json

import torch
import torch.nn.functional as F
from _common import RESULTS, machine, read_options, step, store
from torch import Tensor

from course_utils import data, models, runtime
from course_utils.distributions import discretized_logistic_mixture

NAME, MESH = "pixel_cnn_cpu", (1, 4, 8)
SHIFTS = {
    "one row": lambda features: F.pad(features, (0, 0, 1, -1)),
    "no row": lambda features: features,
    "two rows": lambda features: F.pad(features, (0, 0, 2, -2)),
    "rolled": lambda features: features.roll(1, 2),
}
VERSIONS = [*SHIFTS, "mask B first"]


class Shifted(models.GatedPixelCNN):
    """A Gated PixelCNN of one channel whose vertical stack is moved by ``shift``; sample with ``cached=False``."""

    shift = staticmethod(SHIFTS["one row"])

    def conditionals(self, x: Tensor):
        h_stack = self.encode(x).squeeze(-1)  # (B, 1, H, W)
        v_stack = self.shift(h_stack)
        for layer in self.layers:
            v_stack, h_stack = layer(v_stack, h_stack)
        return self.pixels(self.output(self.hidden(h_stack.relu()).relu()).unsqueeze(-1))


def make_version(version: str, shape=MESH) -> Shifted:
    """A small network, right or wrong."""
    model = Shifted(shape, channels=8, layers=5)
    if version == "mask B first":
        first = model.layers[0].h_conv
        first.mask[:, :, 0, first.kernel_size[1] // 2] = 1  # the pixel itself
    else:
        model.shift = SHIFTS[version]
    return model


def fit(model: torch.nn.Module, images: Tensor, steps: int, lr: float) -> torch.nn.Module:
    """Train as the notebook does: Adam, a cosine, batches of 64."""
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for x in data.batches(images, 64, steps=steps):
        step(optimizer, -model.train().log_prob(x).mean())
        schedule.step()
    return model.eval()


@torch.no_grad()
def gap(model: torch.nn.Module, images: Tensor, truth: Tensor) -> tuple[float, float]:
    """Mean and standard error of log p(x) - log q(x), in nats an image."""
    difference = truth.double() - model.log_prob(images).double()
    return difference.mean().item(), (difference.std() / len(images) ** 0.5).item()


def run_version(version: str, seed: int) -> dict[str, float]:
    """Train one version on the mesh; its gap, and how it samples."""
    world, generator = data.mesh(MESH), torch.Generator().manual_seed(0)
    pool, test = world.sample(20_000, generator), world.sample(2_000, generator)
    runtime.seed_everything(seed)
    model = fit(make_version(version), pool, steps=150, lr=0.02)
    mean, error = gap(model, test, world.log_prob(test))
    samples = model.sample(500, cached=False)  # the cache is that of the right version
    return {"gap": mean, "error": error, "distinct": len(samples.unique(dim=0))}


def run_digits(name: str, redrawn: bool, seed: int) -> dict[str, float]:
    """Train a small network on digits; nats an image of its last step."""
    digits = data.digits()
    runtime.seed_everything(seed)
    family = discretized_logistic_mixture(digits.levels, 5)
    model, steps = getattr(models, name)(digits.shape, channels=24, layers=4, distribution=family), 500
    optimizer = torch.optim.AdamW(model.parameters(), 0.003, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for i, x in enumerate(data.batches(digits.train, 25, steps=steps)):
        x = data.redraw_digits(x, 1 - i / steps) if redrawn else x
        step(optimizer, -model.train().log_prob(x).mean())
        schedule.step()
    with torch.no_grad():
        parts = {part: getattr(digits, part) for part in ("train", "valid", "test")}
        return {part: -model.eval().log_prob(x).mean().item() for part, x in parts.items()}


def main() -> None:
    options = read_options(__doc__, "seeds", "again")
    path = RESULTS / f"{NAME}.json"
    stored = json.loads(path.read_text()) if path.exists() and not options.again else {}
    jobs = {("versions", version): lambda seed, v=version: run_version(v, seed) for version in VERSIONS}
    for model in ("GatedPixelCNN", "PixelCNN"):
        for how in ("redrawn", "plain"):
            jobs["digits", f"{model}, {how}"] = lambda seed, m=model, h=how: run_digits(m, h == "redrawn", seed)
    for (part, name), job in jobs.items():
        if name in stored.get(part, {}):
            print(f"{name:<24}stored already; --again repeats it")
            continue
        runs = [job(seed) for seed in range(options.seeds)]
        stored.setdefault(part, {})[name] = runs
        store(NAME, {"machine": machine(), **{key: stored[key] for key in ("versions", "digits") if key in stored}})
        print(name, *({key: round(value, 3) for key, value in run.items()} for run in runs), flush=True)
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
