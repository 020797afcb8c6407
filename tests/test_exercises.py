"""Right answers pass, each usual wrong one gets its own hint, and no answer makes a checker raise."""

import ast
import copy
import functools
import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils import divergences, exercises, metrics, models

ARGUMENTS = {
    "log_density": "log_P, w, d",
    "ring_centres": "k",
    "log_normal": "x, mu, s",
    "bits_per_dim": "nats, shape",
    "made_masks": "rank, degree",
    "masked_linear": "layer, mask, x",
    "mean_nll": "batches",
    "skew": "x",
    "lstm_step": "gates, c",
    "merge": "left, right",
    "state_to_state": "weight, hidden",
    "completion_nats": "log_probs, known",
    # 03_pixel_cnn
    "causal_mask": "kind, k",
    "rightmost": "r, first, kernel",
    "shift_down": "features",
    "mixes_images": "model, x",
    # 04_colour
    "to_tokens": "x, palette",
    "log_p_in_cell": "count, cell, K",
    "log_bin": "hi, lo",
    "grey_log_prob": "logit, x, levels",
    # 05_autoencoder
    "code_size": "eigenvalues, limit",
    "pca_error": "train, test, Z",
    "denoising_loss": "model, x, noise",
    "phase_between": "a, b, t",
    # 06_elbo_and_kl
    "gaussian_kl": "mu, log_var",
    "kl_of_two": "m1, s1, m2, s2",
    "minus_bound": "losses",
    "code_and_price": "m, s, eps",
    # 07_vae
    "effective_beta": "beta, D, Z",
    "active_units": "mu, threshold",
    "free_bits": "kl, floor",
    # 08_gan
    "generator_loss": "logits",
    "discriminator_loss": "G, D, x, z",
    "suspicious": "samples, train, held_out",
    "smoothed_rest": "a, b, s",
    # 09_gan_theory
    "best_discriminator": "p, q, share",
    "jsd_by_draws": "x, y, log_p, log_q",
    "jsd_bound": "real_logits, fake_logits",
    # 10_gan_losses
    "likelihood_loss": "f",
    "relativistic_loss": "real, fake",
    "effective_share": "f",
    # 11_wasserstein
    "w1_line": "a, b",
    "between": "real, fake, t",
    "slow_rate": "gamma, slope",
    # 12_face_to_face
    "frechet_of": "m, C, n, S",
    "precision": "real, fake, k",
    "fair": "distance, real, a, b",
    "surprise_bound": "log_p, D, L",
    # 13_what_came_next
    "coupling_log_det": "s, b",
    "step_mean": "x_t, x_0, a_before, a",
    "noisy": "x_0, eps, alpha_bar",
    "matching_pair": "z, x, t",
    "flow_log_prob": "velocity, trace, x, steps",
}
MEAN = "a / a_before * (1 - a_before**2) / (1 - a**2) * x_t + a_before * (%s) / (1 - a**2) * x_0"  # of step_mean
BACK = "now[0] - velocity(now[0], i / steps) / steps, now[1] + trace(now[0], i / steps) / steps"  # of flow_log_prob
NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"


def ring(angle):
    return torch.stack([angle.cos(), angle.sin()], -1)


def lstm(o, f, i, g, c, squash=torch.sigmoid, content=torch.tanh, shown=torch.tanh):
    new = squash(f) * c + squash(i) * content(g)
    return squash(o) * shown(new), new


def taps(weight):
    """Places of a kernel's taps, 0 at its centre."""
    return torch.arange(weight.shape[2]) - weight.shape[2] // 2


NAMES = dict(
    copy=copy,
    divergences=divergences,
    math=math,
    np=np,
    torch=torch,
    F=F,
    ring=ring,
    metrics=metrics,
    models=models,
    lstm=lstm,
    taps=taps,
    reduce=functools.reduce,
)


def function(name, body):
    return eval(f"lambda {ARGUMENTS[name]}: {body}", NAMES)


@pytest.fixture
def said(capsys):
    """What a checker says of an answer: one line."""

    def said(name, answer):
        getattr(exercises, name)(answer)
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and out.startswith(("correct. ", "not yet: ")), out
        return out.rstrip("\n")

    return said


# ---- right answers, in several styles -------------------------------------------------------------------------------

