"""Say which exercises of returned notebooks pass: `make grade FILE=…` (notebooks, folders, zips).

A notebook is recognised by its cells, whatever its file is called now. Of an answer only the reader's own code is
taken; everything else is the course's: for each exercise a fresh process runs the cells of the course that this code
uses (and cells that the reader added, where they define what it uses), then the code, and hands the result to the
course's check. So a deleted import does no harm, an edited check has no say, and what an answer prints is not listened
to. An answer that raises, hangs, or ends its process costs itself and no other.

The code of other people runs here as you, with your files and your network: use a container for people you don't trust.
An answer that replaces what the check compares with is not counted, and one that reaches for Python's insides is
marked "look at it"; against somebody who is set on deceiving only reading helps.
"""

import argparse
import ast
import builtins
import contextlib
import copy
import csv
import functools
import inspect
import io
import json
import math
import os
import re
import signal
import subprocess
import symtable
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from IPython.core.inputtransformer2 import TransformerManager

from runner import (
    NOTEBOOKS,
    Unreadable,
    clean_environment,
    find,
    jobs,
    name_of,
    read,
    read_all,
    tags,
    why_it_died,
    writable,
    write,
)

LARGEST = 50_000_000  # bytes of a file in a zip: a notebook of the course has less than two million
SKIPPED = {"__MACOSX", ".ipynb_checkpoints"}
# Who needs these for an exercise? They lead from an answer to the check that called it.
LOOK = {"_getframe", "currentframe", "f_back", "f_locals", "f_globals", "__globals__", "__code__", "__closure__"}
LOOK |= {"__torch_function__", "builtins", "gc", "inspect", "settrace", "sys", "exercises", "judge", "ctypes"}


# ---- what was returned -----------------------------------------------------------------------------------------------


def returned(paths, room):
    """The notebooks in files, folders and zips as (what to call it, where it lies), and a sentence for each failure."""
    found, wrong = [], []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in (".ipynb", ".zip")]
            inside = [p for p in inside if p.is_file() and not SKIPPED & set(p.parts)]
            if not inside:
                wrong.append(f"{path} has no notebook in it.")
        else:
            inside = [path]
        for file in inside:
            if file.suffix.lower() != ".zip":
                found.append((str(file), file))
                continue
            try:
                unpacked = list(unzip(file, Path(tempfile.mkdtemp(dir=room))))
                found += unpacked
                if not unpacked:
                    wrong.append(f"{file} has no notebook in it.")
            except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
                wrong.append(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.")
    return found, wrong


def unzip(path, room, depth=3):
    """Copy the notebooks of a zip, and of the zips in it, into the folder `room`, under names of ours."""
    with zipfile.ZipFile(path) as archive:
        for number, entry in enumerate(archive.infolist()):
            kind, parts = Path(entry.filename).suffix.lower(), set(entry.filename.split("/"))
            if entry.is_dir() or kind not in (".ipynb", ".zip") or SKIPPED & parts:
                continue
            if entry.file_size > LARGEST:
                raise zipfile.BadZipFile(f"{entry.filename} in it is larger than {LARGEST // 10**6} MB")
            copied = room / f"{number}{kind}"
            write(copied, archive.read(entry))
            if kind == ".ipynb":
                yield f"{path}/{entry.filename}", copied
            elif depth:
                inner = unzip(copied, Path(tempfile.mkdtemp(dir=room)), depth - 1)
                yield from ((label.replace(str(copied), f"{path}/{entry.filename}"), where) for label, where in inner)


# ---- code ------------------------------------------------------------------------------------------------------------


@dataclass
class Code:
    """A cell's code as plain Python, with the names that it takes from elsewhere and those that it gives."""

    text: str
    own: bool = False  # the reader's
    spare: bool = False  # a cell of the course that the reader changed: only for names that nothing else gives
    reads: set = field(default_factory=set)
    binds: set = field(default_factory=set)
    values: set = field(default_factory=set)  # those bound names whose value other cells may change: a model, a list
    raised: str = ""  # why it is no Python

    def __post_init__(self):
        try:
            self.text = TransformerManager().transform_cell(self.text)
            body = ast.parse(self.text).body
            later = set()
            self.reads = _reads(body, self.binds, later) | (later - self.binds)
            self.binds = set().union(*map(_binds, body)) if body else set()
        except (SyntaxError, ValueError, RecursionError) as error:
            self.raised = f"{type(error).__name__}: {error}"
            return
        constant = set().union(*(_binds(node) for node in body if _is_constant(node)))
        self.values = self.binds - constant
        if "get_ipython()" in self.text:  # what stands in a magic is text
            self.reads |= set(re.findall(r"[^\W\d]\w*", self.text))


def _is_constant(node):
    """Whether a statement binds its names to something that no other cell changes in place."""
    if isinstance(node, ast.Assign):
        plain = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.operator, ast.unaryop, ast.expr_context)
        return all(isinstance(part, plain) for part in ast.walk(node.value))
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _table(node):
    return symtable.symtable(ast.unparse(node), "cell", "exec")


