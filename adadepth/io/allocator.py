"""The allocator's settings for programs that ask for the same large buffers again and again."""

import ctypes
import sys

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # the names of glibc's mallopt(3)
LARGE_BYTES = 2**30


def keep_freed_memory() -> None:
  """Lets glibc reuse what XLA frees after each frame, up to 1 GiB a buffer, instead of returning it to the system.

  XLA asks for all of a program's scratch memory at each call. By default glibc maps what is over 32 MiB anew, and a
  page that is touched for the first time costs about as much as computing what is written there. Does nothing
  where there is no glibc. It is a setting of the whole process, so that the program calls it and never the library.
  """
  if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
    libc.mallopt(MMAP_THRESHOLD, LARGE_BYTES)
    libc.mallopt(TRIM_THRESHOLD, LARGE_BYTES)
