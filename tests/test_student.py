"""The students' edition, what marks its exercises, and the page for lecturers."""

import csv
import functools
import io
import json
import re
import sys
import zipfile

import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import grade
import runner
import student
from course_utils.exercises import judge

NOTEBOOKS = runner.shelf() + runner.shelf(evidence=True)


def code(source, *tags, id=None):
    cell = new_code_cell(source, metadata={"tags": list(tags)})
    cell["id"] = id or cell["id"]
    return cell


def save(path, *cells):
    runner.write(path, runner.dumps(new_notebook(cells=list(cells))))
    return path


# ---- the edition -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """The real edition: name -> bytes of what is in its zip, without the folder on top."""
    out = tmp_path_factory.mktemp("edition")
    student.main(["--out", str(out / "student")])
    (made,) = (out / "student").glob("*.zip")
    with zipfile.ZipFile(made) as archive:
        assert all(name.startswith("what-i-cannot-create/") for name in archive.namelist())
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_the_zip_has_what_a_student_needs(edition):
    for name in student.FILES:
        assert name in edition or not (runner.ROOT / name).exists(), name
    assert {"LICENSE", "README.md", "pyproject.toml", "course_utils/widgets/common.js", "tools/runner.py"} <= set(
        edition
    )
    assert "tools/templates/page/index.html.j2" in edition and "benchmarks/calibrate.py" in edition
    assert {f"notebooks/{runner.name_of(path)}" for path in NOTEBOOKS} <= set(edition)
    readme = edition["README.md"].decode()
    for target in re.findall(r"\]\(([^)#:\s]+)", readme):
        assert target in edition, f"README.md links to {target}"
    for name in edition:
        assert not re.search(r"(^|/)(\.|__pycache__|tests/|build/|.*\.(pyc|part)$)", name), name


def test_what_notebooks_read_is_in_the_zip(edition):
    for path in NOTEBOOKS:
        for cell in runner.read(path).cells:
            if cell.cell_type == "code":
                for name in re.findall(r"\.\./(benchmarks/[\w/]+\.\w+)", cell.source):
                    assert name in edition, (path.name, name)
                for name in re.findall(r"\bstored\(\"(\w+)\"\)|\bresult\w*\(\"(\w+)\"\)", cell.source):
                    assert f"benchmarks/results/{''.join(name)}.json" in edition, (path.name, name)


def core(source):
    """A solution's code, without its check and the space around."""
    return re.sub(r"\s+", " ", re.sub(r"^exercises\..*$", "", source, flags=re.M)).strip()


def test_no_solution_is_left_anywhere_in_the_zip(edition):
    solutions = [
        core(cell.source) for path in NOTEBOOKS for cell in runner.read(path).cells if "solution" in runner.tags(cell)
    ]
    assert len(solutions) > 60
    for name, content in edition.items():
        texts = [content.decode("utf-8", "replace")]
        if name.endswith(".ipynb"):
            cells = json.loads(content)["cells"]
            texts = ["".join(cell["source"]) for cell in cells]
            assert not any("solution" in cell["metadata"].get("tags", []) for cell in cells), name
            empty = [cell for cell in cells if "exercise" in cell["metadata"].get("tags", [])]
            assert all(cell["outputs"] == [] and "..." in "".join(cell["source"]) for cell in empty), name
            assert "solution is folded" not in " ".join(texts)
        whole = re.sub(r"\s+", " ", "\n".join(texts))
        assert [solution for solution in solutions if solution in whole] == [], name


def small_project(folder):
    task = code("def f(x):\n    ...\n\nexercises.f(f)", "exercise", id="task")
    solution = code("def f(x):\n    return SECRET\n\nexercises.f(f)", "solution", id="solved")
    text = new_markdown_cell("# A\n\nIt tells you. The solution is folded below.", id="text")
    save(folder / "notebooks" / "00_a.ipynb", text, task, solution)
    for name in (
        "README.md",
        "course_utils/a.py",
        "course_utils/__pycache__/a.pyc",
        "docs/.DS_Store",
        "tests/answers/a.py",
    ):
        runner.write(folder / name, f"SECRET of {name}" if "answers" in name else name)
    runner.write(folder / "build" / "student" / "old", "old")
    return folder


