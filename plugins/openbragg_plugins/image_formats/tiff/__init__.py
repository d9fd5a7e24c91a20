"""TIFF, which every program for images reads."""
