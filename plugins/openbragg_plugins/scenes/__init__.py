"""Scenes, one a module: which crystals are on a shot."""
