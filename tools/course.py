"""Run the notebooks and write readable pages: `make course`."""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the libraries are loaded: there is nothing to tidy yet, and nothing to tell
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import runner  # noqa: F401 -- first, since it makes the loading of nbformat a matter of less than a second

import pages
from runner import (
    NOTEBOOKS,
    ROOT,
    TIMEOUT,
    Unreadable,
    alone_in,
    as_tool,
    find,
    jobs,
    name_of,
    read,
    run_all,
    shelf,
    slowest,
    writable,
    write,
)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only notebooks whose names begin so: 03, evidence/03")
    parser.add_argument("--all", action="store_true", help="the evidence, too")
    parser.add_argument("--jobs", type=jobs, default=2, help="notebooks at a time")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "course")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds a notebook may take")
    options = parser.parse_args(arguments)

    out = writable(options.out)
    if any(path.suffix in (".html", ".ipynb") for path in out.iterdir()) and not (out / "results.json").exists():
        # what is not of the course is removed from a folder of pages, and this is not one of ours
        sys.exit(f"{out} has pages or notebooks that are not of this course: name another place with OUT=…")
    with alone_in(out, "or name another place with OUT=…"):
        run_and_publish(options, out)


def run_and_publish(options, out):
    folder = options.folder
    paths = find(options.names, folder, evidence=options.all)
    everything = shelf(folder) + shelf(folder, evidence=True)
    pages.remove_stale(out, keep={bare(p, folder) for p in everything})
    # Results of the notebooks that are not run this time stay in the index.
    memory = out / "results.json"
    results = remembered(memory)
    write(memory, json.dumps(results, indent=1))  # from now on the folder is known to be ours, whatever happens

    slow = calibration()

    def done(path, result):
        kept = {"seconds": result["seconds"], "calibration": slow, "calibrated_seconds": None}
        if slow:
            kept["calibrated_seconds"] = result["seconds"] / slow
        kept |= {"peak_mb": result["peak_mb"], "error": result["error"], "slowest": slowest(result)}
        results[name_of(path, folder)] = kept
        write(memory, json.dumps(results, indent=1))

    finished = run_all(paths, lambda p: out / name_of(p, folder), options.jobs, folder, options.timeout, done)
    publish(folder, results, out)
    failed = [r["name"] for r in finished if r["error"]]
    where = out / "index.html"
    print(f"Read the course in {where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where}")
    if failed:
        sys.exit(f"{len(failed)} of {len(finished)} notebooks failed: {', '.join(failed)}")


def remembered(memory):
    """The results in a file, by name; those that an older version wrote otherwise, or a fault spoilt, are left out."""
    try:
        results = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: result for name, result in results.items() if _is_result(result)} if isinstance(results, dict) else {}


def _is_result(result):
    def is_number(value, least=0.0):
        return isinstance(value, int | float) and value >= least

    try:
        numbers = is_number(result["seconds"]) and is_number(result["peak_mb"])
        error = result["error"] is None or isinstance(result["error"], dict)
        slow = result["calibration"] is None or is_number(result["calibration"], 1e-9)
        return numbers and error and slow and all(is_number(seconds) for _, seconds, _, _ in result["slowest"])
    except (KeyError, TypeError, ValueError):
        return False


def calibration():
    """How many seconds this machine takes for one of the reference machine's; None where that cannot be measured.

    In a process of its own: torch would stay in this one's memory as long as the course runs.
    """
    measure = [sys.executable, str(ROOT / "benchmarks" / "calibrate.py"), "--figure"]
    done = subprocess.run(measure, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def bare(path, folder):
    """The name of a notebook without suffix: what its page is called, too."""
    return name_of(path, folder).removesuffix(".ipynb")


def newest(path, out, folder):
    """The executed copy if it is one of this text, else the notebook as stored; and which of the two it is."""
    stored, copy = read(path), out / name_of(path, folder)
    with contextlib.suppress(FileNotFoundError, Unreadable):
        executed = read(copy)
        if [c.source for c in executed.cells] == [c.source.rstrip() for c in stored.cells]:
            return executed, True
    return stored, False


def publish(folder, results, out):
    """Write a page for each notebook of both shelves, linked to its neighbours, and the index.

    A notebook that was not run here, or has changed since, is shown with its stored outputs, so that no link between
    pages leads nowhere.
    """
    pages.copy_mathjax(out)
    course, beside = shelf(folder), shelf(folder, evidence=True)
    found, rows = {}, {}
    for path in course + beside:
        name, result = bare(path, folder), results.get(name_of(path, folder), {})
        try:
            notebook, ran = newest(path, out, folder)
        except Unreadable as error:
            print(f"  no page of it: {error}")
            continue
        remark = f"{duration(result['seconds'])} here" if ran and result else "not run here, outputs as stored"
        found[path] = notebook
        rows[name] = {
            **pages.summary(notebook),
            "page": f"{name}.html",
            "notebook": name_of(path, folder) if ran else "",
            "remark": "failed" if result.get("error") else remark,
        }
    for evidence in (False, True):
        names = [bare(p, folder) for p in (beside if evidence else course) if p in found]
        for before, name, after in zip([None, *names], names, [*names[1:], None], strict=False):
            rows[name]["previous"], rows[name]["following"] = _step(rows, before), _step(rows, after)
            other = name.removeprefix("evidence/") if evidence else f"evidence/{name}"
            if other in rows:
                page = f"../{other}.html" if evidence else f"{other}.html"
                rows[name]["beside"] = {"page": page, "label": "The lecture" if evidence else "Its evidence"}
    made = pages.exporter("page")
    for path, notebook in found.items():
        name = bare(path, folder)
        links = {key: rows[name].get(key) for key in ("previous", "following", "beside")}
        target, mark = out / f"{name}.html", pages.mark(notebook, sorted(rows), links)
        if not (target.exists() and target.read_bytes().endswith(mark.encode())):
            write(target, pages.convert(made, notebook, name, path.parent, set(rows), **links) + mark)
    lectures = [{**rows[bare(p, folder)], "evidence": rows.get(f"evidence/{p.stem}")} for p in course if p in found]
    readme = folder.parent / "README.md"
    parts = pages.part_of(readme.read_text(encoding="utf-8")) if readme.exists() else {}
    known = {name: result for name, result in results.items() if name.removesuffix(".ipynb") in rows}
    pages.timing(known, {name: result.get("slowest", []) for name, result in known.items()}, out)
    pages.index(lectures, out, parts, timing=True)


def duration(seconds):
    """As a reader counts: seconds below two minutes, then minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _step(rows, name):
    """Where a page leads to before or after itself: both stand on one shelf, in one folder."""
    return {"page": f"{name.rpartition('/')[2]}.html", "title": rows[name]["title"]} if name else None


if __name__ == "__main__":
    as_tool(main)
