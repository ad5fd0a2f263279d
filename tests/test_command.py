"""What is typed becomes the config that runs, from a checkout as from a wheel; what cannot is told in a line."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from adadepth import command
from adadepth.errors import InputError

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = ["benchmark", "distill", "evaluate", "export", "finetune", "gating", "prepare", "table1", "track", "vot"]
# The command as it is, but for the job: it prints what it was given.
SPY = """
import sys
from adadepth import command
command.task_named = lambda name: lambda config, workdir: print(name, workdir, config.to_json())
sys.argv[0] = "adadepth"
command.run()
"""


# The command as it is, but for the job: it says that it has begun, and takes its time.
SLEEPER = """
import sys, time
from adadepth import command
def job(config, workdir):
  (workdir / "begun").touch()
  time.sleep(60)
command.task_named = lambda name: job
sys.argv[0] = "adadepth"
command.run()
"""


# The command as it is, but for the job: it writes something, and then asks for more than there are addresses.
GREEDY = """
import sys
from adadepth import command
def job(config, workdir):
  import numpy, jax.numpy
  (workdir / "finished").touch()
  {asked}
command.task_named = lambda name: job
sys.argv[0] = "adadepth"
command.run()
"""


def run_python(*arguments: str, cwd: pathlib.Path) -> subprocess.CompletedProcess:
  env = {**os.environ, "PYTHONPATH": str(ROOT)}
  return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True)


def spied(*arguments: str, cwd: pathlib.Path) -> str:
  done = run_python("-c", SPY, *arguments, cwd=cwd)
  assert done.returncode == 0, done.stderr
  return done.stdout


def test_the_configs_of_the_package_are_those_a_person_runs():
  assert list(command.configs()) == NAMES


def test_a_subcommand_is_the_packages_file_with_its_variant():
  file = ROOT / "configs" / "gating.py"
  flags = ["--config.seed=1", "--workdir=a"]
  spelled = command.with_config_flag(["adadepth", "gating:vgg19,paper", *flags])
  assert spelled == ["adadepth", f"--config={file}:vgg19,paper", *flags]
  assert command.with_config_flag(["adadepth", "gating"]) == ["adadepth", f"--config={file}"]


def test_the_home_folder_is_understood_behind_an_equals_sign(monkeypatch):
  monkeypatch.setenv("HOME", "/home/me")
  assert command.with_home("--config.data.root=~/a,~/b") == "--config.data.root=/home/me/a,/home/me/b"
  assert command.with_home("--workdir=~") == "--workdir=/home/me"
  for argument in ("--workdir=a~/b", "~/c", "--config.video=~nobody-of-this-name/a"):
    assert command.with_home(argument) == argument


@pytest.mark.parametrize(
  ("error", "told"),
  [
    (FileExistsError(17, "File exists", "runs/a"), True),
    (NotADirectoryError(20, "Not a directory", "runs"), True),
    (PermissionError(13, "Permission denied", "runs/a/b/c.json"), True),
    (OSError(28, "No space left on device"), True),
    (FileNotFoundError(2, "No such file", "runs/b"), False),
    (OSError(5, "Input/output error"), False),
  ],
)
def test_an_error_of_the_workdir_is_known(error, told):
  assert command.is_of_workdir(error, pathlib.Path("runs/a")) == told


@pytest.mark.parametrize(
  ("given", "taken"),
  [
    (["--config.box=1,2,3,4"], ["--config.box=1,2,3,4"]),
    (["--config.box=1,2,3,4", "--workdir=a", "--config.box=5,6,7,8"], ["--workdir=a", "--config.box=1,2,3,4;5,6,7,8"]),
    (["--config.box", "1,2,3,4", "-config.box=5,6,7,8;9,9,9,9"], ["--config.box=1,2,3,4;5,6,7,8;9,9,9,9"]),
    (["--config.boxes=a", "--config.boxes=b"], ["--config.boxes=a", "--config.boxes=b"]),
  ],
)
def test_boxes_given_one_by_one_are_all_taken(given, taken):
  assert command.boxes_as_one(["adadepth", "track", *given]) == ["adadepth", "track", *taken]


def test_flags_alone_stay_as_they_are():
  for argv in (["adadepth"], ["adadepth", "--config=mine.py:a", "--config.seed=1"]):
    assert command.with_config_flag(argv) == argv


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["trak"], r"'trak' is none of benchmark, .*, vot; a file of your own is --config=FILE"),
    (["common"], "'common' is none of"),
    (["track", "--config=a.py"], "'track' and '--config=a.py' both say what to run"),
    (["track", "--config", "a.py"], "'track' and '--config' both say what to run"),
  ],
)
def test_what_names_no_config_or_two_is_refused(arguments, message):
  with pytest.raises(InputError, match=message):
    command.with_config_flag(["adadepth", *arguments])


def test_a_subcommand_and_a_file_of_ones_own_run_from_any_folder(tmp_path):
  out = spied("finetune:deepest,quick", "--config.seed=3", "--workdir=a b", cwd=tmp_path)
  assert out.startswith("finetune a b {") and '"seed": 3' in out and '"objective": "deepest"' in out
  lines = ["from configs import common, table1", "def get_config(arg):", "  config = table1.get_config(arg)"]
  lines += ["  config.network = common.small_network()", "  return config"]
  (tmp_path / "mine.py").write_text("\n".join(lines))
  out = spied("--config=mine.py:small", "--config.eval.timing_rounds=0", cwd=tmp_path)
  assert out.startswith("table1 runs/table1 {") and '"timing_rounds": 0' in out and '"plan": "small"' in out


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([], "error: say what to run; `adadepth --help` lists what there is"),
    (["--workdir=a"], "error: say what to run"),
    (["track", "clip.mp4"], "error: what is 'clip.mp4'? What to run comes first"),
    (["gating:nosuch"], "error: `--config=configs/gating.py:nosuch`: the variants are"),
    (["track", "--config.nosuch=1"], "error: the config has no field \"'nosuch'\""),
    (["--config=nosuch.py"], "No such file or directory: 'nosuch.py'"),
  ],
)
def test_a_wrong_command_line_is_told_in_one_line(tmp_path, arguments, message):
  done = run_python("-m", "adadepth.command", *arguments, cwd=tmp_path)
  assert done.returncode == 1 and not done.stdout
  assert done.stderr.count("\n") == 1 and message in done.stderr


def test_help_has_a_line_for_each_config_and_needs_no_jax(tmp_path):
  code = "import sys; from adadepth import command; sys.argv = ['adadepth', '--help']; import atexit; "
  code += "atexit.register(lambda: print('jax' in sys.modules)); command.run()"
  done = run_python("-c", code, cwd=tmp_path)
  assert done.returncode == 0 and done.stdout.endswith("\nFalse\n")
  lines = [line.split(maxsplit=1) for line in done.stdout.split("\n\n")[1].splitlines()]
  assert [name for name, _ in lines] == NAMES
  assert dict(lines)["track"] == "Tracks targets through a video file, a folder of frames, a camera or a stream."


def test_help_for_a_config_has_its_commands_and_fields_as_set():
  done = run_python("run.py", "track", "--help", "--config.policy=soft", cwd=ROOT)
  assert done.returncode == 0, done.stderr
  assert "python run.py track --config.video=VIDEO --config.box=x,y,w,h" in done.stdout
  assert '  --config.policy=soft\n      "xcorr1".."xcorr5", "soft" or "hard"\n' in done.stdout
  assert done.stdout.index("--config.video=''\n") < done.stdout.index("--config.backbone.weights=''\n")


# One run in a workdir, until a signal ends it.


@pytest.fixture
def sleeping(tmp_path):
  """A run that has begun in tmp_path/run."""
  env = {**os.environ, "PYTHONPATH": str(ROOT)}
  line = [sys.executable, "-c", SLEEPER, "track", "--workdir=run"]
  before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background may ignore it
  process = subprocess.Popen(line, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
  signal.signal(signal.SIGINT, before)
  while process.poll() is None and not (tmp_path / "run" / "begun").exists():
    time.sleep(0.02)
  yield process
  process.kill()
  process.wait()
  process.stderr.close()


@pytest.mark.parametrize(
  ("number", "told"),
  [
    (signal.SIGINT, "stopped"),
    (signal.SIGTERM, "stopped by SIGTERM: what is finished is kept; the same command goes on from there"),
  ],
)
def test_a_signal_ends_a_run_with_a_line_and_leaves_no_lock(sleeping, tmp_path, number, told):
  sleeping.send_signal(number)
  assert sleeping.communicate()[1] == f"{told}\n"
  assert sleeping.returncode == 128 + number
  assert [path.name for path in (tmp_path / "run").iterdir()] == ["begun"]


def test_a_second_run_in_a_workdir_is_refused_and_a_dead_one_is_not_in_the_way(sleeping, tmp_path):
  second = run_python("-c", SPY, "track", "--workdir=run", cwd=tmp_path)
  assert second.returncode == 1 and second.stdout == ""
  assert re.fullmatch(r"error: `--workdir` \(=run\) is in use by another run \(process \d+ on .*\n", second.stderr)
  shared = run_python("-c", SPY, "evaluate", "--workdir=run", "--config.trackers=ours", cwd=tmp_path)
  assert shared.returncode == 0 and shared.stdout  # those share the work
  sleeping.kill()
  sleeping.wait()
  assert spied("track", "--workdir=run", cwd=tmp_path).startswith("track run {")


# What Orbax logs.

LOGS = """
import sys
from adadepth import command
def job(config, workdir):
  import orbax.checkpoint
  for file in (orbax.checkpoint.__file__, "of_another.py"):
    exec(compile("from absl import logging; logging.error(file)", file, "exec"), {"file": file})
command.task_named = lambda name: job
sys.argv[0] = "adadepth"
command.run()
"""


def test_what_orbax_raises_it_does_not_log_besides(tmp_path):
  done = run_python("-c", LOGS, "evaluate", "--workdir=run", cwd=tmp_path)
  assert done.returncode == 0 and done.stderr.count("\n") == 1 and done.stderr.endswith("] of_another.py\n")


# Memory that runs out.


@pytest.mark.parametrize("asked", ["numpy.ones(1 << 50)", "jax.numpy.ones(1 << 50)"])
def test_memory_that_runs_out_is_told_in_a_line_and_takes_nothing_that_was_written(tmp_path, asked):
  done = run_python("-c", GREEDY.format(asked=asked), "evaluate", "--workdir=run", cwd=tmp_path)
  assert done.returncode == 1
  assert re.fullmatch(r"error: out of memory \(.*\): free some, .*; what is finished is kept\n", done.stderr)
  assert [path.name for path in (tmp_path / "run").iterdir()] == ["finished"]
