"""The VAE of the course on digits(), each of its parts changed in turn: parameters, seconds, both bounds, three seeds.

    python benchmarks/vae.py [--only "dense"] [--seeds 3] [--threads 1] [--device cpu] [--data digits]

digits: 1,000 / 350 / 447 images of 8 x 8 pixels and 17 levels. The first row is the model of notebook 07; each of the
others differs from it in what its name says. All are trained with AdamW and a cosine, a running mean of the weights,
and pictures redrawn (turned, stretched, with another pen) with a probability that falls to zero. Of ten points of the
training the one with the best bound on validation counts, for the test, too; the bound is the one that was trained
(the ELBO, or that of several importance weights). Published: an ELBO of about 100.5 nats on validation (Tomczak's
intro_dgm, read off its curve).

binarized_mnist: the network of the IWAE paper's table 3 (one layer of 50 latents, two dense ones of 200 units), for a
GPU. Its figures with k = 1 / 5 / 50 draws at test time k = 5,000: VAE 88.71 / 88.83 / 89.05, IWAE 88.71 / 87.63 / 87.10
(Burda et al., arXiv 1509.00519). Ours differs in the activation (SiLU for tanh), the optimiser and the schedule.

All figures are nats an image, lower is better. Seconds are those of the processor in training, without the evaluation
(on a GPU, of the clock). Writes results/vae_<data>_<device>.json after every run, so that what is interrupted goes on
where it was.
"""

import copy
import json
import math
import statistics
import time
from functools import partial
from typing import NamedTuple

import torch
from _common import RESULTS, machine, read_options, store
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import data, models, runtime
from course_utils.distributions import PixelFamily, bernoulli, categorical, discretized_logistic_mixture

MIXTURE = discretized_logistic_mixture(17, 5)
AT_A_TIME = 2**16  # pixels to evaluate at a time: what stays in a processor's cache took a third of the time
ACTIVE = 0.01  # a latent is used if the variance of its mean over the images is larger (Burda et al., arXiv 1509.00519)


class Setting(NamedTuple):
    """The network, and how it is trained. The defaults are the model of notebook 07."""

    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = (64, 64)
    latent: int = 16
    pixels: PixelFamily = MIXTURE
    steps: int = 4_000
    batch: int = 25
    rate: float = 0.003
    redrawn: bool = True
    weights: int = 1  # importance weights in training; 1 is the ELBO


RECIPE = Setting()
BURDA = Setting((200, 200), (), 50, bernoulli(), 200_000, 100, 0.001, False)
SETTINGS = {
    "digits": {
        "VAE": RECIPE,
        "no redrawing": RECIPE._replace(redrawn=False),
        "dense": RECIPE._replace(hidden=(256, 256), channels=()),
        "17 logits": RECIPE._replace(pixels=categorical(17)),
        "IWAE, 5 weights": RECIPE._replace(weights=5),  # as many steps, not seconds
        "17 logits, no redrawing": RECIPE._replace(pixels=categorical(17), redrawn=False),
        "dense, 17 logits, no redrawing": RECIPE._replace(
            hidden=(256, 256), channels=(), pixels=categorical(17), redrawn=False
        ),
        "a dense layer between": RECIPE._replace(hidden=(256,)),
        "2 latents": RECIPE._replace(latent=2),
        "32 latents": RECIPE._replace(latent=32),
    },
    "binarized_mnist": {
        "VAE": BURDA,
        "IWAE, 5 weights": BURDA._replace(weights=5),
        "IWAE, 50 weights": BURDA._replace(weights=50),
    },
}
FINAL_WEIGHTS = {"digits": 500, "binarized_mnist": 5_000}
NOTES = {
    "digits": "the first row was chosen among 22 settings (sizes, likelihood, rates, warm-up, importance weights) by "
    "their ELBO on validation, one seed each, which makes that figure a little too good; nothing was chosen on test, "
    "and the other rows were not tuned for themselves",
    "binarized_mnist": "nothing was tried out; the point of the training is chosen on validation",
}


@torch.no_grad()
def nats(model: models.VAE, x: Tensor, weights: int, times: int) -> float:
    """-ELBO (1 weight), or minus the importance-weighted bound, over ``times`` evaluations."""
    model.eval()
    bound = model.elbo if weights == 1 else partial(model.log_prob, samples=weights)
    return -statistics.mean(bound(part).mean().item() for _ in range(times) for part in x.split(2_000))


