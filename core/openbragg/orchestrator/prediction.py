"""The reflections of a run's images: where they are, how much of them, and their photons, without rendering.

docs/reference/truth.md derives the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.engine.numerics import polarization_factor
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.errors import InputError
from openbragg.model import Scan
from openbragg.model.lattice import oriented_bases
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.reach import reach
from openbragg.orchestrator.rocking import Profile, make_profile
from openbragg.roles import Miller, PredictedReflections

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: Reflections of which less than this part is on the images are left out.
_LEAST = 0.01
#: How far outside the scan, in radians, the middle of a reflection may be of which a part is inside.
_OUTSIDE = 0.05
#: Reflections times mosaic domains that are worked on together, each with some hundred numbers.
_BATCH = 1 << 14
#: Angles that differ by a smaller part are one.
_ROUNDING = 1e-9
#: More than any detector sees: points of the reciprocal lattice, those of one h, and reflections on images.
_MOST_POINTS, _MOST_OF_A_LAYER, _MOST_REFLECTIONS = 1 << 30, 1 << 24, 1 << 24
#: No scan is longer, or farther from 0, in radians.
_LONGEST = 1e5
_TURN = 2.0 * np.pi
_ANGSTROM = 1e-10


@attrs.frozen(kw_only=True, eq=False)
class _Scene:
    """What reflections are predicted from: vectors in 1/metres, (3,) and rows (3, 3), angles in radians."""

    plan: Plan
    incident: Array
    spindle: Array
    reciprocal: Array
    domains: Array
    volume: float
    profile: Profile


def predict(layout: Layout, scans: tuple[Scan, ...], quirks: frozenset[str]) -> PredictedReflections:
    """Predict the reflections of images.

    Parameters
    ----------
    layout
        Of the first image.
    scans
        Of every image.
    quirks
        Names of quirks of the reference program that the run reproduces.

    Raises
    ------
    InputError
        For a curved detector, on which places are not worked out, and for more reflections than only a slip of the hand
        can mean.
    """
    plan, laboratory, experiment = layout.plan, layout.laboratory, layout.experiment
    if plan.curvature is not None:
        raise InputError("reflections are not predicted on a curved detector (-curved_det)")
    if plan.running_product:
        raise InputError(
            "reflections are not predicted with the quirk running-product, whose factors are no detector's"
        )
    vectors = oriented_bases(experiment.crystal, oblique="oblique-cell" in quirks)[0].detach().numpy()
    # The image takes h k l from the real axes, also where a cell overrules a matrix whose angles are others.
    reciprocal = np.linalg.inv(vectors).T
    cells = plan.cell_vectors[0].detach().cpu().numpy()
    scene = _Scene(
        plan=plan,
        incident=_numbers(laboratory.beam) / float(experiment.beam.wavelength),
        spindle=_numbers(laboratory.spindle),
        reciprocal=reciprocal,
        domains=(np.linalg.inv(cells[0]) @ cells).transpose(0, 2, 1),
        volume=abs(float(np.linalg.det(vectors))),
        profile=make_profile(plan.shape, plan.lattice),
    )
    finest = reach(experiment, laboratory)
    width = _swept(scans)
    if not abs(float(scans[0].start)) + width * len(scans) <= _LONGEST:
        raise InputError(f"reflections are predicted of scans up to {np.degrees(_LONGEST):.3g} degrees; this is longer")
    parts: list[dict[str, Array]] = []
    count = 0
    for indices in _indices(reciprocal, finest):
        amplitude = _amplitudes(plan, indices)
        there = amplitude != 0.0
        if width > 0.0:
            found = _rotation(scene, indices[there], amplitude[there], scans, width)
        else:
            found = _stills(scene, indices[there], amplitude[there], scans)
        for part in found:
            seen = part["partiality"] >= _LEAST
            parts.append({name: values[seen] for name, values in part.items()})
            count += int(seen.sum())
            if count > _MOST_REFLECTIONS:
                raise InputError(
                    f"there are more than {_MOST_REFLECTIONS} reflections on the images: too many to predict"
                )
    return _gathered(layout, parts)


def _swept(scans: tuple[Scan, ...]) -> float:
    """By how much each image turns the crystal, in radians: all its steps, which need not be the range that is said.

    Raises
    ------
    InputError
        Where the images of a series leave gaps or overlap for that.
    """
    first = scans[0]
    said = float(first.range or 0.0)
    if said == 0.0:
        return 0.0
    swept = float(first.step or 0.0) * int(first.steps or 1)
    if len(scans) > 1 and abs(swept - said) > _ROUNDING * abs(said):
        steps = f"{first.steps} steps of {np.degrees(float(first.step or 0.0)):.6g} degrees"
        raise InputError(
            f"reflections are predicted of series whose images turn as far as -osc says: {steps} are not "
            f"{np.degrees(said):.6g} degrees"
        )
    return swept


def _indices(reciprocal: Array, finest: float) -> Iterator[Array]:
    """All h k l but 0 0 0 whose d spacing is at least so many metres, some at a time: float64, (reflections, 3)."""
    direct = np.linalg.inv(reciprocal).T
    reaches = np.floor(np.linalg.norm(direct, axis=1) / finest)
    layer = float(np.prod(2.0 * reaches[1:] + 1.0))
    if not (layer <= _MOST_OF_A_LAYER and layer * (2.0 * reaches[0] + 1.0) <= _MOST_POINTS):
        raise InputError(
            f"there are about {layer * (2.0 * reaches[0] + 1.0):.2g} indices down to {finest / _ANGSTROM:.3g} A: "
            "too many to predict reflections"
        )
    most = reaches.astype(int)
    k, l = (part.ravel() for part in np.meshgrid(*(np.arange(-n, n + 1.0) for n in most[1:]), indexing="ij"))
    for h in range(-most[0], most[0] + 1):
        indices = np.stack([np.full(k.shape, float(h)), k, l], axis=1)
        length = np.linalg.norm(indices @ reciprocal, axis=1)
        yield indices[(length > 0.0) & (length * finest <= 1.0)]


def _amplitudes(plan: Plan, indices: Array) -> Array:
    """F in electrons at whole indices."""
    index = Miller(*torch.from_numpy(np.ascontiguousarray(indices.T)).to(plan.device).unbind(0))
    with torch.no_grad():
        amplitude = plan.structure_factors.amplitude(index, index, plan.tables)
    found: Array = np.abs(amplitude.double().cpu().numpy())
    return found


def _rotation(
    scene: _Scene, indices: Array, amplitude: Array, scans: tuple[Scan, ...], width: float
) -> Iterator[dict[str, Array]]:
    """Reflections that pass through the sphere of reflection while the crystal turns."""
    start, step = float(scans[0].start), float(scans[0].step or 0.0)
    end = start + width * len(scans)
    # Steps stand at the beginnings of the intervals for which they count.
    begins, ends = start - step / 2.0, end - step / 2.0
    vectors = indices @ scene.reciprocal
    along = vectors @ scene.spindle
    across = np.cross(scene.spindle, vectors)
    cosine = (vectors - along[:, None] * scene.spindle) @ scene.incident
    sine = across @ scene.incident
    needed = -(vectors**2).sum(axis=1) / 2.0 - along * float(scene.spindle @ scene.incident)
    size = np.hypot(cosine, sine)
    meets = np.abs(needed) < size
    middle = np.arctan2(sine, cosine)[meets]
    aside = np.arccos(needed[meets] / size[meets])
    for sign in (-1.0, 1.0):
        first = middle + sign * aside
        # The angle at or after the earliest that may count, and each whole turn from there.
        turns = np.ceil((begins - _OUTSIDE - first) / _TURN)
        angle = first + turns * _TURN
        while (inside := angle <= ends + _OUTSIDE).any():
            yield from _passing(
                scene, indices[meets][inside], amplitude[meets][inside], angle[inside], (begins, ends), width
            )
            angle = angle + _TURN


def _passing(
    scene: _Scene, indices: Array, amplitude: Array, angle: Array, scan: tuple[float, float], width: float
) -> Iterator[dict[str, Array]]:
    for batch in _batches(len(indices), len(scene.domains)):
        vectors = _turned(scene.spindle, indices[batch] @ scene.reciprocal, angle[batch])
        rays = scene.incident + vectors
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        speed = (rays * np.cross(scene.spindle, vectors)).sum(axis=1)
        direction = _moved(scene, rays, angle[batch])
        # How far each domain is outside the sphere when the crystal as a whole is on it.
        distance = _outside(scene, vectors)
        total = np.zeros(len(vectors))
        for domains in _parts(distance):
            edges = [speed[:, None] * (edge - angle[batch])[:, None] + distance[:, domains] for edge in scan]
            before, after = (scene.profile.passed(edge, direction) for edge in edges)
            total += np.abs(after - before).sum(axis=1)
        part = total / distance.shape[1]
        # Photons of a whole reflection are fluence r_e^2 lambda^3 F^2 P N / (V width |spindle . (s1 x s0)|), and the
        # last factor times 1 / lambda is the speed.
        wavelength = 1.0 / float(np.linalg.norm(scene.incident))
        whole = wavelength**2 * scene.profile.whole / (scene.volume * width * np.abs(speed))
        yield {
            "indices": indices[batch],
            "still": np.zeros(len(vectors)),
            "ray": rays,
            "angle": angle[batch],
            "spacing": 1.0 / np.linalg.norm(vectors, axis=1),
            "partiality": part,
            "amplitude": amplitude[batch],
            "photons": whole * part,
        }


def _stills(scene: _Scene, indices: Array, amplitude: Array, scans: tuple[Scan, ...]) -> Iterator[dict[str, Array]]:
    """Reflections that touch the sphere of reflection, of every image."""
    for number, scan in enumerate(scans):
        angle = np.full(len(indices), float(scan.start))
        for batch in _batches(len(indices), len(scene.domains)):
            vectors = _turned(scene.spindle, indices[batch] @ scene.reciprocal, angle[batch])
            rays = scene.incident + vectors
            rays /= np.linalg.norm(rays, axis=1, keepdims=True)
            direction = _moved(scene, rays, angle[batch])
            distance = _outside(scene, vectors)
            density = np.zeros(len(vectors))
            for domains in _parts(distance):
                density += scene.profile.density(distance[:, domains], direction).sum(axis=1)
            density /= distance.shape[1]
            highest = scene.profile.density(np.zeros((len(vectors), 1)), direction)[:, 0]
            wavelength = 1.0 / float(np.linalg.norm(scene.incident))
            yield {
                "indices": indices[batch],
                "still": np.full(len(vectors), float(number)),
                "ray": rays,
                "angle": angle[batch],
                "spacing": 1.0 / np.linalg.norm(vectors, axis=1),
                "partiality": density / highest,
                "amplitude": amplitude[batch],
                "photons": wavelength**2 * scene.profile.whole * density / scene.volume,
            }


def _batches(count: int, domains: int) -> Iterator[slice]:
    size = max(1, _BATCH // domains)
    return (slice(first, first + size) for first in range(0, count, size))


def _parts(distance: Array) -> Iterator[slice]:
    """Mosaic domains, some at a time, of distances (reflections, domains)."""
    return (slice(first, first + _BATCH) for first in range(0, distance.shape[1], _BATCH))


def _turned(axis: Array, vectors: Array, angle: Array) -> Array:
    """Vectors (reflections, 3), each turned right-handed about a unit axis by its own angle."""
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    along = (vectors @ axis)[:, None] * axis
    turned: Array = along + cosine * (vectors - along) + sine * np.cross(axis, vectors)
    return turned


def _moved(scene: _Scene, rays: Array, angle: Array) -> Array:
    """What an offset of 1 in h, k and l moves along the ray, (reflections, 3) in 1/m."""
    return np.stack(
        [
            (_turned(scene.spindle, np.broadcast_to(axis, rays.shape), angle) * rays).sum(axis=1)
            for axis in scene.reciprocal
        ],
        axis=1,
    )


def _outside(scene: _Scene, vectors: Array) -> Array:
    """How far outside the sphere of reflection each mosaic domain's lattice point is, (reflections, domains), 1/m."""
    places = scene.incident + np.einsum("mij,rj->rmi", scene.domains, vectors)
    outside: Array = np.linalg.norm(places, axis=2) - float(np.linalg.norm(scene.incident))
    return outside


