"""Files come in and go out. Weights, checkpoints, metrics, images, video, drawings."""
