"""Answers to the exercises of 14_face_to_face: right ones, and the usual wrong ones, each with a word of its hint."""

ROOTS = "torch.linalg.eigvals(C @ S).sqrt().sum().real"
INSIDE = "(torch.cdist(fake, real) <= torch.cdist(real, real).sort(1).values[:, {}])"

ARGUMENTS = {
    "frechet_of": "m, C, n, S",
    "precision": "real, fake, k",
    "fair": "distance, real, a, b",
    "surprise_bound": "log_p, D, L",
}
RIGHT = {
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
    ],
    "surprise_bound": [
        "-log_p + D * math.log(L)",
        "D * np.log(L) - log_p",
        "-(log_p - math.log(L**D))",
    ],
}
WRONG = {
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
        ("(distance(real, a[: len(b)]), distance(real, b))", "b is the shorter"),
        ("(distance(real, a), distance(real, b[: len(a)]))", "a is the shorter"),
        ("tuple(distance(real[: min(len(a), len(b))], x[: min(len(a), len(b))]) for x in (a, b))", "as they are"),
        ("tuple(distance(real, x[: min(len(a), len(b))]) for x in (b, a))", "comes first"),
        ("tuple(distance(real, x[: min(len(a), len(b)) // 2]) for x in (a, b))", "wasteful"),
        ("distance(real, a[: len(b)]) < distance(real, b[: len(a)])", "as a tuple"),
        ("tuple(distance(real, x[min(len(a), len(b)) :]) for x in (a, b))", "no sample is left"),
    ],
    "surprise_bound": [
        ("-log_p - D * math.log(L)", "its surprise is larger"),
        ("-log_p", "has a volume"),
        ("-log_p + math.log(L)", "D pixels"),
        ("-log_p + D * math.log(L - 1)", "1 / L wide"),
        ("-log_p + D * math.log2(L)", "natural"),
        ("-log_p + L * math.log(D)", "D log L"),
        ("-log_p + D * L", "logarithm of L"),
        ("log_p - D * math.log(L)", "that is log P"),
        ("log_p + D * math.log(L)", "sign of log_p"),
        ("(-log_p + D * math.log(L)) / D", "not of a pixel"),
        ("(-log_p + D * math.log(L)) / math.log(2)", "bits"),
        ("-math.exp(log_p) + D * math.log(L)", "already"),
        ("-log_p + D * torch.log(L)", "use math.log"),
    ],
}