RIGHT = {
    "log_density": [
        "log_P - d * math.log(w)",
        "math.log(math.exp(log_P) / w**d)",
        "torch.tensor(log_P) - torch.tensor(w).log() * d",
        "np.log(np.exp(log_P) / np.prod([w] * d))",
    ],
    "ring_centres": [
        "ring(2 * math.pi * torch.arange(k) / k)",
        "ring(torch.linspace(0, 2 * math.pi, k + 1)[:-1])",
        "ring(-2 * math.pi * torch.arange(1, k + 1).double() / k)",  # another start, clockwise, float64
        "ring(2 * math.pi * torch.arange(k) / k)[torch.randperm(k)]",
        "[(math.sin(2 * math.pi * i / k), math.cos(2 * math.pi * i / k)) for i in range(k)]",
        "np.stack([np.cos(2 * np.pi * np.arange(k) / k), np.sin(2 * np.pi * np.arange(k) / k)], 1)[::-1]",
    ],
    "log_normal": [
        "(-0.5 * ((x - mu) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)).sum(-1)",
        "-((x - mu) ** 2).sum(1) / (2 * s**2) - 0.5 * x.shape[1] * math.log(2 * math.pi * s**2)",
        "torch.distributions.Normal(mu, s).log_prob(x).sum(-1)",
        "x.sub_(mu).div_(s).square_().mul_(-0.5).sub_(math.log(s * math.sqrt(2 * math.pi))).sum(-1)",  # writes into x
    ],
    "bits_per_dim": [
        "nats / (math.prod(shape) * math.log(2))",
        "nats / shape[0] / shape[1] / shape[2] / math.log(2)",
        "nats * math.log2(math.e) / torch.zeros(shape).numel()",
        "torch.tensor(nats) / np.log(2) / np.prod(shape)",
    ],
    "made_masks": [
        "(degree[:, None] >= rank[None, :], rank[:, None] > degree[None, :])",
        "[rank <= degree.unsqueeze(1), degree < rank.unsqueeze(1)]",
        "((rank[:, None] <= degree).T, ~(rank[:, None] <= degree))",
    ],
    "masked_linear": [
        "F.linear(x, layer.weight * mask, layer.bias)",
        "x @ (layer.weight * mask).T + layer.bias",
        "F.linear(x, layer.weight.masked_fill(mask == 0, 0), layer.bias)",
        "torch.func.functional_call(layer, {'weight': layer.weight * mask}, x)",
        "torch.einsum('bi,oi,oi->bo', x, layer.weight, mask) + layer.bias",
    ],
    "mean_nll": [
        "torch.cat(batches).mean()",
        "sum(nll.sum() for nll in batches) / sum(len(nll) for nll in batches)",
        "sum(nll.mean().item() * len(nll) / sum(map(len, batches)) for nll in batches)",
        "np.concatenate(batches).mean()",
        "torch.cat([batches.pop() for _ in batches[:]]).mean()",  # empties the list
    ],
    "skew": [
        "F.pad(x, (0, len(x))).flatten()[: -len(x)].view(len(x), -1)",
        "torch.stack([F.pad(row, (r, len(x) - 1 - r)) for r, row in enumerate(x)])",
        "[[0] * r + row.tolist() + [0] * (len(x) - 1 - r) for r, row in enumerate(x)]",
        "models.diagonal_bilstm.skew(x)",
    ],
    "lstm_step": [
        "(lambda o, f, i, g: (lambda new: (o.sigmoid() * new.tanh(), new))(f.sigmoid() * c + i.sigmoid() * g.tanh()))"
        "(*gates.chunk(4))",
        "(lambda s, g: [s[0] * (s[1] * c + s[2] * g).tanh(), s[1] * c + s[2] * g])"
        "(gates[: 3 * len(c)].sigmoid().view(3, *c.shape), gates[3 * len(c) :].tanh())",
        "models.row_lstm.lstm_cell(gates, c)",
    ],
    "merge": [
        "left + F.pad(right.flip(-1), (0, 0, 1, -1))",
        "left + torch.cat([torch.zeros_like(right[:, :, :1]), right.flip(3)[:, :, :-1]], 2)",
        "left + right.roll(1, 2).flip(3) * (torch.arange(left.shape[2]) > 0)[:, None]",
        "left.index_add_(2, torch.arange(1, left.shape[2]), right[:, :, :-1].flip(3))",  # writes into left
    ],
    "state_to_state": [
        "F.conv1d(hidden, weight, padding=weight.shape[2] // 2)",
        "F.conv1d(hidden, weight, padding='same')",
        "F.conv2d(hidden[:, :, None], weight[:, :, None], padding=(0, weight.shape[2] // 2)).squeeze(2)",
    ],
    "completion_nats": [
        "-(log_probs * ~known).sum((1, 2, 3))",
        "-log_probs[:, ~known].sum(1)",
        "torch.where(known, 0, -log_probs).flatten(1).sum(1)",
        "-log_probs.flatten(1) @ (~known).flatten().float()",
        "log_probs.masked_fill_(known, 0).neg_().sum((1, 2, 3))",  # writes into log_probs
    ],
    # 03_pixel_cnn
    "causal_mask": [
        "torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'B')",
        "[[(a, b) < (k // 2, k // 2 + (kind == 'B')) for b in range(k)] for a in range(k)]",
        "np.arange(k * k).reshape(k, k) < k * k // 2 + {'A': 0, 'B': 1}[kind]",
    ],
    "rightmost": [
        "first // 2 + (r - 1) * (kernel // 2)",
        "sum([first // 2] + [kernel // 2] * (r - 1))",
        "(first - 1) / 2 + (r - 1) * (kernel - 1) / 2",
    ],
    "shift_down": [
        "F.pad(features, (0, 0, 1, -1))",
        "torch.cat([torch.zeros_like(features[:, :, :1]), features[:, :, :-1]], 2)",
        "F.pad(features[:, :, :-1], (0, 0, 1, 0))",
    ],
    "mixes_images": [
        "bool(torch.autograd.grad(model.log_prob(x.requires_grad_())[0], x)[0][1:].abs().sum() > 0)",
        "torch.autograd.functional.jacobian(model.log_prob, x)[0, 1:].any()",
    ],
    # 04_colour
    "to_tokens": [
        "((x[:, None] - palette[None, :, :, None, None]) ** 2).sum(2).argmin(1)",
        "torch.stack([((x - c[None, :, None, None]) ** 2).sum(1) for c in palette]).argmin(0)",
        "torch.cdist(x.movedim(1, -1).flatten(0, 2), palette).argmin(1).view(len(x), *x.shape[2:])",
        "(torch.einsum('bchw,kc->bkhw', x, palette) - (palette**2).sum(1)[:, None, None] / 2.0).argmax(1)",
    ],
    "log_p_in_cell": [
        "((count + 1) / torch.zeros(K).index_add(0, cell, count + 1.0)[cell]).log()",
        "(count + 1).log() - torch.stack([(count[cell == k] + 1).sum() for k in cell]).log()",
        "[math.log((n + 1) / sum(m + 1 for m, j in zip(count, cell) if j == k)) for n, k in zip(count, cell)]",
        "np.log((count.numpy() + 1) / np.bincount(cell, count + 1)[cell])",
    ],
    "log_bin": [
        "hi + torch.log(-torch.expm1(lo - hi)) - F.softplus(hi) - F.softplus(lo)",
        "-lo + torch.log(-torch.expm1(-(hi - lo))) - F.softplus(-hi) - F.softplus(-lo)",
        "torch.log(-torch.expm1(lo.double() - hi)) + F.logsigmoid(hi.double()) + F.logsigmoid(-lo.double())",
        "torch.where((hi + lo).signbit(), hi.sigmoid() - lo.sigmoid(), (-lo).sigmoid() - (-hi).sigmoid()).log()",
    ],
    "grey_log_prob": [
        "logit * x - torch.logsumexp(logit.unsqueeze(-1) * torch.linspace(0, 1, levels), -1)",
        "logit * x - sum((logit * k / (levels - 1)).exp() for k in range(levels)).log()",
        "-F.binary_cross_entropy_with_logits(logit, x, reduction='none') - torch.logsumexp(torch.stack("
        "[-F.binary_cross_entropy_with_logits(logit, torch.full_like(x, k / (levels - 1)), reduction='none')"
        " for k in range(levels)]), 0)",
        "(logit[..., None] * torch.arange(levels) / (levels - 1)).log_softmax(-1)"
        ".gather(-1, (x * (levels - 1)).round().long()[..., None])[..., 0]",
    ],
    # 05_autoencoder
    "code_size": [
        "next(Z for Z in range(len(eigenvalues) + 1) if eigenvalues[Z:].sum() <= limit)",
        "int((eigenvalues.flip(0).cumsum(0) > limit).sum())",
        "sum(sum(eigenvalues.tolist()[Z:]) > limit for Z in range(len(eigenvalues)))",
    ],
    "pca_error": [
        "(lambda m: (lambda A: (((test - m) @ A.T @ A + m - test) ** 2).sum(1))"
        "(torch.linalg.svd(train - m, full_matrices=False).Vh[:Z]))(train.mean(0))",
        "((test - train.mean(0)) @ torch.linalg.eigh(torch.cov(train.T)).eigenvectors[:, : train.shape[1] - Z])"
        ".square().sum(1)",
    ],
    "denoising_loss": [
        "((model(x + noise) - x) ** 2).sum((1, 2, 3))",
        "F.mse_loss(model(x + noise), x, reduction='none').flatten(1).sum(1)",
        "(model(x.clone().add_(noise)) - x).flatten(1).norm(dim=1) ** 2",
    ],
    "phase_between": [
        "(a + t * (b - a - (b - a).round())) % 1",
        "(a + t * torch.polar(torch.ones_like(a), 2 * math.pi * (b - a)).angle() / (2 * math.pi)) % 1",
        "[(p + t * min((q - p, q - p + 1, q - p - 1), key=abs)) % 1 for p, q in zip(a.tolist(), b.tolist())]",
    ],
    # 06_elbo_and_kl
    "gaussian_kl": [
        "0.5 * (log_var.exp() - 1 - log_var + mu**2).sum(-1)",
        "torch.distributions.kl_divergence(torch.distributions.Normal(mu, log_var.exp().sqrt()),"
        " torch.distributions.Normal(0, 1)).sum(1)",
        "-0.5 * (1 + log_var - mu * mu - torch.exp(log_var)).sum(axis=1)",
        "models.vae.kl_to_prior(mu, log_var).sum(-1)",
    ],
    "kl_of_two": [
        "0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 * (-s2).exp() - 1 - (s1 - s2))",
        "(s2 - s1) / 2 + (s1.exp() + (m1 - m2) ** 2) / (2 * s2.exp()) - 0.5",
        "torch.distributions.kl_divergence(torch.distributions.Normal(m1, torch.exp(s1 / 2.0)),"
        " torch.distributions.Normal(m2, torch.exp(s2 / 2.0)))",
    ],
    "minus_bound": [
        "math.log(len(losses)) - torch.logsumexp(-losses, 0)",
        "-((-losses).logsumexp(0) - torch.tensor(losses.shape[0]).log())",
        "losses.amin(0) - (losses.amin(0) - losses).exp().mean(0).log()",
        "-(losses.neg() - math.log(len(losses))).logsumexp(0)",
    ],
    "code_and_price": [
        "(m + s.exp() * eps, 0.5 * ((2 * s).exp() - 1 - 2 * s + m**2).sum(-1))",
        "(torch.distributions.Normal(m, s.exp()).icdf(torch.special.ndtr(eps)),"
        " models.vae.kl_to_prior(m, 2 * s).sum(1))",
        "[torch.addcmul(m, s.exp(), eps), (0.5 * (s.exp() ** 2 + m**2) - 0.5 - s).sum(1)]",
    ],
    # 07_vae
    "effective_beta": ["beta * D / Z", "beta / (Z / D)", "torch.tensor(beta).double() / Z * D"],
    "active_units": [
        "int((mu.var(0) > threshold).sum())",
        "(((mu - mu.mean(0)) ** 2).mean(0) > threshold).count_nonzero()",
        "sum(v > threshold for v in np.var(mu.numpy(), axis=0))",
    ],
    "free_bits": [
        "kl.mean(0).clamp(min=floor).sum()",
        "torch.maximum(kl.mean(0), torch.tensor(floor)).sum()",
        "sum(max(floor, k) for k in kl.mean(0).tolist())",
        "models.vae.free_bits(kl, floor)",
    ],
    # 08_gan
    "generator_loss": [
        "F.softplus(-logits).mean()",
        "-F.logsigmoid(logits).mean()",
        "F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))",
        "torch.logaddexp(-logits, torch.zeros(())).sum() / len(logits)",
    ],
    "discriminator_loss": [
        "F.softplus(-D(x)).mean() + F.softplus(D(G(z).detach())).mean()",
        "-F.logsigmoid(D(x)).mean() - F.logsigmoid(-D(G(z).detach())).mean()",
        "sum(F.binary_cross_entropy(D(p).sigmoid(), torch.full((len(p),), float(t)))"
        " for p, t in ((x, 1), (G(z).data, 0)))",
    ],
    "suspicious": [
        "(torch.cdist(samples.flatten(1), train.flatten(1)).amin(1)"
        " < torch.cdist(held_out.flatten(1), train.flatten(1)).amin(1).quantile(0.01)).float().mean()",
        "(metrics.nearest(samples, train).distance"
        " < metrics.nearest(held_out, train).distance.quantile(0.01)).double().mean().item()",
        "np.mean([metrics.nearest(x[None], train).distance.item()"
        " < metrics.nearest(held_out, train).distance.quantile(0.01).item() for x in samples])",
    ],
    "smoothed_rest": ["s * a / (a + b)", "s / (1 + b / a)", "torch.tensor(s * a).double() / (a + b)"],
    # 09_gan_theory
    "best_discriminator": [
        "share * p / (share * p + (1 - share) * q)",
        "torch.sigmoid(p.log() - q.log() + math.log(share / (1 - share)))",
        "1 / (1 + (1 - share) * q / (share * p))",
    ],
    "jsd_by_draws": [
        "0.5 * (log_p(x) - torch.logaddexp(log_p(x), log_q(x)) + math.log(2)).mean()"
        " + 0.5 * (log_q(y) - torch.logaddexp(log_p(y), log_q(y)) + math.log(2)).mean()",
        "math.log(2) + (F.logsigmoid(log_p(x) - log_q(x)).mean() + F.logsigmoid(log_q(y) - log_p(y)).mean()) / 2",
    ],
    "jsd_bound": [
        "0.5 * (math.log(4) - F.softplus(-real_logits).mean() - F.softplus(fake_logits).mean())",
        "math.log(2) + (F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean()) / 2",
        "math.log(2) - (F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))"
        " + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))) / 2",
    ],
    # 10_gan_losses
    "likelihood_loss": ["-f.exp().mean()", "-torch.exp(f).sum() / len(f)", "-(f.sigmoid() / (-f).sigmoid()).mean()"],
    "relativistic_loss": [
        "F.softplus(real - fake).mean()",
        "-F.logsigmoid(fake - real).mean()",
        "F.binary_cross_entropy_with_logits(fake - real, torch.ones_like(real))",
    ],
    "effective_share": [
        "1 / (len(f) * f.softmax(0).square().sum())",
        "(f - f.max()).exp().sum() ** 2 / ((f - f.max()).exp().square().sum() * len(f))",
        "torch.exp(2 * f.logsumexp(0) - (2 * f).logsumexp(0)) / len(f)",
    ],
    # 11_wasserstein
    "w1_line": [
        "(a.sort().values - b.sort().values).abs().mean()",
        "divergences.optimal_transport(a, b)",
        "np.abs(np.sort(a) - np.sort(b)).mean()",
        "sum(abs(x - y) for x, y in zip(sorted(a), sorted(b))) / len(a)",
    ],
    "between": [
        "t.view(-1, 1, 1, 1) * real + (1 - t.view(-1, 1, 1, 1)) * fake",
        "fake + t[:, None, None, None] * (real - fake)",
        "torch.stack([torch.lerp(f, r, s) for r, f, s in zip(real, fake, t)])",
        "torch.einsum('b,bchw->bchw', t, real) + torch.einsum('b,bchw->bchw', 1 - t, fake)",
    ],
    "slow_rate": [
        "-gamma / 2 + max(gamma**2 / 4 - slope**2, 0) ** 0.5",
        "(-gamma / 2 + complex(gamma**2 / 4 - slope**2) ** 0.5).real",
        "np.linalg.eigvals(np.array([[0, slope], [-slope, -gamma]])).real.max()",
    ],
    # 12_face_to_face
    "frechet_of": [
        "(m - n).square().sum() + C.trace() + S.trace() - 2 * torch.linalg.eigvals(C @ S).sqrt().sum().real",
        "((m - n) ** 2).sum() + (C + S).trace() - 2 * torch.linalg.svdvals("
        "torch.linalg.cholesky(C).T @ torch.linalg.cholesky(S)).sum()",
        "(m - n) @ (m - n) + C.trace() + S.trace() - 2 * np.sqrt(np.linalg.eigvals((C @ S).numpy()).real).sum()",
    ],
    "precision": [
        "(torch.cdist(fake, real) <= torch.cdist(real, real).kthvalue(k + 1).values).any(1).float().mean()",
        "((fake[:, None] - real).norm(dim=2) <= torch.cdist(real, real).sort(1).values[:, k]).any(1).double().mean()",
        "metrics.precision_recall(real, fake, k).precision",
        "sum(any((f - r).norm() <= (real - r).norm(dim=1).sort().values[k] for r in real) for f in fake) / len(fake)",
    ],
    "fair": [
        "(distance(real, a[: min(len(a), len(b))]), distance(real, b[: min(len(a), len(b))]))",
        "tuple(distance(real, x[-min(len(a), len(b)) :]) for x in (a, b))",
        "[distance(real, a[: len(b)]), distance(real, b[: len(a)])]",
    ],
    "surprise_bound": [
        "-log_p + D * math.log(L)",
        "D * np.log(L) - log_p",
        "-(log_p - math.log(L**D))",
    ],
    # 13_what_came_next
    "coupling_log_det": [
        "((1 - b) * s).sum(1)",
        "s @ (1 - b)",
        "s[:, b == 0].sum(1)",
        "torch.linalg.slogdet(torch.diag_embed(torch.where(b == 1, 1, s.exp()))).logabsdet",
    ],
    "step_mean": [
        "a / a_before * (1 - a_before**2) / (1 - a**2) * x_t + a_before * (1 - (a / a_before) ** 2) / (1 - a**2) * x_0",
        "(lambda r: (r * x_t / (1 - r**2) + a_before * x_0 / (1 - a_before**2))"
        " / (r**2 / (1 - r**2) + 1 / (1 - a_before**2)))(a / a_before)",
    ],
    "noisy": [
        "alpha_bar.view(-1, 1, 1, 1).sqrt() * x_0 + (1 - alpha_bar.view(-1, 1, 1, 1)).sqrt() * eps",
        "torch.einsum('b,bchw->bchw', alpha_bar.sqrt(), x_0) + (1 - alpha_bar[:, None, None, None]) ** (1 / 2) * eps",
    ],
    "matching_pair": [
        "((1 - t[:, None]) * z + t[:, None] * x, x - z)",
        "[z + t[:, None] * (x - z), x - z]",
        "(torch.lerp(z, x, t[:, None]), -(z - x))",
    ],
    "flow_log_prob": [
        "(lambda end: torch.distributions.Normal(0, 1).log_prob(end[0]).sum(1) - end[1])(reduce(lambda now, i: ("
        "now[0] - velocity(now[0], i / steps) / steps, now[1] + trace(now[0], i / steps) / steps),"
        " range(steps, 0, -1), (x, 0)))",
        "(lambda end: models.vae.log_normal(end[0]).sum(1) + end[1])(reduce(lambda now, t: ("
        "now[0] - 1 / steps * velocity(now[0], t), now[1] - 1 / steps * trace(now[0], t)),"
        " torch.linspace(1, 0, steps + 1)[:-1].tolist(), (x, 0)))",
    ],
}
RIGHT_ONES = [(name, body) for name, bodies in RIGHT.items() for body in bodies]


@pytest.mark.parametrize(("name", "body"), RIGHT_ONES)
def test_a_right_answer_in_any_style_is_correct(name, body, said):
    assert said(name, function(name, body)).startswith("correct. ")


