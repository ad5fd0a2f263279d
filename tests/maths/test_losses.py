"""Eq. 1, 2, 3 and 5: against losses written out at pixel resolution in float64, by hand, and by their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shapely

from adadepth.maths import losses
from adadepth.maths.losses import all_depths_loss, deepest_loss, gating_loss, geometric_price, position_log_softmax

PAPER = {"template_cells": 8, "search_cells": 16, "stride_px": 16, "variance_px2": 20.0}
ODD = {"template_cells": 5, "search_cells": 11, "stride_px": 4, "variance_px2": 6.0}
# One program a grid, and its derivative.
gaussian_label = jax.jit(losses.gaussian_label, static_argnames=PAPER)
log_gaussian_label = jax.jit(losses.log_gaussian_label, static_argnames=PAPER)
label_cross_entropy = jax.jit(losses.label_cross_entropy, static_argnames=PAPER)
printed_cross_entropy = jax.jit(losses.printed_cross_entropy, static_argnames=PAPER)
GRIDS = pytest.mark.parametrize("grid", [PAPER, ODD], ids=["paper", "odd"])
LOSSES = pytest.mark.parametrize("loss", [label_cross_entropy, printed_cross_entropy], ids=["label", "printed"])


def first_pixel(grid: dict) -> int:
  """Displacement, in pixels, of the left edge of the upsampled map.

  The cell of an unmoved target covers the displacements within half a stride of 0. Its index, from SAME
  padding: the template starts in the middle, and is seen (n - 1) // 2 cells later.
  """
  n = grid["template_cells"]
  zero = (grid["search_cells"] - n) // 2 + (n - 1) // 2
  return -zero * grid["stride_px"] - grid["stride_px"] // 2


def pixel_squared_distance(displacement_xy: np.ndarray, grid: dict) -> np.ndarray:
  """From each pixel's middle to the target, [search_px, search_px]."""
  at = first_pixel(grid) + np.arange(grid["search_cells"] * grid["stride_px"]) + 0.5
  return (at[None, :] - displacement_xy[0]) ** 2 + (at[:, None] - displacement_xy[1]) ** 2


def pixel_label(displacement_xy: np.ndarray, grid: dict) -> np.ndarray:
  """G on the search crop's pixels, normalised, [search_px, search_px]."""
  g = np.exp(-pixel_squared_distance(displacement_xy, grid) / (2 * grid["variance_px2"]))
  return g / g.sum()


def pixel_log_label(displacement_xy: np.ndarray, grid: dict) -> np.ndarray:
  """log G: far from the target G underflows even float64, its logarithm does not."""
  d2 = pixel_squared_distance(displacement_xy, grid)
  return -d2 / (2 * grid["variance_px2"]) - np.log(np.exp(-d2 / (2 * grid["variance_px2"])).sum())


def pixel_softmax(logits: np.ndarray, grid: dict) -> np.ndarray:
  """C' of the map upsampled to the search crop (nearest), [search_px, search_px]."""
  upsampled = np.kron(logits.astype(np.float64), np.ones((grid["stride_px"], grid["stride_px"])))
  e = np.exp(upsampled - upsampled.max())
  return e / e.sum()


def draw(seed: int, grid: dict) -> tuple[jax.Array, jax.Array]:
  """Random logits and a random displacement inside the crop."""
  rng = np.random.default_rng(seed)
  cells, reach = grid["search_cells"], grid["search_cells"] * grid["stride_px"] / 3
  return jnp.asarray(rng.normal(0, 3, (cells, cells)), jnp.float32), jnp.asarray(
    rng.uniform(-reach, reach, 2), "float32"
  )


def cell_of(displacement_xy: np.ndarray, grid: dict) -> tuple[int, int]:
  """(row, col) of the cell whose footprint holds the displacement."""
  col, row = np.floor((np.asarray(displacement_xy) - first_pixel(grid)) / grid["stride_px"]).astype(int)
  return row, col


# Invariants


def test_probabilities_over_positions_sum_to_one():
  logits = jnp.asarray(np.random.default_rng(0).normal(0, 5, (2, 3, 16, 16)), jnp.float32)
  p = np.exp(position_log_softmax(logits))
  np.testing.assert_allclose(p.sum((-2, -1)), 1, rtol=1e-5)  # 256 float32 terms
  np.testing.assert_allclose(p / p[..., :1, :1], np.exp(logits - logits[..., :1, :1]), rtol=1e-4)


