"""The two phases: what they train moves, what they do not stays bitwise as it is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from adadepth.training.steps import (
  GateBatch,
  PairBatch,
  TrainState,
  finetune_optimizer,
  finetune_step,
  gating_optimizer,
  gating_step,
  init_state,
  pair_losses,
)

from adadepth.maths.features import FEATURES
from adadepth.maths.losses import geometric_price, label_cross_entropy
from adadepth.models.architecture import DEPTHS
from adadepth.models.gates import GATES, standardise_gates
from adadepth.models.network import logit_scales, search_responses, template_maps
from adadepth.models.vgg import count

STEPS = 6
# The reference's 20 px^2 at half its crop.
LOSS = {"map_loss": "label", "variance_px2": 5.0}


def leaves_by_name(params: dict) -> dict[str, np.ndarray]:
  return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def moved(before: dict, after: dict) -> set[str]:
  """Names of the leaves that are not bitwise what they were."""
  old, new = leaves_by_name(before), leaves_by_name(after)
  return {name for name in old if old[name].tobytes() != new[name].tobytes()}


def moments(state: TrainState) -> list[jax.Array]:
  """What the optimizer keeps for each weight."""
  return [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]


@pytest.fixture(scope="module")
def batch(arch, plant) -> PairBatch:
  """Two keys with two search frames each."""
  displacements = [[(8, -16), (-3, 5)], [(0, 21), (12, 12)]]
  templates, searches = zip(*(plant(arch.template_px, d, seed=s) for s, d in enumerate(displacements)), strict=True)
  return PairBatch(np.stack(templates), np.stack(searches), jnp.array(displacements, jnp.float32))


def outside_strict(step):
  """The compiled step, traced outside strict promotion: Adam (optax) raises a float to an integer power."""
  # Compiling the backward pass takes far longer than running it, and half as long without optimisation.
  compiled = jax.jit(step, compiler_options={"xla_backend_optimization_level": 0})

  def call(*args, **kwargs):
    with jax.numpy_dtype_promotion("standard"):
      return compiled(*args, **kwargs)

  return call


@pytest.fixture(scope="module")
def phase1(params, arch):
  """The state at the start of phase 1, and a step on all depths."""
  optimizer = finetune_optimizer(learning_rate=1e-3, steps=100, warmup_steps=1, clip_norm=1.0)
  step = functools.partial(finetune_step, optimizer=optimizer, objective="all", arch=arch, **LOSS)
  return init_state(params, optimizer), outside_strict(step)


@pytest.fixture(scope="module")
def losses(params, arch, batch) -> jax.Array:
  """L_1..L_5 of every pair of the batch, [2, 2, 5]."""
  return jax.jit(functools.partial(pair_losses, arch=arch, **LOSS))(params, batch)


@pytest.fixture(scope="module")
def finetuned(phase1, batch) -> tuple[TrainState, TrainState, list[dict]]:
  """The states before and after a few steps of phase 1 on one batch, and each step's scalars."""
  state, step = phase1
  scalars = []
  for _ in range(STEPS):
    state, now = step(state, batch)
    scalars.append(now)
  return phase1[0], state, scalars


@pytest.fixture(scope="module")
def gate_batch() -> GateBatch:
  """Pairs whose first feature says whether depth 1 will do; the deeper the better otherwise."""
  rng = np.random.default_rng(0)
  features = rng.standard_normal((64, GATES, FEATURES)).astype(np.float32)
  easy = features[:, 0, :1] > 0
  depth_losses = np.where(easy, 0.1, np.linspace(0.9, 0.1, DEPTHS)).astype(np.float32)
  return GateBatch(jnp.asarray(5 + 2 * features), jnp.asarray(depth_losses))


@pytest.fixture(scope="module")
def phase2(params, gate_batch):
  """The state at the start of phase 2, on standardised gates, and a step of a given price weight."""
  optimizer = gating_optimizer(learning_rate=0.05)
  start = {**params, "gates": standardise_gates(params["gates"], gate_batch.features)}
  step = functools.partial(gating_step, optimizer=optimizer, prices=geometric_price(2.0, DEPTHS))
  return init_state(start, optimizer), outside_strict(step)


def gated(phase2, batch: GateBatch, *, price_weight: float, steps: int = STEPS) -> tuple[TrainState, list[float]]:
  """The state after a few steps of phase 2, and the loss at each."""
  (state, step), losses = phase2, []
  for _ in range(steps):
    state, scalars = step(state, batch, price_weight=price_weight)
    losses.append(float(scalars["loss"]))
  return state, losses


# Invariants.


def test_phase_1_moves_the_backbone_and_the_head_and_nothing_else(finetuned):
  before, after, _ = finetuned
  trained = {name for name in leaves_by_name(before.params) if name.startswith(("['backbone']", "['head']"))}
  assert moved(before.params, after.params) == trained


