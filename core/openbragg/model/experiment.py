"""The whole experiment."""

from __future__ import annotations

import attrs

from openbragg.model.beam import Beam
from openbragg.model.crystal import Crystal
from openbragg.model.detector import Detector
from openbragg.model.sampling import Sampling
from openbragg.model.scan import Scan


@attrs.frozen(kw_only=True)
class Experiment:
    """What is simulated, apart from the choices that are plugins.

    Attributes
    ----------
    crystal
        The cell, its orientation, how many cells there are, and the mosaic spread.
    beam
        Wavelengths, directions, fluence and polarization.
    detector
        What the convention turns into panels in the laboratory.
    scan
        The rotation during the exposure.
    sampling
        How finely pixels are sampled, and which.
    """

    crystal: Crystal
    beam: Beam = attrs.field(factory=Beam)
    detector: Detector = attrs.field(factory=Detector)
    scan: Scan = attrs.field(factory=Scan)
    sampling: Sampling = attrs.field(factory=Sampling)
