"""Phase 1: what a step computes and moves, and that a whole run leaves the caller's parameters alone."""

import dataclasses
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.pairs import PairSampler
from adadepth.errors import InputError
from adadepth.io.interruption import Stopped
from adadepth.io.metric_writer import read_metrics
from adadepth.maths.cost_volume import local_window
from adadepth.maths.losses import giou_loss, label_cross_entropy
from adadepth.maths.xcorr import cross_correlate_each
from adadepth.models.architecture import DEPTHS
from adadepth.models.box_head import Reading
from adadepth.models.network import group_maps, logit_scales, pair_responses
from adadepth.models.vgg import count
from adadepth.training import phase1
from adadepth.training.optimizers import TrainState, finetune_optimizer, init_state
from adadepth.training.phase1 import (
  FAR_CELLS,
  NEAR_CELLS,
  PairBatch,
  box_losses,
  compiled_step,
  finetune,
  finetune_step,
  pair_losses,
  stack_groups,
  training_batches,
)

STEPS = 4
# The reference's 20 px^2 at half its crop.
LOSS = {"map_loss": "label", "variance_px2": 5.0}
KEY = jax.random.key(0)
ADAM = {"learning_rate": 1e-3, "warmup_steps": 1, "clip_norm": 1.0}


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


def leaves_by_name(params: dict) -> dict[str, np.ndarray]:
  return {jax.tree_util.keystr(path): np.array(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def moved(before: dict, after: dict) -> set[str]:
  """Names of the leaves that are not bitwise what they were."""
  old, new = leaves_by_name(before), leaves_by_name(after)
  return {name for name in old if old[name].tobytes() != new[name].tobytes()}


def copied(tree):
  return jax.tree.map(jnp.array, tree)


def on_device(batch: PairBatch) -> PairBatch:
  return jax.tree.map(jnp.asarray, batch)


@pytest.fixture(scope="module")
def batch(arch, plant) -> PairBatch:
  """Two keys with two search frames each."""
  displacements = [[(8, -16), (-3, 5)], [(0, 21), (12, 12)]]
  templates, searches = zip(*(plant(arch.template_px, d, seed=s) for s, d in enumerate(displacements)), strict=True)
  sizes = np.full((2, 2, 2), 32, np.float32)
  return PairBatch(
    *(np.stack(templates), np.stack(searches), np.array(displacements, np.float32)), sizes[:, 0], sizes, sizes
  )


@pytest.fixture(scope="module")
def finetuned(params, arch, batch) -> tuple[TrainState, TrainState, list[dict]]:
  """The states before and after a few steps on one batch, and each step's scalars."""
  # The order of `finetune`, whose program this then is: the optimizer is kept by its arguments as they were written.
  adam = {name: ADAM[name] for name in ("warmup_steps", "clip_norm")}
  optimizer = finetune_optimizer(learning_rate=ADAM["learning_rate"], steps=STEPS, **adam)
  start = init_state(params, optimizer)
  state, scalars = copied(start), []
  for _ in range(STEPS):
    state, now = compiled_step(state, batch, optimizer=optimizer, objective="all", arch=arch, dtype="float32", **LOSS)
    scalars.append(jax.device_get(now))
  return start, state, scalars


@pytest.fixture(scope="module")
def losses(params, arch, batch) -> jax.Array:
  """L_1..L_5 of every pair of the batch, [4, 5]."""
  of_maps, of_boxes = jax.jit(lambda batch: pair_losses(params, batch, KEY, arch=arch, **LOSS))(on_device(batch))
  assert not of_boxes.any()
  return of_maps


# Invariants.


def test_a_step_moves_the_backbone_and_the_head_and_nothing_else(finetuned):
  before, after, _ = finetuned
  trained = {name for name in leaves_by_name(before.params) if name.startswith(("['backbone']", "['head']"))}
  assert moved(before.params, after.params) == trained


def test_two_moments_are_kept_for_the_trained_weights_alone(finetuned):
  params = finetuned[0].params
  moments = [leaf for leaf in jax.tree.leaves(finetuned[1].opt_state) if leaf.ndim]
  assert count(moments) == 2 * count([params["backbone"], params["head"]])


def test_steps_are_counted(finetuned):
  assert finetuned[1].step == STEPS


def test_steps_lower_the_loss(finetuned):
  losses = [float(scalars["loss"]) for scalars in finetuned[2]]
  # The first step of a warm-up has a learning rate of 0.
  assert losses[1] == losses[0]
  assert np.all(np.diff(losses[1:]) < 0), losses


# Whole runs.


@pytest.fixture(scope="module")
def sampler(arch, moving_target) -> PairSampler:
  return PairSampler([moving_target], arch, seed=0, frames=2, jitter_px=8.0, key_every=1)


def run(params, sampler, folder, *, steps=STEPS, **changes):
  """`finetune` with the program of `finetuned`."""
  settings = {"objective": "all", "groups": 2, "threads": 1, "log_every": 1, "checkpoint_every": 100, **changes}
  return finetune(
    params, sampler, arch=sampler.arch, dtype="float32", steps=steps, folder=folder, **ADAM, **LOSS, **settings
  )


@pytest.fixture(scope="module")
def whole_run(params, sampler, tmp_path_factory):
  """The parameters given to a run, as they were before and as they are after it; and what it was called with."""
  given, seen = copied(params), []
  measure = lambda step, found: seen.append((step, leaves_by_name(found)))  # noqa: E731
  state = run(given, sampler, tmp_path_factory.mktemp("run"), measure=measure, measure_every=2)
  return given, state, seen


def test_a_run_leaves_the_callers_parameters_as_they_were(whole_run, params):
  given, _, _ = whole_run
  assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(given))
  assert moved(params, given) == set()


def test_a_run_takes_the_steps_that_it_is_asked_for(whole_run, params):
  state = whole_run[1]
  assert state.step == STEPS
  assert moved(params["gates"], state.params["gates"]) == set()
  assert len(moved(params["backbone"], state.params["backbone"])) == 32


def test_a_run_is_measured_on_its_way_and_at_its_end(whole_run):
  _, state, seen = whole_run
  assert [step for step, _ in seen] == [2, 4]
  assert moved(seen[1][1], leaves_by_name(state.params)) == set()


def test_a_run_of_no_steps_is_where_it_starts(params, sampler, tmp_path):
  state = run(params, sampler, tmp_path, steps=0)
  assert state.step == 0 and moved(params, state.params) == set()


def test_batches_go_on_where_a_run_stopped(sampler):
  whole = list(training_batches(sampler, groups=2, start=0, stop=3, threads=2))
  rest = list(training_batches(sampler, groups=2, start=1, stop=3, threads=2))
  jax.tree.map(np.testing.assert_array_equal, whole[1:], rest)
  jax.tree.map(np.testing.assert_array_equal, whole[1], stack_groups([sampler[2], sampler[3]]))


class Poisoned(PairSampler):
  """Group 5 says that its target is nowhere."""

  def __getitem__(self, index: int):
    group = super().__getitem__(index)
    nowhere = group.truth_in_search * np.float32(np.nan if index == 5 else 1)
    return dataclasses.replace(group, truth_in_search=nowhere, sequence=f"video-{index}")


def test_a_loss_that_is_no_number_ends_a_run_with_its_step_videos_and_checkpoint(params, arch, moving_target, tmp_path):
  poisoned = Poisoned([moving_target], arch, seed=0, frames=2, jitter_px=8.0, key_every=1)
  told = (
    rf"^phase 1, step 3: the loss is nan on video-4, video-5; the last good checkpoint is {tmp_path}/checkpoints/2: "
    r"[^\n]*$"
  )
  with pytest.raises(InputError, match=told):
    run(params, poisoned, tmp_path, checkpoint_every=1)
  assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["1", "2"]
  assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2]


