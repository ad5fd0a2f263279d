"""Where box heads read, and how their readings are averaged."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.cost_volume import MARGIN
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.box_head import Reading, init_box_heads
from adadepth.models.network import Template, respond_each
from adadepth.tracking.reader import MOTION, MOTION_SCALE, OWN, Patch, agreed, average, read_peak

ARCH = Architecture(template_px=32, search_px=128, pools=3, scaling="none", reader="box")
ZERO, STRIDE = 7, 8  # the cell of an unmoved target, and pixels from one to the next
LAST_SIZES = np.float32([(18, 15), (30, 8), (7, 25)])


@pytest.fixture(scope="module")
def params() -> dict:
  """New heads, which read the last size at a cell's centre; logits are 40 times a response."""
  return {"box": init_box_heads(jax.random.key(0), ARCH), "head": {"log_scale": jnp.full(DEPTHS, np.log(40))}}


def read(params: dict, template, search, response, depth: int = 1) -> tuple[Reading, Patch]:
  n = len(response)
  target = Template((jnp.asarray(template),) * DEPTHS, None, jnp.full((n, 2), 16.0), None)
  arrays = (jnp.asarray(array) for array in (search, response, LAST_SIZES[:n]))
  return read_peak(params, target, *arrays, depth=depth, arch=ARCH)


def blind(params: dict, response: np.ndarray) -> np.ndarray:
  """Where a response is read, (x, y) in cells from the unmoved one, with maps of zeros."""
  maps = (np.zeros((len(response), cells, cells, 6), np.float32) for cells in (4, 16))
  return np.asarray(read(params, *maps, response)[0].center) / STRIDE


def boxes(*, center, size) -> Reading:
  """Readings of one target or several."""
  return Reading(*(jnp.atleast_2d(jnp.asarray(x, "float32")) for x in (center, size)), jnp.zeros(np.size(size) // 2))


def peaks(*cells_xy: tuple[int, int], height: float = 1.0) -> np.ndarray:
  response = np.zeros((1, 16, 16), np.float32)
  for x, y in cells_xy:
    response[0, ZERO + y, ZERO + x] = height
  return response


# Invariants.


@pytest.mark.parametrize("depth", [0, 4])
def test_a_planted_target_is_read_where_it_is(params, depth):
  rng = np.random.default_rng(0)
  search = rng.standard_normal((3, 16, 16, 6)).astype(np.float32)
  corners = [(2, 9), (6, 6), (12, 0)]  # (row, col) of the template's first cell; 6, 6 is unmoved
  template = np.stack([s[row : row + 4, col : col + 4] for s, (row, col) in zip(search, corners, strict=True)])
  response = respond_each(jnp.asarray(template), jnp.asarray(search), arch=ARCH)
  found, patch = read(params, template, search, response, depth)
  np.testing.assert_array_equal(found.center, [(STRIDE * (col - 6), STRIDE * (row - 6)) for row, col in corners])
  np.testing.assert_array_equal(found.size, LAST_SIZES)
  np.testing.assert_array_equal(patch.place, np.array(corners) + 1)  # unmoved is cell 7
  inside = slice(MARGIN, MARGIN + 4)
  np.testing.assert_array_equal(patch.window[:, inside, inside], template)  # what it saw is the target


def test_of_equal_peaks_the_nearer_is_read(params):
  np.testing.assert_array_equal(blind(params, peaks((4, 0), (0, -3), (-5, -5))), [(0, -3)])


def test_each_target_is_read_at_its_own_peak(params):
  both = np.concatenate([peaks((2, -1)), peaks((-4, 5))])
  np.testing.assert_array_equal(blind(params, both), [(2, -1), (-4, 5)])


# Limits.


def test_a_response_that_says_nothing_is_read_unmoved(params):
  np.testing.assert_array_equal(blind(params, np.full((1, 16, 16), 0.7, np.float32)), [(0, 0)])


@pytest.mark.parametrize(("more", "read_at"), [(1.01, (6, -3)), (0.99, (0, 0))])
def test_a_peak_must_outweigh_the_prior_of_motion(params, more, read_at):
  """The prior takes log(1 + d^2 / (2 s^2)) nats off a displacement of d pixels."""
  d2 = (6 * STRIDE) ** 2 + (3 * STRIDE) ** 2
  nats = MOTION * np.log(1 + d2 / (2 * (MOTION_SCALE * ARCH.template_px) ** 2))
  np.testing.assert_array_equal(blind(params, peaks((6, -3), height=more * nats / 40)), [read_at])


# What agrees.


@pytest.mark.parametrize("off", [(0.0, 8.0), (-8.0, 3.0)])
def test_depths_that_read_within_a_cell_have_a_box_in_common(off):
  before, now = boxes(center=(4.0, -6.0), size=(20.0, 10.0)), boxes(center=np.add((4.0, -6.0), off), size=(24.0, 8.0))
  found = agreed(before, now._replace(score=now.score + 2), arch=ARCH)
  np.testing.assert_allclose(found.center[0], np.add((4.0, -6.0), np.multiply(off, OWN)), atol=1e-6)
  np.testing.assert_allclose(found.size[0], (20 + 4 * OWN, 10 - 2 * OWN), rtol=1e-6)
  np.testing.assert_array_equal(found.score, now.score + 2)


def test_a_depth_that_reads_elsewhere_has_its_own_box_and_each_target_its_own_agreement():
  before = boxes(center=[(0.0, 0.0), (0.0, 0.0)], size=[(20.0, 20.0)] * 2)
  now = boxes(center=[(8.5, 0.0), (2.0, 0.0)], size=[(10.0, 10.0)] * 2)
  found = agreed(before, now, arch=ARCH)
  np.testing.assert_array_equal(found.center[0], (8.5, 0))
  np.testing.assert_array_equal(found.size[0], (10, 10))
  np.testing.assert_allclose(found.center[1], (2 * OWN, 0), rtol=1e-6)
  np.testing.assert_allclose(found.size[1], np.full(2, 20 - 10 * OWN), rtol=1e-6)


def test_depths_of_ridge_filters_have_boxes_of_their_own():
  before, now = boxes(center=(4.0, -6.0), size=(20.0, 10.0)), boxes(center=(4.5, -6.0), size=(24.0, 8.0))
  assert agreed(before, now, arch=dataclasses.replace(ARCH, template="ridge")) is now


def test_the_first_depth_has_nothing_to_agree_with():
  now = boxes(center=(1.0, 2.0), size=(3.0, 4.0))
  assert agreed(None, now, arch=ARCH) is now


# Averages.


@pytest.fixture
def readings() -> Reading:
  """Of two targets at five depths."""
  rng = np.random.default_rng(0)
  return Reading(*(jnp.asarray(rng.standard_normal((2, DEPTHS, *more)), "float32") for more in ((2,), (2,), ())))


def test_with_all_confidence_in_a_depth_the_average_is_its_reading(readings):
  found = average(readings, jnp.eye(DEPTHS)[jnp.array([3, 0])])
  expected = jax.tree.map(lambda leaf: np.stack([leaf[0, 3], leaf[1, 0]]), readings)
  jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_an_average_is_the_weighted_sum_of_the_depths(readings):
  confidences = np.float32([[0.5, 0.25, 0.25, 0, 0], [0, 0, 0, 0.1, 0.9]])
  found = average(readings, jnp.asarray(confidences))
  for name in Reading._fields:
    for i in range(2):
      expected = sum(confidences[i, k] * np.asarray(getattr(readings, name)[i, k]) for k in range(DEPTHS))
      np.testing.assert_allclose(getattr(found, name)[i], expected, rtol=1e-5)
