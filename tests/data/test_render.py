"""Rendered video: the boxes are exact, the knobs do what they say, and a seed is a promise."""

import dataclasses

import numpy as np
import pytest
import shapely
from PIL import Image

from adadepth.data.render import SPLITS, Difficulty, render_sequence, render_split
from adadepth.data.render.film import expose, load_film
from adadepth.data.render.scene import STREAMS, Scene, build_scene
from adadepth.data.render.shapes import draw_mask, random_outline
from adadepth.data.render.sides import level_of
from adadepth.data.render.sprite import Sprite, Track, measure_boxes, paste_sprite
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError

HEIGHT, WIDTH, FRAMES = 96, 128, 12
EASY = Difficulty()
KNOBS = [field.name for field in dataclasses.fields(Difficulty)]


def render(seed: int, difficulty: Difficulty, frames: int = FRAMES) -> Sequence:
  return render_sequence(seed=seed, name="x", frames=frames, height=HEIGHT, width=WIDTH, difficulty=difficulty)


def scene_of(seed: int, difficulty: Difficulty, frames: int = FRAMES) -> Scene:
  streams = dict(zip(STREAMS, np.random.default_rng(seed).spawn(len(STREAMS)), strict=True))
  return build_scene(streams, frames, HEIGHT, WIDTH, difficulty)


def shoot(scene: Scene, difficulty: Difficulty = EASY) -> np.ndarray:
  frames = len(scene.camera)
  film = load_film(np.random.default_rng(0), frames, HEIGHT, WIDTH, difficulty)
  film = dataclasses.replace(film, grey=False)
  return np.stack([expose(scene, film, t, HEIGHT, WIDTH) for t in range(frames)])


def plant(scene: Scene, color: tuple[int, int, int]) -> Scene:
  """Repaints the target in one flat colour; its outline and path stay."""
  sprite, track = scene.target
  face = Image.new("RGB", sprite.mask.size, color)
  return dataclasses.replace(scene, target=(dataclasses.replace(sprite, faces=(face, face)), track))


def coverage_of_target(scene: Scene, difficulty: Difficulty = EASY) -> np.ndarray:
  """Measures what the target covers in each frame, [t, h, w] in [0, 1]: white against black."""
  white = shoot(plant(scene, (255, 255, 255)), difficulty).astype(np.float64)
  black = shoot(plant(scene, (0, 0, 0)), difficulty)
  return (white - black).mean(axis=-1) / 255


def extent_xywh(seen: np.ndarray) -> np.ndarray:
  """Bounding box of the true pixels of one frame, xywh."""
  y, x = np.nonzero(seen)
  return np.array([x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min()], np.float64)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  low = np.maximum(first[..., :2], second[..., :2])
  high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
  shared = np.prod(np.clip(high - low, 0, None), axis=-1)
  return shared / (first[..., 2:].prod(axis=-1) + second[..., 2:].prod(axis=-1) - shared)


def clip_to_image(boxes: np.ndarray) -> np.ndarray:
  low = np.clip(boxes[..., :2], 0, (WIDTH, HEIGHT))
  high = np.clip(boxes[..., :2] + boxes[..., 2:], 0, (WIDTH, HEIGHT))
  return np.concatenate([low, high - low], axis=-1)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_sequence_holds_uint8_frames_and_float32_boxes(level):
  sequence = render(3, Difficulty.graded(level))
  assert sequence.name == "x" and len(sequence) == FRAMES
  assert sequence.frames.shape == (FRAMES, HEIGHT, WIDTH, 3) and sequence.frames.dtype == np.uint8
  assert sequence.boxes_xywh.shape == (FRAMES, 4) and sequence.boxes_xywh.dtype == np.float32
  assert np.isfinite(sequence.boxes_xywh).all() and (sequence.boxes_xywh[:, 2:] > 2).all()


def test_the_same_seed_gives_the_same_pixels_and_another_seed_does_not():
  first, again, other = (render(seed, Difficulty.graded(0.7)) for seed in (5, 5, 6))
  np.testing.assert_array_equal(first.frames, again.frames)
  np.testing.assert_array_equal(first.boxes_xywh, again.boxes_xywh)
  assert np.mean(first.frames != other.frames) > 0.5