@GRIDS
def test_the_label_sums_to_one_and_peaks_at_the_true_cell(grid):
  for seed in range(5):
    displacement = draw(seed, grid)[1]
    label = np.asarray(gaussian_label(displacement, **grid))
    np.testing.assert_allclose(label.sum(), 1, rtol=1e-5)
    assert label.min() >= 0
    assert np.unravel_index(label.argmax(), label.shape) == cell_of(displacement, grid)


def test_the_label_of_an_unmoved_target_is_symmetric_around_it():
  label = np.asarray(gaussian_label(jnp.zeros(2), **PAPER))
  zero = 7
  np.testing.assert_allclose(label[zero, zero - 3 : zero], label[zero, zero + 3 : zero : -1], rtol=1e-4)
  np.testing.assert_allclose(label, label.T, rtol=1e-5)


def test_the_label_takes_x_to_columns_and_y_to_rows():
  label = np.asarray(gaussian_label(jnp.array([48.0, -16.0]), **PAPER))
  assert np.unravel_index(label.argmax(), label.shape) == (7 - 1, 7 + 3)


@LOSSES
def test_a_constant_added_to_the_logits_changes_nothing(loss):
  logits, displacement = draw(1, PAPER)
  shifted = loss(logits + 10, displacement, **PAPER)
  np.testing.assert_allclose(shifted, loss(logits, displacement, **PAPER), rtol=1e-5)
  assert abs(float(shifted - loss(2 * logits, displacement, **PAPER))) > 1e-3


@LOSSES
def test_losses_take_any_batch_and_leave_it_alone(loss):
  rng = np.random.default_rng(2)
  logits, displacements = rng.normal(size=(2, 3, 16, 16)).astype("float32"), rng.uniform(-50, 50, (2, 3, 2))
  displacements = displacements.astype("float32")
  before = logits.copy(), displacements.copy()
  batched = loss(jnp.asarray(logits), jnp.asarray(displacements), **PAPER)
  for index in np.ndindex(2, 3):
    single = loss(jnp.asarray(logits[index]), jnp.asarray(displacements[index]), **PAPER)
    np.testing.assert_allclose(batched[index], single, rtol=1e-5)
  np.testing.assert_array_equal(logits, before[0])
  np.testing.assert_array_equal(displacements, before[1])


# Limits


def test_a_flat_map_costs_the_logarithm_of_its_positions():
  np.testing.assert_allclose(label_cross_entropy(jnp.zeros((16, 16)), jnp.zeros(2), **PAPER), np.log(256), rtol=1e-6)


def test_a_narrow_label_is_one_cell_and_a_wide_one_is_flat():
  narrow = gaussian_label(jnp.zeros(2), **{**PAPER, "variance_px2": 0.1})
  np.testing.assert_allclose(narrow[7, 7], 1, rtol=1e-5)
  wide = gaussian_label(jnp.zeros(2), **{**PAPER, "variance_px2": 1e8})
  np.testing.assert_allclose(wide, np.full((16, 16), 1 / 256), rtol=1e-3)  # 136^2 px^2 of 1e8


def test_a_certain_and_right_map_costs_least():
  displacement = jnp.array([16.0, 0.0])  # the middle of a cell
  right, wrong = (jnp.zeros((16, 16)).at[7, col].set(1e4) for col in (8, 12))
  narrow = {**PAPER, "variance_px2": 1.0}  # 8 px to the cell's edge are 8 deviations
  assert (
    label_cross_entropy(right, displacement, **narrow) < 1e-3 < 1 < label_cross_entropy(wrong, displacement, **narrow)
  )
  printed = [printed_cross_entropy(m, displacement, **narrow) for m in (right, jnp.zeros((16, 16)), wrong)]
  assert printed[0] < printed[2] and printed[0] < printed[1]


@LOSSES
@pytest.mark.parametrize("scale", [1e4, 1e-4])
def test_extreme_logits_give_finite_losses_and_gradients(loss, scale):
  logits, displacement = draw(3, PAPER)
  value, gradient = jax.value_and_grad(loss)(scale * logits, displacement, **PAPER)
  assert np.isfinite(value) and np.isfinite(gradient).all()


# Oracles


