"""Checkers of the exercises of 02_pixel_rnn."""

from collections.abc import Callable
from operator import ge, gt, le, lt

import torch
import torch.nn.functional as F

from course_utils.exercises.judge import judge


def skew(answer: Callable) -> None:
    """Exercise 02.1: row r of a map (H, W) moved r places to the right, (H, H + W - 1)."""

    def moved(places: Callable, width: Callable) -> Callable:
        """Row r is moved by places(r, H), in a map of width(H, W) columns."""

        def move(x):
            y = x.new_zeros(len(x), width(*x.shape))
            for r, row in enumerate(x):
                start = places(r, len(x))
                y[r, start : start + len(row)] = row
            return y

        return move

    def fits(height, width):
        return height + width - 1

    too_narrow = "the last row moves by H - 1 places, so H + W - 1 columns are needed"
    wrong = [
        (moved(lambda r, height: height - 1 - r, fits), "turned round: the first row stays, the last moves furthest"),
        (
            moved(lambda r, height: r, lambda h, w: h + w),
            "one column too many: the last row moves by H - 1 places only",
        ),
        (moved(lambda r, height: r + 1, lambda h, w: h + w), "row 0 should stay where it is"),
        (moved(lambda r, height: 0, fits), "the map is wide enough, but no row has moved"),
        (
            lambda x: torch.stack([row.roll(r) for r, row in enumerate(x)]),
            f"what is rolled out on the right comes back on the left: {too_narrow}",
        ),
        (
            lambda x: torch.stack([F.pad(row, (r, 0))[: len(row)] for r, row in enumerate(x)]),
            f"pixels are pushed out on the right: {too_narrow}",
        ),
        (
            lambda x: moved(lambda r, height: r, fits)(x.T).T,
            "columns moved down; it is the rows that move, to the right",
        ),
    ]
    cases = [(torch.arange(1, 13).view(3, 4),), (torch.arange(1.0, 11.0).view(5, 2),), (torch.ones(1, 3),)]
    raised = [("must match the existing size", too_narrow), ("equal size", "each row needs zeros on both sides")]
    right = moved(lambda r, height: r, fits)
    judge(answer, right, cases, wrong, "Each diagonal is a column now: one step of the recurrence.", raised)


def lstm_step(answer: Callable) -> None:
    """Exercise 02.2: state and memory of an LSTM from its gates (4h, N), in the order o, f, i, g, and its memory."""

    def step(order="ofig", content=torch.tanh, shown=torch.tanh, squash=torch.sigmoid, old=False, swap=False):
        def answer(gates, c):
            parts = dict(zip(order, gates.chunk(4), strict=True))
            new = squash(parts["f"]) * c + squash(parts["i"]) * content(parts["g"])
            h = squash(parts["o"]) * shown(c if old else new)
            return (new, h) if swap else (h, new)

        return answer

    def plain(t):
        return t

    right = step()
    wrong = [
        (step(swap=True), "the values are right: the state h comes first, then the memory c"),
        (step("ifgo"), "that is the order of torch.nn.LSTM; here it is o, f, i, g"),
        (step("oifg"), "f and i are exchanged: f keeps the old memory, i lets new content in"),
        (step("fiog"), "the gates are mixed up: the first quarter is o, then come f, i and g"),
        (step(content=torch.sigmoid), "g is content, not a gate: it may be negative, so tanh"),
        (step(content=plain), "the content g is not squashed: tanh(g)"),
        (step(shown=plain), "the state shows tanh(c), not c: else it grows without bound"),
        (step(shown=torch.sigmoid), "the state shows tanh(c), not sigmoid(c)"),
        (step(old=True), "the state shows the *new* memory"),
        (step(squash=plain), "the sums come as any numbers: a sigmoid makes them shares between 0 and 1"),
        (step(squash=torch.tanh), "gates are shares between 0 and 1: sigmoid; tanh is for content"),
        (lambda gates, c: right(gates, c)[0], "only the state; the next step needs the memory too: return h, c"),
        (lambda gates, c: right(gates, c)[1], "only the memory; return h, c"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(2 * torch.randn(4 * h, n, generator=g), torch.randn(h, n, generator=g)) for h, n in ((3, 5), (1, 2))]
    parts = "the sums (4h, N) fall into four parts along the *first* axis: sums.chunk(4)"
    raised = [("size of tensor", parts), ("not enough values to unpack", parts)]
    judge(answer, right, cases, wrong, "Three gates, new content and a memory: all there is to it.", raised)


def merge(answer: Callable) -> None:
    """Exercise 02.3: the sum of both directions, the second mirrored back and moved down by one row."""

    def down(x, rows=1):
        return F.pad(x, (0, 0, rows, -rows))

    def added(place: Callable) -> Callable:
        return lambda left, right: left + place(right)

    right_one = added(lambda right: down(right.flip(-1)))
    wrong = [
        (added(lambda right: right), "two things: mirror right back, and move it down by one row"),
        (
            added(lambda right: right.flip(-1)),
            "mirrored back, but not moved down: it has seen its own row to the end, the pixel itself included",
        ),
        (added(down), "moved down, but not mirrored back: no leak, but each pixel gets what its mirror image has seen"),
        (
            added(lambda right: right.flip(-1).roll(1, 2)),
            "roll brings the last row round to the first, and the last row has seen the whole picture",
        ),
        (added(lambda right: down(right.flip(-1), -1)), "moved up: now each row gets what the next one has seen"),
        (added(lambda right: down(right.flip(-1), 2)), "by two rows: the row above is no longer seen in full"),
        (added(lambda right: F.pad(right.flip(-1), (1, -1))), "moved to the right: rows are dimension 2"),
        (added(lambda right: right.flip(-1).roll(1, 3)), "rolled along the row: rows are dimension 2"),
        (added(lambda right: down(right.flip(2))), "upside down: the map was mirrored along its rows, dimension 3"),
        (added(lambda right: right.flip(2)), "upside down: the map was mirrored along its rows, dimension 3"),
        (lambda left, right: down(left + right.flip(-1)), "left must stay: it knows what is to the left in its row"),
        (lambda left, right: down(left) + right.flip(-1), "the wrong one: right has seen its own row to the end"),
        (lambda left, right: left, "right is not used: nothing above and to the right is seen"),
    ]
    g = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 4, 5), (1, 2, 2, 3))
    cases = [(torch.randn(shape, generator=g), torch.randn(shape, generator=g)) for shape in shapes]
    raised = [("size of tensor", "after the move there must be H rows again: one comes in at the top, the last goes")]
    moral = "What the second direction saw in a row belongs to the row below."
    judge(answer, right_one, cases, wrong, moral, raised)


