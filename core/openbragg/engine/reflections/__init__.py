"""Reflections near the sphere of reflection: which they are, and where on a detector."""
