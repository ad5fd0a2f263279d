"""Files made to do harm: each ends in one line, executes nothing, reads nothing else, and takes little room."""

import email.message
import io
import json
import os
import pathlib
import pickle
import resource
import struct
import urllib.request
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from adadepth.data.render.cutouts import find_region
from adadepth.errors import InputError
from adadepth.export.runtime import OnnxTracker
from adadepth.io import compilation
from adadepth.io.arrays import open_arrays
from adadepth.io.images import MAX_PIXELS, decode_image, image_size
from adadepth.io.video import read_frames
from adadepth.models.model import Model, load_model, save_model
from adadepth.models.weights import download, download_vgg19, load_safetensors, load_vgg19

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
NARROW = (3, 4, 5, 6, 8)
ROOM = 1 << 30  # bytes that reading may take on top of what the process has


@pytest.fixture(autouse=True)
def little_room():
  """No test may map a gigabyte more than there is."""
  before = resource.getrlimit(resource.RLIMIT_AS)
  pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) if os.path.exists("/proc/self/statm") else 0
  if pages:
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, before[1]))
  yield
  resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(load, *arguments, **settings) -> str:
  """The one line that a load ends in."""
  with pytest.raises(InputError) as caught:
    load(*arguments, **settings)
  assert "\n" not in str(caught.value)
  return str(caught.value)


def test_what_a_file_says_ends_no_line_and_moves_no_cursor():
  assert str(InputError("`a\n\x1b[2J\x0c\u2028\ud800é`")) == "`a  [2J   é`"


# Pickles.


def npy(path: pathlib.Path, pickled: bytes) -> pathlib.Path:
  header = io.BytesIO()
  np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
  path.write_bytes(header.getvalue() + pickled)
  return path


@pytest.mark.parametrize(
  ("pickled", "said"),
  [
    (b"(S'echo'\nios\nsystem\n.", "opcode STRING"),
    (b"\x80\x02(cos\nsystem\no.", "'os.system'"),
    (b"\x80\x02(U\x04echoios\nsystem\n.", "opcode INST"),
    (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "opcode NEWOBJ"),
    (b"\x80\x02\x82\x01.", "opcode EXT1"),
    (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
    (b"\x80\x05\x97.", "opcode NEXT_BUFFER"),
    (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"a.", "of 1099511627776 bytes, where 2 are left"),
    (b"\x80\x02X\xff\xff\xff\x7fa.", "bytes, where 2 are left"),
    (b"\x80\x02" + b"(" * 9 + b".", "damaged"),
    (b"\x80\x02.", "damaged"),
  ],
)
def test_what_weights_do_not_need_in_a_pickle_is_refused_by_name(tmp_path, pickled, said):
  assert said in refusal(load_vgg19, npy(tmp_path / "evil.npy", pickled))


def test_a_place_in_the_memo_takes_no_room_before_it(tmp_path):
  refusal(load_vgg19, npy(tmp_path / "evil.npy", b"\x80\x02Nr\xff\xff\xff\x7f."))  # C's unpickler asks for 16 GB


@pytest.mark.parametrize("nested", ["key", "dtype", "persistent"])
def test_tuples_of_tuples_are_not_taken_for_keys_or_names(tmp_path, nested):
  """2**60 leaves in 200 bytes: to hash, show or compare them takes for ever."""
  bomb = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))
  bodies = {
    "key": b"}" + bomb + b"Ns.",
    "dtype": b"cnumpy\ndtype\n" + bomb + b"K\0K\1\x87R.",
    "persistent": b"(" + bomb + b"ctorch\nFloatStorage\nX\1\0\0\0aNK\1tQ.",
  }
  assert "damaged" in refusal(load_vgg19, npy(tmp_path / "evil.npy", b"\x80\x02" + bodies[nested]))


# Torch's zip.


