"""Checker of the pair of losses that 11_gan_losses asks for: the hinge game, judged by values and by gradients."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.exercises.judge import as_tensor, report, same, short, unanswered

HINGE_D = lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean()  # noqa: E731
HINGE_G = lambda r, f: -f.mean()  # noqa: E731
WRONG_D: tuple[tuple[Callable[..., Tensor], str], ...] = (
    (
        lambda r, f: F.relu(1 + r).mean() + F.relu(1 - f).mean(),
        "D's loss: real and fake are exchanged; real outputs belong above 1, fake ones below -1",
    ),
    (
        lambda r, f: F.relu(1 - r.sigmoid()).mean() + F.relu(1 + f.sigmoid()).mean(),
        "D's loss: no sigmoid; the hinge takes D's output as it is, any number",
    ),
    (
        lambda r, f: F.relu(-r).mean() + F.relu(f).mean(),
        "D's loss: the margin is missing, max(0, 1 - r), not max(0, -r)",
    ),
    (
        lambda r, f: F.relu(r - 1).mean() + F.relu(-1 - f).mean(),
        "D's loss: it fines what is right; a real output costs something below 1, a fake one above -1",
    ),
    (lambda r, f: F.relu(1 - r).sum() + F.relu(1 + f).sum(), "D's loss: means over the samples, not sums"),
    (lambda r, f: -HINGE_D(r, f), "D's loss: the sign; D minimises, and max(0, ...) is what it pays"),
    (lambda r, f: HINGE_D(r, f) / 2, "D's loss: a factor 1/2 that is not asked for"),
    (
        lambda r, f: F.relu(torch.cat([1 - r, 1 + f])).mean(),
        "D's loss: one mean over all outputs; real and fake ones have a mean each",
    ),
    (
        lambda r, f: F.relu((1 - r).mean()) + F.relu((1 + f).mean()),
        "D's loss: max(0, ...) of each output first, then the mean",
    ),
    (lambda r, f: F.relu(1 - r).mean(), "D's loss: the fake outputs are missing, max(0, 1 + f)"),
    (lambda r, f: F.relu(1 + f).mean(), "D's loss: the real outputs are missing, max(0, 1 - r)"),
    (lambda r, f: F.relu(1 - r).mean() + F.relu(1 - f).mean(), "D's loss: fake outputs should be low, max(0, 1 + f)"),
    (
        lambda r, f: (1 - r).mean() + (1 + f).mean(),
        "D's loss: max(0, ...) is missing; without it nothing is ever good enough",
    ),
    (lambda r, f: f.mean() - r.mean(), "D's loss is Wasserstein's; the hinge has max(0, 1 - r) and max(0, 1 + f)"),
    (
        lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(),
        "D's loss is the cross-entropy; the hinge has max(0, 1 - r) and max(0, 1 + f)",
    ),
    (lambda r, f: F.relu(1 - r).square().mean() + F.relu(1 + f).square().mean(), "D's loss: no square"),
)
WRONG_G: tuple[tuple[Callable[..., Tensor], str], ...] = (
    (
        lambda r, f: F.relu(1 - f).mean(),
        "G's loss: no hinge there; it would stop pushing as soon as an output is above 1",
    ),
    (
        lambda r, f: -F.relu(1 + f).mean(),
        "G's loss is minus D's: it saturates, with no push at all where D is sure, below -1; it is -E f",
    ),
    (lambda r, f: F.relu(1 + f).mean(), "G's loss: that is D's part; G wants its outputs high"),
    (lambda r, f: f.mean(), "G's loss: the sign; a higher output must cost less"),
    (lambda r, f: -f.sum(), "G's loss: the mean over the samples, not their sum"),
    (lambda r, f: -f.sigmoid().mean(), "G's loss: no sigmoid; the output as it is"),
    (lambda r, f: F.softplus(-f).mean(), "G's loss is the non-saturating one; with the hinge it is -E f"),
    (lambda r, f: -f.mean() / 2, "G's loss: a factor 1/2 that is not asked for"),
    (lambda r, f: r.mean() - f.mean(), "G's loss looks at real outputs; G's samples have no part in them: -E f"),
    (lambda r, f: -r.mean(), "G's loss looks at the real outputs, where G's samples have no part: -E f"),
    (lambda r, f: HINGE_D(r, f), "G's loss is D's loss: G wants the opposite for its own samples, -E f"),
    (lambda r, f: -HINGE_D(r, f), "G's loss is minus D's loss; only its own samples count, and without max: -E f"),
    (lambda r, f: 1 - f.mean(), "G's loss: right up to a constant, which moves nothing; leave it out"),
)
CASES = (([2.0, 0.5, -1.5, 0.0, 3.0], [-3.0, -0.5, 1.5]), ([-0.2, 3.7], [0.3, -2.5, 0.9, 4.0]), ([0.6], [-0.4, 0.8]))


def build_objective(answer: Callable) -> None:
    """Exercise 11: ``pair(real, fake)`` returns the hinge losses of D and of G, two scalars, from outputs (N,), (M,).

    E max(0, 1 - r) + E max(0, 1 + f) for D and -E f for G; values and gradients are compared, so any form is right.
    """

    def hint() -> str | None:
        if unanswered(answer):
            return None
        if not callable(answer):
            return f"a function of real and fake is asked for, and it was {short(answer)}"
        given = [_values(answer, case) for case in CASES]
        if any(value is None for value in given):
            return None
        wrong_form = next((value for value in given if isinstance(value, str)), None)
        if wrong_form:
            return wrong_form
        if _agree(given, lambda r, f: (HINGE_G(r, f), HINGE_D(r, f)), (0, 1)):
            return "the right pair the wrong way round: D's loss first, then G's"
        for player, right, mistakes in ((0, HINGE_D, WRONG_D), (1, HINGE_G, WRONG_G)):
            hint = _one_loss(given, player, right, mistakes)
            if hint:
                return hint
        return _gradients(answer)

    raised = [
        ("must match the size", "there may be more real than fake outputs: take the mean of each by itself"),
        ("Sizes of tensors", "there may be more real than fake outputs: take the mean of each by itself"),
        ("positional argument", "the arguments are real and fake"),
    ]
    moral = "D stops caring about what is clearly right; G's samples are all pushed alike."
    with torch.enable_grad():
        report(hint, moral, raised)


def _outputs(case) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(values, requires_grad=True) for values in case)


def _values(answer: Callable, case) -> tuple | str | None:
    """Both losses as tensors; words for what is no pair of numbers; None where nothing was written."""
    value = answer(*_outputs(case))
    if unanswered(value) or (isinstance(value, tuple | list) and len(value) and all(map(unanswered, value))):
        return None
    if isinstance(value, Tensor) and value.shape == (2,):
        value = tuple(value)
    if not isinstance(value, tuple | list) or len(value) != 2:
        return f"two losses are asked for, of D and of G: return loss_D, loss_G; it was {short(value)}"
    pair = tuple(as_tensor(part) for part in value)
    for name, part, shown in zip("DG", pair, value, strict=True):
        if part is None or part.ndim:
            return f"{name}'s loss should be one number, a mean over the samples, and was {short(shown)}"
    return pair


def _agree(given: list, right: Callable, players: tuple) -> bool:
    rights = [right(*_outputs(case)) for case in CASES]
    return all(same(pair[k], value[k]) for pair, value in zip(given, rights, strict=True) for k in players)


def _one_loss(given: list, player: int, right: Callable, mistakes: tuple) -> str:
    """What is wrong with D's (0) or G's (1) loss; nothing where it is right."""

    def agrees(loss: Callable) -> bool:
        return all(same(pair[player], loss(*_outputs(case))) for pair, case in zip(given, CASES, strict=True))

    if agrees(right):
        return ""
    for mistake, why in mistakes:
        if agrees(mistake):
            return why
    pair, case = next((p, c) for p, c in zip(given, CASES, strict=True) if not same(p[player], right(*_outputs(c))))
    should = right(*_outputs(case))
    return (
        f"{'DG'[player]}'s loss for real = {case[0]}, fake = {case[1]} should be {short(should.detach())}, and was "
        f"{short(pair[player])}"
    )


def _gradients(answer: Callable) -> str:
    """The losses are right; can they be learned from?"""
    for case in CASES:
        real, fake = _outputs(case)
        losses = answer(real, fake)
        for name, loss, right, wanted in (("D", losses[0], HINGE_D, (real, fake)), ("G", losses[1], HINGE_G, (fake,))):
            cut = f"{name}'s loss is right, but no gradient reaches the outputs: .item(), .data or detach() cuts it off"
            if not isinstance(loss, Tensor) or not loss.requires_grad:
                return cut
            theirs = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
            ours = torch.autograd.grad(right(real, fake), wanted)
            if any(g is None for g in theirs):
                return cut
            if not all(torch.allclose(g.double(), h.double(), atol=1e-5) for g, h in zip(theirs, ours, strict=True)):
                return f"{name}'s loss is right, its gradient is not: is something detached, or rounded?"
    return ""
