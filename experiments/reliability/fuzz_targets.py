"""What is fuzzed: each thing that reads what comes from elsewhere, with seeds and strategies for its input."""

import contextlib
import functools
import io
import pathlib
import pickle
import tempfile
import types
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from adadepth.errors import InputError
from experiments.reliability.odd_input import HEAD, NUMBERS, TEXT, mutated

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
NARROW = (3, 4, 5, 6, 8)  # channels of the weights there
WH = (32, 24)


class Target(NamedTuple):
  """What is fuzzed.

  Attributes:
    inputs: draws one.
    read: of the folder that `prepare` has filled, and the input.
    prepare: fills a folder, once a process.
  """

  inputs: st.SearchStrategy
  read: Callable[[pathlib.Path, object], object]
  prepare: Callable[[pathlib.Path], None] = lambda folder: None


# Ground truth.


def write(folder: pathlib.Path, files: dict[str, str]) -> None:
  """Texts, and for a name with {} three pictures."""
  for name, text in files.items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if "{" not in name:
      path.write_text(text)
      continue
    for t in range(3):
      pixels = np.random.default_rng(t).integers(0, 256, (*WH[::-1], 3), dtype=np.uint8)
      Image.fromarray(pixels).save(str(path).format(t + int(text)))


BOXES = "1,2,8,9\n3,4,8.5,9\nnan,nan,nan,nan\n"
LAYOUTS = {
  "vot": {"a/{:08d}.jpg": "1", "a/groundtruth.txt": BOXES, "a/occlusion.tag": "0\n1\n", "a/anchor.value": "1\n0\n-1\n"},
  "vot_polygons": {"a/{:08d}.jpg": "1", "a/groundtruth.txt": "1,2,9,2,9,9,1,9\n" * 3, "list.txt": "a\n"},
  "vot_masks": {"a/color/{:08d}.jpg": "1", "a/groundtruth.txt": "m1,2,4,5,3,9,2\nm0,0,8,8,5,7\nm0,0,0,0\n"},
  "tlp": {"a/img/{:05d}.jpg": "1", "a/groundtruth_rect.txt": "1,2,2,8,8,0\n2,2,2,8,8,0\n3,2,2,8,8,1\n"},
  "otb": {"a/img/{:04d}.jpg": "1", "a/groundtruth_rect.txt": BOXES, "att/a.txt": "0,1,0,0,0,0,0,0,0,0,0\n"},
  "uav123": {"a/{:06d}.jpg": "1", "anno/a.txt": BOXES, "anno/att/a.txt": "0,1,0,0,0,0,0,0,0,0,0,0\n"},
  "uavdt": {"a/img{:06d}.jpg": "1", "anno/a_gt.txt": BOXES},
  "lasot": {
    **{"cat/cat-1/img/{:08d}.jpg": "1", "cat/cat-1/groundtruth.txt": BOXES, "cat/cat-1/full_occlusion.txt": "0,0,1\n"},
    **{"cat/cat-1/out_of_view.txt": "0,0,0\n", "att/cat-1.txt": "0,1,0,0,0,0,0,0,0,0,0,0,0,0\n"},
  },
  "got10k": {
    **{"val/a/{:08d}.jpg": "1", "val/a/groundtruth.txt": BOXES, "val/a/absence.label": "0\n0\n1\n"},
    **{"val/a/cover.label": "8\n7\n0\n", "val/a/cut_by_image.label": "0\n0\n1\n"},
  },
  "trackingnet": {"TRAIN_0/frames/a/{}.jpg": "0", "TRAIN_0/anno/a.txt": BOXES},
  "nfs": {
    "a/30/a/{:05d}.jpg": "1",
    "a/30/a.txt": '0 1 2 9 9 1 0 0 0 "a"\n0 1 2 9 9 2 0 1 0 "a"\n0 1 2 9 9 3 1 0 0 "a"\n',
  },
  "tc128": {"a/img/{:04d}.jpg": "1", "a/a_gt.txt": BOXES, "a/a_frames.txt": "1,3\n"},
  "videos": {"a/{}.png": "0", "a.csv": "frame,x,y,w,h,target\n0,1,2,8,9,a\n1,1,2,8,9,b\n2,,,,,a\n"},
}


