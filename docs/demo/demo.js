// The page: takes a video or the camera, a box, and shows what the tracker does frame by frame.

import { Tracker } from "./tracker.js";

const COLORS = ["#6a00a8", "#b12a90", "#e16462", "#fca636", "#f0f921"], GREY = "#bebebe", LONGEST = 960, SMALLEST = 6, KEPT = 300;
const at = (id) => document.getElementById(id), fail = (error) => { say(error.message ?? String(error)); throw error; };
const say = (text) => { at("say").textContent = text; };

const picture = at("picture"), pen = picture.getContext("2d"), strip = at("strip");
const hidden = document.createElement("canvas"), frames = hidden.getContext("2d", { willReadFrequently: true });
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, preload: "auto" });

let tracker, target, drawn, generation = 0;  // drawn: the box that is being drawn; generation: of targets, so that a late answer is dropped
let resting = false;  // whether a person has paused it
let rows = [];  // of the last frames: {depth, score, lost, ms}

at("depths").append(...COLORS.map((color, k) => {
  const row = document.createElement("li");
  row.className = "depth"; row.style.setProperty("--depth", color);
  row.innerHTML = `<span class="name">depth ${k + 1}</span><span class="bar"><i></i></span><span class="value"></span>`;
  return row;
}));

async function begin() {
  const ort = await import("./files/ort.wasm.min.mjs").catch(() => fail(new Error("files/ is not there: python -m docs.demo.make")));
  ort.env.wasm.numThreads = 1;  // more ask for headers that a plain server does not send
  ort.env.wasm.wasmPaths = new URL("./files/", location.href).href;
  tracker = await Tracker.load(ort, "files/tracker.onnx").catch(fail);
  at("threshold").value = tracker.settings.threshold;
  if (tracker.calibration) {
    const costs = tracker.costs;
    Object.assign(at("budget"), { min: (costs[0] + .1).toFixed(1), max: (costs[4] - .1).toFixed(1), value: 3 });
  }
  at("budgets").hidden = !tracker.calibration;
  showKnobs();
  say("");
  globalThis.demo = { tracker, video, get rows() { return rows; }, get target() { return target; } };  // for who looks inside
}

// Sources.

async function open(source) {
  stop();
  video.srcObject?.getTracks().forEach((track) => track.stop());
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.srcObject = source instanceof MediaStream ? source : null;
  if (!video.srcObject) video.src = URL.createObjectURL(source);
  try {
    await new Promise((done, failed) => { video.onloadeddata = done; video.onerror = failed; });
  } catch {
    return say("This browser cannot play that file");
  }
  if (video.srcObject) await video.play();
  const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
  for (const canvas of [picture, hidden]) {
    canvas.width = Math.round(video.videoWidth * scale); canvas.height = Math.round(video.videoHeight * scale);
  }
  at("start").hidden = true; picture.hidden = at("other").hidden = false; at("again").disabled = false;
  askForBox();
}

function stop() {
  generation++; target = drawn = null; rows = []; resting = false;
  video.pause();
  at("play").disabled = true;
}

async function askForBox() {
  const over = video.ended;
  stop();
  show(null);
  if (over) await new Promise((done) => { video.onseeked = done; video.currentTime = 0; });
  if (video.srcObject) video.play().then(preview);
  else preview();
  say("Draw a box around the target");
}

// The picture while no target is tracked; of a camera it moves.
function preview() {
  if (target) return;
  pen.drawImage(video, 0, 0, picture.width, picture.height);
  if (drawn) outline(boxOf(drawn), "#ffffff");
  if (video.srcObject) requestAnimationFrame(preview);
}

// Boxes.

const place = (event) => {
  const { left, top, width, height } = picture.getBoundingClientRect(), scale = Math.min(width / picture.width, height / picture.height);
  return [event.clientX - left - (width - picture.width * scale) / 2, event.clientY - top - (height - picture.height * scale) / 2]
    .map((v, i) => Math.max(0, Math.min([picture.width, picture.height][i], v / scale)));
};
const boxOf = ({ from, to }) => [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.abs(from[0] - to[0]), Math.abs(from[1] - to[1])];

picture.addEventListener("pointerdown", (event) => {
  if (target || !tracker) return;
  picture.setPointerCapture(event.pointerId);
  drawn = { from: place(event), to: place(event) };
});
picture.addEventListener("pointermove", (event) => {
  if (!drawn) return;
  drawn.to = place(event);
  if (!video.srcObject) preview();
});
picture.addEventListener("pointerup", () => {
  if (!drawn) return;
  const box = boxOf(drawn);
  drawn = null;
  if (Math.min(box[2], box[3]) < SMALLEST) return say("That box is too small: draw from corner to corner");
  follow(box).catch(fail);
});

// Tracking.

const grab = () => {
  frames.drawImage(video, 0, 0, hidden.width, hidden.height);
  return frames.getImageData(0, 0, hidden.width, hidden.height);
};

async function follow(box) {
  const mine = ++generation;
  say("");
  setBudget();
  target = await tracker.init(grab(), box, startingThreshold());
  if (mine !== generation) return;
  show({ box, given: true });
  at("play").disabled = false; at("play").textContent = "Pause";
  // A file waits while its frame is tracked, and plays slowly on a slow machine, so that few are missed; a camera does not.
  let last = video.currentTime;
  while (mine === generation && !video.ended) {
    const next = nextFrame();
    if (!video.srcObject) video.playbackRate = Math.max(.1, Math.min(1, 40 / (frameMs() || 160)));
    if (!resting && video.paused) await video.play();
    const time = await next;
    if (mine !== generation || resting || time === null || time === last) continue;
    last = time;
    if (!video.srcObject) video.pause();
    await step(mine);
  }
  if (mine === generation) { say("The end"); at("play").disabled = true; }
}

