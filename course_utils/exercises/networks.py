"""What the checkers of whole networks share: whether one is there, and copies of it with other weights."""

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from course_utils.exercises.judge import short, unanswered

Net = TypeVar("Net", bound=nn.Module)


def initialised(module: nn.Module) -> bool:
    """Whether nn.Module's own __init__ has run: in a template whose __init__ is empty it has not."""
    return "_parameters" in vars(module)


def no_network(answer: Any, name: str) -> str | None:
    """What to say of an answer that is no network made with the class ``name``; empty if it is one, None if nothing."""
    if unanswered(answer) or (isinstance(answer, nn.Module) and not initialised(answer)):
        return None
    if isinstance(answer, type) and issubclass(answer, nn.Module):
        return f"hand over a network, {name}(), not its class"
    return "" if isinstance(answer, nn.Module) else f"an nn.Module is asked for, and it was {short(answer)}"


def scrambled(net: Net, seed: int) -> Net:
    """A copy with large random weights: fresh ones hardly depend on their inputs, and trained ones may hide a leak."""
    net, g = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    for p in net.parameters():
        if p.requires_grad:
            size = 0.5 if p.ndim < 2 else 1.4 / p[0].numel() ** 0.5
            p.data = (size * torch.randn(p.shape, generator=g)).to(p)
    return net
