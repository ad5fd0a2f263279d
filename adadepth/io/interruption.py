"""Ctrl-C, as who works for minutes wants it: what was done is kept."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_when_asked(told: str) -> Iterator[threading.Event]:
  """An event that is set by the first Ctrl-C (or a SIGTERM) within the block, for its loop to end on.

  The second one raises KeyboardInterrupt, as ever. Elsewhere than in the main thread signals stay as they are.

  Args:
    told: on stderr, when it is asked.
  """
  asked = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    yield asked
    return

  def ask(*_: object) -> None:
    if asked.is_set():
      raise KeyboardInterrupt
    asked.set()
    print(f"\n{told}", file=sys.stderr, flush=True)

  before = {number: signal.signal(number, ask) for number in SIGNALS}
  try:
    yield asked
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