def state_pickle(shape: bytes, strides: bytes, numel: int = 4) -> bytes:
  storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0aX\3\0\0\0cpuK" + bytes([numel]) + b"tQ"
  tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + shape + strides + b"\x89NtR"
  return b"\x80\x02}X\x11\0\0\0features.0.weight" + tensor + b"s."


def pth(path: pathlib.Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> pathlib.Path:
  with zipfile.ZipFile(path, "w", compression) as archive:
    archive.writestr("net/data.pkl", pickled)
    archive.writestr("net/data/a", np.zeros(4, "<f4").tobytes(), zipfile.ZIP_STORED)
  return path


def test_a_tensor_of_stride_0_claims_no_more_than_its_storage(tmp_path):
  path = pth(tmp_path / "evil.pth", state_pickle(b"(K\3K\3K\3J\xff\xff\xff\x7ft", b"(K\0K\0K\0K\0t"))
  assert "out of 4 numbers" in refusal(load_vgg19, path)


def test_a_bomb_in_the_pickle_of_a_zip_is_not_unfolded(tmp_path):
  bomb = b"\x80\x02" + b"N0" * (1 << 20)
  path = pth(tmp_path / "evil.pth", bomb, zipfile.ZIP_DEFLATED)
  assert path.stat().st_size < 10_000 and "data.pkl is compressed" in refusal(load_vgg19, path)


def test_names_that_climb_out_of_an_archive_are_never_written(tmp_path):
  path = tmp_path / "in" / "evil.pth"
  path.parent.mkdir()
  with zipfile.ZipFile(path, "w") as archive:
    for name in ("net/data.pkl", "../slip", f"{tmp_path}/slip", "net/../../slip"):
      archive.writestr(name, pickle.dumps({}, 2))
  refusal(load_vgg19, path)
  assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["evil.pth"]


def test_a_key_that_is_a_path_reads_inside_the_archive_alone(tmp_path):
  (tmp_path / "a").write_bytes(bytes(16))
  evil = state_pickle(b"(K\1K\1K\1K\4t", b"(K\1K\1K\1K\1t").replace(b"X\1\0\0\0a", b"X\7\0\0\0../../a")
  assert "no item named 'net/data/../../a'" in refusal(load_vgg19, pth(tmp_path / "evil.pth", evil))


def test_members_over_each_other_are_not_more_than_the_file(tmp_path):
  names = [f"features.{i}.weight" for i in range(100)]
  one = state_pickle(b"(K\1K\1K\1K\4t", b"(K\1K\1K\1K\1t")[3:-2]
  items = b"".join(
    one.replace(b"X\x11\0\0\0features.0.weight", b"X" + struct.pack("<I", len(name)) + name.encode()).replace(
      b"X\1\0\0\0a", b"X\3\0\0\0a" + f"{i:02d}".encode()
    )
    + b"s"
    for i, name in enumerate(names)
  )
  path = tmp_path / "evil.pth"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("net/data.pkl", b"\x80\x02}" + items + b".")
    archive.writestr("net/data/a00", bytes(1 << 20))
    first = archive.getinfo("net/data/a00")
    for i in range(1, 100):  # in the directory alone: all lie where the first lies
      info = zipfile.ZipInfo(f"net/data/a{i:02d}")
      info.header_offset, info.file_size, info.compress_size, info.CRC = (
        first.header_offset,
        first.file_size,
        first.compress_size,
        first.CRC,
      )
      archive.filelist.append(info)
      archive.NameToInfo[info.filename] = info
  assert "more than the file" in refusal(load_vgg19, path)


# HDF5, safetensors, NumPy and our own models.


@pytest.mark.parametrize("kind", ["external", "virtual", "claims", "strings", "link"])
def test_an_h5_reads_its_own_numbers_alone(tmp_path, kind):
  secret = tmp_path / "secret"
  secret.write_bytes(np.ones(3 * 3 * 3 * 3, "f4").tobytes())
  with h5py.File(tmp_path / "other.h5", "w") as file:
    file["x"] = np.ones((3, 3, 3, 3), "f4")
  name = "block1_conv1/block1_conv1_W_1:0"
  with h5py.File(tmp_path / "evil.h5", "w") as file:
    if kind == "external":
      file.create_dataset(name, (3, 3, 3, 3), "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
    elif kind == "virtual":
      layout = h5py.VirtualLayout((3, 3, 3, 3), "f4")
      layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 3, 3, 3))
      file.create_virtual_dataset(name, layout)
    elif kind == "claims":
      file.create_dataset(name, (1 << 20, 1 << 20), "f4", chunks=(16, 16), compression="gzip")
    elif kind == "strings":
      file.create_dataset(name, (4,), h5py.string_dtype())
    else:
      file["block1_conv1/block1_conv1_W_1:0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
  said = {"external": "another file", "virtual": "another file", "claims": "claims", "strings": "not numbers"}
  assert said.get(kind, "lacks block1_conv1/kernel") in refusal(load_vgg19, tmp_path / "evil.h5", channels=NARROW)


@pytest.mark.parametrize(
  "header",
  [
    {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}},
    {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 40]}},
    {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
  ],
)
def test_a_header_that_lies_is_told(tmp_path, header):
  text = json.dumps(header).encode()
  (tmp_path / "evil.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
  refusal(load_safetensors, tmp_path / "evil.safetensors")
  (tmp_path / "long.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + text + bytes(64))
  refusal(load_safetensors, tmp_path / "long.safetensors")


def test_an_array_that_is_a_folder_too_and_what_is_not_finite_is_told(tmp_path):
  for i, arrays in enumerate(({"a": 1.0, "a/b": 2.0}, {"a/b": 1.0, "a": 2.0}, {"a": np.nan})):
    path = tmp_path / f"{i}.safetensors"
    path.write_bytes(safetensors.numpy.save({name: np.array([value]) for name, value in arrays.items()}))
    refusal(load_safetensors, path)


@pytest.fixture
def model_with(tmp_path, params, arch):
  """A model file with other settings, or other parameters."""

  def make(change: dict, params: dict = params) -> pathlib.Path:
    path = tmp_path / "model.safetensors"
    save_model(path, Model(params, arch, 0.4))
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, "numpy") as file:
      metadata = file.metadata()
    path.write_bytes(safetensors.numpy.save(arrays, metadata={**metadata, **change}))
    return path

  return make


@pytest.mark.parametrize(
  "change",
  [
    {"architecture": "[" * 100_000},
    {"architecture": "3"},
    {"architecture": '{"width": "wide"}'},
    {"threshold": "NaN"},
    {"threshold": "[]"},
    {"calibration": "[1, 2, 3, 4, 5]"},
    {"calibration": '[[0.5], [[1, 0, 0, 0, NaN]], [0.5], [1, 2, 3, 4, 5], "xcorr1"]'},
    {"more": "{"},
  ],
)
def test_settings_of_a_model_that_are_none_are_told(model_with, change):
  path = model_with(change)
  assert str(path) in refusal(load_model, path)


def test_parameters_that_are_not_those_of_the_architecture_are_told(model_with, params):
  cut = {**params, "head": {"log_scale": np.zeros(4, np.float32)}}
  assert "head['log_scale'] has shape (4,), where its architecture has (5,)" in refusal(load_model, model_with({}, cut))


@pytest.mark.parametrize("kind", ["compressed", "objects", "over"])
def test_arrays_that_unfold_or_run_are_not_loaded(tmp_path, kind):
  path = tmp_path / "evil.npz"
  if kind == "compressed":
    np.savez_compressed(path, a=np.zeros(1 << 20))
  elif kind == "objects":
    np.savez(path, a=np.array([{}], object))
  else:
    with zipfile.ZipFile(path, "w") as archive:
      header = io.BytesIO()
      np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
      archive.writestr("a.npy", header.getvalue())
  with pytest.raises((ValueError, MemoryError)), open_arrays(path) as file:
    _ = file["a"]


# ONNX.


def onnx_file(
  path: pathlib.Path, *, location: str = "", shape: tuple[int, ...] = (4,), **changed: object
) -> pathlib.Path:
  onnx = pytest.importorskip("onnx")
  weight = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "w")
  if location:
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
      weight.external_data.add(key=key, value=value)
  x, y = (onnx.helper.make_tensor_value_info(name, 1, shape) for name in "xy")
  node = onnx.helper.make_node("Add" if shape == (4,) else "Identity", ["x", "w"][: 1 + (shape == (4,))], ["y"])
  graph = onnx.helper.make_graph([node], "g", [x], [y], [weight])
  made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
  settings = {
    "policy": "xcorr1",
    "reader": "box",
    "template_px": 64,
    "search_px": 128,
    "threshold": 0.4,
    "cost_by_exit": [1, 2, 3, 4, 5],
  }
  onnx.helper.set_model_props(made, {"adadepth": json.dumps({**settings, "calibration": None, **changed})})
  path.write_bytes(made.SerializeToString())
  return path


