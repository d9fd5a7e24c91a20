"""What a file of geometry says, as settings of an experiment and as a convention that places it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from openbragg.errors import InputError, UsageError
from openbragg.model import Beam, Crystal, Detector, Experiment, Panel, Scan
from openbragg.model.absorption import attenuates
from openbragg.model.described import Geometry, PanelGeometry, Rectangle, Vector3
from openbragg.model.panel import overlapping
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.roles import GeometryConvention

#: Name of the convention that places a detector as a file says.
CONVENTION = "file"
#: The beam has to meet a plane at no flatter angle (sine) than this for a distance along it to mean anything.
_FLATTEST = 0.1
#: An axis is along the beam when the sine between them is below this; `Geometry` has the same.
_PARALLEL = 1e-6


def described_experiment(geometry: Geometry, crystal: Crystal | None = None, **changes: Any) -> Experiment:
    """An experiment of what a file says; `described_convention` places its detector.

    Parameters
    ----------
    geometry
        What the file says; see `openbragg.read_geometry`.
    crystal
        The crystal, with a cell or reciprocal vectors or none: what is missing comes from the file.
    changes
        Fields of the experiment that the file does not decide, for example ``sampling``.

    Raises
    ------
    InputError
        When the file does not say the wavelength, and no beam is given.
    UsageError
        When neither the file nor the caller says anything of the crystal.
    """
    if "beam" not in changes:
        wavelength_notice(geometry, "give a beam")
    settings = described_settings(geometry)
    if crystal is None:
        if not settings[Crystal]:
            raise UsageError(f"{geometry.source} says nothing of a crystal: give one")
        crystal = Crystal(**settings[Crystal])
    made = {
        "crystal": crystal,
        "beam": Beam(**settings[Beam]),
        "detector": Detector(**settings[Detector]),
        "scan": Scan(**settings[Scan]),
    }
    return Experiment(**{**made, **changes})


def described_convention(geometry: Geometry) -> GeometryConvention:
    """The convention that places beam, polarization, spindle and panels as a file says.

    Raises
    ------
    UsageError
        When it says nothing of a detector.
    """
    if not geometry.panels:
        raise UsageError(f"{geometry.source} says nothing of a detector")
    made: GeometryConvention = default_registry().get("geometry_conventions", CONVENTION).cls(**placement(geometry))
    return made


def described_settings(geometry: Geometry) -> dict[type, dict[str, Any]]:
    """What a file says, as fields of `Detector`, `Beam`, `Scan` and `Crystal`, in SI units and radians.

    A rotation range of 0 is none. A sensor has to be known in both thickness and attenuation length to count.
    """
    if not geometry.panels:
        return {Detector: {}, Beam: {}, Scan: {}, Crystal: {"cell": geometry.cell}}
    reference = reference_panel(geometry)
    detector: dict[str, Any] = {
        "pixels": reference.pixels,
        "pixel_size": reference.pixel_size,
        "distance": distance_along_beam(geometry),
    }
    gaps = tuple(_within(geometry))
    if gaps:
        detector["gaps"] = gaps
    slabs = _slabs(geometry)
    if len(geometry.panels) > 1 or slabs[0] not in (None, (0, 0)) or reference.is_oblique():
        detector["layout"] = tuple(
            _in_axes_of(reference, panel, slab) for panel, slab in zip(geometry.panels, slabs, strict=True)
        )
    if geometry.sensor_thickness and geometry.attenuation_length:
        detector["sensor_thickness"] = geometry.sensor_thickness
        detector["attenuation_length"] = geometry.attenuation_length
        detector["sensor_material"] = geometry.sensor_material
        detector["counts_at_mean_depth"] = True
    beam: dict[str, Any] = {"wavelength": geometry.wavelength, "exposure": geometry.exposure}
    if geometry.polarization_fraction is not None:
        # The part p in the plane and 1 - p across it differ by Kahn's factor.
        beam["polarization"] = 2.0 * geometry.polarization_fraction - 1.0
    _, start, width = _rotation(geometry)
    scan: dict[str, Any] = {"start": start, "range": width or None}
    crystal: dict[str, Any] = {"reciprocal_vectors": geometry.reciprocal_vectors, "cell": geometry.cell}
    others: dict[type, dict[str, Any]] = {Beam: beam, Scan: scan, Crystal: crystal}
    return {
        Detector: detector,
        **{cls: {name: value for name, value in said.items() if value is not None} for cls, said in others.items()},
    }


def wavelength_notice(geometry: Geometry, remedy: str = "give -lambda or -energy") -> str:
    """What is to be said of the wavelength where no other is given than the file's; empty for nothing.

    Raises
    ------
    InputError
        When the file does not say one; with what helps.
    """
    if not geometry.panels:
        return ""
    if geometry.wavelength is None:
        reason = f" ({geometry.wavelength_note})" if geometry.wavelength_note else ""
        raise InputError(f"{geometry.source} does not say the wavelength{reason}: {remedy}")
    return f"{geometry.source}: {geometry.wavelength_note}" if geometry.wavelength_note else ""


def described_notices(geometry: Geometry) -> list[str]:
    """What is to be said of a file beside its own notices."""
    notices = list(geometry.notices)
    if not geometry.panels:
        return notices
    if geometry.sensor_thickness and not (geometry.attenuation_length or attenuates(geometry.sensor_material)):
        notices.append(
            f"{geometry.source} does not say how far X-rays get into the sensor: it is taken for a surface, "
            "unless -detector_thick and -detector_abs say otherwise"
        )
    if turns_backwards(geometry):
        notices.append(
            f"{geometry.source}: the spindle turns backwards; its axis is reversed, and phi counts about that one"
        )
    if geometry.polarization_normal is None and _electric(geometry) is None:
        notices.append(
            f"{geometry.source}: the spindle is along the beam, and no plane of polarization is given: "
            "the electric vector is taken across it"
        )
    cropped = _cropped(geometry)
    if cropped is not None and geometry.image is not None:
        notices.append(
            f"{geometry.source}: its image of {geometry.image[1]} x {geometry.image[0]} pixels (fast x slow) "
            f"is cropped to {cropped[1]} x {cropped[0]}, where its panels end"
        )
    if geometry.gaps and _share_pixels(geometry.panels):
        notices.append(
            f"{geometry.source}: untrusted rectangles are ignored, for the panels overlap in the image array"
        )
    return notices


def turns_backwards(geometry: Geometry) -> bool:
    """Whether phi falls from image to image, so that the spindle is taken the other way round."""
    return (geometry.oscillation or 0.0) < 0.0


def reversed_axis(axis: Vector3) -> Vector3:
    """The opposite direction."""
    x, y, z = axis
    return -x, -y, -z


def described_summary(geometry: Geometry) -> str:
    """What is in a file, for people."""
    count = len(geometry.panels)
    said = [f"{count} panels" if count > 1 else "1 panel"] if count else []
    crystal = geometry.reciprocal_vectors or geometry.cell
    if crystal is not None:
        oriented = "an oriented crystal" if geometry.reciprocal_vectors is not None else "a unit cell"
        said.append(f"{oriented} of {geometry.space_group}" if geometry.space_group else oriented)
    if geometry.images and geometry.start is not None and geometry.oscillation:
        start, width = math.degrees(geometry.start), math.degrees(geometry.oscillation)
        several = f"{geometry.images} images" if geometry.images > 1 else "1 image"
        said.append(f"{several} of {width:g} degrees from {start:g}")
    return f"{geometry.source}: {', '.join(said)}"


def placement(geometry: Geometry) -> dict[str, Any]:
    """Options of the convention `file`: the place of the reference panel, beam, polarization and spindle.

    The spindle turns so that phi grows. Without a plane of polarization in the file the electric vector is along the
    spindle, and without a spindle that is along x, or y where the beam is.
    """
    reference = reference_panel(geometry)
    fast, slow, _ = reference.axes()
    spindle, _, _ = _rotation(geometry)
    return {
        "origin": reference.origin,
        "fast": fast,
        "slow": slow,
        "beam": geometry.beam,
        "polarization": _electric(geometry) or _across(geometry.beam),
        "spindle": spindle,
    }


def _rotation(geometry: Geometry) -> tuple[Vector3, float | None, float | None]:
    """Spindle, start and width of an image's rotation, with phi growing.

    A turn by phi about an axis is one by -phi about the opposite axis: all three change sign together.
    """
    spindle = geometry.spindle or _across(geometry.beam)
    start, width = geometry.start, geometry.oscillation
    if width is None or width >= 0.0:
        return spindle, start, width
    return reversed_axis(spindle), None if start is None else -start, -width


def _electric(geometry: Geometry) -> Vector3 | None:
    """The beam's electric vector, a unit vector across the beam; None where nothing in the file gives one."""
    normal = geometry.polarization_normal
    if normal is not None:
        electric = _cross(normal, geometry.beam)
    else:
        electric, _, _ = _rotation(geometry)
    electric = _sum((1.0, electric), (-_dot(electric, geometry.beam), geometry.beam))
    length = math.hypot(*electric)
    if not length > _PARALLEL:
        return None
    electric = _sum((1.0 / length, electric))
    # Rounding left a part along the beam, large where the vector was small.
    return _sum((1.0, electric), (-_dot(electric, geometry.beam), geometry.beam))


