"""Make one site of the executed notebooks and of the package's docstrings: `make site`. Nothing is run here.

Sphinx with myst-nb and the book theme reads copies of the notebooks: those that `make course` ran, where they are of
this text, else the stored ones. The site needs no network and no server; it works from a folder and below any address.
"""

import argparse
import ast
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import pages
from course import bare, duration, newest
from runner import NOTEBOOKS, ROOT, Unreadable, as_tool, dumps, name_of, shelf, tags, writable, write

HERE = Path(__file__).resolve().parent / "templates" / "site"
ANCHORED = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?:([^)\s#:]+)\.ipynb)?#([^)\s]+)\)")
FIRST = re.compile(r"Read first:((?:[^.`]|``[^`]+``)*)")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
BRANCH = "main"
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
    parser.add_argument("--repository", help="the repository's address, where pyproject.toml does not tell it")
    parser.add_argument("--keep", type=Path, help="keep Sphinx's sources in this folder")
    options = parser.parse_args(arguments)
    writable(options.out.parent)
    with tempfile.TemporaryDirectory(prefix="site-") as room:
        sources = options.keep or Path(room) / "sources"
        sources.mkdir(parents=True, exist_ok=True)
        repository = options.repository or address()
        originals = collect(options.folder, options.course, sources, repository)
        write(sources / "conf.py", configuration(repository, *references(package_modules())))
        build(sources, Path(room) / "html", options.out, originals)
    print(f"Open {options.out / 'index.html'} in a browser ({len(originals)} notebooks).")


def build(sources, made, out, originals=None):
    """Let Sphinx write into a folder of its own, then put that in the place of the old one: never half a site.

    `originals` are the notebooks to download, by name: the files themselves, not the copies that became pages.
    """
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-j", "auto", "-q", "-W", "--keep-going"]
    done = subprocess.run([*command, sources, made], env=environment, text=True, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"Sphinx has something to complain about; the old site, if any, is as it was:\n{done.stderr.strip()}")
    for name, path in (originals or {}).items():
        (made / "_sources" / f"{name}.ipynb").write_bytes(path.read_bytes())
    pages.reset(out)
    for path in sorted(made.rglob("*")):
        if path.is_file() and ".doctrees" not in path.parts and path.name not in (".buildinfo", "objects.inv"):
            write(out / path.relative_to(made), path.read_bytes())


def address(project=ROOT / "pyproject.toml"):
    """The repository's address as pyproject.toml tells it; empty where it has none, and then there are no buttons."""
    return tomllib.loads(Path(project).read_text(encoding="utf-8"))["project"].get("urls", {}).get("Repository", "")


def configuration(repository, names=None, first=None):
    """conf.py: `names` has the whole name of what docstrings may speak of, `first` what each module says to read first.

    The theme makes buttons for addresses of these two hosts alone, Colab opens those of the first.
    """
    host = urlsplit(repository).hostname
    return pages.render(
        "site/conf.py.j2",
        repository=repository if host in ("github.com", "gitlab.com") else "",
        colab=host == "github.com",
        branch=BRANCH,
        root=str(ROOT),
        tools=str(Path(__file__).resolve().parent),
        names=names or {},
        first=first or {},
    )


# ---- sources -------------------------------------------------------------------------------------------------------


def collect(folder, course, sources, repository=""):
    """Write what Sphinx reads: notebooks, the first page, pages of the package; the notebooks' files by name."""
    memory = course / "results.json"
    results = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    paths = {bare(path, folder): path for evidence in (False, True) for path in shelf(folder, evidence=evidence)}
    rows, originals, spoken = {}, {}, []
    for name, path in paths.items():
        try:
            notebook, ran = newest(path, course, folder)
        except Unreadable as error:
            sys.exit(f"{error}.")
        result = results.get(name_of(path, folder)) if ran else None
        rows[name] = {**pages.summary(notebook), "minutes": duration(result["seconds"]) if result else ""}
        originals[name] = course / name_of(path, folder) if ran else path
        spoken += [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        write(sources / f"{name}.ipynb", dumps(for_readers(notebook, beside(name, paths))))
    readme, guide = folder.parent / "README.md", folder.parent / "docs" / "lecturers.md"
    parts = pages.part_of(readme.read_text(encoding="utf-8")) if readme.exists() else {}
    if guide.exists():
        write(sources / "lecturers.md", for_lecturers(guide, folder, sources, repository))
    write(sources / "index.md", first_page(rows, parts, sources, guide.exists()))
    for name, page in package(package_modules(), "\n".join(spoken)).items():
        write(sources / "api" / f"{name}.md", page)
    for path in [*HERE.glob("*.css"), *HERE.glob("*.js")]:
        write(sources / "_static" / path.name, path.read_bytes())
    pages.copy_mathjax(sources / "_static")
    return originals


def beside(name, names):
    """A line of HTML from a lecture to its evidence, or back; empty where there is no such page."""
    stem = name.removeprefix("evidence/")
    other = stem if stem != name else f"evidence/{name}"
    if other not in names:
        return ""
    page, words = (f"../{other}.html", "The lecture") if stem != name else (f"{other}.html", "Its evidence")
    return f'<p class="beside"><a class="reference internal" href="{page}">{words}</a></p>'


def for_lecturers(guide, folder, sources, repository=""):
    """docs/lecturers.md as a page: links to notebooks lead to their pages, its pictures come along.

    A link to another file of the project leads into the repository, or keeps its words alone where that has no address.
    """
    home = folder.parent

    def lead(match):
        mark, words, target, anchor = match.groups()
        path = Path(os.path.normpath(guide.parent / target))
        if mark:
            write(sources / "_static" / "lecturers" / path.name, path.read_bytes())
            return f"![{words}](_static/lecturers/{path.name})"
        if path.suffix == ".ipynb" and path.is_relative_to(folder):
            page = path.relative_to(folder).with_suffix("").as_posix()
            html = f'<a class="reference internal" href="{page}.html{anchor}">{words}</a>' if anchor else ""
            return html or f"[{words}]({page}.ipynb)"
        inside = path.relative_to(home).as_posix() if path.is_relative_to(home) else ""
        return f"[{words}]({repository}/blob/{BRANCH}/{inside}{anchor or ''})" if repository and inside else words

    return LINK.sub(lead, guide.read_text(encoding="utf-8"))


def for_readers(notebook, below=""):
    """A copy for the site: cells that only assert and solutions are folded, links to anchors are HTML.

    `below` is set under the title.
    """
    wanted = {m[3] for cell in notebook.cells for m in ANCHORED.finditer(cell.source) if not m[2]}
    for cell in notebook.cells:
        if tags(cell) & {"check", "solution"}:
            cell.metadata["tags"] = sorted({*tags(cell), "hide-input"})
        if cell.cell_type == "markdown":
            cell.source = HEADING.sub(partial(_with_anchor, wanted), ANCHORED.sub(_to_anchor, cell.source))
    if below and notebook.cells and notebook.cells[0].cell_type == "markdown":
        first = notebook.cells[0]
        first.source = re.sub(r"^# .+$", rf"\g<0>\n\n{below}", first.source, count=1, flags=re.M)
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


def first_page(rows, parts, sources, guide=False):
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
    if guide:
        order.append(("For lecturers", ["lecturers"]))
    return pages.render("site/index.md.j2", cards=cards, order=order, guide=guide)


def card(name, rows, sources):
    row = rows[name]
    picture = ""
    if row["thumbnail"]:
        picture = f"_static/thumbnails/{name}.png"
        write(sources / picture, base64.b64decode(row["thumbnail"]))
    # links in the promise would be links inside a link
    promise = re.sub(r"</?(a|p)\b[^>]*>", "", row["promise"])
    return {
        "page": name,
        "title": escape(row["title"]),
        "promise": promise,
        "picture": picture,
        "minutes": row["minutes"],
        "evidence": f"evidence/{name}" if f"evidence/{name}" in rows else "",
    }


# ---- the package ---------------------------------------------------------------------------------------------------


@dataclass
class Module:
    """A module as its text tells it; nothing is imported."""

    path: str  # models.vae
    tree: ast.Module
    exported: list  # what its package passes on

    @property
    def docstring(self):
        return ast.get_docstring(self.tree) or ""

    @property
    def title(self):
        return self.docstring.split("\n", 1)[0].rstrip(".")

    @property
    def name(self):
        return self.path.rpartition(".")[2]

    @property
    def first(self):
        """The names that its docstring says to read first, with the code of those that it defines itself."""
        said = FIRST.search(self.docstring)
        names = re.findall(r"``([^`]+)``", said[1]) if said else []
        return {name: _code(self.tree, name) for name in names}

    def defines(self):
        return [node.name for node in self.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def _code(tree, name):
    """The source of a class, function, method or constant; of a method also by its own name. Empty if not found."""
    body, node = tree.body, None
    for part in name.split("."):
        node = next((n for n in body if part in _names(n)), None)
        body = getattr(node, "body", [])
    if not node and "." not in name:
        methods = [n for owner in tree.body if isinstance(owner, ast.ClassDef) for n in owner.body]
        node = next((n for n in methods if name in _names(n)), None)
    return node.source if node else ""


def _names(node):
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def read_module(path, exported=()):
    """The module course_utils.`path`, each of whose definitions knows its source."""
    file = ROOT.joinpath("course_utils", *path.split("."))
    text = (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            begin = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            node.source = textwrap.dedent("\n".join(lines[begin - 1 : node.end_lineno]))
    return Module(path, tree, list(exported))


def package_modules():
    """All modules that have a page: those of MODULES, each followed by the files of its folder."""
    found = []
    for path in MODULES:
        module = read_module(path)
        found.append(module)
        folder = ROOT / "course_utils" / path
        passed = {}
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom):
                passed.setdefault(node.module, []).extend(alias.name for alias in node.names)
        for file in sorted(folder.glob("[!_]*.py")):
            inner = f"{path}.{file.stem}"
            found.append(read_module(inner, passed.get(f"course_utils.{inner}", [])))
    return found


def references(modules):
    """What docstrings may speak of, and its whole name; and for each module the names that it says to read first."""
    names, twice = {}, set()
    for module in modules:
        whole = f"course_utils.{module.path}"
        outer = module.path.partition(".")[0]
        offered = module.exported or [name for name in module.defines() if not name.startswith("_")]
        for name in offered:
            for short in {name, f"{outer}.{name}", f"{module.name}.{name}"}:
                twice |= {short} & {known for known, full in names.items() if full != f"{whole}.{name}"}
                names[short] = f"{whole}.{name}"
    first = {f"course_utils.{m.path}": [name for name, code in m.first.items() if code] for m in modules if m.first}
    return {name: whole for name, whole in names.items() if name not in twice}, first


def package(modules, spoken=""):
    """Pages of the package from its docstrings: one a module, and one that lists them.

    A page shows what the package offers, what it says to read first, and what notebooks (their code is `spoken`) reach
    through the module, as in `models.made.masks`.
    """
    found = {}
    for module in modules:
        outer, _, inner = module.path.partition(".")
        files = [m for m in modules if m.path.startswith(f"{module.path}.")]
        offered = ", ".join(f"`{outer}.{name}`" for name in module.exported) if inner else ""
        where = f"`course_utils.{module.path}`" + (f" · in a notebook {offered}" if offered else "")
        lines = [f"# {_markdown(module.title) if inner else outer}", "", where, ""]
        lines += ["```{eval-rst}", f".. automodule:: course_utils.{module.path}"]
        if not files:
            lines.append(f"   :members: {', '.join(_shown(module, spoken))}".rstrip())
        lines += ["```", ""]
        if files:
            rows = [f"- [{m.name}]({m.path.replace('.', '/')}.md): {_markdown(m.title)}." for m in files]
            tree = [f"{m.name} <{m.path.replace('.', '/')}>" for m in files]
            lines += ["## Its files", "", *rows, "", *_toctree(tree)]
        codes = [code for code in module.first.values() if code]
        if codes:
            lines += ["## Read first", "", *(f"```python\n{code}\n```\n" for code in codes)]
        found[module.path.replace(".", "/")] = "\n".join(lines)
    rows = [f"- [course_utils.{name}]({name}.md): {what}" for name, what in MODULES.items()]
    text = "What the notebooks import. Formulas, shapes, units, errors and source papers stand in the docstrings."
    tree = [f"{name} <{name}>" for name in MODULES]
    found["index"] = "\n".join(["# The package", "", text, "", *rows, "", *_toctree(tree)])
    return found


def _shown(module, spoken):
    """The names to show of a module whose package passes some on; of another one that is all that is public: none."""
    if not module.exported:
        return []
    reached = re.findall(rf"\b{re.escape(module.path)}\.(\w+)", spoken)
    return [name for name in module.defines() if name in {*module.exported, *reached}]


def _markdown(text):
    """A sentence of a docstring in a line of Markdown."""
    parts = text.split("``")
    parts[::2] = [re.sub(r"([\\*_|$<\[\]`])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _toctree(entries):
    return ["```{toctree}", ":hidden:", "", *entries, "```", ""]


if __name__ == "__main__":
    as_tool(main)
