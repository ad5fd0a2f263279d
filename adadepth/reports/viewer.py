"""What a page's viewer shows: frames, boxes, depths, scores and responses, as values that JSON can hold."""

import base64
from collections.abc import Sequence as Listing
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.maths.metrics import iou
from adadepth.models.architecture import DEPTH_NAMES
from adadepth.reports.overlay import DEPTH_COLORS

COLUMNS = 1000  # of the strip, at most
MOMENTS = 6  # hard frames that a page points at, at most
HARD = 0.4  # hardness from which on a frame is one of them
GIVEN = -1  # in place of a depth: the box was told


class Trail(NamedTuple):
  """One box through a video, as one policy has it or for one target; n frames.

  Attributes:
    name: of the policy, or of the target.
    color: of its box, "#rrggbb"; "": that of the depth in each frame, and the viewer tells all about it.
    boxes_xywh: image pixels; NaN where there is none, [n, 4].
    depth: 0..4, or `GIVEN`, [n].
    score: the probability that the target is there, [n].
    lost: whether it is lost, [n].
    confidences: c_1..c_5, NaN where not computed, [n, 5].
  """

  name: str
  color: str
  boxes_xywh: Float[np.ndarray, "n 4"]
  depth: Int[np.ndarray, "n"]
  score: Float[np.ndarray, "n"]
  lost: Bool[np.ndarray, "n"]
  confidences: Float[np.ndarray, "n 5"]


class Film(NamedTuple):
  """The frames that are shown of a video, and what is known of all n.

  Attributes:
    name: of the video.
    size_wh: of its frames, pixels.
    first: the number of the first of the n frames.
    jpegs: the s frames that are shown.
    shown: which of the n they are, ascending, [s].
    fps: at which they are played.
    truth: true boxes, NaN where unknown; None where there are none, [n, 4].
    squares_xyw: what was searched, its corner and side, NaN where nothing was; None where unknown, [n, 3].
    responses: of each depth there; None where they were not kept, [n, 5, r, r].
    threshold: T of each frame; None where there is none, [n].
  """

  name: str
  size_wh: tuple[int, int]
  first: int
  jpegs: list[bytes]
  shown: list[int]
  fps: float
  truth: Float[np.ndarray, "n 4"] | None = None
  squares_xyw: Float[np.ndarray, "n 3"] | None = None
  responses: Float[np.ndarray, "n 5 r r"] | None = None
  threshold: Float[np.ndarray, "n"] | None = None


def viewer_data(film: Film, trails: Listing[Trail]) -> dict[str, Any]:
  """All that viewer.js needs. Of responses, each map goes from its lowest value to its highest."""
  shown = film.shown

  def of_shown(values: np.ndarray | None, digits: int) -> list | None:
    return None if values is None else plain(values[shown], digits)

  return {
    "name": film.name,
    "size": list(film.size_wh),
    "fps": film.fps,
    "frames": [base64.b64encode(jpeg).decode() for jpeg in film.jpegs],
    "numbers": [film.first + t for t in shown],
    "depths": list(DEPTH_NAMES),
    "colors": [hex_of(color) for color in DEPTH_COLORS],
    "truth": of_shown(film.truth, 1),
    "squares": of_shown(film.squares_xyw, 1),
    "threshold": of_shown(film.threshold, 3),
    "maps": None if film.responses is None else packed_maps(film.responses[shown]),
    "trails": [
      {
        "name": trail.name,
        "color": trail.color,
        "boxes": of_shown(trail.boxes_xywh, 1),
        "depth": of_shown(trail.depth, 0),
        "score": of_shown(trail.score, 3),
        "lost": trail.lost[shown].tolist(),
        "confidences": of_shown(trail.confidences, 3),
        "iou": None if film.truth is None else of_shown(ious_of(trail, film.truth), 3),
        "strip": None if trail.color else strip_of(trail, film),
      }
      for trail in trails
    ],
    "columns": [film.first + int(edge) for edge in edges_of(len(trails[0].depth))],
  }


def edges_of(frames: int) -> Int[np.ndarray, "m_plus_1"]:
  """Where the columns of a strip begin, and where the last one ends; a column a frame, if there are not too many."""
  return np.linspace(0, frames, min(frames, COLUMNS) + 1).round().astype(int)


def strip_of(trail: Trail, film: Film) -> dict[str, list]:
  """The worst of each column's frames: the deepest exit, the lowest score and IoU, whether it is ever lost."""
  starts = edges_of(len(trail.depth))[:-1]
  strip = {
    "depth": np.maximum.reduceat(trail.depth, starts).tolist(),
    "score": plain(np.fmin.reduceat(trail.score, starts), 3),
    "lost": np.logical_or.reduceat(trail.lost, starts).tolist(),
  }
  if film.truth is not None:
    strip["iou"] = plain(np.fmin.reduceat(ious_of(trail, film.truth), starts), 3)
  return strip


