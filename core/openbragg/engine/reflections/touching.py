"""Spots that touch the sphere of reflection, of many orientations of a crystal at once.

Orientations of a mosaic crystal, or of a few steps of a scan, differ little. The lattice points that any of them may
bring to the sphere are listed once for a group of them, and then tried with each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np

from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.rows import Region, lattice_points

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

#: About what a row to solve, a point to look up, and a pair of a point and an orientation cost, in seconds.
_ROW, _POINT, _PAIR = 1.5e-7, 2e-7, 6e-9
#: Halves of a group are taken where they cost so much less.
_LESS = 0.8
#: Pairs that are tried together: they stay in a core's cache.
_PAIRS = 1 << 17
#: How often a bound of how far points are off the sphere is made from the last one.
_BOUNDED = 3
#: Half angles of cones are larger by this, in radians, for rounding; and excitations by this part of the sphere.
_ROUNDING = 1e-9


@attrs.frozen(kw_only=True, eq=False)
class Spots:
    """Spots that touch the sphere of reflection.

    Attributes
    ----------
    indices
        h k l, whole numbers as float64, (spots, 3).
    orientation
        Numbers of the orientations, (spots,).
    rays
        Unit vectors, (spots, 3).
    radius
        Half angles in radians of the cones about them in which all of a spot's rays lie, (spots,).
    """

    indices: Array
    orientation: Numbers
    rays: Array
    radius: Array


@attrs.frozen(kw_only=True, eq=False)
class Group:
    """Orientations that are searched together.

    Attributes
    ----------
    orientations
        Their numbers, (orientations,).
    region
        Where lattice points of the one in their middle lie that any of them may bring to the sphere.
    cost
        About how many seconds the search takes.
    """

    orientations: Numbers
    region: Region
    cost: float


def orientation_groups(camera: Camera, cells: Array, widest: float) -> list[Group]:
    """Cut orientations into groups so that the search takes little time.

    Parameters
    ----------
    camera
        The beam, and what is seen.
    cells
        Rows a, b, c of every step and domain, (phi, mosaic, 3, 3), metres.
    widest
        How far from a lattice point its spot reaches, at most, in 1/metres.
    """
    steps, domains = cells.shape[:2]
    flat = cells.reshape(-1, 3, 3)
    numbers = np.arange(steps * domains).reshape(steps, domains)

    def group(chosen: Numbers) -> Group:
        middle = flat[chosen[len(chosen) // 2, 0]]
        return _group(camera, flat, chosen.reshape(-1), middle, widest)

    def cut(whole: Group, chosen: Numbers) -> list[Group]:
        if len(chosen) > 1:
            halves = [chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]]
            parts = [group(half) for half in halves]
            if sum(part.cost for part in parts) < _LESS * whole.cost:
                return [each for part, half in zip(parts, halves, strict=True) for each in cut(part, half)]
            return [whole]
        if domains == 1 or domains * group(chosen[:, :1]).cost > _LESS * whole.cost:
            return [whole]
        return [group(chosen[:, place : place + 1]) for place in range(domains)]

    return cut(group(numbers), numbers) if numbers.size else []


def touching_spots(
    camera: Camera,
    cells: Array,
    group: Group,
    radius_of: Callable[[Array, Array], Array],
    sizes: Array | None = None,
) -> Iterator[Spots]:
    """The spots of a group's orientations that touch the sphere of reflection.

    A spot is a ball of radius r about its lattice point q. The sphere's points s0 + q' = s1 of length |s0| that lie in
    it are a cap: |s1 - u| <= r for u = s0 + q, which is s1 . u >= (|s0|^2 + |u|^2 - r^2) / 2.

    Parameters
    ----------
    camera
        The beam, and what is seen. Some of what is found may be beside its faces.
    cells
        Rows a, b, c of all orientations, (orientations, 3, 3), metres.
    group
        From `orientation_groups`, made with radii that are no smaller.
    radius_of
        Takes h k l (points, 3) and the lengths of q (points,), and gives how far each spot reaches in 1/metres,
        (points,); below 0 for one that does not count.
    sizes
        How many times as long q, and what its spot reaches, are in each orientation, (orientations,), where that is not
        1: `radius_of` is asked for 1.

    Yields
    ------
    Spots
        Some at a time, in no order.
    """
    radius = camera.radius
    beam = camera.incident / radius
    reciprocal: Array = np.linalg.inv(cells[group.orientations]).transpose(0, 2, 1).astype(np.float64)
    along = reciprocal @ beam
    own = np.ones(len(along)) if sizes is None else sizes[group.orientations]
    largest = float(own.max())
    together = max(1, _PAIRS // len(along))
    for points in lattice_points(group.region):
        lengths = _lengths(points @ reciprocal[0]) / (radius * own[0])
        reach = radius_of(points, lengths * radius) / radius
        counted = np.flatnonzero(reach >= 0.0)
        for low in range(0, len(counted), together):
            chosen = counted[low : low + together]
            index, far = points[chosen], reach[chosen]
            furthest = far * largest + _ROUNDING
            # |u|^2 - |s0|^2, over |s0|^2.
            excess = index @ (along.T * (2.0 / radius))
            squares = (lengths[chosen] ** 2)[:, None]
            excess += squares if sizes is None else squares * own**2
            np.abs(excess, out=excess)
            # Places in a flat array are found in half the time.
            places = np.flatnonzero(excess <= (furthest * (2.0 + furthest))[:, None])
            if len(places):
                which, turn = np.divmod(places, len(along))
                reached = far[which] * own[turn] + _ROUNDING
                yield from _caps(beam, radius, index[which], reached, turn, reciprocal, group.orientations)


def _caps(
    beam: Array, radius: float, index: Array, far: Array, turn: Numbers, reciprocal: Array, orientations: Numbers
) -> Iterator[Spots]:
    """Those of spots whose balls have a cap of the sphere in them; lengths are in units of its radius."""
    away = np.einsum("ni,nij->nj", index, reciprocal[turn])
    away /= radius
    away += beam
    length = np.maximum(_lengths(away), _ROUNDING)
    cosine = (1.0 + length**2 - far**2) / (2.0 * length)
    there = np.flatnonzero(cosine <= 1.0)
    yield Spots(
        indices=index[there],
        orientation=orientations[turn[there]],
        rays=away[there] / length[there, None],
        radius=np.arccos(np.maximum(cosine[there], -1.0)) + _ROUNDING,
    )


def _off_sphere(radius: float, turned: Array, longest: float, widest: float, margin: float) -> float:
    """How far off the sphere q of the middle one is, at most, where that of another orientation is near to it.

    Another wavelength makes q longer or shorter as a whole, by a factor t. The distance e = \\|s0 + t q\\| - \\|s0\\|
    changes with t by (e (2 \\|s0\\| + e) + t^2 q^2) / (2 t \\|s0 + t q\\|), near the sphere q times the sine of the
    Bragg angle. It is bounded by what is known of e on the way, which bounds e, and so on.

    Parameters
    ----------
    radius
        Of the sphere, in 1/metres.
    turned
        What takes q of the middle one to that of each, (orientations, 3, 3).
    longest
        Of q, likewise.
    widest
        How far off the sphere q of the other one is, at most, likewise.
    margin
        What is known of how far q is off it.
    """
    sizes = np.trace(turned, axis1=1, axis2=2) / 3.0
    beside = _furthest(turned - sizes[:, None, None] * np.eye(3))
    change = float(np.abs(sizes - 1.0).max())
    off = margin
    for _ in range(_BOUNDED):
        if off >= 0.5 * radius or change >= 0.5:
            break
        slope = (off * (2.0 * radius + off) + ((1.0 + change) * longest) ** 2) / (2.0 * (1.0 - change) * (radius - off))
        off = min(off, widest + beside * longest + change * slope)
    return off


def _furthest(moved: Array) -> float:
    """How far matrices (matrices, 3, 3) take a vector of length 1, at most."""
    return float(np.sqrt(np.einsum("nij,nij->n", moved, moved).max()))


def _lengths(vectors: Array) -> Array:
    """Of vectors (vectors, 3)."""
    lengths: Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return lengths


def _group(camera: Camera, cells: Array, orientations: Numbers, middle: Array, widest: float) -> Group:
    # q of another orientation is the inverse of its cell times that of the middle one, times q.
    turned = np.linalg.inv(cells[orientations]) @ middle
    shift = _furthest(turned - np.eye(3))
    longest = camera.longest
    # Of a point whose spot is seen q is no longer than that of a ray and the way between the two.
    most = 2.0 * camera.radius * (1.0 + shift) + 2.0 * widest
    margin = min(most, (shift * longest + widest) / (1.0 - shift)) if shift < 1.0 else most
    off = _off_sphere(camera.radius, turned, longest + margin, widest, margin)
    region = camera.still(middle, margin * (1.0 + _ROUNDING), off * (1.0 + _ROUNDING))
    cost = region.rows() * _ROW + region.points * (_POINT + len(orientations) * _PAIR)
    return Group(orientations=orientations, region=region, cost=cost)
