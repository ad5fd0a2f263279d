"""Which sequences a job works on: real ones under a data root, rendered ones, or both."""

import dataclasses
import pathlib
from collections.abc import Sequence as Listing

from adadepth.data.layouts import layout_folders, read_sequences, roots_of
from adadepth.data.render import render_split
from adadepth.data.render.cutouts import open_album
from adadepth.data.render.photo_views import photo_sequence
from adadepth.data.sequence import Sequence
from adadepth.data.split import SIDES, load_split
from adadepth.errors import InputError
from adadepth.io.progress import progress

SEQUENCES_A_PHOTO = 4  # of its views
RECORDS, RECORDS_INFO = "real_tracks/*/*/", "dataset_info.json"  # as TFDS names the folders of `builders.RealTracks`


@dataclasses.dataclass(frozen=True)
class Source:
  """Where sequences come from.

  Attributes:
    root: folder of real sequences (`layouts.roots`), several separated by commas, or one of records (`builders`), or
      "" for none.
    split: JSON file that sorts them into train, dev and test, or "" (see `split.load_split`).
    on_error: "stop" at bad data, or "skip" and count it.
    rendered: how many rendered sequences train, dev and test have. Where there is a root, train's are added to the
      real ones, and if they are cut from photos so are views of these, and gates learn from dev's. Reports are made on
      real video alone.
    hardest: the hardest rendered sequence, in [0, 1]: see `render_split`.
    seed: of the renderer.
    photos: folder of photos that rendered sequences are cut from, or "" for painted shapes.
  """

  root: str
  split: str
  on_error: str
  rendered: tuple[int, int, int]
  hardest: float
  seed: int
  photos: str = ""

  def read(self, sides: Listing[str] = SIDES) -> dict[str, list[Sequence]]:
    """The sequences of each side: real where there is a root, else rendered, in memory.

    All ground truth and every image's header is looked at here, so that bad data is found before work starts.

    Raises:
      InputError: no such root, bad data, or a side without a sequence.
    """
    if self.root:
      return self._read_real(sides)
    for side in sides:
      if not self._count(side):
        raise InputError(
          f"`config.data.rendered` (={self.rendered}) leaves {side} empty and `config.data.root` (='') names no "
          f"folder that holds any of {layout_folders()}: give either"
        )
    return {side: self._render(side) for side in sides}

  def training(self, train: Listing[Sequence]) -> list[Sequence]:
    """What phase 1 draws from: the train side; beside real videos, if config asks for any, rendered ones and views of
    photos, each kind as often as the others.
    """
    if not (self.root and self._count("train")):
      return list(train)
    return balanced(self._render("train"), train, self._of_photos())

  def _of_photos(self) -> list[Sequence]:
    album = open_album(self.photos)
    count = SEQUENCES_A_PHOTO * len(album.photos) if album else 0
    return [photo_sequence(album, seed=self.seed, index=i) for i in progress(range(count), "views of photos")]

  def for_gates(self, found: dict[str, list[Sequence]]) -> list[Sequence]:
    """What phase 2 learns from: train and dev; where there are a root and photos, rendered ones if config asks for any.

    A network does better on the videos it was trained on, and real pairs are mostly easy.
    """
    cut = self.root and self.photos and self._count("dev")
    return self._render("dev") if cut else [*found["train"], *found["dev"]]

  def _read_real(self, sides: Listing[str]) -> dict[str, list[Sequence]]:
    for root in roots_of(self.root):
      if not root.is_dir():
        raise InputError(
          f"`config.data.root` (={str(root)!r}): no such folder; name one that holds any of {layout_folders()}"
        )
    if records := record_folders(self.root):
      return self._read_records(records, sides)
    names, found = load_split(self.root, self.split, on_error=self.on_error), {}
    for side in sides:
      if not names[side]:
        raise InputError(
          f"`config.data.split` (={self.split!r}) leaves {side} empty under {self.root}: "
          'give a JSON file {"train": [...], "dev": [...], "test": [...]}'
        )
      found[side], problems = read_sequences(self.root, names[side], on_error=self.on_error)
      if problems.counts:
        print(f"{side}: {problems.summary()}")
    return found

  def _read_records(self, folders: Listing[pathlib.Path], sides: Listing[str]) -> dict[str, list[Sequence]]:
    """The sides as they were prepared; no picture is opened."""
    if len(folders) > 1 or self.split:
      raise InputError(
        f"`config.data.root` (={self.root}) holds records: name one set of them, such as {folders[0]}, and no "
        "`config.data.split`, by which they are sorted when they are prepared"
      )
    try:
      from adadepth.data.builders import read_records  # which needs TFDS
    except ImportError as error:
      raise InputError(str(error)) from error
    found = {side: read_records(folders[0], side) for side in sides}
    if empty := [side for side, sequences in found.items() if not sequences]:
      raise InputError(
        f"`config.data.root` (={self.root}) holds no records of {empty[0]}: prepare it with another split"
      )
    return found

  def _count(self, side: str) -> int:
    return self.rendered[SIDES.index(side)]

  def _render(self, side: str) -> list[Sequence]:
    split = render_split(
      split=side, sequences=self._count(side), seed=self.seed, hardest=self.hardest, photos=self.photos
    )
    return list(progress(split, f"rendering ({side})"))


def record_folders(root: str) -> list[pathlib.Path]:
  """Where under a root records lie that configs/prepare.py has written: in it, or in folders of its sets."""
  return [path.parent for place in ("", RECORDS) for path in sorted(pathlib.Path(root).glob(f"{place}{RECORDS_INFO}"))]


def balanced(*kinds: Listing[Sequence]) -> list[Sequence]:
  """All kinds in one list, the fewer repeated, so that each is drawn about as often as the others."""
  most = max(len(kind) for kind in kinds)
  return [sequence for kind in kinds if kind for sequence in [*kind] * round(most / len(kind))]
