"""The rows of results.json: made, put in the order of the table, and shown to people."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Wanted(NamedTuple):
  """One row of the table: its id, what it is, the part that measures it, and what it should be."""

  id: str
  what: str
  part: str
  target: str
  unit: str = "ratio"

  @property
  def backend(self) -> str:
    return self.id[:3]


TABLE = (
  Wanted("cpu_t5_over_t1", "time of xcorr5 / time of xcorr1, one target", "steps", ">= 5"),
  Wanted("cpu_hard_share_single", "hard gating, one target: worst sum_k P_k t_k / t_hard", "steps", ">= 0.92"),
  Wanted("cpu_hard_share_batch32", "hard gating, 32 targets: worst sum_k P_k t_k / t_hard", "batch", ">= 0.88"),
  Wanted("cpu_torch_over_ours_xcorr5", "PyTorch's time / ours, xcorr5", "pytorch", ">= 1.6"),
  Wanted("cpu_torch_over_ours_other_min", "PyTorch's time / ours, the least of the other depths", "pytorch", ">= 1.25"),
  Wanted("cpu_sequence_overhead_memory", "sequence from memory / the frame program alone", "sequence", "<= 1.1"),
  Wanted("cpu_sequence_overhead_disk", "sequence from JPEG files / the frame program alone", "sequence", "<= 1.25"),
  Wanted("gpu_fps_xcorr5", "xcorr5, bf16, one target, frame to box", "steps", ">= 600", "FPS"),
  Wanted("gpu_fps1_over_fps5_batch32", "xcorr1 FPS / xcorr5 FPS, 32 targets", "batch", ">= 5"),
  Wanted("gpu_peak_share", "xcorr5, 32 targets, bf16: FLOP/s over the matrix product's", "peak", ">= 0.5"),
  Wanted("gpu_hard_share_batch32", "hard gating, 32 targets: worst sum_k P_k t_k / t_hard", "batch", ">= 0.75"),
  Wanted("gpu_torch_over_ours_min", "PyTorch's time / ours, xcorr5, the least of 1 and 32 targets", "pytorch", ">= 1"),
)


def row(identity: str, what: str, values: Float[np.ndarray, "r"], unit: str) -> dict:
  """One row of results.json: the median of its rounds, and their quartiles."""
  low, value, high = (float(v) for v in np.quantile(values, [0.25, 0.5, 0.75]))
  return {"id": identity, "what": what, "value": value, "low": low, "high": high, "unit": unit}


def absent(wanted: Wanted, parts: dict[str, dict], backend: str) -> str:
  """Why a row of the table has no value."""
  if wanted.backend != backend:
    return f"this run was on a {backend.upper()}"
  if wanted.part not in parts:
    return f"the part {wanted.part!r} was not run"
  return (
    parts[wanted.part].get("skipped") or f"the part {wanted.part!r} did not measure it; see config.benchmark.targets"
  )


def results_of(parts: dict[str, dict], backend: str) -> list[dict]:
  """The twelve rows of the table, with value null and "why" where there is none; then every other row measured.

  Args:
    parts: by name, {"rows": [...]} or {"skipped": reason}.
    backend: what they ran on.
  """
  measured = {row["id"]: row for part in parts.values() for row in part.get("rows", ())}
  empty = {"value": None, "low": None, "high": None}
  table = [
    measured.pop(w.id, {"id": w.id, "what": w.what, **empty, "unit": w.unit, "why": absent(w, parts, backend)})
    for w in TABLE
  ]
  return table + list(measured.values())


def markdown(rows: list[dict]) -> str:
  """The table and the details, for people."""
  targets = {w.id: w.target for w in TABLE}
  lines = ["| what | median | quartiles | wanted |", "| --- | --- | --- | --- |"]
  for row in rows:
    if row["value"] is None:
      number, spread = row.get("why", ""), ""
    else:
      number, spread = f"{row['value']:.3g} {row['unit']}", f"{row['low']:.3g} to {row['high']:.3g}"
    lines.append(f"| {row['what']} | {number} | {spread} | {targets.get(row['id'], '')} |")
  return "\n".join(lines) + "\n"
