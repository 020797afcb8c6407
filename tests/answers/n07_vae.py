"""Answers to the exercises of 07_vae: right ones, and the usual wrong ones, each with a word of its hint."""

BCE = "F.binary_cross_entropy_with_logits(x_hat_logits, x, reduction='none')"
PIXELS = BCE + ".sum((1, 2, 3)).mean()"
KL = "0.5 * (mu**2 + log_var.exp() - 1 - log_var)"

ARGUMENTS = {
    "effective_beta": "beta, D, Z",
    "active_units": "mu, threshold",
    "free_bits": "kl, floor",
    "find_the_bug_vae": "x, x_hat_logits, mu, log_var",
}
RIGHT = {
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
    "find_the_bug_vae": [
        f"{PIXELS} + ({KL}).sum(1).mean()",
        f"F.binary_cross_entropy_with_logits(x_hat_logits, x, reduction='sum') / len(x) + ({KL}).sum() / len(x)",
        "-(torch.distributions.Bernoulli(logits=x_hat_logits).log_prob(x).flatten(1).sum(1)"
        " - torch.distributions.kl_divergence(torch.distributions.Normal(mu, (0.5 * log_var).exp()),"
        " torch.distributions.Normal(0, 1)).sum(1)).mean()",
        "(F.binary_cross_entropy(x_hat_logits.sigmoid(), x, reduction='none').flatten(1).sum(1)"
        " + models.vae.kl_to_prior(mu, log_var).sum(1)).mean()",
    ],
}
WRONG = {
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
    "find_the_bug_vae": [
        (f"-{PIXELS} - ({KL}).sum(1).mean()", "minus the bound"),
        (f"{BCE}.sum() + ({KL}).sum()", "a sum over the batch"),
        (f"{BCE}.mean() + ({KL}).sum(1).mean()", "the pixels are averaged"),
        (f"{BCE}.sum() + ({KL}).sum(1).mean()", "the pixels are summed over the batch"),
        (f"-{PIXELS} + ({KL}).sum(1).mean()", "the sign of the reconstruction"),
        (f"{PIXELS} + ({KL}).sum(1).mean()".replace("logits(x_hat_logits", "logits(x_hat_logits.sigmoid()"), "twice"),
        (f"((x - x_hat_logits.sigmoid()) ** 2).sum((1, 2, 3)).mean() + ({KL}).sum(1).mean()", "squared errors: for"),
        (f"((x - x_hat_logits) ** 2).sum((1, 2, 3)).mean() + ({KL}).sum(1).mean()", "squared errors of logits"),
        (f"{PIXELS} + ({KL}).sum(1).mean()".replace(", x,", ", 1 - x,"), "x is turned round"),
        (f"({KL}).sum(1).mean()", "the reconstruction is missing"),
        (f"{PIXELS} + ({KL}).mean()", "the KL is averaged"),
        (f"{PIXELS} + ({KL}).sum()", "the KL is summed over the batch"),
        (f"{PIXELS} - ({KL}).sum(1).mean()", "the sign of the KL"),
        (f"{PIXELS} + ({KL.replace('log_var', '(2 * log_var)')}).sum(1).mean()", "for a log-standard deviation"),
        (f"{PIXELS} + ({KL.replace('log_var', '(log_var / 2)')}).sum(1).mean()", "the standard deviation for the"),
        (f"{PIXELS} + 2 * ({KL}).sum(1).mean()", "the half of the KL"),
        (f"{PIXELS} + ({KL.replace('- 1 ', '')}).sum(1).mean()", "the 1 of the KL"),
        (f"{PIXELS} + ({KL.replace('- log_var', '+ log_var')}).sum(1).mean()", "the sign of log_var"),
        (f"{PIXELS} + ({KL.replace('mu**2', '-mu**2')}).sum(1).mean()", "the sign of mu^2"),
        (f"{PIXELS} + ({KL.replace('mu**2 + ', '')}).sum(1).mean()", "mu^2 is missing"),
        (f"{PIXELS} + ({KL.replace('mu**2', 'mu')}).sum(1).mean()", "mu is squared"),
        (f"{PIXELS} + ({KL.replace('log_var.exp()', 'log_var.exp() ** 2')}).sum(1).mean()", "the variance already"),
        (PIXELS, "the KL is missing"),
        (f"{BCE}.mean() + ({KL}).mean()", "two things: the pixels are averaged"),
        (f"{BCE}.mean() - ({KL}).sum(1).mean()", "the sign of the KL"),
        (f"{BCE}.sum((1, 2, 3)) + ({KL}).sum(1)", "one number is asked for"),
        (f"{BCE} + ({KL}).sum(1)", "(B,) each"),
        ("F.binary_cross_entropy(x_hat_logits, x, reduction='sum') / len(x)", "logits are not probabilities"),
    ],
}
