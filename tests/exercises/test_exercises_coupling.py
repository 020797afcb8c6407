"""The coupling a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
from junk import JUNK
from torch import nn

from course_utils import exercises

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. One half goes through, and tells how the other is to be undone."


def said(answer, capsys):
    exercises.build_coupling(answer)
    return capsys.readouterr().out.strip()


class Coupling(nn.Module):
    """Tests change a part of it."""

    def __init__(self, size):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(size // 2, 32), nn.Tanh(), nn.Linear(32, size))

    def parts(self, kept):
        return self.net(kept).chunk(2, 1)

    def forward(self, x):
        x1, x2 = x.chunk(2, 1)
        s, m = self.parts(x1)
        return torch.cat([x1, x2 * s.exp() + m], 1), s.sum(1)

    def inverse(self, z):
        z1, z2 = z.chunk(2, 1)
        s, m = self.parts(z1)
        return torch.cat([z1, (z2 - m) * (-s).exp()], 1)


def changed(**methods):
    return type("Changed", (Coupling,), methods)


class Masked(nn.Module):
    """With a mask, two networks, a bounded stretch, and a last layer that starts at zero."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("b", (torch.arange(size) < size // 2).float())
        self.s, self.m = (nn.Sequential(nn.Linear(size, 16), nn.SiLU(), nn.Linear(16, size)) for _ in range(2))
        nn.init.zeros_(self.s[-1].weight)

    def both(self, x):
        return (1 - self.b) * 2 * self.s(self.b * x).tanh(), (1 - self.b) * self.m(self.b * x)

    def forward(self, x):
        s, m = self.both(x)
        return [self.b * x + (1 - self.b) * (x * torch.exp(s) + m), torch.einsum("bd->b", s)]

    def inverse(self, z):
        s, m = self.both(z)
        return self.b * z + (1 - self.b) * (z - m) / s.exp()


class Interleaved(nn.Module):
    """s and m of a value side by side; writes into copies."""

    def __init__(self, size):
        super().__init__()
        self.h, self.layer = size // 2, nn.Linear(size // 2, size)

    def forward(self, x):
        z, out = x.clone(), self.layer(x[:, : self.h]).view(len(x), self.h, 2)
        z[:, self.h :] = x[:, self.h :] * out[..., 0].exp() + out[..., 1]
        return z, out[..., 0].flatten(1).sum(-1)

    def inverse(self, z):
        x, out = z.clone(), self.layer(z[:, : self.h]).view(len(z), self.h, 2)
        x[:, self.h :] = (x[:, self.h :] - out[..., 1]) / out[..., 0].exp()
        return x


@pytest.mark.parametrize("answer", [Coupling, Masked, Interleaved])
def test_right_answers_pass(answer, capsys):
    assert said(answer, capsys) == MORAL


def forward(
    second=lambda x2, s, m: x2 * s.exp() + m, log_det=lambda s: s.sum(1), join=lambda a, b: torch.cat([a, b], 1)
):
    def method(self, x):
        x1, x2 = x.chunk(2, 1)
        s, m = self.parts(x1)
        return join(x1, second(x2, s, m)), log_det(s)

    return changed(forward=method)


def inverse(second=lambda z2, s, m: (z2 - m) * (-s).exp(), join=lambda a, b: torch.cat([a, b], 1)):
    def method(self, z):
        z1, z2 = z.chunk(2, 1)
        s, m = self.parts(z1)
        return join(z1, second(z2, s, m))

    return changed(inverse=method)


def second_kept(self, x):
    x1, x2 = x.chunk(2, 1)
    s, m = self.parts(x2)
    return torch.cat([x1 * s.exp() + m, x2], 1), s.sum(1)


def sees_the_second(self, x):
    x1, x2 = x.chunk(2, 1)
    s, m = self.parts(x2)
    return torch.cat([x1, x2 * s.exp() + m], 1), s.sum(1)


def normed(self, x):
    x1, x2 = x.chunk(2, 1)
    s, m = self.parts(x1 - x1.mean(0))
    return torch.cat([x1, x2 * s.exp() + m], 1), s.sum(1)


class TooWide(Coupling):
    def __init__(self, size):
        super().__init__(size)
        self.net = nn.Linear(size, size)


