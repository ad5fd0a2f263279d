"""The numbers that define a network: widths, crop sizes, strides. Everything else is derived."""

import dataclasses

from adadepth.errors import InputError

DEPTHS = 5
DEPTH_NAMES = tuple(f"xcorr{k + 1}" for k in range(DEPTHS))
VGG19_CONVS = (2, 2, 4, 4, 4)
VGG19_CHANNELS = (64, 128, 256, 512, 512)
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
    background: weight of a template's cells outside of the target's box, in [0, 1]; 1 is the paper's.
    adapt_steps: steps of test-time training of the templates on their key frame (`maths.adaptation`); 0: none (paper).
    adapt_penalty: of leaving the template as it was cut; above 0.
    finer_px: standard deviation of a response's peak, crop pixels, which a closer look at the first block's map
      (`maths.closer`) refines; 0: no closer look (paper).
    growth: whether the closer look has templates of five sizes, so that gated policies read how much the target has
      grown (`maths.posterior`); without, the box keeps its size (paper).
  """

  width: float = 1.0
  template_px: int = 128
  search_px: int = 256
  pools: int = 4
  scaling: str = "min_max"
  background: float = 1.0
  adapt_steps: int = 0
  adapt_penalty: float = 0.1
  finer_px: float = 0.0
  growth: bool = False

  def __post_init__(self):
    if not 0 < self.width <= 1:
      raise InputError(f"`config.network.width` (={self.width}) must lie in (0, 1]; the paper's is 1")
    if self.pools not in (1, 2, 3, 4):
      raise InputError(f"`config.network.pools` (={self.pools}) must be 1, 2, 3 or 4; the paper's is 4")
    if self.scaling not in ("min_max", "none"):
      raise InputError(f'`config.network.scaling` (={self.scaling!r}) must be "min_max" or "none"')
    if not 0 <= self.background <= 1:
      raise InputError(f"`config.network.background` (={self.background}) must lie in [0, 1]")
    if self.adapt_steps < 0 or self.adapt_penalty <= 0:
      raise InputError(
        f"`config.network.adapt_steps` (={self.adapt_steps}) must be at least 0 and `adapt_penalty` "
        f"(={self.adapt_penalty}) above 0"
      )
    if self.finer_px < 0 or (self.growth and not self.finer_px):
      raise InputError(
        f"`config.network.finer_px` (={self.finer_px}) must be at least 0, and above 0 with "
        f"`config.network.growth` (={self.growth}): 4 suits crops of 256 px"
      )
    for name in ("template_px", "search_px"):
      px = getattr(self, name)
      if px < self.stride_px or px % (2 * self.stride_px):
        raise InputError(
          f"`config.network.{name}` (={px}) must be a positive multiple of {2 * self.stride_px}, "
          "twice the stride 2**pools"
        )
    if self.search_px <= self.template_px:
      raise InputError(f"`config.network.search_px` (={self.search_px}) must exceed template_px (={self.template_px})")

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
  def fine_stride_px(self) -> int:
    """Pixels of a crop per cell of a closer look: a quarter of a response's, but at least the first block's own."""
    return max(2, self.stride_px // 4)

  def closer_stride_px(self, depth: int) -> int:
    """Crop pixels a cell of a closer look at block `depth` (0 or 1): the fine stride, or the block's own if coarser."""
    return max(self.fine_stride_px, 2 ** min(depth + 1, self.pools))

  @property
  def adapted(self) -> bool:
    """Whether templates are more than the maps of their crops."""
    return self.adapt_steps > 0 or self.background < 1

  def conv_stride_px(self, depth: int) -> int:
    """The stride at which block `depth` (0..4) convolves."""
    return 2 ** min(depth, self.pools)

  def pool_to_response(self, depth: int) -> int:
    """The max pool that brings block `depth`'s output to the common stride."""
    return self.stride_px // 2 ** min(depth + 1, self.pools)
