"""Does the tracker know that its target is gone, and find it again? On rendered targets that leave or are hidden.

python -m experiments.lost.run MODEL PHOTOS runs/lost --seed 1

MODEL is "embedded", a finished workdir or a model file. Targets are cut from photos and gone for 10
to 60 frames, half of them out of the frame, half behind something. Writes lost.json: ROC-AUC of the score against IoU
below 0.1 (a target that is not there has IoU 0), and the share found again within 30 frames of their return.
"""

import argparse
import pathlib

import numpy as np
from jaxtyping import Float, Shaped

from adadepth.data.render.absences import PASSING, hide_behind, leave_frame
from adadepth.data.render.cutouts import cut_sprite, open_album
from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.film import expose, load_film
from adadepth.data.render.scene import STREAMS, build_scene
from adadepth.data.render.sprite import measure_boxes
from adadepth.data.sequence import Sequence
from adadepth.evaluation.one_pass import track_sequence
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.io.progress import progress
from adadepth.maths.metrics import iou
from adadepth.models.model import load_model
from adadepth.tracking.tracker import Tracker

FRAMES, HEIGHT, WIDTH = 120, 240, 320
LEVEL = 0.3  # of difficulty
WITHIN, FOUND, OFF = 30, 0.3, 0.1  # frames after the return; IoU from which on it is found, and below which it is not


def render_absence(seed: int, index: int, album) -> tuple[Sequence, np.ndarray]:
  """A sequence with one absence, and in which frames the target is not seen."""
  streams = dict(zip(STREAMS, np.random.default_rng((9, index, seed)).spawn(len(STREAMS)), strict=True))
  rng = np.random.default_rng((10, index, seed))
  difficulty = Difficulty(**{**Difficulty.graded(LEVEL).__dict__, "occlusion": 0.0})
  scene = build_scene(streams, FRAMES, HEIGHT, WIDTH, difficulty, album)
  first, length = int(rng.integers(20 + PASSING, 40)), int(rng.integers(10, 61))
  if index % 2:
    scene, absent = leave_frame(scene, first, length, WIDTH, HEIGHT)
  else:
    scene, absent = hide_behind(scene, first, length, lambda rng, side: cut_sprite(rng, side, album=album), rng)
  film = load_film(streams["film"], FRAMES, HEIGHT, WIDTH, difficulty)
  frames = np.stack([expose(scene, film, t, HEIGHT, WIDTH) for t in range(FRAMES)])
  boxes = measure_boxes(scene.target[0].outline, scene.target[1])
  boxes[absent] = np.nan
  return Sequence(f"absence-{index:03d}", frames, boxes), absent


def roc_auc(score: Float[np.ndarray, "n"], positive: Shaped[np.ndarray, "n"]) -> float:
  """The chance that a positive scores above a negative."""
  from scipy import stats

  ranks = stats.rankdata(score)
  p, n = positive.sum(), (~positive).sum()
  return float((ranks[positive].sum() - p * (p + 1) / 2) / (p * n))


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("model")
  parser.add_argument("photos")
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--policy", default="hard")
  parser.add_argument("--sequences", type=int, default=60)
  parser.add_argument("--seed", type=int, default=0)
  given = parser.parse_args()
  enable_compilation_cache()
  tracker, album = Tracker(load_model(given.model), given.policy), open_album(given.photos)
  scores, overlaps, rows = [], [], []
  for index in progress(range(given.sequences), "absences"):
    sequence, absent = render_absence(given.seed, index, album)
    run = track_sequence(tracker, sequence)
    overlap = np.where(absent, 0, iou(run.boxes_xywh, np.nan_to_num(sequence.boxes_xywh)))
    scores.append(run.score[1:])
    overlaps.append(overlap[1:])
    back = int(np.flatnonzero(absent)[-1]) + 1
    held = bool(overlap[int(np.flatnonzero(absent)[0]) - PASSING] >= FOUND)
    again = np.flatnonzero(overlap[back : back + WITHIN] >= FOUND)
    lost = run.missed[1:] >= 3
    rows.append(
      {
        "kind": "left" if index % 2 else "hidden",
        "frames": int(absent.sum()),
        "held_before": held,
        "found_after": int(again[0]) if len(again) else None,
        "lost_while_absent": float(lost[absent[1:]].mean()),
        "lost_while_there": float(lost[~absent[1:]].mean()),
      }
    )
  off = np.concatenate(overlaps) < OFF
  found = np.array([row["found_after"] is not None for row in rows])
  held = np.array([row["held_before"] for row in rows])
  summary = {
    "roc_auc": roc_auc(np.concatenate(scores), ~off),
    "found_again": float(found.mean()),
    "found_again_of_held": float(found[held].mean()),
    "held_before": float(held.mean()),
    "lost_while_absent": float(np.mean([row["lost_while_absent"] for row in rows])),
    "lost_while_there": float(np.mean([row["lost_while_there"] for row in rows])),
  }
  write_json(given.workdir / "lost.json", {"seed": given.seed, **summary, "sequences": rows})
  print(summary)


if __name__ == "__main__":
  main()
