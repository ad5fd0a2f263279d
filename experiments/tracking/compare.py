"""Tracks every sequence of a split with our policies and with OpenCV's CSRT and KCF, on the same frames in one run.

pip install -r experiments/tracking/requirements.txt
python -m experiments.tracking.compare MODEL DATA test runs/tracking [xcorr1,xcorr5,soft,hard] [frames]

MODEL is a finished workdir or a model file. One JSON file a sequence and tracker is written as it goes, and those that
are there are not run again, also when other trackers are asked for; then tracking.json and a table. Predictions are fed
back; frames 0 (the default) is all.
"""

import hashlib
import json
import pathlib
import re
import sys
import time

import cv2
import numpy as np

from adadepth.data.ahead import read_ahead
from adadepth.data.sequence import Sequence
from adadepth.data.sources import Source
from adadepth.evaluation.costs import pair_costs
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.json_files import write_json
from adadepth.io.workdir import claim
from adadepth.maths.geometry import box_center, box_from_center
from adadepth.models.architecture import DEPTHS
from adadepth.models.model import Model, load_model, model_file
from adadepth.tracking.policies import FIXED, POLICIES
from adadepth.tracking.tracker import TrackedSequence, Tracker, score_tracking, track_sequence

PEERS = {"CSRT": cv2.TrackerCSRT, "KCF": cv2.TrackerKCF}


def track_peer(name: str, sequence: Sequence, *, frames: int) -> TrackedSequence:
  """`track_sequence` with a tracker of OpenCV; where it says that it has lost the target, the last box stands."""
  cv2.setRNGSeed(0)
  start = sequence.first_box
  stop = min(start + frames, len(sequence)) if frames else len(sequence)
  tracker, boxes, seconds = PEERS[name].create(), [sequence.boxes_xywh[start]], [0.0]
  for t, frame in enumerate(read_ahead(sequence.frames, start=start, stop=stop)):
    image = np.ascontiguousarray(frame[..., ::-1])
    if not t:
      tracker.init(image, tuple(round(float(v)) for v in boxes[0]))
      continue
    begin = time.perf_counter()
    found, box = tracker.update(image)
    seconds.append(time.perf_counter() - begin)
    boxes.append(np.asarray(box, np.float32) if found else boxes[-1])
  count = len(boxes)
  return TrackedSequence(
    np.stack(boxes), np.zeros((count, DEPTHS), np.float32), np.zeros(count, np.int32), np.array(seconds), start
  )


def track_one(name: str, model: Model, sequence: Sequence, *, frames: int) -> TrackedSequence:
  """One pass with a policy of ours or a peer."""
  if name in PEERS:
    return track_peer(name, sequence, frames=frames)
  return track_sequence(Tracker(model, name), sequence, frames=frames)


def kept_track(path: pathlib.Path, name: str, model: Model, sequence: Sequence, *, frames: int) -> TrackedSequence:
  """The track in `path`, made and written there first if it is not."""
  if not path.is_file():
    track = track_one(name, model, sequence, frames=frames)
    write_json(path, {field: np.asarray(value).tolist() for field, value in track._asdict().items()})
  track = TrackedSequence(**json.loads(path.read_text()))
  dtypes = {"boxes_xywh": np.float32, "confidences": np.float32, "depth": np.int32, "seconds": np.float64}
  return track._replace(**{field: np.asarray(getattr(track, field), dtype) for field, dtype in dtypes.items()})


def at_first_size(track: TrackedSequence) -> TrackedSequence:
  """The same places with boxes of the first one's size: what is left of a track if its size is not read."""
  centers = box_center(track.boxes_xywh)
  sizes = np.broadcast_to(track.boxes_xywh[0, 2:], centers.shape)
  return track._replace(boxes_xywh=box_from_center(centers, sizes))


def relative_cost(name: str, exits: list[float], model: Model) -> float | None:
  """GFLOPs of a pair relative to xcorr1's, by XLA's count; None for peers."""
  if name in PEERS:
    return None
  costs = pair_costs(model.arch, model.readout)
  gflops = costs.soft_gflops if name == "soft" else np.dot(exits, costs.cascade_gflops)
  if name in FIXED:
    gflops = costs.fixed_gflops[FIXED.index(name)]
  return float(gflops / costs.fixed_gflops[0])


def describe(entries: dict[str, dict]) -> str:
  """The scores as a table."""
  lines = [
    "| tracker | mean IoU | success AUC | precision at 20 px | relative cost |",
    "| --- | --- | --- | --- | --- |",
  ]
  for name, row in entries.items():
    cost = "" if row["relative_cost"] is None else f"{row['relative_cost']:.2f}"
    numbers = " | ".join(f"{row[key]:.3f}" for key in ("mean_iou", "success_auc", "precision_20"))
    lines.append(f"| {name} | {numbers} | {cost} |")
  return "\n".join(lines)


def main(model_path: str, data: str, side: str, out: str, policies: str = ",".join(POLICIES), frames: str = "0"):
  folder, model = pathlib.Path(out), load_model(model_path)
  sequences = Source(data, "", "stop", (0, 0, 0), 0.0, 0).read((side,))[side]
  claim(folder, {"model": hashlib.sha256(model_file(model_path).read_bytes()).hexdigest(), "data": {"root": data}})
  tracks = {name: [] for name in (*PEERS, *policies.split(","))}
  for sequence in sequences:
    for name, found in tracks.items():
      path = folder / f"{re.sub('[^A-Za-z0-9.]', '-', sequence.name)}.{name}.{frames}.json"
      found.append(kept_track(path, name, model, sequence, frames=int(frames)))
      print(f"{sequence.name} {name}: {score_tracking(found[-1:], [sequence])['mean_iou']:.3f}", flush=True)
  entries = {name: score_tracking(found, sequences) for name, found in tracks.items()}
  for name, entry in entries.items():
    entry["relative_cost"] = relative_cost(name, entry["exits"], model)
    unsized = score_tracking([at_first_size(track) for track in tracks[name]], sequences)
    entry["at_first_size"] = {key: unsized[key] for key in ("mean_iou", "mean_iou_by_sequence")}
  write_json(folder / "tracking.json", {"side": side, "frames": int(frames), "trackers": entries})
  print(describe(entries))


if __name__ == "__main__":
  keep_freed_memory()
  main(*sys.argv[1:])
