"""Several games between a generator and a discriminator at once: one network for each run, stacked, as one batch.

Networks of a few thousand weights leave a processor mostly waiting; ten of them in one matrix product do not. The runs
of a batch may differ in loss, rates, momentum and weight of the penalty. What each does is one run's plain loop:

    D:  loss of D(real), D(G(z)) + weight * penalty        one Adam step
    G:  loss of D(G(z'))                                   one Adam step
    running mean of the weights of G over the last tenth of its steps; the rates fall in a straight line to 0

A run depends on its seed alone: networks, pictures and noise are the same for all losses (paired runs), and the same
as in a plain loop of one run (tests/test_benchmarks_losses.py).
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from course_utils.models import Discriminator, Generator
from course_utils.objectives import OBJECTIVES, gradient_penalty, r1_penalty

WIDTH = 10  # of the running mean: at step t its weights reach back over about t / 10 steps
BETA2, EPSILON = 0.99, 1e-8


class Setting(NamedTuple):
    """What is searched: Adam's rates of both players, its first momentum, and the weight of the penalty."""

    generator_rate: float
    discriminator_rate: float
    beta1: float
    gamma: float  # R1 has the weight gamma / 2, the gradient penalty gamma


class Snapshot(NamedTuple):
    """What the averaged generators of all runs draw after some steps."""

    step: int
    samples: Tensor  # (runs, n, ...)
    seconds: float  # of the processor, a run


# --- players ---------------------------------------------------------------------------------------------------------


