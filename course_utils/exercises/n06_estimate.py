"""Checker of the ELBO that 06_elbo_and_kl asks for: its mean and its gradient against those of a linear-Gaussian model.

There all expectations are known, so that any estimator is accepted whose mean and gradient are right.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises.judge import as_tensor, report, short, unanswered

REPEATS, SIGMAS = 2_000, 6.0  # calls that are averaged; a right answer is further off once in 10^9 times
LOG_2PI = math.log(2 * math.pi)


@dataclass
class World:
    """A linear encoder and decoder with known weights, and the answers' calls of the encoder."""

    W: Tensor  # (D, Z)
    width: float
    leaves: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        D, Z = self.W.shape
        g = torch.Generator().manual_seed(D)
        self.A, self.C = 0.4 * torch.randn(Z, D, generator=g), 0.3 * torch.randn(Z, D, generator=g)
        self.b: Tensor = torch.randn(D, generator=g).requires_grad_()
        self.x: Tensor = torch.randn(3, D, generator=g)

    def code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ self.A.T + 0.6, x @ self.C.T - 0.5

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.leaves.append(tuple(part.detach().clone().requires_grad_() for part in self.code(x)))
        return self.leaves[-1]

    def decode(self, z: Tensor) -> Tensor:
        return z @ self.W.T + self.b

    def ask(self, answer: Callable, x: Tensor) -> Any:
        self.leaves.clear()
        return answer(x.clone(), self.encode, self.decode, torch.tensor(self.width))

    def exact(self) -> tuple[Tensor, Tensor]:
        """The ELBO of each of the three x, (3,), and its gradient by mu and log_var, (3, 2 Z)."""
        mu, log_var = self.code(self.x)
        error, size = self.x - mu @ self.W.T - self.b.detach(), self.W.square().sum(0)  # (3, D), (Z,)
        square = error.square().sum(1) + (log_var.exp() * size).sum(1)
        constant = self.W.shape[0] * (LOG_2PI + 2 * math.log(self.width))
        elbo = -0.5 * (square / self.width**2 + constant) - kl(mu, log_var).sum(1)
        by_mu = error @ self.W / self.width**2 - mu
        by_log_var = -0.5 * (log_var.exp() * (size / self.width**2 + 1) - 1)
        return elbo, torch.cat([by_mu, by_log_var], 1)


def worlds() -> list[World]:
    first = World(torch.tensor([[1.0, 0.5], [-0.3, 0.9], [0.6, 0.6]]), 0.7)
    return [first, World(torch.tensor([[0.8, -0.4, 0.3], [0.5, 0.7, -0.6], [0.1, 0.9, 0.8], [-0.7, 0.2, 0.5]]), 1.3)]


def kl(mu: Tensor, s: Tensor) -> Tensor:
    return 0.5 * (s.exp() + mu**2 - 1 - s)


def log_normal(x: Tensor, mean: Tensor, std: float | Tensor) -> Tensor:
    return -0.5 * (((x - mean) / std) ** 2 + LOG_2PI) - torch.as_tensor(std).log()


# what is added to mu, of log_var and noise; None puts it in the place of mu
NOISES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "right": lambda s, eps: (s / 2).exp() * eps,
    "none": lambda s, eps: 0 * eps,
    "variance": lambda s, eps: s.exp() * eps,
    "log": lambda s, eps: s * eps,
    "unit": lambda s, eps: eps,
    "one": lambda s, eps: (s / 2).exp() * eps[:, :1],
}


def estimate(
    noise: str = "right",
    fit: Callable | None = None,
    price: Callable | None = None,
    total: Callable | None = None,
) -> Callable:
    """An ELBO with one part changed: the noise, log p(x|z) of (x, centre, width), the KL, or what is made of both."""

    def elbo(x, encode, decode, width):
        mu, s = encode(x)
        eps = torch.randn_like(mu)
        z = eps if noise == "prior" else mu + NOISES[noise](s, eps)
        likelihood = (fit or (lambda *a: log_normal(*a).sum(1)))(x, decode(z), width)
        cost = (price or (lambda mu, s: kl(mu, s).sum(1)))(mu, s)
        return (total or (lambda likelihood, cost: likelihood - cost))(likelihood, cost)

    return elbo


