// The three games in the browser: two panels of curves and a point that is dragged along them. Plain ECMAScript, no
// build step, nothing fetched. Every number is from the table that Python computed; there is no formula here.

const PANEL = { width: 420, height: 330, left: 50, right: 12, top: 10, bottom: 42 };
const DASHES = ["9 5", "", "11 4 3 4"]; // so that the curves can be told apart without their colours

/** A panel: its curves of `values` (one list a game), drawn against the logit or against D. */
function panel(scene, values, { label, height, lines }) {
  const { width, left, right, top, bottom } = PANEL;
  const floor = PANEL.height - bottom;
  const svg = draw("svg", "games-chart", { viewBox: `0 0 ${width} ${PANEL.height}`, role: "img", "aria-label": label });
  const y = (v) => top + (1 - height(v)) * (floor - top);
  for (const [v, words] of lines) {
    svg.append(draw("line", "course-grid", { x1: left, x2: width - right, y1: y(v), y2: y(v) }));
    svg.append(draw("text", "course-tick", { x: left - 7, y: y(v) + 4, "text-anchor": "end" }, ...words));
  }
  const below = draw("g", "");
  const plot = { x: left, y: top, width: width - left - right, height: floor - top };
  const inside = draw("svg", "", { ...plot, viewBox: Object.values(plot).join(" ") }); // cuts off what is outside
  const curves = scene.games.map(({ colour }, k) => {
    const curve = draw("path", "games-curve", { style: `stroke:${colour}`, "stroke-dasharray": DASHES[k] });
    inside.append(curve);
    return curve;
  });
  const stem = draw("line", "games-stem", { y1: top, y2: floor });
  // Smaller and smaller, so that no point hides another one.
  const dots = scene.games.map(({ colour }, k) => {
    return draw("circle", "games-dot", { r: 9 - 2 * k, style: `--colour:${colour}` });
  });
  svg.append(below, stem, inside, ...dots);

  let [places, first, last] = [scene.logits, 0, 1];
  const x = (place) => left + ((place - first) / (last - first)) * plot.width;
  function against(axis) {
    places = axis === "logit" ? scene.logits : scene.probabilities;
    [first, last] = axis === "logit" ? [places[0], places.at(-1)] : [0, 1];
    curves.forEach((curve, k) => curve.setAttribute("d", path(places.map((p, i) => [x(p), y(values[k][i])]))));
    below.replaceChildren();
    const marks = axis === "logit" ? grid(first, last, (last - first) / 2) : grid(first, last, 5);
    for (const value of marks) {
      const words = number(value, axis === "logit" ? 0 : 1);
      below.append(draw("line", "course-grid", { x1: x(value), x2: x(value), y1: top, y2: floor }));
      below.append(draw("text", "course-tick", { x: x(value), y: floor + 17, "text-anchor": "middle" }, words));
    }
    const middle = { x: left + plot.width / 2, y: PANEL.height - 6, "text-anchor": "middle" };
    below.append(draw("text", "course-tick", middle, scene.axes[axis]));
  }
  function point(i) {
    fill(stem, { x1: x(places[i]), x2: x(places[i]) });
    dots.forEach((dot, k) => {
      const at = y(values[k][i]);
      fill(dot, { cx: x(places[i]), cy: Math.min(at, floor) });
      dot.classList.toggle("games-beneath", at > floor); // hollow: the value lies beneath the axis
    });
  }
  /** The number of the notch that is nearest to where the pointer is. */
  function notchAt(event) {
    const box = svg.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    const distances = places.map((place) => Math.abs(x(place) - across));
    return distances.indexOf(Math.min(...distances));
  }
  return { svg, against, point, notchAt };
}

