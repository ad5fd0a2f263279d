"""How long OpenCV's CSRT takes beside hard gating on real video: the same frames, in turns, in one process.

pip install -r experiments/tracking/requirements.txt
python -m experiments.speed.beside_csrt DATA,MORE runs/beside-csrt --split configs/splits/wide.json

The package's network. Each video, 100 frames at most, is passed over by the one and by the other, round after round;
its frames are decoded before, and before each pass the threads of both have come to rest. A video's ratio is the median
over the rounds. Writes beside_csrt.json, and prints the median over videos with its quartiles.
"""

import argparse
import pathlib
import time

import numpy as np

from adadepth.data.sources import Source
from adadepth.evaluation.timing import Clock, alternate
from adadepth.evaluation.trackers import AnyTracker, OpenCV, Ours
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.json_files import write_json
from adadepth.tracking.tracker import Tracker

FRAMES, ROUNDS, REST_S = 100, 5, 0.3


def clock_of(tracker: AnyTracker, frames: list[np.ndarray], box_xywh: np.ndarray) -> Clock:
  """The seconds of a frame, of a pass from the second one on."""

  def run() -> float:
    time.sleep(REST_S)
    tracker.init(frames[0], box_xywh)
    start = time.perf_counter()
    for frame in frames[1:]:
      tracker.update(frame)
    return (time.perf_counter() - start) / (len(frames) - 1)

  return run


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("data", help="a data root, or several: A,B")
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--side", default="dev", help="train, dev or test")
  parser.add_argument("--split", default="", help="a split file over all roots")
  given = parser.parse_args()
  sequences = Source(given.data, given.split, "stop", (0, 0, 0), 0.0, 0).read((given.side,))[given.side]
  videos, trackers = {}, {"csrt": OpenCV("csrt"), "ours": Ours(Tracker())}
  for sequence in sequences:
    first = sequence.first_box
    frames = [np.asarray(sequence.frames[t]) for t in range(first, min(first + FRAMES, len(sequence)))]
    clocks = {name: clock_of(tracker, frames, sequence.boxes_xywh[first]) for name, tracker in trackers.items()}
    seconds = alternate(clocks, rounds=ROUNDS, limit_s=np.inf, title=sequence.name)
    ms = {f"{name}_ms": float(np.median(of_one)) * 1e3 for name, of_one in seconds.items()}
    videos[sequence.name] = {**ms, "csrt_over_ours": float(np.median(seconds["csrt"] / seconds["ours"]))}
    print(sequence.name, {name: round(value, 2) for name, value in videos[sequence.name].items()}, flush=True)
  low, median, high = np.percentile([row["csrt_over_ours"] for row in videos.values()], (25, 50, 75))
  write_json(given.workdir / "beside_csrt.json", {"median": median, "low": low, "high": high, "videos": videos})
  print(f"CSRT's time over ours: {median:.1f}, {low:.1f} to {high:.1f} (quartiles of {len(videos)} videos)")


if __name__ == "__main__":
  keep_freed_memory()
  main()
