"""Strict settings for every test (adapted from equinox): surprises are errors."""

import os
import pathlib

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")

from jaxtyping import install_import_hook

# Shapes and dtypes in annotations are checked here and cost nothing at run time.
install_import_hook("adadepth", "beartype.beartype")

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
  """The folder of real data and weights beside the checkout; tests that use it skip where it is absent."""
  if not (SHARED / "data").is_dir():
    pytest.skip(f"no real data at {SHARED}")
  return SHARED
