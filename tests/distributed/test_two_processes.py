"""Two processes are one run: they end where one process with two devices does, and where one dies the other ends.

Each test starts real processes of the command: minutes in all, so `python -m pytest -m slow` runs them.
"""

import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from adadepth.io.metric_writer import read_metrics

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(__file__).with_name("small_run.py")
LIMIT_S = 900  # of a whole run, on a busy machine
HEARTBEAT_S = 10
STEPS = 60  # of phase 1, where it is killed
SMALL = {
  **{"network.width": 1 / 16, "network.template_px": 32, "network.search_px": 64, "network.pools": 3},
  **{"data.rendered": (3, 2, 3), "eval.keys_per_sequence": 1, "eval.frames_per_key": 4},
  **{"finetune.warmup_steps": 0, "finetune.groups": 4, "finetune.log_every": 1, "finetune.steps": 4},
}
GATING = {
  **SMALL,
  **{"gates.steps": 20, "gates.batch": 16, "gates.keys_per_sequence": 1, "gates.price_weights": (0.0, 0.1)},
  **{"gates.folds": 2, "eval.frames_per_sequence": 4, "eval.tracking": "xcorr1,hard", "eval.timing_rounds": 0},
}
PHASE1 = {**SMALL, "finetune.steps": STEPS, "finetune.checkpoint_every": 5, "eval.sequences": 2}


@dataclasses.dataclass
class Run:
  """The processes of one run; their output is in files beside the workdir."""

  processes: list[subprocess.Popen]
  logs: list[pathlib.Path]

  def wait(self) -> "Run":
    """Waits for all, and sees that they ended well."""
    for process, log in zip(self.processes, self.logs, strict=True):
      assert process.wait(LIMIT_S) == 0, log.read_text()[-4000:]
    return self


def free_port() -> int:
  with socket.socket() as found:
    found.bind(("localhost", 0))
    return found.getsockname()[1]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
  """Starts (config, fields, workdir) in so many processes; the devices of all are two."""
  cache, started = tmp_path_factory.mktemp("cache"), []

  def begin(config: str, fields: dict, workdir: pathlib.Path, processes: int) -> Run:
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    devices = f"--xla_force_host_platform_device_count={2 // processes}"
    env["XLA_FLAGS"] = f"{devices} --xla_backend_optimization_level=0"
    line = [sys.executable, str(PROGRAM), f"--config={ROOT}/configs/{config}", f"--workdir={workdir}"]
    line += [f"--config.{name}={value}" for name, value in fields.items()]
    if processes > 1:
      line += [f"--config.distributed.coordinator=localhost:{free_port()}"]
      line += [f"--config.distributed.processes={processes}", f"--config.distributed.heartbeat_s={HEARTBEAT_S}"]
    run = Run([], [])
    for process in range(processes):
      own = [f"--config.distributed.process={process}"] if processes > 1 else []
      run.logs.append(workdir.parent / f"{workdir.name}-{len(started)}.log")
      with run.logs[-1].open("w") as log:
        run.processes.append(subprocess.Popen([*line, *own], env=env, stdout=log, stderr=subprocess.STDOUT))
      started.append(run.processes[-1])
    return run

  yield begin
  for process in started:
    if process.poll() is None:
      process.kill()
      process.wait()


def signal_at(
  run: Run, process: int, workdir: pathlib.Path, step: int, number: signal.Signals = signal.SIGKILL
) -> None:
  """Sends one process of the run a signal once phase 1 has logged a step, and waits for its end."""
  for _ in range(LIMIT_S * 20):
    lines = read_metrics(workdir / "finetune")
    if lines and lines[-1]["step"] >= step:
      run.processes[process].send_signal(number)
      run.processes[process].wait(LIMIT_S)
      return
    assert run.processes[process].poll() is None, run.logs[process].read_text()[-4000:]
    time.sleep(0.05)
  raise AssertionError(f"no step {step} in {workdir}")


def model(workdir: pathlib.Path) -> dict[str, np.ndarray]:
  return load_file(workdir / "model.safetensors")


def numbers(workdir: pathlib.Path) -> dict:
  """results.json but for what the clock says."""
  results = json.loads((workdir / "results.json").read_text())
  for entry in results["tracking"].values():
    del entry["fps"]
  return results


