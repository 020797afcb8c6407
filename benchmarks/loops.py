"""What a learner's plain loop leaves on the table: channels_last and the fused update of Adam, for each kind of model.

    python benchmarks/loops.py [--pairs 5] [--only "VAE, convolutions"]

A step is loss, backward and Adam, with the loss that notebooks use. Four ways: plain; the model and its pictures in
channels_last; ``Adam(..., fused=True)``; both. Each is timed in turns with the plain way, by the processor's clock, and
its ratio is how many times as long the plain way takes. All ways give the same numbers but for rounding.

Writes results/loops_cpu.json; with --only nothing.
"""

import time
from collections.abc import Callable

import torch
from _common import in_turns, machine, read_options, step, store
from torch import Tensor, nn

from course_utils import models
from course_utils.objectives import OBJECTIVES

WAYS = {"channels_last": (True, False), "fused": (False, True), "both": (True, True)}
BINARY, GREY = (1, 28, 28), (1, 8, 8)


def nll(model: nn.Module, x: Tensor) -> Tensor:
    return -model.log_prob(x).mean()


def matching(model: nn.Module, x: Tensor) -> Tensor:
    return model.matching_loss(x).mean()


def denoising(model: nn.Module, x: Tensor) -> Tensor:
    return model.denoising_loss(x).mean()


def elbo(model: nn.Module, x: Tensor) -> Tensor:
    return -model.elbo(x).mean()


ROWS: dict[str, tuple[Callable, Callable | None, tuple[int, ...], int]] = {  # model, loss, shape of a picture, batch
    "PixelCNN": (lambda: models.PixelCNN(BINARY, 32, 5), nll, BINARY, 16),
    "GatedPixelCNN": (lambda: models.GatedPixelCNN(BINARY, 34, 5), nll, BINARY, 16),
    "MADE": (lambda: models.MADE(GREY, (256,)), nll, GREY, 50),
    "VAE, dense": (lambda: models.VAE(GREY, 16, (128,)), elbo, GREY, 50),
    "VAE, convolutions": (lambda: models.VAE(BINARY, 16, (), channels=(32, 64)), elbo, BINARY, 32),
    "Diffusion, convolutions": (lambda: models.Diffusion(BINARY, 250, (), (16, 32), levels=2), denoising, BINARY, 16),
    "FlowMatching, convolutions": (lambda: models.FlowMatching(BINARY, (), (16, 32), levels=2), matching, BINARY, 16),
    "RealNVP, convolutions": (lambda: models.RealNVP(BINARY, 4, channels=(16, 16), levels=2), nll, BINARY, 16),
    "RealNVP, dense": (lambda: models.RealNVP(GREY, 8, (128,), levels=2), nll, GREY, 100),
    "GAN, dense": (
        lambda: nn.ModuleList([models.Generator(GREY, 16, (128, 256)), models.Discriminator(GREY, (256, 128))]),
        None,
        GREY,
        64,
    ),
    "GAN, convolutions": (
        lambda: nn.ModuleList([models.Generator(BINARY, 16, (), (32, 16)), models.Discriminator(BINARY, (), (16, 32))]),
        None,
        BINARY,
        32,
    ),
}


def training(name: str, last: bool, fused: bool) -> Callable[[], None]:
    """A function that trains for a step, from the same start whatever the way."""
    make, loss, shape, batch = ROWS[name]
    torch.manual_seed(0)
    model = make()
    x = torch.randint(2, (batch, *shape), generator=torch.Generator().manual_seed(1)).float()
    if last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if loss is None:
        return play(model, x, fused)
    optimizer = torch.optim.Adam(model.parameters(), fused=fused)
    return lambda: step(optimizer, loss(model, x))


def play(players: nn.ModuleList, real: Tensor, fused: bool) -> Callable[[], None]:
    """One step of each player of the non-saturating game."""
    generator, discriminator = players
    of_g, of_d = (torch.optim.Adam(player.parameters(), fused=fused) for player in players)
    game = OBJECTIVES["non_saturating"]

    def run() -> None:
        fake = generator.sample(len(real))
        step(of_d, game.discriminator(discriminator(real), discriminator(fake.detach())))
        step(of_g, game.generator(discriminator(real), discriminator(fake)))

    return run


def compare(name: str, pairs: int) -> dict[str, dict[str, float]]:
    """How many times as long the plain loop takes as each other way: median, lowest and highest of the pairs."""
    plain = training(name, False, False)
    plain()  # first calls load and choose kernels
    row = {}
    for title, way in WAYS.items():
        times = in_turns(plain, training(name, *way), pairs, 1, time.process_time)
        row[title] = {key: times[key] for key in ("ratio_min", "ratio", "ratio_max")}
        row["plain_ms"] = 1e3 * times["slow_s"]
    cells = (f"{title} {row[title]['ratio']:.2f} ({row[title]['ratio_min']:.2f}–{row[title]['ratio_max']:.2f})"
             for title in WAYS)  # fmt: skip
    print(f"{name}: plain {row['plain_ms']:.1f} ms a step · " + " · ".join(cells), flush=True)
    return row


def main() -> None:
    own = {"pairs": {"type": int, "default": 5, "help": "how often two ways are timed in turns"}}
    options = read_options(__doc__, "only", own=own)
    rows = {name: compare(name, options.pairs) for name in ROWS if options.only in ("", name)}
    if not options.only:
        print(f"stored in {store('loops_cpu', {'machine': machine(), 'rows': rows})}")


if __name__ == "__main__":
    main()
