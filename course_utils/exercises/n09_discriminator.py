"""Checker of the discriminator that 09_gan_theory asks for: trained on two samplers, compared with p / (p + q).

The densities are known here and unknown to the reader's program. Any way of estimating the ratio from samples passes.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

from course_utils.exercises.judge import as_tensor, report, short, unanswered

NEAR = 0.09  # root mean square error of D: a small network needs some 200 steps for it, and one half everywhere has 0.3
FEW = 1_500  # samples of each kind: fewer, used again and again, are learned by heart
BY_HEART = "are soon learned by heart: call the samplers for new ones at every step"
PLACES = torch.linspace(-3.2, 3.2, 129)


def log_p(x: Tensor) -> Tensor:
    left = math.log(0.7) + Normal(-1.5, 0.4).log_prob(x)
    return torch.logaddexp(left, math.log(0.3) + Normal(1.5, 0.4).log_prob(x))


def log_q(x: Tensor) -> Tensor:
    return Normal(0.2, 1.2).log_prob(x)


class Samplers:
    """The two functions that an answer gets, and how many samples it has taken from each."""

    def __init__(self):
        self.taken: dict[str, int] = {"p": 0, "q": 0}

    def p(self, n: int) -> Tensor:
        self.taken["p"] += n
        return torch.where(torch.rand(n, 1) < 0.7, -1.5, 1.5) + 0.4 * torch.randn(n, 1)

    def q(self, n: int) -> Tensor:
        self.taken["q"] += n
        return 0.2 + 1.2 * torch.randn(n, 1)


def build_discriminator(answer: Callable) -> None:
    """Exercise 09: ``answer(sample_p, sample_q)`` trains a discriminator and returns D: places (B, 1) to (B,)."""

    def hint() -> str | None:
        samplers = Samplers()
        with torch.enable_grad():
            D = answer(samplers.p, samplers.q)
        if unanswered(D):
            return None
        if not callable(D):
            return f"return the function D itself, which takes places x (B, 1); it was {short(D)}"
        with torch.no_grad():
            value = D(PLACES[:, None].clone())
        if unanswered(value):
            return "D(x) returned nothing"
        # what has the right form is a tensor
        return _wrong_form(value) or _wrong_value(as_tensor(value).double(), samplers.taken)  # pyright: ignore[reportOptionalMemberAccess]

    raised = [
        ("shapes cannot be multiplied", "x has shape (B, 1), as the samples have"),
        ("'Tensor' object is not callable", "return a function D(x), not its values"),
        ("does not require grad", "the loss must be computed from the network's own output, without detach"),
    ]
    moral = "From samples alone it says what share of them is real, at every place."
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, moral, raised)


def _wrong_form(value) -> str:
    tensor, n = as_tensor(value), len(PLACES)
    if tensor is None or not isinstance(value, Tensor):
        return f"D(x) is a tensor of probabilities (B,), and it was {short(value)}"
    if tensor.shape == (n, 1):
        probabilities = tensor.min() >= 0 and tensor.max() <= 1
        also = "" if probabilities else ", and of the logits take the sigmoid"
        return f"D(x) has shape (B, 1): one probability for each place is asked for, (B,), so take [:, 0]{also}"
    if tensor.shape != (n,):
        return f"D(x) should have shape (B,), and for B = {n} had {tuple(tensor.shape)}"
    if not tensor.isfinite().all():
        return "D(x) is not finite: the training has run away, or a logarithm of 0; use softplus of the logits"
    return ""


def _wrong_value(given: Tensor, taken: dict[str, int]) -> str:
    a, b = log_p(PLACES).double(), log_q(PLACES).double()
    logit = a - b
    weight = (a.exp() + b.exp()) / (a.exp() + b.exp()).sum()

    def error(candidate: Tensor, value: Tensor = given) -> float:
        return ((value - candidate) ** 2 * weight).sum().sqrt().item()

    inside = given.min() >= 0 and given.max() <= 1
    wrong = error(logit.sigmoid())
    few = min(taken.values())
    if inside and wrong < NEAR:
        return "" if few >= FEW else f"near enough here, but {few} samples of a kind {BY_HEART}"
    if not inside and error(logit.sigmoid(), given.sigmoid()) < NEAR:
        return "those are the logits, log p - log q: their sigmoid is the probability"
    if given.max() <= 0 and error(logit.sigmoid(), given.exp()) < NEAR:
        return "those are the logarithms of the probabilities: take exp"
    if given.min() >= 0 and given.max() > 1 and error(logit.sigmoid(), given / (1 + given)) < NEAR:
        return "that is the ratio p / q; the probability is p / (p + q)"
    if not inside:
        return "a probability lies between 0 and 1: the sigmoid of the network's output"
    mean = (given * weight).sum()
    if (given - mean).abs().max() < 0.05:
        if 0.35 < mean < 0.65:
            return "it says one half everywhere: is it trained at all? backward() and step(), and enough steps"
        kind = "generated" if mean > 0.5 else "real"
        return f"it says {mean:.0f} everywhere: do the {kind} samples count in the loss?"
    if error(1 - logit.sigmoid()) < 0.5 * wrong:  # far nearer: an untrained rising D is a little nearer to that, too
        return "it is high where samples of q fall: real and generated are exchanged, or the loss has the wrong sign"
    if error(_best_line(logit, weight)) < NEAR / 2:
        return "its logit is a straight line, which is not enough here: hidden units, and an activation between layers"
    shift = min(torch.linspace(-3, 3, 61).tolist(), key=lambda shift: error((logit + shift).sigmoid()))
    if abs(shift) > 0.4 and error((logit + shift).sigmoid()) < NEAR:
        more = "real" if shift > 0 else "generated"
        return f"{more} samples weigh too much: as many of each kind, and a mean over each"
    if few < FEW:
        return f"{few} samples of a kind {BY_HEART}"
    return f"not near enough to p / (p + q): on average {wrong:.2f} off; more steps, or a larger rate"


def _best_line(logit: Tensor, weight: Tensor) -> Tensor:
    """The best D whose logit is a straight line: by Newton's method, from (0, 0)."""
    lines = torch.stack([torch.ones_like(PLACES), PLACES]).double()  # (2, N)
    w = torch.zeros(2, dtype=torch.float64)
    for _ in range(20):
        D = (w @ lines).sigmoid()
        slope = lines @ (weight * (logit.sigmoid() - D))
        w = w + torch.linalg.solve((lines * weight * D * (1 - D)) @ lines.T, slope)
    return (w @ lines).sigmoid()
