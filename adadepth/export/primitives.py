"""JAX's primitives as ONNX nodes, one function each: (graph, equation, *tensors) -> tensors.

Those that the tracker's programs are made of, and no more.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from adadepth.export.graph import Graph, Tensor
from adadepth.maths.winograd import INPUT_TRANSFORM, KERNEL_TRANSFORM, OUTPUT_TRANSFORM, PATCH, TILE
from adadepth.models.architecture import IMAGENET_MEAN_BGR

Rule = Callable[..., Tensor]

# From so many channels on, and on maps of so many cells, Winograd's convolution is the faster one in onnxruntime.
WINOGRAD_CHANNELS, WINOGRAD_CELLS = 48, (256, 4096)


class UnknownPrimitiveError(NotImplementedError):
  """A primitive, or a use of it, that no rule here knows: the program has changed, and a rule must be written."""


def plain(eqn, name: str) -> Tensor:
  """What an equation returns, where the graph holds all of it."""
  aval = eqn.outvars[0].aval
  return Tensor(name, aval.shape, aval.shape, aval.dtype)


def lazily(eqn, name: str, *tensors: Tensor) -> Tensor:
  """What an elementwise equation returns: it repeats along the axes along which all tensors do."""
  aval = eqn.outvars[0].aval
  held = np.broadcast_shapes(*(x.held for x in tensors))
  return Tensor(name, held, aval.shape, aval.dtype)


# Elementwise.


def elementwise(op: str) -> Rule:
  return lambda graph, eqn, *xs: lazily(eqn, graph.add(op, *(x.name for x in xs)), *xs)


def with_neutral(op: str, neutral: float) -> Rule:
  """An operation of two, which leaves one as it is where the other is its neutral element."""

  def rule(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
    for number, other in ((x, y), (y, x)):
      if known_number(graph, number) == neutral:
        return other
    return elementwise(op)(graph, eqn, x, y)

  return rule


def known_number(graph: Graph, x: Tensor):
  """The single number that a constant repeats; None of any other tensor."""
  value = graph.known(x.name)
  return value.item() if value is not None and value.size == 1 else None


def scalar_like(graph: Graph, x: Tensor, value: float) -> str:
  return graph.constant(np.asarray(value, x.dtype))


def square(graph: Graph, eqn, x: Tensor) -> Tensor:
  return lazily(eqn, graph.add("Mul", x.name, x.name), x)


def integer_pow(graph: Graph, eqn, x: Tensor) -> Tensor:
  """By squaring, as XLA does it."""
  power, name, rest = eqn.params["y"], x.name, None
  if power < 1:
    raise UnknownPrimitiveError(f"integer_pow of {power}")
  while power > 1:
    if power % 2:
      rest = name if rest is None else graph.add("Mul", rest, name)
    name, power = graph.add("Mul", name, name), power // 2
  return lazily(eqn, name if rest is None else graph.add("Mul", rest, name), x)


def log1p(graph: Graph, eqn, x: Tensor) -> Tensor:
  return lazily(eqn, graph.add("Log", graph.add("Add", x.name, scalar_like(graph, x, 1))), x)


def maximum(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  """With a constant 0 a ReLU, which runtimes fuse with the convolution before it."""
  for a, b in ((x, y), (y, x)):
    if known_number(graph, a) == -np.inf:
      return b
    if known_number(graph, a) == 0 and a.dtype == np.float32:
      return lazily(eqn, graph.add("Relu", b.name), x, y)
  return elementwise("Max")(graph, eqn, x, y)


def remainder(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  return lazily(eqn, graph.add("Mod", x.name, y.name, fmod=1), x, y)


def not_equal(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  return lazily(eqn, graph.add("Not", graph.add("Equal", x.name, y.name)), x, y)


def select(graph: Graph, eqn, which: Tensor, no: Tensor, yes: Tensor) -> Tensor:
  if (known := known_number(graph, which)) is not None:
    return yes if known else no
  if no.dtype == bool:  # of which onnxruntime's Where knows nothing
    if_yes, otherwise = graph.add("And", which.name, yes.name), graph.add("Not", which.name)
    name = graph.add("Or", if_yes, graph.add("And", otherwise, no.name))
  else:
    name = graph.add("Where", which.name, yes.name, no.name)
  return lazily(eqn, name, which, no, yes)


def convert(graph: Graph, eqn, x: Tensor) -> Tensor:
  dtype = eqn.params["new_dtype"]
  name = x.name if x.dtype == dtype else graph.cast(x.name, dtype)
  if x.dtype == bool:
    graph.root.truths[name] = x.name
  return lazily(eqn, name, x)


def clamp(graph: Graph, eqn, low: Tensor, x: Tensor, high: Tensor) -> Tensor:
  return lazily(eqn, graph.add("Min", graph.add("Max", x.name, low.name), high.name), low, x, high)


def identity(graph: Graph, eqn, *xs: Tensor) -> list[Tensor]:
  return list(xs)


# Shapes and places.


def broadcast_in_dim(graph: Graph, eqn, x: Tensor) -> Tensor:
  shape = tuple(eqn.params["shape"])
  if one_number(x):
    return repeated(graph, x, shape)
  held = [1] * len(shape)
  for axis, size in zip(eqn.params["broadcast_dimensions"], x.held, strict=True):
    held[axis] = size
  name = x.name if tuple(held) == x.held else graph.reshape(x.name, held)
  return Tensor(name, tuple(held), shape, x.dtype)


def one_number(x: Tensor) -> bool:
  """Whether a tensor repeats a single number, whose own axes may then be as they are."""
  return math.prod(x.held) == 1


def repeated(graph: Graph, x: Tensor, shape: tuple[int, ...]) -> Tensor:
  """A single number as often as in a shape; it keeps its own axes where they do not add to these."""
  if len(x.held) <= len(shape) or math.prod(shape) == 1:
    return x._replace(shape=shape)
  return Tensor(graph.reshape(x.name, ()), (), shape, x.dtype)


def reshape(graph: Graph, eqn, x: Tensor) -> Tensor:
  shape = eqn.outvars[0].aval.shape
  if one_number(x):
    return repeated(graph, x, shape)
  return x if shape == x.shape else plain(eqn, graph.shaped(x, shape))


def transpose(graph: Graph, eqn, x: Tensor) -> Tensor:
  permutation, shape = eqn.params["permutation"], eqn.outvars[0].aval.shape
  if one_number(x):
    return x._replace(shape=shape)
  held = tuple(x.held[axis] for axis in permutation)
  return Tensor(graph.transpose(x.name, permutation), held, shape, x.dtype)


def take(graph: Graph, eqn, x: Tensor) -> Tensor:
  """The primitive `slice`."""
  start, stop = eqn.params["start_indices"], eqn.params["limit_indices"]
  step = eqn.params["strides"] or (1,) * len(start)
  axes = [i for i, size in enumerate(x.shape) if (start[i], stop[i], step[i]) != (0, size, 1)]
  chosen = ([numbers[i] for i in axes] for numbers in (start, stop))
  return plain(eqn, slices(graph, graph.whole(x), *chosen, axes, [step[i] for i in axes])) if axes else x


def slices(graph: Graph, name: str, start: list[int], stop: list[int], axes: list[int], step: list[int]) -> str:
  return graph.add("Slice", name, *(graph.shape(numbers) for numbers in (start, stop, axes, step)))


def reverse(graph: Graph, eqn, x: Tensor) -> Tensor:
  axes = list(eqn.params["dimensions"])
  ends = [-1] * len(axes), [np.iinfo(np.int64).min] * len(axes)
  return plain(eqn, slices(graph, graph.whole(x), *ends, axes, [-1] * len(axes)))


def concatenate(graph: Graph, eqn, *xs: Tensor) -> Tensor:
  return plain(eqn, graph.add("Concat", *(graph.whole(x) for x in xs), axis=eqn.params["dimension"]))


def stack(graph: Graph, eqn, *xs: Tensor) -> Tensor:
  axis = eqn.params["axis"]
  rows = [graph.shaped(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in xs]
  return plain(eqn, graph.add("Concat", *rows, axis=axis))


def tile(graph: Graph, eqn, x: Tensor) -> Tensor:
  return plain(eqn, graph.add("Tile", graph.whole(x), graph.shape(eqn.params["reps"])))


def pad(graph: Graph, eqn, x: Tensor, value: Tensor) -> Tensor:
  low, high, interior = zip(*eqn.params["padding_config"], strict=True)
  if any(interior):
    raise UnknownPrimitiveError("pad between elements")
  return plain(eqn, graph.add("Pad", graph.whole(x), graph.shape((*low, *high)), graph.reshape(value.name, ())))


def iota(graph: Graph, eqn) -> Tensor:
  shape, axis, dtype = eqn.params["shape"], eqn.params["dimension"], eqn.params["dtype"]
  held = tuple(size if i == axis else 1 for i, size in enumerate(shape))
  return Tensor(graph.constant(np.arange(shape[axis], dtype=dtype).reshape(held)), held, shape, np.dtype(dtype))


# Slices at places that only a run can tell.


def gather(graph: Graph, eqn, x: Tensor, starts: Tensor) -> Tensor:
  """Of one slice, as `lax.dynamic_slice` is for one target, or of places on one axis; inside, as `dynamic_slice` is."""
  how, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
  axes, out = list(how.start_index_map), eqn.outvars[0].aval
  most = graph.shape([x.shape[axis] - sizes[axis] for axis in axes])
  start = graph.cast(graph.whole(starts), np.int64)
  start = graph.add("Min", graph.add("Max", start, graph.shape([0])), most)
  if math.prod(starts.shape[:-1]) == 1:
    start = graph.reshape(start, [-1])
    stop = graph.add("Add", start, graph.shape([sizes[axis] for axis in axes]))
    name = graph.add("Slice", graph.whole(x), start, stop, graph.shape(axes))
    return plain(eqn, graph.reshape(name, out.shape))
  if (
    tuple(axes) != how.collapsed_slice_dims
    or len(axes) > 1
    or sizes != (*x.shape[: axes[0]], 1, *x.shape[axes[0] + 1 :])
  ):
    raise UnknownPrimitiveError(f"gather of slices {sizes} of {x.shape} at {starts.shape}")
  name = graph.add("Gather", graph.whole(x), graph.reshape(start, starts.shape[:-1]), axis=axes[0])
  batch = [i for i in range(out.ndim) if i not in how.offset_dims]
  found = [*how.offset_dims[: axes[0]], *batch, *how.offset_dims[axes[0] :]]  # of the result: where each axis belongs
  return plain(eqn, graph.transpose(name, np.argsort(found).tolist()))


def scatter(graph: Graph, eqn, x: Tensor, starts: Tensor, updates: Tensor) -> Tensor:
  """Of one slice at a place on one axis that is known, as `x.at[:, k].set` has it."""
  how, place = eqn.params["dimension_numbers"], graph.known(starts.name)
  if place is None or place.size != 1 or updates.shape != tuple(np.delete(x.shape, how.inserted_window_dims)):
    raise UnknownPrimitiveError("scatter to several places, or to one that is not known")
  (axis,) = how.scatter_dims_to_operand_dims
  k, size, whole = place.item(), x.shape[axis], graph.whole(x)
  rows = [graph.shaped(updates, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))]
  rows = [slices(graph, whole, [0], [k], [axis], [1]), *rows] if k else rows
  rows = [*rows, slices(graph, whole, [k + 1], [size], [axis], [1])] if k + 1 < size else rows
  return plain(eqn, graph.add("Concat", *rows, axis=axis))


# Reductions, and what is highest.


def reduction(op: str) -> Rule:
  def rule(graph: Graph, eqn, x: Tensor) -> Tensor:
    axes, whole = eqn.params["axes"], graph.whole(x)
    found = reduced(eqn, x, lambda keep: graph.add(op, whole, graph.shape(axes), keepdims=keep))
    if op == "ReduceSum":
      graph.root.sums[found.name] = whole, axes, math.prod(x.shape[axis] for axis in axes)
    return found

  return rule


def reduced(eqn, x: Tensor, reduce: Callable[[int], str]) -> Tensor:
  """What a reduction returns; the single number of a row keeps the row's axes, with which it is joined to others."""
  aval = eqn.outvars[0].aval
  keep = math.prod(aval.shape) == 1 and len(x.shape) == 2
  return Tensor(reduce(int(keep)), (1, 1) if keep else aval.shape, aval.shape, aval.dtype)


