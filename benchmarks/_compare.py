"""What is said of a contest beyond its figures: how sure a middle is, which differences hold, and what still moves."""

import statistics

import numpy as np
from scipy.stats import bootstrap, ttest_rel
from statsmodels.stats.multitest import multipletests


def median_interval(values: list[float]) -> list[float]:
    """95 % interval of the median, by redrawing the values (percentile bootstrap). Of five runs it is a rough one."""
    if len(set(values)) == 1:
        return [values[0]] * 2
    found = bootstrap((values,), np.median, n_resamples=2_000, method="percentile", rng=0)
    return [float(end) for end in found.confidence_interval]


def paired(rows: dict[str, list[float]], base: dict[str, str]) -> dict[str, dict[str, float]]:
    """Mean difference of each row to its base, seed by seed, and p of a paired t-test, corrected by Holm.

    Args:
        rows: name to scores, in the order of the seeds.
        base: name to the name of the row that it is compared with; rows without one are left out.
    """
    found, p_values = {}, []
    for name, other in base.items():
        differences = [a - b for a, b in zip(rows[name], rows[other], strict=True)]
        found[name] = {"base": other, "difference": statistics.mean(differences)}
        same = max(differences) - min(differences) < 1e-12  # as of two rows that failed alike: there is no spread
        p_values.append(float(differences[0] == 0) if same else float(ttest_rel(rows[name], rows[other]).pvalue))
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
