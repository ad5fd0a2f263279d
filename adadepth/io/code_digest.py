"""What stands for code in the keys of what is kept: other code, another key."""

import functools
import hashlib
import importlib.metadata
import inspect
import pathlib
from collections.abc import Callable


@functools.cache
def digest_of_code(rooms: tuple[str, ...], packages: tuple[str, ...] = ()) -> str:
  """A digest of every module in some rooms of adadepth, and of the versions of packages, or that they are not there."""
  home, digest = pathlib.Path(__file__).parents[1], hashlib.sha256()
  for room in rooms:
    for path in sorted((home / room).rglob("*.py")):
      digest.update(path.relative_to(home).as_posix().encode() + path.read_bytes())
  for name in packages:
    try:
      digest.update(f"{name} {importlib.metadata.version(name)}".encode())
    except importlib.metadata.PackageNotFoundError:
      digest.update(f"no {name}".encode())
  return digest.hexdigest()


def digest_of_function(function: Callable) -> str:
  """A digest of the files that a function and those it is bound to are in (`functools.partial`); "" of adadepth's."""
  home, files, left = pathlib.Path(__file__).parents[1], set(), [function]
  while left:
    one = left.pop()
    if isinstance(one, functools.partial):
      left += [one.func, *filter(callable, (*one.args, *one.keywords.values()))]
    elif code := getattr(inspect.unwrap(one), "__code__", None):
      files.add(pathlib.Path(code.co_filename))
  own = sorted(path for path in files if not path.is_relative_to(home))
  digest = hashlib.sha256()
  for path in own:
    digest.update(path.read_bytes() if path.is_file() else str(path).encode())
  return digest.hexdigest() if own else ""
