"""Records of runs, and runs from records."""
