"""Which reflections an image shows, and where: those that cross the sphere of reflection while it is exposed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from openbragg import Tolerance, rotation_about
from openbragg_tools.view.geometry import Geometry, finest_resolution, on_detector

#: Candidates that are looked at together: arrays of so many fit into a small machine.
_PIECE = 1 << 18
#: Candidates for the spots of one image; beyond, the resolution is cut so that no more are looked at.
_MOST_CANDIDATES = 1 << 25
#: The resolution is cut by no less than this factor at a time.
_STEP = 1.01
#: Spots that a page holds.
_MOST_SPOTS = 1 << 18
_TURN = 2.0 * math.pi


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


def predict(geometry: Geometry, tolerance: Tolerance, resolution: float = 0.0) -> Spots:
    """Predict the spots of an image.

    A rotation image has those reflections that cross the sphere of the beam's wavelength within its range. A still, and
    the first and the last orientation of a rotation, have also those that are so close to it that mosaic domains, the
    beam's divergence and bandwidth, or the finite crystal make them shine.

    Parameters
    ----------
    geometry
        With a crystal.
    tolerance
        What makes reflections shine off the sphere.
    resolution
        No spot of a smaller d spacing is predicted, in metres.

    Returns
    -------
    Spots
        Those that meet a panel, with growing h, then k, then l.
    """
    cell = geometry.cell
    assert cell is not None
    reciprocal = np.linalg.inv(cell).T
    finest, notice = _finest(cell, max(resolution, finest_resolution(geometry)))
    found: list[tuple[NDArray[np.float64], ...]] = []
    for indices in _candidates(cell, finest):
        found.extend(_shining(geometry, tolerance, indices @ reciprocal, indices, finest))
        if sum(len(part[0]) for part in found) > _MOST_SPOTS:
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


def _finest(cell: NDArray[np.float64], resolution: float) -> tuple[float, str]:
    """The resolution to which so many candidates as are looked at go, and a line where that is cut."""
    finest = resolution
    while (candidates := math.prod(2 * end + 1 for end in _ends(cell, finest))) > _MOST_CANDIDATES:
        # The number grows with no more than the third power, and with less along a short axis: it may take some steps.
        finest *= max(_STEP, (candidates / _MOST_CANDIDATES) ** (1.0 / 3.0))
    if finest == resolution:
        return resolution, ""
    return finest, f"spots are predicted to {finest * 1e10:.3g} A only, for the cell is large"


def _candidates(cell: NDArray[np.float64], resolution: float) -> Iterator[NDArray[np.float64]]:
    """All h k l whose d spacing may be so small, (candidates, 3), some at a time; not 0 0 0."""
    ends = tuple(min(end, np.iinfo(np.int16).max) for end in _ends(cell, resolution))
    counts = tuple(2 * end + 1 for end in ends)
    candidates = math.prod(counts)
    for low in range(0, candidates, _PIECE):
        places = np.arange(low, min(low + _PIECE, candidates))
        indices = np.column_stack(np.unravel_index(places, counts)).astype(np.float64) - ends
        yield indices[indices.any(axis=1)]


def _ends(cell: NDArray[np.float64], resolution: float) -> tuple[int, ...]:
    """The largest h, k and l whose d spacing may be so small: |h| = |q . a| is at most |q| |a|."""
    return tuple(math.floor(length / resolution) for length in np.linalg.norm(cell, axis=1).tolist())


def _shining(
    geometry: Geometry,
    tolerance: Tolerance,
    vectors: NDArray[np.float64],
    indices: NDArray[np.float64],
    resolution: float,
) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Those of reciprocal vectors (candidates, 3) at spindle 0 that shine, as `_spots` gives them."""
    kept = _may_shine(geometry, tolerance, vectors, resolution)
    vectors, indices = vectors[kept], indices[kept]
    start, end = geometry.start, geometry.start + geometry.range
    crossed = np.zeros(len(vectors), dtype=bool)
    if geometry.range > 0.0:
        for angles in _crossings(geometry, vectors):
            inside = angles - start <= geometry.range
            crossed |= inside
            turned = _turned(geometry, vectors[inside], angles[inside])
            yield _spots(geometry, turned, indices[inside], angles[inside], crosses=True)
    left = ~crossed
    for angle in dict.fromkeys((start, end)):
        turned = _turned(geometry, vectors[left], np.array([angle]))
        near = _is_near(geometry, tolerance, turned)
        places = np.flatnonzero(left)[near]
        yield _spots(
            geometry, turned[near], indices[places], np.full(len(places), angle), crosses=geometry.range <= 0.0
        )
        left[places] = False