@GRIDS
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_label_loss_is_the_loss_on_pixels_less_log_of_the_pixels_a_cell(grid, seed):
  """Nearest upsampling: -sum over pixels of G log C' equals the loss on cells plus log(stride^2)."""
  logits, displacement = draw(seed, grid)
  on_pixels = -(pixel_label(displacement, grid) * np.log(pixel_softmax(np.asarray(logits), grid))).sum()
  on_cells = float(label_cross_entropy(logits, displacement, **grid))
  np.testing.assert_allclose(on_cells + np.log(grid["stride_px"] ** 2), on_pixels, rtol=1e-5)  # float32 and float64


@GRIDS
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_printed_loss_is_the_loss_on_pixels_times_the_pixels_a_cell(grid, seed):
  """-(1/|C|) sum C' log G on pixels has stride^2 times as many positions, |C|, as on cells."""
  logits, displacement = draw(seed, grid)
  on_pixels = -(pixel_softmax(np.asarray(logits), grid) * pixel_log_label(displacement, grid)).mean()
  on_cells = float(printed_cross_entropy(logits, displacement, **grid))
  np.testing.assert_allclose(on_cells, on_pixels * grid["stride_px"] ** 2, rtol=1e-5)


@GRIDS
def test_labels_are_the_pixels_of_each_cell_summed_or_averaged(grid):
  displacement, cells, stride = draw(4, grid)[1], grid["search_cells"], grid["stride_px"]
  by_cell = (cells, stride, cells, stride)
  summed = pixel_label(displacement, grid).reshape(by_cell).sum((1, 3))
  averaged = pixel_log_label(displacement, grid).reshape(by_cell).mean((1, 3))
  np.testing.assert_allclose(gaussian_label(displacement, **grid), summed, atol=1e-6)
  np.testing.assert_allclose(log_gaussian_label(displacement, **grid), averaged, rtol=1e-5)


@GRIDS
def test_the_printed_loss_is_the_expected_squared_distance(grid):
  """Up to a constant, E[d^2] / (2 sigma^2 |C|) with d from the middle of each cell: differences are exact."""
  (one, displacement), (other, _) = draw(5, grid), draw(6, grid)
  n, stride, cells = grid["template_cells"], grid["stride_px"], grid["search_cells"]
  zero = (cells - n) // 2 + (n - 1) // 2
  middles = (np.arange(cells) - zero) * stride
  x, y = np.asarray(displacement, np.float64)
  d2 = (middles[None, :] - x) ** 2 + (middles[:, None] - y) ** 2

  def expected(logits: jax.Array) -> float:
    p = np.exp(np.asarray(logits, np.float64))
    return (p / p.sum() * d2).sum() / (2 * grid["variance_px2"] * cells**2)

  difference = printed_cross_entropy(one, displacement, **grid) - printed_cross_entropy(other, displacement, **grid)
  # The losses are about 1, and float32 keeps 1e-6 of them.
  np.testing.assert_allclose(difference, expected(one) - expected(other), atol=1e-5)
  assert abs(difference) > 1e-3


def test_the_deepest_loss_is_the_last_and_all_depths_sum():
  by_depth = jnp.array([[1.0, 2, 3, 4, 5], [10, 20, 30, 40, 50]])
  np.testing.assert_array_equal(deepest_loss(by_depth), [5, 50])
  np.testing.assert_array_equal(all_depths_loss(by_depth), [15, 150])


def test_prices_are_powers():
  np.testing.assert_array_equal(geometric_price(2.0, 5), [1, 2, 4, 8, 16])
  np.testing.assert_array_equal(geometric_price(1.0, 3), [1, 1, 1])


def test_the_gating_loss_by_hand():
  """(0.5 * 4 + 0.3 * 2 + 0.2 * 1) + 0.5 * (0.5 * 1 + 0.3 * 2 + 0.2 * 4) = 2.8 + 0.5 * 1.9."""
  confidences, by_depth = jnp.array([[0.5, 0.3, 0.2], [0, 0, 1]]), jnp.array([[4.0, 2, 1], [4, 2, 1]])
  value = gating_loss(confidences, by_depth, geometric_price(2.0, 3), 0.5)
  np.testing.assert_allclose(value, [3.75, 1 + 0.5 * 4], rtol=1e-6)


def test_the_gating_loss_without_a_price_is_the_expected_loss():
  value = gating_loss(jnp.array([0.25, 0.75]), jnp.array([8.0, 4.0]), jnp.array([100.0, 1.0]), 0.0)
  np.testing.assert_allclose(value, 5)


# Gradients


