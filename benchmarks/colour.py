"""Colours as numbers, as levels and as tokens: likelihoods in one unit, how colourful, and who learns fastest.

    OMP_NUM_THREADS=1 python benchmarks/colour.py [--seeds 3] [--only heads|bumps|contest]

Everything is measured on validation pictures of the lit creatures, in nats a picture of 4,096 colours a pixel, except
the bumps, which are distributions over 32 tokens and measured in nats of these. Three parts, each stored by itself:

* heads: one PixelCNN with seven kinds of output, and palettes of 4 to 64 tokens, along 600 steps; what it paints from
  nothing and into a given drawing; the Gaussian of a learned width also along 2,000 steps;
* bumps: the network of the lecture, which sees tokens and names a colour, its width fixed or learned, along 600 steps;
* contest: PixelCNN, Gated PixelCNN and ImageGPT on 64 tokens, along 600 steps, with the seconds of each.

Adds to results/colour.json. What stands there under "first_edition" is older: nats after 1,500 steps, on test pictures.
"""

import json
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _common import RESULTS, machine, read_options, store
from torch import Tensor, nn

from course_utils import data, metrics
from course_utils.distributions import categorical, discretized_logistic_mixture, gaussian, palette
from course_utils.models import GatedPixelCNN, ImageGPT, PixelCNN
from course_utils.models.masked import MaskedConv2d

SHAPE, PALETTES, BATCH = (1, 16, 16), (4, 8, 16, 32, 64), 16
STEPS, LONG = 600, 2_000  # of every run, and of one Gaussian that is to beat the histogram
LOOK = (100, 200, 300, 450, 600, 1_000, 1_500, 2_000)  # steps after which nats are measured
VALID, PAINTED = 250, 50  # pictures measured, and painted


def fit(net: nn.Module, images: Tensor, loss: Callable, steps: int, lr: float, look: Callable) -> tuple[list, float]:
    """Adam with a rate that rises, then falls to 0; returns [step, look()] along the way, and seconds of training."""
    optimizer, curve, seconds = torch.optim.Adam(net.parameters(), lr), [], 0.0
    start = time.process_time()
    for step, x in enumerate(data.batches(images, BATCH, steps=steps)):
        t = step / steps
        optimizer.param_groups[0]["lr"] = lr * min(1, 0.1 + 10 * t) * (1 - t)
        value = loss(net, x).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step + 1 in LOOK or step + 1 == steps:
            seconds += time.process_time() - start
            with torch.no_grad():
                curve.append([step + 1, look()])
            start = time.process_time()
    return curve, seconds


def minus_log_prob(model: nn.Module, x: Tensor) -> Tensor:
    return -model.log_prob(x)


def log_bin(x: Tensor, mean: Tensor, std: Tensor | float, levels: int = 16) -> Tensor:
    """log P(level of x) of a Gaussian integrated over the level's bin."""
    half = 0.5 / (levels - 1)
    hi = torch.where(x > 1 - half, torch.inf, (x + half - mean) / std).double()
    lo = torch.where(x < half, -torch.inf, (x - half - mean) / std).double()
    hi, lo = torch.where(hi + lo > 0, -lo, hi), torch.where(hi + lo > 0, -hi, lo)
    log_hi, log_lo = torch.special.log_ndtr(hi), torch.special.log_ndtr(lo)
    return log_hi + torch.log1p(-torch.exp(log_lo - log_hi))


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
} | {f"{K} tokens": lambda K=K: PixelCNN(SHAPE, 16, 2, palette(K)) for K in reversed(PALETTES)}
CONTESTANTS: dict[str, Callable] = {
    "PixelCNN": lambda: PixelCNN(SHAPE, 16, 2, palette(64)),
    "Gated PixelCNN": lambda: GatedPixelCNN(SHAPE, 16, 2, palette(64)),
    "ImageGPT": lambda: ImageGPT(SHAPE, 32, 1, 2, palette(64)),
}


class World:
    """The creatures, their palettes, and what is known of each colour within its cell."""

    def __init__(self):
        creatures = data.creatures(5_000, lit=True)
        self.train, self.valid = creatures.train, creatures.valid[:VALID]
        self.palettes = {K: data.learn_palette(self.train, K) for K in PALETTES}
        self.within = {K: data.cell_log_probs(self.train, colours, 16) for K, colours in self.palettes.items()}
        self.residual = {K: -data.colour_log_prob(self.valid, log_p).mean().item() for K, log_p in self.within.items()}
        night, ink = (data.PALETTE[k].view(1, 3, 1, 1) for k in (0, 1))
        self.drawing = (self.valid == night).all(1) | (self.valid == ink).all(1)  # (B, 16, 16): not coloured

    def tokens(self, x: Tensor, K: int) -> Tensor:
        return data.to_tokens(x, self.palettes[K])

    def nats(self, model: nn.Module, K: int | None) -> float:
        """Mean nats of a validation picture, in the common unit."""
        if K:
            return minus_log_prob(model, self.tokens(self.valid, K)).mean().item() + self.residual[K]
        if model.pixels.levels is None:
            predicted = model.conditionals(self.valid)
            std = predicted.stddev if model.pixels.n_params == 2 else width(model, self.train)
            return -log_bin(self.valid, predicted.mean, std).flatten(1).sum(1).mean().item()
        return minus_log_prob(model, self.valid).mean().item()


