"""When things go wrong: Ctrl-C and kills at random moments, full disks, two runs at once, homes that are read-only.

COURSE_TRIALS=50 tries fifty random moments for each way of ending and each tool; the default is as many as fit into
some seconds, at most six a tool.
"""

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import course
import runner
import setup_env
import store

TRIALS = int(os.environ.get("COURSE_TRIALS", "0"))
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found through /proc")
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals, links or permissions")


def save(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_markdown_cell(f"# {path.stem}\n\nA promise.", id="text")]
    cells += [new_code_cell(source, id=f"code-{n}") for n, source in enumerate(sources)]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def until(true, seconds=60):
    """Wait until a function says something true; returns what it said, or what it said at last."""
    end = time.monotonic() + seconds
    while not (said := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return said


def python(script, *arguments, **more):
    """Start a Python with the tools on its search path."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = {**os.environ, "PYTHONPATH": str(runner.ROOT / "tools")}
    return subprocess.Popen(command, env=env, encoding="utf-8", **pipes, **more)


# ---- ended at random moments -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_course(tmp_path_factory):
    """The tools in a project of their own with three notebooks and a machine of known speed, in an awkward path."""
    root = tmp_path_factory.mktemp("trials") / "a course, übergroß"
    shutil.copytree(runner.ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    runner.write(root / "benchmarks" / "calibrate.py", "print(2.0)")
    (root / "tmp").mkdir()
    for name, middle in (("00_a", "1 + 1"), ("01_b", "import time\ntime.sleep(1)"), ("evidence/00_a", "2 + 2")):
        save(root / "notebooks" / f"{name}.ipynb", "import os", middle, "print(os.getpid())")
    return root


def start(root, tool, mark="", **more):
    command = [sys.executable, root / "tools" / f"{tool}.py", "--all", "--folder", root / "notebooks"]
    command += ["--out", root / "build" / "course"] if tool == "course" else []
    env = {**os.environ, "COURSE_TRIAL": mark, "TMPDIR": str(root / "tmp"), **more}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(list(map(str, command)), cwd=root, env=env, start_new_session=True, **pipes)


def running(mark):
    """The processes that descend from the one that was started with this mark, wherever they have gone to."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"COURSE_TRIAL={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if marked and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(folder.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


def check_files(root, before):
    """Every notebook is the old one or a new one, every page is whole, the results can be read."""
    for path, old in before.items():
        if path.read_bytes() != old:
            notebook = runner.read(path)
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            assert path.read_text().endswith("}\n") and [cell.execution_count for cell in code] == [1, 2, 3]
            assert re.fullmatch(r"\d+\n", code[2].outputs[0].text) and not store.is_changed(notebook)
    out = root / "build" / "course"
    for page in out.rglob("*.html"):
        assert re.search(r"</html>\s*(<!-- made of \w+ -->\s*)?$", page.read_text(encoding="utf-8")), page
    for copy in out.rglob("*.ipynb"):
        runner.read(copy)
    if (out / "results.json").exists():
        written = json.loads((out / "results.json").read_text())
        assert course.remembered(out / "results.json") == written


LASTED = {}  # seconds from the end of a tool to that of all its kernels, by the way in which it ended


def end(root, tool, how, moment, mark):
    """Start the tool and end it after `moment` seconds; nothing is half-written, and nobody lives on."""
    before = {path: path.read_bytes() for path in (root / "notebooks").rglob("*.ipynb")}
    process = start(root, tool, mark)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        if how == "killed":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT if how == "interrupted" else signal.SIGKILL)
    process.wait(60)
    # a kernel looks once a second whether its parent lives, but only when it has started
    ended = time.monotonic()
    assert until(lambda: not running(mark), 1 if how == "interrupted" else 30), (how, moment, running(mark))
    LASTED.setdefault(how, []).append(time.monotonic() - ended)
    said = process.stdout.read().decode()
    process.stdout.close()
    if process.returncode and how == "interrupted":
        # Python's own start, before the first line of the tool, takes a few hundredths of a second
        assert "Traceback" not in said or "/tools/" not in said, said
        last = said.splitlines()[-1:]
        assert process.returncode == -signal.SIGINT or "Traceback" in said or last[0].startswith("Interrupted"), said
    check_files(root, before)
    return process.returncode


@LINUX
@pytest.mark.parametrize("tool", ["course", "store"])
def test_a_run_that_is_ended_at_a_random_moment_leaves_nothing_half_done(small_course, tool):
    root, draw = small_course, random.Random(0)

    def whole_run():
        begun, process = time.monotonic(), start(root, tool)
        said = process.communicate(timeout=300)[0].decode()
        assert process.returncode == 0, said
        assert not list(root.rglob("*.part"))
        return time.monotonic() - begun

    length, begun, ended, wanted = whole_run(), time.monotonic(), [], TRIALS or 2
    ways = ["interrupted", "killed", "killed with its group"]
    while len(ended) < 2 * wanted or (not TRIALS and len(ended) < 6 and time.monotonic() - begun < 10):
        number = len(ended)
        # half of the trials by Ctrl-C, a quarter by each of the two kills
        how = ways[0] if number % 2 == 0 else ways[1 + number // 2 % 2]
        ended.append(end(root, tool, how, draw.uniform(0, length), f"{os.getpid()}-{tool}-{number}"))
        if number % 10 == 9:
            length = whole_run()
    whole_run()
    print(tool, f"{length:.1f} s", {status: ended.count(status) for status in ended}, end=" ")
    print({how: f"{max(seconds):.1f} s" for how, seconds in LASTED.items()})


@LINUX
@pytest.mark.parametrize("how, seconds", [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGKILL, 15)])
def test_no_kernel_lives_on_when_its_tool_has_ended(tmp_path, how, seconds):
    """Not even in the middle of a cell that takes two minutes."""
    begun, mark = tmp_path / "begun", f"{os.getpid()}-{how}"
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tools").symlink_to(runner.ROOT / "tools")
    save(
        tmp_path / "notebooks" / "00_a.ipynb",
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(120)",
    )
    process = start(tmp_path, "store", mark)
    assert until(begun.exists, 120) and len(running(mark)) == 3  # the tool, who runs the notebook, its kernel
    process.send_signal(how)
    said = process.communicate(timeout=60)[0].decode()
    assert until(lambda: not running(mark), seconds), running(mark)
    assert {signal.SIGINT: "Interrupted;", signal.SIGTERM: "Ended.", signal.SIGKILL: ""}[how] in said
    assert process.returncode == (-how if how == signal.SIGKILL else 1) and "Traceback" not in said


# ---- two at once -----------------------------------------------------------------------------------------------------

HOLD = """
    import sys, time, setup_env
    with setup_env.alone(sys.argv[1], "waiting") as handle:
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
        print("left", time.monotonic(), flush=True)
"""


def test_the_second_of_two_waits_and_says_so_and_a_killed_one_blocks_nobody(tmp_path):
    first = python(HOLD, tmp_path, 1)
    assert first.stdout.readline() == "held\n"
    second = python(HOLD, tmp_path, 0)
    assert [second.stdout.readline() for _ in range(2)] == ["waiting\n", "held\n"]
    left, entered = first.communicate(timeout=60)[0].split()[1], time.monotonic()
    assert float(left) <= entered and second.wait(60) == 0
    second.stdout.close()
    killed = python(HOLD, tmp_path, 60)
    assert killed.stdout.readline() == "held\n"
    killed.kill()
    killed.communicate(timeout=60)
    with setup_env.alone(tmp_path, "waiting"):
        assert list(tmp_path.iterdir()) == []  # no file of ours stays in a folder of the user's


@pytest.mark.parametrize("tool", ["course", "store"])
def test_two_runs_never_write_to_the_same_folder(tmp_path, tool):
    """The second waits before it does anything; Ctrl-C ends it with a sentence."""
    save(tmp_path / "00_a.ipynb", "1")
    (tmp_path / "out").mkdir()
    with runner.alone_in(tmp_path / "out" if tool == "course" else tmp_path, "…"):
        command = [sys.executable, str(runner.ROOT / "tools" / f"{tool}.py"), "--folder", str(tmp_path)]
        command += ["--out", str(tmp_path / "out")] if tool == "course" else []
        second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = second.stdout.readline().decode()
        assert said.startswith(f"Another run writes to {tmp_path}") and "waiting" in said
        assert not (tmp_path / "out" / "results.json").exists()
        if os.name == "nt":
            second.kill()
        else:
            second.send_signal(signal.SIGINT)
            assert second.communicate(timeout=60)[0] == b"Interrupted; what was finished is kept.\n"
        second.wait(60)


# ---- the set-up ------------------------------------------------------------------------------------------------------

# A pip that takes a while for ten files, and like the real one does not look into a folder that is already there.
PIP = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1]) / "package"
print("Installing collected packages: package", flush=True)
if not folder.exists():
    folder.mkdir()
    for number in range(10):
        time.sleep(float(sys.argv[2]) / 10)
        (folder / str(number)).touch()
