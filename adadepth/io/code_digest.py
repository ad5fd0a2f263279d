"""What stands for code in the keys of what is kept: other code, another key."""

import functools
import hashlib
import importlib.metadata
import pathlib


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
