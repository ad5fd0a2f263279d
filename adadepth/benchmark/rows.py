"""The rows of results.json: made, put in the order of the table, and shown to people."""

from collections.abc import Iterable
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
    """What it is measured on; "" is any."""
    return self.id[:3] if self.id.startswith(("cpu_", "gpu_")) else ""


SAVED = "least share of the FLOPs saved by an earlier exit that is saved in time"
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
  Wanted("ships_time_over_flops", "the lesser of the next two", "ships", ">= 0.85"),
  Wanted("ships_time_over_flops_vgg19", f"VGG-19: {SAVED}", "ships", ">= 0.85"),
  Wanted("ships_time_over_flops_package", f"the package's network: {SAVED}", "ships", ">= 0.85"),
  Wanted("ships_1080p_over_360p", "a step in 1920 x 1080 / in 640 x 360, the same target", "ships", "<= 1.1"),
  Wanted("ships_4k_over_360p", "a step in 3840 x 2160 / in 640 x 360, the same target", "ships", "<= 1.2"),
  Wanted("ships_4k_large_target_over_360p", "the same, the target 600 px large in 3840 x 2160", "ships", "<= 2.5"),
  Wanted("ships_before_over_now_360p", "time of commit 9df193a / ours, 640 x 360", "ships", ">= 1.6"),
  Wanted("ships_before_over_now_1080p", "the same, a target of 300 px in 1920 x 1080", "ships", ">= 3.5"),
  Wanted("ships_csrt_over_ours", "time of OpenCV's CSRT / ours, 640 x 360", "ships", ">= 8"),
  Wanted("ships_batch32", "hard gating, 32 targets: worst sum_k P_k t_k / t_hard", "ships", ">= 0.88"),
  Wanted("compiles_after_first_video", "programs compiled for a second and a third video", "ships", "== 0", "programs"),
  Wanted("start_before_over_now", "cold start of configs/track.py, 9df193a's time / ours", "start", ">= 2"),
  Wanted("start_again", "second start of configs/track.py", "start", "<= 5", "s"),
  Wanted("phase2", "phase 2 from cached responses", "phase2", "<= 10", "s"),
)


def row(identity: str, what: str, values: Float[np.ndarray, "r"], unit: str) -> dict:
  """One row of results.json: the median of its rounds, and their quartiles."""
  low, value, high = (float(v) for v in np.quantile(values, [0.25, 0.5, 0.75]))
  return {"id": identity, "what": what, "value": value, "low": low, "high": high, "unit": unit}


def empty_row(wanted: Wanted, why: str) -> dict:
  """A row of the table that has no value."""
  return {
    "id": wanted.id,
    "what": wanted.what,
    "value": None,
    "low": None,
    "high": None,
    "unit": wanted.unit,
    "why": why,
  }


def empty_rows(identities: Iterable[str], why: str) -> list[dict]:
  """Rows of the table by their ids, with one reason."""
  return [empty_row(wanted, why) for wanted in TABLE if wanted.id in identities]


def absent(wanted: Wanted, parts: dict[str, dict], backend: str) -> str:
  """Why a row of the table has no value."""
  if wanted.backend not in ("", backend):
    return f"this run was on a {backend.upper()}"
  if wanted.part not in parts:
    return f"the part {wanted.part!r} was not run"
  return (
    parts[wanted.part].get("skipped") or f"the part {wanted.part!r} did not measure it; see config.benchmark.targets"
  )


def results_of(parts: dict[str, dict], backend: str) -> list[dict]:
  """The rows of the table, with value null and "why" where there is none; then every other row measured.

  Args:
    parts: by name, {"rows": [...]} or {"skipped": reason}.
    backend: what they ran on.
  """
  measured = {row["id"]: row for part in parts.values() for row in part.get("rows", ())}
  table = [measured.pop(w.id, None) or empty_row(w, absent(w, parts, backend)) for w in TABLE]
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