"""
SET_UP = """
    import os, pathlib, subprocess, sys, setup_env
    root, seconds, pip = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    run = subprocess.run
    setup_env.subprocess.run = lambda command, **more: run(command + ["--without-pip"] * ("venv" in command), **more)
    setup_env.subprocess.call = lambda command, **more: 0
    setup_env.pip_environment = lambda python: dict(os.environ)
    packages = root / ".venv" / "lib" / ("python%d.%d" % sys.version_info[:2]) / "site-packages"
    setup_env.commands = lambda *_: [[sys.executable, "-c", pip, str(packages), seconds]]
    setup_env.verify = lambda *_: None if len(list((packages / "package").iterdir())) == 10 else "half a package"
    setup_env.main(root)
"""


@pytest.fixture
def bare_project(tmp_path):
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    return tmp_path


@POSIX
def test_a_set_up_that_is_killed_at_any_moment_is_repaired_by_the_next(bare_project):
    root, draw = bare_project, random.Random(0)
    begun = time.monotonic()
    whole = python(SET_UP, root, 0.5, PIP)
    assert "ready" in whole.communicate(timeout=120)[0] and setup_env.is_ready(root)
    length = time.monotonic() - begun
    for _ in range(TRIALS or 3):
        shutil.rmtree(root / ".venv")
        killed = python(SET_UP, root, 0.5, PIP)
        time.sleep(draw.uniform(0, length))
        killed.kill()
        killed.wait()
        said = python(SET_UP, root, 0.5, PIP).communicate(timeout=120)[
            0
        ]  # at once, while the first one's pip still runs
        assert setup_env.is_ready(root) and len(list(root.rglob("site-packages/package/*"))) == 10, said
        assert "Traceback" not in said
        killed.stdout.close()


@POSIX
def test_of_two_set_ups_one_installs_and_the_other_waits_for_it(bare_project):
    first = python(SET_UP, bare_project, 1, PIP)
    assert first.stdout.readline().startswith("Setting up .venv")
    second = python(SET_UP, bare_project, 1, PIP)
    assert "is ready" in first.communicate(timeout=120)[0]
    said = second.communicate(timeout=120)[0]
    assert said.startswith("Another set-up is at work here: waiting") and "Setting up" not in said
    assert second.returncode == 0


def test_an_environment_is_marked_as_unfinished_before_there_is_anything_in_it(tmp_path, monkeypatch):
    """Else half a pip, of a set-up that was killed while venv was at work, would be taken for a whole one for ever."""
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / ".venv" / "ready").touch()
    seen = []

    def killed(command, **more):
        seen.extend(path.name for path in (tmp_path / ".venv").iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_env.subprocess, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        setup_env.make_venv(tmp_path / ".venv")
    assert seen == ["unfinished"]


@POSIX
@pytest.mark.parametrize("kind, said", [("file", "a file"), ("link", "a link to nowhere")])
def test_what_stands_in_the_place_of_the_environment_is_named_and_kept(bare_project, kind, said):
    venv = bare_project / ".venv"
    venv.write_text("mine") if kind == "file" else venv.symlink_to("nowhere")
    with pytest.raises(SystemExit, match=f".venv is {said}: remove it"):
        setup_env.main(bare_project)
    assert venv.is_symlink() or venv.read_text() == "mine"


# ---- files -----------------------------------------------------------------------------------------------------------


class Full:
    """A file on a full disk."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_in_a_sentence_and_the_old_file_stays(tmp_path, monkeypatch):
    runner.write(tmp_path / "file", "old")
    monkeypatch.setattr(runner, "open", Full, raising=False)
    with pytest.raises(SystemExit) as stopped:
        runner.as_tool(lambda: runner.write(tmp_path / "file", "new"))
    assert stopped.value.code.startswith(f"No space left on device: {tmp_path / 'file'}. What was finished is kept")
    assert (tmp_path / "file").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@LINUX
