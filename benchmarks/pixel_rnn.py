"""What recurrent networks see and what it is worth: two worlds, a leak, and completions of digits. Three seeds each.

    python benchmarks/pixel_rnn.py [--only digits] [--seeds 3] [--threads 1] [--again]

    worlds    the gap to a known entropy where only near pixels matter, and where four pixels copy distant ones; in the
              row "…, twice the rate" eight seeds
    leak      a Diagonal BiLSTM whose second direction is not moved down, beside the sound one, on the near world
    digits    both networks on 8 x 8 digits: what the rest of a validation picture costs once its first k pixels are
              given, its own endings, the rest under another picture's beginning, and argmax beside sampling

Costs are nats a picture, shares from 0 to 1. Everything is measured on pictures that no network was trained on; of the
digits, on validation. Writes results/pixel_rnn_cpu.json after every run; an interrupted one goes on where it was.
"""

import json
import math

import torch
from _common import RESULTS, machine, read_options, step, store
from torch import Tensor

from course_utils import data, distributions, models, runtime

LOG_2 = math.log(2)
KNOWN = (0, 1, 2, 8, 16, 32)  # pixels given
FEW = (0, 16, 32)  # of these the network's own endings and argmax, too


def far_pictures(n: int, generator: torch.Generator) -> Tensor:
    """Two rows of eight fair coins, but the left half of the second row repeats the right half of the first."""
    x = torch.randint(2, (n, 1, 2, 8), generator=generator).float()
    x[:, :, 1, :4] = x[:, :, 0, 4:]
    return x


def make(name: str, shape, channels: int, layers: int, family=None) -> torch.nn.Module:
    """A fresh network by its name; "paper's map" has no column right of the picture, "not moved down" leaks."""
    kind = models.RowLSTM if name.startswith("Row LSTM") else models.DiagonalBiLSTM
    model = kind(shape, channels, layers, family)
    if "paper's map" in name:
        model.beyond = 0
    if "not moved down" in name:
        for layer in model.layers:
            layer.merge = lambda left, right: left + right
    return model


def fit(model: torch.nn.Module, images: Tensor, steps: int, lr: float, batch: int = 50) -> torch.nn.Module:
    """Adam with a rate that falls to 0 along a cosine."""
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for x in data.batches(images, batch, steps=steps):
        step(optimizer, -model.log_prob(x).mean())
        schedule.step()
    return model


@torch.no_grad()
def gap(model: torch.nn.Module, images: Tensor, best: Tensor) -> float:
    """Mean of log p - log q in nats, where ``best`` is log p of each picture."""
    return (best - model.log_prob(images)).double().mean().item()


# ---- two worlds, and a leak ------------------------------------------------------------------------------------------


def near_world(name: str, seed: int, steps: int = 150) -> tuple[torch.nn.Module, float, Tensor]:
    """A network of one layer trained on `mesh()`, its gap to the entropy, and the pictures that it was measured on."""
    mesh, generator = data.mesh((1, 8, 8)), torch.Generator().manual_seed(0)
    train, new = mesh.sample(10_000, generator), mesh.sample(4_000, generator)
    runtime.seed_everything(seed)
    model = fit(make(name, mesh.shape, 12, 1), train, steps, lr=0.02)
    return model, gap(model, new, mesh.log_prob(new)), new


def far_world(name: str, seed: int, lr: float = 0.01) -> float:
    """The gap of a network of two layers, in coins, that is in log 2."""
    generator = torch.Generator().manual_seed(0)
    train, new = far_pictures(10_000, generator), far_pictures(2_000, generator)
    runtime.seed_everything(seed)
    model = fit(make(name, (1, 2, 8), 24, 2), train, 250, lr)
    return gap(model, new, torch.full((len(new),), -12 * LOG_2)) / LOG_2


def leak(name: str, seed: int) -> dict[str, float]:
    """Gap, share of pixels predicted right given true pictures, and 100 samples from nothing."""
    model, nats, new = near_world(name, seed, steps=100)
    with torch.no_grad():
        right = (model.conditionals(new).mode == new).float().mean().item()
    drawn = model.sample(100, cached=False)  # the incremental form is made for the sound one
    return {
        "gap": nats,
        "right": right,
        "different": len(torch.unique(drawn, dim=0)),
        "white": drawn.mean().item(),
        "white_of_true": new.mean().item(),
    }


# ---- digits ----------------------------------------------------------------------------------------------------------


def first(k: int, shape=(1, 8, 8)) -> Tensor:
    """bool (1, H, W): the first k pixels in the order of reading."""
    return (torch.arange(math.prod(shape)) < k).view(shape)


def rest(terms: Tensor, k: int) -> Tensor:
    """Nats (B,) of what comes after the first k pixels, from log p of each pixel (B, 1, H, W)."""
    return -(terms * ~first(k)).flatten(1).sum(1).double()


def mean_error(values: Tensor) -> list[float]:
    """Mean and standard error."""
    return [values.mean().item(), (values.std() / math.sqrt(len(values))).item()]


@torch.no_grad()
def argmax(model: torch.nn.Module, x: Tensor, known: Tensor) -> Tensor:
    """Keep the known pixels and give each other one its most probable level, in order."""
    x = torch.where(known, x, 0)
    answer = model.incremental(x)
    for c, h, w in model.schedule():
        x[:, c, h, w] = torch.where(known[c, h, w], x[:, c, h, w], answer(c, h, w).mode)
    return x