def ious_of(trail: Trail, truth: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n"]:
  """IoU with the truth; NaN where that is unknown."""
  known = np.isfinite(truth).all(axis=1) & np.isfinite(trail.boxes_xywh).all(axis=1)
  ious = np.full(len(truth), np.nan, np.float32)
  ious[known] = iou(trail.boxes_xywh[known], truth[known])
  return ious


def hardness(trail: Trail, truth: Float[np.ndarray, "n 4"] | None = None) -> Float[np.ndarray, "n"]:
  """How hard each frame was for the tracker: from 0, where the first depth was enough and sure, and right, to 3.

  A step for each of depth, score and, where the truth is known, an IoU below 0.5; 3 more where the target is lost.
  """
  score = np.nan_to_num(trail.score, nan=1.0)  # of a target that has not begun
  missed = np.zeros(len(score)) if truth is None else np.nan_to_num(np.maximum(0, 1 - 2 * ious_of(trail, truth)))
  return np.maximum(trail.depth, 0) / (len(DEPTH_NAMES) - 1) + (1 - score) + missed + 3.0 * trail.lost


def hard_moments(film: Film, trails: Listing[Trail]) -> list[dict[str, Any]]:
  """The hardest of the frames that are shown, apart from each other, in their order, each with a reason in words."""
  told = [trail for trail in trails if not trail.color]
  if not told:
    return []
  shown = np.array(film.shown)
  hard = np.stack([hardness(trail, film.truth)[shown] for trail in told])
  left, moments, apart = hard.max(axis=0), [], max(1, len(shown) // 20)
  while len(moments) < MOMENTS and left.max() >= HARD:
    s = int(left.argmax())
    trail = told[int(hard[:, s].argmax())]
    moments.append({"still": s, "number": film.first + film.shown[s], "why": reason(trail, film.shown[s], film, told)})
    left[max(0, s - apart) : s + apart + 1] = -1
    if trail.lost[film.shown[s]]:  # one moment, however long it is lost
      left[lost_around(trail.lost[shown], s)] = -1
  return sorted(moments, key=lambda moment: moment["still"])


def lost_around(lost: Bool[np.ndarray, "s"], at: int) -> slice:
  """The stretch of lost frames that holds one of them."""
  found = np.flatnonzero(~lost)
  before, after = found[found < at], found[found > at]
  return slice(before[-1] + 1 if len(before) else 0, after[0] if len(after) else len(lost))


def reason(trail: Trail, t: int, film: Film, told: Listing[Trail]) -> str:
  """What says that a frame was hard, in words; the target's name where there are several."""
  name = f"{trail.name}: " if len(told) > 1 else ""
  overlap = np.nan if film.truth is None else ious_of(trail, film.truth)[t]
  known = f", IoU {overlap:.2f}" if np.isfinite(overlap) else ""
  if trail.lost[t]:
    stretch = lost_around(trail.lost, t)
    return f"{name}lost in frames {film.first + stretch.start} to {film.first + stretch.stop - 1}{known}"
  return f"{name}{DEPTH_NAMES[max(0, trail.depth[t])]}, score {trail.score[t]:.2f}{known}"


def exit_shares(trails: Listing[Trail]) -> list[dict[str, Any]]:
  """Of the frames that were searched, how many stopped at each depth, all trails of changing depth together."""
  depth = np.concatenate([trail.depth for trail in trails if not trail.color] or [np.zeros(0, int)])
  counts = np.bincount(depth[depth >= 0], minlength=len(DEPTH_NAMES))
  return [
    {"name": name, "color": hex_of(color), "count": int(count), "share": float(count / max(1, counts.sum()))}
    for name, color, count in zip(DEPTH_NAMES, DEPTH_COLORS, counts, strict=True)
  ]


def packed_maps(responses: Float[np.ndarray, "s 5 r r"]) -> dict[str, Any]:
  """Each map as bytes, 0 its lowest value and 255 its highest."""
  low = responses.min(axis=(2, 3), keepdims=True)
  span = responses.max(axis=(2, 3), keepdims=True) - low
  scaled = np.rint(255 * (responses - low) / np.where(span > 0, span, 1)).astype(np.uint8)
  return {"side": responses.shape[-1], "bytes": base64.b64encode(scaled.tobytes()).decode()}


def plain(values: np.ndarray, digits: int) -> list:
  """Numbers with so many digits; None for what is not finite, and for a row that holds such."""
  if values.ndim > 1 and values.shape[-1] in (3, 4):  # boxes and squares: all of one or none
    return [plain(row, digits) if np.isfinite(row).all() else None for row in values]
  if values.ndim > 1:
    return [plain(row, digits) for row in values]
  rounded = np.round(values.astype(float), digits).tolist()
  return [(int(v) if digits == 0 else v) if np.isfinite(v) else None for v in rounded]


def hex_of(color: tuple[int, int, int]) -> str:
  return "#{:02x}{:02x}{:02x}".format(*color)