def divide(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  """A sum over as many numbers is their mean, which is one node."""
  source, axes, count = graph.root.sums.get(x.name, ("", (), 0))
  if count and known_number(graph, y) == count:
    keep = int(len(x.held) > len(x.shape))
    return lazily(eqn, graph.add("ReduceMean", source, graph.shape(axes), keepdims=keep), x)
  return elementwise("Div")(graph, eqn, x, y)


def argmax(graph: Graph, eqn, x: Tensor) -> Tensor:
  (axis,) = eqn.params["axes"]
  found = reduced(eqn, x, lambda keep: graph.add("ArgMax", graph.whole(x), axis=axis, keepdims=keep))
  return found._replace(name=graph.cast(found.name, found.dtype))


def top_k(graph: Graph, eqn, x: Tensor) -> list[Tensor]:
  values, index = graph.add("TopK", graph.whole(x), graph.shape([eqn.params["k"]]), outputs=2, axis=len(x.shape) - 1)
  shape = eqn.outvars[0].aval.shape
  names = (values, x.dtype), (graph.cast(index, np.int32), np.dtype(np.int32))
  return [Tensor(name, shape, shape, dtype) for name, dtype in names]


def cumsum(graph: Graph, eqn, x: Tensor) -> Tensor:
  axis = graph.constant(eqn.params["axis"], np.int64)
  return plain(eqn, graph.add("CumSum", graph.whole(x), axis, reverse=int(eqn.params["reverse"])))


# Products.


def dot_general(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  """As batched products of matrices, [b, m, k] @ [b, k, n]."""
  (x_sum, y_sum), (x_batch, y_batch) = eqn.params["dimension_numbers"]
  x_free, y_free = (
    [i for i in range(len(t.shape)) if i not in (*s, *b)] for t, s, b in ((x, x_sum, x_batch), (y, y_sum, y_batch))
  )
  left, right = matrices(graph, x, x_batch, x_free, x_sum), matrices(graph, y, y_batch, y_sum, y_free)
  product = graph.add("MatMul", left.name, right.name)
  shape = *left.shape[:-1], right.shape[-1]
  return plain(eqn, graph.shaped(Tensor(product, shape, shape, x.dtype), eqn.outvars[0].aval.shape))


def matrices(graph: Graph, x: Tensor, batch: Sequence[int], rows: Sequence[int], columns: Sequence[int]) -> Tensor:
  """A tensor as matrices, [b, m, k], or [m, k] where there is no batch.

  Turned last where that can be, and so is the product's own affair.
  """
  groups = [list(axes) for axes in ((batch, rows, columns) if batch else (rows, columns))]
  shape = tuple(math.prod(x.shape[i] for i in axes) for axes in groups)
  stored = sorted(range(len(groups)), key=lambda n: groups[n])
  if [i for n in stored for i in groups[n]] == list(range(len(x.shape))):
    name = graph.transpose(graph.shaped(x, [shape[n] for n in stored]), np.argsort(stored).tolist())
  else:
    order = [i for axes in groups for i in axes]
    name = graph.reshape(graph.transpose(graph.whole(x), order), shape)
  return Tensor(name, shape, shape, x.dtype)


def convolution(graph: Graph, eqn, x: Tensor, kernel: Tensor) -> Tensor:
  """Between transpositions to channels first, which runtimes take out where they meet."""
  p, numbers = eqn.params, eqn.params["dimension_numbers"]
  if any(d != 1 for d in p["lhs_dilation"]) or p["batch_group_count"] != 1:
    raise UnknownPrimitiveError("conv_general_dilated with a dilated input or groups of the batch")
  if suits_winograd(graph, p, x, kernel):
    return plain(eqn, winograd(graph, x, kernel))
  low, high = zip(*p["padding"], strict=True)
  name = graph.transpose(graph.whole(x), numbers.lhs_spec)
  if min(*low, *high) < 0:
    name = graph.add("Pad", name, graph.shape((0, 0, *low, 0, 0, *high)))
    low = high = (0,) * len(low)
  name = graph.add(
    "Conv",
    name,
    filters(graph, kernel, numbers.rhs_spec),
    strides=list(p["window_strides"]),
    dilations=list(p["rhs_dilation"]),
    group=p["feature_group_count"],
    pads=[*low, *high],
  )
  return plain(eqn, graph.transpose(name, np.argsort(numbers.out_spec).tolist()))


def filters(graph: Graph, kernel: Tensor, spec: tuple[int, ...]) -> str:
  """A kernel as `Conv` takes it; a constant one stays in the file as it is, and is there once."""
  if graph.known(kernel.name) is None:
    return graph.transpose(graph.whole(kernel), spec)
  return graph.add_at_load("Transpose", kernel.name, perm=list(spec))


def suits_winograd(graph: Graph, p: dict, x: Tensor, kernel: Tensor) -> bool:
  """Whether a convolution is 3x3 of stride 1, in our layout, and large enough in channels and small enough in area."""
  numbers = p["dimension_numbers"]
  if len(x.shape) != 4 or numbers.lhs_spec != (0, 3, 1, 2) or numbers.rhs_spec != (3, 2, 0, 1):
    return False
  same = p["padding"] == ((1, 1), (1, 1)) and p["window_strides"] == (1, 1) and p["rhs_dilation"] == (1, 1)
  (b, h, w, c), d = x.shape, kernel.shape[-1]
  large = min(c, d) >= WINOGRAD_CHANNELS and WINOGRAD_CELLS[0] <= h * w <= WINOGRAD_CELLS[1]
  return b == 1 and same and kernel.shape[:2] == (3, 3) and graph.known(kernel.name) is not None and large


def winograd(graph: Graph, x: Tensor, kernel: Tensor) -> str:
  """`maths.winograd`: A^T [(G g G^T) * (B^T d B)] A of each tile of 4x4, as products of matrices, channels last.

  Both sides of a transform are one product with a matrix of 36 columns: more arithmetic than one side after the other,
  but half the nodes, and of a shape that runtimes are good at.
  """
  (_, h, w, c), d = x.shape, kernel.shape[-1]
  rows, cols, n = -(-h // TILE), -(-w // TILE), PATCH * PATCH
  before, behind, after = (np.kron(m, m) for m in (INPUT_TRANSFORM, KERNEL_TRANSFORM, OUTPUT_TRANSFORM))
  flat = graph.add_at_load("Reshape", kernel.name, graph.shape((9, c * d)))
  kernels = graph.add_at_load("MatMul", graph.constant(behind, np.float32), flat)
  kernels = graph.add_at_load("Reshape", kernels, graph.shape((n, c, d)))
  pixels = graph.add("Concat", graph.shaped(x, (h * w, c)), graph.constant(np.zeros((1, c)), np.float32), axis=0)
  patches = graph.add("Gather", pixels, graph.constant(pixels_of_tiles(h, w), np.int64), axis=0)
  name = graph.add("MatMul", graph.constant(before, np.float32), graph.reshape(patches, (n, rows * cols * c)))
  name = graph.add("MatMul", graph.reshape(name, (n, rows * cols, c)), kernels)
  name = graph.add("MatMul", graph.constant(after, np.float32), graph.reshape(name, (n, rows * cols * d)))
  name = graph.transpose(graph.reshape(name, (TILE, TILE, rows, cols, d)), (2, 0, 3, 1, 4))
  name = graph.reshape(name, (1, rows * TILE, cols * TILE, d))
  whole = (rows * TILE, cols * TILE) == (h, w)
  return name if whole else slices(graph, name, [0, 0], [h, w], [1, 2], [1, 1])


def pixels_of_tiles(h: int, w: int) -> np.ndarray:
  """Which pixel of h x w each of a patch's 36 is in each tile, [36, tiles]; h w where it lies outside."""
  i, j, row, col = np.ogrid[:PATCH, :PATCH, : -(-h // TILE), : -(-w // TILE)]
  y, x = row * TILE + i - 1, col * TILE + j - 1
  return np.where((y >= 0) & (y < h) & (x >= 0) & (x < w), y * w + x, h * w).reshape(PATCH * PATCH, -1)


def max_pool(graph: Graph, eqn, x: Tensor) -> Tensor:
  """The primitive `reduce_window_max` over [b, h, w, c]."""
  p = eqn.params
  window, strides, padding = p["window_dimensions"], p["window_strides"], p["padding"]
  if (
    len(window) != 4
    or window[0] != 1
    or window[3] != 1
    or any(d != 1 for d in (*p["base_dilation"], *p["window_dilation"]))
  ):
    raise UnknownPrimitiveError(f"reduce_window_max over {window}")
  (top, bottom), (left, right) = padding[1:3]
  name = graph.transpose(graph.whole(x), (0, 3, 1, 2))
  name = graph.add(
    "MaxPool", name, kernel_shape=list(window[1:3]), strides=list(strides[1:3]), pads=[top, left, bottom, right]
  )
  return plain(eqn, graph.transpose(name, (0, 2, 3, 1)))


# Functions that have a name in the traced program, and a form that suits ONNX better than what JAX makes of them.


def floor_divide(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  if x.dtype.kind not in "iu":
    raise UnknownPrimitiveError("floor_divide of floats")
  whole = graph.add("Sub", x.name, graph.add("Mod", x.name, y.name))
  return lazily(eqn, graph.add("Div", whole, y.name), x, y)


def floor_remainder(graph: Graph, eqn, x: Tensor, y: Tensor) -> Tensor:
  if x.dtype.kind not in "iu":
    raise UnknownPrimitiveError("remainder of floats")
  return lazily(eqn, graph.add("Mod", x.name, y.name), x, y)


def preprocess(graph: Graph, eqn, crops: Tensor) -> Tensor:
  """`models.vgg.preprocess`, channels first: three long runs where there would be many short ones."""
  name = graph.cast(graph.transpose(graph.whole(crops), (0, 3, 1, 2)), np.float32)
  name = slices(graph, name, [-1], [np.iinfo(np.int64).min], [1], [-1])
  name = graph.add("Sub", name, graph.constant(np.reshape(IMAGENET_MEAN_BGR, (1, 3, 1, 1)), np.float32))
  return plain(eqn, graph.transpose(name, (0, 2, 3, 1)))


def strided_conv(graph: Graph, eqn, x: Tensor, kernel: Tensor) -> Tensor:
  """`maths.strided_conv`, as the convolution that it is."""
  out = eqn.outvars[0].aval.shape
  stride = -(-x.shape[1] // out[1])
  pads = [max((n - 1) * stride + 3 - size, 0) for n, size in zip(out[1:3], x.shape[1:3], strict=True)]
  ends = [*(pad // 2 for pad in pads), *(pad - pad // 2 for pad in pads)]
  weights = filters(graph, kernel, (3, 2, 0, 1))
  name = graph.add("Conv", graph.transpose(graph.whole(x), (0, 3, 1, 2)), weights, strides=[stride] * 2, pads=ends)
  return plain(eqn, graph.transpose(name, (0, 2, 3, 1)))


def cross_correlate_each(graph: Graph, eqn, template: Tensor, search: Tensor) -> Tensor:
  """`maths.xcorr.cross_correlate_each` of one target, in ten nodes where its 64 shifted sums would be 200.

  The products of a place of the search map with all cells of the template belong to a patch around it; `Col2Im` adds
  patches up where they overlap. It shifts by what a convolution would, so that the template is turned round.
  """
  (n, h, w, c), (_, r, s, _) = template.shape, search.shape
  if n != 1:
    raise UnknownPrimitiveError(f"cross_correlate_each of {n} targets")
  keys = slices(graph, graph.shaped(template, (h * w, c)), [-1], [np.iinfo(np.int64).min], [0], [-1])
  keys = graph.add("Mul", keys, graph.constant(1 / (h * w * c), np.float32))
  maps = graph.transpose(graph.shaped(search, (r * s, c)), (1, 0))
  planes = graph.reshape(graph.add("MatMul", keys, maps), (1, h * w, r * s))
  pads = [h // 2, w // 2, (h - 1) // 2, (w - 1) // 2]
  found = graph.add("Col2Im", planes, graph.shape((r, s)), graph.shape((h, w)), pads=pads)
  return plain(eqn, graph.reshape(found, (1, r, s)))


def parts(graph: Graph, eqn, maps: Tensor, corners: Tensor) -> Tensor:
  """`maths.cost_volume.parts` of one target, whose corners lie inside: a slice that starts where they say."""
  out = eqn.outvars[0].aval.shape
  if out[0] != 1:
    raise UnknownPrimitiveError(f"parts of {out[0]} maps")
  start = graph.shaped(corners, (2,))
  stop = graph.add("Add", start, graph.constant(out[1:3], corners.dtype))
  return plain(eqn, graph.add("Slice", graph.whole(maps), start, stop, graph.constant([1, 2], corners.dtype)))


SAME = {
  **{
    "add": "Add",
    "add_any": "Add",
    "sub": "Sub",
    "min": "Min",
    "neg": "Neg",
    "abs": "Abs",
  },
  **{
    "sign": "Sign",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "logistic": "Sigmoid",
    "round": "Round",
    "tanh": "Tanh",
  },
  **{"gt": "Greater", "lt": "Less", "ge": "GreaterOrEqual", "le": "LessOrEqual", "eq": "Equal"},
  **{"or": "Or", "not": "Not"},
}
REDUCTIONS = {
  **{"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "reduce_prod": "ReduceProd"},
}
RULES: dict[str, Rule] = {
  **{name: elementwise(op) for name, op in SAME.items()},
  **{name: reduction(op) for name, op in REDUCTIONS.items()},
  **dict.fromkeys(("stop_gradient", "copy", "copy_p", "device_put", "optimization_barrier"), identity),
  "div": divide,
  "mul": with_neutral("Mul", 1),
  "and": with_neutral("And", True),
  "square": square,
  "integer_pow": integer_pow,
  "log1p": log1p,
  "max": maximum,
  "rem": remainder,
  "ne": not_equal,
  "select_n": select,
  "convert_element_type": convert,
  "clamp": clamp,
  "broadcast_in_dim": broadcast_in_dim,
  "reshape": reshape,
  "squeeze": reshape,
  "expand_dims": reshape,
  "transpose": transpose,
  "slice": take,
  "rev": reverse,
  "concatenate": concatenate,
  "stack": stack,
  "tile": tile,
  "pad": pad,
  "iota": iota,
  "gather": gather,
  "scatter": scatter,
  "argmax": argmax,
  "top_k": top_k,
  "cumsum": cumsum,
  "dot_general": dot_general,
  "conv_general_dilated": convolution,
  "reduce_window_max": max_pool,
}
FUNCTIONS: dict[str, Rule] = {
  "floor_divide": floor_divide,
  "remainder": floor_remainder,
  "preprocess": preprocess,
  "strided_conv": strided_conv,
  "cross_correlate_each": cross_correlate_each,
  "parts": parts,
}
