"""Checker of the step that 08_gan asks for: one update of each player, judged by where the weights are afterwards."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises.judge import report, unanswered

Step = Callable[[nn.Module, nn.Module, torch.optim.Optimizer, torch.optim.Optimizer, Tensor, Tensor], object]
RATE, BATCH, STEPS = 0.3, 12, 2  # what the first step leaves behind is only seen in the second

# Every option has its right value first: a mistake changes one or two of them.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "order": ("DG", "GD", "G, then D with new fakes", "both at once"),
    "half": (False, True),  # D's loss is the mean of its two halves, as in many tutorials
    "detach": (True, False),
    "clear_D": ("before", "after", "never", "before each"),  # "after" its own step; "before each" backward, G's as well
    "clear_G": ("before", "late", "never"),  # "late": at the end of the whole step
    "D_moves_again": (False, True),  # opt_D.step() once more, after G's backward
    "G_moves_before": (False, True),  # opt_G.step() also after D's backward
    "labels": ("right", "swapped", "minus"),
    "cost": ("non-saturating", "minimax", "own loss", "minus", "critic", "none"),
    "parts": ("both", "real", "fake", "none"),
    "reduce": (torch.mean, torch.sum),
    "one_loss": (False, True),
}
COSTS: dict[str, Callable[[Tensor], Tensor]] = {
    "non-saturating": lambda fake: F.softplus(-fake),
    "minimax": lambda fake: -F.softplus(fake),
    "own loss": F.softplus,
    "minus": lambda fake: -F.softplus(-fake),
    "critic": lambda fake: -fake,
}
LATE = "D's loss runs back into G and leaves gradients there, and opt_G.step() uses them: detach the fakes in D's loss"
WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"cost": "none"},
        "G does not move: it needs a loss of D(G(z)), without detach, then backward() and opt_G.step()",
    ),
    ({"parts": "none"}, "D does not move: it needs its own loss, backward() and opt_D.step()"),
    (
        {"detach": False, "G_moves_before": True},
        "G moves in D's turn, by D's loss: only opt_D.step() belongs there, and the fakes are detached",
    ),
    ({"detach": False, "clear_G": "late"}, LATE),
    ({"detach": False, "clear_G": "never"}, f"{LATE}; and clear G's gradients before G's backward"),
    (
        {"clear_D": "never", "clear_G": "never"},
        "the first step is right, the second is not: backward adds to what is there, so call zero_grad before each",
    ),
    (
        {"clear_D": "never"},
        "the first step is right, in the second D's gradients are still there: opt_D.zero_grad() before D's backward",
    ),
    (
        {"clear_G": "never"},
        "the first step is right, in the second G's gradients are still there: opt_G.zero_grad() before G's backward",
    ),
    (
        {"clear_D": "after"},
        "opt_D.zero_grad() comes too early: G's backward leaves gradients in D after it, and D's next step uses them",
    ),
    (
        {"D_moves_again": True},
        "D moves twice: opt_D.step() after G's backward uses what that has left in D; D moves in its own turn only",
    ),
    (
        {"D_moves_again": True, "clear_D": "before each"},
        "D moves in G's turn, to where the fakes look real: only opt_G.step() belongs there",
    ),
    (
        {"D_moves_again": True, "clear_D": "after"},
        "D moves in G's turn, to where the fakes look real: only opt_G.step() belongs there",
    ),
    (
        {"D_moves_again": True, "clear_D": "never"},
        "D moves twice, and its gradients are never cleared: one opt_D.step(), and zero_grad before each backward",
    ),
    (
        {"one_loss": True},
        "both players minimise the sum of both losses: each has its own loss, its own backward and its own step",
    ),
    ({"labels": "swapped"}, "D learns to call fakes real and real points fake: exchange the two"),
    ({"labels": "minus"}, "the sign of D's loss: it minimises -log D(x) - log(1 - D(fake))"),
    (
        {"labels": "swapped", "cost": "own loss"},
        "real and fake are exchanged for both players: D(x) near 1 means real",
    ),
    ({"cost": "minimax"}, "G minimises log(1 - D), the minimax cost; the non-saturating one is asked for, -log D"),
    ({"cost": "own loss"}, "G minimises -log(1 - D), as D does: its points get worse; G minimises -log D"),
    ({"cost": "minus"}, "the sign of G's loss: it minimises -log D, which is softplus(-logit)"),
    ({"cost": "critic"}, "G's loss is -D(fake), that of a Wasserstein critic; here it is softplus(-D(fake))"),
    ({"parts": "real"}, "D's loss has no fakes in it: add softplus(D(fake))"),
    ({"parts": "fake"}, "D's loss has no real points in it: add softplus(-D(x))"),
    ({"reduce": torch.sum}, "the losses are sums over the points: take means"),
)

# Parts of torch's messages, which are long, and what to say instead.
TORCH_SAYS = (
    ("second time", "D's backward has been through G, so G's cannot go there again: detach the fakes in D's loss"),
    ("does not require grad", "a loss has no gradient: in G's loss fakes are not detached, and no net stays frozen"),
    ("modified by an inplace", "compute G's loss after opt_D.step(), not before: D has changed since"),
    ("that is different to the input", "the targets have another shape than D(x), which is (B,)"),
    ("must match the size", "x and fakes are (B, 2), z is (B, 2), D(x) is (B,)"),
    ("should be between 0 and 1", "D(x) are logits, BCELoss takes probabilities: sigmoid first, or ..._with_logits"),
)


class _Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.latent = 2
        self.net = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2))

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class _Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def build_gan_step(answer: Step) -> None:
    """Exercise 08: ``step(G, D, opt_G, opt_D, x, z)`` updates D and G once each, with the noise z.

    D minimises -log D(x) - log(1 - D(G(z))), G the non-saturating -log D(G(z)), both means over the points. Right is
    any order of the two updates, and any form of the losses, also with half of D's; what is returned plays no part.
    """

    def hint() -> str | None:
        try:
            return found()
        except (RuntimeError, ValueError) as error:
            why = next((why for part, why in TORCH_SAYS if part in str(error)), None)
            if why is None:
                raise
            return why

    def found() -> str | None:
        players = _players()
        first, value = _weights(answer, players, 1)
        if not _moved(first, players) and unanswered(value):
            return None
        if any(not w.isfinite().all() for w in first):
            return "after one step the weights are not finite: write the losses with softplus, from logits"
        if not _equal(first, _weights(answer, players, 1)[0], players):
            return "two calls with the same x and z give different weights: use z, and draw no noise of your own"
        whole = _weights(answer, players, STEPS)[0]
        for base in _right_ones():
            if all(_equal(_reference(base, n), w, players) for n, w in ((1, first), (STEPS, whole))):
                return ""
        for mistake, why in WRONG:
            for base in _right_ones():
                if _equal(_reference(base | mistake, STEPS), whole, players):
                    return why
        return _where(first, players)

    raised = [("positional argument", "the arguments are G, D, opt_G, opt_D, x, z")]
    moral = "Each player moves once, by its own loss, and nothing of the other's is left behind."
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, moral, raised)


def _players() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(3)
    players = _Generator(), _Discriminator()
    for p in players[1].parameters():  # a fresh discriminator says 1/2 everywhere, where many losses agree
        p.data.mul_(2.5)
    return players


def _weights(step: Step, players: tuple[nn.Module, nn.Module], steps: int) -> tuple[tuple[Tensor, ...], object]:
    """The weights of G and D after some steps from the same start, flat, and what the last step returned."""
    G, D = copy.deepcopy(players)  # noqa: N806
    opt_G, opt_D = (torch.optim.SGD(net.parameters(), RATE) for net in (G, D))  # noqa: N806
    g, value = torch.Generator().manual_seed(5), None
    for _ in range(steps):
        x, z = (torch.randn(BATCH, 2, generator=g) for _ in range(2))
        value = step(G, D, opt_G, opt_D, x + 1.5, z)
    return tuple(_flat(net) for net in (G, D)), value


def _reference(options: dict, steps: int) -> tuple[Tensor, ...]:
    """The same weights by the step with these options, computed once."""
    key = (*sorted(options.items(), key=lambda item: item[0]), steps)
    if key not in _KNOWN:
        _KNOWN[key] = _weights(_step(options), _players(), steps)[0]
    return _KNOWN[key]


_KNOWN: dict[tuple, tuple[Tensor, ...]] = {}


def _flat(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def _moved(weights: tuple[Tensor, ...], players) -> bool:
    return any(not torch.equal(w, _flat(net)) for w, net in zip(weights, players, strict=True))


def _equal(a: tuple[Tensor, ...], b: tuple[Tensor, ...], players) -> bool:
    """Whether both players are at the same weights, compared with how far they have come."""
    for p, q, net in zip(a, b, players, strict=True):
        if not float((p - q).norm()) <= 1e-3 * float((q - _flat(net)).norm()) + 1e-6:
            return False
    return True


def _right_ones() -> Iterator[dict]:
    for half in OPTIONS["half"]:
        for order in OPTIONS["order"]:
            yield {"half": half, "order": order}


def _step(options: dict) -> Step:
    """The step with these options, the others right."""
    o = {name: values[0] for name, values in OPTIONS.items()} | options

    def loss_of_D(real: Tensor, fake: Tensor) -> Tensor:  # noqa: N802
        sign = -1 if o["labels"] == "swapped" else 1
        parts = {"real": o["reduce"](F.softplus(-sign * real)), "fake": o["reduce"](F.softplus(sign * fake))}
        both: Any = sum(value for name, value in parts.items() if o["parts"] in ("both", name))
        both = -both if o["labels"] == "minus" else both
        return both / 2 if o["half"] else both

    def step(G, D, opt_G, opt_D, x, z):  # noqa: N803
        fake = G(z)
        if o["one_loss"]:
            loss = loss_of_D(D(x), D(fake)) + o["reduce"](COSTS[o["cost"]](D(fake)))
            opt_D.zero_grad()
            opt_G.zero_grad()
            loss.backward()
            opt_D.step()
            opt_G.step()
            return

        def turn_of_D(points: Tensor) -> None:  # noqa: N802
            if o["parts"] == "none":
                return
            if o["clear_D"] in ("before", "before each"):
                opt_D.zero_grad()
            if o["G_moves_before"]:
                opt_G.zero_grad()
            loss_of_D(D(x), D(points.detach() if o["detach"] else points)).backward(retain_graph=True)
            opt_D.step()
            if o["G_moves_before"]:
                opt_G.step()
            if o["clear_D"] == "after":
                opt_D.zero_grad()

        def turn_of_G(points: Tensor) -> None:  # noqa: N802
            if o["cost"] == "none":
                return
            if o["clear_G"] == "before":
                opt_G.zero_grad()
            if o["clear_D"] == "before each":
                opt_D.zero_grad()
            o["reduce"](COSTS[o["cost"]](D(points))).backward()
            opt_G.step()
            if o["clear_G"] == "late":
                opt_G.zero_grad()
            if o["D_moves_again"]:
                opt_D.step()

        if o["order"] == "DG":
            turn_of_D(fake)
            turn_of_G(G(z))
        elif o["order"] == "GD":
            old = fake.detach()
            turn_of_G(fake)
            turn_of_D(old if o["detach"] else G(z))
        elif o["order"] == "G, then D with new fakes":
            turn_of_G(fake)
            turn_of_D(G(z))
        else:
            _both_at_once(o, G, D, opt_G, opt_D, x, fake, loss_of_D)

    return step


def _both_at_once(o: dict, G, D, opt_G, opt_D, x: Tensor, fake: Tensor, loss_of_D: Callable) -> None:  # noqa: N803
    """Both gradients at the old weights, then both updates."""
    grads = []
    losses = [
        (G, None if o["cost"] == "none" else o["reduce"](COSTS[o["cost"]](D(fake)))),
        (D, None if o["parts"] == "none" else loss_of_D(D(x), D(fake.detach()))),
    ]
    for net, loss in losses:
        if loss is not None:
            grads.append((net, torch.autograd.grad(loss, [*net.parameters()], retain_graph=True)))
    with torch.no_grad():
        for net, found in grads:
            for p, g in zip(net.parameters(), found, strict=True):
                p -= RATE * g


def _where(first: tuple[Tensor, ...], players) -> str:
    """What can be said where no usual mistake fits: which of the players is right after one step."""
    rights = [_reference(base, 1) for base in _right_ones()]
    right = [any(_equal((w,), (r[i],), players[i : i + 1]) for r in rights) for i, w in enumerate(first)]
    still = [torch.equal(w, _flat(net)) for w, net in zip(first, players, strict=True)]
    if all(still):
        return "neither G nor D moves: each needs its loss, backward() and its optimiser's step()"
    for name, i in (("G", 0), ("D", 1)):
        if still[i]:
            return f"{name} does not move: it needs its own loss, backward() and opt_{name}.step()"
    if all(right):
        return "the first step is right, the second is not: what is left from the first one? Think of zero_grad"
    for name, other, i in (("G", "D", 0), ("D", "G", 1)):
        if right[i]:
            return f"after one step {name} is where it should be, {other} is not: look at {other}'s loss and its step"
    return (
        "after one step neither G nor D is where it should be: D minimises softplus(-D(x)) + softplus(D(fake)), G "
        "softplus(-D(fake)), means over the points"
    )
