"""Does what notebook 04 says of colours hold when the same networks train longer, and who wins at equal time?

    OMP_NUM_THREADS=1 python benchmarks/colour.py [--seeds 3]

Two parts, on the lit creatures and in the notebook's common unit (nats per picture of 4,096 colours a pixel):

* the heads of one PixelCNN (regression, levels, mixture, palettes of 4 to 64 tokens), after 300 steps as in the
  notebook and after 1,500;
* PixelCNN, Gated PixelCNN and ImageGPT on 64 tokens, each given the same seconds of processor time, a run of its own
  for each number of seconds.

Writes results/colour.json.
"""

import math
import time
from collections.abc import Callable

import torch
from _common import machine, read_options, store
from torch import Tensor

from course_utils import data
from course_utils.distributions import categorical, discretized_logistic_mixture, gaussian, palette
from course_utils.metrics import colourfulness
from course_utils.models import GatedPixelCNN, ImageGPT, PixelCNN

SHAPE, PALETTES, STEPS, SECONDS = (1, 16, 16), (4, 8, 16, 32, 64), (300, 1_500), (3.0, 6.0, 12.0, 24.0)
TEST = 250  # pictures on which everything is measured


def fit(model, images: Tensor, steps: int, lr: float = 0.02, seconds: float = math.inf) -> float:
    """The notebook's training loop; returns seconds of processor time."""
    optimizer = torch.optim.Adam(model.parameters(), lr)
    start = time.process_time()
    for step, x in enumerate(data.batches(images, 16, steps=steps)):
        t = max(step / steps, (time.process_time() - start) / seconds)
        if t >= 1:
            break
        optimizer.param_groups[0]["lr"] = lr * min(1, 0.1 + 10 * t) * (1 - t)
        loss = -model.log_prob(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - start


def mixture() -> PixelCNN:
    """Logistics that start apart and narrow."""
    model = PixelCNN((3, 16, 16), 16, 2, discretized_logistic_mixture(16, 5))
    with torch.no_grad():
        _, mean, log_scale = model.output.bias.view(3, 3, 5).unbind(1)
        mean.copy_(torch.linspace(-1, 1, 5).expand(3, -1))
        log_scale.fill_(-2)
    return model


HEADS: dict[str, Callable] = {
    "regressed": lambda: PixelCNN((3, 16, 16), 16, 2, gaussian(std=1.0)),
    "learned width": lambda: PixelCNN((3, 16, 16), 16, 2, gaussian()),
    "16 levels": lambda: PixelCNN((3, 16, 16), 16, 2, categorical(16)),
    "mixture": mixture,
} | {f"{K} tokens": lambda K=K: PixelCNN(SHAPE, 16, 2, palette(K)) for K in PALETTES}
CONTESTANTS: dict[str, Callable] = {
    "PixelCNN": lambda: PixelCNN(SHAPE, 16, 2, palette(64)),
    "GatedPixelCNN": lambda: GatedPixelCNN(SHAPE, 16, 2, palette(64)),
    "ImageGPT": lambda: ImageGPT(SHAPE, 32, 1, 2, palette(64)),
}


def log_bin(x: Tensor, mean: Tensor, std: Tensor | float, levels: int = 16) -> Tensor:
    """log P(level of x) of a Gaussian integrated over the level's bin."""
    half = 0.5 / (levels - 1)
    hi = torch.where(x > 1 - half, math.inf, (x + half - mean) / std).double()
    lo = torch.where(x < half, -math.inf, (x - half - mean) / std).double()
    hi, lo = torch.where(hi + lo > 0, -lo, hi), torch.where(hi + lo > 0, -hi, lo)
    log_hi, log_lo = torch.special.log_ndtr(hi), torch.special.log_ndtr(lo)
    return log_hi + torch.log1p(-torch.exp(log_lo - log_hi))


@torch.no_grad()
def measure(model, train: Tensor, test: Tensor, colours: Tensor | None) -> tuple[float, float]:
    """Nats per picture in the common unit, and the colourfulness of 100 samples (a regression's are its means)."""
    generator = torch.Generator().manual_seed(0)
    if colours is not None:
        within = data.cell_log_probs(train, colours, 16)
        nats = -model.log_prob(data.to_tokens(test, colours)) - data.colour_log_prob(test, within)
        samples = data.from_tokens(model.sample(100, generator=generator), colours)
    elif model.pixels.levels is None:
        learned = model.pixels.n_params == 2
        some, predicted = train[:500], model.conditionals(test)
        rms = (some - model.conditionals(some).mean).square().mean().sqrt()
        nats = -log_bin(test, predicted.mean, predicted.stddev if learned else rms).flatten(1).sum(1)
        if not learned:
            model.pixels = gaussian(1e-6)
        samples = model.sample(100, generator=generator).nan_to_num().clamp(0, 1)  # what is fed back may run away
    else:
        nats, samples = -model.log_prob(test), model.sample(100, generator=generator)
    return nats.mean().item(), colourfulness(samples).mean().item()


def main() -> None:
    seeds = range(read_options(__doc__, "seeds").seeds)
    creatures = data.creatures(5_000, lit=True)
    train, test = creatures.train, creatures.test[:TEST]
    palettes = {K: data.learn_palette(train, K) for K in PALETTES}
    tokens = {K: data.to_tokens(train, colours) for K, colours in palettes.items()}

    def show(name: str, row: dict) -> None:
        print(f"{name:<32}" + " · ".join(f"{key} " + " ".join(f"{v:.1f}" for v in row[key]) for key in row), flush=True)

    heads = {}
    for steps in STEPS:
        for name, make in HEADS.items():
            K = int(name.split()[0]) if "tokens" in name else None
            rows = []
            for seed in seeds:
                torch.manual_seed(seed)
                model = make()
                seconds = fit(model, tokens[K] if K else train, steps)
                rows.append((*measure(model, train, test, palettes.get(K)), seconds))
            row = dict(zip(("nats", "colourfulness", "seconds"), map(list, zip(*rows, strict=True)), strict=True))
            heads.setdefault(str(steps), {})[name] = row
            show(f"{name}, {steps} steps", row)

    contest = {name: [] for name in CONTESTANTS}
    for budget in SECONDS:
        for name, make in CONTESTANTS.items():
            nats = []
            for seed in seeds:
                torch.manual_seed(seed)
                model = make()
                fit(model, tokens[64], 1_000_000, seconds=budget)
                nats.append(measure(model, train, test, palettes[64])[0])
            contest[name].append(nats)
            show(f"{name}, {budget:.0f} s", {"nats": nats})
    result = {"machine": machine(), "heads": heads, "seconds": list(SECONDS), "equal_time": contest}
    print(f"stored in {store('colour', result)}")


if __name__ == "__main__":
    main()