def width(model: nn.Module, train: Tensor) -> Tensor:
    """Root mean squared error of a regression on training pictures."""
    some = train[:500]
    return (some - model.conditionals(some).mean).square().mean().sqrt()


def colour(x: Tensor) -> list[float]:
    x = x.nan_to_num().clamp(0, 1)  # what is fed back may run away
    return [m(x).mean().item() for m in (metrics.saturation, metrics.chroma, metrics.colourfulness)]


@torch.no_grad()
def paint(model: nn.Module, world: World, K: int | None, seed: int) -> dict[str, list[float]]:
    """The three measures of pictures from nothing, and of the painted pixels of given drawings."""
    x, drawing = world.valid[:PAINTED], world.drawing[:PAINTED]
    decode = (lambda t: data.from_tokens(t, world.palettes[K])) if K else (lambda x: x)
    g = torch.Generator().manual_seed(seed)
    nothing = decode(model.sample(PAINTED, generator=g))
    seen, known = (world.tokens(x, K), drawing) if K else (x, drawing[:, None])
    inside = decode(model.complete(seen, known, generator=g)).movedim(1, -1)[~drawing]  # (N, 3)
    return {"nothing": colour(nothing), "inside": colour(inside.T[None, :, None, :])}


@torch.no_grad()
def at_first(model: nn.Module, world: World, K: int | None) -> dict[str, float]:
    """Chroma of the answers at the first coloured pixel: of the mean, and of samples where they are tokens."""

    def chroma(colours: Tensor) -> Tensor:
        return colours.amax(-1) - colours.amin(-1)

    first = (~world.drawing).flatten(1).float().argmax(1)
    every = torch.arange(VALID)
    if K:
        predicted = model.conditionals(world.tokens(world.valid, K)[:, None]).logits[:, 0]  # (B, 16, 16, K)
        p = predicted.flatten(1, 2)[every, first].softmax(1)
        colours = world.palettes[K]
        return {"sampled": (p @ chroma(colours)).mean().item(), "mean": chroma(p @ colours).mean().item()}
    before = torch.arange(256).view(16, 16) < first.view(-1, 1, 1)
    named = model.complete(world.valid, before[:, None]).flatten(2)[every, :, first].clamp(0, 1)
    return {"mean": chroma(named).mean().item()}


def heads(seeds: range, show: Callable) -> dict:
    world, rows = World(), {}
    jobs = [(name, STEPS, 0.02) for name in HEADS] + [("learned width", LONG, 0.01)]
    for name, steps, lr in jobs:
        K = int(name.split()[0]) if "tokens" in name else None
        images = world.tokens(world.train, K) if K else world.train
        runs = []
        for seed in seeds:
            torch.manual_seed(seed)
            model = HEADS[name]()
            curve, seconds = fit(model, images, minus_log_prob, steps, lr, lambda m=model, K=K: world.nats(m, K))
            run = {"curve": curve, "seconds": seconds}
            if model.pixels.levels is None and not K:
                with torch.no_grad():
                    run["width"] = width(model, world.train).item()
                    if name == "regressed":
                        model.pixels = gaussian(run["width"])
                    run["minus_log_density"] = minus_log_prob(model, world.valid).mean().item()
            if K in (None, 64) and steps == STEPS:
                run["painted"] = paint(model, world, K, seed)
                if name == "regressed":
                    model.pixels = gaussian(1e-6)  # from here on it paints what it names
                    run["mean"] = paint(model, world, K, seed)
                if name in ("regressed", "64 tokens"):
                    run["first"] = at_first(model, world, K)
            elif K:
                with torch.no_grad():
                    sampled = model.sample(PAINTED, generator=torch.Generator().manual_seed(seed))
                run["painted"] = {"nothing": colour(data.from_tokens(sampled, world.palettes[K]))}
            runs.append(run)
            show(f"{name}, {steps} steps", curve)
        rows[name if steps == STEPS else f"{name}, {steps:,} steps"] = {"runs": runs}
    everywhere = data.cell_log_probs(world.train, torch.zeros(1, 3), 16)  # one cell: all colours
    histogram = -data.colour_log_prob(world.valid, everywhere).mean().item()
    return {"rows": rows, "residual": world.residual, "histogram": histogram}


