"""The same tracking step in PyTorch, at the other end of the pipe (see `serve`). Imports nothing of adadepth."""

import contextlib
import time

import numpy as np
import torch
import torch.nn.functional as F

CONVS = (2, 2, 4, 4, 4)
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)
WHITEN_EPSILON = 1e-5


class Features(torch.nn.Module):
  """VGG-19's blocks up to a depth: crops to their whitened map at the common stride."""

  def __init__(self, backbone: dict, *, depth: int, pools: int):
    super().__init__()
    layers = []
    for block in range(depth + 1):
      for conv in range(CONVS[block]):
        layers += [_conv(backbone[f"block{block + 1}"][f"conv{conv + 1}"]), torch.nn.ReLU(inplace=True)]
      layers += [torch.nn.MaxPool2d(2)] if block < pools else []
    left = 2**pools // 2 ** min(depth + 1, pools)
    self.layers = torch.nn.Sequential(*layers, *([torch.nn.MaxPool2d(left)] if left > 1 else []))
    self.register_buffer("mean", torch.tensor(IMAGENET_MEAN_BGR).reshape(1, 3, 1, 1))

  def forward(self, crops: torch.Tensor) -> torch.Tensor:
    """RGB 0..255, [n, 3, px, px], to [n, c, cells, cells]."""
    x = self.layers(crops.flip(1) - self.mean).float()
    deviation, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (deviation + WHITEN_EPSILON)


def _conv(weights: dict) -> torch.nn.Conv2d:
  kernel = weights["kernel"]
  layer = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
  layer.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
  layer.bias.data = torch.from_numpy(weights["bias"].copy())
  return layer


def resize_weights(start: torch.Tensor, side: torch.Tensor, *, window: int, crop_px: int) -> torch.Tensor:
  """One axis of the antialiased bilinear resize of [start, start + side), as matrices [n, crop_px, window]."""
  pixels = (side / crop_px)[:, None]  # of the window per pixel of the crop
  centers = start[:, None] + (torch.arange(crop_px, device=side.device) + 0.5) * pixels
  distance = (torch.arange(window, device=side.device) + 0.5 - centers[..., None]).abs() / pixels[..., None].clamp(
    min=1
  )
  weights = (1 - distance).clamp(min=0)
  inside = (centers >= 0) & (centers <= window)
  return weights / weights.sum(-1, keepdim=True).clamp(min=1e-6) * inside[..., None]


def cut(frame: torch.Tensor, center_xy: torch.Tensor, side: torch.Tensor, *, crop_px: int, window: int) -> torch.Tensor:
  """Squares cut and resized, filled with the frame's mean colour, as `adadepth.maths.crop` does it.

  Args:
    frame: uint8, [h, w, 3]; center_xy: [n, 2]; side: [n].
    window: static side of what is cut before it is resized.
  Returns:
    RGB 0..255, [n, 3, crop_px, crop_px].
  """
  mean = frame.reshape(-1, 3).sum(0).float() * (3 / frame.numel())
  axes = []
  for axis, px in ((1, frame.shape[0]), (0, frame.shape[1])):
    size = min(window, px)
    corner = center_xy[:, axis] - side / 2
    start = (center_xy[:, axis] - size / 2).floor().clamp(0, px - size)
    rows = start.long()[:, None] + torch.arange(size, device=frame.device)
    axes.append((rows, resize_weights(corner - start, side, window=size, crop_px=crop_px)))
  (rows, by_row), (cols, by_col) = axes
  windows = (frame[rows[:, :, None], cols[:, None, :]].float() - mean).permute(0, 3, 1, 2)
  return by_row[:, None] @ windows @ by_col[:, None].mT + mean.reshape(1, 3, 1, 1)