def test_a_course_on_a_disk_that_is_really_full(tmp_path, capsys, monkeypatch):
    """A megabyte, of which MathJax alone needs more."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], stderr=subprocess.DEVNULL):
        pytest.skip("mounting is forbidden here")
    try:
        save(tmp_path / "in" / "00_a.ipynb", "1")
        monkeypatch.setattr(course, "calibration", lambda: 2.0)
        monkeypatch.setattr(runner, "run", copied)
        with pytest.raises(SystemExit) as stopped:
            runner.as_tool(lambda: course.main(["--folder", str(tmp_path / "in"), "--out", str(disk / "course")]))
        assert stopped.value.code.startswith(f"No space left on device: {disk}") and not list(disk.rglob("*.part"))
        assert course.remembered(disk / "course" / "results.json") and runner.read(disk / "course" / "00_a.ipynb")
    finally:
        subprocess.check_call(["umount", str(disk)])


def copied(path, out, *_):
    """In place of `runner.run`: the notebook as it is."""
    runner.write(out, runner.dumps(runner.normalise(runner.read(path))))
    return {"name": Path(path).name, "seconds": 1.0, "peak_mb": 60.0, "cells": [], "error": None}


@POSIX
def test_a_file_keeps_its_permissions_and_a_new_one_has_those_of_the_users_umask(tmp_path):
    def mode(path):
        return oct(path.stat().st_mode & 0o777)

    before = os.umask(0o022)
    try:
        for mask, expected in ((0o022, "0o644"), (0o077, "0o600"), (0o002, "0o664")):
            os.umask(mask)
            runner.write(tmp_path / f"{mask}", "new")
            assert mode(tmp_path / f"{mask}") == expected
        os.umask(0o077)
        runner.write(tmp_path / f"{0o002}", "again")
        assert mode(tmp_path / f"{0o002}") == "0o664"
    finally:
        os.umask(before)
    (tmp_path / "link").symlink_to(tmp_path / f"{0o077}")
    runner.write(tmp_path / "link", "through")
    assert (tmp_path / "link").is_symlink() and (tmp_path / f"{0o077}").read_text() == "through"


def test_what_a_killed_run_left_beside_the_notebooks_is_removed_and_nothing_else(tmp_path, capsys):
    path = save(tmp_path / "00_a.ipynb", "1")
    save(tmp_path / "evidence" / "00_a.ipynb")
    left = [tmp_path / ".00_a.ipynb.0a1b.part", tmp_path / "evidence" / ".00_a.ipynb.0a1b.part"]
    kept = [tmp_path / "mine.part", tmp_path / ".mine.ipynb", path]
    for file in left + kept[:2]:
        file.write_text("half")
    runner.remove_parts(tmp_path)
    assert not any(file.exists() for file in left) and all(file.exists() for file in kept)


# ---- stale builds ----------------------------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path, monkeypatch, capsys):
    """A folder of pages and what makes it again."""
    monkeypatch.setattr(course, "calibration", lambda: 2.0)
    monkeypatch.setattr(runner, "run", copied)
    save(tmp_path / "in" / "00_a.ipynb", "1")
    out = tmp_path / "out"

    def again():
        course.main(["--folder", str(tmp_path / "in"), "--out", str(out)])
        return json.loads((out / "results.json").read_text())

    again()
    return out, again


OLDER = {"seconds": 1.5}
WRONG = {"seconds": 1, "peak_mb": 2, "error": None, "calibration": "x", "slowest": [[1, 2]]}
GOOD = {"seconds": 1, "peak_mb": 2, "error": None, "calibration": None, "slowest": [[1, 0.6, "x", "id"]]}


@pytest.mark.parametrize("text", ["", '{"00_a', "[1]", "null", "7", '"x"', "\udcff"])
def test_results_that_a_fault_spoilt_are_forgotten(built, text):
    out, again = built
    (out / "results.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert list(again()) == ["00_a.ipynb"]


def test_results_of_an_older_form_are_forgotten_and_good_ones_kept(built):
    out, again = built
    known = {"97_old.ipynb": OLDER, "98_wrong.ipynb": WRONG, "99_good.ipynb": GOOD, "96_none.ipynb": None}
    (out / "results.json").write_text(json.dumps(known))
    assert sorted(again()) == ["00_a.ipynb", "99_good.ipynb"]


def test_what_is_half_or_gone_in_a_folder_of_pages_is_made_again_or_removed(built):
    out, again = built
    page = (out / "00_a.html").read_bytes()
    (out / "00_a.html").write_bytes(page[:500] + b"\xff")
    (out / "00_a.ipynb").write_bytes((out / "00_a.ipynb").read_bytes()[:100])
    for name in ("99_gone.html", "99_gone.ipynb", ".x.part"):
        (out / name).touch()
    again()
    assert (out / "00_a.html").read_bytes() == page
    assert sorted(path.name for path in out.iterdir()) == [
        "00_a.html",
        "00_a.ipynb",
        "index.html",
        "mathjax",
        "results.json",
        "timing.html",
    ]


def test_a_folder_of_the_users_own_notebooks_is_not_taken_for_a_place_of_pages(tmp_path):
    mine = save(tmp_path / "mine" / "99_mine.ipynb", "1")
    before = mine.read_bytes()
    save(tmp_path / "in" / "00_a.ipynb", "1")
    with pytest.raises(SystemExit, match="notebooks that are not of this course: name another place with OUT="):
        course.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "mine")])
    assert mine.read_bytes() == before and list(mine.parent.iterdir()) == [mine]


@POSIX
def test_a_build_that_is_a_link_to_nowhere_is_named(tmp_path):
    (tmp_path / "build").symlink_to("nowhere")
    with pytest.raises(SystemExit, match=r"build is a link to nowhere. Name another place: make … OUT="):
        runner.writable(tmp_path / "build" / "course")


# ---- homes and kernels -----------------------------------------------------------------------------------------------


@POSIX
def test_a_home_that_cannot_be_written_to_and_foreign_settings_of_jupyter_do_no_harm(tmp_path, monkeypatch, capsys):
    """Nobody can write below /dev/null, not even root. Neither an error nor a warning gets into the outputs."""
    for name in [name for name in os.environ if name.startswith(("XDG_", "MPLCONFIG", "JUPYTER_"))]:
        monkeypatch.delenv(name)
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    runner.write(kernel, '{"argv": ["false"], "display_name": "foreign", "language": "python"}')
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "HOME"):
        monkeypatch.setenv(name, "/dev/null")
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    path = save(tmp_path / "in" / "00_a.ipynb", "import matplotlib.pyplot as plt", "plt.plot([0, 1])\nplt.show()")
    script = "import pathlib, sys, runner; i, o = map(pathlib.Path, sys.argv[1:]); runner.run_all([i], lambda p: o)"
    said = python(script, path, tmp_path / "out.ipynb").communicate(timeout=300)[0]
    assert "FAILED" not in said, said
    _, loaded, drawn = runner.read(tmp_path / "out.ipynb").cells
    assert loaded.outputs == [] and [output.output_type for output in drawn.outputs] == ["display_data"]


@pytest.mark.skipif(runner.resource is None, reason="Windows knows no limit of memory")
def test_a_notebook_without_memory_or_one_that_cannot_be_interrupted_is_told_in_a_sentence(tmp_path, capsys):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))"
    hungry = save(tmp_path / "hungry.ipynb", limit, "x = bytearray(2**32)")
    stubborn = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    stubborn = save(
        tmp_path / "stubborn.ipynb", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)", stubborn
    )
    begun = time.monotonic()
    first, second = runner.run_all([hungry, stubborn], lambda p: tmp_path / "out" / p.name, timeout=15)
    assert (first["error"]["cell"], first["error"]["message"].split(":")[0]) == (2, "MemoryError")
    assert "still running after 15 s" in second["error"]["message"] and time.monotonic() - begun < 120


def test_a_notebook_that_vanishes_is_named(tmp_path):
    gone = runner.run(tmp_path / "gone.ipynb", tmp_path / "out.ipynb")
    assert "gone.ipynb" in gone["error"]["message"]
    (tmp_path / "folder.ipynb").mkdir()
    with pytest.raises(runner.Unreadable, match="folder.ipynb cannot be read"):
        runner.read(tmp_path / "folder.ipynb")
