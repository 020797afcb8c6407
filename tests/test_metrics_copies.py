"""The test for copies: it must find copiers, and must not accuse who only draws badly."""

import math

import pytest
import torch

from course_utils.data import digits, moon_phases
from course_utils.metrics import memorisation


def source(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=source(seed))


def world(seed=0, n=400, h=100, m=300, dims=8):
    """Train, held-out and new points from one distribution."""
    return normal(n + h + m, dims, seed=seed).split([n, h, m])


def copies(train, m, noise=0.0, seed=0):
    chosen = train[torch.randint(len(train), (m,), generator=source(seed))]
    return chosen + noise * torch.randn(chosen.shape, generator=source(seed + 1))


def test_copiers_are_found_exact_ones_and_coarse_ones():
    train, held_out, _ = world()
    exact = memorisation(copies(train, 300), train, held_out)
    assert exact.share == 1 and exact.expected == 0.8 and exact.z == max(exact.share_z, exact.ratio_z) > 6
    assert exact.ratio == pytest.approx(100)  # where a logarithm would be infinite
    for noise in (0.01, 0.1, 0.3):  # from one point to the next it is 1.3
        found = memorisation(copies(train, 300, noise), train, held_out)
        assert found.share > 0.95 and found.share_z > 3 and found.ratio_z > 3


def test_a_model_that_copies_every_second_time_is_found():
    train, held_out, new = world()
    for noise in (0.0, 0.3):
        half = torch.cat([copies(train, 150, noise), new[:150]])
        found = memorisation(half, train, held_out)
        assert found.z > 3
        assert found.share == pytest.approx(0.5 + 0.8 * 0.5, abs=0.06)  # c + (1 - c) s


def test_few_copies_are_found_by_the_ratio_if_they_are_close():
    train, held_out, new = world(m=1_000)
    few = torch.cat([copies(train, 100, 0.01), new[100:]])
    found = memorisation(few, train, held_out)
    assert found.ratio_z > 3 > found.share_z


def test_new_points_raise_an_alarm_as_often_as_chance_would():
    found = [memorisation(new, train, held_out, 60) for train, held_out, new in (world(s) for s in range(200))]
    for name in ("share_z", "ratio_z"):
        z = torch.tensor([getattr(f, name) for f in found])
        assert z.mean().abs() < 3.5 / math.sqrt(200) and 0.85 < z.std() < 1.2
        assert 0.01 < (z > 1.645).double().mean() < 0.1  # nominal 5 %: 10 of 200, standard error 3
    assert sum(f.z > 3 for f in found) <= 3
    assert sum(f.share for f in found) / 200 == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    "bad",
    [
        lambda new: new + 3 * normal(*new.shape, seed=9),  # noise
        lambda new: 0.3 * new,  # all near the middle
        lambda new: new[:1].expand(300, -1),  # one picture
        lambda new: new + 50,
    ],
    ids=["noise", "middle", "one", "elsewhere"],
)
def test_a_bad_model_is_not_accused_of_copying(bad):
    worlds = [world(seed) for seed in range(20)]
    found = [memorisation(bad(new), train, held_out, 60) for train, held_out, new in worlds]
    for z in (torch.tensor([f.share_z for f in found]), torch.tensor([f.ratio_z for f in found])):
        assert z.mean().abs() < 3.5 / math.sqrt(20)
        assert (z > 3).sum() <= 1  # few points attract much of the noise: the tails are heavier than a normal's


def test_copies_of_the_held_out_lean_the_other_way():
    train, held_out, _ = world()
    found = memorisation(copies(held_out, 300), train, held_out)
    assert found.share == 0 and found.ratio == pytest.approx(1 / 100) and found.z < -6


def test_share_and_ratio_agree_with_a_loop():
    train, held_out, new = world(n=20, h=9, m=15, dims=3)
    found = memorisation(new, train, held_out)
    seen, unseen = ([min((a - b).norm().item() for b in s) for a in new] for s in (train, held_out))
    assert found.share == pytest.approx(sum(s < u for s, u in zip(seen, unseen, strict=True)) / 15)
    logs = [math.log(u / s) for s, u in zip(seen, unseen, strict=True)]
    assert found.ratio == pytest.approx(math.exp(sum(logs) / 15), rel=1e-5)
    assert found.expected == 20 / 29


def test_the_z_of_the_share_agrees_with_its_closed_form():
    """The share is a sum over a random subset of all pictures, each with the samples it is the nearest of."""
    train, held_out, new = world()
    pool = torch.cat([train, held_out])
    n, h, total = 400, 100, 500
    for samples in (new, torch.cat([copies(train, 100), new[100:]])):
        weight = torch.bincount(torch.cdist(samples, pool).argmin(1), minlength=500).double() / 300
        std = math.sqrt(n * h / (total * (total - 1)) * (weight.square().sum().item() - 1 / total))
        found = memorisation(samples, train, held_out, permutations=2_000)
        assert found.share_z == pytest.approx((weight[:400].sum().item() - 0.8) / std, rel=0.08, abs=0.15)


def test_scale_and_form_of_the_pictures_do_not_matter():
    train, held_out, new = world()
    found = memorisation(new, train, held_out)
    scaled = memorisation(*((8 * x).view(-1, 2, 2, 2) for x in (new, train, held_out)))
    assert scaled == pytest.approx(found, rel=1e-4)
    assert memorisation(new, train, held_out, seed=1).share_z != found.share_z
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert memorisation(new, train, held_out) == found
    assert torch.equal(torch.get_rng_state(), before)


def test_where_no_split_could_show_anything_z_is_zero():
    same = torch.zeros(3, 2)
    found = memorisation(same, same, same)
    assert (found.share, found.ratio, found.z) == (0.5, 1, 0)


def test_on_moons_new_ones_pass_and_a_tenth_of_close_copies_or_half_of_coarse_ones_do_not():
    moons = moon_phases()
    held_out, new = torch.cat([moons.valid, moons.test]), moon_phases(1_250, seed=101).train
    assert memorisation(new, moons.train, held_out, 100).z < 2
    close = torch.cat([copies(moons.train, 100), new[100:]])
    coarse = torch.cat([copies(moons.train, 500, 0.1), new[500:]])  # coarser than from one moon to the next
    assert memorisation(close, moons.train, held_out, 100).ratio_z > 3
    assert memorisation(coarse, moons.train, held_out, 100).share_z > 5


def test_on_digits_pictures_by_other_hands_are_no_held_out_pictures():
    """New pictures lean to those by the same hands: the test can be used only within them."""
    images = digits()
    new, train, held_out = images.train[torch.randperm(1_000, generator=source(0))].split([300, 500, 200])
    assert memorisation(new, train, images.test, 100).z > 5
    assert memorisation(new, train, held_out, 100).z < 3
    assert memorisation(copies(train, 300, 0.1), train, held_out, 100).z > 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": torch.zeros(0, 2)}, "^samples must be a floating-point tensor"),
        ({"samples": torch.full((3, 2), math.nan)}, "^samples must be finite"),
        ({"train": torch.zeros(3, 4)}, "^train must have the shape of samples"),
        ({"held_out": torch.zeros(3, 2).long()}, "^held_out must be a floating-point tensor"),
        ({"held_out": torch.zeros(3, 2, 1)}, "^held_out must have the shape of samples"),
        ({"permutations": 1}, "^permutations must be a whole number of at least 2"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(change, message):
    arguments = dict(samples=normal(3, 2), train=normal(5, 2), held_out=normal(4, 2))
    memorisation(**arguments)
    with pytest.raises(ValueError, match=message):
        memorisation(**arguments | change)
