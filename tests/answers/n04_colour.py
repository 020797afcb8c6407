"""Answers to the exercises of 04_colour: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "to_tokens": "x, palette",
    "log_p_in_cell": "count, cell, K",
    "log_bin": "hi, lo",
    "grey_log_prob": "logit, x, levels",
}
RIGHT = {
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
}
WRONG = {
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
}
