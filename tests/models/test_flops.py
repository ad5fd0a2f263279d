"""Golden numbers of the paper's Table 1, and the count they come from."""

import numpy as np
import pytest

from adadepth.models.architecture import VGG19_CONVS, Architecture
from adadepth.models.flops import block_flops, cascade_flops, correlation_flops, fixed_flops, hard_flops, soft_flops

PAPER = Architecture()
SMALL = Architecture(plan="small", template_px=64, search_px=160, pools=3)
# 3x3 convolutions of VGG-19 as published: (input channels, output channels, stride at which it runs).
LAYERS = [
  [(3, 64, 1), (64, 64, 1)],
  [(64, 128, 2), (128, 128, 2)],
  [(128, 256, 4), (256, 256, 4), (256, 256, 4), (256, 256, 4)],
  [(256, 512, 8), (512, 512, 8), (512, 512, 8), (512, 512, 8)],
  [(512, 512, 16), (512, 512, 16), (512, 512, 16), (512, 512, 16)],
]


def loop_flops(depth: int) -> float:
  """Two operations a tap, at every position of key and search crop."""
  total = 0
  for side in (128, 256):
    for block in LAYERS[: depth + 1]:
      for c_in, c_out, stride in block:
        total += 2 * 3 * 3 * c_in * c_out * (side // stride) ** 2
  return total + 2 * 8 * 8 * LAYERS[depth][-1][1] * 16 * 16


# Invariants


@pytest.mark.parametrize("width", [1.0, 0.25])
def test_deeper_costs_more_and_a_cascade_costs_its_correlations_more(width):
  arch = Architecture(width=width)
  fixed, cascade = fixed_flops(arch), cascade_flops(arch)
  assert (np.diff(fixed) > 0).all()
  assert cascade[0] == fixed[0]
  earlier = [sum(correlation_flops(arch, k) for k in range(depth)) for depth in range(5)]
  np.testing.assert_allclose(cascade - fixed, earlier)


def test_operations_grow_with_the_pixels():
  assert block_flops(PAPER, 2, 2000) == 2 * block_flops(PAPER, 2, 1000) > 0


# Limits


@pytest.mark.parametrize("depth", range(5))
def test_hard_gating_that_always_stops_at_one_depth_costs_that_depth(depth):
  assert hard_flops(np.eye(5)[depth], cascade_flops(PAPER)) == cascade_flops(PAPER)[depth]


def test_soft_gating_costs_as_much_as_never_stopping():
  assert soft_flops(PAPER) == cascade_flops(PAPER)[4]


# Oracles


def test_the_convolutions_have_20024384_parameters():
  weights = sum(9 * c_in * c_out for block in LAYERS for c_in, c_out, _ in block)
  biases = sum(n * c for n, c in zip(VGG19_CONVS, PAPER.channels, strict=True))
  assert weights + biases == 20_024_384
  # At one position a convolution takes two operations a weight.
  counted = sum(block_flops(PAPER, k, PAPER.block_stride_px(k) ** 2) for k in range(5)) / 2
  assert counted + biases == 20_024_384


@pytest.mark.parametrize("depth", range(5))
def test_fixed_depths_equal_a_loop_over_layers(depth):
  assert fixed_flops(PAPER)[depth] == loop_flops(depth)


def test_the_ratios_are_those_of_table_1():
  fixed = fixed_flops(PAPER)
  np.testing.assert_array_equal(np.round(fixed / fixed[0], 2), [1.00, 2.43, 5.78, 9.12, 10.07])
  assert round(soft_flops(PAPER) / fixed[0], 2) == 10.08


# The small plan's convolutions: (input channels, output channels, stride at which its outputs lie).
SMALL_LAYERS = [
  [(3, 24, 2), (24, 32, 4)],
  [(32, 64, 8), (64, 64, 8)],
  [(64, 96, 8), (96, 96, 8)],
  [(96, 128, 8), (128, 128, 8)],
  [(128, 128, 8), (128, 128, 8)],
]


@pytest.mark.parametrize("depth", range(5))
def test_depths_of_the_small_plan_equal_a_loop_over_layers(depth):
  layers = [layer for block in SMALL_LAYERS[: depth + 1] for layer in block]
  positions = {stride: (64 // stride) ** 2 + (160 // stride) ** 2 for stride in (2, 4, 8)}
  convolutions = sum(2 * 9 * c_in * c_out * positions[stride] for c_in, c_out, stride in layers)
  assert fixed_flops(SMALL)[depth] == convolutions + 2 * 8 * 8 * layers[-1][1] * 20 * 20


def test_the_small_plan_costs_37_megaflops_at_depth_1_and_20_times_that_at_depth_5():
  fixed = fixed_flops(SMALL)
  assert round(fixed[0] / 1e6) == 37
  np.testing.assert_array_equal(np.round(fixed / fixed[0], 2), [1.00, 2.43, 5.95, 12.48, 19.90])


def test_xcorr1_to_xcorr5_cost_6_3_to_63_7_gigaflops():
  np.testing.assert_array_equal(np.round(fixed_flops(PAPER)[[0, 4]] / 1e9, 1), [6.3, 63.7])


def test_hard_gating_costs_what_its_exits_cost_on_average():
  shares, costs = np.array([0.5, 0.2, 0.1, 0.1, 0.1]), np.array([1.0, 2, 5, 9, 10])
  assert hard_flops(shares, costs) == pytest.approx(0.5 + 0.4 + 0.5 + 0.9 + 1)
