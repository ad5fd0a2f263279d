"""Table 1: FLOPs per key-search pair by policy, by theory and by XLA, beside the printed figures."""

import pathlib

from ml_collections import ConfigDict

from adadepth.io.workdir import write_results
from adadepth.io.writers import run_record
from adadepth.loops.from_config import architecture_of
from adadepth.maths.architecture import DEPTHS, Architecture
from adadepth.maths.flops import fixed_flops, soft_flops
from adadepth.programs.costs import pair_costs
from adadepth.programs.policies import FIXED

PRINTED_GFLOPS = (2.78, 67.70, 160.75, 253.79, 280.37, 280.53)
PRINTED_RATIOS = (1.00, 2.43, 5.78, 9.12, 10.07, 10.08)

NOTES = """
- **Erratum.** The printed 2.78 contradicts its own ratio column: 67.70 / 2.43 = 27.86, so that it is 27.83 with its
  decimal point slipped. Never use 2.78: it makes an exit at depth 1 look ten times cheaper than it is.
- **Theory** counts 2 FLOPs per multiply-add at every position, padding included. The ratios do not depend on the
  crop's size, up to the correlations (under 0.1 %). The printed absolute figures belong to about 360,560 input pixels
  (key and search together); here they are {pixels:,}.
- **XLA** (`cost_analysis` of each policy's own program) leaves out the taps that fall in the padding. A map at stride
  16 has a larger share of border than one at stride 1, so its count is lower at depth, and so are its ratios. It also
  counts pooling, whitening, scaling and the gates' features.
- **Hard gating** varies with what it sees: sum_k P(stop = k) * F_k, F_k from the program that stops at k. It is never
  read off the gated program, because XLA counts a `cond` as its dearest branch.
"""


def table1_rows(arch: Architecture) -> list[dict]:
  """The rows of results.json; ratios are to xcorr1."""
  theory = [*(fixed_flops(arch) / 1e9), soft_flops(arch) / 1e9]
  costs = pair_costs(arch)
  xla = [*costs.fixed_gflops, costs.soft_gflops]
  return [
    {
      "policy": name,
      "gflops_theory": float(t),
      "gflops_xla": float(x),
      "ratio_theory": float(t / theory[0]),
      "ratio_xla": float(x / xla[0]),
    }
    for name, t, x in zip((*FIXED, "soft"), theory, xla, strict=True)
  ]


def hard_rows(arch: Architecture) -> list[dict]:
  """What a gated run costs if it stops at each depth, in XLA's count."""
  costs = pair_costs(arch)
  return [
    {
      "policy": f"hard, stops at xcorr{k + 1}",
      "gflops_xla": float(costs.cascade_gflops[k]),
      "ratio_xla": float(costs.cascade_gflops[k] / costs.fixed_gflops[0]),
    }
    for k in range(DEPTHS)
  ]


def table1_markdown(arch: Architecture) -> str:
  """Table 1 for people."""
  lines = [
    f"# Table 1: GFLOPs per key-search pair, crops of {arch.template_px} and {arch.search_px} px, width {arch.width:g}",
    "",
    "| policy | theory | ratio | XLA | ratio | printed | printed ratio |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ]
  printed = zip(PRINTED_GFLOPS, PRINTED_RATIOS, strict=True)
  for row, (gflops, ratio) in zip(table1_rows(arch), printed, strict=True):
    ours = f"{row['gflops_theory']:.3f} | {row['ratio_theory']:.2f} | {row['gflops_xla']:.3f} | {row['ratio_xla']:.2f}"
    mark = " (erratum: 27.83)" if row["policy"] == "xcorr1" else ""
    lines.append(f"| {row['policy']} | {ours} | {gflops:.2f}{mark} | {ratio:.2f} |")
  for row in hard_rows(arch):
    lines.append(f"| {row['policy']} | | | {row['gflops_xla']:.3f} | {row['ratio_xla']:.2f} | varies | |")
  if arch != Architecture():
    lines += ["", "The printed columns are of the paper's own network, which `configs/table1.py` counts."]
  return "\n".join(lines) + "\n" + NOTES.format(pixels=arch.template_px**2 + arch.search_px**2)


def run_table1(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Prints Table 1 and writes table1.md and results.json."""
  arch = architecture_of(config)
  table = table1_markdown(arch)
  workdir.mkdir(parents=True, exist_ok=True)
  run_record(workdir, config.to_dict(), config.seed)
  write_results(workdir, {"rows": table1_rows(arch), "hard": hard_rows(arch)})
  (workdir / "table1.md").write_text(table)
  print(table)
