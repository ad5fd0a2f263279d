"""TrackingNet: `TRAIN_0/frames/<name>/0.jpg ...` and `TRAIN_0/anno/<name>.txt`, to TRAIN_11; or one of these folders.

A line is x, y, w, h, from 0: the boxes are YouTube-BB's fractions of the image. The test side has the first box alone,
and is scored by the benchmark's server: it cannot be read here.
"""

import numpy as np

from adadepth.data.layouts.ground_truth import Layout, one_target

TRACKINGNET = Layout(
  name="trackingnet",
  sign="frames/<name>/0.jpg and anno/<name>.txt",
  targets=lambda folder: (
    one_target(folder.parent.parent / "anno" / f"{folder.name}.txt") if folder.parent.name == "frames" else {}
  ),
  boxes={4: lambda rectangle: rectangle.astype(np.float32)},
  first_image=0,
  below=("frames/*", "TRAIN_*/frames/*"),
)
