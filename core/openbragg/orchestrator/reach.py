"""How far a detector reaches in reciprocal space."""

from __future__ import annotations

import torch

from openbragg.engine.sources import make_sources
from openbragg.model import Experiment
from openbragg.model.geometry import Laboratory, PanelFrame
from openbragg.model.scalars import plain

#: A panel is looked at in so many points along each side, its corners among them.
_POINTS = 33
#: Below this no scattering vector is told from 0.
_SMALLEST = 1e-300


def reach(experiment: Experiment, laboratory: Laboratory) -> float:
    """The smallest d spacing that any pixel of any panel sees, in metres.

    From every source at its own wavelength; a limit on the resolution that the user sets (``-dmin``) counts too. The
    panels' masks and the rendered region do not.
    """
    sources = make_sources(experiment.beam, laboratory)
    largest = 0.0
    with torch.no_grad():
        for frame in laboratory.panels:
            places = _places(frame)
            if experiment.detector.curved:
                places = _curved(places, frame, laboratory)
            directions = places / places.norm(dim=1, keepdim=True)
            for incident, wavelength in zip(sources.incident, sources.wavelengths, strict=True):
                vectors = (directions - incident) / wavelength
                largest = max(largest, float(vectors.norm(dim=1).max()))
    return max(1.0 / max(largest, _SMALLEST), plain(experiment.sampling.resolution_limit))


def _places(frame: PanelFrame) -> torch.Tensor:
    """Points of a panel in the laboratory, (points, 3), metres."""
    slow, fast = frame.panel.pixels
    size = plain(frame.panel.pixel_size)
    steps = torch.linspace(0.0, 1.0, _POINTS, dtype=torch.float64)
    along_slow = (steps * (slow * size)).reshape(-1, 1, 1)
    along_fast = (steps * (fast * size)).reshape(1, -1, 1)
    return (frame.origin + along_slow * frame.slow + along_fast * frame.fast).reshape(-1, 3)


def _curved(places: torch.Tensor, frame: PanelFrame, laboratory: Laboratory) -> torch.Tensor:
    """The same on a sphere about the crystal: the way from the beam's spot along the panel becomes an arc."""
    spot = laboratory.beam * laboratory.distance
    off = places - spot
    arc = off.norm(dim=1, keepdim=True)
    along = off / arc.clamp(min=_SMALLEST)
    angle = arc / laboratory.distance
    turned: torch.Tensor = spot * angle.cos() + along * (laboratory.distance * angle.sin())
    return turned
