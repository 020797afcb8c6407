"""Checker of the PixelCNN that 03_pixel_cnn asks for: who sees whom, and on demand whether it learns."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.data import digits
from course_utils.exercises.judge import report, short, unanswered
from course_utils.exercises.networks import no_network, scrambled

LEVELS, SIDE = 17, 8
PIXELS = SIDE * SIDE
STEPS, BATCH, RATE = 150, 32, 5e-3
LIMIT = 120  # nats a digit of the validation set; equal grey levels cost 181, usual networks reach 91 to 114
ROW, COLUMN = torch.arange(PIXELS) // SIDE, torch.arange(PIXELS) % SIDE
ROWS, COLUMNS = ROW[None, :] - ROW[:, None], COLUMN[None, :] - COLUMN[:, None]  # [i, j]: from pixel i to pixel j
LATER = torch.ones(PIXELS, PIXELS, dtype=torch.bool).triu(1)


def build_pixel_cnn(answer: nn.Module, train: bool = False) -> None:
    """Exercise 03: a PixelCNN, an nn.Module from digits (B, 1, 8, 8) in [0, 1] to logits (B, 17, 8, 8).

    The logits of a pixel may depend on the pixels before it only, must depend on its left and its upper neighbour, and
    not linearly. With ``train`` a copy is trained for 150 steps of Adam, and must need less than 120 nats a digit.
    """

    def hint() -> str | None:
        if why := no_network(answer, "PixelCNN"):
            return why
        if why is None:
            return None
        net = copy.deepcopy(answer).eval()
        x = torch.randint(LEVELS, (4, 1, SIDE, SIDE)) / (LEVELS - 1)
        with torch.no_grad():
            logits = net(x)
            if unanswered(logits):
                return None
            why = _wrong_form(net, x, logits) or _wrong_dependence(net, x) or _wrong_mixture(net, x)
        return why or (_learns_too_little(net) if train else "")

    raised = [
        ('required "forward" function', "forward is missing, or has another name"),
        ("to have 17 channels", "the input is one number a pixel, (B, 1, 8, 8): in_channels = 1"),
        ("expected input", "do the layers fit? the out_channels of one are the in_channels of the next"),
        ("must match the size of tensor", "do the layers keep the image's size, 8 x 8?"),
        ("deepcopy protocol", "a tensor with a history is kept in the network: compute it in forward"),
    ]
    learned = f" After {STEPS} steps it needs less than {LIMIT} nats a digit." if train else ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, f"It sees what comes before each pixel, and nothing else.{learned}", raised)


def _wrong_form(net: nn.Module, x: Tensor, logits) -> str | None:
    """What is wrong with the output as a whole."""
    if not isinstance(logits, Tensor):
        return f"a tensor of logits is asked for, and it was {short(logits)}"
    B, shape = len(x), tuple(logits.shape)
    if shape != (B, LEVELS, SIDE, SIDE):
        usual = {
            (B, SIDE, SIDE, LEVELS): "the levels are the second axis: movedim(-1, 1)",
            (B, 1, SIDE, SIDE): f"one number a pixel; a probability for each of {LEVELS} grey levels needs {LEVELS}",
            (B, LEVELS - 1, SIDE, SIDE): f"the grey levels are 0, 1, ... {LEVELS - 1}: {LEVELS} of them",
            (B, 1, LEVELS, SIDE, SIDE): "one axis too many: squeeze the channel",
        }
        return usual.get(shape, f"the logits should have shape (B, {LEVELS}, 8, 8), and for B = {B} had {shape}")
    if not logits.isfinite().all():
        return "the logits are not finite"
    if not any(p.requires_grad for p in net.parameters()):
        return "there are no weights to learn: are the layers in a plain list? Use nn.Sequential or nn.ModuleList"
    if (logits >= 0).all() and torch.allclose(logits.sum(1), torch.ones(()), atol=1e-4):
        return "those are probabilities already: cross_entropy takes logits, and a softmax twice trains badly"
    if not torch.allclose(net(x), logits, rtol=1e-4, atol=1e-5):
        return "two calls with the same images give different logits"
    return None


def _sees(net: nn.Module, x: Tensor) -> Tensor:
    """[i, j]: whether the logits of pixel i change with the value of pixel j, in any of the images.

    By changing one pixel at a time, so that networks which look values up in a table can be judged, too.
    """
    found = torch.zeros(PIXELS, PIXELS, dtype=torch.bool)
    for image in x.flatten(1):
        changed = image.repeat(PIXELS + 1, 1)  # the last one stays as it is
        other = (image * (LEVELS - 1)).round() + torch.randint(1, LEVELS, (PIXELS,))
        changed.view(-1)[:: PIXELS + 1] = (other % LEVELS) / (LEVELS - 1)  # pixel j in image j
        logits = net(changed.view(-1, 1, SIDE, SIDE)).flatten(2)
        moved = (logits[:-1] - logits[-1]).abs().amax(1)  # (j, i)
        found |= (moved > 1e-5 * logits.abs().max()).T
    return found


def _wrong_dependence(net: nn.Module, x: Tensor) -> str | None:
    """What is wrong with who depends on whom, and whether it does so linearly."""
    first = _sees(net, x)
    if why := _leak(first):
        return why
    others = [scrambled(net, seed) for seed in range(3)]  # with any one of them a ReLU may hide a neighbour
    sees = first.clone()
    for other in others:
        sees |= _sees(other, x)
    if why := _leak(sees):
        return f"with other weights {why}. Mask in forward, not once in __init__"
    if not sees.any():
        return "the logits do not depend on the image"
    inner = (ROW > 0) & (COLUMN > 0)
    if not sees[(ROWS == 0) & (COLUMNS == -1) & inner[:, None]].all():
        if sees[(ROWS == 0) & (COLUMNS < 0)].any():
            return "a pixel does not see its left neighbour: mask A is for the first layer only, all others have mask B"
        return "a pixel sees nothing of its own row: a mask is open to the left of its centre, too"
    if not sees[(ROWS == -1) & (COLUMNS == 0) & inner[:, None]].all():
        return "a pixel does not see the one above it: a mask is open in all rows above its centre"
    a, b = torch.rand(2, *x.shape)
    net = others[0]
    middle, mean = net((a + b) / 2), (net(a) + net(b)) / 2
    if torch.allclose(middle, mean, rtol=1e-4, atol=1e-4 * float(mean.abs().max())):
        return "it is linear: without a ReLU between them, all layers are no more than one"
    return None


def _leak(sees: Tensor) -> str | None:
    """What a network that sees too much does wrong, from [i, j]: whether pixel i depends on pixel j."""
    later, before = sees & LATER, sees & LATER.T
    if not later.any():
        own = "a pixel sees itself: the first layer needs mask A, the others mask B"
        return own if sees.diagonal().any() else None
    if not before.any():
        return "turned round: a pixel sees what comes after it and nothing before it"
    if not ROWS[later].any():
        return "a pixel sees what is to the right of it in its row: a mask ends at its centre"
    if not (COLUMNS[sees] > 0).any():
        return "a pixel sees rows below it and nothing to the right: a mask is transposed"
    if (sees == sees.T).all():
        return "a pixel sees all around it: a mask is missing, in one layer at least"
    i, j = later.nonzero()[0].tolist()
    return f"the logits of pixel {divmod(i, SIDE)} depend on pixel {divmod(j, SIDE)}, which comes later"


def _wrong_mixture(net: nn.Module, x: Tensor) -> str | None:
    """While it trains, an image must not depend on the others in its batch; dropout gets the same seed twice."""
    net, other = copy.deepcopy(net).train(), torch.cat([x[:1], x[1:].flip(3)])
    outputs = []
    for batch in (x, other):
        torch.manual_seed(0)
        outputs.append(net(batch)[0])
    if not torch.allclose(*outputs, rtol=1e-4, atol=1e-5):
        return "while it trains, an image depends on the others of its batch: batch norm is no layer for a likelihood"
    return None


def _learns_too_little(net: nn.Module) -> str:
    """Empty if a copy, trained for a while on the digits, needs few enough nats on the validation set."""
    net, data = copy.deepcopy(net).train(), digits()
    g = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], RATE)
    for _ in range(STEPS):
        x = data.train[torch.randint(len(data.train), (BATCH,), generator=g)]
        loss = F.cross_entropy(net(x), _levels(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        nats = PIXELS * float(F.cross_entropy(net.eval()(data.valid), _levels(data.valid)))
    if nats < LIMIT:
        return ""
    return (
        f"after {STEPS} steps of Adam it needs {nats:.0f} nats a digit, and {LIMIT} is the limit: too few features, "
        "too many layers without skip connections, or something cuts the gradient off"
    )


def _levels(x: Tensor) -> Tensor:
    return (x[:, 0] * (LEVELS - 1)).round().long()