def mutants(body):
    """The expression with one operator or one fraction changed, in each possible way."""
    swaps = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
    swaps |= {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq}
    for i in range(len(list(ast.walk(ast.parse(body))))):
        tree = ast.parse(body, mode="eval")
        for node in list(ast.walk(tree))[i : i + 1]:
            if isinstance(node, ast.BinOp) and type(node.op) in swaps:
                node.op = swaps[type(node.op)]()
            elif isinstance(node, ast.Compare):
                node.ops = [swaps[type(node.ops[0])]()]
            elif isinstance(node, ast.Constant) and isinstance(node.value, float):
                node.value *= 2
            else:
                continue
            yield ast.unparse(tree)


MUTANTS = [(name, mutant) for name, body in RIGHT_ONES for mutant in mutants(body)]


@pytest.mark.parametrize(("name", "body"), MUTANTS)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_mutation_of_a_right_answer_is_not_correct(name, body, said):
    assert said(name, function(name, body)).startswith("not yet: ")


def perturbed(value):
    """The value with its last entry wrong."""
    if isinstance(value, tuple | list):
        return [*value[:-1], perturbed(value[-1])]
    value = torch.as_tensor(value).detach().clone()
    last = value.view(-1)[-1]
    value.view(-1)[-1] = (
        last * 1.001 + 0.001 if last.is_floating_point() else ~last if last.dtype == torch.bool else last + 1
    )
    return value


@pytest.mark.parametrize(("name", "body"), RIGHT_ONES)
def test_one_wrong_entry_is_enough(name, body, said):
    right = function(name, body)
    assert said(name, lambda *arguments: perturbed(right(*arguments))).startswith("not yet: ")


# ---- the usual wrong answers, each with a word of its hint ----------------------------------------------------------

