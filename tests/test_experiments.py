"""Experiments that go on where they were: never with what another model or other data left there."""

import sys
import types

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


def test_tracks_are_of_one_model(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(TrackerCSRT=None, TrackerKCF=None))
  from experiments.tracking import compare

  monkeypatch.setattr(compare, "load_model", lambda path: None)
  monkeypatch.setattr(compare.Source, "read", lambda self, sides: {"test": []})
  scores = {"mean_iou": 0.5, "success_auc": 0.5, "precision_20": 0.5, "exits": []}
  monkeypatch.setattr(compare, "score_tracking", lambda found, sequences: dict(scores))
  monkeypatch.setattr(compare, "relative_cost", lambda *_: None)
  model, out = tmp_path / "model.safetensors", str(tmp_path / "tracks")
  model.write_bytes(b"one")
  compare.main(str(model), "data", "test", out, "xcorr1")
  compare.main(str(model), "data", "test", out, "hard")
  model.write_bytes(b"another")
  with pytest.raises(InputError, match=r"holds a run with config\.model = "):
    compare.main(str(model), "data", "test", out, "hard")
