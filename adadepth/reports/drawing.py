"""Annotated frames: boxes, the confidence of each depth and the exit, drawn on a picture.

Colours are the paper's (Figure 7): ground truth green, prediction red, confidences in red figures. The
green is light and the red dark, so that the two differ in a grey print too. The truth is dashed and lies on top:
where the boxes coincide both are seen.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]

TRUTH_COLOR: Color = (110, 255, 110)
PREDICTION_COLOR: Color = (235, 20, 20)
FIGURE_COLOR: Color = (255, 90, 90)  # red as the prediction, lighter so that it reads on the dark panel
LABEL_COLOR: Color = (205, 205, 205)
PANEL_COLOR: Color = (24, 24, 24)
EXIT_CELL_COLOR: Color = (84, 26, 26)
EDGE_COLOR: Color = (0, 0, 0)

MIN_WIDTH_PX = 320  # five columns of text need about this much
MAX_HEIGHT_PX = 1440


def annotate_frame(
  frame_rgb: UInt8[np.ndarray, "h w 3"],
  *,
  predicted_xywh: Float[np.ndarray, "4"] | None,
  truth_xywh: Float[np.ndarray, "4"] | None = None,
  confidences: Float[np.ndarray, "k"] | None = None,
  depth: int | np.integer | None = None,
) -> UInt8[np.ndarray, "h_out w_out 3"]:
  """Draws what the tracker saw in one frame (paper, Figure 7): boxes on it, figures in a panel below it.

  A small frame is enlarged by a whole factor, pixels repeated, so that the text can be read. The size of
  the result depends only on the frame's size and on whether `confidences` are given, so the frames of one
  video come out alike.

  Args:
    frame_rgb: RGB, uint8 [h, w, 3]; not modified.
    predicted_xywh: predicted box in pixels of `frame_rgb`, [4]; None where there is none.
    truth_xywh: ground truth, likewise; None or NaN where unknown.
    confidences: c in [0, 1], shallow to deep, [k]; NaN at depths that were not computed, shown as a dash.
    depth: exit depth 0..k-1, shown as xcorr1..xcorrk; None where the policy has no single exit (soft).
  Returns:
    uint8 [factor * h + panel, max(factor * w, 320), 3]; the picture stands in the middle.
  """
  factor = enlargement(*frame_rgb.shape[:2])
  picture = Image.fromarray(frame_rgb.repeat(factor, axis=0).repeat(factor, axis=1))
  width = max(2, round(min(picture.size) / 120))
  if predicted_xywh is not None:
    draw_box(picture, predicted_xywh * np.float32(factor), PREDICTION_COLOR, width)
  if truth_xywh is not None:
    below = picture.copy()
    draw_box(picture, truth_xywh * np.float32(factor), TRUTH_COLOR, width)
    picture.paste(below, mask=stripes(picture.size, 4 * width))
  entries = _legend_entries(predicted_xywh, truth_xywh)
  return np.array(_with_panel(picture, entries, confidences, depth))


def titled(picture: UInt8[np.ndarray, "h w 3"], title: str) -> UInt8[np.ndarray, "h_out w 3"]:
  """A picture with a line of text above it."""
  font_px = min(picture.shape[1] // 24, 26)
  sheet = Image.new("RGB", (picture.shape[1], picture.shape[0] + 3 * font_px // 2), PANEL_COLOR)
  sheet.paste(Image.fromarray(picture), (0, 3 * font_px // 2))
  place = (font_px // 2, 3 * font_px // 4)
  ImageDraw.Draw(sheet).text(place, title, (255, 255, 255), font(font_px * 7 // 8), anchor="lm")
  return np.array(sheet)


def enlargement(height: int, width: int) -> int:
  """Returns the whole factor that makes a frame wide enough for text, yet not taller than 1440 px."""
  return max(1, min(math.ceil(MIN_WIDTH_PX / width), MAX_HEIGHT_PX // height))


class Cell(NamedTuple):
  """Where one depth's figures go in the panel, in pixels."""

  left: int
  top: int
  width: int
  font_px: int


def draw_box(picture: Image.Image, box_xywh: np.ndarray, color: Color, width: int) -> None:
  """Draws a box's edges with a black rim; one that cannot be seen draws nothing."""
  x, y, w, h = (float(v) for v in box_xywh)
  if not (np.isfinite(box_xywh).all() and w > 0 and h > 0):
    return
  # Pillow overflows on huge numbers: a far edge is brought to just outside the frame, still invisible.
  margin = width + 2
  xs = np.clip((x, x + w), -margin, picture.width + margin)
  ys = np.clip((y, y + h), -margin, picture.height + margin)
  left, right = round(xs[0]) - width // 2, round(xs[1]) - 1 + width // 2
  top, bottom = round(ys[0]) - width // 2, round(ys[1]) - 1 + width // 2
  right, bottom = max(left, right), max(top, bottom)
  draw = ImageDraw.Draw(picture)
  draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=EDGE_COLOR, width=width + 2)
  draw.rectangle((left, top, right, bottom), outline=color, width=width)


