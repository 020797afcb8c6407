"""The recipe of 12_wasserstein that finds every mode, and what is left of it when one part is taken away.

    python benchmarks/every_mode.py [--only "grid, no R1"] [--seeds 5] [--eager] [--threads 1]

Ring (8 modes, std 0.01) and grid (25 modes, std 0.05), brought to a standard deviation of 1. The recipe: a generator
with He's initialisation, waves before both players (``models.Waves``), the non-saturating loss with R1 of weight 3,
rates that fall to 0, and a running mean of the generator's weights. Each other row leaves out one part; "plain" leaves
out all but the mean. 2,500 samples, measured by the published protocol (``metrics.mode_coverage``). The settings were
chosen in pilots on the grid, with seeds 0 to 9 and 100, and not tuned for the other rows. Writes
results/every_mode_cpu.json after every row.
"""

import functools
import json

import torch
from _common import RESULTS, machine, read_options, store
from _games import Setting, play

from course_utils import data, metrics
from course_utils.models import planar_players

STEPS = {"ring": 2_048, "grid": 4_096}
SETTING = Setting(5e-3, 5e-3, 0.5, 3.0)
NO_WAVES = (0, 1.0)
ROWS = {  # players, penalty, whether the rates fall
    "recipe": (planar_players, "R1", True),
    "no waves": (functools.partial(planar_players, NO_WAVES, NO_WAVES), "R1", True),
    "waves for D only": (functools.partial(planar_players, NO_WAVES), "R1", True),
    "torch's start": (functools.partial(planar_players, wide=False), "R1", True),
    "no R1": (planar_players, "", True),
    "constant rates": (planar_players, "R1", False),
    "plain": (functools.partial(planar_players, NO_WAVES, NO_WAVES, False), "", False),
}


def run(which: str, title: str, seeds: list[int], steps: int, compiled: bool) -> dict[str, dict[str, float]]:
    """Modes, share of good samples and reverse KL of each seed."""
    world = getattr(data, which)()
    points = world.sample(100_000, torch.Generator().manual_seed(0))
    scale = points.std(0).mean()
    make, penalty, falling = ROWS[title]
    (last,) = play(
        make,
        2,
        points / scale,
        ["non_saturating"] * len(seeds),
        [SETTING] * len(seeds),
        seeds,
        penalty=penalty,
        batch=128,
        marks=[steps],
        falling=falling,
        compiled=compiled,
    )
    found = {}
    for seed, x in zip(seeds, last.samples, strict=True):
        worst = {"modes": 0, "good": 0.0, "reverse_kl": float("inf")}
        finite = bool(x.isfinite().all())
        measured = metrics.mode_coverage(x * scale, world.centres, world.std)._asdict() if finite else worst
        found[str(seed)] = {"seconds": last.seconds} | measured
    return found


def read() -> dict[str, dict]:
    """The rows that are stored already."""
    path = RESULTS / "every_mode_cpu.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def main() -> None:
    options = read_options(
        __doc__, "only", own={"seeds": {"type": int, "default": 5}, "eager": {"action": "store_true"}}
    )
    names = [f"{which}, {title}" for which in STEPS for title in ROWS]
    for name in names:
        stored = read().get(name, {}).get("runs", {})
        seeds = [seed for seed in range(options.seeds) if str(seed) not in stored]
        if not seeds or options.only not in ("", name):
            continue
        which, title = name.split(", ", 1)
        found = run(which, title, seeds, STEPS[which], not options.eager)
        rows = read() | {name: {"steps": STEPS[which], "runs": stored | found}}
        result = {"setting": SETTING._asdict(), "rows": {n: rows[n] for n in names if n in rows}, "machine": machine()}
        store("every_mode_cpu", result)
        good = " ".join(f"{row['modes']}: {row['good']:.2f}" for row in found.values())
        print(f"{name:<24}{good}", flush=True)


if __name__ == "__main__":
    main()
