"""A start that is brought nearer by where the spots are, before pixels are looked at.

A spot's place says where its reflection's ray goes; that it is seen says that the reflection is near the sphere. Both
together turn the lattice and stretch its cell until spots and reflections coincide.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
import torch

from openbragg import Layout, rotation_about
from openbragg_tools.refine.model import Model, cell_and_orientation, standard_vectors
from openbragg_tools.refine.rotations import turn

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Pixels that a spot's place is uncertain by, and its part of a reciprocal lattice vector above the sphere.
_PLACE, _HEIGHT = 0.5, 0.15
#: A spot's indices are those of a reflection that is nearer than this to it, along each axis.
_INDEXED = 0.3
#: Steps of the search, and how far it goes, in radians.
_STEP, _WIDTH = math.radians(0.3), math.radians(2.4)
#: Of the cell's edges in parts and of the angles in radians.
_STRAIN = 4e-3
_TURNS = 12
#: Spots this far from reflections, in parts of indices, coincide by so much less.
_COINCIDENT = 0.12
#: So many of them are compared at once, for all turns.
_AT_ONCE = 1 << 16


@attrs.frozen(eq=False)
class Indexed:
    """How well spots and reflections coincide.

    Attributes
    ----------
    vectors
        Rows a*, b*, c* in 1/m, (3, 3).
    part
        Of the spots those that have indices.
    off
        Pixels from spots to their reflections, the middle value.
    turned
        How far the lattice was turned, in radians.
    """

    vectors: torch.Tensor
    part: float
    off: float
    turned: float


def fit_positions(model: Model, layout: Layout, centres: Array) -> Indexed:
    """Turn and stretch the lattice until its reflections are where the spots are.

    Parameters
    ----------
    model
        The start; only what it has free of orientation and cell is moved.
    layout
        Of its simulation.
    centres
        Of spots (slow, fast) in the stored frame, (spots, 2).
    """
    rays, pixel = _rays(layout, centres)
    beam = layout.laboratory.beam.detach().numpy() / layout.wavelength
    seen = rays / layout.wavelength - beam
    start = model.vectors.numpy()
    vectors = start
    if model.of(["misset"]):
        vectors = start @ _searched(start, seen)
    height = _HEIGHT * float(np.linalg.norm(start, axis=1).min())
    names = [*(["turn"] * 3 if model.of(["misset"]) else []), *(["cell"] if model.of(["cell"]) else [])]
    base = vectors
    reach = np.linalg.norm(seen, axis=1)
    for number in range(_TURNS):
        # Inner spots first: their indices are the surest.
        inner = reach <= np.quantile(reach, min(1.0, 0.4 + 0.1 * number))
        index, nearest = _indices(vectors, seen)
        good = inner & (np.abs(index - nearest).max(axis=1) < _INDEXED)
        if good.sum() < 6 or not names:
            break
        moved = _step(model, vectors, base, nearest[good], rays[good], beam, pixel * _PLACE, height)
        if np.abs(moved - vectors).max() < 1e-7 * np.abs(vectors).max():
            vectors = moved
            break
        vectors = moved
    index, nearest = _indices(vectors, seen)
    good = np.abs(index - nearest).max(axis=1) < _INDEXED
    away = np.linalg.norm(_predicted(vectors, nearest, beam)[0] - rays, axis=1) / pixel
    turned = np.linalg.solve(start, vectors)
    cosine = (np.trace(turned) / np.cbrt(np.linalg.det(turned)) - 1.0) / 2.0
    return Indexed(
        torch.from_numpy(vectors),
        float(good.mean()) if len(good) else 0.0,
        float(np.median(away[good])) if good.any() else math.inf,
        float(np.arccos(np.clip(cosine, -1.0, 1.0))),
    )


def _rays(layout: Layout, centres: Array) -> tuple[Array, float]:
    """Unit vectors to places in the stored frame, (places, 3), and the angle of a pixel."""
    rays = np.full((len(centres), 3), np.nan)
    pixel = math.inf
    for frame, panel in zip(layout.laboratory.panels, layout.panels, strict=True):
        rows, columns = panel.rows(), panel.columns()
        inside = (centres[:, 0] >= rows.start) & (centres[:, 0] < rows.stop)
        inside &= (centres[:, 1] >= columns.start) & (centres[:, 1] < columns.stop)
        size = float(panel.pixel_size)
        place = (centres - np.array([rows.start, columns.start])) * size
        points = frame.origin.numpy() + place[:, 1:] * frame.fast.numpy() + place[:, :1] * frame.slow.numpy()
        rays[inside] = (points / np.linalg.norm(points, axis=1, keepdims=True))[inside]
        pixel = min(pixel, size / float(frame.close_distance().abs()))
    return rays[np.isfinite(rays).all(axis=1)], pixel


def _indices(vectors: Array, seen: Array) -> tuple[Array, Array]:
    """h k l of each spot, and the nearest whole ones."""
    index = seen @ np.linalg.inv(vectors)
    nearest: Array = np.round(index).astype(float)
    return index, nearest


def _searched(start: Array, seen: Array) -> Array:
    """The turn of rows, (3, 3) from the right, after which most spots are near reflections; none if that is as good."""
    steps = np.arange(-_WIDTH, _WIDTH + _STEP / 2.0, _STEP)
    turns = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    turns = turns[np.linalg.norm(turns, axis=1) <= _WIDTH * 1.01]
    angles = np.linalg.norm(turns, axis=1)
    axes = np.where(angles[:, None] > 0.0, turns / np.maximum(angles, 1e-12)[:, None], [1.0, 0.0, 0.0])
    rotations = rotation_about(torch.from_numpy(axes), torch.from_numpy(angles)).numpy()
    # Inner spots decide: the others have two reflections nearby.
    reach = np.linalg.norm(seen, axis=1)
    inner = seen[reach <= np.quantile(reach, 0.5)] if len(seen) > 30 else seen
    back = np.linalg.inv(start)
    # A turned lattice sees spots as this one sees them turned back: q R is q turned by R's inverse.
    pieces = np.array_split(rotations, math.ceil(len(rotations) * len(inner) / _AT_ONCE))
    scores = np.concatenate([_coincidence(inner @ (piece @ back)) for piece in pieces])
    none = float(_coincidence(inner @ back))
    best = int(scores.argmax())
    if none > 0.8 * scores[best]:
        return np.eye(3)
    made: Array = rotations[best].T
    return made


def _coincidence(index: Array) -> Array:
    """How near spots are to reflections, from 0 to 1, by their h k l, (..., spots, 3)."""
    off = index - np.round(index)
    made: Array = np.exp(-0.5 / _COINCIDENT**2 * np.einsum("...sk,...sk->...s", off, off)).mean(axis=-1)
    return made


def _predicted(vectors: Array, index: Array, beam: Array) -> tuple[Array, Array]:
    """Rays of reflections, (reflections, 3), and their heights above the sphere in 1/m."""
    scattered = index @ vectors + beam
    lengths = np.linalg.norm(scattered, axis=1)
    return scattered / lengths[:, None], lengths - np.linalg.norm(beam)


def _step(
    model: Model, vectors: Array, base: Array, index: Array, rays: Array, beam: Array, place: float, height: float
) -> Array:
    """One step of least squares, with spots that are far off counting less."""
    ways = _ways(model, vectors)

    def residuals(moved: Array) -> Array:
        predicted, above = _predicted(moved, index, beam)
        return np.column_stack([(rays - predicted) / place, -above[:, None] / height])

    here = residuals(vectors)
    weight = 1.0 / (1.0 + np.square(here).sum(axis=1) / 9.0)
    columns = np.stack([(here - residuals(way(1e-5))).ravel() / 1e-5 for way in ways], axis=1)
    weights = np.repeat(weight, 4)
    matrix = columns.T @ (columns * weights[:, None])
    # The cell is nearly right: what spots do not say of it stays.
    for number in range(3 if model.of(["misset"]) else 0, len(ways)):
        matrix[number, number] += 1.0 / _STRAIN**2
    step = np.linalg.lstsq(matrix, columns.T @ (weights * here.ravel()), rcond=None)[0]
    moved = vectors
    for number, amount in enumerate(step):
        moved = _ways(model, moved)[number](float(amount))
    return moved


def _ways(model: Model, vectors: Array) -> list[Any]:
    """Functions of an amount, in radians or parts, that give moved vectors: turns, and the cell's free numbers."""

    def turned(axis: int) -> Any:
        return lambda amount: vectors @ turn(amount * torch.eye(3, dtype=torch.float64)[axis]).numpy().T

    def stretched(place: int, cell: list[float], orientation: torch.Tensor) -> Any:
        def way(amount: float) -> Array:
            free = torch.tensor(cell, dtype=torch.float64)
            free[place] += amount * (free[place] if len(model.form.names[place]) == 1 else 1.0)
            made: Array = (standard_vectors(model.form.cell(free)) @ orientation.T).numpy()
            return made

        return way

    ways = [turned(axis) for axis in range(3)] if model.of(["misset"]) else []
    if model.of(["cell"]):
        cell, orientation = cell_and_orientation(torch.from_numpy(vectors))
        free = [sum(cell[place] for place in places) / len(places) for places in model.form.placement]
        ways += [stretched(place, free, orientation) for place in range(len(free))]
    return ways
