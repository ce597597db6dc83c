screens.decision = (section, data, head) => {
  const part = partsOf(section), votes = data.votes;
  if (!votes) return;
  const figure = part("feature"), spot = part("spot"), map = part("map"), arithmetic = part("arithmetic"), cell = part("cell");
  const maps = votes.maps, isFlat = data.way.kind === "flatten";
  const rowOf = new Map([...votes.features.values].map((feature, row) => [feature, row]));
  const mapOf = new Map(maps ? [...maps.channels.values].map((channel, row) => [channel, row]) : []);
  const picture = new Image();
  let chosen = 0, rival = 1, selected = null;

  const valueOf = (feature) => at(votes.values, rowOf.get(feature));
  const weightOf = (one, feature) => at(votes.weights, one, rowOf.get(feature));
  const voteOf = (one, feature) => valueOf(feature) * weightOf(one, feature);
  const featuresInOrder = (strength) => [...votes.features.values].sort((a, b) => strength(b) - strength(a));

  // The strongest in both directions: those for it first, and of each side the strongest first.
  function strongest(strength) {
    const order = featuresInOrder(strength), count = votes.num_shown;
    return [...order.slice(0, count).filter((feature) => strength(feature) > 0), ...order.slice(-count).reverse().filter((feature) => strength(feature) < 0)];
  }

  // ---- maps of features ------------------------------------------------------------------------------------------
  const placeOf = (feature) => { const cell = Math.floor(feature / maps.num_channels), columns = maps.values.shape[2]; return [Math.floor(cell / columns), cell % columns]; };
  const mapRow = (feature) => maps ? mapOf.get(feature % maps.num_channels) : undefined;
  const nameOf = (feature) => !maps || !isFlat ? `feature ${feature}` : `map ${feature % maps.num_channels} at row ${placeOf(feature)[0]}, column ${placeOf(feature)[1]}`;

  function largestOf(row) {
    const [, rows, columns] = maps.values.shape;
    return maps.values.values.subarray(row * rows * columns, (row + 1) * rows * columns).reduce((most, value) => Math.max(most, value), 0);
  }

  // The picture, dark where the feature was not found.
  function drawSpot(canvas, feature, width) {
    const row = mapRow(feature), [, rows, columns] = maps.values.shape, veil = document.createElement("canvas"), largest = largestOf(row) || 1;
    const [y, x] = isFlat ? placeOf(feature) : [-1, -1];
    drawCells(veil, rows, columns, (r, c) => {
      const share = isFlat ? Number(r === y && c === x) : Math.max(0, at(maps.values, row, r, c)) / largest;
      return [0, 0, 0, 180 * (1 - share)];
    });
    canvas.width = width;
    canvas.height = Math.max(1, Math.round(width * head.seen.height / head.seen.width));
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = !isFlat;
    context.drawImage(veil, 0, 0, canvas.width, canvas.height);
  }

  // ---- one feature -----------------------------------------------------------------------------------------------
  let pickCell = null;

  function showCell(row, column) {
    if (selected === null) return;
    cell.textContent = `Row ${row}, column ${column} of the map: ${formatNumber(at(maps.values, mapRow(selected), row, column))}.`;
  }

  // The figure stands beside the rows; where there is no room, below the row that was pressed.
  function select(pressed) {
    const feature = Number(pressed.dataset.feature), isNarrow = matchMedia("(max-width: 60rem)").matches;
    section.querySelectorAll(".votes button").forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
    selected = feature;
    pressed.closest(isNarrow ? "li" : ".decide").append(figure);
    figure.hidden = false;
    const row = mapRow(feature), [, rows, columns] = maps.values.shape, largest = largestOf(row) || 1;
    drawSpot(spot, feature, 320);
    drawCells(map, rows, columns, (r, c) => heatColor(at(maps.values, row, r, c) / largest));
    map.style.aspectRatio = `${head.seen.width} / ${head.seen.height}`;
    let mean = 0;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) mean += at(maps.values, row, r, c) / (rows * columns);
    const value = valueOf(feature), weight = weightOf(chosen, feature);
    const origin = data.way.kind === "average" ? `The mean of its ${countOf(rows * columns)} numbers is ${formatNumber(mean)}; the file has ${formatNumber(value)}.`
      : data.way.kind === "largest" ? `The largest of its ${countOf(rows * columns)} numbers is ${formatNumber(value)}.` : `The number there is ${formatNumber(value)}.`;
    const name = nameOf(feature);
    arithmetic.replaceChildren(
      `${name[0].toUpperCase()}${name.slice(1)}: your picture, bright where it was found, and its map. ${origin} ${formatNumber(value)} × ${formatNumber(weight)} = ${formatSigned(value * weight)}, its vote on `, make("bdi", {}, votes.classes[chosen].label), ".");
    const place = isFlat ? placeOf(feature) : [Math.floor(rows / 2), Math.floor(columns / 2)];
    if (pickCell) pickCell(...place);
    else pickCell = pickCells(map, () => maps.values.shape[1], () => maps.values.shape[2], showCell, place);
  }

  // ---- rows of bars ----------------------------------------------------------------------------------------------
  function makeRow(what, detail, from, to, scale, feature = null, kind = "") {
    const low = Math.min(from, to), left = scale(low), width = scale(Math.max(from, to)) - left;
    const bar = make("i", {class: kind || (to < from ? "against" : "for")}), track = make("div", {class: "track"}, bar);
    bar.style.left = `${left}%`;
    bar.style.width = `${width}%`;
    track.style.setProperty("--zero", `${scale(0)}%`);
    const text = make("div", {class: "what"}, make("b", {}, what), make("small", {}, detail));
    const item = make("li", {}, text, track);
    if (feature !== null && mapRow(feature) !== undefined) {
      const small = make("canvas", {width: 1, height: 1});
      item.prepend(make("button", {type: "button", "data-feature": feature, "aria-pressed": "false", "aria-label": `Show the map of ${nameOf(feature)}`, onclick: (event) => select(event.currentTarget)}, small));
      drawSpot(small, feature, 84);
    }
    return item;
  }

  // Percent of the width for a value, over a range that has 0 in it.
  function makeScale(values) {
    const low = Math.min(0, ...values), span = Math.max(0, ...values) - low || 1;
    return (value) => 100 * (value - low) / span;
  }

  function describeOthers(one, shown) {
    const left = {for: {...one.for}, against: {...one.against}};
    for (const feature of shown) {
      const vote = voteOf(chosen, feature), side = vote > 0 ? left.for : left.against;
      side.count -= 1;
      side.sum -= vote;
    }
    return `${countOf(left.for.count)} for: ${formatSigned(left.for.sum)}, ${countOf(left.against.count)} against: ${formatSigned(left.against.sum)}`;
  }

  function drawVotes() {
    const one = votes.classes[chosen], shown = strongest((feature) => voteOf(chosen, feature)), steps = [];
    for (const feature of shown) {
      const vote = voteOf(chosen, feature);
      steps.push({what: `${formatSigned(vote)} ${nameOf(feature)}`, detail: `${formatNumber(valueOf(feature))} × ${formatNumber(weightOf(chosen, feature))}`, amount: vote, feature});
    }
    const together = shown.reduce((sum, feature) => sum + voteOf(chosen, feature), 0), numOthers = votes.num_features - shown.length;
    const others = one.total - one.bias - together;
    if (numOthers) steps.push({what: `${formatSigned(others)} ${numOthers === 1 ? "the other one" : `all ${countOf(numOthers)} others`}`, detail: describeOthers(one, shown), amount: others});
    steps.push({what: `${formatSigned(one.bias)} bias`, detail: "the same for every picture", amount: one.bias});
    steps.push({what: `${formatSigned(one.rest)} ${one.is_cut ? "cut off" : "rounding"}`, detail: one.is_cut ? "where the file's numbers end" : "by the file", amount: one.rest});
    let sum = 0;
    const ends = steps.map((step) => sum += step.amount), scale = makeScale([...ends, one.logit]);
    const rows = steps.map((step, index) => makeRow(step.what, step.detail, index ? ends[index - 1] : 0, ends[index], scale, step.feature ?? null));
    part("votes").replaceChildren(...rows, makeRow(`= ${formatNumber(one.logit, 4)} the logit`, "as the file computed it", 0, one.logit, scale, null, "logit"));
    drawSum(one);
  }

  function drawSum(one) {
    const badge = one.is_cut ? ["warn", "the file's numbers end there"] : !one.agrees ? ["warn", "not equal"]
      : ["good", votes.step ? `equal within the file's step of ${formatNumber(votes.step)}` : "equal, but for the rounding of floats"];
    const beyond = one.is_cut ? ` The file has a ${one.rest < 0 ? "largest" : "smallest"} number for a logit, and the sum lies beyond it.` : "";
    part("sum").replaceChildren(
      `Votes for ${formatSigned(one.for.sum)}, votes against ${formatSigned(one.against.sum)}, bias ${formatSigned(one.bias)}: together ${formatNumber(one.total, 4)}. The file itself computed ${formatNumber(one.logit, 4)}. `,
      make("span", {class: `badge ${badge[0]}`}, badge[1]), beyond);
  }

  // ---- two classes -----------------------------------------------------------------------------------------------
  function drawDifference() {
    if (!part("difference")) return;
    const mine = votes.classes[chosen], other = votes.classes[rival], apart = (feature) => voteOf(chosen, feature) - voteOf(rival, feature);
    setText(section, '[data-part="first"]', mine.label);
    const shown = strongest(apart), scale = makeScale(shown.map(apart));
    part("difference").replaceChildren(...shown.map((feature) => makeRow(
      `${formatSigned(apart(feature))} ${nameOf(feature)}`, `${formatSigned(voteOf(chosen, feature))} against ${formatSigned(voteOf(rival, feature))}`, 0, apart(feature), scale, feature)));
    const lead = mine.logit - other.logit, times = Math.exp(Math.abs(lead)), these = shown.reduce((sum, feature) => sum + apart(feature), 0);
    const [ahead, behind] = lead >= 0 ? [mine, other] : [other, mine];
    const shares = data.scores.ending === "softmax" && lead !== 0 ? ` Softmax makes e to the power of ${formatNumber(Math.abs(lead))} of that: a score ${formatNumber(times)} times as large.` : "";
    const text = lead === 0 ? ["Both logits are the same number."] : [make("bdi", {}, ahead.label), ` is ahead of `, make("bdi", {}, behind.label), ` by ${formatNumber(Math.abs(lead))}: ${formatNumber(ahead.logit)} against ${formatNumber(behind.logit)}.${shares}`];
    part("apart").replaceChildren(`These ${shown.length} features make ${formatSigned(these)} of a difference of ${formatSigned(lead)}. `, ...text);
  }

  // ---- places ----------------------------------------------------------------------------------------------------
  function drawPlaces() {
    const one = votes.classes[chosen], places = one.places;
    if (!places) return;
    const count = places.rows * places.columns, isLost = Math.abs(places.lost) > one.tolerance;
    const saturated = isLost && votes.saturated ? ` ${countOf(votes.saturated)} of the features are the largest number that this file can write down for them, and what they had beyond it was lost: ${formatSigned(places.lost)} in this logit. That happens with pictures unlike those that the file was made with.`
      : isLost ? ` Rounding the features made ${formatSigned(places.lost)} of it.` : "";
    part("places").replaceChildren(
      `Every vote comes from somewhere. Counted by place, the ${countOf(count)} places of the last maps (${places.rows} × ${places.columns}) add ${formatSigned(places.total)}, the bias ${formatSigned(places.bias)}, the file's rounding on the way ${formatSigned(places.rest)}: ${formatNumber(one.logit, 4)} again.${saturated} `,
      make("a", {href: "#looked"}, "The next screen lays these places over your picture."));
  }

  // ---- choices ---------------------------------------------------------------------------------------------------
  const classChoice = part("class"), rivalChoice = part("rival");

  function fillRivals() {
    if (!rivalChoice) return;
    if (rival === chosen) rival = chosen === 0 ? 1 : 0;
    rivalChoice.replaceChildren(...votes.classes.map((one, index) => make("option", {value: index, dir: "auto", selected: index === rival, disabled: index === chosen}, one.label)));
  }

  function drawAll() {
    fillRivals();
    drawVotes();
    drawDifference();
    drawPlaces();
    selectFirst();
  }

  function selectFirst() {
    const first = section.querySelector(".votes button");
    if (first) select(first);
  }

  classChoice.append(...votes.classes.map((one, index) => make("option", {value: index, dir: "auto"}, one.label)));
  classChoice.addEventListener("change", () => { chosen = Number(classChoice.value); drawAll(); });
  if (rivalChoice) rivalChoice.addEventListener("change", () => { rival = Number(rivalChoice.value); drawDifference(); if (!figure.isConnected) selectFirst(); });
  picture.addEventListener("load", drawAll);
  picture.src = head.seen.src;
};
