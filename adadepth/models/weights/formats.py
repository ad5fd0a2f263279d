"""The published forms of VGG-19, each brought to our names and input convention."""

import math
import pathlib
import re
from collections.abc import Mapping

import h5py
import numpy as np

from adadepth.errors import InputError
from adadepth.models.architecture import IMAGENET_MEAN_BGR, VGG19_CONVS
from adadepth.models.weights import layout
from adadepth.models.weights.unpickle import InertUnpickler, PickledArray

# torchvision's statistics of RGB in 0..1.
RGB_MEAN = np.array([0.485, 0.456, 0.406])
RGB_STD = np.array([0.229, 0.224, 0.225])


def from_keras(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Arrays of a Keras h5 file by our names.

  A dataset is known by the layer in its path and by its rank, since the leaf has been called
  block1_conv1_W_1:0, kernel:0 and kernel over the years.
  """
  arrays: dict[str, np.ndarray] = {}

  def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
    layer = re.search(r"(?:^|/)(block\d_conv\d)(?=[/_])", name)
    if layer is None or not isinstance(item, h5py.Dataset) or name.startswith("optimizer_weights"):
      return
    arrays[f"{layer[1]}/{'bias' if item.ndim == 1 else 'kernel'}"] = _read_dataset(item, path.stat().st_size)

  with layout.reading(path, "Keras h5 file"), h5py.File(path, "r") as file:
    file.visititems(visit)
  return arrays


def _read_dataset(item: h5py.Dataset, file_bytes: int) -> np.ndarray:
  """The numbers of a dataset that lie in the file itself, all of them: HDF5 may take them from any other."""
  if item.external or item.is_virtual:
    raise ValueError(f"{item.name} lies in another file")
  if item.dtype.kind not in "fiu":
    raise ValueError(f"{item.name} holds {item.dtype}, not numbers")
  claimed = max(math.prod(item.shape), math.prod(item.chunks or ())) * item.dtype.itemsize
  if claimed > file_bytes:
    raise ValueError(f"{item.name} claims {claimed} bytes, and the file has {file_bytes}")
  return item[()]


def from_reference(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Arrays of the reference's vgg19.npy, a pickled {"conv1_1": [filters HWIO, biases]}, by our names."""
  with layout.reading(path, "pickled .npy file"), path.open("rb") as file:
    np.lib.format.read_magic(file)
    _, _, dtype = np.lib.format.read_array_header_1_0(file)
    pickled = InertUnpickler(file, path).load() if dtype.hasobject else None
    content = pickled.unpacked()[0] if isinstance(pickled, PickledArray) else None
    if not isinstance(content, dict):
      raise InputError(f"weights file `{path}` holds no dict of layers, as the reference's vgg19.npy does")
    arrays = {}
    for layer in layout.layer_names():
      filters_and_biases = content.get(f"conv{layer[5]}_{layer[-1]}", ())
      for parameter, value in zip(("kernel", "bias"), filters_and_biases, strict=False):
        arrays[f"{layer}/{parameter}"] = np.asarray(_numbers(value))
  return arrays


def _numbers(value: object) -> np.ndarray | list:
  if not isinstance(value, PickledArray):
    raise ValueError(f"a {type(value).__name__} where numbers are wanted")
  return value.unpacked()


def from_torchvision(state: Mapping[str, np.ndarray], path: pathlib.Path) -> dict[str, np.ndarray]:
  """Arrays of torchvision's VGG-19, OIHW, by our names and for our input.

  The torchvision network takes z = (x / 255 - mean) / std with x in RGB, ours u = x - m in BGR. Since
  x = u + m, conv1_1 becomes w' = w / (255 std), with its input channels reversed, and
  b' = b + sum w' (m - 255 mean). That is exact, but for the image's one-pixel border: there zero padding
  means 255 mean to torchvision and m to us, up to 0.5 grey levels apart, and b' counts the padded taps too.
  """
  arrays = {}
  for layer, index in zip(layout.layer_names(), _torchvision_indices(), strict=True):
    if (kernel := state.get(f"features.{index}.weight")) is not None:
      if kernel.ndim != 4:
        raise InputError(f"weights file `{path}`: features.{index}.weight has shape {kernel.shape}, not OIHW")
      arrays[f"{layer}/kernel"] = kernel.transpose(2, 3, 1, 0)
    if (bias := state.get(f"features.{index}.bias")) is not None:
      arrays[f"{layer}/bias"] = bias
  return _with_input_folded(arrays)


def _torchvision_indices() -> list[int]:
  """Where the convolutions stand in `features`: each is followed by a ReLU, each block by a pool."""
  starts = np.cumsum([0, *(2 * count + 1 for count in VGG19_CONVS)])
  return [int(start) + 2 * i for start, count in zip(starts, VGG19_CONVS, strict=False) for i in range(count)]


def _with_input_folded(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  kernel, bias = arrays.get("block1_conv1/kernel"), arrays.get("block1_conv1/bias")
  if kernel is None or bias is None or kernel.shape[2] != 3 or bias.shape != kernel.shape[3:]:
    return arrays  # The check of names and shapes that follows says what is wrong.
  folded = (kernel.astype(np.float64) / (255 * RGB_STD)[:, None])[:, :, ::-1, :]
  shift = np.array(IMAGENET_MEAN_BGR) - 255 * RGB_MEAN[::-1]
  return arrays | {
    "block1_conv1/kernel": folded,
    "block1_conv1/bias": bias + np.einsum("hwio,i->o", folded, shift),
  }
