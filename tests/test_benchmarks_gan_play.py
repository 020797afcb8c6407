"""What benchmarks/gan_play.py measures with functions of its own, against known answers."""

import gan_play
import pytest
import torch

from course_utils import data


def weights(*nets):
    return torch.cat([p.detach().flatten() for net in nets for p in net.parameters()])


def after(mistake, steps):
    four = gan_play.players(3)
    for _ in range(steps):
        if mistake == "right":
            gan_play.right_step(gan_play.COSTS["right"], *four)
        else:
            gan_play.wrong_step(mistake, *four)
    return weights(*four[:2])


def test_without_detach_alone_no_bit_changes_and_the_mistakes_change_what_they_should():
    one, two = after("right", 1), after("right", 2)
    assert torch.equal(after("no detach", 2), two)
    assert torch.equal(after("kept", 1), one)  # what is kept is used in the next step
    for mistake in gan_play.MISTAKES:
        assert not torch.equal(after(mistake, 2), two), mistake


def test_a_copier_is_seen_and_a_model_that_treats_all_alike_is_not():
    g = torch.Generator().manual_seed(0)
    seen, unseen, new = (torch.rand(n, 1, 3, 3, generator=g) for n in (200, 200, 400))
    assert gan_play.lean(seen + 0.001, seen, unseen) == 100
    assert gan_play.lean(new, seen, unseen) == pytest.approx(50, abs=10)
    found = gan_play.measured(seen[:50], seen, unseen)
    assert found["least"] == found["median"] == 0 and found["suspicious"] == 100 and len(found["distances"]) == 41
    assert gan_play.measured(unseen, seen, None).keys() == {"least", "median", "quantile", "distances"}


def test_copies_are_training_pictures_with_noise():
    moons = data.moon_phases(100)
    made = gan_play.copies(moons, 0.1, 50)
    from course_utils import metrics

    distance = metrics.nearest(made, moons.train).distance
    assert distance.mean() == pytest.approx(0.1, rel=0.1)
    assert torch.equal(made, gan_play.copies(moons, 0.1, 50))


def test_a_game_is_judged_at_its_end_and_looked_at_on_the_way():
    row = gan_play.play("minimax", 0, steps=31)
    assert set(row) == {"modes", "good", "D_real", "D_fake", "least"} and 0 < row["least"] < 1
    assert gan_play.play("kept", 0, steps=2)["least"] is None


def test_the_average_follows_the_generator():
    moons, looked = data.moon_phases(100), []
    G, average, losses = gan_play.fit(moons, 0, 3, 1.0, lambda step, net: looked.append(step))
    assert looked == [1, 2, 3] and losses.shape == (3, 2) and losses.isfinite().all()
    assert not torch.equal(weights(G), weights(average))
