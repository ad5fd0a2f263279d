"""Smooth random curves over time: where things are and how they are turned."""

import numpy as np


def smooth_curve(rng: np.random.Generator, frames: int, channels: int = 1) -> np.ndarray:
  """Returns sums of three slow sinusoids, [frames, channels] in [-1, 1]; periods are 20 to 90 frames."""
  period = rng.uniform(20, 90, (3, channels))
  weight = rng.uniform(0.3, 1.0, (3, channels))
  phase = rng.uniform(0, 2 * np.pi, (3, channels))
  time = np.arange(frames)[:, None, None]
  waves = weight * np.sin(2 * np.pi * time / period + phase)
  return waves.sum(axis=1) / weight.sum(axis=0)


def wander(rng: np.random.Generator, frames: int, step_px: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
  """Returns a path that keeps its velocity for a while and bounces off the walls of [low, high].

  Args:
    rng: consumed.
    frames: number of points.
    step_px: mean distance between neighbouring points.
    low: [2], px.
    high: [2], px; high >= low.
  Returns:
    Points (x, y), [frames, 2], px.
  """
  keep = 0.9
  velocity = np.empty((frames, 2))
  kicks = rng.normal(0, 1, (frames, 2))
  velocity[0] = kicks[0]
  for t in range(1, frames):
    velocity[t] = keep * velocity[t - 1] + np.sqrt(1 - keep**2) * kicks[t]
  # The length of a 2-D standard normal has mean sqrt(pi / 2).
  steps = velocity * step_px / np.sqrt(np.pi / 2)
  return fold(rng.uniform(low, high) + np.cumsum(steps, axis=0), low, high)


def fold(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
  """Reflects points into [low, high], as light between two mirrors."""
  span = np.maximum(high - low, 1e-6)
  return low + span - np.abs((points - low) % (2 * span) - span)


def turns(angle: np.ndarray, zoom: np.ndarray, squeeze: np.ndarray) -> np.ndarray:
  """Returns the matrices rotate(angle) @ diag(squeeze, 1) * zoom, [frames, 2, 2], for vectors (x, y).

  Args:
    angle: radians, [frames].
    zoom: factor, [frames].
    squeeze: factor along the object's own x axis, [frames].
  """
  cos, sin = np.cos(angle), np.sin(angle)
  rotation = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
  stretch = np.stack([squeeze * zoom, zoom], axis=-1)
  return rotation * stretch[:, None, :]
