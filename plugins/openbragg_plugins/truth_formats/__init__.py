"""Files of what is known of a run, one a module."""
