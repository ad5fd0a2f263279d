"""Where this package keeps what it makes once."""

import os
import pathlib


def cache_folder(kind: str) -> pathlib.Path:
  """adadepth/<kind> in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache)."""
  return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "adadepth" / kind
