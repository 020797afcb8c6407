import pytest
import torch

from course_utils.data import batches


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (9, 3), (5, 8), (7, 1)])
def test_each_image_exactly_once_an_epoch(n, batch_size):
    loader = batches(torch.arange(n), batch_size, epochs=3, generator=seeded())
    got = list(loader)
    per_epoch = -(-n // batch_size)
    assert len(loader) == len(got) == 3 * per_epoch
    orders = []
    for epoch in range(3):
        part = got[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert all(len(x) == batch_size for x in part[:-1])
        orders.append(torch.cat(part).tolist())
        assert sorted(orders[-1]) == list(range(n))
    assert len({tuple(order) for order in orders}) == 3  # a new order each time


def test_steps_go_on_over_epochs():
    got = list(batches(torch.arange(10), 4, steps=7, generator=seeded()))
    assert [len(x) for x in got] == [4, 4, 2, 4, 4, 2, 4]
    assert sorted(torch.cat(got[3:6]).tolist()) == list(range(10))


def test_one_epoch_by_default():
    assert len(batches(torch.arange(10), 4)) == len(list(batches(torch.arange(10), 4))) == 3


def test_the_last_batch_may_be_dropped_and_never_holds_a_single_image():
    loader = batches(torch.arange(9), 4, epochs=3, generator=seeded(), drop_last=True)
    got = list(loader)
    assert [len(x) for x in got] == [4] * 6 and len(loader) == 6
    kept = [set(torch.cat(got[i : i + 2]).tolist()) for i in (0, 2, 4)]
    assert all(len(images) == 8 for images in kept) and len(set.union(*kept)) == 9  # another one is left out each time
    assert [len(x) for x in batches(torch.arange(9), 4, steps=5, drop_last=True)] == [4] * 5
    assert [len(x) for x in batches(torch.arange(8), 4, drop_last=True)] == [4, 4]  # a full one is no rest
    norm = torch.nn.BatchNorm1d(2)
    for x in batches(torch.rand(9, 2), 4, drop_last=True):
        norm(x)
    whole, part = (torch.cat(list(batches(torch.arange(9), 4, generator=seeded(), drop_last=d))) for d in (False, True))
    assert torch.equal(whole[:8], part)  # the same order
    with pytest.raises(ValueError, match="^batch_size must be at most the 3 images .* got 4"):
        batches(torch.arange(3), 4, drop_last=True)
    with pytest.raises(ValueError, match="^drop_last must be True or False, got 'yes'"):
        batches(torch.arange(3), 1, drop_last="yes")


def test_tuples_stay_together():
    x = torch.arange(10)
    for images, labels in batches((x.float().view(10, 1, 1, 1), -x), 3, generator=seeded()):
        assert torch.equal(images.flatten(), -labels.float())


def test_order_is_decided_by_the_generator_or_the_global_seed():
    before = torch.get_rng_state()
    a, b = (torch.cat(list(batches(torch.arange(50), 8, generator=seeded()))) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    c = torch.cat(list(batches(torch.arange(50), 8)))
    torch.manual_seed(3)
    assert torch.equal(c, torch.cat(list(batches(torch.arange(50), 8))))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"x": torch.zeros(0, 1)}, "x"),
        ({"x": (torch.zeros(3), torch.zeros(4))}, "x"),
        ({"x": [1, 2]}, "x"),
        ({"batch_size": 0}, "batch_size"),
        ({"steps": 0}, "steps"),
        ({"epochs": 0}, "epochs"),
        ({"steps": 3, "epochs": 1}, "steps or epochs"),
    ],
)
def test_bad_input_is_named_at_the_call_and_not_in_the_loop(arguments, name):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        batches(**{"x": torch.zeros(4, 1), "batch_size": 2, **arguments})
