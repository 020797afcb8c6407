"""Checker of the masked convolution that 03_pixel_cnn asks for: judged by what it computes, whatever is inside."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.exercises.judge import Remark, report, short, unanswered
from course_utils.exercises.networks import initialised

CONVOLUTIONS = (("A", 1, 4, 5), ("B", 4, 3, 3), ("A", 2, 3, 3), ("B", 3, 2, 5), ("B", 2, 3, 1))  # kind, in, out, k
HEIGHT, WIDTH = 9, 10
INNER = (4, 5), (3, 4)  # pixels from which no kernel reaches the border
CORNERS = (0, 0), (0, WIDTH - 1), (HEIGHT - 1, 0), (HEIGHT - 1, WIDTH - 1)
NOTHING = 1e-6  # of the largest derivative: what rounding may leave of a zero


def taps(right: Callable) -> Callable:
    """Mask (k, k) of a kind: True at (row, column) from the centre where right(kind, row, column) holds."""

    def mask(kind: str, k: int) -> Tensor:
        around = range(-(k // 2), k // 2 + 1)
        return torch.tensor([[bool(right(kind, row, column)) for column in around] for row in around])

    return mask


RIGHT_TAPS = taps(lambda kind, row, column: (row, column) < (0, kind == "B"))
WRONG_TAPS: tuple[tuple[Callable[..., Any], str], ...] = (
    (taps(lambda kind, row, column: True), "the mask is not used: a pixel sees everything around it"),
    (taps(lambda kind, row, column: (row, column) < (0, kind == "A")), "A and B are swapped: A hides the pixel itself"),
    (taps(lambda kind, row, column: (row, column) < (0, 0)), "mask B lets a pixel see itself, and this one never does"),
    (taps(lambda kind, row, column: (row, column) < (0, 1)), "mask A hides the pixel itself, and this one never does"),
    (taps(lambda kind, row, column: (row, column) > (0, -(kind == "B"))), "turned round: it sees what comes later"),
    (
        taps(lambda kind, row, column: row < 0),
        "the rows above are right; the pixels to the left in the same row are missing",
    ),
    (
        taps(lambda kind, row, column: row < 0 or (row == 0 and kind == "B" and column == 0)),
        "the rows above are right; the pixels to the left in the same row are missing",
    ),
    (
        taps(lambda kind, row, column: row <= 0),
        "the centre's row is open to its end: what is to the right of the pixel comes later",
    ),
    (
        taps(lambda kind, row, column: row < 0 or (row == 0 and (kind == "B" or column != 0))),
        "the centre's row is open to its end: what is to the right of the pixel comes later",
    ),
    (
        taps(lambda kind, row, column: row == 0 and column < (kind == "B")),
        "the pixels to the left are right; the rows above are missing",
    ),
    (
        taps(lambda kind, row, column: (column, row) < (0, kind == "B")),
        "transposed: it sees whole columns to the left in place of whole rows above",
    ),
    (
        taps(lambda kind, row, column: row <= 0 and column < (kind == "B")),
        "in the rows above, what is to the right has been read, too",
    ),
    (
        taps(lambda kind, row, column: column - row < (kind == "B")),
        "that is a triangle: reading goes row by row, so the rows above are open to their ends",
    ),
    (
        taps(lambda kind, row, column: (row, column) != (0, 0) or kind == "B"),
        "only the pixel itself is hidden: whatever comes later in the order of reading must be, too",
    ),
)


def field(kind: str, k: int, h: int, w: int) -> Tensor:
    """The pixels (H, W) that the right convolution sees from (h, w)."""
    seen = torch.zeros(HEIGHT + 2 * k, WIDTH + 2 * k, dtype=torch.bool)
    top, left = h + k - k // 2, w + k - k // 2
    seen[top : top + k, left : left + k] = RIGHT_TAPS(kind, k)
    return seen[k:-k, k:-k]


def derivatives(conv: nn.Module, x: Tensor, h: int, w: int) -> Tensor:
    """Of every feature at (h, w) by every input value, (out, in, H, W)."""
    x = x[:1].clone().requires_grad_()
    rows = [torch.autograd.grad(y, x, retain_graph=True)[0][0] for y in conv(x)[0, :, h, w]]
    return torch.stack(rows)


def seen(jacobian: Tensor) -> Tensor:
    return jacobian.abs() > NOTHING * jacobian.abs().max()


def around(jacobian: Tensor, k: int, h: int, w: int) -> Tensor:
    """The part (…, k, k) under a kernel at (h, w)."""
    return jacobian[..., h - k // 2 : h + k // 2 + 1, w - k // 2 : w + k // 2 + 1]


def build_masked_conv(answer: Callable) -> None:
    """Exercise 03: a class ``MaskedConv2d(kind, in_channels, out_channels, kernel_size)``, kind "A" or "B".

    An nn.Module from (B, in, H, W) to (B, out, H, W): a convolution at odd kernel size whose output at a pixel sees the
    pixels before it in the order of reading, and with B the pixel itself, also after steps of an optimiser.
    """

    def hint() -> str | None:
        if unanswered(answer) or (isinstance(answer, type) and _has_no_init(answer)):
            return None
        if isinstance(answer, nn.Module):
            return "hand over the class itself, not a convolution made with it"
        convs, remarks = [], set()
        for kind, C, K, k in CONVOLUTIONS:
            conv = answer(kind, C, K, k)
            if unanswered(conv) or (isinstance(conv, nn.Module) and not initialised(conv)):
                return None
            if not isinstance(conv, nn.Module):
                return f"an nn.Module is asked for, and it was {short(conv)}"
            x = torch.randn(2, C, HEIGHT, WIDTH)
            y = _outputs(conv, x, k)
            if unanswered(y):
                return None
            if why := _form(conv, x, y, K, k):
                return f"kind {kind!r}, kernel size {k}: {why}"
            convs.append((conv, x, kind, k))
        if why := _wrong_field(convs):
            return why
        for conv, x, kind, k in convs:
            if why := _wrong_learning(conv, x):
                return why
            if not torch.equal(_union(conv, x, k), RIGHT_TAPS(kind, k)):
                return "after a step of the optimiser masked weights are back: mask in forward, not once in __init__"
            remarks |= _remarks(conv, x)
        return Remark(" ".join(sorted(remarks)))

    shapes = "the mask has the weights' shape (out, in, k, k), or one that broadcasts to it, such as (k, k)"
    raised = [
        ("must match the size of tensor", shapes),
        ("must match the existing size", shapes),
        ("before Module.__init__() call", "call super().__init__() first"),
        ('required "forward" function', "forward is missing, or has another name"),
        ("to have 1 channels", "in_channels and out_channels are arguments: use them"),
        ("expected input", "in and out are exchanged: nn.Conv2d(in, out, k), weights and mask (out, in, k, k)"),
        ("a leaf Variable that requires grad", "weights change in place under no_grad only; better multiply them anew"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        report(hint, "Only the pixels before it, and whatever the optimiser does it stays so.", raised)


def _has_no_init(answer: type) -> bool:
    """Whether the class has no __init__ of its own but torch's; not compared with that, which tools may wrap."""
    return next(c for c in answer.__mro__ if "__init__" in vars(c)).__module__.startswith("torch.")