def pixel_entropy(x: Tensor, levels: int = 17) -> float:
    """How much a pixel varies over pictures (N, pixels), in nats."""
    index = (x * (levels - 1)).round()
    p = torch.stack([(index == k).float().mean(0) for k in range(levels)])
    return 0.0 - torch.xlogy(p, p).sum(0).mean().item()


@torch.no_grad()
def facts(model: torch.nn.Module, x: Tensor, real: Tensor, k: int) -> dict[str, float]:
    """Of the unknown part: how many are different, ink, pixel entropy, share of pixels as in the real one, nats."""
    unknown, truth = x[:, ~first(k)], real[:, ~first(k)]
    return {
        "different": len(torch.unique(unknown, dim=0)),
        "ink": unknown.mean().item(),
        "entropy": pixel_entropy(unknown),
        "as_real": (unknown == truth).float().mean().item(),
        "nats": rest(model.pixel_log_probs(x), k).mean().item(),
    }


def independent(images: data.Images) -> Tensor:
    """log p of the validation pixels (B, 1, 8, 8), each pixel's levels counted on its own."""
    level = (images.train * 16).round().long()
    counts = torch.stack([(level == k).sum(0) + 1 for k in range(17)], -1)
    return distributions.Categorical(counts.double().log()).log_prob(images.valid)


def digits(name: str, seed: int, steps: int = 200, endings: tuple[int, ...] = FEW) -> dict:
    """Train one network and measure everything about its completions."""
    images = data.digits()
    valid, family = images.valid, distributions.categorical(17)
    runtime.seed_everything(seed)
    model = make(name, images.shape, 32, 3 if name == "Row LSTM" else 2, family)
    runtime.seed_everything(seed)
    fit(model, images.train, steps, lr=0.01)
    with torch.no_grad():
        terms = model.pixel_log_probs(valid)
        on_train = mean_error(-model.log_prob(images.train).double())
        stranger = {k: torch.where(first(k), valid.roll(1, 0), valid) for k in KNOWN}
        strange = {k: rest(model.pixel_log_probs(x), k) - rest(terms, k) for k, x in stranger.items()}
    row = {
        "train": on_train,
        "valid": mean_error(rest(terms, 0)),
        "rest": {k: mean_error(rest(terms, k)) for k in KNOWN},
        "stranger": {k: mean_error(extra) for k, extra in strange.items()},
        "endings": {},
    }
    for k in endings:
        runtime.seed_everything(seed)
        sampled, greedy = model.complete(valid, first(k)), argmax(model, valid, first(k))
        with torch.no_grad():
            own = rest(model.pixel_log_probs(sampled), k)
        row["endings"][k] = {
            "own": mean_error(own),
            "real_more": mean_error(rest(terms, k) - own),
            "real": facts(model, valid, valid, k),
            "sampled": facts(model, sampled, valid, k),
            "argmax": facts(model, greedy, valid, k),
            "black": facts(model, valid * first(k), valid, k),
        }
    if 0 in endings:
        cost = row["endings"][0]["argmax"]["nats"]
        row["cheaper_than_argmax"] = int((rest(terms, 0) < cost).sum())
    return row


# ---- what is run -----------------------------------------------------------------------------------------------------

ROWS = {
    "far, Row LSTM": lambda seed: {"coins": far_world("Row LSTM", seed)},
    "far, Diagonal BiLSTM": lambda seed: {"coins": far_world("Diagonal BiLSTM", seed)},
    "far, Diagonal BiLSTM, paper's map": lambda seed: {"coins": far_world("Diagonal BiLSTM, paper's map", seed)},
    "far, Diagonal BiLSTM, twice the rate": lambda seed: {"coins": far_world("Diagonal BiLSTM", seed, lr=0.02)},
    "near, Row LSTM": lambda seed: {"nats": near_world("Row LSTM", seed)[1]},
    "near, Diagonal BiLSTM": lambda seed: {"nats": near_world("Diagonal BiLSTM", seed)[1]},
    "leak, moved down": lambda seed: leak("Diagonal BiLSTM", seed),
    "leak, not moved down": lambda seed: leak("Diagonal BiLSTM, not moved down", seed),
    "digits, Row LSTM": lambda seed: digits("Row LSTM", seed),
    "digits, Diagonal BiLSTM": lambda seed: digits("Diagonal BiLSTM", seed),
}


def main() -> None:
    options, name = read_options(__doc__, "only", "seeds", "again"), "pixel_rnn_cpu"
    path = RESULTS / f"{name}.json"
    for title, run in ROWS.items():
        if options.only not in title:
            continue
        stored = json.loads(path.read_text())["rows"] if path.exists() else {}
        runs = [] if options.again else stored.get(title, {}).get("runs", [])
        for seed in range(len(runs), 8 if title.endswith("twice the rate") else options.seeds):
            runs.append(run(seed))
            stored = json.loads(path.read_text())["rows"] if path.exists() else {}
            rows = stored | {title: {"runs": runs, "machine": machine()}}
            store(name, {"rows": {key: rows[key] for key in ROWS if key in rows}})
            print(title, seed, json.dumps(runs[-1])[:150], flush=True)
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
