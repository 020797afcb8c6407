"""All families of the course face to face: one data set, one budget, one table, three seeds.

    python benchmarks/face_to_face.py [--data digits] [--only "VAE"] [--seeds 3] [--threads 1] [--device cpu] [--again]
    python benchmarks/face_to_face.py --measure        # only measure again the samples that lie in build/
    python benchmarks/face_to_face.py --data digits_800 --budget full --seeds 1           # who copies? see below
    python benchmarks/face_to_face.py --data binarized_mnist --budget short --seeds 1     # where there are the data

Budget: about a minute of one core and 70 to 210 thousand parameters for each model, the two players of a GAN together;
RealNVP takes less, since it learns by heart with more; pictures of 28 x 28 ten minutes. Digits are redrawn (turned,
stretched, with another pen) with a probability that falls, but not for the GANs, as in notebook 08. Each run is made
twice: with its whole budget, and "short", with an eighth of the steps, which is what notebook 14 trains live and
compares. The settings were chosen in the notebooks and benchmarks of the single families, on validation pictures;
nothing was chosen on test pictures.

Of each run 1,000 samples are drawn. They are measured against the training pictures, all sets of samples with the same
number of pictures; "real, held out" are pictures that no model has seen (of digits: validation and test, written by
other people than the training pictures; moons: drawn anew), "copies" are training pictures drawn at random: the best
and the worst a model can do, as far as the measures can tell. Whether a model copies its training pictures can only be
tested with unseen pictures by the same hands: of moons there are some, of digits digits_800 sets 200 aside. Features:
of digits those of the course's own classifier, of moons the pixels, of 28 x 28 those of the same kind of classifier,
trained on the spot on mnist().

Likelihood: minus log p of test pictures in nats, exact for the next-pixel models; a bound for the VAE (500 importance
weights), RealNVP and flow matching (dequantised) and diffusion; a GAN has none. Seconds are those of the processor in
training, without any evaluation (on a GPU, of the clock).

Writes results/face_to_face_<data>_<device>.json after every run, so that what is interrupted goes on where it was; the
samples to build/face_to_face/, and twenty of each first run to results/face_to_face_<data>_<device>.safetensors.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from _common import RESULTS, machine, read_options, step, store
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import data, metrics, models, runtime
from course_utils.distributions import bernoulli, discretized_logistic_mixture
from course_utils.models import Discriminator, Generator
from course_utils.objectives import OBJECTIVES, r1_penalty

DATA = ("digits", "moon_phases", "digits_800", "binarized_mnist")
SAMPLES = Path(__file__).parent.parent / "build" / "face_to_face"
DRAWN, MEASURED, SHOWN = 1_000, 750, 20  # samples of a run: drawn, measured, shown
MOST = 1_000  # test pictures whose nats are asked for
REFERENCE = 2_000  # training pictures at most that they are compared with; the nearest one is looked for among all
BUDGETS = {"full": 1, "short": 8}  # the steps are divided by this


# --- training --------------------------------------------------------------------------------------------------------


def pictures(images: data.Images, batch: int, steps: int, first: float = 1.0, least: float = 0.0) -> Iterator[Tensor]:
    """Batches for training; of digits the share that is redrawn falls from ``first`` by 1 to at least ``least``."""
    for i, x in enumerate(data.batches(images.train, batch, steps=steps)):
        yield data.redraw_digits(x, max(least, first - i / steps)) if images.name.startswith("digits") else x


def family(images: data.Images):
    """The pixels' distribution, where a model has one."""
    return bernoulli() if images.levels == 2 else discretized_logistic_mixture(images.levels, 5)


def maps(images: data.Images) -> tuple[int, ...]:
    """Feature maps of a U-Net, whose smallest pictures have 4 × 4 or 7 × 7 places."""
    return (16, 32) if images.shape[1] == 8 else (8, 16, 32)


def nll(model: nn.Module, x: Tensor) -> Tensor:
    return -model(x)


