"""Ctrl-C ends a loop in order; a second one ends it at once."""

import signal
import threading

import pytest

from adadepth.io.interruption import stop_when_asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(capsys, number):
  before = signal.getsignal(number)
  with stop_when_asked("stopping") as asked:
    assert not asked.is_set()
    signal.raise_signal(number)
    assert asked.is_set() and "stopping" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
      signal.raise_signal(number)
  assert signal.getsignal(number) is before


def test_another_thread_leaves_signals_as_they_are():
  handlers = []

  def work():
    with stop_when_asked("stopping"):
      handlers.append(signal.getsignal(signal.SIGINT))

  thread = threading.Thread(target=work)
  thread.start()
  thread.join()
  assert handlers == [signal.getsignal(signal.SIGINT)]