function render({ model, el }) {
  const scene = model.get("scene");
  const { logits, probabilities, games } = scene;
  const step = logits[1] - logits[0];
  const notchOf = (logit) => clamp(Math.round((logit - logits[0]) / step), 0, logits.length - 1);
  const [lowest, highest] = scene.costs;
  const [weakest, strongest] = scene.pushes.map(Math.log10);
  const powers = grid(weakest, strongest, strongest - weakest).map((k) => {
    const exponent = draw("tspan", "", { dy: -5, "font-size": 10 }, number(k, 0));
    return [10 ** k, ["10", exponent]];
  });
  const panels = [
    panel(
      scene,
      games.map((game) => game.cost),
      {
        label: "Cost of the generator in the three games; its values stand in the table.",
        height: (cost) => (cost - lowest) / (highest - lowest),
        lines: ticks(lowest, highest).map(([value, words]) => [value, [words]]),
      },
    ),
    panel(
      scene,
      games.map((game) => game.gradient.map((gradient) => -gradient)),
      {
        label: "Minus the gradient by the logit in the three games, on a scale of powers; its values stand in the table.",
        height: (push) => (Math.log10(push) - weakest) / (strongest - weakest),
        lines: powers,
      },
    ),
  ];
  const titles = ["Cost of the generator, nats", "Push on the logit: −d cost / d logit"];
  const charts = panels.map(({ svg }, k) => {
    return make("div", "games-panel", {}, make("div", "course-title", {}, titles[k]), svg);
  });

  function change(values, done = true) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    update();
    if (done) model.save_changes(); // once the point rests: the kernel need not hear of every notch
  }

  const ends = [logits[0], logits.at(-1), step];
  const along = slider("Logit of D(G(z))", ends, (logit, done) => change({ logit: logits[notchOf(logit)] }, done));
  for (const { svg, notchAt } of panels) {
    const drag = (event) => change({ logit: logits[notchAt(event)] }, false);
    follow(svg, along.input, { begin: drag, move: drag, end: () => model.save_changes() });
  }
  const axes = Object.entries({ logit: "the logit", probability: "D(G(z))" }).map(([axis, words]) => {
    return [axis, button(words, {}, () => change({ axis }))];
  });
  const choice = make("div", "course-buttons games-axes", { role: "group", "aria-label": "Draw against" });
  choice.append("Draw against", ...axes.map(([, made]) => made));

  // ---- numbers ----
  const spoken = make("div", "games-where");
  const head = ["game", "cost", "gradient"].map((words, k) => {
    return make("th", k ? "games-number" : "", { scope: "col" }, words);
  });
  const rows = games.map(({ name, words, colour }, k) => {
    const stroke = { x1: 0, x2: 34, y1: 7, y2: 7, "stroke-dasharray": DASHES[k], style: `stroke:${colour}` };
    const line = draw("line", "games-curve", stroke);
    const key = draw("svg", "games-key", { viewBox: "0 0 34 14", "aria-hidden": "true" }, line);
    const cells = ["cost", "gradient"].map((part) => make("td", "games-number", { "data-name": `${name} ${part}` }));
    return { cells, row: make("tr", "", {}, make("th", "", { scope: "row" }, key, words), ...cells) };
  });
  const body = rows.map(({ row }) => row);
  const table = make(
    "table",
    "games-table",
    {},
    make("thead", "", {}, make("tr", "", {}, ...head)),
    make("tbody", "", {}, ...body),
  );
  const digits = (value) => number(value, Math.abs(value) < 10 ? 4 : 2);

  let axis = null; // that the panels are drawn against
  function update() {
    if (axis !== model.get("axis")) {
      axis = model.get("axis");
      for (const { against } of panels) against(axis);
      for (const [name, made] of axes) {
        made.setAttribute("aria-pressed", String(name === axis));
        made.classList.toggle("course-main", name === axis);
      }
    }
    const i = notchOf(model.get("logit"));
    for (const { point } of panels) point(i);
    rows.forEach(({ cells }, k) => {
      cells[0].textContent = digits(games[k].cost[i]);
      cells[1].textContent = digits(games[k].gradient[i]);
    });
    const probability = `D(G(z)) = ${number(probabilities[i], 4)}`;
    spoken.textContent = probability;
    along.input.value = logits[i];
    along.value.textContent = number(logits[i], 2);
    const gradients = games.map(({ words, gradient }) => `${words} ${digits(gradient[i])}`).join(", ");
    along.input.setAttribute("aria-valuetext", `logit ${number(logits[i], 2)}, ${probability}; gradients: ${gradients}`);
  }

  const controls = make("div", "games-controls", {}, along.row, spoken, choice);
  const keys = "Keys: Tab goes on, arrows move the slider, Page Up and Page Down by more, Space presses a button.";
  mount(el, "course-games", keys, ...charts, controls, table);
  const forget = listen(model, ["logit", "axis"], update);
  update();
  return forget;
}

export default { render };
