"""Notebooks as HTML that needs no network: pages to read, an index of them, and slides.

Formulas are drawn by one file of MathJax and slides by reveal.js; both lie in Python packages and are copied beside the
pages. MathJax's SVG output, because its letters are drawn, not fetched: some browsers refuse fonts on file:// pages.
"""

import html
import posixpath
import re
import shutil
from importlib.resources import files
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter, SlidesExporter
from nbconvert.filters import markdown2html

from runner import EVIDENCE, WIDGET, describe_images, first_heading, tags, write

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
    notebook.metadata.pop("widgets", None)
    notebook.metadata["title"] = first_heading(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = to_pages(cell.source, name, pages)
        for output in cell.get("outputs", []):
            describe_images(cell, output)
            data = output.get("data", {})
            if WIDGET in data:
                del data[WIDGET]
                data["text/plain"] = "An interactive widget: open the notebook in JupyterLab to use it."
    return notebook


def convert(made, notebook, name, folder, pages=None, **more):
    """The notebook as HTML text.

    `name` is its path without suffix, such as `evidence/07_vae`; `folder` is where its own pictures lie; `pages` are
    the names of the notebooks that have pages, None for all; `more` is known to the template.
    """
    more["root"] = "../" * name.count("/")
    resources = {"metadata": {"name": name, "path": str(folder)}, "course": more}
    return made.from_notebook_node(prepare(notebook, name, pages), resources=resources)[0]


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
    """Remove the pages of notebooks that are no more, and what a killed run left half-written.

    `keep` are names without suffix, such as `evidence/07_vae`, and those of the pages that are no notebook's.
    """
    folder = Path(folder)
    for path in [*folder.glob("*"), *(folder / EVIDENCE).glob("*")]:
        if path.suffix == ".part":
            path.unlink()
        elif path.suffix in (".html", ".ipynb"):
            if path.relative_to(folder).with_suffix("").as_posix() not in {*keep, "index", "timing"}:
                path.unlink()


def reset(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
