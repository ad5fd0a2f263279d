"""Metrics, results and records: what is written reads back, also after a run was broken off."""

import io
import itertools
import json
import pathlib
import struct
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from adadepth.io import writers


def write_steps(workdir, steps, resume_step: int | None = None) -> None:
  """Writes a line a step; the clock shows the step, so that files can be compared."""
  now = {"s": 0.0}
  with writers.MetricWriter(workdir, resume_step=resume_step, clock=lambda: now["s"]) as metrics:
    for step in steps:
      now["s"] = float(step)
      metrics.write(step, {"loss": 1.0 / (step + 1)})


def read_events(workdir) -> list[event_pb2.Event]:
  """All TensorBoard events of a folder, by the record format: length, its checksum, data, its checksum."""
  events = []
  for path in sorted(pathlib.Path(workdir).glob("events.out.tfevents.*")):
    data, at = path.read_bytes(), 0
    while at < len(data):
      (length,) = struct.unpack_from("<Q", data, at)
      events.append(event_pb2.Event.FromString(data[at + 12 : at + 12 + length]))
      at += 12 + length + 4
  return events


def test_a_line_holds_step_time_and_values_of_any_library(tmp_path):
  scalars = {"a/python": 1, "b": np.float32(0.5), "c": jnp.array(2.0, jnp.bfloat16), "d": np.array(3)}
  with writers.MetricWriter(tmp_path / "new", clock=lambda: 12.5) as metrics:
    metrics.write(7, scalars)
  line = json.loads((tmp_path / "new" / "metrics.jsonl").read_text())
  assert line == {"step": 7, "wall_time": 12.5, "a/python": 1.0, "b": 0.5, "c": 2.0, "d": 3.0}


def test_lines_reach_the_disk_at_once(tmp_path):
  with writers.MetricWriter(tmp_path) as metrics:
    metrics.write(0, {"loss": 1.0})
    assert [entry["step"] for entry in writers.read_metrics(tmp_path)] == [0]


def test_a_value_that_is_not_finite_is_null(tmp_path):
  with writers.MetricWriter(tmp_path) as metrics:
    metrics.write(0, {"loss": float("nan"), "norm": np.float32(np.inf)})
  (entry,) = writers.read_metrics(tmp_path)
  assert entry["loss"] is None and entry["norm"] is None


def test_tensorboard_gets_the_same_numbers(tmp_path):
  write_steps(tmp_path, range(3))
  values = {
    event.step: value.simple_value
    for event in read_events(tmp_path)
    for value in event.summary.value
    if value.tag == "loss"
  }
  assert values == pytest.approx({0: 1.0, 1: 0.5, 2: 1 / 3})  # stored as float32


@pytest.mark.parametrize("stopped_at", [3, 5, 9])
def test_a_resumed_run_leaves_the_file_of_an_unbroken_one(tmp_path, stopped_at: int):
  write_steps(tmp_path / "whole", range(10))
  write_steps(tmp_path / "broken", range(stopped_at + 1))
  write_steps(tmp_path / "broken", range(4, 10), resume_step=3)
  whole = (tmp_path / "whole" / "metrics.jsonl").read_bytes()
  assert (tmp_path / "broken" / "metrics.jsonl").read_bytes() == whole


def test_a_resumed_run_hides_later_events_from_tensorboard(tmp_path):
  write_steps(tmp_path, range(6))
  write_steps(tmp_path, range(4, 6), resume_step=3)
  starts = [event.step for event in read_events(tmp_path) if event.HasField("session_log")]
  assert starts[-1] == 4


def test_a_fresh_run_drops_an_older_runs_lines(tmp_path):
  write_steps(tmp_path, range(5))
  write_steps(tmp_path, range(2))
  assert [entry["step"] for entry in writers.read_metrics(tmp_path)] == [0, 1]


def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path):
  write_steps(tmp_path, range(3))
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 3, "wall_ti')
  assert len(writers.read_metrics(tmp_path)) == 3
  write_steps(tmp_path, [3], resume_step=2)
  assert [entry["step"] for entry in writers.read_metrics(tmp_path)] == [0, 1, 2, 3]


class Terminal(io.StringIO):
  def isatty(self) -> bool:
    return True


def test_progress_passes_every_item_on_and_says_nothing_of_short_work_in_a_log():
  log = io.StringIO()
  assert list(writers.progress(range(5), "count", stream=log)) == [0, 1, 2, 3, 4]
  assert list(writers.progress(iter("ab"), "letters", stream=log)) == ["a", "b"]
  assert log.getvalue() == ""


