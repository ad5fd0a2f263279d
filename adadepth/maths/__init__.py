"""Pure maths of arrays and numbers. No parameters, no files, no state."""
