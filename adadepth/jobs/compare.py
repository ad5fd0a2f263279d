"""Compares trackers on any data root: ours, OpenCV's, and any whose result files there are."""

import functools
import pathlib
from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from adadepth.data.result_files import (
  ResultRows,
  read_multi_start,
  read_one_pass,
  read_supervised,
  trackers_in,
  write_one_pass,
  write_vot,
)
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.cache import Task, each_once, file_of, key_of
from adadepth.evaluation.intervals import by_video, paired_interval
from adadepth.evaluation.measures import SCORES
from adadepth.evaluation.one_pass import TrackedSequence, as_tracked, score_tracking, track_all, track_all_with
from adadepth.evaluation.restarts import (
  multi_start_pass,
  multi_start_scores,
  starts_of,
  supervised_pass,
  supervised_scores,
)
from adadepth.evaluation.trackers import OPENCV, AnyTracker, OpenCV, Ours, opencv
from adadepth.io.code_digest import digest_of_function
from adadepth.io.processes import is_first
from adadepth.io.run_record import run_record
from adadepth.io.whole_files import write_text
from adadepth.io.workdir import PAGE, write_results
from adadepth.jobs.checks import OURS, compared_trackers
from adadepth.jobs.from_config import model_of
from adadepth.maths.expected_overlap import STARTED, TRACKED
from adadepth.models.model import Model, check_gates
from adadepth.reports.evaluation_page import write_comparison
from adadepth.reports.tracker_plots import draw_curves
from adadepth.reports.tracker_tables import attribute_table, comparison_table, latex_table
from adadepth.tracking.policies import FIXED, POLICIES
from adadepth.tracking.tracker import Tracker

# Of VOT's protocols: the scores in a table, and those of a sequence that differences are of.
VOT_TABLES = {
  "supervised": (("accuracy", "robustness", "eao"), ("accuracy", "failures")),
  "multi_start": (("accuracy", "robustness", "eao"), ("accuracy", "robustness")),
}


def compare(config: ConfigDict, workdir: pathlib.Path, sequences: Listing[Sequence]) -> None:
  """Writes results.json, trackers.md, trackers.tex, plots, report.html and each tracker's result files to the workdir.

  The first tracker of `config.trackers`, else the first by name in `config.results`, is what others are compared with.

  Raises:
    InputError: trackers that are not there, result files that do not fit, or a tracker named twice.
  """
  names = compared_trackers(config.trackers)
  folder = pathlib.Path(config.results).expanduser()
  given = trackers_in(folder, sequences) if config.results else {}
  if twice := sorted(set(names) & set(given)):
    raise InputError(f"`config.results` (={folder}) holds {twice[0]}, which `config.trackers` names too; rename one")
  live = _live(names, config, workdir)
  record = run_record(workdir, config.to_dict(), config.seed, name="evaluate.json")
  entries, tracks = RUN[config.protocol](config, workdir, sequences, live, given)
  if not is_first():
    return
  path = write_results(workdir, _results(config, sequences, entries))
  text = _report(config.protocol, workdir, entries)
  ours = next(((tracker.name, tracker.model) for tracker in live if tracker.policy == "hard"), None)
  write_comparison(workdir, text, tracks, sequences, ours=ours, record=record)
  print(f"wrote {path}, trackers.md, trackers.tex and {PAGE} beside it, and result files in {workdir / 'results'}")


class Live(NamedTuple):
  """A tracker that runs here.

  Attributes:
    name: as in `config.trackers`.
    policy: of ours; "" of OpenCV's.
    model: likewise; None.
    version: of OpenCV; "" of ours.
  """

  name: str
  policy: str
  model: Model | None
  version: str

  def make(self) -> AnyTracker:
    """A tracker without a target."""
    return Ours(Tracker(self.model, self.policy)) if self.policy else OpenCV(self.name)

  def task(self, folder: pathlib.Path, sequence: Sequence, measure: Callable[[], dict], *settings: object) -> Task:
    """A measurement of this tracker, kept in a folder of its name."""
    params, threshold = (self.model.params, self.model.threshold) if self.model else ({}, None)
    arch = self.model.arch if self.model else None
    code = digest_of_function(POLICIES[self.policy]) if self.policy else ""
    key = key_of(sequence, params, self.name, self.policy, code, self.version, arch, threshold, *settings)
    return Task(file_of(folder / self.name, sequence), key, measure)


def _live(names: Listing[str], config: ConfigDict, workdir: pathlib.Path) -> list[Live]:
  """The trackers of `config.trackers`, with the model where one of them is ours."""
  policies = {name: "hard" if name == OURS else name for name in names if name not in OPENCV}
  model = model_of(config, workdir) if policies else None
  if set(policies.values()) - set(FIXED):
    check_gates(model, f"`config.model` (={config.model or workdir})")
  version = opencv().__version__ if set(names) & set(OPENCV) else ""
  return [
    Live(name, policies[name], model, "") if name in policies else Live(name, "", None, version) for name in names
  ]


Given = dict[str, pathlib.Path]
# The entry of each tracker, and what was tracked in one pass; {} of other protocols.
Measured = tuple[dict[str, dict], dict[str, list[TrackedSequence]]]


