"""The tools that run, store and publish notebooks, on small notebooks made here."""

import ast
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import course
import gpu
import pages
import pictures
import runner
import setup_env
import slides
import store
import student
import verify

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(autouse=True)
def calibrated(monkeypatch):
    """A machine of known speed: the real measurement takes seconds."""
    monkeypatch.setattr(course, "calibration", lambda: 2.0)


def save(path, *cells, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def code(source, *tags, **metadata):
    return new_code_cell(source, metadata={"tags": list(tags), **metadata})


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def picture(**data):
    return new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure>", **data})


# ---- running ---------------------------------------------------------------------------------------------------------


def test_a_failing_notebook_is_named_and_the_others_still_run(tmp_path, capsys):
    folder, out = tmp_path / "notebooks", tmp_path / "build"
    save(folder / "00_good.ipynb", new_markdown_cell("# Good\n\nIt *runs*. 5 minutes."), code("print(6 * 7)"))
    save(folder / "01_bad.ipynb", new_markdown_cell("# Bad"), code("x = 1"), code("# why\nraise KeyError('no such')"))
    with pytest.raises(SystemExit) as stopped:
        course.main(["--folder", str(folder), "--out", str(out)])
    said = capsys.readouterr().out
    assert "01_bad.ipynb" in str(stopped.value.code) and "00_good" not in str(stopped.value.code)
    assert "01_bad.ipynb, cell In [2]: KeyError: 'no such'" in said
    assert "| raise KeyError('no such')" in said
    assert "index.html" in said.splitlines()[-1]

    executed = runner.read(out / "00_good.ipynb")
    assert executed.cells[1].outputs[0].text == "42\n"
    assert "42" in (out / "00_good.html").read_text()
    index = (out / "index.html").read_text()
    assert "It <em>runs</em>" in index and " s here" in index and "failed" in index
    assert not list(out.glob("*.part"))
    good = json.loads((out / "results.json").read_text())["00_good.ipynb"]
    assert 20 < good["peak_mb"] < 2000 and 0 < good["seconds"] < 60
    assert good["calibration"] == 2.0 and good["calibrated_seconds"] == good["seconds"] / 2


def test_a_kernel_that_dies_and_one_that_hangs_are_reported(tmp_path):
    dies = save(tmp_path / "dies.ipynb", code("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))
    hangs = save(tmp_path / "hangs.ipynb", code("import time"), code("time.sleep(60)"))
    results = runner.run_all([dies, hangs], lambda p: tmp_path / "out" / p.name, timeout=5)
    assert "kernel died" in results[0]["error"]["message"] and results[0]["error"]["cell"] == 1
    assert "still running after 5 s" in results[1]["error"]["message"] and results[1]["error"]["cell"] == 2
    assert results[1]["seconds"] < 30


def test_a_kernel_that_ends_itself_or_crashes_is_told_apart_from_one_that_was_killed(tmp_path):
    def message(source, *more):
        cells = [code("1"), code(source), *more]
        result = runner.run(save(tmp_path / "a.ipynb", *cells), tmp_path / "out" / "a.ipynb", timeout=120)
        return result["error"] and (result["error"]["cell"], result["error"]["message"])

    assert message("exit()", code("print('never')")) == (
        2,
        "the notebook ended its kernel (exit or quit); no cell after this one ran",
    )
    where, said = message("import ctypes\nctypes.string_at(0)")
    assert where == 2 and "SIGSEGV" in said and "memory" not in said
    where, said = message("import os\nos._exit(3)")
    assert where == 2 and "status 3" in said


def test_why_a_kernel_died():
    def said(status):
        return runner.why_it_died(type("Process", (), {"poll": lambda self: status})())

    assert "memory" in said(-9) and "SIGSEGV" in said(-11) and "status 1" in said(1)
    assert "not known" in said(None) and "not known" in runner.why_it_died(None)


def test_nothing_of_the_users_settings_gets_into_outputs(tmp_path, monkeypatch):
    """A backend without pictures, a profile of IPython, another package of our name, an ASCII terminal, no asserts."""
    profile = tmp_path / "ipython" / "profile_default"
    runner.write(profile / "ipython_kernel_config.py", "c.InteractiveShell.ast_node_interactivity = 'all'\n")
    runner.write(profile / "startup" / "00.py", "print('started')\nmine = 1\n")
    runner.write(tmp_path / "path" / "course_utils" / "__init__.py", "raise SystemExit('foreign')")
    runner.write(tmp_path / "matplotlibrc", "figure.figsize: 1, 1\nfigure.dpi: 30\n")
    hostile = {
        "MPLBACKEND": "Agg",
        "IPYTHONDIR": tmp_path / "ipython",
        "PYTHONPATH": tmp_path / "path",
        "MATPLOTLIBRC": tmp_path / "matplotlibrc",
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
        "PYTHONOPTIMIZE": "1",
        "PYTHONSTARTUP": tmp_path / "path" / "course_utils" / "__init__.py",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, str(value))
    cells = [
        code("import importlib.util, sys\nimport matplotlib.pyplot as plt"),
        code("1\n2\n'mine' in globals(), sys.flags.optimize, sys.stdout.encoding.lower()"),
        code("importlib.util.find_spec('course_utils').origin"),
        code("print('· …', file=sys.__stdout__)\nprint('· …')"),
        code("plt.plot([0, 1])\nplt.show()"),
        code("try:\n    assert False\nexcept AssertionError:\n    print('caught')"),
    ]
    path = save(tmp_path / "in" / "a.ipynb", *cells)
    out = tmp_path / "out" / "a.ipynb"
    assert runner.run(path, out, timeout=300)["error"] is None
    _, three, origin, dots, figure, caught = runner.read(out).cells
    assert [o.data["text/plain"] for o in three.outputs] == ["(False, 0, 'utf-8')"]
    assert Path(ast.literal_eval(origin.outputs[0].data["text/plain"])).is_relative_to(runner.ROOT)
    assert dots.outputs[-1].text.endswith("· …\n") and caught.outputs[0].text == "caught\n"
    (drawn,) = [o for o in figure.outputs if "image/png" in o.get("data", {})]
    # matplotlib's own size: 6.4 × 4.8 inches in 100 dots an inch, cut to what is drawn
    width = int.from_bytes(base64.b64decode(drawn.data["image/png"])[16:20], "big")
    assert width > 400


def test_a_terminal_that_lacks_a_letter_ends_no_tool():
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    command = [sys.executable, "-c", r"import runner; print('\xb7 \u2026')"]
    done = subprocess.run(command, cwd=runner.ROOT / "tools", env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "? ?\n"), done.stderr


def not_notebooks(folder):
    """A good notebook and four files that are none, each with what is to be said of it."""
    good = save(folder / "00_good.ipynb", new_markdown_cell("# Good", metadata={"slideshow": {"slide_type": "slide"}}))
    text = good.read_text()
    marks = "<<<<<<< HEAD\n" + text + "=======\n" + text + ">>>>>>> branch\n"
    wrong = {"01_empty": b"", "02_conflict": marks.encode(), "03_latin": b"\xff\xfe", "04_list": b"[1, 2]"}
    for name, content in wrong.items():
        runner.write(folder / f"{name}.ipynb", content)
    return {"01_empty": "is empty", "02_conflict": "merge conflict", "03_latin": "UTF-8", "04_list": "not a notebook"}


def test_a_file_that_is_no_notebook_is_named_by_every_tool(tmp_path, capsys):
    folder, out = tmp_path / "notebooks", tmp_path / "out"
    wrong = not_notebooks(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def named(text):
        for name, why in wrong.items():
            (line,) = [line for line in text.splitlines() if f"{name}.ipynb is not a notebook" in line]
            assert why in line

    for tool, options in ((student, []), (slides, [])):
        with pytest.raises(SystemExit) as stopped:
            tool.main(["--folder", str(folder), "--out", str(out / tool.__name__), *options])
        named(str(stopped.value.code))
        assert not (out / tool.__name__).exists()
    with pytest.raises(SystemExit, match="01_empty.ipynb, 02_conflict.ipynb, 03_latin.ipynb, 04_list.ipynb"):
        store.main(["--folder", str(folder)])
    named(capsys.readouterr().out)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: after[name] for name in after if name[:2] != "00"} == {n: before[n] for n in before if n[:2] != "00"}
    assert not store.is_changed(runner.read(folder / "00_good.ipynb"))  # the good one was stored all the same

    with pytest.raises(SystemExit, match="4 of 5 notebooks failed"):
        course.main(["--folder", str(folder), "--out", str(out / "course")])
    said = capsys.readouterr().out
    assert all(f"{name}.ipynb is not a notebook" in said for name in wrong)
    assert (out / "course" / "00_good.html").exists() and "Good" in (out / "course" / "index.html").read_text()


def test_a_place_that_cannot_be_written_to_is_named_with_the_way_out(tmp_path, capsys):
    save(tmp_path / "in" / "00_a.ipynb", new_markdown_cell("# A", metadata={"slideshow": {"slide_type": "slide"}}))
    (tmp_path / "build").write_text("a file")
    for tool in (course, student, slides):
        with pytest.raises(SystemExit) as stopped:
            tool.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "build" / "course")])
        assert f"{tmp_path / 'build'} is a file" in stopped.value.code and "OUT=" in stopped.value.code
    assert (tmp_path / "build").read_text() == "a file"
    with pytest.raises(SystemExit, match=r"Nothing can be written to /proc/none: .*OUT="):
        runner.writable("/proc/none")


