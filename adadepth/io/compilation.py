"""Compiled programs are kept on disk, so that a second start does not compile again."""

import os
import pathlib
import stat
import sys

import jax

from adadepth.io.cache_folder import cache_folder


def enable_compilation_cache(folder: str | os.PathLike | None = None) -> pathlib.Path | None:
  """Keeps every program that JAX compiles from now on, however small or quick to compile; the command does so.

  JAX's own settings go first: JAX_COMPILATION_CACHE_DIR names another folder, JAX_ENABLE_COMPILATION_CACHE=false
  turns it off. What lies in the folder is run as it is: one that others may write to is not used, and a line on stderr
  says so.

  Args:
    folder: made where missing, for its owner alone; None is "xla" in `cache_folder`.
  Returns:
    The folder in use; None where it is not used.
  """
  chosen = pathlib.Path(folder or jax.config.jax_compilation_cache_dir or cache_folder("xla"))
  if problem := why_not_ours(chosen):
    print(f"compiled programs are not kept: {chosen} {problem}", file=sys.stderr)
    jax.config.update("jax_compilation_cache_dir", None)
    return None
  jax.config.update("jax_compilation_cache_dir", str(chosen))
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
  return chosen


def why_not_ours(folder: pathlib.Path) -> str:
  """Why a folder, made where missing, is not the user's own; "" where it is.

  Neither it nor a folder above may be another user's (but root's), or one that others may write to, unless they may
  only add to it (the sticky bit, as /tmp has it).
  """
  try:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    places = [folder.resolve(), *folder.resolve().parents]
    found = [(place, place.stat()) for place in places]
  except OSError as error:
    return f"cannot be made ({error.strerror})"
  for place, status in found:
    owners = (os.getuid(),) if place == places[0] else (os.getuid(), 0)
    sticky = status.st_mode & stat.S_ISVTX and place != places[0]
    if status.st_uid not in owners:
      return "is another user's" if place == places[0] else f"lies in {place}, which is another user's"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
      whose = "can" if place == places[0] else f"lies in {place}, which can"
      return f"{whose} be written to by others (chmod go-w mends it)"
  return ""