def layout_target(name: str) -> Target:
  files = {file: text for file, text in LAYOUTS[name].items() if "{" not in file}
  place = name.split("_")[0]
  contents = mutated([text.encode() for text in files.values()]) | TEXT
  inputs = st.tuples(st.sampled_from(sorted(files)), contents, st.sampled_from(["stop", "skip"]))

  def read(folder: pathlib.Path, case: tuple[str, bytes, str]) -> object:
    from adadepth.data.layouts import read_sequences

    file, content, on_error = case
    (folder / place / file).write_bytes(content)
    try:
      found = read_sequences(folder, on_error=on_error)
    finally:
      (folder / place / file).write_text(files[file])
    for sequence in found.sequences:
      check_boxes(sequence.boxes_xywh)
      assert len(sequence.boxes_xywh) == len(sequence.frames)
    return found

  return Target(inputs, read, lambda folder: write(folder / place, LAYOUTS[name]))


def check_boxes(boxes: np.ndarray) -> None:
  """Boxes are whole, or wholly absent, and one at least is there."""
  there = np.isfinite(boxes).all(axis=1)
  assert there.any() and (boxes[there, 2:] > 0).all() and np.isnan(boxes[~there]).all(), f"NaN in {boxes}"


def read_split(folder: pathlib.Path, content: bytes) -> object:
  from adadepth.data.split import load_split

  (folder / "split.json").write_bytes(content)
  return load_split(folder)


SPLITS = [b'{"train": ["vot/a"], "dev": [], "test": []}', b'{"test": ["vot/a"]}', b"[]"]


def planted_sequence():
  from adadepth.data.sequence import Sequence

  return Sequence("otb/a.1", np.zeros((3, 24, 32, 3), np.uint8), np.array([(1, 2, 8, 9)] * 3, np.float32))


def read_results(folder: pathlib.Path, content: bytes) -> object:
  from adadepth.data import result_files

  for name in ("a.1.txt", "a.1_001.txt", "a.1_00000000.txt"):
    (folder / name).write_bytes(content)
  found, readers = [], (result_files.read_one_pass, result_files.read_supervised)
  for read in (*readers, lambda *arguments: result_files.read_multi_start(*arguments, 0, 3)):
    with contextlib.suppress(InputError):
      found.append(read(folder, planted_sequence()))
  if not found:
    raise InputError("none of the three")
  return found


# Boxes.


def read_first_boxes(folder: pathlib.Path, content: bytes) -> object:
  from adadepth.io.first_boxes import read_boxes

  (folder / "boxes.csv").write_bytes(content)
  return accepted([(box.box_xywh, box.origin) for box in read_boxes(folder / "boxes.csv", argument="config.boxes")])


def read_typed_boxes(_: pathlib.Path, text: str) -> object:
  from adadepth.io.first_boxes import parse_boxes

  return accepted([(box.box_xywh, box.origin) for box in parse_boxes(text, argument="config.box")])


def accepted(boxes: list) -> object:
  from adadepth.tracking.accepted import check_box

  for box, origin in boxes:
    check_box(box, (24, 32, 3), origin)
    check_boxes(box[None])
  return boxes


def read_box(_: pathlib.Path, case: tuple) -> object:
  from adadepth.tracking.accepted import first_boxes

  box, threshold = case
  boxes, _ = first_boxes(np.zeros((24, 32, 3), np.uint8), box, threshold)
  check_boxes(boxes)
  return boxes