def correlate(template: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
  """[n, c, h, w] over [n, c, r, r], each with its own template, zero-padded as XLA's SAME: [n, r, r]."""
  n, c, h, w = template.shape
  padded = F.pad(search, ((w - 1) // 2, w // 2, (h - 1) // 2, h // 2))
  response = F.conv2d(padded.reshape(1, n * c, *padded.shape[2:]), template, groups=n)[0]
  return response / template[0].numel()


def vertex(before: torch.Tensor, peak: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
  """The sub-cell offset of a parabola through three neighbours."""
  curvature = 2 * peak - before - after
  return torch.where(curvature > 0, (after - before) / (2 * curvature), 0).clamp(-0.5, 0.5)


def peaks(response: torch.Tensor, zero: int) -> torch.Tensor:
  """Displacements (x, y) in cells of the peaks of [n, r, r]."""
  cells = response.shape[-1]
  index = response.flatten(1).argmax(1)
  every, row, col = torch.arange(len(index), device=index.device), index // cells, index % cells
  at_row, at_col = row.clamp(1, cells - 2), col.clamp(1, cells - 2)
  x = vertex(*(response[every, row, at_col + d] for d in (-1, 0, 1)))
  y = vertex(*(response[every, at_row + d, col] for d in (-1, 0, 1)))
  return torch.stack([col - zero + torch.where(at_col == col, x, 0), row - zero + torch.where(at_row == row, y, 0)], 1)


class Step(torch.nn.Module):
  """One tracking step of a fixed depth, from frame to boxes; the template's map is kept."""

  def __init__(self, backbone: dict, *, depth: int, network: dict):
    super().__init__()
    self.features, self.network = Features(backbone, depth=depth, pools=network["pools"]), network

  def side(self, box_xywh: torch.Tensor) -> torch.Tensor:
    """Side of the key crop, image pixels, [n]."""
    return box_xywh[:, 2:].amax(1) + box_xywh[:, 2:].sum(1) / 4

  def template(self, frame: torch.Tensor, box_xywh: torch.Tensor, window: int) -> torch.Tensor:
    center, px = box_xywh[:, :2] + box_xywh[:, 2:] / 2, self.network["template_px"]
    return self.features(cut(frame, center, self.side(box_xywh), crop_px=px, window=window))

  def forward(self, frame: torch.Tensor, template: torch.Tensor, box_xywh: torch.Tensor, window: int) -> torch.Tensor:
    center, scale = box_xywh[:, :2] + box_xywh[:, 2:] / 2, self.network["template_px"] / self.side(box_xywh)
    px = self.network["search_px"]
    search = self.features(cut(frame, center, px / scale, crop_px=px, window=window))
    response = correlate(template, search)
    if self.network["scaling"] == "min_max":
      low, high = response.amin((1, 2), keepdim=True), response.amax((1, 2), keepdim=True)
      response = (response - low) / (high - low)
    stride = 2 ** self.network["pools"]
    template_cells, cells = self.network["template_px"] // stride, px // stride
    moved = peaks(response, (cells - template_cells) // 2 + (template_cells - 1) // 2) * stride / scale[:, None]
    center = (center + moved).clamp(min=0).minimum(torch.tensor(frame.shape[1::-1], device=frame.device))
    return torch.cat([center - box_xywh[:, 2:] / 2, box_xywh[:, 2:]], 1)


class Side:
  """What `process.Peer` asks for."""

  def prepare(
    self,
    *,
    backbone: dict,
    network: dict,
    frames: np.ndarray,
    boxes_xywh: np.ndarray,
    windows: tuple[int, int],
    threads: int,
    device: str,
  ) -> str:
    """Takes what `variant` needs; returns torch's version.

    Args:
      backbone: {"block1": {"conv1": {"kernel", "bias"}, ...}, ...}, kernels [3, 3, c, d].
      network: pools, template_px, search_px, scaling.
      frames: the first and the next, RGB, [2, h, w, 3]; boxes_xywh: in the first, [n, 4].
      windows: sides of what is cut for the template and the search crop.
      device: "cpu" or "cuda".
    """
    torch.set_num_threads(threads)
    self.device, self.backbone, self.network = device, backbone, network
    self.frames, self.boxes, self.windows = torch.from_numpy(frames), torch.from_numpy(boxes_xywh), windows
    self.variants = {}
    return str(torch.__version__)

  def add(self, *, name: str, depth: int, layout: str, mode: str, targets: int) -> None:
    """A step under a name.

    Args:
      layout: "contiguous_format" or "channels_last".
      mode: "eager", or a mode of torch.compile.
    """
    step = Step(self.backbone, depth=depth, network=self.network).eval().to(self.device)
    step = step.to(memory_format=getattr(torch, layout))
    boxes = self.boxes[:targets].to(self.device)
    with self._inference():
      template = step.template(self.frames[0].to(self.device), boxes, self.windows[0])
    run = step if mode == "eager" else torch.compile(step, mode=mode, dynamic=False)
    self.variants[name] = lambda: run(self.frames[1].to(self.device), template, boxes, self.windows[1]).cpu()

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
