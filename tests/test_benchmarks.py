"""What benchmarks/gan.py measures with functions of its own, against known answers."""

import gan
import pytest
import torch

from course_utils import data


def pictures(n, seed, shift=0.0):
    return torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(seed)) + shift


def test_two_sets_of_one_kind_are_told_apart_by_chance_and_far_ones_always():
    assert gan.told_apart(pictures(800, 0), pictures(800, 1)) == pytest.approx(0.5, abs=0.06)
    assert gan.told_apart(pictures(800, 0), pictures(500, 1, shift=50.0)) == 1
    copies = pictures(300, 0)
    assert gan.told_apart(copies, copies + 1e-4) == 0  # the nearest other picture is the copy, of the other kind


def test_precision_and_recall_of_itself_of_one_half_and_of_noise():
    left, right = pictures(200, 0), pictures(200, 1, shift=50.0)
    both = torch.cat([left, right])
    assert gan.precision_recall(both, both) == (1, 1)
    assert gan.precision_recall(left, both) == (1, 0.5)  # all good, half of the world missing
    assert gan.precision_recall(both, left) == (0.5, 1)
    assert gan.precision_recall(pictures(200, 2, shift=500.0), both) == (0, 0)


def test_precision_agrees_with_a_loop_over_third_neighbours():
    real, fake = pictures(40, 0), pictures(60, 1, shift=0.7)

    def covered(x, by):
        distances = [sorted((a - b).norm().item() for j, b in enumerate(by) if j != i) for i, a in enumerate(by)]
        return sum(any((a - b).norm() <= d[2] for b, d in zip(by, distances, strict=True)) for a in x) / len(x)

    precision, recall = covered(fake, real), covered(real, fake)
    assert gan.precision_recall(fake, real) == pytest.approx((precision, recall))
    assert 0 < precision < 1 and 0 < recall < 1 and precision != recall


def test_points_all_over_the_circle_have_every_mode_and_few_good_samples():
    ring = gan.spread_evenly()["ring"]
    assert ring["modes"] == 8 and ring["reverse_kl"] < 0.01
    share = 48 * data.ring().std / (2 * torch.pi)  # eight arcs of six standard deviations
    assert ring["good"] == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_noise_of_strength_s_weighs_the_generators_gradient_by_a_power_of_s_and_nothing_else(progress):
    torch.manual_seed(0)
    judge = gan.NoisyDiscriminator()
    judge.progress = progress
    real, fake = torch.randn(2, 6, 2)
    fake.requires_grad_()
    torch.manual_seed(1)
    strength = judge.weakest ** torch.rand(6, 1)
    noise = [torch.randn(6, 2) for _ in range(2)]
    assert strength.min() >= 0.01 and strength.max() <= 1
    torch.manual_seed(1)
    logits = judge.judge(real, fake)
    by_hand = [judge(x + strength * e, strength) for x, e in zip((real, fake), noise, strict=True)]
    for got, expected in zip(logits, by_hand, strict=True):
        torch.testing.assert_close(got, expected)
    (weighted,), (plain,) = (torch.autograd.grad(out[1].sum(), fake) for out in (logits, by_hand))
    torch.testing.assert_close(weighted, strength ** (3 - 2 * progress) * plain)
