"""The command ``refine``: from pixels to parameters."""
