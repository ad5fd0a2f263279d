"""The TraX server answers as the VOT toolkit asks: with the tracker's own boxes, and anew at each initialisation."""

import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from adadepth import trax_server
from adadepth.data.render import Difficulty, render_sequence
from adadepth.errors import InputError
from adadepth.jobs.vot import run_vot
from adadepth.models.model import Model, save_model
from adadepth.tracking.tracker import Tracker
from configs import vot as config_file

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


@pytest.mark.parametrize(
  "request_",
  [
    {"type": trax.TraxStatus.INITIALIZE, "image": {}, "objects": [1]},
    {"type": trax.TraxStatus.INITIALIZE, "image": {"color": 1}, "objects": []},
    {"type": trax.TraxStatus.FRAME, "image": {"color": 1}, "objects": []},
  ],
)
def test_a_request_that_holds_no_image_or_no_target_is_told(request_):
  asked = types.SimpleNamespace(wait=lambda: types.SimpleNamespace(**request_))
  with pytest.raises(InputError, match="asked for a frame without an image, or before it gave a target"):
    trax_server.serve(asked, trax, None)


def test_trax_that_is_not_installed_is_told_in_one_line():
  code = "import sys; sys.modules['trax'] = None; from adadepth.trax_server import main; main([])"
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr == "error: TraX is not installed; run `pip install vot-trax`\n"


@pytest.fixture
def toolkit() -> list[str]:
  """The command of the VOT toolkit, which has an environment of its own: $VOT_PYTHON is its Python."""
  python = os.environ.get("VOT_PYTHON")
  if not python and not shutil.which("vot"):
    pytest.skip("the VOT toolkit is not installed, and VOT_PYTHON names no Python that has it")
  return [python, "-m", "vot"] if python else ["vot"]


def write_vot_sequence(folder: pathlib.Path, frames: int, seed: int) -> None:
  folder.mkdir(parents=True)
  film = render_sequence(seed=seed, name="film", frames=frames, height=96, width=128, difficulty=Difficulty())
  for t in range(frames):
    Image.fromarray(film.frames[t]).save(folder / f"{t + 1:08}.jpg")
  np.savetxt(folder / "groundtruth.txt", film.boxes_xywh, fmt="%.3f", delimiter=",")


def test_the_toolkit_evaluates_analyses_and_reports(toolkit, tmp_path):
  workspace, lengths = tmp_path / "workspace", {"one": 30, "two": 30, "long": 400}

  def vot(*arguments: str) -> None:
    line = [*toolkit, arguments[0], *arguments[1:], "--workspace", str(workspace)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

  vot("initialize", "vot2016/rgb", "--nodownload")
  for seed, (name, frames) in enumerate(lengths.items()):
    write_vot_sequence(workspace / "sequences" / name, frames, seed)
  (workspace / "sequences" / "list.txt").write_text("\n".join(lengths))
  config = config_file.get_config()
  config.policy = "xcorr1"
  run_vot(config, workspace)
  vot("evaluate", "adadepth")
  vot("analysis", "adadepth", "--format", "json")
  vot("report", "adadepth", "--format", "html")
  assert list(workspace.rglob("report.html"))
  (analysis,) = workspace.glob("analysis/*.json")
  accuracy, _, ((eao,),), *_ = json.loads(analysis.read_text())["results"]["baseline"]["results"]
  assert accuracy[0][0] > 0.3 and 0 < eao < 1 and math.isfinite(eao)