def _may_shine(
    geometry: Geometry, tolerance: Tolerance, vectors: NDArray[np.float64], resolution: float
) -> NDArray[np.bool_]:
    """Which of reciprocal vectors at spindle 0 can shine at all: a quick look that leaves few for a closer one.

    2 s.q + q.q, which is 0 on the sphere, changes by no more than 2 |s| |q| times the angle from the middle of the
    exposure; and it is the distance from the sphere times |s + q| + |s|.
    """
    radius = 1.0 / geometry.wavelength
    middle = geometry.start + 0.5 * geometry.range
    incident = _turned(geometry, geometry.beam[np.newaxis] * radius, np.array([-middle]))[0]
    squared = np.einsum("ij,ij->i", vectors, vectors)
    off = np.abs(2.0 * (vectors @ incident) + squared)
    length = np.sqrt(squared)
    reach = (tolerance.angle + tolerance.bandwidth) * length + tolerance.width
    allowed = radius * geometry.range * length + (2.0 * radius + length) * reach
    # A little more, for rounding.
    may: NDArray[np.bool_] = (squared <= resolution**-2) & (off <= allowed + 1e-9 * radius**2)
    return may


def _crossings(geometry: Geometry, vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two spindle angles at which each vector lies on the sphere, from the start on; NaN where it never does.

    |s + q| = |s| is 2 s.q + q.q = 0, and of q turned about the axis e only the part p across it changes: s.q is
    s.e q.e + s.p cos(phi) + s.(e x p) sin(phi).
    """
    incident, axis = geometry.beam / geometry.wavelength, geometry.spindle
    along = vectors @ axis
    across = vectors - along[:, np.newaxis] * axis
    cosine, sine = across @ incident, np.cross(axis, across) @ incident
    wanted = -0.5 * (vectors * vectors).sum(axis=1) - along * (axis @ incident)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.arccos(wanted / np.hypot(cosine, sine))
    middle = np.arctan2(sine, cosine)
    first, second = (geometry.start + np.mod(middle + side * half - geometry.start, _TURN) for side in (1.0, -1.0))
    return first, second


def _turned(geometry: Geometry, vectors: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (vectors, 3) turned about the spindle, each by an angle of its own, or all by one of shape (1,)."""
    axis = torch.as_tensor(geometry.spindle).expand(len(angles), 3)
    rotations = rotation_about(axis, torch.as_tensor(np.ascontiguousarray(angles))).numpy()
    turned: NDArray[np.float64] = (rotations @ vectors[:, :, np.newaxis])[:, :, 0]
    return turned


def _is_near(geometry: Geometry, tolerance: Tolerance, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which reciprocal vectors are so close to the sphere that they shine.

    A rotation by an angle moves q by |q| times it, of which the cosine of theta is along the radius of the sphere; a
    sphere that is larger by a part is moved by |q| sin(theta) times it at q.
    """
    radius = 1.0 / geometry.wavelength
    distance = np.abs(np.linalg.norm(geometry.beam * radius + vectors, axis=1) - radius)
    length = np.linalg.norm(vectors, axis=1)
    sine = np.clip(0.5 * length / radius, 0.0, 1.0)
    reach = (
        tolerance.angle * length * np.sqrt(1.0 - sine * sine) + tolerance.bandwidth * length * sine + tolerance.width
    )
    near: NDArray[np.bool_] = distance <= reach
    return near


def _spots(
    geometry: Geometry,
    vectors: NDArray[np.float64],
    indices: NDArray[np.float64],
    angles: NDArray[np.float64],
    *,
    crosses: bool,
) -> tuple[NDArray[np.float64], ...]:
    """Indices, fast, slow, phi and whether they cross, of reflections with their vectors in place that meet a panel."""
    fast, slow = on_detector(geometry, geometry.beam / geometry.wavelength + vectors)
    hit = ~np.isnan(fast)
    return indices[hit], fast[hit], slow[hit], angles[hit], np.full(int(hit.sum()), crosses, dtype=float)
