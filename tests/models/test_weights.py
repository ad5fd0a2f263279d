"""Weights come in from every published format, and nothing else comes in with them."""

import hashlib
import http.server
import io
import pathlib
import pickle
import shutil
import struct
import threading
import urllib.request
import zipfile

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from adadepth.errors import InputError
from adadepth.models.weights import download, download_vgg19, load_safetensors, load_vgg19, save_safetensors
from adadepth.models.weights.unpickle import InertUnpickler

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
# The narrow nets of make_vgg19_golden.py; the .pth files among them were written by torch.save.
NARROW = (3, 4, 5, 6, 8)
NARROW_FILES = (
  "vgg19_narrow.safetensors",
  "vgg19_narrow_torchvision.safetensors",
  "vgg19_narrow_zip.pth",
  "vgg19_narrow_legacy.pth",
)
BGR_MEAN = np.array([103.939, 116.779, 123.68])


def flat_narrow() -> dict[str, np.ndarray]:
  """The narrow net as stored, by block1_conv1/kernel; read with safetensors alone."""
  return safetensors.numpy.load_file(GOLDEN / "vgg19_narrow.safetensors")


def assert_is_narrow(tree):
  """Every array of the loaded tree is the stored one, bit for bit."""
  stored = flat_narrow()
  assert len(jax.tree.leaves(tree)) == len(stored) == 32
  for name, value in stored.items():
    layer, parameter = name.split("/")
    block, conv = layer.split("_")
    np.testing.assert_array_equal(tree[block][conv][parameter], value, strict=True)


def write_npy(path, pickled):
  """A .npy file of one Python object, given its pickle."""
  np.lib.format.write_array_header_1_0(header := io.BytesIO(), {"descr": "|O", "fortran_order": False, "shape": ()})
  path.write_bytes(header.getvalue() + pickled)


def write_zip_pth(path, pickled):
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("net/data.pkl", pickled)


def write_legacy_pth(path, pickled):
  head = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
  path.write_bytes(b"".join(head) + pickled)


PICKLED_FORMATS = {"vgg.npy": write_npy, "zip.pth": write_zip_pth, "legacy.pth": write_legacy_pth}


# Every format.


def test_our_safetensors_come_back_as_stored():
  assert_is_narrow(load_vgg19(GOLDEN / "vgg19_narrow.safetensors", channels=NARROW))


def test_the_tree_is_nested_by_block_and_layer_in_float32():
  tree = load_vgg19(GOLDEN / "vgg19_narrow.safetensors", channels=NARROW)
  assert [list(block) for block in tree.values()] == [
    [f"conv{i}" for i in range(1, count + 1)] for count in (2, 2, 4, 4, 4)
  ]
  assert list(tree) == [f"block{i}" for i in range(1, 6)]
  assert all(leaf.dtype == np.float32 and leaf.flags.c_contiguous for leaf in jax.tree.leaves(tree))


def test_a_tree_saved_again_loads_the_same(tmp_path):
  tree = load_vgg19(GOLDEN / "vgg19_narrow.safetensors", channels=NARROW)
  save_safetensors(tmp_path / "again.safetensors", tree)
  assert_is_narrow(load_vgg19(tmp_path / "again.safetensors", channels=NARROW))


@pytest.mark.parametrize(
  ("group", "kernel", "bias"),
  [
    ("{0}", "{0}_W_1:0", "{0}_b_1:0"),
    ("{0}/{0}", "kernel:0", "bias:0"),
    ("model_weights/{0}/{0}", "kernel", "bias"),
    ("layers/{0}/vars", "0", "1"),
  ],
)
def test_keras_files_of_every_age_come_back_as_stored(tmp_path, group, kernel, bias):
  with h5py.File(tmp_path / "vgg.h5", "w") as file:
    for name, value in flat_narrow().items():
      layer, parameter = name.split("/")
      leaf = {"kernel": kernel, "bias": bias}[parameter]
      file[f"{group}/{leaf}".format(layer)] = value
    file["optimizer_weights/block1_conv1/kernel"] = np.zeros(7)
  assert_is_narrow(load_vgg19(tmp_path / "vgg.h5", channels=NARROW))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_the_references_npy_comes_back_as_stored(tmp_path, protocol):
  write_npy(tmp_path / "vgg19.npy", pickle.dumps(np.array(reference_dict(), object), protocol))
  assert_is_narrow(load_vgg19(tmp_path / "vgg19.npy", channels=NARROW))


