"""The recipe of 12_wasserstein that finds every mode, and what is left when one of its parts is taken away.

    python benchmarks/every_mode.py [--only "grid, recipe"] [--seeds 3] [--threads 1]

Ring (8 modes, std 0.01) and grid (25 modes, std 0.05), brought to a standard deviation of 1. The recipe: a ReLU
generator with He's initialisation; a discriminator that also sees sines and cosines of the points in 32 directions;
noise on real and generated points, whose width falls from 0.5 to 0.01; the non-saturating loss with R1 of weight 0.3;
and a running mean of the generator's weights. Each other row leaves out one part: "no waves" has the discriminator see
the two numbers alone, "torch's start" keeps the generator's default initialisation, "last weights" measures the
generator without the mean. "plain" leaves out all five. 2,500 samples, measured by the published protocol
(``metrics.mode_coverage``). Rates, batch, waves, noise and the weight of R1 were chosen in about twenty runs with seed
0 on the grid and one on the ring. Writes results/every_mode_cpu.json.
"""

import copy
import itertools
import json
import math
import time
from typing import NamedTuple

import torch
import torch.nn.functional as F
from _common import RESULTS, machine, read_options, store
from _common import step as step_of
from torch import Tensor, nn

from course_utils import data, metrics, runtime

STEPS = {"grid": 3_000, "ring": 1_500}


class Setting(NamedTuple):
    """What of the recipe is used."""

    waves: int = 32
    noise: tuple[float, float] = (0.5, 0.01)  # its width at the first and the last step
    gamma: float = 0.3  # weight of R1
    he: bool = True
    average: bool = True


RECIPE = Setting()
ROWS = {
    "recipe": RECIPE,
    "no waves": RECIPE._replace(waves=0),
    "no noise": RECIPE._replace(noise=(0.0, 0.0)),
    "no R1": RECIPE._replace(gamma=0.0),
    "torch's start": RECIPE._replace(he=False),
    "last weights": RECIPE._replace(average=False),
    "plain": Setting(0, (0.0, 0.0), 0.0, False, False),
}


class Waves(nn.Module):
    """Points (B, 2), and the sines and cosines of n random directions of them, from coarse to fine: (B, 2 + 2n)."""

    def __init__(self, n: int):
        super().__init__()
        angle, frequency = 2 * math.pi * torch.rand(n), torch.logspace(0, 1.3, n)
        self.register_buffer("w", frequency * torch.stack([angle.cos(), angle.sin()]))

    def forward(self, x: Tensor) -> Tensor:
        phase = x @ self.w
        return torch.cat([x, phase.sin(), phase.cos()], 1)


def network(*sizes: int) -> nn.Sequential:
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def players(setting: Setting) -> tuple[nn.Module, nn.Module]:
    generator = network(2, 64, 64, 64, 2)
    if setting.he:
        for layer in generator[::2]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    eyes = Waves(setting.waves) if setting.waves else nn.Identity()
    return generator, nn.Sequential(eyes, network(2 + 2 * setting.waves, 64, 64, 64, 1), nn.Flatten(0))


def play(setting: Setting, points: Tensor, steps: int) -> tuple[nn.Module, nn.Module]:
    """The last generator and the averaged one."""
    G, D = players(setting)
    average = copy.deepcopy(G)
    optimizer_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.0, 0.99), fused=True)
    optimizer_d = torch.optim.Adam(D.parameters(), lr=4e-3, betas=(0.0, 0.99), fused=True)
    first, last = setting.noise
    for step, x in enumerate(data.batches(points, 512, steps=steps)):
        noise = first * (last / first) ** (step / steps) if first else 0.0
        x = (x + noise * torch.randn_like(x)).requires_grad_()
        y = G(torch.randn_like(x)) + noise * torch.randn_like(x)
        real, fake = D(x), D(y.detach())
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        if setting.gamma:
            (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
            loss = loss + setting.gamma / 2 * slope.square().sum(1).mean()
        step_of(optimizer_d, loss)
        step_of(optimizer_g, F.softplus(-D(y)).mean())
        with torch.no_grad():
            for mean, new in zip(average.parameters(), G.parameters(), strict=True):
                mean.lerp_(new, 0.005)
    return G, average


def run(which: str, setting: Setting, seed: int) -> dict[str, float]:
    world = getattr(data, which)()
    runtime.seed_everything(seed)
    points = world.sample(100_000)
    scale = points.std()
    start = time.process_time()
    last, average = play(setting, points / scale, STEPS[which])
    seconds = time.process_time() - start
    with torch.no_grad():
        x = scale * (average if setting.average else last)(torch.randn(2_500, 2))
    return {"seconds": seconds} | metrics.mode_coverage(x, world.centres, world.std)._asdict()


def read() -> dict[str, dict]:
    """The rows that are stored already."""
    path = RESULTS / "every_mode_cpu.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def main() -> None:
    options = read_options(__doc__, "only", "seeds", "again")
    names = {f"{which}, {title}": (which, setting) for title, setting in ROWS.items() for which in STEPS}
    for seed in range(options.seeds):  # outermost: what is interrupted has one seed of every row
        for name, (which, setting) in names.items():
            stored = read().get(name, {}).get("runs", {})
            if (options.only and name != options.only) or (str(seed) in stored and not options.again):
                continue
            found = run(which, setting, seed)
            rows = read()  # read again: another process may have added to it
            runs = rows.get(name, {}).get("runs", {}) | {str(seed): found}
            rows[name] = {"steps": STEPS[which], **setting._asdict(), "runs": runs, "machine": machine()}
            store("every_mode_cpu", {"rows": {key: rows[key] for key in names if key in rows}})
            print(f"{name:<22} seed {seed} · " + " · ".join(f"{k} {v:.3g}" for k, v in found.items()), flush=True)


if __name__ == "__main__":
    main()
