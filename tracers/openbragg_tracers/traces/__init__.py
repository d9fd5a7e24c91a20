"""Traces of pixels as numbers in files, from this program or another: read, written, compared."""
