"""A model's ONNX file is made once, and anew when anything that it is made from has changed."""

import os

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from adadepth.export import kept
from adadepth.export.kept import KEPT, kept_onnx, shipped_onnx
from adadepth.export.onnx_file import onnx_bytes
from adadepth.models.model import load_model
from adadepth.models.model_files import EMBEDDED


@pytest.fixture
def model(tmp_path):
  path = tmp_path / "model.safetensors"
  path.write_bytes(b"weights")
  return path


def made(model, folder, policy: str = "hard") -> tuple[bytes, bool]:
  """What is kept, and whether it was made for this."""
  calls = []
  path = kept_onnx([model], policy, lambda: calls.append(1) or model.read_bytes() + policy.encode(), folder=folder)
  return path.read_bytes(), bool(calls)


def test_a_file_is_made_once(model, tmp_path):
  assert made(model, tmp_path / "kept") == (b"weightshard", True)
  assert made(model, tmp_path / "kept") == (b"weightshard", False)


def test_other_weights_another_policy_and_other_code_are_other_files(model, tmp_path, monkeypatch):
  made(model, tmp_path / "kept")
  assert made(model, tmp_path / "kept", "soft") == (b"weightssoft", True)
  model.write_bytes(b"retrained")
  assert made(model, tmp_path / "kept") == (b"retrainedhard", True)
  monkeypatch.setattr(kept, "digest_of_code", lambda *_: "of tomorrow")
  assert made(model, tmp_path / "kept") == (b"retrainedhard", True)


def test_nothing_is_left_of_a_file_that_could_not_be_made(model, tmp_path):
  def fails() -> bytes:
    raise ValueError("no rule")

  with pytest.raises(ValueError, match="no rule"):
    kept_onnx([model], "hard", fails, folder=tmp_path / "kept")
  assert not list(tmp_path.glob("kept/*"))


def test_the_files_that_were_used_last_are_kept(model, tmp_path):
  for n in range(KEPT + 1):
    model.write_bytes(bytes([n]))
    made(model, tmp_path / "kept")
    for path in (tmp_path / "kept").iterdir():
      os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9))
  assert len(list((tmp_path / "kept").iterdir())) == KEPT
  model.write_bytes(bytes([0]))
  assert made(model, tmp_path / "kept")[1]


def test_the_user_s_cache_folder_is_the_place(model, tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
  assert kept_onnx([model], "hard", lambda: b"").parent == tmp_path / "adadepth" / "onnx"


CURE = "not what ships: python -m experiments.crossfit.pack onnx"


def test_what_ships_is_what_the_package_would_make_now():
  """The program to a node, and the weights; constants to what another processor may round otherwise."""
  files = onnx.load(shipped_onnx()), onnx.load_from_string(onnx_bytes(load_model(EMBEDDED), "hard"))
  shipped, now = ({x.name: numpy_helper.to_array(x) for x in file.graph.initializer} for file in files)
  for file in files:
    del file.graph.initializer[:]
  same_program = files[0] == files[1] and shipped.keys() == now.keys()  # asserted alone, it would print both
  assert same_program, CURE
  for name, array in shipped.items():
    assert array.dtype == now[name].dtype, CURE
    np.testing.assert_allclose(array, now[name], rtol=1e-6, err_msg=CURE)
