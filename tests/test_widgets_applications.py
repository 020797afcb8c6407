"""Every widget of the course in JupyterLab and in Notebook, with a kernel, without it, and with the next one.

One server offers both applications. The last test starts JupyterLab as `make lab` does. They take minutes and wait for
other people's programs, so they run where COURSE_APPLICATIONS=1 asks for them, as the workflow of pages does.
"""

import os
import re
import shutil

import pytest

import course_utils.widgets
import runner

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")

from test_widgets_browser import (  # noqa: E402, F401
    browser,
    do,
    open_notebook,
    printed,
    prints,
    serving,
    write_notebook,
)
from test_widgets_browser import pytestmark as in_a_browser  # noqa: E402

asked = pytest.mark.skipif(not os.environ.get("COURSE_APPLICATIONS"), reason="COURSE_APPLICATIONS=1 runs it: minutes")
pytestmark = [asked, *(in_a_browser if isinstance(in_a_browser, list) else [in_a_browser])]

CELLS = [
    """
import torch
from course_utils import distributions, models, widgets

torch.manual_seed(0)
model = models.PixelCNN((1, 4, 4), 8, 1, distributions.categorical(5))
painter = widgets.painter(model, torch.ones(1, 4, 4), n=3)
painter
""",
    "curves = widgets.kl_curves()\ncurves",
    """
codes = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])
explorer = widgets.latent_explorer(lambda z: (z > 0).float().view(-1, 1, 1, 2), codes, torch.tensor([4, 7]), limit=3)
explorer
""",
    "games = widgets.game_curves()\ngames",
    """
def frame(k):
    place = torch.tensor([[0.1 * k - 1.0, 0.25]])
    players = (lambda z: place.expand(len(z), 2)), (lambda x: k * x[:, 0] / 5)
    return widgets.watch(*players, 10 * k, noise=torch.zeros(4, 1), limit=2)

scrubber = widgets.training_scrubber([frame(k) for k in range(5)], torch.tensor([[1.0, -1.0]]))
scrubber
""",
    """
pictures = {beta: torch.eye(3)[k].view(1, 1, 1, 3) for k, beta in enumerate([0.1, 1, 10])}
slider = widgets.picture_slider(pictures, "Where the white pixel is", "β")
slider
""",
]
# Of each widget: what the mouse presses (of it which part), and what the kernel has then; the same for a key.
PARTS = {
    "painter": (".painter-canvas", 0.9, "painter.codes[7], painter.codes[3]", "(0, 5)"),
    "kl": (".kl-chart", 0.95, "curves.s > 1, curves.m", "(True, 1.0)"),
    "explorer": (".explorer-plane", 0.9, "explorer.point[0] > 1, explorer.error", "(True, '')"),
    "games": (".games-chart", 0.9, "games.logit > 3, games.axis", "(True, 'logit')"),
    "scrubber": (".scrubber-plane", 0.99, "scrubber.frame,", "(4,)"),
    "pictures": (".course-slider", 0.97, "slider.at,", "(2,)"),
}
KEYS = {
    "painter": (".painter-canvas", "Delete", "painter.codes[0], painter.codes[3]", "(-1, 5)"),
    "kl": (".course-slider", "Home", "curves.s,", "(-3.0,)"),
    "explorer": (".explorer-plane", "Home", "explorer.point,", "([0.0, 0.0],)"),
    "games": (".course-slider", "Home", "games.logit,", "(-6.0,)"),
    "scrubber": (".course-slider", "ArrowLeft", "scrubber.frame,", "(3,)"),
    "pictures": (".course-slider", "Home", "slider.at,", "(0,)"),
}
GONE = "No kernel answers this widget any more. Run the cell again."
LATE = "No answer yet: the kernel is busy, or was restarted; then run the cell again."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("applications")
    write_notebook(home / "notebooks" / "every.ipynb", CELLS)
    options = ["--LabApp.news_url=None", f"--config={runner.ROOT / 'tools' / 'lab_config.py'}"]
    with serving(home, home / "notebooks", *options) as (_, url, token):
        yield url, token


@pytest.fixture
def page(browser):  # noqa: F811
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    made = context.new_page()
    made.set_default_timeout(60_000)
    yield made
    context.close()


def watched(page):
    """What goes wrong from now on: errors of scripts and those in the console."""
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    return wrong


