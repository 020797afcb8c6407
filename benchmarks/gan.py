"""GANs counted, not looked at: seven objectives under one budget, and a recipe that keeps every mode, five seeds each.

    python benchmarks/gan.py [--data ring] [--only "hinge"] [--seeds 5] [--threads 1]

Ring (8 modes, std 0.01) and grid (25 modes, std 0.05): 2,500 samples of the averaged generator by the published
protocol (``metrics.mode_coverage``). Published, mean of 10 trials after 400,000 steps with a batch of 100 (Lin et al.,
PacGAN, arXiv 1712.04086): on the grid GAN 17.3 modes, 94.8 % good, reverse KL 0.70; PacGAN4 24.8 modes, 93.6 %, 0.04;
on the ring GAN 6.3 modes, 98.2 %, 0.45; PacGAN2 7.9 modes, 95.6 %, 0.07. A perfect sampler has 98.9 % good samples.

Digits: 1,000 samples. The class of one is that of the nearest training picture (under "held_out": how often that is
right for new pictures); a class counts as found from 1 % of the samples on. Beside it the distance to these pictures,
the accuracy of a 1-nearest-neighbour test between samples and training pictures (50 %: nobody can tell them apart;
Lopez-Paz and Oquab, arXiv 1610.06545), and precision and recall in the space of pixels with k = 3 (Kynkäänniemi et al.,
arXiv 1904.06991).

The rows of the league have the same networks, optimiser, batch, number of steps and averaging; the discriminator takes
one step for each of the generator's, also in the Wasserstein game, whose authors take five. "R1+R2" is the zero-centred
penalty at real and at generated points. The recipe, with networks of its own, is explained at ``NoisyDiscriminator``;
the row "GAN" has the generator, batch, Adam, rates and steps of the recipe and nothing else of it. "spread_evenly" is
what the protocol says of points all over the circle or the square: 8 modes, and no spot found. Of runs that end
with NaN, all samples count as bad and in a single mode. Seconds are those of the processor in training. Writes
results/gan_<planar or digits>_cpu.json after every run, so that what is interrupted goes on where it was.
"""

import argparse
import json
import math
import statistics
import time
from itertools import pairwise
from typing import NamedTuple

import torch
from _common import RESULTS, machine, step, store
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import data, metrics, runtime
from course_utils.models import Discriminator, Generator
from course_utils.objectives import OBJECTIVES, clip_weights_, gradient_penalty, least_squares, r1_penalty


class Setting(NamedTuple):
    """How the game is played. The defaults are those of the league in the plane."""

    objective: str
    penalty: str = ""  # "R1+R2", "gradient penalty" or "clipping"
    gamma: float = 0.1  # half of it weighs R1 + R2
    players: str = "plane"
    steps: int = 1_500
    batch: int = 128
    rates: tuple[float, float] = (0.001, 0.001)  # generator, discriminator
    cosine: bool = True
    average: float = 0.995  # of the running mean of the generator's weights; 0 is the last generator


RECIPE = Setting("relativistic", players="noisy", steps=5_000, batch=1_024, rates=(0.003, 0.001), average=0.99)
GAMES = OBJECTIVES | {"least_squares, codes 0 1 1": least_squares(0.0, 1.0, 1.0)}
LEAGUE = {name: Setting(name) for name in GAMES}
LEAGUE |= {f"wasserstein, {way}": Setting("wasserstein", way) for way in ("gradient penalty", "clipping")}
LEAGUE |= {f"{name}, R1+R2": Setting(name, "R1+R2") for name in OBJECTIVES}
ROWS = {
    "planar": LEAGUE
    | {
        "recipe": RECIPE,
        "GAN": RECIPE._replace(objective="non_saturating", players="plain", cosine=False, average=0),
    },
    "digits": {title: row._replace(gamma=0.3, players="digits", batch=64) for title, row in LEAGUE.items()},
}
NOTES = {
    "planar": "nothing in the league was tuned; the recipe was chosen among 47 settings (widths, activations, batch, "
    "rates, noise, weights of the generator's gradient), one run each with seed 100 or 101, nearly all on the grid; "
    "then the average was shortened, after three runs with seeds 0, 2 and 4 on the grid had shown that it lagged",
    "digits": "nothing was tuned",
}


# --- networks --------------------------------------------------------------------------------------------------------


