"""Writes the VGG-19 golden files with PyTorch, which shares no code with adadepth.

Run it from the repository's root in an environment of its own (PyTorch is not in the requirements):

  python3 -m venv /tmp/venv_torch
  /tmp/venv_torch/bin/pip install torch==2.13.0 safetensors numpy
  /tmp/venv_torch/bin/python tests/golden/make_vgg19_golden.py ../shared/weights/*.safetensors

`vgg19_activations.npz` holds, for the nets "imagenet" (the file given) and "narrow" (written here):

  image_bgr                uint8 [64, 64, 3], made by image_bgr(); the input is image_bgr - BGR_MEAN
  {net}/depth{k}/shape     int [3], of the map: h, w, c; k = 1..5
  {net}/depth{k}/moments   float64 [3], of the whole map: mean, population std, Euclidean norm
  {net}/depth{k}/positions uint16 [200, 3], (y, x, c): 100 anywhere, then 100 where the map is not 0
  {net}/depth{k}/values    float32 [200], map[y, x, c]

The map of depth k is the output of block k after its 2x2 max pool; block 5 has no pool. All in float32.

The narrow net (channels NARROW, seeded weights) is for machines without the ImageNet weights. Its files:

  vgg19_narrow.safetensors              our names, HWIO, our input: the activations are this one's
  vgg19_narrow_torchvision.safetensors  a torchvision state dict: OIHW, RGB, nothing folded
  vgg19_narrow_zip.pth, _legacy.pth     that state dict by torch.save, in both of its layouts

The two nets differ in conv1_1, which the first has divided by 64, so as to suit inputs of +-128. Every other
layer is the same up to the order of its axes. The state dicts hold a small classifier besides.
"""

import collections
import pathlib
import sys

import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
CONVS = (2, 2, 4, 4, 4)
NARROW = (3, 4, 5, 6, 8)
BGR_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
LAYERS = [(b, c) for b, count in enumerate(CONVS, 1) for c in range(1, count + 1)]
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def image_bgr() -> np.ndarray:
  """A textured 64 x 64 image by integer arithmetic, so that it is the same everywhere: uint8 [64, 64, 3]."""
  y, x, c = np.meshgrid(np.arange(64), np.arange(64), np.arange(3), indexing="ij")
  tiles = 60 * ((x // 16 + y // 16 + c) % 3)
  return ((3 * x + (2 + c) * y + (x * y) // (7 + c) + tiles) % 256).astype(np.uint8)


def activations(weights: dict[str, np.ndarray]) -> list[np.ndarray]:
  """The five maps, float32 [h, w, c] each, of weights named block1_conv1/kernel (HWIO)."""
  x = torch.from_numpy(image_bgr().astype(np.float32) - BGR_MEAN).permute(2, 0, 1)[None]
  maps = []
  for block, count in enumerate(CONVS, 1):
    for conv in range(1, count + 1):
      kernel = torch.from_numpy(weights[f"block{block}_conv{conv}/kernel"]).permute(3, 2, 0, 1)
      layer = torch.nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
      bias = torch.from_numpy(weights[f"block{block}_conv{conv}/bias"])
      layer.load_state_dict({"weight": kernel, "bias": bias})
      x = F.relu(layer(x))
    if block < 5:
      x = F.max_pool2d(x, 2)
    maps.append(x[0].permute(1, 2, 0).contiguous().numpy())
  return maps


def summary(net: str, maps: list[np.ndarray]) -> dict[str, np.ndarray]:
  """The golden entries of one net."""
  rng = np.random.default_rng(19)
  entries = {}
  for k, values in enumerate(maps, 1):
    anywhere = rng.integers(0, values.shape, size=(100, 3))
    alive = np.argwhere(values)
    positions = np.concatenate([anywhere, alive[rng.integers(0, len(alive), 100)]]).astype(np.uint16)
    wide = values.astype(np.float64)
    entries[f"{net}/depth{k}/shape"] = np.array(values.shape)
    entries[f"{net}/depth{k}/moments"] = np.array([wide.mean(), wide.std(), np.linalg.norm(wide)])
    entries[f"{net}/depth{k}/positions"] = positions
    entries[f"{net}/depth{k}/values"] = values[tuple(positions.T)]
    print(f"{net} depth {k}: shape {values.shape}, mean {wide.mean():.4g}, not 0: {(values > 0).mean():.0%}")
  return entries


def narrow_state_dict() -> collections.OrderedDict[str, torch.Tensor]:
  """Seeded weights of a narrow VGG-19 as torchvision would save them, a classifier included."""
  rng = np.random.default_rng(1919)
  state = collections.OrderedDict()
  channels_in = 3
  for (block, _), index in zip(LAYERS, TORCHVISION, strict=True):
    channels_out = NARROW[block - 1]
    scale = np.sqrt(2 / (9 * channels_in))
    kernel = scale * rng.standard_normal((channels_out, channels_in, 3, 3))
    state[f"features.{index}.weight"] = torch.tensor(kernel, dtype=torch.float32)
    state[f"features.{index}.bias"] = torch.tensor(rng.uniform(0.0, 0.2, channels_out), dtype=torch.float32)
    channels_in = channels_out
  state["classifier.0.weight"], state["classifier.0.bias"] = torch.ones(2, 4), torch.zeros(2)
  return state


def narrow_weights(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
  """The narrow net by our names, HWIO, with conv1_1 scaled for inputs of +-128."""
  weights = {}
  for (block, conv), index in zip(LAYERS, TORCHVISION, strict=True):
    kernel = state[f"features.{index}.weight"].numpy().transpose(2, 3, 1, 0)
    weights[f"block{block}_conv{conv}/kernel"] = np.ascontiguousarray(kernel / (64 if index == 0 else 1))
    weights[f"block{block}_conv{conv}/bias"] = state[f"features.{index}.bias"].numpy()
  return weights


def main(imagenet_path: str) -> None:
  """Writes all golden files beside this script."""
  torch.set_grad_enabled(False)
  state = narrow_state_dict()
  narrow = narrow_weights(state)
  # Not save_file: it makes the file readable for its owner only.
  content = safetensors.numpy.save(narrow, {"layout": "HWIO"})
  (HERE / "vgg19_narrow.safetensors").write_bytes(content)
  plain = {name: value.numpy() for name, value in state.items()}
  (HERE / "vgg19_narrow_torchvision.safetensors").write_bytes(safetensors.numpy.save(plain))
  torch.save(state, HERE / "vgg19_narrow_zip.pth")
  torch.save(state, HERE / "vgg19_narrow_legacy.pth", _use_new_zipfile_serialization=False)
  imagenet = {name: value.astype(np.float32) for name, value in safetensors.numpy.load_file(imagenet_path).items()}
  entries = summary("imagenet", activations(imagenet)) | summary("narrow", activations(narrow))
  np.savez_compressed(HERE / "vgg19_activations.npz", image_bgr=image_bgr(), **entries)


if __name__ == "__main__":
  main(sys.argv[1])