def run_all(page):
    """Run the notebook and wait for all widgets, new ones where there were some."""
    do(page, "notebook:run-all-cells")
    page.wait_for_function(
        """() => {
            const roots = [...document.querySelectorAll(".course-widget")];
            return roots.length === 6 && !roots.some(root => root.dataset.earlier);
        }"""
    )
    roots = {name: page.locator(f".course-{name}") for name in PARTS}
    assert all(root.is_visible() for root in roots.values())
    return roots


def use(page, roots):
    """Each widget by the mouse and by a key: the kernel comes to know of both."""
    for name, (part, share, question, answer) in PARTS.items():
        element = roots[name].locator(part).first
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        page.mouse.click(
            box["x"] + share * box["width"], box["y"] + (0.1 if name != "pictures" else 0.5) * box["height"]
        )
        assert prints(page, f"print(({question}))", answer), name
        part, key, question, answer = KEYS[name]
        roots[name].locator(part).first.focus()
        page.keyboard.press(key)
        assert prints(page, f"print(({question}))", answer), name
    roots["painter"].get_by_role("button", name="Finish").press("Enter")
    assert prints(page, "print(painter.answers)", "1")


def test_the_list_of_widgets_is_complete():
    made = [name for name in course_utils.widgets.__all__ if hasattr(getattr(course_utils.widgets, name), "_esm")]
    assert len(made) == len(CELLS) == len(PARTS) == len(KEYS)


@pytest.mark.parametrize("application", ["lab/tree/", "notebooks/"])
def test_every_widget_works_and_outlives_its_kernel(page, server, application):
    if application == "notebooks/":
        pytest.importorskip("notebook", reason="Notebook is not installed")
    url, token = server
    open_notebook(page, f"{url}{application}{{}}?token={token}", "every.ipynb")
    wrong = watched(page)  # only now: Notebook makes errors of its own while it opens
    roots = run_all(page)
    use(page, roots)
    assert wrong == []

    session = "window.jupyterapp.shell.currentWidget.sessionContext.session"
    saved = "!window.jupyterapp.shell.currentWidget.context.model.dirty"
    assert not page.evaluate(saved)
    page.keyboard.press("Control+s")  # which a widget does not keep to itself
    page.wait_for_function(saved)

    # Tab goes from a widget's control to the next one, in the application, too.
    roots["games"].get_by_role("slider").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "the logit"

    page.evaluate(f"{session}.kernel.restart()")
    page.wait_for_function(f"{session}.kernel.status === 'idle'")
    assert prints(page, "print('painter' in globals())", "False")
    without_kernel(page, roots, GONE)
    assert wrong == []

    page.evaluate("for (const root of document.querySelectorAll('.course-widget')) root.dataset.earlier = 'yes'")
    use(page, run_all(page))
    assert wrong == []


def without_kernel(page, roots, words, asking=("painter", "explorer")):
    """Those that are asking say that nobody answers, the others go on, and nothing is raised."""
    roots["painter"].get_by_role("button", name="Finish").press("Enter")
    roots["explorer"].locator("svg").first.press("ArrowRight")
    roots["painter"].locator("canvas").first.press("Space")
    for name in ("kl", "games", "scrubber", "pictures"):
        slider = roots[name].get_by_role("slider").first
        slider.press("Home")
        least = slider.input_value()
        slider.press("End")
        assert float(slider.input_value()) > float(least)
    for name in asking:
        roots[name].get_by_role("status").get_by_text(words).wait_for()


def test_make_lab_shows_nothing_but_the_notebook_and_a_widget_survives_the_servers_end(page, tmp_path):
    folder = tmp_path / "notebooks"
    write_notebook(folder / "every.ipynb", CELLS)
    shutil.copy(runner.ROOT / "notebooks" / "00_start_here.ipynb", folder)
    config = runner.ROOT / "tools" / "lab_config.py"
    with serving(tmp_path, folder, f"--config={config}") as (process, url, token):
        address = f"{url}lab/tree/{{}}?reset&token={token}"
        open_notebook(page, address, "00_start_here.ipynb")
        page.wait_for_timeout(3000)  # the question would come about now
        page.get_by_role("heading", name="Start here").first.wait_for()
        assert [box.inner_text() for box in page.locator(".Toastify__toast, .jp-Dialog").all()] == []
        open_notebook(page, address, "every.ipynb")
        roots = run_all(page)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))  # the console is full of lost connections
        process.terminate()
        process.wait(20)
        # What is sent waits for the server to come back, or is refused, as JupyterLab has noticed or not. The painter's
        # status was seen empty here, a pixel having been painted after the question; so only the other one is asked.
        without_kernel(page, roots, re.compile("|".join(map(re.escape, (LATE, GONE)))), asking=["explorer"])
        assert errors == []