def _gathered(layout: Layout, parts: list[dict[str, Array]]) -> PredictedReflections:
    """What is on the detector, with its places, and with the factors that depend on them."""
    plan = layout.plan
    names = ("indices", "still", "ray", "angle", "spacing", "partiality", "amplitude", "photons")
    empty = {name: np.zeros((0, 3) if name in ("indices", "ray") else 0) for name in names}
    found = {name: np.concatenate([empty[name], *(part[name] for part in parts)]) for name in names}
    panels, places, pixels, factors = _on_panels(layout, found["ray"])
    seen = panels >= 0
    amplitude = found["amplitude"]
    photons = found["photons"] * amplitude**2 * factors * _polarization(plan, found["ray"])
    photons *= plan.electron_radius_squared * float(plan.fluence)
    order = np.lexsort((*found["indices"][seen].T[::-1], found["angle"][seen], found["still"][seen]))
    rows = np.flatnonzero(seen)[order]
    return PredictedReflections(
        indices=found["indices"][rows].astype(np.int32),
        still=found["still"][rows].astype(np.int32),
        panel=panels[rows].astype(np.int32),
        ray=found["ray"][rows],
        place=places[rows],
        pixel=pixels[rows],
        angle=found["angle"][rows],
        spacing=found["spacing"][rows],
        partiality=found["partiality"][rows],
        amplitude=amplitude[rows],
        photons=photons[rows],
    )


