"""What benchmarks/gan.py measures with functions of its own, against known answers."""

import gan
import pytest
import torch

from course_utils import data


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