ANY_NUMBER = st.integers() | st.floats() | st.integers(-5, 40) | st.none() | st.text(max_size=4) | st.binary(max_size=4)
GOOD_BOX = st.tuples(*[st.integers(0, 20) | st.floats(0, 20)] * 2, *[st.floats(0.5, 30, width=32)] * 2)
ANY_BOX = GOOD_BOX | st.recursive(ANY_NUMBER, lambda inner: st.lists(inner, max_size=5), max_leaves=12)
TYPED = GOOD_BOX.map(lambda box: ",".join(map(str, box))) | st.lists(NUMBERS, max_size=9).flatmap(
  lambda cells: st.sampled_from([",", ";", ", "]).map(lambda s: s.join(cells))
)


# Weights.


def pickled_npy(protocol: int) -> bytes:
  import safetensors.numpy

  flat = safetensors.numpy.load_file(GOLDEN / "vgg19_narrow.safetensors")
  names = sorted({name.rpartition("/")[0] for name in flat})
  layers = {f"conv{name[5]}_{name[-1]}": [flat[f"{name}/kernel"], flat[f"{name}/bias"]] for name in names}
  header = io.BytesIO()
  np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
  return header.getvalue() + pickle.dumps(np.array(layers, object), protocol)


def keras_h5() -> bytes:
  import h5py
  import safetensors.numpy

  with tempfile.TemporaryDirectory() as folder, h5py.File(pathlib.Path(folder) / "a.h5", "w") as file:
    for name, value in safetensors.numpy.load_file(GOLDEN / "vgg19_narrow.safetensors").items():
      layer, leaf = name.split("/")
      file[f"{layer}/{layer}/{leaf}:0"] = value
    file.flush()
    return pathlib.Path(file.filename).read_bytes()


def weights_target(seeds: Callable[[], list[bytes]], name: str) -> Target:
  def read(folder: pathlib.Path, content: bytes) -> object:
    from adadepth.models.weights import load_vgg19

    (folder / name).write_bytes(content)
    tree = load_vgg19(folder / name, channels=NARROW)
    assert all(np.isfinite(leaf).all() for block in tree.values() for conv in block.values() for leaf in conv.values())
    return tree

  return Target(st.deferred(lambda: mutated(seeds(), head=HEAD)), read)


def golden(*names: str) -> Callable[[], list[bytes]]:
  return lambda: [(GOLDEN / name).read_bytes() for name in names]


def model_bytes() -> list[bytes]:
  """The header of the package's model, with hardly a parameter behind it: what is fuzzed are settings."""
  import safetensors
  import safetensors.numpy

  from adadepth.models.model_files import asset_path

  with safetensors.safe_open(asset_path("embedded"), "numpy") as file:
    metadata = file.metadata()
  return [safetensors.numpy.save({"head/log_scale": np.zeros(5, np.float32)}, metadata=metadata)]


def read_model(folder: pathlib.Path, content: bytes) -> object:
  from adadepth.models.model import load_model

  (folder / "model.safetensors").write_bytes(content)
  return load_model(folder)


def onnx_bytes() -> list[bytes]:
  import onnx

  from adadepth.export.settings import METADATA, Settings
  from adadepth.models.calibration import Calibration

  x, y = (onnx.helper.make_tensor_value_info(name, 1, (4,)) for name in "xy")
  weight = onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")
  graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
  made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
  calibration = Calibration([0.5], [[1, 0, 0, 0, 0]], [0.5], [1, 2, 3, 4, 5], "xcorr1")
  settings = Settings("hard", "box", 64, 128, 0.4, calibration, [1, 2, 3, 4, 5])
  onnx.helper.set_model_props(made, {METADATA: settings.to_json()})
  return [made.SerializeToString()]


def read_onnx(folder: pathlib.Path, content: bytes) -> object:
  from adadepth.export.runtime import OnnxTracker

  (folder / "tracker.onnx").write_bytes(content)
  return OnnxTracker(folder / "tracker.onnx", threads=1)


