"""Named streams of random numbers, so that no two uses of one seed draw the same."""

import zlib

import jax
import numpy as np


def named_stream(key: jax.Array, name: str) -> jax.Array:
  """The key of a stream: `key` folded with its name."""
  return jax.random.fold_in(key, zlib.crc32(name.encode()))


def named_generator(seed: int, name: str, *index: int) -> np.random.Generator:
  """NumPy's generator of a stream, and of an item in it."""
  return np.random.default_rng([seed, zlib.crc32(name.encode()), *index])
