screens.numbers = (section, data, head) => {
  const MOST = 8, CHANNELS = ["red", "green", "blue"], ALL = 3;
  const pixels = head.pixels, [rows, columns] = pixels.shape;
  const size = [Math.min(MOST, rows), Math.min(MOST, columns)];
  const frame = section.querySelector(".frame"), canvas = section.querySelector("canvas");
  let shown = ALL, row = 0, column = 0;

  const table = section.querySelector(".magnifier");
  const caption = make("caption"), columnHeads = [], rowHeads = [], cells = [];
  for (let x = 0; x < size[1]; x++) columnHeads.push(make("th", {scope: "col"}));
  const body = make("tbody");
  for (let y = 0; y < size[0]; y++) {
    rowHeads.push(make("th", {scope: "row"}));
    cells.push(columnHeads.map(() => make("td")));
    body.append(make("tr", {}, rowHeads[y], ...cells[y]));
  }
  table.append(caption, make("thead", {}, make("tr", {}, make("td"), ...columnHeads)), body);

  const read = (channel, value) => (value - data.reads[channel].mean) / data.reads[channel].std;
  const start = (place, size, side) => Math.max(0, Math.min(side - size, place - (size >> 1)));
  const of = (y, x) => CHANNELS.map((_, channel) => at(pixels, y, x, channel));

  function paintPicture() {
    if (shown === ALL) drawPixels(canvas, pixels);
    else drawCells(canvas, rows, columns, (y, x) => Array(3).fill(at(pixels, y, x, shown)));
  }

  function update() {
    const top = start(row, size[0], rows), left = start(column, size[1], columns);
    frame.hidden = false;
    frame.style.top = 100 * top / rows + "%";
    frame.style.left = 100 * left / columns + "%";
    frame.style.height = 100 * size[0] / rows + "%";
    frame.style.width = 100 * size[1] / columns + "%";
    columnHeads.forEach((head, x) => { head.textContent = left + x; });
    rowHeads.forEach((head, y) => { head.textContent = top + y; });
    cells.forEach((line, y) => line.forEach((cell, x) => {
      const values = of(top + y, left + x), color = shown === ALL ? values : Array(3).fill(values[shown]);
      cell.textContent = shown === ALL ? values.join("\n") : values[shown];
      cell.style.background = `rgb(${color})`;
      cell.style.color = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 120 ? "#000" : "#fff";
      cell.className = top + y === row && left + x === column ? "chosen" : "";
    }));
    const what = shown === ALL ? "red, green and blue, from top to bottom, of" : CHANNELS[shown] + " of";
    caption.textContent = `${what} ${size[0]} × ${size[1]} pixels; rows and columns count from 0`;
    const here = of(row, column);
    setText(section, ".pixel", `Row ${row}, column ${column}: red ${here[0]}, green ${here[1]}, blue ${here[2]}.`
      + (data.reads ? ` The first filters read ${here.map((value, channel) => formatNumber(read(channel, value))).join(", ")}.` : ""));
  }

  makeChoice(section.querySelector(".controls"), ["all three", ...CHANNELS], (index) => {
    shown = index === 0 ? ALL : index - 1;
    paintPicture();
    update();
  });
  pickCells(canvas, () => rows, () => columns, (y, x) => { row = y; column = x; update(); }, [rows >> 1, columns >> 1]);
};
