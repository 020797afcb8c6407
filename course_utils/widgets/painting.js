// The painter in the browser: a canvas, swatches, buttons. Plain ECMAScript, no build step, nothing fetched.
// The kernel knows a pixel by its code: -1 unknown, 0 as in the first picture, k > 0 painted with swatch k - 1.

const UNKNOWN = -1;
const AS_GIVEN = 0;
const SIDE = 336; // pixels on the screen for the longer side of the picture
const KEYS = "arrows move, with Shift they paint, Space paints, Delete erases.";

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
  let cursor = null; // of the keyboard, while it is on the picture
  let resting = [0, 0]; // where the keyboard left it
  const spoken = make("span", "course-spoken", { "aria-live": "polite" });

  // ---- the picture ----
  const canvas = make("canvas", "painter-canvas", {
    tabindex: "0",
    role: "application",
    "aria-label": `Picture of ${height} rows and ${width} columns. ${KEYS}`,
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

  const begin = (event) => {
    [cursor, spoken.textContent] = [null, ""]; // that the press has put the keyboard here is of no interest
    last = cellAt(event);
    put(last, brush);
    paint();
  };
  const move = (event) => {
    const here = cellAt(event);
    for (const place of line(last, here)) put(place, brush);
    last = here;
    paint();
  };
  const end = () => {
    save();
    last = null;
  };
  follow(canvas, canvas, { begin, move, end });

  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    const code = { " ": brush, Enter: brush, Delete: UNKNOWN, Backspace: UNKNOWN }[event.key];
    if (!move && code === undefined) return;
    event.preventDefault();
    const [r, c] = cursor ?? resting;
    cursor = move ? [clamp(r + move[0], 0, height - 1), clamp(c + move[1], 0, width - 1)] : [r, c];
    resting = cursor;
    if (code !== undefined) put(cursor, code);
    if (move && event.shiftKey) for (const place of [[r, c], cursor]) put(place, brush); // a stroke
    if (code !== undefined || event.shiftKey) save();
    paint();
    speak();
  });
  function speak() {
    const now = codes[cursor[0] * width + cursor[1]];
    const name = now === UNKNOWN ? "unknown" : now === AS_GIVEN ? "as given" : swatches[now - 1].name;
    spoken.textContent = `row ${cursor[0] + 1}, column ${cursor[1] + 1}: ${name}`;
  }
  canvas.addEventListener("focus", () => {
    if (!canvas.matches(":focus-visible")) return; // a mouse put it there, and needs no cursor
    cursor = resting;
    paint();
    speak();
  });
  canvas.addEventListener("blur", () => {
    cursor = null;
    paint();
  });

  // ---- what to paint with ----
  const box = make("div", "painter-swatches", { role: "radiogroup", "aria-label": "Paint with" });
  const choices = new Map();
  function choose(code) {
    brush = code;
    for (const [k, choice] of choices) {
      choice.setAttribute("aria-checked", String(k === code));
      choice.tabIndex = k === code ? 0 : -1; // one stop of Tab for all colours; the arrows go on from there
    }
  }
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...choices.keys()];
    choose(all.at((all.indexOf(brush) + by) % all.length));
    choices.get(brush).focus();
  });
  function swatch(code, name, colour) {
    const extra = { type: "button", role: "radio", "aria-label": name, title: name };
    const made = make("button", colour ? "painter-swatch" : "painter-swatch painter-eraser", extra);
    if (colour) made.style.backgroundColor = colour;
    else made.append(make("span", "painter-hatch"), "Erase");
    made.addEventListener("click", () => choose(code));
    choices.set(code, made);
    box.append(made);
  }
  swatches.forEach(({ colour, name }, k) => swatch(k + 1, name, colour));
  swatch(UNKNOWN, "Erase: make pixels unknown", null);
  choose(swatches.length); // the lightest grey; of a palette, some colour

  // ---- buttons ----
  const status = make("div", "course-status painter-status", { role: "status" });
  const alarm = make("div", "course-error", { role: "alert" });
  const upper = first.map((_, i) => (i < Math.floor(height / 2) * width ? AS_GIVEN : UNKNOWN));
  const results = make("div", "painter-results");
  const drawn = make("span", "course-spoken", { "aria-live": "polite" });
  const kernel = asking(model, status, alarm, (busy) => {
    finish.setAttribute("aria-disabled", String(busy)); // not `disabled`: that would take the keyboard's focus away
    results.classList.toggle("painter-stale", busy);
    if (busy) [status.textContent, alarm.textContent] = ["drawing…", ""];
  });
  const finish = button("Finish", { title: "Let the model draw the unknown pixels" }, () => {
    if (!kernel.busy()) kernel.ask({ do: "finish", pixels: codes });
  });
  finish.classList.add("course-main");
  const buttons = make(
    "div",
    "course-buttons",
    {},
    finish,
    button("Top half", { title: "Give the upper half of the first picture" }, () => replace(upper)),
    button("Clear", { title: "Make all pixels unknown" }, () => replace(first.map(() => UNKNOWN))),
    button("Reset", { title: "Back to the first picture" }, () => replace(first)),
  );

  // ---- what the model drew ----
  function showResults() {
    const rgb = bytesOf(model.get("completions"));
    const size = 3 * height * width;
    const figures = model.get("captions").map((caption, k) => {
      const label = `Completion ${k + 1}: ${caption}`;
      const small = make("canvas", "painter-small", { role: "img", "aria-label": label });
      showPixels(small, rgb.subarray(k * size, (k + 1) * size), height, width);
      return make("figure", "painter-figure", {}, small, make("figcaption", "", {}, caption));
    });
    results.replaceChildren(...figures);
  }

  const yours = make("div", "course-title", {}, "Your picture");
  const title = make("div", "course-title", {}, "Completed, and what it costs in nats");
  const left = make("div", "painter-left", {}, yours, canvas, box, buttons, spoken);
  const right = make("div", "painter-right", {}, title, results, drawn, status, alarm);
  mount(el, "course-painter", `Keys in the picture: ${KEYS} In the colours, arrows choose.`, left, right);

  const forgetCodes = listen(model, ["codes"], () => {
    if (last) return; // not in the middle of a stroke
    codes = [...model.get("codes")];
    paint();
  });
  const forgetResults = listen(model, ["completions", "captions"], showResults);
  const forgetAnswers = listen(model, ["answers"], () => {
    drawn.textContent = model.get("error") ? "" : `Drawn: ${model.get("captions").join(", ")}`;
  });
  paint();
  showResults();
  return () => {
    for (const end of [forgetCodes, forgetResults, forgetAnswers, kernel.stop]) end();
  };
}

export default { render };