def test_an_npy_written_by_python_2_comes_back_as_stored(tmp_path):
  path = tmp_path / "vgg19.npy"
  write_npy(path, python2_pickle(reference_dict()))
  # NumPy's own reader agrees that this is such a file.
  trusted = np.load(path, allow_pickle=True, encoding="latin1").item()
  np.testing.assert_array_equal(trusted["conv3_4"][0], flat_narrow()["block3_conv4/kernel"])
  assert_is_narrow(load_vgg19(path, channels=NARROW))


def reference_dict():
  flat = flat_narrow()
  layers = sorted({name.split("/")[0] for name in flat})
  content = {f"conv{layer[5]}_{layer[-1]}": [flat[f"{layer}/kernel"], flat[f"{layer}/bias"]] for layer in layers}
  return content | {"fc6": [np.ones((4, 2), np.float32), np.ones(2, np.float32)]}


def python2_pickle(content):
  """The bytes that Python 2 with NumPy 1 wrote: byte strings as `str`, numpy.core, protocol 2."""
  items = b"".join(
    b"U" + bytes([len(name)]) + name.encode() + b"](" + b"".join(map(python2_array, arrays)) + b"e"
    for name, arrays in content.items()
  )
  objects = python2_state((), b"O8", b"|", b"](}(" + items + b"ue")
  return b"\x80\x02" + objects + b"."


def python2_array(value):
  return python2_state(value.shape, b"f4", b"<", b"T" + struct.pack("<i", value.nbytes) + value.tobytes())


def python2_state(shape, dtype, order, content):
  numbers = b"".join(b"J" + struct.pack("<i", n) for n in shape)
  dtype = b"cnumpy\ndtype\n(U\x02" + dtype + b"K\x00K\x01tR(K\x03U\x01" + order + b"NNN" + 2 * b"J\xff\xff\xff\xff"
  reconstruct = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
  flags = b"K?" if order == b"|" else b"K\x00"  # 63 says that the array holds objects.
  return reconstruct + b"(K\x01(" + numbers + b"t" + dtype + flags + b"tb\x89" + content + b"tb"


@pytest.mark.parametrize("name", NARROW_FILES[1:])
def test_torchvision_files_give_the_same_layers_behind_the_first(name):
  tree = load_vgg19(GOLDEN / name, channels=NARROW)
  tree["block1"]["conv1"] = load_vgg19(GOLDEN / NARROW_FILES[0], channels=NARROW)["block1"]["conv1"]
  assert_is_narrow(tree)


def test_torchs_two_layouts_and_its_safetensors_agree_bitwise():
  one, *others = (load_vgg19(GOLDEN / name, channels=NARROW) for name in NARROW_FILES[1:])
  for other in others:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_checkpoint_of_2017_comes_back_as_todays(tmp_path):
  """torchvision's own VGG files name _rebuild_tensor, which torch has since replaced."""
  today = (GOLDEN / "vgg19_narrow_legacy.pth").read_bytes()
  (tmp_path / "old.pth").write_bytes(today.replace(b"\n_rebuild_tensor_v2\n", b"\n_rebuild_tensor\n"))
  old = load_vgg19(tmp_path / "old.pth", channels=NARROW)
  new = load_vgg19(GOLDEN / "vgg19_narrow_legacy.pth", channels=NARROW)
  jax.tree.map(np.testing.assert_array_equal, old, new)


def test_a_parameter_of_2017_is_read_as_its_tensor(tmp_path):
  storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aX\x03\0\0\0cpuK\x06NtQ"
  tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x01K\x02K\x02\x86K\x02K\x01\x86tR"
  parameter = b"ctorch.nn.parameter\nParameter\n(" + tensor + b"tR(\x88\x89NtbX"[:-1] + b"."
  found = InertUnpickler(io.BytesIO(b"\x80\x02" + parameter), tmp_path).load()
  np.testing.assert_array_equal(found.array(np.arange(6.0)), [[1.0, 2.0], [3.0, 4.0]])


def test_a_strided_view_of_a_storage_is_read_as_torch_would(tmp_path):
  storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aX\x03\0\0\0cpuK\x06tQ"
  transposed = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x03K\x02\x86K\x01K\x03\x86\x89NtR."
  found = InertUnpickler(io.BytesIO(b"\x80\x02" + transposed), tmp_path).load()
  np.testing.assert_array_equal(found.array(np.arange(6.0)), [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]])
  with pytest.raises(ValueError, match="outside"):
    found.array(np.arange(5.0))


