"""The project's promises about itself: floors, pins, the Makefile, and the form of the notebooks."""

import ast
import base64
import functools
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import runner

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "course_utils"

# ---- course_utils: a file imports only from floors below its own ----------------------------------------------------

FLOORS = {
    "_check": -1,  # the doormat: every floor may use it
    "runtime": 0,
    "distributions": 0,
    "check": 0,
    "_torchvision": 0,
    "data": 1,
    "models": 1,
    "divergences": 0,
    "objectives": 2,
    "metrics": 2,
    "training": 2,
    "plots": 3,
    "show": 3,
    "widgets": 3,
    "exercises": 3,
}


def imports(source: str, module: str) -> set[str]:
    """Full names of the course_utils modules that the source of `module` imports, also inside its functions."""
    package, found = module.split(".")[:-1], set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(above + ([node.module] if node.module else []))
            # `from course_utils import metrics` names a module; with a dot it is named already.
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == "course_utils" else {base}
    return {name for name in found if name.split(".")[0] == "course_utils" and "." in name}


def violations(source: str, module: str) -> list[str]:
    own = module.split(".")[1]
    wrong = []
    for name in sorted(imports(source, module)):
        other = name.split(".")[1]
        if other not in FLOORS or (other != own and FLOORS[other] >= FLOORS[own]):
            wrong.append(name)
    return wrong


def modules():
    for path in sorted(PACKAGE.rglob("*.py")) if PACKAGE.exists() else []:
        if path.name != "__init__.py":
            yield pytest.param(path, id=str(path.relative_to(PACKAGE)))


@pytest.mark.parametrize("path", list(modules()))
def test_a_module_imports_only_from_lower_floors(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert module.split(".")[1] in FLOORS, f"{module} has no floor: give it one in FLOORS"
    assert violations(path.read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    "module, source, wrong",
    [
        ("course_utils.models.made", "from course_utils.runtime import device", []),
        ("course_utils.models.made", "from .base import DensityModel", []),
        ("course_utils.models.made", "from ..distributions import Bernoulli", []),
        ("course_utils.models.made", "def f():\n    from ..metrics import fid", ["course_utils.metrics"]),
        ("course_utils.models.made", "from course_utils.data import digits", ["course_utils.data"]),
        ("course_utils.runtime", "import course_utils.training", ["course_utils.training"]),
        ("course_utils.runtime", "from course_utils import check", ["course_utils.check"]),
        ("course_utils.plots", "from . import metrics, widgets", ["course_utils.widgets"]),
        ("course_utils.plots", "from course_utils import digits", ["course_utils.digits"]),
    ],
)
def test_the_floor_check_sees_every_form_of_import(module, source, wrong):
    assert violations(source, module) == wrong


# ---- pins ------------------------------------------------------------------------------------------------------------


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_pin_is_one_exact_public_version():
    names = [canonicalize_name(pin.name) for pin in pins()]
    assert len(names) == len(set(names))
    for pin in pins():
        assert [s.operator for s in pin.specifier] == ["=="] and "+" not in str(pin.specifier), str(pin)


def test_every_dependency_is_pinned_to_a_version_it_admits():
    by_name = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins()}
    declared = project()["dependencies"] + [d for extra in project()["optional-dependencies"].values() for d in extra]
    for requirement in map(Requirement, declared):
        version = by_name.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in constraints.txt"
        assert version in requirement.specifier


def test_torch_and_torchvision_are_the_tested_pair():
    assert {"torch==2.13.0", "torchvision==0.28.0"} <= {str(pin) for pin in pins()}


def test_the_conda_environment_installs_this_project_with_the_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == project()["name"]
    *conda, pip = environment["dependencies"]
    assert [re.match(r"\w+", name)[0] for name in conda] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[test]"]}
    assert project()["requires-python"] in next(name for name in conda if name.startswith("python"))


# ---- files -----------------------------------------------------------------------------------------------------------


def test_make_explains_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for names in re.findall(r"^([a-z][a-z ]*):", text, re.M) for name in names.split()}
    phony = set(re.search(r"^\.PHONY:(.*)$", text, re.M)[1].split())
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    explained = dict(re.findall(r"^  make (\w+) +(\S.*)$", printed, re.M))
    assert targets == phony == set(explained)
    assert targets >= {"calibrate", "course", "lab", "test", "student", "slides", "bench", "clean", "notebooks", "site"}


