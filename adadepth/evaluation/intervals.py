"""How sure a difference is: paired bootstrap over videos."""

import numpy as np
from jaxtyping import Float, Shaped

from adadepth.data.sequence import video_of

RESAMPLES = 10_000


def by_video(names: Shaped[np.ndarray, "n"], values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "v"]:
  """The mean of each video, all its targets together, in the order of their names.

  Args:
    names: of the sequence that each value is of.
  """
  _, which = np.unique([video_of(str(name)) for name in names], return_inverse=True)
  return np.bincount(which, values) / np.bincount(which)


def paired_interval(a: Float[np.ndarray, "v"], b: Float[np.ndarray, "v"]) -> dict[str, float]:
  """The mean of a - b over videos, with its 95 % interval: {"mean", "low", "high"}.

  Percentile bootstrap over videos, which are drawn with both their values; one video has no interval.
  """
  from scipy import stats  # half a second, for which a tracker need not wait

  difference = np.asarray(a, np.float64) - b
  low = high = mean = float(difference.mean())
  if len(difference) > 1 and np.ptp(difference):
    draws = {"n_resamples": RESAMPLES, "method": "percentile", "rng": np.random.default_rng(0)}
    low, high = stats.bootstrap((difference,), np.mean, **draws).confidence_interval
  return {"mean": mean, "low": float(low), "high": float(high)}
