"""A model survives its file, and what is no model is refused."""

import json

import jax
import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import Architecture
from adadepth.models.model import EMBEDDED, Model, asset_path, load_model, save_model
from adadepth.models.network import init_params
from adadepth.models.weights import save_safetensors

ARCH = Architecture(width=1 / 16, template_px=32, search_px=64, pools=3, scaling="none")


@pytest.fixture
def model() -> Model:
  return Model(init_params(jax.random.key(3), ARCH, logit_scale=7.0), ARCH, 0.35, Readout("subcell", 0.1))


def test_a_model_comes_back_as_it_was(model, tmp_path):
  save_model(tmp_path / "model.safetensors", model)
  for place in (tmp_path, tmp_path / "model.safetensors"):
    loaded = load_model(place)
    assert loaded[1:] == model[1:]
    jax.tree.map(np.testing.assert_array_equal, loaded.params, model.params)


def test_half_precision_is_half_the_size_and_close(model, tmp_path):
  save_model(tmp_path / "full.safetensors", model)
  save_model(tmp_path / "half.safetensors", model, float_dtype="float16")
  sizes = [(tmp_path / name).stat().st_size for name in ("full.safetensors", "half.safetensors")]
  assert sizes[1] < 0.6 * sizes[0]
  # float16 keeps 11 bits: a relative error of 2^-11, below 1e-3.
  loaded = load_model(tmp_path / "half.safetensors").params
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), loaded, model.params)


def test_weights_alone_are_no_model(tmp_path):
  save_safetensors(tmp_path / "weights.safetensors", {"block1": np.zeros(3, np.float32)})
  with pytest.raises(InputError, match="holds weights, not a model"):
    load_model(tmp_path / "weights.safetensors")


def test_an_unfinished_workdir_is_named(tmp_path):
  with pytest.raises(InputError, match=f"`path` \\(={tmp_path}\\) is neither a model nor a finished workdir"):
    load_model(tmp_path)
  with pytest.raises(InputError, match=r"`config\.model` \(="):
    load_model(tmp_path, argument="config.model")


def test_a_model_of_another_version_is_refused_with_what_it_has_more(tmp_path):
  path = tmp_path / "old.safetensors"
  settings = {"architecture": {"width": 0.25, "scale_gain": 0.0}, "threshold": 0.5, "readout": ["cell"]}
  metadata = {name: json.dumps(value) for name, value in settings.items()}
  beliefs = {"tail": np.zeros(5, np.float32), "coefficient": np.full(5, -1, np.float32)}
  save_safetensors(path, {"beliefs": beliefs}, metadata, float_dtype="float32")
  with pytest.raises(
    InputError, match=r"another version's \(a negative coefficient, scale_gain, tail\): train its gates"
  ):
    load_model(path)


def test_the_embedded_model_is_small_and_loads():
  assert asset_path(EMBEDDED).stat().st_size < 4e6
  model = load_model("embedded")
  assert model.arch == Architecture(
    width=0.25, template_px=64, search_px=128, pools=3, scaling="none", finer_px=3.0, growth=True
  )
  assert 0 < model.threshold < 1
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(model.params))
