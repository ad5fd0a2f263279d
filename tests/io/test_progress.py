"""Progress hands everything on, and says how far it is."""

import io
import itertools
import time

import pytest

from adadepth.io.progress import ItemTimes, progress, progress_line


class Terminal(io.StringIO):
  def isatty(self) -> bool:
    return True


def test_progress_passes_every_item_on_and_says_nothing_of_short_work_in_a_log():
  log = io.StringIO()
  assert list(progress(range(5), "count", stream=log)) == [0, 1, 2, 3, 4]
  assert list(progress(iter("ab"), "letters", stream=log)) == ["a", "b"]
  assert log.getvalue() == ""


def test_progress_in_a_log_is_a_plain_line_every_ten_seconds(monkeypatch):
  log, clock = io.StringIO(), itertools.count(0.0, 4.0)
  monkeypatch.setattr(time, "monotonic", lambda: next(clock))
  list(progress(range(8), "phase 2", stream=log))
  assert log.getvalue().splitlines() == [
    "phase 2: 3/8 (37%), 12 s so far, about 20 s left",
    "phase 2: 6/8 (75%), 24 s so far, about 8 s left",
  ]


def test_progress_without_a_length_counts():
  assert progress_line("frames", 12, None, 3.0) == "frames: 12, 3 s so far"


def test_progress_on_a_terminal_is_a_bar_and_bars_nest():
  terminal = Terminal()
  pairs = [
    (i, j)
    for i in progress(range(2), "outer [x]", stream=terminal)
    for j in progress(range(3), "inner", stream=terminal)
  ]
  assert len(pairs) == 6
  assert "outer [x]" in terminal.getvalue() and "2/2" in terminal.getvalue()
  assert "inner" in terminal.getvalue() and "3/3" in terminal.getvalue()


def test_progress_hands_on_the_error_of_its_loop():
  with pytest.raises(ZeroDivisionError):
    for i in progress([1, 0], "divide", stream=Terminal()):
      _ = 1 / i


def test_the_time_left_does_not_count_compiling():
  times = ItemTimes()
  times.add(60.0)
  assert times.mean() is None  # compiling or not cannot be told
  for _ in range(3):
    times.add(0.5)
  assert times.mean() == pytest.approx(0.5)
  times.add(1.5)  # of uneven work every item counts
  assert times.mean() == pytest.approx(0.75)


def test_a_log_tells_no_time_left_while_all_was_compiling(monkeypatch):
  log, clock = io.StringIO(), iter([0.0, 60.0, 61.0, 62.0, 71.0, 72.0])
  monkeypatch.setattr(time, "monotonic", lambda: next(clock))
  list(progress(range(5), "tracking", stream=log))
  assert log.getvalue().splitlines() == [
    "tracking: 1/5 (20%), 60 s so far",
    "tracking: 4/5 (80%), 71 s so far, about 4 s left",
  ]