@pytest.mark.parametrize("size", [(1, 32, 32), (2, 32, 200), (3, 200, 40)])
def test_the_smallest_and_the_oddest_sizes_render(size):
  frames, height, width = size
  sequence = render_sequence(
    seed=0, name="x", frames=frames, height=height, width=width, difficulty=Difficulty.graded(1.0)
  )
  center = sequence.boxes_xywh[:, :2] + sequence.boxes_xywh[:, 2:] / 2
  assert sequence.frames.shape == (frames, height, width, 3)
  assert (center >= 0).all() and (center <= (width, height)).all()


@pytest.mark.parametrize("seed", range(8))
def test_masks_have_the_area_and_the_centre_of_their_outline(seed):
  parts = [part * (40, 30) for part in random_outline(np.random.default_rng(seed))]
  union = shapely.union_all([shapely.make_valid(shapely.Polygon(part)) for part in parts])
  coverage = np.asarray(draw_mask(parts, 50, 40), np.float64) / 255
  center = [
    (coverage.sum(axis=0) @ (np.arange(50) + 0.5)) / coverage.sum() - 25,
    (coverage.sum(axis=1) @ (np.arange(40) + 0.5)) / coverage.sum() - 20,
  ]
  # Corners are rounded to a quarter of a pixel, and Pillow fills every sample that an edge touches.
  np.testing.assert_allclose(center, [union.centroid.x, union.centroid.y], atol=0.15)
  assert coverage.sum() == pytest.approx(union.area, abs=0.125 * union.length)
  np.testing.assert_allclose(union.bounds, (-20, -15, 20, 15), atol=1e-9)