@pytest.mark.parametrize("jobs", ["0", "-1", "x", "1.5", ""])
def test_the_number_of_jobs_is_a_whole_number_from_1_on(jobs, tmp_path, capsys):
    for tool in (course, store, verify):
        with pytest.raises(SystemExit):
            tool.main([f"--jobs={jobs}"])
        assert f"JOBS must be a whole number from 1 on, got '{jobs}'" in capsys.readouterr().err


def test_a_name_that_matches_no_notebook_is_an_error(tmp_path):
    save(tmp_path / "01_a.ipynb")
    save(tmp_path / "10_b.ipynb")
    assert [p.name for p in runner.find(["1"], tmp_path)] == ["10_b.ipynb"]
    assert [p.name for p in runner.find(["01"], tmp_path)] == ["01_a.ipynb"]
    assert [p.name for p in runner.find(["_b"], tmp_path)] == ["10_b.ipynb"]
    with pytest.raises(SystemExit, match="No notebook matches 77"):
        runner.find(["77"], tmp_path)


def test_a_kernel_without_loopback_is_reached_through_files(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "loopback_works", lambda: False)
    notebook = new_notebook(cells=[code("print('reached')")])
    assert runner.execute(notebook, tmp_path, timeout=60) is None
    assert notebook.cells[0].outputs[0].text == "reached\n"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    runner.write(path, "old")
    monkeypatch.setattr(runner.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError):
        runner.write(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# ---- storing ---------------------------------------------------------------------------------------------------------


def test_store_keeps_a_file_whose_notebook_fails(tmp_path, capsys):
    bad = save(tmp_path / "bad.ipynb", code("print('kept?')"), code("1 / 0"))
    before = bad.read_bytes()
    with pytest.raises(SystemExit, match="bad.ipynb"):
        store.main(["--folder", str(tmp_path)])
    assert bad.read_bytes() == before and list(tmp_path.iterdir()) == [bad]
    assert "bad.ipynb, cell In [2]: ZeroDivisionError" in capsys.readouterr().out


def test_store_runs_what_changed_and_only_that(tmp_path, capsys, monkeypatch):
    path = save(tmp_path / "a.ipynb", new_markdown_cell("# A"), code("import os"), code("print(os.getpid())"))
    store.main(["--folder", str(tmp_path)])
    first = runner.read(path)
    assert [c.execution_count for c in first.cells[1:]] == [1, 2]
    assert path.read_text().endswith("}\n") and "execution" not in first.cells[1].metadata

    monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("it ran again"))
    store.main(["--folder", str(tmp_path)])
    assert runner.read(path) == first and "nothing to run" in capsys.readouterr().out

    first.cells[0].source = "# A better title"
    nbformat.write(first, path)
    store.main(["--folder", str(tmp_path)])  # Markdown has no outputs
    assert not store.is_changed(runner.read(path))

    first.cells[2].source = "print(1)"
    assert store.is_changed(first)


