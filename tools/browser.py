"""What a browser makes of slides and pages: whether a slide is larger than its canvas, whether a table fits its column.

Needs Playwright's Python package and a Chromium that is installed already. What it opens are files on this machine.
"""

import contextlib
import shutil
import sys
from pathlib import Path

WIDTH, HEIGHT = 1280, 720  # of a slide, as tools/templates/slides.css has it
PATIENCE = 120_000  # milliseconds; formulas take their time on a busy machine


def chromium():
    """The path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def opened(width=WIDTH, height=HEIGHT):
    """A function that opens an HTML file, formulas drawn, in a window of this size."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("This needs Playwright's Python package.")
    if chromium() is None:
        sys.exit("This needs Chromium: install it with your system's packages.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)

        def open_file(path):
            page.goto(Path(path).resolve().as_uri())
            page.evaluate("window.MathJax?.startup?.promise")
            page.evaluate("Promise.all([...document.images].map(image => image.decode().catch(() => {})))")
            return page

        try:
            yield open_file
        finally:
            browser.close()


SLIDES = """async () => {
  const found = [];
  for (const [number, slide] of Reveal.getSlides().entries()) {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v, 1e6);  // all fragments shown
    await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const page = slide.querySelector(":scope > .page"), named = page.querySelector("h1, h2, h3, h4") ?? page;
    found.push({
      number: number + 1, width: page.scrollWidth, height: page.scrollHeight, tight: page.classList.contains("tight"),
      first: named.innerText.trim().split("\\n")[0].slice(0, 70),
    });
  }
  return found;
}"""

TABLES = """() => [...document.querySelectorAll(".output table, .markdown table")].map(table => {
  const column = table.closest(".output, .markdown"), style = getComputedStyle(column);
  const room = column.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const cells = [...table.querySelectorAll("td")];
  const lines = cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return new Set([...range.getClientRects()].filter(r => r.width > 1).map(r => Math.round(r.bottom / 4))).size;
  };
  // A table on a page may scroll in itself: its own width is what counts.
  const width = Math.max(table.scrollWidth, ...[...table.rows].map(row => row.scrollWidth));
  return {
    id: table.closest(".cell")?.id, first: (table.caption ?? table.rows[0]).innerText.trim().slice(0, 70),
    width, room,
    wrapped: cells.filter(c => /^[−+-]?[\\d.,]/.test(c.innerText) && !/[a-z]{3}/i.test(c.innerText) && lines(c) > 1)
      .map(c => c.innerText),
  };
})"""


def measure_slides(path, open_file):
    """Every slide of a file: number, width and height in pixels with all fragments shown, first line, tight or not."""
    page = open_file(path)
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    return page.evaluate(SLIDES)


def too_large(measured):
    """Those of the measured slides that overflow their canvas."""
    return [slide for slide in measured if slide["width"] > WIDTH or slide["height"] > HEIGHT]


def measure_tables(path, open_file):
    """Every table of a page: its width, the room of its column, and the cells with numbers that wrap."""
    return open_file(path).evaluate(TABLES)
