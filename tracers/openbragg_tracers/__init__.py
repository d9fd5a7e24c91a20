"""Tracers, one a file; files of what they say of pixels, two such files compared, and what explains a difference."""
