"""Layer 4: files come in and go out. Weights, checkpoints, metrics, images, video, drawings."""