def _outputs(conv: nn.Module, x: Tensor, k: int):
    """conv(x); a mask that fits images of the kernel's size only gets its own message."""
    try:
        return conv(x)
    except RuntimeError as error:
        if "must match the size" not in str(error):
            raise
        try:
            conv(x[:1, :, :k, :k])
        except Exception:
            raise error from None
        raise ValueError("the mask multiplies the weights, neither the image nor the output") from None


def _form(conv: nn.Module, x: Tensor, y, K: int, k: int) -> str | None:  # noqa: N803
    """What is wrong with the output as a whole."""
    B, _, H, W = x.shape
    if not isinstance(y, Tensor):
        return f"forward should return a tensor, and returned {short(y)}"
    if y.shape == (B, K, H - k + 1, W - k + 1) and k > 1:
        return f"the image shrinks by k - 1 = {k - 1}: pad k // 2 on each side"
    if y.shape != (B, K, H, W):
        return f"the output should have shape {(B, K, H, W)}, and has {tuple(y.shape)}"
    if not y.isfinite().all():
        return "the output is not finite: multiply the weights by 0 and 1"
    if not list(conv.parameters()):
        return "there are no weights to learn: keep an nn.Conv2d, or nn.Parameters"
    if not y.requires_grad:
        return "no gradient reaches the weights: .data, detach() and no_grad() cut it off"
    again = conv(x)
    scale = float(y.detach().abs().max())
    if float((again - y).detach().abs().max()) > 1e-5 * scale:
        return "two calls with the same image give different results"
    other = torch.randn_like(x)
    bend = conv(x + other) - y - conv(other) + conv(torch.zeros_like(x))
    if float(bend.detach().abs().max()) > 1e-4 * scale:
        return "a convolution is linear: ReLU and normalisation belong to the network around it"
    return None


