"""How far work has got: a bar on a terminal, plain lines in a log."""

import functools
import io
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import rich.console
import rich.markup
import rich.progress

Item = TypeVar("Item")

PLAIN_INTERVAL_S = 10.0


def progress(
  items: Iterable[Item], description: str, *, total: int | None = None, stream: io.TextIOBase | None = None
) -> Iterator[Item]:
  """Yields the items while showing how far they have got.

  On a terminal that is a bar with the time left. Elsewhere, as in a log file, it is one plain line every ten
  seconds or so, and nothing at all for short work.

  Args:
    items: what to go through.
    description: what is being done, e.g. "phase 2".
    total: number of items; None asks `items` for its length, and does without where it has none.
    stream: where to show it; None is stderr.
  """
  stream = sys.stderr if stream is None else stream
  if total is None and hasattr(items, "__len__"):
    total = len(items)
  show = _rich_progress if stream.isatty() else _plain_progress
  return show(items, description, total, stream)


def progress_line(description: str, done: int, total: int | None, elapsed_s: float) -> str:
  """Returns how far work has got, in words.

  >>> progress_line("phase 2", 30, 120, 20.0)
  'phase 2: 30/120 (25%), 20 s so far, about 60 s left'
  """
  if not total:
    return f"{description}: {done}, {elapsed_s:.0f} s so far"
  left_s = elapsed_s * max(total - done, 0) / done
  share = f"{done}/{total} ({100 * done // total}%)"
  return f"{description}: {share}, {elapsed_s:.0f} s so far, about {left_s:.0f} s left"


def _rich_progress(items: Iterable[Item], description: str, total: int | None, stream: io.TextIOBase) -> Iterator[Item]:
  columns = (
    rich.progress.TextColumn("{task.description}"),
    rich.progress.BarColumn(),
    rich.progress.MofNCompleteColumn(),
    rich.progress.TimeElapsedColumn(),
    rich.progress.TimeRemainingColumn(),
  )
  with rich.progress.Progress(*columns, console=_console(stream)) as bar:
    yield from bar.track(items, total=total, description=rich.markup.escape(description))


@functools.lru_cache(maxsize=4)
def _console(stream: io.TextIOBase) -> rich.console.Console:
  # One console for a stream, so that a bar within a bar's loop is drawn below it and not over it.
  return rich.console.Console(file=stream)


def _plain_progress(
  items: Iterable[Item], description: str, total: int | None, stream: io.TextIOBase
) -> Iterator[Item]:
  start_s = shown_s = time.monotonic()
  for done, item in enumerate(items, start=1):
    yield item
    now_s = time.monotonic()
    if now_s - shown_s >= PLAIN_INTERVAL_S:
      print(progress_line(description, done, total, now_s - start_s), file=stream, flush=True)
      shown_s = now_s