// The time of the frame that the video shows next, or again; null where none comes, as at its end.
const nextFrame = () => new Promise((done) => {
  setTimeout(() => done(null), 500);
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback((_, { mediaTime }) => done(mediaTime));
  else requestAnimationFrame(() => done(video.currentTime));
});

async function step(mine) {
  const frame = grab(), start = performance.now(), before = target;
  const { target: after, track } = await tracker.update(before, frame);
  if (mine !== generation) return;
  target = target === before ? after : { ...after, state: { ...after.state, "state/threshold": target.state["state/threshold"] } };
  rows.push({ ...track, ms: performance.now() - start });
  rows.splice(0, rows.length - KEPT);
  frames.putImageData(frame, 0, 0);
  show(track);
}

// What is seen.

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const frameMs = () => rows.length && median(rows.slice(-15).map((row) => row.ms));

function outline([x, y, w, h], color, dashed = false) {
  const wide = Math.max(2, picture.width / 240);
  pen.setLineDash(dashed ? [3 * wide, 2 * wide] : []);
  for (const [width, style] of [[2.2 * wide, "#000a"], [wide, color]]) {
    pen.lineWidth = width; pen.strokeStyle = style; pen.strokeRect(x, y, w, h);
  }
}

function show(track) {
  const found = track && !track.given, color = !found ? "#ffffff" : track.lost ? GREY : COLORS[track.depth];
  if (track) {
    pen.drawImage(track.given ? video : hidden, 0, 0, picture.width, picture.height);
    outline(track.box, color, found && track.lost);
  }
  at("exit").textContent = !track ? "–" : track.given ? "given" : track.lost ? "lost" : `depth ${track.depth + 1}`;
  at("exit").style.cssText = track ? `background: ${color}; color: ${found && !track.lost && track.depth < 3 ? "#fff" : "#111"}` : "";
  at("words").textContent = found ? `score ${track.score.toFixed(2)}` : "";
  [...at("depths").children].forEach((row, k) => {
    const [, bar, value] = row.children, seen = found && k <= track.depth;
    row.classList.toggle("exit", Boolean(found && k === track.depth));
    row.classList.toggle("beyond", Boolean(found && k > track.depth));
    bar.firstChild.style.width = seen ? `${100 * track.confidences[k]}%` : "0";
    value.textContent = seen ? track.confidences[k].toFixed(2) : "";
  });
  const n = rows.length;
  at("ms").textContent = n ? frameMs().toFixed(0) : "–";
  at("cost").textContent = n ? (rows.reduce((sum, row) => sum + tracker.costs[row.depth], 0) / n).toFixed(1) : "–";
  at("lost").textContent = n ? `${(100 * rows.filter((row) => row.lost).length / n).toFixed(0)} %` : "–";
  drawStrip();
}

function drawStrip() {
  const ratio = devicePixelRatio, wide = strip.clientWidth, tall = strip.clientHeight, brush = strip.getContext("2d");
  strip.width = wide * ratio; strip.height = tall * ratio;
  brush.scale(ratio, ratio);
  const each = wide / Math.max(rows.length, 80);
  rows.forEach((row, i) => {
    brush.fillStyle = row.lost ? "#77777c" : COLORS[row.depth];
    const high = (tall - 8) * (row.depth + 1) / COLORS.length;
    brush.fillRect(i * each, tall - high, Math.max(each - .5, 1), high);
  });
  brush.beginPath();
  rows.forEach((row, i) => brush.lineTo((i + .5) * each, 4 + (tall - 8) * (1 - row.score)));
  brush.strokeStyle = "#fff"; brush.lineWidth = 1.5; brush.stroke();
}

// Knobs.

const budgeted = () => document.querySelector("[name=mode]:checked").value === "budget";
const setBudget = () => { tracker.budget = budgeted() ? Number(at("budget").value) : 0; };
const startingThreshold = () => budgeted() ? tracker.thresholdFor(tracker.budget) : Number(at("threshold").value);

function showKnobs() {
  at("threshold_value").textContent = Number(at("threshold").value).toFixed(2);
  at("budget_value").textContent = Number(at("budget").value).toFixed(1);
}

function turn(id) {
  document.querySelector(`[value=${id}]`).checked = true;
  showKnobs();
  if (!tracker) return;
  setBudget();
  if (target) target = { ...target, state: { ...target.state, "state/threshold": tracker.tensor("state/threshold", [startingThreshold()]) } };
}

for (const id of ["threshold", "budget"]) {
  at(id).addEventListener("input", () => turn(id));
  document.querySelector(`[value=${id}]`).addEventListener("change", () => turn(id));
}
for (const id of ["file", "file2"]) at(id).addEventListener("change", ({ target: input }) => { if (input.files[0]) open(input.files[0]); input.value = ""; });
at("camera").addEventListener("click", async () => {
  try {
    open(await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }));
  } catch {
    say("There is no camera, or it may not be used: cameras want https or localhost");
  }
});
at("again").addEventListener("click", askForBox);
at("play").addEventListener("click", () => {
  resting = !resting;
  if (resting) video.pause();
  at("play").textContent = resting ? "Go on" : "Pause";
});
for (const name of ["dragover", "dragleave", "drop"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    at("stage").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
addEventListener("resize", drawStrip);
begin();
