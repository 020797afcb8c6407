"""What benchmarks/gan_theory.py measures with functions of its own, against known answers."""

import gan_theory
import pytest
import torch

from course_utils import models


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_optimal_logit_has_no_errors_and_one_half_everywhere_lacks_twice_the_divergence():
    plane = gan_theory.Plane()
    assert plane.p.sum() == pytest.approx(1, abs=1e-5) and plane.q.sum() == pytest.approx(1, abs=1e-5)
    assert plane.errors(plane.logit) == [0, 0, 0]
    lacks = plane.errors(torch.zeros_like(plane.logit))[2]
    m = plane.m
    by_kl = sum(torch.xlogy(part, part / m).sum() for part in (plane.p, plane.q)).item()
    assert lacks == pytest.approx(by_kl, abs=1e-4)


def test_training_on_new_points_comes_nearer_and_the_fixed_points_are_returned():
    plane = gan_theory.Plane()
    D, points, rows = gan_theory.train_on_plane(plane, 0, None, steps=30)
    assert points is None and len(rows) == 3 and rows[2][0] < rows[0][0]
    D, points, _ = gan_theory.train_on_plane(plane, 0, 7, steps=3)
    assert [part.shape for part in points] == [(7, 2), (7, 2)]
    opinion = gan_theory.overfitted(plane, D, points)
    assert opinion["V_all"] < plane.best and 0 <= opinion["right_own"] <= 1


def test_thin_sets_are_where_they_should_be():
    source = torch.Generator().manual_seed(0)
    moved = gan_theory.circle(500, 0.3, source) - torch.tensor([0.3, 0.0])
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(500))
    line = gan_theory.segment(500, 0.5, source)
    assert (line[:, 0] == 0.5).all() and line[:, 1].min() >= 0 and line[:, 1].max() <= 1


def test_the_slope_of_a_discriminator_that_rises_to_the_right_is_that_of_its_cost(monkeypatch):
    """With logit -x, E log(1 - D) of points at x = 0.5 is -softplus(-x): its slope is sigmoid(-0.5)."""

    class Falling(torch.nn.Module):
        def __init__(self, *arguments):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return -x[:, 0] + self.weight

    monkeypatch.setattr(models, "Discriminator", Falling)
    monkeypatch.setattr(gan_theory, "SLOPE_STEPS", [0])
    ((step, right, slope),) = gan_theory.slopes(gan_theory.segment, 0.5, 0, steps=0)
    assert (
        step == 0 and right == pytest.approx(0.5) and slope == pytest.approx(torch.sigmoid(torch.tensor(-0.5)).item())
    )
