"""TFDS builders: tracking sequences as ArrayRecord files, one record a frame, without TensorFlow.

    builder = RealTracks(root="../shared/data", data_dir="/tmp/tfds")
    builder.download_and_prepare()
    sequences = sequences_from_tfds(builder, "train")

A large data set is prepared once (configs/prepare.py), and then read from these files: `file_format` is array_record,
so records are read by index (`as_data_source`), by any number of grain threads and processes. Records lie in order: a
sequence is a run of them in one file. Beside them an index has all boxes, so that to begin nothing else is read. Only
who writes or reads records imports this module and needs TFDS: `pip install "adadepth[train]"`.

Three things in TFDS 4.9 need TensorFlow and are gone round here: encoding an array as an image (records
get the bytes of a file), sorting a split of more than 1 GB (it is written as it comes), a split
without examples (it is left out).
"""

import abc
import dataclasses
import hashlib
import io
import itertools
import json
import pathlib
import zipfile
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Listing
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import UInt8
from rich.progress import track

from adadepth.data.layouts import read_sequences, roots_of
from adadepth.data.problems import Problems
from adadepth.data.sequence import FrameSource, Sequence
from adadepth.data.split import SIDES, load_split
from adadepth.errors import InputError
from adadepth.io.arrays import open_arrays
from adadepth.io.images import ImageFolder, decode_image, encode_png, is_rgb_file

try:
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core import example_serializer, file_adapters
except ImportError as error:
  raise ImportError(f'records are written with TFDS: run `pip install "adadepth[train]"` ({error})') from error


SHARD_BYTES = 2**30  # a file ends with the sequence that reaches so many
NO_ANCHORS = -2  # of a sequence that has none
ATTRIBUTE = "attribute/"  # before an attribute's name in the index


class FrameRecords(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """What a builder needs: records of one frame, its box (NaN: none), its sequence and its number."""

  VERSION = tfds.core.Version("1.1.0")

  def __init__(self, *, variant: str, data_dir: str | pathlib.Path | None):
    """`variant` names the folder under data_dir/<builder>; other data must have another."""
    config = tfds.core.BuilderConfig(name=variant, version="1.1.0")
    super().__init__(config=config, data_dir=data_dir, file_format="array_record")

  @abc.abstractmethod
  def sequences(self) -> dict[str, Iterable[Sequence]]:
    """The sequences of every split that has any."""

  def _info(self) -> tfds.core.DatasetInfo:
    features = tfds.features.FeaturesDict(
      {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "box_xywh": tfds.features.Tensor(shape=(4,), dtype=np.float32),
        "sequence": tfds.features.Text(),
        "frame": np.int64,
      }
    )
    return tfds.core.DatasetInfo(builder=self, description=self.__doc__, features=features, disable_shuffling=True)

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    del dl_manager  # nothing is downloaded
    splits = self.sequences()
    if not splits:
      raise InputError(f"{self.name}: no split has a sequence; name at least one in the split or counts")
    return {split: track(sequences, description=f"writing {split}") for split, sequences in splits.items()}

  def _generate_examples(self, sequence: Sequence) -> Iterator[tuple[int, dict[str, Any]]]:
    for frame, box in enumerate(sequence.boxes_xywh):
      image = io.BytesIO(_image_bytes(sequence.frames, frame))
      yield frame, {"image": image, "box_xywh": box, "sequence": sequence.name, "frame": frame}

  def _generate_splits(self, dl_manager: Any, download_config: Any) -> list[tfds.core.SplitInfo]:
    """Writes every split in order and as it comes (see the module's docstring)."""
    del download_config  # no Beam, no cap
    return [self._write_split(*split) for split in self._split_generators(dl_manager).items()]

  def _write_split(self, split: str, sequences: Iterable[Sequence]) -> tfds.core.SplitInfo:
    features, template = self.info.features, self._get_filename_template(split_name=split)
    serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
    rest, paths, written, sizes, lengths = iter(sequences), [], [], [], []

    def records(first: Sequence) -> Iterator[tuple[int, bytes]]:
      size = 0
      for sequence in itertools.chain([first], rest):
        for key, example in self._generate_examples(sequence):
          record = serializer.serialize_example(features.encode_example(example))
          size += len(record)
          yield key, record
        written.append(dataclasses.replace(sequence, frames=()))
        if size >= SHARD_BYTES:
          break
      sizes.append(size)

    for first in rest:
      before, path = len(written), pathlib.Path(template.data_dir) / f"{split}-{len(paths)}.unfinished"
      file_adapters.ArrayRecordFileAdapter.write_examples(path, records(first))
      paths.append(path)
      lengths.append(sum(len(sequence) for sequence in written[before:]))
    for number, path in enumerate(paths):
      path.rename(template.sharded_filepath(shard_index=number, num_shards=len(paths)))
    _write_index(pathlib.Path(template.data_dir) / index_name(split), written)
    return tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=sum(sizes), filename_template=template)


