"""From a function that JAX has traced to ONNX, equation by equation; a `lax.cond` becomes an `If`, which really skips.

Not jax2onnx: what its version 0.17.1 makes of a whole step does not load ("Unexpected axis value" of a Slice), and it
patches flax and jnp while it traces. The programs here are made of sixty primitives, whose rules (`primitives`) are a
few lines each; what these do not know they refuse.
"""

from collections.abc import Sequence

import jax
import numpy as np
import onnx

from adadepth.export.graph import Graph, Tensor
from adadepth.export.primitives import FUNCTIONS, RULES, UnknownPrimitiveError
from adadepth.export.program import leaf_names


def to_onnx(function, constants, inputs, *, name: str, metadata: dict) -> onnx.ModelProto:
  """The ONNX file of function(constants, **inputs) -> outputs.

  Args:
    function: takes a tree of arrays and named trees of arrays, and returns a tree.
    constants: tree of arrays that the file holds: the network's parameters.
    inputs: name -> tree of arrays or their shapes, whose leaves are named "name/path".
  """
  traced, out = jax.make_jaxpr(lambda held, named: function(held, **named), return_shape=True)(constants, inputs)
  graph, held = Graph(), jax.tree.leaves(constants)
  known = [constant_tensor(graph, leaf) for leaf in held]
  given = [Tensor(path, leaf.shape, leaf.shape, np.dtype(leaf.dtype)) for path, leaf in leaf_names(inputs)]
  found = inline(graph, traced.jaxpr, [constant_tensor(graph, c) for c in traced.consts], [*known, *given])
  outputs = [renamed(graph, x, path) for (path, _), x in zip(leaf_names(out), found, strict=True)]
  return graph.model(name, given, outputs, metadata=metadata)


def constant_tensor(graph: Graph, value) -> Tensor:
  array = np.asarray(value)
  return Tensor(graph.constant(array), array.shape, array.shape, array.dtype)


def renamed(graph: Graph, x: Tensor, name: str) -> Tensor:
  """A tensor whole and under a name of its own, as the outputs of graphs must be."""
  graph.nodes.append(onnx.helper.make_node("Identity", [graph.whole(x)], [name]))
  return x._replace(name=name, held=x.shape)


