"""Turn the stored notebooks into slides: `make slides`. Nothing is run, and showing them needs no network."""

import argparse
from pathlib import Path

import pages
from runner import NOTEBOOKS, ROOT, find, read, write


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only notebooks whose names begin so")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "slides")
    options = parser.parse_args(arguments)
    paths, made, rows = find(options.names, options.folder), pages.exporter("slides"), []
    pages.reset(options.out)
    pages.copy_mathjax(options.out)
    pages.copy_reveal(options.out)
    for path in paths:
        notebook = read(path)
        write(options.out / f"{path.stem}.html", pages.convert(made, notebook, path.stem, path.parent))
        rows.append({**pages.summary(notebook), "page": f"{path.stem}.html", "notebook": "", "remark": ""})
    pages.index(rows, options.out)
    print(f"Open {options.out / 'index.html'} in a browser; in a talk, S shows the speaker's notes.")


if __name__ == "__main__":
    main()
