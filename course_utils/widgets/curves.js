// The three curves in the browser: an SVG, five steps, two sliders. Plain ECMAScript, no build step, nothing fetched.
// The formula is that of kl_parts in curves.py, computed here so that a slider needs no answer from the kernel.

const CHART = { width: 440, height: 390, left: 34, right: 12, top: 10, bottom: 40, low: -2.2, high: 8.6 };
const BELLS = { width: 380, height: 170, left: 12, right: 12, top: 8, bottom: 34, reach: 5 };
const NOTCH = 0.05; // of the sliders

/** The parts of KL(N(m, e^s) || N(0, 1)), as kl_parts has them. */
function parts(m, s) {
  const difference = Math.expm1(s) - s;
  return { variance: Math.exp(s), line: 1 + s, difference, square: m * m, kl: 0.5 * (difference + m * m) };
}

function density(z, m, s) {
  return Math.exp(-0.5 * ((z - m) ** 2 / Math.exp(s) + s + Math.log(2 * Math.PI)));
}

/** The chart of the curves: what each step shows, and a way to move its points. */
function curvesChart(scene) {
  const [least, most] = scene.s;
  const { width, height, left, right, top, bottom, low, high } = CHART;
  const x = (s) => left + ((s - least) / (most - least)) * (width - left - right);
  const y = (v) => top + ((high - v) / (high - low)) * (height - top - bottom);
  const colours = scene.colours;
  const svg = draw("svg", "kl-chart", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const at = grid(least, most, 150);
  const curve = (f) => path(at.map((s) => [x(s), y(f(s))]));
  const text = (where, words, colour, anchor = "start") => {
    const [s, v] = where;
    return draw("text", "course-label", { x: x(s), y: y(v), "text-anchor": anchor, style: inkOf(colour) }, words);
  };
  const line = (className, colour, f) =>
    draw("path", `kl-curve ${className}`, { d: f ? curve(f) : "", style: `stroke:${colour}` });

  for (const v of [-2, 0, 2, 4, 6, 8]) {
    svg.append(draw("line", v ? "course-grid" : "kl-axis", { x1: left, x2: width - right, y1: y(v), y2: y(v) }));
    svg.append(draw("text", "course-tick", { x: left - 7, y: y(v) + 4, "text-anchor": "end" }, number(v, 0)));
  }
  for (const s of grid(least, most, most - least)) {
    svg.append(draw("line", s ? "course-grid" : "kl-axis", { x1: x(s), x2: x(s), y1: top, y2: height - bottom }));
    const below = { x: x(s), y: height - bottom + 17, "text-anchor": "middle" };
    svg.append(draw("text", "course-tick", below, number(s, 0)));
  }
  const middle = (left + width - right) / 2;
  svg.append(draw("text", "course-tick", { x: middle, y: height - 5, "text-anchor": "middle" }, "s = log σ²"));

  const between = [...at.map((s) => [x(s), y(Math.exp(s))]), ...at.map((s) => [x(s), y(1 + s)]).reverse()];
  const gap = draw("path", "kl-gap", { d: `${path(between)}Z`, style: `fill:${colours.difference}` });
  const name = text([1.6, 5.6], "exp(s)", colours.variance, "end");
  const variance = draw("g", "", {}, line("", colours.variance, Math.exp), name);
  const straight = line("kl-dashed", colours.line, (s) => 1 + s);
  const tangent = draw("g", "", {}, straight, text([-1.7, -1.75], "1 + s", colours.line));
  const difference = draw(
    "g",
    "",
    {},
    line("", colours.difference, (s) => parts(0, s).difference),
    text([1.97, -0.75], "exp(s) − (1 + s)", colours.difference, "end"),
  );
  const lowest = text([0, -1.45], "lowest at s = 0", colours.difference, "middle");
  const lifted = line("", colours.lifted);
  const liftedName = text([0, 0], "exp(s) − (1 + s) + m²", colours.lifted);
  const stem = draw("line", "kl-stem");
  const dots = ["variance", "line", "difference", "lifted"].map((name) => {
    return [name, draw("circle", "kl-dot", { r: 6, style: `fill:${colours[name]}` })];
  });
  const dot = Object.fromEntries(dots);
  svg.append(gap, tangent, variance, difference, lowest, lifted, liftedName, stem, ...dots.map(([, circle]) => circle));

  function show(element, shown, faint = false) {
    element.style.display = shown ? "" : "none";
    element.style.opacity = faint ? 0.3 : 1;
  }

  function update(m, s, step) {
    const now = parts(m, s);
    show(tangent, step >= 2 && step <= 4, step === 4);
    show(variance, step <= 4, step === 4);
    show(gap, step === 3);
    show(difference, step >= 4);
    show(lowest, step === 4);
    show(lifted, step === 5);
    show(liftedName, step === 5);
    lifted.setAttribute("d", curve((t) => parts(m, t).difference + m * m));
    liftedName.setAttribute("x", x(least) + 6);
    liftedName.setAttribute("y", y(Math.max(parts(m, least).difference + m * m, 2.6) + 0.35));
    const height = { variance: now.variance, line: now.line, difference: now.difference };
    height.lifted = now.difference + now.square;
    const shown = { variance: step <= 3, line: step === 2 || step === 3, difference: step >= 4, lifted: step === 5 };
    for (const [name, circle] of dots) {
      circle.setAttribute("cx", x(s));
      circle.setAttribute("cy", y(height[name]));
      show(circle, shown[name]);
    }
    // The thick stretch that the step is about: the gap, or what m² adds to it.
    const ends = { 3: ["line", "variance", "difference"], 5: ["difference", "lifted", "lifted"] }[step];
    show(stem, Boolean(ends));
    if (ends) {
      fill(stem, { x1: x(s), x2: x(s), y1: y(height[ends[0]]), y2: y(height[ends[1]]) });
      stem.style.stroke = colours[ends[2]];
    }
    svg.setAttribute("aria-label", `${scene.steps[step - 1].title}. The value of each curve at s stands in the table.`);
  }
  const sAt = (event) => {
    const box = svg.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    return least + ((across - left) / (width - left - right)) * (most - least);
  };
  return { svg, update, sAt };
}

/** The two Gaussians of the last step. */
function bellsChart(scene) {
  const { width, height, left, right, top, bottom, reach } = BELLS;
  const svg = draw("svg", "kl-bells", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const x = (z) => left + ((z + reach) / (2 * reach)) * (width - left - right);
  const floor = height - bottom;
  for (const z of [-4, -2, 0, 2, 4]) {
    svg.append(draw("text", "course-tick", { x: x(z), y: floor + 16, "text-anchor": "middle" }, number(z, 0)));
  }
  const bells = [scene.colours.line, scene.colours.lifted].map((colour, k) => {
    const area = draw("path", "kl-area", { style: `fill:${colour}` });
    const outline = draw("path", k ? "kl-curve" : "kl-curve kl-dashed", { style: `stroke:${colour}` });
    const name = draw("text", "course-label", { x: left, y: top + 14 + 18 * k, style: inkOf(colour) });
    svg.append(area, outline, name);
    return { area, outline, name };
  });
  svg.append(draw("line", "kl-axis", { x1: left, x2: width - right, y1: floor, y2: floor }));
  svg.append(draw("text", "course-tick", { x: x(0), y: height - 3, "text-anchor": "middle" }, "z"));

  function update(m, s) {
    const peak = Math.max(density(0, 0, 0), density(m, m, s));
    const y = (p) => floor - (p / (1.08 * peak)) * (floor - top);
    [[0, 0], [m, s]].forEach(([mean, logVariance], k) => {
      const points = grid(-reach, reach, 240).map((z) => [x(z), y(density(z, mean, logVariance))]);
      bells[k].outline.setAttribute("d", path(points));
      bells[k].area.setAttribute("d", `${path([[x(-reach), floor], ...points, [x(reach), floor]])}Z`);
    });
    bells[0].name.textContent = "N(0, 1)";
    bells[1].name.textContent = `N(${number(m, 2)}, ${number(Math.exp(s))})`;
    svg.setAttribute("aria-label", `The densities of N(0, 1) and of ${bells[1].name.textContent}`);
  }
  return { svg, update };
}

function render({ model, el }) {
  const scene = model.get("scene");
  const count = scene.steps.length;
  const colours = scene.colours;
  const chart = curvesChart(scene);
  const bells = bellsChart(scene);

  function change(values, done = true) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    update();
    if (done) model.save_changes(); // once a slider rests: the kernel need not hear of every notch
  }

  // ---- steps ----
  const title = make("div", "kl-title");
  const sentence = make("div", "kl-text");
  const go = (step) => change({ step: clamp(step, 1, count) });
  const toStep = (label, name, action) => button(label, { "aria-label": name, title: name }, action);
  const back = toStep("Back", "Back: the step before", () => go(model.get("step") - 1));
  const next = toStep("Next", "Next: the next step", () => go(model.get("step") + 1));
  const numbers = scene.steps.map((step, k) => toStep(`${k + 1}`, `Step ${k + 1}: ${step.title}`, () => go(k + 1)));
  const steps = make("div", "kl-steps", { role: "group", "aria-label": "Steps" }, back, ...numbers, next);

  const sliders = {
    s: slider("s, the log-variance", [...scene.s, NOTCH], (s, done) => change({ s }, done)),
    m: slider("m, the mean", [...scene.m, NOTCH], (m, done) => change({ m }, done)),
  };

  // ---- numbers ----
  const rows = [
    ["variance", "σ² = exp(s)", 1, colours.variance],
    ["line", "1 + s", 2, colours.line],
    ["difference", "exp(s) − (1 + s)", 3, colours.difference],
    ["square", "m²", 5, ""],
    ["kl", "KL = ½ [exp(s) − (1 + s) + m²]", 5, ""],
  ].map(([name, words, from, colour]) => {
    const key = make("span", "kl-key");
    key.style.background = colour || "transparent";
    const value = make("td", "kl-number", { "data-name": name });
    const row = make("tr", "", {}, make("th", "", { scope: "row" }, key, words), value);
    return { name, from, value, row, unit: name === "kl" ? " nats" : "" };
  });
  const table = make("table", "kl-table", {}, make("tbody", "", {}, ...rows.map(({ row }) => row)));

  function update() {
    const [m, s, step] = [model.get("m"), model.get("s"), model.get("step")];
    const now = parts(m, s);
    chart.update(m, s, step);
    bells.update(m, s);
    title.textContent = `${step} of ${count}: ${scene.steps[step - 1].title}`;
    sentence.textContent = scene.steps[step - 1].text;
    numbers.forEach((made, k) => made.setAttribute("aria-current", k + 1 === step ? "step" : "false"));
    back.setAttribute("aria-disabled", String(step === 1));
    next.setAttribute("aria-disabled", String(step === count));
    for (const { name, from, value, row, unit } of rows) {
      row.style.display = step >= from ? "" : "none";
      value.textContent = number(now[name]) + unit;
    }
    const spoken = { s: `s ${number(s, 2)}, variance ${number(now.variance)}`, m: `m ${number(m, 2)}` };
    for (const [name, { input, value }] of Object.entries(sliders)) {
      input.value = model.get(name);
      value.textContent = number(model.get(name), 2);
      const kl = step === count ? `, KL ${number(now.kl)} nats` : "";
      input.setAttribute("aria-valuetext", spoken[name] + kl);
    }
    sliders.m.row.style.display = step === count ? "" : "none";
    bells.svg.style.display = step === count ? "" : "none";
  }

  // The chart is a slider for s, too. The arrow keys go on from there.
  function drag(event) {
    const notches = Math.round(chart.sAt(event) / NOTCH);
    change({ s: clamp(Number((notches * NOTCH).toFixed(2)), ...scene.s) }, false);
  }
  follow(chart.svg, sliders.s.input, { begin: drag, move: drag, end: () => model.save_changes() });

  const controls = make("div", "kl-controls", {}, sliders.s.row, sliders.m.row);
  const status = make("div", "kl-step", { role: "status" }, title, sentence);
  const right = make("div", "kl-right", {}, steps, status, controls, table, bells.svg);
  const keys = "Keys: Tab goes on, Space presses a button, arrows move a slider.";
  mount(el, "course-kl", keys, make("div", "kl-left", {}, chart.svg), right);
  const forget = listen(model, ["m", "s", "step"], update);
  update();
  return forget;
}

export default { render };
