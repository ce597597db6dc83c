screens.augmentation = (section, data, head) => {
  const WIDTH = 340, HEIGHT = 190, LEFT = 38, RIGHT = 12, TOP = 20, BOTTOM = 28;

  // Draw one figure of training and validation over the epochs; returns a function that marks an epoch, from 0.
  function drawChart(place, curves, figure, {kept = null, label}) {
    const train = curves[figure].values, val = curves["val_" + figure].values, num = train.length;
    const most = figure === "accuracy" ? 1 : Math.max(...train, ...val) || 1;
    const x = (index) => LEFT + (WIDTH - LEFT - RIGHT) * (num > 1 ? index / (num - 1) : 0.5);
    const y = (value) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most;
    const svg = makeSvg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label});
    for (let tick = 0; tick <= 4; tick++) {
      const value = most * tick / 4;
      svg.append(makeSvg("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value)}));
      const text = figure === "accuracy" ? formatPercent(value, 0) : value.toFixed(most < 1 ? 2 : 1);
      svg.append(makeSvg("text", {x: LEFT - 5, y: y(value) + 4, "text-anchor": "end"}, text));
    }
    svg.append(makeSvg("text", {x: x(0), y: HEIGHT - 10, "text-anchor": num > 1 ? "start" : "middle"}, num > 1 ? "epoch 1" : "1 epoch"));
    if (num > 1) svg.append(makeSvg("text", {x: x(num - 1), y: HEIGHT - 10, "text-anchor": "end"}, String(num)));
    let start = 0;
    for (const stage of curves.stages) {
      if (curves.stages.length > 1) {
        const left = start ? x(start - 0.5) : LEFT;
        if (start) svg.append(makeSvg("line", {class: "stage", x1: left, x2: left, y1: TOP - 12, y2: HEIGHT - BOTTOM}));
        const tight = left > WIDTH - 70; // the name of a short last stage ends at the edge
        svg.append(makeSvg("text", {x: tight ? WIDTH : left + 4, y: TOP - 7, "text-anchor": tight ? "end" : "start"}, stage.name));
      }
      for (const [name, values] of [["train", train], ["val", val]]) {
        const points = Array.from({length: stage.epochs}, (_, i) => `${x(start + i).toFixed(1)},${y(values[start + i]).toFixed(1)}`);
        if (points.length > 1) svg.append(makeSvg("polyline", {class: "line " + name, points: points.join(" ")}));
        if (stage.epochs <= 20) for (const point of points) svg.append(makeSvg("circle", {class: "dot " + name, cx: point.split(",")[0], cy: point.split(",")[1], r: 1.6}));
      }
      start += stage.epochs;
    }
    if (kept !== null) svg.append(makeSvg("circle", {class: "val", cx: x(kept), cy: y(val[kept]), r: 5}));
    const line = makeSvg("line", {class: "now", y1: TOP, y2: HEIGHT - BOTTOM});
    place.append(svg);
    return {
      mark(index) {
        line.setAttribute("x1", x(index));
        line.setAttribute("x2", x(index));
        if (!line.parentNode) svg.append(line);
      },
      onPoint(choose) {
        svg.addEventListener("pointermove", (event) => {
          const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * WIDTH;
          const index = Math.round((place - LEFT) / (WIDTH - LEFT - RIGHT) * (num - 1));
          choose(Math.max(0, Math.min(num - 1, index)));
        });
      },
    };
  }

  function showCurves(training) {
    const curves = training.curves, slider = section.querySelector(".epoch"), last = curves.accuracy.values.length - 1;
    const charts = ["accuracy", "loss"].map((figure) => drawChart(
      section.querySelector(`[data-figure=${figure}]`), curves, figure,
      {kept: training.kept, label: `${figure} over ${last + 1} epochs; the slider above tells the values of each`},
    ));
    function choose(index) {
      slider.value = index + 1;
      charts.forEach((chart) => chart.mark(index));
      const value = (name) => curves[name].values[index];
      setText(section, ".readout", `Epoch ${index + 1}: training ${formatPercent(value("accuracy"))}, validation `
        + `${formatPercent(value("val_accuracy"))}; loss ${value("loss").toFixed(2)} and ${value("val_loss").toFixed(2)}`);
    }
    slider.addEventListener("input", () => choose(slider.valueAsNumber - 1));
    charts.forEach((chart) => chart.onPoint(choose));
    choose(training.kept);
  }

  function showVariants(training) {
    for (const place of section.querySelectorAll("[data-network]")) {
      const network = training.networks[place.dataset.network];
      drawChart(place, network.curves, "accuracy", {
        label: `${network.title}: ${formatPercent(network.train_accuracy)} of the training pictures, `
          + `${formatPercent(network.val_accuracy)} of the validation pictures at the end`,
      });
    }
  }

  // The user's picture in the manner of augmentation, for want of what training really saw.
  function showCopies(place) {
    const side = 120, between = (low, high) => low + (high - low) * Math.random();
    const canvases = Array.from({length: 6}, () => make("canvas", {width: side, height: side, role: "img", "aria-label": "Your picture, changed at random"}));
    const photograph = new Image();
    function change(canvas) {
      const context = canvas.getContext("2d"), zoom = 1 / Math.sqrt(between(0.75, 1));
      context.resetTransform();
      context.filter = `brightness(${between(0.85, 1.15)}) contrast(${between(0.8, 1.25)})`;
      context.translate(side * between(0.44, 0.56), side * between(0.44, 0.56));
      context.rotate(between(-10, 10) * Math.PI / 180);
      context.scale(Math.random() < 0.5 ? -zoom : zoom, zoom);
      // Three by three mirrored copies: what comes in from outside looks like the picture.
      for (const row of [-1, 0, 1]) for (const column of [-1, 0, 1]) {
        context.save();
        context.translate(column * side, row * side);
        context.scale(column ? -1 : 1, row ? -1 : 1);
        context.drawImage(photograph, -side / 2 - 0.5, -side / 2 - 0.5, side + 1, side + 1); // no seams between the copies
        context.restore();
      }
    }
    place.append(
      make("div", {class: "copies"}, ...canvases),
      make("button", {type: "button", onclick: () => canvases.forEach(change)}, "Change it again"),
      make("p", {class: "soft"}, "Drawn by this page, not by a training."),
    );
    photograph.addEventListener("load", () => canvases.forEach(change));
    photograph.src = head.photograph.src;
  }

  if (data.training) {
    showCurves(data.training);
    showVariants(data.training);
  }
  for (const place of section.querySelectorAll(".again")) showCopies(place);
};
