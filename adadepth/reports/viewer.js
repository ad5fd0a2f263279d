"use strict";
// The viewer of a page: one frame at a time, and all that is known of it. Names are set as text, never as HTML.
const source = document.getElementById("viewer-data");
if (source) view(JSON.parse(source.textContent));

function view(data) {
  const at = (id) => document.getElementById(id);
  const told = data.trails.filter((trail) => !trail.color);
  const rows = [...document.querySelectorAll(".depth")];
  const maps = data.maps && Uint8Array.from(atob(data.maps.bytes), (letter) => letter.charCodeAt(0));
  const [width, height] = data.size;
  const GREY = "#bebebe", TRUTH = "#6eff6e", GUTTER = 44;
  let now = 0, timer = 0, main = told[0];

  const jpeg = (i) => `data:image/jpeg;base64,${data.frames[i]}`;
  const two = (value) => (value === null ? "–" : value.toFixed(2));

  function svg(name, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function colorOf(trail, i) {
    if (trail.color) return trail.color;
    if (trail.lost[i]) return GREY;
    return trail.depth[i] < 0 ? "#ffffff" : data.colors[trail.depth[i]];
  }

  function rect([x, y, w, h], color, thickness, dashes = "") {
    const place = { x, y, width: w, height: h, "stroke-dasharray": dashes };
    const rim = svg("rect", { ...place, stroke: "#000", "stroke-width": thickness + 2, opacity: 0.55 });
    return [rim, svg("rect", { ...place, stroke: color, "stroke-width": thickness })];
  }

  function boxesOf(i) {
    const drawn = [];
    const square = data.squares && at("square").checked && data.squares[i];
    if (square) drawn.push(rect([square[0], square[1], square[2], square[2]], "#ffffff", 1, "2 5")[1]);
    const shown = data.trails.filter((_, k) => document.querySelector(`[data-trail="${k}"]`).checked);
    for (const trail of [...shown.filter((t) => t.color), ...shown.filter((t) => !t.color)]) {
      const box = trail.boxes[i];
      if (!box) continue;
      const [rim, edge] = rect(box, colorOf(trail, i), trail.color ? 1.5 : 3, trail.lost[i] ? "8 6" : "");
      edge.dataset.name = trail.name;
      drawn.push(rim, edge);
      if (told.length > 1 && !trail.color) {
        const text = svg("text", { x: box[0], y: Math.max(box[1] - height / 90, height / 28), "font-size": height / 28 });
        text.textContent = trail.name;
        drawn.push(text);
      }
    }
    if (data.truth && at("truth").checked && data.truth[i]) drawn.push(rect(data.truth[i], TRUTH, 1.5, "6 5")[1]);
    return drawn;
  }

  function drawMap(canvas, i, k) {
    const side = data.maps.side, image = new ImageData(side, side), from = (i * rows.length + k) * side * side;
    for (let p = 0; p < side * side; p++) {
      const v = maps[from + p] / 255; // black, violet, orange, pale yellow
      image.data.set([255 * Math.min(1, 1.9 * v), 255 * Math.max(0, 1.6 * v - 0.55), 255 * (v < 0.5 ? 0.9 * v : v * v * 0.62 + 0.3 * (1 - v)), 255], 4 * p);
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function tell(i) {
    at("told").hidden = !main;
    if (!main) return;
    const depth = main.depth[i], given = depth === null || depth < 0, lost = main.lost[i];
    at("exit").textContent = given ? "given" : lost ? "lost" : data.depths[depth];
    const color = given ? "#ffffff" : lost ? GREY : data.colors[depth];
    at("exit").style.background = color;
    at("exit").style.color = given || lost || depth > 2 ? "#111" : "#fff";
    const words = given ? ["the first box"] : [`score ${two(main.score[i])}`];
    if (main.iou && !given) words.push(`IoU ${two(main.iou[i])}`);
    at("words").textContent = words.join(" · ");
    rows.forEach((row, k) => {
      const c = given ? null : main.confidences[i][k];
      row.classList.toggle("exit", !given && k === depth);
      row.classList.toggle("given", given);
      row.classList.toggle("beyond", !given && k > depth);
      row.querySelector("i").style.width = `${100 * (c ?? 0)}%`;
      row.querySelector(".value").textContent = two(c ?? null);
      const mark = row.querySelector("u"), threshold = data.threshold && data.threshold[i];
      mark.hidden = threshold === null || k === rows.length - 1;
      if (!mark.hidden) mark.style.left = `${100 * threshold}%`;
      if (maps) drawMap(row.querySelector("canvas"), i, k);
    });
  }

  function columnOf(number) {
    let column = 0;
    while (column < data.columns.length - 2 && data.columns[column + 1] <= number) column++;
    return column;
  }

  function drawStrip() {
    const canvas = at("strip");
    canvas.hidden = !main;
    if (!main) return;
    const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    canvas.width = w * ratio;
    canvas.height = h * ratio;
    const pen = canvas.getContext("2d"), strip = main.strip, count = strip.depth.length, step = (w - GUTTER) / count;
    pen.scale(ratio, ratio);
    pen.translate(GUTTER, 0);
    const middle = h * 0.56, top = middle + 10, foot = h - 4;
    pen.fillStyle = "#ffffff26";
    for (const y of [middle, top, foot]) pen.fillRect(0, y, w, 1);
    strip.depth.forEach((depth, column) => {
      if (strip.lost[column]) {
        pen.fillStyle = "#ffffff22";
        pen.fillRect(column * step, 0, step + 0.5, h);
      }
      if (depth === null || depth < 0) return;
      pen.fillStyle = strip.lost[column] ? "#77777c" : data.colors[depth];
      const tall = (middle - 4) * (depth + 1) / rows.length;
      pen.fillRect(column * step, middle - tall, Math.max(1, step - (step > 4 ? 1 : 0)), tall);
    });
    line(pen, strip.iou, step, top, foot, TRUTH);
    line(pen, strip.score, step, top, foot, "#ffffff");
    pen.font = "12px system-ui, sans-serif";
    for (const [text, y, color] of [["depth", middle - 3, "#b9b9c0"], ["score", top + 14, "#ffffff"], [strip.iou ? "IoU" : "", top + 31, TRUTH]]) {
      pen.fillStyle = color;
      pen.fillText(text, -GUTTER, y);
    }
    pen.fillStyle = "#fff";
    pen.fillRect((columnOf(data.numbers[now]) + 0.5) * step - 1, 0, 2, h);
  }

  function line(pen, values, step, top, foot, color) {
    if (!values) return;
    pen.strokeStyle = color;
    pen.lineWidth = 1.5;
    pen.beginPath();
    let on = false;
    values.forEach((value, column) => {
      if (value === null) { on = false; return; }
      pen[on ? "lineTo" : "moveTo"]((column + 0.5) * step, foot - (foot - top) * value);
      on = true;
    });
    pen.stroke();
  }

  function show(i) {
    now = Math.max(0, Math.min(data.frames.length - 1, i));
    at("viewer").dataset.frame = data.numbers[now];
    at("still").setAttribute("href", jpeg(now));
    at("boxes").replaceChildren(...boxesOf(now));
    at("slider").value = now;
    at("number").textContent = `frame ${data.numbers[now]}`;
    tell(now);
    drawStrip();
  }

  function nearest(number) {
    let best = 0;
    data.numbers.forEach((other, i) => {
      if (Math.abs(other - number) < Math.abs(data.numbers[best] - number)) best = i;
    });
    return best;
  }

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => show((now + 1) % data.frames.length), 1000 / data.fps) : 0;
    at("play").textContent = on ? "❚❚" : "▶";
    at("play").setAttribute("aria-label", on ? "pause" : "play");
  }

  function follow() {
    const asked = /^#frame=(\d+)$/.exec(location.hash);
    if (!asked) return;
    play(false);
    show(nearest(Number(asked[1])));
    at("viewer").scrollIntoView({ block: "nearest" });
  }

  function point(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = at("strip").getBoundingClientRect(), count = data.columns.length - 1;
    const column = Math.floor((event.clientX - box.left - GUTTER) / (box.width - GUTTER) * count);
    play(false);
    show(nearest(data.columns[Math.max(0, Math.min(count - 1, column))]));
  }

  for (const link of document.querySelectorAll(".moments a")) {
    const i = Number(link.dataset.still), small = link.querySelector("svg");
    const trail = told.find((one) => one.boxes[i]);
    small.append(svg("image", { href: jpeg(i), width, height, preserveAspectRatio: "none" }));
    if (!trail) continue;
    const [x, y, w, h] = trail.boxes[i], wide = Math.min(Math.max(3.2 * w, 4.2 * h, width / 5), width, height * 4 / 3), tall = wide * 3 / 4;
    const left = Math.max(0, Math.min(width - wide, x + w / 2 - wide / 2));
    const top = Math.max(0, Math.min(height - tall, y + h / 2 - tall / 2));
    small.setAttribute("viewBox", `${left} ${top} ${wide} ${tall}`);
    small.append(...rect(trail.boxes[i], colorOf(trail, i), 2, trail.lost[i] ? "6 5" : ""));
    if (data.truth && data.truth[i]) small.append(rect(data.truth[i], TRUTH, 1.5, "5 4")[1]);
  }
  at("which").hidden = told.length < 2;
  at("target").addEventListener("change", (event) => { main = told[event.target.selectedIndex]; show(now); });
  at("slider").addEventListener("input", (event) => { play(false); show(Number(event.target.value)); });
  at("play").addEventListener("click", () => play(!timer));
  for (const box of document.querySelectorAll(".legend input")) box.addEventListener("change", () => show(now));
  for (const kind of ["pointerdown", "pointermove"]) at("strip").addEventListener(kind, point);
  window.addEventListener("hashchange", follow);
  window.addEventListener("resize", drawStrip);
  show(0);
  follow();
}
