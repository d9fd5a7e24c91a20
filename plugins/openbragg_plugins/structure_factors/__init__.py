"""Structure factors, one source a file."""
