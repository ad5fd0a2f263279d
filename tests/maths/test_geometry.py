"""Changes of frame: round trips as properties, then hand-made cases of boxes, crops and cells."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adadepth.maths.geometry import (
  box_center,
  box_from_center,
  box_in_crop,
  crop_scale,
  displacement_in_image,
  displacement_in_search,
  template_side,
  zero_displacement_index,
)

QUICK = settings(deadline=None, max_examples=25, derandomize=True)

coordinates = st.floats(-500, 2000, width=32)
lengths = st.floats(2, 800, width=32)
boxes = st.tuples(coordinates, coordinates, lengths, lengths)
points = st.tuples(coordinates, coordinates)
crop_sides = st.sampled_from([64, 128, 256])
# float32 holds coordinates up to 4096 px to 2.4e-4 px; a round trip rounds a handful of times.
ATOL_PX = 4e-3


def f32(*numbers: float) -> jnp.ndarray:
  return jnp.array(numbers, jnp.float32)


# Invariants


@QUICK
@given(boxes)
def test_a_box_comes_back_from_its_centre_and_size(box):
  box = f32(*box)
  np.testing.assert_allclose(box_from_center(box_center(box), box[2:]), box, atol=ATOL_PX)


@QUICK
@given(boxes)
def test_the_centre_is_as_far_from_both_edges(box):
  x, y, w, h = box
  cx, cy = (float(c) for c in box_center(f32(*box)))
  np.testing.assert_allclose([cx - x, cy - y], [x + w - cx, y + h - cy], atol=ATOL_PX)


@QUICK
@given(boxes, points, st.floats(0.125, 8, width=32), crop_sides)
def test_a_box_comes_back_from_the_crop(box, center, scale, crop_px):
  there = np.asarray(box_in_crop(f32(*box), f32(*center), jnp.float32(scale), crop_px))
  back = np.concatenate([(there[:2] - crop_px / 2) / scale + center, there[2:] / scale])
  # In the crop one rounding is as large as 8 * 2500 px allows, 2e-3 px; back in the image it is divided by the scale.
  np.testing.assert_allclose(back, box, atol=ATOL_PX)


@QUICK
@given(boxes, st.tuples(st.floats(-60, 60), st.floats(-60, 60)))
def test_a_displacement_in_the_crop_is_the_motion_in_the_image(box, motion):
  """The crop sees the target move by `d`; `displacement_in_image` must give the motion back."""
  box = f32(*box)
  center, scale = box_center(box), crop_scale(box[2:], 128)
  moved = box_from_center(center + f32(*motion), box[2:])
  disp_in_search = box_center(box_in_crop(moved, center, scale, 256)) - 128
  np.testing.assert_allclose(displacement_in_image(disp_in_search, scale), motion, atol=ATOL_PX)


@QUICK
@given(st.integers(1, 12), st.integers(0, 12))
def test_an_unmoved_template_is_read_at_the_zero_index(template, margin):
  """Literal SAME padding: slides a template over a line and asks which output sees it in the middle of the line."""
  search = template + 2 * margin
  before = (template - 1) // 2
  first_cell_seen_by = [output - before for output in range(search)]
  assert first_cell_seen_by[zero_displacement_index(template, search)] == (search - template) / 2


# Limits


def test_a_box_centred_on_the_crop_is_centred_in_it():
  box = f32(100, 40, 30, 60)
  seen = box_in_crop(box, box_center(box), jnp.float32(2), 128)
  np.testing.assert_array_equal(seen, [34, 4, 60, 120])


def test_a_pixel_of_the_image_corner_is_the_corner_of_its_crop():
  """Half-open: a crop of side 20 around (10, 10) starts exactly at the image's corner."""
  seen = box_in_crop(f32(0, 0, 20, 20), f32(10, 10), jnp.float32(6.4), 128)
  np.testing.assert_allclose(seen, [0, 0, 128, 128], atol=1e-4)  # 6.4 is no binary fraction


# Oracles


@QUICK
@given(lengths, lengths)
def test_the_template_side_is_the_longer_side_and_an_eighth_of_both_on_each_side(w, h):
  pad = (w + h) / 8
  side = max(w, h) + 2 * pad
  np.testing.assert_allclose(template_side(f32(w, h)), side, rtol=1e-6)
  np.testing.assert_allclose(crop_scale(f32(w, h), 128), 128 / side, rtol=1e-6)


def test_functions_take_any_batch():
  rng = np.random.default_rng(0)
  box = jnp.asarray(rng.uniform(1, 90, (3, 2, 4)), jnp.float32)
  center = jnp.asarray(rng.uniform(1, 90, (3, 2, 2)), jnp.float32)
  scale = crop_scale(box[..., 2:], 128)
  batched = box_in_crop(box, center, scale, 128)
  for index in np.ndindex(3, 2):
    single = box_in_crop(box[index], center[index], scale[index], 128)
    np.testing.assert_allclose(batched[index], single, rtol=1e-6)


@pytest.mark.parametrize("stride_px", [4, 16])
def test_a_cell_of_displacement_is_a_stride_of_pixels(stride_px):
  np.testing.assert_array_equal(displacement_in_search(f32(-2, 0.5), stride_px), [-2 * stride_px, stride_px / 2])
