"""Blanks filled in, what was chosen said, and what the reference program would have done otherwise."""
