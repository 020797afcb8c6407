"""The pair of losses a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK

from course_utils import exercises, objectives

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. D stops caring about what is clearly right; G's samples are all pushed alike."


def said(answer, capsys):
    exercises.build_objective(answer)
    return capsys.readouterr().out.strip()


def pair(D=None, G=None):  # noqa: N803
    D = D or (lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean())  # noqa: N806
    G = G or (lambda r, f: -f.mean())  # noqa: N806
    return lambda real, fake: (D(real, fake), G(real, fake))


def by_clamp(real, fake):
    loss_D = (1 - real).clamp(min=0).sum() / len(real) - torch.minimum(torch.zeros(()), -1 - fake).mean()  # noqa: N806
    return loss_D, fake.neg().mean()


def one_by_one(real, fake):
    loss_D = sum(max(0, 1 - r) for r in real) / len(real) + sum(max(0, 1 + f) for f in fake) / len(fake)  # noqa: N806
    return [loss_D, -sum(fake) / len(fake)]


def packages(real, fake):
    game = objectives.OBJECTIVES["hinge"]
    return torch.stack([game.discriminator(real, fake), game.generator(None, fake)])


@pytest.mark.parametrize("answer", [pair(), by_clamp, one_by_one, packages])
def test_right_answers_pass(answer, capsys):
    assert said(answer, capsys) == MORAL


WRONG = [
    (pair(D=lambda r, f: F.relu(1 - f).mean() + F.relu(1 + r).mean()), "exchanged"),
    (pair(D=lambda r, f: F.relu(1 - r.sigmoid()).mean() + F.relu(1 + f.sigmoid()).mean()), "no sigmoid"),
    (pair(D=lambda r, f: F.relu(-r).mean() + F.relu(f).mean()), "the margin is missing"),
    (pair(D=lambda r, f: F.relu(r - 1).mean() + F.relu(-1 - f).mean()), "it fines what is right"),
    (pair(D=lambda r, f: F.relu(1 - r).sum() + F.relu(1 + f).sum()), "not sums"),
    (pair(D=lambda r, f: -F.relu(1 - r).mean() - F.relu(1 + f).mean()), "D's loss: the sign"),
    (pair(D=lambda r, f: (F.relu(1 - r).mean() + F.relu(1 + f).mean()) / 2), "factor 1/2"),
    (pair(D=lambda r, f: F.relu(torch.cat([1 - r, 1 + f])).mean()), "have a mean each"),
    (pair(D=lambda r, f: F.relu((1 - r).mean()) + F.relu((1 + f).mean())), "of each output first"),
    (pair(D=lambda r, f: F.relu(1 - r).mean()), "the fake outputs are missing"),
    (pair(D=lambda r, f: F.relu(1 + f).mean()), "the real outputs are missing"),
    (pair(D=lambda r, f: F.relu(1 - r).mean() + F.relu(1 - f).mean()), "fake outputs should be low"),
    (pair(D=lambda r, f: (1 - r).mean() + (1 + f).mean()), "max(0, ...) is missing"),
    (pair(D=lambda r, f: f.mean() - r.mean()), "D's loss is Wasserstein's"),
    (pair(D=lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean()), "cross-entropy"),
    (pair(D=lambda r, f: F.relu(1 - r).square().mean() + F.relu(1 + f).square().mean()), "no square"),
    (pair(D=lambda r, f: F.relu(1 - r[: len(f)] + f[: len(r)]).mean()), "D's loss for real = "),
    (pair(D=lambda r, f: F.relu(1 - r + f).mean()), "more real than fake"),
    (pair(G=lambda r, f: F.relu(1 - f).mean()), "no hinge there"),
    (pair(G=lambda r, f: -F.relu(1 + f).mean()), "it saturates"),
    (pair(G=lambda r, f: F.relu(1 + f).mean()), "that is D's part"),
    (pair(G=lambda r, f: f.mean()), "G's loss: the sign"),
    (pair(G=lambda r, f: -f.sum()), "not their sum"),
    (pair(G=lambda r, f: -f.sigmoid().mean()), "G's loss: no sigmoid"),
    (pair(G=lambda r, f: F.softplus(-f).mean()), "non-saturating"),
    (pair(G=lambda r, f: -f.mean() / 2), "factor 1/2"),
    (pair(G=lambda r, f: r.mean() - f.mean()), "looks at real"),
    (pair(G=lambda r, f: -r.mean()), "looks at the real outputs"),
    (pair(G=lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean()), "G's loss is D's loss"),
    (pair(G=lambda r, f: -F.relu(1 - r).mean() - F.relu(1 + f).mean()), "G's loss is minus D's loss"),
    (pair(G=lambda r, f: 1 - f.mean()), "right up to a constant"),
    (pair(G=lambda r, f: -f.exp().mean()), "G's loss for real = "),
    (lambda real, fake: pair()(real, fake)[::-1], "the wrong way round"),
    (lambda real, fake: -fake.mean(), "two losses are asked for"),
    (lambda real, fake: (F.relu(1 - real), -fake.mean()), "D's loss should be one number"),
    (lambda real, fake: (pair()(real, fake)[0], -fake), "G's loss should be one number"),
    (pair(D=lambda r, f: (F.relu(1 - r).mean() + F.relu(1 + f).mean()).item()), "no gradient reaches"),
    (pair(G=lambda r, f: -f.detach().mean()), "no gradient reaches"),
    (pair(D=lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f.detach()).mean()), "no gradient reaches"),
    (lambda real: real, "the arguments are real and fake"),
    (torch.tensor(0.3), "a function of real and fake"),
]


@pytest.mark.parametrize(("answer", "word"), WRONG)
def test_each_usual_wrong_answer_gets_its_hint(answer, word, capsys):
    text = said(answer, capsys)
    assert text.startswith("not yet: ") and word in text, text


@pytest.mark.parametrize(
    "answer", [..., None, lambda real, fake: ..., lambda real, fake: None, lambda r, f: (None, ...)]
)
def test_nothing_written_yet(answer, capsys):
    assert said(answer, capsys) == NOT_WRITTEN


@pytest.mark.parametrize("value", JUNK.values(), ids=JUNK)
def test_garbage_never_raises(value, capsys):
    assert said(value, capsys).startswith("not yet")
    assert said(lambda real, fake: value, capsys).startswith("not yet")
