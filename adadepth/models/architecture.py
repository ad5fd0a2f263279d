"""The numbers that define a network: widths, crop sizes, strides. Everything else is derived."""

import dataclasses
import math
from typing import NamedTuple

from adadepth.errors import InputError

DEPTHS = 5
DEPTH_NAMES = tuple(f"xcorr{k + 1}" for k in range(DEPTHS))
VGG19_CONVS = (2, 2, 4, 4, 4)
VGG19_CHANNELS = (64, 128, 256, 512, 512)
# Plans that stride where VGG-19 pools: of each block its 3x3 convolutions, (channels, stride) each. The small one
# strides first, so that depth 1 costs little. A plan of one's own is an entry more.
STRIDED = {
  "small": (
    ((24, 2), (32, 2)),
    ((64, 2), (64, 1)),
    ((96, 1), (96, 1)),
    ((128, 1), (128, 1)),
    ((128, 1), (128, 1)),
  ),
}
CHOICES = {
  "scaling": ("min_max", "none"),
  "template": ("crop", "ridge"),
  "reader": ("paper", "box"),
}
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)  # of 0..255, which VGG-19 wants subtracted


class BlockPlan(NamedTuple):
  """One block: its 3x3 convolutions, (channels, stride) each, and the max pool after the last."""

  convs: tuple[tuple[int, int], ...]
  pool: int

  @property
  def stride(self) -> int:
    """Pixels of its input per position of its output."""
    return math.prod(stride for _, stride in self.convs) * self.pool


@dataclasses.dataclass(frozen=True)
class Architecture:
  """A Siamese network; the defaults are the paper's.

  Attributes:
    plan: "vgg19", or one of `STRIDED`: "small", which strides where VGG-19 pools, and early.
    width: multiplier of the plan's channels, in (0, 1]; 1 is the paper's network.
    template_px: side of the square template (key) crop, pixels.
    search_px: side of the square search crop, pixels.
    pools: how many of VGG-19's first blocks end in a 2x2 max pool, 1..4; every response has stride 2**pools. A
      strided plan has its own halvings, the small one 3.
    scaling: "min_max" scales each response map to [0, 1] (reference); "none" leaves the correlation as it is.
    template: "crop", the map of the key crop (paper), or "ridge", a correlation filter of the target's box that ridge
      regression has trained on the key frame (`maths.ridge`).
    reader: what turns a response into a box: "paper", its highest cell and the key's size; or "box", a network on the
      local cost volume at its peak (`box_head`), whose size the next crop follows.
  """

  plan: str = "vgg19"
  width: float = 1.0
  template_px: int = 128
  search_px: int = 256
  pools: int = 4
  scaling: str = "min_max"
  template: str = "crop"
  reader: str = "paper"

  def __post_init__(self):
    if not 0 < self.width <= 1:
      raise InputError(f"`width` (={self.width}) must lie in (0, 1]; the paper's is 1")
    if self.pools not in (1, 2, 3, 4):
      raise InputError(f"`pools` (={self.pools}) must be 1, 2, 3 or 4; the paper's is 4")
    for name, choices in {"plan": ("vgg19", *STRIDED), **CHOICES}.items():
      if getattr(self, name) not in choices:
        raise InputError(f"`{name}` (={getattr(self, name)!r}) must be one of {', '.join(choices)}")
    if self.plan in STRIDED and self.stride_px != (own := math.prod(block.stride for block in self.blocks)):
      raise InputError(f"`pools` (={self.pools}): 2**pools must be {own}, the stride of the plan {self.plan!r}")
    for name in ("template_px", "search_px"):
      px = getattr(self, name)
      if px < self.stride_px or px % (2 * self.stride_px):
        raise InputError(
          f"`{name}` (={px}) must be a positive multiple of {2 * self.stride_px}, twice the stride 2**pools"
        )
    if self.search_px <= self.template_px:
      raise InputError(f"`search_px` (={self.search_px}) must exceed `template_px` (={self.template_px})")

  @property
  def trained(self) -> dict:
    """What a backbone and its logit scales are trained for; the rest may change afterwards."""
    return {name: getattr(self, name) for name in ("plan", "width", "template_px", "search_px", "pools", "scaling")}

  @property
  def blocks(self) -> tuple[BlockPlan, ...]:
    """The five blocks of the plan at this width."""
    if self.plan in STRIDED:
      return tuple(BlockPlan(tuple((self._wide(c), s) for c, s in convs), 1) for convs in STRIDED[self.plan])
    counts = zip(VGG19_CONVS, VGG19_CHANNELS, strict=True)
    return tuple(
      BlockPlan(((self._wide(c), 1),) * n, 2 if depth < self.pools else 1) for depth, (n, c) in enumerate(counts)
    )

  def _wide(self, channels: int) -> int:
    return max(1, round(channels * self.width))

  @property
  def channels(self) -> tuple[int, ...]:
    """Channels of each block's output."""
    return tuple(block.convs[-1][0] for block in self.blocks)

  @property
  def stride_px(self) -> int:
    """Pixels of a crop per cell of a response map."""
    return 2**self.pools

  @property
  def template_cells(self) -> int:
    return self.template_px // self.stride_px

  @property
  def search_cells(self) -> int:
    return self.search_px // self.stride_px

  def block_stride_px(self, depth: int) -> int:
    """Crop pixels per position of what block `depth` (0..4) is given."""
    return math.prod(block.stride for block in self.blocks[:depth])

  def pool_to_response(self, depth: int) -> int:
    """The max pool that brings block `depth`'s output to the common stride."""
    return self.stride_px // self.block_stride_px(depth + 1)
