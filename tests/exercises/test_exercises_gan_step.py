"""The step of the game that a reader builds: any right one passes, and each usual wrong one gets its own hint."""

import pytest
import torch
import torch.nn.functional as F
from junk import JUNK
from torch import nn

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORAL = "correct. Each player moves once, by its own loss, and nothing of the other's is left behind."
bce = nn.BCELoss()


def real_and_fake(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def fool(fake):
    return F.softplus(-fake).mean()


def lecture(G, D, opt_G, opt_D, x, z, loss_D=real_and_fake, loss_G=fool):
    fake = G(z)
    loss = loss_D(D(x), D(fake.detach()))
    opt_D.zero_grad(), loss.backward(), opt_D.step()
    loss = loss_G(D(fake))
    opt_G.zero_grad(), loss.backward(), opt_G.step()
    return loss.item()


def tutorial(G, D, opt_G, opt_D, x, z):
    valid, fake = torch.ones(len(x)), torch.zeros(len(x))
    opt_G.zero_grad()
    made = G(z)
    bce(D(made).sigmoid(), valid).backward()
    opt_G.step()
    opt_D.zero_grad()
    d_loss = (bce(D(x).sigmoid(), valid) + bce(D(made.detach()).sigmoid(), fake)) / 2
    d_loss.backward()
    opt_D.step()


def frozen(G, D, opt_G, opt_D, x, z):
    with torch.no_grad():
        fake = G(z)
    opt_D.zero_grad(), real_and_fake(D(x), D(fake)).backward(), opt_D.step()
    D.requires_grad_(False)
    opt_G.zero_grad(), fool(D(G(z))).backward(), opt_G.step()
    D.requires_grad_(True)


def at_once(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    slopes = torch.autograd.grad(fool(D(fake)), [*G.parameters()])
    opt_D.zero_grad(), real_and_fake(D(x), D(fake.detach())).backward(), opt_D.step()
    for p, slope in zip(G.parameters(), slopes, strict=True):
        p.grad = slope
    opt_G.step()


def cleared_at_the_end(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    real_and_fake(D(x), D(fake.detach())).backward(), opt_D.step()
    fool(D(fake)).backward(), opt_G.step()
    opt_G.zero_grad(), opt_D.zero_grad()


def needless_work(G, D, opt_G, opt_D, x, z):  # no detach, but what leaks is thrown away
    opt_D.zero_grad(), real_and_fake(D(x), D(G(z))).backward(), opt_D.step()
    opt_G.zero_grad(), fool(D(G(z))).backward(), opt_G.step()


RIGHT = [lecture, tutorial, frozen, at_once, cleared_at_the_end, needless_work]


@pytest.mark.parametrize("right", RIGHT)
def test_a_right_step_is_correct_and_the_random_numbers_stay(right, said):
    before = torch.random.get_rng_state()
    assert said("build_gan_step", right) == MORAL
    assert torch.equal(torch.random.get_rng_state(), before)


def leak(G, D, opt_G, opt_D, x, z):
    real_and_fake(D(x), D(G(z))).backward(), opt_D.step()
    fool(D(G(z))).backward(), opt_G.step()
    opt_G.zero_grad(), opt_D.zero_grad()


def twice_through(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    opt_D.zero_grad(), real_and_fake(D(x), D(fake)).backward(), opt_D.step()
    opt_G.zero_grad(), fool(D(fake)).backward(), opt_G.step()


def never_cleared(G, D, opt_G, opt_D, x, z, clear=()):
    fake = G(z)
    if "D" in clear:
        opt_D.zero_grad()
    real_and_fake(D(x), D(fake.detach())).backward(), opt_D.step()
    if "G" in clear:
        opt_G.zero_grad()
    fool(D(fake)).backward(), opt_G.step()


def tidy(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    real_and_fake(D(x), D(fake.detach())).backward(), opt_D.step(), opt_D.zero_grad()
    fool(D(fake)).backward(), opt_G.step(), opt_G.zero_grad()


def D_again(G, D, opt_G, opt_D, x, z):
    lecture(G, D, opt_G, opt_D, x, z)
    opt_D.step()


def D_in_the_turn_of_G(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    opt_D.zero_grad(), real_and_fake(D(x), D(fake.detach())).backward(), opt_D.step()
    opt_G.zero_grad(), opt_D.zero_grad(), fool(D(fake)).backward(), opt_G.step(), opt_D.step()


def G_in_the_turn_of_D(G, D, opt_G, opt_D, x, z):
    opt_D.zero_grad(), opt_G.zero_grad(), real_and_fake(D(x), D(G(z))).backward(), opt_D.step(), opt_G.step()
    opt_G.zero_grad(), fool(D(G(z))).backward(), opt_G.step()


def one_loss(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    loss = real_and_fake(D(x), D(fake)) + fool(D(fake))
    opt_D.zero_grad(), opt_G.zero_grad(), loss.backward(), opt_D.step(), opt_G.step()


def detached_for_both(G, D, opt_G, opt_D, x, z):
    fake = G(z).detach()
    opt_D.zero_grad(), real_and_fake(D(x), D(fake)).backward(), opt_D.step()
    opt_G.zero_grad(), fool(D(fake)).backward(), opt_G.step()


def only_G(G, D, opt_G, opt_D, x, z):
    opt_G.zero_grad(), fool(D(G(z))).backward(), opt_G.step()


def too_early(G, D, opt_G, opt_D, x, z):
    fake = G(z)
    loss_D, loss_G = real_and_fake(D(x), D(fake.detach())), fool(D(fake))
    opt_D.zero_grad(), loss_D.backward(), opt_D.step()
    opt_G.zero_grad(), loss_G.backward(), opt_G.step()


def stays_frozen(G, D, opt_G, opt_D, x, z):
    lecture(G, D, opt_G, opt_D, x, z)
    D.requires_grad_(False)


def with_losses(**losses):
    return lambda *arguments: lecture(*arguments, **losses)


WRONG = [
    (leak, "detach the fakes in D's loss"),
    (twice_through, "D's backward has been through G"),
    (never_cleared, "so call zero_grad before each"),
    (lambda *a: never_cleared(*a, clear="G"), "opt_D.zero_grad() before D's backward"),
    (lambda *a: never_cleared(*a, clear="D"), "opt_G.zero_grad() before G's backward"),
    (tidy, "comes too early"),
    (D_again, "D moves twice"),
    (D_in_the_turn_of_G, "D moves in G's turn"),
    (G_in_the_turn_of_D, "G moves in D's turn"),
    (one_loss, "the sum of both losses"),
    (detached_for_both, "G does not move"),
    (only_G, "D does not move"),
    (too_early, "compute G's loss after opt_D.step()"),
    (stays_frozen, "no net stays frozen"),
    (with_losses(loss_G=lambda fake: -F.softplus(fake).mean()), "the minimax cost"),
    (with_losses(loss_G=lambda fake: (1 - fake.sigmoid()).log().mean()), "the minimax cost"),
    (with_losses(loss_G=lambda fake: F.softplus(fake).mean()), "as D does"),
    (with_losses(loss_G=lambda fake: -fool(fake)), "the sign of G's loss"),
    (with_losses(loss_G=lambda fake: -fake.mean()), "Wasserstein"),
    (with_losses(loss_D=lambda real, fake: real_and_fake(-real, -fake)), "exchange the two"),
    (with_losses(loss_D=lambda real, fake: -real_and_fake(real, fake)), "the sign of D's loss"),
    (with_losses(loss_D=lambda real, fake: F.softplus(-real).mean()), "no fakes in it"),
    (with_losses(loss_D=lambda real, fake: F.softplus(fake).mean()), "no real points in it"),
    (
        with_losses(
            loss_D=lambda real, fake: real_and_fake(-real, -fake), loss_G=lambda fake: F.softplus(fake).mean()
        ),
        "exchanged for both players",
    ),
    (
        with_losses(
            loss_D=lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),
            loss_G=lambda fake: F.softplus(-fake).sum(),
        ),
        "take means",
    ),
    (with_losses(loss_D=lambda real, fake: bce(real, torch.ones_like(real))), "BCELoss takes probabilities"),
    (with_losses(loss_D=lambda real, fake: bce(real.sigmoid(), torch.ones(len(real), 1))), "another shape"),
    (with_losses(loss_G=lambda fake: 0.3 * fool(fake)), "D is where it should be, G is not"),
    (lambda G, D, opt_G, opt_D, x, z: lecture(G, D, opt_G, opt_D, x, torch.randn_like(z)), "noise of your own"),
    (lambda G, D, opt_G, opt_D, x, z: lecture(G, D, opt_D, opt_G, x, z), "G does not move"),
    (lambda *a: 1.0, "neither G nor D moves"),
    (lambda G, D: None, "the arguments are"),
]


@pytest.mark.parametrize(("wrong", "word"), WRONG, ids=[word for _, word in WRONG])
def test_a_usual_mistake_gets_its_hint(wrong, word, said):
    line = said("build_gan_step", wrong)
    assert line.startswith("not yet: ") and word in line, line


def test_weights_that_are_no_numbers_are_named(said):
    def ruined(G, D, opt_G, opt_D, x, z):
        lecture(G, D, opt_G, opt_D, x, z, loss_G=lambda fake: (fake - 1e9).sigmoid().log().mean())

    assert "not finite" in said("build_gan_step", ruined)


@pytest.mark.parametrize("nothing", [None, ...])
def test_no_answer_yet(nothing, said):
    assert said("build_gan_step", lambda *arguments: nothing) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.filterwarnings("ignore")
def test_junk_is_not_correct_and_never_raises(junk, said):
    for answer in (JUNK[junk], lambda *arguments: JUNK[junk]):
        line = said("build_gan_step", answer)
        assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("error", [NameError("bits"), SystemExit(), StopIteration()], ids=repr)
def test_an_error_is_named(error, said):
    def fail(*arguments):
        raise error

    assert type(error).__name__ in said("build_gan_step", fail)
