"""Detectors by name, one file a family."""
