"""Ctrl-C ends a loop in order; a second one ends it at once."""

import signal
import sys
import threading
import time
import weakref

import pytest

from adadepth.io.interruption import Stopped, send_again, stop_now, stop_when_asked


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


def test_the_second_signal_says_which_it_was():
  with stop_when_asked("stopping") as asked, pytest.raises(Stopped) as caught:
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.raise_signal(number)
  assert asked.number == signal.SIGINT and caught.value.number == signal.SIGTERM


def test_what_is_kept_already_may_be_left_at_once(capsys):
  with stop_when_asked("stopping") as asked, pytest.raises(Stopped):
    asked.at_once = True
    signal.raise_signal(signal.SIGTERM)
  assert not asked.is_set() and capsys.readouterr().err == ""


def test_what_is_kept_is_said_in_a_line():
  assert Stopped(signal.SIGTERM, "phase 1 is kept up to step 7 of 9").kept == (
    "stopped by SIGTERM: phase 1 is kept up to step 7 of 9; the same command goes on from there"
  )


def test_a_signal_that_python_drops_is_sent_again(request, monkeypatch):
  before = signal.signal(signal.SIGTERM, stop_now)
  request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
  dropped = []
  monkeypatch.setattr(sys, "unraisablehook", lambda given: dropped.append(type(given.exc_value)) or send_again(given))

  class Thing:
    pass

  thing = Thing()
  kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
  with pytest.raises(Stopped):
    del thing
    assert dropped == [Stopped] and kept() is None
    time.sleep(30)


def test_other_things_that_python_drops_are_told_as_ever(monkeypatch, capsys):
  monkeypatch.setattr(sys, "unraisablehook", send_again)

  class Thing:
    def __del__(self):
      raise ValueError("of a finalizer")

  Thing()
  assert "ValueError: of a finalizer" in capsys.readouterr().err
