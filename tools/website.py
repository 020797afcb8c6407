"""Make one site of the executed notebooks and of the package's docstrings: `make site`. Nothing is run here.

Sphinx with myst-nb and the book theme reads copies of the notebooks: those that `make course` ran, where they are of
this text, else the stored ones. The site needs no network and no server; it works from a folder and below any address.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from functools import partial
from html import escape
from pathlib import Path

import pages
from course import bare, duration, newest
from runner import NOTEBOOKS, ROOT, Unreadable, dumps, name_of, shelf, tags, writable, write

HERE = Path(__file__).resolve().parent / "templates" / "site"
ANCHORED = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?:([^)\s#:]+)\.ipynb)?#([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) +(.+)$", re.M)
MODULES = {
    "models": "The models, one a file.",
    "data": "Data sets that are drawn by the package, come with a dependency, or are downloaded.",
    "distributions": "Distributions of a pixel.",
    "divergences": "Divergences between distributions and between sets of points.",
    "objectives": "What the players of a GAN minimise.",
    "metrics": "Measures of samples.",
    "training": "Loops, averages and checkpoints.",
    "plots": "Figures and diagrams.",
    "widgets": "Interactive pictures.",
    "exercises": "The checks of the exercises.",
    "runtime": "Device, scale, seeds and stored results.",
    "show": "Tables and source code in a notebook.",
    "check": "Comparisons that say what differs.",
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--course", type=Path, default=ROOT / "build" / "course", help="where make course wrote")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--keep", type=Path, help="keep Sphinx's sources in this folder")
    options = parser.parse_args(arguments)
    writable(options.out.parent)
    with tempfile.TemporaryDirectory(prefix="site-") as room:
        sources = options.keep or Path(room) / "sources"
        sources.mkdir(parents=True, exist_ok=True)
        made = collect(options.folder, options.course, sources)
        write(sources / "conf.py", configuration(address()))
        build(sources, Path(room) / "html", options.out)
    print(f"Open {options.out / 'index.html'} in a browser ({made} notebooks).")


def build(sources, made, out):
    """Let Sphinx write into a folder of its own, then put that in the place of the old one: never half a site."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-j", "auto", "-q", "-W", "--keep-going"]
    done = subprocess.run([*command, sources, made], env=environment, text=True, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"Sphinx has something to complain about; the old site, if any, is as it was:\n{done.stderr.strip()}")
    pages.reset(out)
    for path in sorted(made.rglob("*")):
        if path.is_file() and ".doctrees" not in path.parts and path.name not in (".buildinfo", "objects.inv"):
            write(out / path.relative_to(made), path.read_bytes())


def address(project=ROOT / "pyproject.toml"):
    """The repository's address as pyproject.toml tells it; empty where it has none, and then there are no buttons."""
    return tomllib.loads(Path(project).read_text(encoding="utf-8"))["project"].get("urls", {}).get("Repository", "")


def configuration(repository):
    return pages.render("site/conf.py.j2", repository=repository, root=str(ROOT))


# ---- sources -------------------------------------------------------------------------------------------------------


def collect(folder, course, sources):
    """Write what Sphinx reads: notebooks, the first page, pages of the package; the number of the notebooks."""
    memory = course / "results.json"
    results = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    rows = {}
    for evidence in (False, True):
        for path in shelf(folder, evidence=evidence):
            name = bare(path, folder)
            try:
                notebook, ran = newest(path, course, folder)
            except Unreadable as error:
                sys.exit(f"{error}.")
            result = results.get(name_of(path, folder)) if ran else None
            rows[name] = {**pages.summary(notebook), "minutes": duration(result["seconds"]) if result else ""}
            write(sources / f"{name}.ipynb", dumps(for_readers(notebook)))
    readme = folder.parent / "README.md"
    parts = pages.part_of(readme.read_text(encoding="utf-8")) if readme.exists() else {}
    write(sources / "index.md", first_page(rows, parts, sources))
    for name, page in package().items():
        write(sources / "api" / f"{name}.md", page)
    for path in HERE.glob("*.css"):
        write(sources / "_static" / path.name, path.read_bytes())
    pages.copy_mathjax(sources / "_static")
    return len(rows)


def for_readers(notebook):
    """A copy for the site: cells that only assert and solutions are folded, links to anchors are HTML."""
    wanted = {m[3] for cell in notebook.cells for m in ANCHORED.finditer(cell.source) if not m[2]}
    for cell in notebook.cells:
        if tags(cell) & {"check", "solution"}:
            cell.metadata["tags"] = sorted({*tags(cell), "hide-input"})
        if cell.cell_type == "markdown":
            cell.source = HEADING.sub(partial(_with_anchor, wanted), ANCHORED.sub(_to_anchor, cell.source))
    pages.describe_outputs(notebook)
    return notebook


def _with_anchor(wanted, match):
    """A heading that is linked to by the anchor that Jupyter gives it, its words with dashes, gets that anchor here."""
    anchor = match[2].strip().replace(" ", "-")
    return f'<a id="{anchor}"></a>\n\n{match[0]}' if anchor in wanted else match[0]


def _to_anchor(match):
    """HTML for a link to an anchor: those of the glossary are HTML too, which MyST does not look for."""
    words, target, anchor = match.groups()
    page = f"{target}.html" if target else ""
    return f'<a class="reference internal" href="{page}#{anchor}">{words}</a>'


def first_page(rows, parts, sources):
    """index.md: the title, a card for each lecture with its picture, and the order of all pages."""
    cards, order = [], []
    lectures = [name for name in rows if not name.startswith("evidence/")]
    labels = {name: parts.get(name, "") for name in lectures}
    for label in dict.fromkeys(labels.values()):
        names = [name for name in lectures if labels[name] == label]
        heading = label or "To look things up"
        cards.append((heading, [card(name, rows, sources) for name in names]))
        order.append((heading, names))
    order.append(("Evidence", [name for name in rows if name.startswith("evidence/")]))
    order.append(("Package", ["api/index"]))
    return pages.render("site/index.md.j2", cards=cards, order=order)


def card(name, rows, sources):
    row = rows[name]
    picture = ""
    if row["thumbnail"]:
        picture = f"_static/thumbnails/{name}.png"
        write(sources / picture, base64.b64decode(row["thumbnail"]))
    # links in the promise would be links inside a link
    promise = re.sub(r"</?(a|p)\b[^>]*>", "", row["promise"])
    beside = f"evidence/{name}" if f"evidence/{name}" in rows else ""
    return {
        "page": name,
        "title": escape(row["title"]),
        "promise": promise,
        "picture": picture,
        "minutes": row["minutes"],
        "evidence": beside,
    }


def package():
    """Pages of the package from its docstrings: one a module, and one that lists them."""
    found = {}
    for name, what in MODULES.items():
        lines = [f"# course_utils.{name}", "", what, "", "```{eval-rst}", f".. automodule:: course_utils.{name}"]
        folder = (ROOT / "course_utils" / name).is_dir()  # what it offers is imported into its __init__.py
        options = ["   :members:"] + ["   :imported-members:"] * folder
        found[name] = "\n".join([*lines, *options, "```", ""])
    rows = "\n".join(f"- [course_utils.{name}]({name}.md): {what}" for name, what in MODULES.items())
    tree = "\n".join(MODULES)
    text = "What the notebooks import. Formulas, shapes, units, errors and source papers stand in the docstrings."
    found["index"] = f"# The package\n\n{text}\n\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    return found


if __name__ == "__main__":
    main()
