"""The game of 08_gan over seeds: five mistakes in its loop, two costs, and whether it copies moons.

    python benchmarks/gan_play.py [--seeds 5] [--threads 1]

Ring: 600 steps with batches of 128, Adam at 0.002 for both players. Of 2,500 samples the modes found and the share of
good ones (``metrics.mode_coverage``), the mean of D at real and at generated points, and, for the two right loops, the
least mean of D at 128 generated points, looked at every 30 steps.

    right                       non-saturating cost
    minimax                     G minimises log(1 - D)
    kept                        opt_D.zero_grad() before G's backward instead of after it
    twice                       opt_D.step() also after G's backward
    no detach, late zero_grad   D's backward runs into G, whose gradients are cleared at the end
    one loss                    both players minimise the sum of both losses

Moons and digits: dense players, 1,600 steps (digits 1,200) with batches of 64, Adam at 0.001 without first momentum,
with or without R1, and an average of the generator's weights; two seeds. Of 1,000 samples the share of moons and their
phases, the distance to the nearest training picture, and the lean: how many have their nearest moon among the 1,600 of
the training rather than among the 400 that were kept back. Beside it new moons, and copiers, which return training
pictures with noise. Nothing is fitted to or chosen on the 400.

Writes results/gan_play_cpu.json after every part, so that what is interrupted goes on where it was.
"""

import json
import time

import torch
import torch.nn.functional as F
from _common import RESULTS, machine, read_options, store
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import data, metrics, models, objectives, runtime

NAME = "gan_play_cpu"
RING = data.ring(std=0.1)
COSTS = {"right": lambda logit: F.softplus(-logit), "minimax": lambda logit: -F.softplus(logit)}
MISTAKES = ("kept", "twice", "no detach, late zero_grad", "one loss")


def players(seed: int, lr: float = 2e-3):
    runtime.seed_everything(seed)
    G = models.Generator(shape=(2,), latent=2, hidden=(64, 64))
    D = models.Discriminator(shape=(2,), hidden=(64, 64))
    return G, D, *(torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.99)) for net in (G, D))


def right_step(cost, G, D, opt_G, opt_D) -> None:
    x, fake = RING.sample(128), G.sample(128)
    loss_D = F.softplus(-D(x)).mean() + F.softplus(D(fake.detach())).mean()
    opt_D.zero_grad(), loss_D.backward(), opt_D.step()
    D.requires_grad_(False)
    opt_G.zero_grad(), cost(D(fake)).mean().backward(), opt_G.step()
    D.requires_grad_(True)


def wrong_step(mistake: str, G, D, opt_G, opt_D) -> None:
    x, fake = RING.sample(128), G.sample(128)
    leaks = mistake in ("no detach, late zero_grad", "one loss", "no detach")
    loss_D = F.softplus(-D(x)).mean() + F.softplus(D(fake if leaks else fake.detach())).mean()
    if mistake == "one loss":
        loss = loss_D + F.softplus(-D(fake)).mean()
        opt_D.zero_grad(), opt_G.zero_grad(), loss.backward(), opt_D.step(), opt_G.step()
        return
    if mistake != "kept":
        opt_D.zero_grad()
    loss_D.backward(retain_graph=leaks)
    opt_D.step()
    if mistake == "kept":
        opt_D.zero_grad()  # too early: G's backward comes after it
    late = mistake == "no detach, late zero_grad"
    if not late:
        opt_G.zero_grad()
    F.softplus(-D(fake)).mean().backward()
    opt_G.step()
    if late:
        opt_G.zero_grad()  # too late: D's backward has been through G already
    if mistake == "twice":
        opt_D.step()


def play(name: str, seed: int, steps: int = 600) -> dict:
    """One game on the ring, and what is measured at its end."""
    four, least = players(seed), None
    probe = torch.randn(128, 2, generator=torch.Generator().manual_seed(0))
    for step in range(steps):
        if name in COSTS:
            if step % 30 == 0:
                with torch.no_grad():
                    now = four[1](four[0](probe)).sigmoid().mean().item()
                least = now if least is None else min(least, now)
            right_step(COSTS[name], *four)
        else:
            wrong_step(name, *four)
    return judged(*four[:2]) | {"least": least}


