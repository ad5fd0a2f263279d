"""Annotated frames and figures: what is drawn is where it should be, and inputs stay as they were."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from adadepth.reports import drawing, plots

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def box(*xywh: float) -> np.ndarray:
  return np.array(xywh, np.float32)


def grey_frame(height: int, width: int) -> np.ndarray:
  return np.full((height, width, 3), 128, np.uint8)


def is_near(frame: np.ndarray, color: tuple[int, int, int], tolerance: int = 3) -> np.ndarray:
  """Pixels of a colour, bool [h, w]."""
  return (np.abs(frame.astype(int) - color) <= tolerance).all(-1)


def with_box(frame: np.ndarray, box_xywh: np.ndarray) -> np.ndarray:
  """The picture with a predicted box, without the panel below it; for frames that are not enlarged."""
  return drawing.annotate_frame(frame, predicted_xywh=box_xywh)[: len(frame)]


def test_the_line_lies_on_the_edges_of_the_box():
  red = is_near(with_box(grey_frame(240, 320), box(20, 10, 30, 25)), drawing.PREDICTION_COLOR)
  rows, columns = np.nonzero(red)
  # Half-open: the box covers columns 20..49 and rows 10..34; a line of 2 px reaches one pixel further.
  assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 35, 19, 50)
  assert red[9:11, 19:51].all() and red[34:36, 19:51].all()
  assert red[9:36, 19:21].all() and red[9:36, 49:51].all()
  assert red.sum() == 27 * 32 - 23 * 28


def test_a_wider_line_is_centred_on_the_edge_with_a_black_rim():
  row = with_box(grey_frame(480, 640), box(20, 10, 30, 25))[22]  # through the left edge, a line of 4 px
  assert is_near(row[None], drawing.PREDICTION_COLOR)[0, 18:22].all()
  assert tuple(row[17]) == tuple(row[22]) == (0, 0, 0)
  assert tuple(row[16]) == tuple(row[23]) == (128, 128, 128)


def test_drawing_leaves_its_inputs_unmodified():
  frame, box_xywh = grey_frame(240, 320), box(5, 5, 20, 20)
  frame.setflags(write=False)
  box_xywh.setflags(write=False)
  assert (with_box(frame, box_xywh) != frame).any()


@pytest.mark.parametrize(
  "box_xywh",
  [
    (np.nan, 1, 5, 5),
    (1, 1, 0, 5),
    (1, 1, 5, -2),
    (400, 300, 9, 9),
    (-1e9, -1e9, 3e9, 3e9),
    (1, 1, np.inf, 5),
  ],
)
def test_a_box_that_cannot_be_seen_draws_nothing(box_xywh: tuple[float, ...]):
  frame = grey_frame(240, 320)
  np.testing.assert_array_equal(with_box(frame, box(*box_xywh)), frame)


def test_a_box_across_the_border_is_cut_off():
  red = is_near(with_box(grey_frame(240, 320), box(-10, 20, 30, 1e7)), drawing.PREDICTION_COLOR)
  rows, columns = np.nonzero(red)
  assert (rows.min(), rows.max(), columns.min(), columns.max()) == (19, 239, 0, 20)


@pytest.mark.parametrize(
  ("height", "width", "factor"), [(96, 96, 4), (240, 320, 1), (720, 1280, 1), (200, 319, 2), (1000, 60, 1)]
)
def test_small_frames_are_enlarged_by_a_whole_factor(height: int, width: int, factor: int):
  frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
  annotated = drawing.annotate_frame(frame, predicted_xywh=None, depth=0)
  assert annotated.shape[1] == max(factor * width, 320)
  left = (annotated.shape[1] - factor * width) // 2
  picture = annotated[: factor * height, left : left + factor * width]
  np.testing.assert_array_equal(picture[::factor, ::factor], frame)
  np.testing.assert_array_equal(picture[factor - 1 :: factor, factor - 1 :: factor], frame)


def test_truth_is_green_and_prediction_red_at_the_enlarged_place():
  frame = grey_frame(96, 96)
  annotated = drawing.annotate_frame(frame, predicted_xywh=box(10, 20, 30, 40), truth_xywh=box(50, 20, 30, 40))
  picture = annotated[: 4 * 96]
  # Lines of 2 px, centred on edges at 4 times the coordinates.
  for color, left, right in (
    (drawing.PREDICTION_COLOR, 40, 160),
    (drawing.TRUTH_COLOR, 200, 320),
  ):
    rows, columns = np.nonzero(is_near(picture, color))
    assert (columns.min(), columns.max()) == (left - 1, right)
    assert (rows.min(), rows.max()) == (79, 240)


def test_truth_and_prediction_are_both_seen_where_they_coincide():
  same = box(20, 10, 60, 80)
  picture = drawing.annotate_frame(grey_frame(240, 320), predicted_xywh=same, truth_xywh=same)[:240]
  # Dashes of 8 px: every edge shows about half of each.
  for edge in (picture[9:11, 19:81], picture[89:91, 19:81], picture[9:91, 19:21], picture[9:91, 79:81]):
    green, red = (is_near(edge, color).mean() for color in (drawing.TRUTH_COLOR, drawing.PREDICTION_COLOR))
    assert min(green, red) > 0.4 and green + red == pytest.approx(1)


@pytest.mark.parametrize("depth", range(5))
def test_the_exit_is_marked_in_its_own_fifth_of_the_panel(depth: int):
  confidences = np.full(5, 0.2, np.float32)
  shown = drawing.annotate_frame(grey_frame(240, 400), predicted_xywh=None, confidences=confidences, depth=depth)
  _, columns = np.nonzero(is_near(shown[240:], drawing.EXIT_CELL_COLOR))
  assert (columns // 80 == depth).all()
  soft = drawing.annotate_frame(grey_frame(240, 400), predicted_xywh=None, confidences=confidences)
  assert not is_near(soft[240:], drawing.EXIT_CELL_COLOR).any()


def test_the_red_bar_grows_with_the_confidence_and_is_empty_where_none_was_computed():
  confidences = np.array([0.0, 0.25, 0.5, 1.0, np.nan], np.float32)
  panel = drawing.annotate_frame(grey_frame(240, 800), predicted_xywh=None, confidences=confidences)[240:]
  red = is_near(panel, drawing.FIGURE_COLOR)
  # The longest red row of each fifth is its bar; text makes only short runs.
  longest = [int(red[:, k * 160 : (k + 1) * 160].sum(1).max()) for k in range(5)]
  assert longest[1] < longest[2] < longest[3]
  assert abs(longest[3] - 2 * longest[2]) <= 2 and abs(longest[2] - 2 * longest[1]) <= 2
  assert longest[0] < longest[1] and longest[4] < 20


def test_figures_are_drawn_in_red_for_every_depth():
  panel = drawing.annotate_frame(
    grey_frame(96, 96), predicted_xywh=None, confidences=np.zeros(5, np.float32), depth=None
  )[384:]
  red = is_near(panel, drawing.FIGURE_COLOR, 60)
  assert all(red[:, k * 76 : (k + 1) * 76].sum() > 20 for k in range(5))


def test_frames_of_one_video_come_out_in_one_size():
  frame, confidences = grey_frame(120, 160), np.full(5, 0.2, np.float32)
  shapes = {
    drawing.annotate_frame(frame, predicted_xywh=predicted, confidences=confidences, depth=depth).shape
    for predicted in (None, box(1, 2, 30, 40))
    for depth in (None, 0, np.int32(4))
  }
  assert len(shapes) == 1


def make_pair(name: str, predicted: np.ndarray | None) -> plots.PairPicture:
  return plots.PairPicture(
    name, grey_frame(32, 32), box(8, 8, 16, 16), grey_frame(64, 64), box(20, 20, 16, 16), predicted
  )


def fixed_entries() -> dict[str, dict[str, float]]:
  return {f"xcorr{k + 1}": {"iou@25": 0.5 + 0.04 * k, "gflops": 6.0 * (k + 1)} for k in range(5)}


def hard_entries() -> list[dict[str, object]]:
  return [{"threshold": t, "iou@25": 0.5 + 0.1 * t, "gflops": 6 + 20 * t, "exits": [0.2] * 5} for t in (0.75, 0.25)]


def read_picture(path) -> np.ndarray:
  with Image.open(path) as image:
    assert image.format == "PNG"
    return np.array(image.convert("RGB"))


def test_figure1_shows_green_and_red_boxes_and_two_pairs_a_row(tmp_path):
  plots.figure1(tmp_path / "one.png", [make_pair("a", None)])
  plots.figure1(tmp_path / "new folder" / "two.png", [make_pair("a", None), make_pair("b", box(24, 22, 16, 16))])
  plots.figure1(tmp_path / "three.png", [make_pair(name, None) for name in "abc"])
  one, two = read_picture(tmp_path / "one.png"), read_picture(tmp_path / "new folder" / "two.png")
  assert two.shape[0] == one.shape[0] and two.shape[1] > 1.9 * one.shape[1]
  assert read_picture(tmp_path / "three.png").shape[0] > 1.7 * one.shape[0]
  assert is_near(two, drawing.TRUTH_COLOR).sum() > is_near(one, drawing.TRUTH_COLOR).sum() > 0
  assert is_near(two, drawing.PREDICTION_COLOR).any() and not is_near(one, drawing.PREDICTION_COLOR).any()


def phase1_run(objective: str, gain: float) -> plots.Phase1Run:
  def point(step: int) -> dict:
    depths = {f"xcorr{k}": {f"iou@{n}": 0.5 + 0.01 * k + gain * step for n in (1, 5, 25)} for k in range(1, 6)}
    depths["xcorr5"]["iou@1"] = None  # no pair is so near to its key
    return {"step": step, "epoch": step / 10, "train": depths, "test": depths}

  return plots.Phase1Run(objective, [point(step) for step in (0, 5, 10)])


def test_figures_3_and_4_draw_the_mean_over_seeds(tmp_path, monkeypatch):
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
  runs = [phase1_run("all", 0.01), phase1_run("all", 0.03), phase1_run("deepest", 0.04)]
  plots.figure3(tmp_path / "3.png", runs)
  plots.figure4(tmp_path / "4.png", runs)
  over_epochs = {line.get_label(): line.get_xydata() for line in figures[0].axes[0].lines}
  np.testing.assert_allclose(over_epochs["IOU@25"], [[0, 0.55], [0.5, 0.65], [1, 0.75]])
  assert figures[0].axes[0].get_title() == "train, loss: all depths (2 seeds)"
  by_depth = {line.get_label(): line.get_ydata() for line in figures[1].axes[0].lines}
  np.testing.assert_allclose(by_depth["before"], [0.51, 0.52, 0.53, 0.54, 0.55])
  np.testing.assert_allclose(by_depth["loss: all depths (2 seeds), 1 epochs"], [0.71, 0.72, 0.73, 0.74, 0.75])
  np.testing.assert_allclose(by_depth["loss: deepest depth (1 seed), 1 epochs"], [0.91, 0.92, 0.93, 0.94, 0.95])
  plots.figure4(tmp_path / "one.png", runs[:1])
  bands = [[t.get_text() for t in f.legends[0].texts if "lowest to highest" in t.get_text()] for f in figures]
  assert [len(found) for found in bands] == [1, 1, 0]


def test_figure6_draws_every_kind_of_policy_and_only_what_is_given(tmp_path):
  entries = {"fixed": fixed_entries(), "soft": {"iou@25": 0.7, "gflops": 30.2}}
  plots.figure6(tmp_path / "all.png", **entries, hard=hard_entries(), chosen_threshold=0.25, oracle=0.8, baseline=0.4)
  plots.figure6(tmp_path / "few.png", **entries, hard=[])
  everything, few = read_picture(tmp_path / "all.png"), read_picture(tmp_path / "few.png")
  for color, always in (
    (plots.BLUE, True),
    (plots.GREEN, True),
    (plots.VERMILION, False),
    (plots.PURPLE, False),
  ):
    rgb = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    assert is_near(everything, rgb).any()
    assert is_near(few, rgb).any() == always


def test_figure6_puts_accuracy_and_cost_on_labelled_axes(tmp_path, monkeypatch):
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
  plots.figure6(
    tmp_path / "x.png",
    fixed=fixed_entries(),
    soft={"iou@25": 0.7, "gflops": 30.2},
    hard=hard_entries(),
    chosen_threshold=0.75,
  )
  (axes,) = figures[0].axes
  lines = {line.get_label(): line.get_xydata() for line in axes.lines}
  np.testing.assert_allclose(lines["static exit"], [[6.0 * (k + 1), 0.5 + 0.04 * k] for k in range(5)])
  np.testing.assert_allclose(lines["hard gating, chosen λ, T swept"], [[11.0, 0.525], [21.0, 0.575]])
  np.testing.assert_allclose(lines["hard gating, chosen T = 0.75"], [[21.0, 0.575]])
  assert "GFLOPs" in axes.get_xlabel() and "IOU@25" in axes.get_ylabel()
  (relative,) = axes.child_axes
  plots.FigureCanvasAgg(figures[0]).draw()
  np.testing.assert_allclose(relative.get_xlim(), np.array(axes.get_xlim()) / 6.0)


def test_figure6_shows_what_a_random_mix_of_static_exits_would_have(tmp_path, monkeypatch):
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
  entries = {"fixed": fixed_entries(), "soft": {"iou@25": 0.7, "gflops": 30.2}}
  mixed = [{**entry, "random_mix_iou@25": mix} for entry, mix in zip(hard_entries(), (0.6, 0.55), strict=True)]
  plots.figure6(tmp_path / "x.png", **entries, hard=mixed)
  lines = {line.get_label(): line.get_xydata() for line in figures[0].axes[0].lines}
  np.testing.assert_allclose(lines["static exits mixed at random, at hard gating's cost"], [[11, 0.55], [21, 0.6]])


def test_figure6_cuts_its_axis_near_the_policies(tmp_path, monkeypatch):
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
  for baseline in (0.1, 0.49, 0.9):
    entries = {"fixed": fixed_entries(), "soft": {"iou@25": 0.7, "gflops": 30.2}, "hard": hard_entries()}
    plots.figure6(tmp_path / "x.png", **entries, baseline=baseline)
    axes = figures[-1].axes[0]
    low, high = axes.get_ylim()
    assert 0.4 < low < 0.5 and max(baseline, 0.7) < high  # from xcorr1's 0.5 down by a margin alone
    notes = [text.get_text() for text in axes.texts if "baseline" in text.get_text()]
    lines = [line for line in axes.lines if "baseline" in line.get_label()]
    assert (len(notes), len(lines)) == ((1, 0) if baseline < low else (0, 1))


def test_figure7_draws_the_rows_it_is_given(tmp_path, monkeypatch):
  panel = plots.FramePanel(
    "a", grey_frame(96, 96), box(10, 10, 20, 20), box(12, 12, 20, 20), np.full(5, 0.2, np.float32), 2
  )
  plots.figure7(tmp_path / "two.png", [plots.FrameRow("", [panel] * 2)])
  plots.figure7(tmp_path / "three.png", [plots.FrameRow("", [panel]), plots.FrameRow("", [panel] * 2)])
  two, three = read_picture(tmp_path / "two.png"), read_picture(tmp_path / "three.png")
  assert three.shape[1] == two.shape[1] and three.shape[0] == pytest.approx(2 * two.shape[0], abs=2)
  assert is_near(two, drawing.TRUTH_COLOR, 40).any() and is_near(two, drawing.PREDICTION_COLOR, 40).any()
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
  short, long = plots.FrameRow("short", [panel._replace(title="b")]), plots.FrameRow("long", [panel] * 2)
  plots.figure7(tmp_path / "x.png", [short, long])
  titles = [[axes.get_title() for axes in part.axes] for part in figures[0].subfigs]
  assert [part.get_suptitle() for part in figures[0].subfigs] == ["short", "long"]
  assert titles == [["b", ""], ["a", "a"]]


def test_curves_are_drawn_in_colours_of_their_own(tmp_path):
  curves = {"train": ([0, 10, 20], [3.0, 2.0, np.nan]), "test": (np.arange(50), np.linspace(4, 1, 50))}
  plots.plot_curves(tmp_path / "curves.png", curves, ylabel="loss (nats)")
  picture = read_picture(tmp_path / "curves.png")
  assert is_near(picture, (0x00, 0x72, 0xB2)).any() and is_near(picture, (0xD5, 0x5E, 0x00)).any()


def test_an_empty_figure_is_refused_by_name(tmp_path):
  with pytest.raises(ValueError, match="`pairs` is empty"):
    plots.figure1(tmp_path / "x.png", [])
  with pytest.raises(ValueError, match="`rows` is empty"):
    plots.figure7(tmp_path / "x.png", [])
  with pytest.raises(ValueError, match="`curves` is empty"):
    plots.plot_curves(tmp_path / "x.png", {}, ylabel="loss")


@pytest.mark.parametrize(
  ("modules", "unwanted"),
  [
    ("io import boxes_csv, json_files, metric_writer, progress, run_record, video", ("jax", "matplotlib.pyplot")),
    ("reports import drawing", ("jax", "matplotlib.pyplot")),
    ("reports import plots", ("matplotlib.pyplot",)),  # which would choose a backend for the whole process
  ],
)
def test_imports_bring_in_no_more_than_they_need(modules, unwanted):
  code = f"import sys; from adadepth.{modules}; sys.exit(str([name for name in {unwanted} if name in sys.modules]))"
  ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
  assert ended.stderr.strip() == "[]"
