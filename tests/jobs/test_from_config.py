"""Which model a job takes, and what two runs must share to be one."""

import dataclasses

import jax
import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.jobs.from_config import identity_of, model_of, starting_params
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model, save_model
from configs import evaluate, finetune, gating, track


@pytest.fixture(params=[evaluate, track])
def config(request, tmp_path, params, arch):
  """A job's config with gates alone, as the package has them for VGG-19, of the tiny network."""
  gates = {name: leaves for name, leaves in params.items() if name != "backbone"}
  save_model(tmp_path / "gates.safetensors", Model(gates, arch, 0.4))
  config = request.param.get_config()
  config.model = str(tmp_path / "gates.safetensors")
  return config


def test_gates_alone_need_a_backbone(config, tmp_path):
  with pytest.raises(InputError, match=r"`config\.backbone\.weights` \(=''\) names no backbone"):
    model_of(config, tmp_path)


def test_gates_alone_take_the_backbone_that_config_names(config, tmp_path, monkeypatch):
  monkeypatch.setattr("adadepth.jobs.from_config.backbone_of", lambda weights, arch, workdir: {weights: arch.channels})
  config.backbone.weights = "vgg19.h5"
  model = model_of(config, tmp_path)
  assert model.params["backbone"] == {"vgg19.h5": (4, 8, 16, 32, 32)}
  assert model.threshold == 0.4


def test_a_whole_model_takes_no_other_backbone(tmp_path, params, arch):
  save_model(tmp_path / "model.safetensors", Model(params, arch, 0.4))
  config = evaluate.get_config()
  assert "backbone" in model_of(config, tmp_path).params
  config.backbone.weights = "vgg19.h5"
  with pytest.raises(InputError, match=r"`config\.backbone\.weights` \(=vgg19\.h5\): the model has a backbone"):
    model_of(config, tmp_path)


def config_of(arch: Architecture, weights: str):
  """Phase 1 from these weights."""
  config = finetune.get_config("all,quick")
  config.network.update(dataclasses.asdict(arch))
  config.backbone.weights = weights
  return config


def test_what_phase_one_trained_is_taken_whole(tmp_path, box_params, boxed):
  trained = {name: box_params[name] for name in ("backbone", "head", "box")}
  save_model(tmp_path / "model.safetensors", Model(trained, boxed, 0.5))
  found = starting_params(config_of(boxed, str(tmp_path)), boxed, tmp_path)
  assert set(found) == {"backbone", "head", "box", "gates"}
  jax.tree.map(np.testing.assert_array_equal, {name: found[name] for name in trained}, trained)


def test_weights_without_box_heads_are_for_training_some(tmp_path, params, arch, boxed):
  save_model(tmp_path / "model.safetensors", Model(params, arch, 0.5))
  config = config_of(boxed, str(tmp_path))
  found = starting_params(config, boxed, tmp_path)
  jax.tree.map(np.testing.assert_array_equal, found["backbone"], params["backbone"])
  assert not found["box"]["depth1"]["Dense_1"]["kernel"].any()  # new
  config.finetune.steps = 0
  with pytest.raises(InputError, match=r"has no box heads: give `config\.finetune\.steps`"):
    starting_params(config, boxed, tmp_path)


def test_another_plan_is_refused(tmp_path, params, arch):
  save_model(tmp_path / "model.safetensors", Model(params, arch, 0.5))
  small = dataclasses.replace(arch, plan="small")
  with pytest.raises(InputError, match=r"was trained with .*'plan': 'vgg19'.*config\.network says .*'plan': 'small'"):
    starting_params(config_of(small, str(tmp_path)), small, tmp_path)


@pytest.mark.parametrize(
  ("part", "field", "value", "same"),
  [
    ("finetune", "log_every", 7, True),
    ("finetune", "checkpoint_every", 7, True),
    ("data", "on_error", "skip", True),
    ("eval", "tracking", "", True),
    ("finetune", "learning_rate", 0.5, False),
    ("data", "hardest", 0.1, False),
    ("data", "photos", "photos", False),
    ("gates", "steps", 7, False),
  ],
)
def test_a_run_goes_on_with_other_reports_but_no_other_training(part, field, value, same):
  config = gating.get_config()
  before = identity_of(config)
  config[part][field] = value
  assert (identity_of(config) == before) == same


def test_more_parts_can_be_what_a_run_is():
  config = finetune.get_config("all,quick")
  assert identity_of(config, "eval") == {**identity_of(config), "eval": config.eval.to_dict()}