def test_store_does_not_overwrite_what_was_edited_meanwhile(tmp_path, monkeypatch):
    path = save(tmp_path / "a.ipynb", code("1"))

    def run_while_somebody_edits(source, out, *_):
        Path(out).write_bytes(path.read_bytes())
        save(path, code("2"))
        return {"name": "a.ipynb", "seconds": 0.0, "peak_mb": 0.0, "error": None}

    monkeypatch.setattr(runner, "run", run_while_somebody_edits)
    with pytest.raises(SystemExit):
        store.main(["--folder", str(tmp_path)])
    assert runner.read(path).cells[0].source == "2"


def test_a_picture_keeps_the_alt_text_that_it_brings_unless_its_cell_has_one():
    def figure(**own):
        return new_output("display_data", data={"image/png": PIXEL}, metadata={"image/png": own} if own else {})

    for words, brought, kept in [
        ("The cell's.", {"alt": "The figure's.", "width": 3}, {"alt": "The cell's.", "width": 3}),
        ("", {"alt": "The figure's."}, {"alt": "The figure's."}),
        ("The cell's.", {}, {"alt": "The cell's."}),
        ("", {}, None),
    ]:
        cell = code("plot()", **({"alt": words} if words else {}))
        cell.outputs = [figure(**brought)]
        runner.normalise(new_notebook(cells=[cell]))
        assert cell.outputs[0].metadata.get("image/png") == kept


def test_a_check_that_shows_something_is_not_stored(tmp_path, capsys):
    silent, loud = code("assert True", "check"), code("assert True\nprint('fine')", "check")
    path = save(tmp_path / "a.ipynb", code("print('shown')"), silent)
    store.main(["--folder", str(tmp_path)])
    assert not store.is_changed(runner.read(path))
    before = save(path, code("print('shown')"), silent, loud).read_bytes()
    with pytest.raises(SystemExit, match="a.ipynb"):
        store.main(["--folder", str(tmp_path)])
    assert path.read_bytes() == before
    assert "a.ipynb, cell In [3]: a cell tagged check prints nothing" in capsys.readouterr().out


def test_the_normal_form():
    cell = code("x", "solution", alt="A pixel.", execution={"started": "12:00"}, collapsed=False)
    cell.outputs = [printed("a"), picture(**{runner.WIDGET: {}}), printed("b\rc\n"), printed("warn", "stderr")]
    notebook = new_notebook(cells=[cell], metadata={"widgets": {}, "language_info": {"name": "python", "version": "3"}})
    notebook = runner.normalise(notebook)
    assert (
        set(notebook.metadata) == {"kernelspec", "language_info"} and "version" not in notebook.metadata.language_info
    )
    assert set(cell.metadata) == {"tags", "alt", "jupyter"} and cell.metadata.jupyter.source_hidden is True
    hidden = runner.normalise(new_notebook(cells=[code("assert 1", "check"), code("1")])).cells
    assert [c.metadata.get("jupyter", {}).get("source_hidden") for c in hidden] == [True, None]
    assert [o.output_type for o in cell.outputs] == ["stream", "display_data", "stream"]
    assert cell.outputs[0].text == "c\n"
    assert cell.outputs[1].metadata == {"image/png": {"alt": "A pixel."}} and runner.WIDGET not in cell.outputs[1].data
    once = runner.dumps(notebook)
    assert runner.dumps(runner.normalise(nbformat.reads(once, as_version=4))) == once


# ---- two shelves -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_shelves(tmp_path):
    """A lecture and its evidence of the same file name, linked both ways, and one lecture without evidence."""
    folder = tmp_path / "notebooks"
    slide = {"slideshow": {"slide_type": "slide"}}
    where = "from pathlib import Path\nprint('cwd', Path.cwd().name)"
    lecture = "# Lecture\n\nSee [its *evidence* [1]](evidence/03_a.ipynb#two), [b](04_b.ipynb), [gone](05_c.ipynb#x)."
    proof = "# Proof\n\nOf [that](../03_a.ipynb#one), and [itself](03_a.ipynb), ![a picture](p.png)."
    save(folder / "03_a.ipynb", new_markdown_cell(lecture, metadata=slide), code(where))
    save(folder / "04_b.ipynb", new_markdown_cell("# Other", metadata=slide), code("print('b')"))
    save(folder / "evidence" / "03_a.ipynb", new_markdown_cell(proof, metadata=slide), code(where))
    return folder


