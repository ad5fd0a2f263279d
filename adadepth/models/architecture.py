"""The numbers that define a network: widths, crop sizes, strides. Everything else is derived."""

import dataclasses

from adadepth.errors import InputError
from adadepth.maths.fusion import Grid

DEPTHS = 5
DEPTH_NAMES = tuple(f"xcorr{k + 1}" for k in range(DEPTHS))
VGG19_CONVS = (2, 2, 4, 4, 4)
VGG19_CHANNELS = (64, 128, 256, 512, 512)
CHOICES = {"scaling": ("min_max", "none"), "template": ("crop", "ridge"), "reader": ("paper", "fusion")}
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)  # of 0..255, which VGG-19 wants subtracted


@dataclasses.dataclass(frozen=True)
class Architecture:
  """A VGG-19 Siamese network; the defaults are the paper's.

  Attributes:
    width: multiplier of VGG-19's channels, in (0, 1]; 1 is the paper's network.
    template_px: side of the square template (key) crop, pixels.
    search_px: side of the square search crop, pixels.
    pools: how many of the first blocks end in a 2x2 max pool, 1..4; every response has stride 2**pools.
    scaling: "min_max" scales each response map to [0, 1] (reference); "none" leaves the correlation as it is.
    template: "crop", the map of the key crop (paper), or "ridge", a correlation filter of the target's box that ridge
      regression has trained on the key frame (`maths.ridge`).
    reader: what turns responses into a box: "paper", the highest cell of one map and the key's size, or "fusion", all
      maps until the exit with NCC refinement and scale (`maths.fusion`).
  """

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
    for name, choices in CHOICES.items():
      if getattr(self, name) not in choices:
        raise InputError(f"`{name}` (={getattr(self, name)!r}) must be one of {', '.join(choices)}")
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
    return {name: getattr(self, name) for name in ("width", "template_px", "search_px", "pools", "scaling")}

  @property
  def channels(self) -> tuple[int, ...]:
    """Channels of each block's output."""
    return tuple(max(1, round(c * self.width)) for c in VGG19_CHANNELS)

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

  @property
  def grid(self) -> Grid:
    """Where fusion reads: displacements up to half the template's side, in steps of a quarter of a cell or 2 px."""
    step_px = max(2, self.stride_px // 4)
    places = (self.search_px - self.template_px) // step_px + 1
    return Grid(self.template_cells, self.search_cells, self.stride_px, step_px, places)

  def conv_stride_px(self, depth: int) -> int:
    """The stride at which block `depth` (0..4) convolves."""
    return 2 ** min(depth, self.pools)

  def pool_to_response(self, depth: int) -> int:
    """The max pool that brings block `depth`'s output to the common stride."""
    return self.stride_px // 2 ** min(depth + 1, self.pools)
