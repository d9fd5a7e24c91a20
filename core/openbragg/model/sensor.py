"""The sensor of a detector: layers that absorb photons at growing depth."""

from __future__ import annotations

import attrs

from openbragg.model.detector import Detector
from openbragg.model.scalars import Scalar, plain

#: Layers of a sensor whose number is not given.
_DEFAULT_LAYERS = 2


@attrs.frozen
class Sensor:
    """`layers` layers at depths ``i * step`` in metres, absorbing `absorption` per metre; a surface has no step."""

    layers: int
    step: Scalar
    absorption: Scalar

    @property
    def absorbs(self) -> bool:
        """Whether the sensor is more than a surface."""
        return plain(self.step) > 0.0


SURFACE = Sensor(1, 0.0, 0.0)


def resolve_sensor(detector: Detector) -> Sensor:
    """The sensor of a detector's settings, its blanks filled in as by the reference program.

    A thickness without a number of layers makes two of half of it; n layers, at least two, are a (n - 1)th of it
    apart. An attenuation length that is not given is the thickness; one of 0 or ``inf`` makes the sensor a surface.
    """
    thickness, length = detector.sensor_thickness, detector.attenuation_length
    surface = isinstance(length, str) or (length is not None and plain(length) == 0.0)
    if surface or not plain(thickness) > 0.0:
        return SURFACE
    absorption = 1.0 / (thickness if length is None or isinstance(length, str) else length)
    if not detector.sensor_layers:
        return Sensor(_DEFAULT_LAYERS, thickness / _DEFAULT_LAYERS, absorption)
    layers = max(_DEFAULT_LAYERS, detector.sensor_layers)
    return Sensor(layers, thickness / (layers - 1), absorption)
