"""Gates that learn from crops of their own tracks, beside gates that learn from pairs cut around boxes that are off.

python -m experiments.ablations.on_tracks --root DATA --photos PHOTOS --workdir runs/on-tracks

The package's network. Sequences cut from photos, which it has not seen, are tracked twice each: by its own hard gating
and by a random depth a frame; every depth reads every frame. Each set of gates then tracks real videos at several T.
Rows are written as they come to results.json, and a run goes on where it was.
"""

import argparse
import functools
import itertools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from adadepth.data.drifted_pairs import drift
from adadepth.data.sequence import Sequence as Video
from adadepth.data.sources import Source
from adadepth.evaluation.one_pass import score_tracking, track_all
from adadepth.evaluation.responses import pair_table
from adadepth.evaluation.scores import best_mix, exit_ious, table_features
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.io.progress import progress
from adadepth.jobs.from_config import recipe_of
from adadepth.maths.features import all_gate_features
from adadepth.maths.geometry import box_from_center, crop_scale
from adadepth.maths.losses import geometric_price
from adadepth.maths.metrics import iou
from adadepth.maths.random_streams import named_generator
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.model import Model, load_model
from adadepth.models.model_files import EMBEDDED
from adadepth.models.network import Template, logit_scales
from adadepth.tracking.belief import FIRST
from adadepth.tracking.policies import Decision, gated_confidences, look_through
from adadepth.tracking.reader import Search
from adadepth.tracking.step import TrackerState, next_size, update
from adadepth.tracking.tracker import Tracker
from adadepth.training.phase2 import train_gates
from configs import gating

SEQUENCES = 300
PRICE_WEIGHTS, THRESHOLDS = (0.005, 0.01, 0.02), (0.2, 0.35, 0.5)
OFF_IOU, PATIENCE = 0.1, 5  # a track that has been off for so many frames goes on from the true box


class Learnt(NamedTuple):
  """What gates learn from: features [n, 5, f], and the IoU that stopping at each depth has, [n, 5]."""

  features: np.ndarray
  ious: np.ndarray


def from_pairs(model: Model, sequences: Sequence[Video], keys: int) -> Learnt:
  """Pairs cut as for the gates that ship."""
  settings = {"arch": model.arch, "keys": keys, "frames": 0, "threads": 2, "folder": None, "errors": drift}
  table = pair_table(model.params, sequences, **settings, description="pairs")
  return Learnt(table_features(model.params, table, arch=model.arch), exit_ious(table, arch=model.arch))


def from_tracks(model: Model, sequences: Sequence[Video]) -> Learnt:
  """Every frame of two tracks of each sequence in which the target has a box."""
  rows = [
    row for s in progress(sequences, "tracks") for at_random in (False, True) for row in rows_of(model, s, at_random)
  ]
  return Learnt(*(np.stack(column) for column in zip(*rows, strict=True)))


def rows_of(model: Model, sequence: Video, at_random: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """The features and IoUs of each frame of one track, by hard gating or by one of the first four depths at random."""
  tracker, rng = Tracker(model), named_generator(0, f"track of {sequence.name}", int(at_random))
  start, off = sequence.first_box, 0
  target = tracker.init(sequence.frames[start], sequence.boxes_xywh[start])
  for frame, truth in zip(sequence.frames[start + 1 :], sequence.boxes_xywh[start + 1 :], strict=True):
    crops, centers, _ = tracker.search_crops(target, frame)
    told, frame_wh = np.int32(rng.integers(DEPTHS - 1) if at_random else -1), np.float32(frame.shape[1::-1])
    made = step(tracker.params, target.state, crops, np.float32(centers), frame_wh, told, arch=model.arch)
    state, track, features, boxes = jax.device_get(made)
    target = target._replace(state=state, box_xywh=track.box_xywh, missed=track.missed)
    if np.isnan(truth).any():
      continue
    yield features[0], iou(boxes[0], np.tile(truth, (DEPTHS, 1)))
    off = off + 1 if iou(track.box_xywh[0], truth) < OFF_IOU else 0
    if off == PATIENCE:
      off, box, none = 0, np.float32(truth)[None], np.zeros(1, np.int32)
      state = state._replace(box_xywh=box, belief=np.full(1, FIRST, np.float32), missed=none)
      target = target._replace(state=state, box_xywh=box, missed=none)


@functools.partial(jax.jit, static_argnames="arch")
def step(
  params: dict, state: TrackerState, crops: Array, centers: Array, frame_wh: Array, told: Array, *, arch: Architecture
):
  """`step.update` by the depth that is told, -1: that of hard gating; with what all depths make of the crop.

  Returns:
    State and track; the features of each depth, [n, 5, f]; the box that it would leave, [n, 5, 4].
  """
  seen = {}

  def policy(params: dict, template: Template, search: Search, threshold: Array) -> Decision:
    found = look_through(params, template, search, depths=DEPTHS, arch=arch)
    responses = jnp.stack([at.response for at in found], axis=1)
    readings = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *(at.reading for at in found))
    scales = {"logit_scale": logit_scales(params), "template_cells": arch.template_cells}
    seen.update(readings=readings, features=all_gate_features(responses, readings.score, **scales))
    c = gated_confidences(params, responses, readings.score, arch=arch)
    stops = jnp.concatenate([c[:, :-1] > threshold[:, None], jnp.ones((len(c), 1), bool)], axis=1)
    exits = jnp.where(told < 0, jnp.argmax(stops, axis=1), told)
    reading = jax.tree.map(lambda leaf: leaf[jnp.arange(len(c)), exits], readings)
    return Decision(reading, c, exits, tuple(at.patch for at in found), jnp.arange(DEPTHS) <= exits[:, None])

  after, track = update(params, state, crops, centers, frame_wh, policy=policy, arch=arch)
  scale, last = crop_scale(state.box_xywh[:, 2:], arch.template_px)[:, None], state.box_xywh[:, 2:]
  boxes = [
    box_from_center(
      jnp.clip(centers + seen["readings"].center[:, k] / scale, 0, frame_wh),
      next_size(seen["readings"].size[:, k] / scale, last, state.first_size_wh, frame_wh, arch=arch),
    )
    for k in range(DEPTHS)
  ]
  return after, track, seen["features"], jnp.stack(boxes, axis=1)


