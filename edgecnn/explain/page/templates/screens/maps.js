{
// Bytes of one atlas, read back from its picture: PNG keeps every value.
async function readAtlas(atlas, maps, count) {
  const picture = new Image();
  picture.src = atlas.image.src;
  await picture.decode();
  const canvas = make("canvas", {width: atlas.image.width, height: atlas.image.height});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const across = canvas.width / maps.columns, bytes = new Uint8Array(count * maps.rows * maps.columns);
  let sum = 0, i = 0;
  for (let map = 0; map < count; map++) {
    const top = Math.floor(map / across) * maps.rows, left = (map % across) * maps.columns;
    for (let row = top; row < top + maps.rows; row++) {
      for (let column = left; column < left + maps.columns; column++) sum += bytes[i++] = pixels[4 * (row * canvas.width + column)];
    }
  }
  return {bytes, isTrue: sum === atlas.sum};
}

// All that is known of a layer's maps: {versions: [{key, values, limit, step}], codes, isTrue}, values map after map.
async function readMaps(maps) {
  const count = maps.channels.values.length;
  const read = async (atlases) => Promise.all(atlases.bytes.map((atlas) => readAtlas(atlas, maps, count)));
  const parts = await read(maps.numbers), versions = [];
  const numbers = Int32Array.from(parts[0].bytes, (byte, i) => parts.length === 2 ? 256 * byte + parts[1].bytes[i] : byte);
  const values = Float32Array.from(numbers, (number) => maps.numbers.start + maps.numbers.step * number);
  const isExact = maps.numbers.first_code !== null && maps.factor === 1;
  const file = {key: "file", values, limit: maps.colour_limit, step: isExact ? 0 : maps.numbers.step};
  const readSigned = async (atlases) => {
    const signed = await read(atlases);
    parts.push(...signed);
    return Float32Array.from(signed[0].bytes, (byte) => atlases.step * (byte - 128));
  };
  if (maps.before) versions.push({key: "before", values: await readSigned(maps.before), limit: maps.colour_limit, step: maps.before.step});
  versions.push(file);
  if (maps.difference) {
    const apart = await readSigned(maps.difference), step = maps.difference.step;
    versions.push({key: "other", values: apart.map((value, i) => value + values[i]), limit: maps.colour_limit, step});
    versions.push({key: "difference", values: apart, limit: apart.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1, step});
  }
  const first = maps.numbers.first_code;
  return {versions, codes: first === null ? null : numbers.map((number) => number + first), isTrue: parts.every((part) => part.isTrue)};
}

// A value that is known to within half a step, with as many digits as that allows.
function formatRounded(value, step) {
  if (!step) return formatNumber(value, 4);
  const digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(step))));
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? MINUS : "") + text;
}

// Names come from the file and may run from right to left: they must not turn the text around them.
const isolate = (name) => "\u2068" + name + "\u2069";
const formatCode = (code) => (code < 0 ? MINUS : "") + countOf(Math.abs(code));

// Buttons in a row, or bars of a chart: Tab reaches the chosen one, arrow keys go on from there.
function makeRow(parent, buttons) {
  parent.append(...buttons);
  parent.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, Home: -buttons.length, End: buttons.length}[event.key];
    if (!step) return;
    event.preventDefault();
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(document.activeElement) + step))];
    next.click();
    next.focus();
  });
}

function placeMarker(marker, row, column, height, width, rows, columns) {
  Object.assign(marker.style, {
    top: 100 * row / rows + "%", left: 100 * column / columns + "%", height: 100 * height / rows + "%", width: 100 * width / columns + "%",
  });
}

const ACTIVATIONS = {relu: "ReLU", relu6: "ReLU6", relu_n1_to_1: "ReLU from \u22121 to 1", relu_0_to_1: "ReLU from 0 to 1"};
const activationOf = (row) => ACTIVATIONS[row.activation] || row.activation.replaceAll("_", " ");
// Kinds whose values are new ones, which may lie beyond the codes.
const COMPUTING = ["convolution", "depthwise", "dense", "add", "multiply", "average_pool", "global_average"];
const sizeOf = (shape) => shape.join(" × ");

