"""A case where losses must differ: one Gaussian as generator, two unequal bumps as data, D near its optimum.

    python benchmarks/bumps.py [--seeds 5] [--threads 1]

    p = 0.3 N(-2, 0.7^2) + 0.7 N(1, 0.7^2),   G(z) = theta + s z,   from theta = -1, s = 0.8

Theory: D* for the generator as it is, held fixed while G steps; descent from the start, with sums over a grid in place
of samples. D* is known for minimax, non-saturating, maximum likelihood (p / (p + q)), least squares ((p - q) / (p + q))
and hinge (sign(p - q)); the relativistic one is found on a grid, where its loss is convex; Wasserstein's is replaced by
the slope of the exact distance. Practice: the same start, a network for D with D_STEPS steps for each of G's, and a
gradient penalty for Wasserstein. Nothing is searched. Writes results/bumps_cpu.json.
"""

import torch
import torch.nn.functional as F
from _common import machine, read_options, store
from _games import Setting, play
from torch import Tensor, nn

from course_utils.models import Discriminator
from course_utils.objectives import OBJECTIVES

WEIGHTS, MEANS, STD = (0.3, 0.7), (-2.0, 1.0), 0.7
START = (-1.0, 0.8)
GAMES = ("minimax", "non_saturating", "maximum_likelihood", "least_squares", "hinge", "relativistic", "wasserstein")
SETTING = Setting(2e-3, 5e-3, 0.5, 1.0)
D_STEPS, BATCH, STEPS = 5, 512, 2_000


