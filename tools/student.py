"""Write the edition for students, without solutions, and a zip of it that works by itself: `make student`.

The zip holds all that a student needs, below one folder: the notebooks without solutions, the package, the tools, the
stored results that notebooks read, and the files that set it up. The tests stay out, because `tests/answers` holds the
answers. Nothing here asks git, and the same project gives the same zip, byte for byte.
"""

import argparse
import io
import zipfile
from pathlib import Path

import pages
from runner import NOTEBOOKS, ROOT, as_tool, dumps, find, name_of, normalise, read_all, tags, writable, write

TOP = "what-i-cannot-create"
FILES = ("README.md", "CONTRIBUTING.md", "LICENSE", "LICENSE-text", "Makefile", "make.py")
FILES += ("pyproject.toml", "constraints.txt", "environment.yml")
FOLDERS = ("course_utils", "tools", "benchmarks", "docs")
MADE = {"__pycache__", "build"}  # what is made here, not written: names of folders; and whatever is hidden
FOLDED = " The solution is folded below."


def without_solutions(notebook):
    """Remove the cells tagged `solution`; an exercise keeps its code and loses the output of our own try."""
    notebook.cells = [cell for cell in notebook.cells if "solution" not in tags(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code" and "exercise" in tags(cell):
            cell.outputs, cell.execution_count = [], None
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(FOLDED, "")
    notebook.metadata.pop("course", None)
    return normalise(notebook)


def project_files(root):
    """The files of the project that go into the zip as they are, by their path below `root`: sorted (path, name)."""
    found = [root / name for name in FILES]
    found += [path for folder in FOLDERS for path in (root / folder).rglob("*")]
    named = ((path, path.relative_to(root)) for path in found if path.is_file())
    kept = [(path, name) for path, name in named if not any(p in MADE or p.startswith(".") for p in name.parts)]
    return sorted((path, name.as_posix()) for path, name in kept if name.suffix not in (".pyc", ".part"))


def zipped(contents):
    """A zip of a dictionary, path -> bytes. A fixed date, mode and system: the same contents give the same zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(f"{TOP}/{name}", (2026, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, contents[name])
    return made.getvalue()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS, help="notebooks; the project is the folder above")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "student")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    notebooks = read_all(find((), folder, evidence=True))
    texts = {f"notebooks/{name_of(path, folder)}": dumps(without_solutions(nb)) for path, nb in notebooks.items()}
    contents = {name: path.read_bytes() for path, name in project_files(folder.parent)}
    contents |= {name: text.encode("utf-8") for name, text in texts.items()}
    writable(options.out.parent)
    pages.reset(options.out)
    for name, text in texts.items():
        write(options.out / name, text)
    archive = zipped(contents)
    write(options.out / f"{TOP}.zip", archive)
    print(f"{len(notebooks)} notebooks without solutions are in {options.out / 'notebooks'}; for students,")
    print(f"{options.out / TOP}.zip has them and all they need to run ({len(archive) / 1e6:.0f} MB).")


if __name__ == "__main__":
    as_tool(main)
