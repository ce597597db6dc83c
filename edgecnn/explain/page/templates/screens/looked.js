screens.looked = (section, data, head) => {
  const part = partsOf(section);
  const CANVAS_PX = 448, EXPLANATIONS = {
    "class activation": "Votes of places (class activation mapping): the logit is a sum over the places of the last maps, so every place has its own part in it. The picture shows these parts.",
    "occlusion": "Cover and see (occlusion): a square of the picture's mean colour covers one place after the other. Orange is where covering costs the class, blue where covering helps it.",
  };
  const picture = new Image(), blurred = new Image(), order = new Image();
  let method = data.methods[0], chosen = 0, cell = [0, 0], isShowing = false, orderPixels = null, timer = null;
  const pickers = [];

  const isShare = head.scores_are_shares, sayScore = (value) => formatScore(value, head);

  // ---- heat ------------------------------------------------------------------------------------------------------
  // One scale for all classes and both files: the same colour is the same number everywhere.
  function largestOf(one) {
    let largest = 0;
    for (const heat of [one.heat, one.other]) if (heat) for (const value of heat.values) largest = Math.max(largest, Math.abs(value));
    return largest || 1;
  }

  function drawHeat(canvas, heat) {
    const [, rows, columns] = heat.shape, largest = largestOf(method), small = document.createElement("canvas");
    drawCells(small, rows, columns, (row, column) => {
      const share = at(heat, chosen, row, column) / largest;
      return [...(share < 0 ? [33, 102, 172] : [214, 96, 20]), Math.round(255 * Math.min(1, Math.abs(share)))];
    });
    sizeLike(canvas);
    const context = canvas.getContext("2d"), {width, height} = canvas;
    context.drawImage(picture, 0, 0, width, height);
    context.globalAlpha = part("opacity").value / 100;
    context.globalCompositeOperation = "saturation";  // the stronger the heat, the greyer the picture: colour is heat
    context.fillStyle = "#808080";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
    context.imageSmoothingEnabled = !part("raw").checked;
    context.drawImage(small, 0, 0, width, height);
    context.globalAlpha = 1;
    for (const [color, line] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = color;
      context.lineWidth = line;
      context.strokeRect(cell[1] * width / columns + 2, cell[0] * height / rows + 2, width / columns - 4, height / rows - 4);
    }
  }

  function sizeLike(canvas) {
    const factor = CANVAS_PX / Math.max(data.width, data.height);
    canvas.width = Math.max(1, Math.round(data.width * factor));
    canvas.height = Math.max(1, Math.round(data.height * factor));
  }

  function drawMaps() {
    const label = data.classes[chosen].label, [, rows, columns] = method.heat.shape, largest = largestOf(method);
    drawHeat(part("mine"), method.heat);
    if (part("beside")) part("beside").hidden = !method.other;
    if (method.other) drawHeat(part("other"), method.other);
    const atLimit = method.method === "occlusion" && data.is_at_limit ? " The logit of your picture is the largest number that this file can write down, so a small loss does not show." : "";
    setText(section, '[data-part="explanation"]', EXPLANATIONS[method.method] + atLimit);
    setText(section, '[data-part="size"]', `${rows} × ${columns} cells`);
    setText(section, '[data-part="low"]', `${formatNumber(-largest)} against`);
    setText(section, '[data-part="high"]', `${formatSigned(largest)} for`);
    part("agreement").replaceChildren(...describeAgreement(label));
    describeCell();
  }

  function describeAgreement(label) {
    if (!method.other) return data.methods[0].other ? ["The network in floats was asked by the first method only, which saves time."] : [];
    const correlation = method.correlations[chosen], name = make("bdi", {}, label);
    if (correlation === null) return ["One of the two maps for ", name, " is the same everywhere, so they cannot be compared."];
    const words = correlation > 0.95 ? "they look at the same places" : correlation > 0.7 ? "they look at much the same places" : "they do not look at the same places";
    return ["The two maps for ", name, ` have a correlation of ${correlation.toFixed(3)} (1 is the same, 0 unrelated): ${words}.`];
  }

  function describeCell() {
    const [row, column] = cell, mine = at(method.heat, chosen, row, column);
    const unit = method.method === "occlusion" ? "covering it costs the logit" : "its part of the logit is";
    const beside = method.other ? `, ${formatSigned(at(method.other, chosen, row, column))} in floats` : "";
    setText(section, '[data-part="cell"]', `Row ${row}, column ${column}: ${unit} ${formatSigned(mine)}${beside}.`);
  }

  function pick(row, column) {
    cell = [row, column];
    if (picture.complete && picture.naturalWidth) drawMaps();
  }

  // ---- the test --------------------------------------------------------------------------------------------------
  const VERDICTS = {good: ["good", "Passed both tests."], unsure: ["plain", "Only a hint."], still: ["plain", "No answer."]};

  function drawVerdict() {
    const test = method.test, note = part("verdict");
    const [kind, word] = VERDICTS[test.verdict] || ["warn", test.num_passed ? "Failed one of two tests." : "Failed both tests."];
    note.className = `note ${kind}`;
    note.replaceChildren(make("strong", {}, word + " "), test.sentence);
    for (const name of ["deletion", "insertion"]) part(name).replaceChildren(drawChart(name));
  }

  function drawChart(name) {
    const [width, height, left, right, top, bottom] = [360, 210, 44, 10, 10, 34], test = method.test, steps = test.num_steps;
    const randoms = test[`random_${name === "deletion" ? "deletions" : "insertions"}`], curves = [...Array(test.num_random).keys()].map((i) => randoms.values.subarray(i * (steps + 1), (i + 1) * (steps + 1)));
    const all = [...test[name].values, ...randoms.values], low = isShare ? 0 : Math.min(...all), high = isShare ? 1 : Math.max(...all);
    const x = (step) => left + (width - left - right) * step / steps, y = (value) => height - bottom - (height - top - bottom) * (value - low) / (high - low || 1);
    const path = (values) => "M" + [...values].map((value, step) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join("L");
    const what = name === "deletion" ? "covered" : "shown";
    const chart = makeSvg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label":
      `Score against the share of the picture that is ${what}: from ${sayScore(test[name].values[0])} to ${sayScore(test[name].values[steps])}, on average ${sayScore(test[`${name}_area`])}; random orders ${sayScore(test[`random_${name}_area`])}`});
    for (const value of [low, (low + high) / 2, high]) {
      chart.append(makeSvg("line", {class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value)}),
        makeSvg("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, formatScore(value, head, 0)));
    }
    for (const share of [0, 0.5, 1]) chart.append(makeSvg("text", {x: x(share * steps), y: height - bottom + 15, "text-anchor": share === 1 ? "end" : "middle"}, formatPercent(share, 0)));
    chart.append(makeSvg("text", {x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle"}, `of the picture ${what}`));
    chart.append(...curves.map((curve) => makeSvg("path", {class: "random", d: path(curve)})), makeSvg("path", {class: "mine", d: path(test[name].values)}));
    if ((name === "insertion") === isShowing) chart.append(makeSvg("circle", {class: "now", r: 5, cx: x(stepNow()), cy: y(test[name].values[stepNow()])}));
    return chart;
  }

  const stepNow = () => Number(part("step").value);

  // The picture in this step: `order` says by its grey in which step a pixel is covered.
  function drawStep() {
    const canvas = part("covered"), step = stepNow(), {width, height} = data;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", {willReadFrequently: true}), read = (image) => { context.drawImage(image, 0, 0, width, height); return context.getImageData(0, 0, width, height); };
    if (orderPixels === null) orderPixels = read(order).data;
    const shown = read(picture), soft = isShowing ? read(blurred).data : null, fall = Math.floor(255 / method.test.num_steps), grey = data.grey.values;
    for (let i = 0; i < orderPixels.length; i += 4) {
      const isTurned = 1 + Math.round((255 - orderPixels[i]) / fall) <= step;
      if (isTurned === isShowing) continue;
      for (let channel = 0; channel < 3; channel++) shown.data[i + channel] = isShowing ? soft[i + channel] : grey[channel];
    }
    context.putImageData(shown, 0, 0);
    const share = method.test.shares.values[step], score = method.test[isShowing ? "insertion" : "deletion"].values[step];
    part("score").replaceChildren(`${formatPercent(share, 0)} ${isShowing ? "shown" : "covered"}: `, make("bdi", {}, data.classes[0].label), ` has a score of ${sayScore(score)}.`);
    for (const name of ["deletion", "insertion"]) part(name).replaceChildren(drawChart(name));
  }

  function drawTest() {
    orderPixels = null;
    drawVerdict();
    if (order.src !== method.order.src) order.src = method.order.src;
    else drawStep();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    part("play").textContent = "Play";
  }

  function play() {
    if (timer !== null) return stop();
    if (stepNow() === method.test.num_steps) part("step").value = 0;
    drawStep();
    part("play").textContent = "Stop";
    timer = setInterval(() => {
      part("step").value = stepNow() + 1;
      drawStep();
      if (stepNow() === method.test.num_steps) stop();
    }, 350);
  }

  // ---- controls --------------------------------------------------------------------------------------------------
  function start() {
    part("class").append(...data.classes.map((one, index) => make("option", {value: index, dir: "auto"}, one.label)));
    part("class").addEventListener("change", () => { chosen = Number(part("class").value); drawMaps(); });
    for (const name of ["opacity", "raw"]) part(name).addEventListener("input", drawMaps);
    part("step").addEventListener("input", () => { stop(); drawStep(); });
    part("play").addEventListener("click", play);
    order.addEventListener("load", drawStep);
    if (part("method")) makeChoice(part("method"), data.methods.map((one) => ({"class activation": "votes of places", "occlusion": "cover and see"})[one.method]), (index) => { method = data.methods[index]; choose(); });
    makeChoice(part("test"), ["cover the brightest", "show the brightest"], (index) => { isShowing = index === 1; if (orderPixels) drawStep(); });
    for (const name of ["mine", "other"]) {
      if (part(name)) pickers.push(pickCells(part(name), () => method.heat.shape[1], () => method.heat.shape[2], pick, hottest()));
    }
    choose();
  }

  function hottest() {
    const [, rows, columns] = method.heat.shape, values = method.heat.values.subarray(chosen * rows * columns, (chosen + 1) * rows * columns);
    const best = values.indexOf(values.reduce((most, value) => Math.max(most, value)));
    return [Math.floor(best / columns), best % columns];
  }

  function choose() {
    stop();
    pickers.forEach((pickCell) => pickCell(...hottest()));
    drawMaps();
    drawTest();
  }

  Promise.all([picture, blurred].map((image, index) => new Promise((done) => { image.addEventListener("load", done); image.src = [head.seen, data.blurred][index].src; }))).then(start);
};
