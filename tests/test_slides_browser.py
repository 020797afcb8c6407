"""Slides fit their canvas and tables fit their page, measured in a real browser; skipped where there is no Chromium."""

import base64
import contextlib
import io

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import browser
import pages
import runner
import slides

pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.chromium() is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def open_file():
    with browser.opened() as opened:
        yield opened


def lectures():
    """The notebooks of the course's shelf; the glossary is a list and no lecture."""
    return [pytest.param(path, id=path.stem) for path in runner.shelf() if path.stem != "glossary"]


@pytest.mark.parametrize("path", lectures())
def test_every_slide_fits_its_canvas(path, open_file, tmp_path, capsys):
    slides.main([path.stem, "--out", str(tmp_path)])
    measured = browser.measure_slides(tmp_path / f"{path.stem}.html", open_file)
    assert len(measured) > 5
    assert browser.too_large(measured) == []


@pytest.mark.parametrize("path", lectures())
def test_every_table_fits_its_column_and_no_number_wraps(path, open_file, tmp_path):
    html = pages.convert(pages.exporter("page"), runner.read(path), path.stem, path.parent)
    pages.copy_mathjax(tmp_path)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    wrong = [t for t in browser.measure_tables(tmp_path / "page.html", open_file) if bad(t)]
    assert wrong == []


def bad(table):
    return table["width"] > table["room"] + 1 or table["wrapped"]


# ---- what the measurement sees ---------------------------------------------------------------------------------------


def figure(width=900, height=500):
    """A picture of this size, as a cell's output."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(file, "PNG")
    return new_output("display_data", data={"image/png": base64.b64encode(file.getvalue()).decode()})


def cell(source, kind, *outputs, **metadata):
    metadata = {"slideshow": {"slide_type": kind}, **metadata}
    return nbformat.from_dict(new_code_cell(source, outputs=list(outputs), metadata=metadata))


def words(source, kind):
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


TEN_LINES = "\n".join(f"line_{i} = function(argument, another={i})  # a comment at the end" for i in range(10))
SENTENCE = "A sentence of ordinary length that says what the picture below shows, and what is worth a look in it. "


def measure(tmp_path, open_file, *cells):
    runner.write(tmp_path / "in" / "00_a.ipynb", runner.dumps(new_notebook(cells=list(cells))))
    slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    return browser.measure_slides(tmp_path / "out" / "00_a.html", open_file)


def test_ordinary_slides_fit_and_the_others_are_found(tmp_path, open_file, capsys):
    formula = "$$\\log p(x) = \\sum_{i=1}^{n} \\log p(x_i \\mid x_{<i})$$"
    wide = new_output("display_data", data={"text/html": f"<table><tr>{'<td>0123456789</td>' * 20}</tr></table>"})
    measured = measure(
        tmp_path,
        open_file,
        words("# A title\n\n" + SENTENCE * 2 + "\n\n" + formula, "slide"),
        words("## Ten lines and a picture\n\n" + SENTENCE, "slide"),
        cell(TEN_LINES, "fragment", figure()),
        words("## Two pictures\n\n" + SENTENCE * 2, "subslide"),
        cell("plots.images(x)", "fragment", figure()),
        cell("plots.images(y)", "fragment", figure()),
        words("## Too many lines", "slide"),
        cell("\n".join([TEN_LINES] * 4), "fragment"),
        words("## Too wide", "slide"),
        cell("show.table(rows)", "-", wide),
        words("## Ten lines, and another ten that come later", "slide"),
        cell(TEN_LINES, "-"),
        cell("\n".join([TEN_LINES] * 3), "fragment"),
    )
    assert [slide["number"] for slide in measured] == [1, 2, 3, 4, 5, 6]
    assert [slide["number"] for slide in browser.too_large(measured)] == [4, 5, 6]
    assert measured[3]["first"] == "Too many lines" and measured[3]["height"] > 800 and measured[4]["width"] > 1300
    assert [slide["tight"] for slide in measured[:3]] == [False] * 3

    page = open_file(tmp_path / "out" / "00_a.html")
    assert page.locator(".page mjx-container").count() == 1  # the formula is drawn
    page.evaluate("Reveal.slide(1, 1, 9)")
    sizes = page.evaluate(
        "[...Reveal.getCurrentSlide().querySelectorAll('img')].map(i => i.getBoundingClientRect().height)"
    )
    assert sizes[0] == pytest.approx(sizes[1]) and 150 < sizes[0] < 300  # they share the room that is left


def test_code_that_is_hidden_in_the_notebook_is_hidden_on_slides(tmp_path, open_file, capsys):
    hidden = cell("GLUE = 1", "-", new_output("stream", name="stdout", text="SHOWN"), jupyter={"source_hidden": True})
    measure(tmp_path, open_file, words("# A", "slide"), hidden)
    text = (tmp_path / "out" / "00_a.html").read_text()
    assert "GLUE" not in text and "SHOWN" in text


def test_the_author_gets_a_list_of_what_does_not_fit(tmp_path, open_file, capsys, monkeypatch):
    monkeypatch.setattr(browser, "opened", lambda: contextlib.nullcontext(open_file))  # one browser a thread
    cells = [words("# Fits", "slide"), words("## A wall", "slide"), cell("\n".join([TEN_LINES] * 4), "-")]
    runner.write(tmp_path / "in" / "00_a.ipynb", runner.dumps(new_notebook(cells=cells)))
    options = ["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--measure"]
    with pytest.raises(SystemExit) as stopped:
        slides.main(options)
    said = capsys.readouterr().out
    assert stopped.value.code == 1 and "00_a: 2 slides, 1 too large" in said
    assert "slide   2" in said and "A wall" in said and "Fits" not in said


def test_wide_tables_and_wrapped_numbers_are_found_on_pages(tmp_path, open_file):
    def table(cells, style=""):
        row = "".join(f'<td style="{style}">{text}</td>' for text in cells)
        return new_output("display_data", data={"text/html": f"<table><tr>{row}</tr></table>"})

    fits = table(["0.5 ± 0.1", "2,000", "a name of several words that may wrap where it must, as this one does here"])
    wide = table(["0123456789"] * 20, "white-space: nowrap")
    wrapped = table(["12.3 ± 0.4", "name"], "width: 3em; max-width: 3em")
    notebook = new_notebook(cells=[cell("1", "-", output) for output in (fits, wide, wrapped)])
    for number, one in enumerate(notebook.cells):
        one["id"] = f"cell{number}"
    (tmp_path / "a.html").write_text(pages.convert(pages.exporter("page"), notebook, "a", tmp_path), encoding="utf-8")
    first, second, third = browser.measure_tables(tmp_path / "a.html", open_file)
    assert not bad(first) and first["width"] <= first["room"]
    assert bad(second) and second["width"] > second["room"] and not second["wrapped"]
    assert third["wrapped"] == ["12.3 ± 0.4"] and third["id"] == "cell2"
