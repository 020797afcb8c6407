"""Answers to the exercises of 05_autoencoder: right ones, and the usual wrong ones, each with a word of its hint."""

PCA = (  # fitted to train less the first, of test less the second, with the third added at the end
    "(lambda A: (((test - {1}) @ A.T @ A + {2} - test) ** 2).sum(1))"
    "(torch.linalg.svd(train - {0}, full_matrices=False).Vh[:Z])"
)

ARGUMENTS = {
    "code_size": "eigenvalues, limit",
    "pca_error": "train, test, Z",
    "denoising_loss": "model, x, noise",
    "phase_between": "a, b, t",
}
RIGHT = {
    "code_size": [
        "next(Z for Z in range(len(eigenvalues) + 1) if eigenvalues[Z:].sum() <= limit)",
        "int((eigenvalues.flip(0).cumsum(0) > limit).sum())",
        "sum(sum(eigenvalues.tolist()[Z:]) > limit for Z in range(len(eigenvalues)))",
    ],
    "pca_error": [
        "(lambda m: (lambda A: (((test - m) @ A.T @ A + m - test) ** 2).sum(1))"
        "(torch.linalg.svd(train - m, full_matrices=False).Vh[:Z]))(train.mean(0))",
        "((test - train.mean(0)) @ torch.linalg.eigh(torch.cov(train.T)).eigenvectors[:, : train.shape[1] - Z])"
        ".square().sum(1)",
    ],
    "denoising_loss": [
        "((model(x + noise) - x) ** 2).sum((1, 2, 3))",
        "F.mse_loss(model(x + noise), x, reduction='none').flatten(1).sum(1)",
        "(model(x.clone().add_(noise)) - x).flatten(1).norm(dim=1) ** 2",
    ],
    "phase_between": [
        "(a + t * (b - a - (b - a).round())) % 1",
        "(a + t * torch.polar(torch.ones_like(a), 2 * math.pi * (b - a)).angle() / (2 * math.pi)) % 1",
        "[(p + t * min((q - p, q - p + 1, q - p - 1), key=abs)) % 1 for p, q in zip(a.tolist(), b.tolist())]",
    ],
}
WRONG = {
    "code_size": [
        ("next(Z for Z in range(9) if eigenvalues[:Z].sum() >= limit or Z > len(eigenvalues))", "keeps"),
        ("next((Z for Z in range(len(eigenvalues) + 1) if eigenvalues[:Z].sum() >= limit), None)", "keeps"),
        ("next(Z for Z in range(9) if eigenvalues[:Z].sum() <= limit)", "keeps"),
        ("next((Z for Z in range(len(eigenvalues) + 1) if eigenvalues[:Z].sum() > limit), None)", "keeps"),
        ("next(Z for Z in range(9) if eigenvalues[Z + 1 :].sum() <= limit)", "v[Z] is left out, too"),
        (
            "next((Z for Z in range(1, len(eigenvalues) + 1) if eigenvalues[Z - 1 :].sum() <= limit), None)",
            "begins with v[Z]",
        ),
        ("next(Z for Z in range(9) if eigenvalues[Z:].sum() < limit or Z > len(eigenvalues))", "equal to the limit"),
        ("next(Z for Z in range(1, 9) if eigenvalues[Z + 1 :].sum() <= limit)", "v[Z] is left out, too"),
        (
            "next((Z for Z in range(len(eigenvalues) + 1) if eigenvalues[Z:].sum() < limit), None)",
            "equal to the limit is allowed, so <=",
        ),
        (
            "next((Z for Z in range(1, len(eigenvalues) + 1) if eigenvalues[Z:].sum() < limit), None)",
            "and an empty code, Z = 0, too",
        ),
        (
            "next((Z for Z in range(1, len(eigenvalues) + 1) if eigenvalues[Z + 1 :].sum() < limit), None)",
            "at most means <=",
        ),
        ("int((eigenvalues.flip(0).cumsum(0) > limit).sum()) + 1", "one too many"),
        ("int((eigenvalues.flip(0).cumsum(0) > limit).sum()) - 1", "one too few"),
        ("int((eigenvalues.flip(0).cumsum(0) / eigenvalues.sum() > limit).sum())", "not a share"),
        ("(eigenvalues > limit).sum()", "add up"),
        ("next(Z for Z in range(9) if eigenvalues[Z:].sum() <= limit * len(eigenvalues[Z:]))", "not their mean"),
        ("next(Z for Z in range(1, 9) if eigenvalues[Z:].sum() <= limit)", "Z = 0, is allowed"),
        (
            "next((Z for Z in range(1, len(eigenvalues)) if eigenvalues[Z:].sum() <= limit), None)",
            "anything from 0",
        ),
        (
            "next((Z for Z in range(len(eigenvalues)) if eigenvalues[Z:].sum() <= limit), None)",
            "nothing was returned for limit 0",
        ),
    ],
    "pca_error": [
        (PCA.format("0", "0", "0"), "through the mean"),
        (PCA.format("train.mean(0)", "test.mean(0)", "test.mean(0)"), "own mean"),
        (PCA.format("train.mean(0)", "0", "0"), "test points are not"),
        (PCA.format("train.mean(0)", "train.mean(0)", "0"), "never added again"),
        (PCA.format("train.mean(0)", "0", "train.mean(0)"), "before the code"),
        (PCA.format("0", "train.mean(0)", "train.mean(0)"), "training points, too"),
        (PCA.format(*["train.mean(0)"] * 3) + ".mean()", "each test point"),
        (PCA.format(*["train.mean(0)"] * 3) + ".sum()", "sum over the values only"),
        (PCA.format(*["train.mean(0)"] * 3) + " / test.shape[1]", "never a mean"),
        (PCA.format(*["train.mean(0)"] * 3) + "**0.5", "without the root"),
        (PCA.format(*["train.mean()"] * 3), "one number there"),
        (PCA.format("train.mean(1, keepdim=True)", *["test.mean(1, keepdim=True)"] * 2), "mean of each row"),
        (PCA.format(*["train.mean(1, keepdim=True)"] * 3), "mean of each column"),
    ],
    "denoising_loss": [
        ("((model(x + torch.randn_like(x)) - x) ** 2).sum((1, 2, 3))", "noise that is handed over"),
        ("((model(x + 0.3 * torch.randn_like(x)) - x) ** 2).sum((1, 2, 3))", "noise that is handed over"),
        ("((model(x + noise) - (x + noise)) ** 2).sum((1, 2, 3))", "return the noise"),
        ("model.loss(x)", "plain autoencoder"),
        ("model.loss(x + noise)", "return the noise"),
        ("((model(x) - x - noise) ** 2).sum((1, 2, 3))", "turned round"),
        ("((model(x) + noise - x) ** 2).sum((1, 2, 3))", "not to the output"),
        ("((model(x + noise) - noise) ** 2).sum((1, 2, 3))", "not the noise"),
        ("F.mse_loss(model(x + noise), x, reduction='sum')", "shape (B,)"),
        ("((model(x + noise) - x) ** 2).sum((1, 2, 3)).mean()", "shape (B,)"),
        ("((model(x + noise) - x) ** 2).mean((1, 2, 3))", "never a mean"),
        ("(model(x + noise) - x).abs().sum((1, 2, 3))", "not the absolute one"),
        ("(model(x + noise) - x).flatten(1).norm(dim=1)", "without the root"),
    ],
    "phase_between": [
        ("(1 - t) * a + t * b", "the full moon"),
        ("((1 - t) * a + t * b) % 1", "the full moon"),
        ("a + t * ((b - a + 0.5) % 1 - 0.5)", "modulo 1"),
        ("(a + t * (b - a if b - a < 0.5 else b - a - 1)) % 1", "in place of if"),
        ("(b - t * ((b - a + 0.5) % 1 - 0.5)) % 1", "at t = 0"),
        ("(a + t * ((b - a) % 1)) % 1", "always forwards"),
        ("(a + t * ((b - a + 0.5) % 1 - 0.5).abs()) % 1", "sign"),
        ("torch.lerp(torch.where(b - a > 0.5, a + 1, a), b, t) % 1", "below -1/2?"),
        ("torch.lerp(a, torch.where(b - a < -0.5, b + 1, b), t) % 1", "above 1/2?"),
        (
            "(((1 - t) * torch.exp(2j * math.pi * a) + t * torch.exp(2j * math.pi * b)).angle() / 2 / math.pi) % 1",
            "evenly",
        ),
    ],
}