def normal(x: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    return torch.exp(-0.5 * ((x - mean) / std) ** 2) / (std * (2 * torch.pi) ** 0.5)


def density(x: Tensor) -> Tensor:
    return sum(w * normal(x, m, STD) for w, m in zip(WEIGHTS, MEANS, strict=True))


# --- theory ----------------------------------------------------------------------------------------------------------


def quantiles(n: int) -> Tensor:
    """The n middles of the standard normal distribution's equal parts."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)


def data_quantiles(n: int) -> Tensor:
    """The same of the data, by bisection."""
    levels = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    low, high = torch.full_like(levels, -12.0), torch.full_like(levels, 12.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(w * torch.special.ndtr((middle - m) / STD) for w, m in zip(WEIGHTS, MEANS, strict=True))
        low, high = torch.where(below < levels, middle, low), torch.where(below < levels, high, middle)
    return (low + high) / 2


def best_logit(game: str, x: Tensor, theta: float, s: float) -> Tensor:
    """f*(x) of the discriminator that is optimal against N(theta, s^2)."""
    p, q = density(x), normal(x, theta, s)
    if game == "least_squares":
        return (p - q) / (p + q)
    return (p - q).sign() if game == "hinge" else p.log() - q.log()


def relativistic_logit(grid: Tensor, theta: float, s: float, f: Tensor) -> Tensor:
    """The optimum on a grid, from f on: E softplus(f(y) - f(x)) over x ~ p, y ~ q is convex in the values of f."""
    p, q = (v / v.sum() for v in (density(grid), normal(grid, theta, s)))
    f = f.clone().requires_grad_(True)
    solver = torch.optim.LBFGS([f], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure() -> Tensor:
        solver.zero_grad()
        loss = (p[:, None] * q * F.softplus(f[None] - f[:, None])).sum() + 1e-9 * f.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return f.detach()


def interpolate(grid: Tensor, f: Tensor, x: Tensor) -> Tensor:
    """f between the points of an even grid, straight lines."""
    place = ((x - grid[0]) / (grid[1] - grid[0])).clamp(0, len(grid) - 1.001)
    i = place.detach().floor().long()
    return f[i] + (place - i) * (f[i + 1] - f[i])


def cost(game: str, moving: Tensor, known: dict[str, Tensor]) -> Tensor:
    """What the generator minimises at (theta, s) = ``moving``, beside the discriminator that is optimal there.

    The discriminator is a fixed function of x: it is given the values of theta and s, not their graph.
    """
    theta, s = moving.tolist()
    x = moving[0] + moving[1] * known["z"]
    if game == "wasserstein":
        return (known["data"] - x).abs().mean()
    if game == "relativistic":
        grid = known["grid"]
        known["f"] = relativistic_logit(grid, theta, s, known["f"])
        f_data, f_x = (interpolate(grid, known["f"], points) for points in (known["data"], x))
        return OBJECTIVES[game].generator(f_data, f_x)
    if game == "hinge":  # sign(p - q) has no slope to follow: the same derivative, by the generator's density
        grid = known["fine"]
        weights = normal(grid, *moving) * (grid[1] - grid[0])
        return -(weights * best_logit(game, grid, theta, s)).sum()
    return OBJECTIVES[game].generator(None, best_logit(game, x, theta, s))


def predict(game: str, rate: float = 0.05, steps: int = 1_000) -> dict[str, list]:
    """Where the descent along the game's own field ends, its path in 50 parts, and the slope that is left."""
    moving = torch.tensor(START, dtype=torch.float64)
    grid, fine = (torch.linspace(-8, 8, n, dtype=torch.float64) for n in (161, 8_001))
    known = {"z": quantiles(1_000), "data": data_quantiles(1_000), "grid": grid, "fine": fine, "f": 0 * grid}
    path = []
    for i in range(steps):
        moving = moving.detach().requires_grad_(True)
        if i % (steps // 50) == 0:
            path.append(moving.tolist())
        (slope,) = torch.autograd.grad(cost(game, moving, known), moving)
        moving = moving - rate * slope / slope.norm().clamp(min=1.0)
    return {"end": moving.tolist(), "path": path, "slope": slope.norm().item()}


# --- practice --------------------------------------------------------------------------------------------------------


class Gaussian(nn.Module):
    """theta + s z: a generator of two numbers."""

    def __init__(self):
        super().__init__()
        self.theta, self.s = (nn.Parameter(torch.tensor([value])) for value in START)

    def forward(self, z: Tensor) -> Tensor:
        return self.theta + self.s * z


def players() -> tuple[nn.Module, nn.Module]:
    return Gaussian(), Discriminator((1,), (64, 64))


def practise(game: str, seeds: list[int]) -> dict[str, dict[str, list[float]]]:
    """theta and s of each seed's averaged generator, read off its samples, at 1/16 ... 1 of the steps."""
    source = torch.Generator().manual_seed(0)
    which = torch.multinomial(torch.tensor(WEIGHTS), 50_000, True, generator=source)
    real = torch.tensor(MEANS)[which][:, None] + STD * torch.randn(50_000, 1, generator=source)
    penalty = "gradient penalty" if game == "wasserstein" else ""
    n = len(seeds)
    runs = {str(seed): {} for seed in seeds}
    for snapshot in play(
        players,
        1,
        real,
        [game] * n,
        [SETTING] * n,
        seeds,
        penalty=penalty,
        batch=BATCH,
        marks=[STEPS // part for part in (16, 8, 4, 2, 1)],
        critic_steps=D_STEPS,
        samples=10_000,
    ):
        for run, x in zip(runs.values(), snapshot.samples, strict=True):
            run[str(snapshot.step)] = [x.mean().item(), x.std().item()]
    return runs


def main() -> None:
    options = read_options(__doc__, "seeds")
    rows = {}
    for game in GAMES:
        rows[game] = {"theory": predict(game), "runs": practise(game, list(range(options.seeds)))}
        ends = [list(run.values())[-1] for run in rows[game]["runs"].values()]
        print(f"{game:<20} theory {rows[game]['theory']['end']} · practice {ends}", flush=True)
        result = {"weights": WEIGHTS, "means": MEANS, "std": STD, "start": START, "setting": SETTING._asdict()}
        result |= {"d_steps": D_STEPS, "batch": BATCH, "steps": STEPS, "rows": rows, "machine": machine()}
        store("bumps_cpu", result)


if __name__ == "__main__":
    main()
