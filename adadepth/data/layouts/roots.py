"""Data roots: which sequences lie under one, or under several at once ("a,b").

A root holds folders named after layouts (`vot/`, `otb/`, ...), or sequences itself, or what a data set's release holds
(`data_seq/`, `val/`, `<class>/<name>/`); what a folder holds says which layout it has. A `list.txt` beside the
sequences, one name a line, says which of them count and in which order; without it all do, by name, and folders that
are no sequences are passed over.
"""

import itertools
import pathlib
from typing import NamedTuple

from adadepth.data.layouts.got10k import GOT10K
from adadepth.data.layouts.ground_truth import Layout, SequenceFiles, read_sequence
from adadepth.data.layouts.lasot import LASOT
from adadepth.data.layouts.nfs import NFS
from adadepth.data.layouts.otb import OTB
from adadepth.data.layouts.tc128 import TC128
from adadepth.data.layouts.tlp import TLP
from adadepth.data.layouts.trackingnet import TRACKINGNET
from adadepth.data.layouts.uav123 import UAV123
from adadepth.data.layouts.uavdt import UAVDT
from adadepth.data.layouts.videos import VIDEOS, read_video, table_problem
from adadepth.data.layouts.vot import VOT
from adadepth.data.problems import Problems
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError

# In the order of sequences; a layout of one's own is an entry more.
LAYOUTS = [VOT, TLP, OTB, UAV123, UAVDT, LASOT, GOT10K, TRACKINGNET, NFS, TC128, VIDEOS]


LONGEST_NAME = 64  # characters; file systems take 255 bytes


class ReadResult(NamedTuple):
  """What read_sequences returns: the sequences, and the tally of what was skipped."""

  sequences: list[Sequence]
  problems: Problems


def telling() -> list[Layout]:
  """The layouts in the order of telling: first those that others, whose files are called alike, would claim."""
  first = [GOT10K, LASOT]
  return first + [layout for layout in LAYOUTS if layout not in first]


def layout_folders() -> str:
  """The folders that a data root may hold, for people."""
  return ", ".join(f"{layout.name}/" for layout in LAYOUTS)


def roots_of(root: str | pathlib.Path) -> list[pathlib.Path]:
  """The folders that `root` names: one, or several separated by commas."""
  if pathlib.Path(root).is_dir():
    return [pathlib.Path(root)]
  return [pathlib.Path(part.strip()) for part in str(root).split(",") if part.strip()] or [pathlib.Path(root)]


def find_sequences(root: str | pathlib.Path, problems: Problems | None = None) -> list[SequenceFiles]:
  """Lists every target under one or several data roots, without opening an image.

  Args:
    root: the data root, or several: "a,b"; see the module's docstring.
    problems: the policy for a name in list.txt that is no sequence; None: stop.
  Returns:
    One entry per target; root by root, layout by layout, in the order of list.txt, else by name.
  Raises:
    InputError: there is no such folder, no sequence in it, or a name that is under two roots.
  """
  return [files for _, found in sequences_by_root(root, problems) for files in found]


def sequences_by_root(
  root: str | pathlib.Path, problems: Problems | None = None
) -> list[tuple[pathlib.Path, list[SequenceFiles]]]:
  """`find_sequences`, each root with its own."""
  problems = Problems("stop") if problems is None else problems
  by_root = [(one, _find_under(one, problems)) for one in roots_of(root)]
  for (one, ours), (other, theirs) in itertools.combinations(by_root, 2):
    if twice := {files.name for files in ours} & {files.name for files in theirs}:
      raise InputError(
        f"`root` (={str(root)!r}): {min(twice)} is under {one} and under {other}; rename one, or leave out a root"
      )
  return by_root


def select_sequences(found: list[SequenceFiles], names: list[str], *, source: str = "`names`") -> list[SequenceFiles]:
  """Picks entries by name, in the order of `names`; a video's name ("otb/Jogging") picks all its targets.

  Raises:
    InputError: a name that is not there; the message lists them after `source`.
  """
  by_name: dict[str, list[SequenceFiles]] = {}
  for files in found:
    for name in {files.name, files.video}:
      by_name.setdefault(name, []).append(files)
  missing = [name for name in names if name not in by_name]
  if missing:
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise InputError(
      f"{source}: no sequence {', '.join(missing[:5])}{more} under the data root, which has {len(found)}"
      f" (like {found[0].name}); correct the names, or add the sequences"
    )
  return [files for name in names for files in by_name[name]]


def layout_named(name: str) -> Layout | None:
  """The layout of a sequence's name, like "otb/Girl"; None for a rendered one."""
  return next((layout for layout in LAYOUTS if name.startswith(f"{layout.name}/")), None)


