"""A model's ONNX file is made once, and anew when anything that it is made from has changed."""

import os

import pytest

from adadepth.export import kept
from adadepth.export.kept import KEPT, kept_onnx


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
