"""Arrays in an .npz file, of a size that the file can hold."""

import os
import zipfile

import numpy as np


def open_arrays(path: str | os.PathLike) -> np.lib.npyio.NpzFile:
  """`np.load` of a file that `np.savez` has written, for a `with` block.

  Raises:
    ValueError: a member that is compressed, and might unfold to any size; with OSError and others whatever else is no
      such file. An array of objects raises ValueError when it is read.
  """
  with zipfile.ZipFile(path) as archive:
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
      raise ValueError(f"{path} is compressed")
    if sum(member.compress_size for member in members) > os.path.getsize(path):
      raise ValueError(f"the members of {path} hold more than the file")
  return np.load(path, allow_pickle=False)
