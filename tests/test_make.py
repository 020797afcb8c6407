"""make.py, what `make` does without make: targets, variables, the environment of what runs, the set-up before it."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import setup_env

ROOT = Path(setup_env.ROOT)
POSIX = pytest.mark.skipif(shutil.which("make") is None or os.name == "nt", reason="there is no make here")


@pytest.fixture(params=["project", "a project, übergroß"])
def project(tmp_path, request):
    """A copy of what starts things, in a path without and with spaces and foreign letters, its environment ready."""
    root = tmp_path / request.param
    (root / "tools").mkdir(parents=True)
    for name in ("Makefile", "make.py", "tools/setup_env.py"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "tools" / "student.py").write_text("import sys; print('it ran', *sys.argv[1:])")
    for name in ("pyproject.toml", "constraints.txt"):
        (root / name).touch()
    python = setup_env.python_of(root / ".venv")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (root / ".venv" / "pyvenv.cfg").write_text("version = 3.12.4\n")
    (root / ".venv" / "ready").write_text(setup_env.fingerprint(root, (3, 12)))
    return root


def run(command, root, **more):
    environment = {**os.environ, **more}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, encoding="utf-8")


def make_py(root, *words, **more):
    return run([sys.executable, str(root / "make.py"), *words], root, **more)


@POSIX
def test_make_asks_every_time_whether_the_environment_is_ready(project):
    """And answers in well under a second."""

    def make(**more):
        return run(["make", "student", "PYTHON=no-such-python"], project, **more)

    said = f"it ran --out {Path('build/student')}\n"
    assert make().stdout == said
    assert make(PYTHONPATH="/nowhere", PYTHONHOME="/nowhere", MPLBACKEND="Agg", VIRTUAL_ENV="/no").stdout == said
    (project / ".venv" / "installed").write_text("numpy")
    assert make().stderr.startswith("There is no no-such-python here")
    shutil.rmtree(project / ".venv")
    done = make()
    assert done.returncode
    assert done.stderr.startswith("There is no no-such-python here: install Python 3.11 or newer")


@POSIX
def test_make_and_make_py_have_the_same_targets_and_hand_over_the_variables(project):
    listed = run(["make"], project).stdout
    assert listed == make_py(project).stdout == make_py(project, "help").stdout and "make course" in listed
    names = [line.split()[1] for line in listed.splitlines() if line.startswith("  make ")]
    for name in names:
        assert run(["make", "-n", name], project).returncode == 0, name
    out = str(project / "an other place")
    expected = f"it ran --out {Path(out) / 'student'}\n"
    assert run(["make", "student", f"OUT={out}"], project).stdout == expected
    assert make_py(project, "student", f"OUT={out}").stdout == expected
    assert run(["make", "student"], project, OUT=out).stdout == expected


def test_it_works_from_any_folder_and_is_readable_by_old_pythons(project):
    done = run([sys.executable, str(project / "make.py"), "student"], project.parent)
    assert done.stdout.startswith("it ran") and done.returncode == 0
    ast.parse((ROOT / "make.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("word, said", [("curse", "There is no target curse"), ("NP=3", "There is no variable NP")])
def test_a_word_that_is_no_target_is_named(project, word, said):
    done = make_py(project, word)
    assert done.returncode == 1 and done.stderr.startswith(said) and len(done.stderr.splitlines()) == 1


def test_the_status_of_what_ran_is_that_of_make(project):
    (project / "tools" / "student.py").write_text("raise SystemExit(3)")
    assert make_py(project, "student").returncode == 3
    assert make_py(project, "clean", "student", "student").returncode == 3


def test_what_runs_sees_no_foreign_settings(project):
    wanted = ["PYTHONPATH", "MPLBACKEND", "VIRTUAL_ENV", "PYTHONDEVMODE", "OMP_NUM_THREADS", "PYTHONUTF8"]
    (project / "tools" / "student.py").write_text(f"import os; print([os.environ.get(n) for n in {wanted}])")
    foreign = {"PYTHONPATH": "/p", "MPLBACKEND": "Agg", "VIRTUAL_ENV": "/v", "OMP_NUM_THREADS": ""}
    foreign["PYTHONDEVMODE"] = "1"
    assert make_py(project, "student", **foreign).stdout == "[None, None, None, None, '1', '1']\n"
    assert "'3'" in make_py(project, "student", **foreign | {"OMP_NUM_THREADS": "3"}).stdout


def test_clean_removes_what_was_built_and_keeps_the_rest(project):
    for name in ("build/course/a.html", "tools/__pycache__/a.pyc", "mine/build/kept", ".venv/kept", "notebooks/kept"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    make_py(project, "clean")
    assert not (project / "build").exists() and not (project / "tools" / "__pycache__").exists()
    assert all((project / name).exists() for name in ("mine/build/kept", ".venv/kept", "notebooks/kept", "make.py"))
    make_py(project, "distclean")
    assert not (project / ".venv").exists() and (project / "mine/build/kept").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_is_interrupted_may_tidy_up_first(project, how):
    tidy = "import pathlib, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
    tidy += "try:\n    pathlib.Path('begun').touch()\n    time.sleep(60)\n"
    tidy += "except KeyboardInterrupt:\n    sys.exit(9)\nfinally:\n    time.sleep(1); pathlib.Path('tidied').touch()\n"
    (project / "tools" / "student.py").write_text(tidy)
    process = subprocess.Popen([sys.executable, "make.py", "student"], cwd=project, start_new_session=True)
    until = time.monotonic() + 60
    while not (project / "begun").exists() and time.monotonic() < until:
        time.sleep(0.02)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # a terminal's Ctrl-C reaches everybody in front
    else:
        process.terminate()
    assert process.wait(60) == 9 and (project / "tidied").exists()


# ---- the build of PyTorch --------------------------------------------------------------------------------------------


def test_the_cpu_build_is_installed_by_uv_before_everything_else(monkeypatch):
    plain = setup_env.commands("python")
    assert len(plain) == 1 and plain[0][-2:] == ["-e", ".[test]"]
    first, torch, rest = setup_env.commands("python", "cpu")
    assert first[-1] == "uv" and rest == plain[0]
    assert torch[1:5] == ["-m", "uv", "pip", "install"] and {"torch", "torchvision"} < set(torch)
    assert torch[torch.index("--torch-backend") + 1] == "cpu" and torch[torch.index("-c") + 1] == "constraints.txt"
    with pytest.raises(SystemExit, match="TORCH is cpu or nothing, got 'cuda'"):
        setup_env.commands("python", "cuda")
    assert not any("constraints.txt" in command for command in setup_env.commands("python", "cpu", "none"))
    assert all("constraints.txt" in command for command in setup_env.commands("python", "cpu"))


def test_who_needs_no_gpu_libraries_is_told_so_once():
    def advice(system="linux", environment=(), gpu=()):
        return setup_env.advice(system, dict.fromkeys(environment, "1"), lambda path: path in gpu)

    assert "TORCH=cpu" in advice()
    assert advice("darwin") == advice("win32") == advice(gpu=["/proc/driver/nvidia"]) == ""
    assert advice(environment=["TORCH"]) == advice(environment=["PIP_EXTRA_INDEX_URL"]) == ""


def test_a_set_up_that_fails_half_way_goes_no_further(tmp_path, monkeypatch):
    (tmp_path / ".venv").mkdir()
    said = [[sys.executable, "-c", f"print({n})\nraise SystemExit({status})"] for n, status in ((1, 0), (2, 1), (3, 0))]
    monkeypatch.setattr(setup_env, "commands", lambda python, torch, pins: said)
    monkeypatch.setattr(setup_env, "pip_environment", lambda python: dict(os.environ))
    assert setup_env.install(sys.executable, tmp_path) == "1\n2\n"
    assert (tmp_path / ".venv" / "setup.log").read_text() == "1\n2\n"