def project_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_file_names_the_host_of_a_package_registry():
    # A mirror or an offline wheelhouse serves as well: where packages come from is the reader's setting, not ours.
    host = re.compile(
        r"(pypi|pythonhosted|npmjs|anaconda|conda|download\.pytorch|unpkg|jsdelivr|cdnjs)\.(org|com|net|io)\b"
    )
    named = {}
    for path in project_files():
        found = host.search(path.read_bytes().decode("utf-8", "replace"))
        if found:
            named[str(path.relative_to(ROOT))] = found[0]
    assert named == {}


# ---- notebooks -------------------------------------------------------------------------------------------------------

NOTEBOOKS = runner.shelf() + runner.shelf(evidence=True)
notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: runner.name_of(path).removesuffix(".ipynb"))


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def first_line(cell):
    return cell.source.strip().split("\n")[0]


@notebooks
def test_outputs_are_from_one_clean_run(path):
    assert [cell.execution_count for cell in code_cells(path)] == list(range(1, len(code_cells(path)) + 1))
    outputs = [(first_line(cell), output) for cell in code_cells(path) for output in cell.outputs]
    assert [line for line, output in outputs if output.output_type == "error"] == []
    for line, output in outputs:
        assert output.get("execution_count", 0) in [0] + [c.execution_count for c in code_cells(path)], line


@notebooks
def test_outputs_are_stored_from_this_code(path):
    notebook = runner.read(path)
    stored = notebook.metadata.get("course", {}).get("outputs_of")
    assert stored == runner.source_hash(notebook), "the code changed since its outputs were stored: run make notebooks"
    normal = runner.dumps(runner.normalise(notebook))
    assert normal == path.read_text(encoding="utf-8"), "not in normal form: run make notebooks"


@notebooks
def test_every_cell_has_its_place_in_the_slides(path):
    kinds = {"slide", "subslide", "fragment", "notes", "skip", "-"}
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") in kinds, first_line(cell)


@notebooks
def test_every_picture_is_described_and_small(path):
    # The cell's own text, or the one that the figure brings along; both end up beside the picture.
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(base64.b64decode(output.data["image/png"])) < 250_000, first_line(cell)
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert len(alt) >= 20, f"no alt text that says what is seen: {first_line(cell)}"


@functools.cache
def anchors(path):
    """Where a link can lead: `<a id="…">`, and headings as JupyterLab and the pages name them, blanks as hyphens."""
    text = "\n".join(cell.source for cell in runner.read(path).cells if cell.cell_type == "markdown")
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return set(re.findall(r'<a id="([^"]+)"', text)) | {re.sub(r"[*`]", "", h).replace(" ", "-") for h in headings}


@notebooks
def test_links_between_notebooks_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for target, anchor in re.findall(r"\]\(([^)#:\s]+\.ipynb)(?:#([^)\s]*))?\)", cell.source):
                assert (path.parent / target).exists(), f"{target}: {first_line(cell)}"
                assert not anchor or unquote(anchor) in anchors(path.parent / target), f"{target}#{anchor}"


@notebooks
def test_a_notebook_is_small(path):
    assert path.stat().st_size < 1_500_000