@torch.no_grad()
def bounds(model: models.VAE, x: Tensor, weights: int) -> dict[str, float]:
    """-ELBO with the standard error that its draws leave, and minus the importance-weighted bound of the same draws."""
    model.eval()
    few = max(1, AT_A_TIME // (weights * x[0].numel()))
    log_weights = torch.cat([model.log_weights(part, weights) for part in x.split(few)], 1)  # (K, N)
    elbo = log_weights.mean(1)  # of each draw
    iwae = (log_weights.logsumexp(0) - math.log(weights)).mean()
    error = elbo.std() / math.sqrt(weights)
    return {"elbo": -elbo.mean().item(), "elbo_se": error.item(), "iwae": -iwae.item()}


@torch.no_grad()
def active_units(model: models.VAE, x: Tensor) -> int:
    """How many latents the code uses: those with Var_x(E_q[z|x]) > 0.01."""
    return int((model.encode(x)[0].var(0) > ACTIVE).sum())


def make(setting: Setting, shape: tuple[int, ...]) -> models.VAE:
    """A fresh network."""
    return models.VAE(shape, setting.latent, setting.hidden, setting.pixels, setting.channels)


def train(setting: Setting, seed: int, images: data.Images) -> tuple[models.VAE, int, float]:
    """The running mean of the weights at the best of ten points on validation, its step, and the seconds it took."""
    runtime.seed_everything(seed)
    device, steps = images.train.device, setting.steps
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    model = make(setting, images.shape).to(device)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(model.parameters(), setting.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    times = max(1, 5_600 // len(images.valid))  # few pictures need more draws of z each
    best, lowest, at, seconds, start = model, math.inf, 0, 0.0, clock()
    for i, x in enumerate(data.batches(images.train, setting.batch, steps=steps)):
        if setting.redrawn:
            x = data.redraw_digits(x, 1 - i / steps)
        loss = -(model.elbo(x) if setting.weights == 1 else model.log_prob(x, setting.weights)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        if (i + 1) % (steps // 10) == 0:
            seconds += clock() - start
            valid = nats(average.module, images.valid, setting.weights, times)
            if valid < lowest:
                best, lowest, at = copy.deepcopy(average.module), valid, i + 1
            start = clock()
    return best, at, seconds


def run(setting: Setting, seed: int, images: data.Images, weights: int) -> dict[str, float]:
    """Train once: both bounds on validation and test, the KL divergence within the ELBO, and the latents in use."""
    model, at, seconds = train(setting, seed, images)
    row = {"steps": at, "seconds": seconds, "active": active_units(model, images.valid)}
    row["train_elbo"] = nats(model, images.train, 1, 16)
    for split in ("valid", "test"):
        x = getattr(images, split)
        row |= {f"{split}_{key}": value for key, value in bounds(model, x, weights).items()}
        with torch.no_grad():
            row[f"{split}_kl"] = models.vae.kl_to_prior(*model.encode(x)).sum(-1).mean().item()
    return row


def read(name: str) -> dict[str, dict]:
    """The rows that are stored already."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def main() -> None:
    own = {"data": {"choices": SETTINGS, "default": "digits"}}
    options = read_options(__doc__, "only", "seeds", "device", "again", own=own)

    name, images = f"vae_{options.data}_{options.device}", getattr(data, options.data)().to(options.device)
    settings, weights = SETTINGS[options.data], FINAL_WEIGHTS[options.data]
    for title, setting in settings.items():
        if options.only and title != options.only:
            continue
        runs = [] if options.again else read(name).get(title, {}).get("runs", [])
        for seed in range(len(runs), options.seeds):
            runs.append(run(setting, seed, images, weights))
            parameters = sum(p.numel() for p in make(setting, images.shape).parameters())
            row = {"parameters": parameters, "steps": setting.steps, "runs": runs, "machine": machine()}
            rows = read(name) | {title: row}  # read again: another process may have added to it
            store(name, {"note": NOTES[options.data], "rows": {key: rows[key] for key in settings if key in rows}})
        tell(title, read(name)[title], weights)
    print(f"stored in {RESULTS / name}.json")


def tell(title: str, row: dict, weights: int) -> None:
    """One line: means over the seeds, and in brackets the seeds themselves."""
    mean = {key: statistics.mean(run[key] for run in row["runs"]) for key in row["runs"][0]}
    spread = {key: " ".join(f"{run[key]:.1f}" for run in row["runs"]) for key in ("valid_elbo", "valid_iwae")}
    print(
        f"{title:<31}{row['parameters']:>9,} parameters · {mean['seconds']:4.0f} s · train {mean['train_elbo']:5.1f} · "
        f"ELBO validation {mean['valid_elbo']:6.2f} ({spread['valid_elbo']}) test {mean['test_elbo']:6.2f} · "
        f"IWAE-{weights} validation {mean['valid_iwae']:6.2f} ({spread['valid_iwae']}) test {mean['test_iwae']:6.2f} · "
        f"KL {mean['valid_kl']:4.1f} · {mean['active']:.1f} active",
        flush=True,
    )


if __name__ == "__main__":
    main()
