"""Lattice shapes, one a file."""
