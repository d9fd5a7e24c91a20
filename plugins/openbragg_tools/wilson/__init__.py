"""The command ``wilson``."""
