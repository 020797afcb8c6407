"""Run the notebooks that changed and store their outputs in place: `make notebooks`.

A notebook's metadata keeps a hash of the code its outputs came from, so that only changed notebooks run again.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the libraries are loaded: there is nothing to tidy yet, and nothing to tell
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from runner import (
    NOTEBOOKS,
    TIMEOUT,
    Unreadable,
    alone_in,
    as_tool,
    dumps,
    find,
    jobs,
    name_of,
    normalise,
    read,
    remove_parts,
    run_all,
    said_by_checks,
    source_hash,
    write,
)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="run these notebooks, changed or not: 03, evidence/03")
    parser.add_argument("--all", action="store_true", help="run all notebooks, changed or not")
    parser.add_argument("--jobs", type=jobs, default=2, help="notebooks at a time")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds a notebook may take")
    options = parser.parse_args(arguments)
    paths = find(options.names, options.folder, evidence=options.all or not options.names)
    with alone_in(options.folder, "Ctrl-C ends this one"):
        store(options, paths)


def store(options, paths):
    remove_parts(options.folder)
    force = options.all or bool(options.names)
    changed, failed = [], []
    for path in paths:
        try:
            if force or is_changed(read(path)):
                changed.append(path)
            else:
                tidy(path)
        except Unreadable as error:
            print(f"  {error}")
            failed.append(name_of(path, options.folder))
    if not changed and not failed:
        print("No notebook changed since its outputs were stored: nothing to run (ALL=1 runs all).")
        return
    with tempfile.TemporaryDirectory(prefix="store-") as scratch:
        before = {path: path.read_bytes() for path in changed}

        def done(path, result):
            if result["error"]:
                return None
            # Somebody may have edited the notebook while it ran: their text is worth more than our outputs.
            if path.read_bytes() != before[path]:
                result["error"] = {
                    "cell": 0,
                    "message": "it was edited while it ran, so nothing was stored",
                    "source": "",
                }
                return None
            notebook = read(Path(scratch) / name_of(path, options.folder))
            if said := said_by_checks(notebook):
                result["error"] = {
                    "cell": said[0],
                    "message": "a cell tagged check prints nothing when it passes, but this one shows something",
                    "source": "",
                }
                return None
            notebook.metadata["course"] = {"outputs_of": source_hash(notebook)}
            write(path, dumps(normalise(notebook)))
            return "stored"

        def copy(path):
            return Path(scratch) / name_of(path, options.folder)

        results = run_all(changed, copy, options.jobs, options.folder, options.timeout, done) if changed else []
    failed += [r["name"] for r in results if r["error"]]
    if failed:
        sys.exit(f"Not stored, the file is as it was: {', '.join(failed)}")


def is_changed(notebook):
    return notebook.metadata.get("course", {}).get("outputs_of") != source_hash(notebook)


def tidy(path):
    """Rewrite an unchanged notebook in normal form: Markdown and alt texts may have been edited."""
    text = dumps(normalise(read(path)))
    if text != path.read_text(encoding="utf-8"):
        write(path, text)


if __name__ == "__main__":
    as_tool(main)
