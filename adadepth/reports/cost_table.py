"""Table 1: FLOPs and time of each policy relative to xcorr1, by theory, by XLA and by the clock, beside the printed."""

from collections.abc import Mapping

from adadepth.evaluation.costs import pair_costs
from adadepth.models.architecture import Architecture
from adadepth.models.flops import fixed_flops, soft_flops
from adadepth.tracking.policies import FIXED

PRINTED_GFLOPS = (2.78, 67.70, 160.75, 253.79, 280.37, 280.53)
PRINTED_RATIOS = (1.00, 2.43, 5.78, 9.12, 10.07, 10.08)
PRINTED_CROPS = {"keys": 2, "searches": 5}  # their theory is what is printed

Times = Mapping[str, Mapping[str, float]]

NOTES = """
- **Erratum.** The printed 2.78 contradicts its own ratio column: 67.70 / 2.43 = 27.86. It is 27.83 with its decimal
  point slipped. Never use 2.78: it makes an exit at depth 1 look ten times cheaper than it is.
- **Theory** counts 2 FLOPs per multiply-add at every position, padding included. Its ratios do not depend on the
  crop's size, up to the correlations (under 0.1 %).
- **2 keys, 5 searches** is the theory of so many crops of 128 and 256 px, with five correlations, on the paper's
  network. It meets every printed figure to its last digit, but for 160.75, and gives 27.83 for xcorr1: that, it seems,
  is what was summed. No other numbers of such crops meet them, and no pair of larger crops with sides that are
  multiples of the stride.
- **XLA** (`cost_analysis` of each policy's own program) leaves out the taps that fall in the padding. A map at stride
  16 has a larger share of border than one at stride 1, so its count is lower at depth, and so are its ratios. It also
  counts pooling, whitening, scaling, the gates' features and what reads the box.
- **Hard gating** varies with what it sees: sum_k P(stop = k) * F_k, F_k from the program that stops at k. It is never
  read off the gated program, because XLA counts a `cond` as its dearest branch.
"""
TIME_NOTE = """\
- **Time** is of a tracking step from a decoded frame to its box, the key's features kept, over xcorr1's in the same
  round: the median of the rounds (and their quartiles). Hard gating is made to exit at each depth by gates that
  ignore what they see. The paper saw 57 FPS for xcorr1 and 38 for xcorr5, a ratio of 1.5.
"""


def table1_rows(arch: Architecture, times: Times) -> list[dict]:
  """The rows of results.json; ratios are to xcorr1.

  Args:
    times: `over_xcorr1` of some policies; the time of others is None.
  """
  theory = [*(fixed_flops(arch) / 1e9), soft_flops(arch) / 1e9]
  paper = Architecture()
  summed = [*(fixed_flops(paper, **PRINTED_CROPS) / 1e9), soft_flops(paper, **PRINTED_CROPS) / 1e9]
  costs = pair_costs(arch)
  xla = [*costs.fixed_gflops, costs.soft_gflops]
  return [
    {
      "policy": name,
      "gflops_theory": float(t),
      "gflops_xla": float(x),
      "ratio_theory": float(t / theory[0]),
      "ratio_xla": float(x / xla[0]),
      "ratio_time": times.get(name),
      "gflops_2_keys_5_searches": float(s),
    }
    for name, t, x, s in zip((*FIXED, "soft"), theory, xla, summed, strict=True)
  ]


def hard_rows(arch: Architecture, times: Times) -> list[dict]:
  """What a gated run costs if it stops at each depth, in XLA's count and by the clock."""
  costs = pair_costs(arch)
  return [
    {
      "policy": f"hard, stops at {name}",
      "gflops_xla": float(cost),
      "ratio_xla": float(cost / costs.fixed_gflops[0]),
      "ratio_time": times.get(f"hard_{name}"),
    }
    for name, cost in zip(FIXED, costs.cascade_gflops, strict=True)
  ]


def table1_markdown(arch: Architecture, times: Times) -> str:
  """Table 1 for people."""
  lines = [
    f"# Table 1: GFLOPs per key-search pair, crops of {arch.template_px} and {arch.search_px} px, width {arch.width:g}",
    "",
    "| policy | theory | ratio | XLA | ratio | time, ratio | printed | printed ratio | 2 keys, 5 searches |",
    "| --- " * 9 + "|",
  ]
  printed = zip(PRINTED_GFLOPS, PRINTED_RATIOS, strict=True)
  for row, (gflops, ratio) in zip(table1_rows(arch, times), printed, strict=True):
    ours = f"{row['gflops_theory']:.3f} | {row['ratio_theory']:.2f} | {row['gflops_xla']:.3f} | {row['ratio_xla']:.2f}"
    mark = " (erratum: 27.83)" if row["policy"] == "xcorr1" else ""
    theirs = f"{gflops:.2f}{mark} | {ratio:.2f} | {row['gflops_2_keys_5_searches']:.2f}"
    lines.append(f"| {row['policy']} | {ours} | {_time(row)} | {theirs} |")
  for row in hard_rows(arch, times):
    counted = f"{row['gflops_xla']:.3f} | {row['ratio_xla']:.2f}"
    lines.append(f"| {row['policy']} | | | {counted} | {_time(row)} | varies | | |")
  if arch != Architecture():
    lines += ["", "The last three columns are of the paper's own network, which `configs/table1.py` counts."]
  return "\n".join(lines) + "\n" + NOTES + (TIME_NOTE if times else "")


def _time(row: dict) -> str:
  time = row["ratio_time"]
  return "" if time is None else f"{time['median']:.2f} ({time['low']:.2f} to {time['high']:.2f})"
