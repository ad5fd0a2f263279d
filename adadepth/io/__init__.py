"""Files come in and go out: images, video, checkpoints, metrics, JSON, records of runs; and settings of the process."""
