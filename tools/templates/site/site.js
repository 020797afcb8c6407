// What the theme leaves to be done: names for what is read aloud, formulas that are no stop of the Tab key, light paper.
function tidy() {
  for (const summary of document.querySelectorAll("nav li > details > summary")) {
    const link = summary.closest("li").querySelector("a");
    if (link) summary.setAttribute("aria-label", `Pages below ${link.textContent.trim()}`);
  }
  // its own words say more than the theme's "Toggle hidden content"
  document.querySelectorAll("details.hide > summary").forEach((summary) => summary.removeAttribute("aria-label"));
}
// A formula is a stop only where it must be scrolled: by its arrows, in the box around it.
function reach() {
  document.querySelectorAll("mjx-container").forEach((formula) => (formula.tabIndex = -1));
  for (const box of document.querySelectorAll("div.math, .cell_output table, .cell_output .output, pre")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto";
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
// Paper is white: a dark page is printed light.
let theme;
addEventListener("beforeprint", () => {
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => (document.documentElement.dataset.theme = theme));
addEventListener("DOMContentLoaded", tidy);
addEventListener("load", () => {
  reach();
  globalThis.MathJax?.startup?.promise.then(reach);
});
addEventListener("resize", reach);
addEventListener("toggle", reach, true);