ROOT = "exp(log_var) is the variance: the noise is multiplied by its root, exp(log_var / 2)"
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (estimate(total=lambda a, b: b - a), "that is the loss, minus the ELBO: the sign is turned"),
    (estimate(total=lambda a, b: a + b), "the sign of the KL: it is subtracted"),
    (estimate(total=lambda a, b: a), "the KL term is missing"),
    (estimate(total=lambda a, b: -b), "the reconstruction, log p(x|z), is missing"),
    (estimate(total=lambda a, b: -a - b), "the sign of the reconstruction: log p(x|z) itself, not minus it"),
    (estimate("none"), "the noise is missing: z = mu + exp(log_var / 2) * eps, not mu alone"),
    (estimate("variance"), ROOT),
    (estimate("log"), "log_var is multiplied by the noise as it is: the standard deviation is exp(log_var / 2)"),
    (estimate("unit"), "the noise has no scale: multiply eps by the standard deviation, exp(log_var / 2)"),
    (estimate("prior"), "the code is noise from the prior: mu and log_var are not used for it"),
    (estimate("one"), "all numbers of a code share one random number: eps has the shape of mu"),
    (estimate(price=lambda mu, s: 2 * kl(mu, s).sum(1)), "the half of the KL is missing"),
    (
        estimate(price=lambda mu, s: kl(mu, s).mean(1)),
        "the KL is averaged over the numbers of a code: sum them, sum(1)",
    ),
    (
        estimate(price=lambda mu, s: kl(mu, 2 * s).sum(1)),
        "the KL takes log_var for a log-standard deviation: log_var is the logarithm of the variance already",
    ),
    (
        estimate("variance", price=lambda mu, s: kl(mu, 2 * s).sum(1)),
        "code and KL take log_var for a log-standard deviation; it is the logarithm of the variance",
    ),
    (
        estimate(price=lambda mu, s: kl(mu, s / 2).sum(1)),
        "the KL takes the standard deviation for the variance: exp(log_var), and log_var itself",
    ),
    (estimate(price=lambda mu, s: (kl(mu, s) + 0.5).sum(1)), "the 1 of the KL is missing: exp(s) + mu**2 - 1 - s"),
    (estimate(price=lambda mu, s: (kl(mu, s) - 0.5 * mu**2).sum(1)), "mu**2 is missing in the KL"),
    (estimate(price=lambda mu, s: (kl(mu, s) + s / 2).sum(1)), "log_var is missing in the KL: exp(s) + mu**2 - 1 - s"),
    (estimate(price=lambda mu, s: (kl(mu, s) + s).sum(1)), "the sign of log_var in the KL: exp(s) + mu**2 - 1 - s"),
    (
        estimate(fit=lambda x, c, w: log_normal(x, c, w).mean(1)),
        "the reconstruction is averaged over the numbers of x: sum them, sum(1)",
    ),
    (
        estimate(fit=lambda x, c, w: log_normal(x, c, w).mean(1), price=lambda mu, s: kl(mu, s).mean(1)),
        "both terms are averaged, by different numbers: sum over x, and sum over the code",
    ),
    (
        estimate(fit=lambda x, c, w: -0.5 * ((x - c) / w).square().sum(1)),
        "the constants of log p(x|z) are missing: each number of x also brings -log(width) - log(2 pi) / 2",
    ),
    (
        estimate(fit=lambda x, c, w: (log_normal(x, c, w) + w.log()).sum(1)),
        "the width's logarithm is missing in log p(x|z): -log(width) for each number of x",
    ),
    (
        estimate(fit=lambda x, c, w: (log_normal(x, c, w) + LOG_2PI / 2).sum(1)),
        "log(2 pi) / 2 is missing in log p(x|z), once for each number of x",
    ),
    (
        estimate(fit=lambda x, c, w: -(x - c).square().sum(1)),
        "that is a squared error: the reconstruction is log p(x|z) of a Gaussian with this width",
    ),
    (
        estimate(fit=lambda x, c, w: -0.5 * (x - c).square().sum(1)),
        "that is a squared error: the reconstruction is log p(x|z) of a Gaussian with this width",
    ),
    (
        estimate(fit=lambda x, c, w: log_normal(x, c, 1.0).sum(1)),
        "width is not used: it is the standard deviation of the noise around decode(z)",
    ),
    (
        estimate(fit=lambda x, c, w: log_normal(x, c, w.sqrt()).sum(1)),
        "width is the standard deviation already, not the variance",
    ),
    (estimate(fit=lambda x, c, w: log_normal(x, c, w**2).sum(1)), "Normal takes the standard deviation: width itself"),
    (
        estimate(fit=lambda x, c, w: log_normal(x, c, w).exp().sum(1)),
        "the logarithm is missing: log p(x|z), summed over the numbers of x",
    ),
)
SHAPES = {
    "()": "one number for the whole batch; one for each x is asked for, shape (B,)",
    "(B, D)": "one number for each number of x: sum over them, sum(1), shape (B,)",
    "(B, Z)": "one number for each number of the code: sum over them, sum(1), shape (B,)",
    "(B, 1)": "shape (B, 1); without keepdim it is (B,)",
    "(B, B)": "the two terms have shapes that do not fit, and made (B, B): each of them is (B,)",
    "(D,)": "summed over the batch: sum over the numbers of each x, the last axis",
    "(Z,)": "summed over the batch: sum over the numbers of each code, the last axis",
}