GAUSSIAN = "(-0.5 * ((x - mu) / s) ** 2 {}){}"
PCA = (  # fitted to train less the first, of test less the second, with the third added at the end
    "(lambda A: (((test - {1}) @ A.T @ A + {2} - test) ** 2).sum(1))"
    "(torch.linalg.svd(train - {0}, full_matrices=False).Vh[:Z])"
)
ROOTS = "torch.linalg.eigvals(C @ S).sqrt().sum().real"
INSIDE = "(torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, {}])"
WRONG = {
    "log_density": [
        ("log_P + d * math.log(w)", "sign"),
        ("log_P - math.log(w)", "w is a side"),
        ("log_P - 2 * math.log(w)", "right only for d = 2"),
        ("log_P / d - math.log(w)", "whole cell"),
        ("log_P / w**d", "already a logarithm"),
        ("math.log(log_P) - d * math.log(w)", "already a logarithm"),
        ("torch.tensor(log_P).log() - d * math.log(w)", "already a logarithm"),
        ("math.exp(log_P) / w**d", "that is the density"),
        ("log_P - d * math.log2(w)", "natural logarithm"),
        ("log_P - d * torch.log(w)", "use math.log"),
    ],
    "ring_centres": [
        ("ring(torch.linspace(0, 2 * math.pi, k))", "linspace includes its end"),
        ("ring(torch.linspace(0, 2 * math.pi, k + 1))", "one too many"),
        ("ring(torch.linspace(0, 2 * math.pi, k)[:-1])", "k - 1 points"),
        ("ring(torch.linspace(0, 1, k + 1)[:-1])", "a whole turn is 2 pi"),
        ("ring(torch.linspace(0, 360, k + 1)[:-1])", "radians"),
        ("ring(torch.arange(k))", "print the last angle"),
        ("ring(torch.linspace(0, math.pi, k + 1)[:-1])", "print the last angle"),
        ("ring(torch.arange(k) * 2 * math.pi / (k + 1))", "print the last angle"),
        ("ring(torch.arange(8) / 8 * 2 * math.pi)", "use k, not 8"),
        ("ring(torch.arange(k) / k * 2 * math.pi).T", "one centre per row"),
    ],
    "log_normal": [
        (GAUSSIAN.format("- math.log(s) - 0.5 * x.shape[1] * math.log(2 * math.pi)", ".sum(-1)"), "D times again"),
        (GAUSSIAN.format("- math.log(s)", ".sum(-1) - 0.5 * math.log(2 * math.pi)"), "1 / sqrt(2 pi)"),
        (GAUSSIAN.format("- 0.5 * math.log(2 * math.pi)", ".sum(-1) - math.log(s)"), "factor 1 / s"),
        (GAUSSIAN.format("", ".sum(-1) - math.log(s) - 0.5 * math.log(2 * math.pi)"), "both belong to every dimension"),
        (GAUSSIAN.format("- math.log(s)", ".sum(-1)"), "the constant is missing"),
        (GAUSSIAN.format("- 0.5 * math.log(2 * math.pi)", ".sum(-1)"), "log s is missing"),
        (GAUSSIAN.format("+ math.log(s) - 0.5 * math.log(2 * math.pi)", ".sum(-1)"), "the sign of log s"),
        (GAUSSIAN.format("- 0.5 * math.log(2 * math.pi * s)", ".sum(-1)"), "half of log s"),
        ("-torch.distributions.Normal(mu, s).log_prob(x).sum(-1)", "*negative*"),
        ("torch.distributions.Normal(mu, s).log_prob(x).mean(-1)", "add up"),
        ("torch.distributions.Normal(mu, s).log_prob(x).sum()", "one number for all points"),
        ("torch.distributions.Normal(mu, s).log_prob(x)", "sum over the dimensions"),
        ("torch.distributions.Normal(mu, s).log_prob(x).sum(0)", "sums over the points"),
        ("torch.distributions.Normal(mu, s**0.5).log_prob(x).sum(-1)", "standard deviation"),
        (GAUSSIAN.format("- torch.log(s)", ".sum(-1)"), "use math.log"),
    ],
    "bits_per_dim": [
        ("nats / math.prod(shape)", "nats per dimension"),
        ("nats / math.log(2)", "bits per image"),
        ("nats * math.log(2) / math.prod(shape)", "the wrong way"),
        ("nats / (shape[-1] * shape[-2]) / math.log(2)", "a colour image"),
        ("nats / (shape[-1] * shape[-2])", "two things"),
        ("math.log2(nats) / math.prod(shape)", "logarithms already"),
        ("nats / len(shape) / math.log(2)", "is a product"),
        ("nats / sum(shape) / math.log(2)", "is a product"),
        ("nats / len(shape)", "is a product"),
        ("nats / sum(shape)", "is a product"),
        ("nats / math.log(2) * math.prod(shape)", "divide by"),
        ("nats * math.prod(shape)", "divide by"),
        ("nats / math.prod(shape) / torch.log(2)", "use math.log"),
    ],
    "made_masks": [
        ("(degree[:, None] >= rank, rank[:, None] >= degree)", "a pixel sees itself"),
        ("(degree[:, None] > rank, rank[:, None] > degree)", "direct predecessor"),
        ("(degree[:, None] > rank, rank[:, None] >= degree)", "another convention"),
        ("(degree[:, None] < rank, rank[:, None] <= degree)", "turned round"),
        ("(degree[:, None] <= rank, rank[:, None] < degree)", "up to its degree"),
        ("(degree[:, None] <= rank, rank[:, None] > degree)", "up to its degree"),
        ("(degree[:, None] >= rank, rank[:, None] < degree)", "up to its degree"),
        ("(rank[:, None] > degree, degree[:, None] >= rank)", "the input mask comes first"),
        ("(degree >= rank[:, None], rank > degree[:, None])", "nn.Linear"),
        ("(degree >= rank[:, None], rank[:, None] > degree)", "(H, D) and (D, H)"),
        ("(degree[:, None] >= rank, rank > degree[:, None])", "(H, D) and (D, H)"),
        ("(degree[:, None] >= torch.arange(len(rank)), torch.arange(len(rank))[:, None] > degree)", "ranks"),
        ("((degree[:, None] >= rank).float(), (rank[:, None] > degree).float())", "bool"),
        ("(degree[:, None] >= rank, (rank[:, None] > degree).int())", "bool"),
    ],
    "masked_linear": [
        ("layer.weight.data.mul_(mask) is None or layer(x)", "the layer's weights changed"),
        (
            "setattr(layer, 'weight', torch.nn.Parameter(layer.weight * mask)) or layer(x)",
            "the layer's weights changed",
        ),
        ("F.linear(x, layer.weight * mask, layer.bias.data.mul_(2))", "the layer's bias changed"),
        ("layer(x)", "the mask is not used"),
        ("F.linear(x, layer.weight * mask)", "the bias is missing"),
        ("F.linear(x, layer.weight * mask, 2 * layer.bias)", "entry [0, 0] should be"),
        ("F.linear(x, layer.weight * mask, layer.bias).T", "of shape (3, 4), and was a tensor of shape (4, 3)"),
        ("F.linear(x, layer.weight * mask, layer.bias).detach().numpy()", "a tensor is asked for"),
        ("F.linear(x, layer.weight * mask, layer.bias).detach()", "no gradient reaches the weights"),
        ("F.linear(x, layer.weight.data * mask, layer.bias)", ".data"),
        ("F.linear(x, layer.weight.detach() * mask, layer.bias)", "detach()"),
        ("F.linear(x, torch.nn.Parameter(layer.weight * mask), layer.bias)", "copies"),
        ("layer(x * mask)", "the weights' shape (outputs, inputs)"),
        ("layer(x) * mask", "the weights' shape (outputs, inputs)"),
        ("x @ layer.weight + layer.bias", "transpose"),
        ("x @ (layer.weight * mask) + layer.bias", "transpose"),
    ],
    "mean_nll": [
        ("torch.stack([nll.mean() for nll in batches]).mean()", "as much as a full one"),
        ("sum(nll.mean() for nll in batches) / (len(batches) - 1)", "two bugs"),
        ("sum(nll.sum() for nll in batches) / len(batches)", "divided by the number of batches"),
        ("sum(nll.sum() for nll in batches) / (len(batches) - 1)", "divided by the number of batches"),
        ("torch.cat(batches).sum() / (len(batches) * len(batches[0]))", "the last batch is shorter"),
        ("torch.cat(batches[:-1]).mean()", "dropped"),
        ("torch.cat(batches).sum()", "the mean per image"),
        ("torch.stack(batches).mean()", "torch.cat"),
    ],
    "skew": [
        ("torch.stack([row.roll(r) for r, row in enumerate(x)])", "comes back on the left"),
        ("torch.stack([F.pad(row, (r, 0))[: len(row)] for r, row in enumerate(x)])", "pushed out on the right"),
        ("torch.stack([F.pad(row, (len(x) - 1 - r, r)) for r, row in enumerate(x)])", "turned round"),
        ("torch.stack([F.pad(row, (r, len(x) - r)) for r, row in enumerate(x)])", "one column too many"),
        ("F.pad(x, (0, len(x)))", "it should be a tensor of shape (3, 6)"),
        ("torch.stack([F.pad(row, (r + 1, len(x) - 1 - r)) for r, row in enumerate(x)])", "row 0 should stay"),
        ("F.pad(x, (0, len(x) - 1))", "no row has moved"),
        ("models.diagonal_bilstm.skew(x.T).T", "columns moved down"),
        ("torch.stack([F.pad(row, (r, 0)) for r, row in enumerate(x)])", "zeros on both sides"),
        (
            "[x.new_zeros(len(row)).__setitem__(slice(r, None), row) for r, row in enumerate(x)]",
            "H + W - 1 columns are needed",
        ),
    ],
    "lstm_step": [
        ("models.row_lstm.lstm_cell(gates, c)[::-1]", "the state h comes first"),
        ("lstm(*(gates.chunk(4)[k] for k in (3, 1, 0, 2)), c)", "the order of torch.nn.LSTM"),
        ("lstm(*(gates.chunk(4)[k] for k in (0, 2, 1, 3)), c)", "f and i are exchanged"),
        ("lstm(*(gates.chunk(4)[k] for k in (2, 0, 1, 3)), c)", "the gates are mixed up"),
        ("lstm(*gates.chunk(4), c, content=torch.sigmoid)", "so tanh"),
        ("lstm(*gates.chunk(4), c, content=lambda t: t)", "is not squashed"),
        ("lstm(*gates.chunk(4), c, shown=lambda t: t)", "shows tanh(c), not c"),
        ("lstm(*gates.chunk(4), c, shown=torch.sigmoid)", "not sigmoid(c)"),
        ("(gates.chunk(4)[0].sigmoid() * c.tanh(), lstm(*gates.chunk(4), c)[1])", "the *new* memory"),
        ("lstm(*gates.chunk(4), c, squash=lambda t: t)", "a sigmoid makes them shares"),
        ("lstm(*gates.chunk(4), c, squash=torch.tanh)", "tanh is for content"),
        ("lstm(*gates.chunk(4), c)[0]", "only the state"),
        ("lstm(*gates.chunk(4), c)[1]", "only the memory"),
        ("lstm(*(gates.repeat(1, 4)).chunk(4, 1), c)", "along the *first* axis"),
    ],
    "merge": [
        ("left + right", "two things"),
        ("left + right.flip(-1)", "mirrored back, but not moved down"),
        ("left + F.pad(right, (0, 0, 1, -1))", "moved down, but not mirrored back"),
        ("left + right.flip(-1).roll(1, 2)", "roll brings the last row round"),
        ("left + F.pad(right.flip(-1), (0, 0, -1, 1))", "moved up"),
        ("left + F.pad(right.flip(-1), (0, 0, 2, -2))", "by two rows"),
        ("left + F.pad(right.flip(-1), (1, -1))", "moved to the right"),
        ("left + right.flip(-1).roll(1, 3)", "rolled along the row"),
        ("left + F.pad(right.flip(2), (0, 0, 1, -1))", "upside down"),
        ("left + right.flip(2)", "upside down"),
        ("F.pad(left + right.flip(-1), (0, 0, 1, -1))", "left must stay"),
        ("F.pad(left, (0, 0, 1, -1)) + right.flip(-1)", "the wrong one"),
        ("left", "right is not used"),
        ("left + F.pad(right.flip(-1), (0, 0, 1, 0))", "H rows again"),
    ],
    "state_to_state": [
        ("F.conv1d(hidden, weight * (taps(weight) <= 0), padding='same')", "most of the right side"),
        ("F.conv1d(hidden, weight * (taps(weight) < 0), padding='same')", "the pixel above and what lies"),
        ("F.conv1d(hidden, weight * (taps(weight) >= 0), padding='same')", "now the left is hidden: no"),
        ("F.conv1d(hidden, weight * (taps(weight) > 0), padding='same')", "now the left is hidden, and"),
        ("F.conv1d(hidden, weight * (taps(weight) != 0), padding='same')", "the pixel above is known, too"),
        ("F.conv1d(hidden, weight)", "keep its width"),
        ("F.conv1d(F.pad(hidden, (weight.shape[2] - 1, 0)), weight)", "all padding is on the left"),
        ("F.conv1d(hidden, weight.flip(2), padding='same')", "mirrored"),
        ("F.conv1d(weight, hidden, padding=weight.shape[2] // 2)", "weight is the second argument"),
    ],
    "completion_nats": [
        ("-(log_probs * known).mean((1, 2, 3))", "two things"),
        ("-(log_probs * known).sum((1, 2, 3))", "those are the *given* pixels"),
        ("-(log_probs * ~known).mean((1, 2, 3))", "this one counts the given pixels"),
        ("-log_probs[:, ~known].mean(1)", "nats per unknown pixel"),
        ("-log_probs.sum((1, 2, 3))", "the whole picture"),
        ("log_probs[:, ~known].sum(1)", "the sign"),
        ("-(log_probs * ~known).sum()", "one number for all"),
        ("-(log_probs * ~known).sum((1, 2, 3)).mean()", "not their mean"),
        ("-(log_probs * ~known)", "one number a pixel"),
        ("-(log_probs * (1 - known)).sum((1, 2, 3))", "~known"),
    ],
    # 03_pixel_cnn
    "causal_mask": [
        ("(torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'B')).float()", "bool is asked for"),
        ("torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'A')", "A and B are swapped"),
        ("torch.arange(k * k).view(k, k) < k * k // 2", "never does"),
        ("torch.arange(k * k).view(k, k) <= k * k // 2", "mask A must not"),
        ("torch.arange(k * k).view(k, k) >= k * k // 2 + (kind == 'A')", "turned round"),
        ("(torch.arange(k)[:, None] < k // 2).expand(k, k)", "to the left"),
        ("(torch.arange(k)[:, None] <= k // 2).expand(k, k)", "right of the pixel comes later"),
        ("torch.ones(k, k).tril(0 if kind == 'B' else -1) > 0", "triangle"),
        ("(torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'B')).T", "transposed"),
        ("[[(a, b) < (0, kind == 'B') for b in range(k)] for a in range(k)]", "count from the centre"),
        ("torch.outer(torch.arange(k) <= k // 2, torch.arange(k) < k // 2 + (kind == 'B'))", "has been read too"),
    ],
    "rightmost": [
        ("r + 2", "use first and kernel"),
        ("first // 2 + r - 1", "right for layers of 3"),
        ("first // 2 + r", "r - 1 rows are left"),
        ("first // 2 + (r - 1) * kernel // 2", "brackets"),
        ("first // 2 + r * (kernel // 2)", "one row already"),
        ("r * (kernel // 2)", "the first layer reaches"),
        ("first // 2", "the other layers"),
        ("first // 2 + kernel // 2", "grows with r"),
        ("first + (r - 1) * kernel", "k // 2 columns beyond"),
        ("(first + (r - 1) * kernel) / 2", "whole number"),
        ("r * (first // 2)", "used once"),
    ],
    "shift_down": [
        ("torch.roll(features, 1, 2)", "wraps round"),
        ("torch.roll(features, 1, 3)", "moves columns"),
        ("F.pad(features, (1, -1))", "moves columns"),
        ("F.pad(features, (0, 0, -1, 1))", "up instead of down"),
        ("torch.roll(features, -1, 2)", "up instead of down, and roll"),
        ("F.pad(features, (0, 0, 1, 0))", "one row too many"),
        ("features * 1", "nothing has moved"),
        ("F.pad(features, (0, 0, 2, -2))", "two rows"),
        ("torch.cat([torch.zeros_like(features[:, :, :1]), features[:, :, 1:]], 2)", "drop the last one"),
        ("torch.cat([features[:, :, :1], features[:, :, :-1]], 2)", "must be zeros"),
    ],
    "mixes_images": [
        ("False", "while it trains"),
        ("True", "every model depends on its own image"),
        (
            "bool(torch.autograd.grad(model.log_prob(x.requires_grad_()).sum(), x)[0][1:].abs().sum() > 0)",
            "every model depends on its own image",
        ),
        ("any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())", "stored statistics"),
        (
            "bool(torch.autograd.grad(model.eval().log_prob(x.requires_grad_())[0], x)[0][1:].abs().sum() > 0)",
            "leave the model in the mode it is in",
        ),
        ("not torch.allclose(model.log_prob(x)[0], model.log_prob(x[:1])[0])", "dropout changes"),
    ],
    # 04_colour
    "to_tokens": [
        ("((x[:, None] - palette[None, :, :, None, None]) ** 2).sum(2).argmax(1)", "farthest"),
        ("(x[:, None] - palette[None, :, :, None, None]).abs().sum(2).argmin(1)", "another distance"),
        ("(x[:, None] - palette[None, :, :, None, None]).abs().amax(2).argmin(1)", "over the channels"),
        ("(x[:, None] - palette[None, :, :, None, None]).sum(2).argmin(1)", "signed differences cancel"),
        ("((x[:, None] - palette[None, :, :, None, None]).sum(2) ** 2).argmin(1)", "square each difference"),
        ("((x[:, None] - palette[None, :, :, None, None]) ** 2).sum(2).amin(1)", "argmin"),
        ("torch.einsum('bchw,kc->bkhw', x, palette).argmax(1)", "a product is no distance"),
        ("torch.cdist(x.reshape(-1, 3), palette).argmin(1).view(len(x), *x.shape[2:])", "movedim"),
        ("torch.cdist(x.movedim(1, -1).flatten(1, 2), palette).argmin(-1)", "as a picture"),
        ("((x[:, None] - palette[None, :, :, None, None]) ** 2).sum(2).argmin(1, keepdim=True)", "no channel"),
        ("palette[((x[:, None] - palette[:, :, None, None]) ** 2).sum(2).argmin(1)].movedim(-1, 1)", "their numbers"),
        ("((x - palette[:, :, None, None]) ** 2).sum(1)", "a palette axis"),
    ],
    "log_p_in_cell": [
        ("(count / torch.zeros(K).index_add(0, cell, count * 1.0)[cell]).log()", "start each count from one"),
        ("((count + 1) / (count + 1).sum()).log()", "*its cell*"),
        ("(count / count.sum()).log()", "without the one"),
        ("(count + 1) / torch.zeros(K).index_add(0, cell, count + 1.0)[cell]", "its logarithm"),
        ("-((count + 1) / torch.zeros(K).index_add(0, cell, count + 1.0)[cell]).log()", "the sign"),
        ("-torch.bincount(cell)[cell].log()", "use the counts"),
        ("((count + 1) / (torch.zeros(K).index_add(0, cell, count * 1.0)[cell] + 1)).log()", "n more"),
        ("((count + 1) / torch.zeros(K).index_add(0, cell, count * 1.0)[cell]).log()", "more than 1"),
        ("((count + 1) / (torch.zeros(K).index_add(0, cell, count * 1.0)[cell] + K)).log()", "not K"),
        ("(torch.zeros(K).index_add(0, cell, count + 1.0)[cell] / (count + 1).sum()).log()", "that is log p(token)"),
        ("((count + 1) / torch.zeros(K).index_add(0, cell, count + 1.0)[cell]).log2()", "natural"),
        ("((count + 1) / torch.bincount(cell)[cell]).log()", "how many colours it has"),
        ("((count + 1) / torch.zeros(K).index_add(0, cell, count + 1)[cell]).log()", "add 1.0 first"),
    ],
    "log_bin": [
        ("(hi.sigmoid() - lo.sigmoid()).log()", "both sigmoids round to 1"),
        ("(hi.sigmoid() - lo.sigmoid() + 1e-12).log()", "a small constant"),
        ("(hi.sigmoid() - lo.sigmoid() + 1e-8).log()", "a small constant"),
        ("(hi.sigmoid() - lo.sigmoid()).clamp(min=1e-12).log()", "a small constant"),
        ("((-lo).sigmoid() - (-hi).sigmoid()).log()", "turned round"),
        ("(hi.double().sigmoid() - lo.double().sigmoid()).log()", "64 bits"),
        ("F.logsigmoid(hi) + torch.log1p(-torch.exp(F.logsigmoid(lo) - F.logsigmoid(hi)))", "right tail"),
        ("hi.sigmoid().log() - lo.sigmoid().log()", "ratio"),
        ("hi.sigmoid() - lo.sigmoid()", "its logarithm"),
        ("-(hi + torch.log(-torch.expm1(lo - hi)) - F.softplus(hi) - F.softplus(lo))", "the sign"),
        ("hi + torch.log(-torch.expm1(hi - lo)) - F.softplus(hi) - F.softplus(lo)", "inside expm1"),
        ("hi - F.softplus(hi) - F.softplus(lo)", "width is missing"),
        ("(hi + lo) / 2 - 2 * F.softplus((hi + lo) / 2) + (hi - lo).log()", "narrow bins"),
    ],
    "grey_log_prob": [
        ("x * F.logsigmoid(logit) + (1 - x) * F.logsigmoid(-logit)", "cross-entropy again"),
        ("F.binary_cross_entropy_with_logits(logit, x, reduction='none')", "the other sign"),
        ("-F.binary_cross_entropy_with_logits(logit, x, reduction='none') - math.log(levels)", "share of L"),
        ("-F.binary_cross_entropy_with_logits(logit, x, reduction='none') - math.log(levels / 2)", "only at logit 0"),
        ("-F.binary_cross_entropy_with_logits(logit, x.round(), reduction='none')", "rounds grey"),
        (
            "logit * x - (logit.unsqueeze(-1) * torch.linspace(0, 1, levels)).exp().mean(-1).log()",
            "a mean over the levels",
        ),
        (
            "logit * x - logit.unsqueeze(-1).mul(torch.linspace(0, 1, levels)).logsumexp(-1) - math.log(levels)",
            "one log L",
        ),
        ("logit * x", "constant is missing"),
        ("logit * x - torch.logsumexp(logit.unsqueeze(-1) * torch.linspace(0, 1, levels + 1), -1)", "not L + 1"),
        ("logit * x - torch.logsumexp(logit.unsqueeze(-1) * torch.arange(levels) / levels, -1)", "the last one is 1"),
        ("logit * x - F.softplus(logit)", "cross-entropy again"),
        (
            "logit * x - torch.logsumexp(logit.unsqueeze(-1) * torch.arange(levels), -1)",
            "must run over the values of x",
        ),
        (
            "logit * x * (levels - 1) - torch.logsumexp(logit.unsqueeze(-1) * torch.arange(levels), -1)",
            "let the slope in x be logit",
        ),
        ("torch.distributions.Binomial(levels - 1, logits=logit).log_prob((x * (levels - 1)).round())", "binomial"),
        (
            "(logit * x - torch.logsumexp(logit.unsqueeze(-1) * torch.linspace(0, 1, levels), -1)).exp()",
            "its logarithm",
        ),
        ("(logit * x - torch.logsumexp(logit.unsqueeze(-1) * torch.linspace(0, 1, levels), -1)).sum()", "each pixel"),
        ("-logit * x + torch.logsumexp(logit.unsqueeze(-1) * torch.linspace(0, 1, levels), -1)", "the sign"),
        ("logit * x - torch.logsumexp(logit * torch.linspace(0, 1, levels), -1)", "an axis for the levels"),
    ],
    # 05_autoencoder
    "code_size": [
        ("next(Z for Z in range(9) if eigenvalues[:Z].sum() >= limit or Z > len(eigenvalues))", "keeps"),
        ("next(Z for Z in range(9) if eigenvalues[Z:].sum() < limit or Z > len(eigenvalues))", "equal to the limit"),
        ("int((eigenvalues.flip(0).cumsum(0) > limit).sum()) + 1", "one too many"),
        ("int((eigenvalues.flip(0).cumsum(0) > limit).sum()) - 1", "one too few"),
        ("int((eigenvalues.flip(0).cumsum(0) / eigenvalues.sum() > limit).sum())", "not a share"),
        ("(eigenvalues > limit).sum()", "add up"),
        ("next(Z for Z in range(9) if eigenvalues[Z:].sum() <= limit * len(eigenvalues[Z:]))", "not their mean"),
        ("next(Z for Z in range(1, 9) if eigenvalues[Z:].sum() <= limit)", "Z = 0, is allowed"),
        (
            "next((Z for Z in range(len(eigenvalues)) if eigenvalues[Z:].sum() <= limit), None)",
            "nothing was returned for limit 0",
        ),
    ],
    "pca_error": [
        (PCA.format("0", "0", "0"), "through the mean"),
        (PCA.format("train.mean(0)", "test.mean(0)", "test.mean(0)"), "own mean"),
        (PCA.format("train.mean(0)", "0", "0"), "test points are not"),
        (PCA.format("train.mean(0)", "train.mean(0)", "0"), "never added again"),
        (PCA.format("train.mean(0)", "0", "train.mean(0)"), "before the code"),
        (PCA.format("0", "train.mean(0)", "train.mean(0)"), "training points, too"),
        (PCA.format(*["train.mean(0)"] * 3) + ".mean()", "each test point"),
        (PCA.format(*["train.mean(0)"] * 3) + " / test.shape[1]", "never a mean"),
        (PCA.format(*["train.mean(0)"] * 3) + "**0.5", "without the root"),
        (PCA.format(*["train.mean()"] * 3), "one number there"),
        (PCA.format("train.mean(1, keepdim=True)", *["test.mean(1, keepdim=True)"] * 2), "mean of each row"),
        (PCA.format(*["train.mean(1, keepdim=True)"] * 3), "mean of each column"),
    ],
    "denoising_loss": [
        ("((model(x + noise) - (x + noise)) ** 2).sum((1, 2, 3))", "return the noise"),
        ("model.loss(x)", "plain autoencoder"),
        ("model.loss(x + noise)", "return the noise"),
        ("((model(x) - x - noise) ** 2).sum((1, 2, 3))", "turned round"),
        ("((model(x) + noise - x) ** 2).sum((1, 2, 3))", "not to the output"),
        ("((model(x + noise) - noise) ** 2).sum((1, 2, 3))", "not the noise"),
        ("F.mse_loss(model(x + noise), x, reduction='sum')", "shape (B,)"),
        ("((model(x + noise) - x) ** 2).sum((1, 2, 3)).mean()", "shape (B,)"),
        ("((model(x + noise) - x) ** 2).mean((1, 2, 3))", "never a mean"),
        ("(model(x + noise) - x).abs().sum((1, 2, 3))", "not the absolute one"),
        ("(model(x + noise) - x).flatten(1).norm(dim=1)", "without the root"),
    ],
    "phase_between": [
        ("(1 - t) * a + t * b", "the full moon"),
        ("((1 - t) * a + t * b) % 1", "the full moon"),
        ("a + t * ((b - a + 0.5) % 1 - 0.5)", "modulo 1"),
        ("(b - t * ((b - a + 0.5) % 1 - 0.5)) % 1", "at t = 0"),
        ("(a + t * ((b - a) % 1)) % 1", "always forwards"),
        ("(a + t * ((b - a + 0.5) % 1 - 0.5).abs()) % 1", "sign"),
        ("torch.lerp(torch.where(b - a > 0.5, a + 1, a), b, t) % 1", "below -1/2?"),
        ("torch.lerp(a, torch.where(b - a < -0.5, b + 1, b), t) % 1", "above 1/2?"),
        (
            "(((1 - t) * torch.exp(2j * math.pi * a) + t * torch.exp(2j * math.pi * b)).angle() / 2 / math.pi) % 1",
            "evenly",
        ),
    ],
    # 06_elbo_and_kl
    "gaussian_kl": [
        ("0.5 * (log_var.exp() - 1 - log_var + mu**2)", "one number for each latent"),
        ("0.5 * (log_var.exp() - 1 - log_var + mu**2).mean(-1)", "divide the price"),
        ("0.5 * (log_var.exp() - 1 - log_var + mu**2).sum()", "one number for all codes"),
        ("0.5 * (log_var.exp() - 1 - log_var + mu**2).sum(0)", "sums over the codes"),
        ("0.5 * (1 + log_var - log_var.exp() - mu**2).sum(-1)", "the sign is turned"),
        ("(log_var.exp() - 1 - log_var + mu**2).sum(-1)", "the half is missing"),
        ("0.5 * ((2 * log_var).exp() - 1 - 2 * log_var + mu**2).sum(-1)", "of the variance already"),
        ("0.5 * ((0.5 * log_var).exp() - 1 - 0.5 * log_var + mu**2).sum(-1)", "the standard deviation for the"),
        ("0.5 * (log_var.exp() - 1 - log_var + mu).sum(-1)", "the mean is squared"),
        ("0.5 * (log_var.exp() - 1 - log_var).sum(-1)", "the spring is missing"),
        ("0.5 * (log_var.exp() - 1 - log_var - mu**2).sum(-1)", "the sign of mu**2"),
        ("0.5 * (log_var.exp() - log_var + mu**2).sum(-1)", "the 1 is missing"),
        ("0.5 * (log_var.exp() - 1 + log_var + mu**2).sum(-1)", "the sign of log_var"),
        ("0.5 * ((1 + mu**2) / log_var.exp() - 1 + log_var).sum(-1)", "KL(p || q)"),
    ],
    "kl_of_two": [
        ("0.5 * ((s2 - s1).exp() + (m1 - m2) ** 2 / s1.exp() - 1 - s2 + s1)", "exchanged"),
        ("0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 - 1 - s1 + s2)", "widths of the second"),
        ("0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s1.exp() - 1 - s1 + s2)", "the first variance"),
        ("0.5 * ((s2 - s1).exp() + (m1 - m2) ** 2 / s2.exp() - 1 - s1 + s2)", "upside down"),
        ("0.5 * (s1.exp() + m1**2 - 1 - s1)", "that is the box"),
        ("0.5 * ((s1 - s2).exp() + m1**2 / s2.exp() - 1 - s1 + s2)", "m2 is not used"),
        ("(s1 - s2).exp() + (m1 - m2) ** 2 / s2.exp() - 1 - s1 + s2", "the half is missing"),
        ("-0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2.exp() - 1 - s1 + s2)", "never negative"),
        ("0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2.exp() - s1 + s2)", "the 1 is missing"),
        ("0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2.exp() - 1)", "s1 - s2, is missing"),
        ("0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2.exp() - 1 + s1 - s2)", "the sign of s1 - s2"),
        ("0.5 * ((s1 - s2).exp() - 1 - s1 + s2)", "distance of the means is missing"),
        ("0.5 * ((s1 - s2).exp() - (m1 - m2) ** 2 / s2.exp() - 1 - s1 + s2)", "the sign of the square"),
        ("0.5 * ((2 * (s1 - s2)).exp() + ((m1 - m2) / s2.exp()) ** 2 - 1) - s1 + s2", "log-variances already"),
        ("(0.5 * ((s1 - s2).exp() + (m1 - m2) ** 2 / s2.exp() - 1 - s1 + s2)).sum(-1)", "without a sum"),
        ("0.5 * (s1.exp() + (m1 - m2) ** 2 / s2.exp() - 1 - s1 + s2)", "units of the second"),
        ("0.5 * (s1.exp() + m1**2 - s1 - s2.exp() - m2**2 + s2)", "do not subtract"),
    ],
    "minus_bound": [
        ("(losses.softmax(0) * losses).sum(0)", "turned round"),
        ("losses.logsumexp(0) - math.log(len(losses))", "turned round"),
        ("((-losses).softmax(0) * losses).sum(0)", "with the weights detached"),
        ("-torch.log(torch.exp(losses.amin(0) - losses).mean(0))", "added back"),
        ("math.log(len(losses)) - losses.logsumexp(0)", "the minus sign inside"),
        ("-(-losses).logsumexp(0)", "log K is missing"),
        ("-(-losses).logsumexp(0) - math.log(len(losses))", "the sign of log K"),
        ("(-losses).logsumexp(0) - math.log(len(losses))", "the bound itself"),
        ("losses.mean(0)", "minus the ELBO"),
        ("losses.min(0).values", "only the best draw"),
        ("losses.max(0).values", "the worst draw"),
        ("-torch.log(torch.exp(-losses).mean(0))", "torch.logsumexp do it"),
        ("math.log(losses.shape[1]) - (-losses).logsumexp(1)", "the first axis"),
        ("(math.log(len(losses)) - (-losses).logsumexp(0)).mean()", "one number for all pictures"),
    ],
    "code_and_price": [
        ("(m + (2 * s).exp() * eps, 0.5 * ((2 * s).exp() - 1 - 2 * s + m**2).sum(-1))", "the draw has changed"),
        ("(m + s.exp() * eps, 0.5 * (s.exp() - 1 - s + m**2).sum(-1))", "still takes s for a log-variance"),
        ("(m + (s / 2).exp() * eps, 0.5 * (s.exp() - 1 - s + m**2).sum(-1))", "the other meaning"),
        ("(m + (s / 2).exp() * eps, 0.5 * ((2 * s).exp() - 1 - 2 * s + m**2).sum(-1))", "disagree the other way"),
        ("(m + s.exp() * eps, 0.5 * ((2 * s).exp() - 1 - s + m**2).sum(-1))", "its logarithm is 2 s"),
        ("(m + s.exp() * eps, 0.5 * (s.exp() - 1 - 2 * s + m**2).sum(-1))", "the variance itself"),
        ("(m + s.exp() * eps, 0.5 * ((s / 2).exp() - 1 - s / 2 + m**2).sum(-1))", "multiplies by 2"),
        ("(m + s.exp() * eps, 0.5 * (1 + 2 * s - (2 * s).exp() - m**2).sum(-1))", "never negative"),
        ("(m + s.exp() * eps, 0.5 * ((2 * s).exp() - 1 - 2 * s + m**2))", "sum over the latents"),
        ("(m + s.exp() * eps, 0.5 * ((2 * s).exp() - 1 - 2 * s + m**2).mean(-1))", "a mean over the latents"),
        ("0.5 * ((2 * s).exp() - 1 - 2 * s + m**2).sum(-1)", "the code belongs"),
        ("m + s.exp() * eps", "the price belongs"),
        ("(0.5 * ((2 * s).exp() - 1 - 2 * s + m**2).sum(-1), m + s.exp() * eps)", "the code comes first"),
    ],
    # 07_vae
    "effective_beta": [
        ("beta * Z / D", "upside down"),
        ("beta * D", "averaged too, over Z"),
        ("beta / Z", "averaged too, over D"),
        ("beta * D * Z", "cheaper"),
        ("beta / (D * Z)", "each mean divides"),
        ("beta", "same number"),
        ("D / Z", "a factor"),
        ("beta * (D // Z)", "whole-number"),
    ],
    "active_units": [
        ("(mu.var(1) > threshold).sum()", "over the latents"),
        ("(mu.std(0) > threshold).sum()", "not of std"),
        ("((mu**2).mean(0) > threshold).sum()", "subtract the mean"),
        ("(mu.abs().mean(0) > threshold).sum()", "silent"),
        ("(mu.abs() > threshold).sum()", "counts codes"),
        ("(mu.mean(0).abs() > threshold).sum()", "not where it is"),
        ("(mu.var(0) < threshold).sum()", "the silent ones"),
        ("mu.var(0) > threshold", "count them"),
        ("mu.var(0)", "compare"),
        ("(mu.var(0) > threshold).float().mean()", "not their share"),
    ],
    "free_bits": [
        ("kl.mean(0).clamp(max=floor).sum()", "min charges in full"),
        ("torch.minimum(kl.mean(0), torch.tensor(floor)).sum()", "min charges in full"),
        ("(kl.mean(0) - floor).clamp(min=0).sum()", "costs the floor, not 0"),
        ("torch.relu(kl - floor).mean(0).sum()", "mean over the pictures first; and max"),
        ("kl.clamp(min=floor).mean(0).sum()", "first, then max"),
        ("kl.clamp(max=floor).sum(1).mean()", "and not min"),
        ("kl.clamp(min=floor).sum()", "first: (Z,)"),
        ("kl.sum(1).mean().clamp(min=floor)", "not for their sum"),
        ("kl.mean(0).clamp(min=floor).mean()", "not a mean"),
        ("kl.mean(0).clamp(min=floor)", "one number"),
        ("kl.sum(1).mean()", "not used"),
        ("(kl.mean(0) * (kl.mean(0) > floor)).sum()", "costs the floor"),
        ("kl.mean(1).clamp(min=floor).sum()", "first axis"),
        ("torch.maximum(kl.mean(0), floor).sum()", "torch.tensor(floor)"),
    ],
    # 08_gan
    "generator_loss": [
        ("-(torch.sigmoid(logits) + 1e-8).log().mean()", "flattens"),
        ("-torch.sigmoid(logits).log().mean()", "the sigmoid is 0"),
        ("torch.log(1 + torch.exp(-logits)).mean()", "exp(120) infinite"),
        ("F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits))", "clipped at 100"),
        ("-F.softplus(logits).mean()", "minimax"),
        ("F.softplus(logits).mean()", "the sign"),
        ("F.logsigmoid(logits).mean()", "worse"),
        ("F.softplus(-logits).sum()", "not the sum"),
        ("F.softplus(-logits)", "one number"),
        ("-logits.mean()", "Wasserstein"),
    ],
    "discriminator_loss": [
        ("F.softplus(-D(x)).mean() + F.softplus(D(G(z))).mean()", "leaves gradients in G"),
        ("F.softplus(-D(x)).mean() + F.softplus(D(G(z)).detach()).mean()", "not D's logits"),
        ("(F.softplus(-D(x)).mean() + F.softplus(D(G(z).detach())).mean()).detach()", "nothing has a gradient"),
        ("(F.softplus(-D(x)).mean() + F.softplus(D(G(z).detach())).mean()).item()", "nothing has a gradient"),
        ("F.softplus(D(x)).mean() + F.softplus(-D(G(z).detach())).mean()", "call made points real"),
        ("F.softplus(-D(x)).sum() + F.softplus(D(G(z).detach())).sum()", "not sums"),
        ("F.softplus(-D(x)) + F.softplus(D(G(z).detach()))", "one number"),
        ("F.softplus(-D(x)).mean()", "missing"),
        ("(F.softplus(-D(x)).mean() + F.softplus(D(G(z).detach())).mean()) / 2", "not averaged"),
        ("F.softplus(-D(x)).mean() + F.softplus(D(G.requires_grad_(False)(z))).mean()", "stays frozen"),
    ],
    "suspicious": [
        (
            "(metrics.nearest(samples, held_out).distance"
            " < metrics.nearest(held_out, train).distance.quantile(0.01)).float().mean()",
            "far from the held-out ones",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " < metrics.nearest(samples, train).distance.quantile(0.01)).float().mean()",
            "below its own",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " < metrics.nearest(samples, held_out).distance.quantile(0.01)).float().mean()",
            "no sample has a part",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " < metrics.nearest(train, train).distance.quantile(0.01)).float().mean()",
            "from itself",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " < metrics.nearest(held_out, train).distance.quantile(0.99)).float().mean()",
            "not 0.99",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " < metrics.nearest(held_out, train).distance.median()).float().mean()",
            "half of all real",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " < metrics.nearest(held_out, train).distance.quantile(0.01)).sum()",
            "not their number",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " >= metrics.nearest(held_out, train).distance.quantile(0.01)).float().mean()",
            "without suspicion",
        ),
        (
            "metrics.nearest(samples, train).distance < metrics.nearest(held_out, train).distance.quantile(0.01)",
            "one number",
        ),
        (
            "(torch.cdist(samples.flatten(1), train.flatten(1)).mean(1)"
            " < torch.cdist(held_out.flatten(1), train.flatten(1)).amin(1).quantile(0.01)).float().mean()",
            "amin, not mean",
        ),
    ],
    "smoothed_rest": [
        ("a / (a + b)", "s = 1"),
        ("s * a / (s * a + b)", "weight 1 - s"),
        ("(1 - s) * a / (a + b)", "not 1 - s"),
        ("(s * a + (1 - s) * b) / (a + b)", "one-sided"),
        ("s * b / (a + b)", "density of the real"),
        ("b / (a + b)", "density of the real"),
        ("s * a / ((1 - s) * a + b)", "solve for D"),
        ("math.log(s * a / ((1 - s) * a + b))", "logit"),
        ("s", "only real points"),
        ("s / 2", "a = b"),
        ("(a + b) / (a + 2 * b)", "section 2"),
    ],
    # 09_gan_theory
    "best_discriminator": [
        ("p / (p + q)", "equal shares"),
        ("(1 - share) * p / ((1 - share) * p + share * q)", "of the real ones"),
        ("(1 - share) * q / (share * p + (1 - share) * q)", "1 - D"),
        ("share * p / (p + q)", "both terms"),
        ("share * p / (share * p + q)", "the made ones"),
        ("p / (p + (1 - share) * q)", "the real ones have"),
        ("p / (share * p + (1 - share) * q)", "in the numerator"),
        ("share * p / ((1 - share) * q)", "the odds"),
        ("(share * p).log() - ((1 - share) * q).log()", "that is the logit"),
    ],
    "jsd_by_draws": [
        (
            "0.5 * (log_p(x) - (log_p(x) + log_q(x)) / 2).mean() + 0.5 * (log_q(y) - (log_p(y) + log_q(y)) / 2).mean()",
            "mean of their logs",
        ),
        (
            "0.5 * (log_p(x) - torch.logaddexp(log_p(x), log_q(x))).mean()"
            " + 0.5 * (log_q(y) - torch.logaddexp(log_p(y), log_q(y))).mean()",
            "log 2 is missing",
        ),
        ("-0.5 * log_q(x).mean() - 0.5 * log_p(y).mean()", "sum of the logs"),
        (
            "2 * math.log(2) + F.logsigmoid(log_p(x) - log_q(x)).mean() + F.logsigmoid(log_q(y) - log_p(y)).mean()",
            "not their sum",
        ),
        (
            "0.5 * (log_p(x) - (log_p(x).exp() / 2 + log_q(x).exp() / 2).log()).mean()"
            " + 0.5 * (log_q(y) - (log_p(y).exp() / 2 + log_q(y).exp() / 2).log()).mean()",
            "never leaves the logs",
        ),
        ("math.log(2) + F.logsigmoid(log_p(x) - log_q(x)).mean()", "only one"),
        ("0.5 * (log_p(x) - log_q(x)).mean() + 0.5 * (log_q(y) - log_p(y)).mean()", "not to each other"),
    ],
    "jsd_bound": [
        (
            "0.5 * (math.log(4) + real_logits.sigmoid().log().mean() + (1 - fake_logits.sigmoid()).log().mean())",
            "softplus is stable",
        ),
        ("math.log(2) - F.softplus(torch.cat([-real_logits, fake_logits])).mean()", "a mean for each group"),
        ("math.log(4) - F.softplus(-real_logits).mean() - F.softplus(fake_logits).mean()", "divide by 2"),
        (
            "(math.log(2) - (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2).clamp(min=0)",
            "leave it negative",
        ),
        ("-0.5 * (math.log(4) + F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean())", "the other side"),
        ("0.5 * (math.log(4) + F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean())", "sign of V"),
        ("-0.5 * (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean())", "must prove nothing"),
        ("-F.softplus(-real_logits).mean() - F.softplus(fake_logits).mean()", "that is V"),
        ("F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()", "what D minimises"),
        ("math.log(4) - 0.5 * (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean())", "divided by 2, too"),
        ("0.5 * (math.log(4) - F.softplus(real_logits).mean() - F.softplus(-fake_logits).mean())", "are exchanged"),
        ("0.5 * (math.log(4) - F.softplus(-real_logits).mean() - F.softplus(-fake_logits).mean())", "log(1 - D)"),
        ("0.5 * (real_logits.mean() - fake_logits.mean())", "critic"),
    ],
    # 10_gan_losses
    "likelihood_loss": [
        ("-(f.sigmoid() / (1 - f.sigmoid())).mean()", "simplify first"),
        ("-(f / (1 - f)).mean()", "not a probability"),
        ("f.exp().mean()", "a higher logit must cost less"),
        ("-(-f).exp().mean()", "upside down"),
        ("(-f).exp().mean()", "upside down"),
        ("-f.exp().sum()", "not their sum"),
        ("-f.exp()", "one number"),
        ("-f.mean().exp()", "exponential of the mean"),
        ("-f.mean()", "Wasserstein"),
        ("F.softplus(-f).mean()", "non-saturating"),
        ("-F.softplus(f).mean()", "minimax"),
        ("-f.sigmoid().mean()", "1 - D is missing"),
        ("-0.5 * f.exp().mean()", "factor 1/2"),
    ],
    "relativistic_loss": [
        ("F.softplus(-fake).mean()", "overwrites"),
        ("F.softplus(real - fake).mean() + F.softplus(-fake).mean()", "a sum of two losses"),
        ("-torch.log(torch.sigmoid(fake - real)).mean()", "use softplus"),
        ("F.softplus(fake - real).mean()", "the discriminator's loss"),
        ("F.softplus(fake).mean()", "real is not used, and"),
        ("-F.softplus(fake - real).mean()", "saturates"),
        ("F.softplus(real.mean() - fake).mean()", "relativistic *average*"),
        ("F.softplus(real[:, None] - fake).mean()", "all pairs"),
        ("F.softplus(real - fake)", "one number"),
        ("F.softplus(real - fake).sum()", "not their sum"),
        ("(real - fake).mean()", "Wasserstein"),
        ("F.softplus(real.mean() - fake.mean())", "each pair first"),
    ],
    "effective_share": [
        ("f.exp().sum() ** 2 / (f.exp().square().sum() * len(f))", "subtract the largest"),
        ("f.sigmoid().sum() ** 2 / (f.sigmoid().square().sum() * len(f))", "minimax's weights"),
        ("(-f).sigmoid().sum() ** 2 / ((-f).sigmoid().square().sum() * len(f))", "non-saturating weights"),
        ("f.sum() ** 2 / (f.square().sum() * len(f))", "is a logit"),
        ("1 / f.softmax(0).square().sum()", "divide by n"),
        ("f.softmax(0).square().sum()", "one over the number"),
        ("f.softmax(0).square().sum() * len(f)", "upside down"),
        ("f.softmax(0).square().mean()", "square of the sum"),
        ("f.softmax(0).max()", "largest weight"),
        ("1 / (len(f) * f.softmax(0).max())", "not only the largest"),
        ("f.softmax(0).sort().values[-(len(f) // 20) :].sum()", "top 5 %"),
    ],
    # 11_wasserstein
    "w1_line": [
        ("(a - b).abs().mean()", "one plan"),
        ("(a.sort().values - b).abs().mean()", "sort both samples"),
        ("(a - b.sort().values).abs().mean()", "sort both samples"),
        ("(a.sort().values - b.sort(descending=True).values).abs().mean()", "dearest"),
        ("(a.mean() - b.mean()).abs()", "lower bound"),
        ("(a.sort().values - b.sort().values).mean()", "no sign"),
        ("(a.sort().values - b.sort().values).abs().sum()", "the mean, not the sum"),
        ("((a.sort().values - b.sort().values) ** 2).mean()", "W2 squared"),
        ("((a.sort().values - b.sort().values) ** 2).mean().sqrt()", "that is W2:"),
        ("(a.sort().values - b.sort().values).norm()", "whole vector"),
        ("(a.sort().values - b.sort().values).abs()", "one number"),
        ("(a.sort().values - b.sort().values).abs().max()", "not the longest"),
    ],
    "between": [
        ("t * real + (1 - t) * fake", "columns"),
        ("t[:, None] * real + (1 - t[:, None]) * fake", "columns"),
        ("t[0] * real + (1 - t[0]) * fake", "each has its own"),
        ("t.mean() * real + (1 - t.mean()) * fake", "each has its own"),
        ("t.view(-1, 1, 1, 1) * fake + (1 - t.view(-1, 1, 1, 1)) * real", "exchange"),
        ("(real + fake) / 2", "middle only"),
        ("t.view(-1, 1, 1, 1) * real", "missing"),
        ("t.view(-1, 1, 1, 1) * real + fake", "sum to 1"),
        ("t.view(4, 1, 1, 1) * real + (1 - t.view(4, 1, 1, 1)) * fake", "batch size of t"),
    ],
    "slow_rate": [
        ("-gamma / 2", "slows"),
        ("-gamma / 2 + abs(gamma**2 / 4 - slope**2) ** 0.5", "imaginary"),
        ("-gamma / 2 + math.sqrt(gamma**2 / 4 - slope**2)", "imaginary"),
        ("-gamma / 2 + (gamma**2 / 4 - slope**2) ** 0.5", "imaginary"),
        ("-gamma / 2 + np.emath.sqrt(gamma**2 / 4 - slope**2)", "imaginary"),
        ("-gamma / 2 + np.sqrt(gamma**2 / 4 - slope**2)", "imaginary"),
        ("gamma / 2 + max(gamma**2 / 4 - slope**2, 0) ** 0.5", "the sign"),
        ("-gamma / 2 - max(gamma**2 / 4 - slope**2, 0) ** 0.5", "faster"),
        ("gamma / 2 - max(gamma**2 / 4 - slope**2, 0) ** 0.5", "the sign"),
        ("-gamma / 2 + max(gamma**2 / 4 - slope, 0) ** 0.5", "squared"),
        ("-gamma / 2 + max(gamma**2 - slope**2, 0) ** 0.5", "not gamma^2"),
        ("-gamma + max(gamma**2 / 4 - slope**2, 0) ** 0.5", "not -gamma"),
        ("max(gamma**2 / 4 - slope**2, 0) ** 0.5", "missing"),
    ],
    # 12_face_to_face
    "frechet_of": [
        ("((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * (C @ S).trace()", "root of the product is missing"),
        (f"((m - n) ** 2).sum() + C.trace() + S.trace() - {ROOTS}", "twice"),
        (f"((m - n) ** 2).sum() + C.trace() + S.trace() + 2 * {ROOTS}", "not added"),
        (f"((m - n) ** 2).sum() - 2 * {ROOTS}", "traces of C and S"),
        ("((m - n) ** 2).sum() + C.trace() + S.trace()", "root of C S is missing"),
        ("((m - n) ** 2).sum()", "only the means"),
        (f"C.trace() + S.trace() - 2 * {ROOTS}", "means are missing"),
        (f"(m - n).norm() + C.trace() + S.trace() - 2 * {ROOTS}", "squared"),
        (f"((m - n) ** 2).mean() + C.trace() + S.trace() - 2 * {ROOTS}", "not the mean"),
        ("((m - n) ** 2).sum() + (C + S - 2 * (C @ S).sqrt()).trace()", "its entries"),
        ("((m - n) ** 2).sum() + (C + S - 2 * (C * S).sqrt()).trace()", "diagonal"),
        ("((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * (C @ S).trace().sqrt()", "not the root of the trace"),
        ("((m - n) ** 2).sum() + ((C.diag().sqrt() - S.diag().sqrt()) ** 2).sum()", "diagonal"),
        ("((m - n) ** 2).sum() + ((C - S) ** 2).sum()", "entries of C and S"),
        (f"(((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * {ROOTS}).sqrt()", "its square"),
    ],
    "precision": [
        (INSIDE.format("k - 1") + ".any(1).float().mean()", "point itself"),
        (INSIDE.format("k + 1") + ".any(1).float().mean()", "one too far"),
        ("metrics.precision_recall(real, fake, k).recall", "that is the recall"),
        ("metrics.coverage(real, fake, k)", "coverage"),
        (INSIDE.format("k") + ".all(1).float().mean()", "not in all"),
        (INSIDE.format("k") + ".float().mean()", "counts once"),
        (INSIDE.format("k") + ".any(0).float().mean()", "coverage"),
        (INSIDE.format("k") + ".any(1).sum()", "not the sum"),
        (INSIDE.format("k") + ".any(1)", "one number"),
        (INSIDE.format("k").replace("<=", "<") + ".any(1).float().mean()", "itself counts"),
        ("(torch.cdist(fake, real) <= torch.cdist(real, real).sort().values[:, k].max()).any(1).float().mean()", "own"),
        ("(torch.cdist(real, fake) <= torch.cdist(real, real).sort().values[:, k]).any(1).float().mean()", "columns"),
    ],
    "fair": [
        ("(distance(real, a), distance(real, b))", "still two numbers"),
        ("(distance(real, a[: len(b)]), distance(real, b))", "b is the shorter"),
        ("(distance(real, a), distance(real, b[: len(a)]))", "a is the shorter"),
        ("tuple(distance(real[: min(len(a), len(b))], x[: min(len(a), len(b))]) for x in (a, b))", "as they are"),
        ("tuple(distance(real, x[: min(len(a), len(b))]) for x in (b, a))", "comes first"),
        ("tuple(distance(real, x[: min(len(a), len(b)) // 2]) for x in (a, b))", "wasteful"),
        ("distance(real, a[: len(b)]) < distance(real, b[: len(a)])", "as a tuple"),
        ("tuple(distance(real, x[min(len(a), len(b)) :]) for x in (a, b))", "no sample is left"),
    ],
    "surprise_bound": [
        ("-log_p - D * math.log(L)", "its surprise is larger"),
        ("-log_p", "has a volume"),
        ("-log_p + math.log(L)", "D pixels"),
        ("-log_p + D * math.log(L - 1)", "1 / L wide"),
        ("-log_p + D * math.log2(L)", "natural"),
        ("-log_p + L * math.log(D)", "D log L"),
        ("-log_p + D * L", "logarithm of L"),
        ("log_p - D * math.log(L)", "that is log P"),
        ("log_p + D * math.log(L)", "sign of log_p"),
        ("(-log_p + D * math.log(L)) / D", "not of a pixel"),
        ("(-log_p + D * math.log(L)) / math.log(2)", "bits"),
        ("-math.exp(log_p) + D * math.log(L)", "already"),
        ("-log_p + D * torch.log(L)", "use math.log"),
    ],
    # 13_what_came_next
    "coupling_log_det": [
        ("s.sum(1)", "does not count"),
        ("(b * s).sum(1)", "wrong half"),
        ("-((1 - b) * s).sum(1)", "the sign"),
        ("((1 - b) * s).exp().sum(1)", "add up s itself"),
        ("((1 - b) * s).exp().prod(1)", "its logarithm is asked"),
        ("((1 - b) * s).abs().sum(1)", "absolute value"),
        ("((1 - b) * s).mean(1)", "not the mean"),
        ("s.chunk(2, 1)[1].sum(1)", "the mask decides"),
        ("((1 - b) * s.exp()).prod(1).log()", "not 0"),
        ("((1 - b) * s.exp()).sum(1).log()", "not its sum"),
        ("(b + (1 - b) * s.exp()).sum(1).log()", "not its sum"),
        ("s.sum()", "only the changed"),
        ("s[b == 0].sum(1)", "columns of s"),
        ("s[:, b == 0].mean(1)", "not their mean"),
        ("((1 - b) * s).sum()", "batch"),
        ("((1 - b) * s).sum(0)", "not over the batch"),
        ("((1 - b) * s).prod(1)", "is a sum"),
        ("(1 - b) * s", "one number for each point"),
    ],
    "step_mean": [
        (
            "x_0 * a / a_before * (1 - a_before**2) / (1 - a**2)"
            " + x_t * a_before * (1 - (a / a_before) ** 2) / (1 - a**2)",
            "exchanged",
        ),
        (
            "a / a_before * (1 - (a / a_before) ** 2) / (1 - a**2) * x_t"
            " + a_before * (1 - a_before**2) / (1 - a**2) * x_0",
            "x_0 decides",
        ),
        ("a_before * x_0", "x_t says something"),
        ("a / a_before * (1 - a_before**2) / (1 - a**2) * x_t", "x_0 has a part"),
        ("a_before * (1 - (a / a_before) ** 2) / (1 - a**2) * x_0", "x_t has a part"),
        ("((1 - a_before**2) * x_t + (1 - (a / a_before) ** 2) * x_0) / (1 - a**2)", "factors of the means"),
        ("((1 - a_before**2) * x_t + a_before * (1 - (a / a_before) ** 2) * x_0) / (1 - a**2)", "shrunken"),
        ("(a / a_before * (1 - a_before**2) * x_t + (1 - (a / a_before) ** 2) * x_0) / (1 - a**2)", "is shrunk by"),
        ("(a / a_before * (1 - a_before**2) * x_t + a * (1 - (a / a_before) ** 2) * x_0) / (1 - a**2)", "not alpha_t"),
        (
            "((a / a_before) ** 2 * (1 - a_before**2) * x_t + a_before * (1 - (a / a_before) ** 2) * x_0) / (1 - a**2)",
            "not by 1 - beta",
        ),
        ("a / a_before * (1 - a_before**2) * x_t + a_before * (1 - (a / a_before) ** 2) * x_0", "divide by"),
        (
            "a / a_before * ((1 - a_before**2) / (1 - a**2)) ** 0.5 * x_t"
            " + a_before * (1 - (a / a_before) ** 2) / (1 - a**2) * x_0",
            "without roots",
        ),
        (
            "a / a_before * ((1 - a_before**2) / (1 - a**2)) ** 0.5 * x_t"
            " + a_before * (1 - (a / a_before) ** 2) / (1 - a**2) ** 0.5 * x_0",
            "without roots",
        ),
        ("x_t * a_before / a", "undoes the shrinking"),
        ("torch.sqrt(1 - a**2) * x_t + x_0", "Python numbers"),
        (f"{MEAN % '1 - a / a_before'}", "square it"),
        (f"{MEAN % '1 - a**2'}", "of all steps"),
        (f"{MEAN % '(a / a_before) ** 2'}", "not beta"),
        (
            "a * (1 - a_before**2) / (1 - a**2) * x_t + a_before * (1 - (a / a_before) ** 2) / (1 - a**2) * x_0",
            "one step",
        ),
        ("a * (1 - a_before**2) / (1 - a**2) * x_t + a_before * x_0", "one step"),
        (
            "(a_before / a * (1 - a_before**2) * x_t + a_before * (1 - (a_before / a) ** 2) * x_0) / (1 - a**2)",
            "one step",
        ),
        (
            "(a_before / a * (1 - a_before**2) * x_t + a_before * (1 - (a / a_before) ** 2) * x_0) / (1 - a**2)",
            "one step",
        ),
        ("a / a_before * x_t + a_before * (1 - (a / a_before) ** 2) / (1 - a_before**2) * x_0", "the larger one"),
        (
            "((a / a_before) ** 0.5 * (1 - a_before) * x_t + a_before**0.5 * (1 - a / a_before) * x_0) / (1 - a)",
            "alpha-bar",
        ),
        ("a_before * x_0 + ((1 - a_before**2) / (1 - a**2)) ** 0.5 * (x_t - a * x_0)", "DDIM"),
    ],
    "noisy": [
        (f"{first} * x_0 + {second} * eps".replace("A", "alpha_bar.view(-1, 1, 1, 1)"), word)
        for first, second, word in (
            ("A.sqrt()", "(1 - A)", "variance of the noise"),
            ("A", "(1 - A)", "take roots"),
            ("A", "(1 - A).sqrt()", "the root of alpha_bar"),
            ("A", "(1 - A**2).sqrt()", "squared already"),
            ("A.sqrt()", "(1 - A.sqrt())", "not the factors"),
            ("(1 - A).sqrt()", "A.sqrt()", "exchanged"),
            ("1", "(1 - A).sqrt()", "must shrink"),
            ("A.sqrt()", "1", "needs a factor"),
            ("A.sqrt()", "(1 - A) ** 2", "not its square"),
            ("A**2", "(1 - A**2).sqrt()", "its root"),
            ("A**2", "(1 - A).sqrt()", "its root"),
            ("A.sqrt()", "(1 - A**2).sqrt()", "squared already"),
            ("alpha_bar.sqrt()", "(1 - alpha_bar).sqrt()", "columns"),
            ("alpha_bar[:3].sqrt()", "(1 - alpha_bar[:3]).sqrt()", "columns"),
        )
    ],
    "matching_pair": [
        ("((1 - t[:, None]) * z + t[:, None] * x, z - x)", "sign"),
        ("((1 - t[:, None]) * x + t[:, None] * z, x - z)", "does not belong"),
        ("((1 - t[:, None]) * x + t[:, None] * z, z - x)", "noise is at t = 0"),
        ("((1 - t[:, None]) * z + t[:, None] * x, x)", "predicts the data point"),
        ("((1 - t[:, None]) * z + t[:, None] * x, t[:, None] * (x - z))", "not times t"),
        ("((1 - t[:, None]) * z + t[:, None] * x, (1 - t[:, None]) * (x - z))", "way that is left"),
        ("((1 - t[:, None]) * z + t[:, None] * x,) * 2", "place twice"),
        ("(z + t[:, None] * x, x - z)", "must fade"),
        ("((1 - t[:, None]) * z + t[:, None] * x, (x - z) / t[:, None])", "unit of time"),
        ("((1 - t[:, None] ** 2) ** 0.5 * z + t[:, None] * x, x - z)", "curved"),
        ("(x - z, (1 - t[:, None]) * z + t[:, None] * x)", "place first"),
        ("(t[:, None] ** 0.5 * x + (1 - t[:, None]) ** 0.5 * z, x - z)", "curved"),
        ("(1 - t[:, None]) * z + t[:, None] * x", "a pair is asked for"),
        ("x - z", "a pair is asked for"),
        ("((1 - t) * z + t * x, x - z)", "shape (B, 1)"),
    ],
    "flow_log_prob": [
        (
            f"(lambda end: {value})(reduce(lambda now, i: ({step}), {times}, (x, 0)))".replace(
                "NORMAL", "torch.distributions.Normal(0, 1).log_prob(end[0]).sum(1)"
            ),
            word,
        )
        for value, step, times, word in (
            ("NORMAL + end[1]", BACK, "range(steps, 0, -1)", "sign of the trace"),
            ("NORMAL - end[1]", BACK.replace("now[0] -", "now[0] +"), "range(steps)", "go backwards"),
            ("NORMAL + end[1]", BACK.replace("now[0] -", "now[0] +"), "range(steps)", "go backwards"),
            ("NORMAL - end[1]", BACK.replace("now[0] -", "now[0] +"), "range(steps, 0, -1)", "sign of the step"),
            ("NORMAL - end[1]", BACK, "range(steps)", "first step starts at t = 1"),
            ("NORMAL - end[1]", BACK, "range(steps - 1, -1, -1)", "first t = 1, last"),
            ("-end[1]", BACK, "range(steps, 0, -1)", "arrive at is missing"),
            ("NORMAL.mul(0) + models.vae.log_normal(x).sum(1) - end[1]", BACK, "range(steps, 0, -1)", "not of x"),
            ("NORMAL", BACK, "range(steps, 0, -1)", "trace is missing"),
            ("(NORMAL - end[1]).exp()", BACK, "range(steps, 0, -1)", "its logarithm"),
            ("(NORMAL - end[1]).mean()", BACK, "range(steps, 0, -1)", "no mean"),
            ("(NORMAL - end[1]).sum()", BACK, "range(steps, 0, -1)", "no sum"),
            ("-0.5 * end[0].square().sum(1) - end[1]", BACK, "range(steps, 0, -1)", "constant"),
            ("NORMAL - steps * end[1]", BACK, "range(steps, 0, -1)", "trace times the step"),
            (
                "NORMAL - end[1]",
                "(lambda new: (new, now[1] + trace(new, i / steps) / steps))"
                "(now[0] - velocity(now[0], i / steps) / steps)",
                "range(steps, 0, -1)",
                "before the step",
            ),
            ("NORMAL - end[1]", BACK.replace("(now[0]", "(x"), "range(steps, 0, -1)", "where the last one ended"),
            ("NORMAL - end[1]", BACK, "range(steps, -1, -1)", "exactly"),
            ("NORMAL - end[1]", BACK, "range(steps, 1, -1)", "exactly"),
            ("NORMAL - end[1]", BACK.replace("i / steps", "i"), "torch.linspace(1, 0, steps).tolist()", "exactly"),
            ("NORMAL - end[1]", BACK.replace("i / steps", "i"), "range(steps, 0, -1)", "from 1 to 0"),
            ("NORMAL - end[1]", BACK.replace(") / steps", ")"), "range(steps, 0, -1)", "1 / steps long"),
            (
                "NORMAL - end[1]",
                BACK.replace("i / steps", "torch.full((len(x),), i / steps)"),
                "range(steps, 0, -1)",
                "a Python number",
            ),
        )
    ],
}


