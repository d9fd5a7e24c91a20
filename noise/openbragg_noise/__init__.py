"""Noise models that come with OpenBragg, one a file."""
