import pytest
import torch

from course_utils.data import Images, from_tokens, to_tokens
from course_utils.data.images import split_sizes


def small(**changes):
    parts = {"name": "small", "train": torch.zeros(4, 1, 2, 3), "valid": torch.zeros(2, 1, 2, 3)}
    return Images(**{**parts, "test": torch.zeros(1, 1, 2, 3), **changes})


def test_shape_device_and_repr():
    images = small(train_labels=torch.arange(4), levels=2)
    assert images.shape == (1, 2, 3)
    moved = images.to("meta")
    assert moved.train.device.type == moved.test.device.type == moved.train_labels.device.type == "meta"
    assert moved.valid_labels is None and moved.levels == 2 and images.train.device.type == "cpu"
    assert repr(images) == "Images('small': 4 train + 2 valid + 1 test, (1, 2, 3), 2 levels)"


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"train": torch.zeros(4, 2, 3)}, "train"),
        ({"valid": torch.zeros(4, 1, 2, 3, dtype=torch.uint8)}, "valid"),
        ({"test": torch.zeros(4, 1, 3, 3)}, "test"),
        ({"train_labels": torch.zeros(3)}, "train_labels"),
        ({"levels": 1}, "levels"),
    ],
)
def test_bad_parts_are_named(changes, argument):
    with pytest.raises(ValueError, match=rf"^{argument} must"):
        small(**changes)


def test_tokens_of_the_palette_and_back():
    generator = torch.Generator().manual_seed(0)
    palette = torch.rand(6, 3, generator=generator)
    tokens = torch.randint(6, (4, 5, 5), generator=generator)
    x = from_tokens(tokens, palette)
    assert x.shape == (4, 3, 5, 5) and torch.equal(x[1, :, 2, 3], palette[tokens[1, 2, 3]])
    assert torch.equal(to_tokens(x, palette), tokens)
    x = torch.rand(2, 3, 4, 4, generator=generator)
    by_cdist = torch.cdist(x.permute(0, 2, 3, 1).reshape(-1, 3), palette).argmin(1).view(2, 4, 4)
    assert torch.equal(to_tokens(x, palette), by_cdist)


def test_bad_tokens_are_named():
    with pytest.raises(ValueError, match="^tokens must"):
        from_tokens(torch.full((1, 2, 2), 6), torch.zeros(6, 3))
    with pytest.raises(ValueError, match="^tokens must"):
        from_tokens(torch.zeros(1, 2, 2), torch.zeros(6, 3))
    with pytest.raises(ValueError, match="^palette must"):
        to_tokens(torch.zeros(1, 1, 2, 2), torch.zeros(6, 3))
    with pytest.raises(ValueError, match="^x must"):
        to_tokens(torch.zeros(3, 2, 2), torch.zeros(6, 3))


@pytest.mark.parametrize("n", [10, 11, 19, 2_000])
def test_split_sizes(n):
    sizes = split_sizes(n)
    assert sum(sizes) == n and min(sizes) >= 1 and sizes[1] == sizes[2] == n // 10


def test_too_few_to_split():
    with pytest.raises(ValueError, match="^n must"):
        split_sizes(9)
