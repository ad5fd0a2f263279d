"""Stills of a video are evenly spread, and bounded however long it is."""

import io

import numpy as np
from PIL import Image

from adadepth.reports.stills import WIDEST_PX, Stills, small_jpeg

FRAME = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def test_a_short_video_is_kept_whole():
  stills = Stills(most=5)
  for _ in range(5):
    stills.add(FRAME)
  assert stills.numbers == [0, 1, 2, 3, 4] and stills.every == 1 and len(stills.jpegs) == 5


def test_of_a_long_video_every_nth_frame_is_kept():
  stills = Stills(most=5)
  for t in range(23):
    stills.add(np.full_like(FRAME, 10 * t))
  assert stills.numbers == [0, 8, 16] and stills.every == 8
  brightness = [np.asarray(Image.open(io.BytesIO(jpeg))).mean() for jpeg in stills.jpegs]
  np.testing.assert_allclose(brightness, [0, 80, 160], atol=2)  # JPEG's rounding


def test_bytes_are_bounded_too_but_one_frame_is_always_there():
  stills, size = Stills(most_bytes=3 * len(small_jpeg(FRAME))), len(small_jpeg(FRAME))
  for _ in range(50):
    stills.add(FRAME)
  assert 1 < len(stills.jpegs) * size <= 3 * size
  tiny = Stills(most_bytes=1)
  tiny.add(FRAME)
  assert tiny.numbers == [0]


def test_a_large_frame_is_made_small_and_a_small_one_is_left():
  large = Image.open(io.BytesIO(small_jpeg(np.zeros((720, 1280, 3), np.uint8))))
  small = Image.open(io.BytesIO(small_jpeg(FRAME)))
  assert large.size == (WIDEST_PX, WIDEST_PX * 9 // 16) and small.size == (60, 40)