def arrays_bytes() -> list[bytes]:
  file = io.BytesIO()
  np.savez(file, made_from="{}", frames=1, frame=np.array([0]), target=np.array([0]), seconds=np.zeros(1))
  bomb = io.BytesIO()
  with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a.npy", bytes(1 << 20))
  return [file.getvalue(), bomb.getvalue()]


def read_record(folder: pathlib.Path, content: bytes) -> object:
  from adadepth.evaluation.cache import kept
  from adadepth.tracking.record import load_record

  (folder / "track.npz").write_bytes(content)
  return load_record(folder / "track.npz"), kept(folder / "track.npz", "key")


# Pictures and videos.


def pictures() -> list[bytes]:
  rng, found = np.random.default_rng(0), []
  rgb = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
  deep = Image.fromarray(rng.integers(0, 60_000, (12, 16), dtype=np.uint16))
  kinds = [
    (rgb, kind) for kind in ("png", "jpeg", "bmp", "webp", "tiff", "gif", "ppm", "jpeg2000", "avif", "tga", "eps")
  ]
  kinds += [(rgb.convert(mode), "png") for mode in ("L", "P", "RGBA", "1")] + [(deep, "png"), (deep, "tiff")]
  for image, kind in kinds:
    image.save(file := io.BytesIO(), kind)
    found.append(file.getvalue())
  return found


def read_picture(folder: pathlib.Path, case: tuple[str, bytes]) -> object:
  from adadepth.io.images import decode_image, image_size
  from adadepth.io.video import read_frames

  suffix, content = case
  path = folder / "frames" / f"1{suffix}"
  path.parent.mkdir(exist_ok=True)
  path.write_bytes(content)
  try:
    image_size(path)
    frame = decode_image(path, name=str(path))
    assert frame.ndim == 3 and frame.dtype == np.uint8 and frame.size
    return frame, list(read_frames(path.parent))
  finally:
    path.unlink()


def videos() -> list[bytes]:
  import av

  found = []
  kinds = (("mp4", "libx264"), ("avi", "mjpeg"), ("matroska", "libx264"), ("webm", "libvpx"), ("gif", "gif"))
  for kind, codec in (*kinds, ("mpegts", "mpeg2video"), ("yuv4mpegpipe", "rawvideo")):
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
      stream = container.add_stream(codec, rate=25)
      stream.width, stream.height = 32, 32
      stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
      for t in range(4):
        pixels = np.random.default_rng(t).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)))
      container.mux(stream.encode(None))
    found.append(file.getvalue())
  playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\na.ts\n#EXT-X-ENDLIST\n"
  return [*found, playlist, b"ffconcat version 1.0\nfile a.mp4\n"]


def read_video(folder: pathlib.Path, case: tuple[str, bytes]) -> object:
  from adadepth.io.video import read_frames

  suffix, content = case
  path = folder / f"clip{suffix}"
  path.write_bytes(content)
  try:
    stream, last_s = read_frames(path), -1.0
    for t, (frame, start_s, duration_s) in enumerate(stream.timed()):
      assert frame.shape == (stream.info.height, stream.info.width, 3) and start_s > last_s and duration_s > 0
      last_s = start_s
      if t == 50:
        break
    return stream
  finally:
    path.unlink()


def with_suffix(suffixes: tuple[str, ...], seeds: Callable[[], list[bytes]]) -> st.SearchStrategy:
  return st.tuples(st.sampled_from(suffixes), st.deferred(lambda: mutated(seeds(), head=HEAD)))


# Arguments.


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
  """A command line: a config, perhaps a variant, and fields with values that make sense and that make none."""
  from adadepth import command

  name = draw(st.sampled_from([*command.configs(), "nothing"]))
  variant = draw(st.sampled_from(["", "", "", ":small", ":vgg19", ":vgg19,paper", ":all", ":,", ":{}"]))
  fields = known_fields(name)
  known, words = st.sampled_from(fields), st.text(max_size=8)
  flag = st.builds("--config.{}={}".format, known | words, VALUES | words)
  return [
    f"{name}{variant}",
    *draw(st.lists(flag | st.sampled_from(["--workdir", "--help=", "-h1", "x", "--"]), max_size=4)),
  ]


