import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from course_utils.divergences import jsd, kl, optimal_transport, pearson, total_variation, wasserstein_grid


def pairs(n=7, count=5):
    g = torch.Generator().manual_seed(0)
    p, q = torch.rand(2, count, n, generator=g, dtype=torch.float64) + 0.01
    return p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)


def test_kl_and_jsd_agree_with_torch():
    p, q = pairs()
    torch.testing.assert_close(kl(p, q), kl_divergence(Categorical(p), Categorical(q)))
    m = Categorical((p + q) / 2)
    torch.testing.assert_close(jsd(p, q), (kl_divergence(Categorical(p), m) + kl_divergence(Categorical(q), m)) / 2)
    assert (kl(p, q) - kl(q, p)).abs().min() > 1e-3  # not symmetric, and
    torch.testing.assert_close(jsd(p, q), jsd(q, p))


def test_a_distribution_is_at_no_distance_from_itself():
    p, _ = pairs()
    for divergence in (kl, jsd, total_variation, pearson, lambda p, q: wasserstein_grid(p, q, 0.1)):
        assert divergence(p, p).abs().max() < 1e-12


def test_disjoint_supports_are_as_far_as_each_divergence_can_see():
    p, q = torch.eye(4, dtype=torch.float64)[[0, 3]]
    assert jsd(p, q).item() == pytest.approx(math.log(2))
    assert total_variation(p, q).item() == 1
    assert kl(p, q).item() == pearson(p, q).item() == math.inf
    assert wasserstein_grid(p, q, 0.5).item() == pytest.approx(1.5)  # three cells of 1/2


def test_total_variation_is_the_largest_difference_of_any_event():
    p, q = pairs(6)
    events = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).double()  # all 64
    torch.testing.assert_close(total_variation(p, q), ((p - q) @ events.T).abs().amax(-1))


def test_pearson_is_the_variance_of_the_ratio():
    p, q = pairs()
    torch.testing.assert_close(pearson(p, q), (q * (p / q) ** 2).sum(-1) - 1)


def test_wasserstein_on_a_grid_agrees_with_scipy():
    from scipy.stats import wasserstein_distance

    p, q = pairs(30)
    x = 0.3 * torch.arange(30)
    expected = [wasserstein_distance(x, x, a, b) for a, b in zip(p, q, strict=True)]
    torch.testing.assert_close(wasserstein_grid(p, q, 0.3), torch.tensor(expected, dtype=torch.float64))


def test_transport_between_samples_agrees_with_every_permutation_and_with_the_line():
    from itertools import permutations

    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 6, 2, generator=g, dtype=torch.float64)
    best = min((a - b[list(order)]).norm(dim=1).mean().item() for order in permutations(range(6)))
    assert optimal_transport(a, b).item() == pytest.approx(best)
    a, b = torch.randn(2, 300, 1, generator=g, dtype=torch.float64)
    sorted_pairs = (a.sort(0).values - b.sort(0).values).abs().mean()  # on a line the order is kept
    torch.testing.assert_close(optimal_transport(a, b), sorted_pairs)
    torch.testing.assert_close(optimal_transport(a[:, 0], b[:, 0]), sorted_pairs)  # numbers, as shape (N,)
    assert optimal_transport(a, a + 2.5).item() == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        (torch.tensor([0.5, 0.6]), torch.tensor([0.5, 0.5]), "p must hold probabilities that sum to 1"),
        (torch.tensor([0.5, 0.5]), torch.tensor([1.5, -0.5]), "q must hold probabilities"),
        (torch.tensor([0.5, math.nan]), torch.tensor([0.5, 0.5]), "p must hold probabilities"),
        (torch.tensor([1, 0]), torch.tensor([0.5, 0.5]), "p must be a floating-point tensor"),
        (torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.25, 0.25]), "p and q must have as many cells, got 2 and 3"),
    ],
)
def test_what_is_no_distribution_is_refused(p, q, message):
    for divergence in (kl, jsd, total_variation, pearson, lambda p, q: wasserstein_grid(p, q, 1.0)):
        with pytest.raises(ValueError, match=message):
            divergence(p, q)


def test_samples_of_different_sizes_and_a_width_of_zero_are_refused():
    with pytest.raises(ValueError, match=r"a and b must have one shape .* got \(3, 2\) and \(4, 2\)"):
        optimal_transport(torch.zeros(3, 2), torch.zeros(4, 2))
    p, q = pairs()
    with pytest.raises(ValueError, match="width must be a finite number above 0"):
        wasserstein_grid(p, q, 0.0)


@pytest.mark.parametrize("bad", [[0.5, 0.6], [1.5, -0.5], [0.5, math.nan], [0.0, 0.0]])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_one_bad_row_of_a_batch_is_refused(row, bad):
    good = torch.full((3, 2), 0.5)
    wrong = good.clone()
    wrong[row] = torch.tensor(bad)
    for divergence in (kl, jsd, total_variation, pearson, lambda p, q: wasserstein_grid(p, q, 1.0)):
        for name, pair in (("p", (wrong, good)), ("q", (good, wrong))):
            with pytest.raises(ValueError, match=f"^{name} must hold probabilities that sum to 1"):
                divergence(*pair)


@pytest.mark.parametrize("divergence", [kl, jsd, total_variation, pearson, lambda p, q: wasserstein_grid(p, q, 0.1)])
def test_gradients_are_right_where_a_probability_is_zero(divergence):
    """exp(-200) is 0 in float32 and 1e-87 in float64, whose gradients are the truth."""
    for first, second in (([0.0, -200.0, 0.5], [0.2, 0.0, -1.0]), ([0.0, -200.0, 0.5], [0.2, -200.0, -1.0])):
        gradients = []
        for dtype in (torch.float32, torch.float64):
            of = [torch.tensor(values, dtype=dtype, requires_grad=True) for values in (first, second)]
            value = divergence(*(logits.softmax(-1) for logits in of))
            gradients.append([value.detach().double(), *(g.double() for g in torch.autograd.grad(value, of))])
        for got, expected in zip(*gradients, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
