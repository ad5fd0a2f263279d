"""Rendered tracking video: exact boxes, graded difficulty, one seed."""

from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.rendering import render_sequence
from adadepth.data.render.sides import SPLITS, RenderedSplit, render_split

__all__ = ["SPLITS", "Difficulty", "RenderedSplit", "render_sequence", "render_split"]