def _one_pass(
  config: ConfigDict, workdir: pathlib.Path, sequences: Listing[Sequence], live: Listing[Live], given: Given
) -> Measured:
  """The entry of each tracker: `score_tracking`'s."""
  frames, tracks = config.eval.frames_per_sequence, {}
  for tracker in live:
    if tracker.policy:
      run = track_all(tracker.model, sequences, [tracker.policy], frames=frames, folder=workdir / "tracks")
      tracks[tracker.name] = run[tracker.policy]
    else:
      run = {"frames": frames, "folder": workdir / "tracks"}
      tracks[tracker.name] = track_all_with(tracker.name, tracker.make, tracker.version, sequences, **run)
    for sequence, track in zip(sequences, tracks[tracker.name], strict=True):
      boxes = np.full((len(sequence), 4), np.nan)
      boxes[track.start : track.start + len(track.boxes_xywh)] = track.boxes_xywh
      write_one_pass(workdir / "results" / tracker.name, sequence, boxes)
  for name, folder in given.items():
    tracks[name] = []
    for sequence in sequences:
      start = sequence.first_box
      stop = start + frames if frames else None
      boxes = read_one_pass(folder, sequence)[start:stop]
      tracks[name].append(as_tracked(boxes, np.zeros(len(boxes)), start))
  entries = {name: score_tracking(runs, sequences) for name, runs in tracks.items()}
  entries = {name: entry if _has_exits(name, live) else {**entry, "exits": None} for name, entry in entries.items()}
  return entries, tracks


def _has_exits(name: str, live: Listing[Live]) -> bool:
  return any(tracker.name == name and tracker.policy for tracker in live)


def _supervised(
  config: ConfigDict, workdir: pathlib.Path, sequences: Listing[Sequence], live: Listing[Live], given: Given
) -> Measured:
  """The entry of each tracker: {"measures": `supervised_scores`}."""
  del config
  passes = {}
  for tracker in live:
    tasks = [
      tracker.task(
        workdir / "supervised", s, lambda t=tracker, s=s: supervised_pass(t.make(), s)._asdict(), "supervised"
      )
      for s in sequences
    ]
    passes[tracker.name] = [[ResultRows(**arrays)] for arrays in each_once(tasks, f"supervised ({tracker.name})")]
    for sequence, ((boxes, marks),) in zip(sequences, passes[tracker.name], strict=True):
      write_vot(workdir / "results" / tracker.name, sequence, "001", boxes, marks)
  for name, folder in given.items():
    passes[name] = [read_supervised(folder, sequence) for sequence in sequences]
  return {name: {"measures": supervised_scores(sequences, of_one)} for name, of_one in passes.items()}, {}


def _multi_start(
  config: ConfigDict, workdir: pathlib.Path, sequences: Listing[Sequence], live: Listing[Live], given: Given
) -> Measured:
  """The entry of each tracker: {"measures": `multi_start_scores`}."""
  del config
  starts = {sequence.name: starts_of(sequence) for sequence in sequences}
  runs = {}
  for tracker in live:

    def all_runs(sequence: Sequence, tracker: Live = tracker) -> dict[str, np.ndarray]:
      found = starts[sequence.name]
      return {str(start.anchor): multi_start_pass(tracker.make(), sequence, start) for start in found}

    folder = workdir / "multi_start"
    tasks = [tracker.task(folder, s, functools.partial(all_runs, s), "multi_start") for s in sequences]
    found = each_once(tasks, f"multi-start ({tracker.name})")
    runs[tracker.name] = [
      [(start, arrays[str(start.anchor)]) for start in starts[sequence.name]]
      for sequence, arrays in zip(sequences, found, strict=True)
    ]
    for sequence, of_one in zip(sequences, runs[tracker.name], strict=True):
      for start, boxes in of_one:
        marks = np.where(np.arange(len(boxes)) == 0, STARTED, TRACKED)
        write_vot(workdir / "results" / tracker.name, sequence, f"{start.anchor:08d}", boxes, marks)
  for name, folder in given.items():
    runs[name] = [
      [(start, read_multi_start(folder, sequence, start.anchor, len(start.frames))) for start in starts[sequence.name]]
      for sequence in sequences
    ]
  return {name: {"measures": multi_start_scores(sequences, of_one)} for name, of_one in runs.items()}, {}


RUN = {"one_pass": _one_pass, "supervised": _supervised, "multi_start": _multi_start}


def scores_of(protocol: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
  """The scores in a table, and those of a sequence that differences are of."""
  return (tuple(SCORES), tuple(SCORES)) if protocol == "one_pass" else VOT_TABLES[protocol]


def _results(config: ConfigDict, sequences: Listing[Sequence], entries: dict[str, dict]) -> dict:
  """What results.json holds: of each tracker its scores, and what it has more than the first, paired by video."""
  first, *others = entries
  rows = {name: entry["measures"]["by_sequence"] for name, entry in entries.items()}
  for other in others:
    entries[other]["minus_first"] = {
      score: difference(rows[other], rows[first], score) for score in scores_of(config.protocol)[1]
    }
  return {
    "protocol": config.protocol,
    "first": first,
    "tracking": entries,
    "sequences": {sequence.name: len(sequence) for sequence in sequences},
  }


def difference(of_one: dict[str, dict], of_other: dict[str, dict], score: str) -> dict[str, float] | None:
  """The mean over videos of what one has more than the other, with its interval; None where they share none."""
  shared = [name for name in of_one if None not in (of_one[name][score], of_other[name][score])]
  if not shared:
    return None
  values = (by_video(np.array(shared), np.array([rows[name][score] for name in shared])) for rows in (of_one, of_other))
  return paired_interval(*values)


def _report(protocol: str, workdir: pathlib.Path, entries: dict[str, dict]) -> str:
  """Tables and plots; the tables are printed too, and returned."""
  scores, paired = scores_of(protocol)
  tables = [comparison_table(entries, scores, paired), attribute_table(entries)]
  text = "\n".join(table for table in tables if table)
  write_text(workdir / "trackers.md", text)
  write_text(workdir / "trackers.tex", latex_table(entries, scores))
  if protocol == "one_pass":
    draw_curves(workdir, entries)
  print(text)
  return text