# torchvision's input convention.


def test_folding_the_input_is_exact_inside_the_image_and_close_at_its_border():
  state = safetensors.numpy.load_file(GOLDEN / "vgg19_narrow_torchvision.safetensors")
  folded = load_vgg19(GOLDEN / "vgg19_narrow_torchvision.safetensors", channels=NARROW)["block1"]["conv1"]
  image_rgb = np.random.default_rng(0).uniform(0, 255, (9, 11, 3))
  normalised = (image_rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
  theirs = convolved(normalised, state["features.0.weight"].transpose(2, 3, 1, 0), state["features.0.bias"])
  ours = convolved(image_rgb[..., ::-1] - BGR_MEAN, folded["kernel"], folded["bias"])
  inside = np.abs(ours - theirs)[1:-1, 1:-1]
  assert inside.max() < 1e-5  # Values near 1, weights rounded to float32.
  # Padding differs by at most 0.5 grey levels, 0.0088 after normalising, in 5 of 9 taps of 3 channels.
  assert 1e-4 < np.abs(ours - theirs).max() < 0.0088 * 15 * np.abs(state["features.0.weight"]).max()


def convolved(image, kernel, bias):
  """SAME convolution, one tap at a time."""
  padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
  h, w, _ = image.shape
  taps = [padded[y : y + h, x : x + w] @ kernel[y, x].astype(np.float64) for y in range(3) for x in range(3)]
  return sum(taps) + bias


# Pickles are read, never run.


class Attack:
  """Pickles into a call of `function(*args)`."""

  def __init__(self, function, *args):
    self.call = function, args

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize("name", PICKLED_FORMATS)
@pytest.mark.parametrize(("function", "shown"), [(eval, "builtins.eval"), (exec, "builtins.exec")])
def test_a_malicious_pickle_is_refused_and_leaves_no_trace(tmp_path, name, function, shown):
  trace = tmp_path / "trace"
  code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
  attack = pickle.dumps({"features.0.weight": Attack(function, code)}, 2, fix_imports=False)
  PICKLED_FORMATS[name](tmp_path / name, attack)
  with pytest.raises(InputError, match=rf"{name}.*'{shown}'.*nothing in it was executed"):
    load_vgg19(tmp_path / name, channels=NARROW)
  assert not trace.exists()
  pickle.loads(attack)  # The attack is a real one: undefended, it does leave a trace.
  assert trace.exists()


def test_an_attack_in_a_later_pickle_of_the_file_is_refused(tmp_path):
  shutil.copy(GOLDEN / "vgg19_narrow_legacy.pth", path := tmp_path / "late.pth")
  content = path.read_bytes()
  start = content.rindex(b"\x80\x02]")  # The list of storage keys, the last pickle of the legacy layout.
  path.write_bytes(content[:start] + pickle.dumps(Attack(eval, "1"), 2, fix_imports=False))
  with pytest.raises(InputError, match=r"builtins\.eval"):
    load_vgg19(path, channels=NARROW)


@pytest.mark.parametrize("target", ["torch._utils._rebuild_tensor_v2", "numpy.ndarray", "collections.OrderedDict"])
def test_a_pickle_cannot_change_a_stand_in(tmp_path, target):
  module, name = target.rsplit(".", 1)
  tampering = f"c{module}\n{name}\n(N}}X\x05\0\0\0spoilK\x01stb.".encode()
  with pytest.raises(ValueError, match="a Global where it cannot be"):
    InertUnpickler(io.BytesIO(b"\x80\x02" + tampering), tmp_path).load()


# What is wrong is said in one line.


def failure(path, **settings) -> str:
  """The message of loading `path`, which must be one line that names it."""
  with pytest.raises(InputError) as caught:
    load_vgg19(path, **({"channels": NARROW} | settings))
  message = str(caught.value)
  assert "\n" not in message and str(path) in message
  return message


@pytest.mark.parametrize("name", NARROW_FILES)
@pytest.mark.parametrize("part", [0.0, 0.0005, 0.02, 0.2, 0.6, 0.999])
def test_a_truncated_file_is_reported(tmp_path, name, part):
  content = (GOLDEN / name).read_bytes()
  (tmp_path / name).write_bytes(content[: int(part * len(content))])
  message = failure(tmp_path / name)
  assert "truncated" in message or "cut short" in message


def test_a_truncated_h5_or_npy_is_reported(tmp_path):
  with h5py.File(tmp_path / "a.h5", "w") as file:
    file["block1_conv1/block1_conv1_W_1:0"] = np.zeros((99, 99))
  write_npy(tmp_path / "a.npy", python2_pickle(reference_dict()))
  for name in ("a.h5", "a.npy"):
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert "truncated" in failure(tmp_path / name)


@pytest.mark.parametrize("name", NARROW_FILES[2:])
def test_a_flipped_byte_gives_weights_or_one_line_and_nothing_else(tmp_path, name):
  content = (GOLDEN / name).read_bytes()
  rng = np.random.default_rng(0)
  reported = 0
  for position in rng.integers(0, 6000, 300):  # The headers and the pickles.
    damaged = bytearray(content)
    damaged[position] ^= int(rng.integers(1, 256))
    (tmp_path / name).write_bytes(damaged)
    try:
      load_vgg19(tmp_path / name, channels=NARROW)
    except InputError as error:
      reported += 1
      assert "\n" not in str(error)
  assert reported > 100


@pytest.mark.parametrize(
  ("content", "said"),
  [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    (b"\n<!DOCTYPE html><html>" + bytes(64), "web page"),
    (b"", "0 bytes long"),
    (bytes(100), "no known format"),
  ],
)
def test_files_that_are_no_weights_are_called_what_they_are(tmp_path, content, said):
  (tmp_path / "vgg19.h5").write_bytes(content)
  assert said in failure(tmp_path / "vgg19.h5")


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
  assert "does not exist" in failure(tmp_path / "absent.h5")
  assert "does not exist" in failure(tmp_path)


@pytest.mark.parametrize("name", NARROW_FILES)
def test_a_wrong_shape_is_reported_with_the_expected_one(name):
  message = failure(GOLDEN / name, channels=(3, 4, 5, 6, 9))
  assert "block5_conv1/kernel has shape (3, 3, 6, 8), expected (3, 3, 6, 9)" in message


def test_missing_layers_are_named(tmp_path):
  kept = {name: value for name, value in flat_narrow().items() if "conv4" not in name}
  (tmp_path / "vgg16.safetensors").write_bytes(safetensors.numpy.save(kept))
  message = failure(tmp_path / "vgg16.safetensors")
  assert "lacks block3_conv4/kernel, block3_conv4/bias, block4_conv4/kernel, block4_conv4/bias and 2 more" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_reported(tmp_path, value):
  flat = flat_narrow()
  flat["block4_conv2/bias"][3] = value
  (tmp_path / "bad.safetensors").write_bytes(safetensors.numpy.save(flat))
  assert "block4_conv2/bias holds NaN or infinite" in failure(tmp_path / "bad.safetensors")


def test_other_contents_of_known_formats_are_reported(tmp_path):
  np.save(tmp_path / "plain.npy", np.zeros(40))
  assert "no dict of layers" in failure(tmp_path / "plain.npy")
  write_zip_pth(tmp_path / "list.pth", pickle.dumps([1, 2], 2))
  assert "no state dict" in failure(tmp_path / "list.pth")
  np.savez(tmp_path / "arrays.npz", a=np.zeros(9))
  assert "not a torch checkpoint" in failure(tmp_path / "arrays.npz")


# The real network.


def test_the_imagenet_weights_have_20024384_parameters(shared):
  tree = load_vgg19(shared / "weights" / "vgg19_imagenet_fp16.safetensors")
  leaves = jax.tree.leaves(tree)
  assert sum(leaf.size for leaf in leaves) == 20_024_384
  assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}
  # The known first bias of the Keras file, rounded to half precision.
  assert tree["block1"]["conv1"]["bias"][0] == pytest.approx(0.730, abs=1e-3)