def test_phase_2_moves_the_gates_linear_weights_and_nothing_else(phase2, gate_batch):
  after, _ = gated(phase2, gate_batch, price_weight=0.1)
  trained = {name for name in leaves_by_name(after.params) if "['linear']" in name}
  assert len(trained) == 2 * GATES
  assert moved(phase2[0].params, after.params) == trained


def test_phase_1_keeps_two_moments_for_the_trained_weights_alone(finetuned):
  params = finetuned[0].params
  assert len(moments(finetuned[1])) == 2 * len(jax.tree.leaves([params["backbone"], params["head"]]))
  assert count(moments(finetuned[1])) == 2 * count([params["backbone"], params["head"]])


def test_phase_2_keeps_two_moments_for_the_linear_weights_alone(phase2):
  assert count(moments(phase2[0])) == 2 * GATES * (FEATURES + 1)


def test_steps_are_counted(finetuned, phase2, gate_batch):
  assert finetuned[1].step == STEPS
  assert gated(phase2, gate_batch, price_weight=0.0)[0].step == STEPS


def test_a_step_leaves_its_input_as_it_was(phase1, batch, params):
  state, step = phase1
  step(state, batch)
  assert moved(params, state.params) == set()


# Limits.


def test_phase_1_learns(finetuned):
  losses = [float(scalars["loss"]) for scalars in finetuned[2]]
  # The first step of a warm-up has a learning rate of 0.
  assert losses[1] == losses[0]
  assert np.all(np.diff(losses[1:]) < 0), losses


def test_phase_2_learns(phase2, gate_batch):
  _, losses = gated(phase2, gate_batch, price_weight=0.01, steps=20)
  assert np.all(np.diff(losses) < 0), losses


def test_free_depths_are_used_and_dear_ones_are_not(phase2, gate_batch):
  first_gate = {
    weight: gated(phase2, gate_batch, price_weight=weight, steps=60)[0].params["gates"]["gate1"]["linear"]["Dense_0"]
    for weight in (0.0, 10.0)
  }
  assert first_gate[0.0]["bias"] < 0 < first_gate[10.0]["bias"]
  # Where depth is free, what says that depth 1 will do is learned all the same.
  kernel = first_gate[0.0]["kernel"][:, 0]
  assert jnp.argmax(jnp.abs(kernel)) == 0


# Oracles.


def test_pair_losses_are_each_groups_own(params, arch, batch, losses):
  grid = {"template_cells": 8, "search_cells": 16, "stride_px": 8, "variance_px2": LOSS["variance_px2"]}

  @jax.jit
  def responses_of(template, searches):
    return search_responses(params, template_maps(params, template, arch=arch), searches, arch=arch)

  for group in range(2):
    responses = responses_of(batch.template[group], batch.search[group])
    for frame in range(2):
      for depth in range(DEPTHS):
        logits = responses[frame, depth] * logit_scales(params)[depth]
        expected = label_cross_entropy(logits, batch.displacement_in_search[group, frame], **grid)
        # Losses of order 5 from logits of up to 10; the maps of two programs differ by 1e-5.
        np.testing.assert_allclose(losses[group, frame, depth], expected, atol=2e-4)


def test_the_loss_is_the_mean_over_pairs_of_the_sum_over_depths(losses, finetuned):
  first = finetuned[2][0]
  np.testing.assert_allclose(first["loss"], losses.sum(-1).mean(), rtol=1e-5)  # two float32 programs
  np.testing.assert_allclose([first[f"loss{k + 1}"] for k in range(DEPTHS)], losses.mean((0, 1)), rtol=1e-5)


def test_the_deepest_objective_is_the_deepest_loss(params, arch, batch, losses):
  optimizer = finetune_optimizer(learning_rate=1e-3, steps=1, warmup_steps=0, clip_norm=1.0)
  step = functools.partial(finetune_step, optimizer=optimizer, objective="deepest", arch=arch, **LOSS)
  # Only the loss is asked for, so that XLA leaves the whole backward pass out and compiles fast.
  loss = outside_strict(lambda state, batch: step(state, batch)[1]["loss"])(init_state(params, optimizer), batch)
  np.testing.assert_allclose(loss, losses[..., -1].mean(), rtol=1e-5)  # two float32 programs


def test_half_precision_is_of_the_backbone_alone_and_changes_the_losses_little(params, arch, batch, losses):
  def total(trained: dict, batch: PairBatch) -> tuple[jax.Array, jax.Array]:
    of_pairs = pair_losses({**params, **trained}, batch, arch=arch, **LOSS, dtype="bfloat16")
    return jnp.sum(of_pairs), of_pairs

  trained = {name: params[name] for name in ("backbone", "head")}
  grads, of_pairs = jax.eval_shape(jax.grad(total, has_aux=True), trained, batch)
  assert {leaf.dtype for leaf in jax.tree.leaves((grads, of_pairs))} == {jnp.dtype("float32")}
  halved = jax.jit(total)(trained, batch)[1]
  np.testing.assert_allclose(halved, losses, rtol=0.05)  # 8 bits, through up to 16 layers
  assert np.abs(halved - losses).max() > 1e-4  # float32 in two programs would agree better
