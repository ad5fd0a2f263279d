"""The second set of real data, which lies beside the first."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def wide(shared) -> pathlib.Path:
  """The root of the wide set; tests that use it skip where it is absent."""
  if not (shared / "wide").is_dir():
    pytest.skip(f"no real data at {shared / 'wide'}")
  return shared / "wide"
