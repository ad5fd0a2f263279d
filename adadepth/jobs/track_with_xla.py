"""The job "track" with JAX: on a CPU, or an accelerator."""

import hashlib
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict

from adadepth.io.code_digest import digest_of_function
from adadepth.jobs.from_config import model_of
from adadepth.jobs.track_inputs import Engine
from adadepth.models.flops import cost_by_exit
from adadepth.models.model import Model, check_gates
from adadepth.tracking.budget import budget_for
from adadepth.tracking.policies import FIXED, POLICIES
from adadepth.tracking.tracker import Tracker

KNOWN = POLICIES


def engine_of(config: ConfigDict, workdir: pathlib.Path) -> Engine:
  """The model, policy and budget that config names.

  Raises:
    InputError: see `named_model`, or a budget that cannot be held.
  """
  model = named_model(config, workdir)
  model = model if config.threshold < 0 else model._replace(threshold=config.threshold)
  budget = budget_for(model.calibration, config.budget, argument="config.budget") if config.budget else None
  tracker = Tracker(model, config.policy, budget)
  return Engine(tracker, cost_by_exit(model.arch, model.calibration), version_of(tracker))


def named_model(config: ConfigDict, workdir: pathlib.Path) -> Model:
  """The model that config names, as it was trained.

  Raises:
    InputError: see `model_of`, or no gates for a policy that asks them.
  """
  model = model_of(config, workdir)
  if config.policy not in FIXED:
    check_gates(model, f"`config.model` (={config.model or workdir})")
  return model


def version_of(tracker: Tracker) -> str:
  """A digest of the network, what a budget makes of it, and a policy of one's own."""
  leaves = (np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((tracker.model.params, tracker.budget)))
  code = digest_of_function(POLICIES[tracker.policy])
  return hashlib.sha256(b"".join((f"{tracker.model.arch!r}{code}".encode(), *leaves))).hexdigest()
