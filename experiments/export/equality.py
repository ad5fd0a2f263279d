"""Are an exported file's boxes and exits JAX's, and which is faster? On real frames, given JAX's last box in each.

python -m experiments.export.equality DATA,WIDE runs/export/tracker.onnx runs/equality
python -m experiments.export.equality DATA,WIDE runs/vgg19/tracker.onnx runs/equality_vgg19 --weights VGG19

DATA,WIDE are data roots; frames are of their train and dev sides, as many from the start of each video. The file is of
the package's network, or with --weights of VGG-19 with the package's gates. Writes equality.json: the share of frames
with the same exit, how far boxes are apart, and the median milliseconds of a frame at each exit, frame to box, of both
in turns.
"""

import argparse
import dataclasses
import pathlib
import time
from collections.abc import Callable

import numpy as np

from adadepth.data.sequence import Sequence
from adadepth.data.sources import Source
from adadepth.evaluation.costs import frame_costs
from adadepth.export.program import leaf_names
from adadepth.export.runtime import OnnxTarget, OnnxTracker
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.io.progress import progress
from adadepth.models.architecture import DEPTH_NAMES
from adadepth.models.model import Model, load_model
from adadepth.models.model_files import EMBEDDED, VGG19
from adadepth.models.weights import load_vgg19
from adadepth.tracking.tracker import Target, Tracker


@dataclasses.dataclass(frozen=True)
class Both:
  """What both make of one frame.

  Attributes:
    depths: of JAX and of ONNX.
    apart_px: the largest difference of the boxes' four numbers.
    ms: of JAX and of ONNX.
  """

  depths: tuple[int, int]
  apart_px: float
  ms: tuple[float, float]


def as_onnx(target: Target) -> OnnxTarget:
  """A target of JAX's tracker as the runtime takes it."""
  state = {name: np.asarray(leaf) for name, leaf in leaf_names({"state": target.state})}
  return OnnxTarget((state,), target.box_xywh, target.first_size_wh, target.missed, target.shape, target.frame_shape)


def timed(call: Callable) -> tuple:
  start = time.perf_counter()
  found = call()
  return found, 1e3 * (time.perf_counter() - start)


def compare(jaxs: Tracker, ours: OnnxTracker, sequence: Sequence, frames: int) -> list[Both]:
  """Each frame after the first, which of both is first by turns; JAX's boxes are the next frame's for both."""
  first, rows = sequence.first_box, []
  target = jaxs.init(sequence.frames[first], sequence.boxes_xywh[first])
  for t in range(first + 1, min(first + 1 + frames, len(sequence))):
    frame, same = sequence.frames[t], as_onnx(target)
    calls = [lambda f=frame, x=target: jaxs.update(x, f), lambda f=frame, x=same: ours.update(x, f)]
    order = (0, 1) if t % 2 else (1, 0)
    found = {i: timed(calls[i]) for i in order}
    ((target, track), jax_ms), ((_, other), onnx_ms) = found[0], found[1]
    apart = float(np.abs(track.box_xywh - other.box_xywh).max())
    rows.append(Both((int(track.depth), int(other.depth)), apart, (jax_ms, onnx_ms)))
  return rows


def summary(rows: list[Both], gflops: np.ndarray) -> dict:
  """The shares, and the medians by exit; what an exit saves is of the last exit's time, and of its FLOPs."""
  depths, apart = np.array([row.depths for row in rows]), np.array([row.apart_px for row in rows])
  ms, same = np.array([row.ms for row in rows]), depths[:, 0] == depths[:, 1]
  by_exit = {}
  for k, name in enumerate(DEPTH_NAMES):
    here = same & (depths[:, 0] == k)
    if here.any():
      xla, onnx = np.median(ms[here], axis=0).tolist()
      ratio = float(np.median(ms[here, 1] / ms[here, 0]))
      by_exit[name] = {"frames": int(here.sum()), "xla_ms": xla, "onnx_ms": onnx, "onnx_over_xla": ratio}
  return {
    "frames": len(rows),
    "same_exit": float(same.mean()),
    "boxes_within_0.01_px": float((apart <= 0.01).mean()),
    "of_the_same_exit": float((apart[same] <= 0.01).mean()),
    "largest_px": float(apart[same].max()),
    "exits": by_exit,
    "gflops": gflops.tolist(),
  }


def model_with(weights: str) -> Model:
  """The package's network, or VGG-19 with the package's gates."""
  if not weights:
    return load_model(EMBEDDED)
  model = load_model(VGG19)
  return model._replace(params={**model.params, "backbone": load_vgg19(weights, channels=model.arch.channels)})


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("roots")
  parser.add_argument("file", type=pathlib.Path)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--frames", type=int, default=1000)
  parser.add_argument("--weights", default="", help="of VGG-19, any official format")
  given = parser.parse_args()
  enable_compilation_cache()
  ours = OnnxTracker(given.file)
  jaxs = Tracker(model_with(given.weights), ours.settings.policy)
  found = Source(given.roots, "", "skip", (0, 0, 0), 0.0, 0).read(("train", "dev"))
  sequences = [sequence for side in found.values() for sequence in side]
  each = -(-given.frames // len(sequences))
  compare(jaxs, ours, sequences[0], 2)  # compiles
  rows = [row for sequence in progress(sequences, "frames") for row in compare(jaxs, ours, sequence, each)]
  result = summary(rows, frame_costs(jaxs.model.arch).cascade_gflops)
  write_json(given.workdir / "equality.json", {"videos": len(sequences), **result})
  print({"videos": len(sequences), **result})


if __name__ == "__main__":
  main()
