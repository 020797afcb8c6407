"""What benchmarks/pixel_cnn.py and benchmarks/sampling_sizes.py measure with functions of their own."""

import pixel_cnn
import pytest
import sampling_sizes
import torch
from torch import nn

from course_utils import models


def later_pixels_seen(version, shape=(1, 4, 5)):
    """How many predictions depend on their own pixel or a later one."""
    torch.manual_seed(0)
    model = pixel_cnn.make_version(version, shape)
    for parameter in model.parameters():
        parameter.data = 0.3 * parameter.data.abs() + 0.01  # nothing cancels
    x = torch.ones(shape)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None]).logits[0], x)
    seen = (jacobian != 0).flatten(3).flatten(0, 2)  # (D, D)
    return int(seen.triu().any(1).sum()), seen


def test_the_right_version_is_the_packages_model():
    torch.manual_seed(0)
    right = pixel_cnn.make_version("one row")
    package = models.GatedPixelCNN(pixel_cnn.MESH, channels=8, layers=5)
    package.load_state_dict(right.state_dict())
    x = torch.randint(2, (3, *pixel_cnn.MESH)).float()
    torch.testing.assert_close(right.conditionals(x).logits, package.conditionals(x).logits)


@pytest.mark.parametrize("version", ["one row", "two rows"])
def test_these_versions_see_no_later_pixel(version):
    assert later_pixels_seen(version)[0] == 0


@pytest.mark.parametrize("version", ["no row", "rolled", "mask B first"])
def test_these_versions_leak(version):
    leaks, _ = later_pixels_seen(version)
    assert leaks == 20  # every prediction


def test_a_shift_by_two_rows_loses_the_row_above():
    _, right = later_pixels_seen("one row")
    _, wrong = later_pixels_seen("two rows")
    pixel, above = 3 * 5 + 2, slice(2 * 5, 3 * 5)
    assert right[pixel, above].all()
    assert not wrong[pixel, above].any()
    assert wrong[pixel, 5:10].all()


def test_the_gap_of_a_known_model_is_known():
    class Coins(nn.Module):
        def log_prob(self, x):
            return torch.full((len(x),), -4 * torch.log(torch.tensor(2.0)))

    truth = torch.tensor([-1.0, -2.0, -3.0])
    mean, error = pixel_cnn.gap(Coins(), torch.zeros(3, 1, 2, 2), truth)
    assert mean == pytest.approx(4 * 0.693147 - 2, abs=1e-5)
    assert error == pytest.approx(1 / 3**0.5, abs=1e-6)


def test_operations_of_a_product_and_of_attention():
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert sampling_sizes.operations(lambda: a @ b) == 2 * 3 * 4 * 5
    q = torch.ones(1, 2, 6, 8)  # two heads, six places, eight features
    attention = sampling_sizes.operations(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert attention == 2 * (2 * 6 * 6 * 8) * 2  # q k and then times v
