"""GOT-10k: its sides, its list, and frames that its measures leave out."""

import numpy as np
from small_roots import GOOD, write_got10k

from adadepth.data.layouts import find_sequences, read_sequences


def test_boxes_stand_as_they_are_and_hidden_targets_are_absent(tmp_path):
  write_got10k(tmp_path / "val" / "GOT-10k_Val_000001", [GOOD] * 4, absence="0100", cover="8003")
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh[0], [3, 4, 10, 8])
  assert np.isnan(sequence.boxes_xywh).all(axis=1).tolist() == [False, True, True, False]
  assert (sequence.name, problems.summary()) == ("got10k/GOT-10k_Val_000001", "")


def test_the_list_of_a_side_says_what_counts(tmp_path):
  for name in "abc":
    write_got10k(tmp_path / "val" / name, [GOOD], absence="0", cover="8")
  (tmp_path / "val" / "list.txt").write_text("c\na\n")
  for root in (tmp_path, tmp_path / "val"):
    assert [files.name for files in find_sequences(root)] == ["got10k/c", "got10k/a"]
