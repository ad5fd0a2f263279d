"""Our end of the pipe to another interpreter, and turns between it and this one."""

import contextlib
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import time

import numpy as np

from adadepth.evaluation.timing import Clock

SERVE = pathlib.Path(__file__).parents[2] / "experiments" / "speed" / "serve.py"


# PyTorch's threads and XLA's spin on for a while after their work, and take the cores from whoever is next.
REST_S = 0.3
CALLS = 3


def threads() -> int:
  """Cores that this process may use, which is how many threads both sides get."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class PeerError(Exception):
  """What went wrong at the other end, in one line."""


class Peer:
  """A process whose methods are called by name; a context manager.

  Example:
    with Peer(python, "torch_side") as peer:
      peer.ask("prepare", threads=2)
  """

  def __init__(self, python: str, module: str, *, path: str = ""):
    """Starts a module.

    Args:
      python: the interpreter; "" is this one.
      module: a file beside `serve`.
      path: where that finds its imports first; "": nowhere else.
    """
    command = [python or sys.executable, str(SERVE), module]
    # Not a pipe: one that nobody reads fills up, and stops who writes.
    self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
    sought = os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH"))))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._complaints}
    try:
      self._process = subprocess.Popen(command, **pipes, env={**os.environ, "PYTHONPATH": sought})
    except OSError as error:
      self._complaints.close()
      raise PeerError(f"{command[0]} cannot be started ({error.strerror})") from error

  def __enter__(self) -> "Peer":
    return self

  def __exit__(self, *_: object) -> None:
    self._process.kill()
    self._process.wait()
    for pipe in (self._process.stdin, self._process.stdout, self._complaints):
      with contextlib.suppress(OSError):  # what was not sent yet cannot be sent any more
        pipe.close()

  def ask(self, method: str, **arguments: object):
    """What the other end's `Side.method(**arguments)` returns.

    Raises:
      PeerError: it raised an error, or the process ended.
    """
    try:
      pickle.dump((method, arguments), self._process.stdin)
      self._process.stdin.flush()
      result, error = pickle.load(self._process.stdout)
    except (EOFError, OSError) as gone:
      self._process.wait()
      self._complaints.seek(0)
      last = self._complaints.read().decode(errors="replace").strip().splitlines()
      raise PeerError(last[-1] if last else "the process ended") from gone
    if error:
      raise PeerError(" ".join(error.split())[:200])
    return result


def in_blocks(clocks: dict[str, Clock]) -> dict[str, Clock]:
  """Clocks of several processes, or networks: a turn is a rest, a call that is not counted, and the median of a few."""

  def block(read: Clock) -> Clock:
    def run() -> float:
      time.sleep(REST_S)
      read()
      return float(np.median([read() for _ in range(CALLS)]))

    return run

  return {name: block(read) for name, read in clocks.items()}