class SteepGenerator(nn.Module):
    """2 numbers to a point, by ReLU: few points lie on the way from one mode to the next only if the map is steep.

    He's initialisation spreads the points as wide as the data from the first step on; with torch's they would start in
    one place, and the two players would chase each other round it.
    """

    def __init__(self, *units: int):
        super().__init__()
        layers = [layer for a, b in pairwise([2, *units]) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.net = nn.Sequential(*layers, nn.Linear(units[-1], 2))
        for layer in self.net[::2]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        return self.net(torch.randn(n, 2, generator=generator))


class NoisyDiscriminator(nn.Module):
    """Judges real and generated points through noise of a random strength, which it is told.

        x -> x + s e,  e ~ N(0, I),  log s ~ U(log 0.01, log 1)

    Strong noise joins the modes: there the game is about how much of the mass lies where, to the last step. Weak noise
    shows how wide a mode is. The generator's gradient at strength s is multiplied by s^p, p falling from 3 to 1 in
    training (``progress`` 0 to 1): the slope of D grows like 1/s, and the weak noise would drown the strong; how much
    of the mass lies where comes first, sharpness last. The features sin and cos of 32 random directions, wavelengths
    from 6 to 0.06 standard deviations of the data, are damped as the noise blurs them, by exp(-s^2 w^2 / 2).
    """

    def __init__(self, units: int = 128, waves: int = 32, weakest: float = 0.01):
        super().__init__()
        self.weakest, self.progress = weakest, 0.0
        angle, frequency = 2 * math.pi * torch.rand(waves), torch.logspace(0, 2, waves)
        self.register_buffer("waves", torch.stack([angle.cos(), angle.sin()]) * frequency)  # (2, waves)
        sizes = [2 + 2 * waves + 2, units, units, units]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.net = nn.Sequential(*layers, nn.Linear(units, 1))

    def forward(self, x: Tensor, strength: Tensor) -> Tensor:
        phase, damp = x @ self.waves, torch.exp(-0.5 * (strength * self.waves.norm(dim=0)) ** 2)
        inputs = [x / (1 + strength**2).sqrt(), damp * phase.sin(), damp * phase.cos(), strength.log() / 2, strength]
        return self.net(torch.cat(inputs, 1)).squeeze(1)

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        strength = self.weakest ** torch.rand(len(real), 1)
        weight = strength ** (3 - 2 * self.progress)
        fake = weight * fake + (1 - weight) * fake.detach()  # the same point, with a weaker gradient
        return tuple(self(x + strength * torch.randn_like(x), strength) for x in (real, fake))


def players(name: str) -> tuple[nn.Module, nn.Module]:
    """A fresh generator and discriminator."""
    if name == "digits":
        return Generator((1, 8, 8), 16, (128, 128)), Discriminator((1, 8, 8), (128, 128))
    if name == "plane":
        return SteepGenerator(64, 64, 64), Discriminator((2,), (64, 64, 64))
    discriminator = NoisyDiscriminator() if name == "noisy" else Discriminator((2,), (128, 128, 128))
    return SteepGenerator(128, 128, 128, 128), discriminator


# --- the game --------------------------------------------------------------------------------------------------------


def penalty(setting: Setting, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor | float:
    if setting.penalty == "R1+R2":
        return setting.gamma / 2 * (r1_penalty(discriminator, real) + r1_penalty(discriminator, fake))
    return 10 * gradient_penalty(discriminator, real, fake) if setting.penalty == "gradient penalty" else 0.0


def judge(discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(discriminator, NoisyDiscriminator):
        return discriminator.judge(real, fake)
    return discriminator(real), discriminator(fake)


def play(setting: Setting, seed: int, real: Tensor) -> tuple[nn.Module, float]:
    """The averaged generator, and the seconds of the processor."""
    runtime.seed_everything(seed)
    generator, discriminator = players(setting.players)
    objective = GAMES[setting.objective]
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(setting.average))
    pairs = zip((generator, discriminator), setting.rates, strict=True)
    both = [torch.optim.Adam(player.parameters(), rate, (0.0, 0.99), fused=True) for player, rate in pairs]
    steps = setting.steps if setting.cosine else 10**9
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) for optimizer in both]
    start = time.process_time()
    for i, x in enumerate(data.batches(real, setting.batch, steps=setting.steps)):
        if isinstance(discriminator, NoisyDiscriminator):
            discriminator.progress = i / setting.steps
        fake = generator.sample(len(x))
        loss = objective.discriminator(*judge(discriminator, x, fake.detach()))
        step(both[1], loss + penalty(setting, discriminator, x, fake.detach()))
        if setting.penalty == "clipping":
            clip_weights_(discriminator)
        discriminator.requires_grad_(False)
        loss = objective.generator(*judge(discriminator, x, fake))
        step(both[0], loss)
        discriminator.requires_grad_(True)
        average.update_parameters(generator)
        for schedule in schedules:
            schedule.step()
        if i % 100 == 0 and not loss.isfinite():
            break
    return average.module, time.process_time() - start


# --- measures --------------------------------------------------------------------------------------------------------


def planar(setting: Setting, seed: int, world: data.GaussianMixture2D) -> dict[str, float]:
    """Train once, count the modes. The data are brought to a standard deviation of 1, the samples back."""
    points = world.sample(100_000, torch.Generator().manual_seed(seed))
    scale = points.std(0).mean()
    generator, seconds = play(setting, seed, points / scale)
    with torch.no_grad():
        x = scale * generator.sample(2_500, generator=torch.Generator().manual_seed(seed))
    if not x.isfinite().all():
        return {"seconds": seconds, "nan": 1, "modes": 0, "good": 0.0, "reverse_kl": math.log(len(world.centres))}
    found = metrics.mode_coverage(x, world.centres, world.std)
    return {"seconds": seconds, "nan": 0} | found._asdict()


