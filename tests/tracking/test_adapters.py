"""OpenCV's and got10k's signatures: the same boxes as the tracker's own."""

import numpy as np
import pytest
from PIL import Image

from adadepth.models.model import Model
from adadepth.tracking.adapters import GOT10kTracker, OpenCVTracker
from adadepth.tracking.track import Track
from adadepth.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def tracker(params, arch) -> Tracker:
  return Tracker(Model(params, arch, threshold=0.4), "xcorr1")


@pytest.fixture(scope="module")
def tracked(tracker, moving_target) -> Track:
  return tracker.track(moving_target.frames[:4], moving_target.boxes_xywh[0])


def test_opencvs_signature_takes_bgr_and_says_whether_it_is_there(tracker, tracked, moving_target, monkeypatch):
  adapter, frames = OpenCVTracker(tracker), moving_target.frames[:4, ..., ::-1]
  adapter.init(frames[0], tuple(moving_target.boxes_xywh[0].tolist()))
  for t in range(1, 4):
    ok, box = adapter.update(frames[t])
    assert ok is True and isinstance(box, tuple)
    np.testing.assert_array_equal(np.float32(box), tracked.box_xywh[t])
  assert adapter.track.depth == tracked.depth[3]
  lost = adapter.track._replace(missed=np.array(99, np.int32))
  monkeypatch.setattr(Tracker, "update", lambda *_: (None, lost))
  assert adapter.update(frames[3])[0] is False


def test_got10ks_signature_takes_pil_images(tracker, tracked, moving_target, tmp_path):
  adapter = GOT10kTracker(tracker, "ours")
  paths = [tmp_path / f"{t}.png" for t in range(4)]
  for path, frame in zip(paths, moving_target.frames[:4], strict=True):
    Image.fromarray(frame).save(path)
  boxes, seconds = adapter.track([str(path) for path in paths], moving_target.boxes_xywh[0])
  np.testing.assert_array_equal(boxes.astype(np.float32), tracked.box_xywh)
  assert seconds.shape == (4,) and (seconds > 0).all() and adapter.name == "ours" and adapter.is_deterministic


@pytest.mark.parametrize(
  ("adapter", "image"), [(OpenCVTracker, np.zeros((9, 9, 3), np.uint8)), (GOT10kTracker, Image.new("RGB", (9, 9)))]
)
def test_update_before_init_is_told(tracker, adapter, image):
  with pytest.raises(RuntimeError, match="`update` before `init`"):
    adapter(tracker).update(image)
