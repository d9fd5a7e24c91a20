"""Tracers: records of one pixel's calculation, one a file."""