def test_a_planted_rectangle_is_drawn_at_its_box_to_a_tenth_of_a_pixel():
  outline = np.array([[-10, -6], [10, -6], [10, 6], [-10, 6]], np.float64)
  mask = Image.new("L", (36, 24))
  mask.paste(255, (3, 3, 33, 21))
  white = Image.new("RGB", mask.size, (255, 255, 255))
  track = Track(np.array([[31.3, 27.6]]), np.eye(2)[None] * 1.25, np.zeros(1))
  frame = Image.new("RGB", (64, 48))
  paste_sprite(frame, Sprite(outline, (white, white), mask), track, 0, np.zeros(2))
  coverage = np.asarray(frame)[..., 0] / 255
  x, y = np.arange(64) + 0.5, np.arange(48) + 0.5
  columns, rows = coverage.max(axis=0), coverage.max(axis=1)
  measured = np.array([columns @ x / columns.sum(), rows @ y / rows.sum(), columns.sum(), rows.sum()])
  (box,) = measure_boxes(outline, track)
  np.testing.assert_allclose(box, [18.8, 20.1, 25.0, 15.0], atol=1e-4)
  # Eight bits of coverage and of bilinear weights: well under a tenth of a pixel.
  np.testing.assert_allclose(measured, [31.3, 27.6, 25.0, 15.0], atol=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_bound_the_pixels_that_the_target_changes(seed):
  scene = scene_of(seed, Difficulty(scale=1.0, rotation=1.0, motion=0.5, clutter=0.5))
  boxes = clip_to_image(measure_boxes(scene.target[0].outline, scene.target[1]).astype(np.float64))
  for coverage, box in zip(coverage_of_target(scene), boxes, strict=True):
    seen = extent_xywh(coverage > 0.5)
    outside = max(*(box - seen)[:2], *(seen[:2] + seen[2:] - box[:2] - box[2:]))
    # A pixel half covered reaches half a pixel out; resampled and supersampled edges add a quarter.
    assert outside <= 0.75
    # Sharp corners are covered by less than half before they end, so the inside is looser.
    assert iou(seen, box) > 0.8


def test_smeared_targets_keep_the_centre_of_their_box():
  difficulty = Difficulty(blur=1.0, motion=1.0)
  scene = scene_of(1, difficulty)
  sharp, smeared = coverage_of_target(scene), coverage_of_target(scene, difficulty)
  assert np.abs(sharp - smeared).max() > 0.2
  grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
  for before, after in zip(sharp[2:-2], smeared[2:-2], strict=True):
    if min(before[0].max(), before[-1].max(), before[:, 0].max(), before[:, -1].max()) > 0:
      continue
    centers = [(grid * c[..., None]).sum(axis=(0, 1)) / c.sum() for c in (before, after)]
    assert np.hypot(*(centers[0] - centers[1])) < 1.0


@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_targets_stay_mostly_inside_the_image(level):
  for seed in range(4):
    scene = scene_of(seed, Difficulty.graded(level), frames=40)
    boxes = measure_boxes(scene.target[0].outline, scene.target[1])
    center = boxes[:, :2] + boxes[:, 2:] / 2
    assert (center > 0).all() and (center < (WIDTH, HEIGHT)).all()
    assert (clip_to_image(boxes)[:, 2:].prod(axis=1) > 0.6 * boxes[:, 2:].prod(axis=1)).all()


def test_standing_still_fails_over_25_frames_while_the_next_frame_is_in_reach():
  far, near = [], []
  for seed in range(8):
    scene = scene_of(seed, Difficulty.graded(0.5), frames=40)
    boxes = measure_boxes(scene.target[0].outline, scene.target[1])
    far.append(iou(boxes[:-25], boxes[25:]).mean())
    near.append(iou(boxes[:-1], boxes[1:]).mean())
  assert np.mean(far) < 0.25 and np.mean(near) > 0.45


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_changes_the_pixels(knob):
  changed = render(2, Difficulty(**{knob: 1.0})).frames != render(2, EASY).frames
  assert changed.any()


@pytest.mark.parametrize("knob", [k for k in KNOBS if k not in ("scale", "rotation", "motion")])
def test_knobs_of_appearance_leave_the_boxes_alone(knob):
  turned, easy = render(4, Difficulty(**{knob: 1.0}), frames=4), render(4, EASY, frames=4)
  np.testing.assert_array_equal(turned.boxes_xywh, easy.boxes_xywh)


def test_grading_turns_every_knob():
  assert Difficulty.graded(0.0) == EASY
  assert set(dataclasses.asdict(Difficulty.graded(0.3)).values()) == {0.3}


def test_occlusion_hides_pixels_of_the_target():
  hidden = []
  for seed in range(3):
    free = coverage_of_target(scene_of(seed, EASY, 40)).sum(axis=(1, 2))
    covered = coverage_of_target(scene_of(seed, Difficulty(occlusion=1.0), 40)).sum(axis=(1, 2))
    assert (covered <= free + 1e-6).all()
    hidden.append(1 - (covered / free).min())
  assert np.mean(hidden) > 0.5


def test_distractors_look_like_the_target_and_the_more_the_higher():
  def distance_of_doubles(distractors: float) -> float:
    distances = []
    for seed in range(8):
      scene = scene_of(seed, Difficulty(distractors=distractors))
      face = np.asarray(scene.target[0].faces[0], np.float64)
      for double, track in scene.below:
        np.testing.assert_array_equal(double.outline, scene.target[0].outline)
        assert not np.allclose(track.center_in_image, scene.target[1].center_in_image, atol=1.0)
        distances.append(np.abs(np.asarray(double.faces[0]) - face).mean())
    return np.mean(distances)

  assert len(scene_of(0, EASY).below) == 0 and len(scene_of(0, Difficulty(distractors=1.0)).below) == 4
  assert distance_of_doubles(1.0) < 20 < distance_of_doubles(0.3)


def test_texture_brings_the_target_into_the_colours_of_its_background():
  def contrast(texture: float) -> float:
    contrasts = []
    for seed in range(8):
      scene = scene_of(seed, Difficulty(texture=texture), frames=2)
      inside = coverage_of_target(scene) > 0.9
      pixels = shoot(scene).astype(np.float64)
      contrasts.append(np.abs(pixels[inside].mean(axis=0) - pixels[~inside].mean(axis=0)).mean())
    return np.mean(contrasts)

  assert contrast(1.0) < 0.6 * contrast(0.0)


def test_clutter_adds_edges_and_strangers():
  plain, cluttered = scene_of(0, EASY), scene_of(0, Difficulty(clutter=1.0))
  assert len(plain.below) == 0 and len(cluttered.below) == 3
  backdrops = [np.asarray(scene.backdrop, np.int16) for scene in (plain, cluttered)]
  assert np.mean(np.abs(backdrops[0] - backdrops[1]).max(axis=-1) > 10) > 0.1


def test_scale_changes_the_size_and_only_scale_and_rotation_do():
  still = render(7, Difficulty(motion=1.0, light=1.0), frames=40).boxes_xywh
  np.testing.assert_allclose(still[:, 2:], still[:1, 2:].repeat(40, axis=0), rtol=1e-4)
  scaled = render(7, Difficulty(scale=1.0), frames=40).boxes_xywh
  np.testing.assert_allclose(scaled[:, 2] / scaled[:, 3], still[0, 2] / still[0, 3], rtol=1e-4)
  assert 1.3 < scaled[:, 2].max() / scaled[:, 2].min() < np.exp(2 * 0.55)


def test_rotation_turns_and_shows_another_texture():
  scene = scene_of(7, Difficulty(rotation=1.0), frames=40)
  size = measure_boxes(scene.target[0].outline, scene.target[1])[:, 2:]
  assert np.ptp(size[:, 0] / size[:, 1]) > 0.1
  assert np.ptp(scene.target[1].morph) > 0.3
  faces = [np.asarray(face, np.int16) for face in scene.target[0].faces]
  assert np.abs(faces[0] - faces[1]).mean() > 3


def test_light_changes_the_brightness_over_time():
  scene = scene_of(0, EASY, 40)
  dark_to_bright = [np.ptp(shoot(scene, Difficulty(light=light)).mean(axis=(1, 2, 3))) for light in (0.0, 1.0)]
  assert dark_to_bright[1] > dark_to_bright[0] + 20


def test_blur_takes_detail_away():
  scene = scene_of(0, EASY, 40)
  detail = [
    np.abs(np.diff(shoot(scene, Difficulty(blur=blur)).astype(np.int16), axis=2)).mean(axis=(1, 2, 3))
    for blur in (0.0, 1.0)
  ]
  assert (detail[1] <= detail[0] + 0.1).all() and (detail[1] / detail[0]).min() < 0.75


def test_noise_has_the_promised_spread_and_is_new_in_every_frame():
  grey_scene = dataclasses.replace(
    scene_of(0, EASY), backdrop=Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), (128, 128, 128))
  )
  frames = shoot(plant(grey_scene, (128, 128, 128)), Difficulty(noise=0.5)).astype(np.float64)
  assert frames.std() == pytest.approx(8.0, rel=0.05)
  assert abs(np.corrcoef(frames[0].ravel(), frames[1].ravel())[0, 1]) < 0.05