def gates_from(learnt: Learnt) -> list[dict]:
  """Gates of each lambda, by Eq. 5 with the recipe of the gates that ship."""
  recipe = recipe_of(gating.get_config("small"))._replace(price_weights=PRICE_WEIGHTS)
  rows = np.flatnonzero(learnt.ious.max(axis=1) > OFF_IOU / 2)  # the rest say nothing of depth
  prices = np.asarray(geometric_price(recipe.p, DEPTHS))
  return train_gates(learnt.features[:, :-1], 1 - learnt.ious, rows, prices=prices, recipe=recipe)[0]


def tracked(model: Model, videos: Sequence[Video], policy: str, frames: int) -> dict:
  """Mean IoU of one pass, and its cost."""
  entry = score_tracking(track_all(model, videos, [policy], frames=frames)[policy], videos)
  cost = float(np.dot(entry["exits"], model.calibration.relative_costs))
  return {"mean_iou": entry["mean_iou"], "relative_cost": cost, "exits": entry["exits"]}


def describe(rows: dict[str, dict]) -> str:
  """What each set of gates has over a random mix, mean (lowest to highest) over lambda and T, as a table."""
  points: dict[tuple[str, str], list[float]] = {}
  for name, row in rows.items():
    side, kind, *point = name.split(", ")
    if point:
      points.setdefault((kind, side), []).append(row["minus_random_mix"])
  lines = ["| gates from | side | minus a random mix |", "| --- | --- | --- |"]
  for (kind, side), gains in points.items():
    lines.append(
      f"| {kind} | {side} | {np.mean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f}) of {len(gains)} |"
    )
  return "\n".join(lines)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--root", required=True)
  parser.add_argument("--split", default="configs/splits/wide.json")
  parser.add_argument("--photos", required=True)
  parser.add_argument("--frames", type=int, default=300, help="of a video, at most")
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  given = parser.parse_args()
  enable_compilation_cache()
  model, path = load_model(EMBEDDED), given.workdir / "results.json"
  rows = json.loads(path.read_text()) if path.is_file() else {}
  videos = Source(given.root, given.split, "stop", (0, 0, 0), 1.0, 0).read(("dev", "train"))
  sequences = Source("", "", "stop", (0, SEQUENCES, 0), 0.8, 0, given.photos).read(("dev",))["dev"]
  make = {
    "pairs of 80": lambda: from_pairs(model, sequences[:80], 2),
    f"pairs of {SEQUENCES}": lambda: from_pairs(model, sequences, 3),
    f"tracks of {SEQUENCES}": lambda: from_tracks(model, sequences),
  }

  def measure(name: str, side: str, model: Model, policy: str) -> None:
    if name not in rows:
      rows[name] = tracked(model, videos[side], policy, given.frames)
      if policy == "hard":
        static = [rows[f"{side}, xcorr{k}"] for k in range(1, DEPTHS)]
        ious, costs = (np.array([row[key] for row in static]) for key in ("mean_iou", "relative_cost"))
        mix = best_mix(ious, costs, rows[name]["relative_cost"])
        rows[name]["minus_random_mix"] = rows[name]["mean_iou"] - float(ious @ mix)
      write_json(path, rows)
      print(name, {key: np.round(value, 4).tolist() for key, value in rows[name].items()}, flush=True)

  for side in videos:
    for k in range(1, DEPTHS):
      measure(f"{side}, xcorr{k}", side, model, f"xcorr{k}")
    measure(f"{side}, as it ships", side, model, "hard")
  for kind, learn in make.items():
    names = {
      p: f"{p[0]}, {kind}, lambda {p[1]:g}, T {p[2]:g}" for p in itertools.product(videos, PRICE_WEIGHTS, THRESHOLDS)
    }
    if rows.keys() >= set(names.values()):
      continue
    gates = dict(zip(PRICE_WEIGHTS, gates_from(learn()), strict=True))
    for (side, weight, threshold), name in names.items():
      gated = model._replace(params={**model.params, "gates": gates[weight]}, threshold=threshold)
      measure(name, side, gated, "hard")
  print(describe(rows))


if __name__ == "__main__":
  main()
