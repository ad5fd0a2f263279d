"""Layer 1: pure maths. No parameters, no files, no state."""
