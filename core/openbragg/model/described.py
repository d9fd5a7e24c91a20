"""What a file of geometry says: panels, beam, goniometer, scan and crystal, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from openbragg.errors import InputError, shown
from openbragg.model.panel import MOST_PIXELS

Vector3: TypeAlias = tuple[float, float, float]
#: First and last pixel along fast, then along slow, both included, counted from 0.
Rectangle: TypeAlias = tuple[int, int, int, int]

#: Axes of a panel may be this much longer, shorter or more oblique than unit vectors at right angles: rounded, or
#: refined one by one.
_SKEW = 0.02
#: Axes that are taken as they are written may be this much longer or shorter than unit vectors, and this flat (sine).
_STRETCHED, _FLAT = 100.0, 0.01
#: Sides of a pixel are taken for equal when they differ by less than this part.
_SQUARE = 1e-6
#: More panels than any detector has.
MOST_PANELS = 4096
#: Unit vectors at right angles are off by less.
_ROUNDING = 1e-12
#: No length in metres, and no wavelength, comes near this, or its inverse.
_LARGEST = 1e12
#: A beam is no spindle, and no axis of a plane, when the sine between two directions is below this.
_PARALLEL = 1e-6


@attrs.frozen(kw_only=True)
class PanelGeometry:
    """A flat panel of equal pixels in the laboratory; `described_panel` makes one of what a file says.

    Attributes
    ----------
    name
        What the file calls it.
    pixels
        Number of pixels (slow, fast).
    pixel_size
        Side of a pixel in metres, where the axes are of unit length.
    origin
        From the crystal to the outer corner of the first pixel, in metres.
    fast, slow
        Vectors of growing fast and slow index: a pixel's sides over its size. Unit vectors at right angles for square
        pixels; they may be of any length, and oblique.
    slab
        Where its first pixel (slow, fast) lies in the image's array; None where the file does not say.
    """

    name: str
    pixels: tuple[int, int]
    pixel_size: float
    origin: Vector3
    fast: Vector3
    slow: Vector3
    slab: tuple[int, int] | None = None

    def axes(self) -> tuple[Vector3, Vector3, Vector3]:
        """Unit vectors at right angles: along fast, in the panel's plane near to slow, and along its normal."""
        fast, slow = self.fast, self.slow
        if self.is_oblique():
            length = math.hypot(*fast)
            fast = (fast[0] / length, fast[1] / length, fast[2] / length)
            along = _dot(fast, slow)
            across = [there - along * here for here, there in zip(fast, slow, strict=True)]
            length = math.hypot(*across)
            slow = (across[0] / length, across[1] / length, across[2] / length)
        return fast, slow, _cross(fast, slow)

    def is_oblique(self) -> bool:
        """Whether fast and slow are other than unit vectors at right angles, but for rounding."""
        lengths = math.hypot(*self.fast), math.hypot(*self.slow)
        return max(*(abs(length - 1.0) for length in lengths), abs(_dot(self.fast, self.slow))) > _ROUNDING

    def position(self, fast: float, slow: float) -> Vector3:
        """The point, in metres from the crystal, so many pixels from the first corner; the first pixel's middle is at
        0.5, 0.5.
        """
        steps = (fast * self.pixel_size, slow * self.pixel_size)
        x, y, z = (
            corner + steps[0] * along_fast + steps[1] * along_slow
            for corner, along_fast, along_slow in zip(self.origin, self.fast, self.slow, strict=True)
        )
        return x, y, z


