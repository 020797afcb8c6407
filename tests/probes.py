"""Weights and derivatives with which tests look into a model; shared by the tests of several models."""

import torch


def scrambled(model, seed=0):
    """The same model with large random weights: fresh ones hardly depend on their inputs."""
    g = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        size = 0.5 if parameter.ndim == 1 else 1.4 / parameter[0].numel() ** 0.5
        parameter.data = size * torch.randn(parameter.shape, generator=g)
    return model


def positive(model, scale=0.3):
    """In double precision, all weights and biases above 0: for positive inputs no ReLU is off, no two paths cancel.

    ``scale`` below 1 keeps gated units out of saturation.
    """
    for parameter in model.parameters():
        parameter.data = scale * parameter.data.abs() + 0.01
    return model.double()


def sees(model):
    """[i, j]: whether the parameters of value i depend on value j, both in (C, H, W)."""
    x = torch.ones(model.shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None]).logits[0], x)
    return jacobian.abs() > 0
