"""Which sequences a job works on: real ones under a data root, rendered ones, or both."""

import dataclasses
import pathlib
from collections.abc import Sequence as Listing

from adadepth.data.readers import read_sequences
from adadepth.data.render import render_split
from adadepth.data.sequence import Sequence
from adadepth.data.split import load_split
from adadepth.errors import InputError
from adadepth.io.writers import progress

SIDES = ("train", "dev", "test")


@dataclasses.dataclass(frozen=True)
class Source:
  """Where sequences come from.

  Attributes:
    root: folder of real sequences (`readers`), or "" for none.
    split: JSON file that sorts them into train, dev and test, or "" (see `split.load_split`).
    on_error: "stop" at bad data, or "skip" and count it.
    rendered: how many rendered sequences train, dev and test have. Where there is a root, only train's count:
      choices and reports are then made on real video alone.
    seed: of the renderer.
  """

  root: str
  split: str
  on_error: str
  rendered: tuple[int, int, int]
  seed: int

  def check(self) -> None:
    """Raises InputError if there is nothing to read, without reading it."""
    if self.root and not pathlib.Path(self.root).is_dir():
      raise InputError(f"`config.data.root` (={self.root!r}): no such folder; name one that holds vot/ or otb/")
    if self.root:
      load_split(self.root, self.split, on_error=self.on_error)
    elif min(self.rendered) < 1:
      raise InputError(
        f"`config.data.root` (={self.root!r}) names no folder of sequences and `config.data.rendered` "
        f"(={self.rendered}) leaves a split empty: give a folder that holds vot/ or otb/, or rendered sequences"
      )

  def real(self, side: str) -> list[Sequence]:
    """The real sequences of one side of the split; [] without a root."""
    if not self.root:
      return []
    names = load_split(self.root, self.split, on_error=self.on_error)[side]
    result = read_sequences(self.root, names, on_error=self.on_error)
    if summary := result.problems.summary():
      print(f"{side}: {summary}")
    return result.sequences

  def rendered_train(self) -> list[Sequence]:
    """The rendered training sequences, in memory."""
    return self._rendered("train") if self.rendered[0] else []

  def sequences(self, side: str) -> list[Sequence]:
    """What a side is measured on: real where there is a root, else rendered.

    Raises:
      InputError: the split leaves this side empty.
    """
    found = self.real(side) if self.root else self._rendered(side)
    if not found:
      raise InputError(
        f"`config.data.split` (={self.split!r}) leaves no {side} sequence under {self.root}: "
        f'give a JSON file {{"train": [...], "dev": [...], "test": [...]}}'
      )
    return found

  def _rendered(self, side: str) -> list[Sequence]:
    split = render_split(split=side, sequences=self.rendered[SIDES.index(side)], seed=self.seed)
    return list(progress(split, f"rendering ({side})"))


def balanced(rendered: Listing[Sequence], real: Listing[Sequence]) -> list[Sequence]:
  """Both kinds in one list, the fewer repeated, so that each is drawn about as often as the other."""
  if not rendered or not real:
    return [*rendered, *real]
  most = max(len(rendered), len(real))
  return [*rendered, *real * (most // len(real))] if len(real) < most else [*rendered * (most // len(rendered)), *real]
