"""Large buffers stay with the process between calls."""

import subprocess
import sys

import pytest

# A process of its own: an allocation that fails, as some tests' do, moves its thread to another of glibc's arenas,
# which maps every buffer of 64 MiB anew.
REPEATED = """
import resource
import numpy as np
from adadepth.io.allocator import keep_freed_memory
keep_freed_memory()
for _ in range(2):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  np.ones(2**24, np.float32)  # 64 MiB: over what glibc maps anew by default
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_large_buffer_asked_for_again_costs_no_new_pages():
  faults = int(subprocess.run([sys.executable, "-c", REPEATED], capture_output=True, text=True, check=True).stdout)
  assert faults < 16  # of 16384 pages of 4 KiB, or of 32 huge ones, which NumPy may ask for
