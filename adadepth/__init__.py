"""Adaptive-depth computational policies for visual tracking, in JAX."""

import importlib

_PUBLIC = {
  "Tracker": "adadepth.tracking.tracker",
  "FirstBox": "adadepth.io.first_boxes",
  "follow_all": "adadepth.tracking.targets",
  "OpenCVTracker": "adadepth.tracking.adapters",
  "GOT10kTracker": "adadepth.tracking.adapters",
  "Architecture": "adadepth.models.architecture",
  "InputError": "adadepth.errors",
  "enable_compilation_cache": "adadepth.io.compilation",
  "keep_freed_memory": "adadepth.io.allocator",
  "load_model": "adadepth.models.model",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str):
  """Imports a public name when it is first asked for, so that `import adadepth` costs nothing."""
  if name not in _PUBLIC:
    raise AttributeError(f"module 'adadepth' has no attribute {name!r}")
  return getattr(importlib.import_module(_PUBLIC[name]), name)
