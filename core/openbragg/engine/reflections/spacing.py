"""How far a detector reaches in reciprocal space."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch

from openbragg.engine.reflections.faces import face_of
from openbragg.engine.sources import make_sources
from openbragg.model import Experiment
from openbragg.model.geometry import Laboratory
from openbragg.model.scalars import plain
from openbragg.roles import Spectrum

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: Below this no scattering vector is told from 0.
_SMALLEST = 1e-300


def reach(experiment: Experiment, laboratory: Laboratory, spectrum: Spectrum) -> float:
    """The smallest d spacing that any pixel of any panel sees, in metres.

    From every source at its own wavelength; a limit on the resolution that the user sets (``-dmin``) counts too. The
    panels' masks and the rendered region do not.
    """
    sources = make_sources(experiment.beam, laboratory, spectrum, image=experiment.scan.image)
    incident, wavelengths = (part.detach().numpy() for part in (sources.incident, sources.wavelengths))
    finest = np.inf
    with torch.no_grad():
        for frame in laboratory.panels:
            places = face_of(frame).points()
            if experiment.detector.curved:
                places = _curved(torch.as_tensor(places), laboratory).detach().numpy()
            finest = min(finest, finest_spacing(places, incident / wavelengths[:, None]))
    return max(finest, plain(experiment.sampling.resolution_limit))


def finest_spacing(places: Array, incident: Array) -> float:
    """The smallest d spacing that is seen at places, in metres.

    Parameters
    ----------
    places
        From the crystal, (places, 3).
    incident
        Along beams, of length 1/wavelength, (beams, 3), 1/metres.
    """
    # A panel may go through the crystal itself.
    directions = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), _SMALLEST)
    largest = max(float(np.linalg.norm(directions * np.linalg.norm(beam) - beam, axis=1).max()) for beam in incident)
    return 1.0 / max(largest, _SMALLEST)


def _curved(places: torch.Tensor, laboratory: Laboratory) -> torch.Tensor:
    """The same on a sphere about the crystal: the way from the beam's spot along the panel becomes an arc."""
    spot = laboratory.beam * laboratory.distance
    off = places - spot
    arc = off.norm(dim=1, keepdim=True)
    along = off / arc.clamp(min=_SMALLEST)
    angle = arc / laboratory.distance
    turned: torch.Tensor = spot * angle.cos() + along * (laboratory.distance * angle.sin())
    return turned
