"""Readers of geometry, one kind of file a module."""