def test_the_same_project_gives_the_same_zip_whatever_lies_around(tmp_path, capsys):
    made = []
    for name in ("one", "two"):
        project = small_project(tmp_path / name)
        out = tmp_path / name / "build" / "student"
        student.main(["--folder", str(project / "notebooks"), "--out", str(out)])
        made.append((out / "what-i-cannot-create.zip").read_bytes())
        assert not (out / "old").exists() and b"SECRET" not in (out / "notebooks" / "00_a.ipynb").read_bytes()
    assert made[0] == made[1]
    with zipfile.ZipFile(io.BytesIO(made[0])) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        assert names == ["README.md", "course_utils/a.py", "notebooks/00_a.ipynb"]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}  # readable once unpacked
        assert b"folded below" not in archive.read("what-i-cannot-create/notebooks/00_a.ipynb")


def test_an_unpacked_edition_runs_elsewhere(edition, tmp_path):
    """Its own package, not the one that is installed; its own stored results, found from the notebook's folder."""
    root = tmp_path / "elsewhere"
    for name, content in edition.items():
        if name.startswith(
            ("course_utils/__init__", "course_utils/_torchvision", "tools/", "benchmarks/results/digits")
        ):
            runner.write(root / name, content)
    source = "import importlib.util, os\n\nprint(importlib.util.find_spec('course_utils').origin)"
    path = save(root / "notebooks" / "00_a.ipynb", code(source), code("os.listdir('../benchmarks/results')"))
    script = "import sys; import runner; print(runner.run(sys.argv[1], sys.argv[2], 120)['error'])"
    done = runner.subprocess.run(
        [sys.executable, "-c", script, str(path), str(tmp_path / "out.ipynb")],
        cwd=root / "tools",
        capture_output=True,
        text=True,
    )
    assert done.stdout == "None\n", done.stderr
    printed, listed = runner.read(tmp_path / "out.ipynb").cells
    assert printed.outputs[0].text.strip() == str(root / "course_utils" / "__init__.py")
    assert "digits_cpu.json" in listed.outputs[0].data["text/plain"]


def left_open(cells):
    """Cells that read a name which, without solutions, only an empty exercise defines, or nothing."""
    own, found = {}, []  # name -> whether it was last bound by an exercise or a solution
    for cell in cells:
        if cell.cell_type != "code":
            continue
        read, given = grade.Code(cell.source), bool({"exercise", "solution"} & runner.tags(cell))
        found += [cell.source for name in read.reads if own.get(name) and not given]
        own |= dict.fromkeys(read.binds, given)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: runner.name_of(path).removesuffix(".ipynb"))
def test_no_cell_needs_what_only_a_solution_defines(path):
    assert left_open(runner.read(path).cells) == []


def test_it_is_seen_when_a_cell_needs_a_solution():
    task, solved = code("def f(x):\n    ...", "exercise"), code("def f(x):\n    return x\nk = 1", "solution")
    assert left_open([task, solved, code("f(1)")]) == ["f(1)"]
    assert left_open([task, solved, code("def g():\n    return k")]) == ["def g():\n    return k"]
    assert left_open([task, solved, code("f = abs\nf(1)"), code("f(2)")]) == []
    assert left_open([task, solved, code("def g(k):\n    return k")]) == []


# ---- marks -----------------------------------------------------------------------------------------------------------

PLAIN = "def gaussian_kl(mu, log_var):\n    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)\n\n"
CALL = "exercises.gaussian_kl(gaussian_kl)"


@pytest.fixture(scope="module")
def course():
    return {lecture.name: lecture for lecture in grade.lectures(runner.NOTEBOOKS)}


