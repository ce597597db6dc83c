"use strict";
// The pictures of the page: in their places, and behind each number of the confusion matrix.
const report = JSON.parse(document.getElementById("data").textContent);
const thumbnails = JSON.parse(document.getElementById("thumbnails").textContent);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A picture, or its absence in words.
function picture(place) {
  if (thumbnails[place] === null) return make("div", {class: "gone"}, "no room on this page");
  return make("img", {src: thumbnails[place], alt: report.pictures[place].path, loading: "lazy"});
}

for (const image of document.querySelectorAll("img[data-picture]")) image.replaceWith(picture(Number(image.dataset.picture)));

function percent(share) {
  return (100 * share).toFixed(1) + "%";
}

// Show the pictures behind a number.
function show(button, figures, panel) {
  const cell = figures.confusions[Number(button.dataset.cell)];
  const truth = figures.classes[cell.truth].label, answer = figures.classes[cell.answer].label;
  const items = cell.pictures.map(place => {
    const shown = report.pictures[place];
    return make("li", {}, picture(place), make("small", {class: "path"}, percent(shown.score) + " ", make("bdi", {}, shown.path)));
  });
  const shownAll = items.length === cell.num ? "" : items.length === 0 ? "; they cannot be read any more" :
    cell.truth === cell.answer ? `; the ${items.length} that it was least certain of` : `; ${items.length} of them`;
  panel.replaceChildren(
    make("p", {}, `${cell.num} of `, make("bdi", {}, truth), " called ", make("bdi", {}, answer), shownAll + ":"),
    make("ul", {class: "pictures"}, ...items));
}

// The button next to another one in a direction; the matrix has holes.
function neighbour(buttons, from, rows, columns) {
  const row = Number(from.dataset.row), column = Number(from.dataset.column);
  const ahead = buttons.filter(one => {
    const down = Number(one.dataset.row) - row, right = Number(one.dataset.column) - column;
    return rows ? down * rows > 0 : down === 0 && right * columns > 0;
  });
  const distance = one => rows
    ? 1000 * Math.abs(one.dataset.row - row) + Math.abs(one.dataset.column - column)
    : Math.abs(one.dataset.column - column);
  return ahead.sort((one, other) => distance(one) - distance(other))[0];
}

const STEPS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};

for (const matrix of document.querySelectorAll("[data-split]")) {
  const figures = report.figures[Number(matrix.dataset.split)];
  const panel = matrix.closest(".matrix-of").querySelector(".behind");
  const buttons = [...matrix.querySelectorAll("button")];
  // One stop for the tabulator; the arrows do the rest.
  buttons.forEach((button, index) => { button.tabIndex = index ? -1 : 0; button.setAttribute("aria-pressed", "false"); });
  const reach = button => { buttons.forEach(one => { one.tabIndex = one === button ? 0 : -1; }); };
  for (const button of buttons) {
    button.addEventListener("focus", () => reach(button));
    button.addEventListener("click", () => {
      buttons.forEach(one => one.setAttribute("aria-pressed", String(one === button)));
      show(button, figures, panel);
    });
    button.addEventListener("keydown", event => {
      const next = STEPS[event.key] && neighbour(buttons, button, ...STEPS[event.key]);
      if (!STEPS[event.key]) return;
      event.preventDefault();
      if (next) next.focus();
    });
  }
}
document.body.dataset.ready = "yes";
