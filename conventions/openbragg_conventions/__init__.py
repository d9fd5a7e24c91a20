"""Geometry conventions that come with OpenBragg, one a file."""
