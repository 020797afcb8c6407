"""Write the edition for students, without solutions, and a zip of it: `make student`."""

import argparse
import io
import zipfile
from pathlib import Path

import pages
from runner import NOTEBOOKS, ROOT, dumps, find, normalise, read, tags, write


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
    paths, zipped = find((), options.folder), io.BytesIO()
    pages.reset(options.out)
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            text = dumps(without_solutions(read(path)))
            write(options.out / "notebooks" / path.name, text)
            # A fixed date: the same notebooks give the same zip.
            archive.writestr(
                zipfile.ZipInfo(f"notebooks/{path.name}", (2026, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED
            )
    write(options.out / "notebooks.zip", zipped.getvalue())
    print(
        f"{len(paths)} notebooks without solutions are in {options.out / 'notebooks'} and in notebooks.zip beside it."
    )


if __name__ == "__main__":
    main()
