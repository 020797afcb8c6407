"""The whole check: style, unit tests, and every notebook compared with its stored outputs: `make test`.

With names of notebooks only these are compared, and only the tests of their form run.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from runner import NOTEBOOKS, ROOT, find, jobs, name_of, writable


def main(arguments=None, run=subprocess.call):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these notebooks: 03, evidence/03")
    parser.add_argument("--jobs", type=jobs, default=2, help="processes at a time")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="where caches and the report go")
    options = parser.parse_args(arguments)
    if not (ROOT / "tests").is_dir():
        sys.exit("This edition has no tests: exercises tell by themselves whether an answer is right.")
    out = writable(options.out).resolve()  # a project that cannot be written to has no place for caches

    style = [sys.executable, "-m", "ruff", "check", "--cache-dir", str(out / "ruff"), "."]
    tests = [sys.executable, "-m", "pytest", "-n", str(options.jobs), "--dist", "loadscope", "--nbval"]
    tests += ["-o", f"cache_dir={out / 'pytest'}", f"--junitxml={out / 'test.xml'}"]
    if options.names:
        chosen = find(options.names)
        named = [name_of(p).removesuffix(".ipynb") for p in chosen]
        form = [f"tests/test_project.py::{test}[{name}]" for name in named for test in form_tests()]
        tests += [*form, *(str(p.relative_to(ROOT)) for p in chosen)]
    else:
        tests += ["tests", str(NOTEBOOKS.relative_to(ROOT))]
    return run(style, cwd=ROOT) or run(tests, cwd=ROOT)


def form_tests(path=ROOT / "tests" / "test_project.py"):
    """The tests of tests/test_project.py that run once for each notebook."""
    lines = path.read_text(encoding="utf-8").splitlines()
    after = [line for mark, line in zip(lines, lines[1:], strict=False) if mark == "@notebooks"]
    return [line.removeprefix("def ").split("(")[0] for line in after]


if __name__ == "__main__":
    sys.exit(main())
