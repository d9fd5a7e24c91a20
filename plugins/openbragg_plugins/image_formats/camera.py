"""A camera as headers describe it that know one upright detector across the beam."""

from __future__ import annotations

import math
from pathlib import Path

import attrs

from openbragg import Geometry, InputError, PanelGeometry

#: Farther, and a header does not mean what it says.
_LONGEST = 1e3
#: Beyond, a number of the geometry is none.
_LARGEST = 1e12
#: The laboratory of such headers: the beam along x, the detector's fast axis, and the spindle, along z.
_BEAM, _FAST = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


@attrs.frozen(kw_only=True)
class Camera:
    """What headers say; lengths in metres, angles in radians.

    Attributes
    ----------
    distance
        From the crystal to the detector's plane.
    beam_fast, beam_slow
        Where the beam meets the detector, from the outer corner of the first pixel.
    twotheta
        Swing of the detector about its fast axis.
    start, range
        Spindle angle at the start of the image, and how far it turns.
    exposure
        In seconds; None where the header does not say it.
    sensor_thickness, sensor_material
        Of the sensor, and its chemical formula; None and empty where nothing is said.
    saturation
        The largest count that can be trusted.
    """

    pixel_size: float
    distance: float
    wavelength: float
    beam_fast: float
    beam_slow: float
    twotheta: float = 0.0
    start: float = 0.0
    range: float = 0.0
    exposure: float | None = None
    sensor_thickness: float | None = None
    sensor_material: str = ""
    saturation: float | None = None


def upright_geometry(path: Path, camera: Camera, shape: tuple[int, ...]) -> Geometry | None:
    """The geometry of an image (slow, fast): fast to the right and slow down as seen along the beam, as MOSFLM has it.

    None where a length is 0, as in headers that nobody filled in, the beam does not meet the detector, or a number of
    the geometry is too large to be one.

    Raises
    ------
    InputError
        When a number is negative or beyond all reason.
    """
    for name in ("pixel_size", "distance", "wavelength"):
        value = getattr(camera, name)
        if value == 0.0:
            return None
        if not 0.0 < value < _LONGEST:
            raise InputError(f"{path}: expected a {name.replace('_', ' ')} above 0 in the header, got {value:g} m")
    angles = camera.twotheta, camera.start, camera.range
    if not all(map(math.isfinite, (*angles, camera.beam_fast, camera.beam_slow))):
        raise InputError(f"{path}: expected finite numbers for the camera in the header")
    slope, height = math.cos(camera.twotheta), math.sin(camera.twotheta)
    if slope <= 0.0 or not max(map(abs, (*angles, camera.beam_fast, camera.beam_slow))) < _LARGEST:
        return None
    slow = (0.0 - height, -slope, 0.0)
    # The beam meets a detector that is swung farther away than its plane is.
    x, y, z = (
        camera.distance / slope * beam - camera.beam_fast * one - camera.beam_slow * other
        for beam, one, other in zip(_BEAM, _FAST, slow, strict=True)
    )
    panel = PanelGeometry(
        name="",
        pixels=(shape[0], shape[1]),
        pixel_size=camera.pixel_size,
        origin=(x, y, z),
        fast=_FAST,
        slow=slow,
        slab=(0, 0),
    )
    return Geometry(
        source=f"the header of {path}",
        panels=(panel,),
        image=(shape[0], shape[1]),
        beam=_BEAM,
        wavelength=camera.wavelength,
        spindle=_FAST,
        start=camera.start,
        oscillation=camera.range,
        exposure=positive(camera.exposure),
        sensor_thickness=positive(camera.sensor_thickness),
        sensor_material=camera.sensor_material,
        saturation=positive(camera.saturation),
    )


def positive(value: float | None) -> float | None:
    """A number that can be a time or a length; None for what cannot, as where a header was not filled in."""
    return value if value is not None and 0.0 < value < _LARGEST and 1.0 / value < _LARGEST else None
