"""What to do about bad data: stop at the first problem, or go on without it and keep count."""

import collections
import dataclasses
from typing import Literal

from adadepth.errors import InputError

ON_ERROR = ("stop", "skip")
Kind = Literal[
  "header line",
  "box of another frame",
  "unparsable line",
  "wrong count of numbers",
  "box not finite",
  "box without size",
  "box outside the image",
  "box without a frame",
  "frame without a box",
  "missing frame",
  "unreadable image",
  "image of another size",
  "missing sequence",
  "unusable sequence",
]


@dataclasses.dataclass
class Problems:
  """The policy for bad data, and the tally of what it let pass.

  Attributes:
    on_error: "stop" raises InputError at the first problem; "skip" counts it, and the reader goes on
      without that box, frame or sequence.
    counts: under "skip", how many boxes, frames or sequences went by kind.
    lines: under "skip", one line per problem that names file and line number.
  """

  on_error: str = "stop"
  counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
  lines: list[str] = dataclasses.field(default_factory=list)

  def __post_init__(self):
    if self.on_error not in ON_ERROR:
      raise InputError(f"`on_error` (={self.on_error!r}) must be {' or '.join(map(repr, ON_ERROR))}")

  def report(self, kind: Kind, line: str, *, count: int = 1) -> None:
    """Raises `line` with its cure under "stop"; counts it under "skip"."""
    if self.on_error == "stop":
      raise InputError(f"{line}; put it right, or pass it over and count it with on_error='skip'")
    self.counts[kind] += count
    self.lines.append(line)

  def summary(self) -> str:
    """One line for the log, like "skipped 3: 2 missing frame, 1 box not finite"; empty if all was well."""
    if not self.counts:
      return ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts.most_common())
    return f"skipped {self.counts.total()}: {kinds}"
