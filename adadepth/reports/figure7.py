"""Figure 7: real frames with truth, prediction and the five confidences, as a picture and as a short video."""

import pathlib
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from adadepth.data.pairs import evenly_spaced
from adadepth.data.sequence import Sequence
from adadepth.io.progress import progress
from adadepth.io.video_writer import VideoWriter
from adadepth.models.model import Model
from adadepth.reports.drawing import annotate_frame, titled
from adadepth.reports.plots import FramePanel, FrameRow, figure7
from adadepth.reports.views import fit_view, view_around
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import Tracker

FRAMES = 40  # that are tracked and filmed of each sequence
PICTURED = 4  # of them in the PNG, a row
FPS = 10.0
EACH_KIND = 2  # sequences where xcorr1 is enough, and that gain by depth
DEEP = FIXED[3:]  # with adapted templates xcorr5 is hardly anywhere the best
FOOTNOTE = (
  "Hard gating stops at the framed depth, the first whose confidence exceeds T = {:.2f}, else xcorr5. "
  "The confidences right of it are computed for this figure alone."
)


class Pick(NamedTuple):
  """A sequence of Figure 7: its name, and why it is there."""

  name: str
  reason: str


def pick_sequences(by_sequence: dict[str, dict[str, float]]) -> list[Pick]:
  """Two sequences where xcorr1 is enough and the two that gain most by depth, by the mean IoU of their pairs.

  xcorr1 is enough where the best depth beats it by least. Of the others, those gain most where the better of xcorr4 and
  xcorr5 beats xcorr1 by most, however little that is. With fewer than four sequences, one of each kind; with one, that
  one.

  Args:
    by_sequence: "sequences" of results.json: name to {"xcorr1": IoU, ..., "xcorr5": IoU}.
  """
  each = max(1, min(EACH_KIND, len(by_sequence) // 2))
  best = {name: max(FIXED, key=row.get) for name, row in by_sequence.items()}
  deep = {name: max(DEEP, key=row.get) for name, row in by_sequence.items()}
  short = {name: row[best[name]] - row["xcorr1"] for name, row in by_sequence.items()}
  enough = sorted(by_sequence, key=short.get)[:each]
  gain = {name: row[deep[name]] - row["xcorr1"] for name, row in by_sequence.items() if name not in enough}
  gaining = sorted(gain, key=gain.get, reverse=True)[:each]

  def at(name: str, depth: str) -> str:
    return f"{by_sequence[name][depth]:.2f} with {depth}"

  return [
    *(Pick(n, f"xcorr1 is enough: pair IoU {at(n, 'xcorr1')}, at best {at(n, best[n])}") for n in enough),
    *(Pick(n, f"gains most by depth: pair IoU {at(n, 'xcorr1')}, {at(n, deep[n])}") for n in gaining),
  ]


def track_panels(model: Model, sequence: Sequence, *, frames: int) -> list[FramePanel]:
  """Hard gating over the first `frames` frames after the first box, with all five confidences of each frame.

  Hard gating does not compute what lies beyond its exit: for that, each frame is searched once more with a threshold
  that no confidence reaches.
  """
  tracker = Tracker(model, "hard")
  start = sequence.first_box
  target = tracker.init(sequence.frames[start], sequence.boxes_xywh[start])
  panels = []
  for t in progress(range(start + 1, min(start + 1 + frames, len(sequence))), f"figure 7 ({sequence.name})"):
    frame, truth = sequence.frames[t], sequence.boxes_xywh[t]
    no_exit = target._replace(state=target.state._replace(threshold=np.full(1, 2, np.float32)))
    confidences = tracker.update(no_exit, frame)[1].confidences
    target, track = tracker.update(target, frame)
    panels.append(FramePanel(f"frame {t}", frame, track.box_xywh, truth, confidences, int(track.depth)))
  return panels


def zoomed(panels: Listing[FramePanel]) -> list[FramePanel]:
  """The panels cut to one view that holds every box, and scaled to one size."""
  boxes = np.stack([box for panel in panels for box in (panel.predicted_xywh, panel.truth_xywh)])
  view_xywh = view_around(boxes[np.isfinite(boxes).all(axis=1)], panels[0].frame_rgb.shape[:2])

  def in_view(panel: FramePanel) -> FramePanel:
    frame, boxes = fit_view(panel.frame_rgb, view_xywh, (panel.predicted_xywh, panel.truth_xywh))
    return panel._replace(frame_rgb=frame, predicted_xywh=boxes[0], truth_xywh=boxes[1])

  return [in_view(panel) for panel in panels]


def film_frame(name: str, panel: FramePanel) -> UInt8[np.ndarray, "h w 3"]:
  """One frame of the video."""
  fields = panel._asdict()
  title = f"{name}, {fields.pop('title')}"
  return titled(annotate_frame(**fields), title)


def draw_figure7(folder: pathlib.Path, model: Model, results: dict, sequences: Listing[Sequence]) -> None:
  """figure7.png and figure7.mp4 of the sequences that `pick_sequences` finds."""
  by_name = {sequence.name: sequence for sequence in sequences}
  rows = []
  with VideoWriter(folder / "figure7.mp4", fps=FPS) as video:
    for name, reason in pick_sequences(results["sequences"]):
      panels = zoomed(track_panels(model, by_name[name], frames=FRAMES))
      rows.append(FrameRow(f"{name}: {reason}", evenly_spaced(panels, PICTURED)))
      for panel in panels:
        video.write(film_frame(name, panel))
  figure7(folder / "figure7.png", rows, footnote=FOOTNOTE.format(model.threshold))
