"""Which part of a VAE makes the codes between full and half moon meaningful: likelihood, noise or KL term? Three seeds.

    python benchmarks/moon_walk.py [--only "levels, 500 steps"] [--seeds 3] [--threads 1] [--device cpu]

An autoencoder and a VAE differ in three things: a likelihood of grey levels in place of squared error, noise in the
code, and the KL term. Each row has some of them and is trained for so many steps; all have the same convolutions and a
code of six numbers. Rows of several lengths are there so that models are compared at *equal error of reconstruction*:
a decoder that cannot return a moon it was given cannot be blamed for what it makes of the codes between two of them.

    squared error    |x - x_hat|^2, the autoencoder's loss
    learned width    a Gaussian with the one standard deviation that is best for the batch: D/2 log(2 pi e mean square)
    levels           a mixture of two discretised logistics for each pixel, a probability of its 17 grey levels

Measured on what `metrics.is_moon` calls a moon, a picture nearer than 0.07 (root mean square) to a drawn one. Decoded
means are clamped to 0 ... 1 first: the squared error lets them leave that range, and a printer would clamp them.

Shares are from 0 to 1, distances and errors grey values of 0 ... 1, phases periods. Seconds are those of the processor
in training. Writes results/moon_walk_<device>.json after every run, so that what is interrupted goes on where it was.
"""

import json
import math
import statistics
import time
from typing import NamedTuple

import torch
from _common import RESULTS, machine, read_options, step, store
from torch import Tensor

from course_utils import data, metrics, models, runtime
from course_utils.distributions import discretized_logistic_mixture, gaussian
from course_utils.models.vae import kl_to_prior

LATENT = 6
NETWORK = {"hidden": (128,), "channels": (16, 32)}
LEVELS = discretized_logistic_mixture(levels=17, components=2)
SQUARE = gaussian(std=math.sqrt(0.5))  # minus its log-density is the squared error and a constant
QUARTERS = torch.tensor([[0.5, 0.25], [0.25, 0.0], [0.0, 0.75], [0.75, 0.5]])  # phases to walk between
POSITIONS = 8  # and sizes, for each of these
CODES = 500  # random codes to decode


class Setting(NamedTuple):
    """Which of the three parts of a VAE a model has, and for how many steps it is trained."""

    likelihood: str
    noise: bool
    kl: bool
    steps: int


SETTINGS = {
    "squared error, 500 steps": Setting("squared error", False, False, 500),
    "squared error, 1,000 steps": Setting("squared error", False, False, 1_000),
    "squared error, 1,500 steps": Setting("squared error", False, False, 1_500),
    "squared error, noise, 1,500 steps": Setting("squared error", True, False, 1_500),
    "learned width, 500 steps": Setting("learned width", False, False, 500),
    "learned width, 1,500 steps": Setting("learned width", False, False, 1_500),
    "learned width, noise, KL, 500 steps": Setting("learned width", True, True, 500),
    "learned width, noise, KL, 1,500 steps": Setting("learned width", True, True, 1_500),
    "levels, 200 steps": Setting("levels", False, False, 200),
    "levels, 300 steps": Setting("levels", False, False, 300),
    "levels, 500 steps": Setting("levels", False, False, 500),
    "levels, noise, 500 steps": Setting("levels", True, False, 500),
    "levels, noise, KL, 500 steps": Setting("levels", True, True, 500),
}


def make(setting: Setting, shape: tuple[int, ...]) -> models.AutoEncoder | models.VAE:
    """A fresh network."""
    if setting.likelihood == "squared error" and not setting.noise:
        return models.AutoEncoder(shape, LATENT, **NETWORK)
    pixels = LEVELS if setting.likelihood == "levels" else SQUARE
    return models.VAE(shape, LATENT, distribution=pixels, **NETWORK)


