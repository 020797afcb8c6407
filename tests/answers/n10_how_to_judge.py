"""Answers to the exercises of 10_how_to_judge: right ones, and the usual wrong ones, each with a word of its hint."""

ROOTS = "torch.linalg.eigvals(C @ S).sqrt().sum().real"
INSIDE = "(torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, {}])"
# (precision, recall): what is between the distances and the share, with the radii of each set
BOTH = "tuple((torch.cdist(p, c) <= {}){} for p, c in ((fake, real), (real, fake)))"
RADII = "torch.cdist(c, c).sort(1).values[:, k]"
SHARE = ".any(1).double().mean()"

ARGUMENTS = {
    "build_precision_recall": "real, fake, k",
    "frechet_of": "m, C, n, S",
    "precision": "real, fake, k",
    "fair": "distance, real, a, b",
}
RIGHT = {
    "build_precision_recall": [
        BOTH.format(RADII, SHARE),
        "metrics.precision_recall(real, fake, k)",
        "torch.stack([((p[:, None] - c).norm(dim=2) <= torch.cdist(c, c).kthvalue(k + 1).values).any(1).float().mean()"
        " for p, c in ((fake, real), (real, fake))])",
        "[sum(any((a - b).norm() <= (b - c).norm(dim=1).sort().values[k] for b in c) for a in p) / len(p)"
        " for p, c in ((fake, real), (real, fake))]",
        "np.array([(torch.cdist(p, c) <= (torch.cdist(c, c) + 1_000 * torch.eye(len(c))).topk(k, largest=False)"
        ".values[:, -1]).any(1).numpy().mean() for p, c in ((fake, real), (real, fake))])",
    ],
    "frechet_of": [
        "(m - n).square().sum() + C.trace() + S.trace() - 2 * torch.linalg.eigvals(C @ S).sqrt().sum().real",
        "((m - n) ** 2).sum() + (C + S).trace() - 2 * torch.linalg.svdvals("
        "torch.linalg.cholesky(C).T @ torch.linalg.cholesky(S)).sum()",
        "(m - n) @ (m - n) + C.trace() + S.trace() - 2 * np.sqrt(np.linalg.eigvals((C @ S).numpy()).real).sum()",
    ],
    "precision": [
        "(torch.cdist(fake, real) <= torch.cdist(real, real).kthvalue(k + 1).values).any(1).float().mean()",
        "((fake[:, None] - real).norm(dim=2) <= torch.cdist(real, real).sort(1).values[:, k]).any(1).double().mean()",
        "metrics.precision_recall(real, fake, k).precision",
        "sum(any((f - r).norm() <= (real - r).norm(dim=1).sort().values[k] for r in real) for f in fake) / len(fake)",
    ],
    "fair": [
        "(distance(real, a[: min(len(a), len(b))]), distance(real, b[: min(len(a), len(b))]))",
        "tuple(distance(real, x[-min(len(a), len(b)) :]) for x in (a, b))",
        "[distance(real, a[: len(b)]), distance(real, b[: len(a)])]",
        "tuple(distance(real[: min(len(a), len(b))], x[: min(len(a), len(b))]) for x in (a, b))",
    ],
}
WRONG = {
    "build_precision_recall": [
        ("metrics.precision_recall(real, fake, k)[::-1]", "precision comes first"),
        (BOTH.format(RADII.replace("k]", "k - 1]"), SHARE), "point itself"),
        (BOTH.format(RADII.replace("k]", "k - 1]"), SHARE) + "[::-1]", "swapped; and"),
        (BOTH.format(RADII.replace("k]", "k + 1]"), SHARE), "one too far"),
        (BOTH.format(RADII.replace("k]", "1]"), SHARE), "k is not used"),
        (BOTH.format(RADII.replace("k]", "3]"), SHARE), "not always 3"),
        (BOTH.format("torch.cdist(c, c).topk(k).values[:, -1]", SHARE), ""),
        (BOTH.format("torch.cdist(c, p).sort(1).values[:, k - 1]", SHARE), "wrong set"),
        ("(metrics.precision_recall(real, fake, k)[0], metrics.coverage(real, fake, k))", "coverage"),
        ("(metrics.precision_recall(real, fake, k)[0],) * 2", "swap the two sets"),
        ("(metrics.precision_recall(real, fake, k)[1],) * 2", "the first is the recall"),
        (BOTH.format(RADII + ".mean()", SHARE), "own radius, not the mean"),
        (BOTH.format(RADII + ".max()", SHARE), "own radius, not the largest"),
        (BOTH.format(RADII, ".all(1).double().mean()"), "not in all"),
        (BOTH.format(RADII, ".double().mean()"), "counts once"),
        (BOTH.format(RADII, ".sum(1).double().mean()"), "counts once"),
        (BOTH.format(RADII, ".any(0).double().mean()"), "over the balls"),
        (BOTH.format(RADII, ".any(1).sum()"), "not their number"),
        (BOTH.format(RADII, ".any(1)"), "mean over the points is missing"),
        (BOTH.replace("<=", "<").format(RADII, SHARE), "itself counts"),
        (BOTH.format(RADII + "[:, None]", SHARE), "one radius"),
        (BOTH.format(f"{RADII} ** 2", SHARE), "distances with distances"),
        (
            "tuple((torch.cdist(p, c).min(1).values <= torch.cdist(c, c).sort(1).values[:, k]"
            "[torch.cdist(p, c).argmin(1)]).double().mean() for p, c in ((fake, real), (real, fake)))",
            "ask every ball",
        ),
        ("metrics.precision_recall(real, fake, k)[0]", "that is the precision"),
        ("metrics.precision_recall(real, fake, k)[1]", "that is the recall"),
        ("sum(metrics.precision_recall(real, fake, k)) / 2", "not their mean"),
    ],
    "frechet_of": [
        ("((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * (C @ S).trace()", "root of the product is missing"),
        (f"((m - n) ** 2).sum() + C.trace() + S.trace() - {ROOTS}", "twice"),
        (f"((m - n) ** 2).sum() + C.trace() + S.trace() + 2 * {ROOTS}", "not added"),
        (f"((m - n) ** 2).sum() - 2 * {ROOTS}", "traces of C and S"),
        ("((m - n) ** 2).sum() + C.trace() + S.trace()", "root of C S is missing"),
        ("((m - n) ** 2).sum()", "only the means"),
        (f"C.trace() + S.trace() - 2 * {ROOTS}", "means are missing"),
        (f"(m - n).norm() + C.trace() + S.trace() - 2 * {ROOTS}", "squared"),
        (f"((m - n) ** 2).mean() + C.trace() + S.trace() - 2 * {ROOTS}", "not the mean"),
        ("((m - n) ** 2).sum() + (C + S - 2 * (C @ S).sqrt()).trace()", "its entries"),
        ("((m - n) ** 2).sum() + (C + S - 2 * (C * S).sqrt()).trace()", "diagonal"),
        ("((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * (C @ S).trace().sqrt()", "not the root of the trace"),
        ("((m - n) ** 2).sum() + ((C.diag().sqrt() - S.diag().sqrt()) ** 2).sum()", "diagonal"),
        ("((m - n) ** 2).sum() + ((C - S) ** 2).sum()", "entries of C and S"),
        ("((m - n) ** 2).sum() + (C.trace().sqrt() - S.trace().sqrt()) ** 2", "with the traces"),
        (
            "((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * torch.linalg.eigvals(C @ S).sqrt().sum()",
            "take .real",
        ),
        (f"(((m - n) ** 2).sum() + C.trace() + S.trace() - 2 * {ROOTS}).sqrt()", "its square"),
    ],
    "precision": [
        (INSIDE.format("k - 1") + ".any(1).float().mean()", "point itself"),
        (INSIDE.format("k + 1") + ".any(1).float().mean()", "one too far"),
        ("metrics.precision_recall(real, fake, k).recall", "that is the recall"),
        ("metrics.coverage(real, fake, k)", "coverage"),
        (INSIDE.format("k") + ".all(1).float().mean()", "not in all"),
        (INSIDE.format("k") + ".float().mean()", "counts once"),
        (INSIDE.format("k") + ".any(0).float().mean()", "coverage"),
        (INSIDE.format("k") + ".any(1).sum()", "not the sum"),
        (INSIDE.format("k") + ".any(1)", "one number"),
        (INSIDE.format("k").replace("<=", "<") + ".any(1).float().mean()", "itself counts"),
        ("(torch.cdist(fake, real) <= torch.cdist(real, real).sort().values[:, k].max()).any(1).float().mean()", "own"),
        ("(torch.cdist(real, fake) <= torch.cdist(real, real).sort().values[:, k]).any(1).float().mean()", "columns"),
    ],
    "fair": [
        ("(distance(real, a), distance(real, b))", "still two numbers"),
        ("(distance(real, a) / len(a), distance(real, b) / len(b))", "no factor"),
        ("(distance(real, a[: len(b)]), distance(real, b))", "b is the shorter"),
        ("(distance(real, a), distance(real, b[: len(a)]))", "a is the shorter"),
        ("(distance(real[: len(a)], a), distance(real[: len(b)], b))", "still two numbers"),
        ("tuple(distance(real, x[: min(len(a), len(b))]) for x in (b, a))", "comes first"),
        ("tuple(distance(real, x[: min(len(a), len(b)) // 2]) for x in (a, b))", "wasteful"),
        ("distance(real, a[: len(b)]) < distance(real, b[: len(a)])", "as a tuple"),
        ("tuple(distance(real, x[min(len(a), len(b)) :]) for x in (a, b))", "no sample is left"),
    ],
}
