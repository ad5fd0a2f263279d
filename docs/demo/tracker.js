// adadepth/export/runtime.py in a browser: tracks with the file that configs/export.py writes, by onnxruntime-web.

import { cropSquare } from "./crops.js";

const METADATA = "adadepth", PATIENCE = 6, WAY = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };

// Where search crops are centred while a target is lost, in crops from its last place: adadepth/tracking/lost.py.
const LOOKED_AT = [[.6, 6], [1.1, 10]].flatMap(([r, n]) => Array.from({ length: n }, (_, i) => {
  const angle = 2 * Math.PI * i / n;
  return [[0, 0], [Math.fround(r * Math.cos(angle)), Math.fround(r * Math.sin(angle))]];
})).flat();

export class Tracker {
  static async load(ort, url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url} is not there (${answer.status})`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return new Tracker(ort, await ort.InferenceSession.create(bytes), settingsOf(bytes));
  }

  // settings: what the file says of itself, as adadepth/export/settings.py has it.
  constructor(ort, session, settings) {
    Object.assign(this, { ort, session, settings, budget: 0 });
    this.blank = Object.fromEntries(session.inputMetadata.map(({ name, type, shape }) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, new ort.Tensor(type, new WAY[type](size), shape)];
    }));
    const [thresholds, exits] = settings.calibration ?? [];
    this.calibration = thresholds && { thresholds, exits };
  }

  // What frames cost in the mean, relative to the first exit, may lie between the first and the last of these.
  get costs() {
    return this.settings.cost_by_exit.map((cost) => cost / this.settings.cost_by_exit[0]);
  }

  // T at which the mean cost was this on the calibration's videos: budget_for of adadepth/tracking/budget.py.
  thresholdFor(budget) {
    const { thresholds, exits } = this.calibration, spent = exits.map((row) => row.reduce((sum, share, k) => sum + share * this.costs[k], 0));
    const logits = thresholds.map((t) => Math.log(t / (1 - t)));
    const after = spent.findIndex((cost) => cost >= budget);
    if (after <= 0) return thresholds[after < 0 ? thresholds.length - 1 : 0];
    const part = (budget - spent[after - 1]) / (spent[after] - spent[after - 1] || 1);
    return 1 / (1 + Math.exp(-(logits[after - 1] + part * (logits[after] - logits[after - 1]))));
  }

  // A target in a box of its first frame; `threshold` is T.
  async init(frame, box, threshold) {
    const { template_px, search_px } = this.settings, center = centerOf(box), side = templateSide(box[2], box[3]);
    const state = { "state/box_xywh": this.tensor("state/box_xywh", box), "state/threshold": this.tensor("state/threshold", [threshold]) };
    const crops = { key: cropSquare(frame, center, side, template_px), search: cropSquare(frame, center, side * search_px / template_px, search_px) };
    const found = await this.run(state, crops, center, frame, true);
    return { state: found.state, box: box.map(Math.fround), first: box.slice(2).map(Math.fround), missed: 0 };
  }

  // The target in the next frame: {target, track}, track {box, confidences, depth (0..4), score, missed, lost}.
  async update(target, frame) {
    const { center, side } = this.searchRegion(target);
    const { state, found } = await this.run(target.state, { search: cropSquare(frame, center, side, this.settings.search_px) }, center, frame, false);
    const of = (name) => [...found[`track/${name}`].data].map(Number);
    const track = { box: of("box_xywh"), confidences: of("confidences"), depth: of("depth")[0], score: of("score")[0], missed: of("missed")[0] };
    track.lost = track.missed >= PATIENCE;
    return { target: { ...target, state, box: track.box, missed: track.missed }, track };
  }

  searchRegion({ box, first, missed }) {
    const { reader, template_px, search_px } = this.settings, [w, h] = reader === "box" ? box.slice(2) : first;
    const side = templateSide(w, h) * search_px / template_px, turn = missed - PATIENCE;
    const offset = turn < 0 ? [0, 0] : LOOKED_AT[turn % LOOKED_AT.length];
    return { center: centerOf(box).map((c, i) => Math.fround(c + offset[i] * side)), side };
  }

  async run(state, crops, center, frame, first) {
    const given = {
      ...this.blank, ...state,
      first: this.tensor("first", [first]), center: this.tensor("center", center), frame_wh: this.tensor("frame_wh", [frame.width, frame.height]),
      cost_by_exit: this.tensor("cost_by_exit", this.costs), budget: this.tensor("budget", [this.budget]),
      ...Object.fromEntries(Object.entries(crops).map(([name, crop]) => [name, this.tensor(name, crop)])),
    };
    const found = await this.session.run(given), next = Object.entries(found).filter(([name]) => name.startsWith("next/"));
    return { state: Object.fromEntries(next.map(([name, tensor]) => [name.replace("next/", "state/"), tensor])), found };
  }

  tensor(name, values) {
    const { type, dims } = this.blank[name];
    return new this.ort.Tensor(type, WAY[type].from(values), dims);
  }
}

const centerOf = ([x, y, w, h]) => [Math.fround(Math.fround(x) + Math.fround(w) / 2), Math.fround(Math.fround(y) + Math.fround(h) / 2)];

// Side of the template crop, image pixels; float32, as geometry.template_side has it.
function templateSide(w, h) {
  w = Math.fround(w); h = Math.fround(h);
  return Math.fround(Math.max(w, h) + Math.fround(Math.fround(w + h) / 4));
}

// onnxruntime-web does not tell a file's metadata: field 14 of the protocol buffer, pairs of a key (1) and a value (2).
function settingsOf(bytes) {
  for (const [field, part] of fieldsOf(bytes)) {
    if (field !== 14) continue;
    const pair = Object.fromEntries([...fieldsOf(part)].map(([n, text]) => [n, new TextDecoder().decode(text)]));
    if (pair[1] === METADATA) return JSON.parse(pair[2].replaceAll("NaN", "null"));
  }
  throw new Error("the file is not one that configs/export.py has written");
}

function* fieldsOf(bytes) {
  let at = 0;
  const number = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number(), wire = tag % 8, size = wire === 2 ? number() : wire === 1 ? 8 : wire === 5 ? 4 : 0;
    if (wire === 0) number();
    yield [Math.floor(tag / 8), bytes.subarray(at, at + size)];
    at += size;
  }
}
