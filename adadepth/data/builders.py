"""TFDS builders: tracking sequences as ArrayRecord files, one record a frame, without TensorFlow.

    builder = RealTracks(root="../shared/data", data_dir="/tmp/tfds")
    builder.download_and_prepare()
    sequences = sequences_from_tfds(builder, "train")

They are for who builds a pipeline of their own, or moves a data set as a few large files: `file_format` is
array_record, so records are read by index (`as_data_source`), by any number of grain threads. Records lie in order: a
sequence is a run of them. Nothing else in the library imports this module, so TFDS is needed by its users only:
`pip install "adadepth[train]"`.

Three things in TFDS 4.9 need TensorFlow and are gone round here: encoding an array as an image (records
get the bytes of a file), sorting a split of more than 1 GB (it is written as it comes), a split
without examples (it is left out).
"""

import abc
import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import UInt8
from rich.progress import track

from adadepth.data.layouts import read_sequences, roots_of
from adadepth.data.problems import Problems
from adadepth.data.sequence import FrameSource, Sequence
from adadepth.data.split import SIDES, load_split
from adadepth.errors import InputError
from adadepth.io.images import ImageFolder, decode_image, encode_png, is_rgb_file

try:
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core import example_serializer, file_adapters
except ImportError as error:
  raise ImportError(f'records are written with TFDS: run `pip install "adadepth[train]"` ({error})') from error


class FrameRecords(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """What a builder needs: records of one frame, its box (NaN: none), its sequence and its number."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, variant: str, data_dir: str | pathlib.Path | None):
    """`variant` names the folder under data_dir/<builder>; other data must have another."""
    config = tfds.core.BuilderConfig(name=variant, version="1.0.0")
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
    return {
      split: self._generate_examples(track(sequences, description=f"writing {split}"))
      for split, sequences in splits.items()
    }

  def _generate_examples(self, sequences: Iterable[Sequence]) -> Iterator[tuple[int, dict[str, Any]]]:
    key = 0
    for sequence in sequences:
      for frame, box in enumerate(sequence.boxes_xywh):
        image = io.BytesIO(_image_bytes(sequence.frames, frame))
        yield key, {"image": image, "box_xywh": box, "sequence": sequence.name, "frame": frame}
        key += 1

  def _generate_splits(self, dl_manager: Any, download_config: Any) -> list[tfds.core.SplitInfo]:
    """Writes every split in order and as it comes (see the module's docstring)."""
    del download_config  # no Beam, no shards, no cap
    return [self._write_split(*split) for split in self._split_generators(dl_manager).items()]

  def _write_split(self, split: str, examples: Iterator) -> tfds.core.SplitInfo:
    features = self.info.features
    serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
    template = self._get_filename_template(split_name=split)
    sizes = []

    def records():
      for key, example in examples:
        record = serializer.serialize_example(features.encode_example(example))
        sizes.append(len(record))
        yield key, record

    path = template.sharded_filepath(shard_index=0, num_shards=1)
    file_adapters.ArrayRecordFileAdapter.write_examples(path, records())
    return tfds.core.SplitInfo(name=split, shard_lengths=[len(sizes)], num_bytes=sum(sizes), filename_template=template)


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
    sides = {side: [s for s in sequences if s.name in self.split[side]] for side in SIDES}
    return {side: members for side, members in sides.items() if members}


@dataclasses.dataclass(frozen=True)
class RecordFrames:
  """A FrameSource over a run of records: frame t is record `start + t`, decoded anew when indexed."""

  source: Any
  name: str
  start: int
  count: int

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
  boxes: dict[str, list[np.ndarray]] = {}
  for record in source:
    boxes.setdefault(record["sequence"].decode(), []).append(record["box_xywh"])
  return list(_views(source, boxes))


def _views(source: Any, boxes: dict[str, list[np.ndarray]]) -> Iterator[Sequence]:
  start = 0
  for name, rows in boxes.items():
    yield Sequence(name, RecordFrames(source, name, start, len(rows)), np.stack(rows))
    start += len(rows)


def _image_bytes(frames: FrameSource, index: int) -> bytes:
  """The frame as an RGB image file: the file it came from where that is one, else a PNG."""
  frame = frames[index]  # decoded in any case: an image that cannot be read is found now, by name
  if isinstance(frames, ImageFolder) and is_rgb_file(frames.paths[index]):
    return frames.paths[index].read_bytes()
  return encode_png(frame)


def _digest(*values: Any) -> str:
  return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
