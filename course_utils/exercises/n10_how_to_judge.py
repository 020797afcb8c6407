"""Checkers of the exercises of 10_how_to_judge."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.exercises.judge import as_tensor, judge


def build_precision_recall(answer: Callable) -> None:
    """Exercise 10.1: (precision, recall) of real (N, D) and fake (M, D) by balls to the k-th nearest other point."""

    def radii(of: Tensor, k: int) -> Tensor:
        return torch.cdist(of, of).sort(1).values[:, k]

    def share(points: Tensor, centres: Tensor, limits: Tensor) -> Tensor:
        return (torch.cdist(points, centres) <= limits).any(1).double().mean()

    def both(reach: Callable, count: Callable = share) -> Callable:
        def of(real, fake, k):
            return count(fake, real, reach(real, fake, k)), count(real, fake, reach(fake, real, k))

        return of

    def balls_of_real(real, fake, k):  # coverage in place of the recall
        inside = torch.cdist(fake, real) <= radii(real, k)
        return share(fake, real, radii(real, k)), inside.any(0).double().mean()

    def hits(reduce: Callable) -> Callable:
        return lambda points, centres, limits: reduce(torch.cdist(points, centres) <= limits)

    def of_the_nearest(points, centres, limits):
        distance, centre = torch.cdist(points, centres).min(1)
        return (distance <= limits[centre]).double().mean()

    def to_others(x, y, k):  # the k-th nearest among the other set
        return torch.cdist(x, y).sort(1).values[:, min(k, len(y)) - 1]

    right = both(lambda x, y, k: radii(x, k))
    own = "the nearest of all is the point itself, at distance 0: that is the distance to the (k - 1)-th other"
    wrong = [
        (lambda *arguments: right(*arguments)[::-1], "the two are swapped: the precision comes first"),
        (both(lambda x, y, k: radii(x, k - 1)), own),
        (lambda *arguments: both(lambda x, y, k: radii(x, k - 1))(*arguments)[::-1], f"swapped; and {own}"),
        (both(lambda x, y, k: radii(x, k + 1)), "one too far: of all sorted distances the one at index k, from 0"),
        (both(lambda x, y, k: radii(x, 1)), "k is not used: the radius reaches to the k-th nearest, not to the first"),
        (both(lambda x, y, k: radii(x, 3)), "k is not used: it is not always 3"),
        (both(lambda x, y, k: radii(x, -1)), "the ball reaches to the k-th nearest other point, not to the farthest"),
        (both(to_others), "the radius comes from the wrong set: it reaches to another point of the *same* set"),
        (balls_of_real, "the second is the coverage: for the recall the balls are those around the fake points"),
        (
            lambda real, fake, k: (share(fake, real, radii(real, k)),) * 2,
            "the second is the precision again: for the recall swap the two sets",
        ),
        (
            lambda real, fake, k: (share(real, fake, radii(fake, k)),) * 2,
            "the first is the recall: for the precision the balls are those around real points",
        ),
        (both(lambda x, y, k: radii(x, k).mean()), "each point has its own radius, not the mean of all"),
        (both(lambda x, y, k: radii(x, k).max()), "each point has its own radius, not the largest of all"),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.all(1).double().mean())),
            "in some ball, not in all of them: any",
        ),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.double().mean())),
            "a point counts once, in however many balls it lies: any",
        ),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.sum(1).double().mean())),
            "a point counts once, in however many balls it lies: any",
        ),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.sum(1).double().mean() / 3)),
            "that is a density: a point counts once, in however many balls it lies",
        ),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.any(0).double().mean())),
            "that counts balls that hold a point; count the points that lie in a ball: any over the balls",
        ),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.any(1).double().sum())),
            "a share: the mean over the points, not their number",
        ),
        (
            both(lambda x, y, k: radii(x, k), hits(lambda inside: inside.any(1))),
            "two numbers: the mean over the points is missing",
        ),
        (
            both(lambda x, y, k: radii(x, k) ** 2),
            "a distance was squared and the other not: compare distances with distances",
        ),
        (
            both(lambda x, y, k: radii(x, k), lambda p, c, r: (torch.cdist(p, c) < r).any(1).double().mean()),
            "at the distance itself counts: <=",
        ),
        (
            both(lambda x, y, k: radii(x, k), of_the_nearest),
            "only the ball of the nearest centre is asked, and a larger one may hold the point: ask every ball",
        ),
        (lambda *arguments: right(*arguments)[0], "that is the precision: return both, as a pair"),
        (lambda *arguments: right(*arguments)[1], "that is the recall: return both, as a pair"),
        (lambda *arguments: sum(right(*arguments)) / 2, "return the two numbers, not their mean"),
    ]
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii 1, 1, 2 and 4 for k = 1
    g = torch.Generator().manual_seed(0)
    cases = [(line, torch.tensor([[-1.0], [4.0], [11.0], [12.0], [20.0]]), 1)]
    cases += [(torch.randn(30, 2, generator=g), 1.5 * torch.randn(20, 2, generator=g) + 0.5, k) for k in (3, 1)]
    cases.append((torch.randn(12, 5, generator=g), 0.4 * torch.randn(40, 5, generator=g), 2))
    raised = [
        ("must match the size", "a ball has one radius: (N,) of them, for the columns of distances (M, N)"),
        ("out of range", "of the sorted distances of one point the one at index k is asked for"),
        ("out of bounds", "of the sorted distances of one point the one at index k is asked for"),
    ]
    moral = "Precision sees bad samples, recall sees missing ones."
    judge(lambda *arguments: _pair(answer(*arguments)), right, cases, wrong, moral, raised)


def _need_real(value):
    if isinstance(value, complex) or (isinstance(value, Tensor) and value.is_complex()):
        raise TypeError("what was returned is a complex number")
    return value


def _pair(value):
    """A tensor or an array of two numbers as a pair, and all else as it is."""
    numbers = as_tensor(value)
    if isinstance(value, tuple | list) or numbers is None or numbers.shape != (2,):
        return value
    return tuple(numbers.unbind())


def frechet_of(answer: Callable) -> None:
    """Exercise 10.2: squared Fréchet distance of N(m, C) and N(n, S), |m - n|^2 + tr(C + S - 2 (C S)^(1/2))."""

    def roots(product: Tensor) -> Tensor:
        return torch.linalg.eigvals(product).real.clamp(min=0).sqrt().sum()

    def parts(means: Callable, spreads: Callable) -> Callable:
        return lambda m, C, n, S: means(m - n) + spreads(C, S)

    def squared(difference: Tensor) -> Tensor:
        return difference.square().sum()

    def right_spreads(C: Tensor, S: Tensor) -> Tensor:
        return C.trace() + S.trace() - 2 * roots(C @ S)

    def gap(C: Tensor, S: Tensor) -> Tensor:
        return C.trace() + S.trace() - 2 * (C @ S).trace()

    no_root = "the root of the product is missing: without it two equal Gaussians are not at distance 0"
    elementwise = "the root of a matrix is not that of its entries: take the eigenvalues of C S"
    wrong = [
        (parts(squared, gap), no_root),
        (parts(squared, lambda C, S: C.trace() + S.trace() - roots(C @ S)), "twice the root: 2 (C S)^(1/2)"),
        (parts(squared, lambda C, S: C.trace() + S.trace() + 2 * roots(C @ S)), "the root is taken away, not added"),
        (parts(squared, lambda C, S: -2 * roots(C @ S)), "the traces of C and S are missing"),
        (parts(squared, lambda C, S: C.trace() + S.trace()), "the root of C S is missing"),
        (parts(squared, lambda C, S: 0), "only the means: the covariances count, too"),
        (parts(lambda d: 0, right_spreads), "the means are missing"),
        (parts(lambda d: d.norm(), right_spreads), "the distance of the means counts squared"),
        (parts(lambda d: d.square().mean(), right_spreads), "the sum over the dimensions, not the mean"),
        (parts(torch.square, right_spreads), "one number: sum the squares over the dimensions"),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * torch.linalg.eigvals(C @ S).real.sqrt()),
            "the trace is one number: sum the roots of the eigenvalues",
        ),
        (parts(squared, lambda C, S: C.trace() + S.trace() - 2 * roots(C * S)), "the matrix product, C @ S"),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * torch.linalg.eigvalsh(C @ S).sqrt().sum()),
            "C S is not symmetric: eigvals, not eigvalsh",
        ),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * (C @ S).abs().sqrt().trace()),
            elementwise,
        ),
        (parts(squared, lambda C, S: C.trace() + S.trace() - 2 * (C @ S).sqrt().trace()), elementwise),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * (C @ S).trace().sqrt()),
            "the trace of the root, not the root of the trace",
        ),
        (
            parts(squared, lambda C, S: C.trace() + S.trace() - 2 * roots(C) * roots(S)),
            "the root of the product C S, not the product of the traces of two roots",
        ),
        (
            parts(squared, lambda C, S: (C.diagonal().sqrt() - S.diagonal().sqrt()).square().sum()),
            "right for diagonal C and S only: what two features do together counts, too",
        ),
        (
            parts(squared, lambda C, S: (C.trace().sqrt() - S.trace().sqrt()) ** 2),
            "that is the formula of one dimension with the traces: the trace of (C S)^(1/2) is asked for",
        ),
        (parts(squared, lambda C, S: (C - S).square().sum()), "that compares the entries of C and S: see the formula"),
        (
            lambda m, C, n, S: parts(squared, right_spreads)(m, C, n, S).clamp(min=0).sqrt(),
            "that is the distance; its square is asked for",
        ),
    ]
    g = torch.Generator().manual_seed(0)

    def gaussian(D: int) -> tuple[Tensor, Tensor]:
        A = torch.randn(D, D + 2, generator=g, dtype=torch.float64)
        return torch.randn(D, generator=g, dtype=torch.float64), A @ A.T / (D + 2)

    cases = [(*gaussian(D), *gaussian(D)) for D in (3, 2, 5)]
    raised = [("sqrt() not implemented for", no_root), ("cholesky", "C S is not symmetric: take its eigenvalues")]
    raised.append(("a complex number", "the eigenvalues of eigvals are complex numbers: take .real"))
    moral = "Zero for equal means and covariances, whatever the shapes of the two clouds."
    judge(lambda *arguments: _need_real(answer(*arguments)), parts(squared, right_spreads), cases, wrong, moral, raised)


def precision(answer: Callable) -> None:
    """Exercise 10.3: share of fake (M, D) within the distance of a real point (N, D) to its k-th nearest other one."""

    def share(centres: Callable, points: Callable, skip: int = 1, among: Callable | None = None) -> Callable:
        def of(real, fake, k):
            balls, inside = centres(real, fake), points(real, fake)
            others = balls if among is None else among(real, fake)
            radii = torch.cdist(balls, others).sort(1).values[:, k - 1 + skip]
            return (torch.cdist(inside, balls) <= radii).any(1).double().mean()

        return of

    def real_ones(real, fake):
        return real

    def fake_ones(real, fake):
        return fake

    def hits(reduce: Callable) -> Callable:
        def of(real, fake, k):
            radii = torch.cdist(real, real).sort(1).values[:, k]
            return reduce(torch.cdist(fake, real) <= radii)

        return of

    right = share(real_ones, fake_ones)
    wrong = [
        (
            share(real_ones, fake_ones, skip=0),
            "the nearest of all is the point itself, at distance 0: that is the distance to the (k - 1)-th other",
        ),
        (share(real_ones, fake_ones, skip=2), "one too far: of all sorted distances the one at index k, from 0"),
        (share(fake_ones, real_ones), "that is the recall: the balls are those round real points"),
        (share(fake_ones, real_ones, skip=0), "that is the recall, and each point counts itself"),
        (share(real_ones, fake_ones, 0, fake_ones), "the radius is the distance to another *real* point"),
        (hits(lambda inside: inside.all(1).double().mean()), "in some ball, not in all of them: any"),
        (hits(lambda inside: inside.double().mean()), "a fake point counts once, in however many balls it lies: any"),
        (hits(lambda inside: inside.any(0).double().mean()), "that counts balls (coverage): any over the real points"),
        (hits(lambda inside: inside.any(1).double().sum()), "a share: the mean, not the sum"),
        (hits(lambda inside: inside.any(1)), "one number: the mean over the fake points"),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, k].max()).any(1).double().mean()
            ),
            "each real point has its own radius",
        ),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, k].mean()).any(1).double().mean()
            ),
            "each real point has its own radius",
        ),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) < torch.cdist(real, real).sort(1).values[:, k]).any(1).double().mean()
            ),
            "at the distance itself counts: <=",
        ),
        (
            lambda real, fake, k: (
                (torch.cdist(fake, real) <= torch.cdist(real, real).topk(k).values[:, -1]).any(1).double().mean()
            ),
            "the smallest distances are asked for: largest=False",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(30, 2, generator=g), 1.5 * torch.randn(20, 2, generator=g), k) for k in (3, 1)]
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii 1, 1, 2 and 4 for k = 1
    cases.append((line, torch.tensor([[-1.0], [4.0], [11.0], [12.0], [20.0]]), 1))
    raised = [
        ("must match the size", "one radius (N,) a real point, for the columns of distances (M, N) from fake to real"),
        ("out of range", "of the sorted distances of one point there are N: the one at index k is asked for"),
    ]
    judge(answer, right, cases, wrong, "A point is always nearest to itself; no neighbour is found there.", raised)


def fair(answer: Callable) -> None:
    """Exercise 10.4: two distances from equal numbers of samples."""

    def cut(number: Callable) -> Callable:
        def of(distance, real, a, b):
            first, second = number(len(a), len(b))
            return distance(real, a[:first]), distance(real, b[:second])

        return of

    right = cut(lambda a, b: (min(a, b),) * 2)
    wrong = [
        (cut(lambda a, b: (a, b)), "still two numbers of samples: the one with more looks better than it is"),
        (cut(lambda a, b: (b, b)), "right only where b is the shorter one"),
        (cut(lambda a, b: (a, a)), "right only where a is the shorter one"),
        (cut(lambda a, b: (min(a, b) // 2, min(a, b) // 2)), "fair, and wasteful: take as many as there are of both"),
        (
            lambda distance, real, a, b: (distance(real, a) * len(a), distance(real, b) * len(b)),
            "no factor repairs it: take equal numbers",
        ),
        (
            lambda distance, real, a, b: (distance(real, a) / len(a), distance(real, b) / len(b)),
            "no factor repairs it: take equal numbers",
        ),
        (lambda *arguments: right(*arguments)[::-1], "the distance of a comes first"),
        (lambda *arguments: is_nearer(*right(*arguments)), "return the two distances, as a tuple"),
    ]

    def is_nearer(a: float, b: float) -> bool:
        return a < b

    def distance(real: Tensor, fake: Tensor) -> float:  # which samples are taken does not matter, how many does
        return abs(real.mean().item() - fake.mean().item()) + 10 / len(fake)  # cutting real as well is fair, too

    def samples(n: int, value: float) -> Tensor:
        return torch.full((n, 2), value)

    real = samples(50, 0.0)
    cases = [(distance, real, samples(40, 1.0), samples(8, 1.5)), (distance, real, samples(6, 3.0), samples(20, 2.0))]
    moral = "Now the order is that of the models, and not that of the numbers of samples."
    judge(answer, right, cases, wrong, moral, [("division by zero", "no sample is left of one of them")])