def test_progress_in_a_log_is_a_plain_line_every_ten_seconds(monkeypatch):
  log, clock = io.StringIO(), itertools.count(0.0, 4.0)
  monkeypatch.setattr(writers.time, "monotonic", lambda: next(clock))
  list(writers.progress(range(8), "phase 2", stream=log))
  assert log.getvalue().splitlines() == [
    "phase 2: 3/8 (37%), 12 s so far, about 20 s left",
    "phase 2: 6/8 (75%), 24 s so far, about 8 s left",
  ]


def test_progress_without_a_length_counts():
  assert writers.progress_line("frames", 12, None, 3.0) == "frames: 12, 3 s so far"


def test_progress_on_a_terminal_is_a_bar_and_bars_nest():
  terminal = Terminal()
  pairs = [
    (i, j)
    for i in writers.progress(range(2), "outer [x]", stream=terminal)
    for j in writers.progress(range(3), "inner", stream=terminal)
  ]
  assert len(pairs) == 6
  assert "outer [x]" in terminal.getvalue() and "2/2" in terminal.getvalue()
  assert "inner" in terminal.getvalue() and "3/3" in terminal.getvalue()


def test_progress_hands_on_the_error_of_its_loop():
  with pytest.raises(ZeroDivisionError):
    for i in writers.progress([1, 0], "divide", stream=Terminal()):
      _ = 1 / i


def test_json_holds_numpy_and_jax_values_as_plain_ones(tmp_path):
  value = {
    "a": np.float32(0.5),
    "b": [np.int64(3), np.bool_(True), None, "é"],
    "c": np.arange(4).reshape(2, 2),
    "d": jnp.array([0.25, 0.5]),
    "e": {"f": (1, 2.5), "path": pathlib.Path("x/y")},
  }
  writers.write_json(tmp_path / "new" / "results.json", value)
  assert json.loads((tmp_path / "new" / "results.json").read_text(encoding="utf-8")) == {
    "a": 0.5,
    "b": [3, True, None, "é"],
    "c": [[0, 1], [2, 3]],
    "d": [0.25, 0.5],
    "e": {"f": [1, 2.5], "path": "x/y"},
  }
  assert [p.name for p in (tmp_path / "new").iterdir()] == ["results.json"]


@pytest.mark.parametrize(
  ("value", "message"),
  [
    ({"pairs": {"hard": [{}, {"iou@25": np.float32(np.nan)}]}}, r"^pairs\.hard\[1\]\.iou@25 is nan"),
    ({"x": np.array([1.0, np.inf])}, r"^x\[1\] is inf"),
    (float("-inf"), "^the value is -inf"),
  ],
)
def test_json_refuses_what_is_not_finite_and_says_where(tmp_path, value, message: str):
  (tmp_path / "results.json").write_text("older")
  with pytest.raises(ValueError, match=message):
    writers.write_json(tmp_path / "results.json", value)
  assert (tmp_path / "results.json").read_text() == "older"


@pytest.mark.parametrize(
  ("value", "message"), [({"a": {1, 2}}, r"^a \(=\{1, 2\}\) is a set"), ({"a": {3: 1}}, "^a key of a is 3")]
)
def test_json_refuses_what_it_cannot_hold(tmp_path, value, message: str):
  with pytest.raises(TypeError, match=message):
    writers.write_json(tmp_path / "results.json", value)


def test_a_run_record_says_how_the_run_was_made(tmp_path, monkeypatch):
  monkeypatch.setattr(writers.sys, "argv", ["run.py", "--config=configs/gating.py", "--workdir=a b"])
  config = {"task": "gating", "loss": {"price": (1.0, 2.0)}, "data": {"root": None}}
  returned = writers.run_record(tmp_path, config, 3)
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
  assert writers.git_state(tmp_path) == {"commit": "unknown", "dirty": None}
  run_git(tmp_path, "init")
  (tmp_path / "package").mkdir()
  (tmp_path / "package" / "a.py").write_text("a = 1\n")
  assert writers.git_state(tmp_path / "package") == {"commit": "unknown", "dirty": None}
  run_git(tmp_path, "add", ".")
  run_git(tmp_path, "commit", "-m", "one", "--no-verify")
  clean = writers.git_state(tmp_path / "package")
  assert len(clean["commit"]) == 40 and clean["dirty"] is False
  (tmp_path / "package" / "a.py").write_text("a = 2\n")
  assert writers.git_state(tmp_path / "package") == {"commit": clean["commit"], "dirty": True}


def test_git_state_of_a_folder_git_does_not_track_is_unknown(tmp_path):
  run_git(tmp_path, "init")
  (tmp_path / "a.txt").write_text("a")
  run_git(tmp_path, "add", ".")
  run_git(tmp_path, "commit", "-m", "one", "--no-verify")
  (tmp_path / "site-packages").mkdir()
  (tmp_path / "site-packages" / "b.py").write_text("b")
  assert writers.git_state(tmp_path / "site-packages") == {"commit": "unknown", "dirty": None}
