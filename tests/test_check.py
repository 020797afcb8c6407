import math

import pytest
import torch

from course_utils import check


def printed(capsys):
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_close_prints_both_numbers(capsys):
    check.close(0.74131, torch.tensor(0.741312), "closed form", "loop")
    assert printed(capsys) == "closed form 0.7413 · loop 0.7413 · within 1e-05"


def test_close_prints_few_values_in_brackets_and_many_by_their_mean(capsys):
    check.close([1.0, 2.0], [1.0, 2.1], "a", "b", tolerance=0.11, digits=1)
    assert printed(capsys) == "a [1.0, 2.0] · b [1.0, 2.1] · within 1e-01, all 2 values"
    check.close(torch.arange(1500.0), torch.arange(1500.0), "a", "b", digits=2)
    assert printed(capsys) == "a 749.50 on average · b 749.50 on average · within 1e-05, all 1,500 values"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1.0, 1.1),
        ([0.0, 0.0, 0.0], [0.0, -0.01, 0.0]),  # one element is enough, either sign
        ([0.0, 0.0], [0.01, -0.01]),  # equal on average is not equal
        (math.nan, math.nan),
        (1.0, math.nan),
        (math.inf, math.inf),
        ([0.0, math.nan], [0.0, 0.0]),
    ],
)
def test_close_raises_and_prints_nothing(a, b, capsys):
    with pytest.raises(AssertionError, match="left and right differ by .* more than 1e-05"):
        check.close(a, b, "left", "right")
    assert capsys.readouterr().out == ""


def test_close_names_the_difference():
    with pytest.raises(AssertionError, match="a and b differ by 0.25, more than 1e-01"):
        check.close([1.0, 2.0], [1.0, 2.25], "a", "b", tolerance=0.1)


def test_close_does_not_broadcast():
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(3, 1\)"):
        check.close(torch.zeros(3), torch.zeros(3, 1), "a", "b")


def test_close_compares_in_float64_and_ignores_gradients(capsys):
    check.close(torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.int64), "a", "b", tolerance=0.0)
    with pytest.raises(AssertionError):
        check.close(1.0, 1 + 1e-12, "a", "b", tolerance=0.0)


def test_monte_carlo_prints_the_standard_error(capsys):
    draws = torch.cat([torch.zeros(50), torch.ones(50)])
    check.monte_carlo(0.45, draws, "closed form")
    assert printed(capsys) == f"closed form 0.4500 · Monte Carlo 0.5000 ± {draws.std().item() / 10:.4f}"


def test_monte_carlo_accepts_four_standard_errors_and_refuses_more(capsys):
    draws = torch.cat([torch.zeros(50), torch.ones(50)]).double()
    error = draws.std().item() / 10
    for side in (-1, 1):
        check.monte_carlo(0.5 + side * 3.9 * error, draws, "exact")
        with pytest.raises(AssertionError, match="exact and Monte Carlo are 4.1 standard errors apart, more than 4"):
            check.monte_carlo(0.5 + side * 4.1 * error, draws, "exact")


def test_monte_carlo_checks_each_of_several_values(capsys):
    draws = torch.randn(1_000, 2, generator=torch.Generator().manual_seed(0))
    check.monte_carlo([0.0, 0.0], draws, "exact", "mean", digits=0)
    assert printed(capsys).startswith("exact [0, 0] · mean [") is True
    with pytest.raises(AssertionError):
        check.monte_carlo([0.0, 0.2], draws, "exact")


def test_monte_carlo_without_spread_must_be_exact(capsys):
    check.monte_carlo(2.0, torch.full((200,), 2.0), "exact")
    check.monte_carlo(0.1, torch.full((200,), 0.1), "exact")  # float32's 0.1 is not quite 0.1
    with pytest.raises(AssertionError):
        check.monte_carlo(2.0, torch.full((200,), 2.001), "exact")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_monte_carlo_refuses_what_is_not_finite(bad):
    with pytest.raises(AssertionError):
        check.monte_carlo(0.0, torch.cat([torch.randn(200), torch.tensor([bad])]), "exact")
    with pytest.raises(AssertionError):
        check.monte_carlo(bad, torch.randn(200), "exact")


def test_monte_carlo_seldom_fails_for_many_values_at_once(capsys):
    failures = 0
    for seed in range(50):
        draws = torch.randn(400, 1000, generator=torch.Generator().manual_seed(seed))
        try:
            check.monte_carlo(torch.zeros(1000), draws, "mean")
        except AssertionError:
            failures += 1
    assert failures <= 1  # with 4 standard errors for each value it would be 3


def test_close_and_monte_carlo_refuse_to_compare_nothing():
    with pytest.raises(ValueError, match="at least one element"):
        check.close(torch.zeros(0), torch.zeros(0), "a", "b")
    with pytest.raises(ValueError, match="draws must have shape"):
        check.monte_carlo(torch.zeros(0), torch.zeros(200, 0), "exact")


def test_zero_wants_every_element_exactly_zero(capsys):
    check.zero(torch.zeros(3, 3), "places")
    assert printed(capsys) == "places: all 9 are exactly 0"
    with pytest.raises(AssertionError, match="1 of 9 are not 0, the largest is 1e-30"):
        check.zero(torch.eye(9)[:1] * 1e-30, "places")
    with pytest.raises(ValueError, match="at least one element"):
        check.zero(torch.zeros(0), "places")


@pytest.mark.parametrize(
    ("exact", "draws", "got"),
    [(0.0, torch.zeros(1), r"\(1,\)"), (0.0, torch.zeros(9, 2), r"\(9, 2\)"), ([0.0, 1.0], torch.zeros(9), r"\(9,\)")],
)
def test_monte_carlo_refuses_other_shapes(exact, draws, got):
    with pytest.raises(ValueError, match=f"draws must have shape .* got {got}"):
        check.monte_carlo(exact, draws, "exact")


def test_a_correct_estimate_passes_on_every_one_of_many_seeds(capsys):
    for seed in range(200):
        check.monte_carlo(1 / 3, torch.rand(500, generator=torch.Generator().manual_seed(seed)) ** 2, "E u^2")


def test_below_prints_the_comparison(capsys):
    check.below(torch.tensor(0.0021), 0.01, "gap", "one per cent")
    assert printed(capsys) == "gap 0.0021 < 0.0100 one per cent"


@pytest.mark.parametrize(("value", "limit"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.nan)])
def test_below_raises(value, limit):
    with pytest.raises(AssertionError, match="gap .* is not below limit"):
        check.below(value, limit, "gap")


def test_raises_prints_the_message(capsys):
    check.raises(ValueError, int, "seven")
    assert printed(capsys) == "ValueError: invalid literal for int() with base 10: 'seven'"


def test_raises_fails_when_nothing_is_raised_and_lets_other_errors_through():
    with pytest.raises(AssertionError, match="ValueError was expected, nothing was raised"):
        check.raises(ValueError, int, "7")
    with pytest.raises(TypeError):
        check.raises(ValueError, int, [])