@pytest.mark.parametrize("where", ["relative", "absolute", "link"])
def test_an_onnx_file_reads_no_weights_outside_its_folder(tmp_path, where):
  (tmp_path / "in").mkdir()
  (tmp_path / "secret").write_bytes(bytes(16))
  (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
  location = {"relative": "../secret", "absolute": str(tmp_path / "secret"), "link": "link"}[where]
  assert "cannot be loaded" in refusal(OnnxTracker, onnx_file(tmp_path / "in" / "evil.onnx", location=location))


def test_an_onnx_file_whose_settings_are_no_text_is_told(tmp_path):
  path = onnx_file(tmp_path / "evil.onnx")
  path.write_bytes(path.read_bytes().replace(b'"xcorr1"', b'"xc\x92rr1"'))
  assert "settings that are damaged" in refusal(OnnxTracker, path)


@pytest.mark.parametrize(
  "changed",
  [
    *({"policy": ["hard"]}, {"reader": "none"}, {"template_px": "64"}, {"template_px": 256}),
    *({"search_px": 1 << 30}, {"threshold": None}, {"threshold": float("nan")}, {"cost_by_exit": [1]}),
    *({"cost_by_exit": None}, {"cost_by_exit": [1, 2, 3, 4, 10**400]}, {"more": 1}),
  ],
  ids=str,
)
def test_settings_of_an_onnx_file_that_are_none_are_told(tmp_path, changed):
  assert "settings that are damaged" in refusal(OnnxTracker, onnx_file(tmp_path / "evil.onnx", **changed))


def test_an_onnx_file_claims_no_input_out_of_proportion(tmp_path):
  assert "has an input 'x'" in refusal(OnnxTracker, onnx_file(tmp_path / "evil.onnx", shape=(1 << 40,)))


# Pictures and videos.


def test_postscript_is_no_picture_whatever_its_name(tmp_path):
  Image.new("RGB", (8, 8)).save(tmp_path / "evil.eps")
  (tmp_path / "evil.png").write_bytes((tmp_path / "evil.eps").read_bytes())
  for read in (image_size, lambda path: decode_image(path, name=str(path))):
    assert "cannot read the image" in refusal(read, tmp_path / "evil.png")


def test_a_picture_that_unfolds_to_more_than_any_camera_takes_is_refused(tmp_path):
  side = int(MAX_PIXELS**0.5) + 8
  Image.new("1", (side, side)).save(tmp_path / "evil.png")
  assert (tmp_path / "evil.png").stat().st_size < 100_000
  assert f"more than the {MAX_PIXELS}" in refusal(decode_image, tmp_path / "evil.png", name="evil")
  assert f"more than the {MAX_PIXELS}" in refusal(image_size, tmp_path / "evil.png")


def test_labels_take_no_room_by_their_values(tmp_path):
  Image.fromarray(np.full((8, 8), 2**31 - 1, np.int32)).save(tmp_path / "evil.tif")
  photo = Image.new("RGB", (8, 8))
  assert "labels must be" in refusal(find_region, np.random.default_rng(0), photo, tmp_path / "evil.tif")


@pytest.mark.parametrize(
  ("name", "text"),
  [
    ("evil.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{0}\n#EXT-X-ENDLIST\n"),
    ("evil.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nhttp://127.0.0.1:9/a.mp4\n#EXT-X-ENDLIST\n"),
    ("evil.mp4", "ffconcat version 1.0\nfile secret.png\n"),
    ("evil.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"),
  ],
)
def test_a_video_that_names_other_files_or_addresses_is_none(tmp_path, name, text):
  Image.new("RGB", (32, 32)).save(tmp_path / "secret.png")
  (tmp_path / name).write_text(text.format(tmp_path / "secret.png"))
  assert "cannot be read as a video" in refusal(read_frames, tmp_path / name)


# Downloads.


def test_a_download_is_https_and_is_not_led_elsewhere(tmp_path, monkeypatch):
  assert "unknown url type: http" in refusal(download_vgg19, tmp_path, url="http://example.org/vgg.h5")
  assert "unknown url type: file" in refusal(download_vgg19, tmp_path, url="file:///etc/passwd")

  class Leads(urllib.request.HTTPSHandler):
    def https_open(self, request):
      headers = email.message.Message()
      headers["Location"] = "http://example.org/vgg.h5"
      response = urllib.request.addinfourl(io.BytesIO(), headers, request.full_url, 302)
      response.msg = "Found"
      return response

  monkeypatch.setattr(urllib.request, "HTTPSHandler", Leads)
  assert "unknown url type: http" in refusal(download_vgg19, tmp_path, url="https://example.org/vgg.h5")
  assert list(tmp_path.iterdir()) == []


def test_a_download_that_does_not_end_is_ended(tmp_path, monkeypatch):
  class Endless:
    def open(self, url, timeout):
      response = urllib.request.addinfourl(io.BytesIO(), {}, url)
      response.read = bytes
      return response

  monkeypatch.setattr(download, "https_alone", Endless)
  monkeypatch.setattr(download, "MAX_BYTES", 1 << 20)
  assert "larger than 1 MiB" in refusal(download_vgg19, tmp_path, url="https://example.org/vgg.h5")
  assert list(tmp_path.iterdir()) == []


# Compiled programs.


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o720])
def test_compiled_programs_of_a_folder_that_others_write_to_are_not_run(tmp_path, mode, capsys, monkeypatch):
  (tmp_path / "xla").mkdir()
  (tmp_path / "xla").chmod(mode)
  changed = {}
  monkeypatch.setattr(compilation.jax.config, "update", lambda name, value: changed.update({name: value}))
  assert compilation.enable_compilation_cache(tmp_path / "xla") is None
  assert changed == {"jax_compilation_cache_dir": None}
  assert capsys.readouterr().err.startswith(f"compiled programs are not kept: {tmp_path / 'xla'} can be written to")


def test_neither_is_a_folder_of_another_user_or_inside_one_that_others_write_to(tmp_path, monkeypatch):
  assert compilation.why_not_ours(tmp_path / "new" / "xla") == ""
  assert (tmp_path / "new" / "xla").stat().st_mode & 0o077 == 0
  (tmp_path / "new").chmod(0o777)
  assert f"lies in {tmp_path / 'new'}" in compilation.why_not_ours(tmp_path / "new" / "xla")
  monkeypatch.setattr(os, "getuid", lambda: 12345)
  assert compilation.why_not_ours(tmp_path / "new" / "xla") == "is another user's"
