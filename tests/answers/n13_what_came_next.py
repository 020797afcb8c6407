"""Answers to the exercises of 13_what_came_next: right ones, and the usual wrong ones, each with a word of its hint."""

MEAN = "a / a_before * (1 - a_before**2) / (1 - a**2) * x_t + a_before * (%s) / (1 - a**2) * x_0"  # of step_mean
BACK = "now[0] - velocity(now[0], i / steps) / steps, now[1] + trace(now[0], i / steps) / steps"  # of flow_log_prob

ARGUMENTS = {
    "coupling_log_det": "s, b",
    "step_mean": "x_t, x_0, a_before, a",
    "noisy": "x_0, eps, alpha_bar",
    "matching_pair": "z, x, t",
    "flow_log_prob": "velocity, trace, x, steps",
}
RIGHT = {
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
WRONG = {
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
