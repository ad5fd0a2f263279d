"""Experiments go on where they were, never with what another model or other data left there; and what they add."""

import sys
import types

import numpy as np
import pytest

from adadepth.errors import InputError
from experiments.finetune import ablate


def test_ablations_are_of_one_data_root_and_one_backbone(tmp_path, monkeypatch):
  depths = {f"xcorr{k}": {"iou@25": 0.5, "loss": 1.0} for k in range(1, 6)}
  monkeypatch.setattr(ablate, "run_variant", lambda config, workdir: {"dev": depths})
  ablate.main("data", "weights", str(tmp_path), "none")
  ablate.main("data", "weights", str(tmp_path), "printed")
  with pytest.raises(InputError, match=r"holds a run with config\.backbone\.weights = 'weights', not 'others'"):
    ablate.main("data", "others", str(tmp_path), "scale-1")


@pytest.fixture
def compare(monkeypatch):
  """experiments.tracking.compare, whose OpenCV only its own environment has."""
  monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(TrackerCSRT=None, TrackerKCF=None))
  from experiments.tracking import compare

  return compare


def test_a_track_at_its_first_size_keeps_its_places(compare):
  boxes = np.array([(10, 10, 20, 40), (8, 12, 30, 60)], np.float32)
  rows = np.zeros(2)
  track = compare.TrackedSequence(boxes, np.zeros((2, 5)), rows.astype(int), rows, 0)
  np.testing.assert_allclose(compare.at_first_size(track).boxes_xywh, [(10, 10, 20, 40), (13, 22, 20, 40)])


def test_tracks_are_of_one_model(tmp_path, compare, monkeypatch):
  monkeypatch.setattr(compare, "load_model", lambda path: None)
  monkeypatch.setattr(compare.Source, "read", lambda self, sides: {"test": []})
  scores = {"mean_iou": 0.5, "success_auc": 0.5, "precision_20": 0.5, "exits": [], "mean_iou_by_sequence": {}}
  monkeypatch.setattr(compare, "score_tracking", lambda found, sequences: dict(scores))
  monkeypatch.setattr(compare, "relative_cost", lambda *_: None)
  model, out = tmp_path / "model.safetensors", str(tmp_path / "tracks")
  model.write_bytes(b"one")
  compare.main(str(model), "data", "test", out, "xcorr1")
  compare.main(str(model), "data", "test", out, "hard")
  model.write_bytes(b"another")
  with pytest.raises(InputError, match=r"holds a run with config\.model = "):
    compare.main(str(model), "data", "test", out, "hard")
