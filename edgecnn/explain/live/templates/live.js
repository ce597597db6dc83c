// The live page: asks for a picture when the last one is drawn, so that a slow browser gets fewer and never older ones.
const $ = (id) => document.getElementById(id);
const viewer = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const NEWEST = -1, RETRY_MS = 1000, SILENCE_MS = 5000, ANNOUNCE_MS = 2000;
// Ten pictures a second, of which the maps may take what is left by the network, and so much in any case.
const BUDGET_MS = 100, MAPS_LEAST_MS = 50, FEWEST_MAPS = 4, FIRST_MAPS = 32;
const CELL_PX = 64, GAP_PX = 2;

let network = null, layer = null, chosenClass = null, paused = false, showHeat = true;
let drawn = NEWEST, isChanged = true, inFlight = null, askedAt = null, wake = () => {};
let numMaps = FIRST_MAPS, isReduced = false, heatScale = 0, voteScale = 0, shown = null;
// When each of the last pictures was on the screen (performance.now()), and when it was taken (the server's clock).
const meter = {drawnAt: [], capturedNs: [], costMs: 0, numMaps: 0};

// ---- asking -----------------------------------------------------------------------------------------------------
async function run() {
  for (let isMet = false;;) {
    try {
      if (!isMet) await meet();
      isMet = true;
      await step();
    } catch (error) {
      if (error.name === "AbortError") continue;
      [isMet, askedAt] = [false, null];
      showTrouble(error.isAnswer ? error.message : "edgecnn does not answer: it has ended, or the network is gone. This page goes on by itself when it is back.");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function meet() {
  const met = await (await request("/network")).json();
  if (network && network.session === met.session) return;
  network = met;
  [layer, chosenClass, drawn, isChanged, shown] = [null, null, NEWEST, true, null];
  if (paused) togglePause();
  describeNetwork();
}

async function request(address) {
  inFlight = new AbortController();
  askedAt = performance.now();
  const response = await fetch(address, {signal: inFlight.signal, cache: "no-store"});
  askedAt = null;
  if (!response.ok) throw Object.assign(new Error((await response.text()).trim()), {isAnswer: true});
  return response;
}

async function step() {
  while (document.hidden || (paused && !isChanged)) await new Promise((resolve) => { wake = resolve; });
  const asked = performance.now(), still = paused && shown !== null;
  const query = new URLSearchParams({viewer, after: isChanged ? NEWEST : drawn, layer: layer.index, maps: numMaps});
  if (chosenClass !== null) query.set("class", chosenClass);
  if (still) query.set("still", "1");
  isChanged = false;
  const message = unpack(await (await request("/look?" + query)).arrayBuffer());
  const received = performance.now();
  if (message.session !== network.session) { await meet(); return; }
  showTrouble(message.lost ? `The camera is away: ${message.lost}. It is opened again as soon as it is back.` : "");
  if (message.kind !== "picture" || message.maps.layer !== layer.index) return;
  // On the way it was for the rest of the time, at most: what its age was when it was sent does not tell that.
  const travelMs = Math.max(0, received - asked - message.waited_ms - message.busy_ms);
  await draw({...message, takenAt: received - message.age_ms - travelMs});
  await new Promise(requestAnimationFrame);
  note(message, asked, still);
}

function askAgain() {
  isChanged = true;
  if (inFlight) inFlight.abort();
  wake();
}

function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let start = 4 + length;
  message.parts = message.blobs.map((size) => buffer.slice(start, start += size));
  return message;
}

// ---- keeping up -------------------------------------------------------------------------------------------------
function note(message, asked, still) {
  const now = performance.now();
  if (!still && message.number !== drawn) {
    meter.drawnAt.push(now);
    meter.capturedNs.push(message.captured_ns);
    if (meter.drawnAt.length > 2000) { meter.drawnAt.shift(); meter.capturedNs.shift(); }
  }
  drawn = message.number;
  // What the maps cost: making, sending and drawing them. The rest of the work is there with any number of them.
  const cost = now - asked - message.waited_ms - message.busy_ms + message.maps_ms;
  meter.costMs = meter.costMs ? 0.8 * meter.costMs + 0.2 * cost : cost;
  const allowed = Math.max(MAPS_LEAST_MS, BUDGET_MS - (message.busy_ms - message.maps_ms));
  const most = Math.min(network.max_maps, layer.shape[2]);
  if (meter.costMs > allowed) changeMaps(Math.max(FEWEST_MAPS, Math.floor(0.75 * numMaps)));
  else if (meter.costMs < 0.5 * allowed && numMaps < most) changeMaps(Math.min(network.max_maps, numMaps + 4));
  meter.numMaps = message.maps.channels.length;
}

function changeMaps(count) {
  isReduced = count < numMaps || (isReduced && count < Math.min(network.max_maps, layer.shape[2]));
  if (count < numMaps) meter.costMs *= 0.8;  // give the change time to show
  numMaps = count;
}

function pictureRate() {
  const since = performance.now() - 2000;
  const times = meter.drawnAt.filter((time) => time > since);
  return times.length > 1 ? 1000 * (times.length - 1) / (times[times.length - 1] - times[0]) : 0;
}

function showMeters() {
  if (askedAt !== null && performance.now() - askedAt > SILENCE_MS) showTrouble("edgecnn has not answered for a while: it is very busy, or the network is slow.");
  if (shown) {
    const age = performance.now() - shown.takenAt;
    $("age").textContent = age < 1000 ? `picture ${Math.round(age)} ms old` : `picture ${formatNumber(age / 1000, 2)} s old`;
  }
  $("rate").textContent = paused ? "paused" : `${pictureRate().toFixed(1)} pictures per second`;
}

// ---- drawing ----------------------------------------------------------------------------------------------------
async function draw(message) {
  const bitmap = await createImageBitmap(new Blob([message.parts[0]], {type: "image/jpeg"}));
  const canvas = $("picture"), [width, height] = message.size;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  shown = message;
  drawHeat(message);
  drawClasses(message);
  drawVotes(message);
  drawMaps(message);
  showMeters();
}

function drawHeat(message) {
  const [left, top, width, height] = message.region, seen = $("seen"), canvas = $("heat"), heat = message.heat;
  Object.assign(seen.style, {left: 100 * left + "%", top: 100 * top + "%", width: 100 * width + "%", height: 100 * height + "%"});
  canvas.hidden = !showHeat || "missing" in heat;
  if ("missing" in heat) { $("heat-caption").textContent = heat.missing; return; }
  const values = new Float32Array(message.parts[2]), [rows, columns] = heat.shape;
  heatScale = Math.max(0.95 * heatScale, values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9));
  drawCells(canvas, rows, columns, (row, column) => {
    const share = values[row * columns + column] / heatScale;
    return [...(share < 0 ? [33, 102, 172] : [255, 120, 20]), 190 * Math.min(1, Math.abs(share))];
  });
  const name = nameOf(heat.class), old = heat.age_ms > 0 ? `, ${formatNumber(heat.age_ms / 1000, 2)} s old` : "";
  $("heat-caption").textContent = heat.method === "occlusion"
    ? `Orange: covering this place costs ${name}; blue: it helps. Found by covering places one by one${old}: too slow for every picture.`
    : `Orange: this place speaks for ${name}; blue: against it. The last maps' own votes (class activation map), ${rows} × ${columns} places.`;
}

function drawClasses(message) {
  const best = message.best, unknown = message.familiar && message.familiar.is_unknown, box = $("classes");
  setIfNew($("answer-label"), unknown ? "unknown" : nameOf(best));
  setIfNew($("answer-badge"), `most like ${nameOf(best)}`);
  $("answer-badge").hidden = !unknown;
  announce(unknown ? "unknown" : nameOf(best));
  while (box.children.length < message.classes.length) box.append(makeClassRow());
  while (box.children.length > message.classes.length) box.lastChild.remove();
  message.classes.forEach(([index, score], place) => {
    const row = box.children[place];
    row.dataset.index = index;
    row.setAttribute("aria-pressed", String(index === chosenClass));
    setIfNew(row.children[0], nameOf(index));
    row.children[1].firstChild.style.transform = `scaleX(${Math.max(0, Math.min(1, score))})`;
    setIfNew(row.children[2], score === null ? "–" : score < 0 || score > 1 ? formatNumber(score) : formatPercent(score));
  });
  const familiar = message.familiar;
  setIfNew($("familiar"), !familiar ? "This file has no threshold for unknown things."
    : `${familiar.is_score ? "Best score" : "Familiarity"} ${formatPercent(familiar.value)}; below ${formatPercent(familiar.threshold)} it says unknown.`);
}

function makeClassRow() {
  return make("button", {type: "button", title: "Explain this class", onclick: (event) => chooseClass(Number(event.currentTarget.dataset.index))},
    make("bdi"), make("span", {class: "bar"}, make("i")), make("span", {class: "value"}));
}

function drawVotes(message) {
  const votes = message.votes, list = $("votes");
  if ("missing" in votes) {
    list.replaceChildren();
    setIfNew($("votes-caption"), votes.missing);
    setIfNew($("votes-sum"), "");
    return;
  }
  setIfNew($("votes-caption"), `The strongest votes for (orange) and against (blue) ${nameOf(message.explained)}: features of ${votes.layer} times their weights.`);
  while (list.children.length < votes.features.length) {
    list.append(make("li", {}, make("span"), make("span", {class: "bar signed"}, make("i")), make("span", {class: "value"})));
  }
  while (list.children.length > votes.features.length) list.lastChild.remove();
  voteScale = Math.max(0.95 * voteScale, ...votes.features.map((one) => Math.abs(one.vote)), 1e-9);
  votes.features.forEach((one, place) => {
    const [name, bar, value] = list.children[place].children;
    setIfNew(name, one.at.length === 3 ? `channel ${one.at[2]} at ${one.at[0]}, ${one.at[1]}` : `feature ${one.at.join(", ")}`);
    bar.firstChild.className = one.vote < 0 ? "against" : "for";
    bar.firstChild.style.transform = `scaleX(${0.5 * one.vote / voteScale})`;
    setIfNew(value, formatSigned(one.vote, 2));
  });
  const rounding = votes.step > 0 ? `, rounding ${formatSigned(votes.rest)}` : "";
  setIfNew($("votes-sum"), `All ${countOf(votes.features.length + votes.num_others)} together: these ${formatSigned(votes.logit - votes.others - votes.bias - votes.rest)}, `
    + `the other ${countOf(votes.num_others)} ${formatSigned(votes.others)}, bias ${formatSigned(votes.bias)}${rounding} = ${formatSigned(votes.logit)}, the class's logit.`);
}

function drawMaps(message) {
  const {channels, shape: [count, rows, columns], largest, is_signed: isSigned} = message.maps;
  const codes = new Uint8Array(message.parts[1]), canvas = $("maps"), table = colorTable(isSigned);
  const zoom = Math.max(1, Math.floor(CELL_PX / Math.max(rows, columns)));
  const across = Math.max(1, Math.min(count, Math.floor($("sheet").clientWidth / (CELL_PX + GAP_PX)))), down = Math.ceil(count / across);
  const stepX = columns * zoom + GAP_PX, stepY = rows * zoom + GAP_PX, width = across * stepX, height = down * stepY;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  for (let map = 0, code = 0; map < count; map++) {
    let start = Math.floor(map / across) * stepY * width + (map % across) * stepX;
    for (let row = 0; row < rows; row++) {
      let to = start;
      for (let column = 0; column < columns; column++, code++) {
        const color = table[codes[code]];
        for (let times = 0; times < zoom; times++) pixels[to++] = color;
      }
      for (let times = 1; times < zoom; times++) pixels.copyWithin(start + times * width, start, to);
      start += zoom * width;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.style.maxWidth = $("numbers").style.maxWidth = across < 4 ? 2 * width + "px" : "none";
  numberMaps(channels, across, down);
  const all = layer.shape[2];
  setIfNew($("maps-count"), count === all ? `all ${countOf(all)} maps` : `${countOf(count)} of ${countOf(all)} maps` + (isReduced ? ", fewer to keep up" : ""));
  setIfNew($("maps-caption"), `${layer.shape[0]} × ${layer.shape[1]} cells each. `
    + (isSigned ? `Blue is below zero, orange above; full colour is ${formatNumber(largest, 2)}.` : `Black is zero, the brightest is ${formatNumber(largest, 2)}.`)
    + " The strongest come first when a layer is chosen, and then keep their places.");
}

let numbered = "";
function numberMaps(channels, across, down) {
  const key = `${layer.index}/${across}/${channels.join()}`;
  if (key === numbered) return;
  numbered = key;
  const box = $("numbers");
  Object.assign(box.style, {gridTemplateColumns: `repeat(${across}, 1fr)`, gridTemplateRows: `repeat(${down}, 1fr)`});
  $("maps").setAttribute("aria-label", `${channels.length} feature maps of ${layer.name}`);
  box.replaceChildren(...channels.map((channel) => make("span", {}, String(channel))));
}

// The colours of all codes as the bytes of a canvas, little endian as every browser's machine is.
const tables = new Map();
function colorTable(isSigned) {
  const key = `${isSigned} ${isSigned && isDark()}`;
  if (!tables.has(key)) {
    tables.set(key, Uint32Array.from({length: 256}, (_, code) => {
      const [r, g, b] = isSigned ? signedColor((code - 128) / 127) : heatColor(code / 255);
      return (255 << 24 | b << 16 | g << 8 | r) >>> 0;
    }));
  }
  return tables.get(key);
}

// ---- words ------------------------------------------------------------------------------------------------------
const nameOf = (index) => network.labels[index];

function setIfNew(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showTrouble(text) {
  setIfNew($("trouble"), text);
  $("trouble").hidden = !text;
}

let announced = "", announcedAt = -Infinity;
function announce(text) {
  if (text === announced || performance.now() - announcedAt < ANNOUNCE_MS) return;
  announced = text;
  announcedAt = performance.now();
  $("announcement").textContent = text;
}

// ---- choosing ---------------------------------------------------------------------------------------------------
function describeNetwork() {
  document.title = `${network.model}, live`;
  setIfNew($("file"), network.file);
  setIfNew($("camera"), network.camera);
  setIfNew($("model"), network.model);
  $("classes").replaceChildren();
  $("layer").replaceChildren(...network.layers.map((one, index) => make("option", {value: index},
    `${one.name} · ${one.kind.replace("_", " ")}${one.activation ? ", " + one.activation : ""} · ${one.shape.join(" × ")}`)));
  chooseLayer(0);
}

function chooseLayer(place) {
  const last = network.layers.length - 1, wanted = Math.max(0, Math.min(last, place));
  $("layer").selectedIndex = wanted;
  layer = network.layers[wanted];
  isReduced = false;
  askAgain();
}

function chooseClass(index) {
  chosenClass = chosenClass === index ? null : index;
  heatScale = voteScale = 0;
  askAgain();
}

function togglePause() {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
  showMeters();
  if (!paused) wake();
}

function toggleHeat() {
  showHeat = !showHeat;
  $("heat-button").setAttribute("aria-pressed", String(showHeat));
  if (shown) drawHeat(shown);
}

$("pause").addEventListener("click", togglePause);
$("heat-button").addEventListener("click", toggleHeat);
$("layer").addEventListener("change", () => chooseLayer($("layer").selectedIndex));
$("previous").addEventListener("click", () => chooseLayer($("layer").selectedIndex - 1));
$("next").addEventListener("click", () => chooseLayer($("layer").selectedIndex + 1));
addEventListener("keydown", (event) => {
  if (!network || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
  const isButton = event.target.closest("button");
  const act = {ArrowLeft: () => $("previous").click(), ArrowRight: () => $("next").click(), h: toggleHeat, " ": isButton ? null : togglePause}[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
setInterval(showMeters, 500);
run();
