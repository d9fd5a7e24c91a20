"""Where an image was recorded, as plain numbers: what a page needs to find d and h k l of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg.reflections import Face, finest_spacing, place_rays

if TYPE_CHECKING:
    from openbragg import Laboratory

Vector = NDArray[np.float64]


@attrs.frozen(kw_only=True, eq=False)
class PlacedPanel:
    """A panel in the laboratory.

    Attributes
    ----------
    origin
        From the crystal to the outer corner of the first pixel, (3,), metres.
    fast, slow
        A pixel's sides over its size, (3,); not always of unit length or at right angles.
    pixel_size
        Side of a pixel in metres.
    pixels
        Number of pixels (slow, fast).
    first
        Where its first pixel lies in the image, (slow, fast).
    """

    origin: Vector
    fast: Vector
    slow: Vector
    pixel_size: float
    pixels: tuple[int, int]
    first: tuple[int, int] = (0, 0)


@attrs.frozen(kw_only=True, eq=False)
class Geometry:
    """Beam, panels and spindle of one image; metres and radians.

    Attributes
    ----------
    beam, spindle
        Unit vectors, (3,).
    start, range
        Spindle angle at the start of the image, and how far it turns.
    cell
        Real-space vectors a, b, c as rows, with the spindle at 0, (3, 3); None where no crystal is known.
    source
        Words that say where all this is from.
    """

    wavelength: float
    beam: Vector
    spindle: Vector
    panels: tuple[PlacedPanel, ...]
    start: float = 0.0
    range: float = 0.0
    cell: NDArray[np.float64] | None = None
    source: str

    def faces(self) -> tuple[Face, ...]:
        """The panels, for `openbragg.engine.reflections`."""
        return tuple(
            Face(
                origin=panel.origin,
                fast=panel.fast,
                slow=panel.slow,
                normal=np.cross(panel.fast, panel.slow),
                pixel_size=panel.pixel_size,
                pixels=panel.pixels,
            )
            for panel in self.panels
        )


def geometry_of(
    laboratory: Laboratory, *, wavelength: float, start: float, range_: float, source: str, cell: Any = None
) -> Geometry:
    """The geometry of a laboratory as a convention places it."""
    return Geometry(
        wavelength=wavelength,
        beam=_numbers(laboratory.beam),
        spindle=_numbers(laboratory.spindle),
        panels=tuple(
            PlacedPanel(
                origin=_numbers(frame.origin),
                fast=_numbers(frame.fast),
                slow=_numbers(frame.slow),
                pixel_size=float(frame.panel.pixel_size),
                pixels=frame.panel.pixels,
                first=frame.panel.slab or (0, 0),
            )
            for frame in laboratory.panels
        ),
        start=start,
        range=range_,
        cell=None if cell is None else _numbers(cell),
        source=source,
    )


def on_detector(geometry: Geometry, directions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where rays from the crystal along directions (rays, 3) meet a panel.

    Returns
    -------
    Places (fast, slow) in the image, in pixels from the outer corner of the first, each (rays,); NaN for rays that meet
    no panel.
    """
    numbers, places = place_rays(geometry.faces(), directions)
    first = np.array([panel.first for panel in geometry.panels])[numbers]
    return places[:, 0] + first[:, 1], places[:, 1] + first[:, 0]


def all_finite(geometry: Geometry) -> bool:
    """Whether every number of a geometry is one."""
    panels = [(*panel.origin, *panel.fast, *panel.slow, panel.pixel_size) for panel in geometry.panels]
    alone = geometry.wavelength, geometry.start, geometry.range, *geometry.beam, *geometry.spindle
    cell = () if geometry.cell is None else tuple(geometry.cell.ravel())
    return all(bool(np.isfinite(numbers).all()) for numbers in (alone, cell, *panels))


def finest_resolution(geometry: Geometry) -> float:
    """The smallest d spacing on a panel, in metres."""
    incident = geometry.beam[np.newaxis] / geometry.wavelength
    return min((finest_spacing(face.points(), incident) for face in geometry.faces()), default=np.inf)


def _numbers(tensor: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.array(tensor.tolist(), dtype=np.float64)
    return found
