"""Which loss? Fifteen games on three data sets, each searched as hard as the next, played until nothing moves.

    python benchmarks/losses.py [--data grid] [--only "hinge"] [--seeds 5] [--longer 4] [--eager] [--device cpu]

Arms: seven objectives, each without a penalty and with R1 (Mescheder et al., arXiv 1801.04406), and WGAN-GP with five
critic steps for each of the generator's, as its authors train it (Gulrajani et al., arXiv 1704.00028). All arms of a
data set have the same generator, discriminator, batch and averaged weights (``_games``). An arm has a number of steps;
WGAN-GP, whose steps cost more, has fewer, so that processor time is about equal.

1. Search. TRIALS settings, the same for every arm, are drawn from SPACE: both rates, Adam's beta1, the weight of the
   penalty (a Latin hypercube: random, but no corner is left out). Each is played once for half of the steps with
   TUNING_SEED, and the best by the primary metric is taken.
2. Match. The best setting is played with seeds 0, 1, ... that the search has not seen; seed s has the same networks,
   pictures and noise in all arms, so that arms can be compared in pairs (of WGAN-GP, which draws more batches a step,
   only the networks are the same).
3. Convergence. The rates fall to 0 within a run, so that a run that is cut off says little: each match is played anew
   with 1/16, 1/8, ... 1 of the steps. A row that the last doubling moved by more than its runs lie apart has not
   converged; ``--longer 2``, then ``--longer 4`` play it with more. A row that has converged, or whose shorter match is
   not there, is left out.

Primary metric, named before the first run, scaled so that 0 is the null and 1 the ceiling:

    grid    share of samples within 3 std of a mode, each of the 25 modes counting for at most 1/25
    moons   share of samples that are a moon, each of the 8 phases counting for at most 1/8
    digits  kernel distance to unseen digits, in features of the course's classifier

The first two are 1 minus the total variation between where samples lie and where they belong (everything that is no
mode or no moon lies nowhere): dropping modes costs as much as missing them. The null knows nothing: points all over the
square, or the mean picture with each pixel's own noise. The ceiling is real data that nobody was trained on. Energy
distance was meant to be the grid's, and is stored beside: the empty square has 0.020, two sets of 2,500 real points
have 0.004 with a spread as large, which leaves little between. The split of the digits is shuffled over their writers.

Results: results/losses_<data>_cpu.json, written after every batch of runs, so that what is interrupted goes on where it
was; samples of the median seed in a .safetensors file beside it, at 1/16, 1/8, ... 1 of the run, under the arm's name,
those of a longer match under its name and steps.
"""

import argparse
import functools
import json
import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

import _common
import torch
from _common import RESULTS, machine, read_options, store
from _compare import paired, still_moves
from _games import Setting, picture_players, play
from scipy.stats.qmc import LatinHypercube
from torch import Tensor

from course_utils import data, metrics
from course_utils.models import DigitClassifier, planar_players
from course_utils.objectives import OBJECTIVES

TRIALS, TUNING_SEED, SEEDS = 10, 100, 5
SPACE = {"rates": (5e-4, 2e-2), "beta1": (0.0, 0.5), "gamma": (0.03, 30.0)}  # rates and gamma even in their logarithm
PARTS = (16, 8, 4, 2, 1)
KEPT = 400  # points of a sample that is stored
WGAN_GP = "wasserstein, gradient penalty"
ARMS = {f"{name}, R1" if penalty else name: (name, penalty) for name in OBJECTIVES for penalty in ("", "R1")}
ARMS[WGAN_GP] = ("wasserstein", "gradient penalty")


class World(NamedTuple):
    """A data set, its players, and how samples are judged."""

    real: Tensor
    make: Callable
    latent: int
    batch: int
    steps: int
    critic_steps_cost: float  # processor time of a step of WGAN-GP, in steps with R1
    samples: int
    primary: str
    measure: Callable[[Tensor], dict[str, float]]
    null: Callable[[torch.Generator], Tensor]
    ceiling: Callable[[torch.Generator], Tensor]
    shown: int  # samples that are stored


# --- worlds ----------------------------------------------------------------------------------------------------------


def capped_share(kinds: Tensor, right: Tensor, among: int) -> float:
    """sum_k min(share of samples that are right and of kind k, 1 / K): 1 minus the total variation to even kinds."""
    shares = torch.bincount(kinds[right], minlength=among).double() / len(kinds)
    return shares.clamp(max=1 / among).sum().item()