class Bump(nn.Module):
    """The lecture's network: tokens go in, a colour comes out, and with ``learned`` a width for each pixel."""

    def __init__(self, colours: Tensor, learned: bool):
        super().__init__()
        self.colours, self.learned = colours, learned
        self.first = MaskedConv2d("A", len(colours), 32, 7)
        self.blocks = nn.ModuleList(self.block(16) for _ in range(2))
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(32, 16, 1), nn.ReLU(), nn.Conv2d(16, 3 + learned, 1))

    @staticmethod
    def block(h: int) -> nn.Sequential:
        see = MaskedConv2d("B", h, h, 3)
        return nn.Sequential(nn.ReLU(), nn.Conv2d(2 * h, h, 1), nn.ReLU(), see, nn.ReLU(), nn.Conv2d(h, 2 * h, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        features = self.first(F.one_hot(tokens, len(self.colours)).movedim(-1, 1).float())
        for block in self.blocks:
            features = features + block(features)
        return self.last(features)

    def logits(self, tokens: Tensor, sigma: float = 0.15) -> Tensor:
        out = self(tokens)
        squares = (self.colours[None, :, :, None, None] - out[:, None, :3]).square().sum(2)  # (B, K, H, W)
        return -squares / 2 * (out[:, 3:].exp() / 0.1 if self.learned else sigma**-2)


def bumps(seeds: range, show: Callable) -> dict:
    world, rows = World(), {}
    colours, train = world.palettes[32], world.tokens(world.train, 32)
    valid = world.tokens(world.valid, 32)

    def nats(net: Bump, tokens: Tensor, sigma: float = 0.15) -> Tensor:
        return F.cross_entropy(net.logits(tokens, sigma), tokens, reduction="none").sum((1, 2))

    def squared_error(net: Bump, tokens: Tensor) -> Tensor:
        return (net(tokens) - data.from_tokens(tokens, colours)).square().sum((1, 2, 3))

    for name, learned, loss in (("fixed width", False, squared_error), ("learned width", True, nats)):
        runs = []
        for seed in seeds:
            torch.manual_seed(seed)
            net = Bump(colours, learned)
            curve, seconds = fit(net, train, loss, STEPS, 0.01, lambda net=net: nats(net, valid).mean().item())
            run = {"curve": curve, "seconds": seconds}
            if not learned:
                with torch.no_grad():
                    run["sigma"] = {s: nats(net, train[:200], s).mean().item() for s in (0.1, 0.125, 0.15, 0.2)}
            runs.append(run)
            show(f"bump of {name}", curve)
        rows[name] = {"runs": runs}
    counts = torch.bincount(train.flatten(), minlength=32) + 1.0
    histogram = -(counts / counts.sum()).log()[valid].sum((1, 2)).mean().item()
    return {"rows": rows, "histogram": histogram}


def mirrored(tokens: Tensor) -> float:
    """Share of the tokens that are not background and equal their mirror image."""
    coloured = tokens != tokens[:, :1, :1]
    return (tokens == tokens.flip(2))[coloured].float().mean().item()


def contest(seeds: range, show: Callable) -> dict:
    world, rows = World(), {}
    train, valid = world.tokens(world.train, 64), world.tokens(world.valid, 64)
    for name, lr in ((name, lr) for name in CONTESTANTS for lr in (0.005, 0.02)):
        runs = []
        for seed in seeds if lr == 0.02 else seeds[:1]:  # the rate is looked at with one seed
            torch.manual_seed(seed)
            model = CONTESTANTS[name]()
            curve, seconds = fit(model, train, minus_log_prob, STEPS, lr, lambda m=model: world.nats(m, 64))
            run = {"curve": curve, "seconds": seconds, "parameters": sum(p.numel() for p in model.parameters())}
            if lr == 0.02:
                with torch.no_grad():
                    each = -model.pixel_log_probs(valid)
                    run["upper"] = each[:, :8].sum((1, 2)).mean().item()
                    run["lower"] = each[:, 8:].sum((1, 2)).mean().item()
                    run["mirrored"] = mirrored(model.sample(100, generator=torch.Generator().manual_seed(seed)))
            runs.append(run)
            show(f"{name}, rate {lr}", curve)
        rows[name if lr == 0.02 else f"{name}, rate {lr}"] = {"runs": runs}
    return {"rows": rows, "mirrored": mirrored(valid), "residual": world.residual[64]}


def main() -> None:
    options = read_options(__doc__, "seeds", "only")
    parts = {"heads": heads, "bumps": bumps, "contest": contest}

    def show(name: str, curve: list) -> None:
        print(f"{name:<32}" + " · ".join(f"{step}: {nats:.0f}" for step, nats in curve), flush=True)

    for name, part in parts.items():
        if options.only in ("", name):
            result = part(range(options.seeds), show)
            path = RESULTS / "colour.json"
            stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            print(f"stored in {store('colour', stored | {name: result, 'machine': machine()})}")


if __name__ == "__main__":
    main()
