"""Ctrl-C and SIGTERM, as who works for hours wants them: what was done is kept."""

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

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


def stop_now(number: int, frame: FrameType | None = None) -> None:
  """What SIGTERM does to a program of ours elsewhere: as Ctrl-C, it unwinds, and files are whole or gone.

  In the garbage collector's callbacks, JAX's among them, and in finalizers Python drops what is raised: there it comes
  again a moment later.
  """
  if not _is_dropped(frame):
    raise Stopped(signal.Signals(number))
  again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
  again.daemon = True
  again.start()


def _is_dropped(frame: FrameType | None) -> bool:
  callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
  while frame is not None:
    if frame.f_code in callbacks or frame.f_code.co_name == "__del__":
      return True
    frame = frame.f_back
  return False


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

  def ask(number: int, frame: FrameType | None) -> None:
    if asked.is_set() or asked.at_once:
      return stop_now(number, frame)
    asked.number = signal.Signals(number)
    asked.set()
    print(f"\n{told}", file=sys.stderr, flush=True)

  before = {number: signal.signal(number, ask) for number in SIGNALS}
  try:
    yield asked
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
