"""Ctrl-C and SIGTERM, as who works for hours wants them: what was done is kept."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_S = 0.05
AFTER_THIS_STEP = "stopping after this step, which is kept; the same command goes on from there (Ctrl-C again: at once)"


class Stopped(KeyboardInterrupt):
  """A run ends because a signal asked it to.

  Attributes:
    number: of the signal; None, where another process of the run was asked, is SIGTERM's.
    kept: what is kept, in a line.
  """

  def __init__(self, number: signal.Signals | None, kept: str = ""):
    self.number = signal.Signals(number or signal.SIGTERM)
    self.kept = (
      f"stopped by {self.number.name}: {kept or 'what is finished is kept'}; the same command goes on from there"
    )
    super().__init__(self.kept)


class Asked(threading.Event):
  """Set when a signal asks to stop.

  Attributes:
    number: the signal; None where something else has set it.
    at_once: whether it is raised as `Stopped` where the program is, as it is at the second signal.
  """

  number: signal.Signals | None = None
  at_once: bool = False


def stop_now(number: int, _: object = None) -> None:
  """What SIGTERM does to a program of ours elsewhere: as Ctrl-C, it unwinds, and files are whole or gone."""
  raise Stopped(signal.Signals(number))


def send_again(dropped: Any) -> None:
  """As `sys.unraisablehook`: a signal whose exception Python has dropped is sent again a moment later.

  It drops what is raised in callbacks of its garbage collector, where JAX has one, and of weak references.

  Args:
    dropped: what hooks are given; what is no signal's is told as ever.
  """
  if not isinstance(dropped.exc_value, KeyboardInterrupt):
    return sys.__unraisablehook__(dropped)
  number = getattr(dropped.exc_value, "number", signal.SIGINT)
  again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
  again.daemon = True
  again.start()


@contextlib.contextmanager
def stop_when_asked(told: str) -> Iterator[Asked]:
  """An event that is set by the first Ctrl-C (or a SIGTERM) within the block, for its loop to end on.

  The second one raises Stopped, which is a KeyboardInterrupt. Elsewhere than in the main thread signals stay as they
  are.

  Args:
    told: on stderr, when it is asked.
  """
  asked = Asked()
  if threading.current_thread() is not threading.main_thread():
    yield asked
    return

  def ask(number: int, _: object) -> None:
    if asked.is_set() or asked.at_once:
      stop_now(number)
    asked.number = signal.Signals(number)
    asked.set()
    print(f"\n{told}", file=sys.stderr, flush=True)

  before = {number: signal.signal(number, ask) for number in SIGNALS}
  try:
    yield asked
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
