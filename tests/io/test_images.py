"""Images: every kind comes out as RGB, upright or as stored, and what cannot be read is named."""

import av
import numpy as np
import pytest
from PIL import Image

from adadepth.errors import InputError
from adadepth.io.images import (
  ImageFolder,
  Levels,
  decode_as_shown,
  decode_image,
  image_size,
  is_rgb_file,
  levels_in,
  numbered_images,
  stretch,
)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "RGB"])
def test_every_kind_of_image_is_read_as_pillow_shows_it(tmp_path, mode: str):
  pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
  image = Image.fromarray(pixels).convert(mode)
  image.save(tmp_path / "1.png")
  np.testing.assert_array_equal(decode_image(tmp_path / "1.png", name="1"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("decode", [decode_image, decode_as_shown])
@pytest.mark.parametrize(("suffix", "dtype"), [("png", np.uint16), ("tif", np.uint16), ("tif", np.float32)])
def test_more_than_eight_bits_of_grey_are_stretched_between_their_levels(tmp_path, decode, suffix, dtype):
  grey = np.linspace(1_000, 5_000, 32 * 32).reshape(32, 32).astype(dtype)
  file = tmp_path / f"1.{suffix}"
  Image.fromarray(grey).save(file)
  own, told = decode(file, name="1"), decode(file, name="1", levels=Levels(0, 2_000))
  assert np.abs(own[..., 2] - (grey.astype(float) - 1_000) / 4_000 * 255).max() <= 1
  assert np.abs(told[..., 0] - np.clip(grey.astype(float) / 2_000 * 255, 0, 255)).max() <= 0.5


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), [("png", "rgb48be", "png"), ("tiff", "rgb48le", "tif")])
def test_sixteen_bits_of_colour_are_stretched_by_one_measure(tmp_path, codec, pix_fmt, suffix):
  pixels = np.random.default_rng(0).integers(0, 4_096, (24, 32, 3), np.uint16)
  with av.open(str(tmp_path / f"1.{suffix}"), "w", format="image2", options={"update": "1"}) as file:
    stream = file.add_stream(codec, rate=1)
    stream.width, stream.height, stream.pix_fmt = 32, 24, pix_fmt
    file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb48le")))
    file.mux(stream.encode(None))
  decoded = decode_image(tmp_path / f"1.{suffix}", name="1")
  assert np.abs(decoded - pixels / 4_095 * 255).max() <= 1
  assert not is_rgb_file(tmp_path / f"1.{suffix}")  # its bytes alone are other pixels: levels are those of a sequence


def test_dead_pixels_do_not_move_the_levels():
  frame = np.random.default_rng(0).normal(30_000, 100, (400, 400))
  frame.flat[:8], frame.flat[8:16] = 0, 65_535
  low, high = levels_in([frame])
  assert 29_400 < low < 29_700 and 30_300 < high < 30_600


def test_frames_of_one_level_and_of_nothing_have_levels_too():
  for frame in (np.full((4, 4), 7.0), np.full((4, 4), np.nan)):
    levels = levels_in([frame])
    assert levels.low < levels.high
    np.testing.assert_array_equal(stretch(frame, levels), np.zeros((4, 4, 3), np.uint8))


def test_a_folder_is_stretched_by_its_first_frames(tmp_path):
  paths = tuple(tmp_path / f"{t}.png" for t in range(7))
  for t, path in enumerate(paths):
    Image.fromarray(np.full((8, 8), 1_000 * (t + 1), np.uint16)).save(path)
  frames = ImageFolder(paths)
  assert frames.levels == Levels(1_000, 5_000)
  assert [frames[t][0, 0, 0] for t in (0, 2, 4, 6)] == [0, 128, 255, 255]
  Image.new("L", (8, 8), 9).save(paths[0])
  assert ImageFolder(paths[:1]).levels is None


def test_numbered_images_are_those_whose_whole_name_is_a_number(tmp_path):
  for name in ("10.png", "2.webp", "a3.png", "4 (1).png", "5.txt"):
    (tmp_path / name).touch()
  assert list(numbered_images(tmp_path)) == [2, 10]
  assert list(numbered_images(tmp_path, prefix="a")) == [3]
  (tmp_path / "0010.jpg").touch()
  with pytest.raises(InputError, match=r"holds two images of one number, 0010\.jpg and 10\.png; move one elsewhere"):
    numbered_images(tmp_path)


def test_an_orientation_turns_what_is_shown_and_not_what_is_stored(tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
  exif = Image.Exif()
  exif[0x0112] = 6  # stored a quarter turn to the left
  Image.fromarray(pixels).save(tmp_path / "1.png", exif=exif)
  np.testing.assert_array_equal(decode_image(tmp_path / "1.png", name="1"), pixels)
  np.testing.assert_array_equal(decode_as_shown(tmp_path / "1.png", name="1"), np.rot90(pixels, -1))


def test_an_unreadable_frame_is_named_when_it_is_indexed(tmp_path):
  (tmp_path / "7.jpg").write_bytes(b"no image")
  with pytest.raises(InputError, match=r"7\.jpg \(frame 0\): cannot read the image"):
    ImageFolder((tmp_path / "7.jpg",))[0]


@pytest.mark.parametrize("read", [image_size, lambda path: decode_image(path, name="a")])
def test_a_picture_that_there_is_no_memory_for_is_not_called_damaged(tmp_path, monkeypatch, read):
  def exhausted(*_, **__):
    raise MemoryError

  Image.new("RGB", (8, 8)).save(tmp_path / "a.bmp")
  monkeypatch.setattr(Image.core, "new", exhausted)
  with pytest.raises(MemoryError):
    read(tmp_path / "a.bmp")
