"""Surfaces: palettes, 1/f noise, leaves, stripes; what backgrounds and targets are painted with."""

import numpy as np
from PIL import Image, ImageDraw

from adadepth.data.render.shapes import random_outline

# Grey levels between the mean colours of target and background that leave the hardest target trackable.
VISIBLE_LEVELS = 30.0


def random_color(rng: np.random.Generator, chroma: float) -> np.ndarray:
  """Returns one RGB colour, float64 [3] in about 30..225: a grey plus a tint of std `chroma`."""
  tint = rng.normal(0.0, chroma, 3)
  return np.clip(rng.uniform(50, 205) + tint - tint.mean(), 20, 235)


def contrasting_color(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
  """Returns the one of five random colours that lies farthest from `color`, [3]."""
  candidates = np.stack([random_color(rng, 40.0) for _ in range(5)])
  return candidates[np.argmax(np.abs(candidates - color).sum(axis=1))]


def hide_color(bold: np.ndarray, background: np.ndarray, texture: float) -> np.ndarray:
  """Moves a colour by up to 0.8 of the way into the background, but no closer than VISIBLE_LEVELS."""
  contrast = np.abs(bold - background).mean()
  share = max(1.0 - 0.8 * texture, min(1.0, VISIBLE_LEVELS / (contrast + 1e-6)))
  return background + share * (bold - background)


def random_palette(rng: np.random.Generator, center: np.ndarray, spread: float) -> np.ndarray:
  """Returns eight colours around `center`, [8, 3]: they differ in lightness more than in tint."""
  lightness = rng.normal(0.0, spread, (8, 1))
  tint = rng.uniform(0.05, 0.5) * spread
  return np.clip(center + lightness + rng.normal(0.0, tint, (8, 3)), 5, 250)


def power_law_noise(rng: np.random.Generator, height: int, width: int, exponent: float) -> np.ndarray:
  """Returns noise of amplitude spectrum 1 / f^exponent, float32 [height, width], mean 0, std 1.

  Natural images have an exponent near 1; higher is smoother.
  """
  fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
  frequency = np.hypot(fy, fx).astype(np.float32)
  frequency[0, 0] = np.inf
  phases = np.exp(1j * rng.uniform(0, 2 * np.pi, frequency.shape).astype(np.float32))
  noise = np.fft.irfft2(phases * frequency**-exponent, s=(height, width)).astype(np.float32)
  return (noise - noise.mean()) / (noise.std() + 1e-9)


def gratings(rng: np.random.Generator, height: int, width: int, period_px: float) -> np.ndarray:
  """Returns stripes or a check of about `period_px`, soft or hard edged, float32 [height, width]."""
  y, x = np.mgrid[:height, :width].astype(np.float32)
  angle = rng.uniform(0, np.pi)
  u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
  wave = np.sin(2 * np.pi * u / period_px + rng.uniform(0, 6))
  if rng.random() < 0.4:
    wave = wave * np.sin(2 * np.pi * v / (period_px * rng.uniform(0.7, 2)))
  return np.clip(wave * rng.choice([1.0, 3.0, 8.0]), -1, 1)


def scatter_leaves(image: Image.Image, rng: np.random.Generator, palette: np.ndarray, count: int) -> None:
  """Draws `count` flat shapes of power-law sizes into `image`: the dead-leaves model of natural images."""
  draw = ImageDraw.Draw(image)
  extent = min(image.size)
  for _ in range(count):
    size = extent * np.clip(0.05 / rng.uniform(0.1, 1.0) ** 0.9, 0.03, 0.5) * rng.uniform(0.6, 1.4, 2)
    center = rng.uniform(0, 1, 2) * image.size
    color = palette[rng.integers(len(palette))] + rng.normal(0, 8)
    points = random_outline(rng)[0] * size + center
    draw.polygon([tuple(p) for p in points], fill=tuple(int(c) for c in np.clip(color, 0, 255)))


def paint_surface(
  rng: np.random.Generator, height: int, width: int, palette: np.ndarray, leaves: int, contrast: float
) -> Image.Image:
  """Paints one textured surface.

  A base colour, leaves, a linear gradient, 1/f noise in lightness and in tint, and at times a grating.

  Args:
    rng: consumed.
    height: px.
    width: px.
    palette: RGB, [n, 3].
    leaves: number of flat shapes.
    contrast: amplitude of noise and grating; 1 is usual.
  Returns:
    An RGB image of width x height.
  """
  image = Image.new("RGB", (width, height), tuple(int(c) for c in palette[0]))
  scatter_leaves(image, rng, palette, leaves)
  surface = np.asarray(image, np.float32)
  exponent = rng.uniform(0.8, 1.6)
  light = rng.uniform(4, 28) * power_law_noise(rng, height, width, exponent)
  light += rng.uniform(0, 40) * ramp(rng, height, width)
  if rng.random() < 0.3:
    period_px = min(height, width) * rng.uniform(0.06, 0.5)
    light += rng.uniform(8, 40) * gratings(rng, height, width, period_px)
  tint = rng.normal(0, 6, 3).astype(np.float32) * power_law_noise(rng, height, width, 1.3)[..., None]
  surface = surface + contrast * (light[..., None] + tint)
  return Image.fromarray(np.clip(surface, 0, 255).astype(np.uint8))


def ramp(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Returns a linear gradient of random direction, float32 [height, width] in [-1, 1]."""
  angle = rng.uniform(0, 2 * np.pi)
  y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
  return ((x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2)).astype(np.float32)


def region_mask(rng: np.random.Generator, height: int, width: int) -> Image.Image:
  """Returns where one surface of two lies: a horizon, or islands with a ragged shore; "L", width x height."""
  ragged = power_law_noise(rng, height, width, rng.uniform(1.7, 2.5))
  bend = rng.choice([0.03, 0.3, 3.0])
  relief = ramp(rng, height, width) + rng.normal(0, 0.25) + bend * ragged
  sharpness = rng.choice([2.0, 20.0, 60.0])
  return Image.fromarray(np.clip(128 + 127 * sharpness * relief, 0, 255).astype(np.uint8))
