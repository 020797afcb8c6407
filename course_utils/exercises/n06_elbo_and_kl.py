"""Checkers of the exercises of 06_elbo_and_kl."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.exercises.judge import judge


def gaussian_kl(answer: Callable) -> None:
    """Exercise 06.1: KL(N(mu, diag exp(log_var)) || N(0, I)), shape (B,)."""

    def kl_each(mu: Tensor, log_var: Tensor) -> Tensor:
        return 0.5 * (log_var.exp() + mu**2 - 1 - log_var)

    def right(mu, log_var):
        return kl_each(mu, log_var).sum(-1)

    wrong = [
        (kl_each, "one number for each latent; latents are independent, so the KL of a code is their sum: sum(-1)"),
        (lambda mu, s: kl_each(mu, s).mean(-1), "a mean over the latents: that would divide the KL by their number"),
        (lambda mu, s: kl_each(mu, s).sum(), "one number for all codes; one for each is asked for, shape (B,)"),
        (lambda mu, s: kl_each(mu, s).sum(0), "that sums over the codes; the latents are the last axis: sum(-1)"),
        (lambda mu, s: -right(mu, s), "the sign is turned: a KL is never negative, and this one has no minimum"),
        (lambda mu, s: 2 * right(mu, s), "the half is missing"),
        (lambda mu, s: right(mu, 2 * s), "log_var is the logarithm of the variance already, not of its square root"),
        (lambda mu, s: right(mu, s / 2), "that takes the standard deviation for the variance"),
        (lambda mu, s: (kl_each(mu, s) + 0.5 * (mu - mu**2)).sum(-1), "the mean is squared"),
        (lambda mu, s: (kl_each(mu, s) - 0.5 * mu**2).sum(-1), "the mean's part is missing: + mu**2"),
        (lambda mu, s: (kl_each(mu, s) - mu**2).sum(-1), "the sign of mu**2: a mean away from 0 costs something"),
        (lambda mu, s: (kl_each(mu, s) + 0.5).sum(-1), "the 1 is missing: for mean 0 and variance 1 it must be zero"),
        (lambda mu, s: (kl_each(mu, s) + s).sum(-1), "the sign of log_var: it is subtracted, as the 1 is"),
        (
            lambda mu, s: 0.5 * ((-s).exp() * (1 + mu**2) - 1 + s).sum(-1),
            "that is KL(p || q); here the average is taken over q",
        ),
        (
            lambda mu, s: (mu**2).sum(-1) - right(mu, s),
            "only the sign of mu**2 was turned; those of log_var.exp(), log_var and the 1 must be turned, too",
        ),
        (
            lambda mu, s: 0.5 * (s.exp() + mu**2 - 1 - s.log()).sum(-1),
            "log_var is a logarithm already, and may be negative: the variance is log_var.exp(), without any .log()",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(torch.randn(B, Z, generator=g), torch.randn(B, Z, generator=g)) for B, Z in ((2, 3), (5, 7))]
    judge(answer, right, cases, wrong, "Zero only for mean 0 and variance 1, in every latent.")


def kl_of_two(answer: Callable) -> None:
    """Exercise 06.2: KL(N(m1, exp(s1)) || N(m2, exp(s2))), elementwise."""

    def right(mu1, s1, mu2, s2):
        return 0.5 * ((s1 - s2).exp() + (mu1 - mu2) ** 2 * (-s2).exp() - 1 - (s1 - s2))

    def change(m1, s1, m2, s2, ratio=0.0, square=0.0, log=0.0):
        """The right value with a part of it counted so many times more."""
        extra = ratio * (s1 - s2).exp() + square * (m1 - m2) ** 2 * (-s2).exp() + log * (s1 - s2)
        return right(m1, s1, m2, s2) + 0.5 * extra

    wrong = [
        (
            lambda m1, s1, m2, s2: right(m2, s2, m1, s1),
            "the two are exchanged: the average is taken over the *first*, and KL is not symmetric",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 - 1 - (s1 - s2)),
            "the distance of the means counts in standard deviations of the second: divide its square by exp(s2)",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 * (-s1).exp() - 1 - (s1 - s2)),
            "the square is divided by the first variance; log p of the second is what it comes from",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s2 - s1).exp() + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2)),
            "the ratio of the variances is upside down: exp(s1 - s2)",
        ),
        (
            lambda *a: right(a[0], a[1], 0 * a[2], 0 * a[3]),
            "that is the KL from the prior: the second mean and variance are not used",
        ),
        (lambda *a: right(a[0], a[1], 0 * a[2], a[3]), "the second mean is not used"),
        (lambda *a: 2 * right(*a), "the half is missing"),
        (lambda *a: -right(*a), "the sign: a divergence is never negative"),
        (lambda *a: right(*a) + 0.5, "the 1 is missing: equal arguments must give zero"),
        (lambda *a: change(*a, log=1), "the difference of the logarithms, s1 - s2, is missing"),
        (lambda *a: change(*a, log=2), "the sign of s1 - s2: check it with the KL from the prior, where s2 = 0"),
        (lambda *a: change(*a, square=-1), "the distance of the means is missing"),
        (lambda *a: change(*a, square=-2), "the sign of the square: means apart cost something"),
        (lambda *a: right(a[0], 2 * a[1], a[2], 2 * a[3]), "s1 and s2 are log-variances already"),
        (lambda *a: right(*a).sum(-1), "elementwise, without a sum"),
        (
            lambda m1, s1, m2, s2: 0.5 * (s1.exp() + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2)),
            "the first variance counts in units of the second: exp(s1 - s2)",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2**2 - 1 - (s1 - s2)),
            "s2 is a logarithm: divide the square by the variance exp(s2), not by s2 squared",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2 - 1 - (s1 - s2)),
            "s2 is a logarithm: divide the square by the variance exp(s2), not by s2",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 * (-2 * s2).exp() - 1 - (s1 - s2)),
            "exp(s2) is the variance already: divide the square by it, not by its square",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 * s2.exp() - 1 - (s1 - s2)),
            "the square is divided by the second variance exp(s2), not multiplied by it",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((m1 - m2) ** 2 * (-s2).exp() - 1),
            "the ratio of the variances has lost its exp: it is exp(s1 - s2)",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * (s1 / s2 + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2)),
            "s1 and s2 are logarithms: the ratio of the variances is exp(s1 - s2)",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 + (m1 - m2) ** 2) / s2 - 1 - (s1 - s2)),
            "s1 and s2 are logarithms: the variances are exp(s1) and exp(s2)",
        ),
        (
            lambda m1, s1, m2, s2: 0.5 * ((s1 + (m1 - m2) ** 2) / s2 - 1 - (s1 / s2).log()),
            "s1 and s2 are logarithms: the variances are exp(s1) and exp(s2)",
        ),
        (
            lambda m1, s1, m2, s2: right(m1, s1, 0 * m1, 0 * s1) - right(m2, s2, 0 * m2, 0 * s2),
            "divergences from the prior do not subtract: average log q - log p of these two",
        ),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(shape, generator=g) for _ in range(4)) for shape in ((4,), (3, 2))]
    judge(answer, right, cases, wrong, "With the prior for the second it is the KL term of a VAE.")


def minus_bound(answer: Callable) -> None:
    """Exercise 06.4: -log 1/K sum_k exp(-losses_k) of losses (K, B), without overflow, shape (B,)."""

    def right(losses):
        return math.log(len(losses)) - torch.logsumexp(-losses, 0)

    worst = "the weights are turned round: a large loss must get a small weight"
    wrong = [
        (lambda losses: (losses.softmax(0) * losses).sum(0), worst),
        (lambda losses: torch.logsumexp(losses, 0) - math.log(len(losses)), worst),
        (
            lambda losses: ((-losses).softmax(0) * losses).sum(0),
            "the weights are right now, but a weighted mean of losses is not the bound (its gradient is, with the "
            "weights detached)",
        ),
        (lambda losses: -torch.logsumexp(-losses, 0), "a mean of K weights, not their sum: log K is missing"),
        (lambda losses: -torch.logsumexp(-losses, 0) - math.log(len(losses)), "the sign of log K"),
        (lambda losses: -right(losses), "the bound itself; minus the bound is asked for"),
        (lambda losses: losses.mean(0), "that is minus the ELBO: the logarithm belongs outside the mean"),
        (lambda losses: losses.amin(0), "only the best code; the others count, too"),
        (lambda losses: losses.amax(0), "only the worst code; a large loss must get a small weight"),
        (
            lambda losses: -(-losses).exp().mean(0).log(),
            "right for small losses; exp(-1000) is 0, so let torch.logsumexp do it",
        ),
        (
            lambda losses: math.log(losses.shape[1]) - torch.logsumexp(-losses, 1),
            "the K codes are the first axis",
        ),
        (
            lambda losses: -(losses.amin(0) - losses).exp().mean(0).log(),
            "stable, but the minimum that was subtracted must be added back",
        ),
        (
            lambda losses: math.log(len(losses)) - torch.logsumexp(losses, 0),
            "the minus sign inside: logsumexp of -losses",
        ),
        (
            lambda losses: -torch.logsumexp(-losses, 0) / len(losses),
            "the mean is taken inside the logarithm: a division by K there is + log K outside, not a division",
        ),
        (
            lambda losses: right(losses) / len(losses),
            "log K is right; what is left over is a second division by K",
        ),
        *[
            (
                lambda losses, sign=sign, end=end: end((sign * losses).log_softmax(0)),
                "log_softmax divides each weight by their sum, and so loses how large they are: use logsumexp",
            )
            for sign in (-1, 1)
            for end in (
                lambda a: a,
                lambda a: -a,
                lambda a: a.sum(0),
                lambda a: -a.sum(0),
                lambda a: a.mean(0),
                lambda a: -a.mean(0),
            )
        ],
        (lambda losses: right(losses).mean(), "one number for all pictures; one for each is asked for, shape (B,)"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [(3 * torch.randn(3, 2, generator=g),), (1_000 + torch.randn(6, 2, generator=g),)]
    cases.append((torch.tensor([[10.0], [100.0]]),))
    judge(answer, right, cases, wrong, "Losses of 10 and 100 make 10.69: the good code rescues the bad one.")


def code_and_kl(answer: Callable) -> None:
    """Exercise 06.3: the code mu + exp(log_std) eps and its KL from N(0, I)."""

    def code(m, s, eps):
        return m + s.exp() * eps

    def kl_each(m: Tensor, variance: Tensor, log_var: Tensor) -> Tensor:
        return 0.5 * (variance - 1 - log_var + m**2)

    def right(mu, log_std, eps):
        return code(mu, log_std, eps), kl_each(mu, (2 * log_std).exp(), 2 * log_std).sum(-1)

    wrong = [
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, s.exp(), s).sum(-1)),
            "the KL still takes log_std for a log-variance; the variance of this code is exp(2 log_std)",
        ),
        (
            lambda m, s, eps: (code(m, 2 * s, eps), kl_each(m, (2 * s).exp(), 2 * s).sum(-1)),
            "the KL is right, but now the code has changed, too: its standard deviation is exp(log_std)",
        ),
        (
            lambda m, s, eps: (code(m, s / 2, eps), kl_each(m, s.exp(), s).sum(-1)),
            "now the two lines agree, but on the other meaning: here log_std is the log-standard deviation",
        ),
        (
            lambda m, s, eps: (code(m, s / 2, eps), kl_each(m, (2 * s).exp(), 2 * s).sum(-1)),
            "the first line was right; now they disagree the other way",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, (2 * s).exp(), s).sum(-1)),
            "the variance is right now; its logarithm is 2 log_std",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, s.exp(), 2 * s).sum(-1)),
            "the logarithm is right now; the variance itself is exp(2 log_std)",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, (s / 2).exp(), s / 2).sum(-1)),
            "the other way: from a log-standard deviation to a log-variance one multiplies by 2",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, s**2, 2 * s).sum(-1)),
            "log_std is a logarithm: the variance is exp(2 log_std), not log_std squared",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, s.exp() ** 2, s**2).sum(-1)),
            "the logarithm of a square: 2 log_std, not log_std squared",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, (s**2).exp(), s**2).sum(-1)),
            "log_var is the logarithm of a square: 2 log_std, not log_std squared",
        ),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, s**2, s).sum(-1)),
            "log_std is a logarithm: the variance is exp(2 log_std), and its logarithm 2 log_std",
        ),
        (lambda m, s, eps: (code(m, s, eps), -right(m, s, eps)[1]), "the sign: a divergence is never negative"),
        (lambda m, s, eps: (code(m, s, eps), kl_each(m, (2 * s).exp(), 2 * s)), "sum over the latents, shape (B,)"),
        (
            lambda m, s, eps: (code(m, s, eps), kl_each(m, (2 * s).exp(), 2 * s).mean(-1)),
            "a mean over the latents: the KL of a code is their sum",
        ),
        (lambda m, s, eps: right(m, s, eps)[1], "the code belongs to the answer, too: return both"),
        (lambda m, s, eps: right(m, s, eps)[0], "the KL belongs to the answer, too: return both"),
        (lambda m, s, eps: right(m, s, eps)[::-1], "the code comes first"),
    ]
    g = torch.Generator().manual_seed(0)
    cases = [tuple(torch.randn(B, Z, generator=g) for _ in range(3)) for B, Z in ((2, 3), (4, 5))]
    judge(
        answer, right, cases, wrong, "For mean 0.7 and standard deviation 0.4 the bug says 0.403 instead of 0.741 nats."
    )