def build_elbo(answer: Callable) -> None:
    """Exercise 06: an estimate of the ELBO, ``answer(x, encode, decode, width)`` -> (B,), for a Gaussian p(x|z).

    ``encode(x)`` gives mu and log_var (B, Z), ``decode(z)`` the centre of p(x|z), ``width`` its standard deviation. The
    mean of many estimates and of their gradients is compared with the exact ones, up to the errors of the means.
    """

    def hint() -> str | None:
        both = worlds()
        why = _wrong_form(answer, both[0])
        if why != "":
            return why
        return _wrong_value(answer, both) or _wrong_gradient(answer, both[0]) or ""

    raised = [
        ("shapes cannot be multiplied", "do the shapes fit? x is (B, D), the code (B, Z)"),
        ("must match the size of tensor", "sum each term over its last axis: then both are (B,)"),
        ("has no attribute 'exp'", "encode(x) returns two tensors: mu, log_var = encode(x)"),
        ("'tuple'", "encode(x) returns two tensors: mu, log_var = encode(x)"),
        ("scale of distribution Normal", "a standard deviation must be positive: exp(log_var / 2), not log_var"),
        ("constraint GreaterThan", "a standard deviation must be positive: exp(log_var / 2), not log_var"),
    ]
    moral = "On average it is the exact ELBO, and its gradient the exact gradient."
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, moral, raised)


def _wrong_form(answer: Callable, world: World) -> str | None:
    """What is wrong with what is returned for few x, empty if nothing is, None if nothing is written."""
    x = world.x.repeat(3, 1)[:7]
    value = world.ask(answer, x)
    if unanswered(value):
        return None
    tensor = as_tensor(value)
    if tensor is None or not isinstance(value, Tensor):
        return f"a tensor of shape (B,) is asked for, and it was {short(value)}"
    if tensor.shape != (7,):
        (D, Z), B = world.W.shape, 7
        known = {(): "()", (B, D): "(B, D)", (B, Z): "(B, Z)", (B, 1): "(B, 1)", (B, B): "(B, B)"}
        known |= {(D,): "(D,)", (Z,): "(Z,)"}
        name = known.get(tuple(tensor.shape))
        return SHAPES[name] if name else f"it should have shape (B,), and for B = 7 had {tuple(tensor.shape)}"
    if not tensor.isfinite().all():
        return "it is not finite: log_var is a logarithm already, and may be negative"
    again: Any = as_tensor(world.ask(answer, x))
    if torch.equal(tensor, again) and not torch.equal(tensor[:3], tensor[3:6]):
        return "the same noise in every call: draw it with torch.randn_like, and set no seed"
    if torch.equal(tensor[:3], tensor[3:6]) and not torch.equal(tensor, again):
        return "all x share their noise: eps has the shape of mu, (B, Z)"
    return ""