@notebooks
def test_every_exercise_has_a_solution_behind_it(path):
    cells = code_cells(path)
    order = [tag for cell in cells for tag in tags(cell) if tag in ("exercise", "solution")]
    assert order == ["exercise", "solution"] * (len(order) // 2)
    for cell in cells:
        if {"solution", "check"} & set(tags(cell)):
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True, first_line(cell)


def can_fail(source):
    """Whether the code has an assert, a raise, or a call that raises: `assert_close(…)` or one of `check`."""
    for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", source, flags=re.M))):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call) and re.search(r"(^|\.)(assert|check\b)", ast.unparse(node.func)):
            return True
    return False


@notebooks
def test_a_check_says_nothing_and_can_fail(path):
    for cell in code_cells(path):
        if "check" in tags(cell):
            assert cell.outputs == [], f"a check that passes prints nothing: {first_line(cell)}"
            assert can_fail(cell.source), f"nothing in this check can fail: {first_line(cell)}"


@pytest.mark.parametrize(
    "source, can",
    [
        ("assert x == 1", True),
        ("for a in b:\n    if a:\n        raise ValueError", True),
        ("torch.testing.assert_close(a, b)", True),
        ("np.testing.assert_allclose(a, b)", True),
        ("check.equal(a, b)", True),
        ("torch.allclose(a, b)", False),
        ("a == b", False),
        ("print('assert')", False),
        ("checkpoint.load()", False),
    ],
)
def test_it_is_seen_whether_a_check_can_fail(source, can):
    assert can_fail(source) is can


@notebooks
def test_what_is_not_compared_is_checked(path):
    # What training gives is asserted before the next section begins, in the cell itself or in one behind it.
    waiting = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not (waiting and re.match(r"##? ", cell.source)), f"never checked: {waiting}"
        elif re.search(r"\bassert\b|\bcheck\b", cell.source):
            waiting = []
        elif "nbval-ignore-output" in tags(cell):
            waiting.append(first_line(cell))
        assert "nbval-skip" not in tags(cell), first_line(cell)
    assert not waiting, f"never checked: {waiting}"


# In Parts I and II, and in 10, nothing is chosen on test pictures; where they are looked at, a comment says once.
CHOOSERS = re.compile(r"(^|\.|_)(min|max|argmin|argmax|topk|sort|sorted|batches|fit|train)$")
READS_TEST = re.compile(r"\.test\b|\[.test.\]")


def choices_on_test(sources: list[str]) -> list[str]:
    """Calls that choose or train on test pictures, or on a name that was computed from them; asserts choose nothing."""
    tainted, found = set(), []

    def mentions(node):
        names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
        return bool(READS_TEST.search(ast.unparse(node)) or names & tainted)

    def visit(node):
        if isinstance(node, ast.Assert):
            return
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {child.id for t in targets for child in ast.walk(t) if isinstance(child, ast.Name)}
            visit(node.value)
            keep = isinstance(node, ast.AugAssign) and names & tainted
            (tainted.update if keep or mentions(node.value) else tainted.difference_update)(names)
            return
        if isinstance(node, ast.Call) and CHOOSERS.search(ast.unparse(node.func)):
            parts = [*node.args, *(word.value for word in node.keywords), node.func]
            if any(mentions(part) for part in parts):
                found.append(ast.unparse(node))
        for child in ast.iter_child_nodes(node):
            visit(child)

    for source in sources:
        visit(ast.parse(re.sub(r"^%.*$", "", source, flags=re.M)))
    return found


PARTS_1_AND_2 = [path for path in NOTEBOOKS if re.match(r"0\d_|1[02]_", path.name)]


@pytest.mark.parametrize("path", PARTS_1_AND_2, ids=lambda path: runner.name_of(path).removesuffix(".ipynb"))
def test_nothing_is_chosen_on_test_pictures(path):
    sources = [cell.source for cell in code_cells(path)]
    assert choices_on_test(sources) == []
    lines = [line.strip() for source in sources for line in source.split("\n") if READS_TEST.search(line)]
    assert [line for line in lines if not re.search(r"#.*\bonce\b|^assert\b", line)] == [], (
        "say in a comment why test pictures are looked at here, and that it is once"
    )
    assert len(lines) <= 3, "looked at more than once"


@pytest.mark.parametrize(
    "source, chosen",
    [
        ("best = min(models, key=lambda m: loss(m, digits.test))", True),
        ("scores = [loss(m, digits.test) for m in models]\nbest = models[torch.stack(scores).argmin()]", True),
        ("both = torch.cat([digits.train, digits.test])\nfor x in data.batches(both, 32):\n    pass", True),
        ("held = digits.test\nfit(net, held)", True),
        ("best = min(models, key=lambda m: loss(m, digits.valid))\nprint(loss(best, digits.test))", False),
        ("held = digits.test\nheld = digits.valid\nmin(held)", False),
        ("assert (a - net(digits.test)).abs().max() < 1e-3", False),
    ],
)
def test_it_is_seen_whether_something_is_chosen_on_test_pictures(source, chosen):
    assert bool(choices_on_test([source])) is chosen


@notebooks
def test_code_cells_are_short_and_the_first_only_imports(path):
    cells = code_cells(path)
    if not cells:
        return
    statements = ast.parse(re.sub(r"^%.*$", "", cells[0].source, flags=re.M)).body
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in statements), (
        "the first code cell does more than import"
    )
    assert sum(bool(line.strip()) for line in cells[0].source.splitlines()) <= 6
    for cell in cells:
        assert len(cell.source.strip().splitlines()) <= 25, first_line(cell)
