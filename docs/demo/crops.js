// Square crops of a frame: adadepth/data/crops.py and what it asks of Pillow, number by number, so that a crop here is
// the crop there. A frame is {width, height, data}, RGBA as a canvas has it; a crop is RGB, [side, side, 3].

const SAMPLES = 64, PRECISION = 22;

export function cropSquare(frame, center, side, cropPx) {
  const { pixels, cells, corner, square } = cutWindow(frame, center, side, cropPx);
  return resize(pixels, cells, corner, square, cropPx);
}

function cutWindow(frame, center, side, cropPx) {
  let factor = Math.max(1, Math.ceil(side / (2 * cropPx)));
  const step = Math.max(1, Math.floor(factor / 2));
  factor = step * Math.ceil(factor / step);
  const margin = factor * (Math.ceil(side / factor / cropPx) + 1);
  const corner = center.map((c) => c - side / 2), [left, top] = corner.map((c) => Math.floor(c) - margin);
  const cells = Math.ceil((side + 2 * margin + 1) / factor);
  const part = partOf(frame, left, top, cells * factor, step);
  const pixels = factor > 1 ? reduce(part, cells, factor, factor / step) : part;
  return { pixels, cells, corner: [(corner[0] - left) / factor, (corner[1] - top) / factor], square: side / factor };
}

// The middle row of each `step` rows of a square of the frame; the frame's mean colour where it leaves it.
function partOf(frame, left, top, side, step) {
  const { width, height, data } = frame, rows = side / step, part = new Uint8Array(rows * side * 3);
  let mean = null;
  for (let row = 0, to = 0; row < rows; row++) {
    const y = top + Math.floor(step / 2) + row * step;
    for (let x = left; x < left + side; x++, to += 3) {
      if (y >= 0 && y < height && x >= 0 && x < width) {
        const from = 4 * (y * width + x);
        part[to] = data[from]; part[to + 1] = data[from + 1]; part[to + 2] = data[from + 2];
      } else {
        part.set(mean ??= meanColor(frame), to);
      }
    }
  }
  return part;
}

function meanColor({ width, height, data }) {
  const down = Math.max(1, Math.floor(height / SAMPLES)), across = Math.max(1, Math.floor(width / SAMPLES)), sum = [0, 0, 0];
  let count = 0;
  for (let y = 0; y < height; y += down) {
    for (let x = 0; x < width; x += across, count++) {
      for (let c = 0; c < 3; c++) sum[c] += data[4 * (y * width + x) + c];
    }
  }
  return sum.map((total) => {
    const mean = total / count, low = Math.floor(mean);
    return mean - low === .5 ? low + low % 2 : Math.round(mean);
  });
}

// Pillow's Image.reduce: the mean of `across` x `down` pixels.
function reduce(pixels, side, across, down) {
  const found = new Uint8Array(side * side * 3), wide = side * across * 3, half = Math.floor(across * down / 2);
  const multiplier = Math.floor(2 ** 24 / (across * down));
  for (let y = 0, to = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < 3; c++, to++) {
        let sum = half;
        for (let v = 0; v < down; v++) {
          let from = (y * down + v) * wide + x * across * 3 + c;
          for (let u = 0; u < across; u++, from += 3) sum += pixels[from];
        }
        found[to] = Math.floor(sum * multiplier / 2 ** 24);
      }
    }
  }
  return found;
}

// Pillow's Image.resize, bilinear and antialiased, of a square of a square picture: across, then down, a byte between.
function resize(pixels, side, corner, square, cropPx) {
  const [across, down] = corner.map((at) => weights(side, Math.fround(at), Math.fround(at + square), cropPx));
  const between = pass(pixels, across, side, cropPx, 3, 3 * side, 3, 3 * cropPx);
  return pass(between, down, cropPx, cropPx, 3 * cropPx, 3, 3 * cropPx, 3);
}

function weights(size, start, end, cropPx) {
  const scale = Math.fround(end - start) / cropPx, reach = Math.max(scale, 1), found = [];
  for (let i = 0; i < cropPx; i++) {
    const center = start + (i + .5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + .5)), last = Math.min(size, Math.trunc(center + reach + .5));
    const taps = [];
    for (let x = first; x < last; x++) taps.push(Math.max(0, 1 - Math.abs((x - center + .5) * (1 / reach))));
    const sum = taps.reduce((a, b) => a + b, 0);
    found.push({ first, taps: taps.map((tap) => Math.floor(tap / sum * 2 ** PRECISION + .5)) });
  }
  return found;
}

// One pass over `lines` lines: along one axis weighted sums, the other as it is. Strides are in bytes.
function pass(pixels, sums, lines, cropPx, along, line, alongTo, lineTo) {
  const found = new Uint8Array(lines * cropPx * 3);
  for (let i = 0; i < cropPx; i++) {
    const { first, taps } = sums[i];
    for (let n = 0; n < lines; n++) {
      for (let c = 0; c < 3; c++) {
        let sum = 2 ** (PRECISION - 1), from = n * line + first * along + c;
        for (let k = 0; k < taps.length; k++, from += along) sum += pixels[from] * taps[k];
        found[n * lineTo + i * alongTo + c] = Math.min(255, Math.floor(sum / 2 ** PRECISION));
      }
    }
  }
  return found;
}
