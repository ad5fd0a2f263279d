"""Sequences come in. Layouts on disk, the renderer, TFDS builders, key/search pairs."""
