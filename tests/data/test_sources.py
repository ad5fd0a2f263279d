"""Which sequences a job gets."""

import pytest

from adadepth.data.sources import Source, balanced
from adadepth.errors import InputError


def source(**changes) -> Source:
  return Source(**({"root": "", "split": "", "on_error": "stop", "rendered": (2, 1, 3), "seed": 0} | changes))


def test_without_a_root_every_side_is_rendered():
  assert [len(source().sequences(side)) for side in ("train", "dev", "test")] == [2, 1, 3]
  assert source().real("train") == []


def test_with_a_root_every_side_is_real(shared):
  real = source(root=str(shared / "data"))
  assert [len(real.sequences(side)) for side in ("train", "dev", "test")] == [15, 6, 8]
  assert len(real.rendered_train()) == 2


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"root": "/no/such"}, r"`config\.data\.root` \(='/no/such'\): no such folder"),
    ({"rendered": (2, 0, 1)}, r"`config\.data\.rendered` \(=\(2, 0, 1\)\) leaves a split empty"),
  ],
)
def test_nothing_to_read_is_said_before_work_starts(changes, message):
  with pytest.raises(InputError, match=message):
    source(**changes).check()


def test_an_empty_side_is_named(tmp_path, shared):
  split = tmp_path / "split.json"
  split.write_text('{"train": ["vot/bag"], "test": ["vot/ball2"]}')
  with pytest.raises(InputError, match="leaves no dev sequence"):
    source(root=str(shared / "data"), split=str(split)).sequences("dev")


def test_balanced_repeats_the_fewer():
  many, few = source(rendered=(5, 1, 1)).sequences("train"), source(rendered=(2, 1, 1), seed=1).sequences("train")
  assert len(balanced(many, few)) == len(balanced(few, many)) == 5 + 4
  assert balanced(many, []) == many and balanced([], few) == few
