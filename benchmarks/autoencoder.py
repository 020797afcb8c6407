"""What lies between two codes of an autoencoder, and what random codes become: size, depth, steps, noise. Three seeds.

    python benchmarks/autoencoder.py [--only "8 numbers"] [--seeds 3] [--threads 1] [--device cpu]

The dense autoencoder of 05_autoencoder, trained as there (squared error, Adam at 0.002, batches of 50), with codes of
2, 4 and 8 numbers, with one hidden layer or three, for fewer and more steps, with noise in the input and in the code.

Measured on 200 moons of the validation set and on the 32 pairs of `moon_walk`, with what `metrics.is_moon` calls a
moon. Pictures are clamped to 0 ... 1 first; shares of unclamped ones are stored as well. `relative` is the distance to
the nearest drawn moon divided by the standard deviation of the picture's own pixels, a measure that is not lenient to
dark pictures. Random codes: from N(0, I), from the smallest box that holds the training codes, from the Gaussian with
their mean and covariance, and from mixtures of 10 and 40 Gaussians fitted to them.

Shares are from 0 to 1, errors are squared errors summed over the pixels, phases periods. Writes
results/autoencoder_<device>.json after every run, so that what is interrupted goes on where it was.
"""

import time
from typing import NamedTuple

import torch
from _common import RESULTS, machine, read_options, step, store
from moon_walk import ends, interpolation, read
from sklearn.mixture import GaussianMixture
from torch import Tensor

from course_utils import data, metrics, models, runtime

CODES = 1_000  # random codes of each kind
INPUT_NOISE, CODE_NOISE = 0.3, 1.0  # standard deviations, in grey values and in units of the code
LIMITS = (0.05, 0.07, 0.08, 0.1)  # of the distance to a moon
RELATIVE = 0.2  # of the distance divided by the picture's contrast


class Setting(NamedTuple):
    """Size of the code, hidden layers, steps, and where there is noise: nowhere, in the input or in the code."""

    latent: int
    hidden: tuple[int, ...] = (256, 128)
    steps: int = 1_500
    noise: str = ""


SETTINGS = {
    "2 numbers": Setting(2),
    "4 numbers": Setting(4),
    "8 numbers": Setting(8),
    "8 numbers, noisy input": Setting(8, noise="input"),
    "8 numbers, noisy code": Setting(8, noise="code"),
    "8 numbers, one layer": Setting(8, hidden=(128,)),
    "8 numbers, three layers": Setting(8, hidden=(256, 128, 32)),
    "2 numbers, 500 steps": Setting(2, steps=500),
    "8 numbers, 500 steps": Setting(8, steps=500),
    "2 numbers, 4,000 steps": Setting(2, steps=4_000),
    "8 numbers, 4,000 steps": Setting(8, steps=4_000),
}


def objective(model: models.AutoEncoder, x: Tensor, noise: str) -> Tensor:
    """Squared error of one batch, with the noise where it belongs."""
    z = model.encode(x + INPUT_NOISE * torch.randn_like(x) if noise == "input" else x)
    x_hat = model.decode(z + CODE_NOISE * torch.randn_like(z) if noise == "code" else z)
    return squared_error(x_hat, x).mean()


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """|x_hat - x|^2, shape (B,)."""
    return (x_hat - x).square().flatten(1).sum(1)


def train(setting: Setting, seed: int, images: data.Images) -> tuple[models.AutoEncoder, list[float], float]:
    """The model, the standard deviation of the training codes every ten steps, and the seconds it took."""
    runtime.seed_everything(seed)
    model = models.AutoEncoder(images.shape, setting.latent, setting.hidden).to(images.train.device)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    spread, start = [], time.process_time()
    for i, x in enumerate(data.batches(images.train, 50, steps=setting.steps)):
        step(optimizer, objective(model, x, setting.noise))
        if setting.steps == 1_500 and i % 10 == 9:
            with torch.no_grad():
                spread.append(model.encode(images.train).std(0).mean().item())
    return model, spread, time.process_time() - start


def shares(x: Tensor) -> dict:
    """Moons among decoded pictures (N, 1, 16, 16): clamped, with phases; at other limits; unclamped; by contrast."""
    seen = x.clamp(0, 1)
    distance = data.nearest_moon(seen)[0]
    share, phases = metrics.moon_scores(seen)
    return {
        "moons": share,
        "phases": phases,
        "at_limits": [(distance < limit).float().mean().item() for limit in LIMITS],
        "unclamped": metrics.is_moon(x).float().mean().item(),
        "relative": (distance < RELATIVE * seen.flatten(1).std(1)).float().mean().item(),
    }


