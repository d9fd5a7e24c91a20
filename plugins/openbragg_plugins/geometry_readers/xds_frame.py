"""What XDS.INP and XPARM.XDS have in common: the geometry in XDS' own terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import attrs

from openbragg import Geometry, InputError, PanelGeometry, described_panel, unit, unit_vector
from openbragg_plugins.geometry_readers.vectors import Vector, combined, cross, reciprocal

#: XDS counts pixels from 1: this is the coordinate of the first pixel's outer corner.
_FIRST_CORNER = 0.5
_ANGSTROM, _MM = unit("A").to_si, unit("mm").to_si


@attrs.frozen(kw_only=True)
class Segment:
    """A flat part of an XDS detector; lengths in mm, pixels counted from 1.

    Attributes
    ----------
    limits
        First and last pixel along x, then along y, both included.
    x, y
        Its axes in the detector's own ones.
    org
        Its origin (x, y) in pixels of the image.
    distance
        Along its normal, from the detector's origin.
    """

    limits: tuple[int, int, int, int]
    x: Vector = (1.0, 0.0, 0.0)
    y: Vector = (0.0, 1.0, 0.0)
    org: tuple[float, float] = (0.0, 0.0)
    distance: float = 0.0


@attrs.frozen(kw_only=True)
class XdsDetector:
    """An XDS detector; lengths in mm.

    Attributes
    ----------
    counts
        NX, NY.
    sides
        QX, QY.
    distance, org
        DETECTOR_DISTANCE, and ORGX and ORGY in pixels.
    x, y
        The detector's axes in the laboratory.
    segments
        Its parts; none for a detector of one.
    """

    counts: tuple[int, int]
    sides: tuple[float, float]
    distance: float
    org: tuple[float, float]
    x: Vector
    y: Vector
    segments: tuple[Segment, ...] = ()

    def panels(self, where: str) -> tuple[PanelGeometry, ...]:
        """The segments as panels.

        Pixel x, y of a segment lies at ``(x - org) side`` along its own axes and `distance` along their normal, in the
        detector's axes; the detector's origin is `org` and `distance` from the crystal. Both origins are coordinates in
        which the middle of the first pixel is 1.
        """
        x = unit_vector(where, self.x, "the detector's x axis")
        y = unit_vector(where, self.y, "the detector's y axis")
        frame = (x, y, cross(x, y))
        segments = self.segments or (Segment(limits=(1, self.counts[0], 1, self.counts[1])),)
        return tuple(self._panel(where, number, segment, frame) for number, segment in enumerate(segments, start=1))

    def _panel(self, where: str, number: int, segment: Segment, frame: tuple[Vector, Vector, Vector]) -> PanelGeometry:
        first_x, last_x, first_y, last_y = segment.limits
        if not (1 <= first_x <= last_x <= self.counts[0] and 1 <= first_y <= last_y <= self.counts[1]):
            limits = " ".join(map(str, segment.limits))
            raise InputError(f"{where}: segment {number}: expected pixels of {self.counts} (NX, NY), got {limits}")
        what = f"the axes of segment {number}"
        x, y = (unit_vector(where, axis, what) for axis in (segment.x, segment.y))
        qx, qy = (_MM(side) for side in self.sides)
        here = combined(
            ((first_x - _FIRST_CORNER - segment.org[0]) * qx, x),
            ((first_y - _FIRST_CORNER - segment.org[1]) * qy, y),
            (_MM(segment.distance), cross(x, y)),
            (-self.org[0] * qx, (1.0, 0.0, 0.0)),
            (-self.org[1] * qy, (0.0, 1.0, 0.0)),
            (_MM(self.distance), (0.0, 0.0, 1.0)),
        )
        return described_panel(
            where,
            name=f"segment {number}" if self.segments else "detector",
            pixels=(last_y - first_y + 1, last_x - first_x + 1),
            sides=(qy, qx),
            origin=_in_laboratory(here, frame),
            fast=_in_laboratory(x, frame),
            slow=_in_laboratory(y, frame),
            slab=(first_y - 1, first_x - 1),
        )


def reciprocal_axes(path: Path, axes: Sequence[Sequence[float]]) -> tuple[Vector, Vector, Vector]:
    """Rows a*, b*, c* in 1/metres of rows a, b, c in angstroms.

    Raises
    ------
    InputError
        When they have no volume.
    """
    metres = [[_ANGSTROM(value) for value in axis] for axis in axes]
    found = reciprocal(metres)
    if found is None or not all(math.isfinite(value) for row in found for value in row):
        raise InputError(f"{path}: the axes of the unit cell lie in one plane")
    return found


def space_group(number: int | None) -> str:
    """The name of a space group by its number in the International Tables; empty where there is none."""
    if number is None:
        return ""
    import gemmi

    found = gemmi.find_spacegroup_by_number(number)
    return found.xhm() if found is not None else ""


def described_by_xds(
    path: Path,
    detector: XdsDetector,
    *,
    beam: Sequence[float],
    spindle: Sequence[float],
    wavelength: float,
    start: float,
    oscillation: float,
    **more: object,
) -> Geometry:
    """A geometry from XDS' numbers: wavelength in angstroms or 0, start and oscillation in degrees; `more` in SI.

    Raises
    ------
    InputError
        When there is no such geometry.
    """
    return Geometry(
        source=str(path),
        panels=detector.panels(str(path)),
        image=(detector.counts[1], detector.counts[0]),
        beam=unit_vector(str(path), beam, "the direction of the beam"),
        spindle=unit_vector(str(path), spindle, "the rotation axis"),
        wavelength=_ANGSTROM(wavelength) if wavelength != 0.0 else None,
        start=math.radians(start),
        oscillation=math.radians(oscillation),
        **more,  # type: ignore[arg-type]
    )


def _in_laboratory(vector: Vector, frame: tuple[Vector, Vector, Vector]) -> Vector:
    return combined(*zip(vector, frame, strict=True))
