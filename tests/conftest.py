"""Strict settings for every test (adapted from equinox): surprises are errors."""

import dataclasses
import os
import pathlib
import sys

# Programs here run once or twice: compiling them well costs more than running them.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0")

from jaxtyping import install_import_hook

# Shapes and dtypes in annotations are checked here and cost nothing at run time.
install_import_hook("adadepth", "typecheck.check")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.models.architecture import Architecture
from adadepth.models.network import init_params

LOOPBACK = ("127.0.0.1", "::1", "localhost", "", None)


def stay_here(event: str, arguments: tuple) -> None:
  """Nothing in these tests reaches beyond this machine: an audit hook, which nothing can take off again."""
  if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    host = address[0] if isinstance(address, tuple) else None if event != "socket.getaddrinfo" else address
    if (host.decode() if isinstance(host, bytes) else host) not in LOOPBACK:
      raise OSError(f"a test asked the network for {host}")


sys.addaudithook(stay_here)

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

from planted_crops import plant  # noqa: F401

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
  """The folder of real data and weights beside the checkout; tests that use it skip where it is absent."""
  if not (SHARED / "data").is_dir():
    pytest.skip(f"no real data at {SHARED}")
  return SHARED


@pytest.fixture(scope="session")
def arch() -> Architecture:
  """A tiny network: VGG-19's plan with 4 to 32 channels; 8 and 16 cells a side as in the paper, of 8 px."""
  return Architecture(width=1 / 16, template_px=64, search_px=128, pools=3)


@pytest.fixture(scope="session")
def boxed(arch: Architecture) -> Architecture:
  """The tiny network read by box heads."""
  return dataclasses.replace(arch, reader="box")


def drawn(shapes: dict, seed: int) -> dict:
  """Parameters of these shapes, drawn by NumPy: XLA compiles the sixteen He-normal draws of `init_params` for 14 s."""
  rng = np.random.default_rng(seed)

  def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> jax.Array:
    match [entry.key for entry in path]:
      case ["head", _]:
        value = np.full(leaf.shape, np.log(10))
      case [_, _, "std"]:
        value = np.ones(leaf.shape)
      case ["gates", *_]:
        value = 0.01 * rng.standard_normal(leaf.shape)
      case [*_, "kernel"]:
        value = rng.standard_normal(leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
      case _:
        value = 0.1 * rng.random(leaf.shape)
    return jnp.asarray(value, leaf.dtype)

  return jax.tree_util.tree_map_with_path(draw, shapes)


def shapes_of(arch: Architecture) -> dict:
  return jax.eval_shape(lambda key: init_params(key, arch, logit_scale=10.0), jax.random.key(0))


def random_params(arch: Architecture) -> dict:
  """Random parameters; gates lean on every feature a little."""
  return drawn(shapes_of(arch), seed=0)


@pytest.fixture(scope="session")
def params(arch: Architecture) -> dict:
  """Random parameters of the tiny network."""
  return random_params(arch)


@pytest.fixture(scope="session")
def box_params(arch: Architecture, boxed: Architecture) -> dict:
  """The same with random box heads, which read some tenths of a cell and of the logarithm of a size."""
  heads = drawn({"box": shapes_of(boxed)["box"]}, seed=1)
  return random_params(arch) | jax.tree_util.tree_map_with_path(
    lambda path, leaf: leaf * 0.1 if path[-2].key == "Dense_1" else leaf, heads
  )


@pytest.fixture(scope="session")
def small() -> Architecture:
  """A quarter of the small plan's width, read by box heads; 8 and 16 cells a side."""
  return Architecture(plan="small", width=0.25, template_px=64, search_px=128, pools=3, scaling="none", reader="box")


@pytest.fixture(scope="session")
def small_params(small: Architecture) -> dict:
  """As `init_params` has them, with new box heads: they read the last size at a cell's centre."""
  return init_params(jax.random.key(0), small, logit_scale=10.0)


@pytest.fixture(scope="session")
def moving_target() -> Sequence:
  """A 20 x 20 target of black, white and coloured blocks that moves by (2, -1) px a frame over a smooth ground."""
  y, x = np.mgrid[:96, :128]
  frame = np.stack([90 + x / 4, 110 + y / 5, np.full_like(x, 100)], axis=-1).astype(np.uint8)
  target = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (4, 4, 3)).repeat(5, 0).repeat(5, 1)
  frames = np.repeat(frame[None], 12, axis=0)
  boxes = np.array([(40 + 2 * t, 50 - t, 20, 20) for t in range(12)], np.float32)
  for image, (left, top, w, h) in zip(frames, boxes.astype(int), strict=True):
    image[top : top + h, left : left + w] = target
  return Sequence("moving_target", frames, boxes)
