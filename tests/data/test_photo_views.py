"""Sequences that are views of one photo."""

import numpy as np
import pytest
from PIL import Image

from adadepth.data.render.cutouts import open_album
from adadepth.data.render.photo_views import FRAMES, photo_sequence

TARGET = (40, 30, 100, 70)  # left, top, right, bottom


@pytest.fixture
def album(tmp_path):
  """One photo, grey but for a red target, whose label says where it is."""
  photo, labels = np.full((160, 200, 3), 90, np.uint8), np.zeros((160, 200), np.uint8)
  left, top, right, bottom = TARGET
  photo[top:bottom, left:right], labels[top:bottom, left:right] = (220, 20, 20), 1
  (tmp_path / "masks").mkdir()
  Image.fromarray(photo).save(tmp_path / "a.png")
  Image.fromarray(labels).save(tmp_path / "masks" / "a.png")
  return open_album(str(tmp_path))


def labelled(album, seed=0):
  """A sequence whose target is the labelled one."""
  sequences = (photo_sequence(album, seed=seed, index=index) for index in range(40))
  return next(s for s in sequences if np.allclose(s.boxes_xywh[:, :2] + s.boxes_xywh[:, 2:] / 2, (70, 50)))


def test_the_box_is_where_the_target_is_seen(album):
  sequence = labelled(album)
  assert len(sequence) == len(sequence.frames) == FRAMES
  for frame, (x, y, w, h) in zip(sequence.frames, sequence.boxes_xywh, strict=True):
    rows, columns = np.nonzero((frame[..., 0] > 180) & (frame[..., 1] < 60))
    # A turned rectangle reaches farther than the ellipse in it, by at most a factor of sqrt(2).
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(x + w / 2, abs=1.5)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(y + h / 2, abs=1.5)
    assert 0.95 * w - 2 < np.ptp(columns) + 1 < 1.42 * w + 2 and 0.95 * h - 2 < np.ptp(rows) + 1 < 1.42 * h + 2


def test_views_differ_and_follow_from_seed_and_index(album):
  one, again, other = (photo_sequence(album, seed=seed, index=3) for seed in (0, 0, 1))
  assert np.array_equal(one.boxes_xywh, again.boxes_xywh) and np.array_equal(one.frames[2], again.frames[2])
  assert not np.array_equal(one.boxes_xywh, other.boxes_xywh)
  assert len(np.unique(one.boxes_xywh, axis=0)) == FRAMES


def test_without_labels_any_part_of_the_photo_will_do(album):
  for index in range(20):
    boxes = photo_sequence(album, seed=5, index=index).boxes_xywh
    assert np.isfinite(boxes).all() and (boxes[:, 2:] > 3).all()
