"""Slides fit their canvas and their window, tables fit their page, the speaker sees notes and a PDF has every slide.

All of it in a real browser; skipped where there is no Chromium.
"""

import base64
import contextlib
import io
import re

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
    """The notebooks of the course's shelf, with the glossary."""
    return [pytest.param(path, id=path.stem) for path in runner.shelf()]


@pytest.mark.parametrize("path", lectures())
def test_every_slide_fits_its_canvas_and_both_windows(path, open_file, tmp_path, capsys):
    slides.main([path.stem, "--out", str(tmp_path)])
    measured = browser.measure_slides(tmp_path / f"{path.stem}.html", open_file)
    assert len(measured) > 5
    assert browser.too_large(measured) == []
    assert min(slide["smallest"] for slide in measured) >= 14  # pixels of 720: what the last row can read


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
    assert stopped.value.code == 1 and "00_a: 2 slides, 1 do not fit" in said
    assert "slide   2" in said and "A wall" in said and "Fits" not in said and "in a window of 1024 × 768" in said


def shown(html):
    return cell("show(x)", "-", new_output("display_data", data={"text/html": html}))


def test_what_is_cut_off_or_has_to_be_scrolled_is_found(tmp_path, open_file, capsys):
    many = "<br>".join(["a line"] * 9)
    measured = measure(
        tmp_path,
        open_file,
        *(words("# Fits", "slide"), shown(f"<div>{many}</div>")),
        *(
            words("# Beyond the left edge", "slide"),
            shown('<div class="beyond" style="margin-left: -80px">words</div>'),
        ),
        *(words("# Scrolled", "slide"), shown(f'<div class="low" style="height: 60px; overflow: auto">{many}</div>')),
        *(words("# Hidden", "slide"), shown(f'<div class="low" style="height: 60px; overflow: hidden">{many}</div>')),
        *(words("# Too wide in the smaller window", "slide"), shown('<div class="wide">words</div>')),
        shown("<style>@media (max-width: 1100px) { .wide { margin-left: -80px } }</style>"),
    )
    assert [slide["number"] for slide in browser.too_large(measured)] == [2, 3, 4, 5]
    assert [slide["height"] for slide in measured] == [720] * 5  # the canvas alone does not tell
    small, large = "1024 × 768", "1280 × 720"
    assert [list(slide["cut"]) for slide in measured] == [[]] + [[large, small]] * 3 + [[small]]
    assert measured[1]["cut"][large] == ["div.beyond"] and measured[2]["cut"][small] == ["div.low"]
    assert open_file(tmp_path / "out" / "00_a.html").viewport_size == {"width": 1280, "height": 720}


def test_the_window_counts_as_well_as_the_canvas(tmp_path, open_file, capsys):
    measure(tmp_path, open_file, words("# A\n\n" + SENTENCE * 8, "slide"))
    file = tmp_path / "out" / "00_a.html"
    fixed = file.read_text().replace(
        "width: 1280, height: 720, margin: 0", "minScale: 1, margin: 0, width: 1280, height: 720"
    )
    assert fixed != file.read_text()  # a deck that does not shrink with its window
    runner.write(file, fixed)
    (slide,) = browser.measure_slides(file, open_file)
    assert list(slide["cut"]) == ["1024 × 768"] and browser.too_large([slide])


def test_code_is_larger_where_there_is_room_for_it(tmp_path, open_file, capsys):
    rows = new_output("display_data", data={"text/html": f"<table>{'<tr><td>word</td></tr>' * 17}</table>"})
    measured = measure(
        tmp_path,
        open_file,
        *(words("# Short lines", "slide"), cell("x = 1", "fragment")),
        *(words("# A line of 90 letters", "slide"), cell("x" * 90, "-")),
        *(words("# A line of 200 letters", "slide"), cell("x" * 200, "-")),
        *(words("# A figure that fills the rest", "slide"), cell(TEN_LINES, "fragment", figure())),
        *(words("# A wall\n\n" + SENTENCE * 14, "slide"), cell(TEN_LINES, "fragment")),
        *(words("# A table that fits in smaller type", "slide"), cell("1", "fragment", rows)),
    )
    assert browser.too_large(measured) == []
    assert [slide["smallest"] for slide in measured] == [22, 20, 18, 18, 15, 15]
    assert [slide["tight"] for slide in measured] == [False] * 4 + [True] * 2
    assert [slide["figure"] < 1 for slide in measured] == [False] * 3 + [True, False, False]


# ---- notes and PDFs --------------------------------------------------------------------------------------------------