@pytest.mark.parametrize(("name", "body", "word"), [(name, *pair) for name, pairs in WRONG.items() for pair in pairs])
def test_a_usual_mistake_gets_its_hint(name, body, word, said):
    line = said(name, function(name, body))
    assert line.startswith("not yet: ") and word in line, line


def test_the_bugs_of_the_tasks_get_their_hints(said):
    def mean_nll(batches):
        total = 0
        for i, nll in enumerate(batches):  # noqa: B007
            total += nll.mean()
        return total / i

    def by_images(batches):
        total = 0
        for i, nll in enumerate(batches):  # noqa: B007
            total += nll.sum().item()
        return total / i

    def copied(layer, mask, x):
        layer = copy.deepcopy(layer)
        layer.weight.data *= mask
        return layer(x)

    def restored(layer, mask, x):
        before = layer.weight.data.clone()
        layer.weight.data *= mask
        y = layer(x)
        layer.weight.data = before
        return y

    assert "two bugs" in said("mean_nll", mean_nll)
    assert "divided by the number of batches" in said("mean_nll", by_images)
    assert "the gradient reaches a copy, not the layer" in said("masked_linear", copied)
    assert "masked weights still receive a gradient" in said("masked_linear", restored)


def test_without_a_hint_the_first_entry_that_differs_is_named(said):
    def one_flipped(rank, degree):
        output = rank[:, None] > degree
        output[1, 0] = False
        return degree[:, None] >= rank, output

    line = said("made_masks", one_flipped)
    assert line == (
        "not yet: for rank = [0, 1, 2, 3], degree = [0, 0, 1, 2, 2] "
        "entry [1, 0] of the second should be True, and was False"
    )
    line = said("ring_centres", lambda k: 2 * ring(2 * math.pi * torch.arange(k) / k))
    assert line == "not yet: for k = 8 entry [0, 0] should be 1, and was 2"
    line = said("ring_centres", lambda k: torch.zeros(k, 3))
    assert line == "not yet: for k = 8 it should be a tensor of shape (8, 2), and was a tensor of shape (8, 3)"
    line = said("made_masks", lambda rank, degree: (degree[:, None] >= rank, degree > 0))
    assert "the second should be a tensor of shape (4, 5), and was [0, 0, 1, 2, 2]" not in line
    assert "the second should be a tensor of shape (4, 5), and was [False, False, True, True, True]" in line
    line = said("log_density", lambda log_P, w, d: 3)
    assert line == "not yet: for log_P = -3, w = 0.05, d = 2 it should be 2.9915, and was 3"


