"""The widgets in a real JupyterLab and a real browser, live and stored; skipped where there is no Chromium.

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
from course_utils.widgets import kl_parts

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

CURVES = ["from course_utils import widgets\ncurves = widgets.kl_curves()\ncurves"]

# The picture of two pixels tells its code, black or white by the sign of each number. The first wish (after the first
# picture and the still one) waits until there is a file `go`, and to the far right there are no pictures.
EXPLORER = [
    """
import time
from pathlib import Path

import torch
from course_utils import widgets

asked = []

def decode(z):
    asked.append(z.tolist()[0])
    while len(asked) == 3 and not Path("go").exists():
        time.sleep(0.01)
    if len(z) == 1 and z[0, 0] > 2.5:
        raise RuntimeError("no luck")
    return (z > 0).float().view(-1, 1, 1, 2)

codes = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])
explorer = widgets.latent_explorer(decode, codes, torch.tensor([4, 7]), limit=3)
explorer
""",
]


def write_notebook(path, sources):
    cells = [new_code_cell(source.strip()) for source in sources]
    runner.write(path, runner.dumps(runner.normalise(new_notebook(cells=cells))))


@contextlib.contextmanager
def serving(home, folder, *more):
    """JupyterLab and Notebook on a free port, with all that they write below `home`: process, address and token."""
    runtime = home / "runtime"
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
    options += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True", *more]
    with open(home / "log", "w") as log:
        command = [sys.executable, "-m", "jupyter", "lab", *options]
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        info, deadline = runtime / f"jpserver-{server.pid}.json", time.monotonic() + PATIENCE / 1000
        while not (info.exists() and info.read_text()):
            assert server.poll() is None and time.monotonic() < deadline, (home / "log").read_text()[-2000:]
            time.sleep(0.1)
        found = json.loads(info.read_text())
        yield server, found["url"], found["token"]
    finally:
        server.terminate()  # it ends its kernels first
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        server.kill()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running JupyterLab: its address with a token in it, its folder, and the notary whose notebooks it trusts."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "notebooks"
    for name, sources in {"live": CELLS, "curves": CURVES, "explorer": EXPLORER}.items():
        write_notebook(folder / f"{name}.ipynb", sources)
    silent = {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True}  # it would ask for news
    settings = "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    runner.write(home / settings, json.dumps(silent))
    with serving(home, folder, "--LabApp.news_url=None") as (_, url, token):
        notary = NotebookNotary(data_dir=str(home / "data"))
        yield f"{url}lab/tree/{{}}?reset&token={token}", folder, notary
        notary.store.close()


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


def printed(page, code):
    """What code prints in the kernel of the open notebook."""
    run = """async code => {
        const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
        const future = kernel.requestExecute({ code });
        let text = '';
        future.onIOPub = message => { if (message.header.msg_type === 'stream') text += message.content.text; };
        await future.done;
        return text;
    }"""
    return page.evaluate(run, code).strip()


def prints(page, code, expected):
    """Whether code comes to print what is expected: a widget keeps changes back while the kernel has its last one."""
    deadline = time.monotonic() + PATIENCE / 1000
    while (text := printed(page, code)) != expected:
        assert time.monotonic() < deadline, f"{code}: {text!r}, expected {expected!r}"
        page.wait_for_timeout(50)
    return True


class Painter:
    """What a reader sees of a painter and does with it."""

    def __init__(self, page, number):
        self.page, self.root = page, page.locator(".course-painter").nth(number)
        self.root.wait_for()
        self.canvas = self.root.locator(".painter-canvas")
        self.finish_button = self.button("Finish")

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def colour(self, name):
        return self.root.get_by_role("radio", name=name)

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

    painter.colour("grey 0.25").click()
    painter.stroke((2, 0), (2, 3))  # the mouse jumps, the line has no gaps
    painter.colour("Erase").click()
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
    for key in ("ArrowDown", "ArrowRight", "Delete"):
        page.keyboard.press(key)
    assert painter.root.locator(".course-spoken").first.inner_text() == "row 2, column 2: unknown"
    page.keyboard.press("Tab")
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    assert page.evaluate(active) == 0
    page.keyboard.press("j")  # JupyterLab's "next cell"
    page.keyboard.press("ArrowRight")  # from the eraser round to the first swatch
    assert painter.colour("grey 0.00").get_attribute("aria-checked") == "true" and page.evaluate(active) == 0
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


# ---- the three curves ------------------------------------------------------------------------------------------------


def shown_numbers(root):
    """The numbers of the table that are seen, by their names."""
    read = "cells => cells.filter(c => c.offsetParent).map(c => [c.dataset.name, c.innerText])"
    rows = root.locator(".kl-number").evaluate_all(read)
    return {name: float(text.replace("−", "-").removesuffix(" nats")) for name, text in rows}


def test_step_by_step_through_the_curves_with_numbers_equal_to_pythons(page, lab):
    address, _, _ = lab
    open_notebook(page, address, "curves.ipynb")
    do(page, "notebook:run-all-cells")
    root = page.locator(".course-kl")
    root.wait_for()
    s, m = (root.get_by_role("slider", name=name) for name in ("s, the log-variance", "m, the mean"))
    expected = [["variance"], ["variance", "line"], *[["variance", "line", "difference"]] * 2]
    for step, names in enumerate(expected, 1):
        assert list(shown_numbers(root)) == names and not m.is_visible()
        assert root.get_by_role("status").inner_text().startswith(f"{step} of 5: ")
        current = root.locator("[aria-current=step]")
        assert current.count() == 1 and current.inner_text() == f"{step}"
        root.get_by_role("button", name="Next", exact=False).first.click()
    assert prints(page, "print(str(curves).endswith('step 5 of 5)'))", "True")
    assert m.is_visible() and root.locator(".kl-bells").is_visible()

    for slider, key, times in [
        (s, "ArrowRight", 3),
        (m, "Home", 1),
        (m, "ArrowRight", 7),
        (s, "End", 1),
        (s, "Home", 1),
    ]:
        slider.focus()
        for _ in range(times):
            page.keyboard.press(key)
        at = {"m": float(m.input_value()), "s": float(s.input_value())}
        parts = kl_parts(**at)
        for name, value in shown_numbers(root).items():
            assert value == pytest.approx(getattr(parts, name).item(), abs=0.000501), name
        assert prints(page, "print(curves.m, curves.s)", f"{at['m']} {at['s']}")
        # The dots stand on the curves: 1 of the chart is as high as its grid says.
        ys = root.locator(".kl-chart .course-grid[x1='34'][x2='428']").evaluate_all(
            "all => all.map(e => +e.getAttribute('y1'))"
        )
        unit = (ys[1] - ys[2]) / 2  # the lines stand at -2, 2, 4, 6 and 8; 0 is the axis
        lifted, gap = (root.locator(".kl-dot").nth(k).get_attribute("cy") for k in (3, 2))
        assert (float(gap) - float(lifted)) / unit == pytest.approx(at["m"] ** 2, abs=0.01)
    assert at == {"m": -1.65, "s": -3.0}

    box = root.locator(".kl-chart").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + (34 + 0.6 * 394) / 440 * box["width"], box["y"] + 50)  # s = 0 is at 3/5 of the plane
    page.mouse.up()
    assert s.input_value() == "0" and shown_numbers(root)["difference"] == 0
    page.keyboard.press("d")
    page.keyboard.press("d")  # JupyterLab's "delete the cell", if it were not for the widget
    root.get_by_role("button", name="Back").click()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert root.is_visible() and list(shown_numbers(root)) == ["variance", "line", "difference"]
    root.get_by_role("button", name="Step 1").click()
    assert list(shown_numbers(root)) == ["variance"]
    assert root.get_by_role("button", name="Back").get_attribute("aria-disabled") == "true"


# ---- the latent explorer ---------------------------------------------------------------------------------------------


class Explorer:
    """What a reader sees of the explorer and does with it."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".course-explorer")
        self.root.wait_for()
        self.plane = self.root.locator(".explorer-plane")

    def at(self, x, y):
        """Where a point of the plane [-3, 3]² is on the screen."""
        box = self.root.locator(".explorer-paper").bounding_box()
        return box["x"] + (x + 3) / 6 * box["width"], box["y"] + (3 - y) / 6 * box["height"]

    def pixels(self):
        read = "c => [...c.getContext('2d').getImageData(0, 0, 2, 1).data.filter((_, k) => k % 4 === 0)]"
        return self.root.locator(".explorer-picture").evaluate(read)

    def caption(self):
        return self.root.locator(".explorer-caption").inner_text()

    def wait_for(self, caption):
        self.root.locator(".explorer-caption", has_text=caption).wait_for()

    def nearest(self):
        return self.root.locator(".explorer-nearest").inner_text()


