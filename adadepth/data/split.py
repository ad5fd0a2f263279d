"""Which sequences train, which choose hyper-parameters (dev), and which are reported once (test)."""

import json
import pathlib

from adadepth.data.layouts import SequenceFiles, select_sequences, sequences_by_root
from adadepth.data.problems import Problems
from adadepth.errors import InputError

SIDES = ("train", "dev", "test")
Split = dict[str, list[SequenceFiles]]
# The paper's test titles of VOT2016, as its published code has them; it trains on the other 46.
VOT2016_TEST = (
  *("vot/ball2", "vot/birds2", "vot/bolt2", "vot/car2", "vot/fish3", "vot/fish4", "vot/gymnastics3"),
  *("vot/gymnastics4", "vot/handball2", "vot/iceskater2", "vot/motocross2", "vot/pedestrian2"),
  *("vot/singer3", "vot/soccer2"),
)
# Ours: held out of those 46, since thresholds may be chosen neither on train nor on test. One of each kind
# of target (thing, face, person, vehicle, animal), and no title with a sibling in the test list but one.
VOT2016_DEV = (
  *("vot/blanket", "vot/crossing", "vot/girl", "vot/helicopter", "vot/pedestrian1", "vot/racing"),
  *("vot/sheep", "vot/tiger"),
)


def load_split(
  root: str | pathlib.Path, path: str | pathlib.Path = "", *, on_error: str = "stop"
) -> dict[str, list[str]]:
  """Returns the names of the targets on each side, for read_sequences.

  In this order: the JSON file `path`; `<root>/split.json`; the paper's VOT2016 split where the root holds
  all of its 14 test titles (dev is eight of its 46 training titles, and what is not VOT is left out);
  otherwise every sequence is "test", so that a folder never seen before can be evaluated as it is.
  To train on all 46 as the paper does, give a file with those and an empty "dev". Of several roots, `path`
  sorts the sequences of all; without it each root is split on its own, and their sides are joined.

  A split file is `{"train": [names], "dev": [names], "test": [names]}`; a side may be absent. The name of a
  video with several targets ("otb/Jogging") stands for all of them.

  Args:
    root: the data root, or several: "a,b".
    path: a split file, or "".
    on_error: what to do about a list.txt that names sequences which are not there: "stop" or "skip".
  Returns:
    {"train": names, "dev": names, "test": names}, a target at most once.
  Raises:
    InputError: a bad root; a file that is missing or no such JSON; a name that is not under the root, or under
      two; a video on two sides.
  """
  by_root = sequences_by_root(root, Problems(on_error))
  if path:
    return _names(_split_by(pathlib.Path(path), [files for _, found in by_root for files in found]))
  splits = [_own_split(one, found) for one, found in by_root]
  joined = {side: [files for split in splits for files in split[side]] for side in SIDES}
  return _names(_check_apart(joined, f"data roots {root}"))


def _own_split(root: pathlib.Path, found: list[SequenceFiles]) -> Split:
  """One root's split without a file from elsewhere."""
  if (root / "split.json").is_file():
    return _split_by(root / "split.json", found)
  if set(VOT2016_TEST) <= {files.name for files in found}:
    return _vot2016_split(found)
  return {"train": [], "dev": [], "test": found}


def _vot2016_split(found: list[SequenceFiles]) -> Split:
  held_out = {"dev": VOT2016_DEV, "test": VOT2016_TEST}
  split = {side: [files for files in found if files.name in titles] for side, titles in held_out.items()}
  rest = [files for files in found if files.name.startswith("vot/") and files.name not in VOT2016_DEV + VOT2016_TEST]
  return {"train": rest, **split}


def _split_by(file: pathlib.Path, found: list[SequenceFiles]) -> Split:
  """The targets behind a split file's names, each once."""
  source = f"split file {file}"
  split = {
    side: list(dict.fromkeys(select_sequences(found, names, source=f"{source}, {side}")))
    for side, names in _read_split_file(file).items()
  }
  return _check_apart(split, source)


def _read_split_file(file: pathlib.Path) -> dict[str, list[str]]:
  try:
    split = json.loads(file.read_text("utf-8"))
  except OSError as error:
    raise InputError(f"split file {file}: {error.strerror}; name a JSON file, or none") from error
  except (ValueError, RecursionError) as error:
    raise InputError(f"split file {file}: not JSON ({error}); see load_split for its form") from error
  if not isinstance(split, dict) or not all(_is_side(side, names) for side, names in split.items()):
    raise InputError(f'split file {file}: must be {{"train": [names], "dev": [names], "test": [names]}}')
  return {side: split.get(side, []) for side in SIDES}


def _is_side(side: str, names: object) -> bool:
  return side in SIDES and isinstance(names, list) and all(isinstance(name, str) for name in names)


def _check_apart(split: Split, source: str) -> Split:
  """Returns the split, once no video is on two sides."""
  side_of: dict[str, str] = {}
  for side, targets in split.items():
    for files in targets:
      if side_of.setdefault(files.video, side) != side:
        raise InputError(
          f"{source}: {files.video} is in {side_of[files.video]} and in {side};"
          " keep a video, with all its targets, on one side"
        )
  return split


def _names(split: Split) -> dict[str, list[str]]:
  return {side: [files.name for files in targets] for side, targets in split.items()}
