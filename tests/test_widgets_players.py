"""Games, scrubber and picture slider in a real JupyterLab and a real browser; skipped where there is no Chromium."""

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")

from test_widgets_browser import (  # noqa: E402, F401
    browser,
    do,
    lab,
    open_notebook,
    page,
    prints,
    pytestmark,
    write_notebook,
)

from course_utils.widgets import game_values  # noqa: E402

GAMES = "from course_utils import widgets\ngames = widgets.game_curves()\ngames"

# Samples at one place a frame, from the left to the right; the logit is 0 in the first frame, and then rises with x.
SCRUBBER = """
import torch
from course_utils import widgets

def frame(k):
    place = torch.tensor([[0.1 * k - 1.0, 0.25]])
    players = (lambda z: place.expand(len(z), 2)), (lambda x: k * x[:, 0] / 5)
    return widgets.watch(*players, 10 * k, noise=torch.zeros(4, 1), limit=2)

scrubber = widgets.training_scrubber([frame(k) for k in range(21)], torch.tensor([[1.0, -1.0]]))
scrubber
"""


def opened(page, lab, source):  # noqa: F811
    address, folder, _ = lab
    write_notebook(folder / "players.ipynb", [source])
    open_notebook(page, address, "players.ipynb")
    do(page, "notebook:run-all-cells")


# ---- the three games -------------------------------------------------------------------------------------------------


def shown_values(root):
    cells = root.locator("td.games-number").evaluate_all("all => all.map(c => [c.dataset.name, c.innerText])")
    return {name: float(text.replace("−", "-")) for name, text in cells}


def check_values(root, logit):
    """The table tells Python's numbers, and each point stands on its curve."""
    values, shown = game_values(logit), shown_values(root)
    assert len(shown) == 6
    for name, value in values.items():
        for part in ("cost", "gradient"):
            exact = getattr(value, part).item()
            assert shown[f"{name} {part}"] == pytest.approx(exact, abs=0.000051 if abs(exact) < 10 else 0.0051)
    on_curve = """charts => charts.map(chart => {
        const curves = [...chart.querySelectorAll('path.games-curve')];
        return [...chart.querySelectorAll('.games-dot:not(.games-beneath)')].map(dot => {
            const [x, y] = [+dot.getAttribute('cx'), +dot.getAttribute('cy')];
            const texts = curves.flatMap(c => c.getAttribute('d').slice(1).split('L'));
            const places = texts.map(p => p.split(' ').map(Number));
            return Math.min(...places.map(([a, b]) => Math.hypot(a - x, b - y)));
        });
    })"""
    distances = [d for chart in root.locator(".games-chart").evaluate_all(on_curve) for d in chart]
    assert len(distances) + root.locator(".games-beneath").count() == 6 and max(distances) < 0.02


def test_the_point_of_the_games_is_dragged_and_tells_pythons_numbers(page, lab):  # noqa: F811
    opened(page, lab, GAMES)
    root = page.locator(".course-games")
    root.wait_for()
    slider = root.get_by_role("slider", name="Logit of D(G(z))")
    where = root.locator(".games-where")
    assert where.inner_text() == "D(G(z)) = 0.0180"
    check_values(root, -4)

    for key, logit in [("ArrowRight", -3.95), ("Home", -6), ("End", 6), ("ArrowLeft", 5.95)]:
        slider.focus()
        page.keyboard.press(key)
        assert float(slider.input_value()) == pytest.approx(logit)
        check_values(root, logit)
        assert root.locator(".games-beneath").count() == (logit > 2.3)
        assert prints(page, f"print(abs(games.logit - {logit}) < 1e-6)", "True")
    assert "maximum likelihood −383.75" in slider.get_attribute("aria-valuetext")

    chart = root.locator(".games-chart").nth(0)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()

    def place(share):
        return box["x"] + (50 + share * 358) / 420 * box["width"], box["y"] + 60

    page.mouse.move(*place(0.9))
    page.mouse.down()
    page.mouse.move(*place(0.5))
    page.mouse.up()
    assert where.inner_text() == "D(G(z)) = 0.5000"
    check_values(root, 0)
    assert prints(page, "print(games.logit == 0)", "True")

    root.get_by_role("button", name="D(G(z))").click()
    assert prints(page, "print(games)", "GameCurves(logit=0, against the probability)")
    assert root.locator("[aria-pressed=true]").inner_text() == "D(G(z))"
    check_values(root, 0)
    page.touchscreen.tap(*place(0.9))  # D = 0.9 is at logit 2.197; the nearest notch is 2.2
    assert where.inner_text() == "D(G(z)) = 0.9002"
    check_values(root, 2.2)
    page.keyboard.press("d")
    page.keyboard.press("d")  # JupyterLab's "delete the cell", if it were not for the widget
    root.get_by_role("button", name="the logit").click()
    check_values(root, 2.2)


# ---- the scrubber ----------------------------------------------------------------------------------------------------


class Scrubber:
    """What a reader sees of the scrubber and does with it."""

    def __init__(self, page):  # noqa: F811
        self.page, self.root = page, page.locator(".course-scrubber")
        self.root.wait_for()
        self.plane = self.root.locator(".scrubber-plane")
        self.slider = self.root.get_by_role("slider", name="Frame")

    def step(self):
        return self.root.locator(".scrubber-title").inner_text()

    def colour(self, x, y):
        """Red, green and blue where (x, y) of [-2, 2]² is drawn."""
        read = """([c, x, y]) => [...c.getContext('2d').getImageData(
            (x + 2) / 4 * (c.width - 1), (2 - y) / 4 * (c.height - 1), 1, 1).data.slice(0, 3)]"""
        return self.page.evaluate(read, [self.plane.element_handle(), x, y])

    def samples_at(self):
        """Which frame's place has the colour of the samples."""
        return [k for k in range(21) if self.colour(0.1 * k - 1, 0.25) == [0, 158, 115]]


