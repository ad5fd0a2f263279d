"""Tables that compare trackers."""

from adadepth.reports.tracker_tables import attribute_table, comparison_table, latex_table


def entries() -> dict:
  """Two trackers, the second without AO."""
  gap = {"mean": -0.1, "low": -0.2, "high": 0.05}
  one = {"success": 0.5, "ao": 0.4, "by_sequence": {"a": {}}, "attributes": {"blur": {"sequences": 2, "success": 0.3}}}
  other = one | {"success": 0.4, "ao": None}
  return {"ours": {"measures": one}, "k_cf": {"measures": other, "minus_first": {"success": gap, "ao": None}}}


def test_scores_and_intervals_stand_in_markdown():
  table = comparison_table(entries(), ("success", "ao"), ("success", "ao"))
  assert "| ours | 0.500 | 0.400 |" in table and "| k_cf | 0.400 | - |" in table
  assert "| k_cf | -0.100 [-0.200, +0.050] | - |" in table


def test_one_tracker_has_nothing_to_be_compared_with():
  alone = {"ours": entries()["ours"]}
  assert "95 %" not in comparison_table(alone, ("success",), ("success",))


def test_the_best_of_a_column_is_bold_in_latex_and_names_are_escaped():
  table = latex_table(entries(), ("success", "ao"))
  assert r"ours & \textbf{0.500} & \textbf{0.400} \\" in table
  assert r"k\_cf & 0.400 & - \\" in table


def test_of_failures_the_fewest_are_best():
  few, many = ({"robustness": n, "by_sequence": {"a": {"failures": n}}} for n in (1.0, 2.0))
  table = latex_table({"a": {"measures": many}, "b": {"measures": few}}, ("robustness",))
  assert r"b & \textbf{1.000}" in table and r"a & 2.000" in table


def test_attributes_are_a_row_each():
  assert "| blur | 2 | 0.300 | 0.300 |" in attribute_table(entries())
  assert attribute_table({"ours": {"measures": {}}}) == ""
