"""DIALS's models of an experiment, as plain numbers: beam, detector, goniometer, scan and crystal.

Lengths are in millimetres, those of the crystal in angstroms; angles in degrees. The laboratory is DIALS's own for our
images: `dials_axes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openbragg import unit
from openbragg_plugins.image_formats.nxmx.mcstas import mcstas_axes, turned

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Experiment, Laboratory, PanelFrame, Truth

    Model = dict[str, Any]

_MM, _ANGSTROM, _DEGREES = unit("mm").from_si, unit("A").from_si, unit("deg").from_si
_IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
#: Domains that are turned by less, in radians, are no mosaic.
_UNTURNED = 1e-12
#: Spindle angles of a scan at which the crystal is looked at.
_ANGLES = 90


def dials_axes(laboratory: Laboratory) -> np.ndarray[Any, Any]:
    """DIALS's x, y and z axes in OpenBragg's laboratory: rows, a rotation, float64, shape (3, 3).

    z runs against the beam, and x along the part of the spindle that is across the beam. DIALS places SMV and miniCBF
    images so, and turns McStas's axes, in which our NXmx files are, half round y.
    """
    import numpy as np

    turned_about_y: np.ndarray[Any, Any] = np.array([[-1.0], [1.0], [-1.0]]) * mcstas_axes(laboratory) + 0.0
    return turned_about_y


def beam_model(experiment: Experiment, laboratory: Laboratory) -> Model:
    """The beam; its direction is DIALS's, towards the source."""
    import numpy as np

    axes, beam = dials_axes(laboratory), experiment.beam
    normal = np.cross(turned(axes, laboratory.polarization), turned(axes, laboratory.beam))
    kahn = 0.0 if beam.no_polarization_factor else float(beam.polarization)
    return {
        "__id__": "monochromatic",
        "direction": (-turned(axes, laboratory.beam) + 0.0).tolist(),
        "wavelength": _ANGSTROM(float(beam.wavelength)),
        "divergence": 0.0,
        "sigma_divergence": 0.0,
        "polarization_normal": (normal / np.linalg.norm(normal) + 0.0).tolist(),
        "polarization_fraction": (1.0 + kahn) / 2.0,
        "flux": float(beam.flux or 0.0),
        "transmission": 1.0,
    }


def detector_model(
    experiment: Experiment, laboratory: Laboratory, trusted: tuple[float, float], pedestal: float, gain: float = 1.0
) -> Model:
    """The detector, a panel for each of the laboratory's."""
    import numpy as np

    children = [{"panel": number} for number in range(len(laboratory.panels))]
    whole = _panel("", [0.0, 0.0, 0.0], np.eye(3), (0, 0), [0.0, 0.0])
    return {
        "panels": [
            panel_model(frame, experiment, laboratory, trusted, pedestal) | {"gain": gain}
            for frame in laboratory.panels
        ],
        "hierarchy": {**whole, "children": children},
    }


def panel_model(
    frame: PanelFrame, experiment: Experiment, laboratory: Laboratory, trusted: tuple[float, float], pedestal: float
) -> Model:
    """A panel. A sensor that absorbs has DIALS's correction of the parallax, which a surface does not need."""
    import numpy as np

    axes = dials_axes(laboratory)
    slow, fast = frame.panel.pixels
    number = next(place for place, other in enumerate(laboratory.panels) if other is frame)
    sides = _MM(np.array([float(side) for side in frame.pixel_sides()]))
    # DIALS has pixels with sides of two lengths, but at right angles.
    frame, _ = frame.upright()
    directions = np.array([turned(axes, frame.fast), turned(axes, frame.slow)])
    if frame.panel.is_oblique():
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    origin = _MM(turned(axes, frame.origin)).tolist()
    name = frame.panel.name or f"panel {number}"
    model = _panel(name, origin, directions, (fast, slow), sides.tolist())
    model |= {"type": "SENSOR_PAD", "trusted_range": list(trusted), "pedestal": pedestal}
    first_slow, first_fast = frame.panel.slab or (0, 0)
    model["raw_image_offset"] = [first_fast, first_slow]
    model["mask"] = _gaps(frame, experiment)
    length = experiment.sensor_attenuation()
    if length is not None:
        model["thickness"] = _MM(float(experiment.detector.sensor_thickness))
        model["material"] = experiment.sensor_material() or "Si"
        model["mu"] = unit("mm").to_si(1.0 / length)
        model["px_mm_strategy"] = {"type": "ParallaxCorrectedPxMmStrategy"}
    return model


def goniometer_model(laboratory: Laboratory) -> Model:
    """The spindle."""
    return {
        "rotation_axis": turned(dials_axes(laboratory), laboratory.spindle).tolist(),
        "fixed_rotation": _IDENTITY,
        "setting_rotation": _IDENTITY,
    }


def scan_model(truth: Truth) -> Model:
    """The scan of all images, which begins where the header of the first says."""
    scan, exposure = truth.scans[0], float(truth.experiment.beam.exposure)
    images = len(truth.scans)
    return {
        "image_range": [1, images],
        "batch_offset": 0,
        "oscillation": [_DEGREES(float(scan.start)), _DEGREES(float(scan.range or 0.0))],
        "exposure_time": [exposure] * images,
        "epochs": [number * exposure for number in range(images)],
        "valid_image_ranges": {},
    }


