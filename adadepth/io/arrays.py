"""Arrays in an .npz file, of a size that the file can hold."""

import os
import zipfile

import numpy as np


def load_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
  """All arrays of a file that `np.savez` has written.

  Raises:
    ValueError: a member that is compressed, and might unfold to any size, or objects, which are never read; with
      OSError and others whatever else is no such file.
  """
  with zipfile.ZipFile(path) as archive:
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
      raise ValueError(f"{path} is compressed")
    if sum(member.compress_size for member in members) > os.path.getsize(path):
      raise ValueError(f"the members of {path} hold more than the file")
  with np.load(path, allow_pickle=False) as file:
    return {name: file[name] for name in file.files}