def reference_panel(geometry: Geometry) -> PanelGeometry:
    """The panel whose middle is nearest to the beam: distance and beam centre are measured on it.

    Panels that the beam's line meets at a flat angle, or behind the crystal, come last.
    """

    def badness(panel: PanelGeometry) -> tuple[bool, float]:
        middle = panel.position(panel.pixels[1] / 2.0, panel.pixels[0] / 2.0)
        along = _dot(middle, geometry.beam)
        _, _, normal = panel.axes()
        slope = _dot(geometry.beam, normal)
        meets = abs(slope) > _FLATTEST and _dot(panel.origin, normal) / slope > 0.0
        return not meets, -along / max(math.hypot(*middle), 1e-12)

    return min(geometry.panels, key=badness)


def distance_along_beam(geometry: Geometry) -> float:
    """From the crystal to the reference panel's plane along the beam, in metres."""
    panel = reference_panel(geometry)
    _, _, normal = panel.axes()
    slope = _dot(geometry.beam, normal)
    if abs(slope) > _FLATTEST and _dot(panel.origin, normal) / slope > 0.0:
        return _dot(panel.origin, normal) / slope
    return max(math.hypot(*panel.origin), 1e-6)


def _in_axes_of(reference: PanelGeometry, panel: PanelGeometry, slab: tuple[int, int] | None) -> Panel:
    """A panel in the axes of the reference panel."""
    frame = reference.axes()
    away = _sum((1.0, panel.origin), (-1.0, reference.origin))
    rows = (panel.fast, panel.slow, panel.axes()[2])
    fast, slow, normal = (_components(row, frame) for row in rows)
    return Panel(
        pixels=panel.pixels,
        pixel_size=panel.pixel_size,
        offset=_components(away, frame),
        axes=(fast, slow, normal),
        slab=slab,
        name=panel.name,
    )


