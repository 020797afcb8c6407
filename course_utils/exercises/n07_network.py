"""Checker of the VAE that 07_vae asks for: its loss against the one computed from its own encoder and decoder."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises.judge import as_tensor, report, short, unanswered
from course_utils.exercises.networks import no_network, scrambled

BATCH, SIDE = 8, 8
FEW, MANY = 4, 100  # repetitions: enough where the noise is drawn as here, and where it is drawn otherwise
SIGMAS = 6.0  # of a mean; a right answer is further off once in 10^9 times
NETWORKS = (1, 2)  # seeds of the weights with which the loss is compared

Terms = Callable[[Tensor, Tensor, Tensor], Tensor]


def kl_to_prior(mu: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (log_var.exp() + mu**2 - 1 - log_var)


CODES: dict[str, Callable[..., Tensor]] = {  # z of mu, log_var and noise
    "right": lambda mu, s, eps: mu + (s / 2).exp() * eps,
    "exp": lambda mu, s, eps: mu + s.exp() * eps,
    "log_var": lambda mu, s, eps: mu + s * eps,
    "none": lambda mu, s, eps: mu,
    "unit": lambda mu, s, eps: mu + eps,
    "prior": lambda mu, s, eps: eps,
    "one": lambda mu, s, eps: mu + (s / 2).exp() * eps[:, :1],
}


def total(bits: Callable = Tensor.mean, price: Callable = lambda kl: kl.sum(1).mean()) -> Callable:
    """A loss of what the pixels cost, each (B, D), and the KL of each latent (B, Z)."""
    return lambda pixels, kl, mu, s, x, logits: bits(pixels.sum(1)) + price(kl)


def each(pixels: Tensor) -> Tensor:
    return pixels.mean() / (SIDE * SIDE)


def errors(x: Tensor, p: Tensor) -> Tensor:
    return (x - p).square().flatten(1).sum(1).mean()


RIGHT = total()
WRONG: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("none", RIGHT, "the noise is missing: z = mu + exp(log_var / 2) * eps, with a new eps in every call"),
    ("exp", RIGHT, "exp(log_var) is the variance: the noise is multiplied by its root, exp(log_var / 2)"),
    ("log_var", RIGHT, "log_var is multiplied by the noise as it is: the standard deviation is exp(log_var / 2)"),
    ("unit", RIGHT, "the noise has no scale: multiply eps by the standard deviation, exp(log_var / 2)"),
    ("prior", RIGHT, "the code is noise from the prior: the encoder's mu and log_var are not used for it"),
    ("one", RIGHT, "all latents of a code share one random number: eps has the shape of mu"),
    (
        "exp",
        lambda pixels, kl, mu, s, x, logits: pixels.sum(1).mean() + kl_to_prior(mu, 2 * s).sum(1).mean(),
        "code and KL take the encoder's second output for a log-standard deviation; it is a log-variance",
    ),
    (
        "log_var",
        lambda pixels, kl, mu, s, x, logits: pixels.sum(1).mean() + kl_to_prior(mu, 2 * s.abs().log()).sum(1).mean(),
        "code and KL take the encoder's second output for a standard deviation; it is a log-variance",
    ),
    (
        "right",
        total(each),
        "the pixels are averaged, so the KL counts 64 times too much: sum the pixels of an image",
    ),
    (
        "right",
        total(price=lambda kl: kl.mean()),
        "the KL is averaged over the code: sum it, sum(1), and average over the batch only",
    ),
    (
        "right",
        total(each, lambda kl: kl.mean()),
        "pixels and latents are both averaged, by different numbers: sum both, and average over the batch only",
    ),
    ("right", total(price=lambda kl: -kl.sum(1).mean()), "the sign of the KL: it is a cost, so it is added"),
    ("right", total(price=lambda kl: 2 * kl.sum(1).mean()), "the half of the KL is missing"),
    ("right", total(price=lambda kl: kl.sum()), "the KL is summed over the batch, too: a mean over the batch"),
    ("right", total(price=lambda kl: (kl + 0.5).sum(1).mean()), "the 1 of the KL is missing: exp(s) + mu^2 - 1 - s"),
    (
        "right",
        lambda pixels, kl, mu, s, x, logits: pixels.sum(1).mean() + kl_to_prior(mu, 2 * s).sum(1).mean(),
        "the KL takes log_var for a log-standard deviation: log_var is the logarithm of the variance already",
    ),
    (
        "right",
        lambda pixels, kl, mu, s, x, logits: pixels.sum(1).mean() + kl_to_prior(mu, s / 2).sum(1).mean(),
        "the KL takes the standard deviation for the variance: exp(log_var), and log_var itself",
    ),
    ("right", total(price=lambda kl: 0 * kl.sum()), "the KL is missing: without it this is an autoencoder with noise"),
    ("right", total(lambda pixels: -pixels.mean()), "the sign of the reconstruction: the cross-entropy is a cost"),
    (
        "right",
        total(lambda pixels: -pixels.mean(), lambda kl: -kl.sum(1).mean()),
        "that is the bound; the loss is minus the bound",
    ),
    ("right", total(Tensor.sum, Tensor.sum), "a sum over the batch: a mean over the batch is asked for"),
    ("right", total(Tensor.sum), "the reconstruction is summed over the batch, too: a mean over the batch"),
    (
        "right",
        total(Tensor.sum, Tensor.mean),
        "the reconstruction is a sum over everything, the KL a mean over everything: sum both, then average the batch",
    ),
    (
        "right",
        lambda pixels, kl, mu, s, x, logits: (
            F.binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction="none").flatten(1).sum(1).mean()
            + kl.sum(1).mean()
        ),
        "the sigmoid is taken twice: ..._with_logits takes it itself",
    ),
    (
        "right",
        lambda pixels, kl, mu, s, x, logits: errors(x, logits.sigmoid()) + kl.sum(1).mean(),
        "squared errors: for black and white pixels the likelihood is the cross-entropy with logits",
    ),
    (
        "right",
        lambda pixels, kl, mu, s, x, logits: errors(x, logits) + kl.sum(1).mean(),
        "squared errors of logits: for black and white pixels the likelihood is the cross-entropy with logits",
    ),
)

FORM = "encode should return mu and log_var, both (B, Z)"
NO_GRADIENT = "the loss has no gradient: .item(), .data, detach() and no_grad() cut it off"
CUT = (  # what has no gradient: z, mu in z, log_var in z, KL, reconstruction
    ((1, 0, 0, 0, 0), "no gradient of the reconstruction reaches the encoder: torch.normal and detach cut it off"),
    ((0, 1, 0, 0, 0), "no gradient of the reconstruction reaches mu: it must not be detached"),
    ((0, 0, 1, 0, 0), "no gradient of the reconstruction reaches log_var: it must not be detached"),
    ((0, 0, 0, 1, 0), "the KL has no gradient: it must not be detached"),
    ((0, 0, 0, 0, 1), "the reconstruction has no gradient: it must not be detached"),
)


def build_vae(answer: nn.Module) -> None:
    """Exercise 07: a VAE of binary images (B, 1, 8, 8), an nn.Module with ``encode``, ``decode`` and ``loss``.

    ``encode(x)`` gives mu and log_var (B, Z), ``decode(z)`` logits (B, 1, 8, 8), ``loss(x)`` a scalar: the mean over
    the batch of cross-entropy summed over pixels + KL summed over latents, with one draw of the code a call. The mean
    of many calls is compared with that of the same loss, computed here from the network's own encoder and decoder.
    """

    def hint() -> str | None:
        if why := no_network(answer, "VAE"):
            return why
        if why is None:
            return None
        x = (torch.rand(BATCH, 1, SIDE, SIDE) < 0.5).float()
        net = scrambled(answer, NETWORKS[0])
        why = _wrong_form(net, x)
        if why != "":
            return why
        return _wrong_noise(net, x) or _wrong_value(answer, x) or _wrong_gradient(net, x) or ""

    raised = [
        ("has no attribute 'encode'", "the method encode is missing"),
        ("has no attribute 'decode'", "the method decode is missing"),
        ("has no attribute 'loss'", "the method loss is missing"),
        ("shapes cannot be multiplied", "do the layers fit? x has 64 pixels, flatten(1) makes (B, 64) of them"),
        (
            "must match the size of tensor",
            "mu, log_var and eps are (B, Z), x and logits (B, 1, 8, 8)",
        ),
        ("must be the same as input size", "logits and x have the same shape, (B, 1, 8, 8)"),
        ("should be between 0 and 1", "logits are not probabilities: use binary_cross_entropy_with_logits"),
        ("deepcopy protocol", "a tensor with a history is kept in the network: compute it anew in every call"),
    ]
    moral = "Its loss is minus the bound, in nats an image, and both its terms teach the encoder."
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, moral, raised)


def _wrong_form(net: Any, x: Tensor) -> str | None:
    """What is wrong with what the methods return, empty if nothing is, None if nothing is written."""
    code = net.encode(x)
    if unanswered(code):
        return None
    if not isinstance(code, tuple | list) or len(code) != 2:
        both = ": cut 2 Z outputs in two by chunk(2, 1), or use two layers" if isinstance(code, Tensor) else ""
        return f"{FORM}, and returned {short(code)}{both}"
    mu, log_var = code
    if not isinstance(mu, Tensor) or not isinstance(log_var, Tensor) or mu.ndim != 2 or mu.shape != log_var.shape:
        return f"{FORM}, and returned {short(tuple(code))}"
    if len(mu) != len(x) or not mu.shape[1]:
        return f"{FORM}, and for B = {len(x)} mu has shape {tuple(mu.shape)}"
    if not (mu.isfinite().all() and log_var.isfinite().all()):
        return "the code is not finite: log_var is any number, without a logarithm or a root"
    logits = net.decode(3 * torch.randn_like(mu))
    if unanswered(logits):
        return "decode returns nothing yet"
    if not isinstance(logits, Tensor):
        return f"decode should return logits, a tensor, and returned {short(logits)}"
    if logits.shape != x.shape:
        return f"decode should return the shape (B, 1, 8, 8), and for B = {len(x)} returned {tuple(logits.shape)}"
    if not logits.isfinite().all():
        return "the logits are not finite"
    if ((logits >= 0) & (logits <= 1)).all():
        return "decode returns probabilities; logits are asked for: leave the sigmoid to the loss"
    loss = net.loss(x)
    if unanswered(loss):
        return "loss returns nothing yet"
    number = as_tensor(loss)
    if number is None or not isinstance(loss, Tensor | float):
        return f"the loss should be a scalar, and was {short(loss)}"
    if number.ndim:
        return f"the loss should be one number, the mean over the batch, and has shape {tuple(number.shape)}"
    if not number.isfinite():
        return "the loss is not finite: log_var is a logarithm already, and logits need ..._with_logits"
    return "" if isinstance(loss, Tensor) and loss.requires_grad else NO_GRADIENT


def _cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1)


def _reference(net: Any, x: Tensor, code: str, loss: Callable) -> Tensor:
    mu, log_var = net.encode(x)
    logits = net.decode(CODES[code](mu, log_var, torch.randn_like(mu)))
    return loss(_cross_entropy(logits, x), kl_to_prior(mu, log_var), mu, log_var, x, logits)


def _repeated(value: Callable, n: int) -> Tensor:
    """n values, (n,), the k-th with the seed k: those of two functions that draw alike differ by no noise at all."""
    values = []
    with torch.no_grad():
        for seed in range(n):
            torch.manual_seed(seed)
            number: Any = as_tensor(value())
            values.append(number.double())
    return torch.stack(values)


def _agree(a: Tensor, b: Tensor) -> bool:
    """Whether two samples of repetitions (n,) have the same mean, up to their errors."""
    difference = a - b
    error = SIGMAS * float(difference.std()) / math.sqrt(len(a)) + 1e-4 * float(b.abs().mean()) + 1e-5
    return bool(float(difference.mean().abs()) <= error)


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a.mean() - b.mean()).abs() / (a.std() + 1e-3 * b.abs().mean()))


def _wrong_noise(net: Any, x: Tensor) -> str | None:
    """Whether every call draws new noise."""
    with torch.no_grad():
        first, second = float(net.loss(x)), float(net.loss(x))
        if first != second:
            return None
        silent = [float(_reference(net, x, "none", loss)) for loss in (RIGHT, total(each))]
        price = float(kl_to_prior(*net.encode(x)).sum(1).mean())
    if abs(first - price) <= 1e-4 * price:
        return "the reconstruction is missing"
    if min(abs(first - value) / (abs(value) + 1e-6) for value in silent) < 1e-4:
        return WRONG[0][2]
    return "the noise is missing, or the same in every call: draw eps in loss, and set no seed there"


def _alternatives(net: Any, x: Tensor) -> Tensor:
    """The right loss and each usual wrong one, with one draw of the noise."""
    mu, log_var = net.encode(x)
    eps, kl = torch.randn_like(mu), kl_to_prior(mu, log_var)
    logits = {name: net.decode(code(mu, log_var, eps)) for name, code in CODES.items()}
    pixels = {name: _cross_entropy(y, x) for name, y in logits.items()}
    values = [loss(pixels[c], kl, mu, log_var, x, logits[c]) for c, loss, _ in (("right", RIGHT, ""), *WRONG)]
    return torch.stack([value.double() for value in values])


def _wrong_value(answer: Any, x: Tensor) -> str | None:
    """Compare the loss with the right one and with each usual mistake, at several weights.

    First draw by draw; where the answer draws its noise in another way, on average.
    """
    nets = [scrambled(answer, seed) for seed in NETWORKS]
    for n, agree in ((FEW, _equal), (MANY, _agree)):
        given = [_repeated(lambda net=net: net.loss(x), n) for net in nets]  # (n,) each
        others = [_repeated(lambda net=net: _alternatives(net, x), n).T for net in nets]  # (1 + mistakes, n) each
        pairs = list(zip(given, others, strict=True))
        if all(agree(value, other[0]) for value, other in pairs):
            return _shared_noise(nets[0], x) if agree is _agree else None
        fitting = [i for i in range(1, len(WRONG) + 1) if all(agree(value, other[i]) for value, other in pairs)]
        if fitting:
            return WRONG[min(fitting, key=lambda i: sum(_distance(value, other[i]) for value, other in pairs)) - 1][2]
    right = others[0]
    mu, log_var = nets[0].encode(x)
    kl = float(kl_to_prior(mu, log_var).sum(1).mean())
    whole, was = float(right[0].mean()), float(given[0].mean())
    return (
        f"with random weights the loss should be {whole:.4g} on average, {whole - kl:.4g} for the pixels and {kl:.4g} "
        f"for the KL, and was {was:.4g}"
    )


def _shared_noise(net: Any, x: Tensor) -> str | None:
    """Whether all images of a batch get the same noise: the mean over equal images then varies as much as one."""
    equal = x[:1].repeat(16, 1, 1, 1)
    given = _repeated(lambda: net.loss(equal), MANY)
    right = _repeated(lambda: _reference(net, equal, "right", RIGHT), MANY)
    if float(given.var()) > 5 * float(right.var()):  # 16 times as much
        return "all images of the batch share their noise: eps has the shape of mu, (B, Z)"
    return None


def _gradient(loss: Tensor, parameters: list) -> Tensor:
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    parts = [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]
    return torch.cat([part.flatten() for part in parts])


def _partly_detached(net: Any, x: Tensor, cut: tuple) -> Tensor:
    """The right loss without the gradient of some parts: z, mu in z, log_var in z, KL, reconstruction."""
    mu, log_var = net.encode(x)
    z_of, mu_of, log_var_of, kl_of, pixels_of = ((lambda t: t.detach()) if c else (lambda t: t) for c in cut)
    z = z_of(CODES["right"](mu_of(mu), log_var_of(log_var), torch.randn_like(mu)))
    return pixels_of(_cross_entropy(net.decode(z), x).sum(1).mean()) + kl_of(kl_to_prior(mu, log_var).sum(1).mean())


def _wrong_gradient(net: Any, x: Tensor) -> str | None:
    """Compare the loss's gradient with the right one, and with those of losses that are partly detached."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    if not parameters:
        return "there are no weights to learn"

    def mean(value: Callable, n: int) -> Tensor:
        found = torch.zeros(())
        for seed in range(n):
            torch.manual_seed(seed)
            found = found + _gradient(value(), parameters) / n
        return found

    whole = (0, 0, 0, 0, 0)
    for n in (FEW, MANY // 2):
        given, right = mean(lambda: net.loss(x), n), mean(lambda: _partly_detached(net, x, whole), n)
        distance = float((given - right).norm())
        if distance <= 1e-3 * float(right.norm()):
            return None
    others = [(float((given - mean(lambda c=cut: _partly_detached(net, x, c), n)).norm()), why) for cut, why in CUT]
    least, why = min(others)
    if least < distance:
        return f"the number is right, its gradient is not: {why}"
    return None if distance < 0.5 * float(right.norm()) else "the number is right, its gradient is not"
