"""TFDS builders: what goes in comes out, bit for bit, and without TensorFlow."""

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterable

import grain
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core import shuffle

from adadepth.data.ahead import read_ahead
from adadepth.data.builders import FrameRecords, RealTracks, sequences_from_tfds
from adadepth.data.layouts import read_sequences
from adadepth.data.render import render_split
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError

COUNTS = {"train": 2, "dev": 0, "test": 1}


class RenderedTracks(FrameRecords):
  """Rendered sequences with exact boxes, deterministic in the seed."""

  def __init__(
    self,
    *,
    counts: dict[str, int],
    seed: int,
    frames: int = 40,
    data_dir: str | pathlib.Path | None = None,
  ):
    """Names the folder under data_dir after the arguments.

    Args:
      counts: sequences per split, e.g. {"train": 64, "dev": 8, "test": 8}.
      seed: of the renderer.
      frames: per sequence.
      data_dir: where TFDS keeps its files; None: ~/tensorflow_datasets.
    """
    self.counts = {split: count for split, count in counts.items() if count}
    self.seed, self.frames = seed, frames
    sizes = "-".join(f"{split}{count}" for split, count in self.counts.items())
    super().__init__(variant=f"seed{seed}-frames{frames}-{sizes}", data_dir=data_dir)

  def sequences(self) -> dict[str, Iterable[Sequence]]:
    """The splits, rendered as they are written."""
    return {
      split: render_split(split=split, sequences=count, seed=self.seed, frames=self.frames)
      for split, count in self.counts.items()
    }


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
  """A built set of rendered sequences: two to train, one to test, three frames each."""
  builder = RenderedTracks(counts=COUNTS, seed=3, frames=3, data_dir=tmp_path_factory.mktemp("rendered"))
  builder.download_and_prepare()
  return builder


@pytest.fixture
def real_root(tmp_path):
  """A root with a VOT sequence of JPEGs and an OTB sequence of grey PNGs, one box of it NaN."""
  random = np.random.default_rng(0)
  vot, otb = tmp_path / "vot" / "toy", tmp_path / "otb" / "Toy"
  (otb / "img").mkdir(parents=True)
  vot.mkdir(parents=True)
  for number in (1, 2, 3):
    pixels = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(vot / f"{number:08d}.jpg")
    Image.fromarray(pixels[..., 0]).save(otb / "img" / f"{number:04d}.png")
  (vot / "groundtruth.txt").write_text("2.25,3,9,8\n" * 3)
  (otb / "groundtruth_rect.txt").write_text("2\t3\t9\t8\n2,9,8\n3 3 9 8\n")
  return tmp_path


def assert_same_sequences(actual, expected):
  """Names, boxes and every pixel are equal."""
  assert [sequence.name for sequence in actual] == [sequence.name for sequence in expected]
  for one, other in zip(actual, expected, strict=True):
    np.testing.assert_array_equal(one.boxes_xywh, other.boxes_xywh)
    assert one.boxes_xywh.dtype == np.float32
    for index in range(len(other)):
      np.testing.assert_array_equal(one.frames[index], other.frames[index])


@pytest.mark.parametrize("split", ["train", "test"])
def test_rendered_sequences_come_back_bit_for_bit(rendered, split):
  expected = render_split(split=split, sequences=COUNTS[split], seed=3, frames=3)
  assert_same_sequences(sequences_from_tfds(rendered, split), list(expected))


def test_a_split_without_sequences_is_empty(rendered):
  assert sequences_from_tfds(rendered, "dev") == []


def test_a_built_set_is_read_from_its_folder_alone(rendered):
  builder = tfds.builder_from_directory(rendered.data_dir)
  assert_same_sequences(sequences_from_tfds(builder, "train"), sequences_from_tfds(rendered, "train"))


def test_frames_count_from_the_end_and_stop_there(rendered):
  frames = sequences_from_tfds(rendered, "train")[0].frames
  np.testing.assert_array_equal(frames[-1], frames[2])
  with pytest.raises(IndexError):
    frames[3]


def test_frames_read_ahead_by_threads_keep_their_order(rendered):
  frames = sequences_from_tfds(rendered, "train")[1].frames
  ahead = list(read_ahead(frames, threads=2, buffer=2))
  assert len(ahead) == len(frames)
  assert all((one == frames[index]).all() for index, one in enumerate(ahead))


def test_grain_reads_the_records_by_index(rendered):
  source = rendered.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()})
  numbers = grain.MapDataset.source(source).map(lambda record: int(record["frame"]))
  assert list(numbers.to_iter_dataset(grain.ReadOptions(num_threads=2))) == [0, 1, 2] * COUNTS["train"]