def names(paths, folder):
    return [runner.name_of(path, folder) for path in paths]


def test_a_name_means_the_course_unless_it_says_evidence(two_shelves):
    def found(*patterns, **more):
        return names(runner.find(patterns, two_shelves, **more), two_shelves)

    everything = ["03_a.ipynb", "04_b.ipynb", "evidence/03_a.ipynb"]
    assert found() == everything[:2] and found(evidence=True) == everything
    assert found("03") == ["03_a.ipynb"] and found("evidence/03") == ["evidence/03_a.ipynb"]
    assert found("evidence/03", "04") == ["04_b.ipynb", "evidence/03_a.ipynb"]
    assert found("03", evidence=True) == ["03_a.ipynb", "evidence/03_a.ipynb"]
    assert found("notebooks/evidence/03_a.ipynb") == ["evidence/03_a.ipynb"]
    with pytest.raises(SystemExit, match="No notebook matches evidence/04"):
        found("evidence/04")


def hrefs(path):
    text = BeautifulSoup(path.read_text(), "html.parser")
    return {a.get_text().strip("¶"): a["href"] for a in text.select(".markdown a, nav a") if "anchor" not in str(a)}


def test_the_course_runs_one_shelf_and_shows_both(two_shelves, tmp_path, capsys):
    out = tmp_path / "out"
    course.main(["--folder", str(two_shelves), "--out", str(out)])
    assert set(json.loads((out / "results.json").read_text())) == {"03_a.ipynb", "04_b.ipynb"}
    assert (out / "03_a.ipynb").exists() and not (out / "evidence" / "03_a.ipynb").exists()
    assert "cwd notebooks" in (out / "03_a.html").read_text()
    # The evidence did not run, but its page is there, so that links lead to it.
    lecture, proof = hrefs(out / "03_a.html"), hrefs(out / "evidence" / "03_a.html")
    assert lecture["its evidence [1]"] == "evidence/03_a.html#two" and lecture["b"] == "04_b.html"
    assert "gone" not in lecture and "gone" in (out / "03_a.html").read_text()
    assert proof["that"] == "../03_a.html#one" and proof["itself"] == "03_a.html"
    for page in out.rglob("*.html"):
        for href in [*hrefs(page).values(), *re.findall(r'<script src="([^"]+)"', page.read_text())]:
            assert (page.parent / href.partition("#")[0]).is_file(), (page, href)
        assert page.name == "timing.html" or "tex-svg-full.js" in page.read_text()
    assert "evidence/03_a.html" in (out / "index.html").read_text()

    course.main(["--folder", str(two_shelves), "--out", str(out), "--all"])
    results = json.loads((out / "results.json").read_text())
    assert set(results) == {"03_a.ipynb", "04_b.ipynb", "evidence/03_a.ipynb"}
    assert "cwd evidence" in (out / "evidence" / "03_a.html").read_text()

    (two_shelves / "evidence" / "03_a.ipynb").unlink()
    course.main(["--folder", str(two_shelves), "--out", str(out), "04"])
    assert not list((out / "evidence").iterdir()) and "evidence/03_a.html" not in (out / "03_a.html").read_text()


def test_a_page_shows_what_is_stored_once_the_notebook_has_changed(two_shelves, tmp_path, capsys):
    out = tmp_path / "out"
    course.main(["--folder", str(two_shelves), "--out", str(out), "04"])
    assert "not run here" in (out / "index.html").read_text()  # 03
    save(two_shelves / "04_b.ipynb", new_markdown_cell("# Changed"))
    course.main(["--folder", str(two_shelves), "--out", str(out), "03"])
    assert "Changed" in (out / "04_b.html").read_text() and "Changed" in (out / "03_a.html").read_text()


def test_store_knows_both_shelves(two_shelves, capsys):
    lecture, proof = two_shelves / "03_a.ipynb", two_shelves / "evidence" / "03_a.ipynb"
    store.main(["--folder", str(two_shelves)])
    assert runner.read(lecture).cells[1].outputs[0].text == "cwd notebooks\n"
    assert runner.read(proof).cells[1].outputs[0].text == "cwd evidence\n"
    capsys.readouterr()
    store.main(["--folder", str(two_shelves), "evidence/03"])
    said = capsys.readouterr().out
    assert "evidence/03_a.ipynb" in said and "04_b" not in said and said.count("stored") == 1


def test_slides_are_of_the_course_and_students_get_both_shelves(two_shelves, tmp_path, capsys):
    slides.main(["--folder", str(two_shelves), "--out", str(tmp_path / "slides")])
    assert {p.name for p in (tmp_path / "slides").glob("*.html")} == {"index.html", "03_a.html", "04_b.html"}
    html = BeautifulSoup((tmp_path / "slides" / "03_a.html").read_text(), "html.parser")
    assert [a["href"] for a in html.select("section a") if "anchor-link" not in a.get("class", [])] == ["04_b.html"]
    with pytest.raises(SystemExit, match="evidence is for reading"):
        slides.main(["--folder", str(two_shelves), "--out", str(tmp_path / "slides"), "evidence/03"])
    student.main(["--folder", str(two_shelves), "--out", str(tmp_path / "student")])
    with zipfile.ZipFile(tmp_path / "student" / "what-i-cannot-create.zip") as archive:
        written = {p.relative_to(tmp_path / "student").as_posix() for p in (tmp_path / "student").rglob("*.ipynb")}
        zipped = {name.removeprefix("what-i-cannot-create/") for name in archive.namelist()}
        assert zipped == written and "notebooks/evidence/03_a.ipynb" in written


