"""The site: every link leads somewhere, nothing is asked of another host, and what fails leaves the old site alone."""

import http.server
import re
import shutil
import threading
from functools import partial
from urllib.parse import unquote, urljoin, urlsplit

import audit
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


def test_a_line_under_the_title_leads_to_the_evidence_and_back():
    names = {"07_vae", "evidence/07_vae", "glossary"}
    assert 'href="evidence/07_vae.html">Its evidence<' in website.beside("07_vae", names)
    assert 'href="../07_vae.html">The lecture<' in website.beside("evidence/07_vae", names)
    assert website.beside("glossary", names) == ""
    cells = [new_markdown_cell("# A\n\nText"), new_markdown_cell("# B")]
    done = website.for_readers(new_notebook(cells=cells), "below").cells
    assert [cell.source for cell in done] == ["# A\n\nbelow\n\nText", "# B"]


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


def theme(repository):
    """The options of the theme in conf.py."""
    text = website.configuration(repository)
    known = {}
    exec(text[text.index("html_theme_options") : text.index("\ndef ")], known)
    return known["html_theme_options"]


def test_buttons_need_an_address_that_the_theme_knows(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "a"\n')
    assert website.address(project) == ""
    project.write_text('[project]\nname = "a"\n[project.urls]\nRepository = "https://github.com/a/b"\n')
    assert website.address(project) == "https://github.com/a/b"
    github, gitlab = theme("https://github.com/a/b"), theme("https://gitlab.com/a/b")
    assert github["repository_url"] == "https://github.com/a/b" and github["repository_branch"] == "main"
    assert {"binderhub_url", "colab_url"} <= {*github["launch_buttons"]}
    assert "colab_url" not in gitlab["launch_buttons"]  # it opens notebooks of GitHub alone
    for unknown in ("", "https://example.org/a/b"):  # of another host the theme would not build the site
        assert "repository_url" not in theme(unknown) and "launch_buttons" not in theme(unknown)


# ---- the page for lecturers ------------------------------------------------------------------------------------------


def test_links_of_the_page_for_lecturers_lead_into_the_site(tmp_path):
    (tmp_path / "docs").mkdir()
    guide, folder, sources = tmp_path / "docs" / "lecturers.md", tmp_path / "notebooks", tmp_path / "sources"
    (tmp_path / "docs" / "a.png").write_bytes(b"png")
    guide.write_text(
        "# G\n\n[one](../notebooks/07_vae.ipynb) [two](../notebooks/evidence/07_vae.ipynb#S-1) [three](../README.md) "
        "![four](a.png) [five](#g) [six](https://example.org/a.ipynb)"
    )
    said = website.for_lecturers(guide, folder, sources)
    assert said == (
        '# G\n\n[one](07_vae.ipynb) <a class="reference internal" href="evidence/07_vae.html#S-1">two</a> three '
        "![four](_static/lecturers/a.png) [five](#g) [six](https://example.org/a.ipynb)"
    )
    assert (sources / "_static" / "lecturers" / "a.png").read_bytes() == b"png"
    there = website.for_lecturers(guide, folder, sources, "https://github.com/a/b")
    assert "[three](https://github.com/a/b/blob/main/README.md)" in there


# ---- the package -----------------------------------------------------------------------------------------------------


def test_pages_show_what_the_package_offers_and_what_notebooks_reach():
    modules = website.package_modules()
    pages = website.package(modules, "models.made.masks(x); masked.MaskedConv2d")
    assert ":members: MADE, masks" in pages["models/made"]
    assert ":members: GatedPixelCNN\n" in pages["models/gated_pixel_cnn"]  # not the layers that it is made of
    assert pages["models/gated_pixel_cnn"].startswith(
        "# Gated PixelCNN: two stacks of convolutions, and no blind spot\n"
    )
    assert "def forward(self, v_stack" in pages["models/gated_pixel_cnn"].partition("## Read first")[2]
    assert "def terms(self" in pages["models/vae"]  # a method by its own name
    assert "[gated_pixel_cnn](models/gated_pixel_cnn.md): Gated PixelCNN" in pages["models"]
    assert not [name for name in pages if "/_" in name]


def test_all_that_is_said_to_be_read_first_is_found():
    modules = website.package_modules()
    names, _ = website.references(modules)
    lost = [(m.path, name) for m in modules for name, code in m.first.items() if not code and name not in names]
    assert lost == [] and sum(len(m.first) for m in modules) > 20


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


def test_the_notebook_to_download_is_the_notebook(site):
    for evidence in (False, True):
        for path in runner.shelf(evidence=evidence):
            name = runner.name_of(path)
            page = (site / name).with_suffix(".html").read_text(encoding="utf-8")
            button = re.search(r'href="([^"]*_sources/[^"]+)"', page)[1]
            offered = nbformat.read((site / name).parent / button, as_version=4)
            assert offered.cells == nbformat.read(path, as_version=4).cells, name


def test_the_package_has_pages_with_formulas_and_links(html):
    page = html["api/models/gated_pixel_cnn.html"]
    assert r"\tanh(W_f * x) \cdot" in page and 'href="https://arxiv.org/abs/1606.05328"' in page
    assert 'href="#read-first"' in page and 'id="read-first"' in page
    assert 'href="../distributions.html#course_utils.distributions.PixelFamily"' in page
    assert "Define the computation performed at every call" not in "".join(html.values())  # torch's words
    for name, text in html.items():  # labels at the side are names, not paths
        side = re.search(r'<nav class="bd-toc-nav page-toc".*?</nav>', text, re.S)
        assert not side or "course_utils." not in re.sub(r'href="[^"]*"', "", side[0]), name


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


@pytest.mark.parametrize(
    "page", ["index", "00_start_here", "06_elbo_and_kl", "evidence/03_pixel_cnn", "api/models/vae"]
)
@pytest.mark.parametrize("where", ["folder", "sub-path"])
def test_a_page_asks_no_other_host_for_anything(where, page, site, served, visit):
    base = site.as_uri() if where == "folder" else served
    _, asked, failed = visit(f"{base}/{page}.html")
    assert failed == [] and [url for url in asked if not url.startswith((base, "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [1280, 820, 390])
def test_pages_are_no_wider_than_the_window_and_formulas_are_drawn(width, site, visit):
    for name in ("index", "06_elbo_and_kl", "14_face_to_face", "api/objectives", "api/models/vae"):
        page, _, _ = visit(f"{site.as_uri()}/{name}.html", width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page, _, _ = visit(f"{site.as_uri()}/06_elbo_and_kl.html", width)
    page.wait_for_selector("mjx-container svg")
    assert page.locator("mjx-container svg").count() > 10


def test_formulas_of_the_package_are_drawn_without_errors(site, visit, html):
    drawn = 0
    names = [name for name, text in html.items() if name.startswith("api/") and 'class="math' in text]
    page, _, failed = visit(f"{site.as_uri()}/{names[0]}")
    for name in names:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{site.as_uri()}/{name}")
        page.evaluate("MathJax.startup.promise.then(() => 0)")
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0 and failed == [], name
        blocks = page.locator("div.math").count()
        assert page.locator("div.math > mjx-container > svg").count() == blocks, name
        wide = page.evaluate(
            "[...document.querySelectorAll('div.math')].filter(d => d.scrollWidth > d.clientWidth + 1).length"
        )
        assert wide == 0, name
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        drawn += blocks
    assert drawn > 60


@pytest.mark.parametrize("where", ["folder", "sub-path"])
def test_search_finds_a_word(where, site, served, visit):
    base = site.as_uri() if where == "folder" else served
    page, _, failed = visit(f"{base}/search.html?q=reparameterisation")
    page.wait_for_selector("#search-results li")
    assert "06" in page.locator("#search-results").inner_text()
    # a browser lets no page of a folder read another one, so there the results come without excerpts
    assert failed == [] or where == "folder"


@pytest.mark.parametrize("light", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "glossary", "api/models", "search"])
def test_a_page_breaks_no_hard_rule_of_accessibility(name, light, site, visit):
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page, _, _ = visit("about:blank")
    page.emulate_media(color_scheme=light)
    page.goto(f"{site.as_uri()}/{name}.html")
    page.evaluate("window.MathJax?.startup?.promise")
    assert page.evaluate("document.documentElement.dataset.theme") == light
    # the long pages differ in nothing that has a colour
    assert audit.violations(page, colours=name in ("index", "search")) == []


def test_a_dark_page_is_printed_light_without_folds_and_with_wrapped_code(site, visit):
    page, _, _ = visit("about:blank")
    page.emulate_media(color_scheme="dark", media="print")
    page.goto(f"{site.as_uri()}/07_vae.html")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate("[...document.querySelectorAll('details.hide')].filter(e => e.checkVisibility()).length") == 0
    assert page.evaluate("getComputedStyle(document.querySelector('.cell_input pre')).whiteSpace") == "pre-wrap"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