VALUES = NUMBERS | st.sampled_from(
  [*("True", "()", "(1,2)", "(1,)", "[1]", "{}", "None", "hard", "xcorr1", "xcorr9", "~", "~/a", "1e9", "-0.0", "0.5"),
   *("(nan,)", "('a',)", "(1,2,3)", "((1,),)", "1,2,3,4", "ours,csrt", "otb,mot", "$(touch x)", "`touch x`"),
   *("; touch x", "__import__('os').system('touch x')", "{'a': 1}", "1j", "(" * 90)]
)  # fmt: skip


@functools.cache
def known_fields(name: str) -> list[str]:
  import importlib

  def flat(config, prefix: str) -> Iterator[str]:
    for key, value in config.items():
      yield from flat(value, f"{prefix}{key}.") if hasattr(value, "items") else [prefix + key]

  if name == "nothing":
    return ["seed"]
  return sorted(flat(importlib.import_module(f"configs.{name}").get_config(), ""))


def read_arguments(_: pathlib.Path, words: list[str]) -> object:
  """As the command reads them, up to where a job would begin."""
  from absl import flags
  from ml_collections import config_flags

  from adadepth import command
  from adadepth.jobs import track_inputs
  from adadepth.jobs.checks import check_config
  from adadepth.jobs.from_config import architecture_of, source_of
  from adadepth.tracking.accepted import POLICY_NAMES

  values = flags.FlagValues()
  config_flag = config_flags.DEFINE_config_file("config", None, "", flag_values=values, lock_config=True)
  flags.DEFINE_string("workdir", "", "", flag_values=values)
  before = flags.FLAGS, command.CONFIG
  flags.FLAGS, command.CONFIG = values, config_flag
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      command.parse_flags(["adadepth", *words])
  except SystemExit as stop:
    if stop.code:
      assert str(stop.code).startswith("error: "), stop.code
      raise InputError(str(stop.code)) from None
    return None
  finally:
    flags.FLAGS, command.CONFIG = before
  assert not pathlib.Path("x").exists()  # which some values ask a shell to make
  config = config_flag.value
  if config.task == "track":
    track_inputs.check_settings(config)
    track_inputs.check_config_policy(config, POLICY_NAMES)
    return track_inputs.parse_levels(config.levels)
  check_config(config)
  return source_of(config) if "data" in config else None, architecture_of(config) if "network" in config else None


# TraX.


class FakeTracker:
  """Checks what a tracker is given, and finds nothing."""

  def init(self, frame, box):
    from adadepth.tracking.accepted import first_boxes

    boxes, _ = first_boxes(frame, box, None)
    check_boxes(boxes)
    return frame.shape

  def update(self, shape, frame):
    from adadepth.tracking.accepted import check_next_frame

    check_next_frame(frame, shape)
    return shape, types.SimpleNamespace(box_xywh=np.array([1, 2, 3, 4], np.float32), score=np.float32(0.5))


def read_trax(folder: pathlib.Path, messages: list[tuple]) -> object:
  """`trax_server.serve` of requests that a toolkit would not send; each is (kind, image, box)."""
  import trax

  from adadepth.trax_server import serve

  queue = []
  for kind, image, box in messages:
    path = types.SimpleNamespace(path=lambda image=image: str(folder / image))
    region = types.SimpleNamespace(bounds=lambda box=box: box)
    status = trax.TraxStatus.INITIALIZE if kind == "initialize" else trax.TraxStatus.FRAME
    objects = [] if box is None else [(region, {})]
    queue.append(types.SimpleNamespace(type=status, image={"color": path} if image else {}, objects=objects))
  queue.append(types.SimpleNamespace(type=trax.TraxStatus.QUIT))
  answers = []
  serve(types.SimpleNamespace(wait=lambda: queue.pop(0), status=answers.append), trax, FakeTracker())
  assert len(answers) == len(messages)
  return answers


