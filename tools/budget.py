"""What the last `make course` took, and what is over its budget: the table of build/course/timing.html as Markdown.

Budgets are in calibrated seconds, so that a slow machine is no fault. Over it is a warning; the status is 0.
"""

import argparse
import json
import sys
from pathlib import Path

from pages import BUDGETS
from runner import EVIDENCE, ROOT

TOTAL = 15 * 60  # calibrated seconds of everything


def report(results, github=False):
    """Lines of Markdown for the results of `make course`, and the warnings."""
    lines = ["| notebook | seconds | calibrated | budget | MB |", "|---|--:|--:|--:|--:|"]
    warnings, total = [], 0.0
    for name, result in sorted(results.items(), key=lambda item: (item[0].rpartition("/")[2], item[0])):
        budget = BUDGETS["evidence" if name.startswith(f"{EVIDENCE}/") else "course"]
        calibrated = result.get("calibrated_seconds")
        said = "?" if calibrated is None else f"{calibrated:.1f}"
        lines.append(f"| {name} | {result['seconds']:.0f} | {said} | {budget} | {result['peak_mb']:.0f} |")
        total += calibrated or 0.0
        if calibrated is not None and calibrated > budget:
            warnings.append(f"{name} took {calibrated:.0f} calibrated seconds; its budget is {budget}.")
        if result.get("error"):
            warnings.append(f"{name} failed: {result['error']['message']}")
    lines.append(f"| all | | {total:.0f} | {TOTAL} | |")
    if total > TOTAL:
        warnings.append(f"All notebooks took {total:.0f} calibrated seconds; the budget is {TOTAL}.")
    mark = "::warning::" if github else "Over: "  # the form in which GitHub shows a line as a warning
    return lines, [mark + warning for warning in warnings]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--course", type=Path, default=ROOT / "build" / "course", help="where make course wrote")
    parser.add_argument("--github", action="store_true", help="warnings in the form that GitHub's runners show")
    options = parser.parse_args(arguments)
    memory = options.course / "results.json"
    if not memory.exists():
        sys.exit(f"There is no {memory}: run make course first.")
    lines, warnings = report(json.loads(memory.read_text(encoding="utf-8")), options.github)
    print("\n".join(lines))
    print("\n".join(warnings), file=sys.stderr)


if __name__ == "__main__":
    main()