def digits(setting: Setting, seed: int, images: data.Images) -> dict[str, float]:
    """Train once on the training pictures, and measure 1,000 samples."""
    generator, seconds = play(setting, seed, images.train)
    with torch.no_grad():
        x = generator.sample(1_000, generator=torch.Generator().manual_seed(seed))
    if not x.isfinite().all():
        worst = {"classes": 0, "reverse_kl": math.log(10), "distance": 1.0, "told_apart": 1.0, "precision": 0.0}
        return {"seconds": seconds, "nan": 1, **worst, "recall": 0.0}
    return {"seconds": seconds, "nan": 0} | measure(x, images)


def measure(x: Tensor, images: data.Images) -> dict[str, float]:
    """Classes and distances by the nearest training picture, and how far apart the two sets are."""
    near = metrics.nearest(x, images.train)
    shares, truth = (
        torch.bincount(y, minlength=10) / len(y) for y in (images.train_labels[near.index], images.train_labels)
    )
    precision, recall = metrics.precision_recall(images.train, x)
    return {
        "classes": int((shares >= 0.01).sum()),
        "reverse_kl": torch.xlogy(shares, shares / truth).sum().item(),
        "distance": near.distance.mean().item(),
        "told_apart": metrics.told_apart(x, images.train),
        "precision": precision,
        "recall": recall,
    }


def held_out(images: data.Images) -> dict:
    """What the measures say of real pictures that nobody was trained on."""
    x = torch.cat([images.valid, images.test])
    labels = torch.cat([images.valid_labels, images.test_labels])
    accuracy = (images.train_labels[metrics.nearest(x, images.train).index] == labels).double().mean().item()
    return {"pictures": len(x), "accuracy": accuracy} | measure(x, images)


def spread_evenly() -> dict[str, dict]:
    """What the protocol says of a generator that has not found a single spot: all of the circle, all of the square."""
    source = torch.Generator().manual_seed(0)
    angle, square = 2 * math.pi * torch.rand(2_500, generator=source), 10 * torch.rand(2_500, 2, generator=source) - 5
    points = {"ring": torch.stack([angle.cos(), angle.sin()], 1), "grid": square}
    worlds = {name: getattr(data, name)() for name in points}
    return {k: metrics.mode_coverage(points[k], w.centres, w.std)._asdict() for k, w in worlds.items()}


# --- results ---------------------------------------------------------------------------------------------------------


def read(name: str) -> dict[str, dict]:
    """The rows that are stored already."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def summary(runs: list[dict]) -> dict[str, dict[str, float]]:
    return {
        how.__name__: {key: how(run[key] for run in runs) for key in runs[0]} for how in (statistics.mean, min, max)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("all", "ring", "grid", "digits"), default="all")
    parser.add_argument("--only", default="", help="one row by its name")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for which in ("ring", "grid", "digits") if options.data == "all" else (options.data,):
        kind, world = "digits" if which == "digits" else "planar", getattr(data, which)()
        rows = {title: row for title, row in ROWS[kind].items() if title == options.only or not options.only}
        for seed in range(
            options.seeds
        ):  # outermost: what is interrupted has a seed of every row, not every seed of one
            for title, setting in rows.items():
                fill(kind, which, title, setting, world, seed)


def fill(kind: str, which: str, title: str, setting: Setting, world: data.GaussianMixture2D | data.Images, seed: int):
    """Run one row with one seed, unless it is stored, and store it."""
    name, key = f"gan_{kind}_cpu", f"{title}, {which}" if kind == "planar" else title
    if str(seed) in read(name).get(key, {}).get("runs", {}):
        return
    run = (planar if kind == "planar" else digits)(setting, seed, world)
    stored = read(name)  # read again: another process may have added to it
    runs = stored.get(key, {}).get("runs", {}) | {str(seed): run}
    sizes = [sum(p.numel() for p in player.parameters()) for player in players(setting.players)]
    row = {"data": which, "row": title, "steps": setting.steps, "batch": setting.batch, "parameters": sizes}
    row |= summary(list(runs.values())) | {"runs": runs, "machine": machine()}
    extra = {"held_out": held_out(world)} if kind == "digits" else {"spread_evenly": spread_evenly()}
    order = list(ROWS[kind])
    rows = sorted((stored | {key: row}).items(), key=lambda item: (item[1]["data"], order.index(item[1]["row"])))
    store(name, {"note": NOTES[kind], **extra, "rows": dict(rows)})
    print(f"{key:<40}seed {seed} · " + " · ".join(f"{k} {v:.3g}" for k, v in run.items()), flush=True)


if __name__ == "__main__":
    main()
