"""What `make` does, on every system: `python make.py course NB=03` (on Windows `py make.py course NB=03`).

The Makefile calls this file, so there is one list of targets. Each sets up what it needs: .venv is made on the first
call, again when the dependencies change, and repaired when its Python is gone or a package is missing. It must at least
start on an old Python, to say which one is needed; so nothing here is newer than Python 3.6, or outside the standard
library.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

import setup_env  # noqa: E402 -- it lies in tools

VARIABLES = {
    "NB": 'only these notebooks: NB=03, NB="01 evidence/03"',
    "ALL": "ALL=1: the evidence, too (notebooks: all, changed or not)",
    "JOBS": "notebooks or test processes at a time (2)",
    "OUT": "in place of build/, where the project cannot be written to",
    "FILE": 'grade: returned notebooks, a folder or a zip: FILE="one.ipynb two.ipynb"',
    "CSV": "grade: writes a table of all marks, CSV=marks.csv",
    "PDF": "PDF=1: slides as PDF, too",
    "TORCH": "TORCH=cpu: PyTorch without its GPU libraries (for the set-up)",
    "PINS": "PINS=none: the newest dependencies in place of those in constraints.txt (for the set-up)",
    "REPOSITORY": "site: the repository's address, for the buttons that open a notebook elsewhere",
    "PYTHON": "makes .venv: PYTHON=python3.12",
}
# Another search path, another backend for figures, asserts switched off: none is to change what runs.
FOREIGN = (
    "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONOPTIMIZE PYTHONWARNINGS PYTHONINSPECT PYTHONSAFEPATH PYTHONPLATLIBDIR "
    "PYTHONDEVMODE MPLBACKEND VIRTUAL_ENV"
).split()


class Variables(dict):
    """What was said as NAME=value, or stands in the environment under that name."""

    def words(self, name):
        return self.get(name, "").split()

    def option(self, name, option):
        """`[option]` if the variable is set, such as ALL=1."""
        return [option] if self.get(name) else []

    def out(self, below=""):
        return str(Path(self.get("OUT") or "build") / below)

    def jobs(self):
        return ["--jobs", self.get("JOBS") or "2"]


# ---- targets: each gives the commands of the environment's Python that it consists of ------------------------------


def setup(v):
    """make .venv, or repair it, and do nothing else"""
    return []


def course(v):
    """run the notebooks, write readable pages to build/course (NB=01 only that one, ALL=1 the evidence, too)"""
    return [["tools/course.py"] + v.jobs() + ["--out", v.out("course")] + v.option("ALL", "--all") + v.words("NB")]


def test(v):
    """check style, run the unit tests, compare every notebook with what is stored (NB=03 only that notebook)"""
    return [["tools/verify.py"] + v.jobs() + ["--out", v.out()] + v.words("NB")]


def lab(v):
    """open JupyterLab on the first notebook"""
    return [["-m", "jupyter", "lab", "--config=tools/lab_config.py", "notebooks/00_start_here.ipynb"]]


def notebooks(v):
    """re-run the changed notebooks and store their outputs in place (NB=evidence/03 forces one, ALL=1 all)"""
    return [["tools/store.py"] + v.jobs() + v.option("ALL", "--all") + v.words("NB"), ["tools/pictures.py"]]


def student(v):
    """write the edition without solutions, and a zip of it that works by itself, to build/student"""
    return [["tools/student.py", "--out", v.out("student")]]


def grade(v):
    """say which exercises of returned notebooks pass (FILE=returned.ipynb, a folder or a zip)"""
    if not v.get("FILE"):
        sys.exit("Say which notebook: FILE=returned.ipynb, or a folder or a zip of several.")
    # one name that exists may have spaces in it
    files = [v["FILE"]] if os.path.exists(v["FILE"]) else v.words("FILE")
    table = ["--csv", os.path.abspath(v["CSV"])] if v.get("CSV") else []
    return [["tools/grade.py"] + [os.path.abspath(file) for file in files] + table]


def slides(v):
    """turn the course's notebooks into slides that need no network, in build/slides (PDF=1 as PDF, too)"""
    return [["tools/slides.py", "--out", v.out("slides")] + v.option("PDF", "--pdf") + v.words("NB")]


def site(v):
    """make one site of all notebooks and of the package, with search, in build/site (best after make course ALL=1)"""
    where = ["--repository", v["REPOSITORY"]] if v.get("REPOSITORY") else []
    return [["tools/website.py", "--course", v.out("course"), "--out", v.out("site")] + where]


def bench(v):
    """run the benchmarks one after another (long)"""
    scripts = sorted(path.name for path in (ROOT / "benchmarks").glob("[!_]*.py"))
    return [["benchmarks/" + name] for name in scripts]


