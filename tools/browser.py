"""What a browser makes of slides and pages: whether a slide is cut off, whether a table fits its column, and PDFs.

Needs Playwright's Python package and a Chromium that is installed already. What it opens are files on this machine.
"""

import contextlib
import shutil
import sys
from pathlib import Path

WIDTH, HEIGHT = 1280, 720  # of a slide, as tools/templates/slides.css has it
WINDOWS = ((WIDTH, HEIGHT), (1024, 768))  # in which a slide is measured: its own size, and that of older projectors
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

        def open_file(path, query=""):
            page.goto(Path(path).resolve().as_uri() + query)
            page.evaluate("window.MathJax?.startup?.promise")
            page.evaluate("Promise.all([...document.images].map(image => image.decode().catch(() => {})))")
            return page

        try:
            yield open_file
        finally:
            browser.close()


# Reading a size makes the browser lay out what has changed, so no frame has to be waited for.
SLIDES = """() => {
  Reveal.layout();  // to the window as it is now
  return Reveal.getSlides().map((slide, number) => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v, 1e6);  // all fragments shown
    const page = slide.querySelector(":scope > .page"), named = page.querySelector("h1, h2, h3, h4") ?? page;
    const shown = part => part.getClientRects().length && !part.closest("aside.notes, mjx-assistive-mml");
    const parts = [...page.querySelectorAll("*:not(svg *)")].filter(shown);
    const type = parts.filter(part => [...part.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
      .map(part => parseFloat(getComputedStyle(part).fontSize));
    const canvas = page.getBoundingClientRect();
    const room = {  // what a hall sees of the canvas; a pixel of grace for rounding
      left: Math.max(canvas.left, 0) - 1, right: Math.min(canvas.right, innerWidth) + 1,
      top: Math.max(canvas.top, 0) - 1, bottom: Math.min(canvas.bottom, innerHeight) + 1,
    };
    const outside = ({left, right, top, bottom, width, height}) => width * height > 0
      && (left < room.left || right > room.right || top < room.top || bottom > room.bottom);
    const scrolls = part => ["overflowX", "overflowY"].some(side => getComputedStyle(part)[side] !== "visible")
      && (part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1);
    const name = part => [part.localName, ...part.classList].join(".");
    return {
      number: number + 1, width: page.scrollWidth, height: page.scrollHeight, tight: page.classList.contains("tight"),
      first: named.innerText.trim().split("\\n")[0].slice(0, 70),
      smallest: Math.min(...type),
      figure: Math.min(1, ...[...page.querySelectorAll("img.figure")].map(
        image => Math.min(image.offsetWidth / image.naturalWidth, image.offsetHeight / image.naturalHeight))),
      cut: parts.filter(part => outside(part.getBoundingClientRect()) || scrolls(part)).map(name),
    };
  });
}"""

# A link to another file would lead to the folder of the machine on which the PDF was made.
PRINTED = """() => {
  for (const link of document.querySelectorAll("a[href]"))
    if (link.protocol === "file:" && link.pathname !== location.pathname) link.removeAttribute("href");
  const pages = [...document.querySelectorAll(".pdf-page .page")];
  const large = page => page.scrollHeight > page.clientHeight || page.scrollWidth > page.clientWidth;
  return {slides: pages.length, large: pages.map((page, i) => large(page) ? i + 1 : 0).filter(number => number)};
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


def measure_slides(path, open_file, windows=WINDOWS):
    """Every slide of a file, with all fragments shown: number, first line, tight or not, width and height of what
    stands on its canvas, its smallest type in pixels of the canvas, the scale of its smallest figure, and by window
    what is cut off there: what leaves the window or the canvas, or would have to be scrolled.
    """
    page = open_file(path)
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    before, found = page.viewport_size, []
    for width, height in windows:
        page.set_viewport_size({"width": width, "height": height})
        here = page.evaluate(SLIDES)
        found = found or [{**slide, "cut": {}} for slide in here]
        for slide, now in zip(found, here, strict=True):
            slide["cut"] |= {f"{width} × {height}": now["cut"]} if now["cut"] else {}
    page.set_viewport_size(before)
    return found


def too_large(measured):
    """Those of the measured slides that overflow their canvas or are cut off in a window."""
    return [slide for slide in measured if slide["width"] > WIDTH or slide["height"] > HEIGHT or slide["cut"]]


def print_slides(path, open_file):
    """A file of slides as a PDF: its bytes, how many slides it has, and the numbers of those larger than their page.

    A slide is a page, with all its fragments. Text in it can be marked, and headings are its bookmarks.
    """
    page = open_file(path, "?print-pdf")
    page.wait_for_selector(".pdf-page .page", state="attached")
    found = page.evaluate(PRINTED)
    content = page.pdf(prefer_css_page_size=True, print_background=True, tagged=True, outline=True)
    return content, found["slides"], found["large"]


def measure_tables(path, open_file):
    """Every table of a page: its width, the room of its column, and the cells with numbers that wrap."""
    return open_file(path).evaluate(TABLES)
