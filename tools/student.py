"""Write the edition for students, without solutions, and a zip of it: `make student`."""

import argparse
import io
import zipfile
from pathlib import Path

import pages
from runner import NOTEBOOKS, ROOT, dumps, find, name_of, normalise, read_all, tags, writable, write


def without_solutions(notebook):
    """Remove the cells tagged `solution`; an exercise keeps its code and loses the output of our own try."""
    notebook.cells = [cell for cell in notebook.cells if "solution" not in tags(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code" and "exercise" in tags(cell):
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("course", None)
    return normalise(notebook)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "student")
    options = parser.parse_args(arguments)
    notebooks, zipped = read_all(find((), options.folder, evidence=True)), io.BytesIO()
    writable(options.out.parent)
    pages.reset(options.out)
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, notebook in notebooks.items():
            text, name = dumps(without_solutions(notebook)), f"notebooks/{name_of(path, options.folder)}"
            write(options.out / name, text)
            # A fixed date: the same notebooks give the same zip.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    write(options.out / "notebooks.zip", zipped.getvalue())
    where = options.out / "notebooks"
    print(f"{len(notebooks)} notebooks without solutions are in {where} and in notebooks.zip beside it.")


if __name__ == "__main__":
    main()
