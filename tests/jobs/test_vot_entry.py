"""trackers.ini is what the VOT toolkit reads, and keeps other trackers."""

import configparser
import pathlib
import shlex
import subprocess

import pytest

from adadepth.errors import InputError
from adadepth.jobs.vot import run_vot
from configs import vot as config_file


def written(workdir: pathlib.Path, **changes) -> configparser.ConfigParser:
  config = config_file.get_config()
  config.update(changes)
  run_vot(config, workdir)
  found = configparser.ConfigParser()
  found.read(workdir / "trackers.ini")
  return found


def test_trackers_ini_names_a_command_that_runs_from_any_folder(tmp_path):
  found = written(tmp_path / "ws", policy="xcorr1")
  ours = found["adadepth"]
  assert ours["protocol"] == "trax" and ours["env_JAX_PLATFORMS"] == "cpu" and ours["timeout"] == "300"
  command = shlex.split(ours["command"])
  assert pathlib.Path(command[0]).is_absolute() and command[-1] == "--policy=xcorr1"
  env = {"PYTHONPATH": ours["env_PYTHONPATH"]} if "env_PYTHONPATH" in ours else {}
  helped = subprocess.run([*command, "--help"], cwd=tmp_path, env=env, capture_output=True, text=True)
  assert helped.returncode == 0 and "--budget" in helped.stdout, helped.stderr


def test_other_trackers_stay_and_our_own_is_replaced(tmp_path):
  (tmp_path / "trackers.ini").write_text("# mine\n[CSRT]\nlabel = CSRT\n")
  written(tmp_path)
  written(tmp_path, name="fast", policy="xcorr1")
  found = written(tmp_path, budget=2.0)
  assert found.sections() == ["CSRT", "fast", "adadepth"] and found["adadepth"]["command"].endswith("--budget=2")
  assert (tmp_path / "trackers.ini").read_text().startswith("# mine\n[CSRT]\nlabel = CSRT\n\n[")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"name": "a b"}, r"`config.name` \(='a b'\) must be letters"),
    ({"policy": "deep"}, r"`config.policy` \(='deep'\) must be one of"),
    ({"model": "nosuch"}, r"`config.model` \(=nosuch\) does not exist"),
  ],
)
def test_what_cannot_be_is_refused(tmp_path, changes, message):
  with pytest.raises(InputError, match=message):
    written(tmp_path, **changes)


def test_a_value_brings_no_line_of_its_own_into_trackers_ini(tmp_path):
  with pytest.raises(InputError, match="without line breaks"):
    written(tmp_path, platform="cpu\ncommand = touch evil")
  assert not (tmp_path / "trackers.ini").exists()
