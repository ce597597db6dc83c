"use strict";
// Tools that every screen uses; a screen registers itself with `screens.KEY = (section, data, head) => { … }`.
const screens = {};

// ---- data -------------------------------------------------------------------------------------------------------
const ARRAYS = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array, int32: Int32Array, float32: Float32Array,
};

// Give every array of the data as {shape, values}, values being a typed array in row-major order.
function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if (!("$array" in value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
  const type = ARRAYS[value.$array], bytes = decodeBase64(value.base64);
  if (!("table" in value)) return {shape: value.shape, values: new type(bytes.buffer)};
  const table = new type(decodeBase64(value.table).buffer);
  return {shape: value.shape, values: type.from(bytes, (place) => table[place])};
}

function decodeBase64(text) {
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

function readData(key) {
  return revive(JSON.parse(document.getElementById("data-" + key).textContent));
}

// at(array, i, j, …): one value.
function at(array, ...indices) {
  return array.values[indices.reduce((sum, index, axis) => sum * array.shape[axis] + index, 0)];
}

// ---- words ------------------------------------------------------------------------------------------------------
const MINUS = "\u2212";

function formatNumber(value, digits = 3) {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e6 || size < 1e-4) ? size.toExponential(digits - 1)
    : size >= 1000 ? Math.round(size).toLocaleString("en") : String(Number(size.toPrecision(digits)));
  return (value < 0 ? MINUS : "") + text;
}

function formatSigned(value, digits = 3) {
  return (value > 0 ? "+" : "") + formatNumber(value, digits);
}

function formatPercent(share, digits = 1) {
  return share === null ? "–" : (100 * share).toFixed(digits) + "%";
}

// A score as its network means it: a share where it ends in softmax, or else a plain number.
function formatScore(score, head, digits = 1) {
  return head.scores_are_shares ? formatPercent(score, digits) : formatNumber(score);
}

function countOf(value) {
  return value.toLocaleString("en");
}

// ---- elements ---------------------------------------------------------------------------------------------------
// make("p", {class: "soft", onclick: f}, "text", otherElement): text is text, never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
}

function setText(root, selector, text) {
  root.querySelector(selector).textContent = text;
}

// partsOf(section)("name"): the element with data-part="name".
const partsOf = (root) => (name) => root.querySelector(`[data-part="${name}"]`);

// Buttons of which one is pressed; returns a function that presses one from outside.
function makeChoice(parent, names, onChoose, chosen = 0) {
  const buttons = names.map((name, index) => make("button", {type: "button", onclick: () => press(index)}, name));
  function press(index) {
    buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === index)));
    onChoose(index);
  }
  parent.append(...buttons);
  press(chosen);
  return press;
}

// ---- colours ----------------------------------------------------------------------------------------------------
// Blue for negative, white (dark theme: black) for nothing, orange for positive; `share` is -1 to 1.
// Distinguishable with every common colour blindness.
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

function signedColor(share) {
  const t = Math.min(1, Math.abs(share)), end = share < 0 ? [33, 102, 172] : [214, 96, 20], start = isDark() ? [26, 30, 36] : [255, 255, 255];
  return start.map((value, i) => Math.round(value + (end[i] - value) * t));
}

// Black over purple and orange to pale yellow (the field's "inferno", by nine of its points); `share` is 0 to 1.
const INFERNO = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];

function heatColor(share) {
  const place = Math.max(0, Math.min(1, share)) * (INFERNO.length - 1), low = Math.min(INFERNO.length - 2, Math.floor(place));
  return INFERNO[low].map((value, i) => Math.round(value + (INFERNO[low + 1][i] - value) * (place - low)));
}

const greyColor = (share) => { const value = Math.round(255 * Math.max(0, Math.min(1, share))); return [value, value, value]; };

// ---- drawing ----------------------------------------------------------------------------------------------------
// Draw rows × columns cells, one canvas pixel each; colorAt(row, column) gives [r, g, b] or [r, g, b, alpha 0 to 255].
// CSS (image-rendering: pixelated) makes it as large as wanted.
function drawCells(canvas, rows, columns, colorAt) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i += 4) {
      const [r, g, b, alpha = 255] = colorAt(row, column);
      image.data[i] = r; image.data[i + 1] = g; image.data[i + 2] = b; image.data[i + 3] = alpha;
    }
  }
  context.putImageData(image, 0, 0);
}

// Draw an RGB picture: {shape: [h, w, 3], values: uint8}.
function drawPixels(canvas, picture) {
  const [rows, columns] = picture.shape, values = picture.values;
  drawCells(canvas, rows, columns, (row, column) => {
    const i = 3 * (row * columns + column);
    return [values[i], values[i + 1], values[i + 2]];
  });
}

// Let pointer, finger and arrow keys choose a cell of a canvas that shows rows() × columns() cells.
// onPick(row, column) is called at once and at every change. Returns a function that picks from outside.
function pickCells(canvas, rows, columns, onPick, start = [0, 0]) {
  let row = start[0], column = start[1];
  function pick(newRow, newColumn) {
    row = Math.max(0, Math.min(rows() - 1, newRow));
    column = Math.max(0, Math.min(columns() - 1, newColumn));
    onPick(row, column);
  }
  function fromPointer(event) {
    const box = canvas.getBoundingClientRect();
    pick(Math.floor((event.clientY - box.top) / box.height * rows()), Math.floor((event.clientX - box.left) / box.width * columns()));
  }
  canvas.tabIndex = 0;
  canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" || event.buttons) fromPointer(event); });
  canvas.addEventListener("pointerdown", fromPointer);
  canvas.addEventListener("keydown", (event) => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    pick(row + far * step[0], column + far * step[1]);
  });
  pick(row, column);
  return pick;
}
