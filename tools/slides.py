"""Turn the course's stored notebooks into slides: `make slides`. Nothing is run, and showing them needs no network."""

import argparse
import sys
from pathlib import Path

import browser
import pages
from runner import NOTEBOOKS, ROOT, find, read_all, shelf, writable, write


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only notebooks whose names begin so")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "slides")
    parser.add_argument("--measure", action="store_true", help="list the slides that do not fit (needs a Chromium)")
    options = parser.parse_args(arguments)
    course = shelf(options.folder)
    notebooks = read_all(p for p in find(options.names, options.folder) if p in course)  # the evidence is for reading
    if not notebooks:
        sys.exit("Slides are made from the course's notebooks; the evidence is for reading: make course ALL=1")
    writable(options.out.parent)
    made, rows = pages.exporter("slides"), []
    pages.reset(options.out)
    pages.copy_mathjax(options.out)
    pages.copy_reveal(options.out)
    shown = {path.stem for path in notebooks}
    for path, notebook in notebooks.items():
        rows.append({**pages.summary(notebook), "page": f"{path.stem}.html"})
        text = pages.convert(made, pages.without_checks(notebook), path.stem, path.parent, shown)
        write(options.out / f"{path.stem}.html", text)
    readme = options.folder.parent / "README.md"
    parts = pages.part_of(readme.read_text(encoding="utf-8")) if readme.exists() else {}
    pages.index(rows, options.out, parts)
    if options.measure:
        sys.exit(measure(options.out / f"{path.stem}.html" for path in notebooks))
    print(f"Open {options.out / 'index.html'} in a browser; in a talk, S shows the speaker's notes.")


def measure(files):
    """Print the slides that are larger than their canvas; the exit status: whether there is one."""
    found = 0
    with browser.opened() as open_file:
        for path in files:
            slides = browser.measure_slides(path, open_file)
            large = browser.too_large(slides)
            smaller = sum(slide["tight"] for slide in slides) - len(large)
            print(f"{path.stem}: {len(slides)} slides, {len(large)} too large, {smaller} fit with smaller type")
            for slide in large:
                print(f"  slide {slide['number']:3}  {slide['width']} × {slide['height']}  {slide['first']}")
            found += len(large)
    return int(found > 0)


if __name__ == "__main__":
    main()
