"""The same tracking step in PyTorch, at the other end of the pipe (see `serve`). Imports nothing of adadepth."""

import contextlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from host_crop import crop_square

CONVS = (2, 2, 4, 4, 4)
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)
WHITEN_EPSILON = 1e-5


class Features(torch.nn.Module):
  """VGG-19's blocks up to a depth: crops to their whitened map at the common stride."""

  def __init__(self, backbone: dict, *, depth: int, pools: int, layout: torch.memory_format):
    super().__init__()
    self.layout, layers = layout, []
    for block in range(depth + 1):
      for conv in range(CONVS[block]):
        layers += [_conv(backbone[f"block{block + 1}"][f"conv{conv + 1}"]), torch.nn.ReLU(inplace=True)]
      layers += [torch.nn.MaxPool2d(2)] if block < pools else []
    left = 2**pools // 2 ** min(depth + 1, pools)
    self.layers = torch.nn.Sequential(*layers, *([torch.nn.MaxPool2d(left)] if left > 1 else []))
    self.register_buffer("mean", torch.tensor(IMAGENET_MEAN_BGR).reshape(1, 3, 1, 1))

  def forward(self, crops: torch.Tensor) -> torch.Tensor:
    """RGB, uint8 [n, px, px, 3], to [n, c, cells, cells]."""
    x = crops.permute(0, 3, 1, 2).flip(1) - self.mean
    x = self.layers(x.contiguous(memory_format=self.layout)).float()
    deviation, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (deviation + WHITEN_EPSILON)


def _conv(weights: dict) -> torch.nn.Conv2d:
  kernel = weights["kernel"]
  layer = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
  layer.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
  layer.bias.data = torch.from_numpy(weights["bias"].copy())
  return layer


def correlate(template: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
  """[n, c, h, w] over [n, c, r, r], each with its own template, zero-padded as XLA's SAME: [n, r, r]."""
  n, c, h, w = template.shape
  padded = F.pad(search, ((w - 1) // 2, w // 2, (h - 1) // 2, h // 2))
  response = F.conv2d(padded.reshape(1, n * c, *padded.shape[2:]), template, groups=n)[0]
  return response / template[0].numel()


def peaks(response: torch.Tensor, zero: int) -> torch.Tensor:
  """Displacements (x, y) in cells of the highest cells of [n, r, r]."""
  cells, index = response.shape[-1], response.flatten(1).argmax(1)
  return torch.stack([index % cells - zero, index // cells - zero], 1)


class Step(torch.nn.Module):
  """One tracking step of a fixed depth, from crops to boxes; the template's map is kept."""

  def __init__(self, backbone: dict, *, depth: int, network: dict, layout: torch.memory_format):
    super().__init__()
    self.features = Features(backbone, depth=depth, pools=network["pools"], layout=layout).to(memory_format=layout)
    self.network = network

  def forward(
    self, crops: torch.Tensor, template: torch.Tensor, box_xywh: torch.Tensor, frame_wh: torch.Tensor
  ) -> torch.Tensor:
    response = correlate(template, self.features(crops))
    if self.network["scaling"] == "min_max":
      low, high = response.amin((1, 2), keepdim=True), response.amax((1, 2), keepdim=True)
      response = (response - low) / (high - low)
    stride, size = 2 ** self.network["pools"], box_xywh[:, 2:]
    template_cells, cells = self.network["template_px"] // stride, self.network["search_px"] // stride
    moved = peaks(response, (cells - template_cells) // 2 + (template_cells - 1) // 2) * stride
    moved = moved * (side_of(box_xywh) / self.network["template_px"])[:, None]
    center = (box_xywh[:, :2] + size / 2 + moved).clamp(min=0).minimum(frame_wh)
    return torch.cat([center - size / 2, size], 1)


def side_of(box_xywh: torch.Tensor) -> torch.Tensor:
  """Side of the key crop, image pixels, [n]."""
  return box_xywh[:, 2:].amax(1) + box_xywh[:, 2:].sum(1) / 4


class Side:
  """What `peer.Peer` asks for."""

  def prepare(
    self,
    *,
    backbone: dict,
    network: dict,
    frames: np.ndarray,
    boxes_xywh: np.ndarray,
    threads: int,
    device: str,
  ) -> str:
    """Takes what `variant` needs; returns torch's version.

    Args:
      backbone: {"block1": {"conv1": {"kernel", "bias"}, ...}, ...}, kernels [3, 3, c, d].
      network: pools, template_px, search_px, scaling.
      frames: the first and the next, RGB, [2, h, w, 3]; boxes_xywh: in the first, [n, 4].
      device: "cpu" or "cuda".
    """
    torch.set_num_threads(threads)
    self.device, self.backbone, self.network = device, backbone, network
    self.frames, self.boxes, self.variants = frames, boxes_xywh, {}
    return str(torch.__version__)

  def add(self, *, name: str, depth: int, layout: str, mode: str, targets: int) -> None:
    """A step under a name.

    Args:
      layout: "contiguous_format" or "channels_last".
      mode: "eager", or a mode of torch.compile.
    """
    memory_format = getattr(torch, layout)
    step = Step(self.backbone, depth=depth, network=self.network, layout=memory_format).eval().to(self.device)
    boxes = torch.from_numpy(self.boxes[:targets]).to(self.device)
    frame_wh = torch.tensor(self.frames.shape[2:0:-1], device=self.device)
    with self._inference():
      template = step.features(self._crops(0, targets, "template_px"))
    run = step if mode == "eager" else torch.compile(step, mode=mode, dynamic=False)
    self.variants[name] = lambda: run(self._crops(1, targets, "search_px"), template, boxes, frame_wh).cpu()

  def _crops(self, frame: int, targets: int, name: str) -> torch.Tensor:
    """Cut on the host around the first boxes, uint8 [n, px, px, 3]."""
    boxes, px = self.boxes[:targets], self.network[name]
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    sides = side_of(torch.from_numpy(boxes)).numpy() * (px / self.network["template_px"])
    cuts = [crop_square(self.frames[frame], c, float(s), px) for c, s in zip(centers, sides, strict=True)]
    return torch.from_numpy(np.stack(cuts)).to(self.device)

  def run(self, *, name: str) -> float:
    """Seconds of one step, from the frame on the host to the boxes on the host."""
    with self._inference():
      start = time.perf_counter()
      self.variants[name]()
      return time.perf_counter() - start

  def boxes_of(self, *, name: str) -> np.ndarray:
    """What a step finds, [n, 4]."""
    with self._inference():
      return self.variants[name]().numpy()

  @contextlib.contextmanager
  def _inference(self):
    fast = torch.autocast("cuda", torch.bfloat16) if self.device == "cuda" else contextlib.nullcontext()
    with torch.inference_mode(), fast:
      yield