def test_motion_sets_the_speed_relative_to_the_size():
  def speed(motion: float) -> float:
    speeds = []
    for seed in range(8):
      sprite, track = scene_of(seed, Difficulty(motion=motion), frames=40).target
      step = np.hypot(*np.diff(track.center_in_image, axis=0).T).mean()
      speeds.append(step / np.sqrt(np.prod(np.ptp(sprite.outline, axis=0))))
    return np.mean(speeds)

  # Reflections at the walls shorten a few steps, and 40 correlated steps leave some luck in the mean.
  assert speed(0.0) == pytest.approx(0.1, rel=0.25)
  assert speed(0.5) == pytest.approx(0.3, rel=0.25)


def test_some_cameras_move_and_some_stand_still():
  moving = [np.ptp(scene_of(seed, EASY).camera, axis=0).any() for seed in range(12)]
  assert 0 < sum(moving) < len(moving)


def test_cameras_stay_on_the_backdrop():
  for seed in range(8):
    scene = scene_of(seed, Difficulty(motion=1.0), frames=40)
    assert (scene.camera >= 0).all()
    assert (scene.camera <= np.subtract(scene.backdrop.size, (WIDTH, HEIGHT))).all()


def test_some_sequences_are_grey_and_most_are_not():
  split = render_split(split="train", sequences=24, seed=0, frames=1, height=32, width=32)
  frames = [sequence.frames for sequence in split]
  grey = [bool((f == f[..., :1]).all()) for f in frames]
  assert 0 < sum(grey) < 12


