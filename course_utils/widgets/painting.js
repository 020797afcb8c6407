// The painter in the browser: a canvas, swatches, buttons. Plain ECMAScript, no build step, nothing fetched.
// The kernel knows a pixel by its code: -1 unknown, 0 as in the first picture, k > 0 painted with swatch k - 1.

const UNKNOWN = -1;
const AS_GIVEN = 0;
const SIDE = 336; // pixels on the screen for the longer side of the picture
const PATIENCE = 20000; // milliseconds until we say that the kernel may be gone

function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The cells on the straight line between two cells, so that a fast stroke has no gaps (Bresenham). */
function line([r0, c0], [r1, c1]) {
  const steps = Math.max(Math.abs(r1 - r0), Math.abs(c1 - c0), 1);
  return Array.from({ length: steps + 1 }, (_, i) => [
    Math.round(r0 + ((r1 - r0) * i) / steps),
    Math.round(c0 + ((c1 - c0) * i) / steps),
  ]);
}

function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = "#767c85";
  pen.lineWidth = 1.4;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift - 1, 9);
    pen.lineTo(shift + 9, -1);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

function render({ model, el }) {
  const { height, width, swatches, start, codes: first } = model.get("scene");
  const cell = Math.max(4, Math.floor(SIDE / Math.max(height, width)));
  let codes = [...model.get("codes")];
  let brush = 1; // the code that a stroke leaves
  let last = null; // where the stroke in progress was last
  let cursor = null; // of the keyboard, once it is used
  let busy = false;
  let timer = 0;

  // ---- the picture ----
  const canvas = make("canvas", "painter-canvas", {
    tabindex: "0",
    role: "application",
    "aria-label": `Picture of ${height} rows and ${width} columns. Arrow keys move, Space paints, Delete erases.`,
  });
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * cell * scale);
  canvas.height = Math.round(height * cell * scale);
  canvas.style.width = `${width * cell}px`;
  const context = canvas.getContext("2d");
  const unknown = hatch(context);

  const colourOf = (i) => (codes[i] === AS_GIVEN ? start[i] : swatches[codes[i] - 1].colour);

  function paint() {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    codes.forEach((code, i) => {
      context.fillStyle = code === UNKNOWN ? unknown : colourOf(i);
      context.fillRect((i % width) * cell, Math.floor(i / width) * cell, cell, cell);
    });
    context.strokeStyle = "rgba(128, 128, 128, 0.4)";
    context.lineWidth = 1;
    context.beginPath();
    for (let r = 1; r < height; r++) context.rect(0, r * cell, width * cell, 0);
    for (let c = 1; c < width; c++) context.rect(c * cell, 0, 0, height * cell);
    context.stroke();
    if (cursor) {
      for (const [colour, inset] of [["#000000", 1], ["#ffffff", 3]]) {
        context.strokeStyle = colour;
        context.lineWidth = 2;
        const side = cell - 2 * inset;
        context.strokeRect(cursor[1] * cell + inset, cursor[0] * cell + inset, side, side);
      }
    }
  }

  function put([r, c], code) {
    if (r >= 0 && r < height && c >= 0 && c < width) codes[r * width + c] = code;
  }

  function save() {
    model.set("codes", [...codes]);
    model.save_changes();
  }

  function replace(next) {
    codes = [...next];
    paint();
    save();
  }

  function cellAt(event) {
    const box = canvas.getBoundingClientRect();
    return [
      Math.floor(((event.clientY - box.top) / box.height) * height),
      Math.floor(((event.clientX - box.left) / box.width) * width),
    ];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    cursor = null;
    last = cellAt(event);
    put(last, brush);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const here = cellAt(event);
    for (const place of line(last, here)) put(place, brush);
    last = here;
    paint();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last) save();
      last = null;
    });
  }

  const spoken = make("span", "painter-spoken", { "aria-live": "polite" });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    const code = { " ": brush, Enter: brush, Delete: UNKNOWN, Backspace: UNKNOWN }[event.key];
    if (!move && code === undefined) return;
    event.preventDefault();
    const [r, c] = cursor ?? [0, 0];
    const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
    cursor = move && cursor ? [within(r + move[0], height), within(c + move[1], width)] : [r, c];
    if (code !== undefined) {
      put(cursor, code);
      save();
    }
    paint();
    const now = codes[cursor[0] * width + cursor[1]];
    const name = now === UNKNOWN ? "unknown" : now === AS_GIVEN ? "as given" : swatches[now - 1].name;
    spoken.textContent = `row ${cursor[0] + 1}, column ${cursor[1] + 1}: ${name}`;
  });
  canvas.addEventListener("blur", () => {
    cursor = null;
    paint();
  });

  // ---- what to paint with ----
  const box = make("div", "painter-swatches", { role: "group", "aria-label": "Paint with" });
  const choices = new Map();
  function choose(code) {
    brush = code;
    for (const [k, button] of choices) button.setAttribute("aria-pressed", String(k === code));
  }
  function swatch(code, name, colour) {
    const extra = { type: "button", "aria-label": name, title: name };
    const button = make("button", colour ? "painter-swatch" : "painter-swatch painter-eraser", extra);
    if (colour) button.style.backgroundColor = colour;
    else button.append(make("span", "painter-hatch"), "Erase");
    button.addEventListener("click", () => choose(code));
    choices.set(code, button);
    box.append(button);
  }
  swatches.forEach(({ colour, name }, k) => swatch(k + 1, name, colour));
  swatch(UNKNOWN, "Erase: make pixels unknown", null);
  choose(swatches.length); // the lightest grey; of a palette, some colour

  // ---- buttons ----
  const status = make("div", "painter-status", { role: "status" });
  const alarm = make("div", "painter-error", { role: "alert" });
  const button = (label, title, action) => {
    const made = make("button", "painter-button", { type: "button", title }, label);
    made.addEventListener("click", action);
    return made;
  };
  const upper = first.map((_, i) => (i < Math.floor(height / 2) * width ? AS_GIVEN : UNKNOWN));
  const finish = button("Finish", "Let the model draw the unknown pixels", () => {
    if (busy) return;
    model.send({ do: "finish", pixels: codes });
    wait(true);
  });
  finish.classList.add("painter-finish");
  const buttons = make(
    "div",
    "painter-buttons",
    {},
    finish,
    button("Top half", "Give the upper half of the first picture", () => replace(upper)),
    button("Clear", "Make all pixels unknown", () => replace(first.map(() => UNKNOWN))),
    button("Reset", "Back to the first picture", () => replace(first)),
  );

  // ---- what the model drew ----
  const results = make("div", "painter-results");

  function wait(begin) {
    busy = begin;
    clearTimeout(timer);
    finish.setAttribute("aria-disabled", String(busy)); // not `disabled`: that would take the keyboard's focus away
    results.classList.toggle("painter-stale", busy);
    status.textContent = busy ? "drawing…" : "";
    if (busy) {
      alarm.textContent = "";
      const hint = "drawing… If nothing comes: the kernel is busy, or was restarted; then run the cell again.";
      timer = setTimeout(() => (status.textContent = hint), PATIENCE);
    }
  }

  function showResults() {
    const bytes = model.get("completions");
    const rgb = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = height * width;
    const figures = model.get("captions").map((caption, k) => {
      const label = `Completion ${k + 1}: ${caption}`;
      const small = make("canvas", "painter-small", { role: "img", "aria-label": label });
      small.width = width;
      small.height = height;
      const image = new ImageData(width, height);
      for (let i = 0; i < size; i++) {
        image.data.set(rgb.subarray(3 * (k * size + i), 3 * (k * size + i) + 3), 4 * i);
        image.data[4 * i + 3] = 255;
      }
      small.getContext("2d").putImageData(image, 0, 0);
      return make("figure", "painter-figure", {}, small, make("figcaption", "", {}, caption));
    });
    results.replaceChildren(...figures);
  }

  const root = make(
    "div",
    "course-painter",
    {},
    make("div", "painter-left", {}, make("div", "painter-title", {}, "Your picture"), canvas, box, buttons, spoken),
    make(
      "div",
      "painter-right",
      {},
      make("div", "painter-title", {}, "Completed by the model: nats of the drawn pixels"),
      results,
      status,
      alarm,
    ),
  );
  // A letter is a command to JupyterLab ("dd" deletes the cell); with Ctrl, as in Ctrl+S, it may have the key.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  el.append(root);

  model.on("change:codes", () => {
    if (last) return; // not in the middle of a stroke
    codes = [...model.get("codes")];
    paint();
  });
  model.on("change:completions", showResults);
  model.on("change:captions", showResults);
  model.on("change:answers", () => {
    wait(false);
    alarm.textContent = model.get("error");
  });
  paint();
  showResults();
  alarm.textContent = model.get("error");
  return () => clearTimeout(timer);
}

export default { render };
