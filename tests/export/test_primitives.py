"""What each primitive becomes is what JAX computes."""

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from jax import lax

from adadepth.export.graph import Graph, onnx_type
from adadepth.export.onnx_program import to_onnx
from adadepth.export.primitives import UnknownPrimitiveError
from adadepth.maths.cost_volume import local_window, parts
from adadepth.maths.strided_conv import strided_conv
from adadepth.maths.xcorr import cross_correlate_each
from adadepth.models.vgg import preprocess

RNG = np.random.default_rng(0)
MAP = RNG.standard_normal((1, 6, 8, 4)).astype(np.float32)
OTHER = RNG.standard_normal((1, 6, 8, 4)).astype(np.float32)
PLACES = np.array([[4, 7, -3, 0]], np.int32)
NHWC = ("NHWC", "HWIO", "NHWC")
WIDE = RNG.standard_normal((1, 18, 20, 48)).astype(np.float32)
WIDE_KERNEL = (RNG.standard_normal((3, 3, 48, 64)) / 20).astype(np.float32)
KERNEL = RNG.standard_normal((3, 3, 4, 5)).astype(np.float32)


def run_onnx(function, **inputs) -> list[np.ndarray]:
  """What onnxruntime makes of a function of named arrays, in the order of its leaves."""
  model = to_onnx(lambda _, **named: {"out": function(**named)}, {}, inputs, name="test", metadata={})
  session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
  return session.run(None, {name: np.asarray(value) for name, value in inputs.items()})


def shifted(x, place):
  """What `vmap` makes of a slice at a place, as the tracker has it."""
  return jax.vmap(lambda m, at: lax.dynamic_slice(m, (at[0], at[1], 0), (3, 4, m.shape[-1])))(x, place)


