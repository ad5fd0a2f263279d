"""The layers of VGG-19: their names, their shapes, and the check that a file holds exactly these."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from adadepth.errors import InputError
from adadepth.models.architecture import VGG19_CONVS

CURE = "fetch the file again (adadepth.models.weights.download_vgg19 gets the official Keras one)"


@contextlib.contextmanager
def reading(path: pathlib.Path, kind: str) -> Iterator[None]:
  """Turns whatever a damaged file makes a parser raise into one InputError line."""
  try:
    yield
  except InputError:
    raise
  except Exception as error:  # Parsers of hostile bytes raise nearly every type there is.
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    raise InputError(f"weights file `{path}` is a truncated or damaged {kind} ({reason}): {CURE}") from error


def layer_names() -> list[str]:
  """The 16 convolutions in order: "block1_conv1" .. "block5_conv4"."""
  return [f"block{b}_conv{c}" for b, count in enumerate(VGG19_CONVS, 1) for c in range(1, count + 1)]


def expected_shapes(channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
  """Shapes by "block1_conv1/kernel" (HWIO) and "block1_conv1/bias", for five blocks of `channels`."""
  shapes: dict[str, tuple[int, ...]] = {}
  channels_in = 3
  for layer in layer_names():
    channels_out = channels[int(layer[5]) - 1]
    shapes[f"{layer}/kernel"] = (3, 3, channels_in, channels_out)
    shapes[f"{layer}/bias"] = (channels_out,)
    channels_in = channels_out
  return shapes


def validated(arrays: Mapping[str, np.ndarray], path: pathlib.Path, *, channels: tuple[int, ...]) -> dict[str, Any]:
  """Checks names, shapes and values, and nests the arrays by block, layer and parameter.

  Args:
    arrays: keyed like `expected_shapes`; further keys (a classifier's) are ignored.
    path: for the messages.
    channels: output channels of the five blocks.
  Returns:
    {"block1": {"conv1": {"kernel": [3, 3, in, out], "bias": [out]}, ...}, ...}, float32.
  Raises:
    InputError: a layer is missing, has another shape, or holds a value that is not finite.
  """
  shapes = expected_shapes(channels)
  _check_names(arrays, path, shapes)
  tree: dict[str, Any] = {}
  for name, shape in shapes.items():
    layer, parameter = name.split("/")
    block, conv = layer.split("_")
    value = _checked(arrays[name], name, path, shape)
    tree.setdefault(block, {}).setdefault(conv, {})[parameter] = value
  return tree


def _check_names(arrays: Mapping[str, Any], path: pathlib.Path, shapes: Mapping[str, Any]) -> None:
  missing = [name for name in shapes if name not in arrays]
  if missing:
    listed = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
    raise InputError(
      f"weights file `{path}` lacks {listed} of VGG-19's {len(shapes)} arrays; is it another network? {CURE}"
    )


def _checked(value: np.ndarray, name: str, path: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray:
  if value.shape != shape:
    raise InputError(
      f"weights file `{path}`: {name} has shape {value.shape}, expected {shape}; is it another network or"
      " another width? give VGG-19 without its fully connected layers"
    )
  if value.dtype.kind not in "fiu":
    raise InputError(f"weights file `{path}`: {name} holds {value.dtype}, not numbers: {CURE}")
  with np.errstate(over="ignore"):  # A float64 too large for float32 is reported below.
    value = np.array(value, np.float32, order="C")
  if not np.isfinite(value).all():
    raise InputError(f"weights file `{path}`: {name} holds NaN or infinite values: {CURE}")
  return value
