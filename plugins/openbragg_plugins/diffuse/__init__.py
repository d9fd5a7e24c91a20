"""Diffuse scattering."""
