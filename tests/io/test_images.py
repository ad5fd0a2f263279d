"""Images: every kind comes out as RGB, upright or as stored, and what cannot be read is named."""

import numpy as np
import pytest
from PIL import Image

from adadepth.errors import InputError
from adadepth.io.images import ImageFolder, decode_as_shown, decode_image


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "RGB"])
def test_every_kind_of_image_is_read_as_pillow_shows_it(tmp_path, mode: str):
  pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
  image = Image.fromarray(pixels).convert(mode)
  image.save(tmp_path / "1.png")
  np.testing.assert_array_equal(decode_image(tmp_path / "1.png", name="1"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("decode", [decode_image, decode_as_shown])
def test_sixteen_bit_grey_keeps_its_upper_eight_bits(tmp_path, decode):
  grey = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
  Image.fromarray(grey).save(tmp_path / "1.png")
  np.testing.assert_array_equal(decode(tmp_path / "1.png", name="1")[..., 2], grey // 256)


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