def read_sequences(root: str | pathlib.Path, names: list[str] | None = None, *, on_error: str = "stop") -> ReadResult:
  """Reads the sequences under one or several data roots.

  Args:
    root: the data root, or several: "a,b".
    names: which, e.g. a side of load_split; None: all.
    on_error: "stop" or "skip"; see ground_truth.
  Returns:
    The sequences in order, and the Problems, whose summary() belongs in the log.
  Raises:
    InputError: a bad root or name; bad data under "stop"; under "skip", when nothing is left.
  """
  problems = Problems(on_error)
  found = find_sequences(root, problems)
  chosen = found if names is None else select_sequences(found, names)
  read = [(read_video if files.layout is VIDEOS else read_sequence)(files, problems) for files in chosen]
  sequences = [sequence for sequence in read if sequence is not None]
  if chosen and not sequences:
    raise InputError(f"no usable sequence under {root} ({problems.summary()}); first: {problems.lines[0]}")
  return ReadResult(sequences, problems)


def _find_under(root: pathlib.Path, problems: Problems) -> list[SequenceFiles]:
  """Every target under one root."""
  if not root.is_dir():
    raise InputError(f"`root` (={str(root)!r}): no such folder; name one that holds any of {layout_folders()}")
  places = [root / layout.name for layout in LAYOUTS if (root / layout.name).is_dir()] or [root]
  found = [files for place in places for folder in _folders(place, problems) for files in _targets(folder)]
  if not found:
    raise InputError(_nothing_found(root, places))
  by_name: dict[str, SequenceFiles] = {}
  for files in found:
    if (other := by_name.setdefault(files.name, files)) is not files:
      raise InputError(
        f"`root` (={str(root)!r}): {files.name} is {other.folder} and {files.folder}; rename one, or move it elsewhere"
      )
  return found


def _folders(place: pathlib.Path, problems: Problems) -> list[pathlib.Path]:
  """The sequences of one place: those of its list.txt, or all that lie in it, or else where a release has them."""
  if (place / "list.txt").is_file():
    return _listed(place, problems)
  for path in sorted(place.iterdir()) if place.name == VIDEOS.name else ():
    if problem := table_problem(path):
      problems.report("unusable sequence", problem)
  if here := [path for path in sorted(place.iterdir()) if _targets(path)]:
    return here
  for layout in telling():
    for pattern in layout.below:
      found = [path for path in sorted(place.glob(pattern)) if path.is_dir() and layout.targets(path)]
      parents = dict.fromkeys(path.parent for path in found)
      if found:
        lists = {parent: _listed(parent, problems) for parent in parents if (parent / "list.txt").is_file()}
        return [path for path in found if path.parent not in lists] + [
          path for paths in lists.values() for path in paths
        ]
  return []


def _listed(place: pathlib.Path, problems: Problems) -> list[pathlib.Path]:
  """The sequences that a place's list.txt names."""
  listing, folders = place / "list.txt", []
  for number, line in enumerate(listing.read_text("utf-8-sig", errors="replace").splitlines(), start=1):
    if not (name := line.strip()):
      continue
    if _is_below(name) and _targets(place / name):
      folders.append(place / name)
    else:
      problems.report("missing sequence", f"{listing}:{number}: {place / name[:60]} is no sequence of a known layout")
  return folders


def _is_below(name: str) -> bool:
  """Whether a name, of a file from elsewhere, is one that a folder can hold; and leads out of none."""
  path = pathlib.PurePath(name)
  return not path.is_absolute() and ".." not in path.parts and max(map(len, path.parts), default=0) < LONGEST_NAME


def _targets(path: pathlib.Path) -> list[SequenceFiles]:
  """The targets of one sequence by the first layout that it has, none if it is no sequence; a file may be a video."""
  for layout in telling() if path.is_dir() else (VIDEOS,):
    if targets := layout.targets(path):
      name = f"{layout.name}/{path.stem if path.is_file() else path.name}"
      return [SequenceFiles(f"{name}{number}", path, file, layout) for number, file in targets.items()]
  return []


def _nothing_found(root: pathlib.Path, places: list[pathlib.Path]) -> str:
  if _targets(root):
    return f"`root` (={str(root)!r}) is a single sequence; name the folder above it"
  signs = ", ".join(f"{layout.sign} ({layout.name})" for layout in LAYOUTS)
  looked = " and ".join(map(str, places))
  return (
    f"`root` (={str(root)!r}) holds no sequence: looked for {signs} in {looked};"
    f" name a folder that holds any of {layout_folders()}, or is one of them"
  )
