"""What is said of a contest beyond its figures: which differences hold, and what still moves."""

import statistics

from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests


def paired(rows: dict[str, list[float]], pairs: list[tuple[str, str]]) -> dict[tuple[str, str], dict]:
    """Mean difference of two rows, seed by seed, its 95 % interval, and p of a paired t-test, corrected by Holm.

    All pairs are one family. Five differences cannot show that they are normal, which the test takes for granted.

    Args:
        rows: name to scores, in the order of the seeds.
        pairs: names of a row and of the one it is compared with.
    """
    found, p_values = {}, []
    for name, other in pairs:
        differences = [a - b for a, b in zip(rows[name], rows[other], strict=True)]
        mean = statistics.mean(differences)
        if max(differences) - min(differences) < 1e-12:  # as of two rows that failed alike: there is no spread
            interval, p = [mean, mean], float(differences[0] == 0)
        else:
            test = ttest_rel(rows[name], rows[other])
            interval, p = [float(end) for end in test.confidence_interval()], float(test.pvalue)
        found[name, other] = {"difference": mean, "interval": interval}
        p_values.append(p)
    if found:
        for row, p in zip(found.values(), multipletests(p_values, method="holm")[1], strict=True):
            row["p_holm"] = float(p)
    return found


def still_moves(half: list[float], full: list[float]) -> bool:
    """Whether the last doubling of the steps moved the runs, on average, by more than they lie apart at the end.

    Of a single run nobody knows how far runs lie apart: it still moves.
    """
    if len(full) < 2:
        return True
    moved = abs(statistics.mean(b - a for a, b in zip(half, full, strict=True)))
    return moved > statistics.stdev(full)
