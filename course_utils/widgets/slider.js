// The picture slider in the browser: rows of pictures, of which one is shown. Plain ECMAScript, no build step, nothing
// fetched: all rows are here from the start.

function render({ model, el }) {
  const { title, name, words, rows, width, count } = model.get("scene");
  const last = rows.length - 1;

  // All of them are on the page and decoded; with one whose source changes, a row would flicker.
  const images = rows.map((src, k) =>
    make("img", "pictures-row", { src, alt: `${count} at ${words[k]}`, draggable: "false" }),
  );
  const large = make("div", "pictures-words");
  // As wide as the longest label, so that the pictures stay where they are.
  const longest = Math.max(...words.flatMap((text) => text.split("\n")).map((line) => line.length));
  large.style.width = `${clamp(longest, 3, 16)}ch`;

  function go(k, done) {
    model.set("at", clamp(k, 0, last));
    update();
    if (done) model.save_changes(); // once it rests: the kernel need not hear of every row that is passed
  }
  const along = slider(name, [0, last, 1], go);

  function update() {
    const k = clamp(model.get("at"), 0, last);
    images.forEach((image, i) => (image.hidden = i !== k));
    large.textContent = words[k];
    along.input.value = k;
    along.value.textContent = `${k + 1}/${last + 1}`;
    along.input.setAttribute("aria-valuetext", words[k]);
  }

  const right = make("div", "pictures-right");
  right.style.maxWidth = `${Math.max(width, 320)}px`;
  if (title.trim()) right.append(make("div", "course-title", {}, title));
  right.append(...images, along.row);
  mount(el, "course-pictures", "Keys: arrows move the slider.", large, right);
  const forget = listen(model, ["at"], update);
  update();
  return forget;
}

export default { render };
