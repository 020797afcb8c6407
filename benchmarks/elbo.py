"""What training by the ELBO finds where log p(x) is known: an arc in the plane, and the principal axes of digits.

    python benchmarks/elbo.py [--only "ELBO, one width"] [--seeds 10] [--threads 1]

The arc is half a turn of a spiral with known density. A VAE with a code of one number is a mixture of Gaussians along a
curve, and log p(x) a sum over quantiles of the prior. The same hidden layers are trained on the same 5,000 points

    ELBO, one width         by the bound, one standard deviation for all codes and both axes, learned
    ELBO, two widths        by the bound, two standard deviations for every code
    two widths, warm-up     the same, the weight of the KL rising from 0 to 1 over the first half
    log p, two widths       by log p(x) itself, a sum over 100 quantiles: no encoder, no bound

and measured by the gap, the mean of log p_true(x) - log p(x) over 2,000 new points. Two rows go on from others: an
encoder and then the ELBO for the best decoder by log p, and "one width" for as many steps again.

The digits are fitted by a linear-Gaussian VAE with five latents, by the ELBO and by log p, from random weights, and
compared with the closed form: what is reached, the largest principal angle between the decoder's columns and the
principal axes, how near each axis is to a column, and the gap of the best q for the decoder that was found.

Writes results/elbo_cpu.json after every run, so that what is interrupted goes on where it was.
"""

import copy
import json
import math
import time

import torch
from _common import RESULTS, machine, read_options, step, store
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import Normal

from course_utils import data, distributions, models, runtime

NAME, STEPS, LATENT = "elbo_cpu", 700, 5
COMPONENTS = (1, 2, 3, 4, 6, 16)
SUBSPACE = {  # objective and steps
    "ELBO, 2,000 steps": ("elbo", 2_000),
    "ELBO, 6,000 steps": ("elbo", 6_000),
    "log p, 600 steps": ("log_prob", 600),
}


class OneWidth(models.VAE):
    """N(x | c(z), s^2 I), the same s for every code."""

    def __init__(self):
        super().__init__((2,), 1, (64, 64), distributions.gaussian(std=1.0))
        self.log_s = torch.nn.Parameter(torch.zeros(()))

    def decode(self, z: Tensor) -> distributions.Gaussian:
        centre = super().decode(z).mean
        return distributions.Gaussian(centre, self.log_s.expand_as(centre))


def two_widths() -> models.VAE:
    return models.VAE((2,), 1, (64, 64), distributions.gaussian())


def quantiles(n: int) -> Tensor:
    """Codes that cut the prior into n equal parts, (n, 1)."""
    return Normal(0.0, 1.0).icdf((torch.arange(n) + 0.5) / n)[:, None]


def mixture_log_prob(decode, x: Tensor, n: int) -> Tensor:
    """The log of the mean of n Gaussians, (B,)."""
    codes = decode(quantiles(n))
    parts = [codes.log_prob(some[:, None]).sum(-1).logsumexp(1) for some in x.split(500)]
    return torch.cat(parts) - math.log(n)


WAYS = {  # t from 0 to 1 is the share of the training done
    "ELBO, one width": (OneWidth, lambda vae, x, t: vae.elbo(x)),
    "ELBO, two widths": (two_widths, lambda vae, x, t: vae.elbo(x)),
    "two widths, warm-up": (two_widths, lambda vae, x, t: vae.elbo(x, min(1.0, 2 * t))),
    "log p, two widths": (two_widths, lambda vae, x, t: mixture_log_prob(vae.decode, x, 100)),
}


def the_arc() -> tuple[Tensor, Tensor, Tensor]:
    """Points to learn from, new ones, and the log-density of these."""
    arc = data.spiral(arms=1, turns=0.5, std=0.15)
    generator = torch.Generator().manual_seed(0)
    points, new = arc.sample(5_000, generator).double(), arc.sample(2_000, generator).double()
    return points, new, arc.log_prob(new)


