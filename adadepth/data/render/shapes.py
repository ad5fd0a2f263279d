"""Outlines: the exact polygons that masks are drawn from and boxes are measured on."""

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 4


def superellipse(rng: np.random.Generator) -> np.ndarray:
  """Returns |x|^p + |y|^p = 1 for a random p, from a diamond over an ellipse to a rectangle, [n, 2]."""
  angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
  power = 2.0 / rng.choice([1.2, 2.0, 2.0, 3.0, 8.0])
  cos, sin = np.cos(angle), np.sin(angle)
  return np.stack([np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power], axis=1)


def blob(rng: np.random.Generator) -> np.ndarray:
  """Returns a smooth star-shaped outline of random harmonics, [n, 2]."""
  angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
  order = np.arange(2, 6)[:, None]
  waves = rng.normal(0, 0.28, (4, 1)) / order * np.cos(order * angle + rng.uniform(0, 6, (4, 1)))
  radius = np.clip(1.0 + 1.6 * waves.sum(axis=0), 0.3, None)
  return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def polygon(rng: np.random.Generator) -> np.ndarray:
  """Returns three to nine corners around the centre, [n, 2]."""
  corners = rng.integers(3, 10)
  angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners + rng.uniform(0, 6)
  return rng.uniform(0.55, 1.0, (corners, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def random_outline(rng: np.random.Generator) -> list[np.ndarray]:
  """Returns one simple outline, or a body with one to three parts on its rim.

  Returns:
    Polygons [n, 2], the body first; together they span [-0.5, 0.5] on both axes.
  """
  kinds = (superellipse, superellipse, blob, polygon)
  parts = [kinds[rng.integers(len(kinds))](rng)]
  if rng.random() < 0.4:
    for _ in range(rng.integers(1, 4)):
      center = parts[0][rng.integers(len(parts[0]))]
      parts.append(center + rng.uniform(0.25, 0.6, 2) * kinds[rng.integers(len(kinds))](rng))
  points = np.concatenate(parts)
  low, high = points.min(axis=0), points.max(axis=0)
  return [(part - (low + high) / 2) / (high - low) for part in parts]


def draw_mask(outline: list[np.ndarray], width: int, height: int) -> Image.Image:
  """Rasterises the union of polygons with soft edges.

  Args:
    outline: polygons [n, 2] in px, with the origin at the centre of the mask.
    width: px.
    height: px.
  Returns:
    Coverage 0..255, an "L" image of width x height.
  """
  mask = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
  draw = ImageDraw.Draw(mask)
  for part in outline:
    # Pillow's corners are pixel centres (ours less a half) and it truncates them (rounding adds a half).
    corners = (part + np.array([width, height]) / 2) * SUPERSAMPLING
    draw.polygon([tuple(corner) for corner in corners], fill=255)
  return mask.reduce(SUPERSAMPLING)