def judged(G, D) -> dict:
    with torch.no_grad():
        made, real = G.sample(2_500), RING.sample(2_500)
        says = [torch.sigmoid(D(points)).mean().item() for points in (real, made)]
    found = metrics.mode_coverage(made, RING.centres, RING.std)
    return {"modes": int(found.modes), "good": float(found.good), "D_real": says[0], "D_fake": says[1]}


def fit(images: data.Images, seed: int, steps: int, gamma: float, look=None):
    """The generator, its average, and the losses (steps, 2) of D and G."""
    runtime.seed_everything(seed)
    G = models.Generator(images.shape, latent=16, hidden=(128, 256))
    D = models.Discriminator(images.shape, hidden=(256, 128))
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 1e-3, betas=(0.0, 0.99)) for net in (G, D))
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    losses = []
    for step, x in enumerate(data.batches(images.train, 64, steps=steps)):
        fake = G.sample(64)
        loss_D = F.softplus(-D(x)).mean() + F.softplus(D(fake.detach())).mean()
        penalty = gamma / 2 * objectives.r1_penalty(D, x) if gamma else 0
        opt_D.zero_grad(), (loss_D + penalty).backward(), opt_D.step()
        D.requires_grad_(False)
        loss_G = F.softplus(-D(fake)).mean()
        opt_G.zero_grad(), loss_G.backward(), opt_G.step()
        D.requires_grad_(True)
        average.update_parameters(G)
        losses.append((loss_D.item(), loss_G.item()))
        if look is not None:
            look(step + 1, average.module)
    return G.eval(), average.module.eval(), torch.tensor(losses)


def copies(images: data.Images, noise: float, n: int = 1_000) -> Tensor:
    """What a model returns that knows its training pictures by heart, but for noise on each pixel."""
    source = torch.Generator().manual_seed(1)
    originals = images.train[torch.randint(len(images.train), (n,), generator=source)]
    return originals + noise * torch.randn(originals.shape, generator=source)


def lean(pictures: Tensor, seen: Tensor, unseen: Tensor) -> float:
    """Per cent whose nearest picture is one of those seen in training, not one of those kept back."""
    near, other = (metrics.nearest(pictures, among).distance for among in (seen, unseen))
    return 100 * (near < other).float().mean().item()


def moons_over_seeds() -> dict:
    moons = data.moon_phases()
    held_out = torch.cat([moons.valid, moons.test])  # once: pictures kept back, to compare distances with
    trained, shares = {}, {}
    for name, gamma in (("with R1", 1.0), ("without R1", 0.0)):
        for seed in (0, 1):
            shares[name, seed] = []

            def look(step, average, into=shares[name, seed]):
                if step % 160 == 0:
                    source = torch.Generator().manual_seed(0)
                    with torch.no_grad():
                        into.append(metrics.moon_scores(average.sample(300, generator=source))[0])

            trained[name, seed] = fit(moons, seed, 1_600, gamma, look)
            print(f"moons, {name}, seed {seed}", flush=True)
    runtime.seed_everything(5)
    rows = {name: {"runs": []} for name in ("with R1", "without R1")}
    for (name, seed), (G, average, losses) in trained.items():
        run = {"seed": seed, "shares": shares[name, seed], "losses": losses.view(10, 160, 2).mean(1).tolist()}
        run["last_100"] = losses[-100:].mean(0).tolist()
        for kind, net in (("last", G), ("average", average)):
            with torch.no_grad():
                pictures = net.sample(1_000)
            share, phases = metrics.moon_scores(pictures)
            run[kind] = {"moons": share, "phases": phases, "spread": pictures.std(0).mean().item()}
            if kind == "average" and name == "with R1":
                run |= measured(pictures, moons.train, held_out)
        rows[name]["runs"].append(run)
    fresh = [data.moon_phases(1_250, seed=seed).train for seed in (101, 102, 103)]  # 1,000 each
    limits = {"held out": measured(held_out, moons.train, None)}
    limits |= {f"copier {noise}": measured(copies(moons, noise), moons.train, held_out) for noise in (0.005, 0.02, 0.1)}
    for part in (0.5, 0.25):
        n = int(1_000 * part)
        mixture = torch.cat([copies(moons, 0.05, n), fresh[0][n:]])
        limits[f"{part:.0%} copies (0.05)"] = measured(mixture, moons.train, held_out)
    null = [measured(pictures, moons.train, held_out) for pictures in fresh]
    walk = walked(trained["with R1", 0][1])
    real = {"spread": moons.valid.std(0).mean().item()}
    return {"rows": rows, "controls": limits, "fresh": null, "walk": walk, "real": real}