def small_split(split: str, sequences: int = 5, seed: int = 0):
  return render_split(split=split, sequences=sequences, seed=seed, frames=2, height=48, width=64)


def test_a_split_is_a_sequence_of_sequences_rendered_on_demand():
  split = small_split("dev", 3)
  assert len(split) == 3
  assert [sequence.name for sequence in split] == [f"rendered/dev-00{i}" for i in range(3)]
  np.testing.assert_array_equal(split[np.int64(1)].frames, split[1].frames)
  np.testing.assert_array_equal(split[-1].frames, split[2].frames)
  with pytest.raises(IndexError):
    split[3]


def test_asking_for_a_million_sequences_costs_nothing():
  assert len(small_split("train", 1_000_000)[999_999].frames) == 2


def test_no_two_sequences_of_any_split_seed_or_index_are_alike():
  firsts = [small_split(split, 2, seed)[i].frames for split in SPLITS for seed in range(2) for i in range(2)]
  for seed in range(2):
    single = render_sequence(
      seed=seed, name="x", frames=2, height=48, width=64, difficulty=Difficulty.graded(level_of(0))
    )
    firsts.append(single.frames)
  for i, first in enumerate(firsts):
    assert all(np.mean(first != other) > 0.3 for other in firsts[i + 1 :])


def test_a_longer_split_keeps_its_sequences():
  np.testing.assert_array_equal(small_split("test", 2)[1].frames, small_split("test", 9)[1].frames)


@pytest.mark.parametrize("sequences", [4, 10, 64])
def test_difficulties_are_spread_evenly(sequences):
  levels = np.sort([level_of(index) for index in range(sequences)])
  gaps = np.diff(np.concatenate([[0.0], levels, [1.0]]))
  assert levels[0] >= 0 and levels[-1] < 1 and gaps.max() < 2.5 / sequences


@pytest.mark.parametrize("value", [-0.1, 1.4, float("nan")])
def test_a_knob_outside_its_range_is_named(value):
  with pytest.raises(InputError, match=r"`difficulty.blur` \(=.*\) must lie in \[0, 1\]"):
    Difficulty(blur=value)
  with pytest.raises(InputError, match=r"`level` \(=.*\) must lie in \[0, 1\]"):
    Difficulty.graded(value)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"frames": 0}, {"height": 31}, {"width": 0}])
def test_a_wrong_size_or_seed_is_named(wrong):
  ((name, value),) = wrong.items()
  message = rf"^`{name}` \(={value}\) must be a whole number of at least \d+$"
  with pytest.raises(InputError, match=message):
    render_sequence(**{"seed": 0, "name": "x", "difficulty": EASY} | wrong)
  with pytest.raises(InputError, match=message):
    render_split(**{"split": "dev", "sequences": 1, "seed": 0} | wrong)


def test_an_unknown_or_an_empty_split_is_named():
  with pytest.raises(InputError, match=r"`split` \(='val'\) must be one of train, dev, test"):
    render_split(split="val", sequences=1, seed=0)
  with pytest.raises(InputError, match=r"`sequences` \(=0\) must be a whole number of at least 1"):
    render_split(split="dev", sequences=0, seed=0)


def test_the_hardest_level_is_where_every_knob_but_motion_ends():
  full, half = (render_split(split="dev", sequences=3, seed=1, frames=6, hardest=h) for h in (1.0, 0.0))
  for hard, easy in zip(full, half, strict=True):
    # Motion is graded alike and scale is not, so that the targets' centres at the start agree, their looks not.
    assert not np.array_equal(hard.frames, easy.frames)
    np.testing.assert_allclose(np.diff(easy.boxes_xywh[:, 2:], axis=0), 0, atol=1e-3)
    assert np.abs(np.diff(easy.boxes_xywh[:, :2], axis=0)).max() > 0.5
  with pytest.raises(InputError, match=r"`hardest` \(=1\.5\) must lie in \[0, 1\]"):
    render_split(split="dev", sequences=3, seed=1, hardest=1.5)