def train_arc(vae: models.VAE, objective, points: Tensor, steps: int = STEPS) -> models.VAE:
    optimizer = torch.optim.Adam([w for w in vae.parameters() if w.requires_grad], lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for i, x in enumerate(data.batches(points, 200, steps=steps)):
        step(optimizer, -objective(vae, x, i / steps).mean())
        schedule.step()
    return vae.requires_grad_(False)


def rounded(values: Tensor) -> list:
    """Four decimals, as for a figure."""
    return [[round(value, 4) for value in row] for row in values.tolist()]


def measure_arc(vae: models.VAE, new: Tensor, truth: Tensor, with_encoder: bool) -> dict:
    wide, high = vae.decode(quantiles(200)).scale.mean(0).tolist()
    some = vae.decode(quantiles(16))
    runtime.seed_everything(99)
    row = {
        "gap": (truth - mixture_log_prob(vae.decode, new, 1_000)).mean().item(),
        "gap_10000": (truth - mixture_log_prob(vae.decode, new, 10_000)).mean().item(),
        "widths": [wide, high],
        "centres_16": rounded(some.mean),
        "widths_16": rounded(some.scale),
    }
    if with_encoder:
        row["kl"] = vae.terms(new)[1].mean().item()
        row["gap_of_elbo"] = (truth - vae.log_weights(new, 100).mean(0)).mean().item()
    return row


def fit_linear(train: Tensor, objective: str, steps: int, seed: int) -> models.LinearGaussianVAE:
    runtime.seed_everything(seed)
    model = models.LinearGaussianVAE(train.shape[1:], LATENT)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        step(optimizer, -getattr(model, objective)(train).mean())
        schedule.step()
    return model.requires_grad_(False)


def measure_linear(model, best, train: Tensor, objective: str) -> dict:
    """Against the closed form: what is reached, the largest angle between the subspaces, the cosines of the columns."""
    found, axes = model.decoder.weight, best.decoder.weight
    cosines = torch.linalg.svdvals(torch.linalg.qr(found).Q.T @ torch.linalg.qr(axes).Q).clamp(max=1)
    columns = ((axes / axes.norm(dim=0)).T @ (found / found.norm(dim=0))).abs()  # (Z, Z)
    fitted = copy.deepcopy(model)
    fitted.match_posterior()
    return {
        "reached": getattr(model, objective)(train).mean().item(),
        "angle": torch.rad2deg(cosines.acos()).max().item(),
        "gap": model.gap(train).mean().item(),
        "gap_of_best_q": fitted.gap(train).mean().item(),  # 0 if the columns are orthogonal
        "cosines": columns.tolist(),
    }


def read() -> dict:
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def add(part: str, title: str, run: dict) -> None:
    """Store one run more of a row."""
    result = read()
    row = result.setdefault(part, {}).setdefault(title, {"runs": []})
    row["runs"].append(run)
    row["machine"] = machine()
    store(NAME, result)
    shown = {key: value for key, value in run.items() if isinstance(value, float)}
    print(f"{part} · {title} · seed {len(row['runs']) - 1}: {shown}", flush=True)


def done(part: str, title: str) -> int:
    return len(read().get(part, {}).get(title, {}).get("runs", []))


def main() -> None:
    options = read_options(__doc__, "only", own={"seeds": {"type": int, "default": 10}})
    torch.set_default_dtype(torch.float64)
    points, new, truth = the_arc()
    vaes = {}

    def trained(title: str, seed: int) -> models.VAE:
        if (title, seed) not in vaes:
            family, objective = WAYS[title]
            runtime.seed_everything(seed)
            vaes[title, seed] = train_arc(family(), objective, points)
        return vaes[title, seed]

    for title in WAYS:
        for seed in range(done("arc", title), options.seeds if options.only in ("", title) else 0):
            start = time.process_time()
            vae = trained(title, seed)
            seconds = {"seconds": time.process_time() - start}
            add("arc", title, seconds | measure_arc(vae, new, truth, not title.startswith("log p")))
    by_elbo = WAYS["ELBO, two widths"][1]
    if not options.only and not done("arc", "good by log p, then the ELBO"):
        runs = read()["arc"]["log p, two widths"]["runs"]
        good = min(range(len(runs)), key=lambda seed: runs[seed]["gap"])
        vae = copy.deepcopy(trained("log p, two widths", good))
        runtime.seed_everything(0)
        vae.encoder.requires_grad_()
        train_arc(vae, by_elbo, points)  # an encoder for the good decoder
        train_arc(vae.requires_grad_(), by_elbo, points)
        add("arc", "good by log p, then the ELBO", {"from_seed": good} | measure_arc(vae, new, truth, True))
    for seed in range(done("arc", "one width, as many steps again"), 3 if not options.only else 0):
        vae = copy.deepcopy(trained("ELBO, one width", seed)).requires_grad_()
        runtime.seed_everything(seed)
        add(
            "arc",
            "one width, as many steps again",
            measure_arc(train_arc(vae, by_elbo, points), new, truth, True),
        )
    for count in COMPONENTS:
        if not options.only and not done("mixtures", str(count)):
            mixture = GaussianMixture(count, random_state=0).fit(points.numpy())
            add("mixtures", str(count), {"gap": (truth.numpy() - mixture.score_samples(new.numpy())).mean().item()})

    train = data.digits().train.double()
    best = models.LinearGaussianVAE.fit(train, LATENT).requires_grad_(False)
    for title, (objective, steps) in SUBSPACE.items():
        for seed in range(done("subspace", title), min(5, options.seeds) if options.only in ("", title) else 0):
            start = time.process_time()
            model = fit_linear(train, objective, steps, seed)
            found = measure_linear(model, best, train, objective)
            add("subspace", title, {"seconds": time.process_time() - start, "steps": steps} | found)
    print(f"stored in {RESULTS / NAME}.json")


if __name__ == "__main__":
    main()
