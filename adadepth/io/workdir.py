"""A run's folder: what may be written there, and where."""

import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterable, Iterator

from adadepth.errors import InputError
from adadepth.io.json_files import write_json
from adadepth.io.locks import lock
from adadepth.io.processes import is_first, wait_for_all
from adadepth.io.whole_files import RUN_LOCK, UNFINISHED, remove_unfinished, replacing

IDENTITY, PAGE = "identity.json", "report.html"
RESULTS = (
  "results.json",
  "table1.md",
  "trackers.md",
  "trackers.tex",
  PAGE,
  "*success.png",
  "*precision.png",
  "losses.png",
  "figure?.???",
)  # what is kept; patterns of `glob`


@contextlib.contextmanager
def alone_in(workdir: str | pathlib.Path) -> Iterator[None]:
  """Keeps other runs out of a workdir while the block runs; what killed runs have left unfinished there goes.

  The lock ends with this process, however that ends. A folder that the run left empty is not left behind.

  Raises:
    InputError: another run is in the workdir, or it cannot be made or written.
  """
  workdir = pathlib.Path(workdir)
  made = [folder for folder in (workdir, *workdir.parents) if not folder.exists()]
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    with lock(workdir / RUN_LOCK) as ours:
      if not ours:
        raise _in_use(workdir)
      remove_unfinished(workdir)
      yield
  finally:
    with contextlib.suppress(OSError):  # one that is not empty stays
      for folder in made:
        folder.rmdir()


def _in_use(workdir: pathlib.Path) -> InputError:
  try:
    holder = (workdir / RUN_LOCK).read_text().strip()
  except OSError:  # it has just ended
    holder = ""
  return InputError(
    f"`--workdir` (={workdir}) is in use by another run ({holder or 'a process'}): wait for it, or give another "
    "--workdir"
  )


def claim(workdir: str | pathlib.Path, identity: dict) -> pathlib.Path:
  """Makes the folder, or makes sure that what was trained there was trained by the same settings.

  Args:
    workdir: the run's folder.
    identity: the part of the config that decides what is trained.
  Raises:
    InputError: the folder holds a run of other settings; the message names the first that differs.
  """
  check_claim(workdir, identity)
  wait_for_all("check of the workdir")
  workdir = pathlib.Path(workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  if is_first():
    write_json(workdir / IDENTITY, identity)
  return workdir


def check_claim(workdir: str | pathlib.Path, identity: dict) -> None:
  """Raises InputError where `claim` would, and writes nothing."""
  path = pathlib.Path(workdir) / IDENTITY
  identity = json.loads(json.dumps(identity))
  earlier = json.loads(path.read_text()) if path.exists() else identity
  if earlier != identity:
    name, was, now = next(_differences(earlier, identity))
    raise InputError(
      f"`--workdir` (={workdir}) holds a run with config.{name} = {was!r}, not {now!r}: "
      "give another --workdir, or the settings it was begun with"
    )


def check_shared(workdir: str | pathlib.Path) -> None:
  """Raises InputError in a process that does not see what the first one writes to the workdir."""
  mark = pathlib.Path(workdir) / ".shared"
  if is_first():
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
  wait_for_all("mark in the workdir")
  seen = mark.exists()
  wait_for_all("look at the workdir")
  if is_first():
    mark.unlink()
  if not seen:
    raise InputError(f"`--workdir` (={workdir}) is not the first process's: give a folder that all processes share")


@contextlib.contextmanager
def all_or_none(workdir: str | pathlib.Path, *, older: Iterable[str] = ()) -> Iterator[pathlib.Path]:
  """A folder for the files of one run, which replace older ones in the workdir when the block ends well.

  After an error nothing of the run is left, and what was there before is as it was.

  Args:
    workdir: the run's folder.
    older: paths in it of an earlier run's files, which then go, replaced or not.
  Raises:
    InputError: a workdir that cannot be made or written, or a disk that is full.
  """
  workdir = pathlib.Path(workdir)
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=workdir) as folder:
      yield pathlib.Path(folder)
      _move_all(pathlib.Path(folder), workdir, older)
  except OSError as error:
    raise cannot_be_written(workdir, error) from error


def cannot_be_written(workdir: pathlib.Path, error: OSError) -> InputError:
  """The error in one line."""
  return InputError(
    f"`--workdir` (={workdir}) cannot be written ({error.strerror or error}); older results in it are as they were: "
    "make room, or name another folder"
  )


def _move_all(folder: pathlib.Path, workdir: pathlib.Path, older: Iterable[str]) -> None:
  files = files_under(folder)
  for name in files:  # what is in the way is found before the first is moved
    if (workdir / name).is_dir():
      raise IsADirectoryError(None, f"{workdir / name} is a folder")
    (workdir / name).parent.mkdir(parents=True, exist_ok=True)
  for name in files:
    (folder / name).replace(workdir / name)
  for path in (workdir / name for name in older if name not in files):
    if path.resolve().is_relative_to(workdir.resolve()):
      path.unlink(missing_ok=True)


def files_under(folder: pathlib.Path) -> list[str]:
  """The files of a folder and its folders, as relative paths."""
  return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _differences(a, b, prefix=""):
  if isinstance(a, dict) and isinstance(b, dict):
    for key in sorted(a.keys() | b.keys()):
      yield from _differences(a.get(key), b.get(key), f"{prefix}.{key}".lstrip("."))
  elif a != b:
    yield prefix, a, b


def put_aside(path: pathlib.Path) -> None:
  """Moves a file, if there is one, to a name with when it was written (ns since 1970)."""
  if path.exists():
    path.replace(path.with_name(f"{path.stem}.{path.stat().st_mtime_ns}{path.suffix}"))


def write_results(workdir: pathlib.Path, results: dict) -> pathlib.Path:
  """Writes results.json; older results and their figures stay beside it, with when (ns since 1970) in their names."""
  path = pathlib.Path(workdir) / "results.json"
  with replacing(path) as new:
    write_json(new, results)  # before older ones are moved: what cannot be written moves nothing
    if path.exists():
      written = path.stat().st_mtime_ns
      for old in [old for pattern in RESULTS for old in path.parent.glob(pattern)]:
        with contextlib.suppress(FileNotFoundError):  # another process that shares the comparison has moved it
          old.replace(old.with_name(f"{old.stem}.{written}{old.suffix}"))
  return path