def assert_same_model(one: pathlib.Path, other: pathlib.Path) -> None:
  expected, found = model(one), model(other)
  assert expected.keys() == found.keys()
  for name in expected:
    np.testing.assert_allclose(found[name], expected[name], atol=1e-6, rtol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def gated(start, tmp_path_factory):
  """The main job by one process and by two: their workdirs."""
  folder = tmp_path_factory.mktemp("gating")
  runs = [start("gating.py:scratch", GATING, folder / str(n), n) for n in (1, 2)]
  for run in runs:
    run.wait()
  return folder / "1", folder / "2"


def test_both_phases_end_with_the_same_parameters(gated):
  assert_same_model(*gated)


def test_the_first_alone_writes_metrics(gated):
  one, two = (read_metrics(workdir / "finetune") for workdir in gated)
  assert [line["step"] for line in two] == [line["step"] for line in one] == [1, 2, 3, 4]


def test_each_process_says_nothing_that_the_first_says(gated):
  logs = sorted(gated[1].parent.glob("2-*.log"))
  assert ["wrote" in log.read_text() for log in logs] == [True, False]


def test_both_leave_the_same_files(gated):
  names = [
    {path.relative_to(workdir).as_posix() for path in workdir.rglob("*") if "events.out" not in path.name}
    for workdir in gated
  ]
  # orbax names the files of arrays after their processes.
  one, two = ({name for name in found if "/checkpoints/" not in name} for found in names)
  assert one == two


def test_evaluation_has_the_same_numbers_exactly(start, gated, tmp_path):
  fields = {f"eval.{name.removeprefix('eval.')}": value for name, value in GATING.items() if name.startswith("eval.")}
  fields |= {"model": gated[0], "data.rendered": (0, 0, 3)}
  runs = [start("evaluate.py", fields, tmp_path / str(n), n) for n in (1, 2)]
  for run in runs:
    run.wait()
  assert numbers(tmp_path / "2") == numbers(tmp_path / "1")


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory) -> pathlib.Path:
  """Phase 1 in one process, to its end."""
  workdir = tmp_path_factory.mktemp("undisturbed") / "run"
  start("finetune.py:all,quick", PHASE1, workdir, 1).wait()
  return workdir


def assert_ends(run: Run, process: int) -> None:
  """The process ends within a minute, and says why."""
  assert run.processes[process].wait(60) != 0
  said = run.logs[process].read_text()
  assert "another task died" in said or "another process of this run has ended" in said, said[-4000:]


def test_two_whose_second_dies_are_gone_on_with_by_one(start, undisturbed, tmp_path):
  run = start("finetune.py:all,quick", PHASE1, tmp_path / "run", 2)
  signal_at(run, 1, tmp_path / "run", 12)
  assert_ends(run, 0)
  start("finetune.py:all,quick", PHASE1, tmp_path / "run", 1).wait()
  assert_same_model(undisturbed, tmp_path / "run")


def test_one_that_dies_is_gone_on_with_by_two_whose_first_dies(start, undisturbed, tmp_path):
  signal_at(start("finetune.py:all,quick", PHASE1, tmp_path / "run", 1), 0, tmp_path / "run", 12)
  run = start("finetune.py:all,quick", PHASE1, tmp_path / "run", 2)
  signal_at(run, 0, tmp_path / "run", 30)
  assert_ends(run, 1)
  start("finetune.py:all,quick", PHASE1, tmp_path / "run", 2).wait()
  assert_same_model(undisturbed, tmp_path / "run")


def test_a_sigterm_to_one_makes_both_keep_the_same_step(start, tmp_path):
  run = start("finetune.py:all,quick", PHASE1, tmp_path / "run", 2)
  signal_at(run, 1, tmp_path / "run", 12, signal.SIGTERM)
  assert [process.wait(LIMIT_S) for process in run.processes] == [128 + signal.SIGTERM] * 2
  kept = [re.findall(r"phase 1 is kept up to step (\d+) of 60", log.read_text()) for log in run.logs]
  assert kept[0] == kept[1] and len(kept[0]) == 1
  assert (tmp_path / "run" / "finetune" / "checkpoints" / kept[0][0]).is_dir()


def test_one_that_cannot_go_on_says_so_in_a_line_and_ends_the_other(start, tmp_path):
  run = start("finetune.py:all,quick", {**PHASE1, "finetune.groups": 3}, tmp_path / "run", 2)
  for process, log in zip(run.processes, run.logs, strict=True):
    assert process.wait(LIMIT_S) != 0
    assert "`config.finetune.groups` (=3) must be a multiple of 2, the devices of all processes" in log.read_text()
