"""Answers to the exercises of 00_start_here: right ones, and the usual wrong ones, each with a word of its hint."""

X1 = "torch.bernoulli(torch.full((n,), p_first), generator=generator).long()"
X2 = "torch.bernoulli(p_second_given_first[x1], generator=generator).long()"
PAIR = "(lambda x1: torch.stack([x1, {}], 1))({})"  # of what is drawn second, given x1, and first
U = "torch.rand(n, generator=generator)"
GAUSSIAN = "(-0.5 * ((x - mu) / s) ** 2 {}){}"

ARGUMENTS = {
    "log_density": "log_P, w, d",
    "ring_centres": "k",
    "log_normal": "x, mu, s",
    "loss_from_logits": "real_logits, fake_logits",
    "sample_two_pixels": "p_first, p_second_given_first, n, generator",
}
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
    "loss_from_logits": [
        "F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()",
        "-F.logsigmoid(real_logits).mean() - F.logsigmoid(-fake_logits).mean()",
        "F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))"
        " + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))",
        "sum(torch.logaddexp(torch.zeros(()), f).sum() / len(f) for f in (-real_logits, fake_logits))",
    ],
    "sample_two_pixels": [
        PAIR.format(X2, X1),
        f"torch.cat([x := {X1}[:, None], torch.bernoulli(p_second_given_first[x], generator=generator).long()], 1)",
        "(lambda x1: torch.stack([x1, torch.where(x1 == 1, *[(torch.rand(n, generator=generator) < p).long()"
        " for p in p_second_given_first.flip(0)])], -1))((torch.rand(n, generator=generator) < p_first).long())",
        "(lambda k: torch.stack([k // 2, k % 2], 1))(torch.multinomial((torch.tensor([[1 - p_first], [p_first]]) * "
        "torch.stack([1 - p_second_given_first, p_second_given_first], 1)).flatten(), n, True, generator=generator))",
        "torch.tensor([(lambda a: [a, int(torch.rand(1, generator=generator) < p_second_given_first[a])])"
        "(int(torch.rand(1, generator=generator) < p_first)) for _ in range(n)])",
    ],
}
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
    "loss_from_logits": [
        ("-F.softplus(-real_logits).mean() - F.softplus(fake_logits).mean()", "the sign"),
        ("F.logsigmoid(real_logits).mean() - F.logsigmoid(-fake_logits).mean()", "both logarithms get a minus"),
        ("-F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean()", "both logarithms get a minus"),
        ("F.softplus(real_logits).mean() + F.softplus(-fake_logits).mean()", "are swapped"),
        ("F.softplus(-real_logits).mean() + F.softplus(-fake_logits).mean()", "calls every image real"),
        ("F.softplus(real_logits).mean() + F.softplus(fake_logits).mean()", "log(1 - s) for both"),
        ("(F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2", "half of it"),
        ("2 * F.softplus(torch.cat([-real_logits, fake_logits])).mean()", "the larger group more weight"),
        ("F.softplus(torch.cat([-real_logits, fake_logits])).mean()", "a mean for each group is asked for"),
        ("F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()", "not sums"),
        ("F.softplus(-real_logits).mean()", "half of the fake"),
        ("F.softplus(fake_logits).mean()", "half of the real"),
        ("F.softplus(-real_logits.sigmoid()).mean() + F.softplus(fake_logits.sigmoid()).mean()", "taken twice"),
        ("-real_logits.log().mean() - (1 - fake_logits).log().mean()", "not probabilities"),
        ("fake_logits.sigmoid().mean() - real_logits.sigmoid().mean()", "the logarithms are missing"),
        ("fake_logits.mean() - real_logits.mean()", "the logits themselves"),
        ("(F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / math.log(2)", "natural"),
        (
            "F.binary_cross_entropy(real_logits.sigmoid(), torch.ones_like(real_logits))"
            " + F.binary_cross_entropy(fake_logits.sigmoid(), torch.zeros_like(fake_logits))",
            "stops at 100",
        ),
        ("-(real_logits.sigmoid() + 1e-8).log().mean() - (1 - fake_logits.sigmoid() + 1e-8).log().mean()", "a small"),
        ("-real_logits.sigmoid().log().mean() - (1 - fake_logits.sigmoid()).log().mean()", "overflows"),
        ("(1 + (-real_logits).exp()).log().mean() + (1 + fake_logits.exp()).log().mean()", "overflows"),
        (
            "-real_logits.double().sigmoid().log().mean() - (1 - fake_logits.double().sigmoid()).log().mean()",
            "overflows",
        ),
        ("(F.softplus(-real_logits) + F.softplus(fake_logits)).mean()", "one number is asked for"),
        ("F.softplus(-real_logits) + F.softplus(fake_logits)", "one number is asked for"),
        (
            "F.binary_cross_entropy_with_logits(real_logits, torch.ones(3))"
            " + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros(3))",
            "the shape of their logits",
        ),
        (
            "F.binary_cross_entropy(real_logits, torch.ones_like(real_logits))"
            " + F.binary_cross_entropy(fake_logits, torch.zeros_like(fake_logits))",
            "..._with_logits".replace("...", "entropy"),
        ),
    ],
    "sample_two_pixels": [
        (
            "(lambda x1: torch.stack([x1, torch.distributions.Bernoulli(p_second_given_first[x1]).sample().long()], 1))"
            "(torch.distributions.Bernoulli(p_first).sample((n,)).long())",
            "give torch.rand the generator",
        ),
        (PAIR.format(X2.replace("[x1]", "[1 - x1]"), X1), "the wrong entry"),
        (
            f"(lambda u: torch.stack([u < p_first, u < p_second_given_first[(u < p_first).long()]], 1).long())({U})",
            "one",
        ),
        (PAIR.format("(p_second_given_first[x1] > 0.5).long()", "torch.full((n,), int(p_first > 0.5))"), "every time"),
        (PAIR.format("p_second_given_first[x1].round().long()", X1), "but the second is the more probable"),
        (PAIR.format(X2, "torch.full((n,), int(p_first > 0.5))"), "but the first is the more probable"),
        (
            PAIR.format(
                f"({U} < (1 - p_first) * p_second_given_first[0] + p_first * p_second_given_first[1]).long()", X1
            ),
            "does not depend",
        ),
        (PAIR.format(f"({U} < p_second_given_first.mean()).long()", X1), "does not depend"),
        (PAIR.format(f"({U} < p_second_given_first[0]).long()", X1), "does not depend"),
        (PAIR.format(f"({U} < p_second_given_first[1]).long()", X1), "does not depend"),
        ("(torch.rand(n, 2, generator=generator) < p_first).long()", "drawn with p_first"),
        (PAIR.format("x1", X1), "a copy of the first"),
        (PAIR.format(f"({U} > p_second_given_first[x1]).long()", f"({U} > p_first).long()"), "0 and 1 are exchanged"),
        (f"1 - {PAIR.format(X2, X1)}", "0 and 1 are exchanged"),
        (PAIR.format(X2, f"({U} > p_first).long()"), "the first pixel is 1 with probability 1 - p_first"),
        (PAIR.format(f"({U} > p_second_given_first[x1]).long()", X1), "turn the comparison round"),
        (PAIR.format(X2, f"({U} < 0.5).long()"), "a fair coin"),
        (PAIR.format(X2, X1) + ".flip(1)", "the columns are exchanged"),
        (PAIR.format(X2, X1) + ".float()", "int64"),
        (PAIR.format(X2, X1) + ".bool()", "int64"),
        (PAIR.format(X2, X1) + ".T", "shape (n, 2), and this is (2, n)"),
        (PAIR.format(X2, X1) + "[0]", "for n = 4000 the shape should be"),
        (PAIR.format(X2, X1) + ".tolist()", "a tensor of shape (n, 2)"),
        (PAIR.format(X2, X1) + " + 1", "a pixel is 0 or 1"),
        (PAIR.format(X2, X1) + ".squeeze()", "for n = 1 the shape should be"),
        (PAIR.format(X2, X1.replace("full((n,)", "full((1,)") + ".expand(n)"), "the same value in all n"),
        (PAIR.format(X2, X1.replace("p_first", "0.9 * p_first")), "the first pixel should be 1 in"),
        (PAIR.format(X2.replace("[x1]", "[x1] * 0.8"), X1), "the second pixel should be 1 in"),
        (PAIR.format(X2, X1.replace(".long()", "")), "int64 before it is an index"),
        (PAIR.format(X2, X1.replace(".long()", ".bool()")), "int64 before it is an index"),
        (PAIR.format(X2.replace("x1", "int(x1)"), X1), "there are n first pixels"),
        ("torch.bernoulli(p_first, generator=generator)", "p_first is a number"),
    ],
}
