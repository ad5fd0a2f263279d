"""Sequences come in. Readers, the renderer, TFDS builders, key/search pairs."""