# Trees of our own.


def test_a_tree_survives_safetensors(tmp_path):
  tree = {
    "gates": {"0": {"kernel": jnp.arange(6.0).reshape(2, 3), "steps": np.int32(7)}},
    "backbone": np.arange(12, dtype=np.float32).reshape(3, 4).T,
  }
  save_safetensors(tmp_path / "net.safetensors", tree, {"width": "0.25"})
  found, metadata = load_safetensors(tmp_path / "net.safetensors")
  assert metadata == {"width": "0.25"}
  assert jax.tree.structure(found) == jax.tree.structure(tree)
  jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, np.asarray(b), strict=True), found, tree)


def test_the_same_parameters_are_the_same_bytes(tmp_path):
  tree = {"b": {"x": np.ones(3, np.float32)}, "a": np.arange(4), "c": np.zeros((2, 2), np.float32)}
  metadata = {name: "value" for name in ["threshold", "architecture", "calibration", "version"]}
  found = set()
  for order in (list, reversed):
    for _ in range(4):  # safetensors draws the order of metadata anew each time
      save_safetensors(tmp_path / "a", dict(order(tree.items())), dict(order(metadata.items())))
      found.add((tmp_path / "a").read_bytes())
  assert len(found) == 1
  assert load_safetensors(tmp_path / "a").metadata == metadata
  np.testing.assert_array_equal(load_safetensors(tmp_path / "a").tree["b"]["x"], tree["b"]["x"])