@attrs.frozen(kw_only=True)
class Geometry:
    """What a file says of an experiment, in SI units and radians; None for what it does not say.

    All vectors are in one laboratory frame, that of the file, with the crystal in its origin.

    Attributes
    ----------
    source
        What messages call the file.
    panels
        The panels; none of a file that only has a unit cell.
    image
        Pixels (slow, fast) of the image's array; None for what the panels take.
    gaps
        Rectangles of the image's array in which there are no pixels, or none to be trusted.
    beam
        Direction in which the beam travels, a unit vector.
    wavelength
        In metres.
    wavelength_note
        What is to be said where no other wavelength is given: how this one was chosen, or why there is none.
    polarization_normal
        Normal of the plane of polarization, a unit vector.
    polarization_fraction
        The part of the intensity that is polarized in that plane: 0.5 is unpolarized.
    spindle
        Axis of the right-handed rotation of the crystal, a unit vector.
    start, oscillation
        Rotation at the start of the first image, and within each, in radians.
    images
        Number of images.
    exposure
        Of an image, in seconds.
    reciprocal_vectors
        Rows a*, b*, c* with the spindle at 0, in 1/metres.
    cell
        a, b, c in metres and alpha, beta, gamma in radians, of a file that does not say how the crystal is oriented.
    space_group
        Its name; empty for what has none.
    sensor_thickness, attenuation_length
        Of the sensor, in metres.
    sensor_material
        Its chemical formula; empty for what has none.
    saturation
        The largest count that can be trusted.
    still
        Name of the file of the one image that it is of, absolute or from the file's folder on; empty where there are
        none or several.
    still_place
        Which image of that file, from 0; None where the file does not say, as of one that has no others.
    notices
        What the user should know.
    """

    source: str
    panels: tuple[PanelGeometry, ...]
    beam: Vector3
    image: tuple[int, int] | None = None
    gaps: tuple[Rectangle, ...] = ()
    wavelength: float | None = None
    wavelength_note: str = ""
    polarization_normal: Vector3 | None = None
    polarization_fraction: float | None = None
    spindle: Vector3 | None = None
    start: float | None = None
    oscillation: float | None = None
    images: int | None = None
    exposure: float | None = None
    reciprocal_vectors: tuple[Vector3, Vector3, Vector3] | None = None
    cell: tuple[float, ...] | None = None
    space_group: str = ""
    sensor_thickness: float | None = None
    sensor_material: str = ""
    attenuation_length: float | None = None
    saturation: float | None = None
    still: str = ""
    still_place: int | None = None
    notices: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if not (self.panels or self.cell):
            raise InputError(f"{self.source}: there is no panel")
        if len(self.panels) > MOST_PANELS:
            raise InputError(f"{self.source}: {len(self.panels)} panels, {MOST_PANELS} can be read")
        slow, fast = self.image or (1, 1)
        pixels = sum(panel.pixels[0] * panel.pixels[1] for panel in self.panels)
        if (self.panels and not 0 < max(pixels, slow * fast) <= MOST_PIXELS) or min(slow, fast) < 1:
            raise InputError(f"{self.source}: {max(pixels, slow * fast)} pixels, {MOST_PIXELS} can be rendered")
        for name, least in (("wavelength", 0.0), ("exposure", 0.0), ("attenuation_length", 0.0)):
            value = getattr(self, name)
            if value is not None and not (least < value < _LARGEST and value > 1.0 / _LARGEST**2):
                raise InputError(f"{self.source}: expected a number above 0 for the {name.replace('_', ' ')}")
        for name in ("start", "oscillation", "sensor_thickness", "saturation"):
            value = getattr(self, name)
            if value is not None and not abs(value) < _LARGEST:
                raise InputError(f"{self.source}: expected a finite number for the {name.replace('_', ' ')}")
        if self.sensor_thickness is not None and self.sensor_thickness < 0.0:
            raise InputError(f"{self.source}: the sensor's thickness is negative")
        if self.polarization_fraction is not None and not 0.0 <= self.polarization_fraction <= 1.0:
            raise InputError(f"{self.source}: expected a fraction of polarization from 0 to 1")
        if self.polarization_normal is not None and not _sine(self.polarization_normal, self.beam) > _PARALLEL:
            raise InputError(f"{self.source}: the normal of the plane of polarization is along the beam")


