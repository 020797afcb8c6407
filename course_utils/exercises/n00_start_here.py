"""Checkers of the exercises of 00_start_here."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.exercises.judge import as_tensor, judge, report, short, unanswered

MOST_SURPRISE = 45.0  # chi-square of four counts: a right sampler is above it once in 10^9 draws


def log_density(answer: Callable) -> None:
    """Exercise 00.1: log-density in a cell of side w in d dimensions, log_P - d log w."""
    already = "log_P is already a logarithm: dividing P means subtracting from log P"
    wrong = [
        (lambda log_P, w, d: log_P + d * math.log(w), "the sign: dividing by a small volume makes a density *larger*"),
        (lambda log_P, w, d: log_P - math.log(w), "w is a side; a cell in d dimensions has another volume"),
        (lambda log_P, w, d: log_P - 2 * math.log(w), "right only for d = 2: the volume is w**d"),
        (lambda log_P, w, d: log_P / d - math.log(w), "log_P belongs to the whole cell, not to a dimension"),
        (lambda log_P, w, d: log_P / w**d, already),
        (lambda log_P, w, d: math.nan, already),  # torch's and NumPy's logarithm of a negative number
        (lambda log_P, w, d: math.exp(log_P) / w**d, "that is the density; its logarithm is asked for"),
        (lambda log_P, w, d: log_P - d * math.log2(w), "nats use the natural logarithm"),
    ]
    raised = [
        ("math domain error", already),
        ("expected a positive input", already),  # the same since Python 3.14
        ("must be Tensor", "w is a Python number: use math.log"),
    ]
    right = lambda log_P, w, d: log_P - d * math.log(w)  # noqa: E731
    cases = [(-3.0, 0.05, 2), (-1.5, 0.5, 1), (-10.0, 0.1, 5)]
    judge(answer, right, cases, wrong, "A density may be larger than 1, its log positive.", raised)


def ring_centres(answer: Callable) -> None:
    """Exercise 00.2: k evenly spread centres on the unit circle, angle 2 pi i / k."""
    turn = 2 * math.pi

    def at(angle: Tensor) -> Tensor:
        return torch.stack([angle.cos(), angle.sin()], -1)

    last_angle = "print the last angle: it should be 2 pi - 2 pi / k"
    wrong = [
        (
            lambda k: at(torch.linspace(0, turn, k)),
            "the first and the last centre are the same point: linspace includes its end",
        ),
        (lambda k: at(torch.linspace(0, turn, k + 1)), "one too many: the last repeats the first, drop it"),
        (lambda k: at(torch.linspace(0, turn, k)[:-1]), "k - 1 points: make k + 1, then drop the last"),
        (lambda k: at(torch.arange(k) / k), "the angles run from 0 to 1: a whole turn is 2 pi"),
        (lambda k: at(360 * torch.arange(k) / k), "cos and sin take radians, not degrees"),
        (lambda k: at(torch.arange(k)), last_angle),
        (lambda k: at(math.pi * torch.arange(k) / k), last_angle),
        (lambda k: at(turn * torch.arange(k) / (k + 1)), last_angle),
        (lambda k: at(turn * torch.arange(8) / 8), "use k, not 8"),
        (lambda k: at(turn * torch.arange(k) / k).T, "one centre per row is asked for: shape (k, 2)"),
    ]

    def in_any_order(points: Tensor) -> Tensor:  # where the first spot is, and which way round, is a matter of taste
        if points.ndim != 2 or points.shape[-1] != 2:
            return points
        distances = torch.cdist(points, points).sort().values.sort(0).values
        return torch.cat([distances, points.norm(dim=-1, keepdim=True)], 1)

    right = lambda k: at(turn * torch.arange(k) / k)  # noqa: E731
    moral = "Eight distinct ones, each as far from its neighbours as any other."
    judge(answer, right, [(8,), (5,), (3,)], wrong, moral, view=in_any_order)


def log_normal(answer: Callable) -> None:
    """Exercise 00.3: log N(x | mu, s^2 I) in D dimensions, shape (N,)."""

    def density(log_s: Callable, constant: Callable, axis: int = -1) -> Callable:
        """Counts log s and log(2 pi) / 2 so many times, given as functions of D."""

        def log_p(x, mu, s):
            square, D = -0.5 * ((x - mu) / s) ** 2, x.shape[-1]
            return square.sum(axis) - log_s(D) * math.log(s) - constant(D) * 0.5 * math.log(2 * math.pi)

        return log_p

    def each(D):
        return D

    def once(D):
        return 1

    def never(D):
        return 0

    def per_dimension(x, mu, s):
        return -0.5 * ((x - mu) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)

    right = density(each, each)
    wrong = [
        (
            density(each, lambda D: D * D),
            "log 2 pi is counted D times in each dimension, and the sum counts it D times again",
        ),
        (density(each, once), "now log 2 pi is counted once in all; each dimension has its own factor 1 / sqrt(2 pi)"),
        (density(once, each), "log s is counted once in all; each dimension has its own factor 1 / s"),
        (density(once, once), "log s and log 2 pi are counted once in all; both belong to every dimension"),
        (density(each, never), "the constant is missing: log(2 pi) / 2 for every dimension"),
        (density(never, each), "log s is missing: a wider Gaussian is lower"),
        (density(lambda D: -D, each), "the sign of log s: a wider Gaussian is lower, not higher"),
        (density(lambda D: D / 2, each), "not half of log s: s is the standard deviation, not the variance"),
        (lambda x, mu, s: -right(x, mu, s), "the sign: that is the *negative* log-density"),
        (lambda x, mu, s: right(x, mu, s) / x.shape[-1], "a mean over the dimensions; log-probabilities add up"),
        (lambda x, mu, s: right(x, mu, s).sum(), "one number for all points; one for each is asked for, shape (N,)"),
        (per_dimension, "one number per point and dimension: sum over the dimensions"),
        (
            lambda x, mu, s: per_dimension(x, mu, s).sum(0),
            "that sums over the points; the dimensions are the last axis: sum(-1)",
        ),
        (lambda x, mu, s: right(x, mu, s**0.5), "s is the standard deviation, not the variance"),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((1, 0.5), (2, 1.0), (16, 0.3))
    cases = [(torch.randn(5, D, generator=g), torch.randn(D, generator=g), s) for D, s in sizes]
    raised = [("must be Tensor", "s is a Python number: use math.log")]
    moral = "At D = 16 and s = 1 the mistake makes -14.7 nats at the mean into -235.2."
    judge(answer, right, cases, wrong, moral, raised)


def loss_from_logits(answer: Callable) -> None:
    """Exercise 00: the discriminator's loss from logits, -mean log s(real) - mean log(1 - s(fake)), a scalar.

    ``exercises.discriminator_loss`` calls it for an answer of two arguments.
    """

    def loss(real: Callable, fake: Callable, reduce: Callable = torch.mean) -> Callable:
        return lambda real_logits, fake_logits: reduce(real(real_logits)) + reduce(fake(fake_logits))

    def nll(logits):  # -log s
        return F.softplus(-logits)

    def of_rest(logits):  # -log(1 - s)
        return F.softplus(logits)

    def zero(logits):
        return torch.zeros(1)

    def naive(offset: float = 0.0) -> Callable:
        return loss(lambda f: -(f.sigmoid() + offset).log(), lambda f: -(1 - f.sigmoid() + offset).log())

    def clipped(logits: Tensor, target: float) -> Tensor:
        return F.binary_cross_entropy(torch.sigmoid(logits), torch.full_like(logits, target))

    right = loss(nll, of_rest)
    flat = "a small constant inside the logarithm keeps it finite but wrong at large logits: use softplus or logsigmoid"
    overflow = (
        "right in exact arithmetic; at a logit of 200 the sigmoid is 0 or 1, or exp overflows, and the loss is "
        "infinite: use softplus or logsigmoid"
    )
    sign = "the sign: the loss is minus the logarithms, so that less is better"
    one_sign = "the two halves have different signs: both logarithms get a minus"
    wrong = [
        (loss(lambda f: -nll(f), lambda f: -of_rest(f)), sign),
        (loss(nll, lambda f: -of_rest(f)), one_sign),
        (loss(lambda f: -nll(f), of_rest), one_sign),
        (
            loss(of_rest, nll),
            "real and fake are swapped: log s belongs to the real ones, log(1 - s) to the fake ones",
        ),
        (loss(nll, nll), "the fake ones ask for log(1 - s), and this is log s for both: that calls every image real"),
        (loss(of_rest, of_rest), "the real ones ask for log s, and this is log(1 - s) for both"),
        (lambda r, f: right(r, f) / 2, "the sum of the two means is asked for, and this is half of it"),
        (
            lambda r, f: 2 * torch.cat([nll(r), of_rest(f)]).mean(),
            "one mean over all images gives the larger group more weight: a mean for each group, then their sum",
        ),
        (
            lambda r, f: torch.cat([nll(r), of_rest(f)]).mean(),
            "one mean over all images: a mean for each group is asked for, then their sum",
        ),
        (loss(nll, of_rest, torch.sum), "means over the images are asked for, not sums"),
        (loss(nll, zero), "the half of the fake images is missing: - mean log(1 - s(fake))"),
        (loss(zero, of_rest), "the half of the real images is missing: - mean log s(real)"),
        (
            loss(lambda f: nll(torch.sigmoid(f)), lambda f: of_rest(torch.sigmoid(f))),
            "the sigmoid is taken twice: logsigmoid, softplus and ..._with_logits take it themselves",
        ),
        (loss(lambda f: -f.log(), lambda f: -(1 - f).log()), "the sigmoid is missing: logits are not probabilities"),
        (
            loss(lambda f: -torch.sigmoid(f), torch.sigmoid),
            "the logarithms are missing: those are the probabilities themselves",
        ),
        (lambda r, f: f.mean() - r.mean(), "no sigmoid and no logarithm: that compares the logits themselves"),
        (lambda r, f: right(r, f) / math.log(2), "nats use the natural logarithm"),
        (
            lambda r, f: clipped(r, 1.0) + clipped(f, 0.0),
            "binary_cross_entropy stops at 100 nats: use binary_cross_entropy_with_logits, softplus or logsigmoid",
        ),
        *((naive(offset), flat) for offset in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)),
        (naive(), overflow),
    ]
    g = torch.Generator().manual_seed(0)
    sizes = ((6, 6), (8, 3))
    cases = [(torch.randn(a, generator=g) + 1, torch.randn(b, generator=g) - 1) for a, b in sizes]
    cases.append((torch.tensor([200.0, -200.0, 3.0]), torch.tensor([-200.0, 200.0])))
    raised = [
        ("must match the size of tensor", "one number is asked for: take the mean of each group first, then add"),
        ("input size", "the targets, ones or zeros, have the shape of their logits"),
        ("should be between 0 and 1", "the sigmoid is missing: use binary_cross_entropy_with_logits"),
        ("should be >= 0", "the sigmoid is missing: use binary_cross_entropy_with_logits"),
    ]
    moral = "At logits of 0, where D knows nothing, it is 2 log 2 = 1.386."
    judge(answer, lambda real_logits, fake_logits: right(real_logits, fake_logits), cases, wrong, moral, raised)


def sample_two_pixels(answer: Callable) -> None:
    """Exercise 00: n pictures of two pixels by the chain rule, int64 (n, 2): x1 from p(x1), then x2 from p(x2 | x1).

    The answer takes p_first = p(x1 = 1), a float; p_second_given_first = (p(x2 = 1 | x1 = 0), p(x2 = 1 | x1 = 1)), a
    tensor; n; and a generator. Its counts are compared with the joint distribution.
    """

    def joint(p: float, q: Sequence[float]) -> Tensor:
        """Probabilities of 00, 01, 10, 11 if x2 is drawn with probability q[x1]."""
        return torch.tensor([(1 - p) * (1 - q[0]), (1 - p) * q[0], p * (1 - q[1]), p * q[1]], dtype=torch.float64)

    def certain(p: float) -> float:
        return float(p > 0.5)

    def one_number(p: float, q: Sequence[float]) -> Tensor:  # one uniform number decides on both pixels
        both, second = min(p, q[1]), max(q[0] - p, 0.0)
        return torch.tensor([1 - p - second, second, p - both, both], dtype=torch.float64)

    independent = "the second pixel does not depend on the first: its probability is p_second_given_first[x1]"
    exchanged = "0 and 1 are exchanged: a pixel is 1 where the random number is *below* its probability"
    wrong = [
        (lambda p, q: joint(p, q[::-1]), "the wrong entry: p_second_given_first[0] is for a first pixel of 0"),
        (one_number, "one random number decides on both pixels: draw a new one for the second"),
        (
            lambda p, q: joint(certain(p), [certain(q[0]), certain(q[1])]),
            "the more probable value every time: draw it with its probability instead",
        ),
        (
            lambda p, q: joint(p, [certain(q[0]), certain(q[1])]),
            "the first pixel is drawn, but the second is the more probable value every time: draw it, too",
        ),
        (
            lambda p, q: joint(certain(p), q),
            "the second pixel is drawn, but the first is the more probable value every time: draw it, too",
        ),
        (lambda p, q: joint(p, [(1 - p) * q[0] + p * q[1]] * 2), independent),
        (lambda p, q: joint(p, [(q[0] + q[1]) / 2] * 2), independent),
        (lambda p, q: joint(p, [q[0]] * 2), independent),
        (lambda p, q: joint(p, [q[1]] * 2), independent),
        (lambda p, q: joint(p, [p, p]), "the second pixel is drawn with p_first: use p_second_given_first[x1]"),
        (lambda p, q: joint(p, [0.0, 1.0]), "the second pixel is a copy of the first: draw it"),
        (lambda p, q: joint(1 - p, [1 - q[0], 1 - q[1]]), exchanged),
        (lambda p, q: joint(1 - p, [1 - q[1], 1 - q[0]]), exchanged),
        (lambda p, q: joint(1 - p, q), "the first pixel is 1 with probability 1 - p_first: turn the comparison round"),
        (
            lambda p, q: joint(p, [1 - q[0], 1 - q[1]]),
            "the second pixel is 1 with probability 1 - p_second_given_first[x1]: turn the comparison round",
        ),
        (lambda p, q: joint(0.5, q), "the first pixel is a fair coin: its probability of 1 is p_first"),
        (lambda p, q: joint(p, q)[[0, 2, 1, 3]], "the columns are exchanged: the first pixel is column 0"),
    ]
    cases = [(0.3, (0.8, 0.25)), (0.75, (0.1, 0.6)), (0.2, (0.35, 0.9))]

    def draw(p: float, q: tuple[float, float], n: int, seed: int):
        return answer(p, torch.tensor(q), n, torch.Generator().manual_seed(seed))

    def form(x, n: int) -> str | None:
        """What is wrong with the shape, the type or the values of the pictures."""
        pictures = as_tensor(x)
        if pictures is None or not isinstance(x, Tensor):
            return f"a tensor of shape (n, 2) is asked for, and it was {short(x)}"
        if pictures.shape == (2, n) and n != 2:
            return "one picture a row is asked for, shape (n, 2), and this is (2, n): stack along the last axis"
        if pictures.shape != (n, 2):
            return f"for n = {n} the shape should be ({n}, 2), and was {tuple(pictures.shape)}"
        if x.dtype != torch.int64:
            return f"the pictures should be int64, and were {str(x.dtype).removeprefix('torch.')}: use .long()"
        return None if ((x == 0) | (x == 1)).all() else "a pixel is 0 or 1"

    def surprise(counts: Tensor, probabilities: Tensor) -> float:
        """Chi-square of the counts, infinite for what has probability 0."""
        expected = probabilities * counts.sum()
        if (counts[expected < 1e-9] > 0).any():
            return math.inf
        return float(((counts - expected).square() / expected.clamp(min=1e-9)).sum())

    def hint() -> str | None:
        n, counts = 4000, []
        for p, q in cases:
            drawn = draw(p, q, n, 0)
            if unanswered(drawn):
                return None
            if why := form(drawn, n):
                return why
            counts.append(torch.bincount(2 * drawn[:, 0] + drawn[:, 1], minlength=4).double())
        if why := form(draw(*cases[0], 1, 0), 1):
            return why
        if all(surprise(c, joint(p, q)) < MOST_SURPRISE for c, (p, q) in zip(counts, cases, strict=True)):
            again = [draw(*cases[0], 50, 1) for _ in range(2)]
            same = torch.equal(*again)
            return "" if same else "two calls with equal generators differ: give torch.rand the generator, too"
        few = torch.stack([draw(*cases[0], 50, seed) for seed in range(1, 9)])  # of eight seeds
        constant = (few == few[:, :1]).all(1).all(0)
        if (constant & (few[:, 0] != few[0, 0]).any(0)).any():
            return "a pixel has the same value in all n pictures: draw n random numbers for it, not one"
        for mistake, why in wrong:
            if all(surprise(c, mistake(p, q)) < MOST_SURPRISE for c, (p, q) in zip(counts, cases, strict=True)):
                return why
        c, (p, q) = max(zip(counts, cases, strict=True), key=lambda pair: surprise(pair[0], joint(*pair[1])))
        case = f"p_first = {p}, p_second_given_first = {list(q)}"
        first = float(c[2:].sum() / n)
        if abs(first - p) > 5 * math.sqrt(p * (1 - p) / n):
            return f"for {case} the first pixel should be 1 in {p:.0%} of the pictures, and was in {first:.0%}"
        shares = c.view(2, 2)[:, 1] / c.view(2, 2).sum(1)
        x1 = int((shares - torch.tensor(q)).abs().argmax())
        return (
            f"for {case} the second pixel should be 1 in {q[x1]:.0%} of the pictures whose first is {x1}, "
            f"and was in {shares[x1]:.0%}"
        )

    index = "the first pixel must be int64 before it is an index: .long()"
    raised = [
        ("tensors used as indices must be", index),
        ("does not match the shape of the indexed tensor", index),
        ("only one element tensors", "there are n first pixels: p_second_given_first[x1] takes all"),
        ("bernoulli() received an invalid", "p_first is a number: compare torch.rand(n, generator=generator) with it"),
        ("must be Number, not Tensor", "all n pictures at once: torch.where, or p_second_given_first[x1]"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for answers that draw without the generator
        report(hint, "Two draws a picture, the second with a probability that the first has chosen.", raised)
