"""Which sequences a job gets."""

import collections

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.data.sources import SEQUENCES_A_PHOTO, Source, balanced
from adadepth.errors import InputError


def source(**changes) -> Source:
  return Source(
    **({"root": "", "split": "", "on_error": "stop", "rendered": (2, 1, 3), "hardest": 1.0, "seed": 0} | changes)
  )


def test_without_a_root_every_side_is_rendered():
  found = source().read()
  assert {side: len(sequences) for side, sequences in found.items()} == {"train": 2, "dev": 1, "test": 3}
  assert source().training(found["train"]) == found["train"]


def test_with_a_root_every_side_is_real(shared):
  real = source(root=str(shared / "data"), rendered=(3, 1, 1))
  found = real.read()
  assert {side: len(sequences) for side, sequences in found.items()} == {"train": 15, "dev": 6, "test": 8}
  assert len(real.training(found["train"])) == 30


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"photos": "/no/such"}, r"`photos` \(='/no/such'\) is no folder"),
    ({"root": "/no/such"}, r"`config\.data\.root` \(='/no/such'\): no such folder"),
    ({"rendered": (2, 0, 1)}, r"`config\.data\.rendered` \(=\(2, 0, 1\)\) leaves dev empty"),
  ],
)
def test_nothing_to_read_is_said_before_work_starts(changes, message):
  with pytest.raises(InputError, match=message):
    source(**changes).read()


def test_the_missing_one_of_several_roots_is_named(tmp_path):
  with pytest.raises(InputError, match=r"`config\.data\.root` \(='/no/such'\): no such folder"):
    source(root=f"{tmp_path},/no/such").read()


def test_every_side_joins_those_of_several_roots(shared, wide):
  found = source(root=f"{shared / 'data'},{wide}").read()
  assert {side: len(sequences) for side, sequences in found.items()} == {"train": 50, "dev": 18, "test": 28}


def test_an_empty_side_is_named(tmp_path, shared):
  split = tmp_path / "split.json"
  split.write_text('{"train": ["vot/bag"], "test": ["vot/ball2"]}')
  with pytest.raises(InputError, match=r"`config\.data\.split` \(=.*\) leaves dev empty"):
    source(root=str(shared / "data"), split=str(split)).read()


def test_with_photos_a_third_is_views_of_them(shared, wide):
  mixed = source(root=str(shared / "data"), rendered=(3, 1, 1), photos=str(wide / "photos" / "davis"))
  drawn = mixed.training(mixed.read(("train",))["train"])
  kinds = collections.Counter(sequence.name.partition("/")[0] for sequence in drawn)
  assert kinds["photo"] == SEQUENCES_A_PHOTO * 51
  assert all(abs(count / len(drawn) - 1 / 3) < 0.02 for count in (kinds["photo"], kinds["rendered"]))


def test_balanced_repeats_the_fewer():
  frames, boxes = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 4), np.float32)
  sequences = [Sequence(f"vot/{index}", frames, boxes) for index in range(7)]
  many, few = sequences[:5], sequences[5:]
  assert len(balanced(many, few)) == len(balanced(few, many)) == 5 + 4
  assert len(balanced(many, few, few[:1])) == 5 + 4 + 5
  assert balanced(many, []) == many and balanced([], few) == few
