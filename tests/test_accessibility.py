"""Pages and slides for those who cannot see well, use no mouse, or print: measured in a browser with axe-core."""

import base64
import io
import re

import audit
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import browser
import course
import pages
import runner
import slides

pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.chromium() is None, reason="there is no Chromium on this machine"),
]
ALL = {"minor", "moderate", "serious", "critical"}


@pytest.fixture(scope="module")
def open_file():
    with browser.opened() as opened:
        yield opened


# ---- a notebook with all kinds of cells ------------------------------------------------------------------------------

LONG = (
    "value = function(argument, 'a text', another=1) and not other in (1.5, None)  # a comment " + "that goes on " * 9
)
CODE = f'''import math
@decorator
class Model(Base):
    """What it is."""

    def method(self, x: int = 0x1F) -> str:
        if x is not None and x in (1, 2) or not self.y:
            raise ValueError(f"{{x!r}} is no {{self.name:>4}}\\n")
        return lambda y: y ** 2 @ x

%timeit f(x)
!ls
{LONG}
'''


def picture(alt):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (300, 200), "navy").save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode()}
    return new_output("display_data", data=data, metadata={"image/png": {"alt": alt}})


def cell(source, kind="-", *outputs, **metadata):
    metadata = {"slideshow": {"slide_type": kind}, **metadata}
    return new_code_cell(source, outputs=list(outputs), metadata=metadata, id=f"cell{abs(hash(source + kind)) % 10**9}")