screens.maps = (section, data, head) => {
  const find = (selector) => section.querySelector(selector);
  const NAMES = {before: "Before", file: "This file", other: "Float file", difference: "Difference"};
  const followers = [];  // rows of buttons that show which layer is chosen
  const underCharts = [];  // the lines below the charts
  let layer = null, read = null, view = "file", map = 0, cell = null, place = [0.5, 0.5], panels = [], pictureMarker = null, sheet = null;

  // ---- which layer ----------------------------------------------------------------------------------------------
  function follow(parent, rows, makeButton) {
    const buttons = rows.map((row) => {
      const button = makeButton(row);
      button.type = "button";
      button.dataset.layer = row.index;
      button.addEventListener("click", () => choose(row.index));
      return button;
    });
    makeRow(parent, buttons);
    followers.push([parent, buttons]);
  }

  function choose(index) {
    layer = data.layers[Math.max(0, Math.min(data.layers.length - 1, index))];
    for (const [parent, buttons] of followers) {
      const chosen = buttons.find((button) => Number(button.dataset.layer) === layer.index);
      buttons.forEach((button) => { button.setAttribute("aria-pressed", String(button === chosen)); button.tabIndex = -1; });
      (chosen || buttons[0]).tabIndex = 0;
      if (chosen && parent.scrollWidth > parent.clientWidth) parent.scrollTo({left: chosen.offsetLeft - parent.offsetLeft - parent.clientWidth / 2 + chosen.offsetWidth / 2});
    }
    underCharts.forEach((tell) => tell());
    find(".previous").disabled = layer.index === 0;
    find(".following").disabled = layer.index === data.layers.length - 1;
    setText(section, ".place", `${layer.index + 1} of ${data.layers.length}: ${isolate(layer.name)}`);
    setText(section, ".chosen .name", layer.name);
    setText(section, ".operator", layer.operator);
    setText(section, ".does", layer.does);
    find(".said").replaceChildren(...sayLayer(layer).map((line) => make("li", {}, ...line)));
    find(".for-maps").hidden = !layer.maps;
    find(".for-vector").hidden = !layer.vector;
    if (layer.maps) showMaps(layer);
    else {
      if (layer.vector) showVector(layer.vector);
      section.dataset.shown = layer.index;
    }
  }

  const bdi = (text) => make("bdi", {}, text);
  const list = (names) => names.flatMap((name, i) => i ? [", ", bdi(name)] : [bdi(name)]);

  function sayLayer(row) {
    const lines = [];
    if (row.shape) lines.push([sayShape(row)]);
    else lines.push([row.nothing]);
    if (row.sources.length > 1 || row.sources[0] !== (row.index ? data.layers[row.index - 1].name : "")) {
      lines.push(["It reads ", ...list(row.sources.map((name) => name || "the picture")), "."]);
    }
    if (row.was.length) {
      const line = ["In training this was more than one step: ", ...list(row.was), ". The file does them in one."];
      if (row.normalization.length) line.push(" ", ...list(row.normalization), ", a batch normalization by its name, has been multiplied into the weights and is gone.");
      lines.push(line);
    }
    if (row.clamp) lines.push(...sayClamp(row).map((text) => [text]));
    const against = row.against;
    if (against) {
      lines.push([against.is_equal ? "The float file has the same numbers here."
        : `Against the float file: ${against.sqnr_db === null ? "no ratio (its numbers are all zero)" : against.sqnr_db.toFixed(1) + " dB"}, largest difference ${formatNumber(against.largest)}.`]);
    }
    return lines;
  }

  function sayShape(row) {
    if (row.shape.length < 3 || !row.maps) return `${countOf(row.rows * row.columns * row.channels)} numbers, from ${formatNumber(row.smallest)} to ${formatNumber(row.largest)}.`;
    return `${sizeOf(row.shape)}: ${countOf(row.channels)} ${row.channels === 1 ? "map" : "maps"} of ${row.rows} × ${row.columns} places, ${countOf(row.rows * row.columns * row.channels)} numbers from ${formatNumber(row.smallest)} to ${formatNumber(row.largest)}.`;
  }

  function sayClamp(row) {
    const {low, high, low_code: lowCode, high_code: highCode, low_by_range: lowByRange, high_by_range: highByRange} = row.clamp;
    const name = activationOf(row), lines = [];
    if (row.activation && row.is_fused) {
      let text = `The file has no separate step for ${name}: `;
      if (low === null && high === null) text += "each sum is bent before it is written down.";
      else if (lowCode === null) text += `the same operator cuts its sums off at ${formatNumber(low)}${high === null ? "" : " and at " + formatNumber(high)}.`;
      else {
        text += `its sums are cut off below at ${formatNumber(low)}, which is code ${formatCode(lowCode)}`;
        text += lowByRange ? ", the smallest that there is: the file cannot even write down anything less" : "";
        text += `, and above at ${formatNumber(high)} (code ${formatCode(highCode)}${highByRange ? ", the largest that there is" : ""}).`;
      }
      lines.push(text);
    } else if (row.activation) {
      lines.push(`Here ${name} is a step of its own in the file.`);
    } else if (lowCode !== null && COMPUTING.includes(row.kind)) {
      lines.push(`No activation follows. Its codes reach from ${formatNumber(low)} to ${formatNumber(high)}; what lies beyond would be cut off.`);
    }
    if (row.zeros !== null) {
      const end = low === 0 ? "0" : "at the lower end";
      lines.push(`${formatPercent(row.zeros)} of all values are ${end} for your picture${row.num_silent && row.maps ? `; ${countOf(row.num_silent)} of the ${countOf(row.channels)} maps ${row.num_silent === 1 ? "is" : "are"} ${end} everywhere` : ""}.`);
    }
    if (row.at_top) lines.push(`${formatPercent(row.at_top, row.at_top < 0.0005 ? 3 : 1)} are at the upper end, ${formatNumber(high)}.`);
    return lines;
  }

  // ---- the sheet of maps ----------------------------------------------------------------------------------------
  const nameOf = (key) => key === "file" && layer.maps.before ? `After ${activationOf(layer)}: this file`
    : key === "before" ? `Before ${activationOf(layer)}` : NAMES[key];

  async function showMaps(wanted) {
    const got = wanted.read || (wanted.read = await readMaps(wanted.maps));
    if (layer !== wanted) return;  // somebody went on while it was read
    read = got;
    find(".altered").hidden = read.isTrue;
    const keys = read.versions.map((version) => version.key);
    const choices = keys.length > 1 ? [...keys, "all"] : keys;
    if (!choices.includes(view)) view = "file";
    map = Math.min(map, wanted.maps.channels.values.length - 1);
    const {rows, columns} = wanted.maps;
    cell = [Math.floor(place[0] * rows), Math.floor(place[1] * columns)];
    makePanels();
    find(".views").replaceChildren();
    makeChoice(find(".views"), choices.map((key) => key === "all" ? "Side by side" : nameOf(key)), (index) => { view = choices[index]; drawSheet(); }, choices.indexOf(view));
    find(".views").hidden = choices.length < 2;
    chooseMap(map);
    section.dataset.shown = wanted.index;
  }

  // Colours by a table: a function call for each of a million cells would be felt on a phone.
  function makeColours() {
    const table = Array.from({length: 255}, (_, i) => signedColor((i - 127) / 127));
    return (value, limit) => table[Math.max(0, Math.min(254, 127 + Math.round(127 * value / limit)))];
  }

  function drawSheet() {
    const {rows, columns, channels} = layer.maps, count = channels.values.length, color = makeColours();
    const shown = view === "all" ? read.versions : read.versions.filter((version) => version.key === view);
    const gap = Math.max(1, Math.round(columns / 16)), seam = Math.max(1, Math.round(columns / 40));
    const width = shown.length * (columns + seam) - seam, wide = find(".for-maps").clientWidth, target = shown.length * (wide < 500 ? 66 : 84);
    const across = Math.max(1, Math.min(count, Math.floor(wide / target)));
    sheet = {across, down: Math.ceil(count / across), width, height: rows, stepX: width + gap, stepY: rows + gap};
    const canvas = find(".sheet"), between = [0, 0, 0, 0], nothing = [...signedColor(0), 255];
    drawCells(canvas, sheet.down * sheet.stepY, across * sheet.stepX, (row, column) => {
      const number = Math.floor(row / sheet.stepY) * across + Math.floor(column / sheet.stepX), y = row % sheet.stepY, x = column % sheet.stepX;
      const version = shown[Math.floor(x / (columns + seam))], left = x % (columns + seam);
      if (number >= count) return nothing;
      if (y >= rows || x >= width || left >= columns) return between;
      return color(version.values[(number * rows + y) * columns + left], version.limit);
    });
    const size = across === 1 ? Math.min(wide, 110 * shown.length) : across * target;
    canvas.style.width = Math.min(wide, Math.round(size * sheet.stepX / width)) + "px";
    const factor = layer.maps.factor, limit = view === "difference" ? shown[0].limit : layer.maps.colour_limit;
    setText(section, ".about-sheet", `${count === layer.channels ? `All ${countOf(count)}` : `${countOf(count)} of ${countOf(layer.channels)}`} maps, those with the most contrast first`
      + (count === layer.channels ? "" : "; edgecnn explain --png DIR writes all of them at full size")
      + (factor > 1 ? `. Each cell is the mean of ${factor} × ${factor} places of the file, so that the page stays small.` : ".")
      + (view === "before" ? layer.is_fused ? " Computed from the layer's inputs and weights: the file holds no such numbers." : " The file holds these numbers: they are what this step read." : "")
      + (view === "difference" ? " The float file's numbers minus this file's." : "")
      + (view === "all" ? ` In each: ${shown.map((version) => nameOf(version.key).toLowerCase()).join(" | ")}.` : ""));
    drawLegend(limit);
    placeChosen();
  }

  function drawLegend(limit) {
    drawCells(find(".scale"), 1, 129, (_, column) => signedColor((column - 64) / 64));
    setText(section, ".from", formatSigned(-limit));
    setText(section, ".to", formatSigned(limit));
    const most = Math.max(Math.abs(layer.smallest), Math.abs(layer.largest));
    setText(section, ".beyond", "One scale for all maps of this layer"
      + (view === "difference" || most <= limit * 1.001 ? "." : "; the few values beyond it have the full colour.")
      + (view === "all" && layer.maps.difference ? ` Differences are drawn ${formatNumber(limit / read.versions.at(-1).limit, 2)} times as strongly.` : ""));
  }

  function placeChosen() {
    const top = Math.floor(map / sheet.across) * sheet.stepY, left = (map % sheet.across) * sheet.stepX;
    placeMarker(find(".for-maps .stage .marker"), top, left, sheet.height, sheet.width, sheet.down * sheet.stepY, sheet.across * sheet.stepX);
  }

  function chooseMap(index) {
    map = Math.max(0, Math.min(layer.maps.channels.values.length - 1, index));
    const channel = layer.maps.channels.values[map], zeros = layer.maps.zeros;
    setText(section, ".channel", `${channel} of ${isolate(layer.name)}`);
    setText(section, ".about-map", (zeros ? `${formatPercent(zeros.values[map])} of its values are ${formatNumber(layer.clamp.low)}, the lower end. ` : "") + "Point at a place, touch it or go there with the arrow keys.");
    placeChosen();
    drawPanels();
  }

  find(".sheet").addEventListener("click", (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / box.height * sheet.down), column = Math.floor((event.clientX - box.left) / box.width * sheet.across);
    if (row * sheet.across + column < layer.maps.channels.values.length) chooseMap(row * sheet.across + column);
  });
  find(".sheet").addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: sheet.across, ArrowUp: -sheet.across}[event.key];
    if (!step) return;
    event.preventDefault();
    if (map + step >= 0 && map + step < layer.maps.channels.values.length) chooseMap(map + step);
  });

  // ---- one map, in all its versions -----------------------------------------------------------------------------
  function makePanels() {
    panels = read.versions.map((version) => {
      const canvas = make("canvas", {role: "application", "aria-label": `${nameOf(version.key)}: one map; arrow keys go from place to place`});
      const marker = make("span", {class: "marker"}), output = make("output", {});
      const figure = make("figure", {"data-version": version.key}, make("div", {class: "stage"}, canvas, marker), make("figcaption", {}, nameOf(version.key), output));
      return {version, canvas, marker, output, figure};
    });
    const picture = make("img", {src: head.seen.src, width: head.seen.width, height: head.seen.height, alt: "Your picture as the network sees it"});
    pictureMarker = make("span", {class: "marker"});
    find(".panels").replaceChildren(make("figure", {}, make("div", {class: "stage"}, picture, pictureMarker), make("figcaption", {}, "What this place can see of your picture", make("output", {class: "sees"}))), ...panels.map((panel) => panel.figure));
    let isReady = false;
    for (const panel of panels) {
      panel.pick = pickCells(panel.canvas, () => layer.maps.rows, () => layer.maps.columns, (row, column) => {
        if (!isReady || (row === cell[0] && column === cell[1])) return;
        cell = [row, column];
        place = [(row + 0.5) / layer.maps.rows, (column + 0.5) / layer.maps.columns];
        panels.forEach((other) => other.pick(row, column));
        showCell();
      }, cell);
    }
    isReady = true;
  }

  function drawPanels() {
    const {rows, columns} = layer.maps, color = makeColours();
    for (const {canvas, version} of panels) {
      drawCells(canvas, rows, columns, (row, column) => color(version.values[(map * rows + row) * columns + column], version.limit));
    }
    showCell();
  }

  function showCell() {
    const {rows, columns, factor} = layer.maps, [row, column] = cell, i = (map * rows + row) * columns + column;
    for (const {version, marker, output} of panels) {
      placeMarker(marker, row, column, 1, 1, rows, columns);
      const isFile = version.key === "file", code = isFile && read.codes && factor === 1 ? ` (code ${formatCode(read.codes[i])})` : "";
      output.textContent = (factor > 1 ? "mean " : "") + (version.key === "difference" && version.values[i] > 0 ? "+" : "") + formatRounded(version.values[i], version.step) + code;
      output.dataset.value = version.values[i];
    }
    showField(row * factor, Math.min(layer.rows, (row + 1) * factor) - 1, column * factor, Math.min(layer.columns, (column + 1) * factor) - 1);
    const places = factor === 1 ? `Row ${row}, column ${column}` : `Rows ${row * factor} to ${Math.min(layer.rows, (row + 1) * factor) - 1}, columns ${column * factor} to ${Math.min(layer.columns, (column + 1) * factor) - 1}`;
    const cut = layer.maps.zeros && read.codes && factor === 1 && layer.maps.before && read.codes[i] <= layer.clamp.low_code;
    setText(section, ".readout", `${places} of map ${layer.maps.channels.values[map]}` + (cut ? ": cut off below." : "."));
  }

  // The pixels that can change the places from top to bottom and from left to right, both included.
  function showField(top, bottom, left, right) {
    const {sees} = layer.maps, {width, height} = head.seen, output = find(".sees");
    pictureMarker.hidden = true;
    output.textContent = "not known";
    if (!sees) return;
    const reach = (array, from, to) => {
      let first = Infinity, last = -1;
      for (let i = from; i <= to; i++) { first = Math.min(first, at(array, i, 0)); last = Math.max(last, at(array, i, 1)); }
      return [first, last - first + 1];
    };
    const [y, tall] = reach(sees.rows, top, bottom), [x, wide] = reach(sees.columns, left, right);
    output.textContent = tall < 1 || wide < 1 ? "nothing: it lies in the rim" : tall === height && wide === width ? "all of it" : `${tall} × ${wide} pixels`;
    if (tall < 1 || wide < 1) return;
    pictureMarker.hidden = false;
    placeMarker(pictureMarker, y, x, tall, wide, height, width);
  }

  // ---- a row of numbers -----------------------------------------------------------------------------------------
  function showVector(vector) {
    const count = vector.values.values.length, labels = vector.is_classes ? head.labels : null;
    const rows = [["file", "This file", vector.values], ["before", `Before ${activationOf(layer)}`, vector.before], ["other", "Float file", vector.other]].filter(([, , values]) => values);
    setText(section, ".about-vector", (vector.of > count ? `The first ${countOf(count)} of ${countOf(vector.of)} numbers. ` : `${countOf(count)} ${count === 1 ? "number" : "numbers"}, no longer maps. `)
      + (labels ? "One for each class. " : "") + "Point at one, touch it or use the arrow keys.");
    const limit = rows.reduce((most, [, , {values}]) => values.reduce((inner, value) => Math.max(inner, Math.abs(value)), most), 0) || 1;
    const wide = count <= 100 ? 10 : 1, tall = 90, hasNegative = rows.some(([, , {values}]) => values.some((value) => value < 0));
    const zero = hasNegative ? tall / 2 : tall;
    const show = (index) => {
      const said = rows.map(([key, name, {values}]) => `${name.toLowerCase()} ${formatNumber(values[index], 4)}` + (key === "file" && vector.codes ? ` (code ${formatCode(vector.codes.values[index])})` : ""));
      find(".readout-vector").replaceChildren(`Number ${index}`, ...(labels ? [", ", bdi(labels[index])] : []), ": " + said.join(", ") + ".");
    };
    find(".bars").replaceChildren(...rows.map(([key, name, {values}]) => {
      const canvas = make("canvas", {role: "application", "data-version": key, "aria-label": `${name}: a bar for each number; arrow keys go from one to the next`});
      drawCells(canvas, tall, count * wide, (row, column) => {
        const value = values[Math.floor(column / wide)], end = zero - value / limit * zero;
        const isBar = row >= Math.min(zero, end) - 0.5 && row < Math.max(zero, end) + 0.5 && (wide === 1 || column % wide < wide - 2);
        return isBar ? signedColor(value < 0 ? -1 : 1) : [0, 0, 0, 0];
      });
      pickCells(canvas, () => 1, () => count, (_, column) => show(column));
      return make("figure", {}, canvas, make("figcaption", {}, `${name}, from ${formatNumber(hasNegative ? -limit : 0)} to ${formatNumber(limit)}`));
    }));
    show(labels ? Math.min(head.explained.index, count - 1) : 0);
  }

  // ---- charts over all layers -----------------------------------------------------------------------------------
  function makeChart(key, rows, valueOf, wordsOf) {
    const parent = find(".chart." + key);
    if (!parent) return;
    const most = rows.reduce((sum, row) => Math.max(sum, valueOf(row)), 0) || 1;
    follow(parent, rows, (row) => make("button", {title: wordsOf(row), "aria-label": wordsOf(row), style: `height: ${100 * valueOf(row) / most}%`}));
    const tallest = rows.find((row) => valueOf(row) === most) || rows[0];
    underCharts.push(() => {
      const chosen = rows.includes(layer) ? `Chosen: ${wordsOf(layer)}. ` : "";
      setText(section, ".under-" + key, `${chosen}Tallest bar: ${wordsOf(tallest)}.`);
    });
  }

  // ---- pooling --------------------------------------------------------------------------------------------------
  function startPools() {
    let pool = data.pools[0], channel = 0, pickWindow = null;
    const controls = find(".pool-controls"), before = find(".pool-before"), after = find(".pool-after");
    const [beforeMarker, afterMarker] = section.querySelectorAll(".pool .marker"), maps = make("span", {class: "controls", role: "group", "aria-label": "Which map"});
    const codeOf = (value, code) => code ? ` (code ${formatCode(Math.round(value / code.scale) + code.zero)})` : "";

    function sayPool() {
      const [rows, columns, channels] = pool.before_shape, [newRows, newColumns] = pool.after_shape;
      const was = rows * columns * channels, is = newRows * newColumns * channels, how = pool.is_max ? "the largest number" : "the mean";
      let text = pool.is_global
        ? `${isolate(pool.name)} has one window over the whole map: of its ${rows} × ${columns} places ${how} stays. `
        : `${isolate(pool.name)} has windows of ${sizeOf(pool.size)} places, ${sizeOf(pool.stride)} apart, and keeps ${how} of each. `;
      text += `${sizeOf(pool.before_shape)} = ${countOf(was)} numbers go in, ${sizeOf(pool.after_shape)} = ${countOf(is)} come out: ${formatNumber(was / is, 3)} times fewer. `;
      if (pool.next && pool.next.without) text += `The next convolution, ${isolate(pool.next.name)}, multiplies ${countOf(pool.next.multiplications)} times; without this pooling it would be ${countOf(pool.next.without)} times, ${formatNumber(pool.next.without / pool.next.multiplications, 3)} times as much.`;
      setText(section, ".about-pool", text);
    }

    function drawPool() {
      const [rows, columns] = pool.before_shape, [newRows, newColumns] = pool.after_shape, color = makeColours();
      const limit = pool.before.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
      drawCells(before, rows, columns, (row, column) => color(at(pool.before, channel, row, column), limit));
      drawCells(after, newRows, newColumns, (row, column) => color(at(pool.after, channel, row, column), limit));
      setText(section, ".pool-before-name", `Map ${pool.channels.values[channel]} before: ${rows} × ${columns}`);
      setText(section, ".pool-after-name", `after: ${newRows} × ${newColumns}`);
    }

    function showWindow(y, x) {
      const [rows, columns] = pool.before_shape, [newRows, newColumns] = pool.after_shape, [height, width] = pool.size;
      const top = y * pool.stride[0] - pool.rim[0], left = x * pool.stride[1] - pool.rim[1], inside = [], numbers = [];
      for (let row = top; row < top + height; row++) {
        for (let column = left; column < left + width; column++) {
          const isInside = row >= 0 && row < rows && column >= 0 && column < columns;
          numbers.push(isInside ? at(pool.before, channel, row, column) : null);
          if (isInside) inside.push(numbers.at(-1));
        }
      }
      const raw = pool.is_max ? Math.max(...inside) : inside.reduce((sum, value) => sum + value, 0) / inside.length;
      const result = Math.min(pool.limits[1] ?? Infinity, Math.max(pool.limits[0] ?? -Infinity, raw)), stored = at(pool.after, channel, y, x);
      const won = pool.is_max ? numbers.indexOf(raw) : -1, table = find(".window table");
      const isShort = numbers.length <= 49, digits = numbers.length <= 9 ? 3 : 2;
      table.className = numbers.length > 9 ? "large" : "";
      table.replaceChildren(...(isShort ? Array.from({length: height}, (_, row) => make("tr", {}, ...numbers.slice(row * width, (row + 1) * width).map((value, column) =>
        make("td", {class: row * width + column === won ? "won" : null, title: value === null ? "beyond the border" : null}, value === null ? "·" : formatNumber(value, digits),
          ...(value !== null && pool.before_code && numbers.length <= 9 ? [make("small", {}, codeOf(value, pool.before_code))] : []))))) : []));
      const agrees = Math.abs(result - stored) <= pool.tolerance;
      setText(section, ".window .result", `${isShort ? "" : `${countOf(numbers.length)} numbers. `}${pool.is_max ? "The largest" : "Their mean"}: ${formatNumber(result, 4)}. The file has ${formatNumber(stored, 4)}${codeOf(stored, pool.after_code)} there: `
        + (result === stored ? "the same." : agrees ? "the same up to rounding." : "not the same."));
      find(".pool").dataset.window = JSON.stringify({y, x, numbers, result, stored, agrees});
      const shownTop = Math.max(0, top), shownLeft = Math.max(0, left);
      placeMarker(beforeMarker, shownTop, shownLeft, Math.min(rows, top + height) - shownTop, Math.min(columns, left + width) - shownLeft, rows, columns);
      placeMarker(afterMarker, y, x, 1, 1, newRows, newColumns);
    }

    function choosePool(index) {
      pool = data.pools[index];
      channel = 0;
      sayPool();
      maps.replaceChildren();
      const count = pool.channels.values.length;
      makeChoice(maps, Array.from(pool.channels.values, (number) => `Map ${number}`), (number) => {
        channel = number;
        drawPool();
        if (pickWindow) pickWindow(...pool.start);
      });
      maps.hidden = count < 2;
    }

    if (data.pools.length > 1) {
      const select = make("select", {onchange: (event) => choosePool(Number(event.target.value))}, ...data.pools.map((one, index) => make("option", {value: index}, one.name)));
      controls.append(make("label", {}, "Pooling", select));
    }
    controls.append(maps);
    choosePool(0);
    pickWindow = pickCells(before, () => pool.after_shape[0], () => pool.after_shape[1], showWindow, pool.start);
  }

  // ---- start ----------------------------------------------------------------------------------------------------
  follow(find(".strip"), data.layers, (row) => make("button", {class: row.kind === "other" ? "box" : null},
    bdi(row.name), make("small", {}, row.kind === "conversion" ? "conversion" : row.operator), make("small", {}, row.shape ? sizeOf(row.shape) : "no maps")));
  makeChart("zeros", data.layers.filter((row) => row.zeros !== null && row.zeros !== undefined), (row) => row.zeros, (row) => `${isolate(row.name)}: ${formatPercent(row.zeros)}`);
  makeChart("noise", data.layers.filter((row) => row.against && row.against.sqnr_db !== null), (row) => Math.max(0, row.against.sqnr_db), (row) => `${isolate(row.name)}: ${row.against.sqnr_db.toFixed(1)} dB`);
  find(".previous").addEventListener("click", () => choose(layer.index - 1));
  find(".following").addEventListener("click", () => choose(layer.index + 1));
  if (data.pools.length) startPools();
  choose(data.start);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (layer.maps && read) { drawSheet(); drawPanels(); } });
  let width = section.clientWidth;
  addEventListener("resize", () => { if (section.clientWidth !== width && layer.maps && read) { width = section.clientWidth; drawSheet(); } });
};
}
