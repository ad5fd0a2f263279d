"""ONNX graphs as they grow: nodes, constants, and what a tensor of the traced program is in them."""

import hashlib
import itertools
import math
from collections import ChainMap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET, IR_VERSION = 20, 9  # which runtimes of 2024 know
WITH_GRAPHS = ("If", "Loop")
LARGE = 256  # numbers: what is a scalar, repeated more often than that, is not written out


class Tensor(NamedTuple):
  """An array of the traced program.

  Attributes:
    name: in the graph.
    held: its shape there, of which NumPy's broadcasting makes the shape in the traced program; of a single number that
      is one there too, with any axes of 1.
    shape: in the traced program.
    dtype: also.
  """

  name: str
  held: tuple[int, ...]
  shape: tuple[int, ...]
  dtype: np.dtype


class Root:
  """What all graphs of a file share: names, constants by name and by what they hold, and nodes of constants alone."""

  def __init__(self) -> None:
    self.constants: dict[str, np.ndarray] = {}
    self.names: dict[bytes, str] = {}
    self.at_load: dict[tuple, onnx.NodeProto] = {}
    self.reshaped: dict[str, str] = {}  # name -> of what it is a reshape
    self.transposed: dict[str, tuple[str, tuple[int, ...]]] = {}  # name -> of what, and how
    self.sums: dict[str, tuple[str, tuple[int, ...], int]] = {}  # name -> of what it is the sum, axes, of how many
    self.truths: dict[str, str] = {}  # name -> of what boolean it is a number
    self.numbers = itertools.count()


