"""Image formats, one a file."""