def objective(model: models.AutoEncoder | models.VAE, x: Tensor, setting: Setting) -> Tensor:
    """What the training minimises: nats an image, or the squared error of one."""
    if isinstance(model, models.AutoEncoder):
        return model.loss(x).mean()
    mu, log_var = model.encode(x)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu) if setting.noise else mu
    pixels = model.decode(z)
    if setting.likelihood == "learned width":
        mean_square = (pixels.mean - x).square().mean()
        loss = x[0].numel() / 2 * torch.log(2 * math.pi * math.e * mean_square)
    else:
        loss = -pixels.log_prob(x).flatten(1).sum(1).mean()
    return loss + kl_to_prior(mu, log_var).sum(1).mean() if setting.kl else loss


def train(setting: Setting, seed: int, images: data.Images) -> tuple[torch.nn.Module, list[float], float]:
    """The model, the mean variance of q(z|x) on validation every ten steps, and the seconds it took."""
    runtime.seed_everything(seed)
    model = make(setting, images.shape).to(images.train.device)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    variance, start = [], time.process_time()
    for i, x in enumerate(data.batches(images.train, 50, steps=setting.steps)):
        step(optimizer, objective(model, x, setting))
        schedule.step()
        if setting.noise and i % 10 == 9:
            with torch.no_grad():
                variance.append(model.encode(images.valid)[1].exp().mean().item())
    return model, variance, time.process_time() - start


def encode(model: torch.nn.Module, x: Tensor) -> Tensor:
    """Codes (B, Z): of a VAE the means."""
    return model.encode(x) if isinstance(model, models.AutoEncoder) else model.encode(x)[0]


def decode(model: torch.nn.Module, z: Tensor) -> Tensor:
    """Pictures (B, 1, 16, 16) of codes (B, Z), clamped to 0 ... 1: of a VAE the means of p(x|z)."""
    x = model.decode(z) if isinstance(model, models.AutoEncoder) else model.decode(z).mean
    return x.clamp(0, 1)


def ends() -> tuple[Tensor, Tensor, Tensor]:
    """The moons to walk between: first, last (P, 1, 16, 16), a quarter of a period apart, and their phases (P, 2)."""
    generator = torch.Generator().manual_seed(1)
    pairs = len(QUARTERS)
    centre = 7 + 2 * torch.rand(POSITIONS, 2, generator=generator).repeat(pairs, 1)
    radius = 5.5 + torch.rand(POSITIONS, generator=generator).repeat(pairs)
    phases = QUARTERS.repeat_interleave(POSITIONS, 0)
    first, last = ((16 * data.moon(phases[:, i], centre, radius)).round() / 16 for i in (0, 1))  # the data's levels
    return first, last, phases


def interpolation(walk: metrics.Walk) -> dict[str, float]:
    """What lies strictly between the ends: share of moons, distance, and the error of the phase, of moons and of all.

    The phase of a picture that is no moon is that of whichever moon is least far away and says nothing about it.
    """
    distance, error = walk.distance[:, 1:-1], walk.phase_error[:, 1:-1]
    moon = distance < metrics.MOON_LIMIT
    return {
        "between_moons": moon.float().mean().item(),
        "between_distance": distance.mean().item(),
        "between_phase_error": error[moon].mean().item() if moon.any() else math.nan,
        "between_phase_error_of_all": error.mean().item(),
    }


