"""Comparisons of trackers, from a config to tables: ours, OpenCV's (here one that stays), and result files."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from adadepth.errors import InputError
from adadepth.evaluation.trackers import OpenCV
from adadepth.jobs import TASKS, compare
from adadepth.models.model import Model, save_model
from configs import evaluate

FRAMES = 6


@pytest.fixture
def root(tmp_path, moving_target) -> pathlib.Path:
  """Two sequences as VOT has them."""
  for name in ("one", "two"):
    folder = tmp_path / "data" / "vot" / name
    folder.mkdir(parents=True)
    for t in range(FRAMES):
      Image.fromarray(moving_target.frames[t]).save(folder / f"{t + 1:08d}.png")
    np.savetxt(folder / "groundtruth.txt", moving_target.boxes_xywh[:FRAMES], "%g", ",")
    (folder / "occlusion.tag").write_text("0\n0\n1\n")
  return tmp_path / "data"


@pytest.fixture
def peers(monkeypatch):
  """Trackers of OpenCV's names that stay where they began."""
  made = []

  class Stays(OpenCV):
    def init(self, frame, box_xywh):
      made.append(self.name)
      self.box = np.asarray(box_xywh)

    def update(self, frame):
      return self.box

  class Module:
    __version__ = "0"

  monkeypatch.setattr(compare, "OpenCV", Stays)
  monkeypatch.setattr(compare, "opencv", Module)
  return made


@pytest.fixture
def model(tmp_path, params, arch) -> str:
  save_model(tmp_path / "model.safetensors", Model(params, arch, 0.4))
  return str(tmp_path / "model.safetensors")


def run(root, workdir, **changes) -> dict:
  config = evaluate.get_config()
  config.data.root = str(root)
  config.update(changes)
  TASKS["evaluate"](config, workdir)
  return json.loads((workdir / "results.json").read_text())


def test_ours_and_peers_are_compared_by_one_protocol(root, peers, model, tmp_path):
  results = run(root, tmp_path / "run", trackers="xcorr1,csrt", model=model)
  assert (list(results["tracking"]), results["first"]) == (["xcorr1", "csrt"], "xcorr1")
  ours, csrt = results["tracking"].values()
  assert {"mean_iou", "success_auc", "precision_20", "fps", "exits", "mean_iou_by_sequence"} <= set(ours)
  assert ours["exits"][0] == 1 and csrt["exits"] is None and csrt["fps"] > 0
  gap = csrt["minus_first"]["success"]
  assert gap["mean"] == pytest.approx(csrt["measures"]["success"] - ours["measures"]["success"])
  assert ours["measures"]["success"] > csrt["measures"]["success"]  # it follows
  assert list(csrt["measures"]["attributes"]) == ["occlusion"]
  table = (tmp_path / "run" / "trackers.md").read_text()
  assert "| xcorr1 |" in table and "more than xcorr1" in table and "| occlusion | 2 |" in table
  assert r"\begin{tabular}" in (tmp_path / "run" / "trackers.tex").read_text()
  for name in ("success.png", "precision.png", "normalised_precision.png"):
    assert np.asarray(Image.open(tmp_path / "run" / name)).std() > 0
  data = viewed_in(tmp_path / "run")
  assert [trail["name"] for trail in data["trails"]] == ["xcorr1", "csrt"] and len(data["frames"]) == FRAMES
  assert data["trails"][1]["boxes"] == [data["truth"][0]] * FRAMES and data["maps"] is None


def test_with_hard_gating_the_page_tells_of_its_depths(root, peers, model, tmp_path):
  run(root, tmp_path / "run", trackers="csrt,ours", model=model)
  data = viewed_in(tmp_path / "run")
  assert [trail["name"] for trail in data["trails"]] == ["ours", "csrt"] and data["maps"] is not None
  assert data["trails"][0]["strip"] and not data["trails"][1]["strip"]


def viewed_in(workdir: pathlib.Path) -> dict:
  """What the viewer of the run's page is given."""
  text = (workdir / "report.html").read_text()
  return json.loads(re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)[1])


