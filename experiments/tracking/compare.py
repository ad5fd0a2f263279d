"""Tracks every sequence of a split with our policies and with OpenCV's CSRT and KCF, on the same frames.

pip install -r experiments/tracking/requirements.txt
python -m experiments.tracking.compare MODEL DATA runs/tracking
python -m experiments.tracking.compare MODEL DATA,MORE runs/tracking --split configs/splits/wide.json --policies hard

MODEL is a finished workdir or a model file. Predictions are fed back. Each pass is kept in the workdir and not made
again, also when other trackers are asked for (adadepth/evaluation/cache.py); then tracking.json and two tables: scores,
and what one of them (--of) has more than each other tracker, with paired 95 % bootstrap intervals over videos. With
--thresholds hard gating tracks at other T too, and figure6.png has mean IoU against cost, in FLOPs and in time. With
--starts each video is tracked from several first boxes, and its score is their mean.
"""

import argparse
import dataclasses
import functools
import pathlib
from collections.abc import Sequence as Listing

import numpy as np

from adadepth.data.sequence import Sequence
from adadepth.data.sources import Source
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.intervals import by_video, paired_interval
from adadepth.evaluation.measures import SCORES
from adadepth.evaluation.one_pass import TrackedSequence, score_tracking, track_all, track_all_with
from adadepth.evaluation.scores import best_mix
from adadepth.evaluation.step_times import medians_ms, policy_trackers, step_seconds
from adadepth.evaluation.trackers import OPENCV, OpenCV, opencv
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.json_files import write_json
from adadepth.maths.geometry import box_center, box_from_center
from adadepth.models.model import Model, load_model
from adadepth.reports.plots import figure6
from adadepth.tracking.policies import FIXED, POLICIES

# Standard deviations of a first box: the logarithm of its sides, and its centre, in sides.
SIZE_OFF, PLACE_OFF = 0.03, 0.02
MEASURES = ("success", "precision", "normalised_precision", "ao", "sr_50")  # of `evaluation.measures`, in the table


def other_start(sequence: Sequence, start: int) -> Sequence:
  """The same with another first box, which is off as a person's are; 0: the same.

  A target that is nearly lost is lost or kept by a pixel of its first box, so that one pass says little.
  """
  boxes, rng = sequence.boxes_xywh.copy(), np.random.default_rng((start, len(sequence)))
  box = boxes[sequence.first_box]
  if start:
    size = box[2:] * np.exp(rng.normal(0, SIZE_OFF, 2))
    box[:] = box_from_center(box_center(box) + box[2:] * rng.normal(0, PLACE_OFF, 2), size)
  return dataclasses.replace(sequence, name=f"{sequence.name}@{start}", boxes_xywh=boxes)


def at_first_size(track: TrackedSequence) -> TrackedSequence:
  """The same places with boxes of the first one's size: what is left of a track if its size is not read."""
  centers = box_center(track.boxes_xywh)
  sizes = np.broadcast_to(track.boxes_xywh[0, 2:], centers.shape)
  return track._replace(boxes_xywh=box_from_center(centers, sizes))


def relative_cost(name: str, exits: list[float], model: Model) -> float | None:
  """GFLOPs of a pair relative to xcorr1's, by XLA's count; None for peers."""
  if name in OPENCV:
    return None
  costs = pair_costs(model.arch)
  gflops = costs.soft_gflops if name == "soft" else np.dot(exits, costs.cascade_gflops)
  if name in FIXED:
    gflops = costs.fixed_gflops[FIXED.index(name)]
  return float(gflops / costs.fixed_gflops[0])


def entry_of(name: str, runs: list[TrackedSequence], sequences: list[Sequence], model: Model) -> dict:
  """The scores of one tracker, with its cost and what its places alone would have."""
  entry = score_tracking(runs, sequences)
  unsized = score_tracking([at_first_size(run) for run in runs], sequences)
  return {
    **entry,
    "relative_cost": relative_cost(name, entry["exits"], model),
    "at_first_size": {key: unsized[key] for key in ("mean_iou", "mean_iou_by_sequence")},
  }


def mixed_at_random(entries: dict[str, dict], limit: float) -> dict:
  """The mean IoU of each sequence if static exits are mixed at random, a video at a time, at no more than this cost.

  Args:
    entries: of the static exits that were run, xcorr1 among them, and others.
    limit: relative to xcorr1.
  """
  static = [name for name in FIXED if name in entries]
  ious = np.array([list(entries[name]["mean_iou_by_sequence"].values()) for name in static])
  costs = np.array([entries[name]["relative_cost"] for name in static])
  mix = best_mix(ious.mean(axis=1), costs, limit)
  names = entries[static[0]]["mean_iou_by_sequence"]
  return {
    "mix": dict(zip(static, mix.tolist(), strict=True)),
    "relative_cost": float(mix @ costs),
    "mean_iou": float((mix @ ious).mean()),
    "mean_iou_by_sequence": dict(zip(names, (mix @ ious).tolist(), strict=True)),
  }


def tracked_at(model: Model, threshold: float, sequences: list[Sequence], given: argparse.Namespace) -> dict:
  """The entry of hard gating at another T."""
  folder = given.workdir / "tracks" / f"T{threshold:g}"
  runs = track_all(model._replace(threshold=threshold), sequences, ["hard"], frames=given.frames, folder=folder)["hard"]
  return {"threshold": threshold, **entry_of("hard", runs, sequences, model)}


