screens.detectors = (section, data, head) => {
  const part = partsOf(section);
  const [height, width] = [head.input.height, head.input.width];
  const COLORS = ["red", "green", "blue"], GREY = 127.5, CHIPS = 12, BOX = ["#000", "#fff"];
  const by = (...sides) => sides.join(" × ");
  // As wide as the style says, or as high, whichever is more.
  const fit = (canvas) => { canvas.style.maxWidth = `calc(var(--side) * ${Math.min(1, canvas.width / canvas.height)})`; };

  // ---- the first layer ------------------------------------------------------------------------------------------
  const first = data.first, [numFilters, filterRows, filterColumns, filterDepth] = first.weights.shape;
  const channelName = (channel) => first.reads_colors ? COLORS[channel] : "channel " + channel;
  const largestOf = Array.from({length: numFilters}, (_, filter) => weightsOf(filter).reduce((largest, weight) => Math.max(largest, Math.abs(weight)), 0));
  const scaleOf = (filter) => (part("own-scale").checked ? largestOf[filter] : first.largest) || 1;
  const inColor = (filter, row, column) => [0, 1, 2].map((channel) => GREY + GREY * at(first.weights, filter, row, column, channel) / scaleOf(filter));
  const inChannel = (channel) => (filter, row, column) => signedColor(at(first.weights, filter, row, column, channel) / scaleOf(filter));
  const views = [
    ...(first.reads_colors ? [["In colour", inColor]] : []),
    ...Array.from({length: Math.min(filterDepth, CHIPS)}, (_, channel) => [filterDepth === 1 ? "Weights" : channelName(channel)[0].toUpperCase() + channelName(channel).slice(1), inChannel(channel)]),
  ];
  const TILE = numFilters <= 64 ? 44 : numFilters <= 256 ? 28 : 16, GAP = 4, SHEET = 480;
  const cell = Math.max(1, Math.round(TILE / Math.max(filterRows, filterColumns))), tall = filterRows * cell + GAP, wide = filterColumns * cell + GAP;
  const perRow = Math.max(1, Math.min(numFilters, Math.floor(SHEET / wide))), numRows = Math.ceil(numFilters / perRow);
  let view = views[0][1], chosen = 0;

  function weightsOf(filter) {
    const size = filterRows * filterColumns * filterDepth;
    return first.weights.values.subarray(filter * size, (filter + 1) * size);
  }

  function drawFilters() {
    const canvas = part("filters");
    drawCells(canvas, numRows * tall, perRow * wide, (y, x) => {
      const filter = Math.floor(y / tall) * perRow + Math.floor(x / wide), row = Math.floor((y % tall - GAP / 2) / cell), column = Math.floor((x % wide - GAP / 2) / cell);
      const isWeight = filter < numFilters && row >= 0 && row < filterRows && column >= 0 && column < filterColumns;
      return isWeight ? view(filter, row, column) : [0, 0, 0, 0];
    });
    const context = canvas.getContext("2d");
    context.strokeStyle = getComputedStyle(section).getPropertyValue("--accent");
    context.lineWidth = GAP - 1;
    context.strokeRect(chosen % perRow * wide + GAP / 4, Math.floor(chosen / perRow) * tall + GAP / 4, wide - GAP / 2, tall - GAP / 2);
  }

  function showFilter() {
    drawFilters();
    part("filter-name").textContent = `Filter ${chosen} of ${numFilters}, counted from 0`;
    const slices = views.map(([name, color]) => {
      const canvas = make("canvas", {role: "img", "aria-label": `Filter ${chosen}, ${name.toLowerCase()}`});
      drawCells(canvas, filterRows, filterColumns, (row, column) => color(chosen, row, column));
      fit(canvas);
      return make("figure", {}, canvas, make("figcaption", {}, name));
    });
    part("filter-slices").replaceChildren(...slices);
    const weights = weightsOf(chosen);
    const sum = weights.reduce((total, weight) => total + weight, 0), strength = weights.reduce((total, weight) => total + Math.abs(weight), 0);
    const balance = strength === 0 ? "All of its weights are zero: it detects nothing."
      : Math.abs(sum) < 0.15 * strength ? `They nearly cancel out (sum ${formatSigned(sum)}): an even grey area gives it almost nothing, a change inside the window does.`
      : sum > 0 ? `They add up to ${formatSigned(sum)}: bright areas raise it.` : `They add up to ${formatSigned(sum)}: dark areas raise it.`;
    part("filter-text").textContent = `Its ${weights.length} weights go from ${formatSigned(Math.min(...weights))} to ${formatSigned(Math.max(...weights))}. ${balance}`;
  }

  part("filters").setAttribute("aria-label", `The ${numFilters} filters of ${first.layer}; arrow keys choose one`);
  makeChoice(part("views"), views.map(([name]) => name), (index) => { view = views[index][1]; drawFilters(); });
  part("own-scale").addEventListener("change", showFilter);
  const boldest = largestOf.indexOf(Math.max(...largestOf));
  pickCells(part("filters"), () => numRows, () => perRow, (row, column) => {
    chosen = Math.min(numFilters - 1, row * perRow + column);
    showFilter();
  }, [Math.floor(boldest / perRow), boldest % perRow]);
  part("filter-find").addEventListener("click", () => { choose(0, chosen); section.querySelector("#detectors-deeper").scrollIntoView(); });

  // ---- pictures that are cut --------------------------------------------------------------------------------------
  const loaded = new Map();
  function load(image) {
    if (!loaded.has(image)) {
      const element = new Image();
      element.src = image.src;
      loaded.set(image, element.decode().then(() => element));
    }
    return loaded.get(image);
  }

  // Draw a part of a picture, [left, top, width, height] in its pixels, as large as `side` at most.
  function drawPart(canvas, picture, [left, top, wide, tall], side, isExact = true) {
    const factor = side / Math.max(wide, tall);
    canvas.width = Math.max(1, Math.round(wide * factor));
    canvas.height = Math.max(1, Math.round(tall * factor));
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = !isExact || factor < 8;  // few real pixels are shown as the squares that they are
    context.drawImage(picture, left, top, wide, tall, 0, 0, canvas.width, canvas.height);
    return context;
  }

  // Frame a part of a drawing; never smaller than can be seen, and the frame itself never outside.
  function strokeBox(context, left, top, wide, tall) {
    const x = Math.max(1, Math.min(left, context.canvas.width - 9)), y = Math.max(1, Math.min(top, context.canvas.height - 9));
    BOX.forEach((color, index) => {
      context.strokeStyle = color;
      context.lineWidth = index ? 2 : 4;
      context.strokeRect(x, y, Math.max(8, Math.min(left + wide, context.canvas.width - 1) - x), Math.max(8, Math.min(top + tall, context.canvas.height - 1) - y));
    });
  }

  const boxOf = (part, ...place) => [0, 1, 2, 3].map((end) => at(layer.boxes, at(part.box, ...place), end));
  const tileOf = (sheet, index) => [index % sheet.columns * sheet.tile[1], Math.floor(index / sheet.columns) * sheet.tile[0], sheet.tile[1], sheet.tile[0]];

  // ---- one filter of any layer --------------------------------------------------------------------------------------
  let layer = null, filter = 0, turn = 0;
  const isSilent = (value) => layer.activation !== "" && layer.floor !== null && value <= layer.floor;
  const isLargest = (value) => layer.ceiling !== null && value >= layer.ceiling - 1e-6 * Math.abs(layer.ceiling);

  data.layers.forEach((one, index) => part("layer").append(make("option", {value: index}, `${index + 1}. ${one.name}: ${one.output[2]} × (${by(...one.filter)})`)));
  part("layer").addEventListener("change", () => choose(Number(part("layer").value)));
  part("filter").addEventListener("change", () => choose(data.layers.indexOf(layer), Math.round(Number(part("filter").value)) || 0));

  function choose(index, wanted = data.layers[index].strongest.values[0]) {
    const isNew = layer !== data.layers[index];
    layer = data.layers[index];
    filter = Math.max(0, Math.min(layer.output[2] - 1, wanted));
    turn += 1;
    part("layer").value = String(index);
    part("filter").max = String(layer.output[2] - 1);
    part("filter").value = String(filter);
    part("filter-range").textContent = layer.output[2] === 1 ? "the only one" : `0 to ${countOf(layer.output[2] - 1)}`;
    if (isNew) { showStrongest(); showFields(); }
    for (const button of part("strongest").children) button.setAttribute("aria-pressed", String(Number(button.dataset.filter) === filter));
    showPlace();
    showPatches(turn);
    showSum(turn);
  }

  function showStrongest() {
    const mine = layer, buttons = [...layer.strongest.values].slice(0, CHIPS).filter((one) => !isSilent(layer.peaks.values[one])).map((one) => {
      const canvas = make("canvas", {width: 40, height: 40, "aria-hidden": "true"});
      const [top, left, bottom, right] = boxOf(layer, one);
      if (bottom > top) load(head.seen).then((picture) => drawPart(canvas, picture, [left, top, right - left, bottom - top], 80));
      return make("button", {type: "button", "data-filter": one, onclick: () => choose(data.layers.indexOf(mine), one)}, canvas, `${one}: ${formatNumber(layer.peaks.values[one])}`);
    });
    part("strongest").replaceChildren(...(buttons.length ? buttons : ["none: this layer is silent everywhere."]));
  }

  function fieldInWords(one) {
    const [rows, columns] = one.size, [seenRows, seenColumns] = one.seen;
    const isAll = seenRows === height && seenColumns === width;
    if (rows === null || columns === null) return isAll ? "can see the whole picture" : `can see up to ${by(seenRows, seenColumns)} pixels (cells differ)`;
    if (rows >= height && columns >= width) return `can see ${by(rows, columns)} pixels, more than the whole picture of ${by(height, width)}; what lies beyond is padding`;
    return `can see ${by(rows, columns)} of the picture's ${by(height, width)} pixels`;
  }

  function showPlace() {
    const [top, left, bottom, right] = boxOf(layer, filter), value = layer.peaks.values[filter], box = part("box");
    box.hidden = isSilent(value) || bottom <= top;
    Object.assign(box.style, {
      left: 100 * left / width + "%", top: 100 * top / height + "%",
      width: 100 * (right - left) / width + "%", height: 100 * (bottom - top) / height + "%",
    });
    const places = countOf(layer.output[0] * layer.output[1]);
    const position = layer.strongest.values.indexOf(filter), alike = position < 0 ? 1 : layer.sums.num_alike.values[position];
    const others = alike > 1 ? ` (the first of ${countOf(alike)} places with that number${isLargest(value) ? ", the largest that this layer can give" : ""})` : "";
    part("place").textContent = isSilent(value)
      ? `Filter ${filter} of ${layer.name} does not answer to your picture: ${formatNumber(value)} at all ${places} places.`
      : `Filter ${filter} of ${layer.name} is largest ${bottom > top ? "in the box" : "where it sees nothing but padding"}: ${formatNumber(value)}${others}. One cell of this layer ${fieldInWords(layer)}.`;
  }

  // ---- patches ----------------------------------------------------------------------------------------------------
  function showPatches(mine) {
    const target = part("patches"), set = data.data_set;
    if (set === null) {
      part("patches-title").textContent = "What excites it most, in your picture";
      part("patches-note").textContent = "This is the one picture that this page knows. With --data FOLDER, edgecnn explain looks for what excites each filter most in all pictures of a data set.";
      const [top, left, bottom, right] = boxOf(layer, filter), canvas = make("canvas", {role: "img", "aria-label": "The box, cut out of your picture"});
      if (isSilent(layer.peaks.values[filter]) || bottom <= top) { target.replaceChildren(make("p", {}, "Nothing does.")); return; }
      target.replaceChildren(make("figure", {}, canvas, make("figcaption", {}, formatNumber(layer.peaks.values[filter]))));
      load(head.seen).then((picture) => { if (mine === turn) drawPart(canvas, picture, [left, top, right - left, bottom - top], 256); });
      return;
    }
    const all = countOf(set.num_pictures);
    part("patches-title").textContent = `What excites filter ${filter} most, in ${all} pictures${set.split === "all" ? "" : ` (${set.split})`}`;
    const patches = Array.from({length: set.count}, (_, slot) => ({slot, value: at(layer.patches.values, filter, slot), picture: at(layer.patches.pictures, filter, slot)}))
      .filter((patch) => patch.picture >= 0 && !isSilent(patch.value));
    part("patches-note").textContent = patches.length === 0 ? `None of the ${all} pictures excites it.`
      : "Left what the cell saw (grey lies beyond the picture), right where in the whole picture. At most one patch of each picture."
        + (isLargest(patches[0].value) ? ` Of this layer no number can be above ${formatNumber(layer.ceiling)}: where more pictures reach it, which of them are shown is chance.` : "")
        + (patches.some((patch) => patch.picture >= set.num_shown) ? ` This page holds ${countOf(set.num_shown)} of the pictures, those that excite the filters that your picture excites most; of others it knows the name.` : "");
    target.replaceChildren(...patches.map((patch) => showPatch(patch, mine)));
  }

  function showPatch({slot, value, picture}, mine) {
    const set = data.data_set, box = boxOf(layer.patches, filter, slot);
    const name = picture < set.paths.length ? set.paths[picture] : null;
    const label = name === null ? null : head.labels[set.labels.values[picture]];
    const where = `rows ${box[0]} to ${box[2] - 1}, columns ${box[1]} to ${box[3] - 1}`;
    const words = make("figcaption", {title: where}, make("b", {}, formatNumber(value)), " ", make("bdi", {}, label ?? (name === null ? "a picture that is not named here" : "no class")), make("br"), make("bdi", {}, name === null ? "" : name.split("/").pop()));
    if (picture >= set.num_shown) return make("figure", {}, words, make("small", {}, where));
    const cut = make("canvas", {role: "img", "aria-label": `Patch of ${name}`}), whole = make("canvas", {role: "img", "aria-label": `${name} with the place of the patch: ${where}`});
    load(set.sheet).then((sheet) => {
      if (mine !== turn) return;
      const tile = tileOf(set, picture), isExact = tile[3] === height, context = drawPart(whole, sheet, tile, 160, isExact);
      const [down, across] = [tile[3] / height, tile[2] / width], size = whole.width / width;
      strokeBox(context, box[1] * size, box[0] * size, (box[3] - box[1]) * size, (box[2] - box[0]) * size);
      if (!cropOf(slot)) drawPart(cut, sheet, [tile[0] + box[1] * across, tile[1] + box[0] * down, Math.max(1, (box[3] - box[1]) * across), Math.max(1, (box[2] - box[0]) * down)], 160, isExact);
    });
    if (cropOf(slot)) load(layer.crops.sheet).then((sheet) => { if (mine === turn) drawPart(cut, sheet, cropOf(slot), 160, layer.crops.tile[0] === layer.size[0]); });
    return make("figure", {}, make("div", {class: "pair"}, cut, whole), words);
  }

  // The patch in the pixels of the large picture, where the page has it.
  function cropOf(slot) {
    const position = layer.strongest.values.indexOf(filter);
    return layer.crops === null || position < 0 ? null : tileOf(layer.crops, position * data.data_set.count + slot);
  }

  // ---- the sum ----------------------------------------------------------------------------------------------------
  const FORMS = {
    full: (depth) => `The filter is a block of ${by(...layer.filter)} weights: ${depth} slices, one for each map that it reads. Every slice is multiplied with its own map, and all products become one sum.`,
    pointwise: (depth) => `The filter is 1 × 1: one weight for each of ${depth} maps. It looks at a single place and only sums over the maps.`,
    depthwise: () => "The filter is depthwise: it reads a single map and sums over no others. The next layer brings the maps together.",
    grouped: (depth) => `The filter reads one group of ${depth} maps and sums over these.`,
  };
  const mapName = (channel) => layer.reads_colors ? COLORS[channel] : `map ${channel}`;

  function showSum(mine) {
    const sums = layer.sums, position = layer.strongest.values.indexOf(filter), body = part("sum");
    part("sum-title").textContent = `How the number of filter ${filter} comes about at that place`;
    part("sum-words").textContent = FORMS[layer.form](countOf(layer.filter[2])) + (layer.reads_colors ? " The maps that it reads are the picture's colours." : ` The maps come from ${layer.reads}.`);
    part("sum-verdict").textContent = "";
    section.querySelector(".sum").hidden = position < 0;
    if (position < 0) {
      part("sum-verdict").textContent = `Its sum is not in this page: of this layer it takes apart the ${layer.strongest.values.length} filters that your picture excites most. The place and the patches above are those of filter ${filter}.`;
      return;
    }
    const shown = Array.from({length: sums.channels.shape[1]}, (_, slot) => ({slot, channel: at(sums.channels, position, slot), partial: at(sums.partial, position, slot)})).filter((one) => one.channel >= 0);
    const others = layer.filter[2] - shown.length, largest = Math.max(...shown.map((one) => Math.abs(one.partial)), Math.abs(sums.rest.values[position]), Math.abs(sums.bias.values[position])) || 1;
    const rows = shown.map((one) => channelRow(one, position, largest, mine));
    if (others > 0) rows.push(plainRow(`the other ${countOf(others)} map${others === 1 ? "" : "s"}`, sums.rest.values[position], largest));
    rows.push(plainRow("bias, the same everywhere", sums.bias.values[position], largest), plainRow("sum", sums.total.values[position], null, "total"));
    if (layer.activation) rows.push(plainRow(`after ${{relu: "ReLU", relu6: "ReLU6"}[layer.activation] ?? layer.activation}`, sums.clamped.values[position], null));
    rows.push(plainRow("the number that the file computed", layer.peaks.values[filter], null));
    body.replaceChildren(...rows);
    const agrees = sums.agrees.values[position];
    part("sum-verdict").append(make("span", {class: "badge " + (agrees ? "good" : "warn")}, agrees ? "agrees" : "differs"), ` They ${agrees ? "are" : "should be"} equal up to ${formatNumber(sums.tolerance.values[position])}, what rounding may do.`);
  }

  function barOf(value, largest) {
    if (largest === null) return "";
    const bar = make("div", {class: "bar"});
    bar.style.width = 100 * Math.abs(value) / largest + "%";
    bar.style.background = `rgb(${signedColor(Math.sign(value) * 0.85).join(" ")})`;
    return make("div", {class: "track", "aria-hidden": "true"}, bar);
  }

  function plainRow(name, value, largest, kind = null) {
    return make("tr", {class: kind}, make("th", {scope: "row", colspan: 3}, name), make("td", {class: "number"}, formatSigned(value)), make("td", {}, barOf(value, largest)));
  }

  function channelRow({slot, channel, partial}, position, largest, mine) {
    const map = make("canvas", {role: "img", "aria-label": `${mapName(channel)} of your picture, the window marked`}), slice = make("canvas", {role: "img", "aria-label": `Slice of weights for ${mapName(channel)}`});
    const [rows, columns] = layer.filter, weights = layer.sums.slices, strongest = sliceLimit(position);
    drawCells(slice, rows, columns, (row, column) => signedColor(at(weights, position, slot, row, column) / strongest));
    fit(slice);
    load(layer.maps.sheet).then((sheet) => { if (mine === turn) drawMap(map, sheet, layer.maps.channels.values.indexOf(channel), position); });
    const weight = rows * columns === 1 ? make("td", {}, slice, make("small", {}, formatSigned(at(weights, position, slot, 0, 0)))) : make("td", {}, slice);
    return make("tr", {}, make("th", {scope: "row"}, mapName(channel)), make("td", {}, map), weight, make("td", {class: "number"}, formatSigned(partial)), make("td", {}, barOf(partial, largest)));
  }

  function sliceLimit(position) {
    const size = layer.sums.slices.values.length / layer.sums.slices.shape[0];
    return layer.sums.slices.values.subarray(position * size, (position + 1) * size).reduce((largest, weight) => Math.max(largest, Math.abs(weight)), 0) || 1;
  }

  function drawMap(canvas, sheet, index, position) {
    const [left, top, wide, tall] = tileOf(layer.maps, index), reader = make("canvas", {width: wide, height: tall}).getContext("2d");
    reader.drawImage(sheet, left, top, wide, tall, 0, 0, wide, tall);
    const codes = reader.getImageData(0, 0, wide, tall).data;
    const small = make("canvas");
    drawCells(small, tall, wide, (row, column) => signedColor((codes[4 * (row * wide + column)] - 128) / 120));
    const context = drawPart(canvas, small, [0, 0, wide, tall], 112);
    const [mapRows, mapColumns] = layer.input, down = canvas.height / mapRows, across = canvas.width / mapColumns;
    const row = at(layer.sums.cells, position, 0) * layer.stride[0] - layer.before[0], column = at(layer.sums.cells, position, 1) * layer.stride[1] - layer.before[1];
    fit(canvas);
    strokeBox(context, column * across, row * down, layer.reach[1] * across, layer.reach[0] * down);
  }

  // ---- receptive fields -------------------------------------------------------------------------------------------
  function showFields() {
    const fields = data.fields, side = Math.max(height, width);
    const sizeOf = (one) => Math.max(...one.size.map((size, axis) => size ?? one.seen[axis]));
    const bars = fields.map((one, index) => {
      const shown = Math.max(0.01, Math.min(1, sizeOf(one) / side)), kind = [shown === 1 ? "all" : "", one.name === layer.name ? "here" : ""].join(" ").trim();
      return makeSvg("rect", {x: index + 0.1, y: 1 - shown, width: 0.8, height: shown, class: kind || null}, makeSvg("title", {}, `${one.name}: ${fieldInWords(one)}`));
    });
    const chart = makeSvg("svg", {viewBox: `0 0 ${fields.length} 1`, preserveAspectRatio: "none", class: "fields", role: "img", "aria-label": "Side of the receptive field of each layer, in pixels"}, ...bars);
    const ends = make("div", {class: "ends soft"}, make("bdi", {}, fields[0].name), make("bdi", {}, fields[fields.length - 1].name));
    part("fields").replaceChildren(make("small", {}, `${side} pixels: the whole picture`), chart, ends);
    const all = fields.filter((one) => sizeOf(one) >= side);
    part("fields-words").textContent = `Side of the receptive field, layer by layer; the framed bar is ${layer.name}, whose cells ${fieldInWords(layer).replace("can see", "see")}. `
      + (all.length ? `From ${all[0].name} on a cell's field is as large as the picture.` : "No cell of any layer sees the whole picture.");
  }

  // A layer in the middle that sums over maps and sees a part of the picture is the best one to begin with.
  const middle = data.layers.findLastIndex((one) => one.filter[2] > 1 && !one.reads_colors && one.size.every((size, axis) => size !== null && 3 * size <= head.input[axis ? "width" : "height"]));
  choose(middle >= 0 ? middle : Math.min(1, data.layers.length - 1));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { showFilter(); choose(data.layers.indexOf(layer), filter); });
};
