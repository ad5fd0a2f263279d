"""A record says how a run was made, and never by another project's commit."""

import json
import subprocess
import sys

import numpy as np

from adadepth.io.run_record import git_state, run_record, without_password


def test_a_run_record_says_how_the_run_was_made(tmp_path, monkeypatch):
  monkeypatch.setattr(sys, "argv", ["run.py", "--config=configs/gating.py", "--workdir=a b"])
  config = {"task": "gating", "loss": {"price": (1.0, 2.0)}, "data": {"root": None}}
  returned = run_record(tmp_path, config, 3)
  record = json.loads((tmp_path / "run.json").read_text())
  assert record["config"] == {"task": "gating", "loss": {"price": [1.0, 2.0]}, "data": {"root": None}}
  assert record["seed"] == 3 and record["command"].endswith("run.py --config=configs/gating.py '--workdir=a b'")
  assert {"python", "jax", "flax", "optax", "orbax-checkpoint", "numpy", "adadepth"} <= set(record["versions"])
  assert record["versions"]["numpy"] == np.__version__
  assert record["device"]["backend"] == "cpu" and record["device"]["count"] >= 1
  assert record["date"].endswith("+00:00") and record["cpu_count"] >= 1 and record["platform"]
  assert set(returned) == set(record)


def run_git(folder, *arguments: str) -> None:
  identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
  subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_git_state_tells_commit_and_dirt(tmp_path):
  assert git_state(tmp_path) == {"commit": "unknown", "dirty": None}
  run_git(tmp_path, "init")
  (tmp_path / "package").mkdir()
  (tmp_path / "package" / "a.py").write_text("a = 1\n")
  assert git_state(tmp_path / "package") == {"commit": "unknown", "dirty": None}
  run_git(tmp_path, "add", ".")
  run_git(tmp_path, "commit", "-m", "one", "--no-verify")
  clean = git_state(tmp_path / "package")
  assert len(clean["commit"]) == 40 and clean["dirty"] is False
  (tmp_path / "package" / "a.py").write_text("a = 2\n")
  assert git_state(tmp_path / "package") == {"commit": clean["commit"], "dirty": True}


def test_git_state_of_a_folder_git_does_not_track_is_unknown(tmp_path):
  run_git(tmp_path, "init")
  (tmp_path / "a.txt").write_text("a")
  run_git(tmp_path, "add", ".")
  run_git(tmp_path, "commit", "-m", "one", "--no-verify")
  (tmp_path / "site-packages").mkdir()
  (tmp_path / "site-packages" / "b.py").write_text("b")
  assert git_state(tmp_path / "site-packages") == {"commit": "unknown", "dirty": None}


def test_a_cameras_password_is_not_recorded():
  text = "run.py --config.video=rtsp://me:secret@10.0.0.1:8554/cam?a=b@c --workdir=a@b"
  assert without_password(text) == "run.py --config.video=rtsp://10.0.0.1:8554/cam?a=b@c --workdir=a@b"
