"""What the parts of a VAE do on small problems: beta, the width of the likelihood, cures of a collapse, a code of two.

    python benchmarks/vae_parts.py [--only "beta"] [--seeds 3] [--threads 1] [--device cpu]

Experiments, each with three seeds that were fixed in advance:

    beta        small dense VAEs on moons, Gaussian pixels of standard deviation 0.2, seven values of beta: the rate (KL
                in nats), the error of reconstructions (root mean square) and the active latents of 8
    width       one standard deviation for all pixels: learned by its closed form, fixed at that number, fixed at 0.2
    per pixel   a width for each pixel, predicted by the decoder: density on validation, and how much of it comes from
                pixels that are black in every picture; beside it a mixture of discretised logistics
    cures       a code that collapses because the likelihood is too wide (standard deviation 4), and three cures
    arc         points along half a circle and a decoder of one latent: a collapse that is an accident, and two cures
    plane       moons with two latents: where the codes lie, and what is decoded in the hole that they leave
    digits      8 x 8 digits with 16 latents, convolutions and five logistics a pixel: bounds and sharpness

Everything is trained with Adam (digits: AdamW), a cosine and a fixed number of steps. Bounds are nats an image, of
density for Gaussian pixels and of probability for levels. Writes results/vae_parts_<device>.json after every run.
"""

import json
import math
import time
from collections.abc import Callable

import torch
from _common import RESULTS, machine, read_options, step, store
from torch import Tensor

from course_utils import data, metrics, models, runtime
from course_utils.distributions import PixelFamily, discretized_logistic_mixture, gaussian
from course_utils.models.vae import free_bits, kl_to_prior

BETAS = (1 / 16, 1 / 4, 1, 4, 16, 64, 400)
LEVELS = discretized_logistic_mixture(levels=17, components=2)
FLOOR = 0.5  # nats that free bits leave to each latent


def fit(
    model: models.VAE,
    loss: Callable[[models.VAE, Tensor], Tensor],
    images: Tensor,
    steps: int,
    size: int = 50,
    rate: float = 3e-3,
    look: Callable[[], Tensor] | None = None,
) -> list[float]:
    """Train; returns what ``look`` gives every ten steps."""
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    seen = []
    for i, x in enumerate(data.batches(images, size, steps=steps)):
        step(optimizer, loss(model, x))
        schedule.step()
        if look is not None and i % 10 == 9:
            with torch.no_grad():
                seen.append(look().item())
    return seen


def negative_elbo(model: models.VAE, x: Tensor) -> Tensor:
    return -model.elbo(x).mean()


def dense(pixels: PixelFamily, seed: int, images: data.Images) -> models.VAE:
    """A small VAE without convolutions, eight latents."""
    runtime.seed_everything(seed)
    return models.VAE(images.shape, 8, (128, 64), pixels).to(images.train.device)


@torch.no_grad()
def elbo(model: models.VAE, x: Tensor, times: int = 20) -> float:
    """Mean over pictures, and over several codes for each."""
    return torch.stack([model.elbo(x).mean() for _ in range(times)]).mean().item()


@torch.no_grad()
def code(model: models.VAE, x: Tensor) -> dict[str, float]:
    """Rate in nats, root mean square error of reconstructions, active latents."""
    mu, log_var = model.encode(x)
    return {
        "rate": kl_to_prior(mu, log_var).sum(1).mean().item(),
        "rms": (model.decode(mu).mean - x).square().mean().sqrt().item(),
        "active": metrics.active_units(mu),
    }


def beta(seed: int, device: str) -> dict:
    moons, rows = data.moon_phases().to(device), {}
    for weight in BETAS:
        model, size = dense(gaussian(std=0.2), seed, moons), max(1, weight)  # gradients of one size, the same minimum
        fit(model, lambda model, x, w=weight, s=size: -model.elbo(x, w).mean() / s, moons.train, 400)
        rows[f"{weight:g}"] = code(model, moons.valid)
    return rows