def _union(conv: nn.Module, x: Tensor, k: int) -> Tensor:
    """The taps (k, k) that some output uses for some input."""
    return around(seen(derivatives(conv, x, *INNER[0])), k, *INNER[0]).flatten(0, 1).any(0)


def _wrong_field(convs: list) -> str | None:
    """What is wrong with the pixels that are seen; by one pattern in all convolutions, if there is one."""
    unions = []
    for conv, x, kind, k in convs:
        first, second = (derivatives(conv, x, *pixel) for pixel in INNER)
        if not torch.allclose(around(first, k, *INNER[0]), around(second, k, *INNER[1]), rtol=1e-3, atol=1e-5):
            return "it treats pixels differently: the mask belongs to the weights, not to the image or the output"
        unions.append(around(seen(first), k, *INNER[0]).flatten(0, 1).any(0))
        if seen(first).flatten(0, 1).any(0).sum() > unions[-1].sum():
            return f"kind {kind!r}: a pixel sees beyond a kernel of size {k} around it; pad the same on all sides"
    for mistake, why in WRONG_TAPS:
        if all(torch.equal(union, mistake(kind, k)) for union, (_, _, kind, k) in zip(unions, convs, strict=True)):
            return why
    for union, (conv, x, kind, k) in zip(unions, convs, strict=True):
        every = around(seen(derivatives(conv, x, *INNER[0])), k, *INNER[0])  # (out, in, k, k)
        masked = (every == RIGHT_TAPS(kind, k)).flatten(2).all(2)
        if masked.any() and not masked.all():
            return f"kind {kind!r}: not all channels have this mask; it is the same for every input and output channel"
        differing = (union != RIGHT_TAPS(kind, k)).nonzero()
        if len(differing):
            row, column = (differing[0] - k // 2).tolist()
            too = "should not be" if union[tuple(differing[0])] else "should be"
            return f"kind {kind!r}, kernel size {k}: the pixel {row:+d} rows, {column:+d} columns away {too} seen"
        for h, w in CORNERS:
            if not torch.equal(seen(derivatives(conv, x, h, w)).flatten(0, 1).any(0), field(kind, k, h, w)):
                return f"kind {kind!r}: wrong at the border, pixel ({h}, {w}): what is outside counts as zeros"
    return None


def _wrong_learning(conv: nn.Module, x: Tensor) -> str | None:
    """What is wrong with the gradients; takes a step of an optimiser."""
    learned = [p for p in conv.parameters() if p.requires_grad]
    if any(p.ndim > 1 and ((p == 0) | (p == 1)).all() for p in learned):
        return "the mask is a parameter, and the optimiser would change it: register_buffer('mask', ...)"
    optimizer = torch.optim.Adam(learned, 0.1)
    before = conv(x)
    live = int(seen(derivatives(conv, x, *INNER[0])).sum())
    (before - torch.randn_like(before)).square().sum().backward()
    reached = sum(int((p.grad != 0).sum()) for p in learned if p.grad is not None and p.ndim > 1)
    if not reached:
        return "the gradient does not reach the weights: in forward no .data, no detach(), no new nn.Parameter"
    if reached < live:
        return f"the gradient reaches {reached} of the {live} weights that are not masked"
    optimizer.step()
    if torch.allclose(conv(x), before):
        return "a step of the optimiser changes nothing: forward must use the parameters themselves"
    return None


def _remarks(conv: nn.Module, x: Tensor) -> set[str]:
    """What a right convolution could still do better."""
    found = set()
    for p in conv.parameters():
        p.data = torch.randn_like(p)
    before = [p.detach().clone() for p in conv.parameters()]
    conv(x)
    if any(not torch.equal(p, old) for p, old in zip(conv.parameters(), before, strict=True)):
        found.add("(Forward writes into the weights: right here, but multiplying them anew leaves them as they are.)")
    if any(isinstance(value, Tensor) for module in conv.modules() for value in vars(module).values()):
        found.add("(A plain attribute stays behind when the model moves to another device: register_buffer.)")
    return found