def _repeated(answer: Callable, world: World) -> Tensor:
    """Estimates (R, 3) of the ELBO of three x."""
    value = world.ask(answer, world.x.repeat(REPEATS, 1))
    return value.view(REPEATS, 3)


def _agree(a: Tensor, mean: Tensor, error: Tensor | float = 0.0) -> bool:
    """Whether the mean of repetitions a (R, ...) is the given one, up to the errors of both."""
    own = a.std(0) / math.sqrt(len(a))
    return bool(((a.mean(0) - mean).abs() <= SIGMAS * (own**2 + error**2).sqrt() + 2e-4 * (1 + mean.abs())).all())


def _wrong_value(answer: Callable, both: list[World]) -> str | None:
    given = [_repeated(answer, world).detach().double() for world in both]
    exact = [world.exact()[0].double() for world in both]
    if all(_agree(value, right) for value, right in zip(given, exact, strict=True)):
        return None
    found = []
    for mistake, why in WRONG:
        others = [_repeated(mistake, world).detach().double() for world in both]
        pairs = list(zip(given, others, strict=True))
        if all(_agree(value, other.mean(0), other.std(0) / math.sqrt(REPEATS)) for value, other in pairs):
            found.append((sum(float((value.mean(0) - other.mean(0)).abs().sum()) for value, other in pairs), why))
    if found:
        return min(found)[1]
    mu, log_var = both[0].code(both[0].x)
    price = kl(mu, log_var).sum(1)
    whole, was = exact[0][0].item(), given[0][:, 0].mean().item()
    return (
        f"for one x the mean should be {whole:.3g} nats, {whole + price[0].item():.3g} of the reconstruction minus "
        f"{price[0].item():.3g} of the KL, and was {was:.3g}"
    )


def _wrong_gradient(answer: Callable, world: World) -> str | None:
    value = _repeated(answer, world)
    if not value.requires_grad:
        return "the number is right, but it has no gradient: .item(), .detach() and no_grad() cut it off"
    leaves = [leaf for pair in world.leaves for leaf in pair]
    grads = torch.autograd.grad(value.sum(), [world.b, *leaves], allow_unused=True)
    if grads[0] is None or not grads[0].any():
        return "the number is right, but no gradient reaches the decoder: its output must not be detached"
    parts = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads[1:], leaves, strict=True)]
    by_mu, by_log_var = torch.cat(parts[0::2]), torch.cat(parts[1::2])
    if len(by_mu) != 3 * REPEATS:  # the encoder was asked several times: their sum counts
        return None if len(by_mu) % (3 * REPEATS) == 0 else "ask encode for the codes of x, and of nothing else"
    given = torch.cat([by_mu, by_log_var], 1).view(REPEATS, 3, -1)
    _, right = world.exact()
    if _agree(given, right):
        return None
    mu, log_var = world.code(world.x)
    of_kl = -torch.cat([mu, 0.5 * (log_var.exp() - 1)], 1)
    Z = mu.shape[1]
    cut = "the number is right, its gradient is not: "
    for expected, why in (
        (of_kl, "none of the reconstruction reaches the encoder: torch.normal and detach() cut it off"),
        (right - of_kl, "the KL has no gradient: it must not be detached"),
        (torch.cat([right[:, :Z], of_kl[:, Z:]], 1), "the noise's scale must not be detached"),
        (torch.cat([of_kl[:, :Z], right[:, Z:]], 1), "mu in z must not be detached"),
    ):
        if _agree(given, expected):
            return cut + why
    return cut + "every mu and log_var should reach it through z and through the KL"
