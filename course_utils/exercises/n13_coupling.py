"""Checker of the coupling that 13_what_came_next asks for: what it does to points, and whether it can be undone."""

from typing import Any

import torch
from torch import Tensor, nn

from course_utils.exercises.judge import report, short, unanswered
from course_utils.exercises.networks import scrambled

BATCH, SIZES, SEEDS = 40, (2, 6), (0, 1, 2)
FORM = "forward should return z (B, D) and log |det| (B,), as a pair"
SEES = "the second half's stretch or shift depends on the second half itself: the network may see the first half only"
CUT = "cuts the gradient off: no detach, .data, .item() or no_grad inside"


def build_coupling(answer: type) -> None:
    """Exercise 13: a class of affine couplings that keep the first half of the values, made with the number of values.

    ``forward(x)`` gives z (B, D) and log |det dz/dx| (B,), ``inverse(z)`` gives x. Both are tried with random weights:
    whether the first half passes, whether the second is stretched and shifted by functions of the first alone, whether
    the log-determinant is autograd's, and whether the way back leads back.
    """

    def hint() -> str | None:
        if unanswered(answer):
            return None
        if isinstance(answer, nn.Module):
            return "hand over the class, MyCoupling, without brackets: the check makes couplings of several sizes"
        if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
            return f"a class of nn.Module is asked for, and it was {short(answer)}"
        has_forward, has_inverse = answer.forward is not nn.Module.forward, callable(getattr(answer, "inverse", None))
        if not (has_forward or has_inverse):
            return None
        if not (has_forward and has_inverse):
            return f"{'inverse' if has_forward else 'forward'} is missing"
        cases = [(scrambled(answer(size), seed), torch.randn(BATCH, size)) for size in SIZES for seed in SEEDS]
        for look in (_wrong_form, _wrong_map, _wrong_log_det, _wrong_way_back, _wrong_graph):
            if why := next(filter(None, (look(net, x) for net, x in cases)), None):
                return why
        return ""

    raised = [
        ("mat1 and mat2", "the network sees size // 2 values and gives s and m of the others: size numbers in all"),
        ("must match the size", "s and m need the shape of the second half, (B, D / 2): chunk(2, 1) splits columns"),
        ("object is not callable", "a class is handed over, and its network is kept by __init__: self.net = ..."),
        ("inplace operation", "build z by torch.cat: writing into it spoils the gradient"),
        ("cannot assign module before", "call super().__init__() first in __init__"),
        ("has no attribute '_", "call super().__init__() first in __init__"),
        ("has no attribute", "what forward and inverse use must be made in __init__, as self. ..."),
    ]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        report(hint, "One half goes through, and tells how the other is to be undone.", raised)


def _wrong_form(net: nn.Module, x: Tensor) -> str | None:
    out = net(x.clone())
    if isinstance(out, Tensor) or not isinstance(out, tuple | list) or len(out) != 2:
        return FORM
    z, log_det = out
    if not isinstance(z, Tensor) or z.shape != x.shape:
        return f"z should have the shape of x, {tuple(x.shape)}, and was {short(z)}"
    if not isinstance(log_det, Tensor):
        return f"log |det| should be a tensor (B,), and was {short(log_det)}"
    if log_det.shape != (BATCH,):
        if log_det.ndim == 0:
            return "log |det| is one number for each point: do not add up the batch"
        if log_det.ndim == 2 and len(log_det) == BATCH:
            return "log |det| is one number for each point, shape (B,): add up over the values, sum(1)"
        return f"log |det| should have shape (B,), here ({BATCH},), and has {tuple(log_det.shape)}"
    again, alone = net(x.clone())[0], net(x[:1].clone())[0]
    if not torch.allclose(again, z, atol=1e-5, equal_nan=True):
        return "forward gives another z for the same x: nothing in it may be random"
    if not torch.allclose(alone, z[:1], atol=1e-4, equal_nan=True):
        return "the points of a batch must not influence each other: no mean or norm over the batch"
    return None


