"""Does a good discriminator starve the generator? Gradients of frozen generators; trainings after a head start of D.

    python benchmarks/starving.py [--seeds 3] [--threads 1]

"frozen": a generator is frozen and a fresh D trained on it, towards its optimum, in three situations:

    apart        untrained, a short curve in the middle of a ring of eight narrow spots (s = 0.01)
    touching     the same after 1,000 steps of the game: a curve past the spots and into some
    overlapping  with noise of two numbers, after 300 steps, on a ring with wide spots (s = 0.3)

Of the gradient that each of three games would give G, over 500 samples: its norm; its noise, the spread from sample to
sample over the norm; the shares of the 5 % of samples that have most, of the weights |c'| and of whole pushes; and the
effective sample size of the weights. (Arjovsky and Bottou, arXiv 1701.04862, section 2.)

"matches": on a ring with s = 0.1, D may train for 3,000 steps before G moves, or not; five losses without, three with
the head start, by Adam; and minimax and non-saturating by plain gradient descent at three rates.

Writes results/starving_cpu.json after every run, so that what is interrupted goes on where it was.
"""

import copy
import json

import torch
from _common import RESULTS, machine, read_options, step, store
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from course_utils import data, metrics, models, runtime
from course_utils.objectives import OBJECTIVES, least_squares

NAME = "starving_cpu"
GAMES = ("minimax", "non_saturating", "maximum_likelihood")
CASES = {"apart": (0.01, 1, 0), "touching": (0.01, 1, 1_000), "overlapping": (0.3, 2, 300)}  # s, noise, steps
LOOKS = (0, 5, 10, 20, 50, 100, 200, 500, 1_000)
RIVALS = {name: OBJECTIVES[name] for name in GAMES} | {
    f"least squares {code}": least_squares(*code) for code in ((-1, 1, 0), (0, 1, 1))
}
HEAD_START, RATES = 3_000, (1e-3, 3e-3, 1e-2)


def players(latent: int) -> tuple[nn.Module, nn.Module]:
    return models.Generator((2,), latent, (64, 64)), models.Discriminator((2,), (64, 64))


def adam(network: nn.Module, lr: float = 2e-3) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr, betas=(0.5, 0.99))


def train_discriminator(game, G, D, optimizer, x: Tensor) -> None:  # noqa: N803
    with torch.no_grad():
        fake = G.sample(len(x))
    step(optimizer, game.discriminator(D(x), D(fake)))


def train_generator(game, G, D, optimizer, x: Tensor) -> None:  # noqa: N803
    D.requires_grad_(False)
    step(optimizer, game.generator(D(x), D(G.sample(len(x)))))
    D.requires_grad_(True)


# --- frozen ----------------------------------------------------------------------------------------------------------


def frozen_generator(case: str, seed: int) -> nn.Module:
    std, latent, steps = CASES[case]
    ring = data.ring(std=std)
    runtime.seed_everything(seed)
    G, D = players(latent)  # noqa: N806
    opt_g, opt_d = adam(G), adam(D)
    for _ in range(steps):
        x = ring.sample(128)
        train_discriminator(OBJECTIVES["non_saturating"], G, D, opt_d, x)
        train_generator(OBJECTIVES["non_saturating"], G, D, opt_g, x)
    return G


def vectors(G, D, z: Tensor) -> Tensor:  # noqa: N803
    """The gradient of each sample's logit by the weights of G, (n, weights)."""
    weights = {name: w.detach() for name, w in G.named_parameters()}

    def logit(weights: dict[str, Tensor], z: Tensor) -> Tensor:
        return D(functional_call(G, weights, (z[None],)))[0]

    each = vmap(grad(logit), (None, 0))(weights, z)
    return torch.cat([v.flatten(1) for v in each.values()], 1).detach()