@GRIDS
def test_the_gradient_of_the_label_loss_is_probability_less_label(grid):
  """The textbook gradient of a cross-entropy: negative, so rising, at the target's cell."""
  logits, displacement = draw(7, grid)
  gradient = jax.grad(label_cross_entropy)(logits, displacement, **grid)
  by_cell = (grid["search_cells"], grid["stride_px"]) * 2
  p = pixel_softmax(np.asarray(logits), grid).reshape(by_cell).sum((1, 3))
  label = pixel_label(displacement, grid).reshape(by_cell).sum((1, 3))
  np.testing.assert_allclose(gradient, p - label, atol=1e-5)
  assert gradient[cell_of(displacement, grid)] < 0


@GRIDS
def test_the_gradient_of_the_printed_loss_pulls_mass_to_the_target(grid):
  displacement = draw(8, grid)[1]
  flat = jnp.zeros((grid["search_cells"],) * 2)
  gradient = np.asarray(jax.grad(printed_cross_entropy)(flat, displacement, **grid))
  assert gradient[cell_of(displacement, grid)] == gradient.min() < 0
  far = np.unravel_index(
    pixel_squared_distance(displacement, grid).argmax(), [s * grid["stride_px"] for s in flat.shape]
  )
  assert gradient[tuple(np.array(far) // grid["stride_px"])] == gradient.max() > 0
  np.testing.assert_allclose(gradient.sum(), 0, atol=1e-5)


def test_the_gating_loss_favours_depths_that_are_good_and_cheap():
  gradient = jax.grad(gating_loss)(jnp.full(3, 1 / 3), jnp.array([4.0, 2, 1]), jnp.array([1.0, 2, 4]), 0.5)
  np.testing.assert_allclose(gradient, [4.5, 3, 3], rtol=1e-6)  # L_i + lambda * price_i


# Generalised IoU.


def as_loss(*boxes_xywh) -> tuple[jax.Array, ...]:
  """Boxes as losses take them: centre and size of one, then of the other."""
  boxes = [jnp.asarray(box, "float32") for box in boxes_xywh]
  return tuple(part for box in boxes for part in (box[..., :2] + box[..., 2:] / 2, box[..., 2:]))


def test_equal_boxes_lose_nothing_and_far_ones_two():
  box = (3, -2, 4, 7)
  np.testing.assert_allclose(losses.giou_loss(*as_loss(box, box)), 0, atol=1e-6)
  for far in ((1e4, -1e4, 4, 7), (3, 1e5, 4, 7)):
    np.testing.assert_allclose(losses.giou_loss(*as_loss(box, far)), 2, atol=1e-3)


def test_where_one_box_holds_the_other_giou_is_iou():
  np.testing.assert_allclose(losses.giou_loss(*as_loss((0, 0, 8, 4), (1, 1, 4, 2))), 1 - 8 / 32, rtol=1e-6)


def test_the_giou_loss_equals_shapelys_areas():
  rng = np.random.default_rng(1)
  boxes = np.concatenate([rng.uniform(-5, 5, (2, 50, 2)), rng.uniform(1, 9, (2, 50, 2))], axis=-1)
  found = losses.giou_loss(*as_loss(*boxes))
  for one, other, loss in zip(*boxes, found, strict=True):
    one, other = (shapely.box(x, y, x + w, y + h) for x, y, w, h in (one, other))
    union, hull = shapely.union(one, other), shapely.union(one, other).envelope.area
    expected = 1 - shapely.intersection(one, other).area / union.area + (hull - union.area) / hull
    assert loss == pytest.approx(expected, abs=1e-5)


def test_boxes_that_do_not_meet_are_pulled_together():
  slope = jax.grad(losses.giou_loss)(*as_loss((0, 0, 4, 4), (20, -30, 4, 4)))
  assert slope[0] < 0 < slope[1]  # the loss falls to the right and upwards


@pytest.mark.parametrize("other", [(0, 0, 4, 4), (4, 0, 4, 4), (50, 60, 4, 4), (1, 1, 1e-3, 1e-3)], ids=str)
def test_the_gradient_of_the_giou_loss_is_finite(other):
  """Of equal boxes, of some that touch, that are far apart, and of a box that is next to nothing."""
  slopes = jax.grad(losses.giou_loss, (0, 1))(*as_loss((0, 0, 4, 4), other))
  assert all(np.isfinite(slope).all() for slope in slopes)