def grid() -> World:
    world = data.grid()
    source = torch.Generator().manual_seed(0)
    points, unseen = world.sample(100_000, source), world.sample(2_500, source)
    scale = points.std(0).mean()

    def measure(x: Tensor) -> dict[str, float]:
        x = x * scale
        distance, kind = torch.cdist(x.double(), world.centres.double()).min(1)
        found = metrics.mode_coverage(x, world.centres, world.std)._asdict()
        share = capped_share(kind, distance <= 3 * world.std, len(world.centres))
        return {"share": share, "energy": metrics.energy_distance(x, unseen)} | found

    return World(
        points / scale,
        planar_players,
        2,
        128,
        6_144,
        3.75,
        2_500,
        "share",
        measure,
        lambda g: (10 * torch.rand(2_500, 2, generator=g) - 5) / scale,
        lambda g: world.sample(2_500, g) / scale,
        KEPT,
    )


def moons() -> World:
    images = data.moon_phases()
    mean, std = images.train.mean(0), images.train.std(0)

    def measure(x: Tensor) -> dict[str, float]:
        distance, phase = data.nearest_moon(x)
        kind = (8 * phase + 0.5).floor().long() % 8
        near = distance < metrics.MOON_LIMIT
        share, phases = metrics.moon_scores(x)
        return {"share": capped_share(kind, near, 8), "moons": share, "phases": phases}

    return World(
        images.train,
        functools.partial(picture_players, (1, 16, 16), 16, (128, 128)),
        16,
        64,
        4_096,
        3.75,
        1_000,
        "share",
        measure,
        lambda g: (mean + std * torch.randn(1_000, 1, 16, 16, generator=g)).clamp(0, 1),
        lambda g: data.moon_phases(1_250, seed=int(torch.randint(1_000, 10**6, (), generator=g))).train,
        24,
    )


def digits() -> World:
    images = data.digits()
    everything = torch.cat([images.train, images.valid, images.test])
    labels = torch.cat([images.train_labels, images.valid_labels, images.test_labels])
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))  # over the writers
    train, unseen, ceiling = everything[order].split([1_000, 400, 397])
    judge = DigitClassifier.trained().eval()
    mean, std = train.mean(0), train.std(0)

    @torch.no_grad()
    def measure(x: Tensor) -> dict[str, float]:
        x = x.clamp(0, 1)
        distance = metrics.kernel_distance(judge.features(unseen), judge.features(x)).mean
        classes = judge(x).argmax(1).bincount(minlength=10) / len(x)
        truth = labels.bincount(minlength=10) / len(labels)
        precision, recall = metrics.precision_recall(judge.features(train), judge.features(x))
        return {
            "kernel": distance,
            "classes": int((classes >= 0.01).sum()),
            "reverse_kl": torch.xlogy(classes, classes / truth).sum().item(),
            "precision": precision,
            "recall": recall,
        }

    return World(
        train,
        functools.partial(picture_players, (1, 8, 8), 16, (128, 128)),
        16,
        64,
        2_048,
        3.75,
        1_000,
        "kernel",
        measure,
        lambda g: (mean + std * torch.randn(1_000, 1, 8, 8, generator=g)).clamp(0, 1),
        lambda g: ceiling,
        24,
    )


WORLDS = {world.__name__: world for world in (grid, moons, digits)}


# --- search and match ------------------------------------------------------------------------------------------------


def trials() -> list[Setting]:
    """The settings that every arm tries: random, and spread evenly over each side of SPACE (a Latin hypercube)."""
    rate, weight = ([math.log(end) for end in SPACE[key]] for key in ("rates", "gamma"))
    found = []
    for u in LatinHypercube(4, rng=0).random(TRIALS):
        *rates, gamma = (
            float(f"{math.exp(a + v * (b - a)):.3g}") for v, (a, b) in zip(u[:3], (rate, rate, weight), strict=True)
        )
        found.append(Setting(*rates, SPACE["beta1"][int(u[3] >= 0.5)], gamma))
    return found


def budget(world: World, arm: str) -> int:
    """Steps of the generator, a multiple of 32."""
    steps = world.steps / world.critic_steps_cost if arm == WGAN_GP else world.steps
    return round(steps / 32) * 32


