"""All families of the course face to face: the same digits, the same steps, the same search, one table, three seeds.

    python benchmarks/face_to_face.py [--only "VAE"] [--seeds 3] [--steps 4096] [--threads 1] [--again]
    python benchmarks/face_to_face.py --measure        # only measure again the samples that lie in build/

Data. The 1,797 digits of data.digits() are pooled and shuffled over their writers: 897 to train on, 450 to choose
settings by, 450 to measure by. All rows see training pictures that are redrawn (turned, stretched, with another pen)
with a probability that falls from 1 to 0 over the run.

Budget. Every row has 70 to 210 thousand weights (the GAN with both players; how all are made: ``_families``) and the
same number of steps of 64 pictures; a step of the GAN is one update of each player. The rate rises over the first 5 %
of the run and falls to 0 along a cosine, and what is measured is a running mean of the weights that reaches back over
about the last tenth of the steps. All of it in float32. Each row is run with half of the steps and with all of them: a
column of a row "moves" if this changed the mean over the seeds by more than the standard deviation of the runs with all
steps, and is then no last word.

Search. A row has four settings: two rates, the same for all rows, by two values of one knob of its own. Each setting is
run once with half of the steps and a seed that is not used again, and the best one by *validation* pictures is taken:
by nats where there is a likelihood or a bound, else by the Fréchet distance. All four results are stored.

Measures. 450 samples of each run are compared with the 450 test pictures, by the same hands as the training pictures
and used for nothing else: Fréchet and kernel distance, precision, recall and coverage in features of the course's
classifier, told apart and sharpness in pixels. That classifier was trained on the *old* training split: it has seen
some of these pictures with their labels, the same for all rows. "lean" is the share of the samples whose nearest
picture is a training picture and not one of validation or test, beside the share by chance, and z. "nearest" is how far
all 1,000 samples of a run are from their nearest training picture.

Nats. Minus log p of validation and test pictures: exact for the next-pixel models; a bound for the VAE (500 importance
weights), RealNVP and flow matching (one draw of the noise that dequantises; the latter's trace is estimated by one
probe a picture, which leaves the mean without a bias) and diffusion (all terms). "test_error" is the standard error
over the test pictures, to be read beside the spread over the seeds.

Controls. "null" draws every pixel by itself from its histogram over the training pictures; "real, unseen" are the
validation pictures, as good as a sample can be: nobody knows their nats, and whether they lean is asked of training and
test pictures only. "copies" are training pictures drawn at random.

Seconds are the processor's. "calls" is how often a network, or the whole stack of RealNVP's, must be called to draw one
picture, one call after the other.

Results: results/face_to_face_cpu.json, written after every run, so that what is interrupted goes on where it was; in
results/face_to_face_cpu.safetensors twenty samples of each row of seed 0, test pictures, the nearest distances and the
nats of each test picture; all samples in build/face_to_face/. A run that fails is stored as failed.
Another budget is another file: with ``--only GAN --steps 16384 --name face_to_face_long_gan_cpu`` the GAN trains
nearly as long as the slower rows.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from _common import RESULTS, keep, machine, read_options, store
from _compare import still_moves
from _families import BATCH, LEVELS, RATES, ROWS, SHAPE, Density, settings, to_levels, to_pictures
from safetensors.torch import load_file
from torch import Tensor, nn

from course_utils import data, metrics, models, runtime

NAME = "face_to_face_cpu"
SAMPLES = Path(__file__).parent.parent / "build" / "face_to_face"
SIZES = (897, 450, 450)  # train, valid, test
STEPS, SEEDS, TUNING_SEED = 4_096, 3, 100
SHORT = {"nearest": "nearest", "test_nats": "nats"}  # what is kept of all 1,000 samples, of all test pictures
BUDGETS = {"half": 2, "full": 1}  # the steps are divided by this
DRAWN, MEASURED, SHOWN = 1_000, 450, 20  # samples of a run: drawn, measured, shown
COLUMNS = (
    *("valid_nats", "test_nats", "test_error", "frechet", "kernel", "precision", "recall", "coverage", "told_apart"),
    *("sharpness", "nearest", "lean", "lean_expected", "lean_z", "seconds", "sampling_seconds"),
)


# --- one run ---------------------------------------------------------------------------------------------------------


def digits() -> data.Images:
    """All digits, shuffled over their writers and split anew."""
    stored = data.digits()
    x = torch.cat([stored.train, stored.valid, stored.test])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return data.Images("digits", *x[order].split(SIZES), levels=LEVELS)


def trained(title: str, setting: dict, train: Tensor, steps: int, seed: int) -> tuple[nn.Module, dict]:
    """Train once: the model, and what it took."""
    runtime.seed_everything(seed)
    start = time.process_time()
    model, everything = ROWS[title].train(setting, train, steps)
    seconds, parameters = time.process_time() - start, sum(p.numel() for p in everything.parameters())
    return model, {"steps": steps, "parameters": parameters, "seconds": seconds}


@torch.no_grad()
def drawn(model: nn.Module, n: int) -> Tensor:
    """Samples as levels."""
    return to_levels(model.sample(n))


def trial(title: str, setting: dict, images: data.Images, steps: int) -> dict[str, float]:
    """Try one setting: the score is the less the better, and only of validation pictures."""
    model, found = trained(title, setting, images.train, steps, TUNING_SEED)
    if isinstance(ROWS[title], Density):
        return found | {"score": ROWS[title].nats(model, images.valid).mean().item()}
    fake = features(to_pictures(drawn(model, MEASURED)))
    return found | {"score": metrics.frechet_distance(features(images.valid), fake)}


def run(title: str, setting: dict, images: data.Images, steps: int, seed: int) -> tuple[dict, dict[str, Tensor]]:
    """Train, draw and ask for nats: what it took and what came out, and samples "x" and "test_nats", one by one."""
    model, found = trained(title, setting, images.train, steps, seed)
    start = time.process_time()
    kept = {"x": drawn(model, DRAWN)}
    found["sampling_seconds"] = (time.process_time() - start) * 1_000 / DRAWN
    if isinstance(ROWS[title], Density):
        found["valid_nats"] = ROWS[title].nats(model, images.valid).mean().item()
        kept["test_nats"] = ROWS[title].nats(model, images.test)
        found |= nats_of(kept["test_nats"])
    return found, kept


def nats_of(each: Tensor) -> dict[str, float]:
    """Mean over the test pictures, and its standard error."""
    each = each.double()
    return {"test_nats": each.mean().item(), "test_error": (each.std() / len(each) ** 0.5).item()}


def attempt(work: Callable[[], dict]) -> dict:
    """What the work returns; where it fails, why: other rows go on."""
    try:
        return work()
    except (ArithmeticError, RuntimeError, ValueError) as error:
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}


# --- measures --------------------------------------------------------------------------------------------------------


@cache
def judge() -> models.DigitClassifier:
    return models.DigitClassifier.trained()


def features(x: Tensor) -> Tensor:
    """What distances, precision, recall and coverage are measured on, (N, D)."""
    return judge().features(x)


def measure(x: Tensor, images: data.Images, held_out: Tensor | None = None) -> tuple[dict[str, float], Tensor]:
    """All that is said of samples in [0, 1]; and the distance of each to its nearest training picture.

    Args:
        held_out: pictures that the samples should be as near to as to those of training; of validation and test.
    """
    distance = metrics.nearest(x, images.train).distance
    x, test = x[:MEASURED], images.test
    real, fake = features(test), features(x)
    precision, recall = metrics.precision_recall(real, fake)
    held_out = torch.cat([images.valid, test]) if held_out is None else held_out
    copying = metrics.memorisation(x, images.train, held_out)
    found = {
        "frechet": metrics.frechet_distance(real, fake),
        # of all of them: unbiased, whatever their number
        "kernel": metrics.kernel_distance(real, fake, subsets=1, subset_size=min(len(real), len(fake))).mean,
        "precision": precision,
        "recall": recall,
        "coverage": metrics.coverage(real, fake),
        "told_apart": metrics.told_apart(x, test),
        "sharpness": metrics.sharpness(x, test),
        "nearest": distance.mean().item(),
        "nearest_least": distance.min().item(),
        "lean": copying.share,
        "lean_expected": copying.expected,
        "lean_z": copying.z,
    }
    return found, distance


# --- controls --------------------------------------------------------------------------------------------------------


class Null:
    """Every pixel by itself: p(x) = prod_i p_i(x_i), p_i the histogram over the training pictures with 1 added."""

    def __init__(self, train: Tensor):
        counts = F.one_hot(to_levels(train).long().flatten(1), LEVELS).sum(0)  # (D, L)
        self.p = (counts + 1).double() / (len(train) + LEVELS)

    def log_prob(self, x: Tensor) -> Tensor:
        k = to_levels(x).long().flatten(1)  # (B, D)
        return self.p.log().gather(1, k.T).sum(0)

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        k = torch.multinomial(self.p, n, replacement=True, generator=generator)  # (D, n)
        return to_pictures(k.T.reshape(n, *SHAPE))


def controls(images: data.Images, seeds: int) -> tuple[dict[str, dict[str, dict]], dict[str, Tensor]]:
    """What the measures say of a sampler that knows nothing, of real pictures, and of copies; and tensors to keep."""
    null, valid = Null(images.train), images.valid
    each = -null.log_prob(images.test)
    nats = {"valid_nats": -null.log_prob(valid).mean().item()} | nats_of(each)
    found, kept = {"null": {}, "real, unseen": {}, "copies": {}}, {"test": to_levels(images.test[:SHOWN])}
    for seed in range(seeds):
        source = torch.Generator().manual_seed(seed)
        x = null.sample(DRAWN, generator=source)
        found["null"][str(seed)], kept[f"null, nearest, {seed}"] = measure(x, images)
        found["null"][str(seed)] |= nats
        if seed == 0:
            kept["null"] = to_levels(x[:SHOWN])
        copies = images.train[torch.randint(len(images.train), (MEASURED,), generator=source)]
        found["copies"][str(seed)], _ = measure(copies, images)
    # they are validation pictures themselves: whether they lean can only be said of the others
    found["real, unseen"]["0"], kept["valid, nearest"] = measure(valid, images, held_out=images.test)
    kept["test, nearest"] = metrics.nearest(images.test, images.train).distance
    return found, kept


# --- results ---------------------------------------------------------------------------------------------------------


def read() -> dict:
    """What is stored already."""
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text()) if path.exists() else {"controls": {}, "rows": {}}


def update(change: Callable[[dict], None]) -> None:
    """Change what is stored; read again before, since another process may have added to it."""
    head = {"machine": machine()}
    result = read()
    change(result)
    result["rows"] = {title: result["rows"][title] for title in ROWS if title in result["rows"]}
    store(NAME, result | head | {"table": table(result)})


def cell(key: str, half: dict[str, dict], full: dict[str, dict]) -> dict | None:
    """Mean and spread of one column over the seeds that did not fail, and whether the last doubling moved the mean."""
    seeds = [seed for seed, found in full.items() if key in found]
    if not seeds:
        return None
    values = [full[seed][key] for seed in seeds]
    found = {"mean": statistics.mean(values), "std": statistics.stdev(values) if len(values) > 1 else None}
    both = [seed for seed in seeds if key in half.get(seed, {})]
    if not both:
        return found
    before = [half[seed][key] for seed in both]
    return found | {"half": statistics.mean(before), "moves": still_moves(before, [full[seed][key] for seed in both])}


def table(result: dict) -> dict[str, dict[str, dict]]:
    """One row each for the controls and the models: for every column what ``cell`` says, or None."""
    runs = {title: ({}, control) for title, control in result["controls"].items()}
    for title, row in result["rows"].items():
        runs[title] = tuple(row.get("runs", {}).get(budget, {}) for budget in BUDGETS)
    found = {title: {key: cell(key, *both) for key in COLUMNS} for title, both in runs.items()}
    for row in found.values():
        for key in ("seconds", "sampling_seconds", "test_error", "lean_expected"):  # no results of training
            (row[key] or {}).pop("moves", None)
    return found


def tell() -> None:
    """Print the table: mean ± standard deviation over the seeds, * where the last doubling of the steps moved it."""

    def written(found: dict | None) -> str:
        if found is None:
            return "–"
        spread = "" if found["std"] is None else f"±{found['std']:.1g}"
        return f"{found['mean']:.3g}{spread}{'*' if found.get('moves') else ''}"

    print(f"{'':16}" + "".join(f"{key:>17}" for key in COLUMNS))
    for title, row in read()["table"].items():
        print(f"{title:16}" + "".join(f"{written(row[key]):>17}" for key in COLUMNS))


# --- search and match ------------------------------------------------------------------------------------------------


def best(trials: list[dict]) -> int | None:
    """Which trial has the least score that is a number, if any."""
    scores = [trial.get("score", math.inf) for trial in trials]
    right = [i for i, score in enumerate(scores) if math.isfinite(score)]
    return min(right, key=scores.__getitem__) if right else None


def search(title: str, images: data.Images, options: argparse.Namespace) -> None:
    """Try the settings that are not stored yet."""
    trials = [] if options.again else read()["rows"].get(title, {}).get("search", [])
    for setting in settings(title)[len(trials) :]:
        found = attempt(lambda setting=setting: trial(title, setting, images, options.steps // 2))
        trials = [*trials, {"setting": setting, **found}]
        facts = {"kind": ROWS[title].kind, "calls": ROWS[title].calls, "search": trials, "best": best(trials)}
        update(lambda result, facts=facts: result["rows"].setdefault(title, {}).update(facts))
        print(f"{title} · search · {setting} · {found.get('score', found.get('failed'))}", flush=True)


def fill(title: str, budget: str, seed: int, images: data.Images, options: argparse.Namespace) -> None:
    """Run the best setting of one row with one seed, unless it is stored; measure its samples; store both."""
    row, place = read()["rows"].get(title, {}), SAMPLES / f"{title}, {budget}, {seed}.safetensors".replace(" ", "_")
    old = row.get("runs", {}).get(budget, {}).get(str(seed))
    kept = {}

    def made() -> dict:
        if options.measure:
            found = dict(old)
            kept.update(load_file(place))
        else:
            setting = row["search"][row["best"]]["setting"]
            found, tensors = run(title, setting, images, options.steps // BUDGETS[budget], seed)
            kept.update(tensors)
        measured, kept["nearest"] = measure(to_pictures(kept["x"]), images)
        return found | measured

    if options.measure and ("failed" in (old or {"failed": ""}) or not place.exists()):
        print(f"{title}, {budget}, seed {seed}: its samples are not in {SAMPLES}; --again makes them")
        return
    if row.get("best") is None or (old and not (options.again or options.measure)):
        return
    found = attempt(made)
    if "failed" not in found:
        keep(place, kept)
    if "failed" not in found and budget == "full":
        shown = {title: kept["x"][:SHOWN]} if seed == 0 else {}
        shown |= {f"{title}, {short}, {seed}": kept[key] for key, short in SHORT.items() if key in kept}
        keep(RESULTS / f"{NAME}.safetensors", shown, beside=True)

    def write(result: dict) -> None:
        runs = result["rows"].setdefault(title, {}).setdefault("runs", {})
        runs.setdefault(budget, {})[str(seed)] = found

    update(write)
    facts = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in found.items()]
    print(f"{title}, {budget}, seed {seed}: {' · '.join(facts)}", flush=True)


def main() -> None:
    global NAME, SAMPLES  # noqa: PLW0603  another budget is another file
    own = {
        "name": {"default": NAME, "help": "of the file of results; another budget needs another one"},
        "seeds": {"type": int, "default": SEEDS},
        "steps": {"type": int, "default": STEPS},
        "measure": {"action": "store_true", "help": "measure the samples in build/ again, train nothing"},
    }
    options = read_options(__doc__, "only", "again", own=own)
    if options.name != NAME:
        NAME, SAMPLES = options.name, SAMPLES.with_name(options.name)
    stored = read()
    if stored.get("steps", options.steps) != options.steps:
        raise SystemExit(f"{NAME}.json was made with --steps {stored['steps']}: give another --name to use others")
    images = digits()
    head = {"steps": options.steps, "batch": BATCH, "sizes": SIZES, "rates": RATES, "tuning_seed": TUNING_SEED}
    if len(stored["controls"].get("null", {})) < options.seeds or options.again or options.measure:
        head["controls"], kept = controls(images, options.seeds)
        keep(RESULTS / f"{NAME}.safetensors", kept, beside=True)
        head["nearest"] = {split: kept[f"{split}, nearest"].mean().item() for split in ("valid", "test")}
    update(lambda result: result.update(head))
    titles = [title for title in ROWS if options.only in ("", title)]
    for title in () if options.measure else titles:
        search(title, images, options)
    for seed in range(options.seeds):  # outermost: what is interrupted has a seed of every row
        for budget in BUDGETS:
            for title in titles:
                fill(title, budget, seed, images, options)
    tell()


if __name__ == "__main__":
    main()