class Density(NamedTuple):
    """How a model with a likelihood or a bound is made, trained and asked for its nats."""

    make: Callable[[data.Images], nn.Module]
    steps: dict[str, int]
    loss: Callable[[nn.Module, Tensor], Tensor] = nll  # (B,)
    log_prob: Callable[[nn.Module, Tensor], Tensor] = nn.Module.__call__  # (B,) of test pictures
    batch: int = 25
    rate: float = 0.003
    average: float = 0.99  # of the running mean of the weights
    warm_up: float = 0.0  # share of the steps in which the rate rises
    first: float = 1.0  # share of digits that are redrawn at the beginning
    redrawn: float = 0.0  # and still at the end
    bfloat16: bool = True
    asked: dict[str, int] = {}  # test pictures at most, where log_prob takes long; then none of validation

    def train(self, images: data.Images, steps: int) -> tuple[nn.Module, nn.Module]:
        """Train with AdamW and a cosine; return the model with the mean of its last weights, and what was trained."""
        model = self.make(images).to(images.train.device)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(self.average))
        optimizer = torch.optim.AdamW(model.parameters(), self.rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        if self.warm_up:
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, steps, pct_start=self.warm_up)
        for x in pictures(images, self.batch, steps, self.first, self.redrawn):
            with runtime.autocast(x.device) if self.bfloat16 else torch.autocast(x.device.type, enabled=False):
                loss = self.loss(model, x).mean()
            step(optimizer, loss)
            schedule.step()
            average.update_parameters(model)
        return average.module.eval(), model

    @torch.no_grad()
    def nats(self, model: nn.Module, x: Tensor) -> float:
        """Minus the mean of log p, or of its bound, over the pictures x."""
        return -torch.cat([self.log_prob(model, part) for part in x.split(100)]).mean().item()


class Game(NamedTuple):
    """How a GAN is trained: gamma / 2 weighs the slope of D at real pictures, with ``both`` at made ones, too."""

    objective: str
    gamma: float
    rate: float = 0.001
    average: float = 0.998
    both: bool = False
    steep: bool = False  # ReLU and He's initialisation in the generator
    falling: bool = False  # the rates fall to 0 in the last 30 % of the steps


class Gan(NamedTuple):
    """A GAN of the table: the game for each data set, and its steps."""

    games: dict[str, Game]
    steps: dict[str, int]
    first: float = 0.0  # share of digits that are redrawn at the beginning

    def train(self, images: data.Images, steps: int) -> tuple[nn.Module, nn.Module]:
        """Play the game; return the generator with the mean of its last weights, and both players."""
        game, device = self.games[images.name.removesuffix("_800")], images.train.device
        generator, discriminator = Generator(images.shape, 16, (128, 256)), Discriminator(images.shape, (256, 128))
        if game.steep:
            make_steep(generator)
        players = nn.ModuleList([generator, discriminator]).to(device)
        objective = OBJECTIVES[game.objective]
        both = [torch.optim.Adam(player.parameters(), game.rate, (0.0, 0.99), fused=True) for player in players]
        average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(game.average))
        for i, real in enumerate(pictures(images, 64, steps, self.first)):
            for optimizer in both if game.falling else ():
                optimizer.param_groups[0]["lr"] = game.rate * min(1.0, (1 - i / steps) / 0.3)
            fake = generator.sample(len(real))
            loss = objective.discriminator(discriminator(real), discriminator(fake.detach()))
            for x in (real, fake.detach()) if game.both else (real,):
                loss = loss + game.gamma / 2 * r1_penalty(discriminator, x)
            step(both[1], loss)
            discriminator.requires_grad_(False)
            step(both[0], objective.generator(discriminator(real), discriminator(fake)))
            discriminator.requires_grad_(True)
            average.update_parameters(generator)
        return OnLevels(average.module.eval(), images.levels), players


class OnLevels(nn.Module):
    """A generator whose pictures are rounded to the levels of the data, k / (L - 1)."""

    def __init__(self, generator: Generator, levels: int):
        super().__init__()
        self.generator, self.levels = generator, levels

    def sample(self, n: int) -> Tensor:
        return (self.generator.sample(n) * (self.levels - 1)).round() / (self.levels - 1)


def make_steep(generator: Generator) -> None:
    """ReLU for SiLU, and He's initialisation: the first pictures already differ from each other."""
    for i, layer in enumerate(generator.net):
        if isinstance(layer, nn.SiLU):
            generator.net[i] = nn.ReLU()
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)