def top(values: Tensor) -> Tensor:
    """The share of the largest 5 %."""
    return values.sort(descending=True).values[: len(values) // 20].sum() / values.sum()


def examine(G, D, z: Tensor) -> dict[str, dict[str, float]]:  # noqa: N803
    slopes = vectors(G, D, z)
    with torch.no_grad():
        logits = D(G(z))
    found = {}
    weights = (logits.sigmoid(), (-logits).sigmoid(), logits.exp())
    for name, w in zip(GAMES, weights, strict=True):
        push = w[:, None] * slopes
        norm = push.mean(0).norm()
        values = {"norm": norm, "noise": push.var(0).sum().sqrt() / norm, "top_weights": top(w)}
        values |= {"top_pushes": top(push.norm(dim=1)), "effective": w.sum() ** 2 / (w.square().sum() * len(w))}
        found[name] = {key: value.item() for key, value in values.items()}
    return found


def watch(case: str, seed: int) -> dict:
    std, latent, _ = CASES[case]
    ring, G = data.ring(std=std), frozen_generator(case, seed)  # noqa: N806
    runtime.seed_everything(100 + seed)
    z, D = torch.randn(500, latent), players(latent)[1]  # noqa: N806
    optimizer, seen = adam(D, lr=1e-2), []
    for k in range(LOOKS[-1] + 1):
        if k in LOOKS:
            seen.append(examine(G, D, z))
        train_discriminator(OBJECTIVES["minimax"], G, D, optimizer, ring.sample(128))
    with torch.no_grad():
        said, far = D(G(z)).sigmoid(), torch.cdist(G(z), ring.centres).amin(1) / std
    best = said.argsort(descending=True)[: len(z) // 20]
    ends = {"largest_D": said.max(), "nearest": far.min(), "median": far.median(), "median_of_best": far[best].median()}
    return {"looks": seen, **{key: value.item() for key, value in ends.items()}}


# --- matches ---------------------------------------------------------------------------------------------------------


def begin(head_start: int, seed: int) -> tuple:
    ring = data.ring(std=0.1)
    runtime.seed_everything(seed)
    G, D = players(2)  # noqa: N806
    optimizer = adam(D)
    for _ in range(head_start):
        train_discriminator(OBJECTIVES["minimax"], G, D, optimizer, ring.sample(128))
    return G, D, optimizer


def flat(tensors) -> Tensor:
    return torch.cat([t.detach().flatten() for t in tensors])


def play(name: str, start: tuple, looks: tuple[int, ...], rate: float | None = None) -> dict:
    """``rate`` of plain gradient descent of G; without it Adam."""
    G, D, opt_d = copy.deepcopy(start)  # noqa: N806
    ring, game = data.ring(std=0.1), RIVALS[name]
    opt_g = torch.optim.SGD(G.parameters(), rate) if rate else adam(G)
    first, sizes, found = flat(G.parameters()), [], {}
    for k in range(1, looks[-1] + 1):
        x = ring.sample(128)
        train_discriminator(game, G, D, opt_d, x)
        train_generator(game, G, D, opt_g, x)
        sizes.append(flat(w.grad for w in G.parameters()).norm().item())
        if k in looks:
            with torch.no_grad():  # a generator that has exploded finds nothing
                fake = G.sample(2_500).nan_to_num(1e3)
            found[str(k)] = metrics.mode_coverage(fake, ring.centres, ring.std)._asdict()
    row = {"first": sizes[0], "largest": max(sizes), "looks": found}
    moved = (flat(G.parameters()) - first).norm().item()
    row["moved"] = moved if moved == moved else None
    if not rate:
        squares = flat(opt_g.state[w]["exp_avg_sq"] for w in G.parameters())
        row["overflown"] = squares.isinf().double().mean().item()
    return row


def main() -> None:
    options = read_options(__doc__, "seeds")
    path = RESULTS / f"{NAME}.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    rows = {key: stored.get(key, {}) for key in ("frozen", "matches", "descent")}

    def keep(part: str, name: str, make) -> None:
        if name not in rows[part]:
            rows[part][name] = make()
            store(NAME, {"steps": LOOKS, "head_start": HEAD_START, "rates": RATES, **rows, "machine": machine()})
            print(part, name, flush=True)

    for seed in range(options.seeds):
        for case in CASES:
            keep("frozen", f"{case}, seed {seed}", lambda case=case, seed=seed: watch(case, seed))
        starts = {head: begin(head, seed) for head in (0, HEAD_START)}
        for head, start in starts.items():
            for name in RIVALS if not head else GAMES:
                looks = (500, 1_500) if head else (500,)
                torch.manual_seed(seed)
                words = f"{name}{', head start' * bool(head)}, seed {seed}"
                keep("matches", words, lambda n=name, s=start, looks=looks: play(n, s, looks))
        for head, start in starts.items() if seed == 0 else ():
            for name in GAMES[:2]:
                for rate in RATES:
                    torch.manual_seed(0)
                    words = f"{name}{', head start' * bool(head)}, rate {rate}"
                    keep("descent", words, lambda n=name, s=start, rate=rate: play(n, s, (500,), rate))


if __name__ == "__main__":
    main()
