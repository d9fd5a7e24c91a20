"""Mosaic models."""
