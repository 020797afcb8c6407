"""How near a trained discriminator comes to p / (p + q), and which slope it gives the generator while it learns.

    python benchmarks/gan_theory.py [--seeds 3] [--threads 1]

"plane": two mixtures of Gaussians in the plane, whose ratio is known. A small network is trained on 256 new points of
each kind at every step, or on the same 100 of each kind. Measured after 0 to 1,000 steps over m = (p + q) / 2: the root
mean square error of D and of its logit, V(D*) - V(D) on the whole plane, and V on the batch minus V(D*).

"slopes": data and generator are thin: two parallel segments half a unit apart, or two equal circles, one moved by 0.1
or by 0.02. Measured after 3 to 3,000 steps of D on 20,000 new points of each kind: the share of points that it judges
right, and the slope of the minimax generator's cost E log(1 - D) by its own shift.

Writes results/gan_theory_cpu.json after every run, so that what is interrupted goes on where it was.
"""

import json
import math
import time

import torch
import torch.nn.functional as F
from _common import RESULTS, machine, read_options, step, store
from torch import Tensor

from course_utils import data, models, runtime

NAME = "gan_theory_cpu"
PLANE_STEPS = [0, 10, 30, 100, 300, 1_000]
SLOPE_STEPS = [3, 10, 30, 100, 300, 500, 1_000, 3_000]


def real() -> data.GaussianMixture2D:
    return data.GaussianMixture2D(torch.tensor([[-1.2, 0.6], [1.2, 0.6], [0.0, -1.2]]), 0.45)


def generated() -> data.GaussianMixture2D:
    return data.GaussianMixture2D(torch.tensor([[-0.8, -0.6], [0.9, 1.0]]), 0.7)


class Plane:
    """14,400 cells of the square [-4, 4]^2, with the probabilities of both kinds and the optimal logit."""

    def __init__(self):
        side = (torch.arange(120) + 0.5) / 15 - 4
        self.cells = torch.cartesian_prod(side, side)  # (14400, 2)
        log_p, log_q = real().log_prob(self.cells), generated().log_prob(self.cells)
        self.logit = log_p - log_q
        self.p, self.q = log_p.exp() / 15**2, log_q.exp() / 15**2
        self.m = (self.p + self.q) / 2
        self.best = self.value(self.logit)

    def value(self, logit: Tensor) -> Tensor:
        return (self.p * F.logsigmoid(logit) + self.q * F.logsigmoid(-logit)).sum()

    def errors(self, logit: Tensor) -> list[float]:
        """Root mean square errors of D and of the logit, and V(D*) - V(D)."""
        of_D = (self.m * (logit.sigmoid() - self.logit.sigmoid()) ** 2).sum().sqrt()
        of_logit = (self.m * (logit - self.logit) ** 2).sum().sqrt()
        return [of_D.item(), of_logit.item(), (self.best - self.value(logit)).item()]


def train_on_plane(plane: Plane, seed: int, n: int | None, steps: int = PLANE_STEPS[-1]):
    """A discriminator trained on new points, or on n fixed ones of each kind: it, its points, and rows of errors."""
    runtime.seed_everything(seed)
    D, rows = models.Discriminator((2,), (64, 64)), []
    optimizer = torch.optim.Adam(D.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    kinds = real(), generated()
    points = [kind.sample(n) for kind in kinds] if n else None
    for i in range(steps + 1):
        a, b = points or [kind.sample(256) for kind in kinds]
        V = F.logsigmoid(D(a)).mean() + F.logsigmoid(-D(b)).mean()
        if i in PLANE_STEPS:
            with torch.no_grad():
                rows.append([*plane.errors(D(plane.cells)), (V - plane.best).item()])
        step(optimizer, -V)
        schedule.step()
    return D.requires_grad_(False), points, rows


def overfitted(plane: Plane, D: models.Discriminator, points) -> dict[str, float]:
    """What a discriminator thinks of its own points, and of all others."""
    with torch.no_grad():
        own = [D(part) for part in points]
        logit = D(plane.cells)
    right = (plane.p[logit > 0].sum() + plane.q[logit < 0].sum()) / 2
    return {
        "V_own": (F.logsigmoid(own[0]).mean() + F.logsigmoid(-own[1]).mean()).item(),
        "V_all": plane.value(logit).item(),
        "right_own": ((own[0] > 0).double().mean() + (own[1] < 0).double().mean()).item() / 2,
        "right_all": right.item(),
        "mean_logit": (plane.m * logit.abs()).sum().item(),
    }


def circle(n: int, shift: float, source: torch.Generator) -> Tensor:
    angle = 2 * math.pi * torch.rand(n, generator=source)
    return torch.stack([angle.cos() + shift, angle.sin()], 1)


def segment(n: int, shift: float, source: torch.Generator) -> Tensor:
    height = torch.rand(n, generator=source)
    return torch.stack([torch.full_like(height, shift), height], 1)


CASES = {
    "segments, 0.5 apart": (segment, 0.5),
    "circles, 0.1 apart": (circle, 0.1),
    "circles, 0.02 apart": (circle, 0.02),
}


def slopes(make, shift: float, seed: int, steps: int = SLOPE_STEPS[-1]) -> list[list[float]]:
    """Rows (step, share of points judged right, slope of the minimax generator by its shift)."""
    runtime.seed_everything(seed)
    source, rows = torch.Generator().manual_seed(seed), []
    D = models.Discriminator((2,), (64, 64))
    optimizer = torch.optim.Adam(D.parameters(), lr=3e-3)
    for i in range(steps + 1):
        if i in SLOPE_STEPS:
            theta = torch.zeros(2, requires_grad=True)  # the generator's parameter: where its points are
            a, b = D(make(20_000, 0.0, source)), D(make(20_000, shift, source) + theta)
            (slope,) = torch.autograd.grad(-F.softplus(b).mean(), theta)
            right = ((a > 0).double().mean() + (b < 0).double().mean()) / 2
            rows.append([i, right.item(), slope[0].item()])
        a, b = D(make(256, 0.0, source)), D(make(256, shift, source))
        step(optimizer, F.softplus(-a).mean() + F.softplus(b).mean())
    return rows


def measure(name: str, seed: int, plane: Plane) -> dict:
    if name in CASES:
        return {"steps": slopes(*CASES[name], seed)}
    n = None if name == "fresh points" else 100
    D, points, rows = train_on_plane(plane, seed, n)
    zones = [plane.m * 15**2 > 0.02, (plane.m * 15**2 <= 0.02) & (plane.m * 15**2 > 1e-4), plane.m * 15**2 <= 1e-4]
    with torch.no_grad():
        wrong = (D(plane.cells) - plane.logit).square()
    row = {"errors": rows, "zones": [wrong[zone].mean().sqrt().item() for zone in zones]}
    return row | (overfitted(plane, D, points) if n else {})


def main():
    options = read_options(__doc__, "seeds", "again")
    torch.set_default_dtype(torch.float64)
    path, plane = RESULTS / f"{NAME}.json", Plane()
    rows = json.loads(path.read_text())["rows"] if path.exists() and not options.again else {}
    for seed in range(options.seeds):
        for name in ["fresh points", "100 + 100 points", *CASES]:
            runs = rows.setdefault(name, {"runs": []})["runs"]
            if any(run["seed"] == seed for run in runs):
                continue
            start = time.process_time()
            runs.append({"seed": seed, **measure(name, seed, plane), "seconds": time.process_time() - start})
            store(NAME, {"machine": machine(), "rows": rows})
            print(f"{name}, seed {seed}: {runs[-1]['seconds']:.0f} s")


if __name__ == "__main__":
    main()
