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
    """What is simulated, apart from the choices that are plugins."""

    crystal: Crystal
    beam: Beam = attrs.field(factory=Beam)
    detector: Detector = attrs.field(factory=Detector)
    scan: Scan = attrs.field(factory=Scan)
    sampling: Sampling = attrs.field(factory=Sampling)