def test_frames_are_played_and_scrubbed_without_an_answer_from_the_kernel(page, lab):  # noqa: F811
    opened(page, lab, SCRUBBER)
    scrubber = Scrubber(page)
    folder = lab[1]
    assert scrubber.step() == "step 0" and scrubber.samples_at() == [0]
    assert scrubber.colour(1, -1) == [127, 127, 127]  # the real point
    assert scrubber.colour(-1.9, 1) == scrubber.colour(1.9, 1)  # D = 1/2 everywhere
    assert max(scrubber.colour(1.9, 1)) - min(scrubber.colour(1.9, 1)) <= 3 and min(scrubber.colour(1.9, 1)) > 240

    wait = "import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)"
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.evaluate(f"code => {{ {kernel}.requestExecute({{ code }}); }}", wait)
    scrubber.slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert scrubber.step() == "step 100" and scrubber.samples_at() == [10]
    left, right = scrubber.colour(-1.9, 1), scrubber.colour(1.9, 1)
    assert left[2] > left[0] and right[0] > right[2]  # fake is violet, real is orange
    # The sample at 0 has D = 1/2 and is pushed to the right: a black arrow, and nothing to its left.
    assert scrubber.colour(0.2, 0.25) == [0, 0, 0] != scrubber.colour(-0.2, 0.25)
    assert scrubber.root.locator(".scrubber-facts").inner_text() == "median push 1 nats per unit of length"

    play = scrubber.root.get_by_role("button", name="Play")
    play.click()
    page.wait_for_function("() => document.querySelector('.scrubber-title').innerText === 'step 200'")
    play.wait_for()  # it says "Pause" until the last frame
    assert scrubber.samples_at() == [20] and scrubber.slider.input_value() == "20"
    play.click()  # again from the first one
    page.wait_for_function("() => ['step 20', 'step 30'].includes(document.querySelector('.scrubber-title').innerText)")
    pause = scrubber.root.get_by_role("button", name="Pause")
    pause.click()
    paused = scrubber.step()
    page.wait_for_timeout(500)  # three frames' time
    assert scrubber.step() == paused != "step 200"
    play.click()
    scrubber.slider.focus()
    page.keyboard.press("Home")  # who scrubs stops the player
    assert pause.count() == 0
    page.wait_for_timeout(500)
    assert scrubber.step() == "step 0"

    box = scrubber.plane.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 50)
    page.mouse.up()
    assert scrubber.step() == "step 150" and scrubber.samples_at() == [15]
    assert scrubber.slider.get_attribute("aria-valuetext").startswith("step 150, frame 16 of 21")
    (folder / "go").touch()
    assert prints(page, "print(scrubber.frame)", "15")  # where the kernel hears of the frames only now
    assert scrubber.step() == "step 150"
    page.keyboard.press("d")
    page.keyboard.press("d")  # JupyterLab's "delete the cell", if it were not for the widget
    assert scrubber.root.is_visible()


# ---- the picture slider ----------------------------------------------------------------------------------------------

# The picture of a label is black but for one white pixel, the first, second or third one.
SLIDER = """
import torch
from course_utils import widgets

pictures = {beta: torch.eye(3)[k].view(1, 1, 1, 3) for k, beta in enumerate([0.1, 1, 10])}
slider = widgets.picture_slider(pictures, "Where the white pixel is", "β")
slider
"""


def test_dragging_the_slider_shows_one_row_after_the_other(page, lab):  # noqa: F811
    opened(page, lab, SLIDER)
    root = page.locator(".course-pictures")
    root.wait_for()
    slider = root.get_by_role("slider", name="β")

    def check(k):
        words = ["β = 0.1", "β = 1", "β = 10"][k]
        assert root.locator(".pictures-words").inner_text() == slider.get_attribute("aria-valuetext") == words
        (image,) = [image for image in root.locator("img").all() if image.is_visible()]
        assert image.get_attribute("alt") == f"1 picture at {words}"
        # With its frame of one pixel it is 3 pixels high and 5 wide.
        read = """image => {
            const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            context.drawImage(image, 0, 0);
            const at = c => context.getImageData((c + 0.5) / 5 * canvas.width, canvas.height / 2, 1, 1).data[0];
            return [1, 2, 3].map(at);
        }"""
        assert image.evaluate(read) == [255 * (i == k) for i in range(3)]
        shown = image.bounding_box()
        assert shown["width"] / shown["height"] == pytest.approx(5 / 3, abs=0.05) and shown["width"] > 100

    check(0)
    slider.focus()
    for key, k in [("ArrowRight", 1), ("End", 2), ("ArrowLeft", 1), ("Home", 0), ("ArrowLeft", 0)]:
        page.keyboard.press(key)
        check(k)
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    check(2)
    page.mouse.up()
    assert prints(page, "print(slider.at)", "2")
    page.keyboard.press("d")
    page.keyboard.press("d")  # JupyterLab's "delete the cell", if it were not for the widget
    check(2)