def measured(pictures: Tensor, train: Tensor, held_out: Tensor | None) -> dict:
    d = metrics.nearest(pictures, train).distance
    found = {"least": d.amin().item(), "median": d.median().item(), "quantile": d.quantile(0.01).item()}
    found["distances"] = [round(value, 4) for value in d.quantile(torch.linspace(0, 1, 41)).tolist()]
    if held_out is not None:
        limit = metrics.nearest(held_out, train).distance.quantile(0.01)
        found |= {"lean": lean(pictures, train, held_out), "suspicious": 100 * (d < limit).float().mean().item()}
    return found


def walked(average) -> dict:
    """Moons half way between two noises, and how short the noise is there."""
    runtime.seed_everything(8)
    start, end = torch.randn(2, 1_000, 16)
    found = {"t": [0.0, 0.25, 0.5, 0.75, 1.0], "moons": []}
    for t in found["t"]:
        with torch.no_grad():
            found["moons"].append(100 * metrics.moon_scores(average((1 - t) * start + t * end))[0])
    middle, lengths = ((start + end) / 2).norm(dim=1).median(), torch.randn(100_000, 16).norm(dim=1)
    shorter = 100 * (lengths < middle).float().mean().item()
    return found | {"middle": middle.item(), "usual": lengths.median().item(), "shorter": shorter}


def digits_once() -> dict:
    digits = data.digits()
    held_out = torch.cat([digits.valid, digits.test])  # once: pictures by other hands, to compare distances with
    G, average, _ = fit(digits, 0, 1_200, 0.1)
    runtime.seed_everything(5)
    found = {}
    for kind, net in (("last", G), ("average", average)):
        with torch.no_grad():
            pictures = net.sample(1_000)
        contrast = (pictures.var((2, 3)).mean() / digits.valid.var((2, 3)).mean()).item()
        found[kind] = measured(pictures, digits.train, held_out) | {"contrast": contrast}
    found["held out"] = measured(held_out, digits.train, None)
    for noise in (0.005, 0.02, 0.1):
        found[f"copier {noise}"] = measured(copies(digits, noise), digits.train, held_out)
    return found


def main():
    options = read_options(__doc__, "again", own={"seeds": {"type": int, "default": 5}})
    path = RESULTS / f"{NAME}.json"
    kept = json.loads(path.read_text()) if path.exists() and not options.again else {"ring": {}}
    kept.pop("machine", None)
    wanted = [(name, seed) for seed in range(options.seeds) for name in COSTS]
    wanted += [(name, seed) for seed in range(options.seeds) for name in MISTAKES]
    for part in [*wanted[: 2 * options.seeds], "moons", "digits", *wanted[2 * options.seeds :]]:
        if part in ("moons", "digits"):
            if part not in kept:
                kept[part] = {"moons": moons_over_seeds, "digits": digits_once}[part]()
                store(NAME, {"machine": machine(), **kept})
            continue
        name, seed = part
        runs = kept["ring"].setdefault(name, {"runs": []})["runs"]
        if all(run["seed"] != seed for run in runs):
            start = time.process_time()
            runs.append({"seed": seed, **play(name, seed), "seconds": time.process_time() - start})
            store(NAME, {"machine": machine(), **kept})
            print(f"{name}, seed {seed}: {runs[-1]['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
