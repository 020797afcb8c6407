// Training as frames to play, in the browser: a field of colours, points, arrows, a slider. Plain ECMAScript, no build
// step, nothing fetched. All frames are here from the beginning; playing them asks nobody.

const SIDE = 420; // of the plane, in units of its own drawing
const PACE = 160; // milliseconds for one frame
const INK = "#000000"; // on the field, which is pale on any theme
const [MADE, REAL] = ["#009E73", "#7f7f7f"]; // as in plots.COLOURS
const UNIT = 8192; // places in the film are whole numbers: half the plane's side is so many

/** Whole numbers of two bytes, from a place in the film on. */
function shorts(film, from, count) {
  const view = new DataView(film.buffer, film.byteOffset + from, 2 * count);
  return Array.from({ length: count }, (_, i) => view.getInt16(2 * i, true));
}

const pairs = (values) => Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i], values[2 * i + 1]]);

/** The frames in the film: places of the samples, their arrows, and the field as numbers of colours. */
function framesOf(film, { steps, dots, arrowed, side }) {
  const size = 4 * dots + 4 * arrowed.length + side * side;
  return steps.map((_, k) => ({
    samples: pairs(shorts(film, k * size, 2 * dots)),
    arrows: pairs(shorts(film, k * size + 4 * dots, 2 * arrowed.length)),
    field: film.subarray((k + 1) * size - side * side, (k + 1) * size),
  }));
}

