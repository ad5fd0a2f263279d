"""Measures and protocols: pairs and their responses, one pass over videos, costs, timing."""
