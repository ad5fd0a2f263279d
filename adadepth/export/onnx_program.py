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
from adadepth.export.primitives import COMPLEX_RULES, EACH_PART, FUNCTIONS, RULES, Complex, UnknownPrimitiveError
from adadepth.export.program import leaf_names

Value = Tensor | Complex


def to_onnx(function, constants, inputs, *, name: str, metadata: dict) -> onnx.ModelProto:
  """The ONNX file of function(constants, **inputs) -> outputs.

  Args:
    function: takes a tree of arrays and named trees of arrays, and returns a tree.
    constants: tree of arrays that the file holds: the network's parameters.
    inputs: name -> tree of arrays or their shapes; leaves are named "name/path", and those of complex numbers are two,
      ".real" and ".imag".
  """
  traced, out = jax.make_jaxpr(lambda held, named: function(held, **named), return_shape=True)(constants, inputs)
  graph, held = Graph(), jax.tree.leaves(constants)
  known = [constant_tensor(graph, leaf) for leaf in held]
  given = [named_value(path, leaf) for path, leaf in leaf_names(inputs)]
  found = inline(graph, traced.jaxpr, [constant_tensor(graph, c) for c in traced.consts], [*known, *given])
  outputs = []
  for (path, _), value in zip(leaf_names(out), found, strict=True):
    outputs += [renamed(graph, x, end) for x, end in zip(parts(value), ends(path, value), strict=True)]
  return graph.model(name, [x for value in given for x in parts(value)], outputs, metadata=metadata)


def constant_tensor(graph: Graph, value) -> Value:
  array = np.asarray(value)
  if array.dtype == np.complex64:
    return Complex(constant_tensor(graph, array.real), constant_tensor(graph, array.imag))
  return Tensor(graph.constant(array), array.shape, array.shape, array.dtype)


def named_value(path: str, leaf) -> Value:
  """An input of the file."""
  tensor = lambda name, dtype: Tensor(name, leaf.shape, leaf.shape, np.dtype(dtype))  # noqa: E731
  if leaf.dtype == np.complex64:
    return Complex(*(tensor(f"{path}.{part}", np.float32) for part in Complex._fields))
  return tensor(path, leaf.dtype)


def parts(value: Value) -> tuple[Tensor, ...]:
  return tuple(value) if isinstance(value, Complex) else (value,)


def ends(path: str, value: Value) -> list[str]:
  return [f"{path}.{part}" for part in Complex._fields] if isinstance(value, Complex) else [path]


def renamed(graph: Graph, x: Tensor, name: str) -> Tensor:
  """A tensor whole and under a name of its own, as the outputs of graphs must be."""
  graph.nodes.append(onnx.helper.make_node("Identity", [graph.whole(x)], [name]))
  return x._replace(name=name, held=x.shape)


def inline(graph: Graph, jaxpr, consts: Sequence[Value], args: Sequence[Value]) -> list[Value]:
  """Adds what a jaxpr computes to a graph; returns what it returns."""
  values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

  def read(atom) -> Value:
    return constant_tensor(graph, np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else values[atom]

  for eqn in jaxpr.eqns:
    found = convert(graph, eqn, [read(atom) for atom in eqn.invars])
    values.update(zip(eqn.outvars, found, strict=True))
  return [read(atom) for atom in jaxpr.outvars]


def convert(graph: Graph, eqn, args: list[Value]) -> list[Value]:
  """One equation."""
  name = eqn.primitive.name
  if name == "jit" and eqn.params["name"] in FUNCTIONS:
    return [FUNCTIONS[eqn.params["name"]](graph, eqn, *args)]
  if name in WITH_JAXPRS:
    return WITH_JAXPRS[name](graph, eqn, args)
  is_complex = any(isinstance(x, Complex) for x in args)
  if is_complex and name in EACH_PART:
    rule = RULES[name]
    split = [x if isinstance(x, Complex) else (x, x) for x in args]
    return [Complex(*(rule(graph, eqn, *(x[i] for x in split))._replace(dtype=np.dtype(np.float32)) for i in range(2)))]
  rule = (COMPLEX_RULES if is_complex else RULES).get(name)
  if rule is None:
    raise UnknownPrimitiveError(f"no rule for the primitive {name!r}" + (" of complex numbers" if is_complex else ""))
  found = rule(graph, eqn, *args)
  return found if isinstance(found, list) else [found]


# Equations that hold programs.


def inlined(key: str):
  """`jit` and its like: their program, as if it were written here."""
  return lambda graph, eqn, args: inline(graph, eqn.params[key].jaxpr, _consts(graph, eqn.params[key]), args)


def _consts(graph: Graph, closed) -> list[Value]:
  return [constant_tensor(graph, value) for value in closed.consts]


def cond(graph: Graph, eqn, args: list[Value]) -> list[Value]:
  """An `If`: of its two branches one is computed."""
  index, *operands = args
  if len(eqn.params["branches"]) != 2:
    raise UnknownPrimitiveError("cond of more than two branches")
  branches = []
  for closed in eqn.params["branches"]:
    inner = graph.subgraph()
    found = inline(inner, closed.jaxpr, _consts(inner, closed), operands)
    returned = [renamed(inner, x, inner.new_name()) for value in found for x in parts(value)]
    branches.append(inner.proto("branch", [], returned))
  no, yes = branches
  names = graph.add("If", graph.cast(index.name, bool), outputs=len(no.output), then_branch=yes, else_branch=no)
  return _as_returned(eqn, names if isinstance(names, list) else [names])


def _as_returned(eqn, names: list[str]) -> list[Value]:
  """The tensors that a node returns, one by one, as the arrays that an equation does."""
  found, names = [], iter(names)
  for var in eqn.outvars:
    value = named_value("", var.aval)
    tensors = [x._replace(name=next(names)) for x in parts(value)]
    found.append(Complex(*tensors) if isinstance(value, Complex) else tensors[0])
  return found


def while_loop(graph: Graph, eqn, args: list[Value]) -> list[Value]:
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
  return _as_returned(eqn, names if isinstance(names, list) else [names])


def scan(graph: Graph, eqn, args: list[Value]) -> list[Value]:
  """Of one turn, as `lax.map` over one target is: its body, as if it were written here."""
  p = eqn.params
  if p["length"] != 1:
    raise UnknownPrimitiveError(f"scan of {p['length']} turns")
  before = p["num_consts"] + p["num_carry"]
  row = lambda x, shape: Tensor(graph.reshape(graph.whole(x), shape), shape, shape, x.dtype)  # noqa: E731
  each = lambda value, f: Complex(*map(f, value)) if isinstance(value, Complex) else f(value)  # noqa: E731
  xs = [each(value, lambda x: row(x, x.shape[1:])) for value in args[before:]]
  found = inline(graph, p["jaxpr"].jaxpr, _consts(graph, p["jaxpr"]), [*args[:before], *xs])
  ys = [each(value, lambda x: row(x, (1, *x.shape))) for value in found[p["num_carry"] :]]
  return [*found[: p["num_carry"]], *ys]


def linear_solve(graph: Graph, eqn, args: list[Value]) -> list[Value]:
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