def test_the_readmes_pictures_come_from_both_shelves(two_shelves):
    shown = code("plot()", "readme-one")
    shown.outputs = [picture()]
    save(two_shelves / "evidence" / "05_c.ipynb", shown)
    assert list(pictures.pictures(two_shelves)) == ["one"]


def test_one_notebook_is_tested_by_its_own_tests(monkeypatch, tmp_path):
    ran = []
    verify.main(["--out", str(tmp_path), "03"], run=lambda command, cwd: ran.append(command) or 0)
    style, tests = ran
    assert "ruff" in style and "--nbval" in tests and tests[-1] == "notebooks/03_pixel_cnn.ipynb"
    assert "tests/test_project.py::test_a_check_says_nothing_and_can_fail[03_pixel_cnn]" in tests
    assert "tests" not in tests
    verify.main(["--out", str(tmp_path)], run=lambda command, cwd: ran.append(command) or 0)
    assert ran[-1][-2:] == ["tests", "notebooks"]
    assert verify.main(["--out", str(tmp_path)], run=lambda command, cwd: 3) == 3


def test_a_check_is_folded_on_pages_and_absent_from_slides(tmp_path, capsys):
    def cell(source, kind, *tags):
        return code(source, *tags, slideshow={"slide_type": kind})

    title = new_markdown_cell("# T", metadata={"slideshow": {"slide_type": "slide"}})
    checks = [cell("assert SECRET", "-", "check"), cell("assert SECRET", "slide", "check")]
    cells = [title, cell("first = 1", "-"), *checks, cell("second = 2", "-"), cell("third = 3", "fragment")]
    save(tmp_path / "in" / "00_a.ipynb", *cells)
    page = pages.convert(pages.exporter("page"), new_notebook(cells=cells), "00_a", tmp_path)
    html = BeautifulSoup(page, "html.parser")
    folded = html.select("details.check")
    assert len(folded) == 2 and not any(d.has_attr("open") for d in folded)
    assert [d.summary.get_text() for d in folded] == ["check"] * 2 and "SECRET" in folded[0].get_text()
    assert html.get_text().count("SECRET") == 2 and not html.select("details details")

    slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    html = BeautifulSoup((tmp_path / "out" / "00_a.html").read_text(), "html.parser")
    assert "SECRET" not in html.get_text()
    columns = [s.get_text() for s in html.select("section > section")]
    assert len(columns) == 2  # a check that began a slide leaves that to the next cell
    assert "first" in columns[0] and "second" in columns[1] and "third" in columns[1]


# ---- editions --------------------------------------------------------------------------------------------------------


def lesson():
    exercise, solution = code("def f(x):\n    ...", "exercise"), code("SECRET = 42", "solution")
    exercise.outputs, exercise.execution_count = [printed("our own try")], 1
    text = "# Sums & <parts>\n\nWhy $a<b$.\n\nNext: [two](01_two.ipynb#top)."
    shown = code("plot()", alt='A "pixel" & more')
    shown.outputs = [picture()]
    return new_markdown_cell(text), exercise, solution, shown


def test_the_student_edition_has_no_solution(tmp_path, capsys):
    save(tmp_path / "in" / "00_a.ipynb", *lesson())
    student.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "notebooks" / "00_a.ipynb").read_text()
    assert "SECRET" not in text and "our own try" not in text and "def f(x)" in text and PIXEL[:20] in text
    with zipfile.ZipFile(tmp_path / "out" / "what-i-cannot-create.zip") as archive:
        assert archive.read("what-i-cannot-create/notebooks/00_a.ipynb").decode() == text


def test_a_page_needs_no_network_and_describes_its_pictures(tmp_path):
    html = pages.convert(pages.exporter("page"), new_notebook(cells=list(lesson())), "00_a", tmp_path)
    assert "http://" not in html and "https://" not in html
    assert [image["alt"] for image in BeautifulSoup(html, "html.parser").find_all("img")] == ['A "pixel" & more']
    assert 'href="01_two.html#top"' in html
    details = html[html.index("<details") : html.index("</details>")]
    assert "SECRET" in details and "solution" in details
    assert "<title>Sums &amp; &lt;parts&gt;</title>" in html and "$a&lt;b$" in html
    pages.copy_mathjax(tmp_path)
    assert (tmp_path / "mathjax" / "tex-svg-full.js").stat().st_size > 1_000_000


def test_a_widget_is_stored_and_published_as_its_picture(tmp_path, capsys):
    view = {runner.WIDGET: {"model_id": "gone", "version_major": 2, "version_minor": 0}}
    shown = {**view, "image/png": PIXEL, "text/plain": "Painter"}  # as course_utils.widgets shows itself
    source = f"from IPython.display import display\ndisplay({shown}, raw=True)"
    folder, slide = tmp_path / "in", {"slideshow": {"slide_type": "slide"}}
    path = save(folder / "00_a.ipynb", new_markdown_cell("# A", metadata=slide), code(source, alt="A pixel.", **slide))
    store.main(["--folder", str(folder)])
    (stored,) = runner.read(path).cells[1].outputs
    assert set(stored.data) == {"image/png", "text/plain"} and stored.metadata["image/png"]["alt"] == "A pixel."

    runner.run(path, tmp_path / "course" / "00_a.ipynb")  # `make course` publishes what it ran just now
    course.publish(folder, {}, tmp_path / "course")
    slides.main(["--folder", str(folder), "--out", str(tmp_path / "slides")])
    for page in ("course/00_a.html", "slides/00_a.html"):
        html = BeautifulSoup((tmp_path / page).read_text(), "html.parser")
        assert [(image["alt"], PIXEL in image["src"]) for image in html.find_all("img")] == [("A pixel.", True)]
    student.main(["--folder", str(folder), "--out", str(tmp_path / "student")])
    for edition in ("course/00_a.ipynb", "course/00_a.html", "slides/00_a.html", "student/notebooks/00_a.ipynb"):
        assert '"model_id"' not in (tmp_path / edition).read_text(), edition


