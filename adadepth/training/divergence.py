"""A loss that is no number ends a run before its state is kept: what has become NaN stays NaN."""

import math
from collections.abc import Callable, Iterable, Mapping

from adadepth.errors import InputError

NAMED = 5  # videos in a message


def check_finite(
  values: Mapping[str, float], where: str, *, videos: Callable[[], Iterable[str]], kept: Callable[[], str]
) -> None:
  """Checks what a step has computed.

  Args:
    values: by name, e.g. the loss.
    where: the step, in words.
    videos: the names of those in its batch; asked only if it is needed.
    kept: where the run can be taken up again, in words; likewise.
  Raises:
    InputError: a value is NaN or infinite.
  """
  for name, value in values.items():
    if not math.isfinite(value):
      names = sorted(set(videos()))
      more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
      raise InputError(
        f"{where}: {name} is {value} on {', '.join(names[:NAMED])}{more}; {kept()}: look at these videos, or lower the "
        "learning rate, which wants another --workdir"
      )
