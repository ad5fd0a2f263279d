"""Data sets as they lie on disk: one file a layout, and what reads them from any data root."""

from adadepth.data.layouts.ground_truth import SequenceFiles
from adadepth.data.layouts.roots import (
  LAYOUTS,
  find_sequences,
  layout_folders,
  layout_named,
  read_sequences,
  roots_of,
  select_sequences,
  sequences_by_root,
)

__all__ = [
  "LAYOUTS",
  "SequenceFiles",
  "find_sequences",
  "layout_folders",
  "layout_named",
  "read_sequences",
  "roots_of",
  "select_sequences",
  "sequences_by_root",
]
