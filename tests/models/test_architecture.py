"""The numbers derived from an architecture, and the message for each that makes no sense."""

import re

import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.models.architecture import Architecture

SMALL = {"plan": "small", "pools": 3}

# Invariants


@pytest.mark.parametrize("pools", [1, 2, 3, 4])
def test_every_depth_is_pooled_to_the_common_stride(pools):
  arch = Architecture(pools=pools)
  for depth in range(5):
    assert arch.blocks[depth].pool == (2 if depth < pools else 1)
    assert arch.block_stride_px(depth + 1) * arch.pool_to_response(depth) == arch.stride_px == 2**pools
    assert arch.template_cells * arch.stride_px == 128
    assert arch.search_cells * arch.stride_px == 256


def test_cells_are_even_so_that_an_unmoved_template_has_a_cell():
  for template_px in range(32, 256, 32):
    arch = Architecture(template_px=template_px)
    assert arch.template_cells % 2 == arch.search_cells % 2 == 0


def test_a_reader_and_a_template_may_change_after_training():
  assert Architecture(reader="box", template="ridge").trained == Architecture().trained
  for values in ({"width": 0.5}, {"template_px": 64}, {"search_px": 512}, {"pools": 3}, {"scaling": "none"}):
    assert Architecture(**values).trained != Architecture().trained


def test_the_small_plan_too_is_pooled_to_the_common_stride():
  arch = Architecture(**SMALL)
  for depth in range(5):
    assert arch.block_stride_px(depth + 1) * arch.pool_to_response(depth) == arch.stride_px == 8


def test_another_plan_is_another_training():
  assert Architecture(**SMALL).trained != Architecture(pools=3).trained
  assert Architecture(**SMALL, reader="box").trained == Architecture(**SMALL).trained


# Limits


def test_the_narrowest_network_keeps_a_channel():
  assert Architecture(width=1e-9).channels == (1, 1, 1, 1, 1)


# Oracles


def test_the_default_is_the_papers():
  arch = Architecture()
  assert arch.channels == (64, 128, 256, 512, 512)
  assert (arch.stride_px, arch.template_cells, arch.search_cells) == (16, 8, 16)
  assert [arch.block_stride_px(k) for k in range(5)] == [1, 2, 4, 8, 16]
  assert [arch.pool_to_response(k) for k in range(5)] == [8, 4, 2, 1, 1]
  assert (arch.scaling, arch.template, arch.reader) == ("min_max", "crop", "paper")


def test_the_small_plan_is_ten_convolutions_that_stride_early():
  arch = Architecture(**SMALL, template_px=64, search_px=160)
  assert arch.channels == (32, 64, 96, 128, 128)
  assert [block.convs for block in arch.blocks[:2]] == [((24, 2), (32, 2)), ((64, 2), (64, 1))]
  assert [(len(block.convs), block.stride) for block in arch.blocks] == [(2, 4), (2, 2), (2, 1), (2, 1), (2, 1)]
  assert (arch.stride_px, arch.template_cells, arch.search_cells) == (8, 8, 20)
  assert [arch.block_stride_px(k) for k in range(5)] == [1, 4, 8, 8, 8]
  assert [arch.pool_to_response(k) for k in range(5)] == [2, 1, 1, 1, 1]
  assert Architecture(**SMALL, width=0.25).channels == (8, 16, 24, 32, 32)


def test_width_scales_channels():
  assert Architecture(width=0.25).channels == (16, 32, 64, 128, 128)


# Errors


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"width": 0.0}, "`width` (=0.0) must lie in (0, 1]; the paper's is 1"),
    ({"width": 1.5}, "`width` (=1.5) must lie in (0, 1]; the paper's is 1"),
    ({"width": np.nan}, "`width` (=nan) must lie in (0, 1]; the paper's is 1"),
    ({"pools": 0}, "`pools` (=0) must be 1, 2, 3 or 4; the paper's is 4"),
    ({"pools": 5}, "`pools` (=5) must be 1, 2, 3 or 4; the paper's is 4"),
    ({"plan": "vgg16"}, "`plan` (='vgg16') must be one of vgg19, small"),
    ({"plan": "small"}, "`pools` (=4): 2**pools must be 8, the stride of the plan 'small'"),
    ({"scaling": "max"}, "`scaling` (='max') must be one of min_max, none"),
    ({"template": "mean"}, "`template` (='mean') must be one of crop, ridge"),
    ({"reader": "peak"}, "`reader` (='peak') must be one of paper, box"),
    (
      {"template_px": 100},
      "`template_px` (=100) must be a positive multiple of 32, twice the stride 2**pools",
    ),
    (
      {"template_px": 0},
      "`template_px` (=0) must be a positive multiple of 32, twice the stride 2**pools",
    ),
    (
      {"search_px": 250, "pools": 3},
      "`search_px` (=250) must be a positive multiple of 16, twice the stride 2**pools",
    ),
    ({"search_px": 128}, "`search_px` (=128) must exceed `template_px` (=128)"),
  ],
)
def test_what_makes_no_sense_is_refused_with_its_value_and_the_cure(values, message):
  with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
    Architecture(**values)
