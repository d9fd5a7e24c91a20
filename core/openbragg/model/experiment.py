"""The whole experiment."""

from __future__ import annotations

import attrs

from openbragg.model.absorption import absorbing_material
from openbragg.model.beam import Beam
from openbragg.model.crystal import Crystal
from openbragg.model.detector import Detector
from openbragg.model.sampling import Sampling
from openbragg.model.scalars import plain
from openbragg.model.scan import Scan
from openbragg.model.sensor import resolve_sensor


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

    def sensor_attenuation(self) -> float | None:
        """Depth in metres at which the sensor has absorbed all but 1/e of a beam; None of a surface."""
        sensor = resolve_sensor(self.detector)
        return 1.0 / plain(sensor.absorption) if sensor.absorbs else None

    def sensor_material(self) -> str:
        """Chemical formula of the sensor: as it is said, or what absorbs as it does; empty where nothing is known."""
        length = self.sensor_attenuation()
        if self.detector.sensor_material or length is None:
            return self.detector.sensor_material
        return absorbing_material(length, plain(self.beam.wavelength))