def described_panel(
    where: str,
    *,
    name: str,
    pixels: tuple[int, int],
    sides: tuple[float, float],
    origin: Sequence[float],
    fast: Sequence[float],
    slow: Sequence[float],
    slab: tuple[int, int] | None = None,
    as_written: bool = False,
) -> PanelGeometry:
    """A panel of what a file says of it.

    Parameters
    ----------
    where
        The file, for messages.
    name, pixels, origin, slab
        As in `PanelGeometry`.
    sides
        Of a pixel, along slow and fast, in metres.
    fast, slow
        The panel's axes, of unit length and at right angles but for rounding; made so exactly, and as long as the sides
        are.
    as_written
        Whether the axes are what they are written as instead: times the sides they are a pixel's edges.

    Raises
    ------
    InputError
        When there is no such panel; the message begins with `where` and has the panel's name.
    """
    panel = f"{where}: panel {shown(name)}"
    if min(pixels) < 1 or pixels[0] * pixels[1] > MOST_PIXELS:
        raise InputError(f"{panel}: expected 1 to {MOST_PIXELS} pixels, got {pixels[1]} x {pixels[0]} (fast x slow)")
    if slab is not None and not all(0 <= first < MOST_PIXELS for first in slab):
        raise InputError(f"{panel}: its first pixel is at {slab[1]}, {slab[0]} of the image (fast, slow)")
    if not all(1.0 / _LARGEST < side < 1.0 for side in sides):
        raise InputError(f"{panel}: expected pixels with sides above 0, got {sides[1] * 1e3:g} x {sides[0] * 1e3:g} mm")
    if not all(abs(value) < _LARGEST for value in origin):
        raise InputError(f"{panel}: expected three finite numbers for its first corner")
    along_fast, along_slow = _as_written(panel, fast, slow) if as_written else _upright(panel, fast, slow)
    if abs(sides[0] - sides[1]) > _SQUARE * sides[0]:
        x, y, z = (sides[0] / sides[1] * value for value in along_slow)
        along_slow = (x, y, z)
    return PanelGeometry(
        name=name,
        pixels=pixels,
        pixel_size=sides[1],
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        fast=along_fast,
        slow=along_slow,
        slab=slab,
    )


def _upright(panel: str, fast: Sequence[float], slow: Sequence[float]) -> tuple[Vector3, Vector3]:
    """The axes of a panel as unit vectors at right angles, which they are but for rounding."""
    one, other = (unit_vector(panel, axis, "its axes", within=_SKEW) for axis in (fast, slow))
    cosine = _dot(one, other)
    if not abs(cosine) < _SKEW:
        raise InputError(f"{panel}: its fast and slow axes are not at right angles")
    return one, unit_vector(panel, [there - cosine * here for here, there in zip(one, other, strict=True)], "its axes")


def _as_written(panel: str, fast: Sequence[float], slow: Sequence[float]) -> tuple[Vector3, Vector3]:
    """The axes of a panel themselves, where they span a plane and are not absurdly long."""
    found: list[Vector3] = []
    for axis in (fast, slow):
        x, y, z = axis
        if not 1.0 / _STRETCHED < math.hypot(x, y, z) < _STRETCHED:
            raise InputError(f"{panel}: expected axes about as long as a pixel, got {x:g} {y:g} {z:g}")
        found.append((float(x), float(y), float(z)))
    if not _sine(*found) > _FLAT * math.hypot(*found[0]) * math.hypot(*found[1]):
        raise InputError(f"{panel}: its fast and slow axes are parallel")
    return found[0], found[1]


def unit_vector(where: str, values: Sequence[float], what: str, *, within: float | None = None) -> Vector3:
    """The unit vector along three numbers of a file.

    Raises
    ------
    InputError
        When they are no direction, or of a length that differs from 1 by more than `within`.
    """
    if len(values) == 3 and all(abs(value) < _LARGEST for value in values):
        length = math.hypot(*values)
        if length > 1.0 / _LARGEST and (within is None or abs(length - 1.0) < within):
            return values[0] / length, values[1] / length, values[2] / length
    expected = "a direction" if within is None else "a unit vector"
    raise InputError(f"{where}: expected {expected} for {what}, got {' '.join(f'{value:g}' for value in values)}")


def _dot(one: Vector3, other: Vector3) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _cross(one: Vector3, other: Vector3) -> Vector3:
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


def _sine(one: Vector3, other: Vector3) -> float:
    return math.hypot(*_cross(one, other))
