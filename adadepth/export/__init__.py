"""A tracker as one file, ONNX or StableHLO, and a runtime for it that needs no JAX."""