class Graph:
  """A graph, or the subgraph of an `If` or a `Loop`, which sees what was computed around it.

  Small nodes take a runtime as long as small convolutions: what is computed here, or around, is not computed again.
  """

  def __init__(self, root: Root | None = None, computed: ChainMap | None = None) -> None:
    self.root = root or Root()
    self.computed = ChainMap() if computed is None else computed  # what a node is made of -> names of what it returns
    self.nodes: list[onnx.NodeProto] = []

  def subgraph(self) -> "Graph":
    return Graph(self.root, self.computed.new_child())

  def new_name(self) -> str:
    return f"v{next(self.root.numbers)}"

  def constant(self, value, dtype=None) -> str:
    """The name of a constant; equal ones are one."""
    array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
    digest = hashlib.sha256(repr((array.dtype.str, array.shape)).encode() + array.tobytes()).digest()
    if digest not in self.root.names:
      self.root.names[digest] = name = f"c{len(self.root.names)}"
      self.root.constants[name] = array
    return self.root.names[digest]

  def known(self, name: str) -> np.ndarray | None:
    """The value of a constant; None for what only a run can tell."""
    return self.root.constants.get(name)

  def add(self, op: str, *inputs: str, outputs: int = 1, **attributes) -> str | list[str]:
    """Adds a node and names what it returns; a node of constants alone becomes one, but where it only repeats."""
    key = None if op in WITH_GRAPHS else (op, *inputs, outputs, repr(attributes))
    if key in self.computed:
      return self.computed[key]
    names = [self.new_name() for _ in range(outputs)]
    node = helper.make_node(op, list(inputs), names, **attributes)
    values = [self.known(name) for name in inputs]
    if op != "Expand" and all(value is not None for value in values):
      feeds = dict(zip(inputs, values, strict=True))
      names = [self.constant(value) for value in ReferenceEvaluator(node).run(None, feeds)]
    else:
      self.nodes.append(node)
    found = names[0] if outputs == 1 else names
    if key:
      self.computed[key] = found
    return found

  def add_at_load(self, op: str, *inputs: str, **attributes) -> str:
    """Adds a node of constants, or of such nodes, that runtimes compute once: what it returns is not in the file."""
    key = op, *inputs, repr(attributes)
    if key not in self.root.at_load:
      self.root.at_load[key] = helper.make_node(op, list(inputs), [self.new_name()], **attributes)
    return self.root.at_load[key].output[0]

  def whole(self, x: Tensor) -> str:
    """The name of a tensor with nothing left to repeat."""
    if x.held == x.shape or math.prod(x.shape) == 1:
      return self.shaped(x, x.shape)
    return self.expand(x.name, x.shape)

  def shaped(self, x: Tensor, shape: Sequence[int]) -> str:
    """The name of a tensor, whole and of a shape of as many numbers."""
    held = x.held if math.prod(x.shape) == 1 else x.shape
    name = x.name if x.held == held else self.whole(x)
    return name if held == tuple(shape) else self.reshape(name, shape)

  def expand(self, name: str, shape: Sequence[int]) -> str:
    value = self.known(name)
    if value is not None and math.prod(shape) <= LARGE:
      return self.constant(np.broadcast_to(value, shape))
    return self.add("Expand", name, self.shape(shape))

  def reshape(self, name: str, shape: Sequence[int]) -> str:
    """Of what the tensor is a reshape of, if it is one."""
    source = self.root.reshaped.get(name, name)
    found = self.add("Reshape", source, self.shape(shape))
    self.root.reshaped[found] = source
    return found

  def transpose(self, name: str, permutation: Sequence[int]) -> str:
    """One of two in a row, and none where they cancel."""
    source, before = self.root.transposed.get(name, (name, tuple(range(len(permutation)))))
    permutation = tuple(before[axis] for axis in permutation)
    if permutation == tuple(range(len(permutation))):
      return source
    found = self.add("Transpose", source, perm=list(permutation))
    self.root.transposed[found] = source, permutation
    return found

  def cast(self, name: str, dtype) -> str:
    return self.add("Cast", name, to=onnx_type(dtype))

  def shape(self, numbers: Sequence[int | np.integer]) -> str:
    """Sizes, axes or indices, as nodes take them."""
    return self.constant(list(numbers), np.int64)

  def proto(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> onnx.GraphProto:
    """The graph; a subgraph, which has no constants of its own."""
    nodes = needed(self.nodes, {x.name for x in outputs})
    described = [[_value_info(x) for x in tensors] for tensors in (inputs, outputs)]
    return helper.make_graph(nodes, name, *described)

  def model(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], *, metadata: dict) -> onnx.ModelProto:
    """The whole file. What half precision holds exactly is stored in it, and cast when the file is loaded."""
    nodes = needed([*self.root.at_load.values(), *self.nodes], {x.name for x in outputs})
    used = names_used(nodes) | {x.name for x in outputs}
    casts, initializers = [], []
    for constant, array in self.root.constants.items():
      if constant not in used:
        continue
      if is_half(array):
        casts.append(helper.make_node("Cast", [f"{constant}.half"], [constant], to=onnx_type(array.dtype)))
        initializers.append(numpy_helper.from_array(array.astype(np.float16), f"{constant}.half"))
      else:
        initializers.append(numpy_helper.from_array(array, constant))
    graph = self.proto(name, inputs, outputs)
    graph.initializer.extend(initializers)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="adadepth", opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model


def names_used(nodes: Sequence[onnx.NodeProto]) -> set[str]:
  """What nodes and the nodes in their subgraphs take, and what these return."""
  used = set()
  for node in nodes:
    used |= set(node.input)
    for attribute in node.attribute:
      if attribute.type == onnx.AttributeProto.GRAPH:
        used |= names_used(attribute.g.node) | {output.name for output in attribute.g.output}
  return used


def needed(nodes: Sequence[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
  """The nodes on which the outputs depend."""
  wanted, found = set(outputs), []
  for node in reversed(nodes):
    if wanted & set(node.output):
      found.append(node)
      wanted |= names_used([node])
  return found[::-1]


def is_half(array: np.ndarray) -> bool:
  """Whether an array is large, float32, and the same in half precision."""
  if array.dtype != np.float32 or array.size < LARGE or np.abs(array).max() > np.finfo(np.float16).max:
    return False
  return np.array_equal(array.astype(np.float16).astype(np.float32), array)


def onnx_type(dtype) -> int:
  return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _value_info(x: Tensor) -> onnx.ValueInfoProto:
  return helper.make_tensor_value_info(x.name, onnx_type(x.dtype), x.shape)