def test_the_speaker_sees_notes_and_what_slides_skip_without_a_network(tmp_path, open_file, capsys):
    measured = measure(
        tmp_path,
        open_file,
        words("# A", "slide"),
        cell("first", "fragment"),
        words("Say **this** and $\\frac{a}{b}$.", "notes"),
        cell("second", "fragment"),
        words("A remark that the slide lacks.", "skip"),
        cell("exercise = ...", "skip"),
        words("## B", "subslide"),
        words("Of B.", "notes"),
    )
    assert [slide["height"] for slide in measured] == [720] * 2  # notes take no room
    page = open_file(tmp_path / "out" / "00_a.html")
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    note = popup.value.locator(".speaker-controls-notes .value")
    note.get_by_text("A remark that the slide lacks.").wait_for()
    assert note.locator("strong").inner_text() == "this"
    assert note.locator("math mfrac").count() == 1 and note.locator("svg").count() == 0
    assert "Of B." not in note.inner_text() and "exercise" not in page.content()
    assert page.get_by_text("A remark that the slide lacks.").is_hidden()
    page.evaluate("Reveal.slide(0, 0, 1)")
    assert popup.value.locator("iframe").count() == 2  # this slide and the next one
    page.evaluate("Reveal.slide(0, 1)")
    note.get_by_text("Of B.").wait_for()
    assert asked and all(url.startswith(("file:", "data:", "about:", "blob:")) for url in asked)
    popup.value.close()


PAGE = re.compile(rb"/Type\s*/Page\b")


def print_to_pdf(tmp_path, open_file, monkeypatch, *cells):
    monkeypatch.setattr(browser, "opened", lambda: contextlib.nullcontext(open_file))  # one browser a thread
    runner.write(tmp_path / "in" / "00_a.ipynb", runner.dumps(new_notebook(cells=list(cells))))
    slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--pdf"])
    return (tmp_path / "out" / "00_a.pdf").read_bytes()


def test_a_pdf_has_a_page_for_each_slide_with_its_fragments(tmp_path, open_file, monkeypatch, capsys):
    outside = "[a file](../other.txt), [a page](https://example.org/page) and [below](#B)"
    cells = [
        *(words(f"# A\n\n$x^2$ {outside}", "slide"), cell("1", "fragment"), cell("2", "fragment", figure())),
        *(words("## B", "subslide"), words("A note.", "notes"), words("# C", "slide")),
        *(words("A wall.", "subslide"), cell(TEN_LINES, "-"), cell("\n".join([TEN_LINES] * 2), "fragment")),
    ]
    content = print_to_pdf(tmp_path, open_file, monkeypatch, *cells)
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")
    assert len(PAGE.findall(content)) == 4
    assert set(re.findall(rb"/MediaBox\s*\[([^]]*)\]", content)) == {b"0 0 960 540"}  # points: 1280 × 720 pixels
    assert b"file:" not in content and b"https://example.org/page" in content
    assert 5_000 < len(content) < 200_000 and not list((tmp_path / "out").rglob("*.part"))
    assert "00_a.pdf: 4 pages" in capsys.readouterr().out

    page = open_file(tmp_path / "out" / "00_a.html", "?print-pdf")
    page.wait_for_selector(".pdf-page .page", state="attached")
    assert (
        page.evaluate("[...document.querySelectorAll('.code')].map(c => getComputedStyle(c).visibility)")
        == ["visible"] * 4
    )
    assert page.locator(".page mjx-container svg").count() == 1  # the formula is drawn
    assert page.locator(".page.tight").count() == 1 and page.get_by_text("A note.").is_hidden()


def test_a_slide_larger_than_its_page_is_named(tmp_path, open_file, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        cells = [words("# Fits", "slide"), words("# A wall", "slide"), cell("\n".join([TEN_LINES] * 4), "-")]
        print_to_pdf(tmp_path, open_file, monkeypatch, *cells)
    assert stopped.value.code == 1 and "slides 2\n" in capsys.readouterr().out
    assert len(PAGE.findall((tmp_path / "out" / "00_a.pdf").read_bytes())) == 2


def test_without_chromium_a_sentence_says_what_a_pdf_needs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(browser, "chromium", lambda: None)
    runner.write(tmp_path / "in" / "00_a.ipynb", runner.dumps(new_notebook(cells=[words("# A", "slide")])))
    with pytest.raises(SystemExit, match="needs Chromium"):
        slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--pdf"])
    assert (tmp_path / "out" / "00_a.html").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    runner.write(tmp_path / "in" / "00_a.ipynb", runner.dumps(new_notebook(cells=[words("# A", "slide")])))
    runner.write(tmp_path / "out" / "thesis.txt", "years of work")
    with pytest.raises(SystemExit, match="other files"):
        slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
    for _ in range(2):  # the second time the folder has slides
        slides.main(["--folder", str(tmp_path / "in"), "--out", str(tmp_path / "new")])


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
