"""Any tracker behind one protocol: ours as it is elsewhere, OpenCV's where it is, and a line where it is not."""

import sys
import types

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.one_pass import track_all_with, track_sequence, track_with
from adadepth.evaluation.trackers import OpenCV, Ours, opencv
from adadepth.models.model import Model
from adadepth.tracking.tracker import Tracker


class StillTracker:
  """A tracker of OpenCV's kind that moves by a pixel a frame, and loses every third."""

  created = 0

  @classmethod
  def create(cls):
    cls.created += 1
    return cls()

  def init(self, image, box):
    self.box, self.t, self.first = box, 0, image

  def update(self, image):
    self.t += 1
    x, y, w, h = self.box
    return self.t % 3 != 0, (x + self.t, y, w, h)


@pytest.fixture
def cv2(monkeypatch):
  """OpenCV's trackers, which only some environments have."""
  fake = types.SimpleNamespace(
    TrackerCSRT=StillTracker, TrackerKCF=StillTracker, setRNGSeed=lambda seed: None, __version__="0"
  )
  monkeypatch.setitem(sys.modules, "cv2", fake)
  monkeypatch.setattr(StillTracker, "created", 0)
  return fake


@pytest.fixture
def sequence() -> Sequence:
  boxes = np.array([(10 + t, 10, 20, 40) for t in range(5)], np.float32)
  frames = np.zeros((5, 60, 60, 3), np.uint8)
  frames[..., 0] = 200
  return Sequence("otb/Jogging.1", frames, boxes)


def test_ours_tracks_as_it_does_alone(params, arch, moving_target):
  tracker = Tracker(Model(params, arch, 0.4), "xcorr1")
  alone = track_sequence(tracker, moving_target, frames=4)
  found = track_with(Ours(tracker), moving_target, frames=4)
  np.testing.assert_array_equal(found.boxes_xywh, alone.boxes_xywh)
  assert (found.start, len(found.seconds), found.seconds[0]) == (0, 4, 0)


def test_a_peer_that_has_lost_its_target_stays(cv2, sequence):
  found = track_with(OpenCV("csrt"), sequence)
  np.testing.assert_array_equal(found.boxes_xywh[:, 0], [10, 11, 12, 12, 14])


def test_opencv_gets_blue_first(cv2, sequence):
  tracker = OpenCV("kcf")
  tracker.init(sequence.frames[0], sequence.boxes_xywh[0])
  assert tracker.tracker.first[0, 0].tolist() == [0, 0, 200]


def test_a_peers_track_is_kept_for_the_same_frames(cv2, sequence, tmp_path):
  def track(frames):
    return track_all_with("csrt", lambda: OpenCV("csrt"), "0", [sequence], frames=frames, folder=tmp_path)[0]

  first, again, other = track(4), track(4), track(5)
  assert StillTracker.created == 2
  assert (len(first.boxes_xywh), len(other.boxes_xywh)) == (4, 5)
  np.testing.assert_array_equal(first.boxes_xywh, again.boxes_xywh)


def test_without_opencv_a_line_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, "cv2", None)
  with pytest.raises(InputError, match="csrt and kcf are OpenCV's, and cv2 is not installed here; run `pip install"):
    opencv()


def test_an_opencv_without_its_trackers_is_told(monkeypatch):
  monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(__version__="0"))
  with pytest.raises(InputError, match="its trackers are not installed here"):
    opencv()
