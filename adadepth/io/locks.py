"""Locks that the system holds for a process: one that died holds none, whatever it has left behind."""

import contextlib
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def lock(path: pathlib.Path) -> Iterator[bool]:
  """Whether no other process holds this lock, which then is ours until the block, or the process, ends.

  Args:
    path: of a file that is there while the lock is held, and says who holds it.
  Raises:
    OSError: the file cannot be made, or its file system has no locks.
  """
  while (descriptor := _taken(path)) is not None and not _is_at(path, descriptor):
    os.close(descriptor)  # its holder has just removed it
  if descriptor is None:
    yield False
    return
  os.truncate(descriptor, 0)
  os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
  try:
    yield True
  finally:
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _taken(path: pathlib.Path) -> int | None:
  """The file with its lock; None where another has it."""
  descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    os.close(descriptor)
    return None
  except OSError as error:
    os.close(descriptor)
    raise OSError(error.errno, f"no locks: {error.strerror}", str(path)) from error
  return descriptor


def _is_at(path: pathlib.Path, descriptor: int) -> bool:
  try:
    return os.path.samestat(os.stat(path), os.fstat(descriptor))
  except FileNotFoundError:
    return False
