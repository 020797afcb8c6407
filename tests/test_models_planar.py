import math

import pytest
import torch
from torch import nn

from course_utils import models


def test_waves_are_sines_and_cosines_along_fixed_directions():
    torch.manual_seed(0)
    waves = models.Waves(8, 10.0)
    x = torch.randn(5, 3, 2)
    y = waves(x)
    assert y.shape == (5, 3, 18) and torch.equal(y[..., :2], x)
    assert torch.allclose(y[..., 2:10].square() + y[..., 10:].square(), torch.ones(5, 3, 8), atol=1e-6)
    slopes = torch.autograd.functional.jacobian(waves, torch.zeros(2))  # of sin(w x) at 0: w itself
    frequencies = slopes[2:10].norm(dim=1)
    assert frequencies[0].item() == pytest.approx(1.0) and frequencies[-1].item() == pytest.approx(10.0, rel=1e-5)
    assert torch.allclose(frequencies.log().diff(), torch.full((7,), math.log(10) / 7), atol=1e-5)
    assert torch.equal(models.Waves(0, 1.0)(x), x)
    assert not list(waves.parameters()) and "directions" in waves.state_dict()


def test_the_generator_starts_as_wide_as_the_data():
    spread = {}
    for wide in (True, False):
        points = []
        for seed in range(10):
            torch.manual_seed(seed)
            G, D = models.planar_players(wide=wide)
            x = G(torch.randn(500, 2))
            assert x.shape == (500, 2) and D(x).shape == (500,)
            points.append(x.std().item())
        spread[wide] = sum(points) / 10
    assert 0.5 < spread[True] < 2.5 and spread[False] < 0.3


def test_players_can_do_without_waves():
    G, D = models.planar_players((0, 1.0), (0, 1.0))
    first = [next(m for m in net if isinstance(m, nn.Linear)) for net in (G, D)]
    assert [m.in_features for m in first] == [2, 2]


@pytest.mark.parametrize("bad", [(-1, 3.0), (2.5, 3.0), (8, 0.0), (8, math.inf), ("8", 3.0)])
def test_bad_waves_are_refused(bad):
    with pytest.raises(ValueError, match="waves must|highest must"):
        models.Waves(*bad)


def test_points_must_have_two_coordinates():
    with pytest.raises(ValueError, match="points"):
        models.Waves(2, 3.0)(torch.zeros(4, 3))
