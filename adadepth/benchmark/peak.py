"""How much of the machine xcorr5 uses: its FLOP/s over those of a large matrix product in the same run."""

import jax
import jax.numpy as jnp
import numpy as np

from adadepth.benchmark.many_targets import batch_clock
from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.models.architecture import DEPTHS
from adadepth.models.flops import block_flops, correlation_flops
from adadepth.tracking.tracker import Tracker

DTYPES = {"cpu": jnp.float32}
SIZES = {"cpu": 2048}
GPU_SIZE = 8192


def matmul_clock(size: int, dtype) -> tuple[Clock, float]:
  """One product of two square matrices, and its FLOPs."""
  a = jnp.ones((size, size), dtype)
  product = jax.jit(lambda a, b: a @ b)
  return clock(lambda: product(a, a)), 2.0 * size**3


def search_flops(subject: Subject) -> float:
  """Of one tracking step of xcorr5, by theory (2 per multiply-add): the key's features are kept."""
  arch = subject.model.arch
  return sum(block_flops(arch, k, arch.search_px**2) for k in range(DEPTHS)) + correlation_flops(arch, DEPTHS - 1)


def measure_peak(subject: Subject) -> list[dict]:
  """The direct convolution's FLOPs are counted, whichever way they are computed: Winograd's share may exceed 1."""
  on, n = subject.backend, max(subject.settings.targets)
  dtype = DTYPES.get(on, jnp.bfloat16)
  product, product_flops = matmul_clock(SIZES.get(on, GPU_SIZE), dtype)
  clocks = {"matmul": product, "xcorr5": batch_clock(Tracker(subject.model, "xcorr5"), subject, n)}
  seconds = alternate(clocks, **subject.limits(), title="peak")
  peak, ours = product_flops / seconds["matmul"], n * search_flops(subject) / seconds["xcorr5"]
  kind = np.dtype(dtype).name
  return [
    row(f"{on}_peak_share", f"xcorr5, {n} targets: FLOP/s over the {kind} matrix product's", ours / peak, "ratio"),
    row("flops_matmul", f"{kind} matrix product", peak / 1e9, "GFLOP/s"),
    row("flops_xcorr5", f"xcorr5, {n} targets, frame to box", ours / 1e9, "GFLOP/s"),
  ]
