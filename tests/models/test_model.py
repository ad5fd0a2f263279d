"""A model survives its file, and what is no model is refused."""

import json

import jax
import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.models.architecture import DEPTH_NAMES, Architecture
from adadepth.models.model import Calibration, Model, check_gates, load_model, save_model
from adadepth.models.model_files import EMBEDDED, VGG19, asset_path, model_file
from adadepth.models.network import init_params
from adadepth.models.weights import save_safetensors

CALIBRATION = Calibration([0.2, 0.8], [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]], [0.5, 0.7], [1, 2, 4, 8, 16], "xcorr4")


@pytest.fixture
def model(params, arch) -> Model:
  return Model(params, arch, 0.35, CALIBRATION)


def write(path, tree: dict, **settings) -> None:
  """A model file with these settings beside those that every model has."""
  settings = {"architecture": {"width": 0.25}, "threshold": 0.5, "calibration": None, **settings}
  metadata = {name: json.dumps(value) for name, value in settings.items()}
  save_safetensors(path, tree, metadata, float_dtype="float32")


# Invariants.


@pytest.mark.parametrize("calibration", [None, CALIBRATION])
def test_a_model_comes_back_as_it_was(model, tmp_path, calibration):
  model = model._replace(calibration=calibration)
  save_model(tmp_path / "model.safetensors", model)
  for place in (tmp_path, tmp_path / "model.safetensors"):
    loaded = load_model(place)
    assert loaded[1:] == model[1:]
    jax.tree.map(np.testing.assert_array_equal, loaded.params, model.params)


@pytest.mark.parametrize("values", [{"template": "ridge"}, {"reader": "box"}, {"scaling": "none"}, {"plan": "small"}])
def test_every_choice_of_an_architecture_comes_back(model, tmp_path, values):
  arch = Architecture(width=1 / 16, template_px=64, search_px=128, pools=3, **values)
  of_any = {name: model.params[name] for name in ("head", "gates")}
  save_model(tmp_path / "model.safetensors", model._replace(arch=arch, params=of_any))
  assert load_model(tmp_path).arch == arch


def test_box_heads_come_back(model, box_params, boxed, tmp_path):
  save_model(tmp_path / "model.safetensors", model._replace(params=box_params, arch=boxed))
  jax.tree.map(np.testing.assert_array_equal, load_model(tmp_path).params, box_params)


def test_gates_without_a_backbone_are_a_model_too(model, tmp_path):
  gates = {name: model.params[name] for name in ("head", "gates")}
  save_model(tmp_path / "gates.safetensors", model._replace(params=gates))
  assert set(load_model(tmp_path / "gates.safetensors").params) == set(gates)


def test_half_precision_is_half_the_size_and_close(model, tmp_path):
  save_model(tmp_path / "full.safetensors", model)
  save_model(tmp_path / "half.safetensors", model, float_dtype="float16")
  full, half = (load_safetensors_bytes(tmp_path / f"{name}.safetensors") for name in ("full", "half"))
  assert half == full / 2
  # float16 keeps 11 bits: a relative error of 2^-11, below 1e-3.
  loaded = load_model(tmp_path / "half.safetensors").params
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), loaded, model.params)


def load_safetensors_bytes(path) -> int:
  """Of the arrays alone: a safetensors file begins with the length of its header."""
  content = path.read_bytes()
  return len(content) - 8 - int.from_bytes(content[:8], "little")


# What ships.


def test_the_embedded_model_is_small_and_loads():
  assert asset_path(EMBEDDED).stat().st_size < 4e6
  model = load_model(EMBEDDED)
  assert model.arch == Architecture(
    plan="small", template_px=64, search_px=160, pools=3, scaling="none", template="crop", reader="box"
  )
  assert set(model.params) == {"backbone", "head", "box", "gates"}


def test_the_packages_gates_for_vgg19_load_without_its_backbone():
  model = load_model(VGG19)
  assert model.arch == Architecture(template="ridge", reader="box")
  assert set(model.params) == {"head", "box", "gates"}


@pytest.mark.parametrize("name", [EMBEDDED, VGG19])
def test_what_ships_is_finite_and_of_this_versions_shapes(name):
  model = load_model(name)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(model.params))
  expected = init_params(jax.random.key(0), model.arch, logit_scale=10.0)
  found = model.params
  if name == VGG19:  # its backbone is downloaded
    del expected["backbone"]
  assert jax.tree.map(np.shape, found) == jax.tree.map(np.shape, expected)


@pytest.mark.parametrize("name", [EMBEDDED, VGG19])
def test_what_ships_can_hold_a_budget(name):
  model = load_model(name)
  calibration = model.calibration
  assert 0 < model.threshold < 1
  assert np.all(np.diff(calibration.thresholds) > 0)
  np.testing.assert_allclose(np.sum(calibration.exits, axis=1), 1, atol=1e-3)  # shares, each rounded in the file
  assert len(calibration.thresholds) == len(calibration.exits) == len(calibration.iou25)
  assert np.all(np.diff(calibration.relative_costs) > 0)
  assert calibration.reference in DEPTH_NAMES


# Errors.


def test_weights_alone_are_no_model(tmp_path):
  save_safetensors(tmp_path / "weights.safetensors", {"block1": np.zeros(3, np.float32)})
  with pytest.raises(InputError, match="holds weights, not a model"):
    load_model(tmp_path / "weights.safetensors")


def test_an_unfinished_workdir_is_named(tmp_path):
  with pytest.raises(InputError, match=f"`path` \\(={tmp_path}\\) is neither a model nor a finished workdir"):
    load_model(tmp_path)
  with pytest.raises(InputError, match=r"`config\.model` \(="):
    load_model(tmp_path, argument="config.model")


@pytest.mark.parametrize(
  ("tree", "settings", "named"),
  [
    ({}, {"architecture": {"width": 0.25, "finer_px": 3.0}}, "finer_px"),
    ({"beliefs": {"tail": np.zeros(5, np.float32)}}, {}, "beliefs"),
    ({"fusion": {"ncc": np.ones(5, np.float32)}}, {}, "fusion"),
    ({}, {"calibration": [[0.5], [[1, 0, 0, 0, 0]], [0.5]]}, "a calibration"),
  ],
)
def test_a_file_of_another_version_is_refused_with_what_it_has_more_or_lacks(tmp_path, tree, settings, named):
  write(tmp_path / "old.safetensors", {"head": {"log_scale": np.zeros(5, np.float32)}, **tree}, **settings)
  with pytest.raises(InputError, match=rf"is another version's \({named}\): train its gates again"):
    load_model(tmp_path / "old.safetensors")


def test_the_same_file_without_that_is_taken(tmp_path):
  write(tmp_path / "model.safetensors", {"head": {"log_scale": np.zeros(5, np.float32)}})
  assert load_model(tmp_path).threshold == 0.5


def test_a_model_that_phase_one_alone_wrote_has_no_gates(model):
  check_gates(model, "`model`")
  with pytest.raises(InputError, match=r"`config\.model` has no gates, since phase 1 alone wrote it: train them"):
    check_gates(model._replace(params={"backbone": {}, "head": {}}), "`config.model`")


def test_a_models_file_is_found_by_name_folder_or_path(tmp_path):
  assert model_file(EMBEDDED) == asset_path(EMBEDDED)
  assert model_file(tmp_path) == tmp_path / "model.safetensors"
  assert model_file(tmp_path / "other.safetensors") == tmp_path / "other.safetensors"
