"""Backgrounds that come with OpenBragg, one a file."""
