"""The job that writes a tracker as one file."""

import json

import pytest

from adadepth.errors import InputError
from adadepth.export.runtime import OnnxTracker
from adadepth.jobs.export import NEEDED, run_export
from adadepth.models.model import Model, save_model
from configs.export import get_config


@pytest.fixture
def config(tmp_path, boxed, box_params):
  """Of a tiny model, whose first static exit is quickly traced."""
  save_model(tmp_path / "model.safetensors", Model(box_params, boxed, 0.4))
  config = get_config()
  config.model, config.policy = str(tmp_path), "xcorr1"
  return config


def test_a_file_of_each_format_and_how_it_was_made_are_written(config, tmp_path, capsys):
  config.format = "onnx,stablehlo"
  run_export(config, tmp_path / "run")
  assert {path.name for path in (tmp_path / "run").iterdir()} == {"tracker.onnx", "tracker.stablehlo", "run.json"}
  assert OnnxTracker(tmp_path / "run" / "tracker.onnx").settings.policy == "xcorr1"
  assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["policy"] == "xcorr1"
  assert capsys.readouterr().out.count("xcorr1") == 2


@pytest.mark.parametrize(
  ("field", "value", "says"),
  [
    ("policy", "xcorr6", r"`config.policy` \(='xcorr6'\) must be one of"),
    ("format", "onnx,tflite", r"`config.format` .* names 'tflite'; the formats are onnx, stablehlo"),
    ("model", "nowhere", r"`config.model` \(=nowhere\) is neither"),
  ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(config, tmp_path, field, value, says):
  config[field] = value
  with pytest.raises(InputError, match=says):
    run_export(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_model_without_gates_is_exported_as_a_static_exit_alone(config, tmp_path, boxed, box_params):
  ungated = {name: part for name, part in box_params.items() if name != "gates"}
  save_model(tmp_path / "model.safetensors", Model(ungated, boxed, 0.4))
  config.policy = "hard"
  with pytest.raises(InputError, match="has no gates"):
    run_export(config, tmp_path / "run")


def test_a_missing_package_is_named(config, tmp_path, monkeypatch):
  monkeypatch.setitem(NEEDED, "onnx", ("no_such_package",))
  with pytest.raises(InputError, match=r"needs no_such_package: pip install \"adadepth\[export\]\""):
    run_export(config, tmp_path / "run")


def test_the_only_variant_is_vgg19():
  assert get_config("vgg19").model == "vgg19"
  with pytest.raises(InputError, match="the only variant"):
    get_config("small")