ROWS = {
    "Diagonal BiLSTM": Density(
        lambda images: models.DiagonalBiLSTM(images.shape, 32, 2, family(images)),
        {"digits": 1_700, "moon_phases": 550, "binarized_mnist": 1_600},
    ),
    "Gated PixelCNN": Density(
        lambda images: models.GatedPixelCNN(images.shape, 32, 5, family(images), 0.2),
        {"digits": 3_800, "moon_phases": 1_650, "binarized_mnist": 6_000},
    ),
    "ImageGPT": Density(
        lambda images: models.ImageGPT(images.shape, 64, 3, 4, family(images), dropout=0.1),
        {"digits": 1_150, "moon_phases": 350, "binarized_mnist": 750},
    ),
    "VAE": Density(
        lambda images: models.VAE(images.shape, 16, (), distribution=family(images), channels=(64, 64)),
        {"digits": 8_000, "moon_phases": 5_000, "binarized_mnist": 34_000},
        loss=lambda model, x: -model.elbo(x),
        log_prob=lambda model, x: model.log_prob(x, 500),
        bfloat16=False,
    ),
    "GAN, non-saturating": Gan(
        {
            "digits": Game("non_saturating", 0.1),
            "moon_phases": Game("non_saturating", 1.0),
            "binarized_mnist": Game("non_saturating", 1.0),
        },
        {"digits": 14_000, "moon_phases": 13_000, "binarized_mnist": 60_000},
    ),
    "GAN, best recipe": Gan(
        {
            "digits": Game("non_saturating", 0.1, 0.003, 0.995, steep=True, falling=True),
            "moon_phases": Game("relativistic", 0.5, 0.002, 0.995, both=True, falling=True),
            "binarized_mnist": Game("non_saturating", 1.0, 0.003, 0.995, steep=True, falling=True),
        },
        {"digits": 14_000, "moon_phases": 8_500, "binarized_mnist": 60_000},
    ),
    "RealNVP": Density(
        lambda images: models.RealNVP(
            images.shape, 8, (max(32, 8_192 // images.train[0].numel()),), levels=images.levels
        ),
        {"digits": 2_000, "moon_phases": 5_000, "binarized_mnist": 4_000},  # of digits more would be learnt by heart
        log_prob=lambda model, x: model.log_prob(x, 64),
        batch=100,
        rate=0.004,
        warm_up=0.05,
        redrawn=0.5,
        bfloat16=False,
    ),
    "diffusion": Density(
        lambda images: models.Diffusion(images.shape, 250, (), maps(images), levels=images.levels),
        {"digits": 5_500, "moon_phases": 3_000, "binarized_mnist": 6_000},
        loss=lambda model, x: model.denoising_loss(x),
        batch=50,
        rate=0.002,
        bfloat16=False,
    ),
    "flow matching": Density(
        lambda images: models.FlowMatching(images.shape, (), maps(images), levels=images.levels),
        {"digits": 5_500, "moon_phases": 3_000, "binarized_mnist": 6_000},
        loss=lambda model, x: model.matching_loss(x),
        log_prob=lambda model, x: model.log_prob(x, steps=16),
        batch=50,
        rate=0.002,
        bfloat16=False,
        asked={"digits": 50, "digits_800": 50, "moon_phases": 10, "binarized_mnist": 1},
    ),
}

# Who copies? The next-pixel models saw redrawn digits, the GANs did not; so, of digits_800, the other way round, too.
CROSSED = {
    "Gated PixelCNN, never redrawn": ROWS["Gated PixelCNN"]._replace(first=0.0),
    "GAN, non-saturating, redrawn": ROWS["GAN, non-saturating"]._replace(first=1.0),
    "GAN, best recipe, redrawn": ROWS["GAN, best recipe"]._replace(first=1.0),
}


# --- one run ---------------------------------------------------------------------------------------------------------


def run(title: str, images: data.Images, budget: str, seed: int) -> tuple[dict[str, float], Tensor]:
    """Train once and draw: seconds, sizes and nats, and the samples as levels, uint8 (n, C, H, W)."""
    runtime.seed_everything(seed)
    row, device = (ROWS | CROSSED)[title], images.train.device
    steps = row.steps[images.name.removesuffix("_800")] // BUDGETS[budget]
    start = clock(device)
    model, trained = row.train(images, steps)
    found = {"steps": steps, "seconds": clock(device) - start}
    found["parameters"] = sum(p.numel() for p in trained.parameters())
    start = clock(device)
    with torch.no_grad():
        x = torch.cat([model.sample(100) for _ in range(DRAWN // 100)])
    found["sampling_seconds"] = (clock(device) - start) * 1_000 / DRAWN
    if isinstance(row, Density):
        few = row.asked.get(images.name)
        for split in ("test",) if few else ("valid", "test"):
            real = getattr(images, split)  # stored by writers: a few of them are taken from all of the set
            real = real[:: max(1, len(real) // few)][:few] if few else real[:MOST]
            found[f"{split}_nats"] = row.nats(model, real)
    return found, ((images.levels - 1) * x).round().clamp(0, images.levels - 1).to(torch.uint8).cpu()


def clock(device: torch.device) -> float:
    """Seconds: of the processor, or of the clock where the work is done elsewhere."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


# --- measures --------------------------------------------------------------------------------------------------------


def features(x: Tensor) -> Tensor:
    """What Fréchet and kernel distance, precision, recall and coverage are measured on, (N, D)."""
    judges = {(1, 8, 8): models.DigitClassifier.trained, (1, 28, 28): mnist_classifier}
    judge = judges.get(tuple(x.shape[1:]))
    return x.flatten(1) if judge is None else torch.cat([judge().features(part) for part in x.split(1_000)])


@cache
def mnist_classifier() -> models.DigitClassifier:
    """Trained for some seconds on pictures of 28 × 28 whose pixels are drawn black or white, as the fixed ones were."""
    images = data.mnist()
    with torch.random.fork_rng():
        runtime.seed_everything(0)
        model = models.DigitClassifier(images.shape)
        optimizer = torch.optim.AdamW(model.parameters(), 0.003)
        for _ in range(1_000):
            chosen = torch.randint(len(images.train), (64,))
            loss = F.cross_entropy(model(torch.bernoulli(images.train[chosen])), images.train_labels[chosen])
            step(optimizer, loss)
        return model.eval().requires_grad_(False)


def digits_800() -> data.Images:
    """Digits with held-out pictures by the same hands: 800 of the 1,000 training pictures, the other 200 set aside."""
    images = data.digits()
    train, unseen = torch.randperm(len(images.train), generator=torch.Generator().manual_seed(0)).split(800)
    return data.Images("digits_800", images.train[train], images.train[unseen], images.train[unseen], levels=17)


def held_out(images: data.Images) -> Tensor:
    """Real pictures that no model has seen, ``MEASURED`` of them."""
    if images.name == "moon_phases":
        return data.moon_phases(MEASURED * 10 // 8 + 10, seed=1).train[:MEASURED]
    both = torch.cat([images.valid, images.test])
    return both[torch.randperm(len(both), generator=torch.Generator().manual_seed(0))[:MEASURED]]


def reference(images: data.Images) -> Tensor:
    """The training pictures that samples are compared with, as many as there are digits and moons at most."""
    return images.train[:REFERENCE]


def measure(x: Tensor, images: data.Images) -> dict[str, float]:
    """All that is said of a set of samples in [0, 1]; everything against the training pictures."""
    x = x[:MEASURED]
    train = reference(images)
    real, fake = features(train), features(x)
    kernel = metrics.kernel_distance(real, fake, subsets=10, subset_size=min(700, len(x)))
    mixed = train[
        torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    ]  # digits are stored by writers
    precision, recall = metrics.precision_recall(real, fake)
    found = {
        "frechet": metrics.frechet_distance(real, fake),
        "kernel": kernel.mean,
        "precision": precision,
        "recall": recall,
        "coverage": metrics.coverage(real, fake),
        "told_apart": metrics.told_apart(x, mixed),
        "sharpness": metrics.sharpness(x, train),
        "nearest": metrics.nearest(x, images.train).distance.mean().item(),
    }
    if images.name == "moon_phases":
        found["moons"], found["phases"] = metrics.moon_scores(x)
    if images.name != "digits":  # where held-out pictures are by other hands, anything that was learnt leans
        unseen = images.valid if images.name == "digits_800" else torch.cat([images.valid, images.test])[:REFERENCE]
        copying = metrics.memorisation(x, train, unseen)
        found |= {"lean": copying.share, "lean_expected": copying.expected, "lean_z": copying.z}
    return found


def controls(images: data.Images) -> dict[str, dict[str, float]]:
    """The same of pictures that are as good as can be, and of pictures that are only copied."""
    source = torch.Generator().manual_seed(0)
    copies = images.train[torch.randint(len(images.train), (MEASURED,), generator=source)]
    found = {"copies": measure(copies, images)}
    # of digits_800 too few are left to be both a sample and what it is compared with
    return found if images.name == "digits_800" else {"real, held out": measure(held_out(images), images)} | found


# --- results ---------------------------------------------------------------------------------------------------------


def read(name: str) -> dict:
    """What is stored already."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"rows": {}}


def keep(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(tensors, unfinished)
    unfinished.replace(path)


def fill(name: str, images: data.Images, title: str, budget: str, seed: int, options) -> None:
    """Run one row with one seed, unless it is stored; measure its samples; store both."""
    place = SAMPLES / name / f"{title}, {budget}, {seed}.safetensors".replace(" ", "_")
    old = read(name)["rows"].get(title, {}).get(budget, {}).get(str(seed))
    if old and "frechet" in old and not (options.again or options.measure):
        return
    if old is None and options.measure and not options.again:
        return  # nothing to measure
    if old is None or options.again:
        found, levels = run(title, images, budget, seed)
        keep(place, {"x": levels})
    else:
        if not place.exists():
            print(f"{title}, {budget}, seed {seed}: its samples are not in {SAMPLES}; --again makes them")
            return
        found, levels = old, load_file(place)["x"]
    found = found | measure(levels.float() / (images.levels - 1), images)
    result = read(name)  # read again: another process may have added to it
    result["rows"].setdefault(title, {}).setdefault(budget, {})[str(seed)] = found
    result["rows"] = {key: result["rows"][key] for key in ROWS | CROSSED if key in result["rows"]}
    store(name, result | {"machine": machine()})
    if seed == 0 and budget == "full":
        shown = RESULTS / f"{name}.safetensors"
        rows = load_file(shown) if shown.exists() else {}
        keep(shown, rows | {title: levels[:SHOWN].contiguous()})
    facts = " · ".join(f"{key} {value:.4g}" for key, value in found.items())
    print(f"{title}, {budget}, seed {seed}: {facts}", flush=True)


def tell(name: str) -> None:
    """The table: means over the seeds, and the lowest and highest."""
    for title, budgets in read(name)["rows"].items():
        runs = list(budgets.get("full", {}).values())
        cells = []
        for key in runs[0] if runs else ():
            values = [run[key] for run in runs]
            cells.append(f"{key} {statistics.mean(values):.3g} ({min(values):.3g} to {max(values):.3g})")
        print(f"{title}: " + " · ".join(cells))


def main() -> None:
    own = {
        "data": {"choices": DATA, "nargs": "*", "default": DATA[:2]},
        "budget": {"choices": tuple(BUDGETS), "nargs": "*", "default": list(BUDGETS)},
        "measure": {"action": "store_true", "help": "measure the samples in build/ again, train nothing"},
    }
    options = read_options(__doc__, "only", "seeds", "device", "again", own=own)
    for which in options.data:
        images = (digits_800 if which == "digits_800" else getattr(data, which))().to(options.device)
        name = f"face_to_face_{which}_{options.device}"
        if "controls" not in read(name) or options.again or options.measure:
            store(name, read(name) | {"controls": controls(images)})
        for seed in range(options.seeds):  # outermost: what is interrupted has a seed of every row
            for budget in options.budget:
                for title in ROWS | (CROSSED if which == "digits_800" else {}):
                    if options.only in ("", title):
                        fill(name, images, title, budget, seed, options)
        tell(name)


if __name__ == "__main__":
    main()
