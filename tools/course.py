"""Run every notebook and write readable pages: `make course`."""

import argparse
import json
import sys
from pathlib import Path

import pages
from runner import NOTEBOOKS, ROOT, TIMEOUT, find, read, run_all, write


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only notebooks whose names begin so")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at a time")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "course")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds a notebook may take")
    options = parser.parse_args(arguments)

    paths, out = find(options.names, options.folder), options.out
    everything = find((), options.folder)
    pages.remove_stale(out, keep={p.stem for p in everything})
    # Results of the notebooks that are not run this time stay in the index.
    memory = out / "results.json"
    results = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}

    def done(path, result):
        results[path.name] = result
        write(memory, json.dumps(results, indent=1))

    finished = run_all(paths, lambda p: out / p.name, options.jobs, options.folder, options.timeout, done)
    publish([p for p in everything if (out / p.name).exists()], results, out)
    failed = [r["name"] for r in finished if r["error"]]
    where = out / "index.html"
    print(f"Read the course in {where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where}")
    if failed:
        sys.exit(f"{len(failed)} of {len(finished)} notebooks failed: {', '.join(failed)}")


def publish(paths, results, out):
    """Write a page for each executed copy, linked to its neighbours, and the index."""
    pages.copy_mathjax(out)
    made, rows = pages.exporter("page"), []
    for path in paths:
        notebook, result = read(out / path.name), results.get(path.name, {})
        remark = "failed" if result.get("error") else f"ran in {result.get('seconds', 0):.0f} s"
        rows.append({**pages.summary(notebook), "page": f"{path.stem}.html", "notebook": path.name, "remark": remark})
    for i, path in enumerate(paths):
        previous, following = rows[i - 1] if i else None, rows[i + 1] if i + 1 < len(rows) else None
        text = pages.convert(
            made, read(out / path.name), path.stem, path.parent, previous=previous, following=following
        )
        write(out / f"{path.stem}.html", text)
    pages.index(rows, out)


if __name__ == "__main__":
    main()
