"""One process waits for nobody and is the first; what cannot join is told in a line. Two are in tests/distributed."""

import pytest

from adadepth.errors import InputError
from adadepth.io.processes import alone, from_first, is_first, join, share, wait_for_all
from adadepth.io.workdir import check_shared


def test_without_a_coordinator_there_is_one_process():
  join("", processes=1, process=0, heartbeat_s=30)
  assert alone() and is_first()
  wait_for_all("nobody")


def test_one_process_does_all(tmp_path):
  assert share(range(5)) == range(5)
  assert from_first(lambda: {"a": (1, 2)}) == {"a": (1, 2)}
  check_shared(tmp_path / "new")
  assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(("processes", "process"), [(1, 1), (2, -1), (0, 0)])
def test_a_place_that_there_is_not_is_refused(processes, process):
  with pytest.raises(InputError, match=r"`config.distributed.process` \(=-?\d\) must be at least 0 and below"):
    join("localhost:1", processes=processes, process=process, heartbeat_s=30)


def test_a_coordinator_without_a_port_is_refused():
  with pytest.raises(InputError, match=r"\(='localhost'\) must be host:port of process 0, or 'auto'"):
    join("localhost", processes=1, process=0, heartbeat_s=30)
