"""A lock is held by a process and by nothing else."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from adadepth.io.locks import lock

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOLDER = """
import pathlib, sys, time
from adadepth.io.locks import lock
with lock(pathlib.Path(sys.argv[1])) as ours:
  print(ours, flush=True)
  time.sleep(60)
"""


def test_one_has_it_and_another_has_not(tmp_path):
  path = tmp_path / ".lock"
  with lock(path) as first:
    with lock(path) as second:
      assert (first, second) == (True, False)
    assert path.read_text().startswith(f"process {os.getpid()} on ")
  assert not path.exists()
  with lock(path) as again:
    assert again


def test_a_process_that_is_killed_leaves_none(tmp_path):
  path, environment = tmp_path / ".lock", {**os.environ, "PYTHONPATH": str(ROOT)}
  line = [sys.executable, "-c", HOLDER, str(path)]
  process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)
  assert process.stdout.readline() == "True\n"
  with lock(path) as ours:
    assert not ours
  process.send_signal(signal.SIGKILL)
  process.wait()
  process.stdout.close()
  assert path.exists()
  with lock(path) as ours:
    assert ours


def test_a_file_that_was_removed_in_between_is_made_anew(tmp_path, monkeypatch):
  """Another holder ends, and removes its file, after it was opened here."""
  path, opened = tmp_path / ".lock", []
  real = os.open

  def open_and_lose(*arguments, **more):
    opened.append(real(*arguments, **more))
    if len(opened) == 1:
      path.unlink()
    return opened[-1]

  monkeypatch.setattr(os, "open", open_and_lose)
  with lock(path) as ours:
    assert ours and len(opened) == 2
    monkeypatch.undo()
    with lock(path) as other:
      assert not other


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
  with pytest.raises(FileNotFoundError), lock(tmp_path / "no" / ".lock"):
    pass
