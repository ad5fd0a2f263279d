"""The pages of gating and evaluate runs: what policies or trackers are worth, and a sequence to look at."""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence as Listing
from typing import Any

import numpy as np

from adadepth.data.ahead import read_ahead
from adadepth.data.sequence import Sequence
from adadepth.evaluation.looks import look_along
from adadepth.evaluation.one_pass import TrackedSequence
from adadepth.io.progress import progress
from adadepth.io.workdir import PAGE
from adadepth.maths.metrics import iou
from adadepth.models.architecture import DEPTHS
from adadepth.models.model import Model
from adadepth.reports.overlay import DEPTH_COLORS
from adadepth.reports.page import FIGURES, Page, Table, Viewed, as_text, write_page
from adadepth.reports.plots import ORANGE, PURPLE, SKY, VERMILION
from adadepth.reports.report import describe, describe_budgets, describe_tracking, hard_entry, shown
from adadepth.reports.stills import Stills
from adadepth.reports.viewer import (
  GIVEN,
  Film,
  Trail,
  exit_shares,
  hard_moments,
  hex_of,
  viewer_data,
)
from adadepth.tracking.budget import Budget
from adadepth.tracking.lost import is_lost
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import Tracker

LOOKED_AT = 80  # frames of one sequence
FPS = 8.0
OTHERS = (SKY, ORANGE, PURPLE, VERMILION)  # colours of trackers that are no depth
HARD_GATING = "hard"

Runs = Mapping[str, Listing[TrackedSequence]]  # by policy or tracker, of each sequence


def write_assessment(
  workdir: pathlib.Path,
  model: Model,
  results: dict,
  tracks: Runs,
  sequences: Listing[Sequence],
  *,
  budget: Budget | None,
  record: Mapping[str, Any],
) -> None:
  """report.html of a gating or evaluate run, from its results, its figures and what was tracked."""
  kind = "Gating" if record["config"]["task"] == "gating" else "Evaluation"
  tables = [
    Table("Policies on pairs of frames", describe(results, model.threshold)),
    Table("Policies while tracking", describe_tracking(results["tracking"])),
    Table("Sequences, those that took most depth first", sequence_table(results, tracks, sequences)),
    Table("Budgets", describe_budgets(results["budgets"]), folded=True),
    Table("Cost of each policy", (workdir / "table1.md").read_text().partition("\n")[2], folded=True),
  ]
  page = Page(
    title=f"{kind} on {len(sequences)} sequences",
    lead=lead_of(results, model.threshold),
    numbers=numbers_of(results, model.threshold),
    tables=[table for table in tables if table.markdown],
    figures=[workdir / name for name in FIGURES],
    viewed=look(model, tracks, sequences, ours=HARD_GATING, budget=budget),
    record=record,
  )
  write_page(workdir / PAGE, page)


def write_comparison(
  workdir: pathlib.Path,
  text: str,
  tracks: Runs,
  sequences: Listing[Sequence],
  *,
  ours: tuple[str, Model] | None,
  record: Mapping[str, Any],
) -> None:
  """report.html of a comparison.

  Args:
    text: its tables, in Markdown.
    tracks: of one pass; {} of other protocols, which leaves nothing to look at.
    ours: the name of hard gating among the trackers, with its model; None where it is not, which leaves boxes alone.
  """
  config, viewed = record["config"], None
  if tracks:
    viewed = look(ours[1], tracks, sequences, ours=ours[0]) if ours else watch(tracks, sequences)
  page = Page(
    title=f"Comparison on {len(sequences)} sequences",
    lead=f"Protocol: {config['protocol'].replace('_', ' ')}. Every difference is paired over videos.",
    numbers=[],
    tables=[Table("Trackers", text)],
    figures=[workdir / name for name in FIGURES],
    viewed=viewed,
    record=record,
  )
  write_page(workdir / PAGE, page)