def picture_players(shape: tuple[int, int, int], latent: int, hidden: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """The course's generator and discriminator of small pictures."""
    return Generator(shape, latent, hidden), Discriminator(shape, hidden)


# --- many runs as one ------------------------------------------------------------------------------------------------


@functools.cache
def _functions(make: Callable, penalty: str, compiled: bool) -> dict[str, Callable]:
    """What networks compute for all runs at once, the same functions whatever the losses.

    The losses are small and come from outside, as their derivatives by the logits, ``pull``: the gradient of
    sum(pull * logits) is that of the loss.
    """
    generator, discriminator = make()

    def look(weights, fixed, x):
        return functional_call(discriminator, (weights, fixed), (x,))

    def draw(weights, fixed, z):
        return functional_call(generator, (weights, fixed), (z,))

    def learn(weights, fixed, real, fake, pull_real, pull_fake, gamma):
        """Gradient of the discriminator."""

        def loss(weights):
            def f(x):
                return look(weights, fixed, x)

            total = (pull_real * f(real)).sum() + (pull_fake * f(fake)).sum()
            if penalty:
                extra = r1_penalty(f, real) / 2 if penalty == "R1" else gradient_penalty(f, real, fake)
                total = total + gamma * extra
            return total

        return torch.func.grad(loss)(weights)

    def bout(weights, fixed, against, its_fixed, z, pull):
        """Gradient of the generator."""

        def loss(weights):
            return (pull * look(against, its_fixed, draw(weights, fixed, z))).sum()

        return torch.func.grad(loss)(weights)

    torch._dynamo.config.recompile_limit = 256  # all of them are one function, vmap's, to its cache; 8 would be too few
    functions = {f.__name__: vmap(f, randomness="different") for f in (look, draw, learn, bout)}
    return {name: torch.compile(f, dynamic=False) if compiled else f for name, f in functions.items()}


class _Adam:
    """Kingma and Ba, arXiv 1412.6980, with rates and a first momentum for each run: torch's has one for all."""

    def __init__(self, weights: list[Tensor], rates: Tensor, beta1: Tensor):
        self.weights, self.rates, self.beta1, self.steps = weights, rates, beta1, 0
        self.mean, self.square = ([torch.zeros_like(w) for w in weights] for _ in range(2))

    def step(self, gradients: Iterable[Tensor], share: float) -> None:
        """One step at ``share`` of the rates."""
        self.steps += 1
        for w, g, mean, square in zip(self.weights, gradients, self.mean, self.square, strict=True):
            one_a_run = (-1,) + (1,) * (w.ndim - 1)
            beta1 = self.beta1.view(one_a_run)
            mean.mul_(beta1).addcmul_(g, 1 - beta1)
            square.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            rate = share * self.rates.view(one_a_run) / (1 - beta1**self.steps)
            root = (square / (1 - BETA2**self.steps)).sqrt_().add_(EPSILON)
            w.addcdiv_(rate * mean, root, value=-1)


def _pull(names: list[str], player: str, real: Tensor | None, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of what one player minimises by its logits (runs, B); run i plays the objective names[i]."""
    real, fake = (None if x is None else x.detach().requires_grad_(True) for x in (real, fake))
    total = 0.0
    for i, name in enumerate(names):
        total = total + getattr(OBJECTIVES[name], player)(None if real is None else real[i], fake[i])
    return torch.autograd.grad(total, [x for x in (real, fake) if x is not None], allow_unused=True)


def play(
    make: Callable[[], tuple[nn.Module, nn.Module]],
    latent: int,
    real: Tensor,
    names: list[str],
    settings: list[Setting],
    seeds: list[int],
    *,
    penalty: str = "",
    batch: int = 256,
    marks: list[int],
    critic_steps: int = 1,
    samples: int = 2_500,
    falling: bool = True,
    compiled: bool = False,
) -> Iterator[Snapshot]:
    """Play one game a run, and stop at each mark to draw samples.

    Args:
        make: fresh players; called under each run's seed.
        latent: numbers in z.
        real: (N, ...), the training set.
        names, settings, seeds: objective, setting and seed of each run.
        penalty: "", "R1" or "gradient penalty", of all runs.
        marks: steps of the generator, rising; the last is the budget.
        critic_steps: of the discriminator for each of the generator's.
        samples: how many each averaged generator draws, from the same noise in all runs of a seed.
        falling: let the rates fall to 0; else they stay.
        compiled: fuse the computation with torch.compile, about 2.5 times as fast here; needs a C++ compiler.
    """
    device = real.device
    torch.manual_seed(0)  # of the points at which the gradient penalty looks
    players = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            players.append(make())
    (g, g_fixed), (d, d_fixed) = (
        [{k: v.detach().to(device) for k, v in part.items()} for part in stack_module_state(list(side))]
        for side in zip(*players, strict=True)
    )
    average = {k: v.clone() for k, v in g.items()}
    rates_g, rates_d, beta1, gamma = torch.tensor(settings, device=device).T
    step_g, step_d = _Adam(list(g.values()), rates_g, beta1), _Adam(list(d.values()), rates_d, beta1)
    f = _functions(make, penalty, compiled)
    sources = {seed: torch.Generator().manual_seed(1_000 + seed) for seed in seeds}
    which = [list(sources).index(seed) for seed in seeds]

    def pictures() -> Tensor:
        x = [real[torch.randint(len(real), (batch,), generator=s).to(device)] for s in sources.values()]
        return torch.stack(x)[which]

    def noise(n: int, these: dict[int, torch.Generator]) -> Tensor:
        return torch.stack([torch.randn(n, latent, generator=s) for s in these.values()])[which].to(device)

    start = time.process_time()
    for t in range(1, marks[-1] + 1):
        share = 1 - (t - 1) / marks[-1] if falling else 1.0
        for _ in range(critic_steps):
            x = pictures()
            fake = f["draw"](g, g_fixed, noise(batch, sources))
            pull = _pull(names, "discriminator", f["look"](d, d_fixed, x), f["look"](d, d_fixed, fake))
            step_d.step(f["learn"](d, d_fixed, x, fake, *pull, gamma).values(), share)
        z = noise(batch, sources)
        # a relativistic generator looks at real logits too
        r = f["look"](d, d_fixed, x) if "relativistic" in names else None
        pull = _pull(names, "generator", r, f["look"](d, d_fixed, f["draw"](g, g_fixed, z)))[-1]
        step_g.step(f["bout"](g, g_fixed, d, d_fixed, z, pull).values(), share)
        torch._foreach_lerp_(list(average.values()), list(g.values()), 1 - (1 - 1 / t) ** WIDTH)
        if t in marks:
            z = noise(samples, {seed: torch.Generator().manual_seed(2_000 + seed) for seed in sources})
            drawn = _functions(make, penalty, False)["draw"](average, g_fixed, z)
            yield Snapshot(t, drawn, (time.process_time() - start) / len(seeds))