def gaussian_of_codes(mu: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (Z,) and covariance (Z, Z) of q(z), from posterior means and variances (N, Z)."""
    return mu.mean(0), torch.cov(mu.T) + variance.mean(0).diag()


def kl_to_standard(mean: Tensor, covariance: Tensor) -> float:
    """KL(N(mean, covariance) || N(0, I)) = (tr C + |m|^2 - Z - log det C) / 2, in nats."""
    return 0.5 * (covariance.trace() + mean.square().sum() - len(mean) - covariance.logdet()).item()


def sharpness(pictures: Tensor, real: Tensor) -> dict[str, float]:
    """Power of fine detail and contrast beside real pictures', and the one divided by the other."""
    fine = metrics.high_frequency_power
    power = (fine(pictures).mean() / fine(real).mean()).item()
    contrast = (pictures.var((2, 3)).mean() / real.var((2, 3)).mean()).item()
    return {"power": power, "contrast": contrast, "sharpness": metrics.sharpness(pictures, real)}


@torch.no_grad()
def measure(model: torch.nn.Module, setting: Setting, images: data.Images) -> dict:
    """Reconstructions of validation, interpolations, and random codes from N(0, I) and from a fitted Gaussian."""
    model.eval()
    first, last, phases = (part.to(images.train.device) for part in ends())
    x, mu = images.valid, encode(model, images.train)
    variance = model.encode(images.train)[1].exp() if setting.noise else torch.zeros_like(mu)
    mean, covariance = gaussian_of_codes(mu, variance)
    normal = torch.randn(CODES, LATENT, generator=torch.Generator().manual_seed(2)).to(mu)
    codes = {"prior": normal, "fitted": mean + normal @ torch.linalg.cholesky(covariance).T}

    returned = decode(model, encode(model, x))
    row = {
        "rms": (returned - x).square().mean().sqrt().item(),
        "returned_moons": metrics.is_moon(returned).float().mean().item(),
        "code_spread": mu.std(0).mean().item(),
        "code_kl": kl_to_standard(mean, covariance),
        "returned_detail": sharpness(returned, x),
    }
    walk = metrics.moon_walk(lambda z: decode(model, z), encode(model, first), encode(model, last), phases)
    row |= interpolation(walk)
    for name, z in codes.items():
        pictures = decode(model, z)
        row[f"{name}_moons"], row[f"{name}_phases"] = metrics.moon_scores(pictures)
        row[f"{name}_detail"] = sharpness(pictures, x)
    if setting.likelihood == "levels":
        runtime.seed_everything(5)
        row["sampled_detail"] = sharpness(model.decode(normal).sample(), x)
    return row


@torch.no_grad()
def references(images: data.Images) -> dict[str, dict[str, float]]:
    """The same measures of real moons, and of a cross-fade of the pixels."""
    first, last, phases = ends()
    fade = metrics.moon_walk(lambda v: v.view(-1, 1, 16, 16), first.flatten(1), last.flatten(1), phases)
    distance = data.nearest_moon(images.valid)[0]
    share = (distance < metrics.MOON_LIMIT).float().mean().item()
    return {
        "real moons": {"returned_moons": share, "distance": distance.mean().item()},
        "cross-fade of pixels": interpolation(fade),
    }


def read(name: str) -> dict[str, dict]:
    """The rows that are stored already."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def main() -> None:
    options = read_options(__doc__, "only", "seeds", "device", "again")
    name, images = f"moon_walk_{options.device}", data.moon_phases()
    known = references(images)
    images = images.to(options.device)
    for title, setting in SETTINGS.items():
        if options.only and title != options.only:
            continue
        runs = [] if options.again else read(name).get(title, {}).get("runs", [])
        for seed in range(len(runs), options.seeds):
            model, variance, seconds = train(setting, seed, images)
            runs.append({"seconds": seconds} | measure(model, setting, images) | {"variance": variance})
            row = setting._asdict() | {"runs": runs, "machine": machine()}
            rows = read(name) | {title: row}  # read again: another process may have added to it
            store(name, {"references": known, "rows": {key: rows[key] for key in SETTINGS if key in rows}})
        tell(title, read(name)[title]["runs"])
    print(f"stored in {RESULTS / name}.json")


def tell(title: str, runs: list[dict]) -> None:
    """One line: means over the seeds, and in brackets the seeds themselves."""

    def of(key: str, factor: float = 100) -> str:
        values = [factor * run[key] for run in runs]
        digits = 0 if factor == 100 else 3
        return f"{statistics.mean(values):.{digits}f} ({' '.join(f'{v:.{digits}f}' for v in values)})"

    print(
        f"{title:<38} error {of('rms', 1)} · moons: returned {of('returned_moons')} % between {of('between_moons')} % "
        f"N(0, I) {of('prior_moons')} % fitted {of('fitted_moons')} %",
        flush=True,
    )


if __name__ == "__main__":
    main()