class RealTracks(FrameRecords):
  """Real sequences of a data root, in any of the layouts, split by load_split."""

  def __init__(
    self,
    *,
    root: str | pathlib.Path,
    split_path: str = "",
    on_error: str = "stop",
    data_dir: str | pathlib.Path | None = None,
  ):
    """Reads the split; the folder under data_dir is named after root, split and policy.

    Files that change in place do not change that name: delete the folder to build anew.

    Args:
      root: the data root, or several: "a,b".
      split_path: see load_split.
      on_error: "stop" or "skip"; see layouts.ground_truth. What was skipped is in `problems` after the build.
      data_dir: where TFDS keeps its files; None: ~/tensorflow_datasets.
    """
    self.root = ",".join(str(one.resolve()) for one in roots_of(root))
    self.split = load_split(root, split_path, on_error=on_error)
    self.problems = Problems(on_error)
    super().__init__(variant=_digest(self.root, self.split, on_error), data_dir=data_dir)

  def sequences(self) -> dict[str, Iterable[Sequence]]:
    """The sequences of every side that has any."""
    names = [name for side in SIDES for name in self.split[side]]
    sequences, self.problems = read_sequences(self.root, names, on_error=self.problems.on_error)
    members = {side: set(self.split[side]) for side in SIDES}
    sides = {side: [s for s in sequences if s.name in members[side]] for side in SIDES}
    return {side: found for side, found in sides.items() if found}


@dataclasses.dataclass(frozen=True)
class RecordFrames:
  """A FrameSource over a run of records: frame t is record `start + t`, decoded anew when indexed.

  Attributes:
    paths: the file that has them.
  """

  source: Any
  name: str
  start: int
  count: int
  paths: tuple[pathlib.Path, ...]

  def __len__(self) -> int:
    return self.count

  def __getitem__(self, index: SupportsIndex) -> UInt8[np.ndarray, "h w 3"]:
    record = self.source[self.start + range(self.count)[index]]
    return decode_image(io.BytesIO(record["image"]), name=f"{self.name} (frame {index})")


def sequences_from_tfds(builder: tfds.core.DatasetBuilder, split: str) -> list[Sequence]:
  """The sequences of a built data set: boxes in memory, frames read and decoded when indexed.

  Args:
    builder: after download_and_prepare(), or from tfds.builder_from_directory.
    split: "train", "dev" or "test"; one that the build left empty gives no sequences.
  Returns:
    The sequences in the order they were written.
  Raises:
    InputError: another split, or the data set is not built yet.
  """
  if split not in SIDES:
    raise InputError(f"`split` (={split!r}) must be one of {', '.join(SIDES)}")
  if not builder.info.splits:
    raise InputError(f"{builder.data_path} is not built yet; call builder.download_and_prepare() first")
  if split not in builder.info.splits:
    return []
  source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
  index = _read_index(pathlib.Path(builder.data_dir) / index_name(split))
  return list(_views(source, builder.info.splits[split], index))


def read_records(folder: pathlib.Path, split: str) -> list[Sequence]:
  """`sequences_from_tfds` of a build's folder, which has dataset_info.json."""
  return sequences_from_tfds(tfds.builder_from_directory(folder), split)


def index_name(split: str) -> str:
  """The file beside a split's records that has all of its sequences but their pictures."""
  return f"{split}-index.npz"


def _write_index(path: pathlib.Path, sequences: Listing[Sequence]) -> None:
  """Columns of all frames, and the sequences' names and lengths; what no sequence has is left out."""
  columns: dict[str, np.ndarray] = {
    "names": np.array([s.name for s in sequences]),
    "lengths": np.array([len(s) for s in sequences]),
    "boxes_xywh": np.concatenate([s.boxes_xywh for s in sequences]),
  }
  if any(s.corners is not None for s in sequences):
    none = np.full((4, 2), np.nan)
    columns["corners"] = np.concatenate([_given(s.corners, [none] * len(s)) for s in sequences])
  if any(s.anchors is not None for s in sequences):
    columns["anchors"] = np.concatenate([_given(s.anchors, [NO_ANCHORS] * len(s)) for s in sequences])
  for word in {word: None for s in sequences for word in s.attributes}:
    flags = [s.attributes.get(word, np.zeros(len(s), bool)) for s in sequences]
    columns[ATTRIBUTE + word] = np.concatenate(flags)
  np.savez(path, **columns)


def _given(values: np.ndarray | None, otherwise: list) -> np.ndarray:
  return np.array(otherwise) if values is None else values


def _read_index(path: pathlib.Path) -> dict[str, np.ndarray]:
  try:
    with open_arrays(path) as file:
      return {name: file[name] for name in file.files}
  except (OSError, ValueError, zipfile.BadZipFile) as error:
    raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}; prepare the data set anew") from error


def _views(source: Any, split: tfds.core.SplitInfo, index: dict[str, np.ndarray]) -> Iterator[Sequence]:
  stops = np.cumsum(index["lengths"])
  files = np.searchsorted(np.cumsum(split.shard_lengths), stops - index["lengths"], side="right")
  for name, count, stop, file in zip(index["names"].tolist(), index["lengths"], stops, files, strict=True):
    rows = slice(int(stop - count), int(stop))
    part = {column: values[rows] for column, values in index.items() if column not in ("names", "lengths")}
    corners, anchors = part.get("corners"), part.get("anchors")
    words = (column for column in part if column.startswith(ATTRIBUTE))
    frames = RecordFrames(source, name, rows.start, int(count), (pathlib.Path(split.filepaths[file]),))
    yield Sequence(
      name,
      frames,
      part["boxes_xywh"],
      None if corners is None or np.isnan(corners).all() else corners,
      {column.removeprefix(ATTRIBUTE): part[column] for column in words if part[column].any()},
      None if anchors is None or (anchors == NO_ANCHORS).all() else anchors,
    )


def _image_bytes(frames: FrameSource, index: int) -> bytes:
  """The frame as an RGB image file: the file it came from where that is one, else a PNG."""
  frame = frames[index]  # decoded in any case: an image that cannot be read is found now, by name
  if isinstance(frames, ImageFolder) and is_rgb_file(frames.paths[index]):
    return frames.paths[index].read_bytes()
  return encode_png(frame)


def _digest(*values: Any) -> str:
  return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
