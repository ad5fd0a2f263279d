"""Files that are whole or not there: written under another name in the same folder, then renamed."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator

from adadepth.io.locks import lock

RUN_LOCK = ".lock"  # of a run, in its folder
UNFINISHED = ".unfinished-"  # how the names of files and folders begin that are not whole
DEPTHS = ("", "*/", "*/*/")  # of a run's folders in which such are looked for


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
  """A name for a new file, which takes the place of `path` when the block ends well; else all is as it was.

  Args:
    path: the file; its folder is made where missing. The name given has the same suffix.
  """
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.name}")
  try:
    yield partial
    partial.replace(path)
  finally:
    partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes a text file, UTF-8, whole or not at all."""
  with replacing(path) as partial:
    partial.write_text(text, encoding="utf-8")


def remove_unfinished(folder: pathlib.Path) -> None:
  """Removes what killed runs have left in a run's folder, but nothing of a run that is at work in a folder below."""
  for path in [path for depth in DEPTHS for path in folder.glob(f"{depth}{UNFINISHED}*")]:
    if _is_anothers(path, folder):
      continue
    if path.is_dir() and not path.is_symlink():
      shutil.rmtree(path, ignore_errors=True)
    else:
      path.unlink(missing_ok=True)


def _is_anothers(path: pathlib.Path, folder: pathlib.Path) -> bool:
  """Whether a folder on the way down to it is the workdir of another run, which has its lock."""
  for parent in path.relative_to(folder).parents:
    if parent.parts and (held := folder / parent / RUN_LOCK).exists():
      with lock(held) as ours:
        if not ours:
          return True
  return False
