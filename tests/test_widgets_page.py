"""The widgets on a bare page, where each meets what another host of them may be like, Visual Studio Code's above all.

Such a host has the model of the AFM specification and nothing else, a content security policy, a theme of its own, and
takes widgets away. The model here speaks with the widget in Python, so that what keys do is seen on both sides.
"""

import base64
import json

import pytest
import torch

from course_utils import distributions, models, widgets

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright's Python package is not installed")

from test_widgets_browser import browser, pytestmark  # noqa: E402, F401

ADDRESS = "http://127.0.0.1/"  # no server is there: the test itself answers
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' blob: data:; style-src 'unsafe-inline'; img-src data: blob:"
)
PATIENCE = 20_000  # milliseconds

# ---- the widgets, each with something to press -----------------------------------------------------------------------


def painter():
    torch.manual_seed(0)
    model = models.PixelCNN((1, 4, 4), 8, 1, distributions.categorical(5))
    return widgets.painter(model, torch.ones(1, 4, 4), n=3)


def explorer():
    codes = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])
    return widgets.latent_explorer(lambda z: (z > 0).float().view(-1, 1, 1, 2), codes, torch.tensor([4, 7]), limit=3)


def scrubber():
    def frame(k):
        place = torch.tensor([[0.1 * k - 1.0, 0.25]])
        players = (lambda z: place.expand(len(z), 2)), (lambda x: k * x[:, 0] / 5)
        return widgets.watch(*players, 10 * k, noise=torch.zeros(4, 1), limit=2)

    return widgets.training_scrubber([frame(k) for k in range(6)], torch.tensor([[1.0, -1.0]]))


def pictures():
    every = {beta: torch.eye(3)[k].view(1, 1, 1, 3) for k, beta in enumerate([0.1, 1, 10])}
    return widgets.picture_slider(every, "Where the white pixel is", "β")


# The name of each widget's script, how it is made, and every stop of Tab on it, in order.
WIDGETS = {
    "painting": (painter, ["Picture of 4 rows", "grey 1.00", "Finish", "Top half", "Clear", "Reset"]),
    "curves": (
        lambda: widgets.kl_curves(step=5),
        ["Back", "Step 1", "Step 2", "Step 3", "Step 4", "Step 5", "Next", "s, the log-variance", "m, the mean"],
    ),
    "explorer": (explorer, ["Plane of codes"]),
    "games": (widgets.game_curves, ["Logit of D(G(z))", "the logit", "D(G(z))"]),
    "scrubber": (scrubber, ["Play", "Frame"]),
    "slider": (pictures, ["β"]),
}
every = pytest.mark.parametrize("name", WIDGETS)

# Jupyter's and VS Code's names for colours with the values of their themes; a host may have neither, or be dark itself.
DARK_JUPYTER = {"ui-font-color1": "rgba(255, 255, 255, 0.87)", "layout-color0": "#111111", "layout-color1": "#212121"}
THEMES = {
    "none": "",
    "none, on a dark page": "body { background: #111111; color: #eeeeee; }",
    "dark Jupyter": f":root {{ {' '.join(f'--jp-{name}: {value};' for name, value in DARK_JUPYTER.items())} }}",
    "dark VS Code": ":root { --vscode-editor-foreground: #cccccc; --vscode-editor-background: #1f1f1f; }",
    "light VS Code": ":root { --vscode-editor-foreground: #3b3b3b; --vscode-editor-background: #ffffff; }",
}
# What axe-core, which is slow, looks for: all that it knows, and once more what depends on a theme.
AXE = {"none": {}, **dict.fromkeys(["dark Jupyter", "dark VS Code"], {"runOnly": ["color-contrast"]})}

# ---- the page --------------------------------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A widget</title><style></style>
<main></main><script>
const broken = [], handlers = [];
let kernel = "there"; // or "silent", or "gone"
document.addEventListener("securitypolicyviolation", e => broken.push(`${e.violatedDirective}: ${e.blockedURI}`));

const values = {};
function take(state) {
  const names = Object.keys(state);
  for (const name of names) {
    const packed = state[name]?.bytes;
    const bytes = packed === undefined ? null : Uint8Array.from(atob(packed), c => c.charCodeAt(0));
    values[name] = bytes ? new DataView(bytes.buffer) : state[name];
  }
  tell(names);
}
function tell(names) {
  for (const [event, f] of [...handlers]) if (names.some(name => event === `change:${name}`)) f();
}