def _stretch_and_shift(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the second half is multiplied by, and what is added: from z at two places of the second half."""
    h = x.shape[1] // 2
    at_zero = net(torch.cat([x[:, :h], torch.zeros_like(x[:, h:])], 1))[0][:, h:]
    at_one = net(torch.cat([x[:, :h], torch.ones_like(x[:, h:])], 1))[0][:, h:]
    return (at_one - at_zero).detach(), at_zero.detach()


def _wrong_map(net: nn.Module, x: Tensor) -> str | None:
    h = x.shape[1] // 2
    z = net(x.clone())[0]
    if torch.allclose(z, x):
        return "z is x: the second half should be stretched and shifted"
    if not torch.allclose(z[:, :h], x[:, :h]):
        if torch.allclose(z[:, h:], x[:, h:]):
            return "the wrong half is kept: the first half should pass as it is, and the second change"
        if torch.allclose(z[:, h:], x[:, :h]):
            return "the halves are exchanged in z: torch.cat([first half, changed second half], 1)"
        return "the first half of z should be the first half of x, as it is"
    stretch, shift = _stretch_and_shift(net, x)
    if not stretch.isfinite().all() or (stretch <= 0).any():
        return "the stretch may be 0 or negative: multiply by exp(s), not by s"
    if not torch.allclose(z[:, h:], x[:, h:] * stretch + shift, atol=1e-3, rtol=1e-3):
        return SEES
    if not stretch.std(0).max() > 1e-4:
        kind = (
            "exp(s) is missing: the second half is only shifted"
            if torch.allclose(stretch, torch.ones(()))
            else (
                "every point is stretched alike: s should come from the network, so that it depends on the first half"
            )
        )
        return kind
    if not shift.std(0).max() > 1e-4:
        return "the shift m is missing, or the same for every point: it should come from the network, too"
    return None


def _wrong_log_det(net: nn.Module, x: Tensor) -> str | None:
    given, s = net(x.clone())[1].detach(), _stretch_and_shift(net, x)[0].log()
    right = s.sum(1)
    if torch.allclose(given, right, atol=1e-3, rtol=1e-3):
        return None
    usual = (
        (-right, "the sign of log |det|: x exp(s) stretches by exp(s), whose logarithm is s"),
        (torch.zeros_like(right), "log |det| is 0: it should be the sum of s"),
        (right.exp(), "that is the determinant; its logarithm is asked for, the sum of s"),
        (s.exp().sum(1), "add up s itself, not exp(s): the logarithm of a product is a sum"),
        (s.mean(1), "a determinant is a product over the values: the sum of s, not the mean"),
        (s.sum(1) / 2, "half of the sum of s: the sum over the second half, not a mean over all values"),
        (s.abs().sum(1), "the absolute value belongs to the determinant, not to its logarithm"),
    )
    for wrong, why in usual:
        if torch.allclose(given, wrong, atol=1e-3, rtol=1e-3):
            return why
    if not given.isfinite().all():
        return "log |det| is not finite: it is the sum of s itself, without a further logarithm"
    return f"log |det| should be {short(float(right[0]))} for a point for which it was {short(float(given[0]))}"


def _wrong_way_back(net: Any, x: Tensor) -> str | None:
    h, z = x.shape[1] // 2, net(x.clone())[0].detach()
    back = net.inverse(z.clone())
    if not isinstance(back, Tensor):
        return "inverse should return x alone, a tensor (B, D)"
    if back.shape != x.shape:
        return f"inverse should return x of shape {tuple(x.shape)}, and was {short(back)}"
    if torch.allclose(back, x, atol=1e-3, rtol=1e-3):
        return None
    if not torch.allclose(back[:, :h], x[:, :h], atol=1e-5):
        return "inverse should leave the first half as it is"
    stretch, shift = _stretch_and_shift(net, x)
    z2 = z[:, h:]
    usual = (
        (z2 * stretch + shift, "inverse does what forward does: first subtract m, then multiply by exp(-s)"),
        (z2 / stretch - shift, "the order of the way back: first subtract m, then multiply by exp(-s)"),
        ((z2 - shift) * stretch, "the sign of s on the way back: multiply by exp(-s)"),
        ((z2 + shift) / stretch, "the sign of m on the way back: subtract it"),
        (z2 - shift, "inverse subtracts m, and does not undo the stretch: multiply by exp(-s)"),
        (z2 / stretch, "inverse undoes the stretch, and does not subtract m before"),
        (z2, "inverse returns z as it is"),
    )
    for wrong, why in usual:
        if torch.allclose(back[:, h:], wrong, atol=1e-3, rtol=1e-3):
            return why
    return "inverse(forward(x)) is not x: compute s and m from the first half, as in forward, then (z2 - m) exp(-s)"


def _wrong_graph(net: nn.Module, x: Tensor) -> str | None:
    z, log_det = net(x.clone())
    weights = [p for p in net.parameters() if p.requires_grad]
    for name, value in (("z", z), ("log |det|", log_det)):
        if not weights or not value.requires_grad:
            return f"no gradient of {name} reaches a network: something {CUT}"
        slopes = torch.autograd.grad(value.sum(), weights, allow_unused=True, retain_graph=True)
        if all(slope is None or not slope.abs().max() > 0 for slope in slopes):
            return f"no gradient of {name} reaches a network: something {CUT}"
    return None
