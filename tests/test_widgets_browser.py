"""The painter in a real JupyterLab and a real browser, live and stored; skipped where there is no Chromium.

Everything happens on this machine: the test starts JupyterLab in a folder of its own, and pages may ask nobody else.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook

import runner

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.skipif(not runner.loopback_works(), reason="a browser needs a loopback device"),
]
PATIENCE = 60_000  # milliseconds; a busy machine takes its time to import torch

# White pictures of 4×4 pixels in five greys, the upper half given; the second painter's model fails when it is asked.
CELLS = [
    """
import torch
from course_utils import distributions, models, widgets
torch.manual_seed(0)
model = models.PixelCNN((1, 4, 4), 8, 1, distributions.categorical(5))
widgets.painter(model, torch.ones(1, 4, 4), n=3)
""",
    """
def fail(*_, **__):
    raise RuntimeError("no luck")

broken = models.PixelCNN((1, 4, 4), 8, 1)
painter = widgets.painter(broken, torch.ones(1, 4, 4))
broken.complete = fail
painter
""",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running JupyterLab: its address with a token in it, its folder, and the notary whose notebooks it trusts."""
    home = tmp_path_factory.mktemp("lab")
    folder, runtime = home / "notebooks", home / "runtime"
    cells = [new_code_cell(source.strip()) for source in CELLS]
    runner.write(folder / "live.ipynb", runner.dumps(runner.normalise(new_notebook(cells=cells))))
    silent = {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True}  # it would ask for news
    settings = "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    runner.write(home / settings, json.dumps(silent))
    places = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": runtime,
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}, "JUPYTER_PREFER_ENV_PATH": "1"}
    options = ["--no-browser", "--allow-root", "--port=0", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    options += ["--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True"]
    with open(home / "log", "w") as log:
        command = [sys.executable, "-m", "jupyter", "lab", *options]
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        info, deadline = runtime / f"jpserver-{server.pid}.json", time.monotonic() + PATIENCE / 1000
        while not (info.exists() and info.read_text()):
            assert server.poll() is None and time.monotonic() < deadline, (home / "log").read_text()[-2000:]
            time.sleep(0.1)
        found = json.loads(info.read_text())
        notary = NotebookNotary(data_dir=str(places["JUPYTER_DATA_DIR"]))
        yield f"{found['url']}lab/tree/{{}}?reset&token={found['token']}", folder, notary
        notary.store.close()
    finally:
        server.terminate()  # it ends its kernels first
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        server.kill()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser):
    """A page that can reach this machine alone; a wish for another one, or an error of a script, fails the test."""
    outside, errors = [], []

    def only_here(route):
        if urllib.parse.urlsplit(route.request.url).hostname == "127.0.0.1":
            return route.continue_()
        outside.append(route.request.url)
        return route.abort()

    context = browser.new_context(viewport={"width": 1300, "height": 1300}, has_touch=True)
    made = context.new_page()
    made.set_default_timeout(PATIENCE)
    made.route("**/*", only_here)
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert (outside, errors) == ([], [])


def open_notebook(page, address, name):
    page.goto(address.format(name))
    session = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session"
    page.wait_for_function(f"{session}?.kernel?.status === 'idle'")


def do(page, command):
    page.evaluate("command => window.jupyterapp.commands.execute(command)", command)


class Painter:
    """What a reader sees of a painter and does with it."""

    def __init__(self, page, number):
        self.page, self.root = page, page.locator(".course-painter").nth(number)
        self.root.wait_for()
        self.canvas = self.root.locator(".painter-canvas")
        self.finish_button = self.button("Finish")

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def at(self, row, column):
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        return box["x"] + (column + 0.5) * box["width"] / 4, box["y"] + (row + 0.5) * box["height"] / 4

    def stroke(self, *places):
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place))
        self.page.mouse.up()

    def finish(self):
        self.finish_button.click()
        self.page.wait_for_function(
            "button => button.getAttribute('aria-disabled') === 'false'", arg=self.finish_button.element_handle()
        )

    def pixels(self):
        """What the canvas shows: for each pixel its red, or "hatched"."""
        read = """canvas => [...Array(16).keys()].map(i => {
            const side = canvas.width / 4, [left, top] = [(i % 4 + 0.2) * side, (Math.floor(i / 4) + 0.2) * side];
            const data = canvas.getContext('2d').getImageData(left, top, side * 0.6, side * 0.6).data;
            const reds = data.filter((_, k) => k % 4 === 0);
            return reds.every(red => red === reds[0]) ? reds[0] : 'hatched';
        })"""
        return self.canvas.evaluate(read)

    def completions(self):
        """The red of each pixel of each completion."""
        read = """canvases => canvases.map(canvas =>
            [...canvas.getContext('2d').getImageData(0, 0, 4, 4).data.filter((_, k) => k % 4 === 0)])"""
        return self.root.locator(".painter-small").evaluate_all(read)

    def nats(self):
        return [float(text.removesuffix(" nats")) for text in self.root.locator("figcaption").all_inner_texts()]