# ---- nothing raises -------------------------------------------------------------------------------------------------


class Hostile:
    """Fails at whatever is done with it."""

    def fail(self, *arguments):
        raise RuntimeError("no")

    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __bool__ = __float__ = __array__ = __getitem__ = fail
    __hash__ = None


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no")


JUNK = {
    "bool": True,
    "nan": math.nan,
    "infinite": math.inf,
    "complex": 1j,
    "large": 10**30,
    "larger": 10**5000,
    "string": "2.99",
    "bytes": b"abc",
    "long string": "x" * 100_000,
    "empty tuple": (),
    "pair of None": (None, None),
    "pair of strings": ("a", "b"),
    "ragged": [[1.0], [1.0, 2.0]],
    "list of ...": [..., ...],
    "dictionary": {"a": 1},
    "set": {1, 2},
    "object": object(),
    "class": int,
    "function": len,
    "generator": (i for i in range(2)),
    "hostile": Hostile(),
    "pair of hostiles": (Hostile(), Hostile()),
    "array": np.zeros((8, 2)),
    "array of objects": np.array([None, "a"]),
    "array of strings": np.array(["a", "b"]),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "scalar": torch.tensor(1.0),
    "scalar nan": torch.tensor(math.nan),
    "empty": torch.zeros(0),
    "empty rows": torch.zeros(0, 2),
    "int8": torch.ones(3, 4, dtype=torch.int8),
    "half": torch.ones(3, 4, dtype=torch.float16),
    "complex tensor": torch.ones(3, 4, dtype=torch.complex64),
    "sparse": torch.eye(4).to_sparse(),
    "meta": torch.zeros(3, 4, device="meta"),
    "double with gradient": torch.ones(3, 4, dtype=torch.float64, requires_grad=True) * 1,
    "five dimensions": torch.zeros(1, 2, 3, 4, 5),
    "module": torch.nn.Linear(6, 4),
}


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.filterwarnings("ignore")  # what torch and NumPy say of such values does not matter here
def test_junk_is_not_correct_and_never_raises(name, junk, said):
    line = said(name, lambda *arguments: JUNK[junk])
    assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_answer_yet(name, said):
    assert said(name, lambda *arguments: ...) == NOT_WRITTEN
    assert said(name, lambda *arguments: None) == NOT_WRITTEN


