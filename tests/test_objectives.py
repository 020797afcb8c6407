import math

import pytest
import torch
from torch import nn

from course_utils.divergences import pearson
from course_utils.objectives import OBJECTIVES, Objective, clip_weights_, gradient_penalty, least_squares, r1_penalty

NAMES = ["minimax", "non_saturating", "maximum_likelihood", "least_squares", "wasserstein", "hinge", "relativistic"]


def logits(n=400, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(2, n, generator=g, dtype=torch.float64) * 3


def test_the_table_has_the_seven_games():
    assert list(OBJECTIVES) == NAMES


def by_definition(name, r, f):
    """Both losses from probabilities D = sigmoid(logit), written as the papers write them, at harmless logits."""
    D_real, D_fake = torch.sigmoid(r), torch.sigmoid(f)
    gan = -(D_real.log().mean() + (1 - D_fake).log().mean())
    return {
        "minimax": (gan, (1 - D_fake).log().mean()),
        "non_saturating": (gan, -D_fake.log().mean()),
        "maximum_likelihood": (gan, -(D_fake / (1 - D_fake)).mean()),
        "least_squares": (((r - 1) ** 2).mean() / 2 + ((f + 1) ** 2).mean() / 2, (f**2).mean() / 2),
        "wasserstein": (f.mean() - r.mean(), -f.mean()),
        "hinge": ((1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(), -f.mean()),
        "relativistic": (-torch.sigmoid(r - f).log().mean(), -torch.sigmoid(f - r).log().mean()),
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_logits_are_those_of_the_papers(name):
    r, f = logits()
    objective, (discriminator, generator) = OBJECTIVES[name], by_definition(name, r, f)
    torch.testing.assert_close(objective.discriminator(r, f), discriminator)
    torch.testing.assert_close(objective.generator(r, f), generator)


@pytest.mark.parametrize("sign", [(1, -1), (-1, 1), (1, 1), (-1, -1)])
@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients_stay_finite_and_right_at_logits_of_fifty(name, sign):
    r = torch.full((3,), 50.0 * sign[0], requires_grad=True)
    f = torch.full((3,), 50.0 * sign[1], requires_grad=True)
    exact = [v.detach().double().requires_grad_() for v in (r, f)]
    for loss in (OBJECTIVES[name].discriminator, OBJECTIVES[name].generator):
        value, reference = loss(r, f), loss(*exact)
        assert value.isfinite()
        torch.testing.assert_close(value.double(), reference, rtol=1e-6, atol=1e-20)
        for v, e in ((r, exact[0]), (f, exact[1])):
            (got,) = torch.autograd.grad(value, v, retain_graph=True, allow_unused=True)
            (want,) = torch.autograd.grad(reference, e, retain_graph=True, allow_unused=True)
            assert (got is None) == (want is None)
            if got is not None:
                torch.testing.assert_close(got.double(), want, rtol=1e-6, atol=1e-20)


def test_at_logit_minus_thirty_the_non_saturating_loss_still_pulls_and_the_minimax_one_does_not():
    f = torch.tensor([-30.0], requires_grad=True)
    slope = {n: torch.autograd.grad(OBJECTIVES[n].generator(torch.zeros(1), f), f)[0].item() for n in NAMES}
    assert slope["non_saturating"] == pytest.approx(-1, abs=1e-6)
    assert slope["minimax"] == pytest.approx(-math.exp(-30), rel=1e-4)
    assert slope["maximum_likelihood"] == pytest.approx(-math.exp(-30), rel=1e-4)
    assert slope["wasserstein"] == slope["hinge"] == -1
    # D = 0.01: logit gradients -0.01 and -0.99
    f = torch.tensor([math.log(0.01 / 0.99)], requires_grad=True)
    for name, expected in (("minimax", -0.01), ("non_saturating", -0.99)):
        (slope,) = torch.autograd.grad(OBJECTIVES[name].generator(f, f), f)
        assert slope.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_discriminator_wants_real_above_fake_and_every_generator_wants_its_logits_up(name):
    r, f = (v.requires_grad_() for v in logits(50))
    real, fake = torch.autograd.grad(OBJECTIVES[name].discriminator(r, f), (r, f))
    higher = torch.autograd.grad(OBJECTIVES[name].generator(r, f), f)[0]
    if name == "least_squares":  # which aims at a value, not upwards
        assert ((real < 0) == (r < 1)).all() and ((fake > 0) == (f > -1)).all() and ((higher > 0) == (f > 0)).all()
    else:
        assert (real <= 0).all() and (fake >= 0).all() and (higher <= 0).all() and (higher < 0).any()


def test_least_squares_is_pearson_for_its_own_codes_and_not_for_zero_one():
    """At the optimal D = (b p + a q) / (p + q) the cost is chi2(p + q || 2 q) / 2 if b - c = 1 and b - a = 2."""
    g = torch.Generator().manual_seed(0)
    p, q = torch.rand(2, 30, generator=g, dtype=torch.float64)
    p, q = p / p.sum(), q / q.sum()

    def cost(a, b, c):  # twice: over both distributions, as in the paper's theorem
        D = (b * p + a * q) / (p + q)
        generator = least_squares(a, b, c).generator
        each = torch.stack([generator(d[None], d[None]) for d in D])
        return ((p + q) * each).sum()

    chi2 = ((2 * q - (p + q)) ** 2 / (p + q)).sum()
    assert cost(-1, 1, 0).item() == pytest.approx(0.5 * chi2.item(), rel=1e-9)
    assert pearson(q, (p + q) / 2).item() == pytest.approx(0.5 * chi2.item(), rel=1e-9)
    assert abs(cost(0, 1, 1).item() - 0.5 * chi2.item()) > 0.1


def linear(slope):
    return lambda x: (x * slope).flatten(1).sum(1)


def test_the_gradient_penalty_of_a_linear_function_is_known():
    slope = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])  # (1, 2, 2), of length 5
    real, fake = torch.randn(2, 6, 1, 2, 2)
    assert gradient_penalty(linear(slope), real, fake).item() == pytest.approx(16, rel=1e-6)
    assert gradient_penalty(linear(slope), real, fake, target=5.0).item() == pytest.approx(0, abs=1e-9)
    assert gradient_penalty(linear(slope), real, fake, target=0.0).item() == pytest.approx(25, rel=1e-6)
    assert r1_penalty(linear(slope), real).item() == pytest.approx(25, rel=1e-6)


def test_a_perfect_critic_is_fined_nothing_whatever_the_batch():
    """A norm over the whole batch of 256 would fine it (sqrt(256) - 1)^2 = 225; a norm per pixel, nearly 1."""
    slope = torch.ones(3, 4, 4) / math.sqrt(48)
    real, fake = torch.randn(2, 256, 3, 4, 4)
    assert gradient_penalty(linear(slope), real, fake).item() == pytest.approx(0, abs=1e-9)


def test_the_penalty_looks_between_real_and_fake_not_at_the_ends():
    """f has slope 1 at both ends and slope 0 in the middle half: what is missing there must be seen."""
    real, fake = torch.zeros(20_000, 1), torch.ones(20_000, 1)

    def f(x):
        x = x[:, 0]
        return torch.where(x < 0.25, x, torch.where(x < 0.75, 0.25 + 0 * x, x - 0.5))

    for a, b in ((real, fake), (fake, real)):
        penalty = gradient_penalty(f, a, b, generator=torch.Generator().manual_seed(0)).item()
        assert penalty == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(20_000))
        assert gradient_penalty(f, a, a).item() == 0  # at real points only, it would be


