"""Metrics read back as written, also after a run was broken off."""

import json
import pathlib
import struct

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from adadepth.io.metric_writer import MetricWriter, read_metrics


def write_steps(workdir, steps, resume_step: int | None = None) -> None:
  """Writes a line a step; the clock shows the step, so that files can be compared."""
  now = {"s": 0.0}
  with MetricWriter(workdir, resume_step=resume_step, clock=lambda: now["s"]) as metrics:
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
  with MetricWriter(tmp_path / "new", clock=lambda: 12.5) as metrics:
    metrics.write(7, scalars)
  line = json.loads((tmp_path / "new" / "metrics.jsonl").read_text())
  assert line == {"step": 7, "wall_time": 12.5, "a/python": 1.0, "b": 0.5, "c": 2.0, "d": 3.0}


def test_lines_reach_the_disk_at_once(tmp_path):
  with MetricWriter(tmp_path) as metrics:
    metrics.write(0, {"loss": 1.0})
    assert [entry["step"] for entry in read_metrics(tmp_path)] == [0]


def test_a_value_that_is_not_finite_is_null(tmp_path):
  with MetricWriter(tmp_path) as metrics:
    metrics.write(0, {"loss": float("nan"), "norm": np.float32(np.inf)})
  (entry,) = read_metrics(tmp_path)
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
  assert [entry["step"] for entry in read_metrics(tmp_path)] == [0, 1]


def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path):
  write_steps(tmp_path, range(3))
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 3, "wall_ti')
  assert len(read_metrics(tmp_path)) == 3
  write_steps(tmp_path, [3], resume_step=2)
  assert [entry["step"] for entry in read_metrics(tmp_path)] == [0, 1, 2, 3]


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_an_error_at_the_step_and_not_a_hang(tmp_path):
  with MetricWriter(tmp_path) as metrics:
    metrics._events.close()
    metrics._events = pathlib.Path("/dev/full").open("ab")  # noqa: SIM115
    with pytest.raises(OSError, match="No space left"):
      metrics.write(0, {name: 0.5 for name in "abcdefgh"})
