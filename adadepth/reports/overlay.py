"""Tracked targets drawn on a frame: the box's colour is the depth, and what is lost is grey, dashed and says so.

Colours are five of plasma, from the shallowest to the deepest: they grow lighter in a grey print and for every kind of
colour blindness. The figures of the paper have `drawing` instead.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from adadepth.reports.drawing import (
  EDGE_COLOR,
  LABEL_COLOR,
  MIN_WIDTH_PX,
  PANEL_COLOR,
  Cell,
  Color,
  draw_box,
  draw_confidence,
  enlargement,
  font,
  stripes,
)

DEPTH_COLORS: tuple[Color, ...] = ((106, 0, 168), (177, 42, 144), (225, 100, 98), (252, 166, 54), (240, 249, 33))
GIVEN_COLOR: Color = (255, 255, 255)
TEXT_COLOR: Color = (255, 255, 255)
LOST_COLOR: Color = (190, 190, 190)


class Shown(NamedTuple):
  """What is drawn of one target.

  Attributes:
    box_xywh: pixels of the frame, [4].
    depth: the exit, 0..4; None for a box that was given.
    score: the probability that the target is there.
    lost: whether it is lost.
    name: beside the box; "": nothing.
    confidences: c in [0, 1], [k], NaN at depths that were not computed.
  """

  box_xywh: Float[np.ndarray, "4"]
  depth: int | None
  score: float
  lost: bool
  name: str
  confidences: Float[np.ndarray, "k"]


def draw_targets(
  frame_rgb: UInt8[np.ndarray, "h w 3"], targets: Sequence[Shown | None], *, confidences: bool = False
) -> UInt8[np.ndarray, "h_out w_out 3"]:
  """Draws the targets of a video on one of its frames, with a line of text below.

  The size of the result depends on the frame's, on the number of targets and on `confidences` alone, so the frames of
  one video come out alike.

  Args:
    frame_rgb: uint8 [h, w, 3] RGB; not modified.
    targets: all of the video; None for one that has not begun.
    confidences: whether a row of figures is drawn for each target, below the picture.
  """
  factor = enlargement(*frame_rgb.shape[:2])
  picture = Image.fromarray(frame_rgb.repeat(factor, axis=0).repeat(factor, axis=1))
  width = max(2, round(min(picture.size) / 120))
  for target in targets:
    if target is not None:
      _draw_target(picture, target, factor, width)
  return np.array(_with_lines(picture, targets, confidences))


def _draw_target(picture: Image.Image, target: Shown, factor: int, width: int) -> None:
  box = np.asarray(target.box_xywh * np.float32(factor))
  below = picture.copy() if target.lost else None
  draw_box(picture, box, color_of(target), width)
  if below is not None:
    picture.paste(below, mask=stripes(picture.size, 4 * width))
  words = " ".join(word for word in (target.name, "lost" if target.lost else "") if word)
  if words:
    size = _font_px(picture.width)
    left, top = np.clip(box[:2], 0, (picture.width - 2 * size, picture.height)).tolist()
    above = top > 3 * size // 2
    place, anchor = (left, top - width - 1), "ls" if above else "lt"
    place = place if above else (left + width + 2, top + width + 2)
    draw = ImageDraw.Draw(picture)
    draw.text(place, words, TEXT_COLOR, font(size), anchor=anchor, stroke_width=2, stroke_fill=EDGE_COLOR)


def color_of(target: Shown) -> Color:
  """The colour of a target's box."""
  if target.lost:
    return LOST_COLOR
  return GIVEN_COLOR if target.depth is None else DEPTH_COLORS[target.depth]


def _with_lines(picture: Image.Image, targets: Sequence[Shown | None], confidences: bool) -> Image.Image:
  """The picture with its lines below: nothing of it is hidden."""
  width = max(picture.width, MIN_WIDTH_PX)
  font_px = _font_px(width)
  rows = targets if confidences else ()
  sheet = Image.new("RGB", (width, picture.height + 3 * font_px * len(rows) + 3 * font_px // 2), PANEL_COLOR)
  sheet.paste(picture, ((width - picture.width) // 2, 0))
  draw = ImageDraw.Draw(sheet)
  for row, target in enumerate(rows):
    if target is not None:
      _draw_confidences(draw, target, picture.height + 3 * font_px * row, width, font_px)
  middle = sheet.height - 3 * font_px // 4
  _draw_legend(draw, middle, font_px)
  place = (width - font_px // 2, middle)
  draw.text(place, status(targets), TEXT_COLOR, font(font_px * 7 // 8), anchor="rm")
  return sheet


def status(targets: Sequence[Shown | None]) -> str:
  """The line of text: the score and the exit of one target, of several how many are lost."""
  if len(targets) == 1:
    (target,) = targets
    if target is None or target.depth is None:
      return "given" if target else ""
    return f"{'lost' if target.lost else f'xcorr{target.depth + 1}'}  score {target.score:.2f}"
  begun = [target for target in targets if target is not None]
  return f"{len(begun)} targets, {sum(target.lost for target in begun)} lost"


def _draw_confidences(draw: ImageDraw.ImageDraw, target: Shown, top: int, width: int, font_px: int) -> None:
  """A target's row of figures, behind its name."""
  left = 4 * font_px if target.name else 0
  draw.text((font_px // 2, top + 3 * font_px // 2), target.name, TEXT_COLOR, font(font_px * 7 // 8), anchor="lm")
  cell_px = (width - left) // len(target.confidences)
  for k, confidence in enumerate(target.confidences):
    cell = Cell(left + k * cell_px, top, cell_px, font_px)
    draw_confidence(draw, cell, k, float(confidence), chosen=k == target.depth)


def _draw_legend(draw: ImageDraw.ImageDraw, middle: int, font_px: int) -> None:
  """ "depth" and its five colours."""
  left, half, letters = font_px // 2, font_px // 3, font(font_px * 7 // 8)
  draw.text((left, middle), "depth", LABEL_COLOR, letters, anchor="lm")
  left += round(letters.getlength("depth ")) + half
  for k, color in enumerate(DEPTH_COLORS):
    draw.rectangle((left, middle - half, left + 2 * half, middle + half), fill=color, outline=EDGE_COLOR)
    left += 3 * half
    draw.text((left, middle), str(k + 1), LABEL_COLOR, letters, anchor="lm")
    left += round(letters.getlength("1")) + 2 * half


def _font_px(width: int) -> int:
  return min(max(width, MIN_WIDTH_PX) // 24, 26)