def test_what_a_reader_saves_in_jupyterlab_keeps_the_picture_of_a_widget(tmp_path):
    """With the settings of `make lab`, through Jupyter's own contents manager."""
    from jupyter_server.services.contents.filemanager import FileContentsManager
    from traitlets.config import PyFileConfigLoader

    settings = PyFileConfigLoader("lab_config.py", path=str(runner.ROOT / "tools")).load_config()
    manager = FileContentsManager(root_dir=str(tmp_path), config=settings)
    widget = {runner.WIDGET: {"model_id": "1"}}
    outputs = [picture(**widget), new_output("display_data", data=widget), printed("42")]
    cell = new_code_cell("show()", outputs=outputs)
    model = {"type": "notebook", "format": "json", "content": new_notebook(cells=[new_markdown_cell("a"), cell])}
    manager.save(model, "own.ipynb")
    _, kept = runner.read(tmp_path / "own.ipynb").cells
    assert set(kept.outputs[0].data) == {"image/png", "text/plain"}
    assert set(kept.outputs[1].data) == {runner.WIDGET}  # without a picture there is nothing better
    assert kept.outputs[2].text == "42"
    manager.save({"type": "file", "format": "text", "content": "as it is"}, "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "as it is"


@pytest.mark.parametrize(
    "text, promise",
    [
        ("# T\n\nFirst.\n\nSecond, 30 minutes.", "<p>First.</p>"),
        ("# T\n\n> *quoted*\n\n**The promise.** You will.\n\n**Time** 4–6 min", "<p>You will.</p>"),
        ("# T", ""),
    ],
)
def test_the_index_takes_title_and_promise_from_the_first_cell(text, promise):
    found = pages.summary(new_notebook(cells=[new_markdown_cell(text)]))
    assert found == {"title": "T", "promise": promise, "thumbnail": ""}


def test_the_thumbnail_is_the_tagged_figure_or_else_the_first():
    first, second = code("a"), code("b", "thumbnail")
    first.outputs, second.outputs = [picture()], [printed("x"), picture(**{"image/png": "BBBB"})]
    assert pages.thumbnail(new_notebook(cells=[first, second])) == "BBBB"
    second.metadata.tags = []
    assert pages.thumbnail(new_notebook(cells=[first, second])) == PIXEL
    assert pages.thumbnail(new_notebook(cells=[code("c")])) == ""


def test_the_index_has_the_parts_of_the_readme(tmp_path):
    readme = "| | [00_a](x) | .. |\n| **I** | [01_b](x) | .. |\n| | [02_c](x) |\n| **III** | 14_d | *soon* |\n"
    parts = pages.part_of(readme)
    assert parts == {"00_a": "Start", **dict.fromkeys(("01_b", "02_c"), pages.PARTS["I"]), "14_d": pages.PARTS["III"]}
    rows = [{"title": name, "promise": "", "page": f"{name}.html"} for name in ("00_a", "01_b", "glossary", "14_d")]
    pages.index(rows, tmp_path, parts)
    html = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    headings = ["Start", pages.PARTS["I"], pages.PARTS["III"], "To look things up"]
    assert [h.get_text() for h in html.find_all("h2")] == headings
    assert [h.get_text() for h in html.find_all("h3")] == ["00_a", "01_b", "14_d", "glossary"]


def test_every_notebook_of_the_course_has_a_part():
    parts = pages.part_of((runner.ROOT / "README.md").read_text())
    assert [p.stem for p in runner.shelf() if p.stem not in parts] == ["glossary"]
    assert set(parts.values()) == set(pages.PARTS.values())


def test_the_page_of_times_shows_slowest_cells_and_what_is_over_its_budget(tmp_path, capsys):
    slow = code("# wait\nimport time\ntime.sleep(1.2)")
    path = save(tmp_path / "in" / "00_a.ipynb", new_markdown_cell("# A"), code("1"), slow)
    course.main(["--folder", str(path.parent), "--out", str(tmp_path / "out")])
    assert re.search(r"slowest: In \[2\] 1\.\d s # wait", capsys.readouterr().out)
    (kept,) = json.loads((tmp_path / "out" / "results.json").read_text()).values()
    assert [cell[0] for cell in kept["slowest"]] == [2] and kept["slowest"][0][1] > 1.2
    assert "timing" not in path.read_text() and not runner.read(tmp_path / "out" / "00_a.ipynb").cells[2].metadata
    page = BeautifulSoup((tmp_path / "out" / "timing.html").read_text(), "html.parser")
    assert page.find("code", string="# wait")
    target = page.select_one("tbody div a")["href"]
    assert target.startswith("00_a.html#") and f'id="{target[10:]}"' in (tmp_path / "out" / "00_a.html").read_text()
    assert 'href="timing.html"' in (tmp_path / "out" / "index.html").read_text()

    def result(seconds, cell, calibration=2.0):
        return {"seconds": seconds, "calibration": calibration, "peak_mb": 1.0, "error": None}, [[1, cell, "x", "i"]]

    runs = {"00_a.ipynb": result(89, 39), "01_b.ipynb": result(91, 41), "evidence/00_a.ipynb": result(119, 1)}
    runs |= {"evidence/01_b.ipynb": result(121, 1), "02_c.ipynb": result(999, 999, None)}
    pages.timing({n: r for n, (r, _) in runs.items()}, {n: c for n, (_, c) in runs.items()}, tmp_path)
    rows = BeautifulSoup((tmp_path / "timing.html").read_text(), "html.parser").select("tbody tr")
    red = {row.a.get_text(): [e.get_text().strip() for e in row.select(".failed")] for row in rows}
    assert red == {"00_a": [], "evidence/00_a": [], "01_b": ["46", "41.0 s"], "evidence/01_b": ["60"], "02_c": []}


def test_a_page_is_made_again_only_when_something_changed(two_shelves, tmp_path, capsys, monkeypatch):
    out, made = tmp_path / "out", []
    real = pages.convert
    monkeypatch.setattr(pages, "convert", lambda *a, **k: made.append(a[2]) or real(*a, **k))
    course.publish(two_shelves, {}, out)
    assert sorted(made) == ["03_a", "04_b", "evidence/03_a"]
    course.publish(two_shelves, {}, out)
    assert len(made) == 3
    save(two_shelves / "03_a.ipynb", new_markdown_cell("# Lecture\n\nNew words."))
    course.publish(two_shelves, {}, out)
    assert made[3:] == ["03_a"] and "New words" in (out / "03_a.html").read_text()
    save(two_shelves / "04_b.ipynb", new_markdown_cell("# New title"))
    course.publish(two_shelves, {}, out)
    assert set(made[4:]) == {"03_a", "04_b"} and "New title" in (out / "03_a.html").read_text()  # its neighbour, too


def test_slides_load_only_files_beside_them(tmp_path, capsys):
    slide = {"slideshow": {"slide_type": "slide"}}
    cells = [new_markdown_cell("# One", metadata=slide), code("1 + 1", **slide)]
    save(tmp_path / "in" / "00_a.ipynb", *cells)
    slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    html = (tmp_path / "out" / "00_a.html").read_text()
    assert html.count("<section") == 4  # nbconvert nests a slide in a column
    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]*)"', html)
    assert loaded and all((tmp_path / "out" / name).is_file() for name in loaded), loaded


