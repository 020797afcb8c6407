"""Answers to the exercises of 08_gan: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "generator_loss": "logits",
    "discriminator_loss": "G, D, x, z",
    "suspicious": "samples, train, held_out",
    "smoothed_rest": "a, b, s",
}
RIGHT = {
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
        "(F.softplus(-D(x)).mean() + F.softplus(D(G(z).detach())).mean()) / 2",
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
}
WRONG = {
    "generator_loss": [
        ("-(torch.sigmoid(logits) + 1e-8).log().mean()", "flattens"),
        ("-torch.sigmoid(logits).log().mean()", "the sigmoid is 0"),
        ("torch.log(1 + torch.exp(-logits)).mean()", "exp(120) infinite"),
        ("F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits))", "clipped at 100"),
        ("-F.softplus(logits).mean()", "minimax"),
        ("torch.log(1 - torch.sigmoid(logits)).mean()", "minimax"),
        ("torch.log(1 - torch.sigmoid(logits) + 1e-8).mean()", "minimax"),
        ("-torch.log(1 - torch.sigmoid(logits)).mean()", "the sign"),
        ("F.binary_cross_entropy(torch.sigmoid(logits), torch.zeros_like(logits))", "the sign"),
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
        ("F.softplus(D(x)).mean() + F.softplus(-D(G(z).detach())).mean()", "call fakes real"),
        ("F.softplus(-D(x)).sum() + F.softplus(D(G(z).detach())).sum()", "not sums"),
        ("F.softplus(-D(x)) + F.softplus(D(G(z).detach()))", "one number"),
        ("F.softplus(-D(x)).mean()", "missing"),
        ("(F.softplus(-D(x)).mean() + F.softplus(D(G(z))).mean()) / 2", "leaves gradients in G"),
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
            " < metrics.nearest(train, held_out).distance.quantile(0.01)).float().mean()",
            "not the other way round",
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
            "(metrics.nearest(samples, train).distance"
            " > metrics.nearest(held_out, train).distance.quantile(0.01)).float().mean()",
            "d < limit",
        ),
        (
            "(metrics.nearest(samples, train).distance"
            " <= metrics.nearest(held_out, train).distance.quantile(0.01)).float().mean()",
            "not <=",
        ),
        (
            "(metrics.nearest(samples, train).distance < metrics.nearest(samples, held_out).distance).float().mean()",
            "larger set",
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
}
