"""ONNX graphs as they grow: nodes, constants, and what a tensor of the traced program is in them."""

import hashlib
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET, IR_VERSION = 20, 9  # which runtimes of 2024 know
LARGE = 256  # numbers: what is a scalar, repeated more often than that, is not written out


class Tensor(NamedTuple):
  """An array of the traced program.

  Attributes:
    name: in the graph.
    held: its shape there, 1 on axes along which it only repeats.
    shape: in the traced program.
    dtype: also.
  """

  name: str
  held: tuple[int, ...]
  shape: tuple[int, ...]
  dtype: np.dtype


class Root:
  """What all graphs of a file share: constants, by name and by what they hold, and names."""

  def __init__(self) -> None:
    self.constants: dict[str, np.ndarray] = {}
    self.names: dict[bytes, str] = {}
    self.numbers = itertools.count()


class Graph:
  """A graph, or the subgraph of an `If` or a `Loop`, which sees what was computed around it."""

  def __init__(self, root: Root | None = None) -> None:
    self.root = root or Root()
    self.nodes: list[onnx.NodeProto] = []

  def subgraph(self) -> "Graph":
    return Graph(self.root)

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
    names = [self.new_name() for _ in range(outputs)]
    node = helper.make_node(op, list(inputs), names, **attributes)
    values = [self.known(name) for name in inputs]
    if op != "Expand" and all(value is not None for value in values):
      feeds = dict(zip(inputs, values, strict=True))
      names = [self.constant(value) for value in ReferenceEvaluator(node).run(None, feeds)]
    else:
      self.nodes.append(node)
    return names[0] if outputs == 1 else names

  def whole(self, x: Tensor) -> str:
    """The name of a tensor with nothing left to repeat."""
    return x.name if x.held == x.shape else self.expand(x.name, x.shape)

  def expand(self, name: str, shape: Sequence[int]) -> str:
    value = self.known(name)
    if value is not None and math.prod(shape) <= LARGE:
      return self.constant(np.broadcast_to(value, shape))
    return self.add("Expand", name, self.shape(shape))

  def reshape(self, name: str, shape: Sequence[int]) -> str:
    return self.add("Reshape", name, self.shape(shape))

  def transpose(self, name: str, permutation: Sequence[int]) -> str:
    identity = list(permutation) == list(range(len(permutation)))
    return name if identity else self.add("Transpose", name, perm=list(permutation))

  def cast(self, name: str, dtype) -> str:
    return self.add("Cast", name, to=onnx_type(dtype))

  def shape(self, numbers: Sequence[int | np.integer]) -> str:
    """Sizes, axes or indices, as nodes take them."""
    return self.constant(list(numbers), np.int64)

  def proto(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> onnx.GraphProto:
    """The graph; a subgraph, which has no constants of its own."""
    described = [[_value_info(x) for x in tensors] for tensors in (inputs, outputs)]
    return helper.make_graph(self.nodes, name, *described)

  def model(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], *, metadata: dict) -> onnx.ModelProto:
    """The whole file. What half precision holds exactly is stored in it, and cast when the file is loaded."""
    used = names_used(self.nodes) | {x.name for x in outputs}
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
    graph.node.extend([*casts, *self.nodes])
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


def is_half(array: np.ndarray) -> bool:
  """Whether an array is large, float32, and the same in half precision."""
  if array.dtype != np.float32 or array.size < LARGE or np.abs(array).max() > np.finfo(np.float16).max:
    return False
  return np.array_equal(array.astype(np.float16).astype(np.float32), array)


def onnx_type(dtype) -> int:
  return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _value_info(x: Tensor) -> onnx.ValueInfoProto:
  return helper.make_tensor_value_info(x.name, onnx_type(x.dtype), x.shape)