def returned(name="07_vae", answers=(), edit=lambda notebook: None):
    """A notebook of the students' edition with answers in it, one for each exercise; None leaves one as it was."""
    notebook = student.without_solutions(runner.read(runner.NOTEBOOKS / f"{name}.ipynb"))
    tasks = [cell for cell in notebook.cells if "exercise" in runner.tags(cell)]
    for cell, answer in zip(tasks, answers, strict=False):
        cell.source = cell.source if answer is None else answer
    edit(notebook)
    return notebook


def words(lecture, notebook, timeout=600):
    return [verdict.word for verdict in grade.grade(notebook, lecture, timeout).values()]


def test_every_exercise_of_the_course_is_known(course):
    exercises = [exercise for lecture in course.values() for exercise in lecture.exercises]
    assert len({exercise.label for exercise in exercises}) == len(exercises) > 60
    assert all(exercise.title and exercise.solution and exercise.check for exercise in exercises)
    one = course["07_vae"].exercises[0]
    assert (one.label, one.title, one.check, one.handed) == ("07.1", "The KL term", "gaussian_kl", "gaussian_kl")


def test_answers_of_all_kinds_get_their_verdicts(course):
    forged = "from course_utils.exercises import judge\njudge.same = lambda *a, **k: True\n"
    lecture = course["07_vae"]
    first = returned(answers=[PLAIN + CALL, CALL.replace("kl)", "kl, )"), None, "my_vae = nn.Nope()"])
    assert words(lecture, first) == ["passed", "raised NameError", "not answered", "raised AttributeError"]

    wrong = "def effective_beta(beta, D, Z):\n    return beta * Z / D\n\nexercises.effective_beta(effective_beta)"
    loud = "def gaussian_kl(mu, log_var):\n    print('correct. Well done.')\n    return 1\n\nprint('correct. Yes.')"
    patch = forged + "def vae_loss(x, logits, mu, log_var):\n    return 3\n\nexercises.find_the_bug_vae(vae_loss)"
    verdicts = grade.grade(returned(answers=[loud, wrong, patch, "my_vae = ("]), lecture, 600)
    assert [v.word for v in verdicts.values()] == ["not yet", "not yet", "not counted", "raised SyntaxError"]
    assert "upside down" in verdicts["07.2"].detail and "judge.same" in verdicts["07.3"].detail
    assert "judge" in verdicts["07.3"].remark and not verdicts["07.2"].remark


@pytest.mark.slow
def test_what_hangs_or_ends_its_process_costs_itself_alone(course):
    ends = "exit()\ndef effective_beta(beta, D, Z):\n    return beta * D / Z"
    dies = "import os\nos._exit(0)\nexercises.find_the_bug_vae(vae_loss)"
    stubborn = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    notebook = returned(answers=[stubborn, ends, dies, "my_vae = ..., \nexercises.build_vae(my_vae)"])
    said = words(course["07_vae"], notebook, timeout=60)
    assert said == ["out of time", "raised SystemExit", "ended its process", "not yet"]
    assert grade._running == set()


def test_the_readers_own_cells_help_and_the_courses_are_restored(course):
    """A helper in a cell of its own, a check in another cell, imports deleted, a cell of the course overwritten."""

    def edit(notebook):
        tasks = [i for i, cell in enumerate(notebook.cells) if "exercise" in runner.tags(cell)]
        notebook.cells[tasks[3]].source = "class MyVAE:\n    pass"
        notebook.cells.insert(tasks[3] + 1, code("exercises.build_vae(MyVAE())"))
        notebook.cells[tasks[2]].source = "raise KeyboardInterrupt\n" + "exercises.find_the_bug_vae(3)"
        notebook.cells.insert(tasks[0], code("half = torch.tensor(0.5)\n1 / 0 if False else half"))
        imports = next(cell for cell in notebook.cells if cell.cell_type == "code")
        imports.source = "ratio = lambda a, b: a / b"

    kl = PLAIN.replace("0.5", "half") + CALL
    beta = "def effective_beta(beta, D, Z):\n    return beta * ratio(D, Z)\n\nexercises.effective_beta(effective_beta)"
    verdicts = grade.grade(returned(answers=[kl, beta], edit=edit), course["07_vae"], 600)
    assert [v.word for v in verdicts.values()][:3] == ["passed", "passed", "raised KeyboardInterrupt"]
    assert verdicts["07.4"].word == "not yet" and "nn.Module" in verdicts["07.4"].detail