def test_grain_gives_each_of_two_processes_its_share(rendered):
  source = rendered.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()})
  places = lambda record: (record["sequence"].decode(), int(record["frame"]))  # noqa: E731
  both = [list(grain.MapDataset.source(source)[process::2].map(places)) for process in range(2)]
  whole = [places(record) for record in source]
  assert [both[i % 2][i // 2] for i in range(len(whole))] == whole


def test_another_seed_has_another_folder(rendered, tmp_path):
  one, other = (RenderedTracks(counts=COUNTS, seed=seed, data_dir=tmp_path) for seed in (3, 4))
  assert one.data_dir != other.data_dir


def test_real_sequences_come_back_bit_for_bit(real_root, tmp_path):
  builder = RealTracks(root=real_root, on_error="skip", data_dir=tmp_path / "tfds")
  builder.download_and_prepare()
  expected = read_sequences(real_root, on_error="skip").sequences
  assert_same_sequences(sequences_from_tfds(builder, "test"), expected)


def test_several_roots_are_one_build(real_root, tmp_path):
  roots = f"{real_root / 'vot'},{real_root / 'otb'}"
  builder = RealTracks(root=roots, on_error="skip", data_dir=tmp_path / "tfds")
  builder.download_and_prepare()
  assert_same_sequences(sequences_from_tfds(builder, "test"), read_sequences(roots, on_error="skip").sequences)


def test_a_jpeg_is_stored_as_the_file_it_is(real_root, tmp_path):
  builder = RealTracks(root=real_root / "vot", data_dir=tmp_path / "tfds")
  builder.download_and_prepare()
  source = builder.as_data_source("test", decoders={"image": tfds.decode.SkipDecoding()})
  assert source[0]["image"] == (real_root / "vot" / "toy" / "00000001.jpg").read_bytes()


def test_what_the_build_skipped_is_counted(real_root, tmp_path):
  builder = RealTracks(root=real_root, on_error="skip", data_dir=tmp_path / "tfds")
  builder.download_and_prepare()
  assert builder.problems.summary() == "skipped 1: 1 wrong count of numbers"


def test_a_bad_line_stops_the_build_with_its_file_and_line(real_root, tmp_path):
  builder = RealTracks(root=real_root, data_dir=tmp_path / "tfds")
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:2: "):
    builder.download_and_prepare()


def test_an_image_damaged_inside_stops_the_build_by_name(real_root, tmp_path):
  path = real_root / "otb" / "Toy" / "img" / "0003.png"
  whole = path.read_bytes()
  path.write_bytes(whole[:60] + b"\0" * 40 + whole[100:])
  builder = RealTracks(root=real_root, on_error="skip", data_dir=tmp_path / "tfds")
  with pytest.raises(InputError, match=r"0003\.png \(frame 2\): cannot read the image"):
    builder.download_and_prepare()


def test_a_split_larger_than_tfds_keeps_in_memory_is_written_in_order(monkeypatch, tmp_path):
  monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1)
  builder = RenderedTracks(counts={"test": 1}, seed=0, frames=2, data_dir=tmp_path)
  builder.download_and_prepare()
  assert [record["frame"] for record in builder.as_data_source("test")] == [0, 1]


def test_a_build_without_sequences_is_an_error(tmp_path):
  builder = RenderedTracks(counts={"train": 0}, seed=0, data_dir=tmp_path)
  with pytest.raises(InputError, match="no split has a sequence"):
    builder.download_and_prepare()


def test_a_failed_build_leaves_nothing_behind(real_root, tmp_path):
  builder = RealTracks(root=real_root, data_dir=tmp_path / "tfds")
  with pytest.raises(InputError):
    builder.download_and_prepare()
  assert not [path for path in (tmp_path / "tfds").rglob("*") if path.is_file()]


def test_what_a_killed_build_has_left_is_not_used(rendered, monkeypatch, tmp_path):
  def killed(self, split, examples):
    (self.data_path / f"{split}.array_record").write_bytes(b"half")
    shutil.copytree(self.data_path, tmp_path / "left")
    raise KeyboardInterrupt(str(self.data_path))

  builder = RenderedTracks(counts=COUNTS, seed=3, frames=3, data_dir=tmp_path / "tfds")
  with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt) as caught:
    patched.setattr(RenderedTracks, "_write_split", killed)
    builder.download_and_prepare()
  shutil.copytree(tmp_path / "left", str(caught.value), dirs_exist_ok=True)  # a process that dies does not clean up
  with pytest.raises(InputError, match="is not built yet"):
    sequences_from_tfds(RenderedTracks(counts=COUNTS, seed=3, frames=3, data_dir=tmp_path / "tfds"), "train")
  again = RenderedTracks(counts=COUNTS, seed=3, frames=3, data_dir=tmp_path / "tfds")
  again.download_and_prepare()
  assert_same_sequences(sequences_from_tfds(again, "train"), sequences_from_tfds(rendered, "train"))


def test_a_set_that_is_not_built_says_so(tmp_path):
  builder = RenderedTracks(counts=COUNTS, seed=0, data_dir=tmp_path)
  with pytest.raises(InputError, match="is not built yet; call builder"):
    sequences_from_tfds(builder, "train")


def test_an_unknown_split_is_an_error(rendered):
  with pytest.raises(InputError, match=r"`split` \(='all'\) must be one of train, dev, test"):
    sequences_from_tfds(rendered, "all")


def test_the_layouts_import_without_tfds():
  code = "import sys, adadepth.data.split; assert 'tensorflow_datasets' not in sys.modules"
  subprocess.run([sys.executable, "-c", code], check=True)


def test_without_tfds_a_line_says_what_to_install():
  code = "import sys; sys.modules['tensorflow_datasets'] = None; import adadepth.data.builders"
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
  last = 'ImportError: records are written with TFDS: run `pip install "adadepth[train]"`'
  assert done.stderr.splitlines()[-1].startswith(last)


def test_no_tensorflow_is_imported(rendered):
  assert sequences_from_tfds(rendered, "train")
  assert "tensorflow" not in sys.modules
