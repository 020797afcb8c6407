"""Answers to the exercises of 11_gan_losses: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "likelihood_loss": "f",
    "relativistic_loss": "real, fake",
    "effective_share": "f",
}
RIGHT = {
    "likelihood_loss": ["-f.exp().mean()", "-torch.exp(f).sum() / len(f)", "-(f.sigmoid() / (-f).sigmoid()).mean()"],
    "relativistic_loss": [
        "F.softplus(real.flatten() - fake.flatten()).mean()",
        "-F.logsigmoid(fake - real.view(-1)).mean()",
        "F.softplus(real.reshape(fake.shape) - fake).mean()",
        "F.binary_cross_entropy_with_logits(fake - real.flatten(), torch.ones_like(fake))",
    ],
    "effective_share": [
        "1 / (len(f) * f.softmax(0).square().sum())",
        "(f - f.max()).exp().sum() ** 2 / ((f - f.max()).exp().square().sum() * len(f))",
        "torch.exp(2 * f.logsumexp(0) - (2 * f).logsumexp(0)) / len(f)",
    ],
}
WRONG = {
    "likelihood_loss": [
        ("-(f.sigmoid() / (1 - f.sigmoid())).mean()", "simplify first"),
        ("-(f.sigmoid() / (1 - f.sigmoid() + 1e-8)).mean()", "hides the 0"),
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
        ("F.softplus(real - fake).mean()", "every real output meets every fake"),
        ("F.softplus(real.view(-1, 1) - fake).mean()", "every real output meets every fake"),
        ("F.softplus(-fake).mean()", "plain non-saturating"),
        ("F.softplus(fake - real.flatten()).mean()", "the discriminator's loss"),
        ("-torch.log(torch.sigmoid(fake - real)).mean()", "use softplus"),
        ("F.softplus(fake - real).mean()", "the discriminator's loss"),
        ("F.softplus(fake).mean()", "real is not used, and"),
        ("-F.softplus(fake - real).mean()", "saturates"),
        ("F.softplus(real.mean() - fake).mean()", "relativistic *average*"),
        ("F.softplus(real - fake)", "one number"),
        ("F.softplus(real - fake).sum()", "not their sum"),
        ("(real - fake).mean()", "Wasserstein"),
        ("F.softplus(real.mean() - fake.mean())", "each pair first"),
    ],
    "effective_share": [
        ("f.exp().sum() ** 2 / (f.exp().square().sum() * len(f))", "subtract the largest"),
        ("f.clamp(max=30).exp().sum() ** 2 / (f.clamp(max=30).exp().square().sum() * len(f))", "clamped"),
        ("f.clamp(max=80).exp().sum() ** 2 / (f.clamp(max=80).exp().square().sum() * len(f))", "subtract the largest"),
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
}