FUNCTIONS = {
  "arithmetic": (lambda x, y: (x + y - 2 * x * y) / (1.5 + jnp.abs(x)), (MAP, OTHER)),
  "powers": (lambda x: jnp.square(x) + x**3 + x**4 - jnp.sqrt(jnp.abs(x)), (MAP,)),
  "logarithms": (lambda x: jnp.log1p(jnp.exp(x)) + jnp.log(2 + jnp.abs(x)) + jax.nn.sigmoid(x), (MAP,)),
  "comparisons": (lambda x, y: jnp.where((x > y) & (x >= 0) | (y < -1) | ~(x <= 0.5), x, y), (MAP, OTHER)),
  "choices_of_truths": (lambda x, y: jnp.where(x > 0, y > 0, y != x), (MAP, OTHER)),
  "limits": (
    lambda x, y: jnp.clip(x, -0.5, 0.5) + jnp.maximum(x, y) + jnp.minimum(x, 0) + jax.nn.relu(y),
    (MAP, OTHER),
  ),
  "rounding_to_even": (lambda x: jnp.round(2 * x) + jnp.round(jnp.float32(2.5)) + jnp.sign(x), (MAP,)),
  "whole_division": (lambda x: jnp.stack(jnp.divmod(x, 3)), (PLACES,)),
  "conversions": (lambda x: (x * 3).astype(jnp.int32).astype(jnp.float32) + (x > 0).astype(jnp.float32), (MAP,)),
  "shapes": (lambda x: jnp.transpose(x, (3, 0, 2, 1)).reshape(4, 8, 6)[:, None, ::2, 1:-1], (MAP,)),
  "reversals": (lambda x: x[..., ::-1] + x[:, ::-1], (MAP,)),
  "repetitions": (lambda x: jnp.tile(x[0, :1], (3, 2, 1)) + jnp.broadcast_to(x[0, 0, 0], (3, 16, 4)), (MAP,)),
  "joins": (lambda x, y: jnp.concatenate([jnp.stack([x, y], -1), jnp.zeros((1, 6, 8, 4, 1))], -1), (MAP, OTHER)),
  "pads_and_cuts": (lambda x: lax.pad(x, jnp.float32(2), ((0, 0, 0), (1, 2, 0), (-1, 3, 0), (0, 0, 0))), (MAP,)),
  "counts": (lambda x: x + jnp.arange(8, dtype=jnp.float32)[None, None, :, None], (MAP,)),
  "sums": (
    lambda x: (x.sum((1, 3)), x.max(2), x.min(-1), jnp.cumsum(x, 1), x.mean((-3, -2, -1), keepdims=True)),
    (MAP,),
  ),
  "highest": (lambda x: (jnp.argmax(x.reshape(1, -1), -1), lax.top_k(x, 3)), (MAP,)),
  "products": (lambda x, y: jnp.einsum("nvuc,nyxc->nvuyx", x[:, :2], y), (MAP, OTHER)),
  "sums_of_products": (lambda x, y: jnp.tensordot(x[0], y[0], ((0, 2), (0, 2))), (MAP, OTHER)),
  "slices_at_places": (lambda x, at: shifted(x, at[:, :2]), (MAP, PLACES)),
  "an_element": (lambda x, at: jax.vmap(lambda i: x[0, 0, :, 0][i])(at[:, 0]), (MAP, PLACES)),
  "many_elements": (lambda x: x.reshape(1, -1)[:, np.array([5, 3, 100])], (MAP,)),
  "settings": (lambda x, y: x.at[:, 2].set(y[:, 0]), (MAP, OTHER)),
  "convolutions": (lambda x: lax.conv_general_dilated(x, KERNEL, (2, 1), "SAME", dimension_numbers=NHWC), (MAP,)),
  "convolutions_of_many_channels": (
    lambda x: lax.conv_general_dilated(x, WIDE_KERNEL, (1, 1), "SAME", dimension_numbers=NHWC),
    (WIDE,),
  ),
  "preprocessing": (lambda x: preprocess(x), ((255 * MAP[..., :3]).astype(np.uint8),)),
  "strided_convolutions": (lambda x: strided_conv(x, KERNEL, 2), (MAP,)),
  "max_pools": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"), (MAP,)),
  "correlations": (lambda x, y: cross_correlate_each(x[:, :4, :2], y), (MAP, OTHER)),
  "means": (
    lambda x: (x.mean((1, 3)), x.sum() / 7, jnp.broadcast_to(jnp.mean(x.reshape(1, -1), -1), (8,)) * x[0, 0, :, 0]),
    (MAP,),
  ),
  "neutral_numbers": (
    lambda x: jnp.maximum(1.0 * jnp.where(jnp.full(x.shape, True), x, 0) * jnp.ones(x.shape), -jnp.inf),
    (MAP,),
  ),
  "parts": (lambda x, at: parts(x, at[:, 3:] + jnp.array([[2, 1]]), 4), (MAP, PLACES)),
  "a_window": (lambda x, at: local_window(x[:, :, :6], at[:, :2] - 2, 4), (MAP, PLACES)),
  "correlations_of_odd_sides": (lambda x, y: cross_correlate_each(x[:, :5, :3], y), (MAP, OTHER)),
  "branches": (lambda x: lax.cond(x[0, 0, 0, 0] > 0, lambda v: 2 * v, lambda v: v - 1, x), (MAP,)),
  "loops": (lambda x: lax.while_loop(lambda v: jnp.sum(v) < 9, lambda v: v + jnp.abs(x), x), (MAP,)),
  "maps_over_one": (lambda x: lax.map(lambda m: jnp.exp(m), x), (MAP,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_graph_computes_what_jax_does(name):
  function, values = FUNCTIONS[name]
  names = ("x", "at") if values[-1] is PLACES and len(values) > 1 else ("x", "y")
  inputs = {key: jnp.asarray(value) for key, value in zip(names, values, strict=False)}
  expected = jax.tree.leaves(function(**inputs))
  found = run_onnx(function, **inputs)
  assert len(found) == len(expected)
  for ours, theirs in zip(found, expected, strict=True):
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=5e-5)  # other orders, and Winograd's factors of up to 64


@pytest.mark.parametrize(
  ("function", "says"),
  [
    (lambda x: jnp.sort(x), "no rule for the primitive 'sort'"),
    (lambda x: lax.scan(lambda c, v: (c + v, v), x[:, 0], jnp.swapaxes(x, 0, 1))[0], "scan of 6 turns"),
    (lambda x: x**-2, "integer_pow of -2"),
    (lambda x: x.at[:, jnp.array([1, 2])].set(0), "scatter to several places"),
  ],
)
def test_what_no_rule_knows_is_refused_by_name(function, says):
  with pytest.raises(UnknownPrimitiveError, match=says):
    to_onnx(lambda _, x: function(x), {}, {"x": jnp.asarray(MAP)}, name="test", metadata={})


# Graphs.


def test_what_was_computed_around_a_branch_is_not_computed_in_it_again():
  function = lambda x: lax.cond(x[0, 0, 0, 0] > 0, lambda v: jnp.exp(v) + 1, lambda v: jnp.exp(v), jnp.exp(x) * 0 + x)  # noqa: E731
  graph = Graph()
  assert graph.add("Exp", "x") == graph.add("Exp", "x") == graph.subgraph().add("Exp", "x")
  inner = graph.subgraph()
  assert inner.add("Log", "x") != graph.add("Log", "x")
  np.testing.assert_allclose(run_onnx(function, x=MAP)[0], function(MAP), rtol=1e-6)


def test_single_numbers_keep_their_axes_until_they_meet_others():
  def count(function, **inputs) -> int:
    model = to_onnx(lambda _, **named: {"out": function(**named)}, {}, inputs, name="test", metadata={})
    return sum(node.op_type == "Reshape" for node in model.graph.node)

  row = MAP.reshape(1, -1)
  assert count(lambda x: jnp.stack([x.max(-1), x.min(-1) * 2], -1), x=row) == 0
  assert count(lambda x: x.max(-1) * jnp.ones(3, jnp.float32), x=row) == 1


def test_a_node_of_constants_is_a_constant_and_equal_ones_are_one():
  graph = Graph()
  two = graph.constant(np.float32(2))
  assert graph.add("Mul", two, two) == graph.constant(np.float32(4)) and not graph.nodes


def test_weights_that_half_precision_holds_are_stored_so_and_others_are_not():
  half = RNG.standard_normal((20, 20)).astype(np.float16).astype(np.float32)
  for weights, stored in ((half, np.float16), (half + np.float32(1e-5), np.float32)):
    model = to_onnx(lambda w, x: {"out": x @ w}, weights, {"x": jnp.asarray(half)}, name="test", metadata={})
    types = {tensor.data_type for tensor in model.graph.initializer if tensor.dims == [20, 20]}
    assert types == {onnx_type(stored)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": half})[0], half @ weights, rtol=1e-5, atol=1e-5)


def test_only_what_is_used_is_stored():
  weights = {"a": jnp.ones(3), "b": jnp.arange(900.0)}
  model = to_onnx(lambda w, x: {"out": x + w["a"]}, weights, {"x": jnp.ones(3)}, name="test", metadata={})
  assert sum(np.prod(tensor.dims) for tensor in model.graph.initializer) <= 3