def test_half_precision_halves_the_file_and_rounds_once(tmp_path):
  tree = {"w": np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32), "n": np.arange(3)}
  before = tree["w"].copy()
  save_safetensors(tmp_path / "half.safetensors", tree, float_dtype="float16")
  found = load_safetensors(tmp_path / "half.safetensors").tree
  assert (tmp_path / "half.safetensors").stat().st_size < 64 * 64 * 2 + 500
  assert found["w"].dtype == np.float32 and found["n"].dtype == np.int64
  np.testing.assert_array_equal(found["w"], before.astype(np.float16).astype(np.float32))
  np.testing.assert_array_equal(tree["w"], before)


def test_a_tree_that_cannot_be_stored_leaves_the_old_file(tmp_path):
  path = tmp_path / "net.safetensors"
  save_safetensors(path, {"w": np.ones(2)})
  before = path.read_bytes()
  with pytest.raises(InputError, match=r"w holds values that are not finite in float16"):
    save_safetensors(path, {"w": np.array([1e6])}, float_dtype="float16")
  with pytest.raises(InputError, match="separates levels"):
    save_safetensors(path, {"a/b": np.ones(2)})
  assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_missing_or_damaged_tree_is_reported(tmp_path):
  with pytest.raises(InputError, match="does not exist"):
    load_safetensors(tmp_path / "absent.safetensors")
  (tmp_path / "bad.safetensors").write_bytes(bytes(50))
  with pytest.raises(InputError, match=r"bad\.safetensors` is a truncated or damaged safetensors"):
    load_safetensors(tmp_path / "bad.safetensors")


# Downloads, from a server on this machine.


@pytest.fixture
def served(monkeypatch):
  """A server that sends 600 kB as vgg.h5, half of it as short.h5, and counts the requests."""
  content = np.random.default_rng(0).bytes(600_000)
  requests = []

  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
      requests.append(self.path)
      if not self.path.endswith(".h5"):
        return self.send_error(404)
      self.send_response(200)
      self.send_header("Content-Length", str(len(content)))
      self.end_headers()
      self.wfile.write(content[:300_000] if "short" in self.path else content)

    def log_message(self, *_):
      pass

  server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
  thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
  thread.start()
  monkeypatch.setattr(download, "https_alone", urllib.request.build_opener)  # this server has no certificate
  yield f"http://127.0.0.1:{server.server_port}", content, requests
  server.shutdown()
  thread.join()
  server.server_close()


def test_a_download_is_checked_and_not_repeated(tmp_path, served):
  url, content, requests = served
  md5 = hashlib.md5(content).hexdigest()
  path = download_vgg19(tmp_path / "new", url=f"{url}/a/vgg.h5", md5=md5)
  assert path == tmp_path / "new" / "vgg.h5" and path.read_bytes() == content
  assert download_vgg19(tmp_path / "new", url=f"{url}/a/vgg.h5", md5=md5) == path
  assert len(requests) == 1
  path.write_bytes(b"damaged since")
  download_vgg19(tmp_path / "new", url=f"{url}/a/vgg.h5", md5=md5)
  assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
  ("name", "said"),
  [("vgg.h5", "sent 600000 bytes of md5"), ("short.h5", "sent 300000 bytes"), ("absent", "404.*put it at")],
)
def test_a_failed_download_says_why_and_leaves_nothing(tmp_path, served, name, said):
  with pytest.raises(InputError, match=said):
    download_vgg19(tmp_path, url=f"{served[0]}/{name}", md5="0" * 32)
  assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_file_may_be_put_in_place_by_hand(tmp_path):
  with pytest.raises(InputError, match=r"could not fetch https://127\.0\.0\.1:9/vgg\.h5 .*vgg\.h5`$"):
    download_vgg19(tmp_path, url="https://127.0.0.1:9/vgg.h5", md5="0" * 32)
  assert list(tmp_path.iterdir()) == []
