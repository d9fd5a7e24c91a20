"""The sensor of a detector: layers that absorb photons at growing depth."""

from __future__ import annotations

from math import ceil, expm1
from typing import Any

import attrs

from openbragg.model.detector import Detector
from openbragg.model.scalars import Scalar, is_tensor, plain

#: Layers of a sensor whose number is not given.
_DEFAULT_LAYERS = 2
#: Attenuation lengths in a layer that counts photons at their mean depth, for rays along the normal. Of those at 40
#: degrees to it the mean depth is a hundredth off, with two layers or more.
_THICKEST = 0.35
#: Attenuation lengths beyond which a ten-thousandth of the photons is left; no layers are made for them.
_DEEPEST = 9.0


@attrs.frozen
class Sensor:
    """`layers` layers at depths ``i * step`` in metres, absorbing `absorption` per metre; a surface has no step.

    What they absorb they count `offset` metres below their front.
    """

    layers: int
    step: Scalar
    absorption: Scalar
    offset: Scalar = 0.0

    @property
    def absorbs(self) -> bool:
        """Whether the sensor is more than a surface."""
        return plain(self.step) > 0.0


SURFACE = Sensor(1, 0.0, 0.0)


def resolve_sensor(detector: Detector) -> Sensor:
    """The sensor of a detector's settings, its blanks filled in as by the reference program.

    A thickness without a number of layers makes two of half of it; n layers, at least two, are a (n - 1)th of it
    apart. An attenuation length that is not given is the thickness; one of 0 or ``inf`` makes the sensor a surface.

    One that counts photons at their mean depth has as many layers as make it right to a hundredth, of which that depth
    below the front is ``1/mu - step / (exp(mu step) - 1)``, whatever is above them.
    """
    thickness, length = detector.sensor_thickness, detector.attenuation_length
    surface = isinstance(length, str) or (length is not None and plain(length) == 0.0)
    if surface or not plain(thickness) > 0.0:
        return SURFACE
    absorption = 1.0 / (thickness if length is None or isinstance(length, str) else length)
    if detector.counts_at_mean_depth and not detector.sensor_layers:
        deep = min(plain(thickness) * plain(absorption), _DEEPEST)
        layers = max(_DEFAULT_LAYERS, ceil(deep / _THICKEST))
        whole = thickness if deep < _DEEPEST else _DEEPEST / absorption
        step = whole / layers
        return Sensor(layers, step, absorption, 1.0 / absorption - step / _grown(absorption * step))
    if not detector.sensor_layers:
        return Sensor(_DEFAULT_LAYERS, thickness / _DEFAULT_LAYERS, absorption)
    layers = max(_DEFAULT_LAYERS, detector.sensor_layers)
    return Sensor(layers, thickness / (layers - 1), absorption)


def _grown(value: Scalar) -> Scalar:
    """``exp(value) - 1``."""
    tensor: Any = value
    grown: Scalar = tensor.expm1() if is_tensor(value) else expm1(plain(value))
    return grown
