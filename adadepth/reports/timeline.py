"""timeline.png: what a tracker did over a video, seen at once."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from adadepth.models.architecture import DEPTH_NAMES
from adadepth.reports.plots import CURVE_COLORS, save

LOST_SHADE = {"color": "0.5", "alpha": 0.25, "linewidth": 0}

SPREAD = 0.5  # of a depth, between the lines of the first target and the last


class Course(NamedTuple):
  """One target over the frames in which it was tracked.

  Attributes:
    name: of the target.
    time_s: of each frame.
    depth: exits, 0..4.
    score: the probability that the target is there.
    lost: whether it was lost.
  """

  name: str
  time_s: Float[np.ndarray, "t"]
  depth: Int[np.ndarray, "t"]
  score: Float[np.ndarray, "t"]
  lost: Bool[np.ndarray, "t"]


def draw_timeline(
  path: str | pathlib.Path,
  courses: Sequence[Course],
  *,
  time_s: Float[np.ndarray, "n"],
  milliseconds: Float[np.ndarray, "n"],
) -> None:
  """Draws depth, score and milliseconds over the seconds of a video.

  Args:
    path: the PNG to write.
    courses: of each target; where one is lost its score stands on grey.
    time_s, milliseconds: of each frame in which something was tracked, all targets together.
  """
  figure = Figure(figsize=(10.0, 5.6), layout="constrained")
  depth_axes, score_axes, ms_axes = figure.subplots(3, 1, sharex=True)
  for i, course in enumerate(courses):
    color = CURVE_COLORS[i % len(CURVE_COLORS)]
    line = {"color": color, "linewidth": 1, "label": course.name}
    apart = SPREAD * (i / max(1, len(courses) - 1) - 0.5) if len(courses) > 1 else 0.0
    depth_axes.plot(course.time_s, course.depth + 1 + apart, marker=".", markersize=3, drawstyle="steps-mid", **line)
    score_axes.plot(course.time_s, course.score, **line)
    _shade_lost(score_axes, course)
  ms_axes.plot(time_s, milliseconds, color="black", linewidth=1)
  depth_axes.set(ylabel="depth", ylim=(0.5, 5.5), yticks=range(1, 6), yticklabels=DEPTH_NAMES)
  score_axes.set(ylabel="score", ylim=(-0.05, 1.05))
  ms_axes.set(ylabel="ms a frame", xlabel="seconds")
  ms_axes.set_ylim(bottom=0)
  for axes in (depth_axes, score_axes, ms_axes):
    axes.grid(alpha=0.25)
  handles = depth_axes.get_legend_handles_labels()[0] if len(courses) > 1 else []
  handles += [Patch(label="lost", **LOST_SHADE)] if any(course.lost.any() for course in courses) else []
  if handles:
    figure.legend(handles=handles, loc="outside upper right", ncols=8, frameon=False, fontsize=9)
  save(figure, path)


def _shade_lost(axes: Axes, course: Course) -> None:
  """Grey from the first frame in which a target is lost to the first in which it is found again."""
  turns = np.flatnonzero(np.diff(np.concatenate([[False], course.lost, [False]]).astype(int)))
  ends = np.append(course.time_s, course.time_s[-1:])
  for first, after in turns.reshape(-1, 2):
    axes.axvspan(ends[first], ends[after], **LOST_SHADE)