@functools.lru_cache(maxsize=1)
def stripes(size: tuple[int, int], width_px: int) -> Image.Image:
  """A mask of diagonal stripes: a line, level or upright, is cut into dashes."""
  diagonals = np.add.outer(np.arange(size[1]), np.arange(size[0]))
  return Image.fromarray(np.uint8(diagonals // width_px % 2 * 255))


def _legend_entries(predicted_xywh: np.ndarray | None, truth_xywh: np.ndarray | None) -> list[tuple[str, Color]]:
  entries = [("truth", TRUTH_COLOR)] if truth_xywh is not None else []
  return entries + ([("prediction", PREDICTION_COLOR)] if predicted_xywh is not None else [])


def _with_panel(
  picture: Image.Image,
  entries: list[tuple[str, Color]],
  confidences: np.ndarray | None,
  depth: int | np.integer | None,
) -> Image.Image:
  """Returns the picture with the panel of figures below it: nothing of the picture is hidden."""
  exit_k = None if depth is None else int(depth)
  width = max(picture.width, MIN_WIDTH_PX)
  font_px = min(width // 24, 26)
  cells_px = 0 if confidences is None else 3 * font_px
  sheet = Image.new("RGB", (width, picture.height + cells_px + 3 * font_px // 2), PANEL_COLOR)
  sheet.paste(picture, ((width - picture.width) // 2, 0))
  draw = ImageDraw.Draw(sheet)
  if confidences is not None:
    cell_px = width // len(confidences)
    for k, confidence in enumerate(confidences):
      cell = Cell(k * cell_px, picture.height, cell_px, font_px)
      draw_confidence(draw, cell, k, float(confidence), chosen=k == exit_k)
  _draw_status(draw, sheet.size, font_px, entries, "" if exit_k is None else f"exit xcorr{exit_k + 1}")
  return sheet


def draw_confidence(draw: ImageDraw.ImageDraw, cell: Cell, depth: int, confidence: float, *, chosen: bool) -> None:
  """Draws one depth's name, its confidence in red figures and as a bar; the exit stands in a red frame."""
  left, top, width, font_px = cell
  bottom, pad = top + 3 * font_px, max(2, font_px // 6)
  if chosen:
    frame = (left + 1, top + 2, left + width - 2, bottom - 1)
    draw.rectangle(frame, fill=EXIT_CELL_COLOR, outline=FIGURE_COLOR, width=max(1, font_px // 10))
  center = left + width // 2
  name_color = (255, 255, 255) if chosen else LABEL_COLOR
  draw.text((center, top + pad), f"xcorr{depth + 1}", name_color, font(font_px * 7 // 8), anchor="ma")
  figures = "-" if math.isnan(confidence) else f"{confidence:.2f}"
  draw.text((center, top + pad + font_px), figures, FIGURE_COLOR, font(font_px), anchor="ma")
  bar_left, bar_px = left + 2 * pad, width - 4 * pad
  bar_top, bar_bottom = bottom - pad - max(2, font_px // 4), bottom - pad - 1
  draw.rectangle((bar_left, bar_top, bar_left + bar_px, bar_bottom), fill=(70, 70, 70))
  if confidence > 0:  # false for NaN
    right = bar_left + round(bar_px * min(confidence, 1.0))
    draw.rectangle((bar_left, bar_top, right, bar_bottom), fill=FIGURE_COLOR)


def _draw_status(
  draw: ImageDraw.ImageDraw,
  size: tuple[int, int],
  font_px: int,
  entries: list[tuple[str, Color]],
  status: str,
) -> None:
  """Draws the bottom line: which colour is which on the left, the exit on the right."""
  middle, pad = size[1] - 3 * font_px // 4, font_px // 2
  left, letters = pad, font(font_px * 7 // 8)
  half = font_px // 4
  for name, color in entries:
    draw.rectangle((left, middle - half, left + 2 * half, middle + half), fill=color)
    left += 2 * half + pad // 2
    draw.text((left, middle), name, LABEL_COLOR, letters, anchor="lm")
    left += round(letters.getlength(name)) + pad
  draw.text((size[0] - pad, middle), status, (255, 255, 255), letters, anchor="rm")


@functools.cache
def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
  """Pillow's own font."""
  return ImageFont.load_default(size_px)
