"""All autoregressive models of the course on digits(): parameters, seconds, nats and bits per dimension, three seeds.

    python benchmarks/digits.py [--only "Gated PixelCNN"] [--seeds 3] [--device cpu]

1,000 / 350 / 447 images of 8 x 8 pixels and 17 levels. Every model is trained in the same way as in notebook 03: a
mixture of five logistics, AdamW with a cosine, batches of 25, pictures redrawn (turned, stretched, with another pen)
with a probability that falls to zero; beyond the notebook, a running mean of the weights. The number of steps is set so
that each takes about a minute of one core. Of ten points of the training the one that is best on validation counts, for
the test, too. Seconds are those of the processor in training, without the evaluation. Writes
results/digits_<device>.json after every model, so that a run that is interrupted goes on where it was. Published: about
88.7 nats on validation (a causal convolution, Tomczak's intro_dgm, read off its curve).
"""

import json
import math
import statistics
import time

import torch
from _common import RESULTS, machine, read_options, store
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import data, models, runtime
from course_utils.distributions import bits_per_dim, categorical, discretized_logistic_mixture

SHAPE, LEVELS = (1, 8, 8), 17
FAMILY = discretized_logistic_mixture(LEVELS, 5)
MODELS = {  # how to make it, and the steps
    "FVSBN": (lambda: models.FVSBN(SHAPE, FAMILY), 6_000),
    "MADE": (lambda: models.MADE(SHAPE, (256,), FAMILY), 4_000),
    "Row LSTM": (lambda: models.RowLSTM(SHAPE, 32, 2, FAMILY), 3_000),
    "Diagonal BiLSTM": (lambda: models.DiagonalBiLSTM(SHAPE, 32, 2, FAMILY), 1_500),
    "PixelCNN": (lambda: models.PixelCNN(SHAPE, 32, 5, FAMILY), 3_500),
    "Gated PixelCNN": (lambda: models.GatedPixelCNN(SHAPE, 32, 5, FAMILY, 0.2), 3_000),
    "ImageGPT": (lambda: models.ImageGPT(SHAPE, 64, 3, 4, FAMILY, dropout=0.1), 1_200),
    # the Gated PixelCNN with one thing left out
    "Gated, no redrawing": (lambda: models.GatedPixelCNN(SHAPE, 32, 5, FAMILY, 0.2), 3_000),
    "Gated, no dropout": (lambda: models.GatedPixelCNN(SHAPE, 32, 5, FAMILY, 0.0), 3_000),
    "Gated, 17 logits": (lambda: models.GatedPixelCNN(SHAPE, 32, 5, categorical(LEVELS), 0.2), 3_000),
}


@torch.no_grad()
def nats(model: torch.nn.Module, x: Tensor) -> float:
    model.eval()
    return -model.log_prob(x).mean().item()


def run(make, steps: int, seed: int, images: data.Images, redrawn: bool) -> dict[str, float]:
    """Train once; nats of the best point on validation, and its test."""
    runtime.seed_everything(seed)
    device = images.train.device
    model = make().to(device)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(model.parameters(), 0.003, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, seconds, start = {"valid": math.inf}, 0.0, time.process_time()
    for i, x in enumerate(data.batches(images.train, 25, steps=steps)):
        with runtime.autocast(device):
            loss = -model.log_prob(data.redraw_digits(x, redrawn * (1 - i / steps))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        if (i + 1) % (steps // 10) == 0:
            seconds += time.process_time() - start
            valid = nats(average.module, images.valid)
            if valid < best["valid"]:
                best = {"valid": valid, "steps": i + 1, "train": nats(average.module, images.train)}
                best["test"] = nats(average.module, images.test)
            start = time.process_time()
    return best | {"seconds": seconds}


def main() -> None:
    options = read_options(__doc__, "only", "seeds", "device", "again")

    name, images = f"digits_{options.device}", data.digits().to(options.device)
    path = RESULTS / f"{name}.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else {}
    for title, (make, steps) in MODELS.items():
        if options.only and title != options.only:
            continue
        if title in rows and not options.again:
            print(f"{title:<20}stored already; --again repeats it")
            continue
        redrawn = title != "Gated, no redrawing"
        runs = [run(make, steps, seed, images, redrawn) for seed in range(options.seeds)]
        parameters = sum(p.numel() for p in make().parameters())
        native = isinstance(runtime.autocast(options.device), torch.autocast)
        where = machine() | {"native_bfloat16": native}
        rows[title] = {"parameters": parameters, "steps": steps, "runs": runs, "machine": where}
        store(name, {"rows": {key: rows[key] for key in MODELS if key in rows}})
        mean = {key: statistics.mean(r[key] for r in runs) for key in ("train", "valid", "test", "seconds")}
        spread = " ".join(f"{r['valid']:.1f}" for r in runs)
        print(
            f"{title:<20}{parameters:>10,} parameters · {mean['seconds']:4.0f} s · train {mean['train']:5.1f} · "
            f"validation {mean['valid']:5.1f} ({spread}) · test {mean['test']:5.1f} nats · "
            f"{bits_per_dim(mean['valid'], 64):.2f} bits/dim",
            flush=True,
        )
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
