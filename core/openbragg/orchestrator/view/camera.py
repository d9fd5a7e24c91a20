"""A camera as the headers of SMV, miniCBF and TIFF images describe it: one upright detector across the beam."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError
from openbragg.model import Detector
from openbragg.orchestrator.registry import default_registry
from openbragg.orchestrator.view.geometry import Geometry, all_finite, geometry_of

#: What an image of the reference program calls its beamline; its BEAM_CENTER_X is in the convention's own sense.
_REFERENCE = "fake"
#: Farther, and a header does not mean what it says.
_LONGEST = 1e3


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
    """

    pixel_size: float
    distance: float
    wavelength: float
    beam_fast: float
    beam_slow: float
    twotheta: float = 0.0
    start: float = 0.0
    range: float = 0.0


def upright_geometry(path: Path, camera: Camera, shape: tuple[int, int]) -> Geometry | None:
    """The geometry of an image (slow, fast), as the project's MOSFLM convention places such a detector.

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
    if not all(map(math.isfinite, attrs.astuple(camera))):
        raise InputError(f"{path}: expected finite numbers for the camera in the header")
    slope = math.cos(camera.twotheta)
    if slope <= 0.0:
        return None
    half = camera.pixel_size / 2.0
    # The beam meets a detector that is swung farther away than its plane is.
    detector = Detector(
        pixels=shape,
        pixel_size=camera.pixel_size,
        distance=camera.distance / slope,
        beam_centre=(camera.beam_slow - half, camera.beam_fast - half),
        twotheta=camera.twotheta,
    )
    convention = default_registry().get("geometry_conventions", "mosflm").cls()
    laboratory = convention.place(detector)
    geometry = geometry_of(
        laboratory,
        wavelength=camera.wavelength,
        start=camera.start,
        range_=camera.range,
        source="the image's header",
    )
    return geometry if all_finite(geometry) else None


def smv_camera(path: Path, header: dict[str, str]) -> Camera | None:
    """What an SMV header says; None where it does not say where the detector stands.

    Raises
    ------
    InputError
        When a key has no number.
    """
    keys = ("DENZO_Y_BEAM", "DENZO_X_BEAM") if header.get("BEAMLINE") == _REFERENCE else ()
    if not all(key in header for key in keys) or not keys:
        keys = ("BEAM_CENTER_Y", "BEAM_CENTER_X")
    needed = ("PIXEL_SIZE", "DISTANCE", "WAVELENGTH", *keys)
    if not all(key in header for key in needed):
        return None
    pixel, distance, wavelength, fast, slow = (_number(path, header, key) for key in needed)
    start = "OSC_START" if "OSC_START" in header else "PHI"
    angles = {name: _number(path, header, name) if name in header else 0.0 for name in ("TWOTHETA", start, "OSC_RANGE")}
    return Camera(
        pixel_size=pixel * 1e-3,
        distance=distance * 1e-3,
        wavelength=wavelength * 1e-10,
        beam_fast=fast * 1e-3,
        beam_slow=slow * 1e-3,
        twotheta=math.radians(angles["TWOTHETA"]),
        start=math.radians(angles[start]),
        range=math.radians(angles["OSC_RANGE"]),
    )


def tiff_camera(description: str) -> Camera | None:
    """What the description of a TIFF of this program says; None where it is another's."""
    try:
        said: Any = json.loads(description)
        return Camera(
            pixel_size=float(said["pixel_size_mm"]) * 1e-3,
            distance=float(said["distance_mm"]) * 1e-3,
            wavelength=float(said["wavelength_A"]) * 1e-10,
            beam_fast=float(said["beam_fast_px"]) * float(said["pixel_size_mm"]) * 1e-3,
            beam_slow=float(said["beam_slow_px"]) * float(said["pixel_size_mm"]) * 1e-3,
            twotheta=math.radians(float(said.get("twotheta_deg", 0.0))),
            start=math.radians(float(said.get("start_deg", 0.0))),
            range=math.radians(float(said.get("range_deg", 0.0))),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _number(path: Path, header: dict[str, str], key: str) -> float:
    try:
        value = float(header[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: expected a number for {key} in the header, got {header[key][:40]!r}")
    return value
