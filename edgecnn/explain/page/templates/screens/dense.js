screens.dense = (section, data, head) => {
  const part = partsOf(section);
  const WORDS = [[1e24, "septillion"], [1e21, "sextillion"], [1e18, "quintillion"], [1e15, "quadrillion"], [1e12, "trillion"], [1e9, "billion"], [1e6, "million"]];
  const UNITS = [[1e24, "YB"], [1e21, "ZB"], [1e18, "EB"], [1e15, "PB"], [1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];

  function scaled(value, scales, otherwise) {
    const size = Number(value), found = scales.find(([from]) => size >= from);
    return found && size < 1e27 ? `${(size / found[0]).toLocaleString("en", {maximumSignificantDigits: 4})} ${found[1]}` : otherwise;
  }
  const inWords = (value) => scaled(value, WORDS, countOf(value));
  const inBytes = (value) => scaled(value, UNITS, `${countOf(value)} bytes`);
  const inTimes = (ratio) => ratio >= 1e6 ? inWords(Math.round(ratio)) : formatNumber(ratio, 4);

  drawSquares();
  drawBars();
  drawSight();
  calculate();

  // ---- to scale --------------------------------------------------------------------------------------------------
  function drawSquares() {
    const side = 300, ring = 7, largest = Math.max(data.dense.weights, data.network.weights);
    const square = (weights, color) => {
      const edge = side * Math.sqrt(weights / largest);
      return makeSvg("rect", {x: 0, y: side - edge, width: edge, height: edge, fill: color});
    };
    const both = [square(data.dense.weights, "var(--warn-soft)"), square(data.network.weights, "var(--accent)")];
    if (data.dense.weights < data.network.weights) both.reverse();
    const edge = side * Math.sqrt(data.network.weights / largest), isDot = edge < 3 * ring;
    const label = isDot ? [
      makeSvg("circle", {cx: edge / 2, cy: side - edge / 2, r: edge / 2 + ring, fill: "none", stroke: "var(--accent)", "stroke-width": 1.5}),
      makeSvg("text", {x: edge + 2 * ring + 4, y: side - 6, style: "fill: var(--accent); font-size: 14px; font-weight: 600"}, "this whole network"),
      makeSvg("text", {x: 14, y: 26, style: "fill: var(--warn); font-size: 14px; font-weight: 600"}, "one dense layer"),
    ] : [];
    part("squares").append(makeSvg("svg", {
      viewBox: `${-ring - 2} 0 ${side + ring + 2} ${side + ring + 2}`, role: "img",
      "aria-label": `One dense layer has ${inWords(data.dense.weights)} weights, this whole network ${inWords(data.network.weights)}`,
    }, ...both, ...label));
    const ratio = data.dense.weights / data.network.weights, article = Math.sqrt(data.article.weights / largest);
    part("squares-words").textContent = (ratio >= 1
      ? `The large square is the dense layer in the first one’s place, blue is this whole network: ${inTimes(ratio)} of it would fit into the square. `
      : "The dense layer in the first one’s place is smaller than this whole network. ")
      + `The square of the text’s dense layer would be ${inTimes(article)} times as wide as this drawing.`;
  }

  // ---- bars ------------------------------------------------------------------------------------------------------
  function drawBars() {
    const quantities = [["Weights", "weights", inWords], ["Multiplications", "multiplications", inWords], ["Memory", "num_bytes", inBytes]];
    const rows = [["its first layer", data.first, ""], ["this whole network", data.network, ""], ["dense in the first layer’s place", data.dense, "dense"], ["dense, the text’s example", data.article, "dense"]];
    const names = {1e3: ["", "kB"], 1e6: ["million", "MB"], 1e9: ["", "GB"], 1e12: ["trillion", "TB"], 1e15: ["", ""]};
    makeChoice(part("quantities"), quantities.map(([name]) => name), (index) => {
      const [, key, words] = quantities[index];
      const top = 3 * Math.ceil(Math.log10(Math.max(...rows.map(([, one]) => one[key]))) / 3);
      const place = (value) => `${100 * Math.log10(Math.max(1, value)) / top}%`;
      const marks = Object.keys(names).map(Number).filter((value) => Math.log10(value) <= top);
      const lines = () => marks.map((value) => make("b", {style: `left: ${place(value)}`}));
      const axis = make("div", {class: "bar", "aria-hidden": "true"}, make("span"), make("div", {class: "track"},
        ...marks.map((value) => make("span", {style: `left: ${place(value)}`}, names[value][key === "num_bytes" ? 1 : 0]))));
      part("bars").replaceChildren(...rows.map(([name, one, kind]) => make("div", {class: `bar ${kind}`},
        make("span", {}, name), make("div", {class: "track"}, ...lines(), make("i", {style: `width: ${place(one[key])}`})),
        make("strong", {}, words(one[key])))), axis);
      const ratio = data.dense[key] / data.network[key];
      part("bars-words").textContent = `Not to scale: each line of the grid is a thousand times the one before (logarithmic). `
        + (key === "multiplications"
          ? `For one picture, the dense layer alone multiplies ${inTimes(ratio)} times for each time that this whole network does.`
          : `${inTimes(ratio)} networks like this one ${key === "weights" ? "have as many weights as" : "take as much memory as"} the one dense layer.`);
    });
  }

  // ---- what one output sees --------------------------------------------------------------------------------------
  function drawSight() {
    const picture = section.querySelector('[data-part="sight"] svg'), first = data.first, {width, height} = data.dense;
    const [rows, columns] = first.output_shape, [down, across] = first.stride_hw, [tall, wide] = first.size_hw;
    const hasWindow = [down, across, tall, wide].every((value) => value !== null);
    const veil = makeSvg("path", {fill: "rgb(0 0 0 / .62)", "fill-rule": "evenodd"});
    const frame = makeSvg("rect", {fill: "none", stroke: "#ff8a3d", "stroke-width": Math.max(width, height) / 150});
    picture.append(makeSvg("image", {href: head.seen.src, width, height, preserveAspectRatio: "none"}), veil, frame);
    let isDense = false, cell = [Math.floor(rows / 2), Math.floor(columns / 2)];
    const span = (start, size, side) => [Math.max(0, start), Math.min(side, start + size)];
    function show() {
      const whole = isDense || !hasWindow;
      const [top, bottom] = whole ? [0, height] : span(first.start_hw[0] + down * cell[0], tall, height);
      const [left, right] = whole ? [0, width] : span(first.start_hw[1] + across * cell[1], wide, width);
      veil.setAttribute("d", `M0 0H${width}V${height}H0ZM${left} ${top}H${right}V${bottom}H${left}Z`);
      setAttributes(frame, {x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top)});
      const where = `Output at row ${cell[0]}, column ${cell[1]}`;
      part("sight-words").textContent = isDense
        ? `${where}, if it were dense: it sees all ${countOf(data.dense.inputs)} numbers, through ${countOf(data.dense.inputs)} weights that no other output uses.`
        : `${where}: it sees ${hasWindow ? `rows ${top} to ${bottom - 1}, columns ${left} to ${right - 1}` : "a part of the picture"}: `
          + `${formatPercent(first.connections / data.dense.inputs, 3)} of your picture’s numbers, through the ${countOf(first.connections)} weights of its filter. The other ${countOf(first.uses - 1)} places use the same ones.`;
    }
    pickCells(picture, () => rows, () => columns, (row, column) => { cell = [row, column]; show(); }, cell);
    makeChoice(part("kinds"), ["Convolution", "Dense"], (index) => { isDense = index === 1; show(); });
  }

  // ---- the sum ---------------------------------------------------------------------------------------------------
  // Whole numbers of any length (BigInt): 188 trillion times 4 bytes must be right to the last digit.
  function calculate() {
    const form = part("calculator"), LONGEST = 15;
    const read = (name) => {
      const digits = form.elements[name].value.replace(/[\s,_'’]/g, "");
      const isRight = /^\d+$/.test(digits) && digits.length <= LONGEST && BigInt(digits) > 0n;
      form.elements[name].setAttribute("aria-invalid", String(!isRight));
      return isRight ? BigInt(digits) : null;
    };
    const fill = (example) => {
      for (const [name, value] of [["width", example.width], ["height", example.height], ["units", example.hidden_units]]) form.elements[name].value = countOf(value);
      form.elements.bytes.value = [1, 2, 4].includes(data.weight.bytes) ? data.weight.bytes : 1;
      show();
    };
    function show() {
      const [width, height, units] = ["width", "height", "units"].map(read), refused = [width, height, units].includes(null);
      part("refused").hidden = !refused;
      part("worked").hidden = refused;
      part("refused").textContent = refused ? `Width, height and units are whole numbers from 1, of at most ${LONGEST} digits.` : "";
      if (refused) return;
      const channels = BigInt(data.dense.channels), pixels = width * height, numbers = pixels * channels, weights = numbers * units;
      const size = weights * BigInt(form.elements.bytes.value);
      part("result").replaceChildren(
        `${countOf(width)} × ${countOf(height)} × ${channels} = ${countOf(numbers)} numbers; × ${countOf(units)} units = `,
        make("strong", {}, `${countOf(weights)} weights`), weights >= 1000000n ? ` (${inWords(weights)})` : "");
      const facts = [
        ["Memory", `${inBytes(size)}${size >= 1000n ? ` (${countOf(size)} bytes)` : ""}`],
        ["Boards with 4 GB", countOf((size + BigInt(data.board_bytes) - 1n) / BigInt(data.board_bytes))],
        ["Networks like this one", `${countOf(weights / BigInt(data.network.weights))} have no more weights`],
        ["Multiplications", `${inWords(weights)} for one picture; this network does ${inWords(data.network.multiplications)}`],
      ];
      part("consequences").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
      part("digits").replaceChildren(...[...workOut(width, height, "pixels"), ...workOut(pixels, channels, "numbers"), ...workOut(numbers, units, "weights")]
        .map(([kind, number, words]) => make("tr", {class: kind}, make("td", {class: "number"}, number), make("td", {class: "soft"}, words))));
    }
    // Written multiplication, as at school: a row for each digit of the second number that is not zero.
    function workOut(a, b, name) {
      const rows = [["", countOf(a), ""], ["", `× ${countOf(b)}`, ""]];
      const parts = [...String(b)].reverse().map((digit, place) => BigInt(digit) * 10n ** BigInt(place)).filter((one) => one > 0n);
      if (parts.length > 1) parts.forEach((one, index) => rows.push([index ? "" : "line", countOf(a * one), `${countOf(a)} × ${countOf(one)}`]));
      return [...rows, ["line total", countOf(a * b), name]];
    }
    for (const kind of ["input", "change"]) form.addEventListener(kind, show);
    form.addEventListener("submit", (event) => event.preventDefault());
    makeChoice(part("examples"), ["The text’s picture and units", "Your picture and this network’s first layer"], (index) => fill(index ? data.dense : data.article));
  }
};
