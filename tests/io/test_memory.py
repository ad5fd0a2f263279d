"""Memory that ran out is known, whoever tells it."""

import errno

import jax.numpy as jnp
import numpy as np
import pytest
from jax.errors import JaxRuntimeError

from adadepth.io.memory import is_out_of_memory

BEYOND = 1 << 50  # more than there are addresses


@pytest.mark.parametrize("ones", [np.ones, jnp.ones])
def test_arrays_that_no_memory_holds(ones):
  with pytest.raises((MemoryError, JaxRuntimeError)) as caught:
    ones(BEYOND)
  assert is_out_of_memory(caught.value)


def test_the_system_may_tell_it_too():
  assert is_out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))


@pytest.mark.parametrize(
  "error",
  [
    OSError(errno.ENOSPC, "No space left on device"),
    JaxRuntimeError("INTERNAL: Failed to allocate"),
    ValueError("RESOURCE_EXHAUSTED: No space left on device"),
  ],
)
def test_other_things_that_run_out_are_not_memory(error):
  assert not is_out_of_memory(error)
