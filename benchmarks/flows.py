"""Flows: what RealNVP's halves save, and what the density of FlowMatching costs with a trace that is estimated.

    python benchmarks/flows.py [--pairs 15] [--only RealNVP]

RealNVP beside the usual way to write it: networks as wide as the picture, with half of what goes in and of what comes
out masked away. Same couplings, same hidden units; log_prob, sample and a step of Adam are timed in turns, by the
processor's clock. Where zuko is installed, its flow of this kind is a third: it selects halves, too, so it has as many
weights. (It is no dependency; ``pip install --no-deps --target DIR zuko`` and PYTHONPATH=DIR will do.)

FlowMatching: processor seconds an image of ``log_prob(x, probes=1)`` with the default solver, on digits of 8 x 8 and on
the same enlarged to 28 x 28. One of its 80 evaluations of field and trace is timed beside one with the exact trace, of
which a whole path would take minutes. How far estimates spread: their standard deviation over 16 probes, for each of
five pictures, by models that were trained for 300 steps. On the plane: how far 20 steps of rk4 are from 100, at points
of two moons.

Writes results/flows_cpu.json; with --only nothing.
"""

import importlib.util
import time

import torch
import torch.nn.functional as F
from _common import in_turns, machine, read_options, step, store
from torch import Tensor, nn

from course_utils import data, runtime
from course_utils.models import FlowMatching, RealNVP
from course_utils.models.base import perceptron
from course_utils.models.real_nvp import mask

ROWS = {  # shape, couplings, hidden units, feature maps, batch, calls that are timed at once
    "points": ((2,), 8, (64, 64), (), 256, 8),
    "8 x 8": ((1, 8, 8), 8, (128,), (), 100, 8),
    "28 x 28": ((1, 28, 28), 8, (256,), (), 64, 2),
    "28 x 28, convolutions": ((1, 28, 28), 4, (), (16, 16), 16, 2),
}


class UsualRealNVP(nn.Module):
    """RealNVP as it is usually written: z = b x + (1 - b) (x exp(s) + t), with networks that are given all of b x."""

    def __init__(self, shape: tuple[int, ...], layers: int, hidden: tuple[int, ...], channels: tuple[int, ...] = ()):
        super().__init__()
        self.shape, size = shape, mask(shape).numel()
        self.nets, self.scales = nn.ModuleList(), nn.ParameterList()
        for i in range(layers):
            b = mask(shape) if channels else mask(shape).flatten()
            self.register_buffer(f"b{i}", b if i % 2 == 0 else 1 - b)
            net = UsualConvNet(shape, channels) if channels else perceptron(size, *hidden, 2 * size)
            self.nets.append(net)
            self.scales.append(nn.Parameter(torch.ones(shape[0], 1, 1) if channels else torch.ones(size)))

    def stretch_and_shift(self, i: int, b: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.nets[i](b * x).chunk(2, 1)
        return (1 - b) * self.scales[i] * s.tanh(), (1 - b) * t

    def log_prob(self, x: Tensor) -> Tensor:
        x = x if isinstance(self.nets[0], UsualConvNet) else x.flatten(1)
        log_det = 0.0
        for i in range(len(self.nets)):
            b = getattr(self, f"b{i}")
            s, t = self.stretch_and_shift(i, b, x)
            x = b * x + (1 - b) * (x * s.exp() + t)
            log_det = log_det + s.flatten(1).sum(1)
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).flatten(1).sum(1) + log_det

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        x = torch.randn(n, *self.b0.shape)
        for i in reversed(range(len(self.nets))):
            b = getattr(self, f"b{i}")
            s, t = self.stretch_and_shift(i, b, x)
            x = b * x + (1 - b) * (x - t) * (-s).exp()
        return x.view(n, *self.shape)


class UsualConvNet(nn.Module):
    """The layers of ``real_nvp.ConvNet``."""

    def __init__(self, shape: tuple[int, int, int], channels: tuple[int, ...]):
        super().__init__()
        first, *rest = channels
        self.enter, self.place = nn.Conv2d(shape[0], first, 3, padding=1), nn.Parameter(torch.zeros(first, *shape[1:]))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.SiLU(), nn.Conv2d(first, n, 3, padding=1), nn.SiLU(), nn.Conv2d(n, first, 3, padding=1))
            for n in rest
        )
        self.leave = nn.Conv2d(first, 2 * shape[0], 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x) + self.place
        for block in self.blocks:
            h = h + block(h)
        return self.leave(F.silu(h))


class Zuko(nn.Module):
    """zuko's flow of affine couplings, with the calls of ours."""

    def __init__(self, shape: tuple[int, ...], layers: int, hidden: tuple[int, ...]):
        import zuko

        super().__init__()
        self.shape = shape
        self.flow = zuko.flows.RealNVP(
            mask(shape).numel(), transforms=layers, hidden_features=hidden, activation=nn.SiLU
        )

    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow().log_prob(x.flatten(1))

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        return self.flow().sample((n,)).view(n, *self.shape)


def work(model: nn.Module, x: Tensor, runs: int) -> dict:
    """What is timed: functions that do it so many times."""
    optimizer = torch.optim.Adam(model.parameters())

    @torch.no_grad()
    def log_prob() -> None:
        for _ in range(runs):
            model.log_prob(x)

    def sample() -> None:
        for _ in range(runs):
            model.sample(len(x))

    def train() -> None:
        for _ in range(runs):
            step(optimizer, -model.log_prob(x).mean())

    return {"log_prob": log_prob, "sample": sample, "training step": train}


