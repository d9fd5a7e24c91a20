"""What is simulated: beam, crystal, detector, scan and sampling, in SI units and radians."""

from openbragg.model.beam import Beam
from openbragg.model.crystal import Crystal
from openbragg.model.described import Geometry, PanelGeometry, described_panel, unit_vector
from openbragg.model.detector import Detector
from openbragg.model.experiment import Experiment
from openbragg.model.panel import Panel
from openbragg.model.sampling import Sampling
from openbragg.model.scan import Scan

__all__ = [
    "Beam",
    "Crystal",
    "Detector",
    "Experiment",
    "Geometry",
    "Panel",
    "PanelGeometry",
    "Sampling",
    "Scan",
    "described_panel",
    "unit_vector",
]