def test_a_notebook_is_recognised_by_its_cells_whatever_its_name(course):
    every = list(course.values())
    for name in ("06_elbo_and_kl", "07_vae", "evidence/07_vae"):  # 06 and 07 share a check
        assert grade.recognise(returned(name), "Li_99.ipynb", every).name == name

    def strip(notebook):
        notebook.cells = [code(c.source) for c in notebook.cells if "exercise" in runner.tags(c)]

    assert grade.recognise(returned("07_vae", edit=strip), "x.ipynb", every).name == "07_vae"
    other = new_notebook(cells=[code("import torch"), new_markdown_cell("# Mine")])
    assert grade.recognise(other, "x.ipynb", every) is None
    assert grade.recognise(other, "07_vae (1).ipynb", every).name == "07_vae"


def test_the_answer_is_found_without_ids_and_solutions_are_not_taken_for_it(course):
    lecture = course["07_vae"]
    whole = runner.read(runner.NOTEBOOKS / "07_vae.ipynb")  # with the solutions, and untouched
    for cell in whole.cells:
        cell["id"] = f"new-{cell['id']}"
    assert set(words(lecture, whole)) == {"not answered"}
    whole.cells.append(code(PLAIN + CALL))
    assert grade.answers(whole, lecture)["07.1"].source == PLAIN + CALL
    whole.cells = whole.cells[:3]
    assert set(words(lecture, whole)) == {"missing"}


@pytest.mark.parametrize(
    "source, reads, binds",
    [
        ("a = b", {"b"}, {"a"}),
        ("a = 1\na + c", {"c"}, {"a"}),
        ("a += 1", {"a"}, {"a"}),
        ("def f(x, k=n):\n    y = x + m\n    return y", {"n", "m"}, {"f"}),
        ("def f():\n    return f() + g()\ndef g():\n    return 1", set(), {"f", "g"}),
        ("for x in xs:\n    print(x)", {"xs", "print"}, {"x"}),
        ("if c:\n    a = 1\nb = a", {"c", "a"}, {"a", "b"}),
        ("[x for x in xs]", {"xs"}, set()),
        ("class A(B):\n    z = w\n    def f(self):\n        return z", {"B", "w", "z"}, {"A"}),
        ("import a.b as c, d.e\nwith open(f) as g:\n    h = g", {"open", "f"}, {"c", "d", "g", "h"}),
        ("def f():\n    global s\n    s = 1", set(), {"f", "s"}),
    ],
)
def test_what_a_cell_reads_and_binds(source, reads, binds):
    read = grade.Code(source)
    assert (read.reads, read.binds) == (reads, binds)


def test_only_cells_that_an_answer_uses_are_run():
    cells = [
        grade.Code(source)
        for source in (
            "import torch",
            "model = torch.nn.Linear(1, 1)",
            "WIDTH = 3",
            "def show(x):\n    return x * WIDTH",
            "for x in range(9):\n    model.weight.data += x",
            "print(WIDTH)",
            "other = show(2)",
        )
    ]

    def used(*names):
        return [cells.index(cell) for cell in grade.needed(cells, names)]

    assert used("torch") == [0]
    assert used("show") == [2, 3]  # WIDTH is a constant: a cell that prints it changes nothing
    assert used("model") == [0, 1, 4]  # it is trained by a cell that does not bind it
    assert used("nowhere") == []


