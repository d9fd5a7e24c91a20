"""Patterns of differences whose cause is known, one a file."""