def _on_panels(layout: Layout, rays: Array) -> tuple[Array, Array, Array, Array]:
    """For each ray the nearest panel rendered there (-1 for none), its place and pixel, and what part is counted."""
    plan = layout.plan
    panels = np.full(len(rays), -1)
    nearest = np.full(len(rays), np.inf)
    places, pixels, factors = np.zeros((len(rays), 2)), np.zeros((len(rays), 2)), np.zeros(len(rays))
    for number, panel in enumerate(plan.panels):
        origin, fast, slow, normal = (
            _numbers(vector) for vector in (panel.origin, panel.fast, panel.slow, panel.normal)
        )
        size = float(panel.pixel_size)
        obliquity = rays @ normal
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (origin @ normal) / obliquity
        ahead = np.isfinite(distance) & (distance > 0.0)
        distance = np.where(ahead, distance, 0.0)
        spot = distance[:, None] * rays - origin
        place = np.stack([spot @ fast, spot @ slow], axis=1)
        captured, depth = _captured(panel, obliquity, plan.last_layer)
        along = np.stack([rays @ fast, rays @ slow], axis=1) / np.where(ahead, obliquity, 1.0)[:, None]
        pixel = (place + depth[:, None] * along) / size
        here = ahead & (distance < nearest) & _rendered(layout, number, pixel)
        panels[here], nearest[here] = number, distance[here]
        places[here], pixels[here] = place[here], pixel[here]
        # A point pixel is counted as one of 1 m^2 that faces the crystal.
        area = 1.0 / (size**2 * np.where(ahead, obliquity, 1.0)) if plan.point_pixel else np.ones(len(rays))
        factors[here] = (captured * area)[here]
    return panels, places, pixels, factors


