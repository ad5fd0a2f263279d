"""Experiments go on where they were, never with what other data or settings left there; and what they add."""

import json
import sys
import types

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from experiments.finetune import ablate


def test_ablations_are_of_one_data_root_and_one_backbone(tmp_path, monkeypatch):
  depths = {f"xcorr{k}": {"iou@25": 0.5, "loss": 1.0} for k in range(1, 6)}
  monkeypatch.setattr(ablate, "run_variant", lambda config, workdir: {"dev": depths})
  ablate.main("data", "weights", str(tmp_path), "none")
  ablate.main("data", "weights", str(tmp_path), "printed")
  with pytest.raises(InputError, match=r"holds a run with config\.backbone\.weights = 'weights', not 'others'"):
    ablate.main("data", "others", str(tmp_path), "scale-1")


def test_every_ablation_changes_fields_that_its_config_has():
  for name in ablate.VARIANTS:
    ablate.config_of(name, "data", "weights")


class StillTracker:
  """A tracker of OpenCV's kind that moves by a pixel a frame, and loses every third."""

  created = 0

  @classmethod
  def create(cls):
    cls.created += 1
    return cls()

  def init(self, image, box):
    self.box, self.t = box, 0

  def update(self, image):
    self.t += 1
    x, y, w, h = self.box
    return self.t % 3 != 0, (x + self.t, y, w, h)


@pytest.fixture
def compare(monkeypatch):
  """experiments.tracking.compare, whose OpenCV only its own environment has."""
  fake = types.SimpleNamespace(
    TrackerCSRT=StillTracker, TrackerKCF=StillTracker, setRNGSeed=lambda seed: None, __version__="0"
  )
  monkeypatch.setitem(sys.modules, "cv2", fake)
  monkeypatch.delitem(sys.modules, "experiments.tracking.compare", raising=False)
  monkeypatch.setattr(StillTracker, "created", 0)
  from experiments.tracking import compare

  return compare


@pytest.fixture
def sequence() -> Sequence:
  boxes = np.array([(10 + t, 10, 20, 40) for t in range(5)], np.float32)
  return Sequence("otb/Jogging.1", np.zeros((5, 60, 60, 3), np.uint8), boxes)


def test_a_track_at_its_first_size_keeps_its_places(compare):
  boxes = np.array([(10, 10, 20, 40), (8, 12, 30, 60)], np.float32)
  rows = np.zeros(2)
  track = compare.TrackedSequence(boxes, np.zeros((2, 5), np.float32), rows.astype(int), rows, 0)
  np.testing.assert_allclose(compare.at_first_size(track).boxes_xywh, [(10, 10, 20, 40), (13, 22, 20, 40)])


def test_a_peer_that_has_lost_its_target_stays(compare, sequence):
  found = compare.track_peer("CSRT", sequence, frames=0)
  np.testing.assert_array_equal(found.boxes_xywh[:, 0], [10, 11, 12, 12, 14])


def test_a_peers_track_is_kept_for_the_same_frames(compare, sequence, tmp_path):
  def track(frames):
    return compare.track_peers(["CSRT"], [sequence], frames=frames, folder=tmp_path)["CSRT"][0]

  first, again, other = track(4), track(4), track(5)
  assert StillTracker.created == 2
  assert (len(first.boxes_xywh), len(other.boxes_xywh)) == (4, 5)
  np.testing.assert_array_equal(first.boxes_xywh, again.boxes_xywh)


def test_differences_are_paired_by_video(compare):
  def entry(*ious):
    names = ("otb/Jogging.1", "otb/Jogging.2", "vot/ball2")
    return {"mean_iou_by_sequence": dict(zip(names, ious, strict=True))}

  found = compare.minus_others({"CSRT": entry(0.2, 0.4, 0.5), "hard": entry(0.4, 0.6, 0.6)})
  assert found["minus_CSRT"] == pytest.approx({"mean": 0.15, "low": 0.1, "high": 0.2})  # two videos


def test_without_hard_gating_there_is_nothing_to_compare(compare):
  assert compare.minus_others({"CSRT": {"mean_iou_by_sequence": {"vot/ball2": 0.5}}}) == {}


def test_a_comparison_runs_to_its_table(compare, sequence, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(compare, "load_model", lambda path: None)
  monkeypatch.setattr(compare.Source, "read", lambda self, sides: {"test": [sequence]})
  monkeypatch.setattr(
    compare,
    "track_all",
    lambda model, sequences, policies, **_: {
      name: [compare.track_peer("KCF", sequence, frames=0)] for name in policies
    },
  )
  monkeypatch.setattr(compare, "relative_cost", lambda name, *_: None if name in compare.PEERS else 2.0)
  compare.main(["model", "a,b", str(tmp_path), "--policies", "xcorr1,hard"])
  written = json.loads((tmp_path / "tracking.json").read_text())
  assert list(written["trackers"]) == ["CSRT", "KCF", "xcorr1", "hard"]
  assert set(written["hard"]) == {"minus_CSRT", "minus_KCF", "minus_xcorr1"}
  assert "| minus xcorr1 | +0.000 | +0.000 to +0.000 |" in capsys.readouterr().out
