"""Train the digit classifier whose features the course measures pictures with: its accuracy, and its weights.

    python benchmarks/classifier.py

1,000 training pictures of digits(), redrawn (turned, stretched, with another pen) with a probability that falls to
zero; AdamW with a cosine, and a running mean of the weights. The last weights are kept, whatever they score: nothing is
chosen by the held-out pictures, which are by other hands. Beside it the nearest training picture's class, by pixels.
Writes results/digit_classifier_cpu.json and course_utils/weights/digit_classifier.safetensors, the same file on every
run with the same torch and processor. It is that of seed 0; the other two seeds are trained to know the spread.
"""

import os
import statistics
import time

import torch
import torch.nn.functional as F
from _common import machine, read_options, store
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import data, metrics, runtime
from course_utils.models import DigitClassifier
from course_utils.models.digit_classifier import WEIGHTS

STEPS, BATCH, RATE = 4_000, 50, 0.003


def train(seed: int, images: data.Images) -> tuple[DigitClassifier, float]:
    """The averaged classifier, and the seconds of the processor."""
    runtime.seed_everything(seed)
    model = DigitClassifier(images.shape)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    start = time.process_time()
    for i in range(STEPS):
        chosen = torch.randint(len(images.train), (BATCH,))
        x = data.redraw_digits(images.train[chosen], 1 - i / STEPS)
        loss = F.cross_entropy(model(x), images.train_labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
    return average.module.eval().requires_grad_(False), time.process_time() - start


def accuracy(model: DigitClassifier, x: Tensor, labels: Tensor) -> float:
    """Share of the pictures whose likeliest class is the right one."""
    return (model(x).argmax(1) == labels).double().mean().item()


def by_nearest_picture(images: data.Images, x: Tensor, labels: Tensor) -> float:
    """The same for the class of the nearest training picture."""
    return (images.train_labels[metrics.nearest(x, images.train).index] == labels).double().mean().item()


def save(model: DigitClassifier) -> None:
    """Write the weights whole or not at all."""
    WEIGHTS.parent.mkdir(exist_ok=True)
    unfinished = WEIGHTS.with_suffix(f".{os.getpid()}.tmp")
    save_file(model.state_dict(), unfinished, {"made_by": "python benchmarks/classifier.py"})
    unfinished.chmod(0o644)  # safetensors lets nobody else read what it writes
    unfinished.replace(WEIGHTS)


def main() -> None:
    options = read_options(__doc__, "seeds")
    images, runs = data.digits(), []
    splits = {name: (getattr(images, name), getattr(images, f"{name}_labels")) for name in ("train", "valid", "test")}
    for seed in range(options.seeds):
        model, seconds = train(seed, images)
        if seed == 0:
            save(model)
        runs.append({name: accuracy(model, *split) for name, split in splits.items()} | {"seconds": seconds})
        print(f"seed {seed} · " + " · ".join(f"{key} {value:.4g}" for key, value in runs[-1].items()), flush=True)
    nearest = {name: by_nearest_picture(images, *splits[name]) for name in ("valid", "test")}
    mean = {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
    parameters = sum(p.numel() for p in model.parameters())
    result = {"parameters": parameters, "steps": STEPS, "batch": BATCH, "runs": runs, "mean": mean}
    store("digit_classifier_cpu", result | {"nearest_picture": nearest, "kept": 0, "machine": machine()})
    print(
        f"mean   · {mean['valid']:.1%} valid, {mean['test']:.1%} test · {parameters:,} parameters · nearest {nearest}"
    )


if __name__ == "__main__":
    main()
