"""Files that are written, and what is said of a run."""