ANY_MESSAGES = st.lists(
  st.tuples(
    st.sampled_from(["initialize", "frame"]),
    st.sampled_from(["a.png", "a.png", "a.png", "b.png", "absent.png", "", "..", "text.png", "\ud800", "a\0"]),
    GOOD_BOX
    | GOOD_BOX
    | st.none()
    | st.tuples(*[st.floats(-5, 40) | st.floats() | st.integers(-(10**30), 10**30)] * 4),
  ),
  min_size=1,
  max_size=4,
)

MESSAGES = (
  ANY_MESSAGES
  | ANY_MESSAGES.flatmap(  # behind a good beginning
    lambda rest: GOOD_BOX.map(lambda box: [("initialize", "a.png", box), ("frame", "a.png", None), *rest[1:]])
  )
)


def write_trax(folder: pathlib.Path) -> None:
  for name, size in (("a", (32, 24)), ("b", (8, 8))):
    Image.new("RGB", size).save(folder / f"{name}.png")
  (folder / "text.png").write_text("no picture")


def read_formats(_: pathlib.Path, text: str) -> object:
  from adadepth.io.toolkit_formats import parse_formats

  return parse_formats(text, argument="config.format")


CSV = [b"frame,x,y,w,h\n0,1,2,8,9\n", b"frame;x;y;w;h;target\n0;1;2;8;9;a\n5;1;2;8;9;b\n"]
ROWS = [b"1,2,8,9\n" * 3, b"1\n2,3,8,9\n2\n", b"1.5\t2\t8\t9\n" * 3]
TARGETS: dict[str, Target] = {
  **{f"layout/{name}": layout_target(name) for name in LAYOUTS},
  "split": Target(mutated(SPLITS), read_split, lambda folder: write(folder / "vot", LAYOUTS["vot"])),
  "results": Target(mutated(ROWS) | TEXT, read_results),
  "first_boxes": Target(mutated(CSV) | TEXT.map(lambda text: b"frame,x,y,w,h\n" + text), read_first_boxes),
  "typed_boxes": Target(TYPED | st.text(max_size=30), read_typed_boxes),
  "boxes": Target(st.tuples(ANY_BOX, st.none() | st.floats(0, 1) | st.floats()), read_box),
  "formats": Target(st.text(max_size=12) | st.sampled_from(["otb,mot", "otb,", ",", "OTB"]), read_formats),
  "weights/npy": weights_target(lambda: [pickled_npy(2), pickled_npy(4)], "a.npy"),
  "weights/zip": weights_target(golden("vgg19_narrow_zip.pth"), "a.pth"),
  "weights/legacy": weights_target(golden("vgg19_narrow_legacy.pth"), "a.pth"),
  "weights/h5": weights_target(lambda: [keras_h5()], "a.h5"),
  "weights/safetensors": weights_target(
    golden(*[f"vgg19_narrow{x}.safetensors" for x in ("", "_torchvision")]), "a.st"
  ),
  "weights/model": Target(st.deferred(lambda: mutated(model_bytes())), read_model),
  "onnx": Target(st.deferred(lambda: mutated(onnx_bytes())), read_onnx),
  "record": Target(st.deferred(lambda: mutated(arrays_bytes())), read_record),
  "pictures": Target(with_suffix((".png", ".jpg", ".tif", ".gif", ".webp"), pictures), read_picture),
  "videos": Target(with_suffix((".mp4", ".avi", ".mkv", ".gif", ".m3u8", ""), videos), read_video),
  "arguments": Target(st.deferred(arguments), read_arguments),
  "trax": Target(MESSAGES, read_trax, write_trax),
}