/** The plane on a canvas, and a way to show a frame on it. */
function planeOf(scene) {
  const { side, colours, arrowed, real } = scene;
  const canvas = make("canvas", "scrubber-plane", { role: "img" });
  const scale = Math.max(1, window.devicePixelRatio || 1);
  canvas.width = canvas.height = Math.round(SIDE * scale);
  const context = canvas.getContext("2d");
  const small = make("canvas", "");
  const x = (value) => ((1 + value) / 2) * SIDE;
  const y = (value) => ((1 - value) / 2) * SIDE;

  function dot([a, b], colour, radius) {
    context.beginPath();
    context.arc(x(a), y(b), radius, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
  }

  function arrow([a, b], [da, db]) {
    const [px, py, qx, qy] = [x(a), y(b), x(a + da), y(b + db)];
    const length = Math.hypot(qx - px, qy - py);
    if (length < 1) return;
    const [ux, uy] = [(qx - px) / length, (qy - py) / length];
    const head = Math.min(7, 0.6 * length);
    const [bx, by] = [qx - head * ux, qy - head * uy];
    context.beginPath();
    context.moveTo(px, py);
    context.lineTo(bx, by);
    context.stroke();
    context.beginPath();
    context.moveTo(qx, qy);
    context.lineTo(bx - 0.45 * head * uy, by + 0.45 * head * ux);
    context.lineTo(bx + 0.45 * head * uy, by - 0.45 * head * ux);
    context.fill();
  }

  function show({ samples, arrows, field }) {
    const rgb = Uint8Array.from([...field].flatMap((k) => colours[k]));
    showPixels(small, rgb, side, side);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    // The field's points lie from edge to edge: half a cell of the outer ones is beyond the plane.
    const cell = SIDE / (side - 1);
    context.drawImage(small, -cell / 2, -cell / 2, side * cell, side * cell);
    for (const point of real) dot(point, REAL, 2.4);
    const places = samples.map(([a, b]) => [a / UNIT, b / UNIT]);
    [context.strokeStyle, context.fillStyle, context.lineWidth] = [INK, INK, 1.4];
    arrowed.forEach((sample, k) => arrow(places[sample], arrows[k].map((value) => value / UNIT)));
    for (const place of places) dot(place, MADE, 2.8);
  }
  return { canvas, show };
}

/** What colours and points mean. */
function legend({ colours, show }) {
  const [low, middle, high] = show === "probability" ? ["D = 0: fake", "½", "D = 1: real"] : ["lowest", "", "highest"];
  const strip = make("span", "scrubber-strip");
  const stops = grid(0, 255, 8).map((k) => `rgb(${colours[Math.round(k)].join(" ")})`);
  strip.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  const words = make("div", "scrubber-words", {}, make("span", "", {}, low), middle, make("span", "", {}, high));
  const key = (colour, text) => {
    const spot = make("span", "scrubber-spot");
    spot.style.background = colour;
    return make("div", "scrubber-key", {}, spot, text);
  };
  const arrow = make("span", "scrubber-arrow", { "aria-hidden": "true" }, "→");
  const pushed = make("div", "scrubber-key", {}, arrow, "where a sample is pushed; length: root of the push");
  const title = show === "probability" ? "What the discriminator says" : "Height of the critic";
  return make(
    "div",
    "scrubber-legend",
    {},
    make("div", "course-title", {}, title),
    strip,
    words,
    key(REAL, "real points"),
    key(MADE, "samples of the generator"),
    pushed,
  );
}

function render({ model, el }) {
  const scene = model.get("scene");
  const { steps, pushes, spans } = scene;
  const last = steps.length - 1;
  const frames = framesOf(bytesOf(model.get("film")), scene);
  const plane = planeOf(scene);
  let timer = 0; // of what is playing

  const stepWords = (k) => `step ${steps[k].toLocaleString("en-GB")}`;
  const title = make("div", "course-title scrubber-title");
  const facts = make("div", "scrubber-facts");

  function go(k, done = true) {
    model.set("frame", clamp(k, 0, last));
    update();
    if (done) model.save_changes(); // once it rests: the kernel need not hear of every frame
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    showPlaying();
  }
  function rest() {
    if (timer) stop();
  }
  function play() {
    if (model.get("frame") >= last) go(0, false);
    timer = setInterval(() => {
      const next = model.get("frame") + 1;
      go(next, next >= last);
      if (next >= last) stop();
    }, PACE);
    showPlaying();
  }
  function pause() {
    stop();
    model.save_changes();
  }

  const player = button("Play", {}, () => (timer ? pause() : play()));
  player.classList.add("course-main", "scrubber-play");
  function showPlaying() {
    player.textContent = timer ? "Pause" : "Play";
  }
  const along = slider("Frame", [0, last, 1], (k, done) => {
    rest();
    go(k, done);
  });
  along.row.classList.add("scrubber-row");
  // A finger or the mouse on the plane goes through the frames, too, from its left edge to its right one.
  const drag = (event) => {
    rest();
    const box = plane.canvas.getBoundingClientRect();
    go(Math.round(((event.clientX - box.left) / box.width) * last), false);
  };
  follow(plane.canvas, along.input, { begin: drag, move: drag, end: () => model.save_changes() });

  function update() {
    const k = clamp(model.get("frame"), 0, last);
    plane.show(frames[k]);
    title.textContent = stepWords(k);
    const height = `colours from ${number(spans[k][0], 2)} to ${number(spans[k][1], 2)}`;
    const push = `median push ${Number(pushes[k].toPrecision(2))} nats per unit of length`;
    facts.textContent = scene.show === "probability" ? push : `${push.replace(" nats", "")}; ${height}`;
    along.input.value = k;
    along.value.textContent = `${k + 1}/${last + 1}`;
    along.input.setAttribute("aria-valuetext", `${stepWords(k)}, frame ${k + 1} of ${last + 1}, ${facts.textContent}`);
    plane.canvas.setAttribute("aria-label", `Plane with real points, samples and arrows at ${stepWords(k)}`);
  }

  const left = make("div", "scrubber-left", {}, title, plane.canvas, make("div", "scrubber-bar", {}, player, along.row));
  const keys = "Keys: Tab goes on, Space plays and pauses, arrows move the slider from frame to frame.";
  mount(el, "course-scrubber", keys, left, make("div", "scrubber-right", {}, legend(scene), facts));
  const forget = listen(model, ["frame"], update);
  update();
  return () => {
    forget();
    clearInterval(timer);
  };
}

export default { render };