def test_a_run_that_is_stopped_keeps_its_step_and_goes_on_to_the_same_bits(
  params, sampler, tmp_path, whole_run, monkeypatch
):
  """Also with another number of threads."""
  asked = []

  def signalled(*arguments, **more):
    asked.append(compiled_step(*arguments, **more))
    if len(asked) == 2:
      signal.raise_signal(signal.SIGTERM)
    return asked[-1]

  monkeypatch.setattr(phase1, "compiled_step", signalled)
  with pytest.raises(Stopped, match="phase 1 is kept up to step 2 of 4") as caught:
    run(params, sampler, tmp_path, threads=2)
  assert caught.value.number == signal.SIGTERM
  assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["2"]
  state = run(params, sampler, tmp_path, threads=2)
  assert moved(whole_run[1].params, state.params) == set() and state.step == STEPS
  assert len(asked) == STEPS and [line["step"] for line in read_metrics(tmp_path)] == [1, 2, 3, 4]


# Oracles.


def test_pair_losses_are_each_groups_own(params, arch, batch, losses):
  grid = {"template_cells": 8, "search_cells": 16, "stride_px": 8, "variance_px2": LOSS["variance_px2"]}
  responses_of = jax.jit(lambda *crops: pair_responses(group_maps(params, *crops, arch=arch), arch=arch))
  for group in range(2):
    one = slice(group, group + 1)
    responses = responses_of(jnp.asarray(batch.template[one]), jnp.asarray(batch.search[one]))
    for frame in range(2):
      for depth in range(DEPTHS):
        logits = responses[frame, depth] * logit_scales(params)[depth]
        expected = label_cross_entropy(logits, jnp.asarray(batch.displacement_in_search[group, frame]), **grid)
        # Losses of order 5 from logits of up to 10; the maps of two programs differ by 1e-5.
        np.testing.assert_allclose(losses[2 * group + frame, depth], expected, atol=2e-4)


