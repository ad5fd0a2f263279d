"""Memory that ran out, as the libraries tell it."""

import errno
import sys


def is_out_of_memory(error: BaseException) -> bool:
  """Whether an error says that the machine, or a device, has no more memory: Python's, NumPy's, the system's, JAX's."""
  if isinstance(error, OSError):
    return error.errno == errno.ENOMEM
  jax = sys.modules.get("jax")  # who has not imported it has no errors of it
  exhausted = jax is not None and isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
  return isinstance(error, MemoryError) or exhausted