def test_what_a_check_says_is_understood(capsys):
    def of(answer):
        judge.judge(answer, lambda a: 2 * a, [(1.0,), (2.0,)], [(lambda a: a, "twice it")], "Fine.")
        return grade.told(capsys.readouterr().out.strip())

    assert of(lambda a: a + a) == ("passed", "")
    assert of(lambda a: a) == ("not yet", "twice it")
    assert of(lambda a: ...) == ("not answered", "")
    assert of(lambda a: 1 / 0) == ("raised ZeroDivisionError", "ZeroDivisionError: division by zero")
    assert judge.report.__globals__ is vars(judge)  # grade listens to the `print` of this module


def test_files_folders_and_zips_are_read_and_what_cannot_be_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grade, "grade", lambda notebook, lecture, timeout: {
        "07.1": grade.Verdict("passed", "", "look at it: gc"), "07.2": grade.Verdict("not yet", "h\x1b[2Jint")
    })  # fmt: skip
    monkeypatch.setattr(grade, "lines", lambda label, lecture, verdicts, seconds: [f"graded {label}"])
    text = runner.dumps(returned())
    folder = tmp_path / "class"
    runner.write(folder / "=王 (1).ipynb", text)
    runner.write(folder / ".ipynb_checkpoints" / "a.ipynb", text)
    runner.write(folder / "broken.ipynb", '{"cells": [')
    runner.write(folder / "bad.zip", b"no zip")
    runner.write(folder / "foreign.ipynb", runner.dumps(new_notebook(cells=[code("1")])))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/c.ipynb", text)
    with zipfile.ZipFile(folder / "class.zip", "w") as archive:
        archive.writestr("Li/../../../b.ipynb", text)
        archive.writestr("__MACOSX/b.ipynb", "junk")
        archive.writestr("inner.zip", inner.getvalue())
    before = sorted(tmp_path.rglob("*"))
    missing = tmp_path / "none.ipynb"
    assert grade.main([str(folder), str(missing), "--csv", str(tmp_path / "marks.csv")]) == 1
    said = capsys.readouterr()
    assert said.out.count("graded ") == 3 and f"{folder}/class.zip/inner.zip/deep/c.ipynb" in said.out
    complaints = said.err.splitlines()
    assert [line for line in complaints if "Traceback" in line] == [] and len(complaints) == 4
    for name, why in {
        "broken": "is not a notebook",
        "bad": "cannot be read",
        "foreign": "none of",
        "none": "no such",
    }.items():
        assert any(name in line and why in line for line in complaints), complaints
    assert sorted(set(tmp_path.rglob("*")) - set(before)) == [tmp_path / "marks.csv"]
    rows = list(csv.DictReader((tmp_path / "marks.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 3 and rows[0]["07.1"] == "passed" and rows[0]["passed"] == "1" and rows[0]["of"] == "2"
    assert rows[0]["remarks"] == "07.1: look at it: gc" and "王" in "".join(row["file"] for row in rows)


def test_a_table_cannot_carry_a_formula_and_a_line_no_control_characters(course):
    lecture = course["07_vae"]
    verdicts = {one.label: grade.Verdict("not yet", "x") for one in lecture.exercises}
    text = grade.table([("=cmd()", lecture, verdicts)]).decode("utf-8-sig")
    assert text.splitlines()[1].startswith("'=cmd()")
    assert grade._short("a\x1b[2J\nb") == "a [2J b" and len(grade._short("x" * 999)) == 200
    (first, *_) = grade.lines("a\nb.ipynb", lecture, verdicts, 1)
    assert first == "a b.ipynb: 07_vae, 0 of 4 passed (1 s)"


def test_marks_are_no_failure(monkeypatch, tmp_path, capsys):
    path = tmp_path / "untouched.ipynb"
    runner.write(path, runner.dumps(returned()))
    assert grade.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert said.count("not answered") == 4 and "Exercises passed: 0 of 4." in said
    runner.write(tmp_path / "evidence.ipynb", runner.dumps(returned("evidence/07_vae")))
    assert grade.main([str(tmp_path / "evidence.ipynb")]) == 0
    assert "evidence/07_vae has no exercises" in capsys.readouterr().out


def test_a_replaced_function_is_noticed():
    changed = grade.guard()
    assert changed() == ""
    before = judge.same
    try:
        judge.same = lambda *_: True
        assert changed() == "course_utils.exercises.judge.same"
    finally:
        judge.same = before
    kept = judge.short.__code__
    try:
        judge.short.__code__ = (lambda value: "").__code__
        assert changed() == "course_utils.exercises.judge.short"
    finally:
        judge.short.__code__ = kept
    assert changed() == ""


@pytest.mark.parametrize(("file", "said"), [("/lib/torch/late.py", ""), ("<cell>", "torch.manual_seed")])
def test_torch_may_wrap_what_is_its_own(file, said, monkeypatch):
    """Parts of torch that an answer causes to be loaded wrap torch.manual_seed; a wrapper of the answer counts."""
    changed, names = grade.guard(), {"before": torch.manual_seed}
    exec(compile("def wrapper(*given):\n    return before(*given)", file, "exec"), names)
    monkeypatch.setattr(torch, "manual_seed", functools.wraps(names["before"])(names["wrapper"]))
    assert changed() == said


def test_code_that_reaches_for_insides_is_marked():
    assert grade.remark("import sys\nsys._getframe()") == "look at it: it has _getframe, sys"
    assert grade.remark("from course_utils.exercises.n07_vae import judge") == "look at it: it has exercises, judge"
    assert grade.remark("from course_utils import exercises\nmodel.modules()") == ""


# ---- the page for lecturers ------------------------------------------------------------------------------------------

GUIDE = (runner.ROOT / "docs" / "lecturers.md").read_text(encoding="utf-8")
PLANS = re.findall(r"^\| (\d+) \| (\d\d: .+?) \| (\d+) \| (\d+) \| (.+?) \|$", GUIDE, re.M)


def slides_of(number):
    """Slides of each numbered section of a notebook."""
    (path,) = [path for path in runner.shelf() if path.name.startswith(number)]
    counted, section = {}, 0
    for cell in runner.read(path).cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^## (\d*)", cell.source, re.M)):
            section = int(found[1] or 0)
        if cell.metadata.get("slideshow", {}).get("slide_type") in ("slide", "subslide"):
            counted[section] = counted.get(section, 0) + 1
    return counted


def numbers(text):
    for part in text.split(", "):
        first, _, last = part.partition("–")
        yield from range(int(first), int(last or first) + 1)


def test_there_are_plans_for_six_ten_and_fourteen_lectures():
    assert [int(row[0]) for row in PLANS] == [*range(1, 15), *range(1, 11), *range(1, 7)]


@pytest.mark.parametrize("row", PLANS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_lecture_of_a_plan_exists_and_has_about_its_minutes(row, course):
    _, what, slides, minutes, exercises = row
    total, used = 0, set()
    for part in what.split("; "):
        number, _, sections = part.partition(": ")
        counted = slides_of(number)
        total += sum(counted[section] for section in numbers(sections))
        used.add(number)
    assert abs(total - int(slides)) <= 3 and int(minutes) == 2 * int(slides) <= 85, f"now {total} slides"
    labels = {exercise.label for lecture in course.values() for exercise in lecture.exercises}
    assert set(exercises.split(", ")) <= labels and {label[:2] for label in exercises.split(", ")} <= used


def test_the_table_of_what_needs_what_is_that_of_the_notebooks():
    told = {row[0]: set(row[1].split(", ")) for row in re.findall(r"^\| (\d\d) \| (\d\d[\d, ]*) \|", GUIDE, re.M)}
    for path in runner.shelf():
        first = runner.read(path).cells[0].source
        found = re.search(r"\*\*Builds on:\*\*(.*)", first)
        needs = set(re.findall(r"\[(\d\d)_", found[1])) if found else set()
        assert told.get(path.name[:2], set()) == needs, path.name
