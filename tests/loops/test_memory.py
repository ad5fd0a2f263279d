"""Large buffers stay with the process between calls."""

import resource
import sys

import numpy as np
import pytest

from adadepth.loops.memory import keep_freed_memory


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_large_buffer_asked_for_again_costs_no_new_pages():
  keep_freed_memory()
  faults = []
  for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24, np.float32)  # 64 MiB: over what glibc maps anew by default
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
  # 16384 pages of 4 KiB; NumPy may ask for huge ones, of which there would be 32. Other threads add some of theirs.
  assert min(faults) < 16
