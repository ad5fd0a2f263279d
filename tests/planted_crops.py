"""Crops with a target planted at a known displacement."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import scipy.ndimage

MEAN_RGB = (123.68, 116.779, 103.939)
GROUND_STD = 20  # grey levels


def _ground(rng: np.random.Generator, px: int) -> np.ndarray:
  """A smooth texture, uint8 [px, px, 3]."""
  noise = scipy.ndimage.gaussian_filter(rng.standard_normal((px, px, 3)), (px / 32, px / 32, 0))
  return np.clip(MEAN_RGB + GROUND_STD * noise / noise.std(), 0, 255).astype(np.uint8)


def _template(rng: np.random.Generator, px: int) -> np.ndarray:
  """A target of 8 x 8 blocks of random colour in the middle of a ground, half as wide as it."""
  crop, side = _ground(rng, px), px // 2
  blocks = rng.integers(0, 256, (8, 8, 3), np.uint8)
  crop[side // 2 : side // 2 + side, side // 2 : side // 2 + side] = blocks.repeat(side // 8, 0).repeat(side // 8, 1)
  return crop


def _plant(
  template_px: int, displacements_px: Sequence[tuple[int, int]], *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
  rng = np.random.default_rng(seed)
  template = _template(rng, template_px)
  searches = []
  for displacement in displacements_px:
    search = _ground(rng, 2 * template_px)
    x, y = (template_px // 2 + d for d in displacement)
    search[y : y + template_px, x : x + template_px] = template
    searches.append(search)
  return template, np.stack(searches)


@pytest.fixture(scope="session")
def plant() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
  """plant(template_px, displacements_px, seed=0): a template crop, and search crops of twice its side.

  Each search crop is a new ground with the template's pixels displaced by (x, y) from its centre.
  """
  return _plant
