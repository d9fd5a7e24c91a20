"""Compiled code for a plan's sum: made, kept between runs, and called."""
