"""Reflections near the sphere of reflection, for plugins: which they are, and where they meet a detector.

`openbragg.Simulation.reflections` predicts those of an image with their photons; these are the parts that it is made
of, in plain arrays, for whoever asks other questions: what a page shows, which pixels a spot can reach.
"""

from __future__ import annotations

from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.faces import Face, face_of, place_rays
from openbragg.engine.reflections.rows import Region, reciprocal_of
from openbragg.engine.reflections.search import Found, crossing_reflections, near_reflections, near_region
from openbragg.engine.reflections.spacing import finest_spacing, reach
from openbragg.engine.reflections.sphere import Margin, crossing_angles, excitation, turned_about

__all__ = [
    "Camera",
    "Face",
    "Found",
    "Margin",
    "Region",
    "crossing_angles",
    "crossing_reflections",
    "excitation",
    "face_of",
    "finest_spacing",
    "near_reflections",
    "near_region",
    "place_rays",
    "reach",
    "reciprocal_of",
    "turned_about",
]
