"""Checker of the MADE that 01_chain_rule asks for: who sees whom, over all pictures of 3 x 3 black or white pixels."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises.judge import report, short, unanswered
from course_utils.exercises.networks import no_network, scrambled

SIDE = 3
PIXELS = SIDE * SIDE
BEFORE = torch.ones(PIXELS, PIXELS, dtype=torch.bool).tril(-1)  # [i, j]: pixel j comes before pixel i
BINARY = torch.arange(2**PIXELS)[:, None] >> torch.arange(PIXELS - 1, -1, -1) & 1  # (512, 9): every picture
EVERY = BINARY.float().view(-1, 1, SIDE, SIDE)


def build_made(answer: nn.Module) -> None:
    """Exercise 01: a MADE, an nn.Module from black-and-white pictures (B, 1, 3, 3) to logits (B, 9) of "white".

    The logit of a pixel must depend on all pixels before it, not linearly, and on no other. Logits (B, 1, 3, 3) are
    accepted, too.
    """

    def hint() -> str | None:
        if why := no_network(answer, "MADE"):
            return why
        if why is None:
            return None
        net = copy.deepcopy(answer).eval()
        with torch.no_grad():
            logits = net(EVERY.clone())
            if unanswered(logits):
                return None
            return _wrong_form(net, logits) or _wrong_dependence(net) or _wrong_mixture(net) or _wrong_sum(net)

    raised = [
        ('required "forward" function', "forward is missing, or has another name"),
        ("before Module.__init__() call", "call super().__init__() first"),
        (
            "shapes cannot be multiplied",
            "pictures are (B, 1, 3, 3): do you flatten(1) them to (B, 9)? Do the layers fit?",
        ),
        ("must match the size of tensor", "a mask has the shape of its weights, (outputs, inputs)"),
        ("must match the existing size", "a mask has the shape of its weights, (outputs, inputs)"),
        ("deepcopy protocol", "a tensor with a history is kept in the network: compute it in forward"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(
            hint, "It sees the pixels before each one; its 512 probabilities sum to 1, whatever its weights.", raised
        )


def _wrong_form(net: nn.Module, logits) -> str | None:
    """What is wrong with the output as a whole."""
    if not isinstance(logits, Tensor):
        return f"a tensor of logits is asked for, and it was {short(logits)}"
    B, shape = len(EVERY), tuple(logits.shape)
    if shape not in ((B, PIXELS), (B, 1, SIDE, SIDE)):
        usual = {
            (B, 1): "that is one number for each picture: a logit is asked for each of its 9 pixels",
            (B,): "that is one number for each picture: a logit is asked for each of its 9 pixels",
            (B, 2 * PIXELS): "two numbers a pixel; for black or white one logit is enough",
            (B, PIXELS, 2): "two numbers a pixel; for black or white one logit is enough",
        }
        return usual.get(shape, f"the logits should have shape (B, 9), and for B = {B} had {shape}")
    if not logits.isfinite().all():
        return "the logits are not finite: multiply the weights by zeros and ones"
    if not any(p.requires_grad for p in net.parameters()):
        return "there are no weights to learn: use nn.Linear, nn.Parameter; a plain list of layers needs nn.ModuleList"
    if any(p.ndim > 1 and p.any() and ((p == 0) | (p == 1)).all() for p in net.parameters() if p.requires_grad):
        return "the mask is a parameter, and the optimiser would change it: register_buffer('mask', ...)"
    if not torch.allclose(net(EVERY.clone()), logits, rtol=1e-4, atol=1e-5):
        return "two calls with the same pictures give different logits"
    wild = [scrambled(net, seed)(EVERY.clone()) for seed in range(2)]
    if all(((values >= 0) & (values <= 1)).all() for values in wild):
        return "those are probabilities already: return the logits, without the sigmoid"
    if all((values <= 0).all() for values in wild):
        return "all are negative, like log-probabilities: return the logits themselves"
    return None


def _sees(net: nn.Module) -> Tensor:
    """[i, j]: whether the logit of pixel i changes when pixel j is flipped, in any of the 512 pictures."""
    logits = net(EVERY.clone()).flatten(1)  # (512, 9)
    found = torch.zeros(PIXELS, PIXELS, dtype=torch.bool)
    for j in range(PIXELS):
        flipped = torch.arange(len(EVERY)) ^ (1 << (PIXELS - 1 - j))
        found[:, j] = (logits[flipped] - logits).abs().amax(0) > 1e-5 * logits.abs().max()
    return found


def _wrong_dependence(net: nn.Module) -> str | None:
    """What is wrong with who depends on whom, and whether it does so linearly."""
    sees = _sees(net)
    if why := _leak(sees):
        return why
    others = [scrambled(net, seed) for seed in range(4)]  # with any one of them a ReLU may hide a pixel
    for other in others:
        sees |= _sees(other)
    if why := _leak(sees):
        return f"with other weights {why}. Multiply by the mask in forward, not once in __init__"
    if not sees.any():
        return "the logits do not depend on the picture"
    missing = BEFORE & ~sees
    if torch.equal(missing, BEFORE & ~BEFORE.tril(-2)):
        return "no pixel sees the one just before it: only one of the two comparisons is strict"
    if missing.any():
        i, j = missing.nonzero()[0].tolist()
        many = "no hidden unit passes it on. Are there enough of them, with degrees from the smallest to the largest?"
        return f"pixel {i + 1} does not see pixel {j + 1} (counted from 1), which comes before it: {many}"
    inputs = F.pad(BINARY.double(), (1, 0), value=1.0)
    for other in others:
        logits = other(EVERY.clone()).flatten(1).double()
        rest = logits - inputs @ torch.linalg.lstsq(inputs, logits).solution
        if rest.abs().max() > 1e-3 * logits.abs().max():
            return None
    return "it is linear, one logistic regression for each pixel: a hidden layer with a ReLU is asked for"


def _leak(sees: Tensor) -> str | None:
    """What a network that sees too much does wrong, from [i, j]: whether the logit of pixel i depends on pixel j."""
    later, earlier = sees & BEFORE.T, sees & BEFORE
    if not later.any():
        itself = "a pixel sees itself: one of the two comparisons must be strict, > and not >="
        return itself if sees.diagonal().any() else None
    if not earlier.any():
        return "turned round: a pixel sees what comes after it and nothing before it"
    if sees.all():
        return "every pixel sees the whole picture: no mask is used, or a path goes round it"
    i, j = later.nonzero()[0].tolist()
    return f"the logit of pixel {i + 1} depends on pixel {j + 1} (counted from 1), which comes later"


def _wrong_mixture(net: nn.Module) -> str | None:
    """While it trains, a picture must not depend on the others in its batch; dropout gets the same seed twice."""
    net, outputs = copy.deepcopy(net).train(), []
    for batch in (EVERY[[5, 100, 200]], EVERY[[5, 300, 17]]):
        torch.manual_seed(0)
        outputs.append(net(batch)[0])
    if not torch.allclose(*outputs, rtol=1e-4, atol=1e-5):
        return "while it trains, a picture depends on the others of its batch: no batch norm in a likelihood"
    return None


def _wrong_sum(net: nn.Module) -> str:
    """Empty if the probabilities of all 512 pictures sum to 1."""
    cross_entropy = F.binary_cross_entropy_with_logits(
        net(EVERY.clone()).flatten(1), EVERY.flatten(1), reduction="none"
    )
    total = float((-cross_entropy.sum(1)).exp().sum())
    return "" if abs(total - 1) < 1e-3 else f"the probabilities of all 512 pictures sum to {total:.4g}, and not to 1"