def _slabs(geometry: Geometry) -> list[tuple[int, int] | None]:
    """Where panels lie in the image: as the file says, or one below the other where it puts them over each other."""
    panels = geometry.panels
    if len(panels) == 1 and geometry.image is None:
        # A panel alone is the image, wherever it lies in the data.
        return [None]
    return [None] * len(panels) if _share_pixels(panels) else [panel.slab for panel in panels]


def _cropped(geometry: Geometry) -> tuple[int, int] | None:
    """Pixels (slow, fast) of the frame where the file's image goes on beyond its panels; None where it does not."""
    if geometry.image is None or any(slab is None for slab in _slabs(geometry)):
        return None
    places = [_place(panel) for panel in geometry.panels]
    reached = max(rows.stop for rows, _ in places), max(columns.stop for _, columns in places)
    return reached if reached[0] < geometry.image[0] or reached[1] < geometry.image[1] else None


def _share_pixels(panels: tuple[PanelGeometry, ...]) -> bool:
    """Whether two panels lie over each other in the image, or one of several has no place in it."""
    if any(panel.slab is None for panel in panels):
        return len(panels) > 1
    return overlapping([_place(panel) for panel in panels]) is not None


def _place(panel: PanelGeometry) -> tuple[slice, slice]:
    """Rows and columns of the image that a panel takes; its slab is known."""
    assert panel.slab is not None
    (slow, fast), pixels = panel.slab, panel.pixels
    return slice(slow, slow + pixels[0]), slice(fast, fast + pixels[1])


def _within(geometry: Geometry) -> Iterator[Rectangle]:
    """Gaps of the image as it is rendered."""
    if len(geometry.panels) > 1 and _share_pixels(geometry.panels):
        return
    alone = _slabs(geometry) == [None]
    slow, fast = (geometry.panels[0].slab if alone else None) or (0, 0)
    for first_fast, last_fast, first_slow, last_slow in geometry.gaps:
        moved = (max(0, first_fast - fast), last_fast - fast, max(0, first_slow - slow), last_slow - slow)
        if moved[0] <= moved[1] and moved[2] <= moved[3]:
            yield moved


def _components(vector: Vector3, frame: tuple[Vector3, Vector3, Vector3]) -> Vector3:
    x, y, z = (_dot(vector, axis) for axis in frame)
    return x, y, z


def _dot(one: Vector3, other: Vector3) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _cross(one: Vector3, other: Vector3) -> Vector3:
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


def _sum(*terms: tuple[float, Vector3]) -> Vector3:
    x, y, z = (sum(factor * vector[axis] for factor, vector in terms) for axis in range(3))
    return x, y, z


def _across(beam: Vector3) -> Vector3:
    """The x axis made to lie across the beam, or the y axis where the beam is along x."""
    axis = (1.0, 0.0, 0.0) if abs(beam[0]) < 0.9 else (0.0, 1.0, 0.0)
    made = _sum((1.0, axis), (-_dot(axis, beam), beam))
    length = math.hypot(*made)
    return made[0] / length, made[1] / length, made[2] / length
