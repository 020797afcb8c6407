// What the widgets' scripts share. Python sets this text before that of each widget (_browser.py), so that all names
// here are known there. Plain ECMAScript, no build step, nothing fetched.

const SVG = "http://www.w3.org/2000/svg";
const PATIENCE = 20000; // milliseconds until we say that the kernel may be gone

// ---- elements ----

function fill(element, attributes, children = []) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An element of HTML. */
function make(tag, className, attributes = {}, ...children) {
  return fill(document.createElement(tag), { class: className, ...attributes }, children);
}

/** An element of SVG. */
function draw(tag, className, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), { class: className, ...attributes }, children);
}

/**
 * Put a widget on the page, with a line that says which `keys` it takes. Its root gets the class `course-widget`, which
 * common.css is about, and one of its own.
 */
function mount(el, className, keys, ...children) {
  const root = make("div", `course-widget ${className}`, {}, ...children, make("div", "course-keys", {}, keys));
  // A letter is a command to JupyterLab ("dd" deletes the cell), and an arrow one to Notebook, which looks at keys
  // before we see them: the attribute, on what has the keyboard, keeps both off. With Ctrl, as in Ctrl+S, they may have
  // the key.
  const ours = (event) => !event.ctrlKey && !event.metaKey && !event.altKey;
  for (const name of ["focusin", "keydown", "keyup"]) {
    root.addEventListener(name, (event) => event.target.toggleAttribute("data-lm-suppress-shortcuts", ours(event)));
  }
  root.addEventListener("keydown", (event) => ours(event) && event.stopPropagation());
  el.append(root);
}

function button(label, attributes, action) {
  const made = make("button", "course-button", { type: "button", ...attributes }, label);
  made.addEventListener("click", action);
  return made;
}

/** A slider in a row with its name and its value. `action` gets the number, and whether the slider is at rest. */
function slider(words, [min, max, step], action) {
  const input = make("input", "course-slider", { type: "range", min, max, step, "aria-label": words });
  const value = make("span", "course-value");
  const row = make("label", "course-row", {}, make("span", "course-name", {}, words), input, value);
  input.addEventListener("input", () => action(Number(input.value), false));
  input.addEventListener("change", () => action(Number(input.value), true));
  return { row, input, value };
}

// ---- numbers and curves ----

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
const minus = (text) => text.replace("-", "−");
/** A number in words, with a true minus and no minus in front of zero. */
const number = (value, digits = 3) => minus(value.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, ""));
const grid = (from, to, count) => Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count);
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
/** Style of words in a colour. Orange ones on white would be hard to read: the colour of the text is mixed in. */
const inkOf = (colour) => `fill:color-mix(in srgb, ${colour} 50%, var(--course-ink))`;

/** Round numbers, about five of them, from one end to the other, each with its words. */
function ticks(from, to) {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step) - first + 1;
  return Array.from({ length: count }, (_, k) => [(first + k) * step, number((first + k) * step, digits)]);
}

// ---- pictures ----

/** A trait of bytes as numbers from 0 to 255. */
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Fill a canvas with a picture, three bytes a pixel, row by row. */
function showPixels(canvas, rgb, rows, columns) {
  [canvas.width, canvas.height] = [columns, rows];
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    image.data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// ---- mouse and touch ----

/** Follow the pointer from a press to its release, also beyond the element. The press puts the keyboard on `focus`. */
function follow(element, focus, { begin, move, end }) {
  let pressed = false;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    focus.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    pressed = true;
    begin(event);
  });
  element.addEventListener("pointermove", (event) => pressed && move(event));
  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, () => {
      if (pressed) end();
      pressed = false;
    });
  }
}

// ---- the kernel ----

/** Call `action` at each change of some traits, until the function that this returns is called. */
function listen(model, names, action) {
  for (const name of names) model.on(`change:${name}`, action);
  return () => {
    for (const name of names) model.off(`change:${name}`, action);
  };
}

/**
 * Ask the kernel, one wish at a time; of those that come meanwhile only the last is sent, so that no queue builds up.
 *
 * The widget answers each by one more in its trait `answers`, and by `error`, which `alarm` shows. `waiting` is told
 * when it begins (true) and ends (false). After a while `status` says that the kernel may be gone, and at once where
 * nothing can be sent to it any more.
 */
function asking(model, status, alarm, waiting = () => {}) {
  let [busy, next, timer] = [false, null, 0];
  const late = "No answer yet: the kernel is busy, or was restarted; then run the cell again.";
  const gone = "No kernel answers this widget any more. Run the cell again.";
  function ask(wish) {
    if (busy) {
      next = wish;
      return;
    }
    [busy, next] = [true, null];
    waiting(true);
    try {
      model.send(wish);
    } catch {
      busy = false;
      waiting(false);
      status.textContent = gone;
      return;
    }
    timer = setTimeout(() => (status.textContent = late), PATIENCE);
  }
  const forget = listen(model, ["answers"], () => {
    clearTimeout(timer);
    status.textContent = "";
    alarm.textContent = model.get("error");
    busy = false;
    waiting(false);
    if (next) ask(next);
  });
  alarm.textContent = model.get("error");
  function stop() {
    forget();
    clearTimeout(timer);
  }
  return { ask, busy: () => busy, stop };
}
