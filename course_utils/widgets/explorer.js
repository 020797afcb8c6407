// The latent explorer in the browser: a plane with dots and a point to drag, and its picture. Plain ECMAScript, no
// build step, nothing fetched. Of the places that are passed while the kernel is at work only the last is decoded.

const SIDE = 340; // of the plane, in units of its own drawing
const FRAME = { left: 44, bottom: 40, top: 2, right: 8 };
const PICTURE = 240; // pixels on the screen for the longer side of the picture

function render({ model, el }) {
  const { centre, half, dots, names, groups, labels, phases } = model.get("scene");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(half))); // so that neighbouring places differ in what is written
  let [x, y] = model.get("point"); // where the point is drawn
  let dragging = false;

  // ---- the plane ----
  const [width, height] = [FRAME.left + SIDE + FRAME.right, FRAME.top + SIDE + FRAME.bottom];
  const across = (value) => FRAME.left + ((value - centre[0] + half) / (2 * half)) * SIDE;
  const down = (value) => FRAME.top + ((centre[1] + half - value) / (2 * half)) * SIDE;
  const svg = draw("svg", "explorer-plane", {
    viewBox: `0 0 ${width} ${height}`,
    tabindex: "0",
    role: "application",
    "aria-label": "Plane of codes. Arrow keys move the point, with Shift in larger steps; Home puts it in the middle.",
  });
  const floor = FRAME.top + SIDE;
  svg.append(draw("rect", "explorer-paper", { x: FRAME.left, y: FRAME.top, width: SIDE, height: SIDE }));
  for (const [value, text] of ticks(centre[0] - half, centre[0] + half)) {
    const at = across(value);
    svg.append(draw("line", "course-grid", { x1: at, x2: at, y1: FRAME.top, y2: floor }));
    svg.append(draw("text", "course-tick", { x: at, y: floor + 16, "text-anchor": "middle" }, text));
  }
  for (const [value, text] of ticks(centre[1] - half, centre[1] + half)) {
    const at = down(value);
    svg.append(draw("line", "course-grid", { x1: FRAME.left, x2: FRAME.left + SIDE, y1: at, y2: at }));
    svg.append(draw("text", "course-tick", { x: FRAME.left - 6, y: at + 4, "text-anchor": "end" }, text));
  }
  svg.append(draw("text", "course-tick", { x: across(centre[0]), y: height - 4, "text-anchor": "middle" }, "z₁"));
  svg.append(draw("text", "course-tick", { x: 4, y: FRAME.top + SIDE / 2 - 12 }, "z₂"));
  // One path a colour, of strokes without length and with round ends: thousands of dots are a handful of elements.
  const cloud = draw("svg", "", { x: FRAME.left, y: FRAME.top, width: SIDE, height: SIDE }); // cuts off what is outside
  groups.forEach((colour, group) => {
    const own = dots.filter((dot) => dot[2] === group);
    const places = own.map(([a, b]) => [across(a) - FRAME.left, down(b) - FRAME.top]);
    const d = places.map(([px, py]) => `M${px.toFixed(1)} ${py.toFixed(1)}h0`).join("");
    cloud.append(draw("path", "explorer-dots", { d, style: `stroke:${colour}` }));
  });
  svg.append(cloud);
  for (const { name, at } of labels) {
    const where = { x: across(at[0]), y: down(at[1]) + 5, "text-anchor": "middle" };
    svg.append(draw("text", "course-label explorer-name", where, name));
  }
  const rim = draw("circle", "explorer-rim", { r: 8 });
  const ring = draw("circle", "explorer-ring", { r: 8 });
  svg.append(rim, ring);

  // ---- words ----
  const words = ([a, b]) => `(${number(a, digits)}, ${number(b, digits)})`;
  const nearest = make("div", "explorer-nearest");
  const spoken = make("span", "course-spoken", { "aria-live": "polite" });
  function nearestName() {
    let [best, least] = [-1, Infinity];
    dots.forEach(([a, b], i) => {
      const distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    });
    return best < 0 || !names[best] ? "" : `Nearest code of the data: ${names[best]}`;
  }

  // ---- the picture ----
  const canvas = make("canvas", "explorer-picture", { role: "img" });
  const caption = make("figcaption", "explorer-caption");
  const status = make("div", "course-status explorer-status", { role: "status" });
  const alarm = make("div", "course-error", { role: "alert" });

  function showPicture() {
    const [rows, columns] = model.get("sides");
    const bytes = model.get("picture");
    if (bytes.byteLength !== 3 * rows * columns) return; // the sides are new, the picture is still to come
    canvas.style.width = `${Math.round((columns * PICTURE) / Math.max(rows, columns))}px`;
    showPixels(canvas, bytesOf(bytes), rows, columns);
    caption.textContent = `z = ${words(model.get("point"))}`;
    canvas.setAttribute("aria-label", `Decoded picture at z = ${words(model.get("point"))}`);
  }

  function showPoint() {
    for (const circle of [rim, ring]) fill(circle, { cx: across(x), cy: down(y) });
    nearest.textContent = nearestName();
  }

  // ---- asking ----
  const kernel = asking(model, status, alarm);
  function move(toX, toY) {
    x = clamp(toX, centre[0] - half, centre[0] + half);
    y = clamp(toY, centre[1] - half, centre[1] + half);
    showPoint();
    kernel.ask({ do: "decode", point: [x, y] });
  }

  const forget = listen(model, ["picture", "sides", "point"], showPicture);
  const forgetPoint = listen(model, ["point"], () => {
    if (dragging || kernel.busy()) return; // the point is ours; otherwise another view of this widget moved it
    [x, y] = model.get("point");
    showPoint();
  });

  // ---- mouse, touch, keys ----
  function moveTo(event) {
    const box = svg.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * width - FRAME.left;
    const py = ((event.clientY - box.top) / box.height) * height - FRAME.top;
    move(centre[0] - half + (px / SIDE) * 2 * half, centre[1] + half - (py / SIDE) * 2 * half);
  }
  const begin = (event) => {
    dragging = true;
    moveTo(event);
  };
  follow(svg, svg, { begin, move: moveTo, end: () => (dragging = false) });
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const along = moves[event.key];
    if (!along && event.key !== "Home") return;
    event.preventDefault();
    const step = (event.shiftKey ? 5 : 1) * (half / 40);
    if (along) move(x + along[0] * step, y + along[1] * step);
    else move(...centre);
    spoken.textContent = `${words([x, y])} ${nearest.textContent}`;
  });

  const left = make("div", "explorer-left", {}, make("div", "course-title", {}, "Drag the marker"), svg);
  if (phases) {
    const strip = make("span", "explorer-strip");
    strip.style.background = `linear-gradient(to right, ${[...groups, groups[0]].join(", ")})`;
    const label = { role: "img", "aria-label": "Colours: phase from 0 to 1" };
    left.append(make("div", "explorer-key", label, "phase 0", strip, "1"));
  }
  left.append(nearest, spoken);
  const figure = make("figure", "explorer-figure", {}, canvas, caption);
  const title = make("div", "course-title", {}, "Decoded there");
  const right = make("div", "explorer-right", {}, title, figure, status, alarm);
  const keys = "Keys on the plane: arrows move the marker, with Shift by more; Home puts it in the middle.";
  mount(el, "course-explorer", keys, left, right);
  showPoint();
  showPicture();
  return () => {
    for (const end of [forget, forgetPoint, kernel.stop]) end();
  };
}

export default { render };
