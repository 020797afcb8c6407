"""Parzen windows: how the likelihood of models without one was once estimated, and should not be."""

import math

import torch
from torch import Tensor

from course_utils import _check
from course_utils.metrics._sets import _ROWS, distances, need_sets


def parzen_log_likelihood(x: Tensor, samples: Tensor, std: float) -> Tensor:
    """Log-density of x under equal Gaussian bells at a model's samples, in nats; here to show why it misleads.

        log p(x) = log 1/N sum_n N(x; s_n, std^2 I)

    It is the density of the samples blurred, not of the model. In many dimensions no affordable number of samples comes
    near a new picture, so that it rewards samples in the middle of everything, or memorised, above a perfect model's.
    (Theis et al., arXiv 1511.01844.)

    Args:
        x: floating point (B, ...).
        samples: floating point (N, ...) with pictures of the same shape.
        std: of the bells, above 0; usually the one that is best for held-out pictures.

    Returns:
        float64 (B,), a density in the units of x, not a probability of levels.

    Raises:
        ValueError: x or samples is not a finite float tensor, or of another shape; std is not above 0.
    """
    std = _check.positive("std", std)
    x, samples = need_sets(x=x, samples=samples)
    bells = [(distances(part, samples) / std).square().div(-2).logsumexp(1) for part in x.split(_ROWS)]
    return torch.cat(bells) - math.log(len(samples)) - x.shape[1] * math.log(std * math.sqrt(2 * math.pi))
