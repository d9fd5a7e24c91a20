"""The command ``cache``."""
