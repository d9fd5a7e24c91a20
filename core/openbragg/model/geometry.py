"""From a detector's settings to vectors in the laboratory."""

from __future__ import annotations

from typing import Any

import attrs
import torch

from openbragg.errors import InputError
from openbragg.model.detector import Detector
from openbragg.model.panel import Panel
from openbragg.model.reference_arithmetic import ReferencePlacement, reference_placement
from openbragg.model.scalars import Scalar
from openbragg.model.vectors import matrix, rotation_about, rotation_xyz, scalar, unit, vector

#: Unit vectors whose cross product is shorter than this are taken for parallel.
_PARALLEL = 1e-6
#: Pixels may be so many pixels off before it is worth a word.
_NOTICED = 0.01
#: Cosine of what is a right angle, but for rounding.
_RIGHT_ANGLE = 1e-12
#: What a pole of the beam's slope is replaced by, where the beam runs parallel to the detector.
_SMALLEST = 2.2250738585072014e-308


@attrs.frozen(kw_only=True)
class Axes:
    """Directions that a convention defines, with the detector unrotated; three numbers each, of any length."""

    beam: Any
    fast: Any
    slow: Any
    normal: Any
    twotheta: Any
    polarization: Any
    spindle: Any


@attrs.frozen(kw_only=True)
class PanelFrame:
    """One panel in the laboratory; float64 tensors of shape (3,), metres or without a unit.

    Attributes
    ----------
    origin
        From the crystal to the outer corner of the first pixel.
    fast, slow
        Directions of growing fast and slow index. A pixel's sides are the pixel size times these, which are mostly unit
        vectors at right angles, but need not be.
    normal
        Unit vector of growing distance, at right angles to the panel.
    """

    panel: Panel
    origin: torch.Tensor
    fast: torch.Tensor
    slow: torch.Tensor
    normal: torch.Tensor

    def close_distance(self) -> torch.Tensor:
        """Distance from the crystal to the panel's plane, in metres."""
        return self.origin @ self.normal

    def near_point(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Point of the plane nearest to the crystal, (fast, slow) in metres from the panel's first corner.

        Along axes that are not of unit length they are counted in pixels times the pixel size.
        """
        return self._along_axes(-self.origin)

    def beam_point(self, beam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where a beam of unit direction (3,) meets the plane, (fast, slow) as those of `near_point`."""
        slope = beam @ self.normal
        return self._along_axes(beam * (self.close_distance() / _safe(slope)) - self.origin)

    def pixel_sides(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Sides of a pixel along fast and slow, in metres."""
        size = scalar(self.panel.pixel_size)
        if not self.panel.is_oblique():
            return size, size
        return size * self.fast.norm(), size * self.slow.norm()

    def upright(self) -> tuple[PanelFrame, float]:
        """The panel as a file can say it that knows no oblique pixels, and how many pixels its corners are off.

        Its axes are at right angles, each turned by half of what they lack, and of the same lengths; its middle stays.
        """
        lengths = self.fast.norm(), self.slow.norm()
        fast, slow = self.fast / lengths[0], self.slow / lengths[1]
        if abs(float(fast @ slow)) < _RIGHT_ANGLE:
            return self, 0.0
        # The bisectors of two unit vectors are at right angles.
        between, across = unit(fast + slow), unit(fast - slow)
        fast, slow = (lengths[0] * unit(between + across), lengths[1] * unit(between - across))
        rows, columns = self.panel.pixels
        size = scalar(self.panel.pixel_size)
        middle = 0.5 * size * (columns * (self.fast - fast) + rows * (self.slow - slow))
        made = attrs.evolve(self, origin=self.origin + middle, fast=fast, slow=slow)
        # Opposite corners are as far off as each other, for the middle stays.
        ends = [0.5 * (columns * (self.fast - fast) + sign * rows * (self.slow - slow)) for sign in (-1.0, 1.0)]
        return made, max(float(end.detach().norm()) for end in ends)

    def _along_axes(self, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors of fast and slow that make a vector (3,), but for what it has along the normal."""
        fast, slow = vector @ self.fast, vector @ self.slow
        if not self.panel.is_oblique():
            return fast, slow
        square_fast, square_slow, product = self.fast @ self.fast, self.slow @ self.slow, self.fast @ self.slow
        area = square_fast * square_slow - product * product
        return (fast * square_slow - slow * product) / area, (slow * square_fast - fast * product) / area


@attrs.frozen(kw_only=True)
class Laboratory:
    """Everything a convention decides: the beam, its polarization, the spindle, and the panels.

    Attributes
    ----------
    beam, polarization, spindle
        Unit vectors, float64, shape (3,): the beam's direction, its electric vector, the crystal's rotation axis.
    panels
        One frame a panel.
    distance
        From the crystal to the detector along the beam before the two-theta swing, in metres, shape (): the close
        distance over the slope that the x, y and z rotations give, as image headers of the reference program have it.
    pivot
        What detector rotations kept in place: ``beam`` or ``sample``.
    beam_centre
        The beam centre in the convention's own sense (X, Y), in metres, as image headers give it.
    reference
        The same as the reference program's roundings leave it; None where nothing was placed by beam centre and
        distances.
    """

    beam: torch.Tensor
    polarization: torch.Tensor
    spindle: torch.Tensor
    panels: tuple[PanelFrame, ...]
    distance: torch.Tensor
    pivot: str
    beam_centre: tuple[torch.Tensor, torch.Tensor]
    reference: ReferencePlacement | None = None

    def oblique_pixels(self) -> str | None:
        """What a file takes wrongly that has the pixels of all panels rectangular (`PanelFrame.upright`), if anything.

        Words that go on after "the file cannot say".
        """
        worst = max(frame.upright()[1] for frame in self.panels)
        if not worst > _NOTICED:
            return None
        return f"that pixels are oblique: with right angles they are up to {worst:.2g} pixels off"


def place(
    detector: Detector,
    axes: Axes,
    *,
    pivot: str,
    beam_centre: tuple[Scalar, Scalar],
    beam_point: tuple[Scalar, Scalar],
    near_point: tuple[Scalar, Scalar] | None = None,
    first_corner: Any = None,
) -> Laboratory:
    """Place a detector in the laboratory.

    Parameters
    ----------
    detector
        The settings: distances, rotations, two-theta, panels.
    axes
        The convention's directions, before rotation. A normal that is not of unit length to the last bit gives way to
        fast x slow, as in the reference program.
    pivot
        ``beam``: rotations keep the spot where the beam meets the detector; ``sample``: they swing the whole
        detector about the crystal.
    beam_centre
        The convention's own beam centre, handed on to `Laboratory.beam_centre`; metres.
    beam_point, near_point
        Where the beam meets the unrotated detector, and its point nearest to the crystal: (fast, slow) in metres from
        the first corner. The near point defaults to `Detector.near_point_default`.
    first_corner
        From the crystal to the first corner of the unrotated detector, (3,) in metres. When given it decides the
        distance, the near point and the beam point, and the arguments above and the detector's distances are ignored.

    Returns
    -------
    Laboratory
        Source: nanoBragg.c, with its definition of the pivots and of the close distance.

    Raises
    ------
    InputError
        When two directions that span a plane are parallel.
    """
    beam = unit(vector(axes.beam))
    polarization = unit(vector(axes.polarization))
    if not bool(torch.linalg.cross(beam, polarization).detach().norm() > _PARALLEL):
        raise InputError("the polarization is along the beam: it must lie across it")
    fast, slow = unit(vector(axes.fast)), unit(vector(axes.slow))
    if not bool(torch.linalg.cross(fast, slow).detach().norm() > _PARALLEL):
        raise InputError("the detector's fast and slow axes are parallel")
    normal = vector(axes.normal)
    if bool(normal.norm() != 1.0):
        normal = torch.linalg.cross(fast, slow)
    normal = unit(normal)

    turn = rotation_xyz(detector.rotation)
    swing = rotation_about(unit(vector(axes.twotheta)), scalar(detector.twotheta)) @ turn
    slope = _safe(beam @ (turn @ normal))

    if first_corner is not None:
        corner = vector(first_corner)
        distance = (corner @ normal) / _safe(beam @ normal)
        spot = beam * distance - corner
        beam_fast, beam_slow = spot @ fast, spot @ slow
    else:
        if detector.close_distance is not None:
            close_distance = scalar(detector.close_distance)
        else:
            close_distance = (slope * scalar(detector.distance)).abs()
        distance = close_distance / slope
        near_fast, near_slow = (scalar(value) for value in near_point or detector.near_point_default())
        corner = -near_fast * fast - near_slow * slow + close_distance * normal
        beam_fast, beam_slow = (scalar(value) for value in beam_point)

    reference = None
    if first_corner is None:
        near = near_point or detector.near_point_default()
        reference = reference_placement(detector, axes, pivot, beam_point, near)

    turned_fast, turned_slow, turned_normal = swing @ fast, swing @ slow, swing @ normal
    if pivot == "sample":
        origin = swing @ corner
    else:
        origin = -beam_fast * turned_fast - beam_slow * turned_slow + distance * beam

    frame = torch.stack([turned_fast, turned_slow, turned_normal])
    close_distance = origin @ turned_normal
    return Laboratory(
        beam=beam,
        polarization=polarization,
        spindle=unit(vector(axes.spindle)),
        panels=tuple(_panel_frame(panel, origin, frame) for panel in detector.panels()),
        distance=close_distance / slope,
        pivot=pivot,
        beam_centre=(scalar(beam_centre[0]), scalar(beam_centre[1])),
        reference=reference,
    )


def _panel_frame(panel: Panel, origin: torch.Tensor, frame: torch.Tensor) -> PanelFrame:
    """A panel given in the detector's own axes; the rows of `frame` are those axes in the laboratory."""
    fast, slow, normal = (matrix(panel.axes) @ frame).unbind(0)
    return PanelFrame(panel=panel, origin=origin + vector(panel.offset) @ frame, fast=fast, slow=slow, normal=normal)


def _safe(slope: torch.Tensor) -> torch.Tensor:
    return torch.where(slope == 0.0, torch.full_like(slope, _SMALLEST), slope)
