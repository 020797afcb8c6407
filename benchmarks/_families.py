"""The families that meet in face_to_face.py: how each is made and trained, and the one rule that all of them follow."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import torch
from _common import step
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from course_utils import data, models
from course_utils.distributions import discretized_logistic_mixture
from course_utils.objectives import OBJECTIVES, r1_penalty

SHAPE, LEVELS, BATCH = (1, 8, 8), 17, 64
RATES = (0.001, 0.003)
WARM_UP, WIDTH = 0.05, 10  # share of the steps in which the rate rises; of the running mean, as in ``_games``
WEIGHTS = 500  # of a VAE's bound


# --- one rule for all rows -------------------------------------------------------------------------------------------


def pictures(train: Tensor, steps: int) -> Iterator[tuple[float, Tensor]]:
    """For each step the share of the rate, and a batch that is redrawn with a probability from 1 to 0."""
    for i, x in enumerate(data.batches(train, BATCH, steps=steps, drop_last=True)):
        rising = min(1.0, (i + 1) / (WARM_UP * steps))
        yield rising * (1 + math.cos(math.pi * i / steps)) / 2, data.redraw_digits(x, 1 - i / steps)


def averaged(model: nn.Module) -> AveragedModel:
    """A running mean of the weights: at step t it reaches back over about t / 10 steps."""

    def mean(average: list[Tensor], current: list[Tensor], seen: Tensor) -> None:
        torch._foreach_lerp_(average, current, 1 - (1 - 1 / (float(seen) + 1)) ** WIDTH)

    return AveragedModel(model, multi_avg_fn=mean)


def to_levels(x: Tensor) -> Tensor:
    """Pictures in [0, 1] as whole levels, uint8.

    Raises:
        ValueError: x holds NaN or infinity.
    """
    if not x.isfinite().all():
        raise ValueError("samples must be numbers, got NaN or infinity")
    return ((LEVELS - 1) * x).round().clamp(0, LEVELS - 1).to(torch.uint8)


def to_pictures(levels: Tensor) -> Tensor:
    return levels.float() / (LEVELS - 1)


# --- rows ------------------------------------------------------------------------------------------------------------


class Density(NamedTuple):
    """How a model with a likelihood or a bound is made, trained and asked for its nats."""

    make: Callable[[float], nn.Module]  # of a value of the knob
    knob: str
    choices: tuple[float, float]
    kind: str  # of nats
    calls: int
    loss: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: -model(x)  # (B,)
    log_prob: Callable[[nn.Module, Tensor], Tensor] = nn.Module.__call__  # (B,)

    def train(self, setting: dict, train: Tensor, steps: int) -> tuple[nn.Module, nn.Module]:
        """The model with the mean of its last weights, and what was trained."""
        model = self.make(setting[self.knob])
        average = averaged(model)
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
        for share, x in pictures(train, steps):
            optimizer.param_groups[0]["lr"] = setting["rate"] * share
            step(optimizer, self.loss(model, x).mean())
            average.update_parameters(model)
        return average.module.eval(), model

    @torch.no_grad()
    def nats(self, model: nn.Module, x: Tensor) -> Tensor:
        """Minus log p, or minus its bound, of each picture, (B,)."""
        return -torch.cat([self.log_prob(model, part) for part in x.split(100)])


class Game(NamedTuple):
    """The non-saturating game with R1; the generator starts with pictures that differ from each other."""

    knob: str = "gamma"
    choices: tuple[float, float] = (0.1, 1.0)
    kind: str | None = None
    calls: int = 1

    def train(self, setting: dict, train: Tensor, steps: int) -> tuple[nn.Module, nn.Module]:
        """The generator with the mean of its last weights, and both players."""
        generator, discriminator = models.Generator(SHAPE, 16, (128, 256)), models.Discriminator(SHAPE, (256, 128))
        make_steep(generator)
        average, objective = averaged(generator), OBJECTIVES["non_saturating"]
        optimizer_g, optimizer_d = (
            torch.optim.Adam(player.parameters(), betas=(0.0, 0.99)) for player in (generator, discriminator)
        )
        for share, real in pictures(train, steps):
            for optimizer in (optimizer_g, optimizer_d):
                optimizer.param_groups[0]["lr"] = setting["rate"] * share
            fake = generator.sample(len(real))
            loss = objective.discriminator(discriminator(real), discriminator(fake.detach()))
            step(optimizer_d, loss + setting["gamma"] / 2 * r1_penalty(discriminator, real))
            discriminator.requires_grad_(False)
            step(optimizer_g, objective.generator(None, discriminator(fake)))
            discriminator.requires_grad_(True)
            average.update_parameters(generator)
        return average.module.eval(), nn.ModuleList([generator, discriminator])


def make_steep(generator: models.Generator) -> None:
    """ReLU for SiLU, and He's initialisation."""
    for i, layer in enumerate(generator.net):
        if isinstance(layer, nn.SiLU):
            generator.net[i] = nn.ReLU()
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)


@cache
def family():
    """The pixels' distribution."""
    return discretized_logistic_mixture(LEVELS, 5)


ROWS = {
    "Diagonal BiLSTM": Density(
        lambda channels: models.DiagonalBiLSTM(SHAPE, channels, 2, family()), "channels", (24, 32), "exact", 64
    ),
    "Gated PixelCNN": Density(
        lambda dropout: models.GatedPixelCNN(SHAPE, 32, 5, family(), dropout), "dropout", (0.0, 0.2), "exact", 64
    ),
    "ImageGPT": Density(
        lambda dropout: models.ImageGPT(SHAPE, 64, 3, 4, family(), dropout), "dropout", (0.0, 0.2), "exact", 64
    ),
    "VAE": Density(
        lambda latent: models.VAE(SHAPE, latent, (), family(), channels=(64, 64)),
        "latent",
        (16, 32),
        f"bound (importance weights {WEIGHTS})",
        1,
        loss=lambda model, x: -model.elbo(x),
        log_prob=lambda model, x: model.log_prob(x, WEIGHTS),
    ),
    "GAN": Game(),
    "RealNVP": Density(
        lambda hidden: models.RealNVP(SHAPE, 8, (hidden,), levels=LEVELS),
        "hidden",
        (96, 192),
        "bound (dequantised)",
        1,
    ),
    "diffusion": Density(
        lambda maps: models.Diffusion(SHAPE, 250, (), (maps, 2 * maps), levels=LEVELS),
        "maps",
        (16, 24),
        "bound (diffusion)",
        250,
        loss=lambda model, x: model.denoising_loss(x),
    ),
    "flow matching": Density(
        lambda maps: models.FlowMatching(SHAPE, (), (maps, 2 * maps), levels=LEVELS),
        "maps",
        (16, 24),
        "bound (dequantised)",
        40,  # 20 steps of Heun's method
        loss=lambda model, x: model.matching_loss(x),
        log_prob=lambda model, x: model.log_prob(x, probes=1),
    ),
}


def settings(title: str) -> list[dict[str, float]]:
    """The four that a row tries."""
    row = ROWS[title]
    return [{"rate": rate, row.knob: value} for rate in RATES for value in row.choices]