def draw_figure6(path: pathlib.Path, entries: dict[str, dict], swept: list[dict], model: Model, rounds: int) -> None:
  """Mean IoU against mean cost (Figure 6): of each T, and of static exits that are mixed at random at its cost.

  Times are of steps on a rendered film, as `evaluation.step_times` has them; a mean over the exits that were taken.
  """
  times = medians_ms(step_seconds(policy_trackers(model), rounds=rounds))

  def shown(name: str, entry: dict) -> dict:
    ms = times[name] if name in times else float(np.dot(entry["exits"], [times[depth] for depth in FIXED]))
    return {**entry, "over_xcorr1": ms / times[FIXED[0]]}

  static = {name: shown(name, entries[name]) for name in FIXED if name in entries}
  mixed = [mixed_at_random(entries, entry["relative_cost"])["mean_iou"] for entry in swept]
  figure6(
    path,
    fixed=static,
    soft=shown("soft", entries["soft"]) if "soft" in entries else None,
    hard=[{**shown("hard", e), "random_mix_mean_iou": mix} for e, mix in zip(swept, mixed, strict=True)],
    chosen_threshold=model.threshold,
    accuracy=("mean IoU of one pass", "mean_iou"),
    costs=(("mean cost of a frame (FLOPs over xcorr1's)", "relative_cost"), ("time over xcorr1's", "over_xcorr1")),
  )


def minus_others(entries: dict[str, dict], name: str) -> dict[str, dict[str, float]]:
  """What one tracker's mean IoU over videos has more than each other's; {} where it is not there."""

  def videos(entry: dict) -> np.ndarray:
    by_sequence = entry["mean_iou_by_sequence"]
    names = [name.partition("@")[0] for name in by_sequence]
    return by_video(np.array(names), np.array(list(by_sequence.values())))

  if name not in entries or not entries[name]["mean_iou_by_sequence"]:
    return {}
  others = {other: entry for other, entry in entries.items() if other != name}
  return {f"minus_{other}": paired_interval(videos(entries[name]), videos(e)) for other, e in others.items()}


def describe(entries: dict[str, dict], differences: dict[str, dict], of: str) -> str:
  """The scores, and what the tracker `of` has more, as tables."""
  titles = ["mean IoU", *(SCORES[name].title for name in MEASURES), "relative cost"]
  lines = [f"| tracker | {' | '.join(titles)} |", "| --- " * (len(titles) + 1) + "|"]
  for name, row in entries.items():
    cost = "" if row["relative_cost"] is None else f"{row['relative_cost']:.2f}"
    measures = [f"{row['measures'][key]:.3f}" if "measures" in row else "" for key in MEASURES]
    lines.append(f"| {name} | {row['mean_iou']:.3f} | {' | '.join(measures)} | {cost} |")
  lines += ["", f"| {of} | mean IoU over videos | 95 % |", "| --- | --- | --- |"] if differences else []
  for name, d in differences.items():
    lines.append(f"| {name.replace('_', ' ')} | {d['mean']:+.3f} | {d['low']:+.3f} to {d['high']:+.3f} |")
  return "\n".join(lines)


def main(arguments: Listing[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("model")
  parser.add_argument("data", help="a data root, or several: A,B")
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--side", default="test", help="train, dev or test")
  parser.add_argument("--split", default="", help="a split file over all roots")
  parser.add_argument("--policies", default=",".join(POLICIES))
  parser.add_argument("--peers", default=",".join(OPENCV))
  parser.add_argument("--of", default="hard", help="the tracker whose differences from the others are told")
  parser.add_argument("--thresholds", default="", help="other T of hard gating, 0.1,0.3: for figure6.png")
  parser.add_argument("--rounds", type=int, default=15, help="of timing, for figure6.png")
  parser.add_argument("--starts", type=int, default=1, help="first boxes of each video; the first is the given one")
  parser.add_argument("--frames", type=int, default=0, help="of a sequence, at most; 0: all")
  given = parser.parse_args(arguments)
  model, folder = load_model(given.model), given.workdir / "tracks"
  sequences = Source(given.data, given.split, "stop", (0, 0, 0), 0.0, 0).read((given.side,))[given.side]
  sequences = [other_start(sequence, start) for start in range(given.starts) for sequence in sequences]
  peers, policies = ([name for name in names.split(",") if name] for names in (given.peers, given.policies))
  tracks = {
    name: track_all_with(
      name, functools.partial(OpenCV, name), opencv().__version__, sequences, frames=given.frames, folder=folder
    )
    for name in peers
  }
  tracks |= track_all(model, sequences, policies, frames=given.frames, folder=folder)
  entries = {name: entry_of(name, runs, sequences, model) for name, runs in tracks.items()}
  if {"hard", FIXED[0]} <= set(entries):
    entries["random_mix"] = mixed_at_random(entries, entries["hard"]["relative_cost"])
  differences = minus_others(entries, given.of)
  swept = [tracked_at(model, float(text), sequences, given) for text in given.thresholds.split(",") if text]
  if swept:
    swept.append({"threshold": model.threshold, **entries["hard"]})
    draw_figure6(given.workdir / "figure6.png", entries, swept, model, given.rounds)
  asked = {name: getattr(given, name) for name in ("data", "split", "side", "starts", "frames")}
  write_json(given.workdir / "tracking.json", {**asked, "trackers": entries, "swept": swept, given.of: differences})
  print(describe(entries, differences, given.of))


if __name__ == "__main__":
  keep_freed_memory()
  main()
