"""VOT's measures: accuracy, robustness and expected average overlap (EAO), of supervised and of multi-start runs.

Supervised, up to VOT2019 (Kristan et al., PAMI 2016, and the VOT2016 report): a tracker that has lost its target (an
overlap of 0) is started again five frames later. Multi-start, from VOT2020 on (Kristan et al., ECCVW 2020): it starts
at each anchor and runs to the end of the video, forwards or backwards. Details are vot-toolkit 0.7.4's.
"""

from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

# What a frame of a supervised run is, as result files have it.
SKIPPED, STARTED, FAILED, TRACKED = 0, 1, 2, 3
BURN_IN = 10  # frames from a start on that accuracy leaves out
SKIPPED_FRAMES = 5  # from a failure to the next start
VOT2016_LENGTHS = 108, 371  # frames over which EAO is averaged
LOST_BELOW = 0.1  # multi-start: a frame of no more overlap may be of a lost target
GRACE = 10  # and it is, after so many in a row
VOT2020_LENGTHS = 115, 755

Overlaps = Float[np.ndarray, "t"]
Marks = Int[np.ndarray, "t"]


class Run(NamedTuple):
  """Overlaps from a start on, the start itself first, and whether the target was lost at their end.

  In a multi-start run they go on with 0 to the end of the video.
  """

  overlaps: Overlaps
  failed: bool


def supervised_accuracy(overlaps: Overlaps, marks: Marks) -> float:
  """The mean overlap of a supervised pass, without failures, frames skipped and ten frames from each start on.

  Args:
    overlaps: 0 where nothing was tracked, [t].
    marks: SKIPPED, STARTED, FAILED or TRACKED, [t].
  Returns:
    In [0, 1]; 0 where no frame is left.
  """
  counted = marks == TRACKED
  for start in np.flatnonzero(marks == STARTED):
    counted[start : start + BURN_IN] = False
  return float(overlaps[counted].mean()) if counted.any() else 0.0


def supervised_runs(overlaps: Overlaps, marks: Marks) -> list[Run]:
  """A supervised pass as runs from each start to its failure, whose frame is left out, or to the end."""
  starts, failures = np.flatnonzero(marks == STARTED), np.flatnonzero(marks == FAILED)
  runs = [Run(overlaps[start:end], True) for start, end in zip(starts, failures, strict=False)]
  return runs + [Run(overlaps[start:], False) for start in starts[len(failures) :]]


def supervised_eao(runs: Listing[Run], lengths: tuple[int, int] = VOT2016_LENGTHS) -> float:
  """VOT2016's EAO: the mean over lengths of `expected_overlaps`; NaN where no run is as long as the least length.

  Lengths above that of the longest run are left out, as the toolkit does.
  """
  low, high = lengths
  curve = expected_overlaps(runs)[low : high + 1]
  return float(curve.mean()) if len(curve) else float("nan")


def expected_overlaps(runs: Listing[Run]) -> Float[np.ndarray, "n"]:
  """The overlap expected up to each frame n of a run, Phi_n, its start left out: Phi_0 is 0.

  A run that ends with a failure goes on with overlaps of 0; another counts as long as it lasts.
  """
  longest = max(len(run.overlaps) for run in runs)
  overlaps, counted = np.zeros((len(runs), longest)), np.zeros((len(runs), longest), bool)
  for row, run in enumerate(runs):
    overlaps[row, : len(run.overlaps)] = run.overlaps
    counted[row, : longest if run.failed else len(run.overlaps)] = True
  overlaps[:, 0] = 0
  means = overlaps.cumsum(axis=1) / np.maximum(1, np.arange(longest))
  return (means * counted).sum(axis=0) / counted.sum(axis=0)


def until_lost(overlaps: Overlaps, seen: Bool[np.ndarray, "t"]) -> int:
  """How many frames of a multi-start run pass before the target is lost; all of them where it is not.

  It is lost at the first of ten frames in a row whose target is seen and whose overlap is 0.1 at most.
  """
  in_a_row = 0
  for frame, lost in enumerate((overlaps <= LOST_BELOW) & seen):
    in_a_row = in_a_row + 1 if lost else 0
    if in_a_row == GRACE:
      return frame + 1 - GRACE
  return len(overlaps)


def multi_start_run(overlaps: Overlaps, seen: Bool[np.ndarray, "t"]) -> Run:
  """A run from an anchor, with overlaps of 0 from where its target is lost."""
  end = until_lost(overlaps, seen)
  return Run(np.where(np.arange(len(overlaps)) < end, overlaps, 0), end < len(overlaps))


class MultiStart(NamedTuple):
  """VOT2020's measures of some sequences.

  Attributes:
    accuracy: the mean overlap of frames before the target is lost, in [0, 1].
    robustness: the share of frames before it is lost, in [0, 1]; a mean over sequences by their length.
    eao: in [0, 1].
  """

  accuracy: float
  robustness: float
  eao: float


def multi_start_measures(
  sequences: Listing[Listing[tuple[Float[np.ndarray, "_"], Bool[np.ndarray, "_"]]]],
  frames: Listing[int],
  lengths: tuple[int, int] = VOT2020_LENGTHS,
) -> MultiStart:
  """A, R and EAO of VOT2020.

  Args:
    sequences: of each the runs from its anchors: overlaps, 0 at the start itself, and where the target is seen.
    frames: of each sequence.
    lengths: over which EAO is averaged, the highest left out.
  """
  runs = [[multi_start_run(*run) for run in group] for group in sequences]
  ends = [[until_lost(*run) for run in group] for group in sequences]
  tracked = sum(map(sum, ends))
  hit = sum(run.overlaps.sum() for group in runs for run in group)
  shares = [sum(end) / sum(len(run.overlaps) for run in group) for end, group in zip(ends, runs, strict=True)]
  curve = multi_start_curve([run for group in runs for run in group], lengths[1])[lengths[0] :]
  accuracy = float(hit / tracked) if tracked else 0.0
  return MultiStart(accuracy, float(np.average(shares, weights=frames)), float(curve.mean()))


def multi_start_curve(runs: Listing[Run], length: int) -> Float[np.ndarray, "n"]:
  """The overlap expected up to each frame n below `length`; 0 where no run is as long.

  As in the toolkit, a run counts at n while it lasts, and beyond its end only if its target was lost: with the sum of
  its overlaps over n - 1.
  """
  total, count = np.zeros(length), np.zeros(length)
  n = np.arange(length)
  for overlaps, failed in runs:
    sums = np.concatenate([[0.0], overlaps[1:].cumsum()])
    here = (n > 0) & (n < len(overlaps))
    total[here] += sums[n[here]] / n[here]
    count[here] += 1
    beyond = (n >= len(overlaps)) & (n > 1) & failed
    total[beyond] += sums[-1] / (n[beyond] - 1)
    count[beyond] += 1
  return np.where(count > 0, total / np.maximum(count, 1), 0)
