"""Answers to the exercises of 02_pixel_rnn: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "skew": "x",
    "lstm_step": "gates, c",
    "merge": "left, right",
    "state_to_state": "weight, hidden",
    "completion_nats": "log_probs, known",
}
RIGHT = {
    "skew": [
        "F.pad(x, (0, len(x))).flatten()[: -len(x)].view(len(x), -1)",
        "torch.stack([F.pad(row, (r, len(x) - 1 - r)) for r, row in enumerate(x)])",
        "[[0] * r + row.tolist() + [0] * (len(x) - 1 - r) for r, row in enumerate(x)]",
        "models.diagonal_bilstm.skew(x)",
    ],
    "lstm_step": [
        "(lambda o, f, i, g: (lambda new: (o.sigmoid() * new.tanh(), new))(f.sigmoid() * c + i.sigmoid() * g.tanh()))"
        "(*gates.chunk(4))",
        "(lambda s, g: [s[0] * (s[1] * c + s[2] * g).tanh(), s[1] * c + s[2] * g])"
        "(gates[: 3 * len(c)].sigmoid().view(3, *c.shape), gates[3 * len(c) :].tanh())",
        "models.row_lstm.lstm_cell(gates, c)",
    ],
    "merge": [
        "left + F.pad(right.flip(-1), (0, 0, 1, -1))",
        "left + torch.cat([torch.zeros_like(right[:, :, :1]), right.flip(3)[:, :, :-1]], 2)",
        "left + right.roll(1, 2).flip(3) * (torch.arange(left.shape[2]) > 0)[:, None]",
        "left.index_add_(2, torch.arange(1, left.shape[2]), right[:, :, :-1].flip(3))",  # writes into left
    ],
    "state_to_state": [
        "F.conv1d(hidden, weight, padding=weight.shape[2] // 2)",
        "F.conv1d(hidden, weight, padding='same')",
        "F.conv2d(hidden[:, :, None], weight[:, :, None], padding=(0, weight.shape[2] // 2)).squeeze(2)",
    ],
    "completion_nats": [
        "-(log_probs * ~known).sum((1, 2, 3))",
        "-log_probs[:, ~known].sum(1)",
        "torch.where(known, 0, -log_probs).flatten(1).sum(1)",
        "-log_probs.flatten(1) @ (~known).flatten().float()",
        "log_probs.masked_fill_(known, 0).neg_().sum((1, 2, 3))",  # writes into log_probs
    ],
}
WRONG = {
    "skew": [
        ("torch.stack([row.roll(r) for r, row in enumerate(x)])", "comes back on the left"),
        ("torch.stack([F.pad(row, (r, 0))[: len(row)] for r, row in enumerate(x)])", "pushed out on the right"),
        ("torch.stack([F.pad(row, (len(x) - 1 - r, r)) for r, row in enumerate(x)])", "turned round"),
        ("torch.stack([F.pad(row, (r, len(x) - r)) for r, row in enumerate(x)])", "one column too many"),
        ("F.pad(x, (0, len(x)))", "it should be a tensor of shape (3, 6)"),
        ("torch.stack([F.pad(row, (r + 1, len(x) - 1 - r)) for r, row in enumerate(x)])", "row 0 should stay"),
        ("F.pad(x, (0, len(x) - 1))", "no row has moved"),
        ("models.diagonal_bilstm.skew(x.T).T", "columns moved down"),
        ("torch.stack([F.pad(row, (r, 0)) for r, row in enumerate(x)])", "zeros on both sides"),
        (
            "[x.new_zeros(len(row)).__setitem__(slice(r, None), row) for r, row in enumerate(x)]",
            "H + W - 1 columns are needed",
        ),
    ],
    "lstm_step": [
        ("models.row_lstm.lstm_cell(gates, c)[::-1]", "the state h comes first"),
        ("lstm(*(gates.chunk(4)[k] for k in (3, 1, 0, 2)), c)", "the order of torch.nn.LSTM"),
        ("lstm(*(gates.chunk(4)[k] for k in (0, 2, 1, 3)), c)", "f and i are exchanged"),
        ("lstm(*(gates.chunk(4)[k] for k in (2, 0, 1, 3)), c)", "the gates are mixed up"),
        ("lstm(*gates.chunk(4), c, content=torch.sigmoid)", "so tanh"),
        ("lstm(*gates.chunk(4), c, content=lambda t: t)", "is not squashed"),
        ("lstm(*gates.chunk(4), c, shown=lambda t: t)", "shows tanh(c), not c"),
        ("lstm(*gates.chunk(4), c, shown=torch.sigmoid)", "not sigmoid(c)"),
        ("(gates.chunk(4)[0].sigmoid() * c.tanh(), lstm(*gates.chunk(4), c)[1])", "the *new* memory"),
        ("lstm(*gates.chunk(4), c, squash=lambda t: t)", "a sigmoid makes them shares"),
        ("lstm(*gates.chunk(4), c, squash=torch.tanh)", "tanh is for content"),
        ("lstm(*gates.chunk(4), c)[0]", "only the state"),
        ("lstm(*gates.chunk(4), c)[1]", "only the memory"),
        ("lstm(*(gates.repeat(1, 4)).chunk(4, 1), c)", "along the *first* axis"),
        ("[lstm(o, f, i, g, c) for o, f, i, g in [gates.chunk(4, 1)]][0]", "along the *first* axis"),
    ],
    "merge": [
        ("left + right", "two things"),
        ("left + right.flip(-1)", "mirrored back, but not moved down"),
        ("left + F.pad(right, (0, 0, 1, -1))", "moved down, but not mirrored back"),
        ("left + right.flip(-1).roll(1, 2)", "roll brings the last row round"),
        ("left + F.pad(right.flip(-1), (0, 0, -1, 1))", "moved up"),
        ("left + F.pad(right.flip(-1), (0, 0, 2, -2))", "by two rows"),
        ("left + F.pad(right.flip(-1), (1, -1))", "moved to the right"),
        ("left + right.flip(-1).roll(1, 3)", "rolled along the row"),
        ("left + F.pad(right.flip(2), (0, 0, 1, -1))", "upside down"),
        ("left + right.flip(2)", "upside down"),
        ("F.pad(left + right.flip(-1), (0, 0, 1, -1))", "left must stay"),
        ("F.pad(left, (0, 0, 1, -1)) + right.flip(-1)", "the wrong one"),
        ("left", "right is not used"),
        ("left + F.pad(right.flip(-1), (0, 0, 1, 0))", "H rows again"),
    ],
    "state_to_state": [
        ("F.conv1d(hidden, weight * (taps(weight) <= 0), padding='same')", "most of the right side"),
        ("F.conv1d(hidden, weight * (taps(weight) < 0), padding='same')", "the pixel above and what lies"),
        ("F.conv1d(hidden, weight * (taps(weight) >= 0), padding='same')", "now the left is hidden: no"),
        ("F.conv1d(hidden, weight * (taps(weight) > 0), padding='same')", "now the left is hidden, and"),
        ("F.conv1d(hidden, weight * (taps(weight) != 0), padding='same')", "the pixel above is known, too"),
        ("F.conv1d(hidden, weight)", "keep its width"),
        ("F.conv1d(hidden, weight, padding=1)", "k // 2 fits any"),
        ("F.conv1d(F.pad(hidden, (weight.shape[2] - 1, 0)), weight)", "all padding is on the left"),
        ("F.conv1d(hidden, weight.flip(2), padding='same')", "mirrored"),
        ("F.conv1d(weight, hidden, padding=weight.shape[2] // 2)", "weight is the second argument"),
    ],
    "completion_nats": [
        ("-(log_probs * known).mean((1, 2, 3))", "two things"),
        ("-(log_probs * known).sum((1, 2, 3))", "those are the *given* pixels"),
        ("-(log_probs * ~known).mean((1, 2, 3))", "this one counts the given pixels"),
        ("-log_probs[:, ~known].mean(1)", "nats per unknown pixel"),
        ("-log_probs.sum((1, 2, 3))", "the whole picture"),
        ("log_probs[:, ~known].sum(1)", "the sign"),
        ("-(log_probs * ~known).sum()", "one number for all"),
        ("-(log_probs * ~known).sum((1, 2, 3)).mean()", "not their mean"),
        ("-(log_probs * ~known)", "one number a pixel"),
        ("-(log_probs * (1 - known)).sum((1, 2, 3))", "~known"),
    ],
}