def test_the_loss_is_the_mean_over_pairs_of_the_sum_over_depths(losses, finetuned):
  first = finetuned[2][0]
  np.testing.assert_allclose(first["loss"], losses.sum(-1).mean(), rtol=1e-5)  # two float32 programs
  np.testing.assert_allclose([first[f"loss{k + 1}"] for k in range(DEPTHS)], losses.mean(0), rtol=1e-5)


def test_the_deepest_objective_is_the_deepest_loss(params, arch, batch, losses):
  optimizer = finetune_optimizer(**ADAM, steps=1)

  # Only the loss is asked for, so that XLA leaves the whole backward pass out and compiles fast.
  @jax.jit
  def loss(state, batch):
    return finetune_step(state, batch, optimizer=optimizer, objective="deepest", arch=arch, **LOSS)[1]["loss"]

  found = loss(init_state(params, optimizer), batch)
  np.testing.assert_allclose(found, losses[..., -1].mean(), rtol=1e-5)  # two float32 programs


def test_half_precision_is_of_the_backbone_alone_and_changes_the_losses_little(params, arch, batch, losses):
  def total(trained: dict, batch: PairBatch) -> tuple[jax.Array, jax.Array]:
    of_pairs, _ = pair_losses({**params, **trained}, batch, KEY, arch=arch, **LOSS, dtype="bfloat16")
    return jnp.sum(of_pairs), of_pairs

  trained = {name: params[name] for name in ("backbone", "head")}
  grads, of_pairs = jax.eval_shape(jax.grad(total, has_aux=True), trained, batch)
  assert {leaf.dtype for leaf in jax.tree.leaves((grads, of_pairs))} == {jnp.dtype("float32")}
  halved = jax.jit(total)(trained, batch)[1]
  np.testing.assert_allclose(halved, losses, rtol=0.05)  # 8 bits, through up to 16 layers
  assert np.abs(halved - losses).max() > 1e-4  # float32 in two programs would agree better


# Box heads.


@pytest.fixture(scope="module")
def drifted(small, moving_target) -> DriftedSampler:
  return DriftedSampler([moving_target], small, seed=0)


@pytest.fixture(scope="module")
def drifted_batch(drifted) -> PairBatch:
  return stack_groups([drifted[index] for index in range(8)])


@pytest.fixture(scope="module")
def small_losses(small, drifted_batch):
  """What the pairs lose by given parameters, of the maps and of the boxes, [8, 5] each."""
  program = jax.jit(lambda params, key: pair_losses(params, on_device(drifted_batch), key, arch=small, **LOSS))
  return lambda params, key=KEY: jax.device_get(program(params, key))


def test_new_heads_lose_what_the_last_size_loses_near_the_true_place(drifted_batch, small_params, small_losses):
  """They read the last size at a cell's centre, and are undecided: two log 2 there, and one at each other place."""
  true, size, last = (part[:, 0] for part in (drifted_batch.displacement_in_search, *drifted_batch[4:]))
  offsets = np.stack(np.meshgrid(*2 * [np.arange(-NEAR_CELLS, NEAR_CELLS + 1)]), axis=-1).reshape(-1, 1, 2)
  centers = np.float32(8 * np.clip(np.round(true / 8) + offsets, -7, 8))  # cells 0 to 15, the unmoved one 7
  boxes = np.broadcast_arrays(centers, last, true, size)
  possible = (
    2 * np.asarray(giou_loss(*map(jnp.asarray, boxes))) + np.abs(np.log(last / size)).mean(-1) + np.float32(np.log(2))
  )
  for key in range(2):
    of_boxes = small_losses(small_params, jax.random.key(key))[1]
    # Every depth reads at the same place.
    np.testing.assert_allclose(of_boxes, np.tile(of_boxes[:, :1], DEPTHS), rtol=1e-5)
    nearest = np.abs(possible - of_boxes[:, 0]).min(0)
    np.testing.assert_allclose(nearest, 0, atol=1e-4)


