"""Layer 2: what is learned. Flax modules that hold parameters and apply them, nothing else."""