def inline(graph: Graph, jaxpr, consts: Sequence[Tensor], args: Sequence[Tensor]) -> list[Tensor]:
  """Adds what a jaxpr computes to a graph; returns what it returns."""
  values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

  def read(atom) -> Tensor:
    return constant_tensor(graph, np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else values[atom]

  for eqn in jaxpr.eqns:
    found = convert(graph, eqn, [read(atom) for atom in eqn.invars])
    values.update(zip(eqn.outvars, found, strict=True))
  return [read(atom) for atom in jaxpr.outvars]


def convert(graph: Graph, eqn, args: list[Tensor]) -> list[Tensor]:
  """One equation."""
  name = eqn.primitive.name
  if name == "jit" and eqn.params["name"] in FUNCTIONS:
    return [FUNCTIONS[eqn.params["name"]](graph, eqn, *args)]
  if name in WITH_JAXPRS:
    return WITH_JAXPRS[name](graph, eqn, args)
  if name not in RULES:
    raise UnknownPrimitiveError(f"no rule for the primitive {name!r}")
  found = RULES[name](graph, eqn, *args)
  return found if isinstance(found, list) else [found]


# Equations that hold programs.


def inlined(key: str):
  """`jit` and its like: their program, as if it were written here."""
  return lambda graph, eqn, args: inline(graph, eqn.params[key].jaxpr, _consts(graph, eqn.params[key]), args)


def _consts(graph: Graph, closed) -> list[Tensor]:
  return [constant_tensor(graph, value) for value in closed.consts]


def cond(graph: Graph, eqn, args: list[Tensor]) -> list[Tensor]:
  """An `If`: of its two branches one is computed."""
  index, *operands = args
  if len(eqn.params["branches"]) != 2:
    raise UnknownPrimitiveError("cond of more than two branches")
  branches = []
  for closed in eqn.params["branches"]:
    inner = graph.subgraph()
    found = inline(inner, closed.jaxpr, _consts(inner, closed), operands)
    returned = returned_by(inner, found)
    branches.append(inner.proto("branch", [], returned))
  no, yes = branches
  asked = graph.root.truths.get(index.name) or graph.cast(index.name, bool)
  names = graph.add("If", asked, outputs=len(no.output), then_branch=yes, else_branch=no)
  return _as_returned(eqn, names)


def returned_by(graph: Graph, tensors: Sequence[Tensor]) -> list[Tensor]:
  """What a subgraph returns: of its own nodes what they return, once each; all else is copied under another name."""
  own, returned = {name for node in graph.nodes for name in node.output}, []
  for x in tensors:
    if x.held == x.shape and x.name in own:
      own.remove(x.name)
      returned.append(x)
    else:
      returned.append(renamed(graph, x, graph.new_name()))
  return returned


def _as_returned(eqn, names: str | list[str]) -> list[Tensor]:
  """The tensors that a node returns as what an equation does."""
  avals = [var.aval for var in eqn.outvars]
  names = [names] if isinstance(names, str) else names
  return [Tensor(name, aval.shape, aval.shape, aval.dtype) for name, aval in zip(names, avals, strict=True)]


def while_loop(graph: Graph, eqn, args: list[Tensor]) -> list[Tensor]:
  """A `Loop`, whose condition its body computes for the next turn."""
  p = eqn.params
  split = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
  of_cond, of_body, start = args[: split[0]], args[split[0] : split[1]], args[split[1] :]
  ask = lambda g, carry: inline(g, p["cond_jaxpr"].jaxpr, _consts(g, p["cond_jaxpr"]), [*of_cond, *carry])[0]  # noqa: E731
  body = graph.subgraph()
  turn = Tensor(body.new_name(), (), (), np.dtype(np.int64))
  go_on = Tensor(body.new_name(), (), (), np.dtype(bool))
  carry = [x._replace(name=body.new_name(), held=x.shape) for x in start]
  carried = inline(body, p["body_jaxpr"].jaxpr, _consts(body, p["body_jaxpr"]), [*of_body, *carry])
  returned = [renamed(body, x, body.new_name()) for x in (ask(body, carried), *carried)]
  program = body.proto("body", [turn, go_on, *carry], returned)
  first = ask(graph, start)
  names = graph.add("Loop", "", first.name, *(graph.whole(x) for x in start), outputs=len(start), body=program)
  return _as_returned(eqn, names)


def scan(graph: Graph, eqn, args: list[Tensor]) -> list[Tensor]:
  """Of one turn, as `lax.map` over one target is: its body, as if it were written here."""
  p = eqn.params
  if p["length"] != 1:
    raise UnknownPrimitiveError(f"scan of {p['length']} turns")
  before = p["num_consts"] + p["num_carry"]
  row = lambda x, shape: Tensor(graph.reshape(graph.whole(x), shape), shape, shape, x.dtype)  # noqa: E731
  xs = [row(x, x.shape[1:]) for x in args[before:]]
  found = inline(graph, p["jaxpr"].jaxpr, _consts(graph, p["jaxpr"]), [*args[:before], *xs])
  ys = [row(x, (1, *x.shape)) for x in found[p["num_carry"] :]]
  return [*found[: p["num_carry"]], *ys]


def linear_solve(graph: Graph, eqn, args: list[Tensor]) -> list[Tensor]:
  """`custom_linear_solve`: the solver, which is what runs."""
  lengths, solve = eqn.params["const_lengths"], eqn.params["jaxprs"].solve
  before = lengths.matvec + lengths.vecmat
  consts, b = args[before : before + lengths.solve], args[sum(lengths) :]
  return inline(graph, solve.jaxpr, _consts(graph, solve), [*consts, *b])


WITH_JAXPRS = {
  "jit": inlined("jaxpr"),
  "closed_call": inlined("call_jaxpr"),
  "custom_jvp_call": inlined("call_jaxpr"),
  "custom_vjp_call": inlined("call_jaxpr"),
  "cond": cond,
  "while": while_loop,
  "scan": scan,
  "custom_linear_solve": linear_solve,
}
