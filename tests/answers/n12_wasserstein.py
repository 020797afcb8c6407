"""Answers to the exercises of 12_wasserstein: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "w1_line": "a, b",
    "between": "real, fake, t",
    "slow_rate": "gamma, slope",
}
RIGHT = {
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
}
WRONG = {
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
        ("(a.sort() - b.sort()).abs().mean()", "take .values"),
    ],
    "between": [
        ("t * real + (1 - t) * fake", "columns, rows or channels"),
        ("t[:, None] * real + (1 - t[:, None]) * fake", "columns, rows or channels"),
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
}
