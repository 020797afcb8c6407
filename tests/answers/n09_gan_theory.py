"""Answers to the exercises of 09_gan_theory: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "best_discriminator": "p, q, share",
    "jsd_by_draws": "x, y, log_p, log_q",
    "jsd_bound": "real_logits, fake_logits",
}
RIGHT = {
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
}
WRONG = {
    "best_discriminator": [
        ("p / (p + q)", "equal shares"),
        ("(1 - share) * p / ((1 - share) * p + share * q)", "of the real ones"),
        ("(1 - share) * q / (share * p + (1 - share) * q)", "1 - D"),
        ("share * p / (p + q)", "both terms"),
        ("share * p / (share * p + q)", "the generated ones"),
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
            "0.5 * (log_p(x) - torch.logaddexp(log_p(x), log_q(x)) / 2).mean()"
            " + 0.5 * (log_q(y) - torch.logaddexp(log_p(y), log_q(y)) / 2).mean()",
            "subtract log 2, do not divide",
        ),
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
        ("0.5 * (math.log(4) - F.softplus(torch.cat([-real_logits, fake_logits])).mean())", "then the sum"),
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
        (
            "0.5 * (real_logits.log().mean() + (1 - fake_logits).log().mean() + math.log(4))",
            "logits, not probabilities",
        ),
        (
            "0.5 * ((-F.softplus(-real_logits) - F.softplus(fake_logits)).mean() + math.log(4))",
            "take the mean of each alone",
        ),
    ],
}
