"""What the reflections of a run's images are predicted from; and what cannot be predicted, known before rendering."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.engine.plan import Plan
from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.rows import Region, reciprocal_of
from openbragg.engine.reflections.search import near_region
from openbragg.engine.reflections.spacing import reach
from openbragg.engine.reflections.sphere import Margin, turned_about
from openbragg.errors import InputError
from openbragg.model import Scan
from openbragg.model.lattice import oriented_bases
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.prediction.rocking import Profile, make_profile
from openbragg.orchestrator.prediction.sensor_places import Sensor, numbers, sensor_of
from openbragg.orchestrator.prediction.smeared import SmearedProfile
from openbragg.units import ANGSTROM

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: How far outside the scan, in radians, the middle of a reflection may be of which a part is inside.
_OUTSIDE = 0.05
#: Angles that differ by a smaller part are one.
_ROUNDING = 1e-9
#: More than any detector sees: rows of the reciprocal lattice, and points of it near the sphere.
_MOST_ROWS, _MOST_POINTS = 1 << 24, 1 << 28
#: No scan is longer, or farther from 0, in radians.
_LONGEST = 1e5


@attrs.frozen(kw_only=True, eq=False)
class Scene:
    """What reflections are predicted from.

    Attributes
    ----------
    sensor, camera
        The detector, and what it sees.
    scans
        Of every image.
    width
        By how much each turns the crystal, in radians; 0 for stills.
    spindle
        Unit vector, (3,).
    cell
        Rows a, b, c with the spindle at 0, (3, 3), metres.
    domains, weights, mounted
        Rotations of the mosaic domains, (domains, 3, 3); the part of the crystal that each stands for, (domains,), with
        the sum 1; and whether they turn the crystal before the spindle does.
    profile
        Of a lattice point.
    """

    sensor: Sensor
    camera: Camera
    scans: tuple[Scan, ...]
    width: float
    spindle: Array
    cell: Array
    domains: Array
    weights: Array
    mounted: bool
    profile: Profile | SmearedProfile

    @property
    def plan(self) -> Plan:
        """The sum."""
        return self.sensor.layout.plan

    @property
    def volume(self) -> float:
        """Of the cell, in cubic metres."""
        return abs(float(np.linalg.det(self.cell)))

    @property
    def wavelength(self) -> float:
        """In metres."""
        return 1.0 / self.camera.radius

    def shift(self) -> float:
        """The longest way that any domain's rotation moves a vector of length 1."""
        # The rotation by an angle w has the trace 1 + 2 cos(w), and the chord 2 sin(w/2).
        traces = np.trace(self.domains, axis1=1, axis2=2)
        return float(np.sqrt(np.maximum(3.0 - traces, 0.0)).max())

    def edges(self) -> tuple[float, float]:
        """Spindle angles at which the first image begins to count and the last one ends, in radians."""
        # A step counts for an interval of which it is the middle.
        first = self.scans[0]
        begins = float(first.start) + (first.place_of_step() - 0.5) * float(first.step or 0.0)
        return begins, begins + self.width * len(self.scans)

    def span(self) -> tuple[float, float]:
        """Between which spindle angles the middles of reflections lie of which a part is on the images, in radians."""
        begins, ends = self.edges()
        return begins - _OUTSIDE, ends + _OUTSIDE

    def standing(self) -> dict[float, list[int]]:
        """The spindle angles of stills, and the numbers of those that have each."""
        found: dict[float, list[int]] = {}
        for number, scan in enumerate(self.scans):
            found.setdefault(float(scan.start), []).append(number)
        return found

    def cell_at(self, angle: float) -> Array:
        """Rows a, b, c at a spindle angle, (3, 3), metres."""
        return turned_about(self.spindle, self.cell, np.full(3, angle))

    def margin(self) -> Margin:
        """So far from the sphere may the middle of a reflection be of which a domain shines in a still."""
        resolution = self.camera.resolution
        width = self.profile.furthest(reciprocal_of(self.cell), resolution) + self.shift() / resolution
        return Margin(width=width)

    def regions(self) -> Iterator[Region]:
        """Where reflections are looked for."""
        if self.width > 0.0:
            yield self.camera.turning(self.cell, self.spindle, *self.span())
        else:
            for angle in self.standing():
                yield near_region(self.camera, self.cell_at(angle), self.margin())


def make_scene(layout: Layout, scans: tuple[Scan, ...], quirks: frozenset[str]) -> Scene:
    """What `predict` begins with; made before anything is rendered, it refuses what cannot be predicted.

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
        For a curved detector, on which places are not worked out; for images that leave gaps or overlap, for shapes
        whose spots run into each other, and for scans and numbers of reflections that only a slip of the hand can mean.
    """
    plan, laboratory, experiment = layout.plan, layout.laboratory, layout.experiment
    if plan.curvature is not None:
        raise InputError("reflections are not predicted on a curved detector (-curved_det)")
    if plan.running_product:
        raise InputError(
            "reflections are not predicted with the quirk running-product, whose factors are no detector's"
        )
    width = _swept(scans)
    if not abs(float(scans[0].start)) + width * len(scans) <= _LONGEST:
        raise InputError(f"reflections are predicted of scans up to {np.degrees(_LONGEST):.3g} degrees; this is longer")
    # The image takes h k l from the real axes, also where a cell overrules a matrix whose angles are others.
    cell = numbers(oriented_bases(experiment.crystal, oblique="oblique-cell" in quirks)[0])
    blocks = layout.parts.mosaic.blocks(experiment.crystal, torch.from_numpy(cell))
    count = len(blocks.rotations)
    sensor = sensor_of(layout)
    scene = Scene(
        sensor=sensor,
        camera=Camera(
            incident=numbers(laboratory.beam) / float(experiment.beam.wavelength),
            faces=sensor.faces,
            resolution=reach(experiment, laboratory, layout.parts.spectrum),
        ),
        scans=scans,
        width=width,
        spindle=numbers(laboratory.spindle),
        cell=cell,
        domains=numbers(blocks.rotations),
        weights=np.full(count, 1.0 / count) if blocks.weights is None else numbers(blocks.weights),
        mounted=blocks.mounted,
        profile=make_profile(plan.shape, plan.lattice),
    )
    for region in scene.regions():
        if not (region.rows() <= _MOST_ROWS and region.points <= _MOST_POINTS):
            most = max(region.rows(), region.points)
            raise InputError(
                f"there are about {most:.2g} indices down to {scene.camera.resolution / ANGSTROM:.3g} A: "
                "too many to predict reflections"
            )
    return scene


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