class NoSuper(Coupling):
    def __init__(self, size):
        self.net = nn.Linear(size // 2, size)


class NotKept(Coupling):
    def __init__(self, size):
        nn.Module.__init__(self)


def writes_into_z(self, x):
    z, (s, m) = x.clone(), self.parts(x.chunk(2, 1)[0])
    half = s.shape[1]
    z[:, half:] = z[:, half:] * s.exp() + m
    return z, s.sum(1)


WRONG = [
    (changed(forward=writes_into_z), "torch.cat"),
    (Coupling(2), "without brackets"),
    (lambda size: 0.0, "a class of nn.Module"),
    (type("Half", (nn.Module,), {"forward": Coupling.forward}), "inverse is missing"),
    (type("Half", (nn.Module,), {"inverse": Coupling.inverse}), "forward is missing"),
    (changed(forward=lambda self, x: Coupling.forward(self, x)[0]), "as a pair"),
    (forward(log_det=lambda s: s), "add up over the values"),
    (forward(log_det=lambda s: s.sum(1, keepdim=True)), "add up over the values"),
    (forward(log_det=lambda s: s.sum()), "do not add up the batch"),
    (forward(log_det=lambda s: s.sum(0)[:1].expand(3)), "should have shape (B,)"),
    (forward(log_det=lambda s: 0.0), "should be a tensor"),
    (forward(join=lambda a, b: b), "the shape of x"),
    (forward(join=lambda a, b: torch.cat([b, a], 1)), "first half"),
    (forward(join=lambda a, b: torch.cat([a + 1, b], 1)), "first half of z"),
    (changed(forward=second_kept), "the wrong half is kept"),
    (changed(forward=sees_the_second), "the first half only"),
    (changed(forward=normed), "must not influence each other"),
    (forward(second=lambda x2, s, m: x2 * s.exp() + m + torch.randn(())), "random"),
    (forward(second=lambda x2, s, m: x2), "z is x"),
    (forward(second=lambda x2, s, m: x2 * s + m), "not by s"),
    (forward(second=lambda x2, s, m: x2 + m), "only shifted"),
    (forward(second=lambda x2, s, m: 2 * x2 + m), "stretched alike"),
    (forward(second=lambda x2, s, m: x2 * s.exp()), "the shift m is missing"),
    (forward(log_det=lambda s: -s.sum(1)), "the sign of log |det|"),
    (forward(log_det=lambda s: 0 * s.sum(1)), "log |det| is 0"),
    (forward(log_det=lambda s: s.exp().prod(1)), "its logarithm is asked for"),
    (forward(log_det=lambda s: s.mean(1)), "not the mean"),
    (forward(log_det=lambda s: s.abs().sum(1)), "absolute value"),
    (forward(log_det=lambda s: s.sum(1).log()), "not finite"),
    (forward(log_det=lambda s: s.sum(1) + 1), "for a point for which it was"),
    (forward(log_det=lambda s: s.sum(1).detach()), "gradient of log |det|"),
    (inverse(lambda z2, s, m: z2 * s.exp() + m), "what forward does"),
    (inverse(lambda z2, s, m: z2 * (-s).exp() - m), "the order of the way back"),
    (inverse(lambda z2, s, m: (z2 - m) * s.exp()), "the sign of s"),
    (inverse(lambda z2, s, m: (z2 + m) * (-s).exp()), "the sign of m"),
    (inverse(lambda z2, s, m: z2 - m), "does not undo the stretch"),
    (inverse(lambda z2, s, m: z2 * (-s).exp()), "does not subtract m"),
    (inverse(lambda z2, s, m: z2), "returns z as it is"),
    (inverse(lambda z2, s, m: 3 * z2), "is not x"),
    (inverse(join=lambda a, b: torch.cat([2 * a, b], 1)), "leave the first half"),
    (inverse(join=lambda a, b: b), "of shape"),
    (inverse(join=lambda a, b: (torch.cat([a, b], 1), 0)), "x alone"),
    (TooWide, "sees size // 2 values"),
    (NoSuper, "call super().__init__() first"),
    (NotKept, "must be made in __init__"),
]


@pytest.mark.parametrize(("answer", "part"), WRONG, ids=[part for _, part in WRONG])
def test_each_usual_mistake_has_its_hint(answer, part, capsys):
    line = said(answer, capsys)
    assert line.startswith("not yet: ") and part in line, line


def test_all_at_once_in_six_values_only(capsys):
    answer = forward(log_det=lambda s: s.exp().sum(1) if s.shape[1] > 1 else s.sum(1))
    assert "add up s itself" in said(answer, capsys)


def test_an_empty_template_is_no_answer(capsys):
    class MyCoupling(nn.Module):
        def __init__(self, size):
            super().__init__()
            ...

    for nothing in (MyCoupling, None, ...):
        assert said(nothing, capsys) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_never_raises(junk, capsys):
    value = JUNK[junk]
    for answer in (value, changed(forward=lambda self, x: value), changed(inverse=lambda self, z: value)):
        assert said(answer, capsys).startswith("not yet: ")


def test_the_random_numbers_are_left_alone(capsys):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    said(Coupling, capsys)
    assert torch.equal(torch.rand(1), expected)