/** Nothing but these: a widget that asks for something else would not work everywhere. */
const only = object => new Proxy(object, {
  get(target, name) {
    if (name in target) return target[name];
    broken.push(`asks for ${String(name)}`);
  },
});
let changed = {};
const model = only({
  get: name => values[name],
  set(name, value) {
    if (JSON.stringify(values[name]) === JSON.stringify(value)) return;
    values[name] = changed[name] = value;
    tell([name]);
  },
  save_changes() {
    if (kernel === "there") toKernel({ method: "update", state: changed }).then(take);
    changed = {};
  },
  on: (event, f) => handlers.push([event, f]),
  off(event, f) {
    const at = handlers.findIndex(([e, g]) => e === event && g === f);
    if (at >= 0) handlers.splice(at, 1);
  },
  send(content) {
    if (kernel === "gone") throw new Error("Cannot send");
    if (kernel === "there") toKernel({ method: "custom", content }).then(take);
  },
});

let end;
async function show({ script, style, state }) {
  take(state);
  document.head.append(Object.assign(document.createElement("style"), { textContent: style }));
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  const unknown = Object.keys(widget).filter(name => !["initialize", "render"].includes(name));
  if (unknown.length) broken.push(`exports ${unknown}`);
  const el = document.createElement("div");
  document.querySelector("main").append(el);
  end = await widget.render(only({ model, el }));
}
</script>"""


class Shown:
    """A widget on its page: the Python object, the page, and what a reader with a keyboard does."""

    def __init__(self, page, widget):
        self.page, self.widget = page, widget
        page.expose_function("toKernel", self._receive)
        page.goto(ADDRESS)
        self.sent = self._state()
        script, style = widget._esm, widget._css
        page.evaluate("parts => show(parts)", {"script": script, "style": style, "state": self.sent})
        self.root = page.locator(".course-widget")

    def _receive(self, message):
        """As the kernel would: a message in, what has changed by it out."""
        self.widget._handle_msg({"content": {"data": message}, "buffers": []})
        before, self.sent = self.sent, self._state()
        return {name: value for name, value in self.sent.items() if value != before[name]}

    def _state(self):
        def packed(value):
            return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

        names = [name for name in self.widget.keys if not name.startswith("_")]
        return {
            name: packed(getattr(self.widget, name)) for name in names if name not in ("layout", "tabbable", "tooltip")
        }

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def tab(self, times=1):
        self.press(*["Tab"] * times)

    def comes(self, condition):
        """Whether a condition comes to hold, on the page or in Python."""
        for _ in range(PATIENCE // 20):
            if condition():
                return True
            self.page.wait_for_timeout(20)
        return False

    def comes_to(self, **values):
        return self.comes(lambda: {name: getattr(self.widget, name) for name in values} == values)

    def text(self, selector):
        return self.root.locator(selector).first.inner_text()

    def focused(self):
        """The name of the control that has the keyboard, None where no control of the widget has it."""
        read = """() => {
            const element = document.activeElement;
            if (!element.closest(".course-widget")) return null;
            return element.getAttribute("aria-label") || element.innerText;
        }"""
        return self.page.evaluate(read)


@pytest.fixture
def shown(browser, request):  # noqa: F811
    """How to show a widget. An error, a breach of the policy or of the AFM fails the test."""
    outside, errors, contexts = [], [], []

    def show(name):
        context = browser.new_context(viewport={"width": 1000, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)

        def answer(route):
            if route.request.url == ADDRESS:
                return route.fulfill(content_type="text/html", headers={"Content-Security-Policy": POLICY}, body=PAGE)
            outside.append(route.request.url)
            return route.abort()

        page.route(lambda url: not url.startswith(("blob:", "data:")), answer)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        page.clock.install()
        return Shown(page, WIDGETS[name][0]())

    yield show
    broken = [page.evaluate("broken") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert (outside, errors, broken) == ([], [], [[]] * len(broken))


# ---- what hosts have in common ---------------------------------------------------------------------------------------


@every
def test_it_is_read_and_seen_in_every_theme(name, shown):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    it = shown(name)
    it.tab()
    for theme, style in THEMES.items():
        it.page.evaluate("style => { document.querySelector('style').textContent = style; }", style)
        if theme in AXE:
            found = axe.run(it.page, ".course-widget", AXE[theme]).response["violations"]
            assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == [], theme
        assert weak(it) == [], theme


def weak(it):
    """What axe-core does not measure: words in pictures, and the ring of the keyboard, below what WCAG 2 asks for."""
    read = """() => {
        const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
        const rgb = (...colours) => {
            for (const colour of colours) {
                pen.fillStyle = colour;
                pen.fillRect(0, 0, 1, 1);
            }
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const light = colour => colour.reduce((sum, v, k) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][k], 0);
        const contrast = (a, b) => {
            const [x, y] = [light(a), light(b)];
            return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
        };
        const root = getComputedStyle(document.querySelector(".course-widget"));
        const page = rgb("#ff0000", root.backgroundColor); // red, where it is not opaque
        const paper = rgb(root.getPropertyValue("--course-paper"));
        const low = [];
        const need = (least, what, colour) => {
            for (const ground of [page, paper]) {
                const ratio = contrast(rgb(`rgb(${ground})`, colour), ground);
                if (!(ratio >= least)) low.push([what, ratio, colour]);
            }
        };
        const words = [...document.querySelectorAll(".course-widget text")];
        for (const text of words.filter(text => text.getClientRects().length)) {
            need(4.5, text.textContent, getComputedStyle(text).fill);
        }
        need(3, "focus", getComputedStyle(document.activeElement).outlineColor);
        return low;
    }"""
    return it.page.evaluate(read)


@every
def test_tab_reaches_every_control_in_order_shows_where_it_is_and_leaves(name, shown):
    it = shown(name)
    stops = WIDGETS[name][1]
    for stop in stops:
        it.tab()
        assert it.focused().startswith(stop)
        style = it.page.evaluate(
            "(({ outlineStyle, outlineWidth }) => [outlineStyle, outlineWidth])"
            "(getComputedStyle(document.activeElement))"
        )
        assert style == ["solid", "3px"], stop
    it.tab()
    assert it.focused() is None
    it.press("Shift+Tab")
    assert it.focused().startswith(stops[-1])
    assert it.text(".course-keys").startswith("Keys")


@every
def test_a_widget_that_is_taken_away_leaves_nothing_behind(name, shown):
    it = shown(name)
    assert it.page.evaluate("handlers.length") > 0
    if name == "scrubber":
        it.tab()
        it.press("Space")
        it.page.clock.run_for(200)
        assert it.page.evaluate("values.frame") > 0
    if name in ("painting", "explorer"):  # a wish is under way
        it.page.evaluate("kernel = 'silent'")
        it.root.get_by_role("button", name="Finish").press("Enter") if name == "painting" else it.tab()
        it.press("ArrowUp")
    status = it.page.evaluate_handle("document.querySelector('[role=status]')")
    it.page.evaluate("end(); document.querySelector('.course-widget').parentElement.remove()")
    frame, words = it.page.evaluate("values.frame"), it.page.evaluate("status => status?.innerText", status)
    it.page.clock.run_for(30_000)
    assert it.page.evaluate("handlers.length") == 0 and it.page.evaluate("values.frame") == frame
    assert it.page.evaluate("status => status?.innerText", status) == words
    it.page.evaluate("take({ ...values })")  # nobody listens


# ---- each by its keys alone ------------------------------------------------------------------------------------------


def test_the_painter_by_its_keys(shown):
    it = shown("painting")
    it.tab()
    assert it.text(".course-spoken") == "row 1, column 1: as given"  # the cursor is there before any other key
    it.press("Delete", "ArrowRight", "Backspace", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown")
    assert it.text(".course-spoken") == "row 4, column 2: unknown"
    unknown = [-1, -1, 0, 0, *[0] * 4, *[-1] * 8]
    assert it.comes_to(codes=unknown)

    it.tab()
    it.press("ArrowRight")  # from the lightest to the eraser, and round to the first
    assert it.focused().startswith("Erase")
    it.press("ArrowRight", "ArrowRight")
    assert it.focused() == "grey 0.25"
    chosen = it.root.locator("[role=radio][aria-checked=true]")
    assert chosen.count() == 1 and chosen.get_attribute("title") == "grey 0.25"
    it.press("Shift+Tab", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "ArrowUp", "Enter")
    assert it.text(".course-spoken") == "row 3, column 4: grey 0.25"
    painted = [*unknown[:11], 2, -1, 2, 2, 2]
    assert it.comes_to(codes=painted) and it.widget.known.sum() == 10
    assert it.widget.x[0, 3].tolist() == [1, 0.25, 0.25, 0.25]

    it.tab(2)
    before = it.widget.pictures
    it.press("Enter")
    assert it.comes_to(answers=1) and it.focused() == "Finish"
    assert it.comes(lambda: it.text("[aria-live]:not(.painter-left *)") == f"Drawn: {', '.join(it.widget.captions)}")
    assert it.widget.pictures[0, 0, 3].tolist()[1:] == [0.25] * 3 and not torch.equal(before, it.widget.pictures)
    it.tab()
    it.press("Space")
    assert it.comes_to(codes=[0] * 8 + [-1] * 8)
    it.tab()
    it.press("Enter")
    assert it.comes_to(codes=[-1] * 16)
    it.tab()
    it.press("Space")
    assert it.comes_to(codes=[0] * 8 + [-1] * 8)


def test_the_mouse_leaves_no_cursor_of_the_keyboard(shown):
    it = shown("painting")
    seen = "document.querySelector('canvas').toDataURL()"
    before = it.page.evaluate(seen)
    it.root.locator("canvas").first.click(position={"x": 300, "y": 40})  # white stays white
    assert it.comes_to(codes=[0, 0, 0, 5, *[0] * 4, *[-1] * 8])
    assert it.text(".course-spoken") == "" and it.page.evaluate(seen) == before


def test_the_curves_by_their_keys(shown):
    it = shown("curves")
    it.tab(2)
    it.press("Enter")
    assert it.comes_to(step=1) and it.text("[role=status]").startswith("1 of 5: ")
    it.tab(5)
    assert it.focused().startswith("Next")
    it.press("Space", "Space", "Space", "Space")
    assert it.comes_to(step=5)
    it.tab()
    it.press("ArrowRight", "ArrowUp", "ArrowLeft")
    assert it.comes_to(s=-1.95)
    it.tab()
    it.press("Home")
    assert it.comes_to(m=-2.0)
    kl = widgets.kl_parts(-2.0, -1.95).kl.item()
    spoken = it.page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert spoken == f"m −2.00, KL {kl:.3f} nats"


def test_the_explorer_by_its_keys(shown):
    it = shown("explorer")
    it.tab()
    it.press("ArrowRight", "Shift+ArrowUp")
    assert it.comes_to(point=[pytest.approx(0.075), pytest.approx(0.375)])
    assert it.comes(lambda: it.text(".explorer-caption") == "z = (0.07, 0.38)")
    assert it.text(".course-spoken") == "(0.07, 0.38) Nearest code of the data: label 7"
    it.press("Home")
    assert it.comes_to(point=[0.0, 0.0])


def test_the_games_by_their_keys(shown):
    it = shown("games")
    it.tab()
    it.press("ArrowRight")
    assert it.comes_to(logit=pytest.approx(-3.95))
    before = it.widget.logit
    it.press("PageUp")
    assert it.comes(lambda: it.widget.logit > before + 0.3)
    it.press("Home")
    assert it.comes_to(logit=-6.0)
    spoken = it.page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert spoken.startswith("logit −6.00, D(G(z)) = 0.0025; gradients: minimax −0.0025, non-saturating −0.9975")
    it.tab(2)
    it.press("Space")
    assert it.comes_to(axis="probability") and it.text("[aria-pressed=true]") == "D(G(z))"


def test_the_scrubber_by_its_keys(shown):
    it = shown("scrubber")
    it.tab()
    it.press("Space")
    assert it.focused() == "Pause"
    it.page.clock.run_for(160 * 2 + 10)
    it.press("Enter")
    assert it.focused() == "Play" and it.comes_to(frame=2)
    it.tab()
    it.press("ArrowRight")
    assert it.comes_to(frame=3) and it.text(".scrubber-title") == "step 30"
    it.press("End")
    assert it.comes_to(frame=5)
    spoken = it.page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert spoken.startswith("step 50, frame 6 of 6, median push")


def test_the_picture_slider_by_its_keys(shown):
    it = shown("slider")
    it.tab()
    it.press("ArrowRight")
    assert it.comes_to(at=1) and it.text(".pictures-words") == "β = 1"
    it.press("End")
    assert it.comes_to(at=2)
    assert it.page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "β = 10"


# ---- without a kernel ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, press", [("painting", ["Enter"]), ("explorer", ["ArrowUp"])])
def test_who_asks_a_kernel_that_is_gone_or_silent_is_told_so(name, press, shown):
    it = shown(name)
    it.page.evaluate("kernel = 'gone'")
    it.tab(3 if name == "painting" else 1)
    for _ in range(2):  # it may be tried again
        it.press(*press)
        assert it.text("[role=status]") == "No kernel answers this widget any more. Run the cell again."
    it.page.evaluate("kernel = 'silent'")
    it.press(*press)
    it.page.clock.run_for(19_000)
    assert "No answer" not in it.text("[role=status]")
    it.page.clock.run_for(2_000)
    assert it.text("[role=status]").startswith("No answer yet: the kernel is busy, or was restarted")
    assert json.dumps(it.widget.answers) == "0"


@pytest.mark.parametrize("name", ["curves", "games", "scrubber", "slider"])
def test_what_needs_no_kernel_goes_on_without_one(name, shown):
    it = shown(name)
    it.page.evaluate("kernel = 'silent'")
    before = it.root.inner_text()
    it.tab(len(WIDGETS[name][1]) if name in ("scrubber", "slider") else {"curves": 8, "games": 1}[name])
    it.press("ArrowRight")
    assert it.root.inner_text() != before
