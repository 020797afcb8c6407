"""A case where losses must differ: one Gaussian as generator, two unequal bumps as data, D near its optimum.

    python benchmarks/bumps.py [--seeds 5] [--threads 1] [--eager]

    p = 0.3 N(-2, 0.7^2) + 0.7 N(1, 0.7^2),   G(z) = theta + s z,   from theta = -1, s = 0.8

Theory: D* for the generator as it is, held fixed while G steps; descent from the start, with sums over a grid in place
of samples. D* is known for minimax, non-saturating, maximum likelihood (p / (p + q)), least squares ((p - q) / (p + q))
and hinge (sign(p - q)); the relativistic one is found on a grid, where its loss is convex; Wasserstein's is replaced by
the slope of the exact distance. Practice: the same start, a network for D with D_STEPS steps for each of G's, and a
gradient penalty for Wasserstein. Nothing is searched. Three games that theory leads past the wide place and back to one
bump were still under way after STEPS steps, and get four times as many. Writes results/bumps_cpu.json.
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
SLOW = ("non_saturating", "hinge", "relativistic")
PACE = {"relativistic": (0.2, 500)}  # rate and steps of the descent where a step is dear


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


def exact() -> dict[str, Tensor]:
    """Grids and quantiles for the sums; f is where the search for the relativistic optimum starts."""
    coarse, fine = (torch.linspace(-8, 8, n, dtype=torch.float64) for n in (161, 8_001))
    return {"z": quantiles(2_000), "data": data_quantiles(2_000), "coarse": coarse, "fine": fine, "f": 0 * coarse}


def cost(game: str, moving: Tensor, known: dict[str, Tensor]) -> Tensor:
    """What the generator minimises at (theta, s) = ``moving``, beside the discriminator that is optimal there.

    A sum over a grid, of q(x) times the cost of x: D, and so the cost, is a fixed function of x, and only q moves.
    """
    if game == "wasserstein":
        return (known["data"] - moving[0] - moving[1] * known["z"]).abs().mean()
    theta, s = moving.tolist()
    if game == "relativistic":
        grid = known["coarse"]
        f = known["f"] = relativistic_logit(grid, theta, s, known["f"])
        p = density(grid) / density(grid).sum()
        costs = (p[:, None] * F.softplus(f[:, None] - f[None])).sum(0)  # E over real x, for each y
    else:
        grid = known["fine"]
        generator, f = OBJECTIVES[game].generator, best_logit(game, grid, theta, s)
        costs = torch.func.vmap(lambda logit: generator(None, logit[None]))(f)
    weights = normal(grid, *moving) * (grid[1] - grid[0])
    return (weights * costs).sum()


def predict(game: str, rate: float = 0.05, steps: int = 1_000) -> dict[str, list]:
    """Where the descent along the game's own field ends, its path in 50 parts, and the slope that is left."""
    moving = torch.tensor(START, dtype=torch.float64)
    known = exact()
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


def practise(
    games: list[str], seeds: list[int], compiled: bool, steps: int = STEPS
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Mean and deviation of each averaged generator's samples at 1/16 ... 1 of the steps, all games at once."""
    source = torch.Generator().manual_seed(0)
    which = torch.multinomial(torch.tensor(WEIGHTS), 50_000, True, generator=source)
    real = torch.tensor(MEANS)[which][:, None] + STD * torch.randn(50_000, 1, generator=source)
    names = [game for game in games for _ in seeds]
    found = {game: {str(seed): {} for seed in seeds} for game in games}
    for snapshot in play(
        players,
        1,
        real,
        names,
        [SETTING] * len(names),
        seeds * len(games),
        penalty="gradient penalty" if games == ["wasserstein"] else "",
        batch=BATCH,
        marks=[steps // part for part in (16, 8, 4, 2, 1)],
        critic_steps=D_STEPS,
        samples=10_000,
        compiled=compiled,
    ):
        for game, seed, x in zip(names, seeds * len(games), snapshot.samples, strict=True):
            found[game][str(seed)][str(snapshot.step)] = [x.mean().item(), x.std().item()]
        print(f"step {snapshot.step} of {steps}", flush=True)
    return found


def main() -> None:
    options = read_options(__doc__, own={"seeds": {"type": int, "default": 5}} | {"eager": {"action": "store_true"}})
    seeds = list(range(options.seeds))
    quick = [game for game in GAMES[:-1] if game not in SLOW]
    runs = practise(quick, seeds, not options.eager) | practise(["wasserstein"], seeds, not options.eager)
    runs |= practise(list(SLOW), seeds, not options.eager, 4 * STEPS)
    rows = {game: {"theory": predict(game, *PACE.get(game, (0.05, 1_000))), "runs": runs[game]} for game in GAMES}
    for game, row in rows.items():
        ends = [[round(v, 2) for v in list(run.values())[-1]] for run in row["runs"].values()]
        print(f"{game:<20} theory {[round(v, 2) for v in row['theory']['end']]} · practice {ends}", flush=True)
    result = {"weights": WEIGHTS, "means": MEANS, "std": STD, "start": START, "setting": SETTING._asdict()}
    store(
        "bumps_cpu", result | {"d_steps": D_STEPS, "batch": BATCH, "steps": STEPS, "rows": rows, "machine": machine()}
    )


if __name__ == "__main__":
    main()