def test_each_pair_has_its_own_place_between():
    seen = []
    real, fake = torch.zeros(500, 1, 2, 2), torch.ones(500, 1, 2, 2)

    def f(x):
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    gradient_penalty(f, real, fake, generator=torch.Generator().manual_seed(0))
    t = seen[0].flatten(1)
    assert (t == t[:, :1]).all() and t[:, 0].std().item() == pytest.approx(math.sqrt(1 / 12), rel=0.1)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)).double()


def by_autograd(f, x, target):
    """The textbook way, with create_graph."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    norm = gradient.flatten(1).norm(dim=1)
    return ((norm - target) ** 2).mean() if target is not None else (norm**2).mean()


def test_penalties_train_the_network_as_the_textbook_way_does():
    f, x = network(), torch.randn(5, 2, 3, dtype=torch.float64)
    parameters = list(f.parameters())[:-1]  # no slope depends on the last bias
    for penalty, target in ((lambda: gradient_penalty(f, x, x), 1.0), (lambda: r1_penalty(f, x), None)):
        got, want = penalty(), by_autograd(f, x, target)
        torch.testing.assert_close(got, want)
        for a, b in zip(torch.autograd.grad(got, parameters), torch.autograd.grad(want, parameters), strict=True):
            torch.testing.assert_close(a, b)
            assert a.abs().max() > 1e-6


def test_a_flat_critic_has_a_finite_gradient():
    f = network()
    f[3].weight.data.zero_()  # slope 0 everywhere
    loss = gradient_penalty(f, *torch.randn(2, 5, 2, 3, dtype=torch.float64))
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert all(p.grad is None or p.grad.isfinite().all() for p in f.parameters())


def test_penalties_compile():
    f, x = network().float(), torch.randn(5, 2, 3)
    compiled = torch.compile(
        lambda x: gradient_penalty(f, x, x) + r1_penalty(f, x), fullgraph=True, backend="aot_eager"
    )
    torch.testing.assert_close(compiled(x), gradient_penalty(f, x, x) + r1_penalty(f, x))


def test_clipping_keeps_every_parameter_within_the_limit_and_the_small_ones_as_they_are():
    f = network()
    before = [p.detach().clone() for p in f.parameters()]
    clip_weights_(f, 0.1)
    for p, old in zip(f.parameters(), before, strict=True):
        assert p.abs().max() <= 0.1 and p.requires_grad
        assert torch.equal(p[old.abs() <= 0.1], old[old.abs() <= 0.1])
    assert max(old.abs().max() for old in before) > 0.1


def test_what_cannot_be_penalised_is_refused():
    x = torch.randn(4, 3)
    with_norm = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1), nn.Flatten(0))
    for penalty in (lambda f: gradient_penalty(f, x, x), lambda f: r1_penalty(f, x)):
        with pytest.raises(ValueError, match="f must treat each sample by itself, got a network with BatchNorm1d"):
            penalty(with_norm)
        with pytest.raises(ValueError, match=r"f must return shape \(4,\), got \(4, 1\)"):
            penalty(nn.Linear(3, 1))
        penalty(with_norm.eval())  # its statistics are fixed there: no sample sees another
        with_norm.train()
    with pytest.raises(ValueError, match=r"real and fake must have one shape, got \(4, 3\) and \(3, 3\)"):
        gradient_penalty(linear(torch.ones(3)), x, x[:3])
    with pytest.raises(ValueError, match="limit must be a finite number above 0"):
        clip_weights_(with_norm, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_logits_of_unequal_shapes_are_refused(name):
    """(B, 1) beside (B,) broadcasts to a table of B × B: for a relativistic game another number, and no error."""
    r, f = logits(6)
    column = r[:, None]
    for loss in (OBJECTIVES[name].discriminator, OBJECTIVES[name].generator):
        for pair in ((column, f), (r, f[:, None]), (r[0], f), (r, f[0]), (r.view(2, 3), f.view(3, 2))):
            with pytest.raises(ValueError, match="^real and fake must be logits of one shape, "):
                loss(*pair)
        torch.testing.assert_close(loss(column, f[:, None]), loss(r, f))  # alike, they are as good as (B,)
        torch.testing.assert_close(loss(r[0], f[0]), loss(r[:1], f[:1]))


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_of_real_and_fake_may_differ_only_where_they_are_no_pairs(name):
    r, f = logits(6)
    for loss in (OBJECTIVES[name].discriminator, OBJECTIVES[name].generator):
        if name == "relativistic":
            with pytest.raises(ValueError, match=r"one real for each fake, got \(6,\) and \(4,\)"):
                loss(r, f[:4])
            with pytest.raises(ValueError, match=r"one real for each fake, got \(1,\) and \(4,\)"):
                loss(r[:1], f[:4])
        else:
            torch.testing.assert_close(loss(r, f[:4]), loss(r, f[:4].repeat(3)))  # means, each over its own samples


def test_a_generator_that_looks_at_fake_logits_alone_takes_none_for_the_real_ones():
    _, f = logits(6)
    for name in NAMES:
        if name == "relativistic":
            with pytest.raises(ValueError, match=r"one real for each fake, got None and \(6,\)"):
                OBJECTIVES[name].generator(None, f)
        else:
            torch.testing.assert_close(OBJECTIVES[name].generator(None, f), OBJECTIVES[name].generator(f, f))


def test_a_game_of_ones_own_is_guarded_too():
    own = Objective(lambda real, fake: (fake - real).mean(), lambda real, fake: -fake.mean())
    r, f = logits(6)
    torch.testing.assert_close(own.discriminator(r, f), (f - r).mean())
    with pytest.raises(ValueError, match=r"logits of one shape, got \(6, 1\) and \(6,\)"):
        own.discriminator(r[:, None], f)
    with pytest.raises(ValueError, match=r"logits of one shape, got \(6, 1\) and \(6,\)"):
        least_squares().discriminator(r[:, None], f)
