"""What JSON cannot hold is refused by its place, before a file is touched."""

import json
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.io.json_files import write_json


def test_json_holds_numpy_and_jax_values_as_plain_ones(tmp_path):
  value = {
    "a": np.float32(0.5),
    "b": [np.int64(3), np.bool_(True), None, "é"],
    "c": np.arange(4).reshape(2, 2),
    "d": jnp.array([0.25, 0.5]),
    "e": {"f": (1, 2.5), "path": pathlib.Path("x/y")},
  }
  write_json(tmp_path / "new" / "results.json", value)
  assert json.loads((tmp_path / "new" / "results.json").read_text(encoding="utf-8")) == {
    "a": 0.5,
    "b": [3, True, None, "é"],
    "c": [[0, 1], [2, 3]],
    "d": [0.25, 0.5],
    "e": {"f": [1, 2.5], "path": "x/y"},
  }
  assert [p.name for p in (tmp_path / "new").iterdir()] == ["results.json"]


@pytest.mark.parametrize(
  ("value", "message"),
  [
    ({"pairs": {"hard": [{}, {"iou@25": np.float32(np.nan)}]}}, r"^pairs\.hard\[1\]\.iou@25 is nan"),
    ({"x": np.array([1.0, np.inf])}, r"^x\[1\] is inf"),
    (float("-inf"), "^the value is -inf"),
  ],
)
def test_json_refuses_what_is_not_finite_and_says_where(tmp_path, value, message: str):
  (tmp_path / "results.json").write_text("older")
  with pytest.raises(ValueError, match=message):
    write_json(tmp_path / "results.json", value)
  assert (tmp_path / "results.json").read_text() == "older"


@pytest.mark.parametrize(
  ("value", "message"), [({"a": {1, 2}}, r"^a \(=\{1, 2\}\) is a set"), ({"a": {3: 1}}, "^a key of a is 3")]
)
def test_json_refuses_what_it_cannot_hold(tmp_path, value, message: str):
  with pytest.raises(TypeError, match=message):
    write_json(tmp_path / "results.json", value)
