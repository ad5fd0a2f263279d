"""The knobs that make a rendered sequence easy or hard to track."""

import dataclasses

from adadepth.errors import InputError


@dataclasses.dataclass(frozen=True)
class Difficulty:
  """How hard a rendered sequence is; every knob lies in [0, 1], and 0 is easiest.

  One knob changes one thing: at the same seed the target, its path and the background stay as they are. Cut from
  photos, things turn half as far and zoom by up to 2, their width and height change on their own, and noise brings
  JPEG compression.

  Attributes:
    texture: from a target of contrasting colour (0) to one in the colours of its background (1).
    clutter: shapes drawn into the background, and up to three strangers that move through it.
    distractors: up to four moving copies of the target; the higher, the more they share its colours.
    occlusion: up to three shapes per 40 frames that pass over the target.
    scale: change of the target's size over time, up to a factor of about 1.7 either way.
    rotation: turning in the image, foreshortening, and a second texture that comes into view.
    light: change of gain, gamma and colour cast over time.
    blur: defocus that comes and goes, and an exposure during which the target moves.
    noise: sensor noise, up to a standard deviation of 16 grey levels.
    motion: speed of the target, from 10 to 50 percent of its size per frame, and of the camera.
  """

  texture: float = 0.0
  clutter: float = 0.0
  distractors: float = 0.0
  occlusion: float = 0.0
  scale: float = 0.0
  rotation: float = 0.0
  light: float = 0.0
  blur: float = 0.0
  noise: float = 0.0
  motion: float = 0.0

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if not 0.0 <= value <= 1.0:
        raise InputError(f"`difficulty.{field.name}` (={value}) must lie in [0, 1]")

  @classmethod
  def graded(cls, level: float) -> "Difficulty":
    """Returns the difficulty whose knobs all stand at `level`, in [0, 1].

    Raises:
      InputError: level outside [0, 1].
    """
    if not 0.0 <= level <= 1.0:
      raise InputError(f"`level` (={level}) must lie in [0, 1]")
    return cls(**{field.name: level for field in dataclasses.fields(cls)})