def compare(name: str, pairs: int) -> dict:
    """One row: seconds of ours, and how many times as long the others take."""
    shape, layers, hidden, channels, batch, runs = ROWS[name]
    torch.manual_seed(0)
    x = torch.randn(batch, *shape)
    ours = RealNVP(shape, layers, hidden, channels)
    others = {"usual": UsualRealNVP(shape, layers, hidden, channels)}
    if importlib.util.find_spec("zuko") and not channels:
        others["zuko"] = Zuko(shape, layers, hidden)
    row = {"batch": batch, "parameters": {"package": sum(p.numel() for p in ours.parameters())}}
    mine = work(ours, x, runs)
    for title, model in others.items():
        row["parameters"][title] = sum(p.numel() for p in model.parameters())
        theirs = work(model, x, runs)
        for what in mine:
            theirs[what]()  # first calls load and choose kernels
            times = in_turns(theirs[what], mine[what], pairs, 1, time.process_time)
            row.setdefault(what, {})["package_ms"] = 1e3 * times["fast_s"] / runs
            row[what][f"{title}_ms"] = 1e3 * times["slow_s"] / runs
            row[what][title] = {key: times[key] for key in ("ratio_min", "ratio", "ratio_max")}
            print(
                f"RealNVP, {name}: {what}, {title} {1e3 * times['slow_s'] / runs:.2f} ms, package "
                f"{1e3 * times['fast_s'] / runs:.2f} ms · ratio {times['ratio']:.2f} "
                f"({times['ratio_min']:.2f} to {times['ratio_max']:.2f})",
                flush=True,
            )
    return row


# --- the density of FlowMatching -------------------------------------------------------------------------------------


def trained(model: FlowMatching, draw_batch, steps: int, rate: float = 2e-3) -> FlowMatching:
    """The model after ``steps`` steps of AdamW along a cosine."""
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        step(optimizer, model.matching_loss(draw_batch()).mean())
        schedule.step()
    return model.eval()


@torch.no_grad()
def spread(model: FlowMatching, y: Tensor, probes: int) -> dict[str, float]:
    """How estimates of log p(y) from one probe each differ from probe to probe, in nats, for each picture y (n, ...).

    Returns:
        the standard deviation over so many probes, its mean over the pictures and its range.
    """
    every = y.repeat(probes, *[1] * (y.ndim - 1))  # (probes n, ...), each with a probe of its own
    source = torch.Generator().manual_seed(0)
    std = model.log_density(every, probes=1, generator=source).view(probes, len(y)).std(0)
    found = {"std": std.mean().item(), "std_min": std.min().item(), "std_max": std.max().item()}
    return found | {"pictures": len(y), "probes": probes}


def density() -> dict:
    """Costs and spread of the estimated trace, and the error of the solver's default steps on the plane."""
    runtime.seed_everything(0)
    digits = data.digits().train
    enlarged = F.interpolate(digits, (28, 28), mode="bilinear").clamp(0, 1).mul(16).round().div(16)
    found = {}
    for name, x, maps in (("8 x 8", digits, (16, 32)), ("28 x 28", enlarged, (8, 16, 32))):
        model = FlowMatching(x.shape[1:], (), maps, levels=17)
        model = trained(model, lambda x=x: x[torch.randint(len(x), (25,))], 300)
        y = (16 * x[::200] + torch.rand_like(x[::200])) / 17  # five pictures, spread over their bins
        found[name] = {"spread": spread(model, y, 16)}
        for batch in (1, 16):
            with torch.no_grad():
                start = time.process_time()
                model.log_prob(x[:batch], probes=1)
            found[name][f"seconds_an_image_of_{batch}"] = (time.process_time() - start) / batch
        t, probe = torch.full((1,), 0.5), torch.ones_like(y[:1])[None]
        with torch.no_grad():
            found[name]["exact trace"] = in_turns(
                lambda model=model, y=y, t=t: model.divergence(y[:1], t),
                lambda model=model, y=y, t=t, probe=probe: model.estimated_divergence(y[:1], t, probe),
                *(3, 3, time.process_time),
            )
        print(f"FlowMatching, {name}: {found[name]}", flush=True)

    moons = data.two_moons()
    plane = trained(FlowMatching((2,), (64, 64)), lambda: moons.sample(256), 1_000, 3e-3)
    x = moons.sample(1_000)
    with torch.no_grad():
        error = (plane.log_density(x) - plane.log_density(x, 100)).abs()
    found["20 steps of rk4 on the plane"] = {"largest": error.max().item(), "mean": error.mean().item()}
    print(found["20 steps of rk4 on the plane"], flush=True)
    return found


def main() -> None:
    own = {"pairs": {"type": int, "default": 15, "help": "how often two ways are timed in turns"}}
    options = read_options(__doc__, "only", own=own)
    result = {"machine": machine(), "zuko": bool(importlib.util.find_spec("zuko")), "RealNVP": {}}
    for name in ROWS:
        if options.only in ("", "RealNVP"):
            result["RealNVP"][name] = compare(name, options.pairs)
    if options.only in ("", "FlowMatching"):
        result["FlowMatching"] = density()
    if options.only:
        return
    print(f"stored in {store('flows_cpu', result)}")


if __name__ == "__main__":
    main()
