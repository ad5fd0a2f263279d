"""Experiments go on where they were, never with what other data or settings left there; and what they add."""

import importlib
import json
import pathlib
import types

import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.cache import keep
from adadepth.evaluation.one_pass import as_tracked, track_with
from adadepth.evaluation.responses import COLUMNS
from adadepth.models.model import Model, load_model, save_model
from experiments.crossfit import pack
from experiments.finetune import ablate, scales

EXPERIMENTS = pathlib.Path(__file__).resolve().parents[1] / "experiments"
WITH_PEERS = "speed", "parity"  # ask for OpenCV, PyTorch, got10k or the VOT toolkit, in environments of their own
SCRIPTS = [
  path
  for path in sorted(EXPERIMENTS.glob("*/*.py"))
  if path.parent.name not in WITH_PEERS and '__name__ == "__main__"' in path.read_text()
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_script_finds_what_it_imports(script):
  assert callable(importlib.import_module(f"experiments.{script.parent.name}.{script.stem}").main)


# Packing.


@pytest.fixture
def finished(tmp_path, params, arch) -> pathlib.Path:
  """A folder with a model in it."""
  save_model(tmp_path / "model.safetensors", Model(params, arch, 0.4))
  return tmp_path


def test_gates_are_packed_without_their_backbone(finished, monkeypatch):
  monkeypatch.setattr(pack, "asset_path", lambda name: finished / f"{name}.safetensors")
  pack.main("vgg19", str(finished))
  packed = load_model(finished / "vgg19.safetensors")
  assert set(packed.params) == {"head", "gates"} and packed.threshold == 0.4


def test_the_small_network_is_packed_in_half_precision(finished, monkeypatch):
  monkeypatch.setattr(pack, "asset_path", lambda name: finished / f"{name}.safetensors")
  pack.main("package", str(finished))
  sizes = [(finished / name).stat().st_size for name in ("embedded.safetensors", "model.safetensors")]
  assert sizes[0] < 0.6 * sizes[1]
  assert set(load_model(finished / "embedded.safetensors").params) == {"backbone", "head", "gates"}


def test_what_the_package_does_not_hold_is_not_packed(finished, monkeypatch):
  monkeypatch.setattr(pack, "asset_path", lambda name: finished / f"{name}.safetensors")
  with pytest.raises(SystemExit, match="'slim' is neither package, vgg19 nor onnx"):
    pack.main("slim", str(finished))
  assert [path.name for path in finished.iterdir()] == ["model.safetensors"]


# What a run left.


def test_kept_responses_are_read_as_one_table(tmp_path):
  whole = planted_table([(0, 0), (1, 0)], [[(0, 0)] * 5, [(1, 0)] * 5])
  for row, name in enumerate("ab"):
    columns = {name: getattr(whole, name)[row : row + 1] for name in COLUMNS}
    keep(tmp_path / f"{name}.npz", "key", columns)
  found = scales.kept_table(tmp_path)
  np.testing.assert_array_equal(found.responses, whole.responses)
  np.testing.assert_array_equal(found.sequence, whole.sequence)
  # Where the peaks are right, a larger scale loses less.
  assert np.all(scales.losses_at(found, 10.0, ARCH) < scales.losses_at(found, 1.0, ARCH))


# Ablations.


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


# Tracking.


@pytest.fixture
def compare(monkeypatch):
  """experiments.tracking.compare, whose OpenCV stays where it is."""
  from experiments.tracking import compare

  class Stays:
    def __init__(self, name):
      self.name = name

    def init(self, frame, box_xywh):
      self.box = box_xywh

    def update(self, frame):
      return self.box

  monkeypatch.setattr(compare, "opencv", lambda: types.SimpleNamespace(__version__="0"))
  monkeypatch.setattr(compare, "OpenCV", Stays)
  return compare


@pytest.fixture
def sequence() -> Sequence:
  boxes = np.array([(10 + t, 10, 20, 40) for t in range(5)], np.float32)
  return Sequence("otb/Jogging.1", np.zeros((5, 60, 60, 3), np.uint8), boxes)


def test_another_start_moves_the_first_box_alone(compare):
  boxes = np.float32([[np.nan] * 4, [10, 10, 40, 20], [12, 10, 40, 20]])
  sequence = Sequence("vot/a", np.zeros((3, 60, 80, 3), np.uint8), boxes)
  same, other = (compare.other_start(sequence, start).boxes_xywh for start in (0, 1))
  np.testing.assert_array_equal(same, boxes)
  np.testing.assert_array_equal(other[[0, 2]], boxes[[0, 2]])
  assert 0 < np.abs(other[1] - boxes[1]).max() < 5 and np.array_equal(sequence.boxes_xywh, boxes, equal_nan=True)


def test_a_track_at_its_first_size_keeps_its_places(compare):
  boxes = np.array([(10, 10, 20, 40), (8, 12, 30, 60)], np.float32)
  track = as_tracked(boxes, np.zeros(2), 0)
  np.testing.assert_allclose(compare.at_first_size(track).boxes_xywh, [(10, 10, 20, 40), (13, 22, 20, 40)])


def test_differences_are_paired_by_video(compare):
  def entry(*ious):
    names = ("otb/Jogging.1", "otb/Jogging.2", "vot/ball2")
    return {"mean_iou_by_sequence": dict(zip(names, ious, strict=True))}

  found = compare.minus_others({"CSRT": entry(0.2, 0.4, 0.5), "hard": entry(0.4, 0.6, 0.6)}, "hard")
  assert found["minus_CSRT"] == pytest.approx({"mean": 0.15, "low": 0.1, "high": 0.2})  # two videos


def test_without_hard_gating_there_is_nothing_to_compare(compare):
  assert compare.minus_others({"CSRT": {"mean_iou_by_sequence": {"vot/ball2": 0.5}}}, "hard") == {}


def test_static_exits_that_were_run_are_mixed_at_the_cost_of_hard_gating(compare):
  def entry(cost, *ious):
    return {"relative_cost": cost, "mean_iou_by_sequence": dict(zip("ab", ious, strict=True))}

  entries = {"csrt": entry(None, 1.0, 1.0), "xcorr1": entry(1.0, 0.2, 0.4), "xcorr4": entry(9.0, 0.6, 0.4)}
  found = compare.mixed_at_random(entries, 3.0)
  assert found["mix"] == pytest.approx({"xcorr1": 0.75, "xcorr4": 0.25})
  assert found["mean_iou_by_sequence"] == pytest.approx({"a": 0.3, "b": 0.4}) and found["relative_cost"] == 3.0


def test_a_comparison_runs_to_its_table(compare, sequence, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(compare, "load_model", lambda path: None)
  monkeypatch.setattr(compare.Source, "read", lambda self, sides: {"test": [sequence]})
  monkeypatch.setattr(
    compare,
    "track_all",
    lambda model, sequences, policies, **_: {name: [track_with(compare.OpenCV(name), sequence)] for name in policies},
  )
  monkeypatch.setattr(compare, "relative_cost", lambda name, *_: None if name in compare.OPENCV else 2.0)
  compare.main(["model", "a,b", str(tmp_path), "--policies", "xcorr1,hard"])
  written = json.loads((tmp_path / "tracking.json").read_text())
  assert list(written["trackers"]) == ["csrt", "kcf", "xcorr1", "hard", "random_mix"]
  assert set(written["hard"]) == {"minus_csrt", "minus_kcf", "minus_xcorr1", "minus_random_mix"}
  assert "| minus xcorr1 | +0.000 | +0.000 to +0.000 |" in capsys.readouterr().out


def test_other_thresholds_are_tracked_and_drawn(compare, sequence, params, arch, tmp_path, monkeypatch):
  model, drawn, passes = Model(params, arch, 0.4), {}, []

  def track_all(model, sequences, policies, **_):
    passes.extend((name, model.threshold) for name in policies)
    return {name: [track_with(compare.OpenCV(name), sequence)] for name in policies}

  times = {f"xcorr{k}": np.array([0.001 * (k + 1)]) for k in range(1, 6)}
  monkeypatch.setattr(compare, "load_model", lambda path: model)
  monkeypatch.setattr(compare.Source, "read", lambda self, sides: {"test": [sequence]})
  monkeypatch.setattr(compare, "track_all", track_all)
  monkeypatch.setattr(compare, "policy_trackers", lambda model: {})
  monkeypatch.setattr(compare, "step_seconds", lambda trackers, rounds: times)
  monkeypatch.setattr(compare, "figure6", lambda path, **parts: drawn.update(parts))
  compare.main(["model", "a", str(tmp_path), "--policies", "xcorr1,xcorr5,hard", "--peers", "", "--thresholds", "0.2"])
  assert passes == [("xcorr1", 0.4), ("xcorr5", 0.4), ("hard", 0.4), ("hard", 0.2)]
  assert [entry["threshold"] for entry in drawn["hard"]] == [0.2, 0.4]
  assert drawn["fixed"]["xcorr5"]["over_xcorr1"] == pytest.approx(3.0) and drawn["soft"] is None
  assert all("random_mix_mean_iou" in entry for entry in drawn["hard"])
  assert json.loads((tmp_path / "tracking.json").read_text())["swept"][0]["threshold"] == 0.2