def _captured(panel: PanelPlan, obliquity: Array, last_layer: bool) -> tuple[Array, Array]:
    """Part of the photons that the sensor absorbs, and the mean depth in metres at which its layers count them.

    With the quirk last-layer each layer absorbs as much as the last one.
    """
    if not panel.absorbs:
        return np.ones(len(obliquity)), np.zeros(len(obliquity))
    depths = _numbers(panel.layer_depths)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        path = float(panel.absorption) / obliquity[:, None]
        layers = np.exp(-depths * path) - np.exp(-(depths + float(panel.layer_step)) * path)
        if last_layer:
            layers = np.broadcast_to(layers[:, -1:], layers.shape)
        whole = layers.sum(axis=1)
        return np.nan_to_num(whole), np.nan_to_num((layers * depths).sum(axis=1) / whole)


def _rendered(layout: Layout, number: int, pixel: Array) -> Any:
    """Whether a pixel, counted from the panel's first corner, is on the panel and was rendered."""
    panel, detector = layout.laboratory.panels[number].panel, layout.experiment.detector
    slow, fast = panel.pixels
    inside = (pixel[:, 0] >= 0.0) & (pixel[:, 0] < fast) & (pixel[:, 1] >= 0.0) & (pixel[:, 1] < slow)
    first_row, first_column = panel.slab or (0, 0)
    column, row = (np.where(inside, np.floor(pixel[:, axis]), 0).astype(int) for axis in (0, 1))
    column, row = column + first_column, row + first_row
    region, hidden = layout.experiment.sampling.region, detector.hidden()
    if region is not None:
        first_fast, last_fast, first_slow, last_slow = region
        inside &= (column >= first_fast) & (column <= last_fast) & (row >= first_slow) & (row <= last_slow)
    if hidden is not None:
        inside &= ~hidden[row, column]
    return inside


def _polarization(plan: Plan, rays: Array) -> Array:
    """The polarization factor of rays in the first source's beam, as the image has it."""
    if not plan.polarized:
        return np.ones(len(rays))
    x, y, z = torch.from_numpy(np.ascontiguousarray(rays.T)).unbind(0)
    with torch.no_grad():
        incident = plan.incident[0].cpu()
        return polarization_factor((x, y, z), incident, plan.electric_axis.cpu(), plan.kahn.cpu()).numpy()


def _numbers(vector: torch.Tensor) -> Array:
    numbers: Array = vector.detach().cpu().numpy()
    return numbers