def look(
  model: Model, tracks: Runs, sequences: Listing[Sequence], *, ours: str, budget: Budget | None = None
) -> Viewed:
  """The sequence with the most varied exits: hard gating is run over it again, which is cheap, with eyes open."""
  runs = tracks.get(ours, [])
  i = most_varied(runs)
  sequence, stills, looks = sequences[i], Stills(), []
  tracked = len(runs[i].boxes_xywh) if runs else len(sequence) - sequence.first_box
  frames = min(LOOKED_AT, tracked)
  for one in progress(look_along(Tracker(model, HARD_GATING, budget), sequence, frames=frames), "report", total=frames):
    stills.add(one.frame)
    looks.append(one._replace(frame=one.frame[:0]))
  start, n = sequence.first_box, len(looks)
  side = next((len(one.seen.responses[0]) for one in looks if one.seen), 1)
  seen = [one.seen for one in looks]
  film = Film(
    name=sequence.name,
    size_wh=sequence.frame_wh,
    first=start,
    jpegs=stills.jpegs,
    shown=stills.numbers,
    fps=FPS,
    truth=sequence.boxes_xywh[start : start + n],
    squares_xyw=np.stack([np.full(3, np.nan, np.float32) if one is None else one.square_xyw for one in seen]),
    responses=np.stack([np.zeros((DEPTHS, side, side), np.float32) if s is None else s.responses for s in seen]),
    threshold=np.array([np.nan if one is None else one.threshold for one in seen], np.float32),
  )
  depth = np.array([GIVEN, *(int(one.track.depth) for one in looks[1:])])
  told = Trail(
    name=ours,
    color="",
    boxes_xywh=np.stack([one.track.box_xywh for one in looks]),
    depth=depth,
    score=np.array([float(one.track.score) for one in looks]),
    lost=np.array([bool(one.track.lost) for one in looks]),
    confidences=np.stack([np.full(DEPTHS, np.nan, np.float32) if s is None else s.confidences for s in seen]),
  )
  others = [trail_of(name, runs[i], n) for name, runs in tracks.items() if name != ours]
  trails = [told, *colored(others)]
  return Viewed(
    viewer_data(film, trails), hard_moments(film, trails), exit_shares(trails), notes_of(sequence, film, len(sequences))
  )


def watch(tracks: Runs, sequences: Listing[Sequence]) -> Viewed:
  """The boxes of any trackers, which have no depths, in the sequence where these differ most by their IoU."""
  i = most_disputed(tracks, sequences)
  sequence, stills = sequences[i], Stills()
  start = sequence.first_box
  n = min(LOOKED_AT, *(len(runs[i].boxes_xywh) for runs in tracks.values()))
  for frame in read_ahead(sequence.frames, start=start, stop=start + n):
    stills.add(frame)
  truth, numbers = sequence.boxes_xywh[start : start + n], stills.numbers
  film = Film(sequence.name, sequence.frame_wh, start, stills.jpegs, numbers, FPS, truth)
  trails = colored([trail_of(name, runs[i], n) for name, runs in tracks.items()])
  shown_of = f"{len(numbers)} of its {len(sequence)} frames"
  notes = f"Of {len(sequences)} sequences the one in which trackers differ most: {shown_of}."
  return Viewed(viewer_data(film, trails), [], [], notes)


def most_disputed(tracks: Runs, sequences: Listing[Sequence]) -> int:
  """The index of the sequence in which the mean IoUs of the trackers lie farthest apart."""

  def spread(i: int) -> float:
    truth = sequences[i].boxes_xywh[sequences[i].first_box :]
    means = [iou(run.boxes_xywh, truth[: len(run.boxes_xywh)]) for run in (runs[i] for runs in tracks.values())]
    means = [np.nanmean(values) for values in means if np.isfinite(values).any()]
    return float(np.ptp(means)) if means else 0.0

  return max(range(len(sequences)), key=spread)


def notes_of(sequence: Sequence, film: Film, sequences: int) -> str:
  """What the viewer shows, and what was left out."""
  n, rest = len(film.truth), len(sequence) - sequence.first_box
  chosen = f"Of {sequences} sequences the one whose exits vary most" if sequences > 1 else "The one sequence"
  part = f"{n} frames" if n == rest else f"the first {n} of its {rest} frames"
  thinned = "" if len(film.shown) == n else f", {len(film.shown)} of which are shown"
  return (
    f"{chosen}: {part}{thinned}. The thick box is hard gating's, in the colour of the depth where it stopped; what "
    "lies deeper was computed for this page alone. A bar is a depth's confidence, the mark on it T: the first bar to "
    "pass it is the exit. A map is the response over the dotted square."
  )


def most_varied(runs: Listing[TrackedSequence]) -> int:
  """The index of the run whose exits have the highest entropy, in the frames that are looked at; 0 without runs."""

  def entropy(run: TrackedSequence) -> float:
    shares = np.bincount(run.depth[1:LOOKED_AT], minlength=DEPTHS) / max(1, len(run.depth[1:LOOKED_AT]))
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum())

  return max(range(len(runs)), key=lambda i: entropy(runs[i]), default=0)


