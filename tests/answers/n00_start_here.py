"""Answers to the exercises of 00_start_here: right ones, and the usual wrong ones, each with a word of its hint."""

GAUSSIAN = "(-0.5 * ((x - mu) / s) ** 2 {}){}"

ARGUMENTS = {
    "log_density": "log_P, w, d",
    "ring_centres": "k",
    "log_normal": "x, mu, s",
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
}
