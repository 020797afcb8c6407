"""The site: every link leads somewhere, nothing is asked of another host, and what fails leaves the old site alone."""

import http.server
import re
import shutil
import threading
from functools import partial
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import browser
import runner
import website

pytestmark = pytest.mark.slow
HREF = re.compile(r"""<a\b[^>]*?\shref="([^"]+)\"""")
ID = re.compile(r"""\s(?:id|name)="([^"]+)\"""")
SOURCE = re.compile(r"""<(?:script|img|link|source|iframe)\b[^>]*?\s(?:src|href)="([^"]+)\"""")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site from what is stored."""
    out = tmp_path_factory.mktemp("site")
    website.main(["--course", str(out / "no course here"), "--out", str(out / "site")])
    return out / "site"


@pytest.fixture(scope="module")
def html(site):
    return {page.relative_to(site).as_posix(): page.read_text(encoding="utf-8") for page in site.rglob("*.html")}


# ---- copies for readers ----------------------------------------------------------------------------------------------


def words(text):
    return website.for_readers(new_notebook(cells=[new_markdown_cell(text)])).cells[0].source


def test_links_to_anchors_become_html_and_others_stay():
    assert words("a [term](glossary.ipynb#elbo).") == (
        'a <a class="reference internal" href="glossary.html#elbo">term</a>.'
    )
    assert 'href="../glossary.html#elbo">' in words("[term](../glossary.ipynb#elbo)")
    assert words("[other](#made)") == '<a class="reference internal" href="#made">other</a>'
    for kept in ("[07](07_vae.ipynb)", "![picture](docs/a.png)", "[a](https://example.org/a.ipynb#b)"):
        assert words(kept) == kept


def test_a_heading_that_is_linked_to_gets_its_anchor_and_others_do_not():
    cells = [
        new_markdown_cell("[A](#A) [Two words](#Two-words)"),
        new_markdown_cell("## A\n\na\n\n## Two words\n\n## B"),
    ]
    text = website.for_readers(new_notebook(cells=cells)).cells[1].source
    assert text == '<a id="A"></a>\n\n## A\n\na\n\n<a id="Two-words"></a>\n\n## Two words\n\n## B'


def test_checks_and_solutions_are_folded_and_others_are_not():
    cells = [new_code_cell("1", metadata={"tags": tags}) for tags in (["check"], ["solution"], ["exercise"], [])]
    done = website.for_readers(nbformat.from_dict(new_notebook(cells=cells))).cells
    assert ["hide-input" in runner.tags(cell) for cell in done] == [True, True, False, False]


def test_a_widget_says_where_it_works():
    data = {runner.WIDGET: {"model_id": "1"}, "text/plain": "Widget()"}
    cell = new_code_cell("w", outputs=[new_output("display_data", data=data)])
    output = website.for_readers(nbformat.from_dict(new_notebook(cells=[cell]))).cells[0].outputs[0]
    assert runner.WIDGET not in output.data and "open the notebook in JupyterLab" in output.data["text/plain"]


# ---- buttons ---------------------------------------------------------------------------------------------------------


def test_buttons_need_an_address(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "a"\n')
    assert website.address(project) == ""
    assert "launch_buttons" not in website.configuration("")
    project.write_text('[project]\nname = "a"\n[project.urls]\nRepository = "https://example.org/a/b"\n')
    assert website.address(project) == "https://example.org/a/b"
    known = {}
    exec(website.configuration(website.address(project)), known)
    theme = known["html_theme_options"]
    assert theme["repository_url"] == "https://example.org/a/b" and {"binderhub_url", "colab_url"} <= {
        *theme["launch_buttons"]
    }


# ---- what fails ------------------------------------------------------------------------------------------------------


def test_a_site_that_cannot_be_made_leaves_the_old_one(tmp_path):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "conf.py").write_text("extensions = ['no_such_extension']\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("old")
    with pytest.raises(SystemExit, match="no_such_extension"):
        website.build(tmp_path / "sources", tmp_path / "made", tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "old"


# ---- the whole site --------------------------------------------------------------------------------------------------


def test_every_notebook_has_a_page_and_the_first_page_a_card_for_each_lecture(html):
    names = {runner.name_of(p).removesuffix(".ipynb") for p in runner.shelf() + runner.shelf(evidence=True)}
    assert {f"{name}.html" for name in names} <= set(html)
    assert html["index.html"].count('class="course-card"') == len(runner.shelf())
    assert html["index.html"].count("_static/thumbnails/") >= len(runner.shelf()) - 1  # the glossary has no picture


def test_every_link_and_anchor_inside_the_site_leads_somewhere(site, html):
    anchors = {name: set(ID.findall(text)) for name, text in html.items()}
    wrong = []
    for name, text in html.items():
        for target in HREF.findall(text):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            page = unquote(urljoin(name, parts.path)) if parts.path else name
            if not (site / page).is_file():
                wrong.append((name, target, "no such page"))
            elif parts.fragment and page in anchors and unquote(parts.fragment) not in anchors[page]:
                wrong.append((name, target, "no such anchor"))
    assert wrong == []


def test_nothing_is_fetched_from_elsewhere(site, html):
    assert [
        (name, source)
        for name, text in html.items()
        for source in SOURCE.findall(text)
        if urlsplit(source).netloc and "canonical" not in source
    ] == []


@pytest.fixture(scope="module")
def served(site):
    """The site below a sub-path, as GitHub Pages serves a project's."""
    root = site.parent / "root"
    shutil.copytree(site, root / "a-project")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a-project"
    server.shutdown()


@pytest.fixture(scope="module")
def visit():
    """Opens an address in a browser: the page, what it asked for, and what failed."""
    driver = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")
    if browser.chromium() is None:
        pytest.skip("there is no Chromium on this machine")
    with driver.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=browser.chromium(), args=["--no-sandbox"])

        def go(address, width=1280):
            page, asked, failed = opened.new_page(viewport={"width": width, "height": 900}), [], []
            page.on("request", lambda request: asked.append(request.url))
            page.on("requestfailed", lambda request: failed.append(request.url))
            page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
            page.goto(address)
            page.wait_for_load_state("networkidle")
            return page, asked, failed

        yield go
        opened.close()


@pytest.mark.parametrize("page", ["index", "00_start_here", "06_elbo_and_kl", "evidence/03_pixel_cnn", "api/models"])
@pytest.mark.parametrize("where", ["folder", "sub-path"])
def test_a_page_asks_no_other_host_for_anything(where, page, site, served, visit):
    base = site.as_uri() if where == "folder" else served
    _, asked, failed = visit(f"{base}/{page}.html")
    assert failed == [] and [url for url in asked if not url.startswith((base, "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [1280, 820, 390])
def test_pages_are_no_wider_than_the_window_and_formulas_are_drawn(width, site, visit):
    for name in ("index", "06_elbo_and_kl", "14_face_to_face"):
        page, _, _ = visit(f"{site.as_uri()}/{name}.html", width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page, _, _ = visit(f"{site.as_uri()}/06_elbo_and_kl.html", width)
    page.wait_for_selector("mjx-container svg")
    assert page.locator("mjx-container svg").count() > 10


@pytest.mark.parametrize("where", ["folder", "sub-path"])
def test_search_finds_a_word(where, site, served, visit):
    base = site.as_uri() if where == "folder" else served
    page, _, failed = visit(f"{base}/search.html?q=reparameterisation")
    page.wait_for_selector("#search-results li")
    assert "06" in page.locator("#search-results").inner_text()
    # a browser lets no page of a folder read another one, so there the results come without excerpts
    assert failed == [] or where == "folder"
