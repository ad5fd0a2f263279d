"""The official Keras VGG-19, fetched on request."""

import hashlib
import http.client
import os
import pathlib
import urllib.parse
import urllib.request

import rich.console
import rich.progress

from adadepth.errors import InputError

KERAS_VGG19_URL = (
  "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
KERAS_VGG19_MD5 = "253f8cb515780f3b799900260a226db6"
MAX_BYTES = 1 << 30
CHUNK_BYTES = 1 << 18
TIMEOUT_S = 30.0


def download_vgg19(
  target_dir: str | os.PathLike[str], *, url: str = KERAS_VGG19_URL, md5: str = KERAS_VGG19_MD5
) -> pathlib.Path:
  """Fetches the official Keras VGG-19 (80 MB) with checksum and progress bar; a good file there is reused.

  Over https alone, redirections included, and no more than a gigabyte.

  Args:
    target_dir: folder for the file; created where missing.
    url: where to fetch it from; its last part names the file.
    md5: the file's published MD5, hexadecimal.
  Returns:
    The file's path.
  Raises:
    InputError: it cannot be fetched or written, or what came has another checksum; no part of it stays.
  """
  path = pathlib.Path(target_dir) / pathlib.PurePosixPath(urllib.parse.urlparse(url).path).name
  if path.is_file() and _md5_of(path) == md5:
    return path
  part = path.with_name(f"{path.name}.{os.getpid()}.part")
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    _fetch(url, part)
    _check_md5(part, md5, url)
    part.replace(path)
  except (OSError, http.client.HTTPException) as error:
    raise InputError(f"could not fetch {url} ({error}): fetch it on another machine and put it at `{path}`") from error
  finally:
    part.unlink(missing_ok=True)
  return path


def _fetch(url: str, part: pathlib.Path) -> None:
  columns = (*rich.progress.Progress.get_default_columns(), rich.progress.DownloadColumn())
  console = rich.console.Console(stderr=True)
  with (
    https_alone().open(url, timeout=TIMEOUT_S) as response,
    part.open("wb") as file,
    rich.progress.Progress(*columns, console=console) as progress,
  ):
    size = response.headers.get("Content-Length")
    task = progress.add_task("VGG-19", total=int(size) if size else None)
    while chunk := response.read(CHUNK_BYTES):
      if file.tell() + len(chunk) > MAX_BYTES:
        raise OSError(f"it is larger than {MAX_BYTES >> 20} MiB")
      file.write(chunk)
      progress.advance(task, len(chunk))


def https_alone() -> urllib.request.OpenerDirector:
  """What opens https, a proxy's tunnel included, and refuses every other scheme, by a redirection too."""
  opener = urllib.request.OpenerDirector()
  for handler in (
    urllib.request.ProxyHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.UnknownHandler,
  ):
    opener.add_handler(handler())
  return opener


def _md5_of(path: pathlib.Path) -> str:
  with path.open("rb") as file:
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check_md5(part: pathlib.Path, md5: str, url: str) -> None:
  if (found := _md5_of(part)) != md5:
    raise InputError(
      f"{url} sent {part.stat().st_size} bytes of md5 {found}, not {md5}: the transfer was cut short or the"
      " file was changed on the way; try again"
    )
