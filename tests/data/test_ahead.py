"""What is made ahead comes in order, no more of it than asked for, and stops when nobody wants it."""

import threading
import time

import pytest

from adadepth.data.ahead import map_ahead


def slow_first(item: int) -> int:
  """The square, of even numbers later than of odd ones."""
  time.sleep(0.002 * (item % 2 == 0))
  return item * item


@pytest.mark.parametrize(("threads", "buffer"), [(1, 1), (3, 2), (2, 50)])
def test_results_keep_the_order_of_their_items(threads, buffer):
  assert list(map_ahead(slow_first, range(20), threads=threads, buffer=buffer)) == [i * i for i in range(20)]


def test_nothing_comes_of_no_items():
  assert list(map_ahead(slow_first, [], threads=2, buffer=2)) == []


def test_an_error_comes_at_its_item():
  results = map_ahead(lambda item: 1 // item, [2, 1, 0, 1], threads=2, buffer=3)
  assert (next(results), next(results)) == (0, 1)
  with pytest.raises(ZeroDivisionError):
    next(results)


def test_no_more_is_made_in_advance_than_the_buffer_holds():
  begun = []
  results = map_ahead(begun.append, range(100), threads=2, buffer=3)
  next(results)
  time.sleep(0.05)
  assert len(begun) <= 1 + 3
  results.close()
  time.sleep(0.05)
  assert len(begun) <= 1 + 3


def test_the_callers_thread_makes_nothing():
  makers = set(map_ahead(lambda _: threading.current_thread(), range(4), threads=2, buffer=2))
  assert threading.current_thread() not in makers and len(makers) <= 2
