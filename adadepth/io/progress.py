"""How far work has got: a bar on a terminal, plain lines in a log."""

import collections
import functools
import io
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import rich.console
import rich.markup
import rich.progress

from adadepth.io.processes import is_first

Item = TypeVar("Item")

PLAIN_INTERVAL_S = 10.0
REMEMBERED = 200  # items whose time says how long the rest takes
COMPILING = 10.0  # an item that takes so many times the median's time was compiled for


def progress(
  items: Iterable[Item], description: str, *, total: int | None = None, stream: io.TextIOBase | None = None
) -> Iterator[Item]:
  """Yields the items while showing how far they have got.

  On a terminal that is a bar with the time left. Elsewhere, as in a log file, it is one plain line every ten
  seconds or so, and nothing at all for short work. The time left does not count what was compiled for an item.

  Args:
    items: what to go through.
    description: what is being done, e.g. "phase 2".
    total: number of items; None asks `items` for its length, and does without where it has none.
    stream: where to show it; None is stderr, of several processes the first one's.
  """
  if stream is None and not is_first():
    return iter(items)
  stream = sys.stderr if stream is None else stream
  if total is None and hasattr(items, "__len__"):
    total = len(items)
  show = _rich_progress if stream.isatty() else _plain_progress
  return show(items, description, total, stream)


def progress_line(description: str, done: int, total: int | None, elapsed_s: float, item_s: float | None = None) -> str:
  """Returns how far work has got, in words.

  Args:
    item_s: what an item takes; None: not known yet.

  >>> progress_line("phase 2", 30, 120, 20.0, 2 / 3)
  'phase 2: 30/120 (25%), 20 s so far, about 60 s left'
  """
  if not total:
    return f"{description}: {done}, {elapsed_s:.0f} s so far"
  left = "" if item_s is None else f", about {item_s * max(total - done, 0):.0f} s left"
  return f"{description}: {done}/{total} ({100 * done // total}%), {elapsed_s:.0f} s so far{left}"


class ItemTimes:
  """How long the items took that were done last."""

  def __init__(self) -> None:
    self._seconds: collections.deque[float] = collections.deque(maxlen=REMEMBERED)

  def add(self, seconds: float) -> None:
    self._seconds.append(seconds)

  def mean(self) -> float | None:
    """Of an item for which nothing was compiled; None after one alone, which cannot be told."""
    if len(self._seconds) < 2:
      return None
    longest = COMPILING * statistics.median_low(self._seconds)
    return statistics.fmean(seconds for seconds in self._seconds if seconds <= longest)


class _TimeLeft(rich.progress.ProgressColumn):
  """The time left, by `ItemTimes`."""

  def __init__(self, times: ItemTimes) -> None:
    super().__init__()
    self._times = times

  def render(self, task: rich.progress.Task) -> str:
    item_s = self._times.mean()
    if item_s is None or task.total is None:
      return "-:--:--"
    left_s = round(item_s * max(task.total - task.completed, 0))
    return f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02}"


def _rich_progress(items: Iterable[Item], description: str, total: int | None, stream: io.TextIOBase) -> Iterator[Item]:
  times = ItemTimes()
  columns = (
    rich.progress.TextColumn("{task.description}"),
    rich.progress.BarColumn(),
    rich.progress.MofNCompleteColumn(),
    rich.progress.TimeElapsedColumn(),
    _TimeLeft(times),
  )
  with rich.progress.Progress(*columns, console=_console(stream)) as bar:
    task = bar.add_task(rich.markup.escape(description), total=total)
    for item in _timed(items, times):
      yield item
      bar.advance(task)


@functools.lru_cache(maxsize=4)
def _console(stream: io.TextIOBase) -> rich.console.Console:
  # One console for a stream, so that a bar within a bar's loop is drawn below it and not over it.
  return rich.console.Console(file=stream)


def _plain_progress(
  items: Iterable[Item], description: str, total: int | None, stream: io.TextIOBase
) -> Iterator[Item]:
  times = ItemTimes()
  start_s = shown_s = before_s = time.monotonic()
  for done, item in enumerate(items, start=1):
    yield item
    now_s = time.monotonic()
    times.add(now_s - before_s)
    before_s = now_s
    if now_s - shown_s >= PLAIN_INTERVAL_S:
      print(progress_line(description, done, total, now_s - start_s, times.mean()), file=stream, flush=True)
      shown_s = now_s


def _timed(items: Iterable[Item], times: ItemTimes) -> Iterator[Item]:
  """The items; what each took is noted when the next is asked for."""
  before_s = time.monotonic()
  for item in items:
    yield item
    now_s = time.monotonic()
    times.add(now_s - before_s)
    before_s = now_s