WHITE, GREY, HATCHED = 255, 64, "hatched"  # grey 0.25 is 64 of 255


def test_paint_erase_finish_and_what_is_stored(page, lab):
    address, folder, notary = lab
    open_notebook(page, address, "live.ipynb")
    do(page, "notebook:run-all-cells")
    painter = Painter(page, 0)
    assert painter.pixels() == [WHITE] * 8 + [HATCHED] * 8
    assert len(painter.nats()) == 3 and [image[:8] for image in painter.completions()] == [[WHITE] * 8] * 3

    painter.button("grey 0.25").click()
    painter.stroke((2, 0), (2, 3))  # the mouse jumps, the line has no gaps
    painter.button("Erase").click()
    painter.stroke((0, 0))
    page.touchscreen.tap(*painter.at(0, 1))
    painted = [HATCHED, HATCHED, *[WHITE] * 6, *[GREY] * 4, *[HATCHED] * 4]
    assert painter.pixels() == painted

    drawn = []
    for _ in range(2):
        painter.finish()
        drawn.append(painter.completions())
        for image in drawn[-1]:
            kept = [seen for seen, given in zip(image, painted, strict=True) if given != HATCHED]
            assert kept == [WHITE] * 6 + [GREY] * 4
    assert drawn[0] != drawn[1] and painter.pixels() == painted

    few = painter.nats()
    painter.button("Clear").click()
    assert painter.pixels() == [HATCHED] * 16
    painter.finish()
    assert min(painter.nats()) > max(few)  # 16 drawn pixels cost more than 6, of a model that has learned nothing
    painter.button("Top half").click()
    painter.canvas.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Delete"):
        page.keyboard.press(key)
    assert painter.root.locator(".painter-spoken").inner_text() == "row 2, column 2: unknown"
    page.keyboard.press("Tab")
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    assert page.evaluate(active) == 0
    page.keyboard.press("j")  # JupyterLab's "next cell"
    page.keyboard.press("Enter")  # on the first swatch
    assert painter.button("grey 0.00").get_attribute("aria-pressed") == "true" and page.evaluate(active) == 0
    assert painter.pixels() == [*[WHITE] * 5, HATCHED, WHITE, WHITE, *[HATCHED] * 8]
    painter.button("Reset").click()
    assert painter.pixels() == [WHITE] * 8 + [HATCHED] * 8

    broken = Painter(page, 1)
    broken.finish()
    assert broken.root.get_by_role("alert").inner_text() == "RuntimeError: no luck"
    assert len(broken.nats()) == 6

    do(page, "docmanager:save")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    check_without_kernel(page, address, folder, notary)


def check_without_kernel(page, address, folder, notary):
    """Open the outputs that JupyterLab stored just now, in a new notebook whose kernel has run nothing."""
    notebook = runner.read(folder / "live.ipynb")
    as_it_is = nbformat.from_dict(notebook.cells[1])
    runner.normalise(notebook)
    assert runner.WIDGET in as_it_is.outputs[0].data and "image/png" in as_it_is.outputs[0].data
    notebook.cells = [notebook.cells[0], as_it_is]
    runner.write(folder / "stored.ipynb", runner.dumps(notebook))
    notary.sign(notebook)  # trusted, as one's own notebooks are; in others JupyterLab shows the picture by itself
    open_notebook(page, address, "stored.ipynb")
    # This is why the widget is taken out of what is stored; and only when it is seen was there time to try the first.
    page.get_by_text("Error displaying widget: model not found").wait_for()
    first, second = (page.locator(".jp-Notebook .jp-OutputArea").nth(k) for k in (0, 1))
    assert first.locator("img").evaluate("image => image.complete && image.naturalWidth") > 400
    assert "Error" not in first.inner_text() and second.locator("img").count() == 0
