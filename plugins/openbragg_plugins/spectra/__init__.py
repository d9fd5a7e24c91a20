"""Spectra of the beam."""