def test_a_second_run_tracks_nothing_and_keeps_older_results(root, peers, tmp_path):
  first = run(root, tmp_path / "run", trackers="kcf")
  again = run(root, tmp_path / "run", trackers="kcf")
  assert peers == ["kcf"] * 2 and first == again
  assert len(list((tmp_path / "run").glob("success*.png"))) == 2


def test_written_result_files_score_as_what_they_were_written_from(root, peers, tmp_path):
  live = run(root, tmp_path / "run", trackers="kcf,csrt")
  read = run(root, tmp_path / "read", results=str(tmp_path / "run" / "results"))
  assert list(read["tracking"]) == ["csrt", "kcf"]
  for name, entry in read["tracking"].items():
    assert entry["fps"] is None and entry["exits"] is None
    for score in ("success", "precision", "normalised_precision", "ao", "sr_50"):
      assert entry["measures"][score] == pytest.approx(live["tracking"][name]["measures"][score], abs=1e-6)


@pytest.mark.parametrize("protocol", ["supervised", "multi_start"])
def test_vots_protocols_run_are_written_and_read_back(root, peers, tmp_path, protocol):
  live = run(root, tmp_path / "run", trackers="kcf", protocol=protocol)
  folder = str(tmp_path / "run" / "results")
  read = run(root, tmp_path / "read", trackers="csrt", results=folder, protocol=protocol)
  assert list(read["tracking"]) == ["csrt", "kcf"]
  for score in ("accuracy", "robustness", "eao"):
    assert read["tracking"]["kcf"]["measures"][score] == live["tracking"]["kcf"]["measures"][score]
  assert "EAO" in (tmp_path / "read" / "trackers.md").read_text()
  assert "EAO" in (tmp_path / "read" / "report.html").read_text()


def test_tracking_may_stop_early(root, peers, tmp_path):
  config = evaluate.get_config()
  config.data.root, config.trackers, config.eval.frames_per_sequence = str(root), "kcf", 3
  TASKS["evaluate"](config, tmp_path / "run")
  config.trackers, config.results = "", str(tmp_path / "run" / "results")
  TASKS["evaluate"](config, tmp_path / "read")
  live, read = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("run", "read"))
  scores = (results["tracking"]["kcf"]["measures"]["success"] for results in (live, read))
  assert next(scores) == pytest.approx(next(scores), abs=1e-6)


def test_unknown_trackers_and_protocols_are_refused(root, tmp_path):
  with pytest.raises(
    InputError, match=r"`config\.trackers` \(='ours,goturn'\) names 'goturn', which is none; the track"
  ):
    run(root, tmp_path, trackers="ours,goturn")
  with pytest.raises(InputError, match=r"`config\.trackers` \(='kcf,kcf'\) names 'kcf', twice"):
    run(root, tmp_path, trackers="kcf,kcf")
  with pytest.raises(
    InputError, match=r"`config\.protocol` \(='ope'\) must be one of one_pass, supervised, multi_start"
  ):
    run(root, tmp_path, trackers="kcf", protocol="ope")


def test_a_tracker_of_two_sources_is_refused(root, peers, tmp_path):
  run(root, tmp_path / "run", trackers="kcf")
  with pytest.raises(InputError, match=r"holds kcf, which `config\.trackers` names too; rename one"):
    run(root, tmp_path / "read", trackers="kcf", results=str(tmp_path / "run" / "results"))


def test_a_missing_result_file_is_named(root, peers, tmp_path):
  run(root, tmp_path / "run", trackers="kcf")
  (tmp_path / "run" / "results" / "kcf" / "vot" / "two.txt").unlink()
  with pytest.raises(InputError, match=r"kcf holds no result file of vot/two; add two\.txt, or leave it out"):
    run(root, tmp_path / "read", results=str(tmp_path / "run" / "results"))
  shutil.rmtree(tmp_path / "run" / "results")
  with pytest.raises(InputError, match=r"`config\.results` \(=.*results\): no such folder"):
    run(root, tmp_path / "read", results=str(tmp_path / "run" / "results"))
