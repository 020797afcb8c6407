"""The gradient penalty a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
from junk import JUNK

from course_utils import exercises, objectives

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. One slope for each sample, at a random point of its own, and the critic learns from it."


def said(answer, capsys):
    exercises.build_gradient_penalty(answer)
    return capsys.readouterr().out.strip()


def share(real):
    return torch.rand(len(real), *[1] * (real.ndim - 1))


def gradient(f, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]


def between(real, fake):
    t = share(real)
    return t * real + (1 - t) * fake


def penalty(points=between, slope=gradient, price=lambda g: (g.flatten(1).norm(dim=1) - 1).square().mean()):
    return lambda f, real, fake: price(slope(f, points(real, fake)))


def one_by_one(f, real, fake):
    paid = []
    for a, b in zip(real, fake, strict=True):
        x = torch.lerp(a, b, torch.rand(())).unsqueeze(0).requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, torch.ones(1), create_graph=True)
        paid.append((g.square().sum().sqrt() - 1) ** 2)
    return sum(paid) / len(paid)


def by_vmap(f, real, fake):
    x = fake + torch.distributions.Uniform(0.0, 1.0).sample((len(real),)).view(share(real).shape) * (real - fake)
    g = torch.func.vmap(torch.func.grad(lambda point: f(point[None])[0]))(x)
    return torch.nn.functional.mse_loss(torch.linalg.vector_norm(g, dim=tuple(range(1, g.ndim))), torch.ones(len(x)))


def numpy_t(f, real, fake):
    import numpy as np

    t = torch.as_tensor(np.random.default_rng().random(len(real)), dtype=real.dtype)
    t = t.reshape([-1] + [1] * (real.ndim - 1))
    x = torch.autograd.Variable(real * t + fake * (1 - t), requires_grad=True)
    y = f(x)
    (g,) = torch.autograd.grad(outputs=y, inputs=x, grad_outputs=torch.ones_like(y), create_graph=True)
    return ((g.view(len(g), -1).norm(2, dim=1) - 1) ** 2).mean()


@pytest.mark.parametrize("answer", [penalty(), one_by_one, by_vmap, numpy_t, objectives.gradient_penalty])
def test_right_answers_pass(answer, capsys):
    assert said(answer, capsys) == MORAL


def cut(f, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


def of_the_mean(f, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x).mean(), x, create_graph=True)[0]


def of_no_leaf(f, x):
    return torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]


def backward(f, x):
    x = x.detach().requires_grad_()
    f(x).sum().backward()
    return x.grad


def mixed(shape):
    def points(real, fake):
        t = shape(real)
        return t * real + (1 - t) * fake

    return points


def length(g):
    return g.flatten(1).norm(dim=1)


WRONG = [
    (penalty(price=lambda g: (g.norm() - 1).square()), "one norm of the whole batch"),
    (penalty(price=lambda g: (g.norm(dim=1) - 1).square().mean()), "norm for each pixel"),
    (penalty(price=lambda g: (g.norm(dim=-1) - 1).square().mean()), "norm for each row of pixels"),
    (penalty(price=lambda g: (g.norm(dim=(-2, -1)) - 1).square().mean()), "for each channel"),
    (penalty(price=lambda g: (g.norm(dim=0) - 1).square().mean()), "dim=0 runs over the batch"),
    (penalty(price=lambda g: (g.abs() - 1).square().mean()), "take its norm first"),
    (penalty(price=lambda g: (g.flatten(1).sum(1) - 1).square().mean()), "root of the sum of their squares"),
    (penalty(price=lambda g: (g.flatten(1).square().sum(1) - 1).square().mean()), "the root is missing"),
    (penalty(price=lambda g: g.flatten(1).square().sum(1).mean()), "which asks for slope 0"),
    (penalty(price=lambda g: length(g).mean()), "mean slope"),
    (penalty(price=lambda g: (length(g) - 1).mean()), "the square is missing"),
    (penalty(price=lambda g: (length(g) - 1).abs().mean()), "absolute value"),
    (penalty(price=lambda g: (length(g) - 1).clamp(min=0).square().mean()), "one-sided"),
    (penalty(price=lambda g: -(length(g) - 1).square().mean()), "the sign"),
    (penalty(price=lambda g: (length(g) - 1).square().sum()), "a sum over the batch"),
    (penalty(price=lambda g: 10 * (length(g) - 1).square().mean()), "no part of it"),
    (penalty(price=lambda g: (length(g) - 1).square()), "one number, the mean over the batch"),
    (penalty(price=lambda g: (length(g) - 1).square().mean().item()), ".item()"),
    (penalty(price=lambda g: (length(g).detach() - 1).square().mean()), "create_graph=True"),
    (penalty(slope=cut), "create_graph=True"),
    (penalty(slope=backward), "create_graph=True"),
    (penalty(slope=of_the_mean), "divides each gradient by B"),
    (penalty(slope=of_no_leaf), "requires_grad_()"),
    (penalty(points=lambda real, fake: real), "at the real points only"),
    (penalty(points=lambda real, fake: fake), "at the fake points only"),
    (penalty(points=lambda real, fake: (real + fake) / 2), "the middle only"),
    (penalty(points=mixed(lambda real: 0.3)), "the same point in every call"),
    (penalty(points=mixed(lambda real: torch.randn_like(share(real)))), "not randn"),
    (penalty(points=mixed(lambda real: torch.rand(()))), "share one t"),
    (penalty(points=mixed(torch.rand_like)), "values of one sample have different t"),
    (penalty(points=mixed(lambda real: torch.rand(len(real)) if real.ndim == 4 else share(real))), "different t"),
    (penalty(points=mixed(lambda real: share(real) ** 4)), "not evenly spread"),
    (penalty(points=mixed(lambda real: torch.rand(len(real), 1))), "different t"),
    (penalty(points=mixed(lambda real: torch.rand(len(real)))), "t has one number for each sample"),
    (lambda f, real, fake: torch.autograd.grad(f(real.requires_grad_()), real)[0], "f(x).sum()"),
    (lambda f, real, fake: torch.autograd.grad(f(real.requires_grad_()).sum(), real).norm(), "returns a tuple"),
    (lambda f, real, fake: "0.5", "should be a scalar"),
    (lambda f, real, fake: torch.tensor(torch.nan), "not finite"),
    (lambda f, real, fake: torch.tensor(0.3), "pays 1, and it was 0.3"),
    (torch.tensor(0.3), "a function of f, real and fake"),
]


@pytest.mark.parametrize(("answer", "word"), WRONG)
def test_each_usual_wrong_answer_gets_its_hint(answer, word, capsys):
    text = said(answer, capsys)
    assert text.startswith("not yet: ") and word in text, text


@pytest.mark.parametrize("answer", [..., None, lambda f, real, fake: ..., lambda f, real, fake: None])
def test_nothing_written_yet(answer, capsys):
    assert said(answer, capsys) == NOT_WRITTEN


@pytest.mark.parametrize("value", JUNK.values(), ids=JUNK)
def test_garbage_never_raises(value, capsys):
    assert said(value, capsys).startswith("not yet")
    assert said(lambda f, real, fake: value, capsys).startswith("not yet")


def test_the_readers_random_numbers_go_on_as_if_nothing_had_happened(capsys):
    torch.manual_seed(0)
    first = torch.rand(3)
    torch.manual_seed(0)
    exercises.build_gradient_penalty(penalty())
    assert torch.equal(torch.rand(3), first)
