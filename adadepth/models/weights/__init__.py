"""Network weights come in (VGG-19 in every format it is published in) and go out (safetensors)."""

from adadepth.models.weights.download import download_vgg19
from adadepth.models.weights.trees import StoredTree, load_safetensors, save_safetensors
from adadepth.models.weights.vgg19 import load_vgg19

__all__ = [
  "StoredTree",
  "download_vgg19",
  "load_safetensors",
  "load_vgg19",
  "save_safetensors",
]