def random_codes(z: Tensor, seed: int, mixtures: bool) -> dict[str, Tensor]:
    """Codes of each kind, from those of the training pictures (N, Z)."""
    generator = torch.Generator().manual_seed(2)
    normal = torch.randn(CODES, z.shape[1], generator=generator).to(z)
    uniform = torch.rand(CODES, z.shape[1], generator=generator).to(z)
    low, high = z.amin(0), z.amax(0)
    root = torch.linalg.cholesky(torch.cov(z.T))
    found = {"prior": normal, "box": low + (high - low) * uniform, "fitted": z.mean(0) + normal @ root.T}
    for k in (10, 40) if mixtures else ():
        density = GaussianMixture(k, random_state=seed).fit(z.double().cpu().numpy())
        found[f"mixture_{k}"] = torch.from_numpy(density.sample(CODES)[0]).to(z)
    return found


@torch.no_grad()
def measure(model: models.AutoEncoder, setting: Setting, seed: int, images: data.Images) -> dict:
    """Reconstructions of validation, interpolations, and random codes."""
    first, last, phases = (part.to(images.train.device) for part in ends())
    x, z = images.valid, model.encode(images.train)
    returned = model(x)
    noise = INPUT_NOISE * torch.randn(x.shape, generator=torch.Generator().manual_seed(5)).to(x)
    variances = torch.linalg.eigvalsh(torch.cov(z.T))
    row = {
        "error": squared_error(returned, x).mean().item(),
        "error_of_noisy": squared_error(model(x + noise), x).mean().item(),
        "returned": shares(returned),
        "code_spread": z.std(0).mean().item(),
        "directions": int((variances > 0.01 * variances.sum()).sum()),
    }
    walk = metrics.moon_walk(lambda c: model.decode(c).clamp(0, 1), model.encode(first), model.encode(last), phases)
    row |= interpolation(walk)
    row["distance_along"] = walk.distance.mean(0).tolist()
    row["moons_along"] = (walk.distance < metrics.MOON_LIMIT).float().mean(0).tolist()
    raw = metrics.moon_walk(model.decode, model.encode(first), model.encode(last), phases)  # not clamped yet
    row["between"] = shares(raw.pictures[:, 1:-1].flatten(0, 1))
    mixtures = not setting.noise and setting.steps == 1_500
    row |= {kind: shares(model.decode(c)) for kind, c in random_codes(z, seed, mixtures).items()}
    return row


@torch.no_grad()
def references(images: data.Images) -> dict[str, dict]:
    """The same measures of real moons, of a cross-fade of the pixels, and of averages of two training pictures."""
    first, last, phases = ends()
    fade = metrics.moon_walk(lambda v: v.view(-1, 1, 16, 16), first.flatten(1), last.flatten(1), phases)
    pairs = torch.randint(len(images.train), (2, CODES), generator=torch.Generator().manual_seed(2))
    return {
        "real moons": shares(images.valid),
        "averages of two": shares(images.train[pairs].mean(0)),
        "cross-fade of pixels": interpolation(fade)
        | {"between": shares(fade.pictures[:, 1:-1].flatten(0, 1)), "distance_along": fade.distance.mean(0).tolist()},
    }


def main() -> None:
    options = read_options(__doc__, "only", "seeds", "device", "again")
    name, images = f"autoencoder_{options.device}", data.moon_phases()
    known = references(images)
    images = images.to(options.device)
    for title, setting in SETTINGS.items():
        if options.only and title != options.only:
            continue
        runs = [] if options.again else read(name).get(title, {}).get("runs", [])
        for seed in range(len(runs), options.seeds):
            model, spread, seconds = train(setting, seed, images)
            runs.append({"seconds": seconds} | measure(model, setting, seed, images) | {"spread": spread})
            rows = read(name) | {title: setting._asdict() | {"runs": runs, "machine": machine()}}
            store(name, {"references": known, "rows": {key: rows[key] for key in SETTINGS if key in rows}})
        tell(title, read(name)[title]["runs"])
    print(f"stored in {RESULTS / name}.json")


def tell(title: str, runs: list[dict]) -> None:
    """One line: shares of moons in per cent, seed by seed."""

    def of(value) -> str:
        return " ".join(f"{100 * value(run):.0f}" for run in runs)

    kinds = ("returned", "between", "prior", "box", "fitted", "mixture_40")
    found = " · ".join(f"{kind} {of(lambda run, kind=kind: run[kind]['moons'])}" for kind in kinds if kind in runs[0])
    errors = " ".join(f"{run['error']:.2f}" for run in runs)
    print(f"{title:<24} error {errors} · moons, %: {found}", flush=True)


if __name__ == "__main__":
    main()
