"""Decoding and cutting ahead: threads work on the next items while the caller uses this one."""

import collections
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Listing
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from adadepth.data.sequence import FrameSource


def map_ahead(function: Callable, items: Listing, *, threads: int, buffer: int) -> Iterator:
  """Yields function(item) for every item, in order; what it raises comes at its item.

  Args:
    function: runs in threads; must not change what it shares.
    items: anything with a length and an index.
    threads: how many work at a time.
    buffer: results made in advance, at most; they are held in memory.
  """
  pool = ThreadPoolExecutor(threads)
  under_way: collections.deque[Future] = collections.deque()
  try:
    for index in range(len(items)):
      under_way.append(pool.submit(lambda i: function(items[i]), index))
      if len(under_way) > buffer:
        yield under_way.popleft().result()
    while under_way:
      yield under_way.popleft().result()
  finally:
    pool.shutdown(wait=False, cancel_futures=True)


def read_ahead(
  frames: FrameSource, *, start: int = 0, stop: int | None = None, threads: int = 1, buffer: int = 8
) -> Iterator[np.ndarray]:
  """Iterates over frames, uint8 [h, w, 3], decoding ahead.

  Args:
    frames: any FrameSource: a folder, records, an array.
    start, stop: the first frame, and the one to end before; None: all.
    threads, buffer: as in `map_ahead`.
  """
  return map_ahead(
    lambda t: frames[t], range(start, len(frames) if stop is None else stop), threads=threads, buffer=buffer
  )
