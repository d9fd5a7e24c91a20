"""The command ``detectors``."""