def state_to_state(answer: Callable) -> None:
    """Exercise 02.4: state-to-state of a Row LSTM, an unmasked convolution along the row above."""

    def conv(live: Callable) -> Callable:
        """Tap j of k is used where live(j, k // 2)."""

        def answer(weight, hidden):
            k = weight.shape[2]
            mask = torch.tensor([live(j, k // 2) for j in range(k)])
            return F.conv1d(hidden, weight * mask, padding=k // 2)

        return answer

    right = conv(lambda j, centre: True)
    wrong = [
        (
            conv(le),
            "what lies to the right in the row above is known and still hidden: most of the right side is lost",
        ),
        (conv(lt), "the pixel above and what lies to its right are known: they need not be hidden"),
        (conv(ge), "now the left is hidden: no tap need be"),
        (conv(gt), "now the left is hidden, and the pixel above: no tap need be"),
        (conv(lambda j, centre: j != centre), "the pixel above is known, too: hide no weight"),
        (lambda weight, hidden: F.conv1d(hidden, weight), "the row must keep its width: pad k // 2 on both sides"),
        (
            lambda weight, hidden: F.conv1d(hidden, weight, padding=1),
            "padding 1 fits a kernel of 3 only: k // 2 fits any",
        ),
        (
            lambda weight, hidden: F.conv1d(F.pad(hidden, (weight.shape[2] - 1, 0)), weight),
            "all padding is on the left: the kernel then ends above the pixel and never sees the right",
        ),
        (
            lambda weight, hidden: right(weight.flip(2), hidden),
            "the kernel is mirrored: F.conv1d needs no flip",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(8, 2, k, generator=g), torch.randn(3, 2, 9, generator=g)) for k in (3, 5)]
    raised = [("Kernel size can't be greater", "weight is the second argument of F.conv1d, hidden the first")]
    moral = "A mask too few leaks, and the alarms ring; a mask too many only blinds, and none does."
    judge(answer, right, cases, wrong, moral, raised)


def completion_nats(answer: Callable) -> None:
    """Exercise 02.5: nats of each completion, -sum of log p over the unknown pixels, shape (B,)."""
    each = (1, 2, 3)
    given = "those are the *given* pixels: they were not sampled and cost nothing"
    unit = "a mean has another unit. Log-probabilities add up over pixels"
    wrong = [
        (lambda log_probs, known: -(log_probs * known).mean(each), f"two things: {given}; and {unit}"),
        (lambda log_probs, known: -(log_probs * known).sum(each), given),
        (lambda log_probs, known: -(log_probs * ~known).mean(each), f"{unit}. And this one counts the given pixels"),
        (lambda log_probs, known: -log_probs[:, ~known].mean(1), f"nats per unknown pixel: {unit}"),
        (lambda log_probs, known: -log_probs.sum(each), "that is the cost of the whole picture"),
        (lambda log_probs, known: (log_probs * ~known).sum(each), "the sign: a cost is not negative"),
        (lambda log_probs, known: -(log_probs * ~known).sum(), "one number for all; one for each picture is asked for"),
        (lambda log_probs, known: -(log_probs * ~known).sum(each).mean(), "one cost for each picture, not their mean"),
        (lambda log_probs, known: -(log_probs * ~known), "one number a pixel: add them up for each picture"),
    ]
    g = torch.Generator().manual_seed(0)
    shapes = ((4, 1, 3, 3), (2, 3, 2, 5))
    cases = [(-3 * torch.rand(s, generator=g), torch.rand(s[1:], generator=g) < 0.4) for s in shapes]
    raised = [("Subtraction, the `-` operator, with", "a bool mask is turned round by ~known")]
    right = lambda log_probs, known: -(log_probs * ~known).sum(each)  # noqa: E731
    moral = "Given pixels are free, and costs add up: so completions of equal beginnings can be compared."
    judge(answer, right, cases, wrong, moral, raised)
