"""From what was tracked to what people get: boxes.csv, result files, the timeline, pictures' figures, the summary."""

import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from adadepth.io.boxes_csv import BoxRow, write_boxes_csv
from adadepth.io.first_boxes import FirstBox
from adadepth.io.toolkit_formats import Result, plain_name, result_files, write_files
from adadepth.io.workdir import PAGE
from adadepth.jobs.track_inputs import ARRAYS, BOXES, TIMELINE
from adadepth.models.architecture import DEPTHS
from adadepth.reports.overlay import Shown
from adadepth.reports.viewer import GIVEN, Film, Trail, exit_shares, hard_moments, viewer_data
from adadepth.tracking.record import Record, save_record
from adadepth.tracking.targets import Found
from adadepth.tracking.track import computed_confidences

PAGE_TARGETS = 80  # that a page shows, some 30 kB each
FRAME_FOLDERS = ("img", "color", "frames", "images")  # as data sets call them, in a folder of the sequence's name


def write_tables(folder: pathlib.Path, record: Record, first_boxes: list[FirstBox]) -> None:
  """boxes.csv, track.npz and timeline.png."""
  from adadepth.reports.timeline import Course, draw_timeline  # Matplotlib, for which the first box need not wait

  write_boxes_csv(folder / BOXES, csv_rows(record))
  save_record(folder / ARRAYS, record)
  times, seconds = np.array(record.times)[:, 0], np.array(record.seconds)
  courses = []
  for number, target in record.targets().items():
    found = target.found
    courses.append(Course(first_boxes[number].name, times[target.frames[1:]], found.depth, found.score, found.lost))
  draw_timeline(folder / TIMELINE, courses, time_s=times[seconds > 0], milliseconds=1000 * seconds[seconds > 0])


def write_formats(
  folder: pathlib.Path, formats: list[str], video: str, record: Record, first_boxes: list[FirstBox]
) -> None:
  """Result files of a video, as toolkits want them."""
  results = {
    first_boxes[number].name: Result(
      int(target.frames[0]), target.track.box_xywh, target.track.score, target.track.lost, target.seconds
    )
    for number, target in record.targets().items()
  }
  for name in formats:
    write_files(folder, result_files(name, video, results))


def csv_rows(record: Record) -> Iterator[BoxRow]:
  """The lines of boxes.csv."""
  for t, found in enumerate(record.found):
    for number, track, given in found:
      score = float(track.score)
      confidence = 1.0 if given else score * float(track.confidences.max())
      box = (float(value) for value in track.box_xywh)
      yield BoxRow(t, record.times[t][0], number, *box, score, confidence, int(track.depth) + 1, bool(track.lost))


def trails_of(record: Record, first_boxes: list[FirstBox]) -> list[Trail]:
  """What was found of each target in every frame, for the page's viewer."""
  trails, n = [], len(record.found)
  for number, target in record.targets().items():
    track, given = target.track, np.arange(len(target.frames)) == 0
    computed = (np.arange(DEPTHS) <= track.depth[:, None]) & ~given[:, None]
    confidences = np.where(computed, track.confidences, np.float32(np.nan))
    columns = (
      (track.box_xywh, np.nan),
      (np.where(given, GIVEN, track.depth), GIVEN),
      (track.score, np.nan),
      (track.lost, False),
      (confidences, np.nan),
    )
    name = first_boxes[number].name if len(first_boxes) > 1 else "target"
    trails.append(Trail(name, "", *(spread(*column, target.frames, n) for column in columns)))
  return trails


def spread(values: np.ndarray, fill: float, frames: np.ndarray, n: int) -> np.ndarray:
  """Values of some of n frames as values of all, with `fill` for the others."""
  found = np.full((n, *values.shape[1:]), fill, values.dtype)
  found[frames] = values
  return found


def write_track_page(folder: pathlib.Path, film: Film, trails: list[Trail], lead: str, record: dict) -> None:
  """report.html."""
  from adadepth.reports.page import Page, Viewed, write_page  # Jinja, for which the first box need not wait

  frames, shown, targets = len(trails[0].depth), len(film.shown), len(trails)
  trails = trails[:PAGE_TARGETS]
  left_out = f" Of {targets} targets the first {PAGE_TARGETS} are shown." if targets > PAGE_TARGETS else ""
  kept = f"All {frames} frames" if shown == frames else f"{shown} of {frames} frames, evenly spread,"
  notes = (
    f"{kept} are shown, made small; the strip is of all, and a click on it goes there. The box and the bars have the "
    "colour of the depth where the tracker stopped, and a lost target is grey. What lies deeper was not computed, and "
    f"responses are not kept while tracking.{left_out}"
  )
  viewed = Viewed(viewer_data(film, trails), hard_moments(film, trails), exit_shares(trails), notes)
  page = Page(f"Tracked: {film.name}", f"{lead}.", [], [], [folder / TIMELINE], viewed, record)
  write_page(folder / PAGE, page)


def shown_targets(found: list[Found], first_boxes: list[FirstBox]) -> list[Shown | None]:
  """What is drawn of each target; their names only where there are several."""
  shown: list[Shown | None] = [None] * len(first_boxes)
  for number, track, given in found:
    name = first_boxes[number].name if len(first_boxes) > 1 else ""
    confidences = np.full(DEPTHS, np.nan, np.float32) if given else computed_confidences(track)
    depth = None if given else int(track.depth)
    shown[number] = Shown(track.box_xywh, depth, float(track.score), bool(track.lost), name, confidences)
  return shown


def video_name(video: str) -> str:
  """A name for the files of a video: a file's, a folder's or the sequence's, "stream" for what has none."""
  path = pathlib.PurePath(video.split("?")[0])
  if path.name.lower() in FRAME_FOLDERS:
    path = path.parent
  return plain_name(path.stem if path.suffix else path.name) or "stream"


def summary(record: Record, cost: Float[np.ndarray, "5"]) -> str:
  """How many frames, how fast, how deep, at which share of the full network's cost, and what was lost.

  Args:
    cost: of a frame that stops at each depth, in any unit.
  """
  tracks = [target.found for target in record.targets().values()]
  depth = np.concatenate([track.depth for track in tracks])
  lost = np.concatenate([track.lost for track in tracks])
  parts = [f"{len(record.found)} frame{'s' if len(record.found) != 1 else ''}"]
  parts += [f"{len(tracks)} targets"] if len(tracks) > 1 else []
  seconds = [one for one in record.seconds if one]
  if seconds:
    parts += [
      f"{len(seconds) / sum(seconds):.1f} FPS from decoded frame to box",
      f"mean depth {depth.mean() + 1:.2f}",
      f"{100 * cost[depth].mean() / cost[-1]:.0f} % of the full network's cost",
      f"{100 * lost.mean():.0f} % lost",
    ]
  return ", ".join(parts)


def not_begun(record: Record, first_boxes: list[FirstBox]) -> list[str]:
  """The names of targets whose first frame never came."""
  begun = record.targets()
  return [box.name for i, box in enumerate(first_boxes) if i not in begun]
