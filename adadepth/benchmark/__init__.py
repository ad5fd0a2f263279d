"""How fast it is: what `configs/benchmark.py` runs, one module for each part."""
