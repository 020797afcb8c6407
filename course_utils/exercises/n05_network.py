"""Checker of the autoencoder that 05_autoencoder asks for: its code, its loss, and on demand whether it learns."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.data import moon, moon_phases
from course_utils.exercises.judge import as_tensor, report, short, unanswered
from course_utils.exercises.networks import no_network, scrambled

SHAPE, PIXELS, LARGEST = (1, 16, 16), 256, 16
BATCH, NETWORKS, DRAWS = 6, (1, 2), 300
STEPS, RATE = 400, 2e-3
LIMIT = (
    5.0  # squared error of a moon of the validation set: without a code 22, PCA with two numbers 6, usual ones 1 to 4
)

WRONG: tuple[tuple[Callable[..., Any], str], ...] = (  # losses of x_hat and x (B, 1, 16, 16), and what to say of them
    (
        lambda y, x: (y - x).square().mean(),
        "the error is averaged over the pixels: sum over 256, average over the batch",
    ),
    (lambda y, x: (y - x).square().sum(), "the error is summed over the batch, too: a mean over the batch"),
    (lambda y, x: (y - x).abs().flatten(1).sum(1).mean(), "absolute errors: squared ones are asked for"),
    (
        lambda y, x: (y - x).abs().mean(),
        "absolute errors, averaged over the pixels: squared ones, summed, are asked for",
    ),
    (lambda y, x: (y - x).flatten(1).norm(dim=1).mean(), "the root of the squared error: leave it out"),
    (lambda y, x: (y - x).square().mean().sqrt(), "the root of a mean: squared errors, summed over the pixels"),
    (lambda y, x: (y - x).flatten(1).sum(1).mean(), "errors of both signs cancel: square them before the sum"),
    (lambda y, x: (y - x).flatten(1).sum(1).square().mean(), "the square of a sum: square each error before the sum"),
    (lambda y, x: (y - x).square().flatten(1).sum(1).mean() / 2, "half of the squared error: leave the half out"),
    (lambda y, x: -(y - x).square().flatten(1).sum(1).mean(), "the sign: a loss is to become small"),
    (
        lambda y, x: y.square().flatten(1).sum(1).mean(),
        "x cancels out: is x added to the output? It must come from the code",
    ),
    (
        lambda y, x: (y - (2 * x - 1)).square().flatten(1).sum(1).mean(),
        "it is compared with 2 x - 1: what decode returns should be the picture, in [0, 1]",
    ),
    (
        lambda y, x: (y.sigmoid() - x).square().flatten(1).sum(1).mean(),
        "the loss takes a sigmoid that decode does not take: put it into decode",
    ),
    (
        lambda y, x: (y.clamp(0, 1) - x).square().flatten(1).sum(1).mean(),
        "the loss clamps what decode returns: where it clamps, nothing is learned",
    ),
)
NOISE: tuple[tuple[Callable[..., Any], str], ...] = (  # with noise that is drawn anew in each call
    (lambda net, x: _error(net, x, target=torch.randn_like(x)), "it is compared with noise: compare with x"),
    (lambda net, x: _error(net, x, target=torch.rand_like(x)), "it is compared with noise: compare with x"),
)
PLAIN = "two calls with the same input differ: this autoencoder has no noise, neither in the input nor in the code"


def build_autoencoder(answer: nn.Module, train: bool = False) -> None:
    """Exercise 05: an autoencoder of pictures (B, 1, 16, 16), an nn.Module with ``encode``, ``decode`` and ``loss``.

    ``encode(x)`` gives codes (B, Z) with Z at most 16, ``decode(z)`` pictures (B, 1, 16, 16), ``loss(x)`` a scalar: the
    squared error summed over the pixels, a mean over the batch, as computed here from the network's own encoder and
    decoder. With ``train`` a copy is trained for 400 steps of Adam, and its error on unseen moons must fall below 5.
    """

    def hint() -> str | None:
        if why := no_network(answer, "AutoEncoder"):
            return why
        if why is None:
            return None
        x = moon(torch.rand(BATCH), 8 + torch.rand(BATCH, 2), 5.5 + torch.rand(BATCH))
        why = _wrong_form(copy.deepcopy(answer), x)
        if why != "":
            return why
        return (
            _wrong_path(answer, x)
            or _wrong_value(answer, x)
            or _wrong_gradient(answer, x)
            or (_learns_too_little(answer) if train else "")
        )

    raised = [
        ("has no attribute 'encode'", "the method encode is missing"),
        ("has no attribute 'decode'", "the method decode is missing"),
        ("has no attribute 'loss'", "the method loss is missing"),
        ("shapes cannot be multiplied", "do the layers fit? x has 256 pixels, nn.Flatten() makes (B, 256) of them"),
        ("expected input", "do the layers fit? the out_channels of one are the in_channels of the next"),
        ("must match the size of tensor", "do the shapes fit? x and decode(encode(x)) are both (B, 1, 16, 16)"),
        ("is invalid for input of size", "how many pixels are there? view(-1, 1, 16, 16) needs 256 for each picture"),
        ("deepcopy protocol", "a tensor with a history is kept in the network: compute it anew in every call"),
    ]
    learned = f" After {STEPS} steps its error on unseen moons is below {LIMIT:.0f}." if train else ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, f"All it returns has passed through the code.{learned}", raised)


def _error(net: Any, x: Tensor, target: Tensor | None = None) -> Tensor:
    """The right loss; or that against another target."""
    return (net.decode(net.encode(x)) - (x if target is None else target)).square().flatten(1).sum(1).mean()


def _wrong_form(net: Any, x: Tensor) -> str | None:
    """What is wrong with what the methods return, empty if nothing is, None if nothing is written."""
    z = net.encode(x)
    if unanswered(z):
        return None
    if not isinstance(z, Tensor):
        return f"encode should return codes (B, Z), and returned {short(z)}"
    if z.ndim != 2 or len(z) != len(x) or not z.shape[1]:
        return f"encode should return codes (B, Z), and for B = {len(x)} returned the shape {tuple(z.shape)}"
    if z.shape[1] > LARGEST:
        whole = (
            ": with as many numbers as pixels it can return anything and need not learn" if z.shape[1] >= PIXELS else ""
        )
        return f"the code has {z.shape[1]} numbers; at most {LARGEST} are allowed{whole}"
    if not z.isfinite().all():
        return "the code is not finite"
    x_hat = net.decode(z)
    if unanswered(x_hat):
        return "decode returns nothing yet"
    if not isinstance(x_hat, Tensor):
        return f"decode should return pictures, a tensor, and returned {short(x_hat)}"
    if x_hat.shape != x.shape:
        flat = ": .view(-1, 1, 16, 16) makes pictures of them" if x_hat.shape == (len(x), PIXELS) else ""
        return f"decode should return (B, 1, 16, 16), and for B = {len(x)} returned {tuple(x_hat.shape)}{flat}"
    if not x_hat.isfinite().all():
        return "what decode returns is not finite"
    loss = net.loss(x)
    if unanswered(loss):
        return "loss returns nothing yet"
    number = as_tensor(loss)
    if number is None or not isinstance(loss, Tensor | float):
        return f"the loss should be one number, and was {short(loss)}"
    if number.ndim:
        each = ": average it over the batch, .mean()" if number.shape == (len(x),) else ""
        return f"the loss should be one number, and has shape {tuple(number.shape)}{each}"
    if not number.isfinite():
        return "the loss is not finite"
    if not any(p.requires_grad for p in net.parameters()):
        return "there are no weights to learn: are the layers in a plain list? Use nn.Sequential or nn.ModuleList"
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return "the loss has no gradient: .item(), .data, detach() and no_grad() cut it off"
    return ""


def _wrong_path(answer: Any, x: Tensor) -> str:
    """Whether the picture reaches the output by the code alone."""
    others = x.flip(0, 3)
    blind, deaf = True, True
    for seed in NETWORKS:
        net = scrambled(answer, seed).eval()
        with torch.no_grad():
            z, last = net.encode(x), net.encode(others)
            after = net.decode(z)
            if not _equal(after, net.decode(z)) or not _equal(last, net.encode(others)):
                return PLAIN
            net.encode(x)
            if not _equal(after, net.decode(z)):
                return "decode(z) depends on what encode has seen last: nothing may pass beside the code"
            blind &= _equal(z, last)
            deaf &= _equal(net.decode(z), net.decode(torch.randn_like(z) * (1 + z.std())))
    if blind:
        return "the code does not depend on the picture"
    return "what decode returns does not depend on the code" if deaf else ""


def _wrong_value(answer: Any, x: Tensor) -> str:
    """Compare the loss with the right one and with each usual mistake, at several weights."""
    nets = [scrambled(answer, seed).eval() for seed in NETWORKS]
    with torch.no_grad():
        if any(float(net.loss(x)) != float(net.loss(x)) for net in nets):
            return _wrong_noise(nets[0], x)
        given = [net.loss(x).double() for net in nets]
        if all(_equal(value, net.loss(x.flip(0, 3) * 0.5).double()) for net, value in zip(nets, given, strict=True)):
            return "the loss does not depend on x"
        pairs = [(net.decode(net.encode(x)), x) for net in nets]
        right = [_error(net, x).double() for net in nets]
        if all(_equal(a, b) for a, b in zip(given, right, strict=True)):
            return _noise_while_training(answer, x)
        for mistake, why in WRONG:
            if all(_equal(value, mistake(*pair).double()) for value, pair in zip(given, pairs, strict=True)):
                return why
    return (
        f"with random weights the squared error of decode(encode(x)) is {float(right[0]):.4g}, summed over the pixels "
        f"and averaged over the batch, and the loss was {float(given[0]):.4g}"
    )


def _mean(value: Callable) -> Tensor:
    """Mean and its error over many calls."""
    values = []
    for seed in range(DRAWS):
        torch.manual_seed(seed)
        values.append(value().double())
    values = torch.stack(values)
    return torch.stack([values.mean(), values.std() / DRAWS**0.5])


def _wrong_noise(net: Any, x: Tensor) -> str:
    """What to say of a loss that is random."""
    given, error = _mean(lambda: net.loss(x))
    for mistake, why in NOISE:
        mean, spread = _mean(lambda mistake=mistake: mistake(net, x))
        if abs(given - mean) < 4 * (error**2 + spread**2).sqrt() + 1e-4 * abs(mean):
            return why
    return PLAIN


def _noise_while_training(answer: Any, x: Tensor) -> str:
    """Noise that is drawn in training mode only; dropout in the networks themselves is allowed."""
    net = scrambled(answer, NETWORKS[0]).train()
    torch.manual_seed(0)
    quiet = _equal(net.encode(x), net.encode(x)) and _equal(net.decode(net.encode(x)), net.decode(net.encode(x)))
    return PLAIN if quiet and float(net.loss(x)) != float(net.loss(x)) else ""


def _wrong_gradient(answer: Any, x: Tensor) -> str:
    """Compare the loss's gradient with the right one."""
    net = scrambled(answer, NETWORKS[0]).eval()
    weights = [p for p in net.parameters() if p.requires_grad]

    def gradient(loss: Tensor) -> Tensor:
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        return torch.cat(
            [(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(found, weights, strict=True)]
        )

    given, right = gradient(net.loss(x)), gradient(_error(net, x))
    if (given - right).norm() <= 1e-3 * right.norm():
        return ""
    cut = gradient((net.decode(net.encode(x).detach()) - x).square().flatten(1).sum(1).mean())
    if (given - cut).norm() <= 1e-3 * right.norm():
        return "no gradient reaches the encoder: the code must not be detached"
    return "the number is right, its gradient is not: something is detached, or computed in no_grad"


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()) + 1e-9)


def _learns_too_little(answer: Any) -> str:
    """Empty if a copy, trained for a while on the moons, returns unseen ones well enough."""
    net, moons = copy.deepcopy(answer).train(), moon_phases()
    g = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], RATE)
    for _ in range(STEPS):
        loss = net.loss(moons.train[torch.randint(len(moons.train), (50,), generator=g)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        error = float(_error(net.eval(), moons.valid))
        a, b, c = moons.valid[:150].split(50)
        both, one, two, base = (net.decode(net.encode(x)) for x in (a + b - c, a, b, c))
    if error < LIMIT:
        return ""
    if torch.allclose(both, one + two - base, atol=1e-3):
        why = "is there an activation between the layers? Without one it is linear, however many layers it has"
    else:
        why = "too few numbers in the code, too few hidden units, or a last activation that cannot reach 0 and 1"
    return f"the squared error of unseen moons after {STEPS} steps is {error:.1f}, and {LIMIT:.0f} is the limit: {why}"
