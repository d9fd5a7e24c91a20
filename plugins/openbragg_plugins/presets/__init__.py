"""Presets: settings of kinds of experiments, a file each."""
