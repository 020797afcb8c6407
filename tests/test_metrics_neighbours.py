"""Two sets compared by neighbours: against loops, and for sets whose answer is known."""

import math
import warnings

import prdc  # the authors' own code of density and coverage
import pytest
import torch

from course_utils.metrics import (
    coverage,
    density,
    memorisation,
    nearest,
    parzen_log_likelihood,
    precision_recall,
    told_apart,
)
from course_utils.metrics._sets import need_set


def pictures(n, seed, shift=0.0):
    return torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(seed)) + shift


def radii(x, k):
    """Distance to the k-th nearest other one, by sorting."""
    return [sorted((a - b).norm().item() for j, b in enumerate(x) if j != i)[k - 1] for i, a in enumerate(x)]


def test_two_sets_of_one_kind_are_told_apart_by_chance_and_far_ones_always():
    assert told_apart(pictures(800, 0), pictures(800, 1)) == pytest.approx(0.5, abs=0.06)
    assert told_apart(pictures(800, 0), pictures(500, 1, shift=50.0)) == 1
    copies = pictures(300, 0)
    assert told_apart(copies, copies + 1e-4) == 0  # the nearest other picture is the copy, of the other kind


def test_only_as_many_of_the_larger_set_count_as_there_are_in_the_smaller():
    few, many = pictures(5, 0), torch.cat([pictures(5, 1, shift=9.0), pictures(900, 2)])
    assert told_apart(few, many) == told_apart(many, few) == 1  # the 900, all around the few, are not looked at


def test_a_generator_that_makes_one_picture_is_told_apart_at_once():
    one = pictures(1, 0).expand(100, -1, -1, -1)
    assert told_apart(pictures(100, 1), one) > 0.9


def test_precision_and_recall_of_itself_of_one_half_and_of_noise():
    left, right = pictures(200, 0), pictures(200, 1, shift=50.0)
    both = torch.cat([left, right])
    assert precision_recall(both, both) == (1, 1)
    assert precision_recall(both, left) == (1, 0.5)  # all good, half of the world missing
    assert precision_recall(left, both) == (0.5, 1)
    assert precision_recall(both, pictures(200, 2, shift=500.0)) == (0, 0)


@pytest.mark.parametrize("modes", [1, 3])
def test_new_samples_of_some_modes_have_their_share_as_recall(modes):
    def of_modes(first, seed):
        return torch.cat([pictures(250, seed + i, shift=50.0 * i) for i in range(first)])

    real, fake = of_modes(4, 0), of_modes(modes, 10)
    usual = precision_recall(real, of_modes(4, 10))  # new pictures of all modes
    found = precision_recall(real, fake)
    assert found.precision == pytest.approx(usual.precision, abs=0.05) and usual.precision > 0.85
    assert found.recall == pytest.approx(usual.recall * modes / 4, abs=0.05)
    assert coverage(real, fake) == pytest.approx(modes / 4, abs=0.05)


def test_noise_far_away_lowers_the_precision_and_not_the_recall():
    real, fake = pictures(300, 0), pictures(300, 1)
    noise = pictures(300, 2, shift=500.0)
    clean, noisy = precision_recall(real, fake), precision_recall(real, torch.cat([fake, noise]))
    assert noisy.precision == clean.precision / 2
    assert noisy.recall == clean.recall


def test_an_outlier_raises_the_recall_and_not_the_coverage():
    real, fake = pictures(300, 0), pictures(300, 1, shift=50.0)  # nothing in common
    outlier = torch.full((1, 1, 2, 2), -500.0)  # its neighbours are so far that its ball holds everything
    assert precision_recall(real, fake).recall == 0 and coverage(real, fake) == 0
    fake = torch.cat([fake, outlier])
    assert precision_recall(real, fake).recall == 1 and coverage(real, fake) == 0


@pytest.mark.parametrize("k", [1, 3, 7])
def test_all_three_agree_with_a_loop_over_kth_neighbours(k):
    real, fake = pictures(40, 0), pictures(60, 1, shift=0.7)

    def among(x, by):
        return sum(any((a - b).norm() <= r for b, r in zip(by, radii(by, k), strict=True)) for a in x) / len(x)

    precision, recall = among(fake, real), among(real, fake)
    assert precision_recall(real, fake, k) == pytest.approx((precision, recall))
    assert 0 < precision < 1 and 0 < recall < 1 and precision != recall
    covered = sum(any((a - b).norm() <= r for b in fake) for a, r in zip(real, radii(real, k), strict=True)) / 40
    assert coverage(real, fake, k) == pytest.approx(covered) and 0 < covered < 1


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize(("n", "m", "shift"), [(60, 60, 0.0), (50, 80, 0.7), (80, 40, 1.5)])
def test_all_four_agree_with_the_published_code(n, m, shift, k, capsys):
    real, fake = pictures(n, 0), pictures(m, 1, shift)
    theirs = prdc.compute_prdc(*(x.flatten(1).double().numpy() for x in (real, fake)), nearest_k=k)
    assert precision_recall(real, fake, k) == pytest.approx((theirs["precision"], theirs["recall"]))
    assert density(real, fake, k) == pytest.approx(theirs["density"])
    assert coverage(real, fake, k) == pytest.approx(theirs["coverage"])


@pytest.mark.parametrize("k", [1, 5])
def test_density_of_equal_distributions_is_one_on_average(k):
    """A new point is one of the k nearest of x with probability k / N, and there are N such x."""
    values = torch.tensor([density(pictures(100, s), pictures(100, 100 + s), k) for s in range(40)])
    assert values.mean().item() == pytest.approx(1, abs=4 * values.std().item() / math.sqrt(len(values)))


