"""Layer 4: sequences come in. Readers, the renderer, TFDS builders, key/search pairs."""
