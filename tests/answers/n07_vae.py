"""Answers to the exercises of 07_vae: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "effective_beta": "beta, D, Z",
    "active_units": "mu, threshold",
    "free_bits": "kl, floor",
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
}