def _binds(node):
    """The names of the module that a statement binds, also inside functions that declare them global."""
    table = _table(node)
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    inner, waiting = set(), list(table.get_children())
    while waiting:
        child = waiting.pop()
        waiting += child.get_children()
        inner |= {s.get_name() for s in child.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return bound | inner


def _uses(node, later):
    """The names of the module that a statement or expression reads; `later` gets those that its functions will."""
    table = _table(node)
    waiting = list(table.get_children())
    while waiting:
        child = waiting.pop()
        waiting += child.get_children()
        later |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
    added = {n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
    return {s.get_name() for s in table.get_symbols() if s.is_referenced()} | added


def _reads(statements, bound, later):
    """What statements read that is not bound before, in `bound` or by themselves; what they surely bind joins `bound`.

    Names bound in a branch or a loop may not be bound behind it, so there they count only inside.
    """
    found = set()
    for node in statements:
        if isinstance(node, ast.For | ast.AsyncFor):
            found |= _uses(node.iter, later) - bound
            inside = bound | {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
            found |= _reads(node.body, set(inside), later) | _reads(node.orelse, set(bound), later)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                found |= _uses(item.context_expr, later) - bound
                bound |= {n.id for n in ast.walk(item) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            found |= _reads(node.body, bound, later)
        elif isinstance(node, ast.If | ast.While):
            found |= _uses(node.test, later) - bound
            found |= _reads(node.body, set(bound), later) | _reads(node.orelse, set(bound), later)
        else:
            found |= _uses(node, later) - bound
            bound |= _binds(node)
    return found


def needed(before, wanted):
    """The cells among `before` that give the names `wanted`, or may change what is behind them, in their order.

    A cell that gives a name brings the names that it reads. A cell that only mentions a name counts if the name stands
    for a value, such as a model: it may train it. A function, a class or a module is what it was defined to be.
    """
    given = set().union(*(cell.binds for cell in before if not cell.spare)) if before else set()
    values = set().union(*(cell.values for cell in before)) if before else set()
    chosen, names = set(), set(wanted)
    while True:
        more = set()
        for number, cell in enumerate(before):
            asked = names - given if cell.spare else names
            mentioned = set() if cell.spare else cell.reads & names & values
            if number not in chosen and (cell.binds & asked or mentioned):
                more.add(number)
        if not more:
            return [before[number] for number in sorted(chosen)]
        chosen |= more
        names |= set().union(*(before[number].reads for number in more))


class _Checks(ast.NodeTransformer):
    """Takes the calls `exercises.NAME(…)` out of code, and keeps them."""

    def __init__(self):
        self.calls = []

    def visit_Call(self, node):
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            if function.value.id == "exercises":
                self.calls.append(node)
                return ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)


def split(source, check=""):
    """A cell's code up to its check, without calls of checks, and what it hands over: name of the check -> expression.

    With `check` the code ends where this one is called: what stands behind it came too late for it.
    """
    try:
        body = ast.parse(TransformerManager().transform_cell(source)).body
    except (SyntaxError, ValueError, RecursionError):
        return source, {}
    kept, handed = [], {}
    for node in body:
        taker = _Checks()
        kept.append(taker.visit(node))
        for call in taker.calls:
            given = [*call.args, *(word.value for word in call.keywords)]
            if given:
                handed[call.func.attr] = ast.unparse(given[0])
        if check and check in handed:
            break
    return "\n".join(ast.unparse(ast.fix_missing_locations(node)) for node in kept), handed


# ---- the course ------------------------------------------------------------------------------------------------------


@dataclass
class Exercise:
    label: str  # 07.1
    title: str
    check: str  # the name in course_utils.exercises
    handed: str  # what the course's own cell hands to it
    cell: dict
    solution: str


@dataclass
class Lecture:
    name: str  # 07_vae
    cells: list
    exercises: list

    @functools.cached_property
    def ids(self):
        return {cell.id: cell for cell in self.cells if cell.get("id")}

    @functools.cached_property
    def sources(self):
        return {cell.source.strip() for cell in self.cells if len(cell.source.strip()) > 20}

    @functools.cached_property
    def parsed(self):
        """The course's code cells, except exercises and solutions, by the number of the cell."""
        code = [(i, cell) for i, cell in enumerate(self.cells) if cell.cell_type == "code"]
        return {i: Code(cell.source) for i, cell in code if not {"exercise", "solution"} & tags(cell)}


def lectures(folder):
    """The course's notebooks of both shelves, with their exercises."""
    found = []
    for path, notebook in read_all(find((), folder, evidence=True)).items():
        exercises, title = [], ""
        name, cells = name_of(path, folder).removesuffix(".ipynb"), notebook.cells
        for cell, following in zip(cells, [*cells[1:], None], strict=True):
            if cell.cell_type == "markdown":
                heading = re.search(r"^#{2,} \d+ · (.+?)(?: \([^()]*\))?$", cell.source, re.M)
                title = heading[1] if heading else title
            elif "exercise" in tags(cell):
                ((check, handed),) = split(cell.source)[1].items()
                solved = following.source if following is not None and "solution" in tags(following) else ""
                label = f"{path.name[:2]}.{len(exercises) + 1}"
                exercises.append(Exercise(label, title, check, handed, cell, solved.strip()))
        found.append(Lecture(name, cells, exercises))
    return found


def recognise(notebook, label, course):
    """The course's notebook that a returned one was, by what is left of its cells, else by its file's name; or None."""
    ids = {cell.get("id") for cell in notebook.cells}
    sources = {cell.source.strip() for cell in notebook.cells}
    called = set().union(*(split(cell.source)[1] for cell in notebook.cells if cell.cell_type == "code"), ())

    def shared(lecture):
        checks = {exercise.check for exercise in lecture.exercises}
        named = Path(lecture.name).name in label and "/" not in lecture.name
        return len(ids & set(lecture.ids)) + len(sources & lecture.sources) + 3 * len(called & checks), named

    best = max(course, key=shared)
    points, named = shared(best)
    return best if points >= 3 or named else None


def answers(notebook, lecture):
    """For each exercise the cell with the reader's answer, None if there is none.

    That is the last cell that calls its check, or the one in its old place; best one that was changed.
    """
    solved = {cell.id for cell in lecture.cells if "solution" in tags(cell) and cell.get("id")}
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and "solution" not in tags(cell)]
    own = [cell for cell in code if cell.get("id") not in solved]
    called = [split(cell.source)[1] for cell in own]

    def chosen(exercise):
        def worth(i):
            return own[i].source.strip() != exercise.cell.source.strip(), exercise.check in called[i], i

        at = exercise.cell.get("id")
        fit = [i for i, cell in enumerate(own) if exercise.check in called[i] or (at and cell.get("id") == at)]
        return own[max(fit, key=worth)] if fit else None

    return {exercise.label: chosen(exercise) for exercise in lecture.exercises}


def before(exercise, notebook, lecture, chosen):
    """All code that stands before an exercise: the course's, with the reader's answers and added cells in it."""
    known = {cell.source.strip() for cell in lecture.cells}
    places = {cell.id: i for i, cell in enumerate(lecture.cells) if cell.get("id")}
    by_source = {cell.source.strip(): i for i, cell in enumerate(lecture.cells)}
    answered = [cell for cell in chosen.values() if cell is not None]
    added, last = {}, -1  # behind which cell of the course -> cells of the reader
    for cell in notebook.cells:
        place = by_source.get(cell.source.strip(), places.get(cell.get("id")))
        if cell.cell_type == "code" and "solution" not in tags(cell) and cell.source.strip() not in known:
            theirs = lecture.cells[place] if place is not None else None
            if not any(cell is one for one in answered) and not (theirs and "solution" in tags(theirs)):
                spare = theirs is not None and "exercise" not in tags(theirs)
                # The half of an exercise's cell that was split off must come before its check.
                at = last if theirs is None or "exercise" in tags(theirs) else place
                added.setdefault(at, []).append(Code(split(cell.source)[0], own=True, spare=spare))
        last = last if place is None else place
    sequence = list(added.get(-1, []))
    of_exercise = {id(one.cell): one for one in lecture.exercises}
    for i, cell in enumerate(lecture.cells):
        other = of_exercise.get(id(cell))
        if other is exercise:
            return sequence
        if other and chosen[other.label] is not None:
            sequence.append(Code(split(chosen[other.label].source, other.check)[0], own=True))
        elif i in lecture.parsed:
            sequence.append(lecture.parsed[i])
        sequence += added.get(i, [])
    return sequence


# ---- judging ---------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    word: str  # passed, not yet, raised X, not answered, missing, out of time, ended its process, not counted
    detail: str = ""
    remark: str = ""


def grade(notebook, lecture, timeout):
    """A verdict for each exercise of a returned notebook, by label; together they take at most `timeout` seconds."""
    chosen, verdicts = answers(notebook, lecture), {}
    with Judge() as judge:
        for number, exercise in enumerate(lecture.exercises):
            cell = chosen[exercise.label]
            if cell is None:
                verdicts[exercise.label] = Verdict("missing")
            elif cell.source.strip() in (exercise.cell.source.strip(), ""):
                verdicts[exercise.label] = Verdict("not answered")
            else:
                # An equal share of the time that is left: what hangs must not eat the time of the others.
                share = max(1.0, (timeout - judge.spent) / (len(lecture.exercises) - number))
                verdicts[exercise.label] = grade_one(exercise, cell, notebook, lecture, chosen, judge, share)
    return verdicts


def grade_one(exercise, cell, notebook, lecture, chosen, judge, timeout):
    text, handed = split(cell.source, exercise.check)
    answer = Code(text, own=True)
    if answer.raised:
        return Verdict(f"raised {answer.raised.split(':')[0]}", _short(answer.raised))
    expression = handed.get(exercise.check, exercise.handed)
    wanted = answer.reads | (Code(expression).reads - answer.binds)
    used = needed(before(exercise, notebook, lecture, chosen), wanted)
    first = next(iter(lecture.parsed.values()), None)  # the imports
    if first is not None and first not in used:
        used.insert(0, first)
    job = {"before": [[code.text, code.own] for code in used], "answer": answer.text}
    verdict = judge.ask({**job, "handed": expression, "check": exercise.check}, timeout)
    verdict.remark = remark("\n".join([*(code.text for code in used if code.own), answer.text]))
    if not verdict.remark and exercise.solution and cell.source.strip() == exercise.solution:
        verdict.remark = "word for word the course's solution"
    return verdict


def remark(text):
    """What a teacher should know of an answer's code beside its verdict."""
    names = set()
    with contextlib.suppress(SyntaxError):
        for node in ast.walk(ast.parse(text)):
            names |= {getattr(node, key) for key in ("id", "attr") if hasattr(node, key)}
            if isinstance(node, ast.FunctionDef):
                names.add(node.name)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {part for alias in node.names for part in alias.name.split(".")} - {"exercises"}
                names |= set((getattr(node, "module", None) or "").split("."))
    found = sorted(names & LOOK)
    return f"look at it: it has {', '.join(found)}" if found else ""


class Judge:
    """A process that judges one answer after another, each in a process of its own, and is ended with what it started.

    To import torch takes seconds. Where that is safe, on Linux, the process imports once and forks for each answer;
    elsewhere each answer gets a new one.
    """

    def __enter__(self):
        self.folder, self.process = tempfile.TemporaryDirectory(prefix="grade-"), None
        self.spent = 0.0  # seconds on answers: how long this process takes to start is not theirs
        self.room = Path(self.folder.name)
        (self.room / "notebooks").mkdir()  # cells read ../benchmarks/results, and an answer may write where it runs
        with contextlib.suppress(OSError):
            (self.room / "benchmarks").symlink_to(NOTEBOOKS.parent / "benchmarks", target_is_directory=True)
        return self

    def __exit__(self, *_):
        self.end()
        self.folder.cleanup()

    def start(self):
        if _stopped.is_set():
            sys.exit("Ended.")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--judge"],
            cwd=self.room / "notebooks",
            env={**clean_environment(self.room / "home"), "MPLBACKEND": "agg"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=os.name == "posix",
        )
        _running.add(self)
        if self.process.stdout.readline() != b"ready\n":
            said = self.process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            sys.exit(f"The process that judges answers did not start: {_short(*said or ['no message'])}")

    def kill(self):
        """End the process and all that it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL) if os.name == "posix" else self.process.kill()

    def end(self):
        if self.process is not None:
            self.kill()
            self.process.communicate()
            self.process = None
        _running.discard(self)

    def ask(self, job, timeout):
        """The verdict on one answer."""
        if self.process is None:
            self.start()
        written, late = self.room / f"{time.monotonic_ns()}.json", threading.Event()

        def stop():
            late.set()
            self.kill()

        timer, begun = threading.Timer(timeout, stop), time.monotonic()
        timer.start()
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps({**job, "verdict": str(written)}).encode() + b"\n")
            self.process.stdin.flush()
        status = self.process.stdout.readline().strip()  # nothing where the process itself has ended
        timer.cancel()
        self.spent += time.monotonic() - begun
        if not status:
            self.kill()
            status = self.process.wait()
            self.end()
        if written.exists():
            return Verdict(*json.loads(written.read_text(encoding="utf-8")))
        if late.is_set():
            return Verdict("out of time", f"ended after {timeout:.0f} s")
        return Verdict("ended its process", why_it_died(SimpleNamespace(poll=lambda: int(status))).strip("()"))


_running, _stopped = set(), threading.Event()  # to be ended when we are, and whether that has begun


def serve():
    """In a process of its own: judge the answers whose jobs come through stdin, a line each.

    So nothing of a job is left where an answer may look, in arguments or environment; and what an answer prints goes
    nowhere, since the way back is open to the process alone that started it.
    """
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell  # noqa: F401

    import course_utils.exercises  # noqa: F401 -- once, for all answers

    matplotlib.use("agg")
    asked, back, nowhere = os.fdopen(os.dup(0), "rb"), os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.write(back, b"ready\n")
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    for line in asked:
        if sys.platform != "linux":
            judge_here(json.loads(line))
        child = os.fork()
        if not child:
            os.close(back)
            os.close(asked.fileno())
            judge_here(json.loads(line))
        os.write(back, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def judge_here(job):
    """Run the cells and the answer, hand the result to the check, write what it says, and end this process."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from course_utils import exercises
    from course_utils.exercises import judge

    check, said = getattr(exercises, job["check"]), []
    judge.print = said.append  # what an answer prints itself does not come this way
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.ask_exit = sys.exit  # exit() in a notebook ends it

    def verdict():
        for text, own in job["before"]:
            result = shell.run_cell(text)
            if own and not result.success:
                return raised(result.error_before_exec or result.error_in_exec)
        replaced = guard()
        result = shell.run_cell(job["answer"])
        if not result.success:
            return raised(result.error_before_exec or result.error_in_exec)
        try:
            answer = eval(job["handed"], shell.user_ns)
            said.clear()
            check(answer)
        except BaseException as error:  # also KeyboardInterrupt, which checks let through
            return raised(error)
        if name := replaced():
            return "not counted", f"it replaced {name}, which the check relies on"
        return told(said[-1] if said else "")

    try:
        word, detail = verdict()
        write(job["verdict"], json.dumps([word, _short(detail)]))
    finally:
        os._exit(0)  # no atexit of the answer, no thread of it that goes on


def raised(error):
    return f"raised {type(error).__name__}", f"{type(error).__name__}: {error}"


def told(line):
    """A check's line as a verdict."""
    if line.startswith("correct."):
        return "passed", ""
    hint = line.removeprefix("not yet: ")
    if hint.startswith("write your answer in place of"):
        return "not answered", ""
    error = re.match(r"your code raised (\w+)", hint)
    return (f"raised {error[1]}", hint.removeprefix("your code raised ")) if error else ("not yet", hint)


def guard():
    """Remember the functions that checks compare with; the result says which one was replaced since, or ''."""
    import numpy
    import torch

    own = [module for name, module in sys.modules.items() if name.split(".")[0] == "course_utils"]
    places = [builtins, copy, inspect, math, numpy, torch, torch.nn.functional, torch.Tensor, torch.nn.Module, *own]
    kept = [
        (place, name, value, getattr(value, "__code__", None))
        for place in places
        for name, value in list(vars(place).items())
        if name != "_" and callable(value)
    ]

    def changed():
        for place, name, value, code in kept:
            now = vars(place).get(name)
            replaced = now is not value and not _wrapped_by_torch(now, value)
            if replaced or getattr(value, "__code__", None) is not code:
                return f"{place.__name__}.{name}"
        return ""

    return changed


def _wrapped_by_torch(now, before):
    """Whether torch did that itself: parts of it that are loaded late wrap functions such as torch.manual_seed."""
    code = getattr(now, "__code__", None)
    known = getattr(now, "__wrapped__", None) is before
    return known and code is not None and "torch" in Path(code.co_filename).parts


def _short(text, most=200):
    """One line for a terminal and a table, whatever an answer put into it."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return line if len(line) <= most else line[: most - 1] + "…"


# ---- the report ------------------------------------------------------------------------------------------------------


def lines(label, lecture, verdicts, seconds):
    """What is printed of one notebook."""
    passed = sum(verdict.word == "passed" for verdict in verdicts.values())
    yield f"{_short(label)}: {lecture.name}, {passed} of {len(verdicts)} passed ({seconds:.0f} s)"
    width = max(len(verdict.word) for verdict in verdicts.values())
    for exercise in lecture.exercises:
        verdict = verdicts[exercise.label]
        more = " · ".join(part for part in (exercise.title, verdict.detail, verdict.remark) if part)
        yield f"  {exercise.label}  {verdict.word:{width}}  {more}"


def table(graded):
    """The class as CSV: a row for each notebook, a column for each exercise, in the order of the course."""
    columns = sorted({label for _, _, verdicts in graded for label in verdicts})
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(["file", "notebook", "passed", "of", *columns, "remarks"])
    for label, lecture, verdicts in graded:
        words = [verdicts[column].word if column in verdicts else "" for column in columns]
        remarks = "; ".join(f"{key}: {verdict.remark}" for key, verdict in verdicts.items() if verdict.remark)
        safe = f"'{label}" if label[:1] in "=+-@" else label  # a spreadsheet would take it for a formula
        writer.writerow([safe, lecture.name, words.count("passed"), len(verdicts), *words, remarks])
    return made.getvalue().encode("utf-8-sig")  # the mark tells spreadsheets that it is UTF-8


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, help="returned notebooks, folders or zips of them")
    parser.add_argument("--csv", type=Path, help="write a table of the class to this file")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the exercises of one notebook (600)")
    parser.add_argument("--jobs", type=jobs, default=2, help="notebooks at a time")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS, help="the course's own notebooks")
    options = parser.parse_args(arguments)
    course, graded = lectures(options.folder), []
    if options.csv:
        writable(options.csv.parent)
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))

    def one(label, path):
        begun = time.monotonic()
        try:
            notebook = read(path)
        except Unreadable as error:
            return f"{str(error).replace(str(path), label)}."
        except OSError as error:
            return f"{label} cannot be read: {(error.strerror or str(error)).lower()}."
        lecture = recognise(notebook, label, course)
        if lecture is None:
            return f"{label} is none of the course's notebooks."
        if not lecture.exercises:
            return lecture
        return lecture, grade(notebook, lecture, options.timeout), time.monotonic() - begun

    with tempfile.TemporaryDirectory(prefix="returned-") as room:
        found, wrong = returned(options.paths, room)
        pool = ThreadPoolExecutor(options.jobs)
        try:
            for (label, _), result in zip(found, pool.map(lambda pair: one(*pair), found), strict=True):
                if isinstance(result, str):
                    wrong.append(result)
                elif isinstance(result, Lecture):
                    print(f"{_short(label)}: {result.name} has no exercises.")
                else:
                    lecture, verdicts, seconds = result
                    graded.append((label, lecture, verdicts))
                    print("\n".join(lines(label, lecture, verdicts, seconds)), flush=True)
        except KeyboardInterrupt:
            sys.exit("Interrupted.")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            _stopped.set()  # a thread that judges starts no further process
            for judge in list(_running):
                judge.kill()
            pool.shutdown()
            _stopped.clear()
    if graded:
        passed = sum(verdict.word == "passed" for _, _, verdicts in graded for verdict in verdicts.values())
        asked = sum(len(verdicts) for _, _, verdicts in graded)
        print(f"Notebooks: {len(graded)}. Exercises passed: {passed} of {asked}.")
    if options.csv:
        write(options.csv, table(graded))
        print(f"The table is in {options.csv}.")
    for sentence in wrong:
        print(_short(sentence, 400), file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--judge"] else main())