@pytest.mark.parametrize(
    "error", [NameError("bits"), ZeroDivisionError("by zero"), SystemExit(), StopIteration(), Unprintable()], ids=repr
)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_answer_that_raises_gets_its_error_named(name, error, said):
    def answer(*arguments):
        raise error

    line = said(name, answer)
    assert line.startswith("not yet: your code raised ") and type(error).__name__ in line
    if error.args:
        assert str(error) in line


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_cannot_be_called_with_the_arguments_is_named_too(name, said):
    for answer in (lambda: 0.0, 3.0, None, ...):
        assert "your code raised TypeError" in said(name, answer)


def test_an_interrupt_goes_through():
    def answer(batches):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.mean_nll(answer)


def test_a_checker_leaves_the_random_numbers_alone(capsys):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for name in ARGUMENTS:
        getattr(exercises, name)(function(name, RIGHT[name][0]))
    assert torch.equal(torch.rand(1), expected)


# ---- the notebooks --------------------------------------------------------------------------------------------------


def tagged_cells():
    """Each exercise and its solution, with the last program of the task's text if it has one."""
    for path in sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb")):
        task = None
        for cell in nbformat.read(path, as_version=4).cells:
            tag = next((tag for tag in cell.metadata.get("tags", []) if tag in ("exercise", "solution")), None)
            if tag:
                yield pytest.param(tag, cell.source, task, id=f"{path.stem}-{tag}-{cell.source.splitlines()[0]}")
            elif cell.cell_type == "markdown":
                task = (re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL) or [None])[-1]


@pytest.mark.parametrize(("tag", "source", "task"), list(tagged_cells()))
def test_the_cells_of_the_notebooks_say_what_they_should(tag, source, task, capsys):
    names = dict(exercises=exercises, math=math, torch=torch, F=F)
    exec(source, names)
    out = capsys.readouterr().out.rstrip("\n")
    assert out.startswith("correct. ") if tag == "solution" else out == NOT_WRITTEN
    if task:  # "find the bug": the function as it stands in the task gets a hint, not only the entry that differs
        exec(task + source.splitlines()[-1], names)
        out = capsys.readouterr().out
        assert out.startswith("not yet: ") and not out.startswith("not yet: for "), out
