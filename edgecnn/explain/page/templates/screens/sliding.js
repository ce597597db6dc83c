screens.sliding = (section, data, head) => {
  const {layer, window: sliding, output, integers} = data;
  const [inRows, inColumns, inChannels] = layer.input_shape, [outRows, outColumns] = layer.output_shape;
  const [, tapRows, tapColumns, depth] = data.weights.shape;
  const numCells = outRows * outColumns, find = (selector) => section.querySelector(selector);
  const names = inChannels === 3 ? ["red", "green", "blue"] : Array.from({length: inChannels}, (_, i) => `channel ${i}`);
  const input = find(".input"), map = find(".map"), frames = section.querySelectorAll(".frame");
  const codes = data.input.is_picture ? head.pixels : data.input.codes;
  const cell = {row: -1, column: -1};
  let filter = data.start.filter, filled = numCells, shownChannel = 0, pickers = [];

  // ---- the arithmetic -------------------------------------------------------------------------------------------
  // The real number that the filter reads there.
  function read(y, x, channel) {
    if (data.input.values) return at(data.input.values, y, x, channel);
    const table = data.input.table;
    return at(table, Math.min(channel, table.shape[0] - 1), at(codes, y, x, channel));
  }

  // The first channel that a filter sees: 0 but in groups, of which a depthwise convolution has one for each channel.
  function firstChannel() {
    return Math.floor(data.shown.values[filter] / (layer.output_shape[2] / layer.groups)) * depth;
  }

  // All taps of the window of a cell: {y, x, channel, inside, value, weight, product}.
  function tapsOf(row, column) {
    const taps = [], first = firstChannel();
    for (let r = 0; r < tapRows; r++) for (let s = 0; s < tapColumns; s++) for (let c = 0; c < depth; c++) {
      const y = row * sliding.stride[0] - sliding.before[0] + r * sliding.dilation[0];
      const x = column * sliding.stride[1] - sliding.before[1] + s * sliding.dilation[1];
      const inside = y >= 0 && x >= 0 && y < inRows && x < inColumns;
      const value = inside ? read(y, x, first + c) : 0, weight = at(data.weights, filter, r, s, c);
      taps.push({r, s, c, y, x, channel: first + c, inside, value, weight, product: value * weight});
    }
    return taps;
  }

  const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

  function activate(sum) {
    const bent = layer.activation === "tanh" ? Math.tanh(sum) : sum;
    return Math.min(output.high ?? Infinity, Math.max(output.low ?? -Infinity, bent));
  }

  // What a number in the file's map means; in a float file, itself.
  const real = (code) => output.step ? output.step * (code - output.zero_point) : code;

  function compute(row, column) {
    const taps = tapsOf(row, column), bias = data.biases.values[filter];
    const products = sumOf(taps.map((tap) => tap.product)), total = products + bias, clamped = activate(total);
    const size = sumOf(taps.map((tap) => Math.abs(tap.product))) + Math.abs(bias);
    const rounding = data.rounding.float_step * (taps.length + 1) * size
      + data.rounding.input_step / 2 * sumOf(taps.map((tap) => Math.abs(tap.weight)));
    const file = real(at(data.maps, filter, row, column)), tolerance = output.step || rounding;
    return {taps, bias, products, total, clamped, file, tolerance, agrees: Math.abs(clamped - file) <= tolerance};
  }

  // ---- pictures -------------------------------------------------------------------------------------------------
  const paddedRows = inRows + sliding.before[0] + sliding.after[0], paddedColumns = inColumns + sliding.before[1] + sliding.after[1];
  let low = Infinity, high = -Infinity;
  if (!data.input.is_picture) {
    for (const value of (data.input.values || data.input.table).values) { low = Math.min(low, value); high = Math.max(high, value); }
  }
  const shade = (y, x, channel) => data.input.is_picture ? at(codes, y, x, channel)
    : Math.round(255 * (read(y, x, channel) - low) / (high - low || 1));
  const inColor = inChannels === 3;

  function paintInput() {
    drawCells(input, paddedRows, paddedColumns, (row, column) => {
      const y = row - sliding.before[0], x = column - sliding.before[1];
      if (y < 0 || x < 0 || y >= inRows || x >= inColumns) return (row + column) % 2 ? [150, 150, 150] : [205, 205, 205];
      return inColor ? [0, 1, 2].map((channel) => shade(y, x, channel)) : Array(3).fill(shade(y, x, shownChannel));
    });
  }

  function paintMap() {
    const codes = data.maps.values, start = filter * numCells;
    let least = Infinity, most = -Infinity;
    for (let i = start; i < start + numCells; i++) { least = Math.min(least, codes[i]); most = Math.max(most, codes[i]); }
    const bottom = real(least), top = real(most), reach = Math.max(Math.abs(bottom), Math.abs(top)) || 1;
    drawCells(map, outRows, outColumns, (row, column) => {
      const i = row * outColumns + column;
      if (i >= filled) return [0, 0, 0, 0];
      const value = real(codes[start + i]);
      return bottom < 0 ? signedColor(value / reach) : greyColor((value - bottom) / (top - bottom || 1));
    });
    setText(section, ".range", bottom < 0
      ? `orange above zero, blue below, ${formatNumber(bottom)} to ${formatNumber(top)}` : `black ${formatNumber(bottom)} to white ${formatNumber(top)}`);
  }

  // A filter as a picture: colours where it has three channels, else the sum over its channels; grey is zero.
  function paintFilter(canvas, index) {
    const weights = data.weights.values.subarray(index * tapRows * tapColumns * depth, (index + 1) * tapRows * tapColumns * depth);
    const place = (r, s) => (r * tapColumns + s) * depth;
    const value = (r, s, c) => depth === 3 ? weights[place(r, s) + c] : sumOf([...weights.subarray(place(r, s), place(r, s) + depth)]);
    let most = 0;
    for (let r = 0; r < tapRows; r++) for (let s = 0; s < tapColumns; s++) for (let c = 0; c < 3; c++) most = Math.max(most, Math.abs(value(r, s, c)));
    drawCells(canvas, tapRows, tapColumns, (r, s) => [0, 1, 2].map((c) => Math.round(127.5 + 127.5 * value(r, s, c) / (most || 1))));
  }

  function setFrame(frame, top, left, height, width, rows, columns) {
    frame.style.top = 100 * top / rows + "%";
    frame.style.left = 100 * left / columns + "%";
    frame.style.height = 100 * height / rows + "%";
    frame.style.width = 100 * width / columns + "%";
  }

  // ---- numbers --------------------------------------------------------------------------------------------------
  const ink = (color) => 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 120 ? "#000" : "#fff";

  // As many decimals for all numbers of a grid, so that they stand below each other.
  function decimalsFor(most) {
    return most >= 100 ? 0 : most >= 10 ? 1 : Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(most))));
  }

  function grid(caption, taps, number, most, color) {
    const body = make("tbody"), decimals = decimalsFor(most);
    const format = (value) => (value < 0 && Number(value.toFixed(decimals)) !== 0 ? MINUS : "") + Math.abs(value).toFixed(decimals);
    for (let r = 0; r < tapRows; r++) {
      body.append(make("tr", {}, ...taps.filter((tap) => tap.r === r).map((tap) => {
        const made = make("td", {}, format(number(tap))), paint = color(tap);
        if (paint) { made.style.background = `rgb(${paint})`; made.style.color = ink(paint); } else made.className = "rim";
        return made;
      })));
    }
    return make("table", {}, make("caption", {}, caption), body);
  }

  function showTrios(found) {
    const most = (name) => Math.max(...found.taps.map((tap) => Math.abs(tap[name]))) || 1;
    const mostValue = most("value"), mostWeight = most("weight"), mostProduct = most("product");
    const channels = depth <= 3 ? Array.from({length: depth}, (_, c) => c) : [shownChannel - firstChannel()];
    find(".trios").replaceChildren(...channels.map((c) => {
      const taps = found.taps.filter((tap) => tap.c === c), channel = taps[0].channel;
      return make("div", {class: "trio scroll", role: "region", tabindex: 0, "aria-label": `Products of ${names[channel]}`},
        make("b", {}, `${names[channel]}: products add up to ${formatNumber(sumOf(taps.map((tap) => tap.product)))}`),
        grid("numbers", taps, (tap) => tap.value, mostValue, (tap) => tap.inside && Array(3).fill(shade(tap.y, tap.x, tap.channel))),
        make("span", {}, "×", grid("weights", taps, (tap) => tap.weight, mostWeight, (tap) => signedColor(tap.weight / mostWeight))),
        make("span", {}, "=", grid("products", taps, (tap) => tap.product, mostProduct, (tap) => signedColor(tap.product / mostProduct))));
    }));
  }

  function showSteps(found) {
    const line = (name, value, note = "") => make("tr", {}, make("th", {scope: "row"}, name), make("td", {class: "number"}, formatNumber(value, 5)), make("td", {class: "soft"}, note));
    const rows = [line(`sum of ${countOf(found.taps.length)} products`, found.products, depth <= 1 ? "" : depth > 6 ? `over ${depth} channels`
      : Array.from({length: depth}, (_, c) => formatNumber(sumOf(found.taps.filter((tap) => tap.c === c).map((tap) => tap.product)))).join(" + ").replaceAll(`+ ${MINUS}`, `${MINUS} `))];
    rows.push(line("plus the bias", found.bias, data.has_bias ? "one number for each filter" : "this layer has none"));
    rows.push(line("sum", found.total));
    rows.push(line("after the activation", found.clamped, describeClamp(found)));
    if (output.step) {
      const code = Math.round(found.clamped / output.step) + output.zero_point;
      rows.push(line("rounded to a code of the file", real(code),
        `code ${formatNumber(code)}: ${formatNumber(output.step, 4)} × (${formatNumber(code)} ${output.zero_point < 0 ? "+" : MINUS} ${Math.abs(output.zero_point)})`));
    }
    rows.push(line("the file itself computed", found.file, output.step ? `code ${formatNumber(at(data.maps, filter, cell.row, cell.column))}` : ""));
    find(".steps tbody").replaceChildren(...rows);
  }

  function describeClamp(found) {
    const {low, high} = output, name = {relu: "ReLU", relu6: "ReLU6"}[layer.activation] || layer.activation;
    if (low === null && high === null) return name || "this layer has none";
    const range = high === null ? `${formatNumber(low)} and more` : `${formatNumber(low)} to ${formatNumber(high)}`;
    return `${found.clamped === found.total ? "unchanged" : "cut off"}: ${name ? `the ${name} in this layer lets through` : "no activation, but the codes end:"} ${range}`;
  }

  function showVerdict(found) {
    const apart = Math.abs(found.clamped - found.file), badge = find(".verdict");
    badge.className = "badge verdict " + (found.agrees ? "good" : "warn");
    badge.textContent = !found.agrees ? "not equal" : output.step ? "equal within one step" : "equal up to rounding";
    find(".verdict-words").setAttribute("aria-live", playing ? "off" : "polite");
    const limit = output.step ? `the quantization step is ${formatNumber(output.step)}` : `rounding explains up to ${formatNumber(found.tolerance)}`;
    setText(section, ".verdict-words", `Row ${cell.row}, column ${cell.column}: the sum says ${formatNumber(found.clamped, 4)}, the file ${formatNumber(found.file, 4)}; they differ by ${formatNumber(apart)}, and ${limit}.`);
  }

  function showIntegers(found) {
    if (!integers) return;
    const scale = integers.scales[filter], zero = integers.zeros[filter];
    const sum = sumOf(found.taps.map((tap) => Math.round(tap.value / integers.input_scale) * (at(integers.weights, filter, tap.r, tap.s, tap.c) - zero))) + integers.biases[filter];
    const factor = integers.input_scale * scale / output.step, code = output.zero_point + Math.round(sum * factor);
    const facts = {
      "input x": `S = ${formatNumber(integers.input_scale, 6)}, Z = ${formatNumber(integers.input_zero)}`,
      "this filter w": `S = ${formatNumber(scale, 6)}, Z = ${formatNumber(zero)}, bias ${formatNumber(integers.biases[filter])}`,
      "map y": `S = ${formatNumber(output.step, 6)}, Z = ${formatNumber(output.zero_point)}`,
      "A in this cell": formatNumber(sum),
      "A × Sx × Sw ÷ Sy": formatNumber(sum * factor, 6),
      "code": `${formatNumber(code)}, clamped ${formatNumber(Math.max(output.low_code, Math.min(output.high_code, code)))}; in the file ${formatNumber(at(data.maps, filter, cell.row, cell.column))}`,
    };
    find(".integers").replaceChildren(...Object.entries(facts).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  }

  function show() {
    const found = compute(cell.row, cell.column);
    const top = cell.row * sliding.stride[0], left = cell.column * sliding.stride[1];
    setFrame(frames[0], top, left, sliding.reach[0], sliding.reach[1], paddedRows, paddedColumns);
    setFrame(frames[1], cell.row, cell.column, 1, 1, outRows, outColumns);
    setText(section, ".place", `Filter ${data.shown.values[filter]}, row ${cell.row}, column ${cell.column}: the window's corner is at row ${formatNumber(top - sliding.before[0])}, column ${formatNumber(left - sliding.before[1])} (counted from 0)`);
    showTrios(found);
    showSteps(found);
    showIntegers(found);
    showVerdict(found);
  }

  // ---- moving ---------------------------------------------------------------------------------------------------
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches, play = find(".play");
  const SLOW_CELLS = 16, SLOW_S = 3, FAST_S = 9;
  let playing = false, playedS = 0, clock = 0;

  function choose(row, column) {
    if (row === cell.row && column === cell.column) return;
    cell.row = row;
    cell.column = column;
    pickers.forEach((pick) => pick(row, column));
    show();
  }

  // A person chose: the map is whole again. A mouse that only passes by does not stop the film.
  function chooseByHand(row, column) {
    if (playing || (row === cell.row && column === cell.column)) return;
    if (filled < numCells) { filled = numCells; playedS = 0; paintMap(); }
    choose(row, column);
  }

  // Slow at first, so that each step is seen; then ever faster, so that it comes to an end.
  function cellsAfter(seconds) {
    if (seconds < SLOW_S || numCells <= SLOW_CELLS) return Math.min(numCells, Math.floor(seconds * SLOW_CELLS / SLOW_S));
    return Math.min(numCells, Math.floor(SLOW_CELLS * (numCells / SLOW_CELLS) ** ((seconds - SLOW_S) / FAST_S)));
  }

  function advance(now) {
    if (!playing) return;
    playedS += (now - clock) / 1000;
    clock = now;
    const done = cellsAfter(playedS);
    if (done !== filled) {
      filled = done;
      paintMap();
      const last = Math.max(0, done - 1);
      choose(Math.floor(last / outColumns), last % outColumns);
    }
    if (done === numCells) stop();
    else requestAnimationFrame(advance);
  }

  function stop() {
    playing = false;
    play.textContent = "Play";
    if (filled === numCells) playedS = 0;
    showVerdict(compute(cell.row, cell.column));
  }

  play.addEventListener("click", () => {
    if (playing) { stop(); return; }
    playing = true;
    play.textContent = "Pause";
    clock = performance.now();
    requestAnimationFrame(advance);
  });
  play.hidden = calm;
  find(".next-cell").addEventListener("click", () => {
    if (playing) stop();
    const next = (cell.row * outColumns + cell.column + 1) % numCells;
    chooseByHand(Math.floor(next / outColumns), next % outColumns);
  });

  // ---- start ----------------------------------------------------------------------------------------------------
  if (sliding.dilation.some((apart) => apart > 1)) {
    frames[0].style.gridTemplate = `repeat(${sliding.reach[0]}, 1fr) / repeat(${sliding.reach[1]}, 1fr)`;
    for (let r = 0; r < tapRows; r++) for (let s = 0; s < tapColumns; s++) {
      const tap = make("i");
      tap.style.gridArea = `${r * sliding.dilation[0] + 1} / ${s * sliding.dilation[1] + 1}`;
      frames[0].append(tap);
    }
  }
  const channel = find(".channel");
  if (!inColor || depth > 3) {
    channel.hidden = inChannels === 1;
    channel.querySelector("select").append(...names.map((name, i) => make("option", {value: i}, name)));
    channel.querySelector("select").addEventListener("change", (event) => { shownChannel = Number(event.target.value); paintInput(); show(); });
  }
  const buttons = [...data.shown.values].map((number, index) => {
    const canvas = make("canvas", {"aria-hidden": "true"});
    paintFilter(canvas, index);
    return make("span", {}, canvas, String(number));
  });
  paintInput();
  cell.row = data.start.row;
  cell.column = data.start.column;
  makeChoice(find(".filters"), buttons, (index) => { filter = index; paintMap(); show(); }, filter);
  const start = [cell.row, cell.column];
  for (const canvas of [input, map]) for (const event of ["pointerdown", "keydown"]) canvas.addEventListener(event, () => { if (playing) stop(); });
  pickers = [input, map].map((canvas) => pickCells(canvas, () => outRows, () => outColumns, chooseByHand, start));
};
