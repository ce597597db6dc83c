screens.place = (section, data, head) => {
  const part = partsOf(section);
  const changes = data.changes, byName = new Map((data.pictures ? data.pictures.changes : []).map((one) => [one.name, one]));

  showChanges();
  showMoved();

  // ---- six changes -----------------------------------------------------------------------------------------------
  function showChanges() {
    const slider = part("amount"), chart = part("chart"), LEFT = 40, RIGHT = 428, TOP = 10, BOTTOM = 182;
    // Scores of a network that ends without softmax may lie anywhere.
    const all = changes.flatMap((one) => [...one.scores.values, ...(one.other ? one.other.scores.values : [])]);
    const low = Math.min(0, ...all), high = Math.max(head.scores_are_shares ? 1 : 0, ...all) || 1;
    const xAt = (change, position, left, right) => {
      const {amounts} = change, from = amounts[0], to = amounts[amounts.length - 1];
      return left + (amounts[position] - from) / (to - from) * (right - left);
    };
    const shareAt = (share) => BOTTOM - share * (BOTTOM - TOP); // of pictures: the drawing is as high as all of them
    const yAt = (score, top, bottom) => bottom - (score - low) / (high - low) * (bottom - top);
    const line = (change, scores, kind, [left, right, top, bottom]) => makeSvg("polyline", {
      class: kind, points: [...scores.values].map((score, i) => `${xAt(change, i, left, right)},${yAt(score, top, bottom)}`).join(" "),
    });
    let change = changes[0];

    function card(one) {
      const range = one.kept[1] - one.kept[0] + 1, box = [2, 118, 3, 37];
      return make("span", {}, one.title, makeSvg("svg", {viewBox: "0 0 120 40", "aria-hidden": "true"},
        makeSvg("line", {class: "grid", x1: 0, x2: 120, y1: yAt(0, 3, 37), y2: yAt(0, 3, 37)}), line(one, one.scores, "mine", box)),
      make("small", {}, range === one.amounts.length ? "answer stays" : `stays at ${range} of ${one.amounts.length} amounts`));
    }

    function drawChart() {
      const box = [LEFT, RIGHT, TOP, BOTTOM], at = (position) => xAt(change, position, LEFT, RIGHT);
      const marks = [low, (low + high) / 2, high].flatMap((score) => [
        makeSvg("line", {class: "grid", x1: LEFT, x2: RIGHT, y1: yAt(score, TOP, BOTTOM), y2: yAt(score, TOP, BOTTOM)}),
        makeSvg("text", {x: LEFT - 6, y: yAt(score, TOP, BOTTOM) + 4, "text-anchor": "end"}, formatScore(score, head, 0)),
      ]);
      const last = change.amounts.length - 1;
      const ends = [...new Set([0, change.nothing, last])].map((position) => makeSvg("text", {
        x: at(position), y: BOTTOM + 18, "text-anchor": position === 0 ? "start" : position === last ? "end" : "middle",
      }, position === change.nothing ? "unchanged" : formatNumber(change.amounts[position])));
      const unit = makeSvg("text", {x: (LEFT + RIGHT) / 2, y: BOTTOM + 36, "text-anchor": "middle"}, change.unit);
      const dots = [...change.scores.values].map((score, i) => change.answers[i] === data.answer ? "" : makeSvg("circle",
        {class: "lost", cx: at(i), cy: yAt(score, TOP, BOTTOM), r: 4}));
      chart.replaceChildren(...marks, ...ends, unit, ...accuracy("other_accuracy", "many float", 5), ...accuracy("accuracy", "many", 0),
        ...(change.other ? [line(change, change.other.scores, "float", box)] : []), line(change, change.scores, "mine", box), ...dots,
        makeSvg("line", {class: "mine", style: "stroke-width: 1", y1: TOP, y2: BOTTOM}), makeSvg("circle", {r: 6, style: "fill: var(--accent)"}));
      chart.setAttribute("aria-label", `Score of ${data.explained} against the amount: `
        + change.words.map((words, i) => `${words} ${formatScore(change.scores.values[i], head)}`).join(", "));
      function accuracy(key, kind, aside) {
        const found = byName.get(change.name);
        return !found || !found[key] ? [] : found[key].flatMap((one, i) => {
          const x = Math.min(RIGHT, at(found.positions[i]) + aside);
          return [makeSvg("line", {class: kind, x1: x, x2: x, y1: shareAt(one.low), y2: shareAt(one.high)}),
            makeSvg("circle", {class: kind, cx: x, cy: shareAt(one.share), r: 4})];
        });
      }
    }

    function show() {
      const position = Number(slider.value), picture = change.pictures[position], score = change.scores.values[position];
      const found = byName.get(change.name), order = found ? found.positions.indexOf(position) : -1;
      Object.assign(part("picture"), {src: picture.src, width: picture.width, height: picture.height, alt: `The picture, ${change.words[position]}, as the network sees it`});
      slider.setAttribute("aria-valuetext", change.words[position]);
      const answer = change.answers[position], isSame = answer === data.answer, words = change.words[position];
      part("answer").replaceChildren(
        make("strong", {}, words[0].toUpperCase() + words.slice(1)), ": ", make("bdi", {}, data.explained), ` ${formatScore(score, head)}. `,
        make("span", {class: `badge ${isSame ? "good" : "warn"}`}, isSame ? "still " : "now ", make("bdi", {}, answer)),
        isSame && answer === data.explained ? "" : ` ${formatScore(change.answer_scores.values[position], head)}`,
        change.other ? ` In floats: ${formatScore(change.other.scores.values[position], head)}${change.other.answers[position] === answer ? "" : ", and it says "}` : "",
        ...(change.other && change.other.answers[position] !== answer ? [make("bdi", {}, change.other.answers[position])] : []),
        change.other ? "." : "",
        order < 0 ? "" : ` Of ${data.pictures.num} pictures ${formatPercent(found.accuracy[order].share, 0)} (${formatPercent(found.accuracy[order].low, 0)} to ${formatPercent(found.accuracy[order].high, 0)}) are recognized`
          + (found.other_accuracy ? `, in floats ${formatPercent(found.other_accuracy[order].share, 0)}.` : "."));
      const [rule, dot] = [...chart.children].slice(-2), x = xAt(change, position, LEFT, RIGHT);
      setAttributes(rule, {x1: x, x2: x});
      setAttributes(dot, {cx: x, cy: yAt(score, TOP, BOTTOM)});
    }

    function pickNearest(event) {
      const box = chart.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * 440;
      const distances = change.amounts.map((_, i) => Math.abs(xAt(change, i, LEFT, RIGHT) - x));
      slider.value = distances.indexOf(Math.min(...distances));
      show();
    }

    part("legend").append(make("i", {}), make("span", {}, "score of ", make("bdi", {}, data.explained)),
      ...(data.has_other ? [make("i", {class: "float"}), "in floats"] : []), make("i", {class: "lost"}), "another answer",
      ...(data.pictures ? [make("i", {class: "many"}), `recognized, of ${data.pictures.num} pictures`] : []));
    slider.addEventListener("input", show);
    chart.addEventListener("pointerdown", pickNearest);
    chart.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" || event.buttons) pickNearest(event); });
    makeChoice(part("changes"), changes.map(card), (index) => {
      change = changes[index];
      part("title").textContent = change.title;
      slider.max = change.amounts.length - 1;
      slider.value = change.nothing;
      drawChart();
      show();
    });
  }

  // ---- maps that move along --------------------------------------------------------------------------------------
  function showMoved() {
    const {layers, shifts} = data.moved, select = part("layer"), canvas = part("map"), NO_CELL = 255, DIM = 0.5;
    let chosen = 0;
    function show() {
      const layer = layers[Number(select.value)], move = layer.moves[chosen], [rows, columns] = layer.map.shape;
      const [top, left, bottom, right] = move.inner;
      drawCells(canvas, rows, columns, (row, column) => {
        const percent = at(layer.differing_percent, chosen, row, column), grey = at(layer.map, row, column);
        if (percent === NO_CELL) return [40, 44, 52];
        const y = row + layer.top, isInner = y >= top && y < bottom && column >= left && column < right;
        const strength = percent === 0 ? 0 : 0.35 + 0.65 * percent / 100, light = isInner ? 1 : DIM;
        return [[0, 255], [1, 122], [2, 30]].map(([, end]) => Math.round(light * (grey + (end - grey) * strength)));
      });
      const {cells} = move, pixels = shifts[chosen] === 1 ? "1 pixel" : `${shifts[chosen]} pixels`;
      canvas.setAttribute("aria-label", `One map of ${layer.name}; orange where the maps of the picture moved by ${pixels} are not the moved maps`);
      const cutting = rows < layer.rows || columns < layer.columns ? ` A part of ${layer.columns} × ${layer.rows} cells, at the left border.` : "";
      part("map-words").textContent = `One map of the layer. Orange: cells whose values, of all filters, are not the moved ones; the stronger, the more of them. Darker: near a border. Dark grey: moved out of the picture.${cutting}`;
      const steps = cells === 0 ? "no cell at all" : cells === 1 ? "one cell" : `${cells} cells`;
      part("moved-words").textContent = (move.is_whole
        ? `A move by ${pixels} is one by ${steps} of ${layer.name}: `
        : `A move by ${pixels} is no whole number of cells of ${layer.name}, so its maps cannot move by just that. Held against a move by ${steps}: `)
        + (move.same_share === null ? "no cell is away from the borders"
          : `away from the borders ${move.same_share === 1 ? "every value is the moved one, to the last digit" : `${formatPercent(move.same_share)} of the values are the moved ones, and the others differ: by ${formatPercent(move.rms / (move.signal_rms || 1), 0)} of the values’ size on average`} (${countOf(move.num_cells)} cells)`)
        + (move.border_same_share === null ? "." : `; near them ${formatPercent(move.border_same_share)} (${countOf(move.num_border_cells)} cells).`);
    }
    select.addEventListener("change", show);
    makeChoice(part("shifts"), shifts.map((shift) => `${shift} px`), (index) => { chosen = index; show(); });
  }
};
