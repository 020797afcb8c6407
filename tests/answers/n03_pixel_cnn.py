"""Answers to the exercises of 03_pixel_cnn: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "causal_mask": "kind, k",
    "rightmost": "r, first, kernel",
    "shift_down": "features",
    "mixes_images": "model, x",
}
RIGHT = {
    "causal_mask": [
        "torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'B')",
        "[[(a, b) < (k // 2, k // 2 + (kind == 'B')) for b in range(k)] for a in range(k)]",
        "np.arange(k * k).reshape(k, k) < k * k // 2 + {'A': 0, 'B': 1}[kind]",
    ],
    "rightmost": [
        "first // 2 + (r - 1) * (kernel // 2)",
        "sum([first // 2] + [kernel // 2] * (r - 1))",
        "(first - 1) / 2 + (r - 1) * (kernel - 1) / 2",
    ],
    "shift_down": [
        "F.pad(features, (0, 0, 1, -1))",
        "torch.cat([torch.zeros_like(features[:, :, :1]), features[:, :, :-1]], 2)",
        "F.pad(features[:, :, :-1], (0, 0, 1, 0))",
    ],
    "mixes_images": [
        "bool(torch.autograd.grad(model.log_prob(x.requires_grad_())[0], x)[0][1:].abs().sum() > 0)",
        "torch.autograd.functional.jacobian(model.log_prob, x)[0, 1:].any()",
    ],
}
WRONG = {
    "causal_mask": [
        ("(torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'B')).float()", "bool is asked for"),
        ("torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'A')", "A and B are swapped"),
        ("torch.arange(k * k).view(k, k) < k * k // 2", "never does"),
        ("torch.arange(k * k).view(k, k) <= k * k // 2", "mask A must not"),
        ("torch.arange(k * k).view(k, k) >= k * k // 2 + (kind == 'A')", "turned round"),
        ("(torch.arange(k)[:, None] < k // 2).expand(k, k)", "to the left"),
        ("(torch.arange(k)[:, None] <= k // 2).expand(k, k)", "right of the pixel comes later"),
        ("torch.ones(k, k).tril(0 if kind == 'B' else -1) > 0", "triangle"),
        ("(torch.arange(k * k).view(k, k) < k * k // 2 + (kind == 'B')).T", "transposed"),
        ("[[(a, b) < (0, kind == 'B') for b in range(k)] for a in range(k)]", "count from the centre"),
        ("torch.outer(torch.arange(k) <= k // 2, torch.arange(k) < k // 2 + (kind == 'B'))", "has been read too"),
    ],
    "rightmost": [
        ("r + 2", "use first and kernel"),
        ("first // 2 + r - 1", "right for layers of 3"),
        ("first // 2 + r", "r - 1 rows are left"),
        ("first // 2 + (r - 1) * kernel // 2", "brackets"),
        ("first // 2 + r * (kernel // 2)", "one row already"),
        ("r * (kernel // 2)", "the first layer reaches"),
        ("first // 2", "the other layers"),
        ("first // 2 + kernel // 2", "grows with r"),
        ("first + (r - 1) * kernel", "k // 2 columns beyond"),
        ("(first + (r - 1) * kernel) / 2", "whole number"),
        ("r * (first // 2)", "used once"),
    ],
    "shift_down": [
        ("torch.roll(features, 1, 2)", "wraps round"),
        ("torch.roll(features, 1, 3)", "moves columns"),
        ("F.pad(features, (1, -1))", "moves columns"),
        ("F.pad(features, (0, 0, -1, 1))", "up instead of down"),
        ("torch.roll(features, -1, 2)", "up instead of down, and roll"),
        ("F.pad(features, (0, 0, 1, 0))", "one row too many"),
        ("features * 1", "nothing has moved"),
        ("F.pad(features, (0, 0, 2, -2))", "two rows"),
        ("torch.cat([torch.zeros_like(features[:, :, :1]), features[:, :, 1:]], 2)", "drop the last one"),
        ("torch.cat([features[:, :, :1], features[:, :, :-1]], 2)", "must be zeros"),
    ],
    "mixes_images": [
        ("False", "while it trains"),
        ("True", "every model depends on its own image"),
        (
            "bool(torch.autograd.grad(model.log_prob(x.requires_grad_()).sum(), x)[0][1:].abs().sum() > 0)",
            "every model depends on its own image",
        ),
        ("any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())", "stored statistics"),
        (
            "bool(torch.autograd.grad(model.eval().log_prob(x.requires_grad_())[0], x)[0][1:].abs().sum() > 0)",
            "leave the model in the mode it is in",
        ),
        ("model.training", "most models in training mode mix nothing"),
        ("not torch.allclose(model.log_prob(x)[0], model.log_prob(x[:1])[0])", "dropout changes"),
    ],
}