def closed_form(model: models.VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """-ELBO with the best single variance for this batch, D/2 log(2 pi e m), and m, the mean squared error."""
    mu, log_var = model.encode(x)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
    m = (model.decode(z).mean - x).square().mean()
    nll = x[0].numel() / 2 * torch.log(2 * math.pi * math.e * m)
    return nll + kl_to_prior(mu, log_var).sum(1).mean(), m


def width(seed: int, device: str) -> dict:
    moons = data.moon_phases().to(device)
    learned = dense(gaussian(std=1.0), seed, moons)  # this standard deviation is not used yet
    fit(learned, lambda model, x: closed_form(model, x)[0], moons.train, 500)
    with torch.no_grad():
        sigma = closed_form(learned, moons.train)[1].sqrt().item()
    learned.pixels = gaussian(std=sigma)
    rows = {"sigma": sigma, "learned": elbo(learned, moons.valid)}
    for name, std in (("fixed at what was learned", sigma), ("fixed at 0.2", 0.2)):
        model = dense(gaussian(std=std), seed, moons)
        fit(model, negative_elbo, moons.train, 500)
        rows[name] = elbo(model, moons.valid)
    return rows


def per_pixel(seed: int, device: str) -> dict:
    moons, rows = data.moon_phases().to(device), {}
    dark = (moons.train == 0).all(0)  # (1, 16, 16)
    for name, pixels in (("a width for each pixel", gaussian()), ("levels", LEVELS)):
        model = dense(pixels, seed, moons)
        curve = fit(model, negative_elbo, moons.train, 400, look=lambda model=model: model.terms(moons.valid)[0].mean())
        with torch.no_grad():
            log_p = model.decode(model.encode(moons.valid)[0]).log_prob(moons.valid)
        rows[name] = {"curve": curve, "of_dark_pixels": log_p[:, dark].sum(1).mean().item()}
    return rows | {"dark_pixels": int(dark.sum())}


def price(kind: str, kl: Tensor, done: float) -> Tensor:
    """The KL term of the objective, as each cure has it; ``done`` is the share of the training that is over."""
    if kind == "free bits":
        return free_bits(kl, FLOOR)
    if kind == "free bits with min":  # the slip: charged below the floor, free above
        return kl.mean(0).clamp(max=FLOOR).sum()
    weight = min(1.0, 2 * done) if kind == "annealing" else 1.0
    return weight * kl.sum(1).mean()


def cured(kind: str, steps: int) -> Callable[[models.VAE, Tensor], Tensor]:
    """A loss that knows how far the training is."""
    count = iter(range(steps))

    def loss(model: models.VAE, x: Tensor) -> Tensor:
        log_likelihood, kl = model.terms(x)
        return price(kind, kl, next(count) / steps) - log_likelihood.mean()

    return loss


def cures(seed: int, device: str) -> dict:
    moons, rows = data.moon_phases().to(device), {}
    for kind in ("nothing", "annealing", "free bits", "free bits with min"):
        model = dense(gaussian(std=4.0), seed, moons)
        fit(model, cured(kind, 400), moons.train, 400)
        rows[kind] = code(model, moons.valid) | {"elbo": elbo(model, moons.valid)}
    return rows


def arc(seed: int, device: str) -> dict:
    world, generator, rows = data.spiral(arms=1, turns=0.5, std=0.15), torch.Generator().manual_seed(0), {}
    points, unseen = (world.sample(n, generator).to(device) for n in (5_000, 2_000))
    for kind in ("nothing", "annealing", "free bits"):
        runtime.seed_everything(seed)
        model = models.VAE((2,), 1, (64, 64), gaussian()).to(device)
        fit(model, cured(kind, 500), points, 500, size=200, rate=5e-3)
        with torch.no_grad():
            rows[kind] = {"elbo": elbo(model, unseen), "active": metrics.active_units(model.encode(unseen)[0])}
    return rows | {"world": world.log_prob(unseen.cpu()).mean().item()}


def disk(n: int, radius: float) -> Tensor:
    """n points (n, 2) spread evenly over a disk around 0."""
    generator = torch.Generator().manual_seed(0)
    distance = radius * torch.rand(n, generator=generator).sqrt()
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    return torch.stack([distance * angle.cos(), distance * angle.sin()], 1)


@torch.no_grad()
def hole(model: models.VAE, mu: Tensor) -> dict:
    """Where codes of real pictures lie, and what is decoded within 0.5 of the middle, and from random codes."""
    codes = mu.norm(dim=1)
    row = {
        "codes_nearer_than_half": (codes < 0.5).float().mean().item(),
        "codes_nearer_than_1": (codes < 1).float().mean().item(),
        "codes_farther_than_2": (codes > 2).float().mean().item(),
    }
    decoded = model.decode(disk(1_000, 0.5).to(mu)).mean
    distance, phase = data.nearest_moon(decoded)
    moon = distance < metrics.MOON_LIMIT
    named = (8 * phase[moon] + 0.5).floor().long() % 8
    row["hole_moons"], row["hole_phases"] = metrics.moon_scores(decoded)
    row["hole_commonest_phase"] = (torch.bincount(named, minlength=8).max() / len(decoded)).item()
    z = torch.randn(2_000, 2, generator=torch.Generator().manual_seed(2)).to(mu)
    moon, inside = metrics.is_moon(model.decode(z).mean), z.norm(dim=1) < 1
    row["random_moons_inside_1"] = moon[inside].float().mean().item()
    row["random_moons_outside_1"] = moon[~inside].float().mean().item()
    return row


def plane(seed: int, device: str) -> dict:
    moons = data.moon_phases().to(device)
    runtime.seed_everything(seed)
    model = models.VAE(moons.shape, 2, (128,), LEVELS, (16, 32)).to(device)
    fit(model, negative_elbo, moons.train, 600)
    with torch.no_grad():
        return hole(model, model.encode(moons.train)[0])


def sharpness(pictures: Tensor, real: Tensor) -> dict[str, float]:
    """Power of fine detail and contrast beside real pictures', and the one divided by the other."""
    fine = metrics.high_frequency_power
    power = (fine(pictures).mean() / fine(real).mean()).item()
    contrast = (pictures.var((2, 3)).mean() / real.var((2, 3)).mean()).item()
    return {"power": power, "contrast": contrast, "sharpness": metrics.sharpness(pictures, real)}


def digits(seed: int, device: str, steps: int = 2_000) -> dict:
    images = data.digits().to(device)
    runtime.seed_everything(seed)
    mixture = discretized_logistic_mixture(17, 5)
    model = models.VAE(images.shape, 16, hidden=(), channels=(64, 64), distribution=mixture).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for i, x in enumerate(data.batches(images.train, 25, steps=steps)):
        step(optimizer, negative_elbo(model, data.redraw_digits(x, share=1 - i / steps)))
        schedule.step()
    runtime.seed_everything(5)
    with torch.no_grad():
        weights = torch.cat([model.log_weights(images.valid, samples=50) for _ in range(2)])  # (100, N)
        bounds = {
            str(k): -(weights.view(100 // k, k, -1).logsumexp(1) - math.log(k)).mean().item() for k in (1, 5, 20, 100)
        }
        random = model.decode(torch.randn(500, 16).to(images.valid))
        pictures = {
            "reconstruction": model.decode(model.encode(images.valid)[0]).mean,
            "random code": random.mean,
            "random code, sampled": random.sample(),
        }
    return {"bounds": bounds} | {name: sharpness(x, images.valid) for name, x in pictures.items()}


EXPERIMENTS = {
    "beta": beta,
    "width": width,
    "per pixel": per_pixel,
    "cures": cures,
    "arc": arc,
    "plane": plane,
    "digits": digits,
}


def read(name: str) -> dict[str, dict]:
    """The experiments that are stored already."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def main() -> None:
    options = read_options(__doc__, "only", "seeds", "device", "again")
    name = f"vae_parts_{options.device}"
    for title, experiment in EXPERIMENTS.items():
        if options.only and title != options.only:
            continue
        runs = [] if options.again else read(name).get(title, {}).get("runs", [])
        for seed in range(len(runs), options.seeds):
            start = time.process_time()
            result = experiment(seed, options.device)
            runs.append({"seconds": time.process_time() - start} | result)
            rows = read(name) | {title: {"runs": runs, "machine": machine()}}
            store(name, {"rows": {key: rows[key] for key in EXPERIMENTS if key in rows}})
            print(title, seed, {key: value for key, value in runs[-1].items() if key != "levels"}, flush=True)
    print(f"stored in {RESULTS / name}.json")


if __name__ == "__main__":
    main()