def gpu(v):
    """on a machine with a CUDA device: tests, speed and a published row, in under twelve minutes"""
    return [["tools/gpu.py"]]


def calibrate(v):
    """say how many times longer this machine takes than the reference (seconds)"""
    return [["benchmarks/calibrate.py"]]


# ---- targets that need no environment -------------------------------------------------------------------------------


def pins(v):
    """write constraints.txt anew with the newest versions that fit together (needs uv and a network)"""
    return [["tools/pins.py"]]


def clean(v):
    """remove build/ and caches, never .venv or data"""
    for name in ("build", ".pytest_cache", ".ruff_cache", ".hypothesis"):
        shutil.rmtree(str(ROOT / name), ignore_errors=True)
    for path in ROOT.glob("*.egg-info"):
        shutil.rmtree(str(path), ignore_errors=True)
    for folder in ("course_utils", "tests", "tools", "benchmarks", "notebooks"):
        for name in ("__pycache__", ".ipynb_checkpoints"):
            for path in (ROOT / folder).rglob(name):
                shutil.rmtree(str(path), ignore_errors=True)
    return []


def help_(v):
    """print this list"""
    print(usage())
    return []


def distclean(v):
    """clean, and remove .venv too"""
    clean(v)
    shutil.rmtree(str(ROOT / ".venv"), ignore_errors=True)
    return []


TARGETS = (lab, course, test, setup, notebooks, student, grade, slides, site, bench, gpu, calibrate, pins)
TARGETS += (clean, distclean, help_)
BY_NAME = {target.__name__.rstrip("_"): target for target in TARGETS}
WITHOUT_ENVIRONMENT = (pins, clean, distclean, help_)


def usage():
    lines = ["  make %-10s %s" % (name, target.__doc__) for name, target in BY_NAME.items()]
    lines += ["", "Variables, as in make course NB=03:"]
    lines += ["  %-10s %s" % item for item in sorted(VARIABLES.items())]
    lines += ["", "Without make, on every system: python make.py course NB=03 (on Windows: py make.py course NB=03)"]
    return "\n".join(lines)


def parse(arguments, environment):
    """The targets and the variables; stops with a sentence at a word that is neither."""
    variables = Variables((name, environment[name]) for name in VARIABLES if environment.get(name))
    targets = []
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals and name in VARIABLES:
            variables[name] = value
        elif word in BY_NAME:
            targets.append(BY_NAME[word])
        else:
            known = VARIABLES if equals else BY_NAME
            sys.exit("There is no %s %s; there are %s." % ("variable" if equals else "target", name, ", ".join(known)))
    return targets, variables


def clean_environment(environment):
    """What the commands see of the environment."""
    kept = {name: value for name, value in environment.items() if name not in FOREIGN}
    # Two jobs on a laptop's cores: more than one thread each would only make them wait for one another.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        kept[name] = environment.get(name) or "1"
    kept.update(PYTHONIOENCODING="utf-8", PYTHONUTF8="1")
    return kept


def base_python(wanted):
    """The Python that makes .venv: the one that was asked for, or else the one that runs this; never .venv's own."""
    if wanted:
        found = shutil.which(wanted)
        if not found:
            sys.exit("There is no %s here: install Python 3.11 or newer, or name yours with PYTHON=…" % wanted)
        return found
    inside = Path(sys.executable).parent.parent == ROOT / ".venv"
    return getattr(sys, "_base_executable", sys.executable) if inside else sys.executable


def call(command, environment):
    """Run a command to its end and return its exit status. Ctrl-C reaches it as well, and it may need time to tidy."""
    process = subprocess.Popen([str(word) for word in command], cwd=str(ROOT), env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def main(arguments, environment=os.environ):
    targets, variables = parse(arguments, environment)
    if not targets:
        print(usage())
        return 0
    env = clean_environment(environment)
    for target in targets:
        commands = target(variables)
        python = sys.executable
        if target not in WITHOUT_ENVIRONMENT:
            if not setup_env.is_ready(ROOT):
                command = [base_python(variables.get("PYTHON")), ROOT / "tools" / "setup_env.py"]
                told = {name: variables.get(name, "") for name in ("TORCH", "PINS")}
                if call(command, dict(env, **told)):
                    return 1
            python = setup_env.python_of(ROOT / ".venv")
        for command in commands:
            if target is bench:
                print("== " + command[0], flush=True)
            status = call([python] + command, env)
            if status:
                return status if status > 0 else 128 - status
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # between two commands; what runs says itself that it was interrupted
        sys.exit(130)
    except OSError as error:  # such as a Python that was removed a moment ago
        sys.exit("%s: %s." % (error.strerror or error, error.filename or ROOT))
