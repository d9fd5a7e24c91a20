"""The header that MarCCD and Rayonix detectors put into their TIFFs: whole numbers at fixed places."""

from __future__ import annotations

import math
import struct

import attrs

from openbragg_plugins.image_formats.camera import Camera

#: Where the header begins in the file, and where its name stands in it.
_BEGIN, _NAME = 1024, slice(4, 7)
_NAMES = (b"MMX", b"MAR")
#: Where numbers stand in the header: thousandths of a millimetre, a pixel, a second and a degree, then nanometres and
#: femtometres. Source: Mar's frame header, in its C declaration.
_SATURATED = 104
_DISTANCE, _BEAM_X, _BEAM_Y, _EXPOSURE = 640, 644, 648, 656
_TWOTHETA, _RANGE = 668, 736
#: Of phi and of omega, at the start and at the end.
_AXES = ((684, 716), (672, 704))
_PIXEL_SIZE, _WAVELENGTH = 772, 908


@attrs.frozen(kw_only=True)
class MarCcd:
    """The camera, None where its header was not filled in, and from which value on a pixel is overloaded."""

    camera: Camera | None
    overload: float | None


def marccd_header(beginning: bytes) -> MarCcd | None:
    """The header in the first 4096 bytes of a TIFF; None where there is none."""
    header = beginning[_BEGIN:]
    if header[_NAME] not in _NAMES or len(header) < _WAVELENGTH + 4:
        return None
    whole = struct.Struct(">i" if beginning.startswith(b"MM") else "<i")

    def number(place: int) -> int:
        found: int = whole.unpack_from(header, place)[0]
        return found

    saturated = number(_SATURATED)
    lengths = [number(place) for place in (_PIXEL_SIZE, _DISTANCE, _WAVELENGTH)]
    overload = float(saturated) if saturated > 0 else None
    if min(lengths) <= 0:
        return MarCcd(camera=None, overload=overload)
    pixel, distance, wavelength = lengths[0] * 1e-9, lengths[1] * 1e-6, lengths[2] * 1e-15
    angles = [(number(begin), number(end)) for begin, end in _AXES]
    start, end = next((pair for pair in angles if pair[0] != pair[1]), angles[0])
    exposure = number(_EXPOSURE)
    camera = Camera(
        pixel_size=pixel,
        distance=distance,
        wavelength=wavelength,
        beam_fast=number(_BEAM_X) * 1e-3 * pixel,
        beam_slow=number(_BEAM_Y) * 1e-3 * pixel,
        twotheta=math.radians(number(_TWOTHETA) * 1e-3),
        start=math.radians(start * 1e-3),
        range=math.radians((number(_RANGE) or end - start) * 1e-3),
        exposure=exposure * 1e-3 if exposure > 0 else None,
        saturation=overload,
    )
    return MarCcd(camera=camera, overload=overload)
