"""Notebooks as HTML that needs no network: pages to read, an index of them, and slides.

Formulas are drawn by one file of MathJax and slides by reveal.js; both lie in Python packages and are copied beside the
pages. MathJax's SVG output, because its letters are drawn, not fetched: some browsers refuse fonts on file:// pages.
"""

import html
import re
import shutil
from importlib.resources import files
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter, SlidesExporter
from nbconvert.filters import markdown2html

from runner import WIDGET, describe_images, first_heading, write

TEMPLATES = Path(__file__).resolve().parent / "templates"
NO_CDN = dict(
    require_js_url="",
    jquery_url="",
    mermaid_js_url="",
    mermaid_layout_elk_js_url="",
    mathjax_url="mathjax/tex-svg-full.js",
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


def prepare(notebook, pages=()):
    """A copy for readers: no widgets that would need a kernel, alt texts at the pictures, links that lead to pages."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["title"] = first_heading(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((?:\./)?([\w.-]+)\.ipynb(#[^)]*)?\)", r"](\1.html\2)", cell.source)
        for output in cell.get("outputs", []):
            describe_images(cell, output)
            data = output.get("data", {})
            if WIDGET in data:
                del data[WIDGET]
                data["text/plain"] = "An interactive widget: open the notebook in JupyterLab to use it."
    return notebook


def convert(made, notebook, name, folder, **more):
    """The notebook as HTML text; `folder` is where its own pictures lie, `more` is known to the template."""
    resources = {"metadata": {"name": name, "path": str(folder)}, "course": more}
    return made.from_notebook_node(prepare(notebook), resources=resources)[0]


def summary(notebook):
    """Title, promise and minutes of a notebook, as its first cell gives them.

    The promise is the paragraph that begins with "**The promise.**", or else the first one that is not a quotation.
    """
    text = notebook.cells[0].source if notebook.cells and notebook.cells[0].cell_type == "markdown" else ""
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", re.split(r"^#\s.*$", text, maxsplit=1, flags=re.M)[-1])]
    plain = [p for p in paragraphs if p and not re.match(r"[#>|]|[-*] ", p)]
    label = re.compile(r"\*\*The promise[.:]\*\*\s*", re.IGNORECASE)
    promise = next((p for p in plain if label.match(p)), plain[0] if plain else "")
    minutes = re.search(r"(\d+)(?:\s*(?:–|-|to)\s*\d+)?\s*min", text)
    return {
        "title": first_heading(notebook),
        "promise": markdown2html(label.sub("", promise)).strip(),
        "minutes": minutes.group(1) if minutes else "",
    }


def index(rows, folder, template="index.html.j2"):
    """Write index.html: rows are dictionaries with title, promise, minutes, page, notebook and remark."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    for row in rows:
        row["title"] = row["title"] or html.escape(row["page"])
    text = environment.get_template(template).render(rows=rows, math_js=NO_CDN["mathjax_url"])
    write(Path(folder) / "index.html", text)


def remove_stale(folder, keep):
    """Remove the pages of notebooks that are no more, and what a killed run left half-written."""
    for path in Path(folder).glob("*"):
        if path.suffix in (".html", ".ipynb") and path.stem not in keep and path.stem != "index":
            path.unlink()
        elif path.suffix == ".part":
            path.unlink()


def reset(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
