"""Formats that the library fabio reads."""
