"""Floating-point operations by theory: 2 per multiply-add, no padding discounted (Table 1)."""

import numpy as np
from jaxtyping import Float

from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.calibration import Calibration


def block_flops(arch: Architecture, depth: int, pixels: int) -> float:
  """The convolutions of one block over `pixels` input pixels of the network: 2 * 9 * c_in * c_out at each position."""
  given, positions, total = (3, *arch.channels)[depth], pixels / arch.block_stride_px(depth) ** 2, 0.0
  for channels, stride in arch.blocks[depth].convs:
    positions /= stride**2
    total += 2 * 9 * given * channels * positions
    given = channels
  return total


def correlation_flops(arch: Architecture, depth: int) -> float:
  """One cross-correlation: 2 * template_cells^2 * channels at each of search_cells^2 positions."""
  return 2.0 * arch.template_cells**2 * arch.channels[depth] * arch.search_cells**2


def fixed_flops(arch: Architecture, *, keys: int = 1, searches: int = 1) -> Float[np.ndarray, "5"]:
  """xcorr1..xcorr5: blocks up to that depth on every crop, one correlation for each search crop; by default a pair."""
  pixels = keys * arch.template_px**2 + searches * arch.search_px**2
  blocks = np.cumsum([block_flops(arch, k, pixels) for k in range(DEPTHS)])
  return blocks + searches * np.array([correlation_flops(arch, k) for k in range(DEPTHS)])


def cascade_flops(arch: Architecture, *, keys: int = 1, searches: int = 1) -> Float[np.ndarray, "5"]:
  """A gated run that stops at depth 1..5: blocks up to it and every correlation on the way."""
  correlations = searches * np.array([correlation_flops(arch, k) for k in range(DEPTHS)])
  return fixed_flops(arch, keys=keys, searches=searches) + np.cumsum(correlations) - correlations


def cost_by_exit(arch: Architecture, calibration: Calibration | None) -> Float[np.ndarray, "5"]:
  """What a frame costs that stops at each depth, in any unit: as it was calibrated, else by theory."""
  return cascade_flops(arch, keys=0) if calibration is None else np.asarray(calibration.relative_costs)


def soft_flops(arch: Architecture, *, keys: int = 1, searches: int = 1) -> float:
  """Soft gating computes all blocks and all five correlations."""
  return float(cascade_flops(arch, keys=keys, searches=searches)[-1])


def hard_flops(exit_shares: Float[np.ndarray, "5"], cost_by_exit: Float[np.ndarray, "5"]) -> float:
  """Expected cost of hard gating: sum_k P(stop = k) * F_k, F_k of the program that stops at k."""
  return float(np.dot(exit_shares, cost_by_exit))