# ---- set-up ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found, way_out",
    [("python3.12", "run make lab PYTHON=python3.12"), (None, "install a newer one, then make lab PYTHON=python3.13")],
)
def test_set_up_refuses_an_old_python(found, way_out):
    with pytest.raises(SystemExit, match=f"needs Python 3.11 or newer, but this is Python 3.9: .*{way_out}"):
        setup_env.check_python((3, 9, 1), which=lambda name: name == found)


def test_set_up_names_the_missing_module(monkeypatch):
    monkeypatch.setattr(setup_env.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(SystemExit, match="lacks its module ensurepip: .*python3-venv"):
        setup_env.check_python()


@pytest.mark.parametrize(
    "log, sentence",
    [
        ("WARNING: Retrying: Temporary failure in name resolution\nERROR: No matching distribution", "no network"),
        ("WARNING: x\nERROR: Cannot install a and b\n", r"pip failed: Cannot install a and b \(.*venv/setup.log"),
        ("OSError: [Errno 28] No space left on device\n", "disk is full"),
        ("", "no reason given"),
    ],
)
def test_set_up_explains_a_failed_pip_in_one_sentence(log, sentence):
    said = setup_env.explain(log)
    assert re.search(sentence, said) and "\n" not in said and said.endswith(".")


@pytest.fixture
def fake_project(tmp_path, monkeypatch):
    """A project whose pip only notes that it was called, and whose environments are this one's Python."""

    def make_venv(venv):
        shutil.rmtree(venv, ignore_errors=True)
        python = setup_env.python_of(venv)
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        home, version = Path(sys.executable).resolve().parent, ".".join(map(str, sys.version_info[:2]))
        (venv / "pyvenv.cfg").write_text(f"home = {home}\nversion = {version}.4\n")
        packages = venv / "lib" / f"python{version}" / "site-packages"
        for name in ("numpy", "numpy-2.0.dist-info", "pip", "__pycache__"):
            (packages / name).mkdir(parents=True)
        (packages / "pip" / "__init__.py").touch()

    monkeypatch.setattr(setup_env, "make_venv", make_venv)
    monkeypatch.setattr(setup_env, "verify", lambda python, root: None)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text(name)
    calls = []
    monkeypatch.setattr(setup_env, "install", lambda python, root, lock: calls.append(python) or calls_log[0])
    calls_log = [None]
    return tmp_path, calls, calls_log


def test_set_up_runs_pip_once_and_again_after_a_change_or_an_interruption(fake_project, monkeypatch, capsys):
    root, calls, _ = fake_project
    setup_env.main(root)
    setup_env.main(root)
    assert len(calls) == 1
    (root / "constraints.txt").write_text("changed")
    setup_env.main(root)
    assert len(calls) == 2

    # Killed while pip was installing: the environment is made anew, for half a package looks like a whole one to pip.
    half = root / ".venv" / "half-a-package"
    half.touch()
    (root / ".venv" / "unfinished").touch()
    (root / ".venv" / "ready").unlink()
    setup_env.main(root)
    assert len(calls) == 3 and not half.exists() and (root / ".venv" / "ready").exists()


def test_a_failed_set_up_is_not_taken_for_a_finished_one(fake_project, capsys):
    root, calls, log = fake_project
    log[0] = "ERROR: no such version\n"
    with pytest.raises(SystemExit, match="pip failed: no such version"):
        setup_env.main(root)
    assert not (root / ".venv" / "ready").exists()
    log[0] = None
    setup_env.main(root)
    assert (root / ".venv" / "ready").exists()


def test_an_environment_without_its_python_or_a_package_is_noticed_and_repaired(fake_project, capsys):
    root, calls, _ = fake_project
    setup_env.main(root)
    (packages,) = root.glob(".venv/lib/python*/site-packages")
    assert setup_env.is_ready(root)
    (packages / "somebody-elses").mkdir()  # more is no harm, and neither is a cache that is gone
    (packages / "__pycache__").rmdir()
    assert setup_env.is_ready(root)

    for broken in (packages / "numpy", packages / "numpy-2.0.dist-info"):
        broken.rmdir()
        assert not setup_env.is_ready(root)
        capsys.readouterr()
        count = len(calls)
        setup_env.main(root)
        assert len(calls) == count + 1 and "Repairing .venv" in capsys.readouterr().out and setup_env.is_ready(root)

    kept = root / ".venv" / "kept"
    kept.touch()
    (root / ".venv" / "bin" / "python").unlink()
    (root / ".venv" / "bin" / "python").symlink_to(root / "no-such-python")  # the system's Python was updated
    assert not setup_env.is_ready(root)
    setup_env.main(root)
    assert setup_env.is_ready(root) and not kept.exists()
    (root / ".venv" / "ready").write_bytes(b"\xff")
    assert not setup_env.is_ready(root)
    setup_env.main(root)
    assert setup_env.is_ready(root)


def test_whoever_asks_with_another_python_does_not_make_the_environment_anew(fake_project, monkeypatch):
    root, calls, _ = fake_project
    setup_env.main(root)
    monkeypatch.setattr(setup_env.sys, "version_info", (3, 9, 1))
    setup_env.main(root)  # nor is it told that its Python is too old
    assert len(calls) == 1


def test_an_environment_that_cannot_import_is_made_from_nothing_and_else_explained(fake_project, monkeypatch, capsys):
    root, calls, _ = fake_project
    setup_env.main(root)
    (root / "constraints.txt").write_text("changed")
    half = root / ".venv" / "half"
    half.touch()
    answers = iter(["numpy cannot be imported (ImportError: half)", None])
    monkeypatch.setattr(setup_env, "verify", lambda python, root: next(answers))
    setup_env.main(root)
    assert len(calls) == 3 and not half.exists() and setup_env.is_ready(root)
    (root / "constraints.txt").write_text("changed again")
    monkeypatch.setattr(setup_env, "verify", lambda python, root: "missing: torch")
    with pytest.raises(SystemExit, match=r"does not work: missing: torch \(see .venv/setup.log\)"):
        setup_env.main(root)
    assert not setup_env.is_ready(root)


def test_this_environment_is_verified_and_a_broken_one_is_not(tmp_path):
    assert setup_env.verify(sys.executable, setup_env.ROOT) is None
    text = (setup_env.ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(text.replace('"tqdm",', '"tqdm",\n    "no-such-package",'))
    assert setup_env.verify(sys.executable, tmp_path) == "missing: no-such-package"
    (tmp_path / "pyproject.toml").write_text(text)
    assert "not the one of this project" in setup_env.verify(sys.executable, tmp_path)


def test_pip_hears_where_packages_are_and_nothing_of_other_installations(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    lines = ["[global]", "index-url = file:///a", "find-links =", "    /b", "    /c", "no-deps = true", "timeout = 7"]
    lines += ["[install]", "target = /elsewhere", "user = true", "extra-index-url = file:///d"]
    (tmp_path / "pip.conf").write_text("\n".join(lines))
    hostile = {"PREFIX": "/p", "TARGET": "/t", "USER": "1", "NO_DEPS": "1", "PYTHON": "/no", "REQUIRE_HASHES": "1"}
    for name, value in {**hostile, "CONFIG_FILE": str(tmp_path / "pip.conf"), "CERT": "/c.pem", "TIMEOUT": "9"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    env = setup_env.pip_environment(sys.executable)
    assert {name: value for name, value in env.items() if name.startswith("PIP_")} == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "file:///a",
        "PIP_FIND_LINKS": "/b /c",
        "PIP_EXTRA_INDEX_URL": "file:///d",
        "PIP_CERT": "/c.pem",
        "PIP_TIMEOUT": "9",
    }
    assert "PYTHONPATH" not in env and env["PATH"] == os.environ["PATH"]
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], env=env, capture_output=True, text=True)
    assert "/elsewhere" not in done.stdout and "no-deps" not in done.stdout and "'file:///a'" in done.stdout


def test_set_up_is_readable_by_old_pythons():
    # A newer construct would end in a SyntaxError before it could say anything.
    ast.parse(Path(setup_env.__file__).read_text(encoding="utf-8"), feature_version=(3, 6))
    assert sys.version_info >= setup_env.NEEDED


def test_gpu_steps_each_leave_a_log_and_a_slow_one_takes_no_other_along(tmp_path, capsys):
    steps = {
        "good": (["-c", "print('found')"], 60),
        "bad": (["-c", "raise SystemExit(3)"], 60),
        "slow": (["-c", "print('begun', flush=True); import time; time.sleep(60)"], 2),
        "last": (["-c", "pass"], 60),
    }
    assert gpu.main(tmp_path / "gpu", steps) == 2
    assert (tmp_path / "gpu" / "good.log").read_text() == "found\n"
    assert (tmp_path / "gpu" / "slow.log").read_text() == "begun\n"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(steps)
    assert " ok " in lines[0] and "  3  " in lines[1] and "broken off after 2 s" in lines[2] and " ok " in lines[3]
    assert sum(most for _, most in gpu.STEPS.values()) <= 14 * 60
    for arguments, _ in gpu.STEPS.values():
        assert all((gpu.ROOT / name).exists() for name in arguments if name.endswith(".py"))
