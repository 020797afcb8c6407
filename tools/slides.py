"""Turn the course's stored notebooks into slides: `make slides`. Nothing is run, and showing them needs no network.

`make slides PDF=1` makes a PDF of each, too.
"""

import argparse
import sys
from pathlib import Path

import browser
import pages
from runner import NOTEBOOKS, ROOT, as_tool, find, read_all, shelf, writable, write


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only notebooks whose names begin so")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "slides")
    parser.add_argument("--measure", action="store_true", help="list the slides that do not fit (needs a Chromium)")
    parser.add_argument("--pdf", action="store_true", help="make a PDF of each, too (needs a Chromium)")
    options = parser.parse_args(arguments)
    course = shelf(options.folder)
    notebooks = read_all(p for p in find(options.names, options.folder) if p in course)  # the evidence is for reading
    if not notebooks:
        sys.exit("Slides are made from the course's notebooks; the evidence is for reading: make course ALL=1")
    if options.out.is_dir() and any(options.out.iterdir()) and not (options.out / "reveal.js").is_dir():
        sys.exit(f"{options.out} has other files than slides, which would be lost. Name another folder: --out …")
    writable(options.out.parent)
    made, rows = pages.exporter("slides"), []
    pages.reset(options.out)
    pages.copy_reveal(options.out)  # first: by its folder the next run knows that what lies here are slides
    pages.copy_mathjax(options.out)
    shown = {path.stem for path in notebooks}
    for path, notebook in notebooks.items():
        rows.append({**pages.summary(notebook), "page": f"{path.stem}.html"})
        text = pages.convert(made, pages.without_checks(notebook), path.stem, path.parent, shown)
        write(options.out / f"{path.stem}.html", text)
    readme = options.folder.parent / "README.md"
    parts = pages.part_of(readme.read_text(encoding="utf-8")) if readme.exists() else {}
    pages.index(rows, options.out, parts)
    files = [options.out / f"{path.stem}.html" for path in notebooks]
    wrong = 0
    if options.measure or options.pdf:
        with browser.opened() as open_file:
            for file in files:
                wrong += options.measure and measure(file, open_file)
                wrong += options.pdf and to_pdf(file, open_file)
    print(f"Open {options.out / 'index.html'} in a browser; in a talk, S shows the speaker's notes.")
    if wrong:
        sys.exit(1)


def measure(path, open_file):
    """Print the slides of a file that do not fit, in either of two windows; the number of these."""
    slides = browser.measure_slides(path, open_file)
    large = browser.too_large(slides)
    smaller = sum(slide["tight"] for slide in slides if slide not in large)
    smallest = min(slide["smallest"] for slide in slides)
    print(
        f"{path.stem}: {len(slides)} slides, {len(large)} do not fit, {smaller} fit with smaller type; "
        f"the smallest type has {smallest:.0f} of {browser.HEIGHT} pixels"
    )
    for slide in slides:
        if slide["figure"] < 0.5:
            print(f"  slide {slide['number']:3}  a figure of {slide['figure']:.0%} of its size  {slide['first']}")
    for slide in large:
        print(f"  slide {slide['number']:3}  {slide['width']} × {slide['height']}  {slide['first']}")
        for window, parts in slide["cut"].items():
            print(f"             in a window of {window} cut off or to be scrolled: {', '.join(dict.fromkeys(parts))}")
    return len(large)


def to_pdf(path, open_file):
    """Write the PDF of a file of slides beside it; the number of slides that are larger than their page."""
    content, slides, large = browser.print_slides(path, open_file)
    write(path.with_suffix(".pdf"), content)
    print(f"{path.stem}.pdf: {slides} pages, {len(content) / 1e6:.1f} MB")
    if large:
        print(f"  cut off, because they are larger than a page: slides {', '.join(map(str, large))}")
    return len(large)


if __name__ == "__main__":
    as_tool(main)
