"""Box heads: what their five numbers say, and what they look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.cost_volume import MARGIN, local_window
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.box_head import LOG_SIZE_CHANGE, Reading, init_box_heads, read_box

ARCH = Architecture(template_px=32, search_px=128, pools=3, reader="box")  # 4 and 16 cells; unmoved is cell 7
PLACES = np.array([(7, 7), (5, 9), (0, 15)], np.int32)
FROM_CENTER = np.float32([(0, 0), (16, -16), (64, -56)])  # of those cells, (x, y), crop pixels
SIZES = np.float32([(16, 16), (20, 10), (8, 24)])
LAST_SIZES = np.float32([(18, 15), (30, 8), (7, 25)])


@pytest.fixture(scope="module")
def maps() -> tuple[np.ndarray, np.ndarray]:
  """Whitened maps of three targets."""
  rng = np.random.default_rng(0)
  return tuple(rng.standard_normal((3, cells, cells, 6)).astype(np.float32) for cells in (4, 16))


@pytest.fixture(scope="module")
def new() -> dict:
  return init_box_heads(jax.random.key(0), ARCH)


def telling(heads: dict, numbers, depth: int) -> dict:
  """The heads with an answer of their own at one depth: the head's last layer has weights of 0."""
  last = {**heads[f"depth{depth + 1}"]["Dense_1"], "bias": jnp.asarray(numbers, "float32")}
  return {**heads, f"depth{depth + 1}": {**heads[f"depth{depth + 1}"], "Dense_1": last}}


def looking(heads: dict) -> dict:
  """The heads with weights in their last layers, so that what they see shows."""
  rng = np.random.default_rng(1)
  drawn = lambda path, leaf: leaf + 0.1 * rng.standard_normal(leaf.shape, np.float32)  # noqa: E731
  return jax.tree_util.tree_map_with_path(lambda p, x: drawn(p, x) if p[-2].key == "Dense_1" else x, heads)


def read(heads: dict, maps, depth: int = 2, places=PLACES, sizes=SIZES, last_sizes=LAST_SIZES) -> Reading:
  template, search, places, *sizes = (jnp.asarray(array) for array in (*maps, places, sizes, last_sizes))
  window = local_window(search, places, ARCH.template_cells)
  return read_box(heads, template, window, places, *sizes, depth=depth, arch=ARCH)


# Limits.


@pytest.mark.parametrize("depth", range(DEPTHS))
def test_a_new_head_reads_the_last_size_at_the_cells_centre_and_is_undecided(new, maps, depth):
  found = read(new, maps, depth)
  np.testing.assert_array_equal(found.center, FROM_CENTER)
  np.testing.assert_array_equal(found.size, LAST_SIZES)
  np.testing.assert_array_equal(found.score, np.zeros(3))


def test_a_size_changes_by_no_more_than_a_limit_in_one_frame(new, maps):
  found = read(telling(new, (0, 0, 9, -9, 0), 2), maps)
  limit = np.exp(LOG_SIZE_CHANGE)
  np.testing.assert_allclose(found.size, LAST_SIZES * np.float32([limit, 1 / limit]), rtol=1e-6)


# Invariants.


def test_its_numbers_are_cells_from_the_place_logarithms_of_the_last_size_and_a_logit(new, maps):
  found = read(telling(new, (0.25, -0.5, np.log(2), -np.log(3), 1.5), 2), maps)
  np.testing.assert_allclose(found.center, FROM_CENTER + np.float32([2, -4]), rtol=1e-6)  # cells of 8 px
  np.testing.assert_allclose(found.size, LAST_SIZES * np.float32([2, 1 / 3]), rtol=1e-6)
  np.testing.assert_array_equal(found.score, np.full(3, 1.5, np.float32))


def test_each_depth_has_a_head_of_its_own(new, maps):
  assert list(new) == [f"depth{k + 1}" for k in range(DEPTHS)]
  told = telling(new, (0, 0, 0, 0, 4), 3)
  assert [float(read(told, maps, depth).score[0]) for depth in range(DEPTHS)] == [0, 0, 0, 4, 0]
  kernels = [np.asarray(head["Conv_0"]["kernel"]) for head in new.values()]
  assert not any(np.array_equal(kernels[0], other) for other in kernels[1:])


def test_a_target_is_read_alike_alone_and_among_others(new, maps):
  heads = looking(new)
  together = read(heads, maps)
  for i in range(3):
    one = slice(i, i + 1)
    alone = read(heads, [m[one] for m in maps], places=PLACES[one], sizes=SIZES[one], last_sizes=LAST_SIZES[one])
    jax.tree.map(lambda a, b, one=one: np.testing.assert_allclose(a, b[one], rtol=1e-4, atol=1e-4), alone, together)


def test_a_head_sees_what_is_around_its_place_and_nothing_else(new, maps):
  heads, (template, search) = looking(new), maps
  places = np.full((3, 2), 7, np.int32)
  around = slice(7 - 1 - MARGIN, 7 + 3 + MARGIN)  # the template's cells there, and the margin
  inside, outside = search.copy(), np.zeros_like(search)
  inside[:, around, around] += 1
  outside[:, around, around] = search[:, around, around]
  seen, changed, cut = (read(heads, (template, s), places=places) for s in (search, inside, outside))
  jax.tree.map(np.testing.assert_array_equal, cut, seen)
  assert np.all(changed.score != seen.score)


def test_a_head_knows_the_sizes(new, maps):
  heads = looking(new)
  seen, larger = read(heads, maps), read(heads, maps, sizes=2 * SIZES, last_sizes=2 * LAST_SIZES)
  stretched = read(heads, maps, last_sizes=2 * LAST_SIZES)
  assert np.all(seen.score != larger.score) and np.all(larger.score != stretched.score)


# Gradients.


def test_every_weight_of_a_head_learns_and_so_do_the_maps(new, maps):
  def total(head: dict, maps) -> jax.Array:
    found = read({"depth3": head}, maps)
    return sum(jnp.sum(jnp.square(leaf)) for leaf in found)

  by_head, by_maps = jax.grad(total, (0, 1))(looking(new)["depth3"], tuple(map(jnp.asarray, maps)))
  for slope in jax.tree.leaves((by_head, by_maps)):
    assert np.isfinite(slope).all() and np.any(slope != 0)


# Errors.


def test_sizes_of_two_numbers_of_targets_are_refused(new, maps):
  with pytest.raises(Exception, match="last_size"):
    read(new, maps, last_sizes=LAST_SIZES[:2])