def test_scores_are_learnt_there_at_the_highest_place_elsewhere_and_of_another_keys_target(small, monkeypatch):
  rng = np.random.default_rng(0)
  drawn = lambda *shape: jnp.asarray(rng.standard_normal(shape), "float32")  # noqa: E731
  # Two keys with two search frames each.
  maps = [(jnp.repeat(drawn(2, 8, 8, 6), 2, axis=0), drawn(4, 16, 16, 6)) for _ in range(DEPTHS)]
  true = np.float32([[(0, 0), (24, -16)], [(-50, 40), (60, 60)]])
  sizes, lasts = jnp.array([[20.0, 30], [40, 10]]), jnp.full((2, 2, 2), 25.0)
  crops = [jnp.zeros((2, *more, 3), jnp.uint8) for more in ((64, 64), (2, 128, 128))]
  responses, read = pair_responses(maps, arch=small), []

  def see(heads, template, window, place, size, last_size, *, depth, arch) -> Reading:
    read.append((template, window, place, size))
    return Reading(jnp.zeros((12, 2)), last_size, jnp.zeros(12))

  monkeypatch.setattr(phase1, "read_box", see)
  batch = PairBatch(*crops, jnp.asarray(true), sizes, lasts, lasts)
  box_losses({}, maps, responses, batch, KEY, arch=small)
  true_place = np.round(true.reshape(-1, 2)[:, ::-1] / 8) + 7
  own, other = [0, 0, 1, 1], [1, 1, 0, 0]  # each pair's key, and the key that is not in its picture
  for (template, search), response, seen in zip(maps, np.moveaxis(responses, 1, 0), read, strict=True):
    templates, windows, places, given = (np.split(np.asarray(part), 3) for part in seen)
    for part, keys in enumerate((own, own, other)):
      np.testing.assert_array_equal(templates[part], template[::2][np.array(keys)])
      np.testing.assert_array_equal(given[part], sizes[np.array(keys)])
      np.testing.assert_array_equal(windows[part], local_window(search, jnp.asarray(places[part]), 8))
    there, wrong, absent = places
    assert np.abs(there - true_place).max() <= NEAR_CELLS
    others = cross_correlate_each(jnp.asarray(templates[2]), search)
    for i in range(4):
      far = np.abs(np.stack(np.mgrid[:16, :16], axis=-1) - true_place[i]).max(-1) > FAR_CELLS
      assert far[tuple(wrong[i])] and response[i][tuple(wrong[i])] == response[i][far].max()
      assert others[i][tuple(absent[i])] == others[i].max()


@pytest.fixture(scope="module")
def small_run(small_params, drifted, tmp_path_factory) -> tuple[TrainState, list[dict]]:
  """A run of the small plan on drifted pairs, and what its steps logged."""
  folder = tmp_path_factory.mktemp("small")
  settings = {"objective": "all", "groups": 8, "threads": 1, "log_every": 1, "checkpoint_every": 100, "steps": 30}
  adam = {**ADAM, "learning_rate": 5e-3}
  state = finetune(
    copied(small_params), drifted, arch=drifted.arch, dtype="float32", folder=folder, **adam, **LOSS, **settings
  )
  return state, read_metrics(folder)


def test_a_few_steps_lower_the_losses_of_maps_and_boxes(small_params, small_run, small_losses):
  before, after = (small_losses(params) for params in (small_params, small_run[0].params))
  for name, old, new in zip(("maps", "boxes"), before, after, strict=True):
    assert np.all(new.mean(0) < old.mean(0) - 0.02), (name, old.mean(0), new.mean(0))


def test_steps_move_backbone_head_and_boxes_and_nothing_else(small_params, small_run):
  names = leaves_by_name(small_params)
  trained = {name for name in names if name.startswith(("['backbone']", "['head']", "['box']"))}
  assert moved(small_params, small_run[0].params) == trained


def test_what_boxes_lose_is_logged_and_part_of_the_loss(small_run):
  for line in small_run[1]:
    parts = [line[f"{name}{k + 1}"] for name in ("loss", "box_loss") for k in range(DEPTHS)]
    assert min(parts) > 0
    assert line["loss"] == pytest.approx(sum(parts), rel=1e-4)  # float32
