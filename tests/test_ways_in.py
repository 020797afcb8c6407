"""The ways into the course besides make: workflows, Binder, conda, a wheel; and what continuous tests cost."""

import ast
import json
import os
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import budget
import runner

ROOT = Path(runner.ROOT)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def workflow(path):
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found, [step for job in found["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_pins_its_actions_may_read_only_and_calls_targets_that_exist(path):
    found, steps = workflow(path)
    used = [step["uses"] for step in steps if "uses" in step]
    assert used and [name for name in used if not PINNED.match(name)] == []
    versions = re.findall(r"uses: \S+@\w{40} # v\d+\.\d+\.\d+$", path.read_text(encoding="utf-8"), re.M)
    assert len(versions) == len(used), "the version stands behind the hash"
    assert found["permissions"] == {"contents": "read"}
    tree = ast.parse((ROOT / "make.py").read_text(encoding="utf-8"))
    targets = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    called = [words for step in steps for words in re.findall(r"make\.py ([a-z ]+)", step.get("run", ""))]
    assert called and {word for words in called for word in words.split()} <= targets
    for job in found["jobs"].values():
        assert job.get("timeout-minutes", 0) <= 75


def test_the_matrix_has_every_system_and_python_and_no_gpu_libraries():
    found, _ = workflow(ROOT / ".github" / "workflows" / "test.yml")
    matrix, env = found["jobs"]["test"]["strategy"]["matrix"], found["jobs"]["test"]["env"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert all(SpecifierSet(project["requires-python"]).contains(version) for version in matrix["python"])
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"] and "newest" in matrix["dependencies"]
    assert "'cpu'" in env["TORCH"] and "ubuntu" in env["TORCH"] and "newest" in env["PINS"]
    for path in WORKFLOWS:
        for job in workflow(path)[0]["jobs"].values():
            runs = any("make.py" in step.get("run", "") for step in job["steps"])
            assert not runs or job["env"]["TORCH"], "a job that sets up says which build of PyTorch"


def test_binder_and_conda_take_a_python_of_the_course_and_the_pinned_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in ("environment.yml", ".binder/environment.yml"):
        listed = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["dependencies"]
        python = Requirement(
            next(d for d in listed if isinstance(d, str) and d.startswith("python")).replace(" =3", " ==3")
        )
        allowed = SpecifierSet(project["requires-python"])
        inside = [minor for minor in range(30) if python.specifier.contains(f"3.{minor}")]
        assert inside and all(allowed.contains(f"3.{minor}") for minor in inside), name
    script = ROOT / ".binder" / "postBuild"
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if " install " in line]
    assert len(lines) == 3 and all("-c constraints.txt" in line for line in lines)
    assert "--torch-backend cpu" in lines[1] and "torchvision" in lines[1] and lines[2].endswith('-e ".[scale]"')
    if os.name != "nt":
        assert os.access(script, os.X_OK) and subprocess.run(["bash", "-n", str(script)]).returncode == 0


def test_every_file_of_the_package_travels_in_a_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["course_utils"]
    package = ROOT / "course_utils"
    files = [p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.suffix != ".py"]
    names = [path.relative_to(package).as_posix() for path in files]
    assert (
        names and [n for n in names if not any(fnmatch(f"/{n}", f"/{p}".replace("/**/", "/*")) for p in patterns)] == []
    )
    folders = [path for path in package.rglob("*") if path.is_dir() and list(path.glob("*.py"))]
    assert all((folder / "__init__.py").exists() for folder in folders), "setuptools finds only packages"


def result(calibrated, error=None):
    return {"seconds": 1.0, "calibrated_seconds": calibrated, "peak_mb": 1.0, "error": error}


def test_what_is_over_its_budget_is_named():
    limit = budget.BUDGETS
    results = {"01.ipynb": result(limit["course"]), "02.ipynb": result(limit["course"] + 1), "03.ipynb": result(None)}
    results |= {"evidence/02.ipynb": result(limit["evidence"]), "04.ipynb": result(1, {"message": "ValueError: x"})}
    lines, warnings = budget.report(results, github=True)
    assert [line.split()[1] for line in lines[2:]] == sorted(results, key=lambda n: n.split("/")[-1][:2]) + ["all"]
    assert len(warnings) == 2 and all(w.startswith("::warning::") for w in warnings)
    assert "02.ipynb took" in warnings[0] and "04.ipynb failed: ValueError: x" in warnings[1]
    assert "All notebooks took" in budget.report({str(n): result(40) for n in range(40)})[1][0]


def test_without_a_run_there_is_nothing_to_report(tmp_path, capsys):
    with pytest.raises(SystemExit, match="run make course first"):
        budget.main(["--course", str(tmp_path)])
    (tmp_path / "results.json").write_text(json.dumps({"01.ipynb": result(1.0)}))
    budget.main(["--course", str(tmp_path)])
    assert "| 01.ipynb | 1 | 1.0 | 45 | 1 |" in capsys.readouterr().out
