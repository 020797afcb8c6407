import itertools
import math

import pytest
import torch

from course_utils.data import mesh


def all_images(height, width):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=height * width))).view(-1, 1, height, width)


def random_table(seed):
    return 0.05 + 0.9 * torch.rand(16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loop(m, image):
    """log p of one image, pixel by pixel, from the definition."""
    _, height, width = m.shape

    def at(i, j):
        return int(image[0, i, j]) if 0 <= i < height and 0 <= j < width else 0

    total = 0.0
    for i, j in itertools.product(range(height), range(width)):
        p = m.table[8 * at(i, j - 1) + 4 * at(i - 1, j - 1) + 2 * at(i - 1, j) + at(i - 1, j + 1)].item()
        total += math.log(p if at(i, j) else 1 - p)
    return total


@pytest.mark.parametrize("table", [None, random_table(1)], ids=["course", "random"])
@pytest.mark.parametrize("sides", [(3, 3), (2, 5), (5, 2), (4, 1), (1, 4)])
def test_probabilities_sum_to_one_and_entropy_is_exact(sides, table):
    m = mesh((1, *sides), table)
    log_p = m.log_prob(all_images(*sides).double())
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert m.entropy() == pytest.approx(-(log_p.exp() * log_p).sum().item(), abs=1e-10)


def test_log_prob_equals_the_definition():
    m = mesh((1, 4, 5), random_table(2))
    x = torch.randint(2, (20, 1, 4, 5), generator=torch.Generator().manual_seed(0)).double()
    expected = torch.tensor([by_loop(m, image) for image in x], dtype=torch.float64)
    torch.testing.assert_close(m.log_prob(x), expected)


def test_entropy_agrees_with_samples():
    m = mesh()
    log_p = m.log_prob(m.sample(20_000, torch.Generator().manual_seed(0)).double())
    standard_error = log_p.std().item() / math.sqrt(len(log_p))
    assert -log_p.mean().item() == pytest.approx(m.entropy(), abs=4 * standard_error)


def test_sample_frequencies_equal_probabilities():
    m = mesh((1, 2, 3), random_table(3))
    x = m.sample(60_000, torch.Generator().manual_seed(0))
    assert x.shape == (60_000, 1, 2, 3) and x.dtype == torch.float32
    index = (x.flatten(1).long() * 2 ** torch.arange(5, -1, -1)).sum(1)
    frequency = torch.bincount(index, minlength=64).double() / len(x)
    p = m.log_prob(all_images(2, 3).double()).exp()
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / len(x)).sqrt()).all()


def test_conditionals_depend_on_the_past_only_and_give_the_likelihood():
    m = mesh((1, 5, 6))
    x = m.sample(8, torch.Generator().manual_seed(0))
    p = m.conditional_probs(x)
    log_p = torch.where(x == 1, p, 1 - p).log().sum((1, 2, 3))
    torch.testing.assert_close(log_p, m.log_prob(x))
    for k in range(30):
        flipped = x.clone()
        flipped.view(8, -1)[:, k] = 1 - flipped.view(8, -1)[:, k]
        assert torch.equal(m.conditional_probs(flipped).view(8, -1)[:, : k + 1], p.view(8, -1)[:, : k + 1])


def test_the_table_of_the_course_is_worth_learning():
    m = mesh()
    assert 0.4 < m.entropy() / (64 * math.log(2)) < 0.65
    assert 0.03 < m.table.min() and m.table.max() < 0.97
    # Left and upper neighbour: each alone makes a pixel likely, both (with the corner) unlikely. A sum cannot do that.
    logit = torch.logit(m.table).view(2, 2, 2, 2)  # left, upper left, upper, upper right
    assert logit[1, 1, 1, 0] - logit[1, 1, 0, 0] - logit[0, 1, 1, 0] + logit[0, 1, 0, 0] < -4


def test_narrow_is_exact_and_wide_is_refused_but_still_sampled():
    wide = mesh((1, 28, 28))
    assert wide.sample(2).shape == (2, 1, 28, 28)
    with pytest.raises(ValueError, match="16 wide"):
        wide.entropy()


def test_sampling_is_decided_by_the_generator_or_the_global_seed():
    before = torch.get_rng_state()
    a, b = (mesh().sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    c = mesh().sample(5)
    torch.manual_seed(7)
    assert torch.equal(c, mesh().sample(5))


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: mesh((3, 8, 8)), "shape"),
        (lambda: mesh((1, 0, 8)), "shape"),
        (lambda: mesh(table=torch.full((15,), 0.5)), "table"),
        (lambda: mesh(table=torch.zeros(16)), "table"),
        (lambda: mesh().sample(-1), "n"),
        (lambda: mesh().log_prob(torch.zeros(2, 1, 7, 8)), "x"),
        (lambda: mesh().log_prob(torch.full((2, 1, 8, 8), 0.5)), "x"),
    ],
)
def test_bad_input_is_named(call, argument):
    with pytest.raises(ValueError, match=rf"^{argument} must"):
        call()
