"""Which reflections an image shows, and where: those that cross the sphere of reflection while it is exposed."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg.reflections import (
    Camera,
    Found,
    Margin,
    crossing_angles,
    crossing_reflections,
    near_reflections,
    near_region,
    turned_about,
)
from openbragg_tools.view.geometry import Geometry, finest_resolution, on_detector

#: Rows of the reciprocal lattice, or points of it, that are looked at; beyond, the resolution is cut.
_MOST_CANDIDATES = 1 << 23
#: The resolution is cut by no less than this factor at a time.
_STEP = 1.01
#: Spots that a page holds.
_MOST_SPOTS = 1 << 18
_TURN = 2.0 * np.pi


@attrs.frozen(kw_only=True, eq=False)
class Spots:
    """Predicted spots of an image.

    Attributes
    ----------
    indices
        h, k, l, (spots, 3), int16.
    fast, slow
        Where each lies, in pixels from the outer corner of the first, (spots,).
    phi
        The spindle angle at which it shines, in radians, (spots,).
    crosses
        Whether it crosses the sphere during the exposure; the others shine at the edge of it, for a crystal of mosaic
        domains and of finite size, and a beam of finite width, (spots,).
    amplitudes
        |F| in electrons, (spots,); None where the structure factors are not known.
    notice
        A line for the user where not all could be predicted, else empty.
    """

    indices: NDArray[np.int16]
    fast: NDArray[np.float64]
    slow: NDArray[np.float64]
    phi: NDArray[np.float64]
    crosses: NDArray[np.bool_]
    amplitudes: NDArray[np.float64] | None = None
    notice: str = ""

    def with_amplitudes(self, amplitudes: NDArray[np.float64]) -> Spots:
        """Those of the spots whose amplitude, (spots,), is not 0."""
        kept = amplitudes != 0.0
        return Spots(
            indices=self.indices[kept],
            fast=self.fast[kept],
            slow=self.slow[kept],
            phi=self.phi[kept],
            crosses=self.crosses[kept],
            amplitudes=amplitudes[kept],
            notice=self.notice,
        )


def predict(geometry: Geometry, margin: Margin, resolution: float = 0.0) -> Spots:
    """Predict the spots of an image.

    A rotation image has those reflections that cross the sphere of the beam's wavelength within its range. A still, and
    the first and the last orientation of a rotation, have also those that are so close to it that mosaic domains, the
    beam's divergence and bandwidth, or the finite crystal make them shine.

    Parameters
    ----------
    geometry
        With a crystal.
    margin
        What makes reflections shine off the sphere.
    resolution
        No spot of a smaller d spacing is predicted, in metres.

    Returns
    -------
    Spots
        Those that meet a panel, with growing h, then k, then l.
    """
    camera, notice = _camera(geometry, margin, max(resolution, finest_resolution(geometry)))
    found: list[tuple[NDArray[np.float64], ...]] = []
    for part in _shining(camera, geometry, margin):
        found.append(part)
        if sum(len(each[0]) for each in found) > _MOST_SPOTS:
            notice = f"more than {_MOST_SPOTS} spots are predicted; those beyond are left out"
            break
    indices, fast, slow, phi, crosses = (
        np.concatenate([part[number] for part in found]) if found else np.zeros((0, 3) if number == 0 else 0)
        for number in range(5)
    )
    order = np.lexsort((phi, *indices.T[::-1]))[:_MOST_SPOTS]
    return Spots(
        indices=indices[order].astype(np.int16),
        fast=fast[order],
        slow=slow[order],
        phi=phi[order],
        crosses=crosses[order].astype(bool),
        notice=notice,
    )


def _camera(geometry: Geometry, margin: Margin, resolution: float) -> tuple[Camera, str]:
    """What is seen, to the resolution to which so many reflections as are looked at go; a line where that is cut."""
    finest = resolution
    camera = Camera(incident=geometry.beam / geometry.wavelength, faces=geometry.faces(), resolution=finest)
    while (work := _work(camera, geometry, margin)) > _MOST_CANDIDATES:
        # It grows with no more than the third power, and with less along a short axis: it may take some steps.
        finest *= max(_STEP, (work / _MOST_CANDIDATES) ** (1.0 / 3.0))
        camera = attrs.evolve(camera, resolution=finest)
    if finest == resolution:
        return camera, ""
    return camera, f"spots are predicted to {finest * 1e10:.3g} A only, for the cell is large"


def _work(camera: Camera, geometry: Geometry, margin: Margin) -> float:
    """How many rows of the lattice, or points of it, are looked at for an image."""
    cell, start, end = _cell(geometry), geometry.start, geometry.start + geometry.range
    regions = [near_region(camera, _turned(geometry, cell, angle), margin) for angle in (start, end)]
    if geometry.range > 0.0:
        regions.append(camera.turning(cell, geometry.spindle, start, end))
    return max(max(each.rows(), each.points) for each in regions)


def _shining(camera: Camera, geometry: Geometry, margin: Margin) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Reflections that shine, some at a time, as `_spots` gives them."""
    cell, start, end = _cell(geometry), geometry.start, geometry.start + geometry.range
    if geometry.range > 0.0:
        for found in crossing_reflections(camera, cell, geometry.spindle, start, min(end, start + _TURN)):
            yield _spots(camera, geometry, found, found.angle, crosses=True)
    for angle in dict.fromkeys((start, end)):
        for found in near_reflections(camera, _turned(geometry, cell, angle), margin):
            vectors = _turned(geometry, found.vectors, -angle)
            new = ~_crosses(camera, geometry, vectors)
            if angle != start:
                new &= ~margin.holds(camera.incident, _turned(geometry, vectors, start))
            yield _spots(
                camera, geometry, found.where(new), np.full(int(new.sum()), angle), crosses=geometry.range <= 0.0
            )


def _crosses(camera: Camera, geometry: Geometry, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which reciprocal vectors at spindle 0 cross the sphere during the exposure."""
    crosses = np.zeros(len(vectors), dtype=bool)
    if geometry.range > 0.0:
        middle, aside = crossing_angles(camera.incident, geometry.spindle, vectors)
        for angle in (middle - aside, middle + aside):
            crosses |= np.mod(angle - geometry.start, _TURN) <= geometry.range
    return crosses


def _cell(geometry: Geometry) -> NDArray[np.float64]:
    assert geometry.cell is not None
    return geometry.cell


def _turned(geometry: Geometry, vectors: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Vectors (vectors, 3) turned about the spindle by one angle."""
    return turned_about(geometry.spindle, vectors, np.full(len(vectors), angle))


def _spots(
    camera: Camera, geometry: Geometry, found: Found, angle: NDArray[np.float64], *, crosses: bool
) -> tuple[NDArray[np.float64], ...]:
    """Indices, fast, slow, phi and whether they cross, of reflections that meet a panel."""
    fast, slow = on_detector(geometry, camera.incident + found.vectors)
    # A page holds no larger indices.
    hit = ~np.isnan(fast) & (np.abs(found.indices) <= np.iinfo(np.int16).max).all(axis=1)
    return found.indices[hit], fast[hit], slow[hit], angle[hit], np.full(int(hit.sum()), crosses, dtype=float)