def test_a_dragged_point_is_decoded_and_no_queue_builds_up(page, lab):
    address, folder, _ = lab
    open_notebook(page, address, "explorer.ipynb")
    do(page, "notebook:run-all-cells")
    explorer = Explorer(page)
    assert explorer.caption() == "z = (0.00, 0.00)" and explorer.pixels() == [0, 0]
    assert prints(page, "print(len(asked))", "2")

    page.mouse.move(*explorer.at(0, 0))
    page.mouse.down()
    for k in range(40):
        page.mouse.move(*explorer.at(-k / 20, k / 20))
    page.mouse.move(*explorer.at(-1, 2))
    page.mouse.up()
    assert explorer.caption() == "z = (0.00, 0.00)"  # the kernel is still at the first place
    (folder / "go").touch()
    page.wait_for_function("() => document.querySelector('.explorer-caption').innerText.startsWith('z = (−')")
    x, y = json.loads(printed(page, "print(asked[-1])"))
    assert (x, y) == (pytest.approx(-1, abs=0.02), pytest.approx(2, abs=0.02))
    assert prints(page, "print(len(asked))", "4")  # of 41 places the first and the last
    assert explorer.pixels() == [0, 255]

    page.touchscreen.tap(*explorer.at(1.5, 1))
    explorer.wait_for("z = (1.")
    assert explorer.pixels() == [255, 255] and explorer.nearest() == "Nearest code of the data: label 7"
    explorer.plane.focus()
    page.keyboard.press("Home")
    explorer.wait_for("z = (0.00, 0.00)")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    explorer.wait_for("z = (−0.15, −0.45)")  # steps of a fortieth of half the side, and of five of them
    assert explorer.pixels() == [0, 0] and explorer.nearest() == "Nearest code of the data: label 4"
    assert explorer.root.locator(".course-spoken").inner_text().startswith("(−0.15, −0.45)")

    page.mouse.click(*explorer.at(2.8, 0))
    alarm = explorer.root.get_by_role("alert")
    alarm.get_by_text("RuntimeError: no luck").wait_for()
    page.mouse.click(*explorer.at(1, -1))
    explorer.wait_for("z = (1.")
    assert alarm.inner_text() == "" and explorer.pixels() == [255, 0]
    page.keyboard.press("d")
    page.keyboard.press("d")  # JupyterLab's "delete the cell", if it were not for the widget
    assert explorer.root.is_visible()