def test_density_counts_balls_where_precision_asks_for_one():
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii 1, 1, 2 and 4 for k = 1
    fake = torch.tensor([[0.5], [4.0], [20.0], [1.0]])
    assert density(line, fake, k=1) == (2 + 2 + 0 + 3) / 4  # a sample at the rim of a ball lies in it
    assert precision_recall(line, fake, k=1).precision == 3 / 4


def test_crowded_samples_have_a_density_above_one_and_a_real_outlier_weighs_little():
    real = pictures(300, 0)
    assert density(real, 0.1 * pictures(300, 1)) > 1.2  # precision could only say 1
    bad = pictures(300, 2, shift=40.0)
    real = torch.cat([real, pictures(1, 3, shift=60.0)])  # its ball holds everything between
    assert precision_recall(real, bad, k=5).precision == 1 and density(real, bad) == pytest.approx(1 / 5)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_coverage_of_equal_distributions_is_one_minus_a_half_to_the_k(k):
    """Exactly 1 - (N - 1) ... (N - k) / ((2 N - 1) ... (2 N - k)): the k nearest of 2 N - 1 others are all real."""
    n, seeds = 200, 40
    missed = math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    found = sum(coverage(pictures(n, s), pictures(n, 100 + s), k) for s in range(seeds)) / seeds
    assert found == pytest.approx(1 - missed, abs=4 * math.sqrt(missed / n / seeds))
    assert missed == pytest.approx(2**-k, rel=0.1)


def test_pictures_and_the_same_numbers_in_a_row_give_the_same():
    a, b = pictures(50, 0), pictures(50, 1, shift=0.5)
    for measure in (told_apart, precision_recall, coverage, density):
        assert measure(a, b) == measure(a.flatten(1), b.flatten(1))


@pytest.mark.parametrize("measure", [told_apart, precision_recall, coverage, density])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: torch.zeros(9, 3)}, r" must have the shape of (real|a) after the first dimension, \(2,\), got \(3,\)"),
        ({1: torch.full((9, 2), math.nan)}, "(fake|b) must be finite"),
        ({0: torch.zeros(9, 2).long()}, "^(real|a) must be a floating-point tensor"),
        ({0: torch.zeros(9)}, "^(real|a) must be a floating-point tensor"),
        ({0: torch.zeros(0, 2)}, "^(real|a) must be a floating-point tensor"),
        ({1: None}, "^(fake|b) must be a floating-point tensor"),
    ],
)
def test_sets_of_another_form_are_refused(measure, change, message):
    arguments = {0: torch.rand(9, 2), 1: torch.rand(9, 2)}
    measure(*arguments.values())
    with pytest.raises(ValueError, match=message):
        measure(*(arguments | change).values())


def test_as_many_pictures_as_neighbours_are_too_few():
    three, four = pictures(3, 0), pictures(4, 1)
    with pytest.raises(ValueError, match="^real must be a floating-point .* with N of at least 4"):
        precision_recall(three, four)
    with pytest.raises(ValueError, match="^fake must be a floating-point .* with N of at least 4"):
        precision_recall(four, three)
    with pytest.raises(ValueError, match="^real must be a floating-point .* with N of at least 6"):
        coverage(four, three)
    with pytest.raises(ValueError, match="^real must be a floating-point .* with N of at least 6"):
        density(four, three)
    assert coverage(four, three[:1], k=3) >= 0  # one generated picture can be looked at
    for measure in (precision_recall, coverage, density):
        with pytest.raises(ValueError, match="^k must be a whole number of at least 1"):
            measure(four, four, k=0)


@pytest.mark.parametrize("change", [lambda x: 255 * x, lambda x: 2 * x - 1], ids=["0 to 255", "-1 to 1"])
def test_pictures_on_two_scales_are_refused_and_on_one_scale_whatever_it_is_they_are_not(change):
    a, b, c = (torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3))

    def parzen(x, samples):
        return parzen_log_likelihood(x, samples, std=0.3)

    for measure in (told_apart, precision_recall, coverage, density, nearest, parzen):
        for pair in ((a, change(b)), (change(a), b)):
            with pytest.raises(
                ValueError, match=r"must be pictures on the scale of \w+, whose values go from .*, got "
            ):
                measure(*pair)
        for good in (b + 0.05, 9 * torch.randn(b.shape)):  # a generator may overshoot, and be very bad
            measure(a, good)
        measure(a.flatten(1), change(b).flatten(1))  # these are features
    for measure in (told_apart, precision_recall, coverage, density):
        assert measure(change(a), change(b)) == measure(a, b)
    with pytest.raises(ValueError, match="^held_out must be pictures on the scale of samples"):
        memorisation(a, b, change(c))
    with pytest.raises(ValueError, match="^train must be pictures on the scale of samples"):
        memorisation(a, change(b), c)


def test_no_gradient_flows_back_through_a_comparison_and_none_is_needed():
    a, b = (pictures(12, seed).requires_grad_() for seed in (0, 1))
    x = need_set("a", a)
    assert not x.requires_grad and x.dtype == torch.float64 and torch.equal(x, a.detach().flatten(1).double())
    assert need_set("a", a[:1]).shape == (1, 4)  # one picture is a set, too
    assert not nearest(a, b).distance.requires_grad
    assert not parzen_log_likelihood(a, b, 0.5).requires_grad
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a tensor with a gradient turned into a number is a warning
        expected = precision_recall(a.detach(), b.detach()), coverage(a.detach(), b.detach())
        assert (precision_recall(a, b), coverage(a, b)) == expected
        assert told_apart(a, b) == told_apart(a.detach(), b.detach())
