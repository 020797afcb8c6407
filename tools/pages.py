"""Notebooks as HTML that needs no network: pages to read, an index of them, and slides.

Formulas are drawn by one file of MathJax and slides by reveal.js; both lie in Python packages and are copied beside the
pages. MathJax's SVG output, because its letters are drawn, not fetched: some browsers refuse fonts on file:// pages.
"""

import hashlib
import html
import json
import posixpath
import re
import shutil
from importlib.resources import files
from pathlib import Path

import runner  # noqa: F401 -- first: with it nbformat is loaded in less than a second

# isort: split
import jinja2
import nbformat
from nbconvert import HTMLExporter, SlidesExporter
from nbconvert.filters import markdown2html

from runner import EVIDENCE, WIDGET, describe_images, first_heading, tags, write

TEMPLATES = Path(__file__).resolve().parent / "templates"
MATHJAX = "mathjax/tex-svg-full.js"
NO_CDN = dict(
    require_js_url="",
    jquery_url="",
    mermaid_js_url="",
    mermaid_layout_elk_js_url="",
    mathjax_url=MATHJAX,
)


def exporter(kind):
    """nbconvert's exporter with a template of ours: kind is "page" or "slides"."""
    made = (SlidesExporter if kind == "slides" else HTMLExporter)(
        template_name=kind,
        extra_template_basedirs=[str(TEMPLATES)],
        extra_template_paths=[str(TEMPLATES)],
        embed_images=True,
        **NO_CDN,
    )
    if kind == "slides":
        made.reveal_url_prefix = "reveal.js"
        made.reveal_theme = "white"
    return made


def copy_mathjax(folder):
    source = files("mathjax") / "static/mathjax/es5"
    for name in ("tex-svg-full.js",):
        _copy(source / name, Path(folder) / "mathjax" / name)


def copy_reveal(folder):
    source = Path(str(files("sphinx_revealjs") / "_static/revealjs"))
    for part in ("dist", "plugin/notes"):
        for file in (source / part).rglob("*"):
            if file.is_file() and file.suffix != ".map":
                _copy(file, Path(folder) / "reveal.js" / file.relative_to(source))


def _copy(source, target):
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        write(target, source.read_bytes())


LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?:\./)?([^)\s#:]+)\.ipynb(#[^)\s]*)?\)")


def to_pages(text, name, pages=None):
    """Markdown whose links to notebooks lead to their pages; `name` is the notebook that it stands in.

    A link to a notebook that has no page (`pages` are the names of those that have) keeps its words alone.
    """

    def lead(match):
        words, target, anchor = match.groups()
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        return f"[{words}]({target}.html{anchor or ''})" if pages is None or whole in pages else words

    return LINK.sub(lead, text)


def prepare(notebook, name="", pages=None):
    """A copy for readers: no widgets that would need a kernel, alt texts at the pictures, links that lead to pages."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata["title"] = first_heading(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = to_pages(cell.source, name, pages)
    describe_outputs(notebook)
    return notebook


def describe_outputs(notebook):
    """Alt texts beside the pictures, and in place of a widget, which would need a kernel, where it works."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            describe_images(cell, output)
            data = output.get("data", {})
            if WIDGET in data:
                del data[WIDGET]
                data["text/plain"] = "An interactive widget: open the notebook in JupyterLab to use it."


def convert(made, notebook, name, folder, pages=None, **more):
    """The notebook as HTML text.

    `name` is its path without suffix, such as `evidence/07_vae`; `folder` is where its own pictures lie; `pages` are
    the names of the notebooks that have pages, None for all; `more` is known to the template.
    """
    more["root"] = "../" * name.count("/")
    resources = {"metadata": {"name": name, "path": str(folder)}, "course": more}
    return made.from_notebook_node(prepare(notebook, name, pages), resources=resources)[0]


def mark(*made_of):
    """A comment for the end of a page that changes with what the page is made of, so that only changed pages are made.

    A second's work each, and more on a slow machine.
    """
    templates = [Path(__file__), *sorted(path for path in TEMPLATES.rglob("*") if path.is_file())]
    parts = [path.read_bytes() for path in templates] + [json.dumps(made_of, sort_keys=True, default=str).encode()]
    return f"\n<!-- made of {hashlib.sha256(b'|'.join(parts)).hexdigest()[:16]} -->\n"


def without_checks(notebook):
    """For slides: without the cells tagged `check`. Where one began a slide, the next cell begins it."""
    kept, begins = [], None
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if "check" in tags(cell):
            begins = kind if kind in ("slide", "subslide") else begins
            continue
        if begins and kind not in ("slide", "subslide", "skip", "notes"):
            cell.metadata["slideshow"] = nbformat.from_dict({"slide_type": begins})
        if kind not in ("skip", "notes"):
            begins = None
        kept.append(cell)
    notebook.cells = kept
    return notebook


def summary(notebook):
    """Title, promise and thumbnail of a notebook: what its first cell says, and its figure as PNG in base64.

    The promise is the paragraph that begins with "**The promise.**", or else the first one that is not a quotation. The
    thumbnail is the figure of the cell tagged `thumbnail`, or else the first one.
    """
    text = notebook.cells[0].source if notebook.cells and notebook.cells[0].cell_type == "markdown" else ""
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", re.split(r"^#\s.*$", text, maxsplit=1, flags=re.M)[-1])]
    plain = [p for p in paragraphs if p and not re.match(r"[#>|]|[-*] ", p)]
    label = re.compile(r"\*\*The promise[.:]\*\*\s*", re.IGNORECASE)
    promise = next((p for p in plain if label.match(p)), plain[0] if plain else "")
    return {
        "title": first_heading(notebook),
        "promise": markdown2html(label.sub("", promise)).strip(),
        "thumbnail": thumbnail(notebook),
    }


def thumbnail(notebook):
    cells = [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [(cell, o.data["image/png"]) for cell, o in cells if "image/png" in o.get("data", {})]
    chosen = [figure for cell, figure in figures if "thumbnail" in tags(cell)] or [figure for _, figure in figures]
    return chosen[0].replace("\n", "") if chosen else ""


def render(template, **known):
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    return environment.get_template(template).render(**known)


def index(rows, folder, parts=None, timing=False):
    """Write index.html: rows are dictionaries with title, promise, thumbnail, page, notebook, remark and evidence.

    `parts` has the part of the course that each page belongs to, as `part_of` finds it; a page without one goes last.
    """
    for row in rows:
        row["title"] = row["title"] or html.escape(row["page"])
    labels = [(parts or {}).get(Path(row["page"]).stem, "") for row in rows]
    # Parts in the order in which they begin; what belongs to none, such as a glossary, comes behind them.
    order = sorted(dict.fromkeys(labels), key=lambda label: not label)
    groups = [(label, [row for row, own in zip(rows, labels, strict=True) if own == label]) for label in order]
    if len(groups) > 1:
        groups = [(label or "To look things up", rows) for label, rows in groups]
    write(Path(folder) / "index.html", render("index.html.j2", parts=groups, timing=timing, math_js=MATHJAX))


PARTS = {
    "": "Start",
    "I": "I · Predict the next pixel",
    "II": "II · Encode and decode",
    "III": "III · Play a game",
    "IV": "IV · Face to face",
}


def part_of(readme):
    """The part of each notebook as the README's table tells it: a Roman number stands where a part begins."""
    parts, part = {}, ""
    for number, name in re.findall(r"^\|\s*(?:\*\*([IVX]+)\*\*)?\s*\|\s*\[?(\d\d_\w+)", readme, re.M):
        part = number or part
        parts[name] = PARTS.get(part, part)
    return parts


BUDGETS = {"course": 45, "evidence": 60, "cell": 20}  # calibrated seconds


def timing(results, cells, folder):
    """Write timing.html, in the order of the course.

    `results` are those of the runs by name, `cells` their slowest cells: name -> (number, seconds, first line, id).
    """
    rows = []
    for name, result in sorted(results.items(), key=lambda item: (item[0].rpartition("/")[2], item[0])):
        slow = result.get("calibration")
        calibrated = result["seconds"] / slow if slow else None
        shelf = "evidence" if name.startswith(f"{EVIDENCE}/") else "course"
        rows.append(
            {
                "name": name.removesuffix(".ipynb"),
                "page": name.removesuffix(".ipynb") + ".html",
                "seconds": result["seconds"],
                "calibrated": calibrated,
                "over": calibrated is not None and calibrated > BUDGETS[shelf],
                "peak_mb": result["peak_mb"],
                "failed": bool(result["error"]),
                "shelf": shelf,
                "cells": [
                    {
                        "number": number,
                        "seconds": seconds,
                        "line": line,
                        "id": where,
                        "over": bool(slow) and seconds / slow > BUDGETS["cell"],
                    }
                    for number, seconds, line, where in cells.get(name, [])
                ],
            }
        )
    totals = []
    for shelf, label in (("course", "the course"), ("evidence", "its evidence")):
        own = [row for row in rows if row["shelf"] == shelf]
        known = [row["calibrated"] for row in own if row["calibrated"] is not None]
        seconds = sum(row["seconds"] for row in own)
        totals += [{"name": label, "seconds": seconds, "calibrated": sum(known) if known else None}] * bool(own)
    write(Path(folder) / "timing.html", render("timing.html.j2", rows=rows, totals=totals, budgets=BUDGETS))


def remove_stale(folder, keep):
    """Remove the pages of notebooks that are no more, and what a killed run left half-written.

    `keep` are names without suffix, such as `evidence/07_vae`, and those of the pages that are no notebook's.
    """
    folder = Path(folder)
    for path in [*folder.glob("*"), *(folder / EVIDENCE).glob("*")]:
        if path.is_dir():
            continue
        if path.suffix == ".part":
            path.unlink()
        elif path.suffix in (".html", ".ipynb"):
            if path.relative_to(folder).with_suffix("").as_posix() not in {*keep, "index", "timing"}:
                path.unlink()


def reset(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