def run(
    world: World, arm: str, settings: list[Setting], seeds: list[int], steps: int, compiled: bool
) -> tuple[list[dict], Tensor]:
    """Play, and measure at 1/16 ... 1: a dictionary for each run, and samples (marks, runs, n, ...) to look at."""
    name, penalty = ARMS[arm]
    game = play(
        world.make,
        world.latent,
        world.real,
        [name] * len(seeds),
        settings,
        seeds,
        penalty=penalty,
        batch=world.batch,
        marks=[steps // part for part in PARTS],
        critic_steps=5 if arm == WGAN_GP else 1,
        samples=world.samples,
        compiled=compiled,
    )
    results, shown = [{"marks": {}} for _ in seeds], []
    for snapshot in game:
        shown.append(snapshot.samples[:, : world.shown].cpu())
        for result, x in zip(results, snapshot.samples.cpu(), strict=True):
            finite = bool(x.isfinite().all())
            result["marks"][str(snapshot.step)] = world.measure(x) if finite else {"nan": 1}
            result["seconds"] = snapshot.seconds
    for result in results:
        result["end"] = result["marks"][str(steps)]
    return results, torch.stack(shown)


def bounds(world: World) -> dict[str, dict[str, float]]:
    """What the measures say of a sampler that knows nothing, and of real data: means of five draws."""
    found = {}
    for name in ("null", "ceiling"):
        rows = [world.measure(getattr(world, name)(torch.Generator().manual_seed(seed))) for seed in range(5)]
        values = {key: [row[key] for row in rows] for key in rows[0]}
        found[name] = {key: sum(v) / len(v) for key, v in values.items()}
        found[name]["range"] = [min(values[world.primary]), max(values[world.primary])]
    return found


def score(measured: dict[str, float], primary: str, ends: dict[str, dict]) -> float:
    """The primary metric, 0 for the null and 1 for the ceiling.

    Samples that are not finite are nowhere: they have the share 0, and, where there are no shares, the score -1.
    """
    null, ceiling = (ends[end][primary] for end in ("null", "ceiling"))
    lost = 0.0 if primary == "share" else 2 * null - ceiling
    return (measured.get(primary, lost) - null) / (ceiling - null)


# --- results ---------------------------------------------------------------------------------------------------------


def read(which: str) -> dict:
    """What is stored already."""
    path = RESULTS / f"losses_{which}_cpu.json"
    return json.loads(path.read_text()) if path.exists() else {"arms": {}}


def keep(which: str, arm: str, samples: Tensor) -> None:
    """Store samples of one run at all marks, in little room: half precision for points, 256 greys for pictures."""
    small = samples.half() if samples.ndim == 3 else (samples.clamp(0, 1) * 255).round().to(torch.uint8)
    _common.keep(RESULTS / f"losses_{which}_cpu.safetensors", {arm: small}, beside=True)


def update(which: str, head: dict, arm: str, row: dict) -> None:
    """Write one arm; read again before, since another process may have written another arm."""
    stored = read(which)
    arms = stored["arms"] | {arm: stored["arms"].get(arm, {}) | row}
    result = head | {"arms": {name: arms[name] for name in ARMS if name in arms}}
    store(f"losses_{which}_cpu", result | {"table": table(result)})


def ends(played: dict, stored: dict, *budgets: int) -> list[list[float]]:
    """Scores at the end of the runs, a list for each number of steps, of the seeds that have been played for all."""
    runs = [played["runs"][str(steps)] for steps in budgets]
    seeds = sorted(set.intersection(*(set(each) for each in runs)), key=int)
    return [[score(each[seed]["end"], stored["primary"], stored) for seed in seeds] for each in runs]


def table(stored: dict) -> dict[str, dict]:
    """One row an arm, of those whose match was played: all that notebook 11 says of it.

    An arm is compared with the non-saturating game of its kind, and one with R1 with itself without. "range" is from
    the least to the greatest run: of five, that holds the median of all runs with probability 1 - 2 / 2^5 = 94 %.
    """
    rows, scores = {}, {}
    for arm, played in stored["arms"].items():
        steps = played["steps"]
        if str(steps) not in played.get("runs", {}):
            continue
        budgets = sorted(map(int, played["runs"]))
        doubled = {n: still_moves(*ends(played, stored, n // 2, n)) for n in budgets if n // 2 in budgets}
        (last,), (longest,) = ends(played, stored, steps), ends(played, stored, budgets[-1])
        scores[arm] = last
        search = [trial["score"] for trial in played["search"]]
        objective, penalty = ARMS[arm]
        rows[arm] = {
            "loss": objective.replace("non_s", "non-s").replace("_", " ").replace("wasserstein", "Wasserstein"),
            "penalty": penalty,
            "scores": last,
            "median": statistics.median(last),
            "range": [min(last), max(last)],
            "failed": sum(end <= 0 for end in last) / len(last),
            "converged": not doubled.get(steps, True),
            "medians": {n: statistics.median(*ends(played, stored, n)) for n in budgets},
            "converged_at": {n: not moves for n, moves in doubled.items()},
            "longest": {
                "steps": budgets[-1],
                "median": statistics.median(longest),
                "range": [min(longest), max(longest)],
                "converged": not doubled.get(budgets[-1], True),
            },
            "search_median": statistics.median(search),
            "search_failed": sum(trial <= 0 for trial in search) / len(search),
            "compared": {},
            "seconds": statistics.median(run["seconds"] for run in played["runs"][str(steps)].values()),
        }
    pairs = []
    for arm in scores:
        objective, penalty = ARMS[arm]
        rival, bare = "non_saturating" + (", R1" if penalty else ""), objective
        others = {rival, bare} if penalty == "R1" else {rival}
        pairs += [(arm, other) for other in sorted(others - {arm}) if len(scores.get(other, ())) == len(scores[arm])]
    for (arm, other), found in paired(scores, pairs).items():
        rows[arm]["compared"][other] = found
    return rows


def worth_more(stored: dict, arm: str, steps: int) -> bool:
    """Whether the arm was played for so many steps and still moved there."""
    return not table(stored).get(arm, {}).get("converged_at", {}).get(steps, True)


def main() -> None:
    options = read_options(
        __doc__,
        "only",
        "device",
        own={
            "seeds": {"type": int, "default": SEEDS},
            "data": {"choices": ("all", *WORLDS), "default": "all"},
            "longer": {"type": int, "default": 1, "choices": (1, 2, 4, 8)},
            "eager": {"action": "store_true"},
        },
    )
    for which in WORLDS if options.data == "all" else (options.data,):
        contest(which, options)


def match(which: str, world: World, head: dict, arm: str, steps: int, options: argparse.Namespace) -> None:
    """Play the best setting of the search for so many steps, with the seeds that are not stored yet."""
    stored = read(which)["arms"][arm]
    runs = stored.get("runs", {})
    seeds = [seed for seed in range(options.seeds) if str(seed) not in runs.get(str(steps), {})]
    if not seeds:
        return
    settings = [Setting(*head["settings"][stored["best"]])] * len(seeds)
    found, samples = run(world, arm, settings, seeds, steps, not options.eager)
    scores = [score(result["end"], world.primary, head) for result in found]
    together = runs.get(str(steps), {}) | {str(seed): result for seed, result in zip(seeds, found, strict=True)}
    runs = {n: (runs | {str(steps): together})[n] for n in sorted([*(runs.keys() - {str(steps)}), str(steps)], key=int)}
    update(which, head, arm, {"runs": runs})
    if steps >= stored["steps"]:
        middle = sorted(range(len(seeds)), key=lambda i: scores[i])[len(seeds) // 2]
        keep(which, arm if steps == stored["steps"] else f"{arm}, {steps}", samples[:, middle])
    print(f"{which} · {arm} · {steps} · " + " ".join(f"{s:.3f}" for s in sorted(scores)), flush=True)


def contest(which: str, options: argparse.Namespace) -> None:
    world = WORLDS[which]()
    world = world._replace(real=world.real.to(options.device))
    limits, settings = bounds(world), trials()
    head = {
        "data": which,
        "primary": world.primary,
        "batch": world.batch,
        "space": SPACE,
        "settings": settings,
        "tuning_seed": TUNING_SEED,
        **limits,
        "machine": machine(),
    }
    arms = [arm for arm in ARMS if arm == options.only or not options.only]
    for arm in arms:
        steps = budget(world, arm)
        if "search" not in read(which)["arms"].get(arm, {}):
            found, _ = run(world, arm, settings, [TUNING_SEED] * TRIALS, steps // 2, not options.eager)
            rows = [{"score": score(result["end"], world.primary, limits), **result} for result in found]
            best = max(range(TRIALS), key=lambda i: rows[i]["score"])
            update(which, head, arm, {"steps": steps, "search": rows, "best": best})
            print(f"{which} · {arm} · search · best {settings[best]} {rows[best]['score']:.3f}", flush=True)
        for part in PARTS if options.longer == 1 else ():
            match(which, world, head, arm, steps // part, options)
        if options.longer > 1 and worth_more(read(which), arm, steps * options.longer // 2):
            match(which, world, head, arm, steps * options.longer, options)
    stored = read(which)
    store(f"losses_{which}_cpu", stored | {"table": table(stored)})


if __name__ == "__main__":
    main()