def crystal_model(truth: Truth, still: int | None = None) -> Model:
    """The crystal with the spindle at 0, or that of a still, from 0, as it stands; with mosaic domains their spread.

    That is the root of the mean square of their rotations about one axis, which is what XDS and DIALS call mosaicity.
    The domains as a whole are turned by the mean of their rotations, and so is the crystal. They turn in the
    laboratory, where in a rotating crystal the mean over the scan is taken, or with the crystal.
    """
    import numpy as np

    axes = dials_axes(truth.laboratory)
    spindle = np.array(truth.laboratory.spindle.tolist())
    mean = mean_rotation(truth.mosaic_rotations, truth.mosaic_weights)
    if still is None and len(truth.mosaic_rotations) == 1:
        rotation, cell = np.eye(3), truth.cell_vectors
    elif still is None:
        scan = truth.scans[0]
        angles = float(scan.start) + float(scan.range or 0.0) * len(truth.scans) * (np.arange(_ANGLES) + 0.5) / _ANGLES
        turns = [rotation_about(spindle, angle) for angle in angles]
        rotation = mean if truth.mosaic_mounted else mean_rotation(np.array([turn.T @ mean @ turn for turn in turns]))
        cell = truth.cell_vectors
    else:
        turn = rotation_about(spindle, float(truth.scans[still].start))
        rotation = turn @ mean if truth.mosaic_mounted else mean @ turn
        cell = truth.cell_vectors_of_images[still]
    vectors = _ANGSTROM(cell @ rotation.T @ axes.T) + 0.0
    model = {
        "__id__": "crystal",
        "real_space_a": vectors[0].tolist(),
        "real_space_b": vectors[1].tolist(),
        "real_space_c": vectors[2].tolist(),
        "space_group_hall_symbol": hall_symbol(truth.space_group, vectors),
    }
    spread = float(np.hypot(mosaicity(truth.mosaic_rotations, truth.mosaic_weights), truth.mosaic_deviation))
    if spread > 0.0:
        model["mosaicity"] = _DEGREES(spread)
    return model


def mean_rotation(rotations: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
    """The rotation nearest to all of some (rotations, 3, 3), of these weights if there are any, (3, 3).

    Source: Moakher (2002), SIAM J. Matrix Anal. Appl. 24, 1-16: the orthogonal part of their mean.
    """
    import numpy as np

    if len(rotations) == 1:
        only: np.ndarray[Any, Any] = rotations[0]
        return only
    left, _, right = np.linalg.svd(np.average(rotations, axis=0, weights=weights))
    mean: np.ndarray[Any, Any] = left @ right
    return mean


def mosaicity(rotations: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None = None) -> float:
    """Standard deviation in radians of rotations (domains, 3, 3) from their mean, about one axis, of all directions."""
    import numpy as np

    rotations = mean_rotation(rotations, weights).T @ rotations
    skew = rotations - rotations.transpose(0, 2, 1)
    sines = np.sqrt(skew[:, 2, 1] ** 2 + skew[:, 0, 2] ** 2 + skew[:, 1, 0] ** 2) / 2.0
    angles = np.arctan2(sines, (np.trace(rotations, axis1=1, axis2=2) - 1.0) / 2.0)
    if float(angles.max()) < _UNTURNED:
        return 0.0
    return float(np.sqrt(np.average(angles**2, weights=weights) / 3.0))


def hall_symbol(space_group: str, vectors: np.ndarray[Any, Any]) -> str:
    """Hall's symbol of a space group that the cell (rows a, b, c) obeys; that of P 1 otherwise."""
    import gemmi
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1)
    cosines = (vectors @ vectors.T) / np.outer(lengths, lengths)
    angles = np.degrees(np.arccos([cosines[1, 2], cosines[0, 2], cosines[0, 1]]))
    found = gemmi.find_spacegroup_by_name(space_group, alpha=angles[0], gamma=angles[2]) if space_group else None
    if found is None or not gemmi.UnitCell(*lengths, *angles).is_compatible_with_spacegroup(found):
        return "P 1"
    return str(found.hall)


def rotation_about(axis: np.ndarray[Any, Any], angle: float) -> np.ndarray[Any, Any]:
    """Right-handed rotation about a unit axis (3,) by radians, (3, 3); it acts on column vectors."""
    import numpy as np

    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned: np.ndarray[Any, Any] = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return turned


def _gaps(frame: PanelFrame, experiment: Experiment) -> list[list[int]]:
    """The detector's gaps as far as they lie on a panel: first and one beyond the last pixel, (fast, slow) twice."""
    slow, fast = frame.panel.pixels
    first_slow, first_fast = frame.panel.slab or (0, 0)
    found = []
    for left, right, top, bottom in experiment.detector.gaps:
        gap = [max(left - first_fast, 0), max(top - first_slow, 0)]
        gap += [min(right + 1 - first_fast, fast), min(bottom + 1 - first_slow, slow)]
        if gap[0] < gap[2] and gap[1] < gap[3]:
            found.append(gap)
    return found


def _panel(
    name: str, origin: list[float], directions: np.ndarray[Any, Any], pixels: tuple[int, int], sides: list[float]
) -> Model:
    return {
        "name": name,
        "type": "",
        "fast_axis": directions[0].tolist(),
        "slow_axis": directions[1].tolist(),
        "origin": origin,
        "raw_image_offset": [0, 0],
        "image_size": list(pixels),
        "pixel_size": sides,
        "trusted_range": [0.0, 0.0],
        "thickness": 0.0,
        "material": "",
        "mu": 0.0,
        "identifier": "",
        "mask": [],
        "gain": 1.0,
        "pedestal": 0.0,
        "px_mm_strategy": {"type": "SimplePxMmStrategy"},
    }
