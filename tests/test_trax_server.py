"""The TraX server answers as the VOT toolkit asks: with the tracker's own boxes, and anew at each initialisation."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from adadepth.models.model import Model, save_model
from adadepth.tracking.tracker import Tracker

ROOT = pathlib.Path(__file__).resolve().parents[1]
trax = pytest.importorskip("trax", reason="vot-trax is not installed")


@pytest.fixture
def paths(moving_target, tmp_path) -> list[pathlib.Path]:
  files = [tmp_path / f"{t + 1:08}.png" for t in range(4)]
  for path, frame in zip(files, moving_target.frames[:4], strict=True):
    Image.fromarray(frame).save(path)
  return files


def test_a_client_is_given_the_trackers_boxes(params, arch, moving_target, paths, tmp_path):
  from trax.client import Client

  save_model(tmp_path / "model.safetensors", Model(params, arch, threshold=0.4))
  command = [
    sys.executable,
    "-m",
    "adadepth.trax_server",
    f"--model={tmp_path / 'model.safetensors'}",
    "--policy=xcorr1",
  ]
  env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(tmp_path)}
  process = subprocess.Popen(
    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd=tmp_path, bufsize=0
  )
  try:
    client = Client(stream=(process.stdin.fileno(), process.stdout.fileno()), log=lambda *_: None)
    # Twice, as in a supervised experiment after a failure.
    for start in (0, 1):
      expected = Tracker(Model(params, arch, threshold=0.4), "xcorr1").track(
        moving_target.frames[start:4], moving_target.boxes_xywh[start]
      )
      image = {"color": trax.FileImage.create(str(paths[start]))}
      box = trax.Rectangle.create(*moving_target.boxes_xywh[start].tolist())
      client.initialize(image, [(box, {})], {})
      for t in range(start + 1, 4):
        ((region, properties),), _ = client.frame({"color": trax.FileImage.create(str(paths[t]))}, {}, [])
        # The wire has two decimals.
        np.testing.assert_allclose(region.bounds(), expected.box_xywh[t - start], atol=0.06)
        assert float(properties.get("confidence")) == pytest.approx(float(expected.score[t - start]), abs=1e-3)
    client.quit()
    assert process.wait(timeout=60) == 0
  finally:
    process.kill()


def test_trax_that_is_not_installed_is_told_in_one_line():
  code = "import sys; sys.modules['trax'] = None; from adadepth.trax_server import main; main([])"
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr == "error: TraX is not installed; run `pip install vot-trax`\n"
