"""The pictures of a folder in the order of the numbers in their names, or a refusal that says what is in the way."""

import collections
import decimal
import pathlib
import re

from adadepth.errors import InputError
from adadepth.io.images import SUFFIXES

# A number with its decimals, behind a point or a comma: times in seconds are names too.
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
# Pictures that Pillow alone cannot read: left out in silence they would be gaps.
OTHER_PICTURES = (".heic", ".heif", ".jxl", ".exr", ".hdr", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw")

Numbers = tuple[decimal.Decimal, ...]


def pictures_in_order(folder: pathlib.Path, *, named: str) -> list[pathlib.Path]:
  """The pictures in a folder, by number: 2.jpg before 10.jpg, and 5.jpg, 5.04.jpg, 5.1.jpg by value.

  Names must be alike but for their numbers ("frame 1.JPG", "frame 2.webp"). A single picture has any name.

  Args:
    folder: hidden files in it, and those that are no pictures, are passed over.
    named: what to call it in the error.
  Raises:
    InputError: no picture; one of a kind that cannot be read here; names of several kinds, or without a number; two
      pictures of one number, such as frames and their masks; numbers whose order cannot be told.
  """
  files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
  if others := [path.name for path in files if path.suffix.lower() in OTHER_PICTURES]:
    raise InputError(f"{named} holds {_listed(others)}, which cannot be read here; write them as png or jpg")
  pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
  if not pictures:
    raise InputError(f"{named} holds no picture ({', '.join(SUFFIXES)}); name the folder that holds the frames")
  if len(pictures) == 1:
    return pictures
  _check_alike(pictures, named)
  by_numbers = collections.defaultdict(list)
  for path in pictures:
    by_numbers[_numbers(path)].append(path)
  for twins in by_numbers.values():
    if len(twins) > 1:
      raise _two_of_one_number([path.name for path in twins], named)
  _check_decimals(pictures, named)
  _check_columns(by_numbers, named)
  return [path for _, (path,) in sorted(by_numbers.items())]


def _check_alike(pictures: list[pathlib.Path], named: str) -> None:
  """Raises InputError for names that differ in more than their numbers: the fewer are called strays."""
  groups = collections.defaultdict(list)
  for path in pictures:
    groups[NUMBER.sub("#", path.stem).lower()].append(path.name)
  pattern, frames = max(groups.items(), key=lambda group: len(group[1]))
  if "#" not in pattern:
    raise InputError(f"{named} holds {_listed(frames)}, without a number in the name; number the frames")
  if strays := [path.name for path in pictures if path.name not in frames]:
    raise InputError(
      f"{named} holds {_listed(strays)} beside {len(frames)} pictures named like {frames[0]}; "
      "move what is no frame elsewhere"
    )


def _check_decimals(pictures: list[pathlib.Path], named: str) -> None:
  """Raises InputError where 5.10 may come after 5.9: times that are written without zeros at their ends have none."""
  columns = zip(*(NUMBER.findall(path.stem) for path in pictures), strict=True)
  for column in columns:
    decimals = [re.split("[.,]", number)[1] for number in column if re.search("[.,]", number)]
    uneven = len({len(digits) for digits in decimals}) > 1
    if uneven and any(digits.endswith("0") and len(digits) > 1 for digits in decimals):
      raise InputError(
        f"{named} holds pictures named with a point, such as {_listed([path.name for path in pictures])}: 5.10 may be "
        "before 5.9 or after it; give all numbers as many digits"
      )


def _check_columns(by_numbers: dict[Numbers, list[pathlib.Path]], named: str) -> None:
  """Raises InputError for names of two numbers where the second begins anew: two cameras, or frames and masks."""
  columns = [set(column) for column in zip(*by_numbers, strict=True)]
  if len(columns) == 2 and min(map(len, columns)) > 1 and len(columns[1]) < len(by_numbers):
    last = collections.defaultdict(list)
    for numbers, (path,) in by_numbers.items():
      last[numbers[-1]].append(path.name)
    raise _two_of_one_number(next(names for names in last.values() if len(names) > 1), named)


def _two_of_one_number(names: list[str], named: str) -> InputError:
  return InputError(
    f"{named} holds pictures of one number, {_listed(names)}; keep the frames, move the others elsewhere"
  )


def _numbers(path: pathlib.Path) -> Numbers:
  return tuple(decimal.Decimal(number.replace(",", ".")) for number in NUMBER.findall(path.stem))


def _listed(names: list[str]) -> str:
  more = f" and {len(names) - 3} more" if len(names) > 3 else ""
  return ", ".join(names[:3]) + more