def words(source, kind="-"):
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A course of one notebook that has all kinds of cells and outputs, and its evidence."""
    folder = tmp_path_factory.mktemp("in")
    table = "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
    wide = "$$" + " + ".join(f"x_{{{i}}}^2" for i in range(60)) + "$$"
    cells = [
        words(
            "# A title\n\n**The promise.** A paragraph with `code`, $x^2$ and a [link](https://example.org).", "slide"
        ),
        words("## Section\n\n> A quotation.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" + wide, "slide"),
        cell(
            CODE,
            "-",
            new_output("stream", name="stdout", text="one\n"),
            picture("A blue field without anything in it."),
        ),
        cell("warn()", "-", new_output("stream", name="stderr", text="a warning")),
        cell("table()", "subslide", new_output("display_data", data={"text/html": table})),
        cell(
            "1 / 0",
            "skip",
            new_output(
                "error", ename="E", evalue="e", traceback=["\x1b[0;31mE\x1b[0m: \x1b[1;33me\x1b[0m \x1b[0;36mf\x1b[0m"]
            ),
        ),
        cell("...", "slide", tags=["exercise"]),
        cell("answer = 1", "skip", tags=["solution"], jupyter={"source_hidden": True}),
        cell("assert answer", "-", tags=["check"], jupyter={"source_hidden": True}),
        cell("glue()", "-", picture("The same blue field without anything."), jupyter={"source_hidden": True}),
    ]
    notebook = nbformat.from_dict(new_notebook(cells=cells))
    runner.write(folder / "00_a.ipynb", runner.dumps(notebook))
    runner.write(folder / "evidence" / "00_a.ipynb", runner.dumps(notebook))
    runner.write(folder / "01_b.ipynb", runner.dumps(notebook))
    return folder


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """The pages of that course as `make course` writes them, one notebook over its budget and one failed."""
    out = tmp_path_factory.mktemp("pages")
    known = {"calibration": 1.0, "calibrated_seconds": 99.0, "peak_mb": 900, "slowest": [(1, 25.0, "fit()", "cell1")]}
    error = {"name": "E", "value": "e"}
    results = {
        "00_a.ipynb": {"seconds": 99.0, "error": None, **known},
        "01_b.ipynb": {"seconds": 1.0, "error": error, **known},
    }
    course.publish(folder, results, out)
    return out


@pytest.mark.parametrize("name", ["index", "timing", "00_a", "evidence/00_a"])
def test_a_page_breaks_no_rule(name, made, open_file):
    page = open_file(made / f"{name}.html")
    page.wait_for_timeout(100)
    assert audit.violations(page, impacts=ALL) == []


def test_pictures_keep_their_descriptions(made, folder, tmp_path, capsys):
    slides.main(["00", "--folder", str(folder), "--out", str(tmp_path)])
    for file in (made / "00_a.html", tmp_path / "00_a.html"):
        alts = re.findall(r'<img[^>]*\salt="([^"]*)"', file.read_text(encoding="utf-8"))
        # where there is none, nbconvert puts one that says so, which axe-core takes for a description
        assert alts == ["A blue field without anything in it.", "The same blue field without anything."]


def test_with_everything_unfolded_colours_have_contrast_and_a_narrow_window_can_be_scrolled(made, open_file):
    page = open_file(made / "00_a.html")
    page.set_viewport_size({"width": 420, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(100)
    try:
        assert page.locator("pre[tabindex='0']").count() >= 1
        assert page.locator("mjx-container[display='true'][tabindex='0']").count() == 1
        assert audit.violations(page, impacts=ALL) == []
    finally:
        page.set_viewport_size({"width": browser.WIDTH, "height": browser.HEIGHT})


def test_the_tab_key_reaches_links_and_folds_and_what_scrolls_and_no_formula_that_fits(made, open_file):
    page = open_file(made / "00_a.html")
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        what = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.localName, e.innerText?.slice(0, 12), s.outlineStyle, parseFloat(s.outlineWidth)] })()"
        )
        if what[0] == "body":
            break
        stops.append(what)
        if what[1] == "Solution":
            page.keyboard.press("Enter")
            assert page.locator("details.solution").evaluate("d => d.open")
    assert all(style not in ("none", "hidden") and width >= 1 for _, _, style, width in stops), stops
    kinds = [kind for kind, *_ in stops]
    assert kinds.count("summary") == 3 and kinds.count("mjx-container") == 1 and "pre" in kinds and "a" in kinds


def test_on_paper_nothing_is_cut_off_and_what_is_folded_stays_away(made, open_file):
    page = open_file(made / "00_a.html")
    page.emulate_media(media="print")
    try:
        shown = page.evaluate("[...document.querySelectorAll('nav, summary')].filter(e => e.checkVisibility()).length")
        assert shown == 0
        page.locator("details.solution").evaluate("d => d.open = true")
        assert page.locator("details.solution .input").is_visible()
        page.set_viewport_size({"width": 670, "height": 900})  # the paper's, A4 without margins
        cut = "[...document.querySelectorAll('pre, .output')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert page.evaluate(cut) == 0
        assert page.evaluate("getComputedStyle(document.querySelector('.output img')).breakInside") == "avoid"
    finally:
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": browser.WIDTH, "height": browser.HEIGHT})


# ---- what is stored --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["glossary", "05_autoencoder", "14_face_to_face", "evidence/10_how_to_judge"])
def test_a_page_of_the_course_breaks_no_hard_rule(name, open_file, tmp_path):
    path = runner.NOTEBOOKS / f"{name}.ipynb"
    pages.copy_mathjax(tmp_path)
    runner.write(tmp_path / f"{name}.html", pages.convert(pages.exporter("page"), runner.read(path), name, path.parent))
    page = open_file(tmp_path / f"{name}.html")
    page.wait_for_timeout(100)
    assert audit.violations(page, colours=False, impacts={"moderate", "serious", "critical"}) == []


def test_no_slide_breaks_a_hard_rule(folder, open_file, tmp_path, capsys):
    slides.main(["00", "--folder", str(folder), "--out", str(tmp_path)])
    page = open_file(tmp_path / "00_a.html")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    wrong = []
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(
            "n => { const {h, v} = Reveal.getIndices(Reveal.getSlides()[n]); Reveal.slide(h, v, 99); }", number
        )
        wrong += audit.violations(page)
    assert number == 3 and wrong == []