def trail_of(name: str, run: TrackedSequence, frames: int) -> Trail:
  """The first frames of a run; NaN after its end."""

  def fitted(values: np.ndarray, fill: float) -> np.ndarray:
    short = max(0, frames - len(values))
    return np.concatenate([values[:frames], np.full((short, *values.shape[1:]), fill, values.dtype)])

  lost = fitted(np.asarray(is_lost(run.missed)), False)
  boxes, score = fitted(run.boxes_xywh.astype(np.float32), np.nan), fitted(run.score, np.nan)
  return Trail(name, "", boxes, fitted(run.depth, GIVEN), score, lost, fitted(run.confidences, np.nan))


def colored(trails: Listing[Trail]) -> list[Trail]:
  """Each in a colour of its own: a static exit in its depth's."""
  left = [trail.name for trail in trails if trail.name not in FIXED]
  colors = {name: hex_of(color) for name, color in zip(FIXED, DEPTH_COLORS, strict=True)}
  colors |= {name: OTHERS[i % len(OTHERS)] for i, name in enumerate(left)}
  return [trail._replace(color=colors[trail.name]) for trail in trails]


def sequence_table(results: dict, tracks: Runs, sequences: Listing[Sequence]) -> str:
  """What each sequence was: IoU of each policy while tracking, and how deep hard gating went; "" without tracking."""
  if not tracks:
    return ""
  ious = {name: results["tracking"][name]["mean_iou_by_sequence"] for name in tracks}
  lines = [
    f"| sequence | frames | mean depth | lost | {' | '.join(f'IoU, {name}' for name in tracks)} |",
    f"| --- | --- |{' --- |' * (len(tracks) + 2)}",
  ]
  rows = []
  for i, sequence in enumerate(sequences):
    run = tracks[HARD_GATING][i] if HARD_GATING in tracks else None
    depth = float(run.depth[1:].mean() + 1) if run and len(run.depth) > 1 else 0.0
    lost = f"{100 * np.mean(is_lost(run.missed)):.0f} %" if run else "-"
    scores = " | ".join(shown(ious[name].get(sequence.name)) for name in tracks)
    row = f"| {as_text(sequence.name)} | {len(sequence)} | {shown(depth or None, 2)} | {lost} | {scores} |"
    rows.append((-depth, row))
  return "\n".join([*lines, *(row for _, row in sorted(rows, key=lambda pair: pair[0]))]) + "\n"


def lead_of(results: dict, threshold: float) -> str:
  """The result in words."""
  hard = results["tracking"].get(HARD_GATING)
  if hard is None or hard["mean_iou"] is None:
    entry = hard_entry(results, threshold)
    return (
      f"On pairs, hard gating has IOU@25 {shown(entry['iou@25'])} at {entry['relative_cost']:.2f} times xcorr1's cost."
    )
  often = sorted(zip(hard["exits"], FIXED, strict=True), reverse=True)
  exits = ", ".join(f"{name} in {100 * share:.0f} %" for share, name in often if share >= 0.005)
  others = [f"{name} {entry['mean_iou']:.3f}" for name, entry in results["tracking"].items() if name != HARD_GATING]
  against = f" ({', '.join(others)})" if others else ""
  return f"Hard gating tracks with a mean IoU of {hard['mean_iou']:.3f}{against}. Of the frames, it stops at {exits}."


def numbers_of(results: dict, threshold: float) -> list[tuple[str, str]]:
  """The few numbers that count."""
  entry, hard = hard_entry(results, threshold), results["tracking"].get(HARD_GATING)
  reference = results["reference"]
  found = [
    (shown(hard["mean_iou"]), "mean IoU while tracking, hard gating") if hard else None,
    (shown(entry["iou@25"]), "IOU@25 on pairs, hard gating"),
    (shown(results["pairs"][reference]["iou@25"]), f"IOU@25 on pairs, {reference}"),
    (f"{entry['relative_cost']:.2f}×", "xcorr1's cost, hard gating"),
    (f"{results['pairs'][reference]['relative_cost']:.2f}×", f"xcorr1's cost, {reference}"),
    (f"{hard['fps']:.0f}", "frames a second, hard gating") if hard and hard["fps"] else None,
  ]
  return [number for number in found if number]
