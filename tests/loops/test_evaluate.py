"""Which model is evaluated: gates that come without a backbone take the one that config names, and no other does."""

import pytest

from adadepth.errors import InputError
from adadepth.io.models import Model, save_model
from adadepth.loops.evaluate import evaluated_model
from adadepth.maths.readout import Readout
from configs import evaluate

READOUT = Readout("subcell", 0.3, "posterior", "readout")


@pytest.fixture
def config(tmp_path, params, arch):
  """configs/evaluate.py:vgg19 with gates alone, as the package has them, of the tiny network."""
  gates = {name: leaves for name, leaves in params.items() if name != "backbone"}
  save_model(tmp_path / "gates.safetensors", Model(gates, arch, 0.4, READOUT))
  config = evaluate.get_config("vgg19")
  config.model = str(tmp_path / "gates.safetensors")
  return config


def test_gates_alone_need_a_backbone(config, tmp_path):
  with pytest.raises(InputError, match=r"`config\.backbone\.weights` \(=''\) names no backbone"):
    evaluated_model(config, tmp_path)


def test_gates_alone_take_the_backbone_that_config_names(config, tmp_path, params, monkeypatch):
  monkeypatch.setattr("adadepth.loops.evaluate.backbone_of", lambda weights, arch, workdir: {weights: arch.channels})
  config.backbone.weights = "vgg19.h5"
  model = evaluated_model(config, tmp_path)
  assert model.params["backbone"] == {"vgg19.h5": (4, 8, 16, 32, 32)}
  assert (model.threshold, model.readout) == (0.4, READOUT)


def test_a_whole_model_takes_no_other_backbone(tmp_path, params, arch):
  save_model(tmp_path / "model.safetensors", Model(params, arch, 0.4, READOUT))
  config = evaluate.get_config()
  assert "backbone" in evaluated_model(config, tmp_path).params
  config.backbone.weights = "vgg19.h5"
  with pytest.raises(InputError, match=r"`config\.backbone\.weights` \(=vgg19\.h5\): the model has a backbone"):
    evaluated_model(config, tmp_path)
