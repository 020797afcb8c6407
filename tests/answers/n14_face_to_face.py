"""Answers to the exercises of 14_face_to_face: right ones, and the usual wrong ones, each with a word of its hint."""

ARGUMENTS = {
    "surprise_bound": "log_p, D, L",
}
RIGHT = {
    "surprise_bound": [
        "-log_p + D * math.log(L)",
        "D * np.log(L) - log_p",
        "-(log_p - math.log(L**D))",
    ],
}
WRONG = {
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
