"""Compiled programs are kept on disk, so that a second start does not compile again."""

import os
import pathlib

import jax

from adadepth.io.cache_folder import cache_folder


def enable_compilation_cache(folder: str | os.PathLike | None = None) -> pathlib.Path:
  """Keeps every program that JAX compiles from now on, however small or quick to compile; the command does so.

  JAX's own settings go first: JAX_COMPILATION_CACHE_DIR names another folder, JAX_ENABLE_COMPILATION_CACHE=false
  turns it off. What lies in the folder is run as it is, so that only you should be able to write there.

  Args:
    folder: made where missing; None is "xla" in `cache_folder`.
  Returns:
    The folder in use.
  """
  chosen = pathlib.Path(folder or jax.config.jax_compilation_cache_dir or cache_folder("xla"))
  jax.config.update("jax_compilation_cache_dir", str(chosen))
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
  return chosen
